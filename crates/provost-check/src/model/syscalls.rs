//! What a system call of a Go program does to its thread.
//!
//! A goroutine in a system call keeps its thread until the call ends, and the runtime makes another one for
//! the rest of the work (`runtime/proc.go`, `retake`, `handoffp`). Two kinds of waiting are no such loss: a
//! thread that has nothing to do sleeps on a futex or in the poller, and reads and writes of sockets and pipes
//! return at once with `EAGAIN`, for the poller to say when they can go on (`runtime/netpoll_epoll.go`).

/// What a thread does in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doing {
    /// It has nothing to do: the runtime's futex, the poller, the monitor's sleep.
    Parked,
    /// What the runtime needs for itself: memory, threads, signals.
    Runtime,
    /// A call that cannot block: on a descriptor that the poller watches, or one that gives what is there.
    Quick,
    /// A goroutine is in it, and has the thread with it.
    Held(Holder),
}

/// What a goroutine and its thread are held by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// Reads, writes and syncs of files, and calls on their names.
    File,
    /// `flock`, `fcntl(F_SETLKW)`.
    FileLock,
    /// The C library's resolver waits for a name server.
    Resolver,
    /// C waits for its own mutex, condition variable or clock.
    C,
    /// C waits for a socket.
    CNetwork,
    /// A pipe, terminal or socket that blocks.
    Pipe,
    /// The end of another process.
    Child,
    /// Something else.
    Other,
}

impl Holder {
    /// As it is said: "threads in …".
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file calls",
            Self::FileLock => "waits for file locks",
            Self::Resolver => "name lookups by the C library",
            Self::C => "waits of C code",
            Self::CNetwork => "network calls of C code",
            Self::Pipe => "pipes, terminals and sockets that block",
            Self::Child => "waits for child processes",
            Self::Other => "other calls",
        }
    }
}

/// What a descriptor leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A path of a file system.
    File,
    /// A file of the kernel's: below `/proc`, `/sys` or `/dev`.
    Kernel,
    /// A socket.
    Socket,
    /// A UDP socket towards port 53.
    NameServer,
    /// A pipe, FIFO or terminal.
    Pipe,
    /// `epoll`, `eventfd`, timers and the like.
    Poller,
    /// Not known.
    Unknown,
}

impl Target {
    /// By what `strace -y` and `-yy` write behind a descriptor, and perf too: a path or a kind.
    pub fn of(name: &str) -> Self {
        let below = |folder: &str| name.starts_with(folder);
        if below("/") {
            return match () {
                () if !(below("/proc/") || below("/sys/") || below("/dev/")) => Self::File,
                () if below("/dev/pts") || below("/dev/tty") || name.contains("<char 136:") => {
                    Self::Pipe
                }
                () => Self::Kernel,
            };
        }
        match name {
            _ if below("UDP") && name.contains(":53]") => Self::NameServer,
            _ if below("pipe:") => Self::Pipe,
            _ if below("anon_inode:") => Self::Poller,
            _ if below("socket:") || name.contains(":[") => Self::Socket,
            _ => Self::Unknown,
        }
    }
}

/// What is known of a call.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its arguments as they stand.
    pub args: &'a [u8],
    /// What its first descriptor leads to.
    pub target: Target,
    /// The poller watches that descriptor, or it was opened so that it does not block.
    pub polled: bool,
    /// What was called before by the same thread; none where that is not known.
    pub before: Option<&'a str>,
    /// `sched_yield` is among the calls that were recorded.
    pub yields_recorded: bool,
}

/// What the thread does in it.
pub fn doing(call: &Known<'_>) -> Doing {
    match call.name {
        "futex" | "futex_time64" => futex(call),
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" => Doing::Parked,
        // `usleep` of the monitor and of threads that spin; the sleep of glibc is `clock_nanosleep` (2.31 on).
        // That of musl is this one.
        "nanosleep" | "sched_yield" | "restart_syscall" | "pause" | "rt_sigtimedwait" => {
            Doing::Parked
        }
        "clock_nanosleep" | "futex_wait" | "futex_waitv" | "sigsuspend" | "rt_sigsuspend"
        | "nanosleep_time64" => Doing::Held(Holder::C),
        "poll" | "ppoll" | "select" | "pselect6" => Doing::Held(match call.target {
            Target::NameServer => Holder::Resolver,
            Target::Pipe => Holder::Pipe,
            _ => Holder::CNetwork,
        }),
        "flock" => Doing::Held(Holder::FileLock),
        "fcntl" | "fcntl64" => match contains(call.args, b"SETLKW") {
            true => Doing::Held(Holder::FileLock),
            false => Doing::Quick,
        },
        "wait4" | "waitid" | "waitpid" => Doing::Held(Holder::Child),
        name if on_files(name) => Doing::Held(Holder::File),
        name if on_descriptors(name) => on_target(call),
        name if is_runtime(name) => Doing::Runtime,
        _ => Doing::Held(Holder::Other),
    }
}

