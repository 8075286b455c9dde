//! Whether two samples differ, by how much, and how much they would have to for so little data to show it.
//!
//! Values come as counts, since a log prints times with two digits, so that a million of them are a few hundred
//! values.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Share of the differences of that size that are found.
pub const POWER: f64 = 0.8;
/// Pairs of values up to which the distribution of the rank sum is counted out rather than approximated.
const EXACT: u64 = 900;

/// An estimate, and between what it lies with a confidence, two-sided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// At least.
    pub low: f64,
    /// At most.
    pub high: f64,
}

/// Values, and how often there is each.
pub type Counts = BTreeMap<u64, u64>;

/// Two samples by the ranks of their values (Mann and Whitney 1947).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// Pairs in which the second is larger, equal ones by half.
    pub u: f64,
    /// How likely at least that much difference would be if there were none.
    pub p: f64,
    /// The part of the pairs in which the second is larger, 0.5 when neither is (Vargha and Delaney's A). Its
    /// interval holds for samples of any shape (Brunner and Munzel 2000).
    pub larger: Estimate,
    /// How far from 0.5 that part would have to be for samples of these sizes to show it, four times of five.
    pub detectable: f64,
}

impl Ranks {
    /// Of two samples; `None` when one of them has fewer than two values.
    pub fn of(a: &Counts, b: &Counts, confidence: f64) -> Option<Self> {
        let size = |of: &Counts| of.values().sum::<u64>();
        let (n, m) = (size(a), size(b));
        if n < 2 || m < 2 {
            return None;
        }
        let (na, nb) = (n as f64, m as f64);
        let placed = placements(a, b);
        let u: f64 = placed.iter().map(|of| of.in_b * (of.below_a + of.in_a / 2.0)).sum();
        let ties: f64 = placed.iter().map(|of| of.in_a + of.in_b).map(|t| t * t * t - t).sum();
        let all = na + nb;
        let spread = (na * nb / 12.0) * (all + 1.0 - ties / (all * (all - 1.0)));
        let p = match (ties == 0.0 && n * m <= EXACT, spread > 0.0) {
            (true, _) => exact(u, n, m),
            (false, true) => {
                // Half a pair for continuity.
                let z = ((u - na * nb / 2.0).abs() - 0.5).max(0.0) / spread.sqrt();
                2.0 * (1.0 - normal().cdf(z))
            }
            (false, false) => 1.0,
        };
        let share = u / (na * nb);
        // The variance of the placements of each sample among the other.
        let variance = |weight: fn(&Placed) -> f64,
                        place: fn(&Placed, f64, f64) -> f64,
                        n: f64,
                        other: f64| {
            let mean = placed.iter().map(|of| weight(of) * place(of, other, n)).sum::<f64>() / n;
            let square = |of: &Placed| (place(of, other, n) - mean).powi(2) * weight(of);
            placed.iter().map(square).sum::<f64>() / (n - 1.0)
        };
        let of_a =
            variance(|of| of.in_a, |of, other, _| (of.below_b + of.in_b / 2.0) / other, na, nb)
                / na;
        let of_b =
            variance(|of| of.in_b, |of, other, _| (of.below_a + of.in_a / 2.0) / other, nb, na)
                / nb;
        let error = (of_a + of_b).sqrt();
        let free = (of_a + of_b).powi(2) / (of_a.powi(2) / (na - 1.0) + of_b.powi(2) / (nb - 1.0));
        // Where the samples do not overlap nothing is left of the variance: as many as one pair may be otherwise.
        let margin = (student(confidence, free) * error).max(1.0 / (na * nb));
        let larger = Estimate {
            value: share,
            low: (share - margin).max(0.0),
            high: (share + margin).min(1.0),
        };
        let sum = normal().inverse_cdf(0.5 + confidence / 2.0) + normal().inverse_cdf(POWER);
        let detectable = (sum * spread.max(0.0).sqrt() / (na * nb)).min(0.5);
        Some(Self { u, p: p.min(1.0), larger, detectable })
    }
}

