//! What the kernel writes when it kills a process for memory.
//!
//! A report is some fifty lines (`dump_header`, `oom_kill_process`): who asked for memory, how full the group
//! was, what its memory is, a table of its processes, the choice and the kill. Logs that were filtered hold the
//! last line or two of it, which is a report as well.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use super::cgroup::{Composition, Limit, Stat};
use super::detail::{Column, detail};
use super::span::{Span, Watch};
use super::victim::{WORDS, killed, named, to_be_killed, traced};
use super::{Stamp, journal, kib, stamp};
use crate::digits;

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line; the kernel's are shorter than 1 KiB, and the journal writes some more around them.
    pub line: usize,
    /// Processes of one table.
    pub tasks: usize,
    /// Kills of one report.
    pub killed: usize,
    /// Lines of one report; what comes later belongs to something else.
    pub report: u64,
}

impl Limits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self { line: 8192, tasks: 4096, killed: 256, report: 20_000 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why the kernel had to kill (`enum oom_constraint`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Constraint {
    /// The report does not say.
    #[default]
    Unknown,
    /// The limit of a group.
    Memcg,
    /// The machine has no memory left.
    Machine,
    /// The nodes of a cpuset or of a policy have none left.
    Nodes,
}

/// How full a counter was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes.
    pub usage: u64,
    /// Its limit.
    pub limit: Limit,
    /// How often it was run into.
    pub failures: u64,
}

/// A row of the table of processes. Sizes are in pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Of the process.
    pub pid: u64,
    /// Resident.
    pub rss: u64,
    /// Mapped.
    pub total: u64,
    /// Swapped out.
    pub swap: u64,
    /// Bytes of page tables; old kernels count their pages.
    pub page_tables: PageTables,
    /// `oom_score_adj`
    pub adj: i64,
    /// The first 15 bytes of the program's name.
    pub name: String,
}

/// How a table says what page tables take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageTables {
    /// `pgtables_bytes`, Linux 4.15 and later.
    Bytes(u64),
    /// `nr_ptes` and `nr_pmds`
    Pages(u64),
}

impl Default for PageTables {
    fn default() -> Self {
        Self::Pages(0)
    }
}

/// A process that was killed: `Killed process 9402 (leak) total-vm:1292916kB, ...`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Killed {
    /// Line, from 1.
    pub line: u64,
    /// The process.
    pub pid: u64,
    /// The first 15 bytes of its name.
    pub name: String,
    /// Bytes that were mapped.
    pub total: Option<u64>,
    /// Bytes that were resident: its own,
    pub anon: Option<u64>,
    /// of files,
    pub file: Option<u64>,
    /// and of tmpfs and shared memory.
    pub shmem: Option<u64>,
    /// Bytes of page tables, rounded down to KiB.
    pub page_tables: Option<u64>,
    /// `oom_score_adj`
    pub adj: Option<i64>,
}

/// One time that memory ran out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its first line, from 1.
    pub line: u64,
    /// When that was.
    pub stamp: Stamp,
    /// Who asked for memory that was not there; not who is killed.
    pub invoker: Option<String>,
    /// Why.
    pub constraint: Constraint,
    /// The group whose limit it was: `/kubepods/...`
    pub limit_group: Option<String>,
    /// The group of the process that was chosen.
    pub victim_group: Option<String>,
    /// `memory:`
    pub memory: Option<Usage>,
    /// `kmem:`, of version 1.
    pub kernel: Option<Usage>,
    /// `swap:`, or `memory+swap:` of version 1 less the memory.
    pub swap: Option<u64>,
    /// `Memory cgroup stats for`
    pub stat: Stat,
    /// The processes that were asked about.
    pub tasks: Vec<Task>,
    /// Further ones.
    pub more_tasks: u64,
    /// Pages that the machine has, without what is reserved.
    pub machine_pages: Option<u64>,
    /// Swap that the machine has, in bytes.
    pub machine_swap: Option<u64>,
    /// The processes that were killed: the chosen one, and with `memory.oom.group` those of its group.
    pub killed: Vec<Killed>,
    /// Further ones.
    pub more_killed: u64,
    /// All of that group were killed (`memory.oom.group`).
    pub all_of: Option<String>,
}

impl Report {
    /// Takes the reason from the words of a kill, where no line before it was more exact.
    fn known(&mut self, text: &str) {
        if self.constraint == Constraint::Unknown {
            self.constraint = match text {
                _ if text.contains("Memory cgroup out of memory") => Constraint::Memcg,
                _ if text.contains("Out of memory") => Constraint::Machine,
                _ => Constraint::Unknown,
            };
        }
    }

