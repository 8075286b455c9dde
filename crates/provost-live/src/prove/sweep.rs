//! Who takes away what the kernel does not: control groups and the files of images. It is a process of
//! its own, told of each before it is made, and begins when the other end of its standard input is
//! gone, however that ended.

use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

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
