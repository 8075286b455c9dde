//! Logs of system calls from which threads cannot be judged.

use goformats::strace::Tool;

use crate::case::syscalls::{RECORD, SyscallCase};
use crate::facts::runtime_log::Mark;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Nothing else is said of them.
pub static RULE: Rule = Rule {
    id: "unfit-recording",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "system calls recorded so that threads cannot be judged",
    page: include_str!("unfit-recording.md"),
    needs: &[Need::Log],
    check: Check::Syscalls(check),
    ..Rule::BASE
};

fn check(case: &SyscallCase<'_>, out: &mut Findings) -> Judged {
    let missing = case.log.fitness();
    let Some(first) = missing.first() else { return Ok(()) };
    let more = match missing.len() {
        1 => String::new(),
        2 => ", and one thing more".to_owned(),
        many => format!(", and {} things more", many - 1),
    };
    let made = case.log.unfollowed_at.filter(|_| case.log.counts.threaded == 0);
    let start = case.log.processes.first().map(|process| process.from);
    let at = case.at(made.or(start).unwrap_or(Mark { line: 1, at_ms: 0 }));
    let note = if made.is_some() { "a thread is made" } else { "the recording" };
    let message = format!("the recording lacks {first}{more}");
    let mut finding = Finding::new(&RULE, message, &at, note);
    for other in missing.iter().skip(1) {
        finding = finding.note(format!("it lacks {other}"));
    }
    let command = match case.log.tool {
        Some(Tool::Perf | Tool::PerfSummary) => "perf trace -o FILE -p PID",
        _ => RECORD,
    };
    out.push(finding.fix(Fix::suggest(format!("record again: {command}"))));
    Ok(())
}
