//! Sysctls that a pod may set wherever it runs.

/// Those that a kubelet takes without `--allowed-unsafe-sysctls`, and since which minor of Kubernetes:
/// `SafeSysctlAllowlist` of pkg/kubelet/sysctl/safe_sysctls.go, v1.37.2. Pod Security's baseline allows
/// the same since the same minors (`policy/check_sysctls.go` of k8s.io/pod-security-admission v0.37.2).
const SAFE: &[(&str, u16)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
    ("net.ipv4.tcp_slow_start_after_idle", 37),
    ("net.ipv4.tcp_notsent_lowat", 37),
];

/// The minor since which a sysctl is safe; `None` for one that never was.
pub fn safe_since(name: &str) -> Option<u16> {
    SAFE.iter().find(|(known, _)| *known == name).map(|(_, since)| *since)
}

#[cfg(test)]
mod tests {
    use super::safe_since;

    #[test]
    fn a_sysctl_is_safe_since_a_minor_or_never() {
        assert_eq!(safe_since("net.ipv4.ip_unprivileged_port_start"), Some(0));
        assert_eq!(safe_since("net.ipv4.tcp_rmem"), Some(32));
        assert_eq!(safe_since("net.ipv4.tcp_notsent_lowat"), Some(37));
        assert_eq!(safe_since("net.core.somaxconn"), None);
    }
}
