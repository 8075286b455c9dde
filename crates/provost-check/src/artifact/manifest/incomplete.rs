//! Objects that do not say what they are: `Kind:` for `kind`, or nothing in its place. A decoder
//! looks for these two keys before any other (`UnstructuredJSONScheme` of k8s.io/apimachinery v0.37.2,
//! `DefaultMetaFactory.Interpret`), in which case counts, so that what is meant for the cluster never
//! gets there.
//!
//! Most YAML in a repository has no kind because it is no object. What counts as one is an API version
//! with metadata, a kind of Kubernetes with metadata, or a name and a spec.

use super::object_kind;
use crate::artifact::{Problem, ProblemKind};
use crate::facts::document::{Document, Node, ScalarKind};
use crate::facts::origin::Origin;
use crate::facts::placeholders::is_placeholder;
use crate::model::names::distance;
use crate::model::schema;

/// Objects of one document that are told; a file of garbage has as many as lines.
const MOST: usize = 50;

/// What of a document looks like an object and is none. In a file that somebody `named`, everything
/// that is to be applied does.
pub(super) fn find(document: &Document, named: bool) -> Vec<Problem> {
    let mut found = Vec::new();
    let root = document.root();
    let list = object_kind(root).is_some_and(|kind| kind.ends_with("List"));
    if list {
        // Lists of lists are what nobody writes by hand.
        let items = root.get("items").into_iter().flat_map(Node::items);
        found.extend(items.filter_map(|item| one(item, false)).take(MOST));
    } else {
        found.extend(one(root, named));
    }
    found
}

fn one(node: Node<'_>, named: bool) -> Option<Problem> {
    let (first, _) = node.entries().next()?;
    let version = text(node, "apiVersion");
    let kind = text(node, "kind");
    if let (Some(_), Some(_)) = (version, kind) {
        return None;
    }
    let written = |key: &str| node.get_entry(key).map(|(key, _)| key);
    // A value of another type, or one that something fills in, is told of or left alone elsewhere.
    if (version.is_none() && written("apiVersion").is_some())
        || (kind.is_none() && written("kind").is_some())
        || node.entries().any(|(key, _)| key.as_str() == Some("<<"))
        || version.is_some_and(is_placeholder)
    {
        return None;
    }
    let metadata = node.get("metadata").filter(|metadata| metadata.is_mapping());
    let is_called = metadata.is_some_and(|metadata| {
        ["name", "generateName"].iter().any(|key| text(metadata, key).is_some())
    });
    let is_spec = || node.get("spec").is_some_and(Node::is_mapping);
    let near_kind = || near(node, "kind", is_kind);
    let near_version = || near(node, "apiVersion", is_version);
    match (version, kind) {
        (Some(version), None) if is_version(version) => {
            if let Some(key) = near_kind() {
                return Some(lost(key, NO_KIND, Some("kind")));
            }
            // Charts, indexes of charts and configurations of tools have a version alone.
            let key = empty(node, "kind").or_else(|| written("apiVersion"));
            if metadata.is_some() {
                return Some(lost(key.unwrap_or(first), NO_KIND, None));
            }
        }
        (None, Some(kind)) if is_kind(kind) => {
            if let Some(key) = near_version() {
                let value = node.get(key.as_str().unwrap_or_default()).and_then(Node::as_str);
                if value.is_some_and(|version| version.starts_with(SCORECARD)) {
                    return None;
                }
                return Some(lost(key, NO_VERSION, Some("apiVersion")));
            }
            let key = empty(node, "apiVersion").or_else(|| written("kind"));
            if is_called && schema::versions_of(kind).next().is_some() {
                return Some(lost(key.unwrap_or(first), NO_VERSION, None));
            }
        }
        (None, None) => {
            if let (Some(kind), Some(_)) = (near_kind(), near_version()) {
                return Some(lost(kind, NO_KIND, Some("kind")));
            }
            if is_called && is_spec() && !named {
                let problem = lost(first, NEITHER, None);
                return Some(Problem { kind: ProblemKind::Doubtful, ..problem });
            }
        }
        _ => {}
    }
    named.then(|| lost(first, NO_OBJECT, None))
}

const NO_KIND: &str = "the object has no `kind`, and is refused: Object 'Kind' is missing";
const NO_VERSION: &str = "the object has no `apiVersion`, and is refused: apiVersion not set";
const NEITHER: &str =
    "`metadata` and `spec` without `apiVersion` and `kind`: no object, though it looks like one";
/// operator-sdk writes `apiversion` into the configuration of its scorecard, and reads it so.
const SCORECARD: &str = "scorecard.operatorframework.io/";

/// Of a file that somebody named.
pub(super) const NO_OBJECT: &str =
    "a document without `apiVersion` and `kind` is no object: `kubectl apply` stops at it";

fn lost(key: Node<'_>, message: &str, meant: Option<&'static str>) -> Problem {
    let origin: Origin = key.origin();
    Problem { kind: ProblemKind::NoKind(meant), origin, message: message.to_owned(), help: None }
}

fn text<'d>(node: Node<'d>, key: &str) -> Option<&'d str> {
    let value = node.get(key).filter(|value| value.scalar_kind() == Some(ScalarKind::Str))?;
    value.as_str().filter(|text| !text.is_empty())
}

