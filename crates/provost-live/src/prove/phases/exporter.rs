//! Asked while nobody takes its telemetry: started while connections to the collector are refused, then
//! asked as much as later while all is taken, so that what the requests alone do is known; then they are
//! refused again, and at last come about and are never answered. Then told to end.
//!
//! Where requests go unanswered the same is done again with a collector that takes all: what is different then is the
//! collector alone.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::telemetry::{Behaviour, CONTROL, Memory};
use provost_check::facts::proof::{Outcome, Purpose};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::log::{Client, Log};
use super::run::Run;
use super::start::UNKNOWN;

/// Requests of a burst.
const BURST: u64 = 3000;
/// What a burst may take.
const BURST_TIME: Duration = Duration::from_millis(2500);
/// Bursts while nothing is answered: the first two fill a queue of the usual length (2048 spans), the
/// others show whether it has an end.
const BURSTS: usize = 4;
/// Until the exporter has found its collector again.
const FOUND: Duration = Duration::from_secs(2);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(20);
/// Connections that they go by.
const AT_ONCE: usize = 8;
/// Requests by themselves.
const SINGLE: usize = 8;
/// What a request may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests of a burst that are kept: those without an answer.
const MOST_BAD: u32 = 20;

pub(super) async fn run(run: &mut Run<'_>) {
    let control = run.plan.turn == CONTROL;
    if run.sink.is_none() || !run.become_ready().await {
        return;
    }
    let Some(port) = run.port() else { return };
    let to = run.to(port);
    turn(run, Behaviour::Takes).await;
    // By the first one an exporter that was refused finds its collector, and a heap its size.
    burst(run, to, None).await;
    let begun = Instant::now();
    let none = |run: &Run<'_>| run.sink.as_ref().is_some_and(|sink| sink.messages() == 0);
    while none(run) && begun.elapsed() < FOUND && !run.process.has_ended() {
        sleep(LOOK).await;
    }
    bursts(run, to, Purpose::Taken).await;
    singly(run, to, Purpose::Taken).await;
    if let Some(sink) = &run.sink {
        sink.forget();
    }
    turn(run, if control { Behaviour::Takes } else { Behaviour::Refuses }).await;
    singly(run, to, Purpose::Untaken).await;
    turn(run, if control { Behaviour::Takes } else { Behaviour::Hangs }).await;
    bursts(run, to, Purpose::Untaken).await;
    singly(run, to, Purpose::Untaken).await;
    run.terminate();
    run.wait_for_end().await;
}

async fn turn(run: &mut Run<'_>, to: Behaviour) {
    if let Some(sink) = &mut run.sink {
        sink.turn(to).await;
    }
}

async fn bursts(run: &mut Run<'_>, to: SocketAddr, purpose: Purpose) {
    for _ in 0..BURSTS {
        let answered = burst(run, to, Some(purpose)).await;
        let Some(bytes) = run.process.resident().filter(|_| answered > 0) else { break };
        run.memory.push(Memory { at_us: run.process.clock.now_us(), bytes, requests: answered });
    }
}

async fn singly(run: &Run<'_>, to: SocketAddr, purpose: Purpose) {
    let path = run.plan.terms.path.as_str();
    for path in [path, UNKNOWN].iter().cycle().take(SINGLE) {
        run.log.ask(purpose, to, path, PATIENCE).await;
        if run.log.last() == Some(Outcome::TimedOut) {
            return;
        }
    }
}

/// As many requests as there is time for; how many were answered. Without a purpose nothing is kept.
async fn burst(run: &Run<'_>, to: SocketAddr, purpose: Option<Purpose>) -> u64 {
    let shared = Rc::new(Burst {
        purpose,
        log: Rc::clone(&run.log),
        to,
        left: Cell::new(BURST),
        answered: Cell::new(0),
        bad: Cell::new(0),
        until: Instant::now() + BURST_TIME,
    });
    let mut asking = JoinSet::new();
    for number in 0..AT_ONCE {
        let path = if number % 2 == 0 { run.plan.terms.path.as_str() } else { UNKNOWN };
        asking.spawn_local(Rc::clone(&shared).ask(path.to_owned()));
    }
    while asking.join_next().await.is_some() {}
    shared.answered.get()
}

struct Burst {
    purpose: Option<Purpose>,
    log: Rc<Log>,
    to: SocketAddr,
    left: Cell<u64>,
    answered: Cell<u64>,
    bad: Cell<u32>,
    until: Instant,
}

impl Burst {
    async fn ask(self: Rc<Self>, path: String) {
        let mut connection: Option<Client> = None;
        while self.left.get() > 0 && Instant::now() < self.until {
            self.left.set(self.left.get() - 1);
            let at = Instant::now();
            let asking = async {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => Client::open(&self.log, self.to).await?,
                };
                let outcome = open.ask(&self.log, self.to, &path).await;
                let stays = matches!(outcome, Outcome::Answered { close: false, .. });
                Ok::<_, Outcome>((outcome, stays.then_some(open)))
            };
            let (outcome, open) = match timeout(PATIENCE, asking).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(outcome)) => (outcome, None),
                Err(_) => (Outcome::TimedOut, None),
            };
            connection = open;
            if matches!(outcome, Outcome::Answered { .. }) && !outcome.fails() {
                self.answered.set(self.answered.get() + 1);
                continue;
            }
            let waited = outcome == Outcome::TimedOut;
            if let Some(purpose) = self.purpose.filter(|_| self.bad.get() < MOST_BAD) {
                self.bad.set(self.bad.get() + 1);
                self.log.keep(purpose, &path, (at, Some(at)), outcome);
            }
            if waited {
                return;
            }
        }
    }
}
