//! PromQL as far as selectors go: which metrics a query reads, by which labels, over which window.
//!
//! Constraints: total (any text gives an answer, with what could not be read said so), linear in
//! the length of the query, no recursion. The placeholders of Argo's templates (`{{args.name}}`)
//! are part of the language here, also where PromQL would refuse them: `[{{args.window}}]`. That is
//! why this is a reader of our own: `promql-parser` (0.11, Apache-2.0) refuses such queries, builds
//! its grammar with an LR generator of some forty crates, and drops a tree whose depth nothing
//! bounds.
//!
//! Source: promql/parser/lex.go and generated_parser.y of Prometheus v3.5.

pub mod calls;
mod known;
mod lex;
pub mod syntax;
#[cfg(test)]
mod tests;
pub mod yields;

use std::ops::Range;

pub use known::is_gauge;
pub use lex::{Kind, Token};

/// Functions that need two samples in their window (`funcRate` and its kin, promql/functions.go of Prometheus v3.5).
const OVER_TIME: &[&str] = &["rate", "irate", "increase", "delta", "idelta", "deriv"];

/// Longer queries are not read: one of a kilobyte is a page of text.
pub const MAX_BYTES: usize = 64 << 10;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl Op {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// `le="0.5"`
#[derive(Clone, Debug, PartialEq)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// How.
    pub op: Op,
    /// With what, after unescaping.
    pub value: String,
    /// Bytes of the whole matcher in the query.
    pub place: Range<usize>,
}

impl Matcher {
    /// The values it names, where it names whole ones: `a` of `="a"`, `a` and `b` of `=~"a|b"`.
    /// None where the expression is more than a list, or a placeholder fills it in.
    pub fn values(&self) -> Option<Vec<String>> {
        if self.value.contains("{{") || self.value.contains('$') {
            return None;
        }
        if matches!(self.op, Op::Equal | Op::NotEqual) {
            return Some(vec![self.value.clone()]);
        }
        let mut list = self.value.as_str();
        if let Some(inner) = list.strip_prefix('(').and_then(|l| l.strip_suffix(')')) {
            list = inner;
        }
        let unescaped = list.replace("\\.", ".");
        let whole = |text: &str| !text.bytes().any(|b| b"\\^$*+?()[]{}".contains(&b));
        // `+Inf` is no plain word and means itself nearly always.
        let plain = list.replace("\\.", "").replace("\\+", "").replace("+Inf", "Inf");
        // A dot that is not escaped matches any letter, and a dot.
        whole(&plain).then(|| unescaped.replace("\\+", "+").split('|').map(str::to_owned).collect())
    }
}

/// A metric with its labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// The metric; none where only labels, or a placeholder, say which.
    pub name: Option<String>,
    /// Labels.
    pub matchers: Vec<Matcher>,
    /// Seconds of the range, `[5m]`.
    pub window: Option<f64>,
    /// A range is written, whether or not it could be read.
    pub has_window: bool,
    /// The function it stands in directly, with nothing between: `rate` of `rate(a[5m])`.
    pub function: Option<String>,
    /// Bytes of name and labels in the query.
    pub place: Range<usize>,
}

impl Selector {
    /// The function it stands in, where that needs two samples.
    pub fn over_time(&self) -> Option<&str> {
        self.function.as_deref().filter(|function| OVER_TIME.contains(function))
    }
}

/// A query that was read.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Its selectors in order.
    pub selectors: Vec<Selector>,
    /// Everything could be read.
    pub complete: bool,
    /// Names of functions and aggregations that are called, lower case, in order.
    pub calls: Vec<String>,
    /// It divides one thing by another that is measured.
    pub divides: bool,
    /// `or vector(0)` outside of all parentheses: the value that is taken when there is no data,
    /// where it is written as a number, and its place.
    pub fallback: Option<(Option<f64>, Range<usize>)>,
    /// What the whole of it gives.
    pub shape: Shape,
}

