//! The fields of custom resources, by the CRDs that their projects publish.
//!
//! The releases of a project are united: a field that one of them has is known, and only what all of
//! them want is required. Patterns and bounds are those that all of them have. Descriptions and rules
//! in CEL are left out, and so is the status, which controllers write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use provost_check::artifact::yaml::{Limits, parse};
use provost_check::facts::SourceId;
use provost_check::facts::document::Node;

use crate::{paths, tools};

/// Where the tables are.
const FOLDER: &str = "crates/provost-check/src/model/schema/crds";

/// Whose CRDs are read.
struct Project {
    /// The table's name.
    file: &'static str,
    module: &'static str,
    /// Oldest first.
    releases: &'static [&'static str],
    /// Files, or folders with them, of the module.
    paths: &'static [&'static str],
}

const PROJECTS: &[Project] = &[
    Project {
        file: "argo-rollouts",
        module: "github.com/argoproj/argo-rollouts",
        releases: &["v1.4.1", "v1.6.6", "v1.8.5", "v1.10.1"],
        paths: &["manifests/crds"],
    },
    Project {
        file: "cert-manager",
        module: "github.com/cert-manager/cert-manager",
        releases: &["v1.8.0", "v1.12.0", "v1.16.0", "v1.21.2"],
        paths: &["deploy/crds"],
    },
    Project {
        file: "flagger",
        module: "github.com/fluxcd/flagger",
        releases: &["v1.30.0", "v1.38.0", "v1.43.0"],
        paths: &["artifacts/flagger/crd.yaml"],
    },
    Project {
        file: "gateway-api",
        module: "sigs.k8s.io/gateway-api",
        releases: &["v0.8.1", "v1.1.0", "v1.3.0", "v1.6.3"],
        paths: &["config/crd/standard", "config/crd/experimental"],
    },
    Project {
        file: "istio",
        module: "istio.io/api",
        releases: &["v1.20.0", "v1.24.2", "v1.32.0"],
        paths: &["kubernetes/customresourcedefinitions.gen.yaml"],
    },
    Project {
        file: "keda",
        module: "github.com/kedacore/keda/v2",
        releases: &["v2.10.0", "v2.15.1", "v2.21.0"],
        paths: &["config/crd/bases"],
    },
    Project {
        file: "knative-serving",
        module: "knative.dev/serving",
        releases: &["v0.37.0", "v0.42.2", "v0.51.0"],
        paths: &["config/core/300-resources"],
    },
    Project {
        file: "prometheus-operator",
        module: "github.com/prometheus-operator/prometheus-operator",
        releases: &["v0.65.1", "v0.76.0", "v0.85.0", "v0.94.1"],
        paths: &["example/prometheus-operator-crd-full"],
    },
];

/// How many releases were read.
pub fn releases() -> usize {
    PROJECTS.iter().map(|project| project.releases.len()).sum()
}

/// Writes the tables, or compares them.
pub fn run(check: bool) -> Result<()> {
    let tables: Vec<Result<String>> = std::thread::scope(|scope| {
        let started: Vec<_> =
            PROJECTS.iter().map(|project| scope.spawn(|| table(project))).collect();
        let done = started.into_iter().map(|thread| thread.join());
        done.map(|table| table.unwrap_or_else(|_| bail!("the reader panicked"))).collect()
    });
    for (project, text) in PROJECTS.iter().zip(tables) {
        let text = text.with_context(|| format!("the CRDs of {}", project.module))?;
        let name = format!("{FOLDER}/{}.txt", project.file);
        let path = paths::root().join(&name);
        if !check {
            paths::write(&path, text.as_bytes())?;
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            bail!("{name} is not what the CRDs of its project say: run `cargo xtask schema`");
        }
    }
    Ok(())
}

