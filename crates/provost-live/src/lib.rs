//! The live half of Provost: what has to run to be known.
//!
//! It measures and never judges: what it finds goes into facts of `provost-check`
//! ([`provost_check::facts::proof`]), whose rules hold them against what was promised.

#[cfg(target_os = "linux")]
pub mod cgroup;
#[cfg(target_os = "linux")]
pub mod prove;
