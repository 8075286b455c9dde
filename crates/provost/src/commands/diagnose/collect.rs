//! `provost diagnose oom --collect`: what a machine shows of memory, in one archive.
//!
//! Nothing is started and nobody is asked: files of `/proc`, of cgroups and of `/var/log/pods`, and the kernel's
//! log. What has the shape of a secret is left out of logs, and of the kernel's log what other programs wrote.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use goformats::kernel::cgroup::{self, Memory};
use goformats::kernel::cpu;
use provost_check::model::secret::Lines;

use crate::args::Oom;
use crate::exit::{Exit, Mistake};
use crate::output;

/// Bytes of the end of each log.
const MOST_OF_LOG: u64 = 32 << 20;
/// Bytes of all files.
const MOST_OF_ALL: u64 = 512 << 20;
/// Bytes of a file of a cgroup or process.
const MOST_OF_FILE: u64 = 1 << 20;
/// Folders of cgroups that are looked into.
const MOST_FOLDERS: usize = 65_536;
/// Groups that are gathered.
const MOST_GROUPS: usize = 1024;
/// Logs of a pod's containers.
const MOST_LOGS: usize = 64;

const OF_PROCESS: [&str; 4] = ["status", "smaps_rollup", "oom_score", "oom_score_adj"];

pub(super) fn run(args: &Oom) -> Result<Exit> {
    let mut gathered = Gathered::new(&args.out)?;
    gathered.kernel()?;
    match (&args.pod, args.pid) {
        (Some(pod), _) => gathered.pod(pod)?,
        (None, Some(pid)) => gathered.process(pid)?,
        (None, None) => gathered.groups(|_, memory| killed(memory))?,
    }
    gathered.write(&args.out)?;
    Ok(Exit::Clean)
}

/// Whether something in it was killed.
fn killed(memory: &Memory) -> bool {
    let counts = [memory.local, memory.events];
    counts.into_iter().flatten().any(|events| events.oom_kill > Some(0))
}

/// The archive as it grows: what was read is not kept.
struct Gathered {
    archive: tar::Builder<tempfile::NamedTempFile>,
    /// Paths that are in it.
    files: BTreeSet<String>,
    /// Bytes that it has room for.
    room: u64,
    /// What could not be had, and why.
    missing: Vec<String>,
}

impl Gathered {
    /// Beside the file that it becomes.
    fn new(out: &Path) -> Result<Self> {
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
            .with_context(|| format!("cannot write beside {}", out.display()))?;
        let archive = tar::Builder::new(file);
        Ok(Self { archive, files: BTreeSet::new(), room: MOST_OF_ALL, missing: Vec::new() })
    }

    /// Puts a file into the archive, as far as there is room.
    fn put(&mut self, path: String, bytes: &[u8]) -> Result<()> {
        let Some(room) = self.room.checked_sub(bytes.len() as u64) else {
            let most = MOST_OF_ALL >> 20;
            self.missing.push(format!("{path}: the archive would be larger than {most} MiB"));
            return Ok(());
        };
        self.room = room;
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        self.archive.append_data(&mut header, &path, bytes)?;
        self.files.insert(path);
        Ok(())
    }

    fn write(self, out: &Path) -> Result<()> {
        let file = self.archive.into_inner()?;
        file.persist(out).with_context(|| format!("cannot write {}", out.display()))?;
        let out = out.display();
        let count = self.files.len();
        let mut said = format!("{count} files in {out}; provost diagnose oom {out} reads it\n");
        for missing in &self.missing {
            said.push_str(&format!("left out: {missing}\n"));
        }
        said.push_str(
            "add what the cluster says: kubectl get pod NAME -o yaml, kubectl get events -o yaml\n",
        );
        output::complain(&said);
        Ok(())
    }

