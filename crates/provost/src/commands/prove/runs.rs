//! Which phases are measured, in which order, and how often.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Result, anyhow};
use provost_check::facts::proof::storm::RUNS;
use provost_check::facts::proof::telemetry::{CONTROL, QUEUE};
use provost_check::facts::proof::{
    APART, Otlp, Phase, PhaseName, Proof, Stage, Terms, WRITABLE, shown_user,
};
use provost_check::rules::RULES;
use provost_check::rules::rule::Need;
use provost_live::prove::{self, Harness, Plan, memory};

use super::progress::Progress;
use super::settings;
use crate::args::{Cli, ProveArgs};
use crate::exit::Mistake;
use crate::interrupt::Interrupt;

/// Microseconds from the start until the early signal, at most.
const MOST_EARLY_US: u64 = 1_000_000;

/// Beside its own times, what a phase may take: the start of its processes, the load before and after,
/// and what telemetry waits for.
const ALLOWANCE: Duration = Duration::from_secs(90);

/// Phases that run by themselves, before all others.
const QUIET: [PhaseName; 4] =
    [PhaseName::Start, PhaseName::Drain, PhaseName::Load, PhaseName::Throttled];

/// Phases that need nobody who answers.
const SILENT: [PhaseName; 2] = [PhaseName::SecondSignal, PhaseName::EarlySignal];

/// Dependencies that fail by themselves, each in a run of its own beside the one in which all do.
pub(super) const MOST_ALONE: usize = 8;

/// Runs that go on at the same time, at most: more of them would be late.
const MOST_AT_ONCE: usize = 12;

/// Memory that a service without a limit is thought to take.
const USUAL: u64 = 256 << 20;

/// What the outages of dependencies may take.
const OUTAGES: Duration = Duration::from_secs(60);

/// Which phases are measured: those that are named, those that the named rules ask about, or all that
/// there is something to ask in.
pub(super) fn phases(args: &ProveArgs, terms: &Terms) -> Result<Vec<PhaseName>, Mistake> {
    let about = [PhaseName::Telemetry, PhaseName::ExporterFailure];
    let outages = [PhaseName::WithoutDependency, PhaseName::Outage];
    let is_limited = |phase: &PhaseName| match phase {
        PhaseName::Throttled => terms.cpu_limit_m.is_some(),
        PhaseName::Limits => terms.cpu_limit_m.is_some() || terms.memory_limit.is_some(),
        _ => true,
    };
    if let Some(phase) = args.phase.iter().find(|it| !is_limited(it)) {
        let what = format!("--phase {}: the container has no such limit", phase.name());
        return Err(Mistake::new(what).help("name the manifest that has one with --manifest"));
    }
    if let Some(phase) = args.phase.iter().find(|it| about.contains(it) && terms.otlp.is_none()) {
        return Err(Mistake::new(format!(
            "--phase {}: nothing says that the process sends telemetry",
            phase.name()
        ))
        .help("set OTEL_EXPORTER_OTLP_ENDPOINT in the manifest or with --env, or add --otlp; what --dependency names is left to it"));
    }
    let asked = asked_by(&args.rules.only);
    let wanted = |phase: &PhaseName| match (args.phase.is_empty(), args.quick) {
        (false, _) => args.phase.contains(phase),
        (true, true) => matches!(phase, PhaseName::Start | PhaseName::Drain),
        (true, false) => {
            let judged = asked.as_ref().is_none_or(|asked| asked.contains(phase));
            let there = !terms.dependencies.is_empty() || !outages.contains(phase);
            let there = there && is_limited(phase);
            judged && there && (terms.otlp.is_some() || !about.contains(phase))
        }
    };
    Ok(PhaseName::ALL.into_iter().filter(wanted).collect())
}

/// Phases that rules are judged by; all where none is named, or one that asks about any.
fn asked_by(only: &[String]) -> Option<Vec<PhaseName>> {
    let named = only.iter().map(|id| id.split('/').next().unwrap_or_default());
    let rules: Vec<_> = named
        .filter_map(|id| RULES.iter().find(|rule| rule.id == id))
        .filter(|rule| rule.needs.contains(&Need::Process))
        .collect();
    let all = rules.is_empty() || rules.iter().any(|rule| rule.phases.is_empty());
    (!all).then(|| rules.iter().flat_map(|rule| rule.phases).copied().collect())
}

