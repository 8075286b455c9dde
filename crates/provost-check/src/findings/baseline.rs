//! Findings that were there before: a run compared with a file of known ones fails only on new ones.
//!
//! The file is JSON, one finding to a line, sorted, so that it merges and shrinks visibly. It holds
//! fingerprints, which survive moved lines and moved files, and beside each the rule, subject
//! and file, for the reader. No message, and of the text of an input no more than those names: a baseline is
//! committed, and what an input holds may not be.
//!
//! Beside the findings it keeps the import paths and the sizes of the programs that were judged, against which
//! `binary-over-size-budget/grown-since-baseline` judges later ones. A file without them says nothing
//! about sizes, and one with them is read by every version that reads version 2.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::fingerprint::object_of;
use super::{Finding, NotJudged};
use crate::artifact::Sources;
use crate::case::binding::program_name;
use crate::facts::binary::Binary;
use crate::facts::settings::FormerProgram;
use crate::facts::{Fact, Origin};

/// Version of the file that is written. It is that of the recipe of its fingerprints.
pub const VERSION: u32 = 2;

/// The version before, which is read all the same: its findings are recognised by
/// [`Finding::former`].
const FORMER: u32 = 1;

/// A known finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// `rule` or `rule/variant`.
    pub rule: String,
    /// `NS/KIND/NAME[/CONTAINER]` or a path.
    pub subject: String,
    /// The file of its primary place, when the entry was written.
    pub path: String,
    /// What it is recognised by, see [`super::fingerprint`].
    pub fingerprint: String,
}

/// The size of a program when the file was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Program {
    /// Its main package, or the file's name where it tells none.
    pub program: String,
    /// The machine it is for, by its `GOARCH` name; empty where the file does not tell.
    #[serde(default)]
    pub arch: String,
    /// Bytes of the file.
    pub size: u64,
}

impl Program {
    /// A program as it is now.
    pub fn of(binary: &Binary) -> Self {
        Self {
            program: program_name(binary).to_owned(),
            arch: binary.machine.as_ref().map_or_else(String::new, |it| it.value.clone()),
            size: binary.size,
        }
    }
}

/// Programs of one file that are kept and looked at.
const PROGRAMS: usize = 10_000;

/// A file of known findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// [`VERSION`], or what the file says.
    pub version: u32,
    /// Known findings, sorted.
    pub findings: Vec<Entry>,
    /// Programs, sorted.
    #[serde(default)]
    pub programs: Vec<Program>,
}

/// A run beside a baseline.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// The baseline's path.
    pub path: String,
    /// Findings that it knows.
    pub known: Vec<Finding>,
    /// Entries that no finding met, though their rule was judged.
    pub resolved: Vec<Entry>,
}

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no baseline.
    #[error("is no baseline: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another program, or a later version of this one, wrote it.
    #[error("is a baseline of version {0}, and this provost reads version {VERSION}")]
    Version(u32),
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// It is no JSON, or not of this shape or version.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if ![VERSION, FORMER].contains(&head.version) {
            return Err(Error::Version(head.version));
        }
        let mut known: Self = serde_json::from_slice(bytes)?;
        known.programs.truncate(PROGRAMS);
        Ok(known)
    }

    /// The baseline that knows all of `findings`.
    pub fn of<'f>(findings: impl IntoIterator<Item = &'f Finding>, sources: &Sources) -> Self {
        let mut findings: Vec<Entry> = findings
            .into_iter()
            .map(|finding| Entry {
                rule: finding.id(),
                subject: finding.subject.clone(),
                path: sources.get(finding.primary().source()).path.clone(),
                fingerprint: finding.fingerprint.clone(),
            })
            .collect();
        findings.sort();
        Self { version: VERSION, findings, programs: Vec::new() }
    }

    /// With the sizes of programs. Of several of one name and machine the largest counts: nothing says
    /// which of them a later one is.
    #[must_use]
    pub fn with_programs<'b>(mut self, binaries: impl IntoIterator<Item = &'b Binary>) -> Self {
        let mut programs: Vec<Program> = binaries.into_iter().map(Program::of).collect();
        programs.sort();
        programs.reverse();
        programs.dedup_by(|a, b| a.program == b.program && a.arch == b.arch);
        programs.reverse();
        programs.truncate(PROGRAMS);
        self.programs = programs;
        self
    }

    /// Its programs as facts, of which `origin` is the file.
    pub fn former(&self, origin: &Origin) -> Vec<FormerProgram> {
        let former = |known: &Program| FormerProgram {
            program: known.program.clone(),
            arch: known.arch.clone(),
            size: Fact::written(known.size, origin.clone()),
        };
        self.programs.iter().map(former).collect()
    }

    /// The file's text: one entry to a line.
    pub fn render(&self) -> String {
        let mut text = format!("{{\n  \"version\": {VERSION},\n  \"findings\": [");
        for (at, entry) in self.findings.iter().enumerate() {
            let line = serde_json::to_string(entry).expect("four strings always serialize");
            let _ = write!(text, "{}\n    {line}", if at == 0 { "" } else { "," });
        }
        text.push_str(if self.findings.is_empty() { "]" } else { "\n  ]" });
        for (at, program) in self.programs.iter().enumerate() {
            let line = serde_json::to_string(program).expect("two strings and a number serialize");
            let start = if at == 0 { ",\n  \"programs\": [" } else { "," };
            let _ = write!(text, "{start}\n    {line}");
        }
        text.push_str(if self.programs.is_empty() { "\n}\n" } else { "\n  ]\n}\n" });
        text
    }

    /// What a finding is called in this file.
    fn name_of<'f>(&self, finding: &'f Finding) -> &'f str {
        if self.version == FORMER { &finding.former } else { &finding.fingerprint }
    }

    /// The findings that it does not know.
    pub fn new_of<'f>(&self, findings: &'f [Finding]) -> Vec<&'f Finding> {
        let names: HashSet<&str> = self.findings.iter().map(|e| e.fingerprint.as_str()).collect();
        findings.iter().filter(|finding| !names.contains(self.name_of(finding))).collect()
    }

    /// Takes the findings it knows out of `findings`. An entry is resolved when nothing met it and
    /// `judged` says that its rule ran on its subject.
    pub fn compare(
        &self,
        path: &str,
        findings: &mut Vec<Finding>,
        judged: impl Fn(&Entry) -> bool,
    ) -> Compared {
        // A fingerprint is unique in one run, but a file may be merged by hand.
        let mut open: BTreeMap<&str, &Entry> =
            self.findings.iter().map(|entry| (entry.fingerprint.as_str(), entry)).collect();
        let (known, new): (Vec<Finding>, Vec<Finding>) = std::mem::take(findings)
            .into_iter()
            .partition(|finding| open.remove(self.name_of(finding)).is_some());
        *findings = new;
        let mut resolved: Vec<Entry> =
            open.into_values().filter(|entry| judged(entry)).cloned().collect();
        resolved.sort();
        Compared { path: path.to_owned(), known, resolved }
    }
}

