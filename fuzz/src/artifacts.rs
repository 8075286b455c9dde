//! Files that the pipeline reads, and what it makes of them.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;

use provost_check::artifact::manifest::{ManifestFile, Options, load_manifests};
use provost_check::artifact::render::{Hidden, Renderer, Rendering, load_chart};
use provost_check::artifact::source::{Source, SourceKind, Sources};
use provost_check::artifact::{dockerfile, image, yaml as syntax};
use provost_check::case::Joined;
use provost_check::case::env::Variable;
use provost_check::facts::SourceId;
use provost_check::facts::settings::Settings;
use provost_check::findings::fix;
use provost_check::model::condition::{self, Condition, Value};
use provost_check::model::goduration;
use provost_check::model::promql::{self, Query};
use provost_check::model::re2;
use provost_check::pipeline::{self, Conclusion, Loaded, Request};
use provost_check::report::view::View;
use provost_check::report::{html, sarif};
use provost_check::rules::engine::Selection;
use serde_json::Value as Json;

use crate::archive;

/// A file with manifests.
pub(crate) fn yaml(data: &[u8]) {
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
pub(crate) fn dockerfile(data: &[u8]) {
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
pub(crate) fn image(data: &[u8]) {
    load_image(data);
}

/// Entries of layers by a short notation (see [`archive::image`]), so that the engine need compute
/// no checksums to try whiteouts, links and their order.
pub(crate) fn layers(data: &[u8]) {
    load_image(&archive::image(data));
}

/// A query of Prometheus, and the same text as a condition of Argo's, about results that matter.
pub(crate) fn analysis(data: &[u8]) {
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
    black_box((promql::syntax::error(&text), condition::syntax::error(&text), re2::error(&text)));
    black_box(goduration::parse_seconds(&text));
}

/// A template and, behind a NUL each, a text that is traced to it, values and helpers.
pub(crate) fn render(data: &[u8]) {
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
pub(crate) fn fixes(data: &[u8]) {
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
pub(crate) fn report(data: &[u8]) {
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

/// A file that says what was measured: it is judged and drawn.
pub(crate) fn proof(data: &[u8]) {
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
