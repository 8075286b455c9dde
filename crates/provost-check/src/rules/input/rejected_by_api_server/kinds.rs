//! Kinds that are none, and versions that no Kubernetes in range serves.
//!
//! The groups of Kubernetes are closed lists, and only a CRD or an aggregated API server brings
//! others. A CRD's group is a domain with at least one dot (`ValidateCustomResourceDefinitionSpec` of
//! k8s.io/apiextensions-apiserver v0.37.2). Other programs' files have a `kind` and a version without a
//! dot too: there an object has to look like the kind that is meant.

use super::RULE;
use crate::case::ObjectCase;
use crate::facts::document::{Node, ScalarStyle};
use crate::facts::placeholders::is_placeholder;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::model::removed_apis;
use crate::model::schema::{self, Known, Structure};
use crate::rules::rule::Findings;

/// Kinds of projects whose CRDs were not read, and that are taken for Kubernetes' own.
const OTHERS: &[(&str, &str)] = &[
    ("DeploymentConfig", "apps.openshift.io/v1"),
    ("VerticalPodAutoscaler", "autoscaling.k8s.io/v1"),
    ("VolumeSnapshot", "snapshot.storage.k8s.io/v1"),
    ("VolumeSnapshotClass", "snapshot.storage.k8s.io/v1"),
    ("VolumeSnapshotContent", "snapshot.storage.k8s.io/v1"),
];

/// A kind that a version of Kubernetes does not have.
pub(super) fn no_such_kind(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some((version, kind)) = asked(case) else { return };
    let meta = &case.object.meta;
    let elsewhere: Vec<&str> = schema::versions_of(kind).map(|row| row.version).collect();
    let stable =
        elsewhere.iter().find(|version| !version.contains("alpha") && !version.contains("beta"));
    if let Some(right) = stable.or(elsewhere.first()) {
        out.push(
            Finding::new(
                &RULE,
                no_matches(version, kind),
                &meta.api_version.origin,
                format!("{kind} is of {right}"),
            )
            .fix(Fix::safe(format!("write {right}")).replace(&meta.api_version.origin, *right)),
        );
        return;
    }
    if another_case(case, version, kind, out) {
        return;
    }
    // Other programs' files have a `kind` and a `v1` too: a kubeconfig, old formats of Calico.
    let ours = kind.starts_with(|c: char| c.is_ascii_uppercase());
    if !ours {
        return;
    }
    if let Some(near) = nearest(kind, schema::kinds_of(version), 2) {
        out.push(
            Finding::new(&RULE, no_matches(version, kind), &meta.kind.origin, "no such kind").fix(
                Fix::suggest(format!("did you mean {near}?")).replace(&meta.kind.origin, near),
            ),
        );
        return;
    }
    // Nothing but the kind tells of a version without a group whose file it is.
    if meta.name.is_some() && version.contains('/') && is_read(case) {
        out.push(of_another_group(case, version, kind));
    }
}

/// A version that Kubernetes does not have, in a group of its own or in one that can be nobody's.
pub(super) fn elsewhere(case: &ObjectCase<'_>, out: &mut Findings) {
    let Some((version, kind)) = asked(case) else { return };
    let group = schema::group_of(version);
    let own = schema::has_group(group);
    if version.is_empty() || !is_read(case) || (!own && group.contains('.')) {
        return;
    }
    let meta = &case.object.meta;
    let like = schema::kinds_like(kind);
    let here = like.iter().find(|row| schema::group_of(row.version) == group);
    let right = here.or(like.first()).filter(|row| row.kind == kind);
    let right = right.filter(|row| group.contains('.') || looks_like(case, row.version, row.kind));
    let message = no_matches(version, kind);
    if let Some(right) = right {
        let label = format!("{kind} is of {}", right.version);
        let fix = Fix::suggest(format!("write {}", right.version));
        let fix = fix.replace(&meta.api_version.origin, right.version);
        let mut finding = Finding::new(&RULE, message, &meta.api_version.origin, label).fix(fix);
        if !own {
            finding = finding.note(format!(
                "{group} is no group of Kubernetes, and a group without a dot can be no other \
                 project's"
            ));
        }
        out.push(finding);
    } else if group.contains('.') && meta.name.is_some() {
        let label = format!("no version of {group}");
        out.push(Finding::new(&RULE, message, &meta.api_version.origin, label));
    }
}

