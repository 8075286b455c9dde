//! The join: one container of one workload with everything that is true of it.
//!
//! [`World`] holds all facts of a run. [`Case`] is a view of it from one container: the binary and
//! Dockerfile that were bound to it (and why), the objects that select it, its effective
//! environment and command line. A join that cannot be made is a fact too: asking for it answers
//! [`Abstain`], which a rule passes on with `?`.

pub mod alternatives;
pub mod balancers;
pub mod binding;
pub mod blocked;
pub mod builder;
mod came_up;
pub mod command;
pub mod compared;
pub mod confine;
pub mod counters;
pub mod crash;
pub mod declared;
pub mod env;
pub mod fields;
pub mod growth;
mod heard;
pub mod hides;
mod hooks;
pub mod image;
pub mod image_contents;
pub mod image_user;
pub mod joins;
pub mod labelled;
pub mod lifecycle;
pub mod limits;
pub mod listen;
pub mod load;
pub mod log;
pub mod logged;
pub mod measured;
pub mod memory;
pub mod mesh;
pub mod near;
pub mod network;
pub mod outages;
mod patched;
pub mod process;
mod programs;
pub mod provenance;
pub mod provided;
pub mod queried;
pub mod quota;
pub mod readers;
pub mod references;
pub mod removal;
pub mod resources;
pub mod rollouts;
pub mod routes;
pub mod runtime;
#[cfg(test)]
pub(crate) mod sample;
pub mod scale;
pub mod scope;
pub mod scraped;
mod searches;
mod served;
pub mod servers;
pub mod spread;
pub mod start;
pub mod syscalls;
pub mod telemetry;
pub mod text;
pub mod tools;
pub mod traced;
pub mod trials;
pub mod unanswered;
mod units;
pub mod volumes;
mod workload;

use std::cell::OnceCell;
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::artifact::{Problem, Sources};
use crate::facts::SourceId;
use crate::facts::binary::{Binary, GoProgram};
use crate::facts::build::Build;
use crate::facts::counters::Counted;
use crate::facts::image::Image;
use crate::facts::objects::{Object, PortRef, Service};
use crate::facts::oom::Memory;
use crate::facts::proof::Measured;
use crate::facts::runtime_log::RuntimeLog;
use crate::facts::settings::{self, Settings};
use crate::facts::syscall_log::SyscallLog;
use crate::facts::workload::{Container, ContainerRole, PodTemplate, SecurityContext, Workload};
use crate::findings::{Abstain, Reason};
use crate::model::qos::Class;
use crate::model::schema::structure_of;
use binding::{Binding, Bindings};
use joins::Joins;
use provided::Provided;
use rollouts::Rollouts;
use scope::Scope;

pub use programs::{BuildCase, ProgramCase, go_program};
pub use searches::{MOST_PREFIXES, is_looked_for};
pub use workload::WorkloadCase;

/// Index of an object in [`World::objects`].
pub type ObjectId = usize;

