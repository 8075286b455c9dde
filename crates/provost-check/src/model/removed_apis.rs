//! Which API versions Kubernetes took away, and when.

mod table;

/// Version, kind, the first minor that does not serve it, what replaces it (empty: nothing does).
pub type Row = (&'static str, &'static str, u16, &'static str);

/// What ended before types declared their end. `k8s.io/api`: `rbac/v1alpha1/types.go` of v0.20.15
/// says 1.22; `batch/v2alpha1` is in v0.20.15 and not in v0.21.14; `settings/v1alpha1` is in v0.19.16
/// and not in v0.20.15; `scheduling/v1alpha1` PriorityClass goes by the deprecation guide.
const BEFORE: &[Row] = &[
    ("batch/v2alpha1", "CronJob", 21, "batch/v1"),
    ("rbac.authorization.k8s.io/v1alpha1", "ClusterRole", 22, "rbac.authorization.k8s.io/v1"),
    (
        "rbac.authorization.k8s.io/v1alpha1",
        "ClusterRoleBinding",
        22,
        "rbac.authorization.k8s.io/v1",
    ),
    ("rbac.authorization.k8s.io/v1alpha1", "Role", 22, "rbac.authorization.k8s.io/v1"),
    ("rbac.authorization.k8s.io/v1alpha1", "RoleBinding", 22, "rbac.authorization.k8s.io/v1"),
    ("scheduling.k8s.io/v1alpha1", "PriorityClass", 22, "scheduling.k8s.io/v1"),
    ("settings.k8s.io/v1alpha1", "PodPreset", 20, ""),
];

/// When a kind of an API version went, if it did.
#[must_use]
pub fn find(version: &str, kind: &str) -> Option<&'static Row> {
    let rows = table::TABLE.iter().chain(BEFORE);
    rows.into_iter().find(|(v, k, ..)| *v == version && *k == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_one_version_have_ends_of_their_own() {
        assert_eq!(find("extensions/v1beta1", "Deployment").unwrap().2, 16);
        assert_eq!(find("extensions/v1beta1", "Ingress").unwrap().2, 22);
        assert_eq!(find("storage.k8s.io/v1beta1", "CSIStorageCapacity").unwrap().2, 27);
        assert_eq!(find("policy/v1beta1", "PodSecurityPolicy").unwrap().2, 25);
        // The version came back with other kinds.
        assert_eq!(find("scheduling.k8s.io/v1beta1", "PriorityClass").unwrap().2, 22);
        assert_eq!(find("scheduling.k8s.io/v1beta1", "PodGroup"), None);
        assert_eq!(find("apps/v1", "Deployment"), None);
        assert_eq!(find("batch/v2alpha1", "CronJob").unwrap().2, 21);
    }

    #[test]
    fn what_replaces_it_is_served() {
        for (version, kind, _, instead) in table::TABLE.iter().chain(BEFORE) {
            assert!(find(instead, kind).is_none(), "{version} {kind}: {instead} is gone too");
        }
        assert_eq!(
            find("flowcontrol.apiserver.k8s.io/v1beta1", "FlowSchema").unwrap().3,
            "flowcontrol.apiserver.k8s.io/v1"
        );
        assert_eq!(find("events.k8s.io/v1beta1", "Event").unwrap().3, "events.k8s.io/v1");
    }
}
