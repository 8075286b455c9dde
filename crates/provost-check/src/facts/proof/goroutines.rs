//! What the goroutines of a process did when its time was over: SIGQUIT has Go's runtime print them all, and end.

use serde::{Deserialize, Serialize};

/// Goroutines of a process that was still there at its deadline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Goroutines {
    /// When they were asked for.
    pub at_us: u64,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<Silent>,
    /// How many there were, without those that are the runtime's own.
    pub total: u64,
    /// It was killed before it had printed all: there were more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// By stack: that of the main goroutine first, then the most frequent.
    pub stacks: Vec<Stack>,
    /// Goroutines whose stacks are not among those.
    pub more: u64,
}

/// Why a process printed no goroutines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silent {
    /// Nothing in it catches SIGQUIT, as every runtime of Go does.
    Uncaught,
    /// It has a handler of its own for SIGQUIT, which no runtime sees then.
    Handled,
    /// It began to print them, and none was there when nobody waited any longer.
    Unfinished,
    /// Its runtime ended by itself behind the header, without one of the program's: GOTRACEBACK=none before Go 1.19.
    Silenced,
}

/// Goroutines that were at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stack {
    /// The main goroutine is one of them: the process ends when its function returns.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub main: bool,
    /// How many.
    pub count: u64,
    /// What they did or waited for: `select`, `chan receive`, `IO wait`.
    pub state: String,
    /// From the innermost call outwards, without the runtime's own at both ends.
    pub calls: Vec<StackCall>,
    /// Where they were started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<StackCall>,
}

/// A call of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StackCall {
    /// `net/http.(*Server).Shutdown`
    pub func: String,
    /// As it was compiled.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// In that file.
    pub line: u32,
}