/// All facts of one run.
#[derive(Debug)]
pub struct World {
    /// Inputs.
    pub sources: Sources,
    /// Kubernetes objects in input order.
    pub objects: Vec<Object>,
    /// Executables.
    pub binaries: Vec<Binary>,
    /// Dockerfiles.
    pub builds: Vec<Build>,
    /// Container images.
    pub images: Vec<Image>,
    /// Processes that were measured.
    pub proofs: Vec<Measured>,
    /// Logs that a runtime wrote.
    pub logs: Vec<RuntimeLog>,
    /// What kernels, cgroups and clusters say of memory that ran out.
    pub memory: Memory,
    /// What runtimes counted until a moment.
    pub counters: Vec<Counted>,
    /// Logs of system calls.
    pub syscalls: Vec<SyscallLog>,
    /// Configuration.
    pub settings: Settings,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

impl World {
    /// Nothing yet but the inputs and what is configured.
    pub fn new(sources: Sources, settings: Settings) -> Self {
        Self {
            sources,
            objects: Vec::new(),
            binaries: Vec::new(),
            builds: Vec::new(),
            images: Vec::new(),
            proofs: Vec::new(),
            logs: Vec::new(),
            memory: Memory::default(),
            counters: Vec::new(),
            syscalls: Vec::new(),
            settings,
            problems: Vec::new(),
        }
    }
}

/// A [`World`] with its joins computed once.
#[derive(Debug)]
pub struct Joined<'w> {
    /// The facts.
    pub world: &'w World,
    /// Selectors, targets and names between objects.
    pub joins: Joins<'w>,
    /// Which binary and Dockerfile belongs to which container.
    pub bindings: Bindings,
    /// ConfigMaps and Secrets, by name.
    pub provided: Provided,
    /// Which files are applied together.
    pub scope: Scope,
    /// What controllers make, and what autoscalers of KEDA's scale.
    pub made: references::Made<'w>,
    /// DestinationRules and ServiceEntries by the hosts they are about.
    pub hosts: mesh::Hosts<'w>,
    /// Who uses which analysis.
    pub rollouts: Rollouts,
    /// Containers whose programs are asked about too much.
    searches: searches::Searches,
    /// Environments that were composed already.
    environments: env::Composed,
    /// Classes of service by workload.
    classes: Vec<OnceLock<Class>>,
    /// How workloads are in a mesh.
    meshed: Vec<OnceLock<Result<mesh::Meshed, Abstain>>>,
    /// Objects by input, of inputs that kustomizations patch.
    patched: OnceLock<FxHashMap<SourceId, Vec<ObjectId>>>,
    /// Which objects that were said to exist something has asked for.
    declared: declared::Declared,
    /// Cgroups by the logs of processes that ran in them.
    quotas: OnceLock<quota::Quotas>,
    /// Monitors of the Prometheus operator.
    monitors: OnceLock<Vec<ObjectId>>,
}

impl<'w> Joined<'w> {
    /// Computes every join.
    pub fn new(world: &'w World) -> Self {
        let scope = Scope::new(&world.sources);
        let joins = Joins::new(world, &scope);
        let bindings = Bindings::new(world);
        let searches = searches::Searches::new(world, &bindings);
        let provided = Provided::new(world);
        let environments = env::Composed::new(world);
        let classes = vec![OnceLock::new(); world.objects.len()];
        let meshed = vec![OnceLock::new(); world.objects.len()];
        let rollouts = Rollouts::new(world, &joins, &scope);
        Self {
            world,
            joins,
            bindings,
            provided,
            scope,
            made: references::Made::new(world),
            hosts: mesh::Hosts::new(world),
            rollouts,
            searches,
            environments,
            classes,
            meshed,
            patched: OnceLock::new(),
            declared: declared::Declared::new(&world.settings),
            quotas: OnceLock::new(),
            monitors: OnceLock::new(),
        }
    }

    /// The object of that kind and name which is applied together with the one that names it;
    /// unknown when several are equally near.
    pub fn named(
        &self,
        from: &Object,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Result<Option<&'w Object>, Abstain> {
        let found = self.named_id(from, namespace, kind, name)?;
        Ok(found.and_then(|id| self.world.objects.get(id)))
    }

