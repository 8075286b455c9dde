//! Asked while nobody reads what the process prints, as when the container runtime hangs or its disk is
//! full.

use std::time::Duration;

use provost_check::facts::proof::{Outcome, Purpose};
use tokio::time::{Instant, sleep};

use super::run::Run;
use super::start::UNKNOWN;

/// Requests before, by which it is seen whether each is logged.
const PLAIN: usize = 8;
/// Requests that fill the pipe.
const UNREAD: usize = 200;
/// The time that they may take together.
const ENOUGH: Duration = Duration::from_secs(10);
/// The time that each may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Until what was printed has been read.
const SETTLE: Duration = Duration::from_millis(200);

pub(super) async fn run(run: &mut Run<'_>) {
    if !run.become_ready().await {
        return;
    }
    let Some(port) = run.port() else { return };
    let to = run.to(port);
    // Some services log no probes, and some none but what they know.
    let paths = [run.plan.terms.path.as_str(), UNKNOWN];
    let mut turn = paths.iter().cycle();
    let mut path = || turn.next().copied().unwrap_or(UNKNOWN);
    sleep(SETTLE).await;
    for _ in 0..PLAIN {
        run.log.ask(Purpose::Plain, to, path(), PATIENCE).await;
    }
    sleep(SETTLE).await;
    run.process.leave_unread(true);
    let deadline = Instant::now() + ENOUGH;
    let mut last = UNKNOWN;
    for _ in 0..UNREAD {
        last = path();
        run.log.ask(Purpose::Unread, to, last, PATIENCE).await;
        if run.log.last() == Some(Outcome::TimedOut) || Instant::now() > deadline {
            break;
        }
    }
    run.process.leave_unread(false);
    // Answered now, it was the output that held it up; another path may be answered all the time.
    run.log.ask(Purpose::ReadAgain, to, last, PATIENCE).await;
    sleep(SETTLE).await;
}
