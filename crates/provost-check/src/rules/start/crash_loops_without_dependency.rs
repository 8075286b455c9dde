//! A process that gives up at once, without a reason, when what it depends on is not there.

use crate::case::process::{ProcessCase, RESTARTS, duration};
use crate::facts::proof::{Dependency, Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// It is restarted with longer and longer pauses, and nobody is told why.
pub static RULE: Rule = Rule {
    id: "crash-loops-without-dependency",
    group: Group::Start,
    level: Level::Warn,
    title: "a process that ends at once when a dependency is not there, and does not name it",
    page: include_str!("crash-loops-without-dependency.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start, PhaseName::WithoutDependency],
    check: Check::Process(check),
    ..Rule::BASE
};

/// One that tried for longer has waited.
const AT_ONCE_US: u64 = 1_000_000;

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let runs = case.with_dependencies(PhaseName::WithoutDependency)?;
    if case.container().is_some_and(|case| case.workload().kind.is_batch()) {
        return Err(Abstain::NotApplicable);
    }
    // With it, it comes up.
    let with = case.phase(PhaseName::Start)?;
    if with.ready_us.is_none() {
        let what = "a start with the dependency that becomes ready";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let mut told = false;
    let each_alone = case.each_alone(case.phase(PhaseName::WithoutDependency)?);
    for phase in runs {
        let (names, missing) = case.refusing(phase);
        // Without all of them it ends as without one, where that was seen of each.
        if missing.is_empty() || (told && each_alone && missing.len() > 1) {
            continue;
        }
        told |= without(case, phase, &names, &missing, out);
    }
    Ok(())
}

/// Judges a start without some of them; whether there was something to tell.
fn without(
    case: &ProcessCase<'_>,
    phase: &Phase,
    names: &str,
    missing: &[&Dependency],
    out: &mut Findings,
) -> bool {
    let Some(exit) = phase.exit.as_ref().filter(|_| phase.ended_by_itself()) else {
        return false;
    };
    let mut lines = phase.output.lines.iter();
    let named = lines.any(|line| missing.iter().any(|it| it.is_named_in(&line.text)));
    if exit.at_us > AT_ONCE_US || (named && exit.code != Some(0)) {
        return false;
    }
    let printed = match (named, phase.output.last_since(0)) {
        (true, _) => "its exit code says that it has done its work".to_owned(),
        (false, Some(line)) => format!("it printed last: {}", line.shown()),
        (false, None) => "it printed nothing".to_owned(),
    };
    let refuse = if missing.len() == 1 { "refuses" } else { "refuse" };
    let what = match named {
        true => "",
        false => ", and does not say so",
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the process ends after {} with exit code {} when {names} {refuse} connections{what}",
                duration(exit.at_us),
                exit.shown()
            ),
            &case.moment(phase, exit.at_us),
            "ended by itself",
        )
        .note(printed)
        .note(format!("{RESTARTS}: when the dependency is back, the pod is not"))
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "stay alive and not ready while it is not there, or end with a message that names it",
        )),
    );
    true
}
