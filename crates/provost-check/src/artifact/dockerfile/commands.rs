//! What is started and how: CMD, ENTRYPOINT, HEALTHCHECK and SHELL, in list or shell form.

use std::ops::Range;

use super::grammar::{self, MaybeJson};
use super::stages::{Item, Loader};
use crate::facts::Fact;
use crate::facts::build::{CommandForm, Instruction};
use crate::facts::build_steps::RunShell;
use crate::model::names::base_name;

impl Loader<'_> {
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
            MaybeJson::No => {
                self.almost_json(item, range);
                Some(CommandForm::Shell(self.text_fact(item.line, range)))
            }
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
