//! A WebSocket that is opened, kept, and closed by the other side (RFC 6455).

use std::net::SocketAddr;
use std::time::Duration;

use provost_check::facts::proof::{Outcome, Protocol};
use tokio::time::{Instant, sleep_until};

use super::connection::{Connection, trace_parent};

/// Bytes of a control frame's payload (RFC 6455, section 5.5).
const MOST_CONTROL: usize = 125;

/// Between two pings.
const PING: Duration = Duration::from_millis(250);

/// Opcodes of control frames; those of messages are smaller (RFC 6455, section 11.8).
const CLOSE: u8 = 0x8;
const PING_CODE: u8 = 0x9;
const PONG: u8 = 0xa;

/// What a frame of the other side says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Close, with its reason.
    Close(Option<u16>),
    /// Ping, to be answered with the same.
    Ping(Vec<u8>),
    /// A part of a message, or a pong.
    Other,
}

/// Finds frames in what a server sends, in pieces as they come.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Bytes of a payload that are passed over.
    skip: u64,
}

impl Frames {
    /// Takes what comes next.
    pub fn feed(&mut self, bytes: &[u8]) {
        let passed = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.skip -= passed as u64;
        self.buffer.extend_from_slice(bytes.get(passed..).unwrap_or_default());
    }

    /// The next frame whose beginning, or whose payload where it matters, is whole.
    ///
    /// # Errors
    /// When it is no frame of a server.
    pub fn take(&mut self) -> Result<Option<Said>, super::body::Garbled> {
        let [first, second, rest @ ..] = self.buffer.as_slice() else { return Ok(None) };
        let opcode = first & 0xf;
        // A server masks nothing (section 5.1), and nobody agreed on extensions.
        if second & 0x80 != 0 || first & 0x70 != 0 {
            return Err(super::body::Garbled);
        }
        let big = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let (head, length) = match second & 0x7f {
            126 => match rest.get(..2) {
                Some(bytes) => (4, big(bytes)),
                None => return Ok(None),
            },
            127 => match rest.get(..8) {
                Some(bytes) => (10, big(bytes)),
                None => return Ok(None),
            },
            short => (2, u64::from(short)),
        };
        if opcode < CLOSE {
            let there = (self.buffer.len() - head) as u64;
            self.skip = length.saturating_sub(there);
            let passed = usize::try_from(length.min(there)).unwrap_or(usize::MAX);
            self.buffer.drain(..head + passed);
            return Ok(Some(Said::Other));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MOST_CONTROL {
            return Err(super::body::Garbled);
        }
        let Some(payload) = self.buffer.get(head..head + length) else { return Ok(None) };
        let said = match (opcode, payload) {
            (CLOSE, [a, b, ..]) => Said::Close(Some(u16::from_be_bytes([*a, *b]))),
            (CLOSE, _) => Said::Close(None),
            (PING_CODE, payload) => Said::Ping(payload.to_vec()),
            _ => Said::Other,
        };
        self.buffer.drain(..head + length);
        Ok(Some(said))
    }
}

/// A frame of a client, which masks what it sends (section 5.3); nobody here needs the mask to hide it.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x50, 0x56, 0x53, 0x54];
    let payload = payload.get(..payload.len().min(MOST_CONTROL)).unwrap_or_default();
    let mut frame = vec![0x80 | opcode, 0x80 | payload.len() as u8];
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Opens a WebSocket.
///
/// # Errors
/// What came instead of one.
pub async fn open(to: SocketAddr, protocol: Protocol, path: &str) -> Result<Connection, Outcome> {
    let mut connection = Connection::open_as(to, protocol).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: provost\r\ntraceparent: {}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: cHJvdm9zdC1wcm92ZS13cw==\r\nOrigin: {}://{to}\r\n\r\n",
        trace_parent(),
        if protocol.is_tls() { "https" } else { "http" },
    );
    connection.send(request.as_bytes()).await?;
    match connection.upgraded().await {
        None => Ok(connection),
        Some(outcome) => Err(outcome),
    }
}

/// Stays until the other side closes it, with a ping now and then: what became of it.
pub async fn stay(connection: &mut Connection) -> Outcome {
    let mut frames = Frames::default();
    let mut ping = Instant::now();
    let mut closed = None;
    loop {
        frames.feed(&connection.take());
        loop {
            let answer = match frames.take() {
                Ok(None) => break,
                Ok(Some(Said::Other)) => continue,
                Ok(Some(Said::Ping(payload))) => masked(PONG, &payload),
                Ok(Some(Said::Close(code))) => {
                    let first = closed.is_none();
                    closed.get_or_insert(Outcome::CloseFrame { code });
                    if !first {
                        continue;
                    }
                    masked(CLOSE, &code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec()))
                }
                Err(_) => return closed.unwrap_or(Outcome::Garbled),
            };
            if let Err(outcome) = connection.send(&answer).await {
                return closed.unwrap_or(outcome);
            }
        }
        tokio::select! {
            came = connection.read() => match came {
                Ok(0) => return closed.unwrap_or(Outcome::Closed { bytes: 0 }),
                Ok(_) => {}
                Err(outcome) => return closed.unwrap_or(outcome),
            },
            () = sleep_until(ping), if closed.is_none() => {
                ping += PING;
                if let Err(outcome) = connection.send(&masked(PING_CODE, b"provost")).await {
                    return outcome;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Result<Said, ()>> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for piece in pieces {
            frames.feed(piece);
            loop {
                match frames.take() {
                    Ok(Some(said)) => found.push(Ok(said)),
                    Ok(None) => break,
                    Err(_) => return [found, vec![Err(())]].concat(),
                }
            }
        }
        found
    }

    #[test]
    fn a_close_behind_messages_is_found_however_they_come() {
        let mut bytes = vec![0x81, 3, b'a', b'b', b'c', 0x82, 126, 1, 0];
        bytes.extend([7; 256]);
        bytes.extend([0x89, 1, b'p', 0x88, 2, 0x03, 0xe9]);
        let said = [
            Ok(Said::Other),
            Ok(Said::Other),
            Ok(Said::Ping(vec![b'p'])),
            Ok(Said::Close(Some(1001))),
        ];
        assert_eq!(read(&[&bytes]), said);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single), said);
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        assert_eq!(read(&[&[0x81, 0x83, 1, 2, 3, 4, 5, 6, 7]]), [Err(())]);
        assert_eq!(read(&[&[0x88, 126, 1, 0]]), [Err(())]);
        assert_eq!(read(&[b"HTTP/1.1 200 OK\r\n"]), [Err(())]);
    }

    #[test]
    fn a_client_masks() {
        assert_eq!(masked(PING_CODE, b"PV"), [0x89, 0x82, 0x50, 0x56, 0x53, 0x54, 0, 0]);
    }
}
