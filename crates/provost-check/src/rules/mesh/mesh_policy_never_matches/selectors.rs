//! Objects of Istio whose selector matches no pod.
//!
//! Source: istio.io/istio 1.31, what istioctl analyze calls IST0101 of their `selector`; which pods an
//! object can select: `getMatchedEnvoyFilters`, `mergeGateways` and `initSidecarScopes` in
//! pilot/pkg/model/push_context.go.

use super::{NO_POD, RULE, near_miss};
use crate::case::near::Near;
use crate::case::{Joined, WorkloadCase};
use crate::facts::Object;
use crate::facts::document::Node;
use crate::facts::objects::Selector;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::model::mtls::ROOT_NAMESPACE;
use crate::rules::mesh::is_given_label;
use crate::rules::rule::{Findings, Judged};

/// A kind that is for pods.
struct Kind {
    group: &'static str,
    kind: &'static str,
    /// Where its labels are.
    path: &'static [&'static str],
    /// Whose pods.
    of: Of,
    /// What comes of it when there are none.
    effect: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Of {
    /// Those of the namespace.
    Own,
    /// Those of the namespace, and in the root namespace those of the whole mesh.
    OwnOrMesh,
    /// Those of the namespace; in the root namespace it is another rule's, or nobody's.
    OwnButNotRoot,
    /// Those of the whole mesh.
    Mesh,
}

const fn kind(
    group: &'static str,
    kind: &'static str,
    path: &'static [&'static str],
    of: Of,
    effect: &'static str,
) -> Kind {
    Kind { group, kind, path, of, effect }
}

const NETWORKING: &str = "networking.istio.io";
const SECURITY: &str = "security.istio.io";
const MATCH: &[&str] = &["selector", "matchLabels"];
const LABELS: &[&str] = &["workloadSelector", "labels"];

const KINDS: &[Kind] = &[
    kind(
        NETWORKING,
        "DestinationRule",
        &["workloadSelector", "matchLabels"],
        Of::Own,
        "no client keeps to it",
    ),
    kind(NETWORKING, "EnvoyFilter", LABELS, Of::OwnOrMesh, "its patches are for no proxy"),
    kind(NETWORKING, "Gateway", &["selector"], Of::Mesh, "no proxy opens its ports"),
    kind(NETWORKING, "ProxyConfig", MATCH, Of::OwnOrMesh, "it configures no proxy"),
    kind(NETWORKING, "ServiceEntry", LABELS, Of::Own, "its hosts have no endpoints"),
    kind(NETWORKING, "Sidecar", LABELS, Of::OwnButNotRoot, "it configures no sidecar"),
    kind(SECURITY, "PeerAuthentication", MATCH, Of::OwnButNotRoot, "the policy holds for nobody"),
    kind(SECURITY, "RequestAuthentication", MATCH, Of::OwnOrMesh, "nobody looks at the tokens"),
    kind("telemetry.istio.io", "Telemetry", MATCH, Of::OwnOrMesh, "it changes nothing"),
    kind("extensions.istio.io", "WasmPlugin", MATCH, Of::OwnOrMesh, "no proxy loads it"),
];

/// Selectors and workloads that are held against each other.
const MOST_PAIRS: usize = 1 << 18;

pub(super) fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    joined.not_without_mesh()?;
    let of_kind = |object: &Object| {
        let meta = &object.meta;
        KINDS.iter().find(|it| it.kind == meta.kind.value && it.group == meta.group())
    };
    let objects = joined.world.objects.iter();
    let mut objects = objects.filter_map(|it| Some((it, of_kind(it)?))).peekable();
    objects.peek().ok_or(Abstain::NotApplicable)?;
    let workloads: Vec<WorkloadCase<'_>> = joined.workloads().map(|it| it.template()).collect();
    // Machines outside of the cluster have labels, too.
    let machines = joined.world.objects.iter().any(|it| {
        matches!(it.meta.kind.value.as_str(), "WorkloadEntry" | "WorkloadGroup")
            && it.meta.group() == NETWORKING
    });
    let among = Among { workloads: &workloads, machines };
    let mut pairs = MOST_PAIRS;
    for (object, kind) in objects {
        let spec = object.node().get("spec");
        let Some(labels) = spec.and_then(|spec| spec.at(kind.path)) else { continue };
        let targeted = |key| spec.is_some_and(|spec| spec.get(key).is_some());
        if labels.entries().next().is_none() || targeted("targetRef") || targeted("targetRefs") {
            continue;
        }
        let Some(left) = pairs.checked_sub(workloads.len().max(1)) else {
            let what = "which of thousands of workloads the selectors of the mesh mean";
            return Err(Abstain::unknown(Reason::LimitReached, what));
        };
        pairs = left;
        if let Err(unknown) = one(joined, object, kind, labels, &among, out) {
            out.abstain(unknown);
        }
    }
    Ok(())
}

