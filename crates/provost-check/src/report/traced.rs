//! What the logs of processes come to, for people: the verdict, three numbers that matter, and behind the findings
//! settings, pauses and what would be otherwise.

use std::fmt::Write as _;

use super::Report;
use super::plain::{clean, fit};
use super::table::columns;
use crate::case::log::{millis, nanos, percent};
use crate::case::traced::{Gc, Procs, Row, Sched, Traced, WhatIf};
use crate::model::pacer::NO_GOAL;
use crate::model::quantity::counted;

/// The worst that is said of a process, or that nothing is.
pub(crate) fn verdict(report: &Report<'_>, of: &Traced) -> String {
    let findings = report.findings.iter().filter(|finding| finding.subject == of.subject);
    let worst = findings.reduce(|worst, next| if next.level > worst.level { next } else { worst });
    match worst {
        Some(finding) => format!("{}: {}", finding.id(), finding.rule.title),
        None => match of.collections.as_ref().filter(|gc| gc.cpu_share.is_none()) {
            // Rules abstain where more than a tenth is missing.
            Some(gc) if gc.missing_cycles > 0 => format!(
                "not judged in full: {} of {} are not in the log",
                gc.missing_cycles,
                counted(gc.cycles.saturating_add(gc.missing_cycles), "collection")
            ),
            _ => format!("nothing is wrong that {} show", shown(of)),
        },
    }
}

fn shown(of: &Traced) -> String {
    let collections = of.collections.as_ref().map(|gc| counted(gc.cycles, "collection"));
    let samples = of.scheduler.as_ref().map(|it| counted(it.samples, "sample"));
    let parts: Vec<String> =
        collections.into_iter().chain(samples.map(|n| format!("{n} of the scheduler"))).collect();
    parts.join(" and ")
}

/// Three numbers, each with what it is.
pub(crate) fn numbers(of: &Traced) -> Vec<(String, &'static str)> {
    if let Some(gc) = &of.collections {
        let unknown = || "unknown".to_owned();
        return vec![
            (
                gc.cpu_share.map_or("an unknown part".to_owned(), percent),
                "of the CPU went to collections",
            ),
            (gc.per_second.map_or_else(unknown, rate), "collections a second"),
            (format!("{} MB", gc.live_mib.last), "live at the end"),
        ];
    }
    let Some(of) = &of.scheduler else { return Vec::new() };
    vec![
        (of.runnable.most.to_string(), "goroutines waited for a P at most"),
        (format!("{} to {}", of.threads.least, of.threads.most), "threads"),
        (
            percent(of.pressed_samples as f64 / of.samples.max(1) as f64),
            "of the samples with more than eight waiting for each P",
        ),
    ]
}

