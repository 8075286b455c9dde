//! Rules of Roles that match no request.

use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::schema;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// How a rule matches: `RuleAllows` in plugin/pkg/auth/authorizer/rbac/rbac.go and `VerbMatches`,
/// `APIGroupMatches`, `ResourceMatches` and `ResourceNameMatches` in pkg/apis/rbac/v1/evaluation_helpers.go of
/// Kubernetes v1.37.2: texts are compared, and `*` stands for all of verbs, groups and resources only.
pub static RULE: Rule = Rule {
    id: "unmatched-role-rule",
    group: Group::Security,
    level: Level::Warn,
    title: "a rule of a Role that no request matches",
    page: include_str!("unmatched-role-rule.md"),
    needs: &[Need::Manifest],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Rules of one role, and entries of one list, that are looked at.
const MOST: usize = 256;

/// Groups as people call them; a group that is not Kubernetes' own has a dot.
const NO_GROUPS: &[&str] = &["core", "v1"];

/// What the API server asks about (`RequestInfoFactory` of k8s.io/apiserver).
const VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Resources of Kubernetes that are no objects: who may be impersonated, and signers.
const NO_OBJECTS: &[&str] = &["groups", "signers", "uids", "userextras", "users"];

/// One entry of `rules`, its lists as they are written.
struct Entry<'d> {
    groups: Vec<(Node<'d>, &'d str)>,
    resources: Vec<(Node<'d>, &'d str)>,
    verbs: Vec<(Node<'d>, &'d str)>,
    names: Vec<(Node<'d>, &'d str)>,
}

impl<'d> Entry<'d> {
    fn of(rule: Node<'d>) -> Self {
        let list = |key: &str| {
            let items = rule.get(key).into_iter().flat_map(Node::items).take(MOST);
            items.filter_map(|item| Some((item, item.as_str()?))).collect()
        };
        Self {
            groups: list("apiGroups"),
            resources: list("resources"),
            verbs: list("verbs"),
            names: list("resourceNames"),
        }
    }

    fn is_open(&self) -> bool {
        let lists = [&self.groups, &self.resources, &self.verbs, &self.names];
        lists.into_iter().flatten().any(|(_, text)| may_be_in(text))
    }

    fn has_verb(&self, verb: &str) -> bool {
        self.verbs.iter().any(|(_, has)| *has == "*" || *has == verb)
    }

    /// Whether the rule is for the resource, in one of its groups.
    fn is_for(&self, resource: &str) -> bool {
        let base = resource.split('/').next().unwrap_or_default();
        let groups = schema::groups_of(base);
        self.resources.iter().any(|(_, has)| *has == "*" || *has == resource)
            && self.groups.iter().any(|(_, has)| *has == "*" || groups.contains(has))
    }
}

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    let role = matches!(meta.kind.value.as_str(), "Role" | "ClusterRole");
    if meta.group() != "rbac.authorization.k8s.io" || !role {
        return Err(Abstain::NotApplicable);
    }
    // What a controller fills in, and the cluster's own.
    if case.object.node().get("aggregationRule").is_some() || meta.name().starts_with("system:") {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["rules"])?;
    let Some(rules) = case.object.node().get("rules") else { return Ok(()) };
    let entries: Vec<Entry<'_>> = rules.items().take(MOST).map(Entry::of).collect();
    for entry in entries.iter().filter(|entry| !entry.is_open()) {
        resources(entry, &entries, out);
        subresources(entry, out);
        verbs(entry, out);
        names(entry, &entries, out);
    }
    Ok(())
}

/// `nodes/*`, of whatever group: a star stands alone, or in front of a subresource.
fn subresources(entry: &Entry<'_>, out: &mut Findings) {
    if entry.resources.iter().any(|(_, text)| *text == "*") {
        return;
    }
    for (node, text) in entry.resources.iter().filter(|(_, text)| text.ends_with("/*")) {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "no request is for `{text}`: in a resource `*` stands alone or in front of a \
                     subresource (`*/scale`), never behind one"
                ),
                &node.origin(),
                "matches nothing",
            )
            .fix(Fix::suggest("name each subresource that the program asks for")),
        );
    }
}

