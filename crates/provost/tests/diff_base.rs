//! `--diff-base`: what is left out cannot have changed.

#![allow(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/layout.rs"]
mod layout;
mod support;

use layout::Item::File;
use support::Dir;

const ARGS: [&str; 6] =
    ["check", "--closed-world", "--diff-base", "HEAD", "--only", "dangling-reference"];

/// A repository with one commit of what is in the folder.
fn committed(dir: &Dir) {
    for args in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "first"]] {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(args);
        support::succeed(git.current_dir(dir.path()).env("GIT_CONFIG_GLOBAL", "/dev/null"));
    }
}

fn pod(map: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n    - name: a\n      \
         image: a:1\n      envFrom: [{{configMapRef: {{name: {map}}}}}]\n"
    )
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: here}\ndata: {A: b}\n";
const OTHER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {A: b}\n";

#[test]
fn a_file_that_went_is_why_another_has_a_finding() {
    let dir = Dir::new()
        .file("app/pod.yaml", pod("here"))
        .file("app/map.yaml", MAP)
        .file("app/other.yaml", OTHER)
        .file("far/away/pod.yaml", pod("gone"))
        .file("far/away/other.yaml", OTHER);
    committed(&dir);
    let run = dir.provost(&[&ARGS[..], &["."]].concat());
    assert_eq!(run.code, 0, "{run}");
    std::fs::remove_file(dir.path().join("app/map.yaml")).unwrap();
    let run = dir.provost(&[&ARGS[..], &["."]].concat());
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("app/pod.yaml"), "{run}");
    assert!(!run.out.contains("far/away/pod.yaml"), "{run}");
}

fn git(dir: &Dir, args: &[&str]) {
    let mut git = std::process::Command::new("git");
    support::succeed(git.args(args).current_dir(dir.path()).env("GIT_CONFIG_GLOBAL", "/dev/null"));
}

/// Notes, a licence, a file that was moved: nothing that is judged rests on them.
#[test]
fn a_file_that_nothing_rests_on_may_go() {
    let dir = Dir::new()
        .file("NOTES.md", "notes\n")
        .file("LICENSE", "as is\n")
        .file("docs/x.yaml", "a: b\n")
        .file("cmd/x.go", "package x\n")
        .file("deploy/pod.yaml", pod("gone"))
        .file("deploy/other.yaml", OTHER)
        .file("deploy/more.yaml", OTHER.replace("other", "more"))
        .file(
            "deploy/limits.yaml",
            "apiVersion: v1\nkind: LimitRange\nmetadata: {name: l}\nspec: {limits: []}\n",
        );
    committed(&dir);
    let check = |dir: &Dir| dir.provost(&[&ARGS[..], &["deploy"]].concat());
    let run = check(&dir);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("1 finding in files that did not change"), "{run}");
    for (args, code) in [
        (&["rm", "-q", "NOTES.md"][..], 0),
        (&["rm", "-q", "LICENSE"], 0),
        (&["rm", "-q", "docs/x.yaml"], 0),
        (&["mv", "cmd/x.go", "cmd/y.go"], 0),
        // Another object of the folder, which nothing here names.
        (&["rm", "-q", "deploy/more.yaml"], 0),
        (&["mv", "deploy/limits.yaml", "deploy/bounds.yaml"], 1),
    ] {
        git(&dir, args);
        let run = check(&dir);
        assert_eq!(run.code, code, "{args:?}: {run}");
        git(&dir, &["reset", "-q", "--hard"]);
    }
}

#[test]
fn what_git_does_not_know_counts_as_changed() {
    let dir = Dir::new()
        .file("map.yaml", OTHER)
        .file(".gitignore", "ignored/\n")
        .file("ignored/map.yaml", OTHER);
    committed(&dir);
    let dir = dir.file("ignored/pod.yaml", pod("gone"));
    let run = dir.provost(&[&ARGS[..], &["ignored/pod.yaml", "ignored/map.yaml"]].concat());
    assert_eq!(run.code, 1, "an ignored file that was named: {run}");
    let outside = Dir::new().file("pod.yaml", pod("gone")).file("map.yaml", OTHER);
    let path = outside.path().to_str().unwrap();
    let run = dir.provost(&[&ARGS[..], &[path]].concat());
    assert_eq!(run.code, 1, "a folder outside of the repository: {run}");
    let text = format!("{}---\n{OTHER}", pod("gone"));
    let run = dir.provost_with_stdin(&[&ARGS[..], &["-"]].concat(), &text);
    assert_eq!(run.code, 1, "standard input: {run}");
}

