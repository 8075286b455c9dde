//! Which values a line of a template filled in, where what is printed agrees.
//!
//! A value may be changed only when nothing else can have printed the line: one value stands
//! there as it is, in one file, for one chart, and no other line that looks like it prints a value
//! that says the same.

use super::align::cost;
use super::budget::Budget;
use super::helpers::{Place, Placed, Scope, Templates};
use super::line::{Line, Path};
use super::trace::Value;
use super::values::{Found, Key, Values, plain};
use crate::facts::document::{Node, ScalarStyle};
use crate::facts::origin::{Origin, Span};

/// Elements of lists that a value is looked for in. Beyond it, that only one fits is not known.
const ELEMENTS: usize = 256;

/// Keys inside each other of a printed value.
const DEEP: usize = 64;

/// Nodes below a value that are looked at for one line.
const NODES: usize = 20_000;

/// A line that was printed.
#[derive(Clone, Copy)]
pub(super) struct Printed<'p> {
    pub(super) text: &'p str,
    /// Where it begins in the rendered text.
    pub(super) offset: usize,
    /// The scalar of a flow collection on the line that is meant, with its quotes.
    pub(super) part: Option<(usize, usize)>,
}

impl<'p> Printed<'p> {
    /// The part that is its value, and where it begins in the line.
    fn value(self) -> (usize, &'p str) {
        if let Some((start, end)) = self.part {
            return (start, self.text.get(start..end).unwrap_or_default());
        }
        let trimmed = self.text.trim_end();
        let start = match trimmed.find(": ") {
            Some(colon) => colon + 2,
            None => trimmed.find("- ").map_or(0, |dash| dash + 2),
        };
        let value = trimmed.get(start..).unwrap_or_default();
        let lead = value.len() - value.trim_start().len();
        (start + lead, value.trim_start())
    }

    /// The key in front of the value.
    fn key(self) -> Option<&'p str> {
        if let Some((start, _)) = self.part {
            let before = self.text.get(..start)?.trim_end().strip_suffix(':')?;
            let key = before.rsplit(['{', ',', '[']).next()?;
            return Some(unquoted(key.trim()));
        }
        let text = self.text.trim();
        let (key, _) = text.split_once(": ")?;
        Some(unquoted(key.trim_start_matches("- ").trim()))
    }

    /// The same of one scalar of a flow collection: `- {name: GOMEMLIMIT, value: 300MiB}`. None where the value is on
    /// the line more than once, or is not all of a scalar.
    fn scalar(self, value: &str) -> Option<Self> {
        let mut found = self.text.match_indices(value);
        let (Some((start, _)), None) = (found.next(), found.next()) else { return None };
        let (mut start, mut end) = (start, start + value.len());
        let (before, after) = (self.text.get(..start)?, self.text.get(end..)?);
        for quote in ['"', '\''] {
            if before.ends_with(quote) && after.starts_with(quote) {
                (start, end) = (start - 1, end + 1);
            }
        }
        let (before, after) = (self.text.get(..start)?, self.text.get(end..)?);
        let begins = [": ", ", ", "[", "[ "].iter().any(|mark| before.ends_with(mark));
        let ends = after.trim_start().starts_with([',', '}', ']']);
        let flow = before.contains(['{', '[']) && begins && ends;
        flow.then_some(Self { part: Some((start, end)), ..self })
    }

    fn span(self) -> Span {
        let (at, text) = self.value();
        Span::new(self.offset + at, self.offset + at + text.len())
    }
}

fn unquoted(text: &str) -> &str {
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(text)
}

/// What lines are traced with.
pub(super) struct Tracer<'t> {
    pub(super) templates: &'t Templates,
    pub(super) placed: &'t Placed,
    pub(super) values: &'t Values,
    pub(super) budget: &'t mut Budget,
}

