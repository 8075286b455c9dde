//! Keys that do not do what they seem to.

use crate::case::Joined;
use crate::facts::problem::ProblemKind;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule, Variant};

const DUPLICATE: Variant =
    Variant::new("duplicate-yaml-key", Level::Deny, "a key is written twice in one mapping");

/// So far what is said by its variant; fields that no schema has need the schemas.
pub static RULE: Rule = Rule {
    id: "unknown-field",
    group: Group::Input,
    level: Level::Warn,
    title: "a key that has no effect",
    page: include_str!("unknown-field.md"),
    variants: &[DUPLICATE],
    judges_hooks: true,
    check: Check::Run(check),
    ..Rule::BASE
};

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    let world = joined.world;
    for problem in world.problems.iter().filter(|p| p.kind == ProblemKind::DuplicateKey) {
        let mut finding = Finding::new(
            &RULE,
            format!(
                "{}: most parsers take the last one in silence, `kubectl apply` refuses the file",
                problem.message
            ),
            &problem.origin,
            "written again",
        )
        .variant(&DUPLICATE)
        .fix(Fix::suggest("keep one of them"));
        finding.subject.clone_from(&world.sources.get(problem.origin.source).path);
        out.push(finding);
    }
    Ok(())
}
