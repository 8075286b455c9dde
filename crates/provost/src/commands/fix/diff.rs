//! A unified diff out of the edits themselves: what changes is known, so that nothing has to be
//! searched for, and a file of any size takes time in proportion to it.
//!
//! The form is that of `git diff`, which `git apply` and `patch` take.

use std::fmt::Write as _;
use std::ops::Range;

use provost_check::facts::{SourceId, Span};
use provost_check::findings::Edit;
use provost_check::report::plain::clean;

/// A text as what it has kept of the one it began as, and what was written between.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// Bytes of the text in the beginning.
    bytes: usize,
    all: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Kept(Range<usize>),
    New(String),
}

impl Piece {
    fn bytes(&self) -> usize {
        match self {
            Self::Kept(range) => range.len(),
            Self::New(text) => text.len(),
        }
    }

    /// Its first bytes, and the others.
    fn split(self, bytes: usize) -> (Self, Option<Self>) {
        if bytes >= self.bytes() {
            return (self, None);
        }
        match self {
            Self::Kept(range) => {
                let middle = range.start + bytes;
                (Self::Kept(range.start..middle), Some(Self::Kept(middle..range.end)))
            }
            Self::New(mut text) => {
                // Edits have their ends between characters.
                let behind = text.split_off(text.floor_char_boundary(bytes));
                (Self::New(text), Some(Self::New(behind)))
            }
        }
    }
}

impl Pieces {
    /// A text of so many bytes.
    pub(crate) fn of(bytes: usize) -> Self {
        Self { bytes, all: vec![Piece::Kept(0..bytes)] }
    }

    /// Edits of the text as it is now, in order and without overlap.
    pub(crate) fn apply(&mut self, edits: &[Edit]) {
        let mut rest = std::mem::take(&mut self.all).into_iter();
        let mut open = rest.next();
        let mut at = 0;
        for edit in edits {
            let range = edit.span.range();
            while at < range.end {
                let Some(piece) = open.take() else { break };
                // Up to the edit it stays, and up to the end of the edit it goes.
                let stays = at < range.start;
                let wanted = if stays { range.start } else { range.end } - at;
                let (taken, left) = piece.split(wanted);
                at += taken.bytes();
                if stays {
                    self.all.push(taken);
                }
                open = left.or_else(|| rest.next());
            }
            self.all.push(Piece::New(edit.replacement.clone()));
        }
        self.all.extend(open);
        self.all.extend(rest);
    }

    /// The edits that make it of the text in the beginning.
    pub(crate) fn edits(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        let (mut at, mut new) = (0, String::new());
        let end = Piece::Kept(self.bytes..self.bytes);
        for piece in self.all.iter().chain([&end]) {
            match piece {
                Piece::New(text) => new.push_str(text),
                Piece::Kept(kept) => {
                    let last = kept.start == self.bytes;
                    if (kept.is_empty() && !last) || (kept.start == at && new.is_empty()) {
                        at = at.max(kept.end);
                        continue;
                    }
                    // Of which source they are does not matter to a diff.
                    let (source, span) = (SourceId(0), Span::new(at, kept.start));
                    edits.push(Edit { source, span, replacement: std::mem::take(&mut new) });
                    at = kept.end;
                }
            }
        }
        edits
    }
}

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// Lines that change, by number from 0, and what they become.
struct Block {
    lines: Range<usize>,
    after: String,
}

