//! A collector that is down takes the service with it.

use crate::case::process::ProcessCase;
use crate::case::process::tally;
use crate::facts::proof::telemetry::{Behaviour, QUEUE, Telemetry};
use crate::facts::proof::{Otlp, Phase, PhaseName, Purpose, Request};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::growth::{Growth, Held, is_twice};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Telemetry is there for the service, not the other way round.
pub static RULE: Rule = Rule {
    id: "exporter-failure-hurts-service",
    group: Group::Traces,
    level: Level::Deny,
    title: "a service that suffers when nobody takes its telemetry",
    page: include_str!("exporter-failure-hurts-service.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Telemetry, PhaseName::ExporterFailure],
    after: &["no-termination-handler-seen"],
    variants: &[
        Variant::new("memory-grows", Level::Deny, "spans that pile up without a bound"),
        Variant::new("holds-up-end", Level::Deny, "a process that does not end for its telemetry"),
        Variant::new("never-ready", Level::Deny, "a process that waits for its collector"),
    ],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    case.terms().otlp.as_ref().ok_or(Abstain::NotApplicable)?;
    let phase = case.phase(PhaseName::ExporterFailure)?;
    case.speaks_http(phase, "requests")?;
    let Some(telemetry) = &phase.telemetry else {
        return Err(Abstain::unknown(Reason::NotMeasured, "the process without a collector"));
    };
    let control = case.phase(PhaseName::Telemetry)?;
    if control.ready_us.is_none() {
        return Err(Abstain::unknown(Reason::NotMeasured, "the process with a collector"));
    }
    let repeat = |finding: Finding| finding.note(case.repeat(phase));
    if phase.ready_us.is_none() {
        let at = phase.exit.as_ref().map_or(0, |exit| exit.at_us);
        let message = "the process does not become ready while its collector refuses connections";
        out.push(
            repeat(Finding::new(&RULE, message, &case.moment(phase, at), "never ready until then"))
                .variant(&RULE.variants[2])
                .note(format!(
                    "it does with a collector that takes what comes (phase {})",
                    control.name.name()
                ))
                .fix(Fix::suggest(
                    "connect in the background: no WithBlock, no Ping before the service starts",
                )),
        );
        return Ok(());
    }
    let bad = |request: &&Request| request.outcome.is_no_help();
    if control.of(Purpose::Traced).any(|request| bad(&request)) {
        let what = "requests without a collector: with one they are not all answered either";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let unanswered: Vec<&Request> = phase.of(Purpose::Untaken).filter(bad).collect();
    if let Some(first) = unanswered.first() {
        // So many may be too many for it, or more than it allows, whoever takes its telemetry: a process that is asked
        // for the same while all is taken shows it.
        let taken = |run: &&Phase| run.telemetry.as_ref().is_some_and(Telemetry::takes_all);
        let same = phase.repeats.iter().find(taken).filter(|run| {
            let mut asked = run.of(Purpose::Untaken).peekable();
            asked.peek().is_some() && !asked.any(|request| bad(&request))
        });
        if same.is_none() || phase.of(Purpose::Taken).any(|request| bad(&request)) {
            let what = "requests without a collector: as many are not all answered with one either, or were not made";
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        let how = behaviour(telemetry, first.at_us);
        out.push(
            repeat(Finding::new(
                &RULE,
                format!("requests are not answered while the collector {}", how.words()),
                &case.moment(phase, first.at_us),
                first.outcome.words(),
            ))
            .note(tally(unanswered))
            .note("another process, asked for the same, answered all while its collector took what came")
            .fix(Fix::suggest(
                "send in the background: sdktrace.WithBatcher instead of WithSyncer, and nothing that waits for the exporter in a handler",
            )),
        );
        return Ok(());
    }
    let grown = grows(case, phase, telemetry, out);
    if !out.found.is_empty() {
        // To send a queue without an end takes as long as it is, and this is why it is not over in time.
        return Ok(());
    }
    ends(case, phase, control, out)?;
    if out.found.is_empty() { grown } else { Ok(()) }
}

/// Whether memory grows with the requests while a collector that takes what comes would have it stay.
fn grows(
    case: &ProcessCase<'_>,
    phase: &Phase,
    telemetry: &Telemetry,
    out: &mut Findings,
) -> Judged {
    let queue = case.terms().otlp.as_ref().map_or(QUEUE, Otlp::queue);
    let (from, to) = match telemetry.growth(queue) {
        Growth::Ends => return Ok(()),
        Growth::GoesOn { from, to } => (from, to),
        Growth::Unknown => {
            let what = format!(
                "memory without a collector: too few requests were answered in the time to fill a queue of {queue} spans twice over"
            );
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
    };
    let held = telemetry.held();
    // What grows with requests alone, as a cache does, is no queue.
    let other = phase.repeats.iter().filter_map(|run| run.telemetry.as_ref());
    let other = other.filter(|run| run.takes_all()).map(Telemetry::held).next().unwrap_or_default();
    if is_twice(&held, (from, to), &other, queue) != Some(true) {
        let what = "memory without a collector: it grows with one, too, or was not measured there";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let shown = |all: &[Held]| {
        let all: Vec<String> = all.iter().map(|it| format!("{} MiB", it.bytes >> 20)).collect();
        all.join(", ")
    };
    let at_us = telemetry.memory.last().map_or(0, |it| it.at_us);
    out.push(
        Finding::new(
            &RULE,
            format!(
                "memory grows with every request while the collector answers nothing: {} MiB more for {} requests",
                (to.bytes - from.bytes) >> 20,
                to.requests - from.requests
            ),
            &case.moment(phase, at_us),
            format!("{} MiB", to.bytes >> 20),
        )
        .variant(&RULE.variants[0])
        .note(case.repeat(phase))
        .note(format!("behind each burst of requests: {}", shown(&held)))
        .note(format!("of another process, whose collector took what came: {}", shown(&other)))
        .fix(Fix::suggest(
            "drop what cannot be sent: the SDK's batch processor keeps 2048 spans (OTEL_BSP_MAX_QUEUE_SIZE)",
        )),
    );
    Ok(())
}

/// How the collector behaved at a moment.
fn behaviour(telemetry: &Telemetry, at_us: u64) -> Behaviour {
    let until = telemetry.turns.partition_point(|turn| turn.at_us <= at_us);
    let turned = telemetry.turns.get(..until).and_then(<[_]>::last);
    turned.map_or(Behaviour::Refuses, |turn| turn.to)
}

fn ends(case: &ProcessCase<'_>, phase: &Phase, control: &Phase, out: &mut Findings) -> Judged {
    let (Some(told), Some(exit)) = (phase.told_us(), &phase.exit) else {
        return Err(Abstain::unknown(
            Reason::NotMeasured,
            "the end of the process without a collector",
        ));
    };
    if control.exit.as_ref().is_none_or(|exit| exit.killed) || !exit.killed {
        return Ok(());
    }
    let allowed = case.terms().grace_ms / 1000;
    out.push(
        Finding::new(
            &RULE,
            format!("the process does not end within its {allowed} s while the collector answers nothing"),
            &case.moment(phase, exit.at_us),
            "had to be killed",
        )
        .variant(&RULE.variants[1])
        .also(&case.moment(phase, told), "SIGTERM")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "give the provider's Shutdown a context with a time, a second or two, and no context.Background()",
        )),
    );
    Ok(())
}
