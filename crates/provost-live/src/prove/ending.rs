//! The moment at which the process asks to end, before anything is taken down.
//!
//! When the first process of a namespace ends, the kernel kills all others in it at once
//! (pid_namespaces(7)): whoever looks afterwards sees none of them, and whoever looks again and again knows
//! how it was when it looked last, which on a busy machine is long ago. So the kernel is asked to hold
//! `exit_group` of the process until somebody has looked (`SECCOMP_RET_USER_NOTIF`, seccomp_unotify(2)). Go's
//! runtime ends by that call, whether `main` returns, `os.Exit` is called or a panic ends it; a process that
//! is killed by a signal calls nothing.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use super::children::running;
use super::rights;

/// What runs on for that long was not about to end by itself.
const ABOUT_TO_END: Duration = Duration::from_millis(10);

/// Machines as the kernel tells them apart (`AUDIT_ARCH_*` of linux/audit.h), with the number of `exit_group`
/// that each has: this one, and the older one whose programs it runs, too.
#[cfg(target_arch = "x86_64")]
const ENDS: [(u32, u32); 2] = [(0xC000_003E, 231), (0x4000_0003, 252)];
#[cfg(target_arch = "aarch64")]
const ENDS: [(u32, u32); 2] = [(0xC000_00B7, 94), (0x4000_0028, 248)];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ENDS: [(u32, u32); 2] = [(0, 0); 2];

/// Has the kernel ask whoever holds the descriptor before this process, or what it starts, ends. If nobody
/// holds it any more, the call fails with ENOSYS and they cannot end by themselves (Go's runtime tries for ever):
/// it is for the first process of a namespace, which is killed with its owner and takes all others with it.
///
/// # Errors
/// The kernel cannot (5.19 can), or somebody around this process is asked already.
pub(super) fn hold() -> io::Result<OwnedFd> {
    if cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // One that waits is woken by nothing but its death, since 5.19. Before 5.5 none could be let go on.
    let flags =
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    filter(&mut steps(), flags)
}

/// What the kernel does for each call. `struct seccomp_data` begins with its number and the machine.
fn steps() -> [libc::sock_filter; 9] {
    let load = |at| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let is = |value, yes, no| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, yes, no, value);
    let give = |answer| step(libc::BPF_RET | libc::BPF_K, 0, 0, answer);
    let [(own, end), (older, older_end)] = ENDS;
    [
        load(4),
        is(own, 0, 2),
        load(0),
        is(end, 4, 3),
        is(older, 0, 2),
        load(0),
        is(older_end, 1, 0),
        give(libc::SECCOMP_RET_ALLOW),
        give(libc::SECCOMP_RET_USER_NOTIF),
    ]
}

fn step(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    // Codes are of 16 bits (linux/bpf_common.h).
    libc::sock_filter { code: code as u16, jt, jf, k }
}

