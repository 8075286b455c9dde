//! Expressions of Go, as far as they can say a length of time.

use super::super::lexer::Token;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Expression {
    Number(f64),
    /// `time.Second` and its like, in seconds.
    Unit(f64),
    Text(String),
    Name(String),
    /// `cfg.Delay`: the name before the last dot, and the one behind it.
    Member(String, String),
    Call(Box<Called>),
    Product(Box<Expression>, Box<Expression>),
    Sum(Box<Expression>, Box<Expression>),
    /// A function literal, by where it begins.
    Function(usize),
    Other,
}

/// `of.name(arguments)`
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Called {
    /// Empty without a dot, `)` behind another call.
    pub(in super::super) of: String,
    pub(in super::super) name: String,
    pub(in super::super) arguments: Vec<Expression>,
}

impl Expression {
    /// The last name of what it says: `Delay` of `cfg.Delay`.
    pub(in super::super) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) | Self::Member(_, name) => Some(name),
            Self::Call(call) => Some(&call.name),
            Self::Product(one, other) | Self::Sum(one, other) => one.name().or(other.name()),
            _ => None,
        }
    }
}

/// Levels of parentheses that are read.
const DEEPEST: usize = 12;

/// Arguments of a call that are read.
const MOST_ARGUMENTS: usize = 8;

/// Terms of a sum and factors of a product; more are no setting.
const MOST_TERMS: usize = 8;

/// Reads expressions out of the tokens of a file.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a, 't> {
    pub(super) tokens: &'a [Token<'t>],
    pub(super) lines: &'a [u32],
    /// Where each bracket that opens is closed; behind the last token where none does.
    pub(super) ends: &'a [usize],
    /// The name that the package `time` has.
    pub(super) time: &'a str,
}

impl<'a, 't> Reader<'a, 't> {
    pub(super) fn mark(&self, at: usize) -> Option<u8> {
        match self.tokens.get(at) {
            Some(Token::Mark(byte)) => Some(*byte),
            _ => None,
        }
    }

