//! The page of a rule is its test.
//!
//! A page is Markdown. Each section (between two headings) that holds fenced blocks named like
//! files is one case:
//!
//! ````text
//! ```yaml deploy.yaml
//! - {name: GOMEMLIMIT, value: 2GiB}   # error: gomemlimit-above-memory-limit is above
//! limits: {memory: 512Mi}             # see: the kernel kills
//! ```
//! ````
//!
//! `# error: | # warning: | # note:` assert a finding by id and part of its message, whose primary
//! place is on that line (or on the next one, when the comment stands alone); `# see:` asserts a
//! related place by part of its label; `# not judged: reason` asserts the third outcome. Only the
//! page's rule runs. Every finding must be asserted, and every assertion met. A block
//! ```` ```text report ```` is a snapshot of what the user sees in that case; run with
//! `PROVOST_UPDATE_PAGES=1` to write it anew. `binary.toml` states facts of an executable, see
//! [`crate::artifact::binary_toml`], `image.toml` those of an image, see
//! [`crate::artifact::image_toml`], `proof.json` what was measured of a process, see
//! [`crate::facts::proof`], a file `.log` is a log that a runtime wrote, `.vars` what it counted, `.strace` its system calls; `kernel.log` is one of a kernel,
//! `cgroup.txt` a listing of a cgroup's files, `seen.yaml` what a cluster has of pods and events, `described.txt` what `kubectl describe` prints of pods. `text context` lists the paths of the directory that the
//! Dockerfile is built in, `text .dockerignore` what of it is left out, `text go.mod` its module.

mod claims;
mod load;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use claims::{Assertion, Claim, assertions};
pub(super) use load::load;
use load::{Loaded, need_of};

use super::engine::Profile;
use super::rule::{Check, Group, Need, Rule};
use crate::artifact::{self, SourceKind};
use crate::case::{Joined, World};
use crate::facts::{Origin, Place, SourceId};
use crate::findings::{Applicability, Finding, Role, fix};
use crate::pipeline::{self, Conclusion};

/// Every page is judged as of this day.
const DATE: jiff::civil::Date = jiff::civil::date(2026, 11, 23);

#[derive(Clone, Debug)]
pub(super) struct File {
    name: String,
    text: String,
}

#[derive(Debug)]
pub(super) struct Section {
    heading: String,
    pub(super) files: Vec<File>,
    /// Text of the snapshot block and the byte range of its content in the page.
    report: Option<(String, std::ops::Range<usize>)>,
}

/// Splits a page into sections with files.
pub(super) fn sections(page: &str) -> Vec<Section> {
    let mut all = Vec::new();
    let mut current = Section { heading: String::new(), files: Vec::new(), report: None };
    let mut offset = 0;
    let mut lines = page.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let start = offset;
        offset += line.len();
        if line.starts_with('#') {
            all.push(current);
            current = Section {
                heading: line.trim_start_matches('#').trim().to_owned(),
                files: Vec::new(),
                report: None,
            };
            continue;
        }
        let Some(info) = line.trim_end().strip_prefix("```") else { continue };
        let name = info.split_whitespace().nth(1).map(str::to_owned);
        let (body_start, mut body_end) = (start + line.len(), start + line.len());
        for line in lines.by_ref() {
            offset += line.len();
            if line.trim_end() == "```" {
                break;
            }
            body_end = offset;
        }
        let text = written_out(&page[body_start..body_end]);
        match name.as_deref() {
            Some("report") => current.report = Some((text, body_start..body_end)),
            Some(name) => current.files.push(File { name: name.to_owned(), text }),
            None => {}
        }
    }
    all.push(current);
    all.retain(|section| !section.files.is_empty());
    all
}

