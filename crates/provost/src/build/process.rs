//! Runs `go` as a process group of its own, so that nothing of it outlives an interrupted run.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

/// How often the child and the flag are looked at.
const POLL: Duration = Duration::from_millis(20);

/// Polls after which a group that was asked to end is killed: 2 s.
const PATIENCE: u32 = 100;

/// Runs a command of `go` and gives what it said; ends all of it when the user wants to stop.
pub(super) fn run(mut command: Command, interrupted: &AtomicBool) -> Result<Output> {
    command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn().context("cannot run go: --build needs the Go toolchain on PATH")?;
    wait(child, interrupted)
}

fn wait(mut child: Child, interrupted: &AtomicBool) -> Result<Output> {
    let stdout = child.stdout.take().map(reader);
    let stderr = child.stderr.take().map(reader);
    // The child leads the group, so its id is the group's.
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut asked = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if interrupted.load(Ordering::SeqCst) {
            let signal = match asked {
                0 => Some(Signal::TERM),
                PATIENCE => Some(Signal::KILL),
                _ => None,
            };
            if let (Some(group), Some(signal)) = (group, signal) {
                // A group that has ended meanwhile is what was wanted.
                let _ = kill_process_group(group, signal);
            }
            asked += 1;
        }
        std::thread::sleep(POLL);
    };
    if asked > 0
        && let Some(group) = group
    {
        // What `go` started and left behind still holds the pipes.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let said = |thread: Option<JoinHandle<Vec<u8>>>| {
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    Ok(Output { status, stdout: said(stdout), stderr: said(stderr) })
}

/// Reads a pipe to its end while the child runs.
fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut said = Vec::new();
        // What cannot be read is not shown; the exit status still tells.
        let _ = pipe.read_to_end(&mut said);
        said
    })
}
