//! GOMAXPROCS: how many threads run Go code at once, and who decided it.
//!
//! Sources: `schedinit` in runtime/proc.go (Go 1.19 to 1.27), `adjustCgroupGOMAXPROCS` in runtime/cgroup_linux.go (since 1.25),
//! automaxprocs v1.6.0 `maxprocs/maxprocs.go`, `MilliCPUToQuota` in k8s.io/kubernetes v1.37.2 pkg/kubelet/cm/helpers_linux.go.
//! `testdata/gomaxprocs.tsv` holds what real processes answered.

use std::fmt;

use goformats::version::GoVersion;

use super::goint::parse_int64;
use super::memlimit::Linked;
use super::quantity::{Millicores, Quantity};

/// The kernel's accounting period that the kubelet sets, in milliseconds.
pub const PERIOD_MS: f64 = 100.0;

/// What decides GOMAXPROCS.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The release that built the binary.
    pub go: &'a GoVersion,
    /// The value of GOMAXPROCS; `None` when the variable does not exist.
    pub env: Option<&'a str>,
    /// How go.uber.org/automaxprocs is linked.
    pub automaxprocs: Linked,
    /// Whether GODEBUG `containermaxprocs` is above 0 (its default is 1; go.mod below 1.25 makes it 0).
    pub containermaxprocs: bool,
    /// Whether GODEBUG `updatemaxprocs` is above 0.
    pub updatemaxprocs: bool,
    /// The container's CPU limit; zero is none.
    pub limit: Option<Millicores>,
    /// The CPUs of the node, if known.
    pub node_cpus: Option<u32>,
    /// Whether the container owns its CPUs: static CPU manager, class Guaranteed and a whole number of CPUs.
    /// The process then sees only these.
    pub exclusive_cpus: bool,
}

/// A number of threads, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Procs {
    /// This many.
    Known(u32),
    /// As many as the node has CPUs.
    NodeCpus,
    /// This many, or fewer when the node has fewer CPUs.
    AtMost(u32),
}

impl Procs {
    /// The number when the node has at least that many CPUs; `None` when only the node decides.
    pub fn on_a_large_node(self) -> Option<u32> {
        match self {
            Procs::Known(n) | Procs::AtMost(n) => Some(n),
            Procs::NodeCpus => None,
        }
    }
}

impl fmt::Display for Procs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Procs::Known(n) | Procs::AtMost(n) => write!(f, "{n}"),
            Procs::NodeCpus => f.write_str("the node's CPUs"),
        }
    }
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The environment variable.
    Env,
    /// automaxprocs. With only `maxprocs.Set` linked, its rounding and minimum are unknown.
    Automaxprocs {
        /// Whether the default options are certain.
        certain: bool,
    },
    /// The runtime, from the container's quota (Go 1.25).
    Runtime,
    /// The runtime, from the CPUs it may run on.
    Node,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effective {
    /// How many.
    pub procs: Procs,
    /// Who decided.
    pub source: Source,
    /// Fixed at start: a change of the limit in place is not followed.
    pub pinned: bool,
    /// The runtime follows changes of the limit.
    pub live: bool,
    /// The variable exists, and the runtime makes nothing of its value.
    pub env_ignored: bool,
}

/// The number that the runtime reads from GOMAXPROCS, or `None` where it ignores the value without a word.
pub fn parse_env(text: &str, go: Option<&GoVersion>) -> Option<u32> {
    let n = i32::try_from(parse_int64(text, go)?).ok()?;
    u32::try_from(n).ok().filter(|n| *n > 0)
}

