//! Repositories as people have them: a debug listener, files of their own, workspaces, tools.

use std::fs;

use super::support::{Dir, Run, files_below};
use super::{DATE, commit, git, has, init, module, program, report, said};

/// Nothing opens a listener that its author has closed.
#[test]
fn a_listener_on_loopback_stays_there() {
    for args in [&["--ci", "none"][..], &["--ci", "none", "--helm"]] {
        let dir = module("debug");
        let run = init(&dir, args);
        has(&dir, "Dockerfile", &["EXPOSE 8080"]);
        let at = if args.len() > 2 { "charts/ledger/templates" } else { "deploy" };
        let deployment = dir.read(&format!("{at}/deployment.yaml"));
        assert!(!deployment.contains("containerPort: 6060"), "{deployment}");
        assert!(!deployment.contains("- name: DEBUG_ADDR"), "{deployment}");
        assert!(deployment.contains("# DEBUG_ADDR stays at the program's default"), "{deployment}");
        let rest = format!("{}{}", dir.read("Dockerfile"), dir.read(&format!("{at}/service.yaml")));
        assert!(!rest.contains("6060"), "{rest}");
        let text = said(&run);
        assert!(text.contains("on the loopback address port 6060 (DEBUG_ADDR)"), "{run}");
        let way = if args.len() > 2 { "POD" } else { "deployment/ledger" };
        assert!(text.contains(&format!("kubectl port-forward {way} 6060 reaches it")), "{run}");
        assert!(!text.contains("What the program lacks"), "{run}");
    }
}

#[test]
fn profiles_that_everybody_reaches_are_said() {
    let of = |imports: &str, body: &str| {
        let dir = program(&format!(
            "import (\n{imports}\n\"net/http\"\n)\nfunc main() {{ http.HandleFunc(\"/healthz\", f); {body} }}\n"
        ));
        said(&init(&dir, &["--ci", "none"]))
    };
    let text = of("_ \"net/http/pprof\"", "http.ListenAndServe(\":8080\", nil)");
    assert!(text.contains("parcel answers /debug/pprof/ on port 8080, to everybody"), "{text}");
    let text = of("_ \"expvar\"", "http.ListenAndServe(\":8080\", nil)");
    assert!(text.contains("parcel answers /debug/vars on port 8080, to everybody"), "{text}");
    for (imports, body) in [
        ("", "http.ListenAndServe(\":8080\", nil)"),
        ("_ \"net/http/pprof\"", "http.ListenAndServe(\":8080\", mux)"),
        (
            "_ \"net/http/pprof\"",
            "go http.ListenAndServe(\"localhost:6060\", nil); http.ListenAndServe(\":8080\", mux)",
        ),
    ] {
        let text = of(imports, body);
        assert!(!text.contains("/debug/"), "{imports} {body}: {text}");
    }
}

/// The kubelet asks the pod's address; a path that is answered on loopback alone is none for it.
#[test]
fn probes_do_not_go_where_only_the_pod_is() {
    let dir = program(
        "import \"net/http\"\nfunc main() { adminMux.HandleFunc(\"/readyz\", f); adminMux.HandleFunc(\"/livez\", f)\n\
         go http.ListenAndServe(env(\"ADMIN_ADDR\", \"127.0.0.1:8081\"), adminMux)\nhttp.ListenAndServe(env(\"HTTP_ADDR\", \":8080\"), mux) }\n",
    );
    let run = init(&dir, &["--ci", "none"]);
    let deployment = dir.read("deploy/deployment.yaml");
    assert!(!deployment.contains("httpGet"), "{deployment}");
    assert!(said(&run).contains("on the loopback address alone, and the kubelet asks"), "{run}");
}

#[test]
fn the_next_command_names_the_modules_folder() {
    let source =
        "package main\nimport \"net/http\"\nfunc main() { http.ListenAndServe(\":8080\", nil) }\n";
    let dir = |folder: &str| {
        Dir::new()
            .file(&format!("{folder}/go.mod"), "module example.com/a\n\ngo 1.27.0\n")
            .file(&format!("{folder}/cmd/api/main.go"), source)
    };
    let next = |run: &Run| {
        let line = run.out.lines().find_map(|line| line.strip_prefix("Next: commit, then "));
        line.unwrap_or_else(|| panic!("{run}")).to_owned()
    };
    for (from, path, expected) in [
        ("", "x/go.mod", "provost check --build x"),
        ("", "x", "provost check --build x"),
        ("", "x/cmd/api/main.go", "provost check --build x"),
        ("x", ".", "provost check --build ."),
        ("x/cmd/api", ".", "provost check --build ../.."),
    ] {
        let run = dir("x").provost_in(from, &["init", path, "--ci", "none"]);
        assert_eq!((run.code, next(&run).as_str()), (0, expected), "{from} {path}\n{run}");
    }
    let run = dir("my svc").provost(&["init", "my svc", "--ci", "none", "--helm"]);
    assert_eq!(next(&run), "provost check --build --chart 'my svc/charts/api' 'my svc'", "{run}");
}

#[test]
fn a_broken_go_mod_is_told_where() {
    for (text, message) in [
        (
            "modul example.com/a\n",
            "x/go.mod:1: `modul example.com/a` is no directive; expected one such as module",
        ),
        (
            "module example.com/a\ngo banana\n",
            "x/go.mod:2: `go banana` is no version of Go; expected one such as go 1.27.0",
        ),
        ("module example.com/a\nrequire (\n", "x/go.mod:2: the block of require is not closed"),
    ] {
        let dir = Dir::new().file("x/go.mod", text).file("x/main.go", "package main\n");
        let run = dir.provost(&["init", "x"]);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.err.contains(message), "{message}\n{run}");
    }
}

