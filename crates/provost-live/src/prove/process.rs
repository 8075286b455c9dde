//! The process that is measured: started, watched, signalled, and gone when its owner is.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::Seek as _;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::time::Duration;

use provost_check::facts::proof::{
    Exit, Goroutines, Line, Listener, Missing, Output, PhaseName, Sent, Signal,
};
use provost_check::model::hidden::Hidden;
use provost_check::model::secret::masked;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{
    Pid, Resource, Rlimit, WaitId, WaitIdOptions, kill_process, prlimit, waitid,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::dump::Dump;
use super::ending::Ending;
use super::exit::Waiting;
use super::listening::listening;
use super::plan::Plan;
use super::rights;
use super::stage::{Entered, LACKS, Launch};

/// Between two looks at the kernel's table of sockets.
const LOOK: Duration = Duration::from_millis(1);

/// The same once the process listens: it matters when a socket goes, to a lesser degree.
const LOOK_LATER: Duration = Duration::from_millis(5);

/// Lines that are kept.
const MOST_LINES: usize = 2000;

/// Bytes of all lines that are kept.
const MOST_KEPT: usize = 4 << 20;

/// Bytes of a line that are kept; the container runtime splits longer ones (CRI, 16 KiB).
const MOST_LINE: usize = 16 << 10;

/// Bytes that a pipe which is left unread takes: a page. A container runtime's takes 16 of them
/// (pipe(7)), and is full as surely when the runtime hangs or its disk is full.
const SMALL_PIPE: usize = 4096;

/// How long a process has to print its goroutines.
const PRINTS: Duration = Duration::from_secs(3);

/// Between two looks whether reading goes on.
const PAUSE: Duration = Duration::from_millis(5);

/// Microseconds since the process was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    /// Begins now.
    #[cfg(test)]
    pub(super) fn now() -> Self {
        Self { start: Instant::now() }
    }

    pub(super) fn now_us(self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn at(self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.start);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// What is seen of the process while it runs.
#[derive(Debug, Default)]
struct Seen {
    listeners: Vec<Listener>,
    output: Output,
    /// Bytes of the lines that are kept.
    kept: usize,
    /// The line by which the launch said that it failed.
    failure: Option<String>,
    /// What it said that it could not have.
    lacks: Vec<Missing>,
    /// Its goroutines, once it was asked for them.
    dump: Option<Dump>,
}

/// The process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) clock: Clock,
    end: Waiting,
    pid: Pid,
    seen: Rc<RefCell<Seen>>,
    watchers: Vec<JoinHandle<()>>,
    ending: Option<Ending>,
    unread: Rc<Cell<bool>>,
    /// Ports of its network that are ours.
    ours: Rc<RefCell<BTreeSet<u16>>>,
    pub(super) signals: Vec<Sent>,
    /// What was given to it in secret.
    pub(super) hidden: Rc<Hidden>,
}

/// Its sockets, its output, the signals that it got, what it could not have, and its goroutines where it was asked
/// for them.
pub(super) type WasSeen = (Vec<Listener>, Output, Vec<Sent>, Vec<Missing>, Option<Goroutines>);

/// Why there is no process.
#[derive(Debug)]
pub(super) struct NotStarted(pub(super) String);

impl Process {
    /// Starts the program of a plan. Must be called in a `LocalSet`.
    pub(super) fn start(plan: &Plan, entered: Entered) -> Result<Self, NotStarted> {
        let token = token();
        let launch = Launch {
            program: plan.program.clone(),
            called: plan.called.clone(),
            image: plan.image.clone(),
            read_only_root: plan.read_only_root,
            groups_of: (std::process::id(), plan.groups.doors()),
            arguments: plan.arguments.clone(),
            directory: plan.directory.clone(),
            user: plan.user,
            fs_group: plan.fs_group,
            groups: plan.further_groups.clone(),
            volumes: plan.volumes.clone(),
            image_volumes: plan.image_volumes.clone(),
            disk: plan.disk.clone().ok(),
            limited: plan.terms.memory_limit.is_some() && !plan.groups.doors().is_empty(),
            hosts: plan.terms.dependencies.iter().filter_map(|it| it.name.clone()).collect(),
            token: token.clone(),
            // What it leaves behind is looked at in a start of which nothing else is asked. What is left behind
            // outside of a namespace outlives us, and would then never end: nobody lets it go.
            ends_held: plan.phase == PhaseName::Start && entered.namespaces,
            entered,
        };
        let (way, theirs) = told(&launch).map_err(|error| NotStarted(error.to_string()))?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg(super::worker::LAUNCH)
            .env_clear()
            .envs(plan.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let clock = Clock { start: Instant::now() };
        let mut child = command.spawn().map_err(|error| NotStarted(error.to_string()))?;
        let id = child.id().unwrap_or_default();
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| NotStarted("it has no number".to_owned()))?;
        let seen = Rc::new(RefCell::new(Seen::default()));
        let mut hidden = Hidden::default();
        plan.secrets.iter().for_each(|secret| hidden.add(secret));
        let hide = Rc::new(hidden);
        let unread = Rc::new(Cell::new(false));
        let mut watchers = Vec::new();
        if let Some(out) = child.stdout.take() {
            small(plan.phase, &out);
            let reader = Reader::new(clock, &seen, &hide, &unread, None);
            watchers.push(tokio::task::spawn_local(reader.read(out)));
        }
        if let Some(err) = child.stderr.take() {
            small(plan.phase, &err);
            let reader = Reader::new(clock, &seen, &hide, &unread, Some(token));
            watchers.push(tokio::task::spawn_local(reader.read(err)));
        }
        let ours = Rc::new(RefCell::new(plan.ours()));
        let network = (id, entered.namespaces);
        let looking = watch_listeners(clock, Rc::clone(&seen), network, Rc::clone(&ours));
        watchers.push(tokio::task::spawn_local(looking));
        let ending = launch.ends_held.then(|| Ending::watch(way, id));
        let signals = Vec::new();
        let hidden = hide;
        let end = Waiting::begin(child, clock);
        Ok(Self { clock, end, pid, seen, watchers, ending, unread, ours, signals, hidden })
    }

    /// Stops reading what it prints, or goes on with it. One read that has begun is still done.
    pub(super) fn leave_unread(&self, unread: bool) {
        self.unread.set(unread);
    }

    /// Sockets that it listens on now.
    pub(super) fn listening(&self) -> Vec<(IpAddr, u16)> {
        let seen = self.seen.borrow();
        let open = seen.listeners.iter().filter(|listener| listener.closed_us.is_none());
        open.map(|listener| (listener.address, listener.port)).collect()
    }

    /// Sends a signal, and remembers when.
    pub(super) fn signal(&mut self, signal: Signal) {
        let number = match signal {
            Signal::Term => rustix::process::Signal::TERM,
            Signal::Quit => rustix::process::Signal::QUIT,
            Signal::Kill => rustix::process::Signal::KILL,
        };
        // Taken before: on a busy machine the process may have acted on it when the call returns.
        let at_us = self.clock.now_us();
        let asks = signal == Signal::Term && self.ending.as_ref().is_some_and(Ending::asks);
        if !asks && !self.has_ended() && kill_process(self.pid, number).is_ok() {
            self.signals.push(Sent { at_us, signal });
        }
    }

    /// Whether SIGTERM would reach a handler. To the first process of a namespace signals without one
    /// are lost (pid_namespaces(7)); Go's runtime installs its own before `main` begins.
    pub(super) fn hears(&self) -> bool {
        self.catches(rustix::process::Signal::TERM)
    }

    fn catches(&self, signal: rustix::process::Signal) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid.as_raw_nonzero()));
        let status = status.unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        let bit = signal.as_raw() - 1;
        mask.is_some_and(|mask| mask >> bit & 1 == 1)
    }

    /// For how long the thread of it that waited most was ready to run and had no processor: what of its time others had
    /// (the second number of schedstat, Documentation/scheduler/sched-stats.rst).
    pub(super) fn kept_waiting(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_nonzero()));
        let waited = |task: std::fs::DirEntry| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            waited_ns(&text)
        };
        let all = tasks.into_iter().flatten().flatten().take(MOST_TASKS).filter_map(waited);
        Duration::from_nanos(all.max().unwrap_or(0))
    }

    /// What it holds in memory now, in bytes: the second number of statm is pages (proc_pid_statm(5)).
    pub(super) fn resident(&self) -> Option<u64> {
        let path = format!("/proc/{}/statm", self.pid.as_raw_nonzero());
        let text = std::fs::read_to_string(path).ok()?;
        let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }

    /// That a port of its network is ours from now on, or is not.
    pub(super) fn mark(&self, port: u16, ours: bool) {
        let mut all = self.ours.borrow_mut();
        let _ = if ours { all.insert(port) } else { all.remove(&port) };
    }

    /// Looks at what it printed until now.
    pub(super) fn output<T>(&self, look: impl FnOnce(&Output) -> T) -> T {
        look(&self.seen.borrow().output)
    }

    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether it has ended, and so hears nothing any more. Until that is known here, its number is still its own.
    pub(super) fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = || waitid(WaitId::Pid(self.pid), look).is_ok_and(|status| status.is_some());
        self.end.over().is_some() || ended()
    }

    /// Waits until it ends, or kills it when `patience` is over.
    pub(super) async fn ended_within(&mut self, patience: Duration) -> Option<Exit> {
        if timeout(patience, self.end.come()).await.is_err() {
            self.signal(Signal::Kill);
            timeout(Duration::from_secs(5), self.end.come()).await.ok()?;
        }
        let (at_us, status) = self.end.over()?;
        Some(exit(at_us, status, &self.signals))
    }

    /// The same; when `patience` is over it is asked for its goroutines, which Go's runtime prints and ends.
    pub(super) async fn ended_or_asked(&mut self, patience: Duration) -> Option<Exit> {
        let asked = timeout(patience, self.end.come()).await.is_err() && self.ask_goroutines();
        let patience = if asked { PRINTS } else { Duration::ZERO };
        let exit = self.ended_within(patience).await?;
        if !exit.killed {
            // It had ended by itself, and printed nothing of them.
            self.seen.borrow_mut().dump = None;
        }
        Some(exit)
    }

    /// Sends SIGQUIT, where it is caught: without a handler the kernel passes it over, or ends the process.
    fn ask_goroutines(&mut self) -> bool {
        if self.has_ended() {
            return false;
        }
        let caught = self.catches(rustix::process::Signal::QUIT);
        self.seen.borrow_mut().dump = Some(Dump::new(!caught));
        if !caught {
            return false;
        }
        // With GOTRACEBACK=crash it would leave a core behind. Less than a page keeps the kernel from writing one, and
        // exactly one byte from handing it to a program, too (core(5); `do_coredump`).
        let limit = Rlimit { current: Some(1), maximum: Some(1) };
        let _ = prlimit(Some(self.pid), Resource::Core, limit);
        self.signal(Signal::Quit);
        self.signals.last().is_some_and(|sent| sent.signal == Signal::Quit)
    }

    /// Names of the processes that it started and that ran when it asked to end; nothing when that is not known.
    pub(super) fn left(&self) -> Option<Vec<String>> {
        self.ending.as_ref()?.left()
    }

    /// What was seen of it; called when it has ended.
    pub(super) async fn seen(mut self) -> Result<WasSeen, NotStarted> {
        // What it printed last is still in the pipes, unless something that it left holds them.
        for watcher in self.watchers.drain(..2.min(self.watchers.len())) {
            let abort = watcher.abort_handle();
            if timeout(Duration::from_millis(500), watcher).await.is_err() {
                abort.abort();
            }
        }
        self.watchers.iter().for_each(JoinHandle::abort);
        let mut seen = self.seen.take();
        let unheard = self.ending.as_ref().and_then(Ending::failed);
        let asked =
            self.signals.iter().rfind(|it| matches!(it.signal, Signal::Quit | Signal::Kill));
        let at_us = asked.map_or(0, |sent| sent.at_us);
        // What its runtime had it end with comes behind the last goroutine: an exit code, or SIGABRT (`crash`).
        let over = self.end.over();
        let cut = over.is_none_or(|(_, status)| status.signal() == Some(KILL));
        let goroutines = seen.dump.take().map(|dump| dump.finish(at_us, cut, &self.hidden));
        match seen.failure.take().or(unheard) {
            Some(why) => Err(NotStarted(why)),
            None => Ok((seen.listeners, seen.output, self.signals, seen.lacks, goroutines)),
        }
    }
}

