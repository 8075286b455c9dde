//! A drain that does not fit into the grace period.

use crate::case::Case;
use crate::case::measured::Drained;
use crate::case::process::duration;
use crate::facts::proof::PhaseName;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::grace::Verdict;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Requests that the service would have finished are cut by SIGKILL.
pub static RULE: Rule = Rule {
    id: "drain-exceeds-grace-period",
    group: Group::Lifecycle,
    level: Level::Deny,
    title: "a drain that does not fit into the grace period",
    page: include_str!("drain-exceeds-grace-period.md"),
    needs: &[Need::Manifest],
    variants: &[Variant::new(
        "liveness-during-drain",
        Level::Note,
        "a liveness kill leaves less time than the drain takes",
    )],
    after: &[
        "prestop-exhausts-grace-period",
        // Told of the process itself, with what it did.
        "no-termination-handler-seen",
        "drain-longer-than-grace",
        "hangs-on-long-request",
    ],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    case.not_batch()?;
    if !case.is_target() {
        return Err(Abstain::NotApplicable);
    }
    let service = case.service_settings();
    let said = service.and_then(|service| service.drain.as_ref());
    let drained = case.drained();
    let left = u64::from(case.termination().remaining) * 1_000_000;
    let exceeds =
        |it: &Drained<'_>| it.took_us > left || it.phase.is_killed() && it.took_us == left;
    if let Some(drained) = drained.filter(|it| it.whole || exceeds(it)) {
        let label = drained.shown();
        liveness_during_drain(case, drained.took_us as f64 / 1e6, &drained.end(), &label, out);
        if exceeds(&drained) {
            out.push(measured(case, drained, said, left));
        }
        return Ok(());
    }
    let drain = said.ok_or_else(|| match drained {
        Some(drained) if drained.phase.is_killed() => Abstain::unknown(
            Reason::NotMeasured,
            format!(
                "how long it drains: it was killed after {}, and now has {}",
                duration(drained.took_us),
                duration(left)
            ),
        ),
        Some(_) => Abstain::unknown(
            Reason::NotMeasured,
            "how long it drains while a request is open that does not end (phase stuck)",
        ),
        None => {
            Abstain::unknown(Reason::MeasuredFactMissing, "how long the service drains (drain)")
        }
    })?;
    let label = waits(drain);
    liveness_during_drain(case, drain.value, &drain.origin, &label, out);
    let termination = case.termination();
    if termination.verdict != Verdict::DrainExceeds {
        return Ok(());
    }
    let grace = &case.pod().grace_period;
    let lame_duck = service.and_then(|service| service.lame_duck.as_ref());
    let flush = service.and_then(|service| service.flush.as_ref());
    let part = |name: &str, fact: Option<&Fact<f64>>| {
        fact.map_or_else(String::new, |fact| format!(" + {name} {} s", fact.value))
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "after SIGTERM the service takes {} s to drain and exit, and {} of {} s are left for it",
            termination.need.saturating_add(2),
            termination.remaining,
            termination.grace
        ),
        &grace.origin,
        if grace.is_written() {
            format!("SIGKILL at {} s", termination.grace)
        } else {
            format!("terminationGracePeriodSeconds is not set: SIGKILL at {} s", termination.grace)
        },
    )
    .also(&drain.origin, label);
    finding = case
        .show_pre_stop(finding)
        .note(format!(
            "preStop {} s{} + drain {} s{} + 2 s to exit must fit into the grace period",
            termination.prestop,
            part("lame duck", lame_duck),
            drain.value,
            part("flush", flush)
        ))
        .fix(case.set_grace_period(termination.suggested));
    out.push(finding);
    Ok(())
}

fn waits(drain: &Fact<f64>) -> String {
    format!("waits up to {} s for requests in flight", drain.value)
}

/// What was measured outweighs what is said.
fn measured(case: &Case<'_>, drained: Drained<'_>, said: Option<&Fact<f64>>, left: u64) -> Finding {
    let Drained { process, phase, told_us, took_us, .. } = drained;
    let grace = &case.pod().grace_period;
    let (grants, takes) = (duration(left), duration(took_us));
    let killed = phase.is_killed();
    let message = match killed {
        true => format!(
            "the manifest grants the process {grants} after SIGTERM, and it had not ended by then"
        ),
        false => format!(
            "the manifest grants the process {grants} after SIGTERM, and it takes {takes} to end"
        ),
    };
    let unwritten =
        if grace.is_written() { "" } else { "terminationGracePeriodSeconds is not set: " };
    let label = format!("{unwritten}SIGKILL at {} s", grace.value.max(0));
    let mut finding = Finding::new(&RULE, message, &grace.origin, label)
        .also(&drained.end(), drained.shown())
        .also(&process.moment(phase, told_us), "SIGTERM");
    finding = case.show_pre_stop(finding);
    if let Some(said) = said {
        finding = finding.also(&said.origin, waits(said));
    }
    if phase.name == PhaseName::Stuck {
        finding = finding.note("measured while a request was open that does not end");
    }
    finding = finding.note(process.repeat(phase));
    finding.fix(match killed {
        true => Fix::suggest(
            "give Server.Shutdown a context with a deadline that is shorter, then Server.Close; or raise terminationGracePeriodSeconds",
        ),
        false => case.set_grace_period(case.termination_of(took_us).suggested),
    })
}

/// A liveness probe may bring a grace period of its own, which a liveness kill then uses.
fn liveness_during_drain(
    case: &Case<'_>,
    drain: f64,
    origin: &Origin,
    label: &str,
    out: &mut Findings,
) {
    let Some(probe) = &case.container.liveness else { return };
    let Some(grace) = &probe.grace_period else { return };
    if grace.value as f64 >= drain {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "a liveness kill leaves {} s, and the drain takes {} s",
                grace.value,
                shown(drain)
            ),
            &grace.origin,
            "from SIGTERM to SIGKILL after a failed liveness probe",
        )
        .variant(&RULE.variants[0])
        .also(origin, label)
        .fix(Fix::suggest("remove the probe's terminationGracePeriodSeconds, or accept the cut")),
    );
}

/// Seconds as they are said, or measured to a tenth.
fn shown(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
