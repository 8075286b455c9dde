//! Policies that hold for nobody, or compare with what no caller is called.

mod hosts;
mod methods;
mod selectors;

use rustc_hash::{FxHashMap, FxHashSet};

use super::COMPARED;
use crate::case::near::Near;
use crate::case::{ObjectCase, WorkloadCase, World};
use crate::facts::mesh::{AuthorizationPolicy, Identity, IdentityKind, PeerAuthentication};
use crate::facts::objects::Selector;
use crate::facts::{Fact, Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::mtls::ROOT_NAMESPACE;
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const SPIFFE: Variant = Variant::new(
    "spiffe-prefix-in-principal",
    Level::Deny,
    "a principal that begins with spiffe://, which Istio puts in front by itself",
);
const UNKNOWN: Variant = Variant::new(
    "unknown-principal",
    Level::Warn,
    "a principal whose service account does not exist",
);
const NOTHING: Variant = Variant::new(
    "authorization-selects-nothing",
    Level::Warn,
    "an AuthorizationPolicy whose selector matches no pod",
);
const NO_POD: Variant = Variant::new(
    "selector-matches-no-pod",
    Level::Warn,
    "an object of Istio for pods that do not exist",
);
const NO_HOST: Variant = Variant::new(
    "destination-rule-without-host",
    Level::Warn,
    "a DestinationRule about a host that nobody has",
);
const MALFORMED: Variant = Variant::new(
    "malformed-principal",
    Level::Deny,
    "a principal in a form that no caller's identity has",
);
const AUTHORIZED_PORT: Variant = Variant::new(
    "authorization-port-is-service-port",
    Level::Deny,
    "an AuthorizationPolicy names the Service's port instead of the workload's",
);
const METHOD: Variant = Variant::new(
    "method-in-lower-case",
    Level::Deny,
    "a method in lower case, which no request has",
);
const SERVICE_PORT: Variant = Variant::new(
    "mtls-port-is-service-port",
    Level::Deny,
    "portLevelMtls names the Service's port instead of the workload's",
);

/// `StringMatcherWithPrefix` in pilot/pkg/security/authz/matcher/string.go, `ComposePeerAuthentication` in
/// pilot/pkg/security/authn/policy_applier.go and `ValidatePeerAuthentication` in pkg/config/validation/validation.go,
/// Istio 1.31.
pub static RULE: Rule = Rule {
    id: "mesh-policy-never-matches",
    group: Group::Mesh,
    level: Level::Deny,
    title: "a policy of the mesh that has no effect",
    page: include_str!("mesh-policy-never-matches.md"),
    needs: &[Need::Manifest],
    variants: &[
        SPIFFE,
        UNKNOWN,
        NOTHING,
        SERVICE_PORT,
        MALFORMED,
        AUTHORIZED_PORT,
        NO_POD,
        NO_HOST,
        METHOD,
    ],
    check: Check::Object(authorization),
    also: &[
        Check::Object(peers),
        Check::Object(hosts::check),
        Check::Object(methods::check),
        Check::Run(selectors::check),
    ],
    ..Rule::BASE
};

/// Values of one policy that are looked at, and workloads whose ports are.
const MOST_VALUES: usize = 64;
const MOST_PODS: usize = 16;

fn authorization(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let policy = case.authorization_policy()?;
    let identities = policy.rules.iter().flat_map(|rule| &rule.identities).take(MOST_VALUES);
    let mut accounts = Accounts::default();
    for identity in identities {
        if identity.kind == IdentityKind::Principal && identity.value.value.starts_with("spiffe://")
        {
            out.push(spiffe(case, identity));
        } else if let Some(finding) = malformed(case, identity) {
            out.push(finding);
        } else if let Err(abstain) = account(case, identity, &mut accounts, out) {
            out.abstain(abstain);
        }
    }
    if !policy.has_target {
        authorized_ports(case, policy, out);
    }
    if let Some(selector) = policy.selector.as_ref().filter(|s| !s.is_empty() && !policy.has_target)
        && let Err(abstain) = selects_nothing(case, selector, out)
    {
        out.abstain(abstain);
    }
    Ok(())
}

fn spiffe(case: &ObjectCase<'_>, identity: &Identity) -> Finding {
    let value = identity.value.value.as_str();
    let bare = value.trim_start_matches("spiffe://");
    let effect = if identity.negated { "it excludes nobody" } else { "it never matches" };
    let fix = Fix::safe(format!("write {bare}"));
    Finding::new(
        &RULE,
        format!(
            "a principal is written without its scheme: Istio compares with spiffe://{}, and {effect}",
            if value.len() > 120 { "spiffe://..." } else { value }
        ),
        &identity.value.origin,
        "Istio puts the scheme in front",
    )
    .variant(&SPIFFE)
    .fix(case.world().rewrite(fix, &identity.value.origin, value, bare))
}

/// A principal that is compared as a whole, or from one end, with a text that no identity is.
///
/// Identities are TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT (`Identity.String` in
/// pkg/spiffe/spiffe.go). Other forms may be those of callers from outside of the mesh; what is nearly
/// of this form is not.
fn malformed(case: &ObjectCase<'_>, identity: &Identity) -> Option<Finding> {
    let value = identity.value.value.as_str();
    let sure = identity.kind == IdentityKind::Principal && !value.contains(['$', '{', '<']);
    if !sure || value.is_empty() || value.len() > 512 {
        return None;
    }
    // One star at one end stands for anything; every other is a star.
    let rest = match (value.strip_prefix('*'), value.strip_suffix('*')) {
        (Some(rest), _) | (None, Some(rest)) => rest,
        (None, None) => value,
    };
    let exact = rest.len() == value.len();
    let parts: Vec<&str> = value.split('/').collect();
    let (why, right) = if rest.contains('*') {
        let why = "a `*` stands for anything at the beginning or the end alone, and not at both: in \
                   between it is a star";
        (why, None)
    } else if let Some(account) = value.strip_prefix("system:serviceaccount:").filter(|_| exact) {
        let right = account.split_once(':').filter(|(_, name)| !name.contains(':'));
        let why = "that is how Kubernetes calls a service account, and no identity of the mesh";
        (why, right.map(|(namespace, name)| format!("cluster.local/ns/{namespace}/sa/{name}")))
    } else if !exact {
        return None;
    } else {
        match parts.as_slice() {
            ["ns", namespace, "sa", name] | ["", "ns", namespace, "sa", name] => (
                "the trust domain is missing in front",
                Some(format!("cluster.local/ns/{namespace}/sa/{name}")),
            ),
            [_, "ns", _, "sa"] | [_, "ns", _, "sa", ""] => {
                ("the service account is missing behind /sa/", None)
            }
            [trust, "ns", namespace, kind, name] if is_account(kind) => (
                "the service account stands behind /sa/",
                Some(format!("{trust}/ns/{namespace}/sa/{name}")),
            ),
            [trust, kind, namespace, "sa", name] if is_namespace(kind) => (
                "the namespace stands behind /ns/",
                Some(format!("{trust}/ns/{namespace}/sa/{name}")),
            ),
            [trust, namespaces, namespace, accounts, name]
                if is_namespace(namespaces) && is_account(accounts) =>
            {
                let right = format!("{trust}/ns/{namespace}/sa/{name}");
                ("the namespace stands behind /ns/, the service account behind /sa/", Some(right))
            }
            [_, "ns", _] => ("the service account is missing: /sa/NAME", None),
            _ => return None,
        }
    };
    let effect = if identity.negated { "it excludes nobody" } else { "it never matches" };
    let shown: String = value.chars().take(120).collect();
    let place = &identity.value.origin;
    let finding = Finding::new(
        &RULE,
        format!("the principal {shown} is nobody's: {why}, and {effect}"),
        place,
        "no identity has this form",
    )
    .variant(&MALFORMED)
    .note("identities are TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT");
    Some(match right {
        Some(right) => {
            let fix = Fix::suggest(format!("write {right}"));
            finding.fix(case.world().rewrite(fix, place, value, &right))
        }
        None => finding,
    })
}

fn is_account(word: &str) -> bool {
    let all = ["serviceaccount", "serviceaccounts", "service-account", "svc", "account"];
    all.iter().any(|known| known.eq_ignore_ascii_case(word)) || word == "SA"
}

fn is_namespace(word: &str) -> bool {
    let all = ["namespace", "namespaces"];
    all.iter().any(|known| known.eq_ignore_ascii_case(word)) || word == "NS"
}

/// Service accounts that pods of the input run as, by namespace.
#[derive(Default)]
struct Accounts<'w>(FxHashMap<String, FxHashSet<&'w str>>);

