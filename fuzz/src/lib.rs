//! One function for each parser, called by the fuzzing engine and by the replay of the seeds.
//!
//! Each reads hostile bytes and then uses what came of them the way the pipeline does: a value
//! that parses and panics when it is looked at is found, too. Nothing is returned; the finding
//! is a panic, a time or a memory limit.

mod archive;
mod wrap;

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;

use goformats::binary;
use goformats::counters;
use goformats::crash;
use goformats::exposition::{self as metrics, Format};
use goformats::godebug::{self, Release};
use goformats::gostrings::Strings;
use goformats::kernel::log;
use goformats::limits::Limits;
use goformats::runtimelog::{self, Reader};
use goformats::strace as syscalls;
use provost_check::artifact::manifest::{ManifestFile, Options, load_manifests};
use provost_check::artifact::oom as left;
use provost_check::artifact::render::{Hidden, Renderer, Rendering, load_chart};
use provost_check::artifact::source::{Source, SourceKind, Sources};
use provost_check::artifact::{dockerfile, image, runtime_log, yaml as syntax};
use provost_check::case::env::Variable;
use provost_check::case::{Joined, World};
use provost_check::facts::SourceId;
use provost_check::facts::counters::Counted;
use provost_check::facts::proof::telemetry::Kind;
use provost_check::facts::settings::Settings;
use provost_check::findings::fix;
use provost_check::model::condition::{Condition, Value};
use provost_check::model::goduration;
use provost_check::model::promql::Query;
use provost_check::pipeline::{self, Conclusion, Loaded, Request};
use provost_check::report::view::View;
use provost_check::report::{html, sarif};
use provost_check::rules::engine::Selection;
use provost_live::prove::otlp::decode;
use provost_live::prove::{connection, frames, grpc as messages, websocket as sockets};
use serde_json::Value as Json;

/// A target: its name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. The names are those of the folders in `seeds/`.
pub const TARGETS: &[Target] = &[
    ("elf", elf),
    ("buildinfo", buildinfo),
    ("pclntab", pclntab),
    ("strings", strings),
    ("godebug", godebug),
    ("yaml", yaml),
    ("dockerfile", dockerfile),
    ("image", image),
    ("layers", layers),
    ("analysis", analysis),
    ("exposition", exposition),
    ("runtimelog", runtimelog),
    ("strace", strace),
    ("crash", crash),
    ("counters", counters),
    ("oom", oom),
    ("render", render),
    ("fixes", fixes),
    ("report", report),
    ("response", response),
    ("http2", http2),
    ("grpc", grpc),
    ("websocket", websocket),
    ("otlp", otlp),
    ("proof", proof),
];

/// A whole file, taken for a binary.
pub fn elf(data: &[u8]) {
    look_at(data);
}

/// The bytes of `.go.buildinfo` in an otherwise sound file.
pub fn buildinfo(data: &[u8]) {
    look_at(&wrap::elf(&[(".go.buildinfo", data)]));
}

/// The bytes of `.gopclntab` in an otherwise sound file.
pub fn pclntab(data: &[u8]) {
    look_at(&wrap::elf(&[(".gopclntab", data)]));
}

/// Machine code of three functions (16 bytes each) and the string constants it refers to, in a
/// program that is sound otherwise.
pub fn strings(data: &[u8]) {
    let (code, constants) = data.split_at(data.len().min(48));
    let mut functions = include_bytes!("../seeds/pclntab/go1.20").to_vec();
    // The start of the text in the table's header; the first section is the text.
    functions[24..32].copy_from_slice(&wrap::FIRST_SECTION.to_le_bytes());
    let build = include_bytes!("../seeds/buildinfo/go1.25.14");
    let file = wrap::elf(&[
        (".text", code),
        (".rodata", constants),
        (".gopclntab", &functions),
        (".go.buildinfo", build),
    ]);
    let limits = Limits::DEFAULT;
    let binary = binary::read(&file, &limits);
    if let Some(strings) = Strings::read(&binary, &limits) {
        for string in strings.iter() {
            black_box((string.kind(), strings.place(string)));
        }
        black_box((strings.variable_reads(), strings.signals()));
    }
}

