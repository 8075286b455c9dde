//! Instructions in order, as BuildKit's `frontend/dockerfile/dockerfile2llb/convert.go` (v0.26)
//! dispatches them: what each stage sets, inherits and copies.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Limits;
use super::almost_json::almost_json;
use super::expand::{Failure, Variable, expand};
use super::grammar::{self, INSTRUCTIONS, MaybeJson, Split};
use super::lines::{Heredoc, Line, Reader, Trouble, heredoc_names};
use crate::artifact::{Problem, ProblemKind};
use crate::facts::build::{Build, CopyStep, FileMove, GoBuild, RunStep, Stage, StageConfig};
use crate::facts::build_checks::{BuilderWarning, CheckOptions};
use crate::facts::build_steps::{
    AlmostJson, JsonFault, PLATFORM_ARGS, RunShell, SameLine, UndefinedRead, Written,
};
use crate::facts::{Basis, Fact, Origin, SourceId, Span};
use crate::model::quantity::counted;

/// Longest text one word may expand to.
const EXPANDED_WORD: usize = 64 << 10;

pub(super) type Variables = FxHashMap<String, Variable>;
pub(super) type Pair = (Fact<String>, Fact<String>);

/// What is known of the stage being read beyond its facts.
#[derive(Clone, Default)]
pub(super) struct Scope {
    /// ENV and ARG in force.
    pub(super) variables: Variables,
    /// The same with their places, in order; later ones replace earlier ones in place.
    pub(super) in_force: Vec<Pair>,
    pub(super) index: FxHashMap<String, usize>,
    /// Where a name stands in [`StageConfig::env`].
    pub(super) env_index: FxHashMap<String, usize>,
    /// CMD was written in this stage; else ENTRYPOINT clears what was inherited.
    pub(super) cmd_written: bool,
    /// A WORKDIR of this file is in force.
    pub(super) workdir_set: bool,
    /// What runs shell forms.
    pub(super) shell: Option<RunShell>,
    pub(super) bytes: usize,
}

pub(super) struct Loader<'a> {
    pub(super) source: SourceId,
    pub(super) text: &'a str,
    pub(super) limits: &'a Limits,
    pub(super) problems: Vec<Problem>,
    pub(super) dropped: usize,
    pub(super) escape: char,
    pub(super) budget: usize,
    pub(super) globals: Variables,
    pub(super) stages: Vec<Stage>,
    pub(super) scopes: Vec<Scope>,
    /// Lower-case stage names; a later stage of the same name replaces an earlier one.
    pub(super) names: FxHashMap<String, usize>,
    pub(super) go_builds: Vec<GoBuild>,
    pub(super) copies: Vec<CopyStep>,
    pub(super) runs: Vec<RunStep>,
    pub(super) args: Vec<(Fact<String>, Option<Fact<String>>)>,
    pub(super) envs: Vec<(Fact<String>, Fact<String>, usize)>,
    pub(super) moves: Vec<FileMove>,
    pub(super) instructions: Vec<Written>,
    pub(super) same_line: Vec<SameLine>,
    pub(super) relative_workdirs: Vec<(Fact<String>, usize)>,
    pub(super) workdirs: Vec<(Fact<String>, usize)>,
    pub(super) undefined: Vec<UndefinedRead>,
    pub(super) almost_json: Vec<AlmostJson>,
    pub(super) warnings: Vec<BuilderWarning>,
    pub(super) checks: CheckOptions,
    /// What ONBUILD lines leave for the stages that are based on theirs, with their stage.
    pub(super) triggers: Vec<(usize, Trigger)>,
    /// Instructions that triggers ran.
    pub(super) triggered: usize,
    /// The instruction being read.
    pub(super) at: Origin,
    /// Names that the ENV line being read sets.
    pub(super) own_line: FxHashSet<String>,
    /// A limit was reached: the rest is not read.
    pub(super) full: bool,
}

/// One instruction with what belongs to it.
pub(super) struct Item<'l> {
    pub(super) line: &'l Line,
    pub(super) split: Split,
    pub(super) heredocs: Vec<Heredoc>,
    pub(super) origin: Origin,
}

