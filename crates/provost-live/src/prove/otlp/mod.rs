//! Where a collector would be: takes what the process sends by OTLP (gRPC; HTTP with protobuf or JSON,
//! plain or gzipped), or refuses it, or answers nothing. Every port takes every kind of it, told apart by
//! its first bytes.

pub mod decode;
mod grpc;
mod http;

use std::cell::{Cell, RefCell};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::telemetry::{Behaviour, Export, Kind, Span, Telemetry, Turned};
use provost_check::model::hidden::Hidden;
use provost_check::model::secret::masked;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

use super::process::Clock;

/// The port that the process is told, in a network where none is taken: no default of anybody, so that
/// what arrives there was sent by who was told.
pub(super) const TOLD: u16 = 14318;

/// Bytes of a message, packed and unpacked: what the collector's HTTP receiver takes by default
/// (`confighttp`, 20 MiB).
const MOST_BODY: usize = 20 << 20;
/// Of JSON, of which every value takes many times its text when it is read.
const MOST_JSON: usize = 2 << 20;
/// Bytes of messages that have begun to come, of all connections together.
const MOST_OPEN: usize = 64 << 20;
/// Connections at a time.
const MOST_CONNECTIONS: usize = 64;
/// Messages and spans that are kept.
const MOST_EXPORTS: usize = 10_000;
const MOST_SPANS: usize = 50_000;
/// Messages of bursts that are kept.
const MOST_OF_BURSTS: usize = 100;
/// Sentences about what cannot be understood.
const MOST_BROKEN: usize = 8;
/// Names of services.
const MOST_SERVICES: usize = 16;
/// Letters of a name that are kept.
const MOST_NAME: usize = 200;
/// Until a connection is asked for again, when there was none to be had: files may run out.
const AGAIN: Duration = Duration::from_millis(10);
/// Tries to have a port back.
const TRIES: usize = 100;

/// What has arrived.
#[derive(Debug, Default)]
struct Received {
    exports: Vec<(Instant, Export)>,
    spans: Vec<(Instant, Span)>,
    more: u64,
    services: Vec<String>,
    connections: u64,
    broken: Vec<String>,
    turns: Vec<(Instant, Behaviour)>,
}

/// A message and how it came.
struct Arrived<'b> {
    kind: Kind,
    by: &'static str,
    default_port: Option<u16>,
    body: &'b [u8],
    gzip: bool,
}

/// Takes messages of connections.
#[derive(Clone, Debug)]
struct Inbox {
    received: Rc<RefCell<Received>>,
    default_port: Option<u16>,
    /// Bytes that may come and are not answered yet.
    room: Rc<Cell<usize>>,
    hidden: Rc<Hidden>,
}

/// What a message that comes holds of the room of all.
#[derive(Debug)]
struct Held {
    room: Rc<Cell<usize>>,
    bytes: usize,
}

impl Held {
    /// Whether there is room for more bytes, which it holds then.
    fn more(&mut self, bytes: usize) -> bool {
        let Some(left) = self.room.get().checked_sub(bytes) else { return false };
        if self.bytes + bytes > MOST_BODY {
            return false;
        }
        self.room.set(left);
        self.bytes += bytes;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.set(self.room.get() + self.bytes);
    }
}

impl Inbox {
    fn hold(&self) -> Held {
        Held { room: Rc::clone(&self.room), bytes: 0 }
    }

    /// What a report may show of a name. What is secret is looked for in the whole of it: cut, it would
    /// not be known again.
    fn shown(&self, mut name: String) -> String {
        self.hidden.hide(&mut name);
        masked(&name).chars().take(MOST_NAME).collect()
    }

