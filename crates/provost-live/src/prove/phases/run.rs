//! One run of the process and what every phase does with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::metrics::Metrics;
use provost_check::facts::proof::telemetry::{Memory, Traced};
use provost_check::facts::proof::{
    Children, Collector, Exit, Health, Load, Missing, Outcome, POD_ADDRESS, Phase, PhaseName,
    Probe, ProbeKind, Protocol, Purpose, Scheduler, Signal, Spoken, State, Telemetry, Watched,
};
use tokio::time::{Instant, sleep, timeout};

use super::log::Log;
use crate::prove::dependency::Dependencies;
use crate::prove::dependency::beyond::Beyond;
use crate::prove::detect::{Found, detect};
use crate::prove::otlp::Sink;
use crate::prove::outside;
use crate::prove::plan::Plan;
use crate::prove::process::Process;
use crate::prove::stage::Entered;

/// Between two questions whether the process is ready.
const ASK: Duration = Duration::from_millis(5);

/// For so long a machine may be too busy for us.
const MOST_LATE: Duration = Duration::from_secs(10);

/// What a request of the load may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What listens on nothing for that long, and of which nothing is asked, is a worker.
const WORKER: Duration = Duration::from_secs(3);

/// One run of the process.
#[derive(Debug)]
pub(super) struct Run<'p> {
    pub(super) plan: &'p Plan,
    pub(super) process: Process,
    pub(super) log: Rc<Log>,
    pub(super) dependencies: Dependencies,
    /// Nobody else is in its network.
    pub(super) own_network: bool,
    /// Its network has the addresses of a pod and a node, between which a kubelet asks.
    has_addresses: bool,
    ready_us: Option<u64>,
    live_us: Option<u64>,
    spoken: Vec<Spoken>,
    /// What the load goes to speaks nothing that is spoken here.
    other_protocol: bool,
    /// What it speaks, as far as that was found out.
    protocol_of_load: Option<Protocol>,
    pub(super) exit: Option<Exit>,
    pub(super) metrics: Option<Metrics>,
    /// Where its telemetry goes.
    pub(super) sink: Option<Sink>,
    /// What it was asked so that it sends some, and what it held meanwhile.
    pub(super) traced: Vec<Traced>,
    pub(super) memory: Vec<Memory>,
    pub(super) load: Option<Load>,
    pub(super) health: Option<Health>,
    pub(super) watched: Option<Watched>,
    pub(super) children: Children,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) collector: Option<Collector>,
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
        let without = plan.phase == PhaseName::WithoutDependency;
        let alone = plan.alone();
        let state = |place| match without && alone.is_none_or(|alone| alone == place) {
            true => State::Refusing,
            false => State::Up,
        };
        let dependencies = Dependencies::start(asked, state, beyond).await?;
        let has_addresses = entered.namespaces && outside::is_there().await;
        let process = Process::start(plan, entered).map_err(|error| error.0)?;
        let service = plan.terms.health_service().to_owned();
        let hidden = Rc::clone(&process.hidden);
        let headers = plan.probe_headers.clone();
        let log = Rc::new(Log::new(process.clock, service, headers, hidden));
        Ok(Self {
            plan,
            process,
            log,
            dependencies,
            own_network: entered.namespaces,
            has_addresses,
            ready_us: None,
            live_us: None,
            spoken: Vec::new(),
            other_protocol: false,
            protocol_of_load: None,
            exit: None,
            metrics: None,
            sink: None,
            traced: Vec::new(),
            memory: Vec::new(),
            load: None,
            health: None,
            watched: None,
            children: Children::default(),
            scheduler: None,
            collector: None,
        })
    }

    /// Where that port can be reached: at the address of the pod, as by a kubelet and a Service, where there is one.
    /// A socket bound to another address is asked there.
    pub(super) fn to(&self, port: u16) -> SocketAddr {
        let open = self.process.listening();
        let addresses: Vec<IpAddr> =
            open.iter().filter(|(_, of)| *of == port).map(|(address, _)| *address).collect();
        let local = IpAddr::from(Ipv4Addr::LOCALHOST);
        let pod = IpAddr::from(POD_ADDRESS);
        let of_pod = |address: &IpAddr| address.is_unspecified() || *address == pod;
        let address = match addresses.first() {
            None if self.has_addresses => pod,
            Some(_) if self.has_addresses && addresses.iter().any(of_pod) => pod,
            Some(_) if addresses.contains(&local) => local,
            Some(IpAddr::V6(address)) if address.is_loopback() => Ipv6Addr::LOCALHOST.into(),
            Some(address) if !address.is_unspecified() => *address,
            _ => local,
        };
        SocketAddr::new(address, port)
    }

    /// The port that load goes to: that of the terms, of the readiness probe, or the first opened.
    pub(super) fn port(&self) -> Option<u16> {
        let opened = || self.process.listening().first().map(|(_, port)| *port);
        let terms = &self.plan.terms;
        terms.port_of(None).or_else(opened)
    }

    /// What is spoken on a port, as far as it was found out; HTTP/1.1 else.
    pub(super) fn protocol(&self, port: u16) -> Protocol {
        self.log.protocol(port)
    }

    /// Finds out what is spoken on a port: whether that is anything that can be spoken here, as far as
    /// somebody answered.
    pub(super) async fn speaks(&mut self, port: u16) -> bool {
        if let Some(known) = self.spoken.iter().find(|spoken| spoken.port == port) {
            return known.protocol.is_some();
        }
        let terms = &self.plan.terms;
        let is_of_load = self.port() == Some(port);
        let said = terms.said.as_ref().filter(|_| is_of_load);
        match detect(self.to(port), &terms.path, said).await {
            Found::Speaks(protocol, by) => {
                self.log.speak(port, protocol);
                if is_of_load {
                    self.protocol_of_load = Some(protocol);
                }
                self.spoken.push(Spoken { port, protocol: Some(protocol), by });
                true
            }
            Found::Nothing(by) => {
                self.spoken.push(Spoken { port, protocol: None, by });
                self.other_protocol |= is_of_load;
                false
            }
            Found::Nobody => true,
        }
    }

    /// Waits until the readiness probe passes, or without one until a request is answered; not when
    /// a kubelet would start the container anew, or nobody waits any longer. What is spoken where
    /// requests go is known then.
    pub(super) async fn become_ready(&mut self) -> bool {
        if self.is_ready_in_time().await {
            return true;
        }
        // Why a probe fails may be what is spoken instead.
        for probe in &self.plan.terms.probes {
            let open = self.process.listening().iter().any(|(_, port)| *port == probe.port);
            if open && !self.process.has_ended() {
                self.speaks(probe.port).await;
            }
        }
        false
    }

    async fn is_ready_in_time(&mut self) -> bool {
        let terms = &self.plan.terms;
        let begun = Instant::now();
        let longest = Duration::from_millis(terms.ready_ms) + MOST_LATE;
        let mut deadline = begun + Duration::from_millis(terms.ready_ms);
        let anew = begun + Duration::from_millis(terms.start_ms);
        let worker = terms.is_worker();
        let mut last: Option<Outcome> = None;
        while Instant::now() < deadline && !self.process.has_ended() {
            let open = !self.process.listening().is_empty();
            if worker && !open && begun.elapsed() > WORKER {
                return false;
            }
            if self.live_us.is_none() {
                self.live_us = self.is_live(open, deadline).await;
            }
            if terms.watch().is_some() && self.live_us.is_none() && Instant::now() > anew {
                return false;
            }
            let before = self.log.requests.borrow().len();
            match self.is_ready(open, deadline).await {
                Some(true) => {
                    let now = self.process.clock.now_us();
                    self.ready_us = Some(now);
                    // One that is ready without having been asked is alive.
                    self.live_us = self.live_us.or(Some(now));
                    // A probe may go to another port than requests.
                    return match self.port() {
                        Some(port) => self.speaks(port).await,
                        None => true,
                    };
                }
                Some(false) => {
                    let mut requests = self.log.requests.borrow_mut();
                    let outcome = requests.last().map(|request| request.outcome.clone());
                    // The same answer again says nothing new.
                    if outcome == last {
                        requests.truncate(before);
                    }
                    last = outcome;
                }
                None if self.other_protocol => return false,
                None => {}
            }
            let pause = Instant::now();
            sleep(ASK).await;
            if self.plan.phase == PhaseName::Settings {
                // Nobody but us says how long that may take: what the machine had no time for is not counted.
                deadline = (deadline + pause.elapsed().saturating_sub(ASK)).min(begun + longest);
            }
        }
        false
    }

    /// Whether the readiness probe passes now, or without one a request is answered; none when nobody
    /// was asked. An answer may come until then.
    async fn is_ready(&mut self, open: bool, deadline: Instant) -> Option<bool> {
        let terms = &self.plan.terms;
        let left = || deadline.saturating_duration_since(Instant::now());
        if let Some(probe) = terms.probe(ProbeKind::Readiness) {
            if !open {
                return None;
            }
            let before = self.log.requests.borrow().len();
            let shorter = within(probe, left());
            self.log.probe(Purpose::Readiness, &shorter, self.to(probe.port)).await;
            let outcome = self.log.last()?;
            if outcome == Outcome::TimedOut && shorter.timeout_ms < probe.timeout_ms {
                // It did not have its time.
                self.log.requests.borrow_mut().truncate(before);
                return None;
            }
            return Some(outcome.passes());
        }
        let port = self.port().filter(|_| open)?;
        if !timeout(left(), self.speaks(port)).await.ok()? {
            return None;
        }
        let known = self.spoken.iter().any(|spoken| spoken.port == port);
        let patience = PATIENCE.min(left());
        self.log.ask(Purpose::Readiness, self.to(port), &terms.path, patience).await;
        let outcome = self.log.last()?;
        // What is spoken has to be known: a server of TLS answers plain text, too, to say that it does not.
        Some(known && matches!(outcome, Outcome::Answered { status, .. } if status < 500))
    }

    /// When the probe that watches the start passed, if it does now.
    async fn is_live(&self, open: bool, deadline: Instant) -> Option<u64> {
        let watch = self.plan.terms.watch().filter(|_| open)?;
        let watch = within(watch, deadline.saturating_duration_since(Instant::now()));
        let before = self.log.requests.borrow().len();
        self.log.probe(Purpose::Startup, &watch, self.to(watch.port)).await;
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
        let asks =
            matches!(self.plan.phase, PhaseName::Start | PhaseName::Drain | PhaseName::Stuck);
        self.exit = match asks {
            true => self.process.ended_or_asked(patience).await,
            false => self.process.ended_within(patience).await,
        };
    }

    /// Everything that was seen.
    pub(super) async fn finish(mut self) -> Result<(Phase, Vec<Missing>), String> {
        if self.exit.is_none() {
            self.exit = self.process.ended_within(Duration::ZERO).await;
        }
        let dependencies = self.dependencies.seen(self.process.clock);
        let clock = self.process.clock;
        let telemetry = self.sink.take().map(|sink| Telemetry {
            asked: std::mem::take(&mut self.traced),
            memory: std::mem::take(&mut self.memory),
            ..sink.seen(clock)
        });
        let (listeners, output, signals, lacks, goroutines) =
            self.process.seen().await.map_err(|error| error.0)?;
        let used = self.plan.groups.used(|limit| lacks.iter().any(|lack| lack.what == limit));
        let mut requests = self.log.requests.take();
        requests.sort_by_key(|request| request.at_us);
        let lateness_us = self.log.lateness_us();
        let phase = Phase {
            name: self.plan.phase,
            listeners,
            ready_us: self.ready_us,
            live_us: self.live_us,
            other_protocol: self.other_protocol,
            spoken: self.spoken,
            protocol: self.protocol_of_load,
            signals,
            requests,
            metrics: self.metrics,
            dependencies,
            telemetry,
            load: self.load,
            health: self.health,
            watched: self.watched,
            children: self.children,
            used,
            scheduler: self.scheduler,
            collector: self.collector,
            as_root: None,
            shown: self.log.shown.take(),
            goroutines,
            output,
            exit: self.exit,
            lateness_us,
            trials: Vec::new(),
            repeats: Vec::new(),
        };
        Ok((phase, lacks))
    }
}

/// A probe that waits no longer than that for its answer.
fn within(probe: &Probe, left: Duration) -> Probe {
    let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    Probe { timeout_ms: probe.timeout_ms.min(left), ..probe.clone() }
}
