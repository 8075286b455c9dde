//! What a process did, as a table that fits a terminal.

pub mod curve;
pub mod picture;
mod story;

use crate::case::process::duration;
use story::Load;

use crate::facts::proof::{self, Phase, PhaseName, Proof, Terms, Used};
use crate::model::quantity::{Bytes, Millicores};
use crate::report::plain::clean;

/// What a process was not given, of which each is told.
const MOST_UNLIKE: usize = 5;

/// Columns: phase, ready, requests of the load, how many of them were lost, the time from SIGTERM to
/// the end, the exit code.
pub fn render(proof: &Proof) -> String {
    let terms = &proof.terms;
    let head = ["phase", "ready", "requests", "lost", "after SIGTERM", "exit"].map(str::to_owned);
    let rows = proof.phases.iter().map(|phase| row(phase, terms));
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = never_came_up(proof);
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    for phase in &proof.phases {
        let late = phase.runs().map(|run| Load::of(run, terms).late).sum();
        if late > 0 {
            text.push_str(&format!("{}: {}\n", phase.name.name(), story::late(late, terms)));
        }
    }
    for line in proof.phases.iter().filter_map(|phase| phase.load.as_ref()).map(latency) {
        text.push_str(&line);
    }
    text.push_str(&limits(&proof.phases));
    for line in proof.phases.iter().filter_map(curve::line) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// A process that ended before it was ready, in its own words, and what it was not given: nothing else matters then.
fn never_came_up(proof: &Proof) -> String {
    let start = proof.phases.iter().find(|phase| phase.name == PhaseName::Start);
    let start = start.filter(|phase| phase.ended_by_itself() && phase.ready_us.is_none());
    // What ends well has done its work.
    let start = start.filter(|it| it.exit.as_ref().is_some_and(|exit| exit.code != Some(0)));
    let Some((phase, exit)) = start.and_then(|phase| Some((phase, phase.exit.as_ref()?))) else {
        return String::new();
    };
    let said = match phase.output.last_since(0) {
        Some(line) => format!("printed last: {}", clean(&line.shown())),
        None => "printed nothing".to_owned(),
    };
    let mut text = format!(
        "it never came up: it ended by itself after {} with exit code {}, and {said}\n",
        duration(exit.at_us),
        exit.shown()
    );
    for unlike in proof.terms.unlike.iter().take(MOST_UNLIKE) {
        let way = match unlike.paths.is_empty() {
            true => "--env gives the variable its value",
            false => "--secret NAME=DIR gives the files of a Secret",
        };
        text.push_str(&format!("it ran without {}: {way}\n", clean(&unlike.what)));
    }
    text
}

/// How long answers took, from the moment at which each request was due.
fn latency(load: &proof::Load) -> String {
    let lost = match load.lost {
        0 => String::new(),
        lost => format!(", {lost} lost"),
    };
    if load.answered == 0 {
        return format!("load: {} a second, no answer{lost}\n", load.rate);
    }
    let ms = |us: u64| format!("{:.1} ms", us as f64 / 1000.0);
    format!(
        "load: {} a second, {} answers: p50 {}, p99 {}, longest {}{lost}\n",
        load.rate,
        load.answered,
        ms(load.p50_us),
        ms(load.p99_us),
        ms(load.max_us)
    )
}

/// What was used of the limits of the container, and in which run the most.
fn limits(phases: &[Phase]) -> String {
    let used = || phases.iter().filter_map(|phase| Some((phase.name.name(), phase.used.as_ref()?)));
    let mut text = String::new();
    let peaks =
        used().filter_map(|(name, used)| Some((used.memory_peak?, used.memory_limit?, name)));
    if let Some((peak, limit, name)) = peaks.max() {
        text.push_str(&format!("memory: {} of {} at most, in {name}\n", Bytes(peak), Bytes(limit)));
    }
    let limited = used().filter_map(|(name, used)| Some((used, used.cpu_limit_m?, name)));
    let limited = limited.filter(|(used, ..)| used.periods > 0);
    let share = |used: &Used| used.throttled * 1000 / used.periods.max(1);
    if let Some((used, limit, name)) = limited.max_by_key(|(used, ..)| share(used)) {
        text.push_str(&format!(
            "CPU: {} used up in {} of {} periods at most, in {name}\n",
            Millicores(limit),
            used.throttled,
            used.periods
        ));
    }
    text
}

fn row(phase: &Phase, terms: &Terms) -> [String; 6] {
    let (mut count, mut lost) = (0, 0);
    for load in phase.runs().map(|run| Load::of(run, terms)) {
        count += load.count;
        lost += load.lost.len();
    }
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let number = |n: usize| if count == 0 { "-".to_owned() } else { n.to_string() };
    let exit = phase.exit.as_ref();
    // A run that is only looked at is not told to end.
    let killed = || match phase.told_us() {
        Some(_) => "killed".to_owned(),
        None => "-".to_owned(),
    };
    let took = exit.zip(phase.told_us()).map(|(exit, told)| exit.at_us.saturating_sub(told));
    [
        phase.name.name().to_owned(),
        or_dash(phase.ready_us.map(duration)),
        number(count),
        number(lost),
        or_dash(took.map(duration)),
        or_dash(exit.map(|exit| if exit.killed { killed() } else { exit.shown() })),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_never_came_up_is_told_first_with_what_it_said_and_lacked() {
        // It was a note about its log, and the reason stood behind --verbose.
        let text = r#"{"version": 1, "program": {"path": "p", "sha256": "aa"},
            "terms": {"unlike": [{"what": "the real KEY", "says": "secret"}]},
            "phases": [{"name": "start",
                "output": {"lines": [{"at_us": 1, "stderr": true, "text": "bad duration DRAIN"}]},
                "exit": {"at_us": 112000, "code": 2}}]}"#;
        let mut proof: Proof = serde_json::from_str(text).unwrap();
        let told = render(&proof);
        let expected = "it never came up: it ended by itself after 112 ms with exit code 2, and printed last: bad duration DRAIN\nit ran without the real KEY: --env gives the variable its value\nphase ";
        assert!(told.starts_with(expected), "{told}");
        proof.phases[0].exit.as_mut().unwrap().code = Some(0);
        assert!(render(&proof).starts_with("phase "), "{}", render(&proof));
    }

    #[test]
    fn what_was_used_of_limits_is_told_of_the_run_that_used_most() {
        let phase = |name: &str, peak: u64, throttled: u64| {
            format!(
                r#"{{"name": "{name}", "used": {{"memory_limit": 100663296, "cpu_limit_m": 200,
                "memory_peak": {peak}, "periods": 40, "throttled": {throttled}}}}}"#
            )
        };
        let text = format!(
            r#"{{"version": 1, "program": {{"path": "p", "sha256": "aa"}}, "terms": {{}}, "phases": [{}, {}]}}"#,
            phase("start", 8 << 20, 1),
            phase("throttled", 4 << 20, 30)
        );
        let proof: Proof = serde_json::from_str(&text).unwrap();
        let text = render(&proof);
        assert!(text.contains("memory: 8 MiB of 96 MiB at most, in start\n"), "{text}");
        let cpu = "CPU: 200m used up in 30 of 40 periods at most, in throttled\n";
        assert!(text.contains(cpu), "{text}");
    }

    /// A drain that was told to end after a second, and the window of which is over after six.
    fn drained(requests: &[&str]) -> Proof {
        let text = format!(
            r#"{{"version": 1, "program": {{"path": "p", "sha256": "aa"}}, "terms": {{}}, "phases": [{{"name": "drain",
            "ready_us": 40000, "signals": [{{"at_us": 1000000, "signal": "TERM"}}], "exit": {{"at_us": 7200000, "code": 0}},
            "requests": [{}]}}]}}"#,
            requests.join(", ")
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn table_and_picture_count_the_same_and_what_was_lost_after_the_window_is_no_loss() {
        let answered = r#"{"purpose": "busy", "path": "/", "at_us": 1500000, "end_us": 1501000, "outcome": {"is": "answered", "status": 200}}"#;
        let busy = r#"{"purpose": "busy", "path": "/", "at_us": 6100000, "end_us": 6101000, "outcome": {"is": "closed"}}"#;
        let in_time = r#"{"purpose": "busy", "path": "/", "at_us": 2000000, "end_us": 2001000, "outcome": {"is": "reset"}}"#;
        let idle = r#"{"purpose": "idle", "path": "/", "at_us": 900000, "sent_us": 2000000, "end_us": 2001000, "outcome": {"is": "reset"}}"#;
        let clean = drained(&[answered, busy, busy]);
        assert_eq!(
            render(&clean),
            "phase  ready  requests  lost  after SIGTERM  exit\n\
             drain  40 ms  1         0     6.2 s          0\n\
             drain: 2 more were lost after the 5.0 s in which connections still arrive: clients have other endpoints by then\n"
        );
        let drawn = picture::picture(&clean.phases[0], &clean.terms).unwrap();
        assert!(drawn.story.starts_with("No request was lost. "), "{}", drawn.story);
        assert!(drawn.story.contains(" 2 more were lost after the 5.0 s "), "{}", drawn.story);
        assert!(drawn.svg.contains("<title>busy connections: 1</title>"), "{}", drawn.svg);
        let lost = drained(&[answered, in_time, busy, idle]);
        assert!(
            render(&lost).contains("drain  40 ms  3         2     6.2 s "),
            "{}",
            render(&lost)
        );
        let drawn = picture::picture(&lost.phases[0], &lost.terms).unwrap();
        assert!(drawn.story.starts_with("2 requests lost after SIGTERM"), "{}", drawn.story);
        let lane = "<title>busy connections: 1 of 2 lost or failed</title>";
        assert!(drawn.svg.contains(lane), "{}", drawn.svg);
    }

    #[test]
    fn what_has_no_answer_while_nobody_reads_is_counted_as_such() {
        let request = |outcome: &str| {
            format!(
                r#"{{"purpose": "unread", "path": "/", "at_us": 900000, "end_us": 2900000, "outcome": {outcome}}}"#
            )
        };
        let answered = request(r#"{"is": "answered", "status": 200}"#);
        let requests = [answered.as_str(), &request(r#"{"is": "timed-out"}"#)].join(", ");
        let text = format!(
            r#"{{"version": 1, "program": {{"path": "p", "sha256": "aa"}}, "terms": {{}}, "phases": [{{"name": "full-stdout", "requests": [{requests}]}}]}}"#
        );
        let proof: Proof = serde_json::from_str(&text).unwrap();
        assert!(render(&proof).contains("full-stdout  -      2         1 "), "{}", render(&proof));
        let drawn = picture::picture(&proof.phases[0], &proof.terms).unwrap();
        let story = "While nobody read what it prints, 1 of 2 requests had no answer.";
        assert_eq!(drawn.story, story);
        assert!(drawn.svg.contains("output unread: 1 of 2 lost or failed"), "{}", drawn.svg);
    }

    #[test]
    fn an_idle_connection_that_is_closed_in_time_is_no_loss() {
        let request = |purpose: &str, sent: &str, outcome: &str| {
            format!(
                r#"{{"purpose": "{purpose}", "path": "/", "at_us": 900000, {sent}"end_us": 1100000, "outcome": {{"is": "{outcome}"}}}}"#
            )
        };
        let requests = [
            request("idle", "", "closed"),
            request("idle", "\"sent_us\": 1000000, ", "closed"),
            request("new-connection", "", "refused"),
        ];
        let text = format!(
            r#"{{"version": 1, "program": {{"path": "p", "sha256": "aa"}}, "terms": {{}}, "phases": [{{"name": "drain",
            "ready_us": 40000, "signals": [{{"at_us": 1000000, "signal": "TERM"}}], "exit": {{"at_us": 1200000, "code": 0}},
            "requests": [{}]}}]}}"#,
            requests.join(", ")
        );
        let proof: Proof = serde_json::from_str(&text).unwrap();
        assert_eq!(
            render(&proof),
            "phase  ready  requests  lost  after SIGTERM  exit\n\
             drain  40 ms  3         2     200 ms         0\n"
        );
    }
}
