//! Argo's Rollout, which its controller refuses as `InvalidSpec`.

use super::{RULE, items, refuse, text};
use crate::case::ObjectCase;
use crate::facts::document::{Node, ScalarKind};
use crate::facts::rollout::{BlueGreen, Canary, Routing, Step, StepKind};
use crate::facts::workload::Workload;
use crate::findings::Finding;
use crate::model::goduration;
use crate::rules::rule::Findings;

/// `ValidateRolloutStrategy` and `ValidateRolloutStrategyCanary` of argo-rollouts v1.10.2
/// (pkg/apis/rollouts/validation/validation.go).
pub(super) fn check(case: &ObjectCase<'_>, workload: &Workload, out: &mut Findings) {
    let Some(rollout) = &workload.rollout else { return };
    let whole = case.joined.workload(case.id).is_some_and(|case| case.is_whole_rollout());
    match (&rollout.canary, &rollout.blue_green) {
        (Some(canary), Some(blue_green)) => {
            let origin = &blue_green.origin;
            let finding = Finding::new(
                &RULE,
                "Multiple Strategies can not be listed: canary and blueGreen are both written",
                origin,
                "one of them",
            );
            out.push(finding.also(&canary.origin, "and the other"));
        }
        (None, None) if whole && !rollout.other => refuse(
            out,
            &rollout.origin,
            "a Rollout needs .spec.strategy.canary or .spec.strategy.blueGreen",
        ),
        _ => {}
    }
    if let Some(canary) = &rollout.canary {
        let node = case.object.document.node(canary.node);
        steps(case, canary, whole, out);
        routed(node, canary, whole, out);
        anti_affinity(node, out);
    }
    if let Some(blue_green) = &rollout.blue_green {
        revisions(case, blue_green, out);
        anti_affinity(case.object.document.node(blue_green.node), out);
    }
}

/// What is for Rollouts that shift traffic.
fn routed(node: Node<'_>, canary: &Canary, whole: bool, out: &mut Findings) {
    let delay = node.get_entry("scaleDownDelaySeconds");
    let scale = node.get_entry("dynamicStableScale").filter(|(_, v)| v.as_bool() == Some(true));
    match &canary.routing {
        None if whole => {
            for (key, name) in [(delay, "scaleDownDelaySeconds"), (scale, "dynamicStableScale")] {
                if let Some((key, _)) = key {
                    let message = format!("Canary {name} can only be used with traffic routing");
                    refuse(out, &key.origin(), message);
                }
            }
        }
        None => {}
        Some(routing) => {
            if let (Some((delay, _)), Some((scale, _))) = (delay, scale) {
                let message = "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds";
                out.push(
                    Finding::new(&RULE, message, &scale.origin(), "one of them")
                        .also(&delay.origin(), "and the other"),
                );
            }
            let most = node.at(&["trafficRouting", "maxTrafficWeight"]);
            if let Some(most) = most.filter(|_| !routing.has("nginx") && !routing.has("plugins")) {
                let message = "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins";
                refuse(out, &most.origin(), message);
            }
            ping_pong(node, canary, routing, out);
        }
    }
}

fn ping_pong(node: Node<'_>, canary: &Canary, routing: &Routing, out: &mut Findings) {
    let Some(pair) = &canary.ping_pong else { return };
    if !["alb", "istio", "plugins"].iter().any(|router| routing.has(router))
        && !routing.routers.is_empty()
    {
        let message =
            "Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only";
        out.push(
            Finding::new(&RULE, message, &pair.origin, "refused")
                .also(&routing.origin, "another router"),
        );
    }
    let alb = node.at(&["trafficRouting", "alb"]);
    if let Some(alb) = alb.filter(|alb| alb.is_mapping() && alb.get("rootService").is_none()) {
        let message = "Root service field is required for the configuration with ALB and ping-pong \
                       feature enabled";
        let place = alb.entries().next().map_or(alb, |(key, _)| key);
        out.push(
            Finding::new(&RULE, message, &place.origin(), "has no rootService")
                .also(&pair.origin, "ping-pong"),
        );
    }
}

