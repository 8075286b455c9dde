//! What actions name: the values of a pipeline, variables, and what a helper is given.

use super::super::lex::{
    end_of_group, end_of_string, is_assignment, quoted, reference_end, word_end,
};
use super::super::line::{Operand, Path};
use super::super::pipeline::{Hole, Index, Meaning, Scan, fields_of};
use super::{PARTS, Reader};

/// Variables that are known at a time.
const VARIABLES: usize = 256;

/// Entries of a `dict` that a helper is given.
const ENTRIES: usize = 32;

/// Functions that change what they are given first.
const CHANGES: [&str; 6] =
    ["merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite", "set", "unset"];

/// What Helm gives a template besides `.Values` (helm v3.22 pkg/chartutil/values.go,
/// ToRenderValues, and pkg/engine).
const GIVEN: [&str; 6] = ["Capabilities", "Chart", "Files", "Release", "Subcharts", "Template"];

impl<'t> Reader<'t> {
    /// `"name" .argument`
    pub(super) fn include(&mut self, text: &str) {
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
    pub(super) fn changes(&mut self, inner: &str) -> Option<()> {
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
    pub(super) fn assigned(
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
    pub(super) fn references(&mut self, text: &str) -> Option<Hole> {
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
    pub(super) fn reference(&self, text: &str) -> Option<Meaning> {
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
