//! Files of cgroups and processes: out of folders, archives and listings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use goformats::kernel::{cgroup, cpu, log, process};

use crate::artifact::image::{Broken, archive::Archive};
use crate::facts::SourceId;
use crate::facts::oom::{Group, Level, Process};

/// Bytes of one file of a cgroup or process.
const LARGEST: u64 = 1 << 20;
/// Bytes of a log or manifest inside an archive, and of all of them.
const LARGEST_INSIDE: u64 = 64 << 20;
const MOST_INSIDE: u64 = 256 << 20;
/// Groups and processes that are kept.
const MOST_GROUPS: usize = 4096;
/// Folders that are looked into, and how deep.
const MOST_FOLDERS: usize = 16_384;
const DEEPEST: usize = 16;
/// Bytes of a path (`PATH_MAX`), and groups above one that are looked for: real hierarchies have ten or so.
const LONGEST_PATH: usize = 4096;
const MOST_ABOVE: usize = 128;
/// Bytes of what is compressed once it is unpacked.
const MOST_UNPACKED: u64 = 4 << 30;
/// Entries of an archive.
const MOST_ENTRIES: usize = 100_000;

/// Forms of input, by their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tar archive.
    Archive,
    /// Compressed with gzip, whatever it is.
    Packed,
    /// Files behind each other, as `head` and `tail` print several: `==> memory.stat <==`.
    Listing,
    /// `/proc/PID/status`
    Status,
    /// The log of a kernel, whether anything was killed or not.
    KernelLog,
}

/// The form of an input, when it is one of these.
pub fn kind(head: &[u8]) -> Option<Kind> {
    if head.starts_with(&[0x1f, 0x8b]) {
        return Some(Kind::Packed);
    }
    // Two blocks of zeros are the end of an archive, and all of an empty one.
    let is_empty = head.len() >= 1024 && head.iter().all(|byte| *byte == 0);
    if head.get(257..262) == Some(b"ustar") || is_empty {
        return Some(Kind::Archive);
    }
    let text = String::from_utf8_lossy(head);
    if title(text.trim_start().lines().next()?).is_some() {
        return Some(Kind::Listing);
    }
    if process::is_status(&text) {
        return Some(Kind::Status);
    }
    log::is_one(&text).then_some(Kind::KernelLog)
}

/// `==> /sys/fs/cgroup/memory.stat <==`
fn title(line: &str) -> Option<&str> {
    let path = line.trim().strip_prefix("==> ")?.strip_suffix(" <==")?;
    (!path.is_empty()).then_some(path)
}

/// A file of an archive that is an input of its own.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Its path in the archive.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Files that were found.
#[derive(Debug, Default)]
pub struct Files {
    levels: BTreeMap<String, Level>,
    processes: BTreeMap<String, process::Process>,
    /// Paths of groups that are there for those below them.
    above: BTreeSet<String>,
    /// Files whose names are known and whose content is not what such a file holds.
    pub strange: Vec<String>,
    /// Files of groups without a byte in them.
    pub empty: u64,
    /// Groups, processes or files beyond the limits were left out.
    pub cut: bool,
    /// Levels whose paths begin where the hierarchy of the machine does.
    from_root: BTreeSet<String>,
}

/// Where hierarchies are mounted; of version 1 that of memory and that of CPUs, in which the same groups are.
const MOUNTS: [&str; 7] = [
    "sys/fs/cgroup/memory",
    "sys/fs/cgroup/cpu,cpuacct",
    "sys/fs/cgroup/cpuacct,cpu",
    "sys/fs/cgroup/cpu",
    "sys/fs/cgroup/unified",
    "sys/fs/cgroup",
    "cgroup",
];
/// Those of CPUs, beside that of memory.
const OF_CPU: [&str; 3] = ["cpu,cpuacct", "cpuacct,cpu", "cpu"];

/// Whether a file of that name is one of a cgroup that is read.
fn of_group(name: &str) -> bool {
    cgroup::FILES.contains(&name) || cpu::FILES.contains(&name)
}

impl Files {
    /// Takes a file by its path; whether it is one of a cgroup or process.
    pub fn take(&mut self, path: &str, text: &str) -> bool {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        if of_group(file) {
            self.empty += u64::from(text.is_empty());
            if path.len() > LONGEST_PATH || path.matches('/').count() > MOST_ABOVE {
                self.cut = true;
                return true;
            }
            let (level, is_mounted) = place(folder);
            if is_mounted {
                self.from_root.insert(level.clone());
            }
            if !self.levels.contains_key(&level) && self.levels.len() >= MOST_GROUPS {
                self.cut = true;
                return true;
            }
            let known = self
                .levels
                .entry(level.clone())
                .or_insert_with(|| Level { path: level, ..Level::default() });
            let taken = match cpu::FILES.contains(&file) {
                true => known.cpu.take(file, text),
                false => known.memory.take(file, text),
            };
            if !taken {
                self.strange.push(path.to_owned());
            }
            return true;
        }
        let known = self.processes.contains_key(folder) || self.processes.len() < MOST_GROUPS;
        let mut process = self.processes.get(folder).cloned().unwrap_or_default();
        if known && is_of_process(folder, file) && process.take(file, text) {
            self.processes.insert(folder.to_owned(), process);
            return true;
        }
        false
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.levels.values().all(|level| !level.is_known()) && self.processes.is_empty()
    }

