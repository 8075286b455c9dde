//! A stop signal that the program does not handle, or cannot.

use crate::case::Case;
use crate::facts::symbols;
use crate::facts::{Fact, workload::ContainerRole};
use crate::findings::{Abstain, Finding, Fix, Level};
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
    // The manifest's stopSignal outranks the image's STOPSIGNAL.
    let signal: &Fact<String> = match (&case.container.stop_signal, case.image()) {
        (Some(signal), _) => signal,
        (None, Ok(build)) => build.config().stop_signal.as_ref().ok_or(Abstain::NotApplicable)?,
        (None, Err(_)) => return Err(Abstain::NotApplicable),
    };
    let name = normalise(&signal.value);
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

/// `SIGTERM`, `sigterm`, `TERM`, `15` -> `TERM`.
fn normalise(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    match name {
        "1" => "HUP",
        "2" => "INT",
        "3" => "QUIT",
        "9" => "KILL",
        "10" => "USR1",
        "12" => "USR2",
        "15" => "TERM",
        "19" => "STOP",
        "28" => "WINCH",
        other => other,
    }
    .to_owned()
}