    pub(super) fn word(&self, at: usize) -> Option<&'t str> {
        match self.tokens.get(at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Whether a token is the first on its line.
    pub(super) fn is_first(&self, at: usize) -> bool {
        at == 0 || self.lines.get(at) != self.lines.get(at - 1)
    }

    /// The expression that begins at a token, and where it ends.
    pub(super) fn expression(&self, at: usize, end: usize) -> (Expression, usize) {
        self.sum(at, end.min(self.tokens.len()), 0)
    }

    /// An operator in the middle of a line: at its beginning a line begins a statement.
    fn operator(&self, at: usize, end: usize) -> Option<u8> {
        (at < end && !self.is_first(at)).then(|| self.mark(at)).flatten()
    }

    fn sum(&self, at: usize, end: usize, depth: usize) -> (Expression, usize) {
        let (mut value, mut at) = self.product(at, end, depth);
        for _ in 0..MOST_TERMS {
            match self.operator(at, end) {
                Some(b'+') if self.mark(at + 1) != Some(b'+') => {
                    let (other, next) = self.product(at + 1, end, depth);
                    value = Expression::Sum(Box::new(value), Box::new(other));
                    at = next;
                }
                // Of these nothing is known.
                Some(b'-' | b'/' | b'%' | b'<' | b'>' | b'=' | b'&' | b'|' | b'^' | b'!') => {
                    return (Expression::Other, at + 1);
                }
                _ => return (value, at),
            }
        }
        (Expression::Other, at)
    }

    fn product(&self, at: usize, end: usize, depth: usize) -> (Expression, usize) {
        let (mut value, mut at) = self.operand(at, end, depth);
        for _ in 0..MOST_TERMS {
            if self.operator(at, end) != Some(b'*') {
                return (value, at);
            }
            let (other, next) = self.operand(at + 1, end, depth);
            value = Expression::Product(Box::new(value), Box::new(other));
            at = next;
        }
        (Expression::Other, at)
    }

    fn operand(&self, mut at: usize, end: usize, depth: usize) -> (Expression, usize) {
        // What a flag points at, and where a value is to be put.
        while at < end && matches!(self.mark(at), Some(b'*' | b'&')) {
            at += 1;
        }
        if at >= end || depth > DEEPEST {
            return (Expression::Other, at.max(end));
        }
        match &self.tokens[at] {
            Token::Number(digits) => {
                let number = digits.replace('_', "").parse();
                (number.map_or(Expression::Other, Expression::Number), at + 1)
            }
            Token::Text(text) => (Expression::Text(text.clone()), at + 1),
            Token::Mark(b'(') => {
                let close = self.ends[at];
                (self.sum(at + 1, close.min(end), depth + 1).0, close + 1)
            }
            Token::Word("func") => (Expression::Function(at), at + 1),
            Token::Word(word) => self.path(at, word, end, depth),
            Token::Mark(_) | Token::Character => (Expression::Other, at + 1),
        }
    }

    /// `a`, `a.b.c`, `a.b(c).d`
    fn path(&self, at: usize, first: &str, end: usize, depth: usize) -> (Expression, usize) {
        let (mut of, mut name) = (String::new(), first.to_owned());
        let mut value = None;
        let mut at = at + 1;
        while at < end {
            if self.mark(at) == Some(b'.')
                && let Some(member) = self.word(at + 1)
            {
                of = if value.take().is_some() { ")".to_owned() } else { name };
                name = member.to_owned();
                at += 2;
            } else if self.mark(at) == Some(b'(') && !self.is_first(at) && value.is_none() {
                let close = self.ends[at].min(end);
                let arguments = self.arguments(at + 1, close, depth + 1);
                let (of, name) = (of.clone(), name.clone());
                value = Some(Expression::Call(Box::new(Called { of, name, arguments })));
                at = close + 1;
            } else if self.mark(at) == Some(b'[') && !self.is_first(at) {
                // One of many.
                return (Expression::Other, self.ends[at] + 1);
            } else {
                break;
            }
        }
        let unit = || (of == self.time).then(|| unit(&name)).flatten();
        let value = match value {
            Some(call) => call,
            None if of.is_empty() => Expression::Name(name),
            None => match unit() {
                Some(seconds) => Expression::Unit(seconds),
                None => Expression::Member(of, name),
            },
        };
        (value, at)
    }

    /// The arguments between two parentheses.
    pub(super) fn arguments(&self, from: usize, close: usize, depth: usize) -> Vec<Expression> {
        let mut arguments = Vec::new();
        let mut at = from;
        while at < close && arguments.len() < MOST_ARGUMENTS {
            let (value, next) = self.sum(at, close, depth);
            // What goes on is more than was read.
            let whole = next >= close || self.mark(next) == Some(b',');
            let kept = whole || matches!(value, Expression::Function(_));
            arguments.push(if kept { value } else { Expression::Other });
            at = next.max(at + 1);
            while at < close && self.mark(at) != Some(b',') {
                let opens = matches!(self.mark(at), Some(b'(' | b'[' | b'{'));
                at = if opens { self.ends[at].max(at) + 1 } else { at + 1 };
            }
            at += 1;
        }
        arguments
    }
}

fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "Nanosecond" => 1e-9,
        "Microsecond" => 1e-6,
        "Millisecond" => 1e-3,
        "Second" => 1.0,
        "Minute" => 60.0,
        "Hour" => 3600.0,
        _ => return None,
    })
}

/// Where each bracket that opens is closed. One of another kind closes nothing.
pub(super) fn ends(tokens: &[Token<'_>]) -> Vec<usize> {
    let mut ends = vec![tokens.len(); tokens.len()];
    let mut open: Vec<(usize, u8)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Mark(byte) = token else { continue };
        match byte {
            b'(' => open.push((at, b')')),
            b'[' => open.push((at, b']')),
            b'{' => open.push((at, b'}')),
            b')' | b']' | b'}' => {
                if open.last().is_some_and(|(_, wanted)| wanted == byte)
                    && let Some((start, _)) = open.pop()
                {
                    ends[start] = at;
                }
            }
            _ => {}
        }
    }
    ends
}
