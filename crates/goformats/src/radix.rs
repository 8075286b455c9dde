//! Sorting by a number, for lists of a million.

/// Bits of a digit: a table of its counts fits the first cache.
const BITS: u32 = 11;
const DIGITS: usize = 1 << BITS;

/// Lists that are shorter are sorted by comparing.
const FEW: usize = 4096;

/// Sorts by a number and keeps the order of equals: in one pass for each eleven bits in which the numbers differ, so that
/// addresses, which lie near each other, take three. Needs room for the list once more.
pub(crate) fn sort<T: Copy>(list: &mut Vec<T>, number: impl Fn(&T) -> u64) {
    if list.len() < FEW {
        return list.sort_by_key(number);
    }
    let first = list.first().map_or(0, &number);
    let differ = list.iter().fold(0, |all, item| all | (number(item) ^ first));
    let mut other = list.clone();
    for shift in (0..u64::BITS).step_by(BITS as usize) {
        let digit = |number: u64| (number >> shift) as usize % DIGITS;
        if digit(differ) == 0 {
            continue;
        }
        // How many there are of each digit, and then where the next of each goes.
        let mut places = [0usize; DIGITS];
        list.iter().for_each(|item| places[digit(number(item))] += 1);
        let mut end = 0;
        for place in &mut places {
            end += std::mem::replace(place, end);
        }
        for item in list.iter() {
            let place = &mut places[digit(number(item))];
            if let Some(free) = other.get_mut(*place) {
                *free = *item;
            }
            *place += 1;
        }
        std::mem::swap(list, &mut other);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As long as it takes to be sorted by digits.
    fn many(number: impl Strategy<Value = u64>) -> impl Strategy<Value = Vec<(u64, usize)>> {
        let some = prop::collection::vec(number, 1..64);
        some.prop_map(|some| {
            let spread = |at: usize| some[at % some.len()] ^ ((at as u64 * 0x9e37_79b9) & 0xfff0);
            (0..FEW + some.len()).map(|at| (spread(at), at)).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sorted_as_by_comparing(list in prop_oneof![
            many(any::<u64>()), many(0x40_0000u64..0x900_0000), many(Just(0)),
            prop::collection::vec((0u64..50, 0usize..9), 0..60),
        ]) {
            let mut expected = list.clone();
            expected.sort_by_key(|item| item.0);
            let mut sorted = list;
            sort(&mut sorted, |item| item.0);
            prop_assert_eq!(sorted, expected);
        }
    }
}
