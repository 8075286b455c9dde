//! Goroutines that nobody will wake.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use goformats::crash::Group;

use crate::case::crash::{DumpCase, many, shown, started};
use crate::facts::crash::Dump;
use crate::facts::runtime_log::RuntimeLog;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group as RuleGroup, Judged, Need, Rule};

/// Minutes that they wait.
const LONG: u64 = 5;
/// What a group has to grow by.
const LEAST: u64 = 10;
/// Dumps of a kind that does not say how long goroutines wait.
const LEAST_PROFILES: usize = 3;
/// Stacks of a dump that are told, the largest; the others are counted.
const MOST_TOLD: usize = 16;
/// Dumps that one is compared with.
const MOST_DUMPS: usize = 256;

/// Each keeps its stack, and all that it refers to.
pub static RULE: Rule = Rule {
    id: "goroutine-leak",
    group: RuleGroup::Diagnosis,
    level: Level::Warn,
    title: "goroutines that wait for ever, and become more",
    page: include_str!("goroutine-leak.md"),
    needs: &[Need::Log],
    check: Check::Dump(check),
    ..Rule::BASE
};

fn check(case: &DumpCase<'_>, out: &mut Findings) -> Judged {
    let dump = case.dump;
    if dump.is_end() {
        return Err(Abstain::NotApplicable);
    }
    if found(case, out) {
        return Ok(());
    }
    let all = listed(case);
    // The last one is judged by those before it.
    let Some((last, before)) = all.split_last() else { return Err(Abstain::NotApplicable) };
    if !std::ptr::eq(last.1, dump) {
        return Err(Abstain::NotApplicable);
    }
    let Some((log, first)) = before.first() else {
        let waits = |group: &&Group| !is_idle(group) && group.waited(LONG) >= LEAST;
        return match dump.groups.groups.iter().find(waits) {
            Some(group) => Err(Abstain::unknown(
                Reason::LogTooShort,
                format!(
                    "a second dump some minutes later: {} wait in {} for {LONG} min or longer, which a pool of workers does as well",
                    many(group.waited(LONG)),
                    group.state
                ),
            )),
            None => Ok(()),
        };
    };
    let profile = dump.profile.is_some();
    if profile && all.len() < LEAST_PROFILES {
        return Err(Abstain::unknown(
            Reason::LogTooShort,
            "a third profile, or dumps with debug=2, which say how long goroutines wait",
        ));
    }
    let grown = |of: fn(&Group) -> bool| -> u64 {
        let groups = dump.groups.groups.iter().filter(|group| of(group));
        let more = groups.map(|group| group.count.saturating_sub(count(first, group)));
        more.fold(0, u64::saturating_add)
    };
    let connections = grown(is_idle);
    let (mut leaks, mut unknown) = (Vec::new(), false);
    let since = OnceCell::new();
    for group in dump.groups.groups.iter().filter(|group| !is_idle(group)) {
        let was = count(first, group);
        let more = group.count.saturating_sub(was);
        let long = group.waited(LONG);
        let longer = match profile {
            // All along, and not by chance.
            true => all.iter().map(|(_, dump)| count(dump, group)).is_sorted_by(|a, b| a < b),
            // Those that waited before wait on.
            false => long >= LEAST && long > waited(first, group),
        };
        if more >= LEAST && long == 0 && !profile && !unknown && stayed(first, group) {
            unknown = true;
            out.abstain(Abstain::unknown(
                Reason::LogTooShort,
                format!(
                    "a dump some minutes later: {} wait in {}, {more} more than in the first dump, of which all are still there, and none for {LONG} min yet",
                    many(group.count),
                    group.state
                ),
            ));
        }
        if more < LEAST || !longer {
            continue;
        }
        // A profile does not say what they wait in.
        let does = match group.state.as_str() {
            "" => "have one stack".to_owned(),
            state => format!("wait in {state}"),
        };
        let needs = if !profile && !since.get_or_init(|| Since::of(first, dump)).became(group) {
            Some(format!(
                "that the dumps are of one process: {} wait in {}, and what waited in the first dump is not seen to wait on in the second, or as many had waited before it (dumps of several pods are told apart one by one)",
                many(group.count),
                group.state
            ))
        } else if connections.saturating_mul(2) >= more {
            Some(format!(
                "dumps under a steady number of connections: {more} more {does}, and {connections} more wait for sockets"
            ))
        } else if first.groups.more > 0 && first.groups.like(group).is_none() {
            Some(format!(
                "a first dump of fewer stacks: {} of its goroutines are not told apart, and may be like those that {does}",
                first.groups.more
            ))
        } else {
            None
        };
        // Said once: it is the same of all.
        match needs {
            Some(needs) if !unknown => {
                unknown = true;
                out.abstain(Abstain::unknown(Reason::LogTooShort, needs));
            }
            Some(_) => {}
            None => leaks.push((more, group, was, long)),
        }
    }
    let counts = leaks.iter().map(|(more, group, ..)| (*more, group.line));
    let (least, rest) = told(counts.collect());
    for (more, group, was, long) in leaks {
        if (more, Reverse(group.line)) < least {
            continue;
        }
        let message = match profile {
            true => format!("{} have one stack, {more} more than at first", many(group.count)),
            false => format!(
                "{} wait in {}, {more} more than before, and {long} of them for {LONG} min or longer",
                many(group.count),
                group.state
            ),
        };
        let place =
            dump.place_of(group).map_or(String::new(), |place| format!(": {}", shown(&place)));
        let label = format!("{}{place}", many(group.count));
        let earlier = crate::facts::Origin::log(log.source, first.line, None);
        let label_of_first = format!("{} of {}", many(was), first.groups.total);
        let mut finding = Finding::new(&RULE, message, &case.at(group.line), label)
            .also(&earlier, label_of_first);
        if let Some(created) = &group.created {
            finding = finding.note(format!("each was {}", started(created)));
        }
        if (more, Reverse(group.line)) == least {
            finding = with_rest(finding, rest);
        }
        out.push(finding.fix(Fix::suggest(fix(&group.state))));
    }
    Ok(())
}

