//! One object, written twice in one file.

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

/// Further places of one object that a finding shows.
const SHOWN: usize = 4;

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    let world = joined.world;
    if world.objects.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    // A template writes one object in each branch, of which one is printed.
    let mut templates: FxHashMap<SourceId, bool> = FxHashMap::default();
    let mut seen: FxHashMap<_, usize> = FxHashMap::default();
    let mut all: Vec<Vec<&Object>> = Vec::new();
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
        if is_template {
            continue;
        }
        let kind = (meta.group(), meta.kind.value.as_str());
        let index = *seen
            .entry((source, kind, meta.namespace.value.as_str(), name.value.as_str()))
            .or_insert(all.len());
        match all.get_mut(index) {
            Some(same) => same.push(object),
            None => all.push(vec![object]),
        }
    }
    for same in all {
        if let [first, second, more @ ..] = same.as_slice() {
            out.push(finding(joined, first, second, more));
        }
    }
    Ok(())
}

fn finding(joined: &Joined<'_>, first: &Object, second: &Object, more: &[&Object]) -> Finding {
    let text = joined.world.sources.get(first.document.source).shown();
    let written = |object: &Object| {
        text.and_then(|text| text.get(object.node().span().range())).map(str::trim)
    };
    let of_first = written(first);
    let same = of_first.is_some()
        && std::iter::once(&second).chain(more).all(|other| written(other) == of_first);
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
