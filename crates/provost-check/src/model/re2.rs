//! Whether a regular expression is one of RE2: what Istio, Envoy and Prometheus match with.
//!
//! Source: `parse` in regexp/syntax/parse.go of Go 1.26, which Istio's webhook compiles them by
//! (`validateStringRegexp`), with the flags of `regexp.Compile`. Names of Unicode's classes longer than
//! one letter are taken as they are: their table grows with each version.
//!
//! Constraints: linear in the text, which is bounded; nothing recurses.

/// Bytes of a pattern that is read; Istio takes 1024.
const LONGEST: usize = 4096;

/// `maxHeight` of Go's parser: groups inside one another.
const DEEPEST: usize = 1000;

/// Times that anything may be repeated, repetitions inside one another multiplied (`repeatIsValid`).
const MOST_REPEATS: u32 = 1000;

/// Why it does not compile, in Go's words, and the part of it: ``missing closing ]: `[a` ``. `None` for
/// what does, and for what is too long to say.
pub fn error(pattern: &str) -> Option<String> {
    if pattern.len() > LONGEST {
        return None;
    }
    let mut parser = Parser { rest: pattern, open: Vec::new() };
    parser.whole(pattern).err().map(|refused| match refused.part.is_empty() {
        true => refused.why.to_owned(),
        false => format!("{}: `{}`", refused.why, refused.part),
    })
}

struct Refused<'p> {
    why: &'static str,
    part: &'p str,
}

type Read<'p, T = ()> = Result<T, Refused<'p>>;

/// A group that is open, or the whole.
#[derive(Default)]
struct Group {
    /// There is something in front that can be repeated.
    operand: bool,
    /// Times that what stands in front is repeated at most, inside of it too.
    last: u32,
    /// The same of everything before that.
    before: u32,
}

impl Group {
    fn literal(&mut self) {
        self.push(1);
    }

    fn push(&mut self, repeated: u32) {
        self.before = self.repeated();
        self.last = repeated;
        self.operand = true;
    }

    fn repeated(&self) -> u32 {
        self.before.max(self.last).max(1)
    }
}

struct Parser<'p> {
    rest: &'p str,
    open: Vec<Group>,
}

