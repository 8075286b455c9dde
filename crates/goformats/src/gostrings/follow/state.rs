//! What registers and memory hold at a place in a function, as far as it is known.

use rustc_hash::FxHashMap;

/// Words of memory that are remembered; more are forgotten.
const WORDS: usize = 256;
/// Branches that are waited for.
const BRANCHES: usize = 2048;
/// Bytes at the beginning of an object whose words are kept.
const FIRST: i64 = 32;
/// Stores that are kept of a field.
const STORES: usize = 256;

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gostrings) enum Value {
    Unknown,
    Number(u64),
    /// An address of the program's data or code.
    Address(u64),
    /// What is in the program's data at an address.
    Loaded(u64),
    /// A place on the stack (base 0) or in an object that the function has allocated.
    Pointer(u32, i64),
    /// The word at that position of the results of a call, by its number, or a constant in its place: the default of a
    /// setting.
    Returned(u32, u8),
}

impl Value {
    /// What it is where one of two ways was taken.
    pub(in crate::gostrings) fn or(self, other: Self) -> Self {
        match (self, other) {
            (mine, theirs) if mine == theirs => mine,
            (setting @ Value::Returned(..), Value::Address(_) | Value::Number(_))
            | (Value::Address(_) | Value::Number(_), setting @ Value::Returned(..)) => setting,
            _ => Value::Unknown,
        }
    }

    pub(in crate::gostrings) fn plus(self, distance: i64) -> Self {
        match self {
            Value::Address(address) => Value::Address(address.wrapping_add_signed(distance)),
            Value::Pointer(base, offset) => Value::Pointer(base, offset.wrapping_add(distance)),
            _ => Value::Unknown,
        }
    }
}

/// The base of [`Value::Pointer`] that is the stack.
pub(in crate::gostrings) const STACK: u32 = 0;
/// The base of [`Value::Pointer`] that is the buffer of the write barrier.
const BUFFER: u32 = u32::MAX;
/// The base of [`Value::Pointer`] that holds the variables of the closure which runs. Those that are kept there by
/// value never change.
const CONTEXT: u32 = u32::MAX - 1;

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    registers: [Value; 32],
    /// Two words each.
    vectors: [(Value, Value); 16],
    memory: FxHashMap<(u32, i64), Value>,
}

impl State {
    fn unknown() -> Self {
        Self {
            registers: [Value::Unknown; 32],
            vectors: [(Value::Unknown, Value::Unknown); 16],
            memory: FxHashMap::default(),
        }
    }

    /// What holds on both ways.
    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = mine.or(*theirs);
        }
        for (mine, theirs) in self.vectors.iter_mut().zip(&other.vectors) {
            if mine != theirs {
                *mine = (Value::Unknown, Value::Unknown);
            }
        }
        self.memory.retain(|key, value| other.memory.get(key) == Some(value));
    }
}

/// The state on the way through a function, from its first instruction to its last, with what holds at the branches
/// that lead forward. Where one leads back to, nothing is known.
#[derive(Debug)]
pub(in crate::gostrings) struct Machine {
    /// `None` behind an instruction that does not go on with the next one.
    state: Option<State>,
    forward: FxHashMap<u64, State>,
    back: Vec<u64>,
    objects: u32,
    /// Calls whose results are not known.
    results: u32,
    field: Field,
    /// The next instruction is the first one, and what holds there was stated. Branches that lead back to it come from
    /// `runtime.morestack`, which leaves the arguments what they are.
    begins: bool,
}

