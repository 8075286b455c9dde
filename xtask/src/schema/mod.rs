//! `cargo xtask schema`: the fields of Kubernetes' objects by release, from its own sources, and
//! those of custom resources ([`custom`]).
//!
//! `api/openapi-spec/swagger.json` of each release of `k8s.io/kubernetes` says which fields a type
//! has. A field may be there and dropped all the same, because its feature gate is off: which gate
//! guards it stands in `types.go` of `k8s.io/api`, and when the gate came on by default in
//! `pkg/features/kube_features.go`.

mod custom;
mod gates;
mod render;
mod triggers;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::{paths, tools};

const TABLE: &str = "crates/provost-check/src/model/schema/table.rs";

/// The last patch of every release that is read, oldest first.
const RELEASES: &[(u8, &str)] = &[
    (30, "v1.30.14"),
    (31, "v1.31.14"),
    (32, "v1.32.13"),
    (33, "v1.33.13"),
    (34, "v1.34.4"),
    (35, "v1.35.4"),
    (36, "v1.36.3"),
    (37, "v1.37.2"),
];

/// The module with `types.go` of the newest release.
const API: (&str, &str) = ("k8s.io/api", "v0.37.2");

#[derive(clap::Args, Default)]
pub struct Args {
    /// Write nothing; compare the table with the sources
    #[arg(long)]
    pub check: bool,
}

/// From which release on, and the first without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    since: u8,
    /// The newest release that has it.
    last: u8,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    /// `One`, `List`, `Map`, `MapOfLists`.
    form: &'static str,
    leaf: Leaf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Leaf {
    /// The name of a scalar in the table: `String`, `Int32`.
    Scalar(&'static str),
    /// A definition.
    Type(String),
}

#[derive(Debug)]
struct Field {
    shape: Shape,
    span: Span,
    /// Whether the newest release that has it wants it.
    required: bool,
    /// The first release that does not drop it by default; 0 when none of those read does.
    on: u8,
}

#[derive(Debug, Default)]
struct Schema {
    /// By the name of the definition: `io.k8s.api.core.v1.Container`.
    types: BTreeMap<String, BTreeMap<String, Field>>,
    /// API version and kind, with the definition.
    kinds: BTreeMap<(String, String), (String, Span)>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut schema = Schema::default();
    let mut features = Vec::new();
    for (minor, version) in RELEASES {
        let root = tools::module("k8s.io/kubernetes", version)?;
        schema.add(*minor, &root.join("api/openapi-spec/swagger.json"))?;
        features.push(fs::read_to_string(root.join("pkg/features/kube_features.go"))?);
    }
    features.reverse();
    let types = tools::module(API.0, API.1)?;
    gates::apply(&mut schema, &types, &features)?;
    let text = render::render(&schema)?;
    let path = paths::root().join(TABLE);
    if !args.check {
        paths::write(&path, text.as_bytes())?;
    } else if fs::read_to_string(&path)? != text {
        bail!("{TABLE} is not what Kubernetes' sources say: run `cargo xtask schema`");
    }
    custom::run(args.check)?;
    triggers::run(args.check)?;
    if args.check {
        eprintln!(
            "schema: the tables agree with {} releases of Kubernetes and {} of other projects",
            RELEASES.len(),
            custom::releases()
        );
    }
    Ok(())
}

const REF: &str = "#/definitions/";

impl Schema {
    /// Takes in one release.
    fn add(&mut self, minor: u8, openapi: &Path) -> Result<()> {
        let text =
            fs::read(openapi).with_context(|| format!("cannot read {}", openapi.display()))?;
        let document: Value = serde_json::from_slice(&text)?;
        let definitions =
            document["definitions"].as_object().context("the document has definitions")?;
        ensure!(definitions.len() > 500, "{}: too few definitions", openapi.display());
        for (name, definition) in definitions {
            self.definition(minor, name, definition, definitions)
                .with_context(|| format!("{name} in {}", openapi.display()))?;
        }
        Ok(())
    }

    fn definition(
        &mut self,
        minor: u8,
        name: &str,
        definition: &Value,
        all: &Map<String, Value>,
    ) -> Result<()> {
        if scalar_type(name).is_some() || is_open(definition) {
            return Ok(());
        }
        let kinds = definition["x-kubernetes-group-version-kind"].as_array();
        // Options of API calls claim dozens of groups, and lists are no manifests of their own.
        if let Some([kind]) = kinds.map(Vec::as_slice) {
            let text = |key: &str| kind[key].as_str().context("a kind has three parts");
            let (group, version) = (text("group")?, text("version")?);
            let version =
                if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
            let span = Span { since: minor, last: minor };
            let key = (version, text("kind")?.to_owned());
            let entry = self.kinds.entry(key).or_insert_with(|| (name.to_owned(), span));
            entry.1.last = minor;
        }
        let required: Vec<&str> = definition["required"]
            .as_array()
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let fields = self.types.entry(name.to_owned()).or_default();
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            let shape = shape(property, all).with_context(|| format!("the field {key}"))?;
            let required = required.contains(&key.as_str());
            let span = Span { since: minor, last: minor };
            let new = Field { shape: shape.clone(), span, required, on: 0 };
            let field = fields.entry(key.clone()).or_insert(new);
            // Types are refined and renamed; the newest holds.
            field.shape = shape;
            field.span.last = minor;
            field.required = required;
        }
        Ok(())
    }
}