impl<'p> Parser<'p> {
    fn whole(&mut self, pattern: &'p str) -> Read<'p> {
        let mut group = Group::default();
        // The repetition that ends here, from its sign on.
        let mut repetition: Option<&'p str> = None;
        while let Some(first) = self.rest.chars().next() {
            let from = self.rest;
            let mut repeated = None;
            match first {
                '(' if from.starts_with("(?") => {
                    if self.group_or_flags()? {
                        self.down(&mut group, pattern)?;
                    }
                }
                '(' => {
                    self.skip(1);
                    self.down(&mut group, pattern)?;
                }
                '|' => {
                    self.skip(1);
                    group.before = group.repeated();
                    group.last = 0;
                    group.operand = false;
                }
                ')' => {
                    let Some(outer) = self.open.pop() else {
                        return Err(Refused { why: "unexpected )", part: pattern });
                    };
                    self.skip(1);
                    let inside = group.repeated();
                    group = outer;
                    group.push(inside);
                }
                '[' => {
                    self.class()?;
                    group.literal();
                }
                '*' | '+' | '?' => {
                    self.skip(1);
                    self.repeat(from, repetition, &group)?;
                    repeated = Some(from);
                }
                '{' => match counts(from) {
                    None => {
                        self.skip(1);
                        group.literal();
                    }
                    Some((least, most, rest)) => {
                        let part = &from[..from.len() - rest.len()];
                        let invalid = Refused { why: "invalid repeat count", part };
                        let bound = most.unwrap_or(0);
                        if least > MOST_REPEATS
                            || bound > MOST_REPEATS
                            || most.is_some_and(|most| least > most)
                        {
                            return Err(invalid);
                        }
                        self.rest = rest;
                        self.repeat(from, repetition, &group)?;
                        let times = most.unwrap_or(least);
                        let product = group.last.max(1).saturating_mul(times.max(1));
                        // What is repeated no times is not looked into.
                        if times > 0 {
                            if (least >= 2 || bound >= 2) && product > MOST_REPEATS {
                                return Err(invalid);
                            }
                            group.last = product;
                        }
                        repeated = Some(from);
                    }
                },
                '\\' => self.escape_or_more(&mut group)?,
                other => {
                    self.skip(other.len_utf8());
                    group.literal();
                }
            }
            repetition = repeated;
        }
        match self.open.is_empty() {
            true => Ok(()),
            false => Err(Refused { why: "missing closing )", part: pattern }),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn down(&mut self, group: &mut Group, pattern: &'p str) -> Read<'p> {
        self.open.push(std::mem::take(group));
        match self.open.len() > DEEPEST {
            true => Err(Refused { why: "expression nests too deeply", part: pattern }),
            false => Ok(()),
        }
    }

    /// From after the sign of a repetition.
    fn repeat(&mut self, from: &'p str, before: Option<&'p str>, group: &Group) -> Read<'p> {
        if self.rest.starts_with('?') {
            self.skip(1);
        }
        let part = |from: &'p str| &from[..from.len() - self.rest.len()];
        if let Some(before) = before {
            let why = "invalid nested repetition operator";
            return Err(Refused { why, part: part(before) });
        }
        match group.operand {
            true => Ok(()),
            false => {
                let why = "missing argument to repetition operator";
                Err(Refused { why, part: part(from) })
            }
        }
    }

    /// Past `(?P<name>`, `(?:` or `(?i)`; whether a group is open now.
    fn group_or_flags(&mut self) -> Read<'p, bool> {
        let from = self.rest;
        let named = (from.len() > 4 && from.starts_with("(?P<")).then_some(4);
        let named = named.or((from.len() > 3 && from.starts_with("(?<")).then_some(3));
        if let Some(start) = named {
            let why = "invalid named capture";
            let Some(end) = from.find('>') else { return Err(Refused { why, part: from }) };
            let (name, part) = (&from[start..end], &from[..=end]);
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            if name.is_empty() || !name.bytes().all(plain) {
                return Err(Refused { why, part });
            }
            self.skip(end + 1);
            return Ok(true);
        }
        let (mut negative, mut flag) = (false, false);
        for (at, sign) in from.char_indices().skip(2) {
            match sign {
                'i' | 'm' | 's' | 'U' => flag = true,
                '-' if !negative => (negative, flag) = (true, false),
                ':' | ')' if !negative || flag => {
                    self.skip(at + 1);
                    return Ok(sign == ':');
                }
                other => {
                    let part = &from[..at + other.len_utf8()];
                    return Err(Refused { why: "invalid or unsupported Perl syntax", part });
                }
            }
        }
        Err(Refused { why: "invalid or unsupported Perl syntax", part: from })
    }

    fn escape_or_more(&mut self, group: &mut Group) -> Read<'p> {
        let from = self.rest;
        match from.as_bytes().get(1) {
            Some(b'A' | b'b' | b'B' | b'z') => self.skip(2),
            Some(b'C') => {
                return Err(Refused { why: "invalid escape sequence", part: &from[..2] });
            }
            Some(b'Q') => {
                let text = &from[2..];
                let (literal, rest) = text.split_once("\\E").unwrap_or((text, ""));
                self.rest = rest;
                if literal.is_empty() {
                    return Ok(());
                }
            }
            _ if self.unicode_class()? || self.perl_class() => {}
            _ => {
                self.escape()?;
            }
        }
        group.literal();
        Ok(())
    }

    /// `\p{Greek}`, `\pL`
    fn unicode_class(&mut self) -> Read<'p, bool> {
        let from = self.rest;
        if !from.starts_with("\\p") && !from.starts_with("\\P") {
            return Ok(false);
        }
        let why = "invalid character class range";
        if from.as_bytes().get(2) == Some(&b'{') {
            let Some(end) = from.find('}') else { return Err(Refused { why, part: from }) };
            let name = from[3..end].trim_start_matches('^');
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b' ');
            if name.is_empty() || !name.bytes().all(plain) {
                return Err(Refused { why, part: &from[..=end] });
            }
            self.skip(end + 1);
            return Ok(true);
        }
        let name = from[2..].chars().next();
        // The categories of one letter, in lower case too from Go 1.25 on.
        if !name.is_some_and(|name| "CLMNPSZ".contains(name.to_ascii_uppercase())) {
            let end = 2 + name.map_or(0, char::len_utf8);
            return Err(Refused { why, part: &from[..end] });
        }
        self.skip(3);
        Ok(true)
    }

    fn perl_class(&mut self) -> bool {
        let is =
            matches!(self.rest.as_bytes().get(1), Some(b'd' | b'D' | b's' | b'S' | b'w' | b'W'));
        if is {
            self.skip(2);
        }
        is
    }

    /// One character that is written with a backslash.
    fn escape(&mut self) -> Read<'p, u32> {
        let from = self.rest;
        let mut chars = from[1..].chars();
        let Some(first) = chars.next() else {
            return Err(Refused { why: "trailing backslash at end of expression", part: "" });
        };
        let octal = |text: &str| text.bytes().take_while(|b| (b'0'..=b'7').contains(b)).count();
        let tail = &from[1 + first.len_utf8()..];
        let (value, rest) = match first {
            // A digit alone would be a reference to a group.
            '0'..='7' if first == '0' || octal(tail) > 0 => {
                let end = 2 + octal(tail).min(2);
                let value = u32::from_str_radix(&from[1..end], 8).unwrap_or_default();
                (Some(value), from.get(end..))
            }
            'x' if tail.starts_with('{') => {
                let digits = tail.find('}').map(|end| &tail[1..end]);
                let plain =
                    |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
                let digits = digits.filter(plain);
                let value = digits.and_then(|text| {
                    u32::from_str_radix(text, 16).ok().filter(|value| *value <= 0x0010_FFFF)
                });
                (value, digits.and_then(|text| tail.get(text.len() + 2..)))
            }
            'x' => {
                let digits = tail.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
                let value = digits.and_then(|two| u32::from_str_radix(two, 16).ok());
                (value, tail.get(2..))
            }
            'a' => (Some(7), Some(tail)),
            'f' => (Some(12), Some(tail)),
            'n' => (Some(10), Some(tail)),
            'r' => (Some(13), Some(tail)),
            't' => (Some(9), Some(tail)),
            'v' => (Some(11), Some(tail)),
            sign if sign.is_ascii() && !sign.is_ascii_alphanumeric() => {
                (Some(u32::from(sign)), Some(tail))
            }
            _ => (None, None),
        };
        let (Some(value), Some(rest)) = (value, rest) else {
            let part = &from[..1 + first.len_utf8()];
            return Err(Refused { why: "invalid escape sequence", part });
        };
        self.rest = rest;
        Ok(value)
    }

    fn class(&mut self) -> Read<'p> {
        let whole = self.rest;
        self.skip(1);
        if self.rest.starts_with('^') {
            self.skip(1);
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.rest.starts_with("[:")
                && let Some(end) = self.rest[2..].find(":]")
            {
                let part = &self.rest[..end + 4];
                let name = part[2..end + 2].trim_start_matches('^');
                let negated_once = !part[2..].starts_with("^^");
                if !POSIX.contains(&name) || !negated_once {
                    return Err(Refused { why: "invalid character class range", part });
                }
                self.skip(part.len());
                continue;
            }
            if self.unicode_class()? || self.perl_class() {
                continue;
            }
            let from = self.rest;
            let low = self.character(whole)?;
            if self.rest.len() >= 2 && self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.skip(1);
                if self.character(whole)? < low {
                    let part = &from[..from.len() - self.rest.len()];
                    return Err(Refused { why: "invalid character class range", part });
                }
            }
        }
        self.skip(1);
        Ok(())
    }

    /// One of a class.
    fn character(&mut self, whole: &'p str) -> Read<'p, u32> {
        match self.rest.chars().next() {
            None => Err(Refused { why: "missing closing ]", part: whole }),
            Some('\\') => self.escape(),
            Some(other) => {
                self.skip(other.len_utf8());
                Ok(u32::from(other))
            }
        }
    }
}