/// A block, with a line `@PATH` replaced by that file of the repository, and `@PATH 2-5` by some of its lines: what
/// is too long for a page.
fn written_out(block: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let lines = block.split_inclusive('\n').map(|line| {
        let Some(path) = line.trim_end().strip_prefix('@') else { return line.to_owned() };
        let (path, range) = path.split_once(' ').unwrap_or((path, "1-"));
        let (from, to) = range.split_once('-').unwrap();
        let (from, to) = (from.parse::<usize>().unwrap(), to.parse().unwrap_or(usize::MAX));
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        let lines = text.split_inclusive('\n').take(to).skip(from - 1);
        lines.collect()
    });
    lines.collect()
}

fn run(rule: &'static Rule, loaded: &Loaded) -> Conclusion {
    let mut selection = loaded.selection.clone();
    // Suppressions are judged by what they hide, so their page needs every rule.
    let engine = matches!(rule.check, Check::Engine);
    // Naming the rule also switches on what is off by default.
    if selection.profile == Profile::Recommended && !engine {
        selection.only = vec![rule.id.to_owned()];
    }
    let rules = if engine { super::RULES.to_vec() } else { vec![rule] };
    let joined = Joined::new(&loaded.world);
    let mut conclusion = pipeline::conclude(&joined, &rules, &selection, &loaded.ignores);
    conclusion.findings.iter().for_each(|finding| fix_keeps_the_file_whole(finding, &loaded.world));
    if engine {
        conclusion.findings.retain(|finding| finding.rule.id == rule.id);
        conclusion.not_judged.clear();
    }
    conclusion
}

/// Machines apply the edits of a report without asking.
fn fix_keeps_the_file_whole(finding: &Finding, world: &World) {
    for (id, edits) in &fix::plan([finding], true).edits {
        let source = world.sources.get(*id);
        let text = source.shown().unwrap();
        let before = artifact::sound(source.kind, text);
        let after = fix::apply(text, edits).unwrap();
        assert_ne!(after, text, "the fix of {} changes nothing", finding.id());
        if before.is_some() {
            let whole = artifact::sound(source.kind, &after);
            assert_eq!(whole, before, "the fix of {} breaks the file:\n{after}", finding.id());
        }
    }
}

fn place(world: &World, origin: &Origin) -> (String, Option<u32>) {
    let source = world.sources.get(origin.source());
    let line = match origin.place() {
        Place::Text(span) => Some(source.position(span.start).line),
        Place::Log(line) => u32::try_from(line.line).ok(),
        Place::Binary(_) | Place::Image(_) | Place::Process(_) | Place::Whole => None,
    };
    (source.path.clone(), line)
}

fn on_line(world: &World, origin: &Origin, assertion: &Assertion) -> bool {
    let (path, line) = place(world, origin);
    let is_binary = assertion.file.ends_with("binary.toml");
    let binaries: BTreeSet<SourceId> = world.binaries.iter().map(|b| b.source).collect();
    if is_binary {
        return binaries.contains(&origin.source());
    }
    if assertion.file.ends_with("image.toml") {
        return world.images.iter().any(|image| image.source == origin.source());
    }
    path == assertion.file && line.is_none_or(|line| line == assertion.line)
}

/// Problems with a case, as lines for a person.
fn disagreements(world: &World, verdicts: &Conclusion, assertions: &[Assertion]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut met = vec![false; verdicts.findings.len()];
    let matches = |finding: &Finding, a: &Assertion| match &a.claim {
        Claim::Finding { level, id, part } => {
            finding.level == *level
                && finding.id() == *id
                && finding.message.contains(part.as_str())
                && on_line(world, finding.primary(), a)
        }
        Claim::Related { .. } | Claim::NotJudged { .. } => false,
    };
    for assertion in assertions {
        let ok = match &assertion.claim {
            Claim::Finding { .. } => {
                let found =
                    (0..met.len()).find(|i| !met[*i] && matches(&verdicts.findings[*i], assertion));
                found.map(|i| met[i] = true).is_some()
            }
            Claim::Related { part } => verdicts.findings.iter().any(|finding| {
                finding.evidence.iter().any(|e| {
                    e.role == Role::Related
                        && e.note.contains(part.as_str())
                        && on_line(world, &e.origin, assertion)
                })
            }),
            Claim::NotJudged { reason } => {
                verdicts.not_judged.iter().any(|n| n.reason.name() == reason)
            }
        };
        if !ok {
            problems.push(format!(
                "{}:{}: nothing found for {:?}",
                assertion.file, assertion.line, assertion.claim
            ));
        }
    }
    for (finding, _) in verdicts.findings.iter().zip(&met).filter(|(_, met)| !**met) {
        let (path, line) = place(world, finding.primary());
        problems.push(format!(
            "{path}:{}: not asserted: {}[{}] {}",
            line.unwrap_or(0),
            finding.level.label(),
            finding.id(),
            finding.message
        ));
    }
    problems
}

