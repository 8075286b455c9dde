//! The root that the program sees: that of its image, or everything of the machine, and in it what is
//! the program's own: `/dev`, its volumes and the folders that they are mounted on. What it writes where
//! a container may write goes to a folder of ours and is gone with it.
//!
//! It is put together on a tmpfs that nobody else sees, out of bind mounts and overlays, and entered by
//! `pivot_root(2)`. What is needed of the machine and would be hidden is held open before
//! (`open_tree(2)`) and put in its place after.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind,
    mount_bind_recursive, mount_remount, move_mount, open_tree, unmount,
};

use provost_check::facts::proof::{APART, DISK, OWN_GROUPS, WRITABLE};

use super::stage::Launch;
use super::volumes;
use super::writable::{Writable, bound};
use crate::cgroup::{Seen, TOP};

/// What is ours in there.
const OWN: &str = "/.provost";

/// Where the new root and the volumes are put together; what is there is hidden meanwhile.
const SCRATCH: &str = "/tmp";

/// Entries of a folder that is made anew so that others can be put beside them.
pub(super) const MOST_ENTRIES: usize = 4096;

/// Devices that a container has (`SupportedFilesystems` and devices of the OCI runtime specification).
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What container runtimes make read-only of `/proc`.
const KERNEL: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What is made anew of any root, and of this machine's.
const OWN_OF_ALL: [&str; 3] = ["dev", "proc", "sys"];
const OWN_OF_MACHINE: [&str; 5] = ["dev", "proc", "sys", "tmp", ".provost"];

/// What is written to it is what the kubelet shows when the container has ended (`TerminationMessagePathDefault` in
/// staging/src/k8s.io/api/core/v1).
const TERMINATION: &str = "termination-log";

/// Of a root that is put together.
const MADE: &std::ffi::CStr = c"mode=755,size=1g";

/// Of a folder that anybody may write to.
const ANYBODY: &std::ffi::CStr = c"mode=1777,size=1g";

/// What the kubelet writes at the top of the table of hosts (`managedHostsFile` in
/// pkg/kubelet/kubelet_pods.go).
const LOCAL: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

pub(super) fn plain() -> MountFlags {
    MountFlags::NOSUID | MountFlags::NODEV
}

