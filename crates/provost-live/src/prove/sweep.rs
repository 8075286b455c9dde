//! Who takes away what the kernel does not: control groups and the files of images. It is a process of
//! its own, told of each before it is made, and begins when the other end of its standard input is
//! gone, however that ended.

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cgroup;

/// Calls it.
pub(super) const SWEEP: &str = "@prove-sweep";

/// What is to be taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Left {
    /// A control group, with all that is in it.
    Group(PathBuf),
    /// A folder, with all that is in it.
    Tree(PathBuf),
}

/// The process, as its owner has it.
#[derive(Debug)]
pub(super) struct Sweeper {
    child: Child,
    to: Mutex<Option<ChildStdin>>,
}

impl Sweeper {
    pub(super) fn start() -> io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg(SWEEP)
            .env_clear()
            .current_dir("/")
            // A terminal's Ctrl-C is for its owner.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let to = Mutex::new(child.stdin.take());
        Ok(Self { child, to })
    }

    /// Tells it of what is about to be made. What it cannot be told of must not be.
    pub(super) fn remember(&self, left: &Left) -> io::Result<()> {
        let mut line = serde_json::to_vec(left)?;
        line.push(b'\n');
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(&line)
    }
}

impl Drop for Sweeper {
    /// Nothing is left when this returns.
    fn drop(&mut self) {
        drop(self.to.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.child.wait();
    }
}

/// Longer than what is made lasts.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Begins the names of all that is taken away.
const MARK: &str = "provost-";

/// Who made something, and when it began: a number of a process is given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The machine, since it was started last: numbers say nothing of what another one made that has the same
    /// disk, and the first namespace has the same number on all.
    boot: u64,
    /// The namespace in which the number is its own (`/proc/PID/ns/pid`).
    namespace: u64,
    pid: u32,
    /// In ticks since the machine was started (the 22nd field of proc_pid_stat(5)).
    started: u64,
}

impl Owner {
    /// This process.
    pub(super) fn this() -> Option<Self> {
        let pid = std::process::id();
        Some(Self { boot: boot()?, namespace: namespace()?, pid, started: started(pid)? })
    }

    /// A name for what is its own, which nobody else gives to anything.
    pub(super) fn name(self, mark: u64) -> String {
        let Self { boot, namespace, pid, started } = self;
        format!("{MARK}{boot:x}-{namespace:x}-{pid:x}-{started:x}-{mark:016x}")
    }

    fn of(name: &str) -> Option<Self> {
        let mut numbers = name.strip_prefix(MARK)?.split('-');
        let mut next = || u64::from_str_radix(numbers.next()?, 16).ok();
        let (boot, namespace, pid, started) = (next()?, next()?, next()?, next()?);
        let _ = next()?;
        Some(Self { boot, namespace, pid: u32::try_from(pid).ok()?, started })
    }

    /// Whether it surely is no more: whose number is another namespace's cannot be looked for from here, nor one of
    /// another machine, or of this one before it was started anew; but no run takes a day.
    fn is_gone(self, age: Option<Duration>) -> bool {
        if boot() != Some(self.boot) {
            return age.is_some_and(|age| age > LONGEST);
        }
        namespace() == Some(self.namespace) && started(self.pid) != Some(self.started)
    }
}

/// The first half of what no two starts of machines have in common (random(4)).
fn boot() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).ok()
}

fn namespace() -> Option<u64> {
    Some(fs::metadata("/proc/self/ns/pid").ok()?.ino())
}

fn started(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, which may hold anything, is the second field.
    let (_, behind) = text.rsplit_once(')')?;
    behind.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Entries of a folder that are looked at.
const MOST_ENTRIES: usize = 1 << 16;

/// What is in a folder of owners that are gone: what ends a whole control group ends a sweeper, too.
pub(super) fn left_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_ENTRIES);
    let is_left = |entry: &fs::DirEntry| {
        let owner = entry.file_name().to_str().and_then(Owner::of);
        let (Some(owner), Ok(about)) = (owner, entry.metadata()) else { return false };
        let age = about.modified().ok().and_then(|since| since.elapsed().ok());
        about.is_dir() && about.uid() == own_uid() && owner.is_gone(age)
    };
    entries.filter(is_left).map(|entry| entry.path()).collect()
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Waits until its owner is gone, and takes everything away.
pub(super) fn sweep() -> ExitCode {
    // Whoever ends all processes of a service ends its owner, which is what it waits for.
    let told = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        let _ = signal_hook::flag::register(signal, Arc::clone(&told));
    }
    let lines = io::stdin().lock().lines().map_while(Result::ok);
    let all: Vec<Left> = lines.filter_map(|line| serde_json::from_str(&line).ok()).collect();
    // Programs end before what they run from.
    let groups = all.iter().filter_map(|left| match left {
        Left::Group(path) => Some(path),
        Left::Tree(_) => None,
    });
    groups.for_each(|path| cgroup::remove(path));
    for left in &all {
        if let Left::Tree(path) = left {
            let _ = remove_tree(path);
        }
    }
    ExitCode::SUCCESS
}

/// Removes a folder with all that is in it, whatever its modes are. Links are not followed.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    let result = fs::remove_dir_all(path);
    match result {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => return other,
    }
    // Who is not root may not remove from a folder that it may not write to.
    let mut open = vec![path.to_path_buf()];
    while let Some(folder) = open.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn what_an_owner_left_that_is_gone_is_known_by_its_name_and_is_of_this_machine() {
        let this = Owner::this().unwrap();
        assert_eq!(Owner::of(&this.name(7)), Some(this));
        let gone = Owner { started: this.started + 1, ..this };
        let elsewhere = Owner { namespace: this.namespace + 1, ..gone };
        // It may run, on another machine with the same disk.
        let on_another = Owner { boot: this.boot ^ 1, ..gone };
        let top = tempfile::tempdir().unwrap();
        for owner in [this, gone, elsewhere, on_another] {
            fs::create_dir(top.path().join(owner.name(7))).unwrap();
        }
        let before = Owner { boot: this.boot ^ 2, ..gone };
        let old = top.path().join(before.name(7));
        fs::create_dir(&old).unwrap();
        let long_ago = SystemTime::now() - LONGEST * 2;
        fs::File::open(&old).unwrap().set_modified(long_ago).unwrap();
        // Others' names begin like that, too.
        for name in ["provost-cache", "provost-1-2-3", "provost-1-2-3-4-x", "else"] {
            fs::create_dir(top.path().join(name)).unwrap();
        }
        // A link to something else is nothing that was made here.
        std::os::unix::fs::symlink("/", top.path().join(gone.name(8))).unwrap();
        let mut left = left_in(top.path());
        left.sort();
        let mut wanted = [top.path().join(gone.name(7)), old];
        wanted.sort();
        assert_eq!(left, wanted);
    }
}
