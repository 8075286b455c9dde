//! What a log says of crashes and goroutines, and counters of a process, in a few lines, the verdict first.

use goformats::counters::Counter;
use provost_check::case::counters::{CountersCase, mib};
use provost_check::case::crash::{ended, many, origin_of, shown};
use provost_check::case::log::percent;
use provost_check::facts::crash::{Dump, Recovered};
use provost_check::facts::runtime_log::RuntimeLog;
use provost_check::model::quantity::counted;
use provost_check::model::secret::masked;
use provost_check::report::plain::clean;

/// Dumps of a log that are told.
const MOST_DUMPS: usize = 8;
/// Groups of a dump that are told.
const MOST_GROUPS: usize = 8;
/// Calls of a stack.
const MOST_FRAMES: usize = 12;

/// All of it.
pub(super) fn crashes(log: &RuntimeLog) -> String {
    let mut text: String = log.dumps.iter().take(MOST_DUMPS).map(dump).collect();
    let more =
        (log.dumps.len() as u64).saturating_sub(MOST_DUMPS as u64).saturating_add(log.more_dumps);
    if more > 0 {
        text.push_str(&format!("  and {more} further dumps\n"));
    }
    text.extend(log.recovered.iter().take(MOST_DUMPS).map(recovered));
    text
}

fn line(text: &str) -> String {
    format!("  {}\n", clean(&masked(text)))
}

fn dump(dump: &Dump) -> String {
    let groups = &dump.groups;
    let mut text = match ended(dump) {
        Some(cause) => line(&format!("line {}: {cause}", dump.line)),
        None => {
            let kind = match dump.profile.as_deref() {
                Some(name) => format!("{name} profile"),
                None => "dump of goroutines".to_owned(),
            };
            line(&format!(
                "line {}: {kind}, {} in {} stacks",
                dump.line,
                many(groups.total),
                groups.groups.len()
            ))
        }
    };
    if dump.is_end() {
        text.push_str(&culprit(dump));
    }
    if groups.total > 1 {
        let states: Vec<String> = groups
            .states
            .iter()
            .filter(|(state, _)| !state.is_empty())
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        if !states.is_empty() {
            text.push_str(&line(&format!("  {}: {}", many(groups.total), states.join(", "))));
        }
        for group in groups.by_count().into_iter().take(MOST_GROUPS) {
            let place = dump.place_of(group).or_else(|| group.frames.first().map(|f| f.frame()));
            let place = place.map_or(String::new(), |place| format!(" in {}", shown(&place)));
            let mut said = format!("  {} {}{place}", group.count, group.state);
            if group.longest > 0 {
                said.push_str(&format!(", for up to {} min", group.longest));
            }
            if group.leaked > 0 {
                said.push_str(&format!(", {} of them leaked", group.leaked));
            }
            text.push_str(&line(&said));
        }
        let more = groups.groups.len().saturating_sub(MOST_GROUPS);
        if more > 0 {
            text.push_str(&line(&format!(
                "  and {more} further stacks; --format json has them all"
            )));
        }
    }
    text
}

fn culprit(dump: &Dump) -> String {
    let Some(first) = &dump.first else { return String::new() };
    let mut text = match dump.place() {
        Some(place) => line(&format!("  at {}", shown(&place))),
        None => line("  in no code of the program's own"),
    };
    text.push_str(&line(&format!("  {}; its calls:", origin_of(first))));
    for frame in first.frames.iter().take(MOST_FRAMES) {
        text.push_str(&line(&format!("    {}", shown(&frame.frame()))));
    }
    let more = (first.frames.len().saturating_sub(MOST_FRAMES) as u64).saturating_add(first.elided);
    if more > 0 {
        text.push_str(&line(&format!("    and {more} more")));
    }
    text
}

fn recovered(of: &Recovered) -> String {
    let place = of.place().map_or(String::new(), |place| format!(" at {}", shown(&place)));
    let value = of
        .value
        .as_deref()
        .map_or(String::new(), |value| format!(": {}", provost_check::case::crash::value(value)));
    line(&format!(
        "line {}: a panic that was recovered, {}{value}{place}",
        of.stack.line,
        counted(of.count, "time")
    ))
}

/// What a process counted, by its newest snapshot.
pub(super) fn counters(case: &CountersCase<'_>) -> String {
    let Some(last) = case.last() else { return String::new() };
    let get = |counter| last.snapshot.get(counter);
    let count = case.counted.len();
    let mut text = format!(
        "{}: {} of {}\n",
        clean(&case.subject()),
        counted(count as u64, "snapshot"),
        last.snapshot.form.name(),
    );
    let mut said = Vec::new();
    if let Some(cycles) = get(Counter::Cycles) {
        said.push(format!("{cycles:.0} collections"));
    }
    if let Some(share) = case.gc_share() {
        said.push(format!("{} of the CPU", percent(share)));
    }
    for (name, counter) in [("live", Counter::Live), ("of objects", Counter::Heap)] {
        said.extend(get(counter).map(|bytes| format!("{} {name}", mib(bytes))));
    }
    said.extend(get(Counter::Goal).map(|bytes| format!("a goal of {}", mib(bytes))));
    if let Some(Some(limit)) = case.limit() {
        said.push(format!("GOMEMLIMIT {}", mib(limit)));
    }
    said.extend(get(Counter::Goroutines).map(|count| format!("{count:.0} goroutines")));
    text.push_str(&line(&said.join(", ")));
    text
}
