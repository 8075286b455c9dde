//! Calls, and what is chosen by a condition, in the code of one function.
//!
//! A default is chosen where something is zero: the length of a text, or whether there is one.
//!
//! ```text
//!     TESTQ BX, BX          CMP  $0, R1            TESTQ BX, BX
//!     JNE  past             CSEL NE, R0, R2, R0    CMOVE CX, AX
//!     LEAQ ":8080", AX
//!     past:
//! ```
//!
//! Between the default and `past` is no call: `if debug { serve(":8080") }` chooses nothing. Instructions are read one
//! by one from the function's entry; behind one that is not understood nothing is known.

use std::ops::Range;

use crate::elf::Machine;
use crate::gostrings::arm64::is_adrp;
use crate::gostrings::x86::{Instruction, Operand, each, leads};

/// Bytes of one function that are read; what is behind them is not known.
const FUNCTION_BYTES: usize = 1 << 18;
/// Bytes of code between a name and its default in the arguments of one call, at most.
const NEAR: u64 = 128;
/// Bytes around a use in which a branch or a conditional move chooses it.
const CHOSEN: u64 = 24;
/// A branch past a default goes no further than that.
const PAST: u64 = 64;
/// Bytes of a text's header.
const TEXT: i64 = 16;

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Other,
    /// Takes an address into a register, or what is there.
    Address(u8),
    /// Puts a register into a slot of the stack.
    Store(u8, i64),
    Call,
    /// A call of the garbage collector's write barrier, which keeps all registers.
    Barrier,
    /// A call that makes one text of several.
    Join,
    /// A call that makes a value of an interface, for `fmt`.
    Box,
    /// A call of `cmp.Or`.
    Or,
    /// Goes elsewhere, always.
    Leave,
    /// Goes there unless something is zero.
    Past(u64),
    /// Takes the value of this register where something is zero, and that of another where it is not.
    Pick(u8),
}

impl Step {
    fn is_call(self) -> bool {
        matches!(self, Self::Call | Self::Barrier | Self::Join | Self::Box | Self::Or)
    }
}

/// What is called, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callee {
    /// `runtime.gcWriteBarrier`
    Barrier,
    /// `runtime.concatstrings`, `fmt.Sprintf`
    Join,
    /// `runtime.convTstring`
    Box,
    /// `cmp.Or`
    Or,
    Other,
}

impl Callee {
    fn step(self) -> Step {
        match self {
            Self::Barrier => Step::Barrier,
            Self::Join => Step::Join,
            Self::Box => Step::Box,
            Self::Or => Step::Or,
            Self::Other => Step::Call,
        }
    }
}

/// The code of a function.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Every instruction that was understood, in order.
    steps: Vec<(u64, Step)>,
}

impl Flow {
    /// Reads the code of a function from its entry; `callee` says what is at an address that is called.
    pub(super) fn read(
        machine: Machine,
        code: &[u8],
        entry: u64,
        callee: impl Fn(u64) -> Callee,
    ) -> Self {
        let code = code.get(..FUNCTION_BYTES).unwrap_or(code);
        let mut steps = Vec::new();
        // Whether the flags say that something is zero.
        let mut zero = false;
        let called = |to| callee(to).step();
        match machine {
            Machine::Amd64 => {
                // What is behind an instruction that is not understood stays unknown.
                let _: Option<()> = each(code, entry, |address, instruction| {
                    steps.push((address, amd64(instruction, address, zero, called)));
                    zero = amd64_zero(instruction, zero);
                    Some(())
                });
            }
            _ => {
                for (index, word) in code.chunks_exact(4).enumerate() {
                    let word = word.first_chunk().map_or(0, |&w| u32::from_le_bytes(w));
                    let address = entry.wrapping_add(4 * index as u64);
                    steps.push((address, arm64(word, address, zero, called)));
                    zero = arm64_zero(word, zero);
                }
            }
        }
        Self { steps }
    }

    fn index_of(&self, address: u64) -> Option<usize> {
        self.steps.binary_search_by_key(&address, |(at, _)| *at).ok()
    }

    /// Whether two uses stand that near each other that both are for one call: there is none between them.
    pub(super) fn is_one_call(&self, first: u64, second: u64) -> bool {
        if second.saturating_sub(first) > NEAR {
            return false;
        }
        let between = || self.steps.get(self.index_of(first)?..self.index_of(second)?);
        between()
            .is_some_and(|between| between.iter().all(|(_, s)| !s.is_call() && *s != Step::Leave))
    }

