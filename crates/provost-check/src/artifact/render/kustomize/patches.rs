//! Patches, in files and in kustomizations, and what they are applied to.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::names::{Identity, Use, whole};
use crate::artifact::kustomization::all_of;
use crate::facts::document::{Document, Node, NodeId, ScalarStyle};
use crate::facts::origin::{Origin, SourceId, Span};

/// Patches of one object that are looked at; of more the last ones, which have the last word.
const MOST_PATCHES: usize = 64;

/// Patches whose target is a pattern: each is held against every object.
const MOST_WIDE: usize = 256;

/// One use of a document with a patch.
#[derive(Clone, Debug)]
pub(super) struct Patch {
    pub(super) text: Arc<Text>,
    target: Option<Target>,
    /// Where it stands, when it is written into a kustomization.
    inline: Option<Inline>,
}

/// A document with a patch.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) document: Arc<Document>,
    /// RFC 6902: the operations by the path that they put something at.
    pub(super) operations: FxHashMap<String, Vec<Operation>>,
}

/// What an operation puts somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    path: NodeId,
    value: NodeId,
}

impl Text {
    pub(super) fn new(document: Arc<Document>) -> Arc<Self> {
        let mut operations: FxHashMap<String, Vec<Operation>> = FxHashMap::default();
        for operation in document.root().items() {
            let Some((path, value)) = operation.get("path").zip(operation.get("value")) else {
                continue;
            };
            let Some(pointer) = path.as_str() else { continue };
            let all = operations.entry(pointer.to_owned()).or_default();
            all.push(Operation { path: path.id, value: value.id });
        }
        Arc::new(Self { document, operations })
    }
}

/// The `target` of a patch.
#[derive(Clone, Debug)]
pub(super) struct Target {
    kind: Match,
    name: Match,
    namespace: Match,
}

/// A regular expression as far as it is read.
#[derive(Clone, Debug)]
enum Match {
    Any,
    OneOf(Vec<String>),
    /// May hold or not.
    Pattern,
}

impl Match {
    fn of(target: Node<'_>, key: &str) -> Self {
        let text = all_of(target, key).filter_map(Node::as_str).last().unwrap_or_default();
        let plain = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        match text {
            "" | ".*" => Self::Any,
            _ if text.split('|').all(plain) => {
                Self::OneOf(text.split('|').map(str::to_owned).collect())
            }
            _ => Self::Pattern,
        }
    }

    fn may_be(&self, text: &str) -> bool {
        match self {
            Self::OneOf(words) => words.iter().any(|word| word == text),
            Self::Any | Self::Pattern => true,
        }
    }
}

impl Target {
    /// That of an item of `patches`.
    pub(super) fn of(item: Node<'_>) -> Option<Self> {
        let target = all_of(item, "target").filter(|target| target.is_mapping()).last()?;
        let of = |key| Match::of(target, key);
        Some(Self { kind: of("kind"), name: of("name"), namespace: of("namespace") })
    }
}

/// Where the parts of a text stand that is a value of a kustomization.
#[derive(Clone, Debug)]
pub(super) struct Inline {
    whole: Origin,
    /// Parts that are written as they are, one for each line of the scalar at most: where each begins
    /// in the text, and where it stands.
    parts: Vec<(usize, Span)>,
}

