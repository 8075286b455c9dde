//! What descriptors lead to, by what the log itself says of them.

use memchr::{memchr, memmem};
use rustc_hash::FxHashMap;

use crate::model::syscalls::Target;

/// Descriptors of a process of which something is kept.
const MOST: usize = 65_536;
/// Bytes of a name.
const LONGEST: usize = 256;

/// What is known of a descriptor.
#[derive(Clone, Debug)]
pub(super) struct Descriptor {
    pub(super) name: Box<str>,
    pub(super) target: Target,
    /// It does not block, and the poller watches it.
    pub(super) polled: bool,
}

/// All of a process.
#[derive(Clone, Debug, Default)]
pub(super) struct Descriptors(FxHashMap<i64, Descriptor>);

impl Descriptors {
    pub(super) fn get(&self, fd: i64) -> Option<&Descriptor> {
        self.0.get(&fd)
    }

    pub(super) fn put(&mut self, fd: i64, name: &str, target: Target, polled: bool) {
        if fd >= 0 && (self.0.len() < MOST || self.0.contains_key(&fd)) {
            self.0.insert(fd, Descriptor { name: Box::from(name), target, polled });
        }
    }

    pub(super) fn set_polled(&mut self, fd: i64, polled: bool, name: &str, target: Target) {
        match self.0.get_mut(&fd) {
            Some(known) => known.polled = polled,
            None => self.put(fd, name, target, polled),
        }
    }

    pub(super) fn copy(&mut self, from: i64, to: i64) {
        if let Some(known) = self.0.get(&from).cloned() {
            self.put(to, &known.name, known.target, known.polled);
        }
    }

    pub(super) fn close(&mut self, fd: i64) {
        self.0.remove(&fd);
    }
}

/// A descriptor as an argument: its number and, with `-y`, what it leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Argument<'a> {
    pub(super) fd: Option<i64>,
    pub(super) name: Option<&'a str>,
}

/// The descriptor that stands first: `3</a>, …`, `fd: 3</a>, …` of perf, `[{fd=3</a>, …` of `poll`.
pub(super) fn first(args: &[u8]) -> Argument<'_> {
    let from = match args.first() {
        Some(b'0'..=b'9') => 0,
        Some(b'f') if args.starts_with(b"fd: ") => 4,
        Some(b'[') => {
            let near = args.get(..args.len().min(64)).unwrap_or_default();
            match memmem::find(near, b"fd=") {
                Some(at) => at + 3,
                None => return Argument::default(),
            }
        }
        _ => return Argument::default(),
    };
    descriptor(args.get(from..).unwrap_or_default())
}

/// What stands at the front: of an argument, or of a result.
pub(super) fn descriptor(text: &[u8]) -> Argument<'_> {
    let count = text.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    let Some((number, rest)) = text.split_at_checked(count) else { return Argument::default() };
    // An address: `futex(0xc000058548, …`.
    if rest.first() == Some(&b'x') {
        return Argument::default();
    }
    let fd = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
    Argument { fd, name: fd.and_then(|_| named(rest)) }
}

/// `<…>`, in which connections have arrows: `<TCP:[a->b]>`.
fn named(text: &[u8]) -> Option<&str> {
    let inside = text.strip_prefix(b"<")?;
    let near = inside.get(..inside.len().min(4096)).unwrap_or_default();
    let mut from = 0;
    while let Some(at) = memchr(b'>', near.get(from..)?) {
        let end = from + at;
        let arrow = end.checked_sub(1).and_then(|before| near.get(before)) == Some(&b'-')
            && near.get(end + 1).is_some_and(|next| next.is_ascii_digit() || *next == b'[');
        // Devices have a second pair: `</dev/pts/0<char 136:0>>`
        let inner = near.get(end + 1) == Some(&b'>') && memchr(b'<', near.get(..end)?).is_some();
        if !arrow && !inner {
            return short(near.get(..end)?);
        }
        from = end + 1;
    }
    None
}

/// The name of a file among the arguments: `AT_FDCWD</srv>, "data/0", O_RDONLY`.
pub(super) fn path(args: &[u8]) -> Option<String> {
    let from = memchr(b'"', args.get(..args.len().min(512))?)? + 1;
    let rest = args.get(from..)?;
    let name = short(rest.get(..memchr(b'"', rest)?)?)?;
    if name.starts_with('/') || name.is_empty() {
        return (!name.is_empty()).then(|| name.to_owned());
    }
    let folder = args.strip_prefix(b"AT_FDCWD").and_then(named);
    Some(folder.map_or_else(|| name.to_owned(), |folder| format!("{folder}/{name}")))
}

fn short(name: &[u8]) -> Option<&str> {
    let near = name.get(..name.len().min(LONGEST))?;
    match std::str::from_utf8(near) {
        Ok(name) => Some(name),
        Err(error) => std::str::from_utf8(near.get(..error.valid_up_to())?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_descriptors_as_strace_writes_them() {
        let name = |args: &'static str| first(args.as_bytes());
        let is = |fd, name| Argument { fd: Some(fd), name };
        assert_eq!(name("3</a b>, \"x\", 1"), is(3, Some("/a b")));
        assert_eq!(name("3</a->, 1"), is(3, Some("/a-")));
        assert_eq!(name("3, 1"), is(3, None));
        let tcp = "TCP:[127.0.0.1:1->127.0.0.1:2]";
        assert_eq!(name("9<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\", 4"), is(9, Some(tcp)));
        let udp6 = "UDPv6:[[::1]:1->[::1]:53]";
        assert_eq!(
            name("[{fd=5<UDPv6:[[::1]:1->[::1]:53]>, events=POLLIN}], 1, 0"),
            is(5, Some(udp6))
        );
        assert_eq!(name("1</dev/pts/0<char 136:0>>, \"\""), is(1, Some("/dev/pts/0<char 136:0>")));
        assert_eq!(name("fd: 4</a>, count: 2"), is(4, Some("/a")));
        assert_eq!(name("0xc000, FUTEX_WAIT"), Argument::default());
        assert_eq!(name("AT_FDCWD, \"/a\"").fd, None);
        assert_eq!(name("3</a"), is(3, None));
    }

    #[test]
    fn names_of_files_are_whole_where_the_folder_is_known() {
        assert_eq!(path(b"AT_FDCWD</srv>, \"data/0\", O_RDONLY").as_deref(), Some("/srv/data/0"));
        assert_eq!(path(b"AT_FDCWD, \"data/0\", O_RDONLY").as_deref(), Some("data/0"));
        assert_eq!(path(b"\"/etc/hosts\", F_OK").as_deref(), Some("/etc/hosts"));
        assert_eq!(path(b"4</etc>, \"\", 0x1, AT_EMPTY_PATH"), None);
    }
}
