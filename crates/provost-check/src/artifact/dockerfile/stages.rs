//! Instructions in order, as BuildKit's `frontend/dockerfile/dockerfile2llb/convert.go` (v0.26)
//! dispatches them: what each stage sets, inherits and copies.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::Limits;
use super::expand::{Failure, Variable, expand};
use super::grammar::{self, MaybeJson, Split};
use super::lines::{Heredoc, Line, Reader, Trouble, heredoc_names};
use super::run;
use super::{base_images, shell_text::Value};
use crate::artifact::{Problem, ProblemKind};
use crate::facts::build::{
    Build, CommandForm, CopyStep, FileMove, GoBuild, Instruction, RunStep, Stage, StageConfig,
};
use crate::facts::{Basis, Fact, Origin, SourceId, Span};

/// Longest text one word may expand to.
const EXPANDED_WORD: usize = 64 << 10;

/// Set by BuildKit for every build, to values that only the build knows
/// (`dockerfile2llb/platform.go`).
const PLATFORM_ARGS: &[&str] = &[
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// Instructions and the flags they take (`instructions/parse.go`, `commands_run*.go`).
const INSTRUCTIONS: &[(&str, &[&str])] = &[
    ("ADD", &["chown", "chmod", "link", "keep-git-dir", "checksum", "unpack", "exclude"]),
    ("ARG", &[]),
    ("CMD", &[]),
    ("COPY", &["chown", "from", "chmod", "link", "exclude", "parents"]),
    ("ENTRYPOINT", &[]),
    ("ENV", &[]),
    ("EXPOSE", &[]),
    ("FROM", &["platform"]),
    ("HEALTHCHECK", &["interval", "timeout", "start-period", "start-interval", "retries"]),
    ("LABEL", &[]),
    ("MAINTAINER", &[]),
    ("ONBUILD", &[]),
    ("RUN", &["mount", "network", "security", "device"]),
    ("SHELL", &[]),
    ("STOPSIGNAL", &[]),
    ("USER", &[]),
    ("VOLUME", &[]),
    ("WORKDIR", &[]),
];

type Variables = FxHashMap<String, Variable>;
type Pair = (Fact<String>, Fact<String>);

/// What is known of the stage being read beyond its facts.
#[derive(Clone, Default)]
struct Scope {
    /// ENV and ARG in force.
    variables: Variables,
    /// The same with their places, in order; later ones replace earlier ones in place.
    in_force: Vec<Pair>,
    index: FxHashMap<String, usize>,
    /// Where a name stands in [`StageConfig::env`].
    env_index: FxHashMap<String, usize>,
    /// CMD was written in this stage; else ENTRYPOINT clears what was inherited.
    cmd_written: bool,
    bytes: usize,
}

struct Loader<'a> {
    source: SourceId,
    text: &'a str,
    limits: &'a Limits,
    problems: Vec<Problem>,
    dropped: usize,
    escape: char,
    budget: usize,
    globals: Variables,
    stages: Vec<Stage>,
    scopes: Vec<Scope>,
    /// Lower-case stage names; a later stage of the same name replaces an earlier one.
    names: FxHashMap<String, usize>,
    go_builds: Vec<GoBuild>,
    copies: Vec<CopyStep>,
    runs: Vec<RunStep>,
    args: Vec<(Fact<String>, Option<Fact<String>>)>,
    envs: Vec<(Fact<String>, Fact<String>, usize)>,
    moves: Vec<FileMove>,
    too_many_stages: bool,
}

/// One instruction with what belongs to it.
struct Item<'l> {
    line: &'l Line,
    split: Split,
    heredocs: Vec<Heredoc>,
    origin: Origin,
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
        too_many_stages: false,
    };
    loader.read();
    loader.finish(target)
}

impl<'a> Loader<'a> {
    fn problem(&mut self, kind: ProblemKind, span: Span, message: String, help: Option<String>) {
        if self.problems.len() >= self.limits.problems {
            self.dropped += 1;
            return;
        }
        let origin = Origin::text(self.source, span);
        self.problems.push(Problem { kind, origin, message, help });
    }