/// A value of GODEBUG, after one byte that chooses the Go version.
pub fn godebug(data: &[u8]) {
    let Some((minor, text)) = data.split_first() else { return };
    let release = Release::new(16 + u16::from(minor % 16), u16::from(minor / 16));
    let text = String::from_utf8_lossy(text);
    black_box(godebug::parse(&text, release));
    black_box(godebug::suggest(&text, release));
}

/// A file with manifests.
pub fn yaml(data: &[u8]) {
    let mut sources = Sources::default();
    let file = ManifestFile::text("fuzz.yaml", data);
    let loaded = load_manifests(&[file], &mut sources, &Options::default());
    for object in &loaded.objects {
        black_box((object.subject(), object.origin(), object.workload()));
    }
    for (_, source) in sources.iter() {
        black_box(source.shown());
    }
}

/// A Dockerfile; and what would be repeated of the builds in it, which has to pass a list of
/// allowed flags before anything runs.
pub fn dockerfile(data: &[u8]) {
    let limits = dockerfile::Limits::DEFAULT;
    let (build, problems) = dockerfile::load_bytes(SourceId(0), data, None, &limits);
    for go_build in build.iter().flat_map(|build| &build.go_builds) {
        black_box(dockerfile::repro::repro_flags(go_build).arguments());
    }
    for run in build.iter().flat_map(|build| &build.runs) {
        black_box(run.commands().ok());
    }
    black_box(build.as_ref().map(|build| build.reached()));
    black_box((build, problems));
}

/// An archive that is an image: OCI or docker, its configuration and its layers.
pub fn image(data: &[u8]) {
    load_image(data);
}

/// Entries of layers by a short notation (see [`archive::image`]), so that the engine need compute
/// no checksums to try whiteouts, links and their order.
pub fn layers(data: &[u8]) {
    load_image(&archive::image(data));
}

/// A query of Prometheus, and the same text as a condition of Argo's, about results that matter.
pub fn analysis(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let query = Query::read(&text);
    for selector in &query.selectors {
        assert!(text.get(selector.place.clone()).is_some());
        for matcher in &selector.matchers {
            assert!(text.get(matcher.place.clone()).is_some());
            black_box(matcher.values());
        }
    }
    if let Some((_, place)) = &query.fallback {
        assert!(text.get(place.clone()).is_some());
    }
    if let Some(condition) = Condition::read(&text) {
        let one = |n| Value::List(vec![Value::Number(n)]);
        let results = [Value::Nil, Value::List(Vec::new()), one(0.5), one(f64::NAN)];
        for result in &results {
            black_box(condition.holds(result));
        }
        black_box((condition.reads_first_only(), condition.is_complement_of(&condition)));
    }
    black_box(goduration::parse_seconds(&text));
}