impl<'w> Accounts<'w> {
    fn of(&mut self, case: &ObjectCase<'w>, namespace: &str) -> &FxHashSet<&'w str> {
        self.0.entry(namespace.to_owned()).or_insert_with(|| {
            let ids = case.joined.joins.workloads_in(namespace).iter().take(COMPARED);
            let workloads = ids.filter_map(|id| case.joined.workload(*id));
            workloads.map(|w| w.workload.pod.service_account.value.as_str()).collect()
        })
    }
}

/// Namespace and name of the one service account that the value stands for.
fn named<'v>(identity: &'v Identity, own: &'v str) -> Option<(&'v str, &'v str)> {
    let value = identity.value.value.as_str();
    let (namespace, name) = match identity.kind {
        IdentityKind::Principal => value.split_once("/ns/")?.1.split_once("/sa/")?,
        IdentityKind::ServiceAccount => value.split_once('/').unwrap_or((own, value)),
        IdentityKind::Namespace => return None,
    };
    let plain = |text: &str| !text.is_empty() && !text.contains(['*', '/', '{', '$']);
    (plain(namespace) && plain(name)).then_some((namespace, name))
}

fn account<'w>(
    case: &ObjectCase<'w>,
    identity: &'w Identity,
    accounts: &mut Accounts<'w>,
    out: &mut Findings,
) -> Judged {
    let own = case.object.meta.namespace.value.as_str();
    let Some((namespace, name)) = named(identity, own) else { return Ok(()) };
    let joins = &case.joined.joins;
    // Every namespace has this one.
    if name == "default" || !joins.named(namespace, "ServiceAccount", name).is_empty() {
        return Ok(());
    }
    if accounts.of(case, namespace).contains(name) {
        return Ok(());
    }
    let place = &identity.value.origin;
    let finding = Finding::new(
        &RULE,
        format!("namespace {namespace} has no ServiceAccount {name}: no caller is called that"),
        place,
        "names nobody",
    )
    .variant(&UNKNOWN);
    let accounts = joins.service_accounts(namespace);
    let near = names::meant(name, accounts.iter().take(COMPARED).copied());
    if let Some(near) = near {
        let object = joins.named(namespace, "ServiceAccount", near).first();
        let object = object.and_then(|id| case.world().objects.get(*id));
        let value = identity.value.value.as_str();
        let new = format!("{}{near}", value.strip_suffix(name).unwrap_or_default());
        let fix = Fix::suggest(format!("did you mean {near}?"));
        let mut finding = finding.fix(case.world().rewrite(fix, place, value, &new));
        if let Some(object) = object {
            finding = finding.also(&object.origin(), "perhaps this one");
        }
        out.push(finding);
        return Ok(());
    }
    // A namespace that is not in the input belongs to somebody else.
    if case.joined.is_declared("ServiceAccount", namespace, name)
        || !case.world().settings.closed_world
        || !joins.knows_namespace(namespace)
    {
        let what = format!("ServiceAccount {name} of namespace {namespace}");
        return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
    }
    out.push(finding.fix(Fix::suggest("name the service account that the callers' pods run as")));
    Ok(())
}

