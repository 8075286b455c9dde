//! As much of JSON as expvar, the journal and container runtimes print: names, texts and numbers, with all else passed
//! over.

/// A text that is read from the front.
pub(crate) struct Json<'t> {
    text: &'t [u8],
    at: usize,
}

/// How deep values that are passed over may lie in each other.
const DEEPEST: usize = 64;

impl<'t> Json<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Whether one of these bytes is next, behind spaces.
    pub(crate) fn begins(&mut self, bytes: &[u8]) -> bool {
        self.peek().is_some_and(|next| bytes.contains(&next))
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// That byte, behind spaces.
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The entries of an object. `value` takes what stands behind the colon, or leaves it, which passes it over.
    pub(crate) fn object(
        &mut self,
        value: &mut dyn FnMut(&'t [u8], &mut Self) -> Option<()>,
    ) -> Option<()> {
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            let name = self.string()?;
            self.take(b':')?;
            // Who looks at what it is leaves the spaces before it behind.
            self.peek();
            let before = self.at;
            value(name, self)?;
            if self.at == before {
                self.pass()?;
            }
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    /// The entries of an array.
    pub(crate) fn array(&mut self, value: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.peek();
            let before = self.at;
            value(self)?;
            if self.at == before {
                self.pass()?;
            }
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    /// A string as it is written, without its quotes.
    pub(crate) fn string(&mut self) -> Option<&'t [u8]> {
        self.take(b'"')?;
        let from = self.at;
        loop {
            let step = memchr::memchr2(b'"', b'\\', self.text.get(self.at..)?)?;
            self.at += step;
            if self.text.get(self.at) == Some(&b'"') {
                self.at += 1;
                return self.text.get(from..self.at - 1);
            }
            self.at += 2;
        }
    }

    /// A number; anything else is left.
    pub(crate) fn number(&mut self) -> Option<f64> {
        self.peek()?;
        let rest = self.text.get(self.at..)?;
        let of = |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
        let end = rest.iter().position(|b| !of(b)).unwrap_or(rest.len());
        let word = std::str::from_utf8(rest.get(..end)?).ok()?;
        let value = word.parse::<f64>().ok().filter(|value| value.is_finite())?;
        self.at += end;
        Some(value)
    }

    /// Passes one value over.
    fn pass(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    if depth > DEEPEST {
                        return None;
                    }
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    let rest = self.text.get(self.at..)?;
                    let end =
                        |b: &u8| matches!(b, b',' | b':' | b'}' | b']') || b.is_ascii_whitespace();
                    let word = rest.iter().position(end).unwrap_or(rest.len());
                    if word == 0 {
                        return None;
                    }
                    self.at += word;
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

/// What a string means that is written like that.
pub(crate) fn unescaped(raw: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        match bytes.next()? {
            b'n' => text.push(b'\n'),
            b't' => text.push(b'\t'),
            b'r' => text.push(b'\r'),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'u' => {
                let mut code = four_digits(&mut bytes)?;
                // What stands beyond the first 65536 is written in two halves; one alone stands for nothing.
                let mut ahead = bytes.clone();
                if (0xd800..0xdc00).contains(&code)
                    && (ahead.next(), ahead.next()) == (Some(b'\\'), Some(b'u'))
                    && let Some(low @ 0xdc00..0xe000) = four_digits(&mut ahead)
                {
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    bytes = ahead;
                }
                let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => text.push(other),
        }
    }
    Some(text)
}

fn four_digits(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    (0..4).try_fold(0, |code, _| Some(code * 16 + char::from(bytes.next()?).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::{Json, unescaped};

    /// A value that is none of those that were asked for stood behind a space, and all behind it was lost.
    #[test]
    fn what_is_passed_over_may_stand_behind_spaces() {
        let mut seen = Vec::new();
        let text = br#"{ "a" : null, "b" :[ null, 1 ], "c" : "d" }"#;
        let done = Json::new(text).object(&mut |name, json| {
            seen.push((name, json.string()));
            Some(())
        });
        assert_eq!(done, Some(()));
        assert_eq!(seen, [(&b"a"[..], None), (b"b", None), (b"c", Some(&b"d"[..]))]);
    }

    #[test]
    fn a_letter_in_two_halves_is_one_letter() {
        let of = |raw: &str| String::from_utf8(unescaped(raw.as_bytes()).unwrap()).unwrap();
        assert_eq!(of(r#"a\u00e4\ud83d\ude00\n\"b\\"#), "a\u{e4}\u{1f600}\n\"b\\");
        assert_eq!(of(r"\ud83dx\ude00\ud83d\u0041"), "\u{fffd}x\u{fffd}\u{fffd}A");
        assert_eq!(unescaped(br"\u00g0"), None);
        assert_eq!(unescaped(b"\\"), None);
    }
}
