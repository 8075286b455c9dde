//! Argo Rollouts: how a Rollout shifts traffic, and the analyses that decide whether it goes on.
//!
//! Source: argo-rollouts v1.10.2 pkg/apis/rollouts/v1alpha1/types.go and analysis_types.go. What is
//! of another type than wanted, or holds a placeholder, is left out or marked as unknown; nothing
//! here judges.

use super::document::{Node, NodeId, ScalarKind};
use super::origin::{Fact, Origin};
use crate::model::goduration;

/// `spec.strategy` of a Rollout.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// The key `strategy`, else the object's `spec`.
    pub origin: Origin,
    /// `canary`
    pub canary: Option<Canary>,
    /// `blueGreen`
    pub blue_green: Option<BlueGreen>,
    /// Something else is written as a strategy: a placeholder, or a newer controller's.
    pub other: bool,
}

/// `strategy.canary`
#[derive(Clone, Debug)]
pub struct Canary {
    /// The key.
    pub origin: Origin,
    /// Its mapping, for what is not typed here.
    pub node: NodeId,
    /// `canaryService`
    pub canary_service: Option<Fact<String>>,
    /// `stableService`
    pub stable_service: Option<Fact<String>>,
    /// `pingPong`
    pub ping_pong: Option<PingPong>,
    /// `trafficRouting`
    pub routing: Option<Routing>,
    /// `steps`
    pub steps: Vec<Step>,
    /// `analysis`, which runs in the background while the steps are taken.
    pub analysis: Option<AnalysisUse>,
    /// Values of `canaryMetadata.labels`, which the canary's pods carry.
    pub labels: Vec<String>,
}

/// `pingPong`: two Services that change roles.
#[derive(Clone, Debug)]
pub struct PingPong {
    /// The key.
    pub origin: Origin,
    /// `pingService`
    pub ping: Option<Fact<String>>,
    /// `pongService`
    pub pong: Option<Fact<String>>,
}

/// `trafficRouting`
#[derive(Clone, Debug)]
pub struct Routing {
    /// The key.
    pub origin: Origin,
    /// `istio`, `nginx`, `alb` ... as they are written.
    pub routers: Vec<Fact<String>>,
    /// `istio.virtualService` and `istio.virtualServices`
    pub virtual_services: Vec<VirtualServiceUse>,
    /// `istio.destinationRule` is written: subsets tell the versions apart.
    pub destination_rule: bool,
    /// `nginx.stableIngress` and `nginx.stableIngresses`
    pub ingresses: Vec<Fact<String>>,
    /// `maxTrafficWeight`, default 100; `None` where it cannot be read.
    pub max_weight: Option<i64>,
}

impl Routing {
    /// Whether that router is configured.
    pub fn has(&self, router: &str) -> bool {
        self.routers.iter().any(|known| known.value == router)
    }
}

/// A VirtualService whose weights the controller sets.
#[derive(Clone, Debug)]
pub struct VirtualServiceUse {
    /// `name`, perhaps with a namespace after a dot.
    pub name: Fact<String>,
    /// `routes`: names of its HTTP routes; needed when it has several.
    pub routes: Vec<Fact<String>>,
}

/// One entry of `steps`.
#[derive(Clone, Debug)]
pub struct Step {
    /// The place of its key.
    pub origin: Origin,
    /// The entry, for what is not typed here.
    pub node: NodeId,
    /// What it does.
    pub kind: StepKind,
    /// The fields that say what it does; one, where the step is as it should be.
    pub fields: Vec<Fact<String>>,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// `setWeight`
    Weight(Fact<i64>),
    /// `pause`
    Pause(Pause),
    /// `analysis`: the rollout waits for its end.
    Analysis(AnalysisUse),
    /// `experiment`, with what it analyses.
    Experiment(Vec<AnalysisUse>),
    /// `setCanaryScale`, `setHeaderRoute`, `setMirrorRoute`: takes no time of its own.
    Quick,
    /// A plugin, or something that cannot be read.
    Other,
}

/// How long a pause is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pause {
    /// Until somebody promotes.
    Forever,
    /// So many seconds.
    Seconds(f64),
    /// Cannot be told.
    Unknown,
}

