//! What `helm template` printed, taken apart into the templates that it came from.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use super::Rendering;
use super::helpers::{Place, Templates};
use super::template::{self, Line};
use super::trace::{Trace, Value, Written};
use super::values::{File, Files, Key, Values, plain};
use crate::artifact::manifest::{self, Loaded, ManifestFile};
use crate::artifact::mmap;
use crate::artifact::source::Sources;
use crate::artifact::yaml;
use crate::facts::document::Node;
use crate::facts::origin::{Origin, SourceId, Span};

/// Bytes of all files of a packed chart, unpacked: Helm's own limit (helm v3.22
/// pkg/chart/loader/archive.go, MaxDecompressedChartSize).
const LARGEST_CHART: u64 = 100 << 20;

/// Files of a packed chart.
const MOST_FILES: usize = 20_000;

/// Elements of lists that a value is looked for in.
const ELEMENTS: usize = 256;

/// Loads the objects of a rendered chart. Facts have their places in the rendered text, whose
/// inputs know where each line was written.
pub(super) fn load(
    rendering: &Rendering,
    sources: &mut Sources,
    options: &manifest::Options,
) -> Loaded {
    let cleaned = yaml::clean(&rendering.text);
    let parts = split(&cleaned.text);
    let chart = Chart::open(&rendering.root);
    let files: Vec<ManifestFile> = parts
        .iter()
        .map(|part| ManifestFile {
            path: PathBuf::new(),
            shown: chart.shown(part.inside()),
            named: true,
            content: Some(part.text.clone().into_bytes()),
        })
        .collect();
    // Each named file becomes an input, in order.
    let first = sources.len();
    let mut loaded = manifest::load_manifests(&files, sources, options);
    let mut values = Files::default();
    let mut templates = Templates::of(&chart);
    let mut hidden = rendering.hidden.clone();
    for (number, part) in parts.iter().enumerate() {
        let id = SourceId(u32::try_from(first + number).unwrap_or(u32::MAX));
        hidden.learn(&part.text, sources.get(id).shown().unwrap_or_default());
        let trace = trace(rendering, &chart, part, &mut templates, &mut values, sources);
        sources.get_mut(id).rendered = Some(trace);
    }
    let masker = hidden.masker();
    for id in templates.ids().chain(values.ids()).collect::<Vec<_>>() {
        masker.mask(sources.get_mut(id));
    }
    // What was printed is masked by its loader; what was given may stand where it knows nothing.
    let given = rendering.hidden.masker();
    for number in 0..parts.len() {
        given.mask(sources.get_mut(SourceId(u32::try_from(first + number).unwrap_or(u32::MAX))));
    }
    // Half a document, of a renderer that was stopped, is a problem of the run as well.
    loaded.unusable.retain(|_| false);
    loaded
}

/// The documents that one template printed.
struct Part {
    /// `chart/templates/deployment.yaml`, as Helm names it.
    name: String,
    text: String,
    /// Where each document begins in it.
    starts: Vec<usize>,
}

impl Part {
    /// The path inside the chart.
    fn inside(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(_, rest)| rest)
    }

    /// The charts between the root and the template: `charts/a/charts/b/templates/x` is `a`, `b`.
    fn subcharts(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut parts = self.inside().split('/');
        while parts.next() == Some("charts") {
            names.extend(parts.next());
        }
        names
    }
}

/// Documents by the template that printed them, in the order of their first ones. Helm writes
/// `---` and `# Source: PATH` in front of each (helm v3.22 pkg/action/action.go, renderResources).
fn split(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut current: Option<usize> = None;
    let mut lines = text.split_inclusive('\n').peekable();
    let mut begun = false;
    while let Some(line) = lines.next() {
        if line.trim_end() == "---" {
            let source = lines.peek().and_then(|next| next.strip_prefix("# Source: "));
            if let Some(name) = source.map(str::trim_end) {
                lines.next();
                let at = *by_name.entry(name).or_insert_with(|| {
                    let (text, starts) = (String::new(), Vec::new());
                    parts.push(Part { name: name.to_owned(), text, starts });
                    parts.len() - 1
                });
                current = Some(at);
            }
            // A template of several documents has its marks repeated by Helm; one inside of a
            // document that Helm took for whole stays.
            if let Some(part) = current.and_then(|at| parts.get_mut(at)) {
                if !part.text.is_empty() {
                    part.text.push_str("---\n");
                }
                part.starts.push(part.text.len());
                begun = true;
            }
            continue;
        }
        match current.and_then(|at| parts.get_mut(at)) {
            Some(part) => part.text.push_str(line),
            // Nothing names a template: what is there is judged all the same.
            None if !begun && !line.trim().is_empty() => {
                let (text, starts) = (line.to_owned(), vec![0]);
                parts.push(Part { name: "-".to_owned(), text, starts });
                current = Some(parts.len() - 1);
                begun = true;
            }
            None => {}
        }
    }
    // A template may print nothing but a comment.
    let says = |part: &Part| {
        part.text.lines().any(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && line != "---"
        })
    };
    parts.retain(says);
    parts
}