impl<'t> Tracer<'t> {
    /// The values that a line fills in.
    pub(super) fn filled(&mut self, place: Place, printed: Printed<'_>) -> Vec<Value> {
        let placed = self.placed;
        let Some((scope, line)) = placed.at(place) else { return Vec::new() };
        let (_, text) = printed.value();
        let mut found: Vec<Value> = Vec::new();
        let mut empty: Vec<Value> = Vec::new();
        for path in line.values() {
            let Some(full) = scope.argument.value(path) else { continue };
            if let Some(flag) = self.flag(&full, &[]) {
                found.push(flag);
                continue;
            }
            let Some(mut nodes) = self.nodes(&full) else { continue };
            if let [only] = nodes.as_slice()
                && (only.node.is_null() || only.node.as_str() == Some(""))
            {
                empty.push(Value { is_empty: true, ..value(only, None) });
            }
            if let [only] = nodes.as_slice()
                && plain(&full).is_some()
                && only.node.as_str().is_some_and(|it| is_template_of(it, unquoted(text)))
            {
                found.push(value(only, None));
                continue;
            }
            nodes.retain(|found| {
                found.node.as_str().is_some_and(|value| !value.is_empty() && text.contains(value))
            });
            // Of `GODEBUG: x509sha1=1` and `GOMAXPROCS: 0` both are in the text, and one is all of what stands there.
            if nodes.len() > 1 {
                nodes.retain(|found| {
                    found.node.as_str().is_some_and(|value| {
                        value == unquoted(text) || printed.scalar(value).is_some()
                    })
                });
            }
            // Two elements of a list that fit are none.
            let [only] = nodes.as_slice() else { continue };
            let is_element = full.iter().any(Option::is_none);
            let is_line = only.node.as_str() == Some(unquoted(text));
            let scalar = only.node.as_str().filter(|_| !is_line).and_then(|it| printed.scalar(it));
            let is_whole = is_line || scalar.is_some();
            let printed = scalar.unwrap_or(printed);
            let rival = is_whole && self.has_rival(place, printed, only.node);
            if rival && is_element {
                continue;
            }
            let can_change = is_whole
                && !rival
                && line.only_value() == Some(path)
                && self.can_change(&full, only);
            found.push(value(only, can_change.then(|| printed.span())));
        }
        // Where one of several is empty, the others are not all that the line says.
        if !found.is_empty() {
            found.extend(empty);
        }
        found.dedup();
        found
    }

    /// What the command line says of a value, or of one that is so far below it.
    fn flag(&self, path: &Path, below: &[Key<'_>]) -> Option<Value> {
        let known = path.iter().map_while(|part| part.as_deref().map(Key::Name));
        let mut keys: Vec<Key<'_>> = known.collect();
        if keys.len() == path.len() {
            keys.extend(below);
        }
        let flag = self.values.flag(&keys)?;
        let (origin, name) = (Origin::whole(flag.source), flag.name.clone());
        Some(Value { origin, name, whole: None, is_empty: false })
    }

    /// The value of a line of a block that a line of the template printed.
    pub(super) fn in_block(
        &mut self,
        place: Place,
        block: &Block,
        printed: Printed<'_>,
    ) -> Vec<Value> {
        let placed = self.placed;
        let Some((scope, line)) = placed.at(place) else { return Vec::new() };
        let (_, text) = printed.value();
        if text.is_empty() || block.lost {
            return Vec::new();
        }
        let mut found: Vec<Value> = Vec::new();
        for path in line.values() {
            let Some(full) = scope.argument.value(path) else { continue };
            let Some(mut keys) = plain(&full) else { continue };
            let inside = block.open.iter().map(|(_, step)| match step {
                Step::Name(name) => Key::Name(name),
                Step::Item(number) => Key::Item(*number),
            });
            let inside: Vec<Key<'_>> = inside.collect();
            if let Some(flag) = self.flag(&full, &inside) {
                found.push(flag);
                continue;
            }
            keys.extend(inside);
            let Some(only) = self.values.find(&keys, self.budget) else { continue };
            let is_said = only.node.as_str() == Some(unquoted(text));
            // What `tpl` makes of a value is told by where it stands.
            let is_made =
                || only.node.as_str().is_some_and(|it| is_template_of(it, unquoted(text)));
            if !is_said && !is_made() {
                continue;
            }
            // The first item may have been taken for another line.
            let is_item = keys.iter().any(|key| matches!(key, Key::Item(_)));
            let own = is_item.then_some(&full);
            let can_change = is_said
                && line.only_value() == Some(path)
                && self.can_change(&full, &only)
                && !own.is_some_and(|own| self.holds_alike(own, printed, only.node))
                && !self.has_rival(place, printed, only.node);
            found.push(value(&only, can_change.then(|| printed.span())));
        }
        found.dedup();
        found
    }

    fn can_change(&self, path: &[Option<String>], found: &Found<'_>) -> bool {
        let is_line = matches!(
            found.node.scalar_style(),
            Some(ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)
        );
        found.is_own && is_line && !self.templates.changes(path)
    }

    /// The nodes that a path can mean; `None` when they are too many to tell.
    fn nodes(&mut self, path: &Path) -> Option<Vec<Found<'t>>> {
        nodes(self.values, path, self.budget)
    }

