//! Asked by a few clients that never pause, so that its CPU limit is used up, while the kubelet's probes
//! go on. What becomes of the clients' requests is not kept: they are there to take time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{Outcome, ProbeKind, Used};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::log::Client;
use super::run::Run;

/// How long at least: forty periods of processor time.
const TIME: Duration = Duration::from_secs(4);
/// How long at most, where others had of this machine what the clients' requests need.
const MOST_TIME: Duration = Duration::from_secs(16);
/// Between two looks at how often its time was used up.
const LOOK: Duration = Duration::from_millis(250);
/// Clients, each with one request at a time: no queue grows without an end.
const CLIENTS: usize = 8;
/// Between two probes.
const PROBES: Duration = Duration::from_millis(100);
/// What an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before another connection is tried where one was refused.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn run(run: &mut Run<'_>) {
    // Nothing throttles it.
    if !run.plan.groups.limit_cpu() {
        return;
    }
    if !run.become_ready().await {
        return;
    }
    let Some(port) = run.port() else { return };
    let (to, terms) = (run.to(port), &run.plan.terms);
    let over = Rc::new(Cell::new(false));
    let mut tasks = JoinSet::new();
    for probe in terms.probes.iter().filter(|probe| probe.kind != ProbeKind::Startup) {
        let (log, over, at) = (Rc::clone(&run.log), Rc::clone(&over), run.to(probe.port));
        let probe = probe.clone();
        tasks.spawn_local(async move {
            // Until processor time is short.
            sleep(PROBES).await;
            while !over.get() {
                log.probe(probe.kind.purpose(), &probe, at).await;
                sleep(PROBES).await;
            }
        });
    }
    for _ in 0..CLIENTS {
        let (log, over, path) = (Rc::clone(&run.log), Rc::clone(&over), terms.path.clone());
        tasks.spawn_local(async move {
            let mut free: Option<Client> = None;
            while !over.get() {
                let exchange = async {
                    let open = match free.take() {
                        Some(open) => Ok(open),
                        None => Client::open(&log, to).await,
                    };
                    match open {
                        Ok(mut open) => {
                            let outcome = open.ask(&log, to, &path).await;
                            (outcome, Some(open))
                        }
                        Err(outcome) => (outcome, None),
                    }
                };
                let (outcome, open) =
                    timeout(PATIENCE, exchange).await.unwrap_or((Outcome::TimedOut, None));
                let goes_on = matches!(outcome, Outcome::Answered { close: false, .. });
                free = open.filter(|_| goes_on);
                if !goes_on {
                    sleep(PAUSE).await;
                }
            }
        });
    }
    sleep(TIME).await;
    let begun = Instant::now();
    while begun.elapsed() < MOST_TIME - TIME
        && !run.process.has_ended()
        && run.plan.groups.used(|_| false).is_some_and(|used| is_too_seldom(&used))
    {
        sleep(LOOK).await;
    }
    over.set(true);
    while tasks.join_next().await.is_some() {}
    run.terminate();
    run.wait_for_end().await;
}

/// Whether its time is used up, and not often enough that anything could be said. What is never used up no client here
/// makes more busy.
fn is_too_seldom(used: &Used) -> bool {
    used.throttled > 0 && !used.is_throttled()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_a_busy_machine_let_its_time_be_used_up_now_and_then() {
        let of = |periods, throttled| Used { periods, throttled, ..Used::default() };
        assert!(is_too_seldom(&of(40, 5)) && is_too_seldom(&of(41, 20)));
        assert!(!is_too_seldom(&of(40, 20)) && !is_too_seldom(&of(40, 0)));
    }
}
