//! Load balancers outside of the cluster that send to pods and ask each of them for its health by themselves, whatever
//! EndpointSlices say.
//!
//! Sources: aws-load-balancer-controller, `docs/guide/ingress/annotations.md` and `docs/guide/service/annotations.md`;
//! Google Kubernetes Engine, "Understand how Ingress health checks work"; Application Gateway Ingress Controller,
//! `docs/features/probes.md` and its annotations.

use super::Case;
use crate::facts::document::Node;
use crate::facts::placeholders::is_placeholder;
use crate::facts::proof::ProbeKind;
use crate::facts::{Body, Fact, Object, Origin};

/// Balancers of one container that are looked at.
const MOST: usize = 64;

/// A load balancer that asks a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Balancer {
    /// What it is called: `the Application Load Balancer of AWS`.
    pub name: &'static str,
    /// What it asks for.
    pub path: HealthPath,
    /// Seconds between two questions, at most.
    pub interval: u64,
    /// What says so.
    pub origin: Origin,
}

/// The path of a health check.
#[derive(Clone, Debug, PartialEq)]
pub enum HealthPath {
    /// It is written, or is the default.
    Is(String),
    /// It is taken from a probe of the pod.
    Probe(ProbeKind),
    /// It stands in an object that is not among the files: its name.
    In(String),
}

const ALB: &str = "the Application Load Balancer of AWS";
const NLB: &str = "the Network Load Balancer of AWS";
const GOOGLE: &str = "the load balancer of Google Cloud";
const GATEWAY: &str = "the Application Gateway of Azure";

impl<'w> Case<'w> {
    /// Load balancers that send to the container's ports and ask it for its health.
    pub fn balancers(&self) -> Vec<Balancer> {
        let joined = self.of.joined;
        let mut found = Vec::new();
        for (service, body) in self.of.services() {
            let mut targets = body.ports.iter().filter_map(|port| self.pod().target_number(port));
            if !targets.any(|port| self.own_port(port).is_some()) {
                continue;
            }
            if body.service_type.value == "LoadBalancer" {
                found.extend(network(service));
            }
            let name = service.meta.name();
            let ingresses = joined.joins.ingresses_to(&service.meta.namespace.value, name);
            for id in ingresses.iter().take(MOST) {
                let Some(ingress) = joined.world.objects.get(*id) else { continue };
                if joined.may_be_together(ingress, service) {
                    found.extend(self.behind(ingress, service));
                }
            }
            if found.len() >= MOST {
                break;
            }
        }
        found.truncate(MOST);
        found
    }

    fn behind(&self, ingress: &'w Object, service: &'w Object) -> Option<Balancer> {
        let Body::Ingress(body) = &ingress.body else { return None };
        let class = body.class.as_ref().map(|class| class.value.as_str());
        match class {
            Some("azure/application-gateway" | "azure-application-gateway") => {
                Some(self.gateway(ingress, body.class.as_ref()?))
            }
            None | Some("gce" | "gce-internal") if is_in_groups(service) => {
                Some(self.google(service, written(service, NEG)?))
            }
            _ => application(ingress, service),
        }
    }

    /// It asks what `readinessProbe` asks, or else `livenessProbe`.
    fn gateway(&self, ingress: &Object, class: &Fact<String>) -> Balancer {
        const PATH: &str = "appgw.ingress.kubernetes.io/health-probe-path";
        const INTERVAL: &str = "appgw.ingress.kubernetes.io/health-probe-interval";
        let path = written(ingress, PATH);
        let kind = match self.container.readiness {
            Some(_) => ProbeKind::Readiness,
            None => ProbeKind::Liveness,
        };
        Balancer {
            name: GATEWAY,
            interval: number(written(ingress, INTERVAL)).unwrap_or(30).max(self.period(kind)),
            origin: path.unwrap_or(class).origin.clone(),
            path: path.map_or(HealthPath::Probe(kind), |path| HealthPath::Is(path.value.clone())),
        }
    }

