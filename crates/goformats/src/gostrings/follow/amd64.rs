//! What x86-64 instructions do, as the Go compiler writes them.

use super::state::{Machine, STACK, Value};
use crate::gostrings::x86::{Instruction, Operand, each, leads};

const RAX: usize = 0;
const RDX: usize = 2;
const RSP: usize = 4;
/// The registers of arguments and of results, in their order.
pub(super) const ARGUMENTS: [usize; 9] = [0, 3, 1, 7, 6, 8, 9, 10, 11];

/// Follows a function. `None` when an instruction is not understood, or code is reached through a table.
pub(super) fn follow(
    code: &[u8],
    base: u64,
    machine: &mut Machine,
    call: &mut impl FnMut(&mut Machine, u64, u64),
) -> Option<()> {
    let mut back = Vec::new();
    each(code, base, |address, instruction| {
        let to = leads(instruction, address).filter(|_| instruction.opcode != 0xe8);
        back.extend(to.filter(|&to| to <= address));
        Some(())
    })?;
    machine.set_back(back);
    each(code, base, |address, instruction| {
        machine.arrive(address);
        let next = address.wrapping_add(instruction.len as u64);
        step(machine, instruction, address, next, call)
    })
}

fn step(
    machine: &mut Machine,
    instruction: &Instruction,
    address: u64,
    next: u64,
    call: &mut impl FnMut(&mut Machine, u64, u64),
) -> Option<()> {
    let &Instruction { opcode, wide, reg, immediate, .. } = instruction;
    let place = instruction.operand.map(|operand| place(machine, operand, next));
    let memory = place.flatten();
    let based = match instruction.operand {
        Some(Operand::Based(register, distance)) if register != RSP => Some((register, distance)),
        _ => None,
    };
    let register = match instruction.operand {
        Some(Operand::Register(register)) => Some(register),
        _ => None,
    };
    match opcode {
        0xe8 => call(machine, address, next.wrapping_add_signed(immediate)),
        0xe9 | 0xeb => {
            machine.branch(address, next.wrapping_add_signed(immediate))?;
            machine.leave();
        }
        0x70..=0x7f | 0xe0..=0xe3 | 0x180..=0x18f => {
            machine.branch(address, next.wrapping_add_signed(immediate))?;
        }
        0xc2 | 0xc3 => machine.returns(&ARGUMENTS),
        0xcc | 0x10b => machine.leave(),
        0xff if reg & 7 == 2 => call(machine, address, 0),
        0xff if reg & 7 == 4 => return None,
        0x50..=0x57 | 0x68 | 0x6a | 0xc9 => machine.move_stack(),
        0xff if reg & 7 == 6 => machine.move_stack(),
        0x58..=0x5f => {
            machine.move_stack();
            machine.set(reg, Value::Unknown);
        }
        0x8d => machine.set(reg, memory.filter(|_| wide).unwrap_or(Value::Unknown)),
        0x8b => {
            let value = match register {
                Some(from) => moved(machine.register(from), wide),
                None if wide => memory.map_or(Value::Unknown, |place| machine.load(place)),
                None => Value::Unknown,
            };
            write(machine, reg, value);
        }
        0x89 => {
            let value = moved(machine.register(reg), wide);
            match (register, memory) {
                (Some(to), _) => write(machine, to, value),
                (None, Some(place)) if wide => match based {
                    Some((base, distance)) => {
                        machine.store_at(machine.register(base), distance, value);
                    }
                    None => machine.store(place, value),
                },
                (None, Some(place)) => machine.forget(place, 4),
                _ => {}
            }
        }
        0xb8..=0xbf => {
            let value = if wide { immediate as u64 } else { u64::from(immediate as u32) };
            machine.set(reg, Value::Number(value));
        }
        0xc7 => match (register, memory) {
            (Some(to), _) => write(machine, to, Value::Number(immediate as u64)),
            (None, Some(place)) if wide => machine.store(place, Value::Number(immediate as u64)),
            (None, Some(place)) => machine.forget(place, 4),
            _ => {}
        },
        // A byte.
        0x88 => match (register, memory) {
            (Some(to), _) => write(machine, to, Value::Unknown),
            (None, Some(place)) => machine.forget(place, 1),
            _ => {}
        },
        0xc6 if reg & 7 == 0 => match (register, memory) {
            (Some(to), _) => write(machine, to, Value::Unknown),
            (None, Some(place)) => machine.forget(place, 1),
            _ => {}
        },
        0x31 | 0x33 if register == Some(reg) => machine.set(reg, Value::Number(0)),
        // MOVUPS, MOVAPS, MOVDQU and MOVDQA.
        0x110 | 0x128 | 0x16f if is_whole(instruction) => {
            let value = match (register, memory) {
                (Some(from), _) => machine.vector(from),
                (None, Some(place)) => (machine.load(place), machine.load(place.plus(8))),
                _ => (Value::Unknown, Value::Unknown),
            };
            machine.set_vector(reg, value);
        }
        0x111 | 0x129 | 0x17f if is_whole(instruction) => {
            // Go keeps X15 zero (cmd/compile/abi-internal.md).
            let zero = (Value::Number(0), Value::Number(0));
            let value = if reg == 15 { zero } else { machine.vector(reg) };
            match (register, memory) {
                (Some(to), _) => machine.set_vector(to, value),
                (None, Some(place)) => match based {
                    Some((base, distance)) => {
                        let base = machine.register(base);
                        machine.store_at(base, distance, value.0);
                        machine.store_at(base, distance.wrapping_add(8), value.1);
                    }
                    None => {
                        machine.store(place, value.0);
                        machine.store(place.plus(8), value.1);
                    }
                },
                _ => {}
            }
        }
        // MOVSS and MOVSD to memory.
        0x111 if register.is_none() => {
            if let Some(place) = memory {
                machine.forget(place, 8);
            }
        }
        // CMOV
        0x140..=0x14f if wide => {
            let other = match register {
                Some(from) => machine.register(from),
                None => memory.map_or(Value::Unknown, |place| machine.load(place)),
            };
            write(machine, reg, machine.register(reg).or(other));
        }
        // Comparisons, and what has no operand that matters.
        0x38..=0x3d | 0x84 | 0x85 | 0x90 | 0xa8 | 0xa9 | 0x11f | 0x12e | 0x12f | 0x118 | 0x10d => {}
        0x80 | 0x81 | 0x83 if reg & 7 == 7 => {}
        0xf6 | 0xf7 if reg & 7 <= 1 => {}
        _ => other(machine, instruction, register, memory),
    }
    Some(())
}

