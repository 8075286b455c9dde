//! What the paths of a command line hold: manifests, Dockerfiles, executables, `go.mod`,
//! `provost.toml`.
//!
//! A directory is walked as a repository is meant: `.gitignore` is respected, hidden entries,
//! `node_modules`, `testdata` and Go's `vendor` are left out, symbolic links are not followed
//! inside the tree. What is meant to be rendered first is not judged and said: Helm charts,
//! kustomizations and the patches they name.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::WalkBuilder;

use super::manifest::Skipped;
use super::render::Renderer;
use super::source::{Reached, Source, SourceKind, Sources};
use super::{Problem, ProblemKind};
use crate::facts::origin::{Origin, SourceId};

mod assertions;
mod kustomize;
mod near;
mod suffixed;
#[cfg(test)]
mod tests;

pub use near::near;

/// Bounds of a walk.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Files that are looked at below all paths.
    pub files: usize,
    /// Directories below each other.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 1_000_000, depth: 100 }
    }
}

/// A file to load.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its name in reports: as given or as found, with `/` between the parts and no `./` in front.
    pub shown: String,
    /// Where to read it.
    pub path: PathBuf,
    /// What it is taken for; its content may show otherwise.
    pub kind: SourceKind,
    /// Named on the command line.
    pub named: bool,
}

/// A path that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unusable {
    /// Its name in reports.
    pub shown: String,
    /// Named on the command line: exit code 2.
    pub named: bool,
    /// What sort of problem.
    pub kind: ProblemKind,
    /// What is wrong.
    pub message: String,
}

impl Unusable {
    /// The problem as rules see it, with a source of its own.
    pub fn into_problem(self, sources: &mut Sources) -> (SourceId, Problem) {
        let mut source = Source::opaque(self.shown, SourceKind::Unknown);
        source.named = self.named;
        let id = sources.add(source);
        let origin = Origin::whole(id);
        (id, Problem { kind: self.kind, origin, message: self.message, help: None })
    }
}

/// What was found, each list sorted by path, whatever the order of the arguments or of the
/// directory entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Files to load.
    pub files: Vec<Found>,
    /// What is not judged as it stands.
    pub skipped: Vec<Skipped>,
    /// What cannot be used.
    pub unusable: Vec<Unusable>,
    /// Charts and kustomizations that are part of no other, and what renders them.
    pub renderable: Vec<(Renderer, PathBuf)>,
    /// By the name of a file in reports: what kustomizations do with it.
    pub kustomizations: BTreeMap<String, Reached>,
    /// Kustomizations that generate ConfigMaps or Secrets.
    pub generators: Vec<PathBuf>,
}

impl Discovery {
    /// The files of one kind.
    pub fn of(&self, kind: SourceKind) -> impl Iterator<Item = &Found> {
        self.files.iter().filter(move |file| file.kind == kind)
    }
}

/// Directories that hold other people's files, or inputs that are broken on purpose.
const LEFT_OUT: &[&str] = &["node_modules", "testdata", "fixtures", "__pycache__"];

/// Looks at every path. Opens files only for their first bytes.
pub fn discover<P: AsRef<Path>>(paths: &[P], limits: &Limits) -> Discovery {
    let mut found = Discovery::default();
    let mut left = limits.files;
    for path in paths {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            found.files.push(Found {
                shown: "-".to_owned(),
                path: path.to_owned(),
                kind: SourceKind::Manifest,
                named: true,
            });
            continue;
        }
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() && path.join("oci-layout").is_file() => {
                let (shown, path) = (shown(path), path.to_owned());
                found.files.push(Found { shown, path, kind: SourceKind::Image, named: true });
            }
            Ok(metadata) if metadata.is_dir() => walk(path, limits, &mut left, &mut found),
            Ok(metadata) => named_file(path, &metadata, &mut found),
            Err(error) => found.unusable.push(Unusable {
                shown: shown(path),
                named: true,
                kind: kind_of(&error),
                message: missing(path, &error),
            }),
        }
    }
    // A path that is both named and found stays once, as named.
    found.files.sort_by(|a, b| (&a.shown, !a.named).cmp(&(&b.shown, !b.named)));
    found.files.dedup_by(|a, b| a.shown == b.shown);
    found.generators.sort();
    found.generators.dedup();
    found.renderable.sort();
    found.renderable.dedup();
    found.skipped.sort();
    found.skipped.dedup();
    found.unusable.sort();
    found.unusable.dedup();
    found
}

/// The Dockerfiles at a path: the file itself, or those below a directory.
pub fn dockerfiles(path: &Path) -> Vec<PathBuf> {
    let found = discover(&[path], &Limits::default());
    found.of(SourceKind::Dockerfile).map(|file| file.path.clone()).collect()
}

