//! One YAML or JSON document as a tree with byte spans for every key and value.
//!
//! Nodes, their texts and their children live in one arena each, since a document has hundreds of
//! nodes and a run tens of thousands of documents. An alias is the *same* node as its anchor, so a
//! document takes memory in proportion to its text whatever its aliases would expand to. Walk
//! [`Document::scalars`] to see every scalar once; a recursive walk over values could be
//! exponential in the number of aliases.

use super::origin::{Fact, Origin, SourceId, Span};

/// A node of a [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// How a scalar was written; plain scalars may be numbers, booleans or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Unquoted.
    Plain,
    /// `'...'`
    SingleQuoted,
    /// `"..."`
    DoubleQuoted,
    /// `|` or `>`
    Block,
}

/// What Kubernetes (sigs.k8s.io/yaml, YAML 1.1 rules) takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarKind {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `yes`, `on` and their like.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str,
}

/// A part of one of a document's arenas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The first.
    pub start: u32,
    /// One past the last.
    pub end: u32,
}

impl Part {
    /// What an arena held `start` of before and holds `end` of now.
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end) }
    }

    /// The part as indices.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What a scalar is, without what number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer as Rust reads its text, which is how most are written.
    Plain,
    /// Another number; it stands in [`Document::numbers`].
    Number,
    /// Text.
    Str,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text, in [`Document::texts`] after unquoting and unfolding.
    Scalar(ScalarStyle, Class),
    /// A list, in [`Document::items`].
    Sequence,
    /// Keys and values in written order, in [`Document::entries`]; duplicate keys are kept.
    Mapping,
}

/// One key and its value in a mapping.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// The key's node.
    pub key: NodeId,
    /// The value's node; for an alias the node of its anchor.
    pub value: NodeId,
}

/// A node as stored: half of what a document takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeData {
    /// Bytes of the node; of a mapping or sequence from its first to its last child.
    pub span: Span,
    /// Its text, items or entries, by what it is.
    pub part: Part,
    /// What it is.
    pub form: Form,
}

const _: () = assert!(size_of::<NodeData>() == 20, "hundreds of them are kept for each manifest");

/// A comment, from `#` to the end of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Bytes of the comment, `#` included.
    pub span: Span,
}

/// A parsed document. Built by `artifact::yaml`, immutable afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The file it is in.
    pub source: SourceId,
    /// Its number in the file, from 0.
    pub index: u32,
    /// All nodes; children come after their parents.
    pub nodes: Vec<NodeData>,
    /// Texts of scalars.
    pub texts: String,
    /// Entries of mappings.
    pub entries: Vec<Entry>,
    /// Items of lists.
    pub items: Vec<NodeId>,
    /// Numbers that are not written as Rust reads integers, in the order of the nodes.
    pub numbers: Vec<(NodeId, ScalarKind)>,
    /// Where the value of an entry is an alias: the entry's place in `entries`, in order, and the
    /// bytes of the alias.
    pub aliases: Vec<(u32, Span)>,
    /// Whether a node may be reached by several ways.
    pub has_aliases: bool,
    /// The top node.
    pub root: NodeId,
    /// Comments in order.
    pub comments: Vec<Comment>,
}