    /// Whether another line than the one at `place` can have printed a text from another value.
    fn has_rival(&mut self, place: Place, printed: Printed<'_>, own: Node<'_>) -> bool {
        let placed = self.placed;
        let whole = printed.text.trim();
        let (_, text) = printed.value();
        for (number, scope) in placed.scopes.iter().enumerate() {
            // Too many to tell.
            let Some(lines) = scope.index().alike(whole) else { return true };
            for at in lines {
                let Some(line) = scope.line(at) else { continue };
                if Placed::place(number, at) == place || line.hole.is_none() {
                    continue;
                }
                if !self.budget.take(cost(line, whole)) {
                    return true;
                }
                if line.prints(scope.text(), whole) && self.may_print(scope, line, text, own) {
                    return true;
                }
            }
            for at in scope.index().blocks() {
                let Some(line) = scope.line(*at) else { continue };
                if !self.budget.take(1) {
                    return true;
                }
                if Placed::place(number, *at) == place {
                    continue;
                }
                for path in line.values() {
                    let Some(full) = scope.argument.value(path) else { continue };
                    if self.holds_alike(&full, printed, own) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Whether a line that looks like a text has a value for it that is not `own`.
    fn may_print(&mut self, scope: &Scope, line: &Line, text: &str, own: Node<'_>) -> bool {
        for path in line.values() {
            let Some(full) = scope.argument.value(path) else { continue };
            let Some(nodes) = self.nodes(&full) else { return true };
            let text = unquoted(text);
            if nodes.iter().any(|found| {
                found.node.as_str() == Some(text) && found.node.origin() != own.origin()
            }) {
                return true;
            }
        }
        false
    }

    /// Whether below a path another value than `own` has the key and the text of a line.
    fn holds_alike(&mut self, path: &Path, printed: Printed<'_>, own: Node<'_>) -> bool {
        let Some(tops) = self.nodes(path) else { return true };
        let (key, (_, text)) = (printed.key(), printed.value());
        let text = unquoted(text);
        let mut open: Vec<(Node<'_>, Option<&str>)> =
            tops.iter().map(|found| (found.node, None)).collect();
        let mut looked = 0;
        while let Some((node, called)) = open.pop() {
            looked += 1;
            if looked > NODES || !self.budget.take(1) {
                return true;
            }
            let same_key = key.is_none() || called.is_none() || key == called;
            if same_key && node.as_str() == Some(text) && node.origin() != own.origin() {
                return true;
            }
            if node.is_mapping() {
                open.extend(node.entries().map(|(key, value)| (value, key.as_str())));
            } else {
                open.extend(node.items().map(|item| (item, None)));
            }
        }
        false
    }
}

/// Whether a value is a template that can have printed a text: `{{ .Release.Name }}-config`.
fn is_template_of(value: &str, text: &str) -> bool {
    let Some((first, rest)) = value.split_once("{{") else { return false };
    let (mut rest, mut text) = (rest, text);
    let Some(after) = text.strip_prefix(first) else { return false };
    text = after;
    loop {
        let Some((_, behind)) = rest.split_once("}}") else { return false };
        match behind.split_once("{{") {
            Some((fixed, next)) => {
                let Some(at) = text.find(fixed) else { return false };
                text = &text[at + fixed.len()..];
                rest = next;
            }
            None => return text.ends_with(behind),
        }
    }
}

fn value(found: &Found<'_>, whole: Option<Span>) -> Value {
    let origin: Origin = found.node.origin();
    Value { origin, name: found.name.clone(), whole, is_empty: false }
}

/// The nodes that a path can mean; `None` when they are too many to tell.
fn nodes<'v>(values: &'v Values, path: &Path, budget: &mut Budget) -> Option<Vec<Found<'v>>> {
    let first = path.iter().position(Option::is_none).unwrap_or(path.len());
    let keys: Vec<Key<'_>> = path[..first].iter().flatten().map(|k| Key::Name(k)).collect();
    let mut open: Vec<Found<'v>> = values.find(&keys, budget).into_iter().collect();
    for part in &path[first..] {
        let mut next: Vec<Found<'v>> = Vec::new();
        for found in open {
            let (node, is_own) = (found.node, found.is_own);
            let with = |node, name| Found { node, name, is_own };
            let left = ELEMENTS + 1 - next.len();
            if !budget.take(1 + node.doc.entries_of(node.id).len().min(ELEMENTS)) {
                return None;
            }
            match part {
                Some(key) => {
                    let below = node.get(key);
                    next.extend(below.map(|n| with(n, format!("{}.{key}", found.name))));
                }
                None => {
                    let items = node.items().enumerate().take(left);
                    next.extend(items.map(|(at, n)| with(n, format!("{}[{at}]", found.name))));
                    let entries = node.entries().take(left).filter_map(|(key, value)| {
                        Some(with(value, format!("{}.{}", found.name, key.as_str()?)))
                    });
                    next.extend(entries);
                }
            }
            if next.len() > ELEMENTS {
                return None;
            }
        }
        open = next;
    }
    Some(open)
}

/// Where in a printed value a line is: `toYaml .Values.resources` prints its keys line by line.
#[derive(Default)]
pub(super) struct Block {
    /// The line of the template that prints it.
    pub(super) place: Option<Place>,
    /// Where the key stands that it is the value of, when the line of the template has that too.
    column: usize,
    /// Keys that are open, with their columns.
    open: Vec<(usize, Step)>,
    /// There were more than [`DEEP`].
    lost: bool,
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

enum Step {
    Name(String),
    Item(usize),
}

impl Block {
    /// One that a line of the template begins to print.
    pub(super) fn of(place: Place) -> Self {
        Self { place: Some(place), ..Self::default() }
    }

    /// One below the key that a line of the template prints: `resources: {{- toYaml .Values.resources | nindent 4 }}`.
    pub(super) fn below(place: Place, printed: &str) -> Self {
        Self { column: indent(printed), ..Self::of(place) }
    }

    /// Whether a printed line is that key, and not one of its name further in.
    pub(super) fn is_key(&self, place: Place, key: &str, printed: &str) -> bool {
        let again = self.place != Some(place) || indent(printed) <= self.column;
        again && printed.trim() == key
    }

    /// Goes on to the next line.
    pub(super) fn step(&mut self, line: &str) {
        let mut text = line.trim_start();
        let mut column = line.len() - text.len();
        if text.is_empty() || text.starts_with('#') || self.lost {
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
            self.lost |= self.open.len() > DEEP;
            if self.lost {
                return;
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
        self.lost |= self.open.len() > DEEP;
    }
}
