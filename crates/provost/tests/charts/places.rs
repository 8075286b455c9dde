//! Where findings of charts and kustomizations point.

use super::*;

#[test]
fn a_finding_points_at_the_template_and_at_the_value() {
    for helm in ["helm", "helm4"] {
        let dir = chart("shop", &[helm]);
        let run = check(&dir, &["--chart", "shop", "--format", "json"]);
        assert_eq!(run.code, 1, "{run}");
        let found = places(&run, "gomemlimit-above-memory-limit");
        insta::allow_duplicates! {
            insta::assert_snapshot!(found.join("\n"), @r#"
        shop/charts/cache/templates/deployment.yaml:17 the runtime starts to collect harder at 4294967296 bytes (rendered: `value: 4GiB`)
        shop/charts/cache/templates/deployment.yaml:20 the kernel kills at 1073741824 bytes (rendered: `memory: 1Gi`)
        shop/values.yaml:26 `cache.goMemLimit` is set here
        shop/charts/cache/values.yaml:2 `memory` is set here
        shop/templates/deployment.yaml:24 the runtime starts to collect harder at 2147483648 bytes (rendered: `value: "2GiB"`)
        shop/templates/deployment.yaml:36 the kernel kills at 536870912 bytes (rendered: `memory: 512Mi`)
        shop/values.yaml:20 `env[1].value` is set here
        shop/values.yaml:14 `resources.limits.memory` is set here
        "#);
        }
    }
}

#[test]
fn values_are_found_through_aliases_globals_and_what_a_helper_is_given() {
    for helm in ["helm", "helm4"] {
        let dir = chart("mesh", &[helm]);
        let run = check(&dir, &["--chart", "mesh", "--format", "json"]);
        let found = places(&run, "gomemlimit-above-memory-limit");
        insta::allow_duplicates! {
            insta::assert_snapshot!(found.join("\n"), @r#"
        mesh/charts/proxy/templates/deployment.yaml:17 the runtime starts to collect harder at 3221225472 bytes (rendered: `value: 3GiB`)
        mesh/charts/proxy/templates/deployment.yaml:20 the kernel kills at 1073741824 bytes (rendered: `memory: 1Gi`)
        mesh/values.yaml:11 `edge.goMemLimit` is set here
        mesh/values.yaml:3 `global.memory` is set here
        mesh/templates/_web.tpl:18 the runtime starts to collect harder at 2147483648 bytes (rendered: `value: 2GiB`)
        mesh/templates/_web.tpl:21 the kernel kills at 536870912 bytes (rendered: `memory: 512Mi`)
        mesh/values.yaml:7 `web.goMemLimit` is set here
        mesh/values.yaml:8 `web.memory` is set here
        "#);
        }
        let only = ["--only", "gomemlimit-above-memory-limit"];
        let args = [&["--chart", "mesh", "--fix", "--unsafe-fixes"], &only[..]].concat();
        let run = check(&dir, &args);
        assert_eq!(run.code, 0, "{run}");
        // The chart's own value of that name is another one.
        let values = dir.read("mesh/values.yaml");
        assert!(values.contains("\ngoMemLimit: 256MiB\n"), "{values}");
        assert!(!values.contains("2GiB") && !values.contains("3GiB"), "{values}");
        assert_eq!(
            dir.read("mesh/charts/proxy/values.yaml"),
            "goMemLimit: 64MiB\nglobal:\n  memory: 128Mi\n"
        );
        // What the command line sets is changed nowhere.
        let dir = chart("mesh", &[helm]);
        let before = dir.read("mesh/values.yaml");
        let set = ["--set", "edge.goMemLimit=3GiB,web.goMemLimit=2GiB"];
        let run = check(&dir, &[&args[..], &set].concat());
        assert_eq!(run.code, 1, "{run}");
        assert_eq!(dir.read("mesh/values.yaml"), before);
    }
}

#[test]
fn values_files_and_set_outrank_the_chart() {
    let dir = chart("shop", &["helm"]).file(
        "small.yaml",
        "resources:\n  limits:\n    memory: 256Mi\ncache: {goMemLimit: 3GiB}\n",
    );
    let args = ["--chart", "shop", "--values", "small.yaml", "--format", "json"];
    let run = check(&dir, &args);
    let found = places(&run, "gomemlimit-above-memory-limit");
    assert!(found.iter().any(|f| f.starts_with("small.yaml:3 ")), "{found:#?}");
    assert!(found.iter().any(|f| f.starts_with("small.yaml:4 ")), "{found:#?}");
    let run = check(&dir, &[&args[..], &["--set", "cache.goMemLimit=512MiB"]].concat());
    let found = places(&run, "gomemlimit-above-memory-limit");
    assert!(!found.iter().any(|f| f.contains("charts/cache")), "{found:#?}");
    let run = check(&dir, &[&args[..], &["--set", "cache.goMemLimit=5GiB"]].concat());
    let found = places(&run, "gomemlimit-above-memory-limit");
    assert!(found.iter().any(|f| f.contains("charts/cache/templates")), "{found:#?}");
    // Of the files none says it.
    let told: Vec<&String> = found.iter().filter(|f| f.contains("cache.goMemLimit")).collect();
    assert_eq!(told, ["--set cache.goMemLimit:null `cache.goMemLimit` is set here"]);
}

#[test]
fn a_tag_of_the_command_line_is_told_with_its_flag() {
    let dir = with_tools(Dir::new(), &["helm"])
        .file("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: latest\n")
        .file("web/values.yaml", "image:\n  repository: registry.example/web\n  tag: \"\"\n")
        .file(
            "web/templates/pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n    - name: web\n      image: \"{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}\"\n",
        );
    let only = ["--chart", "web", "--only", "floating-image-tag", "--format", "json"];
    let found = places(&check(&dir, &only), "floating-image-tag");
    assert!(
        found.contains(&"web/values.yaml:3 `image.tag` is empty here".to_owned()),
        "{found:#?}"
    );
    let set = [&only[..], &["--set", "image.tag=latest"]].concat();
    let found = places(&check(&dir, &set), "floating-image-tag");
    assert!(
        found.contains(&"--set image.tag:null `image.tag` is set here".to_owned()),
        "{found:#?}"
    );
    // Which is no file that a host of code could look for.
    let sarif = ["--chart", "web", "--only", "floating-image-tag", "--format", "sarif"];
    let run = check(&dir, &[&sarif[..], &["--set", "image.tag=latest"]].concat());
    assert!(run.out.contains("\"--set image.tag: `image.tag` is set here\""), "{run}");
    assert!(!run.out.contains("--set%20image.tag"), "{run}");
}

#[test]
fn a_finding_of_a_kustomization_names_the_resource_and_the_patch() {
    let dir = kustomized(&["kustomize"]);
    let run = check(&dir, &["--kustomize", "production", "--format", "json"]);
    let found = places(&run, "gomemlimit-above-memory-limit");
    insta::assert_snapshot!(found.join("\n"), @r#"
base/deployment.yaml:19 the runtime starts to collect harder at 2147483648 bytes
production/memory.yaml:12 the kernel kills at 536870912 bytes
"#);
    assert!(!run.out.contains("kanarie"), "{run}");
    // Judged as it is built, and not once more as it stands.
    let run = check(&dir, &["--kustomize", "production", "--format", "json", "."]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let inputs: Vec<&str> =
        report["inputs"].as_array().unwrap().iter().map(|i| i["path"].as_str().unwrap()).collect();
    assert_eq!(
        inputs.iter().filter(|path| **path == "base/deployment.yaml").count(),
        1,
        "{inputs:?}"
    );
    let skipped = report["skipped"].to_string();
    assert!(!skipped.contains("production") && !skipped.contains("base"), "{skipped}");
}

/// Keys and values that kustomize prints in another order, and what a generator takes from files.
#[test]
fn a_finding_of_a_kustomization_points_at_the_key_or_the_value() {
    let base = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: registry.example/web:1
          imagePullPolcy: Always
          ports: [{name: http, containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
    - name: http
      port: 80
      targetPort: htp
";
    let over = "\
resources: [../base]
patches:
  - path: service.yaml
configMapGenerator:
  - name: settings
    envs: [app.env]
    literals:
      - API_TOKEN=ghp_0123456789abcdefghijklmnopqrstuvwxyzAB
";
    let dir = Dir::new()
        .file("base/web.yaml", base)
        .file("base/kustomization.yaml", "resources: [web.yaml]\n")
        .file("over/kustomization.yaml", over)
        .file("over/app.env", "# what the application reads\nLEVEL=info\nDB_PASSWORD=hunter2hunter2\n")
        .file(
            "over/service.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80, nodePort: 30080}]}\n",
        );
    let dir = with_tools(dir, &["kustomize"]);
    let run = check(&dir, &["--kustomize", "over", "--format", "json"]);
    assert!(!run.to_string().contains("hunter2"), "{run}");
    assert!(!run.to_string().contains("ghp_"), "{run}");
    let at = |rule: &str| places(&run, rule);
    let ready = at("rolling-update-drops-capacity");
    assert!(ready[0].starts_with("base/web.yaml:4 "), "{ready:#?}");
    assert!(at("unknown-field")[0].starts_with("base/web.yaml:13 "), "{:#?}", at("unknown-field"));
    let target = at("unresolved-target-port");
    assert!(target[0].starts_with("base/web.yaml:24 "), "{target:#?}");
    let secrets = at("secret-in-config-map");
    assert!(secrets.iter().any(|s| s.starts_with("over/app.env:3 ")), "{secrets:#?}");
    assert!(secrets.iter().any(|s| s.starts_with("over/kustomization.yaml:8 ")), "{secrets:#?}");
    // The key, not the value.
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let unknown = report["findings"].as_array().unwrap().iter();
    let unknown = unknown.clone().find(|finding| finding["rule"] == "unknown-field").unwrap();
    assert_eq!(unknown["evidence"][0]["start"]["column"], 11);
    let run =
        check(&dir, &["--kustomize", "over", "--fix", "--unsafe-fixes", "--only", "unknown-field"]);
    assert_eq!(dir.read("base/web.yaml"), base.replace("Polcy", "Policy"), "{run}");
}

#[test]
fn what_is_set_on_the_command_line_is_not_looked_for_in_files() {
    let dir = chart("shop", &["helm"]);
    let set = ["--chart", "shop", "--format", "json", "--set"];
    for value in ["cache.goMemLimit=4GiB\\", "x=y{,cache.goMemLimit=4GiB"] {
        let run = check(&dir, &[&set[..], &[value]].concat());
        let found = places(&run, "gomemlimit-above-memory-limit");
        assert!(found.iter().any(|f| f.contains("charts/cache/templates")), "{run}");
        let in_file = |f: &String| f.contains(".yaml:") && f.contains("`cache.goMemLimit`");
        assert!(!found.iter().any(in_file), "{value}: {found:#?}");
    }
}
