use std::fs;

use super::*;

/// A tree of files: a path ending in `/` is a directory.
fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

/// Kinds and paths below the tree, one a line, then what was skipped and what is unusable.
fn found(dir: &Path, paths: &[&str]) -> String {
    let paths: Vec<PathBuf> = paths.iter().map(|p| dir.join(p)).collect();
    let found = discover(&paths, &Limits::default());
    let prefix = format!("{}/", shown(dir));
    let mut out = String::new();
    for file in &found.files {
        let named = if file.named { " (named)" } else { "" };
        out.push_str(&format!("{} {}{named}\n", file.kind.name(), file.shown));
    }
    for skipped in &found.skipped {
        let render = skipped.render.as_deref().unwrap_or("-");
        out.push_str(&format!("skipped {}: {render}\n", skipped.path));
    }
    for bad in &found.unusable {
        out.push_str(&format!("unusable {}: {}\n", bad.shown, bad.message));
    }
    out.replace(&prefix, "")
}

const ELF: &[u8] = b"\x7fELF\x02\x01\x01";

#[test]
fn a_repository_is_seen_as_it_is_meant() {
    let dir = tree(&[
        ("go.mod", b"module m"),
        ("provost.toml", b""),
        ("Dockerfile", b"FROM scratch"),
        ("Dockerfile.dockerignore", b""),
        ("build/Dockerfile.dev", b""),
        ("build/api.Dockerfile", b""),
        ("build/Containerfile", b""),
        ("build/Dockerfile.tmpl", b""),
        ("docs/Dockerfile.md", b""),
        ("build/Dockerfile.py", b"# syntax=docker/dockerfile:1\nFROM python:3.14-slim\n"),
        ("rules/dockerfile.py", b"from shop import cart\n"),
        ("rules/dockerfile.rego", b"package dockerfile\n\nlen := 1\n"),
        ("deploy/b.yml", b""),
        ("deploy/a.yaml", b""),
        ("deploy/a.json", b""),
        ("deploy/notes.txt", b""),
        (".github/workflows/ci.yaml", b""),
        (".gitignore", b"/out/\n*.gen.yaml\n"),
        ("out/x.yaml", b""),
        ("deploy/y.gen.yaml", b""),
        ("testdata/broken.yaml", b""),
        ("node_modules/p/package.json", b""),
        ("vendor/modules.txt", b""),
        ("vendor/k8s.io/a.yaml", b""),
        ("other/vendor/own.yaml", b""),
        ("bin/server", ELF),
        ("bin/lib.so", ELF),
        ("LICENSE", b"text"),
        ("main.go", b"package main"),
    ]);
    assert_eq!(
        found(dir.path(), &[""]),
        "\
dockerfile Dockerfile
binary bin/server
dockerfile build/Containerfile
dockerfile build/Dockerfile.dev
dockerfile build/Dockerfile.py
dockerfile build/api.Dockerfile
manifest deploy/a.json
manifest deploy/a.yaml
manifest deploy/b.yml
go.mod go.mod
manifest other/vendor/own.yaml
config provost.toml
skipped testdata: provost check testdata
"
    );
    // What is left out of a walk can still be named, a directory or a file.
    assert_eq!(
        found(dir.path(), &["testdata", "out/x.yaml"]),
        "manifest out/x.yaml (named)\nmanifest testdata/broken.yaml\n"
    );
}

#[test]
fn charts_and_kustomizations_are_said_and_not_judged() {
    let kustomization = b"resources: [deploy.yaml, ./patched-by-name.yaml]\npatches:\n- path: memory.yaml\n- patch: |\n    a: b\n  target: {kind: Deployment}\npatchesStrategicMerge: [cpu.yaml]\n";
    let dir = tree(&[
        ("chart/Chart.yaml", b"name: c"),
        ("chart/values.yaml", b""),
        ("chart/templates/a.yaml", b""),
        ("chart/charts/sub/Chart.yaml", b""),
        ("chart/charts/sub/templates/a.yaml", b""),
        ("chart/docs/example.yaml", b""),
        ("chart/Dockerfile", b""),
        ("k/kustomization.yaml", kustomization),
        ("k/deploy.yaml", b""),
        ("k/memory.yaml", b""),
        ("k/cpu.yaml", b""),
        ("k/manager_webhook_patch.yaml", b""),
        ("k/patches/x.yaml", b""),
        ("k/patched-by-name.yaml", b""),
        ("plain/hotpatch.yaml", b""),
    ]);
    let prefix = format!("{}/", shown(dir.path()));
    assert_eq!(
        found(dir.path(), &[""]).replace(&prefix, ""),
        "\
dockerfile chart/Dockerfile
manifest chart/docs/example.yaml
manifest k/deploy.yaml
manifest k/patched-by-name.yaml
manifest plain/hotpatch.yaml
skipped chart: provost check --chart chart
skipped k: provost check --kustomize k
"
    );
}

