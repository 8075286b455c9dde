//! Whether what is live grows, and goes on growing.

use super::log::spanning;
use crate::facts::runtime_log::{Collections, Window};
use crate::model::trend::Trend;

/// Cycles without which no trend is told.
pub const LEAST_CYCLES: u64 = 10;
/// Points that a trend is told of, at most.
const MOST_POINTS: u64 = 200;
/// MB: whole ones are printed, so that less is nothing.
pub const LEAST_GROWTH: f64 = 4.0;
/// Of the live heap: what grows by less has time.
pub const LEAST_PART: f64 = 0.1;

/// Of the live heap: what marking finds more or less by what was allocated while it ran.
const NOISE: f64 = 0.02;
/// Parts of the second half of a log, and points of each.
const PARTS: usize = 4;
const LEAST_POINTS: usize = 5;
/// Points of a second half in which each is above the one before: then a part may have fewer.
const LEAST_RISES: usize = 6;

/// By how much the live heap grew in the second half of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// MB a second.
    pub slope: f64,
    /// At least and at most.
    pub between: (f64, f64),
    /// What that is: the confidence of a trend, or the parts of the time.
    pub of: Of,
}

/// What the least and the most of a growth are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// With 95 % confidence it lies between them.
    Confidence,
    /// It was that in the parts of the second half of a log.
    Parts,
}

/// By how much the live heap grew in the second half of a log; nothing where it does not grow still, or there are too few
/// collections.
pub fn grows(collections: &Collections) -> Option<Growth> {
    let whole = collections.whole().filter(|whole| whole.cycles >= LEAST_CYCLES)?;
    let windows = spanning(&collections.windows, whole.wall_ms() / MOST_POINTS);
    rises(&whole, &windows).or_else(|| climbs(&whole, &windows))
}

/// Whether more was live in the last third of the second half than at any time in its first, and in between in the
/// middle: of what was killed that is enough to say that it had not stopped growing, where a busy machine leaves no rate
/// that could be told.
pub fn climbed(collections: &Collections) -> bool {
    let Some(whole) = collections.whole().filter(|whole| whole.cycles >= LEAST_CYCLES) else {
        return false;
    };
    let windows = spanning(&collections.windows, whole.wall_ms() / MOST_POINTS);
    let (_, second) = windows.split_at(windows.len() / 2);
    let third = second.len() / 3;
    if third == 0 {
        return false;
    }
    let mean = |of: &[Window]| of.iter().map(Window::mean_live).sum::<f64>() / of.len() as f64;
    let (first, rest) = second.split_at(third);
    let (middle, last) = rest.split_at(rest.len() - third);
    let most = first.iter().map(|w| w.live.most).max().unwrap_or_default();
    let least = last.iter().map(|w| w.live.least).min().unwrap_or_default();
    let grown = mean(last) - mean(first);
    let much = grown >= LEAST_GROWTH && grown >= whole.mean_live() * LEAST_PART;
    much && least > most && mean(first) < mean(middle) && mean(middle) < mean(last)
}

fn rises(whole: &Window, windows: &[Window]) -> Option<Growth> {
    let half = windows.len() / 2;
    let (first, second) = windows.split_at(half);
    let all = trend(windows).filter(Trend::rises)?;
    // What rose once and stands since, as a cache that was filled, is no growth; nor is a level that wanders, of which
    // the interval is wider than the slope.
    let since = trend(second).filter(|since| since.margin * 2.0 <= since.slope)?;
    let grown = all.slope * whole.wall_ms() as f64 / 1000.0;
    let least = |windows: &[Window]| windows.iter().map(|w| w.live.least).min().unwrap_or_default();
    let most = |windows: &[Window]| windows.iter().map(|w| w.live.most).max().unwrap_or_default();
    let quarter = (half / 2).max(1);
    let early = most(first.get(..quarter).unwrap_or_default());
    let late = least(second.get(second.len().saturating_sub(quarter)..).unwrap_or_default());
    let much = grown >= LEAST_GROWTH && grown >= whole.mean_live() * LEAST_PART;
    (much && late > early).then_some(Growth {
        slope: since.slope,
        between: (since.slope - since.margin, since.slope + since.margin),
        of: Of::Confidence,
    })
}

