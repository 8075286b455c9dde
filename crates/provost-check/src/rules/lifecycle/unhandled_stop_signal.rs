//! A stop signal that the program does not handle, or cannot.

use crate::case::Case;
use crate::facts::symbols;
use crate::facts::workload::ContainerRole;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::signal::normalised;
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// The runtime sends another signal than SIGTERM.
pub static RULE: Rule = Rule {
    id: "unhandled-stop-signal",
    group: Group::Lifecycle,
    level: Level::Warn,
    title: "a stop signal that Go programs do not handle",
    page: include_str!("unhandled-stop-signal.md"),
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    if case.container.role == ContainerRole::Ephemeral {
        return Err(Abstain::NotApplicable);
    }
    let signal = case.stop_signal().ok_or(Abstain::NotApplicable)?;
    let name = normalised(&signal.value);
    let (level, effect) = match name.as_str() {
        "TERM" | "INT" => return Ok(()),
        "KILL" | "STOP" => {
            (Level::Deny, "cannot be handled: every stop is a kill, whatever the grace period")
        }
        "QUIT" => (
            Level::Warn,
            "makes a Go program print every goroutine and exit with 2, unless it asked for this signal",
        ),
        _ => (
            Level::Warn,
            "does what the kernel does by default, unless the program asked for this signal",
        ),
    };
    let mut finding = Finding::new(
        &RULE,
        format!("the container is stopped with SIG{name}, which {effect}"),
        &signal.origin,
        "sent instead of SIGTERM",
    )
    .level(level)
    .also(case.container_origin(), "is stopped with it");
    if let Ok(program) = case.program() {
        finding = match program.links(symbols::SIGNAL_NOTIFY)? {
            Some(notify) => finding.also(notify, "handles some signal; which, cannot be seen"),
            None => finding.level(Level::Deny.min(level.max(Level::Warn))),
        };
    }
    out.push(finding.fix(Fix::suggest("remove it: SIGTERM is the default")));
    Ok(())
}
