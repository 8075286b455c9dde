//! The controls of the Pod Security Standards by version, as `k8s.io/pod-security-admission` v0.37.2
//! has them in `policy/check_*.go`. What it prints as the reason is what is said here too, so that
//! the sentence in an event and ours can be matched.
//!
//! A control of the restricted level may replace one of the baseline level, and a version of the
//! policy is that of the minor of Kubernetes which introduced it.

use crate::case::{Case, WorkloadCase, confine};
use crate::facts::Origin;
use crate::facts::document::Node;
use crate::facts::workload::{Action, VolumeKind};
use crate::model::sysctls;

/// The minors at which a control came or changed; between two of them the policy is the same.
pub(super) const CHANGES: &[u16] = &[8, 19, 22, 23, 25, 27, 29, 31, 32, 34, 35, 37];

/// A control that a pod violates.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Violation {
    /// The reason as the admission prints it.
    pub(super) reason: &'static str,
    /// What stands there.
    pub(super) what: String,
    pub(super) place: Origin,
}

/// The policy of a level at a minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) restricted: bool,
    pub(super) minor: u16,
}

/// What a pod violates, pod before containers.
pub(super) fn violations(case: WorkloadCase<'_>, policy: Policy) -> Vec<Violation> {
    let spec = case.object.document.node(case.pod().spec);
    let mut pod = Judge {
        policy,
        windows: text(spec, &["os", "name"]).is_some_and(|(os, _)| os == "windows"),
        user_namespace: !case.pod().host_users.value,
        found: Vec::new(),
    };
    pod.shared_namespaces(&case);
    pod.volumes(&case);
    pod.annotations(&case);
    pod.pod_context(&case, spec);
    for container in case.into_containers() {
        pod.container(&container);
    }
    pod.found
}

/// SELinux types that baseline allows, and since which minor: `check_seLinuxOptions.go`.
const SELINUX_TYPES: &[(&str, u16)] = &[
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];

/// Volumes that restricted allows and that have no kind of their own: `check_restrictedVolumes.go`.
const OTHER_VOLUMES: &[&str] = &["csi", "downwardAPI", "ephemeral", "image"];

const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

struct Judge {
    policy: Policy,
    windows: bool,
    user_namespace: bool,
    found: Vec<Violation>,
}

impl Judge {
    fn found(&mut self, reason: &'static str, what: impl Into<String>, place: &Origin) {
        self.found.push(Violation { reason, what: what.into(), place: place.clone() });
    }

    /// Whether a control of the restricted level is in force.
    fn restricted(&self, since: u16) -> bool {
        self.policy.restricted && self.policy.minor >= since
    }

    /// Controls that cannot be set on Windows are not asked of its pods since 1.25.
    fn exempt(&self) -> bool {
        self.windows && self.policy.minor >= 25
    }

    /// Root is nobody on the node: a pod in a user namespace, since 1.35.
    fn relaxed(&self) -> bool {
        self.user_namespace && self.policy.minor >= 35
    }

    fn shared_namespaces(&mut self, case: &WorkloadCase<'_>) {
        let pod = case.pod();
        for (name, shared) in [
            ("hostNetwork", &pod.host_network),
            ("hostPID", &pod.host_pid),
            ("hostIPC", &pod.host_ipc),
        ] {
            if shared.value {
                self.found("host namespaces", name, &shared.origin);
            }
        }
    }

    fn volumes(&mut self, case: &WorkloadCase<'_>) {
        for volume in &case.pod().volumes {
            match &volume.kind {
                VolumeKind::HostPath(path) => {
                    // Restricted's control replaces baseline's (`check_restrictedVolumes.go`).
                    let restricted = self.restricted(0);
                    let reason =
                        if restricted { "restricted volume types" } else { "hostPath volumes" };
                    self.found(reason, "hostPath", &path.origin);
                }
                VolumeKind::Other(name)
                    if self.restricted(0) && !OTHER_VOLUMES.contains(&name.as_str()) =>
                {
                    self.found("restricted volume types", name.as_str(), &volume.origin);
                }
                _ => {}
            }
        }
    }