/// What sort of problem it is that a path of the command line cannot be opened.
pub(crate) fn kind_of(error: &std::io::Error) -> ProblemKind {
    match error.kind() {
        std::io::ErrorKind::NotFound => ProblemKind::Missing,
        _ => ProblemKind::Unreadable,
    }
}

/// Why a path of the command line cannot be opened; of one that is missing, what follows its name.
pub(crate) fn missing(path: &Path, error: &std::io::Error) -> String {
    match kind_of(error) {
        ProblemKind::Missing if path.symlink_metadata().is_ok() => {
            "is a link to nothing".to_owned()
        }
        ProblemKind::Missing => absent(path, Path::exists),
        _ => system_message(error),
    }
}

/// What is said of a path that is not there, behind its name.
pub fn absent(path: &Path, is_meant: impl Fn(&Path) -> bool) -> String {
    match near(path, is_meant) {
        Some(near) => format!("does not exist; did you mean {}?", shown(&near)),
        None => "does not exist".to_owned(),
    }
}

/// `No such file or directory` without the number that Rust adds.
pub(crate) fn system_message(error: &std::io::Error) -> String {
    let text = error.to_string();
    let cut = text.find(" (os error").unwrap_or(text.len());
    text[..cut].to_owned()
}

fn named_file(path: &Path, metadata: &std::fs::Metadata, found: &mut Discovery) {
    let shown = shown(path);
    let is_pipe = is_pipe(metadata);
    if !metadata.is_file() && !is_pipe {
        found.unusable.push(Unusable {
            shown,
            named: true,
            kind: ProblemKind::Unreadable,
            message: "is neither a file nor a directory".to_owned(),
        });
        return;
    }
    let kind = if is_pipe {
        // `<(helm template .)`; it cannot be looked at twice.
        SourceKind::Manifest
    } else {
        match by_name(path) {
            Some(kind) => kind,
            None => match first_bytes(path) {
                Ok(head) => by_content(&head),
                Err(error) => {
                    found.unusable.push(Unusable {
                        shown,
                        named: true,
                        kind: ProblemKind::Unreadable,
                        message: system_message(&error),
                    });
                    return;
                }
            },
        }
    };
    if kind == SourceKind::Unknown {
        found.unusable.push(Unusable {
            shown,
            named: true,
            kind: ProblemKind::Malformed,
            message: what_it_is_not(path).to_owned(),
        });
        return;
    }
    found.files.push(Found { shown, path: path.to_owned(), kind, named: true });
}

#[cfg(unix)]
fn is_pipe(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &std::fs::Metadata) -> bool {
    false
}

