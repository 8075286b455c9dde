//! Enough of the POSIX shell to say which programs a `sh -c TEXT` needs, how long it sleeps, and whether the shell makes
//! room for the program as process 1.
//!
//! A small lexer, total and linear: it never expands anything, and it says when a text is beyond it. What the shells do was
//! observed (`testdata/pid1.tsv`: dash 0.5.12, bash 5.2, busybox 1.35).

use std::ops::Range;

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

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    script: Script,
    command: Command,
    word: Option<Word>,
    redirecting: bool,
    /// Inside `for NAME in WORDS`, `case WORD in` or a function's name: words are no command.
    header: bool,
}

impl<'t> Lexer<'t> {
    fn new(text: &'t str) -> Lexer<'t> {
        Lexer {
            text,
            at: 0,
            script: Script::default(),
            command: Command::new(Joined::Sequence, 0),
            word: None,
            redirecting: false,
            header: false,
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(mut self) -> Script {
        while self.at < self.text.len() && !self.script.unread {
            self.step();
        }
        self.end_command(Joined::Sequence);
        self.script
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (b' ' | b'\t' | b'\r', _) => self.end_word(1),
            (b';', b';') => {
                // The next pattern of `case`.
                self.end_command(Joined::Sequence);
                self.header = true;
                self.at += 2;
            }
            (b'|', _) if self.header => self.end_word(1),
            (b'\n' | b';', _) => {
                self.end_command(Joined::Sequence);
                self.at += 1;
            }
            (b'&', b'&') => self.operator(2, Joined::And),
            (b'|', b'|') => self.operator(2, Joined::Or),
            (b'&', b'>') => self.redirect(2),
            (b'|', _) => {
                self.end_word(0);
                self.command.piped = true;
                self.operator(1, Joined::Pipe);
            }
            (b'&', _) => {
                self.end_word(0);
                self.command.background = true;
                self.operator(1, Joined::Sequence);
            }
            (b'<' | b'>', _) => self.redirect(1),
            (b'(', _) => self.open_parenthesis(),
            (b')', _) => self.close_parenthesis(),
            (b'#', _) if self.word.is_none() => {
                let rest = &self.text[self.at..];
                self.at += rest.find('\n').unwrap_or(rest.len());
            }
            (b'\'', _) => {
                let from = self.at + 1;
                let Some(length) = self.text[from..].find('\'') else { return self.give_up() };
                let text = self.text;
                self.quoted().text.push_str(&text[from..from + length]);
                self.advance(length + 2);
            }
            (b'"', _) => self.double_quotes(),
            (b'\\', b'\n') => self.at += 2,
            (b'\\', _) => {
                self.quoted();
                self.at += 1;
                self.take_char();
            }
            (b'$' | b'`', _) => self.expansion(),
            _ => self.take_char(),
        }
    }

    fn give_up(&mut self) {
        self.script.unread = true;
    }

    fn word(&mut self) -> &mut Word {
        let at = self.at;
        self.word.get_or_insert_with(|| Word {
            text: String::new(),
            literal: true,
            span: at..at,
            quoted: false,
        })
    }

    fn quoted(&mut self) -> &mut Word {
        let word = self.word();
        word.quoted = true;
        word
    }

    fn advance(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
        let at = self.at;
        self.word().span.end = at;
    }

    fn take_char(&mut self) {
        let Some(c) = self.text[self.at..].chars().next() else { return };
        self.word().text.push(c);
        self.advance(c.len_utf8());
    }

    fn double_quotes(&mut self) {
        self.quoted();
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                _ if self.at >= self.text.len() => return self.give_up(),
                (b'"', _) => return self.advance(1),
                (b'\\', b'"' | b'\\' | b'$' | b'`') => {
                    self.at += 1;
                    self.take_char();
                }
                (b'\\', b'\n') => self.at += 2,
                (b'$' | b'`', _) => self.expansion(),
                _ => self.take_char(),
            }
            if self.script.unread {
                return;
            }
        }
    }

    /// `$NAME`, `${...}`, `$(...)`, backquotes: kept as written, the word is no literal any more.
    fn expansion(&mut self) {
        let length = match (self.peek(0), self.peek(1)) {
            (b'$', b'(' | b'{') | (b'`', _) => match closing(&self.text[self.at..]) {
                Some(length) => length,
                None => return self.give_up(),
            },
            (b'$', next) if next.is_ascii_alphanumeric() || b"_?!#@*-$".contains(&next) => 2,
            // A lone dollar is one.
            _ => return self.take_char(),
        };
        let (text, at) = (self.text, self.at);
        let word = self.word();
        word.text.push_str(&text[at..at + length]);
        word.literal = false;
        self.advance(length);
    }

