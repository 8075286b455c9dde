//! Crashes and dumps that real processes wrote, of every Go version whose shapes differ.

#![allow(clippy::unwrap_used, reason = "they are tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use goformats::crash::{
    Cause, Ended, Frame, Goroutine, Groups, Header, Main, OwnedFrame, Parser, Said, place_of_end,
    place_of_panic,
};
use goformats::runtimelog::{Entry, Reader};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/crash")
}

/// A dump, with its first goroutine.
#[derive(Default)]
struct Dump {
    cause: Option<Cause>,
    profile: Option<(String, u64)>,
    first: Option<(Header, Vec<OwnedFrame>)>,
    headers: Vec<Header>,
    parents: Vec<Option<u64>>,
    elided: u64,
    groups: Groups,
}

impl Dump {
    fn place(&self) -> Option<String> {
        let (_, frames) = self.first.as_ref()?;
        let frames: Vec<Frame<'_>> = frames.iter().map(OwnedFrame::frame).collect();
        let place = match &self.cause {
            Some(cause) => place_of_end(&cause.ended, frames.into_iter(), &Main::default()),
            None => place_of_panic(frames.into_iter(), &Main::default()),
        }?;
        Some(format!("{} {}", place.func, place.file))
    }

    fn take(&mut self, goroutine: &Goroutine<'_>) {
        if self.first.is_none()
            && let Some(header) = goroutine.header
        {
            let frames = goroutine.frames().map(OwnedFrame::from).collect();
            self.first = Some((header.clone(), frames));
        }
        self.headers.extend(goroutine.header.cloned());
        self.parents.extend(goroutine.created().map(|created| created.by));
        self.elided += goroutine.elided;
        self.groups.push(goroutine);
    }
}

fn read(text: &[u8]) -> Vec<Dump> {
    let mut dumps: Vec<Dump> = Vec::new();
    let mut parser = Parser::default();
    let mut reader = Reader::default();
    let mut each = |said: Said<'_>| match said {
        Said::Cause(cause) => dumps.push(Dump { cause: Some(cause), ..Dump::default() }),
        Said::Profile { name, total, .. } => {
            dumps.push(Dump { profile: Some((name, total)), ..Dump::default() });
        }
        Said::Goroutine { goroutine, begins, .. } => {
            if begins {
                dumps.push(Dump::default());
            }
            dumps.last_mut().unwrap().take(&goroutine);
        }
    };
    let mut line = |line: goformats::runtimelog::Line<'_>| {
        if let Entry::Text(text) = line.entry {
            parser.take(text, (line.number, line.offset), line.time, &mut each);
        }
    };
    reader.push(text, &mut line);
    reader.finish(&mut line);
    parser.finish(&mut each);
    dumps
}

fn log(version: &str, name: &str) -> Vec<Dump> {
    read(&std::fs::read(fixtures().join(version).join(format!("{name}.log"))).unwrap())
}

fn one(version: &str, name: &str) -> Dump {
    let mut dumps = log(version, name);
    assert_eq!(dumps.len(), 1, "{version} {name}");
    dumps.pop().unwrap()
}

fn panicked(dump: &Dump) -> Vec<(String, bool, bool)> {
    match &dump.cause.as_ref().unwrap().ended {
        Ended::Panic(chain) => {
            chain.iter().map(|p| (p.value.clone(), p.recovered, p.repanicked)).collect()
        }
        other => vec![(format!("{other:?}"), false, false)],
    }
}

const ALL: [&str; 3] = ["1.18", "1.22", "1.27"];

