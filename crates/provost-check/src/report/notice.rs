//! What a reader has to know of a run beside its findings: silence about it would read as a pass.
//! Every format tells it, each in its own way.

use serde::Serialize;

use super::{Report, count};
use crate::artifact::SourceKind;
use crate::findings::Level;
use crate::model::schema;
use crate::report::plain::clean;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A path that the command line names does not exist.
    MissingPath,
    /// A program that `--build` was to make could not be built.
    BuildFailed,
    /// A chart or kustomization could not be rendered.
    RenderFailed,
    /// There was nothing that a rule could look at.
    NothingJudged,
    /// Findings are left out because no file of theirs has changed.
    Unchanged,
    /// Objects of kinds that nothing is known of.
    UnknownKinds,
    /// A release of Kubernetes is judged for that is older than those that are known.
    OlderKubernetes,
}

impl NoticeKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingPath => "missing-path",
            Self::BuildFailed => "build-failed",
            Self::RenderFailed => "render-failed",
            Self::NothingJudged => "nothing-judged",
            Self::Unchanged => "unchanged",
            Self::UnknownKinds => "unknown-kinds",
            Self::OlderKubernetes => "older-kubernetes",
        }
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// `error`: the run ends with 2; `note`: it does not matter to the exit code.
    pub level: &'static str,
    /// The sentence. It can hold a path, which a writer neutralises.
    pub message: String,
}

impl Notice {
    fn new(kind: NoticeKind, message: String) -> Self {
        let level = match kind {
            NoticeKind::MissingPath
            | NoticeKind::BuildFailed
            | NoticeKind::RenderFailed
            | NoticeKind::NothingJudged => Level::Deny,
            NoticeKind::Unchanged | NoticeKind::UnknownKinds | NoticeKind::OlderKubernetes => {
                Level::Note
            }
        };
        Self { kind, level: level.label(), message }
    }

    /// Whether it is said among what was not judged.
    pub(super) fn is_not_judged(&self) -> bool {
        matches!(self.kind, NoticeKind::UnknownKinds | NoticeKind::OlderKubernetes)
    }

    /// Whether the run ends with 2 because of it.
    pub fn is_error(&self) -> bool {
        self.level == Level::Deny.label()
    }
}

/// The notices of a run: the paths that do not exist and the programs that could not be built, then
/// what was not judged or not shown.
pub(super) fn of(report: &Report<'_>) -> Vec<Notice> {
    let missing = report.missing.iter().cloned();
    let mut notices: Vec<Notice> =
        missing.map(|message| Notice::new(NoticeKind::MissingPath, message)).collect();
    let failed = report.failed_builds.iter().cloned();
    notices.extend(failed.map(|message| Notice::new(NoticeKind::BuildFailed, message)));
    let failed = report.failed_renders.iter().cloned();
    notices.extend(failed.map(|message| Notice::new(NoticeKind::RenderFailed, message)));
    if report.judged.is_nothing() && report.findings.is_empty() {
        notices.push(Notice::new(NoticeKind::NothingJudged, nothing_judged(report)));
    }
    if report.unchanged > 0 {
        let n = count(report.unchanged, "finding");
        let message = format!("{n} in files that did not change not shown");
        notices.push(Notice::new(NoticeKind::Unchanged, message));
    }
    if !report.unknown_kinds.is_empty() {
        let message = unknown_kinds(&report.unknown_kinds);
        notices.push(Notice::new(NoticeKind::UnknownKinds, message));
    }
    if let Some(minor) = report.older_kubernetes {
        notices.push(Notice::new(NoticeKind::OlderKubernetes, older_kubernetes(minor)));
    }
    notices
}

/// Kinds that the sentence names.
const KINDS: usize = 4;

/// `4 objects of kinds that provost does not know: 3 Widget (acme.io/v1), Gadget (acme.io/v1)`
fn unknown_kinds(kinds: &[super::UnknownKind]) -> String {
    let all: usize = kinds.iter().map(|kind| kind.objects).sum();
    let mut named: Vec<String> = kinds
        .iter()
        .take(KINDS)
        .map(|kind| {
            let many = if kind.objects > 1 { format!("{} ", kind.objects) } else { String::new() };
            format!("{many}{} ({})", clean(&kind.kind), clean(&kind.version))
        })
        .collect();
    if kinds.len() > KINDS {
        named.push(count(kinds.len() - KINDS, "more kind"));
    }
    format!(
        "{} of {} that provost does not know: {}",
        count(all, "object"),
        if kinds.len() == 1 { "a kind" } else { "kinds" },
        named.join(", ")
    )
}

/// `where Kubernetes 1.20 differs from 1.30: ...`
fn older_kubernetes(minor: u16) -> String {
    let (oldest, newest) = schema::MINORS;
    format!(
        "where Kubernetes 1.{minor} differs from 1.{oldest}: the releases that this provost \
         knows are 1.{oldest} to 1.{newest}, and older ones are judged like the oldest of them"
    )
}

fn nothing_judged(report: &Report<'_>) -> String {
    let known = report.baseline.as_ref().map_or(0, |compared| compared.known.len());
    if !report.missing.is_empty() || report.unchanged + known > 0 {
        return NOTHING.to_owned();
    }
    if let Some(way) = way_to_render(report) {
        return format!("{NOTHING}: what was found is judged when it is rendered; {way}");
    }
    let module = report.inputs.iter().find(|input| input.kind == SourceKind::GoMod);
    match module {
        Some(module) => format!(
            "{NOTHING}: {} is a Go module, but no manifest, Dockerfile or binary was found beside \
             it; --build judges the program it builds",
            clean(&module.path)
        ),
        None => format!(
            "{NOTHING}: no Kubernetes manifest, Dockerfile or Go binary was found; name the \
             directory that holds them"
        ),
    }
}

/// What lets charts and kustomizations be judged that walking found and left out.
pub fn way_to_render(report: &Report<'_>) -> Option<String> {
    let commands = report.skipped.iter().filter_map(|skipped| skipped.render.as_deref());
    let flags = commands.filter_map(|command| command.strip_prefix("provost check "));
    let mut flags = flags.filter(|flag| {
        ["--chart ", "--kustomize "].iter().any(|renders| flag.starts_with(renders))
    });
    let first = clean(flags.next()?).into_owned();
    let more = match flags.count() {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    Some(format!("add {first}{more}, or write render = true into provost.toml"))
}

/// What stands where a number of findings would.
pub(super) const NOTHING: &str = "nothing was judged";
