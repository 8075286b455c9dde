//! The surroundings of a pod, as far as this machine and this user can give them.
//!
//! Two processes take part. The worker calls [`enter`] while it has one thread: from then on it is in
//! a network of its own, and what it starts is the first process of a new process namespace, as the
//! program of a container is. That process is Provost again, in [`launch`]: it arranges what only can
//! be arranged from inside, gives up its rights and becomes the program.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use provost_check::facts::proof::{
    ADDRESSES, DISK, Missing, NODE_ADDRESS, OWN_GROUPS, OWN_NETWORK, POD_ADDRESS, Stage, WRITABLE,
    shown_user,
};
use rustix::fs::{FileType, Gid, Mode, OFlags, Uid, fchown, fstat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, fsconfig_create,
    fsmount, fsopen, mount, mount_change,
};
use rustix::process::{Signal, geteuid, set_parent_process_death_signal, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use serde::{Deserialize, Serialize};

use super::plan::{Plan, Volume};
use super::root::HOSTS;
use super::{ending, netlink, readonly, rights, root};
use crate::cgroup::{Door, Hierarchies, Seen, TOP};

/// The first port that may be opened without a right, of the network that is asked (ip-sysctl).
const ANY_PORT: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// Whether a port that was closed a second ago is taken for a new connection to the same place (ip-sysctl).
const TAKE_AGAIN: &str = "/proc/sys/net/ipv4/tcp_tw_reuse";

/// What the worker tells the process that becomes the program. It comes by its standard input: the
/// environment is the program's, and arguments are short.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    /// Its own name for itself, where that is not its path.
    pub(super) called: Option<String>,
    /// The folder that holds its image's files, where it runs in one.
    pub(super) image: Option<PathBuf>,
    pub(super) read_only_root: bool,
    /// Ways into its control groups, as the worker sees them, and its number.
    pub(super) groups_of: (u32, Vec<Door>),
    pub(super) arguments: Vec<String>,
    pub(super) directory: PathBuf,
    pub(super) user: (u32, u32),
    pub(super) fs_group: Option<u32>,
    pub(super) groups: Vec<u32>,
    pub(super) volumes: Vec<Volume>,
    /// Folders that may be written to, as its image says.
    pub(super) image_volumes: Vec<PathBuf>,
    /// A folder on a disk for what it writes.
    pub(super) disk: Option<PathBuf>,
    /// What it keeps in memory counts for a limit of its own.
    pub(super) limited: bool,
    /// Hosts that are the loopback address.
    pub(super) hosts: Vec<String>,
    /// Begins the line by which a failure is told apart from what the program prints.
    pub(super) token: String,
    /// The worker wants to look when the program asks to end.
    pub(super) ends_held: bool,
    /// Whether namespaces were entered, and whether as root of the machine.
    pub(super) entered: Entered,
}

/// Where the worker got to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entered {
    /// Own namespaces of processes, mounts and networks.
    pub(super) namespaces: bool,
    /// The user has rights to give up.
    pub(super) root: bool,
}

/// Goes into namespaces of its own. Must be called while the process has one thread.
pub(super) fn enter(user: (u32, u32)) -> (Entered, Stage) {
    let mut stage = Stage::default();
    let root = geteuid().is_root() && may_become(user);
    let (uid, gid) = (geteuid(), rustix::process::getegid());
    let wanted = UnshareFlags::NEWNET
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    let result = match root {
        true => unshare(wanted),
        // Whoever makes a user namespace may make the others in it.
        false => unshare(wanted | UnshareFlags::NEWUSER).and_then(|()| be_root_inside(uid, gid)),
    };
    let why = match result.and_then(|()| private_mounts()) {
        Ok(()) => None,
        Err(error) => Some(error.to_string()),
    };
    for what in ["its own processes, as the first of them (PID 1)", OWN_NETWORK] {
        match &why {
            None => stage.reproduced.push(what.to_owned()),
            Some(why) => stage.missing.push(missing(what, why)),
        }
    }
    let namespaces = why.is_none();
    if namespaces {
        // As container runtimes have it: a pod may open any port. Where it cannot be written, none is
        // opened that a pod could not.
        let _ = std::fs::write(ANY_PORT, "0");
        // Of 127.0.0.0/8 ports are taken again by themselves, of its other addresses they are when that is said.
        let _ = std::fs::write(TAKE_AGAIN, "1");
    }
    if namespaces && let Err(error) = netlink::loopback_up() {
        stage.missing.push(missing("loopback", &error.to_string()));
    }
    let addresses = [POD_ADDRESS, NODE_ADDRESS].map(|address| match namespaces {
        true => netlink::add_address(address),
        false => Err(io::Error::other("its network is this machine's")),
    });
    if let Some(error) = addresses.into_iter().find_map(Result::err) {
        stage.missing.push(missing(ADDRESSES, &error.to_string()));
    }
    (Entered { namespaces, root }, stage)
}

