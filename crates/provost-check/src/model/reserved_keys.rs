//! Keys of annotations whose prefix Kubernetes reserves for itself: everything below `kubernetes.io`
//! and `k8s.io`.
//!
//! Prefixes of Kubernetes' projects, and of the controllers that use one of these by its consent,
//! from the page "Well-Known Labels, Annotations and Taints" of kubernetes/website, the constants of
//! k8s.io/kubernetes v1.37.2 and k8s.io/cloud-provider v0.37.2, and the manuals of the controllers. A
//! prefix that somebody owns is known as a whole: what is below it is that controller's affair.

use super::names::nearest;

/// Prefixes that somebody owns.
const OWNED: &[&str] = &[
    "abac.authorization.kubernetes.io",
    "addonmanager.kubernetes.io",
    "alb.ingress.kubernetes.io",
    "alpha.kubernetes.io",
    "apf.kubernetes.io",
    "apiserver.kubernetes.io",
    "app.kubernetes.io",
    "apparmor.security.beta.kubernetes.io",
    "applyset.kubernetes.io",
    "apps.kubernetes.io",
    "authentication.kubernetes.io",
    "autoscaling.alpha.kubernetes.io",
    "autoscaling.kubernetes.io",
    "batch.kubernetes.io",
    "beta.kubernetes.io",
    "bootstrap.kubernetes.io",
    "cluster-autoscaler.kubernetes.io",
    "config.kubernetes.io",
    "container.apparmor.security.beta.kubernetes.io",
    "container.seccomp.security.alpha.kubernetes.io",
    "control-plane.alpha.kubernetes.io",
    "controller.kubernetes.io",
    "cronjob.kubernetes.io",
    "csi.alpha.kubernetes.io",
    "csi.volume.kubernetes.io",
    "deployment.kubernetes.io",
    "descheduler.alpha.kubernetes.io",
    "dns.alpha.kubernetes.io",
    "endpoints.kubernetes.io",
    "endpointslice.kubernetes.io",
    "experimental.windows.kubernetes.io",
    "external-dns.alpha.kubernetes.io",
    "external-dns.kubernetes.io",
    "failure-domain.beta.kubernetes.io",
    "feature.node.kubernetes.io",
    "ingress.beta.kubernetes.io",
    "ingress.gcp.kubernetes.io",
    "ingress.kubernetes.io",
    "ingressclass.kubernetes.io",
    "internal.config.kubernetes.io",
    "ipaddress.kubernetes.io",
    "job-controller.kubernetes.io",
    "kube-aggregator.kubernetes.io",
    "kube-scheduler-simulator.sigs.kubernetes.io",
    "kubeadm.alpha.kubernetes.io",
    "kubeadm.kubernetes.io",
    "kubectl.kubernetes.io",
    "kubelet.kubernetes.io",
    "kubernetes-dashboard.kubernetes.io",
    "metrics.kubernetes.io",
    "multicluster.kubernetes.io",
    "nfd.node.kubernetes.io",
    "nginx.ingress.kubernetes.io",
    "nginx.kubernetes.io",
    "node-restriction.kubernetes.io",
    "node-role.kubernetes.io",
    "node.alpha.kubernetes.io",
    "node.cloudprovider.kubernetes.io",
    "node.kubernetes.io",
    "pdb.kubernetes.io",
    "pod-security.kubernetes.io",
    "pod.alpha.kubernetes.io",
    "pod.beta.kubernetes.io",
    "pod.kubernetes.io",
    "podpreset.admission.kubernetes.io",
    "policy.kubernetes.io",
    "pv.alpha.kubernetes.io",
    "pv.beta.kubernetes.io",
    "pv.kubernetes.io",
    "rbac.authorization.kubernetes.io",
    "resource.kubernetes.io",
    "route.openshift.kubernetes.io",
    "scheduler.alpha.kubernetes.io",
    "scheduler.kubernetes.io",
    "seccomp.security.alpha.kubernetes.io",
    "security.alpha.kubernetes.io",
    "service.alpha.kubernetes.io",
    "service.beta.kubernetes.io",
    "service.kubernetes.io",
    "snapshot.storage.kubernetes.io",
    "spec.pod.beta.kubernetes.io",
    "statefulset.kubernetes.io",
    "storage.alpha.kubernetes.io",
    "storageclass.beta.kubernetes.io",
    "storageclass.kubernetes.io",
    "storageos.kubernetes.io",
    "topology.kubernetes.io",
    "traefik.ingress.kubernetes.io",
    "volume.alpha.kubernetes.io",
    "volume.beta.kubernetes.io",
    "volume.kubernetes.io",
    "volumes.kubernetes.io",
    "windows.kubernetes.io",
];

