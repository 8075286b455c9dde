//! What a process sent by OTLP, for rules about it.

use super::process::ProcessCase;
use crate::facts::Origin;
use crate::facts::proof::telemetry::{SERVER, Span, Traced};
use crate::facts::proof::{Otlp, Phase, PhaseName, TRACE_HIGH, Telemetry};
use crate::findings::{Abstain, Finding, Reason};

/// What arrived in the phase that asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'w> {
    /// The run.
    pub phase: &'w Phase,
    /// What arrived.
    pub telemetry: &'w Telemetry,
    /// What the process was told.
    pub otlp: &'w Otlp,
}

impl<'w> ProcessCase<'w> {
    /// Telemetry of a process that was ready; not applicable where nobody speaks of any.
    pub fn sent(&self) -> Result<Sent<'w>, Abstain> {
        let otlp = self.terms().otlp.as_ref().ok_or(Abstain::NotApplicable)?;
        let phase = self.phase(PhaseName::Telemetry)?;
        self.speaks_http(phase, "telemetry")?;
        match (&phase.telemetry, phase.ready_us) {
            (Some(telemetry), Some(_)) => Ok(Sent { phase, telemetry, otlp }),
            _ => Err(Abstain::unknown(Reason::NotMeasured, "the telemetry of a ready process")),
        }
    }

    /// The same, where there are spans.
    pub fn spans(&self) -> Result<Sent<'w>, Abstain> {
        let sent = self.sent()?;
        if !sent.telemetry.spans.is_empty() {
            return Ok(sent);
        }
        let what = match (&sent.otlp.off, sent.telemetry.broken.first()) {
            (Some(_), _) => return Err(Abstain::NotApplicable),
            (None, Some(broken)) => format!("spans of the process: {broken}"),
            (None, None) => "spans of the process: none arrived".to_owned(),
        };
        Err(Abstain::unknown(Reason::NotMeasured, what))
    }

    /// Adds where the variable is set that says where telemetry goes.
    pub fn show_endpoint(&self, sent: Sent<'_>, finding: Finding) -> Finding {
        match self.endpoint_entry(sent) {
            Some(entry) => finding.also(&entry, "says where telemetry goes"),
            None => finding,
        }
    }

    fn endpoint_entry(&self, sent: Sent<'_>) -> Option<Origin> {
        let case = self.container()?;
        let environment = case.environment();
        sent.otlp.endpoints.iter().find_map(|name| {
            let set = environment.get(name).ok().flatten();
            set.map(|variable| variable.entry.clone())
        })
    }

    /// Whether a kubelet asks for it: such requests are often left out of traces, and rightly.
    pub fn is_probed(&self, path: &str) -> bool {
        self.terms().probes.iter().any(|probe| probe.path == path)
    }
}

impl<'w> Sent<'w> {
    /// Spans of the trace that a request brought.
    pub fn of(&self, asked: &'w Traced) -> impl Iterator<Item = &'w Span> {
        self.telemetry.spans.iter().filter(move |span| span.trace == asked.trace)
    }

    /// Requests that were answered and are to be kept.
    pub fn sampled(&self) -> impl Iterator<Item = &'w Traced> {
        self.telemetry.asked.iter().filter(|asked| asked.sampled && asked.status.is_some())
    }
}

impl Span {
    /// Whether it is that of an answer, in a trace that no request of ours brought: all bring one.
    pub fn is_of_another_trace(&self) -> bool {
        self.kind == SERVER && !self.trace.starts_with(&format!("{TRACE_HIGH:016x}"))
    }
}
