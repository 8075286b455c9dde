//! Which code of a function was inlined from another.
//!
//! Two tables tell it: a list of values by address (`PCDATA_InlTreeIndex`) says for each instruction which node of the
//! function's inline tree it belongs to, and the tree (`FUNCDATA_InlTree`) names the function of each node
//! (`runtime/symtab.go` and `symtabinl.go`, the same from Go 1.21 to 1.27).

use std::ops::Range;

use super::{Function, FunctionTable, TableVersion};

/// `PCDATA_InlTreeIndex` and `FUNCDATA_InlTree` of internal/abi.
const INDEX_TABLE: u64 = 2;
const TREE: u64 = 3;
/// From the start of `runtime._func` to its fields, and its size.
const NPCDATA: u64 = 28;
const NFUNCDATA: u64 = 43;
const SIZE: u64 = 44;
/// Bytes of a `runtime.inlinedCall`, and where in it the name is.
const NODE: u64 = 16;
const NODE_NAME: u64 = 4;
/// Values of one function that are looked at.
const VALUES: usize = 1 << 16;

impl<'a> FunctionTable<'a> {
    /// The code of a function that was inlined from one whose name is `wanted`, by addresses, in their order. None
    /// where the tables are older than Go 1.20 or cannot be read. `memory` gives the program's data from an address on.
    pub(crate) fn inlined(
        &self,
        function: &Function<'_>,
        memory: impl Fn(u64, u64) -> Option<&'a [u8]>,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<Range<u64>> {
        self.try_inlined(function, memory, wanted).unwrap_or_default()
    }

    fn try_inlined(
        &self,
        function: &Function<'_>,
        memory: impl Fn(u64, u64) -> Option<&'a [u8]>,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<Vec<Range<u64>>> {
        if self.version < TableVersion::Go120 {
            return None;
        }
        let record = self.field(2 * self.index_at(function.address)? + 1)?;
        let word = |at: u64| self.cursor(self.records).at(record.checked_add(at)?).u32().ok();
        let count = u64::from(word(NPCDATA)?);
        let trees = self.cursor(self.records).at(record.checked_add(NFUNCDATA)?).u8().ok()?;
        if count <= INDEX_TABLE || u64::from(trees) <= TREE {
            return None;
        }
        let values = usize::try_from(word(SIZE + 4 * INDEX_TABLE)?).ok().filter(|at| *at > 0)?;
        let tree = word(SIZE + 4 * count + 4 * TREE).filter(|at| *at != u32::MAX)?;
        let tree = self.module.as_ref()?.gofunc?.checked_add(tree.into())?;
        let quantum = u64::from(*self.data.get(6)?);
        let mut all: Vec<Range<u64>> = Vec::new();
        let mut budget = self.name_budget();
        let mut bytes = self.pc_values.get(values..)?;
        let (mut value, mut at) = (-1i64, function.address);
        let end = function.address.saturating_add(function.size);
        for step in 0..VALUES {
            let delta = varint(&mut bytes)?;
            if delta == 0 && step > 0 {
                break;
            }
            value += i64::from((delta >> 1) as i32 ^ -((delta & 1) as i32));
            let next = at.checked_add(u64::from(varint(&mut bytes)?) * quantum)?.min(end);
            if let Ok(node) = u64::try_from(value) {
                let place = tree.checked_add(node.checked_mul(NODE)?)?.checked_add(NODE_NAME)?;
                let name = self.memory_at(place, 4).or_else(|| memory(place, 4))?;
                let name = self.cursor(name).u32().ok()?;
                if wanted(self.text_at(self.names, name, &mut budget)?) && at < next {
                    match all.last_mut() {
                        Some(last) if last.end == at => last.end = next,
                        _ => all.push(at..next),
                    }
                }
            }
            at = next;
            if at >= end {
                break;
            }
        }
        Some(all)
    }

    /// Bytes of the section of the table, where other data of the functions lies since Go 1.26.
    fn memory_at(&self, address: u64, len: usize) -> Option<&'a [u8]> {
        let at = usize::try_from(address.checked_sub(self.place.address?)?).ok()?;
        self.data.get(at..at.checked_add(len)?)
    }
}

/// A number of seven bits for each byte, the lowest first (`readvarint` of runtime/symtab.go).
fn varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_seven_bits() {
        let mut bytes = &[0x05, 0x85, 0x01, 0x80][..];
        assert_eq!(varint(&mut bytes), Some(5));
        assert_eq!(varint(&mut bytes), Some(133));
        assert_eq!(varint(&mut bytes), None, "it is cut");
        assert_eq!(varint(&mut &[0xff; 6][..]), None, "it is too long");
    }
}
