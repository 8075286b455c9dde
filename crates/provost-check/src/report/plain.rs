//! Text that is safe to print, and lines that fit.
//!
//! Artifacts are hostile: a manifest can hold terminal escapes, carriage returns and bidirectional
//! overrides that would let it forge a report. [`clean`] makes all of them visible.

use std::borrow::Cow;

/// What a character is shown as, when it must not reach a terminal as it is.
pub fn replacement(c: char) -> Option<char> {
    match c {
        // C0 and DEL have pictures of their own.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32),
        '\u{7f}' => Some('\u{2421}'),
        // C1 (U+009B starts a control sequence), bidirectional controls (they reorder what the
        // reader sees), invisible characters and tags.
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => Some('\u{fffd}'),
        _ => None,
    }
}

/// One line of text: control and invisible characters replaced by visible ones, line breaks and
/// tabs by spaces.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| replacement(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match c {
        '\n' | '\t' => ' ',
        c => replacement(c).unwrap_or(c),
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// A character with the colour sequence in force.
#[derive(Clone, Copy)]
struct Cell {
    /// Index into the list of styles; 0 is none.
    style: usize,
    c: char,
}

/// Breaks every line that is wider than `width`, at spaces where there are some, and indents what
/// follows under the sentence it continues. Source lines are left to the renderer, which has cut
/// them. Colour sequences (`ESC [ ... m`) take no width and are carried over.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for line in text.lines() {
        // Bytes are never fewer than columns.
        if line.len() <= width {
            out.push_str(line.trim_end());
        } else {
            fit_line(line, width, &mut out);
        }
        out.push('\n');
    }
    out
}

fn fit_line(line: &str, width: usize, out: &mut String) {
    let mut styles = vec![String::new()];
    let cells = cells(line, &mut styles);
    if display_width(&cells) <= width {
        out.push_str(line.trim_end());
        return;
    }
    let shape = Shape::of(&cells, width);
    let mut rest = &cells[..];
    let mut first = true;
    loop {
        let room = if first { width } else { width - shape.hang };
        let fits = columns_fitting(rest, room);
        if fits == rest.len() || shape.source {
            emit(&rest[..fits], &styles, out);
            return;
        }
        // A break before the sentence begins would only leave an empty line.
        let earliest = if first { shape.hang } else { 0 };
        let space = rest[..=fits].iter().rposition(|cell| cell.c == ' ');
        let (end, next) = match space {
            Some(at) if at > earliest => (at, at + 1),
            _ => (fits, fits),
        };
        emit(&rest[..end], &styles, out);
        out.push('\n');
        emit(&cells[..shape.gutter], &styles, out);
        out.extend(std::iter::repeat_n(' ', shape.hang - shape.gutter));
        rest = &rest[next..];
        first = false;
    }
}

/// How a line continues.
struct Shape {
    /// Cells repeated on each continuation: the gutter of a snippet.
    gutter: usize,
    /// Columns before a continuation's text.
    hang: usize,
    /// A line of source, which is cut and not continued.
    source: bool,
}

impl Shape {
    fn of(cells: &[Cell], width: usize) -> Self {
        let text: Vec<char> = cells.iter().map(|cell| cell.c).collect();
        let indent = text.iter().take_while(|c| **c == ' ').count();
        let digits = text[indent..].iter().take_while(|c| c.is_ascii_digit()).count();
        let after = |n: usize| text.get(n).copied().unwrap_or(' ');
        let bar = indent + digits + usize::from(digits > 0);
        // Keep at least a third of the line for the sentence.
        let bounded = |hang: usize| hang.min(width * 2 / 3);
        if after(bar) == '|' && (digits > 0 || indent > 0) {
            if digits > 0 {
                return Self { gutter: 0, hang: 0, source: true };
            }
            let marks = text[bar + 1..]
                .iter()
                .take_while(|c| matches!(c, ' ' | '^' | '-' | '_' | '|'))
                .count();
            return Self {
                gutter: bar + 1,
                hang: bounded(bar + 1 + marks).max(bar + 2),
                source: false,
            };
        }
        let starts = |mark: &str| text[indent..].iter().copied().take(mark.len()).eq(mark.chars());
        let hang = if starts("-->") || starts(":::") {
            indent + 6
        } else if starts("= ") {
            let colon = text.windows(2).position(|w| w == [':', ' ']);
            colon.map_or(indent + 2, |at| at + 2)
        } else {
            indent + 2
        };
        Self { gutter: 0, hang: bounded(hang), source: false }
    }
}

