//! Placeholders that nobody filled in.

use std::collections::HashSet;

use crate::case::ObjectCase;
use crate::facts::document::{Node, NodeId};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What Kubernetes takes literally.
pub static RULE: Rule = Rule {
    id: "unrendered-template",
    group: Group::Input,
    level: Level::Deny,
    title: "a template placeholder in an object that is applied as it stands",
    page: include_str!("unrendered-template.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    check: Check::Object(check),
    ..Rule::BASE
};

/// Groups of Kubernetes' own that have no templates of their own in any field.
const GROUPS: &[&str] = &[
    "",
    "apps",
    "batch",
    "policy",
    "autoscaling",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Fields in which nothing expands a variable.
const PLAIN: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "image",
    "replicas",
    "minReplicas",
    "maxReplicas",
    "port",
    "containerPort",
    "targetPort",
    "nodePort",
    "hostPort",
    "number",
    "host",
    "serviceAccountName",
    "storageClassName",
    "claimName",
    "secretName",
];

/// Mappings and lists all of whose values are such fields.
const PLAIN_PARENTS: &[&str] = &["labels", "matchLabels", "limits", "requests", "hosts"];

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let rollout = meta.group() == "argoproj.io" && meta.kind.value == "Rollout";
    if !(GROUPS.contains(&meta.group()) || rollout) || meta.api_version.value.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let holds_data = matches!(meta.kind.value.as_str(), "ConfigMap" | "Secret");
    // An alias is the same node as its anchor: each is judged once.
    let mut seen: HashSet<NodeId> = HashSet::new();
    let mut stack = vec![(case.object.node(), "", "", false)];
    while let Some((node, key, parent, shell)) = stack.pop() {
        if !seen.insert(node.id) {
            continue;
        }
        if let Some(text) = node.as_str() {
            judge(case, node, text, (key, parent, shell), out);
        }
        for item in node.items() {
            stack.push((item, key, key, shell));
        }
        for (name, value) in node.entries() {
            let name = name.as_str().unwrap_or("");
            let data = holds_data && matches!(name, "data" | "stringData" | "binaryData");
            if data || name == "annotations" {
                continue;
            }
            let shell = shell || matches!(name, "env" | "command" | "args");
            stack.push((value, name, key, shell));
        }
    }
    // The walk goes from the end.
    out.found.reverse();
    Ok(())
}

fn judge(
    case: &ObjectCase<'_>,
    node: Node<'_>,
    text: &str,
    (key, parent, shell): (&str, &str, bool),
    out: &mut Findings,
) {
    let what = if let Some(found) = template(text, shell) {
        found
    } else if !shell && (PLAIN.contains(&key) || PLAIN_PARENTS.contains(&parent)) {
        let Some((found, name)) = variable(text) else { return };
        if case.joined.provided.may_be_substituted(name) {
            out.abstain(Abstain::unknown(Reason::Templated, found.to_owned()));
            return;
        }
        found
    } else {
        return;
    };
    let origin = node.origin();
    let start = text.find(what).unwrap_or(0);
    let place = case.world().part(&origin, text, start..start + what.len());
    let shown: String = what.chars().take(60).collect();
    let field = if key.is_empty() { "a value" } else { key };
    out.push(
        Finding::new(
            &RULE,
            format!("{field} holds the placeholder `{shown}`: Kubernetes takes it literally"),
            &place,
            "not filled in",
        )
        .fix(Fix::suggest("render the manifest first, and judge what comes out")),
    );
}

/// A placeholder of Go's templates, or what printing a missing value leaves.
fn template(text: &str, shell: bool) -> Option<&str> {
    for left in ["<no value>", "%!s(", "%!d(", "%!v("] {
        if let Some(at) = text.find(left) {
            return text.get(at..at + left.len());
        }
    }
    let start = text.find("{{")?;
    let end = start + text[start..].find("}}")? + 2;
    let found = &text[start..end];
    // A program may take a template as its argument; Helm's own names are none of its.
    let inner = found.trim_start_matches(['{', '-', ' ']);
    let helm = [".Values", ".Release", ".Chart", "include \"", "template \""];
    (!shell || helm.iter().any(|word| inner.starts_with(word))).then_some(found)
}

/// `${NAME}` or `$(NAME)`, also with a default, and the name.
fn variable(text: &str) -> Option<(&str, &str)> {
    for (open, close) in [("${", '}'), ("$(", ')')] {
        let Some(start) = text.find(open) else { continue };
        let Some(length) = text[start..].find(close) else { continue };
        let found = &text[start..=start + length];
        let inner = &found[2..found.len() - 1];
        let end =
            inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
        let (name, rest) = inner.split_at(end);
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if named && (rest.is_empty() || rest.starts_with([':', '-'])) {
            return Some((found, name));
        }
    }
    None
}
