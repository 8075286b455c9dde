//! What the functions of a file do one after the other, as far as it takes time: what they wait for,
//! how long, and what they call. Everything else is left out.

use std::collections::BTreeMap;

use super::super::lexer::Token;
pub(in super::super) use super::expression::Expression;
use super::expression::{Called, Reader, ends};

/// Blocks in each other that are read; the rest of a deeper file is passed over.
pub(super) const DEEPEST: usize = 40;

/// Events that are kept of a file.
const MOST_EVENTS: usize = 50_000;

/// Subcommands that are kept of a file.
const MOST_SUBCOMMANDS: usize = 256;

/// Tokens of a condition, of what a function returns and of a field: whoever writes more has no such thing in mind.
pub(super) const LONGEST_HEAD: usize = 256;

/// When a call or a function literal runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum When {
    Here,
    /// `go f()`
    Beside,
    /// `defer f()`
    AtTheEnd,
    /// It is an argument: whoever gets it decides.
    Passed,
}

/// One thing that a function does.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Event {
    /// `<-x`, `range x`
    Receive {
        of: Expression,
        ranges: bool,
        line: u32,
    },
    Call {
        call: Called,
        when: When,
        line: u32,
    },
    /// A function literal, by where it begins; for one that is passed what it is passed to.
    Function {
        at: usize,
        when: When,
        to: Option<Box<Called>>,
        line: u32,
    },
    /// `if` and `switch`: one of these, or none when that is possible.
    Either {
        branches: Vec<Vec<Event>>,
        or_none: bool,
    },
    /// `select`
    Select(Vec<Vec<Event>>),
    Repeated(Vec<Event>),
    /// `return`
    Leave,
    /// `panic`, `os.Exit`, `log.Fatal`
    Exit,
}

/// A function, or a literal of one.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Function {
    /// Empty for a literal.
    pub(in super::super) name: String,
    pub(in super::super) is_method: bool,
    /// Where it begins, which is how a literal is known.
    pub(in super::super) at: usize,
    pub(in super::super) parameters: Vec<String>,
    pub(in super::super) events: Vec<Event>,
    /// The function that a literal stands in.
    pub(in super::super) around: Option<usize>,
}

/// `name = value`
#[derive(Clone, Debug)]
pub(in super::super) struct Binding {
    pub(in super::super) name: String,
    pub(in super::super) value: Expression,
    pub(in super::super) place: Place,
    /// The function in which it is set.
    pub(in super::super) inside: Option<usize>,
}

/// Whose name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Place {
    Package,
    /// A function's, by its number.
    Function(usize),
    /// A field of something.
    Field,
}

/// `cobra.Command{Use: "serve", RunE: run}`
#[derive(Clone, Debug)]
pub(in super::super) struct Subcommand {
    /// The first word of `Use`.
    pub(in super::super) name: String,
    /// `Run` or `RunE`.
    pub(in super::super) runs: Option<Expression>,
    /// The variable that it becomes.
    pub(in super::super) variable: Option<String>,
    /// The function in which it is made.
    pub(in super::super) inside: Option<usize>,
}

/// What a file says of that.
#[derive(Debug, Default)]
pub(in super::super) struct Flow {
    pub(in super::super) functions: Vec<Function>,
    pub(in super::super) bindings: Vec<Binding>,
    pub(in super::super) subcommands: Vec<Subcommand>,
}

