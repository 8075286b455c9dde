//! Reading of conditions.

/// Longer conditions are not read.
pub(super) const MAX_BYTES: usize = 8 << 10;
/// Operators and calls of one condition.
const MAX_NODES: usize = 400;
/// Brackets and signs inside one another.
const MAX_DEPTH: usize = 40;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ast {
    Number(f64),
    Text(String),
    Bool(bool),
    Nil,
    /// `result`
    Result,
    /// `#`
    Item,
    /// Something that is read and not understood: a member, a function's value.
    Unknown,
    List(Vec<Ast>),
    Index(Box<Ast>, Box<Ast>),
    Not(Box<Ast>),
    Negative(Box<Ast>),
    Binary(Op, Box<Ast>, Box<Ast>),
    Choice(Box<Ast>, Box<Ast>, Box<Ast>),
    Call(String, Vec<Ast>),
}

impl Ast {
    /// Every node, the outer ones first.
    pub(super) fn walk<'a>(&'a self, see: &mut impl FnMut(&'a Ast)) {
        let mut open = vec![self];
        while let Some(node) = open.pop() {
            see(node);
            match node {
                Ast::List(items) | Ast::Call(_, items) => open.extend(items),
                Ast::Not(a) | Ast::Negative(a) => open.push(a),
                Ast::Index(a, b) | Ast::Binary(_, a, b) => open.extend([&**a, &**b]),
                Ast::Choice(a, b, c) => open.extend([&**a, &**b, &**c]),
                _ => {}
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    Coalesce,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    /// `in`, `contains`, `matches`, `%`, `**`, `..`: read and not understood.
    Other,
}

impl Op {
    /// True where this one is false.
    pub(super) fn opposite(self) -> Option<Op> {
        Some(match self {
            Op::Equal => Op::NotEqual,
            Op::NotEqual => Op::Equal,
            Op::Less => Op::GreaterEqual,
            Op::GreaterEqual => Op::Less,
            Op::Greater => Op::LessEqual,
            Op::LessEqual => Op::Greater,
            _ => return None,
        })
    }

    /// The same with its sides changed.
    pub(super) fn turned(self) -> Option<Op> {
        Some(match self {
            Op::Less => Op::Greater,
            Op::Greater => Op::Less,
            Op::LessEqual => Op::GreaterEqual,
            Op::GreaterEqual => Op::LessEqual,
            Op::Equal | Op::NotEqual => self,
            _ => return None,
        })
    }

    /// parser/operator of expr: higher binds closer.
    fn precedence(self) -> u8 {
        match self {
            Op::Or => 10,
            Op::And => 15,
            Op::Equal
            | Op::NotEqual
            | Op::Less
            | Op::LessEqual
            | Op::Greater
            | Op::GreaterEqual
            | Op::Other => 20,
            Op::Add | Op::Subtract => 30,
            Op::Multiply | Op::Divide => 60,
            Op::Coalesce => 100,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Word<'t> {
    Number(f64),
    Text(String),
    Name(&'t str),
    /// Operators and brackets.
    Mark(&'t str),
}

/// Two letters before one.
const MARKS: &[&str] = &[
    "||", "&&", "==", "!=", "<=", ">=", "??", "?.", "..", "**", "!", "<", ">", "+", "-", "*", "/",
    "%", "^", "(", ")", "[", "]", "{", "}", ",", "?", ":", "#", ".", "|", ";", "=",
];

fn words(text: &str) -> Option<Vec<Word<'_>>> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Some(found) };
        if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            let (number, tail) = number(rest)?;
            found.push(Word::Number(number));
            rest = tail;
        } else if first.is_ascii_alphabetic() || first == '_' || first == '$' {
            let end = rest[1..]
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .map_or(rest.len(), |n| n + 1);
            found.push(Word::Name(&rest[..end]));
            rest = &rest[end..];
        } else if matches!(first, '"' | '\'' | '`') {
            let (text, tail) = string(rest, first)?;
            found.push(Word::Text(text));
            rest = tail;
        } else {
            let mark = MARKS.iter().find(|mark| rest.starts_with(**mark))?;
            found.push(Word::Mark(mark));
            rest = &rest[mark.len()..];
        }
    }
}

fn number(rest: &str) -> Option<(f64, &str)> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        let exponent = matches!(bytes[at - 1], b'e' | b'E') && matches!(byte, b'+' | b'-');
        // `1..5` is a range.
        let range = byte == b'.' && bytes.get(at + 1) == Some(&b'.');
        if range || !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || exponent) {
            break;
        }
        at += 1;
    }
    let text = rest[..at].replace('_', "");
    Some((text.parse().ok()?, &rest[at..]))
}

fn string(rest: &str, quote: char) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((text, &rest[at + c.len_utf8()..]));
        }
        if c == '\\' && quote != '`' {
            // What an escape stands for matters to nobody here.
            text.push(chars.next()?.1);
        } else {
            text.push(c);
        }
    }
    None
}

