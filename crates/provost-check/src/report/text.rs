//! The report for people.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use rayon::prelude::*;

use super::notice::{self, Notice, NoticeKind};
use super::plain::{clean, fit};
use super::snippet::{self, Diagnostic};
use super::{Report, SubjectView, count, table, traced};
use crate::artifact::{SourceKind, Sources};
use crate::facts::origin::Place;
use crate::findings::{Evidence, Finding, Level, Reason, Role};

/// How to show it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Columns.
    pub width: usize,
    /// Whether colour sequences are written.
    pub color: bool,
    /// Every finding, every subject, every rule that was not judged.
    pub verbose: bool,
    /// Findings and the summary only.
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { width: 80, color: false, verbose: false, quiet: false }
    }
}

/// Rows of the table of joins, and places of a repeated finding, before they are counted only.
const ROWS: usize = 12;
const PLACES: usize = 3;
/// The same finding over this many objects is shown once.
const REPEATED: usize = 3;

/// The whole report.
pub fn render(report: &Report<'_>, options: Options) -> String {
    let options = Options { width: options.width.max(40), ..options };
    let mut out = String::new();
    if !options.quiet {
        traced::head(report, options.width, &mut out);
        for table in report.timelines() {
            out.push_str(&table);
            out.push('\n');
        }
        if !report.said.is_empty() {
            out.push_str(&report.said);
            out.push('\n');
        }
    }
    findings(report, options, &mut out);
    let notices = notice::of(report);
    let first = [NoticeKind::MissingPath, NoticeKind::BuildFailed, NoticeKind::RenderFailed];
    for missing in notices.iter().filter(|notice| first.contains(&notice.kind)) {
        let line = format!("{}: {}", missing.level, clean(&missing.message));
        out.push_str(&fit(&line, options.width));
        out.push('\n');
    }
    if !options.quiet {
        traced::tail(report, options.width, &mut out);
        built(report, options, &mut out);
        joined(report, options, &mut out);
        not_judged(report, &notices, options, &mut out);
        suppressed(report, options, &mut out);
        baseline(report, &notices, options, &mut out);
    }
    out.push_str(&fit(&summary(report, &notices), options.width));
    if let Some(next) = next_step(report)
        && !options.quiet
    {
        out.push_str(&fit(&next, options.width));
    }
    out
}

/// The findings alone, each in full, at 80 columns: what the page of a rule shows.
pub fn findings_only(sources: &Sources, findings: &[Finding]) -> String {
    let show = |finding| diagnostic(finding, sources, Options::default(), Vec::new());
    findings.iter().map(show).collect::<Vec<_>>().join("\n")
}

/// A message about a place in an input that is no finding: an error in `provost.toml`.
pub fn render_message(
    message: &str,
    place: &Evidence,
    help: Option<&str>,
    sources: &Sources,
    options: Options,
) -> String {
    let lines = help.map(|help| ("help", help.to_owned())).into_iter().collect();
    let evidence = std::slice::from_ref(place);
    let diagnostic = Diagnostic { level: Level::Deny, id: "", message, evidence, lines };
    snippet::render(&diagnostic, sources, options.width, options.color)
}

