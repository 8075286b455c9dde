//! `--fix`: writes the edits of findings into the files they are about, or shows them as a diff.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use provost_check::artifact::{self, Source, SourceKind, mmap};
use provost_check::case::World;
use provost_check::facts::SourceId;
use provost_check::findings::fix::{self, Plan};
use provost_check::findings::{Edit, Finding};
use provost_check::report::plain::clean;

use crate::output;

pub(crate) mod diff;

/// A fix can uncover another finding or make room for one that it overlapped; a few passes settle
/// all of them, and a pair of fixes that undo each other must end.
pub(crate) const PASSES: usize = 8;

/// Files larger than this are not written anew.
const LARGEST: u64 = 64 << 20;

/// What the passes did.
#[derive(Debug, Default)]
pub(crate) struct Fixed {
    findings: usize,
    files: BTreeSet<String>,
    /// Of the last pass: fixes that only a person can decide on.
    suggested: usize,
    /// Why a file was left as it is.
    refused: BTreeSet<String>,
}

impl Fixed {
    fn refuse(&mut self, path: &str, why: &str) {
        self.refused.insert(format!("{} was not fixed: {why}", clean(path)));
    }

    /// Why files were left as they are, a line each.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = String> + '_ {
        self.refused.iter().map(|why| format!("warning: {why}"))
    }

    /// What was done and what is left.
    pub(crate) fn summary(&self, would: bool) -> String {
        let did = if would { "would fix" } else { "fixed" };
        let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let mut line = format!(
            "{did} {} in {}",
            count(self.findings, "finding"),
            count(self.files.len(), "file")
        );
        if self.suggested > 0 {
            line.push_str(&format!("; --unsafe-fixes has {} more", self.suggested));
        }
        line
    }
}

/// One file, before and after.
struct Change {
    source: SourceId,
    path: String,
    real: PathBuf,
    before: String,
    after: String,
    edits: Vec<Edit>,
    /// The text as a report may show it: secrets masked.
    shown: String,
}

/// Writes what can be fixed. Says whether anything was written.
///
/// A fix that changes two files changes both or neither, as far as a file system can promise that:
/// all new texts are on the disk before the first takes its file's name.
pub(crate) fn write(
    world: &World,
    roots: &[String],
    findings: &[&Finding],
    suggested: bool,
    fixed: &mut Fixed,
) -> bool {
    let mut broken: BTreeSet<SourceId> = BTreeSet::new();
    let (prepared, plan) = loop {
        let (changes, plan) =
            changes(world, roots, findings, suggested, &broken, &Drafts::default(), fixed);
        let mut prepared = Vec::new();
        let before = broken.len();
        for change in changes {
            match output::Prepared::new(&change.real, &change.after) {
                Ok(ready) => prepared.push((change, ready)),
                Err(error) => {
                    fixed.refuse(&change.path, &error.to_string());
                    broken.insert(change.source);
                }
            }
        }
        if broken.len() == before {
            break (prepared, plan);
        }
    };
    fixed.suggested = plan.suggested;
    let mut written = BTreeSet::new();
    for (change, ready) in prepared {
        match put(&change, ready) {
            Ok(()) => {
                written.insert(change.source);
                fixed.files.insert(change.path);
            }
            Err(why) => fixed.refuse(&change.path, &why),
        }
    }
    fixed.findings += plan.fixes.iter().filter(|sources| sources.is_subset(&written)).count();
    !written.is_empty()
}

/// Gives a new text its file's name, unless somebody has written the file, or has put a link in its
/// place, since it was read.
fn put(change: &Change, ready: output::Prepared) -> Result<(), String> {
    let same = fs::canonicalize(&change.path).is_ok_and(|real| real == change.real)
        && text_of(&change.real).is_ok_and(|text| text == change.before);
    if !same {
        return Err("it has changed meanwhile".to_owned());
    }
    ready.put().map_err(|error| error.to_string())
}

