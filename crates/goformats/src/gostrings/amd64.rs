//! Addresses and string lengths in x86-64 code.
//!
//! A string constant that is used as a value is a `LEAQ disp(IP), reg` and, next to it, its length: `MOVL $len, reg`,
//! or `MOVQ $len, 8(reg)` where a header is stored (Go 1.18 to 1.27). Instructions have no fixed size and are not
//! decoded in order here: every byte that could start such a `LEA` is looked at, and what is none of them is thrown out
//! later, because its address is no string's.

use std::num::NonZeroU32;

use super::Reference;

/// Calls `found` for each instruction with an address relative to the next one for which `wanted` holds.
pub(super) fn references(
    code: &[u8],
    base: u64,
    wanted: impl Fn(u64) -> bool,
    mut found: impl FnMut(Reference),
) {
    // Opcode, ModRM byte that says "relative to the next instruction", and the distance.
    let mut look = |opcode: usize| {
        let Some(&[byte, modrm, a, b, c, d]) = code.get(opcode..).and_then(<[u8]>::first_chunk)
        else {
            return;
        };
        if !takes_memory(byte) {
            return;
        }
        let end = opcode + 6 + immediate_size(byte, modrm);
        let displacement = i64::from(i32::from_le_bytes([a, b, c, d]));
        let target = base.wrapping_add(end as u64).wrapping_add_signed(displacement);
        if !wanted(target) {
            return;
        }
        let start = opcode.saturating_sub(1);
        let prefix = code.get(start).copied().unwrap_or(0);
        let taken = byte == 0x8d && prefix & 0xf8 == 0x48;
        let len = if taken { length_near(code, start, end) } else { None };
        let len = len.and_then(NonZeroU32::new);
        found(Reference { at: base.wrapping_add(start as u64), target, taken, len });
    };
    // One byte in fifty is such a ModRM byte: eight are looked at in one step.
    let mut look_at = |word: usize, mut hits: u64| {
        while hits != 0 {
            let modrm = word * 8 + hits.trailing_zeros() as usize / 8;
            if let Some(opcode) = modrm.checked_sub(1) {
                look(opcode);
            }
            hits &= hits - 1;
        }
    };
    let (words, rest) = code.as_chunks::<8>();
    for (word, bytes) in words.iter().enumerate() {
        let hits = relative(u64::from_le_bytes(*bytes));
        if hits != 0 {
            look_at(word, hits);
        }
    }
    // There is no ModRM byte in the zeros behind the last ones.
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    look_at(words.len(), relative(u64::from_le_bytes(last)));
}

/// The upper bit of each of eight bytes that is a ModRM byte for an address relative to the next instruction.
fn relative(bytes: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    // A byte is zero where it is one.
    let other = (bytes & (0xc7 * EACH)) ^ (0x05 * EACH);
    !(((other & (0x7f * EACH)) + 0x7f * EACH) | other | (0x7f * EACH))
}

/// Whether an opcode is one of those with which Go code reads, writes or compares variables.
fn takes_memory(opcode: u8) -> bool {
    matches!(
        opcode,
        // LEA, MOV, MOVSXD; CMP, TEST; ADD, SUB; the second bytes of MOVUPS, MOVZX and MOVSX; those with a constant.
        0x8d | 0x8b
            | 0x89
            | 0x8a
            | 0x88
            | 0x63
            | 0x39
            | 0x3b
            | 0x38
            | 0x3a
            | 0x85
            | 0x84
            | 0x01
            | 0x03
            | 0x29
            | 0x2b
            | 0x10
            | 0x11
            | 0xb6
            | 0xb7
            | 0xbe
            | 0xbf
            | 0x83
            | 0x80
            | 0xc6
            | 0xc7
    )
}

/// The size of the constant behind the address.
fn immediate_size(opcode: u8, modrm: u8) -> usize {
    match opcode {
        // ADD, OR ... CMP; MOV.
        0x83 | 0x80 => 1,
        0xc6 if modrm & 0x38 == 0 => 1,
        0xc7 if modrm & 0x38 == 0 => 4,
        _ => 0,
    }
}

/// The length beside a `LEA` at `start..end`: behind it, behind one store of the address, or before it.
fn length_near(code: &[u8], start: usize, end: usize) -> Option<u32> {
    length_at(code, end)
        .or_else(|| store_size(code, end).and_then(|size| length_at(code, end + size)))
        .or_else(|| {
            // The sizes that an instruction with a length can have, longest first.
            [12usize, 9, 8, 7, 6, 5].iter().find_map(|&size| {
                let at = start.checked_sub(size)?;
                (length_size(code, at)? == size).then(|| length_at(code, at)).flatten()
            })
        })
}

/// The immediate of a `MOVL $imm, reg` or `MOVQ $imm, mem` at `at`.
fn length_at(code: &[u8], at: usize) -> Option<u32> {
    let end = at + length_size(code, at)?;
    let bytes = code.get(end.checked_sub(4)?..end)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?)).filter(|&len| len > 0 && len < 1 << 31)
}

