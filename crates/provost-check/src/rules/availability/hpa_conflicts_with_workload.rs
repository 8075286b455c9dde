//! An autoscaler and a manifest that both decide the number of pods, or neither.

use crate::case::references::{Referenced, Wanted};
use crate::case::routes::Said;
use crate::case::{ObjectCase, WorkloadCase};
use crate::facts::objects::{Hpa, TargetRef};
use crate::facts::{Body, Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Replicas in the manifest of an autoscaled workload undo the autoscaler at each apply.
pub static RULE: Rule = Rule {
    id: "hpa-conflicts-with-workload",
    group: Group::Availability,
    level: Level::Warn,
    title: "an autoscaler at odds with the workload it scales",
    page: include_str!("hpa-conflicts-with-workload.md"),
    needs: &[Need::Manifest],
    variants: &[
        Variant::new("hpa-target-missing", Level::Deny, "an autoscaler that scales nothing"),
        Variant::new("hpa-cannot-scale", Level::Note, "minReplicas equals maxReplicas"),
        Variant::new(
            "hpa-scales-workload-ref",
            Level::Deny,
            "an autoscaler on the Deployment that a Rollout takes its template from",
        ),
    ],
    check: Check::Object(check),
    also: &[Check::Object(scaled_object)],
    ..Rule::BASE
};

/// What is meant where the autoscaler does not say it.
const APPS: &str = "apps/v1";
const ROLLOUTS: &str = "argoproj.io/v1alpha1";

/// Kinds that are scaled in this API group; the rest are other people's.
const SCALED: &[&str] = &["Deployment", "StatefulSet", "ReplicaSet", "Rollout"];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let Body::Hpa(hpa) = &case.object.body else { return Err(Abstain::NotApplicable) };
    cannot_scale(hpa, out);
    let target = hpa.target.as_ref().ok_or(Abstain::NotApplicable)?;
    case.joined.unpatched(case.object, &["spec/scaleTargetRef"])?;
    let found = case.joined.joins.targets(case.id);
    if found.is_empty() {
        case.joined.nothing_passed_over(case.id, |_| true)?;
    }
    let Some(workload) = found.first().and_then(|id| case.joined.workload(*id)) else {
        return missing(case, target, out);
    };
    if let Some(rollout) = workload.rollout() {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "the autoscaler scales Deployment {}, whose pods Rollout {} runs: \
                     it starts a second set of pods that the Rollout does not know",
                    target.name.value,
                    rollout.object.meta.name()
                ),
                &target.kind.origin,
                "scales the Deployment",
            )
            .variant(&RULE.variants[2])
            .also(
                &rollout.workload.workload_ref.as_ref().map_or_else(
                    || rollout.object.origin(),
                    |reference| reference.name.origin.clone(),
                ),
                "takes its pod template from it",
            )
            .fix(Fix::suggest(format!(
                "scale the Rollout: apiVersion argoproj.io/v1alpha1, kind Rollout, name {}",
                rollout.object.meta.name()
            ))),
        );
        return Ok(());
    }
    // A patch with `replicas: null` takes the field away, as it is meant.
    workload.unpatched(&["spec/replicas"])?;
    both_decide(hpa, target, &workload, out);
    Ok(())
}

