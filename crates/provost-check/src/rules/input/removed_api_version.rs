//! API versions that the cluster does not serve.

use rustc_hash::FxHashSet;

use crate::case::ObjectCase;
use crate::facts::document::{Node, ScalarStyle};
use crate::facts::{Body, Fact};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::removed_apis;
use crate::model::schema::{self, Known};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const DEPRECATED: Variant = Variant::new(
    "deprecated-api-version",
    Level::Warn,
    "an API version that the newest of the cluster's minors does not serve",
);

const CUSTOM: Variant = Variant::new(
    "removed-custom-version",
    Level::Warn,
    "an API version of a custom resource that its project gave up",
);

const LABEL: Variant = Variant::new(
    "deprecated-label-key",
    Level::Note,
    "a node label whose beta name was deprecated",
);

const FIELD: Variant =
    Variant::new("deprecated-field", Level::Note, "a field that another one has replaced");

/// `no matches for kind "Ingress" in version "extensions/v1beta1"`.
pub static RULE: Rule = Rule {
    id: "removed-api-version",
    group: Group::Input,
    level: Level::Deny,
    title: "an API version that no Kubernetes of the configured range serves",
    page: include_str!("removed-api-version.md"),
    needs: &[Need::Manifest],
    variants: &[DEPRECATED, CUSTOM, LABEL, FIELD],
    judges_hooks: true,
    check: Check::Object(check),
    also: &[Check::Object(labels), Check::Object(fields)],
    ..Rule::BASE
};

/// Minors at which the kubelet stopped to mount `gitRepo`, unless a gate says otherwise, and for good
/// (`GitRepoVolumeDriver` in pkg/features/kube_features.go, v1.37.2).
const GIT_REPO_OFF: u16 = 33;
const GIT_REPO_GONE: u16 = 36;

/// Volumes whose plugin was taken out of the kubelet without one of CSI in its place, and the minor
/// that has it no more; 0 for one that no supported minor has (pkg/volume of v1.30.14, v1.31.14 and
/// v1.37.2). The API server takes them all the same.
const PLUGINS_GONE: &[(&str, u16)] = &[
    ("cephfs", 31),
    ("flocker", 0),
    ("glusterfs", 0),
    ("photonPersistentDisk", 0),
    ("quobyte", 0),
    ("rbd", 31),
    ("scaleIO", 0),
    ("storageos", 0),
];

/// `no volume plugin matched`
fn plugins(spec: Node<'_>, (oldest, newest): (u16, u16), out: &mut Findings) {
    for volume in spec.get("volumes").into_iter().flat_map(Node::items) {
        for (name, gone) in PLUGINS_GONE {
            let Some((key, _)) = volume.get_entry(name).filter(|_| newest >= *gone) else {
                continue;
            };
            let since = match gone {
                0 => String::new(),
                gone => format!(" since Kubernetes 1.{gone}"),
            };
            let finding = Finding::new(
                &RULE,
                format!(
                    "kubelets have no plugin for {name} any more{since}: the pods stay in \
                     ContainerCreating"
                ),
                &key.origin(),
                "no volume plugin matched",
            )
            .variant(&FIELD)
            .level(if oldest >= *gone { Level::Deny } else { Level::Warn });
            out.push(finding.fix(Fix::suggest(
                "use a PersistentVolumeClaim, of a CSI driver for this storage",
            )));
        }
    }
}

fn fields(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Workload(workload) = &case.object.body else { return Err(Abstain::NotApplicable) };
    let spec = case.object.document.node(workload.pod.spec);
    let text = |key| spec.get(key).and_then(Node::as_str);
    // The API server writes both, so that what was read from a cluster has both.
    if let Some((key, _)) = spec.get_entry("serviceAccount")
        && let Some(old) = text("serviceAccount").filter(|old| !old.is_empty())
        && text("serviceAccountName") != Some(old)
    {
        let what = match text("serviceAccountName") {
            Some(new) => format!(
                "the pods run as {new}: serviceAccount is what serviceAccountName was once called"
            ),
            None => "serviceAccount is what serviceAccountName was once called".to_owned(),
        };
        out.push(
            Finding::new(&RULE, what, &key.origin(), "the former name")
                .variant(&FIELD)
                .fix(Fix::suggest("write serviceAccountName")),
        );
    }
    let (oldest, newest) = case.world().settings.kubernetes();
    plugins(spec, (oldest, newest), out);
    let volumes = spec.get("volumes").into_iter().flat_map(Node::items);
    for (key, _) in volumes.filter_map(|volume| volume.get_entry("gitRepo")) {
        if newest < GIT_REPO_OFF {
            continue;
        }
        let (level, since) = match oldest {
            oldest if oldest >= GIT_REPO_GONE => (Level::Deny, "for good since Kubernetes 1.36"),
            _ => (Level::Warn, "since Kubernetes 1.33, and for good since 1.36"),
        };
        out.push(
            Finding::new(
                &RULE,
                format!("kubelets no longer mount gitRepo, {since}: the pods do not start"),
                &key.origin(),
                "not mounted",
            )
            .variant(&FIELD)
            .level(level)
            .fix(Fix::suggest("clone in an init container, into an emptyDir that both mount")),
        );
    }
    Ok(())
}

