//! Columns of text.

use super::plain::{clean, text_width};

/// Rows under headings, two spaces apart, indented by two; `None` when that is wider than `width`.
pub(crate) fn columns(
    headings: &[&str],
    rows: &[Vec<String>],
    width: usize,
) -> Option<Vec<String>> {
    let cells = |row: &[String]| row.iter().map(|c| clean(c).into_owned()).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row)).collect();
    rows.insert(0, headings.iter().map(|h| (*h).to_owned()).collect());
    let widest = |column: usize| rows.iter().map(|row| text_width(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(widest).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str("  ");
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - text_width(cell)));
        }
        line.trim_end().to_owned()
    };
    let fits = widths.iter().map(|w| w + 2).sum::<usize>() <= width;
    fits.then(|| rows.iter().map(line).collect())
}
