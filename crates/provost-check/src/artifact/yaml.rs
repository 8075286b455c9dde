//! YAML and JSON text as [`Document`]s: every key, value and comment with its bytes.
//!
//! Scalars are typed as the Kubernetes tools type them, which is YAML 1.1 (`on` is a boolean, `0644`
//! is octal), whatever grammar the parser underneath follows. An alias becomes the *same* node as
//! its anchor, so memory grows with the text and not with what the aliases expand to.
//!
//! Nothing is repaired: a document that cannot be read is reported and left out, and the next one
//! is read as if nothing had happened.

use std::borrow::Cow;

use granit_parser::{ErrorKind, Event, Parser, ScanError, Span as EventSpan, StructureStyle, Tag};
use rustc_hash::FxHashMap;

use super::{Problem, ProblemKind};
use crate::facts::document::{
    Comment, Document, Entry, NodeData, NodeId, NodeValue, ScalarKind, ScalarStyle,
};
use crate::facts::origin::{Origin, SourceId, Span};

mod scalar;
#[cfg(test)]
mod tests;

/// What a manifest file may cost. The defaults are far above what the API server takes (a request
/// of 3 MiB, an object of 1.5 MiB in etcd), since one file may hold many objects.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Documents in one file.
    pub documents: usize,
    /// Nodes (keys, scalars, lists, mappings) of one document.
    pub nodes: usize,
    /// Nesting of lists and mappings.
    pub depth: usize,
    /// Aliases in one document.
    pub aliases: usize,
    /// Nodes of one document once its aliases are expanded. Kubernetes' own reader gives up in the
    /// same range: it takes aliases for an attack from 400,000 decoded nodes on.
    pub expanded_nodes: u64,
    /// Bytes of one scalar.
    pub scalar_bytes: usize,
    /// Problems reported for one file; the rest is counted in one more.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            documents: 100_000,
            nodes: 4_000_000,
            depth: 250,
            aliases: 20_000,
            expanded_nodes: 1_000_000,
            scalar_bytes: 16 << 20,
            problems: 100,
        }
    }
}

/// A document that could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// Its bytes, up to the start of the next document.
    pub region: Span,
    /// Why.
    pub problem: Problem,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The documents that could be read, empty ones left out.
    pub documents: Vec<Document>,
    /// The documents that could not.
    pub broken: Vec<Broken>,
    /// Problems inside documents that are read all the same, with the document's index.
    pub problems: Vec<(u32, Problem)>,
}

/// Bytes that no YAML reader takes, replaced so that the rest of the file can still be read.
pub struct Cleaned<'t> {
    /// Text of the same length in bytes, so that positions stay those of the file.
    pub text: Cow<'t, str>,
    /// Where something was replaced, in order.
    pub replaced: Vec<Span>,
}

/// Takes bytes for text. What is not UTF-8 and the control characters that YAML forbids (go-yaml
/// `reader.go`: everything below a space but tab, line feed and carriage return, DEL and the C1
/// controls but NEL) are replaced by question marks, and where is told.
pub fn clean(bytes: &[u8]) -> Cleaned<'_> {
    let is_bad = |b: u8| (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0x7F;
    let is_c1 = |w: &[u8]| w[0] == 0xC2 && (0x80..=0x9F).contains(&w[1]) && w[1] != 0x85;
    if let Ok(text) = std::str::from_utf8(bytes)
        && !bytes.iter().copied().fold(false, |bad, b| bad | is_bad(b))
        && !(memchr::memchr(0xC2, bytes).is_some() && bytes.windows(2).any(is_c1))
    {
        return Cleaned { text: Cow::Borrowed(text), replaced: Vec::new() };
    }
    let mut text = String::with_capacity(bytes.len());
    let mut replaced: Vec<Span> = Vec::new();
    let mut replace = |text: &mut String, n: usize| {
        let start = text.len();
        text.extend(std::iter::repeat_n('?', n));
        match replaced.last_mut() {
            Some(last) if last.end as usize == start => last.end = Span::new(0, text.len()).end,
            _ => replaced.push(Span::new(start, text.len())),
        }
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}') {
                replace(&mut text, c.len_utf8());
            } else {
                text.push(c);
            }
        }
        replace_if(&mut text, chunk.invalid().len(), &mut replace);
    }
    Cleaned { text: Cow::Owned(text), replaced }
}

fn replace_if(text: &mut String, n: usize, replace: &mut impl FnMut(&mut String, usize)) {
    if n > 0 {
        replace(text, n);
    }
}

