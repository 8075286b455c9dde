//! Where the body of a response ends (RFC 9112, section 6.3).

/// Digits of a chunk's size; more would be more than any machine has.
const MOST_SIZE_DIGITS: usize = 16;

/// Bytes of a line between chunks: extensions and trailers are skipped, within reason.
const MOST_LINE: usize = 8 << 10;

/// What was wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Garbled;

/// Finds the end of a body in the bytes that come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// That many bytes are missing.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// All until the connection is closed.
    UntilClosed,
}

/// The place in a chunked body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    at: At,
    /// Of the line that is being read.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// In the line with the size.
    #[default]
    Size,
    /// That many bytes of the chunk are missing, and its line break.
    Data(u64),
    /// In the line break behind a chunk.
    Break,
    /// In the trailers.
    Trailer,
    /// Behind the last line.
    Done,
}

impl Body {
    /// Takes what belongs to the body from the front of `bytes`: how many that were, how many of them
    /// were content, and whether the body is whole.
    ///
    /// # Errors
    /// When chunks are not written as chunks.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(usize, u64, bool), Garbled> {
        self.take_to(bytes, &mut |_| {})
    }

    /// The same, with the content handed on.
    ///
    /// # Errors
    /// When chunks are not written as chunks.
    pub fn take_to(
        &mut self,
        bytes: &[u8],
        content: &mut dyn FnMut(&[u8]),
    ) -> Result<(usize, u64, bool), Garbled> {
        match self {
            Self::UntilClosed => {
                content(bytes);
                Ok((bytes.len(), bytes.len() as u64, false))
            }
            Self::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                content(bytes.get(..taken).unwrap_or_default());
                *left -= taken as u64;
                Ok((taken, taken as u64, *left == 0))
            }
            Self::Chunked(chunks) => chunks.take(bytes, content),
        }
    }

    /// Whether the body is whole before a byte of it has come.
    pub fn is_empty(&self) -> bool {
        *self == Self::Length(0)
    }
}

impl Chunks {
    fn take(
        &mut self,
        bytes: &[u8],
        to: &mut dyn FnMut(&[u8]),
    ) -> Result<(usize, u64, bool), Garbled> {
        let (mut at, mut content) = (0, 0);
        while at < bytes.len() && self.at != At::Done {
            match self.at {
                At::Data(left) => {
                    let wanted = usize::try_from(left).unwrap_or(usize::MAX);
                    let taken = (bytes.len() - at).min(wanted);
                    to(bytes.get(at..at + taken).unwrap_or_default());
                    at += taken;
                    content += taken as u64;
                    let left = left - taken as u64;
                    self.at = if left == 0 { At::Break } else { At::Data(left) };
                }
                At::Size | At::Break | At::Trailer => {
                    let byte = bytes[at];
                    at += 1;
                    if byte != b'\n' {
                        if self.line.len() >= MOST_LINE {
                            return Err(Garbled);
                        }
                        self.line.push(byte);
                        continue;
                    }
                    self.line_ended()?;
                }
                At::Done => {}
            }
        }
        Ok((at, content, self.at == At::Done))
    }

    fn line_ended(&mut self) -> Result<(), Garbled> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        self.at = match self.at {
            At::Break if line.is_empty() => At::Size,
            At::Trailer if line.is_empty() => At::Done,
            At::Trailer => At::Trailer,
            At::Size => match size(line)? {
                0 => At::Trailer,
                size => At::Data(size),
            },
            At::Break | At::Data(_) | At::Done => return Err(Garbled),
        };
        Ok(())
    }
}

/// The size that begins a chunk; what follows it is an extension.
fn size(line: &[u8]) -> Result<u64, Garbled> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let text = line.get(..digits).and_then(|text| std::str::from_utf8(text).ok());
    let rest = line.get(digits..).unwrap_or_default().trim_ascii_start();
    if digits == 0 || digits > MOST_SIZE_DIGITS || !(rest.is_empty() || rest.starts_with(b";")) {
        return Err(Garbled);
    }
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(Garbled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunked() -> Body {
        Body::Chunked(Chunks::default())
    }

    #[test]
    fn chunks_end_behind_their_trailers() {
        let text = b"5;x=1\r\nhello\r\n6\r\n world\r\n0\r\nExpires: never\r\n\r\nHTTP/1.1";
        let mut body = chunked();
        let (taken, content, whole) = body.take(text).unwrap();
        assert_eq!((&text[taken..], content, whole), (&b"HTTP/1.1"[..], 11, true));
    }

    #[test]
    fn a_cut_body_is_not_whole() {
        let text = b"5\r\nhello\r\n0\r\n\r\n";
        for cut in 0..text.len() {
            assert!(!chunked().take(&text[..cut]).unwrap().2, "at {cut}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_said_to_be_none() {
        for text in ["\r\n", "x\r\n", "5 5\r\n", "fffffffffffffffff\r\n", "1\r\nab\r\n"] {
            assert_eq!(chunked().take(text.as_bytes()), Err(Garbled), "{text}");
        }
        assert_eq!(chunked().take(&vec![b'a'; MOST_LINE + 1]), Err(Garbled));
    }

    proptest! {
        #[test]
        fn pieces_are_as_good_as_the_whole(
            sizes in prop::collection::vec(1_usize..300, 0..8),
            cuts in prop::collection::vec(1_usize..50, 1..40),
        ) {
            let mut text = Vec::new();
            for size in &sizes {
                text.extend(format!("{size:x}\r\n").bytes());
                text.extend(std::iter::repeat_n(b'x', *size));
                text.extend(b"\r\n");
            }
            text.extend(b"0\r\n\r\n");
            let (mut body, mut content, mut whole, mut rest) = (chunked(), 0, false, &text[..]);
            let mut kept = Vec::new();
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let piece = &rest[..rest.len().min(*cuts.next().unwrap())];
                let taken = body.take_to(piece, &mut |part| kept.extend_from_slice(part)).unwrap();
                prop_assert_eq!(taken.0, piece.len());
                content += taken.1;
                whole = taken.2;
                rest = &rest[piece.len()..];
            }
            prop_assert!(whole);
            prop_assert_eq!(content, sizes.iter().sum::<usize>() as u64);
            prop_assert_eq!(kept, vec![b'x'; sizes.iter().sum()]);
        }

        #[test]
        fn nothing_that_comes_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = chunked().take(&bytes);
        }
    }
}
