//! Panics that the process survived.

use crate::case::crash::{RecoveredCase, shown, value};
use crate::facts::crash::Recovered;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A request that was not answered, and locks that may still be held.
pub static RULE: Rule = Rule {
    id: "recovered-panic",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "panics in handlers, which a server survives and the client does not",
    page: include_str!("recovered-panic.md"),
    needs: &[Need::Log],
    check: Check::Recovered(check),
    ..Rule::BASE
};

fn check(case: &RecoveredCase<'_>, out: &mut Findings) -> Judged {
    for recovered in &case.log.recovered {
        out.push(finding(case, recovered));
    }
    Ok(())
}

fn finding(case: &RecoveredCase<'_>, recovered: &Recovered) -> Finding {
    let times = match recovered.count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let who = match recovered.by_server {
        true => "a handler of net/http panicked",
        false => "a panic was recovered",
    };
    let message = match &recovered.value {
        Some(text) => format!("{who} {times}: {}", value(text)),
        None => format!("{who} {times}"),
    };
    let label = match recovered.place() {
        Some(place) => format!("goroutine {} in {}", recovered.stack.id, shown(&place)),
        None => format!("goroutine {}", recovered.stack.id),
    };
    let mut finding = Finding::new(&RULE, message, &case.at(recovered), label);
    if recovered.by_server {
        finding = finding.note("the connection was closed without an answer; what the handler held (locks, entries of a pool) is held for ever unless a deferred call gave it back");
    }
    finding
        .fix(Fix::suggest("mend what panics: a recovered panic is a fault that nobody is told of"))
}
