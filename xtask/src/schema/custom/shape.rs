//! What a value of a custom resource is, by the schema of its CRD.

use std::collections::{BTreeMap, BTreeSet};

use provost_check::facts::document::Node;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As the table writes it: `s`.
    Scalar(char),
    /// A text that matches.
    Matching(String),
    /// A whole number or a text that matches.
    IntOrMatching(String),
    /// A whole number from this to that.
    Between(Option<i64>, Option<i64>),
    /// Any number from this to that.
    Within(Option<i64>, Option<i64>),
    /// One of these whole numbers.
    Among(BTreeSet<i64>),
    OneOf(BTreeSet<String>),
    List(Box<Shape>),
    Map(Box<Shape>),
    Fields(Fields),
    /// A text, list or mapping that is not shorter or longer than that.
    Sized(Size, Box<Shape>),
}

/// How many characters a text has, a list entries, a mapping keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub least: u32,
    pub most: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Unknown keys are kept.
    pub open: bool,
    pub of: BTreeMap<String, Property>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub shape: Shape,
    pub required: bool,
    /// The newest release that has it.
    pub last: usize,
}

/// Anything, in the table.
pub(super) const ANY: char = 'a';

/// Whether unknown keys are kept.
pub(super) const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

pub(super) fn is(schema: Node<'_>, key: &str) -> bool {
    schema.get(key).and_then(Node::as_bool) == Some(true)
}

/// The fields of a schema.
pub(super) fn properties(schema: Node<'_>, release: usize) -> BTreeMap<String, Property> {
    let required: Vec<&str> = schema
        .get("required")
        .map(|names| names.items().filter_map(Node::as_str).collect())
        .unwrap_or_default();
    let entries = schema.get("properties").into_iter().flat_map(Node::entries);
    let property = |(key, schema): (Node<'_>, Node<'_>)| {
        let name = key.as_str()?;
        // What has a default is filled in before it is asked for.
        let required = required.contains(&name) && schema.get("default").is_none();
        let shape = shape(schema, release);
        Some((name.to_owned(), Property { shape, required, last: release }))
    };
    entries.filter_map(property).collect()
}

/// What a value is, with how long it may be.
fn shape(schema: Node<'_>, release: usize) -> Shape {
    let shape = unsized_shape(schema, release);
    let keys = match &shape {
        Shape::Scalar('s') | Shape::Matching(_) => ["minLength", "maxLength"],
        Shape::List(_) => ["minItems", "maxItems"],
        Shape::Map(_) | Shape::Fields(_) => ["minProperties", "maxProperties"],
        _ => return shape,
    };
    let bound = |key| schema.get(key).and_then(Node::as_i64).and_then(|n| u32::try_from(n).ok());
    let [least, most] = keys.map(bound);
    shape.sized(Size { least: least.unwrap_or_default(), most })
}

fn unsized_shape(schema: Node<'_>, release: usize) -> Shape {
    if is(schema, "x-kubernetes-embedded-resource") {
        return Shape::Scalar(ANY);
    }
    if is(schema, "x-kubernetes-int-or-string") {
        let pattern = schema.get("pattern").and_then(Node::as_str);
        return pattern.map_or(Shape::Scalar('x'), |text| Shape::IntOrMatching(text.to_owned()));
    }
    let inside = |key| schema.get(key).map(|schema| shape(schema, release));
    match schema.get("type").and_then(Node::as_str) {
        Some("array") => Shape::List(Box::new(inside("items").unwrap_or(Shape::Scalar(ANY)))),
        Some("string") => match schema.get("enum") {
            Some(all) => {
                Shape::OneOf(all.items().filter_map(Node::as_str).map(str::to_owned).collect())
            }
            None => match schema.get("pattern").and_then(Node::as_str) {
                Some(pattern) => Shape::Matching(pattern.to_owned()),
                None => Shape::Scalar('s'),
            },
        },
        Some("boolean") => Shape::Scalar('b'),
        Some("integer") if schema.get("enum").is_some() => {
            let all = schema.get("enum").into_iter().flat_map(Node::items);
            Shape::Among(all.filter_map(Node::as_i64).collect())
        }
        Some(number @ ("integer" | "number")) => {
            let bound = |key| schema.get(key).and_then(Node::as_i64);
            match (bound("minimum"), bound("maximum"), number) {
                (None, None, "integer") => Shape::Scalar('i'),
                (None, None, _) => Shape::Scalar('n'),
                (least, most, "integer") => Shape::Between(least, most),
                (least, most, _) => Shape::Within(least, most),
            }
        }
        _ => {
            let of = properties(schema, release);
            let values = schema.get("additionalProperties").filter(|values| values.is_mapping());
            match (of.is_empty(), values) {
                (false, _) => Shape::Fields(Fields { open: is(schema, OPEN), of }),
                (true, Some(values)) => Shape::Map(Box::new(shape(values, release))),
                // Nothing is said of what is inside.
                (true, None) => Shape::Scalar(ANY),
            }
        }
    }
}

