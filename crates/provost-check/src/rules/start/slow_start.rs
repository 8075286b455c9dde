//! A start that takes as long as the probes allow, or longer.

use crate::case::process::{Fails, ProcessCase, duration, tally};
use crate::facts::container::Probe;
use crate::facts::proof::{PhaseName, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// On a slower machine, or with less processor time, it is started again and again.
pub static RULE: Rule = Rule {
    id: "slow-start",
    group: Group::Start,
    level: Level::Warn,
    title: "a start that takes as long as the probes allow, or longer",
    page: include_str!("slow-start.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    variants: &[
        Variant::new(
            "never-started",
            Level::Deny,
            "a process whose start takes longer than its probes allow",
        ),
        Variant::new("never-ready", Level::Warn, "a process that did not become ready"),
    ],
    after: &[
        "never-listens",
        "listens-on-loopback-only",
        "probe-endpoint-missing",
        "grpc-health-incomplete",
        "grpc-probe-needs-plaintext",
        // Told of the manifest, with the time that its probe gives.
        "startup-exceeds-probe-budget/",
        "startup-exceeds-probe-budget/startup-budget-too-short",
    ],
    check: Check::Process(check),
    ..Rule::BASE
};

/// The probe of the manifest that may give up before that, and after how many seconds: its first check falls anywhere
/// in its first period.
fn given_up_before<'w>(case: &ProcessCase<'w>, live: u64) -> Option<(&'w Probe, u64)> {
    let container = case.container()?;
    let probe = container.container.startup.as_ref().or(container.container.liveness.as_ref())?;
    container.started(&probe.handler)?;
    let earliest = probe.timing().earliest();
    (earliest.saturating_mul(1_000_000) <= live).then_some((probe, earliest))
}

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let terms = case.terms();
    if terms.probes.is_empty() {
        case.speaks_http(phase, "readiness")?;
    }
    let asked: Vec<_> = phase.of(Purpose::Readiness).collect();
    if phase.ended_by_itself() {
        return Err(Abstain::NotApplicable);
    }
    if phase.ready_us.is_none() && asked.is_empty() && phase.live_us.is_none() {
        // Nothing listened, which another rule says.
        return Err(Abstain::NotApplicable);
    }
    let budget = terms.start_ms * 1000;
    if let Some(watch) = terms.watch() {
        let kind = watch.kind.name();
        match phase.live_us {
            Some(live) if live * 2 <= budget => {}
            Some(live) => {
                let mut finding = Finding::new(
                    &RULE,
                    format!(
                        "the {kind} probe first passed after {}, of {} that it allows",
                        duration(live),
                        duration(budget)
                    ),
                    &case.moment(phase, live),
                    "started",
                );
                if let Some((probe, earliest)) = given_up_before(case, live) {
                    finding = finding
                        .level(Level::Deny)
                        .also(
                            &probe.failure_threshold.origin,
                            format!("{} failures", probe.timing().failure),
                        )
                        .note(format!(
                            "where the first check falls early it gives up after {earliest} s"
                        ));
                }
                out.push(
                    finding
                        .note("a node that is busy, or a limit of processor time, makes it slower")
                        .note(case.repeat(phase))
                        .fix(Fix::suggest(
                            "give it a startupProbe with a failureThreshold that allows twice the time",
                        )),
                );
            }
            None => {
                let watched: Vec<_> = phase.of(watch.kind.purpose()).collect();
                case.was_given_what_it_needs(Fails::by(watched.into_iter()))?;
                let mut finding = Finding::new(
                    &RULE,
                    format!("the {kind} probe did not pass within {}", duration(budget)),
                    &case.moment(phase, budget),
                    "the container is started anew",
                )
                .variant(&RULE.variants[0]);
                finding = case.show_probe(watch.kind, finding);
                let opened = phase.listeners.iter().filter(|it| it.port == watch.port);
                if let Some(late) = opened.map(|it| it.at_us).min().filter(|at| *at > budget) {
                    finding = finding
                        .also(&case.moment(phase, late), format!("port {} is opened", watch.port))
                        .fix(Fix::suggest(
                            "give it a startupProbe with a failureThreshold that allows twice the time that it takes to listen, or listen before what takes so long",
                        ));
                }
                out.push(finding.note(case.repeat(phase)));
                return Ok(());
            }
        }
    }
    if phase.ready_us.is_none() {
        case.was_given_what_it_needs(Fails::by(asked.iter().copied()))?;
        let waited = phase.told_us().unwrap_or(terms.ready_ms * 1000);
        out.push(
            Finding::new(
                &RULE,
                format!("the process was not ready within {}", duration(waited)),
                &case.moment(phase, waited),
                "not waited for any longer",
            )
            .variant(&RULE.variants[1])
            .note(format!("whether it is ready was asked and {}", tally(asked)))
            .note("a dependency that is not there may be the reason; --path names another page to ask for")
            .note(case.repeat(phase)),
        );
    }
    Ok(())
}
