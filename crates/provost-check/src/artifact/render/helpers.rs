//! The templates of a chart, and the helpers that they include.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::Arc;

use super::align::{Index, aligned, cost};
use super::branches::{may_print, not_taken};
use super::budget::Budget;
use super::files::{Chart, Located};
use super::line::{Line, Operand, Path, Piece};
use super::template::{self, PARTS, Template};
use super::values::Values;
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::artifact::yaml;
use crate::facts::origin::SourceId;

/// Bytes of a template that is traced.
const LARGEST: u64 = 4 << 20;

/// Bytes of all templates that are traced.
const LARGEST_SUM: usize = 64 << 20;

/// Helpers that include each other.
const DEPTH: usize = 8;

/// Definitions that one document is looked for in.
const SCOPES: usize = 256;

/// Values that templates change. Beyond it, any may be changed.
const CHANGES: usize = 256;

/// A line that printed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Index of the scope of the document.
    pub(super) scope: usize,
    /// Index of the line in its file.
    line: usize,
}

/// What a template or a helper is given.
#[derive(Debug)]
pub(super) enum Argument {
    /// What Helm gives templates: `.Values` is a key of it.
    Top,
    /// A value.
    Value(Path),
    /// `dict "key" .value`
    Dict(Vec<(String, Arc<Argument>)>),
    /// Something else.
    Unknown,
}

impl Argument {
    /// The path below `.Values` that one below the argument is.
    pub(super) fn value(&self, path: &[Option<String>]) -> Option<Path> {
        match self {
            Self::Top => match path.split_first()? {
                (Some(first), rest) if first == "Values" && !rest.is_empty() => Some(rest.to_vec()),
                _ => None,
            },
            Self::Value(prefix) => {
                let whole = [prefix, path].concat();
                (!whole.is_empty() && whole.len() <= PARTS).then_some(whole)
            }
            Self::Dict(entries) => {
                let (first, rest) = path.split_first()?;
                entry(entries, first.as_deref()?)?.value(rest)
            }
            Self::Unknown => None,
        }
    }

    /// What a helper is given that is included with an operand.
    fn below(self: &Arc<Self>, operand: &Operand) -> Arc<Self> {
        match operand {
            Operand::Path(path) => self.at(path),
            Operand::Dict(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.clone(), self.below(value)));
                Arc::new(Self::Dict(entries.collect()))
            }
            Operand::Unknown => Arc::new(Self::Unknown),
        }
    }

    fn at(self: &Arc<Self>, path: &[Option<String>]) -> Arc<Self> {
        let Some((first, rest)) = path.split_first() else { return Arc::clone(self) };
        match &**self {
            Self::Top if first.as_deref() == Some("Values") => Arc::new(Self::Value(rest.to_vec())),
            Self::Value(prefix) if prefix.len() + path.len() <= PARTS => {
                Arc::new(Self::Value([prefix, path].concat()))
            }
            Self::Dict(entries) => {
                let found = first.as_deref().and_then(|key| entry(entries, key));
                found.map_or_else(|| Arc::new(Self::Unknown), |found| found.at(rest))
            }
            Self::Top | Self::Value(_) | Self::Unknown => Arc::new(Self::Unknown),
        }
    }
}

/// The last one when a key is there twice.
fn entry<'a>(entries: &'a [(String, Arc<Argument>)], key: &str) -> Option<&'a Arc<Argument>> {
    entries.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value)
}

/// A template, or a definition, that may have printed lines of a document.
pub(super) struct Scope {
    file: usize,
    text: Arc<str>,
    template: Arc<Template>,
    index: Arc<Index>,
    pub(super) argument: Arc<Argument>,
    /// By condition of the template: it is known not to hold.
    not_taken: Arc<[bool]>,
}

impl Scope {
    pub(super) fn line(&self, line: usize) -> Option<&Line> {
        self.template.lines.get(line)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }
}