impl Shape {
    /// The same within a size, where it has one.
    fn sized(self, size: Size) -> Self {
        let counted = matches!(
            self,
            Self::Scalar('s') | Self::Matching(_) | Self::List(_) | Self::Map(_) | Self::Fields(_)
        );
        match counted && size != Size::default() {
            true => Self::Sized(size, Box::new(self)),
            false => self,
        }
    }

    /// The same without its size.
    pub fn plain(&self) -> &Self {
        match self {
            Self::Sized(_, shape) => shape,
            shape => shape,
        }
    }

    /// What both this and a newer release take.
    fn united(self, newer: Self) -> Self {
        match (self, newer) {
            (Self::Sized(a, old), Self::Sized(b, new)) => {
                let most = a.most.zip(b.most).map(|(a, b)| a.max(b));
                old.united(*new).sized(Size { least: a.least.min(b.least), most })
            }
            (Self::Sized(_, old), new) => old.united(new),
            (old, Self::Sized(_, new)) => old.united(*new),
            (Self::List(old), Self::List(new)) => Self::List(Box::new(old.united(*new))),
            (Self::Map(old), Self::Map(new)) => Self::Map(Box::new(old.united(*new))),
            (Self::Fields(mut old), Self::Fields(new)) => {
                old.unite(new);
                Self::Fields(old)
            }
            (Self::OneOf(mut old), Self::OneOf(new)) => {
                old.extend(new);
                Self::OneOf(old)
            }
            (Self::Among(mut old), Self::Among(new)) => {
                old.extend(new);
                Self::Among(old)
            }
            (Self::Between(a, b), Self::Between(c, d)) => match widest(a, b, c, d) {
                (None, None) => Self::Scalar('i'),
                (least, most) => Self::Between(least, most),
            },
            (Self::Within(a, b), Self::Within(c, d)) => match widest(a, b, c, d) {
                (None, None) => Self::Scalar('n'),
                (least, most) => Self::Within(least, most),
            },
            (old, new) if old == new => old,
            // What one of them takes without a condition both take.
            (Self::IntOrMatching(_), newer) => Self::Scalar('x').united(newer),
            (older, Self::IntOrMatching(_)) => older.united(Self::Scalar('x')),
            (Self::Within(..), newer) => Self::Scalar('n').united(newer),
            (older, Self::Within(..)) => older.united(Self::Scalar('n')),
            (Self::OneOf(_) | Self::Matching(_), newer) => Self::Scalar('s').united(newer),
            (older, Self::OneOf(_) | Self::Matching(_)) => older.united(Self::Scalar('s')),
            (Self::Between(..) | Self::Among(_), newer) => Self::Scalar('i').united(newer),
            (older, Self::Between(..) | Self::Among(_)) => older.united(Self::Scalar('i')),
            (Self::Scalar('i' | 's'), Self::Scalar('x'))
            | (Self::Scalar('x'), Self::Scalar('i' | 's')) => Self::Scalar('x'),
            (Self::Scalar('i'), Self::Scalar('n')) | (Self::Scalar('n'), Self::Scalar('i')) => {
                Self::Scalar('n')
            }
            _ => Self::Scalar(ANY),
        }
    }
}

/// The lower of the least, and the higher of the most, where both have one.
fn widest(
    a: Option<i64>,
    b: Option<i64>,
    c: Option<i64>,
    d: Option<i64>,
) -> (Option<i64>, Option<i64>) {
    (a.zip(c).map(|(a, c)| a.min(c)), b.zip(d).map(|(b, d)| b.max(d)))
}

