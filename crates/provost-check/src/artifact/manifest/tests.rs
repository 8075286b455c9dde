use super::*;
use crate::artifact::source::Sources;
use crate::facts::objects::PortRef;
use crate::facts::workload::{Action, EnvValue, IntOrPercent, WorkloadKind};
use crate::model::quantity::Bytes;

fn load(text: &str) -> (Sources, Loaded) {
    let mut sources = Sources::default();
    let file = ManifestFile::text("a.yaml", text);
    let loaded = load_manifests(&[file], &mut sources, &Options::default());
    (sources, loaded)
}

fn objects(text: &str) -> (Sources, Vec<Object>) {
    let (sources, loaded) = load(text);
    assert_eq!(loaded.problems, []);
    (sources, loaded.objects)
}

/// Text at the place of a fact.
fn at(sources: &Sources, origin: &crate::facts::Origin) -> String {
    let text = sources.get(origin.source).shown().unwrap();
    text[origin.span().unwrap().range()].to_owned()
}

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop, tier: "web"}}
    spec:
      containers:
      - name: app
        image: shop:1
        env:
        - name: GOMEMLIMIT
          value: "2GiB"
        - {name: KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}
        ports: [{containerPort: 8080, name: http}]
        resources:
          limits: {cpu: 1, memory: 512Mi}
        livenessProbe:
          httpGet: {port: http}
          periodSeconds: 0
"#;

#[test]
fn a_deployment_has_what_is_written_and_what_kubernetes_adds() {
    let (sources, objects) = objects(DEPLOYMENT);
    let object = &objects[0];
    assert_eq!(object.subject(), "default/Deployment/shop");
    let workload = object.workload().unwrap();
    assert_eq!(workload.kind, WorkloadKind::Deployment);
    let replicas = workload.replicas.as_ref().unwrap();
    assert_eq!((replicas.value, replicas.is_written()), (1, false));
    assert_eq!(at(&sources, &replicas.origin), "spec");
    let strategy = workload.strategy.as_ref().unwrap();
    assert_eq!(strategy.max_surge.value, IntOrPercent::Percent(25));
    assert_eq!(workload.pod.grace_period.value, 30);
    assert_eq!(workload.pod.labels.get("tier").unwrap().value, "web");
    let container = &workload.pod.containers[0];
    assert_eq!(at(&sources, &container.origin), "app");
    assert_eq!(container.pull_policy.value, "IfNotPresent");
    let EnvValue::Literal(limit) = &container.env[0].value else { panic!() };
    assert_eq!(at(&sources, &limit.origin), "\"2GiB\"");
    assert_eq!(
        at(&sources, &container.env[1].origin),
        "{name: KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}"
    );
    let limits = &container.resources.limits;
    assert_eq!(limits.memory.as_ref().unwrap().amount, Some(Bytes::mib(512)));
    assert_eq!(limits.cpu.as_ref().unwrap().amount.unwrap().0, 1000);
    let probe = container.liveness.as_ref().unwrap();
    // A written 0 is the default, at the place where it is written.
    assert_eq!((probe.period.value, at(&sources, &probe.period.origin).as_str()), (10, "0"));
    assert_eq!(at(&sources, &probe.timeout.origin), "livenessProbe");
    let Action::HttpGet { path, port, .. } = &probe.handler.action else { panic!() };
    assert_eq!((path.value.as_str(), path.is_written()), ("/", false));
    assert_eq!(port.as_ref().unwrap().value, PortRef::Name("http".to_owned()));
}
