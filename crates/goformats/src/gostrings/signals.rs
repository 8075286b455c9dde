//! Which signals a program asks `os/signal` for.
//!
//! `signal.Notify(c, sigs...)` and `signal.NotifyContext(ctx, sigs...)` take a slice of interfaces. Where its elements
//! are written out, the compiler builds an array right before the call: for a constant such as `syscall.SIGTERM` the
//! address of `go:itab.syscall.Signal,os.Signal` and of a read-only word with the number, for `os.Interrupt` and
//! `os.Kill` two loads from that variable (Go 1.18 to 1.27, both machines).
//!
//! `signal.Ignore(sigs...)` takes the same slice. It is so short that the compiler puts its body in its place, a call of
//! `os/signal.cancel` with the slice and the function that is done to each signal; `signal.Reset` is the same with another
//! function (os/signal/signal.go, Go 1.18 to 1.27).
//!
//! The functions that call are followed ([`super::follow`]). A slice that is not known entirely leaves the answer open:
//! nothing here guesses that a signal is missing.

use super::Strings;
use super::follow::{Calls, Interpreter, Value};
use super::image::Image;
use super::owner::Owner;
use crate::elf::Machine;
use crate::pclntab::{FunctionTable, Presence, package_of};

/// `SIGTERM` on Linux.
const SIGTERM: u8 = 15;
/// `SIGINT` and `SIGKILL`, the values of `os.Interrupt` and `os.Kill`.
const OS_VARIABLES: [u64; 2] = [2, 9];
/// The highest number of a signal on Linux (`SIGRTMAX`).
const HIGHEST: u64 = 64;
/// Elements of one slice that are looked at.
const ELEMENTS: u64 = 65;
/// Calls that are followed.
const CALLS: usize = 256;
/// Bytes of code that are followed.
const ALL_BYTES: u64 = 1 << 23;
/// Instructions that build one element of the slice stand that near, in bytes.
const NEAR: u64 = 64;

/// The signals that a program asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signals<'a> {
    /// `SIGTERM` is asked for, or every signal, or code outside of the standard library uses `syscall.SIGTERM` as an
    /// `os.Signal` and a call was not understood.
    Termination,
    /// `SIGTERM` is asked for by no call, and these are.
    Others {
        /// The numbers, sorted.
        numbers: Vec<u8>,
        /// The function with the first call, one of the main module where there is one.
        function: &'a str,
        /// The address of that call.
        at: u64,
    },
    /// Neither is proved: this function takes the signals from elsewhere, or is not understood. `None` where no call
    /// was found, or one is made through a variable.
    Unknown {
        /// The name of the function.
        function: Option<&'a str>,
    },
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalCall<'a> {
    /// The function that calls.
    pub function: &'a str,
    /// The address of the call; of the function where its calls were not understood.
    pub at: u64,
    /// What it asks for.
    pub asked: Asked,
}

/// What one call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Every signal: no one is named.
    All,
    /// These, in the order of the code. Of a variable, what is sure.
    Numbers(Vec<u8>),
    /// Not known.
    Unknown,
}

/// Whether a program has `SIGTERM` ignored, once its calls are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ignored<'a> {
    /// By no call.
    Not,
    /// By this one.
    Termination {
        /// The function that calls.
        function: &'a str,
        /// The address of the call.
        at: u64,
    },
    /// Neither is proved: this function takes the signals from elsewhere, is not understood, or has the default restored.
    /// `None` where no call was found.
    Unknown {
        /// The name of the function.
        function: Option<&'a str>,
    },
}

/// One of the functions, with the registers of its slice: pointer and length, by position among the arguments.
#[derive(Clone, Copy, Debug)]
struct Target {
    address: u64,
    first: usize,
    does: Does,
}

/// What a call does with the signals that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// It asks for them.
    Notify,
    /// It has them ignored.
    Ignore,
    /// It restores what the system does with them.
    Reset,
    /// One of these two: the function at `ignore` or at `reset` is its last argument.
    Cancel { ignore: Option<u64>, reset: Option<u64> },
    /// Not known.
    Unknown,
}

