//! Schemas of a chart's values that refer to others.

use serde_json::Value;

use super::files::Chart;

/// Bytes of a schema.
const LARGEST: u64 = 5 << 20;

/// Whether some schema of a chart refers to another document, which Helm would read or fetch (helm
/// v3.22 pkg/chartutil/jsonschema.go), or whether that cannot be told.
pub fn refers_elsewhere(root: &str) -> bool {
    let chart = Chart::open(root);
    chart.names().iter().any(|name| {
        let file = name.rsplit('/').next().unwrap_or_default();
        if file.ends_with(".json") {
            // One of another name may be linked to.
            let bytes = chart.read(name, LARGEST).unwrap_or_default();
            let unread = file == "values.schema.json";
            return serde_json::from_slice(&bytes).map_or(unread, |schema| has_reference(&schema));
        }
        // Packed, and with schemas of its own.
        name.contains("charts/") && file.ends_with(".tgz")
    })
}

/// Whether a reference leads out of the document. `serde_json` reads to a depth of 128.
fn has_reference(schema: &Value) -> bool {
    match schema {
        Value::Object(entries) => entries.iter().any(|(key, value)| {
            let reference = matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef");
            let out = value.as_str().is_some_and(|target| !target.starts_with('#'));
            // A dialect that is not built in is fetched as well.
            let known = |dialect: &str| dialect.contains("//json-schema.org/");
            let foreign = key == "$schema" && !value.as_str().is_some_and(known);
            (reference && out) || foreign || has_reference(value)
        }),
        Value::Array(items) => items.iter().any(has_reference),
        _ => false,
    }
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
        ] {
            assert!(!refers(text), "{text}");
        }
        for text in [
            r#"{"properties": {"a": [{"$ref": "http://127.0.0.1/a.json"}]}}"#,
            r#"{"allOf": [{"$ref": "other.json"}]}"#,
            r#"{"$schema": "http://example.com/draft"}"#,
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