/// What is measured, and what tells whether to go on.
struct Measuring<'a> {
    harness: &'a Harness,
    wanted: &'a [PhaseName],
    tries: &'a [settings::Try],
    longest: Duration,
    stop: &'a AtomicBool,
    progress: &'a Progress,
}

type Told = Vec<(PhaseName, Result<prove::Measured>)>;

/// Runs every phase, as often as was asked for.
pub(super) fn measure(
    cli: &Cli,
    args: &ProveArgs,
    harness: &Harness,
    (plan, tries): (Plan, Vec<settings::Try>),
    proof: &mut Proof,
    interrupt: &Interrupt,
) -> Result<()> {
    let stop = interrupt.flag();
    let progress = Progress::new(cli.quiet);
    let wanted = phases(args, &plan.terms)?;
    let longest = longest(&plan.terms);
    let (wanted, tries) = (wanted.as_slice(), tries.as_slice());
    let measuring = Measuring { harness, wanted, tries, longest, stop: &stop, progress: &progress };
    for turn in 0..args.repeat {
        if turn > 0 && interrupt.exit().is_some() {
            break;
        }
        if args.repeat > 1 {
            progress.turn(turn + 1);
        }
        let told = measuring.once(plan.clone())?;
        let phases = keep(told, &mut proof.stage, &proof.program.path, interrupt)?;
        match turn {
            0 => proof.phases = phases,
            // One that was interrupted is no answer of the same question.
            _ if interrupt.exit().is_some() => {}
            _ => proof.repeats.push(phases),
        }
    }
    progress.end();
    Ok(())
}