/// Where the lines of a document were printed.
#[derive(Default)]
pub(super) struct Placed {
    pub(super) scopes: Vec<Scope>,
    /// By line.
    pub(super) places: Vec<Option<Place>>,
    /// By the line that includes: the scope of what is included.
    included: HashMap<Place, usize>,
    /// Nothing was filled in.
    pub(super) is_copy: bool,
}

impl Placed {
    /// The scope of a place and its line.
    pub(super) fn at(&self, place: Place) -> Option<(&Scope, &Line)> {
        let scope = self.scopes.get(place.scope)?;
        Some((scope, scope.line(place.line)?))
    }

    /// The place of a line of a scope.
    pub(super) fn place(scope: usize, line: usize) -> Place {
        Place { scope, line }
    }
}

struct File {
    text: Arc<str>,
    template: Arc<Template>,
    inside: String,
    /// Known once something points at it.
    source: Option<SourceId>,
    /// Its parts between actions and marks of documents, by their hashes: first line and bytes.
    copies: Option<HashMap<u64, (usize, Range<usize>)>>,
}

/// Templates that were read.
pub(super) struct Templates {
    files: Vec<File>,
    by_path: HashMap<String, Option<usize>>,
    /// Lines of each definition.
    defines: HashMap<String, (usize, Range<usize>)>,
    /// Of a file's lines: how they begin.
    indices: HashMap<(usize, Range<usize>), Arc<Index>>,
    /// Values that templates change.
    changes: BTreeSet<Path>,
    /// What reading them may take.
    room: usize,
    bytes: usize,
    /// How often lines were put in order: a measure of the work.
    pub(super) indexed: usize,
}

impl Templates {
    /// The templates of a chart.
    pub(super) fn of(chart: &Chart) -> Self {
        let mut all = Self {
            files: Vec::new(),
            by_path: HashMap::new(),
            defines: HashMap::new(),
            indices: HashMap::new(),
            changes: BTreeSet::new(),
            room: template::ROOM,
            bytes: LARGEST_SUM,
            indexed: 0,
        };
        for inside in chart.templates() {
            let Some(file) = all.read(chart, &inside, true) else { continue };
            let template = Arc::clone(&all.files[file].template);
            for (name, lines) in &template.defines {
                all.defines.entry(name.clone()).or_insert((file, lines.clone()));
            }
            // Of a helper, what it is given is mostly what Helm gives templates.
            let changed = template.changes.iter().filter_map(|path| Argument::Top.value(path));
            for path in changed {
                if all.changes.len() <= CHANGES {
                    all.changes.insert(path);
                }
            }
        }
        all
    }

    /// The template of that path inside the chart.
    pub(super) fn get(&mut self, chart: &Chart, located: &Located) -> Option<usize> {
        self.read(chart, &located.file, located.is_template())
    }

    fn read(&mut self, chart: &Chart, inside: &str, is_template: bool) -> Option<usize> {
        if let Some(known) = self.by_path.get(inside) {
            return *known;
        }
        let file = self.load(chart, inside, is_template);
        let number = file.map(|file| {
            self.files.push(file);
            self.files.len() - 1
        });
        self.by_path.insert(inside.to_owned(), number);
        number
    }

    fn load(&mut self, chart: &Chart, inside: &str, is_template: bool) -> Option<File> {
        let bytes = chart.read(inside, LARGEST)?;
        self.bytes = self.bytes.checked_sub(bytes.len())?;
        let cleaned = yaml::clean(&bytes);
        let template = match is_template {
            true => template::read_within(&cleaned.text, &mut self.room)?,
            false => template::verbatim(&cleaned.text, &mut self.room)?,
        };
        let (text, template) = (Arc::from(&*cleaned.text), Arc::new(template));
        Some(File { text, template, inside: inside.to_owned(), source: None, copies: None })
    }

    /// The input that a template is, made when it is asked for first.
    pub(super) fn source(&mut self, chart: &Chart, file: usize, sources: &mut Sources) -> SourceId {
        let file = &mut self.files[file];
        *file.source.get_or_insert_with(|| {
            let path = chart.shown(&file.inside);
            sources.add(Source::text(path, SourceKind::Template, Arc::clone(&file.text)))
        })
    }

