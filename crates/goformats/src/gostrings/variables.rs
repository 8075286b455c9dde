//! Which environment variables the program's own code asks for by name.
//!
//! `os.Getenv("PORT")` takes the address and the length of its argument in the first two registers. Those of a constant
//! are put there right before the call: `LEAQ`, `MOVL` on amd64, `ADRP`, `ADD` and `MOVZ` or `ORR` on arm64 (Go 1.18 to
//! 1.27). Only calls by code of the main module count, that of functions which were inlined into it included, and only
//! names that are written out in it: one that comes from elsewhere makes the function *unclear*.

use super::Strings;
use super::follow::{Calls, Interpreter, REGISTERS, Value};
use super::owner::Owner;
use crate::pclntab::{Presence, package_of};

/// Functions of the standard library that read a variable; the second is called where the first is inlined.
const READERS: [&str; 3] = ["os.Getenv", "os.LookupEnv", "syscall.Getenv"];
/// Calls that are looked at.
const CALLS: usize = 4096;
/// Bytes of code that are followed.
const ALL_BYTES: u64 = 1 << 24;
/// Names that are longer are none.
const LONGEST: u64 = 256;

/// A variable that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableRead<'a> {
    /// Its name.
    pub name: &'a str,
    /// The function that asks.
    pub function: &'a str,
    /// The address of the call.
    pub at: u64,
}

/// What the program's own code asks its environment for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VariableReads<'a> {
    /// Every call by a name that is written out, in the order of the code.
    pub reads: Vec<VariableRead<'a>>,
    /// Functions that ask for a name which is not, or are not understood, in the order of the code.
    pub unclear: Vec<&'a str>,
    /// One of the functions that read is handed on as a value: whoever calls it may ask for any name.
    pub handed_on: bool,
    /// There are more calls than are looked at.
    pub limited: bool,
}

impl<'a> Strings<'a> {
    /// The variables that code of the main module asks for; `None` where the compiler does not pass arguments in
    /// registers, or is not known. One pass over the code; call it only when asked.
    pub fn variable_reads(&self) -> Option<VariableReads<'a>> {
        self.minor.filter(|&minor| minor >= REGISTERS)?;
        let found = self.functions.find(&READERS).found;
        let addresses = found.iter().filter_map(|presence| match presence {
            Presence::Linked(address) => Some(*address),
            Presence::Inlined | Presence::Absent => None,
        });
        let addresses: Vec<u64> = addresses.collect();
        let mut all = VariableReads::default();
        if addresses.is_empty() {
            return Some(all);
        }
        let calls = self.calls_of(&addresses);
        all.handed_on = calls.through_variables();
        let own = |name: &str| {
            package_of(name).is_some_and(|package| self.owners.of_package(package) == Owner::Main)
        };
        let Some(callers) = calls.callers(CALLS, own) else {
            all.limited = true;
            return Some(all);
        };
        let mut left = ALL_BYTES;
        for function in callers {
            let Some(rest) = left.checked_sub(function.size) else {
                all.limited = true;
                break;
            };
            left = rest;
            let reads = calls.follow(&function, |machine, _| name(&calls, machine));
            let unclear = reads.is_empty() || reads.iter().any(|(_, name)| name.is_none());
            if unclear && all.unclear.last() != Some(&function.name) {
                all.unclear.push(function.name);
            }
            let named = reads.into_iter().filter_map(|(at, name)| Some((at, name?)));
            all.reads.extend(named.map(|(at, name)| VariableRead {
                name,
                function: function.name,
                at,
            }));
        }
        Some(all)
    }
}

/// The constant that the first argument is.
fn name<'a>(calls: &Calls<'_, 'a>, machine: &Interpreter) -> Option<&'a str> {
    let (Value::Address(address), Value::Number(len @ 1..=LONGEST)) =
        (calls.argument(machine, 0), calls.argument(machine, 1))
    else {
        return None;
    };
    if !calls.image.is_constant_data(address) {
        return None;
    }
    let text = std::str::from_utf8(calls.image.bytes_at(address, len)?).ok()?;
    // What the kernel can hand over as a name.
    (!text.contains(['=', '\0'])).then_some(text)
}
