//! What is written down of requests while the process runs, and how they are made.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{Outcome, Probe, ProbeBy, Protocol, Purpose, Request};
use provost_check::model::hidden::Hidden;
use provost_check::model::secret::masked;
use tokio::time::{Instant, sleep_until, timeout};

use crate::prove::connection::{Connection, Kept, get};
use crate::prove::http2::{Http2, Reads};
use crate::prove::process::Clock;
use crate::prove::tls::{Offer, Stream};

/// Requests that are kept.
const MOST_REQUESTS: usize = 400_000;
/// Letters of a `Location` that are kept.
const MOST_LOCATION: usize = 200;

/// What is written down while the process runs.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) clock: Clock,
    pub(super) requests: RefCell<Vec<Request>>,
    /// How late each moment was met, in microseconds.
    lateness: RefCell<Vec<u64>>,
    /// What is spoken on a port.
    protocols: RefCell<BTreeMap<u16, Protocol>>,
    /// What gRPC is asked for the health of.
    pub(super) service: String,
    /// What no report may show.
    hidden: Rc<Hidden>,
}

impl Log {
    pub(super) fn new(clock: Clock, service: String, hidden: Rc<Hidden>) -> Self {
        Self {
            clock,
            hidden,
            requests: RefCell::default(),
            lateness: RefCell::default(),
            protocols: RefCell::default(),
            service,
        }
    }

    /// What is spoken on a port; HTTP/1.1 where that is not known.
    pub(super) fn protocol(&self, port: u16) -> Protocol {
        self.protocols.borrow().get(&port).copied().unwrap_or(Protocol::Http)
    }

    /// That is spoken on a port from now on.
    pub(super) fn speak(&self, port: u16, protocol: Protocol) {
        self.protocols.borrow_mut().insert(port, protocol);
    }

    /// How late the moments were met, but for the latest of a hundred.
    pub(super) fn lateness_us(&self) -> u64 {
        let mut lateness = self.lateness.take();
        lateness.sort_unstable();
        let place = (lateness.len() * 99).div_ceil(100).saturating_sub(1);
        lateness.get(place).copied().unwrap_or(0)
    }

    /// Keeps the life of a request.
    pub(super) fn keep(
        &self,
        purpose: Purpose,
        path: &str,
        (at, sent): (Instant, Option<Instant>),
        mut outcome: Outcome,
    ) {
        if let Outcome::Answered { location: Some(location), .. } = &mut outcome {
            // Cut first, the rest of what is secret would not be known again.
            self.hidden.hide(location);
            *location = masked(location).chars().take(MOST_LOCATION).collect();
        }
        let mut requests = self.requests.borrow_mut();
        if requests.len() < MOST_REQUESTS {
            requests.push(Request {
                purpose,
                path: path.to_owned(),
                at_us: self.clock.at(at),
                sent_us: sent.map(|sent| self.clock.at(sent)),
                end_us: self.clock.now_us(),
                outcome,
            });
        }
    }

    /// Waits for the moment at which something is to be done, and notes how late that was.
    pub(super) async fn wait_until(&self, moment: Instant) {
        sleep_until(moment).await;
        self.began(moment);
    }