    /// The inputs that the templates of a document are.
    pub(super) fn sources_of(
        &mut self,
        chart: &Chart,
        placed: &Placed,
        sources: &mut Sources,
    ) -> Vec<SourceId> {
        placed.scopes.iter().map(|scope| self.source(chart, scope.file, sources)).collect()
    }

    /// The inputs that were made.
    pub(super) fn ids(&self) -> impl Iterator<Item = SourceId> {
        self.files.iter().filter_map(|file| file.source)
    }

    /// Whether a template changes a value, one above or one below it.
    pub(super) fn changes(&self, path: &[Option<String>]) -> bool {
        let all = self.changes.len() > CHANGES;
        all || self.changes.iter().any(|changed| changed.iter().zip(path).all(|(a, b)| a == b))
    }

    /// Where each line of a document was printed, with these values.
    pub(super) fn place(
        &mut self,
        file: usize,
        document: &str,
        rendered: &[&str],
        values: &Values,
        budget: &mut Budget,
    ) -> Placed {
        let mut placed = Placed { places: vec![None; rendered.len()], ..Placed::default() };
        let lines = self.files.get(file).map_or(0, |file| file.template.lines.len());
        let scope = self.scope(file, 0..lines, Arc::new(Argument::Top), values, budget);
        let Some(scope) = scope else { return placed };
        placed.scopes.push(scope);
        if let Some(first) = self.copied(file, document) {
            // Nothing was filled in: a CRD, which may have 10,000 lines.
            let blank = rendered.iter().take_while(|line| line.trim().is_empty()).count();
            for (number, place) in placed.places.iter_mut().enumerate().skip(blank) {
                *place = Some(Place { scope: 0, line: first + number - blank });
            }
            placed.is_copy = true;
            return placed;
        }
        self.place_in(0, (rendered, 0), &mut placed, DEPTH, values, budget);
        placed
    }

    fn scope(
        &mut self,
        file: usize,
        range: Range<usize>,
        argument: Arc<Argument>,
        values: &Values,
        budget: &mut Budget,
    ) -> Option<Scope> {
        let read = self.files.get(file)?;
        let not_taken = not_taken(&read.template.conditions, |path| {
            let path = argument.value(path).filter(|path| !self.changes(path))?;
            values.is_something(&path, budget)
        });
        let (text, template) = (Arc::clone(&read.text), Arc::clone(&read.template));
        let indexed = &mut self.indexed;
        let index = self.indices.entry((file, range.clone())).or_insert_with(|| {
            *indexed += 1;
            Arc::new(Index::new(&text, &template.lines, range))
        });
        let index = Arc::clone(index);
        let not_taken = Arc::from(not_taken);
        Some(Scope { file, text, template, index, argument, not_taken })
    }

    /// The line at which a template holds a document word for word.
    fn copied(&mut self, file: usize, document: &str) -> Option<usize> {
        let file = self.files.get_mut(file)?;
        let text = &file.text;
        let copies = file.copies.get_or_insert_with(|| copies(text));
        let document = document.trim();
        let (line, range) = copies.get(&hash(document))?;
        (text.get(range.clone()) == Some(document)).then_some(*line)
    }

