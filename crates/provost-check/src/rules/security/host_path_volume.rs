//! Files of the node inside of a container.

use crate::case::WorkloadCase;
use crate::facts::workload::VolumeKind;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const SOCKET: Variant = Variant::new(
    "container-socket-mount",
    Level::Deny,
    "the socket of the node's container runtime is mounted",
);

/// Ties the pod to its node, and opens the node to the pod.
pub static RULE: Rule = Rule {
    id: "host-path-volume",
    group: Group::Security,
    level: Level::Warn,
    title: "a hostPath volume",
    page: include_str!("host-path-volume.md"),
    needs: &[Need::Manifest],
    variants: &[SOCKET],
    judges_hooks: true,
    check: Check::Workload(check),
    ..Rule::BASE
};

const SOCKETS: &[&str] = &[
    "docker.sock",
    "containerd.sock",
    "crio.sock",
    "podman.sock",
    "cri-dockerd.sock",
    "dockershim.sock",
];
/// Folders that these lie in; `/var/run` is `/run`.
const HOLDERS: &[&str] = &["/run/containerd", "/run/crio", "/run/k3s/containerd", "/run/podman"];
/// Whoever reads them has the node's secrets.
const SENSITIVE: &[&str] = &["/", "/etc", "/proc", "/var/run", "/run", "/var/lib/kubelet"];

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let pod = case.pod();
    for volume in &pod.volumes {
        let VolumeKind::HostPath(path) = &volume.kind else { continue };
        let mounts = pod.containers.iter().flat_map(|c| &c.mounts);
        let mounts: Vec<_> = mounts.filter(|m| m.name.value == volume.name.value).collect();
        let Some(first) = mounts.first() else {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "no container mounts {}: nothing comes of the volume, and Pod Security level \
                         baseline refuses the pod all the same",
                        path.value
                    ),
                    &path.origin,
                    "a path of the node",
                )
                .level(Level::Note)
                .fix(Fix::suggest("take the volume out")),
            );
            continue;
        };
        let trimmed = path.value.trim_end_matches('/');
        let node = if trimmed.is_empty() { "/" } else { trimmed };
        let socket = SOCKETS.iter().any(|socket| node.rsplit('/').next() == Some(socket));
        let folder = HOLDERS.contains(&node.strip_prefix("/var").unwrap_or(node));
        if socket || folder {
            let what = if socket { "this socket" } else { "the socket in it" };
            out.push(
                Finding::new(
                    &RULE,
                    format!("{node} is mounted: whoever writes to {what} starts containers as root on the node, read-only or not"),
                    &path.origin,
                    "the runtime's socket",
                )
                .variant(&SOCKET)
                .also(&first.origin, "mounted here")
                .fix(Fix::suggest("ask the Kubernetes API, or use a builder that needs no socket")),
            );
            continue;
        }
        let writable = mounts.iter().find(|m| !m.read_only);
        let (sentence, level) = match writable {
            Some(_) => (format!("{node} of the node is mounted and can be written"), Level::Deny),
            None if SENSITIVE.contains(&node) => (
                format!(
                    "{node} of the node is mounted: its secrets and those of other pods can be read"
                ),
                Level::Deny,
            ),
            None => (
                format!("{node} of the node is mounted: the pod finds other files on another node"),
                Level::Warn,
            ),
        };
        let mount = writable.unwrap_or(first);
        out.push(
            Finding::new(&RULE, sentence, &path.origin, "a path of the node")
                .level(level)
                .also(
                    &mount.origin,
                    if writable.is_some() { "mounted without readOnly" } else { "mounted here" },
                )
                .fix(Fix::suggest(
                    "use a PersistentVolumeClaim or an emptyDir; else readOnly: true",
                )),
        );
    }
    Ok(())
}
