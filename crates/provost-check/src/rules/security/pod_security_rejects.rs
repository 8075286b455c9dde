//! Pods that their namespace's Pod Security level does not admit.

use crate::case::confine::capability;
use crate::case::{Case, WorkloadCase};
use crate::facts::Origin;
use crate::facts::workload::VolumeKind;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The Deployment is accepted, its pods are not.
pub static RULE: Rule = Rule {
    id: "pod-security-rejects",
    group: Group::Security,
    level: Level::Deny,
    title: "the namespace's Pod Security level refuses the pods",
    page: include_str!("pod-security-rejects.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    check: Check::Workload(check),
    ..Rule::BASE
};

/// What baseline lets a container add: k8s.io/pod-security-admission policy/check_capabilities_baseline.go.
const BASELINE: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// A control that is violated, and where.
type Violation = (String, Origin);

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let (level, label) = level(case).ok_or(Abstain::NotApplicable)?;
    let restricted = match level.as_str() {
        "restricted" => true,
        "baseline" => false,
        _ => return Err(Abstain::NotApplicable),
    };
    // A Rollout that borrows its pods has none of its own.
    let first = case.pod().containers.first().ok_or(Abstain::NotApplicable)?;
    let spec = case.object.document.node(case.pod().spec);
    if spec.at(&["os", "name"]).and_then(|os| os.as_str()) == Some("windows") {
        return Err(Abstain::NotApplicable);
    }
    let mut violated: Vec<Violation> = Vec::new();
    pod(case, restricted, &mut violated);
    for container in case.into_containers() {
        baseline(&container, &mut violated);
        if restricted {
            strict(&container, &mut violated);
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in &violated {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let place = violated.first().map_or(&first.origin, |(_, origin)| origin);
    let mut finding = Finding::new(
        &RULE,
        format!(
            "Pod Security level {level} refuses these pods for {}: the {} is accepted and no pod \
             of it is made",
            names.join("; "),
            case.object.meta.kind.value
        ),
        place,
        "is not admitted",
    )
    .also(&label, format!("enforces {level}"));
    for (name, origin) in violated.iter().skip(1).filter(|(_, o)| o != place).take(4) {
        finding = finding.also(origin, name.clone());
    }
    out.push(finding.fix(Fix::suggest(
        "give the template what the level asks for, or run it in another namespace",
    )));
    Ok(())
}

fn level(case: &WorkloadCase<'_>) -> Option<(String, Origin)> {
    let namespace = &case.object.meta.namespace.value;
    let ids = case.joined.joins.named("", "Namespace", namespace);
    let object = ids.first().and_then(|id| case.world().objects.get(*id));
    let label = object.and_then(|o| o.meta.labels.get("pod-security.kubernetes.io/enforce"));
    let fact = label.or(case.world().settings.cluster.pod_security.as_ref())?;
    Some((fact.value.clone(), fact.origin.clone()))
}

fn pod(case: &WorkloadCase<'_>, restricted: bool, violated: &mut Vec<Violation>) {
    let pod = case.pod();
    for shared in [&pod.host_network, &pod.host_pid, &pod.host_ipc] {
        if shared.value {
            violated.push(("host namespaces".to_owned(), shared.origin.clone()));
        }
    }
    for volume in &pod.volumes {
        let name = match &volume.kind {
            VolumeKind::HostPath(path) => {
                violated.push(("hostPath volumes".to_owned(), path.origin.clone()));
                continue;
            }
            VolumeKind::Other(name) => name.as_str(),
            _ => continue,
        };
        // All the rest that restricted admits has a kind of its own.
        if restricted && !matches!(name, "csi" | "downwardAPI" | "ephemeral" | "image") {
            violated.push((format!("volume type {name}"), volume.origin.clone()));
        }
    }
    let seccomp = pod.security.seccomp.as_ref();
    if let Some(profile) = seccomp.filter(|p| p.value == "Unconfined") {
        violated.push(("seccompProfile Unconfined".to_owned(), profile.origin.clone()));
    }
    for port in pod.containers.iter().flat_map(|c| &c.ports) {
        if let Some(host) = port.host_port.as_ref().filter(|p| p.value != 0) {
            violated.push(("hostPort".to_owned(), host.origin.clone()));
        }
    }
}

fn baseline(case: &Case<'_>, violated: &mut Vec<Violation>) {
    let security = &case.container.security;
    if let Some(privileged) = security.privileged.as_ref().filter(|p| p.value) {
        violated.push(("privileged".to_owned(), privileged.origin.clone()));
    }
    for added in &security.add_capabilities {
        // The admission compares names as they are written, without CAP_.
        if !BASELINE.contains(&added.value.as_str()) {
            violated
                .push((format!("capability {}", capability(&added.value)), added.origin.clone()));
        }
    }
    if let Some(profile) = security.seccomp.as_ref().filter(|p| p.value == "Unconfined") {
        violated.push(("seccompProfile Unconfined".to_owned(), profile.origin.clone()));
    }
    let own_users = !case.pod().host_users.value;
    if let Some(mount) = security.proc_mount.as_ref().filter(|m| m.value != "Default" && !own_users)
    {
        violated.push(("procMount".to_owned(), mount.origin.clone()));
    }
}

fn strict(case: &Case<'_>, violated: &mut Vec<Violation>) {
    let own = &case.container.security;
    let merged = case.security();
    let here = || case.container.origin.clone();
    let mut lacks = |name: &str, origin: Option<&Origin>| {
        violated.push((name.to_owned(), origin.cloned().unwrap_or_else(here)));
    };
    let escalation = own.allow_privilege_escalation.as_ref();
    if escalation.is_none_or(|fact| fact.value) {
        lacks("allowPrivilegeEscalation is not false", escalation.map(|f| &f.origin));
    }
    if !own.drop_capabilities.iter().any(|d| d.value == "ALL") {
        lacks("capabilities.drop has not ALL", own.drop_capabilities.first().map(|d| &d.origin));
    }
    for added in own.add_capabilities.iter().filter(|a| a.value != "NET_BIND_SERVICE") {
        if BASELINE.contains(&added.value.as_str()) {
            lacks("capabilities.add", Some(&added.origin));
        }
    }
    // In a user namespace root is nobody, and both controls are lifted (UserNamespacesSupport).
    let own_users = !case.pod().host_users.value;
    let non_root = merged.run_as_non_root.as_ref();
    if !own_users && non_root.is_none_or(|fact| !fact.value) {
        lacks("runAsNonRoot is not true", non_root.map(|f| &f.origin));
    }
    if let Some(user) = merged.run_as_user.as_ref().filter(|user| user.value == 0 && !own_users) {
        lacks("runAsUser 0", Some(&user.origin));
    }
    if merged.seccomp.is_none() {
        lacks("seccompProfile is not set", None);
    }
}
