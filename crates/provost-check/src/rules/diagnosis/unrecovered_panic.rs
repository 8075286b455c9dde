//! A panic that nothing recovered: the process ended.

use goformats::crash::{Ended, Panicked};

use crate::case::crash::{DumpCase, origin_of, shown, value};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The commonest end of a Go process that is not asked to.
pub static RULE: Rule = Rule {
    id: "unrecovered-panic",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "a panic that ended the process",
    page: include_str!("unrecovered-panic.md"),
    needs: &[Need::Log],
    check: Check::Dump(check),
    ..Rule::BASE
};

/// What errors of the runtime mean, and what to do (`runtime/error.go`, `runtime/panic.go`, `runtime/chan.go`).
const KNOWN: &[(&str, &str)] = &[
    (
        "invalid memory address or nil pointer dereference",
        "find which pointer, map, interface or function is nil there, and check it where it comes from: mostly an error that was not looked at, or a field that nobody set",
    ),
    (
        "index out of range",
        "compare the index with the length before, or take the length into account where the index is made",
    ),
    ("slice bounds out of range", "compare the bounds with the length before"),
    (
        "assignment to entry in nil map",
        "make the map (make, or a literal) before the first write; reading a nil map is no error",
    ),
    ("close of closed channel", "let one goroutine own the channel and close it, once (sync.Once)"),
    ("close of nil channel", "make the channel before it is closed"),
    ("send on closed channel", "let those that send end before whoever owns the channel closes it"),
    ("interface conversion: ", "use the form with two values, v, ok := x.(T), or a type switch"),
    ("integer divide by zero", "check the divisor"),
    (
        "negative WaitGroup counter",
        "call Add before the goroutine is started, and Done once for each",
    ),
    ("WaitGroup is reused before", "wait for all before the WaitGroup is used again"),
    (
        "makeslice: len out of range",
        "check a length that comes from outside before memory is taken for it",
    ),
    (
        "all goroutines in bubble are blocked",
        "this is a deadlock of testing/synctest: let the goroutines of the test end",
    ),
];

fn check(case: &DumpCase<'_>, out: &mut Findings) -> Judged {
    let Some(cause) = &case.dump.cause else { return Ok(()) };
    let Ended::Panic(chain) = &cause.ended else { return Ok(()) };
    // Of a chain, the last one ended the process; what came before explains it.
    let Some(last) = chain.last() else { return Ok(()) };
    let mut message = format!("the process ended by a panic: {}", value(&last.value));
    if let Some(signal) = &cause.signal
        && let Some(address) = signal.address
    {
        message.push_str(&format!(" ({} at address {address:#x})", signal.name));
    }
    let mut finding = Finding::new(&RULE, message, &case.at(cause.line), "the panic");
    if let Some((origin, text)) = case.culprit() {
        finding = finding.also(&origin, text);
    }
    let places = case.dump.places_of_chain();
    for (at, before) in chain.iter().enumerate().rev().skip(1) {
        if before.value == last.value {
            continue;
        }
        let place = places.get(at).copied().flatten();
        let place = place.map_or(String::new(), |place| format!(", in {}", shown(&place)));
        finding = finding.note(format!(
            "it was raised by a deferred call that ran because of another panic: {}{place}",
            value(&before.value)
        ));
    }
    if again(chain) {
        finding = finding
            .note("a deferred call recovered from it, and gave the same value to panic again");
    }
    match &case.dump.first {
        Some(first) => finding = finding.note(format!(
            "{}; a panic ends the whole process, whichever goroutine it is in, unless a deferred call of the same goroutine recovers",
            origin_of(first)
        )),
        None => finding = finding.note("no stack was printed: GOTRACEBACK is none or 0; without it, that of the goroutine is"),
    }
    let known = KNOWN.iter().find(|(text, _)| last.value.contains(text));
    let fix = known.map_or(
        "return an error where the caller can go on, and let a deferred recover stand around each goroutine that must not end the process",
        |(_, fix)| fix,
    );
    out.push(finding.fix(Fix::suggest(fix)));
    Ok(())
}

fn again(chain: &[Panicked]) -> bool {
    let mut twice = chain.iter().zip(chain.iter().skip(1));
    chain.iter().any(|panicked| panicked.repanicked)
        || twice.any(|(a, b)| a.recovered && a.value == b.value)
}