fn table(project: &Project) -> Result<String> {
    let mut kinds = Kinds::default();
    for (release, version) in project.releases.iter().enumerate() {
        let root = tools::module(project.module, version)?;
        let mut found = 0;
        for path in project.paths {
            for file in files(&root.join(path))? {
                found += kinds
                    .file(release, &fs::read_to_string(&file)?)
                    .with_context(|| file.display().to_string())?;
            }
        }
        ensure!(found > 0, "{version} has none");
    }
    render(project, &kinds)
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "yaml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// API version and kind, with the newest release that serves it.
#[derive(Default)]
struct Kinds(BTreeMap<(String, String), (Fields, usize)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// As the table writes it: `s`.
    Scalar(char),
    /// A text that matches.
    Matching(String),
    /// A whole number from this to that.
    Between(Option<i64>, Option<i64>),
    /// One of these whole numbers.
    Among(BTreeSet<i64>),
    OneOf(BTreeSet<String>),
    List(Box<Shape>),
    Map(Box<Shape>),
    Fields(Fields),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fields {
    /// Unknown keys are kept.
    open: bool,
    of: BTreeMap<String, Property>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Property {
    shape: Shape,
    required: bool,
    /// The newest release that has it.
    last: usize,
}

const ANY: char = 'a';

impl Kinds {
    /// Takes in a file; how many versions of CRDs it has.
    fn file(&mut self, release: usize, text: &str) -> Result<usize> {
        let text = without_descriptions(text);
        let parsed = parse(SourceId(0), &text, &[], &Limits::default());
        ensure!(parsed.broken.is_empty(), "{:?}", parsed.broken);
        let mut found = 0;
        for document in &parsed.documents {
            let root = document.root();
            let text = |path: &[&str]| root.at(path).and_then(Node::as_str);
            if text(&["kind"]) != Some("CustomResourceDefinition") {
                continue;
            }
            let group = text(&["spec", "group"]).context("a CRD has a group")?;
            let kind = text(&["spec", "names", "kind"]).context("a CRD has a kind")?;
            let versions = root.at(&["spec", "versions"]).context("a CRD has versions")?;
            for version in versions.items() {
                if version.get("served").and_then(Node::as_bool) != Some(true) {
                    continue;
                }
                let name = version.get("name").and_then(Node::as_str).context("a name")?;
                let schema = version.at(&["schema", "openAPIV3Schema"]).context("a schema")?;
                self.version(release, (format!("{group}/{name}"), kind.to_owned()), schema);
                found += 1;
            }
        }
        Ok(found)
    }

    fn version(&mut self, release: usize, key: (String, String), schema: Node<'_>) {
        let mut fields = Fields { open: is(schema, OPEN), of: properties(schema, release) };
        // The API server checks the metadata itself, and controllers write the status.
        for own in ["apiVersion", "kind", "metadata", "status"] {
            fields.of.remove(own);
        }
        match self.0.get_mut(&key) {
            Some((known, last)) => {
                known.unite(fields);
                *last = release;
            }
            None => {
                self.0.insert(key, (fields, release));
            }
        }
    }
}

/// Descriptions are more than half of a CRD.
///
/// A field of that name has its schema in the lines below it, and is kept.
fn without_descriptions(text: &str) -> String {
    let mut kept = String::with_capacity(text.len() / 2);
    let mut inside: Option<usize> = None;
    // One in quotes may go on without an indent of its own.
    let mut quote: Option<char> = None;
    for line in text.lines() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        if let Some(open) = quote {
            quote = (!ends_with_quote(bare, open)).then_some(open);
            continue;
        }
        if inside.is_some_and(|key| indent > key || bare.is_empty()) {
            continue;
        }
        inside = bare.starts_with("description: ").then_some(indent);
        let value = bare.strip_prefix("description: ").unwrap_or_default();
        quote = value.chars().next().filter(|open| matches!(open, '\'' | '"'));
        quote = quote.filter(|open| !ends_with_quote(&value[1..], *open));
        if inside.is_none() {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// Whether a quote is closed at the end of a line: one that is doubled or escaped is text.
fn ends_with_quote(line: &str, quote: char) -> bool {
    let Some(rest) = line.trim_end().strip_suffix(quote) else { return false };
    let escape = if quote == '"' { '\\' } else { quote };
    let escapes = rest.chars().rev().take_while(|c| *c == escape).count();
    escapes.is_multiple_of(2)
}

const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

fn is(schema: Node<'_>, key: &str) -> bool {
    schema.get(key).and_then(Node::as_bool) == Some(true)
}

fn properties(schema: Node<'_>, release: usize) -> BTreeMap<String, Property> {
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

fn shape(schema: Node<'_>, release: usize) -> Shape {
    if is(schema, "x-kubernetes-embedded-resource") {
        return Shape::Scalar(ANY);
    }
    if is(schema, "x-kubernetes-int-or-string") {
        return Shape::Scalar('x');
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
        Some("integer") => {
            let bound = |key| schema.get(key).and_then(Node::as_i64);
            match (bound("minimum"), bound("maximum")) {
                (None, None) => Shape::Scalar('i'),
                (least, most) => Shape::Between(least, most),
            }
        }
        Some("number") => Shape::Scalar('n'),
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
    /// What both this and a newer release take.
    fn united(self, newer: Self) -> Self {
        match (self, newer) {
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
            (Self::Between(a, b), Self::Between(c, d)) => {
                let least = a.zip(c).map(|(a, c)| a.min(c));
                let most = b.zip(d).map(|(b, d)| b.max(d));
                match (least, most) {
                    (None, None) => Self::Scalar('i'),
                    (least, most) => Self::Between(least, most),
                }
            }
            (old, new) if old == new => old,
            // What one of them takes without a condition both take.
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

impl Fields {
    fn unite(&mut self, newer: Self) {
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

/// The lines of the table; the reader is `model/schema/custom.rs` of provost-check.
#[derive(Default)]
struct Lines {
    text: String,
    count: usize,
    /// Structures that are the same are one.
    known: HashMap<String, usize>,
    /// Patterns, in the order in which they are first asked for.
    patterns: Vec<String>,
}

fn render(project: &Project, kinds: &Kinds) -> Result<String> {
    let mut lines = Lines::default();
    let mut head = String::new();
    writeln!(head, "# The CRDs of {}. Generated by `cargo xtask schema`.", project.module)?;
    writeln!(head, "= {}", project.releases.join(" "))?;
    let mut roots = String::new();
    for ((version, kind), (fields, last)) in &kinds.0 {
        let number = lines.structure(kind, fields, *last)?;
        writeln!(roots, "@{version} {kind} {number}")?;
    }
    ensure!(lines.count > 20, "only {} structures", lines.count);
    for pattern in &lines.patterns {
        ensure!(!pattern.contains('\n'), "the pattern {pattern:?}");
        writeln!(head, "~ {pattern}")?;
    }
    Ok(head + &lines.text + &roots)
}

impl Lines {
    /// The structure's place. `last` is the newest release that has it.
    fn structure(&mut self, name: &str, fields: &Fields, last: usize) -> Result<usize> {
        let mut text = format!("{name}{}\n", if fields.open { " +" } else { "" });
        for (key, property) in &fields.of {
            ensure!(!key.contains([' ', '\n']), "the key {key:?}");
            let leaf = self.leaf(key, &property.shape, property.last)?;
            write!(text, " {key} ")?;
            if property.required {
                text.push('!');
            }
            if property.last < last {
                write!(text, "<{}", property.last + 1)?;
            }
            text += &leaf;
            text.push('\n');
        }
        if let Some(number) = self.known.get(&text) {
            return Ok(*number);
        }
        let number = self.count;
        self.text += &text;
        self.known.insert(text, number);
        self.count += 1;
        Ok(number)
    }

    fn leaf(&mut self, name: &str, shape: &Shape, last: usize) -> Result<String> {
        Ok(match shape {
            Shape::Scalar(scalar) => scalar.to_string(),
            Shape::Matching(pattern) => {
                let known = self.patterns.iter().position(|known| known == pattern);
                let number = known.unwrap_or_else(|| {
                    self.patterns.push(pattern.clone());
                    self.patterns.len() - 1
                });
                format!("~{number}")
            }
            Shape::Between(least, most) => {
                let bound = |bound: &Option<i64>| bound.map_or_else(String::new, |n| n.to_string());
                format!("[{},{}", bound(least), bound(most))
            }
            Shape::Among(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                format!("{{{}", all.join("|"))
            }
            Shape::OneOf(all) => {
                let plain = |text: &String| !text.contains(['|', '\n']);
                ensure!(all.iter().all(plain), "the values of {name}");
                let all: Vec<&str> = all.iter().map(String::as_str).collect();
                format!("={}", all.join("|"))
            }
            Shape::Fields(fields) => format!("#{}", self.structure(name, fields, last)?),
            // Lists of lists and maps of maps are not looked into.
            Shape::List(inner) => match **inner {
                Shape::List(_) | Shape::Map(_) => format!("*{ANY}"),
                _ => format!("*{}", self.leaf(name, inner, last)?),
            },
            Shape::Map(inner) => match &**inner {
                Shape::Map(_) => format!("%{ANY}"),
                Shape::List(item) if matches!(**item, Shape::List(_) | Shape::Map(_)) => {
                    format!("%*{ANY}")
                }
                _ => format!("%{}", self.leaf(name, inner, last)?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crd(properties: &str) -> String {
        format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec:\n  group: a.io\n  \
             names: {{kind: Till}}\n  versions:\n  - name: v1\n    served: true\n    schema:\n      \
             openAPIV3Schema:\n        properties:\n          spec:\n            type: object\n{properties}\
             \x20         status:\n            type: object\n  - name: v0\n    served: false\n"
        )
    }

    const OLD: &str = "            required: [kept, gone, filled]\n            properties:\n              \
        gone: {type: string}\n              kept: {type: string, enum: [a]}\n              \
        filled: {type: integer, default: 3}\n              any:\n                type: object\n                \
        x-kubernetes-preserve-unknown-fields: true\n              size: {type: integer}\n";
    const NEW: &str = "            description: Long\n              text\n            required: [kept, new]\n            \
        properties:\n              description:\n                description: A text.\n                type: string\n              \
        kept: {type: string, enum: [b]}\n              new: {type: array, items: {type: object, properties: {x: {type: number}}}}\n              \
        filled: {type: integer, default: 3}\n              any:\n                type: object\n                \
        x-kubernetes-preserve-unknown-fields: true\n              size: {x-kubernetes-int-or-string: true}\n";

    #[test]
    fn releases_are_united() {
        let mut kinds = Kinds::default();
        assert_eq!(kinds.file(0, &crd(OLD)).unwrap(), 1, "v0 is not served");
        assert_eq!(kinds.file(1, &crd(NEW)).unwrap(), 1);
        let (fields, last) = &kinds.0[&("a.io/v1".to_owned(), "Till".to_owned())];
        assert_eq!(*last, 1);
        let mut lines = Lines::default();
        assert_eq!(lines.structure("Till", fields, *last).unwrap(), 2);
        assert_eq!(
            lines.text,
            "new\n x n\n\
             spec\n any a\n description s\n filled i\n gone <1s\n kept !=a|b\n new *#0\n size x\n\
             Till\n spec #1\n"
        );
    }

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
        let among = |all: &[i64]| Shape::Among(all.iter().copied().collect());
        assert_eq!(among(&[301, 302]).united(among(&[302, 308])), among(&[301, 302, 308]));
        assert_eq!(among(&[301]).united(between(Some(1), None)), Shape::Scalar('i'));
        assert_eq!(Shape::Scalar('i').united(among(&[301])), Shape::Scalar('i'));
    }

    #[test]
    fn conditions_have_a_form_in_the_table() {
        let mut kinds = Kinds::default();
        let schema = "            properties:\n              every: {type: string, pattern: \"^[0-9]+s$\"}\n              \
            again: {type: string, pattern: \"^[0-9]+s$\"}\n              port: {type: integer, minimum: 1, maximum: 65535}\n              \
            least: {type: integer, minimum: 0}\n              status: {type: integer, enum: [302, 301]}\n";
        kinds.file(0, &crd(schema)).unwrap();
        let (fields, last) = &kinds.0[&("a.io/v1".to_owned(), "Till".to_owned())];
        let mut lines = Lines::default();
        lines.structure("Till", fields, *last).unwrap();
        assert_eq!(lines.patterns, ["^[0-9]+s$"]);
        assert_eq!(
            lines.text,
            "spec\n again ~0\n every ~0\n least [0,\n port [1,65535\n status {301|302\nTill\n spec #0\n"
        );
    }

    #[test]
    fn descriptions_in_quotes_end_with_them() {
        let text = "a:\n  description: 'Long: it''s\n  text:\n\n    more''\n  end'\n  type: object\n  \
            b: {description: x}\n  description: \"one \\\"\n  line\"\nc: 1\n  description: 'short'\nd: 2\n";
        assert_eq!(
            without_descriptions(text),
            "a:\n  type: object\n  b: {description: x}\nc: 1\nd: 2\n"
        );
    }
}
