//! Suppressions that do not hold, or hold nothing.

use crate::findings::Level;
use crate::rules::rule::{Check, Group, Rule, Variant};

/// Places of the variants in [`RULE`].
pub const WITHOUT_REASON: usize = 0;
/// Past its day.
pub const EXPIRED: usize = 1;
/// Suppresses nothing.
pub const UNUSED: usize = 2;

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
    ],
    judges_hooks: true,
    check: Check::Engine,
    ..Rule::BASE
};