    /// It asks what the BackendConfig of the Service says, or else what `readinessProbe` asks.
    fn google(&self, service: &Object, groups: &Fact<String>) -> Balancer {
        const CONFIG: &str = "cloud.google.com/backend-config";
        let joined = self.of.joined;
        let mut balancer = Balancer {
            name: GOOGLE,
            path: HealthPath::Probe(ProbeKind::Readiness),
            interval: self.period(ProbeKind::Readiness).max(15),
            origin: groups.origin.clone(),
        };
        let Some(config) = written(service, CONFIG) else { return balancer };
        balancer.origin = config.origin.clone();
        let names: serde_json::Value = serde_json::from_str(&config.value).unwrap_or_default();
        let default = names["default"].as_str();
        let ports = names["ports"].as_object().and_then(|ports| ports.values().next());
        let name = default.or_else(|| ports.and_then(serde_json::Value::as_str));
        let name = name.unwrap_or_default();
        let namespace = &service.meta.namespace.value;
        let ids = joined.joins.named(namespace, "BackendConfig", name);
        let mut objects = ids.iter().filter_map(|id| joined.world.objects.get(*id));
        let Some(object) = objects.find(|object| joined.may_be_together(object, service)) else {
            balancer.path = HealthPath::In(format!("the BackendConfig {name}"));
            return balancer;
        };
        let Some(check) = object.node().at(&["spec", "healthCheck"]) else { return balancer };
        if let Some(path) = check.get("requestPath") {
            balancer.origin = path.origin();
            balancer.path = HealthPath::Is(path.as_str().unwrap_or("/").to_owned());
        }
        let interval = check.get("checkIntervalSec").and_then(Node::as_i64);
        let interval = interval.and_then(|interval| u64::try_from(interval).ok());
        balancer.interval = interval.unwrap_or(balancer.interval);
        balancer
    }

    /// `periodSeconds` of a probe, or its default.
    fn period(&self, kind: ProbeKind) -> u64 {
        let probe = match kind {
            ProbeKind::Startup => &self.container.startup,
            ProbeKind::Readiness => &self.container.readiness,
            ProbeKind::Liveness => &self.container.liveness,
        };
        probe.as_ref().map_or(10, |probe| u64::from(probe.timing().period))
    }
}

/// `cloud.google.com/neg`: pods are targets of the load balancer.
const NEG: &str = "cloud.google.com/neg";

fn is_in_groups(service: &Object) -> bool {
    let groups = written(service, NEG).map(|groups| groups.value.as_str()).unwrap_or_default();
    let groups: serde_json::Value = serde_json::from_str(groups).unwrap_or_default();
    groups["ingress"] == true
}

/// Of pods as targets; a node that is asked sends the question to any pod.
fn application(ingress: &Object, service: &Object) -> Option<Balancer> {
    // What the Service says goes before the Ingress.
    let said = |key: &str| {
        let key = format!("alb.ingress.kubernetes.io/{key}");
        written(service, &key).or_else(|| written(ingress, &key))
    };
    let target = said("target-type").filter(|target| target.value == "ip")?;
    // It calls a method of its own then.
    let version = said("backend-protocol-version");
    if version.is_some_and(|version| version.value.eq_ignore_ascii_case("grpc")) {
        return None;
    }
    let path = said("healthcheck-path");
    Some(Balancer {
        name: ALB,
        path: HealthPath::Is(path.map_or("/", |path| path.value.as_str()).to_owned()),
        interval: number(said("healthcheck-interval-seconds")).unwrap_or(15),
        origin: path.unwrap_or(target).origin.clone(),
    })
}

fn network(service: &Object) -> Option<Balancer> {
    let said = |key: &str| {
        written(service, &format!("service.beta.kubernetes.io/aws-load-balancer-{key}"))
    };
    let is = |key: &str, value: &str| said(key).is_some_and(|said| said.value == value);
    if !is("type", "nlb-ip") && !is("nlb-target-type", "ip") {
        return None;
    }
    // By default it only connects.
    let protocol = said("healthcheck-protocol")?;
    if !matches!(protocol.value.to_ascii_lowercase().as_str(), "http" | "https") {
        return None;
    }
    let path = said("healthcheck-path");
    Some(Balancer {
        name: NLB,
        path: HealthPath::Is(path.map_or("/", |path| path.value.as_str()).to_owned()),
        interval: number(said("healthcheck-interval")).unwrap_or(10),
        origin: path.unwrap_or(protocol).origin.clone(),
    })
}

/// An annotation that nobody fills in later.
fn written<'w>(object: &'w Object, key: &str) -> Option<&'w Fact<String>> {
    object.meta.annotations.get(key).filter(|fact| !is_placeholder(&fact.value))
}

