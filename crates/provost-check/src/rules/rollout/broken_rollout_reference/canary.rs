//! What a Canary of Flagger's names.
//!
//! Source: github.com/fluxcd/flagger v1.43.0, pkg/apis/flagger/v1beta1/canary.go, pkg/canary
//! (`deployment_controller.go`, `hpa_reconciler.go`) and pkg/controller/scheduler_metrics.go.

use super::{CANARY, CANARY_SCALER, RULE};
use crate::case::ObjectCase;
use crate::case::references::Wanted;
use crate::case::routes::Said;
use crate::facts::document::Node;
use crate::facts::{Body, Object};
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::rules::rule::{Findings, Judged};

/// Metrics of one analysis that are looked at.
const MOST_METRICS: usize = 64;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "flagger.app" || meta.kind.value != "Canary" {
        return Err(Abstain::NotApplicable);
    }
    let fields = ["spec/targetRef", "spec/autoscalerRef", "spec/analysis"];
    case.joined.unpatched(case.object, &fields)?;
    let spec = case.object.node().get("spec").ok_or(Abstain::NotApplicable)?;
    if let Err(unknown) = target(case, spec, out) {
        out.abstain(unknown);
    }
    // The old name of the field is still read (`GetAnalysis`).
    let analysis = spec.get("analysis").or_else(|| spec.get("canaryAnalysis"));
    let metrics = analysis.and_then(|analysis| analysis.get("metrics"));
    for metric in metrics.into_iter().flat_map(Node::items).take(MOST_METRICS) {
        let Some(reference) = metric.get("templateRef") else { continue };
        let Some(name) = Said::at(reference, "name") else { continue };
        let namespace = Said::at(reference, "namespace").map(|said| said.text);
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let namespace = namespace.unwrap_or(&meta.namespace.value);
        let wanted =
            Wanted { group: "flagger.app", kind: "MetricTemplate", namespace, name: name.text };
        let effect = "the analysis fails, and every new version is rolled back";
        if let Err(unknown) = there(case, wanted, &name, effect, out) {
            out.abstain(unknown);
        }
    }
    Ok(())
}

/// Looks for what is named, and says where it is not.
fn there<'w>(
    case: &ObjectCase<'w>,
    wanted: Wanted<'_>,
    name: &Said<'_>,
    effect: &str,
    out: &mut Findings,
) -> Result<Option<&'w Object>, Abstain> {
    match case.joined.referenced_one(case.object, wanted)? {
        Ok(found) => Ok(Some(found)),
        Err(None) => Ok(None),
        Err(Some(missing)) => {
            let (kind, namespace) = (wanted.kind, wanted.namespace);
            let message = format!(
                "the Canary names {kind} {}, which does not exist in namespace {namespace}: {effect}",
                name.text
            );
            let finding = Finding::new(&RULE, message, &name.at, format!("no such {kind}"));
            let finding = finding.variant(&CANARY);
            out.push(missing.tell(case.world(), finding, &name.at, name.text));
            Ok(None)
        }
    }
}

/// Kind, group and name of a reference.
fn named<'w>(reference: Node<'w>) -> Option<(&'w str, &'w str, Said<'w>)> {
    let text = |key| reference.get(key).and_then(Node::as_str);
    let group = text("apiVersion")?.split_once('/').map_or("", |(group, _)| group);
    Some((text("kind")?, group, Said::at(reference, "name")?))
}

fn target(case: &ObjectCase<'_>, spec: Node<'_>, out: &mut Findings) -> Judged {
    let Some((kind, group, name)) = spec.get("targetRef").and_then(named) else { return Ok(()) };
    let namespace = case.object.meta.namespace.value.as_str();
    if !matches!((group, kind), ("apps", "Deployment" | "DaemonSet") | ("", "Service")) {
        let what = format!("{kind} {}", name.text);
        return Err(Abstain::unknown(Reason::ExternalController, what));
    }
    let wanted = Wanted { group, kind, namespace, name: name.text };
    let effect = "it is never initialised, and has no Services";
    let Some(workload) = there(case, wanted, &name, effect, out)? else { return Ok(()) };
    match spec.get("autoscalerRef") {
        Some(reference) => scaler(case, reference, kind, &name, out),
        None => {
            unknown_scaler(case, workload, &name, out);
            Ok(())
        }
    }
}

/// The autoscaler that the Canary copies for its primary.
fn scaler(
    case: &ObjectCase<'_>,
    reference: Node<'_>,
    kind: &str,
    target: &Said<'_>,
    out: &mut Findings,
) -> Judged {
    let Some((scaler, group, name)) = named(reference) else { return Ok(()) };
    let known = matches!(
        (group, scaler),
        ("autoscaling", "HorizontalPodAutoscaler") | ("keda.sh", "ScaledObject")
    );
    if !known {
        return Ok(());
    }
    let namespace = case.object.meta.namespace.value.as_str();
    let wanted = Wanted { group, kind: scaler, namespace, name: name.text };
    let effect = "the primary is not scaled, and the Canary does not go on";
    let Some(found) = there(case, wanted, &name, effect, out)? else { return Ok(()) };
    case.joined.unpatched(found, &["spec/scaleTargetRef"])?;
    let Some(scaled) = found.node().at(&["spec", "scaleTargetRef"]) else { return Ok(()) };
    let Some(scaled_name) = Said::at(scaled, "name") else { return Ok(()) };
    let scaled_kind = Said::at(scaled, "kind").map_or("Deployment", |said| said.text);
    if scaled_name.text != target.text || scaled_kind != kind {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{scaler} {} scales {scaled_kind} {}, and the Canary is of {kind} {}: its \
                     autoscaler is another's",
                    name.text, scaled_name.text, target.text
                ),
                &name.at,
                "the Canary's autoscaler",
            )
            .variant(&CANARY)
            .also(&scaled_name.at, "scales this")
            .also(&target.at, "the Canary's workload"),
        );
    }
    Ok(())
}

/// Flagger scales the workload to zero once its primary runs; the autoscaler then rests, and nothing
/// scales the primary.
fn unknown_scaler(case: &ObjectCase<'_>, workload: &Object, name: &Said<'_>, out: &mut Findings) {
    let ids = case.joined.joins.named(
        &workload.meta.namespace.value,
        &workload.meta.kind.value,
        workload.meta.name(),
    );
    let scalers = ids.iter().flat_map(|id| case.joined.joins.scalers(*id));
    let scalers = scalers.filter_map(|id| case.world().objects.get(*id));
    let Some(hpa) = scalers.take(1).find(|hpa| case.joined.together(case.object, hpa)) else {
        return;
    };
    let Body::Hpa(scaler) = &hpa.body else { return };
    let place = scaler.target.as_ref().map_or_else(|| hpa.origin(), |t| t.name.origin.clone());
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the Canary does not name the autoscaler of {}: Flagger runs the workload as {}-primary, \
                 which nothing scales",
                name.text, name.text
            ),
            &name.at,
            "without autoscalerRef",
        )
        .variant(&CANARY_SCALER)
        .also(&place, format!("{} scales the workload", hpa.meta.name()))
        .fix(Fix::suggest(format!(
            "set autoscalerRef to {} {}",
            hpa.meta.kind.value,
            hpa.meta.name()
        ))),
    );
}