/// Names directly below `kubernetes.io/`. Longer ones begin with one of these and a dot.
const NAMES: &[&str] = &[
    "arch",
    "bootstrapping",
    "change-cause",
    "cluster-service",
    "config",
    "created-by",
    "created-for",
    "createdby",
    "deprecation",
    "description",
    "egress-bandwidth",
    "elb",
    "enforce-mountable-secrets",
    "hostname",
    "image",
    "ingress",
    "ingress-bandwidth",
    "initial-events-list-blueprint",
    "legacy-token-invalid-since",
    "legacy-token-last-used",
    "limit-ranger",
    "max-pods",
    "metadata",
    "min-pods",
    "minikube-addons",
    "name",
    "namespace",
    "no-provisioner",
    "node",
    "os",
    "pod",
    "psp",
    "role",
    "runtimehandler",
    "security-group",
    "service-account",
    "service-name",
    "target-runtime",
    "tls-acme",
];

/// What is odd about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved<'k> {
    /// The prefix.
    pub prefix: &'k str,
    /// A known prefix, or key, that is nearly the same.
    pub near: Option<&'static str>,
}

/// Whether the key's prefix is reserved, and nobody is known to own it.
pub fn unowned(key: &str) -> Option<Reserved<'_>> {
    let (prefix, name) = key.split_once('/')?;
    let below = |root: &str| {
        prefix.strip_suffix(root).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if !below("kubernetes.io") && !below("k8s.io") {
        return None;
    }
    if prefix == "kubernetes.io" {
        let known = NAMES.iter().any(|known| {
            name.strip_prefix(known)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/', '-', '_']))
        });
        return (!known)
            .then(|| Reserved { prefix, near: nearest(name, NAMES.iter().copied(), 2) });
    }
    // API groups and projects of Kubernetes' own name their keys so, and there are hundreds.
    if prefix.ends_with(".k8s.io") || OWNED.contains(&prefix) {
        return None;
    }
    let near = nearest(prefix, OWNED.iter().copied(), 2);
    // `example.service.kubernetes.io` is what a controller made of somebody's prefix, unless it is a
    // slip for a longer one. Of three letters two are another name.
    let own = prefix.split('.').next().unwrap_or_default();
    let below_owned =
        || OWNED.iter().any(|owned| prefix.strip_suffix(owned).is_some_and(|p| p.ends_with('.')));
    if (near.is_none() || own.len() < 5) && below_owned() {
        return None;
    }
    Some(Reserved { prefix, near })
}

#[cfg(test)]
mod tests {
    use super::{NAMES, OWNED, unowned};

    #[test]
    fn tables_are_sorted() {
        assert!(OWNED.is_sorted());
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn owners_are_known() {
        for key in [
            "nginx.ingress.kubernetes.io/rewrite-target",
            "service.beta.kubernetes.io/aws-load-balancer-type",
            "kubernetes.io/ingress.class",
            "kubernetes.io/ingress.global-static-ip-name",
            "kubernetes.io/change-cause",
            "kubernetes.io/tls-acme",
            "kueue.x-k8s.io/queue-name",
            "jobset.sigs.k8s.io/x",
            "helm.sh/hook",
            "example.com/kubernetes.io",
            "mykubernetes.io/x",
            "elb.ingress.kubernetes.io/x",
            "example.service.kubernetes.io/x",
            "kubernetes.io",
        ] {
            assert_eq!(unowned(key), None, "{key}");
        }
    }

    #[test]
    fn others_are_told() {
        let near = |key| unowned(key).map(|reserved| reserved.near);
        assert_eq!(near("shop.kubernetes.io/owner"), Some(None));
        assert_eq!(near("kubernetes.io/team"), Some(None));
        assert_eq!(near("k8s.io/team"), Some(None));
        assert_eq!(
            near("ngnix.ingress.kubernetes.io/rewrite-target"),
            Some(Some("nginx.ingress.kubernetes.io"))
        );
        assert_eq!(near("kubernetes.io/change-couse"), Some(Some("change-cause")));
    }
}
