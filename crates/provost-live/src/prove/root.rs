//! The root that the program sees: that of its image, or everything of the machine, and in it what is
//! the program's own: `/dev`, its volumes and the folders that they are mounted on. What it writes where
//! a container may write goes to memory and is gone with it.
//!
//! It is put together on a tmpfs that nobody else sees, out of bind mounts and overlays, and entered by
//! `pivot_root(2)`. What is needed of the machine and would be hidden is held open before
//! (`open_tree(2)`) and put in its place after.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind,
    mount_bind_recursive, mount_remount, move_mount, open_tree, unmount,
};

use super::stage::{Launch, WRITABLE};
use super::volumes;
use super::writable::{Writable, bound};

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
    let mut mounts = volumes::make(&scratch.join("volumes"), told, lacks)?;
    let hosts = hosts(&scratch.join("hosts"), told).context("cannot write the table of hosts")?;
    let (root, dev) = (scratch.join("root"), scratch.join("dev"));
    fs::create_dir(&root)?;
    devices(&dev)?;
    let dev = held(&dev, true)?;
    // What a container's root is made of can be added to until it starts, read-only or not.
    let mut writable = Writable::new(scratch.join("written"), told);
    match image {
        Some(tree) => of_image(&root, tree, &mut writable, lacks)?,
        None => {
            mount("tmpfs", &root, "tmpfs", plain(), Some(MADE))?;
            let changed = (!told.read_only_root).then_some(&mut writable);
            fill(Path::new("/"), &root, &OWN_OF_MACHINE, changed, lacks)?;
        }
    }
    if let Some(why) = writable.refused.take().filter(|_| !told.read_only_root) {
        lacks(WRITABLE.to_owned(), why);
    }
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
            mount("tmpfs", "/tmp", "tmpfs", plain(), Some(ANYBODY))?;
        }
    }
    for (path, tree) in kernel {
        let there = tree.map_err(anyhow::Error::from).and_then(|tree| {
            prepare(Path::new(path), false, &mut imitated)?;
            Ok(put(&tree, Path::new(path))?)
        });
        if let Err(error) = there {
            lacks(format!("the machine's {path}"), format!("{error:#}"));
        }
    }
    prepare(Path::new("/dev"), false, &mut imitated)?;
    put(&dev, Path::new("/dev"))?;
    guard_kernel();
    // Those above before those below.
    mounts.sort_by_key(|mount| mount.at.components().count());
    for volume in mounts {
        let mut mounting = || {
            prepare(&volume.at, volume.is_file, &mut imitated)?;
            put(&volume.tree, &volume.at)?;
            if volume.read_only {
                let flags = plain() | MountFlags::BIND | MountFlags::RDONLY;
                mount_remount(&volume.at, flags, c"")?;
            }
            anyhow::Ok(())
        };
        if let Err(error) = mounting() {
            lacks(format!("the volume at {}", volume.at.display()), format!("{error:#}"));
        }
    }
    if let Some(directory) = directory {
        prepare(&told.directory, false, &mut imitated)?;
        put(&directory, &told.directory)?;
    } else if let Err(error) = prepare(&told.directory, false, &mut imitated) {
        lacks(format!("the folder {}", told.directory.display()), format!("{error:#}"));
    }
    if let Some(hosts) = hosts {
        prepare(Path::new(HOSTS), true, &mut imitated)?;
        put(&hosts, Path::new(HOSTS))?;
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
    let root = told.read_only_root.then_some(Path::new("/"));
    for own in imitated.iter().map(PathBuf::as_path).chain(root) {
        mount_remount(own, MountFlags::BIND | MountFlags::RDONLY | plain(), c"")?;
    }
    Ok(inside)
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

/// Puts such a copy in its place.
fn put(tree: &OwnedFd, at: &Path) -> io::Result<()> {
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
    let shared = at.join("shm");
    fs::create_dir(&shared)?;
    // Of the size that a container runtime gives it.
    mount("shm", &shared, "tmpfs", plain(), Some(c"mode=1777,size=64m"))?;
    Ok(())
}

/// Makes a folder, or a file, that something can be mounted on, where there is none.
fn prepare(at: &Path, is_file: bool, imitated: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !at.is_absolute() || at.components().any(|part| part == Component::ParentDir) {
        anyhow::bail!("{} is no absolute path", at.display());
    }
    let is_there = |at: &Path| if is_file { at.is_file() } else { at.is_dir() };
    if is_there(at) {
        return Ok(());
    }
    let make = || -> io::Result<()> {
        if !is_file {
            return fs::create_dir_all(at);
        }
        at.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::File::create(at).map(drop)
    };
    if make().is_ok() {
        return Ok(());
    }
    let existing = at.ancestors().skip(1).find(|path| path.is_dir());
    let existing = existing.unwrap_or(Path::new("/"));
    imitate(existing)?;
    imitated.push(existing.to_path_buf());
    make().with_context(|| format!("cannot make {}", at.display()))
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