    /// Adds a file, if it is there and can be read.
    fn add(&mut self, from: &Path, path: String) -> Result<()> {
        match read(from, MOST_OF_FILE) {
            Ok(bytes) => self.put(path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.missing.push(format!("{}: {error}", from.display())),
        }
        Ok(())
    }

    /// What the kernel itself wrote: records of facility 0. A program may write there as well.
    fn kernel(&mut self) -> Result<()> {
        let flags = rustix::fs::OFlags::NONBLOCK.bits();
        let opened =
            OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open("/dev/kmsg");
        let mut log = match opened {
            Ok(log) => log,
            Err(error) => {
                self.missing.push(format!("/dev/kmsg, the kernel's log: {error}"));
                return Ok(());
            }
        };
        let (mut text, mut lines) = (String::new(), Lines::default());
        // A record for each read; those that were overwritten meanwhile are an error, behind which it goes on.
        let mut record = vec![0; 16 << 10];
        while (text.len() as u64) < MOST_OF_LOG {
            match log.read(&mut record) {
                Ok(0) => break,
                Ok(read) => {
                    let record = String::from_utf8_lossy(record.get(..read).unwrap_or_default());
                    let line = record.lines().next().unwrap_or_default();
                    let priority = line.split(',').next().and_then(|it| it.parse::<u32>().ok());
                    if priority.is_some_and(|priority| priority >> 3 == 0) {
                        text.push_str(&lines.masked(line));
                        text.push('\n');
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.missing.push(format!("/dev/kmsg: {error}"));
                    break;
                }
            }
        }
        self.put("kernel.log".to_owned(), text.as_bytes())
    }

    /// The cgroups that are wanted, and those above them.
    fn groups(&mut self, wanted: impl Fn(&Path, &Memory) -> bool) -> Result<()> {
        let Some(root) = hierarchy() else {
            self.missing.push("memory cgroups: none are mounted at /sys/fs/cgroup".to_owned());
            return Ok(());
        };
        let (mut open, mut seen, mut taken) = (vec![root.clone()], 0, 0);
        while let Some(at) = open.pop() {
            seen += 1;
            if seen > MOST_FOLDERS || taken >= MOST_GROUPS {
                self.missing.push("further cgroups: there are too many".to_owned());
                return Ok(());
            }
            let Ok(entries) = fs::read_dir(&at) else { continue };
            let folders = entries.flatten().filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
            open.extend(folders.map(|entry| entry.path()));
            if at != root && wanted(&at, &memory(&at)) {
                taken += 1;
                self.group(&root, &at)?;
            }
        }
        Ok(())
    }

    /// A cgroup with those above it.
    fn group(&mut self, root: &Path, folder: &Path) -> Result<()> {
        for at in folder.ancestors().take_while(|at| at.starts_with(root) && *at != root) {
            let Ok(inside) = at.strip_prefix(root) else { break };
            // Version 1 has CPUs in a hierarchy of their own, with the same groups.
            let of_cpu = of_cpu(root).join(inside);
            let memory = cgroup::FILES.iter().map(|name| (at, name));
            let cpu = cpu::FILES.iter().map(|name| (of_cpu.as_path(), name));
            for (folder, name) in memory.chain(cpu) {
                let path = format!("cgroup/{}/{name}", inside.display());
                if !self.files.contains(&path) {
                    self.add(&folder.join(name), path)?;
                }
            }
        }
        Ok(())
    }

    fn process(&mut self, pid: u32) -> Result<()> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        if !folder.is_dir() {
            return Err(Mistake::new(format!("there is no process {pid}")).into());
        }
        for name in OF_PROCESS {
            self.add(&folder.join(name), format!("proc/{pid}/{name}"))?;
        }
        let groups = fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
        match hierarchy().zip(of_memory(&groups)) {
            Some((root, path)) => self.group(&root, &root.join(path.trim_start_matches('/')))?,
            None => self.missing.push(format!("the memory cgroup of process {pid}: not found")),
        }
        Ok(())
    }

    /// A pod of this node, by the folder of its logs, whose name has its UID.
    fn pod(&mut self, pod: &str) -> Result<()> {
        let wrong = || Mistake::new("--pod takes NAMESPACE/NAME");
        let (namespace, name) = pod.split_once('/').ok_or_else(wrong)?;
        let start = format!("{namespace}_{name}_");
        let entries = fs::read_dir(LOGS).with_context(|| {
            format!("cannot list {LOGS}, by which pods of a node are found; run it on the node, or name a process with --pid")
        })?;
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let folder = entry.file_name().to_string_lossy().into_owned();
            if let Some(uid) = folder.strip_prefix(&start) {
                found.push((uid.to_owned(), entry.path()));
            }
        }
        found.sort();
        if found.is_empty() {
            return Err(
                Mistake::new(format!("{LOGS} has no pod {pod}: it is not on this node")).into()
            );
        }
        for (uid, folder) in found {
            let forms = [format!("pod{uid}"), format!("pod{}", uid.replace('-', "_"))];
            self.groups(|path, _| {
                let path = path.to_string_lossy();
                forms.iter().any(|form| path.contains(form.as_str()))
            })?;
            self.logs(&folder, &uid)?;
        }
        Ok(())
    }

    fn logs(&mut self, folder: &Path, uid: &str) -> Result<()> {
        let containers = fs::read_dir(folder).into_iter().flatten().flatten();
        let logs =
            containers.flat_map(|it| fs::read_dir(it.path()).into_iter().flatten().flatten());
        let mut logs: Vec<PathBuf> = logs.map(|entry| entry.path()).collect();
        logs.retain(|path| path.extension().is_some_and(|end| end == "log"));
        logs.sort();
        for path in logs.into_iter().rev().take(MOST_LOGS) {
            let name = |path: Option<&Path>| {
                let name = path.and_then(Path::file_name);
                name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            };
            let place = format!("logs/pod{uid}/{}/{}", name(path.parent()), name(Some(&path)));
            match end_of_log(&path) {
                Ok(text) => self.put(place, text.as_bytes())?,
                Err(error) => self.missing.push(format!("{}: {error}", path.display())),
            }
        }
        Ok(())
    }
}

