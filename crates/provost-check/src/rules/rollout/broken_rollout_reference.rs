//! What a Rollout, or a Canary of Flagger's, names and does not find.

mod canary;
mod virtual_service;
mod workload;

use std::collections::BTreeMap;

use crate::case::rollouts::args_in;
use crate::case::{ObjectCase, WorkloadCase, World};
use crate::facts::placeholders::is_placeholder;
use crate::facts::rollout::{
    AnalysisUse, ArgValue, Argument, BlueGreen, Canary, Measurements, Metric, Routing, TemplateRef,
    UseKind,
};
use crate::facts::settings::Existing;
use crate::facts::{Body, Fact, Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const TEMPLATE: Variant = Variant::new(
    "missing-analysis-template",
    Level::Deny,
    "an analysis template, or a value for its argument, that does not exist",
);

const NONE: Variant = Variant::new(
    "rollout-without-analysis",
    Level::Note,
    "a Rollout that nothing but time decides about",
)
.off()
.strict(Level::Note);

const WORKLOAD: Variant = Variant::new(
    "missing-workload-ref",
    Level::Deny,
    "a Rollout takes its pods from a workload that does not exist",
);

const TWICE: Variant = Variant::new(
    "workload-ref-runs-twice",
    Level::Warn,
    "the Deployment that a Rollout takes its pods from runs them, too",
);

const CANARY: Variant = Variant::new(
    "broken-canary-reference",
    Level::Deny,
    "a Canary of Flagger's whose workload, autoscaler or metric does not exist",
);

const CANARY_SCALER: Variant = Variant::new(
    "canary-without-autoscaler",
    Level::Warn,
    "a Canary of Flagger's that does not know of the autoscaler of its workload",
);

/// The controller sets `InvalidSpec` and stops (pkg/apis/rollouts/validation).
pub static RULE: Rule = Rule {
    id: "broken-rollout-reference",
    group: Group::Rollout,
    level: Level::Deny,
    title: "a Rollout whose Services, routes or templates are not there",
    page: include_str!("broken-rollout-reference.md"),
    needs: &[Need::Manifest],
    variants: &[TEMPLATE, NONE, WORKLOAD, TWICE, CANARY, CANARY_SCALER],
    check: Check::Workload(check),
    also: &[Check::Workload(workload::check), Check::Object(canary::check)],
    ..Rule::BASE
};

/// More objects of one kind in one namespace are not searched for a name that is nearly right.
const MOST_COMPARED: usize = 256;

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let strategy = case.strategy().ok_or(Abstain::NotApplicable)?;
    let none = strategy.canary.is_none() && strategy.blue_green.is_none();
    if none || !case.is_whole_rollout() {
        return Err(Abstain::NotApplicable);
    }
    case.as_applied()?;
    if let Some(canary) = &strategy.canary {
        services_of_canary(canary, out);
        let pair = canary.ping_pong.as_ref();
        let names = [
            canary.canary_service.as_ref(),
            canary.stable_service.as_ref(),
            pair.and_then(|pair| pair.ping.as_ref()),
            pair.and_then(|pair| pair.pong.as_ref()),
        ];
        names.into_iter().flatten().for_each(|name| service(case, name, out));
        if let Some(routing) = &canary.routing {
            routes(case, canary, routing, out);
        }
    }
    if let Some(blue_green) = &strategy.blue_green {
        services_of_blue_green(blue_green, out);
        let names = [&blue_green.active, &blue_green.preview];
        names.into_iter().flatten().for_each(|name| service(case, name, out));
    }
    let uses = strategy.uses();
    for (used, kind) in &uses {
        analysis(case, used, *kind, out);
    }
    let staged = strategy.blue_green.is_some()
        || strategy.canary.as_ref().is_some_and(|canary| !canary.steps.is_empty());
    if uses.is_empty() && staged {
        out.push(
            Finding::new(
                &RULE,
                "nothing is analysed while the new version takes over: only a person, or the \
                 probes, would stop it",
                &strategy.origin,
                "without analysis",
            )
            .variant(&RULE.variants[1])
            .fix(Fix::suggest("add an analysis in the background, or one as a step")),
        );
    }
    Ok(())
}

fn invalid(message: impl Into<String>, origin: &Origin, label: impl Into<String>) -> Finding {
    Finding::new(&RULE, message, origin, label)
}

/// Routers that shift traffic between two Services (`requireCanaryStableServices`).
const BY_SERVICES: &[&str] =
    &["alb", "istio", "smi", "apisix", "ambassador", "nginx", "appMesh", "traefik"];

