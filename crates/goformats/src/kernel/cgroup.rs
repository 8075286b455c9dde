//! The files of a memory cgroup, version 1 and 2.

use super::kib;

/// Which hierarchy the files are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `memory.usage_in_bytes`, `memory.limit_in_bytes`
    V1,
    /// `memory.current`, `memory.max`
    V2,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes.
    Bytes(u64),
    /// `max`, or what version 1 prints for none: the largest number of pages.
    None,
}

impl Limit {
    /// The bytes.
    pub fn bytes(self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::None => None,
        }
    }
}

/// Version 1 rounds the largest `long` down to pages, of up to 64 KiB.
const UNLIMITED: u64 = i64::MAX as u64 - 65_535;

/// `memory.events`, of the group and all below it, or `memory.events.local`, of it alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// How often `memory.high` slowed it down.
    pub high: Option<u64>,
    /// How often it ran into `memory.max`.
    pub max: Option<u64>,
    /// How often nothing could be taken back, so that something had to be killed. Counted where the limit is.
    pub oom: Option<u64>,
    /// Processes that were killed, by whatever limit. Counted where the process was.
    pub oom_kill: Option<u64>,
    /// How often all of a group were killed together (`memory.oom.group`).
    pub oom_group_kill: Option<u64>,
}

/// Shares of time, in percent, in which tasks waited for memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// Over the last ten seconds, of some task.
    pub some_avg10: f64,
    /// The same of all tasks at once.
    pub full_avg10: f64,
    /// Microseconds that some task waited, since the group was made.
    pub some_total_us: u64,
    /// The same of all tasks at once.
    pub full_total_us: u64,
}

/// What memory is charged for, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Composition {
    /// Memory of processes: heap, stacks, what they mapped without a file.
    pub anon: u64,
    /// Files that were read or written, without tmpfs: taken back when it is needed.
    pub file: u64,
    /// tmpfs (an `emptyDir` in memory) and shared memory: not taken back without swap.
    pub shmem: u64,
    /// The kernel's own: stacks of threads, page tables, slabs.
    pub kernel: u64,
    /// Buffers of sockets.
    pub sock: u64,
}

impl Composition {
    /// All of it.
    pub fn total(&self) -> u64 {
        [self.anon, self.file, self.shmem, self.kernel, self.sock]
            .iter()
            .fold(0, |sum, part| sum.saturating_add(*part))
    }

    /// What the kernel cannot take back and no process has in its own memory.
    pub fn fixed(&self) -> u64 {
        self.shmem.saturating_add(self.kernel).saturating_add(self.sock)
    }
}

/// `memory.stat`: names and values, as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat(Vec<(String, u64)>);

/// Names of one `memory.stat`; Linux 6.18 has some seventy.
const MOST_NAMES: usize = 256;

impl Stat {
    /// Takes a line `anon 66506752`; whether it is one.
    pub(super) fn line(&mut self, line: &str) -> bool {
        let Some((name, value)) = line.trim_end().split_once(' ') else { return false };
        let is_name = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        match value.trim().parse() {
            Ok(value) if is_name => self.add(name, value),
            _ => return false,
        }
        true
    }

    pub(super) fn add(&mut self, name: &str, value: u64) {
        if self.0.len() < MOST_NAMES {
            self.0.push((name.to_owned(), value));
        }
    }

    /// Adds what another group has of the same.
    pub(super) fn sum(&mut self, name: &str, value: u64) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum = sum.saturating_add(value),
            None => self.add(name, value),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which hierarchy prints these names.
    pub fn version(&self) -> Option<Version> {
        match (self.get("anon"), self.get("rss")) {
            (Some(_), _) => Some(Version::V2),
            (_, Some(_)) => Some(Version::V1),
            _ => None,
        }
    }

