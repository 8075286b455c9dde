//! Runs another program as a process group of its own, so that nothing of it outlives a run that was
//! interrupted or took too much.

use std::fs::File;
use std::io::{ErrorKind, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use tempfile::TempDir;

/// How often the child and the flag are looked at.
const POLL: Duration = Duration::from_millis(10);

/// Between asking a group to end and killing it, and how long its output may stay open when it has
/// ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// Nothing listens there: the port of the discard service.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Settings of tools that fetch: of another release of Helm, of a cluster, of plugins.
const SETTINGS: [&str; 5] = ["HELM_", "KUBE", "KUSTOMIZE_", "GIT_", "XDG_"];

/// Variables that name Helm's own folders and files (`helm env`, 3.22 and 4.2).
const HELM_HOMES: [&str; 8] = [
    "HELM_CACHE_HOME",
    "HELM_CONFIG_HOME",
    "HELM_DATA_HOME",
    "HELM_PLUGINS",
    "HELM_REGISTRY_CONFIG",
    "HELM_REPOSITORY_CONFIG",
    "HELM_REPOSITORY_CACHE",
    "HELM_CONTENT_CACHE",
];

/// A program of others that works on the files it is given: it finds no other program, no settings,
/// no plugins and no way out, should it look for them all the same.
#[derive(Debug)]
pub(crate) struct Tool {
    /// As it is called.
    pub(crate) name: String,
    /// To be given arguments.
    pub(crate) command: Command,
    /// Its home, which is empty; removed with it.
    _home: TempDir,
}

impl Tool {
    /// Whether it is a script, which needs another program to run.
    pub(crate) fn is_script(&self) -> bool {
        let mut head = [0; 2];
        let file = File::open(self.command.get_program());
        file.and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"#!"
    }

    /// A tool that a test makes up.
    #[cfg(test)]
    pub(crate) fn made_up(name: &str, command: Command) -> std::io::Result<Self> {
        Ok(Self { name: name.to_owned(), command, _home: TempDir::new()? })
    }

    /// Runs it; its home is there until it has ended.
    pub(crate) fn run(
        self,
        limits: Limits,
        interrupted: &AtomicBool,
    ) -> std::io::Result<Result<Done>> {
        let Self { command, _home, .. } = self;
        run(command, limits, interrupted)
    }
}

/// The tool of that name on PATH; none when there is none.
///
/// # Errors
/// When there can be no folder that is its home.
pub(crate) fn offline(name: &str) -> std::io::Result<Option<Tool>> {
    let Some(program) = on_path(name) else { return Ok(None) };
    let home = tempfile::Builder::new().prefix("provost-").tempdir()?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if SETTINGS.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, NOWHERE).env(name.to_ascii_lowercase(), NOWHERE);
    }
    command.env("NO_PROXY", "").env("no_proxy", "").env("PATH", "").env("HOME", home.path());
    for name in HELM_HOMES {
        command.env(name, home.path().join(name.to_ascii_lowercase()));
    }
    // Plugins are programs; none is needed to render. The namespace and the flags of whoever is
    // logged in to a cluster are no part of a chart.
    command.env("HELM_NO_PLUGINS", "1").env("KUBERC", "off").env("KUBECONFIG", "/dev/null");
    Ok(Some(Tool { name: name.to_owned(), command, _home: home }))
}

/// The program of that name on PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = std::env::current_dir().and_then(|folder| folder.canonicalize()).ok();
    find(name, std::env::split_paths(&path), here.as_deref())
}

/// The first program of that name in absolute folders. Not in the current one: what is judged may
/// bring a program of that name along.
fn find(
    name: &str,
    mut folders: impl Iterator<Item = PathBuf>,
    here: Option<&Path>,
) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    folders.find_map(|folder| {
        let is_here = folder.canonicalize().is_ok_and(|real| Some(&*real) == here);
        let program = folder.join(name);
        (folder.is_absolute() && !is_here && runs(&program)).then_some(program)
    })
}

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

/// Why a program was stopped, or what it said is not known whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// By the user.
    Interrupted,
    /// It took longer than it may.
    Time,
    /// It printed more than it may.
    Output,
    /// It ended, and what it started went on holding its output.
    Held,
    /// Its output could not be read to the end.
    Unreadable(ErrorKind),
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
    command: Command,
    limits: Limits,
    interrupted: &AtomicBool,
) -> std::io::Result<Result<Done>> {
    run_with_input(command, &[], limits, interrupted)
}