/// What of the input a run has looked at.
#[derive(Debug, Default)]
pub struct Seen<'r> {
    /// Paths of its inputs.
    pub paths: HashSet<&'r str>,
    /// `NS/KIND/NAME` of its objects.
    pub objects: HashSet<String>,
}

/// Whether a rule's silence about a subject means that the finding is gone: the file it was in, or
/// the object wherever it lies now, is in the run, and the rule was judged. `not_judged` is sorted,
/// as the engine gives it.
pub fn was_judged(entry: &Entry, seen: &Seen<'_>, not_judged: &[NotJudged]) -> bool {
    let object = object_of(&entry.subject).is_some_and(|object| seen.objects.contains(object));
    if !object && !seen.paths.contains(entry.path.as_str()) {
        return false;
    }
    let rule = entry.rule.split_once('/').map_or(entry.rule.as_str(), |(rule, _)| rule);
    let wanted = (rule, entry.subject.as_str());
    not_judged.binary_search_by(|n| (n.rule, &*n.subject).cmp(&wanted)).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, size: u64) -> Program {
        Program { program: name.to_owned(), arch: "amd64".to_owned(), size }
    }

    #[test]
    fn a_file_with_programs_is_read_as_it_was_written() {
        let entry = Entry {
            rule: "a".to_owned(),
            subject: "b".to_owned(),
            path: "c".to_owned(),
            fingerprint: "d".to_owned(),
        };
        for findings in [Vec::new(), vec![entry]] {
            for programs in [Vec::new(), vec![program("x", 1), program("y", 2)]] {
                let known = Baseline { version: VERSION, findings: findings.clone(), programs };
                let text = known.render();
                assert_eq!(Baseline::read(text.as_bytes()).unwrap(), known, "{text}");
                assert_eq!(text.contains("programs"), !known.programs.is_empty());
            }
        }
    }

    #[test]
    fn files_from_before_sizes_were_kept_are_read() {
        for version in [1, 2] {
            let text = format!("{{\"version\": {version}, \"findings\": []}}");
            assert!(Baseline::read(text.as_bytes()).unwrap().programs.is_empty());
        }
    }

    #[test]
    fn of_two_programs_of_one_name_the_larger_counts() {
        let mut sources = Sources::default();
        let page = |size: u64, machine: &str| {
            format!("go = \"go1.27.3\"\nsize = {size}\nmachine = \"{machine}\"\n")
        };
        let all = [page(5, "amd64"), page(7, "amd64"), page(3, "arm64")];
        let binaries: Vec<Binary> =
            all.iter().map(|page| crate::artifact::binary_toml::load(&mut sources, page)).collect();
        let kept = Baseline::default().with_programs(&binaries).programs;
        let sizes: Vec<(&str, u64)> = kept.iter().map(|p| (p.arch.as_str(), p.size)).collect();
        assert_eq!(sizes, [("amd64", 7), ("arm64", 3)]);
    }
}