impl Measuring<'_> {
    /// Every phase once. What needs quiet runs by itself; what only waits, side by side.
    fn once(&self, mut plan: Plan) -> Result<Told> {
        let has = |phase: PhaseName| self.wanted.contains(&phase);
        let measure = |plan: &Plan| self.harness.measure(plan, self.longest, self.stop);
        let mut told: Told = Vec::new();
        if has(PhaseName::EarlySignal) && !has(PhaseName::Start) {
            // How long a start takes is known by one only.
            let of_start = Plan { phase: PhaseName::Start, ..plan.clone() };
            let first = self.progress.during(PhaseName::Start.name(), || measure(&of_start))?;
            plan.early_us = early_us(&first);
        }
        for phase in QUIET.into_iter().filter(|phase| has(*phase)) {
            plan.phase = phase;
            let result = self.progress.during(phase.name(), || {
                let mut result = measure(&plan);
                if let (PhaseName::Start, Ok(measured)) = (phase, &mut result) {
                    self.as_root(&plan, measured);
                }
                result
            });
            let started = result.as_ref().is_ok_and(|it| it.phase.is_ok());
            if let (PhaseName::Start, Ok(measured)) = (phase, &result) {
                plan.early_us = early_us(measured);
                if let Some(start) = measured.phase.as_ref().ok().filter(|it| it.ready_us.is_none())
                {
                    // What does not come up is not measured further, and of what serves nothing that is spoken here,
                    // only how it ends.
                    let silent = plan.terms.is_worker() || start.other_protocol;
                    let ends = silent && !start.ended_by_itself();
                    let listens = start.listens_us().is_some();
                    told.push((phase, result));
                    for phase in SILENT.into_iter().filter(|phase| ends && has(*phase)) {
                        let plan = Plan { phase, ..plan.clone() };
                        told.push((phase, self.progress.during(phase.name(), || measure(&plan))));
                    }
                    // It came up by going on.
                    if ends && !listens && has(PhaseName::Settings) {
                        told.push(self.settings(&plan));
                    }
                    return Ok(told);
                }
            }
            if let (PhaseName::Start, Ok(measured)) = (phase, &result) {
                // Where it listens nobody else may, said or not.
                let listeners = measured.phase.iter().flat_map(|phase| &phase.listeners);
                plan.ports.extend(listeners.map(|listener| listener.port));
            }
            told.push((phase, result));
            if !started {
                return Ok(told);
            }
        }
        // Two that share a network would want the same port.
        let side_by_side = told
            .last()
            .is_some_and(|(_, result)| result.as_ref().is_ok_and(|it| it.stage.has_own_network()));
        for group in groups(self.wanted, plan.terms.dependencies.len()) {
            let one = |&(phase, turn): &(PhaseName, u32)| match phase {
                PhaseName::Limits => traced(Plan { phase, turn, ..plan.clone() }),
                _ => Plan { phase, turn, ..plan.clone() },
            };
            let group: Vec<Plan> = group.iter().map(one).collect();
            let at_once =
                if side_by_side { at_once(plan.terms.memory_limit, memory::free()) } else { 1 };
            for some in group.chunks(at_once) {
                let mut names: Vec<&str> = some.iter().map(|plan| plan.phase.name()).collect();
                names.dedup();
                told.extend(self.progress.during(&names.join(", "), || self.together(some)));
            }
        }
        // What fails or grows without a collector may do so with one: the same requests of the same process show it.
        let queue = plan.terms.otlp.as_ref().map_or(QUEUE, Otlp::queue);
        let suffers = |run: &Phase| run.leaves_untaken_unanswered() || run.grows_untaken(queue);
        let suffered = told.iter().any(|(phase, result)| {
            let run = result.as_ref().ok().and_then(|it| it.phase.as_ref().ok());
            *phase == PhaseName::ExporterFailure && run.is_some_and(suffers)
        });
        if suffered {
            plan.phase = PhaseName::ExporterFailure;
            let control = Plan { turn: CONTROL, ..plan.clone() };
            told.push((plan.phase, self.progress.during(plan.phase.name(), || measure(&control))));
        }
        if has(PhaseName::Settings) {
            told.push(self.settings(&plan));
        }
        Ok(told)
    }

    /// Starts as it is, and with each change of a variable.
    fn settings(&self, plan: &Plan) -> (PhaseName, Result<prove::Measured>) {
        let how = (self.harness, longest as fn(&Terms) -> Duration, self.stop);
        let measure = || settings::measure(plan, self.tries.to_vec(), how);
        (PhaseName::Settings, self.progress.during(PhaseName::Settings.name(), measure))
    }

    /// Where a process ends by itself as its own user, starts it as root, which may be what it needs.
    fn as_root(&self, plan: &Plan, measured: &mut prove::Measured) {
        let Ok(phase) = &mut measured.phase else { return };
        let stage = &measured.stage;
        let changed = stage.reproduced.contains(&shown_user(plan.user));
        // Nobody asked for it to be root, and so it may be that only where it reaches nothing of this machine.
        let apart = stage.has_own_network() && !stage.lacks(APART) && !stage.lacks(WRITABLE);
        if plan.user.0 == 0 || !changed || !apart || !phase.ended_by_itself() {
            return;
        }
        let plan = Plan { user: (0, 0), ..plan.clone() };
        let run = self.harness.measure(&plan, self.longest, self.stop);
        if let Ok(mut run) = run.and_then(|run| run.phase.map_err(|why| anyhow!(why))) {
            settings::shorten(&mut run);
            phase.as_root = Some(Box::new(run));
        }
    }

    /// Measures phases at the same time.
    fn together(&self, plans: &[Plan]) -> Told {
        let (harness, longest, stop) = (self.harness, self.longest, self.stop);
        std::thread::scope(|scope| {
            let running: Vec<_> = plans
                .iter()
                .map(|plan| (plan.phase, scope.spawn(move || harness.measure(plan, longest, stop))))
                .collect();
            running.into_iter().filter_map(|(phase, run)| Some((phase, run.join().ok()?))).collect()
        })
    }
}

/// Phases that run side by side, group by group, and which turn of each: those that only wait; then the
/// runs of the storm; then what asks as fast as it can, by which others would be late.
fn groups(wanted: &[PhaseName], dependencies: usize) -> Vec<Vec<(PhaseName, u32)>> {
    let alone = if dependencies > 1 { dependencies.min(MOST_ALONE) as u32 } else { 0 };
    let others = wanted.iter().copied().filter(|phase| !QUIET.contains(phase));
    let (mut waiting, mut storm, mut quickly) = (Vec::new(), Vec::new(), Vec::new());
    for phase in others {
        match phase {
            PhaseName::Settings => {}
            PhaseName::Storm => storm.extend((0..RUNS).map(|turn| (phase, turn))),
            PhaseName::ExporterFailure => quickly.push((phase, 0)),
            PhaseName::WithoutDependency | PhaseName::Outage => {
                waiting.extend((0..=alone).map(|turn| (phase, turn)));
            }
            _ => waiting.push((phase, 0)),
        }
    }
    [waiting, storm, quickly].into_iter().filter(|group| !group.is_empty()).collect()
}

