//! Service, Ingress and NetworkPolicy.

use super::read::{Parent, Reader};
use crate::facts::document::Node;
use crate::facts::objects::{
    Ingress, IngressBackend, NetworkPolicy, PolicyDirection, PolicyPort, PolicyRule, PortRef,
    Selector, Service, ServicePort, StringMap,
};
use crate::facts::order::Order;
use crate::facts::origin::Fact;

impl Reader<'_> {
    /// A selector that is a plain map, as Services and ReplicationControllers have.
    pub(super) fn plain_selector(&mut self, spec: Parent<'_>) -> Option<Selector> {
        let selector = self.parent(spec, "selector");
        selector.node?;
        Some(Selector {
            origin: selector.origin(),
            labels: self.string_map(spec.node, "selector"),
            expressions: Vec::new(),
        })
    }

    /// Defaults: `SetDefaults_Service`.
    pub(super) fn service(&mut self, object: Parent<'_>) -> Service {
        let spec = self.parent(object, "spec");
        Service {
            service_type: self.text_or(spec, "type", "ClusterIP"),
            headless: self.text(spec.node, "clusterIP").is_some_and(|ip| ip.value == "None"),
            selector: self.plain_selector(spec),
            ports: {
                let items = self.mappings(spec, "ports");
                items.into_iter().map(|node| self.service_port(node)).collect()
            },
            targets: Order::default(),
        }
    }

    fn service_port(&mut self, node: Node<'_>) -> ServicePort {
        let at = Some(node);
        let port = self.int(at, "port");
        let written = self.port(at, "targetPort").filter(|target| match &target.value {
            PortRef::Number(n) => *n != 0,
            PortRef::Name(name) => !name.is_empty(),
        });
        let target_port = written.or_else(|| {
            let port = port.as_ref()?;
            Some(Fact::defaulted(PortRef::Number(port.value), port.origin.clone()))
        });
        ServicePort {
            origin: node.origin(),
            name: self.nonempty(at, "name"),
            port,
            target_port,
            protocol: self.protocol(Parent { node: at, name: node }),
            app_protocol: self.nonempty(at, "appProtocol"),
            node_port: self.int(at, "nodePort").filter(|port| port.value != 0),
        }
    }

    /// networking.k8s.io/v1 and the betas before it, which name a backend by `serviceName` and
    /// `servicePort`.
    pub(super) fn ingress(&mut self, object: Parent<'_>, annotations: &StringMap) -> Ingress {
        let spec = self.parent(object, "spec");
        let class = self.nonempty(spec.node, "ingressClassName");
        let class = class.or_else(|| annotations.get("kubernetes.io/ingress.class").cloned());
        let mut backends = Vec::new();
        for key in ["defaultBackend", "backend"] {
            let backend = self.parent(spec, key);
            backends.extend(self.backend(backend, None, None));
        }
        for rule in self.mappings(spec, "rules") {
            let host = self.nonempty(Some(rule), "host");
            let http = self.parent(Parent { node: Some(rule), name: rule }, "http");
            for path in self.mappings(http, "paths") {
                let text = self.nonempty(Some(path), "path");
                let backend = self.parent(Parent { node: Some(path), name: path }, "backend");
                backends.extend(self.backend(backend, host.clone(), text));
            }
        }
        let mut tls_hosts = Vec::new();
        for tls in self.mappings(spec, "tls") {
            let at = Parent { node: Some(tls), name: tls };
            tls_hosts.extend(self.texts(at, "hosts").unwrap_or_default());
        }
        Ingress { class, backends, tls_hosts }
    }

    fn backend(
        &mut self,
        backend: Parent<'_>,
        host: Option<Fact<String>>,
        path: Option<Fact<String>>,
    ) -> Option<IngressBackend> {
        let node = backend.node?;
        let service = self.parent(backend, "service");
        let (service, port) = if service.node.is_some() {
            let port = self.parent(service, "port").node;
            (self.text(service.node, "name")?, self.port_choice(port))
        } else {
            (self.text(Some(node), "serviceName")?, self.port(Some(node), "servicePort"))
        };
        Some(IngressBackend { host, path, service, port })
    }

    /// Defaults: `SetDefaults_NetworkPolicy` (pkg/apis/networking/v1/defaults.go): incoming traffic
    /// is always restricted, outgoing when there are rules for it.
    pub(super) fn network_policy(&mut self, object: Parent<'_>) -> NetworkPolicy {
        let spec = self.parent(object, "spec");
        let selector = self.selector(spec.node, "podSelector").unwrap_or_else(|| Selector {
            origin: spec.origin(),
            labels: StringMap::default(),
            expressions: Vec::new(),
        });
        let types = self.texts(spec, "policyTypes").unwrap_or_default();
        let named = |name: &str| types.iter().any(|t| t.value == name);
        let ingress = self.policy_rules(spec, "ingress", "from");
        let egress = self.policy_rules(spec, "egress", "to");
        let (in_force, out_force) = if types.is_empty() {
            (true, !egress.rules.is_empty())
        } else {
            (named("Ingress"), named("Egress"))
        };
        NetworkPolicy {
            selector,
            ingress: in_force.then_some(ingress),
            egress: out_force.then_some(egress),
        }
    }

    fn policy_rules(&mut self, spec: Parent<'_>, key: &str, peers: &str) -> PolicyDirection {
        let name = |key| spec.node.and_then(|n| n.get_entry(key)).map(|(k, _)| k.origin());
        let origin = name(key).or_else(|| name("policyTypes")).unwrap_or_else(|| spec.origin());
        let rules = self.mappings(spec, key).into_iter().map(|rule| {
            let at = Parent { node: Some(rule), name: rule };
            let ports = self.mappings(at, "ports").into_iter().map(|port| PolicyPort {
                protocol: self.protocol(Parent { node: Some(port), name: port }).value,
                port: self.port(Some(port), "port"),
                end_port: self.int(Some(port), "endPort").map(|p| p.value),
            });
            let ports = ports.collect();
            let peers = self.mappings(at, peers);
            let own = |peer: &Node<'_>| {
                peer.get("namespaceSelector").is_none() && peer.get("ipBlock").is_none()
            };
            PolicyRule {
                origin: rule.origin(),
                ports,
                same_namespace_only: !peers.is_empty() && peers.iter().all(own),
            }
        });
        PolicyDirection { origin, rules: rules.collect() }
    }
}
