//! Enough of the POSIX shell to say which programs a `sh -c TEXT` needs, how long it sleeps, and whether the shell makes
//! room for the program as process 1.
//!
//! A small lexer, total and linear: it never expands anything, and it says when a text is beyond it. What the shells do was
//! observed (`testdata/pid1.tsv`: dash 0.5.12, bash 5.2, busybox 1.35).

use std::ops::Range;

use lexer::Lexer;

mod lexer;
#[cfg(test)]
mod tests;
pub mod variables;

/// Texts longer than this are not read.
pub const LONGEST_TEXT: usize = 64 * 1024;

/// A shell, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `/bin/sh` of Debian and Ubuntu.
    Dash,
    /// `/bin/sh` of Alpine, and the shell of distroless `:debug` images.
    Busybox,
    /// `/bin/sh` of Fedora, UBI and Amazon Linux.
    Bash,
    /// Not known.
    Unknown,
}

/// How a command follows the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// It is the first, or follows `;`, `&` or a line end.
    Sequence,
    /// After `&&`.
    And,
    /// After `||`.
    Or,
    /// After `|`.
    Pipe,
}

/// A word after quote removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text; expansions stay as they are written.
    pub text: String,
    /// Whether the text is what the program will see: no `$`, no backquote.
    pub literal: bool,
    /// The bytes of the shell text.
    pub span: Range<usize>,
    quoted: bool,
}

/// A simple command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// All words but redirections; assignments included.
    pub words: Vec<Word>,
    /// How it follows the one before.
    pub joined: Joined,
    /// Whether its output is piped on.
    pub piped: bool,
    /// Whether it ends with `&`.
    pub background: bool,
    /// Whether `!` stands before it.
    pub negated: bool,
    /// How many `(` and `{` it stands in.
    pub depth: usize,
    /// How many redirections it has.
    pub redirections: usize,
}

impl Command {
    fn new(joined: Joined, depth: usize) -> Command {
        Command {
            words: Vec::new(),
            joined,
            piped: false,
            background: false,
            negated: false,
            depth,
            redirections: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.redirections == 0
    }

    /// Words behind the assignments.
    fn plain(&self) -> &[Word] {
        let start = self.words.iter().position(|w| !is_assignment(w)).unwrap_or(self.words.len());
        &self.words[start..]
    }

    /// `NAME=value` words before the program.
    pub fn assignments(&self) -> &[Word] {
        &self.words[..self.words.len() - self.plain().len()]
    }

    /// Whether `exec` stands before the program.
    pub fn is_exec(&self) -> bool {
        self.plain().len() > 1 && self.plain()[0].text == "exec"
    }

    /// The program and its arguments, without assignments, `exec` and `command`.
    pub fn argv(&self) -> &[Word] {
        let mut words = self.plain();
        while let [first, rest @ ..] = words
            && matches!(first.text.as_str(), "exec" | "command")
            && rest.first().is_some_and(|w| !w.text.starts_with('-'))
        {
            words = rest;
        }
        words
    }

    /// The first word of [`Command::argv`].
    pub fn program(&self) -> Option<&Word> {
        self.argv().first()
    }

    /// Whether this runs a file, as far as the name tells: not a builtin of that shell.
    pub fn needs_program(&self, kind: Kind) -> bool {
        self.program().is_some_and(|w| !is_builtin(&w.text, kind))
    }
}

fn is_assignment(word: &Word) -> bool {
    word.text.split_once('=').is_some_and(|(name, _)| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// A shell text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The simple commands in order; those inside `$(...)` are not looked at.
    pub commands: Vec<Command>,
    /// It has `if`, `case`, a loop, a function or a here-document.
    pub compound: bool,
    /// It is too long, or a quote is not closed.
    pub unread: bool,
}

/// Whether the name is a builtin of the shell. Without a known shell: of all of them.
pub fn is_builtin(name: &str, kind: Kind) -> bool {
    // dash(1) 0.5.12; the others have all of these.
    const ALL: [&str; 38] = [
        ".", ":", "[", "alias", "bg", "break", "cd", "command", "continue", "echo", "eval", "exec",
        "exit", "export", "false", "fg", "getopts", "hash", "jobs", "kill", "local", "printf",
        "pwd", "read", "readonly", "return", "set", "shift", "test", "times", "trap", "true",
        "type", "ulimit", "umask", "unalias", "unset", "wait",
    ];
    const BASH: [&str; 22] = [
        "[[",
        "bind",
        "builtin",
        "caller",
        "compgen",
        "complete",
        "declare",
        "dirs",
        "disown",
        "enable",
        "fc",
        "help",
        "history",
        "let",
        "logout",
        "mapfile",
        "popd",
        "pushd",
        "readarray",
        "shopt",
        "source",
        "typeset",
    ];
    ALL.contains(&name)
        || match kind {
            Kind::Bash => BASH.contains(&name),
            Kind::Busybox => ["[[", "let", "source", "history", "help", "chdir"].contains(&name),
            Kind::Dash => name == "chdir",
            Kind::Unknown => false,
        }
}

/// What becomes of the process in which the shell was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First {
    /// The shell gives its process to this program (index into the commands).
    Replaced(usize),
    /// The shell stays. As process 1 it neither dies of SIGTERM nor passes it on.
    ShellStays,
    /// Not decided: the shell is unknown, or the text is beyond this reader.
    Unknown,
}

impl Script {
    /// Reads a shell text.
    pub fn parse(text: &str) -> Script {
        if text.len() > LONGEST_TEXT {
            return Script { unread: true, ..Script::default() };
        }
        Lexer::new(text).run()
    }

