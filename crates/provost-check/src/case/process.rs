//! One process that was measured, with the container it was run as.

use super::{Case, Joined, World};
use crate::facts::Origin;
use crate::facts::metrics::{Metrics, Scrape};
use crate::facts::proof::{
    DISK, Measured, Outcome, Phase, PhaseName, ProbeKind, Proof, Protocol, Purpose, Request, Says,
    Signal, Spoken, Terms, Unlike,
};
use crate::facts::workload::Handler;
use crate::findings::{Abstain, Finding, Reason};
use crate::model::quantity::Bytes;

/// SIGKILL on Linux.
const KILL: i32 = 9;

/// How a process fails, by which it is told what of its surroundings may be why.
#[derive(Clone, Copy, Debug)]
pub enum Fails<'p> {
    /// It ended by itself: programs look at what they are given when they start.
    Ends(&'p Phase),
    /// It opens no port, refuses, or says itself that it is not well, as when what it needs is not where it was told.
    Waits,
    /// It fails at first and works later, with the same values: without what it did not find somewhere.
    AtFirst,
    /// It answers, and otherwise than was wanted. Which paths it has no value of a Secret says.
    Answers,
}

impl Fails<'_> {
    /// By what was answered last: that somebody is no stranger, or a path is served, no process waits for.
    pub fn by<'r>(mut asked: impl DoubleEndedIterator<Item = &'r Request>) -> Self {
        match asked.next_back().map(|request| &request.outcome) {
            Some(Outcome::Answered { status: 300..=428 | 430..=499, grpc: None, .. }) => {
                Self::Answers
            }
            _ => Self::Waits,
        }
    }
}

/// One process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// Its index in [`World::proofs`].
    pub index: usize,
    measured: &'w Measured,
    container: Option<Case<'w>>,
    /// Which of the measurements of the same.
    run: usize,
}

impl<'w> ProcessCase<'w> {
    /// Joins a proof with the container that it stands for.
    pub fn new(joined: &'w Joined<'w>, index: usize, measured: &'w Measured) -> Self {
        let place = joined.bindings.of_proof(index);
        let container = place.and_then(|(workload, container)| {
            joined.workload(workload)?.into_containers().nth(container)
        });
        Self { joined, index, measured, container, run: 0 }
    }

    /// How often everything was measured.
    pub fn runs(&self) -> usize {
        self.measured.proof.repeats.len() + 1
    }

    /// Whether this is the first of them, by which is told what is of all.
    pub fn is_first_run(&self) -> bool {
        self.run == 0
    }

    /// The same case by another of the measurements.
    pub fn of_run(self, run: usize) -> Self {
        Self { run, ..self }
    }

