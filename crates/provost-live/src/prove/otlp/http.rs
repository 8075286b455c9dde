//! OTLP/HTTP: POST of one message, on connections that stay.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Arrived, Held, Inbox, kind_of};
use crate::prove::body::{Body, Chunks};

/// Bytes of the head of a request.
const MOST_HEAD: usize = 64 << 10;
/// Headers of one.
const MOST_HEADERS: usize = 128;

/// What of a head matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) path: String,
    pub(super) body: Body,
    pub(super) json: bool,
    pub(super) gzip: bool,
    /// The body comes only when it is asked for.
    pub(super) expects: bool,
    pub(super) close: bool,
}

/// Answers requests until the connection ends.
pub(super) async fn serve(mut stream: TcpStream, inbox: &Inbox) {
    let mut buffer = Vec::new();
    loop {
        let (length, mut head) = loop {
            match head(&buffer) {
                Ok(Some(found)) => break found,
                Ok(None) if buffer.len() <= MOST_HEAD => {}
                Ok(None) | Err(()) => {
                    inbox.broken("what it sends is neither HTTP nor gRPC".to_owned());
                    return;
                }
            }
            if !more(&mut stream, &mut buffer).await {
                return;
            }
        };
        buffer.drain(..length);
        if head.expects && stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
            return;
        }
        let mut held = inbox.hold();
        let whole = body(&mut stream, &mut buffer, &mut head.body, &mut held).await;
        let Some(body) = whole else {
            inbox.broken("a message by HTTP was cut, too long, or one of too many".to_owned());
            return;
        };
        let by = if head.json { "http/json" } else { "http/protobuf" };
        let (kind, default_port) = (kind_of(&head.path), inbox.default_port);
        let understood =
            inbox.take(&Arrived { kind, by, default_port, body: &body, gzip: head.gzip });
        // An empty message says that all was taken.
        let (status, kind, text) = match (understood, head.json) {
            (false, _) => ("400 Bad Request", "text/plain", ""),
            (true, true) => ("200 OK", "application/json", "{}"),
            (true, false) => ("200 OK", "application/x-protobuf", ""),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() || head.close {
            return;
        }
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    let mut piece = vec![0; 64 << 10];
    let read = stream.read(&mut piece).await.unwrap_or(0);
    buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
    read > 0
}

async fn body(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    body: &mut Body,
    held: &mut Held,
) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut whole = body.is_empty();
    while !whole {
        let mut keep = |part: &[u8]| content.extend_from_slice(part);
        let (taken, _, done) = body.take_to(buffer, &mut keep).ok()?;
        buffer.drain(..taken);
        whole = done;
        let come = content.len().saturating_sub(held.bytes);
        if !held.more(come) || (!whole && !more(stream, buffer).await) {
            return None;
        }
    }
    Some(content)
}

/// The head at the front of the bytes and its length; nothing when it is not whole.
pub(super) fn head(bytes: &[u8]) -> Result<Option<(usize, Head)>, ()> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(bytes).map_err(|_| ())? else {
        return Ok(None);
    };
    let value = |name: &str| {
        let mut of_name = request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
        let text = of_name.next().map(|header| String::from_utf8_lossy(header.value));
        text.unwrap_or_default().trim().to_ascii_lowercase()
    };
    let body = if value("Transfer-Encoding").contains("chunked") {
        Body::Chunked(Chunks::default())
    } else {
        match value("Content-Length").as_str() {
            "" => Body::Length(0),
            length => Body::Length(length.parse().map_err(|_| ())?),
        }
    };
    Ok(Some((
        length,
        Head {
            path: request.path.unwrap_or_default().to_owned(),
            body,
            json: value("Content-Type").starts_with("application/json"),
            gzip: value("Content-Encoding") == "gzip",
            expects: value("Expect") == "100-continue",
            close: value("Connection") == "close" || request.version == Some(0),
        },
    )))
}