/// Goes into the new root and gives the place of the program in it. What could not be had is told.
pub(super) fn enter(
    told: &Launch,
    (disk, groups): (Option<io::Result<OwnedFd>>, Option<&Seen>),
    lacks: &mut dyn FnMut(String, String),
) -> anyhow::Result<PathBuf> {
    let of_machine = told.image.is_none();
    let program = match of_machine {
        true => Some(held(&told.program, false).context("cannot hold the program")?),
        false => None,
    };
    let image = told.image.as_deref().map(|tree| held(tree, false)).transpose();
    let image = image.context("cannot hold the files of the image")?;
    // A folder below one that is its own there would be out of sight.
    let hidden = ["/tmp", "/dev"].iter().any(|own| told.directory.starts_with(own));
    let directory = (of_machine && hidden && told.directory != Path::new("/tmp"))
        .then(|| held(&told.directory, true).ok())
        .flatten();
    let kernel = ["/proc", "/sys"].map(|path| (path, held(Path::new(path), true)));
    let scratch = Path::new(SCRATCH);
    mount("tmpfs", scratch, "tmpfs", plain(), Some(c"mode=755"))?;
    let disk = match disk.map(|disk| on(&disk?, &scratch.join("disk"))) {
        Some(Ok(disk)) => Some(disk),
        Some(Err(error)) => {
            lacks(DISK.to_owned(), error.to_string());
            None
        }
        None => None,
    };
    let (volumes, on_disk) = (scratch.join("volumes"), disk.as_ref().map(|it| it.join("volumes")));
    let mut mounts = volumes::make(&volumes, on_disk.as_deref(), told, lacks)?;
    let is_free = |at: &&PathBuf| !mounts.iter().any(|mount| mount.at == **at);
    let stay: Vec<_> = told.image_volumes.iter().filter(is_free).map(|at| stays(at)).collect();
    mounts.extend(stay);
    let hosts = hosts(&scratch.join("hosts"), told).context("cannot write the table of hosts")?;
    let (root, dev) = (scratch.join("root"), scratch.join("dev"));
    fs::create_dir(&root)?;
    devices(&dev)?;
    let dev = held(&dev, true)?;
    // What a container's root is made of can be added to until it starts, read-only or not.
    let on_disk = disk.as_ref().map(|disk| disk.join("written"));
    let mut writable = Writable::new(scratch.join("written"), on_disk, told);
    match image {
        Some(tree) => of_image(&root, tree, &mut writable, lacks)?,
        None => {
            match &disk {
                Some(disk) => mount_bind(disk.join("top"), &root)?,
                None => mount("tmpfs", &root, "tmpfs", plain(), Some(MADE))?,
            }
            // Read-only or not: a socket that is mounted read-only is as open as ever.
            fill(Path::new("/"), &root, &OWN_OF_MACHINE, Some(&mut writable), lacks)?;
        }
    }
    if let Some(why) = writable.refused.take() {
        lacks(if told.read_only_root { APART } else { WRITABLE }.to_owned(), why);
    }
    if let Some(why) = writable.no_disk.take() {
        lacks(DISK.to_owned(), why);
    }
    let tmp = disk.as_ref().map(|disk| held(&disk.join("tmp"), false)).transpose()?;
    let groups = match groups {
        Some(Seen::Apart(folders)) => Some(groups_apart(&scratch.join("groups"), folders)),
        Some(Seen::Unified) | None => None,
    };
    // What is mounted on one later stays as it is.
    let overlays: Vec<OwnedFd> =
        writable.shown.iter().map(|at| place_of(at)).collect::<io::Result<_>>()?;
    std::env::set_current_dir(&root)?;
    // The old root lies on the new one afterwards, and is taken off (pivot_root(2), NOTES).
    rustix::process::pivot_root(".", ".").context("cannot change the root")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")?;

    let mut imitated = Vec::new();
    if of_machine {
        fs::create_dir(OWN)?;
        fs::create_dir("/tmp")?;
        if !mounts.iter().any(|mount| mount.at == Path::new("/tmp")) {
            match &tmp {
                Some(tmp) => put(tmp, Path::new("/tmp"))?,
                None => mount("tmpfs", "/tmp", "tmpfs", plain(), Some(ANYBODY))?,
            }
        }
    }
    for (path, tree) in kernel {
        let there = tree
            .map_err(anyhow::Error::from)
            .and_then(|tree| Ok(put(&tree, &prepare(Path::new(path), false, &mut imitated)?)?));
        if let Err(error) = there {
            lacks(format!("the machine's {path}"), format!("{error:#}"));
        }
    }
    put(&dev, &prepare(Path::new("/dev"), false, &mut imitated)?)?;
    let shown = groups.map(|groups| put(&groups?, Path::new(TOP)));
    if let Some(Err(error)) = shown {
        lacks(OWN_GROUPS.to_owned(), error.to_string());
    }
    guard_kernel();
    // Those above before those below.
    mounts.sort_by_key(|mount| mount.at.components().count());
    for volume in mounts {
        let mut mounting = || -> anyhow::Result<()> {
            let at = prepare(&volume.at, volume.is_file, &mut imitated)?;
            match &volume.tree {
                Some(tree) => put(tree, &at)?,
                None => mount_bind(&at, &at)?,
            }
            let read_only = if volume.read_only { MountFlags::RDONLY } else { MountFlags::empty() };
            let done = mount_remount(&at, plain() | MountFlags::BIND | read_only, c"");
            // One that is as its file system was mounted is no worse for that.
            if volume.read_only { Ok(done?) } else { Ok(()) }
        };
        if let Err(error) = mounting() {
            lacks(format!("the volume at {}", volume.at.display()), format!("{error:#}"));
        }
    }
    if let Some(directory) = directory {
        put(&directory, &prepare(&told.directory, false, &mut imitated)?)?;
    } else if let Err(error) = prepare(&told.directory, false, &mut imitated) {
        lacks(format!("the folder {}", told.directory.display()), format!("{error:#}"));
    }
    if let Some(hosts) = hosts {
        put(&hosts, &prepare(Path::new(HOSTS), true, &mut imitated)?)?;
    }
    let inside = match program {
        Some(program) => {
            let name = told.program.file_name().unwrap_or(std::ffi::OsStr::new("program"));
            let inside = Path::new(OWN).join(name);
            fs::File::create(&inside)?;
            put(&program, &inside)?;
            inside
        }
        None => told.program.clone(),
    };
    let overlays = overlays.iter().filter(|_| told.read_only_root);
    let overlays = overlays.map(|at| PathBuf::from(format!("/proc/self/fd/{}", at.as_raw_fd())));
    let root = told.read_only_root.then(|| PathBuf::from("/"));
    for own in imitated.into_iter().chain(overlays).chain(root) {
        mount_remount(&own, MountFlags::BIND | MountFlags::RDONLY | plain(), c"")?;
    }
    Ok(inside)
}