/// The runtime sleeps on words of its own by `FUTEX_WAIT_PRIVATE` without a deadline or with a relative one
/// (`runtime/os_linux.go`, `futexsleep`): with 0 on notes and semaphores, with 2 on a mutex, up to Go 1.23 or
/// without `spinbitmutex`, and then right after a `sched_yield` (`lock2` spins, yields once and sleeps).
/// `pthread_mutex_lock` waits with 2 as well and never yields; condition variables, semaphores and joins wait
/// by `FUTEX_WAIT_BITSET`, and locks that hand on their priority by `FUTEX_LOCK_PI`, which the runtime never uses.
///
/// That is glibc. musl (Alpine) waits by `FUTEX_WAIT` with a relative deadline wherever it waits (`__timedwait`), so
/// that its waits are taken for the runtime's: no time of C is told of it that is none, and some that is is not told.
fn futex(call: &Known<'_>) -> Doing {
    let has = |word: &[u8]| contains(call.args, word);
    if has(b"WAKE") || has(b"REQUEUE") && !has(b"WAIT_REQUEUE") {
        return Doing::Runtime;
    }
    if has(b"WAIT_BITSET") || has(b"LOCK_PI") || has(b"WAIT_REQUEUE") {
        return Doing::Held(Holder::C);
    }
    let waits_for_two = contains(call.args, b"FUTEX_WAIT_PRIVATE, 2, NULL");
    let never_yielded =
        call.yields_recorded && call.before.is_some_and(|name| name != "sched_yield");
    match waits_for_two && never_yielded {
        true => Doing::Held(Holder::C),
        false => Doing::Parked,
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text.get(..text.len().min(512)).unwrap_or_default(), word).is_some()
}

/// Calls on a descriptor: what they do depends on what it leads to.
fn on_target(call: &Known<'_>) -> Doing {
    match call.target {
        Target::File => Doing::Held(Holder::File),
        Target::Kernel | Target::Poller => Doing::Quick,
        _ if call.polled => Doing::Quick,
        // C reads answers of name servers after it has waited for them.
        Target::NameServer => Doing::Held(Holder::Resolver),
        Target::Socket | Target::Pipe | Target::Unknown => Doing::Held(Holder::Pipe),
    }
}

fn on_descriptors(name: &str) -> bool {
    matches!(
        name,
        "read"
            | "write"
            | "pread64"
            | "pwrite64"
            | "readv"
            | "writev"
            | "preadv"
            | "pwritev"
            | "preadv2"
            | "pwritev2"
            | "sendfile"
            | "sendfile64"
            | "splice"
            | "tee"
            | "copy_file_range"
            | "recvfrom"
            | "recvmsg"
            | "recvmmsg"
            | "sendto"
            | "sendmsg"
            | "sendmmsg"
            | "connect"
            | "accept"
            | "accept4"
    )
}

/// Calls on names of files, and those that only files have.
fn on_files(name: &str) -> bool {
    matches!(
        name,
        "fsync"
            | "fdatasync"
            | "sync"
            | "syncfs"
            | "sync_file_range"
            | "msync"
            | "open"
            | "openat"
            | "openat2"
            | "creat"
            | "rename"
            | "renameat"
            | "renameat2"
            | "unlink"
            | "unlinkat"
            | "rmdir"
            | "mkdir"
            | "mkdirat"
            | "link"
            | "linkat"
            | "symlink"
            | "symlinkat"
            | "readlink"
            | "readlinkat"
            | "stat"
            | "lstat"
            | "newfstatat"
            | "statx"
            | "statfs"
            | "access"
            | "faccessat"
            | "faccessat2"
            | "getdents64"
            | "truncate"
            | "ftruncate"
            | "fallocate"
            | "chmod"
            | "fchmodat"
            | "chown"
            | "fchownat"
            | "utimensat"
    )
}

