//! The `go.mod` that a `go build` of a Dockerfile reads, where the steps before it bring one from
//! the context as it is.

use std::sync::Arc;

use super::Tree;
use crate::artifact::go_mod::GoMod;
use crate::artifact::source::{SourceKind, Sources};
use crate::facts::build::{Build, GoBuild, RunStep};
use crate::facts::build_context::{GoModule, key};
use crate::facts::{Fact, Origin, Span};
use crate::model::glob;
use crate::model::toolchain::may_refuse;

/// Builds that are looked at; a file with more is none that somebody wrote.
const MOST_BUILDS: usize = 64;

/// Directories above the one of a build in which `go` looks for the module.
const ABOVE: usize = 16;

/// What a RUN says that writes a `go.mod`. `go get` and `go mod tidy` are not among it: they raise the
/// `go` line, and fail as the build does.
const CHANGES: &[&str] = &["go mod edit", "go mod init", "go.mod"];

/// The modules of builds that may be too new for their builder, by its tag.
#[derive(Default)]
pub(super) struct Read {
    /// Those that builds read.
    pub(super) modules: Vec<(usize, GoModule)>,
    /// Builds that may read one of several, and the names of two that differ in that.
    pub(super) unsure: Vec<(usize, String, String)>,
}

/// Reads the modules of builds.
pub(super) fn read(
    build: &Build,
    trees: &[Box<dyn Tree>],
    chosen: usize,
    sources: &mut Sources,
) -> Read {
    let mut found = Read::default();
    for (index, go) in build.go_builds.iter().enumerate().take(MOST_BUILDS) {
        let Some(tag) = build.go_tag(go) else { continue };
        if writes_module(build, go) {
            continue;
        }
        // Of several directories that may be the context each may have one.
        let all = trees.iter().enumerate().filter_map(|(at, tree)| {
            let path = path_of(build, go, tree.as_ref())?;
            let shown = match tree.shown() {
                "." => path.clone(),
                dir => format!("{dir}/{path}"),
            };
            let text = tree.text(&path);
            let module = GoMod::parse(text.as_deref().unwrap_or_default());
            // Others say nothing about the builder.
            let mut lines = module.go.iter().chain(&module.toolchain);
            let refuses = lines.any(|line| may_refuse(&tag.value, line));
            Some((at, shown, text, module, refuses))
        });
        let all: Vec<_> = all.collect();
        let refused = all.iter().find(|(.., refuses)| *refuses);
        let taken = all.iter().find(|(.., refuses)| !*refuses);
        if let (Some((_, refused, ..)), Some((_, taken, ..))) = (refused, taken) {
            found.unsure.push((index, refused.clone(), taken.clone()));
            continue;
        }
        let one = all.into_iter().find(|(at, .., refuses)| *at == chosen && *refuses);
        let Some((_, shown, Some(text), module, _)) = one else { continue };
        let (Some(line), Some(place)) = (&module.go, &module.go_at) else { continue };
        let id = sources.with_text(shown.clone(), SourceKind::GoMod, Arc::from(text.as_str()));
        let fact = |value: &str, at: &std::ops::Range<usize>| {
            Fact::written(value.to_owned(), Origin::text(id, Span::new(at.start, at.end)))
        };
        let toolchain = match (&module.toolchain, &module.version) {
            (Some(name), Some(at)) => Some(fact(name, at)),
            _ => None,
        };
        let module = GoModule { path: shown, go: fact(line, place), toolchain };
        found.modules.push((index, module));
    }
    found
}

/// Where the context has the module of a build.
pub(super) fn path_of(build: &Build, go: &GoBuild, tree: &dyn Tree) -> Option<String> {
    let dir = go.dir.as_deref().filter(|dir| dir.starts_with('/') && !dir.contains('$'))?;
    let chain = build.chain_of(go.stage);
    let mut at = dir.trim_end_matches('/');
    for _ in 0..ABOVE {
        let mut found = None;
        let copies = build.copies.iter().filter(|copy| {
            copy.from.is_none()
                && chain.contains(&copy.stage)
                && (copy.stage != go.stage || is_before(&copy.origin, go))
        });
        for copy in copies {
            for source in &copy.sources {
                found = brought(&source.value, &copy.destination.value, at, tree).or(found);
            }
        }
        for run in build.runs.iter().filter(|run| run.stage == go.stage && holds(run, go)) {
            for mount in run.mounts() {
                let of = |names: &[&str]| {
                    mount.iter().find(|(key, _)| names.contains(key)).map(|(_, value)| *value)
                };
                let binds = of(&["type"]).is_none_or(|kind| kind == "bind");
                if let Some(target) = of(&["target", "dst", "destination"])
                    && binds
                    && of(&["from"]).is_none()
                {
                    let target = if target == "." { dir } else { target };
                    let source = of(&["source", "src"]).unwrap_or(".");
                    found = brought(source, target, at, tree).or(found);
                }
            }
        }
        if found.is_some() {
            return found;
        }
        at = at.rsplit_once('/')?.0;
    }
    None
}

/// The `go.mod` of the context that a source brings into a directory of the image.
fn brought(source: &str, destination: &str, dir: &str, tree: &dyn Tree) -> Option<String> {
    if destination.contains('$') || source.contains('$') {
        return None;
    }
    let to = destination.trim_end_matches("/.").trim_end_matches('/');
    let is_module = |path: &String| tree.is_directory(path) == Some(false);
    let Some(key) = key(source) else {
        // `COPY go.* ./`
        let (from, pattern) = source.rsplit_once('/').unwrap_or(("", source));
        let from = self::key(from).unwrap_or_default();
        let path = joined(&[&from, "go.mod"]);
        let matches = !pattern.contains(['[', '\\']) && glob::matches(pattern, "go.mod");
        return (matches && to == dir).then_some(path).filter(is_module);
    };
    let is_directory = key.is_empty() || tree.is_directory(&key)?;
    if !is_directory {
        let name = key.rsplit('/').next();
        let into = to.strip_suffix("/go.mod").unwrap_or(to);
        return (name == Some("go.mod") && into == dir).then_some(key);
    }
    let rest = dir.strip_prefix(to).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    Some(joined(&[&key, rest.trim_start_matches('/'), "go.mod"])).filter(is_module)
}

pub(super) fn joined(parts: &[&str]) -> String {
    parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

pub(super) fn is_before(origin: &Origin, go: &GoBuild) -> bool {
    match (origin.span(), go.origin.span()) {
        (Some(one), Some(other)) => one.start < other.start,
        _ => false,
    }
}

/// Whether a build is one of a RUN's commands.
pub(super) fn holds(run: &RunStep, go: &GoBuild) -> bool {
    match (run.origin.span(), go.origin.span()) {
        (Some(run), Some(go)) => run.start <= go.start && go.end <= run.end,
        _ => false,
    }
}

/// Whether a RUN before a build may write its module, or bring another Go.
fn writes_module(build: &Build, go: &GoBuild) -> bool {
    build.brings_go(go.stage) || build.runs_say(go.stage, CHANGES)
}
