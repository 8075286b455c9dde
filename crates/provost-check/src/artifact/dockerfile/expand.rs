//! Variables in Dockerfile words, by the rules of BuildKit's `frontend/dockerfile/shell/lex.go`
//! (v0.26): quotes and escapes are removed, `$X`, `${X}` and the modifiers `:-` `-` `:+` `+` `:?`
//! `?` `#` `##` `%` `%%` `/` `//` are applied.
//!
//! A variable whose value only the build knows (`TARGETARCH`, an ARG without default) stays as it
//! is written, so that nobody takes a guess for a fact.

/// What is known of a variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Variable {
    /// Its value.
    Known(String),
    /// Not set unless the builder is told so: an ARG without default.
    Unset,
    /// Not set at all: nothing declares it, and the base image's variables are known.
    Absent,
    /// Set by the builder or the base image to something unknown here.
    Unknown,
}

/// Why a word cannot be expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A quote stays open.
    Quote,
    /// `${` without `}`, or nothing that could be a name.
    Substitution,
    /// Longer than the limit.
    Long,
}

impl Failure {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Quote => "a quote is not closed",
            Self::Substitution => "bad substitution after $",
            Self::Long => "the expanded text is too long",
        }
    }
}

/// Substitutions inside substitutions.
const DEPTH: usize = 16;
/// Longest value that patterns are matched on; matching is quadratic.
const MATCHED: usize = 256;

/// Longest text that a replacement may read or write.
const EXPANDED_BY_REPLACEMENT: usize = 4096;

/// Expands one word.
pub(super) fn expand<'v>(
    word: &str,
    escape: char,
    limit: usize,
    lookup: &dyn Fn(&str) -> &'v Variable,
) -> Result<String, Failure> {
    if !word.contains(['$', '\'', '"', escape]) {
        return Ok(word.to_owned());
    }
    let mut lexer = Lexer { text: word, at: 0, escape, limit, lookup };
    let mut out = String::with_capacity(word.len());
    lexer.until(None, false, 0, &mut out)?;
    Ok(out)
}

struct Lexer<'a, 'v> {
    text: &'a str,
    at: usize,
    escape: char,
    limit: usize,
    lookup: &'a dyn Fn(&str) -> &'v Variable,
}

impl<'v> Lexer<'_, 'v> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
        depth: usize,
        out: &mut String,
    ) -> Result<(), Failure> {
        while let Some(c) = self.next() {
            if Some(c) == stop {
                return Ok(());
            }
            match c {
                '\'' => loop {
                    match self.next().ok_or(Failure::Quote)? {
                        '\'' => break,
                        c => out.push(c),
                    }
                },
                '"' => self.double_quoted(raw_escapes, depth, out)?,
                '$' => self.dollar(depth, out)?,
                c if c == self.escape => {
                    if raw_escapes {
                        out.push(c);
                    }
                    out.extend(self.next());
                }
                c => out.push(c),
            }
            if out.len() > self.limit {
                return Err(Failure::Long);
            }
        }
        if stop.is_some() { Err(Failure::Substitution) } else { Ok(()) }
    }

    fn double_quoted(
        &mut self,
        raw_escapes: bool,
        depth: usize,
        out: &mut String,
    ) -> Result<(), Failure> {
        loop {
            match self.next().ok_or(Failure::Quote)? {
                '"' => return Ok(()),
                '$' => self.dollar(depth, out)?,
                c if c == self.escape => {
                    if raw_escapes {
                        out.push(c);
                    }
                    match self.peek() {
                        None => {}
                        Some(next) if next == '"' || next == '$' || next == self.escape => {
                            self.at += next.len_utf8();
                            out.push(next);
                        }
                        Some(_) => out.push(c),
                    }
                }
                c => out.push(c),
            }
            if out.len() > self.limit {
                return Err(Failure::Long);
            }
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if name.is_empty() {
                if c.is_ascii_digit() {
                    while let Some(c) = self.peek().filter(char::is_ascii_digit) {
                        self.at += 1;
                        name.push(c);
                    }
                    return name;
                }
                if matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!') {
                    self.at += 1;
                    name.push(c);
                    return name;
                }
            }
            if !c.is_alphanumeric() && c != '_' {
                break;
            }
            self.at += c.len_utf8();
            name.push(c);
        }
        name
    }

    /// Behind a `$`.
    fn dollar(&mut self, depth: usize, out: &mut String) -> Result<(), Failure> {
        let start = self.at - 1;
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                out.push('$');
                return Ok(());
            }
            match (self.lookup)(&name) {
                Variable::Known(value) => out.push_str(value),
                Variable::Absent => {}
                Variable::Unset | Variable::Unknown => {
                    out.push('$');
                    out.push_str(&name);
                }
            }
            return Ok(());
        }
        self.at += 1;
        if depth >= DEPTH || matches!(self.peek(), None | Some('{' | '}' | ':')) {
            return Err(Failure::Substitution);
        }
        let name = self.name();
        let variable = (self.lookup)(&name);
        match self.next().ok_or(Failure::Substitution)? {
            '}' => match variable {
                Variable::Known(value) => out.push_str(value),
                Variable::Absent => {}
                Variable::Unset | Variable::Unknown => out.push_str(self.written(start)),
            },
            c @ (':' | '+' | '-' | '?' | '#' | '%') => {
                let (operator, empty_is_unset) = match c {
                    ':' => (self.next().ok_or(Failure::Substitution)?, true),
                    c => (c, false),
                };
                let pattern = matches!(operator, '#' | '%');
                if (pattern && empty_is_unset) || !matches!(operator, '+' | '-' | '?' | '#' | '%') {
                    return Err(Failure::Substitution);
                }
                let mut word = String::new();
                self.until(Some('}'), pattern, depth + 1, &mut word)?;
                let known = match variable {
                    Variable::Unknown => {
                        out.push_str(self.written(start));
                        return Ok(());
                    }
                    Variable::Absent if pattern => Some(""),
                    Variable::Unset | Variable::Absent => None,
                    Variable::Known(value) if empty_is_unset && value.is_empty() => None,
                    Variable::Known(value) => Some(value.as_str()),
                };
                match (operator, known) {
                    ('-', None) | ('+', Some(_)) => out.push_str(&word),
                    ('-' | '?', Some(value)) => out.push_str(value),
                    ('+', None) => {}
                    ('#', Some(value)) => match strip(&word, value, true) {
                        Some(value) => out.push_str(&value),
                        None => out.push_str(self.written(start)),
                    },
                    ('%', Some(value)) => match strip(&word, value, false) {
                        Some(value) => out.push_str(&value),
                        None => out.push_str(self.written(start)),
                    },
                    _ => out.push_str(self.written(start)),
                }
            }
            '/' => {
                let all = self.peek() == Some('/');
                if all {
                    self.at += 1;
                }
                let (mut pattern, mut replacement) = (String::new(), String::new());
                self.until(Some('/'), true, depth + 1, &mut pattern)?;
                self.until(Some('}'), true, depth + 1, &mut replacement)?;
                match variable {
                    Variable::Known(value) => match replace(&pattern, &replacement, value, all) {
                        Some(value) => out.push_str(&value),
                        None => out.push_str(self.written(start)),
                    },
                    Variable::Absent => {}
                    Variable::Unset | Variable::Unknown => out.push_str(self.written(start)),
                }
            }
            _ => return Err(Failure::Substitution),
        }
        Ok(())
    }

    fn written(&self, start: usize) -> &str {
        self.text.get(start..self.at).unwrap_or_default()
    }
}