fn diagnostic(
    finding: &Finding,
    sources: &Sources,
    options: Options,
    more: Vec<(&'static str, String)>,
) -> String {
    let mut lines: Vec<_> = finding.notes.iter().map(|note| ("note", note.clone())).collect();
    if let Some(fix) = &finding.fix {
        lines.push((snippet::fix_name(fix.applies()), fix.title.clone()));
    }
    lines.extend(more);
    let diagnostic = Diagnostic {
        level: finding.level,
        id: &finding.id(),
        message: &finding.message,
        evidence: &finding.evidence,
        lines,
    };
    snippet::render(&diagnostic, sources, options.width, options.color)
}

fn findings(report: &Report<'_>, options: Options, out: &mut String) {
    let groups = repeated(&report.findings, options.verbose);
    let mut explained: Vec<&str> = Vec::new();
    for group in groups {
        let finding = group[0];
        let mut more = Vec::new();
        if group.len() > 1 {
            more.push(("note", and_more(&group[1..], report.sources)));
        }
        if !explained.contains(&finding.rule.id) {
            explained.push(finding.rule.id);
            more.push(("help", format!("provost explain {}", finding.id())));
        }
        out.push_str(&diagnostic(finding, report.sources, options, more));
        out.push('\n');
    }
}

/// `and 29 more: deploy/a.yaml:12, deploy/b.yaml:12, deploy/c.yaml:12, ...`
fn and_more(others: &[&Finding], sources: &Sources) -> String {
    let places: Vec<_> = others.iter().take(PLACES).map(|f| place(f, sources)).collect();
    let rest = if others.len() > PLACES { ", ..." } else { "" };
    format!("and {} more: {}{rest}", others.len(), places.join(", "))
}

fn place(finding: &Finding, sources: &Sources) -> String {
    let origin = finding.primary();
    let source = sources.get(origin.source());
    match origin.place() {
        Place::Text(span) => format!("{}:{}", source.path, source.position(span.start).line),
        _ => source.path.clone(),
    }
}

/// Groups findings that say the same of several objects, in the order of their first.
fn repeated(findings: &[Finding], all: bool) -> Vec<Vec<&Finding>> {
    if all {
        return findings.iter().map(|finding| vec![finding]).collect();
    }
    let shapes: Vec<String> = findings.par_iter().map(shape).collect();
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    let mut by_shape = HashMap::new();
    let mut group_of = Vec::with_capacity(findings.len());
    for (finding, shape) in findings.iter().zip(shapes) {
        let variant = finding.variant.map(|variant| variant.name);
        let at = *by_shape.entry((finding.rule.id, variant, finding.level, shape)).or_insert_with(
            || {
                groups.push(Vec::new());
                groups.len() - 1
            },
        );
        groups[at].push(finding);
        group_of.push(at);
    }
    let mut shown: Vec<Vec<&Finding>> = Vec::new();
    for (finding, at) in findings.iter().zip(group_of) {
        if groups[at].len() >= REPEATED {
            shown.push(std::mem::take(&mut groups[at]));
        } else if !groups[at].is_empty() {
            shown.push(vec![finding]);
        }
    }
    shown
}

/// The message without what differs between objects: numbers, quoted text, the object's names.
fn shape(finding: &Finding) -> String {
    let mut shape = String::with_capacity(finding.message.len());
    let names: Vec<&str> = finding.subject.split('/').filter(|name| name.len() > 1).collect();
    let mut quote = None;
    for word in finding.message.split_inclusive([' ', '`', '"']) {
        let mark = word.chars().last().filter(|c| matches!(c, '`' | '"'));
        let body = word.trim_end_matches(['`', '"', ' ']);
        // What is quoted is a name or a value as a rule, of which each object has its own; the name of
        // a field or a word of Kubernetes is what the sentence is about.
        let told = quote.is_none() || is_word(body);
        if told && !names.contains(&body) {
            let mut digits = false;
            for c in body.chars() {
                if !(c.is_ascii_digit() && digits) {
                    shape.push(if c.is_ascii_digit() { '#' } else { c });
                }
                digits = c.is_ascii_digit();
            }
        }
        shape.push(' ');
        if let Some(mark) = mark {
            quote = match quote {
                Some(open) if open == mark => None,
                None => Some(mark),
                open => open,
            };
        }
    }
    shape
}

/// `readinessProbe`, `Always`
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphabetic())
        && text.len() <= 40
}