    fn end_word(&mut self, skip: usize) {
        self.at += skip;
        let Some(word) = self.word.take() else { return };
        if std::mem::take(&mut self.redirecting) {
            self.command.redirections += 1;
        } else if self.header
            || (self.command.words.is_empty() && !word.quoted && self.keyword(&word.text))
        {
        } else {
            self.command.words.push(word);
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        match word {
            "!" => self.command.negated = true,
            "{" => self.command.depth += 1,
            "}" => self.command.depth = self.command.depth.saturating_sub(1),
            "if" | "then" | "elif" | "else" | "fi" | "while" | "until" | "do" | "done" | "esac" => {
                self.script.compound = true;
            }
            "for" | "case" | "select" | "function" => {
                self.script.compound = true;
                self.header = true;
            }
            _ => return false,
        }
        true
    }

    fn end_command(&mut self, next: Joined) {
        self.end_word(0);
        self.header = false;
        self.redirecting = false;
        let depth = self.command.depth;
        // A line end after `&&` or `|` continues the list.
        let joined = if self.command.is_empty() && next == Joined::Sequence {
            self.command.joined
        } else {
            next
        };
        let command = std::mem::replace(&mut self.command, Command::new(joined, depth));
        if !command.is_empty() {
            self.script.commands.push(command);
        }
    }

    fn operator(&mut self, bytes: usize, next: Joined) {
        self.end_command(next);
        self.at += bytes;
    }

    fn redirect(&mut self, bytes: usize) {
        // In `2>file` the digits belong to the redirection.
        if self
            .word
            .as_ref()
            .is_some_and(|w| !w.quoted && w.text.bytes().all(|b| b.is_ascii_digit()))
        {
            self.word = None;
        }
        self.end_word(0);
        if self.peek(0) == b'<' && self.peek(1) == b'<' && self.peek(2) != b'<' {
            // The body of a here-document is data; nothing behind it is read.
            self.script.compound = true;
            return self.give_up();
        }
        self.at += bytes;
        while matches!(self.peek(0), b'<' | b'>' | b'&' | b'|') {
            self.at += 1;
        }
        self.redirecting = true;
    }

    fn open_parenthesis(&mut self) {
        let name = self.word.is_some() && self.command.words.is_empty() && self.peek(1) == b')';
        if name {
            // NAME() { ...; }
            self.word = None;
            self.script.compound = true;
            self.at += 2;
            return;
        }
        self.end_word(1);
        if self.command.words.is_empty() {
            self.command.depth += 1;
        }
    }

    fn close_parenthesis(&mut self) {
        self.end_word(1);
        let depth = self.command.depth;
        if self.header || depth == 0 {
            // A pattern of `case`.
            self.command = Command::new(Joined::Sequence, depth);
            self.header = false;
            return;
        }
        self.end_command(Joined::Sequence);
        self.command.depth = depth - 1;
    }
}

/// The length of the substitution at the start of the text, its end included. Keeps a stack instead of recursing.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut stack: Vec<u8> = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let next = bytes.get(i + 1).copied().unwrap_or(0);
        let top = stack.last().copied();
        match (bytes[i], next) {
            (b'\\', _) => i += 1,
            (b'$', b'(') => {
                stack.push(b')');
                i += 1;
            }
            (b'$', b'{') => {
                stack.push(b'}');
                i += 1;
            }
            (b'`', _) if top != Some(b'`') => stack.push(b'`'),
            (b'"', _) if top != Some(b'"') => stack.push(b'"'),
            (b'(', _) if top == Some(b')') => stack.push(b')'),
            (b'\'', _) if top != Some(b'"') => i += 1 + text.get(i + 1..)?.find('\'')?,
            (byte, _) if top == Some(byte) => {
                stack.pop();
            }
            _ => {}
        }
        i += 1;
        if stack.is_empty() {
            return Some(i.min(bytes.len()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_real_shells() {
        let (mut rows, mut undecided) = (0, Vec::new());
        for line in include_str!("testdata/pid1.tsv").lines().filter(|l| !l.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let text: String = serde_json::from_str(columns[0]).expect("texts are quoted");
            let script = Script::parse(&text);
            for (kind, real) in
                [(Kind::Dash, columns[1]), (Kind::Bash, columns[2]), (Kind::Busybox, columns[3])]
            {
                match script.first_process(kind) {
                    First::Unknown => undecided.push(format!("{kind:?} {text:?}")),
                    First::ShellStays => {
                        assert_eq!(real, "stays", "{kind:?} -c {text:?}: {script:#?}")
                    }
                    First::Replaced(_) => {
                        assert_eq!(real, "replaced", "{kind:?} -c {text:?}: {script:#?}")
                    }
                }
                rows += 1;
            }
        }
        assert!(rows > 100, "the table is cut: {rows} rows");
        assert!(undecided.len() < 10, "too many are not decided: {undecided:#?}");
    }

    #[test]
    fn the_table_of_the_rule_book() {
        use First::{Replaced, ShellStays};
        for (text, dash, busybox, bash) in [
            ("svc --x", ShellStays, Replaced(0), Replaced(0)),
            ("cd /a && svc", ShellStays, Replaced(1), Replaced(1)),
            ("svc || exit 1", ShellStays, ShellStays, ShellStays),
            ("exec svc", Replaced(0), Replaced(0), Replaced(0)),
        ] {
            let script = Script::parse(text);
            assert_eq!(script.first_process(Kind::Dash), dash, "{text}");
            assert_eq!(script.first_process(Kind::Busybox), busybox, "{text}");
            assert_eq!(script.first_process(Kind::Bash), bash, "{text}");
        }
        assert_eq!(Script::parse("svc").first_process(Kind::Unknown), First::Unknown);
        assert_eq!(Script::parse("exec svc").first_process(Kind::Unknown), Replaced(0));
    }

    #[track_caller]
    fn programs(text: &str, expected: &[&str]) {
        let script = Script::parse(text);
        assert!(!script.unread, "{text}");
        let found: Vec<&str> = script
            .commands
            .iter()
            .filter(|c| c.needs_program(Kind::Unknown))
            .filter_map(|c| c.program())
            .map(|w| w.text.as_str())
            .collect();
        assert_eq!(found, expected, "{text}: {script:#?}");
    }

    #[test]
    fn the_programs_a_text_needs() {
        programs("curl -f http://localhost:8080/healthz || exit 1", &["curl"]);
        programs("wget -qO- 'http://localhost/;x' | grep -q ok && true", &["wget", "grep"]);
        programs("test -f /tmp/ready && [ -d /data ]", &[]);
        programs("A=b B=\"c d\" exec /svc --name 'x y' 2>&1 >/dev/null", &["/svc"]);
        programs("(nginx -s quit; sleep 5) & wait", &["nginx", "sleep"]);
        programs("if [ -f /x ]; then /bin/a; else /bin/b; fi", &["/bin/a", "/bin/b"]);
        programs("case $X in a) one;; b|c) two;; esac", &["one", "two"]);
        programs("for i in 1 2 3; do probe $i; done", &["probe"]);
        programs("echo $(date +%s) `hostname` # curl", &[]);
        programs("grep -q \"$(cat /x | tr '(' x)\" /y", &["grep"]);
        programs("a\\\n b && \n c", &["a", "c"]);
        programs("f() { inner; }; f", &["inner", "f"]);
        programs("echo 'it''s' \"a \\\" b\"; 'quoted prog' x", &["quoted prog"]);
    }

    #[test]
    fn a_word_knows_its_place_and_whether_it_is_literal() {
        let text = "cd /a && \"$BIN\" --x";
        let script = Script::parse(text);
        let word = script.commands[1].program().expect("a program");
        assert_eq!((&text[word.span.clone()], word.literal), ("\"$BIN\"", false));
    }

    #[test]
    fn what_is_not_closed_is_not_judged() {
        for text in ["echo 'a", "echo \"a", "echo $(a", "cat <<EOF\nx\nEOF", "echo `a"] {
            let script = Script::parse(text);
            assert!(script.unread, "{text}");
            assert_eq!(script.first_process(Kind::Bash), First::Unknown);
        }
        assert!(Script::parse(&"a ".repeat(LONGEST_TEXT)).unread);
    }

    #[test]
    fn sleeping() {
        for (text, seconds, exact) in [
            ("sleep 30", 30.0, true),
            ("sleep 1m 5", 65.0, true),
            ("/bin/sleep 0.5", 0.5, true),
            ("sleep 5; sleep 10s", 15.0, true),
            ("echo draining && sleep 15", 15.0, true),
            ("exec sleep 7; sleep 9", 7.0, true),
            ("nginx -s quit; sleep 5", 5.0, false),
            ("nginx -s quit && sleep 5", 0.0, false),
            ("sleep 5 & true", 0.0, false),
            ("sleep 5 || sleep 6", 5.0, false),
            ("sleep $DELAY", 0.0, false),
            ("while true; do sleep 1; done", 0.0, false),
        ] {
            assert_eq!(Script::parse(text).sleeps(), Slept { seconds, exact }, "{text}");
        }
        assert_eq!(sleep_seconds(&["busybox", "sleep", "3"]), Some(3.0));
        assert_eq!(sleep_seconds(&["sleep", "infinity"]), None);
        assert_eq!(sleep_seconds(&["sleep"]), None);
    }

    #[test]
    fn shells_are_seen_in_an_argument_vector() {
        assert_eq!(shell_text(&["/bin/sh", "-c", "sleep 5"]), Some("sleep 5"));
        assert_eq!(shell_text(&["bash", "-e", "-uc", "x"]), Some("x"));
        assert_eq!(shell_text(&["/busybox/busybox", "sh", "-c", "x"]), Some("x"));
        assert_eq!(shell_text(&["/bin/sh", "/start.sh"]), None);
        assert_eq!(shell_text(&["svc", "-c", "x"]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a-c$({})`'\"\\\\;&|<>#!= \n0-9é]{0,60}") {
            let script = Script::parse(&text);
            let _ = script.first_process(Kind::Bash);
            let _ = script.sleeps();
            for word in script.commands.iter().flat_map(|c| &c.words) {
                prop_assert!(text.get(word.span.clone()).is_some(), "{:?}", word);
            }
        }
    }

    #[test]
    fn long_texts_take_no_long_time() {
        // Each would be quadratic if the rest was looked through for every opening.
        for piece in ["$(", "`", "'", "\"", "(", "{ ", "$((", "${", "a;", "if ", "\\"] {
            let _ = Script::parse(&piece.repeat(LONGEST_TEXT / piece.len()));
        }
    }
}
