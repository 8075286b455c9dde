//! Started, and looked at until it is as far as it comes: once as it is, and once for each change of a
//! variable.

use std::time::Duration;

use provost_check::facts::proof::Purpose;
use tokio::time::{Instant, sleep};

use super::run::Run;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// What fails right behind the start does so within this time.
const SETTLE: Duration = Duration::from_millis(300);
/// What a request may take.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn run(run: &mut Run<'_>) {
    let ready = match run.plan.sockets {
        None => run.become_ready().await,
        // The port may be another, which is what is looked for: nobody knows where to ask.
        Some(sockets) => {
            let deadline = Instant::now() + Duration::from_millis(run.plan.terms.ready_ms);
            let enough = |run: &mut Run<'_>| run.process.listening().len() >= sockets;
            while !enough(run) && Instant::now() < deadline && !run.process.has_ended() {
                sleep(LOOK).await;
            }
            false
        }
    };
    if let Some(port) = run.port().filter(|_| ready) {
        run.log.ask(Purpose::Plain, run.to(port), &run.plan.terms.path, PATIENCE).await;
    }
    let settled = Instant::now() + SETTLE;
    while Instant::now() < settled && !run.process.has_ended() {
        sleep(LOOK).await;
    }
    if run.process.has_ended() {
        run.exit = run.process.ended_within(PATIENCE).await;
    }
}
