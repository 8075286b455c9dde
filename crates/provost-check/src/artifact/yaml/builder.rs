//! Events of one document put together to the tree of its nodes.

use granit_parser::{Event, Span as EventSpan, StructureStyle, Tag};
use rustc_hash::FxHashMap;

use super::{Limits, bytes_of, limit, point, quotes, scalar};
use crate::artifact::{Problem, ProblemKind};
use crate::facts::document::{Class, Entry, Form, NodeData, NodeId, Part, ScalarKind, ScalarStyle};
use crate::facts::origin::{Origin, SourceId, Span};

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

/// What is complete of a document.
#[derive(Default)]
pub(super) struct Arenas {
    pub(super) nodes: Vec<NodeData>,
    pub(super) texts: String,
    pub(super) entries: Vec<Entry>,
    pub(super) items: Vec<NodeId>,
    pub(super) numbers: Vec<(NodeId, ScalarKind)>,
    pub(super) aliases: Vec<(u32, Span)>,
    pub(super) has_aliases: bool,
}

impl Arenas {
    fn clear(&mut self) {
        self.nodes.clear();
        self.texts.clear();
        self.entries.clear();
        self.items.clear();
        self.numbers.clear();
        self.aliases.clear();
        self.has_aliases = false;
    }
}

pub(super) struct Builder<'t> {
    source: SourceId,
    text: &'t str,
    /// Where in the text the parser began that sends the events.
    base: usize,
    limits: &'t Limits,
    /// A letter stands in the text for what Go's YAML has and the parser has not ([`quotes`]).
    pub(super) stands_in: bool,
    done: Arenas,
    frames: Vec<Frame>,
    /// Children of collections that are being read.
    entries: Vec<(Entry, Option<Span>)>,
    items: Vec<NodeId>,
    anchors: FxHashMap<usize, Anchored>,
    aliases: usize,
    root: Option<NodeId>,
    pub(super) problems: Vec<Problem>,
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

pub(super) type Step = Result<(), Box<Problem>>;

