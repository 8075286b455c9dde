//! Reads manifest files in parallel and turns them into objects, in the order they were given.

use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::read::is_braces;
use super::{incomplete, keyed, object, object_roots, secrets};
use crate::artifact::discover::{quoted, system_message};
use crate::artifact::mmap;
use crate::artifact::source::{Source, SourceKind, Sources};
use crate::artifact::yaml::{self, Limits};
use crate::artifact::{Problem, ProblemKind};
use crate::facts::document::{Document, Node, NodeId};
use crate::facts::objects::Object;
use crate::facts::origin::{Origin, SourceId, Span};
use crate::facts::placeholders::{self, Tool};

/// A file that may hold manifests.
#[derive(Clone, Debug)]
pub struct ManifestFile {
    /// Where to read it; unused when `content` is there.
    pub path: PathBuf,
    /// Its name in reports.
    pub shown: String,
    /// Named on the command line: that it holds no object is then a problem.
    pub named: bool,
    /// Content that was read already: standard input, the output of a renderer, a page's example.
    pub content: Option<Vec<u8>>,
}

impl ManifestFile {
    /// A file on disk.
    pub fn at(path: impl Into<PathBuf>, named: bool) -> Self {
        let path = path.into();
        Self { shown: path.to_string_lossy().into_owned(), path, named, content: None }
    }

    /// Text that is already there.
    pub fn text(shown: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: PathBuf::new(),
            shown: shown.into(),
            named: true,
            content: Some(content.into()),
        }
    }
}

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Namespace of objects that name none; `default` when not given.
    pub namespace: Option<String>,
    /// Bounds.
    pub limits: Limits,
}

/// A path that was found and is not judged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// The path as reports show it.
    pub path: String,
    /// Why: `a Helm chart is judged when it is rendered`.
    pub why: String,
    /// The shell command that would let it be judged: `provost check --chart chart`.
    pub render: Option<String>,
}

/// What loading gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// All objects, by file and then by place.
    pub objects: Vec<Object>,
    /// What could not be read, by file and then by place.
    pub problems: Vec<Problem>,
    /// Files that hold templates rather than manifests.
    pub skipped: Vec<Skipped>,
    /// Named files that could not be opened or hold nothing that is known: exit code 2.
    pub unusable: Vec<SourceId>,
}

/// A file after reading and before it has an id.
struct Read {
    /// Made here, where files are read side by side: finding the secrets in a text takes as long
    /// as a tenth of its parsing.
    source: Source,
    documents: Vec<(Document, Vec<NodeId>)>,
    problems: Vec<Problem>,
    unusable: bool,
    /// Who fills in the placeholders that its objects hold.
    open: Option<Tool>,
}

impl Read {
    fn empty(file: &ManifestFile) -> Self {
        let mut source = Source::opaque(file.shown.clone(), SourceKind::Manifest);
        source.named = file.named;
        Self { source, documents: Vec::new(), problems: Vec::new(), unusable: false, open: None }
    }
}

/// What one file gives in the end.
struct Part {
    id: SourceId,
    objects: Vec<Object>,
    problems: Vec<Problem>,
    mask: Vec<Span>,
}

enum Outcome {
    Read(Box<Read>),
    /// Nothing of ours in it.
    Ignored,
    Template(Option<Tool>),
}

/// Loads the files and adds each that matters to `sources`. The result depends on the files and
/// their order alone, not on the number of threads.
pub fn load_manifests(files: &[ManifestFile], sources: &mut Sources, options: &Options) -> Loaded {
    let mut loaded = Loaded::default();
    let outcomes: Vec<Outcome> =
        files.par_iter().with_max_len(16).map(|file| read(file, &options.limits)).collect();
    let mut kept = Vec::new();
    for (file, outcome) in files.iter().zip(outcomes) {
        match outcome {
            Outcome::Ignored => {}
            Outcome::Template(tool) => loaded.skipped.push(template(file, tool)),
            Outcome::Read(read) => {
                let Read { source, documents, problems, unusable, open } = *read;
                loaded.skipped.extend(open.map(|tool| partly_open(file, tool)));
                let id = sources.add(source);
                if unusable {
                    loaded.unusable.push(id);
                }
                kept.push((id, documents, problems));
            }
        }
    }
    let namespace = options.namespace.as_deref().unwrap_or("default");
    let limit = options.limits.problems;
    let shared: &Sources = sources;
    let parts: Vec<Part> = kept
        .into_par_iter()
        .with_max_len(16)
        .map(|(id, documents, mut problems)| {
            let mut objects: Vec<Object> = Vec::new();
            let mut mask = Vec::new();
            problems.iter_mut().for_each(|p| p.origin.set_source(id));
            for (mut document, roots) in documents {
                document.source = id;
                let document = Arc::new(document);
                let first = objects.len();
                for root in roots {
                    objects.extend(object(&document, root, namespace, &mut problems, limit));
                }
                let text = shared.get(id).shown().unwrap_or_default();
                mask.extend(secrets::hide_shown(&document, &objects[first..], text));
            }
            problems.sort_by(|a, b| {
                (&a.origin, a.kind, &a.message).cmp(&(&b.origin, b.kind, &b.message))
            });
            problems.dedup();
            Part { id, objects, problems, mask }
        })
        .collect();
    loaded.objects.reserve_exact(parts.iter().map(|part| part.objects.len()).sum());
    for part in parts {
        sources.mask(part.id, &part.mask);
        loaded.objects.extend(part.objects);
        loaded.problems.extend(part.problems);
    }
    loaded
}