/// The diff of `before` under `edits`, which are in order and do not overlap; empty when nothing
/// changes or an edit lies outside of the text. Control characters are shown, not written: a diff
/// with one in it does not apply.
pub(crate) fn unified(path: &str, before: &str, edits: &[Edit]) -> String {
    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    let Some(blocks) = blocks(before, &lines, edits) else { return String::new() };
    let name = path.trim_start_matches("./").trim_start_matches('/');
    let mut out =
        format!("--- {}\n+++ {}\n", quoted(&format!("a/{name}")), quoted(&format!("b/{name}")));
    // How many lines the file has gained so far.
    let mut gained = 0isize;
    let mut rest = blocks.as_slice();
    while let Some(first) = rest.first() {
        // Changes whose surroundings meet are one hunk.
        let mut count = 1;
        while let (Some(last), Some(next)) = (rest.get(count - 1), rest.get(count)) {
            if next.lines.start > last.lines.end + 2 * CONTEXT {
                break;
            }
            count += 1;
        }
        let (hunk, later) = rest.split_at(count);
        rest = later;
        let end = hunk.last().map_or(first.lines.end, |last| last.lines.end);
        let shown = first.lines.start.saturating_sub(CONTEXT)..(end + CONTEXT).min(lines.len());
        let added: usize = hunk.iter().map(|block| block.after.split_inclusive('\n').count()).sum();
        let removed: usize = hunk.iter().map(|block| block.lines.len()).sum();
        let new = shown.len() + added - removed;
        let new_start = shown.start.saturating_add_signed(gained);
        let _ =
            writeln!(out, "@@ -{} +{} @@", span(shown.start, shown.len()), span(new_start, new));
        gained += added.cast_signed() - removed.cast_signed();
        let mut at = shown.start;
        for block in hunk {
            put(
                &mut out,
                ' ',
                lines.get(at..block.lines.start).unwrap_or_default().iter().copied(),
            );
            put(&mut out, '-', lines.get(block.lines.clone()).unwrap_or_default().iter().copied());
            put(&mut out, '+', block.after.split_inclusive('\n'));
            at = block.lines.end;
        }
        put(&mut out, ' ', lines.get(at..shown.end).unwrap_or_default().iter().copied());
    }
    out
}

/// The lines that the edits touch; `None` when there is nothing to show.
fn blocks(before: &str, lines: &[&str], edits: &[Edit]) -> Option<Vec<Block>> {
    // Where each line begins, and the end of the text.
    let mut starts = Vec::with_capacity(lines.len() + 1);
    starts.push(0);
    for line in lines {
        starts.push(starts[starts.len() - 1] + line.len());
    }
    let line_of =
        |offset: usize| starts.partition_point(|start| *start <= offset).saturating_sub(1);
    let mut blocks: Vec<(Range<usize>, Vec<&Edit>)> = Vec::new();
    for edit in edits {
        let range = edit.span.range();
        before.get(range.clone())?;
        let first = line_of(range.start).min(lines.len().saturating_sub(1));
        // Up to the line of the last byte; an insertion is in the line where it is made.
        let last = line_of(range.end.saturating_sub(1).max(range.start))
            .min(lines.len().saturating_sub(1));
        match blocks.last_mut() {
            Some((touched, edits)) if first < touched.end => {
                touched.end = touched.end.max(last + 1);
                edits.push(edit);
            }
            _ => blocks.push((first..(last + 1).min(lines.len()), vec![edit])),
        }
    }
    let blocks: Option<Vec<Block>> = blocks
        .into_iter()
        .map(|(touched, edits)| {
            let (mut at, end) = (*starts.get(touched.start)?, *starts.get(touched.end)?);
            let mut after = String::new();
            for edit in edits {
                let range = edit.span.range();
                after.push_str(before.get(at..range.start)?);
                after.push_str(&edit.replacement);
                at = range.end;
            }
            after.push_str(before.get(at..end)?);
            Some(Block { lines: touched, after })
        })
        .collect();
    let changed = |block: &Block| {
        let touched = starts.get(block.lines.start).zip(starts.get(block.lines.end));
        touched.is_none_or(|(start, end)| before.get(*start..*end) != Some(block.after.as_str()))
    };
    let mut blocks = blocks?;
    blocks.retain(changed);
    (!blocks.is_empty()).then_some(blocks)
}

/// `START,COUNT` as a hunk's head has it: numbers begin with 1, and one of no lines names the line
/// before it.
fn span(start: usize, count: usize) -> String {
    match count {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        _ => format!("{},{count}", start + 1),
    }
}

