//! The calls of a query, with what stands between their brackets: as much of its structure as its meaning needs.
//!
//! Constraints: total, linear in the length of the query, no recursion.

use std::ops::Range;

use super::lex::{self, Kind, Token};
use super::{AGGREGATIONS, GROUPINGS, KEYWORDS, MAX_BYTES};

/// A function or aggregation with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Lower case.
    pub name: String,
    /// Bytes from its name to the bracket that closes it.
    pub place: Range<usize>,
    /// Bytes of each argument.
    pub arguments: Vec<Range<usize>>,
    /// `by (le)`, `without (pod)`; none where nothing is written.
    pub grouping: Option<Grouping>,
    /// Words of each argument.
    words: Vec<Range<usize>>,
    /// Words of all of it, with its grouping.
    whole: Range<usize>,
}

/// By which labels an aggregation groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// `by`; else `without`.
    pub by: bool,
    /// The labels.
    pub labels: Vec<String>,
    /// A placeholder fills in more of them.
    pub open: bool,
}

/// The calls of a query, in the order in which they close.
#[derive(Debug)]
pub struct Calls<'q> {
    text: &'q str,
    tokens: Vec<Token>,
    calls: Vec<Call>,
}

/// A call whose bracket is open, or a bracket of another kind.
struct Open {
    call: Option<Call>,
    /// Where the argument begins.
    from: usize,
}

/// Aggregations of which only labels of the grouping are left.
const LOSING: &[&str] = &["sum", "avg", "min", "max", "group", "count", "stddev", "stdvar"];

/// Functions that leave the labels of their argument as they are, but for the name.
const KEEPING: &[&str] = &["rate", "irate", "increase", "delta", "idelta"];

/// Calls and brackets inside of each other that are looked through.
const DEEPEST: usize = 32;

/// Labels by which the buckets of a histogram are told apart: of Prometheus, of VictoriaMetrics.
const BOUNDS: &[&str] = &["le", "vmrange"];

