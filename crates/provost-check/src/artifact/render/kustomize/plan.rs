//! What a kustomization is built of, and why kustomize must not be asked to build it.
//!
//! Read before kustomize runs: what it would fetch is refused, and so is what cannot be told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::artifact::discover::shown;
use crate::artifact::kustomization::{self, Entry, NAMES, Role};
use crate::facts::document::{Document, Node};

/// Folders with a kustomization that one build is made of.
const MOST_FOLDERS: usize = 1000;

/// Things that all kustomizations of a build name.
const MOST_ENTRIES: usize = 20_000;

/// Characters of an entry that are repeated.
const MOST_SHOWN: usize = 120;

/// What a kustomization is made of.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Why kustomize must not run, as the end of a sentence: `a/kustomization.yaml names x, which
    /// kustomize would fetch`.
    pub refused: Vec<String>,
    /// Folders that were reached, that of the root first.
    pub(super) folders: Vec<Folder>,
    /// Files with whole objects, by their names in reports.
    pub(super) resources: BTreeMap<PathBuf, PathBuf>,
    /// Files with patches and settings.
    pub(super) patches: BTreeMap<PathBuf, PathBuf>,
    /// Files that generators take.
    pub(super) data: BTreeMap<PathBuf, PathBuf>,
    /// Where they really are.
    real: BTreeSet<PathBuf>,
    /// Where the folders really are, each with its numbers: of objects, of settings of plugins.
    known: BTreeMap<PathBuf, [Option<usize>; 2]>,
    /// The folder that paths are relative to.
    here: PathBuf,
    /// Some path leads through a link.
    linked: bool,
    left: usize,
}

/// A folder with a kustomization.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// Without links.
    real: PathBuf,
    shown: PathBuf,
    /// Its objects are the settings of plugins.
    plugins: bool,
    /// The files of its kustomization: one, but kustomize knows three names.
    pub(super) files: Vec<PathBuf>,
    /// What was named by it, by number or by name in reports.
    pub(super) children: Vec<usize>,
    pub(super) resources: Vec<PathBuf>,
}

impl Plan {
    /// Whether a file is part of what is built.
    pub fn holds(&self, file: &Path) -> bool {
        self.real.contains(&normal(&self.here.join(file)))
            || (self.linked && file.canonicalize().is_ok_and(|real| self.real.contains(&real)))
    }

    /// Whether a folder is the root or one of the bases and components below it.
    pub fn reaches(&self, folder: &Path) -> bool {
        self.known.contains_key(&normal(&self.here.join(folder)))
            || (self.linked
                && folder.canonicalize().is_ok_and(|real| self.known.contains_key(&real)))
    }
}

/// Reads the kustomization of a folder and all that it names.
pub fn plan(root: &str) -> Plan {
    let here = std::env::current_dir().unwrap_or_default();
    let mut plan = Plan { here, left: MOST_ENTRIES, ..Plan::default() };
    match Path::new(root).canonicalize() {
        Ok(real) => {
            let shown = normal(Path::new(root));
            plan.linked = real != normal(&plan.here.join(&shown));
            plan.folder(real, shown, false);
        }
        Err(error) => plan.refuse(Path::new(root), &cannot_be_read(&error)),
    }
    // What a folder names is appended.
    let mut next = 0;
    while next < plan.folders.len() {
        plan.read(next);
        next += 1;
    }
    plan
}

impl Plan {
    fn refuse(&mut self, file: &Path, why: &str) {
        let sentence = format!("{} {why}", shown(file));
        if self.refused.len() < 100 && !self.refused.contains(&sentence) {
            self.refused.push(sentence);
        }
    }