/// The size of such an instruction.
fn length_size(code: &[u8], at: usize) -> Option<usize> {
    let bytes = code.get(at..)?;
    match *bytes {
        [0xb8..=0xbf, ..] => Some(5),
        [0x41, 0xb8..=0xbf, ..] => Some(6),
        [0x48 | 0x49, 0xc7, modrm, ..] if modrm & 0x38 == 0 => Some(2 + memory_size(modrm)? + 4),
        _ => None,
    }
}

/// The size of a `MOVQ reg, mem` at `at`.
fn store_size(code: &[u8], at: usize) -> Option<usize> {
    match *code.get(at..)? {
        [rex, 0x89, modrm, ..] if rex & 0xf8 == 0x48 => Some(2 + memory_size(modrm)?),
        _ => None,
    }
}

/// The size of a ModRM byte with what belongs to it, where it names memory by a register.
fn memory_size(modrm: u8) -> Option<usize> {
    let sib = usize::from(modrm & 7 == 4);
    match modrm >> 6 {
        0 if modrm & 7 != 5 => Some(1 + sib),
        1 => Some(2 + sib),
        2 => Some(5 + sib),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(code: &[u8]) -> Option<Reference> {
        let mut all = Vec::new();
        references(code, 0x1000, |target| target == 0x2000, |r| all.push(r));
        assert!(all.len() <= 1);
        all.pop()
    }

    /// `LEAQ 0x2000, AX` at 0x1000 + `start`.
    fn lea(start: u64) -> Vec<u8> {
        let displacement = (0x2000 - (0x1000 + start + 7)) as u32;
        [&[0x48, 0x8d, 0x05][..], &displacement.to_le_bytes()].concat()
    }

    #[test]
    fn length_behind() {
        let code = [lea(0), vec![0xbb, 0x13, 0, 0, 0]].concat();
        assert_eq!(
            one(&code),
            Some(Reference { at: 0x1000, target: 0x2000, taken: true, len: NonZeroU32::new(19) })
        );
        let code = [lea(0), vec![0x41, 0xb9, 5, 0, 0, 0]].concat();
        assert_eq!(one(&code).and_then(|r| r.len), NonZeroU32::new(5));
        // MOVQ AX, 0(CX); MOVQ $7, 8(CX)
        let code = [lea(0), vec![0x48, 0x89, 0x01, 0x48, 0xc7, 0x41, 8, 7, 0, 0, 0]].concat();
        assert_eq!(one(&code).and_then(|r| r.len), NonZeroU32::new(7));
    }

    #[test]
    fn length_before() {
        // MOVQ $0xd, 0x8(AX); LEAQ
        let code = [vec![0x48, 0xc7, 0x40, 8, 0xd, 0, 0, 0], lea(8)].concat();
        assert_eq!(one(&code).and_then(|r| r.len), NonZeroU32::new(13));
        // MOVQ $0xd, 0x110(SP); LEAQ
        let store = vec![0x48, 0xc7, 0x84, 0x24, 0x10, 1, 0, 0, 0xd, 0, 0, 0];
        let code = [store, lea(12)].concat();
        assert_eq!(one(&code).and_then(|r| r.len), NonZeroU32::new(13));
    }

    #[test]
    fn variables() {
        // MOVQ 0x2000, AX and CMPL 0x2000, $0
        let load = [&[0x48, 0x8b, 0x05][..], &(0x1000u32 - 7).to_le_bytes()].concat();
        assert_eq!(one(&load).map(|r| (r.taken, r.len)), Some((false, None)));
        let compare = [&[0x90, 0x83, 0x3d][..], &(0x1000u32 - 8).to_le_bytes(), &[0]].concat();
        assert_eq!(one(&compare).map(|r| r.at), Some(0x1000));
    }

    #[test]
    fn a_modrm_byte_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut bytes = [0xfa; 8];
                bytes[at] = byte;
                let is = byte & 0xc7 == 0x05;
                assert_eq!(relative(u64::from_le_bytes(bytes)), u64::from(is) << (8 * at + 7));
                bytes = [0x3d; 8];
                bytes[at] = byte;
                let others = u64::from_le_bytes([0x80; 8]) & !(0x80 << (8 * at));
                let all = others | u64::from(is) << (8 * at + 7);
                assert_eq!(relative(u64::from_le_bytes(bytes)), all);
            }
        }
        for before in 0..20 {
            let code = [vec![0x90; before as usize], lea(before)].concat();
            assert_eq!(one(&code).map(|r| r.at), Some(0x1000 + before), "behind {before} bytes");
        }
    }

    #[test]
    fn cut_off_code() {
        let code = lea(0);
        for end in 0..code.len() {
            assert_eq!(one(&code[..end]), None);
        }
        assert_eq!(one(&code).map(|r| r.len), Some(None));
    }
}