/// How many threads run Go code at once.
pub fn effective(inputs: &Inputs<'_>) -> Effective {
    let env = inputs.env.and_then(|text| parse_env(text, Some(inputs.go)));
    let env_ignored = inputs.env.is_some() && env.is_none();
    let quota = quota(inputs.limit);
    let cpus = match quota {
        Some(q) if inputs.exclusive_cpus && q.is_whole() => Some(clamp(q.ceil_cpus())),
        _ => inputs.node_cpus,
    };
    let node = cpus.map_or(Procs::NodeCpus, Procs::Known);
    let pinned = |n, source| Effective {
        procs: Procs::Known(n),
        source,
        pinned: true,
        live: false,
        env_ignored,
    };
    if let Some(n) = env {
        return pinned(n, Source::Env);
    }
    // automaxprocs looks only whether the variable exists, not whether the runtime understood it.
    if let (None, Some(quota)) = (inputs.env, quota)
        && inputs.automaxprocs != Linked::Absent
    {
        let certain = inputs.automaxprocs == Linked::Init;
        return pinned(automaxprocs(quota), Source::Automaxprocs { certain });
    }
    let aware = inputs.go.has_features_of(25) && inputs.containermaxprocs;
    let live = inputs.go.has_features_of(25) && inputs.updatemaxprocs;
    if let Some(quota) = quota
        && aware
    {
        let wanted = container_aware(quota);
        let procs = cpus.map_or(Procs::AtMost(wanted), |cpus| Procs::Known(cpus.min(wanted)));
        return Effective { procs, source: Source::Runtime, pinned: false, live, env_ignored };
    }
    Effective { procs: node, source: Source::Node, pinned: false, live, env_ignored }
}

/// What the runtime since Go 1.25 makes of a quota, on a node large enough: at least 2, rounded up.
pub fn container_aware(limit: Millicores) -> u32 {
    clamp(limit.ceil_cpus().max(2))
}

/// What automaxprocs with its default options makes of a quota: at least 1, rounded down.
pub fn automaxprocs(limit: Millicores) -> u32 {
    clamp(limit.floor_cpus().max(1))
}

/// Where a number of threads stands against a CPU limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Twice the limit, rounded up, or more: most of each period is a stall when all threads are busy.
    FarAbove,
    /// More than the limit, rounded up.
    Above,
    /// Between the limit, rounded down, and what the runtime would choose.
    Fits,
    /// Less than the limit, rounded down: CPU that was paid for is not used.
    Below,
}

/// Where `threads` stands against a limit. Two threads on one CPU or less are the runtime's own choice since Go 1.25.
pub fn fit(threads: u32, limit: Millicores) -> Fit {
    let (n, up) = (u64::from(threads), limit.ceil_cpus().max(1));
    if n <= u64::from(container_aware(limit)) {
        if n < limit.floor_cpus() { Fit::Below } else { Fit::Fits }
    } else if n >= 2 * up {
        Fit::FarAbove
    } else {
        Fit::Above
    }
}

/// The CPU bandwidth a limit becomes: none for 0, and at least 1 ms in 100 ms.
pub fn quota(limit: Option<Millicores>) -> Option<Millicores> {
    limit.filter(|l| l.0 > 0).map(|l| Millicores(l.0.max(10)))
}

fn clamp(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Periods of a quota without which nothing is told of how often it is used up: two seconds of them.
const LEAST_PERIODS: u64 = 20;

/// Whether a quota was used up in so many of the periods in which something ran that it holds work back: in one of
/// twenty. Starting alone uses up a few.
pub fn is_often(throttled: u64, periods: u64) -> bool {
    periods >= LEAST_PERIODS && throttled.saturating_mul(20) >= periods
}

/// What a burst of busy threads gets out of each period of [`PERIOD_MS`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// Milliseconds until the quota is used up.
    pub run_ms: f64,
    /// Milliseconds in which no thread of the container runs.
    pub stall_ms: f64,
}

/// How `threads` busy threads are throttled under a limit; `None` when the quota suffices.
pub fn throttle(limit: Millicores, threads: u32) -> Option<Throttle> {
    let share = quota(Some(limit))?.0 as f64 / (f64::from(threads) * 1000.0);
    (share < 1.0)
        .then_some(Throttle { run_ms: PERIOD_MS * share, stall_ms: PERIOD_MS * (1.0 - share) })
}

