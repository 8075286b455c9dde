//! Volumes of a pod, and what its containers mount of them.

use std::collections::{HashMap, HashSet};

use super::{RULE, items, names, refuse, text, unclear};
use crate::case::World;
use crate::facts::document::Node;
use crate::facts::objects::Object;
use crate::facts::placeholders::is_placeholder;
use crate::facts::workload::{Workload, WorkloadKind};
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::rules::rule::Findings;

/// Keys of a volume that say what backs it (`validateVolumeSource`).
const SOURCES: &[&str] = &[
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageos",
    "vsphereVolume",
];

/// Volumes whose names are compared with one that is not there.
const MOST_COMPARED: usize = 256;

/// The volumes of a pod by name: the node of the name, and what backs it.
struct Known<'d> {
    by_name: HashMap<&'d str, (Node<'d>, Backing)>,
    /// Some have names that are still to be filled in.
    open: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Backing {
    /// A claim, which a container may have as a block device.
    Claim,
    Other,
}

/// `ValidateVolumes`, `ValidateVolumeMounts` and `ValidateVolumeDevices` of
/// pkg/apis/core/validation/validation.go, v1.37.2. `whole` is that nothing else completes the pod.
pub(super) fn check(
    world: &World,
    object: &Object,
    workload: &Workload,
    whole: bool,
    out: &mut Findings,
) {
    let spec = object.document.node(workload.pod.spec);
    let mut known = Known { by_name: HashMap::new(), open: unclear(spec, "volumes") };
    for volume in items(spec, "volumes") {
        one(volume, whole, out);
        let claim = ["persistentVolumeClaim", "ephemeral"];
        let backing = match claim.iter().any(|key| volume.get(key).is_some()) {
            true => Backing::Claim,
            false => Backing::Other,
        };
        known.add(volume, backing);
    }
    // Each of a StatefulSet's claims is a volume of that name (`volumesToAddForTemplates`).
    if workload.kind == WorkloadKind::StatefulSet
        && let Some(of_set) = object.node().get("spec")
    {
        known.open |= unclear(of_set, "volumeClaimTemplates");
        for claim in items(of_set, "volumeClaimTemplates") {
            match claim.get("metadata") {
                Some(meta) => known.add(meta, Backing::Claim),
                None => known.open = true,
            }
        }
    }
    for container in &workload.pod.containers {
        let node = object.document.node(container.node);
        mounts(world, node, &known, whole, out);
        devices(node, &known, whole, out);
    }
}

impl<'d> Known<'d> {
    fn add(&mut self, node: Node<'d>, backing: Backing) {
        let Some(name) = node.get("name") else { return };
        match name.as_str() {
            Some(text) if !is_placeholder(text) => {
                self.by_name.entry(text).or_insert((name, backing));
            }
            _ => self.open = true,
        }
    }
}

fn one(volume: Node<'_>, whole: bool, out: &mut Findings) {
    if let Some((name, node)) = text(volume, "name")
        && !name.is_empty()
        && !names::is_label(name)
    {
        refuse(out, &node.origin(), format!("`{name}` is no name for a volume: a DNS-1123 label"));
    }
    // A patch takes one away with null, and writes the other.
    let patch =
        volume.entries().any(|(key, _)| key.as_str().is_some_and(|key| key.starts_with('$')));
    let mut sources = volume
        .entries()
        .filter(|(_, value)| !value.is_null())
        .filter(|(key, _)| key.as_str().is_some_and(|key| SOURCES.contains(&key)));
    let Some((first, source)) = sources.next() else { return };
    if let Some((second, _)) = sources.next().filter(|_| !patch)
        && second.as_str() != first.as_str()
    {
        let shown = |key: Node<'_>| key.as_str().unwrap_or_default().to_owned();
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "may not specify more than 1 volume type: {} and {}",
                    shown(first),
                    shown(second)
                ),
                &second.origin(),
                "and another",
            )
            .also(&first.origin(), "one source"),
        );
    }
    let kind = first.as_str().unwrap_or_default();
    let named = match kind {
        "configMap" => "name",
        "secret" => "secretName",
        _ => "",
    };
    if whole && source.is_mapping() && !named.is_empty() && source.get(named).is_none() {
        // Written without a value, it is still to be filled in.
        let written = source.has_key(named);
        if !written {
            refuse(out, &first.origin(), format!("`{named}` of a {kind} volume is required"));
        }
    }
    if kind == "hostPath"
        && let Some((path, node)) = text(source, "path")
        && path.split('/').any(|part| part == "..")
    {
        refuse(out, &node.origin(), format!("the path {path} must not contain '..'"));
    }
    if kind == "emptyDir"
        && let Some((medium, node)) = text(source, "medium")
    {
        self::medium(medium, node, out);
    }
    modes(source, 0, out);
    files(source, 0, out);
}