/// The instruction of an ONBUILD.
#[derive(Clone)]
pub(super) struct Trigger {
    pub(super) line: Line,
    /// Where it starts in the line.
    pub(super) from: usize,
    pub(super) heredocs: Vec<Heredoc>,
    pub(super) origin: Origin,
}

pub(super) fn load(
    source: SourceId,
    text: &str,
    target: Option<&str>,
    limits: &Limits,
) -> (Option<Build>, Vec<Problem>) {
    let mut loader = Loader {
        source,
        text,
        limits,
        problems: Vec::new(),
        dropped: 0,
        escape: '\\',
        budget: limits.expanded_bytes,
        globals: PLATFORM_ARGS.iter().map(|name| ((*name).to_owned(), Variable::Unknown)).collect(),
        stages: Vec::new(),
        scopes: Vec::new(),
        names: FxHashMap::default(),
        go_builds: Vec::new(),
        copies: Vec::new(),
        runs: Vec::new(),
        args: Vec::new(),
        envs: Vec::new(),
        moves: Vec::new(),
        instructions: Vec::new(),
        same_line: Vec::new(),
        relative_workdirs: Vec::new(),
        workdirs: Vec::new(),
        undefined: Vec::new(),
        almost_json: Vec::new(),
        warnings: Vec::new(),
        checks: CheckOptions::default(),
        triggers: Vec::new(),
        triggered: 0,
        at: Origin::whole(source),
        own_line: FxHashSet::default(),
        full: false,
    };
    loader.read();
    loader.finish(target)
}

impl<'a> Loader<'a> {
    pub(super) fn problem(
        &mut self,
        kind: ProblemKind,
        span: Span,
        message: String,
        help: Option<String>,
    ) {
        if self.problems.len() >= self.limits.problems {
            self.dropped += 1;
            return;
        }
        let origin = Origin::text(self.source, span);
        self.problems.push(Problem { kind, origin, message, help });
    }

    /// What BuildKit refuses.
    pub(super) fn refused(&mut self, span: Span, message: impl Into<String>) {
        self.problem(ProblemKind::Refused, span, message.into(), None);
    }

    pub(super) fn limit(&mut self, span: Span, message: impl Into<String>) {
        self.problem(ProblemKind::Limit, span, message.into(), None);
    }

    pub(super) fn origin(&self, span: Span) -> Origin {
        Origin::text(self.source, span)
    }

    pub(super) fn read(&mut self) {
        let mut text = self.text;
        if text.len() > self.limits.file_bytes {
            let mut end = self.limits.file_bytes;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            self.limit(
                Span::new(end, end),
                format!(
                    "only the first {end} bytes of {} were read: the limit for a Dockerfile",
                    text.len()
                ),
            );
            text = text.get(..end).unwrap_or_default();
        }
        let mut reader = Reader::new(text, self.limits.line_bytes);
        let mut troubles = Vec::new();
        loop {
            let line = reader.logical(&mut troubles);
            self.escape = reader.escape;
            for trouble in troubles.drain(..) {
                match trouble {
                    Trouble::Directive(message, span) => self.refused(span, message),
                    Trouble::EmptyLine(span) => {
                        let message =
                            "an empty line inside an instruction, which a later release of \
                                       BuildKit refuses"
                                .to_owned();
                        let help = "take it out, or begin it with #";
                        self.warning("NoEmptyContinuation", span, message, help, None);
                    }
                    Trouble::LongLine(span) => self.limit(
                        span,
                        format!(
                            "a line longer than {} bytes was left out; BuildKit refuses it",
                            self.limits.line_bytes
                        ),
                    ),
                }
            }
            if let Some((value, span)) = reader.checks.take() {
                self.checks = CheckOptions::parse(value, &self.origin(span));
            }
            let Some(line) = line else { break };
            self.instruction(&line, &mut reader);
            if self.full {
                break;
            }
        }
    }

