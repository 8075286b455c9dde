//! What comments of a page claim, and of which line.

use super::File;
use crate::findings::Level;

/// What a comment in a page claims.
#[derive(Debug, PartialEq)]
pub(super) enum Claim {
    Finding { level: Level, id: String, part: String },
    Related { part: String },
    NotJudged { reason: String },
}

/// A claim, the file it is in and the line (from 1) it is about.
#[derive(Debug)]
pub(super) struct Assertion {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) claim: Claim,
}

pub(super) fn assertions(files: &[File]) -> Vec<Assertion> {
    let mut all = Vec::new();
    for file in files {
        // A comment alone on its line speaks of the next line that is not one.
        let mut waiting: Vec<Claim> = Vec::new();
        for (index, line) in file.text.lines().enumerate() {
            let number = u32::try_from(index + 1).unwrap();
            let Some((before, claims)) = split_claims(line) else {
                if !line.trim().is_empty() {
                    for claim in waiting.drain(..) {
                        all.push(Assertion { file: file.name.clone(), line: number, claim });
                    }
                }
                continue;
            };
            if before.trim().is_empty() {
                waiting.extend(claims);
            } else {
                for claim in waiting.drain(..).chain(claims) {
                    all.push(Assertion { file: file.name.clone(), line: number, claim });
                }
            }
        }
        let last = u32::try_from(file.text.lines().count()).unwrap();
        all.extend(waiting.into_iter().map(|claim| Assertion {
            file: file.name.clone(),
            line: last,
            claim,
        }));
    }
    all
}

/// The text with assertion comments taken out; lines stay where they are.
pub(super) fn without_claims(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(split_claims(line).map_or(line, |(before, _)| before.trim_end()));
        out.push('\n');
    }
    out
}

fn split_claims(line: &str) -> Option<(&str, Vec<Claim>)> {
    let marks = ["# error: ", "# warning: ", "# note: ", "# see: ", "# not judged: "];
    let at = marks.iter().filter_map(|mark| line.find(mark)).min()?;
    let (before, mut rest) = line.split_at(at);
    let mut claims = Vec::new();
    while let Some(mark) = marks.iter().find(|mark| rest.starts_with(**mark)) {
        let body = &rest[mark.len()..];
        let end = marks.iter().filter_map(|m| body.find(m)).min().unwrap_or(body.len());
        let text = body[..end].trim().to_owned();
        rest = &body[end..];
        let level = match *mark {
            "# error: " => Some(Level::Deny),
            "# warning: " => Some(Level::Warn),
            "# note: " => Some(Level::Note),
            _ => None,
        };
        claims.push(match (level, *mark) {
            (Some(level), _) => {
                let (id, part) = text.split_once(' ').unwrap_or((&text, ""));
                Claim::Finding { level, id: id.to_owned(), part: part.to_owned() }
            }
            (None, "# see: ") => Claim::Related { part: text },
            (None, _) => Claim::NotJudged { reason: text },
        });
    }
    Some((before, claims))
}
