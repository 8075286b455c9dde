//! What other linters call what these rules look for, for teams that migrate.
//!
//! Names as of kube-linter (pkg/builtinchecks/yamls, 2026-11), kube-score 1.20 (`score/*/`, the ids it
//! prints), polaris (`pkg/config/checks`, 2026-11), hadolint 2.15 and what follows, dockle 0.4, BuildKit 0.34, checkov 3.2
//! (docs/5.Policy Index), trivy by the checks of trivy-checks 1.10. Names of hadolint that begin with SC are ShellCheck's.

mod refused;

pub use refused::{REFUSED, Refused, find as refused};

/// One check of another linter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The linter.
    pub tool: &'static str,
    /// Its name for the check.
    pub name: &'static str,
    /// `rule` or `rule/variant` that answer the same question here.
    pub rules: &'static [&'static str],
}

const fn of(tool: &'static str, name: &'static str, rules: &'static [&'static str]) -> Known {
    Known { tool, name, rules }
}

const BUILDKIT: &str = "buildkit";
const CHECKOV: &str = "checkov";
const DOCKLE: &str = "dockle";
const HADOLINT: &str = "hadolint";
const KUBE_LINTER: &str = "kube-linter";
const KUBE_SCORE: &str = "kube-score";
const POLARIS: &str = "polaris";
const TRIVY: &str = "trivy";

