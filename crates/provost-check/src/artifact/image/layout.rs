//! Which manifest of a layout or an archive is the image, and where its blobs lie.

use std::collections::BTreeSet;
use std::io::Read as _;

use serde::Deserialize;
use serde_json::error::Category;

use super::store::Store;
use super::{Broken, Form, LeftOut, Limits, Remote, layers};
use crate::facts::image::Mismatch;
use crate::facts::{Origin, SourceId};
use crate::model::platforms;

/// The image that was chosen.
pub(super) struct Chosen {
    pub(super) config: Vec<u8>,
    pub(super) layers: Vec<Blob>,
    pub(super) names: Vec<String>,
    pub(super) left_out: Vec<LeftOut>,
}

/// A layer's blob.
pub(super) struct Blob {
    pub(super) path: String,
    /// `None` in an archive that names files rather than digests.
    pub(super) digest: Option<String>,
    /// Bytes as its descriptor says, 0 where nothing does.
    pub(super) size: u64,
    /// What its descriptor calls it is no layer of files.
    pub(super) is_other: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Descriptor {
    #[serde(default, rename = "mediaType")]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

/// Names of processors that Go does not have, and that indices are found with.
const OTHER_PROCESSORS: [&str; 2] = ["i386", "x86_64"];

/// Stands for platforms whose names are not repeated.
const OTHER_PLATFORM: &str = "a platform of another name";

impl Platform {
    /// As it may be shown: whoever wrote the index may have put anything there.
    fn shown(&self) -> String {
        let variant = self.variant.as_deref().unwrap_or_default();
        let is_version = variant.strip_prefix('v').is_some_and(|version| {
            version.len() <= 3 && version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        });
        let processor = self.architecture.as_str();
        let known = platforms::SYSTEMS.contains(&self.os.as_str())
            && (platforms::PROCESSORS.contains(&processor)
                || OTHER_PROCESSORS.contains(&processor))
            && (variant.is_empty() || is_version);
        if known { self.text() } else { OTHER_PLATFORM.to_owned() }
    }

    fn text(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}/{}/{variant}", self.os, self.architecture),
            None => format!("{}/{}", self.os, self.architecture),
        }
    }
}

/// A platform that a configuration names, as it may be shown.
pub(super) fn shown_platform(text: &str) -> String {
    let mut parts = text.splitn(3, '/').map(str::to_owned);
    let os = parts.next().unwrap_or_default();
    let architecture = parts.next().unwrap_or_default();
    Platform { os, architecture, variant: parts.next() }.shown()
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// Indexes inside each other that are followed, and manifests that are looked at.
const MOST_NESTED: usize = 4;
const MOST_MANIFESTS: usize = 1000;

const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

struct Reader<'a> {
    store: &'a Store,
    source: SourceId,
    limits: &'a Limits,
    mismatches: &'a mut Vec<Mismatch>,
    /// Digest and bytes of what a registry's reference names.
    root: Option<(String, Vec<u8>)>,
}

/// What a descriptor leads to: registries keep the two apart.
#[derive(Clone, Copy)]
enum What {
    Index,
    Manifest,
    Configuration,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Configuration => "configuration",
        }
    }
}

pub(super) fn choose(
    store: &Store,
    source: SourceId,
    form: Option<Form>,
    platform: Option<&str>,
    limits: &Limits,
    mismatches: &mut Vec<Mismatch>,
) -> Result<Chosen, Broken> {
    let (oci, docker) = (store.has("index.json"), store.has("manifest.json"));
    let mut reader = Reader { store, source, limits, mismatches, root: None };
    if let Store::Remote(from) = store {
        return reader.registry(&**from, platform);
    }
    match form {
        Some(Form::Docker) if docker => reader.docker(),
        None | Some(Form::Oci) if oci => reader.oci(platform),
        None if docker => reader.docker(),
        Some(Form::Docker) if oci => Err(Broken::malformed(
            "is no docker-archive, but an OCI layout: name it with --image oci:PATH",
        )),
        Some(Form::Docker) => {
            Err(Broken::malformed("is no docker-archive: it has no manifest.json"))
        }
        Some(Form::Oci) if docker => Err(Broken::malformed(
            "is no OCI layout, but a docker-archive: name it with --image docker-archive:PATH",
        )),
        _ => Err(Broken::malformed("is no image: it has neither index.json nor manifest.json")),
    }
}

