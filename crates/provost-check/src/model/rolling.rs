//! Rolling updates: how many pods there are at least and at most while one runs.
//!
//! Source: `ResolveFenceposts` and `MaxUnavailable` in k8s.io/kubernetes v1.37.2 pkg/controller/deployment/util/deployment_util.go,
//! `getStatefulSetMaxUnavailable` in pkg/controller/statefulset/stateful_set_utils.go, and for canary weights
//! `approximateWeightedCanaryStableReplicaCounts` in argo-rollouts v1.10.1 utils/replicaset/canary.go.

use super::pdb::IntOrPercent;

/// The default of maxSurge and maxUnavailable of a Deployment and of an Argo Rollout.
pub const DEFAULT: IntOrPercent = IntOrPercent::Percent(25);

/// How pods are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// RollingUpdate of a Deployment, canary of a Rollout.
    Rolling {
        /// maxSurge, rounded up.
        surge: IntOrPercent,
        /// maxUnavailable, rounded down.
        unavailable: IntOrPercent,
    },
    /// All old pods go before the first new one comes.
    Recreate,
    /// RollingUpdate of a StatefulSet: one at a time unless maxUnavailable says more.
    Ordered {
        /// maxUnavailable, rounded down, at least 1.
        unavailable: IntOrPercent,
    },
    /// OnDelete: nothing happens by itself.
    Manual,
}

/// A rolling update in numbers of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rolling {
    /// The pods there should be.
    pub replicas: u32,
    /// How many more there may be.
    pub surge: u32,
    /// How many may be missing.
    pub unavailable: u32,
    /// How many are available at least.
    pub floor: u32,
    /// How many there are at most.
    pub ceiling: u32,
    /// Both values came out as 0, and the controller makes the second 1.
    pub fencepost: bool,
}

/// Works a strategy out for `n` pods.
pub fn roll(strategy: Strategy, n: u32) -> Rolling {
    let (surge, mut unavailable) = match strategy {
        Strategy::Rolling { surge, unavailable } => (surge.up(n), unavailable.down(n)),
        Strategy::Recreate => (0, n),
        Strategy::Ordered { unavailable } => (0, unavailable.down(n).max(1)),
        Strategy::Manual => (0, 0),
    };
    let fencepost = matches!(strategy, Strategy::Rolling { .. }) && surge == 0 && unavailable == 0;
    if fencepost {
        unavailable = 1;
    }
    unavailable = unavailable.min(n);
    Rolling {
        replicas: n,
        surge,
        unavailable,
        floor: n - unavailable,
        ceiling: n.saturating_add(surge),
        fencepost,
    }
}

/// Whether the API server refuses the pair: both are written as nothing.
pub fn is_rejected(surge: IntOrPercent, unavailable: IntOrPercent) -> bool {
    surge.is_zero() && unavailable.is_zero()
}

/// The share of pods that a canary step without traffic routing comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanaryShare {
    /// Pods of the new version.
    pub canary: u32,
    /// All pods.
    pub total: u32,
}

impl CanaryShare {
    /// The share in per cent.
    pub fn percent(self) -> f64 {
        if self.total == 0 { 0.0 } else { f64::from(self.canary) * 100.0 / f64::from(self.total) }
    }
}

