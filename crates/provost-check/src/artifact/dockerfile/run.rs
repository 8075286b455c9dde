//! What a RUN line does as far as it matters for the binary: `go build` and `go install`, files
//! copied and moved, and whether anything else could have brought the program.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::creates;
use super::shell_text::{Token, Value, evaluate, tokens};
use super::unset::{OF_GO, unset};
use crate::facts::build::Created;
use crate::model::names::base_name;

/// Longest path that is followed; Linux' PATH_MAX.
const PATH_MAX: usize = 4096;
/// Longest word.
const WORD_MAX: usize = 64 << 10;
/// Subshells inside subshells whose directory is remembered.
const SUBSHELLS: usize = 64;

/// A word with its place in the shell text.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) value: Value,
    pub(super) range: Range<usize>,
}

/// A `go build` or `go install` in a shell text.
#[derive(Debug)]
pub(super) struct GoCommand {
    pub(super) range: Range<usize>,
    pub(super) verb: Word,
    /// Set on this line: exports, plain assignments before, and those of the command itself.
    pub(super) env: Vec<(Word, Word)>,
    pub(super) flags: Vec<Word>,
    pub(super) packages: Vec<Word>,
    /// Directory it runs in.
    pub(super) dir: Option<String>,
    /// `-o`, resolved, with the place of its value; a trailing `/` is kept.
    pub(super) output: Option<(String, Range<usize>)>,
}

/// `cp`, `mv`, `install`, `ln`.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) range: Range<usize>,
    pub(super) from: String,
    pub(super) to: String,
}

/// All of a shell text.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) builds: Vec<GoCommand>,
    pub(super) moves: Vec<Moved>,
    /// See [`crate::facts::build::RunStep::understood`].
    pub(super) understood: bool,
    /// Files it may create; `None` when that cannot be told.
    pub(super) created: Option<Vec<Created>>,
    /// More than [`Left`] allowed.
    pub(super) left_out: bool,
}

/// How much more may be kept.
#[derive(Debug)]
pub(super) struct Left {
    /// Build commands.
    pub(super) builds: usize,
    /// Bytes of their environments and of paths.
    pub(super) bytes: usize,
}

impl Left {
    fn take(&mut self, bytes: usize) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(rest) => {
                self.bytes = rest;
                true
            }
            None => false,
        }
    }
}

/// What is known of a variable: `None` when nothing sets it, `Some(None)` when its value is unknown.
pub(super) type Lookup<'a> = dyn Fn(&str) -> Option<Option<String>> + 'a;

/// Reads a shell text that starts in `dir` with variables that `lookup` knows.
pub(super) fn read(text: &str, dir: Option<&str>, lookup: &Lookup<'_>, left: &mut Left) -> Effects {
    // A substitution runs commands that are not looked at.
    let substitutes = text.contains("$(") || text.contains(['`', '\0']) || text.contains("<(");
    let created = (!substitutes).then(Vec::new);
    let mut reader = Reader {
        left,
        exported_index: FxHashMap::default(),
        exported_bytes: 0,
        text,
        outer: lookup,
        set: FxHashMap::default(),
        exported: Vec::new(),
        dir: dir.map(str::to_owned),
        effects: Effects { understood: true, created, ..Effects::default() },
    };
    let mut command: Vec<Range<usize>> = Vec::new();
    let mut directories: Vec<Option<String>> = Vec::new();
    let mut level = 0usize;
    for token in tokens(text) {
        match token {
            Token::Word(range) => {
                command.push(range);
                continue;
            }
            Token::File(range) => {
                let word = reader.word(&range);
                let file =
                    creates::file(reader.dir.as_deref(), &word.value.text, word.value.resolved);
                reader.creates(file.map(|file| vec![file]));
                continue;
            }
            Token::End | Token::Open | Token::Close => {
                reader.simple(&command);
                command.clear();
            }
        }
        match token {
            Token::Open => {
                level += 1;
                if level <= SUBSHELLS {
                    directories.push(reader.dir.clone());
                }
            }
            Token::Close if level > 0 => {
                if level <= SUBSHELLS {
                    reader.dir = directories.pop().unwrap_or_default();
                }
                level -= 1;
            }
            _ => {}
        }
    }
    reader.simple(&command);
    reader.effects
}

/// Words that stand before a command without changing what it is.
const PREFIXES: &[&str] = &[
    "!", "{", "}", "do", "done", "elif", "else", "exec", "fi", "if", "nice", "nohup", "sudo",
    "then", "time", "until", "while", "command",
];

