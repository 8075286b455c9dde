//! What a process does between two moments of its log, as everything that foretells has it: what-if tables, the limit that
//! ends a death spiral, and whether GOMEMLIMIT would have saved what was killed.

use crate::facts::runtime_log::Window;
use crate::model::what_if::{EARLIEST, Load};

/// Of the CPU: less than that is not told from nothing by times that are cut off.
const LEAST_LEFT: f64 = 0.1;

/// What it does, and what it would.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loads {
    /// As it is.
    pub now: Load,
    /// With what it would allocate if no collection held it back: a program that allocated 21 MB a second under
    /// GOMEMLIMIT=75MiB allocated 127 under 122MiB.
    pub free: Load,
}

/// Nothing where nothing is seen to be allocated, or too many lines are missing.
pub fn of(run: &Window) -> Option<Loads> {
    let rate = run.allocation_rate().filter(|rate| *rate > 0.0)?;
    let cycles = run.cycles.max(1) as f64;
    let room = run.goal.sum.saturating_sub(run.marked[0]) as f64;
    // Where there is no room, nothing tells how much of it is used.
    let reach = match run.tight * 2 > run.cycles {
        true => EARLIEST,
        false if room > 0.0 => (run.allocated as f64 / room).clamp(0.1, 1.5),
        false => 1.0,
    };
    let now = Load {
        live: run.mean_live(),
        roots: run.marked[1] as f64 / cycles,
        rate,
        cpu_ms: run.cpu_ns as f64 / 1e6 / cycles,
        procs: run.mean_procs(),
        reach,
    };
    let left = run.left_to_program().unwrap_or(1.0).clamp(LEAST_LEFT, 1.0);
    Some(Loads { now, free: now.times(1.0 / left) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::runtime_log::Extent;

    /// What was killed had been held back by its collections, and the room that was foretold for them was for the little
    /// that it allocated so.
    #[test]
    fn what_collections_hold_back_comes_back_without_them() {
        let extent = |value: u64, sum| Extent { sum, ..Extent::of(value) };
        // A second of two Ps, of which collections took 1.6.
        let run = Window {
            cycles: 100,
            until_ms: 1000,
            cpu_ns: 1_600_000_000,
            live: extent(50, 5000),
            goal: extent(50, 5000),
            marked: [5000, 0],
            tight: 100,
            allocated: 40,
            procs: 200,
            ..Window::default()
        };
        let Loads { now, free } = of(&run).unwrap();
        assert!((now.rate - 40.0).abs() < 0.1 && (free.rate - 200.0).abs() < 0.1, "{free:?}");
        assert!((now.reach - EARLIEST).abs() < 1e-9);
        assert!(free.heap_for(0.05) - 50.0 > 4.9 * (now.heap_for(0.05) - 50.0));
        assert!(of(&Window { allocated: 0, ..run }).is_none());
    }
}
