//! The string constants, which the linker packs without anything between them.
//!
//! All `go:string.*` symbols stand in one block of read-only data, sorted by size (`cmd/link/internal/ld/data.go`,
//! `dodataSect`, Go 1.18 to 1.27; the block has no headers and is named by no section). A length that the code states
//! beside an address can be mistaken; but because lengths never fall from one string to the next, and because between
//! two strings of one length there are only strings of that length, a few thousand statements that agree fix the
//! place and length of all others, whether or not any code that we understand refers to them.

use std::cmp::Reverse;
use std::ops::Range;

use crate::radix;

/// A string constant's address and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    pub(super) address: u64,
    pub(super) len: u64,
}

impl Piece {
    pub(super) fn end(self) -> u64 {
        self.address.saturating_add(self.len)
    }
}

/// The block cut into its strings.
#[derive(Debug, Default)]
pub(super) struct Blob {
    /// Strings whose start and length are certain, sorted, not overlapping.
    pub(super) pieces: Vec<Piece>,
    /// Bytes between them whose division is not known, sorted.
    pub(super) gaps: Vec<Range<u64>>,
}

impl Blob {
    pub(super) fn bounds(&self) -> Range<u64> {
        let start = self.pieces.first().map_or(0, |p| p.address);
        start..self.pieces.last().map_or(start, |p| p.end())
    }
}

/// Fewer statements than this do not make a block; a program with a runtime has thousands.
const FEWEST: usize = 16;

/// Cuts the block. `stated` are addresses with a length that may be mistaken, `starts` are sorted addresses of which
/// those inside the block are starts of strings. `bytes_at` gives the file's bytes.
pub(super) fn cut(
    mut stated: Vec<Piece>,
    starts: &[u64],
    end: Option<u64>,
    plausible: impl Fn(Range<u64>) -> bool,
) -> Blob {
    // For one address, the longest first: at most one of them can be in a chain that never falls.
    radix::sort(&mut stated, |piece| piece.address);
    for same in stated.chunk_by_mut(|a, b| a.address == b.address) {
        same.sort_unstable_by_key(|piece| Reverse(piece.len));
    }
    stated.dedup();
    if let Some(end) = end {
        stated.retain(|p| p.end() <= end);
    }
    let mut starts: Vec<u64> =
        stated.iter().map(|p| p.address).chain(starts.iter().copied()).collect();
    starts.extend(end);
    // Both are sorted: a stable sort has only to join them.
    starts.sort();
    starts.dedup();
    // A mistaken length ends inside another string; a right one where the next starts, which is known nearly always.
    let last = stated.last().map(|p| p.address);
    let confirmed: Vec<Piece> = stated
        .iter()
        .filter(|p| starts.binary_search(&p.end()).is_ok() || Some(p.address) == last)
        .copied()
        .collect();
    let chain = longest_rising(&confirmed);
    let chain = trim(&chain, plausible);
    if chain.len() < FEWEST {
        return Blob::default();
    }
    let mut blob = Blob::default();
    for pair in chain.windows(2) {
        let [here, next] = pair else { continue };
        blob.pieces.push(*here);
        between(&mut blob, *here, *next, &starts, &stated);
    }
    blob.pieces.extend(chain.last());
    blob
}

/// The longest subsequence in which the address rises and the length never falls.
fn longest_rising(stated: &[Piece]) -> Vec<Piece> {
    // Patience sorting; `tails[k]` is the index of the smallest possible end of a chain of k + 1 pieces.
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(stated.len());
    for (index, piece) in stated.iter().enumerate() {
        let at =
            tails.partition_point(|&tail| stated.get(tail).is_some_and(|t| t.len <= piece.len));
        before.push(at.checked_sub(1).and_then(|at| tails.get(at).copied()));
        match tails.get_mut(at) {
            Some(tail) => *tail = index,
            None => tails.push(index),
        }
    }
    let mut chain: Vec<Piece> = Vec::with_capacity(tails.len());
    let mut next = tails.last().copied();
    while let Some(index) = next {
        chain.extend(stated.get(index));
        next = before.get(index).copied().flatten();
    }
    chain.reverse();
    // Of two statements that overlap, one is mistaken, and it is not known which.
    let overlaps: Vec<bool> = chain.windows(2).map(|w| w[0].end() > w[1].address).collect();
    let mut index = 0usize;
    chain.retain(|_| {
        let bad = overlaps.get(index) == Some(&true)
            || index.checked_sub(1).is_some_and(|i| overlaps.get(i) == Some(&true));
        index += 1;
        !bad
    });
    chain
}

/// Cuts off what lies before and behind the block: statements that have nothing to do with strings and stand far
/// away, joined to the chain only because any length fits there.
fn trim(chain: &[Piece], plausible: impl Fn(Range<u64>) -> bool) -> Vec<Piece> {
    // The middle statement is inside: nearly all are.
    let middle = chain.len() / 2;
    let joined = |pair: &[Piece]| match pair {
        [a, b] => a.end() == b.address || plausible(a.end()..b.address),
        _ => false,
    };
    let mut start = middle;
    while start > 0 && chain.get(start - 1..=start).is_some_and(joined) {
        start -= 1;
    }
    let mut end = middle + 1;
    while end < chain.len() && chain.get(end - 1..=end).is_some_and(joined) {
        end += 1;
    }
    chain.get(start..end.min(chain.len())).unwrap_or_default().to_vec()
}