    pub(super) fn instruction(&mut self, line: &Line, reader: &mut Reader<'_>) {
        let split = grammar::split(line, 0);
        let keyword = line.get(&split.keyword).to_ascii_uppercase();
        let whole = line.trim(0..line.text.len());
        let origin = self.origin(line.span(&whole));
        let Some((name, known_flags)) =
            INSTRUCTIONS.iter().find(|(name, _)| *name == keyword).copied()
        else {
            let word: String = line.get(&split.keyword).chars().take(40).collect();
            let help = nearest_instruction(&keyword).map(|name| format!("did you mean {name}?"));
            let span = line.span(&split.keyword);
            self.problem(ProblemKind::Refused, span, format!("unknown instruction {word}"), help);
            return;
        };
        if self.instructions.len() >= self.limits.instructions {
            let most = self.limits.instructions;
            let message = format!("more than {most} instructions: the rest was not read");
            self.limit(line.span(&split.keyword), message);
            self.full = true;
            return;
        }
        let stage = if name == "FROM" { self.stages.len() + 1 } else { self.stages.len() };
        self.instructions.push(Written {
            name,
            keyword: self.origin(line.span(&split.keyword)),
            origin: origin.clone(),
            stage: stage.checked_sub(1),
        });
        // Bodies are read whatever the instruction's fate, or their lines would be instructions.
        let heredocs = self.heredocs(line, name, &split, reader);
        self.flags(line, name, known_flags, &split);
        self.dispatch(&Item { line, split, heredocs, origin }, name);
    }

    /// Does what an instruction says.
    pub(super) fn dispatch(&mut self, item: &Item<'_>, name: &'static str) {
        self.at = item.origin.clone();
        match name {
            "FROM" => self.from(item),
            "ARG" => self.arg(item),
            _ if self.stages.is_empty() => {
                let span = item.line.span(&item.split.keyword);
                self.refused(span, format!("{name} stands before the first FROM"));
            }
            "ENV" => self.env(item),
            "LABEL" => {
                for (_, value) in self.key_values(item, "LABEL") {
                    self.undefined_reads(item.line, &value);
                }
            }
            "COPY" | "ADD" => self.copy(item, name),
            "RUN" => self.run(item),
            "CMD" | "ENTRYPOINT" => self.command(item, name),
            "HEALTHCHECK" => self.healthcheck(item),
            "SHELL" => self.shell(item),
            "USER" | "STOPSIGNAL" | "WORKDIR" => self.one_word(item, name),
            "EXPOSE" => self.expose(item),
            "ONBUILD" => self.onbuild(item),
            // VOLUME and MAINTAINER set nothing that a rule reads.
            _ => {
                if item.split.rest.is_empty() {
                    self.no_arguments(item, name);
                } else if name == "VOLUME"
                    && grammar::maybe_json(item.line, &item.split.rest) == MaybeJson::No
                {
                    self.almost_json(item, &item.split.rest);
                }
            }
        }
    }

    pub(super) fn no_arguments(&mut self, item: &Item<'_>, name: &str) {
        // BuildKit runs `/bin/sh -c ""` then.
        let kind = match name {
            "CMD" | "ENTRYPOINT" | "RUN" => ProblemKind::Doubtful,
            _ => ProblemKind::Refused,
        };
        let span = item.line.span(&item.split.keyword);
        self.problem(kind, span, format!("{name} has no arguments"), None);
    }

    pub(super) fn heredocs(
        &mut self,
        line: &Line,
        name: &str,
        split: &Split,
        reader: &mut Reader<'_>,
    ) -> Vec<Heredoc> {
        let rest = if name == "ONBUILD" {
            let inner = grammar::split(line, split.rest.start);
            let keyword = line.get(&inner.keyword).to_ascii_uppercase();
            if !matches!(keyword.as_str(), "RUN" | "COPY" | "ADD") {
                return Vec::new();
            }
            inner.rest
        } else if matches!(name, "RUN" | "COPY" | "ADD") {
            split.rest.clone()
        } else {
            return Vec::new();
        };
        if !line.text.contains("<<")
            || matches!(grammar::maybe_json(line, &rest), MaybeJson::Array(_))
        {
            return Vec::new();
        }
        let mut bodies = Vec::new();
        for (name, chomp, word) in heredoc_names(&line.text) {
            match reader.heredoc(&name, chomp) {
                Some(body) => bodies.push(body),
                None => {
                    let message = format!("the here-document {} does not end", shorten(&name));
                    self.refused(line.span(&word), message);
                    break;
                }
            }
        }
        bodies
    }

