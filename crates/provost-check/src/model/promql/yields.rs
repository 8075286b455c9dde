//! Whether a query gives anything, when some of its selectors give nothing.
//!
//! A vector beside one that is empty is empty (`VectorBinop` in promql/engine.go of Prometheus v3.5); `or` gives
//! what either side has; `vector` is always there. Of what is not known here nothing is said.
//!
//! Constraints: total, linear in the length of the query, no recursion.

use rustc_hash::FxHashMap;

use super::lex::{self, Kind, Token};
use super::{AGGREGATIONS, GROUPINGS, MAX_BYTES, Query, Selector};

/// What a query, or a part of it, comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// A number.
    Scalar,
    /// A vector without a sample.
    Empty,
    /// A vector with one at least.
    Some,
    /// Either of them.
    Unknown,
}

/// Brackets inside of each other.
const DEEPEST: usize = 1000;

/// Functions that give as many samples as their argument has, beside those that end in `_over_time`.
const PASSING: &[&str] = &[
    "abs",
    "ceil",
    "changes",
    "clamp",
    "clamp_max",
    "clamp_min",
    "delta",
    "deriv",
    "exp",
    "floor",
    "histogram_avg",
    "histogram_count",
    "histogram_fraction",
    "histogram_quantile",
    "histogram_sum",
    "idelta",
    "increase",
    "irate",
    "label_join",
    "label_replace",
    "ln",
    "log10",
    "log2",
    "predict_linear",
    "rate",
    "resets",
    "round",
    "sgn",
    "sort",
    "sort_desc",
    "sqrt",
    "timestamp",
];

/// What a query comes to where those selectors give nothing and all others something; unknown where it is not
/// understood.
pub fn yields(text: &str, query: &Query, is_empty: impl Fn(&Selector) -> bool) -> Yield {
    if text.len() > MAX_BYTES || !query.complete {
        return Yield::Unknown;
    }
    let tokens = lex::tokens(text);
    let selectors =
        query.selectors.iter().map(|selector| (selector.place.start, selector)).collect();
    let reader = Reader { text, tokens: &tokens, selectors, at: 0, frames: vec![Frame::default()] };
    reader.run(is_empty).unwrap_or(Yield::Unknown)
}

/// What stands between two brackets, as far as it was read.
#[derive(Default)]
struct Frame {
    /// The function or aggregation whose arguments they are; a mere bracket has none.
    call: Option<String>,
    arguments: Vec<Yield>,
    values: Vec<Yield>,
    operators: Vec<Operator>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Unless,
    /// Without `bool` it leaves out what it does not hold for.
    Compare {
        is_bool: bool,
    },
    Sum,
    Product,
    Power,
}

impl Operator {
    fn binds(self) -> u8 {
        match self {
            Self::Or => 0,
            Self::And | Self::Unless => 1,
            Self::Compare { .. } => 2,
            Self::Sum => 3,
            Self::Product => 4,
            Self::Power => 5,
        }
    }

    fn of(self, left: Yield, right: Yield) -> Yield {
        use Yield::{Empty, Scalar, Some, Unknown};
        match (self, left, right) {
            (Self::Or, Some, _) | (Self::Or, _, Some) => Some,
            (Self::Or, Empty, Empty) => Empty,
            (Self::Or, ..) => Unknown,
            (Self::And, Empty, _) | (Self::And, _, Empty) | (Self::Unless, Empty, _) => Empty,
            (Self::Unless, left, Empty) => left,
            (Self::And | Self::Unless, ..) => Unknown,
            (_, Scalar, Scalar) => Scalar,
            (_, Empty, _) | (_, _, Empty) => Empty,
            (Self::Compare { is_bool: false }, ..) | (_, Unknown, _) | (_, _, Unknown) => Unknown,
            _ => Some,
        }
    }
}

impl Frame {
    /// Ends an expression.
    fn reduce(&mut self, down_to: u8) -> Option<()> {
        while self.operators.last().is_some_and(|operator| operator.binds() >= down_to) {
            let operator = self.operators.pop()?;
            let (right, left) = (self.values.pop()?, self.values.pop()?);
            self.values.push(operator.of(left, right));
        }
        Some(())
    }

    fn argument(&mut self) -> Option<()> {
        self.reduce(0)?;
        let value = self.values.pop()?;
        self.arguments.push(value);
        self.values.is_empty().then_some(())
    }

