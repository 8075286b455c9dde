//! Calls of certain functions, and what registers and stack hold at each.
//!
//! The functions that call are followed instruction by instruction with what their registers and the words on their
//! stack hold ([`state`]). What is not understood is not known; nothing here guesses. Arguments are in registers on both
//! machines since Go 1.18 (internal/abi: `RAX, RBX, RCX, RDI, RSI`; `R0` to `R4`).

mod amd64;
mod arm64;
mod state;

use super::Strings;
use super::image::Image;
use crate::elf::Machine;
use crate::pclntab::{Function, FunctionTable};
pub(super) use state::{Machine as Interpreter, STACK, Value};

/// The first minor version of the compiler that passes arguments in registers on both machines.
pub(super) const REGISTERS: u16 = 18;

/// Bytes of code of one function that are followed.
const FUNCTION_BYTES: u64 = 1 << 18;

impl<'a> Strings<'a> {
    /// The calls of the functions at these addresses.
    pub(super) fn calls_of<'s>(&'s self, targets: &'s [u64]) -> Calls<'s, 'a> {
        Calls { image: &self.image, functions: &self.functions, machine: self.machine, targets }
    }
}

/// A call in a function that is followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// The address of the instruction.
    pub(super) at: u64,
    /// What it calls; 0 through a pointer.
    pub(super) to: u64,
    /// The name of that function; empty where it is not known.
    pub(super) callee: &'a str,
}

/// A program whose calls of some functions are looked for.
pub(super) struct Calls<'s, 'a> {
    pub(super) image: &'s Image<'a>,
    pub(super) functions: &'s FunctionTable<'a>,
    pub(super) machine: Machine,
    /// Addresses of the functions.
    pub(super) targets: &'s [u64],
}

impl<'a> Calls<'_, 'a> {
    /// The value of an argument, by its position among the words that all of them take.
    pub(super) fn argument(&self, machine: &Interpreter, position: usize) -> Value {
        self.register(position).map_or(Value::Unknown, |register| machine.register(register))
    }

    /// The register of an argument.
    pub(super) fn register(&self, position: usize) -> Option<usize> {
        let registers: &[usize] = match self.machine {
            Machine::Amd64 => &amd64::ARGUMENTS,
            _ => &arm64::ARGUMENTS,
        };
        registers.get(position).copied()
    }

    /// The register that points at the variables of the closure which is called (cmd/compile/abi-internal.md).
    pub(super) fn context(&self) -> usize {
        match self.machine {
            Machine::Amd64 => 2,
            _ => 26,
        }
    }

    /// Whether a variable or a closure holds one of the functions.
    pub(super) fn through_variables(&self) -> bool {
        let is_target = |address: u64| self.targets.contains(&address);
        self.image.relocations().any(|(_, target)| is_target(target))
            || self.image.data().iter().any(|area| {
                let skip = (area.address.wrapping_neg() & 7) as usize;
                let words = area.bytes.get(skip..).unwrap_or_default().chunks_exact(8);
                words
                    .filter_map(|word| word.first_chunk())
                    .any(|&word| is_target(u64::from_le_bytes(word)))
            })
    }

    /// The functions that call, of those with names that are `wanted`; `None` when there are more than `most` calls.
    pub(super) fn callers(
        &self,
        most: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<Vec<Function<'a>>> {
        let mut callers: Vec<Function<'a>> = Vec::new();
        let mut calls = 0;
        for area in self.image.code() {
            let mut found = |at: u64| {
                let Some(function) = self.functions.function_at(at) else { return };
                if !wanted(function.name) {
                    return;
                }
                calls += 1;
                if calls <= most && callers.last().is_none_or(|c| c.address != function.address) {
                    callers.push(function);
                }
            };
            let is_target = |address: u64| self.targets.contains(&address);
            match self.machine {
                Machine::Amd64 => {
                    for at in memchr::memchr2_iter(0xe8, 0xe9, area.bytes) {
                        let distance = area.bytes.get(at + 1..).and_then(|b| b.first_chunk());
                        let Some(&distance) = distance else { break };
                        let at = area.address.wrapping_add(at as u64);
                        let distance = i64::from(i32::from_le_bytes(distance));
                        if is_target(at.wrapping_add(5).wrapping_add_signed(distance)) {
                            found(at);
                        }
                    }
                }
                _ => {
                    for (index, code) in area.bytes.chunks_exact(4).enumerate() {
                        let code = code.first_chunk().map_or(0, |&c| u32::from_le_bytes(c));
                        let at = area.address.wrapping_add(4 * index as u64);
                        if arm64::branch(code)
                            .is_some_and(|by| is_target(at.wrapping_add_signed(by)))
                        {
                            found(at);
                        }
                    }
                }
            }
        }
        (calls <= most).then_some(callers)
    }

    /// What `seen` makes of each call that a function makes of the targets, with its address; empty when the function is
    /// not understood to its end.
    pub(super) fn follow<T>(
        &self,
        function: &Function<'_>,
        mut seen: impl FnMut(&Interpreter, u64) -> T,
    ) -> Vec<(u64, T)> {
        let mut all = Vec::new();
        let whole = self.walk(function, |machine, call| {
            if self.targets.contains(&call.to) {
                all.push((call.at, seen(machine, call.to)));
            }
        });
        if whole.is_some() { all } else { Vec::new() }
    }

    /// Follows a function and shows every call that it makes. What holds at its end; `None` when it is not understood
    /// until there.
    pub(super) fn walk(
        &self,
        function: &Function<'_>,
        seen: impl FnMut(&mut Interpreter, Call<'a>),
    ) -> Option<Interpreter> {
        self.walk_from(Interpreter::new(), function, seen)
    }

    /// The same with what holds at its beginning.
    pub(super) fn walk_from(
        &self,
        mut machine: Interpreter,
        function: &Function<'_>,
        mut seen: impl FnMut(&mut Interpreter, Call<'a>),
    ) -> Option<Interpreter> {
        let (address, size) = (function.address, function.size);
        let code = self.image.code_at(address..address.saturating_add(size))?;
        if size > FUNCTION_BYTES {
            return None;
        }
        let mut call = |machine: &mut Interpreter, at: u64, to: u64| {
            let callee = self.functions.function_at(to).filter(|f| f.address == to);
            let callee = callee.map_or("", |f| f.name);
            seen(machine, Call { at, to, callee });
            machine.call(callee, self.machine == Machine::Amd64);
        };
        match self.machine {
            Machine::Amd64 => amd64::follow(code, address, &mut machine, &mut call)?,
            _ => arm64::follow(code, address, &mut machine, &mut call)?,
        }
        Some(machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Any bytes: no panic, and every instruction moves on.
        #[test]
        fn any_code_is_followed_or_given_up(code: Vec<u8>, base: u64) {
            for is_amd64 in [true, false] {
                let mut machine = Interpreter::new();
                let mut calls = 0;
                let mut call = |machine: &mut Interpreter, _: u64, _: u64| {
                    calls += 1;
                    machine.call("runtime.newobject", is_amd64);
                };
                if is_amd64 {
                    amd64::follow(&code, base, &mut machine, &mut call);
                } else {
                    arm64::follow(&code, base, &mut machine, &mut call);
                }
                proptest::prop_assert!(calls <= code.len());
            }
        }
    }
}
