//! Folders that can be written to, without what is written going anywhere: an overlay over each, whose
//! upper half is memory.

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

/// The overlays of one root.
#[derive(Debug)]
pub(super) struct Writable {
    /// Where their upper halves are.
    at: PathBuf,
    /// Overlays that were made.
    count: usize,
    user_namespace: bool,
    /// Why one could not be made.
    pub(super) refused: Option<String>,
}

impl Writable {
    pub(super) fn new(at: PathBuf, told: &Launch) -> Self {
        let user_namespace = !told.entered.root;
        Self { at, count: 0, user_namespace, refused: None }
    }

    /// Puts one over a folder and shows both at a path; whether that could be done.
    pub(super) fn over(&mut self, lower: &Path, at: &Path) -> bool {
        match self.try_over(lower, at) {
            Ok(()) => true,
            Err(error) => {
                self.refused
                    .get_or_insert_with(|| format!("no overlay over {}: {error}", lower.display()));
                false
            }
        }
    }

    fn try_over(&mut self, lower: &Path, at: &Path) -> io::Result<()> {
        if self.count == 0 {
            fs::create_dir_all(&self.at)?;
            mount("tmpfs", &self.at, "tmpfs", plain(), Some(MOST))?;
        }
        self.count += 1;
        let own = self.at.join(self.count.to_string());
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

    /// Shows what is mounted below a folder, which an overlay over it does not.
    pub(super) fn mounts_below(&self, folder: &Path, root: &Path) {
        let mut shown: Option<PathBuf> = None;
        let mut all = readonly::mounted_below(folder);
        all.sort();
        for at in all {
            // Those below one that is shown are with it.
            if shown.as_ref().is_some_and(|above| at.starts_with(above)) {
                continue;
            }
            let to = root.join(at.strip_prefix("/").unwrap_or(&at));
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