    /// Groups that processes run in, with those above them.
    pub fn groups(&self, source: SourceId) -> Vec<Group> {
        let known: BTreeMap<&str, &Level> = self
            .levels
            .iter()
            .filter(|(_, level)| level.is_known())
            .map(|(path, level)| (path.as_str(), level))
            .collect();
        // The root of a container's view is a group like others: version 2 has these files in all but the real one.
        let is_namespace = self.levels.get("").is_some_and(|top| {
            let top = &top.memory;
            let has_group_files =
                top.events.is_some() || top.limit.is_some() || top.usage.is_some();
            has_group_files && top.version == Some(cgroup::Version::V2)
        });
        let groups = known.iter().filter_map(|(path, level)| {
            let below = format!("{path}/");
            // Paths below it follow it, though not at once.
            let has_children = known.range(below.as_str()..).next();
            let has_children = has_children.is_some_and(|(next, _)| next.starts_with(&below));
            let killed = level.memory.kills().is_some_and(|kills| kills > 0);
            if self.above.contains(*path) || (has_children && !killed) {
                return None;
            }
            let ends = path.rmatch_indices('/').map(|(at, _)| at);
            let parents = ends.filter_map(|at| {
                let above = path.get(..at)?;
                known.get(above).map(|level| (*level).clone())
            });
            let parents = parents.collect();
            let from_root = !is_namespace && self.from_root.contains(*path);
            Some(Group { source, level: (*level).clone(), parents, has_children, from_root })
        });
        groups.collect()
    }

    /// Processes.
    pub fn processes(self, source: SourceId) -> Vec<Process> {
        self.processes.into_values().map(|process| Process { source, process }).collect()
    }
}

/// A path below the mount, and whether that was in it: `/kubepods/burstable`.
fn place(folder: &str) -> (String, bool) {
    let plain = folder.trim_start_matches("./").trim_matches('/');
    let below = MOUNTS.iter().find_map(|mount| {
        let rest = plain.strip_prefix(mount)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    });
    let path = match below.unwrap_or(plain).trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    };
    (path, below.is_some())
}

fn is_of_process(folder: &str, file: &str) -> bool {
    let last = folder.rsplit('/').next().unwrap_or_default();
    let is_pid = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    let is_own = matches!(file, "smaps_rollup" | "oom_score" | "oom_score_adj" | "status");
    is_own && (is_pid || last == "self" || folder.is_empty())
}

/// Reads a listing.
pub fn read_listing(text: &str) -> Files {
    let mut files = Files::default();
    let mut open: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(path) = title(line) {
            if let Some((path, from)) = open {
                files.take(path, text.get(from..at).unwrap_or_default());
            }
            open = Some((path, at + line.len()));
        }
        at += line.len();
    }
    if let Some((path, from)) = open {
        files.take(path, text.get(from..).unwrap_or_default());
    }
    files
}

/// Reads a folder of cgroups, copied or live, or that of a process.
///
/// # Errors
/// When the folder itself cannot be listed.
pub fn read_folder(folder: &Path) -> io::Result<Files> {
    let mut files = Files::default();
    let folder = folder.canonicalize()?;
    let top = topmost(&folder);
    // The top of a hierarchy has no name in it, and that of a copy is all that is known of its own.
    let root = match is_root(&top) {
        true => top.clone(),
        false => top.parent().unwrap_or(&top).to_owned(),
    };
    let named = |path: &Path, file: &str| {
        let inside = path.strip_prefix(&root).unwrap_or(path);
        match inside.as_os_str().is_empty() {
            true => file.to_owned(),
            false => format!("{}/{file}", inside.to_string_lossy()),
        }
    };
    let mut open = vec![(folder.clone(), 0)];
    let mut seen = 0;
    while let Some((at, depth)) = open.pop() {
        seen += 1;
        if seen > MOST_FOLDERS {
            files.cut = true;
            break;
        }
        let entries = match fs::read_dir(&at) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() && depth < DEEPEST {
                open.push((path, depth + 1));
            } else if kind.is_file() && (of_group(&name) || of_proc(&name)) {
                // What the kernel keeps to itself, such as `memory.pressure` where it is off, is left out.
                if let Ok(text) = read_small(&path) {
                    files.take(&named(&at, &name), &text);
                }
            }
        }
    }
    let mut above = folder.as_path();
    while above != top {
        let Some(parent) = above.parent() else { break };
        above = parent;
        for name in cgroup::FILES.iter().chain(&cpu::FILES) {
            if let Ok(text) = read_small(&above.join(name)) {
                files.take(&named(above, name), &text);
            }
        }
        let path = named(above, "x");
        files.above.insert(place(path.rsplit_once('/').map_or("", |(folder, _)| folder)).0);
    }
    read_beside(&top, &mut files);
    // Of a copy it is not known where it was, whatever its folder is called.
    files.from_root = match is_root(&top) {
        true => files.levels.keys().cloned().collect(),
        false => BTreeSet::new(),
    };
    Ok(files)
}

