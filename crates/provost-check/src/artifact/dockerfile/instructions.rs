//! FROM, ARG and ENV: what a stage is based on and which variables it has.

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::base_images;
use super::expand::Variable;
use super::grammar;
use super::stages::{Item, Loader, Pair, Scope, shorten};
use crate::artifact::ProblemKind;
use crate::facts::build::{CommandForm, Instruction, Stage, StageConfig};
use crate::facts::build_steps::{PLATFORM_ARGS, SameLine};
use crate::facts::{Fact, Origin};

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
        if let ([_, as_, _], Some(name)) = (words.as_slice(), named) {
            self.casing_of_from(item, as_, name);
        }
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
            .map(|range| {
                self.target_platform(item.line, &range);
                self.expanded(item.line, &range, true)
            });
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
        if let Some(parent) = parent {
            self.run_triggers(parent);
        }
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
            if line.get(&value).starts_with('=') {
                let name = line.get(&(rest.start..end));
                let meant = line.get(&value).trim_start_matches('=').trim();
                let quoted = meant.contains(char::is_whitespace) && !meant.starts_with(['"', '\'']);
                let quote = if quoted { "\"" } else { "" };
                let message = format!(
                    "{keyword} {} takes {} for the value: no blanks belong around =",
                    shorten(name),
                    shorten(line.get(&value))
                );
                let help =
                    format!("write {keyword} {}={quote}{}{quote}", shorten(name), shorten(meant));
                self.problem(ProblemKind::Doubtful, line.span(rest), message, Some(help));
            }
            if !line.get(&value).starts_with('=') {
                self.legacy_pair(line, keyword, &(rest.start..end), value.end);
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
        // What reads itself extends what the base image has; what it reads of its own line is told.
        self.own_line = ranges.iter().map(|(name, _)| item.line.get(name).to_owned()).collect();
        let pairs: Vec<Pair> = ranges
            .into_iter()
            .map(|(name, value)| {
                let name = self.expanded(item.line, &name, false);
                (name, self.expanded(item.line, &value, false))
            })
            .collect();
        self.own_line.clear();
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
