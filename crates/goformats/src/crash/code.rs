//! Whose code a frame is: the program's own, a dependency's or the standard library's.

use std::borrow::Cow;

use super::stack::Frame;

/// Whose code it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The program's.
    Own,
    /// A module's that it needs.
    Dependency,
    /// Go's.
    Standard,
    /// Made by cgo, or not Go.
    Foreign,
}

/// First elements of the import paths of Go's own packages, of all versions from 1.18 to 1.27. Those of
/// modules may have no dot either, so that the file has to be of the package, too.
const STANDARD: [&str; 52] = [
    "archive",
    "arena",
    "bufio",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "simd",
    "slices",
    "sort",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "uuid",
    "weak",
];

/// The package of a function: `net/http` of `net/http.(*conn).serve`, `gopkg.in/yaml.v3` of
/// `gopkg.in/yaml%2ev3.Unmarshal`.
pub fn package(func: &str) -> Cow<'_, str> {
    // Types in brackets may have slashes of their own.
    let end = func.find(['[', '(', '{']).unwrap_or(func.len());
    let path = func.get(..end).unwrap_or(func);
    let from = path.rfind('/').map_or(0, |at| at + 1);
    let dot = path.get(from..).and_then(|last| last.find('.')).map_or(path.len(), |at| from + at);
    let package = path.get(..dot).unwrap_or(path);
    match package.contains('%') {
        // The compiler escapes dots of the last element, and what is no letter.
        true => Cow::Owned(package.replace("%2e", ".").replace("%22", "\"").replace("%25", "%")),
        false => Cow::Borrowed(package),
    }
}

/// Where the program's main package lies, as far as its stacks show it: of one that was installed by
/// `go install MODULE@VERSION` that is in the module cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Main(Option<Box<str>>);

impl Main {
    /// Looks at one more frame.
    pub fn see(&mut self, frame: &Frame<'_>) {
        if self.0.is_none()
            && frame.func.starts_with("main.")
            && let Some(root) = versioned(frame.file)
        {
            self.0 = Some(root.into());
        }
    }
}

/// What of a path is a module of the module cache: up to the end of `/x@v1.2.3`.
fn versioned(file: &str) -> Option<&str> {
    let at = file.find("@v")?;
    let digit = file.as_bytes().get(at + 2).is_some_and(u8::is_ascii_digit);
    let rest = file.get(at..)?;
    let end = at + rest.find('/')?;
    digit.then(|| file.get(..end)).flatten()
}

impl Code {
    /// Whose code a frame is. Files are absolute, or with `-trimpath` begin with the module's path, `@` and its
    /// version (the main module has none), or with the package's, which is one of Go's then.
    pub fn of(frame: &Frame<'_>, main: &Main) -> Self {
        let Frame { func, file, .. } = *frame;
        if func == "panic" {
            return Self::Standard;
        }
        if func == "non-Go function"
            || func.starts_with("_cgo")
            || file.ends_with("_cgo_gotypes.go")
        {
            return Self::Foreign;
        }
        let package = package(func);
        if func.starts_with("main.") {
            return Self::Own;
        }
        let first = package.split('/').next().unwrap_or_default();
        // Functions that Go's packages take from elsewhere (`vendor/golang.org/x/net`) lie below as well.
        if (STANDARD.contains(&first) || first == "vendor") && is_standard(&package, file) {
            return Self::Standard;
        }
        if package == "type" || package.starts_with("go:") || func.starts_with("type..") {
            return Self::Standard;
        }
        match versioned(file) {
            Some(root) if main.0.as_deref() == Some(root) => Self::Own,
            Some(_) => Self::Dependency,
            None if file.contains("/vendor/") => Self::Dependency,
            None => Self::Own,
        }
    }
}

/// Whether the file is one of that package of Go's: `/usr/local/go/src/net/http/server.go`, or with `-trimpath`
/// `net/http/server.go`.
fn is_standard(package: &str, file: &str) -> bool {
    let Some((folder, _)) = file.rsplit_once('/') else { return file.is_empty() };
    // A function of `sync` may be linked from `runtime/sema.go`, one of `internal/sync` from there as well.
    let known =
        |path: &str| path.split('/').next().is_some_and(|p| STANDARD.contains(&p) || p == "vendor");
    if folder == package || (!file.starts_with('/') && known(folder)) {
        return true;
    }
    match folder.rfind("/src/").map(|at| at + 5) {
        Some(at) => {
            let (root, path) =
                (folder.get(..at).unwrap_or_default(), folder.get(at..).unwrap_or_default());
            known(path)
                && (path == package || root.ends_with("/go/src/") || package_of_runtime(path))
        }
        None => false,
    }
}

fn package_of_runtime(path: &str) -> bool {
    path == "runtime" || path.starts_with("runtime/") || path.starts_with("internal/")
}

/// Which frame a panic comes from of which nothing but the stack is known: the first of the program's own behind
/// the outermost call of `panic` that is still open, since what stands before are deferred calls that ran because
/// of it. Of a goroutine that does not panic, it is the first of the program's own.
pub fn place_of_panic<'f>(
    frames: impl Iterator<Item = Frame<'f>> + Clone,
    main: &Main,
) -> Option<Frame<'f>> {
    let raised = |frame: &Frame<'_>| super::ended::is_raise(frame.func);
    let last = frames.clone().enumerate().filter(|(_, frame)| raised(frame)).last();
    let behind = last.map_or(0, |(index, _)| index + 1);
    let own = |frame: &Frame<'_>| Code::of(frame, main) == Code::Own;
    frames.clone().skip(behind).find(own).or_else(|| frames.clone().find(own))
}
