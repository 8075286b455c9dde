//! Heap profiles as `/debug/pprof/heap` gives them, unpacked: a `Profile` of `profile.proto` of google/pprof, which
//! `runtime/pprof/protomem.go` writes; with `?debug=1` a text (`text.rs`).
//!
//! # Constraints
//!
//! - Tables are read in one walk and samples in a second, whatever order they stand in; both are linear.
//! - An entry of a table takes two bytes of a hostile file: tables have limits, and what goes beyond them is told.
//! - Numbers of functions and places are whatever a hostile file says, and any of them may have one name as long as the
//!   file: nothing hashes the former without a secret, and the latter are cut before they are compared.

mod text;

use std::collections::BTreeMap;

use crate::protobuf::{Fields, Malformed, Value};

/// Entries of each table: strings, functions, places in the code.
const MOST: usize = 1 << 19;
/// Functions that are kept, of those that allocated most.
const MOST_FUNCTIONS: usize = 64;
/// Bytes of a function's name that are kept.
const LONGEST: usize = 256;
/// Kinds of samples; a heap profile has four.
const MOST_KINDS: usize = 32;

/// Why a profile was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is cut, or no profile.
    Malformed,
    /// Its samples are of something else than the heap.
    NotOfHeap,
    /// One of its tables is larger than any that a Go program has.
    TooLarge,
}

impl From<Malformed> for Unread {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What a heap profile says. Sizes are the runtime's estimates for all of the heap, made of samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// When it was written, or, of a text, when the collection before it ended: nanoseconds since 1970.
    pub time_ns: Option<u64>,
    /// Bytes that are allocated between two samples, on average (`runtime.MemProfileRate`).
    pub rate: u64,
    /// Bytes that were alive at the last collection before it (`inuse_space`).
    pub in_use: u64,
    /// Bytes that were allocated since the program was started (`alloc_space`).
    pub allocated: u64,
    /// What functions allocated that was alive, those with most of it first: `flat` of `go tool pprof -top`.
    pub functions: Vec<Function>,
}

/// A function that allocated something that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// `main.order`
    pub name: String,
    /// Bytes.
    pub in_use: u64,
}

/// Whether a file begins as a profile: with the type of its period or of a sample, whose parts are two numbers; or with
/// the first line of a text.
pub fn is_one(head: &[u8]) -> bool {
    // Field 1 or 11, its length, and field 1 or 2 inside of it: in no text one stands behind the other.
    matches!(head, [0x0a | 0x5a, 2..=12, 0x08 | 0x10, ..]) || text::is_one(head)
}

/// Reads a profile.
///
/// # Errors
/// When it is none, none of the heap, or larger than is read.
pub fn heap(bytes: &[u8]) -> Result<Heap, Unread> {
    if text::is_one(bytes) {
        return text::heap(bytes);
    }
    let tables = Tables::read(bytes)?;
    let kind =
        |name: &[u8]| tables.kinds.iter().position(|kind| tables.string(*kind) == Some(name));
    let in_use = kind(b"inuse_space").ok_or(Unread::NotOfHeap)?;
    let allocated = kind(b"alloc_space");
    let mut heap = Heap { time_ns: tables.time_ns, rate: tables.period, ..Heap::default() };
    let mut functions: BTreeMap<u64, i64> = BTreeMap::new();
    let (mut all_in_use, mut all_allocated) = (0_i64, 0_i64);
    let mut values = Vec::new();
    for field in Fields::of(bytes) {
        let (2, sample) = field? else { continue };
        let mut place = None;
        values.clear();
        for field in Fields::of(sample.bytes()?) {
            match field? {
                (1, ids) if place.is_none() => place = first(ids)?,
                (2, counts) => numbers(counts, &mut values)?,
                _ => {}
            }
        }
        let of = |kind: usize| values.get(kind).copied().unwrap_or(0) as i64;
        let alive = of(in_use);
        all_in_use = all_in_use.saturating_add(alive);
        all_allocated = all_allocated.saturating_add(allocated.map_or(0, of));
        if alive != 0 {
            // The innermost frame is the first one.
            let function = place.and_then(|place| tables.places.get(&place).copied());
            let sum = functions.entry(function.unwrap_or(0)).or_default();
            *sum = sum.saturating_add(alive);
        }
    }
    // In the difference of two profiles there are negative ones.
    let positive = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
    (heap.in_use, heap.allocated) = (positive(all_in_use), positive(all_allocated));
    heap.functions = tables.named(functions);
    Ok(heap)
}

