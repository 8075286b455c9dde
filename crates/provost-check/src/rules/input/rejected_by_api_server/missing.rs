//! Fields that the API server wants and that are not there.
//!
//! The published schema marks as required what Go does not omit, which validation does not always
//! ask for. These are the ones it does (pkg/apis/*/validation of Kubernetes v1.37.2: `field.Required`),
//! and nothing fills in before (pkg/apis/*/defaults.go). Patches name a few fields only: inside of a
//! pod template the rest has to look whole, outside only what a patch brings whole counts: entries of
//! lists that have no key to be merged by, and the fields by which entries are merged.

use super::super::unknown_field::near;
use super::{RULE, first_of_whole, is_alone, is_token};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::objects::Object;
use crate::facts::workload::{ContainerRole, Workload, WorkloadKind};
use crate::findings::Finding;
use crate::model::schema::Structure;
use crate::rules::rule::Findings;

/// Structures with the fields that are asked for.
const SURE: &[(&str, &[&str])] = &[
    ("CSIVolumeSource", &["driver"]),
    ("ConfigMapKeySelector", &["key"]),
    ("ContainerPort", &["containerPort"]),
    ("ContainerResourceMetricSource", &["container", "name", "target"]),
    ("CronJobSpec", &["schedule"]),
    ("CrossVersionObjectReference", &["kind", "name"]),
    ("DownwardAPIVolumeFile", &["path"]),
    ("EnvVar", &["name"]),
    ("GRPCAction", &["port"]),
    ("HPAScalingPolicy", &["periodSeconds", "type", "value"]),
    ("HTTPGetAction", &["port"]),
    ("HTTPHeader", &["name"]),
    ("HTTPIngressPath", &["backend", "pathType"]),
    ("HTTPIngressRuleValue", &["paths"]),
    ("HorizontalPodAutoscalerSpec", &["maxReplicas"]),
    ("HostPathVolumeSource", &["path"]),
    ("IngressServiceBackend", &["name"]),
    ("KeyToPath", &["key", "path"]),
    ("LabelSelectorRequirement", &["key", "operator"]),
    ("MetricSpec", &["type"]),
    ("MetricTarget", &["type"]),
    ("MutatingWebhook", &["admissionReviewVersions", "sideEffects"]),
    ("NFSVolumeSource", &["path", "server"]),
    ("NodeSelector", &["nodeSelectorTerms"]),
    ("NodeSelectorRequirement", &["key", "operator"]),
    ("ObjectFieldSelector", &["fieldPath"]),
    ("PersistentVolumeClaimVolumeSource", &["claimName"]),
    ("PodAffinityTerm", &["topologyKey"]),
    ("PodReadinessGate", &["conditionType"]),
    ("PolicyRule", &["verbs"]),
    ("PreferredSchedulingTerm", &["preference", "weight"]),
    ("ResourceFieldSelector", &["resource"]),
    ("ResourceMetricSource", &["name", "target"]),
    ("RoleRef", &["kind", "name"]),
    ("SeccompProfile", &["type"]),
    ("SecretKeySelector", &["key"]),
    ("ServiceAccountTokenProjection", &["path"]),
    ("ServicePort", &["port"]),
    ("Subject", &["kind", "name"]),
    ("Sysctl", &["name"]),
    ("TCPSocketAction", &["port"]),
    ("TopologySpreadConstraint", &["maxSkew", "topologyKey", "whenUnsatisfiable"]),
    ("ValidatingWebhook", &["admissionReviewVersions", "sideEffects"]),
    ("Volume", &["name"]),
    ("VolumeDevice", &["devicePath", "name"]),
    ("VolumeMount", &["mountPath", "name"]),
    ("WeightedPodAffinityTerm", &["podAffinityTerm", "weight"]),
];

/// Structures of which a patch may bring a part, and the fields whose presence says that this is the
/// whole.
const WITNESSES: &[(&str, &[&str])] = &[
    ("CronJobSpec", &["jobTemplate"]),
    ("CrossVersionObjectReference", &["apiVersion"]),
    ("HorizontalPodAutoscalerSpec", &["scaleTargetRef"]),
    ("MutatingWebhook", &["clientConfig", "rules"]),
    ("RoleRef", &["apiGroup"]),
    ("ValidatingWebhook", &["clientConfig", "rules"]),
];

/// Findings of one object; a file of garbage has as many as lines.
const MOST: usize = 50;

/// Whether the pod template looks like all of one.
fn is_whole(workload: &Workload) -> bool {
    let pod = &workload.pod;
    let mut mains = pod.containers.iter().filter(|c| c.role == ContainerRole::Main).peekable();
    mains.peek().is_some()
        && mains.all(|c| c.image.is_some() && c.name.is_some())
        && (!pod.labels.is_empty()
            || workload.kind == WorkloadKind::Pod
            || workload.kind.is_batch())
}

