//! Queries for series that the process does not have.

mod labels;
mod names;

use std::collections::{BTreeSet, HashSet};

use crate::case::process::ProcessCase;
use crate::case::queried::{NAMING, is_foreign};
use crate::case::rollouts::args_in;
use crate::case::{Case, Joined, ObjectCase, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::metrics::{After, Scrape};
use crate::facts::proof::{Phase, PhaseName};
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::promql::{Matcher, Op, Selector};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A gate that asks for what is not there gates nothing, and an alert on it never fires.
pub static RULE: Rule = Rule {
    id: "selector-without-series",
    group: Group::Metrics,
    level: Level::Deny,
    title: "a query of an analysis or an alert that no series of the process answers",
    page: include_str!("selector-without-series.md"),
    needs: &[Need::Process, Need::Manifest],
    phases: &[PhaseName::Start],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Selectors that are looked up.
const MOST: usize = 500;

/// The queries and what they are held against.
struct Asked<'a, 'w> {
    phase: &'w Phase,
    scrapes: &'a [&'w Scrape],
    container: Case<'w>,
    /// Labels and names are written anew between the process and Prometheus.
    rewritten: bool,
    /// Nobody else in the input is scraped.
    alone: bool,
}

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let container = case.container().ok_or(Abstain::NotApplicable)?;
    let joined = case.joined;
    let objects = joined.world.objects.iter().enumerate();
    let objects: Vec<ObjectCase<'_>> = objects
        .map(|(id, object)| ObjectCase::new(joined, id, object))
        .filter(|object| joined.may_be_together(object.object, container.of.object))
        .collect();
    let queries: Vec<_> = objects
        .iter()
        .flat_map(|object| object.asked().into_iter().map(move |asked| (object, asked)))
        .collect();
    if queries.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let (phase, _, mut scrapes) = case.scraped()?;
    // It is what some ask for; bounds are written otherwise in it.
    scrapes.retain(|scrape| scrape.after != After::Protobuf);
    let recorded = recorded(&objects);
    let rewritten = container.scraped().is_some_and(|scraped| scraped.rewritten);
    let alone = is_alone(joined, &container);
    let asked = Asked { phase, scrapes: &scrapes, container, rewritten, alone };
    let (mut seen, mut applies) = (HashSet::new(), false);
    let mut unclear: BTreeSet<&str> = BTreeSet::new();
    for (object, (text, query)) in &queries {
        for selector in &query.selectors {
            let Some(name) = selector.name.as_deref() else { continue };
            if is_foreign(name) || recorded.contains(name) || expects_nothing(selector) {
                continue;
            }
            let Some(sure) = asked.is_of_process(object, selector, name) else { continue };
            applies = true;
            let written = text.value.get(selector.place.clone()).unwrap_or(name);
            if seen.contains(&(text.origin.clone(), written)) {
                continue;
            }
            if seen.len() >= MOST {
                out.abstain(Abstain::unknown(
                    Reason::LimitReached,
                    format!("more than {MOST} selectors"),
                ));
                return Ok(());
            }
            seen.insert((text.origin.clone(), written));
            if sure == Sure::Unclear {
                if !asked.is_answered(selector, name) {
                    unclear.insert(name);
                }
                continue;
            }
            if let Err(abstain) = asked.judge(case, text, selector, (name, sure), out) {
                out.abstain(abstain);
            }
        }
    }
    if let Some(first) = unclear.first() {
        let more = match unclear.len() - 1 {
            0 => String::new(),
            more => format!(" and of {more} more"),
        };
        let what = format!(
            "whether series of {first}{more} are asked of this process or of another one: no label says whose (job, service)"
        );
        out.abstain(Abstain::unknown(Reason::CodeUnclear, what));
    }
    if applies { Ok(()) } else { Err(Abstain::NotApplicable) }
}

