//! What generators of a kustomization make is there for those that name it, rendered or not.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use support::Dir;

const WORKLOAD: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout}
spec:
  replicas: 3
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers:
      - name: checkout
        image: \"registry.example/checkout:1\"
        envFrom: [{configMapRef: {name: checkout}}]
        env:
        - {name: LEVEL, valueFrom: {configMapKeyRef: {name: checkout, key: LOG_LEVL}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: checkout}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: checkout}
  minReplicas: 2
  maxReplicas: 4
  metrics: [{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 100Mi}}}]
";

const BASE: &str = "\
resources: [all.yaml]
configMapGenerator:
- name: checkout
  envs: [app.env]
  literals: [GOMEMLIMIT=2GB]
secretGenerator:
- {name: db, literals: [password=canary-secret]}
";

const RULES: &str = "malformed-gomemlimit,ignored-runtime-variable,dangling-reference,\
                     hpa-conflicts-with-workload,config-change-without-rollout";

fn repository() -> Dir {
    Dir::new()
        .file("base/all.yaml", WORKLOAD)
        .file("base/kustomization.yaml", BASE)
        .file("base/app.env", "# of the program\nLOG_LEVEL=info\nGOGC=offf\n")
}

/// `rule path:line` of every finding, and `rule reason` of what was not judged.
fn judged(dir: &Dir) -> (Vec<String>, Vec<String>) {
    let run = dir.provost(&[
        "check",
        "--date",
        "2026-11-26",
        "--only",
        RULES,
        "--fail-on",
        "never",
        "--format",
        "json",
        ".",
    ]);
    assert!(!run.out.contains("canary"), "{}", run.out);
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter().map(|finding| {
        let place = &finding["evidence"][0];
        let line = place["start"]["line"].as_u64().unwrap_or(0);
        format!("{} {}:{line}", text(&finding["rule"]), text(&place["path"]))
    });
    let unknown = report["not_judged"].as_array().unwrap().iter();
    let unknown = unknown.map(|item| format!("{} {}", text(&item["rule"]), text(&item["reason"])));
    // No binary is given.
    let unknown = unknown.filter(|item| !item.ends_with(" no-binary"));
    let sorted = |list: Vec<String>| {
        list.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    };
    (sorted(findings.collect()), sorted(unknown.collect()))
}

#[test]
fn literals_and_environment_files_are_the_environment() {
    let (findings, unknown) = judged(&repository());
    assert_eq!(
        findings,
        [
            "dangling-reference base/all.yaml:15",
            "hpa-conflicts-with-workload base/all.yaml:5",
            "ignored-runtime-variable base/app.env:3",
            "malformed-gomemlimit base/kustomization.yaml:5",
        ]
    );
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn what_an_overlay_merges_into_a_generator_is_not_judged_as_it_is_written() {
    let overlay = "resources: [../base]\nconfigMapGenerator: [{name: checkout, behavior: merge, literals: [LOG_LEVL=a]}]\n";
    let (findings, unknown) = judged(&repository().file("prod/kustomization.yaml", overlay));
    assert_eq!(findings, ["hpa-conflicts-with-workload base/all.yaml:5"]);
    assert_eq!(
        unknown,
        [
            "dangling-reference patched",
            "ignored-runtime-variable patched",
            "malformed-gomemlimit patched"
        ]
    );
}

#[test]
fn a_patch_that_takes_replicas_away_leaves_them_to_the_autoscaler() {
    let merge = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: checkout}, spec: {replicas: null}}";
    let remove = "[{op: remove, path: /spec/replicas}]";
    for (patch, target) in [(merge, ""), (remove, ", target: {kind: Deployment, name: checkout}")] {
        let overlay = format!("resources: [../base]\npatches: [{{path: p.yaml{target}}}]\n");
        let dir = repository().file("prod/kustomization.yaml", overlay).file("prod/p.yaml", patch);
        let (findings, unknown) = judged(&dir);
        assert!(!findings.iter().any(|it| it.starts_with("hpa-")), "{findings:?}");
        assert!(findings.contains(&"malformed-gomemlimit base/kustomization.yaml:5".to_owned()));
        assert_eq!(unknown, ["hpa-conflicts-with-workload patched"]);
    }
}