    /// Whether what is used there is made a part of another text: the next call is one that does that.
    pub(super) fn is_joined(&self, at: u64) -> bool {
        let Some(rest) = self.index_of(at).and_then(|index| self.steps.get(index..)) else {
            return false;
        };
        let near = rest.iter().take_while(|(step, _)| step.saturating_sub(at) <= NEAR);
        let next = near.map(|(_, step)| step).find(|step| step.is_call() || **step == Step::Leave);
        next == Some(&Step::Join)
    }

    /// Whether what is used second is used with what the one call gave that the first was for: `os.Getenv`, say. Boxing
    /// the result for `fmt` is a call, too.
    pub(super) fn is_of_result(&self, first: u64, second: u64) -> bool {
        if second.saturating_sub(first) > NEAR {
            return false;
        }
        let (Some(from), Some(to)) = (self.index_of(first), self.index_of(second)) else {
            return false;
        };
        let between = self.steps.get(from..to).unwrap_or_default();
        between.iter().all(|(_, step)| !matches!(step, Step::Leave | Step::Join))
            && between.iter().filter(|(_, step)| *step == Step::Call).count() == 1
    }

    /// Whether what is used second is what `cmp.Or` takes where the one call gave nothing that the first was for: both
    /// lie on the stack beside each other, the second behind, nothing before them, and what comes then is `cmp.Or`:
    /// a call, or its own code in `inlined`.
    pub(super) fn is_or(&self, first: u64, second: u64, inlined: &[Range<u64>]) -> bool {
        let (Some(from), Some(to)) = (self.index_of(first), self.index_of(second)) else {
            return false;
        };
        if second.saturating_sub(first) > NEAR || from >= to {
            return false;
        }
        let Some((_, Step::Address(register))) = self.steps.get(to) else { return false };
        let mut calls =
            (from..to).filter(|index| self.steps.get(*index).is_some_and(|s| s.1.is_call()));
        let (Some(call), None) = (calls.next(), calls.next()) else { return false };
        let behind = self.steps.get(call + 1..).unwrap_or_default();
        let ends = behind.iter().position(|(at, step)| {
            step.is_call() || *step == Step::Leave || inlined.iter().any(|range| range.contains(at))
        });
        let Some((end, (at, step))) = ends.and_then(|end| Some((end, behind.get(end)?))) else {
            return false;
        };
        let is_or = *step == Step::Or || inlined.iter().any(|range| range.contains(at));
        let filled = behind.get(..end).unwrap_or_default();
        let slot = |register: u8, from: u64| {
            let of = filled.iter().filter(|(at, _)| *at >= from).map(|(_, step)| *step);
            let kept = of.take_while(|step| from >= second || *step != Step::Address(register));
            kept.into_iter().find_map(|step| match step {
                Step::Store(own, slot) if own == register => Some(slot),
                _ => None,
            })
        };
        // The result is in the first register.
        let (Some(result), Some(default)) = (slot(0, 0), slot(*register, second)) else {
            return false;
        };
        let before = |(_, step): &(u64, Step)| matches!(step, Step::Store(_, slot) if *slot == result - TEXT);
        is_or && default == result + TEXT && !filled.iter().any(before)
    }

    /// Whether what is used there is chosen where something is zero.
    pub(super) fn is_chosen(&self, at: u64) -> bool {
        let Some(index) = self.index_of(at) else { return false };
        let (before, from) = self.steps.split_at(index);
        let is_past = |to: u64| {
            let end = to.checked_sub(at).filter(|&past| past > 0 && past <= PAST);
            let skipped = end.and_then(|_| self.steps.get(index..self.index_of(to)?));
            skipped.is_some_and(|skipped| {
                skipped.iter().all(|(_, s)| !s.is_call() || *s == Step::Barrier)
            })
        };
        let near = before.iter().rev().take_while(|(step, _)| at.saturating_sub(*step) <= CHOSEN);
        if near.clone().any(|(_, step)| matches!(*step, Step::Past(to) if is_past(to))) {
            return true;
        }
        let Some(&(_, Step::Address(register))) = from.first() else { return false };
        from.iter()
            .skip(1)
            .take_while(|(step, _)| step.saturating_sub(at) < CHOSEN)
            .take_while(|(_, s)| !s.is_call() && !matches!(s, Step::Leave | Step::Past(_)))
            .any(|(_, step)| *step == Step::Pick(register))
    }
}

/// The stack pointer of amd64.
const STACK: usize = 4;