/// Names that rules of Prometheus record.
fn recorded<'w>(objects: &[ObjectCase<'w>]) -> HashSet<&'w str> {
    let rules = objects.iter().filter(|object| object.object.meta.kind.value == "PrometheusRule");
    let groups = rules.filter_map(|rule| rule.object.node().at(&["spec", "groups"]));
    let rules = groups.flat_map(Node::items).filter_map(|group| group.get("rules"));
    rules.flat_map(Node::items).filter_map(|rule| rule.get("record")?.as_str()).collect()
}

/// `absent(up)` is about what is not there.
fn expects_nothing(selector: &Selector) -> bool {
    matches!(selector.function.as_deref(), Some("absent" | "absent_over_time"))
}

/// How it is known that a selector asks for series of the process.
#[derive(Clone, Copy, PartialEq)]
enum Sure {
    /// Labels name its workload or a Service of it.
    Named,
    /// The analysis is one of its Rollout.
    Analysis,
    /// No label says whose they are, and nobody else in the input is scraped.
    Alone,
    /// It is not.
    Unclear,
}

/// Workloads that are looked at for being scraped.
const MOST_WORKLOADS: usize = 1000;

/// Whether the series of the container are the only ones that the input has scraped: it is scraped itself, or
/// there is no other workload.
fn is_alone(joined: &Joined<'_>, container: &Case<'_>) -> bool {
    let own = container.of.id;
    let others = || {
        let others = joined.workloads().filter(|it| it.id != own && it.template().id != own);
        others.filter(|it| !it.workload.kind.is_batch())
    };
    if others().next().is_none() {
        return container.pod().containers.len() == 1;
    }
    if container.scraped().is_none() || others().nth(MOST_WORKLOADS).is_some() {
        return false;
    }
    let scraped = |it: Case<'_>| it.scraped().is_some();
    let beside = container.of.into_containers().filter(|it| it.index != container.index);
    !others().flat_map(WorkloadCase::into_containers).chain(beside).any(scraped)
}

impl Asked<'_, '_> {
    fn is_of_process(
        &self,
        object: &ObjectCase<'_>,
        selector: &Selector,
        name: &str,
    ) -> Option<Sure> {
        let own = self.container.of;
        if let Some(workload) = object.asked_of(selector) {
            // A second container may be the one that has it.
            let alone = workload.pod().containers.len() == 1;
            return (workload.id == own.id && alone).then_some(Sure::Named);
        }
        // A pattern, or an argument that nobody fills in, says no name.
        let naming = |it: &&Matcher| {
            NAMING.contains(&it.label.as_str())
                && it.op == Op::Equal
                && args_in(&it.value).next().is_none()
        };
        let mut naming = selector.matchers.iter().filter(naming).peekable();
        if naming.peek().is_some() {
            // The operator calls a job as the Service is called.
            let same = |it: &Matcher| {
                matches!(it.label.as_str(), "job" | "service")
                    && own.services().any(|(service, _)| service.meta.name() == it.value)
            };
            return naming.any(same).then_some(Sure::Named);
        }
        let mut uses = object.uses().peekable();
        if uses.peek().is_some() {
            let used = uses.any(|used| used.rollout.template().id == own.id);
            return used.then_some(Sure::Analysis);
        }
        let called = |is: &dyn Fn(&str) -> bool| {
            is(own.object.meta.name()) || own.services().any(|(service, _)| is(service.meta.name()))
        };
        let may_be_own = |it: &Matcher| match it.values() {
            _ if args_in(&it.value).next().is_some() => true,
            Some(values) => called(&|name| values.iter().any(|value| value == name)),
            None if it.value.contains('|') => true,
            None => {
                let literal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
                let end = it.value.find(|c| !literal(c)).unwrap_or(it.value.len());
                // What is repeated may not be there at all.
                let quantified = it.value[end..].starts_with(['*', '?', '{']);
                let prefix = if quantified { "" } else { &it.value[..end] };
                let prefix = prefix.rsplit('/').next().unwrap_or_default();
                called(&|name| name.starts_with(prefix))
            }
        };
        let is_pattern = |it: &&Matcher| it.op == Op::Regex && NAMING.contains(&it.label.as_str());
        if !selector.matchers.iter().filter(is_pattern).all(may_be_own) {
            return None;
        }
        // That nothing is called so here says little: what is asked for may be in another system.
        let known = || {
            let has_it = self.scrapes.iter().any(|scrape| names::has(scrape, name));
            has_it || self.absence(name).is_ok_and(|absence| absence.fix.is_some())
        };
        Some(if self.alone && known() { Sure::Alone } else { Sure::Unclear })
    }

