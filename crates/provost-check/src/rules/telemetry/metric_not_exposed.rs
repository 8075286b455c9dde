//! Queries for metrics that the program does not have.

use std::collections::HashSet;

use crate::case::queried::is_foreign;
use crate::case::{Case, ObjectCase, WorkloadCase};
use crate::facts::binary::GoProgram;
use crate::facts::program_text::TextPresence;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::promql::Selector;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The names of metrics are constants, or made of constants: what is in none of them is no metric.
pub static RULE: Rule = Rule {
    id: "metric-not-exposed",
    group: Group::Telemetry,
    level: Level::Warn,
    title: "a query for a metric of the program whose name is not in the program",
    page: include_str!("metric-not-exposed.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Object(check),
    ..Rule::BASE
};

/// More metrics of one object are not looked up: each is a search through a program.
const MOST: usize = 64;

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let queries = case.asked();
    let mut seen = HashSet::new();
    let mut asked = false;
    for (text, query) in &queries {
        for selector in &query.selectors {
            let Some(name) = selector.name.as_deref().filter(|name| !is_foreign(name)) else {
                continue;
            };
            let Some(target) = case.asked_of(selector) else { continue };
            asked = true;
            if seen.len() >= MOST || !seen.insert(name) {
                continue;
            }
            if let Err(abstain) = judge(case, text, selector, name, &target, out) {
                out.abstain(abstain);
            }
        }
    }
    if asked { Ok(()) } else { Err(Abstain::NotApplicable) }
}

fn judge(
    case: &ObjectCase<'_>,
    text: &Fact<String>,
    selector: &Selector,
    name: &str,
    workload: &WorkloadCase<'_>,
    out: &mut Findings,
) -> Judged {
    // A second container may be the exporter.
    if workload.pod().containers.len() > 1 {
        return Err(Abstain::unknown(Reason::CodeUnclear, format!("which container has {name}")));
    }
    let target: Case<'_> = workload.target().ok_or(Abstain::NotApplicable)?;
    let program = target.program()?;
    let Some(word) = missing_word(program, name)? else { return Ok(()) };
    let part = text.value.get(selector.place.clone()).unwrap_or(name);
    let place: Origin = case.world().within(&text.origin, part);
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the query asks {} for {name}, and `{word}` is in no constant of its program: no \
                 such metric can be there",
                workload.object.meta.name()
            ),
            &place,
            "returns nothing",
        )
        .also(&program.version.origin, "the program")
        .also(&workload.object.origin(), "runs it")
        .fix(Fix::suggest("look the name up on /metrics")),
    );
    Ok(())
}

/// Endings that libraries add to a name.
const ENDINGS: &[&str] = &[
    "_bucket",
    "_count",
    "_sum",
    "_created",
    "_total",
    "_seconds",
    "_milliseconds",
    "_microseconds",
    "_bytes",
    "_ratio",
    "_percent",
];

/// A word of the name that is proved to be in no constant; `None` where the name, or all its words,
/// are there: a namespace and a name are joined while the program runs.
pub fn missing_word<'n>(program: &GoProgram, name: &'n str) -> Result<Option<&'n str>, Abstain> {
    let mut base = name;
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| base.strip_suffix(ending)) {
        if shorter.is_empty() {
            break;
        }
        base = shorter;
    }
    let mut unknown = None;
    for word in base.split('_').filter(|word| word.len() > 3) {
        match program.text.find(word) {
            TextPresence::Absent => return Ok(Some(word)),
            TextPresence::Present(_) => {}
            TextPresence::Unknown(why) => unknown = Some(why),
        }
    }
    match unknown {
        Some(why) => Err(Abstain::unknown(Reason::StringsUnreadable, format!("{name}: {why}"))),
        None => Ok(None),
    }
}
