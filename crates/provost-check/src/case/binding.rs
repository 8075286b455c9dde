//! Which binary and which Dockerfile belong to which container, and why.
//!
//! In order, the first that gives exactly one answer: `--container` and `provost.toml`; the
//! program that the container's command names; the last element of its image repository (of several
//! programs that go by one name `several.rs` finds the one); being the
//! only candidates on both sides; the names of container and workload. The last two tell nothing of
//! an official image such as a database, and being the only one tells nothing of an image that a known
//! publisher pushes. What stays ambiguous is said, never guessed.

mod configured;
mod images;
mod measured;
mod several;

use std::collections::{BTreeMap, BTreeSet};

use configured::names_container;

use super::provenance::difference;
use super::units::{Unit, Units, binary_unit, build_unit, is_run_by};
use super::{ObjectId, World};
use crate::facts::binary::Binary;
use crate::facts::build::Build;
use crate::facts::workload::{Container, ContainerRole};
use crate::facts::{Object, Origin, SourceId};
use crate::model::names::{ImageRef, base_name};
use crate::model::published::{Publisher, publisher};

/// What was bound to one container.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// This container runs, or may run, the service's own program.
    pub is_target: bool,
    /// Index in [`World::binaries`].
    pub binary: Option<usize>,
    /// Index in [`World::builds`].
    pub build: Option<usize>,
    /// Index in [`World::images`].
    pub image: Option<usize>,
    /// Index in `Settings::services`.
    pub service: Option<usize>,
    /// Indices of binaries any of which it may run, where nothing tells them apart.
    pub several: Vec<usize>,
    /// Why, in sentences for the report.
    pub because: Vec<String>,
}

impl Binding {
    /// Whether anything of the input is what it runs, or one of several is.
    fn is_bound(&self) -> bool {
        let one = self.binary.is_some() || self.build.is_some() || self.image.is_some();
        one || !self.several.is_empty()
    }
}

/// Several candidates fit one place.
#[derive(Clone, Debug)]
pub struct Ambiguity {
    /// The artifact that could be bound in several ways, or not at all.
    pub subject: String,
    /// Its place.
    pub origin: Origin,
    /// What fits, in a sentence.
    pub message: String,
    /// The containers that fit, or the binaries.
    pub candidates: Vec<Origin>,
    /// What it is that was not bound.
    pub what: Unbound,
}

/// What no container was found for, or only one by a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// A binary, a Dockerfile, an image, an entry of provost.toml.
    Artifact,
    /// A container that may run any of several binaries, which are the candidates.
    Container,
    /// A process that was measured.
    Proof,
    /// Such a process, which is held against another container than it was measured as.
    Guessed,
}

/// All bindings of a run.
#[derive(Debug, Default)]
pub struct Bindings {
    /// By object; empty for those that are no workload.
    by_workload: Vec<Vec<Binding>>,
    /// What could not be decided.
    pub ambiguities: Vec<Ambiguity>,
    /// By proof.
    by_proof: Vec<Option<(ObjectId, usize)>>,
    binary_of_build: BTreeMap<usize, usize>,
    build_of_binary: BTreeMap<usize, usize>,
    image_of_binary: BTreeMap<usize, usize>,
    /// By a binary that was given for a container, the program of the image that the container runs.
    image_runs: BTreeMap<usize, usize>,
    /// By Dockerfile, programs that nothing tells apart of which it may have built each.
    several_of_build: BTreeMap<usize, Vec<usize>>,
    /// By Dockerfile, sentences on programs that are named like what it builds and that it did not build.
    not_built: BTreeMap<usize, Vec<String>>,
}

/// The unit chosen for a container, and why.
type Choice = Option<(usize, String)>;

/// A container that may run the service's own program.
struct Candidate<'w> {
    workload: ObjectId,
    index: usize,
    container: &'w Container,
    image: Option<ImageRef>,
    /// Base name of `command[0]`, or of `args[0]` where that is a path.
    command: Option<&'w str>,
    workload_name: &'w str,
    subject: String,
    /// Who publishes its image, where that is known: then it is rarely built from the input.
    publisher: Option<Publisher>,
}

