//! Names of ConfigMaps, Secrets and their keys that lead nowhere, and of what else pods need.

mod pods;
mod priority;
mod webhooks;

use crate::case::WorkloadCase;
use crate::case::provided::SourceKind;
use crate::facts::settings::Existing;
use crate::facts::workload::{EnvValue, VolumeItem, VolumeKind};
use crate::facts::{Fact, Object};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// The kubelet does not create a container whose references it cannot resolve.
pub static RULE: Rule = Rule {
    id: "dangling-reference",
    group: Group::Config,
    level: Level::Deny,
    title: "reference to a ConfigMap, Secret, key, account or claim that does not exist",
    page: include_str!("dangling-reference.md"),
    needs: &[Need::Manifest],
    variants: &[UNKNOWN_PRIORITY, NO_PRIORITY, ACCOUNT, CLAIM, PULL_SECRET, WEBHOOK],
    check: Check::Workload(check),
    also: &[Check::Object(webhooks::check)],
    ..Rule::BASE
};

const UNKNOWN_PRIORITY: Variant = Variant::new(
    "unknown-priority-class",
    Level::Deny,
    "priority class that does not exist: admission refuses the pods",
);

const NO_PRIORITY: Variant = Variant::new(
    "missing-priority-class",
    Level::Note,
    "pods without a priority class, which are preempted first",
)
.off()
.house(Level::Note);

const ACCOUNT: Variant = Variant::new(
    "missing-service-account",
    Level::Deny,
    "ServiceAccount that does not exist: admission refuses the pods",
);

const CLAIM: Variant = Variant::new(
    "missing-claim",
    Level::Deny,
    "PersistentVolumeClaim that does not exist: the pods are not scheduled",
);

const PULL_SECRET: Variant = Variant::new(
    "missing-pull-secret",
    Level::Warn,
    "pull secret that does not exist: the image is pulled without a login",
);

const WEBHOOK: Variant = Variant::new(
    "missing-webhook-service",
    Level::Deny,
    "Service that the API server asks, and that does not exist or has another port",
);

/// More objects of one kind in one namespace, or keys of one object, are not searched for a name that
/// is nearly right.
const MOST_COMPARED: usize = 256;

/// Workloads of one namespace that are asked whether they name an object, too.
const MOST_WORKLOADS: usize = 256;

/// A reference of the pod.
struct Reference<'w> {
    kind: SourceKind,
    name: &'w Fact<String>,
    key: Option<&'w Fact<String>>,
    used: Use,
}

/// What a reference is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Environment,
    Volume,
    /// `imagePullSecrets`
    Pull,
}

impl Reference<'_> {
    fn consequence(&self) -> &'static str {
        match self.used {
            Use::Volume => "FailedMount, the pod stays in ContainerCreating",
            Use::Environment => "CreateContainerConfigError, the container is not created",
            // `getPullSecretsForPod` in pkg/kubelet/kubelet_pods.go.
            Use::Pull => "the kubelet pulls the image without a login",
        }
    }
}

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    for reference in references(case) {
        resolve(case, &reference, out);
    }
    priority::check(case, out);
    pods::claims(case, out);
    pods::account(case, out)
}

fn references<'w>(case: &WorkloadCase<'w>) -> Vec<Reference<'w>> {
    let pod = case.pod();
    let mut found = Vec::new();
    for container in &pod.containers {
        for from in container.env_from.iter().filter(|from| !from.optional) {
            let kind = if from.secret { SourceKind::Secret } else { SourceKind::ConfigMap };
            found.push(Reference { kind, name: &from.name, key: None, used: Use::Environment });
        }
        for entry in &container.env {
            let (kind, key) = match &entry.value {
                EnvValue::ConfigMapKey(key) => (SourceKind::ConfigMap, key),
                EnvValue::SecretKey(key) => (SourceKind::Secret, key),
                _ => continue,
            };
            if !key.optional {
                let (name, key) = (&key.name, Some(&key.key));
                found.push(Reference { kind, name, key, used: Use::Environment });
            }
        }
    }
    for volume in &pod.volumes {
        match &volume.kind {
            VolumeKind::ConfigMap { name, items, optional: false } => {
                mounted(&mut found, SourceKind::ConfigMap, name, items);
            }
            VolumeKind::Secret { name, items, optional: false } => {
                mounted(&mut found, SourceKind::Secret, name, items);
            }
            VolumeKind::Projected { sources, .. } => {
                for source in sources.iter().filter(|source| !source.optional) {
                    let kind =
                        if source.secret { SourceKind::Secret } else { SourceKind::ConfigMap };
                    mounted(&mut found, kind, &source.name, &source.items);
                }
            }
            _ => {}
        }
    }
    let pulls = pod.pull_secrets.iter();
    found.extend(pulls.map(|name| Reference {
        kind: SourceKind::Secret,
        name,
        key: None,
        used: Use::Pull,
    }));
    found.retain(|reference| !reference.name.value.contains("{{"));
    found
}

/// A volume's object, or the keys of it that are mounted.
fn mounted<'w>(
    found: &mut Vec<Reference<'w>>,
    kind: SourceKind,
    name: &'w Fact<String>,
    items: &'w [VolumeItem],
) {
    let used = Use::Volume;
    if items.is_empty() {
        found.push(Reference { kind, name, key: None, used });
    }
    found.extend(items.iter().map(|item| Reference { kind, name, key: Some(&item.key), used }));
}

