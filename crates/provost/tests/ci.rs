//! What is published for CI: the action, the component, the hook and the image, each run or held
//! against what its host demands.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use provost_check::artifact::yaml::{self, Limits};
use provost_check::facts::document::{Node, ScalarKind};
use provost_check::facts::origin::SourceId;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use support::{Dir, repository, succeed, tool};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The documents of a YAML file of the repository.
fn documents(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(repository().join(path)).unwrap();
    let parsed = yaml::parse(SourceId(0), &text, &[], &Limits::default());
    parsed.documents.iter().map(|document| value(document.root())).collect()
}

fn value(node: Node<'_>) -> Value {
    if node.is_mapping() {
        let entries = node.entries().map(|(key, v)| (key.as_str().unwrap().to_owned(), value(v)));
        return Value::Object(entries.collect::<Map<_, _>>());
    }
    if node.is_sequence() {
        return node.items().map(value).collect();
    }
    match node.scalar_kind() {
        Some(ScalarKind::Bool(_)) => node.as_bool().into(),
        Some(ScalarKind::Int(_)) => node.as_i64().into(),
        Some(ScalarKind::Null) | None => Value::Null,
        _ => node.as_str().into(),
    }
}

#[track_caller]
fn valid(value: &Value, schema: &str) {
    let schema: Value = serde_json::from_slice(&fs::read(tool(schema)).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|e| e.to_string()).collect();
    assert_eq!(errors, [] as [String; 0]);
}

