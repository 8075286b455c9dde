//! Keeps secret values inside the loader: they are overwritten in the document and in the text
//! that reports show, before anything else sees either.

use crate::facts::document::{Class, Document, Form, Node, NodeId, Part, ScalarKind, ScalarStyle};
use crate::facts::objects::{Body, Object};
use crate::facts::origin::{Fact, Span};
use crate::facts::placeholders::{is_in_capitals, is_placeholder};
use crate::facts::workload::EnvValue;
use crate::model::base64::is_base64;
use crate::model::names::distance;
use crate::model::secret::{commands, is_hidden, is_secret_header, secret_word, token_shape};

/// What stands in the place of a secret scalar.
pub(super) const MASK: &str = "***";

/// The same for a value of `data` that has to be base64 and is not, as this one is not.
const BROKEN: &str = "****";

/// `kubectl apply` keeps the whole object in this annotation, a Secret's data included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Overwrites the values of every Secret, wherever in the document it stands (an item of a List, an
/// object of a template), and the credentials of kubeconfigs. Returns the bytes to mask in the
/// source.
pub(super) fn hide(document: &mut Document, text: &str) -> Vec<Span> {
    let mut parts = Parts::default();
    for index in 0..document.nodes.len() {
        parts.look_at(document, NodeId(u32::try_from(index).unwrap_or(u32::MAX)));
    }
    let mut spans = Vec::new();
    for region in &parts.regions {
        mask_region(document, text, region, &mut spans);
    }
    let mut open = parts.values;
    if open.is_empty() {
        return spans;
    }
    let mut seen = vec![false; document.nodes.len()];
    let end = document.texts.len();
    let mask = Part::new(end, end + MASK.len());
    let broken = Part::new(end, end + BROKEN.len());
    let is_broken = |id: &NodeId| is_broken(document.node(*id));
    let refused: rustc_hash::FxHashSet<NodeId> =
        parts.encoded.into_iter().filter(is_broken).collect();
    let mut hidden = Vec::new();
    while let Some(id) = open.pop() {
        let index = id.0 as usize;
        if seen.get(index).copied().unwrap_or(true) {
            continue;
        }
        seen[index] = true;
        open.extend(document.entries_of(id).iter().map(|e| e.value));
        open.extend(document.items_of(id));
        let Some(data) = document.nodes.get_mut(index) else { continue };
        if let Form::Scalar(_, class) = &mut data.form {
            // An alias may have brought it from elsewhere.
            spans.push(data.span);
            // An absent value stays absent.
            if *class != Class::Null || data.part.start < data.part.end {
                let mask = if refused.contains(&id) { broken } else { mask };
                hidden.push(std::mem::replace(&mut data.part, mask));
                *class = Class::Str;
            }
        }
    }
    overwrite(document, &hidden);
    spans.sort_unstable();
    spans
}

/// Takes the hidden texts out of the document and puts the masks behind the others.
fn overwrite(document: &mut Document, hidden: &[Part]) {
    let mut bytes = std::mem::take(&mut document.texts).into_bytes();
    for part in hidden {
        bytes.get_mut(part.range()).unwrap_or_default().fill(b'*');
    }
    // It begins with the other one.
    bytes.extend_from_slice(BROKEN.as_bytes());
    // Whole texts are overwritten, so that it is UTF-8 still; were it not, nothing would be shown.
    document.texts = String::from_utf8(bytes).unwrap_or_default();
}

/// Whether the API server refuses a value of `data` for what it is written as. What somebody's tool
/// makes of it is not known: `ENC[...]`, `vault:secret/data#key`, `ref+awsssm://...`.
fn is_broken(value: Node<'_>) -> bool {
    match value.scalar_kind() {
        None | Some(ScalarKind::Null) => false,
        Some(ScalarKind::Str) => {
            let text = value.as_str().unwrap_or_default();
            let open = text.contains(['[', '#', '*']) || text.contains("..");
            let refers = text.contains("://") || text.starts_with("vault:");
            let filled_in = is_placeholder(text) || is_in_capitals(text) || open || refers;
            !filled_in && !is_base64(text)
        }
        Some(_) => true,
    }
}

/// What of a document is secret.
#[derive(Default)]
struct Parts {
    values: Vec<NodeId>,
    /// Values of `data` of Secrets, unless something may bring other ones.
    encoded: Vec<NodeId>,
    regions: Vec<Region>,
    /// Mappings that were merged into a Secret and looked at as if they were one.
    merged: rustc_hash::FxHashSet<NodeId>,
}

/// The bytes behind a key such as `data`.
struct Region {
    bytes: Span,
    /// The mapping in it, whose keys may be shown.
    mapping: Option<NodeId>,
}

