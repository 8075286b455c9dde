//! Finding entries of a list by a key without walking it each time.
//!
//! An artifact decides how long its lists are, and rules look into them once for each entry of
//! another list of the artifact: walking would make the work the product of the two.

use std::cmp::Ordering;
use std::sync::OnceLock;

/// The positions of a list in the order of a key, sorted when something is first looked up. Sorted
/// rather than hashed, so that chosen keys cannot make it slow. The list must not change afterwards,
/// and the key must always be the same one.
#[derive(Clone, Debug, Default)]
pub struct Order(OnceLock<Box<[u32]>>);

/// It says nothing that its list does not say.
impl PartialEq for Order {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Lists up to this long are walked: that is faster than sorting them once.
const WALKED: usize = 8;

impl Order {
    /// Positions of all items with that key, in the order of the list.
    pub fn positions<'t, T, K: Ord>(
        &self,
        items: &'t [T],
        key: impl Fn(&'t T) -> K,
        wanted: &K,
    ) -> &[u32] {
        let order = self.0.get_or_init(|| {
            let mut order: Box<[u32]> =
                (0..items.len()).map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect();
            order.sort_unstable_by(|a, b| {
                let compare = |a: u32, b: u32| -> Option<Ordering> {
                    Some(key(items.get(a as usize)?).cmp(&key(items.get(b as usize)?)))
                };
                compare(*a, *b).unwrap_or(Ordering::Equal).then(a.cmp(b))
            });
            order
        });
        let side = |at: u32| items.get(at as usize).map(|item| key(item).cmp(wanted));
        let start = order.partition_point(|at| side(*at) == Some(Ordering::Less));
        let length =
            order[start..].partition_point(|at| side(*at).is_some_and(|side| side.is_le()));
        &order[start..start + length]
    }

    /// The first item with that key.
    pub fn first<'t, T, K: Ord>(
        &self,
        items: &'t [T],
        key: impl Fn(&'t T) -> K,
        wanted: &K,
    ) -> Option<&'t T> {
        if items.len() <= WALKED {
            return items.iter().find(|item| key(item) == *wanted);
        }
        items.get(*self.positions(items, key, wanted).first()? as usize)
    }

    /// The last item with that key.
    pub fn last<'t, T, K: Ord>(
        &self,
        items: &'t [T],
        key: impl Fn(&'t T) -> K,
        wanted: &K,
    ) -> Option<&'t T> {
        if items.len() <= WALKED {
            return items.iter().rfind(|item| key(item) == *wanted);
        }
        items.get(*self.positions(items, key, wanted).last()? as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_of_a_key_whatever_the_length() {
        for repeats in [1, 10] {
            let items: Vec<(&str, usize)> =
                ["b", "a", "b", "c"].repeat(repeats).into_iter().zip(0..).collect();
            let order = Order::default();
            let find = |wanted: &str| {
                let first = order.first(&items, |(name, _)| *name, &wanted);
                let last = order.last(&items, |(name, _)| *name, &wanted);
                first.zip(last).map(|(first, last)| (first.1, last.1))
            };
            assert_eq!(find("b"), Some((0, 4 * repeats - 2)));
            assert_eq!(find("c"), Some((3, 4 * repeats - 1)));
            assert_eq!((find("0"), find("bb"), find("d")), (None, None, None));
            let all = order.positions(&items, |(name, _)| *name, &"a");
            assert_eq!(all.len(), repeats);
            assert!(all.is_sorted());
        }
    }
}