/// `strategy.blueGreen`
#[derive(Clone, Debug)]
pub struct BlueGreen {
    /// The key.
    pub origin: Origin,
    /// Its mapping, for what is not typed here.
    pub node: NodeId,
    /// `activeService`
    pub active: Option<Fact<String>>,
    /// `previewService`
    pub preview: Option<Fact<String>>,
    /// `prePromotionAnalysis`
    pub before: Option<AnalysisUse>,
    /// `postPromotionAnalysis`
    pub after: Option<AnalysisUse>,
}

/// A place where a Rollout has something analysed.
#[derive(Clone, Debug)]
pub struct AnalysisUse {
    /// The key that holds it.
    pub origin: Origin,
    /// Templates that are combined.
    pub templates: Vec<TemplateRef>,
    /// Arguments handed to them.
    pub args: Vec<Argument>,
    /// `dryRun[].metricName`
    pub dry_run: Vec<Fact<String>>,
    /// `startingStep` of a background analysis.
    pub starting_step: Option<i64>,
}

/// A template by name.
#[derive(Clone, Debug)]
pub struct TemplateRef {
    /// `templateName`
    pub name: Fact<String>,
    /// `clusterScope: true`
    pub cluster: bool,
}

impl TemplateRef {
    /// The kind it names.
    pub fn kind(&self) -> &'static str {
        if self.cluster { "ClusterAnalysisTemplate" } else { "AnalysisTemplate" }
    }
}

/// An argument of a template, as declared or as handed over.
#[derive(Clone, Debug)]
pub struct Argument {
    /// `name`
    pub name: Fact<String>,
    /// What it is.
    pub value: ArgValue,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgValue {
    /// `value`
    Text(Fact<String>),
    /// `valueFrom.podTemplateHashValue: Latest`: the pods of the new version.
    LatestHash,
    /// `valueFrom.podTemplateHashValue: Stable`
    StableHash,
    /// From a field or a Secret: known when it runs.
    Elsewhere,
    /// Nothing: somebody has to supply it.
    Missing,
}

/// `AnalysisTemplate`, `ClusterAnalysisTemplate` or `AnalysisRun`.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// `spec.args`
    pub args: Vec<Argument>,
    /// `spec.metrics`
    pub metrics: Vec<Metric>,
    /// `spec.dryRun[].metricName`: regular expressions.
    pub dry_run: Vec<Fact<String>>,
    /// `spec.templates`: further templates that are combined with it.
    pub templates: Vec<TemplateRef>,
}

impl Analysis {
    /// The argument declared by that name.
    pub fn arg(&self, name: &str) -> Option<&Argument> {
        self.args.iter().find(|arg| arg.name.value == name)
    }
}

/// A number that may be an argument's.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The place.
    pub origin: Origin,
    /// The number; `None` where it is filled in later.
    pub value: Option<i64>,
}

/// One entry of `metrics`.
#[derive(Clone, Debug)]
pub struct Metric {
    /// The place of the name, else of the entry's first key.
    pub origin: Origin,
    /// The entry, for comments inside.
    pub node: NodeId,
    /// `name`
    pub name: String,
    /// The one provider: its key. None or several are refused by the controller.
    pub provider: Option<Fact<String>>,
    /// The query, where the provider is `prometheus`.
    pub query: Option<Fact<String>>,
    /// It is asked for a range of time, so that the result holds several values a series.
    pub is_range: bool,
    /// `successCondition`
    pub success: Option<Fact<String>>,
    /// `failureCondition`
    pub failure: Option<Fact<String>>,
    /// `count`
    pub count: Option<Count>,
    /// `interval` in seconds; `None` inside where it cannot be read.
    pub interval: Option<Fact<Option<f64>>>,
    /// `initialDelay` in seconds.
    pub initial_delay: Option<Fact<Option<f64>>>,
    /// `failureLimit`
    pub failure_limit: Option<Count>,
    /// `inconclusiveLimit`
    pub inconclusive_limit: Option<Count>,
    /// `consecutiveErrorLimit`
    pub error_limit: Option<Count>,
    /// `consecutiveSuccessLimit`
    pub success_limit: Option<Count>,
}

impl Metric {
    /// Whether the provider is that one.
    pub fn is_from(&self, provider: &str) -> bool {
        self.provider.as_ref().is_some_and(|known| known.value == provider)
    }

