//! Suppressions: findings somebody decided to live with, with a reason and, if wanted, an end.
//!
//! A suppression that gives no reason, that has ended or that suppresses nothing is a finding of
//! the rule `bad-suppression`. Without a reason or past its end it does not hold.

mod inline;

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::fingerprint::object_of;
use super::{Finding, Fix, NotJudged};
use crate::artifact::Sources;
use crate::artifact::config::check_id;
use crate::facts::origin::{Origin, Place, SourceId};
use crate::model::glob;
use crate::rules::engine::Selection;
use crate::rules::input::bad_suppression as rule;

pub use inline::collect;

/// A finding that a suppression hides.
#[derive(Clone, Debug)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// Why, as written.
    pub reason: String,
    /// The last day of it, if it has one.
    pub until: Option<Date>,
    /// Where the suppression is written.
    pub origin: Origin,
}

/// How long a suppression holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// No end is written.
    Always,
    /// Up to and including that day.
    Day(Date),
    /// What is written is no day.
    Unreadable(String),
}

/// What a suppression covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Findings with a place on this line; `None` when nothing follows the comment.
    Line {
        /// The file the comment is in.
        source: SourceId,
        /// The line it speaks of, from 1.
        line: Option<u32>,
    },
    /// Findings with a place in a file, or about an object; all of the rule's when neither is set.
    Where {
        /// Pattern over paths, see [`glob::matches_path`].
        path: Option<String>,
        /// Pattern over `NS/KIND/NAME[/CONTAINER]`.
        object: Option<String>,
        /// Pattern over the namespaces of objects.
        namespace: Option<String>,
    },
}

/// What stands for every rule in a suppression that says where.
pub const EVERY_RULE: &str = "*";

/// One suppression as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// `rule` (with all its variants), `rule/variant`, or [`EVERY_RULE`].
    pub rule: String,
    /// Why; `None` when nothing is written.
    pub reason: Option<String>,
    /// Its end.
    pub until: Until,
    /// What it covers.
    pub scope: Scope,
    /// The place of the rule's name in it.
    pub origin: Origin,
}

impl Suppression {
    fn names(&self, finding: &Finding) -> bool {
        self.is_of_every_rule() || self.rule == finding.rule.id || self.rule == finding.id()
    }

    /// Only an entry that says where: on a line it would hide what nobody has seen yet.
    fn is_of_every_rule(&self) -> bool {
        self.rule == EVERY_RULE && matches!(self.scope, Scope::Where { .. })
    }

    /// What it is of, in words.
    fn what(&self) -> &str {
        if self.is_of_every_rule() { "every rule" } else { &self.rule }
    }

    fn covers_place(&self, finding: &Finding, sources: &Sources) -> bool {
        let Scope::Where { path, .. } = &self.scope else { return false };
        let in_path = path.as_ref().is_none_or(|pattern| {
            let at = |e: &super::Evidence| {
                glob::matches_path(pattern, &sources.get(e.origin.source()).path)
            };
            finding.evidence.iter().any(at)
        });
        let is_path = sources.get(finding.primary().source()).path == finding.subject;
        in_path && self.covers_subject(&finding.subject, is_path)
    }

    /// Whether it is about a subject, wherever that lies. A subject that is a path is in no namespace.
    fn covers_subject(&self, subject: &str, is_path: bool) -> bool {
        let Scope::Where { object, namespace, .. } = &self.scope else { return false };
        let whole = object_of(subject);
        let on_object = object.as_ref().is_none_or(|pattern| {
            // An object's name covers its containers.
            glob::matches(pattern, subject) || whole.is_some_and(|o| glob::matches(pattern, o))
        });
        let in_namespace = namespace.as_ref().is_none_or(|pattern| {
            let of = whole.filter(|_| !is_path).and_then(|object| object.split('/').next());
            of.is_some_and(|namespace| glob::matches(pattern, namespace))
        });
        on_object && in_namespace
    }

    /// Why it does not hold, as a finding.
    fn flaw(&self, date: Date) -> Option<Finding> {
        let finding = |variant: usize, message: String, label: String| {
            Finding::new(&rule::RULE, message, &self.origin, label)
                .variant(&rule::RULE.variants[variant])
        };
        if self.reason.is_none() {
            let message =
                format!("the suppression of {} gives no reason, so it does not hold", self.what());
            let fix = Fix::suggest(match self.scope {
                Scope::Where { .. } => "add a `reason` that says why this is accepted",
                _ => "write after the bracket why this is accepted",
            });
            return Some(finding(rule::WITHOUT_REASON, message, "no reason".to_owned()).fix(fix));
        }
        match &self.until {
            Until::Always => None,
            Until::Day(day) if *day >= date => None,
            Until::Day(day) => {
                let message = format!("the suppression of {} ended on {day}", self.what());
                let fix = Fix::suggest("fix what it hides, or decide on another day");
                Some(finding(rule::EXPIRED, message, format!("judged as of {date}")).fix(fix))
            }
            Until::Unreadable(text) => {
                let message =
                    format!("the suppression of {} ends on `{text}`, which is no day", self.what());
                let fix = Fix::suggest("write the day as until=2027-01-31");
                Some(finding(rule::EXPIRED, message, "does not hold".to_owned()).fix(fix))
            }
        }
    }
}

/// What a run knows when suppressions are applied.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The inputs.
    pub sources: &'a Sources,
    /// Which rules ran, and at what level.
    pub selection: &'a Selection,
    /// What was not judged: a suppression of such a rule may be needed another time.
    pub not_judged: &'a [NotJudged],
    /// The day to judge at.
    pub date: Date,
}