    fn malformed(&mut self, span: Span, message: impl Into<String>) {
        self.problem(ProblemKind::Malformed, span, message.into(), None);
    }

    fn limit(&mut self, span: Span, message: impl Into<String>) {
        self.problem(ProblemKind::Limit, span, message.into(), None);
    }

    fn origin(&self, span: Span) -> Origin {
        Origin::text(self.source, span)
    }

    fn read(&mut self) {
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
                    Trouble::Directive(message, span) => self.malformed(span, message),
                    Trouble::LongLine(span) => self.limit(
                        span,
                        format!(
                            "a line longer than {} bytes was left out; BuildKit refuses it",
                            self.limits.line_bytes
                        ),
                    ),
                }
            }
            let Some(line) = line else { break };
            self.instruction(&line, &mut reader);
            if self.too_many_stages {
                break;
            }
        }
    }

    fn instruction(&mut self, line: &Line, reader: &mut Reader<'_>) {
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
            self.problem(ProblemKind::Malformed, span, format!("unknown instruction {word}"), help);
            return;
        };
        // Bodies are read whatever the instruction's fate, or their lines would be instructions.
        let heredocs = self.heredocs(line, name, &split, reader);
        for flag in &split.flags {
            let flag_name = line.get(flag).trim_start_matches('-').split('=').next().unwrap_or("");
            if !known_flags.contains(&flag_name) {
                let message = format!("{name} has no flag --{}", shorten(flag_name));
                self.malformed(line.span(flag), message);
            }
        }
        let item = Item { line, split, heredocs, origin };
        match name {
            "FROM" => self.from(&item),
            "ARG" => self.arg(&item),
            _ if self.stages.is_empty() => {
                let span = line.span(&item.split.keyword);
                self.malformed(span, format!("{name} stands before the first FROM"));
            }
            "ENV" => self.env(&item),
            "LABEL" => {
                self.key_values(&item, "LABEL");
            }
            "COPY" | "ADD" => self.copy(&item, name),
            "RUN" => self.run(&item),
            "CMD" | "ENTRYPOINT" => self.command(&item, name),
            "HEALTHCHECK" => self.healthcheck(&item),
            "SHELL" => self.shell(&item),
            "USER" | "STOPSIGNAL" | "WORKDIR" => self.one_word(&item, name),
            "EXPOSE" => self.expose(&item),
            "ONBUILD" => self.onbuild(&item),
            // VOLUME and MAINTAINER set nothing that a rule reads.
            _ => {
                if item.split.rest.is_empty() {
                    self.no_arguments(&item, name);
                }
            }
        }
    }

    fn no_arguments(&mut self, item: &Item<'_>, name: &str) {
        self.malformed(item.line.span(&item.split.keyword), format!("{name} has no arguments"));
    }

    fn heredocs(
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
                    self.malformed(line.span(&word), message);
                    break;
                }
            }
        }
        bodies
    }

    // Values.

    fn text_fact(&self, line: &Line, range: &Range<usize>) -> Fact<String> {
        Fact::written(line.get(range).to_owned(), self.origin(line.span(range)))
    }

    /// Expands a word with the variables of the current stage, or the global ones before any.
    fn expanded(&mut self, line: &Line, range: &Range<usize>, global: bool) -> Fact<String> {
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
                    self.malformed(span, failure.message());
                }
                Fact::written(word.to_owned(), origin)
            }
        }
    }

    // Instructions.

    fn from(&mut self, item: &Item<'_>) {
        let words = grammar::words(item.line, &item.split.rest);
        let Some(image) = words.first() else {
            self.no_arguments(item, "FROM");
            return;
        };
        if self.stages.len() >= self.limits.stages {
            let span = item.line.span(&item.split.keyword);
            self.limit(
                span,
                format!("more than {} stages: the rest was not read", self.limits.stages),
            );
            self.too_many_stages = true;
            return;
        }
        let named = match words.as_slice() {
            [_] => None,
            [_, as_, name] if item.line.get(as_).eq_ignore_ascii_case("as") => Some(name),
            _ => {
                let span = item.line.span(&item.split.rest);
                self.malformed(span, "FROM takes an image, or an image, AS and a name");
                words
                    .iter()
                    .position(|w| item.line.get(w).eq_ignore_ascii_case("as"))
                    .and_then(|i| words.get(i + 1))
            }
        };
        let name = named.map(|range| self.text_fact(item.line, range));
        if let Some(name) = &name
            && !valid_stage_name(name)
        {
            let span = name.origin.span().unwrap_or_default();
            self.malformed(
                span,
                format!(
                    "{} is no stage name: it starts with a letter and holds letters, digits, - _ .",
                    shorten(name)
                ),
            );
        }
        let base = self.expanded(item.line, image, true);
        let platform = item
            .split
            .flags
            .iter()
            .find(|flag| item.line.get(flag).starts_with("--platform="))
            .map(|flag| flag.start + "--platform=".len()..flag.end)
            .map(|range| self.expanded(item.line, &range, true));
        // BuildKit compares the base as it stands with lower-case names.
        let parent = self.names.get(base.value.as_str()).copied();
        let mut scope = Scope::default();
        let mut config = StageConfig::default();
        let base_image;
        let go_tag;
        if let Some(parent_stage) = parent.and_then(|i| self.stages.get(i)) {
            base_image = parent_stage.base_image;
            go_tag = parent_stage.go_tag.clone();
            let parent_scope = parent.and_then(|i| self.scopes.get(i));
            let cost = parent_scope.map_or(0, |s| s.bytes);
            if cost <= self.budget {
                self.budget -= cost;
                config = parent_stage.config.clone();
                scope = parent_scope.cloned().unwrap_or_default();
                scope.cmd_written = false;
            } else {
                self.limit(
                    item.line.span(image),
                    "inherited configuration is too large: this stage starts without it",
                );
            }
        } else {
            base_image = base_images::lookup(&base);
            go_tag = base_images::go_tag(&base).map(|tag| Fact::derived(tag, base.origin.clone()));
            if let Some(image) = base_image {
                inherit_base(image, &base.origin, &item.origin, &mut config, &mut scope);
            }
        }
        let index = self.stages.len();
        if let Some(name) = &name {
            self.names.insert(name.to_ascii_lowercase(), index);
        }
        self.stages.push(Stage {
            origin: item.origin.clone(),
            name,
            base,
            parent,
            platform,
            base_image,
            go_tag,
            config,
        });
        self.scopes.push(scope);
    }

    fn arg(&mut self, item: &Item<'_>) {
        let words = grammar::quoted_words(item.line, &item.split.rest, self.escape);
        if words.is_empty() {
            self.no_arguments(item, "ARG");
        }
        for word in words {
            let text = item.line.get(&word);
            let (name, value) = match text.find('=') {
                Some(0) => {
                    self.malformed(item.line.span(&word), "ARG without a name");
                    continue;
                }
                Some(i) => (word.start..word.start + i, Some(word.start + i + 1..word.end)),
                None => (word.clone(), None),
            };
            let global = self.stages.is_empty();
            let name = self.expanded(item.line, &name, global);
            let value = value.map(|range| self.expanded(item.line, &range, global));
            let variable = match &value {
                Some(value) => Variable::Known(value.value.clone()),
                // An ARG in a stage takes the value of the one before the first FROM.
                None => self.globals.get(name.value.as_str()).cloned().unwrap_or(Variable::Unset),
            };
            if global {
                // The builder's own arguments win over a default (`buildMetaArgs`).
                if !(PLATFORM_ARGS.contains(&name.value.as_str()) && value.is_none()) {
                    self.globals.insert(name.value.clone(), variable);
                }
            } else if let Some(scope) = self.scopes.last_mut() {
                if let Variable::Known(text) = &variable {
                    let fact = value
                        .clone()
                        .unwrap_or_else(|| Fact::derived(text.clone(), name.origin.clone()));
                    scope.force(name.clone(), fact);
                }
                scope.variables.insert(name.value.clone(), variable);
            }
            self.args.push((name, value));
        }
    }

    /// `name=value ...` or the old `name value`, as ranges.
    fn key_values(&mut self, item: &Item<'_>, keyword: &str) -> Vec<(Range<usize>, Range<usize>)> {
        let (line, rest) = (item.line, &item.split.rest);
        let words = grammar::quoted_words(line, rest, self.escape);
        let Some(first) = words.first() else {
            self.no_arguments(item, keyword);
            return Vec::new();
        };
        if !line.get(first).contains('=') {
            let end = grammar::words(line, rest).first().map_or(rest.end, |w| w.end);
            let value = line.trim(end..rest.end);
            if value.is_empty() {
                self.malformed(line.span(rest), format!("{keyword} needs a name and a value"));
                return Vec::new();
            }
            return vec![(rest.start..end, value)];
        }
        let mut pairs = Vec::with_capacity(words.len());
        for word in words {
            match line.get(&word).find('=') {
                Some(i) if i > 0 => {
                    pairs.push((word.start..word.start + i, word.start + i + 1..word.end));
                }
                Some(_) => self.malformed(line.span(&word), format!("{keyword} without a name")),
                None => {
                    let message = format!("{} is no name=value", shorten(line.get(&word)));
                    self.malformed(line.span(&word), message);
                }
            }
        }
        pairs
    }

    fn env(&mut self, item: &Item<'_>) {
        // All values are expanded with the variables from before the line.
        let pairs: Vec<Pair> = self
            .key_values(item, "ENV")
            .into_iter()
            .map(|(name, value)| {
                let name = self.expanded(item.line, &name, false);
                (name, self.expanded(item.line, &value, false))
            })
            .collect();
        let index = self.stages.len() - 1;
        for (name, value) in pairs {
            let (Some(scope), Some(stage)) = (self.scopes.last_mut(), self.stages.last_mut())
            else {
                return;
            };
            scope.variables.insert(name.value.clone(), Variable::Known(value.value.clone()));
            scope.force(name.clone(), value.clone());
            scope.set_env(&mut stage.config, name.clone(), value.clone());
            self.envs.push((name, value, index));
        }
    }

    fn copy(&mut self, item: &Item<'_>, name: &str) {
        let line = item.line;
        let words: Vec<Range<usize>> = match grammar::maybe_json(line, &item.split.rest) {
            MaybeJson::Array(words) => words.into_iter().map(|w| w.range).collect(),
            MaybeJson::NotStrings => {
                self.malformed(
                    line.span(&item.split.rest),
                    "the JSON array holds more than strings",
                );
                return;
            }
            MaybeJson::No => grammar::words(line, &item.split.rest),
        };
        let Some((destination, sources)) = words.split_last().filter(|(_, s)| !s.is_empty()) else {
            let span = line.span(&item.split.keyword);
            self.malformed(span, format!("{name} needs a source and a destination"));
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
        });
    }

    /// The working directory of the current stage: `/` when the base is known or nothing is set.
    fn workdir(&self) -> Option<String> {
        let stage = self.stages.last()?;
        match &stage.config.workdir {
            Some(dir) => Some(dir.value.clone()),
            // An image outside the table may have any.
            None if stage.base_image.is_none() => None,
            None => Some("/".to_owned()),
        }
    }

    fn form(&mut self, item: &Item<'_>, range: &Range<usize>) -> Option<CommandForm> {
        match grammar::maybe_json(item.line, range) {
            MaybeJson::Array(words) => Some(CommandForm::Exec(
                words
                    .into_iter()
                    .map(|w| Fact::written(w.text, self.origin(item.line.span(&w.range))))
                    .collect(),
            )),
            MaybeJson::NotStrings => {
                self.malformed(item.line.span(range), "the JSON array holds more than strings");
                None
            }
            MaybeJson::No => Some(CommandForm::Shell(self.text_fact(item.line, range))),
        }
    }

    fn command(&mut self, item: &Item<'_>, name: &str) {
        if item.split.rest.is_empty() {
            self.no_arguments(item, name);
            return;
        }
        let Some(form) = self.form(item, &item.split.rest) else { return };
        // `[]` takes back what was inherited.
        let empty = matches!(&form, CommandForm::Exec(words) if words.is_empty());
        let value = (!empty).then(|| Instruction {
            origin: item.origin.clone(),
            value: form,
            inherited: false,
        });
        let (Some(scope), Some(stage)) = (self.scopes.last_mut(), self.stages.last_mut()) else {
            return;
        };
        if name == "CMD" {
            scope.cmd_written = true;
            stage.config.cmd = value;
        } else {
            stage.config.entrypoint = value;
            // dispatchEntrypoint: a CMD that this stage did not write itself goes.
            if !scope.cmd_written {
                stage.config.cmd = None;
            }
        }
    }

    fn healthcheck(&mut self, item: &Item<'_>) {
        let line = item.line;
        let words = grammar::words(line, &item.split.rest);
        let Some(kind) = words.first() else {
            self.no_arguments(item, "HEALTHCHECK");
            return;
        };
        let rest = line.trim(kind.end..item.split.rest.end);
        let value = match line.get(kind).to_ascii_uppercase().as_str() {
            "NONE" => {
                if !rest.is_empty() {
                    self.malformed(line.span(&rest), "HEALTHCHECK NONE takes no arguments");
                }
                None
            }
            "CMD" if rest.is_empty() => {
                self.malformed(line.span(kind), "HEALTHCHECK CMD has no command");
                return;
            }
            "CMD" => match self.form(item, &rest) {
                Some(form) => Some(form),
                None => return,
            },
            _ => {
                self.malformed(line.span(kind), "HEALTHCHECK is followed by CMD or NONE");
                return;
            }
        };
        let flags = item.split.flags.iter().map(|flag| self.text_fact(line, flag)).collect();
        if let Some(stage) = self.stages.last_mut() {
            stage.config.healthcheck_flags = flags;
            stage.config.healthcheck =
                Some(Instruction { origin: item.origin.clone(), value, inherited: false });
        }
    }

    fn shell(&mut self, item: &Item<'_>) {
        match self.form(item, &item.split.rest) {
            Some(CommandForm::Exec(words)) if !words.is_empty() => {
                if let Some(stage) = self.stages.last_mut() {
                    stage.config.shell = Some(words);
                }
            }
            Some(_) => {
                let span = item.line.span(&item.split.keyword);
                self.malformed(span, "SHELL takes a JSON array of at least one string");
            }
            None => {}
        }
    }

    fn one_word(&mut self, item: &Item<'_>, name: &str) {
        if item.split.rest.is_empty() {
            self.no_arguments(item, name);
            return;
        }
        let mut value = self.expanded(item.line, &item.split.rest, false);
        let dir = self.workdir();
        let Some(stage) = self.stages.last_mut() else { return };
        match name {
            "USER" => {
                stage.config.user =
                    Some(Instruction { origin: item.origin.clone(), value, inherited: false });
            }
            "STOPSIGNAL" => stage.config.stop_signal = Some(value),
            _ => {
                if let Some(path) = run::join(Some(dir.as_deref().unwrap_or("/")), &value.value) {
                    if path != value.value {
                        value.basis = Basis::Derived;
                    }
                    value.value = path;
                }
                stage.config.workdir = Some(value);
            }
        }
    }

    fn expose(&mut self, item: &Item<'_>) {
        let words = grammar::words(item.line, &item.split.rest);
        if words.is_empty() {
            self.no_arguments(item, "EXPOSE");
        }
        for word in words {
            let value = self.expanded(item.line, &word, false);
            for spec in value.value.split_whitespace().take(4096) {
                if spec.contains('$') {
                    continue;
                }
                let Some((ports, protocol)) = ports(spec) else {
                    let message =
                        format!("{} is no port, range of ports or port/protocol", shorten(spec));
                    self.malformed(item.line.span(&word), message);
                    continue;
                };
                // A range is as many facts as it has ports, from six bytes of text.
                let cost = ports.clone().count().saturating_mul(64);
                if cost > self.budget {
                    self.limit(
                        item.line.span(&word),
                        "too many exposed ports: these were left out",
                    );
                    continue;
                }
                self.budget -= cost;
                if let (Some(stage), Some(scope)) = (self.stages.last_mut(), self.scopes.last_mut())
                {
                    scope.bytes = scope.bytes.saturating_add(cost);
                    stage.config.exposed.extend(ports.map(|port| Fact {
                        value: (port, protocol.clone()),
                        origin: value.origin.clone(),
                        basis: value.basis,
                    }));
                }
            }
        }
    }

    fn onbuild(&mut self, item: &Item<'_>) {
        if item.split.rest.is_empty() {
            self.no_arguments(item, "ONBUILD");
            return;
        }
        let inner = grammar::split(item.line, item.split.rest.start);
        let keyword = item.line.get(&inner.keyword).to_ascii_uppercase();
        let span = item.line.span(&inner.keyword);
        if matches!(keyword.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
            self.malformed(span, format!("ONBUILD does not take {keyword}"));
        } else if !INSTRUCTIONS.iter().any(|(name, _)| *name == keyword) {
            let help = nearest_instruction(&keyword).map(|name| format!("did you mean {name}?"));
            let message = format!("unknown instruction {}", shorten(item.line.get(&inner.keyword)));
            self.problem(ProblemKind::Malformed, span, message, help);
        }
        // What it triggers happens in builds on top of this image, not in this one.
    }

    fn run(&mut self, item: &Item<'_>) {
        let line = item.line;
        if item.split.rest.is_empty() {
            self.no_arguments(item, "RUN");
            return;
        }
        let stage = self.stages.len() - 1;
        let flags = item.split.flags.iter().map(|flag| self.text_fact(line, flag)).collect();
        let Some(mut command) = self.form(item, &item.split.rest) else { return };
        // A here-document that is all there is, or a shell's input, is the script.
        let mut script = None;
        if let (CommandForm::Shell(text), Some(body)) = (&command, item.heredocs.first()) {
            let first = text.value.split_whitespace().next().unwrap_or_default();
            let interpreter = run::base_name(first);
            if first.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with("<<")
                || matches!(interpreter, "sh" | "bash" | "ash" | "dash")
            {
                let text = self.text.get(body.body.clone()).unwrap_or_default();
                script = Some(Line::verbatim(text, body.body.start));
            }
        }
        if let Some(script) = &script {
            let all = 0..script.text.len();
            command = CommandForm::Shell(self.text_fact(script, &line_body(script, all)));
        }
        let understood = match &command {
            CommandForm::Exec(words) => self.exec_effects(item, words, stage),
            CommandForm::Shell(_) => match &script {
                Some(script) => self.effects(script, 0..script.text.len(), stage),
                None => self.effects(line, item.split.rest.clone(), stage),
            },
        };
        // Here-documents that feed another program: what it does with them is unknown.
        let understood = understood && (item.heredocs.is_empty() || script.is_some());
        self.runs.push(RunStep { origin: item.origin.clone(), stage, command, flags, understood });
    }

    /// `RUN ["go", "build", ...]` as if the words were quoted in a shell text.
    fn exec_effects(&mut self, item: &Item<'_>, words: &[Fact<String>], stage: usize) -> bool {
        if words.len() == 3
            && matches!(run::base_name(&words[0]), "sh" | "bash" | "ash")
            && words[1].value.starts_with('-')
            && words[1].value.ends_with('c')
            && let Some(span) = words[2].origin.span()
            && self.text.get(span.range()) == Some(words[2].value.as_str())
        {
            let script = Line::verbatim(&words[2].value, span.start as usize);
            return self.effects(&script, 0..words[2].value.len(), stage);
        }
        let MaybeJson::Array(words) = grammar::maybe_json(item.line, &item.split.rest) else {
            return false;
        };
        // Words without anything special read the same in a shell.
        let plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| {
                    b.is_ascii_alphanumeric()
                        || matches!(b, b'-' | b'_' | b'/' | b'.' | b'=' | b',' | b'@' | b':' | b'+')
                })
        };
        if !words.iter().all(|w| plain(&w.text) && item.line.get(&w.range) == w.text) {
            return false;
        }
        // Blanks where the array had quotes and commas keep every word at its place.
        let mut blanked = item.line.clone();
        let mut text = String::with_capacity(blanked.text.len());
        let mut at = 0;
        for word in &words {
            text.extend(std::iter::repeat_n(' ', word.range.start - at));
            text.push_str(&word.text);
            at = word.range.end;
        }
        blanked.text = text;
        let end = blanked.text.len();
        self.effects(&blanked, 0..end, stage)
    }

    fn effects(&mut self, line: &Line, range: Range<usize>, stage: usize) -> bool {
        let dir = self.workdir();
        let Some(scope) = self.scopes.last() else { return false };
        let lookup = |name: &str| match scope.variables.get(name) {
            Some(Variable::Known(value)) => Some(value.clone()),
            _ => None,
        };
        let text = line.get(&range);
        let mut left = run::Left {
            builds: self.limits.go_builds.saturating_sub(self.go_builds.len()),
            bytes: self.budget,
        };
        let effects = run::read(text, dir.as_deref(), &lookup, &mut left);
        self.budget = left.bytes;
        let shift = |r: &Range<usize>| range.start + r.start..range.start + r.end;
        let base = scope.in_force.clone_within(&mut self.budget, scope.bytes, effects.builds.len());
        let fact = |word: &run::Word, value: &Value| Fact {
            value: value.text.clone(),
            origin: Origin::text(self.source, line.span(&unquoted(line, &shift(&word.range)))),
            basis: if value.resolved { Basis::Written } else { Basis::Derived },
        };
        let mut built = Vec::new();
        for command in effects.builds {
            let mut env = base.clone().unwrap_or_default();
            env.extend(
                command
                    .env
                    .iter()
                    .map(|(name, value)| (fact(name, &name.value), fact(value, &value.value))),
            );
            let names: Vec<&str> = command.packages.iter().map(|w| w.value.text.as_str()).collect();
            let name = run::binary_name(&names);
            let origin = Origin::text(self.source, line.span(&shift(&command.range)));
            let place = match (&command.output, command.packages.first()) {
                (Some((_, at)), _) => {
                    Origin::text(self.source, line.span(&unquoted(line, &shift(at))))
                }
                (None, Some(package)) => {
                    Origin::text(self.source, line.span(&shift(&package.range)))
                }
                (None, None) => origin.clone(),
            };
            let variable = |name: &str| {
                env.iter().rev().find(|(n, _)| n.value == name).map(|(_, v)| v.value.clone())
            };
            let written = command.output.is_some();
            let target = if command.verb.value.text == "install" {
                let bin = variable("GOBIN").filter(|d| !d.is_empty()).or_else(|| {
                    let path = variable("GOPATH")?;
                    Some(format!("{}/bin", path.split(':').next().unwrap_or(&path)))
                });
                bin.map(|dir| format!("{}/", dir.trim_end_matches('/')))
            } else {
                match command.output {
                    Some((path, _)) => Some(path),
                    None => {
                        command.dir.as_ref().map(|dir| format!("{}/", dir.trim_end_matches('/')))
                    }
                }
            };
            let make = |value: String| Fact {
                value,
                origin: place.clone(),
                basis: if written { Basis::Written } else { Basis::Derived },
            };
            let (output, output_dir) = match target {
                Some(dir) if dir.ends_with('/') => match name {
                    Some(name) => (Some(make(format!("{dir}{name}"))), None),
                    None => (None, Some(make(dir))),
                },
                Some(path) => (Some(make(path)), None),
                None => (None, None),
            };
            built.push(GoBuild {
                origin,
                stage,
                verb: command.verb.value.text.clone(),
                flags: command.flags.iter().map(|w| fact(w, &w.value)).collect(),
                packages: command.packages.iter().map(|w| fact(w, &w.value)).collect(),
                output,
                output_dir,
                dir: command.dir,
                env,
            });
        }
        for moved in effects.moves {
            self.moves.push(FileMove {
                origin: Origin::text(self.source, line.span(&shift(&moved.range))),
                stage,
                from: moved.from,
                to: moved.to,
            });
        }
        self.go_builds.extend(built);
        if effects.left_out {
            let span = line.span(&(range.start..(range.start + 1).min(range.end)));
            self.limit(span, "too many builds or copies in RUN lines: some were left out");
        }
        effects.understood
    }

    fn finish(mut self, target: Option<&str>) -> (Option<Build>, Vec<Problem>) {
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
                message: format!("{} more problems in this file", self.dropped),
                help: None,
            });
        }
        if self.stages.is_empty() {
            return (None, self.problems);
        }
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
        };
        (Some(build), self.problems)
    }
}