    /// Whether the message could be understood.
    fn take(&self, it: &Arrived<'_>) -> bool {
        let unpacked;
        let body = if it.gzip {
            match gunzip(it.body) {
                Some(bytes) => {
                    unpacked = bytes;
                    unpacked.as_slice()
                }
                None => {
                    self.broken(format!("a message by {} is no gzip, or too long", it.by));
                    return false;
                }
            }
        } else {
            it.body
        };
        let read = match it.by {
            "http/json" if body.len() > MOST_JSON => {
                self.broken("a message by http/json is too long".to_owned());
                return false;
            }
            "http/json" => decode::json(it.kind, body),
            _ => decode::protobuf(it.kind, body),
        };
        let Ok(message) = read else {
            self.broken(format!("a message by {} is none of OTLP", it.by));
            return false;
        };
        let now = Instant::now();
        let mut received = self.received.borrow_mut();
        if received.exports.len() < MOST_EXPORTS {
            let (signal, items) = (it.kind, message.items);
            let (by, default_port) = (it.by.to_owned(), it.default_port);
            received.exports.push((now, Export { at_us: 0, signal, by, items, default_port }));
        }
        let kept = message.spans.len() as u64;
        let room = MOST_SPANS.saturating_sub(received.spans.len());
        let all = message.items * u64::from(it.kind == Kind::Traces);
        received.more += all - kept.min(room as u64);
        let spans = message.spans.into_iter().take(room);
        let spans = spans.map(|span| (now, Span { name: self.shown(span.name), ..span }));
        received.spans.extend(spans);
        for service in message.services {
            let service = self.shown(service);
            if received.services.len() < MOST_SERVICES && !received.services.contains(&service) {
                received.services.push(service);
            }
        }
        true
    }

    fn broken(&self, what: String) {
        let mut received = self.received.borrow_mut();
        if received.broken.len() < MOST_BROKEN && !received.broken.contains(&what) {
            received.broken.push(what);
        }
    }

    async fn connection(self, stream: TcpStream) {
        let mut first = [0; 3];
        // Three bytes tell: an HTTP/2 preface, a TLS record, or the name of a method.
        loop {
            match stream.peek(&mut first).await {
                Ok(0) | Err(_) => return,
                Ok(_) if first[0] == 0x16 => {
                    let what = "it speaks TLS, although it was told an address without";
                    self.broken(what.to_owned());
                    return;
                }
                Ok(3..) => break,
                Ok(_) => sleep(Duration::from_millis(1)).await,
            }
        }
        match &first {
            b"PRI" => grpc::serve(stream, &self).await,
            _ => http::serve(stream, &self).await,
        }
    }
}

fn gunzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = MOST_BODY as u64 + 1;
    flate2::read::MultiGzDecoder::new(body).take(limit).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= MOST_BODY).then_some(bytes)
}

/// What is sent to a path of OTLP/HTTP or to a method of gRPC.
fn kind_of(path: &str) -> Kind {
    let is = |http: &str, grpc: &str| path.ends_with(http) || path.contains(grpc);
    if is("/v1/metrics", ".MetricsService/") {
        Kind::Metrics
    } else if is("/v1/logs", ".LogsService/") {
        Kind::Logs
    } else {
        // An endpoint that is for traces alone is used as it is, whatever its path.
        Kind::Traces
    }
}

/// The sink of one run.
#[derive(Debug)]
pub(super) struct Sink {
    received: Rc<RefCell<Received>>,
    room: Rc<Cell<usize>>,
    hidden: Rc<Hidden>,
    /// Where the process is told to send.
    pub(super) told: SocketAddr,
    /// Ports beside it, where SDKs send by default.
    defaults: Vec<u16>,
    behaviour: Behaviour,
    tasks: Vec<JoinHandle<()>>,
    /// Bound, and not asked for connections: the kernel makes them all the same.
    idle: Vec<TcpListener>,
}

impl Sink {
    /// Opens the port that the process is told, or any where none is given. Must be called in a
    /// `LocalSet`.
    pub(super) async fn open(
        behaviour: Behaviour,
        port: Option<u16>,
        hidden: Hidden,
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("no port for a sink of telemetry: {error}");
        let at = (Ipv4Addr::LOCALHOST, port.unwrap_or(0));
        let first = TcpListener::bind(at).await.map_err(failed)?;
        let told = first.local_addr().map_err(failed)?;
        drop(first);
        let mut sink = Self {
            received: Rc::default(),
            room: Rc::new(Cell::new(MOST_OPEN)),
            hidden: Rc::new(hidden),
            told,
            defaults: Vec::new(),
            behaviour,
            tasks: Vec::new(),
            idle: Vec::new(),
        };
        sink.turn(behaviour).await;
        Ok(sink)
    }