/// The files of a chart.
pub(super) struct Chart {
    root: String,
    files: Option<HashMap<String, Vec<u8>>>,
}

impl Chart {
    pub(super) fn open(root: &str) -> Self {
        let files = Path::new(root).is_file().then(|| unpack(root).unwrap_or_default());
        Self { root: root.trim_end_matches('/').to_owned(), files }
    }

    /// How reports name a file of it.
    pub(super) fn shown(&self, inside: &str) -> String {
        let root = self.root.trim_start_matches("./");
        match (self.files.is_some(), root) {
            (true, root) => format!("{root}:{inside}"),
            (false, "" | ".") => inside.to_owned(),
            (false, root) => format!("{root}/{inside}"),
        }
    }

    pub(super) fn read(&self, inside: &str, limit: u64) -> Option<Vec<u8>> {
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !Path::new(inside).components().all(is_plain) {
            return None;
        }
        match &self.files {
            Some(files) => files.get(inside).filter(|bytes| bytes.len() as u64 <= limit).cloned(),
            None => mmap::read_text(&Path::new(&self.root).join(inside), limit, false).ok(),
        }
    }
}

impl Chart {
    /// The files that hold helpers, those of the charts inside as well: their names begin with an
    /// underscore, and nothing is printed for them.
    pub(super) fn helpers(&self) -> Vec<String> {
        let is_helper = |name: &str| {
            let mut parts = name.rsplit('/');
            parts.next().is_some_and(|file| file.starts_with('_'))
                && parts.any(|folder| folder == "templates")
        };
        let mut found: Vec<String> = match &self.files {
            Some(files) => files.keys().filter(|name| is_helper(name)).cloned().collect(),
            None => {
                let root = Path::new(&self.root);
                let walk = ignore::WalkBuilder::new(root).standard_filters(false).build();
                let files = walk.take(MOST_FILES).flatten().map(ignore::DirEntry::into_path);
                let inside = files.filter_map(|path| {
                    Some(path.strip_prefix(root).ok()?.to_string_lossy().into_owned())
                });
                inside.filter(|name| is_helper(name)).collect()
            }
        };
        found.sort();
        found
    }
}

impl Chart {
    /// The paths of all files, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut found: Vec<String> = match &self.files {
            Some(files) => files.keys().cloned().collect(),
            None => {
                let root = Path::new(&self.root);
                let walk = ignore::WalkBuilder::new(root).standard_filters(false).build();
                let files = walk.take(MOST_FILES).flatten();
                let inside = files.filter_map(|file| {
                    Some(file.path().strip_prefix(root).ok()?.to_string_lossy().into_owned())
                });
                inside.collect()
            }
        };
        found.sort();
        found
    }
}

/// The files of an archive by their path below the chart's folder.
fn unpack(path: &str) -> std::io::Result<HashMap<String, Vec<u8>>> {
    let file = mmap::open_regular(Path::new(path))?;
    let inside = flate2::read::GzDecoder::new(std::io::BufReader::new(file)).take(LARGEST_CHART);
    let mut archive = tar::Archive::new(inside);
    let mut files = HashMap::new();
    for entry in archive.entries()?.take(MOST_FILES) {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((_, name)) = name.trim_start_matches("./").split_once('/') else { continue };
        let name = name.to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.insert(name, bytes);
    }
    Ok(files)
}

