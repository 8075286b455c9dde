//! Asked while what it depends on answers nothing, and again while it refuses connections: by the
//! kubelet's probes, and for what it is there for.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{Outcome, Probe, ProbeKind, Purpose, State};
use tokio::time::{Instant, sleep};

use super::log::Log;
use super::run::Run;

/// Before the first outage.
const BEFORE: Duration = Duration::from_millis(600);
/// An outage lasts that long.
const OUTAGE: Duration = Duration::from_secs(4);
/// The same, where requests fail and readiness goes on being answered well: a check in the background
/// may take its time.
const LONG_OUTAGE: Duration = Duration::from_secs(15);
/// What is back is found within this time.
const BACK: Duration = Duration::from_secs(10);
/// Between two questions of a kind; a kubelet asks less often, and would see the same later.
const PAUSE: Duration = Duration::from_millis(200);
/// What a request may take.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn run(run: &mut Run<'_>) {
    if !run.dependencies.are_there() || !run.become_ready().await {
        return;
    }
    let asked = asked(run);
    let around = Around { log: Rc::clone(&run.log), asked };
    around.ask_for(BEFORE).await;
    // Of what fails before, an outage shows nothing: a busy machine has no answer in time at first.
    let before = Instant::now();
    while !around.was_well() && before.elapsed() < BACK && !run.process.has_ended() {
        around.ask_once().await;
        sleep(PAUSE).await;
    }
    for state in [State::Frozen, State::Refusing] {
        run.dependencies.turn(state, run.plan.alone());
        let begun = Instant::now();
        around.ask_for(OUTAGE).await;
        while around.is_unseen() && begun.elapsed() < LONG_OUTAGE && !run.process.has_ended() {
            around.ask_once().await;
            sleep(PAUSE).await;
        }
        run.dependencies.turn(State::Up, run.plan.alone());
        let back = Instant::now();
        while !around.ask_once().await && back.elapsed() < BACK && !run.process.has_ended() {
            sleep(PAUSE).await;
        }
    }
    if run.process.has_ended() {
        run.exit = run.process.ended_within(PAUSE).await;
    }
}

/// Who asks: a kubelet by a probe, or somebody for what the process is there for.
#[derive(Clone, Debug)]
enum Asked {
    Probe(Probe, SocketAddr),
    Plain(SocketAddr, Rc<str>),
}

impl Asked {
    async fn ask(&self, log: &Log) {
        match self {
            Self::Probe(probe, to) => log.probe(probe.kind.purpose(), probe, *to).await,
            Self::Plain(to, path) => log.ask(Purpose::Plain, *to, path, PATIENCE).await,
        }
    }
}

fn asked(run: &Run<'_>) -> Vec<Asked> {
    let terms = &run.plan.terms;
    let probes = terms.probes.iter().filter(|probe| probe.kind != ProbeKind::Startup);
    let mut asked: Vec<Asked> =
        probes.map(|probe| Asked::Probe(probe.clone(), run.to(probe.port))).collect();
    if let Some(port) = run.port() {
        asked.push(Asked::Plain(run.to(port), Rc::from(terms.path.as_str())));
    }
    asked
}

/// The questions around and during an outage.
struct Around {
    log: Rc<Log>,
    asked: Vec<Asked>,
}

impl Around {
    /// Asks again and again, each kind by itself: one that waits holds up no other.
    async fn ask_for(&self, time: Duration) {
        let end = Instant::now() + time;
        let asking = self.asked.iter().cloned().map(|asked| {
            let log = Rc::clone(&self.log);
            tokio::task::spawn_local(async move {
                while Instant::now() < end {
                    asked.ask(&log).await;
                    sleep(PAUSE).await;
                }
            })
        });
        for task in asking.collect::<Vec<_>>() {
            let _ = task.await;
        }
    }

    /// Asks once, and tells whether all was answered well.
    async fn ask_once(&self) -> bool {
        let mut well = true;
        for asked in &self.asked {
            asked.ask(&self.log).await;
            well &= self.log.last().is_some_and(|outcome| is_well(&outcome));
        }
        well
    }

    /// Whether all was answered well when it was asked last.
    fn was_well(&self) -> bool {
        self.asked.iter().all(|asked| match asked {
            Asked::Probe(probe, _) => {
                self.log.last_of(probe.kind.purpose()).is_some_and(|it| it.passes())
            }
            Asked::Plain(..) => self.log.last_of(Purpose::Plain).is_some_and(|it| is_well(&it)),
        })
    }

    /// Whether requests fail now and readiness does not say so.
    fn is_unseen(&self) -> bool {
        let last = |purpose| self.log.last_of(purpose);
        last(Purpose::Plain).is_some_and(|it| !is_well(&it))
            && last(Purpose::Readiness).is_some_and(|it| it.passes())
    }
}

/// Whatever is not the service's own failure.
fn is_well(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answered { .. }) && !outcome.fails()
}
