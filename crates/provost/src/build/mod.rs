//! `--build`: builds the module's programs as their Dockerfiles do.
//!
//! A Dockerfile is hostile input: `-toolexec` alone is code execution. Only the flags and variables
//! that `artifact::dockerfile::repro` lets pass reach `go`; everything else is named in the report as
//! not reproduced. `go` runs without a shell, in the module's folder; it may fetch modules, because
//! the user asked for a build. The program lands in the user's cache, and is not run.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::hash::{Hash, Hasher};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use goformats::version::GoVersion;
use provost_check::artifact::dockerfile::{self, repro};
use provost_check::artifact::mmap;
use provost_check::facts::SourceId;
use provost_check::facts::build::{Build, GoBuild};
use provost_check::model::secret::looks_secret;
use provost_check::model::support;
use provost_check::pipeline::{BinaryInput, BuiltHere};

use crate::process::{self, Done, Limits};
use provost_check::artifact::go_mod::GoMod;

/// Main packages that are built when no Dockerfile says which.
const MOST_PACKAGES: usize = 16;

/// Bytes of a `go.mod`; `go` itself reads at most 16 MiB (golang.org/x/mod/zip, MaxGoMod).
const MOST_GO_MOD: u64 = 16 << 20;

/// A program that was built.
pub(crate) struct Built {
    /// For the pipeline.
    pub(crate) input: BinaryInput,
    /// How, for the report: toolchain, command, and what was not reproduced.
    pub(crate) because: Vec<String>,
}

/// One `go build` to run.
#[derive(Clone)]
struct Plan {
    module: PathBuf,
    package: String,
    toolchain: Option<String>,
    flags: Vec<String>,
    env: Vec<(String, String)>,
    dockerfile: Option<String>,
    notes: Vec<String>,
}

/// What became of `--build`.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The programs that were built.
    pub(crate) built: Vec<Built>,
    /// Why others were not. The rest of the run is judged all the same.
    pub(crate) failed: Vec<Failed>,
}

/// A build that did not come to its end.
pub(crate) struct Failed {
    /// One sentence.
    pub(crate) sentence: String,
    /// What `go` wrote.
    pub(crate) output: String,
}

impl Failed {
    fn new(sentence: String, output: &[u8]) -> Self {
        Self { sentence, output: String::from_utf8_lossy(output).trim_end().to_owned() }
    }
}

/// Builds the programs of the module in (or above, or below) each path.
pub(crate) fn run(
    paths: &[String],
    dockerfiles: &[String],
    target: Option<&str>,
    quiet: bool,
    interrupted: &AtomicBool,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    // Paths overlap, and the same program asked for twice is one program.
    let mut seen = HashSet::new();
    for path in paths {
        let all = match plans(Path::new(path), dockerfiles, target, interrupted) {
            Ok(all) => all,
            Err(error) => {
                outcome.failed.push(Failed::new(format!("--build: {error:#}"), b""));
                continue;
            }
        };
        for plan in all {
            if !seen.insert(output(&plan)?) {
                continue;
            }
            match go_build(&plan, quiet, interrupted)? {
                Some(Ok(built)) => outcome.built.push(built),
                Some(Err(failed)) => outcome.failed.push(failed),
                None => return Ok(outcome),
            }
        }
    }
    Ok(outcome)
}

