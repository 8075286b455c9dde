//! What each instruction but RUN does to its stage.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::expand::Variable;
use super::grammar::{self, MaybeJson};
use super::stages::{
    INSTRUCTIONS, Item, Loader, PLATFORM_ARGS, Pair, Scope, nearest_instruction, shorten,
};
use super::{base_images, run};
use crate::artifact::ProblemKind;
use crate::facts::build::{CommandForm, CopyStep, Instruction, Stage, StageConfig};
use crate::facts::build_steps::{RunShell, SameLine};
use crate::facts::{Basis, Fact, Origin, Span};
use crate::model::names::base_name;

impl Loader<'_> {
    pub(super) fn from(&mut self, item: &Item<'_>) {
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
            self.full = true;
            return;
        }
        let named = match words.as_slice() {
            [_] => None,
            [_, as_, name] if item.line.get(as_).eq_ignore_ascii_case("as") => Some(name),
            _ => {
                let span = item.line.span(&item.split.rest);
                self.refused(span, "FROM takes an image, or an image, AS and a name");
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
            self.refused(
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

    pub(super) fn arg(&mut self, item: &Item<'_>) {
        let words = grammar::quoted_words(item.line, &item.split.rest, self.escape);
        if words.is_empty() {
            self.no_arguments(item, "ARG");
        }
        for word in words {
            let text = item.line.get(&word);
            let (name, value) = match text.find('=') {
                Some(0) => {
                    self.refused(item.line.span(&word), "ARG without a name");
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
    pub(super) fn key_values(
        &mut self,
        item: &Item<'_>,
        keyword: &str,
    ) -> Vec<(Range<usize>, Range<usize>)> {
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
                self.refused(line.span(rest), format!("{keyword} needs a name and a value"));
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
                Some(_) => self.refused(line.span(&word), format!("{keyword} without a name")),
                None => {
                    let message = format!("{} is no name=value", shorten(line.get(&word)));
                    self.refused(line.span(&word), message);
                }
            }
        }
        pairs
    }

    pub(super) fn env(&mut self, item: &Item<'_>) {
        // All values are expanded with the variables from before the line.
        let ranges = self.key_values(item, "ENV");
        self.reads_of_own_line(item, &ranges);
        let pairs: Vec<Pair> = ranges
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

    /// Values of an ENV line that read what the line itself sets and nothing set before.
    fn reads_of_own_line(&mut self, item: &Item<'_>, pairs: &[(Range<usize>, Range<usize>)]) {
        let line = item.line;
        // A single pair that reads itself extends what the base image has.
        if pairs.len() < 2 || !line.text.contains('$') {
            return;
        }
        let Some(scope) = self.scopes.last() else { return };
        let mut sets: FxHashMap<&str, &Range<usize>> = FxHashMap::default();
        let mut twice: FxHashSet<&str> = FxHashSet::default();
        for (name, _) in pairs {
            if sets.insert(line.get(name), name).is_some() {
                twice.insert(line.get(name));
            }
        }
        // Every image has these, and what reads itself extends what the base has.
        let inherited: FxHashSet<&str> = ["PATH", "HOME", "HOSTNAME"]
            .into_iter()
            .chain(pairs.iter().filter_map(|(name, value)| {
                let name = line.get(name);
                variables_in(line.get(value), self.escape).contains(&name).then_some(name)
            }))
            .collect();
        let stage = self.stages.len() - 1;
        let mut found = Vec::new();
        let mut seen: FxHashSet<&str> = FxHashSet::default();
        for (own, value) in pairs {
            for name in variables_in(line.get(value), self.escape) {
                let Some(set) = sets.get(name) else { continue };
                let before = scope.variables.contains_key(name) || inherited.contains(name);
                // Set twice, and the second extends what the first has not set yet.
                let lost = twice.contains(name) && seen.contains(name);
                if (**set != *own && !before) || lost {
                    found.push(SameLine {
                        name: name.to_owned(),
                        reads: self.origin(line.span(value)),
                        sets: self.origin(line.span(set)),
                        before,
                        stage,
                    });
                    break;
                }
            }
            seen.insert(line.get(own));
        }
        self.same_line.extend(found);
    }

    pub(super) fn copy(&mut self, item: &Item<'_>, name: &str) {
        let line = item.line;
        let words: Vec<Range<usize>> = match grammar::maybe_json(line, &item.split.rest) {
            MaybeJson::Array(words) => words.into_iter().map(|w| w.range).collect(),
            MaybeJson::NotStrings => {
                self.refused(line.span(&item.split.rest), "the JSON array holds more than strings");
                return;
            }
            MaybeJson::No => grammar::words(line, &item.split.rest),
        };
        let Some((destination, sources)) = words.split_last().filter(|(_, s)| !s.is_empty()) else {
            let span = line.span(&item.split.keyword);
            self.refused(span, format!("{name} needs a source and a destination"));
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
        self.copy_sources(name);
    }

    /// The working directory of the current stage: `/` when the base is known or nothing is set.
    pub(super) fn workdir(&self) -> Option<String> {
        let stage = self.stages.last()?;
        match &stage.config.workdir {
            Some(dir) => Some(dir.value.clone()),
            // An image outside the table may have any.
            None if stage.base_image.is_none() => None,
            None => Some("/".to_owned()),
        }
    }

    pub(super) fn form(&mut self, item: &Item<'_>, range: &Range<usize>) -> Option<CommandForm> {
        match grammar::maybe_json(item.line, range) {
            MaybeJson::Array(words) => Some(CommandForm::Exec(
                words
                    .into_iter()
                    .map(|w| Fact::written(w.text, self.origin(item.line.span(&w.range))))
                    .collect(),
            )),
            MaybeJson::NotStrings => {
                self.refused(item.line.span(range), "the JSON array holds more than strings");
                None
            }
            MaybeJson::No => Some(CommandForm::Shell(self.text_fact(item.line, range))),
        }
    }

    pub(super) fn command(&mut self, item: &Item<'_>, name: &str) {
        if item.split.rest.is_empty() {
            self.no_arguments(item, name);
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

    pub(super) fn healthcheck(&mut self, item: &Item<'_>) {
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
                    self.refused(line.span(&rest), "HEALTHCHECK NONE takes no arguments");
                }
                None
            }
            "CMD" if rest.is_empty() => {
                self.refused(line.span(kind), "HEALTHCHECK CMD has no command");
                return;
            }
            "CMD" => match self.form(item, &rest) {
                Some(form) => Some(form),
                None => return,
            },
            _ => {
                self.refused(line.span(kind), "HEALTHCHECK is followed by CMD or NONE");
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

    pub(super) fn shell(&mut self, item: &Item<'_>) {
        match self.form(item, &item.split.rest) {
            Some(CommandForm::Exec(words)) if !words.is_empty() => {
                if let (Some(stage), Some(scope)) = (self.stages.last_mut(), self.scopes.last_mut())
                {
                    scope.shell = Some(run_shell(&words));
                    stage.config.shell = Some(words);
                }
            }
            Some(_) => {
                let span = item.line.span(&item.split.keyword);
                self.refused(span, "SHELL takes a JSON array of at least one string");
            }
            None => {}
        }
    }

    pub(super) fn one_word(&mut self, item: &Item<'_>, name: &str) {
        if item.split.rest.is_empty() {
            self.no_arguments(item, name);
            return;
        }
        let mut value = self.expanded(item.line, &item.split.rest, false);
        if name == "STOPSIGNAL" {
            self.stop_signal(&value);
        }
        let dir = self.workdir();
        let index = self.stages.len() - 1;
        if name == "WORKDIR"
            && let Some(scope) = self.scopes.last_mut()
        {
            if !scope.workdir_set && is_relative(&value.value) {
                self.relative_workdirs.push((value.clone(), index));
            }
            scope.workdir_set = true;
        }
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

    pub(super) fn expose(&mut self, item: &Item<'_>) {
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
                    self.refused(item.line.span(&word), message);
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

    pub(super) fn onbuild(&mut self, item: &Item<'_>) {
        if item.split.rest.is_empty() {
            self.no_arguments(item, "ONBUILD");
            return;
        }
        let inner = grammar::split(item.line, item.split.rest.start);
        let keyword = item.line.get(&inner.keyword).to_ascii_uppercase();
        let span = item.line.span(&inner.keyword);
        if matches!(keyword.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
            self.refused(span, format!("ONBUILD does not take {keyword}"));
        } else if !INSTRUCTIONS.iter().any(|(name, _)| *name == keyword) {
            let help = nearest_instruction(&keyword).map(|name| format!("did you mean {name}?"));
            let message = format!("unknown instruction {}", shorten(item.line.get(&inner.keyword)));
            // Refused once an image is built on this one.
            self.problem(ProblemKind::Doubtful, span, message, help);
        }
        // What it triggers happens in builds on top of this image, not in this one.
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

/// A path that depends on the directory it is seen from.
fn is_relative(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':');
    !path.is_empty() && !path.starts_with(['/', '\\', '$', '%']) && !drive
}

/// The family of a SHELL.
fn run_shell(words: &[Fact<String>]) -> RunShell {
    let first = words.first().map_or("", |word| word.value.as_str());
    match base_name(first) {
        "sh" | "bash" | "ash" | "dash" | "zsh" | "ksh" | "busybox" => {
            RunShell::Posix { pipefail: words.iter().any(|word| word.value.contains("pipefail")) }
        }
        _ => RunShell::Other,
    }
}

/// Names behind `$` in a value as written, outside single quotes.
fn variables_in(value: &str, escape: char) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut single, mut double) = (false, false);
    let mut chars = value.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            c if c == escape && !single => {
                chars.next();
            }
            '$' if !single => {
                let rest = value.get(at + 1..).unwrap_or_default();
                let rest = rest.strip_prefix('{').unwrap_or(rest);
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                names.extend(rest.get(..end.unwrap_or(rest.len())).filter(|name| !name.is_empty()));
            }
            _ => {}
        }
    }
    names
}

fn valid_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
