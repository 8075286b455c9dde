//! The bytes of an image's files, for whoever runs it: layer after layer, each as it is streamed.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Result as IoResult, copy, sink};

use super::archive::Archive;
use super::config::{self, Configuration};
use super::layers::{Digesting, decoded};
use super::store::Store;
use super::{Broken, Limits, Place, layout};
use crate::facts::SourceId;
use crate::facts::image::Image;
use crate::facts::image_files::FileKind;
use crate::model::hidden::Hidden;

/// Takes the paths of a file and its bytes.
type Each<'e> = dyn FnMut(&[&str], &mut dyn Read) -> IoResult<()> + 'e;

/// Hands over every regular file that is left when all layers are put on each other, with all the paths
/// that it has by hard links, in the order of their names. One that a layer holds twice comes twice, and
/// the last is it.
///
/// # Errors
/// The image cannot be read, is another one than before, or `each` failed: then with its words.
pub fn contents(
    place: Place<'_>,
    platform: Option<&str>,
    image: &Image,
    limits: &Limits,
    each: &mut Each<'_>,
) -> Result<(), String> {
    let read = place.open(limits).and_then(|store| {
        let (of, form) = (image.source, place.form());
        let chosen = layout::choose(&store, of, form, platform, limits, &mut Vec::new())?;
        let mut wanted: BTreeMap<u32, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
        for (path, file) in image.files.iter().filter(|(_, file)| file.kind == FileKind::File) {
            let (layer, inside) = &file.content;
            wanted.entry(*layer).or_default().entry(inside).or_default().push(path);
        }
        for (index, blob) in chosen.layers.iter().enumerate() {
            let Some(files) = u32::try_from(index).ok().and_then(|it| wanted.get(&it)) else {
                continue;
            };
            let what = format!("layer {}", index + 1);
            layer(&store, blob, limits, files, each).map_err(|broken| broken.of(&what))?;
        }
        Ok(())
    });
    read.map_err(|broken| told(place, broken))
}

/// Why, without what was told in secret to whoever sent the image.
fn told(place: Place<'_>, broken: Broken) -> String {
    let (mut hidden, mut why) = (Hidden::default(), broken.message);
    place.secrets().iter().for_each(|secret| hidden.add(secret));
    hidden.hide(&mut why);
    why
}

/// The files of one layer. Its bytes are those that its digest names, or they are no layer of the image.
fn layer(
    store: &Store,
    blob: &layout::Blob,
    limits: &Limits,
    files: &BTreeMap<&str, Vec<&str>>,
    each: &mut Each<'_>,
) -> Result<(), Broken> {
    let (reader, size) = store.layer(blob, limits)?;
    let mut digesting = Digesting::new(reader);
    let bounded = decoded(BufReader::with_capacity(1 << 17, &mut digesting), size, limits)?;
    let mut archive = Archive::new(BufReader::with_capacity(1 << 16, bounded));
    while let Some(entry) = archive.next()? {
        if let Some(paths) = files.get(entry.path.as_str())
            && (entry.kind.is_file() || entry.kind.is_contiguous())
        {
            archive.stream(|bytes| each(paths, bytes))?;
        }
    }
    let mut rest = archive.into_inner();
    copy(&mut rest, &mut sink())?;
    drop(rest);
    copy(&mut digesting, &mut sink())?;
    let said = blob.digest.as_deref().filter(|said| said.starts_with("sha256:"));
    match said.is_none_or(|said| said == digesting.digest()) {
        true => Ok(()),
        false => Err(Broken::malformed("is not what its digest says")),
    }
}

/// How the image says that it is run. Nothing of it is masked: no report may show it.
///
/// # Errors
/// The image cannot be read.
pub fn configuration(
    place: Place<'_>,
    platform: Option<&str>,
    of: SourceId,
    limits: &Limits,
) -> Result<Configuration, String> {
    let read = place.open(limits).and_then(|store| {
        let form = place.form();
        let chosen = layout::choose(&store, of, form, platform, limits, &mut Vec::new())?;
        config::as_written(&chosen.config)
    });
    read.map_err(|broken| told(place, broken))
}
