//! Roles and their bindings: `ValidatePolicyRule`, `ValidateRoleBinding`, `ValidateClusterRoleBinding`
//! and `ValidateRoleBindingSubject` of pkg/apis/rbac/validation/validation.go, v1.37.2.

use super::{RULE, is_alone, is_token, is_whole, items, refuse, text};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::findings::{Finding, Fix};
use crate::model::names::nearest;
use crate::rules::rule::Findings;

const GROUP: &str = "rbac.authorization.k8s.io";

/// The fields of a rule. One with another key is told of as `unknown-field`.
const OF_RULE: &[&str] = &["apiGroups", "nonResourceURLs", "resourceNames", "resources", "verbs"];

/// Rules and subjects of one object that are looked at.
const MOST: usize = 1000;

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let root = case.object.node();
    let kind = case.object.meta.kind.value.as_str();
    match kind {
        "Role" | "ClusterRole" if is_alone(case) => {
            for rule in items(root, "rules").take(MOST).filter(|rule| is_whole(*rule)) {
                of_role(rule, kind == "Role", out);
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            let whole = kind == "ClusterRoleBinding";
            match root.get("roleRef") {
                Some(role) => role_ref(role, whole, out),
                None => no_role(case, root, kind, out),
            }
            for subject in items(root, "subjects").take(MOST) {
                let token = |(key, _)| is_token(case, key);
                let open = !is_alone(case) || !is_whole(subject) || subject.entries().any(token);
                of_binding(subject, whole && !open, out);
            }
        }
        _ => {}
    }
}

/// What a list of a rule comes to.
#[derive(PartialEq)]
enum Listed {
    Nothing,
    Something,
    /// Another type, told of as such, or something that is still to be filled in.
    Unclear,
}

fn listed(rule: Node<'_>, key: &str) -> Listed {
    match rule.get(key) {
        None => Listed::Nothing,
        Some(list) if list.is_null() => Listed::Nothing,
        Some(list) if list.is_sequence() => match list.items().next() {
            None => Listed::Nothing,
            Some(_) => Listed::Something,
        },
        Some(_) => Listed::Unclear,
    }
}

fn of_role(rule: Node<'_>, namespaced: bool, out: &mut Findings) {
    let Some((first, _)) = rule.entries().next() else { return };
    if rule.entries().any(|(key, _)| key.as_str().is_none_or(|key| !OF_RULE.contains(&key))) {
        return;
    }
    match listed(rule, "nonResourceURLs") {
        Listed::Unclear => return,
        Listed::Something => {
            let Some((key, _)) = rule.get_entry("nonResourceURLs") else { return };
            if namespaced {
                let message = "a Role is for its namespace, and nonResourceURLs are in none: write a \
                               ClusterRole";
                refuse(out, &key.origin(), message);
            }
            let others = ["apiGroups", "resources", "resourceNames"];
            if others.iter().any(|other| listed(rule, other) == Listed::Something) {
                let message = "a rule is for resources or for nonResourceURLs, not for both";
                refuse(out, &key.origin(), message);
            }
            return;
        }
        Listed::Nothing => {}
    }
    for (key, what) in [
        ("apiGroups", "at least one API group, which is \"\" for pods, Secrets and the like"),
        ("resources", "at least one resource"),
    ] {
        if listed(rule, key) == Listed::Nothing {
            let at = rule.get_entry(key).map_or(first, |(key, _)| key);
            let message = format!("`{key}` of a PolicyRule is required: {what}");
            out.push(Finding::new(&RULE, message, &at.origin(), format!("no {key}")));
        }
    }
}

/// A patch that brings subjects has no role, and is named by a kustomization.
fn no_role(case: &ObjectCase<'_>, root: Node<'_>, kind: &str, out: &mut Findings) {
    let subjects = root.get("subjects").is_some_and(Node::is_sequence);
    if !subjects || case.object.meta.name.is_none() || !is_alone(case) || !is_whole(root) {
        return;
    }
    let written = root.entries().map(|(key, _)| key).find(|key| key.as_str() == Some("roleRef"));
    // A key that is none because of a slip is told of by `unknown-field`.
    let slip = |key: &str| key != "roleRef" && nearest(key, ["roleRef"], 2).is_some();
    if written.is_some_and(|key| is_token(case, key))
        || root.entries().any(|(key, _)| key.as_str().is_some_and(slip))
    {
        return;
    }
    let place = written.map_or_else(|| case.object.meta.kind.origin.clone(), Node::origin);
    let message = format!("roleRef of a {kind} is required: it says which role the subjects get");
    out.push(Finding::new(&RULE, message, &place, "no roleRef"));
}

fn role_ref(role: Node<'_>, whole: bool, out: &mut Findings) {
    if let Some((group, node)) = text(role, "apiGroup").filter(|(group, _)| !group.is_empty())
        && group != GROUP
    {
        out.push(wrong_group(node, group, GROUP));
    }
    let kinds: &[&str] = if whole { &["ClusterRole"] } else { &["ClusterRole", "Role"] };
    let Some((kind, node)) = text(role, "kind").filter(|(kind, _)| !kind.is_empty()) else {
        return;
    };
    if kinds.contains(&kind) {
        return;
    }
    let message = match (whole, kind) {
        (true, "Role") => {
            "a ClusterRoleBinding gives a ClusterRole, and cannot give a Role, which is of \
                           a namespace"
                .to_owned()
        }
        (true, _) => format!("kind `{kind}` of roleRef is not supported: ClusterRole"),
        (false, _) => format!("kind `{kind}` of roleRef is not supported: Role or ClusterRole"),
    };
    let finding = Finding::new(&RULE, message, &node.origin(), "refused");
    let same = kinds.iter().copied().find(|known| known.eq_ignore_ascii_case(kind));
    out.push(match same.or_else(|| nearest(kind, kinds.iter().copied(), 2)) {
        Some(known) => finding.fix(
            Fix::suggest(format!("did you mean {known}?"))
                .replace(&node.origin(), known.to_owned()),
        ),
        None => finding,
    });
}

fn wrong_group(node: Node<'_>, group: &str, known: &str) -> Finding {
    let message = format!("apiGroup `{group}` is not supported: \"{known}\"");
    Finding::new(&RULE, message, &node.origin(), "refused")
        .fix(Fix::suggest(format!("write \"{known}\", or leave the line out")))
}

/// `whole` is that the namespace of an account is asked for, and nothing else can bring it.
fn of_binding(subject: Node<'_>, whole: bool, out: &mut Findings) {
    let group = text(subject, "apiGroup").filter(|(group, _)| !group.is_empty());
    match text(subject, "kind") {
        Some(("ServiceAccount", kind)) => {
            if let Some((group, node)) = group {
                out.push(wrong_group(node, group, ""));
            }
            let nothing = |value: Node<'_>| value.is_null() || value.as_str() == Some("");
            if whole && subject.get("namespace").is_none_or(nothing) {
                let at = subject.get_entry("namespace").map_or(kind, |(key, _)| key);
                let message =
                    "the namespace of a ServiceAccount is required in a ClusterRoleBinding";
                refuse(out, &at.origin(), message);
            }
        }
        Some(("User" | "Group", _)) => {
            if let Some((group, node)) = group.filter(|(group, _)| *group != GROUP) {
                out.push(wrong_group(node, group, GROUP));
            }
        }
        // Told as a word that is none.
        _ => {}
    }
}
