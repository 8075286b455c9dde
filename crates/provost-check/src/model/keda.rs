//! The triggers of KEDA: their types, and the keys of their metadata.
//!
//! `keda.txt` is written by `cargo xtask schema` from KEDA's sources, one line for each type. KEDA looks
//! the keys that it knows up in the metadata and passes over the rest (`TypedConfig` in
//! pkg/scalers/scalersconfig/typed_config.go, v2.21); a type that it does not know it has no scaler for
//! (`buildScaler` in pkg/scaling/scalers_builder.go).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::names::{distance, is_slip, meant};

type Table = BTreeMap<&'static str, Vec<&'static str>>;

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines = include_str!("keda.txt").lines().filter(|line| !line.starts_with('#'));
        let words = lines.map(|line| line.split(' '));
        words.filter_map(|mut words| Some((words.next()?, words.collect()))).collect()
    })
}

/// Every key that some release reads for some type.
const ALL: &str = "*";

fn types() -> impl Iterator<Item = &'static str> {
    table().keys().copied().filter(|name| *name != ALL)
}

/// Whether KEDA has triggers of that type.
pub fn is_type(name: &str) -> bool {
    name != ALL && table().contains_key(name)
}

/// The type that one which KEDA does not have is meant for.
pub fn meant_type(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let same = types().find(|known| *known == lower);
    same.or_else(|| meant(&lower, types())).or_else(|| meant_short(&lower))
}

/// Letters of the longest type that is a short word.
const SHORT: usize = 4;

/// The same of types as short as `cpu`. Among names that people choose one letter more or less is another name; here
/// there is a list of all, and what is not on it is none.
fn meant_short(name: &str) -> Option<&'static str> {
    if name.len() < 3 || !name.bytes().all(|b| b.is_ascii_lowercase()) {
        return None;
    }
    let near = |known: &&str| {
        known.len() <= SHORT
            && known.as_bytes().first() == name.as_bytes().first()
            && distance(name, known, 1).is_some()
    };
    let mut found = types().filter(near);
    found.next().filter(|_| found.next().is_none())
}

/// The key that one which no trigger has is meant for, among those of a type.
pub fn meant_key(of: &str, key: &str) -> Option<&'static str> {
    let keys = table().get(of).filter(|_| of != ALL)?;
    // A variable of the container that holds the value.
    let name = key.strip_suffix("FromEnv").unwrap_or(key);
    if name.is_empty() || table().get(ALL)?.contains(&name) {
        return None;
    }
    let same = |known: &&&str| known.eq_ignore_ascii_case(name);
    let slip = || {
        let mut near = keys.iter().filter(|known| is_slip(name, known));
        near.next().filter(|_| near.next().is_none())
    };
    keys.iter().find(same).or_else(slip).copied()
}

/// Keys without which there is no scaler, and whether a variable of the container may hold the value
/// (`KEYFromEnv`). Each of v2.10.0, v2.15.1 and v2.21.0 asks for them, in the metadata and nowhere else.
const REQUIRED: &[(&str, &[(&str, bool)])] = &[
    ("cron", &[("timezone", false), ("start", false), ("end", false), ("desiredReplicas", false)]),
    ("external", &[("scalerAddress", false)]),
    ("external-push", &[("scalerAddress", false)]),
    ("graphite", &[("serverAddress", false), ("query", false), ("queryTime", false)]),
    ("kafka", &[("bootstrapServers", true), ("consumerGroup", true)]),
    ("kubernetes-workload", &[("podSelector", false)]),
    ("loki", &[("serverAddress", false), ("query", false)]),
    ("metrics-api", &[("url", false), ("valueLocation", false)]),
    ("prometheus", &[("serverAddress", false), ("query", false), ("threshold", false)]),
];

/// What a value has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `ParseFloat`
    Number,
    /// `Atoi`
    Whole,
    /// The same, above 0.
    Positive,
}