/// Resources that none of the rule's groups has.
fn resources(entry: &Entry<'_>, all: &[Entry<'_>], out: &mut Findings) {
    let impossible = |group: &str| NO_GROUPS.contains(&group) || group.contains('/');
    // Whatever somebody else's group has.
    let foreign = |group: &str| group == "*" || !(impossible(group) || schema::has_group(group));
    if entry.groups.is_empty() || entry.groups.iter().any(|(_, group)| foreign(group)) {
        return;
    }
    let Some((first, written)) = entry.groups.first() else { return };
    for (node, text) in &entry.resources {
        let (base, sub) = text.split_once('/').map_or((*text, ""), |(base, sub)| (base, sub));
        if base == "*" || NO_OBJECTS.contains(&base) {
            if base == "*" && entry.groups.iter().all(|(_, group)| impossible(group)) {
                out.push(group(*first, written, "*"));
                return;
            }
            continue;
        }
        let groups = schema::groups_of(base);
        if entry.groups.iter().any(|(_, group)| groups.contains(group)) {
            continue;
        }
        let Some(meant) = schema::resource_meant(base) else { continue };
        let whole = if sub.is_empty() { meant.clone() } else { format!("{meant}/{sub}") };
        // Another rule of the role says it right.
        if all.iter().any(|other| other.is_for(&whole)) {
            continue;
        }
        if meant != base {
            let finding = Finding::new(
                &RULE,
                format!(
                    "no resource is called `{base}`: resources are plurals in small letters, and the \
                     rule grants nothing on {meant}"
                ),
                &node.origin(),
                "no such resource",
            );
            let fix = Fix::suggest(format!("write {whole}"));
            out.push(finding.fix(fix.replace(&node.origin(), whole)));
            continue;
        }
        let known = schema::groups_of(&meant);
        let Some(right) = known.first() else { continue };
        if impossible(written) {
            out.push(group(*first, written, &meant));
            return;
        }
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "no API group of the rule has {meant}, which are of \"{right}\": the rule grants \
                     nothing on them"
                ),
                &node.origin(),
                format!("of \"{right}\""),
            )
            .also(&first.origin(), "the group it is for")
            .fix(Fix::suggest(format!("write a rule for them with apiGroups: [\"{right}\"]"))),
        );
    }
}

/// A word that is no group.
fn group(node: Node<'_>, text: &str, resource: &str) -> Finding {
    let right = match (text.split_once('/'), resource) {
        (Some((group, _)), _) => group,
        (None, "*") => "",
        (None, resource) => schema::groups_of(resource).first().copied().unwrap_or_default(),
    };
    Finding::new(
        &RULE,
        format!("no API group is called `{text}`: the rule grants nothing"),
        &node.origin(),
        "no such group",
    )
    .fix(Fix::suggest(match right {
        "" => "write \"\", which is the group of pods, Secrets and the like".to_owned(),
        right => format!("write the group without its version: {right}"),
    }))
}

fn verbs(entry: &Entry<'_>, out: &mut Findings) {
    for (node, text) in &entry.verbs {
        let lower = text.to_ascii_lowercase();
        if *text == lower || !VERBS.contains(&lower.as_str()) {
            continue;
        }
        let finding = Finding::new(
            &RULE,
            format!("no request has the verb `{text}`: verbs are in small letters"),
            &node.origin(),
            "never asked for",
        );
        let fix = Fix::suggest(format!("write {lower}"));
        out.push(finding.fix(fix.replace(&node.origin(), lower)));
    }
}

/// Names that no object has, and verbs whose requests have none.
fn names(entry: &Entry<'_>, all: &[Entry<'_>], out: &mut Findings) {
    let Some((first, _)) = entry.names.first() else { return };
    // An empty name is that of a request without one.
    if entry.names.iter().any(|(_, name)| name.is_empty()) {
        return;
    }
    if let [(node, "*")] = entry.names.as_slice() {
        out.push(
            Finding::new(
                &RULE,
                "resourceNames has no wildcard: the rule is for an object called `*`, and grants \
                 nothing",
                &node.origin(),
                "a name like any other",
            )
            .fix(Fix::suggest("leave resourceNames out, or name the objects")),
        );
        return;
    }
    // A request for a subresource names its object.
    let whole = |text: &str| text != "*" && !text.contains('/');
    if !entry.resources.iter().all(|(_, text)| whole(text)) {
        return;
    }
    for (node, verb) in &entry.verbs {
        if !matches!(*verb, "create" | "deletecollection") {
            continue;
        }
        let elsewhere = |resource: &str| {
            all.iter().any(|other| {
                let for_it = other.resources.iter().any(|(_, has)| *has == "*" || *has == resource);
                other.names.is_empty() && other.has_verb(verb) && for_it
            })
        };
        let Some((_, resource)) = entry.resources.iter().find(|(_, text)| !elsewhere(text)) else {
            continue;
        };
        let finding = Finding::new(
            &RULE,
            format!(
                "{verb} cannot be granted by name: the request has none, and is refused for \
                 {resource}"
            ),
            &node.origin(),
            "refused",
        )
        .also(&first.origin(), "only under this name")
        .fix(Fix::suggest(format!("write a rule of its own for {verb}, without resourceNames")));
        // A server-side apply that makes the object asks for create by its name.
        let applies = *verb == "create" && entry.has_verb("patch");
        out.push(if applies { finding.level(Level::Note) } else { finding });
    }
}