    fn annotations(&mut self, case: &WorkloadCase<'_>) {
        let names: Vec<&str> =
            case.pod().containers.iter().map(|container| container.name()).collect();
        for (key, value) in &case.pod().annotations.0 {
            let profile = value.value.as_str();
            if key.value.starts_with(APPARMOR) {
                let known = matches!(profile, "" | "runtime/default");
                if !known && !profile.starts_with("localhost/") {
                    self.found("forbidden AppArmor profile", profile, &value.origin);
                }
            }
            let seccomp = key.value == SECCOMP_OF_POD
                || key.value.strip_prefix(SECCOMP_OF_CONTAINER).is_some_and(|c| names.contains(&c));
            // From 1.19 the field decides.
            if seccomp && self.policy.minor < 19 {
                let known = matches!(profile, "runtime/default" | "docker/default");
                if !known && !profile.starts_with("localhost/") {
                    self.found("seccompProfile", profile, &value.origin);
                }
            }
        }
    }

    fn pod_context(&mut self, case: &WorkloadCase<'_>, spec: Node<'_>) {
        let security = &case.pod().security;
        if let Some(context) = spec.get("securityContext") {
            self.options(context);
        }
        for sysctl in &security.sysctls {
            if sysctls::safe_since(&sysctl.value).is_none_or(|since| since > self.policy.minor) {
                self.found("forbidden sysctls", sysctl.value.as_str(), &sysctl.origin);
            }
        }
        if let Some(profile) = &security.seccomp {
            self.seccomp(&profile.value, &profile.origin);
        }
        let non_root = security.run_as_non_root.as_ref().filter(|fact| !fact.value);
        if let Some(fact) = non_root {
            self.non_root("runAsNonRoot is false", &fact.origin);
        }
        if let Some(fact) = security.run_as_user.as_ref().filter(|fact| fact.value == 0) {
            self.user(&fact.origin);
        }
    }

    fn container(&mut self, case: &Case<'_>) {
        let own = &case.container.security;
        let pod = &case.pod().security;
        let here = &case.container.origin;
        let node = case.of.object.document.node(case.container.node);
        if let Some(context) = node.get("securityContext") {
            self.options(context);
        }
        if let Some(fact) = own.privileged.as_ref().filter(|fact| fact.value) {
            self.found("privileged", "privileged", &fact.origin);
        }
        for port in case.container.ports.iter().filter_map(|port| port.host_port.as_ref()) {
            self.found("hostPort", format!("hostPort {}", port.value), &port.origin);
        }
        self.hosts(case);
        self.capabilities(case);
        if let Some(fact) = own.proc_mount.as_ref().filter(|fact| fact.value != "Default") {
            // Restricted asks for it whatever the user namespace.
            if self.policy.restricted || !self.relaxed() {
                self.found("procMount", "procMount", &fact.origin);
            }
        }
        if self.restricted(8) && !self.exempt() {
            let fact = own.allow_privilege_escalation.as_ref();
            if fact.is_none_or(|fact| fact.value) {
                let place = fact.map_or(here, |fact| &fact.origin);
                self.found(
                    "allowPrivilegeEscalation != false",
                    "allowPrivilegeEscalation is not false",
                    place,
                );
            }
        }
        match &own.seccomp {
            Some(profile) => self.seccomp(&profile.value, &profile.origin),
            None if self.restricted(19) && !self.exempt() && pod.seccomp.is_none() => {
                self.found("seccompProfile", "no seccompProfile", here);
            }
            None => {}
        }
        match &own.run_as_non_root {
            Some(fact) if fact.value => {}
            Some(fact) => self.non_root("runAsNonRoot is false", &fact.origin),
            None if pod.run_as_non_root.is_none() => self.non_root("no runAsNonRoot", here),
            // What the pod says was judged with the pod.
            None => {}
        }
        if let Some(fact) = own.run_as_user.as_ref().filter(|fact| fact.value == 0) {
            self.user(&fact.origin);
        }
    }