/// Findings that stay, and those that are hidden.
#[derive(Debug, Default)]
pub struct Applied {
    /// Findings that stay, with those about suppressions themselves.
    pub findings: Vec<Finding>,
    /// Findings that are hidden.
    pub suppressed: Vec<Suppressed>,
}

/// Takes out what is suppressed and adds what is wrong with the suppressions.
pub fn apply(findings: Vec<Finding>, all: &[Suppression], context: &Context<'_>) -> Applied {
    let mut applied = Applied::default();
    let flaws: Vec<Option<Finding>> = all.iter().map(|s| s.flaw(context.date)).collect();
    let index = Index::new(all);
    let mut used = vec![false; all.len()];
    for finding in findings {
        let mut by = None;
        index.candidates(&finding, all, context.sources, |at| {
            used[at] = true;
            if flaws[at].is_none() {
                by = by.or(Some(at));
            }
        });
        match by {
            Some(at) => applied.suppressed.push(Suppressed {
                finding,
                reason: all[at].reason.clone().unwrap_or_default(),
                until: match all[at].until {
                    Until::Day(day) => Some(day),
                    _ => None,
                },
                origin: all[at].origin.clone(),
            }),
            None => applied.findings.push(finding),
        }
    }
    for ((suppression, flaw), used) in all.iter().zip(flaws).zip(used) {
        let flaw = flaw.or_else(|| (!used).then(|| unused(suppression, context)).flatten());
        let Some(mut finding) = flaw else { continue };
        let Some(level) = context.selection.level(finding.rule, finding.variant) else {
            continue;
        };
        finding.level = level;
        finding.subject = context.sources.get(suppression.origin.source()).path.clone();
        applied.findings.push(finding);
    }
    applied
}

/// A finding about a suppression that suppressed nothing, unless its rule was off or could not be
/// judged everywhere.
fn unused(suppression: &Suppression, context: &Context<'_>) -> Option<Finding> {
    let name = suppression.rule.as_str();
    let (id, variant) = name.split_once('/').map_or((name, None), |(id, v)| (id, Some(v)));
    if suppression.is_of_every_rule() {
        // What was not judged may be what it is for.
        let open = context.not_judged.iter().any(|n| suppression.covers_subject(&n.subject, false));
        let message = "the suppression of every rule suppresses nothing";
        let finding = Finding::new(&rule::RULE, message, &suppression.origin, "no finding there");
        let finding = finding.variant(&rule::RULE.variants[rule::UNUSED]);
        return (!open).then(|| finding.fix(Fix::suggest("remove it")));
    }
    let (message, fix) = match (check_id(name), crate::rules::find(id)) {
        _ if name.is_empty() => (
            "the suppression names no rule, so nothing is suppressed".to_owned(),
            Fix::suggest("write `# provost: ignore[rule] reason`"),
        ),
        (Err(unknown), _) => {
            let help = unknown.help.unwrap_or_else(|| "remove it".to_owned());
            (format!("{}, so nothing is suppressed", unknown.message), Fix::suggest(help))
        }
        (Ok(()), rule) => {
            let rule = rule?;
            let of_rule = rule.variants.iter().find(|v| Some(v.name) == variant);
            let on = match of_rule {
                Some(_) => context.selection.level(rule, of_rule).is_some(),
                None => [None]
                    .into_iter()
                    .chain(rule.variants.iter().map(Some))
                    .any(|variant| context.selection.level(rule, variant).is_some()),
            };
            if !on || context.not_judged.iter().any(|n| n.rule == id) {
                return None;
            }
            (format!("the suppression of {name} suppresses nothing"), Fix::suggest("remove it"))
        }
    };
    let label = match suppression.scope {
        Scope::Line { line: None, .. } => "nothing stands directly below",
        Scope::Line { .. } => "no such finding has a place on this line",
        Scope::Where { .. } => "no such finding",
    };
    let finding = Finding::new(&rule::RULE, message, &suppression.origin, label);
    Some(finding.variant(&rule::RULE.variants[rule::UNUSED]).fix(fix))
}

/// Suppressions by where they hold, so that findings times suppressions is never walked for those
/// an artifact brings.
struct Index {
    by_line: BTreeMap<(SourceId, u32), Vec<usize>>,
    anywhere: Vec<usize>,
}

impl Index {
    fn new(all: &[Suppression]) -> Self {
        let mut index = Self { by_line: BTreeMap::new(), anywhere: Vec::new() };
        for (at, suppression) in all.iter().enumerate() {
            match suppression.scope {
                Scope::Line { source, line: Some(line) } => {
                    index.by_line.entry((source, line)).or_default().push(at);
                }
                Scope::Line { line: None, .. } => {}
                Scope::Where { .. } => index.anywhere.push(at),
            }
        }
        index
    }

    fn candidates(
        &self,
        finding: &Finding,
        all: &[Suppression],
        sources: &Sources,
        mut take: impl FnMut(usize),
    ) {
        // Without any by line, no line has to be counted.
        let by_line = !self.by_line.is_empty();
        for evidence in finding.evidence.iter().filter(|_| by_line) {
            let Place::Text(span) = evidence.origin.place() else { continue };
            let id = evidence.origin.source();
            let source = sources.get(id);
            let first = source.position(span.start).line;
            let last = source.position(span.end.max(span.start + 1) - 1).line;
            for lists in self.by_line.range((id, first)..=(id, last.max(first))) {
                for at in lists.1.iter().copied().filter(|at| all[*at].names(finding)) {
                    take(at);
                }
            }
        }
        for at in self.anywhere.iter().copied() {
            if all[at].names(finding) && all[at].covers_place(finding, sources) {
                take(at);
            }
        }
    }
}

#[cfg(test)]
mod tests;
