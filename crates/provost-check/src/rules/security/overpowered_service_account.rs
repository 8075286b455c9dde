//! Rights that no single service needs.

use crate::case::{Case, ObjectCase};
use crate::facts::document::Node;
use crate::facts::{Object, symbols};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::rbac::{self, Grant};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const DEFAULT: Variant = Variant::new(
    "default-service-account",
    Level::Note,
    "rights for the account that every pod without one of its own has",
)
.strict(Level::Warn);
const ADMIN: Variant =
    Variant::new("cluster-admin-binding", Level::Note, "an account that may do everything")
        .strict(Level::Warn);
const WILDCARD: Variant =
    Variant::new("wildcard-role", Level::Note, "a role for every verb on every resource")
        .strict(Level::Warn);

const ESCALATING: Variant =
    Variant::new("escalating-role", Level::Note, "a role whose rights lead to all others")
        .strict(Level::Warn);
const STAR: Variant = Variant::new(
    "wildcard-in-role",
    Level::Note,
    "a role for whatever verbs or resources will come",
)
.off()
.strict(Level::Note);
const EVERYBODY: Variant = Variant::new(
    "role-for-everybody",
    Level::Note,
    "a role for all accounts, or for nobody at all",
)
.strict(Level::Warn);

/// Who breaks into the pod has them too.
pub static RULE: Rule = Rule {
    id: "overpowered-service-account",
    group: Group::Security,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "a service account with rights that no single service needs",
    page: include_str!("overpowered-service-account.md"),
    needs: &[Need::Manifest],
    variants: &[DEFAULT, ADMIN, WILDCARD, ESCALATING, STAR, EVERYBODY],
    check: Check::Object(check),
    also: &[Check::Container(client)],
    ..Rule::BASE
};

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != rbac::GROUP {
        return Err(Abstain::NotApplicable);
    }
    match meta.kind.value.as_str() {
        "Role" | "ClusterRole" => {
            // Aggregated roles are filled by a controller; what stands in them is for show.
            if case.object.node().get("aggregationRule").is_none() {
                role(case.object, out);
            }
            Ok(())
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            binding(case, out);
            Ok(())
        }
        _ => Err(Abstain::NotApplicable),
    }
}

fn text<'d>(node: Node<'d>, key: &str) -> Option<&'d str> {
    node.get(key).and_then(Node::as_str)
}

/// The item `*` of a list.
fn star<'d>(rule: Node<'d>, key: &str) -> Option<Node<'d>> {
    rule.get(key)?.items().find(|item| item.as_str() == Some("*"))
}

/// The group of Secrets and pods.
fn is_core(group: Node<'_>) -> bool {
    group.as_str() == Some("")
}

/// Powers that one message names.
const NAMED: usize = 3;

fn role(object: &Object, out: &mut Findings) {
    // The cluster's own, which the API server makes anew.
    let meta = &object.meta;
    if rbac::is_built_in(&meta.kind.value, &meta.namespace.value, meta.name()) {
        return;
    }
    let Some(rules) = object.node().get("rules") else { return };
    for rule in rules.items() {
        let (verb, resource) = (star(rule, "verbs"), star(rule, "resources"));
        let everywhere = star(rule, "apiGroups");
        // An operator that may do everything to its own kinds is common; Secrets are of the core group.
        let core = || rule.get("apiGroups").is_some_and(|it| it.items().any(is_core));
        if let (Some(verb), Some(resource)) = (verb, resource)
            && (everywhere.is_some() || core())
        {
            let what = match everywhere {
                Some(_) => "in every API group",
                None => "of the core group",
            };
            out.push(
                Finding::new(
                    &RULE,
                    format!("the role allows every verb on every resource {what}, Secrets and what is to come included"),
                    &resource.origin(),
                    "every resource",
                )
                .variant(&WILDCARD)
                .also(&verb.origin(), "every verb")
                .fix(Fix::suggest("name the resources and verbs that the program asks for")),
            );
            continue;
        }
        if let Some((place, what)) = verb
            .map(|node| (node, "verb"))
            .or(resource.map(|node| (node, "resource")))
            .or(everywhere.map(|node| (node, "API group")))
        {
            out.push(
                Finding::new(
                    &RULE,
                    format!("the role allows every {what}, those that are still to come included"),
                    &place.origin(),
                    format!("every {what}"),
                )
                .variant(&STAR)
                .fix(Fix::suggest(format!("name each {what} that the program asks for"))),
            );
        }
        escalation(rule, out);
    }
}

/// The words of a list.
fn texts<'d>(list: &[(Node<'d>, &'d str)]) -> Vec<&'d str> {
    list.iter().map(|(_, text)| *text).collect()
}