pub(crate) fn rate(value: f64) -> String {
    match value {
        value if value >= 10.0 => format!("{value:.0}"),
        value if value >= 0.095 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// What stands above the findings.
pub(crate) fn head(report: &Report<'_>, width: usize, out: &mut String) {
    for of in &report.traced {
        out.push_str(&fit(
            &format!("{}: {}", clean(&of.subject), clean(&verdict(report, of))),
            width,
        ));
        let three: Vec<String> =
            numbers(of).into_iter().map(|(number, what)| format!("{number} {what}")).collect();
        out.push_str(&fit(&format!("  {}", three.join("; ")), width));
        out.push('\n');
    }
}

/// What stands below them.
pub(crate) fn tail(report: &Report<'_>, width: usize, out: &mut String) {
    for of in &report.traced {
        if report.traced.len() > 1 {
            let _ = writeln!(out, "{}", clean(&of.subject));
        }
        for (name, text) in facts(of) {
            out.push_str(&fit(&format!("  {name}: {text}"), width));
        }
        let what_if = of.collections.as_ref().and_then(|gc| gc.what_if.as_ref());
        if let Some(what_if) = what_if {
            foretold(what_if, width, out);
        }
        out.push('\n');
    }
}

/// What was measured and inferred, a name and a sentence each.
pub(crate) fn facts(of: &Traced) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(gc) = &of.collections {
        collections(gc, &mut facts);
    }
    if let Some(scheduler) = &of.scheduler {
        facts.push(("scheduler", scheduled(scheduler)));
    }
    facts
}

fn collections(gc: &Gc, facts: &mut Vec<(&'static str, String)>) {
    let ms = |seconds: f64| millis((seconds * 1000.0) as u64);
    facts.push((
        "collections",
        format!(
            "{} in {}, {:.1} ms of CPU each; {} MB allocated a second; mark assists took {} of the CPU",
            gc.cycles,
            ms(gc.seconds),
            gc.cpu_ms_per_cycle,
            gc.allocated_mib_per_second.map_or("an unknown number of".to_owned(), |rate| format!("{rate:.0}")),
            gc.assist_share.map_or("an unknown part".to_owned(), percent),
        ),
    ));
    if let Some([slope, low, high]) =
        gc.cpu_share_per_minute.filter(|[_, low, high]| *low > 0.0 || *high < 0.0)
    {
        let points = |share: f64| format!("{:.1}", share * 100.0);
        facts.push((
            "trend",
            format!(
                "collections' part of the CPU changes by {} points a minute (95 %: {} to {})",
                points(slope),
                points(low),
                points(high)
            ),
        ));
    }
    facts.push((
        "heap",
        format!(
            "{} to {} MB live, {}, {} MB at most",
            gc.live_mib.least,
            gc.live_mib.most,
            match (gc.goal_mib.least, gc.goal_mib.most) {
                (NO_GOAL.., _) => "no goal (GOGC=off)".to_owned(),
                (least, NO_GOAL..) => format!("goals of {least} MB and more, and none (GOGC=off)"),
                (least, most) => format!("goals of {least} to {most} MB"),
            },
            gc.peak_heap_mib
        ),
    ));
    for pauses in &gc.pauses {
        let name = if pauses.phase.starts_with("sweep") {
            "stops before marking"
        } else {
            "stops behind it"
        };
        facts.push((
            name,
            format!(
                "half within {}, 90 of 100 within {}, 99 within {}, the longest {} ({})",
                nanos(pauses.p50),
                nanos(pauses.p90),
                nanos(pauses.p99),
                nanos(pauses.longest),
                pauses.phase
            ),
        ));
    }
    facts.push(("GOGC", gc.settings.gogc.clone()));
    facts.push(("GOMEMLIMIT", gc.settings.gomemlimit.clone()));
    facts.push(("GOMAXPROCS", procs(&gc.settings.gomaxprocs)));
    if gc.forced_cycles + gc.periodic_cycles > 0 {
        facts.push((
            "not by the heap",
            format!(
                "the program asked for {}, and {} came by the two-minute timer",
                counted(gc.forced_cycles, "collection"),
                gc.periodic_cycles
            ),
        ));
    }
    facts.extend(gc.remarks.iter().map(|remark| ("note", remark.clone())));
}

fn procs(of: &[Procs]) -> String {
    let mut text = of.first().map_or("unknown".to_owned(), |first| first.value.to_string());
    for change in of.iter().skip(1).take(4) {
        let _ = write!(text, ", {} from {:.1} s on", change.value, change.at_seconds);
    }
    if of.len() > 5 {
        let _ = write!(text, ", and {} changes more", of.len() - 5);
    }
    text
}

fn scheduled(of: &Sched) -> String {
    format!(
        "{} samples in {}; {} Ps, up to {} of them idle; {} to {} threads, up to {} idle; up to {} goroutines waiting",
        of.samples,
        millis((of.seconds * 1000.0) as u64),
        procs(&of.gomaxprocs),
        of.idle_processors.most,
        of.threads.least,
        of.threads.most,
        of.idle_threads.most,
        of.runnable.most
    )
}

/// Headings of the table of what would be otherwise.
pub(crate) const HEADINGS: [&str; 6] =
    ["GOGC", "GOMEMLIMIT", "collections/s", "of the CPU", "heap at most", "all of Go"];

/// What the table is of.
pub(crate) fn heading(what_if: &WhatIf) -> String {
    let live = match (what_if.live_mib, what_if.most_live_mib) {
        (live, most) if most > live => format!("{live} MB live, {most} at most"),
        (live, _) => format!("{live} MB live"),
    };
    let when = match what_if.grows_mib_per_minute {
        Some(_) => " as when the log ends",
        None => "",
    };
    format!(
        "what would be otherwise, by the model, with {live}{when}, and {:.0} MB allocated a second:",
        what_if.allocated_mib_per_second
    )
}

/// The cells of a row.
pub(crate) fn cells(row: &Row) -> Vec<String> {
    let later = row.full_after_minutes.map(|minutes| millis((minutes * 60_000.0) as u64));
    vec![
        row.gogc.clone(),
        row.gomemlimit_mib.map_or("-".to_owned(), |limit| format!("{limit}MiB")),
        row.per_second.map_or("unknown".to_owned(), rate),
        row.cpu_share.map_or("unknown".to_owned(), percent),
        format!("{} MB", row.peak_heap_mib),
        match (row.left_of_container_mib, later) {
            (Some(left), _) if left < 0 => {
                format!("{} MB, {} MB too much", row.peak_go_mib, -left)
            }
            (Some(_), Some(later)) => format!("{} MB, full {later} later", row.peak_go_mib),
            (Some(left), None) => format!("{} MB, {left} MB left", row.peak_go_mib),
            (None, _) => format!("{} MB", row.peak_go_mib),
        },
    ]
}

/// What to choose, in sentences.
pub(crate) fn advice(what_if: &WhatIf) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(container) = &what_if.container {
        let beside = match container.non_heap_mib {
            0 => String::new(),
            mib => format!(" and {mib} MiB outside of Go"),
        };
        let whose = container.limit_of.as_ref().map_or(String::new(), |of| format!(", {of}"));
        let size = format!("{} MiB{beside}{whose}", container.memory_limit_mib);
        lines.push(match (&container.gomemlimit, what_if.grows_mib_per_minute) {
            (Some(limit), None) => {
                format!("for a container of {size}: GOMEMLIMIT={limit}; {}", container.verdict)
            }
            _ => format!("a container of {size}: {}", container.verdict),
        });
    }
    if let Some(rate) = what_if.grows_mib_per_minute {
        lines.push(format!(
            "the live heap grows by {rate:.1} MB a minute, and the table with it: the heap grows by {:.1} at GOGC=100, and by {:.1} at GOGC=400, until something is full; find what keeps it alive",
            rate * 2.0,
            rate * 5.0
        ));
    } else if what_if.may_grow {
        lines.push(
            "the last collections freed next to nothing, so that the live heap may be growing: the table holds while it does not; a longer log tells".to_owned(),
        );
    }
    let of = match what_if.grows_mib_per_minute {
        Some(_) => ", with what was live when the log ended",
        None => "",
    };
    if what_if.rows.iter().any(|row| row.rate == 1.0 && row.cpu_share.is_none()) {
        lines.push(format!(
            "unknown: that GOMEMLIMIT leaves less than a tenth above the {} MB that are live, so that collections may follow one another without a rest; what that takes is between next to nothing and half of the CPU, by what there is to mark",
            what_if.live_mib
        ));
    }
    let while_there = what_if
        .peak_part
        .map_or(String::new(), |part| format!(", as they were {} of the time", percent(part)));
    lines.push(format!(
        "a GOMEMLIMIT below some {} MiB leaves no room above the {} MB that were live at the most{while_there}: collections then follow one another without a rest; with some {} MiB they take a twentieth of the CPU or less{of}",
        what_if.least_limit_mib, what_if.most_live_mib, what_if.good_limit_mib
    ));
    lines
}

fn foretold(what_if: &WhatIf, width: usize, out: &mut String) {
    out.push_str(&fit(&format!("  {}", heading(what_if)), width));
    let rows: Vec<Vec<String>> =
        what_if.rows.iter().filter(|row| row.rate == 1.0).map(cells).collect();
    for line in columns(&HEADINGS, &rows, width.max(100)).unwrap_or_default() {
        let _ = writeln!(out, "{line}");
    }
    for line in advice(what_if) {
        out.push_str(&fit(&format!("  {}", clean(&line)), width));
    }
}
