//! Which line of a template printed which line of the output.
//!
//! A template's lines are tried as patterns. Where several fit, the one is taken that keeps the
//! lines in order and that says most: the best way through all candidates, found step by step with
//! the few best ways kept. A `range` prints its lines again, so that going back is possible and
//! costs. What no line of the template looks like was printed by a helper or by `toYaml`, and
//! belongs to the action between its neighbours that can print more than one line.

use std::collections::HashMap;

use super::template::{Line, Piece};

/// Lines of a document that are aligned; the others of a longer one are not traced.
const LINES: usize = 20_000;

/// Lines of a template that are tried for one line of the output.
const CANDIDATES: usize = 12;

/// Lines with one beginning that are tried for each line, the nearest ones.
const ALIKE: usize = 128;

/// Lines without a fixed beginning that are tried for each line.
const LOOSE: usize = 128;

/// Ways that are kept.
const WAYS: usize = 16;

/// By line of `rendered`: the line of the template that printed it.
pub(super) fn align(template: &str, lines: &[Line], rendered: &[&str]) -> Vec<Option<usize>> {
    let mut found = vec![None; rendered.len()];
    if rendered.len() > LINES {
        return found;
    }
    let index = Index::new(template, lines);
    let steps = ways(template, lines, rendered, &index);
    let mut at = best(steps.last().map_or(&[][..], Vec::as_slice));
    for (number, ways) in steps.iter().enumerate().rev() {
        let Some(way) = at.and_then(|at| ways.get(at)) else { break };
        found[number] = way.matched.then_some(way.line);
        at = Some(way.before);
    }
    fill(lines, rendered, &mut found);
    found
}

/// Lines of a template by how they begin.
struct Index {
    by_key: HashMap<String, Vec<usize>>,
    loose: Vec<usize>,
    /// Before each line: how many print something.
    printing: Vec<usize>,
}

impl Index {
    fn new(template: &str, lines: &[Line]) -> Self {
        let mut index = Self { by_key: HashMap::new(), loose: Vec::new(), printing: vec![0] };
        for (number, line) in lines.iter().enumerate() {
            let before = index.printing.last().copied().unwrap_or_default();
            index.printing.push(before + usize::from(!line.pieces.is_empty()));
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
        index.loose.truncate(LOOSE);
        index
    }

    /// Lines that may print a text, of those with its beginning the ones around `near`.
    fn candidates<'a>(
        &'a self,
        rendered: &'a str,
        near: usize,
    ) -> impl Iterator<Item = usize> + 'a {
        let keyed = self.by_key.get(key(rendered).unwrap_or(rendered));
        let keyed = keyed.map_or(&[][..], Vec::as_slice);
        let at = keyed.partition_point(|line| *line < near);
        let window = at.saturating_sub(ALIKE / 2)..keyed.len().min(at + ALIKE / 2);
        keyed[window].iter().chain(&self.loose).copied()
    }

    /// Lines from one to another that print something.
    fn between(&self, from: usize, to: usize) -> usize {
        let before = |line: usize| self.printing.get(line).copied().unwrap_or_default();
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

fn ways(template: &str, lines: &[Line], rendered: &[&str], index: &Index) -> Vec<Vec<Way>> {
    let mut steps: Vec<Vec<Way>> = Vec::with_capacity(rendered.len());
    for (number, text) in rendered.iter().enumerate() {
        let start = [Way { score: 0, line: usize::MAX, matched: false, before: 0 }];
        let before = match number.checked_sub(1) {
            Some(last) => steps[last].as_slice(),
            None => &start,
        };
        let text = text.trim();
        let mut candidates: Vec<(usize, i64)> = Vec::new();
        if !text.is_empty() {
            // The nearest to what was used last, for any of the ways.
            let near = best(before).map_or(usize::MAX, |at| before[at].line).wrapping_add(1);
            let weighed =
                index.candidates(text, near).filter(|at| lines[*at].prints(template, text));
            let weighed = weighed.map(|at| (at, lines[at].weight(template)));
            // `- {{ . }}` looks like everything.
            let weighed =
                weighed.filter(|(at, weight)| *weight > 0 || lines[*at].pieces.len() == 1);
            candidates
                .extend(weighed.map(|(at, n)| (at, 2 + i64::try_from(n).unwrap_or(0).min(60))));
            candidates.sort_by_key(|(at, _)| at.abs_diff(near));
            candidates.truncate(CANDIDATES);
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
                    // Back, as `range` goes; a line with one text is no loop of its own.
                    -8
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
    steps
}

/// Gives the lines that look like none to the action before or between that prints several.
fn fill(lines: &[Line], rendered: &[&str], found: &mut [Option<usize>]) {
    let blocks: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].block).collect();
    let mut at = 0;
    let mut from = 0;
    while at < found.len() {
        if let Some(line) = found[at] {
            from = line;
        }
        if found[at].is_some() || rendered[at].trim().is_empty() {
            at += 1;
            continue;
        }
        let end = (at..found.len()).find(|n| found[*n].is_some()).unwrap_or(found.len());
        let to = found.get(end).copied().flatten().unwrap_or(lines.len());
        // Behind a range that has gone back there is no between.
        let to = if from <= to { to } else { lines.len() };
        // Of several, the one that is nearest below what came before.
        let next = blocks.partition_point(|block| *block < from);
        if let Some(block) = blocks.get(next).filter(|block| **block < to) {
            found[at..end].iter_mut().for_each(|line| *line = Some(*block));
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
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