/// What to build: the program each Dockerfile's image runs, else every main package.
fn plans(
    path: &Path,
    dockerfiles: &[String],
    target: Option<&str>,
    interrupted: &AtomicBool,
) -> Result<Vec<Plan>> {
    let mut files: Vec<PathBuf> = dockerfiles.iter().map(PathBuf::from).collect();
    if files.is_empty() {
        files = provost_check::artifact::discover::dockerfiles(path);
    }
    let mut plans = Vec::new();
    let mut unread = Vec::new();
    for file in &files {
        let limits = dockerfile::Limits::default();
        let bytes = mmap::read_text(file, limits.file_bytes as u64, false)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let (build, _) = dockerfile::load_bytes(SourceId(0), &bytes, target, &limits);
        let before = plans.len();
        for go in build.iter().flat_map(wanted) {
            plans.extend(from_dockerfile(file, build.as_ref(), go, path, interrupted)?);
        }
        if plans.len() == before {
            unread.push(file);
        }
    }
    let unread = unread.iter().take(MOST_PACKAGES).map(|file| {
        format!("not as in {}: no go build of the module was found in it", file.display())
    });
    let unread: Vec<String> = unread.collect();
    if let Some(first) = plans.first_mut() {
        first.notes.extend(unread);
        return Ok(plans);
    }
    if plans.is_empty() {
        let module = module_folder(path).with_context(|| {
            format!("no go.mod in {} or above it: --build needs a Go module", path.display())
        })?;
        // What was named is what is meant, also where the module begins further up.
        let mut packages = main_packages(&module, interrupted)?;
        if let (Ok(named), Ok(module)) = (path.canonicalize(), module.canonicalize()) {
            packages.retain(|package| module.join(package).starts_with(&named) || named == module);
        }
        if interrupted.load(Ordering::SeqCst) {
            return Ok(plans);
        }
        if packages.is_empty() {
            bail!(
                "no main package in {} or below it; its module is in {}",
                path.display(),
                module.display()
            );
        }
        if packages.len() > MOST_PACKAGES {
            bail!(
                "{} has {} main packages; give the binary with --binary",
                module.display(),
                packages.len()
            );
        }
        let gomod = read_gomod(&module)?;
        for package in packages {
            plans.push(Plan {
                module: module.clone(),
                package,
                toolchain: toolchain(&gomod, None),
                flags: Vec::new(),
                env: Vec::new(),
                dockerfile: None,
                notes: unread.clone(),
            });
        }
    }
    Ok(plans)
}

/// The builds that make programs of the image: the one it runs first. Behind a script it cannot be
/// told which those are.
fn wanted(build: &Build) -> Vec<&GoBuild> {
    let all = match build.entrypoint_build() {
        Some(_) => build.image_builds(),
        None => build.go_builds.iter().collect(),
    };
    let entry = build.entrypoint_build();
    let is_entry = |go: &GoBuild| entry.is_some_and(|entry| std::ptr::eq(entry, go));
    all.into_iter().filter(|go| is_entry(go) || is_local(go)).take(MOST_PACKAGES).collect()
}

/// Whether a `go build` is one of the module's own packages rather than of a tool.
fn is_local(go: &GoBuild) -> bool {
    go.verb == "build" && go.packages.iter().all(|package| package.value.starts_with('.'))
}

