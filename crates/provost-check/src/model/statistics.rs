//! Whether two samples differ, by how much, and how much they would have to for so little data to show it.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Share of the differences of that size that are found.
pub const POWER: f64 = 0.8;
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
        Self::of_as_many(values, |rest| independent(rest).max(2.0))
    }

    /// The same of values that do not depend on each other, as those of several runs.
    pub fn of_independent(values: &[f64]) -> Option<Self> {
        Self::of_as_many(values, |rest| rest.len() as f64)
    }

    /// With as many values as the residuals stand for.
    fn of_as_many(values: &[f64], like: fn(&[f64]) -> f64) -> Option<Self> {
        if values.len() < 3 {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let rest: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let squares: f64 = rest.iter().map(|r| r * r).sum();
        let like = like(&rest);
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

    fn near(a: f64, b: f64, within: f64) -> bool {
        (a - b).abs() <= within
    }

    fn excludes(of: &Estimate, value: f64) -> bool {
        of.low > value || of.high < value
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
        let of = |values: &[f64]| Mean::of_independent(values).unwrap();
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
