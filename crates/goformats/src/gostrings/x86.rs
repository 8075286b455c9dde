//! x86-64 instructions, in order and with their lengths, as far as the Go compiler writes them.

/// An operand in a ModRM byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Register(usize),
    /// Relative to the next instruction.
    Relative(i64),
    /// A register and a distance.
    Based(usize, i64),
    /// With an index.
    Indexed,
}

/// One instruction, as far as it is needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    pub(super) len: usize,
    /// 0x100 and more: behind 0F; 0x200: behind 0F 38 and 0F 3A; 0x300: with a VEX prefix.
    pub(super) opcode: u16,
    /// The prefixes F2, F3 and 66.
    pub(super) repeat: Option<u8>,
    pub(super) narrow: bool,
    pub(super) wide: bool,
    pub(super) reg: usize,
    pub(super) operand: Option<Operand>,
    pub(super) immediate: i64,
}

/// Reads an instruction. `None` for what the Go compiler does not write, or what is cut.
fn decode(code: &[u8]) -> Option<Instruction> {
    let mut at = 0;
    let next = |at: &mut usize| -> Option<u8> {
        let byte = *code.get(*at)?;
        *at += 1;
        Some(byte)
    };
    let (mut repeat, mut narrow, mut rex) = (None, false, 0u8);
    let mut byte = next(&mut at)?;
    while matches!(byte, 0x66 | 0xf2 | 0xf3 | 0xf0 | 0x64 | 0x65 | 0x2e | 0x3e) {
        match byte {
            0x66 => narrow = true,
            0xf2 | 0xf3 => repeat = Some(byte),
            _ => {}
        }
        byte = next(&mut at)?;
        if at > 14 {
            return None;
        }
    }
    if byte & 0xf0 == 0x40 {
        rex = byte;
        byte = next(&mut at)?;
    }
    let wide = rex & 8 != 0;
    let (opcode, modrm, immediate) = match byte {
        0x0f => second(next(&mut at)?, || next(&mut at))?,
        0xc4 | 0xc5 => {
            let first = next(&mut at)?;
            let map = if byte == 0xc5 { 1 } else { first & 31 };
            if byte == 0xc4 {
                next(&mut at)?;
            }
            let opcode = next(&mut at)?;
            let immediate = match map {
                1 => second(opcode, || None)?.2,
                2 => 0,
                3 => 1,
                _ => return None,
            };
            (0x300 | u16::from(opcode), opcode != 0x77 || map != 1, immediate)
        }
        _ => first(byte, narrow, wide)?,
    };
    let mut operand = None;
    let reg;
    let mut immediate = immediate;
    if modrm {
        let byte = next(&mut at)?;
        reg = usize::from(byte >> 3 & 7 | (rex & 4) << 1);
        operand = Some(read_operand(byte, rex, || next(&mut at))?);
        // TEST has an immediate, its neighbours have none.
        if matches!(opcode, 0xf6 | 0xf7) {
            immediate = match (reg & 7, opcode) {
                (0 | 1, 0xf6) => 1,
                (0 | 1, _) if narrow => 2,
                (0 | 1, _) => 4,
                _ => 0,
            };
        }
    } else {
        // Opcodes with the register in their last bits.
        reg = usize::from((opcode & 7) as u8 | (rex & 1) << 3);
    }
    let bytes = code.get(at..at.checked_add(immediate)?)?;
    at += immediate;
    let value = match *bytes {
        [a] => i64::from(a as i8),
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    };
    Some(Instruction { len: at, opcode, repeat, narrow, wide, reg, operand, immediate: value })
}

/// Whether an opcode of one byte has a ModRM byte, and the size of its immediate (Intel SDM volume 2, appendix A).
fn first(byte: u8, narrow: bool, wide: bool) -> Option<(u16, bool, usize)> {
    let word = if narrow { 2 } else { 4 };
    let (modrm, immediate) = match byte {
        0x00..=0x3f => match byte & 7 {
            0..=3 => (true, 0),
            4 => (false, 1),
            5 => (false, word),
            _ => return None,
        },
        0x50..=0x5f | 0x90..=0x99 | 0x9b..=0x9f | 0xa4..=0xa7 | 0xaa..=0xaf => (false, 0),
        0xc3 | 0xc9 | 0xcc | 0xf4 | 0xf5 | 0xf8..=0xfd => (false, 0),
        0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xd8..=0xdf | 0xf6 | 0xf7 | 0xfe | 0xff => (true, 0),
        0x68 | 0xa9 => (false, word),
        0xe8 | 0xe9 => (false, 4),
        0x69 | 0x81 | 0xc7 => (true, word),
        0x6a | 0x70..=0x7f | 0xa8 | 0xb0..=0xb7 | 0xcd | 0xe0..=0xe3 | 0xeb => (false, 1),
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => (true, 1),
        0xb8..=0xbf => (false, if wide { 8 } else { word }),
        0xc2 => (false, 2),
        _ => return None,
    };
    Some((byte.into(), modrm, immediate))
}