/// How many series a query gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// One at most, as far as is known.
    One,
    /// As many as the grouping or the selector leaves.
    Several,
    /// Cannot be told.
    #[default]
    Unknown,
}

/// Functions that make one series out of many.
const AGGREGATIONS: &[&str] = &[
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
    "limitk",
    "limit_ratio",
];

/// Words that are no metrics where they stand between others.
const KEYWORDS: &[&str] = &["and", "or", "unless", "atan2", "offset", "bool"];

/// Words that are followed by a list of labels.
const GROUPINGS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

impl Query {
    /// Reads a query.
    pub fn read(text: &str) -> Self {
        if text.len() > MAX_BYTES {
            return Self::default();
        }
        let tokens = lex::tokens(text);
        let mut reader = Reader { text, tokens: &tokens, at: 0, query: Query::default() };
        reader.query.complete = tokens.iter().all(|token| token.kind != Kind::Broken);
        reader.run();
        let mut query = reader.query;
        query.divides = divides(text, &tokens);
        query.fallback = fallback(text, &tokens);
        query.shape = shape(text, &tokens, &query);
        query
    }

    /// Whether a function or aggregation is called.
    pub fn calls(&self, name: &str) -> bool {
        self.calls.iter().any(|call| call == name)
    }
}

struct Reader<'q> {
    text: &'q str,
    tokens: &'q [Token],
    at: usize,
    query: Query,
}

