//! What a process did, as a table that fits a terminal.

pub mod picture;

use crate::case::process::duration;
use crate::facts::proof::{Phase, Proof, Purpose, Request};

/// Columns: phase, ready, listens, requests, lost, end.
pub fn render(proof: &Proof) -> String {
    let head = ["phase", "ready", "requests", "lost", "after SIGTERM", "exit"].map(str::to_owned);
    let rows = proof.phases.iter().map(row);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(phase: &Phase) -> [String; 6] {
    let is_load = |request: &&Request| {
        matches!(
            request.purpose,
            Purpose::NewConnection | Purpose::Busy | Purpose::Idle | Purpose::Slow
        )
    };
    let load = phase.requests.iter().filter(is_load);
    let (count, lost) = load.fold((0, 0), |(count, lost), request| {
        (count + 1, lost + usize::from(request.outcome.is_lost()))
    });
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
