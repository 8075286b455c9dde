//! One run of `provost check`, from paths to a report.

mod load;
mod platforms;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::artifact::render::Rendering;
use crate::artifact::{SourceKind, image};
use crate::case::{Joined, World};
use crate::facts::problem::ProblemKind;
use crate::facts::{Body, SourceId};
use crate::findings::suppress::{self, Suppressed, Suppression};
use crate::findings::{Finding, Level, NotJudged, fingerprint, shared, written};
use crate::model::hidden::Hidden;
use crate::model::removed_apis;
use crate::model::schema::{self, Known};
use crate::report::{self, Input, Report, SubjectView, UnknownKind};
use crate::rules;
use crate::rules::engine::{self, Selection, Verdicts};
use crate::rules::input::bad_suppression;
use crate::rules::rule::Rule;

pub use load::{Loaded, load};
pub use platforms::judge_platforms;

/// An executable to judge.
#[derive(Clone, Debug)]
pub struct BinaryInput {
    /// Where it lies.
    pub path: String,
    /// How reports name it; the path itself unless `--build` made it.
    pub shown: String,
    /// The Dockerfile whose `go build` made it.
    pub dockerfile: Option<String>,
    /// What is known of it when `--build` made it.
    pub built: Option<BuiltHere>,
}

impl BinaryInput {
    /// An executable that is there.
    pub fn given(path: String, shown: String) -> Self {
        Self { path, shown, dockerfile: None, built: None }
    }
}

/// What `--build` knows of an executable that it made.
#[derive(Clone, Debug)]
pub struct BuiltHere {
    /// The module's `go.mod`.
    pub go_mod: String,
    /// Its text.
    pub text: String,
    /// Bytes of the version in it that chose the toolchain, unless a Dockerfile has a say.
    pub toolchain: Option<Range<usize>>,
}

/// An image to judge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageInput {
    /// Directory or archive.
    pub path: String,
    /// The form, where it was said.
    pub form: Option<image::Form>,
}

/// An image of a registry to judge.
#[derive(Clone, Debug)]
pub struct RegistryInput {
    /// As reports name it.
    pub shown: String,
    /// Who fetches it.
    pub from: Arc<dyn image::Remote>,
}

/// What to load.
#[derive(Debug, Default)]
pub struct Request {
    /// Folders and files of any kind; `-` for manifests on standard input.
    pub paths: Vec<String>,
    /// What standard input holds, when `-` is among the paths.
    pub stdin: Option<Vec<u8>>,
    /// Executables.
    pub binaries: Vec<BinaryInput>,
    /// Images, and the form that was said.
    pub images: Vec<ImageInput>,
    /// Images that are fetched while they are read.
    pub registry_images: Vec<RegistryInput>,
    /// `--platform`: which image of an index, `os/arch[/variant]`; without it each is judged.
    pub platform: Option<String>,
    /// Files with what `provost prove` measured.
    pub proofs: Vec<String>,
    /// Dockerfiles by whatever name.
    pub dockerfiles: Vec<String>,
    /// `--target`: the stage that becomes the image.
    pub target: Option<String>,
    /// Namespace of objects that name none.
    pub namespace: Option<String>,
    /// What renderers printed for charts and kustomizations.
    pub renderings: Vec<Rendering>,
    /// Texts to judge in the place of those of files, by the canonical path: what `--fix` would have written
    /// so far.
    pub drafts: BTreeMap<PathBuf, String>,
    /// Raised when the user wants to stop: what is not loaded yet is left out.
    pub interrupted: Arc<AtomicBool>,
}

/// What a run concluded.
#[derive(Debug, Default)]
pub struct Conclusion {
    /// Findings in report order.
    pub findings: Vec<Finding>,
    /// Rules that could not be judged.
    pub not_judged: Vec<NotJudged>,
    /// Findings that a suppression hides.
    pub suppressed: Vec<Suppressed>,
    /// How often a rule had something to judge and judged it.
    pub judged: usize,
    /// The containers that something was bound to, and what, by name.
    pub subjects: Vec<SubjectView>,
    /// Images of other platforms, and programs in them, that were judged too.
    pub more_images: usize,
    /// See `more_images`.
    pub more_binaries: usize,
}

impl Conclusion {
    /// Leaves out what no report may show. Fingerprints are of what was there before, which they
    /// do not tell.
    fn hide(&mut self, hidden: &Hidden) {
        if hidden.is_empty() {
            return;
        }
        let suppressed = self.suppressed.iter_mut().map(|suppressed| &mut suppressed.finding);
        self.findings.iter_mut().chain(suppressed).for_each(|finding| finding.hide(hidden));
        for item in &mut self.not_judged {
            if let Cow::Owned(needs) = hidden.mask(&item.needs) {
                item.needs = needs.into();
            }
            if let Cow::Owned(subject) = hidden.mask(&item.subject) {
                item.subject = subject.into();
            }
        }
        for because in self.subjects.iter_mut().flat_map(|subject| &mut subject.because) {
            hidden.hide(because);
        }
    }
}

