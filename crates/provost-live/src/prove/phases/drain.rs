//! Ended under load: new connections, busy and idle ones, requests in flight, and the kubelet's probes
//! go on while the process drains.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::metrics::After;
use provost_check::facts::proof::{Outcome, Probe, ProbeKind, Protocol, Purpose};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::log::Log;
use super::multiplexed::Held;
use super::run::{PATIENCE, Run};
use super::scrapes::Beside;
use super::{stuck, upgraded};
use crate::prove::connection::{Connection, get};

/// Between two new connections: open loop, whatever becomes of them.
const ARRIVALS: Duration = Duration::from_millis(10);
/// Between two probes; a kubelet makes one in seconds, and would see the same later.
const PROBES: Duration = Duration::from_millis(100);
/// Connections that ask again and again.
const BUSY: usize = 4;
/// Connections of HTTP/2 on which several ask at a time.
const MULTIPLEXED: usize = 2;
/// Connections of HTTP/2 whose clients do not read yet when SIGTERM comes.
const HELD: usize = 2;
/// What the question may take whether HTTP/1.1 is spoken beside HTTP/2.
const SPEAKS: Duration = Duration::from_secs(1);
/// Between two requests on one of them.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Connections that were used and are idle when SIGTERM comes.
const IDLE: usize = 4;
/// Requests that are in flight when SIGTERM comes.
const SLOW: usize = 8;
/// They are begun that long before it.
const BEFORE: Duration = Duration::from_millis(200);
/// Clients finish sending that long after it.
const AFTER: Duration = Duration::from_millis(300);
/// Load before SIGTERM.
const WARM: Duration = Duration::from_millis(500);

pub(super) async fn run(run: &mut Run<'_>) {
    if !run.become_ready().await {
        return;
    }
    let Some(port) = run.port() else { return };
    let metrics = Beside::of(run).await;
    let terms = &run.plan.terms;
    let to = run.to(port);
    let load = Load {
        log: Rc::clone(&run.log),
        to,
        protocol: run.protocol(port),
        path: Rc::from(terms.path.as_str()),
        over: Rc::new(Cell::new(false)),
        told: Rc::new(Cell::new(false)),
        ended: Rc::new(Cell::new(false)),
    };
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    tasks.push(spawn_local(load.clone().arrivals()));
    let window = Duration::from_millis(terms.window_ms());
    let protocol = load.protocol;
    let http1 = load.speaks_http1().await;
    // Behind the question, which takes longer than the load before SIGTERM where nobody answers it.
    let term = Instant::now() + WARM;
    if http1 {
        tasks.extend((0..BUSY).map(|_| spawn_local(load.clone().busy())));
    }
    if protocol.is_http2() {
        tasks.extend((0..MULTIPLEXED).map(|_| spawn_local(load.clone().multiplexed())));
    }
    for number in 0..IDLE {
        // They are used again at different moments of the drain.
        let part = u32::try_from(number + 1).unwrap_or(1);
        let again = term + AFTER + window.mul_f64(0.2) * (part - 1);
        tasks.push(match protocol.is_http2() {
            true => spawn_local(load.clone().idle_http2(again)),
            false => spawn_local(load.clone().idle(again)),
        });
    }
    for probe in terms.probes.iter().filter(|probe| probe.kind != ProbeKind::Startup) {
        tasks.push(spawn_local(load.clone().probes(probe.clone(), run.to(probe.port))));
    }
    run.log.wait_until(term - BEFORE).await;
    let slow: Rc<str> = Rc::from(terms.slow_path.as_deref().unwrap_or(&terms.path));
    let uploads = terms.slow_path.is_none();
    for _ in (0..SLOW).filter(|_| http1) {
        let finish = uploads.then_some(term + AFTER);
        tasks.push(spawn_local(load.clone().in_flight(Rc::clone(&slow), finish)));
    }
    if protocol.is_http2() {
        let held = Held { after: AFTER, latest: term + window.max(AFTER) + AFTER };
        tasks
            .extend((0..HELD).map(|_| spawn_local(load.clone().held(Rc::clone(&load.path), held))));
        match (uploads, protocol.is_grpc()) {
            (true, _) => {}
            (false, true) => tasks.push(spawn_local(load.clone().call(slow))),
            (false, false) => tasks.push(spawn_local(load.clone().slow_http2(slow))),
        }
    }
    let watch = protocol.is_grpc().then(|| spawn_local(load.clone().watch(AFTER)));
    if let Some(path) = terms.websocket.clone().filter(|_| http1) {
        tasks.push(spawn_local(upgraded::socket(Rc::clone(&load.log), (to, protocol), path)));
    }
    run.log.wait_until(term).await;
    load.told.set(true);
    run.terminate();
    let scraping = metrics
        .as_ref()
        .map(|beside| spawn_local(beside.clone().scrape(After::Signal, Rc::clone(&load.ended))));
    // The end of the load: a pod gets no new connections when the window is over.
    let over = Rc::clone(&load.over);
    let ending = spawn_local(async move {
        sleep(window.saturating_sub(ARRIVALS * 2).max(AFTER * 2)).await;
        over.set(true);
    });
    run.wait_for_end().await;
    load.ended.set(true);
    let _ = ending.await;
    let patience = Instant::now() + Duration::from_secs(1);
    if let Some(watch) = watch {
        let abort = watch.abort_handle();
        match tokio::time::timeout_at(patience, watch).await {
            Ok(watched) => run.watched = watched.ok(),
            Err(_) => abort.abort(),
        }
    }
    if let Some(scraping) = scraping {
        let abort = scraping.abort_handle();
        if tokio::time::timeout_at(patience, scraping).await.is_err() {
            abort.abort();
        }
    }
    run.metrics = metrics.map(|beside| beside.seen());
    stuck::end(tasks).await;
}

