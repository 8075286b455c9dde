//! What `helm template` printed, taken apart into the templates that it came from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Rendering;
use super::budget::Budget;
use super::files::{Chart, Located};
use super::filled::{Block, Printed, Tracer};
use super::helpers::{Placed, Templates};
use super::trace::{Trace, Written};
use super::values::{File, Files, Said, Values};
use crate::artifact::manifest::{self, Loaded, ManifestFile};
use crate::artifact::mmap;
use crate::artifact::source::Sources;
use crate::artifact::yaml;
use crate::facts::origin::{Origin, SourceId, Span};

/// Loads the objects of a rendered chart. Facts have their places in the rendered text, whose
/// inputs know where each line was written.
pub(super) fn load(
    rendering: &Rendering,
    sources: &mut Sources,
    options: &manifest::Options,
) -> Loaded {
    let chart = Chart::open(&rendering.root).with_packed();
    load_from(&chart, rendering, sources, options, &mut Budget::default())
}

/// The same for a chart whose files are there, within a budget.
pub(super) fn load_from(
    chart: &Chart,
    rendering: &Rendering,
    sources: &mut Sources,
    options: &manifest::Options,
    budget: &mut Budget,
) -> Loaded {
    let cleaned = yaml::clean(&rendering.text);
    let parts = split(&cleaned.text);
    let located: Vec<Option<Located>> =
        parts.iter().map(|part| chart.locate(part.inside())).collect();
    let files: Vec<ManifestFile> = parts
        .iter()
        .zip(&located)
        .map(|(part, located)| ManifestFile {
            path: PathBuf::new(),
            shown: chart.shown(located.as_ref().map_or(part.inside(), |located| &located.file)),
            named: true,
            content: Some(part.text.clone().into_bytes()),
        })
        .collect();
    // Each named file becomes an input, in order.
    let first = sources.len();
    let mut loaded = manifest::load_manifests(&files, sources, options);
    let mut files = Files::default();
    let mut templates = Templates::of(chart);
    let mut hidden = rendering.hidden.clone();
    for (number, (part, located)) in parts.iter().zip(&located).enumerate() {
        let id = SourceId(u32::try_from(first + number).unwrap_or(u32::MAX));
        hidden.learn(&part.text, sources.get(id).shown().unwrap_or_default());
        let trace = located.as_ref().and_then(|located| {
            let template = templates.get(chart, located)?;
            let from = templates.source(chart, template, sources);
            let values = values(rendering, chart, located, &mut files, sources);
            let mut tracing = Tracing { chart, templates: &mut templates, values, budget };
            let lines = tracing.lines(template, part, sources);
            Some(Trace { from: Some(Origin::whole(from)), lines, nodes: Vec::new() })
        });
        sources.get_mut(id).rendered = Some(trace.unwrap_or_default());
    }
    let masker = hidden.masker();
    for id in templates.ids().chain(files.ids()).collect::<Vec<_>>() {
        masker.mask(sources.get_mut(id));
    }
    // What was printed is masked by its loader; what was given may stand where it knows nothing.
    let given = rendering.hidden.masker();
    for number in 0..parts.len() {
        given.mask(sources.get_mut(SourceId(u32::try_from(first + number).unwrap_or(u32::MAX))));
    }
    // A template that prints no object has said so as a problem; the others are judged, and what a
    // renderer that was stopped had printed never comes here.
    loaded.unusable.clear();
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

/// The files that hold the values of a chart, the one that wins first.
fn values(
    rendering: &Rendering,
    chart: &Chart,
    located: &Located,
    files: &mut Files,
    sources: &mut Sources,
) -> Values {
    let mut all: Vec<File> = Vec::new();
    let mut unknown = false;
    let mut add = |said: Said, depth: usize, shared: bool| match said {
        Said::Values(document) => all.push(File::new(document, depth, shared)),
        Said::Unknown => unknown = true,
        Said::Nothing => {}
    };
    for path in rendering.values.iter().rev() {
        let read = |limit| mmap::read_text(Path::new(path), limit, false);
        add(files.get(path, read, true, sources), 0, false);
    }
    // Those of a parent outrank those of the charts in it.
    for (depth, folder) in located.folders.iter().enumerate() {
        let inside = format!("{folder}values.yaml");
        let read = |limit| chart.try_read(&inside, limit);
        let shared = depth >= located.shared;
        add(files.get(&chart.shown(&inside), read, false, sources), depth, shared);
    }
    let set = files.flags(&rendering.set, sources);
    Values::new(all, located.charts.clone(), set, unknown)
}

/// Finds where each line of a part was written.
struct Tracing<'t> {
    chart: &'t Chart,
    templates: &'t mut Templates,
    values: Values,
    budget: &'t mut Budget,
}

