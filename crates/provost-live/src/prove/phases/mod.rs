//! The phases: what is done to the process in each of its runs.

mod drain;
mod early;
mod exporter;
mod full;
mod health;
mod kubelet;
mod limits;
mod load;
mod location;
mod log;
mod multiplexed;
mod outage;
mod run;
mod scrapes;
mod second;
mod settings;
mod start;
mod storm;
mod stuck;
mod telemetry;
mod throttled;
mod upgraded;
mod without;

use std::rc::Rc;

use provost_check::facts::proof::{Missing, Phase, PhaseName};

use super::dependency::beyond::Beyond;
use super::plan::Plan;
use super::stage::Entered;
use run::Run;

/// Runs the phase of a plan; why not, when the program could not be started.
pub(super) async fn run(
    plan: &Plan,
    entered: Entered,
    beyond: Option<Beyond>,
) -> Result<(Phase, Vec<Missing>), String> {
    let (sink, plan) = telemetry::sink(plan, entered.namespaces).await?;
    let mut run = Run::start(&plan, entered, beyond.map(Rc::new)).await?;
    run.sink = sink;
    match plan.phase {
        PhaseName::Start => start::run(&mut run).await,
        PhaseName::Drain => drain::run(&mut run).await,
        PhaseName::Stuck => stuck::run(&mut run).await,
        PhaseName::SecondSignal => second::run(&mut run).await,
        PhaseName::EarlySignal => early::run(&mut run).await,
        PhaseName::FullStdout => full::run(&mut run).await,
        PhaseName::Settings => settings::run(&mut run).await,
        PhaseName::WithoutDependency => without::run(&mut run).await,
        PhaseName::Outage => outage::run(&mut run).await,
        PhaseName::Load => load::run(&mut run).await,
        PhaseName::Throttled => throttled::run(&mut run).await,
        PhaseName::Limits => limits::run(&mut run).await,
        PhaseName::Storm => storm::run(&mut run).await,
        PhaseName::Telemetry => telemetry::run(&mut run).await,
        PhaseName::ExporterFailure => exporter::run(&mut run).await,
    }
    run.finish().await
}
