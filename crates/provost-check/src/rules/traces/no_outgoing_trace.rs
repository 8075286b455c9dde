//! Calls that leave the trace behind.

use std::collections::BTreeMap;

use crate::case::process::ProcessCase;
use crate::facts::proof::telemetry::Traced;
use crate::facts::proof::{Call, Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What another service did for the request is in another trace.
pub static RULE: Rule = Rule {
    id: "no-outgoing-trace",
    group: Group::Traces,
    level: Level::Warn,
    title: "calls to others without the trace of the request they are made for",
    page: include_str!("no-outgoing-trace.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Telemetry],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Requests of one path that tell.
const LEAST: usize = 3;

/// Calls for requests are that many times as frequent as those of the clock, at least.
const OFTEN: u128 = 4;

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let sent = case.sent()?;
    let phase = sent.phase;
    let links = phase.dependencies.iter().flat_map(|it| &it.links);
    let mut calls: Vec<&Call> = links.flat_map(|link| &link.calls).collect();
    calls.sort_by_key(|call| call.at_us);
    let from = |at_us: u64| calls.partition_point(|call| call.at_us < at_us);
    let of = |asked: &Traced| {
        let range = from(asked.at_us)..from(asked.end_us.saturating_add(1));
        calls.get(range).unwrap_or_default()
    };
    let asked = || sent.telemetry.asked.iter().filter(|asked| asked.status.is_some());
    if asked().all(|asked| of(asked).is_empty()) {
        let what = "calls by HTTP while a request is answered; --dependency names what is called, --path what calls it";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let carries = |asked: &Traced, call: &Call| {
        call.traceparent.as_ref().is_some_and(|parent| parent.contains(&asked.trace))
    };
    // One that carries it shows that calls of requests do; others may be the clock's.
    if asked().any(|asked| of(asked).iter().any(|call| carries(asked, call))) {
        return Ok(());
    }
    if phase.dependencies.iter().any(|it| it.more > 0 || it.more_calls > 0) {
        let what = "all calls by HTTP: there were more than are kept";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let Some(calling) = Calling::find(phase, asked, of) else {
        let what = "calls for requests: those by HTTP meanwhile may as well be made by the clock";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    };
    let Calling { asked, call, with, all } = calling;
    let how = match &call.traceparent {
        None => "without a valid traceparent".to_owned(),
        Some(parent) => format!("with the traceparent {parent}"),
    };
    out.push(
        Finding::new(
            &RULE,
            "calls to others, made while requests are answered, do not carry the trace of the request",
            &case.moment(phase, call.at_us),
            how,
        )
        .also(&case.moment(phase, asked.at_us), format!("asked in the trace {}", asked.trace))
        .note(format!("others are called during {with} of {all} requests of {}", asked.path))
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "call with the request's context (http.NewRequestWithContext) through a client that hands it on: http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)}",
        )),
    );
    Ok(())
}

/// A path of which it is certain that it calls others.
struct Calling<'w> {
    /// Its first request during which there is a call,
    asked: &'w Traced,
    /// and that one.
    call: &'w Call,
    /// Requests during which others are called,
    with: usize,
    /// of so many.
    all: usize,
}

impl<'w> Calling<'w> {
    /// What asks by the clock does so during requests, too. A path calls others when most of its
    /// requests are met by calls, early and late ones, and more often than the rest of the time is.
    fn find<'c, I: Iterator<Item = &'w Traced>>(
        phase: &Phase,
        asked: impl Fn() -> I,
        of: impl Fn(&Traced) -> &'c [&'w Call],
    ) -> Option<Self>
    where
        'w: 'c,
    {
        let time = |asked: &Traced| u128::from(asked.end_us.saturating_sub(asked.at_us)) + 1;
        let within: u128 = asked().map(time).sum();
        let called: u128 = asked().map(|asked| of(asked).len() as u128).sum();
        let begun = u128::from(phase.ready_us.unwrap_or(0));
        let ended = phase.told_us().or_else(|| asked().map(|asked| asked.end_us).max());
        let without = u128::from(ended.unwrap_or(0)).saturating_sub(begun + within).max(1);
        let links = phase.dependencies.iter().flat_map(|it| &it.links);
        let all = links.flat_map(|link| &link.calls);
        let observed = begun..u128::from(ended.unwrap_or(0));
        let all = all.filter(|call| observed.contains(&u128::from(call.at_us))).count() as u128;
        let clock = all.saturating_sub(called);
        let mut paths: BTreeMap<&str, Vec<&'w Traced>> = BTreeMap::new();
        asked().for_each(|asked| paths.entry(&asked.path).or_default().push(asked));
        paths.into_values().find_map(|of_path| {
            let is_met = |asked: &&&'w Traced| !of(asked).is_empty();
            let most = |last: bool| {
                let some = || of_path.iter().filter(|asked| asked.last == last);
                2 * some().filter(is_met).count() > some().count() || some().count() == 0
            };
            let with = of_path.iter().filter(is_met).count();
            let calls: u128 = of_path.iter().map(|asked| of(asked).len() as u128).sum();
            let time: u128 = of_path.iter().map(|asked| time(asked)).sum();
            // Calls in so much time, against those of the clock in theirs.
            let often =
                calls.saturating_mul(without) >= OFTEN.saturating_mul(clock.saturating_mul(time));
            let first = of_path.iter().find(is_met).copied()?;
            let call = of(first).first().copied()?;
            (with >= LEAST && most(false) && most(true) && often).then_some(Self {
                asked: first,
                call,
                with,
                all: of_path.len(),
            })
        })
    }
}