fn resolve(case: &WorkloadCase<'_>, reference: &Reference<'_>, out: &mut Findings) {
    let world = case.world();
    let namespace = &case.object.meta.namespace.value;
    let name = &reference.name.value;
    let ids = case.joined.joins.named(namespace, reference.kind.name(), name);
    let objects: Vec<&Object> = ids.iter().filter_map(|id| world.objects.get(*id)).collect();
    if objects.is_empty() {
        missing_object(case, reference, out);
        return;
    }
    let Some(key) = reference.key else { return };
    // Overlays bring several objects of one name; any of them may be the one that is applied.
    if objects.iter().any(|object| object.has_data_key(&key.value)) {
        return;
    }
    // One of another deployment says nothing of this one.
    let objects: Vec<&Object> =
        objects.into_iter().filter(|object| case.joined.may_name(case.object, object)).collect();
    let Some(first) = objects.first() else {
        let what = format!("whether {} {name} is applied with it", reference.kind.name());
        out.abstain(Abstain::unknown(Reason::Alternatives, what));
        return;
    };
    let known = objects.iter().try_for_each(|object| case.joined.keys_are_known(object));
    if let Err(unknown) = known {
        out.abstain(unknown);
        return;
    }
    let all = || first.data_keys();
    let message = format!(
        "{} {name} has no key {}: {}",
        reference.kind.name(),
        key.value,
        reference.consequence()
    );
    let near = names::nearest(&key.value, all().take(MOST_COMPARED).map(|known| known.as_str()), 2);
    let place = near.and_then(|near| all().find(|known| known.value == near));
    let finding = Finding::new(&RULE, message, &key.origin, "no such key");
    let finding = match place {
        Some(known) => finding.also(&known.origin, format!("{known} is there")).fix(world.rewrite(
            Fix::suggest(format!("did you mean {known}?")),
            &key.origin,
            &key.value,
            known,
        )),
        None => {
            let label = match all().count() {
                0 => "has no keys".to_owned(),
                n => format!("has {n} other keys"),
            };
            finding.also(&first.origin(), label)
        }
    };
    out.push(finding);
}

fn missing_object(case: &WorkloadCase<'_>, reference: &Reference<'_>, out: &mut Findings) {
    let world = case.world();
    let namespace = &case.object.meta.namespace.value;
    let (kind, name) = (reference.kind, &reference.name.value);
    let provided = &case.joined.provided;
    if provided.is_made(namespace, kind, name)
        || case.joined.is_declared(kind.name(), namespace, name)
    {
        return;
    }
    let unknown = |reason| Abstain::unknown(reason, format!("{} {name}", kind.name()));
    if kind == SourceKind::Secret && provided.may_be_made(namespace, name) {
        out.abstain(unknown(Reason::ExternalController));
        return;
    }
    let there = provided.objects(namespace, kind).iter().take(MOST_COMPARED);
    let there = there.filter_map(|id| world.objects.get(*id));
    let there: Vec<&Object> = there
        .filter(|object| names::is_slip(object.meta.name(), name))
        .filter(|object| case.joined.may_name(case.object, object))
        .collect();
    let meant = names::meant(name, there.iter().map(|object| object.meta.name()));
    let near = there.iter().find(|object| Some(object.meta.name()) == meant);
    // What others take their values from is there for them.
    let near = near.filter(|object| !is_taken(case, kind, object.meta.name()));
    let closed = case.world().settings.closed_world;
    if near.is_none() && !closed {
        out.abstain(unknown(Reason::ObjectNotInInput));
        return;
    }
    let message = format!(
        "{} {name} is not in namespace {namespace}: {}",
        kind.name(),
        reference.consequence()
    );
    let mut finding = Finding::new(&RULE, message, &reference.name.origin, "no such object");
    if reference.used == Use::Pull {
        finding = finding.variant(&PULL_SECRET);
    }
    if !closed {
        // It may exist in the cluster after all.
        finding = finding.level(Level::Warn);
    }
    finding = match near {
        Some(object) => {
            let known = object.meta.name();
            let fix = Fix::suggest(format!("did you mean {known}?"));
            let fix = world.rewrite(fix, &reference.name.origin, name, known);
            finding.also(&object.origin(), format!("{known} is there")).fix(fix)
        }
        None => finding
            .also(&case.object.origin(), format!("looked for in {namespace}"))
            .note(Existing::advice(&format!("{} {namespace}/{name}", kind.name()))),
    };
    out.push(finding);
}

/// Whether the pods of another workload name it, or those of too many to look at may.
fn is_taken(case: &WorkloadCase<'_>, kind: SourceKind, name: &str) -> bool {
    let ids = case.joined.joins.workloads_in(&case.object.meta.namespace.value);
    let others = ids.iter().filter(|id| **id != case.id);
    let mut others = others.filter_map(|id| case.joined.workload(*id));
    ids.len() > MOST_WORKLOADS
        || others.any(|other| {
            let mut all = references(&other).into_iter();
            all.any(|reference| reference.kind == kind && reference.name.value == name)
        })
}
