//! The directory that a Dockerfile is built in, as far as it can be told from where the file lies:
//! which of the sources of COPY and ADD it has, and which of them `.dockerignore` leaves out.
//!
//! `docker build -f deploy/Dockerfile .` may give any directory. What the file copies tells which
//! one is meant: of its own directory and those above, up to the repository's, the nearest that has
//! all of it. Where none has, only what no candidate has is missing.

mod modules;
mod packages;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustc_hash::FxHashMap;

use super::builders::{self, Builders, NAMES};
use crate::artifact::mmap;
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::facts::build::{Build, CopyStep};
use crate::facts::build_context::{BuildContext, InContext, key};
use crate::facts::build_files::Presence;
use crate::facts::{Fact, Origin, Span};
use crate::model::dockerignore::IgnoreFile;
use crate::model::names::nearest;

/// Sources that are looked for; a file with more is left alone.
const SOURCES: usize = 500;
/// Directories above the Dockerfile that are looked at.
const ABOVE: usize = 8;
/// Bytes of `.dockerignore` and `.gitignore`.
const IGNORE_BYTES: u64 = 1 << 20;
/// Misspelt names that a directory is looked through for.
const MISSPELT: usize = 50;
/// Steps of comparing sources with patterns.
const STEPS: usize = 50_000_000;

/// Directories that are made by building rather than written.
const MADE: &[&str] = &[
    "_build",
    "_output",
    "amd64",
    "arm64",
    "artifact",
    "artifacts",
    "assets",
    "bin",
    "build",
    "certs",
    "dist",
    "frontend",
    "generated",
    "linux",
    "node_modules",
    "out",
    "output",
    "public",
    "release",
    "releases",
    "static",
    "target",
    "tmp",
    "ui",
    "web",
];

/// A directory that may be the context.
pub trait Tree {
    /// Its name in messages.
    fn shown(&self) -> &str;
    /// Whether a path is a directory; `None` when it is not there.
    fn is_directory(&self, path: &str) -> Option<bool>;
    /// Names in a directory.
    fn names(&self, directory: &str) -> Vec<String>;
    /// The text of a file, when there is one.
    fn text(&self, path: &str) -> Option<String>;
}

/// A directory of the disk.
#[derive(Debug)]
struct Disk {
    path: PathBuf,
    shown: String,
}

impl Tree for Disk {
    fn shown(&self) -> &str {
        &self.shown
    }

    fn is_directory(&self, path: &str) -> Option<bool> {
        let path = self.path.join(path);
        // A link to nothing is sent as it is, and what may not be looked at may be there.
        let itself = match std::fs::symlink_metadata(&path) {
            Ok(itself) => itself,
            Err(error) => {
                let absent = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
                return (!absent).then_some(false);
            }
        };
        Some(std::fs::metadata(&path).unwrap_or(itself).is_dir())
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path.join(directory)).into_iter().flatten();
        let names =
            entries.take(NAMES).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn text(&self, path: &str) -> Option<String> {
        let bytes = mmap::read_text(&self.path.join(path), IGNORE_BYTES, false).ok()?;
        String::from_utf8(bytes).ok()
    }
}

