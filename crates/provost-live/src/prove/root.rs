//! The root that the program sees: everything of the machine, read-only, and in it what is the
//! program's own: `/tmp`, `/dev`, its volumes and the folders that they are mounted on.
//!
//! It is put together on a tmpfs that nobody else sees, out of bind mounts, and entered by
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

use super::stage::Launch;
use super::volumes;

/// What is ours in there.
const OWN: &str = "/.provost";

/// Where the new root and the volumes are put together; what is there is hidden meanwhile.
const SCRATCH: &str = "/tmp";

/// Entries of a folder that is made anew so that others can be put beside them.
const MOST_ENTRIES: usize = 4096;

/// Devices that a container has (`SupportedFilesystems` and devices of the OCI runtime specification).
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What container runtimes make read-only of `/proc`.
const KERNEL: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Of a folder that anybody may write to.
const ANYBODY: &std::ffi::CStr = c"mode=1777,size=1g";

fn plain() -> MountFlags {
    MountFlags::NOSUID | MountFlags::NODEV
}

/// Goes into the new root and gives the place of the program in it. What could not be had is told.
pub(super) fn enter(
    told: &Launch,
    lacks: &mut dyn FnMut(String, String),
) -> anyhow::Result<PathBuf> {
    let program = held(&told.program, false).context("cannot hold the program")?;
    // A folder below one that is its own there would be out of sight.
    let hidden = ["/tmp", "/dev"].iter().any(|own| told.directory.starts_with(own));
    let directory = (hidden && told.directory != Path::new("/tmp"))
        .then(|| held(&told.directory, true).ok())
        .flatten();
    let scratch = Path::new(SCRATCH);
    mount("tmpfs", scratch, "tmpfs", plain(), Some(c"mode=755"))?;
    let mut mounts = volumes::make(&scratch.join("volumes"), told, lacks)?;
    let root = scratch.join("root");
    fs::create_dir(&root)?;
    mount("tmpfs", &root, "tmpfs", plain(), Some(c"mode=755"))?;
    fill(&root, lacks)?;
    std::env::set_current_dir(&root)?;
    // The old root lies on the new one afterwards, and is taken off (pivot_root(2), NOTES).
    rustix::process::pivot_root(".", ".").context("cannot change the root")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")?;

    fs::create_dir(OWN)?;
    if !mounts.iter().any(|mount| mount.at == Path::new("/tmp")) {
        mount("tmpfs", "/tmp", "tmpfs", plain(), Some(ANYBODY))?;
    }
    let mut imitated = Vec::new();
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
    name_hosts(&told.hosts).context("cannot write /etc/hosts")?;
    let name = told.program.file_name().unwrap_or(std::ffi::OsStr::new("program"));
    let inside = Path::new(OWN).join(name);
    fs::File::create(&inside)?;
    put(&program, &inside)?;
    for own in imitated.iter().map(PathBuf::as_path).chain([Path::new("/")]) {
        mount_remount(own, MountFlags::BIND | MountFlags::RDONLY | plain(), c"")?;
    }
    Ok(inside)
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

/// What the machine has at its root, but for what is the program's own.
fn fill(root: &Path, lacks: &mut dyn FnMut(String, String)) -> io::Result<()> {
    for entry in fs::read_dir("/")?.take(MOST_ENTRIES) {
        let entry = entry?;
        let (from, to) = (entry.path(), root.join(entry.file_name()));
        if ["/tmp", "/dev", OWN].iter().any(|own| from == Path::new(own)) {
            continue;
        }
        if let Err(error) = bound(&from, &to) {
            lacks(format!("the machine's {}", from.display()), error.to_string());
        }
    }
    fs::create_dir(root.join("tmp"))?;
    devices(&root.join("dev"))?;
    for path in KERNEL {
        let path = root.join(path.trim_start_matches('/'));
        // Where it is not there, or is so already, there is nothing to do.
        if mount_bind(&path, &path).is_ok() {
            let flags = plain() | MountFlags::NOEXEC | MountFlags::BIND | MountFlags::RDONLY;
            let _ = mount_remount(&path, flags, c"");
        }
    }
    Ok(())
}

/// Has a path show what another is.
fn bound(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    match kind.is_dir() {
        true => fs::create_dir(to)?,
        false => drop(fs::File::create(to)?),
    }
    mount_bind_recursive(from, to).map_err(io::Error::from)
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

/// Has the names stand for the loopback address, where there is a table of names.
fn name_hosts(names: &[String]) -> io::Result<()> {
    let table = Path::new(HOSTS);
    if names.is_empty() || !table.is_file() {
        return Ok(());
    }
    let mut text = fs::read_to_string(table).unwrap_or_default();
    for name in names {
        text.push_str(&format!("\n127.0.0.1 {name}\n"));
    }
    let inside = Path::new(OWN).join("hosts");
    fs::write(&inside, text)?;
    mount_bind(&inside, table).map_err(io::Error::from)
}