/// `ValidateLocalNonReservedPath` of the files of a volume, and how long a projected token may last.
fn files(source: Node<'_>, depth: usize, out: &mut Findings) {
    for item in items(source, "items") {
        if let Some((path, node)) = text(item, "path") {
            descends(path, node, out);
        }
    }
    if depth > 0 {
        return;
    }
    for projected in items(source, "sources") {
        for key in ["configMap", "secret", "downwardAPI"] {
            if let Some(inner) = projected.get(key) {
                files(inner, depth + 1, out);
            }
        }
        let Some(token) = projected.get("serviceAccountToken") else { continue };
        if let Some((path, node)) = text(token, "path") {
            descends(path, node, out);
        }
        if let Some(node) = token.get("expirationSeconds")
            && let Some(seconds) = node.as_i64().filter(|seconds| *seconds < 600)
        {
            let message = format!(
                "expirationSeconds {seconds} may not specify a duration less than 10 minutes"
            );
            refuse(out, &node.origin(), message);
        }
    }
}

fn descends(path: &str, node: Node<'_>, out: &mut Findings) {
    let why = if path.starts_with('/') {
        "must be a relative path"
    } else if path.split('/').any(|part| part == "..") {
        "must not contain '..'"
    } else if path.starts_with("..") {
        "must not start with '..'"
    } else {
        return;
    };
    refuse(out, &node.origin(), format!("the path {path} of a file {why}"));
}

/// Where an emptyDir lies. The API server takes any text, the kubelet does not (`SetUpAt` in
/// pkg/volume/emptydir/empty_dir.go, v1.37.2): the pod stays in ContainerCreating.
fn medium(medium: &str, node: Node<'_>, out: &mut Findings) {
    let pages = medium.strip_prefix("HugePages-");
    if matches!(medium, "" | "Memory" | "HugePages") || pages.is_some() {
        return;
    }
    let message = format!(
        "the kubelet knows no medium `{medium}` of an emptyDir, only Memory, HugePages and the default: \
         FailedMount, `unknown storage medium`"
    );
    let finding = Finding::new(&RULE, message, &node.origin(), "cannot be mounted");
    let known = ["Memory", "HugePages"];
    let same = known.into_iter().find(|known| known.eq_ignore_ascii_case(medium));
    out.push(match same.or_else(|| nearest(medium, known, 2)) {
        Some(near) => finding.fix(
            Fix::suggest(format!("did you mean {near}?")).replace(&node.origin(), near.to_owned()),
        ),
        None => finding,
    });
}

/// `defaultMode` and `mode` of files: numbers up to 0777, which 644 without a zero is not.
fn modes(source: Node<'_>, depth: usize, out: &mut Findings) {
    for key in ["defaultMode", "mode"] {
        let Some(node) = source.get(key) else { continue };
        let Some(mode) = node.as_i64().filter(|mode| !(0..=0o777).contains(mode)) else { continue };
        let octal = mode.to_string();
        let meant = octal.len() == 3 && octal.bytes().all(|digit| (b'0'..b'8').contains(&digit));
        let mut finding = Finding::new(
            &RULE,
            format!("{key} {mode} must be a number between 0 and 0777 (octal), which is 511"),
            &node.origin(),
            "refused",
        );
        if meant {
            let fix = Fix::suggest(format!("write 0{octal}"));
            finding = finding.fix(fix.replace(&node.origin(), format!("0{octal}")));
        }
        out.push(finding);
    }
    if depth < 3 {
        for key in ["items", "sources"] {
            items(source, key).for_each(|item| modes(item, depth + 1, out));
        }
        for key in ["configMap", "secret", "downwardAPI"] {
            if let Some(inner) = source.get(key).filter(|inner| inner.is_mapping() && depth > 0) {
                modes(inner, depth + 1, out);
            }
        }
    }
}

