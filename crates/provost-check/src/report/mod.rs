//! Renders a run. A report computes nothing that a rule could have computed; it orders, groups and
//! neutralises: text of an artifact never reaches a terminal as a control sequence.

pub mod compared;
pub mod dumps;
pub mod github;
pub mod gitlab;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod notice;
pub mod plain;
pub mod sarif;
mod snippet;
mod table;
pub mod text;
pub mod timeline;
pub(crate) mod traced;
pub mod view;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::artifact::manifest::Skipped;
use crate::artifact::{SourceKind, Sources};
use crate::case::traced::Traced;
use crate::facts::origin::{Origin, Place};
use crate::facts::proof::Measured;
use crate::facts::runtime_log::RuntimeLog;
use crate::findings::baseline::Compared;
use crate::findings::suppress::Suppressed;
use crate::findings::{Finding, Level, NotJudged, Reason};

/// Where the page of a rule is kept, relative to the root of the documentation's repository.
pub const PAGES: &str = "docs/rules/";

/// One input as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// Path as the user gave it or as found below it.
    pub path: String,
    /// What it is.
    pub kind: SourceKind,
    /// Named on the command line rather than found by walking.
    pub named: bool,
}

/// One container (or artifact) and what was judged together with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubjectView {
    /// `NS/KIND/NAME/CONTAINER`, or the path of an artifact that no container runs.
    pub name: String,
    /// Path of the binary.
    pub binary: Option<String>,
    /// Path of the Dockerfile.
    pub dockerfile: Option<String>,
    /// Path of the image.
    pub image: Option<String>,
    /// Why these belong together, in sentences.
    pub because: Vec<String>,
}

/// How much was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Kubernetes objects.
    pub objects: usize,
    /// Dockerfiles.
    pub dockerfiles: usize,
    /// Executables.
    pub binaries: usize,
    /// Container images.
    pub images: usize,
    /// Processes that were measured.
    pub processes: usize,
    /// Dumps of goroutines, of whichever process.
    pub dumps: usize,
    /// Inputs that say something, and of no process: a kernel's log without a kill, a heap profile.
    pub inputs: usize,
}

impl Judged {
    /// Whether no rule had anything to look at.
    pub fn is_nothing(self) -> bool {
        let files = self.objects + self.dockerfiles + self.binaries + self.images;
        files + self.processes + self.dumps + self.inputs == 0
    }

    /// Whether processes that were measured are all that was looked at.
    pub fn is_of_processes(self) -> bool {
        self.processes > 0 && Self { processes: 0, ..self }.is_nothing()
    }
}

/// A kind that nothing is known of, neither its fields nor what runs below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind {
    /// `Widget`
    pub kind: String,
    /// `acme.io/v1`
    pub version: String,
    /// How many there are.
    pub objects: usize,
}

/// Everything a run has to say.
#[derive(Debug)]
pub struct Report<'a> {
    /// Version of provost.
    pub version: &'a str,
    /// Inputs, by path.
    pub inputs: Vec<Input>,
    /// What was joined, by name.
    pub subjects: Vec<SubjectView>,
    /// How much was judged.
    pub judged: Judged,
    /// Findings in the order of [`sort_findings`].
    pub findings: Vec<Finding>,
    /// What was not judged, sorted.
    pub not_judged: Vec<NotJudged>,
    /// Findings that a suppression hides.
    pub suppressed: Vec<Suppressed>,
    /// Paths that were found and are not judged, by path.
    pub skipped: Vec<Skipped>,
    /// What a baseline made of the findings, when one was given.
    pub baseline: Option<Compared>,
    /// Findings left out because no file of theirs has changed.
    pub unchanged: usize,
    /// Paths of the command line that do not exist, in sentences, by path.
    pub missing: Vec<String>,
    /// Where in its repository the run's folder lies, `/`-separated; empty at its root, and when
    /// there is none. Hosts of code join paths to the root of the repository.
    pub folder: String,
    /// Kinds that nothing is known of, the most frequent first.
    pub unknown_kinds: Vec<UnknownKind>,
    /// The oldest minor of Kubernetes that objects were judged for, where it is older than those
    /// that are known.
    pub older_kubernetes: Option<u16>,
    /// Findings of this level and above fail the run; `None` when none does.
    pub fail_on: Option<Level>,
    /// What `--build` ran, in sentences.
    pub built: Vec<String>,
    /// What `--build` could not build, a sentence each.
    pub failed_builds: Vec<String>,
    /// Charts and kustomizations that could not be rendered, a sentence each.
    pub failed_renders: Vec<String>,
    /// Processes that were measured.
    pub proofs: &'a [Measured],
    /// Processes that wrote a log of their runtime.
    pub traced: Vec<Traced>,
    /// Logs, of which ends of processes and dumps of goroutines are shown whole.
    pub logs: &'a [RuntimeLog],
    /// What was read, in a few lines above the findings: who ended how, which goroutines there are. For the text alone;
    /// other forms have it in fields of their own.
    pub said: String,
    /// The inputs' text.
    pub sources: &'a Sources,
}