/// The first number of a repeated field, packed or not.
fn first(value: Value<'_>) -> Result<Option<u64>, Malformed> {
    match value {
        Value::Bytes(packed) => Fields::of(packed).packed_number(),
        value => value.number().map(Some),
    }
}

fn numbers(value: Value<'_>, into: &mut Vec<u64>) -> Result<(), Malformed> {
    let mut push = |number| {
        if into.len() < MOST_KINDS {
            into.push(number);
        }
    };
    match value {
        Value::Bytes(packed) => {
            let mut packed = Fields::of(packed);
            while let Some(number) = packed.packed_number()? {
                push(number);
            }
        }
        value => push(value.number()?),
    }
    Ok(())
}

#[derive(Default)]
struct Tables<'b> {
    strings: Vec<&'b [u8]>,
    /// Names of kinds of samples.
    kinds: Vec<u64>,
    /// The name of each function.
    functions: BTreeMap<u64, u64>,
    /// The innermost function of each place.
    places: BTreeMap<u64, u64>,
    time_ns: Option<u64>,
    period: u64,
}

impl<'b> Tables<'b> {
    fn read(bytes: &'b [u8]) -> Result<Self, Unread> {
        let mut tables = Self::default();
        for field in Fields::of(bytes) {
            match field? {
                (1, kind) if tables.kinds.len() < MOST_KINDS => {
                    tables.kinds.push(number_in(kind, 1)?);
                }
                (4, place) => {
                    let bytes = place.bytes()?;
                    let line = find(bytes, 4)?.map(Value::bytes).transpose()?;
                    let function = match line {
                        Some(line) => find(line, 1)?.map_or(Ok(0), Value::number)?,
                        None => 0,
                    };
                    tables.places.insert(number_in(place, 1)?, function);
                }
                (5, function) => {
                    tables.functions.insert(number_in(function, 1)?, number_in(function, 2)?);
                }
                (6, text) => tables.strings.push(text.bytes()?),
                (9, time) => tables.time_ns = Some(time.number()?).filter(|time| *time > 0),
                (12, period) => tables.period = period.number()?,
                _ => {}
            }
            let largest = tables.strings.len().max(tables.places.len()).max(tables.functions.len());
            if largest > MOST {
                return Err(Unread::TooLarge);
            }
        }
        Ok(tables)
    }

    fn string(&self, index: u64) -> Option<&'b [u8]> {
        self.strings.get(usize::try_from(index).ok()?).copied()
    }

    /// Sums by name: functions of one name may be several.
    fn named(&self, functions: BTreeMap<u64, i64>) -> Vec<Function> {
        let mut by_name: BTreeMap<&[u8], i64> = BTreeMap::new();
        for (function, bytes) in functions {
            let name = self.functions.get(&function).and_then(|name| self.string(*name));
            let name = name.unwrap_or(b"?");
            let sum = by_name.entry(name.get(..LONGEST).unwrap_or(name)).or_default();
            *sum = sum.saturating_add(bytes);
        }
        ranked(by_name)
    }
}

/// Those that have most first.
fn ranked(by_name: BTreeMap<&[u8], i64>) -> Vec<Function> {
    let mut all: Vec<(&[u8], u64)> = by_name
        .into_iter()
        .filter_map(|(name, bytes)| Some((name, u64::try_from(bytes).ok()?)))
        .filter(|(_, bytes)| *bytes > 0)
        .collect();
    all.sort_unstable_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    let kept = all.into_iter().take(MOST_FUNCTIONS);
    kept.map(|(name, in_use)| Function { name: String::from_utf8_lossy(name).into_owned(), in_use })
        .collect()
}

