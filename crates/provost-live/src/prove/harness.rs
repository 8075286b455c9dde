//! What a measurement has beside its runs: control groups for each of them, the files of an image for
//! all, and somebody who takes both away.

use std::collections::hash_map::RandomState;
use std::env::{temp_dir, var_os};
use std::fs::DirBuilder;
use std::hash::BuildHasher as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf, absolute};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::fs::{StatVfsMountFlags, statfs, statvfs};

use super::plan::Plan;
use super::sweep::{Left, Owner, Sweeper, left_in, remove_tree};
use super::worker::{self, Measured};
use crate::cgroup::{self, Groups, Hierarchies, Limits};

/// File systems whose files are memory (linux/magic.h).
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// Where a disk is looked for when files for a while are kept in memory (file-hierarchy(7)).
const VAR_TMP: &str = "/var/tmp";

/// Bytes that are left to others on a disk that is written to.
pub(super) const SPARED: u64 = 512 << 20;

/// How often a folder is removed that somebody writes to, and how long is waited in between: a second.
const REMOVALS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(50);

/// One measurement.
#[derive(Debug)]
pub struct Harness {
    sweeper: Result<Sweeper, String>,
    /// Why there is none, else.
    folder: Result<Tree, String>,
    /// Why what is written to the folder takes memory, or takes too much of the disk, where it does.
    no_disk: Option<String>,
    hierarchies: Hierarchies,
    /// Names are never those of somebody else's groups and folders: what bears one is taken away.
    name: String,
    /// Runs until now.
    count: AtomicU32,
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

impl Harness {
    /// Begins one, and takes away what others left that were ended together with those who do that.
    pub fn new() -> Self {
        let sweeper = Sweeper::start().map_err(|error| error.to_string());
        let hierarchies = Hierarchies::of_this_process();
        // As random as what keeps tables from being flooded.
        let mark = RandomState::new().hash_one(std::process::id());
        let name =
            Owner::this().map_or_else(|| format!("provost-{mark:016x}"), |owner| owner.name(mark));
        let (base, no_disk) = base();
        hierarchies.all().iter().flat_map(|all| left_in(all)).for_each(|it| cgroup::remove(&it));
        for left in left_in(&base) {
            let _ = remove_tree(&left);
        }
        let folder = match &sweeper {
            Ok(sweeper) => make(&base.join(&name), sweeper).map_err(|error| format!("{error:#}")),
            Err(why) => Err(format!("nobody would remove it: {why}")),
        };
        Self { sweeper, folder, no_disk, hierarchies, name, count: AtomicU32::new(0) }
    }

    /// A folder which nobody else may look into and which is gone afterwards.
    ///
    /// # Errors
    /// It cannot be made, or there is nobody who would take it away.
    pub fn folder(&self) -> Result<&Path> {
        let folder = self.folder.as_ref().map_err(|why| anyhow!("{why}"));
        Ok(&folder.context("there is no folder for files")?.0)
    }

    /// Measures one phase in a process of its own, which is killed with all it started when `stop` is
    /// raised or `longest` is over.
    ///
    /// # Errors
    /// When there is no worker, or it ended without an answer.
    pub fn measure(&self, plan: &Plan, longest: Duration, stop: &AtomicBool) -> Result<Measured> {
        let limits = Limits { memory: plan.terms.memory_limit, cpu_m: plan.terms.cpu_limit_m };
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        // Declared first and dropped last: what still writes to it is killed with its groups.
        let disk = self.disk(number);
        let groups = Grouped(match &self.sweeper {
            _ if limits == Limits::default() => Groups::default(),
            Err(why) => Groups::refused(limits, why),
            Ok(sweeper) => {
                let name = format!("{}-{number}", self.name);
                let remember = |path: &Path| sweeper.remember(&Left::Group(path.to_path_buf()));
                Groups::make(limits, &name, &self.hierarchies, remember)
            }
        });
        let plan = Plan {
            groups: groups.0.clone(),
            disk: disk.as_ref().map(|tree| tree.0.clone()).map_err(String::clone),
            ..plan.clone()
        };
        worker::measure(&plan, longest, stop)
    }

    /// A folder on a disk, for what one run writes.
    fn disk(&self, number: u32) -> Result<Tree, String> {
        if let Some(why) = &self.no_disk {
            return Err(why.clone());
        }
        let folder = self.folder.as_ref().map_err(String::clone)?;
        let free = free(&folder.0).ok_or("the disk does not say how much is free")?;
        if free < 2 * SPARED {
            return Err(format!("{} MiB are free on the disk", free >> 20));
        }
        let path = folder.0.join(format!("run-{number}"));
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| error.to_string())?;
        Ok(Tree(path))
    }
}

/// Makes a folder that is taken away however this process ends.
fn make(path: &Path, sweeper: &Sweeper) -> Result<Tree> {
    sweeper.remember(&Left::Tree(path.to_path_buf())).context("it cannot be kept in mind")?;
    let made = DirBuilder::new().mode(0o700).create(path);
    made.with_context(|| format!("cannot make {}", path.display()))?;
    Ok(Tree(path.to_path_buf()))
}

/// Bytes of a disk that are free.
pub(super) fn free(below: &Path) -> Option<u64> {
    let disk = statvfs(below).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Where files are kept for a while: as the user says, else on a disk where there is one. Why it is none,
/// where it is not.
fn base() -> (PathBuf, Option<String>) {
    // The sweeper goes to the root.
    let said = absolute(temp_dir()).unwrap_or_else(|_| temp_dir());
    let Err(why) = is_disk(&said) else { return (said, None) };
    let other = PathBuf::from(VAR_TMP);
    if var_os("TMPDIR").is_none() && is_disk(&other).is_ok() {
        return (other, None);
    }
    (said, Some(why))
}

/// Whether what is written there goes to a disk, and programs are run from it.
fn is_disk(folder: &Path) -> Result<(), String> {
    let shown = folder.display();
    let kind = statfs(folder).map_err(|error| format!("{shown}: {error}"))?.f_type;
    if matches!(u64::try_from(kind), Ok(TMPFS | RAMFS)) {
        return Err(format!("{shown} is kept in memory; TMPDIR names another folder"));
    }
    let flags = statvfs(folder).map_err(|error| format!("{shown}: {error}"))?.f_flag;
    match flags.intersects(StatVfsMountFlags::RDONLY | StatVfsMountFlags::NOEXEC) {
        true => Err(format!("{shown} is read-only, or none to run programs from")),
        false => Ok(()),
    }
}

/// A folder that is removed with all that is in it.
#[derive(Debug)]
struct Tree(PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        // Whoever is just being killed may still have put something in it. What is left then is the sweeper's.
        for _ in 0..REMOVALS {
            if remove_tree(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(BETWEEN);
        }
    }
}

/// Groups that are taken away with their run.
struct Grouped(Groups);

impl Drop for Grouped {
    fn drop(&mut self) {
        self.0.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_memory_is_no_disk() {
        assert!(is_disk(Path::new("/dev/shm")).unwrap_err().contains("memory"));
        assert!(is_disk(Path::new("/nowhere")).is_err());
        assert!(base().0.is_absolute());
    }
}
