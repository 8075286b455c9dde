//! What `provost prove` measured of a process. A proof is kept as JSON: it is evidence, and outlives
//! the run that made it.
//!
//! Times are microseconds since the process was started, of the clock of the machine that never
//! goes back (`CLOCK_MONOTONIC`).

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::metrics::{Endpoint, Metrics};
use super::origin::SourceId;
use crate::model::growth::Growth;

mod children;
mod dependency;
mod goroutines;
pub mod health;
mod limits;
pub mod load;
mod output;
mod probe;
mod request;
mod spoken;
mod stage;
pub mod storm;
pub mod telemetry;
mod trial;

pub use children::Children;
pub use dependency::{Call, Depended, Dependency, Link, Side, State, Turn};
pub use goroutines::{Goroutines, Silent, Stack, StackCall};
pub use health::{Health, Watched};
pub use limits::{Collector, Scheduler, Used};
pub use load::Load;
pub use output::{Line, Output, Shown};
pub use probe::{Probe, ProbeBy, ProbeKind};
pub use request::{Outcome, Purpose, Request};
pub use spoken::{Protocol, Said, Spoken};
pub use stage::{
    ADDRESSES, APART, DISK, Missing, NODE_ADDRESS, OWN_GROUPS, OWN_NETWORK, POD_ADDRESS, Stage,
    WRITABLE, shown_user,
};
pub use telemetry::{Otlp, Telemetry};
pub use trial::{Beside, Change, Trial};

/// Every request carries a `traceparent` of its own, whose trace id begins with these 64 bits:
/// `provost` in ASCII.
pub const TRACE_HIGH: u64 = 0x7072_6f76_6f73_7400;

/// The other 64 bits of the first of them; each has one more than the one before.
pub const TRACE_LOW: u64 = 0x7472_6163_6500_0000;

/// Stands behind each line break that requests bring, and is the key that they bring behind quotes.
pub const INJECTED: &str = "provost-injected";

/// A proof among the facts of a run.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The file it was read from, or the program that was measured just now.
    pub source: SourceId,
    /// What was measured.
    pub proof: Proof,
}

/// Requests a second of the load at a rate, where nobody says how many.
pub const RATE: u32 = 100;

/// The form that is written; older ones are read, newer ones refused.
pub const VERSION: u32 = 1;

/// Everything that was measured of one program as one container would run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// [`VERSION`]
    pub version: u32,
    /// What ran.
    pub program: Program,
    /// The container whose manifest said how it is run: `NS/KIND/NAME/CONTAINER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The command that measured it, to which `--phase` is added to repeat a part.
    #[serde(default)]
    pub command: String,
    /// What stands behind all flags of it: `-- serve --verbose`.
    #[serde(default)]
    pub arguments: String,
    /// How it was run and what it was held against.
    pub terms: Terms,
    /// What of a pod was there, and what was not.
    #[serde(default)]
    pub stage: Stage,
    /// One run of the process each.
    pub phases: Vec<Phase>,
    /// The same again, as often as was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<Vec<Phase>>,
}

/// The executable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// As it was named.
    pub path: String,
    /// Of the file, in hexadecimal. A proof speaks of this file and no other.
    pub sha256: String,
}

/// What the manifest, the configuration and Kubernetes' defaults promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Where requests go; the first port that the process opened when nothing names one.
    pub port: Option<u16>,
    /// What is asked for under load.
    pub path: String,
    /// What takes a while to answer, where somebody named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_path: Option<String>,
    /// From the start until the container is started anew, in milliseconds: what the startup probe, or
    /// the liveness probe without one, allows. 0 without either: nothing ends a start.
    pub start_ms: u64,
    /// How long readiness was waited for.
    pub ready_ms: u64,
    /// From SIGTERM until SIGKILL: the grace period less what the preStop hook takes.
    pub grace_ms: u64,
    /// Before SIGTERM, by the preStop hook.
    pub pre_stop_ms: u64,
    /// How long new connections arrive after the pod began to end.
    pub propagation_ms: u64,
    /// Probes that ask over the network.
    pub probes: Vec<Probe>,
    /// Where metrics are; none in proofs that were made before they were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Endpoint>,
    /// What the process depends on and is there for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// A sink of telemetry is where it is told to send, and what it was told; none where nobody speaks
    /// of telemetry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,
    /// Requests a second of the load at a rate.
    pub rate: u32,
    /// What the manifest says is spoken where requests go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// Where a WebSocket is opened, where somebody named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket: Option<String>,
    /// The container's CPU limit, in thousandths of a CPU, where the kernel enforces one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit_m: Option<u64>,
    /// The container's memory limit, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// User and group that it ran as; none in proofs that do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<(u32, u32)>,
    /// Nothing said who runs it, and a user without rights was taken.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub user_unsaid: bool,
    /// What was made up for it, or left out, because only a cluster has it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlike: Vec<Unlike>,
}