impl Fields {
    /// Takes in what a newer release says.
    pub fn unite(&mut self, newer: Self) {
        self.open |= newer.open;
        for (key, old) in &mut self.of {
            old.required &= newer.of.get(key).is_some_and(|new| new.required);
        }
        for (key, mut new) in newer.of {
            match self.of.get_mut(&key) {
                Some(old) => {
                    old.last = new.last;
                    let shape = std::mem::replace(&mut old.shape, Shape::Scalar(ANY));
                    old.shape = shape.united(new.shape);
                }
                None => {
                    // The older ones do not want it.
                    new.required = false;
                    self.of.insert(key, new);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_differ_are_anything() {
        let (boolean, text) = (Shape::Scalar('b'), Shape::Scalar('s'));
        let (integer, number) = (Shape::Scalar('i'), Shape::Scalar('n'));
        assert_eq!(boolean.united(text.clone()), Shape::Scalar(ANY));
        assert_eq!(integer.clone().united(number.clone()), number);
        assert_eq!(number.clone().united(integer), number);
        let choice = Shape::OneOf(BTreeSet::from(["a".to_owned()]));
        assert_eq!(choice.united(text.clone()), text);
    }

    #[test]
    fn conditions_are_those_of_all_releases() {
        let matching = |text: &str| Shape::Matching(text.to_owned());
        let (text, integer) = (Shape::Scalar('s'), Shape::Scalar('i'));
        assert_eq!(matching("^a$").united(matching("^a$")), matching("^a$"));
        assert_eq!(matching("^a$").united(matching("^b$")), text);
        assert_eq!(matching("^a$").united(text.clone()), text);
        assert_eq!(text.clone().united(matching("^a$")), text);
        let between = |least, most| Shape::Between(least, most);
        assert_eq!(
            between(Some(1), Some(9)).united(between(Some(0), Some(5))),
            between(Some(0), Some(9))
        );
        assert_eq!(between(Some(1), None).united(between(None, Some(5))), integer);
        assert_eq!(between(Some(1), None).united(integer.clone()), integer);
        assert_eq!(integer.united(between(Some(1), None)), Shape::Scalar('i'));
        assert_eq!(between(Some(1), None).united(Shape::Scalar('x')), Shape::Scalar('x'));
        assert_eq!(between(Some(1), None).united(text), Shape::Scalar(ANY));
        let within = |least, most| Shape::Within(least, most);
        assert_eq!(
            within(Some(1), Some(9)).united(within(Some(2), None)),
            Shape::Within(Some(1), None)
        );
        assert_eq!(within(Some(1), None).united(Shape::Scalar('n')), Shape::Scalar('n'));
        assert_eq!(within(Some(1), None).united(between(Some(1), None)), Shape::Scalar('n'));
        let quantity = Shape::IntOrMatching("^[0-9]+$".to_owned());
        assert_eq!(quantity.clone().united(quantity.clone()), quantity);
        assert_eq!(quantity.united(Shape::Scalar('x')), Shape::Scalar('x'));
        let sized = |least, most, shape: Shape| shape.sized(Size { least, most });
        let text = || Shape::Scalar('s');
        assert_eq!(
            sized(1, Some(8), text()).united(sized(0, Some(9), matching("^a$"))),
            sized(0, Some(9), text())
        );
        assert_eq!(
            sized(1, Some(8), text()).united(sized(1, None, text())),
            sized(1, None, text())
        );
        assert_eq!(sized(1, Some(8), text()).united(text()), text());
        let list = || Shape::List(Box::new(text()));
        assert_eq!(sized(1, None, list()).united(sized(1, None, text())), Shape::Scalar(ANY));
        let among = |all: &[i64]| Shape::Among(all.iter().copied().collect());
        assert_eq!(among(&[301, 302]).united(among(&[302, 308])), among(&[301, 302, 308]));
        assert_eq!(among(&[301]).united(between(Some(1), None)), Shape::Scalar('i'));
        assert_eq!(Shape::Scalar('i').united(among(&[301])), Shape::Scalar('i'));
    }
}