impl Bindings {
    /// Binds binaries and Dockerfiles to containers.
    pub fn new(world: &World) -> Self {
        let mut bindings = Self::default();
        let unbound = |object: &Object| {
            let containers = object.workload().map_or(0, |workload| workload.pod.containers.len());
            vec![Binding::default(); containers]
        };
        bindings.by_workload = world.objects.iter().map(unbound).collect();
        let settings = &world.settings;
        if world.binaries.is_empty()
            && world.builds.is_empty()
            && world.images.is_empty()
            && settings.services.is_empty()
            && settings.container.is_none()
        {
            // Nothing can be bound: every candidate may be the one, and no name has to be compared.
            for (workload, index) in may_be_bound(world) {
                bindings.by_workload[workload][index].is_target = true;
            }
            bindings.bind_proofs(world);
            return bindings;
        }
        let from: BTreeMap<SourceId, usize> =
            world.builds.iter().enumerate().rev().map(|(d, build)| (build.source, d)).collect();
        let built_from = |binary: &Binary| from.get(&binary.built_from?).copied();
        let unit = |b: &Binary| binary_unit(b, built_from(b).and_then(|d| world.builds.get(d)));
        let mut binaries: Vec<Unit> = world.binaries.iter().map(unit).collect();
        let candidates = candidates(world);
        configured::mark_those_of_others(world, &candidates, &mut binaries);
        let builds = build_units(world, &from);
        let (named_binaries, named_builds) = (Units::new(&binaries), Units::new(&builds));
        bindings.pair(world, &binaries, &named_builds, built_from);
        bindings.settle(world, &binaries);
        bindings.bind_configured(world, &candidates, &binaries, &builds);
        let one_repository = {
            let repositories: BTreeSet<_> =
                candidates.iter().map(|c| c.image.as_ref().map(ImageRef::repository)).collect();
            repositories.len() == 1
        };
        for candidate in &candidates {
            let by = by(candidate, one_repository);
            let binary = choose(candidate, &named_binaries, by)
                .filter(|(b, _)| !bindings.runs_another(candidate, *b, world, &binaries));
            let build = choose(candidate, &named_builds, by);
            bindings.apply(candidate, binary, build);
        }
        bindings.bind_by_tag(world, &candidates, &named_binaries);
        bindings.complete_pairs(&candidates, world, &binaries, &builds);
        bindings.bind_images(world, &candidates);
        bindings.bind_by_file(world, &candidates, &named_binaries);
        bindings.mark_targets(&candidates);
        bindings.report_unbound(world, &candidates, &binaries, &builds);
        bindings.bind_proofs(world);
        bindings
    }

    /// Bindings of a workload's containers, in container order.
    pub fn of(&self, workload: ObjectId) -> Option<&[Binding]> {
        self.by_workload.get(workload).map(Vec::as_slice)
    }

    /// The executable the image of a Dockerfile runs.
    pub fn binary_of_build(&self, build: usize) -> Option<usize> {
        self.binary_of_build.get(&build).copied()
    }

    /// The Dockerfile whose image runs an executable.
    pub fn build_of_binary(&self, binary: usize) -> Option<usize> {
        self.build_of_binary.get(&binary).copied()
    }

    /// The image whose entrypoint an executable is.
    pub fn image_of_binary(&self, binary: usize) -> Option<usize> {
        self.image_of_binary.get(&binary).copied()
    }

    /// The program in the image of the container that a binary was given for: what runs in its place.
    pub fn run_instead(&self, binary: usize) -> Option<usize> {
        self.image_runs.get(&binary).copied()
    }

    /// Pairs binaries with Dockerfiles: built by it, of the same name, or the only ones.
    fn pair(
        &mut self,
        world: &World,
        binaries: &[Unit],
        builds: &Units<'_>,
        built_from: impl Fn(&Binary) -> Option<usize>,
    ) {
        for (b, binary) in world.binaries.iter().enumerate() {
            let by_name = || builds.only(binaries[b].names.iter().map(String::as_str));
            let only = || {
                let one = binaries.len() == 1 && builds.all.len() == 1;
                (one && !binaries[b].of_another).then_some(0)
            };
            // Of several images of the file that built it, the one that starts it.
            let starts = |d: usize| {
                let of_file = |at: &usize| world.builds[*at].source == world.builds[d].source;
                let mut those = (0..builds.all.len()).filter(of_file);
                those.find(|at| is_run_by(&world.builds[*at], &binaries[b])).unwrap_or(d)
            };
            if let Some(d) = built_from(binary).map(starts).or_else(by_name).or_else(only) {
                self.build_of_binary.insert(b, d);
                // Of several programs of one image it is the one that its command names.
                if is_run_by(&world.builds[d], &binaries[b]) {
                    self.binary_of_build.insert(d, b);
                } else {
                    self.binary_of_build.entry(d).or_insert(b);
                }
            }
        }
    }

