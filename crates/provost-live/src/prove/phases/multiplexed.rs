//! Load by HTTP/2: many streams on one connection, of plain HTTP or of gRPC.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::health::{State, Watched};
use provost_check::facts::proof::{Outcome, Protocol, Purpose};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::drain::{BUSY_PAUSE, Load};
use super::log::{Log, exchange, shown};
use super::run::PATIENCE;
use crate::prove::http2::{Http2, Reads};

/// Streams at a time on one connection.
const STREAMS: usize = 4;
/// Streams whose answers are not read.
const HELD_STREAMS: usize = 4;
/// Messages of a stream that are kept.
const MOST_STATES: usize = 100;
/// A client that watches lets go that long after it was told to: what is said last still arrives.
const LETS_GO: Duration = Duration::from_millis(300);

/// How long answers are not read: until some time after GOAWAY, by which a server says that it waits
/// for what is in flight; at the latest until a moment at which nobody goes on serving.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) after: Duration,
    pub(super) latest: Instant,
}

impl Load {
    /// What is asked for: a path, or the service whose health is.
    fn asked(&self, path: &Rc<str>) -> Rc<str> {
        asked(&self.log, self.protocol, path)
    }

    async fn open(&self, reads: Reads) -> Option<Rc<Http2>> {
        let opening = Http2::open(self.to, self.protocol, reads);
        Some(Rc::new(timeout(PATIENCE, opening).await.ok()?.ok()?))
    }

    /// A client that has several requests on its connection at a time, until GOAWAY says that another
    /// is to be opened.
    pub(super) async fn multiplexed(self) {
        while !self.over.get() {
            // New connections are counted elsewhere.
            let Some(connection) = self.open(Reads::AtOnce).await else {
                sleep(BUSY_PAUSE * 4).await;
                continue;
            };
            let streams: Vec<JoinHandle<()>> = (0..STREAMS)
                .map(|_| spawn_local(self.clone().one_of_several(Rc::clone(&connection))))
                .collect();
            for stream in streams {
                let _ = stream.await;
            }
            sleep(BUSY_PAUSE).await;
        }
    }

    async fn one_of_several(self, connection: Rc<Http2>) {
        let asked = self.asked(&self.path);
        let mut used = false;
        while !self.ended.get() && connection.is_open() {
            let at = Instant::now();
            let outcome =
                match timeout(PATIENCE, exchange(&connection, self.protocol, &asked)).await {
                    Ok(outcome) => outcome,
                    Err(_) => Outcome::TimedOut,
                };
            // A connection that was used and is closed while it is idle, with GOAWAY or without, takes nothing: what was
            // not sent on it clients send on another (`errClientConnUnusable` in net/http/h2_bundle.go; of gRPC,
            // `shouldRetry` in google.golang.org/grpc/stream.go).
            if used && outcome.is_lost() && connection.is_unsent() {
                return;
            }
            used = true;
            let answered = matches!(outcome, Outcome::Answered { .. });
            self.keep(Purpose::Busy, &asked, (at, Some(at)), outcome);
            if !answered {
                return;
            }
            sleep(BUSY_PAUSE).await;
        }
    }

    /// A client that has used its connection and finds, when it wants to use it again, what became of it.
    pub(super) async fn idle_http2(self, again: Instant) {
        let asked = self.asked(&self.path);
        let Some(connection) = self.open(Reads::AtOnce).await else { return };
        let first = timeout(PATIENCE, exchange(&connection, self.protocol, &asked)).await;
        if !matches!(first, Ok(Outcome::Answered { .. })) {
            return;
        }
        let idle = Instant::now();
        tokio::select! {
            // Told in time: a client knows, and opens another.
            () = connection.let_go() => {
                let gone = Outcome::Closed { bytes: 0 };
                self.keep(Purpose::Idle, &asked, (idle, None), gone);
            }
            () = sleep_until(again) => {
                let sent = Instant::now();
                let asking = exchange(&connection, self.protocol, &asked);
                let outcome = timeout(PATIENCE, asking).await.unwrap_or(Outcome::TimedOut);
                let (sent, outcome) = match outcome.is_lost() && connection.is_unsent() {
                    // It was closed at this moment.
                    true => (None, Outcome::Closed { bytes: 0 }),
                    false => (Some(sent), outcome),
                };
                self.keep(Purpose::Idle, &asked, (idle, sent), outcome);
            }
        }
    }

    /// Requests that are in flight when SIGTERM comes and when the drain begins: their client does not
    /// read what it is answered, so that the server cannot be done with them. It takes no path that
    /// takes a while, and what is said is little.
    pub(super) async fn held(self, path: Rc<str>, held: Held) {
        let asked = self.asked(&path);
        let Some(connection) = self.open(Reads::Later).await else { return };
        let streams: Vec<JoinHandle<()>> = (0..HELD_STREAMS)
            .map(|_| {
                spawn_local(self.clone().in_flight_on(Rc::clone(&connection), Rc::clone(&asked)))
            })
            .collect();
        tokio::select! {
            () = sleep_until(held.latest) => {}
            () = async {
                connection.let_go().await;
                sleep(held.after).await;
            } => {}
        }
        connection.read_on();
        for stream in streams {
            let _ = stream.await;
        }
    }

