//! What can be diagnosed: each form of input, how it is told from the others, and who reads it.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::atomic::Ordering;

use goformats::counters;
use goformats::exports;
use goformats::pprof::{self, Unread};
use goformats::runtimelog::MOST_STREAMS;
use indicatif::{ProgressBar, ProgressStyle};
use provost_check::artifact::manifest::{ManifestFile, Options, load_manifests};
use provost_check::artifact::oom::{self, Files, Kind, Watched};
use provost_check::artifact::runtime_log::MOST_LIVES;
use provost_check::artifact::{Problem, ProblemKind, Source, SourceKind, runtime_log, syscall_log};
use provost_check::case::World;
use provost_check::case::syscalls::RECORD;
use provost_check::facts::counters::Counted;
use provost_check::facts::oom::HeapProfile;
use provost_check::facts::{Origin, SourceId};
use provost_check::model::quantity::counted;

use super::{follow::Follow, judged, tables};
use crate::args::Cli;
use crate::interrupt::Interrupt;

/// What a log without such lines needs.
const HOW: &str = "run the program with GODEBUG=gctrace=1 or GODEBUG=schedtrace=1000; both go to stderr, as crashes do; a process that calls os.Exit or log.Fatal, or that the kernel kills, prints no stack; kubectl logs --previous has what the one before wrote; of kills for memory the kernel tells: dmesg, journalctl -k";
/// What a log of too many processes needs.
const FEWER: &str = "give the logs of fewer at once: kubectl logs POD, journalctl -u UNIT, docker compose logs SERVICE";
/// What a log of several processes needs that names none.
const NAMED: &str = "give the log of each, kubectl logs POD, or one that names them: kubectl logs -l LABEL --prefix, journalctl, docker compose logs; kubectl logs --timestamps often is enough";
/// Bytes by which forms are told apart.
const HEAD: usize = 8 << 10;
/// Bytes of an input that is read whole.
const LARGEST: u64 = 64 << 20;

/// A form of input.
struct Form {
    is: fn(&Head<'_>) -> bool,
    load: fn(&mut Loader<'_>, &str, Content<'_>) -> io::Result<()>,
}

/// The first that an input is of reads it. The last one takes whatever is left.
const FORMS: &[Form] = &[
    Form { is: |head| head.is_folder, load: |it, path, content| it.folder(path, content) },
    Form {
        is: |head| head.kind() == Some(Kind::Packed),
        load: |it, path, content| it.packed(path, content),
    },
    Form {
        is: |head| head.kind() == Some(Kind::Archive),
        load: |it, path, content| it.archive(path, content),
    },
    Form {
        is: |head| head.kind() == Some(Kind::Listing),
        load: |it, path, content| it.listing(path, content),
    },
    Form {
        is: |head| head.kind() == Some(Kind::Status),
        load: |it, path, content| it.status(path, content),
    },
    Form {
        is: |head| oom::is_cluster(head.bytes),
        load: |it, path, content| it.objects(path, content),
    },
    Form {
        is: |head| pprof::is_one(head.bytes),
        load: |it, path, content| it.profile(path, content),
    },
    Form {
        is: |head| oom::is_described(head.bytes),
        load: |it, path, content| it.described(path, content),
    },
    Form {
        is: |head| head.kind() != Some(Kind::KernelLog) && exports::is_one(head.bytes),
        load: |it, path, content| it.exported(path, content),
    },
    Form {
        is: |head| oom::is_fragment(head.bytes),
        load: |it, path, content| it.fragment(path, content),
    },
    Form {
        is: |head| counters::form(head.bytes).is_some(),
        load: |it, path, content| it.counters(path, content),
    },
    Form {
        is: |head| syscall_log::is_log(head.bytes),
        load: |it, path, content| it.calls(path, content),
    },
    Form { is: |_| true, load: |it, path, content| it.log(path, content) },
];

/// How an input begins.
struct Head<'a> {
    bytes: &'a [u8],
    is_folder: bool,
}

impl Head<'_> {
    fn kind(&self) -> Option<Kind> {
        oom::kind(self.bytes)
    }
}