/// A program is as it was while nothing changed that it is built from: manifests, tests and other
/// programs beside it are not.
#[test]
fn a_program_changes_with_what_it_is_built_from() {
    let dir = Dir::new()
        .file("go.mod", "module example.com/shop\n\ngo 1.21\n")
        .file(
            "main.go",
            "package main\n\nimport (\n\t_ \"embed\"\n\n\t\"example.com/shop/inner\"\n)\n\n\
             //go:embed static/a.txt\nvar text string\n\nfunc main() { println(text, inner.N) }\n",
        )
        .file("main_test.go", "package main\n")
        .file("static/a.txt", "a\n")
        .file("static/b.txt", "b\n")
        .file("inner/inner.go", "package inner\n\nconst N = 1\n")
        .file("cmd/other/main.go", "package main\n\nfunc main() {}\n")
        .file("elsewhere/go.mod", "module example.com/elsewhere\n")
        .file("elsewhere/x.go", "package elsewhere\n")
        .file("deploy/pod.yaml", pod("here"))
        .file(".gitignore", "bin/\n");
    let mut go = std::process::Command::new("go");
    go.args(["build", "-buildvcs=false", "-o", "bin/shop", "."]).current_dir(dir.path());
    support::succeed(go.envs(support::go_env()).env("HOME", dir.path()));
    committed(&dir);
    let args = ["check", "--diff-base", "HEAD", "--fail-on", "note", "--only", "untraceable-build"];
    let check = |dir: &Dir, binary: &str| {
        dir.provost(&[&args[..], &["--binary", binary, "deploy"]].concat())
    };
    let run = check(&dir, "bin/shop");
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("1 finding in files that did not change"), "{run}");
    let touched = |dir: Dir, file: &str, text: &str| {
        let before = dir.path().join(file).exists().then(|| dir.read(file));
        let dir = dir.file(file, text);
        let run = check(&dir, "bin/shop");
        match before {
            Some(before) => (dir.file(file, before), run),
            None => {
                std::fs::remove_file(dir.path().join(file)).unwrap();
                (dir, run)
            }
        }
    };
    let mut dir = dir;
    for (file, text, code) in [
        ("deploy/pod.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", 0),
        ("main_test.go", "package main\n\n// more\n", 0),
        ("static/b.txt", "B\n", 0),
        ("cmd/other/main.go", "package main\n\nfunc main() { println() }\n", 0),
        ("elsewhere/x.go", "package elsewhere\n\n// more\n", 0),
        ("README.md", "# Shop\n", 0),
        ("main.go", "package main\n\nfunc main() {}\n", 1),
        ("inner/inner.go", "package inner\n\nconst N = 2\n", 1),
        ("static/a.txt", "A\n", 1),
        ("go.mod", "module example.com/shop\n\ngo 1.22\n", 1),
        ("Dockerfile", "FROM scratch\n", 1),
        // git does not know it yet.
        ("new.go", "package main\n", 1),
    ] {
        let run;
        (dir, run) = touched(dir, file, text);
        assert_eq!(run.code, code, "{file}: {run}");
    }
    // A program of a module that the repository has not may be any.
    let outside = Dir::new()
        .file("go.mod", "module example.com/other\n\ngo 1.21\n")
        .file("main.go", "package main\n\nfunc main() {}\n");
    let binary = outside.path().join("other");
    let mut go = std::process::Command::new("go");
    go.args(["build", "-buildvcs=false", "-o"]).arg(&binary).arg(".").current_dir(outside.path());
    support::succeed(go.envs(support::go_env()).env("HOME", outside.path()));
    let run = check(&dir, binary.to_str().unwrap());
    assert_eq!(run.code, 1, "{run}");
}

