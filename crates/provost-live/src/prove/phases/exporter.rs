//! Asked while nobody takes its telemetry: started while connections to the collector are refused, then asked while all is
//! taken, so that an exporter finds its collector; then they are refused again, and at last come about and are never
//! answered. Then told to end.
//!
//! Where requests go unanswered or memory grows the same is done again with a collector that takes all: what is different
//! then is the collector alone. It is another process, for what one heap has grown to hides what it grows by later.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::telemetry::{Behaviour, CONTROL, Memory, Otlp, QUEUE};
use provost_check::facts::proof::{Outcome, Purpose};
use provost_check::model::growth::{Growth, Held, growth};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::log::{Client, Log};
use super::run::Run;
use super::start::UNKNOWN;
use crate::prove::otlp::Sink;

/// Requests of a burst, where a queue has the usual length (2048 spans).
const BURST: u64 = 3000;
/// What a burst may take. It is over in a tenth of that where nothing else runs.
const BURST_TIME: Duration = Duration::from_secs(3);
/// Bursts while nothing is answered: the first two fill a queue, the others show whether it has an end.
const BURSTS: usize = 8;
/// Growth that need not go on: the process has the memory of its container only, and this machine its own.
const ENOUGH: u64 = 64 << 20;
/// Behind a burst: until nothing has arrived for that long,
const LULL: Duration = Duration::from_millis(250);
/// and no longer than this.
const LONGEST_LULL: Duration = Duration::from_secs(1);
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
    // By these an exporter that was refused finds its collector.
    burst(run, to, BURST, None).await;
    let begun = Instant::now();
    let none = |run: &Run<'_>| run.sink.as_ref().is_some_and(|sink| sink.messages() == 0);
    while none(run) && begun.elapsed() < FOUND && !run.process.has_ended() {
        sleep(LOOK).await;
    }
    singly(run, to, Purpose::Taken).await;
    if let Some(sink) = &run.sink {
        sink.forget();
    }
    turn(run, if control { Behaviour::Takes } else { Behaviour::Refuses }).await;
    singly(run, to, Purpose::Untaken).await;
    turn(run, if control { Behaviour::Takes } else { Behaviour::Hangs }).await;
    bursts(run, to).await;
    singly(run, to, Purpose::Untaken).await;
    run.terminate();
    run.wait_for_end().await;
}

async fn turn(run: &mut Run<'_>, to: Behaviour) {
    if let Some(sink) = &mut run.sink {
        sink.turn(to).await;
    }
}

async fn bursts(run: &mut Run<'_>, to: SocketAddr) {
    let queue = run.plan.terms.otlp.as_ref().map_or(QUEUE, Otlp::queue);
    // As many times as the usual ones: what does not come to be asked in the time is not judged.
    let requests = BURST.saturating_mul(queue.div_ceil(QUEUE));
    let mut held: Vec<Held> = Vec::new();
    for _ in 0..BURSTS {
        let answered = burst(run, to, requests, Some(Purpose::Untaken)).await;
        lull(run).await;
        let Some(bytes) = run.process.resident().filter(|_| answered > 0) else { break };
        run.memory.push(Memory { at_us: run.process.clock.now_us(), bytes, requests: answered });
        let before = held.last().map_or(0, |it| it.requests);
        held.push(Held { requests: before + answered, bytes });
        if matches!(growth(&held, queue), Growth::GoesOn { from, to } if to.bytes - from.bytes >= ENOUGH)
        {
            break;
        }
    }
}

/// Lets the exporter send what it can, and the collector of garbage take what is left over.
async fn lull(run: &mut Run<'_>) {
    let arrived = |run: &Run<'_>| run.sink.as_ref().map_or(0, Sink::messages);
    let (begun, mut last, mut since) = (Instant::now(), arrived(run), Instant::now());
    while since.elapsed() < LULL && begun.elapsed() < LONGEST_LULL && !run.process.has_ended() {
        sleep(LOOK).await;
        let now = arrived(run);
        if now != last {
            (last, since) = (now, Instant::now());
        }
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

/// So many requests, or as many as there is time for; how many were answered. Without a purpose nothing is kept.
async fn burst(run: &Run<'_>, to: SocketAddr, requests: u64, purpose: Option<Purpose>) -> u64 {
    let shared = Rc::new(Burst {
        purpose,
        log: Rc::clone(&run.log),
        to,
        left: Cell::new(requests),
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