/// By linter and name.
pub const KNOWN: &[Known] = &[
    of(BUILDKIT, "ConsistentInstructionCasing", &["rejected-by-builder/builder-warning"]),
    of(BUILDKIT, "CopyIgnoredFile", &["missing-copy-source/excluded-by-dockerignore"]),
    of(BUILDKIT, "DuplicateStageName", &["rejected-by-builder"]),
    of(BUILDKIT, "ExposeInvalidFormat", &["rejected-by-builder"]),
    of(BUILDKIT, "ExposeProtoCasing", &["rejected-by-builder/builder-warning"]),
    of(BUILDKIT, "FromAsCasing", &["rejected-by-builder/builder-warning"]),
    of(
        BUILDKIT,
        "FromPlatformFlagConstDisallowed",
        &["rejected-by-builder/fixed-platform", "rejected-by-builder/builder-warning"],
    ),
    of(BUILDKIT, "InvalidDefaultArgInFrom", &["rejected-by-builder", "floating-build-input"]),
    of(BUILDKIT, "JSONArgsRecommended", &["shell-form-entrypoint"]),
    of(BUILDKIT, "LegacyKeyValueFormat", &["rejected-by-builder/builder-warning"]),
    of(BUILDKIT, "MaintainerDeprecated", &["rejected-by-builder"]),
    of(BUILDKIT, "MultipleInstructionsDisallowed", &["overridden-instruction"]),
    of(BUILDKIT, "NoEmptyContinuation", &["rejected-by-builder/builder-warning"]),
    of(BUILDKIT, "RedundantTargetPlatform", &["rejected-by-builder/builder-warning"]),
    of(BUILDKIT, "ReservedStageName", &["rejected-by-builder"]),
    of(BUILDKIT, "SecretsUsedInArgOrEnv", &["secret-in-build"]),
    of(BUILDKIT, "StageNameCasing", &["rejected-by-builder/builder-warning"]),
    of(BUILDKIT, "UndefinedArgInFrom", &["rejected-by-builder"]),
    of(BUILDKIT, "UndefinedVar", &["undefined-build-variable"]),
    of(BUILDKIT, "WorkdirRelativePath", &["overridden-instruction/relative-workdir"]),
    of(CHECKOV, "CKV2_DOCKER_1", &["root-tool-in-build"]),
    of(CHECKOV, "CKV2_DOCKER_10", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_11", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_12", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_13", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_14", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_15", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_16", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_17", &["root-tool-in-build"]),
    of(CHECKOV, "CKV2_DOCKER_18", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_2", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_3", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_4", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_5", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_6", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_7", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_8", &["unverified-download"]),
    of(CHECKOV, "CKV2_DOCKER_9", &["unverified-download"]),
    of(CHECKOV, "CKV2_K8S_1", &["overpowered-service-account/escalating-role"]),
    of(CHECKOV, "CKV2_K8S_2", &["overpowered-service-account/escalating-role"]),
    of(CHECKOV, "CKV2_K8S_3", &["overpowered-service-account/escalating-role"]),
    of(CHECKOV, "CKV2_K8S_4", &["overpowered-service-account/escalating-role"]),
    of(CHECKOV, "CKV2_K8S_5", &["overpowered-service-account/escalating-role"]),
    of(CHECKOV, "CKV2_K8S_6", &["missing-network-policy"]),
    of(CHECKOV, "CKV_DOCKER_1", &["root-tool-in-build"]),
    of(CHECKOV, "CKV_DOCKER_10", &["overridden-instruction/relative-workdir"]),
    of(CHECKOV, "CKV_DOCKER_1005", &["secret-in-build"]),
    of(CHECKOV, "CKV_DOCKER_11", &["rejected-by-builder"]),
    of(CHECKOV, "CKV_DOCKER_3", &["root-user", "root-by-default"]),
    of(CHECKOV, "CKV_DOCKER_4", &["floating-build-input/remote-add"]),
    of(
        CHECKOV,
        "CKV_DOCKER_5",
        &[
            "floating-build-input/cached-package-lists",
            "build-residue/package-manager-in-final-stage",
        ],
    ),
    of(CHECKOV, "CKV_DOCKER_6", &["rejected-by-builder"]),
    of(CHECKOV, "CKV_DOCKER_7", &["floating-build-input"]),
    of(CHECKOV, "CKV_DOCKER_8", &["root-user", "root-by-default"]),
    of(CHECKOV, "CKV_K8S_1", &["removed-api-version", "host-namespace"]),
    of(CHECKOV, "CKV_K8S_10", &["missing-resource-request/missing-cpu-request"]),
    of(CHECKOV, "CKV_K8S_11", &["cpu-limit-policy"]),
    of(CHECKOV, "CKV_K8S_12", &["missing-resource-request/missing-memory-request"]),
    of(CHECKOV, "CKV_K8S_13", &["missing-memory-limit"]),
    of(CHECKOV, "CKV_K8S_14", &["floating-image-tag"]),
    of(CHECKOV, "CKV_K8S_15", &["floating-image-tag/mutable-tag-not-pulled"]),
    of(CHECKOV, "CKV_K8S_155", &["overpowered-service-account/escalating-role"]),
    of(CHECKOV, "CKV_K8S_156", &["overpowered-service-account/escalating-role"]),
    of(CHECKOV, "CKV_K8S_157", &["overpowered-service-account/escalating-role"]),
    of(CHECKOV, "CKV_K8S_158", &["overpowered-service-account/escalating-role"]),
    of(CHECKOV, "CKV_K8S_16", &["privileged-container"]),
    of(CHECKOV, "CKV_K8S_17", &["host-namespace"]),
    of(CHECKOV, "CKV_K8S_18", &["host-namespace"]),
    of(CHECKOV, "CKV_K8S_19", &["host-namespace"]),
    of(CHECKOV, "CKV_K8S_2", &["removed-api-version", "privileged-container"]),
    of(CHECKOV, "CKV_K8S_20", &["privilege-escalation-allowed"]),
    of(CHECKOV, "CKV_K8S_22", &["writable-root-filesystem"]),
    of(CHECKOV, "CKV_K8S_23", &["root-user", "root-user/missing-run-as-non-root"]),
    of(CHECKOV, "CKV_K8S_24", &["removed-api-version", "excess-capabilities"]),
    of(CHECKOV, "CKV_K8S_25", &["excess-capabilities"]),
    of(CHECKOV, "CKV_K8S_26", &["host-namespace/host-port"]),
    of(CHECKOV, "CKV_K8S_27", &["host-path-volume/container-socket-mount"]),
    of(CHECKOV, "CKV_K8S_28", &["excess-capabilities"]),
    of(CHECKOV, "CKV_K8S_29", &["root-user", "missing-seccomp-profile"]),
    of(CHECKOV, "CKV_K8S_3", &["removed-api-version", "host-namespace"]),
    of(
        CHECKOV,
        "CKV_K8S_30",
        &["privilege-escalation-allowed", "excess-capabilities", "writable-root-filesystem"],
    ),
    of(CHECKOV, "CKV_K8S_31", &["missing-seccomp-profile"]),
    of(CHECKOV, "CKV_K8S_32", &["removed-api-version", "missing-seccomp-profile"]),
    of(CHECKOV, "CKV_K8S_35", &["secret-in-plain-env/secret-as-env"]),
    of(CHECKOV, "CKV_K8S_36", &["removed-api-version", "excess-capabilities"]),
    of(CHECKOV, "CKV_K8S_37", &["excess-capabilities/capabilities-not-dropped"]),
    of(CHECKOV, "CKV_K8S_38", &["unneeded-service-account-token"]),
    of(CHECKOV, "CKV_K8S_39", &["excess-capabilities/dangerous-capability"]),
    of(CHECKOV, "CKV_K8S_4", &["removed-api-version", "host-namespace"]),
    of(CHECKOV, "CKV_K8S_40", &["root-user/low-uid"]),
    of(
        CHECKOV,
        "CKV_K8S_41",
        &["unneeded-service-account-token", "unneeded-service-account-token/automounted-token"],
    ),
    of(CHECKOV, "CKV_K8S_42", &["overpowered-service-account/default-service-account"]),
    of(CHECKOV, "CKV_K8S_43", &["floating-image-tag/unpinned-image"]),
    of(
        CHECKOV,
        "CKV_K8S_49",
        &[
            "overpowered-service-account/wildcard-role",
            "overpowered-service-account/wildcard-in-role",
        ],
    ),
    of(CHECKOV, "CKV_K8S_5", &["removed-api-version", "privilege-escalation-allowed"]),
    of(CHECKOV, "CKV_K8S_6", &["removed-api-version", "root-user"]),
    of(CHECKOV, "CKV_K8S_7", &["removed-api-version", "excess-capabilities"]),
    of(CHECKOV, "CKV_K8S_8", &["missing-liveness-probe"]),
    of(CHECKOV, "CKV_K8S_9", &["missing-readiness-probe"]),
    of(DOCKLE, "CIS-DI-0001", &["root-user"]),
    of(DOCKLE, "CIS-DI-0007", &["floating-build-input/cached-package-lists"]),
    of(DOCKLE, "CIS-DI-0008", &["privilege-escalation-allowed/setuid-file"]),
    of(DOCKLE, "CIS-DI-0009", &["floating-build-input/remote-add"]),
    of(DOCKLE, "CIS-DI-0010", &["secret-in-build", "secret-file-in-image"]),
    of(DOCKLE, "DKL-DI-0001", &["root-tool-in-build"]),
    of(DOCKLE, "DKL-DI-0003", &["build-residue/package-manager-in-final-stage"]),
    of(DOCKLE, "DKL-DI-0004", &["build-residue/package-manager-in-final-stage"]),
    of(DOCKLE, "DKL-DI-0005", &["build-residue/package-manager-in-final-stage"]),
    of(DOCKLE, "DKL-DI-0006", &["floating-image-tag", "floating-build-input"]),
    of(DOCKLE, "DKL-LI-0003", &["build-residue"]),
    of(HADOLINT, "DL1000", &["rejected-by-builder", "unparsable-input"]),
    of(HADOLINT, "DL3000", &["overridden-instruction/relative-workdir"]),
    of(HADOLINT, "DL3002", &["root-user", "root-by-default"]),
    of(HADOLINT, "DL3004", &["root-tool-in-build"]),
    of(HADOLINT, "DL3005", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3006", &["floating-build-input"]),
    of(HADOLINT, "DL3007", &["floating-build-input"]),
    of(HADOLINT, "DL3008", &["floating-build-input/unpinned-package"]),
    of(HADOLINT, "DL3009", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3011", &["rejected-by-builder"]),
    of(HADOLINT, "DL3012", &["overridden-instruction"]),
    of(HADOLINT, "DL3013", &["floating-build-input/unpinned-package"]),
    of(HADOLINT, "DL3014", &["rejected-by-builder/unanswered-question"]),
    of(HADOLINT, "DL3015", &["build-residue/packages-in-final-stage"]),
    of(HADOLINT, "DL3016", &["floating-build-input/unpinned-package"]),
    of(HADOLINT, "DL3017", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3018", &["floating-build-input/unpinned-package"]),
    of(HADOLINT, "DL3019", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3020", &["floating-build-input/remote-add"]),
    of(HADOLINT, "DL3021", &["rejected-by-builder"]),
    of(HADOLINT, "DL3022", &["rejected-by-builder"]),
    of(HADOLINT, "DL3023", &["rejected-by-builder"]),
    of(HADOLINT, "DL3024", &["rejected-by-builder"]),
    of(HADOLINT, "DL3025", &["malformed-exec-form", "shell-form-entrypoint"]),
    of(HADOLINT, "DL3028", &["floating-build-input/unpinned-package"]),
    of(
        HADOLINT,
        "DL3029",
        &["rejected-by-builder/fixed-platform", "rejected-by-builder/builder-warning"],
    ),
    of(HADOLINT, "DL3030", &["rejected-by-builder/unanswered-question"]),
    of(HADOLINT, "DL3031", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3032", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3033", &["floating-build-input/unpinned-package"]),
    of(HADOLINT, "DL3034", &["rejected-by-builder/unanswered-question"]),
    of(HADOLINT, "DL3035", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3036", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3037", &["floating-build-input/unpinned-package"]),
    of(HADOLINT, "DL3038", &["rejected-by-builder/unanswered-question"]),
    of(HADOLINT, "DL3039", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3040", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3041", &["floating-build-input/unpinned-package"]),
    of(HADOLINT, "DL3042", &["build-residue/package-manager-in-final-stage"]),
    of(HADOLINT, "DL3043", &["rejected-by-builder"]),
    of(HADOLINT, "DL3044", &["rejected-by-builder/self-referencing-env"]),
    of(HADOLINT, "DL3045", &["overridden-instruction/relative-workdir"]),
    of(HADOLINT, "DL3046", &["build-residue/login-records"]),
    of(HADOLINT, "DL3061", &["rejected-by-builder", "unparsable-input"]),
    of(HADOLINT, "DL3062", &["floating-build-input/unpinned-go-install"]),
    of(HADOLINT, "DL3063", &["rejected-by-builder"]),
    of(HADOLINT, "DL3064", &["secret-in-build"]),
    of(HADOLINT, "DL3065", &["rejected-by-builder/builder-warning"]),
    of(HADOLINT, "DL3066", &["run-as-non-root-will-fail", "root-by-default/user-by-name"]),
    of(HADOLINT, "DL3067", &["build-residue/build-stage-shipped"]),
    of(HADOLINT, "DL4000", &["rejected-by-builder"]),
    of(HADOLINT, "DL4003", &["overridden-instruction"]),
    of(HADOLINT, "DL4004", &["overridden-instruction"]),
    of(HADOLINT, "DL4006", &["hidden-build-failure"]),
    of(HADOLINT, "DL4007", &["build-residue/context-copied-to-final"]),
    of(HADOLINT, "SC2154", &["undefined-build-variable"]),
    of(KUBE_LINTER, "access-to-create-pods", &["overpowered-service-account/escalating-role"]),
    of(KUBE_LINTER, "access-to-secrets", &["overpowered-service-account/escalating-role"]),
    of(
        KUBE_LINTER,
        "aggregate-to-admin-escalation",
        &[
            "overpowered-service-account/escalating-role",
            "overpowered-service-account/wildcard-role",
        ],
    ),
    of(
        KUBE_LINTER,
        "approve-signers-without-resource-names",
        &["overpowered-service-account/escalating-role"],
    ),
    of(
        KUBE_LINTER,
        "automount-service-account-token",
        &["unneeded-service-account-token", "unneeded-service-account-token/automounted-token"],
    ),
    of(KUBE_LINTER, "bind-verb-in-role", &["overpowered-service-account/escalating-role"]),
    of(
        KUBE_LINTER,
        "cluster-admin-role-binding",
        &["overpowered-service-account/cluster-admin-binding"],
    ),
    of(
        KUBE_LINTER,
        "cluster-wide-secrets-access",
        &["overpowered-service-account/escalating-role"],
    ),
    of(KUBE_LINTER, "configmap-with-credentials", &["secret-in-config-map"]),
    of(KUBE_LINTER, "container-runtime-sock", &["host-path-volume/container-socket-mount"]),
    of(
        KUBE_LINTER,
        "dangling-horizontalpodautoscaler",
        &["hpa-conflicts-with-workload/hpa-target-missing"],
    ),
    of(KUBE_LINTER, "dangling-ingress", &["dangling-ingress-backend"]),
    of(
        KUBE_LINTER,
        "dangling-networkpolicy",
        &["missing-network-policy/network-policy-selects-nothing"],
    ),
    of(
        KUBE_LINTER,
        "dangling-networkpolicy-rule",
        &["missing-network-policy/peer-selects-nothing"],
    ),
    of(
        KUBE_LINTER,
        "dangling-networkpolicypeer-podselector",
        &["missing-network-policy/peer-selects-nothing"],
    ),
    of(KUBE_LINTER, "dangling-service", &["service-selects-nothing"]),
    of(KUBE_LINTER, "dangling-servicemonitor", &["unresolved-scrape-port/monitor-selects-nothing"]),
    of(
        KUBE_LINTER,
        "default-service-account",
        &[
            "overpowered-service-account/default-service-account",
            "unneeded-service-account-token/automounted-token",
        ],
    ),
    of(KUBE_LINTER, "deprecated-service-account-field", &["removed-api-version/deprecated-field"]),
    of(KUBE_LINTER, "docker-sock", &["host-path-volume/container-socket-mount"]),
    of(KUBE_LINTER, "drop-net-raw-capability", &["excess-capabilities"]),
    of(KUBE_LINTER, "duplicate-env-var", &["duplicate-env"]),
    of(KUBE_LINTER, "duplicate-kinds", &["duplicate-object"]),
    of(KUBE_LINTER, "env-var-secret", &["secret-in-plain-env"]),
    of(KUBE_LINTER, "env-var-value-from", &["dangling-reference"]),
    of(KUBE_LINTER, "escalate-verb-in-role", &["overpowered-service-account/escalating-role"]),
    of(KUBE_LINTER, "exposed-services", &["unintended-exposure"]),
    of(KUBE_LINTER, "host-ipc", &["host-namespace"]),
    of(KUBE_LINTER, "host-network", &["host-namespace"]),
    of(KUBE_LINTER, "host-pid", &["host-namespace"]),
    of(
        KUBE_LINTER,
        "hpa-minimum-three-replicas",
        &["single-replica", "single-replica/single-worker"],
    ),
    of(KUBE_LINTER, "image-not-pinned-by-digest", &["floating-image-tag/unpinned-image"]),
    of(KUBE_LINTER, "image-sha", &["floating-image-tag/unpinned-image"]),
    of(
        KUBE_LINTER,
        "impersonate-without-resource-names",
        &["overpowered-service-account/escalating-role"],
    ),
    of(
        KUBE_LINTER,
        "init-container-security-gap",
        &[
            "privilege-escalation-allowed",
            "root-user",
            "excess-capabilities/capabilities-not-dropped",
        ],
    ),
    of(KUBE_LINTER, "invalid-target-ports", &["rejected-by-api-server", "unresolved-target-port"]),
    of(
        KUBE_LINTER,
        "kube-chainsaw-rbac",
        &[
            "overpowered-service-account/cluster-admin-binding",
            "overpowered-service-account/escalating-role",
            "overpowered-service-account/wildcard-role",
        ],
    ),
    of(KUBE_LINTER, "latest-tag", &["floating-image-tag"]),
    of(KUBE_LINTER, "liveness-port", &["unresolved-probe-port"]),
    of(KUBE_LINTER, "minimum-three-replicas", &["single-replica", "single-replica/single-worker"]),
    of(KUBE_LINTER, "mismatching-selector", &["rejected-by-api-server"]),
    of(
        KUBE_LINTER,
        "no-anti-affinity",
        &["missing-spread", "infeasible-spread/spread-selects-other-pods"],
    ),
    of(KUBE_LINTER, "no-extensions-v1beta", &["removed-api-version"]),
    of(KUBE_LINTER, "no-liveness-probe", &["missing-liveness-probe"]),
    of(KUBE_LINTER, "no-read-only-root-fs", &["writable-root-filesystem"]),
    of(KUBE_LINTER, "no-readiness-probe", &["missing-readiness-probe"]),
    of(
        KUBE_LINTER,
        "no-rolling-update-strategy",
        &["rolling-update-drops-capacity/recreate-strategy"],
    ),
    of(
        KUBE_LINTER,
        "no-startup-probe",
        &["startup-exceeds-probe-budget", "startup-exceeds-probe-budget/missing-startup-probe"],
    ),
    of(
        KUBE_LINTER,
        "non-existent-service-account",
        &["dangling-reference/missing-service-account"],
    ),
    of(KUBE_LINTER, "non-isolated-pod", &["missing-network-policy"]),
    of(
        KUBE_LINTER,
        "pdb-max-unavailable",
        &["pdb-blocks-drain", "ineffective-pdb/pdb-selects-nothing"],
    ),
    of(KUBE_LINTER, "pdb-min-available", &["pdb-blocks-drain"]),
    of(
        KUBE_LINTER,
        "pdb-unhealthy-pod-eviction-policy",
        &["ineffective-pdb/pdb-without-unhealthy-policy"],
    ),
    of(KUBE_LINTER, "pod-disruption-budget", &["missing-pdb", "pdb-blocks-drain"]),
    of(
        KUBE_LINTER,
        "priority-class-name",
        &["dangling-reference/unknown-priority-class", "dangling-reference/missing-priority-class"],
    ),
    of(
        KUBE_LINTER,
        "privilege-escalation-container",
        &[
            "privilege-escalation-allowed",
            "privileged-container",
            "excess-capabilities/dangerous-capability",
        ],
    ),
    of(KUBE_LINTER, "privileged-container", &["privileged-container"]),
    of(KUBE_LINTER, "privileged-ports", &["privileged-port"]),
    of(KUBE_LINTER, "probe-port", &["unresolved-probe-port"]),
    of(KUBE_LINTER, "read-secret-from-env-var", &["secret-in-plain-env/secret-as-env"]),
    of(KUBE_LINTER, "readiness-port", &["unresolved-probe-port"]),
    of(KUBE_LINTER, "restart-policy", &["rejected-by-api-server"]),
    of(KUBE_LINTER, "run-as-non-root", &["root-user", "run-as-non-root-will-fail"]),
    of(KUBE_LINTER, "schema-validation", &["rejected-by-api-server", "unknown-field"]),
    of(KUBE_LINTER, "sensitive-host-mounts", &["host-path-volume"]),
    of(KUBE_LINTER, "startup-port", &["unresolved-probe-port"]),
    of(
        KUBE_LINTER,
        "target-port-specification",
        &["rejected-by-api-server", "unresolved-target-port"],
    ),
    of(KUBE_LINTER, "unsafe-proc-mount", &["missing-seccomp-profile/unmasked-proc-mount"]),
    of(KUBE_LINTER, "unsafe-sysctls", &["missing-seccomp-profile/unsafe-sysctl"]),
    of(KUBE_LINTER, "unset-cpu-requirements", &["missing-resource-request"]),
    of(
        KUBE_LINTER,
        "unset-ephemeral-storage-requirements",
        &["missing-memory-limit/missing-ephemeral-storage-limit"],
    ),
    of(
        KUBE_LINTER,
        "unset-memory-requirements",
        &["missing-resource-request", "missing-memory-limit"],
    ),
    of(
        KUBE_LINTER,
        "upgrade-strategy",
        &["rolling-update-drops-capacity", "rolling-update-drops-capacity/recreate-strategy"],
    ),
    of(KUBE_LINTER, "volume-mounts", &["host-path-volume"]),
    of(
        KUBE_LINTER,
        "wildcard-in-rules",
        &[
            "overpowered-service-account/wildcard-role",
            "overpowered-service-account/wildcard-in-role",
        ],
    ),
    of(KUBE_LINTER, "wildcard-resource-verb-combo", &["overpowered-service-account/wildcard-role"]),
    of(KUBE_LINTER, "writable-host-mount", &["host-path-volume"]),
    of(
        KUBE_SCORE,
        "container-cpu-requests-equal-limits",
        &["missing-resource-request/not-guaranteed"],
    ),
    of(
        KUBE_SCORE,
        "container-ephemeral-storage-request-and-limit",
        &["missing-memory-limit/missing-ephemeral-storage-limit"],
    ),
    of(KUBE_SCORE, "container-image-pull-policy", &["floating-image-tag/mutable-tag-not-pulled"]),
    of(KUBE_SCORE, "container-image-tag", &["floating-image-tag"]),
    of(
        KUBE_SCORE,
        "container-memory-requests-equal-limits",
        &["missing-resource-request/not-guaranteed"],
    ),
    of(KUBE_SCORE, "container-ports-check", &["rejected-by-api-server"]),
    of(
        KUBE_SCORE,
        "container-resource-requests-equal-limits",
        &["missing-resource-request/not-guaranteed"],
    ),
    of(KUBE_SCORE, "container-resources", &["missing-resource-request", "missing-memory-limit"]),
    of(KUBE_SCORE, "container-seccomp-profile", &["missing-seccomp-profile"]),
    of(KUBE_SCORE, "container-security-context-privileged", &["privileged-container"]),
    of(
        KUBE_SCORE,
        "container-security-context-readonlyrootfilesystem",
        &["writable-root-filesystem"],
    ),
    of(KUBE_SCORE, "container-security-context-user-group-id", &["root-user/low-uid"]),
    of(KUBE_SCORE, "cronjob-restartpolicy", &["rejected-by-api-server"]),
    of(
        KUBE_SCORE,
        "deployment-has-host-podantiaffinity",
        &["missing-spread", "infeasible-spread/spread-selects-other-pods"],
    ),
    of(
        KUBE_SCORE,
        "deployment-has-poddisruptionbudget",
        &["missing-pdb", "missing-pdb/workers-without-pdb"],
    ),
    of(
        KUBE_SCORE,
        "deployment-pod-selector-labels-match-template-metadata-labels",
        &["rejected-by-api-server"],
    ),
    of(KUBE_SCORE, "deployment-replicas", &["single-replica", "single-replica/single-worker"]),
    of(KUBE_SCORE, "deployment-strategy", &["rolling-update-drops-capacity"]),
    of(
        KUBE_SCORE,
        "deployment-targeted-by-hpa-does-not-have-replicas-configured",
        &["hpa-conflicts-with-workload"],
    ),
    of(KUBE_SCORE, "environment-variable-key-duplication", &["duplicate-env"]),
    of(
        KUBE_SCORE,
        "horizontalpodautoscaler-has-target",
        &["hpa-conflicts-with-workload/hpa-target-missing"],
    ),
    of(
        KUBE_SCORE,
        "horizontalpodautoscaler-replicas",
        &["single-replica", "single-replica/single-worker"],
    ),
    of(
        KUBE_SCORE,
        "ingress-targets-service",
        &["dangling-ingress-backend", "rejected-by-api-server"],
    ),
    of(KUBE_SCORE, "label-values", &["rejected-by-api-server"]),
    of(
        KUBE_SCORE,
        "networkpolicy-targets-pod",
        &["missing-network-policy/network-policy-selects-nothing"],
    ),
    of(
        KUBE_SCORE,
        "pod-networkpolicy",
        &["missing-network-policy", "missing-network-policy/one-way-network-policy"],
    ),
    of(KUBE_SCORE, "pod-probes", &["missing-readiness-probe", "missing-liveness-probe"]),
    of(KUBE_SCORE, "pod-probes-identical", &["readiness-endpoint-as-liveness"]),
    of(
        KUBE_SCORE,
        "pod-topology-spread-constraints",
        &[
            "missing-spread",
            "infeasible-spread/spread-selects-other-pods",
            "rejected-by-api-server",
        ],
    ),
    of(KUBE_SCORE, "poddisruptionbudget-has-policy", &["ineffective-pdb", "pdb-blocks-drain"]),
    of(KUBE_SCORE, "service-targets-pod", &["service-selects-nothing"]),
    of(KUBE_SCORE, "service-type", &["unintended-exposure"]),
    of(KUBE_SCORE, "stable-version", &["removed-api-version"]),
    of(
        KUBE_SCORE,
        "statefulset-has-host-podantiaffinity",
        &["missing-spread", "infeasible-spread/spread-selects-other-pods"],
    ),
    of(
        KUBE_SCORE,
        "statefulset-has-poddisruptionbudget",
        &["missing-pdb", "missing-pdb/workers-without-pdb"],
    ),
    of(KUBE_SCORE, "statefulset-has-servicename", &["stateful-set-without-service"]),
    of(
        KUBE_SCORE,
        "statefulset-pod-selector-labels-match-template-metadata-labels",
        &["rejected-by-api-server"],
    ),
    of(POLARIS, "automountServiceAccountToken", &["unneeded-service-account-token"]),
    of(POLARIS, "clusterrolePodExecAttach", &["overpowered-service-account/escalating-role"]),
    of(
        POLARIS,
        "clusterrolebindingClusterAdmin",
        &[
            "overpowered-service-account/cluster-admin-binding",
            "overpowered-service-account/wildcard-role",
        ],
    ),
    of(
        POLARIS,
        "clusterrolebindingPodExecAttach",
        &["overpowered-service-account/escalating-role"],
    ),
    of(POLARIS, "cpuLimitsMissing", &["cpu-limit-policy"]),
    of(POLARIS, "cpuRequestsMissing", &["missing-resource-request/missing-cpu-request"]),
    of(POLARIS, "dangerousCapabilities", &["excess-capabilities/dangerous-capability"]),
    of(POLARIS, "deploymentMissingReplicas", &["single-replica", "single-replica/single-worker"]),
    of(
        POLARIS,
        "gatewayCrossNamespaceCertificateRef",
        &[
            "dangling-ingress-backend/reference-not-granted",
            "dangling-ingress-backend/missing-gateway-certificate",
        ],
    ),
    of(
        POLARIS,
        "gatewayTLSMissing",
        &["dangling-ingress-backend/listener-without-tls", "rejected-by-api-server"],
    ),
    of(POLARIS, "hostIPCSet", &["host-namespace"]),
    of(POLARIS, "hostNetworkSet", &["host-namespace"]),
    of(POLARIS, "hostPIDSet", &["host-namespace"]),
    of(POLARIS, "hostPathSet", &["host-path-volume"]),
    of(POLARIS, "hostPortSet", &["host-namespace/host-port"]),
    of(POLARIS, "hostProcess", &["pod-security-rejects/below-baseline"]),
    of(POLARIS, "hpaMaxAvailability", &["hpa-conflicts-with-workload/hpa-cannot-scale"]),
    of(POLARIS, "hpaMinAvailability", &["single-replica", "single-replica/single-worker"]),
    of(
        POLARIS,
        "httpRouteCrossNamespaceBackendRef",
        &["dangling-ingress-backend/reference-not-granted", "dangling-ingress-backend"],
    ),
    of(POLARIS, "insecureCapabilities", &["excess-capabilities/capabilities-not-dropped"]),
    of(
        POLARIS,
        "linuxHardening",
        &["missing-seccomp-profile", "excess-capabilities/capabilities-not-dropped"],
    ),
    of(POLARIS, "livenessProbeMissing", &["missing-liveness-probe"]),
    of(POLARIS, "memoryLimitsMissing", &["missing-memory-limit"]),
    of(POLARIS, "memoryRequestsMissing", &["missing-resource-request/missing-memory-request"]),
    of(
        POLARIS,
        "missingNetworkPolicy",
        &["missing-network-policy", "missing-network-policy/one-way-network-policy"],
    ),
    of(POLARIS, "missingPodDisruptionBudget", &["missing-pdb", "missing-pdb/workers-without-pdb"]),
    of(POLARIS, "notReadOnlyRootFilesystem", &["writable-root-filesystem"]),
    of(POLARIS, "pdbDisruptionsIsZero", &["pdb-blocks-drain"]),
    of(POLARIS, "pdbMinAvailableEqualToHPAMinReplicas", &["pdb-blocks-drain"]),
    of(POLARIS, "pdbMinAvailableGreaterThanHPAMaxReplicas", &["pdb-blocks-drain"]),
    of(POLARIS, "pdbMinAvailableGreaterThanHPAMinReplicas", &["pdb-blocks-drain"]),
    of(POLARIS, "priorityClassNotSet", &["dangling-reference/missing-priority-class"]),
    of(POLARIS, "privilegeEscalationAllowed", &["privilege-escalation-allowed"]),
    of(POLARIS, "procMount", &["missing-seccomp-profile/unmasked-proc-mount"]),
    of(POLARIS, "pullPolicyNotAlways", &["floating-image-tag/mutable-tag-not-pulled"]),
    of(POLARIS, "readinessProbeMissing", &["missing-readiness-probe"]),
    of(POLARIS, "rolePodExecAttach", &["overpowered-service-account/escalating-role"]),
    of(
        POLARIS,
        "rolebindingClusterAdminClusterRole",
        &[
            "overpowered-service-account/cluster-admin-binding",
            "overpowered-service-account/wildcard-role",
        ],
    ),
    of(
        POLARIS,
        "rolebindingClusterAdminRole",
        &[
            "overpowered-service-account/cluster-admin-binding",
            "overpowered-service-account/wildcard-role",
        ],
    ),
    of(
        POLARIS,
        "rolebindingClusterRolePodExecAttach",
        &["overpowered-service-account/escalating-role"],
    ),
    of(POLARIS, "rolebindingRolePodExecAttach", &["overpowered-service-account/escalating-role"]),
    of(POLARIS, "runAsPrivileged", &["privileged-container"]),
    of(POLARIS, "runAsRootAllowed", &["root-user"]),
    of(
        POLARIS,
        "sensitiveConfigmapContent",
        &["secret-in-config-map", "secret-in-config-map/placeholder-secret"],
    ),
    of(
        POLARIS,
        "sensitiveContainerEnvVar",
        &["secret-in-plain-env", "secret-in-plain-env/placeholder-secret"],
    ),
    of(POLARIS, "tagNotSpecified", &["floating-image-tag"]),
    of(POLARIS, "tlsSettingsMissing", &["dangling-ingress-backend/ingress-without-tls"]),
    of(POLARIS, "topologySpreadConstraint", &["missing-spread"]),
    of(TRIVY, "DS-0001", &["floating-build-input"]),
    of(TRIVY, "DS-0002", &["root-by-default", "root-user"]),
    of(TRIVY, "DS-0004", &["root-tool-in-build"]),
    of(TRIVY, "DS-0005", &["floating-build-input/remote-add"]),
    of(TRIVY, "DS-0006", &["rejected-by-builder"]),
    of(TRIVY, "DS-0007", &["overridden-instruction"]),
    of(TRIVY, "DS-0008", &["rejected-by-builder"]),
    of(TRIVY, "DS-0009", &["overridden-instruction/relative-workdir"]),
    of(TRIVY, "DS-0010", &["root-tool-in-build"]),
    of(TRIVY, "DS-0011", &["rejected-by-builder"]),
    of(TRIVY, "DS-0012", &["rejected-by-builder"]),
    of(TRIVY, "DS-0015", &["build-residue/package-manager-in-final-stage"]),
    of(TRIVY, "DS-0016", &["overridden-instruction"]),
    of(TRIVY, "DS-0017", &["floating-build-input/cached-package-lists"]),
    of(TRIVY, "DS-0019", &["build-residue/package-manager-in-final-stage"]),
    of(TRIVY, "DS-0020", &["build-residue/package-manager-in-final-stage"]),
    of(TRIVY, "DS-0021", &["rejected-by-builder/unanswered-question"]),
    of(TRIVY, "DS-0022", &["rejected-by-builder"]),
    of(TRIVY, "DS-0023", &["overridden-instruction"]),
    of(TRIVY, "DS-0024", &["build-residue/package-manager-in-final-stage"]),
    of(TRIVY, "DS-0025", &["build-residue/package-manager-in-final-stage"]),
    of(TRIVY, "DS-0027", &["build-residue/package-manager-in-final-stage"]),
    of(TRIVY, "DS-0029", &["build-residue/packages-in-final-stage"]),
    of(TRIVY, "DS-0030", &["overridden-instruction/mounted-over-workdir"]),
    of(TRIVY, "DS-0031", &["secret-in-build"]),
    of(TRIVY, "DS-0032", &["hidden-build-failure"]),
    of(TRIVY, "KSV-0001", &["privilege-escalation-allowed"]),
    of(TRIVY, "KSV-0002", &["pod-security-rejects/below-baseline"]),
    of(TRIVY, "KSV-0003", &["excess-capabilities/capabilities-not-dropped"]),
    of(TRIVY, "KSV-0004", &["excess-capabilities/capabilities-not-dropped"]),
    of(TRIVY, "KSV-0005", &["excess-capabilities/dangerous-capability"]),
    of(TRIVY, "KSV-0006", &["host-path-volume/container-socket-mount"]),
    of(TRIVY, "KSV-0008", &["host-namespace"]),
    of(TRIVY, "KSV-0009", &["host-namespace"]),
    of(TRIVY, "KSV-0010", &["host-namespace"]),
    of(TRIVY, "KSV-0011", &["cpu-limit-policy/missing-cpu-limit"]),
    of(TRIVY, "KSV-0012", &["root-user"]),
    of(TRIVY, "KSV-0013", &["floating-image-tag"]),
    of(TRIVY, "KSV-0014", &["writable-root-filesystem"]),
    of(TRIVY, "KSV-0015", &["missing-resource-request/missing-cpu-request"]),
    of(TRIVY, "KSV-0016", &["missing-resource-request/missing-memory-request"]),
    of(TRIVY, "KSV-0017", &["privileged-container"]),
    of(TRIVY, "KSV-0018", &["missing-memory-limit"]),
    of(TRIVY, "KSV-0020", &["root-user/low-uid"]),
    of(TRIVY, "KSV-0022", &["excess-capabilities/dangerous-capability"]),
    of(TRIVY, "KSV-0023", &["host-path-volume"]),
    of(TRIVY, "KSV-0024", &["host-namespace/host-port"]),
    of(TRIVY, "KSV-0025", &["pod-security-rejects/below-baseline"]),
    of(TRIVY, "KSV-0026", &["missing-seccomp-profile/unsafe-sysctl"]),
    of(TRIVY, "KSV-0027", &["missing-seccomp-profile/unmasked-proc-mount"]),
    of(TRIVY, "KSV-0030", &["missing-seccomp-profile"]),
    of(TRIVY, "KSV-0036", &["unneeded-service-account-token"]),
    of(TRIVY, "KSV-0041", &["overpowered-service-account/escalating-role"]),
    of(TRIVY, "KSV-0043", &["overpowered-service-account/escalating-role"]),
    of(TRIVY, "KSV-0044", &["overpowered-service-account/wildcard-role"]),
    of(TRIVY, "KSV-0045", &["overpowered-service-account/wildcard-in-role"]),
    of(TRIVY, "KSV-0046", &["overpowered-service-account/wildcard-in-role"]),
    of(TRIVY, "KSV-0047", &["overpowered-service-account/escalating-role"]),
    of(TRIVY, "KSV-0048", &["overpowered-service-account/escalating-role"]),
    of(TRIVY, "KSV-0053", &["overpowered-service-account/escalating-role"]),
    of(TRIVY, "KSV-0054", &["overpowered-service-account/escalating-role"]),
    of(TRIVY, "KSV-0103", &["pod-security-rejects/below-baseline"]),
    of(TRIVY, "KSV-0104", &["missing-seccomp-profile"]),
    of(TRIVY, "KSV-0105", &["root-user"]),
    of(TRIVY, "KSV-0106", &["excess-capabilities"]),
    of(TRIVY, "KSV-0107", &["removed-api-version"]),
    of(TRIVY, "KSV-0108", &["unintended-exposure"]),
    of(TRIVY, "KSV-0109", &["secret-in-config-map"]),
    of(TRIVY, "KSV-0111", &["overpowered-service-account/cluster-admin-binding"]),
    of(TRIVY, "KSV-0112", &["overpowered-service-account/wildcard-in-role"]),
    of(TRIVY, "KSV-0113", &["overpowered-service-account/escalating-role"]),
    of(TRIVY, "KSV-0114", &["overpowered-service-account/escalating-role"]),
    of(TRIVY, "KSV-0117", &["privileged-port"]),
    of(TRIVY, "KSV-0119", &["excess-capabilities"]),
    of(TRIVY, "KSV-0120", &["excess-capabilities/dangerous-capability"]),
    of(TRIVY, "KSV-0122", &["overpowered-service-account/role-for-everybody"]),
];

/// What other linters call by that name, whatever the case: `DL3025`, `latest-tag`,
/// `hadolint:DL3025`.
pub fn find(name: &str) -> impl Iterator<Item = &'static Known> + '_ {
    KNOWN.iter().filter(move |known| is_named(known.tool, known.name, name))
}

/// Whether a tool's check is meant by what was typed.
fn is_named(tool: &str, check: &str, typed: &str) -> bool {
    let (of, name) = match typed.split_once(':') {
        Some((of, name)) => (Some(of), name),
        None => (None, typed),
    };
    // As trivy called its checks for some years.
    let name = match name.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("AVD-") => name.get(4..).unwrap_or_default(),
        _ => name,
    };
    of.is_none_or(|of| of.eq_ignore_ascii_case(tool)) && check.eq_ignore_ascii_case(name)
}

/// What to write in place of another linter's name for a check.
pub fn instead(name: &str) -> Option<String> {
    let mut rules: Vec<&str> = find(name).flat_map(|known| known.rules).copied().collect();
    rules.sort_unstable();
    rules.dedup();
    let tools: Vec<&str> = find(name).map(|known| known.tool).collect();
    let (tool, known) = match find(name).next() {
        Some(first) => (tools.join("'s and "), first.name),
        None => {
            if let Some(refused) = refused(name).next() {
                // ShellCheck's are many under one reason.
                let typed = name.rsplit(':').next().unwrap_or_default().to_ascii_uppercase();
                let one = !refused.name.contains(' ');
                let (tool, check) = (refused.tool, if one { refused.name } else { typed.as_str() });
                return Some(format!(
                    "{tool}'s {check} has no rule here: `provost explain {check}` says why"
                ));
            }
            let (tool, name) = (shaped_like(name)?, name);
            return Some(format!(
                "{name} looks like one of {tool}'s names, and no rule answers to it"
            ));
        }
    };
    let rules: Vec<String> = rules.iter().map(|rule| format!("`{rule}`")).collect();
    Some(format!("{tool}'s {known} is {} here", rules.join(" or ")))
}

/// The linter whose names have a shape of their own.
fn shaped_like(name: &str) -> Option<&'static str> {
    let shapes = [
        ("CIS-DI-", DOCKLE),
        ("CKV2_", CHECKOV),
        ("CKV_", CHECKOV),
        ("DKL-", DOCKLE),
        ("KSV-", TRIVY),
        ("DL", HADOLINT),
        ("SC", HADOLINT),
    ];
    let begins = |(start, _): &&(&str, &str)| {
        let (head, rest) = name.split_at_checked(start.len()).unwrap_or_default();
        head.eq_ignore_ascii_case(start)
            && rest.ends_with(|c: char| c.is_ascii_digit())
            && (start.len() > 2 || rest.bytes().all(|b| b.is_ascii_digit()))
    };
    shapes.iter().find(begins).map(|(_, tool)| *tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_a_rule() {
        for known in KNOWN {
            for id in known.rules {
                let (id, variant) = id.split_once('/').map_or((*id, None), |(a, b)| (a, Some(b)));
                let rule = crate::rules::find(id);
                let rule = rule.unwrap_or_else(|| panic!("{}: no rule {id}", known.name));
                let has = |name| rule.variants.iter().any(|v| v.name == name);
                assert!(variant.is_none_or(has), "{}: {id} has no {variant:?}", known.name);
            }
        }
        let order = |known: &Known| (known.tool, known.name);
        assert!(KNOWN.is_sorted_by(|a, b| order(a) < order(b)), "two of one name, or out of order");
    }

    #[test]
    fn every_check_of_the_linters_is_answered_by_a_rule_or_a_reason() {
        let checks =
            include_str!("known_as/checks.txt").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for check in checks {
            let (tool, name) = check.split_once(' ').unwrap();
            let typed = format!("{tool}:{name}");
            let answers = find(&typed).count() + refused(&typed).count();
            assert_eq!(answers, 1, "{check} has so many answers");
            count += 1;
        }
        assert!(count > 300, "{count}");
    }

    #[test]
    fn reasons_name_rules_that_there_are() {
        let order = |refused: &Refused| (refused.tool, refused.name);
        assert!(
            REFUSED.is_sorted_by(|a, b| order(a) < order(b)),
            "two of one name, or out of order"
        );
        let mut named = 0;
        for refused in REFUSED {
            assert!(refused.why.ends_with('.'), "{}: no sentence", refused.name);
            for quoted in refused.why.split('`').skip(1).step_by(2) {
                let (id, variant) = quoted.split_once('/').unzip();
                let id = id.unwrap_or(quoted);
                // Fields, flags and values are quoted as well.
                let of_rule = |c: char| c.is_ascii_lowercase() || c == '-';
                if !id.contains('-') || !id.chars().all(of_rule) || id.starts_with('-') {
                    continue;
                }
                if id == "allow-snippet-annotations" {
                    continue;
                }
                let rule = crate::rules::find(id);
                let rule = rule.unwrap_or_else(|| panic!("{}: no rule {id}", refused.name));
                let has = |name: &str| rule.variants.iter().any(|v| v.name == name);
                assert!(variant.is_none_or(has), "{}: {id} has no {variant:?}", refused.name);
                named += 1;
            }
        }
        assert!(named > 10, "{named}");
    }

    #[test]
    fn names_are_found_with_and_without_their_tool() {
        let rules = |name| find(name).flat_map(|known| known.rules).copied().collect::<Vec<_>>();
        let both = ["malformed-exec-form", "shell-form-entrypoint"];
        assert_eq!(rules("dl3025"), both);
        assert_eq!(rules("hadolint:DL3025"), both);
        assert_eq!(rules("kube-linter:DL3025"), [""; 0]);
        assert_eq!(rules("AVD-KSV-0017"), ["privileged-container"]);
        assert_eq!(rules("trivy:avd-ds-0021"), ["rejected-by-builder/unanswered-question"]);
    }

    #[test]
    fn in_place_of_another_linters_name_the_rules_own_is_told() {
        let told = |name| instead(name).unwrap_or_default();
        assert_eq!(
            told("DL3025"),
            "hadolint's DL3025 is `malformed-exec-form` or `shell-form-entrypoint` here"
        );
        assert_eq!(
            told("container-image-tag"),
            "kube-score's container-image-tag is `floating-image-tag` here"
        );
        assert_eq!(told("ckv_k8s_16"), "checkov's CKV_K8S_16 is `privileged-container` here");
        for name in ["DL9999", "KSV-0007", "CKV_K8S_999", "CIS-DI-9999"] {
            assert!(told(name).ends_with("no rule answers to it"), "{name}: {}", told(name));
        }
        assert_eq!(
            told("sc2086"),
            "hadolint's SC2086 has no rule here: `provost explain SC2086` says why"
        );
        assert_eq!(
            told("ckv_k8s_21"),
            "checkov's CKV_K8S_21 has no rule here: `provost explain CKV_K8S_21` says why"
        );
        for name in ["single-replica", "DLx", "SCRAPE", "DL", "secret-2", ""] {
            assert_eq!(told(name), "", "{name}");
        }
    }
}
