//! Volumes and addresses that only one pod can hold.

use super::WorkloadCase;
use crate::facts::Origin;
use crate::facts::workload::VolumeKind;
use crate::findings::{Abstain, Reason};

/// A claim that only one node, or one pod, can have.
#[derive(Debug)]
pub struct ExclusiveClaim {
    /// The volume in the pod.
    pub volume: Origin,
    /// The access mode in the claim.
    pub mode: Origin,
    /// `ReadWriteOnce` or `ReadWriteOncePod`.
    pub name: &'static str,
}

impl WorkloadCase<'_> {
    /// The first claim of the pods with only exclusive access modes; `None` when every claim was
    /// read and none is. Claims that a StatefulSet makes are one per pod and do not count.
    pub fn exclusive_claim(&self) -> Result<Option<ExclusiveClaim>, Abstain> {
        let mut unknown = None;
        for volume in &self.template().pod().volumes {
            let VolumeKind::Claim(name) = &volume.kind else { continue };
            let namespace = &self.object.meta.namespace.value;
            let kind = "PersistentVolumeClaim";
            let Some(claim) = self.joined.named(self.object, namespace, kind, &name.value)? else {
                let what = format!("access modes of PersistentVolumeClaim {}", name.value);
                unknown = Some(Abstain::unknown(Reason::ObjectNotInInput, what));
                continue;
            };
            let Some(modes) = claim.node().at(&["spec", "accessModes"]) else { continue };
            let mut exclusive = None;
            let mut shared = false;
            for mode in modes.items() {
                match mode.as_str() {
                    Some("ReadWriteOnce") => exclusive = Some((mode, "ReadWriteOnce")),
                    Some("ReadWriteOncePod") => exclusive = Some((mode, "ReadWriteOncePod")),
                    _ => shared = true,
                }
            }
            if let (Some((mode, name)), false) = (exclusive, shared) {
                let volume = volume.origin.clone();
                return Ok(Some(ExclusiveClaim { volume, mode: mode.origin(), name }));
            }
        }
        unknown.map_or(Ok(None), Err)
    }
}