    /// Behaves otherwise from now on. Connections that are there are cut.
    pub(super) async fn turn(&mut self, to: Behaviour) {
        self.close().await;
        self.behaviour = to;
        self.received.borrow_mut().turns.push((Instant::now(), to));
        if to == Behaviour::Refuses {
            return;
        }
        for _ in 0..TRIES {
            if self.listen(self.told.port(), None).await {
                break;
            }
            sleep(AGAIN).await;
        }
        for port in self.defaults.clone() {
            self.listen(port, Some(port)).await;
        }
    }

    /// Listens on one more port, where SDKs send by default; not where somebody has it.
    pub(super) async fn also(&mut self, port: u16) -> bool {
        let has = self.behaviour == Behaviour::Refuses || self.listen(port, Some(port)).await;
        if has {
            self.defaults.push(port);
        }
        has
    }

    async fn listen(&mut self, port: u16, default_port: Option<u16>) -> bool {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let Ok(listener) = bound else { return false };
        if self.behaviour == Behaviour::Hangs {
            self.idle.push(listener);
            return true;
        }
        let inbox = Inbox {
            received: Rc::clone(&self.received),
            default_port,
            room: Rc::clone(&self.room),
            hidden: Rc::clone(&self.hidden),
        };
        self.tasks.push(spawn_local(async move {
            accept(async || listener.accept().await.map(|(stream, _)| stream), inbox).await;
        }));
        true
    }

    /// Spans that have arrived.
    pub(super) fn arrived(&self, mut is_it: impl FnMut(&Span) -> bool) -> bool {
        self.received.borrow().spans.iter().any(|(_, span)| is_it(span))
    }

    /// Messages that have arrived.
    pub(super) fn messages(&self) -> usize {
        self.received.borrow().exports.len()
    }

    /// Keeps no more of what has arrived than its number: of bursts nothing is asked.
    pub(super) fn forget(&self) {
        let mut received = self.received.borrow_mut();
        received.more += received.spans.len() as u64;
        received.spans.clear();
        received.exports.truncate(MOST_OF_BURSTS);
    }

    /// Nobody listens any more.
    async fn close(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
            // It has its port until then.
            let _ = task.await;
        }
        self.idle.clear();
        // The tasks of its connections are taken away with the next ones.
        tokio::task::yield_now().await;
    }

    /// What was seen.
    pub(super) fn seen(&self, clock: Clock) -> Telemetry {
        let received = self.received.take();
        let at = |at: Instant| clock.at(at);
        Telemetry {
            asked: Vec::new(),
            exports: received
                .exports
                .into_iter()
                .map(|(time, export)| Export { at_us: at(time), ..export })
                .collect(),
            spans: received
                .spans
                .into_iter()
                .map(|(time, span)| Span { at_us: at(time), ..span })
                .collect(),
            more: received.more,
            services: received.services,
            connections: received.connections,
            broken: received.broken,
            turns: received
                .turns
                .into_iter()
                .map(|(time, to)| Turned { at_us: at(time), to })
                .collect(),
            memory: Vec::new(),
        }
    }
}

/// Ends with the tasks of its connections.
async fn accept(mut next: impl AsyncFnMut() -> std::io::Result<TcpStream>, inbox: Inbox) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(stream) = next().await else {
            // Files have run out, or it was gone before it was there. The next may come.
            sleep(AGAIN).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        if inbox.default_port.is_none() {
            inbox.received.borrow_mut().connections += 1;
        }
        if connections.len() >= MOST_CONNECTIONS {
            continue;
        }
        let _ = stream.set_nodelay(true);
        connections.spawn_local(inbox.clone().connection(stream));
    }
}

/// The address that a variable is given instead of its own: written as that was, with its path, without
/// TLS.
pub(super) fn repointed(value: &str, to: SocketAddr) -> String {
    match value.split_once("://") {
        Some((_, rest)) => {
            let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
            format!("http://{to}{path}")
        }
        None if value.is_empty() => format!("http://{to}"),
        None => to.to_string(),
    }
}

#[cfg(test)]
mod tests;