    /// Whether the container runs what its image runs, and that is another of the programs that
    /// `--build` made for that image.
    fn runs_another(
        &self,
        candidate: &Candidate<'_>,
        binary: usize,
        world: &World,
        binaries: &[Unit],
    ) -> bool {
        let build = self.build_of_binary(binary);
        let run = build.and_then(|d| Some((d, self.binary_of_build(d)?)));
        candidate.command.is_none()
            && world.binaries[binary].built_from.is_some()
            && run.is_some_and(|(d, run)| {
                run != binary && is_run_by(&world.builds[d], &binaries[run])
            })
    }

    fn slot(&mut self, candidate: &Candidate<'_>) -> Option<&mut Binding> {
        self.by_workload.get_mut(candidate.workload)?.get_mut(candidate.index)
    }

    fn apply(&mut self, candidate: &Candidate<'_>, binary: Choice, build: Choice) {
        let Some(slot) = self.slot(candidate) else { return };
        if let (None, Some((index, because))) = (slot.binary, &binary) {
            slot.binary = Some(*index);
            slot.because.push(because.clone());
        }
        if let (None, Some((index, because))) = (slot.build, &build) {
            slot.build = Some(*index);
            if !slot.because.contains(because) {
                slot.because.push(because.clone());
            }
        }
    }

