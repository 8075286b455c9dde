//! New connections that a process was sent while its pod is taken out of the endpoints.

use super::Case;
use super::process::ProcessCase;
use crate::facts::objects::Body;
use crate::facts::proof::{Outcome, Phase, PhaseName, Purpose, Request};
use crate::facts::workload::WorkloadKind;
use crate::findings::{Abstain, Reason};
use crate::model::listeners::{self, Listener};

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
    /// it, or metrics and probes are all that it is asked for. A process that nobody connects to refuses nobody.
    pub fn is_sent_connections(&self, phase: &Phase, what: &str) -> Result<(), Abstain> {
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
        if others && self.world().settings.closed_world {
            return Err(Abstain::NotApplicable);
        }
        let why = match (others, self.asks_again(&case, phase)) {
            (true, _) => {
                "no Service of the manifests selects the pod, and nobody is known to send it any"
            }
            (false, Some(why)) => why,
            (false, None) => return Ok(()),
        };
        Err(Abstain::unknown(Reason::ObjectNotInInput, format!("{what}: {why}")))
    }

    /// Who else asks where the load went, and asks again what had no answer; nothing where that may be anybody.
    fn asks_again(&self, case: &Case<'_>, phase: &Phase) -> Option<&'static str> {
        let terms = self.terms();
        let asked = terms.port_of(phase.listeners.first().map(|listener| listener.port))?;
        let number = Some(i64::from(asked));
        let mut declared = case.container.ports.iter();
        let declared =
            declared.find(|port| port.port.as_ref().map(|number| number.value) == number);
        let name = declared.and_then(|port| listeners::of_port(&port.name.as_ref()?.value));
        if terms.metrics.as_ref().is_some_and(|metrics| metrics.port == Some(asked)) {
            return Some("no Service selects the pod, and whoever scrapes its metrics asks again");
        }
        if matches!(name, Some(Listener::Health | Listener::Metrics | Listener::Debug)) {
            return Some(
                "no Service selects the pod, and its port is none for clients by its name",
            );
        }
        // One that is named on the command line is.
        let probed = terms.port.is_none() && terms.probes.iter().any(|probe| probe.port == asked);
        (declared.is_none() && probed).then_some(
            "no Service selects the pod, and nothing but its probes names the port; --manifest takes the Service, too",
        )
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
        let before = phase.fails_before_sigterm();
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
