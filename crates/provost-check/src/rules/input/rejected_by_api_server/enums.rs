//! Values that are one of a few words.

use super::{RULE, is_placeholder};
use crate::facts::document::Node;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::model::schema::Structure;

/// Structures, their fields and the words that validation takes there: the sets named `supported...`
/// in pkg/apis/*/validation of Kubernetes v1.37.2. The published schema says "string" of all of them
/// (hack/update-openapi-spec.sh turns OpenAPIEnums off). Where a release knows fewer, the word of the
/// newest passes.
const WORDS: &[(&str, &str, &[&str])] = &[
    ("AppArmorProfile", "type", PROFILES),
    ("CSIDriverSpec", "fsGroupPolicy", &["ReadWriteOnceWithFSType", "File", "None"]),
    ("CSIDriverSpec", "volumeLifecycleModes", &["Persistent", "Ephemeral"]),
    ("Container", "imagePullPolicy", PULL),
    ("Container", "restartPolicy", RESTART),
    ("Container", "terminationMessagePolicy", &["File", "FallbackToLogsOnError"]),
    ("ContainerPort", "protocol", PROTOCOLS),
    ("ContainerResizePolicy", "resourceName", &["cpu", "memory"]),
    ("ContainerResizePolicy", "restartPolicy", &["NotRequired", "RestartContainer"]),
    ("CronJobSpec", "concurrencyPolicy", &["Allow", "Forbid", "Replace"]),
    ("CustomResourceDefinitionSpec", "scope", &["Cluster", "Namespaced"]),
    ("DaemonSetUpdateStrategy", "type", &["RollingUpdate", "OnDelete"]),
    ("DeploymentStrategy", "type", &["RollingUpdate", "Recreate"]),
    ("EndpointPort", "protocol", PROTOCOLS),
    ("GRPCAction", "mode", &["Plaintext", "TLS"]),
    ("HPAScalingPolicy", "type", &["Percent", "Pods"]),
    ("HPAScalingRules", "selectPolicy", &["Disabled", "Max", "Min"]),
    ("HTTPGetAction", "protocol", &["HTTP1", "HTTP2"]),
    ("HTTPGetAction", "scheme", &["HTTP", "HTTPS"]),
    ("HTTPIngressPath", "pathType", &["Exact", "ImplementationSpecific", "Prefix"]),
    (
        "HostPathVolumeSource",
        "type",
        &[
            "DirectoryOrCreate",
            "Directory",
            "FileOrCreate",
            "File",
            "Socket",
            "CharDevice",
            "BlockDevice",
        ],
    ),
    ("ImageVolumeSource", "pullPolicy", PULL),
    ("IngressClassParametersReference", "scope", &["Cluster", "Namespace"]),
    ("JobSpec", "completionMode", &["NonIndexed", "Indexed"]),
    ("JobSpec", "podReplacementPolicy", &["TerminatingOrFailed", "Failed"]),
    ("LabelSelectorRequirement", "operator", OPERATORS),
    ("MatchResources", "matchPolicy", MATCH),
    ("MetricSpec", "type", &["ContainerResource", "External", "Object", "Pods", "Resource"]),
    ("MetricTarget", "type", &["Utilization", "Value", "AverageValue"]),
    ("MutatingAdmissionPolicySpec", "failurePolicy", FAILURE),
    ("MutatingAdmissionPolicySpec", "reinvocationPolicy", REINVOCATION),
    ("MutatingWebhook", "failurePolicy", FAILURE),
    ("MutatingWebhook", "matchPolicy", MATCH),
    ("MutatingWebhook", "reinvocationPolicy", REINVOCATION),
    ("MutatingWebhook", "sideEffects", SIDE_EFFECTS),
    ("Mutation", "patchType", &["ApplyConfiguration", "JSONPatch"]),
    ("NamedRuleWithOperations", "operations", OPERATIONS),
    ("NamedRuleWithOperations", "scope", SCOPES),
    ("NetworkPolicyPort", "protocol", PROTOCOLS),
    ("NetworkPolicySpec", "policyTypes", &["Ingress", "Egress"]),
    ("NodeSelectorRequirement", "operator", &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
    ("ParamRef", "parameterNotFoundAction", &["Allow", "Deny"]),
    ("PersistentVolumeClaimSpec", "accessModes", ACCESS),
    ("PersistentVolumeClaimSpec", "volumeMode", VOLUME),
    ("PersistentVolumeSpec", "accessModes", ACCESS),
    ("PersistentVolumeSpec", "persistentVolumeReclaimPolicy", &["Delete", "Recycle", "Retain"]),
    ("PersistentVolumeSpec", "volumeMode", VOLUME),
    ("PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy", &["IfHealthyBudget", "AlwaysAllow"]),
    ("PodFailurePolicyOnExitCodesRequirement", "operator", &["In", "NotIn"]),
    ("PodFailurePolicyRule", "action", &["FailJob", "FailIndex", "Ignore", "Count"]),
    ("PodOS", "name", &["linux", "windows"]),
    ("PodSecurityContext", "fsGroupChangePolicy", &["OnRootMismatch", "Always"]),
    ("PodSecurityContext", "seLinuxChangePolicy", &["Recursive", "MountOption"]),
    ("PodSecurityContext", "supplementalGroupsPolicy", &["Merge", "Strict"]),
    ("PodSpec", "dnsPolicy", &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    ("PodSpec", "preemptionPolicy", PREEMPTION),
    ("PodSpec", "restartPolicy", RESTART),
    ("PriorityClass", "preemptionPolicy", PREEMPTION),
    ("ResourceQuotaSpec", "scopes", QUOTA),
    ("RuleWithOperations", "operations", OPERATIONS),
    ("RuleWithOperations", "scope", SCOPES),
    ("ScopedResourceSelectorRequirement", "operator", OPERATORS),
    ("ScopedResourceSelectorRequirement", "scopeName", QUOTA),
    ("SeccompProfile", "type", PROFILES),
    ("SecurityContext", "procMount", &["Default", "Unmasked"]),
    ("ServicePort", "protocol", PROTOCOLS),
    ("ServiceSpec", "externalTrafficPolicy", &["Cluster", "Local"]),
    ("ServiceSpec", "internalTrafficPolicy", &["Cluster", "Local"]),
    ("ServiceSpec", "ipFamilies", &["IPv4", "IPv6"]),
    ("ServiceSpec", "ipFamilyPolicy", &["PreferDualStack", "RequireDualStack", "SingleStack"]),
    ("ServiceSpec", "sessionAffinity", &["ClientIP", "None"]),
    // The last two came with 1.33.
    ("ServiceSpec", "trafficDistribution", &["PreferClose", "PreferSameNode", "PreferSameZone"]),
    ("ServiceSpec", "type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenDeleted", &["Delete", "Retain"]),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenScaled", &["Delete", "Retain"]),
    ("StatefulSetSpec", "podManagementPolicy", &["OrderedReady", "Parallel"]),
    // Recreate is behind the gate StatefulSetRecreateStrategy, which is off up to 1.37.
    ("StatefulSetUpdateStrategy", "type", &["RollingUpdate", "OnDelete"]),
    ("StorageClass", "reclaimPolicy", &["Delete", "Retain"]),
    ("StorageClass", "volumeBindingMode", &["Immediate", "WaitForFirstConsumer"]),
    ("Subject", "kind", &["Group", "ServiceAccount", "User"]),
    ("Taint", "effect", EFFECTS),
    ("Toleration", "effect", EFFECTS),
    // The last two are behind a gate.
    ("Toleration", "operator", &["Equal", "Exists", "Gt", "Lt"]),
    ("TopologySpreadConstraint", "nodeAffinityPolicy", &["Honor", "Ignore"]),
    ("TopologySpreadConstraint", "nodeTaintsPolicy", &["Honor", "Ignore"]),
    ("TopologySpreadConstraint", "whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]),
    ("ValidatingAdmissionPolicyBindingSpec", "validationActions", &["Audit", "Deny", "Warn"]),
    ("ValidatingAdmissionPolicySpec", "failurePolicy", FAILURE),
    ("ValidatingWebhook", "failurePolicy", FAILURE),
    ("ValidatingWebhook", "matchPolicy", MATCH),
    ("ValidatingWebhook", "sideEffects", SIDE_EFFECTS),
    ("VolumeMount", "mountPropagation", &["Bidirectional", "HostToContainer", "None"]),
    ("VolumeMount", "recursiveReadOnly", &["Disabled", "Enabled", "IfPossible"]),
];

const PROFILES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];
const PULL: &[&str] = &["Always", "IfNotPresent", "Never"];
const RESTART: &[&str] = &["Always", "OnFailure", "Never"];
const PREEMPTION: &[&str] = &["Never", "PreemptLowerPriority"];
const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "PreferNoSchedule"];
const OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist"];
const VOLUME: &[&str] = &["Block", "Filesystem"];
const FAILURE: &[&str] = &["Fail", "Ignore"];
const MATCH: &[&str] = &["Equivalent", "Exact"];
const REINVOCATION: &[&str] = &["IfNeeded", "Never"];
/// `Some` and `Unknown` went with v1beta1 (`noSideEffectClasses`).
const SIDE_EFFECTS: &[&str] = &["None", "NoneOnDryRun"];
const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const SCOPES: &[&str] = &["*", "Cluster", "Namespaced"];
const QUOTA: &[&str] = &[
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];
const ACCESS: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// Findings of one object; a file of garbage has as many as lines.
const MOST: usize = 50;

/// Looks at the words of one mapping.
pub(super) fn mapping(node: Node<'_>, structure: &'static Structure, found: &mut Vec<Finding>) {
    if found.len() >= MOST {
        return;
    }
    let first = WORDS.partition_point(|(name, ..)| *name < structure.name);
    let own = WORDS.iter().skip(first).take_while(|(name, ..)| *name == structure.name);
    for (_, field, words) in own {
        // Few of them are there, and what is there is of the structure nearly always.
        let Some(value) = node.get(field).filter(|_| structure.field(field).is_some()) else {
            continue;
        };
        if value.is_sequence() {
            value.items().for_each(|item| word(field, item, words, found));
        } else {
            word(field, value, words, found);
        }
    }
}

fn word(field: &str, node: Node<'_>, words: &[&'static str], found: &mut Vec<Finding>) {
    let Some(text) = node.as_str() else { return };
    // Nothing is what the default stands for; a number or a truth is of the wrong type.
    let is_text = matches!(node.scalar_kind(), Some(crate::facts::document::ScalarKind::Str));
    if !is_text || text.is_empty() || words.contains(&text) || unclear(text) {
        return;
    }
    let message = format!("{field} `{text}` is not supported: {}", one_of(words));
    let finding = Finding::new(&RULE, message, &node.origin(), "refused");
    let same = words.iter().copied().find(|word| word.eq_ignore_ascii_case(text));
    let near = || nearest(text, words.iter().copied(), 2);
    found.push(match (same, near()) {
        (Some(same), _) => {
            finding.fix(Fix::safe(format!("write {same}")).replace(&node.origin(), same.to_owned()))
        }
        (None, Some(near)) => finding.fix(
            Fix::suggest(format!("did you mean {near}?")).replace(&node.origin(), near.to_owned()),
        ),
        (None, None) => finding,
    });
}