/// What never falls and rises in each part of the second half: no straight line where a collector that finds no room slows
/// the program down, so that neighbours depart from the line together and its error says nothing.
fn climbs(whole: &Window, windows: &[Window]) -> Option<Growth> {
    let from = whole.from.at_ms.midpoint(whole.until_ms);
    let second: Vec<Window> = windows.iter().filter(|w| w.from.at_ms >= from).copied().collect();
    let mut most = 0.0_f64;
    for window in &second {
        if window.mean_live() + (most * NOISE).max(1.0) < most {
            return None;
        }
        most = most.max(window.mean_live());
    }
    // Of a heap that grows quickly there are few collections; none of them below the one before is no accident where
    // the whole log rises.
    let above = |pair: &[Window]| matches!(pair, [a, b] if b.mean_live() > a.mean_live());
    let strictly = second.len() >= LEAST_RISES
        && second.windows(2).all(above)
        && trend(windows).is_some_and(|all| all.rises());
    let least_points = if strictly { 1 } else { LEAST_POINTS };
    let long = whole.until_ms.saturating_sub(from) as f64 / PARTS as f64;
    let part = |n: usize| {
        let is_of =
            |w: &&Window| (w.from.at_ms.saturating_sub(from) as f64 / long.max(1.0)) as usize == n;
        let lives: Vec<f64> = second.iter().filter(is_of).map(Window::mean_live).collect();
        (lives.len() >= least_points).then(|| lives.iter().sum::<f64>() / lives.len() as f64)
    };
    let parts: Vec<f64> = (0..PARTS).map(part).collect::<Option<_>>()?;
    let steps: Vec<f64> =
        parts.iter().zip(parts.iter().skip(1)).map(|(a, b)| (b - a) * 1000.0 / long).collect();
    let grown = parts.last()? - parts.first()?;
    let slope = steps.iter().sum::<f64>() / steps.len().max(1) as f64;
    let least = steps.iter().copied().fold(f64::INFINITY, f64::min);
    let most = steps.iter().copied().fold(0.0, f64::max);
    // A step now and then is none of it: each part has to have a third of what an even growth would have.
    let is_even = least * 3.0 >= slope && slope > 0.0;
    let much = grown >= LEAST_GROWTH && grown >= whole.mean_live() * LEAST_PART;
    (is_even && much).then_some(Growth { slope, between: (least, most), of: Of::Parts })
}

