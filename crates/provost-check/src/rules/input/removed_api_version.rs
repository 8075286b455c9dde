//! API versions that the cluster does not serve.

use crate::case::ObjectCase;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::removed_apis;
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

/// Kinds whose fields are the same under the version that replaces it, so that only the version has
/// to be rewritten (the deprecated API migration guide: "no notable changes"), and the first minor
/// that serves the other one (`APILifecycleIntroduced` of k8s.io/api v0.37.2).
const SAME_FIELDS: &[(&str, &[(&str, u16)])] = &[
    ("extensions/v1beta1", &[("NetworkPolicy", 7)]),
    (
        "rbac.authorization.k8s.io/v1beta1",
        &[("ClusterRole", 8), ("ClusterRoleBinding", 8), ("Role", 8), ("RoleBinding", 8)],
    ),
    (
        "rbac.authorization.k8s.io/v1alpha1",
        &[("ClusterRole", 8), ("ClusterRoleBinding", 8), ("Role", 8), ("RoleBinding", 8)],
    ),
    ("scheduling.k8s.io/v1beta1", &[("PriorityClass", 14)]),
    ("coordination.k8s.io/v1beta1", &[("Lease", 14)]),
    (
        "storage.k8s.io/v1beta1",
        &[
            ("CSIDriver", 18),
            ("CSINode", 17),
            ("CSIStorageCapacity", 24),
            ("StorageClass", 6),
            ("VolumeAttachment", 13),
        ],
    ),
    ("batch/v1beta1", &[("CronJob", 21)]),
    ("batch/v2alpha1", &[("CronJob", 21)]),
    ("node.k8s.io/v1beta1", &[("RuntimeClass", 20)]),
    ("autoscaling/v2beta2", &[("HorizontalPodAutoscaler", 23)]),
];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let version = &meta.api_version;
    let kind = meta.kind.value.as_str();
    if version.value.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let Some((_, _, minor, instead)) = removed_apis::find(&version.value, kind) else {
        return Ok(());
    };
    let (oldest, newest) = case.world().settings.kubernetes();
    let rows = SAME_FIELDS.iter().filter(|(same, _)| *same == version.value);
    let row = rows.flat_map(|(_, kinds)| kinds.iter()).find(|(same, _)| *same == kind);
    let fix = if kind == "PodSecurityPolicy" {
        Fix::suggest("enforce a level of Pod Security by a label of the Namespace")
    } else if instead.is_empty() {
        Fix::suggest("nothing replaces it: remove it")
    } else if let Some((_, introduced)) = row {
        // The oldest cluster of the range has to know it too.
        let (title, known) =
            (format!("write {instead}: nothing else changes"), *introduced <= oldest);
        let fix = if known {
            Fix::safe(title)
        } else {
            Fix::suggest(format!("{title}; Kubernetes serves it from 1.{introduced} on"))
        };
        fix.replace(&version.origin, *instead)
    } else if kind == "PodDisruptionBudget" {
        Fix::suggest(format!("write {instead}; an empty selector now selects every pod"))
            .replace(&version.origin, *instead)
    } else {
        Fix::suggest(format!("write {instead}, and look at the fields that changed"))
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
