//! The templates of a chart, and the helpers that they include.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::align::align;
use super::chart::Chart;
use super::template::{self, Line, Template};
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::artifact::yaml;
use crate::facts::origin::SourceId;

/// Bytes of a template that is traced.
const LARGEST: u64 = 4 << 20;

/// Helpers that include each other.
const DEPTH: usize = 8;

/// A line of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the file.
    pub(super) file: usize,
    /// Index of the line in it.
    line: usize,
}

struct File {
    text: Arc<str>,
    template: Template,
    inside: String,
    /// Known once something points at it.
    source: Option<SourceId>,
}

/// Templates that were read.
pub(super) struct Templates {
    files: Vec<File>,
    by_path: HashMap<String, usize>,
    /// Lines of each definition.
    defines: HashMap<String, (usize, Range<usize>)>,
}

impl Templates {
    /// The helpers of a chart.
    pub(super) fn of(chart: &Chart) -> Self {
        let mut all = Self { files: Vec::new(), by_path: HashMap::new(), defines: HashMap::new() };
        for inside in chart.helpers() {
            all.get(chart, &inside);
        }
        all
    }

    /// The template of that path inside the chart.
    pub(super) fn get(&mut self, chart: &Chart, inside: &str) -> Option<usize> {
        if let Some(known) = self.by_path.get(inside) {
            return Some(*known);
        }
        let bytes = chart.read(inside, LARGEST)?;
        let cleaned = yaml::clean(&bytes);
        let template = template::read(&cleaned.text);
        let file = self.files.len();
        for (name, lines) in &template.defines {
            // Of several, Helm takes the one it reads last; which that is, is its business.
            self.defines.entry(name.clone()).or_insert((file, lines.clone()));
        }
        let text = Arc::from(&*cleaned.text);
        self.files.push(File { text, template, inside: inside.to_owned(), source: None });
        self.by_path.insert(inside.to_owned(), file);
        Some(file)
    }

    /// The input that a template is, made when it is asked for first.
    pub(super) fn source(&mut self, chart: &Chart, file: usize, sources: &mut Sources) -> SourceId {
        let file = &mut self.files[file];
        *file.source.get_or_insert_with(|| {
            let path = chart.shown(&file.inside);
            sources.add(Source::text(path, SourceKind::Template, Arc::clone(&file.text)))
        })
    }

    /// The inputs that were made.
    pub(super) fn ids(&self) -> impl Iterator<Item = SourceId> {
        self.files.iter().filter_map(|file| file.source)
    }

    /// A line, and the input it is in.
    pub(super) fn line(&self, place: Place) -> Option<(&Line, SourceId)> {
        let file = self.files.get(place.file)?;
        Some((file.template.lines.get(place.line)?, file.source?))
    }

    /// Where each line of a document was printed.
    pub(super) fn place(
        &self,
        file: usize,
        document: &str,
        rendered: &[&str],
        places: &mut [Option<Place>],
    ) {
        if let Some(first) = self.copied(file, document) {
            // Nothing was filled in: a CRD, which may have 10,000 lines.
            let blank = document.len() - document.trim_start_matches('\n').len();
            for (number, place) in places.iter_mut().enumerate().skip(blank) {
                *place = Some(Place { file, line: first + number - blank });
            }
            return;
        }
        let lines = self.files[file].template.lines.len();
        self.place_in(file, 0..lines, rendered, places, DEPTH);
    }

    /// The line at which a template holds a document word for word.
    fn copied(&self, file: usize, document: &str) -> Option<usize> {
        let text = &self.files.get(file)?.text;
        let document = document.trim_matches('\n');
        let at = memchr::memmem::find(text.as_bytes(), document.as_bytes())?;
        let starts_line = at == 0 || text.as_bytes()[at - 1] == b'\n';
        starts_line.then(|| text[..at].matches('\n').count())
    }

    fn place_in(
        &self,
        file: usize,
        range: Range<usize>,
        rendered: &[&str],
        places: &mut [Option<Place>],
        depth: usize,
    ) {
        let Some(read) = self.files.get(file) else { return };
        let Some(lines) = read.template.lines.get(range.clone()) else { return };
        let found = align(&read.text, lines, rendered);
        for (place, at) in places.iter_mut().zip(&found) {
            // What the helper does not explain stays with the line that includes it.
            if let Some(at) = at {
                *place = Some(Place { file, line: range.start + at });
            }
        }
        let mut at = 0;
        while at < found.len() {
            let line = found[at];
            let end = (at..found.len()).find(|n| found[*n] != line).unwrap_or(found.len());
            let name = line.and_then(|line| lines[line].include.as_ref());
            if let Some((file, range)) = name.and_then(|name| self.defines.get(name))
                && depth > 0
            {
                let (rendered, places) = (&rendered[at..end], &mut places[at..end]);
                self.place_in(*file, range.clone(), rendered, places, depth - 1);
            }
            at = end;
        }
    }
}