/// A field of some objects, and what is stored in it.
#[derive(Debug, Default)]
struct Field {
    offset: i64,
    /// The next object that is allocated has it.
    next: bool,
    objects: Vec<u32>,
    stores: Vec<(u32, Value)>,
    /// What is stored in the first words of these objects.
    words: Vec<(u32, i64, Value)>,
    /// What was stored at its offset through pointers that are not known.
    elsewhere: Vec<Value>,
    /// Of the first a pointer was stored in the second, at the offset.
    captured: Vec<(u32, u32, i64)>,
    /// Objects that begin with an address, as those of closures begin with that of their code, and all addresses that
    /// are stored on the stack, where closures may be, too.
    heads: Vec<(u32, u64)>,
    /// There are more.
    crowded: bool,
    /// Of these objects a pointer went where it is not followed: to a variable, to a place that is not known, to the
    /// caller.
    published: Vec<u32>,
}

impl Field {
    fn store(&mut self, base: u32, offset: i64, bytes: i64, value: Value) {
        if let Value::Pointer(object, 0) = value
            && !matches!(base, STACK | BUFFER)
            && self.objects.contains(&object)
            && !self.captured.contains(&(object, base, offset))
        {
            match self.captured.len() < STORES {
                true => self.captured.push((object, base, offset)),
                false => self.publish(value),
            }
        }
        if let Value::Address(address) = value
            && bytes == 8
            && (offset == 0 || base == STACK)
            && !matches!(base, BUFFER | CONTEXT)
        {
            match self.heads.len() < STORES {
                true => self.heads.push((base, address)),
                false => self.crowded = true,
            }
        }
        if self.objects.contains(&base) {
            self.keep_words(base, offset, bytes, value);
        }
        let end = self.offset.saturating_add(8);
        if !self.objects.contains(&base)
            || offset >= end
            || offset.saturating_add(bytes) <= self.offset
        {
            return;
        }
        let value = if offset == self.offset && bytes == 8 { value } else { Value::Unknown };
        // Beyond the limit what was stored is not known.
        match self.stores.get_mut(STORES) {
            Some(last) => *last = (base, Value::Unknown),
            None => self.stores.push((base, value)),
        }
    }
}

impl Field {
    fn keep_words(&mut self, base: u32, offset: i64, bytes: i64, value: Value) {
        for word in (0..FIRST).step_by(8) {
            if offset >= word + 8 || offset.saturating_add(bytes) <= word {
                continue;
            }
            let value = if offset == word && bytes == 8 { value } else { Value::Unknown };
            match self.words.get_mut(STORES) {
                Some(last) => *last = (base, word, Value::Unknown),
                None => self.words.push((base, word, value)),
            }
        }
    }

    /// A value goes where it is not followed.
    fn publish(&mut self, value: Value) {
        if let Value::Pointer(object, 0) = value
            && self.objects.contains(&object)
            && !self.published.contains(&object)
        {
            self.published.push(object);
        }
    }
}

impl Machine {
    /// At the beginning of a function that is given a pointer to an object in that register. What is stored at an
    /// offset of the object is kept.
    pub(in crate::gostrings) fn given(register: usize, offset: i64) -> Self {
        let mut machine = Self::new();
        let object = machine.watch_another(offset);
        machine.set(register, object);
        machine
    }

    /// At the beginning of a closure that finds such a pointer at a place among its variables, which that register
    /// points at.
    pub(in crate::gostrings) fn of_closure(register: usize, place: i64, offset: i64) -> Self {
        let mut machine = Self::new();
        let object = machine.watch_another(offset);
        machine.set(register, Value::Pointer(CONTEXT, 0));
        machine.now().memory.insert((CONTEXT, place), object);
        machine
    }

    /// At the beginning of a function that may get at such an object. What is stored at the offset through pointers
    /// that are not known is kept.
    pub(in crate::gostrings) fn watching(offset: i64) -> Self {
        let mut machine = Self::new();
        machine.watch_another(offset);
        machine
    }

    fn watch_another(&mut self, offset: i64) -> Value {
        self.objects = self.objects.saturating_add(1);
        self.field.offset = offset;
        self.field.objects.push(self.objects);
        self.begins = true;
        Value::Pointer(self.objects, 0)
    }

