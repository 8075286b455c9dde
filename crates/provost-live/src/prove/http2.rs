//! One connection that HTTP/2 is spoken on: requests, calls of gRPC's health service, and answers that
//! are held back by a client that does not read.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Request, Response};
use provost_check::facts::proof::{Outcome, Protocol};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use super::connection::{Kept, trace_parent};
use super::grpc::{self, Messages};
use super::tap::{Tap, Wire};
use super::tls::{Offer, Stream};

/// Bytes that a server may send on a stream before the client reads (RFC 9113, section 6.5.2).
const WINDOW: u32 = 65_535;
/// The same for all streams together.
const WINDOW_OF_ALL: u32 = 1 << 20;
/// Bytes of headers.
const MOST_HEADERS: u32 = 64 << 10;
/// Letters of a header that are kept.
const MOST_VALUE: usize = 200;
/// Between two looks at what was read along.
const LOOK: Duration = Duration::from_millis(2);

/// Whether the client reads what it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// As it comes.
    AtOnce,
    /// Not before it is told to: the server keeps the bodies of its answers, and their streams open,
    /// for it may not send a byte (flow control, RFC 9113, section 5.2).
    Later,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Http2 {
    send: SendRequest<Bytes>,
    wire: Rc<RefCell<Wire>>,
    /// The request that failed last never got a stream.
    unsent: Cell<bool>,
    reads: Rc<Notify>,
    driver: JoinHandle<()>,
    scheme: &'static str,
    authority: String,
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http2 {
    /// Connects, by TLS when the protocol does.
    ///
    /// # Errors
    /// What became of the attempt.
    pub(super) async fn open(
        to: SocketAddr,
        protocol: Protocol,
        reads: Reads,
    ) -> Result<Self, Outcome> {
        let stream = Stream::open(to, protocol.is_tls().then_some(Offer::Http2)).await?;
        Self::over(stream, to, reads).await
    }

    /// Speaks it on a connection that is there.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(super) async fn over(
        stream: Stream,
        to: SocketAddr,
        reads: Reads,
    ) -> Result<Self, Outcome> {
        let scheme = if matches!(stream, Stream::Tls(_)) { "https" } else { "http" };
        let (tap, wire) = Tap::new(stream);
        wire.borrow_mut().unread = reads == Reads::Later;
        let window = if reads == Reads::Later { 0 } else { WINDOW };
        let (send, mut connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(window)
            .initial_connection_window_size(WINDOW_OF_ALL)
            .max_header_list_size(MOST_HEADERS)
            .handshake::<_, Bytes>(tap)
            .await
            .map_err(|_| wire.borrow().fate(None))?;
        let reads = Rc::new(Notify::new());
        let told = Rc::clone(&reads);
        let driver = spawn_local(async move {
            loop {
                tokio::select! {
                    // All is over, one way or the other; what it was is on the wire.
                    _ = &mut connection => return,
                    () = told.notified() => {
                        let _ = connection.set_initial_window_size(WINDOW);
                    }
                }
            }
        });
        let (unsent, authority) = (Cell::new(false), to.to_string());
        Ok(Self { send, wire, unsent, reads, driver, scheme, authority })
    }

    /// Begins to read what was held back.
    pub(super) fn read_on(&self) {
        self.wire.borrow_mut().unread = false;
        self.reads.notify_one();
    }

    /// What went over it.
    pub(super) fn wire(&self) -> &RefCell<Wire> {
        &self.wire
    }

    /// Waits until the server has said that it speaks HTTP/2, or the connection is over.
    pub(super) async fn speaks(&self) -> bool {
        loop {
            let (speaks, over) = (self.wire.borrow().speaks, self.wire.borrow().is_over());
            if speaks || over || self.driver.is_finished() {
                return speaks;
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until no further request may be made on it.
    pub(super) async fn let_go(&self) {
        while self.is_open() {
            sleep(LOOK).await;
        }
    }

    /// Whether a further request may be made on it.
    pub(super) fn is_open(&self) -> bool {
        let wire = self.wire.borrow();
        wire.goaway.is_none() && !wire.is_over() && !self.driver.is_finished()
    }

    /// Whether the request that failed just now was never sent: the connection was over before.
    pub(super) fn is_unsent(&self) -> bool {
        self.unsent.get()
    }

    /// Asks, and waits for the answer.
    pub(super) async fn get(&self, path: &str, kept: &mut Kept) -> Outcome {
        let trace = trace_parent();
        self.get_with(path, None, &[("user-agent", "provost"), ("traceparent", &trace)], kept).await
    }

    /// The same with headers, and with the name of a host where that is not the address.
    pub(super) async fn get_with(
        &self,
        path: &str,
        host: Option<&str>,
        headers: &[(&str, &str)],
        kept: &mut Kept,
    ) -> Outcome {
        let host = host.unwrap_or(&self.authority);
        let mut request = Request::get(format!("{}://{host}{path}", self.scheme));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let Ok(request) = request.body(()) else { return Outcome::Garbled };
        match self.send(request, None).await {
            Ok((_, response, answer)) => {
                if kept.most > 0 {
                    for (name, value) in response.headers() {
                        kept.head.extend_from_slice(name.as_ref());
                        kept.head.extend_from_slice(b": ");
                        kept.head.extend_from_slice(value.as_bytes());
                        kept.head.push(b'\n');
                    }
                }
                self.finish_at(answer, kept.enough, |part| kept.keep(part)).await.map_or_else(
                    |outcome| outcome,
                    |(bytes, _)| {
                        kept.content_type = value(response.headers(), "content-type");
                        let mut outcome =
                            Outcome::answered(response.status().as_u16(), bytes, !self.is_open());
                        if let Outcome::Answered { location, .. } = &mut outcome {
                            // Whole: what is secret in it is looked for before it is cut.
                            let to = response.headers().get("location");
                            let to = to.and_then(|to| to.to_str().ok()).map(str::to_owned);
                            *location = to.filter(|to| !to.is_empty());
                        }
                        outcome
                    },
                )
            }
            Err(outcome) => outcome,
        }
    }

    /// Calls `grpc.health.v1.Health/Check`.
    pub(super) async fn check(&self, service: &str) -> Outcome {
        let (response, answer) = match self.call("Check", service).await {
            Ok((response, answer)) => (response, answer),
            Err(outcome) => return outcome,
        };
        let mut first = None;
        let read = each_message(|serving| {
            first.get_or_insert(serving);
        });
        match self.finish(answer, read).await {
            Ok((bytes, trailers)) => {
                self.status(&response, trailers.as_ref(), (bytes, first.flatten()))
            }
            Err(outcome) => outcome,
        }
    }

    /// Calls `grpc.health.v1.Health/Watch`, and tells of each message as it comes.
    pub(super) async fn watch(&self, service: &str, mut each: impl FnMut(Option<u32>)) -> Outcome {
        let (response, answer) = match self.call("Watch", service).await {
            Ok((response, answer)) => (response, answer),
            Err(outcome) => return outcome,
        };
        let mut last = None;
        let read = each_message(|serving| {
            last = serving;
            each(serving);
        });
        match self.finish(answer, read).await {
            Ok((bytes, trailers)) => self.status(&response, trailers.as_ref(), (bytes, last)),
            Err(outcome) => outcome,
        }
    }

    /// Whether a call is answered as gRPC answers.
    pub(super) async fn speaks_grpc(&self) -> bool {
        let answered = self.call("Check", "").await;
        answered.is_ok_and(|(response, _)| is_grpc(&response))
    }

    /// Calls a method with a message that sets nothing, and waits for its status.
    pub(super) async fn call_bare(&self, method: &str) -> Outcome {
        let called = self.post(method, grpc::empty()).await;
        let (response, answer) = match called {
            Ok(answered) => answered,
            Err(outcome) => return outcome,
        };
        match self.finish(answer, |_| {}).await {
            Ok((bytes, trailers)) => self.status(&response, trailers.as_ref(), (bytes, None)),
            Err(outcome) => outcome,
        }
    }

    async fn call(&self, method: &str, service: &str) -> Result<(Response<()>, Answer), Outcome> {
        let method = format!("/grpc.health.v1.Health/{method}");
        self.post(&method, grpc::health_check(service)).await
    }

    async fn post(&self, method: &str, body: Vec<u8>) -> Result<(Response<()>, Answer), Outcome> {
        let request = Request::post(self.uri(method))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", "grpc-provost/1")
            .header("traceparent", trace_parent());
        let request = request.body(()).map_err(|_| Outcome::Garbled)?;
        let (_, response, answer) = self.send(request, Some(Bytes::from(body))).await?;
        Ok((response, answer))
    }

    fn uri(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority)
    }

    /// Sends a request and waits for the head of its answer.
    async fn send(
        &self,
        request: Request<()>,
        body: Option<Bytes>,
    ) -> Result<(u32, Response<()>, Answer), Outcome> {
        // Several may be on their way: whoever is told asks at once.
        let lost = |stream: Option<u32>| {
            self.unsent.set(stream.is_none());
            self.wire.borrow().fate(stream)
        };
        let mut send = self.send.clone().ready().await.map_err(|_| lost(None))?;
        let sent = send.send_request(request, body.is_none());
        let (response, mut out) = sent.map_err(|_| lost(None))?;
        let stream = response.stream_id().as_u32();
        if let Some(body) = body {
            // Whether it arrives is seen by the answer.
            let _ = out.send_data(body, true);
        }
        let response = response.await.map_err(|_| lost(Some(stream)))?;
        let (head, body) = response.into_parts();
        Ok((stream, Response::from_parts(head, ()), Answer { stream, body }))
    }

    /// Reads an answer to its end: bytes of its body, and its trailers.
    async fn finish(
        &self,
        answer: Answer,
        each: impl FnMut(&[u8]),
    ) -> Result<(u64, Option<HeaderMap>), Outcome> {
        self.finish_at(answer, None, each).await
    }

    /// The same, or until there is enough of it.
    async fn finish_at(
        &self,
        mut answer: Answer,
        enough: Option<u64>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(u64, Option<HeaderMap>), Outcome> {
        let lost = |_: h2::Error| {
            self.unsent.set(false);
            self.wire.borrow().fate(Some(answer.stream))
        };
        let mut bytes = 0;
        while let Some(part) = answer.body.data().await {
            let part = part.map_err(lost)?;
            bytes += part.len() as u64;
            each(&part);
            if enough.is_some_and(|enough| bytes >= enough) {
                return Ok((bytes, None));
            }
            let _ = answer.body.flow_control().release_capacity(part.len());
        }
        let trailers = answer.body.trailers().await.map_err(lost)?;
        Ok((bytes, trailers))
    }

    /// What an answer says by gRPC.
    fn status(
        &self,
        response: &Response<()>,
        trailers: Option<&HeaderMap>,
        (bytes, serving): (u64, Option<u32>),
    ) -> Outcome {
        let status = response.status().as_u16();
        let said = trailers.and_then(code).or_else(|| code(response.headers()));
        let grpc = match said {
            Some(said) => said,
            None if is_grpc(response) => return Outcome::NoTrailers { bytes },
            // What is no gRPC (http-grpc-status-mapping.md of grpc/grpc).
            None => match status {
                400 => 13,
                401 => 16,
                403 => 7,
                404 => 12,
                429 | 502..=504 => 14,
                _ => 2,
            },
        };
        let close = !self.is_open();
        Outcome::Answered { status, bytes, close, location: None, grpc: Some(grpc), serving }
    }
}

/// Reads a body message by message, each as soon as it is whole.
fn each_message(mut each: impl FnMut(Option<u32>)) -> impl FnMut(&[u8]) {
    let mut messages = Messages::default();
    move |part| {
        messages.feed(part);
        while let Some(message) = messages.take() {
            each(grpc::serving(&message));
        }
    }
}

/// What is still to come of an answer.
struct Answer {
    stream: u32,
    body: h2::RecvStream,
}

fn is_grpc(response: &Response<()>) -> bool {
    value(response.headers(), "content-type").starts_with("application/grpc")
}

fn code(headers: &HeaderMap) -> Option<u32> {
    value(headers, "grpc-status").trim().parse().ok()
}

fn value(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.chars().take(MOST_VALUE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;
    use tokio::task::LocalSet;

    /// How the second request on a connection ends, and whether it was never sent: the server closes without GOAWAY,
    /// behind its first answer or when it has the second request.
    async fn second(reads_it: bool) -> (Outcome, bool) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let answered = Rc::new(Notify::new());
        let told = Rc::clone(&answered);
        let serving = spawn_local(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            respond.send_response(Response::new(()), true).unwrap();
            // It goes on as far as it is polled.
            tokio::select! {
                second = connection.accept() => assert!(reads_it && second.is_some()),
                () = told.notified() => assert!(!reads_it),
            }
        });
        let connection = Http2::open(to, Protocol::H2c, Reads::AtOnce).await.unwrap();
        let first = connection.get("/", &mut Kept::default()).await;
        assert!(matches!(first, Outcome::Answered { status: 200, .. }), "{first:?}");
        if !reads_it {
            answered.notify_one();
            connection.let_go().await;
        }
        let outcome = connection.get("/", &mut Kept::default()).await;
        serving.await.unwrap();
        (outcome, connection.is_unsent())
    }

    #[test]
    fn what_an_idle_connection_that_was_closed_did_not_take_is_told_from_what_it_took() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let of = |reads_it| runtime.block_on(LocalSet::new().run_until(second(reads_it)));
        let (outcome, unsent) = of(false);
        assert!(unsent && outcome.is_lost(), "{outcome:?}");
        let (outcome, unsent) = of(true);
        assert!(!unsent && outcome.is_lost(), "{outcome:?}");
    }
}
