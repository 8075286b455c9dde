//! GOMEMLIMIT: what the runtime reads, where it stands against the container's limit, and what to write instead.
//!
//! Sources: `readGOMEMLIMIT` in runtime/mgcpacer.go and `parseByteCount` in runtime/string.go, Go 1.19 to 1.27 (the grammar
//! is the same, the integer reader changed in 1.26, see `goint`); automemlimit v1.0.1 `memlimit/memlimit.go`.
//! `testdata/gomemlimit.tsv` holds what real processes answered.

use std::fmt;

use goformats::version::GoVersion;

use super::goint::parse_int64;
use super::quantity::{Bytes, Quantity};

/// Below this a Go program does nothing but collect: the runtime alone needs some MiB.
pub const SMALLEST_PLAUSIBLE: Bytes = Bytes::mib(8);

/// Under a container's limit below this a GOMEMLIMIT gains little.
pub const SMALL: Bytes = Bytes::mib(64);

/// A GOMEMLIMIT that the runtime accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemLimit {
    /// Empty or `off`: no limit.
    Off,
    /// A soft limit for what the runtime manages.
    Set(Bytes),
}

/// What is wrong with a GOMEMLIMIT that stops the runtime at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// `0.5GiB`, `1.5G`.
    Decimals,
    /// `512 MiB`, a trailing line end.
    Space,
    /// `-1`.
    Negative,
    /// `512Mi`, `1G`, `512MB`, `512mib`: a number with a unit other than `B`, `KiB`, `MiB`, `GiB`, `TiB`.
    Unit,
    /// More than the largest int64.
    TooLarge,
    /// No number at the start.
    NotANumber,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Decimals => "it takes no decimals",
            Reason::Space => "it takes no spaces",
            Reason::Negative => "it takes no negative number",
            Reason::Unit => "its units are B, KiB, MiB, GiB and TiB",
            Reason::TooLarge => "it does not fit 63 bits",
            Reason::NotANumber => "it is neither a number nor `off`",
        })
    }
}

/// A GOMEMLIMIT at which the runtime ends with `fatal error: malformed GOMEMLIMIT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Why.
    pub reason: Reason,
    /// A value the runtime accepts that is nearest to what was meant.
    pub meant: Option<String>,
    /// Whether there is only one thing it can have meant (a Kubernetes quantity, a unit in the wrong case).
    pub certain: bool,
}

/// Reads a GOMEMLIMIT as the runtime does. Without a version, whatever some release accepts is accepted.
pub fn parse(text: &str, go: Option<&GoVersion>) -> Result<MemLimit, Malformed> {
    if text.is_empty() || text == "off" {
        return Ok(MemLimit::Off);
    }
    match parse_byte_count(text, go) {
        Some(bytes) => Ok(MemLimit::Set(Bytes(bytes))),
        None => Err(explain(text)),
    }
}

fn parse_byte_count(text: &str, go: Option<&GoVersion>) -> Option<u64> {
    let bytes = text.as_bytes();
    let (number, shift) = match bytes {
        [.., b'0'..=b'9'] => (text, 0),
        [.., b'0'..=b'9', b'B'] => (text.strip_suffix('B')?, 0),
        [_, .., b'K', b'i', b'B'] => (text.strip_suffix("KiB")?, 10),
        [_, .., b'M', b'i', b'B'] => (text.strip_suffix("MiB")?, 20),
        [_, .., b'G', b'i', b'B'] => (text.strip_suffix("GiB")?, 30),
        [_, .., b'T', b'i', b'B'] => (text.strip_suffix("TiB")?, 40),
        _ => return None,
    };
    let n = u64::try_from(parse_int64(number, go)?).ok()?;
    n.checked_mul(1 << shift).filter(|v| *v <= i64::MAX as u64)
}

