//! Fields of kinds that are no workloads of Kubernetes, and of volumes.

use super::*;

#[test]
fn volumes_are_named_by_what_backs_them() {
    let workload = workload_of(
        "apiVersion: v1
kind: Pod
spec:
  volumes:
  - {name: a, emptyDir: {medium: Memory, sizeLimit: 1Gi}}
  - {name: b, hostPath: {path: /var}}
  - {name: c, configMap: {name: m, items: [{key: k, path: p}]}}
  - {name: d, secret: {secretName: s, optional: true}}
  - {name: e, persistentVolumeClaim: {claimName: p}}
  - {name: f, projected: {sources: [{configMap: {name: m}}, {serviceAccountToken: {path: t}}]}}
  - {name: g, nfs: {server: s}}
  - {name: h}
",
    );
    let kinds: Vec<_> = workload
        .pod
        .volumes
        .iter()
        .map(|v| match &v.kind {
            VolumeKind::EmptyDir { medium, size_limit } => format!(
                "empty {} {}",
                medium.as_ref().map_or("-", |m| m),
                size_limit.as_ref().and_then(|s| s.amount).map_or(0, |b| b.0)
            ),
            VolumeKind::HostPath(path) => format!("host {path}"),
            VolumeKind::ConfigMap { name, items, optional } => {
                let item = |item: &VolumeItem| {
                    format!("{}>{}", item.key, item.path.as_ref().map_or("?", |path| path))
                };
                let items: Vec<_> = items.iter().map(item).collect();
                format!("map {name} {items:?} {optional}")
            }
            VolumeKind::Secret { name, items, optional } => {
                format!("secret {name} {items:?} {optional}")
            }
            VolumeKind::Claim(name) => format!("claim {name}"),
            VolumeKind::Projected { service_account_token, .. } => {
                format!("projected {service_account_token}")
            }
            VolumeKind::Other(kind) => format!("other {kind}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "empty Memory 1073741824",
            "host /var",
            "map m [\"k>p\"] false",
            "secret s [] true",
            "claim p",
            "projected true",
            "other nfs",
            "empty - 0"
        ]
    );
}

#[test]
fn services_and_ingresses_have_ports_by_number_or_name() {
    let (_, all) = objects(
        "apiVersion: v1
kind: Service
metadata: {name: s, namespace: ns}
spec: {clusterIP: None, selector: {a: b}, ports: [{port: 80}, {port: 81, targetPort: web, protocol: UDP, nodePort: 0}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, annotations: {kubernetes.io/ingress.class: nginx}}
spec:
  tls: [{hosts: [h]}]
  defaultBackend: {service: {name: d, port: {number: 1}}}
  rules: [{host: h, http: {paths: [{path: /p, backend: {service: {name: s, port: {name: web}}}}]}}]
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: old}
spec: {backend: {serviceName: d, servicePort: web}}
",
    );
    let Body::Service(service) = &all[0].body else { panic!() };
    assert_eq!(all[0].subject(), "ns/Service/s");
    assert!(service.headless);
    let ports: Vec<_> = service
        .ports
        .iter()
        .map(|p| {
            (p.target_port.as_ref().unwrap(), p.protocol.value.as_str(), p.node_port.is_some())
        })
        .map(|(t, p, n)| (t.value.clone(), t.is_written(), p, n))
        .collect();
    assert_eq!(
        ports,
        [
            (PortRef::Number(80), false, "TCP", false),
            (PortRef::Name("web".to_owned()), true, "UDP", false)
        ]
    );
    let Body::Ingress(ingress) = &all[1].body else { panic!() };
    assert_eq!(ingress.class.as_ref().unwrap().value, "nginx");
    assert_eq!(ingress.tls_hosts[0].value, "h");
    let backends = |ingress: &Ingress| -> Vec<_> {
        let backends = ingress.backends.iter();
        backends
            .map(|b| (b.service.value.clone(), b.port.as_ref().unwrap().value.clone()))
            .collect()
    };
    let web = || PortRef::Name("web".to_owned());
    assert_eq!(backends(ingress), [("d".to_owned(), PortRef::Number(1)), ("s".to_owned(), web())]);
    let Body::Ingress(old) = &all[2].body else { panic!() };
    assert_eq!(backends(old), [("d".to_owned(), web())]);
}

#[test]
fn autoscalers_of_every_version_have_metrics() {
    let hpa = |version: &str, spec: &str| {
        let (_, all) = objects(&format!(
            "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: h}}\nspec: {{scaleTargetRef: {{kind: Deployment, name: d}}, maxReplicas: 3, {spec}}}\n"
        ));
        let Body::Hpa(hpa) = &all[0].body else { panic!() };
        assert_eq!((hpa.min.value, hpa.max.as_ref().unwrap().value), (1, 3));
        let metric = hpa.metrics[0].clone();
        let text =
            |f: &Option<Fact<String>>| f.as_ref().map(|f| f.value.clone()).unwrap_or_default();
        let written = metric.metric_type.is_written();
        format!(
            "{} {} {} {written}",
            metric.metric_type,
            text(&metric.resource),
            text(&metric.target_type)
        )
    };
    assert_eq!(hpa("v1", ""), "Resource cpu Utilization false");
    assert_eq!(hpa("v1", "targetCPUUtilizationPercentage: 60"), "Resource cpu Utilization true");
    assert_eq!(
        hpa(
            "v2",
            "metrics: [{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}]"
        ),
        "Resource memory AverageValue true"
    );
    assert_eq!(
        hpa(
            "v2beta1",
            "metrics: [{type: Resource, resource: {name: cpu, targetAverageUtilization: 50}}]"
        ),
        "Resource cpu Utilization true"
    );
    assert_eq!(
        hpa(
            "v2",
            "metrics: [{type: External, external: {metric: {name: q}, target: {type: Value, value: 5}}}]"
        ),
        "External  Value true"
    );
}

#[test]
fn budgets_tell_a_missing_selector_from_an_empty_one() {
    let pdb = |spec: &str| {
        let (_, all) = objects(&format!(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: p}}\nspec: {{{spec}}}\n"
        ));
        let Body::Pdb(pdb) = &all[0].body else { panic!() };
        pdb.clone()
    };
    assert_eq!(pdb("maxUnavailable: 1").selector, None);
    assert!(pdb("selector: {}").selector.unwrap().is_empty());
    let full = pdb(
        "minAvailable: 50%, selector: {matchExpressions: [{key: a, operator: In, values: [b]}]}",
    );
    assert_eq!(full.min_available.unwrap().value, IntOrPercent::Percent(50));
    assert_eq!(full.selector.unwrap().expressions[0].values, ["b"]);
}

#[test]
fn templates_of_a_workflow_are_containers() {
    let spec = "{templates: [{name: a, container: {image: i}}, {name: b, script: {image: i}, sidecars: [{name: s}]}, {name: c, dag: {}}]}";
    for (kind, spec) in
        [("Workflow", spec.to_owned()), ("CronWorkflow", format!("{{workflowSpec: {spec}}}"))]
    {
        let workload =
            workload_of(&format!("apiVersion: argoproj.io/v1alpha1\nkind: {kind}\nspec: {spec}\n"));
        let names: Vec<_> = workload.pod.containers.iter().map(Container::name).collect();
        assert_eq!(names, ["a", "b", "s"]);
        assert_eq!(workload.pod.restart_policy.value, "Never");
    }
}
