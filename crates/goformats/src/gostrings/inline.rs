//! Texts that exist as comparisons in code only.
//!
//! `s == "/readyz"` is a comparison of the length and of pieces of 8, 4, 2 and 1 bytes with what `s` points at:
//!
//! ```text
//!     CMPQ BX, $7            CMP  $7, R1
//!     CMPL 0(AX), $"/rea"    MOVWU (R0), R3;   MOVD $"/rea", R4; CMPW R4, R3
//!     CMPW 4(AX), $"dy"      MOVHU 4(R0), R3;  MOVD $"dy", R4;   CMPW R4, R3
//!     CMPB 6(AX), $"z"       MOVBU 6(R0), R3;  CMPW $"z", R3
//! ```
//!
//! Here the pieces are put together again. What is found this way is a text of the program, but not all of them are:
//! the compiler may load a piece once for several comparisons that stand far apart.

use super::Owner;
use super::arm64::{movk, movz};

/// A text that code compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineText {
    /// The text, printable ASCII.
    pub text: String,
    /// The instruction with the first piece.
    pub at: u64,
    /// Whose function that is.
    pub owner: Owner,
}

/// The longest distance, in bytes of code, between two pieces of one text.
const NEXT_PIECE: u64 = 64;
/// The longest distance between the comparison of the length and the first piece: a `switch` compares the length once
/// for all its cases of that length.
const LENGTH: u64 = 2048;
/// 32 bytes are four of eight; one may overlap.
const MOST_PIECES: usize = 5;
/// How long a loaded piece or a constant is taken to stay in its register.
const HELD: u64 = 1024;
/// Shorter ones say nothing.
const SHORTEST: usize = 3;

/// A comparison of some bytes behind a register with a constant.
struct Piece {
    at: u64,
    base: u8,
    offset: u32,
    bytes: [u8; 8],
    len: u8,
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// Puts pieces together as they come.
struct Assembler<'f> {
    text: Vec<u8>,
    at: u64,
    last: u64,
    base: u8,
    /// Where each length was compared last.
    lengths: [u64; 64],
    /// Pieces whose text has not begun.
    waiting: Vec<Piece>,
    /// Whether pieces may wait for their beginning.
    any_order: bool,
    found: &'f mut Vec<(u64, String)>,
}

impl<'f> Assembler<'f> {
    fn new(any_order: bool, found: &'f mut Vec<(u64, String)>) -> Self {
        Self {
            text: Vec::new(),
            at: 0,
            last: 0,
            base: 0,
            lengths: [0; 64],
            waiting: Vec::new(),
            any_order,
            found,
        }
    }

    fn length(&mut self, at: u64, len: u32) {
        if let Some(slot) = usize::try_from(len).ok().and_then(|len| self.lengths.get_mut(len)) {
            *slot = at;
        }
    }

    fn piece(&mut self, piece: Piece) {
        let near = piece.at.saturating_sub(self.last) <= NEXT_PIECE && piece.base == self.base;
        if !self.text.is_empty() && near && self.extend(&piece) {
            self.last = piece.at;
            return;
        }
        if piece.offset == 0 {
            self.finish();
            self.at = piece.at;
            self.base = piece.base;
            self.last = piece.at;
            self.text.extend_from_slice(piece.bytes());
            // Pieces compared without branches come in any order.
            let mut waiting = std::mem::take(&mut self.waiting);
            waiting.retain(|w| w.base == piece.base && piece.at.saturating_sub(w.at) <= NEXT_PIECE);
            waiting.sort_by_key(|w| w.offset);
            for piece in waiting {
                self.extend(&piece);
            }
        } else if self.any_order {
            // Only what starts at a register's address: the middle of a longer text would be no text.
            if self.waiting.len() >= MOST_PIECES {
                self.waiting.remove(0);
            }
            self.waiting.push(piece);
        }
    }

