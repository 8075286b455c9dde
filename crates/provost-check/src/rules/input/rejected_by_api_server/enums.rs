//! Values that are one of a few words.

use super::{RULE, is_placeholder};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::model::schema::{self, Known, Structure};
use crate::rules::rule::Findings;

/// Structures, their fields and the words that validation takes there: the sets named `supported...`
/// in pkg/apis/*/validation of Kubernetes v1.37.2. The published schema says "string" of all of them.
const WORDS: &[(&str, &str, &[&str])] = &[
    ("AppArmorProfile", "type", &["Localhost", "RuntimeDefault", "Unconfined"]),
    ("Container", "imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
    ("Container", "terminationMessagePolicy", &["File", "FallbackToLogsOnError"]),
    ("ContainerPort", "protocol", PROTOCOLS),
    ("CronJobSpec", "concurrencyPolicy", &["Allow", "Forbid", "Replace"]),
    ("DaemonSetUpdateStrategy", "type", &["RollingUpdate", "OnDelete"]),
    ("DeploymentStrategy", "type", &["RollingUpdate", "Recreate"]),
    ("HPAScalingPolicy", "type", &["Percent", "Pods"]),
    ("HPAScalingRules", "selectPolicy", &["Disabled", "Max", "Min"]),
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
    ("JobSpec", "completionMode", &["NonIndexed", "Indexed"]),
    ("LabelSelectorRequirement", "operator", &["In", "NotIn", "Exists", "DoesNotExist"]),
    ("MetricSpec", "type", &["ContainerResource", "External", "Object", "Pods", "Resource"]),
    ("MetricTarget", "type", &["Utilization", "Value", "AverageValue"]),
    ("NetworkPolicyPort", "protocol", PROTOCOLS),
    ("NetworkPolicySpec", "policyTypes", &["Ingress", "Egress"]),
    ("NodeSelectorRequirement", "operator", &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
    ("PersistentVolumeClaimSpec", "accessModes", ACCESS),
    ("PersistentVolumeClaimSpec", "volumeMode", &["Block", "Filesystem"]),
    ("PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy", &["IfHealthyBudget", "AlwaysAllow"]),
    ("PodSpec", "dnsPolicy", &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    ("PodSpec", "preemptionPolicy", &["Never", "PreemptLowerPriority"]),
    ("PodSpec", "restartPolicy", &["Always", "OnFailure", "Never"]),
    ("SeccompProfile", "type", &["Localhost", "RuntimeDefault", "Unconfined"]),
    ("ServicePort", "protocol", PROTOCOLS),
    ("ServiceSpec", "externalTrafficPolicy", &["Cluster", "Local"]),
    ("ServiceSpec", "internalTrafficPolicy", &["Cluster", "Local"]),
    ("ServiceSpec", "ipFamilies", &["IPv4", "IPv6"]),
    ("ServiceSpec", "ipFamilyPolicy", &["PreferDualStack", "RequireDualStack", "SingleStack"]),
    ("ServiceSpec", "sessionAffinity", &["ClientIP", "None"]),
    ("ServiceSpec", "type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
    ("StatefulSetSpec", "podManagementPolicy", &["OrderedReady", "Parallel"]),
    // Recreate is behind a gate that is off.
    ("StatefulSetUpdateStrategy", "type", &["RollingUpdate", "OnDelete", "Recreate"]),
    ("Toleration", "effect", &["NoExecute", "NoSchedule", "PreferNoSchedule"]),
    // The last two are behind a gate.
    ("Toleration", "operator", &["Equal", "Exists", "Gt", "Lt"]),
    ("TopologySpreadConstraint", "whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]),
    ("VolumeMount", "mountPropagation", &["Bidirectional", "HostToContainer", "None"]),
];

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];
const ACCESS: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// Findings of one object; a file of garbage has as many as lines.
const MOST: usize = 50;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let meta = &case.object.meta;
    let Known::Kind(kind) = schema::find(&meta.api_version.value, &meta.kind.value) else { return };
    if let Some(structure) = kind.structure() {
        let mut found = Vec::new();
        mapping(case.object.node(), structure, &mut found);
        out.found.append(&mut found);
    }
}

// The loader bounds how deep values are nested and what aliases expand to.
fn mapping(node: Node<'_>, structure: &'static Structure, found: &mut Vec<Finding>) {
    if found.len() >= MOST {
        return;
    }
    let first = WORDS.partition_point(|(name, ..)| *name < structure.name);
    let own = WORDS.iter().skip(first).take_while(|(name, ..)| *name == structure.name);
    for (_, field, words) in own.filter(|(_, field, _)| structure.field(field).is_some()) {
        let Some(value) = node.get(field) else { continue };
        if value.is_sequence() {
            value.items().for_each(|item| word(field, item, words, found));
        } else {
            word(field, value, words, found);
        }
    }
    for (key, value) in node.entries() {
        let name = key.as_str().unwrap_or_default();
        if name == "status" && structure.field("metadata").is_some() {
            continue;
        }
        let Some(inner) = structure.field(name).and_then(|field| field.structure()) else {
            continue;
        };
        if value.is_mapping() {
            mapping(value, inner, found);
        }
        for item in value.items().filter(|item| item.is_mapping()) {
            mapping(item, inner, found);
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
        ];
        let seen = super::super::structures_of(&kinds);
        for (name, field, _) in WORDS {
            let has = seen.iter().any(|s| s.name == *name && s.field(field).is_some());
            assert!(has, "{name}.{field}");
        }
    }
}
