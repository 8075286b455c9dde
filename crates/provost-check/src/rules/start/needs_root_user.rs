//! A process that starts as root only.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// As the user that it gets it does not come up.
pub static RULE: Rule = Rule {
    id: "needs-root-user",
    group: Group::Start,
    level: Level::Deny,
    title: "a process that ends as its own user and comes up as root",
    page: include_str!("needs-root-user.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start],
    variants: &[Variant::new(
        "assumed-user",
        Level::Warn,
        "a process that comes up as root only, where nothing says who runs it",
    )],
    after: &["needs-writable-root"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let terms = case.terms();
    // Root needs nobody else, and proofs that do not say who ran it have no start as root either.
    let Some((uid, gid)) = terms.user.filter(|(uid, _)| *uid != 0) else {
        return Err(Abstain::NotApplicable);
    };
    // What had come up needs no other user for that, and who ends with 0 lacks nothing.
    let well = phase.exit.as_ref().is_some_and(|exit| exit.code == Some(0));
    if !phase.ended_by_itself() || phase.ready_us.is_some() || well {
        return Ok(());
    }
    let Some(as_root) = phase.as_root.as_deref() else {
        return Err(Abstain::unknown(Reason::NotMeasured, "a start as root"));
    };
    if !came_up(case, as_root) {
        // Something else is missing.
        return Ok(());
    }
    let missing = &case.proof().stage.missing;
    if let Some(missing) = missing.iter().find(|missing| missing.volume) {
        let what = format!("a start with {}", missing.what);
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let (at, code) = match &phase.exit {
        Some(exit) => (exit.at_us, exit.shown()),
        None => (0, "unknown".to_owned()),
    };
    let up = match as_root.ready_us {
        Some(ready) => format!("as root it was ready after {}", duration(ready)),
        None => "as root it went on running".to_owned(),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the process ends after {} with exit code {code} as user {uid} and group {gid}, and comes up as root",
            duration(at)
        ),
        &case.moment(phase, at),
        format!("it ended as user {uid}"),
    );
    let written = case.container().and_then(|case| case.security().run_as_user);
    if let Some(user) = &written {
        finding = finding.also(&user.origin, "who runs it");
    }
    finding = match phase.output.last_since(0) {
        Some(line) => finding.note(format!("it printed last: {}", line.shown())),
        None => finding,
    };
    finding = finding.note(format!("{up}, without capabilities and with the same files"));
    if terms.user_unsaid {
        finding = finding.variant(&RULE.variants[0]).note(
            "neither manifest nor image says who runs it; it was run as the user that images call nonroot",
        );
    }
    out.push(finding.note(case.repeat(phase)).fix(Fix::suggest(
        "give what it reads and writes to that user or its group in the image (COPY --chown), mount a volume with fsGroup where it writes, and have it do without what only root may",
    )));
    Ok(())
}

/// Whether the start as root became ready, or is one of a worker, of which nothing is asked, and it ran until it was
/// told to end.
fn came_up(case: &ProcessCase<'_>, as_root: &Phase) -> bool {
    (as_root.ready_us.is_some() || case.terms().is_worker()) && !as_root.ended_by_itself()
}