/// Runs that go on at the same time: so many that each has the memory of its container, or what most services take.
fn at_once(limit: Option<u64>, free: Option<u64>) -> usize {
    let each = limit.unwrap_or(USUAL).max(1);
    let fit = free.map_or(1, |free| free / 2 / each);
    usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, MOST_AT_ONCE)
}

/// Has the runtime print how many threads run Go code, ten times a second, beside what it is told already.
fn traced(mut plan: Plan) -> Plan {
    const GODEBUG: &str = "GODEBUG";
    const TRACE: &str = "schedtrace=100";
    match plan.environment.iter_mut().find(|(name, _)| name == GODEBUG) {
        Some((_, value)) if !value.is_empty() => *value = format!("{value},{TRACE}"),
        Some((_, value)) => TRACE.clone_into(value),
        None => plan.environment.push((GODEBUG.to_owned(), TRACE.to_owned())),
    }
    plan
}

/// In the middle of a start, or where a long one has surely begun its work.
fn early_us(start: &prove::Measured) -> u64 {
    let listens = start.phase.as_ref().ok().and_then(Phase::listens_us);
    (listens.unwrap_or(10_000) / 2).min(MOST_EARLY_US)
}

/// What was measured; several runs of one phase become one with repeats.
fn keep(told: Told, stage: &mut Stage, program: &str, interrupt: &Interrupt) -> Result<Vec<Phase>> {
    let mut phases: Vec<Phase> = Vec::new();
    for (_, result) in told {
        let measured = match result {
            Ok(measured) => measured,
            // What was measured before is told.
            Err(_) if interrupt.exit().is_some() => continue,
            Err(error) => return Err(error),
        };
        *stage = measured.stage;
        let mut phase = measured
            .phase
            .map_err(|why| Mistake::new(format!("{program} cannot be started: {why}")))?;
        match phases.iter_mut().find(|known| known.name == phase.name) {
            Some(first) => {
                settings::shorten(&mut phase);
                first.repeats.push(phase);
            }
            None => phases.push(phase),
        }
    }
    phases.sort_by_key(|phase| phase.name);
    Ok(phases)
}

fn longest(terms: &Terms) -> Duration {
    let own = terms.ready_ms + terms.grace_ms + terms.propagation_ms;
    let outages = if terms.dependencies.is_empty() { Duration::ZERO } else { OUTAGES };
    Duration::from_millis(own) + ALLOWANCE + outages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_at_full_speed_runs_beside_nothing() {
        let groups = groups(&PhaseName::ALL, 1);
        let with =
            |phase: PhaseName| groups.iter().filter(move |it| it.iter().any(|of| of.0 == phase));
        let alone: Vec<_> = with(PhaseName::ExporterFailure).collect();
        assert_eq!(alone, [&vec![(PhaseName::ExporterFailure, 0)]]);
        // Everything is measured once, what is quiet and the settings elsewhere.
        for phase in PhaseName::ALL {
            let elsewhere = QUIET.contains(&phase) || phase == PhaseName::Settings;
            assert_eq!(with(phase).count(), usize::from(!elsewhere), "{phase:?}");
        }
        assert_eq!(groups.iter().flatten().filter(|it| it.0 == PhaseName::Storm).count(), 4);
    }

    #[test]
    fn no_more_runs_go_on_at_once_than_there_is_memory_for() {
        let of = |limit: Option<u64>, free: u64| at_once(limit, Some(free << 20));
        assert_eq!((of(None, 1024), of(None, 100)), (2, 1));
        assert_eq!((of(Some(64 << 20), 1024), of(Some(64 << 20), 1 << 20)), (8, MOST_AT_ONCE));
    }

    #[test]
    fn each_of_several_dependencies_fails_by_itself() {
        let of = |dependencies| {
            let groups = groups(&[PhaseName::Outage], dependencies);
            groups.into_iter().flatten().map(|(_, turn)| turn).collect::<Vec<_>>()
        };
        assert_eq!((of(1), of(2)), (vec![0], vec![0, 1, 2]));
        assert_eq!(of(100).len(), MOST_ALONE + 1);
    }
}