fn number(fact: Option<&Fact<String>>) -> Option<u64> {
    fact?.value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Joined, sample};

    const POD: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: shop}
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers:
        - name: app
          image: a:1
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 20}
---
apiVersion: v1
kind: Service
metadata: {name: checkout, namespace: shop, annotations: ON_SERVICE}
spec:
  type: LoadBalancer
  selector: {app: checkout}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: checkout, namespace: shop, annotations: ON_INGRESS}
spec:
  CLASS
  defaultBackend: {service: {name: checkout, port: {number: 80}}}
---
apiVersion: cloud.google.com/v1
kind: BackendConfig
metadata: {name: checks, namespace: shop}
spec: {healthCheck: {requestPath: /health, checkIntervalSec: 5}}
";

    fn of(service: &str, ingress: &str, class: &str) -> Vec<(&'static str, HealthPath, u64)> {
        let class = match class {
            "" => String::new(),
            class => format!("ingressClassName: {class}"),
        };
        let text = POD
            .replace("ON_SERVICE", service)
            .replace("ON_INGRESS", ingress)
            .replace("CLASS", &class);
        let world = sample::world(text);
        let joined = Joined::new(&world);
        let case = joined.cases().next().expect("a container");
        let all = case.balancers().into_iter();
        all.map(|it| (it.name, it.path, it.interval)).collect()
    }

    #[test]
    fn who_asks_pods_what_and_how_often_is_read_from_annotations() {
        let is = |path: &str| HealthPath::Is(path.to_owned());
        let probe = HealthPath::Probe(ProbeKind::Readiness);
        let alb = |more: &str| format!("{{alb.ingress.kubernetes.io/target-type: ip{more}}}");
        assert_eq!(of("{}", "{}", "nginx"), []);
        assert_eq!(of("{}", &alb(""), "alb"), [(ALB, is("/"), 15)]);
        let more = ", alb.ingress.kubernetes.io/healthcheck-path: /readyz, \
                    alb.ingress.kubernetes.io/healthcheck-interval-seconds: '7'";
        assert_eq!(of("{}", &alb(more), "alb"), [(ALB, is("/readyz"), 7)]);
        let own = "{alb.ingress.kubernetes.io/healthcheck-path: /own}";
        assert_eq!(of(own, &alb(more), "alb"), [(ALB, is("/own"), 7)]);
        let instance = alb("").replace("ip", "instance");
        assert_eq!(of("{}", &instance, "alb"), []);
        let grpc = alb(", alb.ingress.kubernetes.io/backend-protocol-version: GRPC");
        assert_eq!(of("{}", &grpc, "alb"), []);

        let key = "service.beta.kubernetes.io/aws-load-balancer";
        let nlb = format!("{key}-type: external, {key}-nlb-target-type: ip");
        assert_eq!(of(&format!("{{{nlb}}}"), "{}", "nginx"), []);
        let asks = format!("{nlb}, {key}-healthcheck-protocol: HTTP, {key}-healthcheck-path: /r");
        assert_eq!(of(&format!("{{{asks}}}"), "{}", "nginx"), [(NLB, is("/r"), 10)]);

        let group = r#"cloud.google.com/neg: '{"ingress": true}'"#;
        assert_eq!(of(&format!("{{{group}}}"), "{}", ""), [(GOOGLE, probe.clone(), 20)]);
        assert_eq!(of(&format!("{{{group}}}"), "{}", "nginx"), []);
        let config = |name: &str| {
            format!(r#"{{{group}, cloud.google.com/backend-config: '{{"default": "{name}"}}'}}"#)
        };
        assert_eq!(of(&config("checks"), "{}", "gce"), [(GOOGLE, is("/health"), 5)]);
        let absent = HealthPath::In("the BackendConfig others".to_owned());
        assert_eq!(of(&config("others"), "{}", "gce"), [(GOOGLE, absent, 20)]);

        let azure = "azure-application-gateway";
        assert_eq!(of("{}", "{}", azure), [(GATEWAY, probe, 30)]);
        let path = "{appgw.ingress.kubernetes.io/health-probe-path: /health}";
        assert_eq!(of("{}", path, azure), [(GATEWAY, is("/health"), 30)]);
        // What is still to be filled in is not known.
        assert_eq!(of("{}", &alb("").replace("ip}", "'${TYPE}'}"), "alb"), []);
    }
}