/// Runs `rules` and applies suppressions: those of the configuration and those in the inputs.
pub fn conclude(
    joined: &Joined<'_>,
    rules: &[&'static Rule],
    selection: &Selection,
    ignores: &[Suppression],
) -> Conclusion {
    finish(joined, engine::judge(joined, rules, selection), selection, ignores)
}

/// Applies suppressions to what the rules said, and puts it in the order of reports.
fn finish(
    joined: &Joined<'_>,
    mut verdicts: Verdicts,
    selection: &Selection,
    ignores: &[Suppression],
) -> Conclusion {
    let world = joined.world;
    verdicts.findings.extend(bad_suppression::unused_declarations(joined, selection));
    fingerprint::identify(&mut verdicts.findings, &world.objects, &world.sources);
    shared::review(&mut verdicts.findings, joined);
    written::relocate(&mut verdicts.findings, &world.sources);
    let mut suppressions = ignores.to_vec();
    suppressions.extend(suppress::collect(&world.sources, &world.objects));
    let applied = suppress::apply(
        verdicts.findings,
        &suppressions,
        &suppress::Context {
            sources: &world.sources,
            selection,
            not_judged: &verdicts.not_judged,
            date: world.settings.date,
        },
    );
    let mut findings = applied.findings;
    report::sort_findings(&mut findings, &world.sources);
    fingerprint::assign(&mut findings, &world.sources);
    let mut suppressed = applied.suppressed;
    fingerprint::assign_each(suppressed.iter_mut().map(|s| &mut s.finding), &world.sources);
    let mut conclusion = Conclusion {
        findings,
        not_judged: verdicts.not_judged,
        suppressed,
        judged: verdicts.judged,
        subjects: subjects(joined),
        ..Conclusion::default()
    };
    conclusion.hide(world.sources.hidden());
    let suppressed = conclusion.suppressed.iter_mut().map(|suppressed| &mut suppressed.finding);
    for finding in conclusion.findings.iter_mut().chain(suppressed) {
        finding.hide_repeated(&world.sources);
    }
    conclusion
}

/// Judges a world with every rule.
pub fn judge(world: &World, selection: &Selection, ignores: &[Suppression]) -> Conclusion {
    conclude(&Joined::new(world), rules::RULES, selection, ignores)
}

/// The report of a run.
pub fn report<'w>(world: &'w World, version: &'w str, conclusion: Conclusion) -> Report<'w> {
    let mut inputs: Vec<Input> = world
        .sources
        .iter()
        .filter(|(_, source)| source.kind != SourceKind::Flag)
        .filter(|(_, source)| source.rendered.as_ref().is_none_or(|trace| trace.from.is_none()))
        .map(|(_, source)| Input {
            path: source.path.clone(),
            kind: source.kind,
            named: source.named,
        })
        .collect();
    inputs.sort();
    // What was rendered has the path of its template.
    inputs.dedup_by(|a, b| a.path == b.path && a.kind == b.kind);
    let missing = world.problems.iter().filter(|p| p.kind == ProblemKind::Missing);
    let mut missing: Vec<String> = missing
        .map(|p| format!("{} {}", world.sources.get(p.origin.source()).path, p.message))
        .collect();
    missing.sort();
    missing.dedup();
    Report {
        version,
        inputs,
        subjects: conclusion.subjects,
        judged: report::Judged {
            objects: world.objects.iter().filter(|it| it.generated.is_none()).count(),
            dockerfiles: world
                .builds
                .iter()
                .map(|build| build.source)
                .collect::<BTreeSet<_>>()
                .len(),
            images: world.images.len() + conclusion.more_images,
            binaries: world.binaries.len() + conclusion.more_binaries,
            processes: world.proofs.len(),
            ..report::Judged::default()
        },
        findings: conclusion.findings,
        not_judged: conclusion.not_judged,
        suppressed: conclusion.suppressed,
        skipped: Vec::new(),
        built: Vec::new(),
        baseline: None,
        unchanged: 0,
        missing,
        failed_builds: Vec::new(),
        failed_renders: Vec::new(),
        folder: String::new(),
        unknown_kinds: unknown_kinds(world),
        older_kubernetes: older_kubernetes(world),
        fail_on: Some(Level::Deny),
        proofs: &world.proofs,
        traced: Vec::new(),
        logs: &world.logs,
        said: String::new(),
        sources: &world.sources,
    }
}

/// The release that objects are judged for and that no table has.
fn older_kubernetes(world: &World) -> Option<u16> {
    let (oldest, _) = world.settings.kubernetes();
    let is_older = oldest < schema::MINORS.0;
    let judged = world.objects.iter().any(|object| object.generated.is_none());
    (is_older && judged).then_some(oldest)
}

/// Kinds that no table has and that run no pods: what is wrong with an object of theirs is not seen.
fn unknown_kinds(world: &World) -> Vec<UnknownKind> {
    let mut counted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let unread = world.objects.iter().filter(|object| matches!(object.body, Body::Other));
    for object in unread {
        let (version, kind) =
            (object.meta.api_version.value.as_str(), object.meta.kind.value.as_str());
        *counted.entry((version, kind)).or_default() += 1;
    }
    let is_unknown = |version: &str, kind: &str| {
        matches!(schema::find(version, kind), Known::Elsewhere)
            && removed_apis::find(version, kind).is_none()
            && !version.is_empty()
    };
    let mut kinds: Vec<UnknownKind> = counted
        .into_iter()
        .filter(|((version, kind), _)| is_unknown(version, kind))
        .map(|((version, kind), objects)| UnknownKind {
            kind: kind.to_owned(),
            version: version.to_owned(),
            objects,
        })
        .collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.objects));
    kinds
}

/// The containers that something was bound to, and what.
fn subjects(joined: &Joined<'_>) -> Vec<SubjectView> {
    let world = joined.world;
    let path = |source: SourceId| world.sources.get(source).path.clone();
    let mut views: Vec<SubjectView> = joined
        .cases()
        .filter_map(|case| {
            let binding = case.binding()?;
            if binding.binary.is_none() && binding.build.is_none() && binding.image.is_none() {
                return None;
            }
            Some(SubjectView {
                name: case.subject(),
                binary: binding.binary.map(|i| world.binaries[i].path.clone()),
                dockerfile: binding.build.map(|i| path(world.builds[i].source)),
                image: binding.image.map(|i| world.images[i].path.clone()),
                because: binding.because.clone(),
            })
        })
        .collect();
    views.sort();
    views
}
