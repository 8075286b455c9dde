//! Places inside a scalar, and edits that keep it a scalar.
//!
//! A fact's origin covers the scalar as written, quotes included. Its value may be shorter than
//! its text (escapes, folded lines) or another text altogether (`$(NAME)` expanded); only where the
//! bytes are the value can a part of the value be pointed at.

use std::ops::Range;

use super::World;
use crate::artifact::SourceKind;
use crate::artifact::yaml::resolve_plain;
use crate::facts::document::ScalarKind;
use crate::facts::{Origin, Span};
use crate::findings::Fix;

/// Values that are named for one place, and bytes of a template's line that they are looked for in.
const MOST_VALUES: usize = 6;
const LONGEST_LINE: usize = 4096;

impl World {
    /// Bytes of the scalar at `origin` without its quotes, when they are exactly `value`.
    pub fn verbatim(&self, origin: &Origin, value: &str) -> Option<Span> {
        let span = origin.span()?;
        let text = self.sources.get(origin.source()).shown()?.get(span.range())?;
        if text == value {
            return Some(span);
        }
        let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (inner == value).then(|| Span { start: span.start + 1, end: span.end - 1 })
    }

    /// The place of `range` of `value`, which stands at `origin`; the whole scalar where the two
    /// differ.
    pub fn part(&self, origin: &Origin, value: &str, range: Range<usize>) -> Origin {
        match self.verbatim(origin, value) {
            Some(span) => {
                let at = |n: usize| span.start as usize + n;
                Origin::text(origin.source(), Span::new(at(range.start), at(range.end)))
            }
            None => origin.clone(),
        }
    }

    /// The first place where `part` of the scalar at `origin` stands as it is; the whole scalar where
    /// it is written otherwise. Finds parts of block scalars too.
    pub fn within(&self, origin: &Origin, part: &str) -> Origin {
        let at = || {
            let span = origin.span()?;
            let text = self.sources.get(origin.source()).shown()?.get(span.range())?;
            let line = part.lines().next().filter(|line| !line.trim().is_empty())?;
            let start = span.start as usize + text.find(line)?;
            Some(Origin::text(origin.source(), Span::new(start, start + line.len())))
        };
        at().unwrap_or_else(|| origin.clone())
    }

