//! GODEBUG settings for the developers of the runtime, in a workload.

use goformats::godebug::Godebug;

use crate::case::Case;
use crate::case::runtime::GodebugVariable;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Settings that stop or slow everything.
pub static RULE: Rule = Rule {
    id: "dangerous-godebug",
    group: Group::Runtime,
    level: Level::Deny,
    title: "GODEBUG setting that stops or slows the whole process",
    page: include_str!("dangerous-godebug.md"),
    needs: &[Need::Manifest],
    variants: &[OUTPUT],
    check: Check::Container(check),
    ..Rule::BASE
};

const OUTPUT: Variant = Variant::new(
    "debug-output-godebug",
    Level::Note,
    "GODEBUG setting that writes traces to stderr",
)
.strict(Level::Warn);

/// Key and what it does when it is above 0 (runtime/extern.go and runtime/runtime1.go, the same
/// from Go 1.18 to 1.27).
const DANGEROUS: &[(&str, &str)] = &[
    ("asyncpreemptoff", "a tight loop blocks every collection"),
    ("gcstoptheworld", "each collection stops the program"),
    ("gccheckmark", "each collection marks twice, the world stopped"),
    ("clobberfree", "every freed object is overwritten"),
    ("efence", "no freed page is ever used again"),
    ("sbrk", "no memory is ever collected"),
];

const TRACES: &[(&str, &str)] = &[
    ("gctrace", "a line for each collection"),
    ("schedtrace", "a line for each period given, in ms"),
    ("gcpacertrace", "several lines for each collection"),
    ("inittrace", "a line for each package at start"),
    ("scavtrace", "a line for each collection"),
    ("http2debug", "a line for each HTTP/2 frame"),
];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let godebug = case.godebug()?;
    let readings = godebug.readings();
    let on = |key: &str| readings.iter().all(|reading| is_on(reading, key));
    let mut dangerous: Vec<(&str, &str)> =
        DANGEROUS.iter().copied().filter(|(key, _)| on(key)).collect();
    if on("schedtrace") && on("scheddetail") {
        dangerous.push(("scheddetail", "prints every goroutine, the scheduler locked"));
    }
    if let Some(finding) = finding(case, &godebug, &readings[0], &dangerous) {
        out.push(finding);
    }
    let thp: Vec<(&str, &str)> = [("disablethp", "no huge pages: more page faults, less memory")]
        .into_iter()
        .filter(|(key, _)| on(key))
        .collect();
    if let Some(finding) = finding(case, &godebug, &readings[0], &thp) {
        out.push(finding.level(Level::Note));
    }
    let traces: Vec<(&str, &str)> = TRACES.iter().copied().filter(|(key, _)| on(key)).collect();
    if let Some(finding) = finding(case, &godebug, &readings[0], &traces) {
        let finding = finding
            .variant(&OUTPUT)
            .note("the lines go to stderr piece by piece and tear the lines of the log");
        out.push(finding);
    }
    Ok(())
}

/// `http2debug` takes 1 or 2 and is no key of the runtime; all others are integers.
fn is_on(reading: &Godebug<'_>, key: &str) -> bool {
    match key {
        "http2debug" => matches!(reading.value(key), Some("1" | "2")),
        _ => reading.integer(key).is_some_and(|n| n > 0),
    }
}

fn finding(
    case: &Case<'_>,
    godebug: &GodebugVariable<'_>,
    reading: &Godebug<'_>,
    keys: &[(&str, &str)],
) -> Option<Finding> {
    let variable = &godebug.variable;
    let place = |key: &str| {
        let item = reading.deciding(key)?;
        Some(case.world().part(variable.origin(), &variable.value, item.span.clone()))
    };
    let (first, rest) = keys.split_first()?;
    let names: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
    let message = match keys {
        [(key, does)] => format!("GODEBUG sets {key}: {does}"),
        _ => format!("GODEBUG sets {}: {}", names.join(", "), first.1),
    };
    let mut finding = Finding::new(&RULE, message, &place(first.0)?, first.1);
    for (key, does) in rest {
        finding = finding.also(&place(key)?, *does);
    }
    finding = case.show_entry(variable, finding);
    if let Ok(program) = &godebug.program {
        let label = format!("built by {}", program.version);
        finding = finding.also(&program.version.origin, label);
    }
    let title = format!("remove {} from the workload's GODEBUG", names.join(", "));
    let kept: Vec<&str> = reading
        .items
        .iter()
        .filter(|item| !names.contains(&item.key) && !item.text.is_empty())
        .map(|item| item.text)
        .collect();
    let fix = if kept.is_empty() {
        case.unset(Fix::suggest(title), variable)
    } else {
        case.rewrite(Fix::suggest(title), variable, &kept.join(","))
    };
    Some(finding.fix(fix))
}
