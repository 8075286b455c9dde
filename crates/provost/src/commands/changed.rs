//! `--diff-base REV`: which findings come from files that git says have changed since.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use provost_check::artifact::{Source, SourceKind};
use provost_check::case::World;
use provost_check::facts::SourceId;
use provost_check::facts::binary::Binary;
use provost_check::findings::Finding;
use provost_check::report::plain::clean;

use crate::exit::Mistake;
use lost::Lost;
use sources::Modules;

mod lost;
mod sources;

/// The files of a repository that are as they were in a revision.
///
/// A finding is left out only when nothing that it rests on can have changed: every place of it
/// lies in a file that git tracks and that did not change, and no file is gone that was joined with it. A program whose Go module the repository
/// has counts as changed when one of the files did that it is built from, and its image when any file
/// of the module did that may be copied into it. Standard input, other programs and images, and files
/// that git ignores or does not know count as changed: nothing says which ones they were before.
#[derive(Debug)]
pub(crate) struct Changed {
    /// Canonical paths of tracked files without a change.
    same: HashSet<PathBuf>,
    /// Files that are gone: what is missing may be why there is a finding around them.
    lost: Vec<Lost>,
    /// Files that changed or are gone.
    differing: Vec<PathBuf>,
    /// Those, and files that git does not know and does not ignore.
    touched: Vec<PathBuf>,
    modules: Modules,
    /// What was asked before.
    known: RefCell<HashMap<SourceId, bool>>,
    /// Of files that changed those that change what kustomize prints of others.
    kustomized: OnceCell<Vec<PathBuf>>,
}