/// What `resourceFieldRef` on `limits.cpu` or `requests.cpu` gives: thousandths divided by the divisor's, rounded up.
///
/// A divisor that is absent or 0 is 1. Source: `convertResourceCPUToString` in k8s.io/kubernetes v1.37.2
/// pkg/api/v1/resource/helpers.go. Without a limit the size is the node's allocatable CPUs.
pub fn resource_field(cpu: Millicores, divisor: Option<Quantity>) -> u64 {
    let divisor = divisor.map_or(1000, |d| match d.millicores().0 {
        0 => 1000,
        m => m,
    });
    cpu.0.div_ceil(divisor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quota_that_a_start_used_up_holds_nothing_back() {
        let often = [(1, 20), (20, 20), (60, 1200), (u64::MAX, u64::MAX)];
        let seldom = [(0, 20), (19, 19), (1, 1), (59, 1200), (0, 0)];
        assert!(often.iter().all(|(throttled, periods)| is_often(*throttled, *periods)));
        assert!(!seldom.iter().any(|(throttled, periods)| is_often(*throttled, *periods)));
    }

    #[test]
    fn agrees_with_real_processes() {
        let mut rows = 0;
        for line in include_str!("testdata/gomaxprocs.tsv").lines().filter(|l| !l.starts_with('#'))
        {
            let columns: Vec<&str> = line.split('\t').collect();
            let go = GoVersion::parse(columns[0]).expect("the table names releases");
            let text: String = serde_json::from_str(columns[1]).expect("texts are quoted");
            let ours = parse_env(&text, Some(&go)).map_or("ignored".to_owned(), |n| n.to_string());
            assert_eq!(ours, columns[2], "GOMAXPROCS={text:?} with {go}");
            rows += 1;
        }
        assert!(rows > 100, "the table is cut: {rows} rows");
    }

    struct Row {
        go: GoVersion,
        env: Option<&'static str>,
        automaxprocs: bool,
        aware: bool,
        limit: Option<u64>,
        node: Option<u32>,
    }

    fn row(minor: u16) -> Row {
        Row {
            go: GoVersion::release(minor, 3),
            env: None,
            automaxprocs: false,
            aware: true,
            limit: None,
            node: Some(64),
        }
    }

    impl Row {
        fn judge(&self) -> Effective {
            effective(&Inputs {
                go: &self.go,
                env: self.env,
                automaxprocs: if self.automaxprocs { Linked::Init } else { Linked::Absent },
                containermaxprocs: self.aware,
                updatemaxprocs: self.aware,
                limit: self.limit.map(Millicores),
                node_cpus: self.node,
                exclusive_cpus: false,
            })
        }

        #[track_caller]
        fn is(&self, procs: Procs, source: Source) {
            let answer = self.judge();
            assert_eq!((answer.procs, answer.source), (procs, source));
        }
    }

    #[test]
    fn half_a_cpu_gives_two_threads_that_stall() {
        let r = Row { limit: Some(500), node: Some(8), ..row(27) };
        r.is(Procs::Known(2), Source::Runtime);
        assert!(r.judge().live && !r.judge().pinned);
        assert_eq!(throttle(Millicores(500), 2), Some(Throttle { run_ms: 25.0, stall_ms: 75.0 }));
    }

    #[test]
    fn the_quota_is_rounded_up_and_bounded_by_the_node() {
        Row { limit: Some(2500), node: Some(8), ..row(27) }.is(Procs::Known(3), Source::Runtime);
        Row { limit: Some(4000), node: Some(2), ..row(27) }.is(Procs::Known(2), Source::Runtime);
        Row { limit: Some(2500), node: None, ..row(27) }.is(Procs::AtMost(3), Source::Runtime);
    }

    #[test]
    fn an_old_go_line_switches_it_off() {
        Row { limit: Some(1000), node: Some(8), aware: false, ..row(27) }
            .is(Procs::Known(8), Source::Node);
        // env GODEBUG=containermaxprocs=1 outranks the default of the binary.
        Row { limit: Some(1000), node: Some(8), ..row(27) }.is(Procs::Known(2), Source::Runtime);
        Row { limit: Some(1000), ..row(24) }.is(Procs::Known(64), Source::Node);
    }

    #[test]
    fn automaxprocs_rounds_down_and_pins() {
        for minor in [24, 27] {
            let r = Row { limit: Some(1500), automaxprocs: true, ..row(minor) };
            r.is(Procs::Known(1), Source::Automaxprocs { certain: true });
            assert!(r.judge().pinned);
        }
        assert_eq!(container_aware(Millicores(1500)), 2);
        Row { automaxprocs: true, ..row(24) }.is(Procs::Known(64), Source::Node);
    }

    #[test]
    fn the_variable_wins_and_its_presence_disables_automaxprocs() {
        Row { env: Some("16"), limit: Some(1000), automaxprocs: true, ..row(27) }
            .is(Procs::Known(16), Source::Env);
        let r = Row { env: Some("500m"), limit: Some(1000), automaxprocs: true, ..row(24) };
        r.is(Procs::Known(64), Source::Node);
        assert!(r.judge().env_ignored);
        Row { env: Some("+1"), node: Some(2), ..row(22) }.is(Procs::Known(2), Source::Node);
        Row { env: Some("+1"), node: Some(2), ..row(26) }.is(Procs::Known(1), Source::Env);
    }

    #[test]
    fn without_a_limit_the_node_decides() {
        Row { node: None, ..row(27) }.is(Procs::NodeCpus, Source::Node);
        Row { limit: Some(0), node: None, ..row(27) }.is(Procs::NodeCpus, Source::Node);
    }

    #[test]
    fn exclusive_cpus_are_all_the_process_sees() {
        let go = GoVersion::release(24, 11);
        let inputs = Inputs {
            go: &go,
            env: None,
            automaxprocs: Linked::Absent,
            containermaxprocs: true,
            updatemaxprocs: true,
            limit: Some(Millicores(4000)),
            node_cpus: Some(64),
            exclusive_cpus: true,
        };
        assert_eq!(effective(&inputs).procs, Procs::Known(4));
        assert_eq!(
            effective(&Inputs { limit: Some(Millicores(1500)), ..inputs }).procs,
            Procs::Known(64)
        );
    }

    #[test]
    fn a_downward_limit_is_rounded_up() {
        assert_eq!(resource_field(Millicores(1500), Quantity::parse("1").ok()), 2);
        assert_eq!(resource_field(Millicores(1500), Quantity::parse("1m").ok()), 1500);
        assert_eq!(resource_field(Millicores(1500), None), 2);
        // No limit: the node's allocatable CPUs.
        assert_eq!(resource_field(Millicores(63_770), None), 64);
    }

    #[test]
    fn sixteen_threads_on_one_cpu() {
        let t = throttle(Millicores(1000), 16).expect("throttled");
        assert_eq!((t.run_ms, t.stall_ms), (6.25, 93.75));
        assert_eq!(throttle(Millicores(2000), 2), None);
        // The kubelet grants at least 1 ms in 100.
        assert_eq!(throttle(Millicores(1), 1).map(|t| t.run_ms), Some(1.0));
    }

    #[test]
    fn a_number_against_a_limit() {
        for (threads, limit, expected) in [
            (16, 1000, Fit::FarAbove),
            (2, 1000, Fit::Fits),
            (2, 500, Fit::Fits),
            (3, 500, Fit::FarAbove),
            (3, 1500, Fit::Above),
            (4, 1500, Fit::FarAbove),
            (5, 4000, Fit::Above),
            (4, 4000, Fit::Fits),
            (3, 4000, Fit::Below),
            (3, 3500, Fit::Fits),
        ] {
            assert_eq!(fit(threads, Millicores(limit)), expected, "{threads} on {limit}m");
        }
    }

    proptest! {
        #[test]
        fn never_more_than_the_node_unless_told(limit in 0_u64..200_000, node in 1_u32..512, minor in 18_u16..28, auto in any::<bool>()) {
            let r = Row { limit: Some(limit), node: Some(node), automaxprocs: auto, ..row(minor) };
            let answer = r.judge();
            if answer.source == Source::Runtime || answer.source == Source::Node {
                prop_assert!(answer.procs.on_a_large_node() <= Some(node));
            }
            prop_assert!(answer.procs.on_a_large_node() >= Some(1));
        }
    }
}
