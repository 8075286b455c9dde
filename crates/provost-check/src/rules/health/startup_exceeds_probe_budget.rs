//! A program that needs longer to start than its probes wait.

use crate::case::Case;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Killed while it starts, started again, killed again.
pub static RULE: Rule = Rule {
    id: "startup-exceeds-probe-budget",
    group: Group::Health,
    level: Level::Deny,
    title: "a start that takes longer than the liveness probe waits",
    page: include_str!("startup-exceeds-probe-budget.md"),
    needs: &[Need::Manifest],
    variants: &[
        Variant::new(
            "missing-startup-probe",
            Level::Note,
            "a fixed delay instead of a startup probe",
        ),
        Variant::new(
            "startup-budget-too-short",
            Level::Deny,
            "a start that takes longer than the startup probe waits",
        ),
        Variant::new(
            "startup-budget-over-progress-deadline",
            Level::Warn,
            "a start that may take longer than the rollout waits",
        ),
    ],
    check: Check::Container(check),
    ..Rule::BASE
};

/// A liveness delay from which on it stands in for a startup probe, in seconds.
const LONG_DELAY: i64 = 30;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    case.not_batch()?;
    let container = case.container;
    if container.startup.is_none() && container.liveness.is_none() && container.readiness.is_none()
    {
        return Err(Abstain::NotApplicable);
    }
    progress(case, out);
    if let (Some(liveness), None) = (&container.liveness, &container.startup)
        && liveness.initial_delay.value >= LONG_DELAY
    {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "a fixed delay of {} s stands in for a startup probe: a fast start waits for \
                     nothing, a slow one is killed",
                    liveness.initial_delay.value
                ),
                &liveness.initial_delay.origin,
                "liveness starts after it, whatever the program does",
            )
            .variant(&RULE.variants[0])
            .fix(Fix::suggest(
                "add a startupProbe with periodSeconds: 5 and a failureThreshold that covers the \
                 slowest start, and remove initialDelaySeconds",
            )),
        );
    }
    let (probe, field) = match (&container.startup, &container.liveness) {
        (Some(startup), _) => (startup, "startupProbe"),
        (None, Some(liveness)) => (liveness, "livenessProbe"),
        (None, None) => return Ok(()),
    };
    let timing = probe.timing();
    let earliest = timing.earliest();
    let said = case.service_settings().and_then(|service| service.start_time.as_ref());
    // On a busy node it starts no faster than it was measured to, and perhaps as slowly as somebody says.
    let started = case.started(&probe.handler);
    let measured = started.map(|started| started.at_us as f64 / 1e6);
    let by_measure = measured.filter(|at| said.is_none_or(|said| *at > said.value));
    let seconds = by_measure.or(said.map(|said| said.value)).ok_or_else(|| {
        Abstain::unknown(Reason::MeasuredFactMissing, "start_time of the service")
    })?;
    if (earliest as f64) > seconds {
        return Ok(());
    }
    let shown = match by_measure {
        Some(_) => format!("{seconds:.1} s"),
        None => format!("{seconds} s"),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program takes {shown} to start, and the {field} gives up after {earliest} s: it is \
             killed while it starts"
        ),
        &probe.failure_threshold.origin,
        format!("{} failures", timing.failure),
    );
    if let Some(started) = started.filter(|_| by_measure.is_some()) {
        finding = finding
            .also(&started.moment(), "the probe first passed")
            .note(started.process.repeat(started.phase));
    }
    if let Some(said) = said {
        finding = finding.also(&said.origin, format!("{} s from exec to ready", said.value));
    }
    finding = finding.note(format!(
        "earliest end: {} s delay + ({} - 1) x {} s = {earliest} s",
        timing.initial_delay, timing.failure, timing.period
    ));
    if probe.period.is_written() {
        finding = finding.also(&probe.period.origin, format!("every {} s", timing.period));
    }
    // Half as long again as the start that was measured.
    let period = u64::from(timing.period.max(1));
    let failures = ((seconds * 1.5).ceil() as u64).div_ceil(period) + 1;
    out.push(if field == "startupProbe" {
        finding
            .variant(&RULE.variants[1])
            .fix(Fix::suggest(format!("set failureThreshold of the startupProbe to {failures}")))
    } else {
        finding.fix(Fix::suggest(format!(
            "add a startupProbe of the same endpoint with periodSeconds: {period} and \
             failureThreshold: {failures}"
        )))
    });
    Ok(())
}

/// What the probes allow against what the rollout waits.
fn progress(case: &Case<'_>, out: &mut Findings) {
    let workload = case.workload();
    let Some(deadline) = workload.progress_deadline_seconds.as_ref() else { return };
    let container = case.container;
    let (allowed, probe, what) = match (&container.startup, &container.readiness) {
        (Some(startup), _) => (startup.timing().latest(), startup, "startupProbe"),
        (None, Some(readiness)) => {
            let timing = readiness.timing();
            (u64::from(timing.initial_delay) + timing.recovery(), readiness, "readinessProbe")
        }
        (None, None) => return,
    };
    let ready = u64::try_from(workload.min_ready_seconds.value).unwrap_or(0);
    let total = allowed.saturating_add(ready);
    let limit = u64::try_from(deadline.value).unwrap_or(0);
    if total < limit {
        return;
    }
    let place = if what == "startupProbe" {
        &probe.failure_threshold.origin
    } else {
        &probe.initial_delay.origin
    };
    let minutes = if deadline.is_written() { "" } else { ", the default" };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "a start may take {total} s by the {what}, and after {limit} s the rollout is reported \
             as failed"
        ),
        place,
        format!("{allowed} s are allowed"),
    )
    .variant(&RULE.variants[2])
    .also(&deadline.origin, format!("progressDeadlineSeconds {limit}{minutes}"));
    if ready > 0 {
        finding = finding.also(&workload.min_ready_seconds.origin, format!("and {ready} s ready"));
    }
    out.push(finding.fix(Fix::suggest(format!(
        "set progressDeadlineSeconds above {total}, or shorten the probe's budget"
    ))));
}