/// Finds out about the context of a Dockerfile that lies at `path` and is shown as `shown`.
pub fn find(build: &mut Build, path: &Path, shown: &str, sources: &mut Sources) {
    let lacks = lacks(build);
    if shown == "-" || (wanted(build).is_none() && !lacks) {
        return;
    }
    let Some(absolute) =
        std::path::absolute(path).ok().and_then(|p| p.parent().map(Path::to_owned))
    else {
        return;
    };
    let candidates: Vec<PathBuf> = absolute.ancestors().take(ABOVE).map(Path::to_owned).collect();
    let has = |name: &'static str| move |dir: &PathBuf| dir.join(name).symlink_metadata().is_ok();
    // That of a submodule is a file, and what holds the submodule goes on above it.
    let last = candidates
        .iter()
        .position(|dir| dir.join(".git").is_dir())
        .or_else(|| candidates.iter().position(has(".git")))
        .or_else(|| candidates.iter().rposition(has("go.mod")))
        .unwrap_or(0);
    let mut shown_dir = Path::new(shown).parent().map(Path::to_owned);
    let mut trees: Vec<Box<dyn Tree>> = Vec::new();
    for dir in candidates.into_iter().take(last + 1) {
        let name = shown_dir.as_ref().map(|dir| dir.to_string_lossy().replace('\\', "/"));
        shown_dir = shown_dir.as_deref().and_then(Path::parent).map(Path::to_owned);
        let shown = match name.as_deref() {
            Some("") => ".".to_owned(),
            Some(name) => name.to_owned(),
            None => "the repository's directory".to_owned(),
        };
        trees.push(Box::new(Disk { path: dir, shown }));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let below: Vec<String> = {
        // The way from each candidate down to the one before it.
        absolute
            .ancestors()
            .take(last)
            .filter_map(|dir| dir.file_name()?.to_str().map(str::to_owned))
            .collect()
    };
    if lacks {
        build.named_contexts = Builders::read(&trees).names_contexts();
    }
    state(build, &trees, &below, name, sources);
}

/// Whether a stage seems to lack what is copied from it.
fn lacks(build: &Build) -> bool {
    let steps = build.copies.len() + build.runs.len() + build.go_builds.len();
    let sources: usize = build.copies.iter().map(|copy| copy.sources.len()).sum();
    let from = |copy: &CopyStep| copy.from_stage.filter(|from| *from < copy.stage);
    // The rule gives up from there on.
    steps <= 20_000
        && sources <= 1000
        && build.copies.iter().any(|copy| {
            let Some(from) = from(copy) else { return false };
            copy.sources.iter().any(|source| build.stage_has(from, source) == Presence::Impossible)
        })
}

/// Sources that come from the context, once each; `None` when nothing does, or too much.
fn wanted(build: &Build) -> Option<BTreeSet<String>> {
    let reached = build.reached();
    let copies = build
        .copies
        .iter()
        .filter(|copy| copy.from.is_none() && reached.get(copy.stage) == Some(&true));
    let copied = copies.flat_map(|copy| copy.sources.iter().map(|source| source.value.as_str()));
    let mut all = BTreeSet::new();
    for source in copied {
        all.extend(key(source));
        if all.len() > SOURCES {
            return None;
        }
    }
    for run in build.runs.iter().filter(|run| reached.get(run.stage) == Some(&true)) {
        for source in run.bound().filter_map(|(_, source)| key(source)) {
            all.insert(source);
            if all.len() > SOURCES {
                return None;
            }
        }
    }
    (!all.is_empty()).then_some(all)
}

/// Puts what is known of the context into the facts. `trees` are the candidates, the Dockerfile's own
/// directory first; `below` the name of each in the next one.
pub(crate) fn state(
    build: &mut Build,
    trees: &[Box<dyn Tree>],
    below: &[String],
    dockerfile: &str,
    sources: &mut Sources,
) {
    let Some(wanted) = wanted(build) else { return };
    let files: Vec<&str> =
        wanted.iter().map(String::as_str).filter(|key| !key.is_empty()).collect();
    let absent: Vec<BTreeSet<&str>> = trees
        .iter()
        .map(|tree| files.iter().copied().filter(|key| tree.is_directory(key).is_none()).collect())
        .collect();
    let whole: Vec<usize> = (0..trees.len()).filter(|i| absent[*i].is_empty()).collect();
    let has = |tree: &dyn Tree, names: &[&str]| {
        names.iter().any(|name| tree.is_directory(name).is_some())
    };
    let mut evident = true;
    let chosen = if files.is_empty() {
        // `COPY . .` alone fits everywhere.
        let is_root = |tree: &dyn Tree| has(tree, &["go.mod", ".git", ".dockerignore"]);
        trees.iter().position(|tree| is_root(tree.as_ref())).filter(|i| *i == 0)
    } else if let Some(first) = whole.first() {
        Some(*first)
    } else {
        let best = (0..trees.len()).min_by_key(|i| absent[*i].len());
        let best = best.filter(|i| absent[*i].len() < files.len());
        // A module, or what has an ignore file, is probably a context whatever it lacks. The top of
        // a repository alone is none: the file may be shared by the modules below.
        best.or_else(|| {
            let own = trees.first()?;
            evident = has(own.as_ref(), &["go.mod"]);
            has(own.as_ref(), &["go.mod", ".dockerignore"]).then_some(0)
        })
    };
    let Some(chosen) = chosen else { return };
    let Some(tree) = trees.get(chosen) else { return };
    let ignore = ignore_file(tree.as_ref(), trees.first().map(AsRef::as_ref), dockerfile);
    // Two directories that have everything, or equally much of it, may both be meant.
    let fewest = absent.get(chosen).map_or(0, BTreeSet::len);
    let certain = whole.len() == 1
        || trees.len() == 1
        || (whole.is_empty() && absent.iter().filter(|set| set.len() == fewest).count() == 1)
        || (chosen == 0 && tree.is_directory(".dockerignore").is_some());
    let made = Made::read(trees, below, chosen);
    let missing: BTreeSet<&str> = files
        .iter()
        .copied()
        .filter(|file| absent.iter().all(|absent| absent.contains(file)))
        .collect();
    let Some(root) = trees.last() else { return };
    let own = ways(trees.len(), below);
    let others = match missing.is_empty() {
        true => builders::Others::default(),
        false => builders::others(root.as_ref(), &own, &files, &missing, fewest),
    };
    let unexplained = missing.iter().any(|file| !others.explained.contains(*file));
    let builders = if unexplained { Builders::read(trees) } else { Builders::default() };
    let module = has(tree.as_ref(), &["go.mod"]);
    // No module in all of a repository, and none that is fetched into it.
    let no_module = others.complete
        && !others.modules
        && has(root.as_ref(), &[".git"])
        && !trees.iter().any(|tree| has(tree.as_ref(), &[".gitmodules"]));
    let is_sure = |name: &str, prepared: bool| {
        let of_module = matches!(name, "go.mod" | "go.sum" | "go.work" | "go.work.sum");
        evident
            && !prepared
            && !made.is_ignored(name)
            && (!of_module || ((module || no_module) && !builders.may_write_modules()))
    };
    let mut known = FxHashMap::default();
    let mut steps = STEPS;
    let parsed = ignore.as_ref().filter(|_| certain).map(|(_, text)| IgnoreFile::parse(text));
    let mut id = None;
    let mut looked = 0;
    for name in &wanted {
        let excluded = parsed.as_ref().and_then(|file| file.excludes(name, &mut steps));
        let answer = if let (Some(at), Some((path, text))) = (excluded, &ignore) {
            let id = *id.get_or_insert_with(|| {
                let text = Arc::from(text.as_str());
                sources.add(Source::text(path.clone(), SourceKind::DockerIgnore, text))
            });
            let pattern = text.get(at.clone()).unwrap_or_default().to_owned();
            InContext::Excluded(Fact::written(
                pattern,
                Origin::text(id, Span::new(at.start, at.end)),
            ))
        } else if missing.contains(name.as_str()) && !others.explained.contains(name) {
            looked += 1;
            let near = (looked <= MISSPELT).then(|| near(tree.as_ref(), name)).flatten();
            // Each is looked for in all that the builders say.
            let prepared = looked > MISSPELT || builders.may_prepare(name);
            let sure = is_sure(name, prepared);
            // A name of one word is that of a directory or a target too.
            let by_name = name.contains(['/', '.'])
                && !matches!(name.as_str(), "go.mod" | "go.sum" | "go.work" | "go.work.sum");
            let made = made.holds(name) || (prepared && by_name && looked <= MISSPELT);
            InContext::Absent { near, made, sure }
        } else {
            InContext::There
        };
        known.insert(name.clone(), answer);
    }
    // The ignore file is that of the context, unless it is the Dockerfile's own.
    let excluded = known.values().any(|answer| matches!(answer, InContext::Excluded(_)));
    let of_context =
        ignore.is_some_and(|(path, _)| !path.ends_with(&format!("{dockerfile}.dockerignore")));
    let another = excluded && of_context && {
        let files = if files.is_empty() { vec!["go.mod"] } else { files.clone() };
        let module = files == ["go.mod"] && module;
        !module && builders::others(root.as_ref(), &own, &files, &BTreeSet::new(), 0).whole
    };
    let modules::Read { modules, unsure: unsure_modules } =
        modules::read(build, trees, chosen, sources);
    let missing_packages = match certain {
        true => packages::missing(build, trees, chosen, |path| {
            made.holds(path) || Builders::read(trees).may_prepare(path)
        }),
        false => Vec::new(),
    };
    let dir = tree.shown().to_owned();
    build.context = Some(BuildContext {
        dir,
        sources: known,
        another,
        modules,
        unsure_modules,
        missing_packages,
    });
}

/// The ways from the outermost candidate to each.
fn ways(candidates: usize, below: &[String]) -> Vec<String> {
    let mut ways = vec![String::new()];
    for name in below.iter().take(candidates.saturating_sub(1)).rev() {
        let way = ways.last().filter(|way| !way.is_empty());
        ways.push(way.map_or_else(|| name.clone(), |way| format!("{way}/{name}")));
    }
    ways
}

/// The path and text of the ignore file in force: `Dockerfile.dockerignore` beside the Dockerfile
/// goes before `.dockerignore` of the context (`dockerui/config.go`).
fn ignore_file(
    context: &dyn Tree,
    own: Option<&dyn Tree>,
    dockerfile: &str,
) -> Option<(String, String)> {
    let named = format!("{dockerfile}.dockerignore");
    let path = |tree: &dyn Tree, name: &str| match tree.shown() {
        "." => name.to_owned(),
        dir => format!("{dir}/{name}"),
    };
    if let Some((own, text)) = own.and_then(|own| Some((own, own.text(&named)?))) {
        return Some((path(own, &named), text));
    }
    let text = context.text(".dockerignore")?;
    Some((path(context, ".dockerignore"), text))
}

/// Something in the same directory of nearly that name.
fn near(tree: &dyn Tree, path: &str) -> Option<String> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    // A short name without an ending is rather that of a program, built before.
    if name.len() < 5 || !(name.contains('.') || path.contains('/')) {
        return None;
    }
    let names = tree.names(directory);
    let near = nearest(name, names.iter().map(String::as_str).filter(|other| *other != name), 2)?;
    Some(if directory.is_empty() { near.to_owned() } else { format!("{directory}/{near}") })
}

