//! A process that SIGTERM ends where it stands, or not at all.

use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::PhaseName;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Exit codes of a Go program that SIGTERM ended: 143 as a shell has it; 2 as the first process of
/// its namespace up to Go 1.26, whose signal handler cannot end it by the signal and falls back to
/// `exit(2)` (`runtime.dieFromSignal`).
const ENDED_BY_SIGNAL: [i32; 2] = [143, 2];

/// What ends by the signal after that has done something before, silent as it was.
const AT_ONCE: u64 = 1_000_000;

/// Every request in flight is lost on each rollout.
pub static RULE: Rule = Rule {
    id: "no-termination-handler-seen",
    group: Group::Termination,
    level: Level::Deny,
    title: "a process that SIGTERM ends where it stands, or not at all",
    page: include_str!("no-termination-handler-seen.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start, PhaseName::Drain],
    variants: &[Variant::new("ignores", Level::Deny, "a process that SIGTERM does not end")],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let (phase, told) = case.ended_idle()?;
    let Some(exit) = &phase.exit else { return Ok(()) };
    let took = phase.given_up_us().unwrap_or(exit.at_us).saturating_sub(told);
    let fix = Fix::suggest(
        "handle SIGTERM: signal.NotifyContext(ctx, syscall.SIGTERM), go on serving while endpoints are removed, then Server.Shutdown",
    );
    if exit.killed {
        if case.heard().is_some() {
            // It drains for too long, which another rule says.
            return Ok(());
        }
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "the process did not end within {} of SIGTERM, idle as it was",
                    duration(took)
                ),
                &case.moment(phase, exit.at_us),
                "killed",
            )
            .variant(&RULE.variants[0])
            .also(&case.moment(phase, told), "SIGTERM")
            .note(case.repeat(phase))
            .fix(fix),
        );
        return Ok(());
    }
    let by_signal =
        exit.signal == Some(15) || exit.code.is_some_and(|code| ENDED_BY_SIGNAL.contains(&code));
    let spoke = phase.output.lines.iter().any(|line| line.at_us >= told);
    if by_signal && took < AT_ONCE && !spoke {
        out.push(
            Finding::new(
                &RULE,
                format!("SIGTERM ended the process where it stood, within {}", duration(took)),
                &case.moment(phase, exit.at_us),
                format!("ended with exit code {}, without a word", exit.shown()),
            )
            .also(&case.moment(phase, told), "SIGTERM")
            .note(case.repeat(phase))
            .fix(fix),
        );
    }
    Ok(())
}