    /// Appends what a piece adds to the text, if it starts in it or at its end and says the same where it overlaps.
    fn extend(&mut self, piece: &Piece) -> bool {
        let offset = piece.offset as usize;
        let Some(overlap) = self.text.len().checked_sub(offset) else { return false };
        let (Some(known), Some(said)) = (self.text.get(offset..), piece.bytes().get(..overlap))
        else {
            return false;
        };
        let more = piece.bytes().get(overlap..).unwrap_or_default();
        if offset == 0 || known != said || more.is_empty() {
            return false;
        }
        self.text.extend_from_slice(more);
        true
    }

    fn finish(&mut self) {
        let text = std::mem::take(&mut self.text);
        let compared = self.lengths.get(text.len()).copied().unwrap_or(0);
        let near = compared != 0 && self.at.saturating_sub(compared) <= LENGTH;
        if text.len() >= SHORTEST
            && near
            && compared <= self.last
            && text.iter().all(|b| matches!(b, 0x20..=0x7e))
            && let Ok(text) = String::from_utf8(text)
        {
            self.found.push((self.at, text));
        }
    }
}

/// The texts that amd64 code compares with.
pub(super) fn amd64(code: &[u8], base: u64, found: &mut Vec<(u64, String)>) {
    let mut assembler = Assembler::new(false, found);
    // Eight-byte constants by register: where loaded, and what.
    let mut constants = [(0u64, [0u8; 8]); 16];
    let get = |at: usize| code.get(at).copied().unwrap_or(0);
    for (index, &opcode) in code.iter().enumerate() {
        let before = index.checked_sub(1).map_or(0, get);
        let at = base.wrapping_add(index as u64);
        match opcode {
            // MOVABS, with REX.W.
            0xb8..=0xbf if before & 0xfe == 0x48 => {
                if let Some(&value) = code.get(index + 1..).and_then(|c| c.first_chunk::<8>())
                    && let Some(slot) =
                        constants.get_mut(usize::from((opcode & 7) | (before & 1) << 3))
                {
                    *slot = (at, value);
                }
            }
            // CMP reg, $imm8 and CMP mem, reg / $imm.
            0x83 if get(index + 1) & 0xf8 == 0xf8 && before & 0xfe == 0x48 => {
                assembler.length(at, get(index + 2).into());
            }
            0x39 if before & 0xf8 == 0x48 => {
                let modrm = get(index + 1);
                let register = usize::from((modrm >> 3 & 7) | (before & 4) << 1);
                let Some((loaded, bytes)) = constants.get(register).copied() else { continue };
                if loaded == 0 || at.saturating_sub(loaded) > HELD / 4 {
                    continue;
                }
                if let Some((rm, offset, _)) = memory(code, index + 1) {
                    assembler.piece(Piece { at, base: rm, offset, bytes, len: 8 });
                }
            }
            0x80 | 0x81 if get(index + 1) & 0x38 == 0x38 => {
                let Some((rm, offset, end)) = memory(code, index + 1) else { continue };
                let two =
                    before == 0x66 || (before == 0x41 && index >= 2 && get(index - 2) == 0x66);
                let len = match (opcode, two) {
                    (0x80, _) => 1,
                    (_, true) => 2,
                    (_, false) => 4,
                };
                let mut bytes = [0; 8];
                let Some(immediate) = code.get(end..end + len) else { continue };
                if !immediate.iter().all(|b| matches!(b, 0x20..=0x7e)) {
                    continue;
                }
                for (to, from) in bytes.iter_mut().zip(immediate) {
                    *to = *from;
                }
                // Whether the byte before is a prefix is not known, so the high registers count as the low ones.
                assembler.piece(Piece { at, base: rm, offset, bytes, len: len as u8 });
            }
            _ => {}
        }
    }
    assembler.finish();
}