/// Reads the tokens of a file behind its imports.
pub(in super::super) fn read(
    tokens: &[Token<'_>],
    lines: &[u32],
    imports: &BTreeMap<String, String>,
) -> Flow {
    let ends = ends(tokens);
    let time = imports.get("time").map_or("time", String::as_str);
    let read = Reader { tokens, lines, ends: &ends, time };
    let cobra = imports.get("github.com/spf13/cobra").map_or("", String::as_str);
    let mut walk = Walk {
        read,
        cobra,
        flow: Flow::default(),
        when: BTreeMap::new(),
        owners: BTreeMap::new(),
        events: 0,
    };
    walk.statements(0, tokens.len(), None, 0);
    walk.flow
}

/// A walk over the tokens of a file.
pub(super) struct Walk<'a, 't> {
    pub(super) read: Reader<'a, 't>,
    pub(super) flow: Flow,
    /// The name that the package has; empty when it is not imported.
    cobra: &'a str,
    /// For `go` and `defer`, where the name of the function or its literal stands.
    when: BTreeMap<usize, When>,
    /// The functions that have a variable of a name.
    pub(super) owners: BTreeMap<String, Vec<usize>>,
    events: usize,
}

impl Walk<'_, '_> {
    fn line(&self, at: usize) -> u32 {
        self.read.lines.get(at).copied().unwrap_or_default()
    }

    /// What happens between two tokens. `inside` is the function they are in.
    fn statements(
        &mut self,
        from: usize,
        to: usize,
        inside: Option<usize>,
        depth: usize,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let to = to.min(self.read.tokens.len());
        let mut at = from;
        if depth > DEEPEST {
            return events;
        }
        let tokens = self.read.tokens;
        while at < to && self.events < MOST_EVENTS {
            at = match &tokens[at] {
                Token::Word("func") => self.function(at, to, inside, depth, &mut events),
                Token::Word("if") => self.condition(at, to, inside, depth, &mut events),
                Token::Word("for") => match self.block(at + 1, to) {
                    Some(open) => {
                        events.extend(self.statements(at + 1, open, inside, depth + 1));
                        let close = self.read.ends[open];
                        let body = self.statements(open + 1, close, inside, depth + 1);
                        events.push(Event::Repeated(body));
                        close + 1
                    }
                    None => at + 1,
                },
                Token::Word("switch" | "select") => match self.block(at + 1, to) {
                    Some(open) => self.cases(at, open, inside, depth, &mut events),
                    None => at + 1,
                },
                Token::Word("range") => {
                    let of = self.read.expression(at + 1, to).0;
                    events.push(Event::Receive { of, ranges: true, line: self.line(at) });
                    at + 1
                }
                Token::Word(how @ ("go" | "defer")) => {
                    let when = if *how == "go" { When::Beside } else { When::AtTheEnd };
                    if let Some(name) = self.called(at + 1) {
                        self.when.insert(name, when);
                    }
                    at + 1
                }
                Token::Word("return") => {
                    let end = self.end_of_statement(at + 1, to);
                    events.extend(self.statements(at + 1, end, inside, depth + 1));
                    events.push(Event::Leave);
                    end
                }
                Token::Word(word) => self.named(at, word, to, inside, depth, &mut events),
                Token::Mark(b'<') if self.is_receive(at) => {
                    let of = self.read.expression(at + 2, to).0;
                    events.push(Event::Receive { of, ranges: false, line: self.line(at) });
                    at + 2
                }
                Token::Mark(b'=') => {
                    self.assignment(at, to, inside);
                    at + 1
                }
                Token::Text(tag) if tag.contains(":\"") => {
                    self.tag(at, tag);
                    at + 1
                }
                _ => at + 1,
            };
        }
        self.events += events.len();
        events
    }

    /// A word that is no keyword: a call, a key, or a name.
    fn named(
        &mut self,
        at: usize,
        word: &str,
        to: usize,
        inside: Option<usize>,
        depth: usize,
        events: &mut Vec<Event>,
    ) -> usize {
        if at + 1 < to
            && self.read.mark(at + 1) == Some(b':')
            && self.read.mark(at + 2) != Some(b'=')
            && (self.read.is_first(at) || matches!(self.read.mark(at - 1), Some(b'{' | b',')))
        {
            let value = self.read.expression(at + 2, to).0;
            self.bind(word, value, Place::Field, inside);
            return at + 1;
        }
        if word == "Command" && !self.cobra.is_empty() {
            self.subcommand(at, inside);
        }
        if self.read.mark(at + 1) != Some(b'(') || self.read.is_first(at + 1) {
            return at + 1;
        }
        let close = self.read.ends[at + 1].min(to);
        let of = match at.checked_sub(1).and_then(|dot| self.read.mark(dot)) {
            Some(b'.') => at.checked_sub(2).and_then(|of| self.read.word(of)).unwrap_or(")"),
            _ => "",
        };
        let call = Called {
            of: of.to_owned(),
            name: word.to_owned(),
            arguments: self.read.arguments(at + 2, close, 0),
        };
        let mut inner = self.statements(at + 2, close, inside, depth + 1);
        for event in &mut inner {
            if let Event::Function { when: When::Passed, to, .. } = event {
                *to = Some(Box::new(call.clone()));
            }
        }
        events.extend(inner);
        self.flag(&call, inside);
        let when = self.when.remove(&at).unwrap_or(When::Here);
        let leaves = matches!((of, word), ("os", "Exit") | ("", "panic"))
            || (matches!(word, "Fatal" | "Fatalf" | "Fatalln") && of != ")");
        if leaves && when == When::Here {
            events.push(Event::Exit);
        } else {
            events.push(Event::Call { call, when, line: self.line(at) });
        }
        close + 1
    }

    /// `name = &cobra.Command{...}`
    fn subcommand(&mut self, at: usize, inside: Option<usize>) {
        let read = self.read;
        let Some(start) = at.checked_sub(2).filter(|start| read.word(*start) == Some(self.cobra))
        else {
            return;
        };
        if read.mark(at - 1) != Some(b'.') || read.mark(at + 1) != Some(b'{') {
            return;
        }
        let close = read.ends[at + 1].min(read.tokens.len());
        let (mut name, mut runs) = (String::new(), None);
        let mut key = at + 2;
        while key + 1 < close {
            if read.mark(key + 1) == Some(b':') {
                let value = read.expression(key + 2, close).0;
                match (read.word(key), value) {
                    (Some("Use"), Expression::Text(text)) => {
                        text.split_whitespace().next().unwrap_or_default().clone_into(&mut name);
                    }
                    (Some("Run" | "RunE"), value) => runs = Some(value),
                    _ => {}
                }
            }
            key = self.find(key, close, |walk, at| walk.read.mark(at) == Some(b',')) + 1;
        }
        // Back over `&` and `=` or `:=`.
        let mut back = start.saturating_sub(1);
        let mut step = |mark: u8| {
            let is = read.mark(back) == Some(mark);
            back -= usize::from(is && back > 0);
            is
        };
        let (_, assigned) = (step(b'&'), step(b'='));
        step(b':');
        let variable = read.word(back).filter(|_| assigned).map(str::to_owned);
        if self.flow.subcommands.len() < MOST_SUBCOMMANDS {
            self.flow.subcommands.push(Subcommand { name, runs, variable, inside });
        }
    }

    /// `if ... { } else if ... { } else { }`
    fn condition(
        &mut self,
        at: usize,
        to: usize,
        inside: Option<usize>,
        depth: usize,
        events: &mut Vec<Event>,
    ) -> usize {
        let mut branches = Vec::new();
        let mut or_none = true;
        let mut at = at;
        while self.read.word(at) == Some("if")
            && let Some(open) = self.block(at + 1, to)
        {
            // What later conditions do is done by each branch behind them; it takes no time mostly.
            events.extend(self.statements(at + 1, open, inside, depth + 1));
            let close = self.read.ends[open];
            branches.push(self.statements(open + 1, close, inside, depth + 1));
            at = close + 1;
            if self.read.word(at) != Some("else") {
                break;
            }
            at += 1;
            if self.read.mark(at) == Some(b'{') {
                let close = self.read.ends[at];
                branches.push(self.statements(at + 1, close, inside, depth + 1));
                or_none = false;
                at = close + 1;
                break;
            }
        }
        if branches.is_empty() {
            return at + 1;
        }
        events.push(Event::Either { branches, or_none });
        at
    }

    /// `switch` and `select`.
    fn cases(
        &mut self,
        at: usize,
        open: usize,
        inside: Option<usize>,
        depth: usize,
        events: &mut Vec<Event>,
    ) -> usize {
        events.extend(self.statements(at + 1, open, inside, depth + 1));
        let close = self.read.ends[open].min(self.read.tokens.len());
        let mut branches = Vec::new();
        let mut has_default = false;
        let mut at_case = open + 1;
        while at_case < close {
            let colon = self.find(at_case, close, |walk, at| {
                walk.read.mark(at) == Some(b':') && walk.read.mark(at + 1) != Some(b'=')
            });
            let next = self.find(colon + 1, close, |walk, at| {
                matches!(walk.read.word(at), Some("case" | "default"))
            });
            has_default |= self.read.word(at_case) == Some("default");
            let mut branch = self.statements(at_case + 1, colon, inside, depth + 1);
            branch.extend(self.statements(colon + 1, next, inside, depth + 1));
            branches.push(branch);
            at_case = next.max(at_case + 1);
        }
        events.push(match self.read.word(at) {
            // With a default nothing is waited for.
            Some("select") if !has_default => Event::Select(branches),
            _ => Event::Either { branches, or_none: !has_default },
        });
        close + 1
    }

    /// The first token of a kind that is not within brackets; the end when there is none.
    fn find(&self, from: usize, to: usize, is: impl Fn(&Self, usize) -> bool) -> usize {
        let mut at = from;
        while at < to {
            if is(self, at) {
                return at;
            }
            let opens = matches!(self.read.mark(at), Some(b'(' | b'[' | b'{'));
            at = if opens { self.read.ends[at].max(at) + 1 } else { at + 1 };
        }
        to
    }

    /// Where the block of `if`, `for`, `switch` and `select` opens.
    fn block(&self, from: usize, to: usize) -> Option<usize> {
        let mut at = from;
        let to = to.min(from + LONGEST_HEAD);
        while at < to {
            match &self.read.tokens[at] {
                Token::Mark(b'{') => return Some(at),
                Token::Mark(b'(' | b'[') => at = self.read.ends[at].max(at) + 1,
                Token::Word("func") => {
                    let (_, body) = self.signature(at + 1);
                    at = body.map_or(at + 1, |open| self.read.ends[open].max(open) + 1);
                }
                Token::Word("struct" | "interface") if self.read.mark(at + 1) == Some(b'{') => {
                    at = self.read.ends[at + 1].max(at) + 1;
                }
                _ => at += 1,
            }
        }
        None
    }

    /// Where the line ends, brackets that it opens included.
    fn end_of_statement(&self, from: usize, to: usize) -> usize {
        let mut at = from;
        while at < to && !self.read.is_first(at) && self.read.mark(at) != Some(b'}') {
            at = match &self.read.tokens[at] {
                Token::Mark(b'(' | b'[' | b'{') => self.read.ends[at].max(at) + 1,
                _ => at + 1,
            };
        }
        at.min(to)
    }

    /// `a.b.c` in front of a parenthesis: where `c` stands, or `func`.
    fn called(&self, from: usize) -> Option<usize> {
        let mut at = from;
        if self.read.word(at) == Some("func") {
            return Some(at);
        }
        self.read.word(at)?;
        while self.read.mark(at + 1) == Some(b'.') && self.read.word(at + 2).is_some() {
            at += 2;
        }
        (self.read.mark(at + 1) == Some(b'(')).then_some(at)
    }

    /// Whether `<-` takes something, rather than puts something in.
    fn is_receive(&self, at: usize) -> bool {
        if self.read.mark(at + 1) != Some(b'-') {
            return false;
        }
        if self.read.is_first(at) {
            return true;
        }
        match &self.read.tokens[at - 1] {
            Token::Mark(byte) => !matches!(byte, b')' | b']' | b'}'),
            Token::Word(word) => matches!(*word, "case" | "return" | "range" | "go" | "defer"),
            Token::Text(_) | Token::Number(_) | Token::Character => false,
        }
    }

    /// A declaration or a literal; where the rest begins.
    fn function(
        &mut self,
        at: usize,
        to: usize,
        inside: Option<usize>,
        depth: usize,
        events: &mut Vec<Event>,
    ) -> usize {
        let read = self.read;
        let mut from = at + 1;
        let mut function = Function { at, around: inside, ..Function::default() };
        let declares = inside.is_none() && read.is_first(at);
        if declares && read.mark(from) == Some(b'(') {
            let after = read.ends[from] + 1;
            if let Some(name) = read.word(after) {
                name.clone_into(&mut function.name);
                function.is_method = true;
                from = after + 1;
            }
        } else if declares && let Some(name) = read.word(from) {
            name.clone_into(&mut function.name);
            from += 1;
        }
        // Type parameters.
        if read.mark(from) == Some(b'[') {
            from = read.ends[from] + 1;
        }
        let (parameters, body) = self.signature(from);
        let Some(open) = body.filter(|open| *open < to) else { return at + 1 };
        function.parameters = parameters;
        let is_literal = function.name.is_empty();
        let number = self.flow.functions.len();
        self.flow.functions.push(function);
        let close = read.ends[open].min(to);
        let body = self.statements(open + 1, close, Some(number), depth + 1);
        self.flow.functions[number].events = body;
        if is_literal && inside.is_some() {
            let is_called = read.mark(close + 1) == Some(b'(') && !read.is_first(close + 1);
            let how = self.when.remove(&at).unwrap_or(When::Here);
            let when = if is_called { how } else { When::Passed };
            events.push(Event::Function { at, when, to: None, line: self.line(at) });
        }
        close + 1
    }

    /// The names of the parameters, and where the body opens if there is one.
    fn signature(&self, from: usize) -> (Vec<String>, Option<usize>) {
        let read = self.read;
        if read.mark(from) != Some(b'(') {
            return (Vec::new(), None);
        }
        let close = read.ends[from];
        let mut names = Vec::new();
        let mut at = from + 1;
        while at < close && names.len() < 16 {
            names.push(read.word(at).unwrap_or_default().to_owned());
            at = self.find(at, close, |walk, at| walk.read.mark(at) == Some(b',')) + 1;
        }
        let mut at = close + 1;
        // What the function returns.
        while at < close + LONGEST_HEAD {
            match (read.tokens.get(at), read.word(at)) {
                (Some(Token::Mark(b'{')), _) => {
                    return (names, (!read.is_first(at)).then_some(at));
                }
                (Some(Token::Mark(b'(' | b'[')), _) if !read.is_first(at) => {
                    at = read.ends[at] + 1;
                }
                (_, Some("struct" | "interface")) if read.mark(at + 1) == Some(b'{') => {
                    at = read.ends[at + 1] + 1;
                }
                (Some(Token::Mark(b'*' | b'.' | b'<' | b'-')) | Some(Token::Word(_)), _)
                    if !read.is_first(at) =>
                {
                    at += 1;
                }
                _ => break,
            }
        }
        (names, None)
    }
}
