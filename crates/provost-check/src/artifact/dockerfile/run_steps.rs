//! RUN: its script, the Go builds and the copies in it.

use std::ops::Range;

use super::expand::Variable;
use super::grammar::{self, MaybeJson};
use super::lines::{Line, heredoc_names};
use super::run;
use super::shell_text::Value;
use super::stages::{Item, Loader, Pair, unquoted};
use crate::facts::build::{CommandForm, Created, FileMove, GoBuild, RunStep};
use crate::facts::build_steps::{RunShell, ShellText};
use crate::facts::{Basis, Fact, Origin};
use crate::model::names::base_name;

impl Loader<'_> {
    pub(super) fn run(&mut self, item: &Item<'_>) {
        let line = item.line;
        if item.split.rest.is_empty() {
            self.no_arguments(item, "RUN");
            return;
        }
        let stage = self.stages.len() - 1;
        let flags: Vec<Fact<String>> =
            item.split.flags.iter().map(|flag| self.text_fact(line, flag)).collect();
        self.mounts(&flags);
        let Some(mut command) = self.form(item, &item.split.rest) else { return };
        // A here-document that is all there is, or a shell's input, is the script.
        let mut script = None;
        if let (CommandForm::Shell(text), Some(body)) = (&command, item.heredocs.first()) {
            let first = text.value.split_whitespace().next().unwrap_or_default();
            let interpreter = base_name(first);
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
        let (text, shell) = self.shell_text(item, &command, script.as_ref());
        let (understood, created) = match &command {
            CommandForm::Exec(words) => self.exec_effects(item, words, stage),
            CommandForm::Shell(_) => match &script {
                Some(script) => self.effects(script, 0..script.text.len(), stage),
                None => self.effects(line, item.split.rest.clone(), stage),
            },
        };
        // Here-documents that feed another program: what it does with them is unknown.
        let understood = understood && (item.heredocs.is_empty() || script.is_some());
        let created = created.filter(|_| understood && shell != RunShell::Other);
        if let Some(text) = &text {
            self.shell_reads(text, shell, &flags);
        }
        let heredoc = script.is_some();
        let errexit = self.errexit(&command, script.as_ref());
        let origin = item.origin.clone();
        self.runs.push(RunStep {
            origin,
            stage,
            command,
            flags,
            understood,
            created,
            text,
            shell,
            heredoc,
            errexit,
        });
    }

    /// Whether the shell of a RUN ends at the first command that fails.
    fn errexit(&self, command: &CommandForm, script: Option<&Line>) -> bool {
        let flag = |word: &str| {
            word == "errexit"
                || (word.starts_with('-') && !word.starts_with("--") && word.contains('e'))
        };
        let first = script.and_then(|script| script.text.lines().next()).unwrap_or_default();
        if first.starts_with("#!") {
            return first.split_whitespace().skip(1).any(flag);
        }
        let words = match command {
            CommandForm::Exec(words) => words,
            CommandForm::Shell(_) => {
                let shell = self.stages.last().and_then(|stage| stage.config.shell.as_ref());
                let Some(words) = shell else { return false };
                words
            }
        };
        words.iter().skip(1).take_while(|word| word.value.len() < 32).any(|word| flag(word))
    }

    /// What a shell reads of a RUN, and which family it is of.
    fn shell_text(
        &self,
        item: &Item<'_>,
        command: &CommandForm,
        script: Option<&Line>,
    ) -> (Option<ShellText>, RunShell) {
        match (command, script) {
            (CommandForm::Shell(_), Some(script)) => {
                // `#!/usr/bin/env python3` is run as it says.
                let first = script.text.lines().next().unwrap_or_default();
                let foreign = first.strip_prefix("#!").is_some_and(|interpreter| {
                    !interpreter.split_whitespace().any(|w| w.ends_with("sh"))
                });
                let all = line_body(script, 0..script.text.len());
                let shell = if foreign { RunShell::Other } else { self.run_shell() };
                let text = without_documents(script.get(&all));
                (Some(ShellText::new(self.source, text, script.pieces(&all))), shell)
            }
            (CommandForm::Shell(_), None) => {
                let range = item.split.rest.clone();
                let pieces = item.line.pieces(&range);
                let mut text = item.line.get(&range).to_owned();
                if !item.heredocs.is_empty() {
                    // The bodies are elsewhere: to the reader each is a file.
                    text = text.replace("<<-", "  <").replace("<<", " <");
                }
                (Some(ShellText::new(self.source, text, pieces)), self.run_shell())
            }
            (CommandForm::Exec(words), _) => {
                let shell = words.first().map_or("", |w| base_name(&w.value));
                let at = words.iter().position(|w| {
                    w.value.len() > 1 && w.value.starts_with('-') && w.value.ends_with('c')
                });
                let script = at.and_then(|at| words.get(at + 1));
                let posix =
                    RunShell::Posix { pipefail: words.iter().any(|w| w.value == "pipefail") };
                match script.and_then(|text| Some((text, text.origin.span()?))) {
                    Some((text, span))
                        if matches!(shell, "sh" | "bash" | "ash" | "dash")
                            && self.text.get(span.range()) == Some(text.value.as_str()) =>
                    {
                        let pieces = vec![(0, span.start as usize)];
                        (Some(ShellText::new(self.source, text.value.clone(), pieces)), posix)
                    }
                    _ => (None, posix),
                }
            }
        }
    }

    /// The shell of the current stage.
    fn run_shell(&self) -> RunShell {
        let windows = ["microsoft.com/windows", "nanoserver", "servercore"];
        let of_stage = self.scopes.last().and_then(|scope| scope.shell);
        of_stage.unwrap_or_else(|| {
            let base = self.stages.last().map_or("", |stage| stage.base.value.as_str());
            if self.escape != '\\' || windows.iter().any(|name| base.contains(name)) {
                RunShell::Other
            } else {
                RunShell::Posix { pipefail: false }
            }
        })
    }

    /// `RUN ["go", "build", ...]` as if the words were quoted in a shell text.
    pub(super) fn exec_effects(
        &mut self,
        item: &Item<'_>,
        words: &[Fact<String>],
        stage: usize,
    ) -> (bool, Option<Vec<Created>>) {
        if words.len() == 3
            && matches!(base_name(&words[0]), "sh" | "bash" | "ash")
            && words[1].value.starts_with('-')
            && words[1].value.ends_with('c')
            && let Some(span) = words[2].origin.span()
            && self.text.get(span.range()) == Some(words[2].value.as_str())
        {
            let script = Line::verbatim(&words[2].value, span.start as usize);
            return self.effects(&script, 0..words[2].value.len(), stage);
        }
        let MaybeJson::Array(words) = grammar::maybe_json(item.line, &item.split.rest) else {
            return (false, None);
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
            return (false, None);
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

    /// Keeps the builds and moves of a shell text. Whether it is understood, and what it may create.
    pub(super) fn effects(
        &mut self,
        line: &Line,
        range: Range<usize>,
        stage: usize,
    ) -> (bool, Option<Vec<Created>>) {
        let dir = self.workdir();
        let Some(scope) = self.scopes.last() else { return (false, None) };
        let lookup = |name: &str| match scope.variables.get(name) {
            Some(Variable::Known(value)) => Some(Some(value.clone())),
            Some(Variable::Unknown | Variable::Unset) => Some(None),
            Some(Variable::Absent) | None => None,
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
        (effects.understood, effects.created)
    }
}

/// A script without its here-documents, which are data: each is a file to the reader, and its lines
/// are blank. Every byte stays where it is.
fn without_documents(script: &str) -> String {
    if !script.contains("<<") {
        return script.to_owned();
    }
    let mut out = String::with_capacity(script.len());
    let mut open: std::collections::VecDeque<(String, bool)> = std::collections::VecDeque::new();
    for line in script.split_inclusive('\n') {
        let text = line.trim_end_matches(['\n', '\r']);
        if let Some((name, chomp)) = open.front() {
            let candidate = if *chomp { text.trim_start_matches('\t') } else { text };
            if candidate == name {
                open.pop_front();
            }
            out.extend(std::iter::repeat_n(' ', text.len()));
            out.push_str(line.get(text.len()..).unwrap_or_default());
            continue;
        }
        let names = heredoc_names(text);
        if names.is_empty() {
            out.push_str(line);
        } else {
            out.push_str(&line.replace("<<-", "  <").replace("<<", " <"));
            open.extend(names.into_iter().map(|(name, chomp, _)| (name, chomp)));
        }
    }
    out
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
/// A here-document's text without the last line end.
fn line_body(line: &Line, range: Range<usize>) -> Range<usize> {
    let text = line.get(&range);
    range.start..range.start + text.trim_end_matches(['\n', '\r']).len()
}
