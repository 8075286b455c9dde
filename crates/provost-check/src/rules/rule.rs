//! What a rule is: data and one function.

use crate::case::counters::CountersCase;
use crate::case::crash::{DumpCase, RecoveredCase};
use crate::case::image::ImageCase;
use crate::case::log::LogCase;
use crate::case::memory::MemoryCase;
use crate::case::process::ProcessCase;
use crate::case::syscalls::SyscallCase;
use crate::case::{BuildCase, Case, Joined, ObjectCase, ProgramCase, WorkloadCase};
use crate::facts::Object;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Level};

/// The group a rule is listed under; also its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The program itself.
    Binary,
    /// How the image is built.
    Build,
    /// What the image holds.
    Image,
    /// Variables, files and objects that a program is configured by.
    Config,
    /// Probes.
    Health,
    /// What happens around the end of a pod.
    Lifecycle,
    /// Settings of Go's runtime.
    Runtime,
    /// Requests and limits.
    Resources,
    /// Replicas, budgets and autoscalers.
    Availability,
    /// Users, rights and secrets.
    Security,
    /// Services, Ingresses and routes.
    Network,
    /// Istio's objects.
    Mesh,
    /// Metrics that are asked for.
    Telemetry,
    /// Argo's Rollouts and analyses.
    Rollout,
    /// How a measured process started.
    Start,
    /// How it answered.
    Serving,
    /// How it ended.
    Termination,
    /// How it took to other variables.
    Environment,
    /// What it printed.
    Logs,
    /// What it said on its endpoint of metrics.
    Metrics,
    /// The spans that it sent.
    Traces,
    /// What logs, counters and memory files say of a process that ran.
    Diagnosis,
    /// The input itself.
    Input,
}

impl Group {
    /// The folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Build => "build",
            Self::Image => "image",
            Self::Config => "config",
            Self::Health => "health",
            Self::Lifecycle => "lifecycle",
            Self::Runtime => "runtime",
            Self::Resources => "resources",
            Self::Availability => "availability",
            Self::Security => "security",
            Self::Network => "network",
            Self::Mesh => "mesh",
            Self::Telemetry => "telemetry",
            Self::Rollout => "rollout",
            Self::Start => "start",
            Self::Serving => "serving",
            Self::Termination => "termination",
            Self::Environment => "environment",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Diagnosis => "diagnosis",
            Self::Input => "input",
        }
    }
}

/// An artifact a rule cannot do without: dropping it makes the rule *not judged*, never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A workload manifest.
    Manifest,
    /// The Go binary.
    Binary,
    /// The Dockerfile or the image.
    Dockerfile,
    /// The image's layers.
    Image,
    /// A process that was measured.
    Process,
    /// A log that a runtime wrote.
    Log,
    /// What a runtime counted.
    Counters,
}

/// The same rule with its own name, level and message; addressed as `rule/variant`.
#[derive(Debug)]
pub struct Variant {
    /// Kebab-case name.
    pub name: &'static str,
    /// Level under the recommended profile; `None` in [`Variant::strict`] keeps it.
    pub level: Level,
    /// Off until named by `--level` or a stricter profile.
    pub off: bool,
    /// Level from the strict profile on.
    pub strict: Option<Level>,
    /// Level from the house profile on.
    pub house: Option<Level>,
    /// One line.
    pub title: &'static str,
}

impl Variant {
    /// A variant of that level in every profile.
    pub const fn new(name: &'static str, level: Level, title: &'static str) -> Self {
        Self { name, level, off: false, strict: None, house: None, title }
    }

    /// The level from the strict profile on.
    pub const fn strict(mut self, level: Level) -> Self {
        self.strict = Some(level);
        self
    }

    /// The level from the house profile on.
    pub const fn house(mut self, level: Level) -> Self {
        self.house = Some(level);
        self
    }

    /// Off under the recommended profile.
    pub const fn off(mut self) -> Self {
        self.off = true;
        self
    }
}

