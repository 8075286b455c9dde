//! Which line of a template printed which line of the output.
//!
//! A template's lines are tried as patterns. Where several fit, the one is taken that keeps the
//! lines in order and that says most: the best way through all candidates, found step by step with
//! the few best ways kept. A `range` prints its lines again, so that going back is possible and
//! costs. What no line of the template looks like was printed by a helper or by `toYaml`, and
//! belongs to the action between its neighbours that can print more than one line.

use std::collections::HashMap;
use std::ops::Range;

use super::branches::may_print;
use super::budget::Budget;
use super::line::{Line, Piece};

/// Lines of a document that are aligned; the others of a longer one are not traced.
pub(super) const LINES: usize = 20_000;

/// Lines of a template that are tried for one line of the output.
const CANDIDATES: usize = 12;

/// Lines with one beginning that are tried for each line, the nearest ones.
const ALIKE: usize = 128;

/// Lines without a fixed beginning that are tried for each line.
const LOOSE: usize = 128;

/// Ways that are kept.
const WAYS: usize = 16;

/// Lines that may print several, of which the nearest is looked for that is not left out.
const NEAREST: usize = 64;

/// By line of `rendered`: the line of the template that printed it.
pub(super) fn align(template: &str, lines: &[Line], rendered: &[&str]) -> Vec<Option<usize>> {
    let index = Index::new(template, lines, 0..lines.len());
    aligned(template, lines, rendered, &index, &[], &mut Budget::default())
}

/// The same with what is known of the lines, of which those of branches that are not taken print
/// nothing; none is told once the budget is spent.
pub(super) fn aligned(
    template: &str,
    lines: &[Line],
    rendered: &[&str],
    index: &Index,
    not_taken: &[bool],
    budget: &mut Budget,
) -> Vec<Option<usize>> {
    let mut found = vec![None; rendered.len()];
    if rendered.len() > LINES {
        return found;
    }
    let steps = ways(template, lines, rendered, index, not_taken, budget);
    let Some(steps) = steps else { return found };
    let mut at = best(steps.last().map_or(&[][..], Vec::as_slice));
    for (number, ways) in steps.iter().enumerate().rev() {
        let Some(way) = at.and_then(|at| ways.get(at)) else { break };
        found[number] = way.matched.then_some(way.line);
        at = Some(way.before);
    }
    let may_print = |line: usize| lines.get(line).is_some_and(|line| may_print(line, not_taken));
    fill(index, rendered, may_print, &mut found);
    found
}

/// Lines of a template, or of a definition in it, by how they begin. Made once for all documents
/// that they print.
pub(super) struct Index {
    /// The lines that are meant.
    range: Range<usize>,
    by_key: HashMap<String, Vec<usize>>,
    loose: Vec<usize>,
    /// There were more of these.
    cut: bool,
    /// Lines that may print several.
    blocks: Vec<usize>,
    /// Before each line: how many print something.
    printing: Vec<usize>,
}

impl Index {
    pub(super) fn new(template: &str, lines: &[Line], range: Range<usize>) -> Self {
        let mut index = Self {
            range: range.clone(),
            by_key: HashMap::new(),
            loose: Vec::new(),
            cut: false,
            blocks: Vec::new(),
            printing: vec![0],
        };
        // What a template defines prints where it is included, and not where it stands.
        let whole = range.len() == lines.len();
        for (number, line) in lines.iter().enumerate().take(range.end).skip(range.start) {
            let is_meant = !(whole && line.defined);
            let before = index.printing.last().copied().unwrap_or_default();
            index.printing.push(before + usize::from(is_meant && !line.pieces.is_empty()));
            if !is_meant {
                continue;
            }
            if line.block {
                index.blocks.push(number);
            }
            match line.pieces.first() {
                None => {}
                Some(Piece::Text(range)) => {
                    let text = template.get(range.clone()).unwrap_or_default().trim_start();
                    match key(text) {
                        Some(key) => index.by_key.entry(key.to_owned()).or_default().push(number),
                        // The whole line is fixed, or its key is partly filled in.
                        None if line.pieces.len() == 1 => {
                            index.by_key.entry(text.trim_end().to_owned()).or_default().push(number)
                        }
                        None => index.loose.push(number),
                    }
                }
                Some(Piece::Hole(_)) => index.loose.push(number),
            }
        }
        index.cut = index.loose.len() > LOOSE;
        index.loose.truncate(LOOSE);
        index
    }

    /// The lines that are meant.
    pub(super) fn range(&self) -> &Range<usize> {
        &self.range
    }

    fn keyed(&self, rendered: &str) -> &[usize] {
        let keyed = self.by_key.get(key(rendered).unwrap_or(rendered));
        keyed.map_or(&[][..], Vec::as_slice)
    }