/// A value, and how many are there and below in each sample.
struct Placed {
    in_a: f64,
    in_b: f64,
    below_a: f64,
    below_b: f64,
}

fn placements(a: &Counts, b: &Counts) -> Vec<Placed> {
    let mut values: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (value, count) in a {
        values.entry(*value).or_default().0 += count;
    }
    for (value, count) in b {
        values.entry(*value).or_default().1 += count;
    }
    let (mut below_a, mut below_b) = (0, 0);
    let place = |(in_a, in_b): (u64, u64)| {
        let placed = Placed {
            in_a: in_a as f64,
            in_b: in_b as f64,
            below_a: below_a as f64,
            below_b: below_b as f64,
        };
        below_a += in_a;
        below_b += in_b;
        placed
    };
    values.into_values().map(place).collect()
}

/// How likely a rank sum at least as far from the middle is, by counting all orders: how many have a sum of `u`
/// is what those of one value fewer on either side have (Mann and Whitney's recurrence).
fn exact(u: f64, n: u64, m: u64) -> f64 {
    let (n, m) = (usize::try_from(n).unwrap_or(0), usize::try_from(m).unwrap_or(0));
    let most = n * m;
    // ways[j][u] for as many of the first sample as were added so far.
    let mut ways = vec![vec![0.0; most + 1]; m + 1];
    ways.iter_mut().for_each(|of| of[0] = 1.0);
    for of_a in 1..=n {
        let mut next = vec![vec![0.0; most + 1]; m + 1];
        next[0][0] = 1.0;
        for of_b in 1..=m {
            for sum in 0..=of_a * of_b {
                let without_b = if sum >= of_a { next[of_b - 1][sum - of_a] } else { 0.0 };
                next[of_b][sum] = ways[of_b][sum] + without_b;
            }
        }
        // Whoever has none of the second sample has one order.
        ways = next;
    }
    // The recurrence above counts `of_a` of the first below each of the second.
    let all: f64 = ways[m].iter().sum();
    let away = (u - most as f64 / 2.0).abs();
    let is_far = |sum: usize| (sum as f64 - most as f64 / 2.0).abs() >= away - 1e-9;
    let far: f64 = ways[m].iter().enumerate().filter(|(sum, _)| is_far(*sum)).map(|(_, n)| n).sum();
    far / all
}

/// A value that was taken over and over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// As many values as are as good as these, if none depended on the one before.
    pub values: f64,
}

impl Mean {
    /// Of values in order; `None` of fewer than three. Neighbours that are alike count for less, see
    /// [`independent`].
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.len() < 3 {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let rest: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let squares: f64 = rest.iter().map(|r| r * r).sum();
        let like = independent(&rest).max(2.0);
        Some(Self { value: mean, error: (squares / (n - 1.0) / like).sqrt(), values: like })
    }

    /// By how much another is larger (Welch 1947), and how large a difference these show, four times of five.
    pub fn to(&self, other: &Self, confidence: f64) -> (Estimate, f64) {
        let (a, b) = (self.error.powi(2), other.error.powi(2));
        let error = (a + b).sqrt();
        let free = match a + b > 0.0 {
            true => (a + b).powi(2) / (a * a / (self.values - 1.0) + b * b / (other.values - 1.0)),
            false => self.values + other.values - 2.0,
        };
        let (value, sure) = (other.value - self.value, student(confidence, free));
        let margin = sure * error;
        let estimate = Estimate { value, low: value - margin, high: value + margin };
        (estimate, (sure + normal().inverse_cdf(POWER)) * error)
    }
}

/// How many values that do not depend on each other say as much as these do, which follow each other: of residuals in
/// order `n (1 - r) / (1 + r)`, with `r` the correlation of each with the one before it (Wilks, Statistical Methods in
/// the Atmospheric Sciences, 5.2.4).
pub fn independent(rest: &[f64]) -> f64 {
    let squares: f64 = rest.iter().map(|r| r * r).sum();
    let beside: f64 = rest.iter().zip(rest.iter().skip(1)).map(|(a, b)| a * b).sum();
    let alike = if squares > 0.0 { (beside / squares).clamp(0.0, 0.99) } else { 0.0 };
    rest.len() as f64 * (1.0 - alike) / (1.0 + alike)
}

