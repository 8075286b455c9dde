//! Whether what a process holds goes on growing with the work that it is given, as a queue without an end does.

/// What was held when so many requests had been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Of all of them.
    pub requests: u64,
    /// Resident memory.
    pub bytes: u64,
}

/// What the memory of a process shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Too few requests were answered to fill a queue and to see what comes then.
    Unknown,
    /// It stays as it is once a queue is full.
    Ends,
    /// It went on when every queue of that length was full.
    GoesOn {
        /// It was full by then,
        from: Held,
        /// and this is the end.
        to: Held,
    },
}

/// Growth that is none of the garbage collector's.
const LEAST: u64 = 8 << 20;

/// The later half of the requests makes this part of the growth at least: it is a half where memory follows the
/// requests, and less where a collection comes between, for what it freed is taken again first. With as much garbage as
/// is kept, which is the worst, that is a fourth of all requests until then.
const LATER: u64 = 5;

/// Whether it grows once a queue of that many has been filled twice over. All of the growth counts, and not that of one
/// burst: a heap grows in steps, and on a busy machine a step may fall between any two looks.
pub fn growth(held: &[Held], queue: u64) -> Growth {
    let full = queue.saturating_mul(2);
    let from = held.iter().find(|it| it.requests >= full);
    let (Some(&from), Some(&to)) = (from, held.last()) else { return Growth::Unknown };
    if to.requests.saturating_sub(from.requests) < full {
        return Growth::Unknown;
    }
    let middle = at(held, from.requests.midpoint(to.requests)).unwrap_or(to.bytes);
    let (all, later) = (to.bytes.saturating_sub(from.bytes), to.bytes.saturating_sub(middle));
    if all >= LEAST && later >= all / LATER { Growth::GoesOn { from, to } } else { Growth::Ends }
}

/// Whether that growth is at least twice that of another process by as many requests, as far as this was asked; nothing
/// where that is not far enough.
pub fn is_twice(
    held: &[Held],
    (from, to): (Held, Held),
    other: &[Held],
    queue: u64,
) -> Option<bool> {
    let until = to.requests.min(other.last()?.requests);
    if until.saturating_sub(from.requests) < queue.saturating_mul(2) {
        return None;
    }
    let own = at(held, until)?.saturating_sub(from.bytes);
    let others = at(other, until)?.saturating_sub(at(other, from.requests)?);
    Some(own >= LEAST && own >= others.saturating_mul(2))
}

/// What was held by then: on the straight line between two looks.
fn at(held: &[Held], requests: u64) -> Option<u64> {
    let next = held.partition_point(|it| it.requests < requests);
    let after = held.get(next)?;
    let Some(before) = next.checked_sub(1).and_then(|at| held.get(at)) else {
        return Some(after.bytes);
    };
    let share = (requests - before.requests) as f64 / (after.requests - before.requests) as f64;
    Some((before.bytes as f64 + (after.bytes as f64 - before.bytes as f64) * share) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: u64 = 2048;
    const MIB: u64 = 1 << 20;

    /// Bursts of so many requests, and the mebibytes behind each.
    fn held(burst: u64, mebibytes: &[u64]) -> Vec<Held> {
        let of = |(at, bytes): (usize, &u64)| Held {
            requests: burst * (at as u64 + 1),
            bytes: bytes * MIB,
        };
        mebibytes.iter().enumerate().map(of).collect()
    }

    fn goes_on(held: &[Held]) -> bool {
        matches!(growth(held, QUEUE), Growth::GoesOn { .. })
    }

    #[test]
    fn a_full_queue_and_a_heap_that_has_found_its_size_have_an_end() {
        for end in [
            [31, 31, 33, 31, 32, 31, 31, 32],
            [40, 52, 55, 56, 56, 57, 57, 57],
            // A queue of ten thousand.
            [40, 60, 80, 90, 91, 91, 92, 92],
        ] {
            assert_eq!(growth(&held(3000, &end), QUEUE), Growth::Ends, "{end:?}");
        }
    }

    #[test]
    fn a_step_that_falls_between_two_looks_hides_no_growth() {
        for steps in [
            [40, 65, 90, 115, 140, 165, 190, 215],
            // The last burst takes what the last collection freed.
            [73, 105, 148, 179, 180, 240, 300, 300],
            [40, 44, 80, 81, 82, 83, 150, 151],
            [40, 40, 80, 80, 80, 80, 80, 160],
        ] {
            assert!(goes_on(&held(3000, &steps)), "{steps:?}");
        }
    }

    #[test]
    fn small_bursts_of_a_busy_machine_are_enough_where_all_of_them_are() {
        let of = |burst| growth(&held(burst, &[40, 50, 60, 70, 80, 90, 100, 110]), QUEUE);
        let (full, end) =
            (Held { requests: 5000, bytes: 80 * MIB }, Held { requests: 8000, bytes: 110 * MIB });
        assert_eq!(of(1000), Growth::Unknown, "{:?}", (full, end));
        let (from, to) =
            (Held { requests: 4500, bytes: 60 * MIB }, Held { requests: 12_000, bytes: 110 * MIB });
        assert_eq!(of(1500), Growth::GoesOn { from, to });
        assert_eq!(growth(&held(3000, &[40, 60, 80, 100]), 100_000), Growth::Unknown);
        assert_eq!(growth(&[], QUEUE), Growth::Unknown);
    }

    #[test]
    fn what_another_process_does_by_as_many_requests_is_not_the_collectors() {
        let own = held(3000, &[40, 65, 90, 115, 140, 165, 190, 215]);
        let Growth::GoesOn { from, to } = growth(&own, QUEUE) else { panic!("{own:?}") };
        let is_twice = |other: &[Held]| is_twice(&own, (from, to), other, QUEUE);
        assert_eq!(is_twice(&held(3000, &[40, 60, 61, 62, 62, 63, 63, 64])), Some(true));
        assert_eq!(is_twice(&held(3000, &[40, 64, 88, 110, 130, 160, 190, 210])), Some(false));
        // It was slower, and was asked half as often: only that half is compared.
        assert_eq!(is_twice(&held(1500, &[40, 41, 60, 60, 60, 60, 60, 61])), Some(true));
        assert_eq!(is_twice(&held(1500, &[40, 41, 60, 70, 90, 110, 120, 130])), Some(false));
        assert_eq!(is_twice(&held(1000, &[40, 40, 40, 40, 40, 40, 40, 40])), None);
        assert_eq!(is_twice(&[]), None);
    }
}