    /// The same, by its number.
    pub fn named_id(
        &self,
        from: &Object,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Result<Option<ObjectId>, Abstain> {
        let world = self.world;
        let found = self.joins.named_from(world, &self.scope, from, namespace, kind, name);
        let source = |id: &ObjectId| world.objects.get(*id).map(|object| object.document.source);
        let Some((first, others)) = found.split_first() else { return Ok(None) };
        // One file twice is applied twice: the last would win, and either is in force at a time.
        if others.iter().any(|other| source(other) != source(first)) {
            return Err(Abstain::unknown(Reason::Alternatives, format!("{kind} {name}")));
        }
        Ok(Some(*first))
    }

    /// Whether both objects are certainly applied together.
    pub fn together(&self, a: &Object, b: &Object) -> bool {
        self.scope.together(a.document.source, b.document.source)
    }

    /// Whether both objects may well be applied together.
    pub fn may_be_together(&self, a: &Object, b: &Object) -> bool {
        self.scope.distance(a.document.source, b.document.source) < scope::Distance::Apart
    }

    /// Whether one object may well find the other by its name: what a generator makes is there for
    /// those that its kustomization reaches.
    pub fn may_name(&self, from: &Object, named: &Object) -> bool {
        match named.generated {
            Some(_) => self.together(from, named),
            None => self.may_be_together(from, named),
        }
    }

    /// Unknown when an object that `is_meant` matches this one and is not known to be applied
    /// together with it: then its absence proves nothing.
    pub fn nothing_passed_over(
        &self,
        id: ObjectId,
        is_meant: impl Fn(&Object) -> bool,
    ) -> Result<(), Abstain> {
        self.selection_is_known(id)?;
        let over = self.joins.passed_over(id).iter().filter_map(|id| self.world.objects.get(*id));
        match over.into_iter().find(|object| is_meant(object)) {
            Some(object) => Err(Abstain::unknown(
                Reason::Alternatives,
                format!("whether {} is applied with it", object.subject()),
            )),
            None => Ok(()),
        }
    }

    /// Unknown when there are too many selectors and pod templates of one label to join them all.
    pub fn selection_is_known(&self, id: ObjectId) -> Result<(), Abstain> {
        if self.joins.is_untried(id) {
            let what = "which of thousands of selectors match which of thousands of pod templates";
            return Err(Abstain::unknown(Reason::LimitReached, what));
        }
        Ok(())
    }

    /// Lets go of what was worked out for the rules of one object.
    pub fn forget(&self, id: ObjectId) {
        self.environments.forget(id);
    }

    /// Every container of every workload.
    pub fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        self.workloads().flat_map(WorkloadCase::into_containers)
    }

    /// Every workload.
    pub fn workloads(&self) -> impl Iterator<Item = WorkloadCase<'_>> {
        self.world.objects.iter().enumerate().filter_map(|(id, object)| {
            let workload = object.workload()?;
            Some(WorkloadCase { joined: self, id, object, workload })
        })
    }
}

/// One object of any kind.
#[derive(Debug)]
pub struct ObjectCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// Its index.
    pub id: ObjectId,
    /// The object.
    pub object: &'w Object,
    /// Several rules ask where it deviates from the schema of its kind.
    deviations: OnceCell<Vec<fields::Deviation<'w>>>,
}

impl<'w> ObjectCase<'w> {
    /// The object of that index.
    pub fn new(joined: &'w Joined<'w>, id: ObjectId, object: &'w Object) -> Self {
        Self { joined, id, object, deviations: OnceCell::new() }
    }

    /// Every key and value that does not fit the schema of its kind, as [`fields::deviations`] has
    /// it. None of a kind whose schema is not known.
    pub fn deviations(&self) -> &[fields::Deviation<'w>] {
        self.deviations.get_or_init(|| {
            let meta = &self.object.meta;
            let structure = structure_of(&meta.api_version.value, &meta.kind.value);
            let node = self.object.node();
            structure.map(|structure| fields::deviations(node, structure)).unwrap_or_default()
        })
    }

    /// All facts.
    pub fn world(&self) -> &'w World {
        self.joined.world
    }

    /// Workloads whose pods the object's selector matches, in input order.
    pub fn selected(&self) -> impl Iterator<Item = WorkloadCase<'w>> {
        let joined = self.joined;
        joined.joins.selected_by(self.id).iter().filter_map(move |id| joined.workload(*id))
    }
}

impl<'w> Joined<'w> {
    /// The workload of that index.
    pub fn workload(&'w self, id: ObjectId) -> Option<WorkloadCase<'w>> {
        let object = self.world.objects.get(id)?;
        Some(WorkloadCase { joined: self, id, object, workload: object.workload()? })
    }
}

/// Services of one pod that each of its containers is compared with.
const MOST_SERVICES: usize = 256;

/// One container of one workload, with everything that joins to it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'w> {
    /// Its workload.
    pub of: WorkloadCase<'w>,
    /// The container.
    pub container: &'w Container,
    /// Its index among the pod's containers.
    pub index: usize,
    binding: Option<&'w Binding>,
}

