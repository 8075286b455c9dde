//! `GODEBUG=gctrace=1`: a line for each cycle.

use super::scan::{Scan, Stop};

/// A time as `fmtNSAsMS` prints it: cut off to two digits, so that what was measured lies in
/// `nanos .. nanos + resolution`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// Nanoseconds, at least.
    pub nanos: u64,
    /// Nanoseconds that the last printed digit stands for.
    pub resolution: u64,
}

/// Wall-clock times of the phases of a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Stopped: sweep termination.
    pub sweep_termination: Term,
    /// Beside the program: marking. In lines of Go 1.5 also scanning and the installation of the write barrier.
    pub mark: Term,
    /// Stopped: mark termination.
    pub mark_termination: Term,
}

/// CPU time of the phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Sweep termination, times the number of Ps.
    pub sweep_termination: Term,
    /// What goroutines that allocate were made to mark.
    pub assist: Term,
    /// Dedicated and fractional workers.
    pub dedicated: Term,
    /// Workers on Ps that had nothing to do.
    pub idle: Term,
    /// Mark termination, times the number of Ps. Go 1.23 changed how it is computed, not how it is printed.
    pub mark_termination: Term,
}

/// Sizes in MiB, cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// When the cycle began.
    pub at_start: u64,
    /// When marking ended.
    pub at_end: u64,
    /// What was marked.
    pub live: u64,
    /// What the cycle was begun for, so as not to grow beyond it.
    pub goal: u64,
    /// Scannable stacks, from Go 1.18 on.
    pub stacks: Option<u64>,
    /// Scannable globals, from Go 1.18 on.
    pub globals: Option<u64>,
}

/// A garbage collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcCycle {
    /// Counted from 1.
    pub number: u64,
    /// Milliseconds since the runtime was initialised, when sweep termination began.
    pub at_ms: u64,
    /// Part of the CPU time since the start that went to collections, in percent, cut off.
    pub cpu_percent: u64,
    /// The cycle also looked for leaked goroutines (Go 1.26).
    pub leak_check: bool,
    /// Wall-clock times.
    pub clock: Clock,
    /// CPU times.
    pub cpu: Cpu,
    /// Sizes.
    pub heap: Heap,
    /// GOMAXPROCS at that time.
    pub procs: u64,
    /// `runtime.GC`, `debug.FreeOSMemory` or, every two minutes, the runtime itself asked for it. Go prints it
    /// for the first two only (`work.userForced`).
    pub forced: bool,
}

impl Heap {
    /// Whether the line is one of Go 1.18 or later.
    pub fn has_roots(&self) -> bool {
        self.stacks.is_some()
    }
}

/// What a line begins with.
pub(super) const START: &[u8] = b"gc ";

/// Most terms that a version prints before `ms clock`: five, in Go 1.5.
const MOST_TERMS: usize = 5;

/// A whole line, without its end.
pub(super) fn read(scan: &mut Scan<'_, '_>) -> Result<GcCycle, Stop> {
    scan.lit(START)?;
    let number = count(scan)?;
    scan.lit(b" @")?;
    let at_ms = scan.thousandths()?;
    scan.lit(b"s ")?;
    let cpu_percent = scan.uint()?;
    scan.lit(b"%")?;
    let leak_check = scan.maybe(b" (checking for goroutine leaks)")?;
    scan.lit(b": ")?;
    let mut clock = [Term::default(); MOST_TERMS];
    let phases = terms(scan, &mut clock)?;
    let (clock, early) = match (phases, clock) {
        (3, [sweep, mark, end, ..]) => {
            (Clock { sweep_termination: sweep, mark, mark_termination: end }, 0)
        }
        (5, [sweep, scan, barrier, mark, end]) => {
            let mark = sum(&[scan, barrier, mark]);
            (Clock { sweep_termination: sweep, mark, mark_termination: end }, 2)
        }
        _ => return Err(scan.stop()),
    };
    let cpu = cpu(scan, early)?;
    let heap = sizes(scan)?;
    let (stacks, globals, procs) = roots(scan)?;
    scan.lit(b" P")?;
    let forced = match scan.is_done() {
        true => false,
        false => scan.maybe(b" (forced)")?,
    };
    scan.end()?;
    Ok(GcCycle {
        number,
        at_ms,
        cpu_percent,
        leak_check,
        clock,
        cpu,
        heap: Heap { stacks, globals, ..heap },
        procs,
        forced,
    })
}