impl<'q> Reader<'q> {
    fn token(&self, ahead: usize) -> Option<&'q Token> {
        self.tokens.get(self.at + ahead)
    }

    fn word(&self, token: &Token) -> &'q str {
        self.text.get(token.place.clone()).unwrap_or_default()
    }

    fn is(&self, ahead: usize, kind: Kind) -> bool {
        self.token(ahead).is_some_and(|token| token.kind == kind)
    }

    fn run(&mut self) {
        while let Some(token) = self.token(0) {
            match token.kind {
                Kind::Name => self.name(token),
                Kind::Placeholder => self.placeholder(token),
                Kind::Open(b'{') => self.selector(None, self.at, token.place.start),
                Kind::Open(b'[') => self.skip_to(b']'),
                _ => self.at += 1,
            }
        }
    }

    fn name(&mut self, token: &Token) {
        let word = self.word(token);
        let lower = word.to_ascii_lowercase();
        let opens = self.is(1, Kind::Open(b'('));
        if GROUPINGS.contains(&lower.as_str()) {
            self.at += 1;
            if opens {
                self.skip_to(b')');
            }
            return;
        }
        if KEYWORDS.contains(&lower.as_str()) || matches!(lower.as_str(), "inf" | "nan") {
            self.at += 1;
            return;
        }
        let grouped = self.token(1).is_some_and(|next| {
            next.kind == Kind::Name
                && matches!(self.word(next).to_ascii_lowercase().as_str(), "by" | "without")
        });
        if opens || (grouped && AGGREGATIONS.contains(&lower.as_str())) {
            self.query.calls.push(lower);
            self.at += 1;
            return;
        }
        // `prefix_{{args.name}}` is one name, and nobody knows which.
        let touches = self.token(1).is_some_and(|next| {
            next.kind == Kind::Placeholder && next.place.start == token.place.end
        });
        if touches {
            self.at += 1;
            return self.placeholder(token);
        }
        let (start, name) = (self.at, word.to_owned());
        self.at += 1;
        self.selector(Some(name), start, token.place.start);
    }

    /// A metric, an operator or a number that an argument fills in.
    fn placeholder(&mut self, first: &Token) {
        let (start, from) = (self.at, first.place.start);
        self.at += 1;
        // The rest of the same name.
        let mut end = self.tokens.get(self.at - 1).map_or(from, |t| t.place.end);
        while let Some(next) = self.token(0) {
            let part = matches!(next.kind, Kind::Name | Kind::Placeholder);
            if !part || next.place.start != end {
                break;
            }
            end = next.place.end;
            self.at += 1;
        }
        if self.is(0, Kind::Open(b'{')) || self.is(0, Kind::Open(b'[')) {
            self.selector(None, start, from);
        }
    }

    /// Labels and window of a selector whose name, if any, was read.
    fn selector(&mut self, name: Option<String>, start: usize, from: usize) {
        let mut selector = Selector { name, ..Selector::default() };
        let mut end = self.at.checked_sub(1).and_then(|i| self.tokens.get(i));
        if self.is(0, Kind::Open(b'{')) {
            self.at += 1;
            self.matchers(&mut selector);
            end = self.at.checked_sub(1).and_then(|i| self.tokens.get(i));
        }
        selector.place = from..end.map_or(from, |token| token.place.end.max(from));
        if self.is(0, Kind::Open(b'[')) {
            selector.has_window = true;
            let closes = self.is(2, Kind::Close(b']'));
            selector.window = self
                .token(1)
                .filter(|token| token.kind == Kind::Number && closes)
                .and_then(|token| seconds(self.word(token)));
            self.skip_to(b']');
        }
        let before = |back: usize| start.checked_sub(back).and_then(|i| self.tokens.get(i));
        if before(1).is_some_and(|token| token.kind == Kind::Open(b'('))
            && let Some(call) = before(2).filter(|token| token.kind == Kind::Name)
        {
            selector.function = Some(self.word(call).to_ascii_lowercase());
        }
        self.query.selectors.push(selector);
    }

    /// From after `{` to after `}`.
    fn matchers(&mut self, selector: &mut Selector) {
        while let Some(token) = self.token(0) {
            self.at += 1;
            let label = match token.kind {
                Kind::Close(b'}') => return,
                Kind::Name => self.word(token).to_owned(),
                Kind::Text => lex::unquoted(self.word(token)),
                Kind::Comma => continue,
                _ => {
                    self.query.complete = false;
                    continue;
                }
            };
            let op = self.token(0).and_then(|token| match (token.kind, self.word(token)) {
                (Kind::Operator, "=") => Some(Op::Equal),
                (Kind::Operator, "!=") => Some(Op::NotEqual),
                (Kind::Operator, "=~") => Some(Op::Regex),
                (Kind::Operator, "!~") => Some(Op::NotRegex),
                _ => None,
            });
            let Some(op) = op else {
                // `{"metric"}`, since Prometheus 3.
                if token.kind == Kind::Text && selector.name.is_none() {
                    selector.name = Some(label);
                } else {
                    self.query.complete = false;
                }
                continue;
            };
            self.at += 1;
            let Some(value) = self.token(0) else { break };
            let text = match value.kind {
                Kind::Text => lex::unquoted(self.word(value)),
                Kind::Placeholder => self.word(value).to_owned(),
                _ => {
                    self.query.complete = false;
                    continue;
                }
            };
            self.at += 1;
            if label == "__name__" && op == Op::Equal && !text.contains("{{") {
                selector.name = Some(text);
                continue;
            }
            let place = token.place.start..value.place.end;
            selector.matchers.push(Matcher { label, op, value: text, place });
        }
        self.query.complete = false;
    }

    /// Past the bracket that closes what is open here.
    fn skip_to(&mut self, close: u8) {
        while let Some(token) = self.token(0) {
            self.at += 1;
            if token.kind == Kind::Close(close) {
                return;
            }
        }
        self.query.complete = false;
    }
}

/// Seconds of a duration of Prometheus: `1h30m`, `5m`, `7d`; a number alone is seconds.
pub fn seconds(text: &str) -> Option<f64> {
    if let Ok(plain) = text.parse::<f64>() {
        return (plain > 0.0 && plain.is_finite()).then_some(plain);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            "y" => 31_536_000.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * unit;
        rest = tail;
    }
    (total > 0.0).then_some(total)
}

