//! The fixture binaries that `cargo xtask fixtures` builds, and the tools they are compared with.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "test support")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use goformats::binary::read;
use goformats::gostrings::Strings;
use goformats::limits::Limits;

/// One binary.
#[derive(Clone, Debug)]
pub struct Fixture {
    pub program: String,
    /// `1.27.4`
    pub go: String,
    pub goarch: String,
    pub variant: String,
    pub path: PathBuf,
    /// The same program with its symbols, where this one is stripped.
    pub twin: Option<PathBuf>,
}

impl Fixture {
    pub fn minor(&self) -> u16 {
        self.go.split('.').nth(1).unwrap().parse().unwrap()
    }

    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap_or_else(|e| panic!("{}: {e}", self.path.display()))
    }

    pub fn name(&self) -> String {
        format!("{} go{} {} {}", self.program, self.go, self.goarch, self.variant)
    }
}

/// All fixtures. Their index is `target/fixtures.json`, or what `PROVOST_FIXTURES` names.
pub fn fixtures() -> Vec<Fixture> {
    let path = std::env::var_os("PROVOST_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fixtures.json"),
        PathBuf::from,
    );
    let text = std::fs::read(&path)
        .unwrap_or_else(|e| panic!("{}: {e}: run `cargo xtask fixtures`", path.display()));
    let list: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let fixtures: Vec<Fixture> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|f| Fixture {
            program: text(&f["program"]).unwrap(),
            go: text(&f["go"]).unwrap(),
            goarch: text(&f["goarch"]).unwrap(),
            variant: text(&f["variant"]).unwrap(),
            path: text(&f["path"]).unwrap().into(),
            twin: text(&f["twin"]).map(PathBuf::from),
        })
        .collect();
    assert!(!fixtures.is_empty(), "the index lists no fixture");
    fixtures
}

/// Runs `check` on every fixture, on all cores, and fails with the list of what it said.
pub fn for_each(check: impl Fn(&Fixture) -> Result<(), String> + Sync) {
    let fixtures = fixtures();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(fixture) = fixtures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(what) = check(fixture) {
                        failed.lock().unwrap().push(format!("{}: {what}", fixture.name()));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort();
    assert!(
        failed.is_empty(),
        "{} of {} fixtures:\n{}",
        failed.len(),
        fixtures.len(),
        failed.join("\n")
    );
}

/// Output of a tool that must succeed.
pub fn output(program: &str, args: &[&str], file: &Path) -> String {
    let out = Command::new(program)
        .args(args)
        .arg(file)
        .env("LC_ALL", "C")
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .output()
        .unwrap_or_else(|e| panic!("{program} is needed by this test: {e}"));
    assert!(
        out.status.success(),
        "{program} {args:?} {}: {}",
        file.display(),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The first difference of two lists, for a message that fits on a screen.
pub fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    ours: &[T],
    theirs: &[T],
) -> Result<(), String> {
    if ours == theirs {
        return Ok(());
    }
    let at =
        ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    Err(format!(
        "{what}: {} and {} entries, at {at}: {:?} instead of {:?}",
        ours.len(),
        theirs.len(),
        ours.get(at),
        theirs.get(at)
    ))
}

/// Runs `check` on the strings of every binary of the program.
pub fn of_program(
    program: &str,
    check: impl Fn(&Fixture, &Strings<'_>) -> Result<(), String> + Sync,
) {
    assert!(fixtures().iter().any(|f| f.program == program), "run `cargo xtask fixtures`");
    for_each(|fixture| {
        if fixture.program != program {
            return Ok(());
        }
        let bytes = fixture.bytes();
        let binary = read(&bytes, &Limits::DEFAULT);
        check(fixture, &Strings::read(&binary, &Limits::DEFAULT).ok_or("no strings")?)
    });
}
