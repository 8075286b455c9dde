//! Whether a number can come from the program itself: as a text, or as a constant of its code or data.
//!
//! A port that a program listens on stands in it in one of three ways: in a text (`":9090"`, `port: 9090` of an embedded
//! file), as an operand of an instruction (`flag.Int("port", 9090, …)` is `MOVL $9090, CX`), or in data (a variable with a
//! value, a literal that is copied, what `fmt` is given). What is computed (`base + 1`) is in none of them. Numbers of the
//! standard library do not count: it opens no port that it is not told of, but `:http` and `:https` for an empty address.

use rustc_hash::FxHashMap;

use super::image::Area;
use super::owner::Variables;
use super::presence::Around;
use super::{Owner, Strings, arm64, references, x86};
use crate::elf::Machine;
use crate::pclntab::package_of;

/// Where a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// At that address: of a text, of an instruction, or of a word of data.
    At(u64),
    /// It is proved that neither text nor code nor data has it.
    Nowhere,
    /// The bytes are at that address, and what they are cannot be told.
    Unclear(u64),
}

/// Digits that can be a port.
const DIGITS: usize = 5;

/// Where the numbers of a program are: each number once, by its first place that is certain, or else the first.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// In texts, behind a colon.
    ports: FxHashMap<u16, Number>,
    /// In texts.
    texts: FxHashMap<u16, Number>,
    /// In code and data.
    constants: FxHashMap<u16, Number>,
}

fn add(to: &mut FxHashMap<u16, Number>, number: u16, place: Number) {
    let known = to.entry(number).or_insert(place);
    if matches!((&known, place), (Number::Unclear(_), Number::At(_))) {
        *known = place;
    }
}

