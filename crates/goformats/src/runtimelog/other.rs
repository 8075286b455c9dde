//! `inittrace`, `scavtrace` and `gcpacertrace`.

use super::scan::{Scan, Stop};

/// `GODEBUG=inittrace=1`: what a package's initialisation took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitTask {
    /// Import path.
    pub package: String,
    /// Nanoseconds since the runtime was initialised.
    pub at_ns: u64,
    /// Nanoseconds that it took.
    pub took_ns: u64,
    /// Bytes allocated.
    pub bytes: u64,
    /// Allocations.
    pub allocs: u64,
}

/// `GODEBUG=scavtrace=1`: what was given back to the operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scavenge {
    /// KiB given back in the background since the last line; all of it, in lines of before Go 1.21.
    pub background_kib: u64,
    /// KiB given back because memory was asked for (Go 1.21).
    pub eager_kib: Option<u64>,
    /// KiB of the heap that are with the operating system by now.
    pub released_kib: u64,
    /// Of the heap that is not, the part in use, in percent.
    pub used_percent: u64,
    /// `debug.FreeOSMemory` asked for it.
    pub forced: bool,
}

/// `GODEBUG=gcpacertrace=1`
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pacer {
    /// When a cycle begins.
    Start {
        /// Bytes of scan work for each byte allocated.
        assist_ratio: f64,
    },
    /// When a cycle ends.
    End {
        /// Percent of the CPU time of the cycle.
        cpu_percent: i64,
        /// Bytes of the heap when the cycle was triggered.
        trigger: u64,
        /// Bytes of the heap at the end of marking.
        live: u64,
        /// How far that is beyond the goal.
        over_goal: i64,
    },
    /// When sweeping ended.
    Swept {
        /// MiB of the heap.
        heap_mib: u64,
        /// Pages swept.
        pages: u64,
    },
}

pub(super) const INIT: &[u8] = b"init ";
pub(super) const SCAVENGE: &[u8] = b"scav ";
pub(super) const PACER: &[u8] = b"pacer: ";

pub(super) fn init(scan: &mut Scan<'_, '_>) -> Result<InitTask, Stop> {
    scan.lit(INIT)?;
    let package = String::from_utf8_lossy(scan.until(b" @")?).into_owned();
    if package.is_empty() || package.contains(' ') {
        return Err(Stop::Unfit(INIT.len()));
    }
    let (at_ns, _) = scan.milliseconds()?;
    scan.lit(b" ms, ")?;
    let (took_ns, _) = scan.milliseconds()?;
    scan.lit(b" ms clock, ")?;
    let bytes = scan.uint()?;
    scan.lit(b" bytes, ")?;
    let allocs = scan.uint()?;
    scan.lit(b" allocs")?;
    scan.end()?;
    Ok(InitTask { package, at_ns, took_ns, bytes, allocs })
}

pub(super) fn scavenge(scan: &mut Scan<'_, '_>) -> Result<Scavenge, Stop> {
    scan.lit(SCAVENGE)?;
    let mut work = scan.uint()?;
    if !scan.starts(b" K")? {
        // Up to Go 1.18 the generation stands first.
        scan.lit(b" ")?;
        work = scan.uint()?;
    }
    scan.lit(b" KiB work")?;
    let mut line = Scavenge { background_kib: work, ..Scavenge::default() };
    if scan.maybe(b" (bg), ")? {
        line.eager_kib = Some(scan.uint()?);
        scan.lit(b" KiB work (eager), ")?;
        line.released_kib = scan.uint()?;
        scan.lit(b" KiB now, ")?;
    } else {
        scan.lit(b", ")?;
        line.released_kib = scan.uint()?;
        scan.lit(b" KiB total, ")?;
    }
    line.used_percent = scan.uint()?;
    scan.lit(b"% util")?;
    if !scan.is_done() {
        line.forced = scan.maybe(b" (forced)")?;
        if !line.forced && !scan.is_done() {
            scan.lit(b" [controller reset]")?;
        }
    }
    scan.end()?;
    Ok(line)
}

/// Lines of the pacer change with versions (Go 1.26 writes floating-point numbers as people do): what is
/// read of them is what all have.
pub(super) fn pacer(text: &[u8]) -> Option<Pacer> {
    let rest = std::str::from_utf8(text.strip_prefix(PACER)?).ok()?;
    if let Some(rest) = rest.strip_prefix("assist ratio=") {
        let assist_ratio = rest.split(' ').next()?.parse().ok()?;
        return Some(Pacer::Start { assist_ratio });
    }
    if let Some(rest) = rest.strip_prefix("sweep done at heap size ") {
        let (heap, rest) = rest.split_once("MB; ")?;
        let (_, rest) = rest.split_once("; swept ")?;
        let (pages, _) = rest.split_once(' ')?;
        return Some(Pacer::Swept { heap_mib: heap.parse().ok()?, pages: pages.parse().ok()? });
    }
    let (cpu, rest) = rest.split_once("% CPU (")?;
    let (_, rest) = rest.split_once(" in ")?;
    let (trigger, rest) = rest.split_once(" B -> ")?;
    let (live, rest) = rest.split_once(" B (∆goal ")?;
    let (over, _) = rest.split_once(',')?;
    Some(Pacer::End {
        cpu_percent: cpu.parse().ok()?,
        trigger: trigger.parse().ok()?,
        live: live.parse().ok()?,
        over_goal: over.parse().ok()?,
    })
}

/// Objects of a size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Of every size.
    #[default]
    All,
    /// Larger than the largest class.
    Large,
    /// Of that many bytes.
    Bytes(u64),
}

/// `GODEBUG=gctrace=2`: what a cycle scanned of one size class, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Which objects.
    pub class: Class,
    /// Objects.
    pub objects: u64,
    /// Spans that were scanned as such (Go 1.26).
    pub spans: Option<u64>,
}

pub(super) const SCANNED: &[u8] = b"scan: ";

/// `scan: class 8B 6 objs` of Go 1.25, `scan: class 32B 1004+0+607=1611 objs, 0+3=3 spans` from 1.26 on.
pub(super) fn scanned(text: &[u8]) -> Option<Scanned> {
    let rest = std::str::from_utf8(text.strip_prefix(SCANNED)?).ok()?;
    let (class, rest) = match rest.strip_prefix("total ") {
        Some(rest) => (Class::All, rest),
        None => match rest.strip_prefix("class ")?.split_once(' ')? {
            ("L", rest) => (Class::Large, rest),
            (class, rest) => (Class::Bytes(class.strip_suffix('B')?.parse().ok()?), rest),
        },
    };
    let (objects, rest) = rest.split_once(" objs")?;
    let sum = |terms: &str| terms.rsplit('=').next()?.parse().ok();
    let spans = match rest {
        "" => None,
        rest => Some(sum(rest.strip_prefix(", ")?.strip_suffix(" spans")?)?),
    };
    Some(Scanned { class, objects: sum(objects)?, spans })
}
