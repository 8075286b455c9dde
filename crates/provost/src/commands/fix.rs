//! `--fix`: writes the edits of findings into the files they are about, or shows them as a diff.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use provost_check::artifact::{self, Source, SourceKind, mmap};
use provost_check::case::World;
use provost_check::findings::fix::{self, Plan};
use provost_check::findings::{Edit, Finding};
use provost_check::report::plain::clean;
use similar::TextDiff;

use crate::output;

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
    /// What was done and what is left, a line each.
    pub(crate) fn lines(&self, would: bool) -> Vec<String> {
        let mut lines: Vec<String> =
            self.refused.iter().map(|why| format!("warning: {why}")).collect();
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
        lines.push(line);
        lines
    }
}

/// One file, before and after.
struct Change {
    path: String,
    real: PathBuf,
    after: String,
    /// Before and after as a report may show them: secrets masked.
    shown: (String, String),
}

/// Writes what can be fixed. Says whether anything was written.
pub(crate) fn write(
    world: &World,
    findings: &[&Finding],
    suggested: bool,
    fixed: &mut Fixed,
) -> bool {
    let (changes, plan) = changes(world, findings, suggested, fixed);
    fixed.suggested = plan.suggested;
    let mut wrote = false;
    for change in changes {
        // The link stays a link: what it points at is written.
        match output::write_file(&change.real.to_string_lossy(), &change.after) {
            Ok(()) => {
                wrote = true;
                fixed.files.insert(change.path);
            }
            Err(error) => {
                fixed.refused.insert(format!("{} was not fixed: {error}", clean(&change.path)));
            }
        }
    }
    if wrote {
        fixed.findings += plan.fixes;
    }
    wrote
}

/// The same as a unified diff, and nothing written. Secrets near a change are masked, so a diff
/// that shows one does not apply.
pub(crate) fn diff(
    world: &World,
    findings: &[&Finding],
    suggested: bool,
    fixed: &mut Fixed,
) -> String {
    let (changes, plan) = changes(world, findings, suggested, fixed);
    (fixed.suggested, fixed.findings) = (plan.suggested, plan.fixes);
    let mut out = String::new();
    for change in changes {
        let name = change.path.trim_start_matches("./").trim_start_matches('/');
        let diff = TextDiff::from_lines(&change.shown.0, &change.shown.1);
        let mut shown = diff.unified_diff();
        out.push_str(&shown.header(&format!("a/{name}"), &format!("b/{name}")).to_string());
        fixed.files.insert(change.path);
    }
    out
}

fn changes(
    world: &World,
    findings: &[&Finding],
    suggested: bool,
    fixed: &mut Fixed,
) -> (Vec<Change>, Plan) {
    let mut changes = Vec::new();
    // A file that cannot be written takes its fixes out of the plan, whole.
    let mut refused = BTreeSet::new();
    let plan = loop {
        let usable = |finding: &&&Finding| {
            let fix = finding.fix.as_ref();
            fix.is_none_or(|fix| fix.edits.iter().all(|edit| !refused.contains(&edit.source)))
        };
        let plan = fix::plan(findings.iter().filter(usable).copied(), suggested);
        changes.clear();
        let before = refused.len();
        for (id, edits) in &plan.edits {
            match change(world.sources.get(*id), edits) {
                Ok(change) => changes.push(change),
                Err(why) => {
                    let path = clean(&world.sources.get(*id).path).into_owned();
                    fixed.refused.insert(format!("{path} was not fixed: {why}"));
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

fn change(source: &Source, edits: &[Edit]) -> Result<Change, String> {
    if !matches!(source.kind, SourceKind::Manifest | SourceKind::Dockerfile) || source.path == "-" {
        return Err("it is not a file that can be written".to_owned());
    }
    let real = fs::canonicalize(&source.path).map_err(|error| error.to_string())?;
    let before = text_of(&real)?;
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
    let sound = artifact::sound(source.kind, &after);
    if sound.is_none() || sound != artifact::sound(source.kind, &before) {
        return Err("the result could not be read; please report this".to_owned());
    }
    let masked = fix::apply(shown, edits).ok_or("an edit lies outside of it")?;
    Ok(Change { path: source.path.clone(), real, after, shown: (shown.to_owned(), masked) })
}

fn text_of(path: &Path) -> Result<String, String> {
    let bytes = mmap::read_text(path, LARGEST, false).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}
