//! Formulas.
pub mod quantity;