    /// Requests in flight on a path that takes a while.
    pub(super) async fn slow_http2(self, path: Rc<str>) {
        let Some(connection) = self.open(Reads::AtOnce).await else { return };
        let streams: Vec<JoinHandle<()>> = (0..STREAMS)
            .map(|_| {
                spawn_local(self.clone().in_flight_on(Rc::clone(&connection), Rc::clone(&path)))
            })
            .collect();
        for stream in streams {
            let _ = stream.await;
        }
    }

    /// A call by a method that somebody named. Its client waits for the status, whatever GOAWAY says: that is of new
    /// calls.
    pub(super) async fn call(self, method: Rc<str>) {
        let Some(connection) = self.open(Reads::AtOnce).await else { return };
        let at = Instant::now();
        let outcome = timeout(PATIENCE * 6, connection.call_bare(&method)).await;
        let outcome = outcome.unwrap_or(Outcome::TimedOut);
        self.log.keep(Purpose::Call, &method, (at, Some(at)), outcome);
    }

    async fn in_flight_on(self, connection: Rc<Http2>, asked: Rc<str>) {
        let at = Instant::now();
        let asking = exchange(&connection, self.protocol, &asked);
        let outcome = timeout(PATIENCE * 6, asking).await.unwrap_or(Outcome::TimedOut);
        self.keep(Purpose::Slow, &asked, (at, Some(at)), outcome);
    }

    /// A client that watches the health of the service, and lets go when it is told to, as the health
    /// checks of gRPC's clients do.
    pub(super) async fn watch(self, after: Duration) -> Watched {
        let service: Rc<str> = Rc::from(self.log.service.as_str());
        let at = Instant::now();
        let states = RefCell::new(Vec::new());
        let mut goaway_us = None;
        let mut outcome = Outcome::Unfinished;
        if let Some(connection) = self.open(Reads::AtOnce).await {
            let watching = connection.watch(&service, |serving| {
                let mut states = states.borrow_mut();
                if let Some(serving) = serving.filter(|_| states.len() < MOST_STATES) {
                    states.push(State { at_us: self.log.clock.now_us(), serving });
                }
            });
            outcome = tokio::select! {
                outcome = watching => outcome,
                () = async {
                    connection.let_go().await;
                    sleep(LETS_GO.min(after)).await;
                } => Outcome::Unfinished,
            };
            let wire = connection.wire().borrow();
            goaway_us = wire.goaway_at.map(|at| self.log.clock.at(at));
        }
        let end_us = self.log.clock.now_us();
        let shown = shown(&service, true).replace("/Check", "/Watch");
        self.log.keep(Purpose::Watch, &shown, (at, Some(at)), outcome);
        Watched { service: service.to_string(), states: states.take(), goaway_us, end_us }
    }

    fn keep(
        &self,
        purpose: Purpose,
        asked: &str,
        times: (Instant, Option<Instant>),
        outcome: Outcome,
    ) {
        self.log.keep(purpose, &shown(asked, self.protocol.is_grpc()), times, outcome);
    }
}

fn asked(log: &Log, protocol: Protocol, path: &Rc<str>) -> Rc<str> {
    match protocol.is_grpc() {
        true => Rc::from(log.service.as_str()),
        false => Rc::clone(path),
    }
}

/// A request whose answer its client never reads.
pub(super) async fn never_read(
    log: Rc<Log>,
    (to, protocol): (SocketAddr, Protocol),
    path: Rc<str>,
) {
    let asked = asked(&log, protocol, &path);
    let at = Instant::now();
    let asking = async {
        let connection = Http2::open(to, protocol, Reads::Later).await?;
        Ok::<Outcome, Outcome>(exchange(&connection, protocol, &asked).await)
    };
    let (Ok(outcome) | Err(outcome)) = asking.await;
    log.keep(Purpose::Endless, &shown(&asked, protocol.is_grpc()), (at, None), outcome);
}

/// A client that watches the health of the service and does not let go.
pub(super) async fn watch_on(log: Rc<Log>, (to, protocol): (SocketAddr, Protocol)) {
    let at = Instant::now();
    let asking = async {
        let connection = Http2::open(to, protocol, Reads::AtOnce).await?;
        Ok::<Outcome, Outcome>(connection.watch(&log.service, |_| {}).await)
    };
    let (Ok(outcome) | Err(outcome)) = asking.await;
    let shown = shown(&log.service, true).replace("/Check", "/Watch");
    log.keep(Purpose::Endless, &shown, (at, None), outcome);
}