/// Shows the folder on the disk at a path, and makes in it what everything else is written to.
fn on(disk: &OwnedFd, at: &Path) -> io::Result<PathBuf> {
    fs::create_dir(at)?;
    put(disk, at)?;
    // Where that is refused, nobody gains rights all the same.
    let _ = mount_remount(at, plain() | MountFlags::BIND, c"");
    for name in ["volumes", "written", "top", "tmp"] {
        fs::create_dir(at.join(name))?;
    }
    fs::set_permissions(at.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    Ok(at.to_path_buf())
}

/// What is in its place already, and may be written to when the root is not. containerd has a volume of its own for
/// each that an image declares, with what the image has there in it (`volumeMounts` in
/// internal/cri/server/container_create.go).
fn stays(at: &Path) -> volumes::Mounted {
    volumes::Mounted { at: at.to_path_buf(), tree: None, is_file: false, read_only: false }
}

/// The group of a program in each hierarchy of version 1, by their names.
fn groups_apart(at: &Path, folders: &[(String, PathBuf)]) -> io::Result<OwnedFd> {
    fs::create_dir(at)?;
    mount("tmpfs", at, "tmpfs", plain() | MountFlags::NOEXEC, Some(c"mode=755,size=64k"))?;
    for (name, folder) in folders {
        let to = at.join(name);
        fs::create_dir_all(&to)?;
        mount_bind(folder, &to)?;
        for part in name.split(',').filter(|part| part != name) {
            symlink(name, at.join(part))?;
        }
    }
    mount_remount(at, plain() | MountFlags::NOEXEC | MountFlags::BIND | MountFlags::RDONLY, c"")?;
    held(at, true)
}

/// Has the files of an image at a path, so that they can be added to. Where no overlay is to be had,
/// each at the top is in its place, read-only.
fn of_image(
    root: &Path,
    tree: OwnedFd,
    writable: &mut Writable,
    lacks: &mut dyn FnMut(String, String),
) -> anyhow::Result<()> {
    let lower = Path::new(SCRATCH).join("image");
    fs::create_dir(&lower)?;
    put(&tree, &lower).context("cannot mount the files of the image")?;
    if !writable.over(&lower, root) {
        mount("tmpfs", root, "tmpfs", plain(), Some(MADE))?;
        fill(&lower, root, &OWN_OF_ALL, None, lacks)?;
    }
    Ok(())
}

/// Has what the kernel shows of itself changed by nobody.
fn guard_kernel() {
    for path in KERNEL {
        // Where it is not there, or is so already, there is nothing to do.
        if mount_bind(path, path).is_ok() {
            let flags = plain() | MountFlags::NOEXEC | MountFlags::BIND | MountFlags::RDONLY;
            let _ = mount_remount(path, flags, c"");
        }
    }
}

/// A copy of the mount that a path lies on, from there on, which is still in no place.
pub(super) fn held(path: &Path, all: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if all {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, path, flags).map_err(io::Error::from)
}

/// The mount that is at the top of a path now.
fn place_of(at: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(at, flags, Mode::empty()).map_err(io::Error::from)
}

/// Puts such a copy in its place.
pub(super) fn put(tree: &OwnedFd, at: &Path) -> io::Result<()> {
    move_mount(tree, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(io::Error::from)
}

/// What there is at the top of a folder, but for what is the program's own; folders so that they can be
/// written to, where there is something to have them so.
fn fill(
    top: &Path,
    root: &Path,
    own: &[&str],
    mut writable: Option<&mut Writable>,
    lacks: &mut dyn FnMut(String, String),
) -> io::Result<()> {
    for entry in fs::read_dir(top)?.take(MOST_ENTRIES) {
        let entry = entry?;
        let name = entry.file_name();
        if own.iter().any(|own| name == *own) {
            continue;
        }
        let (from, to) = (entry.path(), root.join(&name));
        if entry.file_type()?.is_dir()
            && let Some(writable) = writable.as_deref_mut()
        {
            fs::create_dir(&to)?;
            if writable.over(&from, &to) {
                writable.mounts_below(&from, root);
                continue;
            }
            fs::remove_dir(&to)?;
        }
        if let Err(error) = bound(&from, &to) {
            lacks(format!("the machine's {}", from.display()), error.to_string());
        }
    }
    Ok(())
}

/// The devices of a container, and none of the machine's: root without rights may still open those.
fn devices(at: &Path) -> io::Result<()> {
    fs::create_dir(at)?;
    mount("tmpfs", at, "tmpfs", MountFlags::NOSUID, Some(c"mode=755,size=64k"))?;
    for name in DEVICES {
        let from = Path::new("/dev").join(name);
        if from.exists() {
            bound(&from, &at.join(name))?;
        }
    }
    for (to, name) in
        [("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr")]
    {
        symlink(to, at.join(name))?;
    }
    let message = at.join(TERMINATION);
    fs::write(&message, "")?;
    fs::set_permissions(&message, fs::Permissions::from_mode(0o666))?;
    let shared = at.join("shm");
    fs::create_dir(&shared)?;
    // Of the size that a container runtime gives it.
    mount("shm", &shared, "tmpfs", plain(), Some(c"mode=1777,size=64m"))?;
    Ok(())
}

/// Links that are followed on the way to one place (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// A path without links in it, those of its parts that are not there as they are: runc follows them within the root
/// that it mounts to (`securejoin` in libcontainer/rootfs_linux.go), which is ours by now.
fn followed(at: &Path) -> io::Result<PathBuf> {
    let mut links = 0;
    let mut open: Vec<std::ffi::OsString> = Vec::new();
    let push = |open: &mut Vec<std::ffi::OsString>, path: &Path| {
        let parts = path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        });
        open.extend(parts);
    };
    push(&mut open, at);
    let mut done = PathBuf::from("/");
    while let Some(part) = open.pop() {
        if part == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&part);
        match fs::read_link(&next) {
            Ok(_) if links == MOST_LINKS => return Err(io::ErrorKind::InvalidFilename.into()),
            Ok(to) => {
                links += 1;
                if to.is_absolute() {
                    done = PathBuf::from("/");
                }
                push(&mut open, &to);
            }
            Err(_) => done = next,
        }
    }
    Ok(done)
}