/// What is in an input.
struct Content<'a> {
    head: Vec<u8>,
    rest: Box<dyn Read + 'a>,
    size: u64,
    /// It lies in an archive, in which no other one is looked for.
    is_inside: bool,
    /// It was compressed.
    is_unpacked: bool,
}

impl<'a> Content<'a> {
    fn new(mut from: Box<dyn Read + 'a>, size: u64, is_inside: bool) -> io::Result<Self> {
        let mut head = Vec::new();
        from.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        Ok(Self { head, rest: from, size, is_inside, is_unpacked: false })
    }

    fn read(self) -> impl Read + 'a {
        Cursor::new(self.head).chain(self.rest)
    }

    fn whole(self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read().take(LARGEST + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > LARGEST {
            true => Err(io::Error::other(format!("larger than {} MiB", LARGEST >> 20))),
            false => Ok(bytes),
        }
    }
}

/// A log without anything that is diagnosed.
struct Nothing {
    source: SourceId,
    lines: u64,
}

/// Reads inputs into a world.
pub(super) struct Loader<'w> {
    pub(super) cli: &'w Cli,
    pub(super) world: &'w mut World,
    pub(super) interrupt: &'w Interrupt,
    /// Logs are read as they grow.
    pub(super) follow: bool,
    /// Inputs are logs of system calls, however they begin.
    pub(super) calls: bool,
}