fn steps(case: &ObjectCase<'_>, canary: &Canary, whole: bool, out: &mut Findings) {
    let most = canary.routing.as_ref().map_or(Some(100), |routing| routing.max_weight);
    for step in &canary.steps {
        if let (StepKind::Weight(weight), Some(most)) = (&step.kind, most)
            && !(0..=most).contains(&weight.value)
        {
            refuse(
                out,
                &weight.origin,
                format!("SetWeight needs to be between 0 and {most}, and is {weight}"),
            );
        }
        let names: Vec<&str> = step.fields.iter().map(|field| field.value.as_str()).collect();
        // Only these exclude each other.
        let one_of = ["setWeight", "pause", "experiment", "analysis"];
        let several = names.iter().filter(|name| one_of.contains(name)).count() > 1;
        if several {
            refuse(
                out,
                &step.origin,
                format!("a step does one thing, and this one has {}", names.join(" and ")),
            );
        } else if names.is_empty() {
            refuse(
                out,
                &step.origin,
                "Step must have one of the following set: experiment, setWeight, setCanaryScale, \
                 plugin or pause",
            );
        }
        let scales = step.fields.iter().find(|field| field.value == "setCanaryScale");
        if let Some(field) = scales.filter(|_| canary.routing.is_none() && whole) {
            refuse(out, &field.origin, "SetCanaryScale requires TrafficRouting to be set");
        }
        let node = case.object.document.node(step.node);
        pause(node, out);
        weights(node, canary, whole, out);
        routes(case, canary, step, whole, out);
    }
}

/// `DurationSeconds` gives -1 for what it cannot read.
fn pause(step: Node<'_>, out: &mut Findings) {
    let Some(duration) = step.at(&["pause", "duration"]) else { return };
    let text = duration.as_str().unwrap_or_default();
    if super::is_placeholder(text) {
        return;
    }
    let seconds = match duration.scalar_kind() {
        Some(ScalarKind::Int(seconds)) => Some(seconds as f64),
        Some(ScalarKind::Str) => {
            text.parse::<i32>().map(f64::from).ok().or_else(|| goduration::parse_seconds(text))
        }
        // Of the wrong type, which the API server says.
        _ => return,
    };
    let why = match seconds {
        None => "is no duration of Go (`30s`, `5m`)",
        // Less than a second is none, and none is zero.
        Some(seconds) if seconds <= -1.0 => "is negative",
        Some(_) => return,
    };
    let finding = Finding::new(
        &RULE,
        format!(
            "Duration needs to be greater than 0, and `{text}` {why}: the Rollout is InvalidSpec"
        ),
        &duration.origin(),
        "refused",
    );
    // `30x`, `30 s`, `1d`
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    out.push(if seconds.is_none() && !digits.is_empty() {
        finding.note(format!("`{digits}` alone would be so many seconds"))
    } else {
        finding
    });
}

/// Weights of experiments, which some routers know.
fn weights(step: Node<'_>, canary: &Canary, whole: bool, out: &mut Findings) {
    let Some(experiment) = step.get("experiment") else { return };
    let with = |routing: &Routing| {
        ["alb", "smi", "istio", "plugins"].iter().any(|router| routing.has(router))
    };
    for weight in items(experiment, "templates").filter_map(|template| template.get("weight")) {
        let message = match &canary.routing {
            None if whole => {
                "Experiment template weight cannot be set unless TrafficRouting is enabled"
            }
            Some(routing) if !with(routing) => {
                "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio \
                 and Plugins at this time"
            }
            _ => continue,
        };
        refuse(out, &weight.origin(), message);
    }
}

