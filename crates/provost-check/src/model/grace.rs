//! Termination: what of the grace period is left for the program, and whether that is enough.
//!
//! Source: `killContainer`, `executePreStopHook` and `minimumGracePeriodInSeconds` in k8s.io/kubernetes v1.37.2
//! pkg/kubelet/kuberuntime/kuberuntime_container.go. The hook counts against the grace period and runs before SIGTERM; when
//! it is still running at the end it is abandoned, and the program has two seconds from SIGTERM to SIGKILL. A hook that
//! fails is followed by SIGTERM at once.

use super::shell::{Script, shell_text, sleep_seconds};

/// What the kubelet always leaves between SIGTERM and SIGKILL, and what a program needs to end after its last request.
pub const SMALLEST_REMAINDER: u32 = 2;
/// terminationGracePeriodSeconds when it is not written.
pub const DEFAULT_GRACE: i64 = 30;
/// How long endpoints of a deleted pod are taken to receive new connections, unless configured.
pub const DEFAULT_PROPAGATION: u32 = 5;

/// A preStop handler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hook<'a> {
    /// None is written.
    None,
    /// `sleep.seconds`.
    Sleep(i64),
    /// `exec.command`.
    Exec(&'a [&'a str]),
    /// `httpGet`: it takes as long as the endpoint takes.
    HttpGet,
}

/// The time a hook takes, in whole seconds, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookTime {
    /// Seconds that are certain.
    pub seconds: u32,
    /// Whether nothing else in it takes time.
    pub exact: bool,
}

/// The time a hook takes when it can run at all.
pub fn hook_time(hook: Hook<'_>) -> HookTime {
    let slept = match hook {
        Hook::None => return HookTime { seconds: 0, exact: true },
        Hook::Sleep(seconds) => {
            return HookTime {
                seconds: u32::try_from(seconds.max(0)).unwrap_or(u32::MAX),
                exact: true,
            };
        }
        Hook::HttpGet => return HookTime { seconds: 0, exact: false },
        Hook::Exec(argv) => match (sleep_seconds(argv), shell_text(argv)) {
            (Some(seconds), _) => super::shell::Slept { seconds, exact: true },
            (None, Some(text)) => Script::parse(text).sleeps(),
            (None, None) => return HookTime { seconds: 0, exact: false },
        },
    };
    // Saturates: `as` of a float cuts at the type's range.
    HookTime { seconds: slept.seconds.ceil() as u32, exact: slept.exact }
}

/// What decides a termination. Seconds throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    /// terminationGracePeriodSeconds, 30 by default.
    pub grace: i64,
    /// What the hook takes.
    pub prestop: u32,
    /// How long the service takes to finish what it has begun; `None` when nobody has said or measured it.
    pub drain: Option<u32>,
    /// What it does afterwards: flush traces, close pools.
    pub flush: u32,
    /// How long it goes on accepting connections after SIGTERM.
    pub lame_duck: u32,
    /// How long the cluster goes on sending connections to a deleted pod.
    pub propagation: u32,
}

/// How a termination ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// In time.
    Fits,
    /// The hook uses the whole period up: SIGTERM comes with two seconds left.
    HookExhausts,
    /// The program needs longer than what is left.
    DrainExceeds,
    /// What is known fits, but the drain time is not known.
    DrainUnknown,
}

/// A termination in numbers, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Termination {
    /// The grace period that counts: a negative one is 1.
    pub grace: u32,
    /// What the hook takes; 0 when the period is 0, since it does not run then.
    pub prestop: u32,
    /// From SIGTERM to SIGKILL.
    pub remaining: u32,
    /// What the program needs after SIGTERM; a lower bound when the drain time is unknown.
    pub need: u32,
    /// For how long new connections are refused: endpoints still name the pod, and it has stopped listening.
    pub refused: u32,
    /// The smallest multiple of five that is enough.
    pub suggested: u32,
    /// How it ends.
    pub verdict: Verdict,
}

/// Works a termination out.
pub fn terminate(inputs: &Inputs) -> Termination {
    let grace = if inputs.grace < 0 { 1 } else { u32::try_from(inputs.grace).unwrap_or(u32::MAX) };
    let prestop = if grace == 0 { 0 } else { inputs.prestop };
    let remaining = grace.saturating_sub(prestop).max(SMALLEST_REMAINDER);
    let need =
        inputs.lame_duck.saturating_add(inputs.drain.unwrap_or(0)).saturating_add(inputs.flush);
    let whole = inputs.prestop.saturating_add(need).saturating_add(SMALLEST_REMAINDER);
    let verdict = if prestop > 0 && prestop >= grace {
        Verdict::HookExhausts
    } else if need.saturating_add(SMALLEST_REMAINDER) > remaining {
        Verdict::DrainExceeds
    } else if inputs.drain.is_none() {
        Verdict::DrainUnknown
    } else {
        Verdict::Fits
    };
    Termination {
        grace,
        prestop,
        remaining,
        need,
        refused: inputs.propagation.saturating_sub(prestop).saturating_sub(inputs.lame_duck),
        suggested: whole.div_ceil(5).saturating_mul(5),
        verdict,
    }
}

/// A sidecar proxy that the program's connections go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    /// An ordinary container: SIGTERM at once, gone after its drain duration.
    Classic {
        /// terminationDrainDuration, 5 by default.
        drain: u32,
    },
    /// An init container with restartPolicy Always: its own preStop hook begins the drain, and the SIGTERM that comes after the
    /// program has ended makes it leave at once (`DrainNow` and `terminate` in Istio's pkg/envoy/agent.go, v1.31).
    Native,
}

