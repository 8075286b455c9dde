//! Go source as tokens: as much of the language's lexical grammar (Go 1.27 specification, "Lexical
//! elements") as tells names, literals and calls apart from comments and text.

/// A token. Semicolons that Go puts in at line ends are left out; the lines tell where they are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'s> {
    /// An identifier or a keyword.
    Word(&'s str),
    /// An interpreted or raw string, without its quotes and escapes.
    Text(String),
    /// A number as it is written.
    Number(&'s str),
    /// A character literal; nobody asks for its value.
    Character,
    /// One byte of an operator.
    Mark(u8),
}

/// The tokens of a file, and the line on which each begins, from 1. What is no Go at all still gives
/// some.
pub(super) fn tokens(source: &str) -> (Vec<Token<'_>>, Vec<u32>) {
    let bytes = source.as_bytes();
    let mut out = Vec::new();
    let mut lines: Vec<u32> = Vec::new();
    let (mut at, mut counted, mut line) = (0, 0, 1u32);
    while let Some(&byte) = bytes.get(at) {
        let ended = bytes[counted..at].iter().filter(|byte| **byte == b'\n').count();
        line = line.saturating_add(u32::try_from(ended).unwrap_or(u32::MAX));
        counted = at;
        match (byte, bytes.get(at + 1)) {
            (b'/', Some(b'/')) => at = end_of_line(bytes, at),
            (b'/', Some(b'*')) => {
                at = source
                    .get(at + 2..)
                    .and_then(|rest| rest.find("*/"))
                    .map_or(bytes.len(), |n| at + n + 4);
            }
            (b'"', _) => {
                let (text, end) = interpreted(source, at + 1);
                out.push(Token::Text(text));
                at = end;
            }
            (b'`', _) => {
                let end = source[at + 1..].find('`').map_or(bytes.len(), |n| at + 1 + n);
                out.push(Token::Text(source[at + 1..end].replace('\r', "")));
                at = end + 1;
            }
            (b'\'', _) => {
                at = character(bytes, at + 1);
                out.push(Token::Character);
            }
            _ if is_letter(byte) => {
                let end = while_true(bytes, at, |byte| is_letter(byte) || byte.is_ascii_digit());
                out.push(Token::Word(&source[at..end]));
                at = end;
            }
            _ if byte.is_ascii_digit() => {
                let end =
                    while_true(bytes, at, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
                out.push(Token::Number(&source[at..end]));
                at = end;
            }
            _ => {
                if !byte.is_ascii_whitespace() {
                    out.push(Token::Mark(byte));
                }
                at += 1;
            }
        }
        lines.resize(out.len(), line);
    }
    (out, lines)
}

/// Letters of other alphabets are bytes above ASCII; which ones are letters makes no difference here.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn while_true(bytes: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !wanted(*byte)).map_or(bytes.len(), |n| from + n)
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    while_true(bytes, from, |byte| byte != b'\n')
}

/// The text of an interpreted string from behind its quote, and where the source goes on.
fn interpreted(source: &str, from: usize) -> (String, usize) {
    let mut text = String::new();
    let mut rest = source[from..].char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => return (text, from + at + 1),
            // It has to end on its line: a file that is broken here is not broken to its end.
            '\n' => return (text, from + at),
            '\\' => match rest.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                // By their numbers: nothing that is looked for is written so.
                Some((_, 'x' | 'u' | 'U' | '0'..='7')) => text.push('\u{fffd}'),
                Some((at, '\n')) => return (text, from + at),
                Some((_, other)) => text.push(other),
                None => break,
            },
            other => text.push(other),
        }
    }
    (text, source.len())
}

fn character(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\'' => return at + 1,
            b'\n' => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_told_apart() {
        let source = "a // \"b\"\n/* `c` */ \"d\\\"e\" `f\"g` '\\'' 0x1F é := 1.5\"unclosed\nh";
        assert_eq!(
            tokens(source).0,
            [
                Token::Word("a"),
                Token::Text("d\"e".into()),
                Token::Text("f\"g".into()),
                Token::Character,
                Token::Number("0x1F"),
                Token::Word("é"),
                Token::Mark(b':'),
                Token::Mark(b'='),
                Token::Number("1.5"),
                Token::Text("unclosed".into()),
                Token::Word("h"),
            ]
        );
    }

    #[test]
    fn tokens_know_their_lines() {
        let (found, lines) = tokens("a /* \n */ b\n`c\nd` e\n// f\n\"g\"\n");
        assert_eq!(lines, [1, 2, 3, 4, 6]);
        assert_eq!(found.len(), lines.len());
    }

    #[test]
    fn nothing_that_ends_early_is_a_fault() {
        for source in ["\"", "\"\\", "`", "'", "'\\", "/*", "/", "\"é\\é", "`é", "/*é", "'é"] {
            let _ = tokens(source);
        }
    }
}
