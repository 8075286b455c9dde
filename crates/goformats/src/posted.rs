//! What pages and terminals put around lines that were copied out of a log: marks of a quote or of code, an indentation,
//! tags, entities, colors.
//!
//! A log has none of these before a line of the runtime's, and whoever reports a crash has some of them. They are taken
//! off where a line of the runtime's stands behind them; what follows it keeps the indentation that is its own.

use std::borrow::Cow;

use crate::crash::{FATAL, PANIC};
use crate::runtimelog::is_traced;

/// Blanks before a line that are looked at: deeper lies no block of code.
const DEEPEST: usize = 32;
/// Bytes of a tag: `<code class="language-text">`
const LONGEST_TAG: usize = 128;
/// Tags before a line.
const MOST_TAGS: usize = 8;

/// Entities, as renderers of Markdown and of HTML write them.
const ENTITIES: [(&[u8], u8); 8] = [
    (b"&gt;", b'>'),
    (b"&lt;", b'<'),
    (b"&amp;", b'&'),
    (b"&quot;", b'"'),
    (b"&#34;", b'"'),
    (b"&#39;", b'\''),
    (b"&#x27;", b'\''),
    (b"&nbsp;", b' '),
];

/// Takes it off line by line.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    /// Lines have `> ` before them.
    is_quoted: bool,
    /// What stands before the lines of a block.
    indent: Vec<u8>,
    /// A value of a panic may go on: its lines are indented by the runtime.
    in_value: bool,
}

impl Posted {
    /// The line without what a page put around it.
    pub(crate) fn take<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        let marks = memchr::memchr3(b'&', b'`', 0x1b, line).is_some();
        let is_plain = || line.first().is_some_and(|b| b.is_ascii_alphanumeric());
        if !marks && self.indent.is_empty() && !self.is_quoted && is_plain() {
            self.in_value = is_value(line);
            return Cow::Borrowed(line);
        }
        let mut text = match marks {
            true => rendered(line),
            false => Cow::Borrowed(line),
        };
        let front = self.front(&text);
        if front > 0 {
            text = match text {
                Cow::Borrowed(text) => Cow::Borrowed(text.get(front..).unwrap_or_default()),
                Cow::Owned(mut text) => {
                    text.drain(..front.min(text.len()));
                    Cow::Owned(text)
                }
            };
        }
        // What is indented goes on with a value, unless nothing was open.
        let goes_on = self.in_value && text.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
        self.in_value = goes_on || is_value(&text);
        text
    }

    /// How much stands before it.
    fn front(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        let rest = |at: usize| text.get(at..).unwrap_or_default();
        if let Some(quoted) = text.strip_prefix(b">") {
            let inner = quoted.strip_prefix(b" ").unwrap_or(quoted);
            self.is_quoted |= begins(inner.trim_ascii_start());
            if self.is_quoted {
                at = text.len() - inner.len();
            }
        } else {
            self.is_quoted = false;
        }
        if !self.indent.is_empty() {
            if rest(at).starts_with(&self.indent) {
                return at + self.indent.len();
            }
            if rest(at).trim_ascii().is_empty() {
                return text.len();
            }
            self.indent.clear();
        }
        let inner = rest(at).trim_ascii_start();
        let blanks = rest(at).len() - inner.len();
        if blanks > 0 {
            let is_block = !self.in_value && blanks <= DEEPEST && begins(inner);
            if is_block && let Some(indent) = rest(at).get(..blanks) {
                self.indent = indent.to_vec();
                at += blanks;
            }
            return at;
        }
        let marked = inner.iter().take_while(|b| matches!(b, b'`' | b'*')).count();
        let marked = if inner.first() == Some(&b'*') { marked.min(2) } else { marked };
        let tagged = tags(inner.get(marked..).unwrap_or_default());
        let from = at + marked + tagged;
        if marked + tagged > 0 && begins(rest(from)) { from } else { at }
    }
}

/// Whether a line is one that the runtime begins something with.
fn begins(text: &[u8]) -> bool {
    is_traced(text) || crate::crash::opens(text)
}

/// Whether lines that are indented may belong to it.
fn is_value(text: &[u8]) -> bool {
    text.starts_with(PANIC) || text.starts_with(FATAL)
}

/// Bytes of the tags at the front.
fn tags(text: &[u8]) -> usize {
    let mut at = 0;
    for _ in 0..MOST_TAGS {
        let rest = text.get(at..).unwrap_or_default();
        let is_tag = matches!(rest, [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'/', ..]);
        let near = rest.get(..LONGEST_TAG.min(rest.len())).unwrap_or_default();
        match memchr::memchr(b'>', near).filter(|_| is_tag) {
            Some(end) => at += end + 1,
            None => break,
        }
    }
    at
}