/// An image is as it was while nothing of its program's module changed but what runs it: a finding in
/// the image alone is then none of the change.
#[test]
fn an_image_changes_with_what_may_be_copied_into_it() {
    let dir = Dir::new()
        .file("go.mod", "module example.com/shop\n\ngo 1.21\n")
        .file("main.go", "package main\n\nfunc main() {}\n")
        .file("static/a.txt", "a\n")
        .file("deploy/pod.yaml", pod("here"))
        .file(".gitignore", "bin/\nimage.tar\n");
    let mut go = std::process::Command::new("go");
    go.args(["build", "-buildvcs=false", "-o", "bin/shop", "."]).current_dir(dir.path());
    support::succeed(go.envs(support::go_env()).env("HOME", dir.path()));
    let program = std::fs::read(dir.path().join("bin/shop")).unwrap();
    let run = serde_json::json!({"Entrypoint": ["/shop"]});
    let image =
        |files: &[layout::Item<'_>]| layout::layout("amd64", run.clone(), &[layout::layer(files)]);
    let login = File("root/.netrc", 0o600, LOGIN);
    let path = dir.path().join("image.tar");
    layout::write_tar(&path, &image(&[File("shop", 0o755, &program), login]));
    committed(&dir);
    let check = |dir: &Dir| {
        let args = ["check", "--diff-base", "HEAD", "--only", "secret-file-in-image"];
        dir.provost(&[&args[..], &["--image", "oci:image.tar", "deploy"]].concat())
    };
    let run = check(&dir);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("in files that did not change"), "{run}");
    let mut dir = dir;
    for (file, text, code) in [
        ("deploy/pod.yaml", pod("there"), 0),
        ("main_test.go", "package main\n".to_owned(), 0),
        ("static/a.txt", "A\n".to_owned(), 1),
        ("new.txt", "A\n".to_owned(), 1),
        ("main.go", "package main\n\nfunc main() { println() }\n".to_owned(), 1),
    ] {
        let before = dir.path().join(file).exists().then(|| dir.read(file));
        dir = dir.file(file, text);
        let run = check(&dir);
        assert_eq!(run.code, code, "{file}: {run}");
        match before {
            Some(before) => dir = dir.file(file, before),
            None => std::fs::remove_file(dir.path().join(file)).unwrap(),
        }
    }
    // One without a program of the repository may be any.
    layout::write_tar(&path, &image(&[File("root/.netrc", 0o600, LOGIN)]));
    let run = check(&dir);
    assert_eq!(run.code, 1, "{run}");
}

const LOGIN: &[u8] = b"machine git.example.com login shop password k7Jw2mZq9RtX\n";

/// A line in one resource brought the findings of all others of the kustomization back.
#[test]
fn a_resource_of_a_kustomization_does_not_change_with_another() {
    let dir = Dir::new()
        .file("base/kustomization.yaml", "resources: [one.yaml, two.yaml]\n")
        .file("base/one.yaml", pod("gone"))
        .file("base/two.yaml", pod("lost").replace("{name: a}", "{name: b}"))
        .file("over/kustomization.yaml", "resources: [../base]\npatches: [{path: patch.yaml}]\n")
        .file(
            "over/patch.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {x: y}}\n",
        );
    committed(&dir);
    let bin = dir.path().join(".git/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(support::tool("kustomize"), bin.join("kustomize")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let check = || {
        let args = [&ARGS[..], &["--kustomize", "over"]].concat();
        dir.provost_with_env(&args, &[("PATH", path.as_str())])
    };
    let run = check();
    assert_eq!(run.code, 0, "{run}");
    let add = |file: &str, text: &str| {
        let before = dir.read(file);
        std::fs::write(dir.path().join(file), format!("{before}{text}")).unwrap();
        before
    };
    let back = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
    let before = add("base/one.yaml", "# a comment\n");
    let run = check();
    assert!(run.out.contains("base/one.yaml") && !run.out.contains("base/two.yaml"), "{run}");
    back("base/one.yaml", &before);
    // A patch may change any of them.
    let before = add("over/patch.yaml", "# a comment\n");
    let run = check();
    assert!(run.out.contains("base/one.yaml") && run.out.contains("base/two.yaml"), "{run}");
    back("over/patch.yaml", &before);
    // And so may what carries values from one object to another.
    let replaced = "replacements: [{source: {kind: Pod, name: a}, targets: [{select: {kind: Pod, name: b}, \
                    fieldPaths: [metadata.annotations.from], options: {create: true}}]}]\n";
    add("over/kustomization.yaml", replaced);
    committed(&dir);
    add("base/one.yaml", "# a comment\n");
    let run = check();
    assert!(run.out.contains("base/two.yaml"), "{run}");
}