#[test]
fn panics_of_each_version_and_where_they_come_from() {
    for version in ALL {
        for (name, value, place) in [
            (
                "nil",
                "runtime error: invalid memory address or nil pointer dereference",
                "example.com/checkout/work.Nil /src/work/work.go",
            ),
            (
                "nil-trimpath",
                "runtime error: invalid memory address or nil pointer dereference",
                "example.com/checkout/work.Nil example.com/checkout/work/work.go",
            ),
            (
                "index",
                "runtime error: index out of range [5] with length 3",
                "example.com/checkout/work.Index /src/work/work.go",
            ),
            ("error", "cannot reach the database: i/o timeout", "main.main /src/main.go"),
            // Go 1.23 began to indent its lines.
            ("lines", "first line\nsecond line\n\nfourth line", "main.main /src/main.go"),
        ] {
            let dump = one(version, name);
            assert_eq!(panicked(&dump), [(value.to_owned(), false, false)], "{version} {name}");
            assert_eq!(dump.place().as_deref(), Some(place), "{version} {name}");
        }
        let nil = one(version, "nil");
        let signal = nil.cause.as_ref().unwrap().signal.clone().unwrap();
        assert_eq!((signal.name.as_str(), signal.address), ("SIGSEGV", Some(0)));
        assert_eq!(signal.meaning, "segmentation violation");
        // Without a stack, too.
        let quiet = one(version, "nil-none");
        assert_eq!(panicked(&quiet).len(), 1, "{version}");
        assert!(quiet.first.is_none());
    }
}

/// Tabs as a terminal with stops of so many columns copies them.
fn expanded(text: &str, stop: usize) -> String {
    let mut all = String::new();
    for line in text.split_inclusive('\n') {
        let mut column = 0;
        for letter in line.chars() {
            let width = if letter == '\t' { stop - column % stop } else { 1 };
            match letter {
                '\t' => all.extend(std::iter::repeat_n(' ', width)),
                _ => all.push(letter),
            }
            column += width;
        }
    }
    all
}

/// What is told of dumps.
fn told(dumps: &[Dump]) -> Vec<String> {
    let each = |dump: &Dump| {
        let Dump { profile, first, headers, parents, elided, groups, .. } = dump;
        // Not where it stands by bytes, which is what differs.
        let cause = dump.cause.as_ref().map(|c| (c.line, &c.ended, &c.signal, &c.notes));
        let groups: Vec<_> = groups.groups.iter().map(|g| (g.count, g.line, &g.frames)).collect();
        format!("{cause:?} {profile:?} {first:?} {headers:?} {parents:?} {elided} {groups:?}")
    };
    dumps.iter().map(each).collect()
}

/// `logcli` trims lines: no frame had a file.
#[test]
fn stacks_without_their_tabs_have_the_same_places() {
    for name in ["1.22/handler", "1.27/nil-all", "1.27/leak-second", "1.18/mutex"] {
        let text = std::fs::read_to_string(fixtures().join(format!("{name}.log"))).unwrap();
        let trimmed: String = text.lines().map(|line| format!("{}\n", line.trim())).collect();
        let places = |text: &str| -> Vec<_> {
            let dumps = read(text.as_bytes());
            dumps
                .iter()
                .map(|dump| (dump.place(), dump.headers.len(), dump.parents.len()))
                .collect()
        };
        assert!(!places(&text).is_empty());
        assert_eq!(places(&trimmed), places(&text), "{name}");
    }
}