/// The second after the start of the termination from which the program has no network, if that is before it is done.
pub fn network_lost_at(termination: &Termination, sidecar: Sidecar) -> Option<u32> {
    let done = termination.prestop.saturating_add(termination.need);
    match sidecar {
        Sidecar::Classic { drain } => (drain < done).then_some(drain),
        Sidecar::Native => {
            let whole = done.saturating_add(SMALLEST_REMAINDER);
            (whole > termination.grace).then_some(termination.grace)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(grace: i64, prestop: u32, drain: Option<u32>, flush: u32) -> Termination {
        terminate(&Inputs {
            grace,
            prestop,
            drain,
            flush,
            lame_duck: 0,
            propagation: DEFAULT_PROPAGATION,
        })
    }

    #[test]
    fn thirty_seconds_of_drain_do_not_fit_into_thirty() {
        let t = row(30, 0, Some(30), 0);
        assert_eq!((t.verdict, t.suggested, t.refused), (Verdict::DrainExceeds, 35, 5));
    }

    #[test]
    fn a_hook_takes_its_share() {
        let t = row(30, 10, Some(30), 0);
        assert_eq!(
            (t.verdict, t.remaining, t.suggested, t.refused),
            (Verdict::DrainExceeds, 20, 45, 0)
        );
        let t = row(45, 10, Some(30), 2);
        assert_eq!((t.verdict, t.need, t.remaining), (Verdict::Fits, 32, 35));
    }

    #[test]
    fn a_hook_that_uses_the_period_up_is_abandoned() {
        let t = row(10, 30, None, 0);
        assert_eq!((t.verdict, t.remaining, t.suggested), (Verdict::HookExhausts, 2, 35));
        // The API server refuses only a sleep that is longer than the period.
        let t = row(30, 30, Some(0), 0);
        assert_eq!((t.verdict, t.remaining), (Verdict::HookExhausts, 2));
    }

    #[test]
    fn a_hook_that_cannot_run_leaves_the_gap_open() {
        assert_eq!(row(10, 0, None, 0).refused, 5);
    }

    #[test]
    fn the_odd_periods() {
        assert_eq!(row(-7, 0, Some(0), 0).grace, 1);
        let t = row(0, 30, None, 0);
        assert_eq!((t.grace, t.prestop, t.refused), (0, 0, 5));
        assert_eq!(row(i64::MAX, 0, Some(0), 0).verdict, Verdict::Fits);
        assert_eq!(row(60, 10, None, 0).verdict, Verdict::DrainUnknown);
    }

    #[test]
    fn a_classic_sidecar_leaves_first() {
        let t = row(60, 10, Some(25), 0);
        assert_eq!(network_lost_at(&t, Sidecar::Classic { drain: 5 }), Some(5));
        assert_eq!(network_lost_at(&t, Sidecar::Classic { drain: 35 }), None);
        assert_eq!(network_lost_at(&t, Sidecar::Native), None);
        assert_eq!(network_lost_at(&row(36, 10, Some(25), 0), Sidecar::Native), Some(36));
    }

    #[test]
    fn at_the_very_second() {
        // The hook ends when the period does; nothing is left of it.
        assert_eq!(row(10, 10, Some(0), 0).verdict, Verdict::HookExhausts);
        assert_eq!(row(10, 9, Some(0), 0).verdict, Verdict::Fits);
        // A period of 0 without a hook is no hook's fault.
        assert_eq!(row(0, 0, Some(0), 0).verdict, Verdict::Fits);
        // 10 s of hook, 28 of drain and the 2 that are kept fill 40 exactly.
        assert_eq!(network_lost_at(&row(40, 10, Some(28), 0), Sidecar::Native), None);
        assert_eq!(hook_time(Hook::Sleep(-5)), HookTime { seconds: 0, exact: true });
    }

    #[test]
    fn how_long_a_hook_takes() {
        let exact = |seconds| HookTime { seconds, exact: true };
        assert_eq!(hook_time(Hook::None), exact(0));
        assert_eq!(hook_time(Hook::Sleep(15)), exact(15));
        assert_eq!(hook_time(Hook::Exec(&["sleep", "30"])), exact(30));
        assert_eq!(hook_time(Hook::Exec(&["/bin/sh", "-c", "sleep 1m"])), exact(60));
        assert_eq!(hook_time(Hook::Exec(&["/bin/sh", "-c", "sleep 0.5"])), exact(1));
        assert_eq!(
            hook_time(Hook::Exec(&["/bin/sh", "-c", "nginx -s quit; sleep 10"])),
            HookTime { seconds: 10, exact: false }
        );
        for hook in [Hook::HttpGet, Hook::Exec(&["/app/drain"]), Hook::Exec(&[])] {
            assert_eq!(hook_time(hook), HookTime { seconds: 0, exact: false });
        }
        assert_eq!(hook_time(Hook::Exec(&["sleep", "99999999999999"])), exact(u32::MAX));
    }

    proptest! {
        #[test]
        fn the_suggested_period_is_enough(prestop in 0_u32..600, drain in 0_u32..600, flush in 0_u32..60, lame_duck in 0_u32..60) {
            let mut inputs = Inputs { grace: 30, prestop, drain: Some(drain), flush, lame_duck, propagation: 5 };
            inputs.grace = i64::from(terminate(&inputs).suggested);
            prop_assert_eq!(terminate(&inputs).verdict, Verdict::Fits);
            inputs.grace -= 5;
            prop_assert!(inputs.grace <= 0 || terminate(&inputs).verdict != Verdict::Fits, "five less is enough too");
        }
    }
}
