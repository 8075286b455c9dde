//! Edits of what several places share.
//!
//! A value behind an anchor, a key of a ConfigMap, a line of `values.yaml`, a resource that several
//! overlays are built of: an edit there changes all that use it. It is made where every one of them
//! asks for that very edit; where one does not, what is right for this finding is wrong for that,
//! no edit is offered, and the finding says why.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::tree::Tree;
use super::{Applicability, Edit, Finding, written};
use crate::artifact::Sources;
use crate::case::{Case, Joined};
use crate::facts::document::{Document, NodeId};
use crate::facts::objects::Object;
use crate::facts::origin::{Origin, SourceId, Span};
use crate::facts::workload::{EnvValue, VolumeKind};

/// Ways to a node behind anchors that are followed; beyond that nothing is known of its users.
const MOST_WAYS: usize = 1_000;

/// Lists of containers in a pod.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// What a finding asks for: its rule and the edits, in their order.
type Wish<'f> = (&'static str, &'static str, Vec<(SourceId, Span, &'f str)>);

fn wish<'f>(finding: &'f Finding, edits: &'f [Edit]) -> Wish<'f> {
    let mut all: Vec<_> =
        edits.iter().map(|edit| (edit.source, edit.span, edit.replacement.as_str())).collect();
    all.sort_unstable();
    (finding.rule.id, finding.variant.map_or("", |variant| variant.name), all)
}

/// Takes back the edits that not all their users ask for. Called before findings are moved to where
/// what was rendered is written.
pub fn review(findings: &mut [Finding], joined: &Joined<'_>) {
    let edited: Vec<usize> =
        (0..findings.len()).filter(|at| !edits_of(&findings[*at]).is_empty()).collect();
    if edited.is_empty() {
        return;
    }
    let mut reasons: FxHashMap<usize, String> = FxHashMap::default();
    let mut tell = |at: usize, reason: String| {
        reasons.entry(at).or_insert(reason);
    };
    let shared: &[Finding] = findings;
    let review = Review::new(shared, &edited, joined);
    review.anchors(&mut tell);
    review.variables(&mut tell);
    review.rendered(&mut tell);
    for (at, reason) in reasons {
        let finding = &mut findings[at];
        if let Some(fix) = &mut finding.fix {
            fix.edits.clear();
            fix.applicability = Applicability::Suggest;
        }
        finding.notes.push(reason);
    }
}

fn edits_of(finding: &Finding) -> &[Edit] {
    finding.fix.as_ref().map_or(&[], |fix| &fix.edits)
}

fn overlap(a: Span, b: Span) -> bool {
    let empty = a.start == a.end || b.start == b.end;
    if empty { a.start <= b.end && b.start <= a.end } else { a.start < b.end && b.start < a.end }
}

/// A document with aliases.
struct Aliased<'w> {
    document: &'w Document,
    tree: Tree,
    roots: FxHashMap<NodeId, &'w Object>,
}

impl<'w> Aliased<'w> {
    fn new(document: &'w Document) -> Self {
        Self { document, tree: Tree::new(document), roots: FxHashMap::default() }
    }

    fn begins(&self) -> u32 {
        self.document.root().span().start
    }
}

/// The findings with edits, and who asks for the same.
struct Review<'f, 'w> {
    findings: &'f [Finding],
    edited: &'f [usize],
    joined: &'f Joined<'w>,
    by_source: FxHashMap<SourceId, Vec<&'w Object>>,
    asked: FxHashMap<Wish<'f>, FxHashSet<&'f str>>,
}

impl<'f, 'w> Review<'f, 'w> {
    fn new(findings: &'f [Finding], edited: &'f [usize], joined: &'f Joined<'w>) -> Self {
        let mut asked: FxHashMap<Wish<'f>, FxHashSet<&'f str>> = FxHashMap::default();
        let mut sources: FxHashSet<SourceId> = FxHashSet::default();
        for finding in edited.iter().map(|at| &findings[*at]) {
            let edits = edits_of(finding);
            asked.entry(wish(finding, edits)).or_default().insert(&finding.subject);
            sources.extend(edits.iter().map(|edit| edit.source));
        }
        let mut by_source: FxHashMap<SourceId, Vec<&'w Object>> = FxHashMap::default();
        let world = joined.world;
        for object in world.objects.iter().filter(|it| sources.contains(&it.document.source)) {
            by_source.entry(object.document.source).or_default().push(object);
        }
        Self { findings, edited, joined, by_source, asked }
    }

