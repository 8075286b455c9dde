//! Libraries of an image that a dynamic program needs, and those that they need in turn.
//!
//! Their layers are read once more, for these files alone: most programs are static, and which
//! libraries count is only known when the program has been read.

use std::collections::{BTreeMap, BTreeSet};

use goformats::binary;

use super::archive::Entry;
use super::store::Store;
use super::{Broken, Form, Limits, layers, layout};
use crate::facts::image::{Image, Library};
use crate::facts::image_files::FileKind;
use crate::model::names::base_name;

/// Bytes of one library, and how many are looked at.
const LARGEST: u64 = 64 << 20;
const MOST: usize = 64;

/// Times that layers are read again: libraries of libraries of libraries.
const MOST_ROUNDS: usize = 4;

/// Reads the libraries called `needed`, wherever in the image they lie, and what they need.
///
/// # Errors
/// The image cannot be read a second time.
pub(super) fn read(
    store: &Store,
    form: Option<Form>,
    platform: Option<&str>,
    image: &Image,
    needed: &[String],
    limits: &Limits,
) -> Result<BTreeMap<String, Library>, Broken> {
    let chosen = layout::choose(store, image.source, form, platform, limits, &mut Vec::new())?;
    // What is not in it at the end was not read: it is too large, or one too many.
    let mut found = BTreeMap::new();
    let mut asked: BTreeSet<String> = BTreeSet::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut names: BTreeSet<String> =
        needed.iter().map(|needed| base_name(needed).to_owned()).collect();
    for _ in 0..MOST_ROUNDS {
        // Where the bytes of each stand: layer, path in its archive, paths in the image.
        let mut wanted: BTreeMap<u32, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for (at, _) in image.files.iter().filter(|(at, _)| names.contains(base_name(at))) {
            let Some((at, file)) = image.files.lookup(at) else { continue };
            if file.kind == FileKind::File && asked.len() < MOST && asked.insert(at.clone()) {
                let (layer, inside) = &file.content;
                let files = wanted.entry(*layer).or_default();
                files.entry(inside.to_string()).or_default().push(at);
            }
        }
        seen.append(&mut names);
        for (layer, files) in wanted {
            let Some(blob) = chosen.layers.get(layer as usize) else { continue };
            let what = format!("layer {}", layer.saturating_add(1));
            let (reader, size) = store.layer(blob, limits).map_err(|broken| broken.of(&what))?;
            let only = |entry: &Entry| if files.contains_key(&entry.path) { LARGEST } else { 0 };
            let content = layers::read(reader, size, limits, &only);
            if let Some(broken) = content.broken {
                return Err(broken.of(&what));
            }
            // A registry could send another layer than the first time.
            if blob.digest.as_ref().is_some_and(|said| *said != content.blob) {
                return Err(Broken::malformed(&format!("{what} is not what its digest says")));
            }
            for (inside, bytes) in content.bytes {
                let library = library(&bytes);
                let needed = library.needed.iter().map(|needed| base_name(needed));
                names.extend(needed.filter(|name| !seen.contains(*name)).map(str::to_owned));
                for at in files.get(&inside).into_iter().flatten() {
                    found.insert(at.clone(), library.clone());
                }
            }
        }
        if names.is_empty() {
            break;
        }
    }
    Ok(found)
}

fn library(bytes: &[u8]) -> Library {
    let file = binary::read(bytes, &goformats::limits::Limits::default());
    let dynamic = file.elf.as_ref().and_then(|elf| elf.dynamic.as_ref());
    dynamic.map_or_else(Library::default, |dynamic| Library {
        needed: dynamic.needed.iter().map(|needed| needed.name.clone().into_owned()).collect(),
        runpath: dynamic
            .runpath
            .as_ref()
            .or(dynamic.rpath.as_ref())
            .map(|p| p.clone().into_owned()),
    })
}
