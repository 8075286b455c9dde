//! Reads what goes over a connection of HTTP/2 beside the library that speaks it, and remembers what
//! that does not tell: which streams the server gave back, and which it cut.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use provost_check::facts::proof::Outcome;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::connection::lost;
use super::frames::{Frame, Frames, Said};

/// Streams that are remembered; more would be more than a connection of ours ever has.
const MOST_STREAMS: usize = 1 << 16;

/// Error code of HTTP/2 (RFC 9113, section 7).
const INTERNAL_ERROR: u32 = 2;

/// What went over a connection.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Settings of the server came: it speaks HTTP/2.
    pub(super) speaks: bool,
    /// The newest GOAWAY: the last stream that was looked at, and the error code.
    pub(super) goaway: Option<(u32, u32)>,
    /// When the first came.
    pub(super) goaway_at: Option<Instant>,
    /// The client does not read answers yet.
    pub(super) unread: bool,
    /// Streams that the server reset, with the error code, and whether that may be for want of a client
    /// that reads.
    resets: HashMap<u32, (u32, bool)>,
    /// Bytes of frames by stream.
    bytes: HashMap<u32, u64>,
    /// How the connection ended, of which only the ending matters and not how much had come.
    end: Option<Outcome>,
}

impl Wire {
    fn came(&mut self, frame: Frame) {
        if self.bytes.len() < MOST_STREAMS || self.bytes.contains_key(&frame.stream) {
            // The length of a frame has 24 bits: a connection of 2^40 frames is none.
            *self.bytes.entry(frame.stream).or_default() += u64::from(frame.length) + 9;
        }
        match frame.said {
            Said::Settings => self.speaks = true,
            Said::Reset(code) if self.resets.len() < MOST_STREAMS => {
                // A server that drains cuts streams after GOAWAY, but not with this code: by it
                // `net/http` gives up a stream that it could not write to (`onWriteTimeout`).
                let given_up = self.unread && (self.goaway.is_none() || code == INTERNAL_ERROR);
                self.resets.entry(frame.stream).or_insert((code, given_up));
            }
            Said::GoAway(last, code) => {
                self.goaway = Some((last, code));
                self.goaway_at = self.goaway_at.or(Some(Instant::now()));
            }
            Said::Reset(_) | Said::Other => {}
        }
    }

    fn ends(&mut self, how: Outcome) {
        // What came first caused the rest.
        if self.end.is_none() {
            self.end = Some(how);
        }
    }

    /// Whether the connection is over.
    pub(super) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// What became of a request that was not answered: on that stream, or none when it had not got
    /// one yet.
    pub(super) fn fate(&self, stream: Option<u32>) -> Outcome {
        let bytes = stream.and_then(|stream| self.bytes.get(&stream)).copied().unwrap_or(0);
        // RST_STREAM is an end, not a part of an answer.
        let answered = |of_reset: u64| bytes.saturating_sub(of_reset);
        if let Some((code, unread)) = stream.and_then(|stream| self.resets.get(&stream)) {
            return Outcome::StreamReset { code: *code, bytes: answered(13), unread: *unread };
        }
        let given_back = |(last, _): (u32, u32)| stream.is_none_or(|stream| stream > last);
        if bytes == 0 && self.goaway.is_some_and(given_back) {
            return Outcome::Unprocessed;
        }
        match &self.end {
            Some(Outcome::Reset { .. }) => Outcome::Reset { bytes },
            Some(Outcome::Closed { .. }) => Outcome::Closed { bytes },
            Some(other) => other.clone(),
            // The library gave up: what came is no HTTP/2.
            None => Outcome::Garbled,
        }
    }
}

/// The connection with somebody who reads along.
#[derive(Debug)]
pub(super) struct Tap<S> {
    stream: S,
    wire: Rc<RefCell<Wire>>,
    frames: Frames,
}

