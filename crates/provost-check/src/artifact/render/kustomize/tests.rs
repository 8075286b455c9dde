mod nodes;

use std::fs;

use super::*;
use crate::artifact::render::Renderer;

/// What is loaded of a printed text, and the sources.
fn loaded(files: &[(&str, &str)], rendered: &str) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let rendering = Rendering {
        root: dir.path().join("k").to_string_lossy().into_owned(),
        by: Renderer::Kustomize,
        text: rendered.as_bytes().to_vec(),
        values: Vec::new(),
        set: Vec::new(),
        hidden: Hidden::default(),
    };
    let mut sources = Sources::default();
    load(&rendering, &mut sources, &manifest::Options::default());
    (dir, sources)
}

/// Every line that was printed and where it was written, `replicas: 3 < k/kustomization.yaml:4`.
fn places(files: &[(&str, &str)], rendered: &str) -> Vec<String> {
    let (dir, sources) = loaded(files, rendered);
    let root = dir.path().canonicalize().unwrap();
    let place = |origin: &Origin| {
        let source = sources.get(origin.source());
        let path = Path::new(&source.path);
        let path = path.strip_prefix(dir.path()).or_else(|_| path.strip_prefix(&root)).unwrap();
        let line = origin.span().map_or(0, |span| source.position(span.start).line);
        format!("{}:{line}", path.display())
    };
    let mut all = Vec::new();
    for (_, source) in sources.iter() {
        let Some(trace) = &source.rendered else { continue };
        all.extend(trace.from.as_ref().map(|from| format!("< {}", place(from))));
        for (text, line) in source.shown().unwrap().lines().zip(&trace.lines) {
            if let Some(at) = &line.at {
                all.push(format!("{} < {}", text.trim(), place(at)));
            }
        }
    }
    all
}

fn deployment(name: &str, namespace: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
         spec:\n  replicas: {replicas}\n"
    )
}

fn of<'p>(places: &'p [String], text: &str) -> Vec<&'p str> {
    let found = places.iter().filter_map(|place| place.split_once(" < "));
    found.filter(|(line, _)| *line == text).map(|(_, place)| place).collect()
}

#[test]
fn a_name_is_told_by_what_is_put_around_it() {
    let kustomization = "namePrefix: prod-\nnameSuffix: -v2\nresources: [a.yaml, b.yaml, c.yaml]\n";
    let files = [
        ("k/kustomization.yaml", kustomization),
        ("k/a.yaml", &deployment("api", "x", 1)),
        ("k/b.yaml", &deployment("api-gateway", "x", 1)),
        ("k/c.yaml", &deployment("prod", "x", 1)),
    ];
    let rendered = ["prod-api-v2", "prod-api-gateway-v2", "prod-prod-v2", "other-api", "rapid"];
    let rendered = rendered.map(|name| deployment(name, "x", 1)).join("---\n");
    let places = places(&files, &rendered);
    let from: Vec<&String> = places.iter().filter(|place| place.starts_with("< ")).collect();
    assert_eq!(
        from,
        [
            "< k/a.yaml:2",
            "< k/b.yaml:2",
            "< k/c.yaml:2",
            "< k/a.yaml:2",
            "< k/kustomization.yaml:0"
        ]
    );
}

#[test]
fn objects_of_one_name_are_told_by_their_namespace() {
    let files = [
        ("k/kustomization.yaml", "resources: [a.yaml, b.yaml]\npatches: [{path: p.yaml}]\n"),
        ("k/a.yaml", &deployment("web", "a", 3)),
        ("k/b.yaml", &deployment("web", "b", 1)),
        ("k/p.yaml", &deployment("web", "b", 3)),
    ];
    let rendered = ["a", "b"].map(|namespace| deployment("web", namespace, 3)).join("---\n");
    let places = places(&files, &rendered);
    assert_eq!(of(&places, "replicas: 3"), ["k/a.yaml:7", "k/p.yaml:7"]);
}

#[test]
fn the_namespace_of_a_kustomization_moves_an_object() {
    let files = [
        ("k/kustomization.yaml", "resources: [../a, ../b]\n"),
        ("a/kustomization.yaml", "namespace: one\nresources: [../base]\n"),
        ("b/kustomization.yaml", "namespace: two\nnamePrefix: b-\nresources: [../base]\n"),
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/web.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n"),
    ];
    let rendered = [deployment("web", "one", 1), deployment("b-web", "two", 1)].join("---\n");
    let places = places(&files, &rendered);
    assert_eq!(of(&places, "namespace: one"), ["a/kustomization.yaml:1"]);
    assert_eq!(of(&places, "namespace: two"), ["b/kustomization.yaml:1"]);
    assert_eq!(places.iter().filter(|place| **place == "< base/web.yaml:2").count(), 2);
}

