use std::io::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Resource `service.name=a`, one span of the trace `11..`.
fn message() -> Vec<u8> {
    let span = [&[0x0a, 16][..], &[0x11; 16], &[0x12, 8], &[0x22; 8], &[0x30, 2]].concat();
    let scope = [&[0x12, span.len() as u8][..], &span].concat();
    let attribute = [&[0x0a, 12][..], b"service.name", &[0x12, 3, 0x0a, 1, b'a']].concat();
    let resource = [&[0x0a, attribute.len() as u8][..], &attribute].concat();
    let of_resource =
        [&[0x0a, resource.len() as u8][..], &resource, &[0x12, scope.len() as u8], &scope].concat();
    [&[0x0a, of_resource.len() as u8][..], &of_resource].concat()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

async fn taking() -> Sink {
    Sink::open(Behaviour::Takes, None, Hidden::default()).await.unwrap()
}

async fn post(stream: &mut TcpStream, headers: &str, body: &[u8]) -> String {
    let head = format!("POST /v1/traces HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = vec![0; 1000];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8(answer[..read].to_vec()).unwrap()
}

#[test]
fn http_is_taken_plain_gzipped_and_in_chunks_on_one_connection() {
    run(async {
        let mut sink = taking().await;
        let mut stream = TcpStream::connect(sink.told).await.unwrap();
        let plain = message();
        let length = format!("Content-Length: {}\r\n", plain.len());
        assert!(post(&mut stream, &length, &plain).await.starts_with("HTTP/1.1 200"));
        let packed = gzipped(&plain);
        let length = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", packed.len());
        assert!(post(&mut stream, &length, &packed).await.starts_with("HTTP/1.1 200"));
        let chunk =
            [format!("{:x}\r\n", plain.len()).as_bytes(), &plain, b"\r\n0\r\n\r\n"].concat();
        let chunked = post(&mut stream, "Transfer-Encoding: chunked\r\n", &chunk).await;
        assert!(chunked.starts_with("HTTP/1.1 200"), "{chunked}");
        let none = post(&mut stream, "Content-Length: 3\r\n", b"abc").await;
        assert!(none.starts_with("HTTP/1.1 400"), "{none}");
        sink.turn(Behaviour::Refuses).await;
        assert!(TcpStream::connect(sink.told).await.is_err());
        sink.turn(Behaviour::Hangs).await;
        let mut hanging = TcpStream::connect(sink.told).await.unwrap();
        hanging.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        let wait = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(wait, hanging.read(&mut [0; 9])).await.is_err());
        let seen = sink.seen(Clock::now());
        assert_eq!((seen.exports.len(), seen.spans.len(), seen.connections), (3, 3, 1));
        assert_eq!(seen.services, ["a"]);
        assert_eq!(
            (seen.spans[0].trace.as_str(), seen.spans[0].kind),
            ("11".repeat(16).as_str(), 2)
        );
        assert_eq!(seen.broken, ["a message by http/protobuf is none of OTLP"]);
    });
}

#[test]
fn grpc_is_taken_and_answered_as_grpc() {
    run(async {
        let sink = taking().await;
        let stream = TcpStream::connect(sink.told).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        spawn_local(async move { drop(connection.await) });
        for (packed, body) in [(0, message()), (1, gzipped(&message()))] {
            let uri = "http://a/opentelemetry.proto.collector.trace.v1.TraceService/Export";
            let request = ::http::Request::post(uri)
                .header("content-type", "application/grpc")
                .header("grpc-encoding", "gzip")
                .body(())
                .unwrap();
            let (response, mut send) = client.send_request(request, false).unwrap();
            let prefix = [&[packed][..], &(body.len() as u32).to_be_bytes()].concat();
            send.send_data([prefix, body].concat().into(), true).unwrap();
            let mut body = response.await.unwrap().into_body();
            assert_eq!(body.data().await.unwrap().unwrap().as_ref(), [0; 5]);
            let trailers = body.trailers().await.unwrap().unwrap();
            assert_eq!(trailers["grpc-status"], "0");
        }
        let seen = sink.seen(Clock::now());
        assert_eq!((seen.spans.len(), seen.exports[0].by.as_str()), (2, "grpc"));
        assert!(seen.broken.is_empty(), "{:?}", seen.broken);
    });
}

#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = gzipped(&vec![0; MOST_BODY + 1]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(gunzip(&bomb), None);
    assert_eq!(gunzip(&gzipped(b"a")), Some(b"a".to_vec()));
}

#[test]
fn an_endpoint_is_repointed_as_it_is_written() {
    let to = SocketAddr::from(([127, 0, 0, 1], 14318));
    for (value, expected) in [
        ("http://collector:4318", "http://127.0.0.1:14318"),
        ("https://collector.example:443/v1/traces", "http://127.0.0.1:14318/v1/traces"),
        ("collector:4317", "127.0.0.1:14318"),
        ("", "http://127.0.0.1:14318"),
    ] {
        assert_eq!(repointed(value, to), expected, "{value}");
    }
}

