//! The Dockerfile by itself and against the cluster that runs its image.

pub mod builder_older_than_go_mod;
pub mod floating_build_input;
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
