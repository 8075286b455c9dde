//! What stands between the first line of a report and the kill: how full groups were, what their memory was, and the
//! table of processes.

use super::cgroup::printed_limit;
use super::log::{
    Constraint, LONGEST_NAME, LONGEST_PATH, Limits, PageTables, Report, Task, Usage, cut,
};
use super::{behind, kib, number};

/// Columns of the table of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Pid,
    Total,
    Rss,
    PageTableBytes,
    PageTables,
    Swap,
    Adj,
    Other,
}

/// Columns of a table; Linux 6.18 has twelve.
const MOST_COLUMNS: usize = 24;
/// A line between the first and the kill.
pub(super) fn detail(
    report: &mut Report,
    columns: &mut Vec<Column>,
    in_stat: &mut bool,
    text: &str,
    limits: &Limits,
) {
    if let Some(rest) = text.strip_prefix("Memory cgroup stats for ") {
        *in_stat = true;
        // Linux 4 prints `cache:0KB rss:1KB` in a line for each group at and below the limit, of it alone; Linux 5
        // the first of many behind the colon, of all.
        let (_, rest) = rest.rsplit_once(": ").unwrap_or_default();
        for word in rest.split(' ') {
            if let Some((name, size)) = word.split_once(':')
                && let Some(size) = size.strip_suffix("KB").and_then(|size| size.parse().ok())
            {
                report.stat.sum(name, kib(size));
            }
        }
        if let Some((_, first)) = text.rsplit_once(':') {
            report.stat.line(first);
        }
        return;
    }
    if text.starts_with('[') {
        *in_stat = false;
        return row(report, columns, text, limits);
    }
    if *in_stat && report.stat.line(text) {
        return;
    }
    let usage = |rest: &str| {
        Some(Usage {
            usage: kib(behind(rest, "usage ")?),
            limit: printed_limit(behind(rest, "limit ")?),
            failures: behind(rest, "failcnt ").unwrap_or(0),
        })
    };
    if let Some(rest) = text.strip_prefix("memory: ") {
        report.memory = usage(rest);
    } else if let Some(rest) = text.strip_prefix("swap: ") {
        report.swap = usage(rest).map(|swap| swap.usage);
    } else if let Some(rest) = text.strip_prefix("memory+swap: ") {
        let both = usage(rest).map(|both| both.usage);
        let memory = report.memory.map_or(0, |memory| memory.usage);
        report.swap = both.map(|both| both.saturating_sub(memory));
    } else if let Some(rest) = text.strip_prefix("kmem: ") {
        report.kernel = usage(rest);
    } else if let Some(rest) = text.strip_prefix("Tasks in ") {
        let end = " are going to be killed due to memory.oom.group set";
        report.all_of = rest.strip_suffix(end).map(|path| cut(path, LONGEST_PATH));
    } else if let Some(rest) = text.strip_prefix("Task in ") {
        // Before Linux 5.0.
        if let Some((victim, limit)) = rest.split_once(" killed as a result of limit of ") {
            report.constraint = Constraint::Memcg;
            report.victim_group = Some(cut(victim, LONGEST_PATH));
            report.limit_group = Some(cut(limit, LONGEST_PATH));
        }
    } else if let Some(rest) = text.strip_prefix("Total swap = ") {
        report.machine_swap = number(rest).map(|(size, _)| kib(size));
    } else if let Some((pages, rest)) = number(text) {
        match rest {
            " pages RAM" => report.machine_pages = Some(pages),
            " pages reserved" => {
                report.machine_pages = report.machine_pages.map(|all| all.saturating_sub(pages));
            }
            _ => {}
        }
    }
}

/// The head of the table, or a row of it.
fn row(report: &mut Report, columns: &mut Vec<Column>, text: &str, limits: &Limits) {
    let plain = text.replace(['[', ']'], " ");
    let mut words = plain.split_ascii_whitespace();
    if plain.trim_start().starts_with("pid ") {
        *columns = words
            .take(MOST_COLUMNS)
            .map(|word| match word {
                "pid" => Column::Pid,
                "total_vm" => Column::Total,
                "rss" => Column::Rss,
                "pgtables_bytes" => Column::PageTableBytes,
                "nr_ptes" | "nr_pmds" | "nr_puds" => Column::PageTables,
                "swapents" => Column::Swap,
                "oom_score_adj" => Column::Adj,
                _ => Column::Other,
            })
            .collect();
        return;
    }
    // The name is last, and may hold spaces.
    let Some((_, numbers)) = columns.split_last() else { return };
    let mut task = Task::default();
    for column in numbers {
        let Some(word) = words.next() else { return };
        let Ok(value) = word.parse::<i64>() else { return };
        let size = u64::try_from(value).unwrap_or(0);
        match column {
            Column::Pid => task.pid = size,
            Column::Total => task.total = size,
            Column::Rss => task.rss = size,
            Column::PageTableBytes => task.page_tables = PageTables::Bytes(size),
            Column::PageTables => {
                let before = match task.page_tables {
                    PageTables::Pages(pages) => pages,
                    PageTables::Bytes(_) => 0,
                };
                task.page_tables = PageTables::Pages(before.saturating_add(size));
            }
            Column::Swap => task.swap = size,
            Column::Adj => task.adj = value,
            Column::Other => {}
        }
    }
    let name: Vec<&str> = words.collect();
    task.name = cut(&name.join(" "), LONGEST_NAME);
    if report.tasks.len() < limits.tasks {
        report.tasks.push(task);
    } else {
        report.more_tasks += 1;
    }
}