#[test]
fn what_is_there_can_be_kept() {
    let dir = module("http")
        .file("Dockerfile", "FROM scratch\n")
        .file("deploy/mine.yaml", "a: 1\n")
        .file("k8s/base/all.yml", "a: 1\n")
        .file("docker/Dockerfile", "FROM scratch\n");
    let run = dir.provost(&["init", "--ci", "none"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("--keep leaves it alone and writes the others"), "{run}");
    // There is none to be left out.
    assert!(!run.err.contains("--ci none"), "{run}");

    let run = init(&dir, &["--keep"]);
    assert!(run.out.contains("left alone     Dockerfile"), "{run}");
    assert!(run.out.contains("written        deploy/deployment.yaml"), "{run}");
    assert_eq!(dir.read("Dockerfile"), "FROM scratch\n");
    let text = said(&run);
    for sentence in [
        "Dockerfile is yours. The manifests expect that its image starts the program by itself",
        "deploy/ already has mine.yaml: neither read nor changed",
        "k8s/ already has base/all.yml",
        "docker/Dockerfile is neither read nor changed",
    ] {
        assert!(text.contains(sentence), "{sentence}\n{run}");
    }
    // A pipeline in the way can be left out.
    let dir = module("http").file(".gitlab-ci.yml", "a: 1\n");
    let run = dir.provost(&["init"]);
    assert!(run.err.contains("--ci none leaves out pipelines"), "{run}");
    let run = dir.provost(&["init", "--keep", "--force"]);
    assert_eq!(run.code, 2, "{run}");
}

/// What is called and ends is not deployed as a service.
#[test]
fn a_tool_is_told_from_a_service() {
    let dir = Dir::new().file("go.mod", "module example.com/tool\n").file(
        "main.go",
        "package main\nimport (\n\"flag\"\n\"fmt\"\n)\nfunc main() { flag.Parse(); fmt.Println(\"42\") }\n",
    );
    let run = dir.provost(&["init"]);
    assert_eq!(run.code, 2, "{run}");
    let text = run.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(". is no service: its source listens on no port"), "{run}");
    assert!(text.contains("--package . writes for it all the same"), "{run}");
    assert_eq!(files_below(dir.path()).len(), 2);
    init(&dir, &["--package", ".", "--ci", "none"]);
    assert!(dir.path().join("deploy/deployment.yaml").exists());
}

#[test]
fn a_workspace_is_entered_by_its_modules() {
    let dir = Dir::new()
        .file("go.work", "go 1.27.0\n\nuse (\n\t./api\n\t./lib // shared\n)\n")
        .file("lib/go.mod", "module example.com/shop/lib\n\ngo 1.27.0\n")
        .file("lib/lib.go", "package lib\n")
        .file("api/go.mod", "module example.com/shop/api\n\ngo 1.27.0\n")
        .file(
            "api/main.go",
            "package main\nimport (\n\"net/http\"\n\"example.com/shop/lib/wire\"\n)\nfunc main() { http.ListenAndServe(\":8080\", wire.Mux()) }\n",
        );
    let run = dir.provost(&["init"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("the workspace's modules are ./api, ./lib"), "{run}");
    let run = dir.provost(&["init", "api", "--ci", "none"]);
    assert_eq!(run.code, 0, "{run}");
    let text = said(&run);
    assert!(text.contains("example.com/shop/lib comes from the workspace (./lib)"), "{run}");
    assert!(!text.contains("example.com/shop/api comes from"), "{run}");
}

/// Only a folder with the repository in it has a commit to stamp.
#[test]
fn comments_are_true_of_the_folder() {
    let dir = module("http");
    init(&dir, &["--ci", "none"]);
    assert!(dir.read("Dockerfile").contains("# .git comes along"));
    let dir = Dir::new().copy_of("fixtures/init", |files| files.retain(|f| f.starts_with("http/")));
    git(&dir, &["init", "--quiet"]);
    assert_eq!(dir.provost(&["init", "http"]).code, 0);
    for file in ["http/Dockerfile", "http/.dockerignore"] {
        let text = dir.read(file);
        assert!(!text.contains(".git comes along") && !text.contains(".git stays"), "{text}");
    }
}

/// yamllint's default wants the mark at the head of a document.
#[test]
fn documents_begin_with_their_mark() {
    for args in [&[][..], &["--helm"]] {
        let dir = module("http");
        init(&dir, args);
        let files = files_below(dir.path());
        let plain = files.iter().filter(|f| !f.starts_with(".git/") && !f.contains("/templates/"));
        let yaml: Vec<_> = plain.filter(|f| f.ends_with(".yaml") || f.ends_with(".yml")).collect();
        assert!(yaml.len() >= 4, "{yaml:?}");
        for file in yaml {
            let text = fs::read_to_string(dir.path().join(file)).unwrap();
            assert!(text.starts_with("---\n"), "{file}:\n{text}");
        }
    }
}

/// The comment about whole CPUs and the rule about fractions say the same.
#[test]
fn the_limit_that_the_comment_allows_is_one_that_the_gate_allows() {
    let dir = module("http");
    init(&dir, &["--ci", "none"]);
    let deployment = dir.read("deploy/deployment.yaml");
    assert!(deployment.contains("whole CPUs from 2 on"), "{deployment}");
    let dir = dir.file("deploy/deployment.yaml", deployment.replace("cpu: \"2\"", "cpu: \"1\""));
    commit(&dir);
    let report = report(&dir, &["--build"]);
    let rules: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["rule"].as_str().unwrap())
        .collect();
    assert_eq!(rules, ["fractional-cpu-limit"], "{} {report:#}", DATE[1]);
}