/// What [`launch`] will do, for the report.
pub(super) fn foresee(entered: Entered, plan: &Plan, stage: &mut Stage) {
    let owner = shown_user(plan.user);
    let mut tell = |there: bool, what: &str, why: &str| match there {
        true => stage.reproduced.push(what.to_owned()),
        false => stage.missing.push(missing(what, why)),
    };
    tell(entered.root, &owner, "only root may run a program as somebody else");
    tell(entered.root, "no capabilities", "only root may give them up for a program");
    if plan.image.is_none() {
        tell(entered.namespaces, "an empty /tmp of its own", "mounting needs a mount namespace");
    } else if !entered.root {
        tell(false, "owners of the image's files", "only root may give files away");
    }
    let root = if plan.read_only_root { "a read-only root" } else { WRITABLE };
    tell(entered.namespaces, root, "mounting needs a mount namespace");
    if let Err(why) = &plan.disk {
        tell(false, DISK, why);
    }
    if entered.namespaces {
        let what = "other machines, and what listens on this one";
        tell(false, what, "its network is its own, and empty");
    }
    let (set, refused) = plan.groups.said();
    stage.reproduced.extend(set);
    stage.missing.extend(refused.iter().chain(&plan.without).map(|(what, why)| missing(what, why)));
    for dependency in &plan.terms.dependencies {
        let mut lacks = |what: String, why| stage.missing.push(missing(&what, why));
        match &dependency.name {
            _ if !entered.namespaces => {
                lacks(format!("the dependency {}", dependency.shown()), "it needs its own network");
            }
            Some(name) if plan.image.is_none() && !Path::new(HOSTS).is_file() => {
                lacks(format!("the host {name}"), "this machine has no /etc/hosts");
            }
            _ => {}
        }
    }
    let told = [POD_ADDRESS, NODE_ADDRESS].map(|address| address.to_string());
    let is_told = |text: &str| told.iter().any(|address| text.contains(address));
    let variables = plan.environment.iter().map(|(_, value)| value);
    let told_of = variables.chain(&plan.arguments).any(|text| is_told(text));
    // What it cannot listen on it is not to be blamed for, and who was told nothing does not miss them.
    stage.missing.retain(|missing| missing.what != ADDRESSES || told_of);
    for missing in stage.missing.iter_mut().filter(|missing| missing.what == ADDRESSES) {
        missing.volume = true;
    }
    let mut volume = |path: &Path, why: &str| {
        let what = format!("the volume at {}", path.display());
        stage.missing.push(Missing { volume: true, ..missing(&what, why) });
    };
    plan.absent.iter().for_each(|(path, why)| volume(path, why));
    if !entered.namespaces {
        let places = plan.volumes.iter().flat_map(|it| &it.mounts);
        places.for_each(|place| volume(&place.at, "mounting needs a mount namespace"));
    }
}

/// Whether root here has that user and group to become: the root of a user namespace may be alone in it
/// (user_namespaces(7)).
fn may_become((uid, gid): (u32, u32)) -> bool {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}"));
    let has = |name: &str, id: u32| read(name).map_or(true, |map| is_mapped(&map, id));
    let groups = read("setgroups").map_or(true, |word| word.trim() != "deny");
    has("uid_map", uid) && has("gid_map", gid) && groups
}

