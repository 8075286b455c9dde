//! The workload whose pod template a Rollout takes.

use super::{RULE, TWICE, WORKLOAD};
use crate::case::WorkloadCase;
use crate::case::references::Wanted;
use crate::facts::document::Node;
use crate::findings::{Abstain, Finding, Fix};
use crate::rules::rule::{Findings, Judged};

/// `infoByGroupKind` in rollout/templateref.go of argo-rollouts v1.10: PodTemplates (of no group),
/// Deployments and ReplicaSets.
pub(super) fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let reference = case.workload.workload_ref.as_ref().ok_or(Abstain::NotApplicable)?;
    case.unpatched(&["spec/workloadRef"])?;
    let kind = reference.kind.value.as_str();
    let version = reference.api_version.as_ref().map_or("", |version| version.value.as_str());
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let (name, namespace) = (&reference.name, case.object.meta.namespace.value.as_str());
    if !matches!((group, kind), ("apps", "Deployment" | "ReplicaSet") | ("", "PodTemplate")) {
        // What is still to be filled in is no kind.
        if kind.is_empty() || crate::facts::placeholders::is_placeholder(kind) {
            return Err(Abstain::NotApplicable);
        }
        let shown = if version.is_empty() { "no group" } else { version };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "workloadRef names a {kind} of {shown}, and a Rollout takes its pods from a \
                     Deployment or ReplicaSet of apps/v1 or from a PodTemplate: it is InvalidSpec"
                ),
                &reference.kind.origin,
                "not supported",
            )
            .variant(&WORKLOAD),
        );
        return Ok(());
    }
    let wanted = Wanted { group, kind, namespace, name: &name.value };
    let found = match case.joined.referenced_one(case.object, wanted)? {
        Ok(found) => found,
        Err(None) => return Ok(()),
        Err(Some(missing)) => {
            let message = format!(
                "there is no {kind} {name} in namespace {namespace}: the Rollout has no pods and \
                 is InvalidSpec"
            );
            let finding = Finding::new(&RULE, message, &name.origin, format!("no such {kind}"));
            let finding = finding.variant(&WORKLOAD);
            out.push(missing.tell(case.world(), finding, &name.origin, &name.value));
            return Ok(());
        }
    };
    // `onsuccess` and `progressively` take the Deployment's pods away.
    let down = case.object.node().at(&["spec", "workloadRef", "scaleDown"]).and_then(Node::as_str);
    let stays = matches!(down, None | Some("" | "never"));
    let own = case.workload.replicas.as_ref().map_or(1, |own| own.value);
    let Some(replicas) = found.workload().and_then(|workload| workload.replicas.as_ref()) else {
        return Ok(());
    };
    if kind != "Deployment" || !stays || replicas.value < 1 || own < 1 {
        return Ok(());
    }
    case.joined.unpatched(found, &["spec/replicas"])?;
    let (place, label) = match replicas.is_written() {
        true => (replicas.origin.clone(), format!("runs {}", replicas.value)),
        false => (found.origin(), "runs 1, since it does not say 0".to_owned()),
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "Deployment {name} still runs pods of its own beside those of the Rollout: \
                 Services send to both, and the Deployment's get each new version at once"
            ),
            &place,
            label,
        )
        .variant(&TWICE)
        .also(&name.origin, "the Rollout takes its pods from it")
        .fix(Fix::suggest(
            "set replicas: 0 in the Deployment, or scaleDown: onsuccess in the workloadRef \
             (argo-rollouts 1.7 and later)",
        )),
    );
    Ok(())
}
