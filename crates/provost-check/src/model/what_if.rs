//! What collections would cost under another GOGC, GOMEMLIMIT or rate of allocation.
//!
//! A collection costs what marking the live heap costs, however long ago the last one was; between two of them
//! the heap grows from what is live to about the goal. So collections a second are what is allocated a second,
//! divided by that room, and the CPU they take is that times what one takes.

use super::gogc::Gogc;

/// Of the CPU, the most that collections take: the limiter lets the heap pass its goal from there on
/// (`gcCPULimiter`, runtime/mgclimit.go, Go 1.19 and later).
pub const MOST_SHARE: f64 = 0.5;
/// Of the CPU: a limit that makes collections take more drives the program (see the rule
/// memory-limit-death-spiral).
pub const SPIRAL: f64 = 0.25;
/// Of the CPU: what collections may well take.
pub const WELL: f64 = 0.05;
/// Of the room up to the goal, what is used at least when a collection begins (`minTriggerRatioNum`,
/// runtime/mgcpacer.go, Go 1.19 and later).
pub const EARLIEST: f64 = 45.0 / 64.0;
/// Of what is live, what a limit has to leave for more than that, so that anything is foretold: what the runtime has
/// beside the heap is not known better than to some hundredths of it.
pub const ROOM: f64 = 1.1;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// MiB that are live behind a collection.
    pub live: f64,
    /// MiB of stacks and globals that are scanned.
    pub roots: f64,
    /// MiB that are allocated in a second.
    pub rate: f64,
    /// Milliseconds of CPU that a collection takes.
    pub cpu_ms: f64,
    /// Ps.
    pub procs: f64,
    /// Of the room up to the goal, what is used when a collection ends: it begins before the goal is reached,
    /// by as much as it is expected to take.
    pub reach: f64,
}

/// What that comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// MiB that a collection is begun for; the heap's largest size.
    pub goal: f64,
    /// Collections a second.
    pub per_second: f64,
    /// Of the CPU.
    pub share: f64,
    /// A limit makes the goal and leaves next to no room, so that neither number holds: collections may follow one
    /// another without a rest, and how soon the next can begin, of the sweeping before it to the waking of its workers,
    /// no log says. A heap of few pointers then takes some hundredths of the CPU, another half of it.
    pub is_tight: bool,
}

impl Load {
    /// Under a GOGC, and a limit that leaves so many MiB to the heap.
    pub fn under(&self, gogc: Gogc, left: Option<f64>) -> Outcome {
        let asked = match gogc {
            Gogc::Off => f64::INFINITY,
            Gogc::Percent(percent) => {
                let percent = f64::from(percent);
                let grown = self.live + (self.live + self.roots) * percent / 100.0;
                grown.max(4.0 * percent / 100.0)
            }
        };
        let goal = left.map_or(asked, |left| left.min(asked)).max(self.live);
        let is_tight = goal < asked && goal < self.live * ROOM;
        let room = ((goal - self.live) * self.reach).max(1e-3);
        let per_second = self.rate / room;
        let share = per_second * self.cpu_ms / 1000.0 / self.procs.max(1.0);
        match share > MOST_SHARE {
            false => Outcome { goal, per_second, share, is_tight },
            true => Outcome {
                goal,
                per_second: per_second * MOST_SHARE / share,
                share: MOST_SHARE,
                is_tight,
            },
        }
    }

    /// MiB that a heap must be able to have so that collections take that share of the CPU.
    pub fn heap_for(&self, share: f64) -> f64 {
        let room = super::pacer::room_for(share, self.cpu_ms, self.rate, self.procs.max(1.0));
        self.live + room / self.reach.max(0.1)
    }

    /// The GOMEMLIMIT, in MiB, with which collections take that share of the CPU or less, and which leaves room to speak
    /// of.
    pub fn limit_for(&self, share: f64) -> f64 {
        limit_for(self.heap_for(share).max(self.live * ROOM), self.roots)
    }