fn cells(line: &str, styles: &mut Vec<String>) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(line.len());
    let mut style = 0;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            cells.push(Cell { style, c });
            continue;
        }
        let mut sequence = String::from(c);
        for c in chars.by_ref() {
            sequence.push(c);
            if c.is_ascii_alphabetic() {
                break;
            }
        }
        style = if sequence == "\u{1b}[0m" {
            0
        } else {
            styles.push(format!("{}{sequence}", styles[style]));
            styles.len() - 1
        };
    }
    cells
}

/// Columns a character takes: 2 for East Asian wide ones, by the ranges that matter.
fn char_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

fn display_width(cells: &[Cell]) -> usize {
    cells.iter().map(|cell| char_width(cell.c)).sum()
}

/// Columns a cleaned text takes.
pub(crate) fn text_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// How many cells fit in `room` columns; at least one, so that every loop advances.
fn columns_fitting(cells: &[Cell], room: usize) -> usize {
    let mut used = 0;
    let fits = cells
        .iter()
        .take_while(|cell| {
            used += char_width(cell.c);
            used <= room
        })
        .count();
    fits.max(1).min(cells.len())
}

fn emit(cells: &[Cell], styles: &[String], out: &mut String) {
    let end = cells.iter().rposition(|cell| cell.c != ' ').map_or(0, |at| at + 1);
    let mut style = 0;
    for cell in &cells[..end] {
        if cell.style != style {
            if style != 0 {
                out.push_str("\u{1b}[0m");
            }
            out.push_str(&styles[cell.style]);
            style = cell.style;
        }
        out.push(cell.c);
    }
    if style != 0 {
        out.push_str("\u{1b}[0m");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_an_artifact_holds_reaches_the_terminal_as_control() {
        let hostile = "a\u{1b}[31mb\u{9b}0mc\rd\u{202e}e\u{7f}f\ng\u{e0041}h\u{200b}";
        let shown = clean(hostile);
        assert!(shown.chars().all(|c| replacement(c).is_none()), "{shown:?}");
        assert_eq!(shown, "a␛[31mb\u{fffd}0mc␍d\u{fffd}e␡f g\u{fffd}h\u{fffd}");
    }

    #[test]
    fn a_sentence_continues_under_itself() {
        let line = "  |              ^^^^ the runtime starts to collect harder at 2147483648 bytes";
        assert_eq!(
            fit(line, 61),
            "  |              ^^^^ the runtime starts to collect harder at\n  \
             |                   2147483648 bytes\n"
        );
        let note = " = note: one two three four five six seven eight nine ten";
        assert_eq!(
            fit(note, 40),
            " = note: one two three four five six\n         seven eight nine ten\n"
        );
    }

    #[test]
    fn colours_take_no_width_and_are_carried_over() {
        let line = "\u{1b}[1m\u{1b}[91merror\u{1b}[0m: aaaa bbbb cccc dddd";
        assert_eq!(fit(line, 16), "\u{1b}[1m\u{1b}[91merror\u{1b}[0m: aaaa bbbb\n  cccc dddd\n");
    }

    #[test]
    fn a_word_wider_than_the_line_is_broken() {
        let out = fit(&"x".repeat(200), 30);
        assert!(out.lines().all(|l| l.len() <= 30), "{out}");
        assert_eq!(out.chars().filter(|c| *c == 'x').count(), 200);
    }
}
