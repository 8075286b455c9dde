//! Names a finding so that it is recognised in the next run.
//!
//! Hashed, each followed by a NUL, with SHA-256 of which the first 16 bytes are kept as hex:
//!
//! 1. `provost/2`, the version of this list;
//! 2. rule id and variant name (empty without one);
//! 3. the subject; of a subject that is the primary input's path, the file name;
//! 4. where the subject is no object of the input, the file name of the primary place;
//! 5. where in its object the primary place stands: the keys that lead there, with the items of
//!    lists by what names them (`containers[name=web]/env[name=GOGC]/value`) and never by their
//!    number, behind `Kind/name` when it is another object than the subject; where a finding is about
//!    two items that say the same (a port that two containers declare), with neither of their names;
//! 6. the first line of the text at the primary place, white space collapsed, at most 200
//!    characters; of a place in a binary its section;
//! 7. the ordinal among findings of the run that agree in 1 to 6.
//!
//! Line numbers, offsets, addresses, files of objects, messages and the order of lists and threads
//! take no part: a finding keeps its name when lines or whole files move, when another is put before
//! it and when a later version words the message better. It changes its name when the value it
//! objects to changes. What a renderer printed is named by that, wherever it was written.
//!
//! The recipe before, `provost/1`, had no 5, the file name in all cases and the text where it was
//! written; baselines hold it still ([`Finding::former`]).

use std::collections::HashMap;
use std::fmt::Write as _;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest, Sha256};

use super::Finding;
use super::tree::Tree;
use crate::artifact::Sources;
use crate::facts::document::{Document, Node, NodeId};
use crate::facts::objects::Object;
use crate::facts::origin::{Place, SourceId, Span};

/// Characters of the primary place that take part.
const TEXT: usize = 200;

/// Keys that name the item of a list, the better ones first: what Kubernetes merges lists by, and
/// then what tells items of other lists apart.
const NAMES: [&str; 8] =
    ["name", "key", "containerPort", "port", "mountPath", "ip", "host", "path"];

/// Further places of a finding that are held against its first.
const MOST_OTHERS: usize = 8;

/// Keys of an item that are looked at for its name.
const MOST_KEYS: usize = 64;

/// Says of each finding what it is recognised by, while it has its place in what was judged: what a
/// renderer printed is moved to where it was written afterwards.
pub fn identify(findings: &mut [Finding], objects: &[Object], sources: &Sources) {
    if findings.is_empty() {
        return;
    }
    let subjects: FxHashSet<String> = objects.par_iter().map(Object::subject).collect();
    let mut by_source: FxHashMap<SourceId, Vec<&Object>> = FxHashMap::default();
    for object in objects {
        by_source.entry(object.document.source).or_default().push(object);
    }
    let held = |finding: &Finding| {
        let origin = finding.primary();
        let span = origin.span()?;
        Some((holder(by_source.get(&origin.source())?, span)?, span))
    };
    let held: Vec<_> = findings.par_iter().map(held).collect();
    let mut by_document: FxHashMap<_, (&Document, Vec<usize>)> = FxHashMap::default();
    for (at, held) in held.iter().enumerate() {
        let Some((object, _)) = held else { continue };
        let document = &*object.document;
        let of_document = by_document.entry((document.source, document.index));
        of_document.or_insert_with(|| (document, Vec::new())).1.push(at);
    }
    let way = |tree: &Tree, at: usize| {
        let ((object, span), finding) = ((*held.get(at)?)?, findings.get(at)?);
        let (document, origin) = (&*object.document, finding.primary());
        let steps = way(tree, document, object.root, span)?;
        let text = text_of(span, sources.get(origin.source()).shown()?);
        let others = finding.evidence[1..].iter().take(MOST_OTHERS).filter_map(|other| {
            let at = other.origin.span().filter(|_| other.origin.source() == origin.source())?;
            let same = text_of(at, sources.get(origin.source()).shown()?) == text;
            way(tree, document, object.root, at).filter(|_| same)
        });
        let twin = others.into_iter().find_map(|other| without_names(&steps, &other));
        let way = twin.unwrap_or(steps).concat();
        let subject = object.subject();
        let own = finding.subject.strip_prefix(&subject).is_some_and(is_end);
        Some(match own {
            true => way,
            false => format!("{}/{}\u{1}{way}", object.meta.kind.value, object.meta.name()),
        })
    };
    // The tree of a document is made once, for all findings in it, and not kept.
    let found: Vec<(usize, Option<String>)> = by_document
        .into_par_iter()
        .flat_map_iter(|(_, (document, all))| {
            let tree = Tree::new(document);
            all.into_iter().map(move |at| (at, way(&tree, at)))
        })
        .collect();
    let mut ways = vec![None; findings.len()];
    for (at, way) in found {
        ways[at] = way;
    }
    findings.par_iter_mut().zip(ways).for_each(|(finding, way)| {
        let of_object = object_of(&finding.subject).is_some_and(|object| subjects.contains(object));
        finding.identity = parts(finding, sources, of_object, &way.unwrap_or_default());
    });
}

/// `NS/KIND/NAME` of a subject that has as many parts.
pub fn object_of(subject: &str) -> Option<&str> {
    let end = subject.match_indices('/').nth(2).map_or(subject.len(), |(at, _)| at);
    (subject.matches('/').count() >= 2).then(|| &subject[..end])
}

fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// The object of one file that a place is in. Objects come in the order of the file.
fn holder<'o>(objects: &[&'o Object], span: Span) -> Option<&'o Object> {
    let behind = objects.partition_point(|object| object.node().span().start <= span.start);
    let object = objects.get(behind.checked_sub(1)?)?;
    object.node().span().contains(span).then_some(*object)
}