    /// Places lines that a scope printed, the first of which has this number.
    fn place_in(
        &mut self,
        number: usize,
        (rendered, first): (&[&str], usize),
        placed: &mut Placed,
        depth: usize,
        values: &Values,
        budget: &mut Budget,
    ) {
        let Some(scope) = placed.scopes.get(number) else { return };
        let template = Arc::clone(&scope.template);
        let argument = Arc::clone(&scope.argument);
        let text = Arc::clone(&scope.text);
        let lines = &template.lines;
        let found = match rendered {
            // Which of the lines of a helper it is no order tells.
            [only] if number > 0 => vec![scope.only_line(only, budget)],
            _ => {
                let (index, left_out) = (&scope.index, &scope.not_taken);
                aligned(&scope.text, lines, rendered, index, left_out, budget)
            }
        };
        for (place, line) in placed.places[first..].iter_mut().zip(&found) {
            // What the helper does not explain stays with the line that includes it.
            if let Some(line) = line {
                *place = Some(Place { scope: number, line: *line });
            }
        }
        if depth == 0 {
            return;
        }
        let mut at = 0;
        while at < found.len() {
            let line = found[at];
            let end = (at..found.len()).find(|n| found[*n] != line).unwrap_or(found.len());
            let include = line.and_then(|line| Some((line, lines[line].include.as_ref()?)));
            if let Some((line, (name, operand))) = include
                && let Some((file, range)) = self.defines.get(name).cloned()
                && let Some(part) = included(&lines[line], &text, &rendered[at..end])
            {
                // A line in a loop includes its helper again: the same one.
                let place = Place { scope: number, line };
                let inner = placed.included.get(&place).copied().or_else(|| {
                    if placed.scopes.len() == SCOPES {
                        return None;
                    }
                    let argument = argument.below(operand);
                    let scope = self.scope(file, range, argument, values, budget)?;
                    placed.scopes.push(scope);
                    placed.included.insert(place, placed.scopes.len() - 1);
                    Some(placed.scopes.len() - 1)
                });
                if let Some(inner) = inner {
                    self.place_in(inner, (&part, first + at), placed, depth - 1, values, budget);
                }
            }
            at = end;
        }
    }
}

/// What a helper printed of lines that include it: all of them, or, of one, what is left of it without
/// the text around; `None` where more is filled in there.
fn included<'r>(line: &Line, text: &str, rendered: &[&'r str]) -> Option<Vec<&'r str>> {
    let [only] = rendered else { return Some(rendered.to_vec()) };
    let mut rest = only.trim();
    let mut holes = 0;
    for (number, piece) in line.pieces.iter().enumerate() {
        let Piece::Text(range) = piece else {
            holes += 1;
            continue;
        };
        let fixed = text.get(range.clone()).unwrap_or_default();
        rest = match number {
            0 => rest.strip_prefix(fixed.trim_start())?,
            _ => rest.strip_suffix(fixed.trim_end())?,
        };
    }
    (holes == 1).then(|| vec![rest.trim()])
}

impl Scope {
    /// The line that printed a text, when it is the only one that can have.
    fn only_line(&self, rendered: &str, budget: &mut Budget) -> Option<usize> {
        let rendered = rendered.trim();
        let mut found = None;
        let range = self.index.range();
        for (number, line) in
            self.template.lines.iter().enumerate().take(range.end).skip(range.start)
        {
            if line.pieces.is_empty() || !may_print(line, &self.not_taken) {
                continue;
            }
            if !budget.take(cost(line, rendered)) {
                return None;
            }
            if line.prints(&self.text, rendered) && found.replace(number).is_some() {
                return None;
            }
        }
        found
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What a template can print word for word: its parts between lines with actions and marks of
/// documents.
fn copies(text: &str) -> HashMap<u64, (usize, Range<usize>)> {
    let mut found = HashMap::new();
    let mut open: Option<(usize, usize)> = None;
    let mut end = 0;
    let mut offset = 0;
    let mut add = |open: &mut Option<(usize, usize)>, end: usize| {
        if let Some((line, start)) = open.take()
            && let Some(part) = text.get(start..end)
        {
            found.entry(hash(part)).or_insert((line, start..end));
        }
    };
    for (number, line) in text.split('\n').enumerate() {
        let trimmed = line.trim();
        if trimmed.contains("{{") || line.trim_end() == "---" {
            add(&mut open, end);
        } else if !trimmed.is_empty() {
            let lead = line.len() - line.trim_start().len();
            open.get_or_insert((number, offset + lead));
            end = offset + lead + trimmed.len();
        }
        offset += line.len() + 1;
    }
    add(&mut open, end);
    found
}
