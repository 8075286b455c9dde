//! Reads every artifact that a run was asked for.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use goformats::version::GoVersion;
use rayon::prelude::*;

use super::platforms::{At, Other};
use super::{BinaryInput, BuiltHere, ImageInput, RegistryInput, Request};
use crate::artifact::discover::{self, Found};
use crate::artifact::image::LeftOut;
use crate::artifact::manifest::{self, ManifestFile, Skipped};
use crate::artifact::mmap::{self, Content};
use crate::artifact::render::{self, Renderer};
use crate::artifact::{Source, SourceKind, Sources, binary, dockerfile, image, proof};
use crate::case::World;
use crate::facts::binary::{Binary, BinaryFormat};
use crate::facts::build::Build;
use crate::facts::image::Image;
use crate::facts::origin::Span;
use crate::facts::problem::{Problem, ProblemKind};
use crate::facts::settings::Settings;
use crate::facts::workload::Container;
use crate::facts::{Fact, Origin, SourceId};
use crate::model::names::{ImageRef, base_name};
use crate::model::published::{Publisher, publisher};

/// Bytes of an executable; larger ones are not opened.
const LARGEST_BINARY: u64 = 8 << 30;

/// Platforms of one image that are judged beside the first: official images have up to ten.
const MOST_PLATFORMS: usize = 15;

/// What loading gave.
#[derive(Debug)]
pub struct Loaded {
    /// The facts.
    pub world: World,
    /// Paths that were found and are not judged, and the command that would let them be.
    pub skipped: Vec<Skipped>,
    /// A path named on the command line could not be used: exit code 2.
    pub unusable: bool,
    /// Further platforms of images, which [`super::judge_platforms`] loads and judges.
    pub platforms: Vec<Other>,
}

/// Reads every artifact of the request. `sources` already holds the configuration that `settings`
/// came from.
pub fn load(request: &Request, sources: Sources, settings: Settings) -> Loaded {
    let mut world = World::new(sources, settings);
    let mut loader = Loader::new(request, &mut world);
    loader.run();
    let Loader { skipped, unusable, platforms, .. } = loader;
    Loaded { world, skipped, unusable, platforms }
}

/// Loads another platform of an image, and the program in it, and leaves both out of the world.
pub(super) fn other(
    loaded: &mut Loaded,
    request: &Request,
    other: &Other,
) -> Option<(Image, Option<Binary>)> {
    let world = &mut loaded.world;
    let first = world.sources.get(other.of).path.clone();
    let programs = programs(world);
    let (images, binaries) = (world.images.len(), world.binaries.len());
    let mut loader = Loader::new(request, world);
    let platform = Some(other.platform.as_str());
    match &other.at {
        At::File(path, form) => {
            loader.image(&first, image::Place::File(path, *form), platform, &programs);
        }
        At::Registry(index) => {
            if let Some(input) = request.registry_images.get(*index) {
                loader.registry_image(input, platform, &programs);
            }
        }
    }
    loaded.unusable |= loader.unusable;
    let binary = (world.binaries.len() > binaries).then(|| world.binaries.pop()).flatten();
    let image = (world.images.len() > images).then(|| world.images.pop()).flatten();
    image.map(|image| (image, binary))
}

/// Images of one Dockerfile that are judged beside its default one.
const MOST_TARGETS: usize = 16;

/// What containers call their images and what they start, of images that may be built here.
fn wanted_names(world: &World) -> BTreeSet<String> {
    let workloads = world.objects.iter().filter_map(|object| object.workload());
    let containers = workloads.flat_map(|workload| &workload.pod.containers);
    let names = |container: &Container| {
        let image = container.image.as_ref().and_then(|it| ImageRef::parse(&it.value).ok());
        if image.as_ref().and_then(publisher) == Some(Publisher::Docker) {
            return [None, None];
        }
        let command = container.command.as_ref().and_then(|words| words.first());
        let command = command.map(|word| base_name(&word.value).to_owned());
        [image.map(|image| image.base_name().to_owned()), command]
    };
    containers.flat_map(names).flatten().collect()
}

/// One file may build several images, each as a stage of its own: those that containers are named after, beside the
/// default one, and whether there are more than are judged.
fn wanted_targets(wanted: &BTreeSet<String>, build: &Build) -> (Vec<Build>, bool) {
    let default = build.target_names();
    let is_wanted = |name: &String| wanted.contains(name) && !default.contains(name);
    let named = build.other_targets().filter(|stage| {
        let mut names = build.names_of_target(*stage).into_iter();
        names.any(|name| is_wanted(&name))
    });
    let mut stages: Vec<usize> = named.take(MOST_TARGETS + 1).collect();
    let more = stages.len() > MOST_TARGETS;
    stages.truncate(MOST_TARGETS);
    let target = |stage| Build { final_stage: stage, ..build.clone() };
    (stages.into_iter().map(target).collect(), more)
}

