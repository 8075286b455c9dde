//! Cuts a shell text into simple commands.

use super::{Command, Joined, Script, Word};

pub(super) struct Lexer<'t> {
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
    pub(super) fn new(text: &'t str) -> Lexer<'t> {
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

    pub(super) fn run(mut self) -> Script {
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