/// The same behind 0F.
fn second(byte: u8, mut next: impl FnMut() -> Option<u8>) -> Option<(u16, bool, usize)> {
    let (modrm, immediate) = match byte {
        0x05 | 0x0b | 0x31 | 0x77 | 0xa2 | 0xc8..=0xcf => (false, 0),
        0x38 => return Some((0x200 | u16::from(next()?), true, 0)),
        0x3a => return Some((0x200 | u16::from(next()?), true, 1)),
        0x80..=0x8f => (false, 4),
        0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => (true, 1),
        0x0d | 0x10..=0x1f | 0x28..=0x2f | 0x40..=0x6f | 0x74..=0x76 | 0x7c..=0x7f => (true, 0),
        0x90..=0x9f | 0xa3 | 0xa5 | 0xab | 0xad..=0xb1 | 0xb3 | 0xb6..=0xb8 | 0xbb..=0xc1 => {
            (true, 0)
        }
        0xc3 | 0xc7 | 0xd0..=0xfe => (true, 0),
        _ => return None,
    };
    Some((0x100 | u16::from(byte), modrm, immediate))
}

fn read_operand(modrm: u8, rex: u8, mut next: impl FnMut() -> Option<u8>) -> Option<Operand> {
    let mode = modrm >> 6;
    let mut base = modrm & 7 | (rex & 1) << 3;
    if mode == 3 {
        return Some(Operand::Register(base.into()));
    }
    let mut indexed = false;
    let mut bare = false;
    if modrm & 7 == 4 {
        let scaled = next()?;
        base = scaled & 7 | (rex & 1) << 3;
        indexed = scaled >> 3 & 7 | (rex & 2) << 2 != 4;
        bare = mode == 0 && scaled & 7 == 5;
    }
    let relative = mode == 0 && modrm & 7 == 5;
    let distance = match mode {
        1 => i64::from(next()? as i8),
        2 => i64::from(i32::from_le_bytes([next()?, next()?, next()?, next()?])),
        _ if relative || bare => {
            i64::from(i32::from_le_bytes([next()?, next()?, next()?, next()?]))
        }
        _ => 0,
    };
    Some(if relative {
        Operand::Relative(distance)
    } else if indexed || bare {
        Operand::Indexed
    } else {
        Operand::Based(base.into(), distance)
    })
}

/// Where a branch or call leads.
pub(super) fn leads(instruction: &Instruction, address: u64) -> Option<u64> {
    matches!(instruction.opcode, 0x70..=0x7f | 0xe0..=0xe3 | 0xe8 | 0xe9 | 0xeb | 0x180..=0x18f)
        .then(|| {
            address.wrapping_add(instruction.len as u64).wrapping_add_signed(instruction.immediate)
        })
}

/// Calls `with` for each instruction, those of the padding at the end included.
pub(super) fn each(
    code: &[u8],
    base: u64,
    mut with: impl FnMut(u64, &Instruction) -> Option<()>,
) -> Option<()> {
    let mut at = 0;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        let instruction = decode(rest)?;
        with(base.wrapping_add(at as u64), &instruction)?;
        at += instruction.len;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths as `go tool objdump` shows them for programs of Go 1.18 to 1.27.
    #[test]
    fn lengths() {
        for (code, len) in [
            (&b"\x49\x3b\x66\x10"[..], 4),                     // CMPQ SP, 0x10(R14)
            (b"\x0f\x86\x52\x01\0\0", 6),                      // JBE
            (b"\x48\x83\xec\x40", 4),                          // SUBQ $0x40, SP
            (b"\x48\x8d\x5c\x24\x20", 5),                      // LEAQ 0x20(SP), BX
            (b"\x44\x0f\x11\x7b\x10", 5),                      // MOVUPS X15, 0x10(BX)
            (b"\x48\x8b\x15\x01\x02\x03\x04", 7),              // MOVQ x(SB), DX
            (b"\x83\x3d\x01\x02\x03\x04\x00", 7),              // CMPL x(SB), $0
            (b"\xb9\x02\0\0\0", 5),                            // MOVL $2, CX
            (b"\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08", 10), // MOVQ $..., AX
            (b"\x66\x90", 2),                                  // NOP
            (b"\x0f\x1f\x84\0\0\0\0\0", 8),                    // NOPL 0(AX)(AX*1)
            (b"\xf2\x0f\x10\x05\x01\x02\x03\x04", 8),          // MOVSD_XMM
            (b"\xf7\xc1\x01\0\0\0", 6),                        // TESTL $1, CX
            (b"\xf7\xf9", 2),                                  // IDIVL CX
            (b"\x66\x81\x38\x01\x02", 5),                      // CMPW 0(AX), $0x201
            (b"\xc4\xe2\xf9\xf7\xc1", 5),                      // SHLXQ
            (b"\x66\x0f\x3a\x0f\xc1\x08", 6),                  // PALIGNR $8
            (b"\x64\x48\x8b\x0c\x25\xf8\xff\xff\xff", 9),      // MOVQ FS:0xfffffff8, CX
        ] {
            let mut padded = code.to_vec();
            padded.extend([0x90; 8]);
            assert_eq!(decode(&padded).map(|i| i.len), Some(len), "{code:x?}");
            assert!(decode(&code[..len - 1]).is_none_or(|i| i.len < len), "{code:x?} is cut");
        }
        assert!(decode(b"\x06").is_none(), "no instruction in 64-bit mode");
        assert!(decode(&[0x66; 40]).is_none());
    }
}