    /// The phases of the measurement at hand.
    pub fn phases(&self) -> &'w [Phase] {
        let proof = &self.measured.proof;
        let repeat = self.run.checked_sub(1).and_then(|place| proof.repeats.get(place));
        repeat.unwrap_or(&proof.phases)
    }

    /// All facts.
    pub fn world(&self) -> &'w World {
        self.joined.world
    }

    /// What was measured.
    pub fn proof(&self) -> &'w Proof {
        &self.measured.proof
    }

    /// What it is held against.
    pub fn terms(&self) -> &'w Terms {
        &self.measured.proof.terms
    }

    /// The container, where the manifest is there.
    pub fn container(&self) -> Option<Case<'w>> {
        self.container
    }

    /// The container, or the program where there is none.
    pub fn subject(&self) -> String {
        match &self.container {
            Some(case) => case.subject(),
            None => self.proof().container.clone().unwrap_or(self.proof().program.path.clone()),
        }
    }

    /// How long after SIGTERM new connections still arrive, in microseconds: by the manifest at hand,
    /// which may hold SIGTERM back for longer than the one that was measured against.
    pub fn window_us(&self) -> u64 {
        let Some(case) = self.container else { return self.terms().window_ms() * 1000 };
        let propagation = case.settings().endpoint_propagation().max(0.0) * 1e6;
        let held = u64::from(case.termination().prestop) * 1_000_000;
        (propagation as u64).saturating_sub(held)
    }

    /// A run of the process; unknown when that phase was not measured.
    pub fn phase(&self, name: PhaseName) -> Result<&'w Phase, Abstain> {
        let mut phases = self.phases().iter();
        phases.find(|phase| phase.name == name).ok_or_else(|| {
            Abstain::unknown(Reason::NotMeasured, format!("the phase {}", name.name()))
        })
    }

    /// Unknown when what was to be asked speaks another protocol, so that nothing was measured of it.
    pub fn speaks_http(&self, phase: &Phase, what: &str) -> Result<(), Abstain> {
        if phase.other_protocol {
            let load = phase.spoken.iter().find(|spoken| spoken.protocol.is_none());
            let why = load.map_or("it is not HTTP", |spoken| spoken.by.as_str());
            let what = format!("{what}: what is spoken there is not known, {why}");
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        Ok(())
    }

    /// The probe of that kind in the manifest.
    pub fn probe_handler(&self, kind: ProbeKind) -> Option<&'w Handler> {
        let container = self.container?.container;
        let found = match kind {
            ProbeKind::Startup => container.startup.as_ref(),
            ProbeKind::Readiness => container.readiness.as_ref(),
            ProbeKind::Liveness => container.liveness.as_ref(),
        };
        found.map(|probe| &probe.handler)
    }

    /// Adds to a finding about a probe where the manifest has it.
    pub fn show_probe(&self, kind: ProbeKind, finding: Finding) -> Finding {
        match self.probe_handler(kind) {
            Some(handler) => finding.also(&handler.origin, format!("the {} probe", kind.name())),
            None => finding,
        }
    }

    /// A run in which the process became ready and was told to end, and when that was. What did not
    /// come up has other faults.
    pub fn ended(&self, name: PhaseName) -> Result<(&'w Phase, u64), Abstain> {
        let phase = self.phase(name)?;
        self.speaks_http(phase, "requests")?;
        match (phase.ready_us, phase.told_us()) {
            _ if phase.ended_by_itself() => {
                let at = duration(phase.exit.as_ref().map_or(0, |exit| exit.at_us));
                let name = phase.name.name();
                let what =
                    format!("an end by SIGTERM: it ended by itself after {at} (phase {name})");
                Err(Abstain::unknown(Reason::NotMeasured, what))
            }
            (Some(_), Some(told)) => Ok((phase, told)),
            _ => Err(Abstain::unknown(
                Reason::NotMeasured,
                format!("the end of a process that was ready (phase {})", name.name()),
            )),
        }
    }

    /// What the process said on its metrics endpoint. Most processes have none.
    pub fn metrics(&self) -> Result<(&'w Phase, &'w Metrics), Abstain> {
        let phase = self.phase(PhaseName::Start)?;
        match &phase.metrics {
            Some(metrics) => Ok((phase, metrics)),
            None if self.terms().metrics.is_some() && phase.ready_us.is_some() => {
                Err(Abstain::NotApplicable)
            }
            None => Err(Abstain::unknown(Reason::NotMeasured, "the metrics of a ready process")),
        }
    }

    /// The same, with the scrapes that gave metrics.
    pub fn scraped(&self) -> Result<(&'w Phase, &'w Metrics, Vec<&'w Scrape>), Abstain> {
        let (phase, metrics) = self.metrics()?;
        let given: Vec<&Scrape> = metrics.scrapes.iter().filter(|it| it.answered()).collect();
        if given.is_empty() {
            let how = metrics.scrapes.first().map_or_else(String::new, |it| it.outcome.words());
            let what = format!("the metrics: {} was {how}", metrics.path);
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        Ok((phase, metrics, given))
    }

    /// A run in which the process was told to end while it was up, idle.
    pub fn ended_idle(&self) -> Result<(&'w Phase, u64), Abstain> {
        self.ended_up(PhaseName::Start)
    }

    /// A run in which the process was told to end while it was up, whatever it speaks: it listened, or it is a worker,
    /// of which nothing is asked.
    pub fn ended_up(&self, name: PhaseName) -> Result<(&'w Phase, u64), Abstain> {
        let phase = self.phase(name)?;
        let terms = self.terms();
        let up = phase.ready_us.is_some() || phase.listens_us().is_some() || terms.is_worker();
        let alive = phase
            .told_us()
            .filter(|told| up && phase.exit.as_ref().is_none_or(|exit| exit.at_us >= *told));
        match alive {
            Some(told) => Ok((phase, told)),
            None => self.ended(name),
        }
    }

    /// A moment in a run of the process.
    pub fn moment(&self, phase: &Phase, at_us: u64) -> Origin {
        Origin::process(self.measured.source, phase.name, Some(at_us))
    }

    /// A run of the process as a whole.
    pub fn run(&self, phase: &Phase) -> Origin {
        Origin::process(self.measured.source, phase.name, None)
    }

    /// By what the load went, where that is not plain HTTP/1.1, and how it is known.
    pub fn show_spoken(&self, phase: &Phase, finding: Finding) -> Finding {
        let of_load = |protocol: Protocol| {
            let mut spoken = phase.spoken.iter();
            spoken.find(|spoken| spoken.protocol == Some(protocol))
        };
        match phase.protocol.filter(|it| *it != Protocol::Http).and_then(of_load) {
            Some(spoken) => finding.note(said_of(spoken)),
            None => finding,
        }
    }

    /// Unknown where what was made up for the process, or left out, may be why it fails in that way.
    pub fn was_given_what_it_needs(&self, fails: Fails<'_>) -> Result<(), Abstain> {
        let may_be_why = |it: &&Unlike| match (fails, it.says) {
            (_, Says::Anything) => true,
            (Fails::Answers, _) => false,
            (Fails::Waits, Says::Secret) => {
                // Only the real one looks at what it is shown.
                self.terms().dependencies.iter().any(|it| it.target.is_some())
            }
            (Fails::Waits | Fails::AtFirst, says) => says == Says::Place,
            (Fails::Ends(phase), Says::Identity) => {
                // A variable has no path that a message could name.
                it.paths.is_empty() || it.paths.iter().any(|path| phase.output.is_named(path))
            }
            (Fails::Ends(_), _) => true,
        };
        let why: Vec<&Unlike> = self.terms().unlike.iter().filter(may_be_why).collect();
        let Some(first) = why.first() else { return Ok(()) };
        let more = match why.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let files = why.iter().any(|it| !it.paths.is_empty());
        let files = files.then_some("--secret NAME=DIR gives the files of a Secret");
        let variables = why.iter().any(|it| it.paths.is_empty());
        let variables = variables.then_some("--env gives a variable its value");
        let ways: Vec<&str> = files.into_iter().chain(variables).collect();
        let what = format!("a run with {}{more}; {}", first.what, ways.join(", "));
        Err(Abstain::unknown(Reason::NotMeasured, what))
    }

    /// Unknown where a process ended for want of memory or room and what it wrote was kept in its memory: a
    /// container writes to the disk of its node.
    pub fn wrote_to_disk(&self, phase: &Phase) -> Result<(), Abstain> {
        let full = phase.killed_at_limit().is_some() || phase.lacks_space();
        if full && self.proof().stage.lacks(DISK) {
            let what = "a run that writes to a disk; TMPDIR names a folder on one";
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        Ok(())
    }

    /// The command that repeats a run.
    pub fn repeat(&self, phase: &Phase) -> String {
        self.repeat_with(phase, "")
    }

    /// The command that measures what a rule asks about again, as often.
    pub fn repeat_for(&self, rule: &str, runs: usize) -> String {
        let command = match self.proof().command.as_str() {
            "" => "provost prove",
            command => command,
        };
        let arguments = &self.proof().arguments;
        let space = if arguments.is_empty() { "" } else { " " };
        format!("again: {command} --only {rule} --repeat {runs}{space}{arguments}")
    }

    /// The command that repeats a run with further flags.
    pub fn repeat_with(&self, phase: &Phase, flags: &str) -> String {
        let command = match self.proof().command.as_str() {
            "" => "provost prove",
            command => command,
        };
        let arguments = &self.proof().arguments;
        let space = if arguments.is_empty() { "" } else { " " };
        format!("again: {command} --phase {}{flags}{space}{arguments}", phase.name.name())
    }
}

/// `port 8443 speaks HTTP/2 over TLS: it answered TLS, HTTP/2 in it`
pub fn said_of(spoken: &Spoken) -> String {
    let protocol = spoken.protocol.map_or("nothing that is known", Protocol::name);
    format!("port {} speaks {protocol}: {}", spoken.port, spoken.by)
}

impl Phase {
    /// What the load is made of, in the plural: `requests`, `gRPC calls`.
    pub fn requests_by_name(&self) -> &'static str {
        self.protocol.unwrap_or(Protocol::Http).requests()
    }

    /// Whether the load spoke gRPC.
    pub fn is_grpc(&self) -> bool {
        self.protocol.is_some_and(Protocol::is_grpc)
    }

    /// Requests of that purpose.
    pub fn of(&self, purpose: Purpose) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| request.purpose == purpose)
    }

    /// Whether it ended before it was told to.
    pub fn ended_by_itself(&self) -> bool {
        self.exit
            .as_ref()
            .is_some_and(|exit| !exit.killed && self.told_us().is_none_or(|told| exit.at_us < told))
    }

    /// What the kernel did, where that was the end: the process itself cannot say it.
    pub fn killed_at_limit(&self) -> Option<String> {
        let ended =
            self.exit.as_ref().is_some_and(|exit| exit.signal == Some(KILL) && !exit.killed);
        let used = self.used.as_ref().filter(|used| ended && used.killed > 0)?;
        Some(format!("the kernel killed it at its memory limit of {}", Bytes(used.memory_limit?)))
    }

    /// Whether it said that there was no room left for what it writes (ENOSPC, as C libraries and Go have it).
    fn lacks_space(&self) -> bool {
        let said = |text: &str| text.to_ascii_lowercase().contains("no space left on device");
        self.output.lines.iter().any(|line| said(&line.text))
    }

    /// When a listening socket was first seen.
    pub fn listens_us(&self) -> Option<u64> {
        self.listeners.iter().map(|listener| listener.at_us).min()
    }

    /// When it was told the second time.
    pub fn told_again_us(&self) -> Option<u64> {
        let mut told = self.signals.iter().filter(|sent| sent.signal == Signal::Term);
        told.nth(1).map(|sent| sent.at_us)
    }
}

