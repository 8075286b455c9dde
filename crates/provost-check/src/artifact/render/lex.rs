//! Where the actions of a template and the words of a pipeline begin and end, as Go's lexer has it
//! (text/template/parse/lex.go, Go 1.27).

/// The text between the quotes that a text begins with, and what is behind them.
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '`'))?;
    text[1..].split_once(quote)
}

/// The inside of the action that starts at `at`, and where it ends; the rest of the text when it
/// does not.
pub(super) fn action(text: &str, at: usize) -> (&str, usize) {
    let bytes = text.as_bytes();
    let mut start = at + 2;
    // `{{-` trims only when a space follows; `{{-3}}` is a number.
    if bytes.get(start) == Some(&b'-') && bytes.get(start + 1).is_some_and(u8::is_ascii_whitespace)
    {
        start += 2;
    }
    let body = text[start..].trim_start();
    start = text.len() - body.len();
    let mut end = start;
    if body.starts_with("/*") {
        end = memchr::memmem::find(body.as_bytes(), b"*/").map_or(text.len(), |n| start + n + 2);
    }
    while end < bytes.len() {
        match bytes[end] {
            quote @ (b'"' | b'`' | b'\'') => end = end_of_string(bytes, end, quote),
            b'}' if bytes.get(end + 1) == Some(&b'}') => {
                let inner = text.get(start..end).unwrap_or_default().trim_end();
                let inner = match inner.strip_suffix('-') {
                    Some(trimmed) if trimmed.ends_with(|c: char| c.is_whitespace()) => {
                        trimmed.trim_end()
                    }
                    // `*/ -}}` and `x -}}` have the space; `*/-}}` is refused by Go.
                    _ => inner,
                };
                return (inner, end + 2);
            }
            _ => end += 1,
        }
    }
    (text.get(start..).unwrap_or_default(), text.len())
}

/// One past the closing quote; a line break ends all but a raw string.
pub(super) fn end_of_string(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\\' if quote != b'`' => end += 1,
            b'\n' if quote != b'`' => return end,
            byte if *byte == quote => return end + 1,
            _ => {}
        }
        end += 1;
    }
    bytes.len()
}

pub(super) fn word_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes[at..].iter();
    at + rest.take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
}

/// One past the parenthesis that closes the one a text begins with.
pub(super) fn end_of_group(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return at + 1,
            b')' => depth = depth.saturating_sub(1),
            b'"' | b'`' | b'\'' => {
                at = end_of_string(bytes, at, *byte);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

pub(super) fn reference_end(bytes: &[u8], at: usize) -> usize {
    let is_part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'.');
    let first = usize::from(bytes[at] == b'$');
    at + first + bytes[at + first..].iter().take_while(is_part).count()
}

/// `$x := ...` or `$x = ...`, also with two variables.
pub(super) fn is_assignment(text: &str) -> bool {
    if !text.starts_with('$') {
        return false;
    }
    let Some(at) = text.find('=') else { return false };
    let names = text[..at].trim_end_matches(':');
    names.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '$' | '_' | ',' | ' '))
}