/// Makes a folder, or a file, that something can be mounted on, where there is none; gives its path without links.
fn prepare(at: &Path, is_file: bool, imitated: &mut Vec<PathBuf>) -> anyhow::Result<PathBuf> {
    if !at.is_absolute() || at.components().any(|part| part == Component::ParentDir) {
        anyhow::bail!("{} is no absolute path", at.display());
    }
    let at = followed(at)?;
    let is_there = if is_file { at.is_file() } else { at.is_dir() };
    if is_there {
        return Ok(at);
    }
    let make = || -> io::Result<()> {
        if !is_file {
            return fs::create_dir_all(&at);
        }
        at.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::File::create(&at).map(drop)
    };
    if make().is_ok() {
        return Ok(at);
    }
    let existing = at.ancestors().skip(1).find(|path| path.is_dir());
    let existing = existing.unwrap_or(Path::new("/"));
    imitate(existing)?;
    imitated.push(existing.to_path_buf());
    make().with_context(|| format!("cannot make {}", at.display()))?;
    Ok(at)
}

/// Has a folder be one that can be added to, with everything in it that was in it.
fn imitate(folder: &Path) -> anyhow::Result<()> {
    let aside = Path::new(OWN).join("aside");
    fs::create_dir_all(&aside)?;
    let mode = fs::metadata(folder)?.permissions().mode();
    mount_bind_recursive(folder, &aside)?;
    mount("tmpfs", folder, "tmpfs", plain(), Some(c"mode=755"))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))?;
    for entry in fs::read_dir(&aside)?.take(MOST_ENTRIES) {
        let entry = entry?;
        // One that cannot be seen is left out.
        let _ = bound(&entry.path(), &folder.join(entry.file_name()));
    }
    unmount(&aside, UnmountFlags::DETACH)?;
    Ok(())
}

/// Where names of hosts are looked up first.
pub(super) const HOSTS: &str = "/etc/hosts";

/// A table in which the names stand for the loopback address, where one is needed: an image has none
/// before a kubelet mounts its own, and that of the machine is changed only for names.
fn hosts(at: &Path, told: &Launch) -> io::Result<Option<OwnedFd>> {
    let mut text = match (&told.image, Path::new(HOSTS).is_file()) {
        (Some(_), _) => LOCAL.to_owned(),
        (None, true) if !told.hosts.is_empty() => fs::read_to_string(HOSTS).unwrap_or_default(),
        (None, _) => return Ok(None),
    };
    for name in &told.hosts {
        text.push_str(&format!("\n127.0.0.1 {name}\n"));
    }
    fs::write(at, text)?;
    held(at, false).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_behind_links_is_where_they_lead_whether_it_is_there_or_not() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        fs::create_dir(top.join("run")).unwrap();
        symlink("../run", top.join("run/up")).unwrap();
        symlink(top.join("run"), top.join("var")).unwrap();
        symlink("gone", top.join("dangling")).unwrap();
        symlink("loop", top.join("loop")).unwrap();
        for (at, leads) in [
            ("run", "run"),
            ("var", "run"),
            ("var/up/new/deeper", "run/new/deeper"),
            ("dangling/data", "gone/data"),
        ] {
            assert_eq!(followed(&top.join(at)).unwrap(), top.join(leads), "{at}");
        }
        assert!(followed(&top.join("loop")).is_err());
    }
}
