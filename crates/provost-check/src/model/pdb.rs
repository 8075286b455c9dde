//! Disruption budgets: how many pods may be evicted at once.
//!
//! Source: `getExpectedPodCount` and `updatePdbStatus` in k8s.io/kubernetes v1.37.2 pkg/controller/disruption/disruption.go,
//! `GetScaledValueFromIntOrPercent` in k8s.io/apimachinery v0.37.2 pkg/util/intstr/intstr.go. Both fields round percentages up.

use std::fmt;

/// A number or a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntOrPercent {
    /// So many.
    Int(i32),
    /// Per cent of all.
    Percent(u32),
}

impl IntOrPercent {
    /// Reads the string form; a number in quotes is refused upstream, as is a negative share.
    pub fn parse_percent(text: &str) -> Option<IntOrPercent> {
        let digits = text.strip_suffix('%')?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(IntOrPercent::Percent(digits.parse().ok()?))
    }

    /// Of `n`, rounded up. Negative numbers are 0.
    pub fn up(self, n: u32) -> u32 {
        match self {
            IntOrPercent::Int(i) => u32::try_from(i).unwrap_or(0),
            IntOrPercent::Percent(p) => cut((u64::from(p) * u64::from(n)).div_ceil(100)),
        }
    }

    /// Of `n`, rounded down. Negative numbers are 0.
    pub fn down(self, n: u32) -> u32 {
        match self {
            IntOrPercent::Int(i) => u32::try_from(i).unwrap_or(0),
            IntOrPercent::Percent(p) => cut(u64::from(p) * u64::from(n) / 100),
        }
    }

    /// Whether it is written as nothing: `0` or `0%`.
    pub fn is_zero(self) -> bool {
        matches!(self, IntOrPercent::Int(0) | IntOrPercent::Percent(0))
    }
}

fn cut(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntOrPercent::Int(i) => write!(f, "{i}"),
            IntOrPercent::Percent(p) => write!(f, "{p}%"),
        }
    }
}

/// What a budget says. The API server refuses one with both fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// minAvailable.
    MinAvailable(IntOrPercent),
    /// maxUnavailable.
    MaxUnavailable(IntOrPercent),
    /// Neither field: the controller expects no pods, and so allows nothing.
    Neither,
}

/// What a budget allows while all pods are healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// The pods there are.
    pub pods: u32,
    /// The pods that have to stay; `None` for a budget that says nothing.
    pub desired: Option<u32>,
    /// How many may be evicted at once.
    pub evictions: u32,
}

impl Budget {
    /// What the budget allows with `n` pods, all of them healthy.
    pub fn allows(self, n: u32) -> Allowed {
        let desired = match self {
            Budget::MinAvailable(min) => Some(min.up(n)),
            Budget::MaxUnavailable(max) => Some(n.saturating_sub(max.up(n))),
            Budget::Neither => None,
        };
        Allowed { pods: n, desired, evictions: desired.map_or(0, |d| n.saturating_sub(d)) }
    }
}

impl Budget {
    /// Whether no number of pods lets one of them go.
    pub fn allows_none(self) -> bool {
        match self {
            Budget::MinAvailable(IntOrPercent::Percent(percent)) => percent >= 100,
            Budget::MaxUnavailable(max) => max.is_zero(),
            Budget::MinAvailable(IntOrPercent::Int(_)) => false,
            Budget::Neither => true,
        }
    }
}

/// Who decides the number of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// `spec.replicas`, 1 by default.
    Fixed(u32),
    /// A HorizontalPodAutoscaler.
    Scaled {
        /// minReplicas, 1 by default.
        min: u32,
        /// maxReplicas.
        max: u32,
        /// `spec.replicas` of the workload, if written: the number it starts with.
        written: Option<u32>,
    },
}

impl Replicas {
    /// The smallest number of pods in normal operation, by day or by night.
    pub fn fewest(self) -> u32 {
        match self {
            Replicas::Fixed(n) => n,
            Replicas::Scaled { min, .. } => min,
        }
    }

