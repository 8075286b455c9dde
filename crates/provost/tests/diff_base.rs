//! `--diff-base`: what is left out cannot have changed.

mod support;

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
