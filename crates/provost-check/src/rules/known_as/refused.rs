//! Checks of other linters that no rule answers to, and why not.

use super::table::{
    BUILDKIT, CHECKOV, DATREE, DOCKLE, HADOLINT, KUBE_LINTER, KUBE_SCORE, KUBEAUDIT, KUBESCAPE,
    POLARIS, TERRASCAN, TRIVY,
};

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

const ABORTED: &str = "`progressDeadlineAbort: false` is the default of Argo Rollouts: the Rollout is degraded, and whoever \
    looks at it decides. What an analysis finds ends it all the same.";
const APPARMOR: &str = "Where nothing is written a container has the runtime's own profile, on nodes that have AppArmor. One \
    that is taken away is told by `pod-security-rejects/below-baseline`, an annotation that names no profile or \
    no container by `rejected-by-api-server`.";
const CONCURRENCY: &str = "`Allow` is the default of a CronJob and right for runs that do not touch the same things; \
    `Forbid` drops runs. Which is right the job decides.";
const CVE: &str = "It is a fault that some releases of one program had. Which releases run where is the question of a scanner \
    (trivy, grype) or of who runs the cluster; a manifest does not say.";
const DEADLINE: &str = "Without `startingDeadlineSeconds` a CronJob that has missed its time starts once as soon as it \
    can; a deadline drops the run instead. Which is right the job decides.";
const DELETE: &str = "A program that makes objects deletes them, and the right to delete leads to no other. Rights \
    that do are told by `overpowered-service-account/escalating-role`.";
const HISTORY: &str = "Whoever keeps manifests in a repository goes back by applying an older one, and needs no ReplicaSets \
    of old releases in the cluster.";
const INVENTORY: &str = "It lists what is there, for somebody who looks over a cluster: none of it is a fault. Rights that a \
    service should not have are told by `overpowered-service-account`.";
const NO_SELECTOR: &str = "A Service without a selector is how Kubernetes names what runs elsewhere. One whose \
    selector matches nothing is told by `service-selects-nothing`, addresses that no endpoint can have by \
    `rejected-by-api-server`.";
const OPEN_POLICY: &str = "A policy that allows everything is how a default that denies is lifted for some pods. Workloads that \
    no policy selects are told by `missing-network-policy`, those whose policy is for one direction by \
    `missing-network-policy/one-way-network-policy`.";
const OVERRIDES: &str = "An override of kubeaudit's is kubeaudit's. Suppressions of Provost need a reason, and one that \
    suppresses nothing is told (`bad-suppression`).";
const OWN_SETTINGS: &str = "It compares with an image or an amount that is given on the command line. What a cluster allows \
    is the business of its LimitRange and its admission policies; pods that a LimitRange of the input refuses are \
    told by `rejected-by-api-server`.";
const PAUSE: &str = "A pause without a duration waits for somebody to promote the Rollout, which is what it is for.";
const PEOPLE: &str = "What people and their groups may do is for whoever runs the cluster. Bindings of service accounts, and \
    of everybody, are told by `overpowered-service-account`.";
const PRIVILEGED_NIL: &str = "A container is not privileged where nothing says so. One that is is told by \
    `privileged-container`.";
const PROBE_DEFAULTS: &str = "Where a probe does not say them the API server fills in one second, every ten seconds and three \
    failures, which most services are well with. What the numbers come to is judged by `aggressive-liveness`, \
    `startup-exceeds-probe-budget` and `probe-timeout-below-endpoint-budget`; a delay at the start waits for \
    nothing.";
const SCALE_DOWN: &str = "How long the old pods have to stay depends on what they do when they are told to end: that is judged \
    by `missing-prestop-delay` and `drain-exceeds-grace-period`.";
const SECRET_STORE: &str = "Where secrets are kept is decided once for all services. What is written into manifests is told by \
    `secret-in-plain-env` and `secret-in-config-map`.";
const SIGNATURES: &str = "Signatures (cosign, Notation) are beside the image in its registry, and an admission policy asks for \
    them when a pod is made: a manifest cannot show them.";
