//! Places of keys and scalars, each by itself.

use super::*;

/// Every key and scalar that was printed and where it was written: `replicas < k/a.yaml:6 replicas`.
fn nodes(files: &[(&str, &str)], rendered: &str) -> Vec<String> {
    let (dir, sources) = loaded(files, rendered);
    let root = dir.path().canonicalize().unwrap();
    let mut all = Vec::new();
    for (_, source) in sources.iter() {
        let Some(trace) = &source.rendered else { continue };
        for node in &trace.nodes {
            assert_eq!(trace.node(node.span).map(|found| found.span), Some(node.span));
            let printed = &source.shown().unwrap()[node.span.range()];
            let from = sources.get(node.at.source());
            let path = Path::new(&from.path);
            let path = path.strip_prefix(dir.path()).or_else(|_| path.strip_prefix(&root)).unwrap();
            let span = node.at.span().unwrap_or_default();
            let written = &from.shown().unwrap()[span.range()];
            let line = from.position(span.start).line;
            if !printed.contains('\n') {
                let says = if node.says { "" } else { " ?" };
                all.push(format!("{printed} < {}:{line} {written}{says}", path.display()));
            }
        }
    }
    all
}

const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector: {matchLabels: {app: web}}
  replcas: 2
  template:
    spec:
      containers:
      - name: web
        image: registry.example/web:1
";

#[test]
fn a_key_is_told_from_its_value_and_from_another_of_its_name() {
    let kustomization = "\
resources: [a.yaml]
namePrefix: x-
patches:
- target: {kind: Deployment}
  patch: |-
    - {op: add, path: /spec/minReadySecond, value: 7}
- patch: |-
    {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {paused: true}}
";
    let rendered = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: x-web
spec:
  minReadySecond: 7
  paused: true
  replcas: 2
  selector:
    matchLabels:
      app: web
  template:
    spec:
      containers:
      - image: registry.example/web:1
        name: web
";
    let files = [("k/kustomization.yaml", kustomization), ("k/a.yaml", WEB)];
    let nodes = nodes(&files, rendered);
    assert_eq!(of(&nodes, "spec"), ["k/a.yaml:5 spec", "k/a.yaml:9 spec"]);
    assert_eq!(of(&nodes, "replcas"), ["k/a.yaml:7 replcas"]);
    assert_eq!(of(&nodes, "2"), ["k/a.yaml:7 2"]);
    assert_eq!(of(&nodes, "minReadySecond"), ["k/kustomization.yaml:6 /spec/minReadySecond"]);
    assert_eq!(of(&nodes, "7"), ["k/kustomization.yaml:6 7"]);
    assert_eq!(of(&nodes, "paused"), ["k/kustomization.yaml:8 paused"]);
    // What a patch is for is not what it sets.
    assert_eq!(of(&nodes, "Deployment"), ["k/a.yaml:2 Deployment"]);
    // A prefix was put in front of it: that is nobody's text.
    assert_eq!(of(&nodes, "x-web"), ["k/a.yaml:4 name ?"]);
}

#[test]
fn items_are_told_by_what_kubernetes_merges_them_by() {
    let service = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ports:
  - name: http
    port: 80
    targetPort: web
  - name: dns
    port: 53
    targetPort: dns
  - name: dns-udp
    port: 53
    protocol: UDP
    targetPort: dns-udp
";
    let patch = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  ports:
  - port: 80
    nodePort: 30080
  - port: 53
    targetPort: other
";
    let rendered = "\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
  - name: http
    nodePort: 30080
    port: 80
    targetPort: web
  - name: dns
    port: 53
    targetPort: other
  - name: dns-udp
    port: 53
    protocol: UDP
    targetPort: dns-udp
";
    let files = [
        ("k/kustomization.yaml", "resources: [a.yaml]\npatches: [{path: p.yaml}]\n"),
        ("k/a.yaml", service),
        ("k/p.yaml", patch),
    ];
    let nodes = nodes(&files, rendered);
    assert_eq!(of(&nodes, "80"), ["k/a.yaml:7 80"]);
    assert_eq!(of(&nodes, "30080"), ["k/p.yaml:7 30080"]);
    assert_eq!(of(&nodes, "web"), ["k/a.yaml:3 web", "k/a.yaml:8 web"]);
    assert_eq!(of(&nodes, "other"), ["k/p.yaml:9 other"]);
    assert_eq!(of(&nodes, "dns-udp"), ["k/a.yaml:12 dns-udp", "k/a.yaml:15 dns-udp"]);
    assert_eq!(of(&nodes, "53"), ["k/a.yaml:10 53", "k/a.yaml:13 53"]);
}

