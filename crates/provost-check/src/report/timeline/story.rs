//! What a picture of a run shows, in sentences.

use crate::case::process::duration;
use crate::facts::proof::{Outcome, Phase, PhaseName, Purpose, Request, Terms};
use crate::report::count;

/// New connections that begin so shortly before the last of them would are late, and not lost.
const SLACK_US: u64 = 20_000;

/// Whether nobody would have asked any more: new connections come as long as there are endpoints, clients whose
/// connection is closed then find another endpoint, and a kubelet does not probe what has ended.
pub(super) fn is_beyond(request: &Request, phase: &Phase, terms: &Terms) -> bool {
    let Some(told) = phase.told_us() else { return false };
    let end = told + terms.window_ms() * 1000;
    let last = end.saturating_sub(SLACK_US).max(told);
    let drains = phase.name == PhaseName::Drain;
    match request.purpose {
        Purpose::NewConnection => drains && request.at_us > last && request.is_lost(),
        Purpose::Busy => drains && request.end_us > last && request.is_lost(),
        Purpose::Readiness | Purpose::Liveness => {
            let end = phase.exit.as_ref().map_or(u64::MAX, |exit| exit.at_us);
            request.end_us >= end && !request.outcome.passes()
        }
        _ => false,
    }
}

/// What became of the load of a run: tables and pictures count by it.
#[derive(Debug)]
pub(super) struct Load<'p> {
    /// How many requests.
    pub(super) count: usize,
    /// Those that were lost.
    pub(super) lost: Vec<&'p Request>,
    /// How many were lost when nobody would have asked any more; they are not among the others.
    pub(super) late: usize,
}

impl<'p> Load<'p> {
    pub(super) fn of(phase: &'p Phase, terms: &Terms) -> Self {
        let mut load = Self { count: 0, lost: Vec::new(), late: 0 };
        let is_load = |request: &&Request| {
            matches!(
                request.purpose,
                Purpose::NewConnection
                    | Purpose::Busy
                    | Purpose::Idle
                    | Purpose::Slow
                    | Purpose::Steady
                    | Purpose::Near
                    | Purpose::Opened
                    | Purpose::Unread
            )
        };
        for request in phase.requests.iter().filter(is_load) {
            if is_beyond(request, phase, terms) {
                load.late += 1;
                continue;
            }
            load.count += 1;
            if request.is_lost() {
                load.lost.push(request);
            }
        }
        load
    }
}

/// What was lost behind the window.
pub(super) fn late(count: usize, terms: &Terms) -> String {
    let were = if count == 1 { "was" } else { "were" };
    format!(
        "{count} more {were} lost after the {} in which connections still arrive: clients have other endpoints by then",
        duration(terms.window_ms() * 1000)
    )
}

/// What the picture shows, for whoever cannot see it, and for whoever looks for the first time.
pub(super) fn story(phase: &Phase, terms: &Terms) -> String {
    let Some(told) = phase.told_us() else {
        return match phase.name {
            PhaseName::FullStdout => {
                let load = Load::of(phase, terms);
                let all = count(load.count, "request");
                format!(
                    "While nobody read what it prints, {} of {all} had no answer.",
                    load.lost.len()
                )
            }
            _ => match phase.exit.as_ref().filter(|_| phase.ended_by_itself()) {
                Some(exit) => format!(
                    "It ended by itself after {} with exit code {}: nobody had told it to.",
                    duration(exit.at_us),
                    exit.shown()
                ),
                None => "The process was not told to end.".to_owned(),
            },
        };
    };
    let since = |at: u64| duration(at.saturating_sub(told));
    let mut told_of: Vec<String> = Vec::new();
    if let (PhaseName::Start, Some(ready)) = (phase.name, phase.ready_us) {
        told_of.push(format!("Ready after {}.", duration(ready)));
    }
    let end = told + terms.window_ms() * 1000;
    let Load { lost, late: later, count: all } = Load::of(phase, terms);
    if phase.name == PhaseName::Load {
        let before = lost.iter().filter(|request| request.at_us < told).count();
        told_of.push(match before {
            0 => "Every request was answered.".to_owned(),
            _ => format!(
                "{before} of {} had no answer, all of them begun before SIGTERM.",
                count(all, "request")
            ),
        });
    }
    if phase.name == PhaseName::Drain {
        let window = duration(terms.window_ms() * 1000);
        // What hung before SIGTERM is closed when the process ends.
        let hung = phase.unanswered().map_or(0, |before| before.hung.len());
        told_of.push(match lost.first() {
            None => format!(
                "No request was lost. Shaded: the {window} after SIGTERM in which new connections still arrive."
            ),
            Some(_) if hung > 0 => format!(
                "{} lost: {hung} of them waited in vain before SIGTERM, and nobody who asked later was answered.",
                count(lost.len(), "request")
            ),
            Some(first) if first.end_us < told => {
                let before = lost.iter().filter(|it| it.end_us < told).count();
                format!(
                    "{} lost, {before} of them before SIGTERM. Shaded: the {window} in which new connections still arrive.",
                    count(lost.len(), "request")
                )
            }
            Some(first) => format!(
                "{} lost after SIGTERM, the first {} after it. Shaded: the {window} in which new connections still arrive.",
                count(lost.len(), "request"),
                since(first.end_us)
            ),
        });
        let after =
            |it: &&Request| it.end_us > told && (hung == 0 || it.outcome == Outcome::Refused);
        let lost: Vec<&Request> = lost.into_iter().filter(after).collect();
        told_of.extend(why(phase, &lost, told, end));
        if later > 0 {
            told_of.push(format!("{}.", late(later, terms)));
        }
    }
    told_of.push(match &phase.exit {
        Some(exit) if exit.killed => {
            format!("It was killed {} after SIGTERM.", since(exit.at_us))
        }
        Some(exit) => {
            format!("It ended {} after SIGTERM with exit code {}.", since(exit.at_us), exit.shown())
        }
        None => "Its end was not seen.".to_owned(),
    });
    told_of.join(" ")
}

/// Why they were lost, as far as the picture shows it.
fn why(phase: &Phase, lost: &[&Request], told: u64, end: u64) -> Vec<String> {
    let since = |at: u64| duration(at.saturating_sub(told));
    let mut reasons = Vec::new();
    let refused = lost.iter().any(|it| it.outcome == Outcome::Refused);
    let closed = phase.listeners.iter().filter_map(|listener| listener.closed_us).max();
    let stops = closed.into_iter().chain(phase.exit.as_ref().map(|exit| exit.at_us)).min();
    if let Some(stops) = stops.filter(|stops| refused && *stops > told && *stops < end) {
        reasons.push(format!(
            "It stopped listening {} after SIGTERM, and new connections went on arriving for {}: they were refused.",
            since(stops),
            duration(end - stops)
        ));
    }
    let in_flight = lost.iter().filter(|it| it.purpose == Purpose::Slow).count();
    if in_flight > 0 {
        reasons.push(format!(
            "It did not wait for {} that it was working on.",
            count(in_flight, "request")
        ));
    }
    let busy = lost.iter().filter(|it| it.purpose == Purpose::Busy).count();
    if busy > 0 {
        reasons.push(format!(
            "It closed connections under {}, without having said so before.",
            count(busy, "request")
        ));
    }
    reasons
}
