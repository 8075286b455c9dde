//! Triggers of KEDA's: those by a share of a request, and those that KEDA does not know.

use super::{AUTHENTICATION, RULE, TRIGGER, lacking, metric_type, needs, without_request};
use crate::case::references::{Referenced, Wanted};
use crate::case::routes::Said;
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::placeholders::{is_placeholder, may_be_in};
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::model::keda;
use crate::rules::rule::{Findings, Judged};

/// Triggers of one object, and keys of one trigger, that are looked at.
const MOST: usize = 1000;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "keda.sh"
        || !matches!(meta.kind.value.as_str(), "ScaledObject" | "ScaledJob")
    {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec/triggers", "spec/scaleTargetRef"])?;
    let triggers = case.object.node().at(&["spec", "triggers"]);
    for trigger in triggers.into_iter().flat_map(Node::items).take(MOST) {
        let Some(of) = Said::at(trigger, "type").filter(|of| !may_be_in(of.text)) else { continue };
        let judged = match of.text {
            known if keda::is_type(known) => {
                metadata(case, trigger, known, out);
                metric_type::check(trigger, &of, out);
                needs::check(case, trigger, &of, out);
                share(case, trigger, &of, out)
            }
            _ => unknown(case, &of, out),
        };
        for judged in [judged, authentication(case, trigger, out)] {
            if let Err(unknown) = judged {
                out.abstain(unknown);
            }
        }
    }
    Ok(())
}

/// A type that is not in the table may be that of a newer KEDA, or of a fork.
fn unknown(case: &ObjectCase<'_>, of: &Said<'_>, out: &mut Findings) -> Judged {
    let Some(meant) = keda::meant_type(of.text) else {
        let what = format!("trigger {} of KEDA", of.text);
        return Err(Abstain::unknown(Reason::ExternalController, what));
    };
    let fix = Fix::suggest(format!("did you mean {meant}?"));
    out.push(
        Finding::new(
            &RULE,
            format!(
                "KEDA has no trigger {0}: nothing is scaled, `no scaler found for type: {0}`",
                of.text
            ),
            &of.at,
            "no such trigger",
        )
        .variant(&TRIGGER)
        .fix(case.world().rewrite(fix, &of.at, of.text, meant)),
    );
    Ok(())
}

/// `ResolveAuthRefAndPodIdentity` in pkg/scaling/resolver/scale_resolvers.go, v2.21: without the object no
/// scaler is built.
fn authentication(case: &ObjectCase<'_>, trigger: Node<'_>, out: &mut Findings) -> Judged {
    let Some(reference) = trigger.get("authenticationRef") else { return Ok(()) };
    let text = |key| Said::at(reference, key).filter(|said| !said.text.is_empty());
    let Some(name) = text("name") else { return Ok(()) };
    let kind = text("kind").map_or("TriggerAuthentication", |kind| kind.text);
    let namespace = match kind {
        "TriggerAuthentication" => case.object.meta.namespace.value.as_str(),
        "ClusterTriggerAuthentication" => "",
        _ => return Ok(()),
    };
    let wanted = Wanted { group: "keda.sh", kind, namespace, name: name.text };
    let Referenced::Missing(missing) = case.joined.referenced(case.object, wanted)? else {
        return Ok(());
    };
    let missing = missing.or_unknown()?;
    let place = match namespace {
        "" => String::new(),
        namespace => format!(" in namespace {namespace}"),
    };
    let message = format!(
        "there is no {kind} {}{place}: KEDA has no scaler for the trigger, and nothing is scaled",
        name.text
    );
    let finding = Finding::new(&RULE, message, &name.at, format!("no such {kind}"));
    let finding = finding.variant(&AUTHENTICATION);
    out.push(missing.tell(case.world(), finding, &name.at, name.text));
    Ok(())
}