#[test]
fn a_name_with_blanks_or_quotes_is_one_word_of_the_command() {
    let line = |path: &str| rendered_by("--chart", Path::new(path));
    assert_eq!(line("deploy/chart-1.0"), "provost check --chart deploy/chart-1.0");
    assert_eq!(line("my chart"), "provost check --chart 'my chart'");
    assert_eq!(line("$(id)'; id"), r"provost check --chart '$(id)'\''; id'");
    assert_eq!(line("-f"), "provost check --chart ./-f");
}

#[test]
fn a_chart_may_be_the_root_of_a_repository() {
    let dir = tree(&[
        ("Chart.yaml", b""),
        ("values.yaml", b""),
        ("templates/a.yaml", b""),
        ("deploy/a.yaml", b""),
    ]);
    let found = discover(&[dir.path()], &Limits::default());
    let names: Vec<_> = found.files.iter().map(|f| f.shown.rsplit_once('/').unwrap()).collect();
    assert_eq!(names.len(), 1);
    assert!(names[0].0.ends_with("/deploy"), "{names:?}");
    assert_eq!(found.skipped.len(), 1);
}

#[test]
fn named_files_are_told_by_their_content() {
    let dir = tree(&[
        ("server", ELF),
        ("rendered", b"# helm\napiVersion: v1\n"),
        ("build.txt", b"# c\nFROM scratch\n"),
        ("picture.png", b"\x89PNG"),
        ("empty", b""),
    ]);
    assert_eq!(
        found(dir.path(), &["server", "rendered", "build.txt", "picture.png", "empty", "none"]),
        "\
dockerfile build.txt (named)
manifest rendered (named)
binary server (named)
unusable empty: is no manifest, Dockerfile, executable or image
unusable none: does not exist
unusable picture.png: is no manifest, Dockerfile, executable or image
"
    );
}

#[test]
fn a_path_given_twice_is_one_file_and_the_order_of_arguments_is_nothing() {
    let dir = tree(&[("a/x.yaml", b""), ("b/y.yaml", b"")]);
    let expected = "manifest a/x.yaml (named)\nmanifest b/y.yaml\n";
    assert_eq!(found(dir.path(), &["", "a/x.yaml", "a"]), expected);
    assert_eq!(found(dir.path(), &["a", "./a/x.yaml", ""]), expected);
}

#[test]
fn the_walk_has_a_limit_and_says_so() {
    let dir = tree(&[("1.yaml", b""), ("2.yaml", b""), ("3.yaml", b"")]);
    let found = discover(&[dir.path()], &Limits { files: 2, ..Limits::default() });
    assert_eq!(found.files.len(), 2);
    assert_eq!(found.unusable[0].kind, ProblemKind::Limit);
}

