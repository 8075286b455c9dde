//! API versions that the cluster does not serve.

use crate::case::ObjectCase;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const DEPRECATED: Variant = Variant::new(
    "deprecated-api-version",
    Level::Warn,
    "an API version that the newest of the cluster's minors does not serve",
);

/// `no matches for kind "Ingress" in version "extensions/v1beta1"`.
pub static RULE: Rule = Rule {
    id: "removed-api-version",
    group: Group::Input,
    level: Level::Deny,
    title: "an API version that no Kubernetes of the configured range serves",
    page: include_str!("removed-api-version.md"),
    needs: &[Need::Manifest],
    variants: &[DEPRECATED],
    judges_hooks: true,
    check: Check::Object(check),
    ..Rule::BASE
};

/// Version, kinds (all when empty), the first minor that does not serve it, what replaces it, and
/// whether only the version has to be rewritten.
///
/// Source: the deprecated API migration guide, and `APILifecycleRemoved` of the types in
/// k8s.io/api.
type Removed = (&'static str, &'static [&'static str], u16, &'static str, bool);

#[rustfmt::skip] // a table
const REMOVED: &[Removed] = &[
    ("extensions/v1beta1", &["Deployment", "DaemonSet", "ReplicaSet"], 16, "apps/v1", false),
    ("extensions/v1beta1", &["NetworkPolicy"], 16, "networking.k8s.io/v1", true),
    ("extensions/v1beta1", &["Ingress"], 22, "networking.k8s.io/v1", false),
    ("extensions/v1beta1", &["PodSecurityPolicy"], 16, "Pod Security admission", false),
    ("apps/v1beta1", &[], 16, "apps/v1", false),
    ("apps/v1beta2", &[], 16, "apps/v1", false),
    ("networking.k8s.io/v1beta1", &["Ingress", "IngressClass"], 22, "networking.k8s.io/v1", false),
    ("rbac.authorization.k8s.io/v1beta1", &[], 22, "rbac.authorization.k8s.io/v1", true),
    ("rbac.authorization.k8s.io/v1alpha1", &[], 22, "rbac.authorization.k8s.io/v1", true),
    ("scheduling.k8s.io/v1beta1", &[], 22, "scheduling.k8s.io/v1", true),
    ("admissionregistration.k8s.io/v1beta1", &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"], 22, "admissionregistration.k8s.io/v1", false),
    ("apiextensions.k8s.io/v1beta1", &[], 22, "apiextensions.k8s.io/v1", false),
    ("coordination.k8s.io/v1beta1", &["Lease"], 22, "coordination.k8s.io/v1", true),
    ("storage.k8s.io/v1beta1", &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"], 22, "storage.k8s.io/v1", true),
    ("batch/v1beta1", &["CronJob"], 25, "batch/v1", true),
    ("batch/v2alpha1", &["CronJob"], 21, "batch/v1", true),
    ("policy/v1beta1", &["PodDisruptionBudget"], 25, "policy/v1", false),
    ("policy/v1beta1", &["PodSecurityPolicy"], 25, "Pod Security admission", false),
    ("discovery.k8s.io/v1beta1", &["EndpointSlice"], 25, "discovery.k8s.io/v1", false),
    ("node.k8s.io/v1beta1", &["RuntimeClass"], 25, "node.k8s.io/v1", true),
    ("autoscaling/v2beta1", &[], 25, "autoscaling/v2", false),
    ("autoscaling/v2beta2", &[], 26, "autoscaling/v2", true),
    ("flowcontrol.apiserver.k8s.io/v1beta1", &[], 26, "flowcontrol.apiserver.k8s.io/v1", false),
    ("flowcontrol.apiserver.k8s.io/v1beta2", &[], 29, "flowcontrol.apiserver.k8s.io/v1", false),
    ("flowcontrol.apiserver.k8s.io/v1beta3", &[], 32, "flowcontrol.apiserver.k8s.io/v1", false),
    ("storage.k8s.io/v1beta1", &["CSIStorageCapacity"], 27, "storage.k8s.io/v1", true),
];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let version = &meta.api_version;
    let kind = meta.kind.value.as_str();
    if version.value.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let row = REMOVED.iter().find(|(removed, kinds, ..)| {
        *removed == version.value && (kinds.is_empty() || kinds.contains(&kind))
    });
    let Some((_, _, minor, instead, same)) = row else { return Ok(()) };
    let (oldest, newest) = case.world().settings.kubernetes();
    let fix = Fix::suggest(format!("write {instead}, and look at the fields that changed"));
    let fix = if *same {
        Fix::safe(format!("write {instead}: nothing else changes"))
            .replace(&version.origin, *instead)
    } else if kind == "PodDisruptionBudget" {
        Fix::suggest(format!("write {instead}; an empty selector now selects every pod"))
            .replace(&version.origin, *instead)
    } else {
        fix
    };
    if *minor <= oldest {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{kind} of {} is not served since Kubernetes 1.{minor}: `no matches for kind \
                     \"{kind}\" in version \"{}\"`",
                    version.value, version.value
                ),
                &version.origin,
                "not served",
            )
            .fix(fix),
        );
    } else if *minor <= newest {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{kind} of {} is served by Kubernetes 1.{oldest} and not by 1.{minor}",
                    version.value
                ),
                &version.origin,
                "gone within the configured range",
            )
            .variant(&DEPRECATED)
            .fix(fix),
        );
    }
    Ok(())
}