    /// The numbers of pods at which a rule judges, smallest first.
    pub fn judged(self) -> Vec<u32> {
        match self {
            Replicas::Fixed(n) => vec![n],
            Replicas::Scaled { min, max, written } => {
                // The autoscaler brings what is written back between its bounds.
                let steady = written.unwrap_or(min).min(max).max(min);
                if steady == min { vec![min] } else { vec![min, steady] }
            }
        }
    }
}

/// The first number of pods at which the budget allows no eviction; no pods have nothing to evict.
pub fn blocked_at(budget: Budget, replicas: Replicas) -> Option<Allowed> {
    replicas
        .judged()
        .into_iter()
        .filter(|n| *n > 0)
        .map(|n| budget.allows(n))
        .find(|a| a.evictions == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> IntOrPercent {
        IntOrPercent::parse_percent(text)
            .unwrap_or_else(|| IntOrPercent::Int(text.parse().unwrap()))
    }

    #[test]
    fn what_allows_none_does_so_for_every_number_of_pods() {
        for text in ["0", "1", "5", "0%", "1%", "50%", "99%", "100%", "150%"] {
            for budget in [Budget::MinAvailable(value(text)), Budget::MaxUnavailable(value(text))] {
                let some = (1..=200).any(|n| budget.allows(n).evictions > 0);
                assert_eq!(budget.allows_none(), !some, "{budget:?}");
            }
        }
        assert!(Budget::Neither.allows_none());
    }

    #[test]
    fn the_worked_examples() {
        for (n, min, allowed) in [
            (3, "2", 1),
            (2, "2", 0),
            (1, "1", 0),
            (3, "50%", 1),
            (1, "50%", 0),
            (2, "51%", 0),
            (7, "50%", 3),
            (5, "100%", 0),
            (3, "5", 0),
        ] {
            assert_eq!(
                Budget::MinAvailable(value(min)).allows(n).evictions,
                allowed,
                "n={n} min {min}"
            );
        }
        for (n, max, allowed) in [(3, "10%", 1), (1, "1%", 1), (10, "0%", 0), (2, "5", 2)] {
            assert_eq!(
                Budget::MaxUnavailable(value(max)).allows(n).evictions,
                allowed,
                "n={n} max {max}"
            );
        }
        assert_eq!(Budget::Neither.allows(3), Allowed { pods: 3, desired: None, evictions: 0 });
    }

    #[test]
    fn an_autoscaler_is_judged_at_night_and_by_day() {
        let budget = Budget::MinAvailable(IntOrPercent::Int(1));
        let scaled = |min, written| Replicas::Scaled { min, max: 10, written };
        // Nothing written starts at the least, not at the most.
        assert_eq!(scaled(2, None).judged(), [2]);
        assert_eq!(scaled(1, Some(3)).judged(), [1, 3]);
        assert_eq!(scaled(3, Some(1)).judged(), [3]);
        assert_eq!(scaled(2, Some(50)).judged(), [2, 10]);
        assert_eq!(blocked_at(budget, scaled(1, Some(3))).map(|a| a.pods), Some(1));
        assert_eq!(blocked_at(budget, scaled(2, None)), None);
        assert_eq!(blocked_at(Budget::Neither, Replicas::Fixed(0)), None);
    }

    #[test]
    fn only_a_percent_sign_makes_a_share() {
        assert_eq!(IntOrPercent::parse_percent("50%"), Some(IntOrPercent::Percent(50)));
        for text in ["50", "%", "-5%", "5.5%", " 5%", "99999999999%"] {
            assert_eq!(IntOrPercent::parse_percent(text), None, "{text}");
        }
        assert_eq!(value("50%").to_string(), "50%");
    }

    proptest! {
        #[test]
        fn never_more_than_there_are(n: u32, share in 0_u32..1000, count: i32) {
            for value in [IntOrPercent::Percent(share), IntOrPercent::Int(count)] {
                prop_assert!(value.down(n) <= value.up(n));
                for budget in [Budget::MinAvailable(value), Budget::MaxUnavailable(value)] {
                    let allowed = budget.allows(n);
                    prop_assert!(allowed.evictions <= n);
                }
            }
        }
    }
}