impl Changed {
    /// What changed since the working tree left `revision`, by the repository around the working
    /// directory. Committed or not makes no difference: it is the tree that is judged.
    pub(crate) fn since(revision: &str) -> Result<Self, Mistake> {
        let git = Git::new()?;
        let root = git.run(&["rev-parse", "--show-toplevel"])?;
        let root = path(root.strip_suffix(b"\n").unwrap_or(&root));
        let commit = format!("{revision}^{{commit}}");
        let commit = git
            .run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])
            .map_err(|_| {
                Mistake::new(format!("--diff-base: git knows no commit {}", clean(revision)))
                    .help("in CI, fetch it: a shallow clone has the last commit only")
            })?;
        let differ = git.run(&[
            "diff",
            "--name-status",
            "-z",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            // Whatever the repository's configuration says.
            "--no-relative",
            "--ignore-submodules=dirty",
            "--merge-base",
            "--end-of-options",
            revision,
        ])?;
        let tracked = git.run(&["ls-files", "--full-name", "-z", ":/"])?;
        let mut differing = HashSet::new();
        let mut lost = Vec::new();
        let mut parts = differ.split(|byte| *byte == 0);
        while let (Some(status), Some(name)) = (parts.next(), parts.next()) {
            if status == b"D" {
                lost.push(name);
            }
            differing.insert(name);
        }
        let same = tracked
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty() && !differing.contains(name))
            .filter_map(|name| root.join(path(name)).canonicalize().ok())
            // A link whose target changed is no file without a change.
            .filter(|file| {
                let inside = file.strip_prefix(&root).ok();
                inside.is_some_and(|name| !differing.contains(name.as_os_str().as_bytes()))
            })
            .collect();
        let differing: Vec<PathBuf> =
            differing.into_iter().map(|name| root.join(path(name))).collect();
        let lost = git.lost(&root, &commit, &lost);
        let unknown =
            git.run(&["ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/"])?;
        let names = |list: &[u8]| {
            let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
            names.map(|name| root.join(path(name))).collect::<Vec<_>>()
        };
        let unknown = names(&unknown);
        let modules = Modules::of(names(&tracked).into_iter().chain(unknown.iter().cloned()));
        let touched = differing.iter().chain(&unknown).cloned().collect();
        Ok(Self {
            same,
            lost,
            differing,
            touched,
            modules,
            known: RefCell::default(),
            kustomized: OnceCell::new(),
        })
    }

    /// Whether the finding may be there because something changed.
    pub(crate) fn touches(&self, finding: &Finding, world: &World) -> bool {
        finding.evidence.iter().any(|evidence| {
            let id = evidence.origin.source();
            let mut known = self.known.borrow_mut();
            *known.entry(id).or_insert_with(|| {
                let source = world.sources.get(id);
                match source.kind {
                    SourceKind::Binary => self.program_may_differ(id, source, world),
                    SourceKind::Image => self.image_may_differ(id, source, world),
                    _ => self.may_differ(id, source, world),
                }
            })
        })
    }

    /// Whether a program may be another than that of before: it is by what it is built from, unless
    /// git has the program itself.
    fn program_may_differ(&self, id: SourceId, source: &Source, world: &World) -> bool {
        if !self.may_differ(id, source, world) {
            return false;
        }
        let Some(binary) = world.binaries.iter().find(|binary| binary.source == id) else {
            return true;
        };
        let built_from = binary.built_from.map(|id| (id, world.sources.get(id)));
        let program = binary.go.as_ref();
        built_from.is_some_and(|(id, dockerfile)| self.may_differ(id, dockerfile, world))
            || program.is_none_or(|program| self.modules.may_differ(program, &self.touched))
    }

    /// Whether an image may be another than that of before: it is by its program, and by what else of
    /// the module its Dockerfile may copy. The manifests that run it are none of that.
    fn image_may_differ(&self, id: SourceId, source: &Source, world: &World) -> bool {
        if !self.may_differ(id, source, world) {
            return false;
        }
        let own = |binary: &&Binary| binary.in_image == Some(id);
        let Some(binary) = world.binaries.iter().find(own) else { return true };
        let program = world.sources.get(binary.source);
        let folder = binary.go.as_ref().and_then(|program| self.modules.folder_of(program));
        let Some(folder) =
            folder.filter(|_| !self.program_may_differ(binary.source, program, world))
        else {
            return true;
        };
        let runs_it = |file: &Path| {
            let mut all = world.sources.iter().filter(|(_, source)| is_of_deployment(source.kind));
            all.any(|(_, source)| {
                Path::new(&source.path).canonicalize().is_ok_and(|path| path == file)
            })
        };
        let is_source = |file: &Path| file.extension() == Some(OsStr::new("go"));
        let mut touched = self.touched.iter().filter(|file| file.starts_with(folder));
        // Sources were asked for already, those of other programs and tests left out.
        touched.any(|file| !is_source(file) && !runs_it(file))
    }

    /// Files that differ without those of which a kustomization takes whole objects and nothing else. Replacements and
    /// variables carry values from one object into another.
    fn kustomized(&self, world: &World) -> &[PathBuf] {
        self.kustomized.get_or_init(|| {
            let resources = || {
                let all = world.sources.iter().map(|(_, source)| source);
                all.filter(|source| source.kind == SourceKind::Resource)
            };
            let carries = |source: &Source| {
                let text = source.shown().unwrap_or_default();
                ["replacements", "vars:"].iter().any(|word| text.contains(word))
            };
            let read: Vec<PathBuf> =
                self.differing.iter().filter(|file| is_read_by_any(file, world)).cloned().collect();
            if resources().any(|source| !source.whole && carries(source)) {
                return read;
            }
            let files = |whole: bool| -> HashSet<PathBuf> {
                let of = resources().filter(|source| source.whole == whole);
                of.filter_map(|source| Path::new(&source.path).canonicalize().ok()).collect()
            };
            let (whole, others) = (files(true), files(false));
            let apart = |file: &Path| {
                let file = file.canonicalize();
                file.is_ok_and(|file| whole.contains(&file) && !others.contains(&file))
            };
            read.into_iter().filter(|file| !apart(file)).collect()
        })
    }

    fn may_differ(&self, id: SourceId, source: &Source, world: &World) -> bool {
        if source.kind == SourceKind::Flag {
            return false;
        }
        let Ok(file) = Path::new(&source.path).canonicalize() else { return true };
        // What a template prints depends on all that is rendered with it, and what kustomize prints of a file on
        // all but the files with other objects.
        let with: Option<(&Path, &[PathBuf])> = match source.kind {
            SourceKind::Template | SourceKind::Values => {
                rendered_with(&file).map(|folder| (folder, self.differing.as_slice()))
            }
            SourceKind::Resource | SourceKind::Data => {
                rendered_with(&file).map(|folder| (folder, self.kustomized(world)))
            }
            _ => None,
        };
        if with.is_some_and(|(folder, files)| files.iter().any(|other| other.starts_with(folder))) {
            return true;
        }
        !self.same.contains(&file)
            || self.lost.iter().any(|lost| lost.may_matter(&file, id, source, world))
    }
}

/// Whether kustomize may read a file: it is one of YAML or JSON, or a kustomization names it or a folder around
/// it, as generators do.
fn is_read_by_any(file: &Path, world: &World) -> bool {
    let ends = ["yaml", "yml", "json"].map(OsStr::new);
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if file.extension().is_none_or(|end| ends.contains(&end)) || name.ends_with(".env") {
        return true;
    }
    world.sources.iter().any(|(_, source)| {
        let is_input = matches!(source.kind, SourceKind::Resource | SourceKind::Data);
        is_input && source.shown().is_none_or(|text| text.contains(name))
    })
}

