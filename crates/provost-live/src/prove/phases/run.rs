//! One run of the process and what every phase does with it.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::metrics::Metrics;
use provost_check::facts::proof::telemetry::{Memory, Traced};
use provost_check::facts::proof::{
    Exit, Load, Outcome, Phase, PhaseName, ProbeKind, Purpose, Request, Signal, State, Telemetry,
};
use provost_check::model::secret::masked;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::prove::connection::{Connection, get};
use crate::prove::dependency::Dependencies;
use crate::prove::dependency::beyond::Beyond;
use crate::prove::otlp::Sink;
use crate::prove::plan::Plan;
use crate::prove::process::{Clock, Process};
use crate::prove::stage::Entered;

/// Between two questions whether the process is ready.
const ASK: Duration = Duration::from_millis(5);

/// What a request of the load may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What listens on nothing for that long, and of which nothing is asked, is a worker.
const WORKER: Duration = Duration::from_secs(3);

/// Requests that are kept.
const MOST_REQUESTS: usize = 400_000;

/// What is written down while the process runs.
#[derive(Debug)]
pub(super) struct Log {
    clock: Clock,
    requests: RefCell<Vec<Request>>,
    /// How late each moment was met, in microseconds.
    lateness: RefCell<Vec<u64>>,
}

impl Log {
    /// Keeps the life of a request.
    pub(super) fn keep(
        &self,
        purpose: Purpose,
        path: &str,
        (at, sent): (Instant, Option<Instant>),
        outcome: Outcome,
    ) {
        let mut requests = self.requests.borrow_mut();
        if requests.len() < MOST_REQUESTS {
            requests.push(Request {
                purpose,
                path: path.to_owned(),
                at_us: self.clock.at(at),
                sent_us: sent.map(|sent| self.clock.at(sent)),
                end_us: self.clock.now_us(),
                outcome,
            });
        }
    }

    /// Waits for the moment at which something is to be done, and notes how late that was.
    pub(super) async fn wait_until(&self, moment: Instant) {
        sleep_until(moment).await;
        self.began(moment);
    }

    /// Notes how late it is for what was to be done then.
    pub(super) fn began(&self, moment: Instant) {
        let late = u64::try_from(moment.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut lateness = self.lateness.borrow_mut();
        if lateness.len() < MOST_REQUESTS {
            lateness.push(late);
        }
    }

    /// How the request ended that was kept last.
    pub(super) fn last(&self) -> Option<Outcome> {
        self.requests.borrow().last().map(|request| request.outcome.clone())
    }

    /// The same of those for that purpose.
    pub(super) fn last_of(&self, purpose: Purpose) -> Option<Outcome> {
        let requests = self.requests.borrow();
        let mut back = requests.iter().rev();
        back.find(|request| request.purpose == purpose).map(|request| request.outcome.clone())
    }

    /// Opens a connection, asks once, and keeps what came of it.
    pub(super) async fn ask(
        &self,
        purpose: Purpose,
        to: SocketAddr,
        path: &str,
        patience: Duration,
    ) {
        let request = get(path, &to.to_string(), 0);
        self.send(purpose, to, path, &request, patience).await;
    }

    /// Opens a connection, sends bytes, and keeps what came of it.
    pub(super) async fn send(
        &self,
        purpose: Purpose,
        to: SocketAddr,
        path: &str,
        request: &[u8],
        patience: Duration,
    ) {
        let at = Instant::now();
        let sent = Cell::new(None);
        let asking = async {
            let mut connection = Connection::open(to).await?;
            connection.send(request).await?;
            sent.set(Some(Instant::now()));
            Ok(connection.response().await)
        };
        let outcome = match timeout(patience, asking).await {
            Ok(Ok(outcome) | Err(outcome)) => outcome,
            Err(_) => Outcome::TimedOut,
        };
        self.keep(purpose, path, (at, sent.get()), outcome);
    }
}

/// One run of the process.
#[derive(Debug)]
pub(super) struct Run<'p> {
    pub(super) plan: &'p Plan,
    pub(super) process: Process,
    pub(super) log: Rc<Log>,
    pub(super) dependencies: Dependencies,
    ready_us: Option<u64>,
    live_us: Option<u64>,
    other_protocol: bool,
    pub(super) exit: Option<Exit>,
    pub(super) metrics: Option<Metrics>,
    /// Where its telemetry goes.
    pub(super) sink: Option<Sink>,
    /// What it was asked so that it sends some, and what it held meanwhile.
    pub(super) traced: Vec<Traced>,
    pub(super) memory: Vec<Memory>,
    pub(super) load: Option<Load>,
}

