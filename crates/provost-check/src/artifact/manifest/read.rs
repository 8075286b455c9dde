//! Typed reading of document nodes. A value of the wrong type is reported where the API server
//! would refuse it for certain, and left out; nothing here panics or stops the run.

use std::borrow::Cow;

use crate::artifact::{Problem, ProblemKind};
use crate::facts::document::{Node, ScalarKind};
use crate::facts::objects::{PortRef, Selector, SelectorExpression, StringMap};
use crate::facts::origin::{Fact, Origin};
use crate::facts::workload::{ByteAmount, CpuAmount, IntOrPercent};
use crate::model::quantity::Quantity;

/// Reads fields and collects what cannot be read.
pub(super) struct Reader<'p> {
    problems: &'p mut Vec<Problem>,
    limit: usize,
}

/// A mapping that is in the document, together with where to point when it lacks something.
#[derive(Clone, Copy)]
pub(super) struct Parent<'d> {
    /// The mapping; `None` when nothing is written.
    pub(super) node: Option<Node<'d>>,
    /// The key that holds it, or the nearest thing above.
    pub(super) name: Node<'d>,
}

impl<'d> Parent<'d> {
    pub(super) fn get(self, key: &str) -> Option<Node<'d>> {
        self.node?.get(key)
    }

    /// Where to point when a value in it is defaulted.
    pub(super) fn origin(self) -> Origin {
        self.name.origin()
    }
}

impl<'p> Reader<'p> {
    pub(super) fn new(problems: &'p mut Vec<Problem>, limit: usize) -> Self {
        Self { problems, limit }
    }

    fn wrong(&mut self, key: &str, node: Node<'_>, expected: &str) {
        if self.problems.len() >= self.limit || is_braces(node) || is_slot(node) {
            return;
        }
        let (found, help) = match node.scalar_kind() {
            _ if node.is_mapping() => ("a mapping", None),
            _ if node.is_sequence() => ("a list", None),
            Some(ScalarKind::Bool(_)) => ("a boolean", Some("quote it")),
            Some(ScalarKind::Int(_) | ScalarKind::Float(_)) => ("a number", Some("quote it")),
            Some(ScalarKind::Str) if node.as_str().is_some_and(is_template) => return,
            _ => ("text", None),
        };
        let help = help.filter(|_| expected == "text").map(str::to_owned);
        self.problems.push(Problem {
            kind: ProblemKind::Malformed,
            origin: node.start(),
            message: format!("`{key}` must be {expected}, this is {found}"),
            help,
        });
    }