/// A piece of a shell pattern.
#[derive(Clone, Copy, PartialEq)]
enum Glob {
    Char(char),
    One,
    Many,
}

fn glob(pattern: &str) -> Vec<Glob> {
    let mut out = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '*' => Glob::Many,
            '?' => Glob::One,
            '\\' => chars.next().map_or(Glob::Char('\\'), Glob::Char),
            c => Glob::Char(c),
        });
    }
    out
}

/// Lengths at which `pattern` matches a prefix of `text`: shortest, and longest.
fn prefix_match(pattern: &[Glob], text: &[char]) -> Option<(usize, usize)> {
    // Set of positions reachable after each element; each step is one pass over the text.
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for element in pattern {
        let mut next = vec![false; text.len() + 1];
        match element {
            Glob::Many => {
                let mut on = false;
                for (i, slot) in next.iter_mut().enumerate() {
                    on |= reach[i];
                    *slot = on;
                }
            }
            Glob::One | Glob::Char(_) => {
                for (i, c) in text.iter().enumerate() {
                    if reach[i] && (*element == Glob::One || *element == Glob::Char(*c)) {
                        next[i + 1] = true;
                    }
                }
            }
        }
        reach = next;
    }
    let shortest = reach.iter().position(|r| *r)?;
    let longest = reach.iter().rposition(|r| *r)?;
    Some((shortest, longest))
}

/// `${X#word}` and `${X%word}`; a doubled sign makes the match the longest. `None` when the value
/// is too long to match.
fn strip(word: &str, value: &str, prefix: bool) -> Option<String> {
    let sign = if prefix { '#' } else { '%' };
    let (pattern, longest) = match word.strip_prefix(sign) {
        Some(rest) => (rest, true),
        None => (word, false),
    };
    if value.len() > MATCHED || pattern.len() > 64 {
        return None;
    }
    let mut pattern = glob(pattern);
    let mut text: Vec<char> = value.chars().collect();
    if !prefix {
        pattern.reverse();
        text.reverse();
    }
    let cut = match prefix_match(&pattern, &text) {
        Some((short, long)) => {
            if longest {
                long
            } else {
                short
            }
        }
        None => 0,
    };
    let mut rest = text.split_off(cut);
    if !prefix {
        rest.reverse();
    }
    Some(rest.into_iter().collect())
}

/// `${X/pattern/replacement}`: longest match, first or all.
fn replace(pattern: &str, replacement: &str, value: &str, all: bool) -> Option<String> {
    if pattern.is_empty() || value.len() > EXPANDED_BY_REPLACEMENT {
        return None;
    }
    if !pattern.contains(['*', '?', '\\']) {
        let times = if all { usize::MAX } else { 1 };
        let grown = value.matches(pattern).take(times).count() * replacement.len();
        return (grown <= EXPANDED_BY_REPLACEMENT)
            .then(|| value.replacen(pattern, replacement, times));
    }
    let pattern = glob(pattern);
    // Every start is tried: cubic in the worst case, so the sizes are small ones.
    if value.len() > 64 || pattern.len() > 16 || replacement.len() > 64 {
        return None;
    }
    let text: Vec<char> = value.chars().collect();
    let mut out = String::new();
    let mut i = 0;
    let mut done = false;
    while i < text.len() {
        let found = if done { None } else { prefix_match(&pattern, &text[i..]) };
        match found {
            Some((_, length)) if length > 0 => {
                out.push_str(replacement);
                i += length;
                done = !all;
            }
            _ => {
                out.push(text[i]);
                i += 1;
            }
        }
    }
    Some(out)
}