impl<'p> Run<'p> {
    /// Starts the process, and before it what it depends on.
    pub(super) async fn start(
        plan: &'p Plan,
        entered: Entered,
        beyond: Option<Rc<Beyond>>,
    ) -> Result<Self, String> {
        // In the network of this machine the port may be that of the real one.
        let asked = plan.terms.dependencies.as_slice();
        let asked = if entered.namespaces { asked } else { &[] };
        let state = match plan.phase {
            PhaseName::WithoutDependency => State::Refusing,
            _ => State::Up,
        };
        let dependencies = Dependencies::start(asked, state, beyond).await?;
        let process = Process::start(plan, entered).map_err(|error| error.0)?;
        let log = Rc::new(Log {
            clock: process.clock,
            requests: RefCell::default(),
            lateness: RefCell::default(),
        });
        Ok(Self {
            plan,
            process,
            log,
            dependencies,
            ready_us: None,
            live_us: None,
            other_protocol: false,
            exit: None,
            metrics: None,
            sink: None,
            traced: Vec::new(),
            memory: Vec::new(),
            load: None,
        })
    }

    /// Where that port can be reached. A socket bound to one address is asked there.
    pub(super) fn to(&self, port: u16) -> SocketAddr {
        let open = self.process.listening();
        let addresses: Vec<IpAddr> =
            open.iter().filter(|(_, of)| *of == port).map(|(address, _)| *address).collect();
        let local = IpAddr::from(Ipv4Addr::LOCALHOST);
        let address = match addresses.first() {
            Some(_) if addresses.contains(&local) => local,
            Some(IpAddr::V6(address)) if address.is_loopback() => Ipv6Addr::LOCALHOST.into(),
            Some(address) if !address.is_unspecified() => *address,
            _ => local,
        };
        SocketAddr::new(address, port)
    }

    /// The port that load goes to: that of the terms, of the readiness probe, or the first opened.
    pub(super) fn port(&self) -> Option<u16> {
        let terms = &self.plan.terms;
        let probed = || terms.probe(ProbeKind::Readiness).map(|probe| probe.port);
        let opened = || self.process.listening().first().map(|(_, port)| *port);
        terms.port.or_else(probed).or_else(opened)
    }

