//! HorizontalPodAutoscalers and ScaledObjects of KEDA's, which each decide how many pods run.

use super::{LOST, NO_TARGET, RULE, TWO};
use crate::case::ObjectCase;
use crate::case::references::{Referenced, Wanted};
use crate::case::routes::Said;
use crate::facts::document::Node;
use crate::facts::{Body, Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::is_slip;
use crate::rules::rule::{Findings, Judged, Variant};

/// The annotation that switches KEDA's check off (`verifyHpas`); then both autoscalers are
/// `AmbiguousSelector`, as two without KEDA are.
const NOT_CHECKED: &str = "validations.keda.sh/hpa-ownership";

/// Autoscalers of one workload that are compared.
const COMPARED: usize = 16;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if let Body::Hpa(hpa) = &case.object.body {
        let target = hpa.target.as_ref().ok_or(Abstain::NotApplicable)?;
        case.joined.unpatched(case.object, &["spec/scaleTargetRef"])?;
        let Some(workload) = case.joined.joins.targets(case.id).first() else {
            let node = case.object.node().at(&["spec", "scaleTargetRef"]);
            return found(case, node.ok_or(Abstain::NotApplicable)?, &HPA, out).map(|_| ());
        };
        let others = case.joined.joins.scalers(*workload).iter().take(COMPARED);
        let others = others.take_while(|id| **id < case.id);
        let others = others.filter_map(|id| case.world().objects.get(*id));
        if let Some(other) = others.filter(|other| is_another(case, other)).last() {
            let Body::Hpa(by) = &other.body else { return Ok(()) };
            let what = format!("{} {}", target.kind.value, target.name.value);
            // `AmbiguousSelector` in pkg/controller/podautoscaler/horizontal.go of Kubernetes v1.37.
            let message = format!(
                "{what} is scaled by two HorizontalPodAutoscalers: the controller does not know \
                 whose pods are whose, and neither of them scales"
            );
            let first =
                by.target.as_ref().map_or_else(|| other.origin(), |t| t.name.origin.clone());
            two(case, other, message, &target.name.origin, &first, out);
        }
        return Ok(());
    }
    if meta.group() == "autoscaling.k8s.io" && meta.kind.value == "VerticalPodAutoscaler" {
        case.joined.unpatched(case.object, &["spec/targetRef"])?;
        let node = case.object.node().at(&["spec", "targetRef"]).ok_or(Abstain::NotApplicable)?;
        return found(case, node, &VPA, out).map(|_| ());
    }
    if meta.group() != "keda.sh" || meta.kind.value != "ScaledObject" {
        return Err(Abstain::NotApplicable);
    }
    scaled_object(case, out)
}

/// What comes of an autoscaler whose workload is not there.
struct Autoscaler {
    /// What it is called.
    name: &'static str,
    effect: &'static str,
    variant: &'static Variant,
    /// It has the workload for itself: one that something else scales is not meant.
    alone: bool,
}

const KEDA: Autoscaler = Autoscaler {
    name: "ScaledObject",
    effect: "the ScaledObject is not ready, and nothing is scaled",
    variant: &NO_TARGET,
    alone: true,
};

/// `FailedGetScale` in pkg/controller/podautoscaler/horizontal.go of Kubernetes v1.37.
const HPA: Autoscaler = Autoscaler {
    name: "HorizontalPodAutoscaler",
    effect: "`FailedGetScale`, and nothing is scaled",
    variant: &LOST,
    alone: true,
};

/// `ConfigUnsupported` of k8s.io/autoscaler vertical-pod-autoscaler/pkg/target.
const VPA: Autoscaler = Autoscaler {
    name: "VerticalPodAutoscaler",
    effect: "`ConfigUnsupported`, and no request is set",
    variant: &LOST,
    alone: false,
};

/// Whether another autoscaler is applied together with this one, rather than instead of it.
fn is_another(case: &ObjectCase<'_>, other: &Object) -> bool {
    let (own, its) = (&case.object.meta, &other.meta);
    (own.kind.value != its.kind.value || own.name() != its.name())
        && case.joined.together(case.object, other)
}

fn two(
    case: &ObjectCase<'_>,
    other: &Object,
    message: String,
    at: &Origin,
    first: &Origin,
    out: &mut Findings,
) {
    let mut finding = Finding::new(&RULE, message, at, "scaled by this one")
        .variant(&TWO)
        .also(first, format!("and by {} {}", other.meta.kind.value, other.meta.name()));
    // Files of one folder may be two ways to do it.
    if other.document.source != case.object.document.source {
        finding = finding.level(Level::Warn);
    }
    out.push(finding.fix(Fix::suggest("keep one of them, with the triggers of both")));
}