impl<'q> Calls<'q> {
    /// Reads the calls; none of a text that is too long.
    pub fn read(text: &'q str) -> Self {
        let tokens = if text.len() > MAX_BYTES { Vec::new() } else { lex::tokens(text) };
        let mut read = Self { text, tokens, calls: Vec::new() };
        let mut open: Vec<Open> = Vec::new();
        let mut at = 0;
        while let Some(token) = read.tokens.get(at) {
            match token.kind {
                Kind::Name => {
                    let (call, next) = read.begins(at);
                    if let Some(call) = call {
                        open.push(Open { call: Some(call), from: next });
                    }
                    at = next;
                    continue;
                }
                Kind::Open(_) => open.push(Open { call: None, from: at + 1 }),
                Kind::Comma => {
                    if let Some(Open { call: Some(call), from }) = open.last_mut() {
                        call.words.push(*from..at);
                        *from = at + 1;
                    }
                }
                Kind::Close(_) => {
                    if let Some(Open { call: Some(mut call), from }) = open.pop() {
                        if from < at {
                            call.words.push(from..at);
                        }
                        call.place.end = token.place.end;
                        at = read.ends(&mut call, at + 1);
                        call.arguments =
                            call.words.iter().map(|words| read.bytes(words.clone())).collect();
                        read.calls.push(call);
                        continue;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        read
    }

    /// All of them.
    pub fn all(&self) -> &[Call] {
        &self.calls
    }

    /// The number that an argument is, where it is one as it is written.
    pub fn number(&self, call: &Call, argument: usize) -> Option<f64> {
        let words = call.words.get(argument)?;
        let (sign, number) = match self.tokens.get(words.clone())? {
            [number] => (1.0, number),
            [sign, number] if self.word(sign) == "-" => (-1.0, number),
            _ => return None,
        };
        let number = Some(number).filter(|token| token.kind == Kind::Number)?;
        self.word(number).parse::<f64>().ok().map(|number| sign * number)
    }

    /// The aggregation for whose sake an argument has no label by which buckets are told apart, where it is nothing
    /// but aggregations and rates of one selector.
    pub fn loses_buckets(&self, call: &Call, argument: usize) -> Option<&Call> {
        let mut words = call.words.get(argument)?.clone();
        for _ in 0..DEEPEST {
            words = self.unwrapped(words);
            let inner = self.whole(&words)?;
            if LOSING.contains(&inner.name.as_str()) {
                let lost = inner.grouping.as_ref().is_none_or(Grouping::loses_buckets);
                if lost {
                    return Some(inner);
                }
            } else if !KEEPING.contains(&inner.name.as_str()) {
                return None;
            }
            let [only] = inner.words.as_slice() else { return None };
            words = only.clone();
        }
        None
    }

    /// The call that those words are.
    fn whole(&self, words: &Range<usize>) -> Option<&Call> {
        // Calls stand in the order in which they close, and so, at one end, from the inside out.
        let to = self.calls.partition_point(|call| call.whole.end <= words.end);
        let ending = self.calls.get(..to)?.iter().rev();
        ending
            .take_while(|call| call.whole.end == words.end)
            .find(|call| call.whole.start == words.start)
    }

    /// Without brackets around all of it.
    fn unwrapped(&self, mut words: Range<usize>) -> Range<usize> {
        for _ in 0..DEEPEST {
            let Some([first, between @ .., last]) = self.tokens.get(words.clone()) else { break };
            let wraps = first.kind == Kind::Open(b'(') && last.kind == Kind::Close(b')');
            if !wraps || !closes_nothing(between) {
                break;
            }
            words = words.start + 1..words.end - 1;
        }
        words
    }

    /// A call that begins with the word there, and the word behind its bracket; else the next word.
    fn begins(&self, at: usize) -> (Option<Call>, usize) {
        let name = self.lower(at);
        let is_open = |at: usize| self.tokens.get(at).is_some_and(|t| t.kind == Kind::Open(b'('));
        if GROUPINGS.contains(&name.as_str()) || KEYWORDS.contains(&name.as_str()) {
            return (None, at + 1);
        }
        let mut next = at + 1;
        let mut grouping = None;
        if AGGREGATIONS.contains(&name.as_str())
            && let Some((read, behind)) = self.grouping(next)
        {
            (grouping, next) = (Some(read), behind);
        }
        if !is_open(next) {
            return (None, at + 1);
        }
        let start = self.tokens.get(at).map_or(0, |token| token.place.start);
        let call = Call {
            name,
            place: start..start,
            arguments: Vec::new(),
            grouping,
            words: Vec::new(),
            whole: at..next,
        };
        (Some(call), next + 1)
    }

    /// What stands behind the bracket that closes a call.
    fn ends(&self, call: &mut Call, behind: usize) -> usize {
        let mut end = behind;
        if AGGREGATIONS.contains(&call.name.as_str())
            && call.grouping.is_none()
            && let Some((read, next)) = self.grouping(behind)
        {
            (call.grouping, end) = (Some(read), next);
        }
        call.whole.end = end;
        end
    }

    /// `by (a, b)` there, and what stands behind it.
    fn grouping(&self, at: usize) -> Option<(Grouping, usize)> {
        let by = match self.lower(at).as_str() {
            "by" => true,
            "without" => false,
            _ => return None,
        };
        self.tokens.get(at + 1).filter(|token| token.kind == Kind::Open(b'('))?;
        let rest = self.tokens.get(at + 2..)?;
        let length = rest.iter().position(|token| token.kind == Kind::Close(b')'))?;
        let inside = &rest[..length];
        let labels = inside.iter().filter(|token| token.kind == Kind::Name);
        let labels = labels.map(|token| self.word(token).to_owned()).collect();
        let open = inside.iter().any(|token| !matches!(token.kind, Kind::Name | Kind::Comma));
        Some((Grouping { by, labels, open }, at + 2 + length + 1))
    }

    fn bytes(&self, words: Range<usize>) -> Range<usize> {
        match self.tokens.get(words) {
            Some([only]) => only.place.clone(),
            Some([first, .., last]) => first.place.start..last.place.end,
            _ => 0..0,
        }
    }

    fn word(&self, token: &Token) -> &'q str {
        self.text.get(token.place.clone()).unwrap_or_default()
    }

    fn lower(&self, at: usize) -> String {
        let token = self.tokens.get(at).filter(|token| token.kind == Kind::Name);
        token.map_or_else(String::new, |token| self.word(token).to_ascii_lowercase())
    }
}

impl Grouping {
    fn loses_buckets(&self) -> bool {
        let named = self.labels.iter().any(|label| BOUNDS.contains(&label.as_str()));
        if self.by { !named && !self.open } else { named }
    }
}

/// Whether each bracket that closes among the words was opened among them.
fn closes_nothing(words: &[Token]) -> bool {
    let mut depth = 0_usize;
    for token in words {
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::Calls;

    /// Name and arguments of each call.
    fn shown(text: &str) -> Vec<String> {
        let read = Calls::read(text);
        let one = |call: &super::Call| {
            let arguments: Vec<&str> =
                call.arguments.iter().map(|place| &text[place.clone()]).collect();
            let grouping = call.grouping.as_ref().map_or_else(String::new, |it| {
                format!(" {} {}", if it.by { "by" } else { "without" }, it.labels.join(","))
            });
            format!("{}({}){grouping}", call.name, arguments.join("; "))
        };
        read.all().iter().map(one).collect()
    }

    #[test]
    fn calls_have_their_arguments_and_groupings() {
        assert_eq!(
            shown("histogram_quantile(0.99, sum by (le, pod) (rate(a_bucket{x=\"(,\"}[5m]))) > 1"),
            [
                "rate(a_bucket{x=\"(,\"}[5m])",
                "sum(rate(a_bucket{x=\"(,\"}[5m])) by le,pod",
                "histogram_quantile(0.99; sum by (le, pod) (rate(a_bucket{x=\"(,\"}[5m])))",
            ]
        );
        assert_eq!(
            shown("SUM(rate(a[5m])) without (pod) / on(x) group_left(y) vector(-1) + time()"),
            ["rate(a[5m])", "sum(rate(a[5m])) without pod", "vector(-1)", "time()"]
        );
    }

    #[test]
    fn the_label_of_buckets_is_lost_by_an_aggregation_without_it() {
        let lost = |argument: &str| {
            let text = format!("histogram_quantile(0.9, {argument})");
            let read = Calls::read(&text);
            let quantile = read.all().last().unwrap();
            read.loses_buckets(quantile, 1).map(|call| call.name.clone())
        };
        for argument in [
            "sum(rate(a_bucket[5m]))",
            "(sum by (pod) (rate(a_bucket[5m])))",
            "sum(rate(a_bucket[5m])) by (pod)",
            "sum without (le) (rate(a_bucket[5m]))",
            "sum by (le) (sum by (pod) (rate(a_bucket[5m])))",
            "sum by () (a_bucket)",
        ] {
            assert_eq!(lost(argument).as_deref(), Some("sum"), "{argument}");
        }
        for argument in [
            "sum by (le) (rate(a_bucket[5m]))",
            "sum(rate(a_bucket[5m])) by (job, le)",
            "sum without (pod) (rate(a_bucket[5m]))",
            "rate(a_bucket[5m])",
            "a_bucket",
            "sum by ({{args.labels}}) (rate(a_bucket[5m]))",
            "sum by (vmrange) (rate(a_bucket[5m]))",
            "prometheus_buckets(sum(rate(a_bucket[5m])))",
            "label_replace(sum(a_bucket), \"le\", \"1\", \"\", \"\")",
            "sum(a) / sum by (le) (b)",
            "topk(5, sum(a_bucket))",
        ] {
            assert_eq!(lost(argument), None, "{argument}");
        }
    }

    #[test]
    fn numbers_are_those_that_are_written() {
        let number = |text: &str| {
            let read = Calls::read(text);
            read.all().last().and_then(|call| read.number(call, 0))
        };
        assert_eq!(number("quantile(99, a)"), Some(99.0));
        assert_eq!(number("quantile(-0.5, a)"), Some(-0.5));
        assert_eq!(number("quantile({{args.q}}, a)"), None);
        assert_eq!(number("quantile(1 - 0.05, a)"), None);
        assert_eq!(number("quantile(q, a)"), None);
        assert_eq!(number("quantile()"), None);
    }

    #[test]
    fn deep_queries_are_read() {
        for text in ["sum(".repeat(15_000), "sum(a) by (".repeat(5000), "(".repeat(60_000)] {
            Calls::read(&text);
        }
        let deep = format!(
            "histogram_quantile(0.9, {}a{})",
            "sum by (le) (".repeat(4000),
            ")".repeat(4000)
        );
        let read = Calls::read(&deep);
        assert!(read.loses_buckets(read.all().last().unwrap(), 1).is_none());
        let deep = format!("histogram_quantile(0.9, {}a{})", "(".repeat(200), ")".repeat(200));
        let read = Calls::read(&deep);
        assert!(read.loses_buckets(read.all().last().unwrap(), 1).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let read = Calls::read(&text);
            for call in read.all() {
                prop_assert!(text.get(call.place.clone()).is_some());
                for argument in 0..call.arguments.len() {
                    read.number(call, argument);
                    read.loses_buckets(call, argument);
                }
            }
        }

        #[test]
        fn any_words_are_read(words in proptest::collection::vec(proptest::sample::select(
            vec!["sum", "rate", "(", ")", "[", "]", "{", "}", ",", "by", "without", "le", "5m", " ",
                 "\"x\"", "{{args.a}}", "-", "histogram_quantile", "a_bucket"]), 0..40)) {
            let text = words.concat();
            let read = Calls::read(&text);
            for call in read.all() {
                prop_assert!(text.get(call.place.clone()).is_some());
                prop_assert!(call.arguments.iter().all(|place| text.get(place.clone()).is_some()));
                read.loses_buckets(call, 0);
            }
        }
    }
}