fn explain(text: &str) -> Malformed {
    let trimmed = text.trim();
    let start = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let reason = if !start.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        Reason::NotANumber
    } else if trimmed.starts_with('-') {
        Reason::Negative
    } else if text.contains(char::is_whitespace) {
        Reason::Space
    } else if start.contains('.') {
        Reason::Decimals
    } else if parse_int64(leading_digits(start), None).is_none() {
        Reason::TooLarge
    } else {
        // The number fits; either its unit is none, or the product is too large.
        let unit = &start[leading_digits(start).len()..];
        if ["B", "KiB", "MiB", "GiB", "TiB"].contains(&unit) {
            Reason::TooLarge
        } else {
            Reason::Unit
        }
    };
    let (meant, certain) = match reason {
        Reason::NotANumber if text.trim().eq_ignore_ascii_case("off") => {
            (Some("off".to_owned()), true)
        }
        Reason::NotANumber | Reason::TooLarge => (None, false),
        Reason::Negative => (Some("off".to_owned()), false),
        _ => meant_bytes(text),
    };
    Malformed { reason, meant, certain }
}

fn leading_digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

/// The size a person meant by a text the runtime refuses, written so that the runtime accepts it.
fn meant_bytes(text: &str) -> (Option<String>, bool) {
    let joined: String = text.chars().filter(|c| !c.is_whitespace()).take(64).collect();
    // As Kubernetes would read it. `512m` is one byte there, which nobody means.
    if let Ok(quantity) = Quantity::parse(&joined)
        && !joined.ends_with(['m', 'u', 'n'])
    {
        return (literal(quantity.bytes()), true);
    }
    let end = joined.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(joined.len());
    let (number, unit) = joined.split_at(end);
    let unit = unit.to_ascii_lowercase();
    let (kubernetes, certain) = match unit.as_str() {
        "kib" | "ki" => ("Ki", true),
        "mib" | "mi" => ("Mi", true),
        "gib" | "gi" => ("Gi", true),
        "tib" | "ti" => ("Ti", true),
        "pib" | "pi" => ("Pi", true),
        "b" => ("", true),
        "k" | "kb" => ("k", false),
        "mb" => ("M", false),
        "gb" | "g" => ("G", false),
        "tb" | "t" => ("T", false),
        "m" => ("Mi", false),
        _ => return (None, false),
    };
    let meant = Quantity::parse(&format!("{number}{kubernetes}")).ok();
    (meant.and_then(|q| literal(q.bytes())), certain)
}

/// A size as GOMEMLIMIT writes it: exact in TiB or GiB, else whole MiB rounded down, below one MiB in bytes.
/// `None` for nothing, which would make the collector run all the time.
pub fn literal(size: Bytes) -> Option<String> {
    const TIB: u64 = 1 << 40;
    Some(match size.0 {
        0 => return None,
        n if n % TIB == 0 => format!("{}TiB", n / TIB),
        n if n % Bytes::GIB == 0 => format!("{}GiB", n / Bytes::GIB),
        n if n >= Bytes::MIB => format!("{}MiB", n / Bytes::MIB),
        n => format!("{n}"),
    })
}

/// 90 % of the container's limit in whole MiB: `460MiB` for a limit of 512Mi. `None` below about one MiB.
pub fn recommended(limit: Bytes) -> Option<String> {
    let mib = limit.percent(90).0 / Bytes::MIB;
    (mib > 0).then(|| format!("{mib}MiB"))
}

/// The same where it is known how much the service needs outside of Go's memory, and that is more
/// than a tenth. `None` when nothing is left.
pub fn recommended_beside(limit: Bytes, outside: Bytes) -> Option<String> {
    let mib = limit.percent(90).min(limit.minus(outside)).0 / Bytes::MIB;
    (mib > 0).then(|| format!("{mib}MiB"))
}

/// Where a GOMEMLIMIT stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// Exactly 0: the collector runs all the time, which somebody may have wanted.
    Zero,
    /// Above the container's limit: the kernel kills before the collector works harder.
    AboveLimit,
    /// Below [`SMALLEST_PLAUSIBLE`].
    Implausible,
    /// More than 95 % of the limit: no room for what the runtime does not count.
    NoHeadroom,
    /// Less than 25 % of the limit: most of the memory that was paid for cannot be used well.
    Low,
    /// Between 25 % and 95 % of the limit, or no limit to compare with.
    Good,
}

