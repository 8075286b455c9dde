//! Objects that `[cluster] exists` of `provost.toml` says are there although the input has not got
//! them: those of another team, of an operator, of whoever set the cluster up.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Joined;
use crate::facts::Fact;
use crate::facts::settings::{Existing, Settings};

/// Which entries something has asked for.
#[derive(Debug, Default)]
pub struct Declared {
    used: Vec<AtomicBool>,
}

impl Declared {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { used: settings.cluster.exists.iter().map(|_| AtomicBool::new(false)).collect() }
    }
}

/// Kinds that run pods.
const RUN_PODS: &[&str] =
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout", "Pod", "Job", "CronJob"];

impl Joined<'_> {
    /// Whether an object that is not in the input is said to be in the cluster; of a kind outside of
    /// namespaces with an empty one.
    pub fn is_declared(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.declares(|entry| entry.is(kind, namespace, name))
    }

    /// Whether an object of that kind is, which one does not matter.
    pub fn some_is_declared(&self, kind: &str, namespace: &str) -> bool {
        self.declares(|entry| entry.kind == kind && entry.is_in(namespace))
    }

    /// Whether the pods of the input are all that the namespace has.
    pub fn pods_are_known(&self, namespace: &str) -> bool {
        // Asked for in an open world, too: an entry is no less used there.
        let declared = self
            .declares(|entry| RUN_PODS.contains(&entry.kind.as_str()) && entry.is_in(namespace));
        self.world.settings.closed_world && !declared
    }

    /// The same of all namespaces.
    pub fn all_pods_are_known(&self) -> bool {
        let declared = self.declares(|entry| RUN_PODS.contains(&entry.kind.as_str()));
        self.world.settings.closed_world && !declared
    }

    fn declares(&self, is_meant: impl Fn(&Existing) -> bool) -> bool {
        let entries = self.world.settings.cluster.exists.iter().zip(&self.declared.used);
        let mut found = false;
        for (_, used) in entries.filter(|(entry, _)| is_meant(&entry.value)) {
            used.store(true, Ordering::Relaxed);
            found = true;
        }
        found
    }

    /// Entries that nothing has asked for, once all rules have run.
    pub fn unused_declarations(&self) -> impl Iterator<Item = &Fact<Existing>> {
        let entries = self.world.settings.cluster.exists.iter().zip(&self.declared.used);
        let unused = entries.filter(|(_, used)| !used.load(Ordering::Relaxed));
        unused.map(|(entry, _)| entry)
    }
}