    /// A container that has one half of a pair gets the other, unless names gave it another.
    fn complete_pairs(
        &mut self,
        candidates: &[Candidate<'_>],
        world: &World,
        binaries: &[Unit],
        builds: &[Unit],
    ) {
        let pairs = (self.binary_of_build.clone(), self.build_of_binary.clone());
        let not_built = self.not_built.clone();
        for candidate in candidates {
            let Some(slot) = self.slot(candidate) else { continue };
            match (slot.binary, slot.build) {
                // One image may hold several programs: a container whose command names another one
                // does not run the one that the image runs by itself.
                (None, Some(d))
                    if candidate.command.is_some_and(|command| {
                        builds[d].names.contains(command)
                            && pairs
                                .0
                                .get(&d)
                                .is_some_and(|b| !binaries[*b].names.contains(command))
                    }) => {}
                (None, Some(d)) => {
                    slot.binary = pairs.0.get(&d).copied();
                    slot.because.extend(not_built.get(&d).into_iter().flatten().cloned());
                    if let Some(b) = slot.binary {
                        let built = world.binaries[b].built_from.is_some();
                        slot.because.push(if built {
                            "the binary was built by this Dockerfile's go build".to_owned()
                        } else {
                            format!("{} goes with the Dockerfile", world.binaries[b].path)
                        });
                    }
                }
                (Some(b), None) => slot.build = pairs.1.get(&b).copied(),
                _ => {}
            }
            if let (Some(b), Some(d)) = (slot.binary, slot.build)
                && let Some(differs) = difference(&world.builds[d], &world.binaries[b])
            {
                slot.because.push(format!(
                    "though the binary may be another one than the Dockerfile builds: it was built \
                     with {}, the Dockerfile builds with {}",
                    differs.found, differs.wanted
                ));
            }
        }
    }

    /// Bound containers are targets. So are unbound ones, unless others were bound and this one's
    /// image comes from elsewhere (a database, a cache): they may run a program that was not given.
    fn mark_targets(&mut self, candidates: &[Candidate<'_>]) {
        let mut homes = BTreeSet::new();
        for candidate in candidates {
            let Some(slot) = self.slot(candidate) else { continue };
            if slot.is_bound() {
                homes.insert(candidate.image.as_ref().map(ImageRef::parent));
            }
        }
        for candidate in candidates {
            let home = candidate.image.as_ref().map(ImageRef::parent);
            let Some(slot) = self.slot(candidate) else { continue };
            slot.is_target = slot.is_bound() || homes.is_empty() || homes.contains(&home);
        }
    }

    /// Says which artifacts no container was found for, when there are containers.
    fn report_unbound(
        &mut self,
        world: &World,
        candidates: &[Candidate<'_>],
        binaries: &[Unit],
        builds: &[Unit],
    ) {
        if candidates.is_empty() {
            return;
        }
        let all = || self.by_workload.iter().flatten();
        let bound_binaries: BTreeSet<usize> = all().filter_map(|b| b.binary).collect();
        let bound_builds: BTreeSet<usize> = all().filter_map(|b| b.build).collect();
        let told: BTreeSet<usize> = all().flat_map(|b| &b.several).copied().collect();
        // Built because it is in an image that is run: that nothing runs it is no question.
        let spare = |i: usize| {
            world.binaries[i].built_from.is_some()
                && self.build_of_binary(i).is_some_and(|d| bound_builds.contains(&d))
        };
        let unbound_binaries = (0..binaries.len())
            .filter(|i| !bound_binaries.contains(i) && !spare(*i))
            // The image is asked about itself.
            .filter(|i| self.image_of_binary(*i).is_none())
            // The image has it, or another one in its place.
            .filter(|i| !self.image_runs.contains_key(i))
            // Its container, or the entry of provost.toml that names it, says so.
            .filter(|i| !told.contains(i) && !binaries[*i].of_another)
            .map(|i| &binaries[i]);
        // A Dockerfile whose binary is unbound too is the same question.
        let unbound_builds = (0..builds.len())
            .filter(|i| !bound_builds.contains(i) && self.binary_of_build(*i).is_none())
            .map(|i| &builds[i]);
        let ambiguities: Vec<_> = unbound_binaries
            .chain(unbound_builds)
            .map(|unit| ambiguity(&unit.subject, &unit.title, &unit.origin, candidates))
            .collect();
        self.ambiguities.extend(ambiguities);
    }
}

/// The Dockerfiles, each image of them by itself. What another image of the file goes by is no name of its default
/// one, which has all the rest.
fn build_units(world: &World, first: &BTreeMap<SourceId, usize>) -> Vec<Unit> {
    let is_first = |(index, build): &(usize, &Build)| first.get(&build.source) == Some(index);
    let builds = || world.builds.iter().enumerate();
    let unit = |(index, build)| build_unit(world, build, !is_first(&(index, build)));
    let mut units: Vec<Unit> = builds().map(unit).collect();
    for (_, build) in builds().filter(|it| !is_first(it)) {
        if let Some(unit) = first.get(&build.source).and_then(|at| units.get_mut(*at)) {
            unit.names.retain(|name| !build.target_names().contains(name));
        }
    }
    units
}

/// Says that no container was found for `title`, and which there are.
fn ambiguity(
    subject: &str,
    title: &str,
    origin: &Origin,
    candidates: &[Candidate<'_>],
) -> Ambiguity {
    let own: Vec<&Candidate<'_>> = candidates.iter().filter(|c| c.publisher.is_none()).collect();
    let candidates = if own.is_empty() { candidates.iter().collect() } else { own };
    let names: Vec<&str> = candidates.iter().take(4).map(|c| c.subject.as_str()).collect();
    let more = candidates.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ambiguity {
        subject: subject.to_owned(),
        origin: origin.clone(),
        message: format!(
            "no container was found for {title}: candidates are {}{more}",
            names.join(", ")
        ),
        candidates: candidates.iter().take(4).map(|c| c.container.origin.clone()).collect(),
        what: Unbound::Artifact,
    }
}

/// Whether a container of the input is the one that `wanted` (`NS/KIND/NAME/C`) names.
pub fn has_container(world: &World, wanted: &str) -> bool {
    world.objects.iter().any(|object| {
        object.workload().is_some_and(|workload| {
            let named = |c: &Container| {
                names_container(wanted, &format!("{}/{}", object.subject(), c.name()))
            };
            workload.pod.containers.iter().any(named)
        })
    })
}

/// What a unit may be chosen by.
#[derive(Clone, Copy)]
enum By {
    /// What the container runs, by its command and its image.
    Image,
    /// Names of container and workload, and there being no other, as well.
    All { one_repository: bool },
}

/// By what a container finds what it runs: that somebody else publishes its image says that nothing of the input is
/// in it.
fn by(candidate: &Candidate<'_>, one_repository: bool) -> By {
    match candidate.publisher {
        None => By::All { one_repository },
        Some(Publisher::OfRegistry) => By::All { one_repository: false },
        Some(Publisher::Docker) => By::Image,
    }
}

/// Picks the unit of a container by name; a name that fits several decides nothing.
fn choose(candidate: &Candidate<'_>, units: &Units<'_>, by: By) -> Choice {
    let named = |name: Option<&str>, because: &str| {
        let name = name?;
        let unit = units.only([name])?;
        Some((unit, format!("{because} {} ({name})", units.all[unit].title)))
    };
    let image_name = candidate.image.as_ref().map(ImageRef::base_name);
    let of_image = named(candidate.command, "its command names")
        .or_else(|| named(image_name, "its image is named like"));
    let By::All { one_repository } = by else { return of_image };
    of_image
        .or_else(|| {
            (units.all.len() == 1 && one_repository && !units.all[0].of_another)
                .then(|| (0, format!("{} is the only candidate", units.all[0].title)))
        })
        .or_else(|| named(Some(candidate.container.name()), "the container is named like"))
        .or_else(|| named(Some(candidate.workload_name), "the workload is named like"))
}

/// Workloads and containers that may run the service's own program.
fn may_be_bound(world: &World) -> impl Iterator<Item = (ObjectId, usize)> {
    world.objects.iter().enumerate().flat_map(|(id, object)| {
        let workload = object.workload().filter(|_| !object.is_helm_hook());
        let containers = workload.map_or(&[][..], |workload| &workload.pod.containers);
        let own = |c: &Container| c.role == ContainerRole::Main && !is_known_sidecar(c);
        containers
            .iter()
            .enumerate()
            .filter(move |(_, c)| own(c))
            .map(move |(index, _)| (id, index))
    })
}

fn candidates(world: &World) -> Vec<Candidate<'_>> {
    let candidate = |(id, index): (ObjectId, usize)| {
        let object: &Object = &world.objects[id];
        let container = object.workload()?.pod.containers.get(index)?;
        // Behind an ENTRYPOINT such as tini it is the first argument that names the program.
        let argument = || container.args.as_ref()?.first().filter(|a| a.value.starts_with('/'));
        let program = container.command.as_ref().and_then(|c| c.first()).or_else(argument);
        let image = container.image.as_ref().and_then(|i| ImageRef::parse(&i.value).ok());
        Some(Candidate {
            workload: id,
            index,
            container,
            publisher: image.as_ref().and_then(publisher),
            image,
            command: program.map(|p| base_name(&p.value)),
            workload_name: object.meta.name(),
            subject: format!("{}/{}", object.subject(), container.name()),
        })
    };
    may_be_bound(world).filter_map(candidate).collect()
}

/// What tells programs apart: the main package, or the file's name where there is none.
pub fn program_name(binary: &Binary) -> &str {
    let package = binary.go.as_ref().and_then(|go| go.main_package.as_ref());
    package.map_or_else(|| binary.path.rsplit(['/', ':']).next().unwrap_or_default(), |p| &p.value)
}

/// Names (container or image base name) of proxies and agents that ride along.
const KNOWN_SIDECARS: &[&str] = &[
    "cloud-sql-proxy",
    "cloudsql-proxy",
    "config-reloader",
    "envoy",
    "fluent-bit",
    "fluentd",
    "istio-init",
    "istio-proxy",
    "kube-rbac-proxy",
    "linkerd-init",
    "linkerd-proxy",
    "oauth2-proxy",
    "opentelemetry-collector",
    "otel-collector",
    "vault-agent",
];

/// Whether a container of that name is one that rides along: what a webhook may put into a pod.
pub fn is_sidecar_name(name: &str) -> bool {
    KNOWN_SIDECARS.contains(&name)
}

/// Whether a container is a known sidecar by its name or its image's base name.
pub fn is_known_sidecar(container: &Container) -> bool {
    if container.role == ContainerRole::Sidecar {
        return true;
    }
    let image = container.image.as_ref().map_or("", |image| image.value.as_str());
    let base = base_name(image.split('@').next().unwrap_or_default());
    let base = base.split(':').next().unwrap_or_default();
    KNOWN_SIDECARS.iter().any(|known| *known == container.name() || *known == base)
}
