//! One process as its runtime's log tells of it.

use super::{Joined, World};
use crate::facts::Origin;
use crate::facts::runtime_log::{Collections, Life, Mark, RuntimeLog, Samples, Scheduler, Window};
use crate::findings::{Abstain, Reason};

/// One process of a log.
#[derive(Clone, Copy, Debug)]
pub struct LogCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// The log.
    pub log: &'w RuntimeLog,
    /// The process.
    pub life: &'w Life,
    /// Its place among those of the log.
    pub index: usize,
}

impl<'w> LogCase<'w> {
    /// All facts.
    pub fn world(&self) -> &'w World {
        self.joined.world
    }

    /// The log, and which of its processes where there are several.
    pub fn subject(&self) -> String {
        let path = &self.world().sources.get(self.log.source).path;
        if let Some(stream) = self.life.stream.as_deref() {
            let mut own = self.log.lives_of(Some(stream));
            let at = own.position(|life| std::ptr::eq(life, self.life)).unwrap_or_default();
            return match (at, own.next()) {
                (0, None) => format!("{path} ({stream})"),
                _ => format!("{path} ({stream}, process {})", at + 1),
            };
        }
        match self.log.lives.len() {
            1 => path.clone(),
            _ => format!("{path} (process {})", self.index + 1),
        }
    }

    /// Its collections. A log without any says nothing of them.
    pub fn collections(&self) -> Result<&'w Collections, Abstain> {
        self.life.collections.as_ref().ok_or(Abstain::NotApplicable)
    }

    /// Its scheduler.
    pub fn scheduler(&self) -> Result<&'w Scheduler, Abstain> {
        self.life.scheduler.as_ref().ok_or(Abstain::NotApplicable)
    }

    /// A line of the log.
    pub fn at(&self, mark: Mark) -> Origin {
        Origin::log(self.log.source, mark.line, Some(mark.at_ms))
    }
}

/// There are not as many cycles or samples as a statement needs.
pub fn too_few(what: &str, has: u64, needs: u64) -> Abstain {
    Abstain::unknown(Reason::LogTooShort, format!("{needs} {what}, and the log has {has}"))
}

/// That nothing was found in stretches that were looked at, unless those that could not be are a tenth or more of the
/// time: too many of their lines are missing.
pub fn nothing_in(windows: &[Window]) -> Result<(), Abstain> {
    let wall = |windows: &mut dyn Iterator<Item = u64>| windows.fold(0, u64::saturating_add);
    let all = wall(&mut windows.iter().map(Window::wall_ms));
    let thin = wall(&mut windows.iter().filter(|of| of.is_thin()).map(Window::wall_ms));
    if thin == 0 || thin.saturating_mul(10) < all {
        return Ok(());
    }
    let missing = windows.iter().map(|window| window.missing).fold(0, u64::saturating_add);
    let needs = format!("the lines of {missing} collections, which are not in the log");
    Err(Abstain::unknown(Reason::LogTooShort, needs))
}

/// The longest run of windows that `is_so`, summed up.
pub fn longest_run(windows: &[Window], is_so: impl Fn(&Window) -> bool) -> Option<Window> {
    let mut best: Option<Window> = None;
    let mut run: Option<Window> = None;
    for window in windows {
        run = match (run, is_so(window)) {
            (_, false) => None,
            (None, true) => Some(*window),
            (Some(before), true) => Some(before.then(*window)),
        };
        if let Some(run) = run
            && best.is_none_or(|best| run.wall_ms() > best.wall_ms())
        {
            best = Some(run);
        }
    }
    best
}