    /// How often it is measured: `EffectiveCount`.
    pub fn measurements(&self) -> Measurements {
        let unlimited =
            if self.interval.is_none() { Measurements::Times(1) } else { Measurements::Endless };
        match self.count.as_ref().map(|count| count.value) {
            None | Some(Some(0)) => unlimited,
            Some(Some(n)) => Measurements::Times(n),
            Some(None) => Measurements::Unknown,
        }
    }
}

/// How often a metric is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measurements {
    /// So often.
    Times(i64),
    /// Until somebody ends it.
    Endless,
    /// Cannot be told.
    Unknown,
}

impl Rollout {
    /// Reads `spec.strategy` of the object at `root`.
    pub fn read(root: Node<'_>) -> Self {
        let spec = root.get_entry("spec");
        let strategy = spec.and_then(|(_, spec)| spec.get_entry("strategy"));
        let place = strategy.or(spec).map_or(root, |(key, _)| key);
        let inner = |name| strategy.and_then(|(_, strategy)| strategy.get_entry(name));
        Self {
            origin: place.origin(),
            canary: inner("canary").map(|(key, node)| canary(key, node)),
            blue_green: inner("blueGreen").map(|(key, node)| blue_green(key, node)),
            other: strategy.is_some_and(|(_, strategy)| {
                let known = |key: Node<'_>| matches!(key.as_str(), Some("canary" | "blueGreen"));
                strategy.entries().any(|(key, _)| !known(key))
            }),
        }
    }

    /// Every place where something is analysed, in the order it happens.
    pub fn uses(&self) -> Vec<(&AnalysisUse, UseKind)> {
        let mut found = Vec::new();
        if let Some(canary) = &self.canary {
            found.extend(canary.analysis.iter().map(|used| (used, UseKind::Background)));
            for step in &canary.steps {
                match &step.kind {
                    StepKind::Analysis(used) => found.push((used, UseKind::Step)),
                    StepKind::Experiment(all) => {
                        found.extend(all.iter().map(|used| (used, UseKind::Experiment)));
                    }
                    _ => {}
                }
            }
        }
        if let Some(blue_green) = &self.blue_green {
            found.extend(blue_green.before.iter().map(|used| (used, UseKind::BeforePromotion)));
            found.extend(blue_green.after.iter().map(|used| (used, UseKind::AfterPromotion)));
        }
        found
    }
}

/// When an analysis runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseKind {
    /// Beside the steps, until they are done.
    Background,
    /// As a step, which waits for it.
    Step,
    /// Of an experiment that is a step.
    Experiment,
    /// Before the new pods get the requests.
    BeforePromotion,
    /// After that, while the old ones are still there.
    AfterPromotion,
}

fn canary(key: Node<'_>, node: Node<'_>) -> Canary {
    let ping_pong = node.get_entry("pingPong").map(|(key, pair)| PingPong {
        origin: key.origin(),
        ping: nonempty(pair, "pingService"),
        pong: nonempty(pair, "pongService"),
    });
    let labels = node.at(&["canaryMetadata", "labels"]);
    let labels = labels.into_iter().flat_map(Node::entries);
    Canary {
        origin: key.origin(),
        node: node.id,
        canary_service: nonempty(node, "canaryService"),
        stable_service: nonempty(node, "stableService"),
        ping_pong,
        routing: node.get_entry("trafficRouting").map(|(key, node)| routing(key, node)),
        steps: items(node, "steps").map(step).collect(),
        analysis: node.get_entry("analysis").map(|(key, node)| analysis_use(key, node)),
        labels: labels.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect(),
    }
}

fn routing(key: Node<'_>, node: Node<'_>) -> Routing {
    let settings = ["managedRoutes", "maxTrafficWeight"];
    let routers = node
        .entries()
        .filter(|(_, value)| !value.is_null())
        .filter_map(|(key, _)| Some(Fact::written(key.as_str()?.to_owned(), key.origin())))
        .filter(|fact| !settings.contains(&fact.value.as_str()))
        .collect();
    let istio = node.get("istio");
    let one = istio.and_then(|istio| istio.get("virtualService"));
    let several = istio.into_iter().flat_map(|istio| items(istio, "virtualServices"));
    let virtual_services = one.into_iter().chain(several).filter_map(|node| {
        let routes = items(node, "routes").filter_map(fact).collect();
        Some(VirtualServiceUse { name: nonempty(node, "name")?, routes })
    });
    let nginx = node.get("nginx");
    let one = nginx.and_then(|nginx| nonempty(nginx, "stableIngress"));
    let several =
        nginx.into_iter().flat_map(|nginx| items(nginx, "stableIngresses")).filter_map(fact);
    Routing {
        origin: key.origin(),
        routers,
        virtual_services: virtual_services.collect(),
        destination_rule: istio.is_some_and(|istio| istio.get("destinationRule").is_some()),
        ingresses: one.into_iter().chain(several).collect(),
        max_weight: match node.get("maxTrafficWeight") {
            Some(weight) => weight.as_i64(),
            None => Some(100),
        },
    }
}

