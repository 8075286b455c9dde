//! Columns of text.

use super::plain::{clean, text_width};

/// A column is not made narrower than this.
const LEAST: usize = 16;

/// Lays out rows under headings, two spaces apart, indented by two. A cell wider than its share of
/// `width` keeps its end, which of a path tells most.
pub(crate) fn columns(headings: &[&str], rows: &[Vec<String>], width: usize) -> Vec<String> {
    let cells = |row: &[String]| row.iter().map(|c| clean(c).into_owned()).collect::<Vec<_>>();
    let mut rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row)).collect();
    rows.insert(0, headings.iter().map(|h| (*h).to_owned()).collect());
    let widest = |column: usize| rows.iter().map(|row| text_width(&row[column])).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..headings.len()).map(widest).collect();
    let room = width.saturating_sub(2 + 2 * headings.len().saturating_sub(1));
    // Take from the widest of the others until it fits, then from the first, which names the row.
    while widths.iter().sum::<usize>() > room {
        let others = (1..widths.len()).filter(|at| widths[*at] > LEAST);
        let Some(at) = others.max_by_key(|at| widths[*at]).or((widths[0] > LEAST).then_some(0))
        else {
            break;
        };
        widths[at] -= 1;
    }
    rows.iter()
        .map(|row| {
            let mut line = String::from(" ");
            for (cell, width) in row.iter().zip(&widths) {
                let cell = keep_end(cell, *width);
                line.push(' ');
                line.push_str(&cell);
                line.extend(std::iter::repeat_n(' ', width - text_width(&cell).min(*width) + 1));
            }
            line.trim_end().to_owned()
        })
        .collect()
}

fn keep_end(text: &str, width: usize) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut used = 3;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        used += text_width(c.encode_utf8(&mut [0; 4]));
        if used > width {
            break;
        }
        start = at;
    }
    format!("...{}", &text[start..])
}
