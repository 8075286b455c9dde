//! The process around a phase. It is Provost again, called by a word that no verb has; what it is to
//! do comes in on standard input and what it measured goes out on standard output, both as JSON.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use provost_check::facts::proof::{Phase, Stage};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use super::dependency::beyond::{self, Beyond};
use super::harness::{SPARED, free};
use super::{memory, phases, plan::Plan, stage, sweep, tls};

/// Calls a worker.
pub(super) const WORK: &str = "@prove-phase";
/// Calls the process that becomes the program.
pub(super) const LAUNCH: &str = "@prove-launch";

/// Between two looks at a worker.
const POLL: Duration = Duration::from_millis(20);

/// Bytes that a worker may answer.
const MOST_ANSWER: u64 = 256 << 20;

/// What a phase gave.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// What of a pod was there.
    pub stage: Stage,
    /// What happened, or why the program could not be started.
    pub phase: Result<Phase, String>,
}

/// When the process was called as one of those around a program, does what that is for.
pub fn called() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let word = arguments.next()?;
    if word == LAUNCH {
        return Some(stage::launch());
    }
    if word == sweep::SWEEP {
        return Some(sweep::sweep());
    }
    (word == WORK).then(|| match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(3),
    })
}

fn work() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The program is not to have it: it leads out of its network.
    let from = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let from = UnixStream::from(from);
    let plan = read_plan(&from)?;
    tls::be(plan.client.as_ref());
    let (entered, mut told) = stage::enter(plan.user);
    stage::foresee(entered, &plan, &mut told);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let relayed = plan.terms.dependencies.iter().any(|it| it.target.is_some());
    let phase = tokio::task::LocalSet::new().block_on(&runtime, async {
        let beyond = relayed.then(|| Beyond::new(from)).transpose();
        phases::run(&plan, entered, beyond.map_err(|error| error.to_string())?).await
    });
    let phase = phase.map(|(phase, lacks)| {
        // What was to be had and turned out not to be.
        told.reproduced.retain(|what| !lacks.iter().any(|lack| lack.what == *what));
        told.missing.extend(lacks);
        phase
    });
    let measured = Measured { stage: told, phase };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &measured)?;
    out.flush()?;
    Ok(())
}

/// A line of JSON. What follows on the stream are answers to questions, of which none was asked yet.
fn read_plan(mut from: &UnixStream) -> Result<Plan> {
    let (mut text, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    while text.last() != Some(&b'\n') {
        match from.read(&mut piece)? {
            0 => bail!("the plan is cut"),
            read => text.extend_from_slice(piece.get(..read).unwrap_or_default()),
        }
    }
    Ok(serde_json::from_slice(&text)?)
}

/// Measures one phase in a process of its own, which is killed with all it started when `stop` is
/// raised or `longest` is over.
///
/// # Errors
/// When there is no worker, or it ended without an answer.
pub(super) fn measure(plan: &Plan, longest: Duration, stop: &AtomicBool) -> Result<Measured> {
    // The plan goes one way, connections to what the user runs come the other.
    let (ours, theirs) = UnixStream::pair().context("cannot speak with another process")?;
    let mut worker = Worker(
        Command::new("/proc/self/exe")
            .args([OsString::from(WORK)])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a process for the measurement")?,
    );
    let child = &mut worker.0;
    let stdout = child.stdout.take();
    let mut line = serde_json::to_vec(plan).context("the plan cannot be written")?;
    line.push(b'\n');
    (&ours).write_all(&line).context("the measurement takes no plan")?;
    let dependencies = plan.terms.dependencies.clone();
    // It ends with the worker, whose end of the stream is the only other one.
    thread::spawn(move || beyond::serve(&ours, &dependencies));
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        stdout.map(|out| out.take(MOST_ANSWER).read_to_end(&mut text)).transpose().map(|_| text)
    });
    let deadline = Instant::now() + longest;
    let disk = plan.disk.as_deref().ok();
    // Without a disk and without a limit it fills what all have.
    let spared = match (disk, plan.terms.memory_limit) {
        (None, None) => memory::spared(),
        _ => None,
    };
    while !reader.is_finished() {
        if stop.load(Ordering::SeqCst) {
            bail!("interrupted");
        }
        if Instant::now() > deadline {
            bail!("the phase {} did not end within {} s", plan.phase.name(), longest.as_secs());
        }
        if let Some(left) = disk.and_then(free).filter(|left| *left < SPARED) {
            bail!(
                "the phase {} was given up: {} MiB are left on the disk that the program writes to; TMPDIR names another",
                plan.phase.name(),
                left >> 20
            );
        }
        if let Some(spared) = spared
            && let Some(left) = memory::free().filter(|left| *left < spared)
        {
            bail!(
                "the phase {} was given up: {} MiB of memory are left, which what the program writes takes; TMPDIR names a folder on a disk",
                plan.phase.name(),
                left >> 20
            );
        }
        thread::sleep(POLL);
    }
    let status = child.wait().context("the measurement is gone")?;
    let text = match reader.join() {
        Ok(text) => text.context("the measurement cannot be read")?,
        Err(_) => bail!("the measurement cannot be read"),
    };
    serde_json::from_slice(&text)
        .with_context(|| format!("the phase {} was not measured ({status})", plan.phase.name()))
}

/// A worker that does not outlive its owner. Its namespaces end with the first process in them, and
/// that one with the worker.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
