//! Whether two samples differ, by how much, and how much they would have to for so little data to show it.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Share of the differences of that size that are found.
pub const POWER: f64 = 0.8;
/// Means of stretches from which anything is told.
const LEAST_MEANS: usize = 8;
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
    /// [`independent_of_few`].
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::of_as_many(values, |rest| independent_of_few(rest).max(2.0))
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

/// By how much values of another series are larger: the median of the differences of all pairs (Hodges and Lehmann 1963),
/// and between what it lies by the rank test of Mann and Whitney, so that a few values that are a hundred times as large
/// move neither. How many values count is estimated itself, so that the bounds are Student's. Behind it how large a
/// difference these show, four times of five. `None` where no difference, however large, could be shown.
///
/// Values come in order, in stretches. Of values that are alike where they are neighbours fewer count: see [`like`]. That
/// is told by ranks among their own: among those of both, values far out of the smaller ones are as far from all others.
/// Ties make the interval wider than it would have to be: their variance is less than what is taken here.
pub fn shift(a: &[Vec<f64>], b: &[Vec<f64>], confidence: f64) -> Option<(Estimate, f64)> {
    if a.len() < 3 || b.len() < 3 {
        return None;
    }
    let (like_a, like_b) = (like(&ranks(a)), like(&ranks(b)));
    let of_a = a.iter().flatten();
    let mut pairs: Vec<f64> = of_a.flat_map(|a| b.iter().flatten().map(move |b| b - a)).collect();
    pairs.sort_unstable_by(f64::total_cmp);
    // Of the share of pairs in which the second is larger, where there is no difference.
    let error = ((1.0 / like_a + 1.0 / like_b + 1.0 / (like_a * like_b)) / 12.0).sqrt();
    let sure = student(confidence, (like_a + like_b - 2.0).max(1.0));
    let count = pairs.len();
    let outside = (count as f64 * (0.5 - sure * error)).floor();
    if outside < 1.0 {
        return None;
    }
    let outside = outside as usize;
    let value = (pairs.get((count - 1) / 2)? + pairs.get(count / 2)?) / 2.0;
    let (low, high) = (*pairs.get(outside - 1)?, *pairs.get(count - outside)?);
    let detectable = (high - low) / 2.0 * (sure + normal().inverse_cdf(POWER)) / sure;
    Some((Estimate { value, low, high }, detectable))
}

/// Which place each has among all of them.
fn ranks(stretches: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut all: Vec<f64> = stretches.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let rank = |value: &f64| {
        let below = all.partition_point(|other| other < value);
        (below + all.partition_point(|other| other <= value)) as f64 / 2.0
    };
    stretches.iter().map(|of| of.iter().map(rank).collect()).collect()
}

/// How many values that do not depend on each other say as much as those of stretches: no more than
/// [`independent_of_few`] single ones, and no more than what the means of stretches come to, and of two, four and more of
/// them, which differ by less than single values do unless what is alike lasts for longer than one (batch means, Law and
/// Kelton, Simulation Modeling and Analysis, 9.5.3; doubled until too few are left, Flyvbjerg and Petersen 1989).
fn like(stretches: &[Vec<f64>]) -> f64 {
    let values: Vec<f64> = stretches.iter().flatten().copied().collect();
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let rest: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let variance = rest.iter().map(|r| r * r).sum::<f64>() / count;
    let mut means: Vec<f64> = stretches
        .iter()
        .filter(|of| !of.is_empty())
        .map(|of| of.iter().sum::<f64>() / of.len() as f64 - mean)
        .collect();
    let mut least = independent_of_few(&rest);
    loop {
        let of_means =
            means.iter().map(|r| r * r).sum::<f64>() / (means.len() as f64 - 1.0).max(1.0);
        if of_means > 0.0 {
            // As it looks: single values have told already what few of these hide.
            least = least.min(independent(&means) * variance / of_means);
        }
        if means.len() < LEAST_MEANS * 2 {
            return least.clamp(1.0, count);
        }
        means = means.chunks_exact(2).map(|two| two.iter().sum::<f64>() / 2.0).collect();
    }
}

/// How many values that do not depend on each other say as much as these do, which follow each other: of residuals in
/// order `n (1 - r) / (1 + r)`, with `r` the correlation of each with the one before it (Wilks, Statistical Methods in
/// the Atmospheric Sciences, 5.2.4).
pub fn independent(rest: &[f64]) -> f64 {
    as_many(rest, correlation(rest))
}

/// The same where they are few: these show `r` smaller than it is, by `(1 + 4 r) / n` (Kendall 1954).
pub fn independent_of_few(rest: &[f64]) -> f64 {
    let seen = correlation(rest);
    let hidden = if seen == 0.0 { 0.0 } else { (1.0 + 4.0 * seen) / rest.len() as f64 };
    as_many(rest, seen + hidden)
}

/// Of residuals in order, each with the one before it.
fn correlation(rest: &[f64]) -> f64 {
    let squares: f64 = rest.iter().map(|r| r * r).sum();
    let beside: f64 = rest.iter().zip(rest.iter().skip(1)).map(|(a, b)| a * b).sum();
    if squares > 0.0 { beside / squares } else { 0.0 }
}