/// Those that the collector found out of reach (Go 1.26 on): nothing can wake them.
fn found(case: &DumpCase<'_>, out: &mut Findings) -> bool {
    let dump = case.dump;
    let profile = dump.profile.as_deref() == Some("goroutineleak");
    let leaked = |group: &Group| if profile { group.count } else { group.leaked };
    let all = || dump.groups.groups.iter().filter(|group| leaked(group) > 0);
    let (least, rest) = told(all().map(|group| (leaked(group), group.line)).collect());
    for group in all() {
        let own = (leaked(group), Reverse(group.line));
        if own < least {
            continue;
        }
        let state = match group.state.as_str() {
            "" => String::new(),
            state => format!(" in {state}"),
        };
        let place = dump.place_of(group).map_or(String::new(), |place| shown(&place));
        let verb = if leaked(group) == 1 { "waits" } else { "wait" };
        let mut finding = Finding::new(
            &RULE,
            format!(
                "{} {verb}{state} for what nothing that runs can reach any more",
                many(leaked(group))
            ),
            &case.at(group.line),
            place,
        );
        if let Some(created) = &group.created {
            finding = finding.note(format!("started by {}", created.func));
        }
        if own == least {
            finding = with_rest(finding, rest);
        }
        out.push(
            finding
                .note(
                    "the collector found it (goroutine leak profile, Go 1.26 on): this is certain",
                )
                .fix(Fix::suggest(fix(&group.state))),
        );
    }
    all().next().is_some()
}

/// The last one that is told, of counts and lines, and how many stacks and goroutines there are beyond it.
fn told(mut all: Vec<(u64, u64)>) -> ((u64, Reverse<u64>), (usize, u64)) {
    all.sort_unstable_by_key(|(count, line)| (Reverse(*count), *line));
    let rest = all.get(MOST_TOLD..).unwrap_or_default();
    let goroutines = rest.iter().map(|(count, _)| *count).fold(0, u64::saturating_add);
    let last = all.iter().take(MOST_TOLD).next_back();
    let least = last.map_or((0, Reverse(0)), |(count, line)| (*count, Reverse(*line)));
    (least, (rest.len(), goroutines))
}

fn with_rest(finding: Finding, (stacks, goroutines): (usize, u64)) -> Finding {
    match stacks {
        0 => finding,
        _ => finding.note(format!(
            "{goroutines} more goroutines do so in {stacks} further stacks, which are not told one by one"
        )),
    }
}

/// Dumps of processes that were asked and share a stack with this one, the oldest first.
pub(super) fn listed<'w>(case: &DumpCase<'w>) -> Vec<(&'w RuntimeLog, &'w Dump)> {
    let logs = case.joined.world.logs.iter();
    let all = logs.flat_map(|log| log.dumps.iter().map(move |dump| (log, dump)));
    let own = case.dump;
    let mut all: Vec<_> = all
        .filter(|(_, dump)| !dump.is_end() && dump.profile == own.profile)
        .filter(|(_, dump)| std::ptr::eq(*dump, own) || is_same_program(dump, own))
        // What a tool names by its pod is told apart.
        .filter(|(_, dump)| dump.stream == own.stream)
        .collect();
    // Goroutines are numbered as they are started.
    if own.profile.is_none() {
        all.sort_by_key(|(_, dump)| dump.groups.newest);
    }
    // The oldest and the newest tell most.
    if let Some(beyond) = all.len().checked_sub(MOST_DUMPS) {
        all.drain(MOST_DUMPS / 2..MOST_DUMPS / 2 + beyond);
    }
    all
}

/// Whether all that were like a group in an earlier dump wait there still, and they are not few.
pub(super) fn stayed(first: &Dump, group: &Group) -> bool {
    let Some(before) = first.groups.like(group) else { return false };
    let still: HashSet<u64> = group.ids.iter().copied().collect();
    before.count >= LEAST
        && before.ids.len() as u64 == before.count
        && before.ids.iter().all(|id| still.contains(id))
}