fn put<'t>(out: &mut String, mark: char, lines: impl Iterator<Item = &'t str>) {
    for line in lines {
        let text = line.strip_suffix('\n');
        let shown = text.unwrap_or(line);
        // A carriage return at the end of a line is part of it for git too.
        let (shown, ending) = match shown.strip_suffix('\r') {
            Some(shown) => (shown, "\r"),
            None => (shown, ""),
        };
        let _ = writeln!(out, "{mark}{}{ending}", clean(shown));
        if text.is_none() {
            out.push_str("\\ No newline at end of file\n");
        }
    }
}

/// A file's name as git writes it: in quotes when a byte of it needs them (`quote.c`).
fn quoted(name: &str) -> String {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\');
    if name.bytes().all(plain) {
        return name.to_owned();
    }
    let mut out = String::from("\"");
    for byte in name.bytes() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            byte if plain(byte) => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "\\{byte:03o}");
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: usize, end: usize, text: &str) -> Edit {
        Edit { source: SourceId(0), span: Span::new(start, end), replacement: text.to_owned() }
    }

    /// Edits of a text, and then edits of what they made, against the edits of the first text that they come to.
    #[test]
    fn edits_of_several_passes_are_edits_of_the_first_text() {
        use provost_check::findings::fix::apply;
        let first = "one two three\nfour\n";
        let mut seed = 7usize;
        let mut below = |most: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % (most + 1)
        };
        for _ in 0..2_000 {
            let mut text = first.to_owned();
            let mut pieces = Pieces::of(first.len());
            for _ in 0..3 {
                let mut edits: Vec<Edit> = Vec::new();
                let mut from = 0;
                for new in ["", "ab", "c\n", "four"].iter().take(below(3)) {
                    let start = from + below(text.len() - from);
                    let end = start + below((text.len() - start).min(4));
                    edits.push(edit(start, end, new));
                    from = (end + 1).min(text.len());
                    if from == text.len() {
                        break;
                    }
                }
                pieces.apply(&edits);
                text = apply(&text, &edits).expect("inside");
            }
            let all = pieces.edits();
            assert_eq!(apply(first, &all).as_deref(), Some(text.as_str()), "{pieces:?}");
        }
    }

    /// Against `git apply`, on texts of few lines with edits everywhere.
    #[test]
    fn git_applies_what_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a file");
        let texts = [
            "",
            "one",
            "one\n",
            "one\ntwo\nthree",
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n",
        ];
        let edits = |len: usize| {
            let mut sets = vec![
                vec![edit(0, 0, "new\n")],
                vec![edit(len, len, "end\n")],
                vec![edit(0, len, "")],
            ];
            if len > 8 {
                sets.push(vec![edit(0, 1, "x"), edit(4, 4, "in"), edit(len - 2, len - 1, "")]);
                sets.push(vec![edit(2, 4, "")]);
                sets.push(vec![edit(1, 7, "a\nb\nc\nd\ne\n")]);
            }
            sets
        };
        for before in texts {
            for edits in edits(before.len()) {
                let after = provost_check::findings::fix::apply(before, &edits).expect("inside");
                let patch = unified("./a file", before, &edits);
                if after == before {
                    assert_eq!(patch, "");
                    continue;
                }
                // A patch that leaves an empty file, or begins with one, is one of another kind.
                if before.is_empty() || after.is_empty() {
                    continue;
                }
                std::fs::write(&file, before).expect("written");
                let mut git = std::process::Command::new("git");
                git.args(["apply", "-"])
                    .current_dir(folder.path())
                    .stdin(std::process::Stdio::piped());
                let mut child = git.spawn().expect("git");
                std::io::Write::write_all(
                    &mut child.stdin.take().expect("stdin"),
                    patch.as_bytes(),
                )
                .expect("written");
                assert!(child.wait().expect("git").success(), "{before:?}\n{patch}");
                assert_eq!(std::fs::read_to_string(&file).expect("read"), after, "{patch}");
            }
        }
    }

    #[test]
    fn names_and_escapes_cannot_speak_to_a_terminal() {
        let patch = unified("a\u{1b}[2J\".yaml", "x: \u{1b}[2J1\n", &[edit(0, 1, "y")]);
        assert!(!patch.contains('\u{1b}'), "{patch:?}");
        assert!(patch.starts_with("--- \"a/a\\033[2J\\\".yaml\"\n"), "{patch}");
    }
}