/// Commands that bring no program of this project: what they install, they install by name.
const HARMLESS: &[&str] = &[
    ":",
    "[",
    "[[",
    "addgroup",
    "adduser",
    "apk",
    "apt",
    "apt-get",
    "cd",
    "chmod",
    "chown",
    "chgrp",
    "date",
    "dnf",
    "echo",
    "esac",
    "export",
    "false",
    "find",
    "for",
    "grep",
    "groupadd",
    "ldd",
    "ls",
    "microdnf",
    "mkdir",
    "printf",
    "pwd",
    "rm",
    "rmdir",
    "set",
    "setcap",
    "sha256sum",
    "sleep",
    "strip",
    "test",
    "touch",
    "true",
    "uname",
    "update-ca-certificates",
    "upx",
    "useradd",
    "usermod",
    "yum",
];

struct Reader<'a> {
    left: &'a mut Left,
    exported_index: FxHashMap<String, usize>,
    exported_bytes: usize,
    text: &'a str,
    outer: &'a Lookup<'a>,
    /// What the text has set; nothing when only the shell knows the value.
    set: FxHashMap<String, Option<String>>,
    exported: Vec<(Word, Word)>,
    dir: Option<String>,
    effects: Effects,
}

impl Reader<'_> {
    fn variable(&self, name: &str) -> Option<Option<String>> {
        self.set.get(name).cloned().or_else(|| (self.outer)(name))
    }

    fn word(&mut self, range: &Range<usize>) -> Word {
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let value = evaluate(raw, WORD_MAX, &|name| self.variable(name).flatten());
        // What variables add is paid for; without means the word stays as it is written.
        if value.text.len() > raw.len() && !self.left.take(value.text.len()) {
            self.effects.left_out = true;
            let value = Value { text: raw.to_owned(), resolved: false };
            return Word { value, range: range.clone() };
        }
        Word { value, range: range.clone() }
    }

    /// `NAME=value` as two words.
    fn assignment(&mut self, range: &Range<usize>) -> Option<(Word, Word)> {
        let raw = self.text.get(range.clone())?;
        let equals = raw.find('=')?;
        let name = raw.get(..equals)?;
        let first = name.bytes().next()?;
        if first.is_ascii_digit() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return None;
        }
        let at = range.start + equals;
        let name =
            Word { value: Value { text: name.to_owned(), resolved: true }, range: range.start..at };
        Some((name, self.word(&(at + 1..range.end))))
    }

    fn assign(&mut self, (name, value): (Word, Word)) {
        let known = value.value.resolved.then(|| value.value.text.clone());
        self.set.insert(name.value.text.clone(), known);
        self.exported_bytes += name.value.text.len() + value.value.text.len() + 128;
        match self.exported_index.get(&name.value.text).and_then(|i| self.exported.get_mut(*i)) {
            Some(slot) => *slot = (name, value),
            None => {
                self.exported_index.insert(name.value.text.clone(), self.exported.len());
                self.exported.push((name, value));
            }
        }
    }

    fn simple(&mut self, ranges: &[Range<usize>]) {
        let mut rest = ranges;
        let mut own = Vec::new();
        let mut first = None;
        while let Some((range, behind)) = rest.split_first() {
            if let Some(pair) = self.assignment(range) {
                own.push(pair);
                rest = behind;
                continue;
            }
            let word = self.word(range);
            let name = base_name(&word.value.text);
            if PREFIXES.contains(&name) {
                rest = behind;
            } else if name == "env" {
                rest = behind;
                while let Some((range, behind)) = rest.split_first()
                    && let Some(flag) = self.text.get(range.clone()).filter(|w| w.starts_with('-'))
                {
                    rest = behind;
                    match flag {
                        "-" | "-i" | "--ignore-environment" => {
                            own.extend(OF_GO.iter().map(|name| unset(name, range)));
                        }
                        "-u" | "--unset" => {
                            let Some((range, behind)) = rest.split_first() else { break };
                            own.push(unset(self.text.get(range.clone()).unwrap_or(""), range));
                            rest = behind;
                        }
                        _ => {
                            let name = flag.strip_prefix("--unset=").or(flag.strip_prefix("-u"));
                            match name {
                                Some(name) => own.push(unset(name, range)),
                                // `--chdir` and its like.
                                None => self.effects.created = None,
                            }
                        }
                    }
                }
            } else {
                first = Some(word);
                rest = behind;
                break;
            }
        }
        let Some(first) = first else {
            for pair in own {
                self.assign(pair);
            }
            return;
        };
        if !first.value.resolved {
            self.effects.understood = false;
            self.effects.created = None;
            return;
        }
        let name = base_name(&first.value.text).to_owned();
        if self.effects.created.is_some() {
            let words: Vec<Word> = rest.iter().map(|range| self.word(range)).collect();
            let seen: Vec<_> =
                words.iter().map(|w| (w.value.text.as_str(), w.value.resolved)).collect();
            let setting = |name: &str| {
                let own = own.iter().rev().find(|(set, _)| set.value.text == name);
                match own {
                    Some((_, value)) => {
                        Some(value.value.resolved.then(|| value.value.text.clone()))
                    }
                    None => self.variable(name),
                }
            };
            let mut created = creates::created(&name, &seen, self.dir.as_deref());
            if matches!(name.as_str(), "go" | "xx-go") {
                created = created.and_then(|mut all| {
                    all.extend(creates::of_go(&seen, &setting)?);
                    Some(all)
                });
            }
            self.creates(created);
        }
        match name.as_str() {
            // Its variable takes one value after the other.
            "for" => {
                let name = rest.first().and_then(|range| self.text.get(range.clone()));
                self.set.extend(name.map(|name| (name.to_owned(), None)));
            }
            "export" => {
                for range in rest {
                    if let Some(pair) = self.assignment(range) {
                        self.assign(pair);
                    }
                }
            }
            "unset" => {
                let words: Vec<Word> = rest.iter().map(|range| self.word(range)).collect();
                // Of functions, which no program sees.
                if words.iter().any(|word| word.value.text == "-f") {
                    return;
                }
                for word in words.iter().filter(|word| !word.value.text.starts_with('-')) {
                    self.assign(unset(&word.value.text, &word.range));
                }
            }
            "cd" | "pushd" => {
                let target = rest.iter().map(|r| self.word(r)).find(|w| w.value.text != "--");
                self.dir = target
                    .filter(|w| w.value.resolved && w.value.text != "-")
                    .and_then(|w| join(self.dir.as_deref(), &w.value.text));
            }
            "go" | "xx-go" => self.go(&first, rest, own),
            "cp" | "mv" | "install" | "ln" => self.moved(&first, rest),
            name if HARMLESS.contains(&name) => {}
            _ => self.effects.understood = false,
        }
    }

    /// Adds to what the text may create.
    fn creates(&mut self, created: Option<Vec<Created>>) {
        let bytes: usize = created.iter().flatten().map(|c| c.path.len() + 64).sum();
        match (&mut self.effects.created, created) {
            (Some(all), Some(more)) if self.left.take(bytes) => {
                all.extend(more);
            }
            (all, _) => *all = None,
        }
    }

    fn moved(&mut self, first: &Word, rest: &[Range<usize>]) {
        let mut paths = Vec::new();
        let mut target = None;
        let mut words = rest.iter();
        while let Some(range) = words.next() {
            let word = self.word(range);
            let text = word.value.text.as_str();
            match text {
                "-t" => target = words.next().map(|r| self.word(r)),
                "-m" | "-o" | "-g" | "--mode" | "--owner" | "--group" => {
                    words.next();
                }
                _ if text.starts_with('-') && text.len() > 1 => {}
                _ => paths.push(word),
            }
        }
        let Some(last) = rest.last() else { return };
        let into_dir = target.is_some() || paths.len() > 2;
        let Some(target) = target.or_else(|| paths.pop()) else { return };
        let Some(mut to) = join(self.dir.as_deref(), &target.value.text) else {
            self.effects.understood = false;
            return;
        };
        if (into_dir || target.value.text.ends_with(['/', '.'])) && !to.ends_with('/') {
            to.push('/');
        }
        let range = first.range.start..last.end;
        for path in paths {
            if let Some(from) = join(self.dir.as_deref(), &path.value.text) {
                if !self.left.take(from.len() + to.len() + 128) {
                    self.effects.left_out = true;
                    self.effects.understood = false;
                    return;
                }
                self.effects.moves.push(Moved { range: range.clone(), from, to: to.clone() });
            }
        }
    }

    fn go(&mut self, first: &Word, rest: &[Range<usize>], own: Vec<(Word, Word)>) {
        let Some((verb, arguments)) = rest.split_first() else { return };
        let verb = self.word(verb);
        if !matches!(verb.value.text.as_str(), "build" | "install") {
            // `go generate` and `go run` run anything; the others write no program.
            if matches!(verb.value.text.as_str(), "generate" | "run" | "tool") {
                self.effects.understood = false;
            }
            return;
        }
        if self.left.builds == 0 || !self.left.take(self.exported_bytes) {
            self.effects.left_out = true;
            self.effects.understood = false;
            return;
        }
        self.left.builds -= 1;
        // Assignments of the command itself do not reach its own words.
        let mut command = GoCommand {
            range: first.range.start..rest.last().map_or(verb.range.end, |r| r.end),
            verb,
            env: Vec::new(),
            flags: Vec::new(),
            packages: Vec::new(),
            dir: self.dir.clone(),
            output: None,
        };
        if let Some((name, _)) = own.first() {
            command.range.start = name.range.start;
        }
        let mut output: Option<(Word, usize)> = None;
        let mut words = arguments.iter();
        while let Some(range) = words.next() {
            let mut word = self.word(range);
            if !word.value.text.starts_with('-') || !command.packages.is_empty() {
                command.packages.push(word);
                continue;
            }
            if word.value.text.starts_with("--") {
                word.value.text.remove(0);
            }
            let (name, inline) = match word.value.text.split_once('=') {
                Some((name, _)) => (name.to_owned(), true),
                None => (word.value.text.clone(), false),
            };
            if !inline && TAKES_VALUE.contains(&name.as_str()) {
                let Some(value) = words.next().map(|r| self.word(r)) else {
                    command.flags.push(word);
                    break;
                };
                match name.as_str() {
                    "-o" => output = Some((value.clone(), 0)),
                    "-C" => command.dir = self.changed(&value),
                    _ => {}
                }
                word.value.resolved &= value.value.resolved;
                word.value.text = format!("{name}={}", value.value.text);
                word.range.end = value.range.end;
            } else if inline {
                let value = Word {
                    value: Value {
                        text: word.value.text.get(name.len() + 1..).unwrap_or_default().to_owned(),
                        resolved: word.value.resolved,
                    },
                    range: word.range.clone(),
                };
                match name.as_str() {
                    "-o" => output = Some((value, name.len() + 1)),
                    "-C" => command.dir = self.changed(&value),
                    _ => {}
                }
            }
            command.flags.push(word);
        }
        if let Some((value, skip)) = output {
            let at = (value.range.start + skip).min(value.range.end)..value.range.end;
            let text = &value.value.text;
            command.output = join(command.dir.as_deref(), text).map(|mut path| {
                if text.ends_with('/') && !path.ends_with('/') {
                    path.push('/');
                }
                (path, at)
            });
        }
        command.env = self.exported.clone();
        command.env.extend(own);
        self.effects.builds.push(command);
    }

    fn changed(&mut self, value: &Word) -> Option<String> {
        value.value.resolved.then(|| join(self.dir.as_deref(), &value.value.text)).flatten()
    }
}