    /// Notes how late it is for what was to be done then.
    pub(super) fn began(&self, moment: Instant) {
        let late = u64::try_from(moment.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut lateness = self.lateness.borrow_mut();
        if lateness.len() < MOST_REQUESTS {
            lateness.push(late);
        }
    }

    /// How the request ended that was kept last.
    pub(super) fn last(&self) -> Option<Outcome> {
        self.requests.borrow().last().map(|request| request.outcome.clone())
    }

    /// The same of those for that purpose.
    pub(super) fn last_of(&self, purpose: Purpose) -> Option<Outcome> {
        let requests = self.requests.borrow();
        let mut back = requests.iter().rev();
        back.find(|request| request.purpose == purpose).map(|request| request.outcome.clone())
    }

    /// Opens a connection, asks once by what is spoken there, and keeps what came of it.
    pub(super) async fn ask(
        &self,
        purpose: Purpose,
        to: SocketAddr,
        path: &str,
        patience: Duration,
    ) {
        let protocol = self.protocol(to.port());
        if !protocol.is_http2() {
            let request = get(path, &to.to_string(), 0);
            return self.send(purpose, to, path, &request, patience).await;
        }
        let asked = if protocol.is_grpc() { self.service.as_str() } else { path };
        self.keep_of(purpose, asked, protocol.is_grpc(), patience, async |sent| {
            let connection = Http2::open(to, protocol, Reads::AtOnce).await?;
            sent.set(Some(Instant::now()));
            Ok(exchange(&connection, protocol, asked).await)
        })
        .await;
    }

    /// Opens a connection, sends bytes of HTTP/1.1, and keeps what came of it.
    pub(super) async fn send(
        &self,
        purpose: Purpose,
        to: SocketAddr,
        path: &str,
        request: &[u8],
        patience: Duration,
    ) {
        let protocol = self.protocol(to.port());
        self.keep_of(purpose, path, false, patience, async |sent| {
            let mut connection = Connection::open_as(to, protocol).await?;
            connection.send(request).await?;
            sent.set(Some(Instant::now()));
            Ok(connection.response().await)
        })
        .await;
    }

    /// Makes a probe as the kubelet makes it: by what the manifest says, whatever is spoken there.
    pub(super) async fn probe(&self, purpose: Purpose, probe: &Probe, to: SocketAddr) {
        let patience = Duration::from_millis(probe.timeout_ms);
        let path = probe.path.as_str();
        let by_grpc = probe.by == ProbeBy::Grpc;
        self.keep_of(purpose, path, by_grpc, patience, async |sent| {
            let offer = match probe.by {
                ProbeBy::Grpc => {
                    let connection = Http2::open(to, Protocol::Grpc, Reads::AtOnce).await?;
                    sent.set(Some(Instant::now()));
                    return Ok(connection.check(path).await);
                }
                ProbeBy::Http => None,
                ProbeBy::Https => Some(Offer::Both),
            };
            let stream = Stream::open(to, offer).await?;
            if stream.is_h2() {
                let connection = Http2::over(stream, to, Reads::AtOnce).await?;
                sent.set(Some(Instant::now()));
                return Ok(connection.get(path, &mut Kept::default()).await);
            }
            let mut connection = Connection::over(stream);
            connection.send(&get(path, &to.to_string(), 0)).await?;
            sent.set(Some(Instant::now()));
            Ok(connection.response().await)
        })
        .await;
    }

    async fn keep_of(
        &self,
        purpose: Purpose,
        path: &str,
        grpc: bool,
        patience: Duration,
        ask: impl AsyncFnOnce(&Cell<Option<Instant>>) -> Result<Outcome, Outcome>,
    ) {
        let at = Instant::now();
        let sent = Cell::new(None);
        let outcome = match timeout(patience, ask(&sent)).await {
            Ok(Ok(outcome) | Err(outcome)) => outcome,
            Err(_) => Outcome::TimedOut,
        };
        self.keep(purpose, &shown(path, grpc), (at, sent.get()), outcome);
    }
}

/// A connection by what is spoken where it goes.
#[derive(Debug)]
pub(super) enum Client {
    /// HTTP/1.1
    One(Connection),
    /// HTTP/2 or gRPC.
    Two(Http2, Protocol),
}

impl Client {
    /// Connects.
    pub(super) async fn open(log: &Log, to: SocketAddr) -> Result<Self, Outcome> {
        let protocol = log.protocol(to.port());
        Ok(match protocol.is_http2() {
            true => Self::Two(Http2::open(to, protocol, Reads::AtOnce).await?, protocol),
            false => Self::One(Connection::open_as(to, protocol).await?),
        })
    }

    /// Asks for a path, or by gRPC for the health of the service.
    pub(super) async fn ask(&mut self, log: &Log, to: SocketAddr, path: &str) -> Outcome {
        match self {
            Self::One(connection) => match connection.send(&get(path, &to.to_string(), 0)).await {
                Ok(()) => connection.response().await,
                Err(outcome) => outcome,
            },
            Self::Two(connection, protocol) => {
                let asked = if protocol.is_grpc() { log.service.as_str() } else { path };
                exchange(connection, *protocol, asked).await
            }
        }
    }

    /// Whether the connection is still there after a pause.
    pub(super) async fn stays(&mut self, pause: Duration) -> bool {
        match self {
            Self::One(connection) => connection.stays(pause).await,
            Self::Two(connection, _) => timeout(pause, connection.let_go()).await.is_err(),
        }
    }
}

/// Asks on a connection of HTTP/2: a path, or for the health of a service.
pub(super) async fn exchange(connection: &Http2, protocol: Protocol, asked: &str) -> Outcome {
    match protocol.is_grpc() {
        true => connection.check(asked).await,
        false => connection.get(asked, &mut Kept::default()).await,
    }
}

/// What is asked for, as it is kept.
pub(super) fn shown(asked: &str, grpc: bool) -> String {
    match (grpc, asked) {
        (false, path) => path.to_owned(),
        (true, "") => "grpc.health.v1.Health/Check".to_owned(),
        (true, service) => format!("grpc.health.v1.Health/Check {service}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_at_the_cut_of_a_location_is_left_out() {
        let mut hidden = Hidden::default();
        hidden.add("hunter2hunter2");
        let log = Log::new(Clock::now(), String::new(), Rc::new(hidden));
        let whole = format!("/{}hunter2hunter2", "a".repeat(MOST_LOCATION - 8));
        let mut outcome = Outcome::answered(302, 0, false);
        if let Outcome::Answered { location, .. } = &mut outcome {
            *location = Some(whole);
        }
        log.keep(Purpose::Plain, "/", (Instant::now(), None), outcome);
        let Some(Outcome::Answered { location: Some(kept), .. }) = log.last() else { panic!() };
        assert_eq!(kept, format!("/{}***", "a".repeat(MOST_LOCATION - 8)));
    }
}
