//! What a process says while it runs and when it ends, and what others write down of it.

use std::hint::black_box;

use goformats::counters;
use goformats::crash;
use goformats::exports;
use goformats::exposition::{self as metrics, Format};
use goformats::kernel::log;
use goformats::pprof;
use goformats::runtimelog::{self, Reader};
use goformats::strace as syscalls;
use provost_check::artifact::manifest::{ManifestFile, Options, load_manifests};
use provost_check::artifact::oom as left;
use provost_check::artifact::runtime_log;
use provost_check::artifact::source::{Source, SourceKind, Sources};
use provost_check::case::{Joined, World};
use provost_check::facts::counters::Counted;
use provost_check::facts::oom::HeapProfile;
use provost_check::facts::settings::Settings;
use provost_check::pipeline;
use provost_check::rules::engine::Selection;

/// Two scrapes of one process with a NUL between them, in each format; of protobuf, whose numbers
/// have NULs of their own, one.
pub(crate) fn exposition(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (before, after) = data.split_at(split);
    let after = after.get(1..).unwrap_or_default();
    let limits = metrics::Limits { samples: 1000, labels: 8, ..metrics::Limits::DEFAULT };
    for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
        let (before, after) = match format {
            Format::Protobuf => (data, data),
            Format::Text | Format::OpenMetrics => (before, after),
        };
        let before = metrics::read(before, format, &limits);
        let read = metrics::read(after, format, &limits);
        for problem in &read.problems {
            assert!(problem.place.start <= problem.at && problem.at <= problem.place.end);
            assert!(after.get(problem.place.clone()).is_some());
        }
        let samples = read.families.iter().flat_map(|family| &family.samples);
        for sample in samples {
            assert!(after.get(sample.place.clone()).is_some());
            black_box(sample.series());
        }
        black_box((metrics::histograms(&read), metrics::no_counts(&read)));
        black_box(metrics::decreases(&before, &read));
        assert!(metrics::decreases(&read, &read).is_empty());
    }
}

/// A log of the runtime's, whole and in two pieces that part at the first NUL.
pub(crate) fn runtimelog(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == 0).unwrap_or(data.len() / 2);
    let (front, back) = data.split_at(split);
    let limits = runtimelog::Limits { line: 4096 };
    let read = |pieces: &[&[u8]]| {
        let mut reader = Reader::new(limits);
        let mut said = Vec::new();
        let mut each = |line: runtimelog::Line<'_>| {
            assert!(line.offset <= data.len() as u64);
            said.push((format!("{:?}", line.entry), line.number, line.offset));
        };
        for piece in pieces {
            reader.push(piece, &mut each);
        }
        reader.finish(&mut each);
        (said, reader.counts())
    };
    let whole = read(&[data]);
    assert_eq!(whole.1.bytes, data.len() as u64);
    assert_eq!(read(&[front, back]), whole);
    // What a store gives out as one document becomes lines, which are not much longer than it.
    if exports::is_one(data.get(..8192).unwrap_or(data)) {
        let lines = exports::lines(data).unwrap_or_default();
        assert!(lines.len() <= 1024 * (data.len() + 1));
    }
}

/// What is left of memory that ran out: a kernel's log in one piece and in two, a listing and an archive of
/// files, and a pod; and what the rules make of them.
pub(crate) fn oom(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == 0).unwrap_or(data.len() / 2);
    let (front, back) = data.split_at(split);
    let read = |pieces: &[&[u8]]| {
        let limits = log::Limits { line: 512, tasks: 8, killed: 4, report: 64 };
        let mut reader = log::Reader::new(limits);
        let mut reports = Vec::new();
        for piece in pieces {
            reader.push(piece, &mut |report| reports.push(report));
        }
        reader.finish(&mut |report| reports.push(report));
        (reports, reader.counts())
    };
    let whole = read(&[data]);
    assert_eq!(whole.1.bytes, data.len() as u64);
    assert_eq!(read(&[front, back]), whole);
    for report in &whole.0 {
        assert!(report.tasks.len() <= 8 && report.killed.len() <= 4);
        black_box((report.page(), report.composition(), report.victim_task()));
    }
    let mut world = world();
    let source = world.sources.add(Source::opaque("fuzz", SourceKind::Log));
    if let Ok(log) = left::kernel_log(source, data) {
        world.memory.logs.push(log);
    }
    black_box((left::kind(data), left::is_cluster(data)));
    let (archived, inside, _) = left::read_archive(data);
    black_box(inside.len());
    for files in [left::read_listing(&String::from_utf8_lossy(data)), archived] {
        world.memory.groups.extend(files.groups(source));
        world.memory.processes.extend(files.processes(source));
    }
    let file = ManifestFile::text("fuzz.yaml", data);
    let loaded = load_manifests(&[file], &mut world.sources, &Options::default());
    world.memory.pods.extend(left::pods(&loaded.objects));
    world.memory.events.extend(left::events(&loaded.objects));
    black_box(left::is_described(data));
    let (pods, events) = left::described(source, &String::from_utf8_lossy(data));
    world.memory.pods.extend(pods);
    world.memory.events.extend(events);
    if let Ok(heap) = pprof::heap(data) {
        world.memory.heaps.push(HeapProfile { source, heap });
    }
    black_box(pipeline::judge(&world, &Selection::default(), &[]));
}