/// What may be made before the build.
struct Made {
    /// `.gitignore` of the candidate and those above it, with the way down to the candidate.
    ignored: Vec<(Gitignore, String)>,
    /// Directories of `.gitmodules`, which may be empty until they are fetched.
    submodules: Vec<(String, String)>,
}

impl Made {
    fn read(trees: &[Box<dyn Tree>], below: &[String], chosen: usize) -> Self {
        let mut ignored = Vec::new();
        let mut submodules = Vec::new();
        let mut way = String::new();
        for (index, tree) in trees.iter().enumerate().skip(chosen) {
            for line in tree.text(".gitmodules").unwrap_or_default().lines().take(10_000) {
                if let Some(("path", path)) =
                    line.split_once('=').map(|(key, path)| (key.trim(), path.trim()))
                {
                    submodules.push((path.to_owned(), way.clone()));
                }
            }
            for text in [".gitignore", ".git/info/exclude"].iter().filter_map(|at| tree.text(at)) {
                let mut builder = GitignoreBuilder::new("");
                for line in text.lines().take(10_000) {
                    // A line that is no pattern ignores nothing.
                    let _ = builder.add_line(None, line);
                }
                ignored.extend(builder.build().ok().map(|file| (file, way.clone())));
            }
            if let Some(name) = below.get(index) {
                way = if way.is_empty() { name.clone() } else { format!("{name}/{way}") };
            }
        }
        Self { ignored, submodules }
    }

    fn holds(&self, path: &str) -> bool {
        path.split('/').any(|part| MADE.contains(&part)) || self.is_ignored(path)
    }

    /// Git does not keep it, or keeps it elsewhere.
    fn is_ignored(&self, path: &str) -> bool {
        let from = |way: &str| match way {
            "" => path.to_owned(),
            _ => format!("{way}/{path}"),
        };
        self.submodules.iter().take(100).any(|(module, way)| {
            from(way)
                .strip_prefix(module)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }) || self.ignored.iter().any(|(file, way)| {
            let path = from(way);
            // A directory's pattern ends with a slash, and what is not there is neither.
            [false, true]
                .iter()
                .any(|directory| file.matched_path_or_any_parents(&path, *directory).is_ignore())
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