fn unclear(text: &str) -> bool {
    is_placeholder(text) || text.contains(['{', '}'])
}

fn one_of(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::WORDS;

    #[test]
    fn the_table_is_sorted_by_structure() {
        assert!(WORDS.is_sorted_by_key(|(structure, field, _)| (*structure, *field)));
    }

    /// A structure or field that is renamed would fall silent.
    #[test]
    fn the_schema_has_them() {
        let kinds = [
            ("apps/v1", "Deployment"),
            ("apps/v1", "StatefulSet"),
            ("apps/v1", "DaemonSet"),
            ("batch/v1", "CronJob"),
            ("v1", "Service"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("networking.k8s.io/v1", "Ingress"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("policy/v1", "PodDisruptionBudget"),
            ("v1", "PersistentVolume"),
            ("v1", "ResourceQuota"),
            ("v1", "Node"),
            ("storage.k8s.io/v1", "StorageClass"),
            ("storage.k8s.io/v1", "CSIDriver"),
            ("scheduling.k8s.io/v1", "PriorityClass"),
            ("networking.k8s.io/v1", "IngressClass"),
            ("discovery.k8s.io/v1", "EndpointSlice"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"),
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
        ];
        let seen = super::super::structures_of(&kinds);
        for (name, field, _) in WORDS {
            let has = seen.iter().any(|s| s.name == *name && s.field(field).is_some());
            assert!(has, "{name}.{field}");
        }
    }
}