/// Whether an input says how images are run.
fn is_of_deployment(kind: SourceKind) -> bool {
    matches!(
        kind,
        SourceKind::Manifest
            | SourceKind::Template
            | SourceKind::Resource
            | SourceKind::Data
            | SourceKind::Values
            | SourceKind::Config
    )
}

/// The folder whose files are rendered together with one: the outermost chart around it, or, for a
/// kustomization, which may name its neighbours, the folder two above.
fn rendered_with(file: &Path) -> Option<&Path> {
    let charts = file.ancestors().skip(1).filter(|folder| folder.join("Chart.yaml").is_file());
    charts.last().or_else(|| file.ancestors().nth(3))
}

/// The folder below which a file of `folder` may have been judged together with others: the one
/// around it, since `base` and `overlays` lie side by side, or itself when that is the repository.
fn neighbourhood(root: &Path, folder: &Path) -> PathBuf {
    let around = folder.parent().filter(|around| !around.as_os_str().is_empty());
    root.join(around.unwrap_or(folder))
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// git, asked without running any program that the repository names.
struct Git {
    env: Vec<(OsString, OsString)>,
}

impl Git {
    /// Turns off the filters of the configuration: git runs them to compare a file whose time has
    /// changed. A file that only its filter would make equal counts as changed.
    fn new() -> Result<Self, Mistake> {
        let mut git = Self { env: Vec::new() };
        let pattern = r"^filter\..*\.(clean|smudge|process|required)$";
        // It ends with 1 when there are none.
        let keys = git.output(&["config", "--name-only", "-z", "--get-regexp", pattern])?;
        let keys = keys.stdout.split(|byte| *byte == 0).filter(|key| !key.is_empty());
        let keys: HashSet<&[u8]> = keys.collect();
        for (at, key) in keys.iter().enumerate() {
            let value = if key.ends_with(b".required") { "false" } else { "" };
            git.env.push((format!("GIT_CONFIG_KEY_{at}").into(), OsStr::from_bytes(key).into()));
            git.env.push((format!("GIT_CONFIG_VALUE_{at}").into(), value.into()));
        }
        git.env.push(("GIT_CONFIG_COUNT".into(), keys.len().to_string().into()));
        Ok(git)
    }

    /// What was in the files that are gone since the working tree left a commit.
    fn lost(&self, root: &Path, commit: &[u8], names: &[&[u8]]) -> Vec<Lost> {
        let commit = String::from_utf8_lossy(commit);
        let base = self.run(&["merge-base", commit.trim(), "HEAD"]).unwrap_or_default();
        let base = String::from_utf8_lossy(&base).trim().to_owned();
        let mut left = lost::MOST_READ;
        let mut read = |name: &[u8]| -> Option<Vec<u8>> {
            left = left.checked_sub(1).filter(|_| !base.is_empty())?;
            let object = format!("{base}:{}", std::str::from_utf8(name).ok()?);
            let size = self.run(&["cat-file", "-s", &object]).ok()?;
            let size: usize = std::str::from_utf8(&size).ok()?.trim().parse().ok()?;
            (size <= lost::LARGEST).then(|| self.run(&["cat-file", "blob", &object]).ok())?
        };
        let of = |name: &&[u8]| {
            let file = path(name);
            let around = neighbourhood(root, file.parent().unwrap_or(Path::new("")));
            let text = lost::is_read(&file).then(|| read(name)).flatten();
            Lost::new(root.join(file), around, text)
        };
        names.iter().map(of).collect()
    }

    fn run(&self, args: &[&str]) -> Result<Vec<u8>, Mistake> {
        let output = self.output(args)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().next().unwrap_or("git failed");
            return Err(Mistake::new(format!("--diff-base: {}", clean(line))));
        }
        Ok(output.stdout)
    }

    fn output(&self, args: &[&str]) -> Result<std::process::Output, Mistake> {
        let mut command = Command::new("git");
        // A file system monitor is a program that the repository names, and so may be what fetches
        // the objects that a partial clone lacks.
        command
            .args(["-c", "core.fsmonitor=false", "--no-optional-locks"])
            .env("GIT_NO_LAZY_FETCH", "1")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .args(args)
            .stdin(Stdio::null());
        command
            .output()
            .map_err(|error| Mistake::new(format!("--diff-base: git cannot be run: {error}")))
    }
}