/// A heap profile: what functions have is never more than all of it.
pub(crate) fn profile(data: &[u8]) {
    black_box(pprof::is_one(data));
    let Ok(heap) = pprof::heap(data) else { return };
    assert!(heap.functions.is_sorted_by(|a, b| a.in_use >= b.in_use) && heap.functions.len() <= 64);
    black_box(heap);
}

/// A log with crashes and dumps, and what the pipeline keeps and says of it.
pub(crate) fn crash(data: &[u8]) {
    let limits = crash::Limits { frames: 8, name: 64, message: 256, panics: 4 };
    let mut parser = crash::Parser::new(limits);
    let mut groups = crash::Groups::default();
    let mut said = 0_u64;
    let mut each = |one: crash::Said<'_>| match one {
        crash::Said::Cause(cause) => {
            assert!(cause.notes.iter().all(|note| note.len() <= 1024));
            if let crash::Ended::Panic(chain) = &cause.ended {
                assert!(chain.len() <= limits.panics);
                // A letter that is none becomes three bytes.
                assert!(chain.iter().all(|one| one.value.len() <= 3 * limits.message));
            }
        }
        crash::Said::Profile { .. } => {}
        crash::Said::Goroutine { goroutine, .. } => {
            assert!(goroutine.frames().count() <= limits.frames + 1);
            groups.push(&goroutine);
            said = said.saturating_add(goroutine.count);
        }
    };
    for (number, line) in data.split(|byte| *byte == b'\n').enumerate() {
        parser.take(line, (number as u64 + 1, 0), None, &mut each);
    }
    parser.finish(&mut each);
    assert_eq!(groups.total, said);
    let counted = groups.groups.iter().map(|group| group.count).fold(0, u64::saturating_add);
    assert!(counted.saturating_add(groups.more) <= said);
    for group in &groups.groups {
        for frame in &group.frames {
            black_box((crash::Code::of(&frame.frame(), &groups.main), crash::package(&frame.func)));
        }
    }
    let mut world = world();
    let source = world.sources.add(Source::opaque("fuzz.log", SourceKind::Log));
    if let Ok(log) = runtime_log::read(source, data, &|_| true) {
        world.logs.push(log);
    }
    let joined = Joined::new(&world);
    black_box(pipeline::conclude(&joined, provost_check::rules::RULES, &Selection::default(), &[]));
}

/// What a runtime counted, in each of its forms.
pub(crate) fn counters(data: &[u8]) {
    use counters::Form;
    black_box(counters::form(data));
    let mut world = world();
    for form in [Form::Expvar, Form::RuntimeMetrics, Form::Prometheus] {
        let Some(snapshot) = counters::read(data, form) else { continue };
        assert!(snapshot.pauses.len() <= 256);
        assert!(snapshot.values.values().all(|value| value.is_finite()));
        let source = world.sources.add(Source::opaque("fuzz.vars", SourceKind::Log));
        world.counters.push(Counted { source, snapshot });
    }
    let joined = Joined::new(&world);
    black_box(pipeline::conclude(&joined, provost_check::rules::RULES, &Selection::default(), &[]));
}

/// A log of system calls, whole and in two pieces that part at the first NUL.
pub(crate) fn strace(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == 0).unwrap_or(data.len() / 2);
    let (front, back) = data.split_at(split);
    let limits = syscalls::Limits { line: 1024, args: 32, threads: 4 };
    let read = |pieces: &[&[u8]]| {
        let mut reader = syscalls::Reader::new(limits);
        let mut said = Vec::new();
        let mut each = |one: syscalls::Said<'_>| {
            assert!(one.offset <= data.len() as u64);
            if let syscalls::Event::Call(call) = one.event {
                assert!(
                    call.value().is_none() || call.error().is_none() || call.value() == Some(-1)
                );
            }
            said.push(format!("{one:?}"));
        };
        for piece in pieces {
            reader.push(piece, &mut each);
        }
        reader.finish(&mut each);
        (said, reader.counts())
    };
    let whole = read(&[data]);
    assert_eq!(whole.1.bytes, data.len() as u64);
    assert_eq!(read(&[front, back]), whole);
}

/// Nothing but a day.
fn world() -> World {
    World::new(Sources::default(), Settings::at(jiff::civil::date(2026, 11, 23)))
}