    /// Lines that may print a text, of those with its beginning the ones around `near`.
    fn candidates<'a>(
        &'a self,
        rendered: &'a str,
        near: usize,
    ) -> impl Iterator<Item = usize> + 'a {
        let keyed = self.keyed(rendered);
        let at = keyed.partition_point(|line| *line < near);
        let window = at.saturating_sub(ALIKE / 2)..keyed.len().min(at + ALIKE / 2);
        keyed[window].iter().chain(&self.loose).copied()
    }

    /// All lines that may print a text; `None` when they are too many to tell.
    pub(super) fn alike<'a>(
        &'a self,
        rendered: &'a str,
    ) -> Option<impl Iterator<Item = usize> + 'a> {
        let keyed = self.keyed(rendered);
        let few = keyed.len() <= ALIKE && !self.cut;
        few.then(|| keyed.iter().chain(&self.loose).copied())
    }

    /// Lines that may print several.
    pub(super) fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    /// Lines from one to another that print something.
    fn between(&self, from: usize, to: usize) -> usize {
        let before = |line: usize| {
            let line = line.saturating_sub(self.range.start);
            self.printing.get(line).or(self.printing.last()).copied().unwrap_or_default()
        };
        before(to).saturating_sub(before(from))
    }
}

/// The line's key with its colon.
fn key(line: &str) -> Option<&str> {
    let at = line.find(':')?;
    line.get(..=at)
}

/// A way through the lines up to one.
#[derive(Clone, Copy)]
struct Way {
    score: i64,
    /// The line of the template that was used last; one before the first when none was.
    line: usize,
    matched: bool,
    /// Index of the way of the line before.
    before: usize,
}

fn best(ways: &[Way]) -> Option<usize> {
    (0..ways.len()).max_by_key(|at| (ways[*at].score, std::cmp::Reverse(*at)))
}

/// `None` when the budget is spent.
fn ways(
    template: &str,
    lines: &[Line],
    rendered: &[&str],
    index: &Index,
    not_taken: &[bool],
    budget: &mut Budget,
) -> Option<Vec<Vec<Way>>> {
    let mut steps: Vec<Vec<Way>> = Vec::with_capacity(rendered.len());
    let whole = index.range.len() == lines.len();
    // One before the first line.
    let first = index.range.start.wrapping_sub(1);
    for (number, text) in rendered.iter().enumerate() {
        let start = [Way { score: 0, line: first, matched: false, before: 0 }];
        let before = match number.checked_sub(1) {
            Some(last) => steps[last].as_slice(),
            None => &start,
        };
        let text = text.trim();
        let mut candidates: Vec<(usize, i64)> = Vec::new();
        if !text.is_empty() {
            // The nearest to what was used last, for any of the ways.
            let near = best(before).map_or(first, |at| before[at].line).wrapping_add(1);
            for at in index.candidates(text, near) {
                let line = &lines[at];
                if !budget.take(cost(line, text)) {
                    return None;
                }
                // `- {{ . }}` looks like everything.
                let says = line.weight > 0 || line.pieces.len() == 1;
                if says && may_print(line, not_taken) && line.prints(template, text) {
                    candidates.push((at, 2 + i64::try_from(line.weight).unwrap_or(60).min(60)));
                }
            }
            candidates.sort_by_key(|(at, _)| at.abs_diff(near));
            candidates.truncate(CANDIDATES);
        }
        if !budget.take(1 + before.len() * (1 + candidates.len())) {
            return None;
        }
        let mut next: HashMap<(usize, bool), Way> = HashMap::new();
        let mut keep = |way: Way| {
            let known = next.entry((way.line, way.matched)).or_insert(way);
            if (way.score, std::cmp::Reverse(way.before))
                > (known.score, std::cmp::Reverse(known.before))
            {
                *known = way;
            }
        };
        for (at, way) in before.iter().enumerate() {
            keep(Way { matched: false, before: at, ..*way });
            for (line, weight) in &candidates {
                let follows = way.line.wrapping_add(1);
                let order = if *line == way.line && lines[*line].block {
                    // It goes on printing.
                    4
                } else if *line < follows {
                    let looped = |line: usize| lines.get(line).and_then(|line| line.looped);
                    // Back, as `range` goes. What a template prints without one comes once; a
                    // definition may be included again.
                    let again =
                        !whole || (looped(*line).is_some() && looped(*line) == looped(way.line));
                    if again { -8 } else { -64 }
                } else {
                    let gap = index.between(follows, *line);
                    4 - i64::try_from(gap.min(8)).unwrap_or(8) / 2
                };
                keep(Way {
                    score: way.score + weight + order,
                    line: *line,
                    matched: true,
                    before: at,
                });
            }
        }
        let mut next: Vec<Way> = next.into_values().collect();
        next.sort_by_key(|way| (std::cmp::Reverse(way.score), way.line, way.matched));
        next.truncate(WAYS);
        steps.push(next);
    }
    Some(steps)
}

/// Steps that comparing a line with a text takes.
pub(super) fn cost(line: &Line, text: &str) -> usize {
    1 + line.pieces.len() + text.len() / 16
}