    /// Notes a text that was meant as a JSON array and is none.
    pub(super) fn almost_json(&mut self, item: &Item<'_>, range: &Range<usize>) -> bool {
        let text = item.line.get(range);
        let keyword = item.line.get(&item.split.keyword).to_ascii_uppercase();
        let name = INSTRUCTIONS.iter().find(|(name, _)| *name == keyword).map(|(name, _)| *name);
        let Some((name, meant)) = name.zip(almost_json(text)) else { return false };
        // `RUN [ -x /a ]` is a test. What runs it is a list only with quotes or commas in it.
        if name == "RUN" && meant.fault == JsonFault::NoQuotes && !text.contains(',') {
            return false;
        }
        let Some(stage) = self.stages.len().checked_sub(1) else { return false };
        if self.almost_json.len() < self.limits.problems {
            let (text, meant, fault) =
                (self.text_fact(item.line, range), meant.json(), meant.fault);
            self.almost_json.push(AlmostJson { name, text, fault, meant, stage });
        }
        true
    }

    // Values.

    pub(super) fn text_fact(&self, line: &Line, range: &Range<usize>) -> Fact<String> {
        Fact::written(line.get(range).to_owned(), self.origin(line.span(range)))
    }

    /// Expands a word with the variables of the current stage, or the global ones before any.
    pub(super) fn expanded(
        &mut self,
        line: &Line,
        range: &Range<usize>,
        global: bool,
    ) -> Fact<String> {
        if !global {
            self.undefined_reads(line, range);
        }
        let word = line.get(range);
        let origin = self.origin(line.span(&unquoted(line, range)));
        let variables = if global {
            &self.globals
        } else {
            self.scopes.last().map_or(&self.globals, |s| &s.variables)
        };
        // Nothing but the file and a known base image can set a variable of a stage.
        let closed = !global && self.stages.last().is_some_and(|s| s.base_image.is_some());
        let lookup = |name: &str| {
            variables.get(name).unwrap_or(match name {
                // Set by every image or by the builder.
                "PATH" | "HOME" | "HOSTNAME" => &Variable::Unknown,
                _ if closed => &Variable::Absent,
                _ => &Variable::Unset,
            })
        };
        match expand(word, self.escape, EXPANDED_WORD.min(self.budget), &lookup) {
            Ok(value) => {
                if value.len() > word.len() {
                    self.budget = self.budget.saturating_sub(value.len());
                }
                let basis = if word.contains('$') && value != word {
                    Basis::Derived
                } else {
                    Basis::Written
                };
                Fact { value, origin, basis }
            }
            Err(failure) => {
                let span = line.span(range);
                if failure == Failure::Long {
                    self.limit(span, failure.message());
                } else {
                    self.refused(span, failure.message());
                }
                Fact::written(word.to_owned(), origin)
            }
        }
    }