fn mounts(world: &World, container: Node<'_>, known: &Known<'_>, whole: bool, out: &mut Findings) {
    let mut paths: HashMap<&str, Node<'_>> = HashMap::new();
    for mount in items(container, "volumeMounts") {
        if let Some((name, node)) = text(mount, "name")
            && whole
            && !known.open
            && !name.is_empty()
            && !known.by_name.contains_key(name)
        {
            out.push(not_found(world, name, node, known, "volumeMounts"));
        }
        match text(mount, "mountPath") {
            Some(("", node)) => refuse(out, &node.origin(), "the mountPath is empty"),
            Some((path, node)) => {
                if let Some(before) = paths.insert(path, node) {
                    out.push(
                        Finding::new(
                            &RULE,
                            format!("mountPath {path} must be unique in its container"),
                            &node.origin(),
                            "mounted again",
                        )
                        .also(&before.origin(), "mounted here"),
                    );
                }
            }
            None => {}
        }
        let written: Vec<(&str, &str, Node<'_>)> = ["subPath", "subPathExpr"]
            .into_iter()
            .filter_map(|key| mount.get(key).and_then(|node| Some((key, node.as_str()?, node))))
            .filter(|(_, path, _)| !path.is_empty())
            .collect();
        for (key, path, node) in &written {
            if path.starts_with('/') {
                refuse(out, &node.origin(), format!("{key} {path} must be a relative path"));
            } else if path.split('/').any(|part| part == "..") {
                refuse(out, &node.origin(), format!("{key} {path} must not contain '..'"));
            }
        }
        if let [(_, _, first), (_, _, second)] = written.as_slice() {
            out.push(
                Finding::new(
                    &RULE,
                    "subPathExpr and subPath are mutually exclusive",
                    &second.origin(),
                    "one of them",
                )
                .also(&first.origin(), "and the other"),
            );
        }
    }
}

fn devices(container: Node<'_>, known: &Known<'_>, whole: bool, out: &mut Findings) {
    let mut seen = HashSet::new();
    for device in items(container, "volumeDevices") {
        let Some((name, node)) = text(device, "name") else { continue };
        if !seen.insert(name) {
            refuse(out, &node.origin(), format!("two volumeDevices are named {name}"));
        }
        match known.by_name.get(name) {
            Some((volume, Backing::Other)) => out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "{name} cannot be a block device: can only use volume source type of \
                         PersistentVolumeClaim or Ephemeral for block mode"
                    ),
                    &node.origin(),
                    "refused",
                )
                .also(&volume.origin(), "the volume"),
            ),
            Some(_) => {}
            None if whole && !known.open => {
                refuse(out, &node.origin(), format!("volumeDevices: no volume {name} in the pod"));
            }
            None => {}
        }
    }
}

fn not_found(world: &World, name: &str, node: Node<'_>, known: &Known<'_>, field: &str) -> Finding {
    let message = format!("{field}: the pod has no volume named {name} (Not found)");
    let mut finding = Finding::new(&RULE, message, &node.origin(), "no such volume");
    let mut all: Vec<&str> = known.by_name.keys().copied().collect();
    all.sort_unstable();
    all.truncate(MOST_COMPARED);
    let near = nearest(name, all.iter().copied(), 2);
    if let Some(near) = near
        && let Some((volume, _)) = known.by_name.get(near)
    {
        let fix = Fix::suggest(format!("did you mean {near}?"));
        return finding.also(&volume.origin(), "perhaps this one").fix(world.rewrite(
            fix,
            &node.origin(),
            name,
            near,
        ));
    }
    let mut places: Vec<Node<'_>> = known.by_name.values().map(|(node, _)| *node).collect();
    places.sort_unstable_by_key(|node| node.span());
    if let Some(first) = places.first() {
        finding = finding.also(&first.origin(), "a volume it has");
    }
    finding.fix(Fix::suggest(format!("add the volume {name}, or mount one the pod has")))
}