    fn sources(&self) -> &'w Sources {
        &self.joined.world.sources
    }

    /// Whether the same edits are asked for by, or inside of, that subject.
    fn is_asked_by(&self, wish: &Wish<'_>, subject: &str) -> bool {
        let inside = |asking: &&str| {
            asking.strip_prefix(subject).is_some_and(|r| r.is_empty() || r.starts_with('/'))
        };
        self.asked.get(wish).is_some_and(|all| all.contains(subject) || all.iter().any(inside))
    }

    /// The object that holds a place.
    fn holder(&self, edit: &Edit) -> Option<&'w Object> {
        let objects = self.by_source.get(&edit.source)?;
        let behind = objects.partition_point(|o| o.node().span().start <= edit.span.start);
        let object = objects.get(behind.checked_sub(1)?)?;
        object.node().span().contains(edit.span).then_some(*object)
    }

    /// What stands behind an anchor and is used by aliases.
    fn anchors(&self, tell: &mut impl FnMut(usize, String)) {
        // By source, its documents that have aliases, with what objects begin in them.
        let mut aliased: FxHashMap<SourceId, Vec<Aliased<'w>>> = FxHashMap::default();
        for (source, objects) in &self.by_source {
            for object in objects.iter().filter(|object| object.document.has_aliases) {
                let of_source = aliased.entry(*source).or_default();
                if of_source.last().is_none_or(|last| last.document.index != object.document.index)
                {
                    of_source.push(Aliased::new(&object.document));
                }
                if let Some(last) = of_source.last_mut() {
                    last.roots.insert(object.root, object);
                }
            }
        }
        if aliased.is_empty() {
            return;
        }
        for &at in self.edited {
            let finding = &self.findings[at];
            let reason = edits_of(finding).iter().find_map(|edit| {
                let of_source = aliased.get(&edit.source)?;
                let behind = of_source.partition_point(|it| it.begins() <= edit.span.start);
                self.by_alias(finding, edit, of_source.get(behind.checked_sub(1)?)?)
            });
            if let Some(reason) = reason {
                tell(at, reason);
            }
        }
    }

    fn by_alias(&self, finding: &Finding, edit: &Edit, aliased: &Aliased<'_>) -> Option<String> {
        let Aliased { document, tree, roots } = aliased;
        let mut node = tree.at(document, edit.span)?;
        let mut shared: Option<NodeId> = None;
        // A document is no deeper than its reader allows.
        loop {
            if tree.uses(node).is_some() && document.node(node).span().contains(edit.span) {
                shared = Some(node);
            }
            let Some((parent, _)) = tree.around(node) else { break };
            node = parent;
        }
        // One that is taken away with what is around it.
        let shared =
            shared.or_else(|| tree.inside(edit.span).find(|id| tree.uses(*id).is_some()))?;
        let users = users(document, tree, shared, roots);
        let wish = wish(finding, edits_of(finding));
        let places = users.as_ref().map_or(0, Vec::len);
        let all = users.is_some_and(|users| {
            let distinct: BTreeSet<&String> = users.iter().collect();
            distinct.len() == users.len() && users.iter().all(|user| self.is_asked_by(&wish, user))
        });
        let count = if places == 0 { "many".to_owned() } else { places.to_string() };
        (!all).then(|| {
            format!(
                "no edit is made: {count} places use what stands behind this anchor, and not all of \
                 them ask for it"
            )
        })
    }

    /// Variables that come from elsewhere than the container, and those that others are made of.
    fn variables(&self, tell: &mut impl FnMut(usize, String)) {
        let mut cases: FxHashMap<String, Vec<Case<'_>>> = FxHashMap::default();
        for case in self.joined.cases() {
            cases.entry(case.subject()).or_default().push(case);
        }
        let mut outside: Vec<(usize, &Edit)> = Vec::new();
        for &at in self.edited {
            let finding = &self.findings[at];
            let Some(own) = cases.get(&finding.subject) else { continue };
            for edit in edits_of(finding) {
                let in_own = |case: &Case<'_>| {
                    let object = case.of.object;
                    object.document.source == edit.source
                        && object.node().span().contains(edit.span)
                };
                if !own.iter().any(in_own) {
                    outside.push((at, edit));
                }
                if let Some(reason) = own.iter().find_map(|case| part_of_another(case, edit)) {
                    tell(at, reason);
                }
            }
        }
        if outside.is_empty() {
            return;
        }
        let mut by_source: FxHashMap<SourceId, Vec<(usize, &Edit)>> = FxHashMap::default();
        for (at, edit) in outside {
            by_source.entry(edit.source).or_default().push((at, edit));
        }
        let mut users: FxHashMap<(SourceId, Span), BTreeSet<String>> = FxHashMap::default();
        let places: FxHashMap<SourceId, BTreeSet<Span>> = by_source
            .iter()
            .map(|(source, all)| (*source, all.iter().map(|(_, edit)| edit.span).collect()))
            .collect();
        for (subject, case) in cases.iter().flat_map(|(s, all)| all.iter().map(move |c| (s, c))) {
            let environment = case.environment();
            let variables = environment.iter().map(|(_, variable)| &variable.origin);
            for origin in variables {
                for span in touched(&places, origin) {
                    users.entry((origin.source(), span)).or_default().insert(subject.clone());
                }
            }
        }
        let files = self.files(&cases, by_source.values().flatten().map(|(_, edit)| *edit));
        for (at, edit) in by_source.values().flatten() {
            let finding = &self.findings[*at];
            let wish = wish(finding, edits_of(finding));
            let of_edit = users.get(&(edit.source, edit.span));
            let other = of_edit.into_iter().flatten().find(|user| !self.is_asked_by(&wish, user));
            if let Some(other) = other {
                tell(*at, format!("no edit is made: {other} takes the value from there as well"));
            } else if let Some(other) = files.get(&(edit.source, edit.span)) {
                tell(*at, format!("no edit is made: {other} reads what is changed as a file"));
            }
        }
    }

    /// Containers that have a ConfigMap of which something is edited as files.
    fn files<'e>(
        &self,
        cases: &FxHashMap<String, Vec<Case<'_>>>,
        edits: impl Iterator<Item = &'e Edit>,
    ) -> FxHashMap<(SourceId, Span), String> {
        let mut maps: FxHashMap<*const Object, Vec<(SourceId, Span)>> = FxHashMap::default();
        for edit in edits {
            if let Some(object) = self.holder(edit).filter(|o| o.meta.kind.value == "ConfigMap") {
                maps.entry(std::ptr::from_ref(object)).or_default().push((edit.source, edit.span));
            }
        }
        let mut files: FxHashMap<(SourceId, Span), String> = FxHashMap::default();
        if maps.is_empty() {
            return files;
        }
        for (subject, case) in cases.iter().flat_map(|(s, all)| all.iter().map(move |c| (s, c))) {
            for volume in &case.pod().volumes {
                let VolumeKind::ConfigMap { name, .. } = &volume.kind else { continue };
                let mounted =
                    |m: &crate::facts::container::Mount| m.name.value == volume.name.value;
                if !case.container.mounts.iter().any(mounted) {
                    continue;
                }
                let object = case.named_object("ConfigMap", &name.value).ok().flatten();
                let places = object.and_then(|object| maps.get(&std::ptr::from_ref(object)));
                for place in places.into_iter().flatten() {
                    let known = files.entry(*place).or_insert_with(|| subject.clone());
                    // The same one in every run.
                    if *subject < *known {
                        known.clone_from(subject);
                    }
                }
            }
        }
        files
    }

    /// What a renderer prints at several places.
    fn rendered(&self, tell: &mut impl FnMut(usize, String)) {
        let sources = self.sources();
        let is_rendered = |edit: &Edit| sources.get(edit.source).rendered.is_some();
        let mut moved: Vec<(usize, Vec<Edit>)> = Vec::new();
        for &at in self.edited {
            let edits = edits_of(&self.findings[at]);
            if edits.iter().any(is_rendered) {
                let all: Option<Vec<Edit>> =
                    edits.iter().map(|edit| written::moved_edit(edit, sources)).collect();
                moved.extend(all.map(|all| (at, all)));
            }
        }
        if moved.is_empty() {
            return;
        }
        // Each rendering has its inputs for itself, and several may be of one file.
        let mut files: FxHashMap<&str, SourceId> = FxHashMap::default();
        for (id, source) in sources.iter().filter(|(_, source)| source.rendered.is_none()) {
            files.entry(&source.path).or_insert(id);
        }
        let file = |id: SourceId| files.get(&*sources.get(id).path).copied().unwrap_or(id);
        for edit in moved.iter_mut().flat_map(|(_, edits)| edits) {
            edit.source = file(edit.source);
        }
        let in_file = |origin: &Origin| match origin.span() {
            Some(span) => Origin::text(file(origin.source()), span),
            None => origin.clone(),
        };
        let line = |source: SourceId, at: u32| (source, sources.get(source).position(at).line);
        let mut asked: FxHashMap<Wish<'_>, FxHashSet<(SourceId, u32)>> = FxHashMap::default();
        let mut targets: FxHashMap<SourceId, BTreeSet<Span>> = FxHashMap::default();
        for (at, edits) in &moved {
            let finding = &self.findings[*at];
            let from = edits_of(finding).iter().map(|edit| line(edit.source, edit.span.start));
            asked.entry(wish(finding, edits)).or_default().extend(from);
            for edit in edits {
                targets.entry(edit.source).or_default().insert(edit.span);
            }
        }
        let mut users: FxHashMap<(SourceId, Span), BTreeSet<(SourceId, u32)>> =
            FxHashMap::default();
        for (id, source) in sources.iter() {
            let Some(trace) = &source.rendered else { continue };
            for (number, written) in (1_u32..).zip(&trace.lines) {
                for value in &written.values {
                    let origin = in_file(&value.origin);
                    for span in touched(&targets, &origin) {
                        users.entry((origin.source(), span)).or_default().insert((id, number));
                    }
                }
            }
            for node in &trace.nodes {
                let at = in_file(&node.at);
                for span in touched(&targets, &at) {
                    // What is around it is no other place; a scalar may have quotes.
                    let whole = at.span().unwrap_or_default();
                    if whole.end - whole.start <= span.end - span.start + 2 {
                        let user = line(id, node.span.start);
                        users.entry((at.source(), span)).or_default().insert(user);
                    }
                }
            }
        }
        for (at, edits) in &moved {
            let Some(asking) = asked.get(&wish(&self.findings[*at], edits)) else { continue };
            let of_edits = edits.iter().filter_map(|edit| users.get(&(edit.source, edit.span)));
            let other = of_edits.flatten().find(|user| !asking.contains(user));
            if let Some((source, _)) = other {
                let path = &sources.get(*source).path;
                tell(
                    *at,
                    format!("no edit is made: the value is printed elsewhere as well, in {path}"),
                );
            }
        }
    }
}

