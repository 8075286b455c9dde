//! A process that ends without having been told to.

use crate::case::process::{Fails, ProcessCase, RESTARTS, duration, tally};
use crate::facts::proof::{Line, Phase, PhaseName, Request};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Runs in which nobody takes anything away from it but requests, and none of its settings is changed.
const PHASES: &[PhaseName] = &[
    PhaseName::Start,
    PhaseName::Drain,
    PhaseName::Stuck,
    PhaseName::SecondSignal,
    PhaseName::FullStdout,
    PhaseName::Load,
    PhaseName::Throttled,
    PhaseName::Limits,
    PhaseName::Storm,
    PhaseName::Telemetry,
];

/// The end of a connection is seen a little before or after that of its process.
const AT_ITS_END: u64 = 50_000;

/// Lines of a stack that are looked at for where it is.
const MOST_FRAMES: usize = 40;

/// The container ends with it, and with the container whatever it was doing.
pub static RULE: Rule = Rule {
    id: "ends-by-itself",
    group: Group::Serving,
    level: Level::Deny,
    title: "a process that had come up and ends before anybody tells it to",
    page: include_str!("ends-by-itself.md"),
    needs: &[Need::Process],
    phases: PHASES,
    after: &["never-listens", "needs-root-user", "needs-writable-root"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let measured = PHASES.iter().filter_map(|name| case.phase(*name).ok());
    let runs: Vec<&Phase> = measured.flat_map(Phase::runs).collect();
    if runs.is_empty() {
        return Err(Abstain::unknown(Reason::NotMeasured, "the process while it is asked"));
    }
    let batch = case.container().is_some_and(|case| case.workload().kind.is_batch());
    let ended: Vec<&Phase> = runs
        .iter()
        .copied()
        .filter(|phase| phase.ended_by_itself())
        // What does not come up has other faults, and a start shows them.
        .filter(|phase| phase.name != PhaseName::Start || phase.ready_us.is_some())
        // What runs to an end has done its work.
        .filter(|phase| !(batch && phase.exit.as_ref().is_some_and(|exit| exit.code == Some(0))))
        .collect();
    // One that says why is worth more than one that does not.
    let says = |phase: &&&Phase| raised(phase).is_some();
    let Some(phase) = ended.iter().find(says).or(ended.first()).copied() else { return Ok(()) };
    let raised = raised(phase);
    let killed = phase.killed_at_limit();
    case.wrote_to_disk(phase)?;
    // Whatever was made up for it, a program is not to panic at it while it is asked.
    if killed.is_none() && !(raised.is_some() && phase.ready_us.is_some()) {
        let missing = &case.proof().stage.missing;
        if let Some(missing) = missing.iter().find(|missing| missing.volume) {
            let what = format!("a run with {}", missing.what);
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        case.was_given_what_it_needs(Fails::Ends(phase))?;
    }
    out.push(finding(case, phase, (&ended, raised, killed)));
    Ok(())
}

fn finding(
    case: &ProcessCase<'_>,
    phase: &Phase,
    (ended, raised, killed): (&[&Phase], Option<Raised<'_>>, Option<String>),
) -> Finding {
    let exit = phase.exit.as_ref();
    let (at, code) = exit.map_or((0, "unknown".to_owned()), |exit| (exit.at_us, exit.shown()));
    let mut finding = Finding::new(
        &RULE,
        format!("the process ended by itself after {}, with exit code {code}", duration(at)),
        &case.moment(phase, at),
        "it had not been told to",
    );
    let is_zero = exit.is_some_and(|exit| exit.code == Some(0));
    let fix = match (&killed, &raised) {
        (Some(_), _) => {
            "let it use less under load, GOMEMLIMIT below the limit, or raise the limit"
        }
        (None, Some(_)) => {
            "mend what it panics at: net/http recovers panics of a handler, and none of goroutines that it starts"
        }
        (None, None) if is_zero => {
            "stay in the foreground: a container ends with its first process, whatever that has started"
        }
        (None, None) => {
            "go on and answer with an error what cannot be done, and let the probes say so; what it needs and lacks here, --dependency and --env give"
        }
    };
    let last = || match phase.output.last_since(0) {
        Some(line) => format!("it printed last: {}", line.shown()),
        None => "it printed nothing".to_owned(),
    };
    finding = match (killed, raised) {
        (Some(killed), _) => finding.note(killed),
        (None, None) => finding.note(last()),
        (None, Some(raised)) => {
            let place = raised.place.map(|place| format!("raised in {place}"));
            let finding = finding.note(format!("it printed: {}", raised.line.shown()));
            place.into_iter().fold(finding, Finding::note)
        }
    };
    if let Some(left) = phase.children.left.as_ref().filter(|left| !left.is_empty()) {
        finding =
            finding.note(format!("what it had started was killed with it: {}", left.join(", ")));
    }
    let unanswered: Vec<&Request> = phase
        .requests
        .iter()
        .filter(|request| request.is_lost() && request.end_us + AT_ITS_END >= at)
        .collect();
    if !unanswered.is_empty() {
        finding = finding.note(format!("requests from then on: {}", tally(unanswered)));
    }
    let mut others: Vec<&str> = ended
        .iter()
        .map(|other| other.name.name())
        .filter(|name| *name != phase.name.name())
        .collect();
    others.dedup();
    if !others.is_empty() {
        finding = finding.note(format!("it did in other runs, too: {}", others.join(", ")));
    }
    finding
        .note(format!("the container ends with it: {RESTARTS}"))
        .note(case.repeat(phase))
        .fix(Fix::suggest(fix))
}

/// A panic, or an error of Go's runtime, that ended the process.
struct Raised<'p> {
    line: &'p Line,
    /// The first function of its stack that is not the runtime's, and the line.
    place: Option<String>,
}

/// The last in the output: what begins so and was recovered has others behind it. Go's runtime ends with 2 then, or by
/// a signal with GOTRACEBACK=crash.
fn raised(phase: &Phase) -> Option<Raised<'_>> {
    let exit = phase.exit.as_ref()?;
    if exit.code != Some(2) && exit.signal.is_none() {
        return None;
    }
    let lines: Vec<&Line> = phase.output.lines.iter().filter(|line| line.stderr).collect();
    let begins =
        |line: &&Line| ["panic: ", "fatal error: "].iter().any(|word| line.text.starts_with(word));
    let at = lines.iter().rposition(begins)?;
    let stack = lines.iter().skip(at + 1).take(MOST_FRAMES);
    let mut frames = stack
        .map(|line| line.text.as_str())
        .skip_while(|text| !text.starts_with("goroutine "))
        .skip(1)
        .take_while(|text| !text.trim().is_empty());
    let place = loop {
        let (Some(call), Some(file)) = (frames.next(), frames.next()) else { break None };
        if call.starts_with("panic(") || call.starts_with("runtime.") {
            continue;
        }
        // One that was begun with the panic itself has no frame of its own.
        let call = match call.strip_prefix("created by ") {
            Some(by) => by.split(" in goroutine ").next().unwrap_or(by),
            None => call.rsplit_once('(').map_or(call, |(name, _)| name),
        };
        let file = file.trim();
        break Some(format!("{call}, {}", file.rsplit_once(" +0x").map_or(file, |(file, _)| file)));
    };
    Some(Raised { line: lines.get(at)?, place })
}