#[test]
fn a_sink_that_took_answers_nothing_from_one_moment_to_the_next() {
    run(async {
        let mut sink = taking().await;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(sink.also(port).await);
        let mut open = TcpStream::connect(sink.told).await.unwrap();
        let plain = message();
        let length = format!("Content-Length: {}\r\n", plain.len());
        assert!(post(&mut open, &length, &plain).await.starts_with("HTTP/1.1 200"));
        // Its task has the port until it is over.
        sink.turn(Behaviour::Hangs).await;
        assert_eq!(open.read(&mut [0; 9]).await.unwrap_or(0), 0, "it was not cut");
        for port in [sink.told.port(), port] {
            let mut hanging = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            hanging.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
            let mut answer = [0; 9];
            let reading = hanging.read(&mut answer);
            let reading = tokio::time::timeout(Duration::from_millis(50), reading);
            assert!(reading.await.is_err(), "{port}");
        }
        sink.turn(Behaviour::Takes).await;
        let mut open = TcpStream::connect(sink.told).await.unwrap();
        assert!(post(&mut open, &length, &plain).await.starts_with("HTTP/1.1 200"));
        assert_eq!(sink.messages(), 2);
        sink.forget();
        let seen = sink.seen(Clock::now());
        assert_eq!((seen.spans.len(), seen.more), (0, 2));
    });
}

#[test]
fn what_comes_at_once_is_held_within_one_room() {
    run(async {
        let sink = taking().await;
        sink.room.set(100);
        let plain = message();
        assert!(plain.len() < 100 && 2 * plain.len() > 100);
        let length = format!("Content-Length: {}\r\n", plain.len());
        // By gRPC a message begins that never ends.
        let stream = TcpStream::connect(sink.told).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        spawn_local(async move { drop(connection.await) });
        let request = ::http::Request::post("http://a/").body(()).unwrap();
        let (_response, mut send) = client.send_request(request, false).unwrap();
        send.send_data(vec![0; 60].into(), false).unwrap();
        while sink.room.get() != 40 {
            sleep(Duration::from_millis(1)).await;
        }
        let mut open = TcpStream::connect(sink.told).await.unwrap();
        assert_eq!(post(&mut open, &length, &plain).await, "");
        send.send_reset(h2::Reason::CANCEL);
        while sink.room.get() != 100 {
            sleep(Duration::from_millis(1)).await;
        }
        let mut open = TcpStream::connect(sink.told).await.unwrap();
        assert!(post(&mut open, &length, &plain).await.starts_with("HTTP/1.1 200"));
        assert_eq!(sink.room.get(), 100);
    });
    let mut held = Held { room: Rc::new(Cell::new(MOST_OPEN)), bytes: 0 };
    assert!(held.more(MOST_BODY) && !held.more(1));
}

#[test]
fn json_that_would_grow_when_it_is_read_is_not_read() {
    run(async {
        let sink = taking().await;
        let mut open = TcpStream::connect(sink.told).await.unwrap();
        let text = format!("{{\"a\": [{}0]}}", "0,".repeat(MOST_JSON / 2));
        let headers =
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", text.len());
        assert!(post(&mut open, &headers, text.as_bytes()).await.starts_with("HTTP/1.1 400"));
        assert_eq!(sink.seen(Clock::now()).broken, ["a message by http/json is too long"]);
    });
}

#[test]
fn an_error_of_accept_is_not_the_end_of_the_sink() {
    run(async {
        let sink = taking().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let inbox = Inbox {
            received: Rc::clone(&sink.received),
            default_port: None,
            room: Rc::clone(&sink.room),
            hidden: Rc::clone(&sink.hidden),
        };
        let mut failed = false;
        spawn_local(accept(
            async move || {
                if !std::mem::replace(&mut failed, true) {
                    return Err(rustix::io::Errno::MFILE.into());
                }
                listener.accept().await.map(|(stream, _)| stream)
            },
            inbox,
        ));
        let mut open = TcpStream::connect(to).await.unwrap();
        let plain = message();
        let length = format!("Content-Length: {}\r\n", plain.len());
        assert!(post(&mut open, &length, &plain).await.starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn a_secret_is_looked_for_in_the_whole_of_a_name() {
    run(async {
        let mut hidden = Hidden::default();
        hidden.add("hunter2hunter2");
        let sink = Sink::open(Behaviour::Takes, None, hidden).await.unwrap();
        // Cut before that, the first half of it would be shown.
        let name = format!("{}hunter2hunter2", "a".repeat(MOST_NAME - 7));
        let text = format!(
            r#"{{"resourceSpans": [{{"resource": {{"attributes": [{{"key": "service.name", "value": {{"stringValue": "{name}"}}}}]}},
            "scopeSpans": [{{"spans": [{{"name": "{name}"}}]}}]}}]}}"#
        );
        let mut open = TcpStream::connect(sink.told).await.unwrap();
        let headers =
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", text.len());
        assert!(post(&mut open, &headers, text.as_bytes()).await.starts_with("HTTP/1.1 200"));
        let seen = sink.seen(Clock::now());
        let expected = format!("{}***", "a".repeat(MOST_NAME - 7));
        assert_eq!((&seen.spans[0].name, &seen.services[0]), (&expected, &expected));
    });
}
