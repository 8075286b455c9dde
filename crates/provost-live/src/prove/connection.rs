//! One connection that HTTP/1.1 is spoken on, in plain text or inside of TLS, without a pool, redirects
//! or a second try: what a client library would hide is what is looked for.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use provost_check::facts::proof::{Outcome, Protocol, TRACE_HIGH, TRACE_LOW};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use super::body::{Body, Chunks, Garbled};
use super::tls::{self, Offer, Stream};

/// Bytes of the head of a response.
const MOST_HEAD: usize = 64 << 10;
/// Headers of a response.
const MOST_HEADERS: usize = 128;
/// Letters of a `Content-Type` that are kept.
const MOST_TYPE: usize = 200;

/// Between two looks whether the kernel of the other side has said that nobody reads what came.
const LOOK: Duration = Duration::from_millis(1);

/// How often it is looked for: on loopback a reset is there at once, unless the kernel is behind with what it has
/// received (`ksoftirqd`). Looks are counted, and not time, of which whoever looks may get as little.
const LOOKS: usize = 50;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    /// What has come and was not looked at.
    buffer: Vec<u8>,
}

/// The head of a response, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// Where the body ends.
    pub body: Body,
    /// The connection will be closed.
    pub close: bool,
    /// `Location`, whole: what is secret in it is looked for before it is cut.
    pub location: Option<String>,
    /// `Content-Type`, cut.
    pub content_type: String,
}

/// What a response held, as far as it was asked to be kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// `Content-Type`
    pub content_type: String,
    /// The body, up to `most` bytes.
    pub body: Vec<u8>,
    /// How many bytes are kept.
    pub most: usize,
    /// Status line and headers, where anything is kept.
    pub head: Vec<u8>,
    /// Bytes of the body after which the rest is not waited for.
    pub enough: Option<u64>,
}

impl Kept {
    /// Whether the rest does not matter.
    pub(super) fn has_enough(&self, bytes: u64) -> bool {
        self.enough.is_some_and(|enough| bytes >= enough)
    }

    pub(super) fn keep(&mut self, part: &[u8]) {
        let room = self.most.saturating_sub(self.body.len());
        self.body.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// What became of the attempt.
    pub async fn open(to: SocketAddr) -> Result<Self, Outcome> {
        Self::open_as(to, Protocol::Http).await
    }

    /// Connects, by TLS when the protocol does.
    ///
    /// # Errors
    /// What became of the attempt.
    pub async fn open_as(to: SocketAddr, protocol: Protocol) -> Result<Self, Outcome> {
        let stream = Stream::open(to, protocol.is_tls().then_some(Offer::Http1)).await?;
        Ok(Self::over(stream))
    }

    /// Speaks it on a connection that is there.
    pub(super) fn over(stream: Stream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Outcome> {
        // Inside of TLS what is written waits in a buffer.
        let writing = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        writing.await.map_err(|error| lost(&error, 0))
    }

    /// Waits for the response to what was sent.
    pub async fn response(&mut self) -> Outcome {
        self.response_to(&mut Kept::default()).await
    }

    /// The same, and keeps what it holds.
    pub async fn response_to(&mut self, kept: &mut Kept) -> Outcome {
        let mut head_bytes = 0;
        let mut head = loop {
            match head(&self.buffer) {
                Ok(Some((length, head))) if (100..200).contains(&head.status) => {
                    self.buffer.drain(..length);
                    head_bytes += length;
                }
                Ok(Some((length, head))) => {
                    if kept.most > 0 {
                        kept.head.extend_from_slice(self.buffer.get(..length).unwrap_or_default());
                    }
                    self.buffer.drain(..length);
                    head_bytes += length;
                    break head;
                }
                Ok(None) => match self.more().await {
                    Ok(0) => {
                        return Outcome::Closed { bytes: (head_bytes + self.buffer.len()) as u64 };
                    }
                    Ok(_) => {}
                    Err(error) => return lost(&error, head_bytes + self.buffer.len()),
                },
                Err(Garbled) => return Outcome::Garbled,
            }
        };
        kept.content_type = std::mem::take(&mut head.content_type);
        let mut bytes = 0;
        let mut whole = head.body.is_empty();
        while !whole {
            match head.body.take_to(&self.buffer, &mut |part| kept.keep(part)) {
                Ok((taken, content, done)) => {
                    self.buffer.drain(..taken);
                    bytes += content;
                    whole = done;
                }
                Err(_) => return Outcome::Garbled,
            }
            if whole || kept.has_enough(bytes) {
                break;
            }
            match self.more().await {
                Ok(0) if head.body == Body::UntilClosed => whole = true,
                Ok(0) => return Outcome::Closed { bytes: head_bytes as u64 + bytes },
                Ok(_) => {}
                Err(error) => {
                    return lost(&error, head_bytes + usize::try_from(bytes).unwrap_or(0));
                }
            }
        }
        Outcome::Answered {
            status: head.status,
            bytes,
            close: head.close || head.body == Body::UntilClosed,
            location: head.location,
            grpc: None,
            serving: None,
        }
    }

    /// Waits until the other side closes the connection, or sends what nobody asked for.
    pub async fn closed(&mut self) -> Outcome {
        match self.more().await {
            Ok(0) => Outcome::Closed { bytes: 0 },
            Ok(_) => Outcome::Garbled,
            Err(error) => lost(&error, 0),
        }
    }

    /// Whether the connection is still there after a pause: a client library would see that it was
    /// closed, and open another.
    pub async fn stays(&mut self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.closed()).await.is_err()
    }

    /// Whether the request that ended so met the closing of its connection on the way, and nobody read it. A
    /// server that closes with bytes unread resets the connection (`tcp_close` in net/ipv4/tcp.c), and so does
    /// its kernel when they come after it has closed, which the socket keeps as an error behind the end that is
    /// read first (`tcp_reset` in net/ipv4/tcp_input.c: EPIPE). One that had read all ends it without either.
    pub(super) async fn crossed(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Reset { bytes: 0 } => true,
            Outcome::Closed { bytes: 0 } => {
                for _ in 0..LOOKS {
                    if self.stream.is_reset() {
                        return true;
                    }
                    sleep(LOOK).await;
                }
                self.stream.is_reset()
            }
            _ => false,
        }
    }

