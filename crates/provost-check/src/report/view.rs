//! What every format shows, resolved once: positions as lines and columns, places as paths, levels
//! as words. The writers beside this file arrange it and add nothing of their own; serialized as it
//! is, it is the JSON report.

mod excerpt;
mod place;

use std::borrow::Cow;

use serde::Serialize;

use super::dumps::DumpsView;
use super::notice::{self, Notice, NoticeKind};
use super::timeline::picture::{Picture, pictures};
use super::{Counts, PAGES, Report};
use crate::artifact::Sources;
use crate::case::traced::Traced;
use crate::facts::origin::Place;
use crate::findings::suppress::Suppressed;
use crate::findings::{Evidence, Finding, Level, Role};
use crate::rules::rule::Rule;

use place::{fix_view, place};

pub use excerpt::{Excerpt, ExcerptLine};
pub(super) use place::seconds;
pub use place::{EditView, FixView, PlaceView, Position};

/// Version of the JSON report.
pub const VERSION: u32 = 1;

/// A run, ready to be shown.
#[derive(Debug, Serialize)]
pub struct View<'a> {
    /// [`VERSION`].
    pub version: u32,
    /// Who wrote it.
    pub tool: ToolView<'a>,
    /// What was read.
    pub inputs: Vec<InputView<'a>>,
    /// What was judged together.
    pub subjects: Vec<SubjectRow<'a>>,
    /// All that count, by path and position.
    pub findings: Vec<FindingView<'a>>,
    /// What was not, and why.
    pub not_judged: Vec<NotJudgedView<'a>>,
    /// Paths that were left out.
    pub skipped: Vec<SkippedView<'a>>,
    /// Commands that were run to build programs.
    pub built: &'a [String],
    /// Findings that somebody decided to live with.
    pub suppressed: Vec<SuppressedView<'a>>,
    /// Only when the run was compared with a baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineView<'a>>,
    /// What the findings do not say: paths that do not exist, that nothing was judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// How many of each.
    pub summary: Summary,
    /// Processes that wrote a log of their runtime.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogView<'a>>,
    /// Ends of processes and their goroutines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dumps: Vec<DumpsView<'a>>,
    /// Runs of processes, drawn.
    #[serde(skip)]
    pub pictures: Vec<Picture>,
    /// The same as tables, where nothing else was judged.
    #[serde(skip)]
    pub timelines: Vec<String>,
    /// The folder of the run in its repository.
    #[serde(skip)]
    pub folder: &'a str,
    /// The run exits with 1 because of findings of this level and above; `None` never.
    #[serde(skip)]
    pub fail_on: Option<Level>,
}

/// A process that wrote a log of its runtime.
#[derive(Debug, Serialize)]
pub struct LogView<'a> {
    /// The worst that is said of it.
    pub verdict: String,
    /// In numbers.
    #[serde(flatten)]
    pub of: &'a Traced,
    /// Where findings are in time.
    #[serde(skip)]
    pub marks: Vec<TimeMark>,
}

/// A finding in time.
#[derive(Debug, Serialize)]
pub struct TimeMark {
    /// Seconds of the first and the last of its places.
    pub from: f64,
    /// See there.
    pub to: f64,
    /// `error`, `warning` or `note`.
    pub level: &'static str,
    /// `rule` or `rule/variant`.
    pub rule: String,
}

impl TimeMark {
    fn of(finding: &Finding) -> Option<Self> {
        let times = finding.evidence.iter().filter_map(|place| match place.origin.place() {
            Place::Log(log) => log.at_ms.map(|at_ms| at_ms as f64 / 1000.0),
            _ => None,
        });
        let (from, to) = times
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(from, to), at| (from.min(at), to.max(at)));
        let (level, rule) = (finding.level.label(), finding.id());
        from.is_finite().then_some(Self { from, to, level, rule })
    }
}

/// Who wrote it.
#[derive(Debug, Serialize)]
pub struct ToolView<'a> {
    /// `provost`
    pub name: &'static str,
    /// Its version.
    pub version: &'a str,
}

/// One input.
#[derive(Debug, Serialize)]
pub struct InputView<'a> {
    /// As it was given or found.
    pub path: &'a str,
    /// What it was taken for.
    pub kind: &'static str,
    /// It was named, not found by walking.
    pub named: bool,
}

/// What was judged together.
#[derive(Debug, Serialize)]
pub struct SubjectRow<'a> {
    /// What findings call it.
    pub name: &'a str,
    /// Its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary: Option<&'a str>,
    /// Its Dockerfile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<&'a str>,
    /// Its image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<&'a str>,
    /// Why these belong together, in sentences.
    pub because: &'a [String],
}

