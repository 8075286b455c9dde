//! Go string literals, as build settings that hold blanks are written (`strconv.Quote`, `strconv.Unquote`).

use std::borrow::Cow;
use std::fmt::Write as _;

/// Reads a string literal at the start of `text`; returns it and what follows.
pub(super) fn unquote_prefix(text: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let (&quote, body) = text.split_first()?;
    if quote == b'`' {
        let end = memchr::memchr(b'`', body)?;
        return Some((String::from_utf8_lossy(body.get(..end)?), body.get(end + 1..)?));
    }
    if quote != b'"' {
        return None;
    }
    let end = memchr::memchr2(b'"', b'\\', body)?;
    if body.get(end) == Some(&b'"') {
        return Some((String::from_utf8_lossy(body.get(..end)?), body.get(end + 1..)?));
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    loop {
        let plain = memchr::memchr2(b'"', b'\\', rest)?;
        out.extend_from_slice(rest.get(..plain)?);
        let stop = rest.get(plain)?;
        rest = rest.get(plain + 1..)?;
        if *stop == b'"' {
            return Some((Cow::Owned(String::from_utf8_lossy(&out).into_owned()), rest));
        }
        rest = escape(rest, &mut out)?;
    }
}

/// Reads what follows a backslash.
fn escape<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&letter, after) = rest.split_first()?;
    let (digits, radix) = match letter {
        b'a' => return byte(out, 0x07, after),
        b'b' => return byte(out, 0x08, after),
        b'f' => return byte(out, 0x0c, after),
        b'n' => return byte(out, b'\n', after),
        b'r' => return byte(out, b'\r', after),
        b't' => return byte(out, b'\t', after),
        b'v' => return byte(out, 0x0b, after),
        b'\\' | b'"' => return byte(out, letter, after),
        b'x' => (2, 16),
        b'u' => (4, 16),
        b'U' => (8, 16),
        b'0'..=b'7' => (3, 8),
        _ => return None,
    };
    let after = if radix == 8 { rest } else { after };
    let (number, after) = after.split_at_checked(digits)?;
    if !number.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let number = u32::from_str_radix(std::str::from_utf8(number).ok()?, radix).ok()?;
    if matches!(letter, b'u' | b'U') {
        let mut buffer = [0; 4];
        out.extend_from_slice(char::from_u32(number)?.encode_utf8(&mut buffer).as_bytes());
        return Some(after);
    }
    byte(out, u8::try_from(number).ok()?, after)
}

fn byte<'a>(out: &mut Vec<u8>, byte: u8, after: &'a [u8]) -> Option<&'a [u8]> {
    out.push(byte);
    Some(after)
}

/// A key as `BuildInfo.String` writes it.
pub(super) fn key(text: &str) -> Cow<'_, str> {
    quoted_if(text, text.is_empty() || text.contains(['=', ' ', '\t', '\r', '\n', '"', '`']))
}

/// A value as `BuildInfo.String` writes it.
pub(super) fn value(text: &str) -> Cow<'_, str> {
    quoted_if(text, text.contains([' ', '\t', '\r', '\n', '"', '`']))
}

fn quoted_if(text: &str, needed: bool) -> Cow<'_, str> {
    if needed { Cow::Owned(quoted(text)) } else { Cow::Borrowed(text) }
}

/// A text as `strconv.Quote` writes it. Of what Go does not print only control characters are told.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        // Writing to a String cannot fail.
        let _ = match letter {
            '"' | '\\' => write!(out, "\\{letter}"),
            '\u{7}' => write!(out, "\\a"),
            '\u{8}' => write!(out, "\\b"),
            '\u{c}' => write!(out, "\\f"),
            '\n' => write!(out, "\\n"),
            '\r' => write!(out, "\\r"),
            '\t' => write!(out, "\\t"),
            '\u{b}' => write!(out, "\\v"),
            letter if letter.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(letter)),
            letter if letter.is_control() => write!(out, "\\u{:04x}", u32::from(letter)),
            letter => write!(out, "{letter}"),
        };
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        let table: &[(&str, Option<(&str, &str)>)] = &[
            (r#""a b"=c"#, Some(("a b", "=c"))),
            ("`a\\n`x", Some(("a\\n", "x"))),
            (r#""\x41\101\u00e4\U0001F600\t\\\"""#, Some(("AAä😀\t\\\"", ""))),
            (r#""open"#, None),
            (r#""open\"#, None),
            (r#""\q""#, None),
            (r#""\777""#, None),
            (r#""\u+041""#, None),
            (r#""\ud800""#, None),
            ("`open", None),
            ("bare", None),
            ("", None),
        ];
        for (text, expected) in table {
            let got = unquote_prefix(text.as_bytes());
            let expected = expected.map(|(value, rest)| (Cow::from(value), rest.as_bytes()));
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn texts_are_quoted_as_go_does() {
        // Printed by strconv.Quote.
        for (text, quoted_by_go) in [
            ("web", r#""web""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("a\n\t\r\u{1}\u{7f}", r#""a\n\t\r\x01\x7f""#),
            ("\u{7}\u{8}\u{b}\u{c}\u{85}", r#""\a\b\v\f\u0085""#),
            ("\u{e4}'", "\"\u{e4}'\""),
        ] {
            assert_eq!(quoted(text), quoted_by_go, "{text:?}");
        }
    }
}
