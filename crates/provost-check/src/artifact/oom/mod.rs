//! What is left of memory that ran out: kernel logs, cgroups, processes, pods and events.

mod describe;
mod files;
mod pods;

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::io::{self, Read};

use goformats::kernel::log::{Reader, Report, is_turned};
use goformats::kernel::stamps;
use jiff::{SignedDuration, Timestamp};

use crate::facts::SourceId;
use crate::facts::oom::KernelLog;
use crate::model::moment::Moment;

pub use describe::{described, fragment, is_described, is_fragment};
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

/// Whether the log of a kernel has its newest line first (`journalctl -k -r`), by how it begins: a kill stands before why it
/// was, or nearly all stamps fall. Where the machine was started anew they fall once, as the log of a console has it.
pub fn runs_backwards(head: &[u8]) -> bool {
    // Its last line may be cut.
    let whole = memchr::memrchr(b'\n', head).map_or(head.len(), |end| end + 1);
    let head = head.get(..whole).unwrap_or_default();
    if let Some(is_turned) = is_turned(head) {
        return is_turned;
    }
    let stamps: Vec<_> =
        stamps(head).map(|stamp| (stamp.date.as_deref().and_then(date), stamp.uptime_us)).collect();
    let (mut falls, mut rises) = (0_usize, 0_usize);
    for pair in stamps.windows(2) {
        let order = match *pair {
            [(Some(one), _), (Some(next), _)] => {
                // One clock wrote both, whichever zone it is of.
                let is_near = one.duration_until(next).abs() < NEAR;
                is_near.then(|| next.cmp(&one))
            }
            [(_, Some(one)), (_, Some(next))] => Some(next.cmp(&one)),
            _ => None,
        };
        falls += usize::from(order == Some(Ordering::Less));
        rises += usize::from(order == Some(Ordering::Greater));
    }
    // Stamps of several processors, and a clock that was set, are a little out of order.
    falls > 9 * rises
}

/// The moment that a stamp names, in the zone of the log.
fn date(text: &str) -> Option<Timestamp> {
    // Of the journal, with microseconds.
    if let Some((seconds, part)) = text.split_once('.')
        && part.len() == 6
        && let Ok(micros) = format!("{seconds}{part}").parse()
    {
        return Timestamp::from_microsecond(micros).ok();
    }
    Moment::parse(text, Timestamp::UNIX_EPOCH).map(|moment| moment.earliest)
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

#[cfg(test)]
mod tests {
    use super::runs_backwards;

    fn of(lines: &[&str]) -> bool {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        runs_backwards(text.as_bytes())
    }

    /// The first and the last stamp alone were compared, and all of it was turned around.
    #[test]
    fn a_console_over_a_reboot_does_not_run_backwards() {
        let boots = [
            "[ 9120.101001] nfs: server not responding",
            "[ 9121.000101] usb 1-1: reset",
            "[    0.000000] Linux version 6.1.0",
            "[    1.000000] Memory: 1000K",
            "[  300.100001] checkout invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=936",
        ];
        assert!(!of(&boots));
        assert!(!of(&[&boots[..], &boots[2..], &boots[2..]].concat()));
        // Turned around it does, and so does each of its parts.
        let turned: Vec<&str> = boots[2..].iter().rev().copied().collect();
        assert!(of(&turned));
    }

    #[test]
    fn stamps_that_fall_all_the_way_run_backwards_whatever_form_they_have() {
        for form in [
            "[   TT.100001] a",
            "Nov 26 10:00:TT node-1 kernel: a",
            "2026-11-26T10:00:TT+0000 node-1 kernel: a",
            "17641512TT.605563 node-1 kernel: a",
            "[Thu Nov 26 15:30:TT 2026] a",
        ] {
            let lines = |order: &[u8]| -> Vec<String> {
                order.iter().map(|n| form.replace("TT", &format!("{n:02}"))).collect()
            };
            let backwards = |order: &[u8]| {
                let lines = lines(order);
                of(&lines.iter().map(String::as_str).collect::<Vec<_>>())
            };
            let down: Vec<u8> = (10..50).rev().collect();
            let up: Vec<u8> = (10..50).collect();
            assert!(backwards(&down) && !backwards(&up), "{form}");
            // Two processors wrote at once.
            let mut down = down;
            down.swap(7, 8);
            assert!(backwards(&down), "{form}");
            assert!(!backwards(&[20, 20, 20]) && !backwards(&[20]) && !backwards(&[]), "{form}");
        }
    }

    /// Stamps of whole seconds are all alike in a kill, whose lines have an order of their own.
    #[test]
    fn a_kill_before_why_it_was_runs_backwards_whatever_its_stamps_say() {
        let at = "Nov 26 10:00:15 node-1 kernel: ";
        let why = "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/a,task_memcg=/a/b,task=x,pid=206,uid=0";
        let old = "Memory cgroup out of memory: Kill process 206 (x) score 1994 or sacrifice child";
        let kill = "Memory cgroup out of memory: Killed process 206 (x) total-vm:1kB, anon-rss:1kB";
        for why in [why, old] {
            let [why, kill] = [why, kill].map(|text| format!("{at}{text}"));
            assert!(of(&[&kill, &why]) && !of(&[&why, &kill]), "{why}");
            // Another's, before and behind it.
            let other = kill.replace("206", "207");
            assert!(of(&[&other, &kill, &why]) && !of(&[&other, &why, &kill]), "{why}");
        }
        assert!(!of(&[&format!("{at}{kill}"), &format!("{at}eth0: link is up")]));
    }

    /// Dates without a year are of the nearest one, and in the middle of it that is another.
    #[test]
    fn months_without_a_year_follow_each_other() {
        let of_month = |month: &str| format!("{month}  1 10:00:00 node-1 kernel: a");
        let year: Vec<String> =
            ["May", "Jun", "Jul", "Aug", "Nov", "Dec", "Jan", "Feb"].map(of_month).into();
        assert!(!of(&year.iter().map(String::as_str).collect::<Vec<_>>()));
        assert!(of(&year.iter().rev().map(String::as_str).collect::<Vec<_>>()));
    }
}
