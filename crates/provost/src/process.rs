//! Runs another program as a process group of its own, so that nothing of it outlives a run that was
//! interrupted or took too much.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process_group};

/// How often the child and the flag are looked at.
const POLL: Duration = Duration::from_millis(10);

/// Between asking a group to end and killing it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a program may take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Until it is stopped.
    pub(crate) time: Option<Duration>,
    /// Bytes it may print; all without one.
    pub(crate) output: Option<usize>,
    /// Bytes of address space, on Linux.
    pub(crate) memory: Option<u64>,
}

/// Why a program was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// By the user.
    Interrupted,
    /// It took longer than it may.
    Time,
    /// It printed more than it may.
    Output,
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) stopped: Option<Stopped>,
}

/// Runs a command and gives what it said.
pub(crate) fn run(
    mut command: Command,
    limits: Limits,
    interrupted: &AtomicBool,
) -> std::io::Result<Result<Done>> {
    command.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let child = command.spawn()?;
    #[cfg(target_os = "linux")]
    if let (Some(bytes), Some(pid)) = (limits.memory, pid(&child)) {
        use rustix::process::{Resource, Rlimit, prlimit};
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        // One that has ended already needs none.
        let _ = prlimit(Some(pid), Resource::As, limit);
    }
    Ok(wait(child, limits, interrupted))
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

fn wait(mut child: Child, limits: Limits, interrupted: &AtomicBool) -> Result<Done> {
    let started = Instant::now();
    let full = Arc::new(AtomicBool::new(false));
    let most = limits.output.unwrap_or(usize::MAX);
    let stdout = child.stdout.take().map(|pipe| reader(pipe, most, Arc::clone(&full)));
    let stderr = child.stderr.take().map(|pipe| reader(pipe, most, Arc::clone(&full)));
    // The child leads the group, so its id is the group's.
    let group = pid(&child);
    let signal = |signal: Signal| {
        if let Some(group) = group {
            // A group that has ended meanwhile is what was wanted.
            let _ = kill_process_group(group, signal);
        }
    };
    let mut stopped: Option<(Stopped, Instant)> = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        match stopped {
            None => {
                let why = if interrupted.load(Ordering::SeqCst) {
                    Some(Stopped::Interrupted)
                } else if limits.time.is_some_and(|most| started.elapsed() > most) {
                    Some(Stopped::Time)
                } else {
                    full.load(Ordering::SeqCst).then_some(Stopped::Output)
                };
                if let Some(why) = why {
                    signal(Signal::TERM);
                    stopped = Some((why, Instant::now()));
                }
            }
            Some((_, since)) if since.elapsed() > PATIENCE => signal(Signal::KILL),
            Some(_) => {}
        }
        std::thread::sleep(POLL);
    };
    if stopped.is_some() || limits.time.is_some() {
        // What it started and left behind still holds the pipes.
        signal(Signal::KILL);
    }
    let said = |thread: Option<JoinHandle<Vec<u8>>>| {
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    };
    let (stdout, stderr) = (said(stdout), said(stderr));
    let mut stopped = stopped.map(|(why, _)| why);
    if full.load(Ordering::SeqCst) {
        // It may have ended with the last byte.
        stopped = stopped.or(Some(Stopped::Output));
    }
    Ok(Done { status, stdout, stderr, stopped })
}

/// Reads a pipe to its end while the child runs. Beyond `most` bytes nothing is kept, and the rest
/// is read all the same, so that a child which waits for a reader can end.
fn reader(
    mut pipe: impl Read + Send + 'static,
    most: usize,
    full: Arc<AtomicBool>,
) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let mut buffer = [0; 16 << 10];
        // What cannot be read is not shown; the exit status still tells.
        while let Ok(count) = pipe.read(&mut buffer) {
            if count == 0 {
                break;
            }
            if said.len() + count > most {
                full.store(true, Ordering::SeqCst);
                continue;
            }
            said.extend_from_slice(&buffer[..count]);
        }
        said
    })
}
