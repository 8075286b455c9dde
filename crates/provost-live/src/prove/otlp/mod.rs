//! Where a collector would be: takes what the process sends by OTLP (gRPC; HTTP with protobuf or JSON,
//! plain or gzipped), or refuses it, or answers nothing. Every port takes every kind of it, told apart by
//! its first bytes.

pub mod decode;
mod grpc;
mod http;
pub mod wire;

use std::cell::RefCell;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use provost_check::facts::proof::telemetry::{
    Behaviour, DEFAULT_PORTS, Export, Kind, Span, Telemetry, Turned,
};
use provost_check::model::hidden::Hidden;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

use super::process::Clock;

/// The port that the process is told, in a network where none is taken: no default of anybody, so that
/// what arrives there was sent by who was told.
pub(super) const TOLD: u16 = 14318;

/// Bytes of a message, packed and unpacked: what the collector's HTTP receiver takes by default
/// (`confighttp`, 20 MiB).
const MOST_BODY: usize = 20 << 20;
/// Connections at a time.
const MOST_CONNECTIONS: usize = 64;
/// Messages and spans that are kept.
const MOST_EXPORTS: usize = 10_000;
const MOST_SPANS: usize = 50_000;
/// Sentences about what cannot be understood.
const MOST_BROKEN: usize = 8;
/// Names of services.
const MOST_SERVICES: usize = 16;

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
}

impl Inbox {
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
        received.spans.extend(message.spans.into_iter().take(room).map(|span| (now, span)));
        for service in message.services {
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
                Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
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
    /// Where the process is told to send.
    pub(super) told: SocketAddr,
    own_network: bool,
    tasks: Vec<JoinHandle<()>>,
    /// Bound, and not asked for connections: the kernel makes them all the same.
    idle: Vec<TcpListener>,
}

impl Sink {
    /// Opens its ports. Must be called in a `LocalSet`.
    pub(super) async fn open(behaviour: Behaviour, own_network: bool) -> Result<Self, String> {
        let port = if own_network { TOLD } else { 0 };
        let failed = |error: std::io::Error| format!("no port for a sink of telemetry: {error}");
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let told = first.local_addr().map_err(failed)?;
        drop(first);
        let received = Rc::default();
        let mut sink = Self { received, told, own_network, tasks: Vec::new(), idle: Vec::new() };
        sink.turn(behaviour).await;
        Ok(sink)
    }

    /// Behaves otherwise from now on. Connections that are there are cut.
    pub(super) async fn turn(&mut self, to: Behaviour) {
        self.close();
        self.received.borrow_mut().turns.push((Instant::now(), to));
        if to == Behaviour::Refuses {
            return;
        }
        // Of the network of the machine only what was asked for is taken.
        let defaults = DEFAULT_PORTS.iter().filter(|_| self.own_network);
        let ports = std::iter::once((self.told.port(), None));
        for (port, default_port) in ports.chain(defaults.map(|&port| (port, Some(port)))) {
            // One that somebody has is left to them.
            let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await else {
                continue;
            };
            if to == Behaviour::Hangs {
                self.idle.push(listener);
                continue;
            }
            let inbox = Inbox { received: Rc::clone(&self.received), default_port };
            self.tasks.push(spawn_local(accept(listener, inbox)));
        }
    }

    /// Spans that have arrived.
    pub(super) fn arrived(&self, mut is_it: impl FnMut(&Span) -> bool) -> bool {
        self.received.borrow().spans.iter().any(|(_, span)| is_it(span))
    }

    /// Nobody listens any more.
    pub(super) fn close(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
        self.idle.clear();
    }

    /// What was seen.
    pub(super) fn seen(&self, clock: Clock, hidden: &Hidden) -> Telemetry {
        let received = self.received.take();
        let shown = |mut text: String| {
            hidden.hide(&mut text);
            text
        };
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
                .map(|(time, span)| Span {
                    at_us: at(time),
                    name: shown(span.name.clone()),
                    ..span
                })
                .collect(),
            more: received.more,
            services: received.services.into_iter().map(shown).collect(),
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
async fn accept(listener: TcpListener, inbox: Inbox) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
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