fn page_path(rule: &Rule) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/rules")
        .join(rule.group.name())
        .join(format!("{}.md", rule.id))
}

/// Checks one page; the result is empty when the page is true.
fn check_page(rule: &'static Rule) -> String {
    let mut out = String::new();
    // From the file rather than from the program: a page can be edited and tried without a build.
    let page = std::fs::read_to_string(page_path(rule)).unwrap();
    let all = sections(&page);
    let mut failing: Option<&Section> = None;
    let mut passing = false;
    let mut updates = Vec::new();
    let mut has_report = false;
    for section in &all {
        let loaded = load(&section.files);
        let verdicts = run(rule, &loaded);
        let world = &loaded.world;
        let asserted = assertions(&section.files);
        // In a manifest that cannot be read nothing is found: it is no passing case.
        let unread = world.problems.iter().filter(|problem| {
            let source = world.sources.get(problem.origin.source());
            rule.group != Group::Input && source.kind == SourceKind::Manifest
        });
        for problem in unread {
            let _ = writeln!(out, "{} [{}]: {}", rule.id, section.heading, problem.message);
        }
        for problem in disagreements(world, &verdicts, &asserted) {
            let _ = writeln!(out, "{} [{}]: {problem}", rule.id, section.heading);
        }
        // `--fix` applies what is called safe; without edits there is nothing to apply.
        for finding in &verdicts.findings {
            let fix = finding.fix.as_ref();
            if fix
                .is_some_and(|fix| fix.applicability == Applicability::Safe && fix.edits.is_empty())
            {
                let title = fix.map_or("", |fix| fix.title.as_str());
                let _ = writeln!(
                    out,
                    "{} [{}]: a safe fix without edits: {title}",
                    rule.id, section.heading
                );
            }
        }
        let expects = asserted.iter().any(|a| matches!(a.claim, Claim::Finding { .. }));
        let not_judged = asserted.iter().any(|a| matches!(a.claim, Claim::NotJudged { .. }));
        if expects {
            failing = failing.or(Some(section));
        } else {
            passing |= !not_judged && verdicts.judged > 0;
            for n in verdicts.not_judged.iter().filter(|_| !not_judged) {
                let _ = writeln!(
                    out,
                    "{} [{}]: not judged ({}: {}), which is not a pass",
                    rule.id, section.heading, n.reason, n.needs
                );
            }
        }
        if let Some((text, range)) = &section.report {
            has_report = true;
            let shown = crate::report::text::findings_only(&world.sources, &verdicts.findings);
            if shown.trim_end() != text.trim_end() {
                updates.push((range.clone(), format!("{}\n", shown.trim_end())));
            }
        }
    }
    if !updates.is_empty() {
        if std::env::var_os("PROVOST_UPDATE_PAGES").is_some() {
            let mut page = page.clone();
            for (range, text) in updates.into_iter().rev() {
                page.replace_range(range, &text);
            }
            std::fs::write(page_path(rule), page).unwrap();
        } else {
            for (_, text) in updates {
                let _ = writeln!(out, "{}: the report block should read:\n{text}", rule.id);
            }
        }
    }
    let Some(failing) = failing else {
        let _ = writeln!(out, "{}: the page has no case with a finding", rule.id);
        return out;
    };
    if !passing {
        let _ = writeln!(out, "{}: the page has no passing twin", rule.id);
    }
    if !has_report {
        let _ = writeln!(out, "{}: the page has no `text report` block", rule.id);
    }
    out.push_str(&drop_needs(rule, failing));
    out.push_str(&drop_phases(rule, failing));
    out
}