    /// Whether the process answers it, whoever is asked.
    fn is_answered(&self, selector: &Selector, name: &str) -> bool {
        let Some(scrape) = self.scrapes.iter().rev().find(|scrape| names::has(scrape, name)) else {
            return false;
        };
        let wrong = |it: &Matcher| labels::judge(&self.container, scrape, name, it);
        selector.matchers.iter().all(|it| matches!(wrong(it), Ok(None)))
    }

    fn judge(
        &self,
        case: &ProcessCase<'_>,
        text: &Fact<String>,
        selector: &Selector,
        (name, sure): (&str, Sure),
        out: &mut Findings,
    ) -> Judged {
        if self.rewritten {
            let what = format!("{name}: metricRelabelings write series anew");
            return Err(Abstain::unknown(Reason::CodeUnclear, what));
        }
        let place = |part: std::ops::Range<usize>| -> Origin {
            let part = text.value.get(part).unwrap_or(name);
            case.world().within(&text.origin, part)
        };
        let scrape = self.scrapes.iter().rev().find(|scrape| names::has(scrape, name));
        let Some(scrape) = scrape else {
            let absence = self.absence(name)?;
            let finding = Finding::new(
                &RULE,
                absence.message,
                &place(selector.place.clone()),
                "returns nothing",
            );
            let certain = match sure {
                Sure::Named => absence.certain,
                // Others may have a metric of that name, unless the process has its family.
                Sure::Analysis => absence.certain && absence.fix.is_some(),
                Sure::Alone | Sure::Unclear => absence.of_family,
            };
            let finding = if certain { finding } else { finding.level(Level::Warn) };
            out.push(self.told(case, finding, self.scrapes, absence.fix));
            return Ok(());
        };
        if !scrape.whole && !selector.matchers.is_empty() {
            return Err(Abstain::unknown(Reason::LimitReached, format!("all labels of {name}")));
        }
        for matcher in &selector.matchers {
            match labels::judge(&self.container, scrape, name, matcher) {
                Ok(None) => {}
                Ok(Some(wrong)) => {
                    let finding = Finding::new(
                        &RULE,
                        wrong.message,
                        &place(matcher.place.clone()),
                        wrong.label,
                    );
                    out.push(self.told(case, finding, &[scrape], Some(wrong.fix)));
                }
                Err(abstain) => out.abstain(abstain),
            }
        }
        Ok(())
    }

    /// What is to be said of a name that is on none of the scrapes.
    fn absence(&self, name: &str) -> Result<names::Absence, Abstain> {
        if self.scrapes.iter().any(|scrape| !scrape.whole) {
            return Err(Abstain::unknown(Reason::LimitReached, "all series"));
        }
        names::absence(self.scrapes, name, self.container.known_program())
    }

    fn told(
        &self,
        case: &ProcessCase<'_>,
        finding: Finding,
        scrapes: &[&Scrape],
        fix: Option<String>,
    ) -> Finding {
        let mut finding = finding;
        if let Some(scrape) = scrapes.last() {
            finding = finding.also(&case.moment(self.phase, scrape.at_us), "what it exposes");
        }
        finding = finding.note(case.repeat(self.phase));
        match fix {
            Some(fix) => finding.fix(Fix::suggest(fix)),
            None => finding.fix(Fix::suggest("ask for a metric that the process has")),
        }
    }
}