/// Fields of a step that say what it does (`hasMultipleStepsType` and `InvalidStepMessage`).
const DEEDS: &[&str] = &[
    "setWeight",
    "pause",
    "analysis",
    "experiment",
    "setCanaryScale",
    "setHeaderRoute",
    "setMirrorRoute",
    "plugin",
];

fn step(node: Node<'_>) -> Step {
    // Null is as good as nothing to Go: `pause:` is no pause, `pause: {}` is.
    let deeds: Vec<(Node<'_>, Node<'_>)> = node
        .entries()
        .filter(|(key, value)| {
            !value.is_null() && key.as_str().is_some_and(|key| DEEDS.contains(&key))
        })
        .collect();
    let place = node.entries().next().map_or(node, |(key, _)| key);
    let [(key, value)] = deeds.as_slice() else {
        // What is not known may be a newer controller's.
        let known = deeds.iter().map(|(key, _)| *key);
        let others = node.entries().filter(|(_, value)| deeds.is_empty() && !value.is_null());
        let fields = known.chain(others.map(|(key, _)| key)).filter_map(fact).collect();
        return Step { origin: place.origin(), node: node.id, kind: StepKind::Other, fields };
    };
    let kind = match key.as_str().unwrap_or_default() {
        "setWeight" => value.as_i64().map_or(StepKind::Other, |weight| {
            StepKind::Weight(Fact::written(weight, value.origin()))
        }),
        "pause" => StepKind::Pause(pause(*value)),
        "analysis" => StepKind::Analysis(analysis_use(*key, *value)),
        "experiment" => {
            let analyses = items(*value, "analyses").map(|node| {
                let key = node.get_entry("templateName").map_or(node, |(key, _)| key);
                let mut used = analysis_use(key, node);
                // Each entry of an experiment names one template itself.
                used.templates.extend(template_ref(node));
                used
            });
            StepKind::Experiment(analyses.collect())
        }
        "plugin" => StepKind::Other,
        _ => StepKind::Quick,
    };
    let name = Fact::written(key.as_str().unwrap_or_default().to_owned(), key.origin());
    Step { origin: key.origin(), node: node.id, kind, fields: vec![name] }
}

/// `RolloutPause.DurationSeconds`: a number, digits in quotes, or Go's duration.
fn pause(node: Node<'_>) -> Pause {
    let Some(duration) = node.get("duration") else { return Pause::Forever };
    let text = duration.as_str().unwrap_or_default();
    let seconds = match duration.as_i64() {
        Some(seconds) => u32::try_from(seconds).ok().map(f64::from),
        None => text.parse::<u32>().ok().map(f64::from).or_else(|| goduration::parse_seconds(text)),
    };
    seconds.filter(|seconds| *seconds >= 0.0).map_or(Pause::Unknown, Pause::Seconds)
}

fn blue_green(key: Node<'_>, node: Node<'_>) -> BlueGreen {
    let used = |name| node.get_entry(name).map(|(key, node)| analysis_use(key, node));
    BlueGreen {
        origin: key.origin(),
        node: node.id,
        active: nonempty(node, "activeService"),
        preview: nonempty(node, "previewService"),
        before: used("prePromotionAnalysis"),
        after: used("postPromotionAnalysis"),
    }
}

fn analysis_use(key: Node<'_>, node: Node<'_>) -> AnalysisUse {
    AnalysisUse {
        origin: key.origin(),
        templates: items(node, "templates").filter_map(template_ref).collect(),
        args: items(node, "args").filter_map(argument).collect(),
        dry_run: dry_run(node),
        starting_step: node.get("startingStep").and_then(Node::as_i64),
    }
}

