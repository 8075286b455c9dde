//! What is left of memory that ran out: kernel logs, cgroups, processes, pods and events.

mod describe;
mod files;
mod pods;

use std::collections::VecDeque;
use std::io::{self, Read};

use goformats::kernel::log::{Reader, Report};

use crate::facts::SourceId;
use crate::facts::oom::KernelLog;

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

/// The log of a kernel, whole.
///
/// # Errors
/// When it cannot be read.
pub fn kernel_log(source: SourceId, from: impl Read) -> io::Result<KernelLog> {
    let mut watched = Watched::new(from);
    io::copy(&mut watched, &mut io::sink())?;
    Ok(watched.finish(source))
}
