//! New connections that a process was sent while its pod is taken out of the endpoints.

use super::Case;
use super::process::ProcessCase;
use crate::facts::objects::Body;
use crate::facts::proof::{Outcome, Phase, PhaseName, Purpose, Request};
use crate::facts::workload::WorkloadKind;
use crate::findings::{Abstain, Reason};

/// A process that goes on for just that long began to count a moment after the signal was sent.
const SLACK: u64 = 50_000;

/// Of a time in which no connection was begun for that long nothing is known. The load begins one each 10 ms.
const GAP: u64 = 500_000;

/// What a process that was ready did with new connections from SIGTERM on.
#[derive(Clone, Debug)]
pub struct Removal<'w> {
    /// The run.
    pub phase: &'w Phase,
    /// When SIGTERM was sent.
    pub told: u64,
    /// For how long new connections arrive after it, in microseconds.
    pub window: u64,
    /// The last moment at which one counts.
    last: u64,
    /// Those that arrived in that time.
    pub arrived: Vec<&'w Request>,
    /// Those of them that nobody answered well.
    pub lost: Vec<&'w Request>,
    /// One that was told that the process is not ready, as it should be while it drains.
    pub not_ready: Option<&'w Request>,
}

impl<'w> ProcessCase<'w> {
    /// Unknown where nothing that is given sends connections to the pod: there are Services, and none of them selects
    /// it, or its metrics are all that can be asked for. A process that nobody connects to refuses nobody.
    pub fn is_sent_connections(&self, phase: &Phase) -> Result<(), Abstain> {
        let Some(case) = self.container() else { return Ok(()) };
        // Those of a node, and of what a controller makes of other kinds, come without a Service.
        let by_node = case.pod().host_network.value
            || case.container.ports.iter().any(|port| port.host_port.is_some());
        if by_node
            || case.workload().kind == WorkloadKind::Other
            || case.services()?.next().is_some()
        {
            return Ok(());
        }
        let namespace = &case.of.object.meta.namespace.value;
        let others = self.world().objects.iter().any(|object| match &object.body {
            Body::Service(service) => {
                service.selector.is_some() && object.meta.namespace.value == *namespace
            }
            _ => false,
        });
        let terms = self.terms();
        let asked = terms.port_of(phase.listeners.first().map(|listener| listener.port));
        let metrics = terms.metrics.as_ref().and_then(|metrics| metrics.port);
        if !others && (asked.is_none() || asked != metrics) {
            return Ok(());
        }
        if others && self.world().settings.closed_world {
            return Err(Abstain::NotApplicable);
        }
        let what = match others {
            true => {
                "new connections after SIGTERM: no Service of the manifests selects the pod, and nobody is known to send it any"
            }
            false => {
                "new connections after SIGTERM: no Service selects the pod, and whoever scrapes its metrics asks again"
            }
        };
        Err(Abstain::unknown(Reason::ObjectNotInInput, what))
    }

    /// What became of new connections in the phase `drain`.
    pub fn removal(&self) -> Result<Removal<'w>, Abstain> {
        let (phase, told) = self.ended(PhaseName::Drain)?;
        let terms = self.terms();
        let window = self.window_us();
        // So may a request have been that the harness made late.
        let last = told + window.saturating_sub(SLACK + phase.lateness_us.min(window / 4));
        let arrived: Vec<&Request> = phase
            .of(Purpose::NewConnection)
            .filter(|request| request.at_us > told && request.at_us <= last)
            .collect();
        // Of a probe's path it is how the process says that it is not ready, as it should while it drains.
        let not_ready =
            |request: &Request| request.outcome.fails() && terms.is_probed(phase, &request.path);
        let fails = |request: &Request| request.outcome.fails() && !not_ready(request);
        // What failed before SIGTERM fails for another reason.
        let failed =
            phase.of(Purpose::NewConnection).any(|request| request.end_us < told && fails(request));
        let refused = |request: &Request| !failed && fails(request);
        // So does what was closed, or waited, before it.
        let before = phase.unanswered().is_some_and(|before| !before.is_none());
        let is_lost = |request: &Request| {
            request.outcome.is_lost() && (!before || request.outcome == Outcome::Refused)
        };
        let lost: Vec<&Request> = arrived
            .iter()
            .filter(|request| is_lost(request) || refused(request))
            .copied()
            .collect();
        let not_ready = arrived.iter().find(|request| not_ready(request)).copied();
        Ok(Removal { phase, told, window, last, arrived, lost, not_ready })
    }
}

impl Removal<'_> {
    /// Whether connections were begun all the time until endpoints are gone, and each was answered.
    pub fn is_answered(&self) -> bool {
        let answered = |request: &&Request| matches!(request.outcome, Outcome::Answered { .. });
        if !self.lost.is_empty() || !self.arrived.iter().all(answered) {
            return false;
        }
        let mut moments: Vec<u64> = self.arrived.iter().map(|request| request.at_us).collect();
        moments.sort_unstable();
        let before = std::iter::once(self.told).chain(moments.iter().copied());
        let after = moments.iter().copied().chain(std::iter::once(self.last));
        before.zip(after).all(|(before, after)| after.saturating_sub(before) <= GAP)
    }
}

impl Case<'_> {
    /// Whether it was measured, in each run there is, that the container's process goes on answering new connections
    /// until endpoints are gone everywhere.
    pub fn answers_during_removal(&self) -> bool {
        let mut measured = false;
        for process in self.processes() {
            if process.phase(PhaseName::Drain).is_err() {
                continue;
            }
            if !process.removal().is_ok_and(|removal| removal.is_answered()) {
                return false;
            }
            measured = true;
        }
        measured
    }
}