/// The same as [`write`] without writing: what files would be stands in `drafts`. Says whether one of
/// them has changed that is judged anew from its draft.
pub(crate) fn draft(
    world: &World,
    roots: &[String],
    findings: &[&Finding],
    suggested: bool,
    fixed: &mut Fixed,
    drafts: &mut Drafts,
) -> bool {
    // What a renderer makes of a draft is not known: its inputs are what the first pass made them.
    let first = drafts.all.is_empty();
    let is_judged_anew = |id: SourceId| {
        matches!(world.sources.get(id).kind, SourceKind::Manifest | SourceKind::Dockerfile)
    };
    let mut findings = findings.to_vec();
    findings.retain(|finding| {
        let edits = finding.fix.iter().flat_map(|fix| &fix.edits);
        first || edits.into_iter().all(|edit| is_judged_anew(edit.source))
    });
    let (changes, plan) =
        changes(world, roots, &findings, suggested, &BTreeSet::new(), drafts, fixed);
    fixed.suggested = plan.suggested;
    fixed.findings += plan.fixes.len();
    let mut changed = false;
    for change in changes {
        fixed.files.insert(change.path.clone());
        changed |= is_judged_anew(change.source) && change.before != change.after;
        drafts.take(change);
    }
    changed
}

/// Files as they would be.
#[derive(Default)]
pub(crate) struct Drafts {
    /// By canonical path.
    all: BTreeMap<PathBuf, Draft>,
}

/// One of them, and how it came about.
struct Draft {
    path: String,
    /// The text as it is, as a report may show it.
    shown: String,
    text: String,
    pieces: diff::Pieces,
}

impl Drafts {
    fn take(&mut self, change: Change) {
        let Change { path, real, shown, before, after, edits, .. } = change;
        let draft = self.all.entry(real).or_insert_with(|| Draft {
            path,
            pieces: diff::Pieces::of(shown.len()),
            shown,
            text: before,
        });
        draft.text = after;
        draft.pieces.apply(&edits);
    }

    /// The texts to judge in the place of those of the files.
    pub(crate) fn texts(&self) -> BTreeMap<PathBuf, String> {
        self.all.iter().map(|(path, draft)| (path.clone(), draft.text.clone())).collect()
    }

    /// All of them as a unified diff, in the order of their paths. Secrets near a change are masked, so a
    /// diff that shows one does not apply.
    pub(crate) fn diff(&self) -> String {
        let mut all: Vec<&Draft> = self.all.values().collect();
        all.sort_by(|one, other| one.path.cmp(&other.path));
        let of = |draft: &Draft| diff::unified(&draft.path, &draft.shown, &draft.pieces.edits());
        all.into_iter().map(of).collect()
    }
}

/// The files as they would be. A file that cannot be written, as those of `broken`, takes its fixes
/// out of the plan, whole.
fn changes(
    world: &World,
    roots: &[String],
    findings: &[&Finding],
    suggested: bool,
    broken: &BTreeSet<SourceId>,
    drafts: &Drafts,
    fixed: &mut Fixed,
) -> (Vec<Change>, Plan) {
    let mut changes = Vec::new();
    let mut refused = broken.clone();
    let plan = loop {
        let usable = |finding: &&&Finding| {
            let fix = finding.fix.as_ref();
            fix.is_none_or(|fix| fix.edits.iter().all(|edit| !refused.contains(&edit.source)))
        };
        let plan = fix::plan(findings.iter().filter(usable).copied(), suggested);
        changes.clear();
        let before = refused.len();
        for (id, edits) in &plan.edits {
            match change(*id, world.sources.get(*id), roots, edits, drafts) {
                Ok(change) => changes.push(change),
                Err(why) => {
                    fixed.refuse(&world.sources.get(*id).path, &why);
                    refused.insert(*id);
                }
            }
        }
        if refused.len() == before {
            break plan;
        }
    };
    (changes, plan)
}

