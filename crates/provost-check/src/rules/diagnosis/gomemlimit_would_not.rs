//! A kill that no memory limit of Go's prevents.

use crate::case::memory::MemoryCase;
use crate::facts::Origin;
use crate::facts::oom::Setting;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::memlimit::{self, MemLimit};
use crate::model::oom::{Help, only_grows};
use crate::model::{Bytes, trend::Trend};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// What is alive, or is no heap, is not collected.
pub static RULE: Rule = Rule {
    id: "gomemlimit-would-not",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "a kill for memory that GOMEMLIMIT would not have prevented",
    page: include_str!("gomemlimit-would-not.md"),
    check: Check::Memory(check),
    ..Rule::BASE
};

/// Where something was killed for memory; nothing where nothing was.
pub(super) fn place(case: &MemoryCase<'_>) -> Option<Origin> {
    let counted = case.group.filter(|group| group.kills() > Some(0));
    let status = case.status.and_then(|(_, status)| {
        let end = status.ends.iter().find(|end| end.reason() == "OOMKilled")?;
        Some(end.reason.as_ref()?.origin.clone())
    });
    case.kill()
        .map(|kill| MemoryCase::at(&kill))
        .or_else(|| counted.map(|group| Origin::whole(group.source)))
        .or(status)
}

/// What the end of a log says of the live heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// It stood, or went up and down.
    No,
    /// It grew until the end, so that a limit would have put the kill off.
    Yes,
    /// The last collections freed next to nothing: a program that fills its memory at its start looks the same
    /// as one that never stops.
    Unclear,
}

/// Cycles without which no trend is told.
const LEAST_CYCLES: usize = 10;

pub(super) fn growth(case: &MemoryCase<'_>) -> Growth {
    let Ok(collections) = case.collections() else { return Growth::Unclear };
    let windows = &collections.windows;
    let second = windows.get(windows.len() / 2..).unwrap_or_default();
    let series: Vec<(f64, f64)> =
        second.iter().map(|window| (window.to.at_ms as f64 / 1000.0, window.mean_live())).collect();
    let quarter = (second.len() / 2).max(1);
    let early = second.iter().take(quarter).map(|window| window.live.most).max();
    let late = second.iter().rev().take(quarter).map(|window| window.live.least).min();
    let rises = Trend::of(&series).is_some_and(|trend| trend.rises());
    if windows.len() >= LEAST_CYCLES && rises && late > early {
        return Growth::Yes;
    }
    let points: Vec<(u64, u64)> = windows.iter().map(|w| (w.end.last, w.live.last)).collect();
    match only_grows(points.get(points.len().saturating_sub(3)..).unwrap_or_default()) {
        true => Growth::Unclear,
        false => Growth::No,
    }
}

/// A GOMEMLIMIT that was set, below the limit; not known where nothing that was given holds its value.
pub(super) fn in_force(case: &MemoryCase<'_>) -> Result<Option<(Origin, Bytes)>, Abstain> {
    let Some(setting) = case.status.and_then(|(_, status)| status.gomemlimit.as_ref()) else {
        return Ok(None);
    };
    let written = match &setting.value {
        Setting::Written(written) => written,
        Setting::Elsewhere => {
            let needs = "GOMEMLIMIT, which comes from elsewhere (valueFrom, or another variable)";
            return Err(Abstain::unknown(Reason::ObjectNotInInput, needs));
        }
        Setting::Perhaps => {
            let needs = "whether GOMEMLIMIT is among the variables of envFrom";
            return Err(Abstain::unknown(Reason::ObjectNotInInput, needs));
        }
    };
    let Ok(MemLimit::Set(value)) = memlimit::parse(written, None) else { return Ok(None) };
    let limit = case.limit().filter(|limit| value.0 <= limit / 100 * 95);
    Ok(limit.map(|_| (setting.origin.clone(), value)))
}

fn check(case: &MemoryCase<'_>, out: &mut Findings) -> Judged {
    let Some(place) = place(case) else { return Err(Abstain::NotApplicable) };
    if let Some((origin, value)) = in_force(case)? {
        out.push(
            Finding::new(
                &RULE,
                format!("GOMEMLIMIT was {value}, and the container was killed all the same"),
                &place,
                "it was killed here",
            )
            .also(&origin, "set")
            .note("it is a soft limit: what is alive, and what is not Go's, goes beyond it")
            .fix(mend()),
        );
        return Ok(());
    }
    let held = case.held()?;
    let growth = growth(case);
    let (message, note) = match held.help() {
        Help::Cannot { garbage } => (
            format!(
                "of {} a collection would have freed {} at most",
                Bytes(held.limit),
                Bytes(garbage)
            ),
            format!(
                "{} live + {} beside the heap, at least + {} that the kernel does not take back",
                Bytes(held.live),
                Bytes(held.outside()),
                Bytes(held.fixed)
            ),
        ),
        _ if growth == Growth::Yes => (
            format!(
                "the live heap grew with each collection, to {} at the last one: GOMEMLIMIT would have put the kill off, at the price of collections that free nothing",
                Bytes(held.live)
            ),
            "what can still be reached is never collected".to_owned(),
        ),
        _ if growth == Growth::Unclear => return Err(unclear()),
        Help::Saves { .. } => return Ok(()),
        Help::Unclear { needs } => {
            let needs = format!(
                "what was live: some {} of {} would have been needed, which is too near to tell",
                Bytes(needs),
                Bytes(held.limit)
            );
            return Err(Abstain::unknown(Reason::LogTooShort, needs));
        }
    };
    out.push(Finding::new(&RULE, message, &place, "it was killed here").note(note).fix(mend()));
    Ok(())
}

/// Neither of the two rules knows.
pub(super) fn unclear() -> Abstain {
    let needs = "whether the heap goes on growing: the last collections before the kill freed next to nothing";
    Abstain::unknown(Reason::LogTooShort, needs)
}

fn mend() -> Fix {
    Fix::suggest(
        "find what is kept: go tool pprof -diff_base of two heap profiles; what is beside the heap non-heap-memory and page-cache-not-heap tell",
    )
}
