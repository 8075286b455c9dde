//! `GODEBUG=schedtrace=N`, and with `scheddetail=1` a line for each P, M and G.
//!
//! Numbers of Ps, Ms and Gs that are none are `-1` up to Go 1.20 and `nil` after it. Keys that are not known
//! here are kept as they stand.

use super::scan::{Scan, Stop};

/// What the scheduler was like at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedSample {
    /// Milliseconds since the first line.
    pub at_ms: u64,
    /// GOMAXPROCS.
    pub gomaxprocs: u64,
    /// Ps that run nothing.
    pub idleprocs: u64,
    /// Threads that exist, idle ones included.
    pub threads: u64,
    /// Threads that look for work.
    pub spinningthreads: u64,
    /// Somebody is asked to look for work (Go 1.21).
    pub needspinning: Option<u64>,
    /// Threads that wait for a P.
    pub idlethreads: u64,
    /// Goroutines of the global queue.
    pub runqueue: u64,
    /// Goroutines in the queue of each P; none under `scheddetail`.
    pub local: Vec<u64>,
    /// How often each P was scheduled on (Go 1.25).
    pub schedticks: Vec<u64>,
    /// A stop of the world is waited for (`scheddetail`).
    pub gcwaiting: Option<bool>,
    /// Locked threads that wait for their goroutine (`scheddetail`).
    pub nmidlelocked: Option<i64>,
    /// Ps that have still to stop (`scheddetail`).
    pub stopwait: Option<i64>,
    /// The monitor sleeps (`scheddetail`).
    pub sysmonwait: Option<bool>,
    /// Keys that are not known.
    pub other: Vec<(String, String)>,
}

/// `  P0: status=1 …`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// Its number.
    pub id: u64,
    /// `_Pidle`, `_Prunning`, `_Psyscall`, `_Pgcstop`, `_Pdead`: 0 to 4.
    pub status: u64,
    /// Grows with each goroutine that is run.
    pub schedtick: u64,
    /// Grows with each system call.
    pub syscalltick: u64,
    /// The thread that has it.
    pub thread: Option<u64>,
    /// Goroutines in its queue.
    pub runqsize: u64,
    /// Dead goroutines that it keeps.
    pub gfreecnt: u64,
    /// Timers.
    pub timerslen: u64,
    /// Keys that are not known.
    pub other: Vec<(String, String)>,
}

/// `  M0: p=0 …`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its number.
    pub id: u64,
    /// The P that it has.
    pub processor: Option<u64>,
    /// The goroutine that it runs.
    pub goroutine: Option<u64>,
    /// Runtime locks held.
    pub locks: i64,
    /// It looks for work.
    pub spinning: bool,
    /// It is blocked on a note.
    pub blocked: bool,
    /// The goroutine that is locked to it.
    pub locked_to: Option<u64>,
    /// Keys that are kept as they stand.
    pub other: Vec<(String, String)>,
}

/// `  G1: status=4(chan receive) …`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goroutine {
    /// Its number.
    pub id: u64,
    /// `_Gidle` and so on, from 0; 0x1000 is added while it is scanned.
    pub status: u64,
    /// Why it last waited, in words of the version; empty when it never has.
    pub wait_reason: String,
    /// The thread that runs it.
    pub thread: Option<u64>,
    /// The thread that it is locked to.
    pub locked_to: Option<u64>,
}

pub(super) const SAMPLE: &[u8] = b"SCHED ";
pub(super) const PROCESSOR: &[u8] = b"  P";
pub(super) const THREAD: &[u8] = b"  M";
pub(super) const GOROUTINE: &[u8] = b"  G";

/// Keys of lines that have more than this are not kept.
const MOST_KEYS: usize = 64;
/// Ps of a line.
const MOST_PROCS: usize = 65_536;

