//! Folders that can be written to, without what is written going anywhere: an overlay over each, whose
//! upper half is on a disk, as that of a container is, or in memory where there is none.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{mount, mount_bind_recursive};

use super::readonly;
use super::root::plain;
use super::stage::Launch;

/// What may be written to all of them.
const MOST: &std::ffi::CStr = c"mode=755,size=1g";

/// Overlays of one root.
const MOST_OVERLAYS: usize = 256;

/// The overlays of one root.
#[derive(Debug)]
pub(super) struct Writable {
    /// Where their upper halves are.
    at: PathBuf,
    /// A folder on a disk, where they are else.
    disk: Option<PathBuf>,
    /// Overlays that were made.
    count: usize,
    user_namespace: bool,
    /// Where they are shown.
    pub(super) shown: Vec<PathBuf>,
    /// Why one could not be made.
    pub(super) refused: Option<String>,
    /// Why their upper halves are not on the disk.
    pub(super) no_disk: Option<String>,
}

impl Writable {
    pub(super) fn new(at: PathBuf, disk: Option<PathBuf>, told: &Launch) -> Self {
        Self {
            at,
            disk,
            count: 0,
            user_namespace: !told.entered.root,
            shown: Vec::new(),
            refused: None,
            no_disk: None,
        }
    }

    /// Puts one over a folder and shows both at a path; whether that could be done.
    pub(super) fn over(&mut self, lower: &Path, at: &Path) -> bool {
        let mut done = self.try_over(lower, at);
        // Not every file system of a disk takes one, that of a container for example.
        if let Err(error) = &done
            && self.shown.is_empty()
            && let Some(disk) = self.disk.take()
        {
            let why = format!("no overlay on it: {error}");
            self.count = 0;
            done = self.try_over(lower, at);
            match &done {
                Ok(()) => self.no_disk = Some(why),
                // It is the folder that takes none.
                Err(_) => self.disk = Some(disk),
            }
        }
        match done {
            Ok(()) => {
                self.shown.push(at.to_path_buf());
                true
            }
            Err(error) => {
                self.refused
                    .get_or_insert_with(|| format!("no overlay over {}: {error}", lower.display()));
                false
            }
        }
    }

    fn try_over(&mut self, lower: &Path, at: &Path) -> io::Result<()> {
        if self.count == 0 && self.disk.is_none() {
            fs::create_dir_all(&self.at)?;
            mount("tmpfs", &self.at, "tmpfs", plain(), Some(MOST))?;
        }
        self.count += 1;
        if self.count > MOST_OVERLAYS {
            return Err(io::Error::other("there are too many folders"));
        }
        let own = self.disk.as_ref().unwrap_or(&self.at).join(self.count.to_string());
        let (upper, work) = (own.join("upper"), own.join("work"));
        fs::create_dir_all(&upper)?;
        fs::create_dir(&work)?;
        // The folder itself is shown as its upper half is.
        let shown = fs::metadata(lower)?;
        // In a user namespace others than ourselves are nobody.
        let _ = chown(&upper, Some(shown.uid()), Some(shown.gid()));
        fs::set_permissions(&upper, fs::Permissions::from_mode(shown.permissions().mode()))?;
        let escaped = |path: &Path| {
            // Colons part the lower folders, commas the options (`ovl_parse_param_lowerdir`, fs/overlayfs).
            let text = path.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
            let mut escaped = String::new();
            for c in text.chars() {
                if matches!(c, '\\' | ':' | ',') {
                    escaped.push('\\');
                }
                escaped.push(c);
            }
            io::Result::Ok(escaped)
        };
        let mut options = format!(
            "lowerdir={},upperdir={},workdir={}",
            escaped(lower)?,
            escaped(&upper)?,
            escaped(&work)?
        );
        if self.user_namespace {
            // Attributes of `trusted` are for root of the machine (overlayfs.rst).
            options.push_str(",userxattr");
        }
        let options = CString::new(options)?;
        mount("overlay", at, "overlay", plain(), Some(options.as_c_str())).map_err(io::Error::from)
    }

    /// Shows what is mounted below a folder, which an overlay over it does not: by overlays of its own, for nobody
    /// reaches a socket of this machine through one.
    pub(super) fn mounts_below(&mut self, folder: &Path, root: &Path) {
        let mut shown: Option<PathBuf> = None;
        let mut all = readonly::mounted_below(folder);
        all.sort();
        for at in all {
            // Those below one that is shown are with it.
            if shown.as_ref().is_some_and(|above| at.starts_with(above)) {
                continue;
            }
            let to = root.join(at.strip_prefix("/").unwrap_or(&at));
            if at.is_dir() && self.over(&at, &to) {
                continue;
            }
            // One that cannot be seen is left out.
            if mount_bind_recursive(&at, &to).is_ok() {
                shown = Some(at);
            }
        }
    }
}

/// Has a path show what another is.
pub(super) fn bound(from: &Path, to: &Path) -> io::Result<()> {
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
