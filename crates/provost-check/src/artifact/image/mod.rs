//! A container image as facts: an OCI layout, an OCI archive, what `docker save` writes, or what a
//! registry sends.
//!
//! Layers are streamed once, and nothing here unpacks them to disk ([`contents`] hands their files to
//! `provost prove`, which runs them). What is kept of them is the list of files,
//! `/etc/passwd`, and the program that the image starts. Every blob is held against its digest.

pub(crate) mod archive;
pub(super) mod config;
mod contents;
pub(super) mod heads;
mod layers;
mod layout;
mod libraries;
mod remote;
mod secrets;
mod shapes;
mod store;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

pub use self::config::Configuration;
pub use self::contents::{configuration, contents};
use self::layers::Content;
pub use self::layout::is_sha256;
pub use self::remote::{Remote, Root};
use self::store::Store;
use super::{Problem, ProblemKind};
use crate::facts::build::{CommandForm, StageConfig};
use crate::facts::build_files::behind_wrapper;
use crate::facts::image::{Image, Layer, Mismatch, SecretFile};
use crate::facts::image_files::FileKind;
use crate::facts::{Fact, Origin, SourceId};
use crate::model::shell::{Script, shell_text};

/// How much of a hostile image is looked at.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries of one layer, and of all together.
    pub entries: usize,
    /// Entries of an archive that holds blobs.
    pub blobs: usize,
    /// Bytes of a path or link: `PATH_MAX`.
    pub path: usize,
    /// Bytes that one layer may unpack to.
    pub unpacked: u64,
    /// How many times its blob's size a layer may unpack to; asked beyond `free` bytes.
    pub ratio: u64,
    /// Bytes that may be unpacked whatever the ratio.
    pub free: u64,
    /// Bytes of a program that is read into memory.
    pub program: u64,
    /// Bytes of an index, a manifest or a configuration; containerd refuses more than 8 MiB too.
    pub document: u64,
    /// Layers of one image.
    pub layers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 1_000_000,
            blobs: 10_000,
            path: 4096,
            unpacked: 32 << 30,
            ratio: 200,
            free: 64 << 20,
            program: 512 << 20,
            document: 8 << 20,
            layers: 512,
        }
    }
}

/// What form an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// A directory or archive with `oci-layout` and `index.json`.
    Oci,
    /// An archive with `manifest.json`.
    Docker,
}

/// Why a part of an image cannot be read.
#[derive(Debug)]
pub(crate) struct Broken {
    kind: ProblemKind,
    message: String,
}

impl Broken {
    pub(crate) fn into_message(self) -> String {
        self.message
    }

    fn malformed(message: &str) -> Self {
        Self { kind: ProblemKind::Malformed, message: message.to_owned() }
    }

    fn limit(message: &str) -> Self {
        Self { kind: ProblemKind::Limit, message: message.to_owned() }
    }

    fn unreadable(message: &str) -> Self {
        Self { kind: ProblemKind::Unreadable, message: message.to_owned() }
    }

    fn is_malformed(&self) -> bool {
        matches!(self.kind, ProblemKind::Malformed)
    }

    fn of(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    fn into_problem(self, origin: Origin) -> Problem {
        Problem { kind: self.kind, origin, message: self.message, help: None }
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::FileTooLarge => ProblemKind::Limit,
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::TimedOut
            | ErrorKind::ConnectionAborted => ProblemKind::Unreadable,
            _ => ProblemKind::Malformed,
        };
        Self { kind, message: super::discover::system_message(&error) }
    }
}

/// An image and the program it starts.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The facts; `None` when the image cannot be used at all.
    pub image: Option<Image>,
    /// Path and bytes of the program at its entrypoint, or of one that `programs` names.
    pub program: Option<(String, Vec<u8>)>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Other platforms of the index.
    pub left_out: Vec<LeftOut>,
    /// A layer cannot be read, for another reason than a limit.
    pub unusable: bool,
}

/// A platform of an index that was not asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// `linux/arm64`
    pub platform: String,
    /// Its manifest is there. `docker save` writes the whole index and the platforms that it has.
    pub there: bool,
}

/// Where an image lies.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// In a directory or archive, and in which form, where it was said.
    File(&'a str, Option<Form>),
    /// In a registry, and how reports name it.
    Registry(&'a str, &'a Arc<dyn Remote>),
}

