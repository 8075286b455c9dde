//! Accounts and claims that pods name: what admission and the scheduler look for.

use rustc_hash::FxHashSet;

use super::{ACCOUNT, CLAIM, MOST_WORKLOADS, RULE};
use crate::case::WorkloadCase;
use crate::case::references::{Referenced, Wanted};
use crate::facts::Fact;
use crate::facts::document::Node;
use crate::facts::placeholders::is_placeholder;
use crate::facts::workload::VolumeKind;
use crate::findings::Finding;
use crate::rules::rule::{Findings, Judged};

/// Templates of claims of one StatefulSet that are looked at.
const TEMPLATES: usize = 64;

/// The admission plugin asks for the account of every pod (`Admit` in
/// plugin/pkg/admission/serviceaccount/admission.go of Kubernetes v1.37.2).
pub(super) fn account(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let account = &case.pod().service_account;
    let name = account.value.as_str();
    // A placeholder is told by rules of its own.
    if !account.is_written() || is_placeholder(name) {
        return Ok(());
    }
    let namespace = case.object.meta.namespace.value.as_str();
    let wanted = Wanted { group: "", kind: "ServiceAccount", namespace, name };
    let Referenced::Missing(missing) = case.joined.referenced(case.object, wanted)? else {
        return Ok(());
    };
    let missing = missing.unless(|near| {
        is_named_by_another(case, |other| other.pod().service_account.value == near.meta.name())
    });
    let missing = missing.or_unknown()?;
    let message = format!(
        "ServiceAccount {name} is not in namespace {namespace}: admission refuses the pods, `error \
         looking up service account`"
    );
    let finding = Finding::new(&RULE, message, &account.origin, "no such account");
    out.push(missing.tell(case.world(), finding.variant(&ACCOUNT), &account.origin, name));
    Ok(())
}

/// The scheduler asks for the claims (`podHasPVCs` in
/// pkg/scheduler/framework/plugins/volumebinding/volume_binding.go of Kubernetes v1.37.2).
pub(super) fn claims(case: &WorkloadCase<'_>, out: &mut Findings) {
    // A StatefulSet puts the volumes of its templates in the place of those of their names
    // (`updateStorage` in pkg/controller/statefulset/stateful_set_utils.go).
    let templates = case.object.node().at(&["spec", "volumeClaimTemplates"]);
    let templates = templates.into_iter().flat_map(Node::items).take(TEMPLATES);
    let replaced: FxHashSet<&str> =
        templates.filter_map(|template| template.at(&["metadata", "name"])?.as_str()).collect();
    for volume in &case.pod().volumes {
        let VolumeKind::Claim(name) = &volume.kind else { continue };
        if name.value.is_empty()
            || is_placeholder(&name.value)
            || replaced.contains(volume.name.value.as_str())
        {
            continue;
        }
        if let Err(unknown) = claim(case, name, out) {
            out.abstain(unknown);
        }
    }
}

fn claim(case: &WorkloadCase<'_>, name: &Fact<String>, out: &mut Findings) -> Judged {
    let namespace = case.object.meta.namespace.value.as_str();
    let wanted = Wanted { group: "", kind: "PersistentVolumeClaim", namespace, name: &name.value };
    let Referenced::Missing(missing) = case.joined.referenced(case.object, wanted)? else {
        return Ok(());
    };
    let missing = missing.unless(|near| {
        is_named_by_another(case, |other| {
            let mut volumes = other.pod().volumes.iter();
            volumes.any(|volume| {
                matches!(&volume.kind, VolumeKind::Claim(name) if name.value == near.meta.name())
            })
        })
    });
    let missing = missing.or_unknown()?;
    let message = format!(
        "PersistentVolumeClaim {} is not in namespace {namespace}: the pods stay Pending, no node \
         is found for them",
        name.value
    );
    let finding = Finding::new(&RULE, message, &name.origin, "no such claim").variant(&CLAIM);
    out.push(missing.tell(case.world(), finding, &name.origin, &name.value));
    Ok(())
}

/// Whether another workload of the namespace does, or there are too many to look at.
fn is_named_by_another(case: &WorkloadCase<'_>, names: impl Fn(&WorkloadCase<'_>) -> bool) -> bool {
    let ids = case.joined.joins.workloads_in(&case.object.meta.namespace.value);
    let mut others = ids.iter().filter(|id| **id != case.id);
    ids.len() > MOST_WORKLOADS
        || others.any(|id| case.joined.workload(*id).is_some_and(|other| names(&other)))
}