const SSH: &str = "The number of a port does not say what listens on it, and a Go service that is given port 22 is \
    rare enough. Ports that need rights are told by `privileged-port`.";
const SUDO: &str = "Whether `sudo` is there and works depends on the image: that it is not is told by `exec-tool-missing`, what it \
    needs by `privilege-escalation-allowed`, and what brings it into the image by `root-tool-in-build`.";

const ADD_ARCHIVE: &str = "ADD unpacks an archive in a layer of its own that a stage which is thrown away keeps as well, \
    and COPY with tar in one RUN unpacks what ADD does not know. Neither breaks anything.";
const APT: &str = "apt warns that its output may change, and installs what apt-get does. What either of them leaves \
    behind or asks is told by `build-residue` and `rejected-by-builder`.";
const BOTH_CLIENTS: &str = "An image with wget and curl is some hundred kilobytes larger. What brings a client into the image that \
    runs is told by `build-residue`.";
const CACHE_MOUNTS: &str = "A cache mount makes builds faster where the builder's cache outlives them, which many pipelines' does \
    not; the image is the same.";
const CD: &str = "`RUN cd /src && make` is right: the directory is that of one RUN. Only a `cd` with nothing behind it does \
    nothing.";
const COMMENTS: &str =
    "It is about comments, which change nothing; BuildKit itself has the check as an experiment.";
const CONSOLIDATION: &str = "Several RUN lines are several layers, and each of them is cached by itself: what changes less often is not \
    done again. What one layer leaves for the next to hide is told by `build-residue`.";
const DIST_TRUST: &str = "Docker Content Trust signs by Notary version 1, which its maintainers have archived and Docker retires. \
    Signatures of today (cosign, Notation) are beside the image in the registry, and an admission policy asks for \
    them.";
const HEALTHCHECK: &str = "Kubernetes never runs HEALTHCHECK: containerd and CRI-O do not know it. Probes of the manifest are judged in \
    its place, and one that is written is judged by `unrunnable-healthcheck`.";
const IGNORES: &str = "A pragma of hadolint's is hadolint's. Suppressions of Provost need a reason and end by themselves \
    (`bad-suppression`).";
const LABELS: &str = "Which labels an image carries, and what they say, is an agreement of a team: hadolint itself asks for a \
    schema of them. Nothing breaks without.";
const LINK: &str = "A shell at /bin/sh that somebody has exchanged works as SHELL does; what needs bash in a RUN is a question for \
    ShellCheck.";
const MEANINGLESS: &str = "A list of commands that nobody runs in an image on purpose; where somebody does, it has a reason, and nothing \
    breaks.";
const PACKAGES_BY_SCANNER: &str = "What is installed and which of it has known faults is the question of a scanner (trivy, grype). What stays \
    behind of a build is told by `build-residue`.";
const PASSWD: &str = "An empty password matters where `su` or a login asks for it, and no login runs in the container of a service: \
    where a setuid program works at all is told by `privilege-escalation-allowed`, and by its variant \
    `privilege-escalation-allowed/setuid-file`. Two names of one number are one user to the kernel.";
const MOUNTED_VOLUMES: &str = "A VOLUME at /dev, /proc or /sys is met in hardly any image; the runtime mounts its own file systems there. \
    What a manifest mounts of the node is told by `host-path-volume`, a WORKDIR in such a place by \
    `overridden-instruction/mounted-over-workdir`.";
const PECL: &str = "Extensions of PHP are no part of a Go service; packages of systems and of the languages that tools come in \
    are judged by `floating-build-input/unpinned-package`.";
const PROGRESS: &str = "It is about the length of a build's log.";
const PULLED_PLATFORM: &str = "What a registry answers for a platform is known when it is asked. A program for another machine than the \
    image or its nodes is told by `architecture-mismatch` and `foreign-target-system`.";
const REGISTRIES: &str =
    "Which registries may be used is an agreement of a team, and an admission policy's to hold.";
