//! Connections that became something else than HTTP.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{Outcome, Protocol, Purpose};
use tokio::time::{Instant, timeout};

use super::log::Log;
use crate::prove::websocket;

/// What opening one may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A WebSocket that its client keeps until the server closes it.
pub(super) async fn socket(log: Rc<Log>, (to, protocol): (SocketAddr, Protocol), path: String) {
    let at = Instant::now();
    let (sent, outcome) = match timeout(PATIENCE, websocket::open(to, protocol, &path)).await {
        Ok(Ok(mut connection)) => {
            let open = Instant::now();
            (Some(open), websocket::stay(&mut connection).await)
        }
        Ok(Err(outcome)) => (None, outcome),
        Err(_) => (None, Outcome::TimedOut),
    };
    log.keep(Purpose::WebSocket, &path, (at, sent), outcome);
}
