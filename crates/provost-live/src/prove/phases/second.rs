//! Told again to end, and again: somebody is in a hurry while a request holds the drain up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::run::Run;
use super::stuck;

/// Between two signals.
const BETWEEN: Duration = Duration::from_millis(500);
/// How often it is told again. One that had no time yet to act on the first takes the second for the same.
const AGAIN: u32 = 3;
/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

pub(super) async fn run(run: &mut Run<'_>) {
    let tasks = stuck::begin(run).await;
    run.terminate();
    let first = Instant::now();
    for number in 1..=AGAIN {
        let moment = first + BETWEEN * number;
        while Instant::now() < moment && !run.process.has_ended() {
            sleep(LOOK).await;
        }
        if run.process.has_ended() {
            break;
        }
        run.log.began(moment);
        run.terminate();
    }
    run.wait_for_end().await;
    stuck::end(tasks).await;
}
