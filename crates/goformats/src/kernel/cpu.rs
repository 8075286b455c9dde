//! The CPU that a cgroup may use, and how often it was held back for it: the files of version 1 and 2.
//!
//! Sources: `cpu_max_show`, `cpu_cfs_stat_show` and `cpu_extra_stat_show` in kernel/sched/core.c, Linux 4.14 to 6.18.

/// What a cgroup may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// As much as there is: `max`, and -1 in version 1.
    All,
    /// Microseconds of CPU in each period.
    Micros(u64),
}

/// How often its processes were held back because the quota of a period was used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// `nr_periods`: periods in which they ran.
    pub periods: u64,
    /// `nr_throttled`: of these, the ones in which the quota was used up.
    pub throttled: u64,
    /// `throttled_usec`, in version 1 `throttled_time`: microseconds that CPUs had to be left alone, those of all
    /// CPUs together.
    pub us: u64,
}

/// What is known of a group's CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// `cpu.max`, `cpu.cfs_quota_us`
    pub quota: Option<Quota>,
    /// The second number of `cpu.max`, `cpu.cfs_period_us`: microseconds.
    pub period_us: Option<u64>,
    /// `cpu.stat`, which has these where the controller of CPUs is on.
    pub throttled: Option<Throttled>,
}

/// Files that are read, by name.
pub const FILES: [&str; 4] = ["cpu.max", "cpu.stat", "cpu.cfs_quota_us", "cpu.cfs_period_us"];

/// Microseconds of a period where none is written (`default_cfs_period`).
const PERIOD_US: u64 = 100_000;
/// Lines of `cpu.stat` that are looked at.
const MOST_LINES: usize = 64;

impl Cpu {
    /// Whether anything is known.
    pub fn is_known(&self) -> bool {
        self.quota.is_some() || self.throttled.is_some()
    }

    /// Takes a file by its name; whether it holds what such a file holds. One that is empty, because it could not be
    /// read, is left out.
    pub fn take(&mut self, file: &str, text: &str) -> bool {
        let text = text.trim();
        if text.is_empty() {
            return true;
        }
        match file {
            "cpu.max" => {
                // The kernel takes one number, and prints both.
                let (quota, period) = text.split_once(' ').unwrap_or((text, ""));
                let period = match period.trim() {
                    "" => Some(PERIOD_US),
                    period => period.parse().ok(),
                };
                let quota = match quota {
                    "max" => Some(Quota::All),
                    _ => quota.parse().ok().map(Quota::Micros),
                };
                let (Some(quota), Some(period)) = (quota, period) else { return false };
                (self.quota, self.period_us) = (Some(quota), Some(period));
            }
            "cpu.cfs_quota_us" => {
                let Ok(quota) = text.parse::<i64>() else { return false };
                self.quota = Some(u64::try_from(quota).map_or(Quota::All, Quota::Micros));
            }
            "cpu.cfs_period_us" => {
                let Ok(period) = text.parse() else { return false };
                self.period_us = Some(period);
            }
            "cpu.stat" => {
                let value = |name: &str| -> Option<u64> {
                    text.lines().take(MOST_LINES).find_map(|line| {
                        let (known, value) = line.split_once(' ')?;
                        if known == name { value.trim().parse().ok() } else { None }
                    })
                };
                let nanos = || Some(value("throttled_time")? / 1000);
                let counts = value("nr_periods").zip(value("nr_throttled"));
                // Without the controller there is only how much was used.
                self.throttled = counts.map(|(periods, throttled)| Throttled {
                    periods,
                    throttled,
                    us: value("throttled_usec").or_else(nanos).unwrap_or(0),
                });
                return counts.is_some() || value("usage_usec").is_some();
            }
            _ => return false,
        }
        true
    }

    /// Thousandths of a CPU that it may use; `None` where it may use all, and where that is not known.
    pub fn limit(&self) -> Option<u64> {
        let Quota::Micros(quota) = self.quota? else { return None };
        let period = self.period_us.unwrap_or(PERIOD_US);
        quota.saturating_mul(1000).checked_div(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Cpu {
        let mut cpu = Cpu::default();
        for (name, text) in files {
            assert!(cpu.take(name, text), "{name}: {text}");
        }
        cpu
    }

    #[test]
    fn both_versions_say_the_same() {
        let v2 = of(&[
            ("cpu.max", "50000 100000\n"),
            (
                "cpu.stat",
                "usage_usec 5142\nuser_usec 4000\nsystem_usec 1142\nnr_periods 120\nnr_throttled 90\nthrottled_usec 4500123\nnr_bursts 0\nburst_usec 0\n",
            ),
        ]);
        let v1 = of(&[
            ("cpu.cfs_quota_us", "50000\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("cpu.stat", "nr_periods 120\nnr_throttled 90\nthrottled_time 4500123456\n"),
        ]);
        assert_eq!(v1, v2);
        assert_eq!(v2.limit(), Some(500));
        let throttled = Throttled { periods: 120, throttled: 90, us: 4_500_123 };
        assert_eq!(v2.throttled, Some(throttled));
    }

    #[test]
    fn a_period_counts_as_much_as_a_quota() {
        assert_eq!(of(&[("cpu.max", "50000 20000")]).limit(), Some(2500));
        let before = of(&[("cpu.cfs_period_us", "20000"), ("cpu.cfs_quota_us", "50000")]);
        assert_eq!(before.limit(), Some(2500));
        assert_eq!(of(&[("cpu.cfs_quota_us", "50000")]).limit(), Some(500));
        assert_eq!(of(&[("cpu.max", "50000 0")]).limit(), None);
    }

    #[test]
    fn no_quota_is_known_and_no_limit() {
        for file in [("cpu.max", "max 100000"), ("cpu.cfs_quota_us", "-1")] {
            let cpu = of(&[file]);
            assert_eq!((cpu.quota, cpu.limit()), (Some(Quota::All), None), "{file:?}");
            assert!(cpu.is_known());
        }
        // The controller is off, or the file could not be read.
        let cpu = of(&[("cpu.stat", "usage_usec 5142\nuser_usec 1\n"), ("cpu.max", "")]);
        assert!(!cpu.is_known() && cpu.throttled.is_none());
    }

    #[test]
    fn what_is_none_of_it_is_refused() {
        for (name, text) in [
            ("cpu.max", "some 100000"),
            ("cpu.max", "50000 x"),
            ("cpu.cfs_quota_us", "max"),
            ("cpu.cfs_period_us", "-1"),
            ("cpu.stat", "anon 5"),
            ("cpu.weight", "100"),
        ] {
            let mut cpu = Cpu::default();
            assert!(!cpu.take(name, text), "{name}: {text}");
            assert_eq!(cpu, Cpu::default(), "{name}: {text}");
        }
        let cpu = of(&[("cpu.max", "18446744073709551615 1")]);
        assert_eq!(cpu.limit(), Some(u64::MAX));
    }
}