/// What a ScaledObject scales (`ScaleTarget` in keda v2.21, apis/keda/v1alpha1/scaledobject_types.go): a
/// Deployment unless it says otherwise.
fn scaled_object(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    case.joined.unpatched(case.object, &["spec/scaleTargetRef"])?;
    let node = case.object.node();
    let target = node.at(&["spec", "scaleTargetRef"]).ok_or(Abstain::NotApplicable)?;
    if let Some((wanted, name, there)) = found(case, target, &KEDA, out)? {
        others(case, wanted, &name, &there, out);
    }
    Ok(())
}

/// The workload that is meant, how it is called, and the objects that it comes to.
type Found<'w> = (Wanted<'w>, Said<'w>, Vec<&'w Object>);

/// The workload that an autoscaler names; told where it is not there.
fn found<'w>(
    case: &ObjectCase<'w>,
    target: Node<'w>,
    by: &Autoscaler,
    out: &mut Findings,
) -> Result<Option<Found<'w>>, Abstain> {
    let text = |key| Said::at(target, key).map(|said| said.text).filter(|text| !text.is_empty());
    let kind = text("kind").unwrap_or("Deployment");
    let group = text("apiVersion").unwrap_or("apps/v1");
    let group = group.split_once('/').map_or("", |(group, _)| group);
    let name = Said::at(target, "name").ok_or(Abstain::NotApplicable)?;
    if !matches!(
        (group, kind),
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet")
            | ("argoproj.io", "Rollout")
            | ("batch", "Job" | "CronJob")
    ) {
        let what = format!("{kind} {}", name.text);
        return Err(Abstain::unknown(Reason::ExternalController, what));
    }
    let namespace = case.object.meta.namespace.value.as_str();
    let wanted = Wanted { group, kind, namespace, name: name.text };
    match case.joined.referenced(case.object, wanted) {
        Ok(Referenced::There(found)) => return Ok(Some((wanted, name, found))),
        Ok(Referenced::Made) => {}
        Ok(Referenced::Missing(missing)) => {
            if let Some(other) = namesake(case, namespace, kind, name.text) {
                let level = if missing.closed { Level::Deny } else { Level::Warn };
                out.push(of_another_kind(target, kind, &name, other, by).level(level));
                return Ok(None);
            }
            if let Some(other) = case.joined.elsewhere(case.object, wanted)
                && missing.closed
            {
                out.push(in_another_namespace(case, wanted, &name, other, by));
                return Ok(None);
            }
            let missing =
                missing.unless(|near| by.alone && case.joined.is_scaled(near)).or_unknown()?;
            let message =
                format!("there is no {kind} {} in namespace {namespace}: {}", name.text, by.effect);
            let finding = Finding::new(&RULE, message, &name.at, format!("no such {kind}"));
            let finding = finding.variant(by.variant);
            out.push(missing.tell(case.world(), finding, &name.at, name.text));
        }
        Err(unknown) => {
            let missing =
                matches!(unknown, Abstain::Unknown { reason: Reason::ObjectNotInInput, .. });
            if let Some(other) = namesake(case, namespace, kind, name.text).filter(|_| missing) {
                out.push(of_another_kind(target, kind, &name, other, by).level(Level::Warn));
                return Ok(None);
            }
            // A namespace whose name is nearly that of another one, for an object of the very same name.
            let other = case.joined.elsewhere(case.object, wanted).filter(|other| {
                let own = &case.object.meta.namespace;
                missing && own.is_written() && is_slip(namespace, &other.meta.namespace.value)
            });
            let other = other.ok_or(unknown)?;
            out.push(in_another_namespace(case, wanted, &name, other, by).level(Level::Warn));
        }
    }
    Ok(None)
}

/// Kinds that a ScaledObject may scale.
const SCALED: &[&str] = &["Deployment", "StatefulSet", "Rollout"];

/// A workload of that name and another kind.
fn namesake<'w>(
    case: &ObjectCase<'w>,
    namespace: &str,
    kind: &str,
    name: &str,
) -> Option<&'w Object> {
    let of_kind = |other: &&str| {
        let ids = case.joined.joins.named(namespace, other, name).iter().take(COMPARED);
        ids.filter_map(|id| case.world().objects.get(*id))
            .find(|object| object.workload().is_some() && case.joined.together(case.object, object))
    };
    SCALED.iter().filter(|other| **other != kind).find_map(of_kind)
}