impl Document {
    /// The top node.
    pub fn root(&self) -> Node<'_> {
        Node { doc: self, id: self.root }
    }

    /// The node of that id.
    pub fn node(&self, id: NodeId) -> Node<'_> {
        Node { doc: self, id }
    }

    /// A text of [`Self::texts`].
    pub fn text(&self, part: Part) -> &str {
        // The builder makes parts out of what it pushed; an empty text is better than a panic.
        self.texts.get(part.range()).unwrap_or_default()
    }

    /// Entries of a mapping, none of anything else.
    pub fn entries_of(&self, id: NodeId) -> &[Entry] {
        match self.nodes.get(id.0 as usize) {
            Some(NodeData { form: Form::Mapping, part, .. }) => {
                self.entries.get(part.range()).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// The same, each with the bytes of the alias that its value is, if it is one.
    pub fn aliased_entries_of(&self, id: NodeId) -> impl Iterator<Item = (Entry, Option<Span>)> {
        let first = self.nodes.get(id.0 as usize).map_or(0, |data| data.part.start as usize);
        self.entries_of(id).iter().zip(first..).map(|(entry, at)| (*entry, self.alias(at)))
    }

    /// Bytes of the alias that the value of that entry of [`Self::entries`] is, if it is one.
    pub fn alias(&self, entry: usize) -> Option<Span> {
        let entry = u32::try_from(entry).ok()?;
        let found = self.aliases.binary_search_by_key(&entry, |(at, _)| *at).ok()?;
        self.aliases.get(found).map(|(_, span)| *span)
    }

    /// Items of a list, none of anything else.
    pub fn items_of(&self, id: NodeId) -> &[NodeId] {
        match self.nodes.get(id.0 as usize) {
            Some(NodeData { form: Form::Sequence, part, .. }) => {
                self.items.get(part.range()).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// The kind of a scalar of that class and text.
    fn kind(&self, id: NodeId, class: Class, text: Part) -> ScalarKind {
        match class {
            Class::Null => ScalarKind::Null,
            Class::Bool(is) => ScalarKind::Bool(is),
            Class::Str => ScalarKind::Str,
            Class::Plain => self.text(text).parse().map_or(ScalarKind::Str, ScalarKind::Int),
            Class::Number => {
                let found = self.numbers.binary_search_by_key(&id, |(node, _)| *node).ok();
                found.and_then(|at| self.numbers.get(at)).map_or(ScalarKind::Str, |(_, n)| *n)
            }
        }
    }

    /// Every scalar exactly once, keys included, in document order.
    pub fn scalars(&self) -> impl Iterator<Item = (Node<'_>, &str)> {
        self.nodes.iter().enumerate().filter_map(|(i, data)| match data.form {
            Form::Scalar(..) => {
                let text = self.text(data.part);
                let id = NodeId(u32::try_from(i).unwrap_or(u32::MAX));
                Some((Node { doc: self, id }, text))
            }
            _ => None,
        })
    }
}

/// A node seen in its document: the handle facts and rules navigate with.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    /// The document.
    pub doc: &'d Document,
    /// The node.
    pub id: NodeId,
}

impl<'d> Node<'d> {
    fn data(self) -> Option<&'d NodeData> {
        self.doc.nodes.get(self.id.0 as usize)
    }

    /// Bytes of the node.
    pub fn span(self) -> Span {
        self.data().map(|d| d.span).unwrap_or_default()
    }

    /// The node's place.
    pub fn origin(self) -> Origin {
        Origin::text(self.doc.source, self.span())
    }

    /// The place of a scalar, or of the first key or item of a collection, which is on its first
    /// line.
    pub fn start(self) -> Origin {
        let mut first = self;
        // Down the first children: each step goes to a node that comes later in the arena.
        loop {
            let next = first.entries().map(|(key, _)| key).next().or_else(|| first.items().next());
            match next {
                Some(next) if next.id > first.id => first = next,
                _ => return first.origin(),
            }
        }
    }

    /// Text of a scalar, as written after unquoting; `None` for lists, mappings and null.
    pub fn as_str(self) -> Option<&'d str> {
        let data = self.data()?;
        match data.form {
            Form::Scalar(_, Class::Null) => None,
            Form::Scalar(..) => Some(self.doc.text(data.part)),
            _ => None,
        }
    }

    /// Whether [`Self::as_str`] is that text. Every look for a key asks it of all keys: most differ
    /// in length.
    fn is(self, text: &str) -> bool {
        let Some(data) = self.data() else { return false };
        let part = data.part.range();
        part.len() == text.len()
            && matches!(data.form, Form::Scalar(_, class) if class != Class::Null)
            && self.doc.texts.as_bytes().get(part) == Some(text.as_bytes())
    }

    /// What kind of scalar; `None` for lists and mappings.
    pub fn scalar_kind(self) -> Option<ScalarKind> {
        let data = self.data()?;
        match data.form {
            Form::Scalar(_, class) => Some(self.doc.kind(self.id, class, data.part)),
            _ => None,
        }
    }

    /// Style of a scalar.
    pub fn scalar_style(self) -> Option<ScalarStyle> {
        match self.data()?.form {
            Form::Scalar(style, _) => Some(style),
            _ => None,
        }
    }

    /// An integer; also one that was quoted where Kubernetes accepts both is *not* converted.
    pub fn as_i64(self) -> Option<i64> {
        match self.scalar_kind()? {
            ScalarKind::Int(n) => Some(n),
            _ => None,
        }
    }

    /// A boolean by YAML 1.1 rules.
    pub fn as_bool(self) -> Option<bool> {
        match self.data()?.form {
            Form::Scalar(_, Class::Bool(b)) => Some(b),
            _ => None,
        }
    }

    /// Whether the node is null.
    pub fn is_null(self) -> bool {
        matches!(self.data().map(|d| d.form), Some(Form::Scalar(_, Class::Null)))
    }

    /// Whether the node is a mapping.
    pub fn is_mapping(self) -> bool {
        matches!(self.data().map(|d| d.form), Some(Form::Mapping))
    }

    /// Whether the node is a list.
    pub fn is_sequence(self) -> bool {
        matches!(self.data().map(|d| d.form), Some(Form::Sequence))
    }

    /// Keys and values of a mapping in written order, `<<` merges not applied.
    pub fn entries(self) -> impl Iterator<Item = (Node<'d>, Node<'d>)> {
        let doc = self.doc;
        doc.entries_of(self.id)
            .iter()
            .map(move |e| (Node { doc, id: e.key }, Node { doc, id: e.value }))
    }

    /// Items of a list.
    pub fn items(self) -> impl Iterator<Item = Node<'d>> {
        let doc = self.doc;
        doc.items_of(self.id).iter().map(move |id| Node { doc, id: *id })
    }

    /// The value of `key`: the last one when written twice (what Kubernetes keeps), else the one a
    /// `<<` merge brings. A null value counts as absent, as it does for the API server.
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        self.get_entry(key).map(|(_, value)| value)
    }

    /// Key node and value of `key`, by the rules of [`Node::get`].
    pub fn get_entry(self, key: &str) -> Option<(Node<'d>, Node<'d>)> {
        self.find(key, 0).filter(|(_, v)| !v.is_null())
    }

    /// Whether `key` is one of its own, whatever its value: one without a value may be there to be filled in, and
    /// `<<` to be merged.
    pub fn has_key(self, key: &str) -> bool {
        self.entries().any(|(own, _)| own.is(key))
    }

    /// Own entries win over merged ones, and of several merged mappings the first.
    fn find(self, key: &str, depth: usize) -> Option<(Node<'d>, Node<'d>)> {
        let mut found = None;
        let mut merge = None;
        for (k, v) in self.entries() {
            if k.is(key) {
                found = Some((k, v));
            } else if k.is("<<") {
                merge = Some(v);
            }
        }
        // The loader bounds what aliases expand to; this bounds the stack.
        if found.is_some() || depth > 16 {
            return found;
        }
        let merge = merge?;
        if merge.is_mapping() {
            return merge.find(key, depth + 1);
        }
        merge.items().find_map(|m| m.find(key, depth + 1))
    }

    /// Follows keys from mapping to mapping.
    pub fn at(self, path: &[&str]) -> Option<Node<'d>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The keys on the way to what stands at `offset` below this node, without places in lists:
    /// `spec`, `template`, `spec`, `containers`, `name`. Ends where nothing further is at that place.
    pub fn keys_to(self, offset: usize) -> Vec<&'d str> {
        let holds = |node: Node<'_>| node.span().range().contains(&offset);
        let mut keys = Vec::new();
        let mut node = self;
        loop {
            let entry = node.entries().find(|(key, value)| holds(*key) || holds(*value));
            let item = || node.items().find(|item| holds(*item));
            let Some(next) = entry.map(|(_, value)| value).or_else(item) else { return keys };
            keys.extend(entry.and_then(|(key, _)| key.as_str()));
            // An alias may stand for what holds it.
            let inside =
                next.span().start >= node.span().start && next.span().end <= node.span().end;
            if !inside || next.id == node.id || !holds(next) {
                return keys;
            }
            node = next;
        }
    }

    /// The scalar text of `key` as a written fact.
    pub fn text_fact(self, key: &str) -> Option<Fact<String>> {
        let value = self.get(key)?;
        Some(Fact::written(value.as_str()?.to_owned(), value.origin()))
    }
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {} at {:?}", self.id.0, self.span())
    }
}