impl<'w> Case<'w> {
    /// All facts.
    pub fn world(&self) -> &'w World {
        self.of.joined.world
    }

    /// What was bound to this container, and why.
    pub fn binding(&self) -> Option<&'w Binding> {
        self.binding
    }

    /// Configuration.
    pub fn settings(&self) -> &'w Settings {
        &self.world().settings
    }

    /// Services that select the pod, where they can be compared with each of its containers:
    /// unknown beyond [`MOST_SERVICES`], since the work would be the product of the two.
    pub fn services(&self) -> Result<impl Iterator<Item = (&'w Object, &'w Service)>, Abstain> {
        self.of.joined.selection_is_known(self.of.id)?;
        let services = self.of.services();
        if self.of.services().nth(MOST_SERVICES).is_some() {
            let what =
                format!("more than {MOST_SERVICES} Services of {}", self.of.object.subject());
            return Err(Abstain::unknown(Reason::LimitReached, what));
        }
        Ok(services)
    }

    /// The workload.
    pub fn workload(&self) -> &'w Workload {
        self.of.workload
    }

    /// The pod.
    pub fn pod(&self) -> &'w PodTemplate {
        &self.of.workload.pod
    }

    /// `NS/KIND/NAME/CONTAINER`
    pub fn subject(&self) -> String {
        format!("{}/{}", self.of.object.subject(), self.container.name())
    }

    /// Whether a binary or Dockerfile was bound to this container, or it is the one that would get
    /// it: the pod's own program rather than a sidecar, init or debug container.
    pub fn is_target(&self) -> bool {
        self.binding.is_some_and(|b| b.is_target)
    }

    /// Answers `NotApplicable` for init, sidecar and ephemeral containers.
    pub fn main_only(&self) -> Result<(), Abstain> {
        match self.container.role {
            ContainerRole::Main if !binding::is_known_sidecar(self.container) => Ok(()),
            _ => Err(Abstain::NotApplicable),
        }
    }

    /// Answers `NotApplicable` for Jobs and CronJobs.
    pub fn not_batch(&self) -> Result<(), Abstain> {
        if self.workload().kind.is_batch() { Err(Abstain::NotApplicable) } else { Ok(()) }
    }

    /// The executable of this container. `NotApplicable` for containers that are not the target.
    pub fn binary(&self) -> Result<&'w Binary, Abstain> {
        let binding = self.binding.ok_or(Abstain::NotApplicable)?;
        if !binding.is_target {
            return Err(Abstain::NotApplicable);
        }
        match binding.binary {
            Some(index) => self
                .world()
                .binaries
                .get(index)
                .ok_or_else(|| Abstain::unknown(Reason::NoBinary, "the container's program")),
            None => {
                let several = !binding.several.is_empty();
                let reason = if several { Reason::SeveralBinaries } else { Reason::NoBinary };
                Err(Abstain::unknown(reason, "the container's program"))
            }
        }
    }

    /// The Go side of the executable.
    pub fn program(&self) -> Result<&'w GoProgram, Abstain> {
        go_program(self.binary()?)
    }

    /// The Go side of the executable, when there is one.
    pub fn known_program(&self) -> Option<&'w GoProgram> {
        self.program().ok()
    }

    /// The Dockerfile that builds this container's image. `NotApplicable` for other containers
    /// than the target.
    pub fn build(&self) -> Result<&'w Build, Abstain> {
        let binding = self.binding.ok_or(Abstain::NotApplicable)?;
        match binding.build {
            Some(index) => self
                .world()
                .builds
                .get(index)
                .ok_or_else(|| Abstain::unknown(Reason::NoDockerfile, "the container's image")),
            None if binding.is_target => {
                Err(Abstain::unknown(Reason::NoDockerfile, "the container's image"))
            }
            None => Err(Abstain::NotApplicable),
        }
    }

    /// Container security context over the pod's.
    pub fn security(&self) -> SecurityContext {
        self.container.security.over(&self.pod().security)
    }

    /// The `[[service]]` entry of this container, if configured.
    pub fn service_settings(&self) -> Option<&'w settings::Service> {
        self.binding.and_then(|b| b.service).and_then(|i| self.settings().services.get(i))
    }

    /// Whether a Service (or an Ingress through one) sends it traffic.
    pub fn behind_service(&self) -> bool {
        self.of.first_service().is_some()
    }
}

impl Case<'_> {
    /// Whether this container declares the port a Service or probe refers to.
    pub fn serves_port(&self, port: &PortRef) -> bool {
        self.container.declares(port)
    }
}
