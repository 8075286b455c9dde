//! A crowd of goroutines that has waited for one lock for minutes, or to send.

use std::collections::BTreeMap;

use goformats::crash::{Frame, Group, OwnedFrame};

use super::goroutine_leak::{listed, stayed};
use crate::case::crash::{DumpCase, many, shown};
use crate::facts::crash::Dump;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group as RuleGroup, Judged, Need, Rule};

/// Goroutines that wait for a lock, and minutes: it is handed on in the order in which they came (`starvationThresholdNs`,
/// sync/mutex.go), so that for so long nobody gave it back, or each of many keeps it for long.
const LEAST: u64 = 10;
const LONG: u64 = 1;
/// Goroutines that wait to send, and minutes: a few may do so as long as nobody asks them.
const LEAST_SENDERS: u64 = 100;
const LONG_TO_SEND: u64 = 5;
/// Goroutines of which a minute later is worth asking.
const CROWD: u64 = 100;
/// Dumps in all of which they wait.
const LEAST_DUMPS: usize = 3;
/// Crowds of a dump that are told.
const MOST_TOLD: usize = 4;

/// Whoever needs that lock stands still.
pub static RULE: Rule = Rule {
    id: "stuck-goroutines",
    group: RuleGroup::Diagnosis,
    level: Level::Warn,
    title: "goroutines that have all waited for one lock, or to send, for minutes",
    page: include_str!("stuck-goroutines.md"),
    needs: &[Need::Log],
    check: Check::Dump(check),
    ..Rule::BASE
};

/// Goroutines that wait for one lock.
struct Crowd<'d> {
    groups: Vec<&'d Group>,
    /// Its address, where the stacks print it.
    lock: Option<&'d str>,
    count: u64,
    long: u64,
    longest: u64,
}

fn check(case: &DumpCase<'_>, out: &mut Findings) -> Judged {
    let dump = case.dump;
    // The runtime has said it of all of them.
    if dump.fatal().is_some() || dump.profile.is_some() {
        return Err(Abstain::NotApplicable);
    }
    // Of several dumps of one process the last one tells.
    let all = if dump.is_end() { Vec::new() } else { listed(case) };
    if all.last().is_some_and(|(_, last)| !std::ptr::eq(*last, dump)) {
        return Err(Abstain::NotApplicable);
    }
    let earlier: Vec<&Dump> = all.iter().rev().skip(1).map(|(_, dump)| *dump).collect();
    let mut unknown = None;
    for crowd in crowds(dump).into_iter().take(MOST_TOLD) {
        let since = throughout(&crowd, &earlier);
        if crowd.long < LEAST && since.is_none() {
            if crowd.count >= CROWD && unknown.is_none() {
                unknown = Some(format!(
                    "a dump a minute later: {} wait for {}, and none for {LONG} min yet, or no collection has seen it wait",
                    many(crowd.count),
                    crowd.named()
                ));
            }
            continue;
        }
        out.push(told(case, &crowd, since));
    }
    let senders =
        dump.groups.by_count().into_iter().filter(|group| {
            group.state == "chan send" && group.waited(LONG_TO_SEND) >= LEAST_SENDERS
        });
    for group in senders.take(MOST_TOLD) {
        let label = dump.place_of(group).map_or(String::new(), |place| shown(&place));
        let told = format!(
            "{} wait to send, {} of them for {LONG_TO_SEND} min or longer",
            many(group.count),
            group.waited(LONG_TO_SEND)
        );
        // The same that waited before, and no other: had anybody received, some of them would be gone.
        let stuck = earlier.last().is_some_and(|first| stayed(first, group));
        let finding = if stuck {
            Finding::new(&RULE, format!("{told}: nobody receives"), &case.at(group.line), label)
        } else {
            Finding::new(&RULE, format!("{told}: nobody receives, or seldom"), &case.at(group.line), label)
                .level(Level::Note)
                .note("a channel as a semaphore looks alike, where each keeps its place for long; a dump some minutes later tells")
        };
        out.push(finding.fix(Fix::suggest(
            "see what has become of who receives, and let senders give up: select with ctx.Done() beside the send",
        )));
    }
    match unknown {
        Some(needs) => Err(Abstain::unknown(Reason::LogTooShort, needs)),
        None => Ok(()),
    }
}

/// Those that wait for locks, by the lock as far as stacks print it, the largest first.
fn crowds(dump: &Dump) -> Vec<Crowd<'_>> {
    let mut by_lock: BTreeMap<&str, Vec<&Group>> = BTreeMap::new();
    let mut all = Vec::new();
    for group in dump.groups.groups.iter().filter(|group| waits_at(group).is_some()) {
        match group.locks.iter().next() {
            Some((lock, count)) if group.locks.len() == 1 && *count == group.count => {
                by_lock.entry(lock).or_default().push(group);
            }
            _ => all.push((None, vec![group])),
        }
    }
    all.extend(by_lock.into_iter().map(|(lock, groups)| (Some(lock), groups)));
    let mut crowds: Vec<Crowd<'_>> = all
        .into_iter()
        .map(|(lock, mut groups)| {
            groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.line));
            let sum = |of: &dyn Fn(&Group) -> u64| {
                groups.iter().map(|group| of(group)).fold(0, u64::saturating_add)
            };
            let (count, long) = (sum(&|group| group.count), sum(&|group| group.waited(LONG)));
            let longest = groups.iter().map(|group| group.longest).max().unwrap_or_default();
            Crowd { groups, lock, count, long, longest }
        })
        .filter(|crowd| crowd.count >= LEAST)
        .collect();
    crowds.sort_by_key(|crowd| std::cmp::Reverse(crowd.count));
    crowds
}