#[test]
fn what_a_patch_changes_is_no_finding_of_any_rule() {
    let patch = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: checkout}, spec: {template: {spec: {containers: [{name: checkout, envFrom: null}]}}}}";
    let overlay = "resources: [../base]\npatches: [{path: p.yaml}]\n";
    let dir = repository().file("prod/kustomization.yaml", overlay).file("prod/p.yaml", patch);
    let (findings, unknown) = judged(&dir);
    assert_eq!(
        findings,
        ["dangling-reference base/all.yaml:15", "hpa-conflicts-with-workload base/all.yaml:5"]
    );
    assert_eq!(unknown, ["ignored-runtime-variable patched", "malformed-gomemlimit patched"]);
}

#[test]
fn of_overlays_that_each_generate_their_own_none_is_taken() {
    let overlay = |limit: &str| {
        format!(
            "resources: [../../app]\nconfigMapGenerator: [{{name: checkout, literals: [GOMEMLIMIT={limit}]}}]\n"
        )
    };
    let dir = Dir::new()
        .file("app/all.yaml", WORKLOAD)
        .file("app/kustomization.yaml", "resources: [all.yaml]\n")
        .file("overlays/one/kustomization.yaml", overlay("2GB"));
    let (findings, _) = judged(&dir);
    assert!(
        findings.contains(&"malformed-gomemlimit overlays/one/kustomization.yaml:2".to_owned())
    );
    let (findings, unknown) = judged(&dir.file("overlays/two/kustomization.yaml", overlay("2GiB")));
    assert!(!findings.iter().any(|it| it.starts_with("malformed")), "{findings:?}");
    assert!(unknown.contains(&"malformed-gomemlimit alternatives".to_owned()), "{unknown:?}");
}

#[test]
fn a_file_that_is_not_there_leaves_the_environment_open() {
    let base = BASE.replace("literals: [GOMEMLIMIT=2GB]", "files: [missing.yaml]");
    let (findings, unknown) = judged(&repository().file("base/kustomization.yaml", base));
    assert_eq!(
        findings,
        ["hpa-conflicts-with-workload base/all.yaml:5", "ignored-runtime-variable base/app.env:3"]
    );
    assert!(unknown.contains(&"dangling-reference object-not-in-input".to_owned()), "{unknown:?}");
    assert!(
        unknown.contains(&"malformed-gomemlimit object-not-in-input".to_owned()),
        "{unknown:?}"
    );
}

#[test]
fn what_another_deployment_generates_is_not_there() {
    let dir = Dir::new()
        .file("one/app/all.yaml", WORKLOAD)
        .file("one/app/kustomization.yaml", "resources: [all.yaml]\n")
        .file(
            "two/app/kustomization.yaml",
            "configMapGenerator: [{name: checkout, literals: [GOMEMLIMIT=2GB]}]\n",
        );
    let (findings, unknown) = judged(&dir);
    let found: Vec<_> = findings.iter().filter(|it| !it.starts_with("hpa-")).collect();
    assert_eq!(found, ["config-change-without-rollout one/app/all.yaml:13"]);
    assert!(unknown.contains(&"dangling-reference alternatives".to_owned()), "{unknown:?}");
    assert!(
        unknown.contains(&"malformed-gomemlimit object-not-in-input".to_owned()),
        "{unknown:?}"
    );
}

#[test]
fn what_a_patch_puts_in_is_not_missing() {
    let patch = "[{op: add, path: /spec/template/spec/containers/0/resources, value: {limits: {memory: 1Gi}}}]";
    let overlay = "resources: [../base]\npatches: [{path: p.yaml, target: {kind: Deployment, name: checkout}}]\n";
    let rules = "missing-memory-limit,missing-readiness-probe";
    let only = |dir: &Dir| {
        let run = dir.provost(&[
            "check",
            "--date",
            "2026-11-26",
            "--only",
            rules,
            "--format",
            "json",
            ".",
        ]);
        let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        let found = report["findings"].as_array().unwrap().iter();
        found.map(|it| it["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let base = repository().file("base/service.yaml", "{apiVersion: v1, kind: Service, metadata: {name: checkout}, spec: {selector: {app: checkout}, ports: [{port: 80}]}}");
    let dir = base.file(
        "base/kustomization.yaml",
        format!("{BASE}\n").replace("[all.yaml]", "[all.yaml, service.yaml]"),
    );
    let mut before = only(&dir);
    before.sort();
    assert_eq!(before, ["missing-memory-limit", "missing-readiness-probe"]);
    let dir = dir.file("prod/kustomization.yaml", overlay).file("prod/p.yaml", patch);
    assert_eq!(only(&dir), ["missing-readiness-probe"]);
}