    /// The same with another live heap, of which marking costs more or less in proportion.
    #[must_use]
    pub fn with_live(&self, live: f64) -> Self {
        let marked = self.live + self.roots;
        let factor = if marked > 0.0 { (live + self.roots) / marked } else { 1.0 };
        Self { live, cpu_ms: self.cpu_ms * factor, ..*self }
    }

    /// MiB that are live when collections take that share of the CPU under a limit that leaves so many MiB to the heap:
    /// as the live heap grows there is more to mark and less room.
    pub fn live_for(&self, share: f64, left: f64) -> f64 {
        let each = self.cpu_ms / (self.live + self.roots).max(f64::MIN_POSITIVE) / 1000.0;
        let per_room = share * self.reach.max(0.1) * self.procs.max(1.0);
        let most =
            (per_room * left - self.rate * each * self.roots) / (per_room + self.rate * each);
        if most.is_finite() { most.clamp(0.0, left.max(0.0)) } else { left.max(0.0) }
    }

    /// MiB that are live when the heap may reach that size under a GOGC.
    pub fn live_at(&self, gogc: Gogc, heap: f64) -> f64 {
        match gogc {
            Gogc::Off => heap,
            Gogc::Percent(percent) => {
                let grown = f64::from(percent) / 100.0;
                ((heap - self.roots * grown) / (1.0 + grown)).max(0.0)
            }
        }
    }

    /// The same with another rate of allocation.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self { rate: self.rate * factor, ..*self }
    }
}

/// MiB that the runtime has mapped beside a heap of that size, its own structures and stacks, about: in
/// recordings of Go 1.19 to 1.27 some 3 MiB, a twentieth of the heap, and twice the stacks that are scanned
/// (they grow by doubling).
pub fn beside(heap: f64, stacks: f64) -> f64 {
    4.0 + heap / 20.0 + 2.0 * stacks
}

/// MiB of a heap that, with what is beside it, is as large as that.
pub fn heap_within(all: f64, stacks: f64) -> f64 {
    ((all - 4.0 - 2.0 * stacks) / 1.05).max(0.0)
}

/// MiB that a GOMEMLIMIT of so many leaves to the heap: 3 % of that, and no less than 1 MiB, stay free.
pub fn left(limit: f64, stacks: f64) -> f64 {
    let heap = heap_within(limit, stacks);
    (heap - (heap * 0.03).max(1.0)).max(0.0)
}

/// MiB of a GOMEMLIMIT that leaves no room above so many that are live, whatever is beside them: it has to hold the
/// heap, the headroom and, in recordings of Go 1.19 to 1.27, no less than 2 MiB of the runtime's own.
pub fn least_limit(live: f64, stacks: f64) -> f64 {
    live + 1.0 + 2.0 + stacks
}