/// Where each line of a part was written, and the input that the template became.
fn trace(
    rendering: &Rendering,
    chart: &Chart,
    part: &Part,
    templates: &mut Templates,
    files: &mut Files,
    sources: &mut Sources,
) -> Trace {
    let Some(file) = templates.get(chart, part.inside()) else { return Trace::default() };
    let from = templates.source(chart, file, sources);
    let values = values(rendering, chart, &part.subcharts(), files, sources);
    let mut written: Vec<Written> = Vec::new();
    for (number, start) in part.starts.iter().enumerate() {
        let end = part.starts.get(number + 1).copied().unwrap_or(part.text.len());
        let document = Rendered { text: &part.text, start: *start, end };
        // What stands in front of a document is its mark.
        written.resize_with(part.text[..*start].matches('\n').count(), Written::default);
        let places = document.places(templates, file);
        for place in places.iter().flatten() {
            templates.source(chart, place.file, sources);
        }
        written.extend(document.written(templates, &places, &values));
    }
    Trace { from: Some(Origin::whole(from)), lines: written }
}

/// The files that hold the values of a chart, the one that wins first.
fn values(
    rendering: &Rendering,
    chart: &Chart,
    subcharts: &[&str],
    files: &mut Files,
    sources: &mut Sources,
) -> Values {
    let mut all: Vec<File> = Vec::new();
    for path in rendering.values.iter().rev() {
        let read = |limit| mmap::read_text(Path::new(path), limit, false).ok();
        all.extend(files.get(path, read, subcharts, true, sources));
    }
    // Those of a parent outrank those of the charts in it.
    for depth in 0..=subcharts.len() {
        let folder: String = subcharts[..depth].iter().map(|n| format!("charts/{n}/")).collect();
        let inside = format!("{folder}values.yaml");
        let read = |limit| chart.read(&inside, limit);
        all.extend(files.get(&chart.shown(&inside), read, &subcharts[depth..], false, sources));
    }
    let prefix = subcharts.join(".");
    let set = rendering.set.iter().filter_map(|key| {
        let rest = key.strip_prefix(&prefix)?;
        Some(rest.strip_prefix('.').unwrap_or(rest).to_owned())
    });
    Values { files: all, set: set.collect() }
}

/// One rendered document.
struct Rendered<'p> {
    text: &'p str,
    start: usize,
    end: usize,
}

impl<'p> Rendered<'p> {
    /// Not `lines`, which takes carriage returns away: positions are counted by them.
    fn lines(&self) -> Vec<&'p str> {
        let mut lines: Vec<&str> = self.text[self.start..self.end].split('\n').collect();
        if lines.last() == Some(&"") {
            lines.pop();
        }
        lines
    }

    fn places(&self, templates: &Templates, file: usize) -> Vec<Option<Place>> {
        let lines = self.lines();
        let mut places = vec![None; lines.len()];
        let text = &self.text[self.start..self.end];
        templates.place(file, text, &lines, &mut places);
        places
    }

    fn written(
        &self,
        templates: &Templates,
        places: &[Option<Place>],
        values: &Values,
    ) -> Vec<Written> {
        let mut written = Vec::with_capacity(places.len());
        let mut offset = self.start;
        let mut block = Block::default();
        for (text, place) in self.lines().into_iter().zip(places) {
            let mut here = Written::default();
            if let Some((place, line, id)) = place.and_then(|place| {
                let (line, id) = templates.line(place)?;
                Some((place, line, id))
            }) {
                let span = Span::new(line.content.start, line.content.end);
                here.at = Some(Origin::text(id, span));
                let action = line.hole.clone().map(|hole| Span::new(hole.start, hole.end));
                here.action = action.map(|span| Origin::text(id, span));
                if line.block && line.pieces.len() == 1 {
                    if block.place != Some(place) {
                        block = Block { place: Some(place), open: Vec::new() };
                    }
                    block.step(text);
                    here.values.extend(block.value(line, values, text, offset));
                } else {
                    block = Block::default();
                    here.values.extend(filled(line, values, text, offset));
                }
            }
            written.push(here);
            offset += text.len() + 1;
        }
        written
    }
}

/// The part of a line that is its value, and where it begins in the line.
fn value_of(line: &str) -> (usize, &str) {
    let trimmed = line.trim_end();
    let start = match trimmed.find(": ") {
        Some(colon) => colon + 2,
        None => trimmed.find("- ").map_or(0, |dash| dash + 2),
    };
    let value = trimmed.get(start..).unwrap_or_default();
    let lead = value.len() - value.trim_start().len();
    (start + lead, value.trim_start())
}