/// What the runtime calls for itself, and what returns at once.
fn is_runtime(name: &str) -> bool {
    let starts = |front: &str| name.starts_with(front);
    matches!(
        name,
        "mmap"
            | "munmap"
            | "mprotect"
            | "madvise"
            | "mremap"
            | "mincore"
            | "brk"
            | "clone"
            | "clone3"
            | "fork"
            | "vfork"
            | "execve"
            | "exit"
            | "exit_group"
            | "sigaltstack"
            | "tgkill"
            | "tkill"
            | "kill"
            | "arch_prctl"
            | "prctl"
            | "prlimit64"
            | "rseq"
            | "close"
            | "pipe"
            | "pipe2"
            | "dup"
            | "dup2"
            | "dup3"
            | "ioctl"
            | "fstat"
            | "lseek"
            | "socket"
            | "socketpair"
            | "bind"
            | "listen"
            | "shutdown"
            | "setsockopt"
            | "getsockopt"
            | "getsockname"
            | "getpeername"
            | "getcwd"
            | "uname"
            | "sysinfo"
            | "getrandom"
            | "membarrier"
            | "setitimer"
            | "eventfd2"
            | "pidfd_open"
            | "pidfd_send_signal"
            | "gettid"
            | "getpid"
            | "getppid"
            | "getuid"
            | "geteuid"
            | "getgid"
            | "getegid"
            | "getrlimit"
            | "gettimeofday"
            | "clock_gettime"
            | "umask"
            | "chdir"
    ) || ["rt_sig", "sched_", "epoll_c", "timer_", "timerfd_", "set_", "inotify_"]
        .iter()
        .any(|front| starts(front))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, args: &str, target: Target) -> Doing {
        doing(&Known {
            name,
            args: args.as_bytes(),
            target,
            polled: false,
            before: Some("write"),
            yields_recorded: true,
        })
    }

    /// As strace wrote them of programs with cgo, Go 1.22 and 1.27.
    #[test]
    fn sleeps_of_the_runtime_are_told_from_those_of_c() {
        let futex = |args: &str| of("futex", args, Target::Unknown);
        assert_eq!(futex("0x3a17025af160, FUTEX_WAIT_PRIVATE, 0, NULL"), Doing::Parked);
        let tens = "0xa3d8c0, FUTEX_WAIT_PRIVATE, 0, {tv_sec=60, tv_nsec=0}";
        assert_eq!(futex(tens), Doing::Parked);
        assert_eq!(futex("0xa3bf58, FUTEX_WAKE_PRIVATE, 1"), Doing::Runtime);
        assert_eq!(futex("0xa5be20, FUTEX_WAIT_PRIVATE, 2, NULL"), Doing::Held(Holder::C));
        let until = "0xa5be08, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, {tv_sec=1}, FUTEX_BITSET_MATCH_ANY";
        assert_eq!(futex(until), Doing::Held(Holder::C));
        assert_eq!(of("clock_nanosleep", "", Target::Unknown), Doing::Held(Holder::C));
        assert_eq!(of("nanosleep", "{tv_nsec=20000}", Target::Unknown), Doing::Parked);
    }

    #[test]
    fn a_mutex_of_the_runtime_sleeps_after_it_has_yielded() {
        let known = Known {
            name: "futex",
            args: b"0xa5be20, FUTEX_WAIT_PRIVATE, 2, NULL",
            target: Target::Unknown,
            polled: false,
            before: Some("sched_yield"),
            yields_recorded: true,
        };
        assert_eq!(doing(&known), Doing::Parked);
        // Where it cannot be told whether it did, it is not said to be C.
        let unknown = Known { yields_recorded: false, before: Some("write"), ..known };
        assert_eq!(doing(&unknown), Doing::Parked);
        assert_eq!(doing(&Known { before: None, ..known }), Doing::Parked);
    }

    #[test]
    fn targets_are_told_by_what_strace_calls_them() {
        let kinds = [
            ("/var/lib/journal/0", Target::File),
            ("/var/lib/journal/0 (deleted)", Target::File),
            ("/dev/pts/0<char 136:0>", Target::Pipe),
            ("/dev/null", Target::Kernel),
            ("/proc/7/cgroup", Target::Kernel),
            ("/sys/fs/cgroup/cpu.max", Target::Kernel),
            ("TCP:[127.0.0.1:45199->127.0.0.1:38786]", Target::Socket),
            ("UDP:[127.0.0.1:42265->10.0.0.10:53]", Target::NameServer),
            ("UDPv6:[[fd00::1]:42265->[fd00::a]:53]", Target::NameServer),
            ("UDP:[10.0.0.1:42265->10.0.0.10:5353]", Target::Socket),
            ("socket:[25541836]", Target::Socket),
            ("UNIX-STREAM:[1->2]", Target::Socket),
            ("pipe:[77]", Target::Pipe),
            ("anon_inode:[eventpoll]", Target::Poller),
            ("", Target::Unknown),
        ];
        for (name, kind) in kinds {
            assert_eq!(Target::of(name), kind, "{name}");
        }
    }

    #[test]
    fn what_the_poller_watches_holds_no_thread() {
        let read = |polled, target| {
            doing(&Known {
                name: "read",
                args: b"4, \"\", 1",
                target,
                polled,
                before: None,
                yields_recorded: false,
            })
        };
        assert_eq!(read(true, Target::Socket), Doing::Quick);
        assert_eq!(read(false, Target::Pipe), Doing::Held(Holder::Pipe));
        // Files cannot be polled: `epoll_ctl` gives EPERM.
        assert_eq!(read(false, Target::File), Doing::Held(Holder::File));
        assert_eq!(read(false, Target::Kernel), Doing::Quick);
    }

    #[test]
    fn calls_of_c_and_of_children() {
        assert_eq!(of("poll", "", Target::NameServer), Doing::Held(Holder::Resolver));
        assert_eq!(of("poll", "", Target::Socket), Doing::Held(Holder::CNetwork));
        assert_eq!(of("flock", "3, LOCK_EX", Target::File), Doing::Held(Holder::FileLock));
        assert_eq!(of("fcntl", "3, F_OFD_SETLKW, {}", Target::File), Doing::Held(Holder::FileLock));
        assert_eq!(of("fcntl", "3, F_GETFL", Target::File), Doing::Quick);
        assert_eq!(of("waitid", "P_PIDFD, 5", Target::Unknown), Doing::Held(Holder::Child));
        assert_eq!(of("io_uring_enter", "", Target::Unknown), Doing::Held(Holder::Other));
    }
}