impl Strings<'_> {
    /// Whether a text of the program holds the port as its host's: `:8080`, and not `:80` of `:8080`.
    pub fn find_port(&self, port: u16) -> Number {
        self.numbers().ports.get(&port).copied().unwrap_or(Number::Nowhere)
    }

    /// Whether the number can come from anywhere in the program.
    pub fn find_number(&self, number: u16) -> Number {
        let numbers = self.numbers();
        let found = numbers.texts.get(&number).or_else(|| numbers.constants.get(&number));
        match found {
            Some(found) => *found,
            // Small numbers are everywhere in data, and were not looked for there.
            None if number < FIRST || self.limited || !self.functions.is_complete() => {
                Number::Unclear(self.bounds.start)
            }
            None => Number::Nowhere,
        }
    }

    /// All of them, by one pass over the code and two over the data, when first asked.
    fn numbers(&self) -> &Numbers {
        self.numbers.get_or_init(|| {
            let mut numbers = Numbers::default();
            self.add_texts(&mut numbers);
            self.add_operands(&mut numbers.constants);
            self.add_words(&mut numbers.constants);
            numbers
        })
    }

    /// Digits by themselves in texts that are not the standard library's alone.
    fn add_texts(&self, numbers: &mut Numbers) {
        for area in self.image.data() {
            let mut at = 0;
            while let Some(skip) =
                area.bytes.get(at..).and_then(|b| b.iter().position(u8::is_ascii_digit))
            {
                let start = at + skip;
                let rest = area.bytes.get(start..).unwrap_or_default();
                // Longer ones are none, and are left behind.
                let run = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                at = start + run;
                self.add_digits(area, start, at, numbers);
            }
        }
    }

    /// One run of digits, which may lie across several constants.
    fn add_digits(&self, area: &Area<'_>, start: usize, end: usize, numbers: &mut Numbers) {
        let mut at = start;
        while at < end {
            let address = area.address + at as u64;
            let around = self.around(address, 1);
            let string = match around {
                Around::Inside(piece) => self.string_at(piece),
                _ => None,
            };
            let Some(string) = string else {
                // Data of its own has borders; what is not divided may be cut anywhere.
                let shortest = if matches!(around, Around::Outside) { end - at } else { 1 };
                let digits = area.bytes.get(at..end).unwrap_or_default();
                for len in shortest..=DIGITS.min(end - at) {
                    let number = digits.get(..len).and_then(number_of);
                    if let Some(number) = number {
                        add(&mut numbers.texts, number, Number::Unclear(address));
                        if at.checked_sub(1).and_then(|at| area.bytes.get(at)) == Some(&b':') {
                            add(&mut numbers.ports, number, Number::Unclear(address));
                        }
                    }
                }
                at = if shortest == 1 { at + 1 } else { end };
                continue;
            };
            // As far as the constant goes.
            let text = string.text.as_bytes();
            let from = usize::try_from(address - string.address).unwrap_or(usize::MAX);
            let rest = text.get(from..).unwrap_or_default();
            let digits = rest.get(..rest.len().min(end - at)).unwrap_or_default();
            if let Some(number) = number_of(digits).filter(|_| string.owner != Owner::Std) {
                add(&mut numbers.texts, number, Number::At(address));
                if from.checked_sub(1).and_then(|before| text.get(before)) == Some(&b':') {
                    add(&mut numbers.ports, number, Number::At(address));
                }
            }
            at += digits.len().max(1);
        }
    }

    /// Operands of instructions, outside of the standard library.
    fn add_operands(&self, numbers: &mut FxHashMap<u16, Number>) {
        let mut packages: FxHashMap<&str, bool> = FxHashMap::default();
        for function in self.functions.functions() {
            let of_std = |package| self.owners.of_package(package) == Owner::Std;
            if package_of(function.name)
                .is_some_and(|package| *packages.entry(package).or_insert_with(|| of_std(package)))
            {
                continue;
            }
            let end = function.address.saturating_add(function.size);
            let Some(code) = self.image.code_at(function.address..end) else { continue };
            let found = |number, at| add(numbers, number, Number::At(at));
            match self.machine {
                Machine::Amd64 => amd64(code, function.address, found),
                _ => arm64_operands(code, function.address, found),
            }
        }
    }

    /// Words of data, outside of what the standard library alone refers to.
    fn add_words(&self, numbers: &mut FxHashMap<u16, Number>) {
        let references = references(&self.image, self.machine);
        let (pointers, _) = self.image.pointers();
        let variables = Variables::of(&self.functions, references, &pointers, &self.owners);
        drop(pointers);
        for area in self.image.data() {
            let skip = usize::from(!area.address.is_multiple_of(2));
            let words = area.bytes.get(skip..).unwrap_or_default().chunks_exact(2);
            for (index, word) in words.enumerate() {
                let number = word.first_chunk().map_or(0, |&w| u16::from_le_bytes(w));
                let at = skip + 2 * index;
                let address = area.address + at as u64;
                if number < FIRST || matches!(numbers.get(&number), Some(Number::At(_))) {
                    continue;
                }
                if self.bounds.contains(&address) {
                    continue;
                }
                let Some(size) = size_of(area, at) else { continue };
                // Two bytes by themselves are anything, where the program writes nothing.
                let counts = size > 2 || area.is_writable();
                if !counts && numbers.contains_key(&number) {
                    continue;
                }
                match variables.owner(address).0 {
                    Owner::Std => {}
                    Owner::Unknown if counts => add(numbers, number, Number::Unclear(address)),
                    Owner::Unknown => {}
                    Owner::Main | Owner::Dependency(_) => add(numbers, number, Number::At(address)),
                }
            }
        }
    }
}

/// The first number that is looked for in data.
const FIRST: u16 = 256;

