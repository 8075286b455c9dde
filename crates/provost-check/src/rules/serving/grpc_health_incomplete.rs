//! A health service of gRPC that does not know what it is asked for.

use crate::case::process::{ProcessCase, tally};
use crate::facts::proof::health::{self, Health, HealthCheck};
use crate::facts::proof::{Outcome, Phase, PhaseName, Request};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// A probe of it fails for ever.
pub static RULE: Rule = Rule {
    id: "grpc-health-incomplete",
    group: Group::Serving,
    level: Level::Deny,
    title: "a gRPC probe asks for what no health service knows",
    page: include_str!("grpc-health-incomplete.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    variants: &[
        Variant::new("without-probe", Level::Note, "a gRPC server without a health service"),
        Variant::new("any-name", Level::Warn, "a health service that knows any name"),
        Variant::new("no-watch", Level::Note, "a health service that cannot be watched"),
    ],
    after: &["never-listens", "listens-on-loopback-only", "grpc-probe-needs-plaintext"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let probed = probed(case, phase, out);
    let Some(known) = &phase.health else {
        return if probed { Ok(()) } else { Err(Abstain::NotApplicable) };
    };
    let whole = known.check("");
    if whole.is_some_and(|check| unknown(&check.outcome)) {
        if let Some(check) = whole.filter(|_| !probed) {
            let message = "the gRPC server has no health service";
            push(case, (phase, known), check, (message, 0), out, ADD);
        }
        return Ok(());
    }
    let other = known.check(health::UNKNOWN_SERVICE);
    let serves = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Answered { grpc: Some(health::OK), serving: Some(health::SERVING), .. }
        )
    };
    if let Some(check) = other.filter(|check| serves(&check.outcome)) {
        let message = "the health service says SERVING of a service that nobody has";
        let fix =
            "answer NOT_FOUND for names that were not registered, as grpc/health of grpc-go does";
        push(case, (phase, known), check, (message, 1), out, fix);
    }
    if let (Some(outcome), Some(check)) = (&known.watch, whole)
        && unknown(outcome)
    {
        let message = "the health service has no Watch";
        push(case, (phase, known), check, (message, 2), out, ADD);
    }
    Ok(())
}

const ADD: &str =
    "register the one of google.golang.org/grpc/health: grpc_health_v1.RegisterHealthServer";

/// Whether there are probes by gRPC; says which of them ask for what is not known.
fn probed(case: &ProcessCase<'_>, phase: &Phase, out: &mut Findings) -> bool {
    let mut any = false;
    for probe in case.terms().probes.iter().filter(|probe| probe.by.is_grpc()) {
        any = true;
        let asked: Vec<&Request> = phase.of(probe.kind.purpose()).collect();
        let last: Vec<&Request> = asked.iter().rev().take(3).rev().copied().collect();
        let Some(first) = last.first().filter(|_| last.iter().all(|it| unknown(&it.outcome)))
        else {
            continue;
        };
        let implements =
            !matches!(first.outcome, Outcome::Answered { grpc: Some(health::UNIMPLEMENTED), .. });
        let kind = probe.kind.name();
        let (message, fix) = match implements {
            true => (
                format!("the {kind} probe asks for {}, which it does not know", probe.asks()),
                match probe.path.as_str() {
                    "" => "have Check answer for the empty name, which is the server as a whole: the health.Server of google.golang.org/grpc/health knows it from the start".to_owned(),
                    path => format!("call SetServingStatus({path:?}, SERVING), or ask for the server as a whole"),
                },
            ),
            false => (
                format!("the {kind} probe asks by gRPC, and the process has no health service"),
                ADD.to_owned(),
            ),
        };
        let at = case.moment(phase, first.at_us);
        let finding = Finding::new(&RULE, message, &at, tally(last.iter().copied()));
        let finding = case.show_probe(probe.kind, finding).note(case.repeat(phase));
        out.push(finding.fix(Fix::suggest(fix)));
    }
    any
}

/// Whether it says that there is no such service, or no such method.
fn unknown(outcome: &Outcome) -> bool {
    let Outcome::Answered { grpc: Some(code), .. } = outcome else { return false };
    matches!(*code, health::NOT_FOUND | health::UNIMPLEMENTED)
}

fn push(
    case: &ProcessCase<'_>,
    (phase, known): (&Phase, &Health),
    check: &HealthCheck,
    (message, variant): (&str, usize),
    out: &mut Findings,
    fix: &str,
) {
    let outcome = match (&known.watch, variant) {
        (Some(watch), 2) => watch,
        _ => &check.outcome,
    };
    let finding = Finding::new(&RULE, message, &case.moment(phase, check.at_us), outcome.words())
        .variant(&RULE.variants[variant])
        .note(case.repeat(phase));
    out.push(finding.fix(Fix::suggest(fix)));
}