/// The GOMEMLIMIT that leaves so many MiB to the heap.
pub fn limit_for(heap: f64, stacks: f64) -> f64 {
    let with_headroom = (heap / 0.97).max(heap + 1.0);
    with_headroom + beside(with_headroom, stacks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 MiB live, 200 MiB a second, 50 ms of CPU each, four Ps.
    const LOAD: Load =
        Load { live: 100.0, roots: 0.0, rate: 200.0, cpu_ms: 50.0, procs: 4.0, reach: 1.0 };

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn twice_the_room_is_half_the_collections() {
        let at = |percent| LOAD.under(Gogc::Percent(percent), None);
        assert!(near(at(100).per_second, 2.0) && near(at(100).share, 0.025), "{:?}", at(100));
        assert!(near(at(200).per_second, 1.0) && near(at(200).goal, 300.0), "{:?}", at(200));
        let double = LOAD.times(2.0).under(Gogc::Percent(200), None);
        assert!(near(double.per_second, 2.0), "{double:?}");
    }

    #[test]
    fn a_limit_takes_room_and_the_limiter_stops_at_half() {
        let at = |left| LOAD.under(Gogc::Percent(100), Some(left));
        assert!(near(at(300.0).goal, 200.0) && near(at(150.0).goal, 150.0), "{:?}", at(300.0));
        assert!(near(at(150.0).share, 0.05) && near(at(110.0).share, 0.25), "{:?}", at(110.0));
        let none = at(90.0);
        assert!(near(none.share, 0.5) && near(none.goal, 100.0), "{none:?}");
        // Half of four CPUs is forty times 50 ms.
        assert!(near(none.per_second, 40.0), "{none:?}");
        assert!(near(LOAD.under(Gogc::Off, Some(300.0)).per_second, 1.0));
    }

    #[test]
    fn goals_are_those_of_the_pacer() {
        // Stacks and globals count as what is live does; a heap has 4 MiB at GOGC=100 at least.
        let roots = Load { roots: 20.0, ..LOAD };
        assert!(near(roots.under(Gogc::Percent(50), None).goal, 160.0));
        let small = Load { live: 0.5, ..LOAD };
        assert!(near(small.under(Gogc::Percent(200), None).goal, 8.0));
    }

    #[test]
    fn a_collection_that_ends_before_its_goal_comes_sooner() {
        let early = Load { reach: 0.5, ..LOAD }.under(Gogc::Percent(100), None);
        assert!(near(early.per_second, 4.0) && near(early.goal, 200.0), "{early:?}");
    }

    #[test]
    fn a_heap_that_grows_costs_more_to_mark_and_fills_what_there_is() {
        let load = Load { roots: 10.0, ..LOAD };
        let double = load.with_live(210.0);
        assert!(near(double.cpu_ms, 100.0) && near(double.rate, load.rate), "{double:?}");
        for (share, left) in [(SPIRAL, 300.0), (WELL, 800.0)] {
            let live = load.live_for(share, left);
            let then = load.with_live(live).under(Gogc::Off, Some(left));
            assert!(live < left && near(then.share, share), "{live} {then:?}");
        }
        assert!(near(load.live_for(SPIRAL, 0.0), 0.0));
        for gogc in [Gogc::Percent(50), Gogc::Percent(100), Gogc::Percent(400)] {
            let live = load.live_at(gogc, 500.0);
            assert!(near(load.with_live(live).under(gogc, None).goal, 500.0), "{live}");
        }
        assert!(near(load.live_at(Gogc::Off, 500.0), 500.0));
    }

    #[test]
    fn the_heap_for_a_share_has_that_share() {
        for share in [SPIRAL, WELL] {
            for load in [LOAD, Load { reach: 0.8, ..LOAD }] {
                let heap = load.heap_for(share);
                assert!(near(load.under(Gogc::Off, Some(heap)).share, share), "{share} {heap}");
            }
        }
    }

    /// 200 MiB without pointers under GOMEMLIMIT=150MiB took 5.5 % of the CPU and were foretold to take half of it.
    #[test]
    fn what_a_limit_without_room_costs_is_not_foretold() {
        let ballast = Load { live: 200.0, cpu_ms: 0.2, ..LOAD };
        let under = |gogc, left| ballast.under(gogc, left);
        assert!(under(Gogc::Percent(100), Some(143.0)).is_tight);
        assert!(under(Gogc::Off, Some(210.0)).is_tight);
        assert!(!under(Gogc::Percent(100), Some(221.0)).is_tight);
        // What GOGC leaves is known to the byte.
        assert!(!under(Gogc::Percent(5), None).is_tight);
        assert!(!under(Gogc::Percent(5), Some(300.0)).is_tight);
        assert!(least_limit(200.0, 0.0) <= 206.0, "GOMEMLIMIT=210MiB left none");
        assert!(left(ballast.limit_for(SPIRAL), 0.0) >= 219.0);
        assert!(near(LOAD.limit_for(SPIRAL), limit_for(110.0, 0.0)));
        assert!(LOAD.limit_for(WELL) > LOAD.limit_for(SPIRAL));
    }

    #[test]
    fn a_limit_leaves_what_it_was_chosen_for() {
        for heap in [8.0, 40.0, 500.0] {
            assert!((left(limit_for(heap, 3.0), 3.0) - heap).abs() < 0.1, "{heap}");
        }
    }
}