fn joined(report: &Report<'_>, options: Options, out: &mut String) {
    let (bound, alone): (Vec<_>, Vec<_>) = report
        .subjects
        .iter()
        .partition(|s| s.binary.is_some() || s.dockerfile.is_some() || s.image.is_some());
    let listed = if options.verbose { report.subjects.iter().collect() } else { bound };
    if listed.is_empty() {
        return;
    }
    let shown = if options.verbose { listed.len() } else { listed.len().min(ROWS) };
    out.push_str("judged together:\n");
    let shown_ones = &listed[..shown];
    if !joined_table(shown_ones, options, out) {
        joined_groups(shown_ones, options, out);
    }
    if shown < listed.len() {
        let _ = writeln!(out, "  and {} more (--verbose lists them)", listed.len() - shown);
    }
    if !options.verbose && !alone.is_empty() {
        let _ = writeln!(out, "  {} by the manifests alone", count(alone.len(), "container"));
    }
    out.push('\n');
}

/// One row for each container, where that fits.
fn joined_table(subjects: &[&SubjectView], options: Options, out: &mut String) -> bool {
    let dash = || "-".to_owned();
    // Most runs have no image to name.
    let images = subjects.iter().any(|s| s.image.is_some());
    let rows: Vec<_> = subjects
        .iter()
        .map(|s| {
            let path = |path: &Option<String>| path.clone().unwrap_or_else(dash);
            let mut row = vec![s.name.clone(), path(&s.binary), path(&s.dockerfile)];
            row.extend(images.then(|| path(&s.image)));
            row
        })
        .collect();
    let headings = ["container", "binary", "Dockerfile", "image"];
    let headings = &headings[..if images { 4 } else { 3 }];
    let Some(lines) = table::columns(headings, &rows, options.width) else { return false };
    out.push_str(&lines[0]);
    out.push('\n');
    for (subject, line) in subjects.iter().zip(&lines[1..]) {
        out.push_str(line);
        out.push('\n');
        if !subject.because.is_empty() {
            let because = format!("    because {}", clean(&subject.because.join("; ")));
            out.push_str(&fit(&because, options.width));
        }
    }
    true
}

