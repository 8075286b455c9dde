//! Suppressions.
use super::Finding;
use crate::facts::Origin;

/// A finding that a suppression hides.
#[derive(Clone, Debug)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// Why, as written.
    pub reason: String,
    /// Where the suppression is written.
    pub origin: Origin,
}