#[test]
fn what_was_copied_from_a_terminal_is_told_the_same() {
    let mut seen = 0;
    for folder in std::fs::read_dir(fixtures()).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            // Lines of a value are told by their tab only.
            let is_log = path.extension().is_some_and(|end| end == "log");
            if !is_log || path.file_stem().is_some_and(|stem| stem == "lines") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for stop in [8, 4, 1] {
                let dumps = read(expanded(&text, stop).as_bytes());
                let tabs = read(text.as_bytes());
                assert_eq!(told(&dumps), told(&tabs), "{} {stop}", path.display());
            }
            seen += usize::from(text.contains('\t'));
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn panics_that_are_given_on() {
    let nil = "runtime error: invalid memory address or nil pointer dereference".to_owned();
    for version in ["1.18", "1.20", "1.22"] {
        let dump = one(version, "again");
        assert_eq!(
            panicked(&dump),
            [(nil.clone(), true, false), (nil.clone(), false, false)],
            "{version}"
        );
    }
    for version in ["1.25", "1.26", "1.27"] {
        assert_eq!(panicked(&one(version, "again")), [(nil.clone(), true, true)], "{version}");
    }
    for version in ["1.18", "1.20", "1.22", "1.25", "1.26", "1.27"] {
        let place = one(version, "again").place();
        assert_eq!(place.as_deref(), Some("example.com/checkout/work.Nil /src/work/work.go"));
    }
    for version in ALL {
        let dump = one(version, "nested");
        let values: Vec<String> = panicked(&dump).into_iter().map(|(value, ..)| value).collect();
        assert_eq!(
            values,
            ["the first one", "runtime error: index out of range [2] with length 0"],
            "{version}"
        );
        assert_eq!(dump.place().as_deref(), Some("main.nested.func1 /src/main.go"), "{version}");
    }
}

#[test]
fn fatal_errors_of_each_version() {
    for version in ALL {
        for (name, text, goroutines) in [
            ("writes", "concurrent map writes", 1),
            ("reads", "concurrent map read and map write", 1),
            ("mutex", "all goroutines are asleep - deadlock!", 3),
            ("channel", "all goroutines are asleep - deadlock!", 1),
            ("goexit", "no goroutines (main called runtime.Goexit) - deadlock!", 0),
            ("overflow", "stack overflow", 1),
            ("unlock", "sync: unlock of unlocked mutex", 1),
            ("memory", "out of memory", 1),
            ("threads", "thread exhaustion", 1),
            ("bus", "fault", 1),
        ] {
            let dump = one(version, name);
            assert_eq!(dump.cause.as_ref().unwrap().fatal(), Some(text), "{version} {name}");
            let count = dump.headers.len();
            assert!(count >= goroutines, "{version} {name}: {count}");
        }
        let overflow = one(version, "overflow");
        let notes = &overflow.cause.as_ref().unwrap().notes;
        assert_eq!(notes[0], "runtime: goroutine stack exceeds 1000000000-byte limit");
        assert!(overflow.elided >= 1);
        let memory = one(version, "memory");
        let notes = &memory.cause.as_ref().unwrap().notes;
        assert!(
            notes[0].starts_with("runtime: out of memory: cannot allocate 67108864-byte block")
        );
        let bus = one(version, "bus");
        let cause = bus.cause.as_ref().unwrap();
        assert!(cause.notes[0].starts_with("unexpected fault address 0x"));
        assert_eq!(cause.signal.as_ref().unwrap().name, "SIGBUS");
    }
    let cause = one("1.27", "godebug").cause.unwrap();
    assert!(cause.fatal().unwrap().starts_with("removed GODEBUG \"tlsrsakex\" set to old value"));
}

#[test]
fn goroutines_that_wait_for_locks_are_told_apart_by_their_addresses() {
    for (version, state) in
        [("1.18", "semacquire"), ("1.22", "sync.Mutex.Lock"), ("1.27", "sync.Mutex.Lock")]
    {
        let dump = one(version, "mutex");
        assert!(dump.groups.states[state] >= 2, "{version}: {:?}", dump.groups.states);
        let locks: Vec<u64> =
            dump.groups.groups.iter().flat_map(|g| g.locks.values().copied()).collect();
        assert!(locks.len() >= 2 && locks.iter().all(|n| *n == 1), "{version}: {locks:?}");
    }
}

#[test]
fn servers_survive() {
    for version in ALL {
        for name in ["handler", "handler-trimpath"] {
            let dump = one(version, name);
            let value = "runtime error: invalid memory address or nil pointer dereference";
            let ended = &dump.cause.as_ref().unwrap().ended;
            assert_eq!(*ended, Ended::Recovered(value.to_owned()), "{version} {name}");
            assert!(dump.place().unwrap().starts_with("example.com/checkout/work.Nil "));
        }
        assert!(log(version, "exit").is_empty(), "os.Exit prints nothing");
    }
}

#[test]
fn dumps_of_each_version() {
    for version in ["1.18", "1.20", "1.22", "1.25", "1.26", "1.27"] {
        let dump = one(version, "dump-2-no");
        let states = &dump.groups.states;
        for (state, least) in [
            ("running", 1),
            ("chan receive", 2),
            ("select (no cases)", 1),
            ("sleep", 2),
            ("chan send (nil chan)", 1),
        ] {
            assert!(states.get(state).is_some_and(|n| *n >= least), "{version}: {states:?}");
        }
        let knows_parents = !matches!(version, "1.18" | "1.20");
        // Before 1.21 frames of the runtime count though they are not shown, and nothing says that the rest of
        // this stack of 121 calls is left out.
        assert_eq!(dump.elided > 0, knows_parents, "{version}");
        assert!(dump.parents.iter().all(|by| by.is_some() == knows_parents), "{version}");
        // Two that have one stack are one group.
        let two = dump.groups.groups.iter().find(|group| group.state == "chan receive").unwrap();
        assert_eq!((two.count, two.ids.len()), (2, 2), "{version}");
    }
}

#[test]
fn profiles_by_stack() {
    for version in ALL {
        let dump = one(version, "dump-1-no");
        let (name, total) = dump.profile.clone().unwrap();
        assert_eq!((name.as_str(), total), ("goroutine", dump.groups.total), "{version}");
        assert!(dump.groups.groups[0].count >= 2, "{version}");
        let frame = &dump.groups.groups[0].frames[0];
        assert_eq!(&*frame.func, "example.com/checkout/work.receive", "{version}");
        assert_eq!(&*frame.file, "/src/work/work.go", "{version}");
    }
    for version in ["1.26", "1.27"] {
        let dump = one(version, "dump-leak-no");
        assert_eq!(dump.profile, Some(("goroutineleak".to_owned(), 4)), "{version}");
        assert_eq!(dump.groups.total, 4, "{version}");
        let dump = one(version, "dump-leak2-no");
        let leaked: u64 = dump.groups.groups.iter().map(|group| group.leaked).sum();
        assert_eq!(leaked, 4, "{version}");
    }
}

#[test]
fn labels_of_goroutines() {
    for version in ["1.26", "1.27"] {
        for name in ["quit-labels", "dump-2-labels"] {
            let dump = one(version, name);
            let labelled = dump.headers.iter().find(|header| !header.labels.is_empty());
            let labels: BTreeMap<_, _> = labelled.unwrap().labels.iter().cloned().collect();
            assert_eq!(labels["tenant"], "acme", "{version} {name}");
            assert_eq!(labels["path"], "/a b", "{version} {name}");
        }
    }
}

#[test]
fn sigquit_shows_all_goroutines_once() {
    for (version, name) in
        [("1.18", "quit-no"), ("1.22", "quit-no"), ("1.27", "quit-no"), ("1.27", "quit-crash")]
    {
        let dump = one(version, name);
        let cause = dump.cause.as_ref().unwrap();
        assert_eq!(cause.ended, Ended::Signal, "{version} {name}");
        assert_eq!(cause.signal.as_ref().unwrap().name, "SIGQUIT");
        assert!(dump.headers[0].locked, "{version}");
        let mut ids: Vec<u64> = dump.headers.iter().map(|header| header.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{version} {name}: {ids:?}");
        assert!(count >= 8, "{version} {name}: {count}");
    }
}

#[test]
fn more_is_printed_when_it_is_asked_for() {
    let crash = one("1.27", "nil-crash");
    assert_eq!(crash.place().as_deref(), Some("example.com/checkout/work.Nil /src/work/work.go"));
    assert!(crash.headers.len() >= 5);
    let ancestors = one("1.27", "index-ancestors");
    let (_, frames) = ancestors.first.as_ref().unwrap();
    assert_eq!(frames.len(), 2, "what started it is no call of its own");
    let system = one("1.27", "mutex-system");
    let (header, frames) = system.first.as_ref().unwrap();
    assert_eq!(header.id, 1);
    assert_eq!(&*frames[0].func, "runtime.gopark");
}

#[test]
fn waits_and_what_grows() {
    for version in ["1.22", "1.27"] {
        let (first, second) = (one(version, "leak-first"), one(version, "leak-second"));
        let group = |dump: &Dump| {
            dump.groups.groups.iter().find(|group| group.state == "chan send").cloned().unwrap()
        };
        let (before, after) = (group(&first), group(&second));
        assert!(after.is_like(&before), "{version}");
        assert!(after.count >= before.count + 20, "{version}");
        assert!(after.waited(5) > before.waited(5), "{version}");
        assert!(after.longest >= 6, "{version}");
        assert!(second.groups.newest > first.groups.newest, "{version}");
    }
}

/// What is put around lines changes nothing.
#[test]
fn envelopes() {
    for name in ["mutex", "lines", "handler", "quit-labels", "dump-1-no"] {
        let path = fixtures().join("1.27").join(format!("{name}.log"));
        let text = std::fs::read_to_string(path).unwrap();
        let plain: Vec<_> = read(text.as_bytes())
            .iter()
            .map(|d| (d.cause.clone().map(|c| c.ended), d.groups.groups.clone()))
            .collect();
        let wrap = |line: fn(&str) -> String| text.lines().map(line).collect::<String>();
        let all = [
            wrap(|line| format!("2026-11-26T10:00:00.123456789Z stderr F {line}\n")),
            wrap(|line| format!("2026-11-26T10:00:00.123456789Z {line}\n")),
            wrap(|line| {
                let text = serde_like(line);
                format!(
                    "{{\"log\":\"{text}\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-26T10:00:00Z\"}}\n"
                )
            }),
            wrap(|line| format!("{line}\r\n")),
        ];
        for (index, wrapped) in all.iter().enumerate() {
            if index == 1 && matches!(name, "handler" | "dump-1-no") {
                // Nothing in its first line says that the time was put before it.
                continue;
            }
            let read: Vec<_> = read(wrapped.as_bytes())
                .iter()
                .map(|d| (d.cause.clone().map(|c| c.ended), d.groups.groups.clone()))
                .collect();
            assert_eq!(read, plain, "{name} {index}");
        }
    }
}

fn serde_like(line: &str) -> String {
    line.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t").replace('<', "\\u003c")
}

/// Cut off anywhere it gives the goroutines before the cut, and with any line missing all but one.
#[test]
fn cut_logs() {
    for name in ["mutex", "overflow", "quit-labels", "dump-1-labels", "dump-2-labels"] {
        let text = std::fs::read(fixtures().join("1.27").join(format!("{name}.log"))).unwrap();
        // Profiles have no numbers of goroutines.
        let goroutines = |text: &[u8]| -> (Vec<u64>, u64) {
            let dumps = read(text);
            let ids = dumps.iter().flat_map(|dump| &dump.headers).map(|header| header.id).collect();
            (ids, dumps.iter().map(|dump| dump.groups.total).sum())
        };
        let (whole, total) = goroutines(&text);
        assert!(total > 0, "{name}");
        for end in (0..text.len()).step_by(61) {
            let (ids, some) = goroutines(&text[..end]);
            assert!(whole.starts_with(&ids) && some <= total, "{name} {end}: {ids:?} {some}");
        }
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        for missing in (0..lines.len()).step_by(7) {
            let rest: Vec<u8> = lines
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != missing)
                .flat_map(|(_, line)| line.iter().copied())
                .collect();
            let (ids, some) = goroutines(&rest);
            assert!(ids.len() + 1 >= whole.len() && some <= total, "{name} {missing}: {ids:?}");
            assert!(ids.iter().all(|id| whole.contains(id)), "{name} {missing}: {ids:?}");
        }
    }
}
