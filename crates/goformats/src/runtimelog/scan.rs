//! One line, word by word, as the runtime writes it.

/// Bytes of a word that is not known: a package's path, a reason to wait.
const LONGEST: usize = 512;

/// Why a line is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It ended where more was to come: all of it fits so far.
    End,
    /// What stands at this offset fits nothing; all before it does.
    Unfit(usize),
}

/// Reads words from the front. Each word is one that the runtime writes with a call of its own; [`Scan::ends`]
/// is told where each of them ends.
pub(super) struct Scan<'a, 'm> {
    text: &'a [u8],
    at: usize,
    ends: Option<&'m mut Vec<usize>>,
}

impl<'a, 'm> Scan<'a, 'm> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, ends: None }
    }

    /// The same, with the end of each word noted.
    pub(super) fn noting(text: &'a [u8], ends: &'m mut Vec<usize>) -> Self {
        Self { text, at: 0, ends: Some(ends) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Why the next byte is not taken.
    pub(super) fn stop(&self) -> Stop {
        if self.at < self.text.len() { Stop::Unfit(self.at) } else { Stop::End }
    }

    fn word(&mut self) {
        if let Some(ends) = &mut self.ends {
            ends.push(self.at);
        }
    }

    /// Exactly that text.
    pub(super) fn lit(&mut self, word: &[u8]) -> Result<(), Stop> {
        for byte in word {
            if self.peek() != Some(*byte) {
                return Err(self.stop());
            }
            self.at += 1;
        }
        self.word();
        Ok(())
    }

    /// That text or none of it, which its first byte decides.
    pub(super) fn maybe(&mut self, word: &[u8]) -> Result<bool, Stop> {
        match (self.peek(), word.first()) {
            (None, _) => Err(Stop::End),
            (Some(next), Some(first)) if next == *first => self.lit(word).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Whether that text is next, which takes nothing.
    pub(super) fn starts(&self, word: &[u8]) -> Result<bool, Stop> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.len() < word.len() && word.starts_with(rest) {
            return Err(Stop::End);
        }
        Ok(rest.starts_with(word))
    }

    /// One of the texts, whose first bytes differ.
    pub(super) fn one_of(&mut self, words: &[&[u8]]) -> Result<usize, Stop> {
        for (index, word) in words.iter().enumerate() {
            if self.peek() == word.first().copied() {
                return self.lit(word).map(|()| index);
            }
        }
        Err(self.stop())
    }

    /// `print(uint64)`: digits without leading zeros.
    pub(super) fn uint(&mut self) -> Result<u64, Stop> {
        let value = self.digits()?;
        self.word();
        Ok(value)
    }

    /// `print(int64)`
    pub(super) fn int(&mut self) -> Result<i64, Stop> {
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let value = i64::try_from(self.digits()?).map_err(|_| Stop::Unfit(self.at))?;
        self.word();
        Ok(if negative { -value } else { value })
    }

    fn digits(&mut self) -> Result<u64, Stop> {
        let Some(first) = self.peek().filter(u8::is_ascii_digit) else { return Err(self.stop()) };
        self.at += 1;
        let mut value = u64::from(first - b'0');
        if first == b'0' {
            return Ok(value);
        }
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let next = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
            value = next.ok_or(Stop::Unfit(self.at))?;
            self.at += 1;
        }
        Ok(value)
    }

    /// `itoaDiv(x, 3)`: three digits behind the point. The value is in thousandths.
    pub(super) fn thousandths(&mut self) -> Result<u64, Stop> {
        let mut value = self.digits()?;
        self.byte(b'.')?;
        for _ in 0..3 {
            let Some(digit) = self.peek().filter(u8::is_ascii_digit) else {
                return Err(self.stop());
            };
            let next = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
            value = next.ok_or(Stop::Unfit(self.at))?;
            self.at += 1;
        }
        self.word();
        Ok(value)
    }

    /// `fmtNSAsMS`: milliseconds with two digits that count, at most three behind the point, cut off and
    /// not rounded. Gives nanoseconds, and how many the last digit stands for.
    pub(super) fn milliseconds(&mut self) -> Result<(u64, u64), Stop> {
        let (value, mut unit) = (self.digits()?, 1_000_000_u64);
        let mut nanos = value.checked_mul(unit).ok_or(Stop::Unfit(self.at))?;
        if value < 10 && self.peek() == Some(b'.') {
            self.at += 1;
            // Of `0.0..` two more digits follow, of `0.1..` one, of `1..` none.
            let mut counts = u8::from(value > 0);
            while counts < 2 && unit > 1000 {
                // `0.5` and `0.05` are never printed: the second digit is, though it be 0.
                let Some(digit) = self.peek().filter(u8::is_ascii_digit) else {
                    return Err(self.stop());
                };
                unit /= 10;
                nanos += u64::from(digit - b'0') * unit;
                counts += u8::from(counts > 0 || digit != b'0');
                self.at += 1;
            }
            if nanos == 0 {
                return Err(Stop::Unfit(self.at - 1));
            }
        } else if value > 0 && value < 10 {
            return Err(self.stop());
        } else if value == 0 {
            // Below a microsecond.
            unit = 1000;
        }
        self.word();
        Ok((nanos, unit))
    }

    /// What stands before a mark, which is read as well. Where there is none, all that follows may be
    /// what stands before it, up to [`LONGEST`].
    pub(super) fn until(&mut self, mark: &[u8]) -> Result<&'a [u8], Stop> {
        let from = self.at;
        let rest = self.text.get(from..).unwrap_or_default();
        let near = rest.get(..LONGEST.min(rest.len())).unwrap_or_default();
        match memchr::memmem::find(near, mark) {
            Some(found) => {
                self.at += found + mark.len();
                self.word();
                Ok(rest.get(..found).unwrap_or_default())
            }
            None if near.len() < rest.len() => Err(Stop::Unfit(from)),
            None => Err(Stop::End),
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek() != Some(byte) {
            return Err(self.stop());
        }
        self.at += 1;
        Ok(())
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        self.at == self.text.len()
    }

    /// There is no more.
    pub(super) fn end(&self) -> Result<(), Stop> {
        if self.is_done() { Ok(()) } else { Err(Stop::Unfit(self.at)) }
    }
}