pub(super) fn parse(text: &str) -> Option<Ast> {
    // An argument can be anything, an operator too.
    if text.len() > MAX_BYTES || text.contains("{{") {
        return None;
    }
    let words = words(text)?;
    let mut parser = Parser { words: &words, at: 0, nodes: 0 };
    let ast = parser.choice(0)?;
    (parser.at == words.len()).then_some(ast)
}

struct Parser<'w> {
    words: &'w [Word<'w>],
    at: usize,
    nodes: usize,
}

impl<'w> Parser<'w> {
    fn word(&self) -> Option<&'w Word<'w>> {
        self.words.get(self.at)
    }

    fn mark(&mut self, mark: &str) -> bool {
        let found = matches!(self.word(), Some(Word::Mark(found)) if *found == mark);
        self.at += usize::from(found);
        found
    }

    fn name(&mut self, name: &str) -> bool {
        let found = matches!(self.word(), Some(Word::Name(found)) if *found == name);
        self.at += usize::from(found);
        found
    }

    fn count(&mut self) -> Option<()> {
        self.nodes += 1;
        (self.nodes <= MAX_NODES).then_some(())
    }

    fn choice(&mut self, depth: usize) -> Option<Ast> {
        if depth > MAX_DEPTH {
            return None;
        }
        let test = self.binary(0, depth)?;
        if !self.mark("?") {
            return Some(test);
        }
        self.count()?;
        let yes = self.choice(depth + 1)?;
        if !self.mark(":") {
            return None;
        }
        let no = self.choice(depth + 1)?;
        Some(Ast::Choice(Box::new(test), Box::new(yes), Box::new(no)))
    }

    fn operator(&self) -> Option<(Op, usize)> {
        Some(match self.word()? {
            Word::Mark("||") | Word::Name("or") => (Op::Or, 1),
            Word::Mark("&&") | Word::Name("and") => (Op::And, 1),
            Word::Mark("??") => (Op::Coalesce, 1),
            Word::Mark("==") => (Op::Equal, 1),
            Word::Mark("!=") => (Op::NotEqual, 1),
            Word::Mark("<=") => (Op::LessEqual, 1),
            Word::Mark("<") => (Op::Less, 1),
            Word::Mark(">=") => (Op::GreaterEqual, 1),
            Word::Mark(">") => (Op::Greater, 1),
            Word::Mark("+") => (Op::Add, 1),
            Word::Mark("-") => (Op::Subtract, 1),
            Word::Mark("*") => (Op::Multiply, 1),
            Word::Mark("/") => (Op::Divide, 1),
            Word::Mark("%" | "**" | "^" | "..") => (Op::Other, 1),
            Word::Name("in" | "contains" | "matches" | "startsWith" | "endsWith") => (Op::Other, 1),
            Word::Name("not") if matches!(self.words.get(self.at + 1), Some(Word::Name("in"))) => {
                (Op::Other, 2)
            }
            _ => return None,
        })
    }

