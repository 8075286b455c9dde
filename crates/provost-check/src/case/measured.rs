//! What was measured of the process of a container: how long it takes to start and to end.

use super::Case;
use super::process::{ProcessCase, duration};
use crate::facts::Origin;
use crate::facts::proof::{Phase, PhaseName, Probe, Purpose};
use crate::facts::workload::{Action, Handler};

/// How long a process took to end.
#[derive(Clone, Copy, Debug)]
pub struct Drained<'w> {
    /// The process, in the measurement that it took longest in.
    pub process: ProcessCase<'w>,
    /// The run.
    pub phase: &'w Phase,
    /// When SIGTERM was sent.
    pub told_us: u64,
    /// From then until its end; until it was killed, where it was.
    pub took_us: u64,
    /// It takes no longer than that: it ended by itself while a request was open that does not end.
    pub whole: bool,
}

/// When a process had started.
#[derive(Clone, Copy, Debug)]
pub struct Started<'w> {
    /// The process, in the measurement in which it came last.
    pub process: ProcessCase<'w>,
    /// The run.
    pub phase: &'w Phase,
    /// When the probe that watches its start first passed.
    pub at_us: u64,
}

impl<'w> Case<'w> {
    /// The processes that were measured as this container, each once for each of its measurements. What a guess
    /// joined may be told, and outweighs nothing that is written.
    pub fn processes(&self) -> impl Iterator<Item = ProcessCase<'w>> {
        let (joined, case) = (self.of.joined, *self);
        let all = joined.world.proofs.iter().enumerate();
        let own = all.filter(move |(index, proof)| {
            let is_meant = match proof.proof.container.as_deref() {
                Some(name) => name == case.subject(),
                None => case.binary().is_ok(),
            };
            is_meant && joined.bindings.of_proof(*index) == Some((case.of.id, case.index))
        });
        own.flat_map(move |(index, proof)| {
            let process = ProcessCase::new(joined, index, proof);
            (0..process.runs()).map(move |run| process.of_run(run))
        })
    }

    /// The longest that its process took to end, idle, under load, or while a request is open that does not end.
    pub fn drained(&self) -> Option<Drained<'w>> {
        const ENDS: [PhaseName; 3] = [PhaseName::Start, PhaseName::Drain, PhaseName::Stuck];
        let (mut longest, mut whole): (Option<Drained<'w>>, bool) = (None, false);
        for process in self.processes() {
            for name in ENDS {
                let Ok((phase, told_us)) = process.ended(name) else { continue };
                let Some(exit) = phase.exit.as_ref().filter(|_| !phase.is_starved()) else {
                    continue;
                };
                let took_us = phase.given_up_us().unwrap_or(exit.at_us).saturating_sub(told_us);
                let held = phase.of(Purpose::Endless).any(|request| request.end_us > told_us);
                whole |= held && !exit.killed && exit.code == Some(0);
                if longest.is_none_or(|known| took_us > known.took_us) {
                    longest = Some(Drained { process, phase, told_us, took_us, whole: false });
                }
            }
        }
        longest.map(|longest| Drained { whole: whole && !longest.phase.is_killed(), ..longest })
    }

    /// The latest that the probe first passed which watches its start. One that asks for something else than the
    /// manifest's says nothing of that.
    pub fn started(&self, handler: &Handler) -> Option<Started<'w>> {
        let is_same = |watch: &&Probe| match &handler.action {
            Action::HttpGet { path, .. } => {
                let bare = |path: &str| path.trim_start_matches('/').to_owned();
                !watch.by.is_grpc() && bare(&path.value) == bare(&watch.path)
            }
            Action::Grpc { service, .. } => {
                let service = service.as_ref().map_or("", |service| service.value.as_str());
                watch.by.is_grpc() && service == watch.path
            }
            _ => false,
        };
        let mut latest: Option<Started<'w>> = None;
        for process in self.processes() {
            let watch = process.terms().watch().filter(is_same);
            let Ok(phase) = process.phase(PhaseName::Start) else { continue };
            if let (Some(_), Some(at_us)) = (watch, phase.live_us)
                && latest.is_none_or(|known| at_us > known.at_us)
            {
                latest = Some(Started { process, phase, at_us });
            }
        }
        latest
    }
}

impl Drained<'_> {
    /// The moment of its end.
    pub fn end(&self) -> Origin {
        self.process.moment(self.phase, self.told_us.saturating_add(self.took_us))
    }

    /// What that is: `ended 7.0 s after SIGTERM`.
    pub fn shown(&self) -> String {
        let how = if self.phase.is_killed() { "killed" } else { "ended" };
        format!("{how} {} after SIGTERM", duration(self.took_us))
    }
}

impl Started<'_> {
    /// The moment at which it had started.
    pub fn moment(&self) -> Origin {
        self.process.moment(self.phase, self.at_us)
    }
}
