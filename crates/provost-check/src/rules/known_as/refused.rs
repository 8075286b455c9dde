//! Checks of other linters that no rule answers to, and why not.

use super::{CHECKOV, KUBE_LINTER, KUBE_SCORE, POLARIS};

/// A check of another linter that has no rule here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The linter.
    pub tool: &'static str,
    /// Its name for the check.
    pub name: &'static str,
    /// Why not, and what is told instead, as sentences.
    pub why: &'static str,
}

const fn no(tool: &'static str, name: &'static str, why: &'static str) -> Refused {
    Refused { tool, name, why }
}

const CONTROL_PLANE: &str = "It is about the flags of the cluster's own API server, controllers, etcd \
    or kubelet, which whoever runs the cluster sets. Provost judges what is deployed into it; \
    kube-bench looks at a cluster's own configuration.";
const EPHEMERAL_REQUEST: &str = "A limit of ephemeral storage is its request where none is written, \
    and what a pod may fill up does not depend on what it asked for. What has no limit is told by \
    `missing-memory-limit/missing-ephemeral-storage-limit`.";
const GATEWAY_OWNER: &str = "Whom a Gateway serves, and by which hosts, is what it is for: the API has \
    `allowedRoutes` and `hostnames` to say it. A route that its Gateway does not take is told by \
    `dangling-ingress-backend/route-not-attached`, two that claim the same requests by \
    `ambiguous-routing`.";
const HOUSE_METADATA: &str = "Which labels and annotations an object carries is an agreement of a team, \
    and nothing breaks without them. Those that Kubernetes reads are judged: selectors by \
    `rejected-by-api-server` and `service-selects-nothing`, annotations that it reserves by \
    `unknown-field/reserved-annotation-prefix`.";
const NAMESPACE: &str = "Most manifests name no namespace on purpose: `kubectl -n`, Helm and kustomize \
    say it when they are applied, and `default` is a namespace as others are.";
const OTHERS_OBJECTS: &str =
    "It is about an object of one product, which its own operator validates.";
const SNIPPETS: &str = "Whether snippets are taken is the setting of the controller: ingress-nginx \
    refuses them by default since 1.9 (`allow-snippet-annotations`), and where they are allowed all of \
    them are as dangerous.";
const TILLER: &str = "Tiller was part of Helm 2, which nobody maintains since November 2020.";
const TTL: &str = "A finished Job holds a record and no resources, and a CronJob keeps three of them by \
    itself. What is deleted by `ttlSecondsAfterFinished` is made again by tools that compare the \
    cluster with a repository, so it is not advised for everybody.";