fn as_many(rest: &[f64], alike: f64) -> f64 {
    let alike = alike.clamp(0.0, 0.99);
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
    fn a_shift_is_that_of_hodges_and_lehmann() {
        // Hollander and Wolfe, Nonparametric Statistical Methods, example 4.1: the median of 50 differences is -0.305,
        // and 96 % lie between the 9th and the 42nd of them, -0.76 and 0.15.
        let term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let early = [1.15, 0.88, 0.90, 0.74, 1.21];
        let (of, detectable) = shift(&each(&term), &each(&early), 0.96).unwrap();
        assert!(near(of.value, -0.305, 1e-9), "{of:?}");
        assert!(of.low <= -0.76 && of.high >= 0.15 && !excludes(&of, 0.0), "{of:?}");
        assert!(detectable > (of.high - of.low) / 2.0);
    }

    /// Each value as a stretch.
    fn each(values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().map(|value| vec![*value]).collect()
    }

    /// Two values of 30, each a hundred times the others, hid that all of them were ten times as large.
    #[test]
    fn outliers_hide_no_shift() {
        let a: Vec<f64> = (0..30)
            .map(|n| match n {
                3 | 17 => 5.0,
                n => f64::from(n * 7 % 10) / 10.0,
            })
            .collect();
        let b: Vec<f64> = a.iter().map(|a| a + 2.3).collect();
        for long in [1, 3] {
            let stretches = |of: &[f64]| of.chunks(long).map(<[f64]>::to_vec).collect::<Vec<_>>();
            let (of, _) = shift(&stretches(&a), &stretches(&b), 0.993).unwrap();
            assert!(near(of.value, 2.3, 0.01), "{of:?}");
            assert!(excludes(&of, 0.0) && !excludes(&of, 2.3), "{of:?}");
            let (same, _) = shift(&stretches(&a), &stretches(&a), 0.993).unwrap();
            assert!(!excludes(&same, 0.0), "{same:?}");
        }
    }

    /// Numbers from 0 to 1 that look drawn by chance, the same each time (Knuth's MMIX).
    fn drawn(state: &mut u64) -> f64 {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Stretches of a series in which each value takes so much of the one before it, and one of thirty is far out.
    fn series(state: &mut u64, alike: f64) -> Vec<Vec<f64>> {
        let mut last = 0.0;
        let mut value = || {
            let normal = (0..12).map(|_| drawn(state)).sum::<f64>() - 6.0;
            last = alike * last + normal * (1.0 - alike * alike).sqrt();
            last + if drawn(state) < 1.0 / 30.0 { 5.0 } else { 0.0 }
        };
        (0..20).map(|_| (0..3).map(|_| value()).collect()).collect()
    }

    /// Two series of one kind are told to differ no more often than stated, also where neighbours are alike; and a shift
    /// of two standard deviations is found nearly always.
    #[test]
    fn two_series_of_one_kind_differ_no_more_often_than_stated() {
        let state = &mut 7;
        for alike in [0.0, 0.5, 0.8] {
            let (mut wrong, mut found) = (0, 0);
            for _ in 0..200 {
                let (a, b) = (series(state, alike), series(state, alike));
                let b2: Vec<Vec<f64>> =
                    b.iter().map(|of| of.iter().map(|v| v + 2.0).collect()).collect();
                wrong += u32::from(shift(&a, &b, 0.95).is_some_and(|(of, _)| excludes(&of, 0.0)));
                found += u32::from(shift(&a, &b2, 0.95).is_some_and(|(of, _)| of.low > 0.0));
            }
            // 10 of 200, and two standard errors of that more.
            assert!(wrong <= 16, "{alike}: {wrong} of 200");
            // Of so much alike these are as good as seven values.
            assert!(alike > 0.5 || found >= 190, "{alike}: {found} of 200");
        }
    }

    #[test]
    fn a_shift_of_too_few_or_of_steps_is_not_told() {
        // The least chance of three and three is one of ten, however far apart they are.
        assert_eq!(shift(&each(&[1.0, 2.0, 3.0]), &each(&[11.0, 12.0, 13.0]), 0.95), None);
        assert_eq!(shift(&each(&[1.0, 2.0]), &each(&[11.0, 12.0, 13.0, 14.0]), 0.95), None);
        // What lasts for longer than a stretch, with noise in which single values hide it.
        let steps = |from: i32| -> Vec<Vec<f64>> {
            let value = |n: i32| f64::from((n + from) / 400 % 2 * 6 + n * 7 % 11);
            let values: Vec<f64> = (0..1200).map(value).collect();
            values.chunks(20).map(<[f64]>::to_vec).collect()
        };
        let of = shift(&steps(0), &steps(250), 0.99);
        assert!(of.is_none_or(|(of, _)| !excludes(&of, 0.0)), "{of:?}");
        let ranks = like(&steps(0));
        assert!(ranks < 30.0, "{ranks}");
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
