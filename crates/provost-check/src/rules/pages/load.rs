//! The blocks of a case as the pipeline would have loaded them from files.

use std::sync::Arc;

use super::claims::without_claims;
use super::{DATE, File};
use crate::artifact::manifest::{ManifestFile, Options, load_manifests};
use crate::artifact::{
    self, Source, SourceKind, Sources, binary_toml, config, dockerfile, image_toml,
};
use crate::case::World;
use crate::facts::Origin;
use crate::facts::counters::Counted;
use crate::facts::oom::Memory;
use crate::facts::settings::Settings;
use crate::findings::baseline::Baseline;
use crate::findings::suppress::Suppression;
use crate::rules::engine::{Profile, Selection};
use crate::rules::rule::Need;

/// The kind of artifact that a block of that name is, by which rules say what they need.
pub(super) fn need_of(name: &str) -> Option<Need> {
    let base = name.rsplit('/').next().unwrap_or(name);
    if base.ends_with("binary.toml") {
        Some(Need::Binary)
    } else if base == "proof.json" {
        Some(Need::Process)
    } else if base == "image.toml" {
        Some(Need::Image)
    } else if base.ends_with(".log") || base.ends_with(".strace") {
        Some(Need::Log)
    } else if base.ends_with(".vars") {
        Some(Need::Counters)
    } else if base.starts_with("Dockerfile") {
        Some(Need::Dockerfile)
    } else if base.ends_with(".yaml") {
        Some(Need::Manifest)
    } else {
        None
    }
}

/// The facts of a case, and how to judge them.
pub(in crate::rules) struct Loaded {
    pub(in crate::rules) world: World,
    pub(super) selection: Selection,
    pub(super) ignores: Vec<Suppression>,
}

