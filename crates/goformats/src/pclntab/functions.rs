//! Passes over the functions with an entry.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{FunctionTable, TableVersion};

/// Names met by a lookup, repetitions included.
const MAX_MATCHES: usize = 65_536;

/// A function with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its full name: import path (dots of the last element escaped), receiver, name. Go 1.18 to 1.20 write type
    /// arguments as `[...]`, later ones in full.
    pub name: &'a str,
    /// The address of its first instruction, as linked.
    pub address: u64,
    /// Bytes up to the next function.
    pub size: u64,
}

/// What a pass saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Functions that were read.
    pub functions: usize,
    /// Entries that point outside, are out of order or have no readable name.
    pub broken: usize,
    /// Whether the table itself is complete.
    pub table_complete: bool,
}

impl Scan {
    /// Whether every function of the program was seen, so that one not seen is not linked.
    pub fn is_complete(&self) -> bool {
        self.table_complete && self.broken == 0 && self.functions > 0
    }
}

/// Whether a function is in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Linked, with the address of its entry.
    Linked(u64),
    /// Named in inline trees only: it runs, as a part of its callers.
    Inlined,
    /// Not in the table.
    Absent,
}

impl Presence {
    /// Linked or inlined.
    pub fn is_present(self) -> bool {
        self != Presence::Absent
    }
}

/// Answer of [`FunctionTable::find`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// One answer for each name asked, in that order.
    pub found: Vec<Presence>,
    /// Whether `Absent` is a proof: the whole table was readable.
    pub complete: bool,
}

/// Iterator over the functions with an entry, in the order of their addresses. Broken entries are left out;
/// [`FunctionTable::for_each`] counts them.
#[derive(Clone, Debug)]
pub struct Functions<'t, 'a> {
    table: &'t FunctionTable<'a>,
    next: usize,
    budget: usize,
}

impl<'a> Iterator for Functions<'_, 'a> {
    type Item = Function<'a>;

    fn next(&mut self) -> Option<Function<'a>> {
        while self.next < self.table.count {
            let index = self.next;
            self.next += 1;
            if let Some(function) = self.table.function(index, &mut self.budget) {
                return Some(function);
            }
        }
        None
    }
}

impl<'a> FunctionTable<'a> {
    /// The functions with an entry, in the order of their addresses.
    pub fn functions(&self) -> Functions<'_, 'a> {
        Functions { table: self, next: 0, budget: self.name_budget() }
    }

    /// Calls `visit(name, address)` for each function with an entry, in the order of their addresses.
    pub fn for_each(&self, mut visit: impl FnMut(&'a str, u64)) -> Scan {
        let mut scan = Scan { table_complete: self.complete, ..Scan::default() };
        let mut budget = self.name_budget();
        for index in 0..self.count {
            match self.function(index, &mut budget) {
                Some(function) => {
                    scan.functions += 1;
                    visit(function.name, function.address);
                }
                None => scan.broken += 1,
            }
        }
        scan
    }

    /// Looks up many full names at once, in one pass over the table of names and, for those found, one over the entries.
    pub fn find(&self, wanted: &[&str]) -> Lookup {
        let mut found = vec![Presence::Absent; wanted.len()];
        let mut by_name: FxHashMap<&[u8], Vec<usize>> = FxHashMap::default();
        let mut lengths = FxHashSet::default();
        for (i, name) in wanted.iter().enumerate() {
            by_name.entry(name.as_bytes()).or_default().push(i);
            lengths.insert(name.len());
        }
        let (shortest, longest) = (
            lengths.iter().min().copied().unwrap_or(0),
            lengths.iter().max().copied().unwrap_or(0),
        );

        let mut complete = self.complete && self.count > 0;
        // Offsets of matching names, to be met again in the entries.
        let mut offsets: FxHashMap<u32, &Vec<usize>> = FxHashMap::default();
        if self.version >= TableVersion::Go116 {
            let mut at = 0usize;
            for end in memchr::memchr_iter(0, self.names) {
                let len = end - at;
                if (shortest..=longest).contains(&len)
                    && let Some(indices) =
                        self.names.get(at..end).and_then(|name| by_name.get(name))
                {
                    indices.iter().for_each(|&i| {
                        if let Some(slot) = found.get_mut(i) {
                            *slot = Presence::Inlined;
                        }
                    });
                    // A name may come a few times (once for each calling convention), not thousands of times.
                    if offsets.len() < MAX_MATCHES {
                        offsets.extend(u32::try_from(at).map(|at| (at, indices)));
                    } else {
                        complete = false;
                    }
                }
                at = end + 1;
            }
        }
        let mut last = 0;
        let mut budget = self.name_budget();
        for index in 0..self.count {
            let Some((entry, name_at)) = self.entry(index) else {
                complete = false;
                continue;
            };
            complete &= entry >= last && (name_at as usize) < self.names.len();
            last = entry;
            let indices = if self.version >= TableVersion::Go116 {
                offsets.get(&name_at).copied()
            } else {
                self.text_at(self.names, name_at, &mut budget)
                    .and_then(|name| by_name.get(name.as_bytes()))
            };
            for &i in indices.into_iter().flatten() {
                if let Some(slot) = found.get_mut(i)
                    && !matches!(slot, Presence::Linked(_))
                {
                    *slot = Presence::Linked(self.address(entry));
                }
            }
        }
        if self.version == TableVersion::Go12 {
            for (name, slot) in wanted.iter().zip(&mut found) {
                if *slot == Presence::Absent && self.contains_name(name) {
                    *slot = Presence::Inlined;
                }
            }
        }
        Lookup { found, complete }
    }

    /// The function whose code holds `address`.
    pub fn function_at(&self, address: u64) -> Option<Function<'a>> {
        self.function(self.index_at(address)?, &mut self.name_budget())
            .filter(|f| address - f.address < f.size.max(1))
    }

    /// The last function that starts at or before `address`.
    pub(super) fn index_at(&self, address: u64) -> Option<usize> {
        // Entries are sorted by address; split texts are sorted by offset and by address alike.
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.address(self.field(2 * middle)?) <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }

    fn function(&self, index: usize, budget: &mut usize) -> Option<Function<'a>> {
        let (entry, name_at) = self.entry(index)?;
        let end = self.field(2 * index + 2)?;
        Some(Function {
            name: self.text_at(self.names, name_at, budget)?,
            address: self.address(entry),
            size: end.checked_sub(entry)?,
        })
    }

    /// Entry (address, or offset since Go 1.18) and offset of the name.
    fn entry(&self, index: usize) -> Option<(u64, u32)> {
        let entry = self.field(2 * index)?;
        let record = self.field(2 * index + 1)?;
        // The record repeats the entry, then states the name.
        let name_at = self
            .cursor(self.records)
            .at(record.checked_add(self.entry_field() as u64)?)
            .u32()
            .ok()?;
        Some((entry, name_at))
    }

    /// The field of that index in the table of pairs.
    pub(super) fn field(&self, index: usize) -> Option<u64> {
        let size = self.entry_field();
        let mut cursor = self.cursor(self.functab).at((index * size) as u64);
        if size == 4 { cursor.u32().ok().map(u64::from) } else { cursor.u64().ok() }
    }

    fn address(&self, entry: u64) -> u64 {
        match &self.module {
            _ if self.version < TableVersion::Go118 => entry,
            Some(module) => module.text_address(entry),
            None => self.text_start.wrapping_add(entry),
        }
    }
}