/// Threads that are asked how long they waited.
const MOST_TASKS: usize = 64;

/// Nanoseconds that a thread waited on a run queue.
fn waited_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// SIGKILL.
const KILL: i32 = rustix::process::Signal::KILL.as_raw();

/// How it ended. What ended by itself while it was to be killed was not: where nobody looked for a while, its end is
/// older than its time was over. After SIGQUIT it was killed whatever it ended with; after SIGKILL nobody has a code.
fn exit(at_us: u64, status: ExitStatus, signals: &[Sent]) -> Exit {
    let (code, signal) = (status.code(), status.signal());
    let killed = signals.iter().filter(|sent| sent.at_us <= at_us).any(|sent| match sent.signal {
        Signal::Term => false,
        Signal::Quit => true,
        Signal::Kill => code.is_none(),
    });
    Exit { at_us, code, signal, killed }
}

/// A socket over which a file in memory comes that says it: arguments are short, and seen by all. What comes back
/// is heard at the other end.
fn told(launch: &Launch) -> std::io::Result<(UnixStream, OwnedFd)> {
    let memory = memfd_create("launch", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    serde_json::to_writer(&mut file, launch)?;
    file.rewind()?;
    let (ours, theirs) = UnixStream::pair()?;
    rights::send(&ours, Some(file.as_fd()))?;
    Ok((ours, theirs.into()))
}

/// Begins a line that no program can have meant to print: it may know numbers of processes, and is listened to as
/// long as it runs.
fn token() -> String {
    // As random as what keeps tables from being flooded.
    let part = || RandomState::new().hash_one(std::process::id());
    format!("provost-{:016x}{:016x}: ", part(), part())
}

/// A pipe that will be left unread is soon full.
fn small(phase: PhaseName, pipe: impl AsFd) {
    if phase == PhaseName::FullStdout {
        // Where that is refused, it takes more to fill it.
        let _ = fcntl_setpipe_size(pipe, SMALL_PIPE);
    }
}

async fn watch_listeners(
    clock: Clock,
    seen: Rc<RefCell<Seen>>,
    (pid, own_network): (u32, bool),
    ours: Rc<RefCell<BTreeSet<u16>>>,
) {
    let mut open: BTreeMap<(IpAddr, u16), usize> = BTreeMap::new();
    loop {
        let now = listening(pid, own_network, &ours.borrow());
        let at_us = clock.now_us();
        {
            let mut seen = seen.borrow_mut();
            open.retain(|socket, index| {
                let stays = now.contains(socket);
                if !stays && let Some(listener) = seen.listeners.get_mut(*index) {
                    listener.closed_us = Some(at_us);
                }
                stays
            });
            for &(address, port) in &now {
                open.entry((address, port)).or_insert_with(|| {
                    seen.listeners.push(Listener { at_us, closed_us: None, address, port });
                    seen.listeners.len() - 1
                });
            }
        }
        sleep(if open.is_empty() { LOOK } else { LOOK_LATER }).await;
    }
}

/// Reads one stream of the process and takes it apart into lines.
struct Reader {
    clock: Clock,
    seen: Rc<RefCell<Seen>>,
    hide: Rc<Hidden>,
    unread: Rc<Cell<bool>>,
    /// Of standard error only.
    token: Option<String>,
}

impl Reader {
    fn new(
        clock: Clock,
        seen: &Rc<RefCell<Seen>>,
        hide: &Rc<Hidden>,
        unread: &Rc<Cell<bool>>,
        token: Option<String>,
    ) -> Self {
        let (seen, hide, unread) = (Rc::clone(seen), Rc::clone(hide), Rc::clone(unread));
        Self { clock, seen, hide, unread, token }
    }

    async fn read(self, mut stream: impl AsyncRead + Unpin) {
        let mut piece = vec![0; 64 << 10];
        let mut line = Vec::new();
        while let Ok(read @ 1..) = stream.read(&mut piece).await {
            let bytes = piece.get(..read).unwrap_or_default();
            self.seen.borrow_mut().output.bytes += read as u64;
            for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                let room = MOST_LINE.saturating_sub(line.len());
                line.extend_from_slice(part.get(..part.len().min(room)).unwrap_or(part));
                if part.ends_with(b"\n") {
                    self.line(&line);
                    line.clear();
                }
            }
            while self.unread.get() {
                sleep(PAUSE).await;
            }
        }
        if !line.is_empty() {
            self.line(&line);
        }
    }

    fn line(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        let mut seen = self.seen.borrow_mut();
        if let Some(why) = self.token.as_deref().and_then(|token| text.strip_prefix(token)) {
            match why.strip_prefix(LACKS).map(serde_json::from_str) {
                Some(Ok(lacks)) => seen.lacks.push(lacks),
                _ => seen.failure = Some(why.to_owned()),
            }
            return;
        }
        if self.token.is_some() && seen.dump.as_mut().is_some_and(|dump| dump.takes(bytes)) {
            return;
        }
        let mut text = text.to_owned();
        let secret = self.hide.hide(&mut text);
        // A line that says a secret is kept whatever was printed before.
        let full = seen.output.lines.len() >= MOST_LINES || seen.kept > MOST_KEPT;
        if full && !(secret && seen.output.lines.iter().all(|line| !line.secret)) {
            seen.output.more += 1;
            return;
        }
        seen.kept += text.len();
        let text = masked(&text).into_owned();
        let line = Line { at_us: self.clock.now_us(), stderr: self.token.is_some(), secret, text };
        seen.output.lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_by_itself_before_it_could_be_killed_was_not_killed() {
        let kill = [Sent { at_us: 5_000_000, signal: Signal::Kill }];
        let late = exit(5_012_592, ExitStatus::from_raw(1 << 8), &kill);
        assert!(late.code == Some(1) && !late.killed, "{late:?}");
        let killed = exit(5_000_000, ExitStatus::from_raw(9), &kill);
        assert!(killed.killed && killed.signal == Some(9), "{killed:?}");
        // By SIGTERM, and of a signal of its own when its time was over and nobody had to send one.
        let told = [Sent { at_us: 1, signal: Signal::Term }];
        assert!(!exit(2, ExitStatus::from_raw(15), &told).killed);
        assert!(!exit(5_000_000, ExitStatus::from_raw(6), &told).killed);
    }

    #[test]
    fn what_ended_by_itself_before_it_was_asked_for_its_goroutines_was_not_killed() {
        let signals = [
            Sent { at_us: 1, signal: Signal::Term },
            Sent { at_us: 5_000_000, signal: Signal::Quit },
        ];
        let ended = |at_us, raw| exit(at_us, ExitStatus::from_raw(raw), &signals).killed;
        assert!(!ended(4_999_990, 0) && !ended(4_999_990, 11));
        // As Go's runtime ends then, and as a handler of the program's own may.
        assert!(ended(5_020_000, 2 << 8) && ended(5_000_000, 0));
    }

    #[test]
    fn how_long_a_thread_had_no_processor_is_the_second_number() {
        assert_eq!(waited_ns("3104532 250000 17\n"), Some(250_000));
        assert_eq!((waited_ns("0"), waited_ns("")), (None, None));
        // Of this machine's kernel, too.
        let own = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        assert!(waited_ns(&own).is_some(), "{own}");
    }

    #[test]
    fn the_line_of_a_failure_cannot_be_guessed() {
        let (one, other) = (token(), token());
        assert!(one != other && one.len() > 40, "{one}");
    }
}