#[test]
fn an_operation_is_pointed_at() {
    let kustomization = "\
resources: [a.yaml]
patches:
- target: {kind: Deployment, name: we.*}
  patch: |-
    - op: replace
      path: /spec/replicas
      value: 3
    - op: add
      path: /spec/template/spec/containers/-
      value:
        name: side
        image: registry.example/side:1
- path: ops.yaml
  target: {kind: Deployment}
- target: {kind: StatefulSet}
  patch: '[{op: replace, path: /spec/replicas, value: 3}]'
";
    let object = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: web
        image: registry.example/web:1
";
    let ops = "- {op: add, path: /metadata/annotations, value: {example.com~1a: b}}\n\
               - {op: replace, path: /metadata/annotations/example.com~1b, value: c}\n";
    let rendered = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    example.com/b: c
  name: web
spec:
  replicas: 3
  template:
    spec:
      containers:
      - image: registry.example/web:1
        name: web
      - image: registry.example/side:1
        name: side
";
    let files =
        [("k/kustomization.yaml", kustomization), ("k/a.yaml", object), ("k/ops.yaml", ops)];
    let places = places(&files, rendered);
    assert_eq!(of(&places, "replicas: 3"), ["k/kustomization.yaml:7"]);
    assert_eq!(of(&places, "name: side"), ["k/kustomization.yaml:11"]);
    assert_eq!(of(&places, "- image: registry.example/side:1"), ["k/kustomization.yaml:12"]);
    assert_eq!(of(&places, "- image: registry.example/web:1"), ["k/a.yaml:11"]);
    assert_eq!(of(&places, "example.com/b: c"), ["k/ops.yaml:2"]);
}

/// The text at each place.
fn texts(files: &[(&str, &str)], rendered: &str) -> Vec<String> {
    let (_dir, sources) = loaded(files, rendered);
    let mut all = Vec::new();
    for (_, source) in sources.iter() {
        let Some(trace) = &source.rendered else { continue };
        for (text, line) in source.shown().unwrap().lines().zip(&trace.lines) {
            let Some(at) = &line.at else { continue };
            let from = sources.get(at.source()).shown().unwrap();
            let place = at.span().and_then(|span| from.get(span.range())).unwrap_or_default();
            all.push(format!("{} < {place}", text.trim()));
        }
    }
    all
}

#[test]
fn an_operation_that_is_written_otherwise_is_pointed_at_too() {
    let kustomization = r#"
resources: [a.yaml]
patches:
- target: {kind: Deployment}
  patch: '[{"op": "replace", "path": "/spec/replicas", "value": 3}, {"op": "add", "path": "/spec/minReadySeconds", "value": 7}]'
- target: {kind: Deployment}
  patch: >-
    [{"op": "add", "path": "/spec/paused", "value": true},
     {"op": "add", "path": "/spec/revisionHistoryLimit", "value": 11}]
- target: {kind: Deployment}
  patch: |
      [
        {"op": "add", "path": "/spec/progressDeadlineSeconds", "value": 13}
      ]
- target: {kind: Deployment}
  patch: "[{\"op\": \"add\", \"path\": \"/metadata/labels\", \"value\": {\"a\": \"b\"}}]"
"#;
    let rendered = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    a: b
  name: web
  namespace: x
spec:
  minReadySeconds: 7
  paused: true
  progressDeadlineSeconds: 13
  replicas: 3
  revisionHistoryLimit: 11
";
    let files = [("k/kustomization.yaml", kustomization), ("k/a.yaml", &deployment("web", "x", 1))];
    let texts = texts(&files, rendered);
    assert_eq!(of(&texts, "replicas: 3"), ["3"]);
    assert_eq!(of(&texts, "minReadySeconds: 7"), ["7"]);
    assert_eq!(of(&texts, "paused: true"), ["true"]);
    assert_eq!(of(&texts, "revisionHistoryLimit: 11"), ["11"]);
    assert_eq!(of(&texts, "progressDeadlineSeconds: 13"), ["13"]);
    // Escapes are not undone: all of the text is shown.
    assert!(of(&texts, "a: b")[0].starts_with("\"[{"), "{texts:?}");
}

#[test]
fn an_item_that_was_there_is_not_the_one_that_an_operation_adds() {
    let kustomization = "resources: [a.yaml]\npatches: [{path: ops.yaml, target: {kind: Pod}}]\n";
    let pod = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    env:
    - name: A
      value: '1'
";
    let ops = "\
- op: add
  path: /spec/containers/0/env/-
  value: {name: A, value: '2'}
- op: add
  path: /spec/containers/0/env/-
  value: {name: A, value: '3'}
";
    let rendered = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - env:
    - name: A
      value: \"1\"
    - name: A
      value: \"2\"
    - name: A
      value: \"3\"
    name: web
";
    let files = [("k/kustomization.yaml", kustomization), ("k/a.yaml", pod), ("k/ops.yaml", ops)];
    let places = places(&files, rendered);
    assert_eq!(of(&places, "- name: A"), ["k/a.yaml:8", "k/ops.yaml:3", "k/ops.yaml:6"]);
    assert_eq!(of(&places, "value: \"1\""), ["k/a.yaml:9"]);
    assert_eq!(of(&places, "value: \"3\""), ["k/ops.yaml:6"]);
}

