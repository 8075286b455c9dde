//! `cargo xtask godebug`: the table of GODEBUG keys, read off the sources of Go itself.
//!
//! Keys come with patch releases too, so the first and the last patch of each minor are read, and
//! those between that are known to matter. Writing the table fetches all of them; checking it
//! fetches none and reads those that are there.

mod scan;
mod table;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use goformats::godebug::{Lookup, Release, keys, lookup};

use crate::paths;
use crate::toolchain::{Toolchain, Version};
use scan::Found;

/// Releases the table is read from, in order.
const READ: &[Version] = &[
    Version::new(18, 0),
    Version::new(18, 10),
    Version::new(19, 0),
    Version::new(19, 13),
    Version::new(20, 0),
    Version::new(20, 14),
    Version::new(21, 0),
    Version::new(21, 13),
    Version::new(22, 0),
    Version::new(22, 12),
    Version::new(23, 0),
    Version::new(23, 12),
    Version::new(24, 0),
    Version::new(24, 11),
    Version::new(24, 13),
    Version::new(25, 0),
    Version::new(25, 5),
    Version::new(25, 14),
    Version::new(26, 0),
    Version::new(26, 8),
    Version::new(26, 11),
    Version::new(27, 0),
    Version::new(27, 4),
];

const TABLE: &str = "crates/goformats/src/godebug/table.rs";

#[derive(clap::Args, Default)]
pub struct Args {
    /// Write nothing; compare the table with the toolchains that are on this machine
    #[arg(long)]
    pub check: bool,
}

pub fn run(args: &Args) -> Result<()> {
    if args.check {
        return check();
    }
    let mut releases = Vec::new();
    for version in READ {
        eprintln!("godebug: {}", version.name());
        let toolchain = Toolchain::fetch(*version)?;
        releases.push((*version, scan::goroot(&toolchain.goroot, *version)?));
    }
    let text = table::render(&releases)?;
    paths::write(&paths::root().join(TABLE), text.as_bytes())
}

/// The keys that the table gives a release must be those of its sources, for every release read
/// that is on this machine and for the `go` command in use.
fn check() -> Result<()> {
    let mut wrong = Vec::new();
    let mut toolchains: Vec<Toolchain> =
        READ.iter().filter_map(|version| Toolchain::present(*version)).collect();
    let installed = Toolchain::installed()?;
    if toolchains.iter().all(|toolchain| toolchain.version != installed.version) {
        toolchains.push(installed);
    }
    for toolchain in &toolchains {
        let version = toolchain.version;
        wrong.extend(differences(version, &scan::goroot(&toolchain.goroot, version)?));
    }
    if wrong.is_empty() {
        let names: Vec<String> = toolchains.iter().map(|have| have.version.written()).collect();
        eprintln!("godebug: the table agrees with the sources of {}", names.join(", "));
        return Ok(());
    }
    bail!("{TABLE} is not what Go's sources say:\n  {}", wrong.join("\n  "));
}

fn differences(version: Version, found: &BTreeMap<String, Found>) -> Vec<String> {
    let release = Release::new(version.minor as u16, version.patch as u16);
    let known = |name: &str| matches!(lookup(name, release), Lookup::Known(_));
    // Between two releases read, or after the last one, the table may honestly not know.
    let unknown = |name: &str| !known(name) && lookup(name, release) != Lookup::Undecided;
    let missing = found.values().filter(|key| key.in_force && unknown(&key.name));
    let missing =
        missing.map(|key| format!("{} has {}, the table does not", version.name(), key.name));
    let has = |name: &str| found.get(name).is_some_and(|key| key.in_force);
    let surplus = keys().iter().filter(|key| known(key.name) && !has(key.name));
    let surplus = surplus.map(|key| format!("{} has no {}", version.name(), key.name));
    let other = keys().iter().filter(|key| known(key.name)).filter_map(|key| {
        let found = found.get(key.name)?;
        let same = found.runtime == key.runtime;
        (!same).then(|| format!("{}: {} is read by another part", version.name(), key.name))
    });
    missing.chain(surplus).chain(other).collect()
}