/// What `setWeight: weight` (0 to 100) becomes with `n` pods. With a surge one pod more may be used to come closer.
pub fn canary_share(n: u32, weight: u32, surges: bool) -> CanaryShare {
    let weight = weight.min(100);
    if n == 0 {
        return CanaryShare { canary: 0, total: 0 };
    }
    let product = u64::from(n) * u64::from(weight);
    // Both fit: weight is at most 100.
    let (up, down) = (product.div_ceil(100) as u32, (product / 100) as u32);
    let tied = |total: u64| total * u64::from(weight) % 100 == 50;
    // A step between 1 and 99 always gets a pod, unless there is only one and no surge.
    let zero_allowed = weight == 100 || weight == 0 || (n == 1 && !surges);
    let total = u64::from(n) + 1;
    let mut options = Vec::with_capacity(4);
    if up < n || zero_allowed {
        options.push((up, u64::from(n)));
    }
    if !tied(u64::from(n)) && (down != 0 || zero_allowed) {
        options.push((down, u64::from(n)));
    }
    if surges {
        options.push((up, total));
        if !tied(total) && (down != 0 || zero_allowed) {
            options.push((down, total));
        }
    }
    let distance = |&(canary, total): &(u32, u64)| {
        (f64::from(canary) * 100.0 / total as f64 - f64::from(weight)).abs()
    };
    // The first of equals, as upstream; `min_by` keeps the first too.
    let best = options.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let (canary, total) = best.unwrap_or((0, u64::from(n)));
    CanaryShare { canary, total: u32::try_from(total).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    fn rolling(surge: &str, unavailable: &str) -> Strategy {
        let value = |text: &str| {
            IntOrPercent::parse_percent(text)
                .unwrap_or_else(|| IntOrPercent::Int(text.parse().unwrap()))
        };
        Strategy::Rolling { surge: value(surge), unavailable: value(unavailable) }
    }

    #[test]
    fn the_worked_examples() {
        for (n, surge, unavailable, s, u) in [
            (1, "25%", "25%", 1, 0),
            (3, "25%", "25%", 1, 0),
            (4, "25%", "25%", 1, 1),
            (10, "25%", "25%", 3, 2),
            (1, "0%", "1%", 0, 1),
            (10, "0", "9%", 0, 1),
            (2, "25%", "50%", 1, 1),
        ] {
            let r = roll(rolling(surge, unavailable), n);
            assert_eq!((r.surge, r.unavailable), (s, u), "n={n} {surge} {unavailable}");
            assert_eq!((r.floor, r.ceiling), (n - u, n + s));
        }
    }

    #[test]
    fn one_pod_without_surge_is_downtime() {
        let r = roll(rolling("0%", "1%"), 1);
        assert!(r.fencepost);
        assert_eq!(r.floor, 0);
    }

    #[test]
    fn the_other_strategies() {
        assert_eq!(roll(Strategy::Recreate, 3).floor, 0);
        let one = Strategy::Ordered { unavailable: IntOrPercent::Int(1) };
        assert_eq!((roll(one, 3).floor, roll(one, 3).ceiling), (2, 3));
        let share = Strategy::Ordered { unavailable: IntOrPercent::Percent(10) };
        assert_eq!(roll(share, 3).unavailable, 1);
        assert_eq!(roll(Strategy::Manual, 3).floor, 3);
        assert_eq!(roll(rolling("0", "5"), 3).unavailable, 3);
        assert!(is_rejected(IntOrPercent::Int(0), IntOrPercent::Percent(0)));
        assert!(!is_rejected(IntOrPercent::Int(0), IntOrPercent::Percent(1)));
    }

    #[test]
    fn a_weight_becomes_whole_pods() {
        for (n, canary, total) in [(4, 1, 5), (10, 1, 11), (20, 1, 20)] {
            assert_eq!(canary_share(n, 5, true), CanaryShare { canary, total }, "n={n}");
        }
        assert_eq!(canary_share(4, 5, false), CanaryShare { canary: 1, total: 4 });
        assert_eq!(canary_share(1, 5, false), CanaryShare { canary: 0, total: 1 });
        assert_eq!(canary_share(3, 50, false), CanaryShare { canary: 2, total: 3 });
        assert_eq!(canary_share(0, 50, true).percent(), 0.0);
        assert_eq!(canary_share(4, 100, true), CanaryShare { canary: 4, total: 4 });
        assert_eq!(canary_share(4, 250, true), CanaryShare { canary: 4, total: 4 });
        // A step below 100 leaves the old version a pod, although all four would be closer to 90 %.
        assert_eq!(canary_share(4, 90, false), CanaryShare { canary: 3, total: 4 });
    }

    proptest! {
        #[test]
        fn the_floor_is_never_above_the_ceiling(n: u32, surge in 0_u32..300, unavailable in 0_u32..300) {
            let strategy = Strategy::Rolling { surge: IntOrPercent::Percent(surge), unavailable: IntOrPercent::Percent(unavailable) };
            let r = roll(strategy, n);
            prop_assert!(r.floor <= n && n <= r.ceiling);
            // Something can always be replaced.
            prop_assert!(n == 0 || r.floor < r.ceiling);
        }

        #[test]
        fn a_canary_is_never_more_than_all(n in 0_u32..5000, weight in 0_u32..=100, surges: bool) {
            let share = canary_share(n, weight, surges);
            prop_assert!(share.canary <= share.total && share.total <= n + u32::from(surges));
        }
    }
}