/// Flags of `go build` whose value may be the next word. cmd/go/internal/work/build.go, Go 1.27.
const TAKES_VALUE: &[&str] = &[
    "-C",
    "-asmflags",
    "-buildmode",
    "-compiler",
    "-covermode",
    "-coverpkg",
    "-gccgoflags",
    "-gcflags",
    "-installsuffix",
    "-ldflags",
    "-mod",
    "-modfile",
    "-o",
    "-overlay",
    "-p",
    "-pgo",
    "-pkgdir",
    "-tags",
    "-toolexec",
];

/// A path seen from a directory, `.` and `..` resolved. `None` when the directory is unknown or
/// the result is too long.
pub(super) fn join(dir: Option<&str>, path: &str) -> Option<String> {
    if path.len() > PATH_MAX {
        return None;
    }
    let start = if path.starts_with('/') { "" } else { dir? };
    if start.len() + path.len() > PATH_MAX {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = String::with_capacity(start.len() + path.len() + 1);
    for part in &parts {
        out.push('/');
        out.push_str(part);
    }
    if out.is_empty() {
        out.push('/');
    }
    Some(out)
}

/// The name `go build` gives the binary of a package: the last element of its path, or the first
/// file's name. `None` when that depends on the module's path (`.`, `./...`).
pub(super) fn binary_name(packages: &[&str]) -> Option<String> {
    let first = packages.first()?;
    if let Some(file) = first.strip_suffix(".go") {
        return Some(base_name(file).to_owned());
    }
    let [package] = packages else { return None };
    let path = package.split('@').next().unwrap_or(package).trim_end_matches('/');
    let mut name = base_name(path);
    // A major version suffix is no name: example.com/tool/v2 builds `tool`.
    if name.len() > 1
        && name.strip_prefix('v').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
        && let Some((parent, _)) = path.rsplit_once('/')
    {
        name = base_name(parent);
    }
    let plain = !name.is_empty() && name != "." && name != ".." && name != "...";
    (plain && !name.contains('$')).then(|| name.to_owned())
}
