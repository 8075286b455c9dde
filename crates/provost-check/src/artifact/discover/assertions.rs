//! Which files are what a test expects rather than what is deployed: the assertions of chainsaw
//! and kuttl. They hold the fields that are compared and no others.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::kustomize::join;
use crate::artifact::mmap;
use crate::artifact::yaml::{self, Limits};
use crate::facts::document::{Node, NodeId};
use crate::facts::origin::SourceId;

/// What all tests of a tree say.
#[derive(Debug, Default)]
pub(super) struct Assertions {
    /// Folders with a test or a suite.
    tests: BTreeSet<PathBuf>,
    /// Files that a test compares with.
    compared: BTreeSet<PathBuf>,
}

/// Folders between a file of a test and the file that makes it one.
const DEPTH: usize = 4;

impl Assertions {
    /// Looks for tests among the files, and reads those of chainsaw.
    pub(super) fn read(files: &[PathBuf]) -> Self {
        let mut all = Self::default();
        for file in files {
            let Some(name) = file.file_name().and_then(OsStr::to_str) else { continue };
            let dir = file.parent().unwrap_or(Path::new(""));
            match name {
                "chainsaw-test.yaml" | "chainsaw-test.yml" => {
                    all.tests.insert(dir.to_owned());
                    all.chainsaw(file, dir);
                }
                "kuttl-test.yaml" | "kuttl-test.yml" => {
                    all.tests.insert(dir.to_owned());
                }
                _ => {}
            }
        }
        all
    }

    fn chainsaw(&mut self, file: &Path, dir: &Path) {
        let limits = Limits { file_bytes: 1 << 20, ..Limits::default() };
        let Ok(bytes) = mmap::read_text(file, limits.file_bytes, false) else { return };
        let cleaned = yaml::clean(&bytes);
        let parsed = yaml::parse(SourceId(u32::MAX), &cleaned.text, &cleaned.replaced, &limits);
        for document in &parsed.documents {
            let ids = (0..document.nodes.len()).map(|i| NodeId(u32::try_from(i).unwrap_or(0)));
            for node in ids.map(|id| document.node(id)).filter(|node| node.is_mapping()) {
                for operation in ["assert", "error"].iter().filter_map(|key| node.get(key)) {
                    let path = operation.get("file").and_then(Node::as_str);
                    self.compared.extend(path.and_then(|path| join(dir, path)));
                }
            }
        }
    }

    /// Whether a file is an assertion: a test compares with it, it lies in a test and is called
    /// one, or it is called what kuttl calls them (kuttl `pkg/test/case.go`: `NN-assert.yaml`,
    /// `NN-errors.yaml`).
    pub(super) fn holds(&self, path: &Path) -> bool {
        if self.compared.contains(path) {
            return true;
        }
        let Some(stem) = path.file_stem().and_then(OsStr::to_str) else { return false };
        if is_kuttl_step(stem) {
            return true;
        }
        let called = stem
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| matches!(word, "assert" | "asserts" | "error" | "errors"));
        called && path.ancestors().skip(1).take(DEPTH).any(|dir| self.tests.contains(dir))
    }
}

fn is_kuttl_step(stem: &str) -> bool {
    let digits = stem.bytes().take_while(u8::is_ascii_digit).count();
    let rest = stem.get(digits..).unwrap_or_default();
    let word = rest.strip_prefix('-').map(|rest| rest.split('-').next().unwrap_or_default());
    digits > 0 && matches!(word, Some("assert" | "errors"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assertions_of_kuttl_are_known_by_name() {
        let none = Assertions::default();
        for name in ["00-assert.yaml", "t/12-errors.yaml", "1-assert-ready.yml"] {
            assert!(none.holds(Path::new(name)), "{name}");
        }
        for name in ["assert.yaml", "00-install.yaml", "00-asserted.yaml", "x-assert.yaml"] {
            assert!(!none.holds(Path::new(name)), "{name}");
        }
    }
}