/// Where the kubelet has the logs of a node's containers.
const LOGS: &str = "/var/log/pods";

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Some of these files can be opened and not read.
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last lines of a log, what has the shape of a secret left out.
fn end_of_log(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let skipped = size.saturating_sub(MOST_OF_LOG);
    file.seek(SeekFrom::Start(skipped))?;
    let mut lines = BufReader::new(file.take(MOST_OF_LOG));
    let mut text = String::new();
    // A key may have begun in what is left out.
    let mut shown = if skipped > 0 { Lines::from_the_middle() } else { Lines::default() };
    let mut line = Vec::new();
    if skipped > 0 {
        // The end of a line whose beginning is left out.
        lines.read_until(b'\n', &mut line)?;
    }
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(text);
        }
        text.push_str(&shown.masked(&String::from_utf8_lossy(&line)));
    }
}

/// The hierarchy that memory is counted in: of version 1 where there is one.
fn hierarchy() -> Option<PathBuf> {
    let v1 = PathBuf::from("/sys/fs/cgroup/memory");
    if v1.join("memory.limit_in_bytes").is_file() {
        return Some(v1);
    }
    let v2 = PathBuf::from("/sys/fs/cgroup");
    v2.join("cgroup.controllers").is_file().then_some(v2)
}

/// The hierarchy that CPUs are counted in, by that of memory.
fn of_cpu(memory: &Path) -> PathBuf {
    let beside = ["cpu,cpuacct", "cpuacct,cpu", "cpu"].map(|name| memory.with_file_name(name));
    let v1 = beside.into_iter().find(|path| path.join("cpu.shares").is_file());
    v1.unwrap_or_else(|| memory.to_owned())
}

/// What tells whether a group is wanted.
fn memory(folder: &Path) -> Memory {
    let mut memory = Memory::default();
    for name in ["memory.events", "memory.events.local", "memory.oom_control"] {
        if let Ok(bytes) = read(&folder.join(name), MOST_OF_FILE) {
            memory.take(name, &String::from_utf8_lossy(&bytes));
        }
    }
    memory
}

/// The path of `/proc/PID/cgroup` in the hierarchy of memory: `4:memory:/a` or `0::/a`.
fn of_memory(text: &str) -> Option<&str> {
    let fields = || text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let v1 = fields().find(|(names, _)| names.split(',').any(|name| name == "memory"));
    v1.or_else(|| fields().find(|(names, _)| names.is_empty())).map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_that_there_is_no_room_for_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.tar");
        let logs = dir.path().join("pod/app");
        fs::create_dir_all(&logs).unwrap();
        for name in ["0.log", "1.log", "2.log"] {
            fs::write(logs.join(name), "a line of a log\n".repeat(64)).unwrap();
        }
        let mut gathered = Gathered { room: 2500, ..Gathered::new(&out).unwrap() };
        gathered.logs(&dir.path().join("pod"), "1").unwrap();
        assert_eq!(
            gathered.missing,
            ["logs/pod1/app/0.log: the archive would be larger than 512 MiB"]
        );
        gathered.write(&out).unwrap();
        let mut archive = tar::Archive::new(File::open(&out).unwrap());
        let names = archive.entries().unwrap().map(|it| it.unwrap().path().unwrap().into_owned());
        let names: Vec<_> = names.collect();
        assert_eq!(names, [Path::new("logs/pod1/app/2.log"), Path::new("logs/pod1/app/1.log")]);
    }

    #[test]
    fn cpus_are_beside_memory_in_version_1_and_with_it_in_version_2() {
        let dir = tempfile::tempdir().unwrap();
        let (memory, cpu) = (dir.path().join("memory"), dir.path().join("cpu,cpuacct"));
        assert_eq!(of_cpu(&memory), memory);
        fs::create_dir(&cpu).unwrap();
        fs::write(cpu.join("cpu.shares"), "1024\n").unwrap();
        assert_eq!(of_cpu(&memory), cpu);
    }

    #[test]
    fn the_body_of_a_key_in_a_log_does_not_get_into_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        let line = |text: &str| format!("2026-11-26T10:00:00.123456789Z stderr F {text}\n");
        // Joined here, so that no scanner takes this file for a leak.
        let label = |what: &str| line(&format!("-----{what} EC {}-----", "PRIVATE KEY"));
        let body = line("MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY").repeat(3);
        let all = format!("{}{body}{}{}", label("BEGIN"), label("END"), line("gc 1 @0.1s 2%: x"));
        fs::write(&log, all).unwrap();
        let text = end_of_log(&log).unwrap();
        assert!(!text.contains("MHcC") && text.contains("gc 1 @0.1s"), "{text}");
    }
}
