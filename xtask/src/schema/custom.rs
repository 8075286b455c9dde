//! The fields of custom resources, by the CRDs that their projects publish.
//!
//! The releases of a project are united: a field that one of them has is known, and only what all of
//! them want is required. Patterns, bounds and sizes are those that all of them have. Descriptions and rules
//! in CEL are left out, and so is the status, which controllers write.

mod lines;
mod shape;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use provost_check::artifact::yaml::{Limits, parse};
use provost_check::facts::SourceId;
use provost_check::facts::document::Node;

use crate::{paths, tools};
use lines::render;
use shape::{Fields, OPEN, is, properties};

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

#[cfg(test)]
mod tests {
    use super::lines::Lines;
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
    fn conditions_have_a_form_in_the_table() {
        let mut kinds = Kinds::default();
        let schema = "            properties:\n              every: {type: string, pattern: \"^[0-9]+s$\"}\n              \
            again: {type: string, pattern: \"^[0-9]+s$\"}\n              port: {type: integer, minimum: 1, maximum: 65535}\n              \
            least: {type: integer, minimum: 0}\n              size: {type: number, maximum: 100}\n              \
            names: {type: array, minItems: 1, maxItems: 16, items: {type: string, minLength: 1}}\n              \
            options: {type: object, maxProperties: 8, additionalProperties: {type: string, maxLength: 4096}}\n              \
            lists: {type: object, additionalProperties: {type: array, minItems: 1, items: {type: string}}}\n              \
            own: {type: object, minProperties: 1, properties: {a: {type: string, minLength: 0, pattern: \"^[0-9]+s$\"}}}\n              \
            limit: {x-kubernetes-int-or-string: true, pattern: \"^[0-9]+$\"}\n              status: {type: integer, enum: [302, 301]}\n";
        kinds.file(0, &crd(schema)).unwrap();
        let (fields, last) = &kinds.0[&("a.io/v1".to_owned(), "Till".to_owned())];
        let mut lines = Lines::default();
        lines.structure("Till", fields, *last).unwrap();
        assert_eq!(lines.patterns, ["^[0-9]+s$", "^[0-9]+$"]);
        assert_eq!(
            lines.text,
            "own\n a ~0\n\
             spec\n again ~0\n every ~0\n least [0,\n limit x~1\n lists %*s\n names (1,16)*(1,)s\n \
             options (,8)%(,4096)s\n own (1,)#0\n port [1,65535\n size n[,100\n status {301|302\n\
             Till\n spec #1\n"
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