/// The band of a GOMEMLIMIT against the container's memory limit.
pub fn band(value: Bytes, limit: Option<Bytes>) -> Band {
    let share = |percent: u64| limit.map(|l| u128::from(l.0) * u128::from(percent));
    let scaled = u128::from(value.0) * 100;
    if value.0 == 0 {
        Band::Zero
    } else if limit.is_some_and(|l| value > l) {
        Band::AboveLimit
    } else if value < SMALLEST_PLAUSIBLE {
        Band::Implausible
    } else if share(95).is_some_and(|l| scaled > l) {
        Band::NoHeadroom
    } else if share(25).is_some_and(|l| scaled < l) {
        Band::Low
    } else {
        Band::Good
    }
}

/// How automemlimit is linked into the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Linked {
    /// Not at all.
    #[default]
    Absent,
    /// By its `init`, with known options.
    Init,
    /// Only a `Set` function: the options, and whether it is called, are unknown.
    SetOnly,
}

/// What decides the limit that the runtime works with.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The release that built the binary; `None` when no binary is known.
    pub go: Option<&'a GoVersion>,
    /// The value of GOMEMLIMIT; `None` when the variable does not exist.
    pub gomemlimit: Option<&'a str>,
    /// How automemlimit is linked.
    pub automemlimit: Linked,
    /// The value of AUTOMEMLIMIT; `None` when the variable does not exist.
    pub automemlimit_env: Option<&'a str>,
    /// The container's memory limit.
    pub limit: Option<Bytes>,
}

/// The limit that the runtime works with.
#[derive(Debug, Clone, PartialEq)]
pub enum Effective {
    /// The runtime stops at start.
    Malformed(Malformed),
    /// Before Go 1.19 the variable means nothing.
    IgnoredByRelease,
    /// From the environment.
    Env(Bytes),
    /// From automemlimit: this share of the container's limit.
    Automemlimit {
        /// The limit it sets.
        limit: Bytes,
        /// The share of the container's limit.
        ratio: f64,
    },
    /// Only `memlimit.Set` is linked: there may be a limit.
    Unknown,
    /// No limit.
    Off(OffBecause),
}

/// Why there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffBecause {
    /// GOMEMLIMIT is not set and automemlimit is not linked.
    Unset,
    /// GOMEMLIMIT is empty or `off`.
    Written,
    /// GOMEMLIMIT is empty or `off`, and automemlimit, which is linked, does nothing when the variable exists.
    WrittenOverAutomemlimit,
    /// AUTOMEMLIMIT is `off`.
    AutomemlimitOff,
    /// AUTOMEMLIMIT is no number in (0, 1].
    AutomemlimitInvalid,
    /// automemlimit finds no limit of the container.
    NoContainerLimit,
}

/// The limit that the runtime works with.
pub fn effective(inputs: &Inputs<'_>) -> Effective {
    let old = inputs.go.is_some_and(|go| !go.has_features_of(19));
    if let Some(text) = inputs.gomemlimit {
        if old {
            return Effective::IgnoredByRelease;
        }
        return match parse(text, inputs.go) {
            Err(malformed) => Effective::Malformed(malformed),
            Ok(MemLimit::Set(value)) => Effective::Env(value),
            Ok(MemLimit::Off) if inputs.automemlimit == Linked::Absent => {
                Effective::Off(OffBecause::Written)
            }
            Ok(MemLimit::Off) => Effective::Off(OffBecause::WrittenOverAutomemlimit),
        };
    }
    if inputs.automemlimit == Linked::Absent {
        return Effective::Off(OffBecause::Unset);
    }
    let ratio = match inputs.automemlimit_env {
        Some("off") => return Effective::Off(OffBecause::AutomemlimitOff),
        Some(text) => match text.parse::<f64>() {
            Ok(ratio) if ratio > 0.0 && ratio <= 1.0 => ratio,
            _ => return Effective::Off(OffBecause::AutomemlimitInvalid),
        },
        None if inputs.automemlimit == Linked::SetOnly => return Effective::Unknown,
        None => 0.9,
    };
    match inputs.limit {
        Some(limit) => {
            Effective::Automemlimit { limit: Bytes((limit.0 as f64 * ratio) as u64), ratio }
        }
        None => Effective::Off(OffBecause::NoContainerLimit),
    }
}