/// Windows joined until each spans at least that long: of a few milliseconds no share can be told.
pub fn spanning(windows: &[Window], ms: u64) -> Vec<Window> {
    let mut joined: Vec<Window> = Vec::new();
    for window in windows {
        match joined.last_mut() {
            Some(last) if last.wall_ms() < ms => *last = last.then(*window),
            _ => joined.push(*window),
        }
    }
    // What is left over belongs to the one before it.
    if joined.last().is_some_and(|last| last.wall_ms() < ms)
        && let Some(rest) = joined.pop()
    {
        match joined.last_mut() {
            Some(last) => *last = last.then(rest),
            None => joined.push(rest),
        }
    }
    joined
}

/// The same of samples.
pub fn spanning_samples(windows: &[Samples], count: u64) -> Vec<Samples> {
    let mut joined: Vec<Samples> = Vec::new();
    for window in windows {
        match joined.last_mut() {
            Some(last) if last.count < count => *last = last.then(*window),
            _ => joined.push(*window),
        }
    }
    joined
}

/// `12.3 %`
pub fn percent(share: f64) -> String {
    if share < 0.1 { format!("{:.1} %", share * 100.0) } else { format!("{:.0} %", share * 100.0) }
}

/// Nanoseconds as people say them: `140 us`, `4.6 ms`, `12 ms`, `1.3 s`.
pub fn nanos(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} us", ns / 1_000),
        1_000_000..10_000_000 => format!("{}.{} ms", ns / 1_000_000, ns / 100_000 % 10),
        10_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{}.{} s", ns / 1_000_000_000, ns / 100_000_000 % 10),
    }
}

/// Milliseconds as people say them: `650 ms`, `12.3 s`, `4 min 10 s`.
pub fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{}.{} s", ms / 1000, ms / 100 % 10),
        _ => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "they are tests")]

    use super::{nothing_in, spanning};
    use crate::artifact::runtime_log::read;
    use crate::artifact::source::{Source, SourceKind, Sources};
    use crate::facts::runtime_log::Collections;

    /// Collections 10 ms apart that take a quarter of two CPUs, without those that are left out.
    fn log(there: impl Fn(usize) -> bool) -> Collections {
        let line = |n: usize| {
            let at = n * 10;
            format!(
                "gc {n} @{}.{:03}s 25%: 0.010+4.0+0.010 ms clock, 0.020+1.0/4.0/0+0.020 ms cpu, 8->9->4 MB, 9 MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
                at / 1000,
                at % 1000
            )
        };
        let text: String = (1..400).filter(|n| there(*n)).map(line).collect();
        let source = Sources::default().add(Source::opaque("a.log", SourceKind::Log));
        let log = read(source, text.as_bytes(), &|_| true).unwrap();
        log.lives[0].collections.clone().unwrap()
    }

    /// Every second line was lost, and with it half of the CPU time, of the rate and of what was allocated.
    #[test]
    fn collections_whose_lines_are_missing_are_not_none() {
        let whole = log(|_| true).whole().unwrap();
        let few = log(|n| n % 15 > 0).whole().unwrap();
        let near = |a: Option<f64>, b: Option<f64>| (a.unwrap() / b.unwrap() - 1.0).abs() < 0.03;
        assert!(near(few.cpu_share(), whole.cpu_share()), "{few:?}");
        assert!(near(few.allocation_rate(), whole.allocation_rate()), "{few:?}");
        let half = log(|n| n % 2 > 0).whole().unwrap();
        assert!(near(half.rate(), whole.rate()), "cycles are numbered");
        assert_eq!((half.cpu_share(), half.allocation_rate()), (None, None));
        assert_eq!((half.missing, half.gogc), (199, (0, u64::MAX)));
    }

    #[test]
    fn a_log_with_many_lines_missing_is_no_pass() {
        let judged =
            |there: fn(usize) -> bool| nothing_in(&spanning(&log(there).windows, 200)).is_ok();
        assert!(judged(|_| true) && judged(|n| n % 15 > 0));
        // A hole of less than a tenth of the time hides little.
        assert!(judged(|n| !(100..110).contains(&n)));
        assert!(!judged(|n| n % 2 > 0) && !judged(|n| !(100..200).contains(&n)));
    }
}
