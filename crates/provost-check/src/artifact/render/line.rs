//! What a line of a template is made of.

use std::ops::Range;

use super::pipeline::Hole;

/// A path below what a template is given; `None` stands for an element of a list or a mapping.
pub(super) type Path = Vec<Option<String>>;

/// What a part of a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that is printed as it is.
    Text(Range<usize>),
    /// An action that prints something.
    Hole(Hole),
}

/// What a helper is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// A value.
    Path(Path),
    /// `dict "key" .value`
    Dict(Vec<(String, Operand)>),
    /// Something else.
    Unknown,
}

/// A line of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Its bytes without the space around them.
    pub(super) content: Range<usize>,
    /// What it prints, without the space around it.
    pub(super) pieces: Vec<Piece>,
    /// The last piece may print more lines than this one.
    pub(super) block: bool,
    /// Bytes of the only action that prints something, when there is one.
    pub(super) hole: Option<Range<usize>>,
    /// The helper whose text it prints and what that is given, when there is one.
    pub(super) include: Option<(String, Operand)>,
    /// It is part of a definition, and prints where that is included.
    pub(super) defined: bool,
    /// The first line of the outermost `range` that it is in.
    pub(super) looped: Option<usize>,
    /// The condition on which it is printed, when it is one for all of it.
    pub(super) branch: Option<usize>,
    /// Letters and digits that are printed as they are: how much a match says.
    pub(super) weight: usize,
}

impl Line {
    /// Whether the line prints `rendered`, which has no space around it.
    pub(super) fn prints(&self, text: &str, rendered: &str) -> bool {
        let mut rest = rendered;
        let mut open = false;
        for (at, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Hole(_) => open = true,
                Piece::Text(range) => {
                    let mut fixed = text.get(range.clone()).unwrap_or_default();
                    if at == 0 {
                        fixed = fixed.trim_start();
                    }
                    if at + 1 == self.pieces.len() {
                        fixed = fixed.trim_end();
                        if open {
                            return rest.ends_with(fixed);
                        }
                        return rest == fixed;
                    }
                    // A value may be empty, and then the space before it is gone at the end.
                    match rest.find(fixed) {
                        Some(found) if open || found == 0 => rest = &rest[found + fixed.len()..],
                        None if rest == fixed.trim_end() => rest = "",
                        _ => return false,
                    }
                    open = false;
                }
            }
        }
        open || rest.is_empty()
    }

    /// The key whose value it prints in further lines, when it is a key and such an action.
    pub(super) fn key_of_block<'t>(&self, text: &'t str) -> Option<&'t str> {
        let [Piece::Text(range), Piece::Hole(_)] = self.pieces.as_slice() else { return None };
        let key = text.get(range.clone())?.trim();
        (self.block && key.ends_with(':')).then_some(key)
    }

    /// Its holes.
    pub(super) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Text(_) => None,
        })
    }

    /// The values its holes name.
    pub(super) fn values(&self) -> impl Iterator<Item = &Path> {
        self.holes().flat_map(|hole| hole.paths.as_slice())
    }

    /// The one value it prints, when it prints one as it is and names no other.
    pub(super) fn only_value(&self) -> Option<&Path> {
        let mut holes = self.holes();
        match (holes.next()?, holes.next()) {
            (Hole { paths, as_is: true }, None) => match paths.as_slice() {
                [path] => Some(path),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Letters and digits that pieces print as they are.
pub(super) fn weight(text: &str, pieces: &[Piece]) -> usize {
    let fixed = pieces.iter().filter_map(|piece| match piece {
        Piece::Text(range) => text.get(range.clone()),
        Piece::Hole(_) => None,
    });
    fixed.flat_map(str::chars).filter(|c| c.is_alphanumeric()).count()
}