impl<'a> Strings<'a> {
    /// Every call of `signal.Notify` and `signal.NotifyContext` outside of `os/signal`, in the order of their
    /// addresses; empty when there are too many, or one of the functions is called through a variable. `None` when
    /// `os/signal.Notify` is not linked. One pass over the code; call it only when asked.
    pub fn signal_calls(&self) -> Option<Vec<SignalCall<'a>>> {
        let found = self.functions.find(&["os/signal.Notify", "os/signal.NotifyContext"]).found;
        let mut targets = Vec::new();
        // The slice comes behind the channel (one register), or the context (two).
        for (presence, first) in found.iter().zip([1, 2]) {
            if let Presence::Linked(address) = presence {
                targets.push(Target { address: *address, first, does: Does::Notify });
            }
        }
        targets.first().filter(|target| target.first == 1)?;
        let calls = self.calls_with_signals(&targets);
        Some(calls.into_iter().map(|(_, call)| call).collect())
    }

    /// Every call of the targets outside of `os/signal`, and what it does.
    fn calls_with_signals(&self, targets: &[Target]) -> Vec<(Does, SignalCall<'a>)> {
        let addresses: Vec<u64> = targets.iter().map(|target| target.address).collect();
        let calls = self.calls_of(&addresses);
        if calls.through_variables() {
            return Vec::new();
        }
        let mut all = Vec::new();
        let mut left = ALL_BYTES;
        let outside = |name: &str| package_of(name) != Some("os/signal");
        for function in calls.callers(CALLS, outside).unwrap_or_default() {
            let asked = left.checked_sub(function.size).map(|rest| {
                left = rest;
                calls.follow(&function, |machine, to| {
                    let target = targets.iter().find(|target| target.address == to);
                    target.map_or((Does::Unknown, Asked::Unknown), |target| {
                        (done_by(&calls, machine, *target), asked_by(&calls, machine, *target))
                    })
                })
            });
            let name = function.name;
            let call = |(at, (does, asked))| (does, SignalCall { function: name, at, asked });
            match asked.filter(|asked| !asked.is_empty()) {
                Some(asked) => all.extend(asked.into_iter().map(call)),
                None => all.push(call((function.address, (Does::Unknown, Asked::Unknown)))),
            }
        }
        all
    }

    /// Every call of `signal.Ignore` and `signal.Reset`, and what it does; `None` when nothing has signals ignored.
    fn cancel_calls(&self) -> Option<Vec<(Does, SignalCall<'a>)>> {
        const NAMES: [&str; 6] = [
            "os/signal.signal_ignore",
            "os/signal.Ignore",
            "os/signal.Reset",
            "os/signal.cancel",
            "os/signal.ignoreSignal",
            "os/signal.disableSignal",
        ];
        let found = self.functions.find(&NAMES).found;
        let address = |place: usize| match found.get(place) {
            Some(Presence::Linked(address)) => Some(*address),
            _ => None,
        };
        // What the runtime has for it, which nothing else reaches.
        address(0)?;
        let cancel = Does::Cancel { ignore: address(4), reset: address(5) };
        let targets: Vec<Target> = [(1, Does::Ignore), (2, Does::Reset), (3, cancel)]
            .into_iter()
            .filter_map(|(place, does)| Some(Target { address: address(place)?, first: 0, does }))
            .collect();
        Some(self.calls_with_signals(&targets))
    }

    /// Every call that has signals ignored, in the order of their addresses; what is not known to do so is
    /// [`Asked::Unknown`]. `None` when `signal.Ignore` is not linked. One pass over the code.
    pub fn ignore_calls(&self) -> Option<Vec<SignalCall<'a>>> {
        let calls = self.cancel_calls()?.into_iter();
        let ignores = calls.filter_map(|(does, call)| match does {
            Does::Ignore => Some(call),
            Does::Unknown => Some(SignalCall { asked: Asked::Unknown, ..call }),
            _ => None,
        });
        Some(ignores.collect())
    }

    /// Whether the program has `SIGTERM` ignored; `None` when `signal.Ignore` is not linked.
    pub fn ignored(&self) -> Option<Ignored<'a>> {
        let calls = self.cancel_calls()?;
        let is_meant = |asked: &Asked| match asked {
            Asked::All => Some(true),
            Asked::Numbers(numbers) => Some(numbers.contains(&SIGTERM)),
            Asked::Unknown => None,
        };
        // What is restored may have been before or after.
        let doubt = calls.iter().find(|(does, call)| match does {
            Does::Ignore => is_meant(&call.asked).is_none(),
            Does::Reset => is_meant(&call.asked) != Some(false),
            _ => true,
        });
        let ignores = |(does, call): &&(Does, SignalCall<'a>)| {
            *does == Does::Ignore && is_meant(&call.asked) == Some(true)
        };
        let found = calls.iter().find(ignores);
        Some(match (found, doubt) {
            (Some((_, call)), None) => {
                Ignored::Termination { function: call.function, at: call.at }
            }
            (_, Some((_, call))) => Ignored::Unknown { function: Some(call.function) },
            // It is linked, and somebody calls it.
            (None, None) if calls.is_empty() => Ignored::Unknown { function: None },
            (None, None) => Ignored::Not,
        })
    }

    /// Which signals the program asks for; `None` when `os/signal.Notify` is not linked.
    pub fn signals(&self) -> Option<Signals<'a>> {
        let calls = self.signal_calls()?;
        let mut numbers: Vec<u8> = Vec::new();
        let mut first: Option<(bool, &'a str, u64)> = None;
        let mut unknown = None;
        for call in calls {
            match call.asked {
                Asked::All => return Some(Signals::Termination),
                Asked::Numbers(all) if all.contains(&SIGTERM) => return Some(Signals::Termination),
                Asked::Numbers(all) => {
                    let main = package_of(call.function)
                        .is_some_and(|package| self.owners.of_package(package) == Owner::Main);
                    numbers.extend(all);
                    if first.is_none_or(|(ours, ..)| main && !ours) {
                        first = Some((main, call.function, call.at));
                    }
                }
                Asked::Unknown => unknown = unknown.or(Some(call.function)),
            }
        }
        Some(match (unknown, first) {
            (None, Some((_, function, at))) => {
                numbers.sort_unstable();
                numbers.dedup();
                Signals::Others { numbers, function, at }
            }
            (function, _) => self.open(function),
        })
    }

    /// The answer where a call is not understood: `SIGTERM` as an `os.Signal` anywhere in the program's own code is
    /// taken for its handling.
    fn open(&self, function: Option<&'a str>) -> Signals<'a> {
        for one in self.functions.functions() {
            let std = package_of(one.name)
                .is_none_or(|package| self.owners.of_package(package) == Owner::Std);
            let end = one.address.saturating_add(one.size);
            let Some(code) = self.image.code_at(one.address..end).filter(|_| !std) else {
                continue;
            };
            // The last place of each, in the order of addresses.
            let (mut table, mut number, mut near) = (None, None, false);
            let wanted = |target| {
                word(&self.image, target) == Some(SIGTERM.into())
                    || is_signal_table(&self.image, &self.functions, target)
            };
            let push = |reference: super::Reference| {
                let is_number = word(&self.image, reference.target) == Some(SIGTERM.into());
                *(if is_number { &mut number } else { &mut table }) = Some(reference.at);
                near |= table.zip(number).is_some_and(|(a, b): (u64, u64)| a.abs_diff(b) <= NEAR);
            };
            match self.machine {
                Machine::Amd64 => super::amd64::references(code, one.address, wanted, push),
                _ => super::arm64::references(code, one.address, wanted, push),
            }
            if near {
                return Signals::Termination;
            }
        }
        if self.holds_termination() { Signals::Termination } else { Signals::Unknown { function } }
    }

    /// Whether `SIGTERM` stands in data as an `os.Signal`, such as in an array that code copies.
    fn holds_termination(&self) -> bool {
        let is_number = |address| word(&self.image, address) == Some(SIGTERM.into());
        let is_table = |at| {
            let table = word(&self.image, at);
            table.is_some_and(|table| is_signal_table(&self.image, &self.functions, table))
        };
        let relocated =
            |(at, target): (u64, u64)| is_number(target) && at.checked_sub(8).is_some_and(is_table);
        self.image.relocations().any(relocated)
            || self.image.data().iter().any(|area| {
                let skip = (area.address.wrapping_neg() & 7) as usize;
                let words = area.bytes.get(skip..).unwrap_or_default().chunks_exact(8);
                words.enumerate().skip(1).any(|(index, word)| {
                    let target = word.first_chunk().map_or(0, |&w| u64::from_le_bytes(w));
                    let at = area.address + skip as u64 + 8 * (index as u64 - 1);
                    self.image.in_data(target) && is_number(target) && is_table(at)
                })
            })
    }
}

