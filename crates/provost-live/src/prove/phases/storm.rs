//! Ended while connections and requests begin, in steps around the signal. What happens within a few
//! milliseconds of it, races between accepting and closing above all, a load that is spread evenly meets
//! by chance only.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::storm::{RUNS, STEP_US, STEPS, WIDE_US};
use provost_check::facts::proof::{Outcome, Purpose};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, timeout};

use super::log::{Client, Log};
use super::run::Run;
use super::stuck;

/// Until SIGTERM.
const BEFORE: Duration = Duration::from_millis(200);
/// Between a connection and its first request, of a client that opens some in advance, or of one that is
/// slow.
const HELD: Duration = Duration::from_millis(20);
/// What a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(run: &mut Run<'_>) {
    if !run.become_ready().await {
        return;
    }
    let Some(port) = run.port() else { return };
    let to = run.to(port);
    // What is made for the first request only is there now.
    run.log.ask(Purpose::Plain, to, &run.plan.terms.path, PATIENCE).await;
    let path: Rc<str> = Rc::from(run.plan.terms.path.as_str());
    let term = Instant::now() + BEFORE;
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    // Each run has every fourth step, so that its requests do not wait for each other.
    for step in (run.plan.turn % RUNS..STEPS).step_by(RUNS as usize) {
        let at = term + Duration::from_micros(u64::from(step) * STEP_US)
            - Duration::from_micros(WIDE_US);
        for (purpose, held) in [(Purpose::Near, Duration::ZERO), (Purpose::Opened, HELD)] {
            let (log, path) = (Rc::clone(&run.log), Rc::clone(&path));
            tasks.push(spawn_local(one(log, (to, path), purpose, at, held)));
        }
    }
    run.log.wait_until(term).await;
    run.terminate();
    run.wait_for_end().await;
    stuck::end(tasks).await;
}

async fn one(
    log: Rc<Log>,
    (to, path): (SocketAddr, Rc<str>),
    purpose: Purpose,
    at: Instant,
    held: Duration,
) {
    log.wait_until(at).await;
    let begun = Instant::now();
    let sent = Cell::new(None);
    let asking = async {
        let mut connection = Client::open(&log, to).await?;
        if !held.is_zero() && !connection.stays(held).await {
            // Nothing was asked yet, and the client sees it.
            return Ok(Outcome::Closed { bytes: 0 });
        }
        sent.set(Some(Instant::now()));
        Ok(connection.ask(&log, to, &path).await)
    };
    let outcome = match timeout(PATIENCE, asking).await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => Outcome::TimedOut,
    };
    log.keep(purpose, &path, (begun, sent.get()), outcome);
}