/// The same of a command that is told something: at most a page, so that it fits into the pipe
/// whether or not the command reads it.
pub(crate) fn run_with_input(
    mut command: Command,
    input: &[u8],
    limits: Limits,
    interrupted: &AtomicBool,
) -> std::io::Result<Result<Done>> {
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(stdin).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that has ended already needs nothing.
        let _ = pipe.write_all(input.get(..4096).unwrap_or(input));
    }
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
    let most = limits.output.unwrap_or(usize::MAX);
    let stdout = child.stdout.take().map(|pipe| Reader::of(OwnedFd::from(pipe), most));
    let stderr = child.stderr.take().map(|pipe| Reader::of(OwnedFd::from(pipe), most));
    let readers = || [&stdout, &stderr].into_iter().flatten();
    // The child leads the group, so its id is the group's.
    let group = pid(&child);
    let signal = |signal: Signal| {
        if let Some(group) = group {
            // A group that has ended meanwhile is what was wanted.
            let _ = kill_process_group(group, signal);
        }
    };
    let mut stopped: Option<(Stopped, Instant)> = None;
    // It is not waited for until its group was killed: as long as it is not, no other group can
    // have its number.
    while !has_ended(&mut child)? {
        match stopped {
            None => {
                let why = if interrupted.load(Ordering::SeqCst) {
                    Some(Stopped::Interrupted)
                } else if limits.time.is_some_and(|most| started.elapsed() > most) {
                    Some(Stopped::Time)
                } else {
                    readers().any(Reader::is_full).then_some(Stopped::Output)
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
    }
    if stopped.is_some() || limits.time.is_some() {
        // What it started and left behind still holds the pipes.
        signal(Signal::KILL);
    }
    let ended = || {
        let until = Instant::now() + PATIENCE;
        while !readers().all(Reader::has_ended) {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    };
    let mut held = false;
    if !ended() {
        signal(Signal::KILL);
        readers().for_each(Reader::kill_holders);
        held = !ended();
    }
    let status = child.wait()?;
    let mut stopped = stopped.map(|(why, _)| why);
    if readers().any(Reader::is_full) {
        // It may have ended with the last byte.
        stopped = stopped.or(Some(Stopped::Output));
    }
    if held {
        stopped = stopped.or(Some(Stopped::Held));
    }
    stopped = stopped.or(readers().find_map(Reader::error).map(Stopped::Unreadable));
    let said = |reader: &Option<Reader>| reader.as_ref().map(Reader::said).unwrap_or_default();
    Ok(Done { status, stdout: said(&stdout), stderr: said(&stderr), stopped })
}

/// Whether a child has ended, which leaves its number its own until it is waited for.
fn has_ended(child: &mut Child) -> std::io::Result<bool> {
    let Some(pid) = pid(child) else { return Ok(child.try_wait()?.is_some()) };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(pid), options) {
        Err(rustix::io::Errno::INTR) => Ok(false),
        status => Ok(status?.is_some()),
    }
}

/// Reads a pipe to its end while the child runs.
struct Reader {
    thread: JoinHandle<()>,
    heard: Arc<Mutex<Heard>>,
    /// The number of the pipe.
    pipe: Option<u64>,
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    /// There were more than there may be.
    full: bool,
    error: Option<ErrorKind>,
}

impl Reader {
    fn of(pipe: OwnedFd, most: usize) -> Self {
        let pipe = File::from(pipe);
        let number = pipe.metadata().ok().map(|metadata| metadata.ino());
        Self { pipe: number, ..Self::reading(pipe, most) }
    }

    fn reading(pipe: impl Read + Send + 'static, most: usize) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let shared = Arc::clone(&heard);
        let thread = std::thread::spawn(move || read(pipe, most, &shared));
        Self { thread, heard, pipe: None }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Heard) -> T) -> T {
        look(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_full(&self) -> bool {
        self.with(|heard| heard.full)
    }

    fn error(&self) -> Option<ErrorKind> {
        self.with(|heard| heard.error)
    }

    fn said(&self) -> Vec<u8> {
        self.with(|heard| std::mem::take(&mut heard.bytes))
    }

    fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Kills what went into another group and still holds the pipe. Only what the child started can
    /// hold it, besides the reader.
    fn kill_holders(&self) {
        let Some(number) = self.pipe else { return };
        let name = PathBuf::from(format!("pipe:[{number}]"));
        // There is no such folder but on Linux.
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = process.file_name().to_str().and_then(|id| id.parse::<i32>().ok());
            let Some(id) = id.filter(|id| u32::try_from(*id) != Ok(std::process::id())) else {
                continue;
            };
            let files = std::fs::read_dir(process.path().join("fd")).into_iter().flatten();
            let holds = files
                .flatten()
                .any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == name));
            if let Some(pid) = Pid::from_raw(id).filter(|_| holds) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Reads to the end. Beyond `most` bytes nothing is kept, and the rest is read all the same, so that
/// a child which waits for a reader can end.
fn read(mut pipe: impl Read, most: usize, heard: &Mutex<Heard>) {
    let mut buffer = [0; 16 << 10];
    loop {
        let read = pipe.read(&mut buffer);
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(0) => return,
            Ok(count) if heard.bytes.len() + count > most => heard.full = true,
            Ok(count) => heard.bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                heard.error = Some(error.kind());
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        command
    }

    /// Answers one after the other, then the end.
    struct Answers(Vec<std::io::Result<&'static [u8]>>);

    impl Read for Answers {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some(answer) = self.0.pop() else { return Ok(0) };
            let bytes = answer?;
            buffer[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    #[test]
    fn a_read_that_is_interrupted_is_made_again_and_an_error_is_told() {
        let heard = Mutex::new(Heard::default());
        let interrupted = Err(ErrorKind::Interrupted.into());
        read(Answers(vec![Ok(b"c"), interrupted, Ok(b"ab")]), 9, &heard);
        let heard = heard.into_inner().unwrap();
        assert_eq!((&*heard.bytes, heard.error), (&b"abc"[..], None));
        let heard = Mutex::new(Heard::default());
        read(Answers(vec![Ok(b"c"), Err(ErrorKind::Other.into()), Ok(b"ab")]), 9, &heard);
        let heard = heard.into_inner().unwrap();
        assert_eq!((&*heard.bytes, heard.error), (&b"ab"[..], Some(ErrorKind::Other)));
    }

    #[test]
    fn what_leaves_the_group_and_holds_the_output_does_not_hold_the_run() {
        let go_on = AtomicBool::new(false);
        let limits = Limits { time: Some(Duration::from_secs(60)), ..Limits::default() };
        for limits in [limits, Limits::default()] {
            let dir = tempfile::tempdir().unwrap();
            // The one waits for the other: what has not left the group yet ends with it.
            let script = "echo a; mkfifo left; \
                 setsid sh -c 'echo b; echo >left; exec sleep 600' & read line <left; exit 3";
            let mut command = sh(script);
            command.current_dir(dir.path());
            let done = run(command, limits, &go_on).unwrap().unwrap();
            assert_eq!(done.status.code(), Some(3));
            assert_eq!(String::from_utf8(done.stdout).unwrap(), "a\nb\n");
            // It was killed, so that the end of the output was seen.
            assert_eq!(done.stopped, None);
        }
    }

    #[test]
    fn a_program_beyond_its_output_is_stopped() {
        let limits = Limits { output: Some(10), ..Limits::default() };
        let go_on = AtomicBool::new(false);
        let done = run(sh("cat /dev/zero"), limits, &go_on).unwrap().unwrap();
        assert_eq!(done.stopped, Some(Stopped::Output));
        let done = run(sh("sleep 600"), limits, &AtomicBool::new(true)).unwrap().unwrap();
        assert_eq!(done.stopped, Some(Stopped::Interrupted));
    }

    #[test]
    fn programs_are_found_in_absolute_folders_other_than_the_current_one() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().join("here").canonicalize();
        assert!(here.is_err());
        for folder in ["here", "there", "last"] {
            let folder = dir.path().join(folder);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("helm"), "").unwrap();
        }
        let here = dir.path().join("here").canonicalize().unwrap();
        let executable = |folder: &str| {
            let program = dir.path().join(folder).join("helm");
            fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        };
        executable("here");
        executable("last");
        let relative = ["", ".", "here"].map(PathBuf::from);
        let absolute = ["here", "there/../here", "there", "last"].map(|f| dir.path().join(f));
        let found = find("helm", relative.into_iter().chain(absolute), Some(&here));
        assert_eq!(found, Some(dir.path().join("last/helm")));
    }
}