fn services_of_canary(canary: &Canary, out: &mut Findings) {
    if let (Some(fresh), Some(stable)) = (&canary.canary_service, &canary.stable_service)
        && fresh.value == stable.value
    {
        out.push(same(stable, fresh, "stable", "canary"));
    }
    if let Some(pair) = &canary.ping_pong {
        match (&pair.ping, &pair.pong) {
            (Some(ping), Some(pong)) if ping.value == pong.value => {
                out.push(same(ping, pong, "ping", "pong"));
            }
            (Some(_), Some(_)) => {}
            _ => out.push(invalid(
                "pingPong needs both pingService and pongService: the Rollout is InvalidSpec",
                &pair.origin,
                "one is missing",
            )),
        }
    }
    let Some(routing) = &canary.routing else { return };
    let needs = |router: &&Fact<String>| match router.value.as_str() {
        "alb" => canary.ping_pong.is_none(),
        "istio" => canary.ping_pong.is_none() && !routing.destination_rule,
        other => BY_SERVICES.contains(&other),
    };
    let Some(router) = routing.routers.iter().find(needs) else { return };
    let missing: Vec<&str> = [
        ("canaryService", canary.canary_service.is_none()),
        ("stableService", canary.stable_service.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, missing)| missing.then_some(name))
    .collect();
    if !missing.is_empty() {
        out.push(
            invalid(
                format!(
                    "{} shifts traffic between two Services, and {} not set: the Rollout is \
                     InvalidSpec",
                    router.value,
                    match missing.as_slice() {
                        [only] => format!("{only} is"),
                        _ => format!("{} are", missing.join(" and ")),
                    }
                ),
                &router.origin,
                "needs canaryService and stableService",
            )
            .also(&canary.origin, format!("has no {}", missing.join(", no ")))
            .fix(Fix::suggest(
                "name a Service for each version; the controller sets their selectors",
            )),
        );
    }
}

fn same(a: &Fact<String>, b: &Fact<String>, first: &str, second: &str) -> Finding {
    invalid(
        format!(
            "Service {} is the {first} and the {second} one: two different Services are required, \
             and the Rollout is InvalidSpec",
            a.value
        ),
        &a.origin,
        format!("the {first} Service"),
    )
    .also(&b.origin, format!("the {second} Service"))
}

fn services_of_blue_green(blue_green: &BlueGreen, out: &mut Findings) {
    if let (Some(active), Some(preview)) = (&blue_green.active, &blue_green.preview)
        && active.value == preview.value
    {
        out.push(same(active, preview, "active", "preview"));
    }
}

/// The object of that kind and name; says so where it is not there.
fn find<'w>(
    case: &WorkloadCase<'w>,
    kind: &str,
    namespace: &str,
    (fact, name): (&Fact<String>, &str),
    variant: Option<&'static Variant>,
    out: &mut Findings,
) -> Option<&'w Object> {
    if is_placeholder(name) {
        return None;
    }
    match case.joined.named(case.object, namespace, kind, name) {
        Ok(Some(object)) => return Some(object),
        Ok(None) if case.joined.is_declared(kind, namespace, name) => return None,
        Ok(None) => {}
        Err(unknown) => {
            out.abstain(unknown);
            return None;
        }
    }
    let world = case.world();
    let closed = world.settings.closed_world;
    let near = case.joined.joins.of_kind(namespace, kind).take(MOST_COMPARED);
    let near: Vec<&Object> = near
        .filter(|(known, _)| names::is_slip(known, name))
        .filter_map(|(_, ids)| world.objects.get(*ids.first()?))
        .filter(|object| case.joined.together(case.object, object))
        .collect();
    let meant = names::meant(name, near.iter().map(|object| object.meta.name()));
    let near = near.iter().find(|object| Some(object.meta.name()) == meant);
    if near.is_none() && !closed {
        out.abstain(Abstain::unknown(Reason::ObjectNotInInput, format!("{kind} {name}")));
        return None;
    }
    let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
    let mut finding = invalid(
        format!("there is no {kind} {name}{place}: the Rollout is InvalidSpec"),
        &fact.origin,
        format!("no such {kind}"),
    );
    if let Some(variant) = variant {
        finding = finding.variant(variant);
    }
    if !closed {
        // It may be in the cluster after all.
        finding = finding.level(Level::Warn);
    }
    if near.is_none() {
        finding = finding.note(Existing::advice(&match namespace {
            "" => format!("{kind} {name}"),
            namespace => format!("{kind} {namespace}/{name}"),
        }));
    }
    if let Some(near) = near {
        let known = near.meta.name();
        let fix = Fix::suggest(format!("did you mean {known}?"));
        finding = finding.also(&near.origin(), format!("{known} is there")).fix(world.rewrite(
            fix,
            &fact.origin,
            &fact.value,
            known,
        ));
    }
    out.push(finding);
    None
}

