//! The Dockerfile by itself and against the cluster that runs its image.

pub mod builder_older_than_go_mod;
pub mod floating_build_input;
pub mod foreign_target_system;
pub mod hidden_build_failure;
pub mod ineffective_build_flag;
pub mod malformed_exec_form;
pub mod missing_copy_source;
pub mod overridden_instruction;
pub mod rejected_by_builder;
pub mod root_by_default;
pub mod root_tool_in_build;
pub mod secret_in_build;
pub mod shell_form_entrypoint;
pub mod undefined_build_variable;
pub mod unrunnable_healthcheck;
pub mod unverified_download;

use crate::findings::{Abstain, Reason};
use crate::model::shell::variables;

/// A RUN whose text is beyond the reader.
fn unread() -> Abstain {
    Abstain::unknown(Reason::LimitReached, "what a RUN of that length, or with an open quote, runs")
}

/// The name when a word is `$NAME` or `${NAME}` and nothing else.
fn lone_variable(word: &str) -> Option<&str> {
    let name = word.strip_prefix('$')?;
    let name = name.strip_prefix('{').map_or(Some(name), |name| name.strip_suffix('}'))?;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (plain && !name.is_empty()).then_some(name)
}

/// A name with what its variables stand for in their places, and nothing where that is nothing.
fn without<'v>(name: &str, value: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut left = String::with_capacity(name.len());
    let mut at = 0;
    for read in variables::reads(name, '\\', false) {
        let braced = name.get(..read.span.start).is_some_and(|before| before.ends_with('{'));
        let start = read.span.start - if braced { 2 } else { 1 };
        let end = read.span.end + usize::from(braced);
        left.push_str(name.get(at..start).unwrap_or_default());
        left.push_str(value(read.name).unwrap_or_default());
        at = end;
    }
    left.push_str(name.get(at..).unwrap_or_default());
    left
}

/// Whether a text cannot be the name of an image.
fn is_no_name(name: &str) -> bool {
    name.is_empty()
        || name.starts_with(['/', ':', '@', '-', '.'])
        || name.ends_with(['/', ':', '@', '-', '.'])
        || ["//", "/:", "/@", ":@", "::", ":-", ":."].iter().any(|pair| name.contains(pair))
}