/// Routes that a step makes: the router has to be able to, and to know the name.
fn routes(case: &ObjectCase<'_>, canary: &Canary, step: &Step, whole: bool, out: &mut Findings) {
    if !whole {
        return;
    }
    let node = case.object.document.node(step.node);
    let kinds: [(&str, &[&str], &str); 2] = [
        (
            "setHeaderRoute",
            &["istio", "alb", "apisix", "plugins"],
            "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix",
        ),
        (
            "setMirrorRoute",
            &["istio", "plugins"],
            "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins",
        ),
    ];
    for (name, routers, message) in kinds {
        let Some((key, route)) = node.get_entry(name) else { continue };
        let routing = canary.routing.as_ref();
        if !routing.is_some_and(|routing| routers.iter().any(|router| routing.has(router))) {
            refuse(out, &key.origin(), message);
        }
        if routing.is_none() {
            continue;
        }
        let of_canary = case.object.document.node(canary.node);
        let Some((managed, list)) =
            of_canary.get("trafficRouting").and_then(|node| node.get_entry("managedRoutes"))
        else {
            let message = "Rollout has missing field \
                           'spec.strategy.canary.trafficRouting.managedRoutes'";
            refuse(out, &key.origin(), message);
            continue;
        };
        let Some((wanted, place)) = text(route, "name") else { continue };
        let open = !list.is_sequence()
            || list.items().any(|item| item.is_mapping() && text(item, "name").is_none());
        let known = items(of_canary.get("trafficRouting").unwrap_or(of_canary), "managedRoutes")
            .any(|item| text(item, "name").is_some_and(|(name, _)| name == wanted));
        if !open && !known {
            let message = format!(
                "Steps define a route that does not exist in \
                 spec.strategy.canary.trafficRouting.managedRoutes: {wanted}"
            );
            out.push(
                Finding::new(&RULE, message, &place.origin(), "no such route")
                    .also(&managed.origin(), "the routes"),
            );
        }
    }
}

/// `ValidateRolloutStrategyAntiAffinity`
fn anti_affinity(strategy: Node<'_>, out: &mut Findings) {
    let Some((key, node)) = strategy.get_entry("antiAffinity") else { return };
    if !node.is_mapping() {
        return;
    }
    let preferred = node.get_entry("preferredDuringSchedulingIgnoredDuringExecution");
    let required = node.get_entry("requiredDuringSchedulingIgnoredDuringExecution");
    match (preferred, required) {
        (Some((first, _)), Some((second, _))) => {
            let message = "AntiAffinity must have exactly one strategy listed";
            out.push(
                Finding::new(&RULE, message, &second.origin(), "one of them")
                    .also(&first.origin(), "and the other"),
            );
        }
        (None, None) if node.entries().next().is_none() => {
            refuse(out, &key.origin(), "AntiAffinity must have exactly one strategy listed");
        }
        _ => {}
    }
    let weight = preferred.and_then(|(_, preferred)| preferred.get("weight"));
    if let Some(weight) = weight
        && weight.as_i64().is_some_and(|weight| !(1..=100).contains(&weight))
    {
        refuse(out, &weight.origin(), "AntiAffinity weight must be between 1-100");
    }
}

/// revisionHistoryLimit is 10 by default (`DefaultRevisionHistoryLimit` of utils/defaults).
fn revisions(case: &ObjectCase<'_>, blue_green: &BlueGreen, out: &mut Findings) {
    let node = case.object.document.node(blue_green.node);
    let Some(limit) = node.get("scaleDownDelayRevisionLimit") else { return };
    let history = case.object.node().at(&["spec", "revisionHistoryLimit"]);
    let kept = history.map_or(Some(10), Node::as_i64);
    if let (Some(wanted), Some(kept)) = (limit.as_i64(), kept)
        && kept < wanted
    {
        let finding = Finding::new(
            &RULE,
            format!(
                "scaleDownDelayRevisionLimit {wanted} is more than revisionHistoryLimit ({kept}{}): \
                 the Rollout is InvalidSpec",
                if history.is_some() { "" } else { ", the default" }
            ),
            &limit.origin(),
            "refused",
        );
        out.push(match history {
            Some(history) => finding.also(&history.origin(), "the limit"),
            None => finding,
        });
    }
}