/// A line without colors, with its entities as what they stand for, and without the mark that ends a piece of code.
fn rendered(line: &[u8]) -> Cow<'_, [u8]> {
    let mut text = Cow::Borrowed(line);
    if memchr::memchr(0x1b, &text).is_some() {
        text = Cow::Owned(uncolored(&text));
    }
    // In a record of a container runtime's, quotes are what parts its fields.
    if !text.starts_with(b"{")
        && memchr::memchr(b'&', &text).is_some()
        && let Some(plain) = unescaped(&text)
    {
        text = Cow::Owned(plain);
    }
    let code = text.iter().rev().take_while(|b| **b == b'`').count();
    let before = text.len() - code;
    let opens = text.iter().take_while(|b| **b == b'`').count();
    let inner = text.get(opens..before).unwrap_or_default();
    let opened = memchr::memchr_iter(b'`', inner).count();
    // `panic: see ` + "`Close`" keeps its own.
    if code > 0 && before > 0 && opened.is_multiple_of(2) {
        text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(..before).unwrap_or_default()),
            Cow::Owned(mut text) => {
                text.truncate(before);
                Cow::Owned(text)
            }
        };
    }
    text
}

/// Without the sequences that color a terminal's text (`ESC [ 36 m`).
pub(crate) fn uncolored(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr::memchr(0x1b, rest) {
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        plain.extend_from_slice(before);
        let sequence = behind.strip_prefix(b"\x1b[").unwrap_or_default();
        let end = sequence.iter().take(16).position(|b| !(b.is_ascii_digit() || *b == b';'));
        rest = match end.and_then(|end| Some((sequence.get(end)?, sequence.get(end + 1..)?))) {
            // What clears the rest of a line stands behind colors.
            Some((b'm' | b'K', rest)) => rest,
            _ => {
                plain.push(0x1b);
                behind.get(1..).unwrap_or_default()
            }
        };
    }
    plain.extend_from_slice(rest);
    plain
}

/// A line with its entities as what they stand for; nothing where it has none.
fn unescaped(line: &[u8]) -> Option<Vec<u8>> {
    let mut plain: Option<Vec<u8>> = None;
    let mut rest = line;
    while let Some(at) = memchr::memchr(b'&', rest) {
        let (before, behind) = rest.split_at_checked(at)?;
        let known = ENTITIES.iter().find(|(entity, _)| behind.starts_with(entity));
        let plain = plain.get_or_insert_with(|| Vec::with_capacity(line.len()));
        plain.extend_from_slice(before);
        let (entity, byte) = known.map_or((1, b'&'), |(entity, byte)| (entity.len(), *byte));
        plain.push(byte);
        rest = behind.get(entity..)?;
    }
    let mut plain = plain?;
    plain.extend_from_slice(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::Posted;

    fn check(lines: &[(&str, &str)]) {
        let mut posted = Posted::default();
        for (line, plain) in lines {
            let text = posted.take(line.as_bytes()).into_owned();
            assert_eq!(String::from_utf8(text).unwrap(), *plain, "{line}");
        }
    }

    #[test]
    fn a_block_that_is_indented_keeps_what_its_lines_have_themselves() {
        check(&[
            ("    goroutine 8 [select]:", "goroutine 8 [select]:"),
            ("    main.f(0x1)", "main.f(0x1)"),
            ("    \t/src/a.go:1 +0x1", "\t/src/a.go:1 +0x1"),
            ("   ", ""),
            ("    goroutine 9 [select]:", "goroutine 9 [select]:"),
            ("that was it", "that was it"),
            ("    main.f(0x1)", "    main.f(0x1)"),
        ]);
        check(&[
            ("  SCHED 0ms: gomaxprocs=1", "SCHED 0ms: gomaxprocs=1"),
            ("    P0: status=1", "  P0: status=1"),
        ]);
    }

    /// From Go 1.23 on the runtime indents the lines of a value, which may be a stack, and each panic of a chain.
    #[test]
    fn what_the_runtime_indented_stays_so() {
        check(&[
            ("panic: a [recovered]", "panic: a [recovered]"),
            ("\tpanic: b", "\tpanic: b"),
            ("\tgoroutine 5 [running]:", "\tgoroutine 5 [running]:"),
            ("", ""),
            ("goroutine 1 [running]:", "goroutine 1 [running]:"),
            ("main.main()", "main.main()"),
        ]);
        check(&[("  P0: status=1", "  P0: status=1"), ("\tmain.f()", "\tmain.f()")]);
    }

    #[test]
    fn quotes_and_marks_of_code() {
        check(&[
            ("> fatal error: thread exhaustion", "fatal error: thread exhaustion"),
            (">", ""),
            ("> goroutine 1 [running]:", "goroutine 1 [running]:"),
            ("> \t/src/a.go:1", "\t/src/a.go:1"),
            ("and so on", "and so on"),
            ("> as was said", "> as was said"),
        ]);
        check(&[
            ("`fatal error: stack overflow`", "fatal error: stack overflow"),
            ("```goroutine 1 [running]:`", "goroutine 1 [running]:"),
            ("**panic: boom**", "panic: boom**"),
            ("<pre><code>goroutine 1 [running]:", "goroutine 1 [running]:"),
            ("panic: see `Close`", "panic: see `Close`"),
            ("`kubectl logs` says", "`kubectl logs` says"),
            ("* item", "* item"),
        ]);
    }

    #[test]
    fn entities_and_colors() {
        check(&[
            ("gc 1 @0.1s: 4-&gt;4-&gt;0 MB", "gc 1 @0.1s: 4->4->0 MB"),
            ("a &amp; b & c &#39;d", "a & b & c 'd"),
            ("\x1b[31mpanic: x\x1b[0m", "panic: x"),
            ("\x1b]0;title\x07x", "\x1b]0;title\x07x"),
        ]);
    }
}