/// Two scrapes of one process with a NUL between them, in each format.
pub fn exposition(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (before, after) = data.split_at(split);
    let after = after.get(1..).unwrap_or_default();
    let limits = metrics::Limits { samples: 1000, labels: 8, ..metrics::Limits::DEFAULT };
    for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
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
pub fn runtimelog(data: &[u8]) {
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
}

/// What is left of memory that ran out: a kernel's log in one piece and in two, a listing and an archive of
/// files, and a pod; and what the rules make of them.
pub fn oom(data: &[u8]) {
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
    let mut world = World::new(Sources::default(), Settings::at(jiff::civil::date(2026, 11, 23)));
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
    black_box(pipeline::judge(&world, &Selection::default(), &[]));
}

/// A log with crashes and dumps, and what the pipeline keeps and says of it.
pub fn crash(data: &[u8]) {
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
    let mut world = World::new(Sources::default(), Settings::at(jiff::civil::date(2026, 11, 23)));
    let source = world.sources.add(Source::opaque("fuzz.log", SourceKind::Log));
    if let Ok(log) = runtime_log::read(source, data, &|_| true) {
        world.logs.push(log);
    }
    let joined = Joined::new(&world);
    black_box(pipeline::conclude(&joined, provost_check::rules::RULES, &Selection::default(), &[]));
}

/// What a runtime counted, in each of its forms.
pub fn counters(data: &[u8]) {
    use counters::Form;
    black_box(counters::form(data));
    let mut world = World::new(Sources::default(), Settings::at(jiff::civil::date(2026, 11, 23)));
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
pub fn strace(data: &[u8]) {
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

/// A template and, behind a NUL each, a text that is traced to it, values and helpers.
pub fn render(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0');
    let mut next = || parts.next().unwrap_or_default();
    let (template, rendered, values, helpers) = (next(), next(), next(), next());
    trace(template, rendered, values, helpers);
    let found = provost_check::artifact::render::lines_of(template, rendered);
    assert_eq!(found.len(), rendered.lines().count());
    let lines = template.split('\n').count();
    assert!(found.iter().flatten().all(|line| *line < lines));
    mask(template, rendered);
}

/// What is secret in the one text is hidden in the other, however it is written there.
fn mask(secrets: &str, text: &str) {
    let mut hidden = Hidden::default();
    hidden.manifest(secrets.as_bytes());
    hidden.values(secrets.as_bytes());
    hidden.value(secrets);
    hidden.named("password", text);
    let masker = hidden.masker();
    let spans = masker.spans(text);
    assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start));
    assert!(spans.iter().all(|span| text.get(span.range()).is_some_and(|part| !part.is_empty())));
    for shown in [masker.masked(text), masker.masked(secrets)] {
        for secret in [secrets.trim(), text.trim()] {
            // Shorter ones are words of their own, or none.
            let is_one = secret.len() > 5 && secret.chars().any(char::is_alphanumeric);
            assert!(!is_one || secret.contains('*') || !shown.contains(secret));
        }
    }
}

/// Passes of `--fix`; each may uncover what the next one mends.
const PASSES: usize = 8;

/// Manifests, of which every fix is applied: the text stays as sound as it was, and comes to rest.
pub fn fixes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for suggested in [false, true] {
        let mut text = text.to_owned();
        let (mut loaded, mut concluded) = judged(text.as_bytes());
        let (mut objects, mut problems) = soundness(&loaded, &text);
        for _ in 0..PASSES {
            let plan = fix::plan(&concluded.findings, suggested);
            let Some((_, edits)) = plan.edits.into_iter().next() else { break };
            let fixed = fix::apply(&text, &edits).expect("edits lie in the text, at characters");
            assert_ne!(fixed, text, "an edit changes something");
            let before = given(&loaded);
            let with_fix = concluded
                .findings
                .iter()
                .filter(|finding| finding.fix.as_ref().is_some_and(|fix| !fix.edits.is_empty()));
            let about: Vec<String> = with_fix.map(|finding| finding.subject.clone()).collect();
            text = fixed;
            (loaded, concluded) = judged(text.as_bytes());
            let after = given(&loaded);
            let is_in = |container: &String, subject: &String| {
                let rest = container.strip_prefix(subject.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            // What is no workload, a ConfigMap that was mended or found its kind, is for all that
            // take from it.
            let of_all = about.iter().any(|subject| !before.keys().any(|c| is_in(c, subject)));
            for (container, values) in &before {
                let may_change = of_all || about.iter().any(|subject| is_in(container, subject));
                let now = after.get(container).filter(|_| !may_change);
                assert!(
                    now.is_none_or(|now| now == values),
                    "{container} was changed, too: {text}"
                );
            }
            // One that lost its kind is an object once it has one.
            let now = soundness(&loaded, &text);
            assert!(now.0 >= objects && now.1 <= problems, "{text}");
            (objects, problems) = now;
        }
        assert!(fix::plan(&concluded.findings, suggested).edits.is_empty(), "no rest: {text}");
    }
}

/// By container whose name is its own, what its program is given: variables and words.
fn given(loaded: &Loaded) -> BTreeMap<String, Vec<String>> {
    let joined = Joined::new(&loaded.world);
    let mut all: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    for case in joined.cases() {
        let environment = case.environment();
        let variable =
            |(name, set): (&str, &Variable)| format!("{name}={:?}", set.value.as_ref().ok());
        let container = case.container;
        let words = [&container.command, &container.args].into_iter().flatten().flatten();
        let words = words.map(|word| word.value.clone());
        let values = environment.iter().map(variable).chain(words).collect();
        all.entry(case.subject()).and_modify(|known| *known = None).or_insert(Some(values));
    }
    all.into_iter().filter_map(|(name, values)| Some((name, values?))).collect()
}

/// Objects that are read, and what is wrong with the text as YAML. What a value means is not
/// counted: a field that got its right name may have the wrong type, which nobody saw before.
fn soundness(loaded: &Loaded, text: &str) -> (usize, usize) {
    let parsed = syntax::parse(SourceId(0), text, &[], &syntax::Limits::default());
    (loaded.world.objects.len(), parsed.problems.len())
}

/// The report of manifests: what SARIF says can be read back, and lies in the text.
pub fn report(data: &[u8]) {
    let (loaded, concluded) = judged(data);
    let findings = concluded.findings.len() + concluded.suppressed.len();
    let report = pipeline::report(&loaded.world, "0", concluded);
    let view = View::new(&report);
    let log: Json = serde_json::from_str(&sarif::render(&view)).expect("SARIF is JSON");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules are a list");
    let results = run["results"].as_array().expect("results are a list");
    assert_eq!(results.len(), findings);
    // A line ends where YAML, or an editor, ends it.
    let lines = String::from_utf8_lossy(data).split(['\n', '\r']).count() as u64;
    for result in results {
        let rule = result["ruleIndex"].as_u64().expect("each names its rule");
        // A variant's name goes below that of its rule (section 3.27.5).
        let (rule, id) = (rules[rule as usize]["id"].as_str(), result["ruleId"].as_str());
        assert_eq!(rule, id.and_then(|id| id.split('/').next()));
        for location in result["locations"].as_array().expect("each has a place") {
            let region = &location["physicalLocation"]["region"];
            if let Some(line) = region["startLine"].as_u64() {
                assert!(line >= 1 && line <= lines, "line {line} of {lines}");
                assert!(region["endLine"].as_u64().is_none_or(|end| end >= line && end <= lines));
            }
        }
    }
}

/// What goes over a connection of HTTP/2, in both directions: however it is cut, the same is read.
pub fn http2(data: &[u8]) {
    for begin in [frames::Frames::of_server(), frames::Frames::of_client()] {
        let (mut whole, mut pieces) = (begin.clone(), begin);
        let (mut at_once, mut in_pieces) = (Vec::new(), Vec::new());
        whole.feed(data, &mut |frame| at_once.push(frame));
        for piece in in_turn(data) {
            pieces.feed(piece, &mut |frame| in_pieces.push(frame));
        }
        assert_eq!(at_once, in_pieces);
    }
}

/// The body of a call of gRPC's health service.
pub fn grpc(data: &[u8]) {
    black_box(messages::serving(data));
    let (mut whole, mut pieces) = (messages::Messages::default(), messages::Messages::default());
    whole.feed(data);
    let at_once: Vec<Vec<u8>> = std::iter::from_fn(|| whole.take()).collect();
    let mut in_pieces = Vec::new();
    for piece in in_turn(data) {
        pieces.feed(piece);
        in_pieces.extend(std::iter::from_fn(|| pieces.take()));
    }
    assert_eq!(at_once, in_pieces);
    for message in &at_once {
        black_box(messages::serving(message));
    }
}

/// What a server sends on a WebSocket.
pub fn websocket(data: &[u8]) {
    let (mut whole, mut pieces) = (sockets::Frames::default(), sockets::Frames::default());
    whole.feed(data);
    let at_once: Vec<_> = std::iter::from_fn(|| whole.take().ok().flatten()).collect();
    let mut in_pieces = Vec::new();
    for piece in in_turn(data) {
        pieces.feed(piece);
        while let Ok(Some(said)) = pieces.take() {
            in_pieces.push(said);
        }
    }
    assert_eq!(at_once, in_pieces);
}

/// Pieces of a byte and more, as they may come.
fn in_turn(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut size = 0;
    std::iter::from_fn(move || {
        size = size % 7 + 1;
        let (piece, rest) = data.split_at(data.len().min(size));
        data = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// What a server sends: its end is the same wherever the bytes are cut.
pub fn response(data: &[u8]) {
    let Ok(Some((length, head))) = connection::head(data) else { return };
    let rest = &data[length..];
    let (mut whole, mut pieces) = (head.body.clone(), head.body);
    let at_once = whole.take(rest);
    let (mut taken, mut content, mut done) = (0, 0, false);
    // Pieces of a byte and more, as they may come.
    let mut size = 1;
    while !done && taken < rest.len() {
        let end = rest.len().min(taken + size);
        match pieces.take(&rest[taken..end]) {
            Ok((more, of_content, is_done)) => {
                assert!(more > 0 || is_done, "no progress");
                taken += more;
                content += of_content;
                done = is_done;
            }
            Err(_) => {
                assert!(at_once.is_err());
                return;
            }
        }
        size = size % 7 + 1;
    }
    if !rest.is_empty() {
        assert_eq!(at_once, Ok((taken, content, done)));
    }
}

/// What an exporter sends, by protobuf and by JSON: no more is kept than there is.
pub fn otlp(data: &[u8]) {
    for kind in [Kind::Traces, Kind::Metrics, Kind::Logs] {
        for read in [decode::protobuf(kind, data), decode::json(kind, data)] {
            let Ok(message) = read else { continue };
            // An item takes two bytes at least.
            assert!(message.items <= data.len() as u64);
            assert!(message.spans.len() as u64 <= message.items);
            for span in &message.spans {
                assert!(span.trace.is_empty() || span.trace.len() == 32, "{span:?}");
                assert!(span.id.is_empty() || span.id.len() == 16, "{span:?}");
            }
        }
    }
}

/// A file that says what was measured: it is judged and drawn.
pub fn proof(data: &[u8]) {
    let settings = Settings::at(jiff::civil::date(2026, 11, 23));
    let Loaded { mut world, .. } =
        pipeline::load(&Request::default(), Sources::default(), settings);
    let source = world.sources.add(Source::opaque("proof.json", SourceKind::Proof));
    let Ok(measured) = provost_check::artifact::proof::load(source, data, &[]) else { return };
    black_box(provost_check::report::timeline::render(&measured.proof));
    world.proofs.push(measured);
    let concluded = pipeline::judge(&world, &Selection::default(), &[]);
    let report = pipeline::report(&world, "0", concluded);
    black_box(html::render(&View::new(&report)));
}

/// What a run on standard input concludes.
fn judged(data: &[u8]) -> (Loaded, Conclusion) {
    let request =
        Request { paths: vec!["-".to_owned()], stdin: Some(data.to_vec()), ..Request::default() };
    let today = jiff::civil::date(2026, 11, 24);
    let loaded = pipeline::load(&request, Sources::default(), Settings::at(today));
    let concluded = pipeline::judge(&loaded.world, &Selection::default(), &[]);
    (loaded, concluded)
}

/// The template in a chart and in one inside of it, with the same values, and what they printed.
fn trace(template: &str, rendered: &str, values: &str, helpers: &str) {
    let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
    let files = HashMap::from([
        file("Chart.yaml", "name: c\ndependencies: [{name: a, alias: b}]\n"),
        file("values.yaml", values),
        file("templates/a.yaml", template),
        file("templates/_h.tpl", helpers),
        file("charts/a/Chart.yaml", "name: a\n"),
        file("charts/a/values.yaml", values),
        file("charts/a/templates/a.yaml", template),
    ]);
    let printed = format!(
        "---\n# Source: c/templates/a.yaml\n{rendered}\n\
         ---\n# Source: c/charts/b/templates/a.yaml\n{rendered}\n"
    );
    let rendering = Rendering {
        root: "c".to_owned(),
        by: Renderer::Helm,
        text: printed.into_bytes(),
        values: Vec::new(),
        set: vec!["global.x".to_owned()],
        hidden: Hidden::default(),
    };
    let mut sources = Sources::default();
    black_box(load_chart(files, &rendering, &mut sources, &Options::default()));
    for (_, source) in sources.iter() {
        let lines = source.rendered.iter().flat_map(|trace| &trace.lines);
        for written in lines {
            for value in &written.values {
                let file = sources.get(value.origin.source());
                if file.kind == SourceKind::Flag {
                    // What --set says is in no file.
                    assert!(value.origin.span().is_none());
                    continue;
                }
                let span = value.origin.span().unwrap_or_default();
                assert!(file.shown().is_some_and(|text| text.get(span.range()).is_some()));
                let whole = value.whole.unwrap_or_default();
                assert!(source.shown().is_some_and(|text| text.get(whole.range()).is_some()));
            }
            for at in written.at.iter().chain(&written.action) {
                let span = at.span().unwrap_or_default();
                let text = sources.get(at.source()).shown();
                assert!(text.is_some_and(|text| text.get(span.range()).is_some()));
            }
        }
    }
}

fn load_image(archive: &[u8]) {
    // Small enough that a bomb ends before the engine's own limits.
    let limits = image::Limits {
        entries: 10_000,
        blobs: 1000,
        unpacked: 8 << 20,
        free: 1 << 20,
        program: 1 << 20,
        document: 1 << 20,
        layers: 64,
        ..image::Limits::default()
    };
    let loaded = image::load_bytes(SourceId(0), archive, &limits);
    if let Some(image) = &loaded.image {
        black_box((image.libc(), image.shell(), image.uid_of("app"), image.gid_of("app")));
        for (path, entry) in image.files.iter() {
            assert!(path.starts_with('/') && !path.ends_with('/'), "{path}");
            let clean = path.split('/').skip(1).all(|name| !matches!(name, "" | "." | ".."));
            assert!(clean, "{path} is not clean");
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            black_box(image.files.lookup(path));
            black_box(image.files.children(parent).count());
            black_box(entry.executable_by(1000, &[1000]));
            // A whiteout is a mark, no file.
            let name = path.rsplit('/').next().unwrap_or_default();
            assert!(!name.starts_with(".wh."), "{path}");
        }
    }
    black_box((loaded.image, loaded.program, loaded.problems));
}

fn look_at(file: &[u8]) {
    let limits = Limits::DEFAULT;
    let binary = binary::read(file, &limits);
    if let Some(elf) = &binary.elf {
        for section in &elf.sections {
            black_box(elf.bytes_at(section.address, section.size));
        }
    }
    if let Some(build) = &binary.build {
        black_box(build.default_godebug());
    }
    if let Some(table) = &binary.functions {
        for function in table.functions() {
            black_box(function);
        }
        black_box(table.files().count());
        black_box(table.packages());
        black_box(table.find(&["main.main", "os/signal.Notify"]));
        black_box(table.function_at(table.text_start()));
    }
    black_box(&binary.problems);
}
