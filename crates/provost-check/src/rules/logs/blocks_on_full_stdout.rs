//! Requests that wait for somebody to read the log.

use crate::case::process::{ProcessCase, tally};
use crate::facts::proof::{Line, Outcome, PhaseName, Purpose, Request};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A container runtime that hangs, or a full disk, stops the service.
pub static RULE: Rule = Rule {
    id: "blocks-on-full-stdout",
    group: Group::Logs,
    level: Level::Warn,
    strict: Some(Level::Deny),
    title: "requests that are not answered while nobody reads the log",
    page: include_str!("blocks-on-full-stdout.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::FullStdout],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Bytes that surely do not fit any more: the pipe, and what was read of it before.
const FULL: usize = 2 * 4096;

/// Bytes that are found in a pipe that was full; the line that did not fit is the rest.
const FOUND: usize = 1024;

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = match case.phase(PhaseName::FullStdout) {
        Err(_) if case.opens_no_port() => {
            // Whether it works is seen by nothing that is known here.
            let what = "whether a process that opens no port goes on working while nobody reads what it prints: nothing can be asked of it";
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        phase => phase?,
    };
    let plain: Vec<&Request> = phase.of(Purpose::Plain).collect();
    let unread: Vec<&Request> = phase.of(Purpose::Unread).collect();
    let again = phase.of(Purpose::ReadAgain).next();
    let (Some(first), Some(begun), Some(again)) = (plain.first(), unread.first(), again) else {
        return Err(Abstain::NotApplicable);
    };
    let between = |from: u64, to: u64| {
        phase.output.lines.iter().filter(move |line| (from..to).contains(&line.at_us))
    };
    let bytes = |lines: &mut dyn Iterator<Item = &Line>| -> usize {
        lines.map(|line| line.text.len() + 1).sum()
    };
    // The one that is asked for every other time may not be logged.
    if between(first.at_us, begun.at_us).count() * 2 < plain.len() {
        return Err(Abstain::NotApplicable);
    }
    let late = unread.iter().find(|request| request.outcome == Outcome::TimedOut);
    let unclear =
        |what: &str| Err(Abstain::unknown(Reason::NotMeasured, format!("a full pipe: {what}")));
    let Some(late) = late else {
        let printed = bytes(&mut between(first.at_us, begun.at_us)) * unread.len() / plain.len();
        return match printed > FULL {
            true => Ok(()),
            false => unclear("too little was printed"),
        };
    };
    let held = bytes(&mut between(again.at_us, u64::MAX));
    if !matches!(again.outcome, Outcome::Answered { .. }) || held < FOUND {
        return unclear("something else held the requests up");
    }
    out.push(
        Finding::new(
            &RULE,
            "requests are not answered while nobody reads what the process prints",
            &case.moment(phase, late.at_us),
            tally(unread.iter().copied()),
        )
        .also(&case.moment(phase, again.at_us), "answered when it is read again")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "write the log by a goroutine of its own with a bounded queue that drops lines and counts them",
        )),
    );
    Ok(())
}