    /// What it was. Version 1 has what the kernel uses elsewhere (`kernel`), and its sums over the groups
    /// below under names of their own.
    pub fn composition(&self, kernel: Option<u64>) -> Option<Composition> {
        let get = |name: &str| self.get(name);
        match self.version()? {
            Version::V2 => {
                let shmem = get("shmem").unwrap_or(0);
                let parts = ["kernel_stack", "pagetables", "sec_pagetables", "percpu", "slab"];
                let sum = || parts.iter().filter_map(|name| get(name)).fold(0, u64::saturating_add);
                Some(Composition {
                    anon: get("anon")?,
                    file: get("file")?.saturating_sub(shmem),
                    shmem,
                    // Linux 5.18 and later print the sum.
                    kernel: get("kernel").unwrap_or_else(sum),
                    sock: get("sock").unwrap_or(0),
                })
            }
            Version::V1 => {
                let of = |name: &str| get(&format!("total_{name}")).or_else(|| get(name));
                let shmem = of("shmem").unwrap_or(0);
                Some(Composition {
                    anon: of("rss")?,
                    file: of("cache")?.saturating_sub(shmem),
                    shmem,
                    kernel: kernel.unwrap_or(0),
                    sock: 0,
                })
            }
        }
    }
}

/// What is known of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Version 1 or 2, by the names of the files.
    pub version: Option<Version>,
    /// `memory.current`, `memory.usage_in_bytes`
    pub usage: Option<u64>,
    /// `memory.peak`, `memory.max_usage_in_bytes`
    pub peak: Option<u64>,
    /// `memory.max`, `memory.limit_in_bytes`
    pub limit: Option<Limit>,
    /// `memory.high`
    pub high: Option<Limit>,
    /// `memory.failcnt`: how often it ran into the limit.
    pub failures: Option<u64>,
    /// `memory.kmem.usage_in_bytes`
    pub kernel: Option<u64>,
    /// `memory.stat`
    pub stat: Stat,
    /// `memory.events`; version 1 has `oom_kill` in `memory.oom_control`, of the group alone.
    pub events: Option<Events>,
    /// `memory.events.local`
    pub local: Option<Events>,
    /// `memory.oom.group`
    pub oom_group: Option<bool>,
    /// `under_oom` of `memory.oom_control`: its processes wait for memory that does not come.
    pub under_oom: Option<bool>,
    /// `memory.pressure`
    pub pressure: Option<Pressure>,
    /// Processes in `cgroup.procs`.
    pub processes: Option<u64>,
    /// `populated` of `cgroup.events`: it or one below it has processes.
    pub populated: Option<bool>,
}

/// Files that are read, by name. Others are no part of it.
pub const FILES: [&str; 19] = [
    "memory.current",
    "memory.peak",
    "memory.max",
    "memory.high",
    "memory.stat",
    "memory.events",
    "memory.events.local",
    "memory.oom.group",
    "memory.pressure",
    "memory.usage_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.limit_in_bytes",
    "memory.failcnt",
    "memory.kmem.usage_in_bytes",
    "memory.oom_control",
    "memory.swap.current",
    "memory.swap.max",
    "cgroup.procs",
    "cgroup.events",
];

/// Lines of one file that are looked at.
const MOST_LINES: usize = 100_000;

impl Memory {
    /// Whether anything of memory is known, beside which processes there are.
    pub fn is_known(&self) -> bool {
        self.version.is_some()
    }