/// Beta labels of nodes and what replaced them (`well_known_labels.go` of k8s.io/api v0.37.2 and
/// k8s.io/kubernetes/pkg/kubelet/apis).
const BETA_LABELS: &[(&str, &str)] = &[
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
];

/// Keys of selectors, affinities and topologies, wherever they stand in the spec.
fn labels(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let Known::Kind(_) = schema::find(&meta.api_version.value, &meta.kind.value) else {
        return Err(Abstain::NotApplicable);
    };
    // A Node is what carries them.
    if meta.kind.value == "Node" {
        return Err(Abstain::NotApplicable);
    }
    let root = case.object.node();
    let mut open: Vec<(Node<'_>, bool)> = ["spec", "allowedTopologies"]
        .iter()
        .filter_map(|key| Some((root.get(key)?, false)))
        .collect();
    let aliases = root.doc.has_aliases;
    let mut seen = FxHashSet::default();
    while let Some((node, selector)) = open.pop() {
        // An alias is the node of its anchor.
        if aliases && !seen.insert(node.id) {
            continue;
        }
        for (key, value) in node.entries() {
            let name = key.as_str().unwrap_or_default();
            if selector {
                out.found.extend(deprecated(key, name));
            } else if matches!(name, "topologyKey" | "key") {
                out.found.extend(deprecated(value, value.as_str().unwrap_or_default()));
            }
            open.push((value, name == "nodeSelector"));
        }
        open.extend(node.items().map(|item| (item, false)));
    }
    Ok(())
}

fn deprecated(node: Node<'_>, key: &str) -> Option<Finding> {
    let (old, new) = BETA_LABELS.iter().find(|(old, _)| *old == key)?;
    let origin = node.origin();
    let fix = Fix::suggest(format!("write {new}"));
    let plain = node.scalar_style() == Some(ScalarStyle::Plain);
    Some(
        Finding::new(
            &RULE,
            format!(
                "{old} is the beta name of {new}, deprecated since Kubernetes 1.17: nodes may come \
                 without it"
            ),
            &origin,
            "the beta name",
        )
        .variant(&LABEL)
        .fix(if plain { fix.replace(&origin, *new) } else { fix }),
    )
}

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
    let served = || match schema::find(&version.value, kind) {
        // Versions that declare no end are taken out all the same, alpha ones without a word.
        Known::Kind(row) if row.until > 0 => {
            let instead = schema::versions_of(kind).map(|row| row.version);
            let same = |it: &&str| schema::group_of(it) == schema::group_of(&version.value);
            Some((u16::from(row.until), instead.into_iter().find(same).unwrap_or_default()))
        }
        _ => None,
    };
    let declared = removed_apis::find(&version.value, kind);
    let declared = declared.map(|(_, _, minor, instead)| (*minor, *instead));
    let Some((minor, instead)) = declared.or_else(served) else {
        custom(version, kind, out);
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
        fix.replace(&version.origin, instead)
    } else if kind == "PodDisruptionBudget" {
        Fix::suggest(format!("write {instead}; an empty selector now selects every pod"))
            .replace(&version.origin, instead)
    } else {
        Fix::suggest(format!("write {instead}, and look at the fields that changed"))
    };
    if minor <= oldest {
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
    } else if minor <= newest {
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

/// What no release of a project serves that is some years old or younger.
fn custom(version: &Fact<String>, kind: &str, out: &mut Findings) {
    if matches!(schema::find(version, kind), Known::Custom(_)) {
        return;
    }
    let Some((instead, custom)) = schema::custom_given_up(version, kind) else { return };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{kind} of {version}: none of {} serves it (`no matches for kind \"{kind}\" in \
                 version \"{version}\"`)",
                custom.releases()
            ),
            &version.origin,
            "given up by its project",
        )
        .variant(&CUSTOM)
        .fix(Fix::suggest(format!("write {instead}, and look at the fields that changed"))),
    );
}