#[test]
fn a_field_of_a_kustomization_sets_only_what_it_is_for() {
    let kustomization = "\
resources: [a.yaml]
images: [{name: web, newTag: '3'}]
replicas: [{name: web, count: 5}]
commonLabels: {team: '7'}
";
    let object = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  minReadySeconds: 1
  template: {spec: {containers: [{name: web, image: 'web:1'}]}}
";
    let rendered = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    team: \"7\"
  name: web
spec:
  minReadySeconds: 5
  replicas: 5
  template:
    spec:
      containers:
      - image: web:3
        name: web
";
    let places = places(&[("k/kustomization.yaml", kustomization), ("k/a.yaml", object)], rendered);
    assert_eq!(of(&places, "team: \"7\""), ["k/kustomization.yaml:4"]);
    assert_eq!(of(&places, "replicas: 5"), ["k/kustomization.yaml:3"]);
    assert_eq!(of(&places, "- image: web:3"), ["k/kustomization.yaml:2"]);
    assert_eq!(of(&places, "minReadySeconds: 5"), [""; 0]);
}

#[test]
fn a_secret_that_the_output_does_not_hold_is_not_shown() {
    let kustomization = "\
resources: [secrets.yaml, web.yaml]
patches:
- path: strategic.yaml
- path: operations.yaml
  target: {kind: Secret, name: db}
- path: anything.yaml
  target: {name: db}
- target: {kind: Secret}
  patch: |-
    - {op: replace, path: /stringData/password, value: canary5}
- patch: |-
    {apiVersion: v1, kind: Secret, metadata: {name: gone}, $patch: delete, x: canary6}
secretGenerator:
- name: made
  literals:
  - a=canary7
  - 'b=cy8'
- name: made
  behavior: replace
  literals: [a=canary9]
configMapGenerator:
- name: plain
  literals: [DB_PASSWORD=canary10, COLOUR=green]
generators:
- secret.yaml
- |-
  {apiVersion: builtin, kind: SecretGenerator, metadata: {name: c}, literals: [a=canary12]}
";
    let secrets = "\
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: canary1}
---
apiVersion: v1
kind: Secret
metadata: {name: gone}
data: {password: Y2FuYXJ5Mg==canary2}
";
    let web = "\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, env: [{name: DB_PASSWORD, value: canary13}]}]}
";
    let strategic =
        "{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {p: canary3}}";
    let operations = "- {op: replace, path: /stringData/password, value: canary4}\n";
    let anything = "- {op: replace, path: /data/password, value: canary14}\n";
    let generator = "\
apiVersion: builtin
kind: SecretGenerator
metadata: {name: b}
literals: [a=canary11]
";
    let files = [
        ("k/kustomization.yaml", kustomization),
        ("k/secrets.yaml", secrets),
        ("k/web.yaml", web),
        ("k/strategic.yaml", strategic),
        ("k/operations.yaml", operations),
        ("k/anything.yaml", anything),
        ("k/secret.yaml", generator),
    ];
    let (_dir, sources) = loaded(&files, "{apiVersion: v1, kind: Pod, metadata: {name: web}}\n");
    let mut shown = String::new();
    for (_, source) in sources.iter() {
        shown.push_str(source.shown().unwrap());
    }
    assert!(sources.len() > 7);
    assert!(!shown.contains("canary") && !shown.contains("cy8"), "{shown}");
    // The rest can still be read.
    for text in ["COLOUR=green", "path: operations.yaml", "path: /stringData/password", "- a=***"] {
        assert!(shown.contains(text), "`{text}` in {shown}");
    }
}

#[test]
fn what_is_built_is_held_by_whatever_way_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for folder in ["base", "real"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("base/kustomization.yaml"), "resources: [a.yaml]\n").unwrap();
    fs::write(root.join("base/a.yaml"), deployment("a", "a", 1)).unwrap();
    fs::write(root.join("real/kustomization.yaml"), "resources: [../base]\n").unwrap();
    std::os::unix::fs::symlink("real", root.join("link")).unwrap();
    let plan = plan(root.join("link").to_str().unwrap());
    assert_eq!(plan.refused, [""; 0]);
    assert!(plan.reaches(&root.join("base")) && plan.reaches(&root.join("link")));
    assert!(plan.reaches(&root.join("real/../base")));
    assert!(
        plan.holds(&root.join("base/./a.yaml")) && plan.holds(&root.join("link/../base/a.yaml"))
    );
    assert!(!plan.holds(&root.join("base/b.yaml")) && !plan.reaches(root));
}