/// The first line of a sample, exactly as some version from 1.18 on writes it.
pub(super) fn sample(scan: &mut Scan<'_, '_>) -> Result<SchedSample, Stop> {
    scan.lit(SAMPLE)?;
    let mut sample = SchedSample { at_ms: scan.uint()?, ..SchedSample::default() };
    sample.gomaxprocs = key(scan, b"ms: gomaxprocs=")?;
    if sample.gomaxprocs > MOST_PROCS as u64 {
        return Err(scan.stop());
    }
    sample.idleprocs = key(scan, b" idleprocs=")?;
    sample.threads = key(scan, b" threads=")?;
    sample.spinningthreads = key(scan, b" spinningthreads=")?;
    if scan.starts(b" n")? {
        sample.needspinning = Some(key(scan, b" needspinning=")?);
    }
    sample.idlethreads = key(scan, b" idlethreads=")?;
    sample.runqueue = key(scan, b" runqueue=")?;
    if scan.starts(b" g")? {
        detail(scan, &mut sample)?;
    } else {
        queues(scan, &mut sample)?;
    }
    scan.end()?;
    Ok(sample)
}

fn key(scan: &mut Scan<'_, '_>, key: &[u8]) -> Result<u64, Stop> {
    scan.lit(key)?;
    scan.uint()
}

fn detail(scan: &mut Scan<'_, '_>, sample: &mut SchedSample) -> Result<(), Stop> {
    scan.lit(b" gcwaiting=")?;
    sample.gcwaiting = Some(truth(scan)?);
    scan.lit(b" nmidlelocked=")?;
    sample.nmidlelocked = Some(scan.int()?);
    scan.lit(b" stopwait=")?;
    sample.stopwait = Some(scan.int()?);
    scan.lit(b" sysmonwait=")?;
    sample.sysmonwait = Some(truth(scan)?);
    Ok(())
}

/// ` [0 1]` up to Go 1.24, ` [ 0 1 ] schedticks=[ 5 6 ]` from 1.25 on.
fn queues(scan: &mut Scan<'_, '_>, sample: &mut SchedSample) -> Result<(), Stop> {
    scan.lit(b" ")?;
    scan.lit(b"[")?;
    let ticks = scan.maybe(b" ")?;
    loop {
        if sample.local.len() >= MOST_PROCS {
            return Err(scan.stop());
        }
        sample.local.push(scan.uint()?);
        let closing: &[u8] = if ticks { b" ]" } else { b"]" };
        if scan.starts(closing)? {
            scan.lit(closing)?;
            break;
        }
        scan.lit(b" ")?;
    }
    if ticks {
        scan.lit(b" schedticks=[ ")?;
        while !scan.maybe(b"]")? {
            if sample.schedticks.len() >= MOST_PROCS {
                return Err(scan.stop());
            }
            sample.schedticks.push(scan.uint()?);
            scan.lit(b" ")?;
        }
    }
    Ok(())
}

/// `0`, `1`, `false`, `true`
fn truth(scan: &mut Scan<'_, '_>) -> Result<bool, Stop> {
    Ok(matches!(scan.one_of(&[b"0", b"false", b"1", b"true"])?, 2 | 3))
}

/// `nil`, `-1` or a number.
fn number(scan: &mut Scan<'_, '_>) -> Result<Option<u64>, Stop> {
    if scan.maybe(b"nil")? {
        return Ok(None);
    }
    Ok(u64::try_from(scan.int()?).ok())
}

pub(super) fn processor(scan: &mut Scan<'_, '_>) -> Result<Processor, Stop> {
    let mut p = Processor { id: key(scan, PROCESSOR)?, ..Processor::default() };
    p.status = key(scan, b": status=")?;
    p.schedtick = key(scan, b" schedtick=")?;
    p.syscalltick = key(scan, b" syscalltick=")?;
    scan.lit(b" m=")?;
    p.thread = number(scan)?;
    p.runqsize = key(scan, b" runqsize=")?;
    p.gfreecnt = key(scan, b" gfreecnt=")?;
    p.timerslen = key(scan, b" timerslen=")?;
    scan.end()?;
    Ok(p)
}

