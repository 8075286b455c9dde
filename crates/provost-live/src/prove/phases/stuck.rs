//! Ended while a request takes longer than anybody waits: a client that never sends the rest.

use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{Outcome, Purpose};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

use super::run::Run;
use crate::prove::connection::{Connection, get};

/// Requests that do not end.
const ENDLESS: usize = 2;

/// Until they have surely reached the handler.
const SETTLE: Duration = Duration::from_millis(200);

pub(super) async fn run(run: &mut Run<'_>) {
    let tasks = begin(run).await;
    run.terminate();
    run.wait_for_end().await;
    end(tasks).await;
}

/// Becomes ready, and has requests that do not end.
pub(super) async fn begin(run: &mut Run<'_>) -> Vec<JoinHandle<()>> {
    if !run.become_ready().await {
        return Vec::new();
    }
    let Some(port) = run.port() else { return Vec::new() };
    let to = run.to(port);
    let tasks = (0..ENDLESS).map(|_| {
        let log = Rc::clone(&run.log);
        let path: Rc<str> = Rc::from(run.plan.terms.path.as_str());
        spawn_local(async move {
            let at = Instant::now();
            let asking = async {
                let mut connection = Connection::open(to).await?;
                connection.send(&get(&path, &to.to_string(), 1)).await?;
                Ok::<Outcome, Outcome>(connection.response().await)
            };
            let (Ok(outcome) | Err(outcome)) = asking.await;
            log.keep(Purpose::Endless, &path, (at, None), outcome);
        })
    });
    let tasks: Vec<_> = tasks.collect();
    sleep(SETTLE).await;
    tasks
}

/// The connections of a process that has ended are closed; the tasks end with them.
pub(super) async fn end(tasks: Vec<JoinHandle<()>>) {
    let patience = Instant::now() + Duration::from_secs(1);
    for task in tasks {
        let abort = task.abort_handle();
        if tokio::time::timeout_at(patience, task).await.is_err() {
            abort.abort();
        }
    }
}