#[expect(unsafe_code, reason = "rustix has no seccomp")]
fn filter(steps: &mut [libc::sock_filter], flags: libc::c_ulong) -> io::Result<OwnedFd> {
    let len = steps.len() as libc::c_ushort;
    let program = libc::sock_fprog { len, filter: steps.as_mut_ptr() };
    // SAFETY: the pointers are to values that live until the call returns, and the kernel copies them.
    let listener = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    match libc::c_int::try_from(listener) {
        // SAFETY: the call gave a new descriptor, which nobody else knows of.
        Ok(listener @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(listener) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What there is of a listener.
#[derive(Debug)]
enum Asked {
    /// By that thread, in the call of that number.
    By(u32, u64),
    Nobody,
    /// All whom it was for are gone.
    Over,
}

/// Who asks. Does not wait.
#[expect(unsafe_code, reason = "rustix has no seccomp")]
fn asked(listener: &OwnedFd) -> io::Result<Asked> {
    let mut one = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one value, as is said, and no time is waited.
    if unsafe { libc::poll(ptr::from_mut(&mut one), 1, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    match one.revents {
        events if events & libc::POLLIN != 0 => {}
        0 => return Ok(Asked::Nobody),
        _ => return Ok(Asked::Over),
    }
    // SAFETY: it has integers only, and the kernel wants it to be zero.
    let mut notice: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    let to = ptr::from_mut(&mut notice);
    // SAFETY: the pointer is to a value of the size that is part of the request's number.
    if unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV as _, to) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Asked::By(notice.pid, notice.id))
}

/// Lets a call go on. One that has been killed meanwhile does not hear it.
#[expect(unsafe_code, reason = "rustix has no seccomp")]
fn go_on(listener: &OwnedFd, id: u64) {
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let mut answer = libc::seccomp_notif_resp { id, val: 0, error: 0, flags };
    let from = ptr::from_mut(&mut answer);
    // SAFETY: the pointer is to a value of the size that is part of the request's number.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, from) };
}

/// Those who run when the process asks to end.
#[derive(Debug)]
pub(super) struct Ending {
    task: JoinHandle<()>,
    left: Left,
    failed: Rc<RefCell<Option<String>>>,
    asks: Rc<Cell<bool>>,
}

impl Ending {
    /// Of that process, which sends what [`hold`] gave it. Must be called in a `LocalSet`.
    pub(super) fn watch(from: UnixStream, pid: u32) -> Self {
        let left = Rc::new(RefCell::new(None));
        let failed = Rc::new(RefCell::new(None));
        let asks = Rc::new(Cell::new(false));
        let (to, asked, why) = (Rc::clone(&left), Rc::clone(&asks), Rc::clone(&failed));
        // A number is given out again; this stays that process.
        let own = number(pid).and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
        let task = spawn_local(async move {
            if let Err(error) = answer(from, pid, to, asked).await {
                // Nobody would let it go on, and that it does not end is not its fault.
                *why.borrow_mut() = Some(format!("its end cannot be heard: {error}"));
                let _ = own.map(|own| pidfd_send_signal(own, Signal::KILL));
            }
        });
        Self { task, left, failed, asks }
    }

    /// Whether it has asked to end: no signal is why it does from then on.
    pub(super) fn asks(&self) -> bool {
        self.asks.get()
    }

    /// Why nothing that was seen of the process is its own, where that is so.
    pub(super) fn failed(&self) -> Option<String> {
        self.failed.borrow().clone()
    }

    /// Their names; nothing when it did not ask, or could not be heard.
    pub(super) fn left(&self) -> Option<Vec<String>> {
        self.left.borrow().clone()
    }
}

fn number(pid: u32) -> io::Result<Pid> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is left when it ends, once that was looked at.
type Left = Rc<RefCell<Option<Vec<String>>>>;

async fn answer(from: UnixStream, pid: u32, left: Left, asks: Rc<Cell<bool>>) -> io::Result<()> {
    from.set_nonblocking(true)?;
    let from = tokio::net::UnixStream::from_std(from)?;
    let listener = from.async_io(Interest::READABLE, || rights::receive(&from)).await?;
    let Some(listener) = listener else { return Ok(()) };
    let listener = Rc::new(register(listener)?);
    loop {
        let mut ready = listener.readable().await?;
        match asked(listener.get_ref()) {
            Ok(Asked::By(thread, id)) if is_of(pid, thread) => {
                asks.set(true);
                // What it started may ask meanwhile, too, and is not to wait.
                spawn_local(look(pid, id, Rc::clone(&listener), Rc::clone(&left)));
            }
            Ok(Asked::By(_, id)) => go_on(listener.get_ref(), id),
            Ok(Asked::Nobody) => ready.clear_ready(),
            Ok(Asked::Over) => return Ok(()),
            // Killed before it was heard, or we were interrupted.
            Err(_) => {}
        }
    }
}

#[expect(
    unsafe_code,
    reason = "tokio leaves it to the caller that the descriptor stays what it is"
)]
fn register(listener: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: it is owned by what is returned, and nobody takes it out or closes it.
    Ok(unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) }?)
}

fn is_of(pid: u32, thread: u32) -> bool {
    Path::new(&format!("/proc/{pid}/task/{thread}")).exists()
}

