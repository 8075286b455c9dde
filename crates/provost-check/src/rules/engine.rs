//! Runs rules over cases and settles what their findings count for.
//!
//! Levels come from four places, the later outranking the earlier: the rule (or the rule's view of
//! the case), the profile, `[rules]` in `provost.toml`, `--level`. Rules that are off are not run.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::rule::{Check, Findings, Group, Judged, Rule, Variant};
use crate::case::counters;
use crate::case::crash::{DumpCase, RecoveredCase};
use crate::case::image::ImageCase;
use crate::case::log::LogCase;
use crate::case::memory;
use crate::case::process::ProcessCase;
use crate::case::syscalls::SyscallCase;
use crate::case::{BuildCase, Joined, ObjectCase, ObjectId, ProgramCase, WorkloadCase};
use crate::facts::Object;
use crate::findings::finding::ByCase;
use crate::findings::{Abstain, Finding, Level, NotJudged};
use crate::model::secret::masked;

/// A set of levels; each profile inherits from the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// What nearly everybody wants.
    #[default]
    Recommended,
    /// Hardening and traceability count.
    Strict,
    /// Contested preferences too.
    House,
}

/// A level, or off.
pub type Override = Option<Level>;

/// Which rules run, and at what level.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The profile.
    pub profile: Profile,
    /// Levels by `rule` or `rule/variant`; `None` is off.
    pub levels: BTreeMap<String, Override>,
    /// When not empty, only these (`rule` or `rule/variant`) are shown.
    pub only: Vec<String>,
    /// Not these.
    pub skip: Vec<String>,
}

impl Selection {
    /// The level of a rule or variant, whatever the case; `None` when off.
    pub fn level(&self, rule: &Rule, variant: Option<&Variant>) -> Option<Level> {
        self.level_in(rule, variant, ByCase::default())
    }

    /// Whether every rule and variant is off.
    pub fn is_empty(&self) -> bool {
        super::RULES.iter().all(|rule| {
            let mut all = std::iter::once(None).chain(rule.variants.iter().map(Some));
            all.all(|variant| self.level(rule, variant).is_none())
        })
    }

    /// The level of a finding, with what its rule chose for the case at hand; `None` when off.
    pub fn level_of(&self, finding: &Finding) -> Option<Level> {
        self.level_in(finding.rule, finding.variant, finding.by_case())
    }

    fn level_in(&self, rule: &Rule, variant: Option<&Variant>, by_case: ByCase) -> Option<Level> {
        // Most runs name no rule, and every finding is asked for.
        let unnamed = self.skip.is_empty() && self.only.is_empty() && self.levels.is_empty();
        let full = variant.filter(|_| !unnamed).map(|v| format!("{}/{}", rule.id, v.name));
        let named = |id: &str| id == rule.id || Some(id) == full.as_deref();
        if self.skip.iter().any(|id| named(id)) {
            return None;
        }
        if !self.only.is_empty() && !self.only.iter().any(|id| named(id)) {
            return None;
        }
        if let Some(level) = full.as_ref().and_then(|full| self.levels.get(full)) {
            return *level;
        }
        if let Some(level) = self.levels.get(rule.id) {
            // A rule set to a level does not switch on variants that are off by themselves.
            match (level, variant) {
                (None, _) => return None,
                (Some(level), None) => return Some(*level),
                (Some(_), Some(_)) => {}
            }
        }
        let (level, off, strict, house) = match variant {
            Some(v) => (v.level, v.off, v.strict, v.house),
            None => (rule.level, rule.off, rule.strict, rule.house),
        };
        let strict_by_case = by_case.strict.is_some();
        let strict = by_case.strict.or(strict);
        let from_profile = match self.profile {
            Profile::Recommended => None,
            Profile::Strict => strict,
            Profile::House => house.or(strict),
        };
        let by_case = by_case.level;
        match (from_profile, off) {
            // A case that the rule itself calls milder than usual stays mild.
            (Some(raised), _) => Some(match by_case {
                Some(mild) if mild < level && !strict_by_case => mild,
                Some(severe) => severe.max(raised),
                None => raised,
            }),
            // Naming a rule with --only is asking for it, but not for variants that are off by
            // themselves.
            (None, true) if !self.asks_for(rule, full.as_deref()) => None,
            (None, _) => Some(by_case.unwrap_or(level)),
        }
    }

    /// Whether `--only` switches on what is off: the variant by its name, or the rule where that is
    /// off as a whole.
    fn asks_for(&self, rule: &Rule, variant: Option<&str>) -> bool {
        self.only.iter().any(|id| match variant {
            Some(full) if !rule.off => id == full,
            Some(full) => id == full || id == rule.id,
            None => id == rule.id,
        })
    }

