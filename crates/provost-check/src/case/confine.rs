//! What a container is confined by.

use super::Case;
use crate::facts::Fact;
use crate::facts::workload::ContainerRole;
use crate::findings::Abstain;

/// Capabilities that Pod Security's baseline lets a container add: `check_capabilities_baseline.go`
/// of `k8s.io/pod-security-admission` v0.37.2.
pub const BASELINE: &[&str] = &[
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

impl Case<'_> {
    /// Answers `NotApplicable` for ephemeral containers, which nobody deploys, and for Windows,
    /// which has none of Linux' means.
    pub fn confinable(&self) -> Result<(), Abstain> {
        let spec = self.of.object.document.node(self.pod().spec);
        let os = spec.at(&["os", "name"]).and_then(|name| name.as_str());
        let selected = self.pod().node_selector.get("kubernetes.io/os").map(|f| f.value.as_str());
        let windows = os.or(selected) == Some("windows");
        if windows || self.container.role == ContainerRole::Ephemeral {
            return Err(Abstain::NotApplicable);
        }
        Ok(())
    }

    /// `privileged: true`
    pub fn is_privileged(&self) -> bool {
        self.container.security.privileged.as_ref().is_some_and(|fact| fact.value)
    }

    /// Whether `capabilities.add` names it; `ALL` names every one.
    pub fn adds_capability(&self, name: &str) -> bool {
        self.container.security.add_capabilities.iter().any(|added| {
            let added = capability(&added.value);
            added == name || added == "ALL"
        })
    }

    /// Whether a process of it may ever have that capability: what runtimes leave in its bounding set
    /// (`defaultUnixCaps` in containerd's pkg/oci/spec.go) without what is dropped and with what is added
    /// (`WithCapabilities` in its internal/cri/opts/spec_linux_opts.go): a name in both is dropped.
    pub fn may_have_capability(&self, name: &str) -> bool {
        let names = |list: &[Fact<String>], word: &str| {
            list.iter().any(|entry| capability(&entry.value) == word)
        };
        let security = &self.container.security;
        let adds = |word| names(&security.add_capabilities, word);
        let drops = |word| names(&security.drop_capabilities, word);
        let usual = BASELINE.contains(&name) || name == "NET_RAW";
        let left = (usual || adds("ALL")) && !drops("ALL");
        self.is_privileged() || ((left || adds(name)) && !drops(name))
    }

    /// Whether `capabilities.drop` has `ALL`.
    pub fn drops_all_capabilities(&self) -> bool {
        self.container.security.drop_capabilities.iter().any(|d| capability(&d.value) == "ALL")
    }
}

/// The name of a capability as runtimes read it: upper case, with or without `CAP_`.
///
/// `CAP_ALL` is no `ALL`: runtimes look for that word before they think of the prefix (`WithCapabilities`
/// of containerd v2's internal/cri/opts/spec_opts.go, which then drops `CAP_CAP_ALL`, and
/// `SpecSetupCapabilities` of CRI-O's internal/factory/container/container.go). No capability is called
/// so, and dropping it drops nothing.
pub fn capability(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    match upper.strip_prefix("CAP_") {
        Some(name) if name != "ALL" => name.to_owned(),
        _ => upper,
    }
}
