//! The files of an image in a folder, as its layers leave them.
//!
//! What they leave is known before ([`FileTree`]): nothing that a later layer hides is ever written, and no
//! link of the image is followed. Every path is opened from the folder on, so that nothing can be made
//! outside of it (`openat2(2)` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, anyhow, bail};
use provost_check::artifact::image::{Limits, Place, contents};
use provost_check::facts::image::Image;
use provost_check::facts::image_files::{FileEntry, FileKind, FileTree};
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Uid, chmodat, chownat, fchmod, fchown, linkat,
    mkdirat, open, openat, openat2, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::harness::free;

/// Bytes of all files together.
const MOST: u64 = 8 << 30;

/// Bytes that are left to others on the disk.
const SPARED: u64 = 256 << 20;

/// Writes the files of an image into an empty folder. Gives how many were left out that are neither
/// files, folders nor links: a container's devices are its own.
///
/// # Errors
/// The image is too large or cannot be read, the folder cannot be written to, or `stop` is raised.
pub fn unpack(
    image: &Image,
    place: Place<'_>,
    platform: Option<&str>,
    below: &Path,
    stop: &AtomicBool,
) -> Result<usize> {
    room_for(&image.files, below)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = open(below, flags, Mode::empty()).context("cannot open the folder")?;
    let tree = Tree { root, owned: geteuid().is_root() };
    let folders = folders(&image.files);
    for path in folders.keys() {
        tree.folder(path).with_context(|| format!("cannot make {path}"))?;
    }
    let mut left_out = 0;
    for (path, file) in image.files.iter() {
        match file.kind {
            FileKind::Symlink => {
                tree.link(path, file).with_context(|| format!("cannot make the link {path}"))?;
            }
            FileKind::Other => left_out += 1,
            FileKind::File | FileKind::Dir => {}
        }
    }
    let mut written = 0;
    // Further names of a file: a layer that holds it twice replaces the first.
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut each = |paths: &[&str], bytes: &mut dyn Read| {
        if stop.load(Ordering::SeqCst) {
            return Err(io::Error::other("interrupted"));
        }
        let (Some(first), Some(file)) =
            (paths.first(), paths.first().and_then(|it| image.files.get(it)))
        else {
            return Ok(());
        };
        // The list says how much there is; a body that is longer now is another image's.
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{first}: {error}"));
        written += tree.file(first, file, bytes).map_err(named)?;
        if written > MOST {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let others = paths.iter().skip(1).map(|other| (*other).to_owned()).collect();
        names.insert((*first).to_owned(), others);
        Ok(())
    };
    contents(place, platform, image, &Limits::default(), &mut each).map_err(|why| anyhow!(why))?;
    for (first, others) in &names {
        for other in others {
            tree.also(first, other).with_context(|| format!("cannot make {other}"))?;
        }
    }
    let there: BTreeSet<&str> = names
        .iter()
        .flat_map(|(it, others)| others.iter().chain([it]))
        .map(String::as_str)
        .collect();
    let mut files = image.files.iter().filter(|(_, file)| file.kind == FileKind::File);
    if let Some((path, _)) = files.find(|(path, _)| !there.contains(path)) {
        bail!("the layers do not have {path} any more");
    }
    tree.open_to_all()?;
    // From below upwards: a folder may forbid to change what is in it.
    for (path, entry) in folders.iter().rev() {
        if let Some(entry) = entry {
            tree.finish(path, entry).with_context(|| format!("cannot finish {path}"))?;
        }
    }
    Ok(left_out)
}

/// Whether all of it may be written there, and fits.
fn room_for(files: &FileTree, below: &Path) -> Result<()> {
    let mut sizes = BTreeMap::new();
    for (_, file) in files.iter().filter(|(_, file)| file.kind == FileKind::File) {
        sizes.insert(&file.content, file.size);
    }
    let bytes: u64 = sizes.values().fold(0, |all, size| u64::saturating_add(all, *size));
    if bytes > MOST {
        bail!("its files have {} MiB, and {} MiB are unpacked at most", bytes >> 20, MOST >> 20);
    }
    let free = free(below).context("the disk does not say how much is free")?;
    if bytes.saturating_add(SPARED) > free {
        let free = free >> 20;
        bail!(
            "its files have {} MiB, and {free} MiB are free there: name another folder with TMPDIR",
            bytes >> 20
        );
    }
    Ok(())
}

/// All folders, those above before those below; archives need not list those that their files lie in.
fn folders(files: &FileTree) -> BTreeMap<&str, Option<&FileEntry>> {
    let mut folders: BTreeMap<&str, Option<&FileEntry>> = BTreeMap::new();
    for (path, entry) in files.iter() {
        let mut above = path;
        while let Some((folder, _)) =
            above.rsplit_once('/').filter(|(folder, _)| !folder.is_empty())
        {
            if folders.contains_key(folder) {
                break;
            }
            folders.insert(folder, None);
            above = folder;
        }
        if entry.kind == FileKind::Dir {
            folders.insert(path, Some(entry));
        }
    }
    folders
}

struct Tree {
    root: OwnedFd,
    /// Files are given to those who own them in the image.
    owned: bool,
}

impl Tree {
    /// The folder that a path of the image lies in, and its name there.
    fn above<'p>(&self, path: &'p str) -> io::Result<(OwnedFd, &'p str)> {
        let path = path.trim_start_matches('/');
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        // The list has clean paths only.
        if name.is_empty() || name == "." || name == ".." {
            return Err(ErrorKind::InvalidFilename.into());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let folder = openat2(&self.root, folder, flags, Mode::empty(), resolve)?;
        Ok((folder, name))
    }

    fn folder(&self, path: &str) -> io::Result<()> {
        let (above, name) = self.above(path)?;
        let mode = Mode::from_raw_mode(0o755);
        mkdirat(&above, name, mode)?;
        // Whatever mask who runs this has: layers need not list it.
        chmodat(&above, name, mode, AtFlags::empty()).map_err(io::Error::from)
    }

    /// The root, which layers need not list either.
    fn open_to_all(&self) -> io::Result<()> {
        let mode = Mode::from_raw_mode(0o755);
        chmodat(&self.root, ".", mode, AtFlags::empty()).map_err(io::Error::from)
    }

    fn link(&self, path: &str, file: &FileEntry) -> io::Result<()> {
        let (above, name) = self.above(path)?;
        symlinkat(&*file.link, &above, name)?;
        if self.owned {
            let (uid, gid) = (Uid::from_raw(file.uid), Gid::from_raw(file.gid));
            chownat(&above, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    /// Gives the bytes that were written.
    fn file(&self, path: &str, file: &FileEntry, bytes: &mut dyn Read) -> io::Result<u64> {
        let (above, name) = self.above(path)?;
        match unlinkat(&above, name, AtFlags::empty()) {
            // One that the same layer had before may be of a mode that keeps its owner from writing to it.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NONBLOCK;
        let mut to = File::from(openat(&above, name, flags, Mode::from_raw_mode(0o600))?);
        let written = io::copy(bytes, &mut to)?;
        if self.owned {
            fchown(&to, Some(Uid::from_raw(file.uid)), Some(Gid::from_raw(file.gid)))?;
        }
        // A change of the owner takes set-uid bits away.
        fchmod(&to, mode(file))?;
        Ok(written)
    }

    /// A further name of a file.
    fn also(&self, path: &str, other: &str) -> io::Result<()> {
        let (from, old) = self.above(path)?;
        let (to, new) = self.above(other)?;
        match linkat(&from, old, &to, new, AtFlags::empty()) {
            Err(Errno::EXIST) => Ok(()),
            done => done.map_err(io::Error::from),
        }
    }

    fn finish(&self, path: &str, entry: &FileEntry) -> io::Result<()> {
        let (above, name) = self.above(path)?;
        if self.owned {
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            chownat(&above, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        // It was made here, and is a folder.
        chmodat(&above, name, mode(entry), AtFlags::empty()).map_err(io::Error::from)
    }
}

fn mode(entry: &FileEntry) -> Mode {
    Mode::from_raw_mode(entry.mode & 0o7777)
}

/// A file of the unpacked image, by its path in it, every link followed inside.
///
/// # Errors
/// It is not there, or is no regular file.
pub fn open_inside(below: &Path, path: &str) -> io::Result<File> {
    let root =
        openat(CWD, below, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(root.as_fd(), path, flags, Mode::empty(), resolve)?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: FileKind, size: u64, content: &str) -> FileEntry {
        let content = (0, content.into());
        let (link, capabilities) = ("".into(), None);
        FileEntry { kind, mode: 0o755, uid: 0, gid: 0, size, link, layer: 0, content, capabilities }
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_is_written() {
        let below = tempfile::tempdir().unwrap();
        let mut files = FileTree::default();
        // Names of one file are one file.
        files.insert("/a", entry(FileKind::File, 5 << 30, "a"));
        files.insert("/b", entry(FileKind::File, 5 << 30, "a"));
        let fits = (5u64 << 30) + SPARED <= free(below.path()).unwrap();
        assert_eq!(room_for(&files, below.path()).is_ok(), fits);
        files.insert("/c", entry(FileKind::File, 5 << 30, "c"));
        let told = room_for(&files, below.path()).unwrap_err().to_string();
        assert!(told.contains("10240 MiB, and 8192 MiB are unpacked at most"), "{told}");
    }

    #[test]
    fn folders_that_no_archive_lists_are_made_those_above_first() {
        let mut files = FileTree::default();
        files.insert("/usr/lib/x/y", entry(FileKind::File, 1, "y"));
        files.insert("/usr/lib", entry(FileKind::Dir, 0, "lib"));
        let folders = folders(&files);
        let names: Vec<(&str, bool)> =
            folders.iter().map(|(path, entry)| (*path, entry.is_some())).collect();
        assert_eq!(names, [("/usr", false), ("/usr/lib", true), ("/usr/lib/x", false)]);
    }

    #[test]
    fn nothing_is_made_through_a_link_or_above_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let below = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), below.path().join("out")).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(below.path(), flags, Mode::empty()).unwrap();
        let tree = Tree { root, owned: false };
        let file = entry(FileKind::File, 4, "x");
        for path in ["/out/evil", "/../evil", "/a/../../evil", "/.."] {
            assert!(tree.file(path, &file, &mut &b"evil"[..]).is_err(), "{path}");
            assert!(tree.folder(path).is_err(), "{path}");
        }
        // A link in its own place is not written through.
        assert_eq!(tree.file("/out", &file, &mut &b"fine"[..]).unwrap(), 4);
        assert!(below.path().join("out").symlink_metadata().unwrap().is_file());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        assert_eq!(tree.file("/in", &file, &mut &b"fine"[..]).unwrap(), 4);
        assert_eq!(std::fs::read(below.path().join("in")).unwrap(), b"fine");
    }

    #[test]
    fn a_read_only_file_that_a_layer_holds_twice_is_the_later_one() {
        let below = tempfile::tempdir().unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let tree = Tree { root: open(below.path(), flags, Mode::empty()).unwrap(), owned: false };
        let file = FileEntry { mode: 0o444, ..entry(FileKind::File, 4, "x") };
        for bytes in [&b"first"[..], b"then"] {
            let mut from = bytes;
            tree.file("/tool", &file, &mut from).unwrap();
            // Not written into: it is another file.
            assert_eq!(std::fs::read(below.path().join("tool")).unwrap(), bytes);
        }
        tree.folder("/unlisted").unwrap();
        tree.open_to_all().unwrap();
        for folder in ["", "unlisted"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(below.path().join(folder)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o755, "{folder}");
        }
    }
}
