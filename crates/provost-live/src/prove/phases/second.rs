//! Told twice to end: somebody is in a hurry while a request holds the drain up.

use std::time::Duration;

use tokio::time::sleep;

use super::run::Run;
use super::stuck;

/// Between the two signals.
const BETWEEN: Duration = Duration::from_millis(500);

pub(super) async fn run(run: &mut Run<'_>) {
    let tasks = stuck::begin(run).await;
    run.terminate();
    sleep(BETWEEN).await;
    run.terminate();
    run.wait_for_end().await;
    stuck::end(tasks).await;
}
