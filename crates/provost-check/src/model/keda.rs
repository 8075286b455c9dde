//! The triggers of KEDA: their types, and the keys of their metadata.
//!
//! `keda.txt` is written by `cargo xtask schema` from KEDA's sources, one line for each type. KEDA looks
//! the keys that it knows up in the metadata and passes over the rest (`TypedConfig` in
//! pkg/scalers/scalersconfig/typed_config.go, v2.21); a type that it does not know it has no scaler for
//! (`buildScaler` in pkg/scaling/scalers_builder.go).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::names::{is_slip, meant};

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
    types().find(|known| *known == lower).or_else(|| meant(&lower, types()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_keys_are_those_of_the_sources() {
        for known in ["kafka", "cpu", "aws-sqs-queue", "external-push", "stan"] {
            assert!(is_type(known), "{known}");
        }
        assert!(!is_type("*") && !is_type("postgres"));
        assert_eq!(meant_type("kakfa"), Some("kafka"));
        assert_eq!(meant_type("Prometheus"), Some("prometheus"));
        assert_eq!(meant_type("aws_sqs_queue"), Some("aws-sqs-queue"));
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
