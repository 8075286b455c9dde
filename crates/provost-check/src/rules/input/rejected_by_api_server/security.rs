//! Who a pod runs as, and what it may have of its node.

use super::{RULE, items, refuse};
use crate::facts::document::Node;
use crate::facts::objects::Object;
use crate::facts::workload::{Workload, WorkloadKind};
use crate::findings::Finding;
use crate::rules::rule::Findings;

/// Entries of one list that are looked at.
const MOST: usize = 1000;

/// `IsValidUserID`, `IsValidGroupID`: what an `int32` holds.
const IDS: std::ops::RangeInclusive<i64> = 0..=2_147_483_647;

/// Parts of `ValidatePodSpec` in pkg/apis/core/validation/validation.go, v1.37.2.
pub(super) fn pod(object: &Object, workload: &Workload, out: &mut Findings) {
    let spec = object.document.node(workload.pod.spec);
    if let Some(security) = spec.get("securityContext") {
        ids(security, &["runAsUser", "runAsGroup", "fsGroup"], out);
        let groups = security.get("supplementalGroups").into_iter().flat_map(Node::items);
        for node in groups.take(MOST) {
            id("supplementalGroups", node, out);
        }
    }
    let flag = |key: &str| spec.get_entry(key).filter(|(_, value)| value.as_bool() == Some(true));
    if let Some((own, users)) = spec.get_entry("hostUsers")
        && users.as_bool() == Some(false)
    {
        for key in ["hostNetwork", "hostPID", "hostIPC"] {
            let Some((place, _)) = flag(key) else { continue };
            let message = format!("{key} is forbidden when `hostUsers` is false");
            out.push(
                Finding::new(&RULE, message, &place.origin(), "one of them")
                    .also(&own.origin(), "and the other"),
            );
        }
    }
    if spec.at(&["os", "name"]).and_then(Node::as_str) == Some("linux") {
        let containers = ["containers", "initContainers"];
        let containers = containers.iter().flat_map(|key| items(spec, key)).take(MOST);
        for one in std::iter::once(spec).chain(containers) {
            let security = one.get("securityContext");
            if let Some((key, options)) = security.and_then(|it| it.get_entry("windowsOptions"))
                && !options.is_null()
            {
                refuse(out, &key.origin(), "windows options cannot be set for a linux pod");
            }
        }
    }
    // What was read from a cluster has those that were added since.
    let read = object.node().at(&["metadata", "uid"]).is_some();
    if let Some((key, list)) = spec.get_entry("ephemeralContainers")
        && list.items().next().is_some()
        && !read
    {
        let message = match workload.kind {
            WorkloadKind::Pod => "ephemeralContainers cannot be set on create",
            _ => "ephemeral containers are not allowed in a pod template",
        };
        refuse(out, &key.origin(), message);
    }
}

/// `ValidateSecurityContext` and `validateMountPropagation`; `whole` is that nothing else completes the pod.
pub(super) fn container(container: Node<'_>, whole: bool, out: &mut Findings) {
    let security = container.get("securityContext");
    if let Some(security) = security {
        ids(security, &["runAsUser", "runAsGroup"], out);
    }
    let privileged = match security {
        Some(security) if security.is_mapping() => match security.get("privileged") {
            Some(value) => value.as_bool(),
            None => (!security.has_key("privileged")).then_some(false),
        },
        Some(_) => None,
        None => Some(false),
    };
    if privileged != Some(false) || !whole {
        return;
    }
    for mount in items(container, "volumeMounts").take(MOST) {
        if let Some((mode, node)) = super::text(mount, "mountPropagation")
            && mode == "Bidirectional"
        {
            let message =
                "Bidirectional mount propagation is available only to privileged containers";
            refuse(out, &node.origin(), message);
        }
    }
}

fn ids(security: Node<'_>, keys: &[&str], out: &mut Findings) {
    for key in keys {
        if let Some(node) = security.get(key) {
            id(key, node, out);
        }
    }
}

fn id(key: &str, node: Node<'_>, out: &mut Findings) {
    if let Some(number) = node.as_i64().filter(|number| !IDS.contains(number)) {
        let message = format!("{key} {number} must be between 0 and 2147483647, inclusive");
        refuse(out, &node.origin(), message);
    }
}