/// Reads all documents of a text. `replaced` are the places [`clean`] reports: a document that
/// holds one is broken.
pub fn parse(source: SourceId, text: &str, replaced: &[Span], limits: &Limits) -> Parsed {
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
        // Comments are held back while the parser looks for what follows them; a long licence
        // header is no attack, and the file's own size bounds them.
        max_buffered_comment_events: usize::MAX,
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::new(source, text, limits);
    let mut parsed = Parsed::default();
    let mut index = 0u32;
    // Start of the bytes that belong to the document being read.
    let mut region = 0usize;
    let mut comments = Vec::new();
    loop {
        let stopped = match parser.next_event() {
            None => break,
            Some(Ok((event, span))) => match event {
                Event::StreamStart | Event::Anchor(..) => continue,
                Event::StreamEnd => break,
                Event::Comment(..) => {
                    comments.push(Comment { span: bytes_of(&span) });
                    continue;
                }
                Event::DocumentStart(explicit, _) => {
                    let start = bytes_of(&span);
                    if explicit {
                        region = start.start as usize;
                    }
                    builder.start(start.end as usize);
                    continue;
                }
                Event::DocumentEnd => {
                    let end = span.end.byte_offset().unwrap_or(text.len());
                    let bad = first_inside(replaced, region, end);
                    if let Some(bad) = bad {
                        let problem = not_text(source, bad);
                        let region = Span::new(region, end);
                        parsed.broken.push(Broken { region, problem });
                        builder.problems.clear();
                    } else if let Some(root) = builder.finish() {
                        let problems = std::mem::take(&mut builder.problems);
                        parsed.problems.extend(problems.into_iter().map(|p| (index, p)));
                        let mut comments = std::mem::take(&mut comments);
                        comments.sort_unstable_by_key(|c| c.span);
                        let nodes = builder.take_nodes();
                        parsed.documents.push(Document { source, index, nodes, root, comments });
                    }
                    comments.clear();
                    region = end;
                    index += 1;
                    if parsed.documents.len() + parsed.broken.len() >= limits.documents
                        && parser.proceed_next_document().unwrap_or(false)
                    {
                        let message =
                            format!("more than {} documents in one file", limits.documents);
                        let at = Span::new(end, text.len());
                        let problem = limit(source, point(text, end), message);
                        parsed.broken.push(Broken { region: at, problem });
                        break;
                    }
                    continue;
                }
                event => match builder.event(event, &span) {
                    Ok(()) => continue,
                    Err(problem) => *problem,
                },
            },
            Some(Err(error)) => syntax_problem(source, text, &error),
        };
        // The document is given up.
        builder.abandon();
        comments.clear();
        let more = parser.proceed_next_document().unwrap_or(false);
        let end = match parser.peek() {
            Some(Ok((_, span))) if more => span.start.byte_offset().unwrap_or(text.len()),
            _ if more => region,
            _ => text.len(),
        };
        let here = Span::new(region, end.max(region));
        // What cannot be read at all matters more than what the replacement made of it.
        let problem = match first_inside(replaced, region, end) {
            Some(bad) => not_text(source, bad),
            None => stopped,
        };
        parsed.broken.push(Broken { region: here, problem });
        region = end.max(region);
        index += 1;
        if !more {
            break;
        }
        if parsed.documents.len() + parsed.broken.len() >= limits.documents {
            break;
        }
    }
    // Comments behind the last document belong to it.
    if let Some(last) = parsed.documents.last_mut() {
        last.comments.append(&mut comments);
    }
    parsed
}

fn first_inside(replaced: &[Span], start: usize, end: usize) -> Option<Span> {
    let first = replaced.partition_point(|span| (span.end as usize) <= start);
    replaced.get(first).copied().filter(|span| (span.start as usize) < end)
}

fn not_text(source: SourceId, at: Span) -> Problem {
    Problem {
        kind: ProblemKind::Malformed,
        origin: Origin::text(source, at),
        message: format!(
            "{} at offset {} is neither UTF-8 text nor white space that YAML allows",
            if at.end - at.start == 1 { "the byte" } else { "what stands" },
            at.start
        ),
        help: Some("save the file as UTF-8 without control characters".to_owned()),
    }
}

fn limit(source: SourceId, at: Span, message: String) -> Problem {
    Problem { kind: ProblemKind::Limit, origin: Origin::text(source, at), message, help: None }
}