/// Loads the files of a case as the pipeline would.
pub(in crate::rules) fn load(files: &[File]) -> Loaded {
    let mut sources = Sources::default();
    let mut settings = Settings::at(DATE);
    let mut selection = Selection::default();
    let (mut objects, mut builds, mut binaries) = (Vec::new(), Vec::new(), Vec::new());
    let (mut images, mut proofs, mut logs) = (Vec::new(), Vec::new(), Vec::new());
    let mut memory = Memory::default();
    let mut counters = Vec::new();
    let mut syscalls = Vec::new();
    let mut closed_world = false;
    let (mut context, mut texts) = (None, Vec::new());
    let mut problems = Vec::new();
    let mut ignores = Vec::new();
    let mut former = Vec::new();
    for file in files {
        // The comments are ours; what is judged, and shown, is the file without them.
        let file = &File { name: file.name.clone(), text: without_claims(&file.text) };
        let add = |sources: &mut Sources, kind| {
            sources.add(Source::text(file.name.clone(), kind, Arc::from(file.text.as_str())))
        };
        match (need_of(&file.name), file.name.as_str()) {
            (_, "kernel.log") => {
                let source = add(&mut sources, SourceKind::Log);
                let log = artifact::oom::kernel_log(source, file.text.as_bytes()).unwrap();
                memory.logs.push(log);
            }
            (_, "cgroup.txt") => {
                let source = add(&mut sources, SourceKind::Cgroup);
                let files = artifact::oom::read_listing(&file.text);
                assert!(files.strange.is_empty(), "{:?}", files.strange);
                memory.groups.extend(files.groups(source));
                memory.processes.extend(files.processes(source));
            }
            (_, "seen.yaml") => {
                let file = ManifestFile::text(file.name.clone(), file.text.clone());
                let loaded = load_manifests(&[file], &mut sources, &Options::default());
                memory.pods.extend(artifact::oom::pods(&loaded.objects));
                memory.events.extend(artifact::oom::events(&loaded.objects));
                problems.extend(loaded.problems);
            }
            (_, "described.txt") => {
                let source = add(&mut sources, SourceKind::Log);
                let (pods, events) = artifact::oom::described(source, &file.text);
                memory.pods.extend(pods);
                memory.events.extend(events);
            }
            (Some(Need::Manifest), _) => {
                let name = file.name.clone();
                // A file in a folder is one that walking found.
                let named = !name.contains('/');
                let file = ManifestFile { named, ..ManifestFile::text(name, file.text.clone()) };
                let loaded = load_manifests(&[file], &mut sources, &Options::default());
                objects.extend(loaded.objects);
                problems.extend(loaded.problems);
            }
            (Some(Need::Dockerfile), _) => {
                let text = Arc::from(file.text.as_str());
                let mut source = Source::text(file.name.clone(), SourceKind::Dockerfile, text);
                source.mask(&dockerfile::secrets::spans(&file.text));
                let id = sources.add(source);
                let limits = dockerfile::Limits::default();
                let (build, found) = dockerfile::load(id, &file.text, None, &limits);
                builds.extend(build);
                problems.extend(found);
            }
            (Some(Need::Binary), _) => {
                let binary = binary_toml::load(&mut sources, &file.text);
                binaries.push(binary);
            }
            (Some(Need::Process), _) => {
                let source = add(&mut sources, SourceKind::Proof);
                let loaded = artifact::proof::load(source, file.text.as_bytes(), &[]);
                proofs.push(loaded.unwrap_or_else(|problem| panic!("{}", problem.message)));
            }
            (Some(Need::Log), name) if name.ends_with(".strace") => {
                let source = add(&mut sources, SourceKind::Log);
                let log = artifact::syscall_log::read(source, file.text.as_bytes(), &|_| true);
                syscalls.push(log.unwrap());
            }
            (Some(Need::Log), _) => {
                let source = add(&mut sources, SourceKind::Log);
                let log = artifact::runtime_log::read(source, file.text.as_bytes(), &|_| true);
                logs.push(log.unwrap());
            }
            (Some(Need::Counters), _) => {
                let source = add(&mut sources, SourceKind::Log);
                let bytes = file.text.as_bytes();
                let form = goformats::counters::form(bytes).unwrap();
                let snapshot = goformats::counters::read(bytes, form).unwrap();
                counters.push(Counted { source, snapshot });
            }
            (Some(Need::Image), _) => images.push(image_toml::load(&mut sources, &file.text)),
            (None, "provost.toml") => {
                let id = add(&mut sources, SourceKind::Config);
                let loaded = config::load(id, &file.text, DATE);
                assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
                settings = loaded.settings;
                selection.levels = loaded.levels;
                ignores = loaded.ignores;
            }
            (None, "baseline.json") => {
                let id = add(&mut sources, SourceKind::Flag);
                let known = Baseline::read(file.text.as_bytes()).unwrap();
                former = known.former(&Origin::whole(id));
            }
            (None, "profile") => {
                selection.profile = match file.text.trim() {
                    "strict" => Profile::Strict,
                    "house" => Profile::House,
                    other => panic!("unknown profile {other}"),
                };
            }
            (None, "context") => context = Some(file.text.clone()),
            (None, ".dockerignore" | "go.mod") => {
                texts.push((file.name.clone(), file.text.clone()))
            }
            (None, "world") => {
                assert_eq!(file.text.trim(), "closed");
                closed_world = true;
            }
            (None, other) => panic!("a block named {other} is no artifact"),
        }
    }
    if context.is_some() || texts.iter().any(|(name, _)| name == "go.mod") {
        let context = context.unwrap_or_default();
        let listed = dockerfile::context::tests::Listed {
            shown: ".".to_owned(),
            paths: context.lines().map(str::to_owned).collect(),
            texts,
        };
        let trees: Vec<Box<dyn dockerfile::context::Tree>> = vec![Box::new(listed)];
        // A case may be loaded without its Dockerfile.
        if let Some(build) = builds.first_mut() {
            dockerfile::context::state(build, &trees, &[], "Dockerfile", &mut sources);
        }
    }
    settings.closed_world |= closed_world;
    settings.former_programs = former;
    let world = World {
        memory,
        sources,
        objects,
        binaries,
        builds,
        images,
        proofs,
        logs,
        counters,
        syscalls,
        settings,
        problems,
    };
    Loaded { world, selection, ignores }
}
