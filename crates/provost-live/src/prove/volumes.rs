//! The volumes of a container, with what is in them, as the kubelet makes them.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{Gid, chown};
use rustix::mount::mount;

use super::plan::{Content, Medium, Volume, VolumeFile, WRITTEN};
use super::root::{held, plain};
use super::stage::Launch;

/// Under this name the kubelet has a link to the files that are valid now (`AtomicWriter` in
/// pkg/volume/util/atomic_writer.go); those in the volume lead through it.
const DATA: &str = "..data";

/// The folder that it leads to, named for a moment.
const VERSION: &str = "..2026_01_01_00_00_00.000000001";

/// What the files of a volume may take.
const MOST_FILES: &str = "128m";

/// What may be written to a volume that is kept in memory which nobody limits, as to a root that is.
const UNLIMITED: &str = "1g";

impl Volume {
    /// Whether what is written to it goes to the disk of a node: it is evicted when that is too much (`sizeLimit`),
    /// and sees no end of it before.
    fn is_on_disk(&self) -> bool {
        self.content == Content::Empty && self.medium == Medium::Disk
    }
}

/// What is to be mounted.
#[derive(Debug)]
pub(super) struct Mounted {
    pub(super) at: PathBuf,
    /// Nothing where it is in its place already and only stays as it is.
    pub(super) tree: Option<OwnedFd>,
    pub(super) is_file: bool,
    pub(super) read_only: bool,
}

/// Makes all below a folder that nobody sees, and what is written to on the disk where there is one.
pub(super) fn make(
    below: &Path,
    disk: Option<&Path>,
    told: &Launch,
    lacks: &mut dyn FnMut(String, String),
) -> anyhow::Result<Vec<Mounted>> {
    fs::create_dir(below)?;
    let mut mounted = Vec::new();
    for (number, volume) in told.volumes.iter().enumerate() {
        let on_disk = disk.filter(|_| volume.is_on_disk());
        let folder = on_disk.unwrap_or(below).join(number.to_string());
        // What is kept for all is made once.
        let group = told.entered.root.then_some(told.fs_group).flatten();
        if let Err(error) = fill(&folder, volume, (on_disk.is_some(), told.limited), group) {
            lacks(format!("the volume {}", volume.name), format!("{error:#}"));
            continue;
        }
        for place in &volume.mounts {
            let from = match &place.sub_path {
                None => folder.clone(),
                Some(sub) => folder.join(sub),
            };
            let tree = || {
                if volume.content == Content::Empty && !from.exists() {
                    // The kubelet makes it.
                    fs::create_dir_all(&from)?;
                    fs::set_permissions(&from, fs::Permissions::from_mode(0o777))?;
                }
                held(&from, false)
            };
            match tree() {
                Ok(tree) => mounted.push(Mounted {
                    at: place.at.clone(),
                    tree: Some(tree),
                    is_file: from.is_file(),
                    read_only: place.read_only || matches!(volume.content, Content::Files(_)),
                }),
                Err(error) => {
                    lacks(format!("the volume at {}", place.at.display()), error.to_string());
                }
            }
        }
    }
    Ok(mounted)
}

fn fill(
    folder: &Path,
    volume: &Volume,
    (on_disk, limited): (bool, bool),
    group: Option<u32>,
) -> anyhow::Result<()> {
    fs::create_dir(folder)?;
    if !on_disk {
        let size = match (volume.content == Content::Empty, volume.medium) {
            (true, Medium::Memory(Some(bytes))) => format!("{}", bytes.max(1 << 12)),
            // As much as the kernel gives where nothing is said, half of what there is (tmpfs.rst).
            (true, _) if limited => "50%".to_owned(),
            // There may be many of them at a time.
            (true, _) => UNLIMITED.to_owned(),
            (false, _) => MOST_FILES.to_owned(),
        };
        let options = std::ffi::CString::new(format!("mode=777,size={size}"))?;
        mount("tmpfs", folder, "tmpfs", plain(), Some(options.as_c_str()))?;
    }
    match &volume.content {
        Content::Empty => own(folder, 0o777, group, true)?,
        Content::Written => {
            let at = folder.join(WRITTEN);
            fs::write(&at, "")?;
            fs::set_permissions(&at, fs::Permissions::from_mode(0o666))?;
        }
        Content::Files(files) => {
            let version = folder.join(VERSION);
            fs::create_dir(&version)?;
            symlink(VERSION, folder.join(DATA))?;
            for file in files {
                write(folder, &version, file, group)
                    .with_context(|| format!("cannot write {}", file.path.display()))?;
            }
            own(&version, 0o755, group, true)?;
            own(folder, 0o777, group, true)?;
        }
    }
    Ok(())
}

fn write(
    folder: &Path,
    version: &Path,
    file: &VolumeFile,
    group: Option<u32>,
) -> anyhow::Result<()> {
    let is_plain = file.path.components().all(|part| matches!(part, Component::Normal(_)));
    let first = file.path.components().next().filter(|_| is_plain);
    let first = Path::new(first.context("it is no path within a volume")?.as_os_str());
    let at = version.join(&file.path);
    if let Some(above) = at.parent() {
        fs::create_dir_all(above)?;
    }
    fs::write(&at, &file.content)?;
    // `SetVolumeOwnership` (pkg/volume/volume_linux.go): its group may read what is read-only.
    let mode = if group.is_some() { file.mode | 0o440 } else { file.mode };
    own(&at, mode, group, false)?;
    let link = folder.join(first);
    if link.symlink_metadata().is_err() {
        symlink(Path::new(DATA).join(first), link)?;
    }
    Ok(())
}

/// Gives a path its mode, and the group of the pod where it has one.
fn own(path: &Path, mode: u32, group: Option<u32>, is_folder: bool) -> anyhow::Result<()> {
    if let Some(group) = group {
        chown(path, None, Some(Gid::from_raw(group)))?;
    }
    let inherited = if group.is_some() && is_folder { 0o2000 } else { 0 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode | inherited))?;
    Ok(())
}
