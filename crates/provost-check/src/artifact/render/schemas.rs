//! Schemas of a chart's values that refer to others.

use serde_json::Value;

use super::files::Chart;

/// Bytes of a schema.
const LARGEST: u64 = 5 << 20;

/// The file that Helm takes for one, of each chart (helm v3.15 pkg/chart/loader/load.go).
const SCHEMA: &str = "values.schema.json";

/// Dialects that are built into whatever reads schemas for Helm; others are fetched. With `https`
/// and an empty fragment they are the same.
const DIALECTS: [&str; 5] = [
    "http://json-schema.org/draft-04/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft/2020-12/schema",
];

/// Whether some schema of a chart refers to another document, which Helm would read or fetch unless
/// it is told to leave schemas alone, or whether that cannot be told: of what is not read, is packed
/// once more, or is not a file of its own.
pub fn refers_elsewhere(root: &str) -> bool {
    let chart = Chart::open(root);
    let listing = chart.listing();
    !listing.whole
        || listing.entries.iter().any(|entry| {
            let file = entry.name.rsplit('/').next().unwrap_or_default();
            let is_apart = entry.name.contains('\\') || file.ends_with(".tgz");
            is_apart || file == SCHEMA && (entry.is_link || leads_out(&chart, &entry.name))
        })
}

fn leads_out(chart: &Chart, schema: &str) -> bool {
    let bytes = chart.read(schema, LARGEST).unwrap_or_default();
    serde_json::from_slice(&bytes).map_or(true, |schema| has_reference(&schema, true))
}

/// Whether a reference leads out of the document. `serde_json` reads to a depth of 128.
fn has_reference(schema: &Value, is_root: bool) -> bool {
    match schema {
        Value::Object(entries) => entries.iter().any(|(key, value)| {
            let text = value.as_str();
            let leads_out = match key.as_str() {
                "$ref" | "$dynamicRef" | "$recursiveRef" => {
                    text.is_some_and(|target| !target.starts_with('#'))
                }
                "$schema" => !text.is_some_and(is_known),
                // References below it are taken from there.
                "$id" | "id" => !is_root && text.is_some(),
                _ => false,
            };
            leads_out || has_reference(value, false)
        }),
        Value::Array(items) => items.iter().any(|item| has_reference(item, false)),
        _ => false,
    }
}

fn is_known(dialect: &str) -> bool {
    let dialect = dialect.strip_suffix('#').unwrap_or(dialect);
    let place = |address: &'static str| address.strip_prefix("http://");
    let here = dialect.strip_prefix("http://").or(dialect.strip_prefix("https://"));
    here.is_some() && DIALECTS.iter().any(|known| place(known) == here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_other_documents_are_told_from_those_inside() {
        let dir = tempfile::tempdir().unwrap();
        let schema = dir.path().join("values.schema.json");
        let refers = |text: &str| {
            std::fs::write(&schema, text).unwrap();
            refers_elsewhere(dir.path().to_str().unwrap())
        };
        for text in [
            r##"{"properties": {"a": {"$ref": "#/definitions/a"}}}"##,
            r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}"#,
            r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}"#,
            r#"{"$id": "http://example.com/values", "properties": {"id": {"type": "string"}}}"#,
        ] {
            assert!(!refers(text), "{text}");
        }
        for text in [
            r#"{"properties": {"a": [{"$ref": "http://127.0.0.1/a.json"}]}}"#,
            r#"{"allOf": [{"$ref": "other.json"}]}"#,
            r#"{"$schema": "http://example.com/draft"}"#,
            r#"{"$schema": "http://127.0.0.1:1/x//json-schema.org/y"}"#,
            r#"{"$schema": "http://json-schema.org/draft-07/other"}"#,
            r##"{"not": {"$id": "http://127.0.0.1:1/a", "$ref": "#/b"}}"##,
            "{",
        ] {
            assert!(refers(text), "{text}");
        }
        std::fs::remove_file(&schema).unwrap();
        assert!(!refers_elsewhere(dir.path().to_str().unwrap()));
        std::fs::create_dir(dir.path().join("charts")).unwrap();
        std::fs::write(dir.path().join("charts/a.tgz"), "").unwrap();
        assert!(refers_elsewhere(dir.path().to_str().unwrap()));
    }
}
