//! Ended while a request takes longer than anybody waits: a client that never sends the rest, never
//! reads its answer, watches for ever, or begins a TLS handshake and leaves it at that.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{Outcome, Protocol, Purpose};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

use super::log::Log;
use super::multiplexed;
use super::run::Run;
use crate::prove::connection::{Connection, get};
use crate::prove::tls::client_hello;

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
    let (to, protocol) = (run.to(port), run.protocol(port));
    let mut tasks = Vec::new();
    for _ in 0..ENDLESS {
        let log = Rc::clone(&run.log);
        let path: Rc<str> = Rc::from(run.plan.terms.path.as_str());
        tasks.push(match protocol.is_http2() {
            true => spawn_local(multiplexed::never_read(log, (to, protocol), path)),
            false => spawn_local(never_sent(log, (to, protocol), path)),
        });
    }
    if protocol.is_grpc() {
        tasks.push(spawn_local(multiplexed::watch_on(Rc::clone(&run.log), (to, protocol))));
    }
    if protocol.is_tls() {
        tasks.push(spawn_local(half_open(Rc::clone(&run.log), to)));
    }
    sleep(SETTLE).await;
    tasks
}

/// A request whose body never comes.
async fn never_sent(log: Rc<Log>, (to, protocol): (SocketAddr, Protocol), path: Rc<str>) {
    let at = Instant::now();
    let asking = async {
        let mut connection = Connection::open_as(to, protocol).await?;
        connection.send(&get(&path, &to.to_string(), 1)).await?;
        Ok::<Outcome, Outcome>(connection.response().await)
    };
    let (Ok(outcome) | Err(outcome)) = asking.await;
    log.keep(Purpose::Endless, &path, (at, None), outcome);
}

/// A handshake of which only the first message comes.
async fn half_open(log: Rc<Log>, to: SocketAddr) {
    let at = Instant::now();
    let asking = async {
        let mut connection = Connection::open(to).await?;
        connection.send(&client_hello(to)?).await?;
        // What the server says to it is passed over.
        while connection.read().await? > 0 {
            connection.take();
        }
        Ok::<Outcome, Outcome>(Outcome::Closed { bytes: 0 })
    };
    let (Ok(outcome) | Err(outcome)) = asking.await;
    log.keep(Purpose::Handshake, "TLS", (at, None), outcome);
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