/// The least value that a share of all values is not above; `None` of none. Values come in order.
pub fn quantile(values: impl Iterator<Item = (u64, u64)> + Clone, share: f64) -> Option<u64> {
    let all: u64 = values.clone().map(|(_, count)| count).sum();
    let rank = ((all as f64 * share).ceil() as u64).max(1);
    let mut seen = 0;
    let is_there = |(_, count): &(u64, u64)| {
        seen += count;
        seen >= rank
    };
    values.into_iter().find(is_there).map(|(value, _)| value)
}

/// The two-sided quantile of Student's distribution.
pub fn student(confidence: f64, free: f64) -> f64 {
    // From there on it is the normal one but for a thousandth.
    if !free.is_finite() || free > 1000.0 {
        return normal().inverse_cdf(0.5 + confidence / 2.0);
    }
    match StudentsT::new(0.0, 1.0, free.max(1.0)) {
        Ok(distribution) => distribution.inverse_cdf(0.5 + confidence / 2.0),
        Err(_) => f64::INFINITY,
    }
}

fn normal() -> Normal {
    Normal::standard()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[u64]) -> Counts {
        let mut counts = Counts::new();
        values.iter().for_each(|value| *counts.entry(*value).or_default() += 1);
        counts
    }

    fn near(a: f64, b: f64, within: f64) -> bool {
        (a - b).abs() <= within
    }

    fn excludes(of: &Estimate, value: f64) -> bool {
        of.low > value || of.high < value
    }

    #[test]
    fn small_samples_have_the_p_values_of_tables() {
        // Ranks 1, 2, 3 against 4, 5, 6, 7: 2 of the 35 orders are as far. Of five and five that are apart, 2 of 252.
        let ranks = Ranks::of(&counts(&[1, 2, 3]), &counts(&[4, 5, 6, 7]), 0.95).unwrap();
        assert_eq!(ranks.u, 12.0);
        assert!(near(ranks.p, 2.0 / 35.0, 1e-12), "{ranks:?}");
        let ranks = Ranks::of(&counts(&[1, 2, 3, 4, 5]), &counts(&[6, 7, 8, 9, 10]), 0.95).unwrap();
        assert!(near(ranks.p, 2.0 / 252.0, 1e-12), "{ranks:?}");
        // Critical values for 5 % two-sided (Mann and Whitney's table as in Siegel, K): U = 23 of 10 and 10 is
        // significant, 24 is not; of 8 and 9, 15 is and 16 is not.
        assert!(exact(23.0, 10, 10) <= 0.05 && exact(24.0, 10, 10) > 0.05);
        assert!(exact(15.0, 8, 9) <= 0.05 && exact(16.0, 8, 9) > 0.05);
    }

    #[test]
    fn ties_are_halves() {
        // 1 is below 2, 3 and 4, 2 is equal to 2 and below 3 and 4: 3 + 0.5 + 2 of 6 pairs.
        let ranks = Ranks::of(&counts(&[1, 2]), &counts(&[2, 3, 4]), 0.95).unwrap();
        assert_eq!(ranks.u, 5.5);
        // Samples that are one value each say nothing.
        let same = Ranks::of(&counts(&[5; 40]), &counts(&[5; 40]), 0.95).unwrap();
        assert_eq!((same.larger.value, same.p), (0.5, 1.0));
    }

    #[test]
    fn large_samples_are_those_of_the_normal_approximation() {
        // In turns: the second is below as many of the first as come before it, 0 + 1 + .. + 39 = 780 of 1600.
        let a: Vec<u64> = (0..40).map(|n| n * 10 + 5).collect();
        let b: Vec<u64> = (0..40).map(|n| n * 10).collect();
        let ranks = Ranks::of(&counts(&a), &counts(&b), 0.95).unwrap();
        assert_eq!(ranks.u, 780.0);
        let z: f64 = (20.0 - 0.5) / (1600.0_f64 * 81.0 / 12.0).sqrt();
        assert!(near(ranks.p, 2.0 * (1.0 - normal().cdf(z)), 1e-9), "{ranks:?}");
        assert!(near(ranks.p, 0.851, 0.001), "{ranks:?}");
        assert!(!excludes(&ranks.larger, 0.5));
        // sqrt(81 / (12 x 1600)) x (1.96 + 0.84)
        assert!(near(ranks.detectable, 0.182, 0.001), "{ranks:?}");
    }

    #[test]
    fn a_shift_is_found_and_its_interval_holds_it() {
        let a: Vec<u64> = (0..200).map(|n| 100 + (n * 37) % 100).collect();
        let b: Vec<u64> = a.iter().map(|value| value + 30).collect();
        let ranks = Ranks::of(&counts(&a), &counts(&b), 0.95).unwrap();
        // Of two numbers up to 100, the second 30 larger: 1 - 0.7² / 2.
        assert!(near(ranks.larger.value, 0.755, 0.01), "{ranks:?}");
        assert!(excludes(&ranks.larger, 0.5) && !excludes(&ranks.larger, 0.755), "{ranks:?}");
        assert!(ranks.p < 1e-6, "{ranks:?}");
    }

    #[test]
    fn means_are_compared_as_welch_does() {
        // Means and variances of the two by hand: t = 2.853.
        let a = [
            27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7,
            21.4,
        ];
        let b = [
            27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5,
            24.4,
        ];
        let of = |values: &[f64]| {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            Mean { value: mean, error: (squares / (n - 1.0) / n).sqrt(), values: n }
        };
        let (a, b) = (of(&a), of(&b));
        let (difference, detectable) = a.to(&b, 0.95);
        let t = difference.value / a.error.hypot(b.error);
        assert!(near(t, 2.853, 0.001), "{t}");
        // 27.89 degrees of freedom, so that the interval is 2.049 errors to either side; what is found four times of
        // five is 0.842 errors further.
        let error = a.error.hypot(b.error);
        let margin = difference.value - difference.low;
        assert!(near(margin / error, 2.049, 0.001), "{}", margin / error);
        assert!(near(difference.high - difference.value, margin, 1e-9), "{difference:?}");
        assert!(near(detectable / error, 2.049 + 0.842, 0.002), "{}", detectable / error);
        assert!(excludes(&difference, 0.0));
    }

    #[test]
    fn neighbours_that_are_alike_count_for_less() {
        let steps: Vec<f64> = (0..40).map(|n| f64::from(n / 20)).collect();
        let turns: Vec<f64> = (0..40).map(|n| f64::from(n % 2)).collect();
        let (steps, turns) = (Mean::of(&steps).unwrap(), Mean::of(&turns).unwrap());
        assert!(steps.values < 5.0 && near(turns.values, 40.0, 1e-9), "{steps:?} {turns:?}");
        assert!(steps.error > 2.0 * turns.error);
    }

    #[test]
    fn a_quantile_is_the_least_value_that_so_many_are_not_above() {
        let of = |values: &[(u64, u64)], share| quantile(values.iter().copied(), share);
        let all = [(1, 2), (5, 1), (9, 1)];
        let found = [0.0, 0.5, 0.51, 0.75, 0.76, 1.0].map(|share| of(&all, share));
        assert_eq!(found, [1, 1, 5, 5, 9, 9].map(Some));
        assert_eq!(of(&[], 0.5), None);
    }

    #[test]
    fn quantiles_are_those_of_tables() {
        for (free, expected) in
            [(1.0, 12.706), (3.0, 3.182), (10.0, 2.228), (30.0, 2.042), (1e9, 1.960)]
        {
            assert!(near(student(0.95, free), expected, 0.001), "{free}");
        }
    }
}