const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// `{2,5}`: the least, the most where there is one, and what follows; `None` where it is a text.
fn counts(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (least, rest) = number(text.strip_prefix('{')?)?;
    let (most, rest) = match rest.strip_prefix(',') {
        None => (Some(least), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => number(rest).map(|(most, rest)| (Some(most), rest))?,
    };
    Some((least, most, rest.strip_prefix('}')?))
}

/// Without zeros in front; one that is too large is too large whatever it is.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    /// What `regexp.Compile` of Go 1.26 says of each.
    #[test]
    fn errors_are_those_of_go() {
        for (pattern, wanted) in [
            ("/parcels/(?!x", "invalid or unsupported Perl syntax: `(?!`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?<=a)b", "invalid named capture: `(?<=a)b`"),
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("[a", "missing closing ]: `[a`"),
            ("[]", "missing closing ]: `[]`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            ("*.svc", "missing argument to repetition operator: `*`"),
            ("a|*", "missing argument to repetition operator: `*`"),
            ("(*)", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            ("(a{100}){11}", "invalid repeat count: `{11}`"),
            (r"a\", "trailing backslash at end of expression"),
            (r"(a)\1", r"invalid escape sequence: `\1`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            (r"\C", r"invalid escape sequence: `\C`"),
            (r"\x{110000}", r"invalid escape sequence: `\x`"),
            (r"\pX", r"invalid character class range: `\pX`"),
            ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
        ] {
            assert_eq!(error(pattern).as_deref(), Some(wanted), "{pattern}");
        }
    }

    /// Other engines refuse some of these.
    #[test]
    fn what_go_takes() {
        for pattern in [
            "",
            "^/api/(v1|v2)/.*$",
            "/foo/{id}",
            "a{,5}",
            "a{",
            "a{01}",
            "[]a]",
            "[^]]",
            "[a-]",
            "[[]",
            "[a&&b]",
            "[[:^alpha:]\\d\\p{Greek}-]",
            r"\<a\>\_\-\/",
            r"\Qa.b*\E+",
            r"\Q(",
            r"\012\0\x7F\x{10FFFF}",
            r"\pL\PN\p{^Lu}",
            "(?i)a*(?-i)*",
            "(?P<a>x)(?<b>y)(?:z)(?i-s:w)(?P<a>v)",
            "a*?b+?c??d{2,3}?",
            "(a{100}){10}",
            "(a{1000}){0}",
            "(a*)*",
            "()*",
            "|a||",
            "ä+",
        ] {
            assert_eq!(error(pattern), None, "{pattern}");
        }
        assert_eq!(error(&"(".repeat(LONGEST + 1)), None);
        assert!(error(&"(".repeat(LONGEST)).is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            error(&text);
        }

        #[test]
        fn any_words_are_read(words in proptest::collection::vec(proptest::sample::select(vec![
            "a", "(", ")", "(?", "(?P<a>", ":", "[", "]", "[:", ":]", "-", "^", "\\", "\\p", "{", "}",
            "2", ",", "*", "+", "?", "|", "\\Q", "\\E", "x", "ß", "1000"]), 0..40)) {
            error(&words.concat());
        }
    }
}