fn trend(windows: &[Window]) -> Option<Trend> {
    let points: Vec<(f64, f64)> = windows
        .iter()
        .map(|window| {
            let middle = window.from.at_ms.midpoint(window.to.at_ms);
            (middle as f64 / 1000.0, window.mean_live())
        })
        .collect();
    Trend::of(&points)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "they are tests")]

    use super::{Of, climbed, grows};
    use crate::artifact::runtime_log::read;
    use crate::artifact::source::{Source, SourceKind, Sources};
    use crate::facts::runtime_log::Collections;

    /// Collections 50 ms apart with so much live.
    fn log(live: impl Fn(u64) -> u64) -> Collections {
        of((1..=400).map(|n| (n * 50, live(n))))
    }

    /// Collections at such milliseconds with so much live.
    fn of(collections: impl IntoIterator<Item = (u64, u64)>) -> Collections {
        // A cycle begins with no less than the one before it left.
        let mut before = 0;
        let line = |(n, (at, live)): (usize, (u64, u64))| {
            let (n, start) = (n + 1, live.max(before));
            before = live;
            format!(
                "gc {n} @{}.{:03}s 25%: 0.010+4.0+0.010 ms clock, 0.020+1.0/4.0/0+0.020 ms cpu, {start}->{start}->{live} MB, {live} MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
                at / 1000,
                at % 1000
            )
        };
        let text: String = collections.into_iter().enumerate().map(line).collect();
        let source = Sources::default().add(Source::opaque("a.log", SourceKind::Log));
        let log = read(source, text.as_bytes(), &|_| true).unwrap();
        log.lives[0].collections.clone().unwrap()
    }

    /// Under GOMEMLIMIT=30MiB a leak grew quickly to the limit and slowly behind it, and was no growth.
    #[test]
    fn a_leak_that_its_limit_slows_down_grows_still() {
        // A bend at the limit, and another behind it.
        let bent = |n: u64| match n {
            0..240 => n / 10,
            240..300 => 24 + (n - 240) / 12,
            _ => 29 + (n - 300) / 30,
        };
        let growth = grows(&log(bent)).unwrap();
        assert_eq!(growth.of, Of::Parts, "{growth:?}");
        let (least, most) = growth.between;
        assert!(0.0 < least && least <= growth.slope && growth.slope <= most, "{growth:?}");
    }

    #[test]
    fn what_rises_once_or_falls_again_does_not_climb() {
        // A cache that is full, a single step in the second half, and one that is emptied now and then.
        assert_eq!(grows(&log(|n| n.min(220) / 5)), None);
        assert_eq!(grows(&log(|n| if n < 300 { 20 } else { 60 })), None);
        assert_eq!(grows(&log(|n| 20 + n % 90)), None);
    }

    /// One that Go 1.27 traced until it was killed.
    #[test]
    fn a_leak_of_few_collections_grows() {
        let at = [
            48, 164, 249, 272, 331, 360, 416, 439, 492, 508, 541, 587, 701, 808, 880, 1037, 1160,
            1250, 1300, 1444, 1600, 1775, 2003, 2189, 2431, 2704, 2918, 3126, 3429, 3812, 4247,
            4733, 5313, 5908, 6607,
        ];
        let live = [
            1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 10, 11, 12, 14, 15, 17, 19,
            21, 23, 26, 29, 32, 35, 39, 43, 48,
        ];
        let all: Vec<(u64, u64)> = at.into_iter().zip(live).collect();
        let growth = grows(&of(all.iter().copied())).unwrap();
        assert!((5.0..10.0).contains(&growth.slope), "{growth:?}");
    }

    #[test]
    fn what_was_killed_had_climbed_whatever_held_its_collections_up() {
        // Late collections in bunches, and one that found less.
        let bunched = |n: u64| (n * 50 + (n % 7) * 7, n / 8 - u64::from(n % 50 == 9));
        assert!(climbed(&of((20..400).map(bunched))));
        assert!(!climbed(&log(|n| n.min(180) / 5)));
        assert!(!climbed(&log(|n| 20 + n % 90)));
        // More on the whole, and no more at its least than before at its most; and more behind less.
        assert!(!climbed(&log(|n| 20 + n % 40 + n / 20)));
        assert!(!climbed(&log(|n| if n < 265 { 20 } else { 10 + 30 * u64::from(n > 330) })));
    }

    /// Sessions that come at random and end by themselves, as Go 1.22 traced them (milliseconds, MB live) while their
    /// machine became less busy: they were told to grow by 57 MB a minute, 13 to 100.
    #[test]
    fn a_level_that_wanders_is_no_growth() {
        let at = [
            99, 174, 225, 433, 751, 946, 1102, 1608, 1935, 2501, 3659, 3945, 5104, 5531, 5784,
            6509, 8030, 8919, 9706, 10044, 10514, 10793, 12001, 12452, 12635, 12931, 14080, 14527,
            15304, 15670, 16004, 16305, 16837, 18177, 19070, 19424, 20964, 21516, 22005, 23453,
            23857,
        ];
        let live = [
            1, 1, 2, 3, 3, 5, 6, 6, 8, 7, 6, 7, 5, 7, 8, 11, 6, 6, 5, 7, 6, 8, 6, 6, 8, 10, 9, 11,
            9, 11, 11, 15, 19, 24, 13, 14, 18, 14, 13, 17, 22,
        ];
        let sessions: Vec<(u64, u64)> = at.into_iter().zip(live).collect();
        assert_eq!(grows(&of(sessions.iter().copied())), None);
        // The same collections of a leak.
        let leak = sessions.iter().map(|(at, _)| (*at, at / 500));
        assert_eq!(grows(&of(leak)).unwrap().of, Of::Confidence);
    }
}