impl Parts {
    fn look_at(&mut self, document: &Document, id: NodeId) {
        let object = document.node(id);
        let mut secret = false;
        let mut config = false;
        let (mut has_kind, mut has_data) = (false, false);
        // All of them, not the last: a key written twice must not open what the other one hides.
        for (key, value) in object.entries() {
            let kind = match key.as_str() {
                Some("kind") => value.as_str(),
                Some("<<") => object.get("kind").and_then(Node::as_str),
                // One that cannot be applied for the case of its keys is shown as well.
                Some(key) if key.eq_ignore_ascii_case("kind") => value.as_str(),
                Some("data" | "stringData") => {
                    has_data = true;
                    None
                }
                _ => None,
            };
            has_kind |= kind.is_some();
            secret |= kind.is_some_and(|kind| kind.eq_ignore_ascii_case("Secret"));
            config |= kind == Some("Config");
        }
        // Nothing says what a document is that has no kind; it may be a Secret that lost it.
        secret |= has_data && !has_kind && id == document.root;
        if secret || config {
            self.collect(document, id, secret);
        }
    }

    fn collect(&mut self, document: &Document, id: NodeId, secret: bool) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            for (entry, alias) in document.aliased_entries_of(id) {
                let value = document.node(entry.value);
                let key = document.node(entry.key);
                let name = key.as_str().unwrap_or_default();
                let hidden = match name {
                    "<<" => {
                        let merged = std::iter::once(value).chain(value.items()).map(|n| n.id);
                        open.extend(merged.filter(|id| self.merged.insert(*id)));
                        continue;
                    }
                    "metadata" => {
                        let annotations = value.get("annotations");
                        let applied = annotations.and_then(|a| a.get(LAST_APPLIED));
                        self.values.extend(applied.map(|node| node.id));
                        continue;
                    }
                    "apiVersion" | "kind" | "type" | "immutable" => false,
                    _ if name.eq_ignore_ascii_case("kind") => false,
                    _ if name.eq_ignore_ascii_case("apiVersion") => false,
                    _ => secret || name == "users",
                };
                let decoded = secret && name == "data" && !document.has_aliases;
                if decoded && document.root().get("sops").is_none() {
                    self.encoded.extend(value.entries().map(|(_, value)| value.id));
                }
                if hidden {
                    self.values.push(entry.value);
                    let end = alias.unwrap_or(value.span()).end;
                    let mapping = alias.is_none().then_some(entry.value);
                    let start = key.span().end;
                    self.regions
                        .push(Region { bytes: Span { start, end: end.max(start) }, mapping });
                }
            }
        }
    }
}

/// Masks all of a region but the keys in it and the comments that speak to Provost. Not only the
/// values: an unquoted password may look like an anchor, a tag, an alias or, behind a blank, a
/// comment.
fn mask_region(document: &Document, text: &str, region: &Region, spans: &mut Vec<Span>) {
    let mut end = region.bytes.end as usize;
    let rest = text.get(end..).unwrap_or_default();
    let rest = &rest[..memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len())];
    if rest.trim_start().starts_with('#') {
        end += rest.len();
    }
    let inside = Span::new(region.bytes.start as usize, end);
    let keys = region.mapping.into_iter().flat_map(|id| document.node(id).entries());
    let mut keep: Vec<Span> = keys.map(|(key, _)| key.span()).collect();
    // Comments are in the order of the text.
    let first = document.comments.partition_point(|c| c.span.start < inside.start);
    let comments = document.comments[first..].iter().map(|c| c.span);
    keep.extend(comments.take_while(|span| span.start <= inside.end).filter(|span| {
        inside.contains(*span) && text.get(span.range()).unwrap_or_default().contains("provost:")
    }));
    keep.sort_unstable();
    keep.push(Span::new(end, end));
    let mut at = inside.start as usize;
    for kept in keep {
        let gap = text.get(at..kept.start as usize).unwrap_or_default();
        let mut from = at + gap.len() - gap.trim_start_matches([':', ' ', '\t']).len();
        for line in text.get(from..at + gap.len()).unwrap_or_default().split_inclusive('\n') {
            let shown = line.trim();
            let indent = line.len() - line.trim_start().len();
            if !shown.is_empty() {
                spans.push(Span::new(from + indent, from + indent + shown.len()));
            }
            from += line.len();
        }
        at = at.max(kept.end as usize);
    }
}

