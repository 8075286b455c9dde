//! Worlds for tests.

use super::World;
use crate::artifact::Sources;
use crate::artifact::manifest::{ManifestFile, Options, load_manifests};
use crate::facts::settings::Settings;

/// Manifests that are read without a problem, and nothing else.
pub(crate) fn world(text: impl Into<String>) -> World {
    let mut sources = Sources::default();
    let files = [ManifestFile::text("all.yaml", text.into())];
    let loaded = load_manifests(&files, &mut sources, &Options::default());
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    World {
        objects: loaded.objects,
        ..World::new(sources, Settings::at(jiff::civil::date(2026, 11, 23)))
    }
}