    /// Waits for the answer to a request for another protocol: nothing when it was agreed to.
    pub async fn upgraded(&mut self) -> Option<Outcome> {
        loop {
            match head(&self.buffer) {
                Ok(Some((length, head))) if head.status == 101 => {
                    self.buffer.drain(..length);
                    return None;
                }
                Ok(Some(_)) => return Some(self.response().await),
                Ok(None) => match self.more().await {
                    Ok(0) => return Some(Outcome::Closed { bytes: self.buffer.len() as u64 }),
                    Ok(_) => {}
                    Err(error) => return Some(lost(&error, self.buffer.len())),
                },
                Err(Garbled) => return Some(Outcome::Garbled),
            }
        }
    }

    /// What has come, and was not looked at.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Waits for more: how many bytes came, none at the end.
    pub(super) async fn read(&mut self) -> Result<usize, Outcome> {
        self.more().await.map_err(|error| lost(&error, 0))
    }

    async fn more(&mut self) -> Result<usize, Error> {
        let mut piece = [0; 16 << 10];
        let read = self.stream.read(&mut piece).await?;
        self.buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// A GET request for metrics.
pub fn scrape(path: &str, host: &str, accept: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: provost\r\nAccept: {accept}\r\n\r\n"
    )
    .into_bytes()
}

/// A GET request. A body of `length` bytes is promised where it is not zero. It is part of a trace of
/// its own, by whose id it is known in the log of the process.
pub fn get(path: &str, host: &str, length: usize) -> Vec<u8> {
    let mut text = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: provost\r\ntraceparent: {}\r\n",
        trace_parent()
    );
    if length > 0 {
        text.push_str(&format!("Content-Length: {length}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// A `traceparent` that no other request has: version, trace id, id of a span, sampled (W3C Trace
/// Context, section 3.2).
pub(super) fn trace_parent() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("00-{TRACE_HIGH:016x}{:016x}-{number:016x}-01", TRACE_LOW + number)
}

pub(super) fn lost(error: &Error, bytes: usize) -> Outcome {
    if let Some(outcome) = tls::broken(error) {
        return outcome;
    }
    let bytes = bytes as u64;
    match error.kind() {
        ErrorKind::ConnectionRefused => Outcome::Refused,
        ErrorKind::TimedOut => Outcome::TimedOut,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            Outcome::Reset { bytes }
        }
        // In the middle of a TLS handshake.
        ErrorKind::UnexpectedEof => Outcome::Closed { bytes },
        // Of this side: no descriptor or port is left.
        _ => Outcome::Unfinished,
    }
}

/// The head of a response at the front of the bytes and its length; nothing when it is not whole.
///
/// # Errors
/// When it is no HTTP/1, or longer than any.
pub fn head(bytes: &[u8]) -> Result<Option<(usize, Head)>, Garbled> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() <= MOST_HEAD => return Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Garbled),
    };
    let status = response.code.ok_or(Garbled)?;
    let values = |name: &str| {
        let of_name = response.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
        of_name.filter_map(|header| std::str::from_utf8(header.value).ok()).collect::<Vec<_>>()
    };
    let has = |name: &str, word: &str| {
        let values = values(name);
        let mut words = values.iter().flat_map(|value| value.split(','));
        words.any(|it| it.trim().eq_ignore_ascii_case(word))
    };
    let body = if status < 200 || matches!(status, 204 | 304) {
        Body::Length(0)
    } else if has("Transfer-Encoding", "chunked") {
        Body::Chunked(Chunks::default())
    } else {
        match values("Content-Length").first() {
            Some(length) => Body::Length(length.trim().parse().map_err(|_| Garbled)?),
            None => Body::UntilClosed,
        }
    };
    let content_type = values("Content-Type")
        .first()
        .map_or_else(String::new, |it| it.chars().take(MOST_TYPE).collect());
    let location = values("Location").first().map(|it| (*it).to_owned());
    let close = has("Connection", "close") || response.version == Some(0);
    Ok(Some((length, Head { status, body, close, location, content_type })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_say_where_the_body_ends() {
        let read = |text: &str| head(text.as_bytes()).unwrap().unwrap().1;
        let plain = read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: Close\r\n\r\nabc");
        assert_eq!((plain.body, plain.close), (Body::Length(3), true));
        let chunked = read("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
        assert_eq!(chunked.body, Body::Chunked(Chunks::default()));
        let moved = read("HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(moved.location.as_deref(), Some("/x"));
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n").body, Body::Length(0));
        assert_eq!(read("HTTP/1.0 200 OK\r\n\r\n").body, Body::UntilClosed);
    }

    #[test]
    fn every_request_is_of_another_trace() {
        let of = |request: Vec<u8>| {
            let text = String::from_utf8(request).unwrap();
            let parent = text.split("traceparent: 00-").nth(1).unwrap();
            parent.split('-').next().unwrap().to_owned()
        };
        let (one, other) = (of(get("/", "a", 0)), of(get("/", "a", 1)));
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.starts_with("70726f766f737400"), "{one}");
    }

    #[test]
    fn cut_heads_wait_and_others_are_refused() {
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Le"), Ok(None));
        assert_eq!(head(b"SSH-2.0-OpenSSH_9.6\r\n"), Err(Garbled));
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"), Err(Garbled));
        let endless = [b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'a'; MOST_HEAD]].concat();
        assert_eq!(head(&endless), Err(Garbled));
    }

    /// How the second request on a connection ends, and whether it crossed: the server reads both, or closes
    /// behind its first answer.
    async fn second(reads_it: bool) -> (Outcome, bool) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            if reads_it {
                assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            }
        };
        let asking = async {
            let mut connection = Connection::open(to).await.unwrap();
            connection.send(&get("/", "a", 0)).await.unwrap();
            let first = connection.response().await;
            assert_eq!(first, Outcome::answered(204, 0, false));
            connection
        };
        if !reads_it {
            let ((), mut connection) = tokio::join!(serving, asking);
            let outcome = match connection.send(&get("/", "a", 0)).await {
                Ok(()) => connection.response().await,
                Err(outcome) => outcome,
            };
            let crossed = connection.crossed(&outcome).await;
            return (outcome, crossed);
        }
        let asking = async {
            let mut connection = asking.await;
            connection.send(&get("/", "a", 0)).await.unwrap();
            let outcome = connection.response().await;
            let crossed = connection.crossed(&outcome).await;
            (outcome, crossed)
        };
        tokio::join!(serving, asking).1
    }

    #[test]
    fn a_request_that_was_read_and_not_answered_is_told_from_one_that_met_the_closing() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (outcome, crossed) = runtime.block_on(second(true));
        assert_eq!((outcome, crossed), (Outcome::Closed { bytes: 0 }, false));
        let (outcome, crossed) = runtime.block_on(second(false));
        assert!(crossed, "{outcome:?}");
    }

    #[test]
    fn a_reset_that_comes_late_is_waited_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (outcome, crossed) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            let serving = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                // The request is there, and nobody reads it: closed for good, the connection is reset.
                stream.readable().await.unwrap();
                stream.shutdown().await.unwrap();
                sleep(LOOK * 10).await;
            };
            let asking = async {
                let mut connection = Connection::open(to).await.unwrap();
                connection.send(&get("/", "a", 0)).await.unwrap();
                let outcome = connection.response().await;
                let crossed = connection.crossed(&outcome).await;
                (outcome, crossed)
            };
            tokio::join!(serving, asking).1
        });
        assert_eq!((outcome, crossed), (Outcome::Closed { bytes: 0 }, true));
    }
}