/// Programs that containers run instead of their image's own.
fn programs(world: &World) -> BTreeSet<String> {
    let workloads = world.objects.iter().filter_map(|object| object.workload());
    workloads
        .flat_map(|workload| &workload.pod.containers)
        .filter_map(|container| container.command.as_ref()?.first())
        .map(|word| word.value.clone())
        .collect()
}

/// The text that is judged in the place of a file's.
fn draft(request: &Request, path: &Path) -> Option<Vec<u8>> {
    let drafts = &request.drafts;
    let path = (!drafts.is_empty()).then(|| path.canonicalize().ok())??;
    drafts.get(&path).map(|text| text.clone().into_bytes())
}

/// The input that a Dockerfile is, what its loader knows to be secret in it, and its bytes.
fn read_dockerfile(
    request: &Request,
    shown: &str,
    path: &Path,
    named: bool,
) -> std::io::Result<(Source, Vec<Span>, Vec<u8>)> {
    let limit = dockerfile::Limits::default().file_bytes as u64;
    let bytes = draft(request, path).map_or_else(|| mmap::read_text(path, limit, named), Ok)?;
    let text: Arc<str> = Arc::from(dockerfile::decode(&bytes).as_ref());
    let secrets = dockerfile::secrets::spans(&text);
    let mut source = Source::text(shown, SourceKind::Dockerfile, text);
    source.named = named;
    Ok((source, secrets, bytes))
}

struct Loader<'r> {
    request: &'r Request,
    world: &'r mut World,
    skipped: Vec<Skipped>,
    unusable: bool,
    platforms: Vec<Other>,
}

impl<'r> Loader<'r> {
    fn new(request: &'r Request, world: &'r mut World) -> Self {
        Self { request, world, skipped: Vec::new(), unusable: false, platforms: Vec::new() }
    }
}