const YARN: &str = "What yarn leaves behind is in the image of a service in JavaScript; for what a Go service needs of it, a stage \
    that is thrown away builds it.";

/// By linter and name.
pub const REFUSED: &[Refused] = &[
    no(BUILDKIT, "InvalidBaseImagePlatform", PULLED_PLATFORM),
    no(BUILDKIT, "InvalidDefinitionDescription", COMMENTS),
    no(CHECKOV, "CKV_DOCKER_2", HEALTHCHECK),
    no(CHECKOV, "CKV_DOCKER_9", APT),
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
    no(DATREE, "ARGO_APP_PROJECT_INCORRECT_NAMESPACE_VALUE", OTHERS_OBJECTS),
    no(DATREE, "ARGO_CONFIGMAP_MISSING_PART_OF_LABEL_VALUE_ARGOCD", OTHERS_OBJECTS),
    no(DATREE, "ARGO_ROLLOUT_INCORRECT_PROGRESS_DEADLINE_ABORT_VALUE_FALSE", ABORTED),
    no(DATREE, "ARGO_ROLLOUT_INCORRECT_SCALE_DOWN_DELAY_VALUE_BELOW_30", SCALE_DOWN),
    no(DATREE, "ARGO_ROLLOUT_MISSING_PAUSE_DURATION", PAUSE),
    no(DATREE, "ARGO_WORKFLOW_ENSURE_RETRY_ON_BOTH_ERROR_AND_TRANSIENT_ERROR", OTHERS_OBJECTS),
    no(DATREE, "ARGO_WORKFLOW_INCORRECT_FAILFAST_VALUE_FALSE", OTHERS_OBJECTS),
    no(DATREE, "ARGO_WORKFLOW_INCORRECT_RETRY_STRATEGY_VALUE_EMPTY", OTHERS_OBJECTS),
    no(DATREE, "ARGO_WORKFLOW_INCORRECT_REVISION_HISTORY_LIMIT_VALUE_0", HISTORY),
    no(DATREE, "ARGO_WORKFLOW_INCORRECT_SERVICE_ACCOUNT_NAME_VALUE_DEFAULT", OTHERS_OBJECTS),
    no(DATREE, "CIS_INVALID_VALUE_SYSTEM_MASTERS", PEOPLE),
    no(DATREE, "CONFIGMAP_CVE2021_25742_INCORRECT_SNIPPET_ANNOTATIONS_VALUE", SNIPPETS),
    no(DATREE, "CONTAINERS_INCORRECT_FAILURETHRESHOLD_VALUE", PROBE_DEFAULTS),
    no(DATREE, "CONTAINERS_INCORRECT_INITIALDELAYSECONDS_VALUE", PROBE_DEFAULTS),
    no(DATREE, "CONTAINERS_INCORRECT_PERIODSECONDS_VALUE", PROBE_DEFAULTS),
    no(DATREE, "CONTAINERS_INCORRECT_SUCCESSTHRESHOLD_VALUE", PROBE_DEFAULTS),
    no(DATREE, "CONTAINERS_INCORRECT_TIMEOUTSECONDS_VALUE", PROBE_DEFAULTS),
    no(DATREE, "CONTAINER_CVE2021_25741_INCORRECT_SUBPATH_KEY", CVE),
    no(DATREE, "CRONJOB_MISSING_CONCURRENCYPOLICY_KEY", CONCURRENCY),
    no(DATREE, "CRONJOB_MISSING_STARTINGDEADLINESECOND_KEY", DEADLINE),
    no(DATREE, "DEPLOYMENT_MISSING_LABEL_ENV_VALUE", HOUSE_METADATA),
    no(DATREE, "INGRESS_CVE2021_25742_INCORRECT_SERVER_SNIPPET_KEY", SNIPPETS),
    no(DATREE, "WORKLOAD_INCORRECT_NAMESPACE_VALUE_DEFAULT", NAMESPACE),
    no(DATREE, "WORKLOAD_MISSING_LABEL_OWNER_VALUE", HOUSE_METADATA),
    no(DOCKLE, "CIS-DI-0002", DIST_TRUST),
    no(DOCKLE, "CIS-DI-0003", PACKAGES_BY_SCANNER),
    no(DOCKLE, "CIS-DI-0004", PACKAGES_BY_SCANNER),
    no(DOCKLE, "CIS-DI-0005", DIST_TRUST),
    no(DOCKLE, "CIS-DI-0006", HEALTHCHECK),
    no(DOCKLE, "CIS-DI-0011", PACKAGES_BY_SCANNER),
    no(DOCKLE, "DKL-DI-0002", MOUNTED_VOLUMES),
    no(DOCKLE, "DKL-LI-0001", PASSWD),
    no(DOCKLE, "DKL-LI-0002", PASSWD),
    no(HADOLINT, "DL1001", IGNORES),
    no(HADOLINT, "DL3001", MEANINGLESS),
    no(HADOLINT, "DL3003", CD),
    no(HADOLINT, "DL3010", ADD_ARCHIVE),
    no(HADOLINT, "DL3026", REGISTRIES),
    no(HADOLINT, "DL3027", APT),
    no(HADOLINT, "DL3047", PROGRESS),
    no(HADOLINT, "DL3048", LABELS),
    no(HADOLINT, "DL3049", LABELS),
    no(HADOLINT, "DL3050", LABELS),
    no(HADOLINT, "DL3051", LABELS),
    no(HADOLINT, "DL3052", LABELS),
    no(HADOLINT, "DL3053", LABELS),
    no(HADOLINT, "DL3054", LABELS),
    no(HADOLINT, "DL3055", LABELS),
    no(HADOLINT, "DL3056", LABELS),
    no(HADOLINT, "DL3057", HEALTHCHECK),
    no(HADOLINT, "DL3058", LABELS),
    no(HADOLINT, "DL3059", CONSOLIDATION),
    no(HADOLINT, "DL3060", YARN),
    no(HADOLINT, "DL3068", PECL),
    no(HADOLINT, "DL3069", CACHE_MOUNTS),
    no(HADOLINT, "DL3070", CACHE_MOUNTS),
    no(HADOLINT, "DL3071", CACHE_MOUNTS),
    no(HADOLINT, "DL3072", CACHE_MOUNTS),
    no(HADOLINT, "DL3073", CACHE_MOUNTS),
    no(HADOLINT, "DL3074", CACHE_MOUNTS),
    no(HADOLINT, "DL3075", CACHE_MOUNTS),
    no(HADOLINT, "DL3076", CACHE_MOUNTS),
    no(HADOLINT, "DL3077", CACHE_MOUNTS),
    no(HADOLINT, "DL4001", BOTH_CLIENTS),
    no(HADOLINT, "DL4005", LINK),
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
    no(KUBE_LINTER, "ssh-port", SSH),
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
    no(KUBE_SCORE, "cronjob-has-deadline", DEADLINE),
    no(KUBEAUDIT, "AllowAllEgressNetworkPolicyExists", OPEN_POLICY),
    no(KUBEAUDIT, "AllowAllIngressNetworkPolicyExists", OPEN_POLICY),
    no(KUBEAUDIT, "AppArmorAnnotationMissing", APPARMOR),
    no(KUBEAUDIT, "ImageCorrect", OWN_SETTINGS),
    no(KUBEAUDIT, "ImageTagIncorrect", OWN_SETTINGS),
    no(KUBEAUDIT, "LimitsCPUExceeded", OWN_SETTINGS),
    no(KUBEAUDIT, "LimitsMemoryExceeded", OWN_SETTINGS),
    no(KUBEAUDIT, "PrivilegedNil", PRIVILEGED_NIL),
    no(KUBEAUDIT, "RedundantAuditorOverride", OVERRIDES),
    no(KUBESCAPE, "C-0005", CONTROL_PLANE),
    no(KUBESCAPE, "C-0007", DELETE),
    no(KUBESCAPE, "C-0014", INVENTORY),
    no(KUBESCAPE, "C-0026", INVENTORY),
    no(KUBESCAPE, "C-0031", DELETE),
    no(KUBESCAPE, "C-0036", INVENTORY),
    no(KUBESCAPE, "C-0039", INVENTORY),
    no(KUBESCAPE, "C-0042", SSH),
    no(KUBESCAPE, "C-0052", CONTROL_PLANE),
    no(KUBESCAPE, "C-0053", INVENTORY),
    no(KUBESCAPE, "C-0058", CVE),
    no(KUBESCAPE, "C-0059", SNIPPETS),
    no(KUBESCAPE, "C-0061", NAMESPACE),
    no(KUBESCAPE, "C-0062", SUDO),
    no(KUBESCAPE, "C-0066", CONTROL_PLANE),
    no(KUBESCAPE, "C-0067", CONTROL_PLANE),
    no(KUBESCAPE, "C-0068", CONTROL_PLANE),
    no(KUBESCAPE, "C-0069", CONTROL_PLANE),
    no(KUBESCAPE, "C-0070", CONTROL_PLANE),
    no(KUBESCAPE, "C-0076", HOUSE_METADATA),
    no(KUBESCAPE, "C-0077", HOUSE_METADATA),
    no(KUBESCAPE, "C-0078", REGISTRIES),
    no(KUBESCAPE, "C-0079", CVE),
    no(KUBESCAPE, "C-0081", CVE),
    no(KUBESCAPE, "C-0087", CVE),
    no(KUBESCAPE, "C-0088", CONTROL_PLANE),
    no(KUBESCAPE, "C-0090", CVE),
    no(KUBESCAPE, "C-0091", CVE),
    no(KUBESCAPE, "C-0092", CONTROL_PLANE),
    no(KUBESCAPE, "C-0093", CONTROL_PLANE),
    no(KUBESCAPE, "C-0094", CONTROL_PLANE),
    no(KUBESCAPE, "C-0095", CONTROL_PLANE),
    no(KUBESCAPE, "C-0096", CONTROL_PLANE),
    no(KUBESCAPE, "C-0097", CONTROL_PLANE),
    no(KUBESCAPE, "C-0098", CONTROL_PLANE),
    no(KUBESCAPE, "C-0099", CONTROL_PLANE),
    no(KUBESCAPE, "C-0100", CONTROL_PLANE),
    no(KUBESCAPE, "C-0101", CONTROL_PLANE),
    no(KUBESCAPE, "C-0102", CONTROL_PLANE),
    no(KUBESCAPE, "C-0103", CONTROL_PLANE),
    no(KUBESCAPE, "C-0104", CONTROL_PLANE),
    no(KUBESCAPE, "C-0105", CONTROL_PLANE),
    no(KUBESCAPE, "C-0106", CONTROL_PLANE),
    no(KUBESCAPE, "C-0107", CONTROL_PLANE),
    no(KUBESCAPE, "C-0108", CONTROL_PLANE),
    no(KUBESCAPE, "C-0109", CONTROL_PLANE),
    no(KUBESCAPE, "C-0110", CONTROL_PLANE),
    no(KUBESCAPE, "C-0111", CONTROL_PLANE),
    no(KUBESCAPE, "C-0112", CONTROL_PLANE),
    no(KUBESCAPE, "C-0113", CONTROL_PLANE),
    no(KUBESCAPE, "C-0114", CONTROL_PLANE),
    no(KUBESCAPE, "C-0116", CONTROL_PLANE),
    no(KUBESCAPE, "C-0117", CONTROL_PLANE),
    no(KUBESCAPE, "C-0118", CONTROL_PLANE),
    no(KUBESCAPE, "C-0119", CONTROL_PLANE),
    no(KUBESCAPE, "C-0120", CONTROL_PLANE),
    no(KUBESCAPE, "C-0121", CONTROL_PLANE),
    no(KUBESCAPE, "C-0122", CONTROL_PLANE),
    no(KUBESCAPE, "C-0123", CONTROL_PLANE),
    no(KUBESCAPE, "C-0125", CONTROL_PLANE),
    no(KUBESCAPE, "C-0126", CONTROL_PLANE),
    no(KUBESCAPE, "C-0127", CONTROL_PLANE),
    no(KUBESCAPE, "C-0129", CONTROL_PLANE),
    no(KUBESCAPE, "C-0130", CONTROL_PLANE),
    no(KUBESCAPE, "C-0131", CONTROL_PLANE),
    no(KUBESCAPE, "C-0132", CONTROL_PLANE),
    no(KUBESCAPE, "C-0133", CONTROL_PLANE),
    no(KUBESCAPE, "C-0134", CONTROL_PLANE),
    no(KUBESCAPE, "C-0135", CONTROL_PLANE),
    no(KUBESCAPE, "C-0136", CONTROL_PLANE),
    no(KUBESCAPE, "C-0137", CONTROL_PLANE),
    no(KUBESCAPE, "C-0138", CONTROL_PLANE),
    no(KUBESCAPE, "C-0139", CONTROL_PLANE),
    no(KUBESCAPE, "C-0140", CONTROL_PLANE),
    no(KUBESCAPE, "C-0141", CONTROL_PLANE),
    no(KUBESCAPE, "C-0142", CONTROL_PLANE),
    no(KUBESCAPE, "C-0144", CONTROL_PLANE),
    no(KUBESCAPE, "C-0145", CONTROL_PLANE),
    no(KUBESCAPE, "C-0146", CONTROL_PLANE),
    no(KUBESCAPE, "C-0147", CONTROL_PLANE),
    no(KUBESCAPE, "C-0148", CONTROL_PLANE),
    no(KUBESCAPE, "C-0149", CONTROL_PLANE),
    no(KUBESCAPE, "C-0150", CONTROL_PLANE),
    no(KUBESCAPE, "C-0151", CONTROL_PLANE),
    no(KUBESCAPE, "C-0152", CONTROL_PLANE),
    no(KUBESCAPE, "C-0153", CONTROL_PLANE),
    no(KUBESCAPE, "C-0154", CONTROL_PLANE),
    no(KUBESCAPE, "C-0155", CONTROL_PLANE),
    no(KUBESCAPE, "C-0156", CONTROL_PLANE),
    no(KUBESCAPE, "C-0157", CONTROL_PLANE),
    no(KUBESCAPE, "C-0158", CONTROL_PLANE),
    no(KUBESCAPE, "C-0159", CONTROL_PLANE),
    no(KUBESCAPE, "C-0160", CONTROL_PLANE),
    no(KUBESCAPE, "C-0161", CONTROL_PLANE),
    no(KUBESCAPE, "C-0162", CONTROL_PLANE),
    no(KUBESCAPE, "C-0163", CONTROL_PLANE),
    no(KUBESCAPE, "C-0164", CONTROL_PLANE),
    no(KUBESCAPE, "C-0165", CONTROL_PLANE),
    no(KUBESCAPE, "C-0166", CONTROL_PLANE),
    no(KUBESCAPE, "C-0167", CONTROL_PLANE),
    no(KUBESCAPE, "C-0168", CONTROL_PLANE),
    no(KUBESCAPE, "C-0169", CONTROL_PLANE),
    no(KUBESCAPE, "C-0170", CONTROL_PLANE),
    no(KUBESCAPE, "C-0171", CONTROL_PLANE),
    no(KUBESCAPE, "C-0172", CONTROL_PLANE),
    no(KUBESCAPE, "C-0173", CONTROL_PLANE),
    no(KUBESCAPE, "C-0174", CONTROL_PLANE),
    no(KUBESCAPE, "C-0175", CONTROL_PLANE),
    no(KUBESCAPE, "C-0176", CONTROL_PLANE),
    no(KUBESCAPE, "C-0178", CONTROL_PLANE),
    no(KUBESCAPE, "C-0179", CONTROL_PLANE),
    no(KUBESCAPE, "C-0180", CONTROL_PLANE),
    no(KUBESCAPE, "C-0181", CONTROL_PLANE),
    no(KUBESCAPE, "C-0182", CONTROL_PLANE),
    no(KUBESCAPE, "C-0183", CONTROL_PLANE),
    no(KUBESCAPE, "C-0184", CONTROL_PLANE),
    no(KUBESCAPE, "C-0192", CONTROL_PLANE),
    no(KUBESCAPE, "C-0205", CONTROL_PLANE),
    no(KUBESCAPE, "C-0208", SECRET_STORE),
    no(KUBESCAPE, "C-0209", NAMESPACE),
    no(KUBESCAPE, "C-0212", NAMESPACE),
    no(KUBESCAPE, "C-0236", SIGNATURES),
    no(KUBESCAPE, "C-0237", SIGNATURES),
    no(KUBESCAPE, "C-0246", PEOPLE),
    no(KUBESCAPE, "C-0257", INVENTORY),
    no(KUBESCAPE, "C-0277", CONTROL_PLANE),
    no(KUBESCAPE, "C-0283", CONTROL_PLANE),
    no(KUBESCAPE, "C-0284", CONTROL_PLANE),
    no(KUBESCAPE, "C-0286", CONTROL_PLANE),
    no(KUBESCAPE, "C-0287", CONTROL_PLANE),
    no(KUBESCAPE, "C-0288", CONTROL_PLANE),
    no(KUBESCAPE, "C-0289", SIGNATURES),
    no(KUBESCAPE, "C-0290", CONTROL_PLANE),
    no(KUBESCAPE, "C-0291", CONTROL_PLANE),
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
    no(TERRASCAN, "AC_K8S_0013", HOUSE_METADATA),
    no(TERRASCAN, "AC_K8S_0021", CONTROL_PLANE),
    no(TERRASCAN, "AC_K8S_0050", SNIPPETS),
    no(TERRASCAN, "AC_K8S_0067", INVENTORY),
    no(TERRASCAN, "AC_K8S_0071", TILLER),
    no(TERRASCAN, "AC_K8S_0073", APPARMOR),
    no(TERRASCAN, "AC_K8S_0086", NAMESPACE),
    no(TERRASCAN, "AC_K8S_0110", TILLER),
    no(TERRASCAN, "AC_K8S_0114", NO_SELECTOR),
    no(TERRASCAN, "AC_K8S_0130", CVE),
    no(TRIVY, "DS-0013", CD),
    no(TRIVY, "DS-0014", BOTH_CLIENTS),
    no(TRIVY, "DS-0026", HEALTHCHECK),
];

