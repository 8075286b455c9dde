//! `provost prove`

mod again;
mod canary;
mod certificate;
mod env_from;
mod environment;
mod fields;
mod terms;

use anyhow::Result;

use crate::args::{Cli, ProveArgs};
use crate::exit::Exit;

#[cfg(target_os = "linux")]
mod dependencies;
#[cfg(target_os = "linux")]
mod image;
#[cfg(target_os = "linux")]
mod measured;
#[cfg(target_os = "linux")]
mod progress;
#[cfg(target_os = "linux")]
mod runs;
#[cfg(target_os = "linux")]
mod settings;
#[cfg(target_os = "linux")]
mod telemetry;
#[cfg(target_os = "linux")]
mod volumes;

/// Measures the process and judges what it did.
#[cfg(target_os = "linux")]
pub(crate) fn run(cli: &Cli, args: &ProveArgs) -> Result<Exit> {
    measured::run(cli, args)
}

/// The kernel's tables and namespaces are Linux's.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_: &Cli, _: &ProveArgs) -> Result<Exit> {
    Err(crate::exit::Mistake::new("prove runs on Linux only").into())
}