#[cfg(unix)]
#[test]
fn links_pipes_and_sockets_are_harmless() {
    use std::os::unix::fs::symlink;
    let dir = tree(&[("in/a.yaml", b""), ("far/b.yaml", b"")]);
    let inside = dir.path().join("in");
    symlink(&inside, inside.join("loop")).unwrap();
    symlink(inside.join("a.yaml"), inside.join("again.yaml")).unwrap();
    symlink(dir.path().join("far/b.yaml"), inside.join("far.yaml")).unwrap();
    symlink(inside.join("nowhere"), inside.join("dangling.yaml")).unwrap();
    symlink(inside.join("self.yaml"), inside.join("self.yaml")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(inside.join("pipe.yaml")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(inside.join("s.yaml")).unwrap();
    assert_eq!(found(&inside, &[""]), "manifest a.yaml\nmanifest far.yaml\n");
    let named = discover(&[inside.join("s.yaml"), inside.join("loop")], &Limits::default());
    assert_eq!(named.unusable.len(), 1);
    assert_eq!(named.unusable[0].message, "is neither a file nor a directory");
    assert!(named.files.iter().any(|f| f.shown.ends_with("loop/a.yaml")));
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_found_and_shown_as_well_as_can_be() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tree(&[("a.yaml", b"")]);
    fs::write(dir.path().join(OsStr::from_bytes(b"\xff.yaml")), b"").unwrap();
    let found = discover(&[dir.path()], &Limits::default());
    // The name cannot be told to end in `.yaml`, but nothing breaks.
    assert!(found.files.iter().any(|f| f.shown.ends_with("a.yaml")));
}

#[test]
fn paths_are_shown_as_given_without_dots() {
    let text = |path: &str| shown(Path::new(path));
    assert_eq!(text("./deploy/./a.yaml"), "deploy/a.yaml");
    assert_eq!(text("../x"), "../x");
    assert_eq!(text("/a//b"), "/a/b");
    assert_eq!(text("."), ".");
}

#[test]
fn what_a_test_expects_is_not_judged() {
    let steps =
        b"steps:\n- try:\n  - assert: {file: ../expected/pod.yaml}\n  - apply: {file: app.yaml}";
    let dir = tree(&[
        ("e2e/chainsaw-test.yaml", steps),
        ("e2e/deployment-assert.yaml", b""),
        ("e2e/app.yaml", b""),
        ("expected/pod.yaml", b""),
        ("kuttl/00-assert.yaml", b""),
        ("kuttl/00-install.yaml", b""),
        ("deploy/error-page.yaml", b""),
    ]);
    let root = format!("skipped {}: -", shown(dir.path()));
    assert_eq!(
        found(dir.path(), &[""]).replace(&root, "skipped the root"),
        "\
manifest deploy/error-page.yaml
manifest e2e/app.yaml
manifest e2e/chainsaw-test.yaml
manifest kuttl/00-install.yaml
skipped the root
"
    );
}

#[test]
fn a_kustomization_reaches_what_its_bases_name() {
    let dir = tree(&[
        ("base/kustomization.yaml", b"resources: [app.yaml]"),
        ("base/app.yaml", b""),
        ("prod/kustomization.yaml", b"resources: [../base, pdb.yaml, ../prod]\npatches:\n- path: cpu.yaml\n- target: {kind: Pod}\n  patch: x\n- target: {kind: Service, name: web}\n  patch: '[{op: replace, path: /spec/ports/0/targetPort, value: 80}, {op: remove, path: /spec/type}]'\nreplicas: [{name: web, count: 3}]\n"),
        ("prod/cpu.yaml", b"kind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, resources: {limits: null}}]}}}"),
        ("prod/pdb.yaml", b""),
        ("other/pdb.yaml", b""),
    ]);
    let found = discover(&[dir.path()], &Limits::default());
    let prefix = format!("{}/", shown(dir.path()));
    let reached: Vec<String> = found
        .kustomizations
        .iter()
        .map(|(path, Reached { by, patched, .. })| {
            format!("{} {by:?} {patched:?}", path.replace(&prefix, ""))
        })
        .collect();
    assert_eq!(
        reached,
        [
            "base/app.yaml [0, 1] [{\"*/web\": {\"spec/replicas\"}, \"Deployment/web\": {\"spec/template/spec/containers/resources/limits\"}, \"Pod/*\": {\"\"}, \"Service/web\": {\"spec/ports/targetPort\", \"spec/type\"}}]",
            "prod/pdb.yaml [1] [{\"*/web\": {\"spec/replicas\"}, \"Deployment/web\": {\"spec/template/spec/containers/resources/limits\"}, \"Pod/*\": {\"\"}, \"Service/web\": {\"spec/ports/targetPort\", \"spec/type\"}}]"
        ]
    );
}

/// A kustomization that lists files sets no image; whatever one beside or above it does counts for those that it
/// reaches.
#[test]
fn a_kustomization_that_only_lists_a_file_sets_no_image() {
    let dir = tree(&[
        ("plain/kustomization.yaml", b"resources: [app.yaml]\nnamePrefix: a-"),
        ("plain/app.yaml", b""),
        ("base/kustomization.yaml", b"resources: [app.yaml]"),
        ("base/app.yaml", b""),
        (
            "prod/kustomization.yaml",
            b"resources: [../base]\nimages: [{name: ghcr.io/Acme/app, newTag: v1}]",
        ),
        (
            "part/kustomization.yaml",
            b"kind: Component\nimages: [{name: worker, digest: 'sha256:a'}]",
        ),
        ("with/kustomization.yaml", b"resources: [app.yaml]\ncomponents: [../part]"),
        ("with/app.yaml", b""),
        (
            "away/kustomization.yaml",
            b"resources: [app.yaml]\ncomponents: ['https://example.com/x']",
        ),
        ("away/app.yaml", b""),
    ]);
    let found = discover(&[dir.path()], &Limits::default());
    let prefix = format!("{}/", shown(dir.path()));
    let of = |path: &str| &found.kustomizations[&format!("{prefix}{path}")];
    let sets = |path: &str, image: &str| of(path).sets_image(image);
    for (path, image, set) in [
        ("plain/app.yaml", "app", false),
        ("base/app.yaml", "ghcr.io/Acme/app", true),
        ("base/app.yaml", "ghcr.io/Acme/app@sha256:abcd", true),
        ("base/app.yaml", "ghcr.io/Acme/apple:1", false),
        ("base/app.yaml", "worker", false),
        ("with/app.yaml", "worker:1", true),
        ("with/app.yaml", "app", false),
        ("away/app.yaml", "app", true),
    ] {
        assert_eq!(sets(path, image), set, "{path} {image}");
    }
}