    /// The values of a chart that the line of a place is computed from, by their names in
    /// `values.yaml`. Empty for what is written as it is, and where a value stands alone.
    pub fn computed_from(&self, origin: &Origin) -> Vec<String> {
        let source = self.sources.get(origin.source());
        let trace = source.rendered.as_ref().zip(origin.span());
        let written = trace.and_then(|(trace, span)| trace.line(source.position(span.start).line));
        let Some(written) = written else { return Vec::new() };
        if let [alone] = written.values.as_slice()
            && alone.whole.is_some()
        {
            return Vec::new();
        }
        // A sum names its parts in the template itself: `add .Values.a .Values.b`.
        let line = written.at.as_ref().and_then(|at| {
            let text = self.sources.get(at.source()).shown()?;
            text.get(at.span()?.range()).filter(|line| line.len() <= LONGEST_LINE)
        });
        let mut names: Vec<String> = Vec::new();
        for (at, mark) in line.unwrap_or_default().match_indices(".Values.") {
            let rest = &line.unwrap_or_default()[at + mark.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_'));
            let name = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
            if !name.is_empty() && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        if names.is_empty() {
            names.extend(written.values.iter().map(|value| value.name.clone()));
        }
        names.truncate(MOST_VALUES);
        names
    }

    /// Adds to `fix` the edit that makes the scalar at `origin` read `new`. A quoted scalar keeps
    /// its quotes and a plain one gets them where YAML would read `new` as something else than a
    /// string. Without an edit where the value is not what the text says.
    pub fn rewrite(&self, fix: Fix, origin: &Origin, value: &str, new: &str) -> Fix {
        let Some(span) = self.verbatim(origin, value) else { return fix };
        let quoted = origin.span() != Some(span);
        let yaml = self.sources.get(origin.source()).kind == SourceKind::Manifest;
        let text_in_yaml = matches!(resolve_plain(new), ScalarKind::Str);
        // A quoted flag of a Dockerfile is a word like any other: the first source of a COPY.
        let flag = !yaml && new.starts_with("--");
        let bare = flag || stands_unquoted(new) && (!yaml || text_in_yaml);
        let text = if quoted || bare { new.to_owned() } else { format!("\"{new}\"") };
        fix.replace(&Origin::text(origin.source(), span), text)
    }

    /// Adds to `fix` the edit that gives the mapping at `entry` one more key, before its others.
    pub fn add_key(&self, fix: Fix, entry: &Origin, key: &str, value: &str) -> Fix {
        let edit = || {
            let span = entry.span()?;
            let source = self.sources.get(entry.source());
            if source.kind != SourceKind::Manifest {
                return None;
            }
            let text = source.shown()?;
            let start = span.start as usize;
            if let Some(inside) = text.get(start..)?.strip_prefix('{') {
                // JSON quotes its keys.
                let new = match inside.trim_start().chars().next()? {
                    '}' => return None,
                    '"' => format!("\"{key}\": \"{value}\", "),
                    _ => format!("{key}: {value}, "),
                };
                return Some((start + 1, new));
            }
            let begin = text.get(..start)?.rfind('\n').map_or(0, |i| i + 1);
            let before = text.get(begin..start)?;
            let indent = " ".repeat(before.len());
            let plain = before.bytes().all(|b| matches!(b, b' ' | b'-'));
            plain.then(|| (start, format!("{key}: {value}\n{indent}")))
        };
        match edit() {
            Some((at, new)) => fix.replace(&Origin::text(entry.source(), Span::new(at, at)), new),
            None => fix,
        }
    }

    /// Adds to `fix` the edit that removes the list entry at `entry`, when it has its lines for
    /// itself, `- {name: GOMAXPROCS, value: "4"}`, or stands in brackets.
    pub fn remove_entry(&self, fix: Fix, entry: &Origin) -> Fix {
        let lines = || {
            let span = entry.span()?;
            let source = self.sources.get(entry.source());
            if source.kind != SourceKind::Manifest {
                return None;
            }
            let text = source.shown()?;
            let (start, end) = (span.start as usize, span.end as usize);
            let begin = text.get(..start)?.rfind('\n').map_or(0, |i| i + 1);
            let before = text.get(begin..start)?.trim();
            let rest = text.get(end..)?;
            let line = rest.find('\n').map_or(rest.len(), |i| i + 1);
            let after = rest.get(..line)?.trim();
            let alone = before == "-" && (after.is_empty() || after.starts_with('#'));
            let range = match alone {
                true => begin..end + line,
                false => in_brackets(text, start..end)?,
            };
            Some(Origin::text(entry.source(), Span::new(range.start, range.end)))
        };
        match lines() {
            Some(lines) => fix.replace(&lines, ""),
            None => fix,
        }
    }
}

/// The bytes that go with an entry of a list in brackets: with the comma behind it, else with the
/// one before it.
fn in_brackets(text: &str, entry: Range<usize>) -> Option<Range<usize>> {
    let (before, after) = (text.get(..entry.start)?, text.get(entry.end..)?);
    let opens = before.trim_end();
    let closes = after.trim_start();
    // A comment in front may end with anything.
    let line = opens.rfind('\n').map_or(opens, |at| &opens[at..]);
    if line.contains('#') {
        return None;
    }
    match (opens.chars().next_back()?, closes.chars().next()?) {
        ('[' | ',', ',') => {
            let next = closes[1..].trim_start();
            Some(entry.start..text.len() - next.len())
        }
        (',', ']') => Some(opens.len() - 1..entry.end),
        ('[', ']') => Some(entry),
        _ => None,
    }
}

/// Whether a text may stand without quotes in YAML, flow lists included, and in a Dockerfile.
fn stands_unquoted(text: &str) -> bool {
    let inner = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'.' | b'_' | b'-' | b'/' | b':' | b'=' | b'+' | b'%' | b'@')
    };
    // Indicators, which mean something where a scalar begins; a colon at its end makes it a key.
    let first = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/');
    text.bytes().next().is_some_and(first) && text.bytes().all(inner) && !text.ends_with(':')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::artifact::{Source, Sources};
    use crate::facts::settings::Settings;

    fn world(kind: SourceKind, text: &str) -> World {
        let mut sources = Sources::default();
        sources.add(Source::text("input", kind, Arc::from(text)));
        World::new(sources, Settings::at(jiff::civil::date(2026, 11, 23)))
    }

    /// The place of `part` in a text.
    fn at(text: &str, part: &str) -> Origin {
        let start = text.find(part).expect("the part is there");
        let span = Span::new(start, start + part.len());
        Origin::text(crate::facts::SourceId(0), span)
    }

    /// The text with the fix applied.
    fn applied(text: &str, fix: &Fix) -> String {
        let mut text = text.to_owned();
        for edit in &fix.edits {
            text.replace_range(edit.span.range(), &edit.replacement);
        }
        text
    }

    #[track_caller]
    fn rewritten(kind: SourceKind, text: &str, scalar: &str, value: &str, new: &str) -> String {
        let fix = world(kind, text).rewrite(Fix::safe("x"), &at(text, scalar), value, new);
        applied(text, &fix)
    }

