//! Makes everything that is mounted read-only for the calling process's mount namespace: a program
//! that runs here must not change the machine, whatever user it runs as.

use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount_remount};

/// The kernel's own; what can be written there is guarded by rights that the program has not.
const KERNEL: [&str; 2] = ["/proc", "/dev"];

/// A mount, by proc_pid_mountinfo(5).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    /// Those that may not be dropped when it is mounted anew.
    flags: MountFlags,
}

/// Remounts what there is, those below before those above.
///
/// # Errors
/// When the root cannot be.
pub(super) fn make_read_only() -> io::Result<()> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    let mut mounts: Vec<Mount> = table.split(|byte| *byte == b'\n').filter_map(mount_of).collect();
    mounts.reverse();
    for mount in mounts {
        let of_kernel = KERNEL.iter().any(|root| mount.at.starts_with(root));
        let shared = mount.at.starts_with("/dev/shm");
        if of_kernel && !shared {
            continue;
        }
        let flags = mount.flags | MountFlags::BIND | MountFlags::RDONLY;
        let done = mount_remount(&mount.at, flags, c"");
        // What lies under another mount is out of reach as it is.
        if mount.at == Path::new("/") {
            done?;
        }
    }
    Ok(())
}

/// Where something is mounted below a folder.
pub(super) fn mounted_below(folder: &Path) -> Vec<PathBuf> {
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mounts = table.split(|byte| *byte == b'\n').filter_map(mount_of);
    mounts.map(|mount| mount.at).filter(|at| at != folder && at.starts_with(folder)).collect()
}

/// A line of the table: numbers, root, mount point, options.
fn mount_of(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let at = unescaped(fields.nth(4)?);
    let mut flags = MountFlags::empty();
    for option in fields.next()?.split(|byte| *byte == b',') {
        flags |= match option {
            b"nosuid" => MountFlags::NOSUID,
            b"nodev" => MountFlags::NODEV,
            b"noexec" => MountFlags::NOEXEC,
            b"noatime" => MountFlags::NOATIME,
            b"nodiratime" => MountFlags::NODIRATIME,
            b"relatime" => MountFlags::RELATIME,
            _ => MountFlags::empty(),
        };
    }
    Some(Mount { at, flags })
}

/// Blanks, tabs, line breaks and backslashes stand as `\` and three octal digits.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_and_how() {
        let line =
            br"28 27 0:25 / /mnt/a\040b\134 ro,nosuid,nodev,relatime - tmpfs none ro,size=4k";
        let mount = mount_of(line).unwrap();
        assert_eq!(mount.at, Path::new(r"/mnt/a b\"));
        assert_eq!(mount.flags, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RELATIME);
        assert_eq!(mount_of(b"28 27 0:25 /"), None);
        assert_eq!(mount_of(b""), None);
    }
}