impl Scope {
    /// Puts a variable in force, in place of an earlier one of that name.
    fn force(&mut self, name: Fact<String>, value: Fact<String>) {
        self.bytes += 2 * (name.value.len() + value.value.len()) + 256;
        match self.index.get(name.value.as_str()).and_then(|i| self.in_force.get_mut(*i)) {
            Some(slot) => *slot = (name, value),
            None => {
                self.index.insert(name.value.clone(), self.in_force.len());
                self.in_force.push((name, value));
            }
        }
    }

    fn set_env(&mut self, config: &mut StageConfig, name: Fact<String>, value: Fact<String>) {
        match self.env_index.get(name.value.as_str()).and_then(|i| config.env.get_mut(*i)) {
            Some(slot) => *slot = (name, value),
            None => {
                self.env_index.insert(name.value.clone(), config.env.len());
                config.env.push((name, value));
            }
        }
    }
}

/// Copies made once per build command, as far as the budget allows.
trait CloneWithin {
    fn clone_within(&self, budget: &mut usize, bytes: usize, times: usize) -> Option<Vec<Pair>>;
}

impl CloneWithin for Vec<Pair> {
    fn clone_within(&self, budget: &mut usize, bytes: usize, times: usize) -> Option<Vec<Pair>> {
        let cost = bytes.saturating_mul(times);
        if cost > *budget {
            return None;
        }
        *budget -= cost;
        Some(self.clone())
    }
}