/// Goroutines that waited on through both dumps, where others woke.
const AGREE: usize = 2;

/// What a later dump tells of the goroutines of the first, if it is one of the same process.
struct Since<'d> {
    first: &'d Dump,
    /// Of each goroutine of the first dump, how long it had waited.
    was: HashMap<u64, (&'d Group, u32)>,
    /// Minutes between the dumps, at most; nothing where no goroutine is seen to wait on, or they tell several times.
    passed: Option<u32>,
    /// Goroutines that came later than the process wait on in both.
    is_one: bool,
}

impl<'d> Since<'d> {
    fn of(first: &'d Dump, later: &Dump) -> Self {
        let mut was = HashMap::new();
        for group in &first.groups.groups {
            was.extend(members(group).map(|(id, minutes)| (id, (group, minutes))));
        }
        // What waits on, by its number and its stack, has waited for as much longer as passed. Where nothing is said of
        // how long it had, no collection had seen it wait, and its time began later.
        // Nobody waits longer than what passed. One that woke in between and waits again has less, and tells nothing;
        // several that have the most of all were not put there by numbers that two processes have in common.
        // What was started with the process has the same numbers and stacks in every pod of it: pods that came with one
        // rollout are told apart only by what came later.
        let oldest = was.values().map(|(_, minutes)| *minutes).max().unwrap_or_default();
        let mut own = 0;
        let mut longer: Vec<u32> = Vec::new();
        for group in later.groups.groups.iter().filter(|group| group.state != "running") {
            for (id, minutes) in members(group) {
                if let Some((before, waited)) = was.get(&id)
                    && *waited > 0
                    && before.is_like(group)
                    && let Some(more) = minutes.checked_sub(*waited)
                {
                    longer.push(more);
                    own += usize::from(waited.saturating_add(1) < oldest);
                }
            }
        }
        let most = longer.iter().copied().max();
        // Minutes are cut off.
        let agree = |most: u32| longer.iter().filter(|more| most - **more <= 1).count();
        let is_one = own >= AGREE || first.stream.is_some();
        let passed = most
            .filter(|most| agree(*most) >= AGREE || agree(*most) * 2 >= longer.len())
            .map(|most| most.saturating_add(1));
        Self { first, was, passed, is_one }
    }

    /// Whether a group can have become more since then: those that were not there have waited for no longer than what
    /// passed.
    fn became(&self, group: &Group) -> bool {
        let Some(passed) = self.passed.filter(|_| self.is_one || stayed(self.first, group)) else {
            return false;
        };
        let first = &self.first.groups;
        let is_whole = first.more == 0 && self.was.len() as u64 == first.total;
        // Each P takes sixteen numbers at once (`goidcache` in runtime/proc.go), so that one that was started later may
        // have a lower one.
        let is_new = |id: u64| match is_whole {
            true => !self.was.contains_key(&id),
            false => id > first.newest,
        };
        let mut started = members(group).filter(|(id, _)| is_new(*id));
        started.clone().count() as u64 >= LEAST && started.all(|(_, minutes)| minutes <= passed)
    }
}

/// The numbers of goroutines that are kept of a group, and how many minutes each has waited.
fn members(group: &Group) -> impl Iterator<Item = (u64, u32)> + Clone {
    group.ids.iter().copied().zip(group.minutes.iter().copied())
}

/// By a line of its own code that goroutines of both are in.
fn is_same_program(a: &Dump, b: &Dump) -> bool {
    let mut others = b.places.iter().peekable();
    a.places.iter().any(|place| {
        while others.next_if(|other| *other < place).is_some() {}
        others.peek() == Some(&place)
    })
}

fn count(dump: &Dump, group: &Group) -> u64 {
    dump.groups.like(group).map_or(0, |other| other.count)
}

fn waited(dump: &Dump, group: &Group) -> u64 {
    dump.groups.like(group).map_or(0, |other| other.waited(LONG))
}

/// Whether it waits for a socket or for time, which ends.
fn is_idle(group: &Group) -> bool {
    let wait =
        matches!(group.state.as_str(), "IO wait" | "sleep" | "running" | "runnable" | "syscall");
    let polls =
        |frame: &goformats::crash::OwnedFrame| &*frame.func == "internal/poll.runtime_pollWait";
    wait || group.frames.iter().any(polls)
}

fn fix(state: &str) -> &'static str {
    if state.starts_with("chan send") {
        "give the channel room for the answer (make(chan T, 1)), or select with ctx.Done() beside the send: whoever was to receive has gone"
    } else if state.starts_with("chan receive") {
        "close the channel when nothing more is sent, on every path; select with ctx.Done() beside the receive"
    } else if state.starts_with("sync.") || state == "semacquire" {
        "see who holds the lock: a path that returns without Unlock, or a call that never comes back"
    } else {
        "give each goroutine an end: a context that is cancelled, a channel that is closed, a deadline"
    }
}
