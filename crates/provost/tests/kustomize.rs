//! What a kustomization changes is not what is written.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use support::{Dir, Run};

const WORKLOAD: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: \"registry.example/web:1\", ports: [{name: http, containerPort: 8080}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
  minReplicas: 2
  maxReplicas: 4
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers: [{name: api, image: \"registry.example/api:1\"}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: www}]}
";

const RULES: &str = "pdb-blocks-drain,hpa-without-requests,unresolved-target-port";

/// A kustomization with more lines, and a patch.
fn check(more: &str, patch: &str, args: &[&str]) -> Run {
    let dir = Dir::new()
        .file("base/all.yaml", WORKLOAD)
        .file("prod/kustomization.yaml", format!("resources: [../base/all.yaml]\n{more}"))
        .file("prod/change.yaml", patch);
    let run = ["check", "--date", "2026-11-24", "--only", RULES, "--fail-on", "never"];
    dir.provost(&[&run[..], args, &["."]].concat())
}

/// The rules that found something, and those that were not judged because of a patch.
fn judged(more: &str, patch: &str) -> (Vec<String>, Vec<String>) {
    let run = check(more, patch, &["--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let rules = |key: &str, reason: &str| {
        let items = report[key].as_array().unwrap().iter();
        let items = items.filter(|item| reason.is_empty() || item["reason"] == reason);
        let mut rules: Vec<_> =
            items.map(|item| item["rule"].as_str().unwrap().to_owned()).collect();
        rules.sort();
        rules
    };
    (rules("findings", ""), rules("not_judged", "patched"))
}

#[test]
fn what_a_patch_leaves_alone_is_judged() {
    let all = ["hpa-without-requests", "pdb-blocks-drain", "unresolved-target-port"];
    let (found, unknown) = judged("", "");
    assert_eq!((found.as_slice(), unknown.as_slice()), (&all.map(String::from)[..], &[][..]));
    let path = "patches: [{path: change.yaml}]\n";
    let web = "{kind: Deployment, apiVersion: apps/v1, metadata: {name: web}, spec: ";
    let api = "{kind: Deployment, apiVersion: apps/v1, metadata: {name: api}, spec: ";
    let replicas = format!("{web}{{replicas: 3}}}}");
    let image = format!("{web}{{template: {{spec: {{containers: [{{name: web, image: x}}]}}}}}}}}");
    let ports = format!(
        "{web}{{template: {{spec: {{containers: [{{name: web, ports: [{{name: www, containerPort: 80}}]}}]}}}}}}}}"
    );
    let requests = format!(
        "{api}{{template: {{spec: {{containers: [{{name: api, resources: {{requests: {{cpu: 1}}}}}}]}}}}}}}}"
    );
    let labels = format!("{web}{{template: {{metadata: {{labels: {{tier: x}}}}}}}}}}");
    let deleted = format!("{web}{{$patch: delete}}}}");
    let pointer = "patches: [{target: {kind: Deployment}, path: change.yaml}]\n";
    let list = "[{op: replace, path: /spec/template/spec/containers/0/image, value: x}]";
    let first = "[{op: add, path: /spec/template/spec/containers/0, value: {name: x}}]";
    let minimum = "[{op: replace, path: /spec/minAvailable, value: 0}]";
    let budget = "patches: [{target: {kind: PodDisruptionBudget, name: web}, path: change.yaml}]\n";
    let transformers = "transformers: [change.yaml]\n";
    let value = "replacements:\n- sourceValue: '3'\n  targets:\n  - select: {kind: Deployment, name: web}\n    \
                 fieldPaths: [spec.replicas]\n";
    let in_list = "{sourceValue: x, targets: [{select: {kind: Deployment, name: web}, fieldPaths: \
                   ['spec.template.spec.containers.[name=web].image']}]}";
    for (more, patch, patched) in [
        (path, replicas.as_str(), &all[1..2]),
        (path, &image, &[]),
        (path, &ports, &all[2..]),
        (path, &requests, &all[..1]),
        (path, &labels, &all[1..]),
        (path, &deleted, &all[1..]),
        (pointer, list, &[]),
        (pointer, first, &["hpa-without-requests", "unresolved-target-port"]),
        (pointer, "not a patch", &all[..]),
        (budget, minimum, &all[1..2]),
        ("replicas: [{name: web, count: 3}]\n", "", &all[1..2]),
        ("patchesStrategicMerge: [change.yaml]\n", &replicas, &all[1..2]),
        ("Replicas: [{name: web, count: 3}]\n", "", &all[1..2]),
        (value, "", &all[1..2]),
        ("replacements: [{path: change.yaml}]\n", in_list, &[]),
        ("replacements: [{path: none.yaml}]\n", "", &all[..]),
        (transformers, "{apiVersion: builtin, kind: LabelTransformer, metadata: {name: a}}", &[]),
        (transformers, "{apiVersion: builtin, kind: PatchTransformer, metadata: {name: a}}", &all),
        ("transformers: [folder]\n", "", &all[..]),
    ] {
        let (found, unknown) = judged(more, patch);
        assert_eq!(unknown, patched, "{more}{patch}");
        let others: Vec<&str> = all.into_iter().filter(|rule| !patched.contains(rule)).collect();
        assert_eq!(found, others, "{more}{patch}");
    }
}

#[test]
fn a_command_that_an_overlay_brings_is_one() {
    let pod = "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: \
               registry.example/web:1";
    let check = |base: &str, patch: &str| {
        let kind = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  ";
        let selector = "selector: {matchLabels: {app: web}}\n  ";
        let dir = Dir::new()
            .file("Dockerfile", "FROM gcr.io/distroless/static-debian12:nonroot\nCOPY web /web\n")
            .file("base/web.yaml", format!("{kind}{selector}{pod}{base}}}]}}}}\n"))
            .file("base/kustomization.yaml", "resources: [web.yaml]\n")
            .file("prod/kustomization.yaml", "resources: [../base]\npatches: [{path: c.yaml}]\n")
            .file(
                "prod/c.yaml",
                format!("{kind}template: {{spec: {{containers: [{{name: web, {patch}}}]}}}}\n"),
            );
        let run = dir.provost(&[
            "check",
            "--date",
            "2026-11-24",
            "--only",
            "missing-entrypoint-file",
            "--format",
            "json",
            ".",
        ]);
        let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        let count = |key: &str| report[key].as_array().unwrap().len();
        let reason = report["not_judged"][0]["reason"].as_str().unwrap_or_default().to_owned();
        (count("findings"), reason)
    };
    for base in ["", ", command: [/other]"] {
        assert_eq!(check(base, "command: [/web]"), (0, "patched".to_owned()), "{base}");
        assert_eq!(check(base, "tty: true"), (1, String::new()), "{base}");
    }
}

#[test]
fn a_patched_manifest_is_said_and_is_no_manifest_to_require() {
    let replicas = "replicas: [{name: web, count: 3}]\n";
    let json = check(replicas, "", &["--format", "json"]);
    assert!(
        json.out.contains("spec.replicas of default/Deployment/web, which kustomize"),
        "{json}"
    );
    let run = check(replicas, "", &["--require", "manifest"]);
    let line = "patched: 1 rule; kustomize changes it; give its folder with --kustomize DIR\n";
    assert!(run.out.contains(line), "{run}");
    assert_eq!(run.code, 1, "{run}");
    let message = "error: --require names a manifest, and default/PodDisruptionBudget/web is one only \
                   when kustomize has built it\n";
    assert!(run.err.contains(message), "{run}");
    assert_eq!(check("", "", &["--require", "manifest"]).code, 0);
}

/// What an overlay fills in is not refused as the base has it; what it leaves alone is.
#[test]
fn what_a_patch_replaces_is_not_refused() {
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: report}\nspec:\n  schedule: set by the \
                overlay\n  timeZone: Local\n  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, \
                containers: [{name: a, image: \"registry.example/a:1\"}]}}}}\n";
    let web = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  minReadySeconds: 700\n  \
               selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {app: web}}, spec: {containers: \
               [{name: a, image: \"registry.example/a:1\"}]}}\n";
    let refused = |patches: &str| {
        let overlay = format!("resources: [../base]\n{patches}");
        let dir = Dir::new()
            .file("base/kustomization.yaml", "resources: [cron.yaml, web.yaml]\n")
            .file("base/cron.yaml", cron)
            .file("base/web.yaml", web)
            .file("prod/kustomization.yaml", overlay);
        let run = dir.provost(&["check", "--only", "rejected-by-api-server", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        let messages =
            report["findings"].as_array().unwrap().iter().map(|f| f["message"].to_string());
        let has = |what: &str| messages.clone().any(|message| message.contains(what));
        let unknown = report["not_judged"].as_array().unwrap().len();
        (has("the schedule"), has("timeZone"), has("progressDeadlineSeconds"), unknown > 0)
    };
    assert_eq!(refused(""), (true, true, true, false));
    let schedule = "patches:\n- target: {kind: CronJob}\n  patch: '[{op: replace, path: /spec/schedule, value: \
                    \"0 4 * * *\"}]'\n";
    assert_eq!(refused(schedule), (false, true, true, true));
    let ready = "patches:\n- patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: \
                 {minReadySeconds: 5}}'\n";
    assert_eq!(refused(ready), (true, true, false, true));
    // The other half of the comparison, which the base leaves to its default.
    let deadline = ready.replace("minReadySeconds: 5", "progressDeadlineSeconds: 900");
    assert_eq!(refused(&deadline), (true, true, false, true));
}

/// Rules that look at all objects at once know patches like those that look at one.
#[test]
fn virtual_services_of_one_host_are_two_hosts_where_one_is_patched() {
    let service = |name: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec:\n  \
             hosts: [api]\n  http: [{{route: [{{destination: {{host: api}}}}]}}]\n"
        )
    };
    let run = |patch: &str| {
        let dir = Dir::new()
            .file("base/vs.yaml", format!("{}---\n{}", service("a"), service("b")))
            .file("base/kustomization.yaml", "resources: [vs.yaml]\n")
            .file("over/kustomization.yaml", format!("resources: [../base]\n{patch}"));
        let only = ["--only", "conflicting-virtual-services", "--format", "json", "."];
        let run = dir.provost(&[&["check", "--fail-on", "never"], &only[..]].concat());
        let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        let count = |key: &str| report[key].as_array().unwrap().len();
        (count("findings"), count("not_judged"))
    };
    assert_eq!(run(""), (1, 0));
    let other = "patches:\n- target: {kind: VirtualService, name: b}\n  patch: |-\n    - op: replace\n      \
                 path: /spec/hosts/0\n      value: other\n";
    assert_eq!(run(other), (0, 1));
}

/// `ledger@sha256:abcd` beside a kustomization that only lists the file was never judged; `images` of that name, or of
/// what builds upon it, keep it open.
#[test]
fn an_image_is_judged_unless_a_kustomization_sets_it() {
    let found = |more: &str| {
        let dir = Dir::new()
            .file(
                "base/app.yaml",
                "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
        - {name: app, image: \"app@sha256:abcd\"}
        - {name: side, image: side}
",
            )
            .file("base/kustomization.yaml", "resources: [app.yaml]")
            .file("prod/kustomization.yaml", format!("resources: [../base]\n{more}"));
        let only = "malformed-image-reference,floating-image-tag";
        let run = dir.provost(&[
            "check",
            "--date",
            "2026-11-24",
            "--only",
            only,
            "--fail-on",
            "never",
            "--format",
            "json",
            ".",
        ]);
        let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        findings
            .map(|f| format!("{} {}", f["level"].as_str().unwrap(), f["rule"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let malformed = "warning malformed-image-reference";
    let floating = "warning floating-image-tag";
    assert_eq!(found(""), [malformed, floating]);
    assert_eq!(found("images: [{name: app, newTag: v1}]"), [floating]);
    assert_eq!(found("images: [{name: other, newTag: v1}]"), [malformed, floating]);
    assert_eq!(found("images: [{name: app, newTag: v1}, {name: side, newTag: v1}]"), [""; 0]);
}