/// Whether a definition says nothing of what is inside: any JSON, an embedded object.
fn is_open(definition: &Value) -> bool {
    let properties = definition["properties"].as_object();
    properties.is_none_or(Map::is_empty)
}

/// Definitions that are written as one scalar.
fn scalar_type(name: &str) -> Option<&'static str> {
    let (_, last) = name.rsplit_once('.')?;
    match last {
        "Quantity" => Some("Quantity"),
        "IntOrString" => Some("IntOrString"),
        "Time" | "MicroTime" => Some("Time"),
        _ => None,
    }
}

fn shape(property: &Value, all: &Map<String, Value>) -> Result<Shape> {
    let one = |form, leaf| Ok(Shape { form, leaf });
    match property["type"].as_str() {
        Some("array") => match property["items"]["type"].as_str() {
            Some("array" | "object") => one("List", Leaf::Scalar("Any")),
            _ => one("List", leaf(&property["items"], all)?),
        },
        Some("object") => {
            let inside = &property["additionalProperties"];
            match inside["type"].as_str() {
                Some("array") => one("MapOfLists", leaf(&inside["items"], all)?),
                Some("object") => one("Map", Leaf::Scalar("Any")),
                None if inside.get("$ref").is_none() => one("One", Leaf::Scalar("Any")),
                _ => one("Map", leaf(inside, all)?),
            }
        }
        _ => one("One", leaf(property, all)?),
    }
}

fn leaf(property: &Value, all: &Map<String, Value>) -> Result<Leaf> {
    if let Some(name) = property["$ref"].as_str().and_then(|name| name.strip_prefix(REF)) {
        if let Some(scalar) = scalar_type(name) {
            return Ok(Leaf::Scalar(scalar));
        }
        let definition = all.get(name).with_context(|| format!("no definition {name}"))?;
        return Ok(match is_open(definition) {
            true => Leaf::Scalar("Any"),
            false => Leaf::Type(name.to_owned()),
        });
    }
    let scalar = match (property["type"].as_str(), property["format"].as_str()) {
        (Some("string"), Some("byte")) => "Base64",
        (Some("string"), _) => "String",
        (Some("boolean"), _) => "Bool",
        (Some("integer"), Some("int32")) => "Int32",
        (Some("integer"), _) => "Int64",
        (Some("number"), _) => "Number",
        (None, _) => "Any",
        (Some(other), format) => bail!("unknown type {other} {format:?}"),
    };
    Ok(Leaf::Scalar(scalar))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definitions(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_field_has_the_releases_that_have_it() {
        let first = definitions(
            r##"{"a.v1.Pod": {"properties": {"old": {"type": "string"}, "kept": {"$ref": "#/definitions/a.Quantity"}},
                "required": ["kept"],
                "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Pod"}]},
                "a.Quantity": {"type": "string"}}"##,
        );
        let second = definitions(
            r##"{"a.v1.Pod": {"properties": {"kept": {"$ref": "#/definitions/a.Quantity"},
                "new": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}}},
                "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Pod"}]},
                "a.Quantity": {"type": "string"}}"##,
        );
        let mut schema = Schema::default();
        for (minor, all) in [(30, &first), (31, &second)] {
            for (name, definition) in all {
                schema.definition(minor, name, definition, all).unwrap();
            }
        }
        let pod = &schema.types["a.v1.Pod"];
        assert_eq!(pod["old"].span, Span { since: 30, last: 30 });
        assert_eq!(pod["kept"].span, Span { since: 30, last: 31 });
        assert!(!pod["kept"].required, "the newest release does not want it");
        assert_eq!(pod["kept"].shape, Shape { form: "One", leaf: Leaf::Scalar("Quantity") });
        assert_eq!(pod["new"].span, Span { since: 31, last: 31 });
        assert_eq!(pod["new"].shape, Shape { form: "Map", leaf: Leaf::Scalar("Base64") });
        assert_eq!(schema.types.len(), 1, "a quantity is a scalar");
        let kind = &schema.kinds[&("v1".to_owned(), "Pod".to_owned())];
        assert_eq!(kind.1, Span { since: 30, last: 31 });
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        let property = serde_json::json!({"type": "tensor"});
        assert!(shape(&property, &Map::new()).is_err());
        let property = serde_json::json!({"$ref": "#/definitions/nowhere"});
        assert!(shape(&property, &Map::new()).is_err());
    }
}