fn change(
    id: SourceId,
    source: &Source,
    roots: &[String],
    edits: &[Edit],
    drafts: &Drafts,
) -> Result<Change, String> {
    let kinds =
        [SourceKind::Manifest, SourceKind::Dockerfile, SourceKind::Values, SourceKind::Resource];
    if !kinds.contains(&source.kind) || source.path == "-" {
        return Err("it is not a file that can be written".to_owned());
    }
    let real = fs::canonicalize(&source.path).map_err(|error| error.to_string())?;
    if !source.named && is_behind_a_link(&source.path, &real, roots) {
        return Err("it lies behind a symbolic link; name the file itself".to_owned());
    }
    let before = match drafts.all.get(&real) {
        Some(draft) => draft.text.clone(),
        None => text_of(&real)?,
    };
    let shown = source.shown().unwrap_or_default();
    // The report's text has secrets masked; everything else has to be what was judged.
    let same = |(file, judged): (u8, u8)| file == judged || judged == b'*';
    if before.len() != shown.len() || !before.bytes().zip(shown.bytes()).all(same) {
        return Err("it is not the text that was judged".to_owned());
    }
    if edits.iter().any(|edit| before.get(edit.span.range()) != shown.get(edit.span.range())) {
        return Err("the place to change holds a secret".to_owned());
    }
    let after = fix::apply(&before, edits).ok_or("an edit lies outside of it")?;
    let judged = artifact::sound(source.kind, &before)
        .ok_or("it cannot be read whole as it is; mend what the report says of that first")?;
    if artifact::sound(source.kind, &after) != Some(judged) {
        return Err("the result could not be read; please report this".to_owned());
    }
    Ok(Change {
        source: id,
        path: source.path.clone(),
        real,
        before,
        after,
        edits: edits.to_vec(),
        shown: shown.to_owned(),
    })
}

/// Whether a file that walking found is elsewhere than below what was walked: a link in a folder may
/// point at any file of the machine, and nobody asked to change that one.
fn is_behind_a_link(path: &str, real: &Path, roots: &[String]) -> bool {
    let path = Path::new(path);
    let plain = |root: &Path| {
        let below = path.strip_prefix(root).ok()?;
        let folder = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        Some(folder.canonicalize().ok()?.join(below))
    };
    // Reports leave out the `./` of the working directory.
    let roots = roots.iter().map(Path::new).chain([Path::new("")]);
    !roots.filter_map(plain).any(|expected| expected == real)
}

fn text_of(path: &Path) -> Result<String, String> {
    let bytes = mmap::read_text(path, LARGEST, false).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of `a.yaml` that is ready, what happens then, and how it ends: the files with their
    /// texts.
    fn after(meanwhile: impl Fn(&Path)) -> (Result<(), String>, Vec<(String, String)>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("a.yaml");
        fs::write(&path, "before").unwrap();
        let change = Change {
            source: SourceId(0),
            path: path.to_string_lossy().into_owned(),
            real: path.clone(),
            before: "before".to_owned(),
            after: "after".to_owned(),
            edits: Vec::new(),
            shown: "before".to_owned(),
        };
        let ready = output::Prepared::new(&change.real, &change.after).unwrap();
        meanwhile(&path);
        let done = put(&change, ready);
        let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let name = |file: &Path| file.file_name().unwrap().to_string_lossy().into_owned();
        let mut files: Vec<_> =
            files.map(|file| (name(&file), fs::read_to_string(&file).unwrap())).collect();
        files.sort();
        (done, files)
    }

    fn files(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn what_somebody_wrote_meanwhile_stays() {
        assert_eq!(after(|_| ()), (Ok(()), files(&[("a.yaml", "after")])));
        let changed = || Err("it has changed meanwhile".to_owned());
        assert_eq!(
            after(|path| fs::write(path, "theirs").unwrap()),
            (changed(), files(&[("a.yaml", "theirs")]))
        );
        let link = |path: &Path| {
            let other = path.with_file_name("b.yaml");
            fs::rename(path, &other).unwrap();
            std::os::unix::fs::symlink(&other, path).unwrap();
        };
        assert_eq!(after(link), (changed(), files(&[("a.yaml", "before"), ("b.yaml", "before")])));
        assert_eq!(after(|path| fs::remove_file(path).unwrap()), (changed(), files(&[])));
    }
}