impl Tracing<'_> {
    fn lines(&mut self, template: usize, part: &Part, sources: &mut Sources) -> Vec<Written> {
        let mut written: Vec<Written> = Vec::new();
        let mut counted = 0;
        let mut before = 0;
        for (number, start) in part.starts.iter().enumerate() {
            let end = part.starts.get(number + 1).copied().unwrap_or(part.text.len());
            before += memchr::memchr_iter(b'\n', &part.text.as_bytes()[counted..*start]).count();
            counted = *start;
            let text = &part.text[*start..end];
            let lines = 1 + memchr::memchr_iter(b'\n', text.as_bytes()).count();
            if !self.budget.take_lines(lines + before.saturating_sub(written.len())) {
                break;
            }
            // What stands in front of a document is its mark.
            written.resize_with(before, Written::default);
            self.document(template, text, *start, sources, &mut written);
        }
        written
    }

    fn document(
        &mut self,
        template: usize,
        text: &str,
        start: usize,
        sources: &mut Sources,
        written: &mut Vec<Written>,
    ) {
        // Not `lines`, which takes carriage returns away: positions are counted by them.
        let mut lines: Vec<&str> = text.split('\n').collect();
        if lines.last() == Some(&"") {
            lines.pop();
        }
        let placed = self.templates.place(template, text, &lines, &self.values, self.budget);
        let ids = self.templates.sources_of(self.chart, &placed, sources);
        let mut tracer = Tracer {
            templates: self.templates,
            placed: &placed,
            values: &self.values,
            budget: self.budget,
        };
        let mut offset = start;
        let mut block = Block::default();
        for (text, place) in lines.iter().zip(&placed.places) {
            let printed = Printed { text, offset, part: None };
            written.push(match place {
                Some(place) => line(*place, printed, &placed, &ids, &mut tracer, &mut block),
                None => Written::default(),
            });
            offset += text.len() + 1;
        }
    }
}

/// Where a line was written, and the values in it.
fn line(
    place: super::helpers::Place,
    printed: Printed<'_>,
    placed: &Placed,
    ids: &[SourceId],
    tracer: &mut Tracer<'_>,
    block: &mut Block,
) -> Written {
    let (Some((scope, line)), Some(id)) = (placed.at(place), ids.get(place.scope)) else {
        return Written::default();
    };
    let origin =
        |range: &std::ops::Range<usize>| Origin::text(*id, Span::new(range.start, range.end));
    let mut here = Written {
        at: Some(origin(&line.content)),
        action: line.hole.as_ref().map(origin),
        values: Vec::new(),
    };
    if line.block && line.pieces.len() == 1 {
        if block.place != Some(place) {
            *block = Block::of(place);
        }
        block.step(printed.text);
        here.values = tracer.in_block(place, block, printed);
    } else if let Some(key) = line.key_of_block(scope.text())
        && (block.place == Some(place) || block.is_key(place, key, printed.text))
    {
        if block.is_key(place, key, printed.text) {
            *block = Block::below(place, printed.text);
        } else {
            block.step(printed.text);
            here.values = tracer.in_block(place, block, printed);
        }
    } else {
        *block = Block::default();
        here.values = tracer.filled(place, printed);
    }
    here
}