    pub(in crate::gostrings) fn new() -> Self {
        Self {
            state: Some(State::unknown()),
            forward: FxHashMap::default(),
            back: Vec::new(),
            objects: STACK,
            results: 0,
            field: Field::default(),
            begins: false,
        }
    }

    /// Keeps what is stored at an offset of the object that is allocated next. It is one offset for all objects.
    pub(in crate::gostrings) fn watch(&mut self, offset: i64) {
        self.field.offset = offset;
        self.field.next = true;
    }

    /// The objects that are watched, each with all that was stored.
    pub(in crate::gostrings) fn watched(&self) -> impl Iterator<Item = (u32, Vec<Value>)> {
        self.field.objects.iter().map(|&object| {
            let of = self.field.stores.iter().filter(move |(base, _)| *base == object);
            (object, of.map(|(_, value)| *value).collect())
        })
    }

    /// What the word at an offset of a watched object was set to, where that is one thing, and nothing is unknown of
    /// what was stored in others.
    pub(in crate::gostrings) fn word_of(&self, object: u32, offset: i64) -> Option<Value> {
        if self.field.words.len() > STORES {
            return None;
        }
        let of = |(base, at, _): &&(u32, i64, Value)| *base == object && *at == offset;
        let mut stores = self.field.words.iter().filter(of).map(|(.., value)| *value);
        let first = stores.next()?;
        stores.all(|other| other == first).then_some(first)
    }

    /// The number that the results of the next call will have, where nothing else is known of them.
    pub(in crate::gostrings) fn next_result(&self) -> u32 {
        self.results.saturating_add(1)
    }

    /// The object that is watched and that a value points at the beginning of.
    pub(in crate::gostrings) fn is_watched(&self, value: Value) -> Option<u32> {
        match value {
            Value::Pointer(base, 0) if self.field.objects.contains(&base) => Some(base),
            _ => None,
        }
    }

    /// Whether a pointer to the object was stored in another one, such as that of a closure.
    pub(in crate::gostrings) fn is_captured(&self, object: u32) -> bool {
        self.captures(object).next().is_some()
    }

    /// The objects that a pointer to that one was stored in, such as those of closures: the address that each begins
    /// with, and where the pointer is.
    pub(in crate::gostrings) fn captures(
        &self,
        object: u32,
    ) -> impl Iterator<Item = (Option<u64>, i64)> {
        let of = self.field.captured.iter().filter(move |(it, ..)| *it == object);
        of.map(|&(_, by, place)| {
            let mut heads = self.field.heads.iter().filter(move |(it, _)| *it == by);
            // What begins with one thing and then with another is no closure.
            let head = heads.next().map(|(_, address)| *address);
            (head.filter(|head| heads.all(|(_, other)| other == head)), place)
        })
    }

    /// Whether a pointer to the object went where it is not followed.
    pub(in crate::gostrings) fn is_published(&self, object: u32) -> bool {
        self.field.crowded || self.field.published.contains(&object)
    }

    /// Addresses that were stored on the stack: those of the code of closures that the function keeps there.
    pub(in crate::gostrings) fn stacked(&self) -> impl Iterator<Item = u64> {
        self.field.heads.iter().filter(|(base, _)| *base == STACK).map(|(_, address)| *address)
    }

    /// The function returns, with its results in these registers.
    pub(in crate::gostrings) fn returns(&mut self, results: &[usize]) {
        for &register in results {
            let value = self.register(register);
            self.field.publish(value);
        }
        self.leave();
    }

    /// What was stored at the offset through pointers that are not known, or are in a variable of the program, once there was an object that is watched.
    pub(in crate::gostrings) fn stored_elsewhere(&self) -> &[Value] {
        &self.field.elsewhere
    }

    /// A word is stored at a distance from a base.
    pub(in crate::gostrings) fn store_at(&mut self, base: Value, distance: i64, value: Value) {
        let field = &mut self.field;
        let elsewhere = matches!(base, Value::Unknown | Value::Loaded(_) | Value::Returned(..));
        if elsewhere && !field.objects.is_empty() && distance == field.offset {
            match field.elsewhere.get_mut(STORES) {
                Some(last) => *last = Value::Unknown,
                None => field.elsewhere.push(value),
            }
        }
        self.store(base.plus(distance), value);
    }