/// What other linters call by that name and has no rule here.
pub fn find(name: &str) -> impl Iterator<Item = &'static Refused> + '_ {
    let of_shell = is_of_shellcheck(name) && super::find(name).next().is_none();
    REFUSED
        .iter()
        .filter(move |refused| super::is_named(refused.tool, refused.name, name))
        .chain(of_shell.then_some(&SHELLCHECK))
}

/// Checks of shell code, which hadolint has ShellCheck do.
static SHELLCHECK: Refused = no(
    HADOLINT,
    "SC1000 to SC3999",
    "It is ShellCheck's, which reads shell code better than a linter of Dockerfiles can: hadolint runs \
     it, and so do editors. The faults of a RUN that its build or the image shows are told here, by \
     `hidden-build-failure`, `undefined-build-variable` and `rejected-by-builder`.",
);

/// `SC2086`, `hadolint:SC2086`, `shellcheck:SC2086`.
fn is_of_shellcheck(name: &str) -> bool {
    let name = match name.split_once(':') {
        Some((tool, name))
            if ["hadolint", "shellcheck"].iter().any(|it| it.eq_ignore_ascii_case(tool)) =>
        {
            name
        }
        Some(_) => return false,
        None => name,
    };
    let (head, number) = name.split_at_checked(2).unwrap_or_default();
    head.eq_ignore_ascii_case("SC")
        && number.len() == 4
        && number.bytes().all(|b| b.is_ascii_digit())
}
