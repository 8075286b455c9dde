//! Charts and kustomizations end to end, rendered by the real helm and kustomize.

#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "charts/closed.rs"]
mod closed;
#[path = "charts/places.rs"]
mod places;
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Dir, Run, repository, succeed, tool};

/// A folder with a PATH of its own: what is in it are the tools there are.
fn with_tools(dir: Dir, tools: &[&str]) -> Dir {
    let bin = dir.path().join(".bin");
    fs::create_dir_all(&bin).unwrap();
    for name in tools {
        let name_on_path = name.trim_end_matches('4');
        std::os::unix::fs::symlink(tool(name), bin.join(name_on_path)).unwrap();
    }
    dir
}

fn chart(name: &str, tools: &[&str]) -> Dir {
    with_tools(chart_in(Dir::new(), name), tools)
}

/// A chart of the fixtures in a folder of its name.
fn chart_in(dir: Dir, name: &str) -> Dir {
    let source = repository().join("fixtures/charts").join(name);
    support::files_below(&source).iter().fold(dir, |dir, file| {
        dir.file(&format!("{name}/{file}"), fs::read(source.join(file)).unwrap())
    })
}

fn check(dir: &Dir, args: &[&str]) -> Run {
    let path = dir.path().join(".bin");
    let all = [&["check", "--date", "2026-11-24"], args].concat();
    dir.provost_with_env(&all, &[("PATH", path.to_str().unwrap())])
}

/// `path:line note` of every place of a rule's findings.
fn places(run: &Run, rule: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run}"));
    let findings = report["findings"].as_array().unwrap().iter();
    let of_rule = findings.filter(|finding| finding["rule"] == rule);
    let evidence = of_rule.flat_map(|finding| finding["evidence"].as_array().unwrap());
    evidence
        .map(|place| {
            let line = &place["start"]["line"];
            format!(
                "{}:{line} {}",
                place["path"].as_str().unwrap(),
                place["note"].as_str().unwrap()
            )
        })
        .collect()
}

