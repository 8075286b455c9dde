//! ARM64 as the Go compiler writes it.

use super::super::arm64::{constant, is_adrp, page};
use super::state::{Machine, STACK, Value};

const SP: usize = 31;
/// The registers of arguments and of results, in their order; a few of sixteen.
pub(super) const ARGUMENTS: [usize; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/// The distance of `B` and `BL`, in bytes.
pub(super) fn branch(word: u32) -> Option<i64> {
    (word & 0x7c00_0000 == 0x1400_0000).then(|| signed(word & 0x3ff_ffff, 26) * 4)
}

/// The distance of a branch that may not be taken.
fn conditional(word: u32) -> Option<i64> {
    if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 {
        return Some(signed(word >> 5 & 0x7_ffff, 19) * 4);
    }
    (word & 0x7e00_0000 == 0x3600_0000).then(|| signed(word >> 5 & 0x3fff, 14) * 4)
}

fn signed(value: u32, bits: u32) -> i64 {
    let unused = 32 - bits;
    i64::from((value << unused) as i32 >> unused)
}

/// Follows a function. `None` when code is reached through a table.
pub(super) fn follow(
    code: &[u8],
    base: u64,
    machine: &mut Machine,
    call: &mut impl FnMut(&mut Machine, u64, u64),
) -> Option<()> {
    let words = || {
        code.chunks_exact(4).enumerate().map(|(index, word)| {
            let word = word.first_chunk().map_or(0, |&w| u32::from_le_bytes(w));
            (base.wrapping_add(4 * index as u64), word)
        })
    };
    let back = words().filter_map(|(at, word)| {
        let jump = branch(word).filter(|_| word >> 31 == 0).or_else(|| conditional(word))?;
        (jump <= 0).then(|| at.wrapping_add_signed(jump))
    });
    machine.set_back(back.collect());
    for (at, word) in words() {
        machine.arrive(at);
        step(machine, at, word, call)?;
    }
    Some(())
}

fn step(
    machine: &mut Machine,
    at: u64,
    word: u32,
    call: &mut impl FnMut(&mut Machine, u64, u64),
) -> Option<()> {
    let rd = (word & 31) as usize;
    let rn = (word >> 5 & 31) as usize;
    let second = (word >> 10 & 31) as usize;
    // As the base of an address 31 is the stack pointer, as a value it is zero.
    let base = |machine: &Machine| {
        if rn == SP { Value::Pointer(STACK, 0) } else { machine.register(rn) }
    };
    let read = |machine: &Machine, register: usize| {
        if register == SP { Value::Number(0) } else { machine.register(register) }
    };
    let write = |machine: &mut Machine, register: usize, value: Value| {
        if register != SP {
            machine.set(register, value);
        }
    };
    if let Some(by) = branch(word) {
        let to = at.wrapping_add_signed(by);
        if word >> 31 == 1 {
            call(machine, at, to);
        } else {
            machine.branch(at, to)?;
            machine.leave();
        }
    } else if let Some(by) = conditional(word) {
        machine.branch(at, at.wrapping_add_signed(by))?;
    } else if word & 0xffff_fc1f == 0xd61f_0000 {
        // BR
        return None;
    } else if word & 0xffff_fc1f == 0xd63f_0000 {
        call(machine, at, 0);
    } else if word & 0xffff_fc1f == 0xd65f_0000 {
        // RET
        machine.returns(&ARGUMENTS);
    } else if word == 0 || word & 0xffe0_001f == 0xd420_0000 {
        // Padding, BRK
        machine.leave();
    } else if is_adrp(word) {
        write(machine, rd, Value::Address(page(word, at)));
    } else if word & 0xff80_0000 == 0x9100_0000 || word & 0xff80_0000 == 0xd100_0000 {
        // ADD and SUB of an immediate.
        let amount = i64::from(word >> 10 & 0xfff) << (12 * (word >> 22 & 1));
        let amount = if word >> 30 & 1 == 1 { -amount } else { amount };
        let value = base(machine).plus(amount);
        if rd == SP { machine.move_stack() } else { machine.set(rd, value) }
    } else if word & 0xffe0_ffe0 == 0xaa00_03e0 {
        // MOVD R, R
        let value = read(machine, (word >> 16 & 31) as usize);
        write(machine, rd, value);
    } else if word & 0xffe0_ffe0 == 0x2a00_03e0 {
        let value = read(machine, (word >> 16 & 31) as usize);
        let small = matches!(value, Value::Number(n) if n <= u64::from(u32::MAX));
        write(machine, rd, if small { value } else { Value::Unknown });
    } else if word & 0x7fe0_0000 == 0x5280_0000 {
        // MOVZ, not shifted.
        write(machine, rd, Value::Number(u64::from(word >> 5 & 0xffff)));
    } else if word & 0xff80_0000 == 0xd280_0000 {
        // MOVZ, shifted.
        write(machine, rd, Value::Number(u64::from(word >> 5 & 0xffff) << (16 * (word >> 21 & 3))));
    } else if word & 0xff80_0000 == 0xf280_0000 {
        // MOVK
        let shift = 16 * (word >> 21 & 3);
        let value = match machine.register(rd) {
            Value::Number(number) => {
                Value::Number(number & !(0xffff << shift) | u64::from(word >> 5 & 0xffff) << shift)
            }
            _ => Value::Unknown,
        };
        write(machine, rd, value);
    } else if word & 0xffe0_0c00 == 0x9a80_0000 {
        // CSEL
        let value = read(machine, rn).or(read(machine, (word >> 16 & 31) as usize));
        write(machine, rd, value);
    } else if let Some(number) = constant(word) {
        write(machine, rd, Value::Number(number.into()));
    } else if word & 0xffc0_0000 == 0xf940_0000 {
        // LDR, 64 bits.
        let place = base(machine).plus(i64::from(word >> 10 & 0xfff) * 8);
        let value = machine.load(place);
        write(machine, rd, value);
    } else if word & 0xffc0_0000 == 0xf900_0000 {
        let value = read(machine, rd);
        machine.store_at(base(machine), i64::from(word >> 10 & 0xfff) * 8, value);
    } else if word & 0xffe0_0c00 == 0xf840_0000 || word & 0xffe0_0c00 == 0xf800_0000 {
        // LDUR and STUR.
        let distance = signed(word >> 12 & 0x1ff, 9);
        if word >> 22 & 1 == 1 {
            let value = machine.load(base(machine).plus(distance));
            write(machine, rd, value);
        } else {
            let value = read(machine, rd);
            machine.store_at(base(machine), distance, value);
        }
    } else if word & 0xff80_0000 == 0xa900_0000 {
        // LDP and STP.
        let distance = signed(word >> 15 & 0x7f, 7) * 8;
        let place = base(machine).plus(distance);
        if word >> 22 & 1 == 1 {
            let values = (machine.load(place), machine.load(place.plus(8)));
            write(machine, rd, values.0);
            write(machine, second, values.1);
        } else {
            let values = (read(machine, rd), read(machine, second));
            let base = base(machine);
            machine.store_at(base, distance, values.0);
            machine.store_at(base, distance.wrapping_add(8), values.1);
        }
    } else if word & 0x3f00_0000 == 0x3900_0000 && word >> 30 < 3 {
        // Loads and stores of one, two and four bytes.
        let size = word >> 30;
        if word >> 22 & 3 == 0 {
            let distance = i64::from((word >> 10 & 0xfff) << size);
            machine.forget(base(machine).plus(distance), 1 << size);
        } else {
            write(machine, rd, Value::Unknown);
        }
    } else if word & 0x0a00_0000 == 0x0800_0000 {
        // Other loads and stores.
        let place = base(machine);
        machine.forget_all(place);
        let scaled = word & 0x3b00_0000 == 0x3900_0000;
        // A vector's register is none of these; forgetting one more does no harm.
        write(machine, rd, Value::Unknown);
        let pair = word & 0x3a00_0000 == 0x2800_0000;
        if pair {
            write(machine, second, Value::Unknown);
        }
        // With a base that moves.
        let indexed = if pair { word & 0x0080_0000 != 0 } else { !scaled && word & 0x0400 != 0 };
        if indexed || word & 0x3f00_0000 == 0x0800_0000 {
            if rn == SP {
                machine.move_stack()
            } else {
                machine.set(rn, Value::Unknown)
            }
            // Exclusive loads and stores have a third register.
            write(machine, (word >> 16 & 31) as usize, Value::Unknown);
        }
    } else {
        // Those that set flags have no stack pointer there: a comparison writes to nothing.
        if rd == SP && word & 0x3f00_0000 == 0x1100_0000 {
            machine.move_stack();
        }
        write(machine, rd, Value::Unknown);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(branch(0x97ff_f9dc), Some(-0x1890), "CALL of Go 1.27");
        assert_eq!(branch(0x17ff_ffe4), Some(-112), "JMP");
        assert_eq!(conditional(0x5400_02c9), Some(88), "BLS 22(PC)");
        assert_eq!(conditional(0xb9400b90), None);
    }

    fn run(words: &[u32]) -> Machine {
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut machine = Machine::new();
        assert_eq!(follow(&code, 0x1000, &mut machine, &mut |_, _, _| {}), Some(()));
        machine
    }

    /// `CMP $0, R4` was taken for a change of the stack pointer, and all on the stack was lost.
    #[test]
    fn a_comparison_leaves_the_stack_where_it_is() {
        // ORR $2, ZR, R0; MOVD R0, 120(RSP); CMP $0, R4; MOVD 120(RSP), R1
        let machine = run(&[0xb27f03e0, 0xf9003fe0, 0xf100009f, 0xf9403fe1]);
        assert_eq!(machine.register(1), Value::Number(2));
        // SUB $96, RSP in its place.
        let machine = run(&[0xb27f03e0, 0xf9003fe0, 0xd10183ff, 0xf9403fe1]);
        assert_eq!(machine.register(1), Value::Unknown);
    }

    #[test]
    fn a_number_of_several_parts() {
        // MOVD $47104, R0; MOVK $(55652<<16), R0; MOVK $(69<<32), R0: 5 minutes
        let machine = run(&[0xd2970000, 0xf2bb2c80, 0xf2c008a0]);
        assert_eq!(machine.register(0), Value::Number(300_000_000_000));
        // MOVK of what is not known.
        assert_eq!(run(&[0xf2bb2c80]).register(0), Value::Unknown);
    }

    /// CSEL NE, R4, R5, R4
    #[test]
    fn a_choice_is_what_both_are() {
        let both = |second| run(&[0xb27f03e4, second, 0x9a851084]).register(4);
        assert_eq!(both(0xb27f03e5), Value::Number(2));
        assert_eq!(both(0xb24003e5), Value::Unknown);
    }

    #[test]
    fn an_array_on_the_stack() {
        // ADRP; ADD; ADRP; ADD; STP (R4, R5), 56(RSP); ADD $56, RSP, R1; ORR $2, ZR, R2; BL: of Go 1.27 at 0xb1304.
        let words = [
            0xf0000704u32,
            0x912fc084,
            0x900000c5,
            0x9136c0a5,
            0xa90397e4,
            0x9100e3e1,
            0xb27f03e2,
            0x97fff9dc,
        ];
        let code: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut machine = Machine::new();
        let mut seen = None;
        follow(&code, 0xb1304, &mut machine, &mut |machine, _, to| {
            seen = Some((machine.register(1), machine.register(2), machine.memory(STACK, 56), to));
        });
        let table = (0xb1304 & !0xfff) + 929_792 + 3056;
        let expected =
            (Value::Pointer(STACK, 56), Value::Number(2), Value::Address(table), 0xb1320 - 0x1890);
        assert_eq!(seen, Some(expected));
    }
}