    /// Waits until the readiness probe passes, or without one until a request is answered; not when
    /// a kubelet would start the container anew, or nobody waits any longer.
    pub(super) async fn become_ready(&mut self) -> bool {
        let terms = &self.plan.terms;
        let probe = terms.probe(ProbeKind::Readiness);
        let path = probe.map_or(terms.path.as_str(), |probe| probe.path.as_str());
        let patience = probe.map_or(PATIENCE, |probe| Duration::from_millis(probe.timeout_ms));
        let begun = Instant::now();
        let deadline = begun + Duration::from_millis(terms.ready_ms);
        let anew = begun + Duration::from_millis(terms.start_ms);
        let worker = terms.is_worker();
        let mut last: Option<Outcome> = None;
        while Instant::now() < deadline && !self.process.has_ended() {
            let open = !self.process.listening().is_empty();
            if worker && !open && begun.elapsed() > WORKER {
                return false;
            }
            if self.live_us.is_none() {
                self.live_us = self.is_live(open).await;
            }
            if terms.watch().is_some() && self.live_us.is_none() && Instant::now() > anew {
                return false;
            }
            let port = probe.map(|probe| probe.port).or_else(|| self.port());
            if let Some(port) = port.filter(|_| open) {
                let before = self.log.requests.borrow().len();
                self.log.ask(Purpose::Readiness, self.to(port), path, patience).await;
                let mut requests = self.log.requests.borrow_mut();
                let outcome = requests.last().map(|request| request.outcome.clone());
                let answered =
                    matches!(&outcome, Some(Outcome::Answered { status, .. }) if *status < 500);
                let passes = outcome.as_ref().is_some_and(Outcome::passes);
                // A TLS server of Go answers 400, others close; what is no HTTP at all is garbled.
                self.other_protocol = terms.https
                    || (probe.is_none()
                        && matches!(
                            &outcome,
                            Some(
                                Outcome::Garbled
                                    | Outcome::Reset { bytes: 0 }
                                    | Outcome::Closed { bytes: 0 }
                                    | Outcome::Answered { status: 400, .. }
                            )
                        ));
                if self.other_protocol {
                    return false;
                }
                if passes || (probe.is_none() && answered) {
                    let now = self.process.clock.now_us();
                    self.ready_us = Some(now);
                    // One that is ready without having been asked is alive.
                    self.live_us = self.live_us.or(Some(now));
                    return true;
                }
                // The same answer again says nothing new.
                if outcome == last {
                    requests.truncate(before);
                }
                last = outcome;
            }
            sleep(ASK).await;
        }
        false
    }

    /// When the probe that watches the start passed, if it does now.
    async fn is_live(&self, open: bool) -> Option<u64> {
        let watch = self.plan.terms.watch().filter(|_| open)?;
        let before = self.log.requests.borrow().len();
        let patience = Duration::from_millis(watch.timeout_ms);
        self.log.ask(Purpose::Startup, self.to(watch.port), &watch.path, patience).await;
        let mut requests = self.log.requests.borrow_mut();
        let passes = requests.last().is_some_and(|request| request.outcome.passes());
        // It is asked again when it has had its time.
        requests.truncate(before);
        passes.then(|| self.process.clock.now_us())
    }

    /// Tells the process to end.
    pub(super) fn terminate(&mut self) {
        self.process.signal(Signal::Term);
    }

    /// Waits for its end, as long as the grace period allows.
    pub(super) async fn wait_for_end(&mut self) {
        let patience = Duration::from_millis(self.plan.terms.grace_ms);
        self.exit = self.process.ended_within(patience).await;
    }

    /// Everything that was seen.
    pub(super) async fn finish(mut self) -> Result<Phase, String> {
        if self.exit.is_none() {
            self.exit = self.process.ended_within(Duration::ZERO).await;
        }
        let hidden = Rc::clone(&self.process.hidden);
        let dependencies = self.dependencies.seen(self.process.clock);
        let clock = self.process.clock;
        let telemetry = self.sink.take().map(|sink| Telemetry {
            asked: std::mem::take(&mut self.traced),
            memory: std::mem::take(&mut self.memory),
            ..sink.seen(clock, &hidden)
        });
        let (listeners, output, signals) = self.process.seen().await.map_err(|error| error.0)?;
        let mut requests = self.log.requests.take();
        requests.sort_by_key(|request| request.at_us);
        for request in &mut requests {
            if let Outcome::Answered { location: Some(location), .. } = &mut request.outcome {
                hidden.hide(location);
                *location = masked(location).into_owned();
            }
        }
        let mut lateness = self.log.lateness.take();
        lateness.sort_unstable();
        // All but one in a hundred.
        let lateness_us = lateness.get((lateness.len() * 99).div_ceil(100).saturating_sub(1));
        Ok(Phase {
            name: self.plan.phase,
            listeners,
            ready_us: self.ready_us,
            live_us: self.live_us,
            other_protocol: self.other_protocol,
            signals,
            requests,
            metrics: self.metrics,
            dependencies,
            telemetry,
            load: self.load,
            output,
            exit: self.exit,
            lateness_us: lateness_us.copied().unwrap_or(0),
            trials: Vec::new(),
            repeats: Vec::new(),
        })
    }
}