    /// Takes a file by its name; whether it holds what such a file holds. One that is empty, because it could
    /// not be read, is left out.
    pub fn take(&mut self, file: &str, text: &str) -> bool {
        let text = text.trim();
        if text.is_empty() {
            // Nobody is in it, which is not the same as not known.
            self.processes = if file == "cgroup.procs" { Some(0) } else { self.processes };
            return true;
        }
        let number = || text.parse::<u64>().ok();
        let taken = match file {
            "memory.current" | "memory.usage_in_bytes" => set(&mut self.usage, number()),
            "memory.peak" | "memory.max_usage_in_bytes" => set(&mut self.peak, number()),
            "memory.max" | "memory.limit_in_bytes" => set(&mut self.limit, limit(text)),
            "memory.high" => set(&mut self.high, limit(text)),
            "memory.failcnt" => set(&mut self.failures, number()),
            "memory.kmem.usage_in_bytes" => set(&mut self.kernel, number()),
            "memory.oom.group" => set(&mut self.oom_group, flag(text)),
            "memory.stat" => {
                let mut stat = Stat::default();
                let read = text.lines().take(MOST_LINES).filter(|line| stat.line(line)).count();
                self.stat = stat;
                read > 0
            }
            "memory.events" => set(&mut self.events, events(text)),
            "memory.events.local" => set(&mut self.local, events(text)),
            "memory.oom_control" => {
                self.under_oom = value(text, "under_oom").map(|value| value > 0);
                // Linux 4.13 and later count; of the group alone, unlike `memory.events`.
                let kills = value(text, "oom_kill");
                let events = Events { oom_kill: kills, ..Events::default() };
                self.local = kills.map(|_| events);
                self.under_oom.is_some()
            }
            "memory.pressure" => set(&mut self.pressure, pressure(text)),
            "cgroup.procs" => {
                let lines = text.lines().take(MOST_LINES);
                let is_pid = |line: &&str| line.trim().bytes().all(|b| b.is_ascii_digit());
                self.processes = Some(lines.filter(is_pid).count() as u64);
                true
            }
            "cgroup.events" => {
                set(&mut self.populated, value(text, "populated").map(|value| value > 0))
            }
            _ => return FILES.contains(&file),
        };
        let version = match file {
            "memory.current" | "memory.max" | "memory.events" => Some(Version::V2),
            "memory.usage_in_bytes" | "memory.limit_in_bytes" | "memory.oom_control" => {
                Some(Version::V1)
            }
            "memory.stat" => self.stat.version(),
            _ => None,
        };
        if taken && self.version.is_none() {
            self.version = version;
        }
        taken
    }

    /// What its memory is.
    pub fn composition(&self) -> Option<Composition> {
        self.stat.composition(self.kernel)
    }

    /// Processes of this group alone that were killed.
    pub fn kills(&self) -> Option<u64> {
        self.local.and_then(|events| events.oom_kill)
    }
}

fn set<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let is_there = value.is_some();
    if is_there {
        *field = value;
    }
    is_there
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

fn limit(text: &str) -> Option<Limit> {
    match text {
        "max" => Some(Limit::None),
        _ => text.parse().ok().map(|bytes: u64| match bytes {
            UNLIMITED.. => Limit::None,
            _ => Limit::Bytes(bytes),
        }),
    }
}

fn value(text: &str, name: &str) -> Option<u64> {
    text.lines().take(64).find_map(|line| {
        let (known, value) = line.split_once(' ')?;
        if known == name { value.trim().parse().ok() } else { None }
    })
}

fn events(text: &str) -> Option<Events> {
    let get = |name| value(text, name);
    let events = Events {
        high: get("high"),
        max: get("max"),
        oom: get("oom"),
        oom_kill: get("oom_kill"),
        oom_group_kill: get("oom_group_kill"),
    };
    (events != Events::default()).then_some(events)
}

fn pressure(text: &str) -> Option<Pressure> {
    let field = |kind: &str, key: &str| -> Option<&str> {
        let line = text.lines().take(8).find(|line| line.split(' ').next() == Some(kind))?;
        line.split(' ').find_map(|word| word.strip_prefix(key))
    };
    Some(Pressure {
        some_avg10: field("some", "avg10=")?.parse().ok()?,
        full_avg10: field("full", "avg10=").and_then(|text| text.parse().ok()).unwrap_or(0.0),
        some_total_us: field("some", "total=")?.parse().ok()?,
        full_total_us: field("full", "total=").and_then(|text| text.parse().ok()).unwrap_or(0),
    })
}

/// `65536` of `memory: usage 65536kB, limit ...`, where no limit is the largest number of pages in KiB.
pub(super) fn printed_limit(kilobytes: u64) -> Limit {
    // 2^53 less a page: PAGE_COUNTER_MAX pages of 4 KiB.
    match kilobytes {
        0x1F_FFFF_FFFF_0000.. => Limit::None,
        _ => Limit::Bytes(kib(kilobytes)),
    }
}