    /// The process that was chosen.
    pub fn victim(&self) -> Option<&Killed> {
        self.killed.first()
    }

    /// Its row.
    pub fn victim_task(&self) -> Option<&Task> {
        let pid = self.victim()?.pid;
        self.tasks.iter().find(|task| task.pid == pid)
    }

    /// Bytes of a page: the table counts pages and the kill KiB.
    pub fn page(&self) -> Option<u64> {
        let (task, bytes) = (self.victim_task()?, self.victim()?.total?);
        let page = bytes.checked_div(task.total)?;
        [4, 16, 64].map(kib).into_iter().find(|size| *size == page)
    }

    /// What the memory of the group was.
    pub fn composition(&self) -> Option<Composition> {
        self.stat.composition(self.kernel.map(|usage| usage.usage))
    }
}

/// Letters of a name that are kept.
pub(super) const LONGEST_NAME: usize = 64;
/// Letters of a group's path that are kept.
pub(super) const LONGEST_PATH: usize = 1024;

/// What a log that is not read closer is searched for.
const SIGNS: [&[u8]; 5] = [
    b"oom-kill",
    b"illed process",
    b"Kill process",
    b"are going to be killed due to",
    b" killed as a result of limit of ",
];

/// Whether a text begins as the log of a kernel: nearly every line has the kernel's own time or name before it.
pub fn is_one(head: &str) -> bool {
    const LINES: usize = 64;
    if journal::is_spread(head) {
        return true;
    }
    // The last line may have been cut, and what is left of an entry of the journal says nothing.
    let whole = head.rsplit_once('\n').map_or(head, |(whole, _)| whole);
    let lines: Vec<&str> = whole.lines().take(LINES).filter(|line| !line.is_empty()).collect();
    let is_stamped = |line: &&&str| {
        if let Some(entry) = journal::entry(line.as_bytes()) {
            return entry.of_kernel == Some(true);
        }
        let (stamp, text) = stamp::strip(line);
        stamp.uptime_us.is_some() || (stamp.date.is_some() && text.len() < line.len())
    };
    let stamped = lines.iter().filter(is_stamped).count();
    stamped > 0 && stamped * 10 >= lines.len() * 9
}

/// Kills, and choices, that are looked for each other.
const MOST_PAIRS: usize = 64;

/// Whether a kill stands before why it was, as a log has it whose newest line is first (`journalctl -k -r`); nothing where
/// no kill has both. Stamps of whole seconds are all alike there.
pub fn is_turned(log: &[u8]) -> Option<bool> {
    let pid = |line: &[u8], behind: &[u8]| {
        let at = memmem::rfind(line, behind)? + behind.len();
        digits::number(line.get(at..)?).map(|(pid, _)| pid)
    };
    let (mut kills, mut choices) = (Vec::new(), Vec::new());
    for line in log.split(|byte| *byte == b'\n') {
        let is_choice = memmem::find(line, b"oom-kill:constraint=").is_some();
        let chosen = if is_choice { pid(line, b",pid=") } else { pid(line, b"Kill process ") };
        let (pid, own, others, is_turned) = match (chosen, pid(line, b"Killed process ")) {
            (Some(pid), _) => (pid, &mut choices, &kills, true),
            (None, Some(pid)) => (pid, &mut kills, &choices, false),
            (None, None) => continue,
        };
        if others.contains(&pid) {
            return Some(is_turned);
        }
        if own.len() < MOST_PAIRS {
            own.push(pid);
        }
    }
    None
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes.
    pub bytes: u64,
    /// Lines.
    pub lines: u64,
    /// Lines that tell of a kill.
    pub reports: u64,
}

/// A line without its end, and what follows.
fn first_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, after) = bytes.split_at_checked(memchr(b'\n', bytes)?)?;
    Some((line, after.get(1..).unwrap_or_default()))
}

/// Reads a log as it comes.
#[derive(Debug, Default)]
pub struct Reader {
    limits: Limits,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    counts: Counts,
    open: Option<Report>,
    /// Who is to be killed by the report that is open, until the line of the kill comes.
    chosen: Option<Killed>,
    /// Its lines show that somebody is killed, whoever that is.
    is_kill: bool,
    /// The last kill: its process, and what that had mapped.
    last: Option<(u64, Option<u64>)>,
    columns: Vec<Column>,
    in_stat: bool,
    /// The message of an entry of many lines (`journalctl -o verbose`), until all of it has come, and its line.
    held: Option<(u64, journal::Entry)>,
    /// What that entry says of whose it is.
    of_kernel: Option<bool>,
    watch: Watch,
}