async fn look(pid: u32, id: u64, listener: Rc<AsyncFd<OwnedFd>>, left: Left) {
    let first = running(pid);
    if first.as_ref().is_some_and(|first| !first.is_empty()) {
        sleep(ABOUT_TO_END).await;
    }
    let stay = first.zip(running(pid)).map(|(first, mut now)| {
        now.retain(|pid, _| first.contains_key(pid));
        now.into_values().collect()
    });
    *left.borrow_mut() = stay;
    go_on(listener.get_ref(), id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command, Stdio};

    use rustix::process::kill_process;
    use rustix::thread::set_no_new_privs;

    #[test]
    fn the_filter_holds_the_end_of_each_kind_of_program_and_nothing_else() {
        // The codes as bpf(4) of FreeBSD has them, from which Linux took them.
        let run = |arch: u32, nr: u32| {
            let (mut at, mut held) = (0usize, 0u32);
            loop {
                let it = steps()[at];
                at += 1;
                match u32::from(it.code) {
                    0x20 => held = if it.k == 4 { arch } else { nr },
                    0x15 => at += usize::from(if held == it.k { it.jt } else { it.jf }),
                    _ => return it.k,
                }
            }
        };
        for (arch, end) in ENDS {
            assert_eq!(run(arch, end), libc::SECCOMP_RET_USER_NOTIF);
            assert_eq!(run(arch, end + 1), libc::SECCOMP_RET_ALLOW);
        }
        let [(own, end), (older, older_end)] = ENDS;
        for (arch, nr) in [(own, older_end), (older, end), (7, end), (7, own)] {
            assert_eq!(run(arch, nr), libc::SECCOMP_RET_ALLOW, "{arch:x} {nr}");
        }
    }

    #[test]
    fn a_socket_without_a_listener_is_no_answer() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let set = tokio::task::LocalSet::new();
        let left = set.block_on(&runtime, async {
            let mut ending = Ending::watch(ours, child.id());
            let answered = tokio::time::timeout(Duration::from_secs(20), &mut ending.task).await;
            answered.unwrap().unwrap();
            assert_eq!((ending.failed(), ending.asks()), (None, false));
            ending.left()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(left, None);
    }

    /// A shell whose end is held, with the end of the way at which it is heard.
    #[expect(unsafe_code, reason = "a filter stays: it is for a process that is about to be one")]
    fn held(script: &str) -> (UnixStream, Child) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        // SAFETY: what is called makes system calls and nothing else.
        unsafe {
            command.pre_exec(move || {
                set_no_new_privs(true)?;
                rights::send(&theirs, Some(hold()?.as_fd()))
            });
        }
        (ours, command.spawn().expect("Linux holds the end of a process since 5.19"))
    }

    #[test]
    fn what_runs_when_a_process_asks_to_end_is_known_and_it_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, mut child) = held("sleep 60 >/dev/null & echo $!");
        let set = tokio::task::LocalSet::new();
        let (left, status) = set.block_on(&runtime, async {
            let ending = Ending::watch(ours, child.id());
            let ended = async {
                loop {
                    match child.try_wait().unwrap() {
                        Some(status) => return status,
                        None => sleep(Duration::from_millis(2)).await,
                    }
                }
            };
            let status = tokio::time::timeout(Duration::from_secs(20), ended).await;
            assert!(ending.asks());
            (ending.left(), status)
        });
        let _ = child.kill();
        let mut sleeps = String::new();
        child.stdout.take().unwrap().read_to_string(&mut sleeps).unwrap();
        kill_process(Pid::from_raw(sleeps.trim().parse().unwrap()).unwrap(), Signal::KILL).unwrap();
        assert_eq!(left, Some(vec!["sleep".to_owned()]));
        assert!(status.unwrap().success());
    }

    #[test]
    fn a_process_whose_end_nobody_can_hear_is_killed_and_not_blamed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_kept, mut child) = held("sleep 0.1; exit 3");
        // What comes is no socket's, so that reading from it fails.
        let file = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
        let set = tokio::task::LocalSet::new();
        let (left, failed) = set.block_on(&runtime, async {
            let mut ending = Ending::watch(UnixStream::from(file), child.id());
            tokio::time::timeout(Duration::from_secs(20), &mut ending.task).await.unwrap().unwrap();
            (ending.left(), ending.failed())
        });
        assert_eq!((left, child.wait().unwrap().signal()), (None, Some(9)));
        assert!(failed.is_some_and(|why| why.contains("cannot be heard")));
    }
}