    /// What becomes of the process of `SHELL -c TEXT`.
    pub fn first_process(&self, kind: Kind) -> First {
        if self.unread {
            return First::Unknown;
        }
        let exec = self.commands.iter().position(Command::is_exec);
        if let Some(index) = exec {
            let command = &self.commands[index];
            let plain =
                command.depth == 0 && !command.piped && !command.background && !self.compound;
            // Only reached when what stands before it in its list allows; `&&` is how everybody writes it.
            let reached = matches!(command.joined, Joined::Sequence | Joined::And);
            return if plain && reached { First::Replaced(index) } else { First::Unknown };
        }
        let (Some(last), true) = (self.commands.last(), kind != Kind::Dash) else {
            return if self.commands.is_empty() { First::Unknown } else { First::ShellStays };
        };
        let trap = self.commands.iter().any(|c| c.program().is_some_and(|w| w.text == "trap"));
        let stays = trap
            || last.background
            || last.negated
            || last.joined == Joined::Pipe
            || !last.needs_program(kind)
            || (kind == Kind::Bash
                && (self.compound
                    || last.depth > 0
                    || last.redirections > 0
                    || self.commands.iter().any(|c| c.background)));
        match kind {
            Kind::Dash => First::ShellStays,
            Kind::Unknown => First::Unknown,
            _ if stays && !self.compound => First::ShellStays,
            Kind::Bash if stays => First::ShellStays,
            // Whether the last command is reached depends on the one before.
            _ if self.compound || last.joined == Joined::Or => First::Unknown,
            _ => First::Replaced(self.commands.len() - 1),
        }
    }

    /// How long the text sleeps.
    pub fn sleeps(&self) -> Slept {
        if self.unread || self.compound {
            return Slept { seconds: 0.0, exact: false };
        }
        let mut slept = Slept { seconds: 0.0, exact: true };
        // What follows something that may fail is not certain to run.
        let mut certain = true;
        for command in &self.commands {
            certain = match command.joined {
                Joined::Sequence => true,
                Joined::And => certain,
                Joined::Or | Joined::Pipe => false,
            };
            let words: Vec<&str> = command.argv().iter().map(|w| w.text.as_str()).collect();
            match (sleep_seconds(&words), command.background || command.piped || !certain) {
                (Some(seconds), false) => slept.seconds += seconds,
                (Some(_), true) => slept.exact = false,
                (None, _) => {
                    // Printing takes no time and does not fail.
                    let harmless =
                        matches!(words.first(), Some(&(":" | "true" | "echo" | "printf")))
                            || words.is_empty();
                    slept.exact &= harmless;
                    certain &= harmless;
                }
            }
            if command.is_exec() {
                break;
            }
        }
        slept
    }
}

/// The time a text or a command sleeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slept {
    /// Seconds that are certain to be slept.
    pub seconds: f64,
    /// Whether nothing else in it takes time.
    pub exact: bool,
}

/// The seconds of `sleep N[smhd]...` by an argument vector; `None` when it is no such command.
pub fn sleep_seconds(argv: &[&str]) -> Option<f64> {
    let (program, arguments) = argv.split_first()?;
    let (program, arguments) = match (program.rsplit('/').next()?, arguments.split_first()) {
        ("busybox", Some((applet, rest))) => (*applet, rest),
        (name, _) => (name, arguments),
    };
    if program != "sleep" || arguments.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    for argument in arguments {
        let (number, unit) = match argument.as_bytes().last()? {
            b's' => (&argument[..argument.len() - 1], 1.0),
            b'm' => (&argument[..argument.len() - 1], 60.0),
            b'h' => (&argument[..argument.len() - 1], 3600.0),
            b'd' => (&argument[..argument.len() - 1], 86400.0),
            _ => (*argument, 1.0),
        };
        if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        sum += number.parse::<f64>().ok()? * unit;
    }
    Some(sum)
}

/// The text of an argument vector that runs a shell: `["sh", "-c", TEXT]`, `["/bin/bash", "-ec", TEXT]`.
pub fn shell_text<'a>(argv: &[&'a str]) -> Option<&'a str> {
    let (program, arguments) = argv.split_first()?;
    let name = program.rsplit('/').next()?;
    if !matches!(name, "sh" | "bash" | "ash" | "dash" | "busybox") {
        return None;
    }
    let arguments = match arguments {
        [applet, rest @ ..] if name == "busybox" && matches!(*applet, "sh" | "ash") => rest,
        _ if name == "busybox" => return None,
        _ => arguments,
    };
    let mut command = false;
    for argument in arguments {
        match argument.strip_prefix('-') {
            Some(flags) if !flags.starts_with('-') && !flags.is_empty() => {
                command |= flags.contains('c')
            }
            Some(_) => {}
            None => return command.then_some(argument),
        }
    }
    None
}