fn walk(root: &Path, limits: &Limits, left: &mut usize, found: &mut Discovery) {
    let mut entries = Vec::new();
    let mut charts = BTreeSet::new();
    let mut kustomizations = Vec::new();
    let mut links = Vec::new();
    let left_out = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&left_out);
    let walker = WalkBuilder::new(root)
        // What a machine or a user has set up elsewhere must not change the answer.
        .git_global(false)
        .git_exclude(false)
        .ignore(false)
        .require_git(false)
        .follow_links(false)
        .max_depth(Some(limits.depth))
        .filter_entry(move |entry| {
            let stays = entry.depth() == 0
                || !entry.file_type().is_some_and(|t| t.is_dir())
                || !is_left_out(entry.path());
            if !stays && holds_inputs_of_tests(entry.path()) {
                // Nothing panics while it holds the lock.
                noted
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(entry.path().to_owned());
            }
            stays
        })
        .build();
    for entry in walker {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.unusable.push(walk_error(root, &error));
                continue;
            }
        };
        let Some(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            links.push(entry.into_path());
            continue;
        }
        // Neither FIFOs, sockets nor devices are ever opened.
        if !kind.is_file() {
            continue;
        }
        if *left == 0 {
            found.unusable.push(Unusable {
                shown: shown(root),
                named: true,
                kind: ProblemKind::Limit,
                message: format!("holds more than {} files; the rest is not judged", limits.files),
            });
            break;
        }
        *left -= 1;
        let path = entry.into_path();
        match path.file_name().and_then(OsStr::to_str) {
            Some("Chart.yaml") => {
                charts.insert(path.parent().unwrap_or(root).to_owned());
            }
            Some("kustomization.yaml" | "kustomization.yml" | "Kustomization") => {
                kustomizations.push(path);
            }
            _ => entries.push(path),
        }
    }
    entries.extend(outside(root, &links));
    // A chart inside another one is rendered with it.
    for chart in &charts {
        if !chart.ancestors().skip(1).any(|above| charts.contains(above)) {
            found.skipped.push(Skipped {
                path: shown(chart),
                why: "a Helm chart is judged when it is rendered".to_owned(),
                render: Some(rendered_by("--chart", chart)),
            });
            found.renderable.push((Renderer::Helm, chart.clone()));
        }
    }
    let left_out = std::mem::take(&mut *left_out.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(first) = left_out.first() {
        let (path, why) = match left_out.len() {
            1 => (first.as_path(), "a folder of this name holds inputs of tests".to_owned()),
            n => (root, format!("{n} folders called testdata or fixtures hold inputs of tests")),
        };
        found.skipped.push(Skipped {
            path: shown(path),
            why,
            render: Some(format!("provost check {}", quoted(&shown(first)))),
        });
    }
    let assertions = assertions::Assertions::read(&entries);
    let all = entries.len();
    entries.retain(|path| !assertions.holds(path));
    let compared = all - entries.len();
    if compared > 0 {
        found.skipped.push(Skipped {
            path: shown(root),
            why: format!(
                "{compared} {} what a test of chainsaw or kuttl expects, not what is deployed",
                if compared == 1 { "file says" } else { "files say" }
            ),
            render: None,
        });
    }
    let kustomized = kustomize::read(&kustomizations);
    // Several paths of a command line are walked one after the other.
    let first = found.kustomizations.values().flat_map(|all| &all.by).max().map_or(0, |n| n + 1);
    for (path, mut reached) in kustomized.reached() {
        reached.by.iter_mut().for_each(|number| *number = number.saturating_add(first));
        found.kustomizations.entry(shown(path)).or_default().extend(reached);
    }
    let generators = kustomized.generating.values().filter(|file| !in_chart(file, &charts));
    found.generators.extend(generators.cloned());
    // What others name is built with them.
    for dir in kustomized.dirs.iter().filter(|dir| kustomized.is_root(dir)) {
        if !in_chart(dir, &charts) {
            found.skipped.push(Skipped {
                path: shown(dir),
                why: "a kustomization is judged when it is built; its resources are judged as they are".to_owned(),
                render: Some(rendered_by("--kustomize", dir)),
            });
            found.renderable.push((Renderer::Kustomize, dir.clone()));
        }
    }
    for path in entries {
        let kind = match by_name(&path) {
            Some(SourceKind::Manifest)
                if in_chart(&path, &charts) || kustomized.is_partial(&path) =>
            {
                continue;
            }
            Some(kind) => kind,
            None if may_be_executable(&path) => match first_bytes(&path) {
                Ok(head) if is_executable(&head) => SourceKind::Binary,
                _ => continue,
            },
            None => continue,
        };
        found.files.push(Found { shown: shown(&path), path, kind, named: false });
    }
}

fn walk_error(root: &Path, error: &ignore::Error) -> Unusable {
    let mut path = None;
    let mut inner = error;
    loop {
        inner = match inner {
            ignore::Error::WithPath { path: at, err } => {
                path = Some(at.as_path());
                err
            }
            ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => err,
            _ => break,
        };
    }
    let message = match inner.io_error() {
        Some(error) => system_message(error),
        None => inner.to_string(),
    };
    let shown = shown(path.unwrap_or(root));
    Unusable { shown, named: false, kind: ProblemKind::Unreadable, message }
}

/// Links to regular files outside the walked tree; those inside are found where they are.
fn outside(root: &Path, links: &[PathBuf]) -> Vec<PathBuf> {
    if links.is_empty() {
        return Vec::new();
    }
    let Ok(root) = root.canonicalize() else { return Vec::new() };
    let is_outside = |link: &&PathBuf| {
        link.canonicalize().is_ok_and(|target| !target.starts_with(&root) && target.is_file())
    };
    links.iter().filter(is_outside).cloned().collect()
}

fn holds_inputs_of_tests(dir: &Path) -> bool {
    matches!(dir.file_name().and_then(OsStr::to_str), Some("testdata" | "fixtures"))
}

fn is_left_out(dir: &Path) -> bool {
    match dir.file_name().and_then(OsStr::to_str) {
        // Go's copy of other modules; a directory of that name may hold one's own files too.
        Some("vendor") => dir.join("modules.txt").is_file(),
        Some(name) => LEFT_OUT.contains(&name),
        None => false,
    }
}

/// Whether a manifest is part of a chart: its values, its templates and what Helm reads besides. A
/// chart may be the root of a repository, so that other directories in it are not.
fn in_chart(path: &Path, charts: &BTreeSet<PathBuf>) -> bool {
    if charts.is_empty() {
        return false;
    }
    path.ancestors().skip(1).any(|dir| {
        charts.contains(dir)
            && path.strip_prefix(dir).is_ok_and(|rest| {
                let mut parts = rest.components();
                let first = parts.next().map(Component::as_os_str);
                let is_direct = parts.next().is_none();
                is_direct
                    || matches!(
                        first.and_then(OsStr::to_str),
                        Some("templates" | "charts" | "crds" | "ci" | "tests" | "files")
                    )
            })
    })
}