/// A word in data as the program finds it when it starts.
fn word(image: &Image<'_>, address: u64) -> Option<u64> {
    if let Some(target) = image.relocation_at(address) {
        return Some(target);
    }
    image.bytes_at(address, 8)?.first_chunk().map(|&bytes| u64::from_le_bytes(bytes))
}

/// Whether this is the method table by which a `syscall.Signal` is an `os.Signal`: type of the interface, type, hash,
/// and its methods `Signal` and `String` (internal/abi/iface.go, `ITab`). A method that nobody calls is not linked.
fn is_signal_table(image: &Image<'_>, functions: &FunctionTable<'_>, address: u64) -> bool {
    [24, 32].iter().any(|&offset| {
        let method = address.checked_add(offset).and_then(|at| word(image, at));
        let function = method.and_then(|method| functions.function_at(method));
        function.is_some_and(|f| {
            Some(f.address) == method
                && matches!(f.name, "syscall.(*Signal).String" | "syscall.(*Signal).Signal")
        })
    })
}

/// What a call of the target does.
fn done_by(calls: &Calls<'_, '_>, machine: &Interpreter, target: Target) -> Does {
    let Does::Cancel { ignore, reset } = target.does else { return target.does };
    // A function without variables around it is a word of read-only data that holds its address.
    let done = match calls.argument(machine, target.first + 3) {
        Value::Address(closure) => word(calls.image, closure),
        _ => None,
    };
    match done {
        None => Does::Unknown,
        done if done == ignore => Does::Ignore,
        done if done == reset => Does::Reset,
        Some(_) => Does::Unknown,
    }
}

