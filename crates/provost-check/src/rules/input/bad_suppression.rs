//! Suppressions that do not hold, or hold nothing.

use crate::case::Joined;
use crate::findings::{Finding, Fix, Level};
use crate::rules::engine::Selection;
use crate::rules::rule::{Check, Group, Rule, Variant};

/// Places of the variants in [`RULE`].
pub const WITHOUT_REASON: usize = 0;
/// Past its day.
pub const EXPIRED: usize = 1;
/// Suppresses nothing.
pub const UNUSED: usize = 2;
/// An entry of `exists` that nothing asks for.
pub const UNUSED_DECLARATION: usize = 3;

/// A suppression is a decision; one that nobody can follow, or that is no longer needed, hides the
/// next finding on its line. Found by `findings::suppress` when results are collected.
pub static RULE: Rule = Rule {
    id: "bad-suppression",
    group: Group::Input,
    level: Level::Warn,
    title: "a suppression without a reason, past its day, or of nothing",
    page: include_str!("bad-suppression.md"),
    variants: &[
        Variant::new("without-reason", Level::Warn, "a suppression that does not say why"),
        Variant::new("expired", Level::Warn, "a suppression past its day"),
        Variant::new("unused", Level::Warn, "a suppression that suppresses nothing"),
        Variant::new(
            "unused-declaration",
            Level::Note,
            "an object that provost.toml says exists, and that nothing looks for",
        ),
    ],
    judges_hooks: true,
    check: Check::Engine,
    ..Rule::BASE
};

/// Entries of `exists` that no rule has looked for. Where only some rules run, others may.
pub fn unused_declarations(joined: &Joined<'_>, selection: &Selection) -> Vec<Finding> {
    let variant = &RULE.variants[UNUSED_DECLARATION];
    let level = selection.level(&RULE, Some(variant));
    let (Some(level), true) = (level, selection.only.is_empty()) else { return Vec::new() };
    let unused = joined.unused_declarations();
    unused
        .map(|entry| {
            let message = format!(
                "nothing that is judged looks for {} outside of the input: the entry has no effect",
                entry.value
            );
            let finding = Finding::new(&RULE, message, &entry.origin, "not looked for");
            let fix = Fix::suggest("take it out, or write kind, namespace and name as they are");
            finding.variant(variant).level(level).fix(fix)
        })
        .collect()
}
