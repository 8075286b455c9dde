//! Whether a number can come from the program itself: as a text, or as a constant of its code or data.
//!
//! A port that a program listens on stands in it in one of three ways: in a text (`":9090"`, `port: 9090` of an embedded
//! file), as an operand of an instruction (`flag.Int("port", 9090, …)` is `MOVL $9090, CX`), or in data (a variable with a
//! value, a literal that is copied, what `fmt` is given). What is computed (`base + 1`) is in none of them. Numbers of the
//! standard library do not count: it opens no port that it is not told of, but `:http` and `:https` for an empty address.

use rustc_hash::FxHashMap;

use super::image::Area;
use super::owner::Variables;
use super::presence::{Around, OCCURRENCES};
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

impl<'a> Strings<'a> {
    /// Whether a text of the program holds the port as its host's: `:8080`, and not `:80` of `:8080`.
    pub fn find_port(&self, port: u16) -> Number {
        self.text_with(port, true)
    }

    /// Whether the number can come from anywhere in the program. Several passes over the code; call it only when asked.
    pub fn find_number(&self, number: u16) -> Number {
        let text = self.text_with(number, false);
        if text != Number::Nowhere {
            return text;
        }
        if self.limited || !self.functions.is_complete() {
            return Number::Unclear(self.bounds.start);
        }
        if let Some(at) = self.operand(number) {
            return Number::At(at);
        }
        self.word(number)
    }

    /// A text with the number, behind a colon or by itself.
    fn text_with(&self, number: u16, colon: bool) -> Number {
        let digits = if colon { format!(":{number}") } else { number.to_string() };
        let finder = memchr::memmem::Finder::new(digits.as_bytes());
        let len = digits.len() as u64;
        let mut unclear = None;
        let mut seen = 0;
        for area in self.image.data() {
            for at in finder.find_iter(area.bytes) {
                seen += 1;
                let address = area.address + at as u64;
                if seen > OCCURRENCES {
                    return Number::Unclear(address);
                }
                match self.around(address, len) {
                    Around::Inside(start) => match self.string_at(start) {
                        Some(string) => {
                            let bytes = string.text.as_bytes();
                            let at = usize::try_from(address - start).unwrap_or(usize::MAX);
                            if string.owner != Owner::Std && is_whole(bytes, at, digits.len()) {
                                return Number::At(address);
                            }
                        }
                        None => unclear = Some(address),
                    },
                    Around::Across => {}
                    Around::Undivided | Around::Outside => {
                        if is_whole(area.bytes, at, digits.len()) {
                            unclear = Some(address);
                        }
                    }
                }
            }
        }
        unclear.map_or(Number::Nowhere, Number::Unclear)
    }

    /// An instruction with the number, outside of the standard library.
    fn operand(&self, number: u16) -> Option<u64> {
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
            let found = match self.machine {
                Machine::Amd64 => amd64(code, function.address, number),
                _ => arm64_operand(code, function.address, number),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// A word of data with the number, outside of what the standard library alone refers to.
    fn word(&self, number: u16) -> Number {
        let finder = number.to_le_bytes();
        let finder = memchr::memmem::Finder::new(&finder);
        let mut hits: Vec<(u64, bool)> = Vec::new();
        for area in self.image.data() {
            for at in finder.find_iter(area.bytes) {
                let address = area.address + at as u64;
                if self.bounds.contains(&address) {
                    continue;
                }
                let Some(size) = size_of(area, at) else { continue };
                if hits.len() >= OCCURRENCES {
                    return Number::Unclear(address);
                }
                // Two bytes by themselves are anything, where the program writes nothing.
                hits.push((address, size > 2 || area.is_writable()));
            }
        }
        if hits.is_empty() {
            return Number::Nowhere;
        }
        let references = references(&self.image, self.machine);
        let (pointers, _) = self.image.pointers();
        let variables = Variables::of(&self.functions, references, &pointers, &self.owners);
        for (address, counts) in hits {
            match variables.owner(address).0 {
                Owner::Std => {}
                Owner::Unknown if counts => return Number::Unclear(address),
                Owner::Unknown => {}
                Owner::Main | Owner::Dependency(_) => return Number::At(address),
            }
        }
        Number::Nowhere
    }
}

/// Whether no digit stands beside the digits there.
fn is_whole(bytes: &[u8], at: usize, len: usize) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let behind_colon = bytes.get(at) == Some(&b':');
    (behind_colon || !digit(at.checked_sub(1))) && !digit(at.checked_add(len))
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

/// An instruction with the number. Where one is not understood, bytes that could be the number's count.
fn amd64(code: &[u8], entry: u64, number: u16) -> Option<u64> {
    let mut found = None;
    let mut read = 0;
    let whole = x86::each(code, entry, |address, instruction| {
        read = usize::try_from(address - entry).unwrap_or(usize::MAX) + instruction.len;
        if x86::leads(instruction, address).is_none() && holds(instruction, number) {
            found = Some(address);
            return None;
        }
        Some(())
    });
    if found.is_some() || whole.is_some() {
        return found;
    }
    let rest = code.get(read..).unwrap_or_default();
    memchr::memmem::find(rest, &number.to_le_bytes()).map(|at| entry + (read + at) as u64)
}

/// Whether the immediate is the number, or several fields that are stored at once with it among them.
fn holds(instruction: &x86::Instruction, number: u16) -> bool {
    let &x86::Instruction { opcode, wide, narrow, immediate, .. } = instruction;
    if immediate == i64::from(number) || (narrow && immediate as u16 == number) {
        return true;
    }
    let fields = match opcode {
        0xc7 => 2,
        0xb8..=0xbf if wide => 4,
        _ => 0,
    };
    (0..fields).any(|field| (immediate >> (16 * field)) as u16 == number)
}

fn arm64_operand(code: &[u8], entry: u64, number: u16) -> Option<u64> {
    let words = code.chunks_exact(4).map(|w| w.first_chunk().map_or(0, |&w| u32::from_le_bytes(w)));
    let is = |word: u32| {
        arm64::constant(word) == Some(u32::from(number))
            || arm64::movk(word).is_some_and(|(_, _, bits)| bits == number)
            || arm64::movz(word).is_some_and(|(_, bits)| bits == number)
    };
    words.into_iter().position(is).map(|index| entry + 4 * index as u64)
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
            assert_eq!(amd64(code, 0x1000, 9090).is_some(), has, "{code:x?}");
        }
    }

    #[test]
    fn operands_of_arm64() {
        let has = |word: u32, number| arm64_operand(&word.to_le_bytes(), 0, number).is_some();
        assert!(has(0xd284_7040, 9090), "MOVD $9090, R0");
        assert!(!has(0xd284_7040, 9091));
        // ORR $8192, ZR, R0
        assert!(has(0xb273_03e0, 8192));
    }

    #[test]
    fn digits_by_themselves() {
        for (text, at, len, whole) in [
            ("9090", 0, 4, true),
            (":9090", 0, 5, true),
            ("1:9090", 1, 5, true),
            ("19090", 1, 4, false),
            ("90901", 0, 4, false),
            (":90901", 0, 5, false),
        ] {
            assert_eq!(is_whole(text.as_bytes(), at, len), whole, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_code_has_operands_or_not(code: Vec<u8>, entry: u64, number: u16) {
            amd64(&code, entry >> 1, number);
            arm64_operand(&code, entry >> 1, number);
        }
    }
}
