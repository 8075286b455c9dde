//! The frames of HTTP/2, as far as they tell what became of a connection and of its streams
//! (RFC 9113, sections 4.1, 6.4, 6.5 and 6.8). Payloads are passed over, but for the first bytes.

/// What a client says before its first frame (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of the head of a frame.
const HEAD: usize = 9;

/// Bytes of a payload that are looked at: those of GOAWAY without its debug data.
const LOOKED_AT: usize = 8;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing that matters here.
    Other,
    /// RST_STREAM, with its error code.
    Reset(u32),
    /// SETTINGS that are no acknowledgement.
    Settings,
    /// GOAWAY: streams above the first number were not looked at; the second is the error code.
    GoAway(u32, u32),
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// Bytes of the payload.
    pub length: u32,
    /// What it says.
    pub said: Said,
}

/// Finds frames in the bytes of one direction, in pieces as they come.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    /// Of the preface that are still to come.
    preface: usize,
    /// The head, and of the payload what is looked at.
    kept: [u8; HEAD + LOOKED_AT],
    have: usize,
    /// Bytes of the payload that are passed over.
    skip: usize,
}

impl Frames {
    /// Those that a server sends.
    pub fn of_server() -> Self {
        Self::default()
    }

    /// Those that a client sends.
    pub fn of_client() -> Self {
        Self { preface: PREFACE.len(), ..Self::default() }
    }

    /// Takes the bytes that come next, and tells of each frame whose beginning is whole.
    pub fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Frame)) {
        loop {
            let passed = bytes.len().min(self.preface + self.skip);
            let of_preface = passed.min(self.preface);
            self.preface -= of_preface;
            self.skip -= passed - of_preface;
            bytes = bytes.get(passed..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            let wanted = match self.length() {
                None => HEAD,
                Some(length) => HEAD + length.min(LOOKED_AT),
            };
            let taken = bytes.len().min(wanted - self.have);
            let (now, rest) = bytes.split_at(taken);
            if let Some(place) = self.kept.get_mut(self.have..self.have + taken) {
                place.copy_from_slice(now);
            }
            self.have += taken;
            bytes = rest;
            // The length is known with the head: how much is wanted may have grown.
            let Some(length) = self.length() else { continue };
            if self.have == HEAD + length.min(LOOKED_AT) {
                each(self.frame(length));
                self.skip = length - length.min(LOOKED_AT);
                self.have = 0;
            }
        }
    }

    /// Bytes of the payload, when the head is there.
    fn length(&self) -> Option<usize> {
        let [a, b, c, ..] = self.kept;
        (self.have >= HEAD).then(|| usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
    }

    fn frame(&self, length: usize) -> Frame {
        let number = |at: usize| {
            let bytes = self.kept.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_be_bytes)
        };
        // The highest bit is reserved.
        let stream = number(5) & 0x7fff_ffff;
        let [_, _, _, kind, flags, ..] = self.kept;
        let said = match kind {
            3 if length == 4 => Said::Reset(number(HEAD)),
            4 if flags & 1 == 0 => Said::Settings,
            7 if length >= LOOKED_AT => Said::GoAway(number(HEAD) & 0x7fff_ffff, number(HEAD + 4)),
            _ => Said::Other,
        };
        Frame { stream, length: u32::try_from(length).unwrap_or(u32::MAX), said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    fn read(mut frames: Frames, pieces: &[&[u8]]) -> Vec<(u32, Said)> {
        let mut found = Vec::new();
        for piece in pieces {
            frames.feed(piece, &mut |frame| found.push((frame.stream, frame.said)));
        }
        found
    }

    /// As Go's and gRPC's servers end a connection gracefully: nothing is refused yet, then what was
    /// not looked at, with a reason behind it.
    fn ending() -> Vec<u8> {
        [
            frame(4, 0, 0, &[0, 3, 0, 0, 0, 250]),
            frame(4, 1, 0, &[]),
            frame(7, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
            frame(0, 1, 5, &[b'x'; 40]),
            frame(3, 0, 9, &[0, 0, 0, 7]),
            frame(7, 0, 0, b"\x80\0\0\x05\0\0\0\x0bgo away"),
        ]
        .concat()
    }

    const SAID: [(u32, Said); 6] = [
        (0, Said::Settings),
        (0, Said::Other),
        (0, Said::GoAway(0x7fff_ffff, 0)),
        (5, Said::Other),
        (9, Said::Reset(7)),
        (0, Said::GoAway(5, 11)),
    ];

    #[test]
    fn the_end_of_a_connection_is_read() {
        assert_eq!(read(Frames::of_server(), &[&ending()]), SAID);
    }

    #[test]
    fn a_client_says_something_before_its_frames() {
        let bytes = [PREFACE, &frame(3, 0, 1, &[0, 0, 0, 8])].concat();
        assert_eq!(read(Frames::of_client(), &[&bytes]), [(1, Said::Reset(8))]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_come(cuts in prop::collection::vec(0..200usize, 0..6)) {
            let bytes = ending();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(Frames::of_server(), &pieces), SAID);
        }
    }
}
