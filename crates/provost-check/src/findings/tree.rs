//! A document from its leaves: what a place is in, and by which ways it is reached.

use rustc_hash::FxHashMap;

use crate::facts::document::{Document, NodeId};
use crate::facts::origin::Span;

/// Nodes that begin at one place and are compared with it: a list of lists of lists.
const MOST_AT_ONE_PLACE: usize = 64;

/// What refers to a node: the mapping or list and, of the value of a key, that key.
pub(super) type Use = (NodeId, Option<NodeId>);

/// What each node of a document is in.
pub(super) struct Tree {
    /// Nodes by where they start, what is around before what is inside.
    starts: Vec<(u32, NodeId)>,
    /// By node, what it is written in.
    around: Vec<Option<Use>>,
    /// All uses of nodes that have more than one: an anchor's and its aliases'.
    shared: FxHashMap<NodeId, Vec<Use>>,
}

impl Tree {
    pub(super) fn new(document: &Document) -> Self {
        let count = u32::try_from(document.nodes.len()).unwrap_or(u32::MAX);
        let mut around: Vec<Option<Use>> = vec![None; document.nodes.len()];
        let mut shared: FxHashMap<NodeId, Vec<Use>> = FxHashMap::default();
        let mut first: Vec<Option<Use>> = vec![None; document.nodes.len()];
        let mut put = |child: NodeId, by: Use, is_alias: bool| {
            let at = child.0 as usize;
            let (Some(slot), Some(first)) = (around.get_mut(at), first.get_mut(at)) else { return };
            // An item that is an alias does not say so. What a node is written in was begun before
            // it, and of what was begun before, last.
            if !is_alias && by.0 < child {
                *slot = Some(by);
            }
            match first {
                Some(first) => shared.entry(child).or_insert_with(|| vec![*first]).push(by),
                none => *none = Some(by),
            }
        };
        for id in (0..count).map(NodeId) {
            for (entry, alias) in document.aliased_entries_of(id) {
                put(entry.key, (id, Some(entry.key)), false);
                put(entry.value, (id, Some(entry.key)), alias.is_some());
            }
            document.items_of(id).iter().for_each(|item| put(*item, (id, None), false));
        }
        let start = |id: NodeId| (document.node(id).span().start, id);
        let mut starts: Vec<(u32, NodeId)> = (0..count).map(NodeId).map(start).collect();
        starts.sort_unstable();
        Self { starts, around, shared }
    }

    /// What a node is written in.
    pub(super) fn around(&self, node: NodeId) -> Option<Use> {
        *self.around.get(node.0 as usize)?
    }

    /// Every use of a node that has several.
    pub(super) fn uses(&self, node: NodeId) -> Option<&[Use]> {
        self.shared.get(&node).map(Vec::as_slice)
    }

    /// The node that has just these bytes, else the last one that begins in front of them: that is
    /// inside of what is around them.
    pub(super) fn at(&self, document: &Document, span: Span) -> Option<NodeId> {
        let behind = self.starts.partition_point(|(start, _)| *start <= span.start);
        let before = self.starts.get(..behind)?;
        let here = before.iter().rev().take_while(|(start, _)| *start == span.start);
        let mut here = here.take(MOST_AT_ONE_PLACE).map(|(_, id)| *id);
        let exact = here.find(|id| document.node(*id).span() == span);
        exact.or_else(|| before.last().map(|(_, id)| *id))
    }

    /// Nodes that begin inside of these bytes.
    pub(super) fn inside(&self, span: Span) -> impl Iterator<Item = NodeId> {
        let first = self.starts.partition_point(|(start, _)| *start < span.start);
        let rest = self.starts.get(first..).unwrap_or_default();
        rest.iter().take_while(move |(start, _)| *start < span.end).map(|(_, id)| *id)
    }
}