/// apps/v1 makes no selector out of the template's labels, as its betas did.
fn selector(object: &Object, workload: &Workload, out: &mut Findings) {
    let kinds = [
        WorkloadKind::Deployment,
        WorkloadKind::StatefulSet,
        WorkloadKind::DaemonSet,
        WorkloadKind::ReplicaSet,
    ];
    let missing = workload.selector.is_none() && kinds.contains(&workload.kind);
    if !missing || object.meta.api_version.value != "apps/v1" || object.meta.name.is_none() {
        return;
    }
    let Some((spec, node)) = object.node().get_entry("spec") else { return };
    // Written, and not a selector: told as a wrong type.
    if node.get("selector").is_some() {
        return;
    }
    let mut finding = Finding::new(
        &RULE,
        format!("spec.selector of a {} is required", object.meta.kind.value),
        &spec.origin(),
        "has no selector",
    );
    if let Some((label, _)) = workload.pod.labels.0.first() {
        finding = finding.also(&label.origin, "it would have to match labels of the template");
    }
    out.push(finding);
}

/// What is missing in one object.
pub(super) struct Missing<'c, 'w> {
    case: &'c ObjectCase<'w>,
    found: Vec<Finding>,
    /// Nothing is asked of a part of a workload.
    asked: bool,
    /// The object is no part that kustomize completes, and its pods look whole.
    whole: bool,
    /// The object is no part that kustomize completes.
    alone: bool,
}

impl<'c, 'w> Missing<'c, 'w> {
    pub(super) fn new(case: &'c ObjectCase<'w>) -> Self {
        let workload = case.object.workload();
        // Where kustomize has a hand in it, another file may bring the rest.
        let alone = is_alone(case);
        let whole = workload.is_some_and(is_whole);
        let asked = whole || workload.is_none();
        Self { case, found: Vec::new(), asked, whole: whole && alone, alone }
    }

    /// Looks at one mapping.
    pub(super) fn mapping(&mut self, node: Node<'_>, structure: &'static Structure, in_pod: bool) {
        if self.asked && self.found.len() < MOST && (self.whole || !in_pod) {
            self.own(node, structure);
        }
    }

    /// Hands out what was found.
    pub(super) fn finish(self, out: &mut Findings) {
        out.found.extend(self.found);
        let object = self.case.object;
        if let Some(workload) = object.workload().filter(|_| self.whole) {
            selector(object, workload, out);
        }
    }

    fn own(&mut self, node: Node<'_>, structure: &'static Structure) {
        let Ok(at) = SURE.binary_search_by(|(name, _)| name.cmp(&structure.name)) else { return };
        let Some((_, wanted)) = SURE.get(at) else { return };
        let Some(first) = first_of_whole(node) else { return };
        let witness = WITNESSES.iter().find(|(name, _)| *name == structure.name);
        if witness.is_some_and(|(_, all)| !all.iter().all(|key| node.get(key).is_some())) {
            return;
        }
        for name in wanted.iter().filter(|name| node.get(name).is_none()) {
            // What the schema of the release at hand does not have cannot be missing.
            if !structure.field(name).is_some_and(|field| field.required) {
                continue;
            }
            // A key without a value is null, which Go decodes as if nothing were there.
            let written =
                node.entries().map(|(key, _)| key).find(|key| key.as_str() == Some(*name));
            // A key that is none because of a slip is told of by `unknown-field`.
            let slip =
                |key: &str| structure.field(key).is_none() && near(structure, key) == Some(*name);
            if written.is_some_and(|key| !self.alone || is_token(self.case, key))
                || node.entries().any(|(key, _)| key.as_str().is_some_and(slip))
            {
                continue;
            }
            let vowel = structure.name.starts_with(['A', 'E', 'I', 'O', 'U']);
            self.found.push(Finding::new(
                &RULE,
                format!(
                    "`{name}` of {} {} is required{}",
                    if vowel { "an" } else { "a" },
                    structure.name,
                    if written.is_some() { ", and null is nothing" } else { "" }
                ),
                &written.unwrap_or(first).origin(),
                if written.is_some() { "has no value".to_owned() } else { format!("no {name}") },
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SURE, WITNESSES};

    #[test]
    fn tables_are_sorted_and_witnesses_belong_to_them() {
        assert!(SURE.is_sorted());
        assert!(WITNESSES.is_sorted());
        for (name, _) in WITNESSES {
            assert!(SURE.iter().any(|(sure, _)| sure == name), "{name}");
        }
    }

    /// A structure that is renamed, or a field that is required no more, would fall silent.
    #[test]
    fn the_schema_wants_them_too() {
        let kinds = [
            ("apps/v1", "Deployment"),
            ("batch/v1", "CronJob"),
            ("v1", "Service"),
            ("v1", "PersistentVolume"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("networking.k8s.io/v1", "Ingress"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
        ];
        let seen = super::super::structures_of(&kinds);
        for (name, fields) in SURE {
            let mut all = seen.iter().filter(|structure| structure.name == *name).peekable();
            assert!(all.peek().is_some(), "no {name}");
            let structures: Vec<_> = all.collect();
            for field in *fields {
                let wanted = |s: &&&&crate::model::schema::Structure| {
                    s.field(field).is_some_and(|field| field.required)
                };
                assert!(structures.iter().any(|s| wanted(&s)), "{name}.{field}");
            }
        }
    }
}