/// Rights that lead to others, unless they are for objects that are named.
fn escalation(rule: Node<'_>, out: &mut Findings) {
    if rule.get("resourceNames").is_some_and(|names| names.items().next().is_some()) {
        return;
    }
    let list = |key| {
        let items = rule.get(key).into_iter().flat_map(Node::items);
        items.map(|item| (item, item.as_str().unwrap_or_default())).collect::<Vec<_>>()
    };
    let (groups, resources, verbs) = (list("apiGroups"), list("resources"), list("verbs"));
    let found = rbac::powers(Grant {
        groups: &texts(&groups),
        resources: &texts(&resources),
        verbs: &texts(&verbs),
    });
    let Some(&(_, resource, verb)) = found.first() else { return };
    let mut named: Vec<&str> = found.iter().take(NAMED).map(|(what, ..)| *what).collect();
    let more = found.len().saturating_sub(NAMED);
    let more = match more {
        0 => String::new(),
        more => format!(", and {more} more of the kind"),
    };
    let last = named.pop().unwrap_or_default();
    let what = match named.as_slice() {
        [] => last.to_owned(),
        rest if more.is_empty() => format!("{}; and {last}", rest.join("; ")),
        rest => format!("{}; {last}", rest.join("; ")),
    };
    let (Some((resource, _)), Some((verb, _))) = (resources.get(resource), verbs.get(verb)) else {
        return;
    };
    out.push(
        Finding::new(
            &RULE,
            format!("the role lets its holder {what}{more}: such a right leads to others"),
            &resource.origin(),
            "all of them, none by name",
        )
        .variant(&ESCALATING)
        .also(&verb.origin(), "with this verb")
        .fix(Fix::suggest(
            "leave out what the program does not do, name the objects in resourceNames where that is \
             possible, and keep the role to one namespace",
        )),
    );
}

/// A subject that stands for all of a kind.
fn everybody(kind: Option<&str>, name: &str) -> Option<&'static str> {
    match (kind, name) {
        (Some("User"), "system:anonymous") | (Some("Group"), "system:unauthenticated") => {
            Some("everybody who reaches the API server, without a login")
        }
        (Some("Group"), "system:authenticated") => {
            Some("everybody who has an account, every pod included")
        }
        (Some("Group"), "system:serviceaccounts") => Some("every pod of the cluster"),
        (Some("Group"), name) if name.starts_with("system:serviceaccounts:") => {
            Some("every pod of the namespace")
        }
        _ => None,
    }
}

/// What the cluster gives to all: its own roles (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`)
/// and, in kube-public, what a node that joins has to read.
fn is_public(case: &ObjectCase<'_>, role: Option<Node<'_>>) -> bool {
    let role = role.and_then(Node::as_str).unwrap_or_default();
    role.starts_with("system:") || case.object.meta.namespace.value == "kube-public"
}

fn binding(case: &ObjectCase<'_>, out: &mut Findings) {
    let root = case.object.node();
    let Some(subjects) = root.get("subjects") else { return };
    let role = root.at(&["roleRef", "name"]);
    let admin = role.filter(|role| role.as_str() == Some("cluster-admin"));
    let whole = case.object.meta.kind.value == "ClusterRoleBinding";
    for subject in subjects.items() {
        let Some(name) = subject.get("name") else { continue };
        let account = name.as_str().unwrap_or_default();
        let kind = text(subject, "kind");
        if let Some(who) = everybody(kind, account).filter(|_| !is_public(case, role)) {
            let mut finding = Finding::new(
                &RULE,
                format!("the role is given to {who}"),
                &name.origin(),
                "everybody",
            )
            .variant(&EVERYBODY);
            if let Some(role) = role {
                finding = finding.also(&role.origin(), "what they may do");
            }
            out.push(finding.fix(Fix::suggest("bind the accounts that need it, by name")));
        }
        if kind != Some("ServiceAccount") {
            continue;
        }
        if let Some(role) = admin {
            let reach = if whole { "of the cluster" } else { "of the namespace" };
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "service account {account} may do everything to every object {reach}: who \
                         breaks into its pod may too"
                    ),
                    &role.origin(),
                    "every right",
                )
                .variant(&ADMIN)
                .also(&name.origin(), "for this account")
                .fix(Fix::suggest("bind a role with the rights that the program asks for")),
            );
        }
        if account == "default" {
            out.push(
                Finding::new(
                    &RULE,
                    "the role is given to the account that every pod of the namespace without one of \
                     its own has"
                        .to_owned(),
                    &name.origin(),
                    "everybody's account",
                )
                .variant(&DEFAULT)
                .fix(Fix::suggest("make a ServiceAccount for the workload and name it here and there")),
            );
        }
    }
}

/// A client of the API without an account of its own.
fn client(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let account = &case.pod().service_account;
    if account.is_written() && account.value != "default" {
        return Err(Abstain::NotApplicable);
    }
    let Some(program) = case.known_program() else { return Err(Abstain::NotApplicable) };
    let Some(function) = program.links(symbols::IN_CLUSTER_CONFIG)? else { return Ok(()) };
    out.push(
        Finding::new(
            &RULE,
            "the program asks the Kubernetes API as the account default: rights that are given to it \
             are given to every pod of the namespace",
            if account.is_written() { &account.origin } else { case.container_origin() },
            if account.is_written() { "everybody's account" } else { "names no service account" },
        )
        .variant(&DEFAULT)
        .also(function, "a client of the API")
        .fix(Fix::suggest("set serviceAccountName to an account of its own")),
    );
    Ok(())
}
