//! Every goroutine waits for another one.

use crate::case::crash::{DumpCase, Fatal, many, shown};
use crate::findings::{Finding, Fix, Level};
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Groups that are shown.
const MOST: usize = 6;

/// The runtime saw that nothing can go on.
pub static RULE: Rule = Rule {
    id: "deadlock",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "all goroutines wait, and none is left to wake them",
    page: include_str!("deadlock.md"),
    needs: &[Need::Log],
    check: Check::Dump(check),
    ..Rule::BASE
};

fn check(case: &DumpCase<'_>, out: &mut Findings) -> Judged {
    let Some((cause, text)) = case.fatal(Fatal::Deadlock) else { return Ok(()) };
    if text.starts_with("no goroutines") {
        out.push(
            Finding::new(
                &RULE,
                "the main goroutine ended by runtime.Goexit, and then the last one of the others ended",
                &case.at(cause.line),
                "the process ended",
            )
            .fix(Fix::suggest("return from main, or call os.Exit; t.FailNow and its like belong into the goroutine of a test")),
        );
        return Ok(());
    }
    let groups = &case.dump.groups;
    let states: Vec<String> =
        groups.states.iter().map(|(state, count)| format!("{count} in {state}")).collect();
    let message = match states.is_empty() {
        true => "all goroutines wait, and none is left to wake them".to_owned(),
        false => {
            format!("all goroutines wait, and none is left to wake them: {}", states.join(", "))
        }
    };
    let mut finding = Finding::new(&RULE, message, &case.at(cause.line), "the process ended");
    let all = groups.by_count();
    for group in all.iter().take(MOST) {
        let waits = match case.dump.place_of(group) {
            Some(place) => format!("{} in {}: {}", many(group.count), group.state, shown(&place)),
            None => format!("{} in {}", many(group.count), group.state),
        };
        finding = finding.also(&case.at(group.line), waits);
    }
    if all.len() > MOST {
        finding =
            finding.note(format!("and {}", counted((all.len() - MOST) as u64, "other stack")));
    }
    let mut locks = std::collections::BTreeMap::new();
    for (lock, count) in all.iter().flat_map(|group| &group.locks) {
        *locks.entry(lock).or_insert(0_u64) += count;
    }
    let named: Vec<String> =
        locks.iter().map(|(lock, count)| format!("{} for {lock}", many(*count))).collect();
    if locks.len() > 1 {
        finding = finding.note(format!(
            "by the addresses in their stacks they wait for {} locks: {}",
            locks.len(),
            named.join(", ")
        ));
    }
    out.push(finding.fix(Fix::suggest(fix(groups.states.keys().map(String::as_str)))));
    Ok(())
}

fn fix<'s>(states: impl Iterator<Item = &'s str> + Clone) -> &'static str {
    let any =
        |words: &[&str]| states.clone().any(|state| words.iter().any(|w| state.starts_with(w)));
    // Before Go 1.20 all of package sync waits in `semacquire`.
    if any(&["sync.Mutex", "sync.RWMutex"]) {
        "take locks in one order everywhere, and call nothing that takes the same lock while it is held"
    } else if any(&["chan ", "select"]) {
        "see who was to send, receive or close: an error path that returns before it does, or an unbuffered channel in one goroutine only"
    } else if any(&["sync.WaitGroup"]) {
        "let each goroutine that is waited for call Done in a deferred call, and call Add before it is started"
    } else {
        "see who was to wake each of them, and why that is gone"
    }
}