/// What `resourceFieldRef` on memory gives: the size divided by the divisor, rounded up, as a bare number.
///
/// A divisor that is absent or 0 is 1. Source: `convertResourceMemoryToString` in k8s.io/kubernetes v1.37.2
/// pkg/api/v1/resource/helpers.go. Without a limit the size is the node's allocatable memory.
pub fn resource_field(size: Bytes, divisor: Option<Quantity>) -> u64 {
    let divisor = divisor.map_or(1, |d| d.bytes().0.max(1));
    size.0.div_ceil(divisor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_real_processes() {
        let mut rows = 0;
        for line in include_str!("testdata/gomemlimit.tsv").lines().filter(|l| !l.starts_with('#'))
        {
            let columns: Vec<&str> = line.split('\t').collect();
            let go = GoVersion::parse(columns[0]).expect("the table names releases");
            let text: String = serde_json::from_str(columns[1]).expect("texts are quoted");
            let ours = match parse(&text, Some(&go)) {
                Err(_) => "fatal".to_owned(),
                Ok(MemLimit::Off) => i64::MAX.to_string(),
                Ok(MemLimit::Set(bytes)) => bytes.0.to_string(),
            };
            assert_eq!(ours, columns[2], "GOMEMLIMIT={text:?} with {go}");
            rows += 1;
        }
        assert!(rows > 250, "the table is cut: {rows} rows");
    }

    #[track_caller]
    fn refused(text: &str) -> Malformed {
        parse(text, None).expect_err(text)
    }

    #[test]
    fn what_was_meant() {
        for (text, reason, meant, certain) in [
            ("512Mi", Reason::Unit, Some("512MiB"), true),
            ("0.5GiB", Reason::Decimals, Some("512MiB"), true),
            ("1G", Reason::Unit, Some("953MiB"), true),
            ("512M", Reason::Unit, Some("488MiB"), true),
            ("512MB", Reason::Unit, Some("488MiB"), false),
            ("512 MiB", Reason::Space, Some("512MiB"), true),
            ("512mib", Reason::Unit, Some("512MiB"), true),
            ("512m", Reason::Unit, Some("512MiB"), false),
            ("1e9", Reason::Unit, Some("953MiB"), true),
            ("2Gi", Reason::Unit, Some("2GiB"), true),
            ("9PiB", Reason::Unit, Some("9216TiB"), true),
            ("-1", Reason::Negative, Some("off"), false),
            ("OFF", Reason::NotANumber, Some("off"), true),
            ("512MiB\n", Reason::Space, Some("512MiB"), true),
            ("8388608TiB", Reason::TooLarge, None, false),
            ("99999999999999999999", Reason::TooLarge, None, false),
            ("$(MEM)", Reason::NotANumber, None, false),
        ] {
            let malformed = refused(text);
            assert_eq!(
                (malformed.reason, malformed.meant.as_deref(), malformed.certain),
                (reason, meant, certain),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_plus_is_refused_only_where_the_release_is_known_to_refuse_it() {
        let go = GoVersion::release;
        assert!(parse("+512MiB", Some(&go(25, 5))).is_err());
        assert!(parse("+512MiB", Some(&go(26, 0))).is_ok());
        assert!(parse("+512MiB", None).is_ok());
    }

    #[test]
    fn the_recommended_literal_is_ninety_percent() {
        for (limit, literal) in
            [("512Mi", "460MiB"), ("2Gi", "1843MiB"), ("128Mi", "115MiB"), ("1G", "858MiB")]
        {
            let limit = Quantity::parse(limit).unwrap().bytes();
            assert_eq!(recommended(limit).as_deref(), Some(literal));
        }
        assert_eq!(recommended(Bytes(1)), None);
    }

    #[test]
    fn bands() {
        let limit = Some(Bytes::mib(1000));
        for (mib, expected) in [
            (1001, Band::AboveLimit),
            (1000, Band::NoHeadroom),
            (951, Band::NoHeadroom),
            (950, Band::Good),
            (250, Band::Good),
            (249, Band::Low),
            (8, Band::Low),
            (7, Band::Implausible),
            (0, Band::Zero),
        ] {
            assert_eq!(band(Bytes::mib(mib), limit), expected, "{mib} MiB of 1000 MiB");
        }
        assert_eq!(band(Bytes(512), None), Band::Implausible);
        assert_eq!(band(Bytes::mib(512), None), Band::Good);
    }

    #[test]
    fn a_divisor_makes_bytes_of_mebibytes() {
        let size = Bytes::mib(512);
        assert_eq!(resource_field(size, None), size.0);
        assert_eq!(resource_field(size, Quantity::parse("0").ok()), size.0);
        assert_eq!(resource_field(size, Quantity::parse("1Mi").ok()), 512);
        assert_eq!(resource_field(Bytes(Bytes::MIB + 1), Quantity::parse("1Mi").ok()), 2);
    }

    #[test]
    fn the_source_of_the_limit() {
        let go127 = GoVersion::release(27, 3);
        let go118 = GoVersion::release(18, 10);
        let base = Inputs {
            go: Some(&go127),
            gomemlimit: None,
            automemlimit: Linked::Absent,
            automemlimit_env: None,
            limit: Some(Bytes::mib(1000)),
        };
        let auto = Inputs { automemlimit: Linked::Init, ..base };
        assert_eq!(effective(&base), Effective::Off(OffBecause::Unset));
        assert_eq!(
            effective(&Inputs { gomemlimit: Some("off"), ..base }),
            Effective::Off(OffBecause::Written)
        );
        assert_eq!(effective(&Inputs { gomemlimit: Some("1B"), ..base }), Effective::Env(Bytes(1)));
        assert_eq!(
            effective(&Inputs { go: Some(&go118), gomemlimit: Some("512Mi"), ..base }),
            Effective::IgnoredByRelease
        );
        assert!(matches!(
            effective(&Inputs { gomemlimit: Some("512Mi"), ..base }),
            Effective::Malformed(_)
        ));
        assert_eq!(
            effective(&auto),
            Effective::Automemlimit { limit: Bytes::mib(900), ratio: 0.9 }
        );
        assert_eq!(
            effective(&Inputs { gomemlimit: Some(""), ..auto }),
            Effective::Off(OffBecause::WrittenOverAutomemlimit)
        );
        assert_eq!(
            effective(&Inputs { automemlimit_env: Some("off"), ..auto }),
            Effective::Off(OffBecause::AutomemlimitOff)
        );
        assert_eq!(
            effective(&Inputs { automemlimit_env: Some("0.5"), ..auto }),
            Effective::Automemlimit { limit: Bytes::mib(500), ratio: 0.5 }
        );
        for invalid in ["0", "1.1", "-1", "half", "NaN"] {
            assert_eq!(
                effective(&Inputs { automemlimit_env: Some(invalid), ..auto }),
                Effective::Off(OffBecause::AutomemlimitInvalid),
                "{invalid}"
            );
        }
        assert_eq!(
            effective(&Inputs { limit: None, ..auto }),
            Effective::Off(OffBecause::NoContainerLimit)
        );
        assert_eq!(
            effective(&Inputs { automemlimit: Linked::SetOnly, ..base }),
            Effective::Unknown
        );
    }

    proptest! {
        #[test]
        fn what_is_suggested_is_accepted(text in "[0-9. -]{0,6}[kKmMgGtTpPeEibB ]{0,4}") {
            if let Err(Malformed { meant: Some(meant), .. }) = parse(&text, None) {
                prop_assert!(parse(&meant, Some(&GoVersion::release(19, 0))).is_ok(), "{} -> {}", text, meant);
            }
        }

        #[test]
        fn a_recommended_limit_is_good(limit in Bytes::mib(16).0..1 << 45) {
            let literal = recommended(Bytes(limit)).expect("more than one MiB");
            let Ok(MemLimit::Set(value)) = parse(&literal, None) else { panic!("{literal}") };
            prop_assert_eq!(band(value, Some(Bytes(limit))), Band::Good);
        }
    }
}
