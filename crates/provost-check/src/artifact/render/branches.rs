//! Which branches of a template are not taken: `if`, `with`, `range` and `else`, as far as they ask
//! for a value that is known.

use std::sync::Arc;

use super::line::{Line, Path};
use super::pipeline::Meaning;

/// Values that one condition asks for; of a longer one the first.
const MOST_ASKED: usize = 16;

/// What has to be for a part of a template to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// That of what is around it; it comes before.
    outer: Option<usize>,
    /// Values, and whether they are to be something (neither empty, nor 0, nor false). What else is
    /// asked may be or not.
    asked: Question,
}

/// A question of `if`, `with` or `range`: all of these values are to be as said. Of more than one,
/// what holds otherwise is not known.
pub(super) type Question = Vec<(Arc<Path>, bool)>;

/// A block that is open.
#[derive(Clone, Debug, Default)]
struct Block {
    outer: Option<usize>,
    /// What the branches before asked.
    before: Vec<Question>,
    /// The condition of the branch that is open.
    here: Option<usize>,
}

/// The open blocks of a template, and all conditions in it.
#[derive(Debug, Default)]
pub(super) struct Branches {
    open: Vec<Block>,
    pub(super) all: Vec<Condition>,
}

impl Branches {
    /// The condition of what stands here.
    pub(super) fn here(&self) -> Option<usize> {
        self.open.last().and_then(|block| block.here)
    }

    /// Opens a block that asks this.
    pub(super) fn open(&mut self, question: Question) {
        let outer = self.here();
        let here = self.condition(outer, question.clone());
        self.open.push(Block { outer, before: vec![question], here });
    }

    /// Opens a definition, which is printed where it is included.
    pub(super) fn define(&mut self) {
        self.open.push(Block::default());
    }

    /// Goes on to the next branch of the block.
    pub(super) fn otherwise(&mut self, question: Question) {
        let Some(mut block) = self.open.pop() else { return };
        // Of several values, one may not be what was asked, or all.
        let failed = block.before.iter().filter_map(|asked| match asked.as_slice() {
            [(path, expected)] => Some((Arc::clone(path), !expected)),
            _ => None,
        });
        let asked = failed.chain(question.iter().cloned()).take(MOST_ASKED).collect();
        block.here = self.condition(block.outer, asked);
        if block.before.len() < MOST_ASKED {
            block.before.push(question);
        }
        self.open.push(block);
    }

    /// Values that the next branch is to ask for, besides its own.
    pub(super) fn asked_before(&self) -> usize {
        self.open.last().map_or(0, |block| block.before.len())
    }

    /// Closes the block.
    pub(super) fn end(&mut self) {
        self.open.pop();
    }

    fn condition(&mut self, outer: Option<usize>, asked: Question) -> Option<usize> {
        if asked.is_empty() {
            return outer;
        }
        self.all.push(Condition { outer, asked });
        Some(self.all.len() - 1)
    }
}

/// The values that the text of a condition asks for, each a reference that `meaning` knows.
pub(super) fn question(text: &str, meaning: impl Fn(&str) -> Option<Meaning>) -> Question {
    let text = in_parentheses(text.trim());
    if let Some(rest) = text.strip_prefix("not ") {
        return match question(rest, meaning).as_slice() {
            [(path, expected)] => vec![(Arc::clone(path), !expected)],
            _ => Vec::new(),
        };
    }
    let words: Vec<&str> = match text.strip_prefix("and ") {
        Some(rest) => rest.split_whitespace().collect(),
        None => vec![text],
    };
    let asked: Option<Question> = words.iter().map(|word| asked(word, &meaning)).collect();
    let asked = asked.unwrap_or_default();
    if asked.len() > MOST_ASKED { Vec::new() } else { asked }
}

fn asked(word: &str, meaning: &impl Fn(&str) -> Option<Meaning>) -> Option<(Arc<Path>, bool)> {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$');
    if !word.starts_with(['.', '$']) || !word.bytes().all(is_part) {
        return None;
    }
    let found = meaning(word)?;
    (found.as_is && !found.path.is_empty()).then(|| (Arc::new(found.path), true))
}