/// Keys that nearly are those of the trigger, which is not given them.
fn metadata(case: &ObjectCase<'_>, trigger: Node<'_>, of: &str, out: &mut Findings) {
    let Some(metadata) = trigger.get("metadata") else { return };
    for (key, _) in metadata.entries().take(MOST) {
        let Some(name) = key.as_str().filter(|name| !is_placeholder(name)) else { continue };
        let Some(meant) = keda::meant_key(of, name) else { continue };
        let given = |key: &str| metadata.get(key).is_some();
        if given(meant) || given(&format!("{meant}FromEnv")) {
            continue;
        }
        let meant = match name.ends_with("FromEnv") {
            true => format!("{meant}FromEnv"),
            false => meant.to_owned(),
        };
        let fix = Fix::suggest(format!("did you mean {meant}?"));
        out.push(
            Finding::new(
                &RULE,
                format!("no trigger of KEDA's knows {name}: {of} is as if it were not set"),
                &key.origin(),
                format!("{of} knows {meant}"),
            )
            .variant(&TRIGGER)
            .fix(case.world().rewrite(fix, &key.origin(), name, &meant)),
        );
    }
}

/// Whether the request is there that a trigger on CPU or memory divides by. KEDA's webhook asks for
/// it (`verifyCPUMemoryScalers` in apis/keda/v1alpha1/scaledobject_webhook.go, v2.15 to v2.21), and the
/// HorizontalPodAutoscaler that KEDA makes needs it.
fn share(case: &ObjectCase<'_>, trigger: Node<'_>, of: &Said<'_>, out: &mut Findings) -> Judged {
    let text = |path: &[&str]| trigger.at(path).and_then(Node::as_str);
    // Until v2.18 the metadata said it.
    let by = text(&["metricType"]).or(text(&["metadata", "type"]));
    let scaled = case.object.meta.kind.value == "ScaledObject";
    if !matches!(of.text, "cpu" | "memory") || by != Some("Utilization") || !scaled {
        return Ok(());
    }
    let workload = target(case)?;
    let container = text(&["metadata", "containerName"]).filter(|name| !name.is_empty());
    for container in without_request(&workload, of.text, container)? {
        let name = container.name();
        let message = match workload.object.meta.kind.value.as_str() {
            "Deployment" | "StatefulSet" => format!(
                "KEDA's webhook refuses the ScaledObject, `the scaledobject has a {0} trigger but the \
                 container {name} doesn't have the {0} request defined`",
                of.text
            ),
            _ => format!(
                "the autoscaler that KEDA makes does not scale: \"missing request for {} in \
                 container {name}\"",
                of.text
            ),
        };
        out.push(lacking(message, container, of.text, &of.at));
    }
    Ok(())
}

/// The workload that a ScaledObject scales. One that is not there is told by
/// `conflicting-autoscalers`.
fn target<'w>(case: &ObjectCase<'w>) -> Result<WorkloadCase<'w>, Abstain> {
    let target = case.object.node().at(&["spec", "scaleTargetRef"]);
    let target = target.ok_or(Abstain::NotApplicable)?;
    let text = |key| Said::at(target, key).map(|said| said.text).filter(|text| !text.is_empty());
    let kind = text("kind").unwrap_or("Deployment");
    let (group, _) = text("apiVersion").unwrap_or("apps/v1").split_once('/').unwrap_or_default();
    let name = text("name").ok_or(Abstain::NotApplicable)?;
    let namespace = case.object.meta.namespace.value.as_str();
    let wanted = Wanted { group, kind, namespace, name };
    let object = match case.joined.referenced_one(case.object, wanted)? {
        Ok(object) => object,
        Err(None) => {
            let what = format!("the containers of {kind} {name}");
            return Err(Abstain::unknown(Reason::ExternalController, what));
        }
        Err(Some(_)) => return Err(Abstain::NotApplicable),
    };
    let ids = case.joined.joins.named(namespace, kind, name).iter();
    let found = ids.filter_map(|id| case.joined.workload(*id));
    // An object without a namespace may lie under another one than it is looked for.
    let id = found.into_iter().find(|workload| std::ptr::eq(workload.object, object));
    id.ok_or_else(|| {
        let what = format!("the containers of {kind} {name}");
        Abstain::unknown(Reason::ExternalController, what)
    })
}
