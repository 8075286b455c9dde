//! Service and Ingress.

use super::read::{Parent, Reader};
use crate::facts::document::Node;
use crate::facts::objects::{
    Ingress, IngressBackend, PortRef, Selector, Service, ServicePort, StringMap,
};
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
            protocol: self.text_or(Parent { node: at, name: node }, "protocol", "TCP"),
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
}