/// What was printed, in one line: a terminal's lines break anywhere.
fn said(run: &Run) -> String {
    run.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A fake tool: what a real one does when something is wrong with it.
fn fake(dir: &Dir, name: &str, script: &str) {
    let path = dir.path().join(".bin").join(name);
    fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_fix_of_a_value_is_made_in_the_values_and_a_template_is_left() {
    let dir = chart("shop", &["helm"]);
    let before = dir.read("shop/templates/deployment.yaml");
    let run = check(
        &dir,
        &["--chart", "shop", "--fix", "--unsafe-fixes", "--only", "gomemlimit-above-memory-limit"],
    );
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(dir.read("shop/templates/deployment.yaml"), before);
    let values = dir.read("shop/values.yaml");
    assert!(values.contains("# more than the container has"), "{values}");
    assert!(!values.contains("2GiB"), "{values}");
    let again = check(
        &dir,
        &["--chart", "shop", "--fix", "--unsafe-fixes", "--only", "gomemlimit-above-memory-limit"],
    );
    assert_eq!(again.code, 0, "{again}");
    assert_eq!(dir.read("shop/values.yaml"), values);
}

/// One line of `values.yaml` is the limit of both: it was lowered for the smaller one.
#[test]
fn a_value_that_is_printed_in_several_places_is_fixed_for_all_or_not_at_all() {
    let template = "{{- range $name := list \"a\" \"b\" }}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ $name }}}\nspec:\n  \
                    selector: {matchLabels: {app: {{ $name }}}}\n  template:\n    metadata: {labels: {app: {{ $name }}}}\n    spec:\n      containers:\n        \
                    - name: web\n          image: r/web:1.2.3\n          env:\n            - name: GOMEMLIMIT\n              value: {{ $.Values.goMemLimit | quote }}\n          \
                    resources:\n            limits:\n              memory: MEMORY\n{{- end }}\n";
    let of = |memory: &str| {
        let dir = Dir::new()
            .file("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n")
            .file("web/values.yaml", "goMemLimit: 2GiB\n")
            .file("web/templates/all.yaml", template.replace("MEMORY", memory));
        let dir = with_tools(dir, &["helm"]);
        let rule = ["--only", "gomemlimit-above-memory-limit", "--chart", "web"];
        let run = check(&dir, &[&rule[..], &["--fix", "--unsafe-fixes"]].concat());
        (dir.read("web/values.yaml"), run)
    };
    let (values, run) = of("{{ if eq $name \"a\" }}512Mi{{ else }}4Gi{{ end }}");
    assert_eq!(values, "goMemLimit: 2GiB\n", "{run}");
    assert!(said(&run).contains("the value is printed elsewhere as well"), "{run}");
    let (values, run) = of("512Mi");
    assert_eq!(values, "goMemLimit: 460MiB\n", "{run}");
}

/// A line `- {name: GOMEMLIMIT, value: 2GiB}` lost its fix without a word: only a line of its own counted as one
/// value.
#[test]
fn a_value_inside_a_flow_mapping_is_fixed_where_it_stands_alone() {
    let of = |entry: &str| {
        let template = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n  \
             template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      containers:\n        - name: web\n          \
             image: r/web:1.2.3\n          env:\n            {entry}\n          resources: {{limits: {{memory: 512Mi}}}}\n"
        );
        let dir = Dir::new()
            .file("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n")
            .file("web/values.yaml", "goMemLimit: 2GiB\n")
            .file("web/templates/all.yaml", template);
        let dir = with_tools(dir, &["helm"]);
        let rule = ["--only", "gomemlimit-above-memory-limit", "--chart", "web"];
        let run = check(&dir, &[&rule[..], &["--fix", "--unsafe-fixes"]].concat());
        (dir.read("web/values.yaml"), run)
    };
    for entry in [
        "- {name: GOMEMLIMIT, value: {{ .Values.goMemLimit | quote }}}",
        "- {name: GOMEMLIMIT, value: {{ .Values.goMemLimit }} }",
        "- {value: '{{ .Values.goMemLimit }}', name: GOMEMLIMIT}",
    ] {
        let (values, run) = of(entry);
        assert_eq!(values, "goMemLimit: 460MiB\n", "{entry}: {run}");
    }
    // The text stands there twice: which of the two is meant is not known.
    let (values, run) = of("- {name: GOMEMLIMIT, value: {{ .Values.goMemLimit }} } # not 2GiB");
    assert_eq!(values, "goMemLimit: 2GiB\n", "{run}");
}

/// Both overlays are built of one base, and one of them patches the limit.
#[test]
fn a_base_is_fixed_for_all_overlays_or_not_at_all() {
    let base = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n  \
                template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n        - name: web\n          image: r/web:1\n          \
                env: [{name: GOMEMLIMIT, value: 2GiB}]\n          resources: {limits: {memory: 512Mi}}\n";
    let patch = "patches:\n  - patch: |\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: web}\n      spec: {template: {spec: \
                 {containers: [{name: web, resources: {limits: {memory: 4Gi}}}]}}}\n";
    for (more, expected) in [(patch, "2GiB"), ("", "460MiB")] {
        let over = |more: &str| format!("resources: [../base]\n{more}");
        let dir = Dir::new()
            .file("base/web.yaml", base)
            .file("base/kustomization.yaml", "resources: [web.yaml]\n")
            .file("a/kustomization.yaml", over("namespace: a\n"))
            .file("b/kustomization.yaml", over(&format!("namespace: b\n{more}")));
        let dir = with_tools(dir, &["kustomize"]);
        let rule =
            ["--only", "gomemlimit-above-memory-limit", "--kustomize", "a", "--kustomize", "b"];
        let run = check(&dir, &[&rule[..], &["--fix", "--unsafe-fixes"]].concat());
        assert!(dir.read("base/web.yaml").contains(expected), "{run}");
        let told = said(&run).contains("the value is printed elsewhere as well");
        assert_eq!(told, expected == "2GiB", "{run}");
    }
}

#[test]
fn hooks_are_no_services_and_secrets_stay_out() {
    let dir = chart("shop", &["helm"]);
    for format in ["text", "json", "sarif", "html", "markdown", "junit"] {
        let run = check(
            &dir,
            &["--chart", "shop", "--profile", "house", "--format", format, "--verbose"],
        );
        assert!(!run.out.contains("kanarie"), "{format}: {run}");
        assert!(!run.out.contains("a2FuYXJpZS03UXg5dlcybQ"), "{format}: {run}");
        assert!(!run.out.contains("naked-pod]"), "{format}: {run}");
    }
}

#[test]
fn tpl_lookup_libraries_and_crds_are_rendered() {
    let dir = chart("lookup", &["helm"]);
    let run = check(&dir, &["--chart", "lookup", "--format", "json"]);
    let found = places(&run, "gomemlimit-above-memory-limit");
    assert!(
        found.iter().any(|f| f.starts_with("lookup/templates/deployment.yaml:20 ")),
        "{found:#?}"
    );
    let dir = chart("library", &["helm"]);
    let run = check(&dir, &["--chart", "library", "--format", "json"]);
    let found = places(&run, "gomemlimit-above-memory-limit");
    assert!(found.iter().all(|f| f.starts_with("library/")), "{found:#?}");
    assert!(!found.is_empty(), "{run}");
    let dir = chart("crds", &["helm"]);
    let run = check(&dir, &["--chart", "crds", "--format", "json"]);
    let found = places(&run, "removed-api-version");
    assert!(found[0].starts_with("crds/crds/widget.yaml:1 "), "{found:#?}");
}

#[test]
fn a_chart_that_fails_says_why_and_hides_nothing_else() {
    let dir = chart("broken", &["helm"]).file(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n",
    );
    let run = check(&dir, &["--chart", "broken", "pod.yaml"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("chart broken: not judged"), "{run}");
    assert!(said(&run).contains("a name is required"), "{run}");
    assert!(run.out.contains("naked-pod"), "{run}");
    // The same in a report for machines.
    let run = check(&dir, &["--chart", "broken", "pod.yaml", "--format", "json"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["notices"][0]["kind"], "render-failed");
}

#[test]
fn without_helm_the_chart_is_not_judged() {
    let dir = chart("shop", &[]);
    let run = check(&dir, &["--chart", "shop"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("chart shop: not judged, because helm is not on PATH"), "{run}");
}

#[test]
fn a_renderer_that_prints_too_much_or_half_is_stopped_and_said() {
    let dir = chart("crds", &[]);
    fake(&dir, "helm", "exec cat /dev/zero");
    let run = check(&dir, &["--chart", "crds"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("helm printed more than 64 MiB and was stopped"), "{run}");
    fake(&dir, "helm", "printf -- '---\\n# Source: crds/templates/widget.yaml\\nkind: [a\\n'");
    let run = check(&dir, &["--chart", "crds"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("crds/templates/widget.yaml"), "{run}");
    fake(&dir, "helm", "kill -9 $$");
    let run = check(&dir, &["--chart", "crds"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("helm failed: signal: 9"), "{run}");
}

#[test]
fn a_packed_chart_is_judged_like_its_folder() {
    let dir = chart("shop", &["helm"]);
    let helm = tool("helm");
    succeed(Command::new(helm).args(["package", "shop"]).current_dir(dir.path()));
    let run = check(&dir, &["--chart", "shop-0.1.0.tgz", "--format", "json"]);
    let packed = places(&run, "gomemlimit-above-memory-limit");
    let run = check(&dir, &["--chart", "shop", "--format", "json"]);
    let folder = places(&run, "gomemlimit-above-memory-limit");
    let same: Vec<String> = packed.iter().map(|f| f.replace("shop-0.1.0.tgz:", "shop/")).collect();
    assert_eq!(same, folder);
    assert!(packed.iter().any(|f| f.starts_with("shop-0.1.0.tgz:values.yaml:")), "{packed:#?}");
}

#[test]
fn a_chart_packed_in_another_is_judged_like_its_folder() {
    let dir = chart("shop", &["helm"]);
    let run = check(&dir, &["--chart", "shop", "--format", "json"]);
    let folder = places(&run, "gomemlimit-above-memory-limit");
    let package = ["package", "shop/charts/cache", "--destination", "shop/charts"];
    succeed(Command::new(tool("helm")).args(package).current_dir(dir.path()));
    fs::remove_dir_all(dir.path().join("shop/charts/cache")).unwrap();
    let archives = fs::read_dir(dir.path().join("shop/charts")).unwrap();
    let names: Vec<String> = archives
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("cache-"))
        .collect();
    let [archive] = names.as_slice() else { panic!("{names:?}") };
    let run = check(&dir, &["--chart", "shop", "--format", "json"]);
    let packed = places(&run, "gomemlimit-above-memory-limit");
    let same: Vec<String> =
        packed.iter().map(|f| f.replace(&format!("{archive}:"), "cache/")).collect();
    assert_eq!(same, folder);
    // The value of the chart around it, and the archive's own.
    assert!(packed.iter().any(|f| f.contains("`cache.goMemLimit` is set here")), "{packed:#?}");
    let own = format!("shop/charts/{archive}:values.yaml:2 `memory` is set here");
    assert!(packed.contains(&own), "{packed:#?}");
}

fn kustomized(tools: &[&str]) -> Dir {
    with_tools(Dir::new().copy_of("fixtures/kustomize", |_| ()), tools)
}

/// A base is changed where everything that the change follows from stands in it; where an overlay
/// says the other half, somebody has to look.
#[test]
fn a_fix_goes_into_the_resource_that_says_the_value() {
    let deployment = |memory: &str, value: &str| {
        format!(
            "# The base of all.\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n  \
             template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      containers:\n        - name: web\n          image: registry.example/web:1\n          \
             env:\n            - {{name: GOMEMLIMIT, value: {value}}} # much\n          resources: {{limits: {{memory: {memory}}}}}\n"
        )
    };
    let with = |base: String, overlay: &str| {
        let dir = Dir::new()
            .file("base/web.yaml", base)
            .file("base/kustomization.yaml", "resources: [web.yaml]\n")
            .file(
                "over/kustomization.yaml",
                format!("resources: [../base]\nnamePrefix: x-\n{overlay}"),
            );
        with_tools(dir, &["kustomize"])
    };
    let rule = ["--only", "gomemlimit-above-memory-limit", "--kustomize", "over"];
    let fix = |dir: &Dir, more: &[&str]| check(dir, &[&rule[..], &["--fix"], more].concat());
    for value in ["2GiB", "\"2GiB\"", "'2GiB'"] {
        let dir = with(deployment("512Mi", value), "");
        let run = fix(&dir, &[]);
        assert_eq!(run.code, 0, "{run}");
        let expected = deployment("512Mi", &value.replace("2GiB", "460MiB"));
        assert_eq!(dir.read("base/web.yaml"), expected, "{run}");
    }
    // The overlay has the limit.
    let patch = "patches:\n  - patch: |\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: web}\n      spec: {template: {spec: \
                 {containers: [{name: web, resources: {limits: {memory: 512Mi}}}]}}}\n";
    let before = deployment("4Gi", "2GiB");
    let dir = with(before.clone(), patch);
    let run = fix(&dir, &[]);
    assert_eq!(run.code, 1, "{run}");
    assert!(!said(&run).contains("fix (safe)"), "{run}");
    assert_eq!(dir.read("base/web.yaml"), before);
    let run = fix(&dir, &["--unsafe-fixes"]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(dir.read("base/web.yaml"), deployment("4Gi", "460MiB"));
    // A file of the overlay that sets both is what is changed.
    let both = "patches: [{path: both.yaml}]\n";
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, env: [{name: GOMEMLIMIT, value: 1GiB}], \
                resources: {limits: {memory: 256Mi}}}]}}}\n";
    let dir = with(before.clone(), both).file("over/both.yaml", text);
    let run = fix(&dir, &[]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(dir.read("base/web.yaml"), before);
    assert_eq!(dir.read("over/both.yaml"), text.replace("1GiB", "230MiB"));
}

#[test]
fn a_folder_that_is_not_there_is_told_and_what_may_be_meant() {
    let dir = kustomized(&["kustomize", "helm"])
        .file("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")
        .file("values-production.yaml", "a: 1\n");
    for (args, expected) in [
        (
            &["--kustomize", "prodution"][..],
            "kustomization prodution: does not exist; did you mean production?",
        ),
        (&["--kustomize", "nowhere"], "kustomization nowhere: does not exist"),
        (
            &["--kustomize", "https://github.com/a/b?ref=v1"],
            "is a repository, and nothing is fetched; clone it first",
        ),
        (
            &["--kustomize", "production/kustomization.yaml"],
            "is a file; name the folder: --kustomize production",
        ),
        (&["--chart", "chart/web"], "chart chart/web: does not exist; did you mean charts/web?"),
        (&["--chart", "nowhere"], "chart nowhere: does not exist (charts of a repository"),
        (
            &["--chart", "charts/web", "--values", "values-prodution.yaml"],
            "--values: values-prodution.yaml does not exist; did you mean values-production.yaml?",
        ),
        (
            &["--binary", "base/deploymnt.yaml"],
            "base/deploymnt.yaml does not exist; did you mean base/deployment.yaml?",
        ),
        (&["--image", "oci:bases"], "bases does not exist; did you mean base?"),
    ] {
        let run = check(&dir, args);
        assert_eq!(run.code, 2, "{run}");
        let told = format!("{} {}", said(&run), run.err);
        assert!(told.contains(expected), "{args:?}: {run}");
        assert!(!told.contains("nowhere; did you mean"), "{run}");
    }
}

#[test]
fn what_is_required_says_how_it_is_rendered() {
    let dir = kustomized(&[]);
    let run = check(&dir, &["--require", "manifest", "production"]);
    assert!(run.code != 0, "{run}");
    let told = format!("{} {}", said(&run), run.err);
    assert!(told.contains("add --kustomize production"), "{run}");
    assert!(told.contains("render = true into provost.toml"), "{run}");
}

#[test]
fn without_kustomize_kubectl_is_taken() {
    let dir = kustomized(&[]);
    let run = check(&dir, &["--kustomize", "production"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("neither kustomize nor kubectl is on PATH"), "{run}");
    let kustomize = tool("kustomize");
    let script = format!("shift; exec {} build \"$@\"", kustomize.display());
    fake(&dir, "kubectl", &script);
    let run = check(&dir, &["--kustomize", "production"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(said(&run).contains("kubectl kustomize production"), "{run}");
}

#[test]
fn what_walking_finds_is_rendered_when_the_configuration_says_so() {
    let dir = chart("shop", &["helm"]).copy_of("fixtures/kustomize", |files| {
        files.retain(|file| !file.starts_with("remote"));
    });
    std::os::unix::fs::symlink(tool("kustomize"), dir.path().join(".bin/kustomize")).unwrap();
    let run = check(&dir, &["."]);
    assert!(run.out.contains("provost check --chart shop"), "{run}");
    assert!(run.out.contains("provost check --kustomize production"), "{run}");
    let dir = dir.file("provost.toml", "render = true\n");
    let run = check(&dir, &[".", "--format", "json"]);
    let found = places(&run, "gomemlimit-above-memory-limit");
    assert!(found.iter().any(|f| f.starts_with("shop/templates/deployment.yaml")), "{found:#?}");
    assert!(found.iter().any(|f| f.starts_with("production/memory.yaml")), "{found:#?}");
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["skipped"].as_array().unwrap().len(), 0, "{}", report["skipped"]);
}

#[test]
fn any_file_of_a_chart_changes_what_it_prints() {
    let dir = chart("shop", &["helm"]).file("elsewhere/a.txt", "a").file(".gitignore", ".bin\n");
    for args in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "first"]] {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(args);
        succeed(git.current_dir(dir.path()).env("GIT_CONFIG_GLOBAL", "/dev/null"));
    }
    // git is needed, besides the tools of the test.
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", dir.path().join(".bin").display());
    let args = ["check", "--date", "2026-11-24", "--diff-base", "HEAD", "--chart", "shop"];
    let check = |dir: &Dir| dir.provost_with_env(&args, &[("PATH", path.as_str())]);
    let dir = dir.file("elsewhere/a.txt", "b");
    let run = check(&dir);
    assert_eq!(run.code, 0, "{run}");
    let chart = dir.read("shop/Chart.yaml");
    let dir = dir.file("shop/Chart.yaml", format!("{chart}# changed\n"));
    let run = check(&dir);
    assert_eq!(run.code, 1, "{run}");
}

/// A program that says how it was run, in a file of the folder it was run in.
fn teller(dir: &Dir, name: &str) {
    let names = ["PATH", "HTTP_PROXY", "https_proxy", "all_proxy", "NO_PROXY", "KUBECONFIG"];
    let names = [&names[..], &["HELM_PLUGINS", "HELM_NAMESPACE", "XDG_CONFIG_HOME"]].concat();
    let lines: String = names.iter().map(|name| format!("{name}=[${name}]\n")).collect();
    let path = dir.path().join(".bin").join(name);
    fs::write(&path, format!("#!/bin/sh\ncat() {{ while read -r l; do echo \"$l\"; done; }}\ncat > told <<END\n{lines}END\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_values_file_with_a_comma_in_its_name_is_one_file() {
    for helm in ["helm", "helm4"] {
        let dir = chart("shop", &[helm])
            .file("a,b \"c\".yaml", "cache: {goMemLimit: 5GiB}\n")
            .file("b \"c\".yaml", "cache: {goMemLimit: 6GiB}\n");
        let args = ["--chart", "shop", "--values", "a,b \"c\".yaml", "--format", "json"];
        let run = check(&dir, &args);
        let found = places(&run, "gomemlimit-above-memory-limit");
        assert!(found.iter().any(|f| f.starts_with("a,b \"c\".yaml:1 ")), "{run}");
        assert!(found.iter().any(|f| f.contains("5368709120 bytes")), "{found:#?}");
    }
}

#[test]
fn a_fifo_is_no_chart() {
    let dir = with_tools(Dir::new(), &["helm"]);
    succeed(Command::new("mkfifo").arg(dir.path().join("pipe.tgz")));
    let run = check(&dir, &["--chart", "pipe.tgz"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("neither a folder with a Chart.yaml"), "{run}");
}

#[test]
fn a_chart_that_a_fix_breaks_is_said() {
    let dir = chart("shop", &["helm"]).file(
        "shop/templates/check.yaml",
        "{{ if ne (index .Values.env 1).value \"2GiB\" }}{{ fail \"changed\" }}{{ end }}\n",
    );
    let args = ["--chart", "shop", "--only", "gomemlimit-above-memory-limit"];
    assert_eq!(check(&dir, &args).code, 1);
    let run = check(&dir, &[&args[..], &["--fix", "--unsafe-fixes"]].concat());
    assert!(dir.read("shop/values.yaml") != read_of("shop/values.yaml"), "nothing is fixed");
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("helm failed: Error: execution error"), "{run}");
}

/// A file of the fixtures as it is.
fn read_of(path: &str) -> String {
    fs::read_to_string(repository().join("fixtures/charts").join(path)).unwrap()
}

#[test]
fn names_show_no_control_characters() {
    let dir = with_tools(Dir::new(), &["helm", "kustomize"]);
    for flag in ["--chart", "--kustomize"] {
        let run = check(&dir, &[flag, "a\u{1b}[31mb\u{202e}"]);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.out.contains("[31mb"), "{run}");
        assert!(!run.out.contains(['\u{1b}', '\u{202e}']), "{run}");
    }
    let run = check(&dir, &["--chart", "a\u{1b}b", "--format", "json"]);
    assert!(!run.out.contains("\\u001b"), "{run}");
}

#[test]
fn after_an_interrupt_no_further_tool_starts() {
    let dir = chart_in(chart("crds", &[]), "shop");
    fake(&dir, "helm", "echo ran >> ran; kill -INT $PPID; exec sleep 600");
    let run = check(&dir, &["--chart", "crds", "--chart", "shop"]);
    assert_eq!(run.code, 130, "{run}");
    assert_eq!(dir.read("ran"), "ran\n");
    assert!(said(&run).contains("shop: not judged, because the run was interrupted"), "{run}");
}

#[test]
fn what_may_be_secret_in_what_helm_says_is_masked() {
    let dir = chart("shop", &["helm"]).file(
        "shop/templates/fail.yaml",
        "{{ fail (printf \"no %s for %s\" .Values.password .Values.name) }}\n",
    );
    let set = ["--chart", "shop", "--set", "name=shop", "--set", "password=hunter2"];
    let run = check(&dir, &set);
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("no *** for shop"), "{run}");
    assert!(said(&run).contains("(*** stands for what may be a secret)"), "{run}");
    assert!(!run.out.contains("hunter2"), "{run}");
    // One without a value is not shown at all.
    let run = check(&dir, &["--chart", "shop", "--set", "a=1", "--set", "password:hunter2"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("--set: what is given second has no KEY=VALUE"), "{run}");
    assert!(!run.out.contains("hunter2"), "{run}");
}

#[test]
fn what_a_large_values_file_says_is_neither_changed_elsewhere_nor_shown() {
    let large = format!(
        "cache: {{goMemLimit: 4GiB}}\nmaintainer: hunter2\npassword: hunter2\n# {}\n",
        "x".repeat(1 << 20)
    );
    let dir = chart("shop", &["helm"]).file("large.yaml", large);
    let before = dir.read("shop/values.yaml");
    assert!(before.contains("4GiB"), "{before}");
    let args = ["--chart", "shop", "--values", "large.yaml", "--fix", "--unsafe-fixes"];
    let run = check(&dir, &[&args[..], &["--only", "gomemlimit-above-memory-limit"]].concat());
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(dir.read("shop/values.yaml"), before);
    let dir = dir.file("shop/templates/fail.yaml", "{{ fail .Values.maintainer }}\n");
    let run = check(&dir, &args[..4]);
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("helm failed: ***"), "{run}");
    assert!(!run.out.contains("hunter2"), "{run}");
}