/// The character at an offset, or the last one of the text.
fn point(text: &str, offset: usize) -> Span {
    let mut start = offset.min(text.trim_end().len().saturating_sub(1));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let length = text[start..].chars().next().map_or(0, char::len_utf8);
    Span::new(start, start + length)
}

fn syntax_problem(source: SourceId, text: &str, error: &ScanError) -> Problem {
    let offset = error.marker().byte_offset().unwrap_or(text.len());
    let kind = match error.kind() {
        ErrorKind::RecursionLimitExceeded => ProblemKind::Limit,
        _ => ProblemKind::Malformed,
    };
    let help = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => Some("YAML is indented with spaces"),
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidMappingValueWhitespace => {
            Some("quote a value that contains `: `")
        }
        ErrorKind::UnexpectedCharacter { .. } => Some("quote a value that begins with it"),
        _ => None,
    };
    Problem {
        kind,
        origin: Origin::text(source, point(text, offset)),
        message: error.info(),
        help: help.map(str::to_owned),
    }
}

fn bytes_of(span: &EventSpan) -> Span {
    // A parser over a `str` always knows byte offsets.
    let range = span.byte_range().unwrap_or_default();
    Span::new(range.start, range.end)
}

/// A list or mapping that is being read.
struct Frame {
    node: NodeId,
    mapping: bool,
    flow: bool,
    anchor: usize,
    /// Where its children start on the shared stack of entries or items.
    base: usize,
    /// The key whose value comes next.
    key: Option<NodeId>,
    span: Option<Span>,
    expanded: u64,
}

struct Anchored {
    node: NodeId,
    /// Nodes it expands to; none while it is still being read.
    expanded: Option<u64>,
}

struct Builder<'t> {
    source: SourceId,
    text: &'t str,
    limits: &'t Limits,
    nodes: Vec<NodeData>,
    frames: Vec<Frame>,
    entries: Vec<Entry>,
    items: Vec<NodeId>,
    anchors: FxHashMap<usize, Anchored>,
    aliases: usize,
    root: Option<NodeId>,
    problems: Vec<Problem>,
    /// End of the previous event's bytes: an absent value is shown there.
    last_end: usize,
    /// Scratch of the search for duplicate keys.
    order: Vec<u32>,
    counted: CountedLines,
}

/// Counts lines from the place that was asked for before: problems come in about the order of the
/// text, and counting from its start for each of them would be quadratic.
#[derive(Default)]
struct CountedLines {
    offset: usize,
    breaks: usize,
}

impl CountedLines {
    /// The line of an offset, from 1.
    fn line_at(&mut self, text: &[u8], offset: usize) -> usize {
        let between = |from: usize, to: usize| {
            memchr::memchr_iter(b'\n', text.get(from..to).unwrap_or_default()).count()
        };
        self.breaks = if offset >= self.offset {
            self.breaks + between(self.offset, offset)
        } else {
            self.breaks.saturating_sub(between(offset, self.offset))
        };
        self.offset = offset;
        self.breaks + 1
    }
}

/// A manifest has a node for about so many bytes.
const BYTES_PER_NODE: usize = 12;

type Step = Result<(), Box<Problem>>;

impl<'t> Builder<'t> {
    fn new(source: SourceId, text: &'t str, limits: &'t Limits) -> Self {
        Self {
            source,
            text,
            limits,
            nodes: Vec::with_capacity((text.len() / BYTES_PER_NODE).min(4096)),
            frames: Vec::new(),
            entries: Vec::new(),
            items: Vec::new(),
            anchors: FxHashMap::default(),
            aliases: 0,
            root: None,
            problems: Vec::new(),
            last_end: 0,
            order: Vec::new(),
            counted: CountedLines::default(),
        }
    }

    fn start(&mut self, offset: usize) {
        self.abandon();
        self.last_end = offset;
    }

    /// The nodes of a complete document; the next one is expected to be about as large.
    fn take_nodes(&mut self) -> Vec<NodeData> {
        let left = self.text.len().saturating_sub(self.last_end) / BYTES_PER_NODE;
        let next = Vec::with_capacity(left.min(self.nodes.len()));
        let mut nodes = std::mem::replace(&mut self.nodes, next);
        nodes.shrink_to_fit();
        nodes
    }

    fn abandon(&mut self) {
        self.nodes.clear();
        self.frames.clear();
        self.entries.clear();
        self.items.clear();
        self.anchors.clear();
        self.aliases = 0;
        self.root = None;
        self.problems.clear();
    }