/// Whether one of the ranges, `inside outside length` a line, holds the id.
fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().map(|it| it.parse::<u64>().unwrap_or(0));
        let (first, _, length) = (numbers.next(), numbers.next(), numbers.next());
        let first = first.unwrap_or(0);
        (first..first.saturating_add(length.unwrap_or(0))).contains(&u64::from(id))
    })
}

fn missing(what: &str, why: &str) -> Missing {
    Missing { what: what.to_owned(), why: why.to_owned(), volume: false }
}

#[expect(unsafe_code, reason = "rustix leaves it to the caller that no file table is unshared")]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the process has one thread, and UnshareFlags::FILES is not among the flags, so no
    // descriptor can be open in one thread and closed in another.
    unsafe { rustix::thread::unshare_unsafe(flags) }?;
    Ok(())
}

/// Root inside is who we are outside; user_namespaces(7).
fn be_root_inside(uid: Uid, gid: Gid) -> io::Result<()> {
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw()))?;
    std::fs::write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw()))
}

/// Nothing that is mounted from now on is seen outside.
fn private_mounts() -> io::Result<()> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", flags).map_err(io::Error::from)
}

/// Becomes the program; comes back only when that failed, with a line on standard error that begins
/// with the token.
pub fn launch() -> ExitCode {
    // As containers have it (`finalizeRootfs` in runc's libcontainer/rootfs_linux.go): with that of a careful
    // administrator nobody but us could enter what is made here.
    umask(Mode::from_raw_mode(0o022));
    let Some((told, way)) = hear() else { return ExitCode::from(127) };
    let error = match become_program(&told, &way) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    say(&told, &format!("{error:#}"));
    ExitCode::from(127)
}

/// What the worker says, and the way back to it, which the program is not to have.
fn hear() -> Option<(Launch, OwnedFd)> {
    let way = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).ok()?;
    let file = rights::receive(&way).ok()??;
    let text = io::read_to_string(std::fs::File::from(file)).ok()?;
    Some((serde_json::from_str(&text).ok()?, way))
}

fn say(told: &Launch, text: &str) {
    let line = format!("{}{}\n", told.token, text.replace('\n', " "));
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}

/// Begins what could not be had, and did not keep the program from being started.
pub(super) const LACKS: &str = "lacks ";

/// There is no value of it.
enum Never {}