    pub(super) fn finish(mut self, target: Option<&str>) -> (Option<Build>, Vec<Problem>) {
        let mut final_stage = self.stages.len().saturating_sub(1);
        if self.stages.is_empty() {
            let message = if self.text.trim().is_empty() {
                "the file is empty: a Dockerfile starts with FROM"
            } else {
                "no FROM: this is no Dockerfile that could be built"
            };
            // The reason outranks what else was found.
            let origin = Origin::whole(self.source);
            let kind = ProblemKind::Malformed;
            self.problems.insert(0, Problem { kind, origin, message: message.into(), help: None });
        } else if let Some(target) = target {
            match self.names.get(&target.to_ascii_lowercase()) {
                Some(index) => final_stage = *index,
                None => {
                    let mut names: Vec<&str> = self
                        .stages
                        .iter()
                        .filter_map(|s| s.name.as_ref().map(|n| n.value.as_str()))
                        .take(20)
                        .collect();
                    names.dedup();
                    let help = match names.is_empty() {
                        true => "no stage has a name".to_owned(),
                        false => format!("stages: {}", names.join(", ")),
                    };
                    self.problems.push(Problem {
                        kind: ProblemKind::Malformed,
                        origin: Origin::whole(self.source),
                        message: format!(
                            "there is no stage {}; the last one is judged",
                            shorten(target)
                        ),
                        help: Some(help),
                    });
                }
            }
        }
        if self.dropped > 0 {
            self.problems.push(Problem {
                kind: ProblemKind::Limit,
                origin: Origin::whole(self.source),
                message: format!("{} in this file", counted(self.dropped as u64, "more problem")),
                help: None,
            });
        }
        if self.stages.is_empty() {
            return (None, self.problems);
        }
        self.instruction_casing();
        for copy in &mut self.copies {
            let Some(from) = &copy.from else { continue };
            copy.from_stage = match from.parse::<usize>() {
                Ok(index) => Some(index).filter(|i| *i < self.stages.len()),
                Err(_) => self.names.get(&from.to_ascii_lowercase()).copied(),
            };
        }
        let build = Build {
            source: self.source,
            stages: self.stages,
            final_stage,
            go_builds: self.go_builds,
            copies: self.copies,
            runs: self.runs,
            args: self.args,
            envs: self.envs,
            moves: self.moves,
            instructions: self.instructions,
            same_line: self.same_line,
            relative_workdirs: self.relative_workdirs,
            workdirs: self.workdirs,
            undefined: self.undefined,
            almost_json: self.almost_json,
            warnings: self.warnings,
            checks: self.checks,
            context: None,
            named_contexts: false,
        };
        (Some(build), self.problems)
    }
}

impl Scope {
    /// Puts a variable in force, in place of an earlier one of that name.
    pub(super) fn force(&mut self, name: Fact<String>, value: Fact<String>) {
        self.bytes += 2 * (name.value.len() + value.value.len()) + 256;
        match self.index.get(name.value.as_str()).and_then(|i| self.in_force.get_mut(*i)) {
            Some(slot) => *slot = (name, value),
            None => {
                self.index.insert(name.value.clone(), self.in_force.len());
                self.in_force.push((name, value));
            }
        }
    }

    pub(super) fn set_env(
        &mut self,
        config: &mut StageConfig,
        name: Fact<String>,
        value: Fact<String>,
    ) {
        match self.env_index.get(name.value.as_str()).and_then(|i| config.env.get_mut(*i)) {
            Some(slot) => *slot = (name, value),
            None => {
                self.env_index.insert(name.value.clone(), config.env.len());
                config.env.push((name, value));
            }
        }
    }
}

/// The range inside the quotes of a word that is quoted as a whole.
pub(super) fn unquoted(line: &Line, range: &Range<usize>) -> Range<usize> {
    let text = line.get(range);
    for quote in ['"', '\''] {
        if text.len() >= 2
            && text.starts_with(quote)
            && text.ends_with(quote)
            && text.matches(quote).count() == 2
        {
            return range.start + 1..range.end - 1;
        }
    }
    range.clone()
}

pub(super) fn shorten(text: &str) -> String {
    if text.chars().nth(40).is_none() {
        return text.to_owned();
    }
    text.chars().take(40).chain("...".chars()).collect()
}

/// The instruction that is one or two slips of the keyboard away.
pub(super) fn nearest_instruction(word: &str) -> Option<&'static str> {
    if word.len() > 16 || word.len() < 3 {
        return None;
    }
    INSTRUCTIONS
        .iter()
        .map(|(name, _)| (distance(word.as_bytes(), name.as_bytes()), *name))
        .filter(|(d, name)| *d <= 2 && *d < name.len() - 1)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance of two short words.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