    /// `seLinuxOptions`, `appArmorProfile` and `windowsOptions`, which pods and containers share.
    fn options(&mut self, context: Node<'_>) {
        if let Some((kind, place)) = text(context, &["seLinuxOptions", "type"])
            && !kind.is_empty()
            && !allowed(SELINUX_TYPES, kind, self.policy.minor)
        {
            self.found("seLinuxOptions", format!("SELinux type {kind}"), &place);
        }
        for (field, what) in [("user", "an SELinux user"), ("role", "an SELinux role")] {
            if let Some((_, place)) =
                text(context, &["seLinuxOptions", field]).filter(|(value, _)| !value.is_empty())
            {
                self.found("seLinuxOptions", what, &place);
            }
        }
        if let Some((profile, place)) = text(context, &["appArmorProfile", "type"])
            && !matches!(profile, "RuntimeDefault" | "Localhost")
        {
            self.found("forbidden AppArmor profile", profile, &place);
        }
        if let Some(node) = context.at(&["windowsOptions", "hostProcess"])
            && node.as_bool() == Some(true)
        {
            self.found("hostProcess", "hostProcess", &node.origin());
        }
    }

    /// `check_hostProbesAndhostLifecycle.go`
    fn hosts(&mut self, case: &Case<'_>) {
        if self.policy.minor < 34 {
            return;
        }
        for (field, handler) in case.container.handlers() {
            let host = match &handler.action {
                Action::HttpGet { host, .. } | Action::TcpSocket { host, .. } => host.as_ref(),
                _ => None,
            };
            if let Some(host) = host {
                let what = format!("{field} names a host");
                self.found("probe or lifecycle host", what, &host.origin);
            }
        }
    }

    /// The admission compares names as they are written: `CAP_CHOWN` is none that it knows.
    fn capabilities(&mut self, case: &Case<'_>) {
        let security = &case.container.security;
        if !self.restricted(22) {
            for added in &security.add_capabilities {
                if !confine::BASELINE.contains(&added.value.as_str()) {
                    self.found("non-default capabilities", added.value.as_str(), &added.origin);
                }
            }
            return;
        }
        if self.exempt() {
            return;
        }
        if !security.drop_capabilities.iter().any(|dropped| dropped.value == "ALL") {
            let place = security.drop_capabilities.first().map(|dropped| &dropped.origin);
            let place = place.unwrap_or(&case.container.origin);
            self.found("unrestricted capabilities", "capabilities.drop has no ALL", place);
        }
        for added in security.add_capabilities.iter().filter(|a| a.value != "NET_BIND_SERVICE") {
            let what = format!("capability {}", added.value);
            self.found("unrestricted capabilities", what, &added.origin);
        }
    }

    fn seccomp(&mut self, profile: &str, place: &Origin) {
        // Before 1.19 there was no such field; restricted's control replaces baseline's.
        let judged = self.policy.minor >= 19 && !(self.policy.restricted && self.exempt());
        if judged && !matches!(profile, "RuntimeDefault" | "Localhost") {
            self.found("seccompProfile", format!("seccompProfile {profile}"), place);
        }
    }

    fn non_root(&mut self, what: &str, place: &Origin) {
        if self.restricted(0) && !self.relaxed() {
            self.found("runAsNonRoot != true", what, place);
        }
    }

    fn user(&mut self, place: &Origin) {
        if self.restricted(23) && !self.relaxed() {
            self.found("runAsUser=0", "runAsUser 0", place);
        }
    }
}

fn allowed(table: &[(&str, u16)], name: &str, minor: u16) -> bool {
    table.iter().any(|(known, since)| *known == name && *since <= minor)
}

fn text<'d>(node: Node<'d>, path: &[&str]) -> Option<(&'d str, Origin)> {
    let node = node.at(path)?;
    Some((node.as_str()?, node.origin()))
}