/// A finding; the first place is the primary one.
#[derive(Debug, Serialize)]
pub struct FindingView<'a> {
    /// Its id.
    pub rule: &'static str,
    /// Which of its cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<&'static str>,
    /// `error`, `warning` or `note`.
    pub level: &'static str,
    /// Its folder.
    pub group: &'static str,
    /// What is wrong, in one sentence.
    pub message: &'a str,
    /// Of what.
    pub subject: &'a str,
    /// All places that make it true.
    pub evidence: Vec<PlaceView<'a>>,
    /// What else helps to understand it.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub notes: &'a [String],
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<FixView<'a>>,
    /// The rule's page.
    pub help_uri: String,
    /// What a baseline knows it by.
    pub fingerprint: &'a str,
    /// The finding itself.
    #[serde(skip)]
    pub of: &'a Finding,
}

/// A rule that could not be judged.
#[derive(Debug, Serialize)]
pub struct NotJudgedView<'a> {
    /// Its id.
    pub rule: &'static str,
    /// Of what.
    pub subject: &'a str,
    /// By its name.
    pub reason: &'static str,
    /// The fact that is missing.
    pub needs: &'a str,
    /// What would let it be judged.
    #[serde(skip)]
    pub remedy: &'static str,
}

/// A path that was left out.
#[derive(Debug, Serialize)]
pub struct SkippedView<'a> {
    /// Which.
    pub path: &'a str,
    /// In words.
    pub why: &'a str,
    /// The command that renders it, where it is the input of a renderer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub render: Option<&'a str>,
}

/// A finding that somebody decided to live with.
#[derive(Debug, Serialize)]
pub struct SuppressedView<'a> {
    /// Which.
    #[serde(flatten)]
    pub finding: FindingView<'a>,
    /// What they wrote.
    pub reason: &'a str,
    /// The last day of the suppression, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Where they wrote it.
    pub suppressed_at: PlaceView<'a>,
}

/// What a baseline made of the run.
#[derive(Debug, Serialize)]
pub struct BaselineView<'a> {
    /// Of the baseline.
    pub path: &'a str,
    /// Findings that it knows; they fail nothing.
    pub known: Vec<FindingView<'a>>,
    /// Entries that no finding met: they can be taken out.
    pub resolved: Vec<ResolvedView<'a>>,
}

/// An entry of a baseline without its finding.
#[derive(Debug, Serialize)]
pub struct ResolvedView<'a> {
    /// Its id.
    pub rule: &'a str,
    /// Of what.
    pub subject: &'a str,
    /// Where it was.
    pub path: &'a str,
    /// What it was known by.
    pub fingerprint: &'a str,
}