    /// A mapping under a key.
    pub(super) fn mapping<'d>(&mut self, at: Node<'d>, key: &str) -> Option<Node<'d>> {
        let node = at.get(key)?;
        if node.is_mapping() {
            return Some(node);
        }
        self.wrong(key, node, "a mapping");
        None
    }

    /// A mapping under a key, with its key; when it is not there, `at` is where to point.
    pub(super) fn parent<'d>(&mut self, at: Parent<'d>, key: &str) -> Parent<'d> {
        let Some((name, node)) = at.node.and_then(|n| n.get_entry(key)) else {
            return Parent { node: None, name: at.name };
        };
        if node.is_mapping() {
            return Parent { node: Some(node), name };
        }
        self.wrong(key, node, "a mapping");
        Parent { node: None, name }
    }

    /// Items of a list under a key that are mappings.
    pub(super) fn mappings<'d>(&mut self, at: Parent<'d>, key: &str) -> Vec<Node<'d>> {
        self.list(at, key, "a mapping", Node::is_mapping)
    }

    fn list<'d>(
        &mut self,
        at: Parent<'d>,
        key: &str,
        expected: &str,
        fits: impl Fn(Node<'d>) -> bool,
    ) -> Vec<Node<'d>> {
        let Some(node) = at.get(key) else { return Vec::new() };
        if !node.is_sequence() {
            self.wrong(key, node, "a list");
            return Vec::new();
        }
        let mut items = Vec::new();
        for item in node.items() {
            if fits(item) {
                items.push(item);
            } else {
                self.wrong(&format!("{key}[]"), item, expected);
            }
        }
        items
    }

    /// Text under a key. What is written as a number or boolean is reported and taken as it is
    /// written.
    pub(super) fn text(&mut self, at: Option<Node<'_>>, key: &str) -> Option<Fact<String>> {
        let node = at?.get(key)?;
        self.as_text(key, node)
    }

    fn as_text(&mut self, key: &str, node: Node<'_>) -> Option<Fact<String>> {
        if node.scalar_kind() != Some(ScalarKind::Str) {
            self.wrong(key, node, "text");
        }
        Some(Fact::written(node.as_str()?.to_owned(), node.origin()))
    }

    /// Text under a key; empty text counts as absent, as in every defaulting function of
    /// Kubernetes.
    pub(super) fn nonempty(&mut self, at: Option<Node<'_>>, key: &str) -> Option<Fact<String>> {
        self.text(at, key).filter(|fact| !fact.value.is_empty())
    }

    pub(super) fn text_or(&mut self, at: Parent<'_>, key: &str, default: &str) -> Fact<String> {
        self.nonempty(at.node, key)
            .unwrap_or_else(|| Fact::defaulted(default.to_owned(), at.origin()))
    }

    /// A list of texts; `None` when the key is not there.
    pub(super) fn texts(&mut self, at: Parent<'_>, key: &str) -> Option<Vec<Fact<String>>> {
        at.get(key)?;
        let items = self.list(at, key, "text", |item| {
            !item.is_mapping() && !item.is_sequence() && !item.is_null()
        });
        let name = format!("{key}[]");
        let mut texts: Vec<_> =
            items.into_iter().filter_map(|item| self.as_text(&name, item)).collect();
        texts.shrink_to_fit();
        Some(texts)
    }

    /// A whole number under a key.
    pub(super) fn int(&mut self, at: Option<Node<'_>>, key: &str) -> Option<Fact<i64>> {
        let node = at?.get(key)?;
        let value = match node.scalar_kind() {
            Some(ScalarKind::Int(n)) => n,
            Some(ScalarKind::Float(f)) => match whole(f) {
                Some(n) => n,
                None => {
                    self.wrong(key, node, "a whole number");
                    return None;
                }
            },
            _ => {
                self.wrong(key, node, "a number");
                return None;
            }
        };
        Some(Fact::written(value, node.origin()))
    }

    pub(super) fn int_or(&mut self, at: Parent<'_>, key: &str, default: i64) -> Fact<i64> {
        self.int(at.node, key).unwrap_or_else(|| Fact::defaulted(default, at.origin()))
    }

    pub(super) fn bool(&mut self, at: Option<Node<'_>>, key: &str) -> Option<Fact<bool>> {
        let node = at?.get(key)?;
        match node.scalar_kind() {
            Some(ScalarKind::Bool(b)) => Some(Fact::written(b, node.origin())),
            _ => {
                self.wrong(key, node, "true or false");
                None
            }
        }
    }

    pub(super) fn bool_or(&mut self, at: Parent<'_>, key: &str, default: bool) -> Fact<bool> {
        self.bool(at.node, key).unwrap_or_else(|| Fact::defaulted(default, at.origin()))
    }

    pub(super) fn flag(&mut self, at: Option<Node<'_>>, key: &str) -> bool {
        self.bool(at, key).is_some_and(|fact| fact.value)
    }

    /// A port by number or name.
    pub(super) fn port(&mut self, at: Option<Node<'_>>, key: &str) -> Option<Fact<PortRef>> {
        let node = at?.get(key)?;
        let value = match node.scalar_kind() {
            Some(ScalarKind::Int(n)) => PortRef::Number(n),
            Some(ScalarKind::Float(f)) if whole(f).is_some() => PortRef::Number(whole(f)?),
            Some(ScalarKind::Str) => PortRef::Name(node.as_str()?.to_owned()),
            _ => {
                self.wrong(key, node, "a number or a name");
                return None;
            }
        };
        Some(Fact::written(value, node.origin()))
    }

    /// A count or a percentage.
    pub(super) fn share(&mut self, at: Option<Node<'_>>, key: &str) -> Option<Fact<IntOrPercent>> {
        let node = at?.get(key)?;
        let value = match node.scalar_kind() {
            Some(ScalarKind::Int(n)) => IntOrPercent::Int(n),
            Some(ScalarKind::Float(f)) if whole(f).is_some() => IntOrPercent::Int(whole(f)?),
            Some(ScalarKind::Str) => int_or_percent(node.as_str()?),
            _ => {
                self.wrong(key, node, "a number or a percentage");
                return None;
            }
        };
        Some(Fact::written(value, node.origin()))
    }

    /// A quantity as text: Kubernetes takes numbers for them as well.
    pub(super) fn quantity(&mut self, at: Option<Node<'_>>, key: &str) -> Option<Fact<String>> {
        let node = at?.get(key)?;
        match node.scalar_kind() {
            Some(ScalarKind::Str | ScalarKind::Int(_) | ScalarKind::Float(_)) => {
                Some(Fact::written(number_text(node)?.into_owned(), node.origin()))
            }
            _ => {
                self.wrong(key, node, "a quantity");
                None
            }
        }
    }

    pub(super) fn cpu(&mut self, at: Option<Node<'_>>, key: &str) -> Option<CpuAmount> {
        let text = self.quantity(at, key)?;
        let amount = positive(&text.value).map(Quantity::millicores);
        Some(CpuAmount { text, amount })
    }

    pub(super) fn bytes(&mut self, at: Option<Node<'_>>, key: &str) -> Option<ByteAmount> {
        let text = self.quantity(at, key)?;
        let amount = positive(&text.value).map(Quantity::bytes);
        Some(ByteAmount { text, amount })
    }

    /// Names and values, as labels are.
    pub(super) fn string_map(&mut self, at: Option<Node<'_>>, key: &str) -> StringMap {
        let Some(node) = at.and_then(|n| self.mapping(n, key)) else { return StringMap::default() };
        let mut all = Vec::new();
        for (name, value) in merged_entries(node) {
            if value.is_null() {
                // Go decodes null into the empty string.
                let fact = Fact::written(String::new(), name.origin());
                all.extend(key_text(name).map(|name| (name, fact)));
                continue;
            }
            let shown = name.as_str().unwrap_or(key);
            let value = self.as_text(shown, value);
            all.extend(key_text(name).zip(value));
        }
        StringMap::new(all)
    }

    /// A `LabelSelector`.
    pub(super) fn selector(&mut self, at: Option<Node<'_>>, key: &str) -> Option<Selector> {
        let (name, node) = at?.get_entry(key)?;
        if !node.is_mapping() {
            self.wrong(key, node, "a mapping");
            return None;
        }
        let parent = Parent { node: Some(node), name };
        let labels = self.string_map(Some(node), "matchLabels");
        let mut expressions = Vec::new();
        for item in self.mappings(parent, "matchExpressions") {
            let item = Parent { node: Some(item), name };
            expressions.push(SelectorExpression {
                key: self.text(item.node, "key").map(|f| f.value).unwrap_or_default(),
                operator: self.text(item.node, "operator").map(|f| f.value).unwrap_or_default(),
                values: self
                    .texts(item, "values")
                    .unwrap_or_default()
                    .into_iter()
                    .map(|fact| fact.value)
                    .collect(),
            });
        }
        Some(Selector { origin: name.origin(), labels, expressions })
    }
}