impl Inline {
    /// Where the parts of a scalar of this text are. Lines of a block are lines of its text, those of
    /// other scalars are joined to one; what is escaped, and all behind it, is not told apart.
    pub(super) fn of(node: Node<'_>, text: &str) -> Self {
        let value = node.as_str().unwrap_or_default();
        let span = node.span();
        let raw = text.get(span.range()).unwrap_or_default();
        let mut lines = raw.split_inclusive('\n');
        let mut at = span.start as usize;
        match node.scalar_style() {
            // The indicator.
            Some(ScalarStyle::Block) => at += lines.next().map_or(0, str::len),
            Some(ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) => {
                lines = raw
                    .get(1..raw.len().saturating_sub(1))
                    .unwrap_or_default()
                    .split_inclusive('\n');
                at += 1;
            }
            Some(ScalarStyle::Plain) | None => {}
        }
        let mut parts = Vec::new();
        let mut known = 0;
        for line in lines {
            let shown = line.trim();
            let rest = value.get(known..).unwrap_or_default();
            let start = known + (rest.len() - rest.trim_start().len());
            if !shown.is_empty() {
                if !value.get(start..).is_some_and(|rest| rest.starts_with(shown)) {
                    break;
                }
                let from = at + (line.len() - line.trim_start().len());
                parts.push((start, Span::new(from, from + shown.len())));
                known = start + shown.len();
            }
            at += line.len();
        }
        Self { whole: node.origin(), parts }
    }

    fn origin(&self, node: Node<'_>) -> Origin {
        let span = node.span();
        let (start, end) = (span.start as usize, span.end as usize);
        let part = self.parts.partition_point(|(from, _)| *from <= start).checked_sub(1);
        let Some((from, place)) = part.and_then(|part| self.parts.get(part)) else {
            return self.whole.clone();
        };
        let first = place.start as usize + (start - from);
        let last = (place.start as usize + (end - from)).min(place.end as usize);
        match first < last {
            true => Origin::text(self.whole.source(), Span::new(first, last)),
            false => self.whole.clone(),
        }
    }
}

impl Patch {
    pub(super) fn new(text: Arc<Text>, target: Option<Target>, inline: Option<Inline>) -> Self {
        Self { text, target, inline }
    }

    pub(super) fn root(&self) -> Node<'_> {
        self.text.document.root()
    }

    /// What operations put at a path: the path as it is written, and the value.
    pub(super) fn at(&self, pointer: &str) -> impl Iterator<Item = (Node<'_>, Node<'_>)> {
        let operations = self.text.operations.get(pointer).into_iter().flatten();
        let node = |id| self.text.document.node(id);
        operations.map(move |operation| (node(operation.path), node(operation.value)))
    }

    /// Where a node of it stands.
    pub(super) fn origin(&self, node: Node<'_>) -> Origin {
        match &self.inline {
            Some(inline) => inline.origin(node),
            None => node.origin(),
        }
    }

    /// Whether its values may be those of a Secret.
    pub(super) fn may_be_of_secret(&self) -> bool {
        let root = self.root();
        if all_of(root, "kind").any(|kind| kind.as_str() == Some("Secret")) {
            return true;
        }
        let Some(target) = &self.target else { return false };
        match &target.kind {
            Match::OneOf(kinds) => kinds.iter().any(|kind| kind == "Secret"),
            Match::Any | Match::Pattern => {
                let data = ["/data", "/stringData"];
                let fields =
                    || ["data", "stringdata"].iter().any(|key| all_of(root, key).count() > 0);
                self.text
                    .operations
                    .keys()
                    .any(|path| data.iter().any(|data| path.starts_with(data)))
                    || fields()
            }
        }
    }

    /// What may be shown of it when it is one of a Secret: which field is meant.
    pub(super) fn secret_values(&self) -> Vec<Span> {
        let shown = ["op", "path", "from", "apiVersion", "kind", "name", "namespace"];
        let mut spans = Vec::new();
        let document = &self.text.document;
        for index in 0..document.nodes.len() {
            let node = document.node(NodeId(u32::try_from(index).unwrap_or(u32::MAX)));
            let scalar = |node: &Node<'_>| node.scalar_kind().is_some();
            spans.extend(node.items().filter(scalar).map(Node::span));
            let values = node
                .entries()
                .filter(|(key, _)| !key.as_str().is_some_and(|key| shown.contains(&key)));
            spans.extend(values.map(|(_, value)| value).filter(scalar).map(Node::span));
        }
        spans
    }
}

