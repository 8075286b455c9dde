//! GODEBUG items that the runtime drops because of how they are written.

use goformats::godebug::{self, Outcome, Release};

use crate::case::Case;
use crate::case::runtime::{GodebugVariable, quoted};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// GODEBUG is split at commas only; what is written otherwise is dropped without a word.
pub static RULE: Rule = Rule {
    id: "malformed-godebug",
    group: Group::Runtime,
    level: Level::Warn,
    title: "GODEBUG whose items are not separated and written as the runtime reads them",
    page: include_str!("malformed-godebug.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

/// An item that is not read as it was meant.
struct Bad {
    index: usize,
    /// A whole setting stands behind a `;` or a space.
    hides: bool,
    /// Settings that have no effect.
    lost: Vec<String>,
    /// What the runtime makes of it.
    reading: String,
}

impl Bad {
    fn sentence(&self) -> String {
        match self.lost.as_slice() {
            [] => self.reading.clone(),
            [one] => format!("{}: {one} is lost, silently", self.reading),
            [most @ .., last] => {
                format!("{}: {} and {last} are lost, silently", self.reading, most.join(", "))
            }
        }
    }
}

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let godebug = case.godebug()?;
    let bad = bad_items(&godebug);
    let Some(first) = bad.iter().find(|item| item.hides).or_else(|| bad.first()) else {
        return Ok(());
    };
    let readings = godebug.readings();
    let items = &readings[0].items;
    let variable = &godebug.variable;
    let place = |item: &Bad| {
        case.world().part(variable.origin(), &variable.value, items[item.index].span.clone())
    };
    let message = format!("GODEBUG item {} {}", quoted(items[first.index].text), first.sentence());
    let label = if first.hides { "only `,` separates" } else { "not read as meant" };
    let mut finding = Finding::new(&RULE, message, &place(first), label);
    if first.hides {
        finding = finding.level(Level::Deny);
    }
    for item in bad.iter().filter(|item| item.index != first.index) {
        finding = finding.also(&place(item), item.sentence());
    }
    finding = case.show_entry(variable, finding);
    if let Ok(program) = &godebug.program {
        finding = finding.also(&program.version.origin, format!("read by {}", program.version));
    }
    let canonical = readings[0].canonical();
    let fix = if canonical.is_empty() {
        Fix::suggest("write key=value, and `,` between two of them")
    } else if canonical == variable.value {
        // It is separated as it should be: what is wrong is a value, and which was meant is not known.
        Fix::suggest("give each key an integer where the runtime reads one")
    } else {
        let title = format!("write {}", quoted(&canonical));
        let known = godebug.releases().into_iter().any(|release| all_known(&canonical, release));
        let fix = if known { Fix::safe(title) } else { Fix::suggest(title) };
        case.rewrite(fix, variable, &canonical)
    };
    out.push(finding.fix(fix));
    Ok(())
}

fn bad_items(godebug: &GodebugVariable<'_>) -> Vec<Bad> {
    let readings = godebug.readings();
    let mut bad = Vec::new();
    for (index, item) in readings[0].items.iter().enumerate() {
        let hidden: Vec<String> = item
            .hidden_keys()
            .into_iter()
            .map(|span| godebug.variable.value[span].to_owned())
            .collect();
        let hides = !hidden.is_empty();
        let spaced = item.text.trim() != item.text || item.key.trim() != item.key;
        let separators = item.text.contains(';') || spaced || hides;
        // Without the program only what no release reads is certain.
        let effective = readings.iter().any(|reading| {
            matches!(
                reading.items[index].outcome,
                Outcome::Effective | Outcome::Overridden(_) | Outcome::Undecided
            )
        });
        let not_integer = !effective
            && readings.iter().any(|reading| reading.items[index].outcome == Outcome::NotInteger);
        let (lost, reading) = match (item.outcome, item.value) {
            (Outcome::Empty, _) => continue,
            (Outcome::NoEquals, _) => {
                (Vec::new(), "has no `=`: it is skipped, silently".to_owned())
            }
            (_, Some(value)) if not_integer || separators => {
                let mut lost = hidden;
                let why = if not_integer { ", which is no integer" } else { "" };
                if not_integer {
                    lost.insert(0, item.key.to_owned());
                }
                let (key, value) = (quoted(item.key), quoted(value));
                (lost, format!("is read as key {key}, value {value}{why}"))
            }
            _ => continue,
        };
        bad.push(Bad { index, hides, lost, reading });
    }
    bad
}

fn all_known(text: &str, release: Release) -> bool {
    godebug::parse(text, release)
        .items
        .iter()
        .all(|item| matches!(item.outcome, Outcome::Effective | Outcome::Overridden(_)))
}