impl Form {
    /// Whether the text is one. Forms of Go that nobody writes here pass.
    pub fn fits(self, text: &str) -> bool {
        match self {
            Self::Number => {
                text.parse::<f64>().is_ok() || text.contains('_') || text.starts_with("0x")
            }
            Self::Whole => text.parse::<i64>().is_ok(),
            Self::Positive => text.parse::<i64>().is_ok_and(|number| number > 0),
        }
    }

    /// `whole number`
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Whole => "whole number",
            Self::Positive => "whole number above 0",
        }
    }
}

/// What values have to be, where they are written.
const FORMS: &[(&str, &[(&str, Form)])] = &[
    ("cron", &[("desiredReplicas", Form::Whole)]),
    ("graphite", &[("threshold", Form::Number)]),
    ("kafka", &[("lagThreshold", Form::Positive), ("activationLagThreshold", Form::Whole)]),
    ("kubernetes-workload", &[("value", Form::Number)]),
    ("loki", &[("threshold", Form::Number), ("activationThreshold", Form::Number)]),
    ("prometheus", &[("threshold", Form::Number), ("activationThreshold", Form::Number)]),
];

fn of<T: 'static>(table: &'static [(&'static str, &'static [T])], name: &str) -> &'static [T] {
    table.iter().find(|(known, _)| *known == name).map_or(&[], |(_, keys)| keys)
}

/// Keys that a trigger of the type does not do without, and whether `KEYFromEnv` stands in for each.
pub fn required(name: &str) -> &'static [(&'static str, bool)] {
    of(REQUIRED, name)
}

/// Keys of a type whose values are numbers.
pub fn forms(name: &str) -> &'static [(&'static str, Form)] {
    of(FORMS, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that is renamed would be asked for in vain.
    #[test]
    fn keys_that_are_needed_are_keys_of_their_types() {
        let needed = REQUIRED.iter().flat_map(|(of, keys)| keys.iter().map(|(key, _)| (*of, *key)));
        let formed = FORMS.iter().flat_map(|(of, keys)| keys.iter().map(|(key, _)| (*of, *key)));
        for (of, key) in needed.chain(formed) {
            assert!(table()[of].contains(&key), "{of} {key}");
        }
    }

    #[test]
    fn numbers_are_those_that_go_reads() {
        for text in ["50", "0.5", "-1", "1e3", "1_000", "0x1p-2"] {
            assert!(Form::Number.fits(text), "{text}");
        }
        for text in ["ten", "50%", "5k", "1,5"] {
            assert!(!Form::Number.fits(text), "{text}");
        }
        assert!(Form::Whole.fits("0") && !Form::Whole.fits("1.5") && !Form::Positive.fits("0"));
    }

    #[test]
    fn types_and_keys_are_those_of_the_sources() {
        for known in ["kafka", "cpu", "aws-sqs-queue", "external-push", "stan"] {
            assert!(is_type(known), "{known}");
        }
        assert!(!is_type("*") && !is_type("postgres"));
        assert_eq!(meant_type("kakfa"), Some("kafka"));
        assert_eq!(meant_type("Prometheus"), Some("prometheus"));
        assert_eq!(meant_type("aws_sqs_queue"), Some("aws-sqs-queue"));
        for (short, known) in
            [("cpuu", "cpu"), ("cronn", "cron"), ("corn", "cron"), ("lokii", "loki")]
        {
            assert_eq!(meant_type(short), Some(known));
        }
        for other in ["gpu", "cp", "cpu2", "http", "so"] {
            assert_eq!(meant_type(other), None, "{other}");
        }
        // Another scaler altogether.
        assert_eq!(meant_type("carbon-aware"), None);
        assert_eq!(meant_key("kafka", "lagTreshold"), Some("lagThreshold"));
        assert_eq!(meant_key("kafka", "bootstrapservers"), Some("bootstrapServers"));
        assert_eq!(meant_key("kafka", "topicc"), Some("topic"));
        assert_eq!(meant_key("rabbitmq", "hostFromEnv"), None);
        for known in ["topic", "lagThreshold", "value", "somethingElse"] {
            assert_eq!(meant_key("kafka", known), None, "{known}");
        }
    }
}