impl<'a> Place<'a> {
    fn shown(self) -> &'a str {
        match self {
            Self::File(shown, _) | Self::Registry(shown, _) => shown,
        }
    }

    /// What was told to who sent the image, and is not to be shown.
    pub(crate) fn secrets(self) -> Vec<String> {
        match self {
            Self::File(..) => Vec::new(),
            Self::Registry(_, from) => from.secrets(),
        }
    }

    fn form(self) -> Option<Form> {
        match self {
            Self::File(_, form) => form,
            Self::Registry(..) => None,
        }
    }

    fn open(self, limits: &Limits) -> Result<Store, Broken> {
        match self {
            Self::File(path, _) => Store::open(Path::new(path), limits),
            Self::Registry(_, from) => Ok(Store::Remote(Arc::clone(from))),
        }
    }
}

/// Reads an image. `platform` (`os/arch[/variant]`) chooses from an index, else linux/amd64 or the
/// first; `programs` are commands that containers run instead of the image's own.
pub fn load(
    source: SourceId,
    place: Place<'_>,
    platform: Option<&str>,
    programs: &BTreeSet<String>,
    limits: &Limits,
) -> Loaded {
    let mut loaded = Loaded::default();
    let (path, form) = (place.shown(), place.form());
    let asked = Asked { source, path, form, platform, programs };
    let done = place.open(limits).and_then(|store| read(&store, &asked, limits, &mut loaded));
    if let Err(broken) = done {
        loaded.problems.push(broken.into_problem(Origin::whole(source)));
    }
    loaded
}

/// Adds the libraries that a dynamic program needs, directly or by others. Gives why there are none,
/// unless that was told when the layers were first read.
pub fn add_libraries(
    image: &mut Image,
    place: Place<'_>,
    platform: Option<&str>,
    needed: &[String],
    limits: &Limits,
) -> Option<Problem> {
    let read = place
        .open(limits)
        .and_then(|store| libraries::read(&store, place.form(), platform, image, needed, limits));
    match read {
        Ok(libraries) => {
            image.libraries = libraries;
            None
        }
        Err(_) if !image.complete || !image.mismatches.is_empty() => None,
        Err(broken) => {
            let message = format!("its libraries cannot be read: {}", broken.message);
            Some(Broken::unreadable(&message).into_problem(image.origin.clone()))
        }
    }
}

/// Reads the image of an archive in memory.
pub fn load_bytes(source: SourceId, bytes: &[u8], limits: &Limits) -> Loaded {
    let mut loaded = Loaded::default();
    let store = Store::of_bytes(Arc::from(bytes), limits);
    let asked =
        Asked { source, path: "memory", form: None, platform: None, programs: &BTreeSet::new() };
    let done = store.and_then(|store| read(&store, &asked, limits, &mut loaded));
    if let Err(broken) = done {
        loaded.problems.push(broken.into_problem(Origin::whole(source)));
    }
    loaded
}

/// What was asked for; see [`load`].
struct Asked<'a> {
    source: SourceId,
    path: &'a str,
    form: Option<Form>,
    platform: Option<&'a str>,
    programs: &'a BTreeSet<String>,
}

