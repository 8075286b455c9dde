//! Started while what it depends on refuses connections, which then is there.

use std::time::Duration;

use provost_check::facts::proof::State;
use tokio::time::timeout;

use super::run::Run;

/// What gives up because something is missing does so within this time.
const ABSENT: Duration = Duration::from_secs(5);
/// What waits for it finds it within this time.
const BACK: Duration = Duration::from_secs(15);
/// Until what was printed last has been read.
const SETTLE: Duration = Duration::from_millis(100);

pub(super) async fn run(run: &mut Run<'_>) {
    if !run.dependencies.are_there() {
        return;
    }
    let ready = timeout(ABSENT, run.become_ready()).await.unwrap_or(false);
    if !ready && !run.process.has_ended() {
        run.dependencies.turn(State::Up, run.plan.alone());
        let _ = timeout(BACK, run.become_ready()).await;
    }
    tokio::time::sleep(SETTLE).await;
    if run.process.has_ended() {
        run.exit = run.process.ended_within(SETTLE).await;
    }
}