/// What a process did not get as its container does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlike {
    /// In words: `the real TOKEN`, `the files of Secret tls`.
    pub what: String,
    /// What it would have said.
    pub says: Says,
    /// Where its files are; none for a variable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// What a value says to the process that reads it, and so what of it may be otherwise without it. What says more is
/// less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// Anything: it was left out, or is a file of settings.
    Anything,
    /// Where something is: a URL, an address, a port.
    Place,
    /// What is shown to others or computed with: a password, a token, a key.
    Secret,
    /// Who somebody is: a certificate and its key, which were made and do what real ones do.
    Identity,
}

impl Default for Terms {
    /// Without a manifest: no probes, the grace period of Kubernetes, and a minute to become ready.
    fn default() -> Self {
        Self {
            port: None,
            path: "/".to_owned(),
            slow_path: None,
            start_ms: 0,
            ready_ms: 60_000,
            grace_ms: 30_000,
            pre_stop_ms: 0,
            propagation_ms: 5000,
            probes: Vec::new(),
            metrics: None,
            dependencies: Vec::new(),
            otlp: None,
            rate: RATE,
            said: None,
            websocket: None,
            cpu_limit_m: None,
            memory_limit: None,
            user: None,
            user_unsaid: false,
            unlike: Vec::new(),
        }
    }
}

impl Terms {
    /// How long after SIGTERM new connections still arrive: the hook ran meanwhile.
    pub fn window_ms(&self) -> u64 {
        self.propagation_ms.saturating_sub(self.pre_stop_ms)
    }

    /// Whether nothing is asked of the process: neither a port nor a probe is known.
    pub fn is_worker(&self) -> bool {
        self.port.is_none() && self.probes.is_empty()
    }

    /// The service whose health gRPC is asked for: that of a probe, else the server as a whole.
    pub fn health_service(&self) -> &str {
        let by_grpc = |kind| self.probe(kind).filter(|probe| probe.by.is_grpc());
        let probe = by_grpc(ProbeKind::Readiness).or_else(|| by_grpc(ProbeKind::Startup));
        probe.map_or("", |probe| probe.path.as_str())
    }

    /// The port that requests go to: the one that is named, that of the readiness probe, or the first
    /// that was opened.
    pub fn port_of(&self, opened: Option<u16>) -> Option<u16> {
        let probed = || self.probe(ProbeKind::Readiness).map(|probe| probe.port);
        self.port.or_else(probed).or(opened)
    }

    /// Whether a probe asks for that path on the port that requests go to, so that an error is how it
    /// says that the process is not ready, or not well.
    pub fn is_probed(&self, phase: &Phase, path: &str) -> bool {
        fn bare(path: &str) -> &str {
            path.split(['?', '#']).next().unwrap_or_default()
        }
        let port = self.port_of(phase.listeners.first().map(|listener| listener.port));
        self.probes.iter().any(|probe| {
            !probe.by.is_grpc()
                && bare(&probe.path) == bare(path)
                && port.is_none_or(|port| port == probe.port)
        })
    }

    /// The probe by which a start is watched.
    pub fn watch(&self) -> Option<&Probe> {
        self.probe(ProbeKind::Startup).or_else(|| self.probe(ProbeKind::Liveness))
    }

    /// The probe of that kind.
    pub fn probe(&self, kind: ProbeKind) -> Option<&Probe> {
        self.probes.iter().find(|probe| probe.kind == kind)
    }
}

/// Which run of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// Started, probed, ended while idle.
    Start,
    /// Ended under load.
    Drain,
    /// Ended while a request takes longer than anybody waits.
    Stuck,
    /// Told twice to end.
    SecondSignal,
    /// Told to end before it listens.
    EarlySignal,
    /// Asked while nobody reads what it prints.
    FullStdout,
    /// Started as it is; beside it, once for each change of a variable.
    Settings,
    /// Started while what it depends on refuses connections.
    WithoutDependency,
    /// Asked while what it depends on answers nothing, and while it refuses connections.
    Outage,
    /// Asked at a steady rate, whatever becomes of the answers.
    Load,
    /// Asked by so many at a time that its CPU limit is used up.
    Throttled,
    /// Started with the scheduler's own trace, which says how many threads run Go code.
    Limits,
    /// Ended while connections and requests begin, in steps of milliseconds around the signal.
    Storm,
    /// Asked in traces that are known, and ended right behind the last answer.
    Telemetry,
    /// Asked while whoever takes its telemetry refuses it, and then answers nothing.
    ExporterFailure,
}

impl PhaseName {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 15] = [
        Self::Start,
        Self::Drain,
        Self::Stuck,
        Self::SecondSignal,
        Self::EarlySignal,
        Self::FullStdout,
        Self::Settings,
        Self::WithoutDependency,
        Self::Outage,
        Self::Load,
        Self::Throttled,
        Self::Limits,
        Self::Storm,
        Self::Telemetry,
        Self::ExporterFailure,
    ];

    /// As `--phase` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Drain => "drain",
            Self::Stuck => "stuck",
            Self::SecondSignal => "second-signal",
            Self::EarlySignal => "early-signal",
            Self::FullStdout => "full-stdout",
            Self::Settings => "settings",
            Self::WithoutDependency => "without-dependency",
            Self::Outage => "outage",
            Self::Load => "load",
            Self::Throttled => "throttled",
            Self::Limits => "limits",
            Self::Storm => "storm",
            Self::Telemetry => "telemetry",
            Self::ExporterFailure => "exporter-failure",
        }
    }
}

