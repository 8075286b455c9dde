//! A process that ends because the root is read-only, as the manifest says.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// It does not start.
pub static RULE: Rule = Rule {
    id: "needs-writable-root",
    group: Group::Start,
    level: Level::Deny,
    title: "a process that ends because its root is read-only",
    page: include_str!("needs-writable-root.md"),
    needs: &[Need::Process],
    check: Check::Process(check),
    ..Rule::BASE
};

/// As `syscall.EROFS` says it, and the C library.
const REFUSED: &str = "read-only file system";

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let Some(container) = case.container() else { return Err(Abstain::NotApplicable) };
    let security = container.security();
    // Where the container may write, this machine's root, which is read-only in any case, says nothing.
    let Some(read_only) = security.read_only_root.as_ref().filter(|fact| fact.value) else {
        return Err(Abstain::NotApplicable);
    };
    if !phase.ended_by_itself() {
        return Ok(());
    }
    let said = |text: &str| text.to_ascii_lowercase().contains(REFUSED);
    let Some(line) = phase.output.lines.iter().rev().find(|line| said(&line.text)) else {
        return Ok(());
    };
    let missing = &case.proof().stage.missing;
    if let Some(missing) = missing.iter().find(|missing| missing.volume) {
        return Err(Abstain::unknown(
            Reason::NotMeasured,
            format!("a start with {}", missing.what),
        ));
    }
    let exit = phase.exit.as_ref();
    let (at, code) = exit.map_or((0, "unknown".to_owned()), |exit| (exit.at_us, exit.shown()));
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the process wants to write to its root, which is read-only, and ended after {} with exit code {code}",
                duration(at)
            ),
            &case.moment(phase, line.at_us),
            "it said so",
        )
        .also(&read_only.origin, "the root is read-only")
        .note(format!("it printed: {}", line.shown()))
        .note(case.repeat(phase))
        .fix(Fix::suggest("mount an emptyDir where it writes, or have it write to a folder that is one")),
    );
    Ok(())
}
