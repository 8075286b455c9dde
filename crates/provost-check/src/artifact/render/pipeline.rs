//! Which values a pipeline names, and whether it prints one of them as it is.

use super::line::Path;
use super::template::PARTS;

/// Functions that give back what they are given, so that what is printed can be changed there.
pub(super) const AS_IS: [&str; 15] = [
    "coalesce", "default", "dict", "false", "indent", "index", "int", "int64", "nindent", "quote",
    "required", "squote", "toString", "toYaml", "true",
];

/// Parentheses inside each other in one action.
pub(super) const NESTED: usize = 32;

/// An action that prints something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hole {
    /// The values it names.
    pub(super) paths: Vec<Path>,
    /// It names one, and prints it as it is.
    pub(super) as_is: bool,
}

/// What a pipeline stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) path: Path,
    /// Nothing was done to it on the way.
    pub(super) as_is: bool,
}

impl Meaning {
    /// What the template is given.
    pub(super) fn argument() -> Self {
        Self { path: Path::new(), as_is: true }
    }
}

pub(super) fn fields_of(text: &str) -> impl Iterator<Item = Option<String>> {
    text.split('.').filter(|field| !field.is_empty()).map(|field| Some(field.to_owned()))
}

/// An element of what `range` goes through.
pub(super) fn element(found: Option<Meaning>) -> Option<Meaning> {
    let mut found = found?;
    found.path.push(None);
    (found.path.len() <= PARTS).then_some(found)
}

/// Where in `index .Values "a" "b"` a scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Index {
    #[default]
    Out,
    /// What is indexed comes next.
    Value,
    /// Keys come next.
    Keys,
}

/// What was found in a pipeline so far.
#[derive(Debug)]
pub(super) struct Scan {
    paths: Vec<Path>,
    pub(super) as_is: bool,
    pub(super) index: Index,
    /// Paths before each open parenthesis, and whether something in it makes another thing of them.
    groups: Vec<(usize, bool)>,
    /// Of the group that was closed last.
    closed: (usize, bool),
    /// Parentheses beyond [`NESTED`], or an index that depends on something: nothing is known.
    lost: bool,
}

impl Default for Scan {
    fn default() -> Self {
        let groups = vec![(0, false)];
        let index = Index::default();
        Self { paths: Vec::new(), as_is: true, index, groups, closed: (0, true), lost: false }
    }
}

impl Scan {
    pub(super) fn string(&mut self, inner: &str, quote: u8) {
        match self.index {
            Index::Out => {}
            Index::Keys if quote != b'\'' && !inner.contains('\\') => {
                match self.paths.last_mut().filter(|path| path.len() < PARTS) {
                    Some(path) => path.push(Some(inner.to_owned())),
                    None => self.lost = true,
                }
            }
            Index::Keys | Index::Value => self.lost = true,
        }
    }

    pub(super) fn reference(&mut self, found: Option<Meaning>, is_bare: bool) {
        // A key that depends on something.
        self.lost |= self.index == Index::Keys;
        if self.index == Index::Value {
            self.lost |= found.is_none();
            self.index = Index::Keys;
        }
        match found {
            Some(found) => {
                // `tpl .Values.a .`: what a template is given is no value of its own.
                if !(is_bare && found.path.is_empty()) {
                    self.as_is &= found.as_is;
                    self.paths.push(found.path);
                }
            }
            None => self.as_is = false,
        }
    }

    pub(super) fn word(&mut self, word: &str) {
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        match self.index {
            // A number: an item.
            Index::Value | Index::Keys => self.lost = true,
            Index::Out if word == "index" => self.index = Index::Value,
            Index::Out => {}
        }
        if !is_number && !AS_IS.contains(&word) {
            self.as_is = false;
            if let Some((_, foreign)) = self.groups.last_mut() {
                *foreign = true;
            }
        }
    }

    pub(super) fn open(&mut self) {
        self.lost |= self.index != Index::Out || self.groups.len() > NESTED;
        if !self.lost {
            self.groups.push((self.paths.len(), false));
        }
    }

    pub(super) fn close(&mut self) {
        self.index = Index::Out;
        if self.groups.len() > 1
            && let Some(group) = self.groups.pop()
        {
            self.closed = group;
            if let Some((_, foreign)) = self.groups.last_mut() {
                *foreign |= group.1;
            }
        }
    }

    /// `.a.b` behind a closed parenthesis.
    pub(super) fn fields(&mut self, text: &str) {
        let (from, foreign) = self.closed;
        match self.paths.get_mut(from..) {
            Some([path]) if !foreign && path.len() < PARTS => {
                path.extend(fields_of(text).take(PARTS - path.len()));
            }
            _ => {
                self.paths.truncate(from);
                self.as_is = false;
            }
        }
    }

    pub(super) fn found(self) -> Hole {
        if self.lost {
            return Hole::default();
        }
        let mut paths = self.paths;
        paths.retain(|path| !path.is_empty());
        let as_is = self.as_is && paths.len() == 1;
        Hole { paths, as_is }
    }
}