fn become_program(told: &Launch, way: &OwnedFd) -> anyhow::Result<Never> {
    use anyhow::Context as _;
    // When the worker is gone nobody waits for the program any more.
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot be tied to its parent")?;
    let mut program = told.program.clone();
    let groups = (!told.groups_of.1.is_empty())
        .then(|| Hierarchies::of_this_process().seen(&told.groups_of.1));
    if told.image.is_some() && !told.entered.namespaces {
        anyhow::bail!(
            "the files of an image can be a root in a mount namespace of its own only, and none is to be had"
        );
    }
    let (worker, doors) = &told.groups_of;
    let held: Vec<_> = doors.iter().map(|door| (door, hold_group(*worker, door))).collect();
    let mut lacks = |what: String, why: String| {
        let volume = what.starts_with("the volume");
        let text = serde_json::to_string(&Missing { what, why, volume }).unwrap_or_default();
        say(told, &format!("{LACKS}{text}"));
    };
    if told.entered.namespaces {
        unshare(UnshareFlags::NEWNS).context("no mount namespace")?;
        private_mounts().context("cannot keep mounts private")?;
        // Where parts of it are hidden, as in a container, the kernel gives a user namespace no other.
        if let Err(error) = mount("proc", "/proc", "proc", root::plain() | MountFlags::NOEXEC, None)
        {
            lacks("its own /proc".to_owned(), error.to_string());
        }
        // A copy that is in no place stays as it is, and can be written to.
        let disk = told.disk.as_deref().map(|disk| root::held(disk, false));
        readonly::make_read_only().context("cannot make the root read-only")?;
        program =
            root::enter(told, (disk, groups.as_ref()), &mut lacks).context("cannot make a root")?;
    }
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null").context("no /dev/null")?)?;
    std::env::set_current_dir(&told.directory)
        .with_context(|| format!("cannot be started in {}", told.directory.display()))?;
    // What was done until here is not the program's, and neither is the memory that it took.
    if !doors.is_empty() {
        schedule_as_others().context("cannot be scheduled as others are")?;
    }
    for (door, file) in held {
        if let Err(error) = file.and_then(|file| join(&file)) {
            door.limits.iter().for_each(|limit| lacks(limit.clone(), error.to_string()));
        }
    }
    if told.entered.namespaces
        && !doors.is_empty()
        && groups == Some(Seen::Unified)
        && let Err(error) = be_top_of_groups()
    {
        lacks(OWN_GROUPS.to_owned(), error.to_string());
    }
    if told.entered.root {
        give_up(told).context("cannot give up the rights of root")?;
        // A change of the user clears it.
        set_parent_process_death_signal(Some(Signal::KILL))?;
    }
    set_no_new_privs(true).context("cannot promise to gain no rights")?;
    // Where the kernel cannot, the worker looks again and again instead.
    if told.ends_held
        && let Ok(listener) = ending::hold()
    {
        let heard = rights::send(way, Some(listener.as_fd()));
        heard.context("its end cannot be heard")?;
    }
    let called = told.called.as_ref().map_or(told.program.as_os_str(), |called| called.as_ref());
    let error = Command::new(&program).arg0(called).args(&told.arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", told.program.display()))
}

/// Holds the file by which the process will go into a control group. It is taken in the mounts of
/// the worker, through its entry in `/proc`: ours are about to be read-only, and one that is open for
/// writing would keep them from it.
fn hold_group(worker: u32, door: &Door) -> io::Result<OwnedFd> {
    let path = format!("/proc/{worker}/root{}", door.file.display());
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// Goes into a control group.
fn join(file: &OwnedFd) -> io::Result<()> {
    std::fs::write(format!("/proc/self/fd/{}", file.as_raw_fd()), "0")
}

/// Has the group that the process is in be the top of those that it sees, as container runtimes have it where there
/// is version 2.
fn be_top_of_groups() -> io::Result<()> {
    unshare(UnshareFlags::NEWCGROUP)?;
    // It is there already, as the machine sees it, and mount(2) puts a file system on none of its own (`do_add_mount` in
    // fs/namespace.c: EBUSY). What is made in no place can be moved there.
    let made = fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&made)?;
    let flags = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let tree = fsmount(&made, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    root::put(&tree, Path::new(TOP))
}

/// Has the process scheduled as those of containers are: one of the real-time classes has no part in
/// the quota of a group, and may not get into one.
///
/// The call itself, since musl's function of the name does nothing but fail (its
/// src/sched/sched_setscheduler.c), and has another `sched_param` than the kernel, which has one
/// number in it (include/uapi/linux/sched/types.h).
#[expect(unsafe_code, reason = "rustix has no sched_setscheduler")]
fn schedule_as_others() -> io::Result<()> {
    let priority: libc::c_int = 0;
    let call = libc::SYS_sched_setscheduler;
    // SAFETY: the pointer is to a value that lives until the call returns, and nothing is kept.
    match unsafe { libc::syscall(call, 0, libc::SCHED_OTHER, &raw const priority) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives what it prints to the user of the program, who may open `/dev/stdout` (`fixStdioPermissions` in runc's
/// libcontainer/init_linux.go).
fn own_output(uid: u32) -> io::Result<()> {
    for output in [rustix::stdio::stdout(), rustix::stdio::stderr()] {
        if FileType::from_raw_mode(fstat(output)?.st_mode) == FileType::Fifo {
            fchown(output, Some(Uid::from_raw(uid)), None)?;
        }
    }
    Ok(())
}

fn give_up(told: &Launch) -> io::Result<()> {
    let (uid, gid) = told.user;
    own_output(uid)?;
    for capability in CapabilitySet::all().iter() {
        // Newer kernels know more than older ones.
        let _ = remove_capability_from_bounding_set(capability);
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let groups = told.fs_group.iter().chain(&told.groups).map(|group| Gid::from_raw(*group));
    set_thread_groups(&groups.collect::<Vec<_>>())?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_user_namespace_may_be_alone() {
        assert!(is_mapped("         0          0 4294967295\n", 65532));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", 65532));
        assert!(!is_mapped("         0       1000          1\n", 65532));
        assert!(!is_mapped("", 0));
    }
}
