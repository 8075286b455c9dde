//! Configuration that running pods never see change.

use std::collections::BTreeSet;

use crate::case::WorkloadCase;
use crate::facts::Origin;
use crate::facts::objects::StringMap;
use crate::facts::workload::{EnvValue, VolumeKind};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Variables and subPath mounts are read once, when the container starts.
pub static RULE: Rule = Rule {
    id: "config-change-without-rollout",
    group: Group::Config,
    level: Level::Note,
    off: true,
    house: Some(Level::Note),
    title: "a ConfigMap or Secret whose change no pod gets to see",
    page: include_str!("config-change-without-rollout.md"),
    needs: &[Need::Manifest],
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    // Each run of a batch reads anew.
    if case.workload.kind.is_batch() {
        return Err(Abstain::NotApplicable);
    }
    let pod = case.pod();
    if rolls(&pod.annotations) || rolls(&case.object.meta.annotations) {
        return Ok(());
    }
    let mut told = BTreeSet::new();
    let mut push = |kind: &'static str, name: &str, origin: &Origin, how: &str| {
        if !told.insert((kind, name.to_owned())) || is_versioned(case, kind, name) {
            return;
        }
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "a change of {kind} {name} reaches no running pod, and nothing rolls them: {how}"
                ),
                origin,
                "read once",
            )
            .also(&case.object.origin(), "its template does not change with it")
            .fix(Fix::suggest(
                "write a checksum of it into an annotation of the pod template, or let kustomize \
                 append the hash to its name",
            )),
        );
    };
    for container in &pod.containers {
        for from in &container.env_from {
            let kind = if from.secret { "Secret" } else { "ConfigMap" };
            push(kind, &from.name.value, &from.name.origin, "variables are set when it starts");
        }
        for entry in &container.env {
            let (kind, reference) = match &entry.value {
                EnvValue::ConfigMapKey(reference) => ("ConfigMap", reference),
                EnvValue::SecretKey(reference) => ("Secret", reference),
                _ => continue,
            };
            push(
                kind,
                &reference.name.value,
                &reference.name.origin,
                "variables are set when it starts",
            );
        }
        for mount in container.mounts.iter().filter(|mount| mount.sub_path.is_some()) {
            let (kind, name) = match pod.volume(&mount.name.value).map(|volume| &volume.kind) {
                Some(VolumeKind::ConfigMap { name, .. }) => ("ConfigMap", name),
                Some(VolumeKind::Secret { name, .. }) => ("Secret", name),
                _ => continue,
            };
            push(kind, &name.value, &name.origin, "a subPath mount is never updated");
        }
    }
    Ok(())
}

/// Annotations by which a template changes with its configuration, or a controller rolls it:
/// Helm's `checksum/config`, Reloader, Wave.
fn rolls(annotations: &StringMap) -> bool {
    annotations.iter().any(|(key, _)| {
        let key = key.to_ascii_lowercase();
        ["checksum", "hash", "reloader.", "wave.pusher.com"].iter().any(|part| key.contains(part))
    })
}

/// Whether the object never changes: it is immutable, or kustomize names it by its content.
fn is_versioned(case: &WorkloadCase<'_>, kind: &str, name: &str) -> bool {
    let namespace = case.object.meta.namespace.value.as_str();
    let joined = case.joined;
    let source = match kind {
        "Secret" => crate::case::provided::SourceKind::Secret,
        _ => crate::case::provided::SourceKind::ConfigMap,
    };
    joined.provided.is_made(namespace, source, name)
        || joined.joins.named(namespace, kind, name).iter().any(|id| {
            let object = joined.world.objects.get(*id);
            let own = object.filter(|object| joined.may_name(case.object, object));
            if own.and_then(|object| object.generated).is_some_and(|made| made.hashed) {
                return true;
            }
            let immutable = object.and_then(|object| object.node().get("immutable"));
            immutable.and_then(crate::facts::document::Node::as_bool) == Some(true)
        })
}
