//! What is left of memory that ran out: kernel logs, cgroups, processes, pods and events.

mod describe;
mod files;
mod pods;

use std::collections::VecDeque;
use std::io::{self, Read};

use goformats::kernel::log::{Reader, Report};
use jiff::{SignedDuration, Timestamp};

use crate::facts::SourceId;
use crate::facts::oom::KernelLog;
use crate::model::moment::Moment;

pub use describe::{described, is_described};
pub use files::{Files, Inside, Kind, kind, read_archive, read_folder, read_listing, unpacked};
pub use pods::{events, is_cluster, pods};

/// Kills of one log that are kept; the latest ones, which somebody asks about.
const MOST_REPORTS: usize = 1024;

/// Of these, with their tables.
const MOST_TABLES: usize = 32;

/// Passes a log on and looks for kills in it on the way.
pub struct Watched<R> {
    from: R,
    reader: Reader,
    reports: VecDeque<Report>,
    dropped: u64,
}

impl<R> Watched<R> {
    /// Watches what is read.
    pub fn new(from: R) -> Self {
        Self { from, reader: Reader::default(), reports: VecDeque::new(), dropped: 0 }
    }

    /// What there was.
    pub fn finish(mut self, source: SourceId) -> KernelLog {
        let Self { reader, reports, dropped, .. } = &mut self;
        reader.finish(&mut |report| keep(reports, dropped, report));
        KernelLog {
            source,
            counts: self.reader.counts(),
            reports: self.reports.into(),
            dropped: self.dropped,
            span: self.reader.span().clone(),
        }
    }
}

fn keep(reports: &mut VecDeque<Report>, dropped: &mut u64, report: Report) {
    if reports.len() >= MOST_REPORTS {
        reports.pop_front();
        *dropped += 1;
    }
    // A table of processes may be large, and only the latest kills are asked about.
    if let Some(old) = reports.len().checked_sub(MOST_TABLES).and_then(|at| reports.get_mut(at)) {
        old.tasks = Vec::new();
    }
    reports.push_back(report);
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let Self { reader, reports, dropped, .. } = self;
        let bytes = buffer.get(..read).unwrap_or_default();
        reader.push(bytes, &mut |report| keep(reports, dropped, report));
        Ok(read)
    }
}

/// Half a year: dates without one are of the year that is nearest.
const NEAR: SignedDuration = SignedDuration::from_hours(183 * 24);

/// Whether the log of a kernel has its newest line first (`journalctl -k -r`), by how it begins.
pub fn runs_backwards(head: &[u8]) -> bool {
    let mut reader = Reader::default();
    // Its last line may be cut.
    let whole = memchr::memrchr(b'\n', head).map_or(head.len(), |end| end + 1);
    reader.push(head.get(..whole).unwrap_or_default(), &mut |_| {});
    let span = reader.span();
    let (Some(first), Some(last)) = (&span.first, &span.last) else { return false };
    let near = Timestamp::UNIX_EPOCH;
    let date = |text: &Option<String>| Moment::parse(text.as_deref()?, near);
    match (date(&first.date), date(&last.date)) {
        (Some(first), Some(last)) => {
            last.latest < first.earliest && last.latest.duration_until(first.earliest) < NEAR
        }
        _ => first.uptime_us.zip(last.uptime_us).is_some_and(|(first, last)| last < first),
    }
}

/// The log of a kernel that has its newest line first: its lines are read from the last on.
///
/// # Errors
/// When it cannot be read.
pub fn backwards(source: SourceId, text: &[u8]) -> io::Result<KernelLog> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut turned = Vec::with_capacity(text.len() + 1);
    for line in text.rsplit(|byte| *byte == b'\n') {
        turned.extend_from_slice(line);
        turned.push(b'\n');
    }
    let mut log = kernel_log(source, turned.as_slice())?;
    let lines = log.counts.lines;
    let place = |line: &mut u64| *line = (lines + 1).saturating_sub(*line).max(1);
    for report in &mut log.reports {
        place(&mut report.line);
        report.killed.iter_mut().for_each(|killed| place(&mut killed.line));
    }
    Ok(log)
}

/// The log of a kernel, whole.
///
/// # Errors
/// When it cannot be read.
pub fn kernel_log(source: SourceId, from: impl Read) -> io::Result<KernelLog> {
    let mut watched = Watched::new(from);
    io::copy(&mut watched, &mut io::sink())?;
    Ok(watched.finish(source))
}
