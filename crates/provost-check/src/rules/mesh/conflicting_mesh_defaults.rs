//! Objects of Istio for a whole namespace, or for the same pods of it, of which one counts.

use std::collections::BTreeMap;

use crate::case::Joined;
use crate::case::alternatives::Alternatives;
use crate::facts::Object;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The oldest is taken: `initSidecarScopes` and `getSidecarScope` in pilot/pkg/model/push_context.go,
/// `namespaceWideTelemetryConfig` in telemetry.go and `addPeerAuthentication` in authentication.go
/// beside it. What istioctl analyze calls IST0110, IST0111, IST0159 and IST0160. Istio 1.31.
pub static RULE: Rule = Rule {
    id: "conflicting-mesh-defaults",
    group: Group::Mesh,
    level: Level::Warn,
    title: "two settings of Istio for the same pods, of which one is left out",
    page: include_str!("conflicting-mesh-defaults.md"),
    needs: &[Need::Manifest],
    check: Check::Run(check),
    ..Rule::BASE
};

/// Group, kind, and where the object says which pods it is for.
const KINDS: &[(&str, &str, &[&str])] = &[
    ("networking.istio.io", "Sidecar", &["workloadSelector", "labels"]),
    ("security.istio.io", "PeerAuthentication", &["selector", "matchLabels"]),
    ("telemetry.istio.io", "Telemetry", &["selector", "matchLabels"]),
];

/// Objects for the same pods, held against each other.
const COMPARED: usize = 64;

/// Labels of one selector.
const MOST: usize = 64;

/// Kind, namespace and labels.
type Key<'w> = (&'static str, &'w str, Vec<(&'w str, &'w str)>);

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    joined.not_without_mesh()?;
    let mut claims: BTreeMap<Key<'_>, Vec<&Object>> = BTreeMap::new();
    let mut sides = Alternatives::default();
    let mut any = false;
    for object in &joined.world.objects {
        let meta = &object.meta;
        let same = |(group, kind, _): &&(&str, &str, &[&str])| {
            *kind == meta.kind.value && *group == meta.group()
        };
        let Some((_, kind, path)) = KINDS.iter().find(same) else { continue };
        any = true;
        let Some(spec) = object.node().get("spec") else { continue };
        // One for a Gateway or a Service is not for pods.
        if ["targetRef", "targetRefs"].iter().any(|key| spec.get(key).is_some()) {
            continue;
        }
        let Some(labels) = labels(spec, path) else { continue };
        let claims = claims.entry((kind, &meta.namespace.value, labels)).or_default();
        let others = claims.iter().take(COMPARED).map(|other| (*other, *other));
        match sides.beside(joined, object, others) {
            Ok(None) => {}
            Ok(Some(other)) => {
                if let Err(patched) = unpatched(joined, object, path) {
                    out.abstain(patched);
                    continue;
                }
                out.push(both(kind, other, object, spec, path));
            }
            Err(unknown) => out.abstain(unknown),
        }
        claims.push(object);
    }
    if any { Ok(()) } else { Err(Abstain::NotApplicable) }
}

fn unpatched(joined: &Joined<'_>, object: &Object, path: &[&str]) -> Judged {
    joined.unpatched(object, &[&format!("spec/{}", path.join("/"))])
}

/// The labels it selects by, sorted; none for the whole namespace.
fn labels<'w>(spec: Node<'w>, path: &[&str]) -> Option<Vec<(&'w str, &'w str)>> {
    let mut labels = Vec::new();
    for (key, value) in spec.at(path).into_iter().flat_map(Node::entries).take(MOST) {
        let (key, value) = (key.as_str()?, value.as_str()?);
        if may_be_in(key) || may_be_in(value) {
            return None;
        }
        labels.push((key, value));
    }
    labels.sort_unstable();
    Some(labels)
}

fn both(kind: &str, other: &Object, object: &Object, spec: Node<'_>, path: &[&str]) -> Finding {
    let selector = spec.at(path).filter(|labels| labels.entries().next().is_some());
    let whom = match selector {
        Some(_) => "for the same pods".to_owned(),
        None => format!("for all of namespace {}", object.meta.namespace.value),
    };
    // What Telemetry says is put together: of the parts that both have, one wins.
    let counts = match (kind, selector) {
        ("Telemetry", Some(_)) => "which of them wins is said nowhere",
        _ => "the older one counts, and the other is left out",
    };
    let name = object.meta.name.as_ref().map(|name| name.origin.clone());
    let place = selector.map(|node| node.origin()).or(name).unwrap_or_else(|| object.origin());
    let first = other.meta.name.as_ref().map_or_else(|| other.origin(), |name| name.origin.clone());
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{kind} {} and {} are both {whom}: {counts}",
            other.meta.name(),
            object.meta.name()
        ),
        &place,
        "once more",
    )
    .also(&first, "the other");
    finding.subject = object.subject();
    finding.fix(Fix::suggest("put both into one object, or select other pods with one of them"))
}
