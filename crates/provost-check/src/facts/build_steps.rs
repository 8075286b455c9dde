//! A Dockerfile instruction by instruction, and the commands that its RUN lines run.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::build::{Build, CommandForm, RunStep, Stage};
use super::origin::{Basis, Fact, Origin, SourceId, Span};
use crate::model::names::base_name;
use crate::model::shell::{Command, Joined, Script};

/// Set by BuildKit for every build, to values that only the build knows; in force where an ARG names
/// them (`dockerfile2llb/platform.go`).
pub const PLATFORM_ARGS: &[&str] = &[
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

/// An instruction as it stands in the file.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its name in capitals: `RUN`.
    pub name: &'static str,
    /// The name as written.
    pub keyword: Origin,
    /// All of it.
    pub origin: Origin,
    /// The stage it belongs to, FROM itself included; `None` before the first.
    pub stage: Option<usize>,
}

/// A value of an ENV line that reads a variable which the same line sets. All values of a line are
/// expanded with what was in force before it.
#[derive(Clone, Debug)]
pub struct SameLine {
    /// The variable.
    pub name: String,
    /// The value that reads it.
    pub reads: Origin,
    /// The name where the line sets it.
    pub sets: Origin,
    /// Something may have set it before the line.
    pub before: bool,
    /// The stage.
    pub stage: usize,
}

/// A variable that is read where nothing of the file has set it: no ENV and no ARG above, no command
/// of the same RUN.
#[derive(Clone, Debug)]
pub struct UndefinedRead {
    /// The variable's name, where it is read.
    pub name: Fact<String>,
    /// The instruction that reads it.
    pub instruction: Origin,
    /// Its stage.
    pub stage: usize,
    /// Read by the shell of a RUN rather than by the builder.
    pub by_shell: bool,
}

/// Text that was meant as a JSON array, and is shell form or a list of words because it is none.
#[derive(Clone, Debug)]
pub struct AlmostJson {
    /// The instruction's name in capitals.
    pub name: &'static str,
    /// The text.
    pub text: Fact<String>,
    /// Why it is none.
    pub fault: JsonFault,
    /// The array that was meant.
    pub meant: String,
    /// The stage.
    pub stage: usize,
}

/// What keeps a text from being a JSON array of strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// `['/app']`
    SingleQuotes,
    /// Quotes as typesetters write them.
    CurlyQuotes,
    /// `[/app]`
    NoQuotes,
    /// `["/app" "-v"]`
    MissingComma,
    /// `["/app",]`
    TrailingComma,
    /// `["/app"] # a comment`
    TextBehind,
    /// `["C:\\app"]` with a single backslash.
    Escape,
}

/// What runs the shell form of a RUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunShell {
    /// A shell of the POSIX family.
    Posix {
        /// Started with `-o pipefail`.
        pipefail: bool,
    },
    /// `cmd`, PowerShell or a program that is no shell.
    Other,
}

/// The text a shell runs, with the place of every byte: continuations are joined, comments between
/// them dropped.
#[derive(Clone, Debug)]
pub struct ShellText {
    text: String,
    source: SourceId,
    pieces: Vec<(usize, usize)>,
}

/// A simple command of a RUN.
#[derive(Clone, Debug)]
pub struct RunCommand {
    /// `NAME=value` before the program.
    pub env: Vec<(Fact<String>, Fact<String>)>,
    /// The program and its arguments: quotes removed, nothing expanded. A word with an expansion in
    /// it is derived.
    pub words: Vec<Fact<String>>,
    /// How it follows the command before.
    pub joined: Joined,
    /// Whether its output is piped into the next one.
    pub piped: bool,
}

/// Where a list of commands stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// In the text itself.
    Text,
    /// In a substitution that is the value of a plain assignment, whose status is that of the list.
    Assignment,
    /// In another substitution: its status is lost.
    Argument,
}

/// Commands one after the other.
#[derive(Clone, Debug)]
pub struct CommandList {
    /// Where.
    pub within: Within,
    /// The commands.
    pub commands: Vec<RunCommand>,
}

/// A RUN whose text is beyond the reader: too long, or with a quote that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread;

/// Substitutions inside substitutions that are read.
const DEPTH: usize = 4;

/// Programs that run the command behind their own flags.
const BEFORE: &[&str] =
    &["sudo", "env", "exec", "command", "nice", "nohup", "time", "xargs", "eatmydata"];

/// Their flags whose value is the next word.
const WITH_VALUE: &[&str] = &["-u", "-g", "-n", "-I", "-P", "-L", "-d"];