/// Until a file has its id, problems name this one.
const UNKNOWN: SourceId = SourceId(u32::MAX);

fn read(file: &ManifestFile, limits: &Limits) -> Outcome {
    let unreadable = |kind: ProblemKind, message: String| {
        let mut read = Read::empty(file);
        let origin = Origin::whole(UNKNOWN);
        read.problems.push(Problem { kind, origin, message, help: None });
        read.unusable = file.named;
        Outcome::Read(Box::new(read))
    };
    let owned;
    let bytes = match &file.content {
        Some(content) => content.as_slice(),
        None => match mmap::read_text(&file.path, limits.file_bytes, file.named) {
            Ok(bytes) => {
                owned = bytes;
                owned.as_slice()
            }
            Err(error) => {
                let kind = match error.kind() {
                    std::io::ErrorKind::FileTooLarge => ProblemKind::Limit,
                    _ => ProblemKind::Unreadable,
                };
                return unreadable(kind, system_message(&error));
            }
        },
    };
    if bytes.len() as u64 > limits.file_bytes {
        let message = format!("larger than {} bytes", limits.file_bytes);
        return unreadable(ProblemKind::Limit, message);
    }
    // Most YAML and JSON in a repository is not for Kubernetes; this keeps it cheap.
    if !file.named && !may_be_manifest(bytes) {
        return Outcome::Ignored;
    }
    let cleaned = yaml::clean(bytes);
    let text = &*cleaned.text;
    let parsed = yaml::parse(UNKNOWN, text, &cleaned.replaced, limits);
    let mut read = Read::empty(file);
    let mut mask = Vec::new();
    let mut relevant = rustc_hash::FxHashSet::default();
    let mut has_template = false;
    let mut lost = Vec::new();
    let has_documents = !parsed.documents.is_empty();
    let has_empty_list = parsed.documents.iter().any(|document| is_empty_list(document.root()));
    for mut document in parsed.documents {
        // Also of a document of no object: the lines around a place may be its lines.
        mask.extend(keyed::spans(&document));
        mask.extend(secrets::hide(&mut document, text));
        let roots = object_roots(&document);
        let braces = first_braces(&document);
        if braces.is_none() && document.root().is_mapping() {
            lost.extend(incomplete::find(&document, file.named));
        }
        if roots.is_empty() {
            continue;
        }
        if let Some(braces) = braces {
            if !file.named {
                has_template = true;
                continue;
            }
            read.problems.push(Problem {
                kind: ProblemKind::Malformed,
                origin: Origin::text(UNKNOWN, braces),
                message: "`{{` outside of quotes is a mapping in a mapping for YAML".to_owned(),
                help: Some("it looks like a template: judge what it is rendered to".to_owned()),
            });
        }
        relevant.insert(document.index);
        read.documents.push((document, roots));
    }
    // Of a file with nothing else in it one sentence is enough, and is told below.
    let is_other = |problem: &Problem| problem.message == incomplete::NO_OBJECT;
    if read.documents.is_empty() {
        lost.retain(|problem| !is_other(problem));
    }
    // A template that some program fills in is none of the cluster's yet.
    if file.named || placeholders::of_text(text).is_none() {
        read.problems.extend(lost);
    }
    let mut inner = parsed.problems;
    inner.retain(|(index, _)| file.named || relevant.contains(index));
    read.problems.extend(inner.into_iter().map(|(_, problem)| problem));
    for broken in parsed.broken {
        let region = text.get(broken.region.range()).unwrap_or_default();
        // A file that nobody named, and that is no YAML for the sake of a placeholder, is the
        // template of some tool.
        let template = placeholders::of_text(region).or_else(|| {
            let at = broken.problem.origin.span().map_or(0, |span| span.start);
            lines_around(text, at as usize).find_map(placeholders::of_line)
        });
        if !file.named && template.is_some() {
            if read.documents.is_empty() {
                return Outcome::Template(template);
            }
            read.open = read.open.or(template);
            continue;
        }
        if file.named || names_a_version(region.as_bytes()) {
            mask.extend(secrets::hide_broken(text, broken.region));
            let mut problem = broken.problem;
            if problem.help.is_none() && region.contains("{{") {
                problem.help =
                    Some("it looks like a template: judge what it is rendered to".to_owned());
            }
            read.problems.push(problem);
        }
    }
    if !file.named && placeholders::may_be_in(text) {
        read.open = read.open.or_else(|| open(text, &read.documents));
    }
    if read.documents.is_empty() && read.problems.is_empty() {
        if !file.named {
            return match has_template {
                true => Outcome::Template(placeholders::of_text(text)),
                false => Outcome::Ignored,
            };
        }
        let message = if has_empty_list {
            "is a List without items: nothing is applied"
        } else if has_documents {
            "is no Kubernetes manifest: no document has `apiVersion` and `kind`"
        } else {
            "is empty"
        };
        read.problems.push(Problem {
            kind: ProblemKind::Malformed,
            origin: Origin::whole(UNKNOWN),
            message: message.to_owned(),
            help: None,
        });
        read.unusable = true;
    }
    if read.problems.len() > limits.problems {
        let more = read.problems.len() - limits.problems;
        read.problems.truncate(limits.problems);
        read.problems.push(Problem {
            kind: ProblemKind::Limit,
            origin: Origin::whole(UNKNOWN),
            message: format!("{more} more problems in this file are not shown"),
            help: None,
        });
    }
    read.source = Source::text(file.shown.clone(), SourceKind::Manifest, Arc::from(text));
    read.source.named = file.named;
    read.source.mask(&mask);
    Outcome::Read(Box::new(read))
}