fn read(
    store: &Store,
    asked: &Asked<'_>,
    limits: &Limits,
    loaded: &mut Loaded,
) -> Result<(), Broken> {
    let &Asked { source, path, form, platform, programs } = asked;
    let mut mismatches = Vec::new();
    let chosen = layout::choose(store, source, form, platform, limits, &mut mismatches)?;
    loaded.left_out = chosen.left_out;
    let config = config::read(source, &chosen.config)?;
    // Descriptors need not name a platform, and archives of docker cannot: the configuration does.
    if let Some(wanted) = platform
        && config.platform != "/"
        && !is_platform(&config.platform, wanted)
    {
        let has = layout::shown_platform(&config.platform);
        return Err(Broken::malformed(&format!("has no image for {wanted}; it has {has}")));
    }
    if chosen.layers.len() > limits.layers {
        return Err(Broken::limit(&format!("has more than {} layers", limits.layers)));
    }
    let wanted: BTreeSet<String> = wanted_names(&config.stage, programs);
    let wants = |entry: &archive::Entry| {
        let path = store::clean(&entry.path);
        if matches!(path.as_str(), "etc/passwd" | "etc/group") {
            1 << 20
        } else if path.ends_with("/libc.so.6") || is_libc_by_version(&path) {
            LARGEST_LIBC
        } else if wanted.contains(path.rsplit('/').next().unwrap_or_default()) {
            limits.program
        } else {
            0
        }
    };
    let contents: Vec<Content> = store.layers(&chosen.layers, limits, |blob| match blob {
        Ok((reader, size)) => layers::read(reader, size, limits, &wants),
        Err(broken) => Content { broken: Some(broken), ..Content::default() },
    });
    let (mut complete, mut limited) = (true, false);
    let mut tree = tree::Builder::new(limits);
    let mut facts = Vec::new();
    let mut digests = Vec::new();
    let mut bytes = BTreeMap::new();
    let mut hidden = SecretFiles::default();
    for (index, (mut content, blob)) in contents.into_iter().zip(&chosen.layers).enumerate() {
        let what = format!("layer {}", index + 1);
        let said = blob.digest.as_deref();
        let diff_id = config.diff_ids.get(index).map(String::as_str);
        let name = said.or(diff_id).unwrap_or(&what).to_owned();
        let origin = || Origin::image(source, Some(&name), &what);
        // Bytes of an archive that was not read to its end have no digest to compare.
        let pairs = [(said, &content.blob), (diff_id, &content.unpacked)];
        let wrong = pairs.into_iter().find(|(said, is)| {
            !is.is_empty() && said.is_some_and(|s| s.starts_with("sha256:") && s != is.as_str())
        });
        let mut is_other = wrong.is_some();
        if let Some((Some(expected), found)) = wrong {
            let (expected, found) = (expected.to_owned(), found.clone());
            let (origin, what) = (origin(), what.clone());
            mismatches.push(Mismatch { origin, what, expected, found, by_size: false });
        } else if blob.size != 0 && !content.blob.is_empty() && blob.size != content.blob_bytes {
            is_other = true;
            let is = content.blob_bytes;
            mismatches.push(layout::other_size(origin(), what.clone(), blob.size, is));
        }
        if blob.is_other {
            let broken =
                Broken::malformed("its media type is that of no layer: no runtime unpacks it");
            // As where the media type of the configuration is that of no image.
            loaded.unusable = true;
            loaded.problems.push(broken.of(&what).into_problem(origin()));
        }
        if let Some(broken) = content.broken.take() {
            complete = false;
            limited |= broken.kind == ProblemKind::Limit;
            // Bytes that are not what was announced are a finding about the image; those that are,
            // and no layer, are no image.
            let came = !content.blob.is_empty() || !matches!(store, Store::Remote(_));
            let unusable = match broken.kind {
                ProblemKind::Limit => false,
                ProblemKind::Unreadable => true,
                _ => came && !is_other,
            };
            loaded.unusable |= unusable;
            loaded.problems.push(broken.of(&what).into_problem(origin()));
        }
        for broken in tree.apply(u32::try_from(index).unwrap_or(u32::MAX), &content.entries) {
            complete &= broken.kind != ProblemKind::Limit;
            limited |= broken.kind == ProblemKind::Limit;
            loaded.problems.push(broken.of(&what).into_problem(origin()));
        }
        let layer = u32::try_from(index).unwrap_or(u32::MAX);
        hidden.look_again(&tree, layer);
        for (path, what) in content.secrets {
            hidden.add(&tree, layer, &path, what);
        }
        digests.push(content.blob);
        bytes.extend(content.bytes.into_iter().map(|(path, bytes)| ((index, path), bytes)));
        facts.push(Layer {
            digest: name,
            size: blob.size,
            unpacked: content.unpacked_bytes,
            created_by: config.created_by.get(index).cloned(),
        });
    }
    let mut image = Image {
        source,
        origin: Origin::whole(source),
        path: path.to_owned(),
        names: chosen.names,
        platform: Fact::written(
            config.platform,
            Origin::image(source, None, "config.architecture"),
        ),
        config: config.stage,
        secret_env: config.secret_env,
        labels: config.labels,
        layers: facts,
        files: tree.done(),
        complete,
        limited,
        users: Vec::new(),
        groups: Vec::new(),
        secrets: hidden.done(),
        libc_file: None,
        glibc: None,
        heads: BTreeMap::new(),
        libraries: BTreeMap::new(),
        program_copy: None,
        mismatches,
    };
    let taken = |at: &(u32, Box<str>)| (at.0 as usize, at.1.to_string());
    if let Some((_, file)) = image.files.lookup("/etc/passwd")
        && let Some(passwd) = bytes.get(&taken(&file.content))
    {
        image.users = config::users(passwd);
    }
    if let Some((_, file)) = image.files.lookup("/etc/group")
        && let Some(group) = bytes.get(&taken(&file.content))
    {
        image.groups = config::groups(group);
    }
    if let Some((path, content)) = libc_file(&image) {
        image.glibc = bytes.get(&taken(&content)).and_then(|bytes| newest_glibc(bytes));
        image.libc_file = Some(path);
    }
    let paths = program_paths(&image, programs);
    for (path, _) in &paths {
        let Some((at, file)) = image.files.lookup(path) else { continue };
        let known = bytes.get(&taken(&file.content)).map(Vec::as_slice);
        let known = known.or((file.size == 0).then_some(&[]));
        if let Some(bytes) = known.filter(|_| file.kind == FileKind::File) {
            let head = heads::head(bytes);
            image.heads.insert(at, head);
        }
    }
    for (path, in_script) in paths {
        let Some((at, file)) = image.files.lookup(&path) else { continue };
        if file.kind != FileKind::File {
            continue;
        }
        let key = taken(&file.content);
        // Behind a link it goes by another name: its layer is read once more.
        let found = bytes.remove(&key).or_else(|| {
            let blob = chosen.layers.get(key.0)?;
            let (reader, size) = store.layer(blob, limits).ok()?;
            let only = |entry: &archive::Entry| {
                if entry.path == key.1 { limits.program } else { 0 }
            };
            let mut again = layers::read(reader, size, limits, &only);
            // What comes the second time must be what was judged the first time.
            let same = again.broken.is_none() && digests.get(key.0) == Some(&again.blob);
            again.bytes.remove(&key.1).filter(|_| same)
        });
        if let Some(program) = &found {
            image.heads.entry(at.clone()).or_insert_with(|| heads::head(program));
        }
        match found {
            // A script runs others, too: `mkdir -p /data && exec /server`.
            Some(program) if in_script && !is_go(&program) => continue,
            Some(program) => {
                let below = bytes.iter().find(|((layer, _), other)| {
                    *layer < key.0 && !program.is_empty() && **other == program
                });
                image.program_copy = below.map(|((layer, path), _)| {
                    (u32::try_from(*layer).unwrap_or(u32::MAX), format!("/{}", store::clean(path)))
                });
                loaded.program = Some((at, program));
            }
            None if file.size > limits.program => loaded.problems.push(
                Broken::limit(&format!("{at} has more than {} bytes, the limit", limits.program))
                    .into_problem(image.file(&at)),
            ),
            None => loaded.problems.push(
                Broken::unreadable(&format!("{at} cannot be read a second time"))
                    .into_problem(image.file(&at)),
            ),
        }
        break;
    }
    loaded.image = Some(image);
    Ok(())
}

