//! Requests without an answer while nothing else happens.

use crate::case::process::{ProcessCase, duration, tally};
use crate::case::unanswered::Unanswered;
use crate::facts::proof::{Outcome, Phase, PhaseName, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Runs with load before SIGTERM; the steady one is told of first.
const PHASES: &[PhaseName] = &[PhaseName::Load, PhaseName::Drain];

/// Whoever asked has an error, on any day.
pub static RULE: Rule = Rule {
    id: "fails-under-load",
    group: Group::Serving,
    level: Level::Deny,
    title: "requests that are not answered under plain load",
    page: include_str!("fails-under-load.md"),
    needs: &[Need::Process],
    phases: PHASES,
    variants: &[Variant::new(
        "hangs",
        Level::Deny,
        "requests that wait for an answer in vain under plain load",
    )],
    after: &["never-listens", "ends-by-itself"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let measured = PHASES.iter().filter_map(|name| case.phase(*name).ok());
    let runs: Vec<&Phase> = measured.flat_map(Phase::runs).collect();
    let seen: Vec<Unanswered<'_>> = runs.iter().filter_map(|phase| phase.unanswered()).collect();
    let seen: Vec<&Unanswered<'_>> = seen.iter().filter(|it| it.asked > 0).collect();
    if seen.is_empty() {
        return Err(Abstain::unknown(Reason::NotMeasured, "the load of a process that is ready"));
    }
    let is_starved = |it: &&&Unanswered<'_>| it.phase.is_starved();
    if let Some(failing) = seen.iter().find(|it| !it.ended.is_empty() && !is_starved(it)) {
        out.push(closed(case, failing));
        return Ok(());
    }
    if let Some(failing) = seen.iter().find(|it| !it.hung.is_empty() && !is_starved(it)) {
        out.push(hangs(case, failing));
        return Ok(());
    }
    if seen.iter().any(|it| !it.is_none()) {
        let what = "requests under load: the machine was too busy for them";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    // Where nothing is much faster, it is not known what an answer takes.
    let late = |it: &&&Unanswered<'_>| {
        it.phase.of(Purpose::Steady).any(|request| request.outcome == Outcome::TimedOut)
    };
    match seen.iter().find(late) {
        Some(slow) => {
            let others = match slow.longest {
                Some(longest) => format!("others took up to {}", duration(longest)),
                None => "none was".to_owned(),
            };
            let what = format!(
                "requests under load that were not answered in time: {others}, and it may be what the path takes; --path names another, --rate asks for less"
            );
            Err(Abstain::unknown(Reason::NotMeasured, what))
        }
        None => Ok(()),
    }
}

/// The connection or stream of a request ended.
fn closed(case: &ProcessCase<'_>, failing: &Unanswered<'_>) -> Finding {
    let phase = failing.phase;
    let at = failing.ended.first().map_or(0, |request| request.end_us);
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} of {} {} had no answer, before anybody told the process to end",
            failing.ended.len(),
            failing.asked,
            phase.requests_by_name()
        ),
        &case.moment(phase, at),
        "the first",
    );
    let panics: Vec<_> = phase.recovered().collect();
    if let Some(first) = panics.first() {
        let label = match panics.len() {
            1 => "a recovered panic".to_owned(),
            several => format!("the first of {several} recovered panics"),
        };
        finding = finding
            .also(&case.moment(phase, first.at_us), label)
            .note(format!("it printed: {}", first.shown()));
    }
    finding = case.show_spoken(phase, finding.note(tally(failing.ended.iter().copied())));
    let fix = match panics.is_empty() {
        false => {
            "mend what the handler panics at: net/http recovers the panic, closes the connection and goes on, and whoever asked has no answer"
        }
        true => {
            "answer every request, with an error where it cannot be done: http.ErrAbortHandler, a limit of connections and Server.WriteTimeout end one without an answer"
        }
    };
    if failing.is_one() {
        finding = finding
            .level(Level::Warn)
            .note("it was one, and nothing says why; --repeat shows whether it happens again");
    }
    finding.note(case.repeat(phase)).fix(Fix::suggest(fix))
}

/// Nothing came any more.
fn hangs(case: &ProcessCase<'_>, failing: &Unanswered<'_>) -> Finding {
    let phase = failing.phase;
    let told = phase.told_us().unwrap_or(0);
    let (at, waited) = failing.hung.first().map_or((0, 0), |request| {
        (request.at_us, request.end_us.min(told).saturating_sub(request.at_us))
    });
    let longest = duration(failing.longest.unwrap_or(0).max(1000));
    let finding = Finding::new(
        &RULE,
        format!(
            "{} of {} {} waited for an answer in vain, before anybody told the process to end",
            failing.hung.len(),
            failing.asked,
            phase.requests_by_name()
        ),
        &case.moment(phase, at),
        format!("the first of them, which waited for {}", duration(waited)),
    )
    .variant(&RULE.variants[0])
    .note(format!("those that were answered took {longest} at most"));
    case.show_spoken(phase, finding)
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "find out what the goroutines wait for: kill -QUIT prints them, and provost diagnose reads what it prints; a mutex that is not unlocked, a pool that is used up and a call without a deadline are the usual reasons",
        ))
}
