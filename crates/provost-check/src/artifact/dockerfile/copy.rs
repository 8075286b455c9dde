//! COPY and ADD.

use std::ops::Range;

use super::grammar::{self, MaybeJson};
use super::lines::Line;
use super::run;
use super::settings::is_relative;
use super::stages::{Item, Loader, shorten};
use crate::artifact::ProblemKind;
use crate::facts::build::CopyStep;
use crate::facts::{Fact, Span};

impl Loader<'_> {
    pub(super) fn copy(&mut self, item: &Item<'_>, name: &str) {
        let line = item.line;
        let words: Vec<Range<usize>> = match grammar::maybe_json(line, &item.split.rest) {
            MaybeJson::Array(words) => words.into_iter().map(|w| w.range).collect(),
            MaybeJson::NotStrings => {
                self.refused(line.span(&item.split.rest), "the JSON array holds more than strings");
                return;
            }
            // The words of something else than what is meant.
            MaybeJson::No if self.almost_json(item, &item.split.rest) => return,
            MaybeJson::No => self.without_shell(line, &item.split.rest, name),
        };
        let Some((destination, sources)) = words.split_last().filter(|(_, s)| !s.is_empty()) else {
            let span = line.span(&item.split.keyword);
            if self
                .problems
                .last()
                .is_none_or(|p| p.origin.span().is_none_or(|p| p.start < span.start))
            {
                self.refused(span, format!("{name} needs a source and a destination"));
            }
            return;
        };
        let mut inline = Vec::new();
        let mut paths = Vec::new();
        for source in sources {
            if !item.heredocs.is_empty() && line.get(source).contains("<<") {
                continue;
            }
            // `<< EOF` leaves its name as a word of its own.
            if item.heredocs.iter().any(|h| h.name == line.get(source)) {
                continue;
            }
            paths.push(self.expanded(line, source, false));
        }
        for body in &item.heredocs {
            let span = Span::new(body.body.start, body.body.end);
            inline.push(Fact::written(body.name.clone(), self.origin(span)));
        }
        let mut destination = self.expanded(line, destination, false);
        let relative = is_relative(&destination.value);
        let stage = self.stages.len() - 1;
        let workdir = self.workdir();
        if let Some(mut path) = run::join(workdir.as_deref(), &destination.value) {
            if (destination.value.ends_with('/')
                || destination.value.ends_with("/.")
                || destination.value == ".")
                && !path.ends_with('/')
            {
                path.push('/');
            }
            destination.value = path;
        }
        for flag in &item.split.flags {
            if ["--chown=", "--chmod="].iter().any(|name| line.get(flag).starts_with(name)) {
                self.undefined_reads(line, flag);
            }
        }
        let flags: Vec<Fact<String>> =
            item.split.flags.iter().map(|flag| self.text_fact(line, flag)).collect();
        let from = item
            .split
            .flags
            .iter()
            .find(|flag| line.get(flag).starts_with("--from="))
            .map(|flag| flag.start + "--from=".len()..flag.end)
            .map(|range| self.text_fact(line, &range));
        self.copies.push(CopyStep {
            origin: item.origin.clone(),
            stage,
            add: name == "ADD",
            from,
            from_stage: None,
            sources: paths,
            destination,
            flags,
            inline,
            keyword: self.origin(line.span(&item.split.keyword)),
            relative,
            workdir_set: self.scopes.last().is_some_and(|scope| scope.workdir_set),
        });
        self.copy_flags();
        self.copy_sources(name);
    }

    /// The words up to an operator of the shell's or a `#`, which the builder takes for names.
    fn without_shell(
        &mut self,
        line: &Line,
        range: &Range<usize>,
        name: &str,
    ) -> Vec<Range<usize>> {
        let mut words = grammar::words(line, range);
        // The first word is a source in any case.
        let operator = words.iter().skip(1).position(|word| {
            let text = line.get(word);
            // `b;` is one when something follows.
            let ends = text.len() > 1 && text.ends_with(';') && word.end < range.end;
            ends || matches!(text, "&&" | "||" | "|" | ";" | "&" | ">" | ">>")
                || text.starts_with('#')
        });
        let Some(at) = operator.map(|at| at + 1) else { return words };
        let (Some(word), Some(last)) = (words.get(at).cloned(), words.last().cloned()) else {
            return words;
        };
        let (text, target) = (shorten(line.get(&word)), shorten(line.get(&last)));
        let (message, help) = if text.starts_with('#') {
            (
                format!(
                    "a comment takes a line of its own: # is a source here, and {target} the destination"
                ),
                "put the comment on the line above",
            )
        } else if word == last {
            (format!("{name} runs no shell: {text} is the destination here"), "leave it out")
        } else {
            (
                format!(
                    "{name} runs no shell: {text} is a source here, and {target} the destination"
                ),
                "end the instruction before it, and run the rest in a RUN of its own",
            )
        };
        // A destination may be called anything.
        let kind = if word == last { ProblemKind::Doubtful } else { ProblemKind::Refused };
        self.problem(kind, line.span(&word), message, Some(help.to_owned()));
        let kept =
            if line.get(&word).len() > 1 && line.get(&word).ends_with(';') { at + 1 } else { at };
        words.truncate(kept);
        if let Some(word) = words.last_mut().filter(|_| kept > at) {
            word.end -= 1;
        }
        words
    }
}