/// What no report may show of other objects: values whose shape gives them away, and literal values
/// under the names of secrets. Rules still see them, to say that they are there.
pub(super) fn hide_shown(document: &Document, objects: &[Object], text: &str) -> Vec<Span> {
    // The shortest token has this many bytes.
    const SHORTEST: usize = 16;
    let mut spans = Vec::new();
    for (node, text) in document.scalars() {
        if text.len() >= SHORTEST && token_shape(text).is_some() {
            spans.push(inner(node));
        }
    }
    words(document, text, &mut spans);
    let by_name = |name: &str, value: &Fact<String>| {
        value.origin.span().filter(|_| is_hidden(name, &value.value))
    };
    for object in objects {
        match &object.body {
            Body::Workload(workload) => {
                for env in workload.pod.containers.iter().flat_map(|c| &c.env) {
                    if let EnvValue::Literal(value) = &env.value
                        && value.is_written()
                    {
                        spans.extend(by_name(&env.name.value, value));
                    }
                }
                for container in &workload.pod.containers {
                    for words in [&container.command, &container.args].into_iter().flatten() {
                        spans.extend(words.iter().flat_map(|word| inside(word, text)));
                    }
                }
            }
            Body::ConfigMap(map) => {
                spans.extend(
                    map.data.0.iter().filter_map(|(name, value)| by_name(&name.value, value)),
                );
                spans.extend(map.data.0.iter().flat_map(|(_, value)| inside(value, text)));
            }
            _ => {}
        }
        // It repeats the whole object.
        let applied = object.node().at(&["metadata", "annotations", LAST_APPLIED]);
        spans.extend(applied.map(inner));
    }
    spans.sort_unstable();
    spans
}

/// Lists of words that are run, in whatever object they stand: of containers, probes, hooks, jobs of
/// other people's kinds. In the order in which a program gets them.
const COMMANDS: [&str; 4] = ["entrypoint", "command", "cmd", "args"];

/// Secrets among the words of commands, in headers, in what triggers of KEDA are given, and in lists
/// of names and values.
fn words(document: &Document, text: &str, spans: &mut Vec<Span>) {
    let mut found = Vec::new();
    for index in 0..document.nodes.len() {
        let node = document.node(NodeId(u32::try_from(index).unwrap_or(u32::MAX)));
        if !node.is_mapping() {
            continue;
        }
        let (mut name, mut value) = (None, None);
        let (mut typed, mut metadata) = (false, None);
        let mut lists: [Option<Node<'_>>; COMMANDS.len()] = [None; COMMANDS.len()];
        for (key, of_key) in node.entries() {
            match key.as_str() {
                Some("name") => name = of_key.as_str(),
                Some("value") => value = Some(of_key),
                Some("type") => typed = of_key.as_str().is_some(),
                Some("metadata") => metadata = Some(of_key),
                Some("httpHeaders") => spans.extend(headers(of_key)),
                Some("headers") => named_headers(of_key, spans),
                Some(key) => {
                    if let Some(at) = COMMANDS.iter().position(|name| *name == key) {
                        lists[at] = Some(of_key);
                    }
                }
                None => {}
            }
        }
        if let (Some(name), Some(value)) = (name, value)
            && value.as_str().is_some_and(|text| is_hidden(name, text))
        {
            spans.push(inner(value));
        }
        if let Some(name) = name.filter(|name| secret_word(name).is_some()) {
            spans.extend(misspelt_values(node, name));
        }
        // A trigger of KEDA's has a type and no kind.
        if let Some(metadata) = metadata.filter(|_| typed && node.get("kind").is_none()) {
            spans.extend(metadata.entries().filter_map(|(key, value)| named(key, value)));
        }
        let of_list = lists.into_iter().flatten();
        let is_word = |node: &Node<'_>| node.scalar_kind().is_some();
        let of_list = of_list.flat_map(|list| list.items().chain(Some(list).filter(is_word)));
        let places: Vec<_> = of_list.filter(is_word).map(|node| node.span().range()).collect();
        if !places.is_empty() {
            commands::of_words(text, &places, &mut found);
        }
    }
    spans.extend(found.into_iter().map(|span| Span::new(span.start, span.end)));
}

/// A value under the name of a secret.
fn named(key: Node<'_>, value: Node<'_>) -> Option<Span> {
    // Envoy fills `%REQ(x-api-key)%` in.
    let text = value.as_str().filter(|text| !text.starts_with('%'))?;
    is_hidden(key.as_str()?, text).then(|| inner(value))
}

/// `vlaue` beside the name of a secret.
fn misspelt_values<'d>(node: Node<'d>, name: &'d str) -> impl Iterator<Item = Span> + use<'d> {
    node.entries().filter_map(move |(key, value)| {
        let key = key.as_str().filter(|key| *key != "value")?;
        distance(&key.to_ascii_lowercase(), "value", 1)?;
        is_hidden(name, value.as_str()?).then(|| inner(value))
    })
}

/// Headers by their names: `headers: {x-api-key: ...}`, what routes of Istio set and match exactly,
/// and the `key` and `value` of an analysis.
fn named_headers(headers: Node<'_>, spans: &mut Vec<Span>) {
    let given = |header: Node<'_>| named(header.get("key")?, header.get("value")?);
    spans.extend(headers.items().filter_map(given));
    for (name, value) in headers.entries() {
        spans.extend(named(name, value));
        for (what, given) in value.entries() {
            // Of these a part is matched: `Bearer `, `.+`.
            if !matches!(what.as_str(), Some("prefix" | "regex")) {
                spans.extend(named(name, given));
            }
            // `request: {set: {x-api-key: ...}}`
            spans.extend(given.entries().filter_map(|(name, value)| named(name, value)));
        }
    }
}

/// Values of headers that let somebody in.
fn headers(list: Node<'_>) -> impl Iterator<Item = Span> {
    list.items().filter_map(|header| {
        let name = header.get("name")?.as_str()?;
        let value = header.get("value").filter(|_| is_secret_header(name))?;
        Some(inner(value))
    })
}

/// What stands behind the names of secrets inside a value: a file in a ConfigMap (`.env`, JSON,
/// YAML), a script in a command.
fn inside(value: &Fact<String>, text: &str) -> Vec<Span> {
    let Some(span) = value.origin.span().filter(|_| value.value.contains(['=', ':', ' '])) else {
        return Vec::new();
    };
    hide_named(text.get(span.range()).unwrap_or_default(), span.start as usize)
}

/// Bytes of a scalar inside its quotes.
pub(super) fn inner(node: Node<'_>) -> Span {
    let span = node.span();
    match node.scalar_style() {
        Some(ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) if span.end > span.start => {
            Span { start: span.start + 1, end: span.end - 1 }
        }
        Some(ScalarStyle::Block) => Span { start: (span.start + 1).min(span.end), end: span.end },
        _ => span,
    }
}

/// Keys of a Secret that may stay readable in a document that could not be parsed.
const PLAIN_KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "type",
    "data",
    "stringData",
];

