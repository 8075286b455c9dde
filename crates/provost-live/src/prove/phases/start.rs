//! Started, probed, asked for what nobody serves, ended while idle.

use std::time::Duration;

use provost_check::facts::proof::{ProbeKind, Purpose};

use super::run::Run;

/// How often each probe is made.
const TIMES: usize = 3;

/// No service has it. A handler that answers it well answers anything.
const UNKNOWN: &str = "/provost-asks-for-what-is-not-there";

pub(super) async fn run(run: &mut Run<'_>) {
    let ready = run.become_ready().await;
    // Also when it is not: what answers instead is worth knowing.
    for probe in &run.plan.terms.probes {
        let purpose = match probe.kind {
            ProbeKind::Startup => Purpose::Startup,
            ProbeKind::Readiness => Purpose::Readiness,
            ProbeKind::Liveness => Purpose::Liveness,
        };
        let to = run.to(probe.port);
        for _ in 0..TIMES {
            let patience = Duration::from_millis(probe.timeout_ms);
            run.log.ask(purpose, to, &probe.path, patience).await;
        }
    }
    if let Some(port) = run.port().filter(|_| ready) {
        let to = run.to(port);
        run.log.ask(Purpose::UnknownPath, to, UNKNOWN, Duration::from_secs(2)).await;
    }
    run.terminate();
    run.wait_for_end().await;
}