/// An instruction whose result is not followed: what it writes is not known any more.
fn other(
    machine: &mut Machine,
    instruction: &Instruction,
    register: Option<usize>,
    memory: Option<Value>,
) {
    match instruction.opcode {
        // String instructions, CPUID, system calls, x87 and vectors with new prefixes.
        0xa4..=0xa7 | 0xaa..=0xaf | 0x105 | 0x1a2 | 0x131 | 0x300.. => machine.forget_registers(),
        0x91..=0x97 => {
            machine.set(RAX, Value::Unknown);
            machine.set(instruction.reg, Value::Unknown);
        }
        0xf6 | 0xf7 | 0x98 | 0x99 | 0x1b0 | 0x1b1 | 0x1c7 => {
            machine.set(RAX, Value::Unknown);
            machine.set(RDX, Value::Unknown);
        }
        0x00..=0x3f if instruction.operand.is_none() => machine.set(RAX, Value::Unknown),
        _ => {}
    }
    if instruction.operand.is_none() {
        machine.set(instruction.reg, Value::Unknown);
        return;
    }
    machine.set_vector(instruction.reg, (Value::Unknown, Value::Unknown));
    // In groups the register's bits choose the operation.
    let group = matches!(
        instruction.opcode,
        0x80..=0x83 | 0x8f | 0xc0 | 0xc1 | 0xc6 | 0xd0..=0xd3 | 0xd8..=0xdf | 0xf6 | 0xf7 | 0xfe | 0xff | 0x190..=0x19f | 0x1ba
    );
    if !group {
        write(machine, instruction.reg, Value::Unknown);
    }
    if let Some(register) = register {
        machine.set_vector(register, (Value::Unknown, Value::Unknown));
        write(machine, register, Value::Unknown);
    }
    if let Some(place) = memory {
        machine.forget(place, 64);
    }
}