/// The same for a document that could not be read: when it looks like a Secret, every line is
/// masked but for the keys a Secret is known to have; of another, what stands behind the name of a
/// secret.
pub(super) fn hide_broken(text: &str, region: Span) -> Vec<Span> {
    let part = text.get(region.range()).unwrap_or_default();
    let lost_kind = part.contains("data") && !part.contains("kind");
    let looks_secret = part.contains("Secret") || part.contains("stringData") || lost_kind;
    let looks_config = part.contains("Config") && part.contains("users");
    if !looks_secret && !looks_config {
        return hide_named(part, region.start as usize);
    }
    let mut spans = Vec::new();
    let mut at = region.start as usize;
    for line in part.split_inclusive('\n') {
        let body = line.trim_end();
        let inner = body.trim_start();
        let indent = body.len() - inner.len();
        let key = inner.split_once(':');
        let keep = match key {
            Some((key, rest)) if PLAIN_KEYS.contains(&key) => {
                let shown = matches!(key, "apiVersion" | "kind" | "name" | "namespace" | "type");
                if shown { inner.len() } else { inner.len() - rest.len() }
            }
            _ if inner == "---" => inner.len(),
            _ => 0,
        };
        if indent + keep < body.len() {
            spans.push(Span::new(at + indent + keep, at + body.len()));
        }
        at += line.len();
    }
    spans
}

/// What stands behind the name of a secret on its line, and the `value` below such a name.
fn hide_named(part: &str, start: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = start;
    let mut named = false;
    for line in part.split_inclusive('\n') {
        let body = line.trim_end();
        let inner = body.trim_start_matches([' ', '\t', '-']);
        let value = inner.strip_prefix("value:").filter(|_| named).map(str::trim_start);
        let shown = body.len() - value.or_else(|| behind_name(body)).unwrap_or_default().len();
        if shown < body.len() {
            spans.push(Span::new(at + shown, at + body.len()));
        }
        named = ends_in_name(body);
        at += line.len();
    }
    spans
}

/// The words of a line that could name something, with their ends.
fn names(line: &str) -> impl Iterator<Item = (&str, usize)> {
    let separator = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let mut at = 0;
    line.split_inclusive(separator).filter_map(move |piece| {
        let word = piece.trim_end_matches(separator);
        let end = at + word.len();
        at += piece.len();
        (!word.is_empty()).then_some((word, end))
    })
}

/// What follows the name of a secret: the rest of the line.
fn behind_name(line: &str) -> Option<&str> {
    let separators = [':', '=', ',', ' ', '\t', '"', '\''];
    names(line).find_map(|(word, end)| {
        let rest = line[end..].trim_start_matches(separators);
        (!rest.is_empty() && is_hidden(word, rest)).then_some(rest)
    })
}

/// Whether the last word of a line is the name of a secret: its value stands on the next one.
fn ends_in_name(line: &str) -> bool {
    names(line).last().is_some_and(|(word, _)| secret_word(word).is_some())
}
