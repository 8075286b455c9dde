//! The report for machines, version 1: the view as it is. Keys may be added, never changed or
//! removed; the schema is `docs/report-v1.schema.json`.

use super::plain::replacement;
use super::view::View;

/// The report as JSON, ending in a line break.
pub fn render(view: &View<'_>) -> String {
    pretty(view)
}

/// What is no report of a run, as JSON.
pub fn value(value: &impl serde::Serialize) -> String {
    pretty(value)
}

/// Any value as JSON that is safe to print, ending in a line break.
pub(crate) fn pretty(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value)
        .expect("strings, numbers and lists with string keys always serialize");
    let mut text = escape_controls(text);
    text.push('\n');
    text
}

/// JSON escapes the control characters below U+0020; the others that a terminal obeys are escaped
/// here. They can only stand inside strings, where `\uXXXX` means the same.
fn escape_controls(text: String) -> String {
    let obeyed = |c: char| c != '\n' && replacement(c).is_some();
    if !text.chars().any(obeyed) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if obeyed(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}