/// The first field of that number in a message.
fn find(message: &[u8], number: u32) -> Result<Option<Value<'_>>, Malformed> {
    for field in Fields::of(message) {
        let (of, value) = field?;
        if of == number {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// A number in a message; zeros are left out of it.
fn number_in(message: Value<'_>, number: u32) -> Result<u64, Malformed> {
    find(message.bytes()?, number)?.map_or(Ok(0), Value::number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    /// Two kinds of samples, two functions of one name and one without, and tables behind the samples.
    fn profile(names: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(field(1, &[0x08, 1]));
        bytes.extend(field(1, &[0x08, 2]));
        // Places 1 and 9, 100 bytes; place 2 not packed; place 3 freed more than it kept; place 4 is none.
        bytes.extend(field(2, &[0x0a, 2, 1, 9, 0x12, 2, 7, 100]));
        bytes.extend(field(2, &[0x08, 2, 0x10, 5, 0x10, 30]));
        let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        bytes.extend(field(2, &[&[0x0a, 1, 3, 0x12, 11, 0][..], &minus_one].concat()));
        bytes.extend(field(2, &[0x0a, 1, 4, 0x12, 2, 0, 10]));
        for (place, function) in [(1, 1), (2, 2), (3, 3), (9, 3)] {
            // The innermost function stands first.
            let line = field(4, &[0x08, function]);
            let outer = field(4, &[0x08, 3]);
            bytes.extend(field(4, &[&[0x08, place][..], &line, &outer].concat()));
        }
        for (function, name) in [(1, 3), (2, 3), (3, 4)] {
            bytes.extend(field(5, &[0x08, function, 0x10, name]));
        }
        for name in names {
            bytes.extend(field(6, name.as_bytes()));
        }
        bytes.extend([12 << 3, 64]);
        bytes
    }

    #[test]
    fn samples_are_summed_by_the_function_that_allocated() {
        let bytes = profile(&["", "alloc_space", "inuse_space", "main.order", "main.main"]);
        let of = |name: &str, in_use| Function { name: name.to_owned(), in_use };
        let expected = Heap {
            time_ns: None,
            rate: 64,
            in_use: 139,
            allocated: 12,
            functions: vec![of("main.order", 130), of("?", 10)],
        };
        assert_eq!(heap(&bytes), Ok(expected));
        assert!(is_one(&bytes));
    }

    #[test]
    fn a_profile_of_something_else_is_told_apart_and_a_torn_one_is_none() {
        let other = profile(&["", "samples", "cpu", "main.order", "main.main"]);
        assert_eq!(heap(&other), Err(Unread::NotOfHeap));
        assert_eq!(heap(&[]), Err(Unread::NotOfHeap));
        let bytes = profile(&["", "alloc_space", "inuse_space", "main.order", "main.main"]);
        assert_eq!(heap(&bytes[..bytes.len() - 3]), Err(Unread::Malformed));
        for head in ["", "\n", "Z", "\n{\n", "gc 1 @0.1s", "\n\n  x"] {
            assert!(!is_one(head.as_bytes()), "{head:?}");
        }
    }

    /// A number as it is written.
    fn varint(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    /// Places by number, each with the function of its number, a sample of one byte and that name.
    fn of_places(numbers: impl Iterator<Item = u64>, name: &[u8]) -> Vec<u8> {
        let mut bytes = field(1, &[0x08, 1]);
        for text in [b"".as_slice(), b"inuse_space", name] {
            bytes.extend([&[0x32], &*varint(text.len() as u64), text].concat());
        }
        for number in numbers {
            let number = varint(number);
            let line = [&[0x08], &*number].concat();
            bytes.extend(field(2, &[&[0x08], &*number, &[0x10, 1]].concat()));
            bytes.extend(field(4, &[&[0x08], &*number, &field(4, &line)].concat()));
            bytes.extend(field(5, &[&[0x08], &*number, &[0x10, 2]].concat()));
        }
        bytes
    }

    /// By a hash that has no secret all of them fell together, and each was compared with all before it.
    #[test]
    fn numbers_that_are_chosen_to_collide_do_not_take_long() {
        // The factor of rustc-hash 2, whose inverse makes the number of each hash, by Newton's method.
        const FACTOR: u64 = 0xf135_7aea_2e62_a9c5;
        let mut inverse = 1_u64;
        for _ in 0..6 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(FACTOR.wrapping_mul(inverse)));
        }
        let all = 200_000;
        let bytes = of_places((1..=all).map(|hash| inverse.wrapping_mul(hash)), b"main.order");
        let began = std::time::Instant::now();
        let heap = heap(&bytes).unwrap();
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
        assert_eq!(heap.functions, [Function { name: "main.order".to_owned(), in_use: all }]);
    }

    /// It was hashed whole for each function that had it.
    #[test]
    fn a_long_name_that_all_functions_have_does_not_take_long() {
        let all = 200_000;
        let bytes = of_places(1..=all, &[b'a'; 4 << 20]);
        let began = std::time::Instant::now();
        let heap = heap(&bytes).unwrap();
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
        assert_eq!(heap.functions, [Function { name: "a".repeat(LONGEST), in_use: all }]);
    }

    #[test]
    fn tables_have_limits() {
        let strings: Vec<u8> = [0x32, 0].repeat(MOST + 1);
        assert_eq!(heap(&strings), Err(Unread::TooLarge));
    }
}
