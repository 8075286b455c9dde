//! What could not be read, as a fact.

use super::origin::Origin;

/// A part of an input that could not be read; becomes a finding of the group `input`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What sort of problem.
    pub kind: ProblemKind,
    /// Where.
    pub origin: Origin,
    /// What was found and what was expected: `expected ',' or ']'`.
    pub message: String,
    /// What to do, where more can be said than the message does.
    pub help: Option<String>,
}

/// What sort of problem an input has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// Cannot be opened or read.
    Unreadable,
    /// A path of the command line that does not exist. No finding: the run ends with 2, and every
    /// report says so in a notice.
    Missing,
    /// Is not what its place or name says: broken YAML, garbage instead of a Dockerfile.
    Malformed,
    /// A limit was reached; the rest was not read.
    Limit,
    /// A key is written twice in one mapping.
    DuplicateKey,
    /// An instruction of a Dockerfile that BuildKit refuses; the others were read.
    Refused,
    /// An instruction that BuildKit accepts and that cannot mean what it says; a document that may be
    /// meant as an object.
    Doubtful,
    /// An object that does not say of which kind or version it is, and the key that its place was
    /// meant to be, where one is near.
    NoKind(Option<&'static str>),
}