/// `ValidateService`: all labels of its selector are the pods', the hash apart.
fn service(case: &WorkloadCase<'_>, name: &Fact<String>, out: &mut Findings) {
    let namespace = &case.object.meta.namespace.value;
    let Some(found) = find(case, "Service", namespace, (name, &name.value), None, out) else {
        return;
    };
    let Body::Service(service) = &found.body else { return };
    let template = case.template();
    let borrowed = case.workload.workload_ref.is_some();
    let labels = &template.pod().labels;
    if (borrowed && template.id == case.id) || labels.is_empty() {
        return;
    }
    let Some(selector) = &service.selector else { return };
    for (key, value) in &selector.labels.0 {
        let has = labels.get(&key.value);
        let skip = key.value == "rollouts-pod-template-hash"
            || is_placeholder(&key.value)
            || is_placeholder(&value.value)
            || has.is_some_and(|has| has.value == value.value || is_placeholder(&has.value));
        if skip {
            continue;
        }
        let found = match has {
            Some(has) => format!("{}={}", key.value, has.value),
            None => format!("no label {}", key.value),
        };
        let mut finding = invalid(
            format!(
                "Service {} selects {}={}, and the pods of the Rollout have {found}: the Rollout is \
                 InvalidSpec",
                name.value, key.value, value.value
            ),
            &name.origin,
            "does not select the pods",
        )
        .also(&value.origin, "the Service wants this");
        if let Some(has) = has {
            finding = finding.also(&has.origin, "the pods have this");
        }
        out.push(finding.fix(Fix::suggest("select labels of the pod template")));
    }
}

fn routes(case: &WorkloadCase<'_>, canary: &Canary, routing: &Routing, out: &mut Findings) {
    for used in &routing.virtual_services {
        let (name, namespace) = match used.name.value.split_once('.') {
            Some((name, namespace)) => (name, namespace),
            None => (used.name.value.as_str(), case.object.meta.namespace.value.as_str()),
        };
        let found = find(case, "VirtualService", namespace, (&used.name, name), None, out);
        if let Some(object) = found {
            virtual_service::routes(used, object, out);
            if let Err(unknown) =
                virtual_service::destinations(case, canary, routing, used, object, out)
            {
                out.abstain(unknown);
            }
        }
    }
    let namespace = &case.object.meta.namespace.value;
    for name in &routing.ingresses {
        let found = find(case, "Ingress", namespace, (name, &name.value), None, out);
        let Some((object, Body::Ingress(ingress))) = found.map(|object| (object, &object.body))
        else {
            continue;
        };
        let Some(stable) = &canary.stable_service else { continue };
        let serves = ingress.backends.iter().any(|backend| {
            backend.service.value == stable.value || is_placeholder(&backend.service.value)
        });
        if !serves && !is_placeholder(&stable.value) {
            out.push(
                invalid(
                    format!(
                        "Ingress {} has no rule with the stable Service {}: the Rollout is \
                         InvalidSpec",
                        name.value, stable.value
                    ),
                    &name.origin,
                    "its traffic is to be shifted",
                )
                .also(&object.origin(), format!("no backend is {}", stable.value))
                .also(&stable.origin, "the stable Service"),
            );
        }
    }
}

fn analysis(case: &WorkloadCase<'_>, used: &AnalysisUse, kind: UseKind, out: &mut Findings) {
    // Who names a template: names are looked up from there.
    let mut open: Vec<(&Object, &TemplateRef)> =
        used.templates.iter().map(|reference| (case.object, reference)).collect();
    let mut found: BTreeMap<usize, ObjectCase<'_>> = BTreeMap::new();
    let mut complete = !open.is_empty();
    while let Some((from, reference)) = open.pop() {
        let namespace = if reference.cluster { "" } else { from.meta.namespace.value.as_str() };
        let name = (&reference.name, reference.name.value.as_str());
        let variant = Some(&RULE.variants[0]);
        if find(case, reference.kind(), namespace, name, variant, out).is_none() {
            complete = false;
            continue;
        }
        let Some(template) = case.joined.analysis_template(from, reference) else {
            complete = false;
            continue;
        };
        let (object, analysis) = (template.object, template.analysis());
        if found.len() >= 64 || found.insert(template.id, template).is_some() {
            continue;
        }
        let inner = analysis.into_iter().flat_map(|analysis| &analysis.templates);
        open.extend(inner.map(|inner| (object, inner)));
    }
    // A template that does not exist brings no values either.
    if complete || case.world().settings.closed_world {
        arguments(case.world(), used, &found, out);
    }
    if !matches!(kind, UseKind::Background | UseKind::Experiment) {
        for template in found.values() {
            let metrics = template.analysis().map_or(&[][..], |analysis| &analysis.metrics);
            metrics.iter().for_each(|metric| endless(metric, used, out));
        }
    }
}