/// A memory operand without index: register, displacement, and where the instruction goes on.
fn memory(code: &[u8], at: usize) -> Option<(u8, u32, usize)> {
    let modrm = *code.get(at)?;
    let rm = modrm & 7;
    if rm == 4 {
        return None;
    }
    match modrm >> 6 {
        0 if rm != 5 => Some((rm, 0, at + 1)),
        1 => Some((rm, u32::from(*code.get(at + 1)?), at + 2)),
        _ => None,
    }
}

/// What an arm64 register holds, as far as it matters here.
#[derive(Clone, Copy)]
enum Register {
    Unknown,
    /// Bytes loaded from behind a register.
    Loaded {
        at: u64,
        base: u8,
        offset: u32,
        size: u8,
    },
    Constant {
        at: u64,
        value: u64,
    },
}

/// The texts that arm64 code compares with.
pub(super) fn arm64(code: &[u8], base: u64, found: &mut Vec<(u64, String)>) {
    let mut assembler = Assembler::new(true, found);
    let mut registers = [Register::Unknown; 32];
    for (index, word) in code.chunks_exact(4).enumerate() {
        let word = word.first_chunk().map_or(0, |&w| u32::from_le_bytes(w));
        let at = base.wrapping_add(4 * index as u64);
        let first = (word & 31) as usize;
        let second = (word >> 5 & 31) as usize;
        if let Some((register, bits)) = movz(word) {
            set(&mut registers, register as usize, Register::Constant { at, value: bits.into() });
        } else if let Some((register, place, bits)) = movk(word) {
            if let Some(Register::Constant { value, .. }) = registers.get_mut(register as usize) {
                let shift = 16 * place;
                *value = *value & !(0xffff << shift) | u64::from(bits) << shift;
            }
        } else if word & 0x3f00_0000 == 0x3900_0000 && word >> 22 & 3 != 0 {
            // LDRB, LDRH, LDR with an unsigned offset, sign-extending ones too.
            let size = (word >> 30) as u8;
            let offset = (word >> 10 & 0xfff) << size;
            let loaded = Register::Loaded { at, base: second as u8, offset, size: 1 << size };
            set(&mut registers, first, loaded);
        } else if word & 0xffc0_0000 == 0xa940_0000 {
            // LDP of two times eight bytes; negative offsets are no text's.
            let offset = (word >> 15 & 0x3f) * 8;
            let base = second as u8;
            set(&mut registers, first, Register::Loaded { at, base, offset, size: 8 });
            let other = (word >> 10 & 31) as usize;
            let offset = offset + 8;
            set(&mut registers, other, Register::Loaded { at, base, offset, size: 8 });
        } else if word & 0xff00_0010 == 0x5400_0000 {
            // A branch between them: the pieces before belong to another text.
            assembler.waiting.clear();
        } else if word & 0x7fc0_001f == 0x7100_001f {
            // CMP $imm, R: of a piece of one byte, or of a length.
            let value = word >> 10 & 0xfff;
            match registers.get(second) {
                Some(&Register::Loaded { at: loaded, base, offset, size: 1 })
                    if at.saturating_sub(loaded) <= HELD && word >> 31 == 0 =>
                {
                    let bytes = u64::from(value).to_le_bytes();
                    assembler.piece(Piece { at, base, offset, bytes, len: 1 });
                }
                // Lengths are 64 bits wide.
                _ if word >> 31 == 1 => assembler.length(at, value),
                _ => {}
            }
        } else if word & 0x7fe0_fc1f == 0x6b00_001f {
            // CMP R, R.
            let third = (word >> 16 & 31) as usize;
            let pair = (registers.get(second).copied(), registers.get(third).copied());
            let (Some(a), Some(b)) = pair else { continue };
            let (loaded, constant) =
                if matches!(a, Register::Loaded { .. }) { (a, b) } else { (b, a) };
            let Register::Loaded { at: loaded, base, offset, size } = loaded else { continue };
            let Register::Constant { at: built, value } = constant else { continue };
            if at.saturating_sub(loaded) <= HELD && at.saturating_sub(built) <= HELD {
                let bytes = value.to_le_bytes();
                assembler.piece(Piece { at, base, offset, bytes, len: size });
            }
        } else if matches!(word & 0xffff_0000, 0xd340_0000 | 0x5300_0000 | 0x9340_0000) {
            // UXTB, UXTH, SXTW and their like: the bytes stay.
            let value = registers.get(second).copied().unwrap_or(Register::Unknown);
            set(&mut registers, first, value);
        } else if word >> 26 == 0x25 {
            // A call keeps no register.
            registers = [Register::Unknown; 32];
        } else if word >> 26 != 0x05 {
            // Most other instructions write the register of the lowest bits; the rest is no harm.
            set(&mut registers, first, Register::Unknown);
        }
    }
    assembler.finish();
}

