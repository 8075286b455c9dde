//! A virtual machine with a kernel of Debian's and cgroup v2, in which `fixtures/go/guest` is the first process.

#![allow(dead_code, unreachable_pub, reason = "each test file is a crate and uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "it is a test's own tool"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Dir, succeed, tool};

/// What is left of a scenario: files by name.
pub type Left = BTreeMap<String, String>;

/// More than the machine needs for all it is given, on a slow and busy one: some 20 s, and a kernel's start.
const PATIENCE: Duration = Duration::from_secs(400);
/// What the machine has in memory, in MiB. All of it runs out in one of the scenarios.
const MEMORY: &str = "256";
/// What its disk has.
const DISK: u64 = 192 << 20;
/// The same where files are on it: as much as Provost spares of a disk, and more, in a file that has what is written
/// of it.
const DISK_WITH_FILES: u64 = 2 << 30;

/// Starts a machine that has these programs in its root and does these scenarios; what is left of each, by name.
pub fn run(programs: &[(String, String)], scenarios: &[Value]) -> BTreeMap<String, Left> {
    run_with_disk(programs, (MEMORY, None), scenarios)
}

/// The same with so much memory, and with the files of a folder on the disk, which is `/data` there.
pub fn run_with_disk(
    programs: &[(String, String)],
    (memory, files): (&str, Option<&Path>),
    scenarios: &[Value],
) -> BTreeMap<String, Left> {
    let dir = Dir::new();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("root.cpio"), root(programs, scenarios)).unwrap();
    let size = if files.is_some() { DISK_WITH_FILES } else { DISK };
    File::create(at("disk")).unwrap().set_len(size).unwrap();
    // As Debian has it: not on the PATH of everybody.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut format = Command::new("mke2fs");
    format.args(["-q", "-t", "ext4"]).env("PATH", path);
    if let Some(files) = files {
        format.args(["-O", "^has_journal", "-d"]).arg(files);
    }
    succeed(format.arg(at("disk")));
    let mut qemu = machine(memory, &at("root.cpio"), &at("disk"), &at("report"))
        .stdin(Stdio::null())
        .stdout(File::create(at("console")).unwrap())
        .stderr(File::create(at("errors")).unwrap())
        .spawn()
        .unwrap();
    let read =
        |name: &str| String::from_utf8_lossy(&fs::read(at(name)).unwrap_or_default()).into_owned();
    let said = || format!("{}{}", read("errors"), read("console"));
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = qemu.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > until {
            let _ = qemu.kill();
            let _ = qemu.wait();
            panic!("the machine has not ended after {PATIENCE:?}\n{}", said());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}\n{}", said());
    let report = read("report");
    parse(&report).unwrap_or_else(|why| panic!("{why}\n{}", said()))
}

/// Emulated: hardware that virtualises is not everywhere. Instructions are its clock, and it does not wait while
/// nothing runs, so that a busy machine makes it slower and nothing else.
fn machine(memory: &str, root: &Path, disk: &Path, report: &Path) -> Command {
    let executable = tool("qemu");
    let packages = executable.ancestors().nth(3).expect("it lies in usr/bin");
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"]
        .map(|folder| packages.join(folder).display().to_string());
    let mut qemu = Command::new(&executable);
    qemu.env("LD_LIBRARY_PATH", libraries.join(":"));
    for folder in ["usr/share/qemu", "usr/share/seabios"] {
        qemu.arg("-L").arg(packages.join(folder));
    }
    qemu.args(["-accel", "tcg", "-icount", "shift=2,sleep=off", "-cpu", "max", "-m", memory])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .arg("-kernel")
        .arg(tool("guest-kernel"))
        .arg("-initrd")
        .arg(root)
        .args(["-append", "console=ttyS0 panic=-1 loglevel=4 mitigations=off"])
        .args(["-serial", "stdio", "-serial"])
        .arg(format!("file:{}", report.display()))
        .args(["-device", "nvme,serial=disk,drive=disk", "-drive"])
        .arg(format!("file={},format=raw,if=none,id=disk", disk.display()));
    qemu
}

/// `==== SCENARIO FILE LENGTH`, so many bytes and a line break; `==== end`.
fn parse(report: &str) -> Result<BTreeMap<String, Left>, String> {
    let mut scenarios: BTreeMap<String, Left> = BTreeMap::new();
    let mut rest = report;
    loop {
        let (line, after) = rest.split_once('\n').ok_or("the report ends early")?;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["====", "end"] => return Ok(scenarios),
            ["====", scenario, file, length] if *scenario != "failed:" => {
                let length: usize = length.parse().map_err(|_| format!("no length: {line}"))?;
                let content = after.get(..length).ok_or("a file is torn")?;
                let files = scenarios.entry((*scenario).to_owned()).or_default();
                files.insert((*file).to_owned(), content.to_owned());
                rest = after.get(length + 1..).ok_or("a file is torn")?;
            }
            _ => return Err(line.to_owned()),
        }
    }
}

/// The root of the machine as an archive that the kernel unpacks (`Documentation/driver-api/early-userspace/buffer-format.rst`).
fn root(programs: &[(String, String)], scenarios: &[Value]) -> Vec<u8> {
    let mut archive = Vec::new();
    entry(&mut archive, "dev", 0o40755, &[], (0, 0));
    // Without it the first process has nowhere to write to.
    entry(&mut archive, "dev/console", 0o20600, &[], (5, 1));
    for (name, path) in programs {
        let program = fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        entry(&mut archive, name, 0o100_755, &program, (0, 0));
    }
    let scenarios = serde_json::to_vec(scenarios).unwrap();
    entry(&mut archive, "scenarios.json", 0o100_644, &scenarios, (0, 0));
    entry(&mut archive, "TRAILER!!!", 0, &[], (0, 0));
    archive
}

fn entry(archive: &mut Vec<u8>, name: &str, mode: u32, content: &[u8], (major, minor): (u32, u32)) {
    let size = u32::try_from(content.len()).unwrap();
    let length = u32::try_from(name.len() + 1).unwrap();
    let mut header = "070701".to_owned();
    // Inode, mode, owner, group, links, time, size, device of the file, device that it is, length of the name, checksum.
    for field in [0, mode, 0, 0, 1, 0, size, 0, 0, major, minor, length, 0] {
        header.push_str(&format!("{field:08x}"));
    }
    archive.extend(header.bytes());
    archive.extend(name.bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}
