//! The one way tests run the command: a folder of its own, an empty environment, no terminal.

#![allow(dead_code, unreachable_pub, reason = "each test file is a crate and uses its part")]
#![allow(clippy::unwrap_used, clippy::new_without_default, reason = "it is a test's own tool")]

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder with files, removed afterwards.
pub struct Dir {
    temp: tempfile::TempDir,
}

impl Dir {
    pub fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.temp.path()
    }

    /// Writes a file, and the folders it is in.
    pub fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Copies what lies in a folder of the repository, file after file, in the order of `order`.
    pub fn copy_of(self, source: &str, order: impl FnOnce(&mut Vec<String>)) -> Self {
        let source = repository().join(source);
        let mut files = files_below(&source);
        order(&mut files);
        files.iter().fold(self, |dir, file| dir.file(file, fs::read(source.join(file)).unwrap()))
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    pub fn provost(&self, args: &[&str]) -> Run {
        self.provost_in(".", args)
    }

    pub fn provost_in(&self, folder: &str, args: &[&str]) -> Run {
        self.command(folder, args).output().unwrap().into()
    }

    pub fn provost_with_env<S: AsRef<OsStr>>(&self, args: &[&str], env: &[(S, S)]) -> Run {
        self.command(".", args)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap()
            .into()
    }

    pub fn provost_with_stdin(&self, args: &[&str], stdin: &str) -> Run {
        let mut command = self.command(".", args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// Standard output is a pipe whose reader has gone before the command starts.
    pub fn provost_into_closed_pipe(&self, args: &[&str]) -> Run {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = self.command(".", args);
        command.stdout(writer).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        child.wait_with_output().unwrap().into()
    }

    fn command(&self, folder: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provost"));
        command.args(args).current_dir(self.path().join(folder)).stdin(Stdio::null());
        // Neither NO_COLOR nor COLUMNS nor a HOME of the developer's may change an answer.
        command.env_clear().env("HOME", self.path()).env("RUST_BACKTRACE", "0");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }
}

/// How a run ended.
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("the command ends by itself"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}\n{}\n--- stderr\n{}", self.code, self.out, self.err)
    }
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Paths of all files below a folder, in order, `/`-separated.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let path = entry.path();
                files.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// What `go` needs to find the machine's caches and module source when HOME is a test's folder;
/// nothing of the developer's settings.
pub fn go_env() -> Vec<(String, String)> {
    let names = ["GOMODCACHE", "GOCACHE", "GOPROXY", "GONOSUMDB", "GOSUMDB", "GOPRIVATE"];
    let output = Command::new("go").arg("env").args(names).current_dir("/").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let values = String::from_utf8(output.stdout).unwrap();
    let mut env = vec![("GOENV".to_owned(), "off".to_owned())];
    for (name, value) in names.iter().zip(values.lines()) {
        env.push(((*name).to_owned(), value.to_owned()));
    }
    env
}

/// What `cargo xtask tools` fetched: a real tool, or a schema.
pub fn tool(name: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let index = target.ancestors().map(|at| at.join("tools.json")).find(|path| path.is_file());
    let index = index.expect("target/tools.json is there: run `cargo xtask tools`");
    let tools: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&fs::read(index).unwrap()).unwrap();
    let path = PathBuf::from(tools[name]["path"].as_str().unwrap());
    assert!(path.exists(), "{} is gone: run `cargo xtask tools`", path.display());
    path
}

/// What kubeconform finds no fault with, strictly, in how many objects.
pub fn kubeconform(manifests: &[PathBuf]) -> u64 {
    let schemas = tool("kubernetes-schemas");
    let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display());
    let out = succeed(
        Command::new(tool("kubeconform"))
            .args(["-strict", "-summary", "-output", "json", "-schema-location", &location])
            .args(manifests),
    );
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    for bad in ["invalid", "errors", "skipped"] {
        assert_eq!(report["summary"][bad], 0, "{report:#}");
    }
    report["summary"]["valid"].as_u64().unwrap()
}

/// Checks of kube-score that apply, with the name of the object that each is of.
pub fn kube_score(manifests: &[PathBuf]) -> Vec<(String, serde_json::Value)> {
    let out = succeed(
        Command::new(tool("kube-score"))
            .args(["score", "--exit-one-on-warning=false", "--output-format", "json"])
            .args(manifests),
    );
    let objects: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    let of = |object: &serde_json::Value| {
        let name = object["object_name"].as_str().unwrap().to_owned();
        let checks = object["checks"].as_array().unwrap().iter();
        let applies = checks.filter(|check| check["skipped"] != true).cloned();
        applies.map(move |check| (name.clone(), check)).collect::<Vec<_>>()
    };
    objects.iter().flat_map(of).collect()
}

/// Runs a program that must succeed, and returns what it prints.
pub fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
