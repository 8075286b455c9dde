//! What gRPC's health service says while the process is up.

use std::cell::RefCell;
use std::time::Duration;

use provost_check::facts::proof::Outcome;
use provost_check::facts::proof::health::{Health, HealthCheck, UNKNOWN_SERVICE};
use tokio::time::timeout;

use super::run::Run;
use crate::prove::http2::{Http2, Reads};

/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks for the server as a whole, for what probes ask for, and for what is not there; where gRPC is
/// spoken.
pub(super) async fn run(run: &mut Run<'_>) {
    let Some(port) = run.port().filter(|port| run.protocol(*port).is_grpc()) else { return };
    let (to, protocol) = (run.to(port), run.protocol(port));
    let probes = run.plan.terms.probes.iter().filter(|probe| probe.by.is_grpc());
    let mut services: Vec<&str> =
        probes.filter(|probe| probe.port == port).map(|probe| probe.path.as_str()).collect();
    services.extend(["", UNKNOWN_SERVICE]);
    services.sort_unstable();
    services.dedup();
    let mut health = Health { port, checks: Vec::new(), watch: None };
    for service in services {
        let at_us = run.process.clock.now_us();
        let asking = async {
            let connection = Http2::open(to, protocol, Reads::AtOnce).await?;
            Ok(connection.check(service).await)
        };
        let outcome = match timeout(PATIENCE, asking).await {
            Ok(Ok(outcome) | Err(outcome)) => outcome,
            Err(_) => Outcome::TimedOut,
        };
        health.checks.push(HealthCheck { service: service.to_owned(), at_us, outcome });
    }
    let first = RefCell::new(None);
    let watching = async {
        let connection = Http2::open(to, protocol, Reads::AtOnce).await?;
        let watch = connection.watch("", |serving| {
            first.borrow_mut().get_or_insert(serving);
        });
        tokio::select! {
            outcome = watch => Ok(outcome),
            () = async {
                while first.borrow().is_none() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            } => {
                let serving = first.borrow().flatten();
                let (status, bytes, close) = (200, 0, false);
                Ok(Outcome::Answered { status, bytes, close, location: None, grpc: Some(0), serving })
            }
        }
    };
    health.watch = Some(match timeout(PATIENCE, watching).await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => Outcome::TimedOut,
    });
    run.health = Some(health);
}