/// The builds of one `go build` line: one for each package that it names.
fn from_dockerfile(
    file: &Path,
    build: Option<&Build>,
    go: &GoBuild,
    root: &Path,
    interrupted: &AtomicBool,
) -> Result<Vec<Plan>> {
    let Some(build) = build else { return Ok(Vec::new()) };
    let mut packages: Vec<String> = go.packages.iter().map(|p| p.value.clone()).collect();
    if packages.is_empty() {
        packages.push(".".to_owned());
    }
    if let Some(flag) = packages.iter().find(|package| package.starts_with('-')) {
        bail!("{}: package {flag:?} would be taken for a flag", file.display());
    }
    let module = locate_module(file, root, &packages[0])?;
    if packages.iter().any(|package| package.ends_with("...")) {
        let all = main_packages(&module, interrupted)?;
        packages = packages.iter().flat_map(|pattern| matching(pattern, &all)).collect();
        packages.sort();
        packages.dedup();
    }
    if packages.len() > MOST_PACKAGES {
        bail!(
            "{}: `go {}` names {} packages; give the binary with --binary",
            file.display(),
            go.verb,
            packages.len()
        );
    }
    let gomod = read_gomod(&module)?;
    let stage = build.stages.get(go.stage);
    let tag = stage.and_then(|stage| stage.go_tag.as_ref()).map(|tag| &tag.value);
    let reproduced = repro::repro_flags(go);
    let mut env = reproduced.env.clone();
    // TARGETOS and TARGETARCH are the builder's to say: it is Linux on what `go` builds for here.
    let platform = |name: &str| matches!(name, "GOOS" | "GOARCH");
    let mut notes: Vec<String> = reproduced
        .refused
        .iter()
        .filter(|(what, _)| !platform(&what.value))
        .map(|(what, why)| format!("not reproduced: {} ({why})", without_secrets(&what.value)))
        .collect();
    if reproduced.refused.iter().any(|(what, _)| platform(&what.value)) {
        notes
            .push("for Linux on this machine's architecture: the Dockerfile leaves it open".into());
    }
    if !env.iter().any(|(name, _)| name == "GOARCH")
        && let Some(arch) = build.pinned_arch(go)
        && matches!(arch.value.as_str(), "amd64" | "arm64")
    {
        notes.push(format!("GOARCH={}, the platform of its stage", arch.value));
        env.push(("GOARCH".to_owned(), arch.value));
    }
    if !env.iter().any(|(name, _)| name == "CGO_ENABLED")
        && stage.is_some_and(|stage| has_no_compiler(build, go.stage, &stage.base.value))
    {
        // Since Go 1.20 cgo is off when no C compiler is found (cmd/go, go1.20 release notes).
        env.push(("CGO_ENABLED".to_owned(), "0".to_owned()));
        notes.push("CGO_ENABLED=0, as in a builder without a C compiler".to_owned());
    }
    let plan = Plan {
        module,
        package: String::new(),
        toolchain: toolchain(&gomod, tag),
        flags: reproduced.arguments(),
        env,
        dockerfile: Some(file.to_string_lossy().into_owned()),
        notes,
    };
    Ok(packages.into_iter().map(|package| Plan { package, ..plan.clone() }).collect())
}