/// All patches of a build in the order in which they are applied, as far as that is known.
#[derive(Debug, Default)]
pub(super) struct Patches {
    pub(super) all: Vec<Patch>,
    /// By kind, and by name and namespace: those that say both. Some take any namespace: `*`.
    named: FxHashMap<String, FxHashMap<(String, String), Vec<usize>>>,
    wide: Vec<usize>,
}

impl Patches {
    pub(super) fn new(all: Vec<Patch>) -> Self {
        let mut patches = Self::default();
        for (number, patch) in all.iter().enumerate() {
            let mut add = |kind: &str, name: &str, namespace: &str| {
                let by_name = patches.named.entry(kind.to_owned()).or_default();
                let key = (name.to_owned(), namespace.to_owned());
                by_name.entry(key).or_default().push(number);
            };
            match &patch.target {
                Some(Target {
                    kind: Match::OneOf(kinds),
                    name: Match::OneOf(names),
                    namespace,
                }) if kinds.len() * names.len() <= MOST_PATCHES => {
                    let any = [String::from("*")];
                    let namespaces = match namespace {
                        Match::OneOf(all) if all.len() <= MOST_PATCHES => all.as_slice(),
                        _ => &any,
                    };
                    for (kind, name) in kinds.iter().flat_map(|k| names.iter().map(move |n| (k, n)))
                    {
                        namespaces.iter().for_each(|namespace| add(kind, name, namespace));
                    }
                }
                Some(_) if patches.wide.len() < MOST_WIDE => patches.wide.push(number),
                Some(_) => {}
                None => {
                    if let Some(of) = Identity::of(patch.root()) {
                        add(of.kind, of.name, whole(of.namespace));
                    }
                }
            }
        }
        patches.all = all;
        patches
    }

    /// Those of one object, the last word at the end.
    pub(super) fn of(&self, object: Identity<'_>, made_of: Option<&Use>) -> Vec<&Patch> {
        let distinct = |all: &mut Vec<String>| {
            all.sort_unstable();
            all.dedup();
        };
        let owned = |all: &Vec<Arc<str>>| all.iter().map(|name| name.to_string()).collect();
        let mut names: Vec<String> = made_of.map_or_else(Vec::new, |it| owned(&it.names));
        names.push(object.name.to_owned());
        distinct(&mut names);
        let mut namespaces: Vec<String> = made_of.map_or_else(Vec::new, |it| owned(&it.namespaces));
        namespaces.push(object.namespace.to_owned());
        namespaces.iter_mut().for_each(|namespace| *namespace = whole(namespace).to_owned());
        namespaces.push("*".to_owned());
        distinct(&mut namespaces);
        let mut numbers: Vec<usize> = Vec::new();
        if let Some(by_name) = self.named.get(object.kind) {
            for name in names.iter().take(MOST_PATCHES) {
                for namespace in namespaces.iter().take(MOST_PATCHES) {
                    let found = by_name.get(&(name.clone(), namespace.clone()));
                    let found = found.into_iter().flatten().rev();
                    numbers.extend(found.take(MOST_PATCHES));
                }
            }
        }
        numbers.extend(self.wide.iter().filter(|number| {
            let target = self.all.get(**number).and_then(|patch| patch.target.as_ref());
            target.is_some_and(|target| {
                target.kind.may_be(object.kind)
                    && names.iter().any(|name| target.name.may_be(name))
                    && namespaces.iter().any(|name| target.namespace.may_be(name))
            })
        }));
        numbers.sort_unstable();
        numbers.dedup();
        numbers.drain(..numbers.len().saturating_sub(MOST_PATCHES));
        numbers.iter().filter_map(|number| self.all.get(*number)).collect()
    }
}

/// Nobody's file: the documents of a text in a kustomization.
pub(super) const NO_FILE: SourceId = SourceId(u32::MAX);