/// Whether a `/` has something measured to its right: a division by a number cannot be by zero.
fn divides(text: &str, tokens: &[Token]) -> bool {
    let word = |token: &Token| text.get(token.place.clone()).unwrap_or_default();
    tokens.iter().enumerate().any(|(i, token)| {
        token.kind == Kind::Operator && word(token) == "/" && {
            // A number, a sign and brackets around them are no measurement.
            let right = tokens[i + 1..]
                .iter()
                .find(|next| !matches!(next.kind, Kind::Open(b'(')) && word(next) != "-");
            right.is_some_and(|next| {
                matches!(next.kind, Kind::Name | Kind::Open(b'{'))
                    && !matches!(
                        word(next).to_ascii_lowercase().as_str(),
                        "vector" | "scalar" | "time" | "clamp_min" | "inf"
                    )
            })
        }
    })
}

fn fallback(text: &str, tokens: &[Token]) -> Option<(Option<f64>, Range<usize>)> {
    let word = |token: &Token| text.get(token.place.clone()).unwrap_or_default();
    let (mut depth, mut i) = (0_usize, 0);
    while let Some(token) = tokens.get(i) {
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => depth = depth.saturating_sub(1),
            Kind::Name if depth == 0 && word(token).eq_ignore_ascii_case("or") => {
                let mut next = i + 1;
                // `or on() vector(0)`
                if tokens.get(next).is_some_and(|t| word(t) == "on") {
                    next += 3;
                }
                if tokens.get(next).is_some_and(|t| word(t) == "vector") {
                    let closes = |ahead: usize| {
                        tokens.get(next + ahead).filter(|t| t.kind == Kind::Close(b')'))
                    };
                    let value = tokens
                        .get(next + 2)
                        .filter(|_| closes(3).is_some())
                        .and_then(|t| word(t).parse().ok());
                    let end = closes(3).or_else(|| tokens.last()).map_or(0, |t| t.place.end);
                    return Some((value, token.place.start..end.max(token.place.start)));
                }
            }
            _ => {}
        }
        i += 1;
    }
    None
}

/// One series, or as many as there are. Only plain cases are told.
fn shape(text: &str, tokens: &[Token], query: &Query) -> Shape {
    let word =
        |token: &Token| text.get(token.place.clone()).unwrap_or_default().to_ascii_lowercase();
    let one = ["scalar", "vector", "absent", "absent_over_time", "topk", "bottomk"];
    let Some(first) = tokens.first() else { return Shape::Unknown };
    if !query.complete || query.selectors.is_empty() || one.iter().any(|name| query.calls(name)) {
        return Shape::Unknown;
    }
    if !query.calls.iter().any(|call| AGGREGATIONS.contains(&call.as_str())) {
        // A recording rule has been aggregated before; a pod or instance by name is one.
        let by_one = |selector: &Selector| {
            selector.name.as_ref().is_none_or(|name| name.contains(':'))
                || selector.matchers.iter().any(|matcher| {
                    matches!(matcher.label.as_str(), "pod" | "instance" | "pod_name")
                        && matcher.op == Op::Equal
                })
        };
        return if query.selectors.iter().any(by_one) { Shape::Unknown } else { Shape::Several };
    }
    // `sum by (pod) (...)` and `sum(...) by (pod)` as the whole of it.
    if first.kind != Kind::Name || !AGGREGATIONS.contains(&word(first).as_str()) {
        return Shape::Unknown;
    }
    let mut depth = 0_usize;
    let mut labels: Option<Vec<String>> = None;
    for (i, token) in tokens.iter().enumerate().skip(1) {
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => depth = depth.saturating_sub(1),
            // Anything else outside of brackets makes it more than one aggregation.
            Kind::Name if depth == 0 && labels.is_none() && word(token) == "by" => {
                let list =
                    tokens[i + 1..].iter().skip(1).take_while(|t| t.kind != Kind::Close(b')'));
                labels = Some(list.filter(|t| t.kind == Kind::Name).map(&word).collect());
            }
            _ if depth == 0 => return Shape::Unknown,
            _ => {}
        }
    }
    match labels {
        None => Shape::One,
        Some(labels) if labels.is_empty() => Shape::One,
        Some(_) => Shape::Several,
    }
}
