use std::sync::Arc;

use super::*;
use crate::artifact::source::{Source, SourceKind};

#[test]
fn what_a_loader_masked_is_known_plain_and_decoded() {
    let text = "data:\n  password: aHVudGVyMmh1bnRlcjI=\n  a: b\n";
    let shown = "data:\n  password: ********************\n  a: *\n";
    assert_eq!(secrets(text, shown), ["aHVudGVyMmh1bnRlcjI=", "hunter2hunter2"]);
    // Two bytes could be anything.
    assert_eq!(secrets("a: ab", "a: **"), [""; 0]);
    assert_eq!(secrets("a", "ab"), [""; 0]);
}

#[test]
fn every_occurrence_of_a_secret_is_masked() {
    let text = "a: hunter2\nb: \"x hunter2\"\n";
    let mut source = Source::text("values.yaml", SourceKind::Values, Arc::from(text));
    source.mask_texts(&["hunter2".to_owned()]);
    assert_eq!(source.shown(), Some("a: *******\nb: \"x *******\"\n"));
}
