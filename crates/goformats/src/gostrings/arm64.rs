//! Addresses, string lengths and constants in arm64 code.
//!
//! Every instruction has four bytes. An address is `ADRP page, R` and `ADD $offset, R, R`; a length next to it is a
//! `MOVD $len, R`, which the assembler writes as MOVZ or, where it is a run of ones, as ORR (Go 1.18 to 1.27).

use std::num::NonZeroU32;

use super::Reference;

/// Calls `found` for each pair of instructions that takes the address of something for which `wanted` holds.
pub(super) fn references(
    code: &[u8],
    base: u64,
    wanted: impl Fn(u64) -> bool,
    mut found: impl FnMut(Reference),
) {
    let words = code.chunks_exact(4);
    let mut last = 0;
    for (index, word) in words.enumerate() {
        let word = word_of(word);
        let adrp = std::mem::replace(&mut last, word);
        if !is_adrp(adrp) || adrp & 31 != word >> 5 & 31 {
            continue;
        }
        let (taken, offset) = if is_add(word) {
            (true, u64::from(word >> 10 & 0xfff))
        } else if is_access(word) {
            (false, u64::from(word >> 10 & 0xfff) << (word >> 30))
        } else {
            continue;
        };
        let at = base.wrapping_add(4 * (index as u64 - 1));
        let target = page(adrp, at).wrapping_add(offset);
        if wanted(target) {
            let near = [index + 1, index + 2, index.wrapping_sub(2)];
            let len = taken.then(|| near.iter().find_map(|&i| constant(word_at(code, i)?)));
            let len = len.flatten().and_then(NonZeroU32::new);
            found(Reference { at, target, taken, len });
        }
    }
}

fn word_of(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |&b| u32::from_le_bytes(b))
}

fn word_at(code: &[u8], index: usize) -> Option<u32> {
    let start = index.checked_mul(4)?;
    code.get(start..start.checked_add(4)?).map(word_of)
}

pub(super) fn is_adrp(word: u32) -> bool {
    word & 0x9f00_0000 == 0x9000_0000
}

/// The page whose address an `ADRP` at `at` takes.
pub(super) fn page(adrp: u32, at: u64) -> u64 {
    let high = (adrp >> 5) & 0x7_ffff;
    let low = (adrp >> 29) & 3;
    // 21 bits, signed, in pages.
    let pages = i64::from(((high << 2 | low) << 11) as i32 >> 11);
    (at & !0xfff).wrapping_add_signed(pages << 12)
}

/// A load or store of a general register with an unsigned offset.
fn is_access(word: u32) -> bool {
    word & 0x3f00_0000 == 0x3900_0000
}

/// `ADD $imm, R, R` in 64 bits, the immediate not shifted.
fn is_add(word: u32) -> bool {
    word & 0xffc0_0000 == 0x9100_0000
}

/// A `MOVZ` without shift: its register and its sixteen bits.
pub(super) fn movz(word: u32) -> Option<(u32, u16)> {
    (word & 0x7fe0_0000 == 0x5280_0000).then_some((word & 31, (word >> 5) as u16))
}

/// A `MOVK` that sets the sixteen bits of that place (0 to 3) in a register.
pub(super) fn movk(word: u32) -> Option<(u32, u32, u16)> {
    (word & 0x7f80_0000 == 0x7280_0000).then_some((word & 31, (word >> 21) & 3, (word >> 5) as u16))
}

/// The small constant that an instruction loads.
pub(super) fn constant(word: u32) -> Option<u32> {
    if let Some((_, value)) = movz(word) {
        return Some(u32::from(value)).filter(|&v| v > 0);
    }
    // ORR $mask, ZR, R.
    if word & 0x7f80_03e0 == 0x3200_03e0 {
        let wide = word >> 31 == 1;
        let mask = bit_mask((word >> 22) & 1, (word >> 16) & 63, (word >> 10) & 63, wide)?;
        return u32::try_from(mask).ok().filter(|&v| v > 0 && v < 1 << 31);
    }
    None
}

