//! Building a kustomization fetches nothing, whatever it names and however, and tells no secrets.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use support::{Dir, Run, tool};

const OBJECT: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n";

/// The real kustomize in a folder of its own, beside a `git` that leaves a trace.
fn with_kustomize(dir: Dir) -> Dir {
    let bin = dir.path().join(".bin");
    fs::create_dir_all(&bin).unwrap();
    symlink(tool("kustomize"), bin.join("kustomize")).unwrap();
    let trace = dir.path().join("git-ran");
    script(dir, "git", &format!("echo \"$@\" >> {}", trace.display()))
}

fn script(dir: Dir, name: &str, body: &str) -> Dir {
    let dir = dir.file(&format!(".bin/{name}"), format!("#!/bin/sh\n{body}\n"));
    let path = dir.path().join(".bin").join(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn check(dir: &Dir, root: &str) -> Run {
    let path = format!("{}:/usr/bin:/bin", dir.path().join(".bin").display());
    let args = ["check", "--date", "2026-11-24", "--kustomize", root];
    dir.provost_with_env(&args, &[("PATH", path.as_str())])
}

/// Messages without the breaks of their lines.
fn said(run: &Run) -> String {
    let words: Vec<&str> = run.out.split_whitespace().chain(run.err.split_whitespace()).collect();
    words.join(" ")
}

/// Runs the check on files in which URL is an address of this machine. Nobody may have asked there,
/// nor for git, and the message must have these words.
fn refused(files: &[(&str, &str)], words: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let dir = files.iter().fold(with_kustomize(Dir::new()), |dir, (path, text)| {
        let text = text.replace("URL", &format!("http://{host}/x.yaml")).replace("HOST", &host);
        dir.file(&path.replace("HOST", &host), text)
    });
    let run = check(&dir, "k");
    assert_eq!(run.code, 2, "{files:?}\n{run}");
    let said = said(&run);
    assert!(said.contains(words), "{files:?}: no `{words}` in\n{run}");
    assert!(said.contains("not judged, because"), "{run}");
    let asked = listener.accept().map(|_| "somebody asked").map_err(|error| error.kind());
    assert_eq!(asked, Err(ErrorKind::WouldBlock), "{files:?}\n{run}");
    assert!(!dir.path().join("git-ran").exists(), "{files:?}\n{run}");
}

#[test]
fn kustomize_itself_would_ask() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    let dir = with_kustomize(Dir::new())
        .file("k/kustomization.yaml", format!("Resources: ['http://{host}/x.yaml']\n"));
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 3];
        stream.read_exact(&mut head).unwrap();
        head
    });
    let output = Command::new(tool("kustomize"))
        .args(["build", "k"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(&asked.join().unwrap(), b"GET");
}

#[test]
fn every_field_that_may_hold_an_address() {
    let generator = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\n";
    let envs = format!("{generator}envs: ['URL']\n");
    let inline = format!("generators:\n- |-\n  {}", envs.replace('\n', "\n  "));
    let kustomization = "k/kustomization.yaml";
    let patch = "{apiVersion: builtin, kind: PatchTransformer, metadata: {name: p}, path: 'URL'}";
    let names = "k/kustomization.yaml names http://127.0.0.1";
    for (text, words) in [
        ("resources: ['URL']", names),
        ("Resources: ['URL']", names),
        ("re\u{17f}ources: ['URL']", names),
        ("resources: [a.yaml]\nRESOURCES: ['URL']", names),
        ("bases: ['URL']", names),
        ("components: ['URL']", names),
        ("resources: [a.yaml]\ncrds: ['URL']", names),
        ("resources: [a.yaml]\npatches: [{path: 'URL'}]", names),
        ("resources: [a.yaml]\npatches: [{Path: 'URL', target: {kind: ConfigMap}}]", names),
        ("resources: [a.yaml]\npatchesStrategicMerge: ['URL']", names),
        ("resources: [a.yaml]\npatchesJson6902: [{path: 'URL', target: {kind: A}}]", names),
        ("resources: [a.yaml]\nconfigurations: ['URL']", names),
        ("resources: [a.yaml]\nreplacements: [{path: 'URL'}]", names),
        ("resources: [a.yaml]\nopenapi: {path: 'URL'}", names),
        ("configMapGenerator: [{name: a, envs: ['URL']}]", names),
        ("configMapGenerator: [{name: a, envs: ['URL?a=b']}]", names),
        ("configMapGenerator: [{name: a, env: 'URL'}]", names),
        ("configMapGenerator: [{name: a, files: ['URL']}]", names),
        ("secretGenerator: [{name: a, files: ['key=URL']}]", "names key=http://127.0.0.1"),
        ("secretGenerator: [{name: a, Files: ['key=URL']}]", "names key=http://127.0.0.1"),
        ("generators: ['URL']", names),
        ("transformers: ['URL']", names),
        ("validators: ['URL']", names),
        (&inline, "k/kustomization.yaml has a generator or transformer load http://127.0.0.1"),
        ("resources: [a.yaml]\n# \u{2028}resources: ['URL']", "readers of YAML differ about"),
        ("resources: [a.yaml]\n# \u{85}resources: ['URL']", "readers of YAML differ about"),
        ("helmCharts: [{name: a, repo: 'http://HOST', version: 1.0.0}]", "names a Helm chart"),
        ("helmChartInflationGenerator: [{chartName: a, chartRepoUrl: 'URL'}]", "a Helm chart"),
    ] {
        refused(&[(kustomization, text), ("k/a.yaml", OBJECT)], words);
    }
    let transformers = (kustomization, "resources: [a.yaml]\ntransformers: [t.yaml]");
    refused(&[transformers, ("k/a.yaml", OBJECT), ("k/t.yaml", patch)], "k/t.yaml has a generator");
    let generators = (kustomization, "generators: [g]");
    let folder = "k/g/kustomization.yaml";
    refused(
        &[generators, (folder, "resources: [g.yaml]"), ("k/g/g.yaml", &envs)],
        "k/g/g.yaml has",
    );
    refused(&[generators, (folder, "resources: ['URL']")], "k/g/kustomization.yaml names http://");
    // What they load would be put together by the build.
    let set = "resources: [g.yaml]\npatches: [{patch: '{apiVersion: builtin, kind: ConfigMapGenerator, \
               metadata: {name: g}, envs: [\"http:\\/\\/HOST/x\"]}'}]";
    refused(&[generators, (folder, set), ("k/g/g.yaml", generator)], "with `patches`");
}

#[test]
fn a_file_or_folder_of_that_name_does_not_help() {
    let component =
        "{apiVersion: kustomize.config.k8s.io/v1alpha1, kind: Component, resources: [a.yaml]}";
    for spec in ["github.com/evil/repo", "someone@host.example/evil/repo"] {
        let folder = format!("k/{spec}");
        let file = format!("{folder}/kustomization.yaml");
        let object = format!("{folder}/a.yaml");
        for (field, text) in [("components", component), ("resources", "resources: [a.yaml]")] {
            let named = format!("{field}: ['{spec}']");
            let files = [("k/kustomization.yaml", &*named), (&file, text), (&object, OBJECT)];
            refused(
                &files,
                &format!("k/kustomization.yaml names {spec}, which kustomize would fetch"),
            );
        }
    }
    let files = [
        ("k/kustomization.yaml", "resources: ['http:/HOST/x.yaml']"),
        ("k/http:/HOST/x.yaml", OBJECT),
    ];
    refused(&files, "names http:/127.0.0.1");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let base = ("k/kustomization.yaml", "resources: [base]");
    let broken = "resources: ['URL'\n";
    refused(
        &[base, ("k/base/kustomization.yaml", broken)],
        "k/base/kustomization.yaml cannot be read for",
    );
    let large = format!("resources: ['URL']\n#{}\n", "x".repeat(5 << 20));
    refused(&[base, ("k/base/kustomization.yaml", &large)], "is larger than 4194304 bytes");
    let binary = "resources: [!!binary aHR0cDovLzEyNy4wLjAuMTo5L3gueWFtbA==]";
    refused(&[base, ("k/base/kustomization.yaml", binary)], "holds a YAML tag");
    let many: String = (0..1001).map(|n| format!("- b{n}\n")).collect();
    let mut files = vec![("k/kustomization.yaml".to_owned(), format!("resources:\n{many}"))];
    for n in 0..1001 {
        files.push((format!("k/b{n}/kustomization.yaml"), "namespace: a\n".to_owned()));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    refused(&files, "more than 1000 folders");
}

#[test]
fn the_folder_above_is_that_of_the_target_of_a_link() {
    let dir = with_kustomize(Dir::new())
        .file("elsewhere/overlay/kustomization.yaml", "resources: [../base]\n")
        .file("elsewhere/base/kustomization.yaml", "resources: ['http://127.0.0.1:9/x.yaml']\n")
        .file("base/kustomization.yaml", "resources: [a.yaml]\n")
        .file("base/a.yaml", OBJECT);
    symlink("elsewhere/overlay", dir.path().join("k")).unwrap();
    let run = check(&dir, "k");
    assert_eq!(run.code, 2, "{run}");
    let words = "elsewhere/base/kustomization.yaml names http://127.0.0.1:9/x.yaml";
    assert!(said(&run).contains(words), "{run}");
    // Without the address it is built, from there, and not judged once more as it stands.
    let dir = dir
        .file("elsewhere/base/kustomization.yaml", "resources: [b.yaml]\n")
        .file("elsewhere/base/b.yaml", OBJECT.replace("name: a", "name: b"));
    let run = check(&dir, "k");
    assert_eq!(run.code, 0, "{run}");
}

#[test]
fn kustomize_runs_without_git_and_without_a_way_out() {
    let dir = with_kustomize(Dir::new())
        .file("k/kustomization.yaml", "resources: [a.yaml]\n")
        .file("k/a.yaml", OBJECT);
    assert_eq!(check(&dir, "k").code, 0);
    fs::remove_file(dir.path().join(".bin/kustomize")).unwrap();
    let seen = dir.path().join("seen");
    let variables = ["PATH", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY"];
    let lines: String =
        variables.iter().map(|v| format!("echo \"{v}=${v}\" >> {}\n", seen.display())).collect();
    let dir = script(dir, "kustomize", &format!("{lines}echo '{}'", OBJECT.trim()));
    // One that lies where it is run is not taken.
    let dir = dir.file("kustomize", "#!/bin/sh\nexit 3\n");
    let path = format!(".::{}:/usr/bin:/bin", dir.path().join(".bin").display());
    let args = ["check", "--date", "2026-11-24", "--kustomize", "k"];
    let run = dir.provost_with_env(&args, &[("PATH", path.as_str()), ("NO_PROXY", "*")]);
    assert_eq!(run.code, 0, "{run}");
    let proxy = "http://127.0.0.1:9";
    let expected = format!(
        "PATH=\nHTTP_PROXY={proxy}\nHTTPS_PROXY={proxy}\nhttp_proxy={proxy}\n\
         https_proxy={proxy}\nNO_PROXY=\n"
    );
    assert_eq!(fs::read_to_string(&seen).unwrap(), expected);
}

#[test]
fn what_kustomize_says_is_shown_without_secrets() {
    let dir = with_kustomize(Dir::new()).file(
        "k/kustomization.yaml",
        "secretGenerator: [{name: a, literals: [kanarie-7Qx9vW2m]}]\n",
    );
    let run = check(&dir, "k");
    assert_eq!(run.code, 2, "{run}");
    assert!(said(&run).contains("kustomize failed"), "{run}");
    assert!(!said(&run).contains("kanarie"), "{run}");
}
