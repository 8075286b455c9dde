//! Typed values out of a TOML tree, each problem with its place.

use std::ops::Range;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::values;
use crate::artifact::{Problem, ProblemKind};
use crate::facts::origin::{Fact, Origin, SourceId, Span};
use crate::facts::settings::Existing;
use crate::findings::Level;
use crate::model::names::nearest;

/// A value and where it stands.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Objects that one list may name: every reference that leads nowhere is held against each.
const MOST_EXISTING: usize = 1000;

/// Collects problems while values are taken.
pub(super) struct Reader {
    source: SourceId,
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(source: SourceId) -> Self {
        Self { source, problems: Vec::new() }
    }

    pub(super) fn problem(&mut self, span: Range<usize>, message: String, help: Option<String>) {
        self.problems.push(Problem {
            kind: ProblemKind::Malformed,
            origin: self.origin(span),
            message,
            help,
        });
    }

    pub(super) fn origin(&self, span: Range<usize>) -> Origin {
        Origin::text(self.source, Span::new(span.start, span.end))
    }

    /// Gives each key to `take`, which answers whether it knows it.
    pub(super) fn table<'t>(
        &mut self,
        table: &DeTable<'t>,
        name: &str,
        mut take: impl FnMut(&mut Self, &str, &Value<'t>) -> bool,
        known: &[&str],
    ) {
        for (key, value) in table {
            let text: &str = key.get_ref();
            if take(self, text, value) {
                continue;
            }
            let near = || {
                let near = nearest(text, known.iter().copied(), 2)?;
                Some(format!("did you mean `{near}`?"))
            };
            let help = super::belongs(text, name).or_else(near);
            let help = help.unwrap_or_else(|| format!("{name} knows {}", known.join(", ")));
            self.problem(key.span(), format!("{name} has no key `{text}`"), Some(help));
        }
    }

