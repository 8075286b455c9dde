//! The files of an image: what its layers leave, one over the other.
//!
//! Paths are absolute and clean. Symbolic links are followed inside the tree only: `..` above the
//! root is the root, as it is for a process whose root this is.

use std::collections::BTreeMap;
use std::ops::Bound;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A device, a FIFO.
    Other,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with set-uid, set-gid and sticky: `0o4755`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of a regular file.
    pub size: u64,
    /// Target of a symbolic link, as written.
    pub link: Box<str>,
    /// Index of the layer it comes from.
    pub layer: u32,
    /// Where its bytes stand: layer, and path in that layer's archive; differs from the entry's own
    /// for hard links and for entries under a linked directory.
    pub content: (u32, Box<str>),
    /// What the kernel gives to whoever executes it, where that is more than they have.
    pub capabilities: Option<Box<FileCapabilities>>,
}

/// What a file's extended attribute `security.capability` says (capabilities(7), linux/capability.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCapabilities {
    /// A bit for each.
    pub permitted: u64,
    /// Those that are kept where who executes it has them to hand on.
    pub inheritable: u64,
    /// All of them are in force at once. Then the file is not executed at all where one may not be had.
    pub effective: bool,
}

impl FileCapabilities {
    /// Reads the attribute, of version 2 or 3: flags, and two pairs of 32 bits, in little-endian order.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let four = bytes.get(at * 4..at * 4 + 4)?;
            Some(u32::from_le_bytes(four.try_into().ok()?))
        };
        let head = word(0)?;
        if !matches!(head >> 24, 2 | 3) {
            return None;
        }
        let both = |low, high| Some(u64::from(word(low)?) | u64::from(word(high)?) << 32);
        Some(Self { permitted: both(1, 3)?, inheritable: both(2, 4)?, effective: head & 1 == 1 })
    }

    /// The names of those that it gives, as manifests have them; a number where newer kernels have one.
    pub fn names(&self) -> Vec<String> {
        let has = |bit: &usize| self.permitted >> bit & 1 == 1;
        let name =
            |bit: usize| CAPABILITIES.get(bit).map_or(bit.to_string(), |it| (*it).to_owned());
        (0..64).filter(has).map(name).collect()
    }
}

/// Capabilities by number (linux/capability.h of Linux 6.18).
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

impl FileEntry {
    /// Whether both are names of the same bytes.
    pub fn same_content(&self, other: &FileEntry) -> bool {
        self.kind == FileKind::File && other.kind == FileKind::File && self.content == other.content
    }

    /// The bits of the class that a process of that user and those groups is in: owner, group or others.
    fn bits_for(&self, uid: u32, gids: &[u32]) -> u32 {
        let class = match () {
            () if uid == self.uid => 6,
            () if gids.contains(&self.gid) => 3,
            () => 0,
        };
        self.mode >> class
    }

    /// Whether a process of that user and those groups may execute it. Root needs any of the bits.
    pub fn executable_by(&self, uid: u32, gids: &[u32]) -> bool {
        match uid {
            0 => self.mode & 0o111 != 0,
            _ => self.bits_for(uid, gids) & 0o1 != 0,
        }
    }

    /// Whether a process of that user and those groups may write it. Root may write everything
    /// (CAP_DAC_OVERRIDE).
    pub fn writable_by(&self, uid: u32, gids: &[u32]) -> bool {
        uid == 0 || self.bits_for(uid, gids) & 0o2 != 0
    }

    /// Whether, in this directory, that process may put another file in the place of `file`: it may
    /// write and enter the directory, and, where that is sticky, owns one of the two (`check_sticky` of
    /// fs/namei.c).
    pub fn lets_replace(&self, file: &FileEntry, uid: u32, gids: &[u32]) -> bool {
        let owns = uid == 0 || uid == self.uid || uid == file.uid;
        self.kind == FileKind::Dir
            && self.writable_by(uid, gids)
            && self.executable_by(uid, gids)
            && (self.mode & 0o1000 == 0 || owns)
    }
}

/// All entries by absolute path. The root itself is not listed.
#[derive(Clone, Debug, Default)]
pub struct FileTree {
    entries: BTreeMap<Box<str>, FileEntry>,
}

/// Links that are followed for one path: the kernel's limit (`MAXSYMLINKS`, include/linux/namei.h).
const MOST_LINKS: usize = 40;

/// Bytes of a path, and names looked at for one, before it counts as missing: `PATH_MAX`.
const MOST_STEPS: usize = 4096;