/// `MergeArgs` and `ResolveArgs` of utils/analysis/helpers.go: every argument has a value in the
/// end.
fn arguments(
    world: &World,
    used: &AnalysisUse,
    found: &BTreeMap<usize, ObjectCase<'_>>,
    out: &mut Findings,
) {
    let analyses = || found.values().filter_map(|template| Some((template, template.analysis()?)));
    let declared = |name: &str| analyses().any(|(_, analysis)| analysis.arg(name).is_some());
    for (template, analysis) in analyses() {
        for arg in analysis.args.iter().filter(|arg| arg.value == ArgValue::Missing) {
            let name = &arg.name.value;
            let handed = used.args.iter().any(|handed| handed.name.value == *name);
            let elsewhere = analyses().any(|(_, other)| {
                other.arg(name).is_some_and(|other| other.value != ArgValue::Missing)
            });
            if handed || elsewhere {
                continue;
            }
            let finding = invalid(
                format!(
                    "{} wants a value for its argument {name}, and the Rollout hands over \
                     none: `args.{name} was not resolved`",
                    template.object.meta.name()
                ),
                &used.origin,
                format!("hands over no {name}"),
            )
            .variant(&RULE.variants[0])
            .also(&arg.name.origin, "has no value of its own");
            // What nobody declares is dropped without a word (`MergeArgs`), and may be this one.
            let strays = used.args.iter().filter(|handed| !declared(&handed.name.value));
            let strays: Vec<&Argument> = strays.take(MOST_COMPARED).collect();
            let near = names::nearest(name, strays.iter().map(|stray| stray.name.as_str()), 2);
            let meant = match (near, strays.as_slice()) {
                (Some(near), all) => all.iter().copied().find(|stray| stray.name.value == near),
                (None, [only]) => Some(*only),
                (None, _) => None,
            };
            out.push(match meant {
                Some(stray) => {
                    let handed = &stray.name;
                    let fix = Fix::suggest(format!("did you mean {name}?"));
                    finding
                        .also(&handed.origin, format!("no template declares {handed}"))
                        .fix(world.rewrite(fix, &handed.origin, &handed.value, name))
                }
                None => finding
                    .fix(Fix::suggest(format!("add {name} to args here, or a default there"))),
            });
        }
        for (metric, text) in analysis.metrics.iter().flat_map(texts) {
            // One is enough: with the first the run ends.
            let Some(name) = args_in(&text.value).find(|name| !declared(name)) else { continue };
            out.push(
                invalid(
                    format!(
                        "metric {} uses the argument {name}, which no template declares: `failed \
                         to resolve {{{{args.{name}}}}}`, and the analysis is an error",
                        metric.name
                    ),
                    &text.origin,
                    format!("no argument {name}"),
                )
                .variant(&RULE.variants[0])
                .also(&used.origin, "used here")
                .fix(Fix::suggest(format!("declare {name} in the template's args"))),
            );
            break;
        }
    }
}

fn texts(metric: &Metric) -> impl Iterator<Item = (&Metric, &Fact<String>)> {
    [&metric.query, &metric.success, &metric.failure]
        .into_iter()
        .flatten()
        .map(move |f| (metric, f))
}

/// `ValidateAnalysisTemplateWithType`: outside of the background, somebody waits for the end.
fn endless(metric: &Metric, used: &AnalysisUse, out: &mut Findings) {
    let Some(interval) =
        metric.interval.as_ref().filter(|_| metric.measurements() == Measurements::Endless)
    else {
        return;
    };
    out.push(
        invalid(
            format!(
                "metric {} has an interval and no count: it runs indefinitely, which only an \
                 analysis in the background may; the Rollout is InvalidSpec",
                metric.name
            ),
            &interval.origin,
            "without count",
        )
        .also(&used.origin, "waits for its end")
        .fix(Fix::suggest("set count")),
    );
}