/// What a call of the target asks for.
fn asked_by(calls: &Calls<'_, '_>, machine: &Interpreter, target: Target) -> Asked {
    let value = |position: usize| calls.argument(machine, position);
    let (pointer, len) = (value(target.first), value(target.first + 1));
    if len == Value::Number(0) {
        return Asked::All;
    }
    let element: Box<dyn Fn(u64) -> (Value, Value)> = match (pointer, len) {
        (Value::Pointer(base, offset), Value::Number(_)) => Box::new(move |index| {
            let at = offset.wrapping_add(16 * index as i64);
            (machine.memory(base, at), machine.memory(base, at.wrapping_add(8)))
        }),
        (Value::Address(array), Value::Number(_)) => {
            Box::new(move |index| stored(calls, array, index))
        }
        // A variable of the program. What it holds at the start is a proof of what is in it, not of what is not.
        (Value::Loaded(pointer), Value::Loaded(len)) if pointer.wrapping_add(8) == len => {
            let (array, len) = (word(calls.image, pointer), word(calls.image, len));
            let (Some(array), Some(len)) = (array, len.filter(|&len| len <= ELEMENTS)) else {
                return Asked::Unknown;
            };
            let term = (0..len).any(|index| {
                let (table, number) = stored(calls, array, index);
                number_of(calls, table, number) == Some(SIGTERM)
            });
            return if term { Asked::Numbers(vec![SIGTERM]) } else { Asked::Unknown };
        }
        _ => return Asked::Unknown,
    };
    let Value::Number(len @ 1..=ELEMENTS) = len else { return Asked::Unknown };
    let numbers: Option<Vec<u8>> = (0..len)
        .map(|index| {
            let (table, number) = element(index);
            number_of(calls, table, number)
        })
        .collect();
    numbers.map_or(Asked::Unknown, Asked::Numbers)
}

/// An element of an array in data.
fn stored(calls: &Calls<'_, '_>, array: u64, index: u64) -> (Value, Value) {
    let at = array.wrapping_add(16 * index);
    let value = |at| word(calls.image, at).map_or(Value::Unknown, Value::Address);
    (value(at), value(at.wrapping_add(8)))
}

/// The signal that an interface of these two words is.
fn number_of(calls: &Calls<'_, '_>, table: Value, number: Value) -> Option<u8> {
    let (table, number, variable) = match (table, number) {
        (Value::Address(table), Value::Address(number)) => (table, number, false),
        (Value::Loaded(first), Value::Loaded(second)) if first.wrapping_add(8) == second => {
            (word(calls.image, first)?, word(calls.image, second)?, true)
        }
        _ => return None,
    };
    if !is_signal_table(calls.image, calls.functions, table) {
        return None;
    }
    let number = word(calls.image, number)?;
    // A variable can be set to another one; nobody does so with the two of package os.
    if variable && !OS_VARIABLES.contains(&number) && number != u64::from(SIGTERM) {
        return None;
    }
    u8::try_from(number).ok().filter(|_| (1..=HIGHEST).contains(&number))
}
