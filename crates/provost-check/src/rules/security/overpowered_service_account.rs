//! Rights that no single service needs.

use crate::case::{Case, ObjectCase};
use crate::facts::document::Node;
use crate::facts::{Object, symbols};
use crate::findings::{Abstain, Finding, Fix, Level};
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

/// Who breaks into the pod has them too.
pub static RULE: Rule = Rule {
    id: "overpowered-service-account",
    group: Group::Security,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "a service account with rights that no single service needs",
    page: include_str!("overpowered-service-account.md"),
    needs: &[Need::Manifest],
    variants: &[DEFAULT, ADMIN, WILDCARD],
    check: Check::Object(check),
    also: &[Check::Container(client)],
    ..Rule::BASE
};

const RBAC: &str = "rbac.authorization.k8s.io";

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != RBAC {
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

fn role(object: &Object, out: &mut Findings) {
    let Some(rules) = object.node().get("rules") else { return };
    for rule in rules.items() {
        let (Some(verb), Some(resource)) = (star(rule, "verbs"), star(rule, "resources")) else {
            continue;
        };
        let everywhere = star(rule, "apiGroups").is_some();
        let what = if everywhere { "in every API group" } else { "of its API groups" };
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
    }
}

fn binding(case: &ObjectCase<'_>, out: &mut Findings) {
    let root = case.object.node();
    let Some(subjects) = root.get("subjects") else { return };
    let role = root.at(&["roleRef", "name"]);
    let admin = role.filter(|role| role.as_str() == Some("cluster-admin"));
    let whole = case.object.meta.kind.value == "ClusterRoleBinding";
    for subject in subjects.items().filter(|s| text(*s, "kind") == Some("ServiceAccount")) {
        let Some(name) = subject.get("name") else { continue };
        let account = name.as_str().unwrap_or_default();
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