/// What stands in parentheses that are around all of it.
fn in_parentheses(text: &str) -> &str {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    inner.filter(|inner| !inner.contains(['(', ')'])).map_or(text, str::trim)
}

/// By condition: whether it is known not to hold. `is_something` says so of a value.
pub(super) fn not_taken(
    all: &[Condition],
    mut is_something: impl FnMut(&Path) -> Option<bool>,
) -> Vec<bool> {
    let mut out: Vec<bool> = Vec::with_capacity(all.len());
    for condition in all {
        let outer = condition.outer.and_then(|outer| out.get(outer)).copied().unwrap_or(false);
        let mut fails = |(path, expected): &(Arc<Path>, bool)| {
            is_something(path).is_some_and(|known| known != *expected)
        };
        let fails = outer || condition.asked.iter().any(&mut fails);
        out.push(fails);
    }
    out
}

/// Whether a line may print something, by what [`not_taken`] knows.
pub(super) fn may_print(line: &Line, not_taken: &[bool]) -> bool {
    let fails = line.branch.and_then(|branch| not_taken.get(branch));
    !fails.copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::render::template;

    /// The lines of a template that may be printed when these values are something and others not.
    fn printed(text: &str, values: &[&str]) -> Vec<String> {
        let template = template::read(text);
        let out = not_taken(&template.conditions, |path| {
            let name: Vec<&str> = path.iter().map(|part| part.as_deref().unwrap_or("*")).collect();
            let name = name.join(".");
            // What is below `.Values`.
            name.strip_prefix("Values.").map(|name| values.contains(&name))
        });
        let lines = template.lines.iter().filter(|line| may_print(line, &out));
        let lines = lines.filter(|line| !line.pieces.is_empty());
        lines.map(|line| text[line.content.clone()].to_owned()).collect()
    }

    #[test]
    fn a_branch_whose_value_is_nothing_is_not_taken() {
        let text = "\
{{ if .Values.a }}
one
{{ else if .Values.b }}
two
{{ else }}
three
{{ end }}
four
";
        assert_eq!(printed(text, &["a", "b"]), ["one", "four"]);
        assert_eq!(printed(text, &["b"]), ["two", "four"]);
        assert_eq!(printed(text, &[]), ["three", "four"]);
        let nested = "{{ with .Values.a }}\n{{ if not $.Values.b }}\nx\n{{ end }}\ny\n{{ end }}\n";
        assert_eq!(printed(nested, &["a"]), ["x", "y"]);
        assert_eq!(printed(nested, &["a", "b"]), ["y"]);
        assert_eq!(printed(nested, &[]), [""; 0]);
        assert_eq!(printed("{{- range .Values.l }}\n- {{ . }}\n{{- end }}\n", &[]), [""; 0]);
    }

    #[test]
    fn what_asks_for_more_than_values_may_be_taken() {
        for condition in ["eq .Values.a \"x\"", "or .Values.a .Values.b", ".Release.IsUpgrade"] {
            let text = format!("{{{{ if {condition} }}}}\nx\n{{{{ else }}}}\ny\n{{{{ end }}}}\n");
            assert_eq!(printed(&text, &[]), ["x", "y"], "{condition}");
        }
        let both = "{{ if and .Values.a .Values.b }}\nx\n{{ else }}\ny\n{{ end }}\n";
        assert_eq!(printed(both, &["a"]), ["y"]);
        assert_eq!(printed(both, &["a", "b"]), ["x", "y"]);
        // Both branches on one line.
        let line = "{{ if .Values.a }}x{{ else }}y{{ end }}\n";
        assert_eq!(printed(line, &[]).len(), 1);
        // A definition is printed where it is included.
        let inside = "{{ if .Values.a }}\n{{ define \"d\" }}\nx\n{{ end }}\n{{ end }}\n";
        assert_eq!(printed(inside, &[]), ["x"]);
    }
}