fn amd64(
    instruction: &Instruction,
    address: u64,
    zero: bool,
    called: impl Fn(u64) -> Step,
) -> Step {
    let &Instruction { opcode, reg, operand, .. } = instruction;
    let to = leads(instruction, address).unwrap_or(0);
    match opcode {
        0xe8 => called(to),
        0xff if matches!(reg & 7, 2 | 3) => Step::Call,
        0xff if matches!(reg & 7, 4 | 5) => Step::Leave,
        0xc2 | 0xc3 | 0xcc | 0xe9 | 0xeb | 0x10b => Step::Leave,
        // JNE
        0x75 | 0x185 if zero => Step::Past(to),
        // MOV to a slot of the stack
        0x89 if instruction.wide => match operand {
            Some(Operand::Based(STACK, slot)) => Step::Store(reg as u8, slot),
            _ => Step::Other,
        },
        // LEA, MOV
        0x8d | 0x8b if matches!(operand, Some(Operand::Relative(_))) => Step::Address(reg as u8),
        // CMOVE takes the operand, CMOVNE keeps what it has.
        0x144 if zero => match operand {
            Some(Operand::Register(from)) => Step::Pick(from as u8),
            _ => Step::Other,
        },
        0x145 if zero => Step::Pick(reg as u8),
        _ => Step::Other,
    }
}

/// Whether the flags behind the instruction say that something is zero.
fn amd64_zero(instruction: &Instruction, zero: bool) -> bool {
    let &Instruction { opcode, wide, reg, operand, immediate, .. } = instruction;
    // Lengths have eight bytes and booleans one. What has four is no text's: whether the write barrier is on, above all.
    let size = wide || matches!(opcode, 0x80 | 0x84);
    match opcode {
        // TEST of a register with itself; CMP $0.
        0x84 | 0x85 => size && operand == Some(Operand::Register(reg)),
        0x80 | 0x83 if reg & 7 == 7 => size && immediate == 0,
        // MOV, LEA, MOVSX, MOVZX, CMOV, SET, NOP, and moves of vectors leave them alone.
        0x63 | 0x88..=0x8b | 0x8d | 0x90 | 0xb0..=0xbf | 0xc6 | 0xc7 => zero,
        0x110 | 0x111 | 0x11f | 0x128 | 0x129 | 0x140..=0x14f | 0x16f | 0x17f => zero,
        0x190..=0x19f | 0x1b6 | 0x1b7 | 0x1be | 0x1bf => zero,
        _ => false,
    }
}

fn arm64(word: u32, address: u64, zero: bool, called: impl Fn(u64) -> Step) -> Step {
    let to = |bits: u32, value: u32| {
        let distance = i64::from((value << (32 - bits)) as i32 >> (32 - bits)) * 4;
        address.wrapping_add_signed(distance)
    };
    let register = |at: u32| (word >> at & 31) as u8;
    if word >> 26 == 0x25 {
        // BL
        called(to(26, word & 0x3ff_ffff))
    } else if word & 0xffff_fc1f == 0xd63f_0000 {
        // BLR
        Step::Call
    } else if word >> 26 == 0x05 || word & 0xff9f_fc1f == 0xd61f_0000 {
        // B; BR and RET
        Step::Leave
    } else if word & 0xff00_001f == 0x5400_0001 && zero || word & 0xff00_0000 == 0xb500_0000 {
        // B.NE; CBNZ of eight bytes
        Step::Past(to(19, word >> 5 & 0x7_ffff))
    } else if word & 0xfff8_0000 == 0x3700_0000 {
        // TBNZ $0
        Step::Past(to(14, word >> 5 & 0x3fff))
    } else if is_adrp(word) {
        Step::Address(register(0))
    } else if word & 0xffc0_03e0 == 0xf900_03e0 {
        // STR to the stack
        Step::Store(register(0), i64::from(word >> 10 & 0xfff) * 8)
    } else if word & 0xffc0_03e0 == 0xa900_03e0 {
        // STP to the stack
        Step::Store(register(0), i64::from(((word >> 15 & 0x7f) << 25) as i32 >> 25) * 8)
    } else if word & 0xffe0_fc00 == 0x9a80_0000 && zero {
        // CSEL EQ takes the first where it is zero.
        Step::Pick(register(5))
    } else if word & 0xffe0_fc00 == 0x9a80_1000 && zero {
        // CSEL NE takes the second.
        Step::Pick(register(16))
    } else {
        Step::Other
    }
}

