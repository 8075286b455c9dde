//! The lines of a Helm template: what they print as it stands, and which values they fill in.
//!
//! Not an engine: enough of the language of Go's `text/template` to tell where text comes from.
//! Actions are found as its lexer finds them (text/template/parse/lex.go, Go 1.27: `{{`, `{{- `,
//! strings in three kinds of quotes, comments), and the meaning of the dot is followed through
//! `with`, `range`, `define`, `block` and assignments. What a template is given is known where it
//! is included, so that paths begin there: `.Values.a` is the key `Values` of the argument.

use std::collections::HashSet;
use std::ops::Range;

use super::lex::{
    action, end_of_group, end_of_string, is_assignment, quoted, reference_end, word_end,
};
use super::pipeline::{Hole, Index, Meaning, Scan, element, fields_of};

/// The longest path of a value: `.Values.a.b` has three parts.
pub(super) const PARTS: usize = 32;

/// Blocks inside each other that are followed; deeper ones say nothing about the dot.
const DEPTH: usize = 256;

/// Variables that are known at a time.
const VARIABLES: usize = 256;

/// Entries of a `dict` that a helper is given.
const ENTRIES: usize = 32;

/// Lines, pieces of them and parts of paths of all templates of a chart: what reading them may
/// take of memory, since `{{$x}}` can stand for a long path. The largest public charts have some
/// ten thousand.
pub(super) const ROOM: usize = 1 << 20;

/// Functions that change what they are given first.
const CHANGES: [&str; 6] =
    ["merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite", "set", "unset"];

/// What Helm gives a template besides `.Values` (helm v3.22 pkg/chartutil/values.go,
/// ToRenderValues, and pkg/engine).
const GIVEN: [&str; 6] = ["Capabilities", "Chart", "Files", "Release", "Subcharts", "Template"];

/// A path below what a template is given; `None` stands for an element of a list or a mapping.
pub(super) type Path = Vec<Option<String>>;

/// What a part of a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that is printed as it is.
    Text(Range<usize>),
    /// An action that prints something.
    Hole(Hole),
}

/// What a helper is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// A value.
    Path(Path),
    /// `dict "key" .value`
    Dict(Vec<(String, Operand)>),
    /// Something else.
    Unknown,
}

/// A line of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Its bytes without the space around them.
    pub(super) content: Range<usize>,
    /// What it prints, without the space around it.
    pub(super) pieces: Vec<Piece>,
    /// The last piece may print more lines than this one.
    pub(super) block: bool,
    /// Bytes of the only action that prints something, when there is one.
    pub(super) hole: Option<Range<usize>>,
    /// The helper whose text it prints and what that is given, when there is one.
    pub(super) include: Option<(String, Operand)>,
    /// It is part of a definition, and prints where that is included.
    pub(super) defined: bool,
    /// Letters and digits that are printed as they are: how much a match says.
    pub(super) weight: usize,
}

