//! One object, written twice in one file.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;

use crate::case::Joined;
use crate::facts::Object;
use crate::facts::origin::SourceId;
use crate::facts::placeholders::may_be_in;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// `kubectl apply` writes the second over the first and reports both.
pub static RULE: Rule = Rule {
    id: "duplicate-object",
    group: Group::Input,
    level: Level::Warn,
    title: "an object that the same file writes again",
    page: include_str!("duplicate-object.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    check: Check::Run(check),
    ..Rule::BASE
};

/// Events of one hook; Helm knows nine.
const EVENTS: usize = 16;

/// Further places of one object that a finding shows.
const SHOWN: usize = 4;

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    let world = joined.world;
    if world.objects.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    // A template writes one object in each branch, of which one is printed.
    let mut templates: FxHashMap<SourceId, bool> = FxHashMap::default();
    let mut named: Vec<&Object> = Vec::new();
    for object in &world.objects {
        let meta = &object.meta;
        let Some(name) = &meta.name else { continue };
        if name.value.ends_with('*') || may_be_in(&name.value) || may_be_in(&meta.namespace.value) {
            continue;
        }
        let source = object.document.source;
        let is_template = *templates.entry(source).or_insert_with(|| {
            world.sources.get(source).shown().is_some_and(|text| text.contains("{{"))
        });
        if !is_template {
            named.push(object);
        }
    }
    // Objects of one file stand together already, and equal ones stay in their order.
    named.sort_by(|a, b| compare(a, b));
    let mut all: Vec<&[&Object]> =
        named.chunk_by(|a, b| compare(a, b).is_eq()).filter(|same| same.len() > 1).collect();
    all.sort_by_key(|same| same.first().map(|object| object.origin()));
    for same in all {
        if let [first, second, more @ ..] = same {
            out.push(finding(joined, first, second, more));
        }
    }
    Ok(())
}

/// Equal are objects of one file that have one name, and are there at one time.
fn compare(a: &Object, b: &Object) -> Ordering {
    key(a).cmp(&key(b)).then_with(|| events(a).cmp(&events(b)))
}

fn key(object: &Object) -> (SourceId, &str, &str, &str, Option<&str>) {
    let meta = &object.meta;
    // Where none is written, the one that is applied to may be `default` or any other.
    let open = !meta.namespace.is_written() && meta.namespace.value == "default";
    let namespace = (!open).then_some(meta.namespace.value.as_str());
    (object.document.source, meta.name(), meta.kind.value.as_str(), meta.group(), namespace)
}

/// When Helm makes a hook; what is made at one time is not there at the other.
fn events(object: &Object) -> Vec<&str> {
    let events = object.meta.annotations.get("helm.sh/hook");
    let events = events.into_iter().flat_map(|events| events.value.split(','));
    let mut events: Vec<&str> = events.map(str::trim).take(EVENTS).collect();
    events.sort_unstable();
    events
}

fn finding(joined: &Joined<'_>, first: &Object, second: &Object, more: &[&Object]) -> Finding {
    let source = joined.world.sources.get(first.document.source);
    let written = |object: &Object| {
        let range = object.node().span().range();
        let text = source.shown().and_then(|text| text.get(range.clone())).unwrap_or_default();
        range.start..range.start + text.trim_end().len()
    };
    let of_first = written(first);
    let mut others = std::iter::once(&second).chain(more);
    let same = others.all(|other| source.is_same(&of_first, &written(other)));
    let times = match more.len() {
        0 => "twice".to_owned(),
        n => format!("{} times", n + 2),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} {} is written {times} in this file: the later is written over the earlier when all \
             are applied, and helm and kustomize refuse them",
            second.meta.kind.value,
            second.meta.name()
        ),
        &second.origin(),
        "once more",
    )
    .also(&first.origin(), "the first");
    for other in more.iter().take(SHOWN) {
        finding = finding.also(&other.origin(), "and here");
    }
    if same {
        finding = finding.level(Level::Note).note("they are the same word for word");
    }
    finding.subject = second.subject();
    finding.fix(Fix::suggest("give each a name of its own, or remove what is too many"))
}
