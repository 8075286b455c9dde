//! A recursion that does not end.

use goformats::crash::{Code, OwnedFrame};

use crate::case::crash::{DumpCase, Fatal};
use crate::facts::crash::Dump;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Functions of a cycle that are told.
const LONGEST: usize = 16;

/// A stack has a limit of 1 GB.
pub static RULE: Rule = Rule {
    id: "stack-overflow",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "a recursion that grew a stack to its limit",
    page: include_str!("stack-overflow.md"),
    needs: &[Need::Log],
    check: Check::Dump(check),
    ..Rule::BASE
};

fn check(case: &DumpCase<'_>, out: &mut Findings) -> Judged {
    let Some((cause, text)) = case.fatal(Fatal::StackOverflow) else { return Ok(()) };
    let limit = cause.notes.iter().find_map(|note| {
        note.strip_prefix("runtime: goroutine stack exceeds ")?.strip_suffix("-byte limit")
    });
    let limit = limit.map_or("its limit".to_owned(), |bytes| format!("the limit of {bytes} bytes"));
    let cycle = cycle(case.dump);
    let message = match cycle.as_slice() {
        [] => format!("a goroutine's stack grew beyond {limit}"),
        [one] => {
            format!("a goroutine's stack grew beyond {limit}: {one} calls itself without an end")
        }
        several => format!(
            "a goroutine's stack grew beyond {limit}: {} call each other without an end",
            several.join(" and ")
        ),
    };
    let mut finding = Finding::new(&RULE, message, &case.at(cause.line), text);
    if let Some((origin, text)) = case.culprit() {
        finding = finding.also(&origin, text);
    }
    if let Some(first) = &case.dump.first {
        let calls = (first.frames.len() as u64).saturating_add(first.elided);
        // Before Go 1.21 the number of frames left out is not printed.
        if first.elided > 1 {
            finding = finding.note(format!("the stack is {calls} calls deep"));
        }
    }
    out.push(finding.fix(Fix::suggest(
        "give the recursion an end: a depth that is refused, a set of what was visited; String, Error and MarshalJSON must not format their own receiver",
    )));
    Ok(())
}

/// The functions that repeat at the top of the stack, in the order in which they call each other.
fn cycle(dump: &Dump) -> Vec<String> {
    let Some(first) = &dump.first else { return Vec::new() };
    let names: Vec<&OwnedFrame> = first.frames.iter().collect();
    let repeats = |from: usize, period: usize| {
        let two = names.get(from..from + 2 * period);
        two.is_some_and(|two| {
            let (a, b) = two.split_at(period);
            a.iter().map(|f| &f.func).eq(b.iter().map(|f| &f.func))
        })
    };
    // What ran when the limit was reached may be a leaf of the cycle.
    let found = (0..8).find_map(|from| {
        (1..=LONGEST).find(|period| repeats(from, *period)).map(|period| (from, period))
    });
    let Some((from, period)) = found else { return Vec::new() };
    let cycle = names.get(from..from + period).unwrap_or_default();
    let own = |frame: &&&OwnedFrame| Code::of(&frame.frame(), &dump.groups.main) == Code::Own;
    let mut shown: Vec<String> =
        cycle.iter().filter(own).map(|frame| frame.func.to_string()).collect();
    if shown.is_empty() {
        shown = cycle.iter().map(|frame| frame.func.to_string()).collect();
    }
    // Frames go from the innermost outwards.
    shown.reverse();
    shown.dedup();
    shown.truncate(4);
    shown
}
