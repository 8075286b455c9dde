//! What was found, what was not judged, and why.

pub mod baseline;
pub mod finding;
pub mod fingerprint;
pub mod fix;
pub mod shared;
pub mod suppress;
mod tree;
pub mod verdict;
pub mod written;

pub use finding::{Applicability, Edit, Evidence, Finding, Fix, Level, Role};
pub use verdict::{Abstain, NotJudged, Reason};