/// What selectors may mean.
struct Among<'c, 'w> {
    workloads: &'c [WorkloadCase<'w>],
    /// Whether there are machines outside of the cluster.
    machines: bool,
}

fn one(
    joined: &Joined<'_>,
    object: &Object,
    kind: &Kind,
    labels: Node<'_>,
    among: &Among<'_, '_>,
    out: &mut Findings,
) -> Judged {
    let workloads = among.workloads;
    let own = &object.meta.namespace;
    let in_root = own.value == ROOT_NAMESPACE;
    let everywhere = kind.of == Of::Mesh || (kind.of == Of::OwnOrMesh && in_root);
    if kind.of == Of::OwnButNotRoot && in_root {
        return Ok(());
    }
    for (key, value) in labels.entries() {
        let (Some(key), Some(value)) = (key.as_str(), value.as_str()) else { return Ok(()) };
        if may_be_in(key) || may_be_in(value) {
            return Err(Abstain::unknown(Reason::Templated, format!("label {key}: {value}")));
        }
        if is_given_label(key) {
            let what = format!("which pods are given the label {key}");
            return Err(Abstain::unknown(Reason::ExternalController, what));
        }
    }
    let selector = Selector::of_labels(labels);
    let wanted: Vec<String> = selector.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let wanted = wanted.join(",");
    let unknown = |reason| Err(Abstain::unknown(reason, format!("pods with the labels {wanted}")));
    // Objects that do not say their namespace go where they are applied.
    let reaches = |pod: &Object| {
        let namespace = &pod.meta.namespace;
        everywhere || namespace.value == own.value || !namespace.is_written() || !own.is_written()
    };
    let mut matching = workloads
        .iter()
        .filter(|it| reaches(it.object) && selector.matches(&it.pod().labels))
        .map(|it| joined.may_be_together(object, it.object))
        .peekable();
    if matching.peek().is_some() {
        return if matching.any(|together| together) {
            Ok(())
        } else {
            unknown(Reason::Alternatives)
        };
    }
    if among.machines {
        return unknown(Reason::ExternalController);
    }
    let near = workloads
        .iter()
        .filter(|it| everywhere || it.object.meta.namespace.value == own.value)
        .filter(|it| !it.object.is_helm_hook() && joined.may_be_together(object, it.object))
        .find_map(|it| Some((it.object, Near::of(&selector, it.object)?)));
    let name = &kind.kind;
    let mut finding = match near {
        Some((pod, near)) => {
            near_miss(joined.world, &selector, &wanted, pod, &near, kind.effect).variant(&NO_POD)
        }
        None => {
            let known = match everywhere {
                true => joined.all_pods_are_known(),
                false => joined.pods_are_known(&own.value),
            };
            if !known {
                return unknown(Reason::ObjectNotInInput);
            }
            if joined.pods_may_be_made() {
                return unknown(Reason::ExternalController);
            }
            let whose = match everywhere {
                true => String::new(),
                false => format!(" of namespace {}", own.value),
            };
            let effect = kind.effect;
            Finding::new(
                &RULE,
                format!(
                    "no pod{whose} has the labels {wanted} of {name} {}: {effect}",
                    object.meta.name()
                ),
                &selector.origin,
                "matches no pod",
            )
            .variant(&NO_POD)
            .fix(Fix::suggest("select labels that the pod template has"))
        }
    };
    finding.subject = object.subject();
    out.push(finding);
    Ok(())
}