impl FileTree {
    /// The entry at a path, links not followed.
    pub fn get(&self, path: &str) -> Option<&FileEntry> {
        self.entries.get(path)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FileEntry)> {
        self.entries.iter().map(|(path, entry)| (&**path, entry))
    }

    /// What a path leads to, every link followed, and the path it has there. `None` when there is
    /// nothing, or the links run in a circle. The root has no entry.
    pub fn lookup(&self, path: &str) -> Option<(String, &FileEntry)> {
        let at = self.resolve(path, true)?;
        let entry = self.entries.get(at.as_str())?;
        Some((at, entry))
    }

    /// The path without links: all of them, or all but one at its end. Names that do not exist are
    /// kept as they are, once nothing of what is above them is a link.
    pub fn resolve(&self, path: &str, last: bool) -> Option<String> {
        let mut at = String::new();
        // Names still to walk, the next one last.
        let mut names: Vec<&str> = path.split('/').rev().collect();
        let mut links = 0;
        let mut steps = 0;
        while let Some(name) = names.pop() {
            steps += 1;
            if steps > MOST_STEPS || at.len() > MOST_STEPS {
                return None;
            }
            match name {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                name => {
                    at.push('/');
                    at.push_str(name);
                }
            }
            let Some(entry) = self.entries.get(at.as_str()) else { continue };
            let is_end = names.iter().all(|rest| matches!(*rest, "" | "."));
            if entry.kind == FileKind::Symlink && (last || !is_end) {
                links += 1;
                if links > MOST_LINKS {
                    return None;
                }
                if entry.link.starts_with('/') {
                    at.clear();
                } else {
                    at.truncate(at.rfind('/').unwrap_or(0));
                }
                names.extend(entry.link.split('/').rev());
            }
        }
        Some(if at.is_empty() { "/".to_owned() } else { at })
    }

    /// Whether a path leads to something.
    pub fn exists(&self, path: &str) -> bool {
        self.resolve(path, true).is_some_and(|at| at == "/" || self.entries.contains_key(&*at))
    }

    /// Everything below a directory, at any depth; the directory's own links are not followed.
    pub fn below<'t>(
        &'t self,
        dir: &str,
    ) -> impl Iterator<Item = (&'t str, &'t FileEntry)> + use<'t> {
        let (from, to) = range_below(dir);
        self.entries
            .range::<str, _>((Bound::Excluded(&*from), Bound::Excluded(&*to)))
            .map(|(path, entry)| (&**path, entry))
    }

    /// Whether a directory has anything in it, links to it followed. Archives need not list the
    /// directories that their files lie in.
    pub fn is_filled(&self, dir: &str) -> bool {
        let at = self.resolve(dir, true);
        at.is_some_and(|at| self.below(&at).any(|(_, entry)| entry.kind != FileKind::Dir))
    }

    /// Names directly in a directory, links to it followed.
    pub fn children<'t>(
        &'t self,
        dir: &str,
    ) -> impl Iterator<Item = (&'t str, &'t FileEntry)> + use<'t> {
        let at = self.resolve(dir, true).unwrap_or_else(|| dir.to_owned());
        let start = at.trim_end_matches('/').len() + 1;
        self.below(&at).filter_map(move |(path, entry)| {
            let name = path.get(start..)?;
            (!name.contains('/')).then_some((name, entry))
        })
    }

    /// Puts an entry at a path. What is no directory has nothing below it.
    pub fn insert(&mut self, path: &str, entry: FileEntry) {
        let was_dir = self.entries.get(path).is_none_or(|old| old.kind == FileKind::Dir);
        if entry.kind != FileKind::Dir && was_dir {
            self.remove_below(path);
        }
        self.entries.insert(path.into(), entry);
    }

    /// Takes away a path and everything below it.
    pub fn remove(&mut self, path: &str) {
        self.entries.remove(path);
        self.remove_below(path);
    }

    /// Takes away everything below a directory.
    pub fn remove_below(&mut self, dir: &str) {
        // One by one: taking a range out of the map would copy all that stays.
        let gone: Vec<Box<str>> = self.below(dir).map(|(path, _)| path.into()).collect();
        for path in gone {
            self.entries.remove(&path);
        }
    }
}

