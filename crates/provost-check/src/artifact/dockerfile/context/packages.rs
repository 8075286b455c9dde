//! Packages that a `go build` of a Dockerfile names, held against what the steps before it bring of
//! the context.

use super::Tree;
use super::modules::{holds, is_before, joined, path_of};
use crate::facts::build::{Build, CopyStep, GoBuild};
use crate::facts::build_context::{MissingPackage, key};
use crate::facts::{Fact, Origin};
use crate::model::names::nearest;

/// Builds that are looked at, and packages of each.
const MOST_BUILDS: usize = 64;
const MOST_PACKAGES: usize = 16;

/// The packages that the context, and any other directory that may be it, lacks. `made` says what may
/// come to be before the build.
pub(super) fn missing(
    build: &Build,
    trees: &[Box<dyn Tree>],
    chosen: usize,
    made: impl Fn(&str) -> bool,
) -> Vec<MissingPackage> {
    let mut found = Vec::new();
    let Some(tree) = trees.get(chosen) else { return found };
    let reached = build.reached();
    for (index, go) in build.go_builds.iter().enumerate().take(MOST_BUILDS) {
        let Some(dir) = go.dir.as_deref().filter(|dir| dir.starts_with('/') && !dir.contains('$'))
        else {
            continue;
        };
        // Without its module the directory is another context than the one that is meant.
        if reached.get(go.stage) != Some(&true)
            || reads_elsewhere(go)
            || path_of(build, go, tree.as_ref()).is_none()
        {
            continue;
        }
        for (place, word) in go.packages.iter().enumerate().take(MOST_PACKAGES) {
            let Some(package) = directory(word, dir) else { continue };
            let Some((path, copy)) = in_context(build, go, &package, tree.as_ref()) else {
                continue;
            };
            let is_there = |tree: &dyn Tree| tree.is_directory(&path).is_some();
            if trees.iter().any(|tree| is_there(tree.as_ref()))
                || build.may_make(go.stage, &package)
                || made(&path)
            {
                continue;
            }
            let near = near(tree.as_ref(), &path).and_then(|near| {
                let (around, _) = word.value.trim_end_matches('/').rsplit_once('/')?;
                Some(format!("{around}/{near}"))
            });
            found.push(MissingPackage { word: (index, place), path, near, copy });
        }
    }
    found
}

/// Whether flags have the build read other files than those of its directory.
fn reads_elsewhere(go: &GoBuild) -> bool {
    let name = |flag: &str| flag.trim_start_matches('-').split('=').next().map(str::to_owned);
    let other = |name: &str| matches!(name, "C" | "modfile" | "overlay");
    go.flags.iter().any(|flag| name(&flag.value).is_none_or(|name| other(&name)))
}

/// The directory in the image that a word names, when it is one package's and written as it is.
fn directory(word: &Fact<String>, dir: &str) -> Option<String> {
    let text = word.value.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let is_local = text.starts_with("./") && text.chars().all(plain);
    if !word.is_written() || !is_local || text.contains("..") || text.ends_with(".go") {
        return None;
    }
    let inside = key(text).filter(|inside| !inside.is_empty())?;
    Some(format!("{}/{inside}", dir.trim_end_matches('/')))
}

/// Where the context would have a directory of the image, and the COPY that would bring it. `None`
/// where that is not clear, or several may.
fn in_context(
    build: &Build,
    go: &GoBuild,
    package: &str,
    tree: &dyn Tree,
) -> Option<(String, Origin)> {
    // A directory that is mounted stands in front of what is copied.
    if build.runs.iter().any(|run| {
        let is_bind = |mount: &[(&str, &str)]| {
            let kind = mount.iter().find(|(key, _)| *key == "type").map(|(_, kind)| *kind);
            kind.is_none_or(|kind| kind == "bind")
        };
        run.stage == go.stage && holds(run, go) && run.mounts().any(|mount| is_bind(&mount))
    }) {
        return None;
    }
    let chain = build.chain_of(go.stage);
    let before = |copy: &&CopyStep| {
        chain.contains(&copy.stage) && (copy.stage != go.stage || is_before(&copy.origin, go))
    };
    let mut found: Option<(String, Origin)> = None;
    for copy in build.copies.iter().filter(before) {
        if copy.from.is_some() || copy.from_stage.is_some() {
            continue;
        }
        let to = copy.destination.value.as_str();
        let loose = |flag: &Fact<String>| {
            flag.value.starts_with("--parents") || flag.value.starts_with("--exclude")
        };
        if to.contains('$') || copy.add || copy.flags.iter().any(loose) {
            return None;
        }
        let to = to.trim_end_matches("/.").trim_end_matches('/');
        let rest = package.strip_prefix(to).filter(|rest| rest.starts_with('/'));
        let around =
            to.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if around {
            return None;
        }
        let Some(rest) = rest else { continue };
        for source in &copy.sources {
            // A pattern brings files under their names, and directories without theirs.
            let source = key(&source.value)?;
            if source.is_empty() || tree.is_directory(&source)? {
                let path = joined(&[&source, rest.trim_start_matches('/')]);
                match &found {
                    Some((known, _)) if *known != path => return None,
                    _ => found = Some((path, copy.origin.clone())),
                }
            }
        }
    }
    found
}

/// The directory beside the missing one that may be meant: of nearly its name, or the only one.
fn near(tree: &dyn Tree, path: &str) -> Option<String> {
    let (around, name) = path.rsplit_once('/').unwrap_or(("", path));
    let names = tree.names(around);
    let is_directory = |name: &&String| tree.is_directory(&joined(&[around, name])) == Some(true);
    let all: Vec<&str> = names.iter().filter(is_directory).map(String::as_str).collect();
    let mut distinct = all.clone();
    distinct.dedup();
    let only = || match distinct.as_slice() {
        [only] if !around.is_empty() => Some(*only),
        _ => None,
    };
    nearest(name, all.iter().copied(), 3).or_else(only).map(str::to_owned)
}