impl Reader<'_> {
    fn file(&self, path: &str) -> Result<Vec<u8>, Broken> {
        let (reader, _) = self.store.blob(path).map_err(|broken| broken.of(path))?;
        self.whole(reader, path)
    }

    fn whole(&self, reader: impl std::io::Read, path: &str) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        reader.take(self.limits.document + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > self.limits.document {
            let most = self.limits.document;
            return Err(Broken::limit(&format!("{path} is larger than {most} bytes")));
        }
        Ok(bytes)
    }

    /// A document that a digest names, held against it.
    fn document(&mut self, of: &Descriptor, what: What) -> Result<Vec<u8>, Broken> {
        let path = blob_path(&of.digest)?;
        let bytes = match (self.store, &self.root) {
            (Store::Remote(_), Some((digest, bytes))) if *digest == of.digest => bytes.clone(),
            (Store::Remote(from), _) => {
                let reader = match what {
                    What::Configuration if of.size > self.limits.document => {
                        let most = self.limits.document;
                        let name = what.name();
                        let message = format!("the {name} is larger than {most} bytes");
                        return Err(Broken::limit(&message));
                    }
                    What::Configuration => from.blob(&of.digest, of.size)?,
                    What::Index | What::Manifest => from.manifest(&of.digest)?,
                };
                self.whole(reader, &format!("the {}", what.name()))?
            }
            _ => self.file(&path)?,
        };
        let what = what.name();
        let found = layers::digest(&bytes);
        if of.digest.starts_with("sha256:") && found != of.digest {
            self.mismatches.push(Mismatch {
                origin: Origin::image(self.source, None, what),
                what: format!("the {what}"),
                expected: of.digest.clone(),
                found,
                by_size: false,
            });
        } else if of.size != 0 && of.size != bytes.len() as u64 {
            let origin = Origin::image(self.source, None, what);
            self.mismatches.push(other_size(
                origin,
                format!("the {what}"),
                of.size,
                bytes.len() as u64,
            ));
        }
        Ok(bytes)
    }

    fn docker(&mut self) -> Result<Chosen, Broken> {
        let all: Vec<Saved> = json(&self.file("manifest.json")?, "manifest.json")?;
        let count = all.len();
        let mut all = all.into_iter();
        let (Some(saved), None) = (all.next(), all.next()) else {
            return Err(Broken::malformed(&format!("holds {count} images; save one")));
        };
        let config = self.file(&saved.config)?;
        let layers = saved.layers.into_iter().map(|path| {
            let size = self.store.blob(&path).map_or(0, |(_, size)| size);
            let digest = path.strip_prefix("blobs/sha256/").map(|hex| format!("sha256:{hex}"));
            Blob { path, digest, size, is_other: false }
        });
        Ok(Chosen {
            config,
            layers: layers.collect(),
            names: saved.repo_tags.unwrap_or_default(),
            left_out: Vec::new(),
        })
    }

    fn oci(&mut self, platform: Option<&str>) -> Result<Chosen, Broken> {
        let index: Index = json(&self.file("index.json")?, "index.json")?;
        self.index(index, platform)
    }

    /// What a registry's reference names, as if an index led to it.
    fn registry(&mut self, from: &dyn Remote, platform: Option<&str>) -> Result<Chosen, Broken> {
        let root = from.root()?;
        let digest = root.digest.unwrap_or_else(|| layers::digest(&root.bytes));
        let descriptor = Descriptor {
            media_type: root.media_type,
            digest: digest.clone(),
            size: root.bytes.len() as u64,
            platform: None,
            annotations: [(NAMES[0].to_owned(), from.name().to_owned())].into(),
        };
        self.root = Some((digest, root.bytes));
        self.index(Index { manifests: vec![descriptor] }, platform)
    }

    fn index(&mut self, index: Index, platform: Option<&str>) -> Result<Chosen, Broken> {
        let mut manifests: Vec<(Descriptor, Vec<String>)> = Vec::new();
        let named = |d: Descriptor, above: &[String]| {
            let own = NAMES.iter().filter_map(|key| d.annotations.get(*key).cloned());
            let names = above.iter().cloned().chain(own).collect::<Vec<_>>();
            (d, names)
        };
        let mut open: Vec<(Descriptor, Vec<String>, usize)> = Vec::new();
        for descriptor in index.manifests {
            let (descriptor, names) = named(descriptor, &[]);
            open.push((descriptor, names, 0));
        }
        open.reverse();
        let mut looked_at = 0;
        while let Some((descriptor, names, depth)) = open.pop() {
            looked_at += 1;
            if looked_at > MOST_MANIFESTS || depth > MOST_NESTED {
                return Err(Broken::limit("its index has too many manifests or levels"));
            }
            if descriptor.media_type.contains("index")
                || descriptor.media_type.contains("manifest.list")
            {
                let inner: Index = json(&self.document(&descriptor, What::Index)?, "the index")?;
                for inner in inner.manifests.into_iter().rev() {
                    let (inner, names) = named(inner, &names);
                    open.push((inner, names, depth + 1));
                }
            } else if descriptor.platform.as_ref().is_none_or(|p| p.os != "unknown") {
                // Attestations call their platform unknown.
                manifests.push((descriptor, names));
            }
        }
        let platform_of = |d: &Descriptor| d.platform.as_ref().map(Platform::text);
        let fits = |wanted: &str, d: &Descriptor| {
            platform_of(d).is_none_or(|p| p == wanted || p.starts_with(&format!("{wanted}/")))
        };
        let shown = |d: &Descriptor| d.platform.as_ref().map(Platform::shown);
        let mut known: Vec<String> = Vec::new();
        for name in manifests.iter().filter_map(|(d, _)| shown(d)) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        let position = match platform {
            Some(wanted) => manifests.iter().position(|(d, _)| fits(wanted, d)),
            None => manifests
                .iter()
                .position(|(d, _)| fits("linux/amd64", d))
                .or((!manifests.is_empty()).then_some(0)),
        };
        let Some(position) = position else {
            return Err(Broken::malformed(&match platform {
                Some(wanted) => format!("has no image for {wanted}; it has {}", known.join(", ")),
                None => "its index names no image".to_owned(),
            }));
        };
        let (descriptor, names) = manifests.swap_remove(position);
        let own = platform_of(&descriptor);
        if manifests.iter().any(|(d, _)| platform_of(d) == own && d.digest != descriptor.digest) {
            return Err(Broken::malformed("holds several images for one platform; copy one out"));
        }
        let manifest: Manifest =
            json(&self.document(&descriptor, What::Manifest)?, "the manifest")?;
        if is_other_than_image(&manifest.config.media_type) {
            let is =
                NO_IMAGES.iter().find(|(media_type, _)| *media_type == manifest.config.media_type);
            let is = is.map_or("something else", |(_, is)| *is);
            return Err(Broken::malformed(&format!(
                "is no container image: its configuration is that of {is}"
            )));
        }
        let config = self.document(&manifest.config, What::Configuration)?;
        let mut blobs = Vec::new();
        for layer in manifest.layers {
            let path = blob_path(&layer.digest)?;
            let is_other = is_other_than_layer(&layer.media_type);
            blobs.push(Blob { path, size: layer.size, digest: Some(layer.digest), is_other });
        }
        let there = |d: &Descriptor| match self.store {
            Store::Remote(_) => true,
            store => blob_path(&d.digest).is_ok_and(|path| store.has(&path)),
        };
        let left_out: BTreeSet<LeftOut> = manifests
            .iter()
            .filter_map(|(d, _)| Some(LeftOut { platform: shown(d)?, there: there(d) }))
            .collect();
        let left_out = left_out.into_iter().collect();
        Ok(Chosen { config, layers: blobs, names, left_out })
    }
}

