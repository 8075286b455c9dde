//! A stop signal that the program does not handle, or cannot.

use crate::case::image::ImageCase;
use crate::case::start::Start;
use crate::case::{BuildCase, Case};
use crate::facts::binary::GoProgram;
use crate::facts::workload::ContainerRole;
use crate::facts::{Fact, symbols};
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
    also: &[Check::Image(image), Check::Build(build)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    if case.container.role == ContainerRole::Ephemeral {
        return Err(Abstain::NotApplicable);
    }
    let signal = case.stop_signal().ok_or(Abstain::NotApplicable)?;
    judge(signal, Some(case), case.program().ok(), out)
}

/// An image that no container of the input runs.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    by_itself(&case.start()?, out)
}

/// A Dockerfile of which no container of the input runs the image.
fn build(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    by_itself(&case.start()?, out)
}

fn by_itself(start: &Start<'_>, out: &mut Findings) -> Judged {
    let signal = start.stop_signal().ok_or(Abstain::NotApplicable)?;
    // nginx stops in good order by SIGQUIT; what cannot be handled is a kill for every program.
    let program = match effect(&normalised(&signal.value)) {
        Some((Level::Deny, _)) | None => start.program().ok(),
        Some(_) => Some(start.program()?),
    };
    judge(signal, None, program, out)
}

/// What a signal does to a Go program; `None` for those that programs handle.
fn effect(name: &str) -> Option<(Level, &'static str)> {
    Some(match name {
        "TERM" | "INT" => return None,
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
    })
}

fn judge(
    signal: &Fact<String>,
    container: Option<&Case<'_>>,
    program: Option<&GoProgram>,
    out: &mut Findings,
) -> Judged {
    let name = normalised(&signal.value);
    let Some((level, effect)) = effect(&name) else { return Ok(()) };
    let mut finding = Finding::new(
        &RULE,
        format!("the container is stopped with SIG{name}, which {effect}"),
        &signal.origin,
        "sent instead of SIGTERM",
    )
    .level(level);
    if let Some(case) = container {
        finding = finding.also(case.container_origin(), "is stopped with it");
    }
    if let Some(program) = program {
        finding = match program.links(symbols::SIGNAL_NOTIFY)? {
            Some(notify) => finding.also(notify, "handles some signal; which, cannot be seen"),
            None => finding.level(Level::Deny.min(level.max(Level::Warn))),
        };
    }
    out.push(finding.fix(Fix::suggest("remove it: SIGTERM is the default")));
    Ok(())
}
