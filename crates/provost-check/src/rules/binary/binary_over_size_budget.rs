//! A program larger than the team has decided.

use crate::case::ProgramCase;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::Bytes;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Silent without a budget: no size is right for all.
pub static RULE: Rule = Rule {
    id: "binary-over-size-budget",
    group: Group::Binary,
    level: Level::Warn,
    title: "a program above the size budget in provost.toml",
    page: include_str!("binary-over-size-budget.md"),
    needs: &[Need::Binary],
    check: Check::Program(check),
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let settings = &case.world().settings;
    let budget = settings.binary_size_budget.as_ref().ok_or(Abstain::NotApplicable)?;
    let size = case.binary.size;
    if size <= budget.value {
        return Ok(());
    }
    let shown = |bytes: u64| Bytes(bytes).to_string();
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program has {}, {} more than its budget",
            shown(size),
            shown(size - budget.value)
        ),
        &case.binary.origin(),
        shown(size),
    )
    .also(&budget.origin, "the budget");
    let dwarf = case.binary.dwarf_size;
    let fix = match dwarf {
        0 => Fix::suggest(
            "look for what is linked in: go version -m, and go tool nm -size -sort size",
        ),
        saved => Fix::suggest(format!(
            "build with -ldflags=-w: debug information is {} of it",
            shown(saved)
        )),
    };
    finding = finding.fix(fix);
    out.push(finding);
    Ok(())
}