impl Line {
    /// Whether the line prints `rendered`, which has no space around it.
    pub(super) fn prints(&self, text: &str, rendered: &str) -> bool {
        let mut rest = rendered;
        let mut open = false;
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Hole(_) => open = true,
                Piece::Text(range) => {
                    let mut fixed = text.get(range.clone()).unwrap_or_default();
                    if at == 0 {
                        fixed = fixed.trim_start();
                    }
                    if at + 1 == self.pieces.len() {
                        fixed = fixed.trim_end();
                        if open {
                            return rest.ends_with(fixed);
                        }
                        return rest == fixed;
                    }
                    // A value may be empty, and then the space before it is gone at the end.
                    match rest.find(fixed) {
                        Some(found) if open || found == 0 => rest = &rest[found + fixed.len()..],
                        None if rest == fixed.trim_end() => rest = "",
                        _ => return false,
                    }
                    open = false;
                }
            }
        }
        open || rest.is_empty()
    }

    /// Its holes.
    pub(super) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Text(_) => None,
        })
    }

    /// The values its holes name.
    pub(super) fn values(&self) -> impl Iterator<Item = &Path> {
        self.holes().flat_map(|hole| hole.paths.as_slice())
    }

    /// The one value it prints, when it prints one as it is and names no other.
    pub(super) fn only_value(&self) -> Option<&Path> {
        let mut holes = self.holes();
        match (holes.next()?, holes.next()) {
            (Hole { paths, as_is: true }, None) => match paths.as_slice() {
                [path] => Some(path),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A template, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// Its lines, in order.
    pub(super) lines: Vec<Line>,
    /// What it defines for others to include: name and lines.
    pub(super) defines: Vec<(String, Range<usize>)>,
    /// Values that it changes, which are not what the files say from there on.
    pub(super) changes: Vec<Path>,
}

/// Reads a template.
pub(super) fn read(text: &str) -> Template {
    read_within(text, &mut { ROOM }).unwrap_or_default()
}

/// Reads a template unless it takes more than there is `room` for.
pub(super) fn read_within(text: &str, room: &mut usize) -> Option<Template> {
    let mut reader = Reader {
        text,
        room: *room,
        lines: Vec::new(),
        line: Line::default(),
        holes: 0,
        includes: 0,
        start: 0,
        dots: vec![Some(Meaning::argument())],
        ignored: 0,
        variables: Vec::new(),
        reassigned: reassigned(text),
        open: Vec::new(),
        defines: Vec::new(),
        changes: Vec::new(),
    };
    reader.run()?;
    *room = reader.room;
    Some(Template { lines: reader.lines, defines: reader.defines, changes: reader.changes })
}

/// The lines of a file that is printed as it is.
pub(super) fn verbatim(text: &str, room: &mut usize) -> Option<Template> {
    let mut lines = Vec::new();
    let mut start = 0;
    for raw in text.split('\n') {
        *room = room.checked_sub(2)?;
        let lead = raw.len() - raw.trim_start().len();
        let content = start + lead..start + lead + raw.trim().len();
        let pieces = match content.is_empty() {
            true => Vec::new(),
            false => vec![Piece::Text(content.clone())],
        };
        let weight = weight(text, &pieces);
        lines.push(Line { content, pieces, weight, ..Line::default() });
        start += raw.len() + 1;
    }
    Some(Template { lines, ..Template::default() })
}

fn weight(text: &str, pieces: &[Piece]) -> usize {
    let fixed = pieces.iter().filter_map(|piece| match piece {
        Piece::Text(range) => text.get(range.clone()),
        Piece::Hole(_) => None,
    });
    fixed.flat_map(str::chars).filter(|c| c.is_alphanumeric()).count()
}

/// Variables that get another value somewhere: what they are depends on what was run.
fn reassigned(text: &str) -> HashSet<&str> {
    let mut found = HashSet::new();
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| rest.find("{{")) {
        let (inner, end) = action(text, at + next);
        let inner = ["if ", "with ", "range ", "else "]
            .iter()
            .fold(inner, |inner, word| inner.strip_prefix(word).map_or(inner, str::trim_start));
        if is_assignment(inner)
            && let Some((names, _)) = inner.split_once('=')
            && !names.ends_with(':')
        {
            found.extend(names.split(',').map(str::trim));
        }
        at = end;
    }
    found
}

/// A definition that is open.
struct Open {
    name: Option<String>,
    /// Its first line.
    from: usize,
    /// Blocks that are open inside of it and around it.
    depth: usize,
    /// What `$` is outside.
    dollar: Option<Meaning>,
    /// Variables of outside.
    variables: usize,
    /// It prints where it stands as well.
    inline: bool,
}

struct Reader<'t> {
    text: &'t str,
    room: usize,
    lines: Vec<Line>,
    line: Line,
    /// Actions of the line that print something.
    holes: usize,
    /// Helpers that the line includes.
    includes: usize,
    /// Where the line starts.
    start: usize,
    /// What the dot is in each open block; `None` where nothing is known of it.
    dots: Vec<Option<Meaning>>,
    /// Open blocks beyond [`DEPTH`].
    ignored: usize,
    /// Later ones hide earlier ones; the number of blocks that were open when one was set.
    variables: Vec<(&'t str, Option<Meaning>, usize)>,
    reassigned: HashSet<&'t str>,
    open: Vec<Open>,
    defines: Vec<(String, Range<usize>)>,
    changes: Vec<Path>,
}

impl<'t> Reader<'t> {
    /// `None` when there is no room.
    fn run(&mut self) -> Option<()> {
        let mut at = 0;
        while at < self.text.len() {
            match memchr::memmem::find(&self.text.as_bytes()[at..], b"{{") {
                Some(found) => {
                    self.text_to(at, at + found)?;
                    let (inner, next) = action(self.text, at + found);
                    let before = self.holes;
                    self.action(inner)?;
                    if self.holes > before {
                        self.line.hole = (self.holes == 1).then_some(at + found..next);
                    }
                    // Lines that an action spans are lines all the same.
                    for (offset, _) in self.text[at + found..next].match_indices('\n') {
                        self.end_line(at + found + offset)?;
                    }
                    at = next;
                }
                None => {
                    self.text_to(at, self.text.len())?;
                    at = self.text.len();
                }
            }
        }
        self.end_line(self.text.len())
    }

    fn take(&mut self, room: usize) -> Option<()> {
        self.room = self.room.checked_sub(room)?;
        Some(())
    }

    fn text_to(&mut self, from: usize, to: usize) -> Option<()> {
        let mut from = from;
        while let Some(found) = memchr::memchr(b'\n', &self.text.as_bytes()[from..to]) {
            self.literal(from, from + found)?;
            self.end_line(from + found)?;
            from += found + 1;
        }
        self.literal(from, to)
    }

    fn literal(&mut self, from: usize, to: usize) -> Option<()> {
        // Space is text only between other pieces.
        if from < to && !(self.line.pieces.is_empty() && self.text[from..to].trim().is_empty()) {
            self.take(1)?;
            self.line.pieces.push(Piece::Text(from..to));
        }
        Some(())
    }

    fn end_line(&mut self, end: usize) -> Option<()> {
        self.take(1)?;
        let mut line = std::mem::take(&mut self.line);
        while let Some(Piece::Text(range)) = line.pieces.last()
            && self.text[range.clone()].trim().is_empty()
        {
            line.pieces.pop();
        }
        let raw = self.text.get(self.start..end).unwrap_or_default();
        let lead = raw.len() - raw.trim_start().len();
        line.content = self.start + lead..self.start + lead + raw.trim().len();
        line.weight = weight(self.text, &line.pieces);
        line.defined |= self.open.iter().any(|open| !open.inline);
        // Which of two printed what is not told.
        if self.includes > 1 {
            line.include = None;
        }
        (self.holes, self.includes) = (0, 0);
        self.lines.push(line);
        self.start = end + 1;
        Some(())
    }

    fn dot(&self) -> Option<&Meaning> {
        match self.ignored {
            0 => self.dots.last()?.as_ref(),
            _ => None,
        }
    }

    fn open(&mut self, dot: Option<Meaning>) {
        if self.dots.len() >= DEPTH {
            self.ignored += 1;
        } else {
            self.dots.push(dot);
        }
    }

    /// What `$` is.
    fn dollar(&self) -> Option<Meaning> {
        match self.open.last() {
            // A definition has an argument of its own.
            Some(open) if open.inline => open.dollar.clone(),
            _ => Some(Meaning::argument()),
        }
    }

    fn action(&mut self, inner: &'t str) -> Option<()> {
        if inner.starts_with("/*") {
            return Some(());
        }
        let word = inner.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let rest = inner[word.len()..].trim_start();
        self.changes(inner)?;
        match word {
            "if" => {
                let dot = self.dot().cloned();
                self.assigned(rest, |found| found, 1)?;
                self.open(dot);
            }
            "with" => {
                let meaning = self.assigned(rest, |found| found, 1)?;
                self.open(meaning);
            }
            "range" => {
                let meaning = self.assigned(rest, element, 1)?;
                self.open(meaning);
            }
            "define" | "block" => self.define(rest, word == "block")?,
            "else" => self.otherwise(rest)?,
            "end" => self.end(),
            "template" => {
                self.include(rest);
                self.hole(Hole::default(), true)?;
            }
            "break" | "continue" => {}
            _ if is_assignment(inner) => {
                self.assigned(inner, |found| found, 0)?;
            }
            _ => {
                let block = ["indent", "toYaml", "include", "tpl", "toPrettyJson"];
                let block = block.iter().any(|function| inner.contains(function));
                // Of more than one, neither is taken.
                for (at, _) in inner.match_indices("include ").take(2) {
                    self.include(inner[at..].trim_start_matches("include ").trim_start());
                }
                let found = self.references(inner)?;
                self.hole(found, block)?;
            }
        }
        Some(())
    }

    fn define(&mut self, rest: &'t str, inline: bool) -> Option<()> {
        let (name, argument) = quoted(rest).unzip();
        let is_same = |dot: Option<&Meaning>| dot == Some(&Meaning::argument());
        // A block is given something where it stands; whoever includes a definition decides.
        let known = match (inline, argument.unwrap_or_default().trim()) {
            (false, _) => true,
            (true, ".") => is_same(self.dot()) && is_same(self.dollar().as_ref()),
            (true, "$") => is_same(self.dollar().as_ref()),
            (true, _) => false,
        };
        let dot = known.then(Meaning::argument);
        let before = self.dots.len();
        self.open(dot.clone());
        self.line.defined |= !inline;
        if self.dots.len() > before {
            self.open.push(Open {
                name: name.map(str::to_owned),
                from: self.lines.len(),
                depth: self.dots.len(),
                dollar: dot,
                variables: self.variables.len(),
                inline,
            });
        }
        Some(())
    }

    fn otherwise(&mut self, rest: &'t str) -> Option<()> {
        if self.dots.len() <= 1 || self.ignored > 0 {
            return Some(());
        }
        // `with` and `range` have the dot of before in their other branch.
        self.dots.pop();
        let dot = match rest.strip_prefix("with ") {
            Some(rest) => self.assigned(rest.trim_start(), |found| found, 1)?,
            None => {
                let dot = self.dot().cloned();
                if let Some(rest) = rest.strip_prefix("if ") {
                    self.assigned(rest.trim_start(), |found| found, 1)?;
                }
                dot
            }
        };
        self.dots.push(dot);
        Some(())
    }

    fn end(&mut self) {
        if self.ignored > 0 {
            self.ignored -= 1;
            return;
        }
        if self.dots.len() <= 1 {
            return;
        }
        if let Some(open) = self.open.pop_if(|open| open.depth == self.dots.len()) {
            let lines = open.from..self.lines.len() + 1;
            self.line.defined |= !open.inline;
            self.defines.extend(open.name.map(|name| (name, lines)));
            self.variables.truncate(open.variables);
        }
        self.dots.pop();
        let open = self.dots.len();
        self.variables.retain(|(_, _, at)| *at <= open);
    }

    fn hole(&mut self, hole: Hole, block: bool) -> Option<()> {
        self.take(1)?;
        self.line.block |= block;
        self.holes += 1;
        self.line.pieces.push(Piece::Hole(hole));
        Some(())
    }

    /// `"name" .argument`
    fn include(&mut self, text: &str) {
        self.includes += 1;
        self.line.include = quoted(text).map(|(name, rest)| {
            let (operand, _) = self.operand(rest, 0);
            (name.to_owned(), operand)
        });
    }

    /// What a text begins with, and what is behind it.
    fn operand<'a>(&self, text: &'a str, depth: usize) -> (Operand, &'a str) {
        let text = text.trim_start();
        let bytes = text.as_bytes();
        match bytes.first() {
            Some(b'$' | b'.') => {
                let end = reference_end(bytes, 0);
                let found = self.reference(&text[..end]);
                (found.map_or(Operand::Unknown, |found| Operand::Path(found.path)), &text[end..])
            }
            Some(b'(') => {
                let end = end_of_group(bytes);
                let inner = text.get(1..end.saturating_sub(1)).unwrap_or_default();
                let rest = &text[end..];
                // `(...).a` is something of it.
                if rest.starts_with('.') {
                    let end = reference_end(rest.as_bytes(), 0);
                    return (Operand::Unknown, &rest[end..]);
                }
                match inner.trim_start().strip_prefix("dict ") {
                    Some(entries) if depth < 3 => (self.dict(entries, depth), rest),
                    _ => (Operand::Unknown, rest),
                }
            }
            Some(quote @ (b'"' | b'`' | b'\'')) => {
                let end = end_of_string(bytes, 0, *quote);
                (Operand::Unknown, &text[end..])
            }
            Some(_) => {
                let end = text.find([' ', ')', '|']).unwrap_or(text.len());
                (Operand::Unknown, &text[end..])
            }
            None => (Operand::Unknown, ""),
        }
    }

    fn dict(&self, text: &str, depth: usize) -> Operand {
        let mut entries = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let Some((key, behind)) = quoted(rest) else { return Operand::Unknown };
            let (value, behind) = self.operand(behind, depth + 1);
            if entries.len() == ENTRIES || key.contains('\\') {
                return Operand::Unknown;
            }
            entries.push((key.to_owned(), value));
            rest = behind.trim_start();
        }
        Operand::Dict(entries)
    }

    /// Notes the values that an action changes.
    fn changes(&mut self, inner: &str) -> Option<()> {
        let is_word = |c: char| c.is_ascii_alphanumeric();
        if !inner.split(|c| !is_word(c)).any(|word| CHANGES.contains(&word)) {
            return Some(());
        }
        let found = self.references(inner)?;
        self.changes.extend(found.paths);
        Some(())
    }

    /// What a pipeline stands for; sets the variable before `:=`, in a block that is `inside` of
    /// the open ones.
    fn assigned(
        &mut self,
        text: &'t str,
        value_of: impl Fn(Option<Meaning>) -> Option<Meaning>,
        inside: usize,
    ) -> Option<Option<Meaning>> {
        let (names, value) = match text.find('=') {
            Some(at) if is_assignment(text) => {
                (text[..at].trim_end_matches(':'), text.get(at + 1..).unwrap_or_default())
            }
            _ => ("", text),
        };
        let mut found = self.references(value)?;
        if found.paths.len() > 1 {
            // `default .Chart.Name .Values.name`: what can be in a file.
            let given = |path: &Path| {
                path.first().and_then(Option::as_deref).is_some_and(|key| GIVEN.contains(&key))
            };
            found.paths.retain(|path| !given(path));
            found.as_is = false;
        }
        let whole = match value.trim() {
            "." => self.dot().cloned(),
            "$" => self.dollar(),
            // Of two values it can be either.
            _ if found.paths.len() > 1 => None,
            _ => found.paths.pop().map(|path| Meaning { path, as_is: found.as_is }),
        };
        let meaning = value_of(whole);
        let depth = self.dots.len() + inside;
        let mut names = names.split(',').map(str::trim).filter(|name| name.len() > 1);
        // `range $key, $value := ...`: the last one is the element.
        if let Some(last) = names.next_back() {
            for name in names {
                self.declare(name, None, depth)?;
            }
            self.declare(last, meaning.clone(), depth)?;
        }
        Some(meaning)
    }

    fn declare(&mut self, name: &'t str, meaning: Option<Meaning>, depth: usize) -> Option<()> {
        let meaning = meaning.filter(|_| !self.reassigned.contains(name));
        self.take(1 + meaning.as_ref().map_or(0, |meaning| meaning.path.len()))?;
        // One that is not known is not taken for one of before.
        if self.variables.len() == VARIABLES {
            self.variables.retain(|(known, ..)| *known != name);
        } else {
            self.variables.push((name, meaning, depth));
        }
        Some(())
    }

    fn variable(&self, name: &str) -> Option<Meaning> {
        let from = self.open.last().map_or(0, |open| open.variables);
        let known = self.variables.get(from..).unwrap_or_default();
        let found = known.iter().rev().find(|(known, ..)| *known == name);
        found.and_then(|(_, meaning, _)| meaning.clone())
    }

    /// The values that a pipeline names, in order.
    fn references(&mut self, text: &str) -> Option<Hole> {
        let mut scan = Scan::default();
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                quote @ (b'"' | b'`' | b'\'') => {
                    let end = end_of_string(bytes, at, quote);
                    let inner = text.get(at + 1..end.saturating_sub(1)).unwrap_or_default();
                    scan.string(inner, quote);
                    at = end;
                }
                b'$' | b'.' => {
                    let end = reference_end(bytes, at).max(at + 1);
                    let part = &text[at..end];
                    if at > 0 && bytes[at - 1] == b')' {
                        scan.fields(part);
                    } else {
                        let found = self.reference(part);
                        self.take(found.as_ref().map_or(1, |found| 1 + found.path.len()))?;
                        scan.reference(found, part.len() == 1);
                    }
                    at = end;
                }
                b'(' => {
                    scan.open();
                    at += 1;
                }
                b')' => {
                    scan.close();
                    at += 1;
                }
                b'|' => {
                    scan.index = Index::Out;
                    at += 1;
                }
                c if c.is_ascii_alphanumeric() || c == b'_' => {
                    let end = word_end(bytes, at);
                    scan.word(&text[at..end]);
                    at = end;
                }
                c => {
                    scan.as_is &= c.is_ascii_whitespace();
                    at += 1;
                }
            }
        }
        Some(scan.found())
    }

    /// `.Values.a`, `$.Values.a`, `$x.a`, `.a`, `.`
    fn reference(&self, text: &str) -> Option<Meaning> {
        let (base, fields) = match text.find('.') {
            Some(dot) => (&text[..dot], &text[dot + 1..]),
            None => (text, ""),
        };
        let mut meaning = match base {
            "" => self.dot().cloned(),
            "$" => self.dollar(),
            name => self.variable(name),
        }?;
        meaning.path.extend(fields_of(fields));
        (meaning.path.len() <= PARTS).then_some(meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        read(text).lines
    }

    fn paths(text: &str) -> Vec<String> {
        let all = lines(text);
        let shown = |path: &Path| {
            let parts = path.iter().map(|part| part.as_deref().unwrap_or("*"));
            parts.collect::<Vec<_>>().join(".")
        };
        let paths: Vec<String> = all.iter().flat_map(Line::values).map(shown).collect();
        paths.iter().map(|path| path.replace("Values.", "")).collect()
    }

    #[test]
    fn values_are_followed_through_blocks_and_variables() {
        assert_eq!(paths("a: {{ .Values.a.b | quote }}"), ["a.b"]);
        assert_eq!(paths("{{- with .Values.r }}\n{{- toYaml . | nindent 2 }}\n{{- end }}"), ["r"]);
        assert_eq!(paths("{{ with .Values.r }}{{ .x }}{{ else }}{{ .x }}{{ end }}"), ["r.x", "x"]);
        assert_eq!(paths("{{ range .Values.l }}- {{ .name }}{{ end }}"), ["l.*.name"]);
        assert_eq!(
            paths("{{ range $k, $v := .Values.m }}{{ $k }}: {{ $v.x }}{{ end }}"),
            ["m.*.x"]
        );
        assert_eq!(paths("{{ $p := .Values.port }}x: {{ $p }}"), ["port"]);
        assert_eq!(paths("{{ with .Values.a }}{{ $.Values.b }}{{ end }}"), ["b"]);
        assert_eq!(paths("{{ index .Values \"a-b\" \"c\" }}"), ["a-b.c"]);
        assert_eq!(paths("{{/* {{ .Values.no }} */}}{{ \"}}\" }}{{ .Values.yes }}"), ["yes"]);
        assert_eq!(paths("{{ if .Values.on }}x{{ end }}{{ .Values.a }}"), ["a"]);
        assert_eq!(paths("{{ ((.Values.a).b).c }}"), ["a.b.c"]);
        assert_eq!(paths("{{ (index .Values.a \"b\").c }}"), ["a.b.c"]);
    }

    #[test]
    fn what_depends_on_something_is_not_taken_for_a_value() {
        // A key that is no text, and an index of an index.
        assert_eq!(paths("{{ index .Values.a $key \"x\" }}"), [""; 0]);
        assert_eq!(paths("{{ index (index .Values.a \"x\") \"y\" }}"), [""; 0]);
        assert_eq!(paths("{{ (get .Values.a \"k\").x }}"), [""; 0]);
        // An element of either.
        assert_eq!(paths("{{ range concat .Values.a .Values.b }}{{ .x }}{{ end }}"), [""; 0]);
        // Whoever ran before.
        assert_eq!(
            paths("{{ $x := .Values.a }}{{ if .Values.on }}{{ $x = .Values.b }}{{ end }}{{ $x }}"),
            [""; 0]
        );
        assert_eq!(
            paths("{{ $v := .Values.a }}{{ range $v := .Values.l }}{{ $v }}{{ end }}{{ $v }}"),
            ["l.*", "a"]
        );
        assert_eq!(
            paths("{{ with .Values.a }}{{ .x }}{{ else with .Values.b }}{{ .y }}{{ end }}"),
            ["a.x", "b.y"]
        );
        assert_eq!(paths("{{ block \"x\" .Values.a }}{{ .b }}{{ end }}"), [""; 0]);
    }

    #[test]
    fn a_definition_has_variables_and_an_argument_of_its_own() {
        let text = "{{ $x := .Values.a }}\n{{ define \"d\" }}\n{{ $x }}{{ .b }}{{ $.c }}\n{{ end }}\n{{ $x }}\n";
        assert_eq!(paths(text), ["b", "c", "a"]);
        let all = lines(text);
        assert_eq!(
            all.iter().map(|line| line.defined).collect::<Vec<_>>(),
            [false, true, true, true, false, false]
        );
    }

    #[test]
    fn a_value_is_printed_as_it_is_or_made_into_something() {
        let as_is = |text: &str| lines(text)[0].only_value().is_some();
        for text in [
            "{{ .Values.a }}",
            "{{ .Values.a | quote }}",
            "{{ .Values.a | default \"512Mi\" }}",
            "{{ required \"say it\" .Values.a }}",
            "{{- toYaml .Values.a | nindent 4 }}",
        ] {
            assert!(as_is(text), "{text}");
        }
        for text in [
            "{{ .Values.a | upper }}",
            "{{ .Values.a | default .Values.b }}",
            "{{ .Values.a | default $x }}",
            "{{ ternary .Values.a \"1\" .Values.b }}",
            "{{ mul .Values.a 1 }}",
            "{{ .Values.a }}{{ .Values.b }}",
            "{{ .Values.a }}{{ \"\" }}",
            "{{ include \"x\" .Values.a }}",
            "{{ printf \"%s\" .Values.a }}",
        ] {
            assert!(!as_is(text), "{text}");
        }
    }

    #[test]
    fn helpers_are_given_values_and_mappings() {
        let include = |text: &str| lines(text)[0].include.clone();
        let path =
            |keys: &[&str]| Operand::Path(keys.iter().map(|key| Some((*key).to_owned())).collect());
        assert_eq!(include("{{ include \"x\" . }}"), Some(("x".to_owned(), path(&[]))));
        assert_eq!(
            include("{{- include \"x\" .Values.web | nindent 4 }}"),
            Some(("x".to_owned(), path(&["Values", "web"])))
        );
        let dict = Operand::Dict(vec![
            ("Values".to_owned(), path(&["Values", "web"])),
            ("context".to_owned(), path(&[])),
            ("other".to_owned(), Operand::Unknown),
        ]);
        let text =
            "{{ include \"x\" (dict \"Values\" .Values.web \"context\" $ \"other\" (f .a)) }}";
        assert_eq!(include(text), Some(("x".to_owned(), dict)));
        assert_eq!(
            include("{{ include \"x\" (merge .a .b) }}"),
            Some(("x".to_owned(), Operand::Unknown))
        );
        // Of two, nobody knows which one printed it.
        assert_eq!(include("{{ include \"x\" . }}{{ include \"y\" . }}"), None);
    }

    #[test]
    fn reading_takes_no_more_than_there_is_room_for() {
        let long = format!("{{{{ $x := .{} }}}}", "a.".repeat(30));
        let many = long + &"{{$x}}".repeat(10_000);
        assert!(read_within(&many, &mut 1000).is_none());
        let mut room = ROOM;
        assert!(read_within(&many, &mut room).is_some());
        // Each stands for thirty keys.
        assert!(ROOM - room > 300_000);
        assert!(read_within(&"\n".repeat(1000), &mut 100).is_none());
        assert!(verbatim(&"\n".repeat(1000), &mut 100).is_none());
    }

    #[test]
    fn lines_print_what_they_hold() {
        let prints = |template: &str, rendered: &str| {
            let all = lines(template);
            assert_eq!(all.len(), 1, "{template}");
            all[0].prints(template, rendered)
        };
        assert!(prints("image: \"{{ .a }}:{{ .b }}\"", "image: \"nginx:1.2\""));
        assert!(!prints("image: \"{{ .a }}:{{ .b }}\"", "image: nginx"));
        assert!(prints("  replicas: {{ .Values.n }}", "replicas: 3"));
        assert!(prints("a: {{ .x }}", "a:"));
        assert!(prints("  kind: Service", "kind: Service"));
        assert!(!prints("kind: Service", "kind: ServiceAccount"));
        assert!(!prints("{{- if .x }}", "a: b"));
        assert!(prints("{{ .x }}", "a: b"));
    }

    #[test]
    fn an_action_over_several_lines_leaves_the_numbers_as_they_are() {
        let text = "a: {{ .x\n  | quote }}\nb: 1\n";
        let all = lines(text);
        assert_eq!(all.len(), 4);
        assert_eq!(&text[all[2].content.clone()], "b: 1");
        assert!(all[2].prints(text, "b: 1"));
    }

    #[test]
    fn half_of_an_action_is_no_panic() {
        for text in ["{{", "{{-", "{{ \"", "{{ `x", "{{/*", "{{ $ }}", "{{ . }", "}}", "{{ end }}"]
        {
            lines(text);
        }
        let deep = "{{ if x }}".repeat(5000) + &"{{ end }}".repeat(6000);
        assert_eq!(lines(&deep).len(), 1);
    }
}