    /// States the targets of branches that lead back, before the first [`Machine::arrive`].
    pub(in crate::gostrings) fn set_back(&mut self, mut targets: Vec<u64>) {
        targets.sort_unstable();
        targets.dedup();
        self.back = targets;
    }

    /// At the next instruction.
    pub(in crate::gostrings) fn arrive(&mut self, address: u64) {
        let waiting = self.forward.remove(&address);
        if std::mem::take(&mut self.begins) {
            return;
        }
        if self.back.binary_search(&address).is_ok() {
            self.state = Some(State::unknown());
        } else if let Some(waiting) = waiting {
            match &mut self.state {
                Some(state) => state.merge(&waiting),
                None => self.state = Some(waiting),
            }
        }
        // Behind a jump nothing is known, and what only pads the code there leaves it at that.
    }

    /// A branch that may be taken. `None` when there are too many.
    pub(in crate::gostrings) fn branch(&mut self, from: u64, to: u64) -> Option<()> {
        if to > from
            && let Some(state) = &self.state
        {
            if self.forward.len() >= BRANCHES {
                return None;
            }
            match self.forward.get_mut(&to) {
                Some(waiting) => waiting.merge(state),
                None => {
                    self.forward.insert(to, state.clone());
                }
            }
        }
        Some(())
    }

    /// The next instruction is not reached from this one.
    pub(in crate::gostrings) fn leave(&mut self) {
        self.state = None;
    }

    fn now(&mut self) -> &mut State {
        self.state.get_or_insert_with(State::unknown)
    }

    pub(in crate::gostrings) fn register(&self, register: usize) -> Value {
        let state = self.state.as_ref();
        state.and_then(|s| s.registers.get(register).copied()).unwrap_or(Value::Unknown)
    }

    pub(in crate::gostrings) fn set(&mut self, register: usize, value: Value) {
        if let Some(slot) = self.now().registers.get_mut(register) {
            *slot = value;
        }
    }

    pub(in crate::gostrings) fn vector(&self, register: usize) -> (Value, Value) {
        let state = self.state.as_ref();
        let unknown = (Value::Unknown, Value::Unknown);
        state.and_then(|s| s.vectors.get(register).copied()).unwrap_or(unknown)
    }

    pub(in crate::gostrings) fn set_vector(&mut self, register: usize, value: (Value, Value)) {
        if let Some(slot) = self.now().vectors.get_mut(register) {
            *slot = value;
        }
    }

    pub(in crate::gostrings) fn memory(&self, base: u32, offset: i64) -> Value {
        let state = self.state.as_ref();
        state.and_then(|s| s.memory.get(&(base, offset)).copied()).unwrap_or(Value::Unknown)
    }

    /// What a load from there gives.
    pub(in crate::gostrings) fn load(&self, place: Value) -> Value {
        match place {
            Value::Address(address) => Value::Loaded(address),
            Value::Pointer(base, offset) => self.memory(base, offset),
            _ => Value::Unknown,
        }
    }

    /// Stores a word. A store through a pointer that is not known goes nowhere that is remembered: the compiler builds
    /// the slice of a call in a place of its own.
    pub(in crate::gostrings) fn store(&mut self, place: Value, value: Value) {
        let Value::Pointer(base, offset) = place else {
            self.field.publish(value);
            return;
        };
        self.field.store(base, offset, 8, value);
        self.remove(base, offset, 8);
        let memory = &mut self.now().memory;
        if value != Value::Unknown && memory.len() < WORDS {
            memory.insert((base, offset), value);
        }
    }