/// The value of a logical immediate (`DecodeBitMasks` of the Arm ARM).
fn bit_mask(n: u32, rotate: u32, ones: u32, wide: bool) -> Option<u64> {
    if n == 1 && !wide {
        return None;
    }
    let pattern = n << 6 | (!ones & 0x3f);
    let size = 1u32 << pattern.checked_ilog2()?;
    if size < 2 {
        return None;
    }
    let (rotate, count) = (rotate & (size - 1), (ones & (size - 1)) + 1);
    if count == size {
        return None;
    }
    let element = (1u64 << count) - 1;
    let all = if size == 64 { u64::MAX } else { (1u64 << size) - 1 };
    let element =
        if rotate == 0 { element } else { (element >> rotate | element << (size - rotate)) & all };
    let mut value = 0;
    let mut at = 0;
    while at < 64 {
        value |= element << at;
        at += size;
    }
    Some(if wide { value } else { value & 0xffff_ffff })
}

/// Whether the assembler can load this value by one logical instruction instead of MOVZ and MOVK: a run of ones,
/// rotated, in elements of 2 to 64 bits.
pub(super) fn is_bit_mask(value: u64) -> bool {
    [2u32, 4, 8, 16, 32, 64].iter().any(|&size| {
        let all = if size == 64 { u64::MAX } else { (1u64 << size) - 1 };
        let element = value & all;
        let mut repeated = 0;
        let mut at = 0;
        while at < 64 {
            repeated |= element << at;
            at += size;
        }
        if repeated != value || element == 0 || element == all {
            return false;
        }
        // In a ring of `size` bits, one run of ones has exactly two places where neighbours differ.
        let turned = (element >> 1 | (element & 1) << (size - 1)) & all;
        (element ^ turned).count_ones() == 2
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    /// Instructions of a program built by Go 1.27: `HandleFunc("/composed"...)` at 0x1f7c94.
    #[test]
    fn address_and_length() {
        let mut all = Vec::new();
        let words = [0xb00002c1, 0x913e9421, 0xd2800122];
        references(&code(&words), 0x1f7c94, |_| true, |r| all.push(r));
        let target = (0x1f7c94 & !0xfff) + 364544 + 4005;
        assert_eq!(all, [Reference { at: 0x1f7c94, target, taken: true, len: NonZeroU32::new(9) }]);
    }

    #[test]
    fn lengths_as_masks() {
        for (word, value) in
            [(0xb27d03e2, 8), (0xb24003e2, 1), (0xb27b03e0, 32), (0xb27f03e1, 2), (0xd2800261, 19)]
        {
            assert_eq!(constant(word), Some(value), "{word:x}");
        }
        assert_eq!(constant(0xd503201f), None, "NOP");
    }

    #[test]
    fn every_decoded_mask_is_one() {
        let mut masks = std::collections::HashSet::new();
        for (n, rotate, ones) in
            (0..2).flat_map(|n| (0..64).flat_map(move |r| (0..64).map(move |s| (n, r, s))))
        {
            if let Some(mask) = bit_mask(n, rotate, ones, true) {
                assert!(is_bit_mask(mask), "{mask:x}");
                masks.insert(mask);
            }
        }
        // The Arm ARM counts 5334 logical immediates of 64 bits.
        assert_eq!(masks.len(), 5334);
        assert!(!is_bit_mask(u64::from_le_bytes(*b"/healthz")));
        assert!(is_bit_mask(u64::from_le_bytes(*b"ffffffff")));
    }

    #[test]
    fn backward_page() {
        // ADRP -1 page
        let adrp = 0x9000_0000 | 3 << 29 | 0x7_ffff << 5;
        let mut all = Vec::new();
        references(&code(&[adrp, 0x9100_0400]), 0x20_0008, |_| true, |r| all.push(r.target));
        assert_eq!(all, [0x1f_f001]);
    }
}