    /// Whether anything of the rule is on.
    fn runs(&self, rule: &Rule) -> bool {
        let only_variant = rule.variants.iter().any(|v| self.level(rule, Some(v)).is_some());
        only_variant || self.level(rule, None).is_some()
    }
}

/// What the rules said.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Findings, in the order of subjects and rules.
    pub findings: Vec<Finding>,
    /// Rules that could not be judged, sorted, each once per subject.
    pub not_judged: Vec<NotJudged>,
    /// How often a rule was asked and had something to judge.
    pub judged: usize,
}

/// A rule's name for a subject, made once however many rules speak of it.
struct Subject<F> {
    make: F,
    made: OnceCell<Arc<str>>,
}

impl<F: Fn() -> String> Subject<F> {
    fn new(make: F) -> Self {
        Self { make, made: OnceCell::new() }
    }

    fn name(&self) -> Arc<str> {
        Arc::clone(self.made.get_or_init(|| Arc::from((self.make)())))
    }
}

/// What one rule said about one subject.
struct Answer {
    /// The rule's place among those that run.
    rule: usize,
    /// None where there is nothing to name.
    subject: Option<Arc<str>>,
    findings: Vec<Finding>,
    abstained: Vec<Abstain>,
    judged: bool,
}

impl Answer {
    fn subject(&self) -> &str {
        self.subject.as_deref().unwrap_or_default()
    }
}

/// The rules that run.
struct Engine<'r> {
    rules: &'r [&'static Rule],
    /// Every function of each, with the rule's place in `rules`.
    checks: Vec<(usize, Check)>,
    /// Those for objects that run no pods.
    plain: Vec<(usize, Check)>,
    /// Processes by the workloads that they were measured of: what is said of both is of one subject.
    measured: FxHashMap<ObjectId, Vec<usize>>,
    selection: &'r Selection,
}

/// What was said of one object or artifact, settled.
#[derive(Default)]
struct Settled {
    findings: Vec<Finding>,
    /// With the rule's place among those that run.
    not_judged: Vec<(usize, NotJudged)>,
    judged: usize,
}

fn ask<F: Fn() -> String>(
    rule: usize,
    subject: &Subject<F>,
    check: impl FnOnce(&mut Findings) -> Judged,
) -> Option<Answer> {
    let mut findings = Findings::default();
    let result = check(&mut findings);
    let judged = result.is_ok();
    if let Err(abstain) = result {
        findings.abstain(abstain);
    }
    let silent = findings.found.is_empty() && findings.abstained.is_empty();
    if silent && !judged {
        return None;
    }
    let subject = (!silent).then(|| subject.name());
    Some(Answer { rule, subject, findings: findings.found, abstained: findings.abstained, judged })
}

/// Runs that a finding names.
const MOST_NAMED: usize = 12;

/// Asks about each measurement of a process; the first in which there is a finding counts, and says in which others
/// there is one where not all have it.
fn over_runs(
    case: ProcessCase<'_>,
    check: fn(&ProcessCase<'_>, &mut Findings) -> Judged,
    out: &mut Findings,
) -> Judged {
    let runs = case.runs();
    let mut answer = check(&case, out);
    if runs == 1 {
        return answer;
    }
    let mut with: Vec<usize> = (!out.found.is_empty()).then_some(1).into_iter().collect();
    let mut passes = usize::from(out.found.is_empty() && answer.is_ok());
    for run in 1..runs {
        let mut findings = Findings::default();
        let judged = check(&case.of_run(run), &mut findings);
        if findings.found.is_empty() {
            passes += usize::from(judged.is_ok());
            continue;
        }
        if with.is_empty() {
            (out.found, answer) = (findings.found, judged);
        }
        with.push(run + 1);
    }
    if passes > 0 && !with.is_empty() {
        let mut named: Vec<String> = with.iter().take(MOST_NAMED).map(usize::to_string).collect();
        named.extend((with.len() > MOST_NAMED).then(|| "...".to_owned()));
        let of = format!("found in {} of {runs} runs ({})", with.len(), named.join(", "));
        let found = std::mem::take(&mut out.found);
        out.found = found.into_iter().map(|finding| finding.note(&*of)).collect();
    }
    answer
}

/// Runs `rules` over everything that was joined.
pub fn judge(joined: &Joined<'_>, rules: &[&'static Rule], selection: &Selection) -> Verdicts {
    let rules: Vec<&'static Rule> =
        rules.iter().copied().filter(|rule| selection.runs(rule)).collect();
    let numbered = rules.iter().enumerate();
    let checks: Vec<_> =
        numbered.flat_map(|(place, rule)| rule.checks().map(move |check| (place, check))).collect();
    let plain = checks.iter().copied().filter(|(_, check)| matches!(check, Check::Object(_)));
    let plain = plain.collect();
    let engine = Engine { rules: &rules, plain, measured: measured(joined), checks, selection };
    let mut groups = engine.per_object(joined);
    groups.extend(engine.per_artifact(joined));
    engine.verdicts(groups)
}