fn selects_nothing(case: &ObjectCase<'_>, selector: &Selector, out: &mut Findings) -> Judged {
    let namespace = &case.object.meta.namespace.value;
    // One in the root namespace selects in all of them.
    if case.selected().next().is_some() || namespace == ROOT_NAMESPACE {
        return Ok(());
    }
    let wanted: Vec<String> = selector.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let wanted = wanted.join(",");
    if wanted.contains(['{', '$']) {
        return Err(Abstain::unknown(Reason::Templated, format!("the labels {wanted}")));
    }
    case.joined.nothing_passed_over(case.id, |_| true)?;
    let ids = case.joined.joins.workloads_in(namespace).iter().take(COMPARED);
    let near = ids
        .filter_map(|id| case.world().objects.get(*id))
        .filter(|object| !object.is_helm_hook() && case.joined.may_be_together(case.object, object))
        .find_map(|object| Some((object, Near::of(selector, object)?)));
    let deny = "the policy holds for nobody";
    match near {
        Some((object, near)) => {
            let finding = near_miss(case.world(), selector, &wanted, object, &near, deny);
            out.push(finding.variant(&NOTHING));
        }
        None if case.joined.pods_are_known(namespace) => {
            let message =
                format!("no pod of namespace {namespace} has the labels {wanted}: {deny}");
            out.push(
                Finding::new(&RULE, message, &selector.origin, "matches no pod")
                    .variant(&NOTHING)
                    .fix(Fix::suggest("select labels that the pod template has")),
            );
        }
        None => {
            let what = format!("pods with the labels {wanted}");
            return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
        }
    }
    Ok(())
}

