//! Kubernetes quantities, exactly as the API server reads them.
//!
//! Source: `ParseQuantity` in k8s.io/apimachinery v0.37.2 `pkg/api/resource/quantity.go`. The test table
//! `testdata/quantity.tsv` was printed by that function.
//!
//! Differences, on purpose: a value outside int64 saturates here, where `Value()` wraps or answers 0.

use std::fmt;

/// `1 byte`, `2 bytes`.
pub fn counted(n: u64, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl Bytes {
    /// One KiB in bytes.
    pub const KIB: u64 = 1 << 10;
    /// One MiB in bytes.
    pub const MIB: u64 = 1 << 20;
    /// One GiB in bytes.
    pub const GIB: u64 = 1 << 30;

    /// `n` MiB.
    pub const fn mib(n: u64) -> Bytes {
        Bytes(n.saturating_mul(Bytes::MIB))
    }

    /// `percent` of this size, rounded down.
    pub fn percent(self, percent: u64) -> Bytes {
        let scaled = u128::from(self.0) * u128::from(percent) / 100;
        Bytes(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// What is left of this size after `other`; zero when nothing is.
    pub fn minus(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Bytes {
    /// `512 MiB`, `1536 MiB`, `953.7 MiB`, `512 B`: a whole number where one below 10000 is exact, else one decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 6] =
            [("EiB", 60), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        for (unit, shift) in UNITS {
            let size = 1_u64 << shift;
            if self.0 >= size && self.0.is_multiple_of(size) && self.0 >> shift < 10_000 {
                return write!(f, "{} {unit}", self.0 >> shift);
            }
        }
        for (unit, shift) in UNITS {
            if self.0 >> shift > 0 {
                let tenths = (u128::from(self.0) * 10 + (1_u128 << (shift - 1))) >> shift;
                return write!(f, "{}.{} {unit}", tenths / 10, tenths % 10);
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// Thousandths of a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millicores(pub u64);

impl Millicores {
    /// Whole CPUs, rounded up.
    pub fn ceil_cpus(self) -> u64 {
        self.0.div_ceil(1000)
    }

    /// Whole CPUs, rounded down.
    pub fn floor_cpus(self) -> u64 {
        self.0 / 1000
    }

    /// Whether this is a whole number of CPUs, at least one.
    pub fn is_whole(self) -> bool {
        self.0 > 0 && self.0.is_multiple_of(1000)
    }
}

impl fmt::Display for Millicores {
    /// `500m` below one CPU, else `1 CPU`, `1.5 CPU`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return write!(f, "{}m", self.0);
        }
        let fraction = format!("{:03}", self.0 % 1000);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{} CPU", self.0 / 1000),
            digits => write!(f, "{}.{digits} CPU", self.0 / 1000),
        }
    }
}

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Nothing was written.
    #[error("a quantity must not be empty")]
    Empty,
    /// The number is followed by characters that cannot belong to a suffix (`512 Mi`, `1_000`).
    #[error("a quantity is a number and a suffix without anything between or after")]
    Format,
    /// The suffix is none of the known ones.
    #[error("unknown suffix `{suffix}`{}", .meant.as_ref().map(|m| format!("; `{m}` is one")).unwrap_or_default())]
    Suffix {
        /// What follows the number.
        suffix: String,
        /// The suffix that was probably meant (`MB` -> `M`).
        meant: Option<&'static str>,
    },
}

/// How a quantity was written; the API server prints it back in the same family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    /// No suffix at all.
    None,
    /// `n u m k M G T P E`, as the power of ten.
    Decimal(i32),
    /// `Ki Mi Gi Ti Pi Ei`, as the power of two.
    Binary(u32),
    /// `e3`, `E+3`.
    Exponent(i32),
}

/// A parsed quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    /// Billionths, rounded away from zero, saturated.
    nano: i128,
    /// How it was written.
    pub suffix: Suffix,
}

const NANO: i128 = 1_000_000_000;
const MAX: i128 = i64::MAX as i128 * NANO;

impl Quantity {
    /// Reads a quantity. Accepts everything the API server accepts, oddities like `.` or `+` (zero) included.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Empty);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, rest) = split_digits(rest);
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", rest),
        };
        let suffix = read_suffix(rest)?;
        // A suffix without a number is zero where upstream's fast path reads it (`Mi`), and refused on its slow path.
        let slow = match suffix {
            Suffix::Binary(e) => e >= 50,
            Suffix::Exponent(e) | Suffix::Decimal(e) => e < -9,
            Suffix::None => false,
        };
        if whole.is_empty() && fraction.is_empty() && slow {
            return Err(QuantityError::Format);
        }
        let nano = magnitude(whole, fraction, suffix);
        Ok(Quantity { nano: if negative { -nano } else { nano }, suffix })
    }

    /// Whether it is below zero; the API server refuses that for resources.
    pub fn is_negative(self) -> bool {
        self.nano < 0
    }

    /// Whether it is exactly zero. A zero quantity counts as unset for the class of service.
    pub fn is_zero(self) -> bool {
        self.nano == 0
    }

    /// The value as bytes, rounded up like `Value()`; negative is 0.
    pub fn bytes(self) -> Bytes {
        Bytes(self.scaled(NANO))
    }

    /// The value in thousandths, rounded up like `MilliValue()`; negative is 0.
    pub fn millicores(self) -> Millicores {
        Millicores(self.scaled(NANO / 1000))
    }

    /// The value in whole units, rounded up; negative is 0.
    pub fn units(self) -> u64 {
        self.scaled(NANO)
    }

    /// The sum, saturated; written as this one is.
    #[must_use]
    pub fn plus(self, other: Quantity) -> Quantity {
        Quantity { nano: (self.nano + other.nano).clamp(-MAX, MAX), suffix: self.suffix }
    }

    fn scaled(self, unit: i128) -> u64 {
        let positive = self.nano.max(0);
        let up = positive / unit + i128::from(positive % unit != 0);
        u64::try_from(up.min(i128::from(i64::MAX))).unwrap_or(0)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.nano.cmp(&other.nano))
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn read_suffix(text: &str) -> Result<Suffix, QuantityError> {
    // The API server first cuts the text by character class and reports what does not fit as a format error.
    let letters = text.bytes().position(|b| !b"eEinumkKMGTP".contains(&b)).unwrap_or(text.len());
    let tail = &text[letters..];
    let digits = tail.strip_prefix(['+', '-']).unwrap_or(tail);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(match meant_suffix(text) {
            Some(meant) => QuantityError::Suffix { suffix: clip(text), meant: Some(meant) },
            None => QuantityError::Format,
        });
    }
    Ok(match text {
        "" => Suffix::None,
        "n" => Suffix::Decimal(-9),
        "u" => Suffix::Decimal(-6),
        "m" => Suffix::Decimal(-3),
        "k" => Suffix::Decimal(3),
        "M" => Suffix::Decimal(6),
        "G" => Suffix::Decimal(9),
        "T" => Suffix::Decimal(12),
        "P" => Suffix::Decimal(15),
        "E" => Suffix::Decimal(18),
        "Ki" => Suffix::Binary(10),
        "Mi" => Suffix::Binary(20),
        "Gi" => Suffix::Binary(30),
        "Ti" => Suffix::Binary(40),
        "Pi" => Suffix::Binary(50),
        "Ei" => Suffix::Binary(60),
        _ => match text.strip_prefix(['e', 'E']).map(str::parse::<i64>) {
            // The exponent is cut to 32 bits upstream, so that e4294967296 is e0.
            Some(Ok(exponent)) => Suffix::Exponent(exponent as i32),
            _ => {
                return Err(QuantityError::Suffix {
                    suffix: clip(text),
                    meant: meant_suffix(text),
                });
            }
        },
    })
}

/// A suffix is quoted in messages; hostile input must not make them long.
fn clip(text: &str) -> String {
    text.chars().take(16).collect()
}

fn meant_suffix(text: &str) -> Option<&'static str> {
    let lower = text.trim().to_ascii_lowercase();
    Some(match lower.as_str() {
        "k" | "kb" => "k",
        "ki" | "kib" => "Ki",
        "m" | "mb" => "M",
        "mi" | "mib" => "Mi",
        "g" | "gb" => "G",
        "gi" | "gib" => "Gi",
        "t" | "tb" => "T",
        "ti" | "tib" => "Ti",
        "p" | "pb" => "P",
        "pi" | "pib" => "Pi",
        _ => return None,
    })
}

