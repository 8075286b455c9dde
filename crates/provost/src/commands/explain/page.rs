//! A rule's Markdown page for a terminal.
//!
//! Pages are written by us, in a small part of Markdown: headings, paragraphs, lists, fenced
//! blocks. The comments that make a page its rule's test are shown: they say what is found where.

use std::fmt::Write as _;

const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// Headings bold, paragraphs wrapped, blocks indented under the name of their file.
pub(super) fn render(page: &str, color: bool, width: usize) -> String {
    let mut out = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let name = info.split_whitespace().nth(1).filter(|name| *name != "report");
            if let Some(name) = name {
                let _ = writeln!(out, "    {name}:");
            }
            for line in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                let _ = writeln!(out, "{}", format!("      {line}").trim_end());
            }
        } else if line.starts_with('#') {
            let title = line.trim_start_matches('#').trim();
            if color {
                let _ = writeln!(out, "{BOLD}{title}{RESET}");
            } else {
                let _ = writeln!(out, "{line}");
            }
        } else {
            wrap(line, width, &mut out);
        }
    }
    out
}

/// Breaks at spaces; what follows an item of a list is indented under its text.
fn wrap(line: &str, width: usize, out: &mut String) {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    let item = if text.starts_with("- ") { 2 } else { 0 };
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column == 0 {
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent + item));
            column = indent + item;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}
