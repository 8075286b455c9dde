//! The rules, and the list of them.
//!
//! A rule is one `.rs`, one `.md` and one line here.

pub mod engine;
pub mod input;
pub mod rule;
pub mod runtime;

use rule::Rule;

/// Every rule, by group and then id.
#[rustfmt::skip] // one rule a line
pub static RULES: &[&Rule] = &[
    &input::ambiguous_binding::RULE,
    &input::bad_suppression::RULE,
    &input::unparsable_input::RULE,
    &runtime::gomemlimit_above_memory_limit::RULE,
];

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}