/// Whether an image of one platform runs where another is asked for; a variant counts where both have one.
fn is_platform(has: &str, wanted: &str) -> bool {
    has.split('/').zip(wanted.split('/')).all(|(a, b)| a == b)
}

/// Bytes of glibc's `libc.so.6`, which has about 2 MiB.
const LARGEST_LIBC: u64 = 16 << 20;

/// `libc-2.31.so`, to which `libc.so.6` was a link until glibc 2.34.
fn is_libc_by_version(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.starts_with("libc-2.") && name.ends_with(".so")
}

/// Where glibc lies, and where its bytes stand.
fn libc_file(image: &Image) -> Option<(String, (u32, Box<str>))> {
    let mut dirs = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"].map(str::to_owned).to_vec();
    // Archives need not list the directories that their files lie in.
    const MULTIARCH: [&str; 7] = [
        "x86_64-linux-gnu",
        "aarch64-linux-gnu",
        "arm-linux-gnueabihf",
        "i386-linux-gnu",
        "riscv64-linux-gnu",
        "powerpc64le-linux-gnu",
        "s390x-linux-gnu",
    ];
    for root in ["/lib", "/usr/lib"] {
        dirs.extend(MULTIARCH.iter().map(|name| format!("{root}/{name}")));
    }
    dirs.into_iter().find_map(|dir| {
        let (path, file) = image.files.lookup(&format!("{dir}/libc.so.6"))?;
        (file.kind == FileKind::File).then(|| (path, file.content.clone()))
    })
}