/// Keys strictly between these two are below `dir`: `0` follows `/` in every encoding that counts.
fn range_below(dir: &str) -> (String, String) {
    let dir = dir.trim_end_matches('/');
    (format!("{dir}/"), format!("{dir}0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: FileKind, link: &str) -> FileEntry {
        FileEntry {
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size: 0,
            link: link.into(),
            layer: 0,
            content: (0, "".into()),
            capabilities: None,
        }
    }

    #[test]
    fn capabilities_of_a_file_are_read_as_the_kernel_wrote_them() {
        // What `setcap cap_net_bind_service=+ep` and `cap_net_raw,cap_bpf=+p` wrote.
        let low = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let read = FileCapabilities::read(&low).unwrap();
        assert_eq!((read.names(), read.effective), (vec!["NET_BIND_SERVICE".to_owned()], true));
        let high = [0, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
        let read = FileCapabilities::read(&high).unwrap();
        assert_eq!((read.names(), read.effective), (vec!["NET_RAW".into(), "BPF".into()], false));
        assert_eq!(CAPABILITIES[39], "BPF");
        for broken in [&low[..19], &[], &[0, 0, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(FileCapabilities::read(broken), None, "{broken:?}");
        }
    }

    fn tree(all: &[(&str, FileKind, &str)]) -> FileTree {
        let mut tree = FileTree::default();
        for (path, kind, link) in all {
            tree.insert(path, entry(*kind, link));
        }
        tree
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        use FileKind::{Dir, File, Symlink};
        let tree = tree(&[
            ("/bin", Symlink, "usr/bin"),
            ("/usr", Dir, ""),
            ("/usr/bin", Dir, ""),
            ("/usr/bin/sh", Symlink, "/bin/dash"),
            ("/usr/bin/dash", File, ""),
            ("/usr/bin/up", Symlink, "../../../../../usr/bin/dash"),
            ("/loop", Symlink, "/loop"),
            ("/a", Symlink, "b"),
            ("/b", Symlink, "a"),
        ]);
        assert_eq!(tree.lookup("/bin/sh").unwrap().0, "/usr/bin/dash");
        assert_eq!(tree.lookup("/bin/up").unwrap().0, "/usr/bin/dash");
        assert_eq!(tree.lookup("/bin/../../bin/./sh").unwrap().0, "/usr/bin/dash");
        assert!(tree.lookup("/loop").is_none() && tree.lookup("/a/x").is_none());
        assert!(!tree.exists("/b") && tree.exists("/") && tree.exists("/bin"));
        assert_eq!(tree.resolve("/bin/sh", false).unwrap(), "/usr/bin/sh");
        let names: Vec<&str> = tree.children("/bin").map(|(name, _)| name).collect();
        assert_eq!(names, ["dash", "sh", "up"]);
    }

    #[test]
    fn who_may_write_a_file_and_who_may_replace_it() {
        let own = |kind, mode, uid, gid| FileEntry { mode, uid, gid, ..entry(kind, "") };
        let file = own(FileKind::File, 0o755, 0, 0);
        assert!(!file.writable_by(65532, &[65532]) && file.writable_by(0, &[]));
        assert!(own(FileKind::File, 0o775, 0, 7).writable_by(65532, &[65532, 7]));
        assert!(own(FileKind::File, 0o757, 0, 0).writable_by(65532, &[65532]));
        // The owner's bits count for the owner, whatever those of others are.
        assert!(!own(FileKind::File, 0o577, 65532, 0).writable_by(65532, &[0]));
        let dir = |mode, uid| own(FileKind::Dir, mode, uid, 0);
        assert!(dir(0o777, 0).lets_replace(&file, 65532, &[]));
        assert!(!dir(0o1777, 0).lets_replace(&file, 65532, &[]), "sticky");
        assert!(dir(0o1777, 65532).lets_replace(&file, 65532, &[]));
        assert!(!dir(0o755, 0).lets_replace(&file, 65532, &[]));
        assert!(!dir(0o766, 0).lets_replace(&file, 65532, &[]), "it cannot be entered");
    }

    #[test]
    fn a_link_that_grows_has_an_end() {
        let long = format!("{}x", "d/../".repeat(800));
        let mut all = tree(&[("/d", FileKind::Dir, "")]);
        all.insert("/x", entry(FileKind::Symlink, &long));
        assert!(all.lookup("/x").is_none());
    }

    #[test]
    fn what_replaces_a_directory_takes_what_was_below() {
        use FileKind::{Dir, File};
        let mut tree =
            tree(&[("/a", Dir, ""), ("/a/b", File, ""), ("/a-b", File, ""), ("/ab", File, "")]);
        tree.insert("/a", entry(Dir, ""));
        assert!(tree.exists("/a/b"));
        tree.insert("/a", entry(File, ""));
        assert!(!tree.exists("/a/b") && tree.exists("/a-b") && tree.exists("/ab"));
        tree.remove("/a");
        assert_eq!(tree.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["/a-b", "/ab"]);
    }
}
