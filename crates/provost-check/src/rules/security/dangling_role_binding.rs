//! Bindings that give rights which do not exist, or to nobody.

use rustc_hash::FxHashSet;

use crate::case::ObjectCase;
use crate::case::references::{Referenced, Wanted};
use crate::case::routes::Said;
use crate::facts::Object;
use crate::facts::document::Node;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::rbac;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const SUBJECT: Variant = Variant::new(
    "missing-subject",
    Level::Warn,
    "a binding gives rights to a ServiceAccount that does not exist",
);

/// The authorizer skips a binding whose role it does not find (`VisitRulesFor` in
/// pkg/registry/rbac/validation/rule.go, Kubernetes v1.37.2), and the API server takes such a binding
/// from those only who may bind or escalate everything (pkg/registry/rbac/rolebinding/policybased).
pub static RULE: Rule = Rule {
    id: "dangling-role-binding",
    group: Group::Security,
    level: Level::Deny,
    title: "a binding of a role that does not exist",
    page: include_str!("dangling-role-binding.md"),
    needs: &[Need::Manifest],
    variants: &[SUBJECT],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Subjects of one binding that are looked at.
const SUBJECTS: usize = 1000;

/// Bindings that are asked whether they name something, and subjects of each.
const COMPARED: usize = 256;

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let kind = meta.kind.value.as_str();
    if meta.group() != rbac::GROUP || !matches!(kind, "RoleBinding" | "ClusterRoleBinding") {
        return Err(Abstain::NotApplicable);
    }
    if let Err(unknown) = role(case, out) {
        out.abstain(unknown);
    }
    let own = (kind == "RoleBinding").then_some(meta.namespace.value.as_str());
    let mut seen = FxHashSet::default();
    for (name, namespace) in accounts(case.object, SUBJECTS) {
        let Some(namespace) = namespace.or(own) else { continue };
        if seen.insert((name.text, namespace))
            && let Err(unknown) = subject(case, &name, namespace, out)
        {
            out.abstain(unknown);
        }
    }
    Ok(())
}

/// The ServiceAccounts that a binding names, with the namespaces that they are said to be in.
fn accounts(binding: &Object, most: usize) -> impl Iterator<Item = (Said<'_>, Option<&str>)> {
    let subjects = binding.node().get("subjects");
    let subjects = subjects.into_iter().flat_map(Node::items).take(most);
    let is_account =
        |node: &Node<'_>| Said::at(*node, "kind").is_some_and(|kind| kind.text == "ServiceAccount");
    subjects.filter(is_account).filter_map(|node| {
        let namespace = Said::at(node, "namespace").map(|said| said.text);
        Some((Said::at(node, "name")?, namespace.filter(|namespace| !namespace.is_empty())))
    })
}

fn role(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    case.joined.unpatched(case.object, &["roleRef"])?;
    let meta = &case.object.meta;
    let whole = meta.kind.value == "ClusterRoleBinding";
    let of = case.object.node().get("roleRef").ok_or(Abstain::NotApplicable)?;
    let (Some(kind), Some(name)) = (Said::at(of, "kind"), Said::at(of, "name")) else {
        return Err(Abstain::NotApplicable);
    };
    // The API server takes no other group or kind.
    let namespace = match kind.text {
        "Role" if !whole => meta.namespace.value.as_str(),
        "ClusterRole" => "",
        _ => return Err(Abstain::NotApplicable),
    };
    let wanted = Wanted { group: rbac::GROUP, kind: kind.text, namespace, name: name.text };
    let (missing, closed) = match case.joined.referenced(case.object, wanted) {
        Ok(Referenced::There(_) | Referenced::Made) => return Ok(()),
        Ok(Referenced::Missing(missing)) => {
            let closed = missing.closed;
            let bound = |near: &Object| is_bound_by_another(case, near);
            (missing.unless(bound).or_unknown(), closed)
        }
        Err(unknown @ Abstain::Unknown { reason: Reason::ObjectNotInInput, .. }) => {
            (Err(unknown), false)
        }
        Err(unknown) => return Err(unknown),
    };
    let place = match namespace {
        "" => "does not exist".to_owned(),
        namespace => format!("is not in namespace {namespace}"),
    };
    let finding = Finding::new(
        &RULE,
        format!(
            "{} {} {place}: the binding gives no rights, and who needs them gets 403",
            kind.text, name.text
        ),
        &name.at,
        format!("no such {}", kind.text),
    );
    let (other, of_other) = match kind.text {
        "Role" => ("ClusterRole", ""),
        _ => ("Role", meta.namespace.value.as_str()),
    };
    let namesakes = case.joined.joins.named(of_other, other, name.text).iter().take(1);
    let mut namesakes = namesakes.filter_map(|id| case.world().objects.get(*id));
    let namesake = namesakes.find(|object| case.joined.together(case.object, object));
    out.push(match (missing, namesake) {
        // A role of the other kind is what was meant.
        (_, Some(object)) => finding
            .level(if closed { Level::Deny } else { Level::Warn })
            .also(&object.meta.kind.origin, format!("a {other} is called so"))
            .fix(match whole {
                true => Fix::suggest(
                    "make it a ClusterRole, or bind it with a RoleBinding: a ClusterRoleBinding \
                     takes no Role",
                ),
                false => Fix::suggest(format!("write kind: {other}")),
            }),
        (Ok(missing), None) => missing.tell(case.world(), finding, &name.at, name.text),
        (Err(unknown), None) => return Err(unknown),
    });
    Ok(())
}

fn subject(case: &ObjectCase<'_>, name: &Said<'_>, namespace: &str, out: &mut Findings) -> Judged {
    case.joined.unpatched(case.object, &["subjects"])?;
    let wanted = Wanted { group: "", kind: "ServiceAccount", namespace, name: name.text };
    let Referenced::Missing(missing) = case.joined.referenced(case.object, wanted)? else {
        return Ok(());
    };
    let missing = missing.unless(|near| is_bound_by_another(case, near)).or_unknown()?;
    let message = format!(
        "ServiceAccount {} is not in namespace {namespace}: nobody gets the rights of this binding",
        name.text
    );
    let finding = Finding::new(&RULE, message, &name.at, "no such account").variant(&SUBJECT);
    out.push(missing.tell(case.world(), finding, &name.at, name.text));
    Ok(())
}

/// Whether another binding names the role or account, or there are too many to look at.
fn is_bound_by_another(case: &ObjectCase<'_>, meant: &Object) -> bool {
    let joined = case.joined;
    let own = case.object.meta.namespace.value.as_str();
    let (kind, name) = (meant.meta.kind.value.as_str(), meant.meta.name());
    let bindings = joined
        .joins
        .of_kind(own, "RoleBinding")
        .chain(joined.joins.of_kind("", "ClusterRoleBinding"))
        .flat_map(|(_, ids)| ids)
        .filter(|id| **id != case.id);
    let mut bindings = bindings.take(COMPARED + 1).enumerate();
    bindings.any(|(at, id)| {
        let Some(binding) = case.world().objects.get(*id) else { return false };
        let text = |key| binding.node().at(&["roleRef", key]).and_then(Node::as_str);
        at == COMPARED
            || match kind {
                "ServiceAccount" => accounts(binding, COMPARED).any(|(it, of)| {
                    it.text == name && of.is_none_or(|of| of == meant.meta.namespace.value)
                }),
                _ => text("kind") == Some(kind) && text("name") == Some(name),
            }
    })
}