/// Which of these places a text touches.
fn touched(places: &FxHashMap<SourceId, BTreeSet<Span>>, origin: &Origin) -> Vec<Span> {
    let (Some(all), Some(span)) = (places.get(&origin.source()), origin.span()) else {
        return Vec::new();
    };
    // Edits do not nest; one that begins in front may reach in.
    let last = Span { start: span.end, end: u32::MAX };
    let mut found: Vec<Span> = Vec::new();
    for place in all.range(..=last).rev() {
        if !overlap(*place, span) {
            if place.start < span.start {
                break;
            }
            continue;
        }
        found.push(*place);
    }
    found
}

/// Whether something else of the container is made of the variable that an edit changes.
fn part_of_another(case: &Case<'_>, edit: &Edit) -> Option<String> {
    let environment = case.environment();
    let is_edited = |origin: &Origin| {
        origin.source() == edit.source && origin.span().is_some_and(|span| overlap(span, edit.span))
    };
    let edited = environment.iter().find(|(_, v)| is_edited(&v.origin) || is_edited(&v.entry));
    let name = edited?.0;
    let reference = format!("$({name})");
    let container = case.container;
    let words = [&container.command, &container.args].into_iter().flatten().flatten();
    if words.into_iter().any(|word| word.value.contains(&reference)) {
        return Some(format!("no edit is made: the command line takes {reference} as well"));
    }
    let other = container.env.iter().find(|variable| match &variable.value {
        EnvValue::Literal(text) => variable.name.value != name && text.value.contains(&reference),
        _ => false,
    })?;
    Some(format!("no edit is made: {} is made of {reference} as well", other.name.value))
}