impl ShellText {
    /// `pieces`: where in `text` a piece of the file starts, and where it starts in the file;
    /// ascending.
    pub fn new(source: SourceId, text: String, pieces: Vec<(usize, usize)>) -> Self {
        Self { text, source, pieces }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn offset(&self, index: usize) -> usize {
        let next = self.pieces.partition_point(|(start, _)| *start <= index);
        match next.checked_sub(1).and_then(|i| self.pieces.get(i)) {
            Some((start, at)) => at + (index - start),
            None => self.pieces.first().map_or(0, |(_, at)| *at),
        }
    }

    /// The bytes of the file from the first to the last byte of a range of the text.
    pub fn origin(&self, range: &Range<usize>) -> Origin {
        let start = self.offset(range.start);
        let end = if range.end <= range.start { start } else { self.offset(range.end - 1) + 1 };
        Origin::text(self.source, Span::new(start, end))
    }

    /// Its commands, those of substitutions after those of the text around them.
    ///
    /// # Errors
    /// The text, or a substitution in it, cannot be read.
    pub fn lists(&self) -> Result<Vec<CommandList>, Unread> {
        let mut lists = Vec::new();
        self.read(0..self.text.len(), Within::Text, 0, &mut lists)?;
        Ok(lists)
    }

    fn read(
        &self,
        range: Range<usize>,
        within: Within,
        depth: usize,
        lists: &mut Vec<CommandList>,
    ) -> Result<(), Unread> {
        let text = self.text.get(range.clone()).unwrap_or_default();
        let script = Script::parse(text);
        if script.unread {
            return Err(Unread);
        }
        let commands = script.commands.iter().map(|c| self.command(c, range.start)).collect();
        lists.push(CommandList { within, commands });
        if depth == DEPTH {
            return Ok(());
        }
        for command in &script.commands {
            let plain = command.assignments().len() == command.words.len();
            let within = if plain { Within::Assignment } else { Within::Argument };
            for word in command.words.iter().filter(|word| !word.literal) {
                let raw = text.get(word.span.clone()).unwrap_or_default();
                let at = range.start + word.span.start;
                for inner in substitutions(raw) {
                    self.read(at + inner.start..at + inner.end, within, depth + 1, lists)?;
                }
            }
        }
        Ok(())
    }

    fn command(&self, command: &Command, at: usize) -> RunCommand {
        let fact = |text: &str, range: Range<usize>, literal: bool| Fact {
            value: text.to_owned(),
            origin: self.origin(&(at + range.start..at + range.end)),
            basis: if literal { Basis::Written } else { Basis::Derived },
        };
        let assignments = command.assignments();
        let env = assignments.iter().map(|word| {
            let (name, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
            // A name is never quoted.
            let equals = (word.span.start + name.len()).min(word.span.end);
            let behind = (equals + 1).min(word.span.end);
            (
                fact(name, word.span.start..equals, true),
                fact(value, behind..word.span.end, word.literal),
            )
        });
        let words = command.words.iter().skip(assignments.len());
        RunCommand {
            env: env.collect(),
            words: words.map(|w| fact(&w.text, w.span.clone(), w.literal)).collect(),
            joined: command.joined,
            piped: command.piped,
        }
    }
}

/// Verbs of package managers that only look.
const QUERIES: &[&str] = &[
    "check",
    "check-update",
    "depends",
    "download",
    "help",
    "history",
    "info",
    "list",
    "makecache",
    "policy",
    "provides",
    "repolist",
    "repoquery",
    "search",
    "show",
    "whatprovides",
];

impl RunCommand {
    /// The program and its arguments, without what runs it: `sudo -E`, `env A=1`.
    pub fn argv(&self) -> &[Fact<String>] {
        let mut words = self.words.as_slice();
        while let [first, rest @ ..] = words
            && BEFORE.contains(&base_name(first))
        {
            let is_env = base_name(first) == "env";
            words = rest;
            while let [own, rest @ ..] = words
                && (own.starts_with('-') || (is_env && own.contains('=')))
            {
                let skip = usize::from(WITH_VALUE.contains(&own.value.as_str()));
                words = rest.get(skip..).unwrap_or_default();
            }
        }
        words
    }

    /// The program's name without its directory, and its arguments; nothing when it is a variable.
    pub fn program(&self) -> Option<(&str, &[Fact<String>])> {
        let (first, arguments) = self.argv().split_first()?;
        (!first.value.contains(['$', '`'])).then(|| (base_name(first), arguments))
    }

    /// The same, where `python3 -m pip` is pip.
    pub fn package_manager(&self) -> Option<(&str, &[Fact<String>])> {
        let (name, arguments) = self.program()?;
        if !name.starts_with("python") {
            return Some((name, arguments));
        }
        let module = arguments.iter().position(|word| word.value == "-m")? + 1;
        let is_pip = arguments.get(module).is_some_and(|word| word.value == "pip");
        is_pip.then(|| ("pip", arguments.get(module + 1..).unwrap_or_default()))
    }

    /// The place among a package manager's arguments of the verb, when it is one of `verbs`. Words in
    /// front of it may be values of flags (`--repo epel`); `dnf list --installed install` lists, and
    /// `dnf group install` does where `through` names the group.
    pub fn verb(arguments: &[Fact<String>], verbs: &[&str], through: &[&str]) -> Option<usize> {
        let mut before = "";
        for (at, word) in arguments.iter().enumerate() {
            let text = word.value.as_str();
            if verbs.contains(&text) {
                return Some(at);
            }
            let may_be_value = before.starts_with('-') && !before.contains('=');
            let is_flag = text.starts_with('-') || through.contains(&text);
            if QUERIES.contains(&text) || !(is_flag || may_be_value) {
                return None;
            }
            before = text;
        }
        None
    }

    /// From its first to its last word.
    pub fn origin(&self) -> Option<Origin> {
        let first = self.env.first().map(|(name, _)| name).or(self.words.first())?;
        let last = self.words.last().or(self.env.last().map(|(_, value)| value))?;
        match (first.origin.span(), last.origin.span()) {
            (Some(from), Some(to)) => Some(Origin::text(first.origin.source(), from.to(to))),
            _ => Some(first.origin.clone()),
        }
    }
}

impl RunStep {
    /// Whether its text, as it is written, holds a word.
    pub fn says(&self, word: &str) -> bool {
        match &self.command {
            CommandForm::Shell(text) => text.value.contains(word),
            CommandForm::Exec(all) => all.iter().any(|text| text.value.contains(word)),
        }
    }

    /// The commands it runs, as lists; none when another program than a shell runs its text.
    ///
    /// # Errors
    /// The text cannot be read.
    pub fn lists(&self) -> Result<Vec<CommandList>, Unread> {
        match (&self.text, &self.command) {
            (Some(text), _) if self.shell != RunShell::Other => text.lists(),
            (None, CommandForm::Exec(words)) if !words.is_empty() => {
                let command = RunCommand {
                    env: Vec::new(),
                    words: words.clone(),
                    joined: Joined::Sequence,
                    piped: false,
                };
                Ok(vec![CommandList { within: Within::Text, commands: vec![command] }])
            }
            _ => Ok(Vec::new()),
        }
    }

    /// All its commands.
    ///
    /// # Errors
    /// The text cannot be read.
    pub fn commands(&self) -> Result<Vec<RunCommand>, Unread> {
        Ok(self.lists()?.into_iter().flat_map(|list| list.commands).collect())
    }

    /// Keys of its `--mount` flags: `("type", "cache")`, flag by flag.
    pub fn mounts(&self) -> impl Iterator<Item = Vec<(&str, &str)>> {
        self.flags.iter().filter_map(|flag| {
            let fields = flag.value.strip_prefix("--mount=")?.split(',');
            Some(fields.map(|field| field.split_once('=').unwrap_or((field, ""))).collect())
        })
    }

    /// What its bind mounts take from the context: the flag, and the source of one that names no
    /// stage.
    pub fn bound(&self) -> impl Iterator<Item = (&Fact<String>, &str)> {
        self.flags.iter().filter_map(|flag| {
            let fields = flag.value.strip_prefix("--mount=")?.split(',');
            let fields: Vec<_> = fields.filter_map(|field| field.split_once('=')).collect();
            let of = |names: &[&str]| {
                fields.iter().find(|(key, _)| names.contains(key)).map(|(_, value)| *value)
            };
            let binds = of(&["type"]).is_none_or(|kind| kind == "bind");
            let source = of(&["source", "src"]).filter(|_| binds && of(&["from"]).is_none());
            Some((flag, source?))
        })
    }

    /// Whether a cache is mounted over that directory or one above it.
    pub fn caches(&self, directory: &str) -> bool {
        self.mounts().any(|mount| {
            let is = |name: &str, value: &str| mount.contains(&(name, value));
            is("type", "cache")
                && mount.iter().any(|(key, target)| {
                    matches!(*key, "target" | "dst" | "destination")
                        && directory
                            .strip_prefix(target.trim_end_matches('/'))
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
        })
    }
}

impl Build {
    /// For each stage, whether the final image needs it: it or a stage that it needs is built on it,
    /// copies from it or mounts it.
    pub fn reached(&self) -> Vec<bool> {
        let mut needs: Vec<Vec<usize>> =
            self.stages.iter().map(|stage| stage.parent.into_iter().collect()).collect();
        let mut add = |stage: usize, other: Option<usize>| {
            if let (Some(list), Some(other)) = (needs.get_mut(stage), other) {
                list.push(other);
            }
        };
        for copy in &self.copies {
            add(copy.stage, copy.from_stage);
        }
        // The last of a name is meant.
        let names: FxHashMap<String, usize> = self
            .stages
            .iter()
            .enumerate()
            .filter_map(|(index, stage)| Some((stage.name.as_ref()?.to_ascii_lowercase(), index)))
            .collect();
        for run in self.runs.iter().filter(|run| !run.flags.is_empty()) {
            for mount in run.mounts() {
                let from = mount.iter().find(|(key, _)| *key == "from");
                add(
                    run.stage,
                    from.and_then(|(_, name)| match name.parse::<usize>() {
                        Ok(index) => Some(index),
                        Err(_) => names.get(&name.to_ascii_lowercase()).copied(),
                    }),
                );
            }
        }
        let mut reached = vec![false; self.stages.len()];
        let mut open = vec![self.final_stage];
        while let Some(stage) = open.pop() {
            if let Some(seen) = reached.get_mut(stage)
                && !std::mem::replace(seen, true)
            {
                open.extend(needs.get(stage).into_iter().flatten());
            }
        }
        reached
    }

    /// For each stage, whether it is the final one or one that the final one is built on.
    pub fn in_image(&self) -> Vec<bool> {
        let mut all = vec![false; self.stages.len()];
        for index in self.final_chain() {
            if let Some(of_image) = all.get_mut(index) {
                *of_image = true;
            }
        }
        all
    }

    /// The stage that brings the base image of a chain of stages.
    pub fn root_of(&self, stage: usize) -> Option<&Stage> {
        let mut at = stage;
        loop {
            let this = self.stages.get(at)?;
            match this.parent {
                Some(parent) if parent < at => at = parent,
                _ => return Some(this),
            }
        }
    }

    /// A stage and those it is built on.
    pub fn chain_of(&self, stage: usize) -> Vec<usize> {
        let mut chain = vec![stage];
        let mut at = stage;
        while let Some(parent) = self.stages.get(at).and_then(|s| s.parent).filter(|p| *p < at) {
            chain.push(parent);
            at = parent;
        }
        chain
    }
}

/// The insides of `$(...)` and of backquotes in a word as written, outermost first; those inside
/// them are found when they are read.
fn substitutions(raw: &str) -> Vec<Range<usize>> {
    let bytes = raw.as_bytes();
    let mut found = Vec::new();
    let (mut i, mut double) = (0, false);
    while let Some(&byte) = bytes.get(i) {
        match byte {
            b'\\' => i += 1,
            b'"' => double = !double,
            b'\'' if !double => {
                let rest = bytes.get(i + 1..).unwrap_or_default();
                i += 1 + memchr::memchr(b'\'', rest).unwrap_or(rest.len());
            }
            b'`' => {
                let rest = bytes.get(i + 1..).unwrap_or_default();
                let length = memchr::memchr(b'`', rest).unwrap_or(rest.len());
                found.push(i + 1..i + 1 + length);
                i += 1 + length;
            }
            b'$' if bytes.get(i + 1) == Some(&b'(') => {
                let end = closing(bytes, i + 2);
                // `$((1 + 2))` is arithmetic.
                if bytes.get(i + 2) != Some(&b'(') {
                    found.push(i + 2..end);
                }
                i = end;
            }
            _ => {}
        }
        i += 1;
    }
    found
}

/// Where the parenthesis that was opened before `i` closes.
fn closing(bytes: &[u8], mut i: usize) -> usize {
    let (mut open, mut double) = (1, false);
    while let Some(&byte) = bytes.get(i) {
        match byte {
            b'\\' => i += 1,
            b'"' => double = !double,
            b'\'' if !double => {
                let rest = bytes.get(i + 1..).unwrap_or_default();
                i += 1 + memchr::memchr(b'\'', rest).unwrap_or(rest.len());
            }
            b'(' => open += 1,
            b')' => {
                open -= 1;
                if open == 0 {
                    return i;
                }
            }
            _ => {}
        }
        i += 1;
    }
    bytes.len()
}
