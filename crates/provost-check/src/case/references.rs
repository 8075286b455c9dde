//! References by kind and name: what they come to, and who else makes what is not there.
//!
//! A name is looked up among the objects that may well be applied together with the one that
//! says it. What is found nowhere is missing when the input is all there is, or when something of
//! nearly that name is there; else nothing is known of it.

use std::borrow::Cow;

use rustc_hash::{FxHashMap, FxHashSet};

use super::provided::SourceKind;
use super::routes::GATEWAY_API;
use super::scope::Distance;
use super::{Joined, ObjectId, World};
use crate::facts::document::Node;
use crate::facts::placeholders::is_placeholder;
use crate::facts::settings::Existing;
use crate::facts::{Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::{names, rbac};

/// Templates of claims of one StatefulSet that are looked at.
const CLAIMS: usize = 64;

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

    /// Whether it is looked for wherever the object goes that names it: neither of them says a
    /// namespace.
    fn goes_with(self, from: &Object) -> bool {
        let own = &from.meta.namespace;
        !own.is_written() && own.value == self.namespace
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
    /// A controller makes it, or `provost.toml` says that it is there.
    Made,
    /// It does not exist.
    Missing(Missing<'w>),
}

/// Something that does not exist, as far as can be told.
#[derive(Clone, Debug)]
pub struct Missing<'w> {
    /// What may have been meant.
    pub near: Option<&'w Object>,
    /// The input is all there is.
    pub closed: bool,
    /// `Service shop/checkout`
    wanted: String,
}

impl<'w> Missing<'w> {
    /// The same without what is near, where that is there for something else.
    #[must_use]
    pub fn unless(mut self, is_taken: impl FnOnce(&'w Object) -> bool) -> Self {
        self.near = self.near.filter(|near| !is_taken(near));
        self
    }

    /// Unknown where neither the name of another object nor the end of the input says that it is
    /// missing.
    pub fn or_unknown(self) -> Result<Self, Abstain> {
        match self.closed || self.near.is_some() {
            true => Ok(self),
            false => Err(Abstain::unknown(Reason::ObjectNotInInput, self.wanted)),
        }
    }

    /// Adds to a finding what may have been meant instead of the text at its place, and takes it
    /// for a warning where the cluster may have what the input has not.
    #[must_use]
    pub fn tell(self, world: &World, mut finding: Finding, at: &Origin, written: &str) -> Finding {
        if !self.closed {
            finding = finding.level(Level::Warn);
        }
        let Some(near) = self.near else {
            return finding.note(Existing::advice(&self.wanted));
        };
        let known = near.meta.name();
        let fix = Fix::suggest(format!("did you mean {known}?"));
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
        let ids = self.joins.named(wanted.namespace, wanted.kind, wanted.name);
        if let Some(found) = self.nearest(from, wanted, ids, |_| true)? {
            return Ok(Referenced::There(found));
        }
        if self.makes(from, wanted) {
            return Ok(Referenced::Made);
        }
        match self.unplaced(from, wanted)? {
            Some(found) => Ok(Referenced::There(found)),
            None if self.is_declared(wanted.kind, wanted.namespace, wanted.name) => {
                Ok(Referenced::Made)
            }
            None => self.absent(from, wanted),
        }
    }

    /// The nearest of the objects that are meant.
    fn nearest(
        &self,
        from: &Object,
        wanted: Wanted<'_>,
        ids: &[ObjectId],
        is_meant: impl Fn(&Object) -> bool,
    ) -> Result<Option<Vec<&'w Object>>, Abstain> {
        let world = self.world;
        if ids.len() > COPIES {
            return Err(Abstain::unknown(Reason::Alternatives, wanted.shown()));
        }
        let objects = ids.iter().filter_map(|id| world.objects.get(*id));
        let objects = objects.filter(|it| it.meta.group() == wanted.group && is_meant(it));
        let found: Vec<(Distance, &'w Object)> = objects
            .map(|object| {
                (self.scope.distance(from.document.source, object.document.source), object)
            })
            .collect();
        match found.iter().map(|(distance, _)| *distance).min() {
            None => Ok(None),
            Some(Distance::Apart) if !world.settings.closed_world => {
                let what = format!("whether {} is applied with it", wanted.shown());
                Err(Abstain::unknown(Reason::Alternatives, what))
            }
            Some(nearest) => {
                let nearest = found.into_iter().filter(|(distance, _)| *distance == nearest);
                Ok(Some(nearest.map(|(_, object)| object).collect()))
            }
        }
    }

    /// The same of objects without a namespace, which go where they are applied: `helm template -n
    /// prod` prints some with it and some without. One that lies with an object of the namespace goes
    /// there; of others it is not known.
    fn unplaced(
        &self,
        from: &Object,
        wanted: Wanted<'_>,
    ) -> Result<Option<Vec<&'w Object>>, Abstain> {
        let unsure = || {
            let what = format!("the namespace of {} {}", wanted.kind, wanted.name);
            Abstain::unknown(Reason::Alternatives, what)
        };
        if wanted.namespace.is_empty() {
            return Ok(None);
        }
        if wanted.goes_with(from) {
            return match self.made.written.contains_key(&(wanted.kind, wanted.name)) {
                true => Err(unsure()),
                false => Ok(None),
            };
        }
        let Some(default) = self.made.default.filter(|default| *default != wanted.namespace) else {
            return Ok(None);
        };
        let ids = self.joins.named(default, wanted.kind, wanted.name);
        match self.nearest(from, wanted, ids, |object| !object.meta.namespace.is_written())? {
            None => Ok(None),
            Some(found)
                if from.meta.namespace.value == wanted.namespace
                    && found.iter().all(|object| self.together(from, object)) =>
            {
                Ok(Some(found))
            }
            Some(_) => Err(unsure()),
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

    /// Where what is wanted is not there, an object of that kind and name in another namespace that it says, which
    /// is applied together with the one that looks for it.
    pub fn elsewhere(&self, from: &Object, wanted: Wanted<'_>) -> Option<&'w Object> {
        let id = self.made.written.get(&(wanted.kind, wanted.name))?;
        self.world.objects.get(*id).filter(|object| {
            object.meta.group() == wanted.group
                && object.meta.namespace.value != wanted.namespace
                && self.together(from, object)
        })
    }

    fn absent(&self, from: &Object, wanted: Wanted<'_>) -> Result<Referenced<'w>, Abstain> {
        let (world, name) = (self.world, wanted.name);
        let closed = world.settings.closed_world;
        let known = self.joins.of_kind(wanted.namespace, wanted.kind).take(COMPARED);
        let known = known.filter(|_| !OPERATED.iter().any(|(_, service, _)| *service == name));
        let known: Vec<(&str, &'w Object)> = known
            .filter(|(known, _)| names::is_slip(known, name))
            .filter_map(|(known, ids)| Some((known, world.objects.get(*ids.first()?)?)))
            .filter(|(_, it)| it.meta.group() == wanted.group && self.together(from, it))
            .collect();
        let meant = names::meant(name, known.iter().map(|(known, _)| *known));
        let near = known.iter().find(|(known, _)| Some(*known) == meant).map(|(_, it)| *it);
        let missing = Missing { near, closed, wanted: wanted.shown() };
        Ok(Referenced::Missing(missing.or_unknown()?))
    }
}

/// Bytes of the longest name of an object (`DNS1123SubdomainMaxLength` in
/// k8s.io/apimachinery v0.37 pkg/util/validation/validation.go).
const LONGEST_NAME: usize = 253;

/// Groups whose objects run, route or measure what is there, and make nothing that is referred to by
/// name but what [`Made::new`] names. Those with `k8s.io` are Kubernetes' own and of its add-ons.
const MAKE_NOTHING: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "autoscaling.k8s.io",
    "cert-manager.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flagger.app",
    "flowcontrol.apiserver.k8s.io",
    "keda.sh",
    "metrics.k8s.io",
    "networking.istio.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy.networking.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "security.istio.io",
    "snapshot.storage.k8s.io",
    "storage.k8s.io",
    "telemetry.istio.io",
];

/// Whether the controller of a kind makes nothing that is called after its objects.
fn makes_nothing(group: &str, kind: &str) -> bool {
    match group {
        // Events makes Services of EventSources, the operator of Argo CD those of an ArgoCD, and an
        // Application whatever its chart holds.
        "argoproj.io" => matches!(
            kind,
            "Rollout"
                | "AnalysisTemplate"
                | "ClusterAnalysisTemplate"
                | "AnalysisRun"
                | "AppProject"
                | "WorkflowTemplate"
                | "ClusterWorkflowTemplate"
        ),
        "monitoring.coreos.com" => matches!(
            kind,
            "ServiceMonitor"
                | "PodMonitor"
                | "Probe"
                | "PrometheusRule"
                | "AlertmanagerConfig"
                | "ScrapeConfig"
        ),
        // Most implementations make a Service of each Gateway (`<gateway>-<class>` is Istio's).
        GATEWAY_API => kind != "Gateway",
        _ => !group.contains('.') || MAKE_NOTHING.contains(&group),
    }
}

/// Kind, Service and prefix of the StatefulSet that the Prometheus operator makes
/// (`governingServiceName` and `prefixedName` in prometheus-operator v0.93 pkg/prometheus,
/// pkg/alertmanager and pkg/thanos).
const OPERATED: &[(&str, &str, &str)] = &[
    ("Prometheus", "prometheus-operated", "prometheus"),
    ("PrometheusAgent", "prometheus-agent-operated", "prom-agent"),
    ("Alertmanager", "alertmanager-operated", "alertmanager"),
    ("ThanosRuler", "thanos-ruler-operated", "thanos-ruler"),
];

/// Kinds in [`Made::names`].
const MADE: &[&str] =
    &["Service", "VirtualService", "HTTPRoute", "Deployment", "DaemonSet", "StatefulSet"];

/// The place of what is made somewhere, as [`Made`] keeps it.
const ANYWHERE: &str = "*";

/// The place of what goes where it is applied.
const UNPLACED: &str = "";

/// What controllers make out of objects of the input, and which autoscalers of KEDA's scale what.
#[derive(Debug, Default)]
pub struct Made<'w> {
    /// By namespace, or one of the two other places, kind and name.
    names: FxHashSet<(&'w str, &'static str, Cow<'w, str>)>,
    /// Objects of other people's kinds, which may make what is named after them.
    owners: FxHashSet<(&'w str, &'w str)>,
    /// Claims of StatefulSets by place, as `data-orders-` of the template and the StatefulSet.
    claims: FxHashSet<(&'w str, String)>,
    /// ScaledObjects by namespace, and kind and name of what they scale.
    scaled: FxHashMap<(&'w str, &'w str, &'w str), Vec<ObjectId>>,
    /// Where objects are taken to be that do not say a namespace; none when all do.
    default: Option<&'w str>,
    /// Kinds and names of the objects that say one, with the first of each.
    written: FxHashMap<(&'w str, &'w str), ObjectId>,
}

impl<'w> Made<'w> {
    /// Goes through the objects once.
    pub fn new(world: &'w World) -> Self {
        let mut made = Self::default();
        for (id, object) in world.objects.iter().enumerate() {
            let namespace = object.meta.namespace.value.as_str();
            let name = object.meta.name();
            let text = |path: &[&str]| object.node().at(path).and_then(Node::as_str);
            let (group, kind) = (object.meta.group(), object.meta.kind.value.as_str());
            let places = match object.meta.namespace.is_written() {
                true => {
                    made.written.entry((kind, name)).or_insert(id);
                    [Some(namespace), None, Some(ANYWHERE)]
                }
                false => {
                    made.default = Some(namespace);
                    [Some(namespace), Some(UNPLACED), Some(ANYWHERE)]
                }
            };
            let mut add = |kind: &'static str, name: Cow<'w, str>| {
                for place in places.into_iter().flatten() {
                    made.names.insert((place, kind, name.clone()));
                }
            };
            match (group, kind) {
                // `getPersistentVolumeClaimName` in pkg/controller/statefulset/stateful_set_utils.go.
                ("apps", "StatefulSet") => {
                    let templates = object.node().at(&["spec", "volumeClaimTemplates"]);
                    let templates = templates.into_iter().flat_map(Node::items).take(CLAIMS);
                    let names = templates.filter_map(|it| it.at(&["metadata", "name"])?.as_str());
                    for claim in names.map(|template| format!("{template}-{name}-")) {
                        let places = places.into_iter().flatten();
                        made.claims.extend(places.map(|place| (place, claim.clone())));
                    }
                }
                // `GetServiceNames` of flagger's pkg/apis/flagger/v1beta1/canary.go.
                ("flagger.app", "Canary") => {
                    let target = text(&["spec", "targetRef", "name"]).unwrap_or(name);
                    let apex = text(&["spec", "service", "name"]).unwrap_or(target);
                    for kind in ["Service", "VirtualService", "HTTPRoute"] {
                        add(kind, apex.into());
                    }
                    for side in ["primary", "canary"] {
                        add("Service", format!("{apex}-{side}").into());
                    }
                    let primary = format!("{target}-primary");
                    add("Deployment", primary.clone().into());
                    add("DaemonSet", primary.into());
                }
                ("serving.knative.dev", "Service" | "Route") => add("Service", name.into()),
                // Cilium and Contour put the name behind another.
                (GATEWAY_API, "Gateway") => {
                    for before in ["cilium-gateway", "envoy"] {
                        add("Service", format!("{before}-{name}").into());
                    }
                }
                ("monitoring.coreos.com", kind) => {
                    let operated = OPERATED.iter().find(|(operated, ..)| *operated == kind);
                    if let Some((_, service, prefix)) = operated {
                        add("Service", (*service).into());
                        add("StatefulSet", format!("{prefix}-{name}").into());
                    }
                }
                ("keda.sh", "ScaledObject") => {
                    let kind = text(&["spec", "scaleTargetRef", "kind"]).unwrap_or("Deployment");
                    if let Some(target) = text(&["spec", "scaleTargetRef", "name"]) {
                        made.scaled.entry((namespace, kind, target)).or_default().push(id);
                    }
                }
                _ => {}
            }
            if !makes_nothing(group, kind) {
                made.owners.extend(places.into_iter().flatten().map(|place| (place, name)));
            }
        }
        made
    }

    /// Whether an object of the input has a controller make it, or may well have.
    fn holds(&self, from: &Object, wanted: Wanted<'_>) -> bool {
        let Wanted { group, kind, namespace, name } = wanted;
        if name.len() > LONGEST_NAME {
            return false;
        }
        let anywhere = if wanted.goes_with(from) { ANYWHERE } else { namespace };
        let places = [namespace, UNPLACED, anywhere];
        let is_made = |kind: &'static str| {
            places.iter().any(|place| self.names.contains(&(*place, kind, Cow::Borrowed(name))))
        };
        if MADE.iter().any(|known| *known == kind && is_made(known)) {
            return true;
        }
        let ordinal = || name.rfind('-').map(|at| name.split_at(at + 1));
        if kind == "PersistentVolumeClaim"
            && let Some((claim, ordinal)) = ordinal()
            && !ordinal.is_empty()
            && ordinal.bytes().all(|b| b.is_ascii_digit())
            && places.iter().any(|place| self.claims.contains(&(*place, claim.to_owned())))
        {
            return true;
        }
        let has = |prefix: &str| places.iter().any(|place| self.owners.contains(&(*place, prefix)));
        // `orders-rw` of a database `orders`, the Deployment `main-collector` of a collector `main`.
        matches!(group, "" | "apps" | "autoscaling")
            && (has(name) || name.match_indices(['-', '.']).any(|(at, _)| has(&name[..at])))
    }

    /// The namespace that objects are taken to be in which do not say one; none when all do.
    pub fn default_namespace(&self) -> Option<&'w str> {
        self.default
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
    /// Whether an object of the input is of a kind whose controller may make pods of its own: an
    /// installation of the mesh, a Gateway, a database.
    pub fn pods_may_be_made(&self) -> bool {
        !self.made.owners.is_empty()
    }

    /// Whether an autoscaler of the input scales the workload.
    pub fn is_scaled(&self, workload: &Object) -> bool {
        let meta = &workload.meta;
        let (namespace, kind) = (meta.namespace.value.as_str(), meta.kind.value.as_str());
        let ids = self.joins.named(namespace, kind, meta.name());
        ids.iter().any(|id| !self.joins.scalers(*id).is_empty())
            || !self.made.scaled_objects(namespace, kind, meta.name()).is_empty()
    }

    /// Whether a controller makes it from an object of the input, or may well.
    fn makes(&self, from: &Object, wanted: Wanted<'_>) -> bool {
        let (namespace, name) = (wanted.namespace, wanted.name);
        rbac::is_built_in(wanted.kind, namespace, name)
            || self.made.holds(from, wanted)
            || (wanted.kind == "Secret"
                && name.len() <= LONGEST_NAME
                && (self.provided.is_made(namespace, SourceKind::Secret, name)
                    || self.provided.may_be_made(namespace, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Made, Wanted};
    use crate::case::sample::world;

    #[test]
    fn what_is_called_after_an_object_may_be_made_of_it_within_the_length_of_names() {
        let object = |version: &str, kind: &str, name: &str| {
            format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n---\n"
            )
        };
        let text = [
            object("example.com/v1", "Database", "orders"),
            object("argoproj.io/v1alpha1", "EventSource", "webhook"),
            object("argoproj.io/v1alpha1", "Rollout", "checkout"),
            object("gateway.networking.k8s.io/v1", "Gateway", "edge"),
            object("networking.k8s.io/v1", "IngressClass", "nginx"),
        ];
        let world = world(text.concat());
        let made = Made::new(&world);
        let holds = |name: &str| made.holds(&world.objects[0], Wanted::service("shop", name));
        for name in ["orders-rw", "webhook-eventsource-svc", "edge-istio", "cilium-gateway-edge"] {
            assert!(holds(name), "{name}");
        }
        for name in ["checkout-canary", "nginx-controller", "payments"] {
            assert!(!holds(name), "{name}");
        }
        assert!(holds(&format!("orders-{}", "a".repeat(246))));
        assert!(!holds(&format!("orders-{}", "-".repeat(247))));
    }
}