/// What the load of a phase shares.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) log: Rc<Log>,
    pub(super) to: SocketAddr,
    pub(super) protocol: Protocol,
    pub(super) path: Rc<str>,
    /// No new connections arrive any more.
    pub(super) over: Rc<Cell<bool>>,
    /// The process has been told to end.
    told: Rc<Cell<bool>>,
    /// The process has ended.
    pub(super) ended: Rc<Cell<bool>>,
}

impl Load {
    fn request(&self, path: &str, length: usize) -> Vec<u8> {
        get(path, &self.to.to_string(), length)
    }

    /// Whether HTTP/1.1 is spoken: inside of TLS perhaps beside HTTP/2.
    async fn speaks_http1(&self) -> bool {
        match self.protocol {
            Protocol::Http | Protocol::Https => true,
            Protocol::H2c | Protocol::Grpc | Protocol::Grpcs => false,
            Protocol::H2 => {
                let asking = async {
                    let mut connection = Connection::open_as(self.to, self.protocol).await?;
                    Ok::<Outcome, Outcome>(
                        exchange(&mut connection, &self.request(&self.path, 0)).await,
                    )
                };
                let answer = timeout(SPEAKS, asking).await;
                matches!(answer, Ok(Ok(Outcome::Answered { .. })))
            }
        }
    }

    /// Requests on connections of their own, at a rate that does not wait for answers.
    async fn arrivals(self) {
        let mut next = Instant::now();
        while !self.over.get() {
            self.log.wait_until(next).await;
            next += ARRIVALS;
            let load = self.clone();
            spawn_local(async move {
                load.log.ask(Purpose::NewConnection, load.to, &load.path, PATIENCE).await;
            });
        }
    }

