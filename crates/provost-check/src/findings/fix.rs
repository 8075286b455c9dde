//! Chooses edits that can be applied together. Nothing but the bytes of the edits changes, so
//! comments, quotes and indentation stay.

use std::collections::{BTreeMap, BTreeSet};

use super::{Applicability, Edit, Finding};
use crate::facts::origin::SourceId;

/// Edits that can be applied together.
#[derive(Debug, Default)]
pub struct Plan {
    /// By input: edits that do not overlap, in order of position.
    pub edits: BTreeMap<SourceId, Vec<Edit>>,
    /// The fixes in it: the inputs that each one changes.
    pub fixes: Vec<BTreeSet<SourceId>>,
    /// Findings whose fix touches bytes of another's; another pass may fix them.
    pub conflicts: usize,
    /// Findings whose fix a person has to decide on, and that were left.
    pub suggested: usize,
}

/// Chooses among the fixes of `findings`, earlier ones first. A fix is taken whole or not at all;
/// one that only a person can decide on is taken when `suggested` is set.
pub fn plan<'f>(findings: impl IntoIterator<Item = &'f Finding>, suggested: bool) -> Plan {
    let mut plan = Plan::default();
    let mut taken: BTreeMap<SourceId, Taken> = BTreeMap::new();
    for finding in findings {
        let Some(fix) = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty()) else { continue };
        if fix.applicability == Applicability::Suggest && !suggested {
            plan.suggested += 1;
            continue;
        }
        let clash =
            |edit: &Edit| taken.get(&edit.source).is_some_and(|taken| taken.clashes_with(edit));
        if fix.edits.iter().any(clash) {
            plan.conflicts += 1;
            continue;
        }
        let sources: BTreeSet<SourceId> = fix.edits.iter().map(|edit| edit.source).collect();
        plan.fixes.push(sources);
        for edit in &fix.edits {
            taken.entry(edit.source).or_default().add(edit);
        }
    }
    for (source, taken) in taken {
        plan.edits.insert(source, taken.0.into_values().collect());
    }
    plan
}

/// Edits of one input that do not touch each other, by where they begin and end. Those of a single
/// fix come in any order; an edit that two fixes share is kept once.
#[derive(Default)]
struct Taken(BTreeMap<(u32, u32), Edit>);

impl Taken {
    fn add(&mut self, edit: &Edit) {
        self.0.entry((edit.span.start, edit.span.end)).or_insert_with(|| edit.clone());
    }

    /// None of those taken touches another, so that only the neighbours can touch this one.
    fn clashes_with(&self, edit: &Edit) -> bool {
        let at = (edit.span.start, edit.span.end);
        let before = self.0.range(..at).next_back();
        let from = self.0.range(at..).take(2);
        before.into_iter().chain(from).any(|(_, other)| other != edit && touch(edit, other))
    }
}

/// Whether two edits share bytes, or insert at one place in an order that nobody chose.
fn touch(a: &Edit, b: &Edit) -> bool {
    let overlap = a.span.start < b.span.end && b.span.start < a.span.end;
    let empty = a.span.start == a.span.end || b.span.start == b.span.end;
    overlap || (empty && a.span.start <= b.span.end && b.span.start <= a.span.end)
}

/// The text after the edits, which do not overlap and are in order; `None` when one lies outside
/// the text or cuts a character.
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for edit in edits {
        let range = edit.span.range();
        out.push_str(text.get(at..range.start)?);
        text.get(range.clone())?;
        out.push_str(&edit.replacement);
        at = range.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::origin::{Origin, Span};
    use crate::findings::Fix;
    use crate::rules::rule::Rule;

    static RULE: Rule = Rule { id: "a", ..Rule::BASE };

    fn finding(fix: Fix) -> Finding {
        Finding::new(&RULE, "m", &Origin::whole(SourceId(0)), "").fix(fix)
    }

    fn at(start: usize, end: usize) -> Origin {
        Origin::text(SourceId(0), Span::new(start, end))
    }

    fn applied(text: &str, findings: &[Finding], suggested: bool) -> String {
        let plan = plan(findings, suggested);
        let none = Vec::new();
        apply(text, plan.edits.get(&SourceId(0)).unwrap_or(&none)).expect("inside the text")
    }

    #[test]
    fn edits_apply_in_any_order_of_findings() {
        let b = finding(Fix::safe("b").replace(&at(4, 5), "bb"));
        let a = finding(Fix::safe("a").replace(&at(0, 1), ""));
        assert_eq!(applied("abcdef", &[b, a], false), "bcdbbf");
    }

    #[test]
    fn a_fix_is_taken_whole_or_not_at_all() {
        let first = finding(Fix::safe("first").replace(&at(0, 3), "one"));
        let both = finding(Fix::safe("both").replace(&at(2, 4), "x").replace(&at(8, 9), "y"));
        let found = plan([&first, &both], false);
        assert_eq!((found.fixes.len(), found.conflicts), (1, 1));
        assert_eq!(applied("abcdefghij", &[first, both], false), "onedefghij");
    }

    #[test]
    fn the_same_edit_of_two_findings_is_made_once() {
        let one = finding(Fix::safe("a").replace(&at(0, 1), "b"));
        let found = plan([&one, &one.clone()], false);
        assert_eq!(
            (found.fixes.len(), found.conflicts, found.edits[&SourceId(0)].len()),
            (2, 0, 1)
        );
    }

    /// Compared with the plain way: every edit against every other.
    #[test]
    fn neighbours_are_enough_to_find_a_clash() {
        let mut random = 7_u32;
        let mut next = |most: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) % most
        };
        for _ in 0..200 {
            let findings: Vec<Finding> = (0..12)
                .map(|n| {
                    let start = next(20) as usize;
                    let end = start + next(4) as usize;
                    let text = ["a", "b"][n % 2];
                    finding(Fix::safe("x").replace(&at(start, end), text))
                })
                .collect();
            let mut kept: Vec<&Edit> = Vec::new();
            for edit in findings.iter().flat_map(|f| &f.fix.as_ref().expect("a fix").edits) {
                if kept.iter().all(|other| *other == edit || !touch(edit, other)) {
                    kept.push(edit);
                }
            }
            kept.sort_by_key(|edit| (edit.span.start, edit.span.end));
            kept.dedup();
            let planned = plan(&findings, false);
            let planned: Vec<&Edit> = planned.edits.values().flatten().collect();
            assert_eq!(planned, kept);
        }
    }

    #[test]
    fn what_a_person_decides_is_left() {
        let one = finding(Fix::suggest("a").replace(&at(0, 1), "b"));
        assert_eq!(plan([&one], false).suggested, 1);
        assert_eq!(applied("a", std::slice::from_ref(&one), false), "a");
        assert_eq!(applied("a", &[one], true), "b");
    }

    #[test]
    fn edits_outside_the_text_or_inside_a_character_are_refused() {
        let edit = |start, end| Edit {
            source: SourceId(0),
            span: Span::new(start, end),
            replacement: String::new(),
        };
        assert_eq!(apply("\u{e9}", &[edit(1, 2)]), None);
        assert_eq!(apply("a", &[edit(1, 2)]), None);
        assert_eq!(apply("a", &[edit(0, 1)]).as_deref(), Some(""));
    }
}
