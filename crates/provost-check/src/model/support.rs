//! Which releases of Go and Kubernetes are supported on a day.
//!
//! The dates are data (`data/go-releases.toml`), read once. Days are given, never taken from a clock.

use std::sync::LazyLock;

use goformats::version::GoVersion;
use jiff::civil::Date;
use serde::Deserialize;

/// A table older than this says nothing about releases newer than those it holds.
pub const STALE_AFTER_DAYS: i32 = 200;

/// The releases known when this was built.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The day the table was brought up to date.
    #[serde(deserialize_with = "date")]
    pub read: Date,
    /// Minor releases of Go, oldest first.
    pub go: Vec<GoMinor>,
    /// Minor releases of Kubernetes, oldest first.
    pub kubernetes: Vec<KubernetesMinor>,
}

/// A minor release of Go.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoMinor {
    /// 27 for Go 1.27.
    pub minor: u16,
    /// The day of the first release.
    #[serde(deserialize_with = "date")]
    pub released: Date,
    /// The newest patch release seen.
    pub patch: u16,
}

/// A minor release of Kubernetes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesMinor {
    /// 37 for Kubernetes 1.37.
    pub minor: u16,
    /// The day of the first release.
    #[serde(deserialize_with = "date")]
    pub released: Date,
    /// The day support ended, if it has.
    #[serde(default, deserialize_with = "some_date")]
    pub ended: Option<Date>,
}

fn date<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let written = toml::value::Datetime::deserialize(deserializer)?;
    written.to_string().parse().map_err(serde::de::Error::custom)
}

fn some_date<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    date(deserializer).map(Some)
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../data/go-releases.toml"))
        .expect("a test reads the embedded table")
});

/// The releases known when this was built.
pub fn table() -> &'static Table {
    &TABLE
}

/// What is known of a minor release of Go on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It gets fixes; the newest patch release seen.
    Supported {
        /// The newest patch release seen.
        newest_patch: u16,
    },
    /// It gets none any more.
    Ended {
        /// Since this day, when the second next minor came out.
        since: Date,
        /// The last patch release.
        newest_patch: u16,
    },
    /// It was not released on that day.
    NotReleased,
    /// The table does not reach so far.
    Unknown,
}

/// What is known of `go1.<minor>` on a day.
pub fn go_support(minor: u16, on: Date) -> Support {
    let table = table();
    let find = |minor: u16| table.go.iter().find(|m| m.minor == minor);
    let Some(this) = find(minor) else {
        return match table.go.first() {
            // Older than the table: ended before its first row's second successor did.
            Some(first) if minor < first.minor => {
                let since = find(minor.saturating_add(2)).unwrap_or(first).released;
                Support::Ended { since, newest_patch: 0 }
            }
            _ => Support::Unknown,
        };
    };
    if on < this.released {
        return Support::NotReleased;
    }
    match find(minor + 2) {
        Some(second) if second.released <= on => {
            Support::Ended { since: second.released, newest_patch: this.patch }
        }
        // A minor the table does not hold may have been released since it was read.
        None if is_stale(on) => Support::Unknown,
        _ => Support::Supported { newest_patch: this.patch },
    }
}

/// Whether the table is too old to speak about the newest releases on that day.
pub fn is_stale(on: Date) -> bool {
    on.since(table().read).is_ok_and(|span| span.get_days() > STALE_AFTER_DAYS)
}

/// The supported minors of Go on a day, oldest first.
pub fn supported_go(on: Date) -> Vec<u16> {
    let supported = |m: &&GoMinor| matches!(go_support(m.minor, on), Support::Supported { .. });
    table().go.iter().filter(supported).map(|m| m.minor).collect()
}

/// The newest patch release of `go1.<minor>` that the table holds.
pub fn newest_patch(minor: u16) -> Option<u16> {
    table().go.iter().find(|m| m.minor == minor).map(|m| m.patch)
}

/// The patch release to move to when a newer one of the same minor has been seen.
pub fn newer_patch(go: &GoVersion) -> Option<GoVersion> {
    let minor = table().go.iter().find(|m| m.minor == go.minor)?;
    let newest = GoVersion::release(go.minor, minor.patch);
    (go < &newest).then_some(newest)
}

/// The supported minors of Kubernetes on a day, oldest first.
pub fn supported_kubernetes(on: Date) -> Vec<u16> {
    let supported =
        |m: &&KubernetesMinor| m.released <= on && m.ended.is_none_or(|ended| on < ended);
    table().kubernetes.iter().filter(supported).map(|m| m.minor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const TODAY: Date = date(2026, 11, 23);

    #[test]
    fn the_table_is_in_order_and_not_newer_than_its_date() {
        let table = table();
        assert!(
            table
                .go
                .windows(2)
                .all(|w| w[0].minor + 1 == w[1].minor && w[0].released < w[1].released)
        );
        assert!(table.kubernetes.windows(2).all(|w| w[0].minor + 1 == w[1].minor));
        assert!(table.go.iter().all(|m| m.released <= table.read));
    }

    #[test]
    fn a_minor_ends_with_the_second_next() {
        for (minor, year, month, day) in [
            (16, 2022, 3, 15),
            (17, 2022, 8, 2),
            (18, 2023, 2, 1),
            (19, 2023, 8, 8),
            (20, 2024, 2, 6),
            (21, 2024, 8, 13),
            (22, 2025, 2, 11),
            (23, 2025, 8, 12),
            (24, 2026, 2, 10),
            (25, 2026, 8, 19),
        ] {
            let since = date(year, month, day);
            assert!(
                matches!(go_support(minor, TODAY), Support::Ended { since: s, .. } if s == since),
                "1.{minor}"
            );
            let before = since.yesterday().unwrap();
            assert!(
                matches!(go_support(minor, before), Support::Supported { .. }),
                "1.{minor} on {before}"
            );
        }
        assert_eq!(supported_go(TODAY), [26, 27]);
        assert_eq!(go_support(27, TODAY), Support::Supported { newest_patch: 4 });
    }

    #[test]
    fn beyond_the_table() {
        assert_eq!(go_support(28, TODAY), Support::Unknown);
        assert!(matches!(go_support(12, TODAY), Support::Ended { .. }));
        assert_eq!(go_support(27, date(2026, 8, 18)), Support::NotReleased);
        // Nobody has told this build of Go 1.28 and 1.29.
        let later = date(2027, 12, 1);
        assert!(is_stale(later));
        assert_eq!(go_support(27, later), Support::Unknown);
        assert!(matches!(go_support(25, later), Support::Ended { .. }));
    }

    #[test]
    fn the_newest_patch() {
        assert_eq!(newer_patch(&GoVersion::release(27, 3)), Some(GoVersion::release(27, 4)));
        assert_eq!(newer_patch(&GoVersion::release(27, 4)), None);
        assert_eq!(newer_patch(&GoVersion::release(28, 0)), None);
    }

    #[test]
    fn kubernetes_minors() {
        assert_eq!(supported_kubernetes(TODAY), [35, 36, 37]);
        assert_eq!(supported_kubernetes(date(2026, 10, 26)), [34, 35, 36, 37]);
    }
}
