//! GOGC: how much the heap may grow between two collections.
//!
//! Source: `readGOGC` in runtime/mgcpacer.go, Go 1.19 to 1.27 (before that in mgc.go): `off`, else a 32-bit integer, else 100
//! without a word. Any negative number is off. The smallest heap goal is 4 MiB x GOGC / 100 (`heapMinimum`).

use goformats::version::GoVersion;

use super::goint::parse_int64;
use super::quantity::Bytes;

/// What the runtime uses when GOGC is not set, or not readable.
pub const DEFAULT: u32 = 100;

/// Below this the collector runs so often that it keeps the peak low by itself.
pub const EAGER: u32 = 50;

/// A GOGC that the runtime reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gogc {
    /// `off` or negative: the heap size alone never starts a collection.
    Off,
    /// The heap may grow by this many percent of what was live.
    Percent(u32),
}

/// Reads GOGC; `None` where the runtime takes 100 instead. Empty is not set. Without a version, whatever some release reads
/// is read.
pub fn parse(text: &str, go: Option<&GoVersion>) -> Option<Gogc> {
    if text.is_empty() {
        return Some(Gogc::Percent(DEFAULT));
    }
    if text == "off" {
        return Some(Gogc::Off);
    }
    let n = i32::try_from(parse_int64(text, go)?).ok()?;
    Some(u32::try_from(n).map_or(Gogc::Off, Gogc::Percent))
}

/// The heap size below which no collection starts.
pub fn heap_minimum(percent: u32) -> Bytes {
    Bytes((4 << 20) * u64::from(percent) / 100)
}

/// The largest live heap whose peak still fits `limit`.
pub fn largest_live(limit: Bytes, percent: u32) -> Bytes {
    let live = u128::from(limit.0) * 100 / (100 + u128::from(percent));
    Bytes(u64::try_from(live).unwrap_or(limit.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_runtime_does_not_read_is_100() {
        for (text, expected) in [
            ("off", Some(Gogc::Off)),
            ("-1", Some(Gogc::Off)),
            ("0", Some(Gogc::Percent(0))),
            ("", Some(Gogc::Percent(100))),
            ("50", Some(Gogc::Percent(50))),
            ("50%", None),
            ("1.5", None),
            ("abc", None),
            (" 50", None),
            ("OFF", None),
            ("4294967296", None),
        ] {
            assert_eq!(parse(text, None), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(heap_minimum(10), Bytes(419_430));
        assert_eq!(largest_live(Bytes::mib(512), 100), Bytes::mib(256));
        assert_eq!(largest_live(Bytes::mib(300), 50), Bytes::mib(200));
    }
}