impl<'t> Builder<'t> {
    pub(super) fn new(source: SourceId, text: &'t str, limits: &'t Limits) -> Self {
        Self {
            source,
            text,
            base: 0,
            limits,
            stands_in: false,
            done: Arenas::default(),
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

    /// Events come from a parser that began at `base`.
    pub(super) fn rebase(&mut self, base: usize) {
        self.base = base;
    }

    pub(super) fn start(&mut self, offset: usize) {
        self.abandon();
        self.last_end = offset;
    }

    /// What a complete document consists of, in memory of the right size. The builder keeps its own
    /// for the next document.
    pub(super) fn take(&mut self) -> Arenas {
        let done = &mut self.done;
        let taken = Arenas {
            nodes: done.nodes.as_slice().to_vec(),
            texts: done.texts.as_str().to_owned(),
            entries: done.entries.as_slice().to_vec(),
            items: done.items.as_slice().to_vec(),
            numbers: done.numbers.as_slice().to_vec(),
            aliases: done.aliases.as_slice().to_vec(),
            has_aliases: self.aliases > 0,
        };
        done.clear();
        taken
    }

    pub(super) fn abandon(&mut self) {
        self.done.clear();
        self.frames.clear();
        self.entries.clear();
        self.items.clear();
        self.anchors.clear();
        self.aliases = 0;
        self.root = None;
        self.problems.clear();
    }

    /// The top node, unless the document is empty.
    pub(super) fn finish(&mut self) -> Option<NodeId> {
        let root = self.root.take()?;
        let empty =
            matches!(self.done.nodes.get(root.0 as usize)?.form, Form::Scalar(_, Class::Null));
        (!empty).then_some(root)
    }

    pub(super) fn event(&mut self, event: Event<'_>, span: &EventSpan) -> Step {
        let at = bytes_of(span, self.base);
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

    /// `\\/` and halves of surrogates are JSON's. YAML 1.2 has the first, too; go-yaml, by which
    /// kubectl, Helm and kustomize read YAML, has neither (scannerc.go of v2 and v3,
    /// `yaml_parser_scan_flow_scalar`).
    fn foreign_escape(&mut self, at: Span) {
        let start = at.start as usize;
        let Some(raw) = self.text.as_bytes().get(start..at.end as usize) else { return };
        let mut from = 0;
        while let Some(found) = raw.get(from..).and_then(|rest| memchr::memchr(b'\\', rest)) {
            let escape = from + found;
            let (length, instead) = match raw.get(escape + 1..) {
                Some([b'/', ..]) => (2, "write `/`, which needs no backslash"),
                Some([b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]) => {
                    (6, "write the character itself, or `\\U` and eight digits")
                }
                _ => {
                    from = escape + 2;
                    continue;
                }
            };
            let end = (escape + length).min(raw.len());
            let written = String::from_utf8_lossy(raw.get(escape..end).unwrap_or_default());
            if self.problems.len() < self.limits.problems {
                self.problems.push(Problem {
                    kind: ProblemKind::Malformed,
                    origin: Origin::text(self.source, Span::new(start + escape, start + end)),
                    message: format!(
                        "`{written}` is no escape in YAML as kubectl, Helm and kustomize read it"
                    ),
                    help: Some(instead.to_owned()),
                });
            }
            return;
        }
    }

    fn push(&mut self, span: Span, part: Part, form: Form) -> Result<NodeId, Box<Problem>> {
        if self.done.nodes.len() >= self.limits.nodes {
            let message = format!("more than {} nodes in one document", self.limits.nodes);
            return Err(Box::new(limit(self.source, span, message)));
        }
        let id = NodeId(u32::try_from(self.done.nodes.len()).unwrap_or(u32::MAX));
        self.done.nodes.push(NodeData { span, part, form });
        Ok(id)
    }

    fn push_null(&mut self, at: Span) -> Result<NodeId, Box<Problem>> {
        self.push(at, Part::default(), Form::Scalar(ScalarStyle::Plain, Class::Null))
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
        let restored;
        let text = if self.stands_in && style == ScalarStyle::DoubleQuoted {
            restored = quotes::restored(text);
            &*restored
        } else {
            text
        };
        let json = self.frames.first().is_some_and(|frame| frame.flow);
        if style == ScalarStyle::DoubleQuoted && !json {
            self.foreign_escape(at);
        }
        let kind = scalar::kind(text, style, tag.map(|t| (t.core_suffix(), t.is_custom())));
        let class = match kind {
            ScalarKind::Null => Class::Null,
            ScalarKind::Bool(is) => Class::Bool(is),
            ScalarKind::Str => Class::Str,
            ScalarKind::Int(n) if text.parse() == Ok(n) => Class::Plain,
            ScalarKind::Int(_) | ScalarKind::Float(_) => Class::Number,
        };
        let start = self.done.texts.len();
        self.done.texts.push_str(text);
        let text = Part::new(start, self.done.texts.len());
        let node = self.push(at, text, Form::Scalar(style, class))?;
        if class == Class::Number {
            self.done.numbers.push((node, kind));
        }
        Ok((node, at))
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
        let form = if mapping { Form::Mapping } else { Form::Sequence };
        let node = self.push(at, Part::default(), form)?;
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
        let part = if frame.mapping {
            let start = self.done.entries.len();
            let own = self.entries.drain(frame.base..);
            for ((entry, alias), at) in own.zip(u32::try_from(start).unwrap_or(u32::MAX)..) {
                self.done.entries.push(entry);
                self.done.aliases.extend(alias.map(|span| (at, span)));
            }
            self.find_duplicates(start);
            Part::new(start, self.done.entries.len())
        } else {
            let start = self.done.items.len();
            self.done.items.extend_from_slice(&self.items[frame.base..]);
            self.items.truncate(frame.base);
            Part::new(start, self.done.items.len())
        };
        if let Some(data) = self.done.nodes.get_mut(frame.node.0 as usize) {
            data.part = part;
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
            self.entries.push((Entry { key, value: node }, alias));
        } else {
            frame.key = Some(node);
        }
    }

    /// Reports every key that is written again in the same mapping. Sorted rather than hashed, so
    /// that chosen keys cannot make it slow.
    fn find_duplicates(&mut self, start: usize) {
        let entries = &self.done.entries[start..];
        if entries.len() < 2 {
            return;
        }
        let (nodes, texts) = (&self.done.nodes, &self.done.texts);
        let key = |i: u32| match nodes[entries[i as usize].key.0 as usize] {
            NodeData { form: Form::Scalar(..), part, .. } => texts.get(part.range()),
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
            let first = nodes[entries[first as usize].key.0 as usize].span;
            let second = nodes[entries[second as usize].key.0 as usize].span;
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
