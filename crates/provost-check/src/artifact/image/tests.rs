//! Limits of images, lowered so that small inputs reach them.

use super::{Limits, Loaded, load_bytes};
use crate::facts::SourceId;
use crate::facts::problem::ProblemKind;

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, path, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// What `docker save` writes, with these layers.
fn saved(layers: &[Vec<u8>]) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|index| format!("{index}/layer.tar")).collect();
    let listed = serde_json::to_string(&names).unwrap();
    let manifest = format!("[{{\"Config\": \"c.json\", \"Layers\": {listed}}}]");
    let config =
        br#"{"os": "linux", "architecture": "amd64", "config": {"Entrypoint": ["/nope"]}}"#;
    let mut files: Vec<(&str, &[u8])> =
        names.iter().map(String::as_str).zip(layers.iter().map(Vec::as_slice)).collect();
    files.push(("c.json", config));
    files.push(("manifest.json", manifest.as_bytes()));
    archive(&files)
}

fn files(count: usize, folder: &str) -> Vec<u8> {
    let names: Vec<String> = (0..count).map(|index| format!("{folder}/{index}")).collect();
    let all: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    archive(&all)
}

fn load(layers: &[Vec<u8>], entries: usize) -> Loaded {
    let limits = Limits { entries, ..Limits::default() };
    load_bytes(SourceId(0), &saved(layers), &limits)
}

fn said(loaded: &Loaded) -> Vec<(ProblemKind, &str)> {
    loaded.problems.iter().map(|problem| (problem.kind, problem.message.as_str())).collect()
}

/// A million of them take a limit of a million; what is behind it is unknown, and no fault of the bytes.
#[test]
fn a_layer_of_too_many_entries_is_cut_at_the_limit() {
    let loaded = load(&[files(5, "a")], 3);
    assert_eq!(said(&loaded), [(ProblemKind::Limit, "layer 1: has more than 3 entries")]);
    let image = loaded.image.as_ref().unwrap();
    assert!(!image.complete && image.limited && !loaded.unusable);
    assert!(image.files.exists("/a/2") && !image.files.exists("/a/3"));
    let whole = load(&[files(5, "a")], 6);
    assert!(said(&whole).is_empty() && whole.image.unwrap().complete);
}

#[test]
fn layers_together_have_the_same_limit() {
    let loaded = load(&[files(3, "a"), files(3, "b")], 4);
    let said = said(&loaded);
    assert!(matches!(said.as_slice(), [(ProblemKind::Limit, _)]), "{said:?}");
    let image = loaded.image.as_ref().unwrap();
    assert!(!image.complete && image.limited && !loaded.unusable);
}

#[test]
fn bytes_that_are_no_layer_are_no_limit() {
    let loaded = load(&[b"hello".to_vec()], 4);
    assert!(loaded.unusable, "{:?}", said(&loaded));
    let image = loaded.image.unwrap();
    assert!(!image.complete && !image.limited);
}