/// Divides the bytes between two strings of the chain.
fn between(blob: &mut Blob, here: Piece, next: Piece, starts: &[u64], stated: &[Piece]) {
    let mut at = here.end();
    let mut shortest = here.len.max(1);
    let mut known = starts.partition_point(|&s| s <= at);
    while at < next.address {
        while starts.get(known).is_some_and(|&s| s <= at) {
            known += 1;
        }
        let end = starts.get(known).copied().unwrap_or(u64::MAX).min(next.address);
        let len = end - at;
        // Shorter than two of the shortest: one string, and its length is that.
        if shortest == next.len && len.is_multiple_of(shortest) {
            // No other length fits here.
            while at < end {
                blob.pieces.push(Piece { address: at, len: shortest });
                at += shortest;
            }
            continue;
        }
        if len >= shortest && len <= next.len && len < 2 * shortest {
            blob.pieces.push(Piece { address: at, len });
            shortest = len;
        } else if let Some(len) = stated_length(stated, at, shortest, len) {
            // The rest of it is at least one more string, not shorter than this one.
            blob.pieces.push(Piece { address: at, len });
            shortest = len;
            at += len;
            continue;
        } else {
            match blob.gaps.last_mut() {
                Some(last) if last.end == at => last.end = end,
                _ => blob.gaps.push(at..end),
            }
        }
        at = end;
    }
}

/// The only length stated for `address` that leaves room for another string before the next known start.
fn stated_length(stated: &[Piece], address: u64, shortest: u64, room: u64) -> Option<u64> {
    let first = stated.partition_point(|p| p.address < address);
    let mut fitting = stated
        .iter()
        .skip(first)
        .take_while(|p| p.address == address)
        .map(|p| p.len)
        .filter(|&len| len >= shortest && len <= room / 2);
    let one = fitting.next()?;
    fitting.next().is_none().then_some(one)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(address: u64, len: u64) -> Piece {
        Piece { address, len }
    }

    /// Strings of these lengths, packed from address 1000.
    fn packed(lens: &[u64]) -> Vec<Piece> {
        let mut at = 1000;
        lens.iter()
            .map(|&len| {
                at += len;
                piece(at - len, len)
            })
            .collect()
    }

    #[test]
    fn strings_nobody_names_are_found_between_equal_lengths() {
        let all = packed(&[1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 6, 6, 7, 9, 9]);
        let mut stated = all.clone();
        // Not stated by any code: one of the threes, two of the fours.
        stated.retain(|p| ![all[5], all[9], all[10]].contains(p));
        let blob = cut(stated, &[], None, |_| true);
        assert_eq!(blob.pieces, all);
        assert!(blob.gaps.is_empty());
    }

    #[test]
    fn a_start_divides_a_gap_of_two_lengths() {
        let all = packed(&[1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 8, 8, 9, 9]);
        let mut stated = all.clone();
        stated.retain(|p| ![all[17], all[18]].contains(p));
        let blob = cut(stated.clone(), &[], None, |_| true);
        assert_eq!(blob.gaps, vec![all[17].address..all[18].end()]);
        let blob = cut(stated, &[all[18].address], None, |_| true);
        assert_eq!(blob.pieces, all);
    }

    #[test]
    fn mistaken_statements_are_outvoted() {
        let lens: Vec<u64> = (1..200).collect();
        let all = packed(&lens);
        let mut stated = all.clone();
        for (i, p) in all.iter().enumerate().step_by(7) {
            stated.push(piece(p.address, lens[(i * 31) % lens.len()]));
        }
        // Something else, far below and far above.
        stated.extend([piece(10, 1), piece(400_000, 250)]);
        let blob = cut(stated, &[], None, |_| false);
        for piece in &blob.pieces {
            assert!(all.contains(piece), "{piece:?}");
        }
        assert!(blob.pieces.len() > 190);
    }

    proptest! {
        #[test]
        fn never_overlapping(raw in prop::collection::vec((0u64..400, 0u64..20), 0..200), starts in prop::collection::btree_set(0u64..400, 0..50)) {
            let stated: Vec<_> = raw.into_iter().map(|(a, l)| piece(a, l)).collect();
            let starts: Vec<_> = starts.into_iter().collect();
            let blob = cut(stated, &starts, None, |_| true);
            for pair in blob.pieces.windows(2) {
                prop_assert!(pair[0].end() <= pair[1].address);
            }
        }

        #[test]
        fn what_is_certain_is_right(mut lens in prop::collection::vec(1u64..12, 40..200), keep in prop::collection::vec(any::<bool>(), 200)) {
            lens.sort_unstable();
            let all = packed(&lens);
            let stated: Vec<_> = all.iter().zip(&keep).filter(|(_, k)| **k).map(|(p, _)| *p).collect();
            let blob = cut(stated, &[], None, |_| true);
            for piece in &blob.pieces {
                prop_assert!(all.contains(piece), "{:?}", piece);
            }
        }
    }
}