/// The packages of a module that a pattern of `go build` means: itself, or all below `DIR/...`.
fn matching(pattern: &str, all: &[String]) -> Vec<String> {
    let Some(folder) = pattern.strip_suffix("...") else { return vec![pattern.to_owned()] };
    let folder = folder.trim_end_matches('/');
    all.iter()
        .filter(|package| {
            let rest = package.strip_prefix(folder);
            folder == "." || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .cloned()
        .collect()
}

/// Whether the builder is an Alpine image of Go into which nobody installed a compiler.
fn has_no_compiler(build: &Build, stage: usize, base: &str) -> bool {
    use provost_check::facts::build::CommandForm;
    let installs = build.runs.iter().filter(|run| run.stage == stage).any(|run| {
        let text = match &run.command {
            CommandForm::Shell(text) => text.value.clone(),
            CommandForm::Exec(words) => {
                words.iter().map(|w| w.value.as_str()).collect::<Vec<_>>().join(" ")
            }
        };
        ["gcc", "build-base", "clang", "musl-dev", "alpine-sdk"].iter().any(|c| text.contains(c))
    });
    base.contains("alpine") && !installs
}

/// The module folder a package of a Dockerfile lies in: the build context is the Dockerfile's
/// folder or one above it, up to the path that was given.
fn locate_module(file: &Path, root: &Path, package: &str) -> Result<PathBuf> {
    let relative = package.trim_end_matches("/...");
    let mut folder = file.parent();
    while let Some(at) = folder {
        let at = if at.as_os_str().is_empty() { Path::new(".") } else { at };
        let here = at.join(relative);
        let is_local = relative.starts_with('.');
        if at.join("go.mod").is_file() && (!is_local || here.is_dir() || here.is_file()) {
            return Ok(at.to_owned());
        }
        if at == root || at == Path::new(".") {
            break;
        }
        folder = at.parent();
    }
    module_folder(root)
        .with_context(|| format!("{}: no go.mod whose module holds {package}", file.display()))
}

/// The folder at or above `path` with a `go.mod`.
fn module_folder(path: &Path) -> Option<PathBuf> {
    if path.join("go.mod").is_file() {
        return Some(path.to_owned());
    }
    let absolute = path.canonicalize().ok()?;
    absolute.ancestors().find(|at| at.join("go.mod").is_file()).map(Path::to_owned)
}

fn read_gomod(module: &Path) -> Result<GoMod> {
    let path = module.join("go.mod");
    let bytes = mmap::read_text(&path, MOST_GO_MOD, false)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(GoMod::parse(&String::from_utf8_lossy(&bytes)))
}

/// The toolchain to build with. Images of Go set `GOTOOLCHAIN=local`, so a builder's tag outranks
/// `go.mod`; a tag that names no patch is the newest patch we know. Without a tag it is `go.mod`'s
/// toolchain, and without that one whatever `go` chooses.
///
/// Only plain releases are named: `go` would look for a toolchain of any other name on PATH.
fn toolchain(gomod: &GoMod, tag: Option<&GoVersion>) -> Option<String> {
    let plain = |version: &GoVersion| version.suffix.is_empty().then(|| version.to_string());
    let named = gomod.toolchain.as_deref().and_then(GoVersion::parse);
    match (tag, named) {
        (Some(tag), _) if tag.patch.is_some() => plain(tag),
        (Some(tag), Some(named)) if named.minor == tag.minor => plain(&named),
        (Some(tag), _) => {
            support::newest_patch(tag.minor).map(|patch| format!("go1.{}.{patch}", tag.minor))
        }
        (None, named) => named.as_ref().and_then(plain),
    }
}

/// Import paths of the main packages of a module, relative where they can be.
fn main_packages(module: &Path, interrupted: &AtomicBool) -> Result<Vec<String>> {
    let mut command = Command::new("go");
    command.args(["list", "-f", "{{if eq .Name \"main\"}}{{.Dir}}{{end}}", "./..."]);
    // Which files a package has depends on the system it is built for.
    command.current_dir(module).env("GOOS", "linux").stdout(Stdio::piped());
    let listed = run_go(command, interrupted)?;
    if interrupted.load(Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    if !listed.status.success() {
        bail!("go list failed:\n{}", String::from_utf8_lossy(&listed.stderr).trim_end());
    }
    let base = module.canonicalize()?;
    Ok(String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|dir| Path::new(dir).strip_prefix(&base).ok())
        .map(|dir| format!("./{}", dir.display()))
        .collect())
}

/// Runs a command of `go`; it may take what it needs, since the user waits for it.
fn run_go(command: Command, interrupted: &AtomicBool) -> Result<Done> {
    process::run(command, Limits::default(), interrupted)
        .context("cannot run go: --build needs the Go toolchain on PATH")?
}

/// The folder of built programs: one per module and package, so that builds do not fight.
fn output(plan: &Plan) -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    let mut hasher = DefaultHasher::new();
    plan.module.canonicalize()?.hash(&mut hasher);
    (&plan.package, &plan.flags, &plan.env, &plan.toolchain).hash(&mut hasher);
    let folder = cache.join("provost").join("build").join(format!("{:016x}", hasher.finish()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn program_name(plan: &Plan, gomod: &GoMod) -> String {
    let last = |path: &str| path.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
    let package = plan.package.trim_start_matches("./").trim_end_matches('/');
    let named = if package.is_empty() || package == "." { &gomod.module } else { package };
    last(named).filter(|name| !name.is_empty()).unwrap_or_else(|| "main".to_owned())
}

/// Runs one; `None` when the user stopped it.
fn go_build(
    plan: &Plan,
    quiet: bool,
    interrupted: &AtomicBool,
) -> Result<Option<Result<Built, Failed>>> {
    let gomod = read_gomod(&plan.module)?;
    let name = program_name(plan, &gomod);
    let path = output(plan)?.join(&name);
    let mut command = Command::new("go");
    command.arg("build").args(&plan.flags).arg("-o").arg(&path).arg("--").arg(&plan.package);
    command.current_dir(&plan.module);
    // A service on Kubernetes runs on Linux, whatever the laptop is.
    command.env("GOOS", "linux");
    command.envs(plan.env.iter().map(|(name, value)| (name, value)));
    if let Some(toolchain) = &plan.toolchain {
        command.env("GOTOOLCHAIN", toolchain);
    }
    let said = said(plan);
    let progress = (!quiet && std::io::stderr().is_terminal()).then(|| {
        let bar = indicatif::ProgressBar::new_spinner();
        bar.set_message(said.clone());
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        bar
    });
    command.stdout(Stdio::null());
    let done = run_go(command, interrupted);
    if let Some(bar) = progress {
        bar.finish_and_clear();
    }
    let done = done?;
    if interrupted.load(Ordering::SeqCst) {
        return Ok(None);
    }
    if !done.status.success() {
        let stderr = String::from_utf8_lossy(&done.stderr);
        // `go` names the package first, in a line of its own.
        let first = stderr.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
        let sentence = format!("{said} failed in {}: {first}", plan.module.display());
        return Ok(Some(Err(Failed::new(sentence, &done.stderr))));
    }
    let package = plan.package.trim_start_matches("./").trim_start_matches('.');
    let shown = match plan.module.join(package) {
        // A program at the root of the working directory's own module has no path to be named by.
        path if package.is_empty()
            && path.as_os_str().to_string_lossy().trim_matches(['.', '/']).is_empty() =>
        {
            gomod.module.clone()
        }
        path => path.to_string_lossy().into_owned(),
    };
    let mut because = vec![format!("built by {said}")];
    because.extend(plan.notes.iter().cloned());
    Ok(Some(Ok(Built {
        input: BinaryInput {
            path: path.to_string_lossy().into_owned(),
            shown: format!("{} (go build)", shown.trim_end_matches('/')),
            dockerfile: plan.dockerfile.clone(),
            built: Some(BuiltHere {
                go_mod: from_here(&plan.module).join("go.mod").to_string_lossy().into_owned(),
                // An image is built by its builder's Go, whatever go.mod asks for.
                toolchain: gomod.version.filter(|_| plan.dockerfile.is_none()),
                text: gomod.text,
            }),
        },
        because,
    })))
}

/// A folder that was found above another by its full name, as seen from the working directory where
/// it lies in it: annotations are about files of the repository.
fn from_here(folder: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let inside = here.ok().and_then(|here| folder.strip_prefix(here).ok().map(Path::to_owned));
    inside.unwrap_or_else(|| folder.to_owned())
}

/// The command as a person would type it.
fn said(plan: &Plan) -> String {
    let mut words: Vec<OsString> = Vec::new();
    if let Some(toolchain) = &plan.toolchain {
        words.push(format!("GOTOOLCHAIN={toolchain}").into());
    }
    words.extend(plan.env.iter().map(|(name, value)| format!("{name}={value}").into()));
    words.push("go build".into());
    for flag in &plan.flags {
        let flag = without_secrets(flag);
        let quoted = if flag.contains(' ') { format!("'{flag}'") } else { flag };
        words.push(quoted.into());
    }
    words.push(plan.package.clone().into());
    words.join(std::ffi::OsStr::new(" ")).to_string_lossy().into_owned()
}

/// A flag as it may be shown: `-ldflags=-X main.token=...` may set what looks like a secret.
fn without_secrets(flag: &str) -> String {
    let shown = |word: &str| {
        let mut equals = word.match_indices('=').map(|(at, _)| at);
        let secret = equals.find(|at| {
            let name = word[..*at].rsplit(['.', '=']).next().unwrap_or_default();
            looks_secret(name, word[at + 1..].trim_end_matches(['\'', '"'])).is_some()
        });
        match secret {
            Some(at) => format!("{}=***", &word[..at]),
            None => word.to_owned(),
        }
    };
    flag.split(' ').map(shown).collect::<Vec<_>>().join(" ")
}