/// A rule that names phases of a process looks into these and no others: with `--only` nothing else is
/// measured.
fn drop_phases(rule: &'static Rule, failing: &Section) -> String {
    if rule.phases.is_empty() {
        return String::new();
    }
    let with = |named: bool| {
        let mut loaded = load(&failing.files);
        for measured in &mut loaded.world.proofs {
            let phases = &mut measured.proof.phases;
            phases.retain(|phase| rule.phases.contains(&phase.name) == named);
        }
        run(rule, &loaded).findings.len()
    };
    let all = run(rule, &load(&failing.files)).findings.len();
    match (with(true) == all, with(false)) {
        (true, 0) => String::new(),
        _ => format!("{}: looks into phases that it does not name\n", rule.id),
    }
}

/// Without a needed artifact the rule must neither find nor pass.
fn drop_needs(rule: &'static Rule, failing: &Section) -> String {
    let mut out = String::new();
    for need in rule.needs {
        let kept: Vec<File> = failing
            .files
            .iter()
            .filter(|file| need_of(&file.name) != Some(*need))
            .cloned()
            .collect();
        if kept.len() == failing.files.len() {
            let _ = writeln!(out, "{}: the first failing case has no {need:?}", rule.id);
            continue;
        }
        let verdicts = run(rule, &load(&kept));
        if !verdicts.findings.is_empty() {
            let _ = writeln!(out, "{}: finds something without {need:?}", rule.id);
        }
        // Without manifests or processes, or without any artifact, there is nothing left to be asked
        // about.
        let nothing_left = kept.iter().all(|file| need_of(&file.name).is_none());
        if !matches!(need, Need::Manifest | Need::Process | Need::Log | Need::Counters)
            && !nothing_left
            && verdicts.not_judged.is_empty()
        {
            let _ = writeln!(out, "{}: passes in silence without {need:?}", rule.id);
        }
    }
    out
}

#[test]
fn pages_are_true() {
    let wanted = std::env::var("PROVOST_PAGE").ok();
    let problems: String = super::RULES
        .iter()
        .filter(|rule| wanted.as_deref().is_none_or(|id| id == rule.id))
        .map(|rule| check_page(rule))
        .collect();
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn every_page_is_listed_and_every_rule_has_one() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rules");
    let mut pages = BTreeSet::new();
    for group in std::fs::read_dir(&root).unwrap().flatten().filter(|e| e.path().is_dir()) {
        for page in std::fs::read_dir(group.path()).unwrap().flatten() {
            let name = page.file_name().into_string().unwrap();
            if let Some(id) = name.strip_suffix(".md") {
                pages.insert((group.file_name().into_string().unwrap(), id.to_owned()));
            }
        }
    }
    let rules: BTreeSet<_> =
        super::RULES.iter().map(|r| (r.group.name().to_owned(), r.id.to_owned())).collect();
    assert_eq!(pages, rules);
}

#[test]
fn ids_and_variants_are_unique_and_pages_name_every_variant() {
    let mut seen = BTreeSet::new();
    for rule in super::RULES {
        assert!(seen.insert(rule.id), "{} is listed twice", rule.id);
        let of_id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        assert!(rule.id.bytes().all(of_id), "{}", rule.id);
        let title = format!("# {}\n", rule.id);
        assert!(rule.page.starts_with(&title), "{}: a page begins with its id", rule.id);
        let mut names = BTreeSet::new();
        for variant in rule.variants {
            assert!(names.insert(variant.name), "{}/{}", rule.id, variant.name);
            assert!(
                rule.page.contains(&format!("{}/{}", rule.id, variant.name)),
                "the page of {} does not name its variant {}",
                rule.id,
                variant.name
            );
        }
        for after in rule.after {
            let id = after.split('/').next().unwrap();
            assert!(super::find(id).is_some(), "{} comes after {after}, which is no rule", rule.id);
        }
    }
}