/// What became of requests, the most frequent end first: `31 refused, 2 reset without an answer`.
pub fn tally<'r>(requests: impl IntoIterator<Item = &'r Request>) -> String {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for request in requests {
        let words = match &request.outcome {
            // How much had come differs from one to the next.
            Outcome::Reset { bytes: 1.. } => "reset in the middle of the answer".to_owned(),
            Outcome::Closed { bytes: 1.. } => "cut in the middle of the answer".to_owned(),
            outcome => outcome.words(),
        };
        match counted.iter_mut().find(|(known, _)| *known == words) {
            Some((_, count)) => *count += 1,
            None => counted.push((words, 1)),
        }
    }
    counted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counted.iter().map(|(words, count)| format!("{count} {words}")).collect::<Vec<_>>().join(", ")
}

/// When a container that ended runs again: without an entry for it `doBackOff` in
/// pkg/kubelet/kuberuntime/kuberuntime_manager.go (v1.37.2) makes one and does not wait.
pub const RESTARTS: &str =
    "the kubelet starts it again at once, then after 10 s, 20 s, 40 s, up to 5 min";

/// Microseconds as people say them: `850 ms`, `4.2 s`.
pub fn duration(us: u64) -> String {
    match us {
        0..1_000_000 => format!("{} ms", us / 1000),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}
