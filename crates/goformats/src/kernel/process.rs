//! `/proc/PID`: `status`, `smaps_rollup`, `oom_score` and `oom_score_adj`.

use super::{kib, number};

/// What is known of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// `Name`: the first 15 bytes of the program's.
    pub name: Option<String>,
    /// `Pid`
    pub pid: Option<u64>,
    /// `Threads`
    pub threads: Option<u64>,
    /// `VmHWM`: the most that was resident, in bytes.
    pub peak: Option<u64>,
    /// `VmRSS`, in bytes; the three that follow are its parts.
    pub resident: Option<u64>,
    /// `RssAnon`
    pub anon: Option<u64>,
    /// `RssFile`
    pub file: Option<u64>,
    /// `RssShmem`
    pub shmem: Option<u64>,
    /// `VmSwap`
    pub swap: Option<u64>,
    /// `VmPTE`: page tables.
    pub page_tables: Option<u64>,
    /// `Pss` of `smaps_rollup`: what is shared counts by its share.
    pub proportional: Option<u64>,
    /// `Anonymous` of `smaps_rollup`: what `RssAnon` is, counted page by page.
    pub anonymous: Option<u64>,
    /// `AnonHugePages` of `smaps_rollup`: of that, what is in huge pages.
    pub huge: Option<u64>,
    /// `oom_score`: 0 to 2000 (`proc_oom_score`).
    pub score: Option<u64>,
    /// `oom_score_adj`
    pub adj: Option<i64>,
}

/// Lines of a file that are looked at.
const MOST_LINES: usize = 512;
/// Letters of a name; the kernel keeps 15, of kernel threads more.
const LONGEST_NAME: usize = 64;

impl Process {
    /// Takes a file; whether it is one that this knows.
    pub fn take(&mut self, file: &str, text: &str) -> bool {
        match file {
            "status" => self.status(text),
            "smaps_rollup" => {
                let bytes = |key| field(text, key).map(kib);
                self.proportional = bytes("Pss");
                self.anonymous = bytes("Anonymous");
                self.huge = bytes("AnonHugePages");
            }
            "oom_score" => self.score = text.trim().parse().ok(),
            "oom_score_adj" => self.adj = text.trim().parse().ok(),
            _ => return false,
        }
        true
    }

    fn status(&mut self, text: &str) {
        let name = value(text, "Name").map(|name| name.chars().take(LONGEST_NAME).collect());
        self.name = name.or(self.name.take());
        self.pid = field(text, "Pid");
        self.threads = field(text, "Threads");
        let bytes = |key| field(text, key).map(kib);
        self.peak = bytes("VmHWM");
        self.resident = bytes("VmRSS");
        self.anon = bytes("RssAnon");
        self.file = bytes("RssFile");
        self.shmem = bytes("RssShmem");
        self.swap = bytes("VmSwap");
        self.page_tables = bytes("VmPTE");
    }
}

/// `status` of a process with memory: kernel threads have none.
pub fn is_status(text: &str) -> bool {
    text.starts_with("Name:") && field(text, "VmRSS").is_some() && field(text, "Pid").is_some()
}

fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().take(MOST_LINES).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name == key).then_some(value.trim())
    })
}

fn field(text: &str, key: &str) -> Option<u64> {
    number(value(text, key)?).map(|(number, _)| number)
}