    /// The number of a folder; kustomizations that name each other in a circle are not read again.
    fn folder(&mut self, real: PathBuf, shown: PathBuf, plugins: bool) -> Option<usize> {
        let next = self.folders.len();
        let number = self.known.get(&real).and_then(|known| known[usize::from(plugins)]);
        if number.is_some() || next >= MOST_FOLDERS {
            return number;
        }
        self.known.entry(real.clone()).or_default()[usize::from(plugins)] = Some(next);
        let (files, children, resources) = Default::default();
        self.folders.push(Folder { real, shown, plugins, files, children, resources });
        Some(next)
    }

    /// Reads the kustomization of one folder.
    fn read(&mut self, number: usize) {
        let (folder, plugins) = (self.folders[number].real.clone(), self.folders[number].plugins);
        for name in NAMES {
            let path = folder.join(name);
            let file = self.folders[number].shown.join(name);
            match path.metadata() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Ok(metadata) if metadata.is_dir() => continue,
                // What it is or why not is told by who reads it.
                _ => {}
            }
            match kustomization::read(&path) {
                Ok((_, documents)) => {
                    self.folders[number].files.push(file.clone());
                    if let Ok(real) = path.canonicalize() {
                        self.real.insert(real);
                    }
                    for document in &documents {
                        let root = document.root();
                        if plugins {
                            self.only_names(&file, root);
                        }
                        for entry in kustomization::entries(root) {
                            self.entry(number, &file, &entry);
                        }
                    }
                }
                Err(why) => self.refuse(&file, &cannot_be_told(&why)),
            }
        }
    }

    /// A kustomization of the settings of plugins may put together what they load.
    fn only_names(&mut self, file: &Path, root: Node<'_>) {
        let plain = ["apiversion", "kind", "metadata", "resources", "bases"];
        let fields = kustomization::fields(root);
        if let Some((name, _)) = fields.iter().find(|(name, _)| !plain.contains(&&**name)) {
            let why = format!(
                "changes the settings of generators or transformers with `{}`, so that what they \
                 would load cannot be told",
                short(name)
            );
            self.refuse(file, &why);
        }
    }

    fn entry(&mut self, number: usize, file: &Path, entry: &Entry<'_>) {
        if self.left == 0 {
            let why = format!("and the others name more than {MOST_ENTRIES} files and folders");
            return self.refuse(file, &why);
        }
        self.left -= 1;
        if entry.is_fetched() {
            let why = match entry.role {
                Role::Chart => "names a Helm chart, which kustomize would have helm fetch; render \
                                the chart with --chart"
                    .to_owned(),
                _ => format!(
                    "names {}, which kustomize would fetch; copy it beside the kustomization and \
                     name the copy",
                    short(entry.text)
                ),
            };
            return self.refuse(file, &why);
        }
        let plugins = self.folders[number].plugins;
        match entry.role {
            Role::Whole | Role::Component => {
                let Some((real, name)) = self.found(number, entry.text) else {
                    let why = format!("names {}, which is not there", short(entry.text));
                    return self.refuse(file, &why);
                };
                if real.is_dir() {
                    self.child(number, file, real, name, plugins);
                } else if !real.is_file() {
                    self.refuse(file, &format!("names {}, which is no file", short(entry.text)));
                } else if plugins {
                    self.plugin_file(real, name);
                } else if entry.role == Role::Whole {
                    self.folders[number].resources.push(name.clone());
                    self.real.insert(real.clone());
                    self.resources.insert(name, real);
                }
            }
            Role::Plugin(_) => {
                // kustomize takes it for settings before it looks for a file.
                match kustomization::parse(entry.text) {
                    Ok(documents) => self.plugin(file, &documents),
                    Err(why) => self.refuse(file, &cannot_be_told(&why)),
                }
                match self.found(number, entry.text) {
                    Some((real, name)) if real.is_dir() => {
                        self.child(number, file, real, name, true);
                    }
                    Some((real, name)) => self.plugin_file(real, name),
                    None => {}
                }
            }
            Role::Schema | Role::Patch | Role::Settings => {
                if let Some((real, name)) = self.found(number, entry.text).filter(|f| f.0.is_file())
                {
                    self.real.insert(real.clone());
                    self.patches.insert(name, real);
                }
            }
            Role::Data => {
                // `key=path`, and `env` has no key.
                let behind = entry.text.split_once('=').map(|(_, path)| path);
                for path in std::iter::once(entry.text).chain(behind) {
                    if let Some((real, name)) = self.found(number, path).filter(|f| f.0.is_file()) {
                        self.data.insert(name, real);
                    }
                }
            }
            Role::Chart | Role::Unknown => {}
        }
    }

    fn child(&mut self, of: usize, file: &Path, real: PathBuf, name: PathBuf, plugins: bool) {
        match self.folder(real, name, plugins) {
            Some(child) => self.folders[of].children.push(child),
            None => {
                let why =
                    format!("and the others name more than {MOST_FOLDERS} folders to build from");
                self.refuse(file, &why);
            }
        }
    }

    /// Looks for what the settings of plugins load.
    fn plugin(&mut self, file: &Path, documents: &[Document]) {
        for document in documents {
            let entries = kustomization::loaded_by_plugin(document.root());
            if let Some(entry) = entries.iter().find(|entry| entry.is_fetched()) {
                let why = match entry.role {
                    Role::Chart => "has kustomize render a Helm chart, which helm would fetch; \
                                    render the chart with --chart"
                        .to_owned(),
                    _ => format!(
                        "has a generator or transformer load {}, which kustomize would fetch",
                        short(entry.text)
                    ),
                };
                self.refuse(file, &why);
            }
        }
    }

    fn plugin_file(&mut self, real: PathBuf, name: PathBuf) {
        match kustomization::read(&real) {
            Ok((_, documents)) => self.plugin(&name, &documents),
            Err(why) => self.refuse(&name, &cannot_be_told(&why)),
        }
        self.real.insert(real.clone());
        self.patches.insert(name, real);
    }

    /// Where an entry of a folder is: without links, and by its name in reports. kustomize takes
    /// `..` back by name, from a folder without links (kyaml `filesys/confirmeddir.go`).
    fn found(&mut self, folder: usize, entry: &str) -> Option<(PathBuf, PathBuf)> {
        if entry.contains(['\n', '\0']) {
            return None;
        }
        let folder = &self.folders[folder];
        let real = normal(&folder.real.join(entry)).canonicalize().ok()?;
        let name = normal(&folder.shown.join(entry));
        let direct = normal(&self.here.join(&name));
        if direct == real {
            return Some((real, name));
        }
        self.linked = true;
        // The way a person would go, where it leads there.
        let name = match direct.canonicalize().is_ok_and(|other| other == real) {
            true => name,
            false => real.strip_prefix(&self.here).unwrap_or(&real).to_owned(),
        };
        Some((real, name))
    }
}

fn cannot_be_read(error: &std::io::Error) -> String {
    format!("cannot be read: {}", crate::artifact::discover::system_message(error))
}

fn cannot_be_told(why: &str) -> String {
    format!("cannot be read for what kustomize would fetch: {why}")
}

/// An entry as a message shows it: one line, without what may be a password.
fn short(entry: &str) -> String {
    let line = entry.trim().lines().next().unwrap_or_default();
    let line = line.split_once('?').map_or(line, |(before, _)| before);
    let mut text = match line.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rfind('@').map_or(rest, |at| &rest[at + 1..]);
            format!("{scheme}://{host}")
        }
        None => line.to_owned(),
    };
    if let Some((at, _)) = text.char_indices().nth(MOST_SHOWN) {
        text.truncate(at);
        text.push_str("...");
    }
    text
}

/// The path without `.` and with `..` taken back where that can be done by name.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match (part, plain.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                plain.pop();
            }
            (Component::ParentDir, Some(Component::RootDir)) => {}
            (other, _) => plain.push(other),
        }
    }
    plain
}