impl<S> Tap<S> {
    /// Begins to read along.
    pub(super) fn new(stream: S) -> (Self, Rc<RefCell<Wire>>) {
        let wire = Rc::new(RefCell::new(Wire::default()));
        (Self { stream, wire: Rc::clone(&wire), frames: Frames::of_server() }, wire)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let read = Pin::new(&mut tap.stream).poll_read(cx, buffer);
        let mut wire = tap.wire.borrow_mut();
        match &read {
            Poll::Ready(Ok(())) => {
                let new = buffer.filled().get(before..).unwrap_or_default();
                if new.is_empty() && room > 0 {
                    wire.ends(Outcome::Closed { bytes: 0 });
                }
                tap.frames.feed(new, &mut |frame| wire.came(frame));
            }
            Poll::Ready(Err(error)) => wire.ends(lost(error, 0)),
            Poll::Pending => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        let written = Pin::new(&mut tap.stream).poll_write(cx, bytes);
        if let Poll::Ready(Err(error)) = &written {
            tap.wire.borrow_mut().ends(lost(error, 0));
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(said: &[(u32, Said)], end: Option<Outcome>) -> Wire {
        let mut wire = Wire::default();
        for (stream, said) in said {
            let length = if matches!(said, Said::Reset(_)) { 4 } else { 20 };
            wire.came(Frame { stream: *stream, length, said: *said });
        }
        end.into_iter().for_each(|end| wire.ends(end));
        wire
    }

    #[test]
    fn streams_above_the_last_one_are_given_back_and_those_below_are_lost() {
        let goaway = (0, Said::GoAway(5, 0));
        let closed = Some(Outcome::Closed { bytes: 0 });
        let ended = wire(&[goaway, (5, Said::Other)], closed);
        assert_eq!(ended.fate(Some(7)), Outcome::Unprocessed);
        assert_eq!(ended.fate(Some(5)), Outcome::Closed { bytes: 29 });
        assert_eq!(ended.fate(Some(3)), Outcome::Closed { bytes: 0 });
        // It was never sent.
        assert_eq!(ended.fate(None), Outcome::Unprocessed);
    }

    #[test]
    fn the_first_goaway_of_two_gives_nothing_back() {
        let first = (0, Said::GoAway(0x7fff_ffff, 0));
        let reset = Some(Outcome::Reset { bytes: 0 });
        assert_eq!(wire(&[first], reset.clone()).fate(Some(7)), Outcome::Reset { bytes: 0 });
        let both = wire(&[first, (0, Said::GoAway(3, 0))], reset);
        assert_eq!(both.fate(Some(7)), Outcome::Unprocessed);
        assert!(both.goaway_at.is_some());
    }

    #[test]
    fn a_stream_that_is_given_up_while_nobody_reads_is_no_loss() {
        let lost = |unread: bool, said: &[Said]| {
            let mut wire = Wire { unread, ..Wire::default() };
            for &said in said {
                wire.came(Frame { stream: 1, length: 4, said });
            }
            wire.fate(Some(1)).is_lost()
        };
        let goaway = Said::GoAway(1, 0);
        assert!(!lost(true, &[Said::Reset(2)]));
        assert!(!lost(true, &[Said::Reset(8), goaway]));
        assert!(!lost(true, &[goaway, Said::Reset(2)]));
        // Cut by a server that drains, or while its client reads.
        assert!(lost(true, &[goaway, Said::Reset(8)]));
        assert!(lost(false, &[Said::Reset(2)]));
    }

    #[test]
    fn a_stream_that_is_reset_says_why_and_how_much_had_come() {
        let cancelled = wire(&[(1, Said::Other), (1, Said::Reset(8))], None);
        let expected = Outcome::StreamReset { code: 8, bytes: 29, unread: false };
        assert_eq!(cancelled.fate(Some(1)), expected);
        let refused = wire(&[(3, Said::Reset(7))], None).fate(Some(3));
        assert!(!refused.is_lost(), "{refused:?}");
        assert!(cancelled.fate(Some(1)).is_lost());
    }

    #[test]
    fn what_is_no_http_2_is_garbled() {
        assert_eq!(wire(&[], None).fate(Some(1)), Outcome::Garbled);
    }
}
