//! Names a finding so that it is recognised in the next run.
//!
//! Hashed, each followed by a NUL, with SHA-256 of which the first 16 bytes are kept as hex:
//!
//! 1. `provost/1`, the version of this list;
//! 2. rule id and variant name (empty without one);
//! 3. the subject; of a subject that is the primary input's path, the file name;
//! 4. the file name of the primary place;
//! 5. the first line of the text at the primary place, white space collapsed, at most 200
//!    characters; of a place in a binary its section;
//! 6. the ordinal among findings of the run that agree in 1 to 5.
//!
//! Line numbers, offsets, addresses, directories, messages and the order of threads take no part:
//! a finding keeps its name when lines move, when the checkout lies elsewhere and when a later
//! version words the message better. It changes its name when the value it objects to changes.

use std::collections::HashMap;
use std::fmt::Write as _;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::Finding;
use crate::artifact::Sources;
use crate::facts::origin::Place;

/// Characters of the primary place that take part.
const TEXT: usize = 200;

/// Names each finding. They have to be sorted, for the ordinals.
pub fn assign(findings: &mut [Finding], sources: &Sources) {
    assign_each(findings.iter_mut(), sources);
}

/// Names each finding of a sorted sequence.
pub fn assign_each<'f>(findings: impl Iterator<Item = &'f mut Finding>, sources: &Sources) {
    let mut findings: Vec<&mut Finding> = findings.collect();
    let parts: Vec<String> = findings.par_iter().map(|finding| parts(finding, sources)).collect();
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(parts.len());
    let ordinals: Vec<usize> = parts
        .iter()
        .map(|parts| {
            let next = seen.entry(parts).or_default();
            *next += 1;
            *next - 1
        })
        .collect();
    findings.par_iter_mut().zip(&parts).zip(ordinals).for_each(|((finding, parts), ordinal)| {
        let mut hash = Sha256::new();
        hash.update(parts.as_bytes());
        hash.update(ordinal.to_string().as_bytes());
        let mut hex = String::with_capacity(32);
        for byte in hash.finalize().iter().take(16) {
            let _ = write!(hex, "{byte:02x}");
        }
        finding.fingerprint = hex;
    });
}

fn parts(finding: &Finding, sources: &Sources) -> String {
    let origin = finding.primary();
    let source = sources.get(origin.source());
    let file = source.path.rsplit('/').next().unwrap_or_default();
    let subject = if finding.subject == source.path { file } else { &finding.subject };
    let place = match origin.place() {
        Place::Text(span) => source
            .shown()
            .and_then(|text| text.get(span.range()))
            .and_then(|text| text.lines().next())
            .map(|line| {
                let head: String = line.chars().take(TEXT).collect();
                head.split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .unwrap_or_default(),
        Place::Binary(place) => place.section.as_deref().unwrap_or_default().to_owned(),
        Place::Image(place) => place.path.to_string(),
        Place::Process(moment) => moment.phase.name().to_owned(),
        Place::Whole => String::new(),
    };
    let variant = finding.variant.map_or("", |variant| variant.name);
    let mut parts = String::new();
    for part in ["provost/1", finding.rule.id, variant, subject, file, &place] {
        parts.push_str(part);
        parts.push('\0');
    }
    parts
}