    /// A client that keeps its connection until it is told that it will be closed, or finds it closed,
    /// and then opens another, as long as there are endpoints. One that is there it goes on using.
    async fn busy(self) {
        let request = self.request(&self.path, 0);
        while !self.over.get() {
            let at = Instant::now();
            let mut connection =
                match timeout(PATIENCE, Connection::open_as(self.to, self.protocol)).await {
                    Ok(Ok(connection)) => connection,
                    // New connections are counted elsewhere.
                    Ok(Err(_)) | Err(_) => {
                        sleep(BUSY_PAUSE * 4).await;
                        continue;
                    }
                };
            let (mut at, mut purpose) = (at, Purpose::NewConnection);
            while !self.ended.get() {
                let outcome = exchange(&mut connection, &request).await;
                let end = Instant::now();
                let again = matches!(&outcome, Outcome::Answered { close: false, .. });
                // A server closes idle connections when it likes: clients ask again what meets that on the way.
                let is_idle = purpose == Purpose::Busy && !self.told.get();
                if is_idle && connection.crossed(&outcome).await {
                    break;
                }
                // Before it was looked for a reset: what ended ahead of SIGTERM did not end by it.
                self.log.keep_ended(purpose, &self.path, (at, Some(at), end), outcome);
                if !again {
                    sleep(BUSY_PAUSE).await;
                    break;
                }
                if !connection.stays(BUSY_PAUSE).await {
                    break;
                }
                (at, purpose) = (Instant::now(), Purpose::Busy);
            }
        }
    }

    /// A client that has used its connection and finds, when it wants to use it again, what became of it.
    async fn idle(self, again: Instant) {
        let request = self.request(&self.path, 0);
        let Ok(Ok(mut connection)) =
            timeout(PATIENCE, Connection::open_as(self.to, self.protocol)).await
        else {
            return;
        };
        let outcome = exchange(&mut connection, &request).await;
        if !matches!(outcome, Outcome::Answered { close: false, .. }) {
            return;
        }
        let idle = Instant::now();
        tokio::select! {
            // Closed in time: a client knows, and opens another.
            outcome = connection.closed() => {
                self.log.keep(Purpose::Idle, &self.path, (idle, None), outcome);
            }
            () = tokio::time::sleep_until(again) => {
                let sent = Instant::now();
                let outcome = exchange(&mut connection, &request).await;
                self.log.keep(Purpose::Idle, &self.path, (idle, Some(sent)), outcome);
            }
        }
    }

    /// A request that is in flight when SIGTERM comes: on a path that takes a while, or, where nobody
    /// named one, from a client that sends the last byte of its body after the signal. `net/http` waits
    /// for the body before it answers, whatever the handler does (`chunkWriter.writeHeader`).
    async fn in_flight(self, path: Rc<str>, finish: Option<Instant>) {
        let at = Instant::now();
        let sent = Cell::new(None);
        let request = self.request(&path, usize::from(finish.is_some()));
        let asking = async {
            let mut connection = Connection::open_as(self.to, self.protocol).await?;
            connection.send(&request).await?;
            if let Some(finish) = finish {
                tokio::select! {
                    // Some answer before they have read everything.
                    outcome = connection.response() => return Ok(outcome),
                    () = tokio::time::sleep_until(finish) => {}
                }
                connection.send(b"x").await?;
            }
            sent.set(Some(Instant::now()));
            Ok(connection.response().await)
        };
        let outcome = match timeout(PATIENCE * 6, asking).await {
            Ok(Ok(outcome) | Err(outcome)) => outcome,
            Err(_) => Outcome::TimedOut,
        };
        self.log.keep(Purpose::Slow, &path, (at, sent.get()), outcome);
    }

    /// A kubelet.
    async fn probes(self, probe: Probe, to: SocketAddr) {
        let mut next = Instant::now();
        while !self.ended.get() {
            self.log.wait_until(next).await;
            next += PROBES;
            self.log.probe(probe.kind.purpose(), &probe, to).await;
            next = next.max(Instant::now());
        }
    }
}

/// Asks on a connection that is there.
async fn exchange(connection: &mut Connection, request: &[u8]) -> Outcome {
    let asking = async {
        connection.send(request).await?;
        Ok(connection.response().await)
    };
    match timeout(PATIENCE, asking).await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => Outcome::TimedOut,
    }
}