fn of_another_kind(
    target: Node<'_>,
    kind: &str,
    name: &Said<'_>,
    other: &Object,
    by: &Autoscaler,
) -> Finding {
    let meta = &other.meta;
    let written = target.get("kind").and_then(Node::as_str).is_some_and(|kind| !kind.is_empty());
    let how = if written { "" } else { ", which is meant where no kind is written" };
    let message = format!("there is no {kind} {}{how}: {}", name.text, by.effect);
    Finding::new(&RULE, message, &name.at, format!("no such {kind}"))
        .variant(by.variant)
        .also(&meta.kind.origin, format!("a {} is called so", meta.kind.value))
        .fix(Fix::suggest(format!(
            "write apiVersion: {} and kind: {} beside the name",
            meta.api_version.value, meta.kind.value
        )))
}

/// An autoscaler scales what is in its own namespace.
fn in_another_namespace(
    case: &ObjectCase<'_>,
    wanted: Wanted<'_>,
    name: &Said<'_>,
    other: &Object,
    by: &Autoscaler,
) -> Finding {
    let (own, its) = (&case.object.meta.namespace, &other.meta.namespace);
    let Wanted { kind, namespace, .. } = wanted;
    let message = format!(
        "there is no {kind} {} in namespace {namespace}, only in {}: {}",
        name.text, its.value, by.effect
    );
    let label = format!("looked for in namespace {namespace}");
    let mut finding = Finding::new(&RULE, message, &name.at, label)
        .variant(by.variant)
        .also(&its.origin, format!("the {kind} of that name"));
    if own.is_written() {
        finding = finding.also(&own.origin, format!("the namespace of the {}", by.name));
    }
    finding.fix(Fix::suggest(format!("put the {} into namespace {}", by.name, its.value)))
}

/// KEDA's webhook refuses a second one (`verifyHpas`, `verifyScaledObjects` in
/// apis/keda/v1alpha1/scaledobject_webhook.go); without it both set the scale in turn.
fn others(
    case: &ObjectCase<'_>,
    wanted: Wanted<'_>,
    name: &Said<'_>,
    found: &[&Object],
    out: &mut Findings,
) {
    let joined = case.joined;
    let (what, world) = (format!("{} {}", wanted.kind, wanted.name), case.world());
    let same = joined.made.scaled_objects(wanted.namespace, wanted.kind, wanted.name);
    let same = same.iter().take(COMPARED).take_while(|id| **id < case.id);
    let same = same.filter_map(|id| world.objects.get(*id));
    if let Some(other) = same.filter(|other| is_another(case, other)).last() {
        let message = format!(
            "{what} is scaled by two ScaledObjects: KEDA refuses the second, `the workload is \
             already managed by the ScaledObject`"
        );
        let first = other.node().at(&["spec", "scaleTargetRef", "name"]);
        let first = first.map_or_else(|| other.origin(), Node::origin);
        two(case, other, message, &name.at, &first, out);
    }
    let meta = &case.object.meta;
    let handed_over = meta.annotations.get("scaledobject.keda.sh/transfer-hpa-ownership");
    if handed_over.is_some_and(|handed| handed.value == "true") {
        return;
    }
    let path = ["spec", "advanced", "horizontalPodAutoscalerConfig", "name"];
    let own = case.object.node().at(&path).and_then(Node::as_str);
    let own = own.map_or_else(|| format!("keda-hpa-{}", meta.name()), str::to_owned);
    let [workload] = found else { return };
    let named = joined.joins.named(wanted.namespace, wanted.kind, wanted.name);
    let workload = named
        .iter()
        .find(|id| world.objects.get(**id).is_some_and(|object| std::ptr::eq(object, *workload)));
    let scalers = workload.map_or(&[][..], |id| joined.joins.scalers(*id));
    let scalers = scalers.iter().take(COMPARED).filter_map(|id| world.objects.get(*id));
    let mut scalers = scalers.filter(|other| is_another(case, other) && other.meta.name() != own);
    if let Some(other) = scalers.next()
        && let Body::Hpa(hpa) = &other.body
    {
        let let_pass = [&other.meta, meta].into_iter().any(|meta| {
            meta.annotations.get(NOT_CHECKED).is_some_and(|checked| checked.value == "false")
        });
        let message = match let_pass {
            true => format!(
                "{what} is scaled by a ScaledObject and a HorizontalPodAutoscaler: {NOT_CHECKED} \
                 has KEDA let it pass, and of this autoscaler and the one that KEDA makes neither \
                 scales"
            ),
            false => format!(
                "{what} is scaled by a ScaledObject and a HorizontalPodAutoscaler: KEDA refuses \
                 the ScaledObject, `the workload is already managed by the hpa`"
            ),
        };
        let first = hpa.target.as_ref().map_or_else(|| other.origin(), |t| t.name.origin.clone());
        two(case, other, message, &name.at, &first, out);
    }
}