/// A selector that matches no pod, and nearly matches those of one workload.
fn near_miss(
    world: &World,
    selector: &Selector,
    wanted: &str,
    object: &Object,
    near: &Near,
    effect: &str,
) -> Finding {
    let finding =
        |message: String| Finding::new(&RULE, message, &selector.origin, "matches no pod");
    match near {
        Near::OnObjectOnly => {
            let kind = &object.meta.kind.value;
            let name = object.meta.name();
            let mut finding = finding(format!(
                "no pod has the labels {wanted}: {kind} {name} has them itself, its pod template has not, and {effect}"
            ));
            if let Some(workload) = object.workload() {
                finding = finding.also(&workload.pod.origin, "the pods lack the labels");
            }
            finding.fix(Fix::suggest("put the labels on spec.template.metadata too"))
        }
        Near::Value { key, wanted, found } => {
            let mut finding = finding(format!(
                "no pod has the label {key}={wanted}, only {key}={found}: {effect}"
            ));
            let labels = object.workload().map(|w| &w.pod.labels);
            if let Some(label) = labels.and_then(|labels| labels.get(key)) {
                finding = finding.also(&label.origin, "what the pods have");
            }
            let fix = Fix::suggest(format!("select {key}: {found}"));
            finding.fix(match selector.labels.get(key) {
                Some(value) => world.rewrite(fix, &value.origin, &value.value, found),
                None => fix,
            })
        }
    }
}

fn peers(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let policy = case.peer_authentication()?;
    let selector = policy.selector.as_ref().filter(|selector| !selector.is_empty());
    let Some(selector) = selector else {
        if let Some(origin) = policy.ports_origin.as_ref().filter(|_| !policy.ports.is_empty()) {
            out.push(
                Finding::new(
                    &RULE,
                    "portLevelMtls without a selector: Istio's validation refuses the policy, since ports are those of pods",
                    origin,
                    "for which pods?",
                )
                .also(&case.object.origin(), "selects no pods")
                .fix(Fix::suggest("add spec.selector.matchLabels with the labels of the pods")),
            );
        }
        return Ok(());
    };
    if case.object.meta.namespace.value == ROOT_NAMESPACE {
        out.push(
            Finding::new(
                &RULE,
                format!("a PeerAuthentication with a selector in {ROOT_NAMESPACE} holds for no pod, not even of that namespace: the root namespace has policies for the whole mesh alone"),
                &selector.origin,
                "is not looked at",
            )
            .also(&case.object.meta.namespace.origin, "the root namespace")
            .level(Level::Warn)
            .fix(Fix::suggest("put it into the namespace of the pods")),
        );
        return Ok(());
    }
    service_ports(case, policy, out);
    Ok(())
}