/// The port that digits are by themselves.
fn number_of(digits: &[u8]) -> Option<u16> {
    if digits.len() > DIGITS || digits.first() == Some(&b'0') {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The size of the largest aligned number that is those two bytes and zeros.
fn size_of(area: &Area<'_>, at: usize) -> Option<u64> {
    let address = area.address + at as u64;
    let zeros = |size: usize| {
        let rest = area.bytes.get(at + 2..at.saturating_add(size));
        address.is_multiple_of(size as u64) && rest.is_some_and(|rest| rest.iter().all(|b| *b == 0))
    };
    [8, 4, 2].into_iter().find(|size| zeros(*size)).map(|size| size as u64)
}

/// Numbers of instructions. Where one is not understood, all bytes behind it that could be a number's count.
fn amd64(code: &[u8], entry: u64, mut found: impl FnMut(u16, u64)) {
    let mut read = 0;
    let whole = x86::each(code, entry, |address, instruction| {
        read = usize::try_from(address - entry).unwrap_or(usize::MAX) + instruction.len;
        if x86::leads(instruction, address).is_none() {
            operands(instruction, |number| found(number, address));
        }
        Some(())
    });
    if whole.is_none() {
        for (at, pair) in code.get(read..).unwrap_or_default().windows(2).enumerate() {
            let number = pair.first_chunk().map_or(0, |&w| u16::from_le_bytes(w));
            found(number, entry.wrapping_add((read + at) as u64));
        }
    }
}

/// The immediate where it is a number of two bytes, and those of several fields that are stored at once.
fn operands(instruction: &x86::Instruction, mut found: impl FnMut(u16)) {
    let &x86::Instruction { opcode, wide, narrow, immediate, .. } = instruction;
    if let Ok(number) = u16::try_from(immediate) {
        found(number);
    } else if narrow {
        found(immediate as u16);
    }
    let fields = match opcode {
        0xc7 => 2,
        0xb8..=0xbf if wide => 4,
        _ => 0,
    };
    for field in 0..fields {
        found((immediate >> (16 * field)) as u16);
    }
}

fn arm64_operands(code: &[u8], entry: u64, mut found: impl FnMut(u16, u64)) {
    for (index, word) in code.chunks_exact(4).enumerate() {
        let word = word.first_chunk().map_or(0, |&w| u32::from_le_bytes(w));
        let at = entry.wrapping_add(4 * index as u64);
        if let Some((_, bits)) = arm64::movz(word) {
            found(bits, at);
        } else if let Some((_, _, bits)) = arm64::movk(word) {
            found(bits, at);
        } else if let Some(Ok(number)) = arm64::constant(word).map(u16::try_from) {
            found(number, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_of_amd64() {
        for (code, has) in [
            (&b"\xb9\x82\x23\0\0"[..], true),            // MOVL $9090, CX
            (b"\x48\xc7\x44\x24\x20\x82\x23\0\0", true), // MOVQ $9090, 0x20(SP)
            (b"\x66\xc7\x00\x82\x23", true),             // MOVW $9090, 0(AX)
            (b"\xc7\x00\x90\x1f\x82\x23", true),         // MOVL of 8080 and 9090
            (b"\x48\xb8\x90\x1f\0\0\x82\x23\0\0", true), // MOVQ of two
            (b"\x48\x81\xfb\x82\x23\0\0", true),         // CMPQ BX, $9090
            (b"\x48\x8d\x0d\x82\x23\0\0", false),        // LEAQ x(SB), CX
            (b"\xe8\x82\x23\0\0", false),                // CALL
            (b"\xb9\x83\x23\0\0", false),                // MOVL $9091, CX
            (b"\x06\x82\x23", true),                     // Not understood.
            (b"\x06\x83\x23", false),
        ] {
            let mut found = false;
            amd64(code, 0x1000, |number, _| found |= number == 9090);
            assert_eq!(found, has, "{code:x?}");
        }
    }

    #[test]
    fn operands_of_arm64() {
        let has = |word: u32, wanted| {
            let mut found = false;
            arm64_operands(&word.to_le_bytes(), 0, |number, _| found |= number == wanted);
            found
        };
        assert!(has(0xd284_7040, 9090), "MOVD $9090, R0");
        assert!(!has(0xd284_7040, 9091));
        // ORR $8192, ZR, R0
        assert!(has(0xb273_03e0, 8192));
    }

    #[test]
    fn digits_by_themselves() {
        for (digits, number) in [
            ("9090", Some(9090)),
            ("65535", Some(65535)),
            ("65536", None),
            ("09090", None),
            ("190909", None),
            ("", None),
        ] {
            assert_eq!(number_of(digits.as_bytes()), number, "{digits}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_code_has_operands_or_not(code: Vec<u8>, entry: u64) {
            amd64(&code, entry >> 1, |_, _| ());
            arm64_operands(&code, entry >> 1, |_, _| ());
        }
    }
}