    /// Some bytes are stored that are not known.
    pub(in crate::gostrings) fn forget(&mut self, place: Value, bytes: i64) {
        if let Value::Pointer(base, offset) = place {
            self.field.store(base, offset, bytes, Value::Unknown);
            self.remove(base, offset, bytes);
        }
    }

    fn remove(&mut self, base: u32, offset: i64, bytes: i64) {
        for at in offset.saturating_sub(7)..offset.saturating_add(bytes) {
            self.now().memory.remove(&(base, at));
        }
    }

    /// Something is stored somewhere around there.
    pub(in crate::gostrings) fn forget_all(&mut self, place: Value) {
        if let Value::Pointer(base, _) = place {
            self.field.store(base, self.field.offset, 8, Value::Unknown);
            if self.field.objects.contains(&base) {
                self.field.keep_words(base, 0, FIRST, Value::Unknown);
            }
            self.now().memory.retain(|key, _| key.0 != base);
        }
    }

    /// The stack pointer moves: places relative to it are others.
    pub(in crate::gostrings) fn move_stack(&mut self) {
        let state = self.now();
        state.memory.retain(|&(base, _), value| {
            base != STACK && !matches!(value, Value::Pointer(STACK, _))
        });
        for register in &mut state.registers {
            if matches!(register, Value::Pointer(STACK, _)) {
                *register = Value::Unknown;
            }
        }
    }

    pub(in crate::gostrings) fn forget_registers(&mut self) {
        let state = self.now();
        state.registers = [Value::Unknown; 32];
        state.vectors = State::unknown().vectors;
    }

    /// A call of a function with that name.
    pub(in crate::gostrings) fn call(&mut self, name: &str, amd64: bool) {
        if let Some(register) = name.strip_prefix("runtime.gcWriteBarrier") {
            // The write barrier keeps all registers but one. Up to Go 1.20 it stores the pointer itself:
            // amd64 the register of its name at DI, arm64 R3 at R2.
            let (place, value) = match (register, amd64) {
                ("", true) => (7, Some(0)),
                ("CX", true) => (7, Some(1)),
                ("DX", true) => (7, Some(2)),
                ("BX", true) => (7, Some(3)),
                ("BP", true) => (7, Some(5)),
                ("SI", true) => (7, Some(6)),
                ("R8", true) => (7, Some(8)),
                ("R9", true) => (7, Some(9)),
                ("", false) => (2, Some(3)),
                (_, true) => (11, None),
                (_, false) => (25, None),
            };
            match value {
                Some(value) => self.store(self.register(place), self.register(value)),
                // Since then it gives a place to store pointers at, in a buffer of its own.
                None => self.set(place, Value::Pointer(BUFFER, 0)),
            }
            if !amd64 {
                self.set(27, Value::Unknown);
            }
            return;
        }
        if name.starts_with("runtime.panic") || name == "runtime.gopanic" {
            self.leave();
            return;
        }
        let allocates = name == "runtime.newobject" || name.starts_with("runtime.mallocgc");
        self.forget_registers();
        if allocates {
            self.objects = self.objects.saturating_add(1);
            self.set(0, Value::Pointer(self.objects, 0));
            if std::mem::take(&mut self.field.next) {
                self.field.objects.push(self.objects);
            }
        } else if name != "runtime.makechan" && !name.starts_with("runtime.race") {
            // The callee may have got a pointer to what is remembered; these three kinds do not store through one. A
            // pointer on the stack stays what it is: what the compiler puts away there over a call has no address.
            let is_kept = |key: &(u32, i64), value: &mut Value| {
                key.0 == CONTEXT
                    || key.0 == STACK
                        && matches!(value, Value::Pointer(object, _) if *object != STACK)
            };
            self.now().memory.retain(is_kept);
        }
        if !allocates {
            self.results = self.results.saturating_add(1);
            self.set(0, Value::Returned(self.results, 0));
            self.set(if amd64 { 3 } else { 1 }, Value::Returned(self.results, 1));
        }
    }
}

#[cfg(test)]
mod tests;
