//! Two logs side by side, for people.

use std::fmt::Write as _;

use super::markdown::{code, prose};
use super::plain::fit;
use super::table::columns;
use crate::case::compared::Comparison;

/// In a sentence.
pub(super) fn summary(comparisons: &[Comparison]) -> String {
    let differing: Vec<&str> = comparisons
        .iter()
        .filter(|it| matches!(it.verdict, "larger" | "smaller"))
        .map(|it| it.what)
        .collect();
    match differing.as_slice() {
        [] => "no difference that this much data could show".to_owned(),
        some => match comparisons.first().map(|it| it.of) {
            Some("runs") => format!("they differ in {}", some.join(", ")),
            _ => format!("these two runs differ in {}", some.join(", ")),
        },
    }
}

/// What one run of each does not tell.
fn hint(comparisons: &[Comparison]) -> Option<&'static str> {
    let by_run = comparisons.first().is_some_and(|it| it.of == "runs");
    (!by_run).then_some("one run of each: two runs of one program may differ as much; three or more of each, one behind the other in a file, tell of the programs")
}

/// For a terminal.
pub fn text(a: &str, b: &str, comparisons: &[Comparison], width: usize) -> String {
    let mut out = fit(&format!("A is {a}, B is {b}: {}", summary(comparisons)), width);
    out.push('\n');
    let cell = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> =
        comparisons.iter().map(|it| vec![it.what.to_owned(), cell(&it.a), cell(&it.b)]).collect();
    for line in columns(&["", "A", "B"], &rows, width.max(80)).unwrap_or_default() {
        let _ = writeln!(out, "{line}");
    }
    out.push('\n');
    for it in comparisons {
        out.push_str(&fit(&format!("  {}: {}", it.what, it.said), width));
    }
    if let Some(hint) = hint(comparisons) {
        out.push_str(&fit(&format!("  {hint}"), width));
    }
    out
}

/// For a comment.
pub fn markdown(a: &str, b: &str, comparisons: &[Comparison]) -> String {
    let mut out =
        format!("## provost: {}\n\nA is {}, B is {}.\n\n", summary(comparisons), code(a), code(b));
    out.push_str("| | A | B | |\n|---|---|---|---|\n");
    for it in comparisons {
        let cell = |text: &Option<String>| prose(text.as_deref().unwrap_or("-"));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            it.what,
            cell(&it.a),
            cell(&it.b),
            prose(&it.said)
        );
    }
    if let Some(hint) = hint(comparisons) {
        let _ = writeln!(out, "\n{hint}");
    }
    out
}