/// KEDA makes a HorizontalPodAutoscaler of a ScaledObject. What it scales that is not there, or of
/// another kind, is told by `conflicting-autoscalers`.
fn scaled_object(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "keda.sh" || meta.kind.value != "ScaledObject" {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec/scaleTargetRef"])?;
    let spec = case.object.node().get("spec").ok_or(Abstain::NotApplicable)?;
    let target = spec.get("scaleTargetRef").ok_or(Abstain::NotApplicable)?;
    let text = |key| Said::at(target, key).filter(|said| !said.text.is_empty());
    let kind = text("kind").map_or("Deployment", |kind| kind.text);
    let group = text("apiVersion").map_or(APPS, |version| version.text);
    let group = group.split_once('/').map_or("", |(group, _)| group);
    let name = text("name").ok_or(Abstain::NotApplicable)?;
    if !matches!((group, kind), ("apps", "Deployment" | "StatefulSet") | ("argoproj.io", "Rollout"))
    {
        return Err(Abstain::NotApplicable);
    }
    let namespace = meta.namespace.value.as_str();
    let wanted = Wanted { group, kind, namespace, name: name.text };
    let object = match case.joined.referenced_one(case.object, wanted)? {
        Ok(object) => object,
        Err(_) => return Err(Abstain::NotApplicable),
    };
    let ids = case.joined.joins.named(namespace, kind, name.text).iter();
    let mut found = ids.filter_map(|id| case.joined.workload(*id));
    let workload = found.find(|workload| std::ptr::eq(workload.object, object));
    let workload = workload.ok_or(Abstain::NotApplicable)?;
    workload.unpatched(&["spec/replicas"])?;
    let number = |key, default| match spec.get(key) {
        Some(node) => node.as_i64().map(|number| number.to_string()),
        None => Some(default),
    };
    let bounds = number("minReplicaCount", "0".to_owned())
        .zip(number("maxReplicaCount", "100".to_owned()))
        .map_or_else(|| "scaled".to_owned(), |(min, max)| format!("scaled from {min} to {max}"));
    // A pause takes the HorizontalPodAutoscaler away (`handlePause` in
    // controllers/keda/scaledobject_controller.go, v2.21), and sets the number that it names.
    let annotation = |key: &str| meta.annotations.get(key).map(|fact| fact.value.trim());
    if let Some(held) = annotation("autoscaling.keda.sh/paused-replicas") {
        let same = workload.workload.replicas.as_ref().map(|replicas| replicas.value.to_string());
        if held.parse::<u32>().is_ok() && same.is_some_and(|same| same != held) {
            sets_back(&workload, &name.at, format!("held at {held}"), out);
        }
        return Ok(());
    }
    if annotation("autoscaling.keda.sh/paused").is_some_and(|paused| paused != "false") {
        return Err(Abstain::NotApplicable);
    }
    sets_back(&workload, &name.at, bounds, out);
    Ok(())
}

fn both_decide(hpa: &Hpa, target: &TargetRef, workload: &WorkloadCase<'_>, out: &mut Findings) {
    let max = hpa.max.as_ref().map_or_else(String::new, |max| format!(" to {}", max.value));
    let scaled = format!("scaled from {}{max}", hpa.min.value);
    sets_back(workload, &target.name.origin, scaled, out);
}

fn sets_back(workload: &WorkloadCase<'_>, target: &Origin, scaled: String, out: &mut Findings) {
    let Some(replicas) = workload.workload.replicas.as_ref().filter(|r| r.is_written()) else {
        return;
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "replicas {} in the manifest of an autoscaled {}: each apply sets the scale back",
                replicas.value, workload.object.meta.kind.value
            ),
            &replicas.origin,
            format!("{} again at each apply", replicas.value),
        )
        .also(target, scaled)
        .fix(Fix::suggest(
            "remove spec.replicas; under client-side apply give up the field first \
             (kubectl apply edit-last-applied), else it becomes 1 once",
        )),
    );
}

fn cannot_scale(hpa: &Hpa, out: &mut Findings) {
    let Some(max) = hpa.max.as_ref().filter(|max| max.value == hpa.min.value) else { return };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "minReplicas and maxReplicas are both {}: there is nothing to scale",
                max.value
            ),
            &max.origin,
            "as many at most",
        )
        .variant(&RULE.variants[1])
        .also(&hpa.min.origin, "as many at least"),
    );
}

fn missing(case: &ObjectCase<'_>, target: &TargetRef, out: &mut Findings) -> Judged {
    let namespace = &case.object.meta.namespace.value;
    let say = |place: &Fact<String>, label: String| {
        Finding::new(
            &RULE,
            format!(
                "the autoscaler's target {} {} does not exist: nothing is scaled",
                target.kind.value, target.name.value
            ),
            &place.origin,
            label,
        )
        .variant(&RULE.variants[0])
    };
    // The same name under another kind, or under another group, is what was meant.
    let other = SCALED.iter().find_map(|kind| {
        let ids = case.joined.joins.named(namespace, kind, &target.name.value);
        ids.first().and_then(|id| case.joined.workload(*id))
    });
    if let Some(other) = other {
        let meta = &other.object.meta;
        let wrong_kind = meta.kind.value != target.kind.value;
        let place = match &target.api_version {
            Some(version) if !wrong_kind => version,
            _ => &target.kind,
        };
        out.push(
            say(place, format!("no {} of this name", place.value))
                .also(&meta.kind.origin, format!("{} {}", meta.api_version.value, meta.kind.value))
                .fix(Fix::suggest(format!(
                    "target apiVersion {}, kind {}",
                    meta.api_version.value, meta.kind.value
                ))),
        );
        return Ok(());
    }
    if !SCALED.contains(&target.kind.value.as_str()) {
        let what = format!("{} {}", target.kind.value, target.name.value);
        return Err(Abstain::unknown(Reason::ExternalController, what));
    }
    let group = target.api_version.as_ref().map(|version| version.value.as_str());
    let group = group.unwrap_or(if target.kind.value == "Rollout" { ROLLOUTS } else { APPS });
    let group = group.split_once('/').map_or("", |(group, _)| group);
    let (kind, name) = (target.kind.value.as_str(), target.name.value.as_str());
    let wanted = Wanted { group, kind, namespace, name };
    if let Referenced::Missing(missing) = case.joined.referenced(case.object, wanted)? {
        let missing = missing.unless(|near| case.joined.is_scaled(near)).or_unknown()?;
        let mut finding = say(&target.name, "no such object".to_owned());
        if missing.near.is_none() {
            finding = finding.fix(Fix::suggest("name the workload"));
        }
        out.push(missing.tell(case.world(), finding, &target.name.origin, name));
    }
    Ok(())
}
