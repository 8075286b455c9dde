//! Istio's policies.

use super::read::{Parent, Reader, number_text};
use crate::facts::document::Node;
use crate::facts::mesh::{
    AuthorizationPolicy, AuthorizationRule, ClientTls, DestinationRule, Identity, IdentityKind,
    MeshPolicy, PeerAuthentication, PortMode,
};
use crate::facts::objects::Selector;
use crate::facts::origin::Fact;
use crate::model::mtls::Mode;

/// Keys of a `source`, the negated ones after their own.
const SOURCES: &[(&str, &str, IdentityKind)] = &[
    ("principals", "notPrincipals", IdentityKind::Principal),
    ("namespaces", "notNamespaces", IdentityKind::Namespace),
    ("serviceAccounts", "notServiceAccounts", IdentityKind::ServiceAccount),
];

/// Keys of a `when` that say the same.
const ATTRIBUTES: &[(&str, IdentityKind)] = &[
    ("source.principal", IdentityKind::Principal),
    ("source.namespace", IdentityKind::Namespace),
    ("source.serviceAccount", IdentityKind::ServiceAccount),
];

fn here(node: Node<'_>) -> Parent<'_> {
    Parent { node: Some(node), name: node }
}

/// Those that are numbers.
fn numbers(texts: Vec<Fact<String>>, negated: bool) -> impl Iterator<Item = (Fact<i64>, bool)> {
    texts.into_iter().filter_map(move |text| {
        let number = text.value.parse().ok()?;
        Some((text.map(|_| number), negated))
    })
}

impl Reader<'_> {
    /// The policy, when the kind is one.
    pub(super) fn mesh_policy(
        &mut self,
        object: Parent<'_>,
        group: &str,
        kind: &str,
    ) -> Option<MeshPolicy> {
        Some(match (group, kind) {
            ("security.istio.io", "PeerAuthentication") => {
                MeshPolicy::PeerAuthentication(self.peer_authentication(object))
            }
            ("security.istio.io", "AuthorizationPolicy") => {
                MeshPolicy::AuthorizationPolicy(self.authorization_policy(object))
            }
            ("networking.istio.io", "DestinationRule") => {
                MeshPolicy::DestinationRule(self.destination_rule(object))
            }
            _ => return None,
        })
    }

    /// Istio's WorkloadSelector has `matchLabels` alone.
    fn workload_selector(&mut self, spec: Parent<'_>) -> Option<Selector> {
        self.selector(spec.node, "selector")
    }

    fn mode(&mut self, mtls: Option<Node<'_>>) -> Option<Fact<Option<Mode>>> {
        let mode = self.nonempty(mtls, "mode")?;
        Some(mode.map(|text| Mode::parse(text)))
    }

    fn peer_authentication(&mut self, object: Parent<'_>) -> PeerAuthentication {
        let spec = self.parent(object, "spec");
        let mtls = self.parent(spec, "mtls");
        let levels = self.parent(spec, "portLevelMtls");
        let mut ports = Vec::new();
        for (key, value) in levels.node.into_iter().flat_map(Node::entries) {
            let port = number_text(key).and_then(|text| text.parse::<u16>().ok());
            let Some(port) = port.filter(|port| *port > 0) else { continue };
            let mode =
                self.mode(Some(value)).unwrap_or_else(|| Fact::defaulted(None, key.origin()));
            ports.push(PortMode { port: Fact::written(port, key.origin()), mode });
        }
        PeerAuthentication {
            selector: self.workload_selector(spec),
            mode: self.mode(mtls.node),
            ports,
            ports_origin: levels.node.map(|_| levels.origin()),
        }
    }

    fn authorization_policy(&mut self, object: Parent<'_>) -> AuthorizationPolicy {
        let spec = self.parent(object, "spec");
        let rules = self.mappings(spec, "rules");
        AuthorizationPolicy {
            selector: self.workload_selector(spec),
            has_target: spec.get("targetRef").is_some() || spec.get("targetRefs").is_some(),
            action: self.text_or(spec, "action", "ALLOW"),
            rules: rules.into_iter().map(|rule| self.authorization_rule(here(rule))).collect(),
        }
    }

    fn authorization_rule(&mut self, rule: Parent<'_>) -> AuthorizationRule {
        let mut identities = Vec::new();
        let mut add = |kind, negated, values: Option<Vec<Fact<String>>>| {
            let values = values.unwrap_or_default();
            identities.extend(values.into_iter().map(|value| Identity { kind, negated, value }));
        };
        for from in self.mappings(rule, "from") {
            let source = self.parent(here(from), "source");
            for (key, not, kind) in SOURCES {
                add(*kind, false, self.texts(source, key));
                add(*kind, true, self.texts(source, not));
            }
        }
        for when in self.mappings(rule, "when") {
            let key = self.nonempty(Some(when), "key");
            let attribute =
                key.and_then(|key| ATTRIBUTES.iter().find(|(name, _)| *name == key.value));
            let Some((_, kind)) = attribute else { continue };
            add(*kind, false, self.texts(here(when), "values"));
            add(*kind, true, self.texts(here(when), "notValues"));
        }
        let mut ports = Vec::new();
        let mut named_ports = Vec::new();
        let mut all = false;
        for to in self.mappings(rule, "to") {
            let operation = self.parent(here(to), "operation");
            let named = self.texts(operation, "ports").unwrap_or_default();
            all |= named.is_empty();
            ports.extend(named.iter().filter_map(|port| port.value.parse::<i64>().ok()));
            named_ports.extend(numbers(named, false));
            named_ports
                .extend(numbers(self.texts(operation, "notPorts").unwrap_or_default(), true));
        }
        for when in self.mappings(rule, "when") {
            if self.text(Some(when), "key").is_some_and(|key| key.value == "destination.port") {
                let here = here(when);
                named_ports.extend(numbers(self.texts(here, "values").unwrap_or_default(), false));
                named_ports
                    .extend(numbers(self.texts(here, "notValues").unwrap_or_default(), true));
            }
        }
        if all {
            ports.clear();
        }
        AuthorizationRule { identities, ports, named_ports }
    }

    fn destination_rule(&mut self, object: Parent<'_>) -> DestinationRule {
        let spec = self.parent(object, "spec");
        let mut rule = DestinationRule {
            host: self.nonempty(spec.node, "host"),
            tls: Vec::new(),
            own_ports: Vec::new(),
        };
        let policy = self.parent(spec, "trafficPolicy");
        self.client_tls(policy, &mut rule);
        for subset in self.mappings(spec, "subsets") {
            let policy = self.parent(here(subset), "trafficPolicy");
            self.client_tls(policy, &mut rule);
        }
        rule
    }

    fn client_tls(&mut self, policy: Parent<'_>, rule: &mut DestinationRule) {
        let tls = self.parent(policy, "tls");
        let mode = self.nonempty(tls.node, "mode");
        rule.tls.extend(mode.map(|mode| ClientTls { mode, port: None }));
        for level in self.mappings(policy, "portLevelSettings") {
            let port = self.parent(here(level), "port");
            let Some(number) = self.int(port.node, "number") else { continue };
            rule.own_ports.push(number.value);
            let tls = self.parent(here(level), "tls");
            let mode = self.nonempty(tls.node, "mode");
            rule.tls.extend(mode.map(|mode| ClientTls { mode, port: Some(number.value) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::artifact::Sources;
    use crate::artifact::manifest::{ManifestFile, Options, load_manifests};
    use crate::facts::Body;
    use crate::facts::mesh::{IdentityKind, MeshPolicy};
    use crate::model::mtls::Mode;

    fn policy(text: &str) -> MeshPolicy {
        let files = [ManifestFile::text("p.yaml", text)];
        let mut loaded = load_manifests(&files, &mut Sources::default(), &Options::default());
        match loaded.objects.remove(0).body {
            Body::Mesh(policy) => *policy,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ports_are_read_whatever_their_keys_are() {
        let MeshPolicy::PeerAuthentication(policy) = policy(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec:\n  \
             selector: {matchLabels: {app: x}}\n  mtls: {mode: UNSET}\n  portLevelMtls:\n    \
             8080: {mode: STRICT}\n    \"9090\": {}\n    70000: {mode: STRICT}\n    x: DISABLE\n",
        ) else {
            panic!()
        };
        let ports: Vec<_> = policy.ports.iter().map(|p| (p.port.value, p.mode.value)).collect();
        assert_eq!(ports, [(8080, Some(Mode::Strict)), (9090, None)]);
        assert_eq!(
            policy.mode.map(|mode| mode.value),
            Some(None),
            "UNSET is written and sets nothing"
        );
    }

    #[test]
    fn identities_of_sources_and_conditions_are_one_list() {
        let MeshPolicy::AuthorizationPolicy(policy) = policy(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec:\n  \
             rules:\n  - from: [{source: {notPrincipals: [a], namespaces: [b]}}]\n    \
             to: [{operation: {ports: [\"80\"]}}, {operation: {methods: [GET]}}]\n    \
             when: [{key: source.serviceAccount, values: [c]}, {key: request.headers, values: [d]}]\n",
        ) else {
            panic!()
        };
        let rule = &policy.rules[0];
        let identities: Vec<_> =
            rule.identities.iter().map(|i| (i.kind, i.negated, i.value.as_str())).collect();
        assert_eq!(
            identities,
            [
                (IdentityKind::Principal, true, "a"),
                (IdentityKind::Namespace, false, "b"),
                (IdentityKind::ServiceAccount, false, "c"),
            ]
        );
        assert!(rule.ports.is_empty(), "one of the operations is for all ports");
        assert_eq!(policy.action.value, "ALLOW");
    }

    #[test]
    fn odd_shapes_are_no_policies_and_no_panics() {
        for spec in [
            "[]",
            "x",
            "{selector: 1, rules: [1, {from: 1}, {from: [{source: []}]}]}",
            "{host: {}, subsets: [[]]}",
        ] {
            for kind in ["AuthorizationPolicy", "PeerAuthentication"] {
                policy(&format!(
                    "apiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {{name: p}}\nspec: {spec}\n"
                ));
            }
            policy(&format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: p}}\nspec: {spec}\n"
            ));
        }
    }
}
