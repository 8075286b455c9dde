//! What a process sent by OTLP, for rules about it.

use std::collections::BTreeMap;

use super::process::ProcessCase;
use crate::facts::Origin;
use crate::facts::proof::telemetry::{SERVER, Span, Traced};
use crate::facts::proof::{Otlp, Phase, PhaseName, TRACE_HIGH, Telemetry};
use crate::findings::{Abstain, Finding, Reason};

/// What arrived in the phase that asks for it.
#[derive(Clone, Debug)]
pub struct Sent<'w> {
    /// The run.
    pub phase: &'w Phase,
    /// What arrived.
    pub telemetry: &'w Telemetry,
    /// What the process was told.
    pub otlp: &'w Otlp,
    /// The spans by their traces, in the order in which they arrived.
    by_trace: BTreeMap<&'w str, Vec<&'w Span>>,
}

impl<'w> ProcessCase<'w> {
    /// Telemetry of a process that was ready; not applicable where nobody speaks of any.
    pub fn sent(&self) -> Result<Sent<'w>, Abstain> {
        let otlp = self.terms().otlp.as_ref().ok_or(Abstain::NotApplicable)?;
        let phase = self.phase(PhaseName::Telemetry)?;
        self.speaks_http(phase, "telemetry")?;
        match (&phase.telemetry, phase.ready_us) {
            (Some(telemetry), Some(_)) => Ok(Sent::new(phase, telemetry, otlp)),
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
    pub fn show_endpoint(&self, sent: &Sent<'_>, finding: Finding) -> Finding {
        match self.endpoint_entry(sent) {
            Some(entry) => finding.also(&entry, "says where telemetry goes"),
            None => finding,
        }
    }

    fn endpoint_entry(&self, sent: &Sent<'_>) -> Option<Origin> {
        let case = self.container()?;
        let environment = case.environment();
        sent.otlp.endpoints.iter().find_map(|name| {
            let set = environment.get(name).ok().flatten();
            set.map(|variable| variable.entry.clone())
        })
    }
}

impl<'w> Sent<'w> {
    fn new(phase: &'w Phase, telemetry: &'w Telemetry, otlp: &'w Otlp) -> Self {
        let mut by_trace: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
        for span in &telemetry.spans {
            by_trace.entry(&span.trace).or_default().push(span);
        }
        Self { phase, telemetry, otlp, by_trace }
    }

    /// Spans of the trace that a request brought.
    pub fn of(&self, asked: &Traced) -> impl Iterator<Item = &'w Span> {
        self.by_trace.get(asked.trace.as_str()).into_iter().flatten().copied()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_many_requests_are_found_by_their_traces() {
        // Walked through for each request, this would take minutes.
        const MANY: u32 = 100_000;
        let trace = |number: u32| format!("{TRACE_HIGH:016x}{number:016x}");
        let span = |number: u32| serde_json::json!({"at_us": number, "trace": trace(number), "id": "00f067aa0ba902b7"});
        let asked = |number: u32| {
            serde_json::json!({
                "at_us": number, "end_us": number, "path": "/", "status": 200,
                "trace": trace(number), "parent": "", "sampled": true
            })
        };
        let telemetry = serde_json::json!({
            "asked": (0..MANY).rev().map(asked).collect::<Vec<_>>(),
            "spans": (0..MANY).map(span).collect::<Vec<_>>(),
        });
        let telemetry: Telemetry = serde_json::from_value(telemetry).unwrap();
        let phase: Phase = serde_json::from_str(r#"{"name": "telemetry"}"#).unwrap();
        let otlp = Otlp::default();
        let sent = Sent::new(&phase, &telemetry, &otlp);
        let found = telemetry.asked.iter().filter(|asked| {
            let mut spans = sent.of(asked);
            spans.next().is_some_and(|span| span.at_us == asked.at_us) && spans.next().is_none()
        });
        assert_eq!(found.count(), MANY as usize);
    }
}