/// What a rule judges, once per subject.
#[derive(Clone, Copy)]
pub enum Check {
    /// Each container of each workload, with all that joins to it.
    Container(fn(&Case<'_>, &mut Findings) -> Judged),
    /// Each workload.
    Workload(fn(&WorkloadCase<'_>, &mut Findings) -> Judged),
    /// Each object of any kind.
    Object(fn(&ObjectCase<'_>, &mut Findings) -> Judged),
    /// Each Dockerfile.
    Build(fn(&BuildCase<'_>, &mut Findings) -> Judged),
    /// Each executable.
    Program(fn(&ProgramCase<'_>, &mut Findings) -> Judged),
    /// Each container image.
    Image(fn(&ImageCase<'_>, &mut Findings) -> Judged),
    /// Each process that was measured.
    Process(fn(&ProcessCase<'_>, &mut Findings) -> Judged),
    /// Each process of a log that a runtime wrote.
    Log(fn(&LogCase<'_>, &mut Findings) -> Judged),
    /// Each end of a process and each dump of goroutines that a log holds.
    Dump(fn(&DumpCase<'_>, &mut Findings) -> Judged),
    /// The panics that the processes of a log survived.
    Recovered(fn(&RecoveredCase<'_>, &mut Findings) -> Judged),
    /// Each container whose memory ran out, or may.
    Memory(fn(&MemoryCase<'_>, &mut Findings) -> Judged),
    /// Each process whose counters are there, at one moment or several.
    Counters(fn(&CountersCase<'_>, &mut Findings) -> Judged),
    /// Each log of system calls.
    Syscalls(fn(&SyscallCase<'_>, &mut Findings) -> Judged),
    /// The run as a whole: what could not be read or bound.
    Run(fn(&Joined<'_>, &mut Findings) -> Judged),
    /// Found while results are collected: suppressions that do not hold.
    Engine,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Container(_) => "Container",
            Self::Workload(_) => "Workload",
            Self::Object(_) => "Object",
            Self::Build(_) => "Build",
            Self::Program(_) => "Program",
            Self::Image(_) => "Image",
            Self::Process(_) => "Process",
            Self::Log(_) => "Log",
            Self::Dump(_) => "Dump",
            Self::Recovered(_) => "Recovered",
            Self::Memory(_) => "Memory",
            Self::Counters(_) => "Counters",
            Self::Syscalls(_) => "Syscalls",
            Self::Run(_) => "Run",
            Self::Engine => "Engine",
        })
    }
}

/// `Ok` when everything was judged; findings were pushed on the way.
pub type Judged = Result<(), Abstain>;

/// Collects what one rule says about one subject.
#[derive(Debug, Default)]
pub struct Findings {
    /// Findings.
    pub found: Vec<Finding>,
    /// Parts of the subject that could not be judged.
    pub abstained: Vec<Abstain>,
}

impl Findings {
    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    /// Notes that a part could not be judged while others can; `NotApplicable` is dropped.
    pub fn abstain(&mut self, abstain: Abstain) {
        if abstain != Abstain::NotApplicable {
            self.abstained.push(abstain);
        }
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Kebab-case; completes "allow ...".
    pub id: &'static str,
    /// Its group and folder.
    pub group: Group,
    /// Level under the recommended profile.
    pub level: Level,
    /// Off until named by `--level` or a stricter profile.
    pub off: bool,
    /// Level from the strict profile on.
    pub strict: Option<Level>,
    /// Level from the house profile on.
    pub house: Option<Level>,
    /// One line.
    pub title: &'static str,
    /// Its page: what `provost explain` prints, and the rule's test.
    pub page: &'static str,
    /// Artifacts it cannot do without.
    pub needs: &'static [Need],
    /// Of a rule about processes, the phases that it looks into; all when it names none.
    pub phases: &'static [PhaseName],
    /// Variants.
    pub variants: &'static [Variant],
    /// Rules whose finding on the same subject makes this one redundant: `rule`, `rule/variant`, or `rule/` for what
    /// it says without a variant. A process that was measured is of one subject with its container.
    pub after: &'static [&'static str],
    /// Also judges pods that Helm runs as hooks or tests.
    pub judges_hooks: bool,
    /// Fields of pods (`containers/resources`) whose absence it finds: what a patch puts there is no
    /// place that it could point at.
    pub lacks: &'static [&'static str],
    /// The function.
    pub check: Check,
    /// The rule's view of other subjects, where it has one.
    pub also: &'static [Check],
}

impl Rule {
    /// Defaults for the fields most rules leave alone.
    pub const BASE: Rule = Rule {
        id: "",
        group: Group::Input,
        level: Level::Warn,
        off: false,
        strict: None,
        house: None,
        title: "",
        page: "",
        needs: &[],
        phases: &[],
        variants: &[],
        after: &[],
        judges_hooks: false,
        lacks: &[],
        check: Check::Engine,
        also: &[],
    };

    /// Every function of the rule.
    pub fn checks(&self) -> impl Iterator<Item = Check> {
        std::iter::once(self.check).chain(self.also.iter().copied())
    }

    /// Whether the rule judges that object at all. A test runs when somebody types `helm test`: only
    /// what is refused, or dangerous wherever it runs, is worth a word.
    pub fn applies_to(&self, object: &Object) -> bool {
        let of_tests = self.group == Group::Input || self.level == Level::Deny;
        (self.judges_hooks || !object.is_helm_hook()) && (of_tests || !object.is_helm_test())
    }
}