impl Reader {
    /// With limits of one's own.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What was read.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// When its first and its last line were written, as far as they tell.
    pub fn span(&self) -> &Span {
        &self.watch.span
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Report)) {
        self.counts.bytes = self.counts.bytes.saturating_add(bytes.len() as u64);
        let mut bytes = bytes;
        if !self.rest.is_empty() {
            let Some((line, after)) = first_line(bytes) else {
                self.keep(bytes);
                return;
            };
            self.keep(line);
            bytes = after;
            let line = std::mem::take(&mut self.rest);
            self.watch.take(&line);
            self.line(&line, out);
            self.rest = line;
            self.rest.clear();
        }
        let last = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let (whole, tail) = bytes.split_at_checked(last).unwrap_or((bytes, &[]));
        self.watch.take(whole);
        // Most logs are of something else: what holds none of the signs is only counted.
        let plain = || !SIGNS.iter().any(|sign| memmem::find(whole, sign).is_some());
        if self.open.is_none() && self.held.is_none() && plain() {
            self.counts.lines += memchr::memchr_iter(b'\n', whole).count() as u64;
            self.of_kernel = journal::transport_at_end(whole, self.of_kernel);
            bytes = tail;
        }
        while let Some((line, after)) = first_line(bytes) {
            bytes = after;
            self.line(line, out);
        }
        self.keep(bytes);
    }

    /// The log has ended.
    pub fn finish(&mut self, out: &mut dyn FnMut(Report)) {
        let line = std::mem::take(&mut self.rest);
        if !line.is_empty() {
            self.watch.take(&line);
            self.line(&line, out);
        }
        self.release(out);
        self.close(out);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.limits.line.saturating_sub(self.rest.len()).min(bytes.len());
        self.rest.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    fn close(&mut self, out: &mut dyn FnMut(Report)) {
        self.columns.clear();
        self.in_stat = false;
        let (chosen, is_kill) = (self.chosen.take(), std::mem::take(&mut self.is_kill));
        let Some(mut report) = self.open.take() else { return };
        // What was filtered, or cut, ends before the kill.
        if report.killed.is_empty() {
            report.killed.extend(chosen);
        }
        // Memory may be asked for in vain without anybody being killed.
        if is_kill || !report.killed.is_empty() {
            self.counts.reports += 1;
            out(report);
        }
    }

    fn line(&mut self, line: &[u8], out: &mut dyn FnMut(Report)) {
        self.counts.lines += 1;
        let number = self.counts.lines;
        if let Some(of_kernel) = journal::transport(line) {
            self.of_kernel = Some(of_kernel);
            return;
        }
        let is_next = !journal::is_field(line) || self.held.is_some() && journal::is_message(line);
        if (self.held.is_some() || self.of_kernel.is_some()) && is_next {
            self.release(out);
        }
        let is_sign = || SIGNS.iter().any(|sign| memmem::find(line, sign).is_some());
        if self.open.is_none() && !is_sign() {
            return;
        }
        let line = line.get(..self.limits.line.min(line.len())).unwrap_or_default();
        let entry = journal::entry(line);
        // What programs write stands in the journal beside it.
        if entry.as_ref().is_some_and(|entry| entry.of_kernel == Some(false)) {
            return;
        }
        if let Some(entry) = entry.as_ref().filter(|entry| entry.spread) {
            self.held = Some((number, entry.clone()));
            return;
        }
        self.message(number, line, entry.as_ref(), out);
    }

    /// An entry of many lines is over: its message counts unless it is another's than the kernel's.
    fn release(&mut self, out: &mut dyn FnMut(Report)) {
        let of_kernel = self.of_kernel.take();
        if let Some((number, entry)) = self.held.take()
            && of_kernel != Some(false)
        {
            self.message(number, &[], Some(&entry), out);
        }
    }

    fn message(
        &mut self,
        number: u64,
        line: &[u8],
        entry: Option<&journal::Entry>,
        out: &mut dyn FnMut(Report),
    ) {
        let whole: Cow<'_, str> = match entry {
            Some(entry) => Cow::Borrowed(&entry.message),
            None => String::from_utf8_lossy(line),
        };
        let (mut stamp, text) = stamp::strip(whole.trim_end());
        if let Some(entry) = entry.filter(|entry| entry.stamp != Stamp::default()) {
            stamp = entry.stamp.clone();
        }
        let is_over = self
            .open
            .as_ref()
            .is_some_and(|open| number.saturating_sub(open.line) > self.limits.report);
        if is_over {
            self.close(out);
        }
        if let Some((name, _)) = text.split_once(" invoked oom-killer:") {
            self.close(out);
            let invoker = Some(cut(name, LONGEST_NAME));
            self.open = Some(Report { line: number, stamp, invoker, ..Report::default() });
            return;
        }
        if let Some(choice) = text.strip_prefix("oom-kill:constraint=") {
            self.choice(choice, number, stamp, out);
        } else if let Some(killed) = killed(text, number) {
            self.kill(killed, text, stamp, out);
        } else if let Some(chosen) = to_be_killed(text, number) {
            self.chosen(chosen, text, stamp, out);
        } else if text.starts_with("Task in ") && text.contains(OF_A_LIMIT) {
            self.of_a_limit(text, number, stamp, out);
        } else if let Some(report) = &mut self.open {
            self.is_kill |= traced(text, report);
            detail(report, &mut self.columns, &mut self.in_stat, text, &self.limits);
        }
    }

    /// `CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=x,pid=1,uid=0`
    fn choice(&mut self, text: &str, line: u64, stamp: Stamp, out: &mut dyn FnMut(Report)) {
        if self.open.as_ref().is_none_or(|open| !open.killed.is_empty()) {
            self.close(out);
            self.open = Some(Report { line, stamp, ..Report::default() });
        }
        let Some(report) = &mut self.open else { return };
        let kind = text.split(',').next().unwrap_or_default();
        report.constraint = match kind {
            "CONSTRAINT_MEMCG" => Constraint::Memcg,
            "CONSTRAINT_NONE" => Constraint::Machine,
            "CONSTRAINT_CPUSET" | "CONSTRAINT_MEMORY_POLICY" => Constraint::Nodes,
            _ => Constraint::Unknown,
        };
        // A path may hold a comma, but not what follows it here.
        let between = |from: &str, to: &str| {
            let (_, rest) = text.split_once(from)?;
            rest.split_once(to).map(|(path, _)| cut(path, LONGEST_PATH))
        };
        report.limit_group = between(",oom_memcg=", ",task_memcg=");
        report.victim_group = between(",task_memcg=", ",task=");
        self.chosen = named(text, line);
    }

    /// `Task in /a/b killed as a result of limit of /a`: up to Linux 4.19 that is what a report of a group begins with.
    fn of_a_limit(&mut self, text: &str, line: u64, stamp: Stamp, out: &mut dyn FnMut(Report)) {
        if self.open.as_ref().is_none_or(|open| !open.killed.is_empty()) {
            self.close(out);
            self.open = Some(Report { line, stamp, ..Report::default() });
        }
        self.is_kill = true;
        if let Some(report) = &mut self.open {
            detail(report, &mut self.columns, &mut self.in_stat, text, &self.limits);
        }
    }

    /// Before Linux 5.0 why somebody is killed stands in the line before: `Out of memory: Kill process 5 (x) score 9
    /// or sacrifice child`.
    fn chosen(&mut self, chosen: Killed, text: &str, stamp: Stamp, out: &mut dyn FnMut(Report)) {
        let is_next = |open: &Report| {
            // Of a log that was filtered, each such line is a report.
            let other = self.chosen.as_ref().is_some_and(|known| known.pid != chosen.pid);
            !open.killed.is_empty() || other
        };
        if self.open.as_ref().is_none_or(is_next) {
            self.close(out);
            self.open = Some(Report { line: chosen.line, stamp, ..Report::default() });
        }
        if let Some(report) = &mut self.open {
            report.known(text);
        }
        // Others say so as well, and without the kill behind it nothing tells that they are right.
        self.chosen = WORDS.iter().any(|words| text.starts_with(words)).then_some(chosen);
    }

    fn kill(&mut self, killed: Killed, text: &str, stamp: Stamp, out: &mut dyn FnMut(Report)) {
        let this = (killed.pid, killed.total);
        // Whoever watches for kills says them again, as events of the node and in logs of its own.
        let is_quoted =
            !text.starts_with("Killed process ") && !WORDS.iter().any(|w| text.starts_with(w));
        if is_quoted && self.last == Some(this) {
            return;
        }
        self.last = Some(this);
        let goes_on = |open: &Report| open.killed.is_empty() || open.all_of.is_some();
        if !self.open.as_ref().is_some_and(goes_on) {
            self.close(out);
            self.open = Some(Report { line: killed.line, stamp, ..Report::default() });
        }
        let Some(report) = &mut self.open else { return };
        report.known(text);
        if report.killed.len() < self.limits.killed {
            report.killed.push(killed);
        } else {
            report.more_killed += 1;
        }
    }
}

pub(super) fn cut(text: &str, letters: usize) -> String {
    text.chars().take(letters).collect()
}

/// What stands between the two groups of a report before Linux 5.0.
const OF_A_LIMIT: &str = " killed as a result of limit of ";