/// Whether the flags behind the instruction say that something is zero.
fn arm64_zero(word: u32, zero: bool) -> bool {
    // CMP $0 and CMP ZR (Go 1.18 and 1.19) of eight bytes; TST $1.
    if matches!(word & 0xffff_fc1f, 0xf100_001f | 0xeb1f_001f | 0x7200_001f) {
        return true;
    }
    let flags = match word >> 24 & 0x7f {
        // ADDS, SUBS and ANDS of constants and of registers; comparisons of floating point.
        0x31 | 0x71 | 0x2b | 0x6b | 0x6a | 0x1e => true,
        0x72 => word >> 23 & 1 == 0,
        // ADCS and SBCS; CCMP.
        0x3a | 0x7a => true,
        _ => false,
    };
    let branch = word >> 26 == 0x25 || word & 0xff9f_fc1f == 0xd61f_0000 || word >> 26 == 0x05;
    zero && !flags && !branch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: &[u8]) -> Flow {
        Flow::read(Machine::Amd64, code, 0x1000, |to| match to {
            0x1000 => Callee::Barrier,
            0x2000 => Callee::Join,
            _ => Callee::Other,
        })
    }

    const LEA: [u8; 7] = [0x48, 0x8d, 0x05, 0, 0x10, 0, 0];

    /// The address in `before`, `LEA`, `after`.
    fn is_chosen(before: &[u8], after: &[u8]) -> bool {
        let code = [before, &LEA, after].concat();
        read(&code).is_chosen(0x1000 + before.len() as u64)
    }

    #[test]
    fn a_branch_past_a_default_is_an_instruction() {
        // TESTQ BX, BX; JNE past; LEAQ; NOP
        assert!(is_chosen(&[0x48, 0x85, 0xdb, 0x75, 7], &[0x90]));
        // JE, a comparison with $3, and the flags of ADDQ.
        assert!(!is_chosen(&[0x48, 0x85, 0xdb, 0x74, 7], &[0x90]));
        assert!(!is_chosen(&[0x48, 0x83, 0xfb, 3, 0x75, 7], &[0x90]));
        assert!(!is_chosen(&[0x48, 0x85, 0xdb, 0x48, 1, 0xd8, 0x75, 7], &[0x90]));
        // CMPL x(SB), $0 asks for the write barrier, CMPQ x(SB), $0 for a length.
        let global = [0x83, 0x3d, 0, 1, 0, 0, 0, 0x75, 7];
        assert!(!is_chosen(&global, &[0x90]));
        assert!(is_chosen(&[&[0x48], &global[..]].concat(), &[0x90]));
        // MOVQ 0x75(SP), DI: the bytes of a branch within another instruction.
        let nops = [0x90; 0x60];
        assert!(!is_chosen(&[0x48, 0x85, 0xdb, 0x48, 0x8b, 0x75, 0x24], &nops));
        assert!(!is_chosen(&[0x48, 0x85, 0xdb, 0x48, 0x89, 0x7c, 0x24, 0x40], &nops));
        // Into the middle of an instruction.
        assert!(!is_chosen(&[0x48, 0x85, 0xdb, 0x75, 3], &[0x90]));
    }

    #[test]
    fn what_a_condition_calls_is_not_chosen() {
        // JNE past; LEAQ; CALL
        let before = [0x48, 0x85, 0xdb, 0x75, 12];
        assert!(!is_chosen(&before, &[0xe8, 0, 0, 0, 0, 0x90]));
        // The write barrier, here the function itself at 0x1000.
        assert!(is_chosen(&before, &[0xe8, 0xef, 0xff, 0xff, 0xff, 0x90]));
        // CALL DX
        assert!(!is_chosen(&[0x48, 0x85, 0xdb, 0x75, 9], &[0xff, 0xd2, 0x90]));
    }

    #[test]
    fn a_conditional_move_takes_what_was_used() {
        let test = [0x48, 0x85, 0xdb];
        // CMOVE AX, CX; CMOVNE CX, AX
        assert!(is_chosen(&test, &[0x48, 0x0f, 0x44, 0xc8]));
        assert!(is_chosen(&test, &[0x48, 0x0f, 0x45, 0xc1]));
        // CMOVE CX, AX; CMOVE DX, BX; CMOVL AX, CX
        assert!(!is_chosen(&test, &[0x48, 0x0f, 0x44, 0xc1]));
        assert!(!is_chosen(&test, &[0x48, 0x0f, 0x44, 0xda]));
        assert!(!is_chosen(&test, &[0x48, 0x0f, 0x4c, 0xc8]));
    }

    #[test]
    fn every_call_stands_between() {
        let near = |between: &[u8]| {
            let code = [&LEA, between, &LEA].concat();
            read(&code).is_one_call(0x1000, 0x1007 + between.len() as u64)
        };
        assert!(near(&[0xbb, 4, 0, 0, 0]));
        // CALL; CALL DX; CALL 0x18(DX); JMP; RET; no instruction of 64-bit code.
        for between in
            [&b"\xe8\0\x01\0\0"[..], b"\xff\xd2", b"\xff\x52\x18", b"\xeb\0", b"\xc3", b"\x06"]
        {
            assert!(!near(between), "{between:x?}");
        }
        // Into the middle of an instruction.
        assert!(!read(&[LEA, LEA].concat()).is_one_call(0x1000, 0x1008));
    }

    #[test]
    fn a_host_before_a_setting_that_is_read() {
        // CALL to 0x2000 from the end of `code`.
        let join = |code: &[u8]| {
            let distance = 0x1000 - code.len() as i32 - 5;
            [code, &[0xe8], &distance.to_le_bytes()].concat()
        };
        let call = [0xe8, 0, 1, 0, 0];
        // LEAQ "PORT"; CALL os.Getenv; LEAQ "127.0.0.1:"; CALL runtime.concatstring2
        let code = join(&[&LEA[..], &call, &LEA].concat());
        assert!(read(&code).is_joined(0x100c) && read(&code).is_of_result(0x1000, 0x100c));
        // Another call in between, and none at all.
        let code = join(&[&LEA[..], &call, &call, &LEA].concat());
        assert!(read(&code).is_joined(0x1011) && !read(&code).is_of_result(0x1000, 0x1011));
        let code = join(&[LEA, LEA].concat());
        assert!(!read(&code).is_of_result(0x1000, 0x1007));
        // The text is an argument of something else.
        let code = join(&[&LEA[..], &call].concat());
        assert!(!read(&code).is_joined(0x1000));
    }

    #[test]
    fn choices_of_arm64() {
        let is_chosen = |words: &[u32], at: u64| {
            let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            Flow::read(Machine::Arm64, &code, 0x1000, |_| Callee::Other).is_chosen(0x1000 + 4 * at)
        };
        let (adrp, add, nop) = (0xf000_0002, 0x9105_d842, 0xd503_201f);
        // CMP $0, R1; ADRP and ADD to R2; CSEL NE, R0, R2, R0 and EQ, R2, R0, R0.
        assert!(is_chosen(&[0xf100_003f, adrp, add, 0x9a82_1000], 1));
        assert!(is_chosen(&[0xeb1f_003f, adrp, add, 0x9a80_0040], 1));
        // The other one; another comparison.
        assert!(!is_chosen(&[0xf100_003f, adrp, add, 0x9a82_0000], 1));
        assert!(!is_chosen(&[0xf100_0c3f, adrp, add, 0x9a82_1000], 1));
        // CBNZ R1, CBNZW R1, CBZ R1 and TBNZ $0, R1 past them.
        for (branch, chosen) in
            [(0xb500_0061, true), (0x3500_0061, false), (0xb400_0061, false), (0x3700_0061, true)]
        {
            assert_eq!(is_chosen(&[branch, adrp, add, nop], 1), chosen, "{branch:x}");
        }
        // A call between.
        assert!(!is_chosen(&[0xb500_0081, adrp, add, 0x97ff_fc0b, nop], 1));
        assert!(!is_chosen(&[0xb500_0081, adrp, add, 0xd63f_0040, nop], 1));
    }

    #[test]
    fn calls_of_arm64() {
        let words =
            |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
        let near = |between: u32| {
            // ADRP, ADD; between; ADRP
            let code = words(&[0x9000_0020, 0x910a_f000, between, 0xf000_0002]);
            Flow::read(Machine::Arm64, &code, 0x1000, |_| Callee::Other).is_one_call(0x1000, 0x100c)
        };
        assert!(near(0xd280_01a1), "MOVD $13, R1");
        assert!(!near(0xd63f_0040), "CALL (R2)");
        assert!(!near(0x97ff_fc0b), "CALL");
        assert!(!near(0xd65f_03c0), "RET");
    }

    proptest::proptest! {
        /// Any bytes: no panic, and no more steps than bytes.
        #[test]
        fn any_code_is_read(code: Vec<u8>, entry: u64, at: u64) {
            for machine in [Machine::Amd64, Machine::Arm64] {
                let flow = Flow::read(machine, &code, entry, |to| match to % 3 {
                    0 => Callee::Barrier,
                    1 => Callee::Join,
                    _ => Callee::Other,
                });
                proptest::prop_assert!(flow.steps.len() <= code.len());
                for at in [at, entry, entry.wrapping_add(4)] {
                    flow.is_chosen(at);
                    flow.is_one_call(entry, at);
                    flow.is_joined(at);
                    flow.is_of_result(entry, at);
                }
            }
        }
    }
}
