//! Runs rules over cases and settles what their findings count for.
//!
//! Levels come from four places, the later outranking the earlier: the rule (or the rule's view of
//! the case), the profile, `[rules]` in `provost.toml`, `--level`. Rules that are off are not run.

use std::collections::BTreeMap;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::rule::{Check, Findings, Judged, Rule, Variant};
use crate::case::{BuildCase, Joined, ObjectCase, ProgramCase};
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
    /// The level of a rule or variant, `None` when off. `by_case` is the level the rule chose for
    /// the case at hand, if it did.
    pub fn level(
        &self,
        rule: &Rule,
        variant: Option<&Variant>,
        by_case: Option<Level>,
    ) -> Option<Level> {
        let full = variant.map(|v| format!("{}/{}", rule.id, v.name));
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
        let from_profile = match self.profile {
            Profile::Recommended => None,
            Profile::Strict => strict,
            Profile::House => house.or(strict),
        };
        match (from_profile, off) {
            // A case that the rule itself calls milder than usual stays mild.
            (Some(raised), _) => Some(match by_case {
                Some(mild) if mild < level => mild,
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
        let only_variant = rule.variants.iter().any(|v| self.level(rule, Some(v), None).is_some());
        only_variant || self.level(rule, None, None).is_some()
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

/// What one rule said about one subject.
struct Answer {
    rule: &'static Rule,
    subject: String,
    findings: Vec<Finding>,
    abstained: Vec<Abstain>,
    judged: bool,
}

fn ask(
    rule: &'static Rule,
    subject: impl FnOnce() -> String,
    check: impl FnOnce(&mut Findings) -> Judged,
) -> Option<Answer> {
    let mut findings = Findings::default();
    let result = check(&mut findings);
    let judged = result.is_ok();
    if let Err(abstain) = result {
        findings.abstain(abstain);
    }
    if findings.found.is_empty() && findings.abstained.is_empty() && !judged {
        return None;
    }
    let subject = if findings.found.is_empty() && findings.abstained.is_empty() {
        String::new()
    } else {
        subject()
    };
    Some(Answer { rule, subject, findings: findings.found, abstained: findings.abstained, judged })
}

/// Runs `rules` over everything that was joined.
pub fn judge(joined: &Joined<'_>, rules: &[&'static Rule], selection: &Selection) -> Verdicts {
    let rules: Vec<&'static Rule> =
        rules.iter().copied().filter(|rule| selection.runs(rule)).collect();
    let mut groups = per_object(joined, &rules);
    groups.extend(per_artifact(joined, &rules));
    settle(groups, selection)
}

/// Answers about objects, workloads and containers; one group per object.
fn per_object(joined: &Joined<'_>, rules: &[&'static Rule]) -> Vec<Vec<Answer>> {
    joined
        .world
        .objects
        .par_iter()
        .enumerate()
        .map(|(id, object)| {
            let case = ObjectCase { joined, id, object };
            let workload = joined.workload(id);
            let mut answers = Vec::new();
            let applying = rules.iter().copied().filter(|rule| rule.applies_to(object));
            for (rule, check) in applying.flat_map(|rule| rule.checks().map(move |c| (rule, c))) {
                match (check, workload) {
                    (Check::Object(check), _) => {
                        answers.extend(ask(rule, || object.subject(), |f| check(&case, f)));
                    }
                    (Check::Workload(check), Some(workload)) => {
                        answers.extend(ask(rule, || object.subject(), |f| check(&workload, f)));
                    }
                    (Check::Container(check), Some(workload)) => {
                        for case in workload.into_containers() {
                            answers.extend(ask(rule, || case.subject(), |f| check(&case, f)));
                        }
                    }
                    _ => {}
                }
            }
            answers
        })
        .collect()
}

/// Answers about Dockerfiles, executables and the run itself; one group per artifact.
fn per_artifact(joined: &Joined<'_>, rules: &[&'static Rule]) -> Vec<Vec<Answer>> {
    let world = joined.world;
    let checks = || rules.iter().flat_map(|rule| rule.checks().map(move |check| (*rule, check)));
    let builds = world.builds.iter().enumerate().map(|(index, build)| {
        let case = BuildCase { joined, index, build };
        let subject = || world.sources.get(build.source).path.clone();
        let answer = |(rule, check)| match check {
            Check::Build(check) => ask(rule, subject, |f| check(&case, f)),
            _ => None,
        };
        checks().filter_map(answer).collect()
    });
    let programs = world.binaries.iter().enumerate().map(|(index, binary)| {
        let case = ProgramCase { joined, index, binary };
        let answer = |(rule, check)| match check {
            Check::Program(check) => ask(rule, || binary.path.clone(), |f| check(&case, f)),
            _ => None,
        };
        checks().filter_map(answer).collect()
    });
    let run = checks()
        .filter_map(|(rule, check)| match check {
            Check::Run(check) => ask(rule, String::new, |f| check(joined, f)),
            _ => None,
        })
        .collect();
    builds.chain(programs).chain(std::iter::once(run)).collect()
}

/// Applies levels and "one cause, one finding" inside each group, and flattens.
fn settle(groups: Vec<Vec<Answer>>, selection: &Selection) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for mut group in groups {
        let causes = Causes::of(&group);
        for answer in &mut group {
            verdicts.judged += usize::from(answer.judged);
            let after = answer.rule.after;
            let explained = after.iter().any(|after| causes.explain(after, &answer.subject));
            if !explained {
                for mut finding in answer.findings.drain(..) {
                    let by_case = finding.level_by_case.then_some(finding.level);
                    let Some(level) = selection.level(finding.rule, finding.variant, by_case)
                    else {
                        continue;
                    };
                    finding.level = level;
                    finding.mask();
                    if finding.subject.is_empty() {
                        finding.subject.clone_from(&answer.subject);
                    }
                    verdicts.findings.push(finding);
                }
            }
            for abstain in answer.abstained.drain(..) {
                if let Abstain::Unknown { reason, needs } = abstain {
                    verdicts.not_judged.push(NotJudged {
                        rule: answer.rule.id,
                        subject: answer.subject.clone(),
                        reason,
                        needs: masked(&needs).into_owned(),
                    });
                }
            }
        }
    }
    verdicts.not_judged.sort();
    verdicts.not_judged.dedup();
    verdicts
}

/// What was found in one group, by `rule` or `rule/variant` and subject. A pod may have thousands of
/// containers, so that comparing all with all is no way.
struct Causes(FxHashSet<(String, String)>);

impl Causes {
    fn of(group: &[Answer]) -> Self {
        let found =
            group.iter().flat_map(|answer| answer.findings.iter().map(move |f| (answer, f)));
        let names = found.flat_map(|(answer, finding)| {
            let rule = (answer.rule.id.to_owned(), answer.subject.clone());
            let variant = finding
                .variant
                .map(|v| (format!("{}/{}", answer.rule.id, v.name), answer.subject.clone()));
            std::iter::once(rule).chain(variant)
        });
        Self(names.collect())
    }

    /// Whether `rule` has a finding about the subject itself or the workload the subject is a
    /// container of.
    fn explain(&self, rule: &str, subject: &str) -> bool {
        let above = subject.match_indices('/').map(|(at, _)| &subject[..at]);
        !self.0.is_empty()
            && above
                .chain(std::iter::once(subject))
                .any(|cause| self.0.contains(&(rule.to_owned(), cause.to_owned())))
    }
}