/// `kind: List` with `items: []`, as kubectl prints it when it finds nothing.
fn is_empty_list(root: Node<'_>) -> bool {
    let kind = root.get("kind").and_then(Node::as_str);
    kind.is_some_and(|kind| kind.ends_with("List"))
        && root
            .get("items")
            .is_some_and(|items| items.is_sequence() && items.items().next().is_none())
}

/// The first place where a template's braces stand outside of quotes.
fn first_braces(document: &Document) -> Option<Span> {
    let ids = (0..document.nodes.len()).map(|i| NodeId(u32::try_from(i).unwrap_or(u32::MAX)));
    ids.map(|id| document.node(id)).find(|node| is_braces(*node)).map(|node| node.span())
}

/// Who fills in what the objects of a file leave open.
fn open(text: &str, documents: &[(Document, Vec<NodeId>)]) -> Option<Tool> {
    let objects = documents
        .iter()
        .flat_map(|(document, roots)| roots.iter().map(|root| document.node(*root)));
    let tool = objects
        .clone()
        .flat_map(placeholders::of_object)
        .map(|found| found.tool)
        .find(|tool| *tool != Tool::Rendered)
        .or_else(|| placeholders::of_text(text).filter(|tool| *tool == Tool::Ytt))?;
    let group = |object: Node<'_>| {
        let version = object.get("apiVersion").and_then(Node::as_str);
        version
            .and_then(|version| version.split_once('/'))
            .is_some_and(|(group, _)| placeholders::is_cluster_api(group))
    };
    let is_variable = matches!(tool, Tool::Envsubst | Tool::EnvsubstWithDefaults);
    Some(if is_variable && objects.clone().any(group) { Tool::Clusterctl } else { tool })
}

fn template(file: &ManifestFile, tool: Option<Tool>) -> Skipped {
    let by = tool.map(|tool| format!(" by {}", tool.name())).unwrap_or_default();
    Skipped {
        path: file.shown.clone(),
        why: format!("it is a template, to be judged when it is rendered{by}"),
        render: tool.and_then(|tool| tool.command(&quoted(&file.shown))),
    }
}

fn partly_open(file: &ManifestFile, tool: Tool) -> Skipped {
    Skipped {
        path: file.shown.clone(),
        why: format!("{} fills in some of its values, which are not judged", tool.name()),
        render: tool.command(&quoted(&file.shown)),
    }
}

/// The line that holds the byte and the ones before and after it: a parser may notice late.
fn lines_around(text: &str, at: usize) -> impl Iterator<Item = &str> {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = text[..at].rfind('\n').unwrap_or(0);
    let start = text[..before].rfind('\n').map_or(0, |i| i + 1);
    text[start..].lines().take(4)
}

/// Whether the words every manifest has are there, or those of one that lost its `kind` or its
/// `apiVersion`.
fn may_be_manifest(bytes: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(bytes, word).is_some();
    match has(b"apiVersion") {
        true => has(b"kind") || has(b"metadata") || has(b"Kind") || has(b"spec"),
        false => has(b"metadata") && has(b"name") && (has(b"spec") || has(b"kind")),
    }
}

/// Whether a part of a file that is no YAML was meant to be a manifest.
fn names_a_version(bytes: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(bytes, word).is_some();
    has(b"apiVersion") && (has(b"kind") || has(b"metadata"))
}