#[test]
fn a_list_that_a_patch_replaces_is_the_patchs() {
    let pod = |list: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  tolerations:\n{list}  \
             terminationGracePeriodSeconds: 5\n"
        )
    };
    let a = pod("  - key: a\n    operator: Exists\n");
    let b = pod("  - key: b\n    operator: Exists\n").replace("Seconds: 5", "Seconds: 9");
    let files = [
        ("k/kustomization.yaml", "resources: [a.yaml]\npatches: [{path: p.yaml}]\n"),
        ("k/a.yaml", &a),
        ("k/p.yaml", &b),
    ];
    let nodes = nodes(&files, &b);
    assert_eq!(of(&nodes, "tolerations"), ["k/p.yaml:6 tolerations"]);
    assert_eq!(of(&nodes, "Exists"), ["k/p.yaml:8 Exists"]);
    assert_eq!(
        of(&nodes, "terminationGracePeriodSeconds"),
        ["k/p.yaml:9 terminationGracePeriodSeconds"]
    );
}

#[test]
fn what_a_generator_takes_is_pointed_at() {
    let kustomization = "\
resources: [../base]
configMapGenerator:
- name: settings
  behavior: merge
  literals:
  - LEVEL=debug
  - 'GREETING=\"hello there\"'
  envs: [env/app.env]
  files:
  - app.yaml=files/app-prod.yaml
  - files/motd
";
    let base = "configMapGenerator: [{name: settings, literals: [LEVEL=info, KEPT=1]}]\n";
    let rendered = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings-4f5g6h7b8k
data:
  DB_PASSWORD: hunter2hunter2
  GREETING: hello there
  KEPT: \"1\"
  LEVEL: debug
  app.yaml: 'a: b'
  motd: hi
  other: x
";
    let files = [
        ("k/kustomization.yaml", kustomization),
        ("base/kustomization.yaml", base),
        ("k/env/app.env", "# of the application\nDB_PASSWORD=hunter2hunter2\n"),
        ("k/files/app-prod.yaml", "a: b"),
        ("k/files/motd", "hi"),
    ];
    let nodes = nodes(&files, rendered);
    assert_eq!(of(&nodes, "LEVEL"), ["k/kustomization.yaml:6 LEVEL"]);
    assert_eq!(of(&nodes, "debug"), ["k/kustomization.yaml:6 debug"]);
    assert_eq!(of(&nodes, "hello there"), ["k/kustomization.yaml:7 \"hello there\""]);
    assert_eq!(of(&nodes, "\"1\""), ["base/kustomization.yaml:1 1"]);
    assert_eq!(of(&nodes, "DB_PASSWORD"), ["k/env/app.env:2 DB_PASSWORD"]);
    assert_eq!(of(&nodes, "'a: b'"), ["k/files/app-prod.yaml:1 a: b"]);
    assert_eq!(of(&nodes, "hi"), ["k/files/motd:1 hi"]);
    // It is said nowhere.
    assert_eq!(of(&nodes, "other"), [""; 0]);
    let secret: Vec<&String> = nodes.iter().filter(|node| node.contains("app.env")).collect();
    assert!(secret.iter().all(|node| !node.contains("hunter2")), "{secret:?}");
    assert!(nodes.iter().any(|node| node.ends_with("k/env/app.env:2 **************")), "{nodes:?}");
}

#[test]
fn the_only_item_of_a_list_is_told_from_the_list() {
    let pod = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: web, image: 'web:1'}]
";
    let rendered = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - image: web:1
    name: web
";
    let files = [("k/kustomization.yaml", "resources: [a.yaml]\n"), ("k/a.yaml", pod)];
    let (_dir, sources) = loaded(&files, rendered);
    let trace = sources.iter().find_map(|(_, source)| source.rendered.as_ref()).unwrap();
    let start = rendered.find("image").unwrap();
    let whole = Span::new(start, rendered.trim_end().len());
    // Both have these bytes.
    assert_eq!(trace.nodes.iter().filter(|node| node.span == whole).count(), 2);
    let at = &trace.node(whole).unwrap().at;
    let text = &sources.get(at.source()).shown().unwrap()[at.span().unwrap().range()];
    assert_eq!(text, "{name: web, image: 'web:1'}");
}