/// A release as `cargo xtask dist` lays it out, with the executable under test.
fn release(folder: &Path) {
    let name = format!("provost-{VERSION}-x86_64-linux");
    let place = folder.join(format!("v{VERSION}"));
    fs::create_dir_all(place.join(&name)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_provost"), place.join(&name).join("provost")).unwrap();
    succeed(Command::new("tar").current_dir(&place).args([
        "-czf",
        &format!("{name}.tar.gz"),
        &name,
    ]));
    let digest = Sha256::digest(fs::read(place.join(format!("{name}.tar.gz"))).unwrap());
    let digest = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    fs::write(place.join(format!("{name}.tar.gz.sha256")), format!("{digest}  {name}.tar.gz\n"))
        .unwrap();
}

/// A sound archive in the place of the one that the checksum is of: only the checksum tells.
fn swapped(folder: &Path) {
    release(folder);
    let place = folder.join(format!("v{VERSION}"));
    let name = format!("provost-{VERSION}-x86_64-linux");
    fs::write(place.join(&name).join("README.md"), "another").unwrap();
    succeed(Command::new("tar").current_dir(&place).args([
        "-czf",
        &format!("{name}.tar.gz"),
        &name,
    ]));
}

/// A service whose budget blocks every drain.
const BLOCKED: &str = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec:\n  \
                       maxUnavailable: 0\n  selector: {matchLabels: {app: web}}\n---\napiVersion: apps/v1\nkind: \
                       Deployment\nmetadata: {name: web}\nspec:\n  replicas: 3\n  selector: {matchLabels: {app: \
                       web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers: [{name: \
                       web, image: \"registry.example/web:1.0.0\"}]\n";

struct Step {
    code: i32,
    text: String,
}

/// Runs a script as a runner does.
fn step(folder: &Path, script: &str, env: &BTreeMap<&str, String>) -> Step {
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(folder);
    bash.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(env);
    let done = bash.stdin(Stdio::null()).output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    Step { code: done.status.code().unwrap(), text: String::from_utf8_lossy(&text).into_owned() }
}

#[test]
fn the_action_is_what_github_and_zizmor_accept() {
    let action = documents("action.yml").remove(0);
    valid(&action, "github-actions-schema");
    let file = repository().join("action.yml");
    let mut zizmor = Command::new(tool("zizmor"));
    zizmor.args(["--offline", "--no-progress", "--pedantic", "--format", "plain"]).arg(file);
    let said = succeed(zizmor.env("NO_COLOR", "1"));
    assert!(said.contains("No findings"), "{said}");
}

#[test]
fn the_action_installs_a_release_and_fails_on_what_it_finds() {
    // Of a repository with several modules it judges one.
    let dir = Dir::new().file("repo/svc/deploy/a b.yaml", BLOCKED).file("repo/.git/HEAD", "");
    let svc = dir.path().join("repo/svc");
    let (releases, bin) = (dir.path().join("releases"), dir.path().join("temp/provost"));
    release(&releases);
    let action = documents("action.yml").remove(0);
    let steps = action["runs"]["steps"].as_array().unwrap();
    let [install, check] = steps.as_slice() else { panic!("two steps: {steps:?}") };
    let mut env: BTreeMap<&str, String> = BTreeMap::new();
    env.insert("GITHUB_ACTION_PATH", repository().display().to_string());
    env.insert("PROVOST_RELEASES", format!("file://{}/", releases.display()));
    // No version is given: it is that of the action itself.
    env.insert("VERSION", String::new());
    env.insert("FOLDER", bin.display().to_string());
    let done = step(dir.path(), install["run"].as_str().unwrap(), &env);
    assert_eq!(done.code, 0, "{}", done.text);
    assert!(done.text.contains(&format!("provost {VERSION}")), "{}", done.text);

    let [output, summary] = ["output", "summary.md"].map(|name| dir.path().join(name));
    env.insert("PROVOST", bin.join("provost").display().to_string());
    env.insert("CHECKED", "deploy/a b.yaml\n".to_owned());
    env.insert("ARGUMENTS", "--date\n2026-11-24\n".to_owned());
    env.insert("SARIF", "provost.sarif".to_owned());
    env.insert("GITHUB_OUTPUT", output.display().to_string());
    env.insert("GITHUB_STEP_SUMMARY", summary.display().to_string());
    for (fail_on, code) in [("deny", 1), ("never", 0)] {
        env.insert("FAIL_ON", fail_on.to_owned());
        let done = step(&svc, check["run"].as_str().unwrap(), &env);
        assert_eq!(done.code, code, "{}", done.text);
        assert!(done.text.contains("::error file=svc/deploy/a b.yaml,line="), "{}", done.text);
        let sarif: Value = serde_json::from_str(&dir.read("repo/svc/provost.sarif")).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        let blocked = results.iter().find(|result| result["ruleId"] == "pdb-blocks-drain").unwrap();
        let place = &blocked["locations"][0]["physicalLocation"]["artifactLocation"];
        assert_eq!(place["uri"], "svc/deploy/a%20b.yaml");
        assert!(dir.read("summary.md").contains("pdb-blocks-drain"));
        assert!(dir.read("output").contains(&format!("sarif={}/provost.sarif\n", svc.display())));
    }
    // Nothing of an argument is read by the shell.
    env.insert("ARGUMENTS", "$(touch made)\n".to_owned());
    let done = step(&svc, check["run"].as_str().unwrap(), &env);
    assert_eq!(done.code, 2, "{}", done.text);
    assert!(!svc.join("made").exists());
}

#[test]
fn a_release_with_another_checksum_is_not_installed() {
    let dir = Dir::new();
    let releases = dir.path().join("releases");
    swapped(&releases);
    let env = BTreeMap::from([("PROVOST_RELEASES", format!("file://{}", releases.display()))]);
    let script = format!("{}/ci/install.sh {VERSION} bin", repository().display());
    let done = step(dir.path(), &script, &env);
    assert_ne!(done.code, 0, "{}", done.text);
    assert!(!dir.path().join("bin/provost").exists(), "{}", done.text);
}

#[test]
fn the_component_for_gitlab_is_valid_and_runs() {
    let mut all = documents("templates/check.yml");
    assert_eq!(all.len(), 2, "the inputs and the job");
    let (job, header) = (all.remove(1), all.remove(0));
    let dir = Dir::new().file("svc/deploy.yaml", BLOCKED).file(".git/HEAD", "");
    let svc = dir.path().join("svc");
    let releases = dir.path().join("releases");
    release(&releases);

    // What GitLab makes of it when it is included.
    let inputs = header["spec"]["inputs"].as_object().unwrap();
    let given = BTreeMap::from([
        ("version", VERSION.to_owned()),
        ("releases", format!("file://{}", releases.display())),
        ("arguments", "--date 2026-11-24".to_owned()),
    ]);
    let mut text = job.to_string();
    for (name, input) in inputs {
        let default = input["default"].as_str().map(str::to_owned);
        let chosen = given.get(name.as_str()).cloned().or(default).unwrap();
        text = text.replace(&format!("$[[ inputs.{name} ]]"), &chosen);
    }
    assert!(!text.contains("$[["), "{text}");
    let job: Value = serde_json::from_str(&text).unwrap();
    valid(&job, "gitlab-ci-schema");

    let job = &job["provost"];
    let variables = job["variables"].as_object().unwrap();
    let env = variables.iter().map(|(name, v)| (name.as_str(), v.as_str().unwrap().to_owned()));
    let env = env.collect();
    let lines: Vec<&str> =
        job["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let script = lines.join("\n").replace("/tmp/", &format!("{}/", dir.path().display()));
    let script = script.replace("cd /tmp ", &format!("cd {} ", dir.path().display()));
    let done = step(&svc, &script, &env);
    assert_eq!(done.code, 1, "{}", done.text);
    for (kind, file) in job["artifacts"]["reports"].as_object().unwrap() {
        let file = svc.join(file.as_str().unwrap());
        let report = fs::read_to_string(&file).unwrap();
        assert!(report.contains("pdb-blocks-drain"), "{kind}");
        assert!(kind != "codequality" || report.contains("\"svc/deploy.yaml\""), "{report}");
        fs::remove_file(file).unwrap();
    }
    swapped(&releases);
    let done = step(&svc, &script, &env);
    assert_ne!(done.code, 0, "{}", done.text);
    for file in job["artifacts"]["reports"].as_object().unwrap().values() {
        assert!(!svc.join(file.as_str().unwrap()).exists(), "{}", done.text);
    }
}

#[test]
fn the_hook_for_pre_commit_runs_on_what_it_names() {
    let hooks = documents(".pre-commit-hooks.yaml").remove(0);
    let hook = &hooks[0];
    let words: Vec<&str> = hook["entry"].as_str().unwrap().split(' ').collect();
    assert_eq!((hook["language"].as_str(), words[0]), (Some("system"), "provost"));
    let run = Dir::new().file("deploy/web.yaml", BLOCKED).provost(&words[1..]);
    assert_eq!(run.code, 1, "{run}");

    // As pre-commit does it, with Python's `re.search`.
    let script = "import re,sys; sys.exit(0 if re.search(sys.argv[1], sys.argv[2]) else 1)";
    let selects = |path: &str| {
        let mut python = Command::new("python3");
        python.args(["-c", script, hook["files"].as_str().unwrap(), path]);
        python.status().unwrap().success()
    };
    // What is judged under its name.
    let files = [
        ("deploy/web.yaml", BLOCKED),
        ("deploy/Web.YML", BLOCKED),
        (
            "web.json",
            "{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"a\"}}",
        ),
        ("a/Dockerfile", "FROM scratch\n"),
        ("dockerfile", "FROM scratch\n"),
        ("Dockerfile.prod", "FROM scratch\n"),
        ("web.Dockerfile", "FROM scratch\n"),
        ("web.dockerfile", "FROM scratch\n"),
        ("Containerfile", "FROM scratch\n"),
        ("api.Containerfile", "FROM scratch\n"),
    ];
    for (path, content) in files {
        let run = Dir::new().file(path, content).provost(&["check", "--format", "json"]);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let inputs = report["inputs"].as_array().unwrap();
        assert!(inputs.iter().any(|input| input["path"] == path), "{path}: {run}");
        assert!(selects(path), "{path}");
    }
    // What is read for it.
    for path in ["go.mod", "x/provost.toml", "c/_helpers.tpl"] {
        assert!(selects(path), "{path}");
    }
    for path in ["main.go", "README.md", "go.mod.bak", "yaml/readme"] {
        assert!(!selects(path), "{path}");
    }
}

#[test]
fn the_image_of_provost_passes_its_own_gate() {
    let dockerfile = repository().join("Dockerfile");
    let dir = Dir::new().file("Dockerfile", fs::read(&dockerfile).unwrap());
    let run = dir.provost(&["check", "--fail-on", "note", "Dockerfile"]);
    assert_eq!(run.code, 0, "{run}");
    succeed(Command::new(tool("hadolint")).arg(&dockerfile));
}

#[test]
fn man_pages_are_written_for_every_verb() {
    let dir = Dir::new();
    let run = dir.provost(&["man", "."]);
    assert_eq!(run.code, 0, "{run}");
    for page in ["provost.1", "provost-check.1", "provost-explain.1"] {
        assert!(dir.read(page).contains(".SH NAME"), "{page}");
    }
}

/// What `provost init` writes installs a release that is checked, or says what it misses.
#[test]
fn pipelines_of_init_install_a_release_or_say_which_variable_is_missing() {
    let dir = Dir::new().copy_of("fixtures/init/http", |_| ());
    let run = dir.provost(&["init"]);
    assert_eq!(run.code, 0, "{run}");
    let releases = dir.path().join("releases");
    release(&releases);
    let whole = |path: &str| documents(dir.path().join(path).to_str().unwrap()).remove(0);
    let github = whole(".github/workflows/provost.yaml");
    let steps = github["jobs"]["gate"]["steps"].as_array().unwrap();
    let install = steps.iter().find(|step| step["name"] == "Install Provost").unwrap();
    assert_eq!(install["env"]["PROVOST_RELEASES"], "${{ vars.PROVOST_RELEASES }}");
    let github = install["run"].as_str().unwrap().to_owned();

    let gitlab = whole(".gitlab-ci.yml");
    valid(&gitlab, "gitlab-ci-schema");
    let script = gitlab["provost"]["script"].as_array().unwrap();
    let lines = script.iter().map(|line| line.as_str().unwrap());
    let lines: Vec<&str> = lines.take_while(|line| !line.contains("provost\" check")).collect();
    assert!(lines.len() + 1 == script.len(), "the check comes last: {script:?}");
    let gitlab =
        lines.join("\n").replace("/tmp/", "$RUNNER_TEMP/").replace("cd /tmp ", "cd $RUNNER_TEMP ");

    for script in [github, gitlab] {
        let temp = Dir::new();
        let mut env = BTreeMap::from([
            ("PROVOST_RELEASES", String::new()),
            ("RUNNER_TEMP", temp.path().display().to_string()),
            ("GITHUB_PATH", temp.path().join("path").display().to_string()),
        ]);
        let done = step(dir.path(), &script, &env);
        assert_eq!(done.code, 1, "{}", done.text);
        assert!(done.text.contains("PROVOST_RELEASES is not set"), "{}", done.text);
        env.insert("PROVOST_RELEASES", format!("file://{}/", releases.display()));
        let done = step(dir.path(), &script, &env);
        assert_eq!(done.code, 0, "{}", done.text);
        let installed = temp.path().join(format!("provost-{VERSION}-x86_64-linux/provost"));
        let said = succeed(Command::new(installed).arg("--version"));
        assert!(said.contains(VERSION), "{said}");
        // Another archive under the same checksum.
        let temp = Dir::new();
        env.insert("RUNNER_TEMP", temp.path().display().to_string());
        let other = Dir::new();
        swapped(other.path());
        env.insert("PROVOST_RELEASES", format!("file://{}", other.path().display()));
        let done = step(dir.path(), &script, &env);
        assert_ne!(done.code, 0, "{}", done.text);
        assert!(!temp.path().join(format!("provost-{VERSION}-x86_64-linux")).exists());
    }
}