/// The kind a name promises.
fn by_name(path: &Path) -> Option<SourceKind> {
    let name = path.file_name()?.to_str()?;
    match name {
        "go.mod" => return Some(SourceKind::GoMod),
        "provost.toml" => return Some(SourceKind::Config),
        _ => {}
    }
    let lower = name.to_ascii_lowercase();
    let (stem, extension) = lower.rsplit_once('.').unwrap_or((&lower, ""));
    // BuildKit looks for `Dockerfile.dockerignore` beside `Dockerfile`.
    if extension == "dockerignore" {
        return None;
    }
    match extension {
        "yaml" | "yml" | "json" => return Some(SourceKind::Manifest),
        "dockerfile" | "containerfile" => return Some(SourceKind::Dockerfile),
        _ => {}
    }
    let first = stem.split('.').next().unwrap_or(stem);
    let base = if extension.is_empty() { lower.as_str() } else { first };
    (matches!(base, "dockerfile" | "containerfile") && suffixed::is_one(path, extension))
        .then_some(SourceKind::Dockerfile)
}

/// Whether a file without a telling name is worth opening.
fn may_be_executable(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    // Libraries and objects are no programs that a container starts.
    if matches!(extension, "so" | "o" | "a" | "dylib" | "dll" | "syso") {
        return false;
    }
    extension.is_empty() || matches!(extension, "exe" | "bin" | "elf") || is_marked_executable(path)
}

#[cfg(unix)]
fn is_marked_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::symlink_metadata(path).is_ok_and(|m| m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_marked_executable(_: &Path) -> bool {
    false
}

/// Why a named file cannot be judged.
fn what_it_is_not(path: &Path) -> &'static str {
    let packed = first_bytes(path)
        .is_ok_and(|head| head.starts_with(&[0x1F, 0x8B]) || head.starts_with(b"\x28\xB5\x2F\xFD"));
    if packed {
        "is compressed as a whole: should it be an image that docker save wrote, unpack it first \
         (gunzip)"
    } else {
        "is no manifest, Dockerfile, executable or image"
    }
}

/// Enough to tell a format.
const HEAD: u64 = 4096;

fn first_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

fn is_executable(head: &[u8]) -> bool {
    match head {
        [0x7F, b'E', b'L', b'F', ..] => true,
        [0xFE, 0xED, 0xFA, 0xCE | 0xCF, ..] | [0xCE | 0xCF, 0xFA, 0xED, 0xFE, ..] => true,
        // A Java class begins alike and has a large version where this has a small count.
        [0xCA, 0xFE, 0xBA, 0xBE | 0xBF, 0, 0, 0, count, ..] => *count < 40,
        // `MZ` alone begins many a text.
        [b'M', b'Z', rest @ ..] => rest.len() > 62 && rest.contains(&0),
        _ => false,
    }
}

/// What a named file without a telling name is.
fn by_content(head: &[u8]) -> SourceKind {
    if is_executable(head) {
        return SourceKind::Binary;
    }
    // The mark of POSIX and GNU archives; a named archive can only be an image.
    if head.get(257..262) == Some(b"ustar") {
        return SourceKind::Image;
    }
    let text = String::from_utf8_lossy(head);
    if text.contains("apiVersion") {
        return SourceKind::Manifest;
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let word = first.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
    if word.eq_ignore_ascii_case("FROM") || word.eq_ignore_ascii_case("ARG") {
        return SourceKind::Dockerfile;
    }
    SourceKind::Unknown
}

/// The line a user can type to have `path` rendered and judged. A repository chooses the names of
/// its folders, so that a name with anything but letters and digits is quoted.
fn rendered_by(flag: &str, path: &Path) -> String {
    format!("provost check {flag} {}", quoted(&shown(path)))
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let path = if path.starts_with('-') { format!("./{path}") } else { path.to_owned() };
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// A path as reports show it.
pub fn shown(path: &Path) -> String {
    let mut text = String::new();
    for component in path.components() {
        match component {
            Component::CurDir => continue,
            Component::RootDir | Component::Prefix(_) => {
                text.push_str(&component.as_os_str().to_string_lossy());
                continue;
            }
            _ => {}
        }
        if !text.is_empty() && !text.ends_with('/') {
            text.push('/');
        }
        text.push_str(&component.as_os_str().to_string_lossy());
    }
    if text.is_empty() { ".".to_owned() } else { text }
}