/// How many.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Findings of that level.
    pub errors: usize,
    /// Of that.
    pub warnings: usize,
    /// Of that.
    pub notes: usize,
    /// Objects of manifests that were judged.
    pub objects: usize,
    /// Dockerfiles.
    pub dockerfiles: usize,
    /// Programs.
    pub binaries: usize,
    /// Images.
    pub images: usize,
    /// Processes that were measured.
    #[serde(skip_serializing_if = "is_zero")]
    pub processes: usize,
    /// Dumps of goroutines.
    #[serde(skip_serializing_if = "is_zero")]
    pub dumps: usize,
    /// Inputs that are of no process.
    #[serde(skip_serializing_if = "is_zero")]
    pub inputs: usize,
    /// Rules that were not judged of something.
    pub rules_not_judged: usize,
    /// Findings that somebody decided to live with.
    pub suppressed: usize,
    /// Findings left out because no file of theirs has changed.
    #[serde(skip_serializing_if = "is_zero")]
    pub unchanged: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl<'a> View<'a> {
    /// A path as it is from the root of the repository, without `./`: what hosts of code join it to.
    /// What is outside of the repository, or no file, stays as it is.
    pub fn from_root<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let path = path.strip_prefix("./").unwrap_or(path);
        let is_file = !path.starts_with('/') && path != "-" && !path.starts_with("registry:");
        if self.folder.is_empty() || !is_file {
            return Cow::Borrowed(path);
        }
        let mut parts: Vec<&str> = self.folder.split('/').collect();
        for part in path.split('/') {
            match part {
                "." | "" => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Cow::Borrowed(path);
                    }
                }
                part => parts.push(part),
            }
        }
        Cow::Owned(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
    }

    /// Resolves a report.
    pub fn new(report: &'a Report<'_>) -> Self {
        let sources = report.sources;
        let counts = report.counts();
        let findings = |list: &'a [Finding]| {
            list.iter().map(|finding| FindingView::new(finding, sources)).collect()
        };
        Self {
            version: VERSION,
            tool: ToolView { name: "provost", version: report.version },
            inputs: report
                .inputs
                .iter()
                .map(|i| InputView { path: &i.path, kind: i.kind.name(), named: i.named })
                .collect(),
            subjects: report
                .subjects
                .iter()
                .map(|s| SubjectRow {
                    name: &s.name,
                    binary: s.binary.as_deref(),
                    dockerfile: s.dockerfile.as_deref(),
                    image: s.image.as_deref(),
                    because: &s.because,
                })
                .collect(),
            findings: findings(&report.findings),
            not_judged: report
                .not_judged
                .iter()
                .map(|n| NotJudgedView {
                    rule: n.rule,
                    subject: &n.subject,
                    reason: n.reason.name(),
                    needs: &n.needs,
                    remedy: report.remedy(n.reason),
                })
                .collect(),
            skipped: report
                .skipped
                .iter()
                .map(|s| SkippedView { path: &s.path, why: &s.why, render: s.render.as_deref() })
                .collect(),
            built: &report.built,
            suppressed: report
                .suppressed
                .iter()
                .map(|suppressed| SuppressedView::new(suppressed, sources))
                .collect(),
            baseline: report.baseline.as_ref().map(|compared| BaselineView {
                path: &compared.path,
                known: findings(&compared.known),
                resolved: compared
                    .resolved
                    .iter()
                    .map(|entry| ResolvedView {
                        rule: &entry.rule,
                        subject: &entry.subject,
                        path: &entry.path,
                        fingerprint: &entry.fingerprint,
                    })
                    .collect(),
            }),
            notices: notice::of(report),
            summary: Summary {
                errors: counts.errors,
                warnings: counts.warnings,
                notes: counts.notes,
                objects: report.judged.objects,
                dockerfiles: report.judged.dockerfiles,
                binaries: report.judged.binaries,
                images: report.judged.images,
                processes: report.judged.processes,
                dumps: report.judged.dumps,
                inputs: report.judged.inputs,
                rules_not_judged: report.rules_not_judged(),
                suppressed: report.suppressed.len(),
                unchanged: report.unchanged,
            },
            logs: report
                .traced
                .iter()
                .map(|of| LogView {
                    verdict: super::traced::verdict(report, of),
                    of,
                    marks: report
                        .findings
                        .iter()
                        .filter(|finding| finding.subject == of.subject)
                        .filter_map(TimeMark::of)
                        .collect(),
                })
                .collect(),
            dumps: report
                .logs
                .iter()
                .filter_map(|log| DumpsView::of(&report.sources.get(log.source).path, log))
                .collect(),
            pictures: pictures(report.proofs),
            timelines: report.timelines(),
            folder: &report.folder,
            fail_on: report.fail_on,
        }
    }

    /// Whether findings of that one's level fail the run.
    pub fn fails(&self, finding: &FindingView<'_>) -> bool {
        self.fail_on.is_some_and(|from| finding.of.level >= from)
    }

    /// `3 errors, 2 warnings, 1 note`, `no findings`, or that nothing was judged; then how many are
    /// not shown.
    pub fn counted(&self) -> String {
        if self.notices.iter().any(|notice| notice.kind == NoticeKind::NothingJudged) {
            return notice::NOTHING.to_owned();
        }
        let Summary { errors, warnings, notes, unchanged, .. } = self.summary;
        let counted = Counts { errors, warnings, notes }.in_words();
        match unchanged {
            0 => counted,
            n => format!("{counted} ({n} in unchanged files not shown)"),
        }
    }

    /// What is said of kinds and releases that nothing is known of.
    pub fn unknown(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(|notice| notice.is_not_judged())
    }

    /// The notices that end the run with 2.
    pub fn errors(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(|notice| notice.is_error())
    }
}

impl<'a> FindingView<'a> {
    /// Resolves a finding.
    pub fn new(finding: &'a Finding, sources: &'a Sources) -> Self {
        let evidence =
            finding.evidence.iter().map(|e: &Evidence| place(&e.origin, e.role, &e.note, sources));
        Self {
            rule: finding.rule.id,
            variant: finding.variant.map(|variant| variant.name),
            level: finding.level.label(),
            group: finding.rule.group.name(),
            message: &finding.message,
            subject: &finding.subject,
            evidence: evidence.collect(),
            notes: &finding.notes,
            fix: finding.fix.as_ref().map(|fix| fix_view(fix, sources)),
            help_uri: page_of(finding.rule, finding.variant.map(|variant| variant.name)),
            fingerprint: &finding.fingerprint,
            of: finding,
        }
    }

    /// `rule` or `rule/variant`.
    pub fn id(&self) -> String {
        self.of.id()
    }

    /// The place to look first.
    pub fn primary(&self) -> &PlaceView<'a> {
        // A finding cannot be built without one.
        &self.evidence[0]
    }
}

impl<'a> SuppressedView<'a> {
    fn new(suppressed: &'a Suppressed, sources: &'a Sources) -> Self {
        Self {
            finding: FindingView::new(&suppressed.finding, sources),
            reason: &suppressed.reason,
            until: suppressed.until.map(|day| day.to_string()),
            suppressed_at: place(&suppressed.origin, Role::Related, "", sources),
        }
    }
}

impl SuppressedView<'_> {
    /// Why, and until when: `moves in Q2 (until 2027-03-31)`.
    pub fn why(&self) -> String {
        match &self.until {
            Some(day) => format!("{} (until {day})", self.reason),
            None => self.reason.to_owned(),
        }
    }
}

/// The page of a rule, relative to the root of the documentation's repository.
pub fn page_of(rule: &Rule, variant: Option<&str>) -> String {
    match variant {
        Some(variant) => format!("{PAGES}{}.md#{variant}", rule.id),
        None => format!("{PAGES}{}.md", rule.id),
    }
}