/// Reads the CPU quotas of groups in version 1's hierarchy of memory, which stand in another one of the same paths.
fn read_beside(top: &Path, files: &mut Files) {
    let is_memory = top.file_name().is_some_and(|name| name == "memory");
    let Some(mount) = top.parent().filter(|_| is_memory && is_root(top)) else { return };
    let Some(of_cpu) = OF_CPU.iter().map(|name| mount.join(name)).find(|path| is_root(path)) else {
        return;
    };
    for (path, level) in &mut files.levels {
        for name in cpu::FILES {
            let file = of_cpu.join(path.trim_start_matches('/')).join(name);
            if let Ok(text) = read_small(&file)
                && !level.cpu.take(name, &text)
            {
                files.strange.push(file.to_string_lossy().into_owned());
            }
        }
    }
}

fn of_proc(name: &str) -> bool {
    matches!(name, "status" | "smaps_rollup" | "oom_score" | "oom_score_adj")
}

/// The highest folder above that is a cgroup, too.
fn topmost(folder: &Path) -> PathBuf {
    let is_group = |path: &Path| path.join("cgroup.procs").is_file();
    let above = folder.ancestors().skip(1).take_while(|path| is_group(path));
    above.last().unwrap_or(folder).to_owned()
}

/// The top of a hierarchy: version 1 has files there that no other group has, and version 2 lacks some there.
fn is_root(top: &Path) -> bool {
    let has = |name: &str| top.join(name).is_file();
    has("release_agent") || (has("cgroup.controllers") && !has("cgroup.events"))
}

fn read_small(path: &Path) -> io::Result<String> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads an archive: files of cgroups and processes, and whatever else is in it as inputs of their own.
///
/// # Errors
/// A sentence, when it cannot be read; what was read before that counts.
pub fn read_archive(from: impl Read) -> (Files, Vec<Inside>, Result<(), String>) {
    let (mut files, mut inside) = (Files::default(), Vec::new());
    let read = walk(from, &mut files, &mut inside);
    (files, inside, read)
}

/// What was compressed with gzip.
pub fn unpacked<'a>(from: impl Read + 'a) -> impl Read + 'a {
    let from = flate2::bufread::MultiGzDecoder::new(io::BufReader::new(from));
    Unpacked { from, left: MOST_UNPACKED }
}

/// A few bytes may become any number of them.
struct Unpacked<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let most = MOST_UNPACKED >> 30;
            io::Error::other(format!("unpacks to more than {most} GiB; give a part of it"))
        })?;
        Ok(read)
    }
}

fn walk(from: impl Read, files: &mut Files, inside: &mut Vec<Inside>) -> Result<(), String> {
    let mut archive = Archive::new(io::BufReader::new(from));
    let mut all = 0;
    for _ in 0..MOST_ENTRIES {
        let Some(entry) = archive.next().map_err(Broken::into_message)? else { return Ok(()) };
        if !(entry.kind.is_file() || entry.kind.is_contiguous()) {
            continue;
        }
        let path = entry.path.trim_start_matches("./").to_owned();
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_small = of_group(name) || of_proc(name);
        if entry.size > if is_small { LARGEST } else { LARGEST_INSIDE } {
            files.cut = true;
            continue;
        }
        if !is_small {
            all += entry.size;
            if all > MOST_INSIDE {
                files.cut = true;
                continue;
            }
        }
        let mut bytes = Vec::new();
        archive.body(&mut bytes, entry.size).map_err(Broken::into_message)?;
        if !is_small || !files.take(&path, &String::from_utf8_lossy(&bytes)) {
            inside.push(Inside { path, bytes });
        }
    }
    files.cut = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_of_version_1_stand_beside_the_folder_of_memory() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("memory/release_agent", ""),
            ("memory/cgroup.procs", "1\n"),
            ("memory/pod/cgroup.procs", ""),
            ("memory/pod/app/cgroup.procs", "7\n"),
            ("memory/pod/app/memory.limit_in_bytes", "67108864\n"),
            ("cpu,cpuacct/release_agent", ""),
            ("cpu,cpuacct/pod/app/cpu.cfs_quota_us", "50000\n"),
            ("cpu,cpuacct/pod/app/cpu.cfs_period_us", "100000\n"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = read_folder(&dir.path().join("memory/pod/app")).unwrap();
        assert!(files.strange.is_empty(), "{:?}", files.strange);
        let mut sources = crate::artifact::Sources::default();
        let source = sources
            .add(crate::artifact::Source::opaque("app", crate::artifact::SourceKind::Cgroup));
        let groups = files.groups(source);
        let [group] = groups.as_slice() else { panic!("{groups:?}") };
        assert_eq!((group.level.path.as_str(), group.limit()), ("/pod/app", Some(64 << 20)));
        assert_eq!(group.level.cpu.limit(), Some(500));
    }
}
