//! JSON schemas for kubeconform, derived from Kubernetes' own OpenAPI document.
//!
//! kubeconform looks for one file per kind, `deployment-apps-v1.json`, and gets it with
//! `-schema-location 'FOLDER/{{.ResourceKind}}{{.KindSuffix}}.json'`. As in the schemas that it
//! fetches by default, every reference is written out, unknown fields are refused (`-strict`)
//! and what may be absent may be null.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use crate::paths;

const REF: &str = "#/definitions/";

/// Writes a schema for every kind in the document at `openapi`.
pub fn write(openapi: &Path, into: &Path) -> Result<()> {
    let text = fs::read(openapi).with_context(|| format!("cannot read {}", openapi.display()))?;
    let document: Value = serde_json::from_slice(&text)?;
    let definitions =
        document["definitions"].as_object().context("the document has definitions")?;
    let mut written = 0;
    for (name, definition) in definitions {
        let Some(kinds) = definition["x-kubernetes-group-version-kind"].as_array() else {
            continue;
        };
        // Options of API calls claim dozens of groups; no manifest holds them.
        let [kind] = kinds.as_slice() else { continue };
        let schema = standalone(name, definitions, kind);
        let path = into.join(file_name(kind).context("a kind has a name and a version")?);
        paths::write(&path, &serde_json::to_vec(&schema)?)?;
        written += 1;
    }
    ensure!(written > 100, "{}: only {written} kinds", openapi.display());
    Ok(())
}

/// `deployment-apps-v1.json`, `ingress-networking-v1.json`, `pod-v1.json`.
fn file_name(kind: &Value) -> Option<String> {
    let group = kind["group"].as_str()?.split('.').next()?.to_lowercase();
    let (name, version) = (kind["kind"].as_str()?.to_lowercase(), kind["version"].as_str()?);
    let group = if group.is_empty() { group } else { format!("-{group}") };
    Some(format!("{name}{group}-{version}.json"))
}

fn standalone(name: &str, definitions: &Map<String, Value>, kind: &Value) -> Value {
    let mut open = Vec::new();
    let mut schema = resolved(name, definitions, &mut open);
    let group = kind["group"].as_str().unwrap_or_default();
    let version = kind["version"].as_str().unwrap_or_default();
    let api = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    schema["properties"]["apiVersion"] = json!({"type": "string", "enum": [api]});
    schema["properties"]["kind"] = json!({"type": "string", "enum": [kind["kind"]]});
    schema["$schema"] = json!("http://json-schema.org/schema#");
    schema
}

/// A definition with its references written out. One that contains itself (only the schemas
/// inside a CustomResourceDefinition do) is any value the second time.
fn resolved<'a>(
    name: &'a str,
    definitions: &'a Map<String, Value>,
    open: &mut Vec<&'a str>,
) -> Value {
    let Some(definition) = definitions.get(name) else { return json!({}) };
    if open.contains(&name) {
        return json!({});
    }
    if name.ends_with(".api.resource.Quantity") {
        return json!({"type": ["string", "number"]});
    }
    open.push(name);
    let schema = converted(definition, definitions, open);
    open.pop();
    schema
}

fn converted<'a>(
    schema: &'a Value,
    definitions: &'a Map<String, Value>,
    open: &mut Vec<&'a str>,
) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return resolved(name.trim_start_matches(REF), definitions, open);
    }
    if schema["format"] == "int-or-string" {
        return json!({"type": ["string", "integer"]});
    }
    let mut out = Map::new();
    for key in ["type", "format", "required", "enum"] {
        if let Some(value) = schema.get(key) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            out.insert(key.to_owned(), converted(inner, definitions, open));
        }
    }
    if let Some(properties) = schema["properties"].as_object() {
        let required = schema["required"].as_array();
        let needed = |key: &str| required.is_some_and(|list| list.iter().any(|name| name == key));
        let mut converted_all = Map::new();
        for (key, inner) in properties {
            let mut value = converted(inner, definitions, open);
            if !needed(key) {
                allow_null(&mut value);
            }
            converted_all.insert(key.clone(), value);
        }
        out.insert("properties".to_owned(), Value::Object(converted_all));
        out.entry("additionalProperties").or_insert(json!(false));
    }
    Value::Object(out)
}

fn allow_null(schema: &mut Value) {
    match schema.get_mut("type") {
        Some(Value::Array(types)) => types.push(json!("null")),
        Some(name) => *name = json!([name.clone(), "null"]),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Map<String, Value> {
        let document = json!({
            "x.Pod": {
                "type": "object", "required": ["spec"],
                "properties": {
                    "apiVersion": {"type": "string"}, "kind": {"type": "string"},
                    "spec": {"$ref": "#/definitions/x.Spec"},
                },
            },
            "x.Spec": {
                "type": "object",
                "properties": {
                    "port": {"type": "string", "format": "int-or-string"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "again": {"$ref": "#/definitions/x.Spec"},
                },
            },
        });
        document.as_object().unwrap().clone()
    }

    #[test]
    fn a_kind_is_named_by_the_first_word_of_its_group() {
        let kind = json!({"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"});
        assert_eq!(file_name(&kind).unwrap(), "ingress-networking-v1.json");
        let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
        assert_eq!(file_name(&kind).unwrap(), "pod-v1.json");
    }

    #[test]
    fn references_are_written_out_and_unknown_fields_refused() {
        let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
        let schema = standalone("x.Pod", &document(), &kind);
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["properties"]["kind"]["enum"], json!(["Pod"]));
        let spec = &schema["properties"]["spec"];
        assert_eq!(spec["type"], json!("object"), "a required field may not be null");
        assert_eq!(spec["additionalProperties"], json!(false));
        assert_eq!(spec["properties"]["port"]["type"], json!(["string", "integer", "null"]));
        let labels = &spec["properties"]["labels"];
        assert_eq!(labels["additionalProperties"], json!({"type": "string"}));
        assert_eq!(spec["properties"]["again"], json!({}), "recursion ends");
    }
}
