//! Containers: environment, ports, resources, probes, hooks, mounts.

use super::read::{Parent, Reader};
use crate::facts::document::Node;
use crate::facts::objects::PortRef;
use crate::facts::origin::Fact;
use crate::facts::ports::ContainerPorts;
use crate::facts::workload::{
    Action, Container, ContainerPort, ContainerRole, EnvFrom, EnvValue, EnvVar, Handler, KeyRef,
    Mount, Probe, ResourceAmounts, Resources, SecurityContext,
};
use crate::model::names::ImageRef;

impl Reader<'_> {
    pub(super) fn container(&mut self, node: Node<'_>, role: ContainerRole) -> Container {
        let at = Some(node);
        let name = self.text(at, "name");
        let origin = name.as_ref().map_or_else(|| node.origin(), |fact| fact.origin.clone());
        // What is defaulted is shown at the container's name: the entry itself may be a page long.
        let here = Parent { node: at, name: node.get("name").unwrap_or(node) };
        let image = self.nonempty(at, "image");
        let pull_policy = self.nonempty(at, "imagePullPolicy").unwrap_or_else(|| {
            let default = image.as_ref().map_or("IfNotPresent", |i| default_pull_policy(&i.value));
            let origin = image.as_ref().map_or_else(|| here.origin(), |i| i.origin.clone());
            Fact::defaulted(default.to_owned(), origin)
        });
        let role = match role {
            ContainerRole::Init
                if self.text(at, "restartPolicy").is_some_and(|p| p.value == "Always") =>
            {
                ContainerRole::Sidecar
            }
            role => role,
        };
        let lifecycle = self.parent(here, "lifecycle");
        Container {
            role,
            origin,
            node: node.id,
            name,
            image,
            pull_policy,
            command: self.texts(here, "command"),
            args: self.texts(here, "args"),
            working_dir: self.nonempty(at, "workingDir"),
            env: self.all_of(here, "env", Self::env),
            env_from: self.all_of(here, "envFrom", Self::env_from),
            ports: self
                .mappings(here, "ports")
                .into_iter()
                .map(|n| self.container_port(n))
                .collect(),
            port_orders: ContainerPorts::default(),
            resources: self.resources(here),
            security: self.security(here),
            startup: self.probe(here, "startupProbe").map(Box::new),
            liveness: self.probe(here, "livenessProbe").map(Box::new),
            readiness: self.probe(here, "readinessProbe").map(Box::new),
            pre_stop: self.handler(lifecycle, "preStop").map(Box::new),
            post_start: self.handler(lifecycle, "postStart").map(Box::new),
            stop_signal: self.nonempty(lifecycle.node, "stopSignal"),
            mounts: self.all_of(here, "volumeMounts", Self::mount),
        }
    }

    /// What is made of the mappings of a list, in memory of the right size.
    pub(super) fn all_of<T>(
        &mut self,
        at: Parent<'_>,
        key: &str,
        make: impl Fn(&mut Self, Node<'_>) -> Option<T>,
    ) -> Vec<T> {
        let mut all: Vec<T> =
            self.mappings(at, key).into_iter().filter_map(|node| make(self, node)).collect();
        all.shrink_to_fit();
        all
    }

    fn env(&mut self, node: Node<'_>) -> Option<EnvVar> {
        let at = Some(node);
        let name = self.text(at, "name")?;
        let from = self.mapping(node, "valueFrom");
        let value = match from {
            Some(from) if node.get("value").is_none() => self.value_from(from),
            _ => EnvValue::Literal(
                self.text(at, "value")
                    .unwrap_or_else(|| Fact::defaulted(String::new(), name.origin.clone())),
            ),
        };
        Some(EnvVar { origin: node.origin(), name, value })
    }

    fn value_from(&mut self, from: Node<'_>) -> EnvValue {
        let other = || {
            let name = from.entries().next().map_or(from, |(key, _)| key);
            let text = name.as_str().unwrap_or_default().to_owned();
            EnvValue::Other(Fact::written(text, name.origin()))
        };
        if let Some(field) = self.mapping(from, "fieldRef") {
            return self.text(Some(field), "fieldPath").map_or_else(other, EnvValue::Field);
        }
        if let Some(resource) = self.mapping(from, "resourceFieldRef") {
            let at = Some(resource);
            let Some(resource) = self.text(at, "resource") else { return other() };
            return EnvValue::Resource {
                resource,
                divisor: self.quantity(at, "divisor"),
                container: self.nonempty(at, "containerName"),
            };
        }
        if let Some(reference) = self.mapping(from, "configMapKeyRef") {
            return self.key_ref(reference).map_or_else(other, EnvValue::ConfigMapKey);
        }
        if let Some(reference) = self.mapping(from, "secretKeyRef") {
            return self.key_ref(reference).map_or_else(other, EnvValue::SecretKey);
        }
        other()
    }

    fn key_ref(&mut self, node: Node<'_>) -> Option<KeyRef> {
        let at = Some(node);
        let key = self.text(at, "key")?;
        // An absent name is the empty string: the API server takes it for compatibility.
        let name = self
            .text(at, "name")
            .unwrap_or_else(|| Fact::defaulted(String::new(), key.origin.clone()));
        Some(KeyRef { name, key, optional: self.flag(at, "optional") })
    }

    fn env_from(&mut self, node: Node<'_>) -> Option<EnvFrom> {
        let prefix = self.text(Some(node), "prefix").map(|f| f.value).unwrap_or_default();
        let (secret, reference) = match self.mapping(node, "configMapRef") {
            Some(reference) => (false, reference),
            None => (true, self.mapping(node, "secretRef")?),
        };
        let at = Some(reference);
        let name = self.text(at, "name")?;
        let optional = self.flag(at, "optional");
        Some(EnvFrom { origin: node.origin(), prefix, name, secret, optional })
    }

    fn container_port(&mut self, node: Node<'_>) -> ContainerPort {
        let at = Some(node);
        ContainerPort {
            origin: node.origin(),
            name: self.nonempty(at, "name"),
            port: self.int(at, "containerPort"),
            protocol: self.protocol(Parent { node: at, name: node }),
            host_port: self.int(at, "hostPort").filter(|port| port.value != 0),
        }
    }

    /// The protocol of a port. `tcp` is refused, and is TCP to whoever wrote it: what it says is told
    /// once, and not again of everything that the port joins to.
    pub(super) fn protocol(&mut self, at: Parent<'_>) -> Fact<String> {
        let mut fact = self.text_or(at, "protocol", "TCP");
        if ["TCP", "UDP", "SCTP"].iter().any(|known| known.eq_ignore_ascii_case(&fact.value)) {
            fact.value.make_ascii_uppercase();
        }
        fact
    }

    pub(super) fn resources(&mut self, at: Parent<'_>) -> Resources {
        let resources = self.parent(at, "resources");
        let requests = self.parent(resources, "requests").node;
        let limits = self.parent(resources, "limits").node;
        Resources {
            origin: resources.origin(),
            requests: self.amounts(requests),
            limits: self.amounts(limits),
        }
    }

    fn amounts(&mut self, at: Option<Node<'_>>) -> ResourceAmounts {
        ResourceAmounts {
            cpu: self.cpu(at, "cpu"),
            memory: self.bytes(at, "memory"),
            ephemeral_storage: self.bytes(at, "ephemeral-storage"),
        }
    }

    pub(super) fn security(&mut self, at: Parent<'_>) -> SecurityContext {
        let context = self.parent(at, "securityContext");
        let Some(node) = context.node else { return SecurityContext::default() };
        let at = Some(node);
        let seccomp = self.parent(context, "seccompProfile");
        let capabilities = self.parent(context, "capabilities");
        SecurityContext {
            origin: Some(context.origin()),
            run_as_user: self.int(at, "runAsUser"),
            run_as_group: self.int(at, "runAsGroup"),
            run_as_non_root: self.bool(at, "runAsNonRoot"),
            seccomp: self.nonempty(seccomp.node, "type"),
            fs_group: self.int(at, "fsGroup"),
            sysctls: {
                let items = self.mappings(context, "sysctls");
                items.into_iter().filter_map(|item| self.text(Some(item), "name")).collect()
            },
            privileged: self.bool(at, "privileged"),
            allow_privilege_escalation: self.bool(at, "allowPrivilegeEscalation"),
            read_only_root: self.bool(at, "readOnlyRootFilesystem"),
            add_capabilities: self.texts(capabilities, "add").unwrap_or_default(),
            drop_capabilities: self.texts(capabilities, "drop").unwrap_or_default(),
            proc_mount: self.nonempty(at, "procMount"),
        }
    }

    /// Defaults: `SetDefaults_Probe`, where a written 0 counts as absent.
    fn probe(&mut self, at: Parent<'_>, key: &str) -> Option<Probe> {
        let handler = self.handler(at, key)?;
        let probe = self.parent(at, key);
        let mut counted = |key: &str, default: i64| {
            let fact = self.int_or(probe, key, default);
            if fact.value == 0 { Fact { value: default, ..fact } } else { fact }
        };
        Some(Probe {
            origin: probe.origin(),
            handler,
            initial_delay: counted("initialDelaySeconds", 0),
            period: counted("periodSeconds", 10),
            timeout: counted("timeoutSeconds", 1),
            success_threshold: counted("successThreshold", 1),
            failure_threshold: counted("failureThreshold", 3),
            grace_period: self.int(probe.node, "terminationGracePeriodSeconds"),
        })
    }

    fn handler(&mut self, at: Parent<'_>, key: &str) -> Option<Handler> {
        let parent = self.parent(at, key);
        let node = parent.node?;
        let kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
        let mut written = kinds.into_iter().filter(|kind| node.get(kind).is_some());
        let (Some(kind), None) = (written.next(), written.next()) else {
            return Some(Handler { origin: parent.origin(), action: Action::Invalid });
        };
        let action = self.parent(parent, kind);
        let at = action.node;
        let origin = action.origin();
        let action = match kind {
            "exec" => Action::Exec(self.texts(action, "command").unwrap_or_default()),
            "httpGet" => Action::HttpGet {
                path: self.text_or(action, "path", "/"),
                port: self.port(at, "port"),
                scheme: self.text_or(action, "scheme", "HTTP"),
                host: self.nonempty(at, "host"),
                headers: self.headers(at),
                protocol: self.nonempty(at, "protocol"),
            },
            "tcpSocket" => {
                Action::TcpSocket { port: self.port(at, "port"), host: self.nonempty(at, "host") }
            }
            "grpc" => Action::Grpc {
                port: self.int(at, "port"),
                service: self.nonempty(at, "service"),
                mode: self.nonempty(at, "mode"),
            },
            _ if at.is_none() => Action::Invalid,
            // Go's zero value stands for nothing.
            _ => Action::Sleep(
                self.int(at, "seconds").unwrap_or_else(|| Fact::defaulted(0, origin.clone())),
            ),
        };
        Some(Handler { origin, action })
    }

    fn headers(&mut self, action: Option<Node<'_>>) -> Vec<(Fact<String>, Fact<String>)> {
        let listed = action.and_then(|action| action.get("httpHeaders"));
        let listed = listed.into_iter().flat_map(|list| list.items());
        let of = |header: Node<'_>| {
            let text = |key| {
                let node = header.get(key)?;
                Some(Fact::written(node.as_str()?.to_owned(), node.origin()))
            };
            let empty = || Fact::defaulted(String::new(), header.origin());
            Some((text("name")?, text("value").unwrap_or_else(empty)))
        };
        listed.filter_map(of).collect()
    }

    fn mount(&mut self, node: Node<'_>) -> Option<Mount> {
        let at = Some(node);
        Some(Mount {
            origin: node.origin(),
            name: self.text(at, "name")?,
            path: self.text(at, "mountPath")?,
            sub_path_expr: node.get("subPath").is_none() && node.get("subPathExpr").is_some(),
            sub_path: {
                let plain = self.nonempty(at, "subPath");
                plain.or_else(|| self.nonempty(at, "subPathExpr"))
            },
            read_only: self.flag(at, "readOnly"),
        })
    }

    /// A port of a Service or Ingress backend that may be a number or a name.
    pub(super) fn port_choice(&mut self, at: Option<Node<'_>>) -> Option<Fact<PortRef>> {
        let number =
            self.int(at, "number").map(|f| Fact::written(PortRef::Number(f.value), f.origin));
        number.or_else(|| {
            self.nonempty(at, "name").map(|f| Fact::written(PortRef::Name(f.value), f.origin))
        })
    }
}

/// `SetDefaults_Container`; a reference that does not parse has no tag there, and none is `latest`.
fn default_pull_policy(image: &str) -> &'static str {
    ImageRef::parse(image).map_or("IfNotPresent", |image| image.default_pull_policy())
}