fn set(registers: &mut [Register; 32], index: usize, value: Register) {
    // Register 31 is zero or the stack.
    if index < 31
        && let Some(register) = registers.get_mut(index)
    {
        *register = value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `if s == "zqxjkvw"` of Go 1.27 on amd64.
    const SEVEN: [u8; 27] = [
        0x48, 0x83, 0xfb, 0x07, 0x75, 0x1a, 0x81, 0x38, 0x7a, 0x71, 0x78, 0x6a, 0x75, 0x12, 0x66,
        0x81, 0x78, 0x04, 0x6b, 0x76, 0x75, 0x0a, 0x80, 0x78, 0x06, 0x77, 0x75,
    ];

    fn texts(code: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        amd64(code, 0x1000, &mut found);
        found.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn seven_bytes() {
        assert_eq!(texts(&SEVEN), ["zqxjkvw"]);
    }

    #[test]
    fn another_length_is_another_text() {
        let mut code = SEVEN;
        code[3] = 9;
        assert!(texts(&code).is_empty());
    }

    #[test]
    fn nine_bytes_with_a_long_constant() {
        // CMPQ BX, $9; JNE; MOVQ $"zqxjkvwp", DX; CMPQ 0(AX), DX; JNE; CMPB 8(AX), $'f'
        let code = [
            0x48, 0x83, 0xfb, 0x09, 0x75, 0x15, 0x48, 0xba, 0x7a, 0x71, 0x78, 0x6a, 0x6b, 0x76,
            0x77, 0x70, 0x48, 0x39, 0x10, 0x75, 0x0e, 0x80, 0x78, 0x08, 0x66,
        ];
        assert_eq!(texts(&code), ["zqxjkvwpf"]);
        for end in 0..code.len() {
            texts(&code[..end]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_code(code in prop::collection::vec(any::<u8>(), 0..400), base in any::<u64>()) {
            let mut found = Vec::new();
            amd64(&code, base, &mut found);
            arm64(&code, base, &mut found);
            let count = |_| {};
            crate::gostrings::amd64::references(&code, base, |_| true, count);
            crate::gostrings::arm64::references(&code, base, |_| true, count);
        }

        /// Changed instructions of a comparison.
        #[test]
        fn nearly_comparisons(at in 0usize..27, byte in any::<u8>()) {
            let mut code = SEVEN;
            code[at] = byte;
            for text in texts(&code) {
                prop_assert!(text.len() >= SHORTEST);
            }
        }
    }

    #[test]
    fn six_bytes_on_arm64() {
        // CMP $6, R1; BNE; MOVWU (R0), R3; MOVD $, R4; MOVK; CMPW R4, R3; BNE; MOVHU 4(R0), R3; MOVD $, R4; CMPW R4, R3
        let words: [u32; 10] = [
            0xf100183f, 0x54000161, 0xb9400003, 0xd28e2f44, 0xf2ad4f04, 0x6b04007f, 0x540000c1,
            0x79400803, 0xd28ecd64, 0x6b04007f,
        ];
        let code: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut found = Vec::new();
        arm64(&code, 0x1000, &mut found);
        assert_eq!(found, [(0x1014, "zqxjkv".to_owned())]);
    }
}
