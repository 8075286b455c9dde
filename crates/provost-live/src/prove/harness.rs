//! What a measurement has beside its runs: control groups for each of them, the files of an image for
//! all, and somebody who takes both away.

use std::collections::hash_map::RandomState;
use std::fs::DirBuilder;
use std::hash::BuildHasher as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use super::plan::Plan;
use super::sweep::{Left, Sweeper, remove_tree};
use super::worker::{self, Measured};
use crate::cgroup::{Groups, Hierarchies, Limits};

/// One measurement.
#[derive(Debug)]
pub struct Harness {
    /// Ended last: fields are dropped in their order.
    tree: Option<Tree>,
    sweeper: Result<Sweeper, String>,
    hierarchies: Hierarchies,
    /// Names are never those of somebody else's groups and folders: what bears one is taken away.
    mark: u64,
    /// Runs until now.
    count: AtomicU32,
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

impl Harness {
    /// Begins one.
    pub fn new() -> Self {
        Self {
            tree: None,
            sweeper: Sweeper::start().map_err(|error| error.to_string()),
            hierarchies: Hierarchies::of_this_process(),
            // As random as what keeps tables from being flooded.
            mark: RandomState::new().hash_one(std::process::id()),
            count: AtomicU32::new(0),
        }
    }

    /// A new folder for the files of an image, which nobody else may look into and which is gone
    /// afterwards.
    ///
    /// # Errors
    /// It cannot be made, or there is nobody who would take it away.
    pub fn folder(&mut self) -> Result<&Path> {
        let sweeper = self.sweeper.as_ref().map_err(|why| anyhow!("{why}"));
        let sweeper = sweeper.context("nobody would remove the files of the image")?;
        let path = std::env::temp_dir().join(format!("provost-{:016x}", self.mark));
        sweeper.remember(&Left::Tree(path.clone())).context("the files cannot be kept in mind")?;
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(&self.tree.insert(Tree(path)).0)
    }

    /// Measures one phase in a process of its own, which is killed with all it started when `stop` is
    /// raised or `longest` is over.
    ///
    /// # Errors
    /// When there is no worker, or it ended without an answer.
    pub fn measure(&self, plan: &Plan, longest: Duration, stop: &AtomicBool) -> Result<Measured> {
        let limits = Limits { memory: plan.terms.memory_limit, cpu_m: plan.terms.cpu_limit_m };
        if limits == Limits::default() {
            return worker::measure(plan, longest, stop);
        }
        let groups = Grouped(match &self.sweeper {
            Err(why) => Groups::refused(limits, why),
            Ok(sweeper) => {
                let number = self.count.fetch_add(1, Ordering::Relaxed);
                let name = format!("provost-{:016x}-{number}", self.mark);
                let remember = |path: &Path| sweeper.remember(&Left::Group(path.to_path_buf()));
                Groups::make(limits, &name, &self.hierarchies, remember)
            }
        });
        let plan = Plan { groups: groups.0.clone(), ..plan.clone() };
        worker::measure(&plan, longest, stop)
    }
}

/// A folder that is removed with all that is in it.
#[derive(Debug)]
struct Tree(PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        // What is left is the sweeper's.
        let _ = remove_tree(&self.0);
    }
}

/// Groups that are taken away with their run.
struct Grouped(Groups);

impl Drop for Grouped {
    fn drop(&mut self) {
        self.0.remove();
    }
}
