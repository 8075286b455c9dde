//! OTLP/gRPC: unary calls over HTTP/2. OTLP/HTTP may come by HTTP/2 as well.

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Arrived, Inbox, kind_of};

/// Calls at a time.
const MOST_CALLS: u32 = 32;
/// Bytes that may come before they are read.
const WINDOW: u32 = 1 << 20;
/// Bytes of headers.
const MOST_HEADERS: u32 = 64 << 10;
/// In front of each message: whether it is packed, and its length (gRPC over HTTP2).
const PREFIX: usize = 5;

/// Answers calls until the connection ends.
pub(super) async fn serve(stream: TcpStream, inbox: &Inbox) {
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(MOST_CALLS)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(MOST_HEADERS)
        .handshake::<_, Bytes>(stream)
        .await;
    let Ok(mut connection) = handshake else {
        inbox.broken("what it sends begins as HTTP/2 and is none".to_owned());
        return;
    };
    let mut calls = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        while calls.try_join_next().is_some() {}
        let inbox = inbox.clone();
        calls.spawn_local(async move { call(request, respond, &inbox).await });
    }
}

/// One call; a connection that breaks meanwhile is no answer's concern.
async fn call(
    request: Request<h2::RecvStream>,
    respond: SendResponse<Bytes>,
    inbox: &Inbox,
) -> Option<()> {
    let (head, mut stream) = request.into_parts();
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (mut body, mut held) = (Vec::new(), inbox.hold());
    while let Some(piece) = stream.data().await {
        let piece = piece.ok()?;
        if !held.more(piece.len()) {
            inbox.broken("a message by HTTP/2 is too long, or too many come at once".to_owned());
            return None;
        }
        let _ = stream.flow_control().release_capacity(piece.len());
        body.extend_from_slice(&piece);
    }
    let grpc = header("content-type").starts_with("application/grpc");
    let kind = kind_of(head.uri.path());
    let default_port = inbox.default_port;
    if !grpc {
        let json = header("content-type").starts_with("application/json");
        let by = if json { "http/json" } else { "http/protobuf" };
        let gzip = header("content-encoding") == "gzip";
        let taken = inbox.take(&Arrived { kind, by, default_port, body: &body, gzip });
        let status = if taken { 200 } else { 400 };
        return answer(respond, status, None, b"");
    }
    let message = body.split_at_checked(PREFIX).and_then(|(prefix, rest)| {
        let length = u32::from_be_bytes(prefix.get(1..)?.try_into().ok()?);
        (rest.len() == usize::try_from(length).ok()?).then_some((prefix[0] == 1, rest))
    });
    let Some((packed, message)) = message else {
        inbox.broken("a call by gRPC holds no message".to_owned());
        return answer(respond, 200, Some("13"), b"");
    };
    let gzip = packed && header("grpc-encoding") == "gzip";
    let taken = (gzip || !packed)
        && inbox.take(&Arrived { kind, by: "grpc", default_port, body: message, gzip });
    // 0 is OK, 3 INVALID_ARGUMENT, which no exporter repeats; an empty message says that all was taken.
    match taken {
        true => answer(respond, 200, Some("0"), &[0; PREFIX]),
        false => answer(respond, 200, Some("3"), b""),
    }
}

fn answer(
    mut respond: SendResponse<Bytes>,
    status: u16,
    grpc: Option<&'static str>,
    body: &'static [u8],
) -> Option<()> {
    let mut response = Response::builder().status(status);
    if grpc.is_some() {
        response = response.header("content-type", "application/grpc");
    }
    let mut stream = respond.send_response(response.body(()).ok()?, false).ok()?;
    stream.send_data(Bytes::from_static(body), grpc.is_none()).ok()?;
    if let Some(code) = grpc {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(code));
        stream.send_trailers(trailers).ok()?;
    }
    Some(())
}