/// Text that some tool is still to fill in: no mistake of the manifest.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("${") || text.contains("$(") || text.contains("<no value>")
}

/// `{{ .Value }}` outside of quotes, which YAML reads as a mapping whose key is a mapping.
pub(super) fn is_braces(node: Node<'_>) -> bool {
    node.entries().next().is_some_and(|(key, _)| key.is_mapping())
}

/// `{SERVICE_IP}` outside of quotes, which YAML reads as a mapping of a key without a value.
fn is_slot(node: Node<'_>) -> bool {
    let mut entries = node.entries();
    let first = entries.next().filter(|_| entries.next().is_none());
    first.is_some_and(|(_, value)| value.is_null())
}

fn whole(f: f64) -> Option<i64> {
    // kubectl turns YAML into JSON first, and Go prints 3.0 as 3.
    #[allow(clippy::cast_possible_truncation, reason = "checked: integral and far inside i64")]
    (f.fract() == 0.0 && f.abs() < 9e15).then_some(f as i64)
}

/// `IntOrString` of a share (apimachinery `intstr.go`, getIntOrPercentValueSafely: digits and `%`).
pub(super) fn int_or_percent(text: &str) -> IntOrPercent {
    text.strip_suffix('%')
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .map_or_else(|| IntOrPercent::Malformed(text.to_owned()), IntOrPercent::Percent)
}

/// A key as JSON will have it: `1.0:` and `on:` are not written as they are read.
pub(super) fn key_text(key: Node<'_>) -> Option<Fact<String>> {
    let text = match key.scalar_kind()? {
        ScalarKind::Bool(b) => Cow::Borrowed(if b { "true" } else { "false" }),
        ScalarKind::Null => return None,
        _ => number_text(key)?,
    };
    Some(Fact::written(text.into_owned(), key.origin()))
}

/// A scalar as JSON will have it: numbers in decimal whatever they were written in.
pub(super) fn number_text(node: Node<'_>) -> Option<Cow<'_, str>> {
    let text = node.as_str()?;
    Some(match node.scalar_kind()? {
        // 0x10 and 010 are numbers, and their decimal form is what arrives.
        ScalarKind::Int(n)
            if !text.bytes().all(|b| b.is_ascii_digit()) || text.starts_with('0') =>
        {
            Cow::Owned(n.to_string())
        }
        // 3.0 arrives as 3; what has an exponent or a fraction means the same as it is written.
        ScalarKind::Float(f) if f.fract() == 0.0 && f.abs() < 1e6 => Cow::Owned(format!("{f}")),
        ScalarKind::Float(f) if text.contains('_') => Cow::Owned(format!("{f}")),
        _ => Cow::Borrowed(text),
    })
}

fn positive(text: &str) -> Option<Quantity> {
    Quantity::parse(text).ok().filter(|q| !q.is_negative())
}

/// Keys and values with what `<<` brings, merged ones first so that own ones win.
pub(super) fn merged_entries(node: Node<'_>) -> Vec<(Node<'_>, Node<'_>)> {
    let mut all = Vec::new();
    collect(node, &mut all, 0);
    all
}

fn collect<'d>(node: Node<'d>, all: &mut Vec<(Node<'d>, Node<'d>)>, depth: usize) {
    // The loader bounds what aliases expand to; this bounds the stack.
    if depth > 16 {
        return;
    }
    for (key, value) in node.entries() {
        if key.as_str() == Some("<<") {
            if value.is_mapping() {
                collect(value, all, depth + 1);
            } else {
                // Of several, the first wins.
                let items: Vec<_> = value.items().collect();
                items.into_iter().rev().for_each(|item| collect(item, all, depth + 1));
            }
        }
    }
    all.extend(node.entries().filter(|(key, _)| key.as_str() != Some("<<")));
}