/// Billionths of `whole.fraction` times the suffix; what is lost below them rounds up.
fn magnitude(whole: &str, fraction: &str, suffix: Suffix) -> i128 {
    let (exponent, binary) = match suffix {
        Suffix::None => (0, 0),
        Suffix::Decimal(e) | Suffix::Exponent(e) => (i64::from(e), 0),
        Suffix::Binary(e) => (0, e),
    };
    // digits * 10^scale, first significant digit first. A long tail of fraction digits only matters for rounding.
    let digits: Vec<u8> =
        whole.bytes().chain(fraction.bytes()).skip_while(|b| *b == b'0').collect();
    let dropped = digits.len().saturating_sub(30);
    let mut value: i128 = 0;
    for digit in digits.iter().take(30) {
        value = value * 10 + i128::from(digit - b'0');
    }
    let mut inexact = digits.iter().skip(30).any(|b| *b != b'0');
    if value == 0 {
        return 0;
    }
    let mut scale = dropped as i64 - fraction.len() as i64 + exponent + 9;
    // 30 digits times 2^60 exceed 128 bits: shift in two steps and saturate, the cap is 2^63 units anyway.
    let mut shift = binary;
    while shift > 0 || scale != 0 {
        if scale < 0 && (shift == 0 || value.checked_mul(2).is_none()) {
            inexact |= value % 10 != 0;
            value /= 10;
            scale += 1;
            if value == 0 && shift == 0 {
                break;
            }
        } else if shift > 0 {
            let Some(doubled) = value.checked_mul(2) else { return MAX };
            value = doubled;
            shift -= 1;
        } else {
            let Some(grown) = value.checked_mul(10) else { return MAX };
            value = grown;
            scale -= 1;
        }
    }
    (value + i128::from(inexact)).min(MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_the_api_server_on_a_grid_of_texts() {
        let table = include_str!("testdata/quantity.tsv");
        let mut rows = 0;
        for line in table.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let text: String =
                serde_json::from_str(columns[0]).expect("Go quotes these texts as JSON does");
            let ours = Quantity::parse(&text);
            match columns[1] {
                "error" => assert!(ours.is_err(), "{text:?} is refused upstream, here {ours:?}"),
                "negative" => {
                    assert!(ours.as_ref().is_ok_and(|q| q.is_negative()), "{text:?}: {ours:?}")
                }
                _ => {
                    let ours = ours.unwrap_or_else(|e| panic!("{text:?}: {e}"));
                    assert_eq!(ours.bytes().0.to_string(), columns[2], "Value of {text:?}");
                    assert_eq!(
                        ours.millicores().0.to_string(),
                        columns[3],
                        "MilliValue of {text:?}"
                    );
                }
            }
            rows += 1;
        }
        assert!(rows > 1000, "the table is cut: {rows} rows");
    }

    #[track_caller]
    fn bytes(text: &str) -> u64 {
        Quantity::parse(text).unwrap().bytes().0
    }

    #[track_caller]
    fn millicores(text: &str) -> u64 {
        Quantity::parse(text).unwrap().millicores().0
    }

    #[test]
    fn the_worked_examples_of_memory() {
        assert_eq!(bytes("512m"), 1);
        assert_eq!(bytes("1.5Gi"), 1_610_612_736);
        assert_eq!(bytes("1G"), 1_000_000_000);
        assert_eq!(bytes("129e6"), 129_000_000);
        assert_eq!(bytes("1E"), 1_000_000_000_000_000_000);
        assert_eq!(bytes("1E3"), 1000);
        assert_eq!(bytes("9Ei"), i64::MAX as u64);
    }

    #[test]
    fn the_worked_examples_of_cpu() {
        for text in ["0.5", "500m", "5e-1", ".5"] {
            assert_eq!(millicores(text), 500, "{text}");
        }
        assert_eq!(millicores("0.1m"), 1);
        assert_eq!(millicores("100u"), 1);
        assert_eq!(millicores("5."), 5000);
        assert_eq!(millicores("1e3"), 1_000_000);
    }

    #[test]
    fn a_wrong_suffix_names_the_right_one() {
        for (text, meant) in
            [("1K", "k"), ("1ki", "Ki"), ("512MB", "M"), ("512 Mi", "Mi"), ("1gib", "Gi")]
        {
            match Quantity::parse(text) {
                Err(QuantityError::Suffix { meant: Some(m), .. }) => assert_eq!(m, meant, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!(
            Quantity::parse("512MB").unwrap_err().to_string(),
            "unknown suffix `MB`; `M` is one"
        );
        assert_eq!(Quantity::parse(""), Err(QuantityError::Empty));
        assert_eq!(Quantity::parse("{{ .Values.mem }}"), Err(QuantityError::Format));
    }

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (536_870_912, "512 MiB"),
            (1_610_612_736, "1536 MiB"),
            (2 * Bytes::GIB, "2 GiB"),
            (1_000_000_000, "953.7 MiB"),
            (460 * Bytes::MIB, "460 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        for (m, text) in
            [(0, "0m"), (500, "500m"), (1000, "1 CPU"), (1500, "1.5 CPU"), (2250, "2.25 CPU")]
        {
            assert_eq!(Millicores(m).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}") {
            let _ = Quantity::parse(&text);
        }

        #[test]
        fn extreme_numbers_neither_panic_nor_hang(digits in "[0-9]{0,60}", fraction in "[0-9]{0,60}", exponent in any::<i64>(), sign in "[+-]?") {
            let _ = Quantity::parse(&format!("{sign}{digits}.{fraction}e{exponent}"));
            let _ = Quantity::parse(&format!("{sign}{digits}.{fraction}Ei"));
        }

        #[test]
        fn more_is_never_less(a in 0_u64..1 << 53, b in 0_u64..1 << 53, suffix in prop::sample::select(vec!["", "m", "k", "Mi", "e2", "n"])) {
            let (low, high) = (a.min(b), a.max(b));
            let (low, high) = (format!("{low}{suffix}"), format!("{high}{suffix}"));
            prop_assert!(bytes(&low) <= bytes(&high), "{} {}", low, high);
            prop_assert!(millicores(&low) <= millicores(&high), "{} {}", low, high);
        }

        #[test]
        fn rounding_goes_up_by_less_than_one(n in 0_u64..1 << 40) {
            let (milli, micro) = (format!("{n}m"), format!("{n}u"));
            prop_assert_eq!(bytes(&milli), n.div_ceil(1000));
            prop_assert_eq!(millicores(&micro), n.div_ceil(1000));
        }
    }
}