fn write(machine: &mut Machine, register: usize, value: Value) {
    if register == RSP {
        machine.move_stack();
    } else {
        machine.set(register, value);
    }
}

/// A move of 32 bits keeps small numbers only.
fn moved(value: Value, wide: bool) -> Value {
    match value {
        value if wide => value,
        Value::Number(number) => Value::Number(number & 0xffff_ffff),
        _ => Value::Unknown,
    }
}

/// All sixteen bytes: no prefix, or that of the packed form.
fn is_whole(instruction: &Instruction) -> bool {
    match instruction.opcode {
        0x16f | 0x17f => instruction.repeat == Some(0xf3) || instruction.narrow,
        _ => instruction.repeat.is_none(),
    }
}

fn place(machine: &Machine, operand: Operand, next: u64) -> Option<Value> {
    Some(match operand {
        Operand::Register(_) => return None,
        Operand::Relative(distance) => Value::Address(next.wrapping_add_signed(distance)),
        Operand::Based(RSP, distance) => Value::Pointer(STACK, distance),
        Operand::Based(register, distance) => machine.register(register).plus(distance),
        Operand::Indexed => Value::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(code: &[u8]) -> (Option<()>, Machine) {
        let mut machine = Machine::new();
        let done = follow(code, 0x1000, &mut machine, &mut |machine, _, _| machine.call("x", true));
        (done, machine)
    }

    #[test]
    fn values_meet_at_a_branch_target() {
        // MOVL $1, CX; JE +5; MOVL $N, CX; NOP
        for (second, expected) in [(1, Value::Number(1)), (2, Value::Unknown)] {
            let code = [0xb9, 1, 0, 0, 0, 0x74, 5, 0xb9, second, 0, 0, 0, 0x90];
            let (done, machine) = run(&code);
            assert_eq!(done, Some(()));
            assert_eq!(machine.register(1), expected);
        }
    }

    /// A flag that is set on the stack is one byte: what lies behind it stays what it is.
    #[test]
    fn a_byte_on_the_stack_is_one_byte() {
        // MOVQ $1, 0x10(SP); MOVB $0, 0xf(SP); MOVQ 0x10(SP), CX
        let store = [0x48, 0xc7, 0x44, 0x24, 0x10, 1, 0, 0, 0];
        let load = [0x48, 0x8b, 0x4c, 0x24, 0x10];
        for (byte, at, expected) in [
            (&[0xc6, 0x44, 0x24][..], 0xf, Value::Number(1)),
            (&[0x88, 0x44, 0x24][..], 0x13, Value::Unknown),
        ] {
            let end: &[u8] = if byte[0] == 0xc6 { &[at, 0] } else { &[at] };
            let (done, machine) = run(&[&store[..], byte, end, &load[..]].concat());
            assert_eq!((done, machine.register(1)), (Some(()), expected));
        }
    }

    #[test]
    fn a_loop_knows_nothing_of_what_came_before() {
        // MOVL $1, CX; NOP (target); JNE to it
        let (done, machine) = run(&[0xb9, 1, 0, 0, 0, 0x90, 0x75, 0xfd]);
        assert_eq!(done, Some(()));
        assert_eq!(machine.register(1), Value::Unknown);
    }

    #[test]
    fn a_jump_through_a_table_ends_it() {
        assert_eq!(run(&[0xff, 0xe0]).0, None, "JMP AX");
        assert_eq!(run(&[0xff, 0xd0]).0, Some(()), "CALL AX");
    }
}