/// Ports that Services send to the selected pods, and theirs by number.
struct Ports<'w> {
    workloads: Vec<WorkloadCase<'w>>,
    targets: FxHashSet<i64>,
    services: FxHashMap<i64, (&'w Origin, &'w str, i64)>,
}

impl<'w> Ports<'w> {
    /// `None` where what is written is not what is applied.
    fn of(workloads: Vec<WorkloadCase<'w>>) -> Option<Self> {
        if workloads.iter().any(|workload| workload.as_applied().is_err()) {
            return None;
        }
        let mut targets: FxHashSet<i64> = FxHashSet::default();
        let mut services: FxHashMap<i64, (&Origin, &str, i64)> = FxHashMap::default();
        for (object, port, target) in workloads.iter().flat_map(|w| w.service_targets()) {
            targets.insert(target);
            if let Some(own) = &port.port {
                services.entry(own.value).or_insert((&own.origin, object.meta.name(), target));
            }
        }
        Some(Self { workloads, targets, services })
    }

    /// The Service whose port that is, where no pod has a port of that number.
    fn of_service(&self, number: i64) -> Option<(&'w Origin, &'w str, i64)> {
        let declared = || self.workloads.iter().any(|w| w.pod().declares_number(number));
        if self.targets.contains(&number) || declared() {
            return None;
        }
        self.services.get(&number).copied()
    }
}

fn service_ports(case: &ObjectCase<'_>, policy: &PeerAuthentication, out: &mut Findings) {
    let Some(ports) = Ports::of(case.selected().take(MOST_PODS).collect()) else { return };
    for entry in policy.ports.iter().take(MOST_VALUES) {
        let port: &Fact<u16> = &entry.port;
        let number = i64::from(port.value);
        let Some((origin, service, target)) = ports.of_service(number) else { continue };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{number} is the port of Service {service}, and portLevelMtls goes by the port of the pods, \
                     which is {target}: the entry changes nothing"
                ),
                &port.origin,
                "a port of the pods is meant",
            )
            .variant(&SERVICE_PORT)
            .also(origin, format!("the Service's port, sent on to {target}"))
            .fix(Fix::suggest(format!("write {target}")).replace(&port.origin, target.to_string())),
        );
    }
}

/// `destination.port` is where the connection arrives: at the pod's port (`permissionDestinationPort` in
/// pilot/pkg/security/authz/model/permission.go).
fn authorized_ports(case: &ObjectCase<'_>, policy: &AuthorizationPolicy, out: &mut Findings) {
    let selects = policy.selector.as_ref().is_some_and(|selector| !selector.is_empty());
    let named = policy.rules.iter().flat_map(|rule| &rule.named_ports).take(MOST_VALUES);
    let named: Vec<&(Fact<i64>, bool)> = named.collect();
    if !selects || named.is_empty() {
        return;
    }
    let workloads: Vec<_> = case.selected().take(MOST_PODS).collect();
    // Others may be in a namespace that is not told.
    if workloads.len() >= MOST_PODS || case.object.meta.namespace.value == ROOT_NAMESPACE {
        return;
    }
    let Some(ports) = Ports::of(workloads) else { return };
    for (port, negated) in named {
        let Some((origin, service, target)) = ports.of_service(port.value) else { continue };
        let effect = if *negated { "every port is another" } else { "the rule matches nothing" };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{port} is the port of Service {service}, and the policy goes by the port of the pods, which \
                     is {target}: {effect}"
                ),
                &port.origin,
                "a port of the pods is meant",
            )
            .variant(&AUTHORIZED_PORT)
            .also(origin, format!("the Service's port, sent on to {target}"))
            .fix(case.world().rewrite(
                Fix::suggest(format!("write \"{target}\"")),
                &port.origin,
                &port.to_string(),
                &target.to_string(),
            )),
        );
    }
}