impl Loader<'_> {
    /// Reads one input; what is wrong with it is told by the report.
    pub(super) fn load(&mut self, path: &str) {
        let before = judged::amount(self.world);
        let opened = self.open(path);
        if opened.is_ok() && judged::amount(self.world) == before && self.interrupt.exit().is_none()
        {
            let source = self.source(path, SourceKind::Log);
            let message = "holds nothing that is diagnosed".to_owned();
            let help = "what is, says provost diagnose --help";
            self.problem(source, ProblemKind::Malformed, message, Some(help));
        }
        if let Err(error) = opened {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => ProblemKind::Missing,
                _ => ProblemKind::Unreadable,
            };
            let message = match kind {
                ProblemKind::Missing => "does not exist".to_owned(),
                _ => format!("cannot be read: {error}"),
            };
            let source = self.source(path, SourceKind::Log);
            self.problem(source, kind, message, None);
        }
    }

    fn open(&mut self, path: &str) -> io::Result<()> {
        if path == "-" {
            return self.content(path, Content::new(Box::new(io::stdin().lock()), 0, false)?);
        }
        if Path::new(path).is_dir() {
            return self.folder(path, Content::new(Box::new(io::empty()), 0, false)?);
        }
        if self.follow {
            // It is a log; how it begins may be still to come.
            let rest = Box::new(Follow::open(Path::new(path), self.interrupt.flag())?);
            return self.log(
                path,
                Content { head: Vec::new(), rest, size: 0, is_inside: false, is_unpacked: false },
            );
        }
        let file = File::open(Path::new(path))?;
        let size = file.metadata()?.len();
        self.content(path, Content::new(Box::new(file), size, false)?)
    }

    fn content(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        if self.calls {
            return self.calls(path, content);
        }
        let head = Head { bytes: &content.head, is_folder: false };
        let form = FORMS.iter().find(|form| (form.is)(&head));
        form.map_or(Ok(()), |form| (form.load)(self, path, content))
    }

    fn source(&mut self, path: &str, kind: SourceKind) -> SourceId {
        let mut source = Source::opaque(path, kind);
        source.named = true;
        self.world.sources.add(source)
    }

    fn problem(&mut self, at: SourceId, kind: ProblemKind, message: String, help: Option<&str>) {
        let origin = Origin::whole(at);
        self.world.problems.push(Problem { kind, origin, message, help: help.map(str::to_owned) });
    }

    fn folder(&mut self, path: &str, _: Content<'_>) -> io::Result<()> {
        let files = oom::read_folder(Path::new(path))?;
        let source = self.source(path, SourceKind::Cgroup);
        if files.is_empty() {
            let help = "give the folder of a memory cgroup, below /sys/fs/cgroup, or a copy of it, or /proc/PID";
            let message = "holds no files of a memory cgroup".to_owned();
            self.problem(source, ProblemKind::Malformed, message, Some(help));
        }
        self.files(source, files);
        Ok(())
    }

    fn listing(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let text = content.whole()?;
        let files = oom::read_listing(&String::from_utf8_lossy(&text));
        let source = self.source(path, SourceKind::Cgroup);
        if files.is_empty() {
            let message = "lists no files of a memory cgroup and none of a process".to_owned();
            let help = "head -n 200 /sys/fs/cgroup/memory.* /sys/fs/cgroup/cgroup.*";
            self.problem(source, ProblemKind::Malformed, message, Some(help));
        }
        self.files(source, files);
        Ok(())
    }

    fn status(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let text = content.whole()?;
        let mut files = Files::default();
        files.take("status", &String::from_utf8_lossy(&text));
        let source = self.source(path, SourceKind::Cgroup);
        self.files(source, files);
        Ok(())
    }

    /// What is compressed with gzip: an archive, a log that was rotated, or anything else.
    fn packed(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        if content.is_unpacked {
            let source = self.source(path, SourceKind::Log);
            let message = "is compressed twice, which is not read".to_owned();
            self.problem(source, ProblemKind::Malformed, message, Some("gunzip it"));
            return Ok(());
        }
        let is_inside = content.is_inside;
        let from = Box::new(oom::unpacked(content.read()));
        let content = Content::new(from, 0, is_inside)?;
        self.content(path, Content { is_unpacked: true, ..content })
    }

    fn archive(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let source = self.source(path, SourceKind::Cgroup);
        if content.is_inside {
            let message = "is an archive in an archive, which is not read".to_owned();
            self.problem(source, ProblemKind::Malformed, message, None);
            return Ok(());
        }
        let (files, inside, read) = oom::read_archive(content.read());
        if let Err(message) = read {
            self.problem(source, ProblemKind::Malformed, message, None);
        } else if files.is_empty() && inside.is_empty() {
            let message = "holds nothing that is diagnosed".to_owned();
            self.problem(source, ProblemKind::Malformed, message, None);
        }
        self.files(source, files);
        for file in inside {
            let shown = format!("{path}/{}", file.path);
            let size = file.bytes.len() as u64;
            // One that cannot be read is no reason to leave out those behind it.
            let read = Content::new(Box::new(Cursor::new(file.bytes)), size, true)
                .and_then(|content| self.content(&shown, content));
            if let Err(error) = read {
                let source = self.source(&shown, SourceKind::Log);
                let message = format!("cannot be read: {error}");
                self.problem(source, ProblemKind::Unreadable, message, None);
            }
        }
        Ok(())
    }

    fn files(&mut self, source: SourceId, files: Files) {
        if files.cut {
            let message = "holds more than is read: files of 64 MiB, 4096 cgroups".to_owned();
            self.problem(source, ProblemKind::Limit, message, None);
        }
        for path in files.strange.iter().take(8) {
            let message = format!("{path} does not hold what such a file holds");
            self.problem(source, ProblemKind::Malformed, message, None);
        }
        if files.empty > 0 && files.is_empty() {
            let message = format!("holds files of a cgroup, and all {} are empty", files.empty);
            let help = "the kernel says of these files that they have no bytes, so tar stores none: copy them first (cp -r, or head -n 200 memory.*), or provost diagnose oom --collect";
            self.problem(source, ProblemKind::Malformed, message, Some(help));
        }
        let memory = &mut self.world.memory;
        memory.groups.extend(files.groups(source));
        memory.processes.extend(files.processes(source));
    }

    fn objects(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let is_inside = content.is_inside;
        let content = content.whole()?;
        let file = ManifestFile {
            path: path.into(),
            shown: path.to_owned(),
            named: true,
            content: Some(content.clone()),
        };
        let loaded = load_manifests(&[file], &mut self.world.sources, &Options::default());
        let (pods, events) = (oom::pods(&loaded.objects), oom::events(&loaded.objects));
        if pods.is_empty() && events.is_empty() {
            // A log may begin with an object that a program read.
            let size = content.len() as u64;
            let log = Content::new(Box::new(Cursor::new(content)), size, is_inside)?;
            if self.read_log(path, log)?.is_ok() {
                return Ok(());
            }
        }
        self.world.problems.extend(loaded.problems);
        if pods.is_empty() && events.is_empty() {
            let source = self.source(path, SourceKind::Manifest);
            let help = "kubectl get pod NAME -o yaml, kubectl get events -o yaml";
            let message = "holds neither a pod nor an event of a cluster".to_owned();
            self.problem(source, ProblemKind::Malformed, message, Some(help));
        }
        self.world.memory.pods.extend(pods);
        self.world.memory.events.extend(events);
        Ok(())
    }

    /// A heap profile.
    fn profile(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let bytes = content.whole()?;
        let source = self.source(path, SourceKind::Log);
        let (kind, message, help) = match pprof::heap(&bytes) {
            Ok(heap) => {
                self.world.memory.heaps.push(HeapProfile { source, heap });
                return Ok(());
            }
            Err(Unread::NotOfHeap) => (
                ProblemKind::Malformed,
                "is a profile, but not of the heap: it has no inuse_space",
                "curl -o heap.pb.gz http://ADDRESS/debug/pprof/heap, or pprof.Lookup(\"heap\").WriteTo(file, 0)",
            ),
            Err(Unread::Malformed) => (
                ProblemKind::Malformed,
                "is a torn profile",
                "fetch it again; go tool pprof -raw shows what can be read of it",
            ),
            Err(Unread::TooLarge) => (
                ProblemKind::Limit,
                "has more functions or places in the code than are read, 524288",
                "go tool pprof -top reads it",
            ),
        };
        self.problem(source, kind, message.to_owned(), Some(help));
        Ok(())
    }

    /// Pods as `kubectl describe` prints them.
    fn described(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let text = content.whole()?;
        let source = self.source(path, SourceKind::Log);
        let (pods, events) = oom::described(source, &String::from_utf8_lossy(&text));
        if pods.iter().all(|pod| pod.containers.is_empty()) && events.is_empty() {
            let message = "describes no pod whose containers were started".to_owned();
            let help =
                "kubectl describe pod NAME, or kubectl get pod NAME -o yaml, which says more";
            self.problem(source, ProblemKind::Malformed, message, Some(help));
        }
        self.world.memory.pods.extend(pods);
        self.world.memory.events.extend(events);
        Ok(())
    }

    /// A log that a store gave out as one document. Its records are read one to a line, the oldest first, and places
    /// count them: `log.json#records:3` is the third that was written, wherever it stands in the file.
    fn exported(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let is_inside = content.is_inside;
        let bytes = content.whole()?;
        let lines = exports::lines(&bytes).unwrap_or(bytes);
        let size = lines.len() as u64;
        let records = format!("{path}#records");
        self.log(&records, Content::new(Box::new(Cursor::new(lines)), size, is_inside)?)
    }

    /// A part of what `kubectl describe` prints of a pod.
    fn fragment(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let text = content.whole()?;
        let source = self.source(path, SourceKind::Log);
        let (pods, events) = oom::fragment(source, &String::from_utf8_lossy(&text));
        self.world.memory.pods.extend(pods);
        self.world.memory.events.extend(events);
        Ok(())
    }

    /// What a runtime counted until a moment.
    fn counters(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let bytes = content.whole()?;
        let source = self.source(path, SourceKind::Log);
        let form = counters::form(bytes.get(..HEAD).unwrap_or(&bytes));
        match form.and_then(|form| counters::read(&bytes, form)) {
            Some(snapshot) => self.world.counters.push(Counted { source, snapshot }),
            None => {
                let message = "holds nothing that a Go runtime counts of one process".to_owned();
                let help = "give /debug/vars, /metrics of the process itself (labels of a scrape of several tell them apart), or values of runtime/metrics";
                self.problem(source, ProblemKind::Malformed, message, Some(help));
            }
        }
        Ok(())
    }

    /// System calls.
    fn calls(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let source = self.source(path, SourceKind::Log);
        let bar = self.bar(content.size);
        let stopped = self.interrupt.flag();
        let log = syscall_log::read(source, content.read(), &|bytes| {
            bar.set_position(bytes);
            !stopped.load(Ordering::Relaxed)
        });
        bar.finish_and_clear();
        let log = log?;
        if log.tool.is_none() {
            let lines = log.counts.lines;
            let message = format!(
                "holds no line that strace or perf trace writes, in {}",
                counted(lines, "line")
            );
            let help = format!("record them: {RECORD}");
            self.problem(source, ProblemKind::Malformed, message, Some(&help));
        } else {
            self.world.syscalls.push(log);
        }
        Ok(())
    }

    fn bar(&self, size: u64) -> ProgressBar {
        match self.cli.quiet {
            true => ProgressBar::hidden(),
            false if size > 0 => {
                ProgressBar::new(size).with_style(style("{bytes} of {total_bytes}, {eta} left"))
            }
            false if self.follow => {
                ProgressBar::no_length().with_style(style("{bytes}, Ctrl-C ends with the report"))
            }
            false => ProgressBar::no_length().with_style(style("{bytes}")),
        }
    }

    /// Whatever a process or a kernel wrote, mixed with anything.
    fn log(&mut self, path: &str, content: Content<'_>) -> io::Result<()> {
        let is_inside = content.is_inside;
        let head = content.head.clone();
        // Of an archive it was not said that there is anything in it.
        if let Err(Nothing { source, lines }) = self.read_log(path, content)?
            && !is_inside
        {
            if let Some(table) = tables::of(&head) {
                let message = format!("is {}", table.is);
                self.problem(source, ProblemKind::Malformed, message, Some(&table.ask));
                return Ok(());
            }
            if lines == 0 {
                self.problem(source, ProblemKind::Malformed, "is empty".to_owned(), Some(HOW));
                return Ok(());
            }
            let message = format!(
                "holds no line that the runtime's tracing writes, neither a crash nor a dump of goroutines, and no kill for memory, in {}",
                counted(lines, "line")
            );
            self.problem(source, ProblemKind::Malformed, message, Some(HOW));
        }
        Ok(())
    }

    fn read_log(&mut self, path: &str, content: Content<'_>) -> io::Result<Result<(), Nothing>> {
        let source = self.source(path, SourceKind::Log);
        let bar = self.bar(content.size);
        let stopped = self.interrupt.flag();
        let is_kernel = oom::kind(&content.head) == Some(Kind::KernelLog);
        if is_kernel && !self.follow && oom::runs_backwards(&content.head) {
            let text = content.whole()?;
            bar.finish_and_clear();
            self.world.memory.logs.push(oom::backwards(source, &text)?);
            return Ok(Ok(()));
        }
        let mut watched = Watched::new(content.read());
        let log = runtime_log::read(source, &mut watched, &|bytes| {
            bar.set_position(bytes);
            !stopped.load(Ordering::Relaxed)
        });
        bar.finish_and_clear();
        let log = log?;
        let kernel = watched.finish(source);
        let lines = log.counts.lines;
        let unread = log.counts.unread;
        if unread > 0 {
            let message = format!(
                "has lines of Go's runtime of more than {MOST_STREAMS} processes by name: left out are {} of further ones, and what follows these",
                counted(unread, "line")
            );
            self.problem(source, ProblemKind::Limit, message, Some(FEWER));
        }
        let more_lives = log.more_lives;
        if more_lives > 0 {
            let message = format!(
                "has collections and samples of more than {MOST_LIVES} processes: left out are {}, the last ones; of a container that is started anew each time one after the other counts",
                counted(more_lives, "further one")
            );
            self.problem(source, ProblemKind::Limit, message, Some(FEWER));
        }
        let untold = log.untold;
        if let Some(untold) = untold {
            let message = format!(
                "has lines of Go's runtime of {} processes at once that cannot be told apart, from line {} on: their numbers, times and heaps go on after each other; nothing is said of these",
                untold.processes.max(2),
                untold.line
            );
            self.problem(source, ProblemKind::Malformed, message, Some(NAMED));
        }
        let is_runtime = !log.is_empty();
        if is_runtime {
            self.world.logs.push(log);
        }
        if is_kernel || !kernel.reports.is_empty() {
            self.world.memory.logs.push(kernel);
        } else if !is_runtime && unread == 0 && untold.is_none() {
            return Ok(Err(Nothing { source, lines }));
        }
        Ok(Ok(()))
    }
}

fn style(rest: &str) -> ProgressStyle {
    ProgressStyle::with_template(&format!("reading {rest} ({{bytes_per_sec}})"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