/// The newest `GLIBC_2.n` in glibc's own bytes: the names of the versions it defines stand in its
/// string table, and it names no newer one.
fn newest_glibc(bytes: &[u8]) -> Option<u16> {
    let name = memchr::memmem::Finder::new(b"GLIBC_2.");
    name.find_iter(bytes)
        .filter_map(|at| {
            let rest = bytes.get(at + 8..at + 12)?;
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()
        })
        .max()
}

/// Secrets that were found, and which layer hides them.
#[derive(Default)]
struct SecretFiles {
    found: Vec<(SecretFile, Box<str>)>,
}

impl SecretFiles {
    fn add(&mut self, tree: &tree::Builder, layer: u32, path: &str, what: &'static str) {
        if self.found.len() < layers::MOST_SECRETS
            && let Some(at) = tree.place(path)
        {
            let secret = SecretFile { path: at, layer, what, hidden_by: None };
            self.found.push((secret, path.into()));
        }
    }

    /// A layer was put on top.
    fn look_again(&mut self, tree: &tree::Builder, layer: u32) {
        for (secret, path) in self.found.iter_mut().filter(|(s, _)| s.hidden_by.is_none()) {
            if !tree.has(&secret.path, secret.layer, path) {
                secret.hidden_by = Some(layer);
            }
        }
    }

    fn done(self) -> Vec<SecretFile> {
        let mut all: Vec<SecretFile> = self.found.into_iter().map(|(secret, _)| secret).collect();
        all.sort_by(|a, b| (&a.path, a.layer).cmp(&(&b.path, b.layer)));
        all
    }
}

/// Programs of a script that are looked at.
const MOST_IN_SCRIPT: usize = 4;

/// What begins the build information of a Go program (src/debug/buildinfo/buildinfo.go in 1.27).
fn is_go(program: &[u8]) -> bool {
    memchr::memmem::find(program, b"\xff Go buildinf:").is_some()
}

/// The program of the image's command, behind a reaper or in the script that a shell is given, with
/// what containers run instead; and whether it comes from a script.
fn commands(stage: &StageConfig, programs: &BTreeSet<String>) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    for command in [&stage.entrypoint, &stage.cmd].into_iter().flatten() {
        if let CommandForm::Exec(exec) = &command.value {
            words.extend(exec.iter().cloned());
        }
    }
    let own = behind_wrapper(&words).or(words.first());
    let behind = words.iter().skip_while(|word| own.is_some_and(|own| *word != own));
    let behind: Vec<&str> = behind.map(|word| word.value.as_str()).collect();
    let script = shell_text(&behind).map(Script::parse);
    let run = script.iter().flat_map(|script| &script.commands);
    let run = run.filter_map(|command| command.program()).filter(|word| word.literal);
    let run = run.take(MOST_IN_SCRIPT).map(|word| (word.text.clone(), true));
    let named = own.filter(|_| script.is_none()).map(|word| (word.value.clone(), false));
    let others = programs.iter().map(|program| (program.clone(), false));
    run.chain(named).chain(others).collect()
}

fn wanted_names(stage: &StageConfig, programs: &BTreeSet<String>) -> BTreeSet<String> {
    let name = |(word, _): (String, bool)| word.rsplit('/').next().unwrap_or_default().to_owned();
    commands(stage, programs).into_iter().map(name).filter(|name| !name.is_empty()).collect()
}

fn program_paths(image: &Image, programs: &BTreeSet<String>) -> Vec<(String, bool)> {
    let at = |word: String| Fact::derived(word, image.origin.clone());
    let words = commands(&image.config, programs).into_iter();
    words
        .flat_map(|(word, in_script)| {
            let paths = image.config.resolve(&at(word)).into_iter();
            paths.map(move |path| (path.value, in_script))
        })
        .collect()
}