    /// Operators that bind at least as closely as `least`.
    fn binary(&mut self, least: u8, depth: usize) -> Option<Ast> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut left = self.unary(depth)?;
        while let Some((op, length)) = self.operator() {
            if op.precedence() < least {
                break;
            }
            self.count()?;
            self.at += length;
            let right = self.binary(op.precedence() + 1, depth + 1)?;
            left = Ast::Binary(op, Box::new(left), Box::new(right));
        }
        Some(left)
    }

    fn unary(&mut self, depth: usize) -> Option<Ast> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.count()?;
        if self.mark("!") {
            return Some(Ast::Not(Box::new(self.unary(depth + 1)?)));
        }
        // `not` binds less closely than a comparison.
        if self.name("not") {
            return Some(Ast::Not(Box::new(self.binary(50, depth + 1)?)));
        }
        if self.mark("-") {
            return Some(Ast::Negative(Box::new(self.unary(depth + 1)?)));
        }
        if self.mark("+") {
            return self.unary(depth + 1);
        }
        self.postfix(depth)
    }

    fn postfix(&mut self, depth: usize) -> Option<Ast> {
        let mut value = self.primary(depth)?;
        loop {
            self.count()?;
            if self.mark("[") {
                let index = self.choice(depth + 1)?;
                // `result[1:]` is a slice.
                if self.mark(":") {
                    if !self.mark("]") {
                        self.choice(depth + 1)?;
                        self.closing("]")?;
                    }
                    value = Ast::Unknown;
                    continue;
                }
                self.closing("]")?;
                value = Ast::Index(Box::new(value), Box::new(index));
            } else if self.mark(".") || self.mark("?.") {
                let Some(Word::Name(_)) = self.word() else { return None };
                self.at += 1;
                value = Ast::Unknown;
                if self.mark("(") {
                    self.arguments(depth)?;
                }
            } else {
                return Some(value);
            }
        }
    }

    fn closing(&mut self, mark: &str) -> Option<()> {
        self.mark(mark).then_some(())
    }

    fn primary(&mut self, depth: usize) -> Option<Ast> {
        let word = self.word()?;
        self.at += 1;
        Some(match word {
            Word::Number(n) => Ast::Number(*n),
            Word::Text(text) => Ast::Text(text.clone()),
            Word::Mark("(") => {
                let inner = self.choice(depth + 1)?;
                self.closing(")")?;
                inner
            }
            Word::Mark("[") => {
                let mut items = Vec::new();
                while !self.mark("]") {
                    self.count()?;
                    items.push(self.choice(depth + 1)?);
                    if !self.mark(",") {
                        self.closing("]")?;
                        break;
                    }
                }
                Ast::List(items)
            }
            // A predicate.
            Word::Mark("{") => {
                let inner = self.choice(depth + 1)?;
                self.closing("}")?;
                inner
            }
            Word::Mark("#") => match self.word() {
                // `#acc` and `#index`
                Some(Word::Name(_)) => {
                    self.at += 1;
                    Ast::Unknown
                }
                _ => Ast::Item,
            },
            // `.field` of the item of a predicate.
            Word::Mark(".") => {
                let Some(Word::Name(_)) = self.word() else { return None };
                self.at += 1;
                Ast::Unknown
            }
            Word::Name("true") => Ast::Bool(true),
            Word::Name("false") => Ast::Bool(false),
            Word::Name("nil") => Ast::Nil,
            Word::Name("result") => Ast::Result,
            Word::Name("let") => return None,
            Word::Name(name) => {
                if self.mark("(") {
                    Ast::Call((*name).to_owned(), self.arguments(depth)?)
                } else {
                    Ast::Unknown
                }
            }
            Word::Mark(_) => return None,
        })
    }

    /// From after `(` to after `)`.
    fn arguments(&mut self, depth: usize) -> Option<Vec<Ast>> {
        let mut args = Vec::new();
        while !self.mark(")") {
            self.count()?;
            args.push(self.choice(depth + 1)?);
            if !self.mark(",") {
                self.closing(")")?;
                break;
            }
        }
        Some(args)
    }
}
