//! What a process waited for when its time was over.

use crate::case::blocked::{Blocked, Doing};
use crate::case::crash::many;
use crate::case::process::{ProcessCase, duration};
use crate::facts::proof::{Goroutines, Phase, PhaseName, Silent, Stack};
use crate::findings::{Abstain, Finding, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// By it one knows which call to give a deadline.
pub static RULE: Rule = Rule {
    id: "blocked-at-deadline",
    group: Group::Termination,
    level: Level::Note,
    title: "what a process waited for when its time was over",
    page: include_str!("blocked-at-deadline.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Start, PhaseName::Drain, PhaseName::Stuck],
    // Who was not heard waits for nothing.
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Stacks that are told beside that of the main goroutine.
const MOST: usize = 8;

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    // Under load it says more than idle.
    let phases = [PhaseName::Drain, PhaseName::Stuck, PhaseName::Start];
    let phases: Vec<&Phase> = phases.iter().filter_map(|name| case.phase(*name).ok()).collect();
    if phases.is_empty() {
        case.phase(PhaseName::Stuck)?;
    }
    let mut unknown = None;
    let mut told: Vec<String> = Vec::new();
    for phase in phases.into_iter().filter(|phase| phase.is_killed()) {
        let why = match &phase.goroutines {
            Some(goroutines) => match goroutines.none {
                None => {
                    let finding = found(case, phase, goroutines);
                    if !told.contains(&finding.message) {
                        told.push(finding.message.clone());
                        out.push(finding);
                    }
                    continue;
                }
                Some(Silent::Uncaught) => "nothing in it catches SIGQUIT, as a runtime of Go does",
                Some(Silent::Handled) => "it has a handler of its own for SIGQUIT",
                Some(Silent::Unfinished) => "it printed no goroutine in time",
                Some(Silent::Silenced) => {
                    "its runtime ended without printing one, as Go before 1.19 does with GOTRACEBACK=none"
                }
            },
            None => "it was not asked for its goroutines",
        };
        unknown.get_or_insert((phase.name, why));
    }
    match unknown {
        Some((name, why)) if out.found.is_empty() => Err(Abstain::unknown(
            Reason::NotMeasured,
            format!("what it waited for when it was killed (phase {}): {why}", name.name()),
        )),
        _ => Ok(()),
    }
}

fn found(case: &ProcessCase<'_>, phase: &Phase, goroutines: &Goroutines) -> Finding {
    let blocked = Blocked::new(goroutines);
    let main = goroutines.stacks.iter().find(|stack| stack.main);
    let least = if goroutines.cut { "at least " } else { "" };
    let message = match main {
        Some(main) => {
            format!("when its time was over, the main goroutine was in {}", blocked.place(main))
        }
        None => format!(
            "when its time was over, {least}{} were there, and {}",
            many(goroutines.total),
            if goroutines.cut {
                "the main one was not printed in time"
            } else {
                "not the main one"
            }
        ),
    };
    let mut finding = Finding::new(
        &RULE,
        message,
        &case.moment(phase, goroutines.at_us),
        format!("{least}{} at SIGQUIT", many(goroutines.total)),
    );
    if let Some(told) = phase.told_us() {
        let after = duration(goroutines.at_us.saturating_sub(told));
        finding = finding.also(&case.moment(phase, told), format!("SIGTERM, {after} before"));
    }
    let mut others: Vec<(Doing, &Stack)> = goroutines
        .stacks
        .iter()
        .filter(|stack| !stack.main)
        .map(|stack| (blocked.doing(stack), stack))
        .filter(|(doing, _)| *doing != Doing::Library)
        .collect();
    others.sort_by_key(|(doing, stack)| (*doing, std::cmp::Reverse(stack.count)));
    for (doing, stack) in others.iter().take(MOST) {
        let (one, several) = match doing {
            Doing::Handler => ("1 handler of a request", "handlers of requests"),
            Doing::Http2 => ("1 connection of HTTP/2", "connections of HTTP/2"),
            Doing::Grpc => ("1 goroutine of a gRPC connection", "goroutines of gRPC connections"),
            Doing::Http1 => ("1 connection of HTTP/1.1", "connections of HTTP/1.1"),
            Doing::Main | Doing::Own | Doing::Library => ("1 goroutine", "goroutines"),
        };
        let who = match stack.count {
            1 => one.to_owned(),
            count => format!("{count} {several}"),
        };
        let started = stack.created.as_ref().filter(|_| *doing == Doing::Own);
        let started = started.map_or_else(String::new, |it| format!(", started by {}", it.func));
        finding = finding.note(format!("{who}: {}{started}", blocked.place(stack)));
    }
    let shown: u64 =
        main.into_iter().chain(others.iter().take(MOST).map(|it| it.1)).map(|it| it.count).sum();
    let rest = goroutines.total.saturating_sub(shown);
    if rest > 0 {
        finding = finding.note(format!("and {}", many(rest)));
    }
    if goroutines.cut {
        finding = finding.note("it was killed before it had printed them all");
    }
    case.show_spoken(phase, finding).note(case.repeat(phase))
}