/// The key, where null or nothing stands behind it.
fn empty<'d>(node: Node<'d>, name: &str) -> Option<Node<'d>> {
    node.entries().map(|(key, _)| key).find(|key| key.as_str() == Some(name))
}

/// The key that differs from `meant` by its case or by a slip, and whose value is what belongs there.
fn near<'d>(node: Node<'d>, meant: &str, fits: fn(&str) -> bool) -> Option<Node<'d>> {
    let is_near = |key: &str| {
        let key = key.trim();
        key != meant && (key.eq_ignore_ascii_case(meant) || distance(key, meant, 1).is_some())
    };
    let slip = |(key, value): &(Node<'d>, Node<'d>)| {
        key.as_str().is_some_and(is_near)
            && value.scalar_kind() == Some(ScalarKind::Str)
            && value.as_str().is_some_and(fits)
    };
    node.entries().find(slip).map(|(key, _)| key)
}

/// `Deployment`
fn is_kind(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `v1`, `apps/v1`, `networking.istio.io/v1beta1`
fn is_version(text: &str) -> bool {
    let (group, version) = text.split_once('/').unwrap_or(("", text));
    let group =
        group.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
    let numbers = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let version = version.strip_prefix('v').is_some_and(|rest| {
        let stage = ["alpha", "beta"].iter().find_map(|stage| rest.split_once(stage));
        match stage {
            Some((major, minor)) => numbers(major) && numbers(minor),
            None => numbers(rest),
        }
    });
    group && version
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::artifact::ProblemKind;
    use crate::artifact::yaml::{Limits, parse};
    use crate::facts::origin::SourceId;

    fn told(text: &str, named: bool) -> Vec<(ProblemKind, String)> {
        let parsed = parse(SourceId(0), text, &[], &Limits::default());
        assert!(parsed.broken.is_empty(), "{text}");
        let documents = parsed.documents.iter();
        let found = documents.flat_map(|document| find(document, named));
        found
            .map(|problem| {
                let span = problem.origin.span().expect("a place in the text");
                (problem.kind, text[span.range()].to_owned())
            })
            .collect()
    }

    #[test]
    fn what_is_meant_for_the_cluster_is_told() {
        use ProblemKind::{Doubtful, NoKind};
        for (text, kind, at) in [
            ("apiVersion: v1\nKind: Service\nmetadata: {name: a}", NoKind(Some("kind")), "Kind"),
            ("apiVersion: v1\nKIND: Service\nspec: {}", NoKind(Some("kind")), "KIND"),
            ("apiVersion: v1\nknd: Service\nspec: {}", NoKind(Some("kind")), "knd"),
            ("apiVersion: apps/v1\nmetadata: {name: a}", NoKind(None), "apiVersion"),
            ("apiVersion: v1\nkind:\nmetadata: {name: a}", NoKind(None), "kind"),
            ("apiversion: v1\nkind: Widget", NoKind(Some("apiVersion")), "apiversion"),
            ("kind: Deployment\nmetadata: {name: a}", NoKind(None), "kind"),
            ("kind: NetworkPolicy\nmetadata: {name: a}", NoKind(None), "kind"),
            ("ApiVersion: v1\nKind: Pod\nspec: {}", NoKind(Some("kind")), "Kind"),
            ("metadata: {name: a}\nspec: {replicas: 1}", Doubtful, "metadata"),
            (
                "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, Kind: Pod, metadata: {}}]",
                NoKind(Some("kind")),
                "Kind",
            ),
        ] {
            assert_eq!(told(text, false), [(kind, at.to_owned())], "{text}");
        }
    }

    #[test]
    fn what_is_for_others_is_not() {
        for text in [
            "apiVersion: v2\nname: chart\nversion: 1.0.0\nappVersion: v1",
            "apiVersion: v1\nentries: {}\ngenerated: now",
            "apiVersion: 1\ndatasources: []",
            "apiVersion: score.dev/v1b1\nmetadata: {name: a}\ncontainers: {}",
            "apiVersion: 1.0.0\nmetadata: {name: a}",
            "kind: pipeline\nname: default\nmetadata: {name: a}",
            "kind: Role\nversion: v3\nmetadata: {labels: {}}",
            "kind: Module\nmetadata: {name: a}",
            "services: {web: {image: a}}",
            "metadata: {labels: {}}\nspec: {replicas: 1}",
            "metadata: {name: a}\ntype: x",
            "find: Service\nmetadata: {name: a}",
            "apiversion: scorecard.operatorframework.io/v1alpha3\nkind: Configuration\nmetadata: {name: a}",
            "apiVersion: apps/v1\nkind: Deployment",
            "apiVersion: ${VERSION}\nmetadata: {name: a}",
            "- apiVersion: v1\n  metadata: {name: a}",
            "just text",
        ] {
            assert!(told(text, false).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_named_file_holds_objects_only() {
        let text = "replicas: 1";
        assert_eq!(told(text, true), [(ProblemKind::NoKind(None), "replicas".to_owned())]);
        assert!(told("apiVersion: v1\nkind: Pod", true).is_empty());
        assert!(told("", true).is_empty());
    }
}