/// By linter and name.
pub const REFUSED: &[Refused] = &[
    no(CHECKOV, "CKV_K8S_100", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_101", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_102", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_104", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_105", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_106", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_107", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_108", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_110", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_111", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_112", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_113", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_114", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_115", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_116", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_117", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_118", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_119", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_121", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_138", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_139", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_140", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_141", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_143", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_144", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_145", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_146", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_147", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_148", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_149", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_150", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_151", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_152", SNIPPETS),
    no(CHECKOV, "CKV_K8S_153", SNIPPETS),
    no(CHECKOV, "CKV_K8S_154", SNIPPETS),
    no(
        CHECKOV,
        "CKV_K8S_159",
        "It is about one variable of one program, git-sync, which runs what the variable names as its \
         git. Who may write it into a manifest may write any command.",
    ),
    no(CHECKOV, "CKV_K8S_21", NAMESPACE),
    no(
        CHECKOV,
        "CKV_K8S_33",
        "It is about one product, the Kubernetes Dashboard, which is no longer maintained.",
    ),
    no(CHECKOV, "CKV_K8S_34", TILLER),
    no(CHECKOV, "CKV_K8S_44", TILLER),
    no(CHECKOV, "CKV_K8S_45", TILLER),
    no(CHECKOV, "CKV_K8S_68", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_69", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_70", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_71", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_72", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_73", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_74", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_75", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_77", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_78", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_79", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_80", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_81", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_82", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_83", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_84", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_85", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_86", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_88", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_89", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_90", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_91", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_92", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_93", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_94", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_95", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_96", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_97", CONTROL_PLANE),
    no(CHECKOV, "CKV_K8S_99", CONTROL_PLANE),
    no(
        KUBE_LINTER,
        "deletecollection-verb-in-role",
        "Who may list and delete objects may delete all of them one by one, so the verb by itself gives \
         nothing. Rights that lead to others are told by `overpowered-service-account/escalating-role`.",
    ),
    no(
        KUBE_LINTER,
        "dnsconfig-options",
        "`ndots: 5` costs a few more questions to the DNS for each name of the outside, and 2 breaks \
         names such as `checkout.shop.svc` nowhere but may those of others: what is right depends on the \
         names that a program asks for.",
    ),
    no(
        KUBE_LINTER,
        "externalname-service-redirect",
        "Pointing to a host outside is what a Service of type ExternalName is for, and whose host that \
         is no manifest says.",
    ),
    no(
        KUBE_LINTER,
        "hpa-maximum-replicas",
        "How many replicas are too many is a number of each service and cluster. What cannot scale is \
         told by `hpa-conflicts-with-workload/hpa-cannot-scale` and `hpa-without-requests`.",
    ),
    no(
        KUBE_LINTER,
        "insecure-route-termination",
        "Routes of OpenShift are not read. Ingresses without TLS are told by \
         `dangling-ingress-backend/ingress-without-tls`.",
    ),
    no(KUBE_LINTER, "job-ttl-seconds-after-finished", TTL),
    no(
        KUBE_LINTER,
        "no-node-affinity",
        "Most services run well on any node, and an affinity that is not needed leaves pods pending. \
         Placement that cannot be satisfied is told by `infeasible-spread`.",
    ),
    no(
        KUBE_LINTER,
        "projected-token-long-expiration",
        "Such a token is bound to its pod and ends with it, the kubelet writes a new one in time, and \
         the API server has a longest duration of its own. A token that nobody needs is told by \
         `unneeded-service-account-token`.",
    ),
    no(KUBE_LINTER, "required-annotation-email", HOUSE_METADATA),
    no(KUBE_LINTER, "required-label-owner", HOUSE_METADATA),
    no(
        KUBE_LINTER,
        "scc-deny-privileged-container",
        "SecurityContextConstraints are what a cluster of OpenShift allows, not what is deployed into \
         it. Pods that use it are told by `privileged-container`.",
    ),
    no(KUBE_LINTER, "sorted-keys", "The order of keys means nothing to Kubernetes."),
    no(
        KUBE_LINTER,
        "ssh-port",
        "The number of a port does not say what listens on it, and a Go service that is given port 22 is \
         rare enough. Ports that need rights are told by `privileged-port`.",
    ),
    no(KUBE_LINTER, "stackrox-securedcluster-deprecated-fields", OTHERS_OBJECTS),
    no(KUBE_LINTER, "statefulset-volumeclaimtemplate-annotation", HOUSE_METADATA),
    no(KUBE_LINTER, "use-namespace", NAMESPACE),
    no(KUBE_LINTER, "volumeclaimtemplates", HOUSE_METADATA),
    no(
        KUBE_LINTER,
        "webhook-failure-policy-ignore",
        "Both policies are right for something: with `Fail` a webhook that is down stops whatever it is \
         asked about, its own pods among them. A webhook whose Service is missing is told by \
         `dangling-reference/missing-webhook-service`.",
    ),
    no(KUBE_SCORE, "container-ephemeral-storage-request-equals-limit", EPHEMERAL_REQUEST),
    no(
        KUBE_SCORE,
        "cronjob-has-deadline",
        "Without `startingDeadlineSeconds` a CronJob that has missed its time starts once as soon as it \
         can; a deadline drops the run instead. Which is right the job decides.",
    ),
    no(POLARIS, "gatewayAllowedRoutesAll", GATEWAY_OWNER),
    no(
        POLARIS,
        "gatewayInsecureFrontendValidation",
        "`AllowInsecureFallback` lets clients in without a certificate where the program behind decides \
         what they may; the name says what it does.",
    ),
    no(
        POLARIS,
        "httpRouteBackendTLSMissing",
        "Port 443 of a Service does not say that its pods speak TLS, and most Gateways end it \
         themselves. A server for TLS that is spoken to in plaintext is told by \
         `probe-protocol-mismatch` and `tls-server-behind-sidecar`.",
    ),
    no(
        POLARIS,
        "httpRouteInsecureListener",
        "A Gateway behind a load balancer that ends TLS serves HTTP, and that cannot be seen in its \
         objects. A listener for HTTPS without a certificate is told by \
         `dangling-ingress-backend/listener-without-tls`.",
    ),
    no(POLARIS, "httpRouteWildcardOrEmptyHost", GATEWAY_OWNER),
    no(POLARIS, "kgatewayBackendTLSVerificationDisabled", OTHERS_OBJECTS),
    no(POLARIS, "metadataAndInstanceMismatched", HOUSE_METADATA),
];

/// What other linters call by that name and has no rule here.
pub fn find(name: &str) -> impl Iterator<Item = &'static Refused> + '_ {
    REFUSED.iter().filter(move |refused| super::is_named(refused.tool, refused.name, name))
}
