//! When a probe decides: the earliest and the latest moment, in seconds.
//!
//! Source: `run` and `doProbe` in k8s.io/kubernetes v1.37.2 pkg/kubelet/prober/worker.go. The ticker starts with the kubelet's
//! worker and not with the container, so the first check falls anywhere in one period after initialDelaySeconds; a check
//! that takes longer than the period swallows ticks.

/// The timing fields of a probe, defaults applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// initialDelaySeconds, 0.
    pub initial_delay: u32,
    /// timeoutSeconds, 1.
    pub timeout: u32,
    /// periodSeconds, 10.
    pub period: u32,
    /// successThreshold, 1.
    pub success: u32,
    /// failureThreshold, 3.
    pub failure: u32,
}

impl Default for Timing {
    /// Source: `SetDefaults_Probe` in k8s.io/kubernetes v1.37.2 pkg/apis/core/v1/defaults.go.
    fn default() -> Timing {
        Timing { initial_delay: 0, timeout: 1, period: 10, success: 1, failure: 3 }
    }
}

impl Timing {
    /// The time between two checks when each runs into its timeout.
    pub fn slow_period(&self) -> u32 {
        self.period.max(self.timeout)
    }

    /// The earliest moment after the container's start at which failures are complete.
    pub fn earliest(&self) -> u64 {
        u64::from(self.initial_delay)
            + u64::from(self.failure.saturating_sub(1)) * u64::from(self.period)
    }

    /// The latest moment after the container's start at which failures are complete.
    pub fn latest(&self) -> u64 {
        u64::from(self.initial_delay) + self.withdrawal()
    }

    /// The longest time from the moment a running container begins to fail until that counts: a liveness probe then
    /// restarts it, a readiness probe takes it out of the endpoints.
    pub fn withdrawal(&self) -> u64 {
        u64::from(self.failure) * u64::from(self.slow_period()) + u64::from(self.timeout)
    }

    /// The longest time from the moment a container works again until it gets requests again.
    pub fn recovery(&self) -> u64 {
        u64::from(self.success) * u64::from(self.period)
    }

    /// The longest time from the moment a container hangs until the restart: the liveness probe, then the grace period in
    /// full, because a process that hangs does not end by itself.
    pub fn restart(&self, grace: u32) -> u64 {
        self.withdrawal() + u64::from(grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_worked_examples() {
        let default = Timing::default();
        for (timing, earliest, latest) in [
            (default, 20, 31),
            (Timing { period: 5, failure: 30, ..default }, 145, 151),
            (Timing { initial_delay: 15, period: 10, failure: 3, timeout: 3, ..default }, 35, 48),
            (Timing { period: 1, failure: 1, ..default }, 0, 2),
        ] {
            assert_eq!((timing.earliest(), timing.latest()), (earliest, latest), "{timing:?}");
        }
    }

    #[test]
    fn a_timeout_longer_than_the_period_stretches_it() {
        let timing = Timing { period: 5, timeout: 12, ..Timing::default() };
        assert_eq!((timing.earliest(), timing.latest()), (10, 48));
    }

    #[test]
    fn a_hung_container_is_back_after_probe_and_grace() {
        assert_eq!(Timing { initial_delay: 60, ..Timing::default() }.restart(30), 61);
        assert_eq!(Timing { success: 2, ..Timing::default() }.recovery(), 20);
    }

    proptest! {
        #[test]
        fn the_bounds_are_ordered_and_straddle_the_rule_of_thumb(initial_delay: u32, timeout: u32, period: u32, failure: u32) {
            let timing = Timing { initial_delay, timeout, period, failure, success: 1 };
            let thumb = u64::from(initial_delay) + u64::from(failure) * u64::from(period);
            prop_assert!(timing.earliest() <= thumb && thumb <= timing.latest());
        }
    }
}