/// Gives the lines that look like none to the action before or between that prints several.
fn fill(
    index: &Index,
    rendered: &[&str],
    may_print: impl Fn(usize) -> bool,
    found: &mut [Option<usize>],
) {
    let blocks = &index.blocks;
    let mut at = 0;
    let mut from = index.range.start;
    while at < found.len() {
        if let Some(line) = found[at] {
            from = line;
        }
        if found[at].is_some() || rendered[at].trim().is_empty() {
            at += 1;
            continue;
        }
        let end = (at..found.len()).find(|n| found[*n].is_some()).unwrap_or(found.len());
        let to = found.get(end).copied().flatten().unwrap_or(index.range.end);
        // Behind a range that has gone back there is no between.
        let to = if from <= to { to } else { index.range.end };
        // Of several, the one that is nearest below what came before.
        let next = blocks.partition_point(|block| *block < from);
        let mut near = blocks[next..].iter().take_while(|block| **block < to).take(NEAREST);
        if let Some(block) = near.find(|block| may_print(**block)) {
            found[at..end].iter_mut().for_each(|line| *line = Some(*block));
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many lines that look alike, and that each line is compared with.
    #[test]
    fn nothing_is_told_when_the_budget_is_spent() {
        let template = "a: {{ .b }}\n".repeat(100);
        let lines = super::super::template::read(&template).lines;
        let index = Index::new(&template, &lines, 0..lines.len());
        let rendered = vec!["a: b"; 1000];
        let mut budget = Budget::of(10_000);
        let found = super::aligned(&template, &lines, &rendered, &index, &[], &mut budget);
        assert_eq!(found, [None; 1000]);
        // And not for the next document either.
        let found = super::aligned(&template, &lines, &rendered[..1], &index, &[], &mut budget);
        assert_eq!(found, [None]);
        let mut enough = Budget::default();
        let found = super::aligned(&template, &lines, &rendered, &index, &[], &mut enough);
        assert!(found[0].is_some());
        assert!(enough.used() > 10_000);
    }

    fn aligned(template: &str, rendered: &str) -> Vec<Option<usize>> {
        super::super::lines_of(template, rendered)
    }

    #[test]
    fn conditions_are_left_out_and_blocks_filled() {
        let template = "\
kind: Deployment
metadata:
  labels:
    {{- include \"x.labels\" . | nindent 4 }}
spec:
  {{- if .Values.on }}
  replicas: {{ .Values.n }}
  {{- end }}
  resources:
    {{- toYaml .Values.r | nindent 4 }}
";
        let rendered = "\
kind: Deployment
metadata:
  labels:
    app: x
    version: y
spec:
  replicas: 3
  resources:
    limits:
      memory: 1Gi
";
        let found: Vec<usize> = aligned(template, rendered).into_iter().flatten().collect();
        assert_eq!(found, [0, 1, 2, 3, 3, 4, 6, 8, 9, 9]);
    }

    #[test]
    fn a_loop_prints_its_lines_again() {
        let template = "\
env:
{{- range .Values.env }}
- name: {{ .name }}
  value: {{ .value }}
{{- end }}
ports:
- name: http
";
        let rendered = "\
env:
- name: A
  value: a
- name: B
  value: b
ports:
- name: http
";
        let found: Vec<usize> = aligned(template, rendered).into_iter().flatten().collect();
        assert_eq!(found, [0, 2, 3, 2, 3, 5, 6]);
    }

    #[test]
    fn what_is_printed_once_is_not_printed_again() {
        let template = "\
env:
- name: A
  value: {{ include \"x.a\" . }}
{{- with .Values.env }}
{{- toYaml . | nindent 0 }}
{{- end }}
ports:
";
        let rendered = "env:\n- name: A\n  value: a\n- name: A\n  value: b\nports:\n";
        let found: Vec<usize> = aligned(template, rendered).into_iter().flatten().collect();
        assert_eq!(found, [0, 1, 2, 4, 4, 6]);
    }

    #[test]
    fn a_block_goes_on_until_something_else_is_printed() {
        let template = "\
metadata:
  labels:
    {{- include \"x.labels\" . | nindent 4 }}
spec:
  resources:
    {{- toYaml .Values.r | nindent 4 }}
";
        let rendered = "\
metadata:
  labels:
    app: x
spec:
  resources:
    limits:
      memory: 1Gi
    requests:
      cpu: 250m
      memory: 1Gi
";
        let found: Vec<usize> = aligned(template, rendered).into_iter().flatten().collect();
        assert_eq!(found, [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]);
    }

    #[test]
    fn lines_that_occur_twice_are_told_by_their_order() {
        let template = "a:\n  port: http\nb:\n  port: http\n";
        let found: Vec<usize> = aligned(template, template).into_iter().flatten().collect();
        assert_eq!(found, [0, 1, 2, 3]);
        let found: Vec<usize> =
            aligned(template, "b:\n  port: http\n").into_iter().flatten().collect();
        assert_eq!(found, [2, 3]);
    }
}