/// The processes of each workload that is judged.
fn measured(joined: &Joined<'_>) -> FxHashMap<ObjectId, Vec<usize>> {
    let mut measured: FxHashMap<ObjectId, Vec<usize>> = FxHashMap::default();
    for index in 0..joined.world.proofs.len() {
        let workload = joined.bindings.of_proof(index).map(|(workload, _)| workload);
        let object = workload.and_then(|id| joined.world.objects.get(id));
        if let (Some(id), Some(None)) = (workload, object.map(|object| &object.generated)) {
            measured.entry(id).or_default().push(index);
        }
    }
    measured
}

impl Engine<'_> {
    /// Answers about objects, workloads, containers and their processes; one group per object.
    fn per_object(&self, joined: &Joined<'_>) -> Vec<Settled> {
        let objects = joined.world.objects.par_iter().enumerate();
        objects.map(|(id, object)| self.object(joined, id, object)).collect()
    }

    fn object(&self, joined: &Joined<'_>, id: ObjectId, object: &Object) -> Settled {
        // Those that name it know what is in it; it is a kustomization that would have to be mended.
        if object.generated.is_some() {
            return Settled::default();
        }
        let case = ObjectCase::new(joined, id, object);
        let workload = joined.workload(id);
        let containers: Vec<_> = workload
            .into_iter()
            .flat_map(WorkloadCase::into_containers)
            .map(|case| (case, Subject::new(move || case.subject())))
            .collect();
        let subject = Subject::new(|| object.subject());
        let hook = object.is_helm_hook();
        let mut answers = Vec::new();
        for &(rule, check) in if workload.is_some() { &self.checks } else { &self.plain } {
            if hook && !self.rules[rule].applies_to(object) {
                continue;
            }
            match (check, workload) {
                (Check::Object(check), _) => {
                    answers.extend(ask(rule, &subject, |f| check(&case, f)));
                }
                (Check::Workload(check), Some(workload)) => {
                    answers.extend(ask(rule, &subject, |f| check(&workload, f)));
                }
                (Check::Container(check), Some(_)) => {
                    for (case, subject) in &containers {
                        answers.extend(ask(rule, subject, |f| check(case, f)));
                    }
                }
                _ => {}
            }
        }
        joined.forget(id);
        answers.iter_mut().for_each(|answer| self.as_applied(joined, workload, answer));
        for index in self.measured.get(&id).into_iter().flatten() {
            answers.extend(self.process(joined, *index));
        }
        self.settle(answers)
    }

    /// Answers about a process that was measured.
    fn process(&self, joined: &Joined<'_>, index: usize) -> Vec<Answer> {
        let Some(measured) = joined.world.proofs.get(index) else { return Vec::new() };
        let case = ProcessCase::new(joined, index, measured);
        let subject = Subject::new(|| case.subject());
        let answers = self.checks.iter().filter_map(|&(rule, check)| match check {
            Check::Process(check) => ask(rule, &subject, |f| over_runs(case, check, f)),
            _ => None,
        });
        let mut answers: Vec<Answer> = answers.collect();
        answers.iter_mut().for_each(|answer| self.as_applied(joined, None, answer));
        answers
    }

    /// What a kustomization writes over, or takes away, is as it writes it. Rules about the text look
    /// at what is there, and ask for themselves.
    fn as_applied(
        &self,
        joined: &Joined<'_>,
        workload: Option<WorkloadCase<'_>>,
        answer: &mut Answer,
    ) {
        let rule = self.rules[answer.rule];
        if rule.group == Group::Input || answer.findings.is_empty() {
            return;
        }
        let lacks = workload.filter(|_| !rule.lacks.is_empty());
        if let Some(Err(patched)) = lacks.map(|workload| workload.pod_unpatched(rule.lacks)) {
            answer.findings.clear();
            answer.abstained.push(patched);
            return;
        }
        let abstained = &mut answer.abstained;
        answer.findings.retain(|finding| {
            let places = finding.evidence.iter();
            let patched = places.filter_map(|place| joined.unpatched_at(&place.origin).err());
            let before = abstained.len();
            abstained.extend(patched.take(1));
            abstained.len() == before
        });
    }

    /// Answers about Dockerfiles, executables and the run itself; one group per artifact.
    fn per_artifact(&self, joined: &Joined<'_>) -> Vec<Settled> {
        let world = joined.world;
        let builds = world.builds.par_iter().enumerate().map(|(index, build)| {
            let case = BuildCase { joined, index, build };
            let subject = Subject::new(|| world.sources.get(build.source).path.clone());
            self.group(joined, |rule, check| match check {
                Check::Build(check) => ask(rule, &subject, |f| check(&case, f)),
                _ => None,
            })
        });
        let mut groups: Vec<Settled> = builds.collect();
        for (index, build) in world.builds.iter().enumerate() {
            // Several images of one file have stages in common: what is said of those is said once.
            let before = world.builds.iter().take(index).rev();
            let same = before.take_while(|other| other.source == build.source).count();
            let (earlier, from) = groups.split_at_mut(index);
            let earlier = earlier.get(index - same..).unwrap_or_default();
            let Some(group) = from.first_mut() else { continue };
            group.findings.retain(|new| {
                !earlier.iter().flat_map(|it: &Settled| &it.findings).any(|old| old.says(new))
            });
        }
        for (index, binary) in world.binaries.iter().enumerate() {
            let case = ProgramCase { joined, index, binary };
            let subject = Subject::new(|| binary.path.clone());
            groups.push(self.group(joined, |rule, check| match check {
                Check::Program(check) => ask(rule, &subject, |f| check(&case, f)),
                _ => None,
            }));
        }
        for (index, image) in world.images.iter().enumerate() {
            let case = ImageCase { joined, index, image };
            let subject = Subject::new(|| image.path.clone());
            groups.push(self.group(joined, |rule, check| match check {
                Check::Image(check) => ask(rule, &subject, |f| check(&case, f)),
                _ => None,
            }));
        }
        // The others were asked with their workloads.
        let of_workloads: FxHashSet<usize> = self.measured.values().flatten().copied().collect();
        for index in (0..world.proofs.len()).filter(|index| !of_workloads.contains(index)) {
            groups.push(self.settle(self.process(joined, index)));
        }
        for log in &world.logs {
            for (index, life) in log.lives.iter().enumerate() {
                let case = LogCase { joined, log, life, index };
                let subject = Subject::new(|| case.subject());
                groups.push(self.group(joined, |rule, check| match check {
                    Check::Log(check) => ask(rule, &subject, |f| check(&case, f)),
                    _ => None,
                }));
            }
            for (index, dump) in log.dumps.iter().enumerate() {
                let case = DumpCase { joined, log, dump, index };
                let subject = Subject::new(|| case.subject());
                groups.push(self.group(joined, |rule, check| match check {
                    Check::Dump(check) => ask(rule, &subject, |f| check(&case, f)),
                    _ => None,
                }));
            }
            if !(log.dumps.is_empty() && log.recovered.is_empty()) {
                let case = RecoveredCase { joined, log };
                let subject = Subject::new(|| case.subject());
                groups.push(self.group(joined, |rule, check| match check {
                    Check::Recovered(check) => ask(rule, &subject, |f| check(&case, f)),
                    _ => None,
                }));
            }
        }
        for case in memory::cases(joined) {
            let subject = Subject::new(|| case.subject());
            groups.push(self.group(joined, |rule, check| match check {
                Check::Memory(check) => ask(rule, &subject, |f| check(&case, f)),
                _ => None,
            }));
        }
        for case in counters::cases(joined) {
            let subject = Subject::new(|| case.subject());
            groups.push(self.group(joined, |rule, check| match check {
                Check::Counters(check) => ask(rule, &subject, |f| check(&case, f)),
                _ => None,
            }));
        }
        for log in &world.syscalls {
            let case = SyscallCase { joined, log };
            let subject = Subject::new(|| case.subject());
            groups.push(self.group(joined, |rule, check| match check {
                Check::Syscalls(check) => ask(rule, &subject, |f| check(&case, f)),
                _ => None,
            }));
        }
        let subject = Subject::new(String::new);
        groups.push(self.group(joined, |rule, check| match check {
            Check::Run(check) => ask(rule, &subject, |f| check(joined, f)),
            _ => None,
        }));
        groups
    }

    fn group(&self, joined: &Joined<'_>, ask: impl Fn(usize, Check) -> Option<Answer>) -> Settled {
        let answers = self.checks.iter().filter_map(|&(rule, check)| ask(rule, check));
        let mut answers: Vec<Answer> = answers.collect();
        answers.iter_mut().for_each(|answer| self.as_applied(joined, None, answer));
        self.settle(answers)
    }

    /// Applies levels and "one cause, one finding" inside one group.
    fn settle(&self, mut group: Vec<Answer>) -> Settled {
        let mut settled = Settled::default();
        let causes = Causes::of(&group, self.rules);
        let explained: Vec<bool> = group
            .iter()
            .map(|answer| {
                let after = self.rules[answer.rule].after;
                // Most answers find nothing.
                !answer.findings.is_empty()
                    && after.iter().any(|after| causes.explain(after, answer.subject()))
            })
            .collect();
        drop(causes);
        for (answer, explained) in group.iter_mut().zip(explained) {
            settled.judged += usize::from(answer.judged);
            let findings = std::mem::take(&mut answer.findings);
            for mut finding in findings.into_iter().filter(|_| !explained) {
                let Some(level) = self.selection.level_of(&finding) else { continue };
                finding.level = level;
                finding.mask();
                if finding.subject.is_empty() {
                    finding.subject.push_str(answer.subject());
                }
                settled.findings.push(finding);
            }
            for abstain in std::mem::take(&mut answer.abstained) {
                if let Abstain::Unknown { reason, mut needs } = abstain {
                    let rule = self.rules[answer.rule].id;
                    let subject = answer.subject.clone().unwrap_or_default();
                    // What is borrowed is written in the rules, and repeats no input.
                    if let Cow::Owned(written) = &mut needs
                        && let Cow::Owned(masked) = masked(written)
                    {
                        *written = masked;
                    }
                    let not_judged = NotJudged { rule, subject, reason, needs };
                    settled.not_judged.push((answer.rule, not_judged));
                }
            }
        }
        // They are kept until every object was judged.
        settled.findings.shrink_to_fit();
        settled.not_judged.shrink_to_fit();
        settled
    }

    /// Puts the groups together in their order.
    fn verdicts(&self, groups: Vec<Settled>) -> Verdicts {
        let mut verdicts = Verdicts::default();
        // Sorted rule by rule, since the subjects of each come nearly in order.
        let mut counts = vec![0; self.rules.len()];
        groups.iter().flat_map(|group| &group.not_judged).for_each(|(rule, _)| counts[*rule] += 1);
        let mut not_judged: Vec<Vec<NotJudged>> =
            counts.into_iter().map(Vec::with_capacity).collect();
        verdicts.findings.reserve_exact(groups.iter().map(|group| group.findings.len()).sum());
        for group in groups {
            verdicts.findings.extend(group.findings);
            verdicts.judged += group.judged;
            for (rule, item) in group.not_judged {
                not_judged[rule].push(item);
            }
        }
        not_judged.retain(|list| !list.is_empty());
        not_judged.par_iter_mut().for_each(|list| {
            list.sort();
            list.dedup();
        });
        not_judged.sort_by_key(|list| list.first().map(|item| item.rule));
        verdicts.not_judged.reserve_exact(not_judged.iter().map(Vec::len).sum());
        verdicts.not_judged.extend(not_judged.into_iter().flatten());
        verdicts
    }
}

/// What was found in one group, by `rule` or `rule/variant` and subject, with `rule/` for the rule without a variant.
/// A pod may have thousands of containers, so that comparing all with all is no way.
struct Causes<'g>(FxHashSet<(&'static str, Option<&'static str>, &'g str)>);

impl<'g> Causes<'g> {
    fn of(group: &'g [Answer], rules: &[&'static Rule]) -> Self {
        let mut found = FxHashSet::default();
        for answer in group {
            for finding in &answer.findings {
                let (rule, subject) = (rules[answer.rule].id, answer.subject());
                found.insert((rule, None, subject));
                found.insert((rule, Some(finding.variant.map_or("", |it| it.name)), subject));
            }
        }
        Self(found)
    }

    /// Whether `rule` has a finding about the subject itself or the workload the subject is a
    /// container of.
    fn explain(&self, rule: &'static str, subject: &str) -> bool {
        let (rule, variant) = rule.split_once('/').map_or((rule, None), |(r, v)| (r, Some(v)));
        let above = subject.match_indices('/').map(|(at, _)| &subject[..at]);
        !self.0.is_empty()
            && above
                .chain(std::iter::once(subject))
                .any(|cause| self.0.contains(&(rule, variant, cause)))
    }
}