fn unquoted(text: &str) -> &str {
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(text)
}

/// The values that a line fills in, where what is printed agrees.
fn filled(line: &Line, values: &Values, rendered: &str, offset: usize) -> Vec<Value> {
    let (at, text) = value_of(rendered);
    let mut found: Vec<Value> = Vec::new();
    for path in line.values() {
        let mut nodes: Vec<(Node<'_>, String)> = match plain(path) {
            Some(keys) => values.find(&keys).into_iter().collect(),
            None => elements(values, path),
        };
        nodes.retain(|(node, _)| {
            node.as_str().is_some_and(|value| !value.is_empty() && text.contains(value))
        });
        // Two elements of a list that fit are none.
        let [(node, name)] = nodes.as_slice() else { continue };
        let is_whole = node.as_str() == Some(unquoted(text));
        let whole = is_whole.then(|| Span::new(offset + at, offset + at + text.len()));
        found.push(Value { origin: node.origin(), name: name.clone(), whole });
    }
    found.dedup();
    found
}

/// The nodes that a path through elements of lists can mean, with their names.
fn elements<'v>(values: &'v Values, path: &template::Path) -> Vec<(Node<'v>, String)> {
    let Some(first) = path.iter().position(Option::is_none) else { return Vec::new() };
    let keys: Vec<Key<'_>> = path[..first].iter().flatten().map(|k| Key::Name(k)).collect();
    let mut open: Vec<(Node<'v>, String)> = values.find(&keys).into_iter().collect();
    for part in &path[first..] {
        let mut next = Vec::new();
        for (node, name) in open {
            match part {
                Some(key) => next.extend(node.get(key).map(|n| (n, format!("{name}.{key}")))),
                None => {
                    let items = node.items().enumerate();
                    next.extend(items.map(|(number, n)| (n, format!("{name}[{number}]"))));
                    let entries = node.entries().filter_map(|(key, value)| {
                        Some((value, format!("{name}.{}", key.as_str()?)))
                    });
                    next.extend(entries);
                }
            }
            next.truncate(ELEMENTS);
        }
        open = next;
    }
    open
}

/// Where in a printed value a line is: `toYaml .Values.resources` prints its keys line by line.
#[derive(Default)]
struct Block {
    /// The line of the template that prints it.
    place: Option<Place>,
    /// Keys that are open, with their columns.
    open: Vec<(usize, Step)>,
}

enum Step {
    Name(String),
    Item(usize),
}

impl Block {
    fn step(&mut self, line: &str) {
        let mut text = line.trim_start();
        let mut column = line.len() - text.len();
        if text.is_empty() || text.starts_with('#') {
            return;
        }
        while text == "-" || text.starts_with("- ") {
            while self.open.last().is_some_and(|(at, _)| *at > column) {
                self.open.pop();
            }
            match self.open.last_mut() {
                Some((at, Step::Item(number))) if *at == column => *number += 1,
                _ => self.open.push((column, Step::Item(0))),
            }
            let rest = text[1..].trim_start();
            column += text.len() - rest.len();
            text = rest;
        }
        let Some((key, after)) = text.split_once(':') else { return };
        if !(after.is_empty() || after.starts_with(' ')) {
            return;
        }
        while self.open.last().is_some_and(|(at, _)| *at >= column) {
            self.open.pop();
        }
        self.open.push((column, Step::Name(unquoted(key).to_owned())));
    }

    fn value(&self, line: &Line, values: &Values, rendered: &str, offset: usize) -> Option<Value> {
        let (at, text) = value_of(rendered);
        line.values().find_map(|path| {
            let mut keys = plain(path)?;
            let below = self.open.iter().map(|(_, step)| match step {
                Step::Name(name) => Key::Name(name),
                Step::Item(number) => Key::Item(*number),
            });
            keys.extend(below);
            let (node, name) = values.find(&keys)?;
            let same = node.as_str() == Some(unquoted(text)) && !text.is_empty();
            same.then(|| Value {
                origin: node.origin(),
                name,
                whole: Some(Span::new(offset + at, offset + at + text.len())),
            })
        })
    }
}