fn term(scan: &mut Scan<'_, '_>) -> Result<Term, Stop> {
    let (nanos, resolution) = scan.milliseconds()?;
    Ok(Term { nanos, resolution })
}

fn sum(terms: &[Term]) -> Term {
    let resolution = terms.iter().map(|t| t.resolution).sum();
    Term { nanos: terms.iter().map(|t| t.nanos).fold(0, u64::saturating_add), resolution }
}

/// `#+#+# ms clock, `
fn terms(scan: &mut Scan<'_, '_>, into: &mut [Term]) -> Result<usize, Stop> {
    let mut count = 0;
    for slot in into {
        *slot = term(scan)?;
        count += 1;
        if scan.one_of(&[b"+", b" ms clock, "])? == 1 {
            return Ok(count);
        }
    }
    Err(scan.stop())
}

/// `#+#/#/#+# ms cpu, `, behind as many terms as phases that Go 1.5 alone had.
fn cpu(scan: &mut Scan<'_, '_>, early: usize) -> Result<Cpu, Stop> {
    let mut cpu = Cpu { sweep_termination: term(scan)?, ..Cpu::default() };
    for _ in 0..early {
        scan.lit(b"+")?;
        cpu.dedicated = sum(&[cpu.dedicated, term(scan)?]);
    }
    scan.lit(b"+")?;
    cpu.assist = term(scan)?;
    scan.lit(b"/")?;
    cpu.dedicated = match early {
        0 => term(scan)?,
        _ => sum(&[cpu.dedicated, term(scan)?]),
    };
    scan.lit(b"/")?;
    cpu.idle = term(scan)?;
    scan.lit(b"+")?;
    cpu.mark_termination = term(scan)?;
    scan.lit(b" ms cpu, ")?;
    Ok(cpu)
}

/// A number of a cycle, or of Ps: `work.cycles` and `gomaxprocs` count in 32 bits (mgc.go).
fn count(scan: &mut Scan<'_, '_>) -> Result<u64, Stop> {
    let count = scan.uint()?;
    if count > MOST_COUNT { Err(scan.stop()) } else { Ok(count) }
}

const MOST_COUNT: u64 = u32::MAX as u64;

/// MiB, of bytes that were counted in 64 bits: what is more, no runtime printed.
fn size(scan: &mut Scan<'_, '_>) -> Result<u64, Stop> {
    let mib = scan.uint()?;
    if mib > u64::MAX >> 20 { Err(scan.stop()) } else { Ok(mib) }
}

/// `#->#-># MB, # MB goal, `
fn sizes(scan: &mut Scan<'_, '_>) -> Result<Heap, Stop> {
    let at_start = size(scan)?;
    scan.lit(b"->")?;
    let at_end = size(scan)?;
    scan.lit(b"->")?;
    let live = size(scan)?;
    scan.lit(b" MB, ")?;
    let goal = size(scan)?;
    scan.lit(b" MB goal, ")?;
    Ok(Heap { at_start, at_end, live, goal, stacks: None, globals: None })
}

/// `# MB stacks, # MB globals, #`, of which versions before 1.18 have the last number only.
fn roots(scan: &mut Scan<'_, '_>) -> Result<(Option<u64>, Option<u64>, u64), Stop> {
    let first = size(scan)?;
    if !scan.starts(b" M")? {
        return if first > MOST_COUNT { Err(scan.stop()) } else { Ok((None, None, first)) };
    }
    scan.lit(b" MB stacks, ")?;
    let globals = size(scan)?;
    scan.lit(b" MB globals, ")?;
    Ok((Some(first), Some(globals), count(scan)?))
}