/// Number of findings by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// `deny`
    pub errors: usize,
    /// `warn`
    pub warnings: usize,
    /// `note`
    pub notes: usize,
}

impl Counts {
    /// `3 errors, 2 warnings, 1 note`, or `no findings`.
    pub fn in_words(self) -> String {
        let levels = [(self.errors, "error"), (self.warnings, "warning"), (self.notes, "note")];
        let told = levels.into_iter().filter(|(n, _)| *n > 0);
        let parts: Vec<String> = told.map(|(n, word)| count(n, word)).collect();
        if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
    }
}

impl Report<'_> {
    /// Number of findings by level.
    pub fn counts(&self) -> Counts {
        let of = |level| self.findings.iter().filter(|f| f.level == level).count();
        Counts { errors: of(Level::Deny), warnings: of(Level::Warn), notes: of(Level::Note) }
    }

    /// What each run of a process came to. Beside what else was judged it would only stand in the way.
    pub fn timelines(&self) -> Vec<String> {
        let proofs = self.proofs.iter().filter(|_| self.judged.is_of_processes());
        proofs.map(|measured| timeline::render(&measured.proof)).collect()
    }

    /// What would let a rule be judged. Behind a measurement, to measure is no advice.
    pub fn remedy(&self, reason: Reason) -> &'static str {
        match reason {
            Reason::NotMeasured if self.judged.is_of_processes() => {
                "it was measured without what the rule needs, which --verbose names"
            }
            reason => reason.remedy(),
        }
    }

    /// Number of different rules among what was not judged.
    pub fn rules_not_judged(&self) -> usize {
        let mut rules = BTreeSet::new();
        let mut last = "";
        for item in self.not_judged.iter() {
            // They come sorted by rule.
            if item.rule != last {
                last = item.rule;
                rules.insert(last);
            }
        }
        rules.len()
    }
}

/// Orders findings by path, position, rule, variant and subject, so that the same inputs give the
/// same report whatever the order they were found in.
pub fn sort_findings(findings: &mut Vec<Finding>, sources: &Sources) {
    let ranks = ranks(sources);
    let place = |origin: &Origin| match origin.place() {
        Place::Whole | Place::Image(_) => (0, 0),
        Place::Text(span) => (span.start.into(), span.end.into()),
        Place::Binary(place) => (place.address.unwrap_or(0), 0u64),
        Place::Process(moment) => (moment.at_us.unwrap_or(0), 0),
        Place::Log(line) => (line.line, 0),
    };
    // Small keys are sorted rather than findings, which are moved once.
    let mut order: Vec<_> = findings
        .iter()
        .enumerate()
        .map(|(index, finding)| {
            let primary = finding.primary();
            (ranks[primary.source().0 as usize], place(primary), index)
        })
        .collect();
    order.par_sort_unstable_by(|a, b| {
        (a.0, a.1)
            .cmp(&(b.0, b.1))
            .then_with(|| compare(&findings[a.2], &findings[b.2]))
            .then_with(|| a.2.cmp(&b.2))
    });
    let mut unsorted: Vec<Option<Finding>> = findings.drain(..).map(Some).collect();
    findings.extend(order.iter().filter_map(|key| unsorted[key.2].take()));
}

/// The place of each source's path among all paths; equal paths share one.
fn ranks(sources: &Sources) -> Vec<u32> {
    let mut paths: Vec<(&str, usize)> =
        sources.iter().map(|(id, source)| (source.path.as_str(), id.0 as usize)).collect();
    paths.sort_unstable();
    let mut ranks = vec![0; paths.len()];
    let mut rank = 0;
    let mut last = None;
    for (path, index) in paths {
        if last.is_some_and(|last| last != path) {
            rank += 1;
        }
        last = Some(path);
        ranks[index] = rank;
    }
    ranks
}

/// The order of findings at one place.
fn compare(a: &Finding, b: &Finding) -> Ordering {
    a.rule
        .id
        .cmp(b.rule.id)
        .then_with(|| a.variant.map(|v| v.name).cmp(&b.variant.map(|v| v.name)))
        .then_with(|| a.subject.cmp(&b.subject))
        .then_with(|| a.message.cmp(&b.message))
}

/// `1 error`, `2 errors`.
pub(crate) fn count(n: usize, word: &str) -> String {
    crate::model::quantity::counted(u64::try_from(n).unwrap_or(u64::MAX), word)
}

#[cfg(test)]
mod tests;
