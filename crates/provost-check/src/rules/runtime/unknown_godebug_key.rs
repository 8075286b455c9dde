//! GODEBUG keys that this Go version does not have.

use goformats::godebug::{self, Godebug, Item, Outcome, Release};

use crate::case::Case;
use crate::case::runtime::{GodebugVariable, quoted};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// The runtime ignores what it does not know.
pub static RULE: Rule = Rule {
    id: "unknown-godebug-key",
    group: Group::Runtime,
    level: Level::Warn,
    title: "GODEBUG key that the program's Go version does not know",
    page: include_str!("unknown-godebug-key.md"),
    needs: &[Need::Manifest],
    variants: &[NOOP],
    check: Check::Container(check),
    ..Rule::BASE
};

const NOOP: Variant =
    Variant::new("noop-godebug", Level::Note, "GODEBUG key set to what it is anyway");

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let godebug = case.godebug()?;
    let readings = godebug.readings();
    let mut needs_program = false;
    for index in 0..readings[0].items.len() {
        let item = &readings[0].items[index];
        // How it is written is `malformed-godebug`'s business.
        let odd = item.text.contains(';') || item.text.contains(char::is_whitespace);
        let Some(value) = item.value.filter(|_| !odd) else { continue };
        let ignored: Vec<bool> = readings.iter().map(|r| is_ignored(&r.items[index])).collect();
        if ignored.iter().all(|ignored| *ignored) {
            out.push(unknown(case, &godebug, item));
        } else if ignored.contains(&true) {
            needs_program = true;
        } else if readings.iter().all(|reading| is_default(&godebug, reading, index, value)) {
            out.push(noop(case, &godebug, item));
        }
    }
    if needs_program && let Err(unknown) = &godebug.program {
        out.abstain(unknown.clone());
    }
    Ok(())
}

/// The release has no such key. Removed keys at a value that will be fatal are
/// `removed-godebug-key`'s business.
fn is_ignored(item: &Item<'_>) -> bool {
    match item.outcome {
        Outcome::Unknown | Outcome::TooNew(_) => true,
        Outcome::Removed(_) => !is_old_value(item),
        _ => false,
    }
}

fn is_old_value(item: &Item<'_>) -> bool {
    let key = godebug::keys().iter().find(|key| key.name == item.key);
    let old = key.and_then(|key| key.removed);
    old.is_some_and(|(_, old)| item.value.is_some_and(|value| old.contains(&value)))
}

fn unknown(case: &Case<'_>, godebug: &GodebugVariable<'_>, item: &Item<'_>) -> Finding {
    let variable = &godebug.variable;
    let place = case.world().part(variable.origin(), &variable.value, item.key_span());
    let (who, release) = match &godebug.program {
        Ok(program) => (program.version.to_string(), Release::from(&program.version.value)),
        Err(_) => (String::new(), godebug::newest()),
    };
    let key = quoted(item.key);
    let message = match (item.outcome, &godebug.program) {
        (_, Err(_)) => {
            format!("no Go release since 1.18 knows a GODEBUG key {key}: it is ignored, silently")
        }
        (Outcome::TooNew(found), Ok(_)) => {
            let since = found.since.first().map_or(0, |since| since.minor);
            format!("{who} ignores GODEBUG key {key}, which came with Go 1.{since}")
        }
        (Outcome::Removed(gone), Ok(_)) => {
            format!("{who} ignores GODEBUG key {key}, which is gone since Go 1.{gone}")
        }
        _ => format!("{who} does not know GODEBUG key {key}: it is ignored, silently"),
    };
    let mut finding = Finding::new(&RULE, message, &place, "has no effect");
    finding = case.show_entry(variable, finding);
    if let Ok(program) = &godebug.program {
        let label = format!("built by {}", program.version);
        finding = finding.also(&program.version.origin, label);
    }
    match godebug::suggest(item.key, release).filter(|near| *near != item.key) {
        Some(near) => {
            let fix = Fix::suggest(format!("did you mean {near}?"));
            let fixed: Vec<String> = godebug::parse(&variable.value, release)
                .items
                .iter()
                .map(|other| match (other.span == item.span, other.value) {
                    (true, Some(value)) => format!("{near}={value}"),
                    _ => other.text.to_owned(),
                })
                .collect();
            finding.fix(case.rewrite(fix, variable, &fixed.join(",")))
        }
        None => finding.fix(Fix::suggest(format!("remove {}", item.text))),
    }
}

/// Whether the item says what holds without it: the runtime's default, and the program carries no
/// other.
fn is_default(
    godebug: &GodebugVariable<'_>,
    reading: &Godebug<'_>,
    index: usize,
    value: &str,
) -> bool {
    let item = &reading.items[index];
    let default = godebug::runtime_default(item.key, reading.release);
    if item.outcome != Outcome::Effective
        || default.map(|d| d.to_string()).as_deref() != Some(value)
    {
        return false;
    }
    match &godebug.program {
        Ok(program) => program.default_godebug(item.key).is_none_or(|set| set.value == value),
        // The go line of go.mod may have changed the default of such a key.
        Err(_) => !godebug::keys().iter().any(|k| k.name == item.key && k.changed.is_some()),
    }
}

fn noop(case: &Case<'_>, godebug: &GodebugVariable<'_>, item: &Item<'_>) -> Finding {
    let variable = &godebug.variable;
    let place = case.world().part(variable.origin(), &variable.value, item.span.clone());
    let message = format!("GODEBUG {} is what holds without it", quoted(item.text));
    let mut finding = Finding::new(&RULE, message, &place, "changes nothing").variant(&NOOP);
    finding = case.show_entry(variable, finding);
    if let Ok(program) = &godebug.program {
        let label = format!("built by {}", program.version);
        finding = finding.also(&program.version.origin, label);
    }
    finding.fix(Fix::suggest(format!("remove {}", item.text)))
}