    /// [`Reader::table`] over a value that has to be one.
    pub(super) fn entries<'t>(
        &mut self,
        value: &Value<'t>,
        name: &str,
        take: impl FnMut(&mut Self, &str, &Value<'t>) -> bool,
        known: &[&str],
    ) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, name, take, known),
            other => self.expected(value, &format!("{name} is a table"), other),
        }
    }

    /// Every key of a table whose keys are not fixed.
    pub(super) fn each<'t>(
        &mut self,
        value: &Value<'t>,
        name: &str,
        mut take: impl FnMut(&mut Self, &str, Range<usize>, &Value<'t>),
    ) {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    take(self, key.get_ref(), key.span(), value);
                }
            }
            other => self.expected(value, &format!("{name} is a table"), other),
        }
    }

    /// Every table of an array of tables.
    pub(super) fn tables<'t>(
        &mut self,
        value: &Value<'t>,
        name: &str,
        mut take: impl FnMut(&mut Self, &Value<'t>),
    ) {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().for_each(|item| take(self, item)),
            other => self.expected(value, &format!("{name} is a list of tables"), other),
        }
    }

    fn expected(&mut self, value: &Value<'_>, what: &str, found: &DeValue<'_>) {
        self.problem(value.span(), format!("{what}, not {}", kind(found)), None);
    }

    fn fact<T>(&self, value: &Value<'_>, v: T) -> Fact<T> {
        Fact::written(v, self.origin(value.span()))
    }

    /// Takes a value by `parse`, whose error says what was expected.
    fn parsed<T>(
        &mut self,
        value: &Value<'_>,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Fact<T>> {
        match parse(value.get_ref()) {
            Ok(v) => Some(self.fact(value, v)),
            Err(message) => {
                self.problem(value.span(), message, None);
                None
            }
        }
    }

    pub(super) fn string(&mut self, value: &Value<'_>) -> Option<Fact<String>> {
        self.parsed(value, |v| match v.as_str() {
            Some("") => Err("expected a text, found an empty one".to_owned()),
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("expected a text in quotes, found {}", kind(v))),
        })
    }

    /// A list of texts, none of them empty and at least one.
    pub(super) fn strings(
        &mut self,
        value: &Value<'_>,
        name: &str,
        most: usize,
    ) -> Option<Vec<Fact<String>>> {
        let DeValue::Array(items) = value.get_ref() else {
            self.expected(value, &format!("{name} is a list of texts"), value.get_ref());
            return None;
        };
        if items.is_empty() || items.len() > most {
            let message = match items.len() {
                0 => format!("{name} is empty"),
                _ => format!("{name} holds more than {most} texts"),
            };
            self.problem(value.span(), message, None);
            return None;
        }
        let found: Vec<_> = items.iter().filter_map(|item| self.string(item)).collect();
        (found.len() == items.len()).then_some(found)
    }

    pub(super) fn boolean(&mut self, value: &Value<'_>) -> Option<Fact<bool>> {
        self.parsed(value, |v| {
            v.as_bool().ok_or_else(|| format!("expected true or false, found {}", kind(v)))
        })
    }

    /// A number from 1.
    pub(super) fn count(&mut self, value: &Value<'_>) -> Option<Fact<u32>> {
        self.parsed(value, |v| {
            values::integer(v).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).ok_or_else(
                || match v.as_integer() {
                    Some(n) => format!("expected a whole number from 1, found {n}"),
                    None => format!("expected a whole number from 1, found {}", kind(v)),
                },
            )
        })
    }

    pub(super) fn duration(&mut self, value: &Value<'_>) -> Option<Fact<f64>> {
        self.parsed(value, values::duration)
    }

    pub(super) fn size(&mut self, value: &Value<'_>) -> Option<Fact<u64>> {
        self.parsed(value, values::size)
    }

    pub(super) fn kubernetes(&mut self, value: &Value<'_>) -> Option<Fact<(u16, u16)>> {
        self.parsed(value, |v| values::kubernetes(v.as_str().unwrap_or_default()))
    }

    pub(super) fn go_minor(&mut self, value: &Value<'_>) -> Option<Fact<u16>> {
        self.parsed(value, |v| values::go(v.as_str().unwrap_or_default()))
    }

    pub(super) fn goamd64(&mut self, value: &Value<'_>) -> Option<Fact<u8>> {
        self.parsed(value, |v| match (v.as_str(), values::integer(v)) {
            (Some("v1"), _) | (_, Some(1)) => Ok(1),
            (Some("v2"), _) | (_, Some(2)) => Ok(2),
            (Some("v3"), _) | (_, Some(3)) => Ok(3),
            (Some("v4"), _) | (_, Some(4)) => Ok(4),
            _ => Err("expected \"v1\", \"v2\", \"v3\" or \"v4\"".to_owned()),
        })
    }

    /// `NS/KIND/NAME/CONTAINER`
    pub(super) fn container(&mut self, value: &Value<'_>) -> Option<Fact<String>> {
        self.parsed(value, |v| {
            let text = v.as_str().unwrap_or_default();
            values::is_container(text)
                .then(|| text.to_owned())
                .ok_or_else(|| "expected NAMESPACE/KIND/NAME/CONTAINER".to_owned())
        })
    }

    pub(super) fn one_of(&mut self, value: &Value<'_>, known: &[&str]) -> Option<Fact<String>> {
        let text = value.get_ref().as_str().unwrap_or_default();
        if known.contains(&text) {
            return Some(self.fact(value, text.to_owned()));
        }
        let near = nearest(text, known.iter().copied(), 2);
        let near = near.map(|near| format!("did you mean \"{near}\"?"));
        let help = near.or_else(|| values::meant(text, known));
        self.problem(value.span(), format!("expected one of {}", quoted(known)), help);
        None
    }

    /// One text or a list of texts.
    pub(super) fn one_or_more(&mut self, value: &Value<'_>, known: &[&str]) -> Vec<Fact<String>> {
        match value.get_ref() {
            DeValue::Array(items) => {
                items.iter().filter_map(|item| self.one_of(item, known)).collect()
            }
            _ => self.one_of(value, known).into_iter().collect(),
        }
    }

    /// A list of objects, each `KIND NAME` or `KIND NAMESPACE/NAME`.
    pub(super) fn existing(&mut self, value: &Value<'_>) -> Vec<Fact<Existing>> {
        let DeValue::Array(items) = value.get_ref() else {
            self.expected(value, "exists is a list of objects", value.get_ref());
            return Vec::new();
        };
        if items.len() > MOST_EXISTING {
            let help = "a pattern stands for many: \"Secret shop/*\"".to_owned();
            let message = format!("exists holds more than {MOST_EXISTING} objects");
            self.problem(value.span(), message, Some(help));
            return Vec::new();
        }
        let parse = |item: &DeValue<'_>| {
            let text = item.as_str().unwrap_or_default();
            values::existing(text).ok_or_else(|| {
                "expected KIND NAME or KIND NAMESPACE/NAME: \"ClusterIssuer letsencrypt\", \"Gateway \
                 infra/shared\", \"Secret shop/db-*\""
                    .to_owned()
            })
        };
        items.iter().filter_map(|item| self.parsed(item, parse)).collect()
    }

    /// `off`, `note`, `warn`, `deny`.
    pub(super) fn level(&mut self, value: &Value<'_>) -> Option<Option<Level>> {
        let text = value.get_ref().as_str().unwrap_or_default();
        match values::level(text) {
            Ok(level) => Some(level),
            Err(message) => {
                self.problem(value.span(), message, None);
                None
            }
        }
    }

    /// A day, as a TOML date or as text.
    pub(super) fn date(&mut self, value: &Value<'_>) -> Option<Date> {
        let text = match value.get_ref() {
            DeValue::Datetime(date) => date.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let parsed = values::date(&text);
        if parsed.is_none() {
            self.problem(value.span(), "expected a day: 2027-01-31".to_owned(), None);
        }
        parsed
    }
}

/// `"a", "b"`
pub(super) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// What a value is, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