    /// What a call, or a bracket, comes to.
    fn result(&self) -> Yield {
        let Some(call) = &self.call else {
            return self.arguments.first().copied().unwrap_or(Yield::Unknown);
        };
        let vectors = || self.arguments.iter().copied().filter(|value| *value != Yield::Scalar);
        match call.as_str() {
            "vector" => Yield::Some,
            "scalar" | "time" | "pi" => Yield::Scalar,
            "absent" | "absent_over_time" => match vectors().next() {
                Some(Yield::Empty) => Yield::Some,
                Some(Yield::Some) => Yield::Empty,
                _ => Yield::Unknown,
            },
            name if AGGREGATIONS.contains(&name)
                || PASSING.contains(&name)
                || name.ends_with("_over_time") =>
            {
                match vectors().next() {
                    Some(value) if vectors().count() == 1 => value,
                    _ => Yield::Unknown,
                }
            }
            _ => Yield::Unknown,
        }
    }
}

struct Reader<'q> {
    text: &'q str,
    tokens: &'q [Token],
    selectors: FxHashMap<usize, &'q Selector>,
    at: usize,
    frames: Vec<Frame>,
}

impl<'q> Reader<'q> {
    fn word(&self, at: usize) -> &'q str {
        let token = self.tokens.get(at);
        token.and_then(|token| self.text.get(token.place.clone())).unwrap_or_default()
    }

    fn opens(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Open(b'('))
    }

    /// Past `(a, b)`, where it stands there.
    fn skip_list(&mut self) -> Option<()> {
        if self.opens(self.at) {
            let rest = self.tokens.get(self.at..)?;
            self.at += rest.iter().position(|token| token.kind == Kind::Close(b')'))? + 1;
        }
        Some(())
    }

    /// `by (a)`, `without (a)`
    fn skip_grouping(&mut self) -> Option<()> {
        if ["by", "without"].iter().any(|word| self.word(self.at).eq_ignore_ascii_case(word)) {
            self.at += 1;
            self.skip_list()?;
        }
        Some(())
    }

    /// `[5m]`, `[30m:1m]`, `offset -5m`, `@ 160`, `@ start()`
    fn skip_modifiers(&mut self) -> Option<()> {
        loop {
            match self.tokens.get(self.at).map(|token| token.kind) {
                Some(Kind::Open(b'[')) => {
                    let rest = self.tokens.get(self.at..)?;
                    self.at += rest.iter().position(|token| token.kind == Kind::Close(b']'))? + 1;
                }
                Some(Kind::Operator) if self.word(self.at) == "@" => {
                    self.at += 2;
                    self.skip_list()?;
                }
                Some(Kind::Name) if self.word(self.at).eq_ignore_ascii_case("offset") => {
                    self.at += 1;
                    self.at += usize::from(matches!(self.word(self.at), "-" | "+"));
                    self.at += 1;
                }
                _ => return Some(()),
            }
        }
    }

    /// `bool`, `on (a)`, `ignoring (a)`, `group_left (a)` behind an operator; whether it is `bool`.
    fn skip_matching(&mut self) -> Option<bool> {
        let mut is_bool = false;
        loop {
            let word = self.word(self.at).to_ascii_lowercase();
            if word == "bool" {
                is_bool = true;
                self.at += 1;
            } else if GROUPINGS.contains(&word.as_str()) {
                self.at += 1;
                self.skip_list()?;
            } else {
                return Some(is_bool);
            }
        }
    }

    fn run(mut self, is_empty: impl Fn(&Selector) -> bool) -> Option<Yield> {
        // Whether a value comes next, rather than an operator.
        let mut value_next = true;
        while let Some(token) = self.tokens.get(self.at) {
            let word = self.word(self.at);
            let frame = self.frames.last_mut()?;
            if value_next {
                let selector = self.selectors.get(&token.place.start).copied();
                match token.kind {
                    _ if let Some(selector) = selector => {
                        let empty = is_empty(selector);
                        frame.values.push(if empty { Yield::Empty } else { Yield::Some });
                        while self
                            .tokens
                            .get(self.at)
                            .is_some_and(|t| t.place.start < selector.place.end)
                        {
                            self.at += 1;
                        }
                        self.skip_modifiers()?;
                        value_next = false;
                    }
                    Kind::Number | Kind::Text => {
                        frame.values.push(Yield::Scalar);
                        self.at += 1;
                        value_next = false;
                    }
                    Kind::Operator if matches!(word, "-" | "+") => self.at += 1,
                    Kind::Open(b'(') => {
                        self.frames.push(Frame::default());
                        self.at += 1;
                    }
                    // A call without arguments.
                    Kind::Close(b')') if frame.call.is_some() && frame.arguments.is_empty() => {
                        self.close()?;
                        value_next = false;
                    }
                    Kind::Name => {
                        let call = word.to_ascii_lowercase();
                        self.at += 1;
                        self.skip_grouping()?;
                        if !self.opens(self.at) {
                            return None;
                        }
                        self.at += 1;
                        self.frames.push(Frame { call: Some(call), ..Frame::default() });
                    }
                    _ => return None,
                }
                if self.frames.len() > DEEPEST {
                    return None;
                }
                continue;
            }
            match token.kind {
                Kind::Comma => {
                    frame.call.as_ref()?;
                    frame.argument()?;
                    self.at += 1;
                    value_next = true;
                }
                Kind::Close(b')') => {
                    frame.argument()?;
                    self.close()?;
                }
                Kind::Operator | Kind::Name => {
                    let mut operator = match word.to_ascii_lowercase().as_str() {
                        "or" => Operator::Or,
                        "and" => Operator::And,
                        "unless" => Operator::Unless,
                        "==" | "!=" | "<" | ">" | "<=" | ">=" => {
                            Operator::Compare { is_bool: false }
                        }
                        "+" | "-" => Operator::Sum,
                        "*" | "/" | "%" | "atan2" => Operator::Product,
                        "^" => Operator::Power,
                        _ => return None,
                    };
                    self.at += 1;
                    if self.skip_matching()? && matches!(operator, Operator::Compare { .. }) {
                        operator = Operator::Compare { is_bool: true };
                    }
                    let frame = self.frames.last_mut()?;
                    frame.reduce(operator.binds())?;
                    frame.operators.push(operator);
                    value_next = true;
                }
                _ => return None,
            }
        }
        let mut frame = self.frames.pop().filter(|_| self.frames.is_empty() && !value_next)?;
        frame.argument()?;
        frame.arguments.pop()
    }

    /// At the bracket that closes the innermost frame.
    fn close(&mut self) -> Option<()> {
        let closed = self.frames.pop()?;
        let value = closed.result();
        self.at += 1;
        if closed.call.is_some_and(|call| AGGREGATIONS.contains(&call.as_str())) {
            self.skip_grouping()?;
        }
        self.skip_modifiers()?;
        self.frames.last_mut()?.values.push(value);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::super::Query;
    use super::{Yield, yields};

    /// Where `err` and what ends in it give nothing.
    fn without_errors(text: &str) -> Yield {
        let query = Query::read(text);
        yields(text, &query, |selector| {
            selector.name.as_deref().is_some_and(|name| name.ends_with("err"))
        })
    }

    #[test]
    fn what_gives_nothing() {
        for text in [
            "err",
            "sum(rate(err{code=~\"5..\"}[2m])) / sum(rate(req[2m]))",
            "sum by (le) (rate(err[5m]))",
            "sum(err) by (pod) / on(pod) group_left(x) sum(req) by (pod)",
            "1 - (sum(err) / sum(req))",
            "100 * sum(err offset 5m) / 3",
            "-err ^ 2",
            "err or sum(err)",
            "req and err",
            "err unless req",
            "absent(req)",
            "histogram_quantile(0.99, sum by (le) (rate(err[5m])))",
            "max_over_time(rate(err[5m])[30m:1m])",
            "sum(err) > bool 0",
            "err > 5",
            "label_replace(err, \"a\", \"b\", \"c\", \"d\")",
            "(sum(err) or vector(0)) / sum(other_err)",
            "{__name__=\"err\", a=\"b\"}",
        ] {
            assert_eq!(without_errors(text), Yield::Empty, "{text}");
        }
    }

    #[test]
    fn what_gives_something() {
        for text in [
            "sum(rate(req[2m]))",
            "(sum(rate(err[2m])) or vector(0)) / sum(rate(req[2m]))",
            "sum(err) / sum(req) or vector(0)",
            "sum(err) / sum(req) OR on() vector(0)",
            "(sum(err) or on() (sum(req) * 0)) / sum(req)",
            "sum(req) unless err",
            "absent(err)",
            "vector(1) - (sum(req) / 2)",
            "err or req",
            "sum(req) > bool 0",
            "clamp_min(sum(req), 1)",
        ] {
            assert_eq!(without_errors(text), Yield::Some, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told() {
        for text in [
            "req > 5",
            "req and req",
            "keep_last_value(err)",
            "rate(err)[5m:] default 0",
            "sum(err) / {{args.all}}",
            "(",
            "sum(err",
            "err err",
            "",
        ] {
            assert_eq!(without_errors(text), Yield::Unknown, "{text}");
        }
        assert_eq!(without_errors("scalar(err) + time()"), Yield::Scalar);
        assert_eq!(without_errors(&"(".repeat(60_000)), Yield::Unknown);
        assert_eq!(without_errors(&"err+".repeat(15_000)), Yield::Unknown);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            without_errors(&text);
        }

        #[test]
        fn any_words_are_read(words in proptest::collection::vec(proptest::sample::select(
            vec!["err", "req", "sum", "rate", "(", ")", "[5m]", "{", "}", ",", " by (le) ", " or ", " unless ", "vector",
                 "1", " ", "{{args.a}}", "-", "/", ">", " bool ", " on(a) ", " offset ", "@"]), 0..40)) {
            without_errors(&words.concat());
        }
    }
}
