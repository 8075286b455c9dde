//! References by kind and name: what they come to, and who else makes what is not there.
//!
//! A name is looked up among the objects that may well be applied together with the one that
//! says it. What is found nowhere is missing when the input is all there is, or when something of
//! nearly that name is there; else nothing is known of it.

use std::borrow::Cow;

use rustc_hash::{FxHashMap, FxHashSet};

use super::provided::SourceKind;
use super::scope::Distance;
use super::{Joined, ObjectId, World};
use crate::facts::document::Node;
use crate::facts::placeholders::is_placeholder;
use crate::facts::{Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names;

/// Names that one which is not there is compared with.
const COMPARED: usize = 256;

/// Objects of one kind, namespace and name that are looked at.
const COPIES: usize = 64;

/// What a reference names.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// API group; empty for Kubernetes' core.
    pub group: &'a str,
    /// `Service`
    pub kind: &'a str,
    /// Empty for kinds outside of namespaces.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Wanted<'a> {
    /// A Service.
    pub fn service(namespace: &'a str, name: &'a str) -> Self {
        Self { group: "", kind: "Service", namespace, name }
    }

    /// `Service shop/checkout`
    fn shown(&self) -> String {
        match self.namespace {
            "" => format!("{} {}", self.kind, self.name),
            namespace => format!("{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// What a reference comes to.
#[derive(Clone, Debug)]
pub enum Referenced<'w> {
    /// These objects, all equally near: one, or alternatives.
    There(Vec<&'w Object>),
    /// A controller makes it.
    Made,
    /// It does not exist.
    Missing(Missing<'w>),
}

/// Something that does not exist, as far as can be told.
#[derive(Clone, Copy, Debug)]
pub struct Missing<'w> {
    /// What may have been meant.
    pub near: Option<&'w Object>,
    /// The input is all there is.
    pub closed: bool,
}

impl Missing<'_> {
    /// Adds to a finding what may have been meant instead of the text at its place, and takes it
    /// for a warning where the cluster may have what the input has not.
    #[must_use]
    pub fn tell(self, world: &World, mut finding: Finding, at: &Origin, written: &str) -> Finding {
        if !self.closed {
            finding = finding.level(Level::Warn);
        }
        let Some(near) = self.near else { return finding };
        let known = near.meta.name();
        let fix = Fix::suggest(format!("write {known}"));
        finding.also(&near.origin(), "perhaps this one").fix(world.rewrite(fix, at, written, known))
    }
}

impl<'w> Joined<'w> {
    /// What a reference of `from` comes to; unknown when it cannot be told.
    pub fn referenced(&self, from: &Object, wanted: Wanted<'_>) -> Result<Referenced<'w>, Abstain> {
        if wanted.name.is_empty() || is_placeholder(wanted.name) || is_placeholder(wanted.namespace)
        {
            return Err(Abstain::unknown(Reason::Templated, wanted.shown()));
        }
        let world = self.world;
        let all = self.joins.named(wanted.namespace, wanted.kind, wanted.name);
        if all.len() > COPIES {
            return Err(Abstain::unknown(Reason::Alternatives, wanted.shown()));
        }
        let objects = all.iter().filter_map(|id| world.objects.get(*id));
        let found: Vec<(Distance, &'w Object)> = objects
            .filter(|object| object.meta.group() == wanted.group)
            .map(|object| {
                (self.scope.distance(from.document.source, object.document.source), object)
            })
            .collect();
        match found.iter().map(|(distance, _)| *distance).min() {
            Some(Distance::Apart) if !world.settings.closed_world => {
                let what = format!("whether {} is applied with it", wanted.shown());
                Err(Abstain::unknown(Reason::Alternatives, what))
            }
            Some(nearest) => {
                let nearest = found.into_iter().filter(|(distance, _)| *distance == nearest);
                Ok(Referenced::There(nearest.map(|(_, object)| object).collect()))
            }
            None if self.makes(wanted) => Ok(Referenced::Made),
            None => self.absent(from, wanted),
        }
    }

    /// The one object that a reference of `from` comes to, if it is there; `Err` also when there
    /// are alternatives.
    pub fn referenced_one(
        &self,
        from: &Object,
        wanted: Wanted<'_>,
    ) -> Result<Result<&'w Object, Option<Missing<'w>>>, Abstain> {
        match self.referenced(from, wanted)? {
            Referenced::There(found) => {
                let mut sources = found.iter().map(|object| object.document.source);
                let first = sources.next();
                match found.first() {
                    Some(object) if sources.all(|other| Some(other) == first) => Ok(Ok(object)),
                    _ => Err(Abstain::unknown(Reason::Alternatives, wanted.shown())),
                }
            }
            Referenced::Made => Ok(Err(None)),
            Referenced::Missing(missing) => Ok(Err(Some(missing))),
        }
    }

    fn absent(&self, from: &Object, wanted: Wanted<'_>) -> Result<Referenced<'w>, Abstain> {
        let (world, name) = (self.world, wanted.name);
        let closed = world.settings.closed_world;
        let mut near: Option<(usize, &str, &'w Object)> = None;
        // No slip turns a short name into another one's for certain.
        let known = self.joins.of_kind(wanted.namespace, wanted.kind).take(COMPARED);
        for (known, ids) in known.filter(|(known, _)| known.len() > 4 && name.len() > 4) {
            let Some(distance) = names::distance(known, name, 2) else { continue };
            if near.is_some_and(|(best, other, _)| (best, other) <= (distance, known)) {
                continue;
            }
            let object = ids.first().and_then(|id| world.objects.get(*id));
            let object = object.filter(|object| {
                object.meta.group() == wanted.group
                    && self.together(from, object)
                    && stem(known) != stem(name)
            });
            near = object.map(|object| (distance, known, object)).or(near);
        }
        let near = near.map(|(_, _, object)| object);
        if near.is_none() && !closed {
            return Err(Abstain::unknown(Reason::ObjectNotInInput, wanted.shown()));
        }
        Ok(Referenced::Missing(Missing { near, closed }))
    }
}

/// What tells names apart: `api-1` and `api-2`, `web-a` and `web-b` are two names, and no slip.
fn stem(name: &str) -> String {
    let letters = |part: &str| part.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let parts = name.split(['-', '.']).map(letters).filter(|part| part.len() > 2);
    parts.collect::<Vec<_>>().join("-")
}

/// Groups whose objects run, route or measure what is there, and make no Services but those that
/// are named in [`Made::new`].
const MAKE_NO_SERVICES: &[&str] = &[
    "argoproj.io",
    "cert-manager.io",
    "flagger.app",
    "keda.sh",
    "monitoring.coreos.com",
    "networking.istio.io",
    "security.istio.io",
    "telemetry.istio.io",
];

/// Kinds in [`Made::names`].
const MADE: &[&str] = &["Service", "VirtualService", "HTTPRoute", "Deployment", "DaemonSet"];

/// What controllers make out of objects of the input, and which autoscalers of KEDA's scale what.
#[derive(Debug, Default)]
pub struct Made<'w> {
    /// By namespace, kind and name.
    names: FxHashSet<(&'w str, &'static str, Cow<'w, str>)>,
    /// Objects of other people's kinds, which may make what is named after them.
    owners: FxHashSet<(&'w str, &'w str)>,
    /// ScaledObjects by namespace, and kind and name of what they scale.
    scaled: FxHashMap<(&'w str, &'w str, &'w str), Vec<ObjectId>>,
}

impl<'w> Made<'w> {
    /// Goes through the objects once.
    pub fn new(world: &'w World) -> Self {
        let mut made = Self::default();
        for (id, object) in world.objects.iter().enumerate() {
            let namespace = object.meta.namespace.value.as_str();
            let name = object.meta.name();
            let text = |path: &[&str]| object.node().at(path).and_then(Node::as_str);
            let group = object.meta.group();
            match (group, object.meta.kind.value.as_str()) {
                // `GetServiceNames` of flagger's pkg/apis/flagger/v1beta1/canary.go.
                ("flagger.app", "Canary") => {
                    let target = text(&["spec", "targetRef", "name"]).unwrap_or(name);
                    let apex = text(&["spec", "service", "name"]).unwrap_or(target);
                    for kind in ["Service", "VirtualService", "HTTPRoute"] {
                        made.names.insert((namespace, kind, apex.into()));
                    }
                    for side in ["primary", "canary"] {
                        let name = format!("{apex}-{side}");
                        made.names.insert((namespace, "Service", name.into()));
                    }
                    let primary = format!("{target}-primary");
                    made.names.insert((namespace, "Deployment", primary.clone().into()));
                    made.names.insert((namespace, "DaemonSet", primary.into()));
                }
                ("serving.knative.dev", "Service" | "Route") => {
                    made.names.insert((namespace, "Service", name.into()));
                }
                ("keda.sh", "ScaledObject") => {
                    let kind = text(&["spec", "scaleTargetRef", "kind"]).unwrap_or("Deployment");
                    if let Some(target) = text(&["spec", "scaleTargetRef", "name"]) {
                        made.scaled.entry((namespace, kind, target)).or_default().push(id);
                    }
                }
                _ => {}
            }
            let own = !group.contains('.') || group.ends_with(".k8s.io");
            if !own && !MAKE_NO_SERVICES.contains(&group) {
                made.owners.insert((namespace, name));
            }
        }
        made
    }

    /// Whether an object of the input has a controller make it, or may well have.
    fn holds(&self, wanted: Wanted<'_>) -> bool {
        let Wanted { kind, namespace, name, .. } = wanted;
        let known = MADE.iter().find(|known| **known == kind);
        if known.is_some_and(|kind| self.names.contains(&(namespace, *kind, Cow::Borrowed(name)))) {
            return true;
        }
        let has = |prefix: &str| self.owners.contains(&(namespace, prefix));
        // `orders-rw` of a database `orders`.
        kind == "Service"
            && (has(name) || name.match_indices(['-', '.']).any(|(at, _)| has(&name[..at])))
    }

    /// ScaledObjects that scale an object of that kind and name, in input order.
    pub fn scaled_objects<'a>(
        &'a self,
        namespace: &'a str,
        kind: &'a str,
        name: &'a str,
    ) -> &'a [ObjectId] {
        self.scaled.get(&(namespace, kind, name)).map_or(&[], Vec::as_slice)
    }
}

impl Joined<'_> {
    /// Whether a controller makes it from an object of the input, or may well.
    fn makes(&self, wanted: Wanted<'_>) -> bool {
        let (namespace, name) = (wanted.namespace, wanted.name);
        self.made.holds(wanted)
            || (wanted.kind == "Secret"
                && (self.provided.is_made(namespace, SourceKind::Secret, name)
                    || self.provided.may_be_made(namespace, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn names_that_are_counted_are_no_slips() {
        assert_eq!(stem("api-1"), stem("api-2"));
        assert_eq!(stem("web-a"), stem("web-b"));
        assert_eq!(stem("v1.backend"), stem("v2.backend"));
        assert_ne!(stem("checkout"), stem("chekout"));
        assert_ne!(stem("orders-api"), stem("orders-ape"));
    }
}