impl Loader<'_> {
    fn run(&mut self) {
        let mut found = discover::discover(&self.request.paths, &discover::Limits::default());
        self.leave_to_renderers(&mut found);
        for unusable in found.unusable {
            self.unusable |= unusable.named;
            let (_, problem) = unusable.into_problem(&mut self.world.sources);
            self.world.problems.push(problem);
        }
        self.skipped.extend(found.skipped);
        for file in found.files.iter().filter(|file| file.kind == SourceKind::GoMod) {
            // That it is there tells what --build would build. Only of a module that was built is
            // anything in it judged.
            let mut built = self.request.binaries.iter().filter_map(|input| input.built.as_ref());
            match built.find(|built| plain(&built.go_mod) == file.shown) {
                Some(built) => self.go_mod(built),
                None => {
                    self.world.sources.add(Source::opaque(file.shown.clone(), SourceKind::GoMod))
                }
            };
        }
        for stage in
            [Self::manifests, Self::dockerfiles, Self::images, Self::binaries, Self::proofs]
        {
            if !self.request.interrupted.load(Ordering::SeqCst) {
                stage(self, &found.files);
            }
        }
        let namespace = self.request.namespace.as_deref();
        let sources = &mut self.world.sources;
        self.world.objects.extend(render::generated(&found.generators, namespace, sources));
        self.world.sources.reached_by(found.kustomizations);
    }

    fn go_mod(&mut self, built: &BuiltHere) -> SourceId {
        let text = Arc::from(built.text.as_str());
        let path = plain(&built.go_mod).to_owned();
        self.world.sources.with_text(path, SourceKind::GoMod, text)
    }

    fn manifests(&mut self, files: &[Found]) {
        let files: Vec<ManifestFile> = files
            .iter()
            .filter(|file| file.kind == SourceKind::Manifest)
            .map(|file| ManifestFile {
                path: file.path.clone(),
                shown: file.shown.clone(),
                named: file.named,
                content: match file.shown.as_str() {
                    "-" => self.request.stdin.clone(),
                    _ => draft(self.request, &file.path),
                },
            })
            .collect();
        let options = manifest::Options {
            namespace: self.request.namespace.clone(),
            ..manifest::Options::default()
        };
        let loaded = manifest::load_manifests(&files, &mut self.world.sources, &options);
        self.world.objects = loaded.objects;
        self.world.problems.extend(loaded.problems);
        self.skipped.extend(loaded.skipped);
        self.unusable |= !loaded.unusable.is_empty();
        self.renderings();
    }

    /// What a renderer has printed is not judged again as it stands in the folders that were walked.
    fn leave_to_renderers(&self, found: &mut discover::Discovery) {
        for rendering in &self.request.renderings {
            let root = discover::shown(Path::new(&rendering.root));
            match rendering.by {
                Renderer::Helm => found.skipped.retain(|skipped| skipped.path != root),
                Renderer::Kustomize => {
                    let plan = render::plan(&rendering.root);
                    found.files.retain(|file| file.named || !plan.holds(&file.path));
                    found
                        .generators
                        .retain(|file| file.parent().is_none_or(|folder| !plan.reaches(folder)));
                    found.skipped.retain(|skipped| !plan.reaches(Path::new(&skipped.path)));
                }
            }
        }
    }

    fn renderings(&mut self) {
        let options = manifest::Options {
            namespace: self.request.namespace.clone(),
            ..manifest::Options::default()
        };
        for rendering in &self.request.renderings {
            let loaded = render::load(rendering, &mut self.world.sources, &options);
            self.world.objects.extend(loaded.objects);
            self.world.problems.extend(loaded.problems);
        }
    }

    fn dockerfiles(&mut self, files: &[Found]) {
        let request = self.request;
        let found = files
            .iter()
            .filter(|file| file.kind == SourceKind::Dockerfile)
            .map(|file| (file.shown.clone(), file.path.clone(), file.named));
        let named = self.request.dockerfiles.iter().map(|path| (path.clone(), path.into(), true));
        let mut all: Vec<_> = found.chain(named).collect();
        all.sort();
        all.dedup_by(|a, b| a.0 == b.0);
        let limits = dockerfile::Limits::default();
        let wanted = if all.is_empty() { BTreeSet::new() } else { wanted_names(self.world) };
        let only = all.len() == 1;
        let read: Vec<_> = all
            .par_iter()
            .map(|(shown, path, named)| read_dockerfile(request, shown, path, *named))
            .collect();
        let mut texts = Vec::new();
        for ((shown, path, named), read) in all.into_iter().zip(read) {
            match read {
                Ok((source, secrets, bytes)) => {
                    let id = self.world.sources.add(source);
                    self.world.sources.mask(id, &secrets);
                    texts.push((id, path, named, bytes));
                }
                Err(error) => {
                    self.cannot_read(&shown, &path, SourceKind::Dockerfile, named, &error);
                }
            }
        }
        // A target names a stage of one file; in the others it may not exist.
        let target = |named: bool| request.target.as_deref().filter(|_| named || only);
        let builds: Vec<_> = texts
            .par_iter()
            .map(|(id, _, named, bytes)| {
                dockerfile::load_bytes(*id, bytes, target(*named), &limits)
            })
            .collect();
        for ((id, path, named, _), (mut build, problems)) in texts.into_iter().zip(builds) {
            if let Some(build) = &mut build {
                let shown = self.world.sources.get(id).path.clone();
                dockerfile::context::find(build, &path, &shown, &mut self.world.sources);
            }
            self.unusable |= named && build.is_none();
            let (others, more) = match (&build, target(named)) {
                (Some(build), None) => wanted_targets(&wanted, build),
                _ => (Vec::new(), false),
            };
            self.world.builds.extend(build);
            self.world.builds.extend(others);
            if more {
                self.world.problems.push(Problem {
                    kind: ProblemKind::Limit,
                    origin: Origin::whole(id),
                    message: format!(
                        "it builds more than {MOST_TARGETS} images that containers are named after, which is as many as are judged"
                    ),
                    help: Some("judge the others one by one, with --target".to_owned()),
                });
            }
            self.world.problems.extend(problems);
        }
    }

    fn images(&mut self, files: &[Found]) {
        let found = files.iter().filter(|file| file.kind == SourceKind::Image);
        let found = found
            .map(|file| ImageInput { path: file.path.to_string_lossy().into_owned(), form: None });
        let mut all: Vec<ImageInput> = self.request.images.iter().cloned().chain(found).collect();
        all.sort();
        // One that is named in two ways stays as it was said, which is last.
        all.reverse();
        all.dedup_by(|a, b| a.path == b.path);
        all.reverse();
        let programs = programs(self.world);
        let platform = self.request.platform.as_deref();
        for input in all {
            let shown = input.path.trim_start_matches("./");
            if let Err(error) = std::fs::metadata(&input.path) {
                let path = Path::new(&input.path);
                self.cannot_read(shown, path, SourceKind::Image, true, &error);
                continue;
            }
            let place = image::Place::File(&input.path, input.form);
            let (id, others) = self.image(shown, place, platform, &programs);
            self.later(id, others, || At::File(input.path.clone(), input.form));
        }
        for (index, input) in self.request.registry_images.iter().enumerate() {
            let (id, others) = self.registry_image(input, platform, &programs);
            self.later(id, others, || At::Registry(index));
        }
    }

    fn registry_image(
        &mut self,
        input: &RegistryInput,
        platform: Option<&str>,
        programs: &BTreeSet<String>,
    ) -> (SourceId, Vec<LeftOut>) {
        let place = image::Place::Registry(&input.shown, &input.from);
        let before = self.world.problems.len();
        let read = self.image(&input.shown, place, platform, programs);
        // A registry that does not answer says nothing about the image.
        let new = self.world.problems.get_mut(before..).unwrap_or_default();
        for problem in &mut *new {
            self.world.sources.hidden().hide(&mut problem.message);
        }
        self.unusable |= new.iter().any(|problem| problem.kind == ProblemKind::Unreadable);
        read
    }

    /// Leaves the other platforms of an image for later, and says which are not judged at all.
    fn later(&mut self, of: SourceId, others: Vec<LeftOut>, at: impl Fn() -> At) {
        let path = self.world.sources.get(of).path.clone();
        let each = self.request.platform.is_none();
        let mut taken = 0;
        for LeftOut { platform, there } in others {
            let linux = platform.starts_with("linux/");
            if each && there && linux && taken < MOST_PLATFORMS {
                taken += 1;
                self.platforms.push(Other { of, platform, at: at() });
                continue;
            }
            let why = match there {
                true => format!("its image for {platform} is not judged"),
                false => format!("its image for {platform} is named and not there"),
            };
            // One of a name that is not known cannot be asked for by it.
            let render = (there && platform.contains('/'))
                .then(|| format!("provost check --platform {platform}"));
            self.skipped.push(Skipped { path: path.clone(), why, render });
        }
    }

    /// Reads an image. Gives its input and the other platforms that it has.
    fn image(
        &mut self,
        shown: &str,
        place: image::Place<'_>,
        platform: Option<&str>,
        programs: &BTreeSet<String>,
    ) -> (SourceId, Vec<LeftOut>) {
        // Where each is judged its platform tells the inputs apart.
        let named = platform.filter(|_| self.request.platform.is_none());
        let mark = named.map_or(String::new(), |platform| format!(" ({platform})"));
        let mut source = Source::opaque(format!("{shown}{mark}"), SourceKind::Image);
        source.named = true;
        let id = self.world.sources.add(source);
        let limits = image::Limits::default();
        let loaded = image::load(id, place, platform, programs, &limits);
        // Before anything of it is repeated.
        self.world.sources.hide(&place.secrets());
        self.unusable |= loaded.image.is_none() || loaded.unusable;
        self.world.problems.extend(loaded.problems);
        let path = match place {
            image::Place::File(path, _) | image::Place::Registry(path, _) => path,
        };
        self.world.images.extend(loaded.image);
        let left_out = loaded.left_out;
        let Some((program, bytes)) = loaded.program else { return (id, left_out) };
        let plain = |mark: &str| {
            let mut shown = format!("{path}{mark}:{program}");
            self.world.sources.hidden().hide(&mut shown);
            shown
        };
        let (plain, shown) = (plain(""), plain(&mark));
        let given = BinaryInput::given(shown.clone(), shown);
        let before = self.world.binaries.len();
        self.binary(&given, false, Content::from(bytes));
        let Some(binary) = self.world.binaries.get_mut(before) else { return (id, left_out) };
        binary.in_image = Some(id);
        // By which it is bound to containers as the first platform's is.
        binary.path = plain;
        let needed: Vec<String> = binary.needed.iter().map(|needed| needed.value.clone()).collect();
        if let Some(image) = self.world.images.last_mut().filter(|_| !needed.is_empty()) {
            let broken = image::add_libraries(image, place, platform, &needed, &limits);
            // The registry may have given another token.
            self.world.sources.hide(&place.secrets());
            self.unusable |= broken.is_some();
            self.world.problems.extend(broken);
        }
        (id, left_out)
    }

    fn binaries(&mut self, files: &[Found]) {
        let found = files.iter().filter(|file| file.kind == SourceKind::Binary).map(|file| {
            let path = file.path.to_string_lossy().into_owned();
            (BinaryInput::given(path, file.shown.clone()), file.named)
        });
        // One that is named in another way than it is found is one all the same.
        let real = |path: &str| std::fs::canonicalize(path).ok();
        let named: BTreeSet<_> =
            self.request.binaries.iter().filter_map(|input| real(&input.path)).collect();
        let is_named =
            |path: &str| !named.is_empty() && real(path).is_some_and(|it| named.contains(&it));
        let found = found.filter(|(input, _)| !is_named(&input.path));
        let given = self.request.binaries.iter().map(|input| (input.clone(), true));
        let mut all: Vec<_> = given.chain(found).collect();
        all.sort_by(|a, b| a.0.shown.cmp(&b.0.shown));
        all.dedup_by(|a, b| a.0.shown == b.0.shown);
        for (input, named) in all {
            match Content::open(Path::new(&input.path), LARGEST_BINARY) {
                Ok(content) => self.binary(&input, named, content),
                Err(error) => {
                    let path = Path::new(&input.path);
                    self.cannot_read(&input.shown, path, SourceKind::Binary, named, &error);
                }
            }
        }
    }

    fn binary(&mut self, input: &BinaryInput, named: bool, content: Content) {
        let mut source = Source::opaque(input.shown.clone(), SourceKind::Binary);
        source.named = named;
        let id = self.world.sources.add(source);
        let limits = goformats::limits::Limits::default();
        let content = Arc::new(content);
        let (mut binary, problems) = binary::load(id, &input.shown, &content, &limits);
        // Only programs in images are compared with those that were given, and those that ran.
        if !self.world.images.is_empty() || !self.request.proofs.is_empty() {
            binary.sha256 = Some(mmap::sha256(&content));
        }
        if named && binary.format == BinaryFormat::Other {
            // Somebody named it as the program: silence would say that it is one.
            self.unusable = true;
            self.world.problems.push(Problem {
                kind: ProblemKind::Malformed,
                origin: Origin::whole(id),
                message: "is no executable".to_owned(),
                help: None,
            });
            return;
        }
        // An executable that walking found and that is no Go program is somebody else's.
        if !named && binary.go.is_none() {
            return;
        }
        binary.built_from = input.dockerfile.as_ref().and_then(|path| {
            let same = |source: &Source| {
                source.kind == SourceKind::Dockerfile
                    && source.path.trim_start_matches("./") == path.trim_start_matches("./")
            };
            self.world.sources.iter().find(|(_, source)| same(source)).map(|(id, _)| id)
        });
        if let Some(built) = &input.built {
            binary.built_here = true;
            let id = self.go_mod(built);
            binary.toolchain_line = built.toolchain.clone().and_then(|at| {
                let version = GoVersion::parse(built.text.get(at.clone())?)?;
                Some(Fact::written(version, Origin::text(id, Span::new(at.start, at.end))))
            });
        }
        self.world.binaries.push(binary);
        self.world.problems.extend(problems);
    }

    fn proofs(&mut self, _: &[Found]) {
        for path in &self.request.proofs {
            let mut source = Source::opaque(path.clone(), SourceKind::Proof);
            source.named = true;
            let bytes = match mmap::read_text(Path::new(path), proof::LARGEST, true) {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.cannot_read(path, Path::new(path), SourceKind::Proof, true, &error);
                    continue;
                }
            };
            let id = self.world.sources.add(source);
            match proof::load(id, &bytes, &self.world.binaries) {
                Ok(measured) => self.world.proofs.push(measured),
                Err(problem) => {
                    self.unusable = true;
                    self.world.problems.push(problem);
                }
            }
        }
    }

    fn cannot_read(
        &mut self,
        shown: &str,
        path: &Path,
        kind: SourceKind,
        named: bool,
        error: &std::io::Error,
    ) {
        let mut source = Source::opaque(shown, kind);
        source.named = named;
        let id: SourceId = self.world.sources.add(source);
        self.unusable |= named;
        self.world.problems.push(Problem {
            // A file that walking found and that has gone since is one that could not be read.
            kind: if named { discover::kind_of(error) } else { ProblemKind::Unreadable },
            origin: Origin::whole(id),
            message: discover::missing(path, error),
            help: None,
        });
    }
}

/// A path as reports name it.
fn plain(path: &str) -> &str {
    path.trim_start_matches("./")
}