fn template_ref(node: Node<'_>) -> Option<TemplateRef> {
    let cluster = node.get("clusterScope").and_then(Node::as_bool).unwrap_or_default();
    Some(TemplateRef { name: nonempty(node, "templateName")?, cluster })
}

fn dry_run(node: Node<'_>) -> Vec<Fact<String>> {
    items(node, "dryRun").filter_map(|node| nonempty(node, "metricName")).collect()
}

fn argument(node: Node<'_>) -> Option<Argument> {
    let name = nonempty(node, "name")?;
    let from = node.get("valueFrom");
    let hash = from.and_then(|from| from.get("podTemplateHashValue")).and_then(Node::as_str);
    let value = match (node.get("value").and_then(fact), hash, from) {
        (_, Some("Latest"), _) => ArgValue::LatestHash,
        (_, Some("Stable"), _) => ArgValue::StableHash,
        (_, _, Some(_)) => ArgValue::Elsewhere,
        (Some(text), None, None) => ArgValue::Text(text),
        (None, None, None) => ArgValue::Missing,
        (_, Some(_), None) => ArgValue::Elsewhere,
    };
    Some(Argument { name, value })
}

impl Analysis {
    /// Reads `spec` of the object at `root`.
    pub fn read(root: Node<'_>) -> Self {
        let Some(spec) = root.get("spec") else {
            return Self {
                args: Vec::new(),
                metrics: Vec::new(),
                dry_run: Vec::new(),
                templates: Vec::new(),
            };
        };
        Self {
            args: items(spec, "args").filter_map(argument).collect(),
            metrics: items(spec, "metrics").filter(|node| node.is_mapping()).map(metric).collect(),
            dry_run: dry_run(spec),
            templates: items(spec, "templates").filter_map(template_ref).collect(),
        }
    }
}

fn metric(node: Node<'_>) -> Metric {
    let name = node.get("name");
    let first = name.or_else(|| node.entries().next().map(|(key, _)| key)).unwrap_or(node);
    let provider = node.get("provider");
    let mut providers =
        provider.into_iter().flat_map(Node::entries).filter(|(_, value)| !value.is_null());
    let only = match (providers.next(), providers.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    let prometheus = only.filter(|(key, _)| key.as_str() == Some("prometheus")).map(|(_, n)| n);
    let seconds = |key| {
        let node = node.get(key)?;
        let text = node.as_str()?;
        Some(Fact::written(goduration::parse_seconds(text), node.origin()))
    };
    Metric {
        origin: first.origin(),
        node: node.id,
        name: name.and_then(Node::as_str).unwrap_or("?").to_owned(),
        provider: only
            .and_then(|(key, _)| Some(Fact::written(key.as_str()?.to_owned(), key.origin()))),
        query: prometheus.and_then(|node| nonempty(node, "query")),
        is_range: prometheus.is_some_and(|node| node.get("rangeQuery").is_some()),
        success: nonempty(node, "successCondition"),
        failure: nonempty(node, "failureCondition"),
        count: count(node, "count"),
        interval: seconds("interval"),
        initial_delay: seconds("initialDelay"),
        failure_limit: count(node, "failureLimit"),
        inconclusive_limit: count(node, "inconclusiveLimit"),
        error_limit: count(node, "consecutiveErrorLimit"),
        success_limit: count(node, "consecutiveSuccessLimit"),
    }
}

/// `IntOrString.IntValue`: digits in quotes are a number too.
fn count(node: Node<'_>, key: &str) -> Option<Count> {
    let node = node.get(key)?;
    let value = match node.scalar_kind()? {
        ScalarKind::Int(n) => Some(n),
        ScalarKind::Str => node.as_str()?.parse().ok(),
        _ => None,
    };
    Some(Count { origin: node.origin(), value })
}

fn items<'d>(node: Node<'d>, key: &str) -> impl Iterator<Item = Node<'d>> + use<'d> {
    node.get(key).into_iter().flat_map(Node::items)
}

fn fact(node: Node<'_>) -> Option<Fact<String>> {
    Some(Fact::written(node.as_str()?.to_owned(), node.origin()))
}

fn nonempty(node: Node<'_>, key: &str) -> Option<Fact<String>> {
    node.get(key).and_then(fact).filter(|fact| !fact.value.is_empty())
}