    #[test]
    fn a_rewritten_scalar_is_still_a_string() {
        let yaml = SourceKind::Manifest;
        // A comma would end the entry of a flow mapping.
        assert_eq!(
            rewritten(yaml, "{v: a=1;b=2}", "a=1;b=2", "a=1;b=2", "a=1,b=2"),
            "{v: \"a=1,b=2\"}"
        );
        // Nor is a flag, which quotes would make a word of.
        let copy = "COPY --chmod=0644 /a /b";
        assert_eq!(
            rewritten(SourceKind::Dockerfile, copy, "--chmod=0644", "--chmod=0644", "--chmod=0755"),
            "COPY --chmod=0755 /a /b"
        );
        // What needs no quotes gets none.
        assert_eq!(rewritten(yaml, "v: /healthz", "/healthz", "/healthz", "/readyz"), "v: /readyz");
        assert_eq!(rewritten(yaml, "[shop-a]", "shop-a", "shop-a", "shop-b"), "[shop-b]");
        assert_eq!(rewritten(yaml, "v: a", "a", "a", "0.0.0.0:8080"), "v: 0.0.0.0:8080");
        assert_eq!(rewritten(yaml, "v: a", "a", "a", ":8080"), "v: \":8080\"");
        assert_eq!(rewritten(yaml, "v: a", "a", "a", "a:"), "v: \"a:\"");
        assert_eq!(rewritten(yaml, "v: a", "a", "a", "1e3"), "v: \"1e3\"");
        assert_eq!(rewritten(yaml, "v: '4'", "'4'", "4", "2"), "v: '2'");
        // A number or a switch would no longer be a string.
        assert_eq!(rewritten(yaml, "v: 500m", "500m", "500m", "1"), "v: \"1\"");
        assert_eq!(rewritten(yaml, "v: OFF", "OFF", "OFF", "off"), "v: \"off\"");
        assert_eq!(rewritten(yaml, "v: 512Mi", "512Mi", "512Mi", "512MiB"), "v: 512MiB");
        // JSON is YAML here.
        assert_eq!(
            rewritten(yaml, "{\"v\": \"512Mi\"}", "\"512Mi\"", "512Mi", "512MiB"),
            "{\"v\": \"512MiB\"}"
        );
        assert_eq!(
            rewritten(SourceKind::Dockerfile, "ENV GOGC=50%", "50%", "50%", "50"),
            "ENV GOGC=50"
        );
    }

    #[test]
    fn what_is_not_written_as_it_reads_is_left_alone() {
        let text = "v: \"a\\tb\"";
        assert_eq!(rewritten(SourceKind::Manifest, text, "\"a\\tb\"", "a\tb", "c"), text);
        let whole = at(text, "\"a\\tb\"");
        assert_eq!(world(SourceKind::Manifest, text).part(&whole, "a\tb", 2..3), whole);
    }

    #[test]
    fn a_part_of_a_quoted_value_lies_inside_the_quotes() {
        let text = "v: \"a=1,b=2\"";
        let place =
            world(SourceKind::Manifest, text).part(&at(text, "\"a=1,b=2\""), "a=1,b=2", 4..7);
        assert_eq!(place, at(text, "b=2"));
    }

    #[test]
    fn a_key_is_added_in_the_style_of_its_mapping() {
        let added = |text: &str, entry: &str| {
            let world = world(SourceKind::Manifest, text);
            applied(text, &world.add_key(Fix::safe("x"), &at(text, entry), "k", "v"))
        };
        assert_eq!(added("p:\n  - {a: 1}\n", "{a: 1}"), "p:\n  - {k: v, a: 1}\n");
        assert_eq!(
            added("{\"p\": [{\"a\": 1}]}", "{\"a\": 1}"),
            "{\"p\": [{\"k\": \"v\", \"a\": 1}]}"
        );
        assert_eq!(
            added("p:\n  - a: 1\n    b: 2\n", "a: 1\n    b: 2"),
            "p:\n  - k: v\n    a: 1\n    b: 2\n"
        );
        assert_eq!(added("p: {}\n", "{}"), "p: {}\n");
    }

    #[test]
    fn an_entry_is_removed_with_its_lines_or_not_at_all() {
        let removed = |text: &str, entry: &str| {
            let world = world(SourceKind::Manifest, text);
            applied(text, &world.remove_entry(Fix::safe("x"), &at(text, entry)))
        };
        assert_eq!(
            removed("env:\n  - {name: A}\n  - {name: B} # b\n", "{name: B}"),
            "env:\n  - {name: A}\n"
        );
        assert_eq!(removed("env:\n  - name: A\n    value: x\n", "name: A\n    value: x"), "env:\n");
        let flow = "env: [{name: A}, {name: B}]\n";
        assert_eq!(removed(flow, "{name: A}"), "env: [{name: B}]\n");
        assert_eq!(removed(flow, "{name: B}"), "env: [{name: A}]\n");
        assert_eq!(removed("env: [{name: A}]\n", "{name: A}"), "env: []\n");
        let lines = "env: [\n  {name: A}, # a\n  {name: B}, # b,\n  {name: C}\n]\n";
        assert_eq!(
            removed(lines, "{name: A}"),
            "env: [\n  # a\n  {name: B}, # b,\n  {name: C}\n]\n"
        );
        assert_eq!(removed(lines, "{name: C}"), lines);
        // No list.
        assert_eq!(removed("a: {b: {name: A}, c: 1}\n", "{name: A}"), "a: {b: {name: A}, c: 1}\n");
    }
}
