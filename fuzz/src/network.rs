//! What comes over a connection.

use std::hint::black_box;

use provost_check::facts::proof::telemetry::Kind;
use provost_live::prove::otlp::decode;
use provost_live::prove::{connection, frames, grpc as messages, websocket as sockets};

/// What goes over a connection of HTTP/2, in both directions: however it is cut, the same is read.
pub(crate) fn http2(data: &[u8]) {
    for begin in [frames::Frames::of_server(), frames::Frames::of_client()] {
        let (mut whole, mut pieces) = (begin.clone(), begin);
        let (mut at_once, mut in_pieces) = (Vec::new(), Vec::new());
        whole.feed(data, &mut |frame| at_once.push(frame));
        for piece in in_turn(data) {
            pieces.feed(piece, &mut |frame| in_pieces.push(frame));
        }
        assert_eq!(at_once, in_pieces);
    }
}

/// The body of a call of gRPC's health service, and descriptors of methods in a program.
pub(crate) fn grpc(data: &[u8]) {
    black_box(goformats::descriptors::server_streams(data));
    black_box(messages::serving(data));
    let (mut whole, mut pieces) = (messages::Messages::default(), messages::Messages::default());
    whole.feed(data);
    let at_once: Vec<Vec<u8>> = std::iter::from_fn(|| whole.take()).collect();
    let mut in_pieces = Vec::new();
    for piece in in_turn(data) {
        pieces.feed(piece);
        in_pieces.extend(std::iter::from_fn(|| pieces.take()));
    }
    assert_eq!(at_once, in_pieces);
    for message in &at_once {
        black_box(messages::serving(message));
    }
}

/// What a server sends on a WebSocket.
pub(crate) fn websocket(data: &[u8]) {
    let (mut whole, mut pieces) = (sockets::Frames::default(), sockets::Frames::default());
    whole.feed(data);
    let at_once: Vec<_> = std::iter::from_fn(|| whole.take().ok().flatten()).collect();
    let mut in_pieces = Vec::new();
    for piece in in_turn(data) {
        pieces.feed(piece);
        while let Ok(Some(said)) = pieces.take() {
            in_pieces.push(said);
        }
    }
    assert_eq!(at_once, in_pieces);
}

/// Pieces of a byte and more, as they may come.
fn in_turn(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut size = 0;
    std::iter::from_fn(move || {
        size = size % 7 + 1;
        let (piece, rest) = data.split_at(data.len().min(size));
        data = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What a server sends: its end is the same wherever the bytes are cut.
pub(crate) fn response(data: &[u8]) {
    let Ok(Some((length, head))) = connection::head(data) else { return };
    let rest = &data[length..];
    let (mut whole, mut pieces) = (head.body.clone(), head.body);
    let at_once = whole.take(rest);
    let (mut taken, mut content, mut done) = (0, 0, false);
    // Pieces of a byte and more, as they may come.
    let mut size = 1;
    while !done && taken < rest.len() {
        let end = rest.len().min(taken + size);
        match pieces.take(&rest[taken..end]) {
            Ok((more, of_content, is_done)) => {
                assert!(more > 0 || is_done, "no progress");
                taken += more;
                content += of_content;
                done = is_done;
            }
            Err(_) => {
                assert!(at_once.is_err());
                return;
            }
        }
        size = size % 7 + 1;
    }
    if !rest.is_empty() {
        assert_eq!(at_once, Ok((taken, content, done)));
    }
}

/// What an exporter sends, by protobuf and by JSON: no more is kept than there is.
pub(crate) fn otlp(data: &[u8]) {
    for kind in [Kind::Traces, Kind::Metrics, Kind::Logs] {
        for read in [decode::protobuf(kind, data), decode::json(kind, data)] {
            let Ok(message) = read else { continue };
            // An item takes two bytes at least.
            assert!(message.items <= data.len() as u64);
            assert!(message.spans.len() as u64 <= message.items);
            for span in &message.spans {
                assert!(span.trace.is_empty() || span.trace.len() == 32, "{span:?}");
                assert!(span.id.is_empty() || span.id.len() == 16, "{span:?}");
            }
        }
    }
}
