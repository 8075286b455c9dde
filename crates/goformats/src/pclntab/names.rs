//! Names of functions, and the packages in them.

use rustc_hash::FxHashSet;

use super::{FunctionTable, TableVersion};

/// Iterator over NUL-terminated names that follow one another. Empty, over-long and non-UTF-8 ones are left out.
#[derive(Clone, Debug)]
pub struct Names<'a> {
    rest: &'a [u8],
    max: usize,
}

impl<'a> Names<'a> {
    pub(super) fn new(bytes: &'a [u8], max: usize) -> Self {
        Self { rest: bytes, max }
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            // A last name without its NUL is cut off.
            let end = memchr::memchr(0, self.rest)?;
            let (name, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(1..).unwrap_or_default();
            if end == 0 || end > self.max {
                continue;
            }
            if let Ok(name) = std::str::from_utf8(name) {
                return Some(name);
            }
        }
    }
}

impl<'a> FunctionTable<'a> {
    /// All names, those of functions inlined at every call included, in the order of the table; a name may come twice.
    ///
    /// Up to Go 1.15 there is no table of names, and only functions with an entry are listed;
    /// [`FunctionTable::contains_name`] knows the inlined ones there, too.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        let new = (self.version >= TableVersion::Go116)
            .then(|| Names::new(self.names, self.limits.name_bytes));
        let old = (self.version == TableVersion::Go12).then(|| self.functions().map(|f| f.name));
        new.into_iter().flatten().chain(old.into_iter().flatten())
    }

    /// Whether a function of that full name is linked or inlined somewhere. For many names use [`FunctionTable::find`].
    pub fn contains_name(&self, name: &str) -> bool {
        if name.is_empty() || name.contains('\0') {
            return false;
        }
        let pattern = [name.as_bytes(), b"\0"].concat();
        memchr::memmem::find_iter(self.names, &pattern)
            .any(|at| at.checked_sub(1).is_none_or(|before| self.names.get(before) == Some(&0)))
    }

    /// The import paths of all packages that functions come from, sorted, escapes undone.
    pub fn packages(&self) -> Vec<String> {
        let mut packages: FxHashSet<&str> = FxHashSet::default();
        let mut last = "";
        for name in self.names() {
            // Functions of a package mostly stand together.
            let same = name
                .strip_prefix(last)
                .is_some_and(|rest| rest.starts_with('.') && !rest.contains('/'));
            if !same && let Some(package) = package_of(name) {
                packages.insert(package);
                last = package;
            }
        }
        let mut packages: Vec<String> = packages.into_iter().map(unescape).collect();
        packages.sort_unstable();
        packages
    }
}

/// The import path in a full function name, still escaped: `gopkg.in/yaml%2ev3` of `gopkg.in/yaml%2ev3.(*Decoder).Decode`.
///
/// `None` for what the compiler and linker generate outside of packages (`type:.eq.…`, `go:buildid`, C functions).
pub fn package_of(name: &str) -> Option<&str> {
    // Type arguments may hold slashes and dots of their own.
    let plain = name.get(..memchr::memchr2(b'[', b'(', name.as_bytes()).unwrap_or(name.len()))?;
    let element = plain.rfind('/').map_or(0, |slash| slash + 1);
    let dot = plain.get(element..)?.find('.')?;
    let package = plain.get(..element + dot)?;
    // Up to Go 1.19 the generated names read `type..eq.…` and `go.buildid`; a user's path may well start with `go.`.
    let generated = ["type..", "type:", "go:"].iter().any(|start| name.starts_with(start))
        // Closures of functions that the linker knows under another name are in package `_` since Go 1.27.
        || matches!(package, "" | "go" | "_");
    (!generated).then_some(package)
}

/// Undoes `objabi.PathToPrefix`: dots of a path's last element, quotes and bytes from 0x7f on are written as `%xx`.
fn unescape(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u8::from_str_radix(d, 16).ok());
        match (first, digits) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_names() {
        let table = [
            ("main.main", Some("main")),
            ("net/http.(*Server).Shutdown", Some("net/http")),
            ("gopkg.in/yaml%2ev3.(*Decoder).Decode", Some("gopkg.in/yaml%2ev3")),
            ("github.com/a/b.Map[go.shape.struct { c/d.X int }].Get", Some("github.com/a/b")),
            ("example.com/x.glob..func1", Some("example.com/x")),
            ("os/signal.init.0", Some("os/signal")),
            ("go.uber.org/zap.New", Some("go.uber.org/zap")),
            ("type:.eq.[2]string", None),
            ("type..eq.net/http.x", None),
            ("go:buildid", None),
            ("go.buildid", None),
            ("_cgo_panic", None),
            ("_.goready.func1", None),
            ("", None),
        ];
        for (name, package) in table {
            assert_eq!(package_of(name), package, "{name}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape("gopkg.in/yaml%2ev3"), "gopkg.in/yaml.v3");
        assert_eq!(unescape("a%2"), "a%2");
        assert_eq!(unescape("a%zz%e4%b8%96"), "a%zz世");
    }

    #[test]
    fn names_are_split_at_nul() {
        let names: Vec<_> = Names::new(b"a.b\0\0\xff\xff\0too.long.name\0c.d\0cut", 8).collect();
        assert_eq!(names, ["a.b", "c.d"]);
    }
}