/// The text of a place.
fn text_of(span: Span, text: &str) -> Option<&str> {
    text.get(span.range())
}

/// A way with no name where another one that leads through the same keys has another name: which of the
/// two is told is a matter of their order.
fn without_names(way: &[String], other: &[String]) -> Option<Vec<String>> {
    if way.len() != other.len() || way == other {
        return None;
    }
    let step = |(one, other): (&String, &String)| match one == other {
        true => Some(one.clone()),
        false => (one.starts_with('[') && other.starts_with('[')).then(|| "[]".to_owned()),
    };
    way.iter().zip(other).map(step).collect()
}

/// The keys from the object at `root` to a place.
fn way(tree: &Tree, document: &Document, root: NodeId, span: Span) -> Option<Vec<String>> {
    let mut node = tree.at(document, span)?;
    let mut steps = Vec::new();
    while node != root {
        let (parent, key) = tree.around(node)?;
        // What ends before the place is beside it, not around it.
        if !steps.is_empty() || document.node(node).span().contains(span) {
            steps.push(match key {
                Some(key) => format!("/{}", document.node(key).as_str().unwrap_or_default()),
                None => format!("[{}]", name_of(document.node(node))),
            });
        }
        node = parent;
    }
    steps.reverse();
    Some(steps)
}

/// What names the item of a list: `name=web`.
fn name_of(item: Node<'_>) -> String {
    let mut best: Option<(usize, &str)> = None;
    for (key, value) in item.entries().take(MOST_KEYS) {
        let rank = key.as_str().and_then(|key| NAMES.iter().position(|name| *name == key));
        if let (Some(rank), Some(value)) = (rank, value.as_str())
            && best.is_none_or(|(known, _)| rank < known)
        {
            best = Some((rank, value));
        }
    }
    best.map_or_else(String::new, |(rank, value)| format!("{}={value}", NAMES[rank]))
}

/// Names each finding. They have to be sorted, for the ordinals.
pub fn assign(findings: &mut [Finding], sources: &Sources) {
    assign_each(findings.iter_mut(), sources);
}

/// Names each finding of a sorted sequence.
pub fn assign_each<'f>(findings: impl Iterator<Item = &'f mut Finding>, sources: &Sources) {
    let mut findings: Vec<&mut Finding> = findings.collect();
    let former: Vec<String> =
        findings.par_iter().map(|finding| former_parts(finding, sources)).collect();
    findings.par_iter_mut().filter(|finding| finding.identity.is_empty()).for_each(|finding| {
        finding.identity = parts(finding, sources, false, "");
    });
    let former: Vec<String> = hashes(former.iter().map(String::as_str));
    let now = hashes(findings.iter().map(|finding| &*finding.identity));
    for (finding, (now, former)) in findings.iter_mut().zip(now.into_iter().zip(former)) {
        finding.fingerprint = now;
        finding.former = former;
    }
}

/// The hash of each with its number among equal ones.
fn hashes<'p>(all: impl Iterator<Item = &'p str>) -> Vec<String> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let numbered: Vec<(&str, usize)> = all
        .map(|parts| {
            let next = seen.entry(parts).or_default();
            *next += 1;
            (parts, *next - 1)
        })
        .collect();
    let hash = |(parts, ordinal): &(&str, usize)| {
        let mut hash = Sha256::new();
        hash.update(parts.as_bytes());
        hash.update(ordinal.to_string().as_bytes());
        let mut hex = String::with_capacity(32);
        for byte in hash.finalize().iter().take(16) {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    };
    numbered.par_iter().map(hash).collect()
}

fn parts(finding: &Finding, sources: &Sources, of_object: bool, way: &str) -> String {
    let path = &sources.get(finding.primary().source()).path;
    let file = path.rsplit('/').next().unwrap_or_default();
    let subject = if finding.subject == *path { file } else { &finding.subject };
    let file = if of_object { "" } else { file };
    joined([
        "provost/2",
        finding.rule.id,
        variant(finding),
        subject,
        file,
        way,
        &place(finding, sources),
    ])
}

/// What was hashed before, for the baselines of then.
fn former_parts(finding: &Finding, sources: &Sources) -> String {
    let path = &sources.get(finding.primary().source()).path;
    let file = path.rsplit('/').next().unwrap_or_default();
    let subject = if finding.subject == *path { file } else { &finding.subject };
    joined([
        "provost/1",
        finding.rule.id,
        variant(finding),
        subject,
        file,
        &place(finding, sources),
    ])
}

fn variant(finding: &Finding) -> &'static str {
    finding.variant.map_or("", |variant| variant.name)
}

fn joined<const N: usize>(all: [&str; N]) -> String {
    let mut parts = String::new();
    for part in all {
        parts.push_str(part);
        parts.push('\0');
    }
    parts
}

/// What stands at the primary place.
fn place(finding: &Finding, sources: &Sources) -> String {
    let origin = finding.primary();
    match origin.place() {
        Place::Text(span) => sources
            .get(origin.source())
            .shown()
            .and_then(|text| text.get(span.range()))
            .and_then(|text| text.lines().next())
            .map(|line| {
                let head: String = line.chars().take(TEXT).collect();
                head.split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .unwrap_or_default(),
        Place::Binary(place) => place.section.as_deref().unwrap_or_default().to_owned(),
        Place::Image(place) => place.path.to_string(),
        Place::Process(moment) => moment.phase.name().to_owned(),
        Place::Log(_) | Place::Whole => String::new(),
    }
}