/// The objects and containers that reach a node, once for each way; nothing where the ways are too
/// many, or where one leads to no object.
fn users(
    document: &Document,
    tree: &Tree,
    shared: NodeId,
    roots: &FxHashMap<NodeId, &Object>,
) -> Option<Vec<String>> {
    struct Step {
        node: NodeId,
        /// What was come from.
        item: NodeId,
        container: Option<NodeId>,
    }
    let mut users = Vec::new();
    let mut open = vec![Step { node: shared, item: shared, container: None }];
    let mut steps = 0;
    while let Some(Step { node, item, container }) = open.pop() {
        steps += 1;
        if steps > MOST_WAYS {
            return None;
        }
        if let Some(object) = roots.get(&node) {
            let name = container.map(|id| {
                let name = document.node(id).get("name").and_then(|name| name.as_str());
                format!("/{}", name.unwrap_or("?"))
            });
            users.push(format!("{}{}", object.subject(), name.unwrap_or_default()));
            continue;
        }
        let one;
        let ways = match tree.uses(node) {
            Some(ways) => ways,
            None => {
                one = [tree.around(node)?];
                &one[..]
            }
        };
        for (parent, key) in ways {
            let key = key.and_then(|key| document.node(key).as_str());
            let is_list = key.is_some_and(|key| CONTAINERS.contains(&key));
            let container = if is_list && item != node { Some(item) } else { container };
            open.push(Step { node: *parent, item: node, container });
        }
    }
    Some(users)
}