    /// The top node, unless the document is empty.
    fn finish(&mut self) -> Option<NodeId> {
        let root = self.root.take()?;
        let empty = matches!(
            self.nodes.get(root.0 as usize)?.value,
            NodeValue::Scalar { kind: ScalarKind::Null, .. }
        );
        (!empty).then_some(root)
    }

    fn event(&mut self, event: Event<'_>, span: &EventSpan) -> Step {
        let at = bytes_of(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let (node, at) = self.scalar(&text, style, tag.as_deref(), at)?;
                self.anchor(anchor, node, Some(1));
                self.child(node, at, None, 1);
                self.last_end = at.end as usize;
            }
            Event::SequenceStart(style, anchor, _) => self.open(false, style, anchor, at)?,
            Event::MappingStart(style, anchor, _) => self.open(true, style, anchor, at)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(at)?,
            Event::Alias(id) => {
                self.count_alias(at)?;
                let (node, expanded) = match self.anchors.get(&id) {
                    Some(Anchored { node, expanded: Some(expanded) }) => (*node, *expanded),
                    _ => {
                        self.bad_alias(at, "stands inside the value it refers to");
                        (self.push_null(at)?, 1)
                    }
                };
                self.child(node, at, Some(at), expanded);
                self.last_end = at.end as usize;
            }
            Event::UnresolvedAlias(_) => {
                self.count_alias(at)?;
                self.bad_alias(at, "has no anchor before it in this document");
                let node = self.push_null(at)?;
                self.child(node, at, Some(at), 1);
                self.last_end = at.end as usize;
            }
            _ => {}
        }
        Ok(())
    }

    fn count_alias(&mut self, at: Span) -> Step {
        self.aliases += 1;
        if self.aliases > self.limits.aliases {
            let message = format!("more than {} aliases in one document", self.limits.aliases);
            return Err(Box::new(limit(self.source, at, message)));
        }
        Ok(())
    }

    fn bad_alias(&mut self, at: Span, what: &str) {
        // Its name is not repeated: in a Secret it may be a password that begins with a star.
        self.problems.push(Problem {
            kind: ProblemKind::Malformed,
            origin: Origin::text(self.source, at),
            message: format!("this alias {what}"),
            help: Some("quote a text that begins with `*`".to_owned()),
        });
    }

    fn push(&mut self, span: Span, value: NodeValue) -> Result<NodeId, Box<Problem>> {
        if self.nodes.len() >= self.limits.nodes {
            let message = format!("more than {} nodes in one document", self.limits.nodes);
            return Err(Box::new(limit(self.source, span, message)));
        }
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(NodeData { span, value });
        Ok(id)
    }

    fn push_null(&mut self, at: Span) -> Result<NodeId, Box<Problem>> {
        let value = NodeValue::Scalar {
            text: Box::from(""),
            style: ScalarStyle::Plain,
            kind: ScalarKind::Null,
        };
        self.push(at, value)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: granit_parser::ScalarStyle,
        tag: Option<&Tag>,
        at: Span,
    ) -> Result<(NodeId, Span), Box<Problem>> {
        if text.len() > self.limits.scalar_bytes {
            let message = format!("a value of more than {} bytes", self.limits.scalar_bytes);
            let start = point(self.text, at.start as usize);
            return Err(Box::new(limit(self.source, start, message)));
        }
        let style = match style {
            granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
            granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::SingleQuoted,
            granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::DoubleQuoted,
            granit_parser::ScalarStyle::Literal | granit_parser::ScalarStyle::Folded => {
                ScalarStyle::Block
            }
        };
        let absent = style == ScalarStyle::Plain && at.start == at.end;
        let (text, at) = if absent {
            // The parser says `~` where nothing is written, at the place of whatever comes next.
            ("", Span::new(self.last_end, self.last_end))
        } else if style == ScalarStyle::Block {
            (text, self.block_span(at))
        } else {
            (text, at)
        };
        let kind = scalar::kind(text, style, tag.map(|t| (t.core_suffix(), t.is_custom())));
        let value = NodeValue::Scalar { text: Box::from(text), style, kind };
        Ok((self.push(at, value)?, at))
    }

    /// Bytes of a block scalar from its `|` or `>` to its last visible character: what an edit
    /// replaces. The parser gives the content alone, trailing line breaks and the next line's
    /// indentation included.
    fn block_span(&self, content: Span) -> Span {
        let start = content.start as usize;
        let before = self.text.get(self.last_end..start).unwrap_or_default();
        let header = before.find(['|', '>']).map_or(start, |i| self.last_end + i);
        let inside = self.text.get(content.range()).unwrap_or_default();
        let end = start + inside.trim_end().len();
        Span::new(header, end.max(header + 1).min(content.end.max(content.start) as usize))
    }

    fn anchor(&mut self, anchor: usize, node: NodeId, expanded: Option<u64>) {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { node, expanded });
        }
    }

    fn open(&mut self, mapping: bool, style: StructureStyle, anchor: usize, at: Span) -> Step {
        let value =
            if mapping { NodeValue::Mapping(Vec::new()) } else { NodeValue::Sequence(Vec::new()) };
        let node = self.push(at, value)?;
        self.anchor(anchor, node, None);
        let base = if mapping { self.entries.len() } else { self.items.len() };
        let flow = style == StructureStyle::Flow;
        let span = flow.then_some(at);
        self.frames.push(Frame { node, mapping, flow, anchor, base, key: None, span, expanded: 1 });
        self.last_end = at.end as usize;
        Ok(())
    }

    fn close(&mut self, at: Span) -> Step {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let mut span = frame.span.unwrap_or(at);
        if frame.flow {
            span = span.to(at);
            self.last_end = at.end as usize;
        }
        let value = if frame.mapping {
            let entries = self.entries.split_off(frame.base);
            self.find_duplicates(&entries);
            NodeValue::Mapping(entries)
        } else {
            NodeValue::Sequence(self.items.split_off(frame.base))
        };
        if let Some(data) = self.nodes.get_mut(frame.node.0 as usize) {
            data.value = value;
            data.span = span;
        }
        if self.aliases > 0 && frame.expanded > self.limits.expanded_nodes {
            let message = format!(
                "the aliases in it expand to more than {} nodes",
                self.limits.expanded_nodes
            );
            let start = point(self.text, span.start as usize);
            return Err(Box::new(limit(self.source, start, message)));
        }
        self.anchor(frame.anchor, frame.node, Some(frame.expanded));
        self.child(frame.node, span, None, frame.expanded);
        Ok(())
    }

    /// Hangs a complete node into the collection that is being read.
    fn child(&mut self, node: NodeId, at: Span, alias: Option<Span>, expanded: u64) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.expanded = frame.expanded.saturating_add(expanded);
        frame.span = Some(frame.span.map_or(at, |span| span.to(at)));
        if !frame.mapping {
            self.items.push(node);
        } else if let Some(key) = frame.key.take() {
            self.entries.push(Entry { key, value: node, alias });
        } else {
            frame.key = Some(node);
        }
    }

    /// Reports every key that is written again in the same mapping. Sorted rather than hashed, so
    /// that chosen keys cannot make it slow.
    fn find_duplicates(&mut self, entries: &[Entry]) {
        if entries.len() < 2 {
            return;
        }
        let nodes = &self.nodes;
        let key = |i: u32| match &nodes[entries[i as usize].key.0 as usize].value {
            NodeValue::Scalar { text, .. } => Some(&**text),
            _ => None,
        };
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        if count <= 6 {
            let clash = |i: u32| (0..i).any(|j| key(j).is_some() && key(i) == key(j));
            if !(1..count).any(clash) {
                return;
            }
        }
        self.order.clear();
        self.order.extend(0..count);
        self.order.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)).then(a.cmp(b)));
        let mut found = Vec::new();
        for pair in self.order.windows(2) {
            let [first, second] = [pair[0], pair[1]];
            match key(first) {
                // Two merges are merged both.
                Some("<<") | None => {}
                same if same == key(second) => found.push((first, second)),
                _ => {}
            }
        }
        found.sort_unstable_by_key(|(_, second)| *second);
        for (first, second) in found {
            if self.problems.len() >= self.limits.problems {
                break;
            }
            let name = key(second).unwrap_or_default();
            let first = self.nodes[entries[first as usize].key.0 as usize].span;
            let second = self.nodes[entries[second as usize].key.0 as usize].span;
            let line = self.counted.line_at(self.text.as_bytes(), first.start as usize);
            self.problems.push(Problem {
                kind: ProblemKind::DuplicateKey,
                origin: Origin::text(self.source, second),
                message: format!("the key `{name}` is written before, in line {line}"),
                help: Some("most readers keep the last value, strict ones refuse both".to_owned()),
            });
        }
    }
}
