//! From artifacts to a report: the pipeline of `provost check`.
//!
//! ```text
//! artifact  ->  facts  ->  case  ->  rules  ->  findings  ->  report
//! bytes with    typed      one       judge      with          text,
//! positions     claims     service   facts      evidence      JSON
//! ```
//!
//! Design constraints: nothing under `artifact` decides, nothing under `rules` reads; a problem in
//! an input is a value with a position and never hides the other inputs; the same inputs give the
//! same report whatever the number of threads or the order of directory entries.

pub mod artifact;
pub mod case;
pub mod facts;
pub mod findings;
pub mod model;
pub mod pipeline;
pub mod report;
pub mod rules;