pub(super) fn thread(scan: &mut Scan<'_, '_>) -> Result<Thread, Stop> {
    let mut m = Thread { id: key(scan, THREAD)?, ..Thread::default() };
    scan.lit(b": p=")?;
    m.processor = number(scan)?;
    scan.lit(b" curg=")?;
    m.goroutine = number(scan)?;
    for name in ["mallocing", "throwing"] {
        scan.lit(format!(" {name}=").as_bytes())?;
        let value = scan.int()?;
        keep(&mut m.other, name, &value.to_string());
    }
    scan.lit(b" preemptoff=")?;
    let off = scan.until(b" locks=")?;
    keep(&mut m.other, "preemptoff", &String::from_utf8_lossy(off));
    m.locks = scan.int()?;
    scan.lit(b" dying=")?;
    let dying = scan.int()?;
    keep(&mut m.other, "dying", &dying.to_string());
    scan.lit(b" spinning=")?;
    m.spinning = truth(scan)?;
    scan.lit(b" blocked=")?;
    m.blocked = truth(scan)?;
    scan.lit(b" lockedg=")?;
    m.locked_to = number(scan)?;
    scan.end()?;
    Ok(m)
}

pub(super) fn goroutine(scan: &mut Scan<'_, '_>) -> Result<Goroutine, Stop> {
    let mut g = Goroutine { id: key(scan, GOROUTINE)?, ..Goroutine::default() };
    g.status = key(scan, b": status=")?;
    scan.lit(b"(")?;
    g.wait_reason = String::from_utf8_lossy(scan.until(b") m=")?).into_owned();
    g.thread = number(scan)?;
    scan.lit(b" lockedm=")?;
    g.locked_to = number(scan)?;
    scan.end()?;
    Ok(g)
}

/// A zero says nothing.
fn keep(other: &mut Vec<(String, String)>, key: &str, value: &str) {
    if !matches!(value, "0" | "") && other.len() < MOST_KEYS {
        other.push((key.to_owned(), value.to_owned()));
    }
}

/// A sample of a version that is not known: keys with numbers and truths, in any order, up to the queues.
/// What another wrote behind the first half of a line does not come that far.
pub(super) fn loose_sample(text: &[u8]) -> Option<SchedSample> {
    let mut sample = SchedSample::default();
    let rest = std::str::from_utf8(text.strip_prefix(SAMPLE)?).ok()?;
    let (at, rest) = rest.split_once("ms: ")?;
    sample.at_ms = at.parse().ok()?;
    let mut seen = Vec::new();
    let mut rest = rest.trim();
    while !rest.is_empty() {
        let (name, tail) = match rest.strip_prefix('[') {
            Some(_) => ("", rest),
            None => rest.split_once('=')?,
        };
        let (value, tail) = match tail.strip_prefix('[') {
            Some(list) => list.split_once(']')?,
            // A list is one, or the line was torn.
            None if matches!(name, "" | "schedticks") => return None,
            None => tail.split_once(' ').unwrap_or((tail, "")),
        };
        rest = tail.trim_start();
        sample.set(name, value)?;
        seen.push(name);
    }
    let whole = ["gomaxprocs", "threads", "runqueue", ""].iter().all(|key| seen.contains(key));
    whole.then_some(sample)
}

impl SchedSample {
    /// Takes a key, or nothing when its value is none.
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let list = |value: &str| -> Option<Vec<u64>> {
            value.split_ascii_whitespace().take(MOST_PROCS).map(|n| n.parse().ok()).collect()
        };
        let truth = |value: &str| matches!(value, "1" | "true");
        match name {
            "" => self.local = list(value)?,
            "schedticks" => self.schedticks = list(value)?,
            "gomaxprocs" => {
                self.gomaxprocs = value.parse().ok().filter(|count| *count <= MOST_PROCS as u64)?;
            }
            "idleprocs" => self.idleprocs = value.parse().ok()?,
            "threads" => self.threads = value.parse().ok()?,
            "spinningthreads" => self.spinningthreads = value.parse().ok()?,
            "needspinning" => self.needspinning = Some(value.parse().ok()?),
            "idlethreads" => self.idlethreads = value.parse().ok()?,
            "runqueue" => self.runqueue = value.parse().ok()?,
            "gcwaiting" => self.gcwaiting = Some(truth(value)),
            "nmidlelocked" => self.nmidlelocked = value.parse().ok(),
            "stopwait" => self.stopwait = value.parse().ok(),
            "sysmonwait" => self.sysmonwait = Some(truth(value)),
            _ => {
                value.parse::<i64>().ok().or(truth(value).then_some(1))?;
                keep(&mut self.other, name, value);
            }
        }
        Some(())
    }
}