impl Crowd<'_> {
    fn named(&self) -> String {
        match (self.lock, self.groups.as_slice()) {
            (Some(lock), _) => format!("the lock at {lock}"),
            (None, [group, ..]) if group.locks.len() > 1 => {
                format!("{} locks of one kind", group.locks.len())
            }
            _ => "a lock".to_owned(),
        }
    }
}

/// The frame that asks for the lock, of a goroutine that waits for one: behind those of package sync.
fn waits_at(group: &Group) -> Option<usize> {
    let of_sync = |frame: &OwnedFrame| {
        let func = frame.func.strip_prefix("internal/").unwrap_or(&frame.func);
        func.starts_with("sync.(*Mutex).") || func.starts_with("sync.(*RWMutex).")
    };
    // In a state of its own from Go 1.20 on, and before that as all of package sync.
    let is_lock = group.state.starts_with("sync.Mutex.")
        || group.state.starts_with("sync.RWMutex.")
        || group.state == "semacquire";
    let first = group.frames.iter().position(of_sync).filter(|_| is_lock)?;
    let more = group.frames.get(first..)?.iter().take_while(|frame| of_sync(frame)).count();
    Some(first + more)
}

/// In how many dumps the same goroutines wait: all that the earliest of them has are there still in each, and more have
/// come.
fn throughout(crowd: &Crowd<'_>, earlier: &[&Dump]) -> Option<(usize, u64)> {
    let [group, ..] = crowd.groups.as_slice() else { return None };
    let mut counts = Vec::new();
    for dump in earlier {
        let Some(before) = dump.groups.like(group).filter(|_| stayed(dump, group)) else { break };
        counts.push(before.count);
    }
    let grows = counts.first().is_some_and(|last| group.count > *last)
        && counts.is_sorted_by(|later, before| later > before);
    (counts.len() + 1 >= LEAST_DUMPS && grows).then_some(())?;
    Some((counts.len() + 1, counts.last().copied()?))
}

fn told(case: &DumpCase<'_>, crowd: &Crowd<'_>, since: Option<(usize, u64)>) -> Finding {
    let dump = case.dump;
    let lock = crowd.named();
    let message = match since {
        _ if crowd.long >= LEAST => format!(
            "{} wait for {lock}, {} of them for {LONG} min or longer, the longest for {} min",
            many(crowd.count),
            crowd.long,
            crowd.longest
        ),
        Some((dumps, first)) => format!(
            "{} wait for {lock}: in all {dumps} dumps the same {first}, and {} more have come since",
            many(crowd.count),
            crowd.count.saturating_sub(first)
        ),
        None => format!("{} wait for {lock}", many(crowd.count)),
    };
    let label = |group: &Group| {
        let place = dump.place_of(group).map_or(String::new(), |at| format!(": {}", shown(&at)));
        format!("{}{place}", many(group.count))
    };
    let Some((first, others)) = crowd.groups.split_first() else {
        return Finding::new(&RULE, message, &case.at(dump.line), "");
    };
    let mut finding = Finding::new(&RULE, message, &case.at(first.line), label(first));
    for group in others.iter().take(MOST_TOLD) {
        finding = finding.also(&case.at(group.line), label(group));
    }
    let holders = holders(dump, crowd);
    match holders.as_slice() {
        [] => finding
            .note("no other goroutine is behind that Lock in the same function: whoever took it has returned without Unlock, or took it elsewhere")
            .fix(Fix::suggest("see every path behind the Lock: defer the Unlock, also where it panics and is recovered")),
        [(group, frame)] if group.count == 1 => {
            let id = group.ids.first().copied().unwrap_or_default();
            finding
                .also(
                    &case.at(group.line),
                    format!("goroutine {id}, in {}, is behind that Lock: {}", state(group), shown(frame)),
                )
                .note("it is likely who holds the lock: stacks do not say it")
                .fix(Fix::suggest(
                    "let it do outside of the lock what it waits for, or give that a deadline: whoever needs the lock waits as long",
                ))
        }
        several => {
            for (group, frame) in several.iter().take(MOST_TOLD) {
                finding = finding.also(
                    &case.at(group.line),
                    format!("{} in {}, behind such a Lock: {}", many(group.count), state(group), shown(frame)),
                );
            }
            finding
                .note("one of those is likely who holds the lock: stacks do not say which")
                .fix(Fix::suggest("do outside of the lock what takes long, or give it a deadline"))
        }
    }
}

fn state(group: &Group) -> String {
    match group.longest {
        0 => group.state.clone(),
        minutes => format!("{} for {minutes} min", group.state),
    }
}

/// Goroutines that are in a function of those that wait, on a later line: they have come past its Lock.
fn holders<'d>(dump: &'d Dump, crowd: &Crowd<'d>) -> Vec<(&'d Group, Frame<'d>)> {
    let asks: Vec<&OwnedFrame> = crowd
        .groups
        .iter()
        .filter_map(|group| group.frames.get(waits_at(group)?))
        .filter(|frame| frame.line > 0)
        .collect();
    let is_in_crowd = |group: &Group| crowd.groups.iter().any(|of| std::ptr::eq(*of, group));
    let mut found = Vec::new();
    for group in dump.groups.groups.iter().filter(|group| !is_in_crowd(group)) {
        let own = waits_at(group);
        let past = group.frames.iter().enumerate().find(|(at, frame)| {
            // One that waits there itself has it not.
            Some(*at) != own
                && asks.iter().any(|ask| {
                    ask.func == frame.func && ask.file == frame.file && frame.line > ask.line
                })
        });
        if let Some((_, frame)) = past {
            found.push((group, frame.frame()));
        }
    }
    found
}