/// What else lies in registries, by the media type of its configuration.
const NO_IMAGES: [(&str, &str); 8] = [
    ("application/vnd.cncf.helm.config.v1+json", "a chart"),
    ("application/vnd.cncf.flux.config.v1+json", "manifests for Flux"),
    ("application/vnd.cncf.notary.signature", "a signature"),
    ("application/vnd.cncf.openpolicyagent.config.v1+json", "a policy"),
    ("application/vnd.docker.plugin.v1+json", "a plugin of docker"),
    ("application/vnd.oci.empty.v1+json", "an artifact of no kind"),
    ("application/vnd.wasm.config.v0+json", "a module of WebAssembly"),
    ("application/vnd.wasm.config.v1+json", "a module of WebAssembly"),
];

/// Whether a configuration is known to be none of an image.
fn is_other_than_image(media_type: &str) -> bool {
    let image = ["container.image.v1", "oci.image.config"].iter().any(|t| media_type.contains(t));
    media_type.starts_with("application/vnd.") && !image
}

/// Whether a layer is called something that no runtime unpacks: containerd finds no `stream processor`
/// for it (core/diff/stream.go in 2.1), CRI-O knows the same names alone.
fn is_other_than_layer(media_type: &str) -> bool {
    const LAYERS: [&str; 2] =
        ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];
    !media_type.is_empty() && !LAYERS.iter().any(|start| media_type.starts_with(start))
}

/// A blob that has another size than its descriptor says. containerd ends with `unexpected commit
/// size` (plugins/content/local/writer.go in 2.1), and takes 0 for unsaid.
pub(super) fn other_size(origin: Origin, what: String, said: u64, is: u64) -> Mismatch {
    let bytes = |count: u64| format!("{count} byte{}", if count == 1 { "" } else { "s" });
    Mismatch { origin, what, expected: bytes(said), found: bytes(is), by_size: true }
}

/// `blobs/ALGORITHM/HEX`; a digest with anything else in it could name another file.
fn blob_path(digest: &str) -> Result<String, Broken> {
    match digest.strip_prefix("sha256:").filter(|_| is_sha256(digest)) {
        Some(hex) => Ok(format!("blobs/sha256/{hex}")),
        // It is not repeated: a registry that got a password may send it back as anything.
        None => Err(Broken::malformed("one of its parts has a digest that is no sha256")),
    }
}

/// Whether it is a digest as images write it.
pub fn is_sha256(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
    hex.is_some_and(|hex| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// A document of an image. Of what is wrong in it only the place is told: the parser's own words
/// quote what they found.
pub(super) fn json<T: for<'a> Deserialize<'a>>(bytes: &[u8], what: &str) -> Result<T, Broken> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let is = match error.classify() {
            Category::Data => "is not made as an image's is",
            Category::Eof => "ends too early",
            Category::Io | Category::Syntax => "is no JSON",
        };
        Broken::malformed(&format!("{what} {is} (line {line}, column {column})"))
    })
}