/// What a known base image's configuration sets.
fn inherit_base(
    image: &'static crate::facts::build::BaseImage,
    base: &Origin,
    from: &Origin,
    config: &mut StageConfig,
    scope: &mut Scope,
) {
    let fact = |text: &str| Fact::defaulted(text.to_owned(), base.clone());
    for (name, value) in image.env {
        scope.variables.insert((*name).to_owned(), Variable::Known((*value).to_owned()));
        scope.force(fact(name), fact(value));
        scope.set_env(config, fact(name), fact(value));
    }
    config.workdir = image.workdir.map(fact);
    config.user = image.user.map(|user| Instruction {
        origin: from.clone(),
        value: fact(user),
        inherited: true,
    });
    let command = |words: &[&str]| {
        (!words.is_empty()).then(|| Instruction {
            origin: from.clone(),
            value: CommandForm::Exec(words.iter().map(|w| fact(w)).collect()),
            inherited: true,
        })
    };
    config.entrypoint = command(image.entrypoint);
    config.cmd = command(image.cmd);
}

/// The range inside the quotes of a word that is quoted as a whole.
fn unquoted(line: &Line, range: &Range<usize>) -> Range<usize> {
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

/// A here-document's text without the last line end.
fn line_body(line: &Line, range: Range<usize>) -> Range<usize> {
    let text = line.get(&range);
    range.start..range.start + text.trim_end_matches(['\n', '\r']).len()
}

/// `[ip:][host:]port[-port][/protocol]` (`dockerfile2llb/convert_expose.go`).
fn ports(spec: &str) -> Option<(std::ops::RangeInclusive<u16>, String)> {
    let spec = spec.rsplit(':').next()?;
    let (ports, protocol) = spec.split_once('/').unwrap_or((spec, ""));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" | "tcp" => "tcp",
        "udp" => "udp",
        "sctp" => "sctp",
        _ => return None,
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    (first <= last).then(|| (first..=last, protocol.to_owned()))
}

fn valid_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn shorten(text: &str) -> String {
    if text.chars().nth(40).is_none() {
        return text.to_owned();
    }
    text.chars().take(40).chain("...".chars()).collect()
}

/// The instruction that is one or two slips of the keyboard away.
fn nearest_instruction(word: &str) -> Option<&'static str> {
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
