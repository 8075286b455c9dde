//! Whether the handler of a server stays what the function that allocates the server set it to.
//!
//! A pointer to the server is followed to the functions that are given it and to the closures that have it among their
//! variables. Where it goes anywhere else, to a variable, into a struct or a slice, or back to the caller, whoever gets
//! it from there may do `srv.Handler = wrap(srv.Handler)`.

use rustc_hash::FxHashMap;

use super::Strings;
use super::follow::{Call, Calls, Interpreter, Value};
use super::routes::HANDLER;
use crate::pclntab::Function;

/// Functions in which one server is followed.
const FUNCTIONS: usize = 64;
/// Functions that hand a server to each other.
const DEPTH: usize = 8;
/// Words of arguments that are looked at.
pub(super) const ARGUMENTS: usize = 9;

/// A call that is given a pointer to a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handed {
    /// What is called.
    to: u64,
    /// The server, by its number in the function.
    object: u32,
    /// Its position among the words of the arguments.
    position: usize,
}

/// How a function gets at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    /// It is this argument.
    Argument(usize),
    /// It is at this place among the closure's variables.
    Variable(i64),
    /// It has it from somewhere, as a closure on its caller's stack does.
    Somewhere,
}

/// What is known of functions that a server is handed to.
#[derive(Default)]
pub(super) struct Known {
    /// Whether they leave its handler alone; one that is still looked at does unless it is found not to.
    functions: FxHashMap<(u64, Entry), bool>,
}

impl<'a> Strings<'a> {
    /// The servers that a call is given, of those that are watched. Code of the standard library sets no handler.
    pub(super) fn handed<'m>(
        &'m self,
        calls: &'m Calls<'_, 'a>,
        machine: &'m Interpreter,
        call: Call<'a>,
    ) -> impl Iterator<Item = Handed> + 'm {
        let positions = if self.is_of_std(call.callee) { 0 } else { ARGUMENTS };
        (0..positions).filter_map(move |position| {
            let object = machine.is_watched(calls.argument(machine, position))?;
            Some(Handed { to: call.to, object, position })
        })
    }

    /// Whether what was stored at a handler's offset of an object that is not known may be one.
    pub(super) fn may_be_handler(&self, value: &Value) -> bool {
        match value {
            Value::Number(_) | Value::Pointer(..) => false,
            Value::Address(at) => self.handler_of(*at).is_some(),
            Value::Unknown | Value::Loaded(_) | Value::Returned(..) => true,
        }
    }

    /// Whether nobody sets the handler of a server behind the back of the function that has been followed, which gave
    /// it to these.
    pub(super) fn keeps_handler(
        &self,
        calls: &Calls<'_, 'a>,
        machine: &Interpreter,
        object: u32,
        handed: &[Handed],
        known: &mut Known,
    ) -> bool {
        self.keeps(calls, machine, object, handed, known, DEPTH)
    }

    fn keeps(
        &self,
        calls: &Calls<'_, 'a>,
        machine: &Interpreter,
        object: u32,
        handed: &[Handed],
        known: &mut Known,
        depth: usize,
    ) -> bool {
        if machine.is_published(object) {
            return false;
        }
        let given = handed.iter().filter(|handed| handed.object == object);
        let given = given.map(|handed| (Some(handed.to), Entry::Argument(handed.position)));
        let captured = machine.captures(object).map(|(to, place)| (to, Entry::Variable(place)));
        let begins = |at: u64| self.functions.function_at(at).filter(|f| f.address == at);
        let of_heap = given.chain(captured).all(|(to, entry)| {
            // What does not begin with the address of code is no closure; what is called through one is not known.
            let function = to.and_then(begins);
            function.is_some_and(|function| self.leaves(calls, &function, entry, known, depth))
        });
        of_heap
            && machine
                .stacked()
                .filter_map(begins)
                .all(|closure| self.leaves(calls, &closure, Entry::Somewhere, known, depth))
    }

    fn leaves(
        &self,
        calls: &Calls<'_, 'a>,
        function: &Function<'a>,
        entry: Entry,
        known: &mut Known,
        depth: usize,
    ) -> bool {
        // A method value of the server, too: `net/http.(*Server).Shutdown-fm`.
        if self.is_of_std(function.name) {
            return true;
        }
        let key = (function.address, entry);
        if let Some(known) = known.functions.get(&key) {
            return *known;
        }
        if depth == 0 || known.functions.len() >= FUNCTIONS {
            return false;
        }
        known.functions.insert(key, true);
        let begin = match entry {
            Entry::Argument(position) => match calls.register(position) {
                Some(register) => Interpreter::given(register, HANDLER),
                None => return false,
            },
            Entry::Variable(place) => Interpreter::of_closure(calls.context(), place, HANDLER),
            Entry::Somewhere => Interpreter::watching(HANDLER),
        };
        let mut handed = Vec::new();
        let end = calls.walk_from(begin, function, |machine, call| {
            handed.extend(self.handed(calls, machine, call));
        });
        let leaves = end.is_some_and(|machine| {
            let sets = machine.watched().any(|(_, stores)| !stores.is_empty())
                || machine.stored_elsewhere().iter().any(|value| self.may_be_handler(value));
            !sets
                && machine.watched().all(|(object, _)| {
                    self.keeps(calls, &machine, object, &handed, known, depth - 1)
                })
        });
        known.functions.insert(key, leaves);
        leaves
    }
}
