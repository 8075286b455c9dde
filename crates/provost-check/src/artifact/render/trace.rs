//! Where each line of a rendered text comes from.

use crate::facts::origin::{Origin, Span};

/// Where what a renderer printed was written: by line of the rendered text, from 0.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The input that was rendered: a template, a resource.
    pub from: Option<Origin>,
    /// By line.
    pub lines: Vec<Written>,
}

/// Where one line was written.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The line that printed it.
    pub at: Option<Origin>,
    /// The action of a template that filled something in there, when it is the only one.
    pub action: Option<Origin>,
    /// The values that were filled in.
    pub values: Vec<Value>,
}

/// A value that a template fills in, or that a patch sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Where it is written.
    pub origin: Origin,
    /// How it is called: `resources.limits.memory`.
    pub name: String,
    /// Bytes of the rendered text that are this value and nothing else.
    pub whole: Option<Span>,
}

impl Trace {
    /// What is known of a line of the rendered text, from 1.
    pub fn line(&self, number: u32) -> Option<&Written> {
        self.lines.get((number as usize).checked_sub(1)?)
    }
}
