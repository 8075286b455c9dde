//! Where each line of a rendered text comes from.

use crate::facts::origin::{Origin, Span};

/// Where what a renderer printed was written: by line of the rendered text, from 0.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The input that was rendered: a template, a resource.
    pub from: Option<Origin>,
    /// By line.
    pub lines: Vec<Written>,
    /// By key and value, in the order of the text and what is around before what is inside: where the
    /// input has the structure of what was printed.
    pub nodes: Vec<Traced>,
}

/// Where one key or value of the rendered text was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Its bytes in the rendered text.
    pub span: Span,
    /// Where it was written; of a value that nobody is known to have written, its key.
    pub at: Origin,
    /// What is written there says it.
    pub says: bool,
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
    /// Nothing is written there, and what the template has for that is printed.
    pub is_empty: bool,
}

impl Trace {
    /// What is known of a line of the rendered text, from 1.
    pub fn line(&self, number: u32) -> Option<&Written> {
        self.lines.get((number as usize).checked_sub(1)?)
    }

    /// What is known of the key or value that has just these bytes.
    pub fn node(&self, span: Span) -> Option<&Traced> {
        let order = |placed: &Traced| (placed.span.start, std::cmp::Reverse(placed.span.end));
        let wanted = (span.start, std::cmp::Reverse(span.end));
        // A list has the bytes of its only item, which is what is meant.
        let behind = self.nodes.partition_point(|placed| order(placed) <= wanted);
        self.nodes.get(behind.checked_sub(1)?).filter(|placed| placed.span == span)
    }

    /// What is known of the key or value that these bytes are a part of.
    pub fn node_around(&self, span: Span) -> Option<&Traced> {
        // What is inside of another comes behind it, and a scalar has nothing inside.
        let behind = self.nodes.partition_point(|placed| placed.span.start <= span.start);
        let last = self.nodes.get(behind.checked_sub(1)?)?;
        last.span.contains(span).then_some(last)
    }
}
