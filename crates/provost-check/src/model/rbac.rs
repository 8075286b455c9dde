//! Rights on the Kubernetes API that are as good as other rights.
//!
//! What leads on is what the documentation of Kubernetes lists under "Role Based Access Control Good
//! Practices" (privilege escalation risks), and running commands in other people's containers. How a
//! rule matches is `plugin/pkg/auth/authorizer/rbac` and `pkg/apis/rbac/helpers.go`
//! (`VerbMatches`, `APIGroupMatches`, `ResourceMatches`) of Kubernetes v1.37.2.

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether every cluster has, or may well have, a role or an account of that name that nobody applies:
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`, kubeadm's own
/// (`cmd/kubeadm/app/phases/bootstraptoken`), the account that the controller of ServiceAccounts
/// makes in each namespace, and those that the controllers of the control plane go by in kube-system.
pub fn is_built_in(kind: &str, namespace: &str, name: &str) -> bool {
    let own = || name.starts_with("system:") || name.starts_with("kubeadm:");
    match kind {
        "ClusterRole" => matches!(name, "cluster-admin" | "admin" | "edit" | "view") || own(),
        "Role" => {
            own()
                || (namespace == "kube-system"
                    && name == "extension-apiserver-authentication-reader")
        }
        "ServiceAccount" => name == "default" || namespace == "kube-system",
        _ => false,
    }
}

/// A right that is worth more than it says.
#[derive(Debug)]
pub struct Power {
    /// What the holder may do, after "lets its holder".
    pub what: &'static str,
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
}

const fn power(
    what: &'static str,
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Power {
    Power { what, groups, resources, verbs }
}

const CORE: &[&str] = &[""];
const RBAC: &[&str] = &[GROUP];
const CERTIFICATES: &[&str] = &["certificates.k8s.io"];
const WRITE: &[&str] = &["create", "update", "patch"];
/// An upgrade to a stream is a GET for a WebSocket and a POST for SPDY.
const CONNECT: &[&str] = &["create", "get"];

/// In the order in which they are told.
const POWERS: &[Power] = &[
    power("read Secrets", CORE, &["secrets"], &["get", "list", "watch"]),
    power(
        "run pods of its own, with every Secret and service account of their namespace",
        &["", "apps", "batch", "extensions"],
        &[
            "pods",
            "replicationcontrollers",
            "deployments",
            "daemonsets",
            "replicasets",
            "statefulsets",
            "jobs",
            "cronjobs",
        ],
        WRITE,
    ),
    power("run commands in other pods", CORE, &["pods/exec", "pods/attach"], CONNECT),
    power("run commands in other pods", CORE, &["pods/ephemeralcontainers"], &["update", "patch"]),
    power(
        "connect to every port of other pods, past their NetworkPolicies",
        CORE,
        &["pods/portforward"],
        CONNECT,
    ),
    power(
        "speak with the kubelet of every node, which runs commands in every pod",
        CORE,
        &["nodes/proxy"],
        &["create", "get"],
    ),
    power("make tokens for other service accounts", CORE, &["serviceaccounts/token"], &["create"]),
    power("act as somebody else", CORE, &["users", "groups", "serviceaccounts"], &["impersonate"]),
    power(
        "give itself rights that it does not have",
        RBAC,
        &["roles", "clusterroles"],
        &["escalate", "bind"],
    ),
    power("mount any directory of a node", CORE, &["persistentvolumes"], &["create"]),
    power("have certificates issued for anybody", CERTIFICATES, &["signers"], &["approve", "sign"]),
    power(
        "have certificates issued for anybody",
        CERTIFICATES,
        &["certificatesigningrequests/approval"],
        &["update", "patch"],
    ),
    power(
        "read and change every object that is written",
        &["admissionregistration.k8s.io"],
        &["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
        WRITE,
    ),
    // CVE-2020-8554: kube-proxy sends what goes to `status.loadBalancer.ingress[].ip` to the Service.
    power(
        "draw traffic for any address to a Service of its own",
        CORE,
        &["services/status"],
        &["update", "patch"],
    ),
    power(
        "take the Pod Security level off a namespace",
        CORE,
        &["namespaces"],
        &["update", "patch"],
    ),
];

/// One entry of `rules` of a Role: what it holds for, without one that names single objects.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// `apiGroups`
    pub groups: &'a [&'a str],
    /// `resources`
    pub resources: &'a [&'a str],
    /// `verbs`
    pub verbs: &'a [&'a str],
}

/// What a grant leads to: the words, and the place in `resources` and `verbs` of what gives it.
/// Each is said once.
pub fn powers(grant: Grant<'_>) -> Vec<(&'static str, usize, usize)> {
    let mut found: Vec<(&'static str, usize, usize)> = Vec::new();
    for power in POWERS {
        if found.iter().any(|(what, ..)| *what == power.what) {
            continue;
        }
        let any = |has: &[&str]| has.iter().any(|h| *h == "*" || power.groups.contains(h));
        if !any(grant.groups) {
            continue;
        }
        let resource = grant.resources.iter().position(|has| {
            power.resources.iter().any(|wanted| *has == "*" || has == wanted || is_sub(has, wanted))
        });
        let verb = grant.verbs.iter().position(|has| *has == "*" || power.verbs.contains(has));
        if let (Some(resource), Some(verb)) = (resource, verb) {
            found.push((power.what, resource, verb));
        }
    }
    found
}

/// `*/exec` is the subresource of every resource.
fn is_sub(has: &str, wanted: &str) -> bool {
    let sub = has.strip_prefix("*/");
    sub.is_some() && wanted.split_once('/').map(|(_, sub)| sub) == sub
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Vec<&'static str> {
        let found = powers(Grant { groups, resources, verbs });
        found.into_iter().map(|(what, ..)| what).collect()
    }

    #[test]
    fn group_resource_and_verb_all_have_to_match() {
        assert_eq!(said(&[""], &["secrets"], &["list"]), ["read Secrets"]);
        assert_eq!(said(&["*"], &["secrets"], &["*"]), ["read Secrets"]);
        assert_eq!(said(&["apps"], &["secrets"], &["list"]), [""; 0]);
        assert_eq!(said(&[""], &["secrets"], &["create"]), [""; 0]);
        assert_eq!(said(&[""], &["secretsx"], &["list"]), [""; 0]);
        assert_eq!(said(&[""], &["pods"], &["get", "list", "watch", "delete"]), [""; 0]);
        assert_eq!(
            said(&["rbac.authorization.k8s.io"], &["roles"], &["create", "update"]),
            [""; 0]
        );
    }

    #[test]
    fn a_subresource_is_not_its_resource_and_a_star_before_the_slash_is_every_resource() {
        assert_eq!(said(&[""], &["pods/exec"], &["create"]), ["run commands in other pods"]);
        assert_eq!(said(&[""], &["*/exec"], &["create"]), ["run commands in other pods"]);
        assert_eq!(said(&[""], &["pods/status"], &["update"]), [""; 0]);
        let drawn = "draw traffic for any address to a Service of its own";
        assert_eq!(said(&[""], &["*/status"], &["update"]), [drawn]);
        assert_eq!(said(&[""], &["services/status"], &["get"]), [""; 0]);
        assert_eq!(said(&[""], &["pods/log", "pods/status"], &["*"]), [""; 0]);
        assert_eq!(said(&[""], &["nodes"], &["get"]), [""; 0]);
    }

    #[test]
    fn every_resource_is_everything_that_the_verb_leads_to() {
        let reading = said(&["*"], &["*"], &["get"]);
        assert!(reading.contains(&"read Secrets"), "{reading:?}");
        assert!(reading.contains(&"run commands in other pods"), "{reading:?}");
        assert!(!reading.contains(&"act as somebody else"), "{reading:?}");
        // A power that two entries of the table give is said once.
        let all = said(&["*"], &["*"], &["*"]);
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(all.len(), once.len());
        assert!(all.len() > 10, "{all:?}");
    }
}