/// The version and kind of an object that this is for.
fn asked<'c>(case: &ObjectCase<'c>) -> Option<(&'c str, &'c str)> {
    let meta = &case.object.meta;
    let (version, kind) = (meta.api_version.value.as_str(), meta.kind.value.as_str());
    // What was served once has a rule of its own.
    let other = is_placeholder(kind)
        || is_placeholder(version)
        || kind.ends_with("List")
        || removed_apis::find(version, kind).is_some();
    (!other).then_some((version, kind))
}

/// Whether the oldest Kubernetes in range is one whose kinds are known.
fn is_read(case: &ObjectCase<'_>) -> bool {
    let (oldest, _) = case.world().settings.kubernetes();
    (schema::MINORS.0..=schema::MINORS.1).contains(&oldest)
}

fn no_matches(version: &str, kind: &str) -> String {
    format!("no matches for kind \"{kind}\" in version \"{version}\"")
}

/// `kind: deployment`
fn another_case(case: &ObjectCase<'_>, version: &str, kind: &str, out: &mut Findings) -> bool {
    let like = schema::kinds_like(kind);
    let here = like.iter().find(|row| row.version == version);
    let Some(right) = here.or(like.first()).filter(|row| row.kind != kind) else { return false };
    if !looks_like(case, right.version, right.kind) {
        return false;
    }
    let place = &case.object.meta.kind.origin;
    let finding =
        Finding::new(&RULE, no_matches(version, kind), place, "the case of a kind counts");
    let node = case.object.node().get("kind");
    let plain = node.and_then(Node::scalar_style) == Some(ScalarStyle::Plain);
    out.push(finding.fix(match right.version == version {
        true if plain => Fix::safe(format!("write {}", right.kind)).replace(place, right.kind),
        true => Fix::suggest(format!("write {}", right.kind)),
        false => Fix::suggest(format!("did you mean {} of {}?", right.kind, right.version)),
    }));
    true
}

fn of_another_group(case: &ObjectCase<'_>, version: &str, kind: &str) -> Finding {
    let meta = &case.object.meta;
    let message = no_matches(version, kind);
    let mut known = schema::custom_versions_of(kind);
    known.extend(OTHERS.iter().filter(|(name, _)| *name == kind).map(|(_, version)| *version));
    match known.as_slice() {
        [] => Finding::new(&RULE, message, &meta.kind.origin, "no such kind"),
        [one] => {
            let place = &meta.api_version.origin;
            Finding::new(&RULE, message, place, format!("{kind} is of {one}"))
                .fix(Fix::suggest(format!("write {one}")).replace(place, *one))
        }
        several => {
            let label = format!("{kind} is of {}", several.join(" or "));
            Finding::new(&RULE, message, &meta.api_version.origin, label)
        }
    }
}

/// Whether an object has a name, and on top and in its spec no key that the kind has not.
fn looks_like(case: &ObjectCase<'_>, version: &str, kind: &str) -> bool {
    let Known::Kind(found) = schema::find(version, kind) else { return false };
    let Some(structure) = found.structure() else { return false };
    let root = case.object.node();
    let fits = |node: Node<'_>, structure: &Structure| {
        let is_field = |key: &str| key == "<<" || structure.field(key).is_some();
        node.entries().all(|(key, _)| key.as_str().is_some_and(is_field))
    };
    let below = ["metadata", "spec"].iter().all(|key| {
        let inner = structure.field(key).and_then(|field| field.structure());
        match (root.get(key), inner) {
            (Some(node), Some(inner)) => fits(node, inner),
            _ => true,
        }
    });
    case.object.meta.name.is_some() && fits(root, structure) && below
}
