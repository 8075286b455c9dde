//! Told to end while it starts.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::run::Run;

/// Between two looks whether the signal would be heard.
const LOOK: Duration = Duration::from_micros(500);

/// For so long others may keep the machine from it.
const MOST_KEPT: Duration = Duration::from_secs(3);

pub(super) async fn run(run: &mut Run<'_>) {
    let begun = Instant::now();
    let enough = begun + Duration::from_millis(run.plan.terms.ready_ms);
    // Before that a kubelet's signal would be lost, too, and none comes so early.
    while !run.process.hears() && !run.process.has_ended() && Instant::now() < enough {
        sleep(LOOK).await;
    }
    let early = Duration::from_micros(run.plan.early_us);
    sleep_until(begun + early).await;
    // It is as far as that when it had as much of the machine.
    let latest = begun + early + MOST_KEPT;
    while begun.elapsed() < early + run.process.kept_waiting()
        && Instant::now() < latest
        && !run.process.has_ended()
    {
        sleep(LOOK).await;
    }
    run.terminate();
    run.wait_for_end().await;
}