/// One run of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Which.
    pub name: PhaseName,
    /// Sockets that were opened for listening, in order.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// When the readiness probe, or without one any request, was first answered well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_us: Option<u64>,
    /// When the startup probe, or the liveness probe without one, first passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_us: Option<u64>,
    /// What is asked speaks nothing that is spoken here: nothing else could be measured.
    #[serde(default)]
    pub other_protocol: bool,
    /// What is spoken on ports that were asked for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spoken: Vec<Spoken>,
    /// What the load spoke; HTTP/1.1 in proofs that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Signals that were sent.
    #[serde(default)]
    pub signals: Vec<Sent>,
    /// Every request, by its start.
    #[serde(default)]
    pub requests: Vec<Request>,
    /// What it said on its metrics endpoint, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// What was seen of what it depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Depended>,
    /// What it sent by OTLP, where a sink was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<Telemetry>,
    /// How long answers took under load at a steady rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// What gRPC's health service said, where gRPC is spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// A stream of the health service that was open when SIGTERM came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Watched>,
    /// Processes that it started.
    #[serde(default)]
    pub children: Children,
    /// What it used of what its control group allows, where it was in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    /// What the scheduler of Go's runtime said of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// What the collector of Go's runtime works with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collector: Option<Collector>,
    /// The same start as root, where as its own user it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_root: Option<Box<Phase>>,
    /// Where else than in its output a value was seen that was given as a secret, each place once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// What its goroutines did, of a process that was still there when its time was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goroutines: Option<Goroutines>,
    /// What it printed.
    #[serde(default)]
    pub output: Output,
    /// How it ended; none when it could not even be killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// How late the load was, but for the latest of a hundred requests: what the harness itself adds.
    #[serde(default)]
    pub lateness_us: u64,
    /// The same start with one variable changed, for each change that was tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<Trial>,
    /// Further runs of the same phase, at other moments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Vec<Phase>,
}

/// Half a second behind, nothing is in time.
const STARVED_US: u64 = 500_000;

impl Phase {
    /// The run and its repetitions.
    pub fn runs(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.repeats)
    }

    /// Whether requests had no answer, or a bad one, while nobody took the telemetry of the process.
    pub fn leaves_untaken_unanswered(&self) -> bool {
        let mut untaken = self.requests.iter().filter(|it| it.purpose == Purpose::Untaken);
        untaken.any(|request| request.outcome.is_no_help())
    }

    /// Whether memory grew with each request meanwhile.
    pub fn grows_untaken(&self, queue: u64) -> bool {
        let growth = self.telemetry.as_ref().map(|it| it.growth(queue));
        matches!(growth, Some(Growth::GoesOn { .. }))
    }

    /// Whether the machine was too busy for times to say anything of the process: who measures had as little of it.
    pub fn is_starved(&self) -> bool {
        self.lateness_us > STARVED_US
    }

    /// When its time was over and it was made to end.
    pub fn given_up_us(&self) -> Option<u64> {
        let last = |sent: &&Sent| matches!(sent.signal, Signal::Quit | Signal::Kill);
        let sent = self.signals.iter().find(last).filter(|_| self.is_killed());
        sent.map(|sent| sent.at_us)
    }

    /// When it was first told to end.
    pub fn told_us(&self) -> Option<u64> {
        self.signals.iter().find(|sent| sent.signal == Signal::Term).map(|sent| sent.at_us)
    }
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// When it was seen first.
    pub at_us: u64,
    /// When it was seen no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_us: Option<u64>,
    /// The address it is bound to.
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
}

/// A signal that the harness sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// When.
    pub at_us: u64,
    /// Which.
    pub signal: Signal,
}

/// Which signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGTERM
    Term,
    /// SIGQUIT, when the grace period was over: Go's runtime prints all goroutines and ends.
    Quit,
    /// SIGKILL, when the grace period was over.
    Kill,
}

/// How the process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// When it was known.
    pub at_us: u64,
    /// Its exit code, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Made to end by the harness because its time was over: by SIGKILL, or by SIGQUIT before it, by which Go's
    /// runtime ends with a code of its own.
    #[serde(default)]
    pub killed: bool,
}

impl Exit {
    /// As Kubernetes would show it: 128 and the signal for a process that a signal ended.
    pub fn shown(&self) -> String {
        match (self.code, self.signal) {
            (Some(_), _) if self.killed => "137".to_owned(),
            (Some(code), _) => code.to_string(),
            (None, Some(signal)) => (128 + signal).to_string(),
            (None, None) => "unknown".to_owned(),
        }
    }
}
