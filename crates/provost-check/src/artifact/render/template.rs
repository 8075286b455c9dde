//! The lines of a Helm template: what they print as it stands, and which values they fill in.
//!
//! Not an engine: enough of the language of Go's `text/template` to tell where text comes from.
//! Actions are found as its lexer finds them (text/template/parse/lex.go, Go 1.27: `{{`, `{{- `,
//! strings in three kinds of quotes, comments), and the meaning of the dot is followed through
//! `with`, `range`, `define`, `block` and assignments. What a template is given is known where it
//! is included, so that paths begin there: `.Values.a` is the key `Values` of the argument.

mod operands;

use std::collections::HashSet;
use std::ops::Range;

use super::branches::{self, Branches, Condition, Question};
use super::lex::{action, is_assignment, quoted};
use super::line::{Line, Path, Piece, weight};
use super::pipeline::{Hole, Meaning, element};

/// The longest path of a value: `.Values.a.b` has three parts.
pub(super) const PARTS: usize = 32;

/// Blocks inside each other that are followed; deeper ones say nothing about the dot.
const DEPTH: usize = 256;

/// Lines, pieces of them and parts of paths of all templates of a chart: what reading them may
/// take of memory, since `{{$x}}` can stand for a long path. The largest public charts have some
/// ten thousand.
pub(super) const ROOM: usize = 1 << 20;

/// A template, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// Its lines, in order.
    pub(super) lines: Vec<Line>,
    /// What it defines for others to include: name and lines.
    pub(super) defines: Vec<(String, Range<usize>)>,
    /// Values that it changes, which are not what the files say from there on.
    pub(super) changes: Vec<Path>,
    /// On what its lines are printed.
    pub(super) conditions: Vec<Condition>,
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
        branches: Branches::default(),
        loops: Vec::new(),
        ignored: 0,
        variables: Vec::new(),
        reassigned: reassigned(text),
        open: Vec::new(),
        defines: Vec::new(),
        changes: Vec::new(),
    };
    reader.run()?;
    *room = reader.room;
    Some(Template {
        lines: reader.lines,
        defines: reader.defines,
        changes: reader.changes,
        conditions: reader.branches.all,
    })
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

/// What a question takes.
fn room_of(question: &Question) -> usize {
    question.iter().map(|(path, _)| 1 + path.len()).sum()
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
    /// What the open blocks ask, in step with the dots but for the first.
    branches: Branches,
    /// Open `range`s: the number of blocks that are open with each, and its line.
    loops: Vec<(usize, usize)>,
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
            if !self.text[from..to].trim().is_empty() {
                self.in_branch();
            }
            self.line.pieces.push(Piece::Text(from..to));
        }
        Some(())
    }

    /// Notes on what condition the next piece of the line is printed.
    fn in_branch(&mut self) {
        let here = self.branches.here();
        let is_first = self.line.pieces.iter().all(|piece| match piece {
            Piece::Text(range) => self.text[range.clone()].trim().is_empty(),
            Piece::Hole(_) => false,
        });
        match is_first {
            true => self.line.branch = here,
            false if self.line.branch != here => self.line.branch = None,
            false => {}
        }
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
        line.looped = line.looped.or(self.loops.first().map(|(_, line)| *line));
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

    /// Opens a block that asks something; `None` for a definition.
    fn open(&mut self, dot: Option<Meaning>, question: Option<Question>) -> Option<()> {
        if self.dots.len() >= DEPTH {
            self.ignored += 1;
            return Some(());
        }
        self.dots.push(dot);
        match question {
            Some(question) => {
                self.take(room_of(&question))?;
                self.branches.open(question);
            }
            None => self.branches.define(),
        }
        Some(())
    }

    /// What the text of `if`, `with` or `range` asks.
    fn question(&self, text: &str) -> Question {
        let value = match text.split_once('=') {
            Some((_, value)) if is_assignment(text) => value,
            _ => text,
        };
        branches::question(value, |reference| self.reference(reference))
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
                let (dot, question) = (self.dot().cloned(), self.question(rest));
                self.assigned(rest, |found| found, 1)?;
                self.open(dot, Some(question))?;
            }
            "with" => {
                let question = self.question(rest);
                let meaning = self.assigned(rest, |found| found, 1)?;
                self.open(meaning, Some(question))?;
            }
            "range" => {
                let question = self.question(rest);
                let meaning = self.assigned(rest, element, 1)?;
                self.open(meaning, Some(question))?;
                if self.ignored == 0 {
                    self.loops.push((self.dots.len(), self.lines.len()));
                }
            }
            "define" | "block" => self.define(rest, word == "block")?,
            "else" => self.otherwise(rest)?,
            "end" => self.end(),
            "template" => {
                self.include(rest);
                self.hole(Hole::default(), true)?;
            }
            // What fails prints nothing that anybody sees.
            "break" | "continue" | "fail" => {}
            _ if inner.trim_end().ends_with("| fail") => {}
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
        self.open(dot.clone(), None)?;
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
        let asked = rest.strip_prefix("with ").or_else(|| rest.strip_prefix("if "));
        let question = asked.map(|asked| self.question(asked)).unwrap_or_default();
        self.take(1 + self.branches.asked_before() + room_of(&question))?;
        self.branches.otherwise(question);
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
        let outermost = self.loops.first().map(|(_, line)| *line);
        if self.loops.pop_if(|(depth, _)| *depth == self.dots.len()).is_some() {
            // One that ends here may have printed on this very line.
            self.line.looped = self.line.looped.or(outermost);
        }
        self.dots.pop();
        self.branches.end();
        let open = self.dots.len();
        self.variables.retain(|(_, _, at)| *at <= open);
    }

    fn hole(&mut self, hole: Hole, block: bool) -> Option<()> {
        self.take(1)?;
        self.in_branch();
        self.line.block |= block;
        self.holes += 1;
        self.line.pieces.push(Piece::Hole(hole));
        Some(())
    }
}

#[cfg(test)]
mod tests;
