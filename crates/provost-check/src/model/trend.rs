//! Whether a series of values rises.

use super::statistics::{independent, student};

/// A straight line through points, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Change of the value with each unit of time.
    pub slope: f64,
    /// With 95 % confidence the slope is no further from this than that.
    pub margin: f64,
}

impl Trend {
    /// Of `(time, value)`; `None` of fewer than five points, or where time stands still.
    ///
    /// Points that follow each other are alike, and tell less than as many that are not: the error is that of
    /// [`independent`] ones.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        if points.len() < 5 {
            return None;
        }
        let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / n;
        let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
        let sxx: f64 = points.iter().map(|(x, _)| (x - mx) * (x - mx)).sum();
        let sxy: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
        if sxx <= 0.0 {
            return None;
        }
        let slope = sxy / sxx;
        let rest: Vec<f64> = points.iter().map(|(x, y)| y - my - slope * (x - mx)).collect();
        let squares: f64 = rest.iter().map(|r| r * r).sum();
        let free = (independent(&rest) - 2.0).max(1.0);
        let error = (squares / free / sxx).sqrt();
        Some(Self { slope, margin: student(0.95, free) * error })
    }

    /// The slope is above zero, and its margin does not reach down to it.
    pub fn rises(&self) -> bool {
        self.slope > self.margin
    }
}

/// What share of all the hits among `of` samples stand for at least, with 97.5 % confidence: the lower end of
/// Wilson's interval (1927).
pub fn least_share(hits: u64, of: u64) -> f64 {
    if of == 0 {
        return 0.0;
    }
    let (n, z) = (of as f64, 1.96_f64);
    let p = hits.min(of) as f64 / n;
    let middle = p + z * z / (2.0 * n);
    let width = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - width) / (1.0 + z * z / n)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_rises_and_noise_does_not() {
        let line: Vec<_> =
            (0..20).map(|n| (f64::from(n), 3.0 * f64::from(n) + f64::from(n % 3))).collect();
        let trend = Trend::of(&line).unwrap();
        assert!(trend.rises() && (trend.slope - 3.0).abs() < 0.05);
        let noise: Vec<_> = (0..40).map(|n| (f64::from(n), f64::from((n * 7919) % 13))).collect();
        assert!(!Trend::of(&noise).unwrap().rises());
        assert_eq!(Trend::of(&line[..4]), None);
    }

    #[test]
    fn a_walk_is_no_line() {
        // Eight steps up and eight down, over and over: neighbours are alike.
        let walk: Vec<_> =
            (0..40_i32).map(|n| (f64::from(n), f64::from((n % 16 - 8).abs()))).collect();
        assert!(!Trend::of(&walk).unwrap().rises());
    }

    #[test]
    fn a_share_is_at_least_what_wilson_says() {
        // Tables of the interval: 8 of 10 is 0.490, 19 of 45 is 0.290.
        for (hits, of, least) in
            [(8, 10, 0.490), (19, 45, 0.290), (0, 10, 0.0), (1, 1, 0.207), (0, 0, 0.0)]
        {
            assert!(
                (least_share(hits, of) - least).abs() < 0.0015,
                "{hits} of {of}: {}",
                least_share(hits, of)
            );
        }
    }
}