/// Paths too long for a table: the containers of one binary and Dockerfile, and then those.
fn joined_groups(subjects: &[&SubjectView], options: Options, out: &mut String) {
    let mut groups: Vec<(&SubjectView, Vec<&str>)> = Vec::new();
    let mut index = BTreeMap::new();
    for subject in subjects {
        let key = (&subject.binary, &subject.dockerfile, &subject.image, &subject.because);
        let at = *index.entry(key).or_insert_with(|| {
            groups.push((subject, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(&subject.name);
    }
    for (subject, names) in groups {
        for name in names {
            out.push_str(&fit(&format!("  {}", clean(name)), options.width));
        }
        let path = |path: &Option<String>| path.clone().unwrap_or_else(|| "-".to_owned());
        let binary = format!("    binary {}", path(&subject.binary));
        let dockerfile = format!("    Dockerfile {}", path(&subject.dockerfile));
        let image = subject.image.as_ref().map(|path| format!("    image {path}"));
        let because = subject.because.join("; ");
        let because = (!because.is_empty()).then(|| format!("    because {because}"));
        for line in [Some(binary), Some(dockerfile), image, because].iter().flatten() {
            out.push_str(&fit(&clean(line), options.width));
        }
    }
}

/// Subjects and missing facts by rule.
type SubjectsByRule<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a str)>>;

fn not_judged(report: &Report<'_>, notices: &[Notice], options: Options, out: &mut String) {
    let mut reasons: BTreeMap<Reason, SubjectsByRule<'_>> = BTreeMap::new();
    let mut last = None;
    for item in &report.not_judged {
        // Subjects are listed with --verbose only; without it a rule has to be seen once.
        if !options.verbose
            && last.replace((item.reason, item.rule)) == Some((item.reason, item.rule))
        {
            continue;
        }
        let rules = reasons.entry(item.reason).or_default();
        rules.entry(item.rule).or_default().push((&item.subject, &item.needs));
    }
    let unknown: Vec<&Notice> = notices.iter().filter(|notice| notice.is_not_judged()).collect();
    if reasons.is_empty() && report.skipped.is_empty() && unknown.is_empty() {
        return;
    }
    out.push_str("not judged:\n");
    for (reason, rules) in &reasons {
        let remedy = match unreadable(report, *reason) {
            Some(path) => format!("{} could not be read", clean(path)),
            None => report.remedy(*reason).to_owned(),
        };
        let line = format!("  {}: {}; {remedy}", reason, count(rules.len(), "rule"));
        out.push_str(&fit(&line, options.width));
        // Of a log that is too short only what is missing says what to record.
        if !options.verbose && *reason == Reason::LogTooShort {
            for (rule, subjects) in rules {
                let needs = subjects.first().map_or("", |(_, needs)| *needs);
                out.push_str(&fit(&format!("    {rule}: {}", clean(needs)), options.width));
            }
        }
        if !options.verbose {
            continue;
        }
        for (rule, subjects) in rules {
            for (subject, needs) in subjects {
                let line = format!("    {rule}: {} ({})", clean(subject), clean(needs));
                out.push_str(&fit(&line, options.width));
            }
        }
    }
    for unknown in unknown {
        out.push_str(&fit(&format!("  {}", unknown.message), options.width));
    }
    skipped(report, options, out);
    out.push('\n');
}

/// What was given of the kind that is missing, and is of no use: to ask for it again would mislead.
fn unreadable<'r>(report: &'r Report<'_>, reason: Reason) -> Option<&'r str> {
    let (kind, judged) = match reason {
        Reason::NoBinary => (SourceKind::Binary, report.judged.binaries),
        Reason::NoImage => (SourceKind::Image, report.judged.images),
        Reason::NoDockerfile => (SourceKind::Dockerfile, report.judged.dockerfiles),
        _ => return None,
    };
    let mut given = report.inputs.iter().filter(|input| input.kind == kind && input.named);
    given.next().filter(|_| judged == 0).map(|input| input.path.as_str())
}

fn built(report: &Report<'_>, options: Options, out: &mut String) {
    if report.built.is_empty() {
        return;
    }
    out.push_str("built:\n");
    for line in &report.built {
        out.push_str(&fit(&format!("  {}", clean(line)), options.width));
    }
    out.push('\n');
}

/// Paths that were left out, each with the command that renders it.
fn skipped(report: &Report<'_>, options: Options, out: &mut String) {
    let shown = if options.verbose { report.skipped.len() } else { ROWS };
    for item in report.skipped.iter().take(shown) {
        let command = item.render.as_ref().map(|line| format!(" ({line})")).unwrap_or_default();
        let line = format!("  {}: {}{command}", item.path, item.why);
        out.push_str(&fit(&clean(&line), options.width));
    }
    if let Some(more) = report.skipped.len().checked_sub(shown).filter(|n| *n > 0) {
        let _ = writeln!(out, "  and {more} more paths (--verbose lists them)");
    }
}

fn suppressed(report: &Report<'_>, options: Options, out: &mut String) {
    if report.suppressed.is_empty() {
        return;
    }
    if !options.verbose {
        let n = count(report.suppressed.len(), "finding");
        let _ = writeln!(out, "{n} suppressed (--verbose lists them)\n");
        return;
    }
    out.push_str("suppressed:\n");
    for item in &report.suppressed {
        let place = place(&item.finding, report.sources);
        let until = item.until.map(|day| format!(" (until {day})")).unwrap_or_default();
        let reason = clean(&item.reason);
        let line = format!("  {} at {}: {reason}{until}", item.finding.id(), clean(&place));
        out.push_str(&fit(&line, options.width));
    }
    out.push('\n');
}

/// What the baseline hid, and what of it can be taken out.
fn baseline(report: &Report<'_>, notices: &[Notice], options: Options, out: &mut String) {
    for unchanged in notices.iter().filter(|notice| notice.kind == NoticeKind::Unchanged) {
        out.push_str(&fit(&unchanged.message, options.width));
        out.push('\n');
    }
    let Some(compared) = &report.baseline else { return };
    let (known, resolved) = (compared.known.len(), compared.resolved.len());
    let path = clean(&compared.path);
    if known > 0 {
        let n = count(known, "known finding");
        out.push_str(&fit(&format!("{n} of {path} not shown"), options.width));
    }
    if resolved > 0 {
        let n = count(resolved, "entry").replace("entrys", "entries");
        let line = format!("{n} of {path} met no finding; write it anew with --write-baseline");
        out.push_str(&fit(&line, options.width));
    }
    let lines = compared.resolved.iter().filter(|_| options.verbose);
    for entry in lines {
        let line = format!("  {}: {}", clean(&entry.rule), clean(&entry.subject));
        out.push_str(&fit(&line, options.width));
    }
    if known + resolved > 0 {
        out.push('\n');
    }
}

/// `3 errors, 2 warnings, 1 note in 4 objects; 12 rules not judged`
fn summary(report: &Report<'_>, notices: &[Notice]) -> String {
    if let Some(nothing) = notices.iter().find(|n| n.kind == NoticeKind::NothingJudged) {
        return nothing.message.clone();
    }
    let mut line = format!("{} in {}", report.counts().in_words(), judged(report));
    match report.rules_not_judged() {
        0 => {}
        n => {
            let _ = write!(line, "; {} not judged", count(n, "rule"));
        }
    }
    line
}

fn judged(report: &Report<'_>) -> String {
    let judged = report.judged;
    let mut parts = Vec::new();
    if judged.objects > 0 {
        parts.push(count(judged.objects, "object"));
    }
    if judged.dockerfiles > 0 {
        parts.push(count(judged.dockerfiles, "Dockerfile"));
    }
    if judged.images > 0 {
        parts.push(count(judged.images, "image"));
    }
    if judged.binaries == 1 {
        parts.push("1 binary".to_owned());
    } else if judged.binaries > 1 {
        parts.push(format!("{} binaries", judged.binaries));
    }
    match judged.processes {
        0 => {}
        1 => parts.push("1 process".to_owned()),
        n => parts.push(format!("{n} processes")),
    }
    if judged.dumps > 0 {
        parts.push(count(judged.dumps, "dump"));
    }
    if judged.inputs > 0 {
        parts.push(count(judged.inputs, "input"));
    }
    match parts.split_last() {
        None => count(report.inputs.len(), "file"),
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
    }
}

/// The next flag, where a whole kind of artifact is missing.
fn next_step(report: &Report<'_>) -> Option<String> {
    let judged = report.judged;
    let of_processes = judged.processes + judged.dumps + judged.inputs;
    if judged.is_nothing() || judged.binaries + of_processes > 0 {
        return None;
    }
    let waits = |reason| report.not_judged.iter().filter(|n| n.reason == reason).count();
    let failed = !report.failed_builds.is_empty() || unreadable(report, Reason::NoBinary).is_some();
    // An image that could not be read would have brought one.
    if waits(Reason::NoBinary) == 0 || failed || unreadable(report, Reason::NoImage).is_some() {
        return None;
    }
    let module = report.inputs.iter().find(|input| input.kind == SourceKind::GoMod);
    Some(match module {
        Some(module) => format!(
            "help: no Go binary was given; --build builds the module of {} and judges the result",
            clean(&module.path)
        ),
        None => "help: no Go binary was given; --binary PATH names it".to_owned(),
    })
}

/// Evidence that points at an input with a label.
pub fn evidence(origin: crate::facts::Origin, label: impl Into<String>) -> Evidence {
    Evidence { origin, role: Role::Primary, note: label.into() }
}
