//! Which image belongs to which container.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bindings, Candidate, ambiguity, by, choose, program_name};
use crate::case::units::{Unit, Units, image_unit, repositories};
use crate::case::{ObjectId, World};
use crate::facts::SourceId;
use crate::facts::workload::{Container, ContainerRole};
use crate::model::names::ImageRef;

impl Bindings {
    /// Binds images: by the reference that a container names, by names, or the only one. The
    /// program in the image is then what the container runs.
    pub(super) fn bind_images(&mut self, world: &World, candidates: &[Candidate<'_>]) {
        let images: Vec<Unit> = world.images.iter().map(image_unit).collect();
        let sources: BTreeMap<SourceId, usize> =
            world.images.iter().enumerate().rev().map(|(i, image)| (image.source, i)).collect();
        let mut programs = BTreeMap::new();
        for (b, binary) in world.binaries.iter().enumerate() {
            if let Some(image) = binary.in_image.and_then(|source| sources.get(&source)) {
                self.image_of_binary.insert(b, *image);
                programs.entry(*image).or_insert(b);
            }
        }
        let repositories = repositories(&world.images);
        let named = Units::new(&images);
        let one_repository = {
            let repositories: BTreeSet<_> =
                candidates.iter().map(|c| c.image.as_ref().map(ImageRef::repository)).collect();
            repositories.len() == 1
        };
        let mut bound = BTreeSet::new();
        for candidate in candidates {
            let wanted = candidate.image.as_ref();
            let equal = wanted.and_then(|image| *repositories.get(image.repository())?);
            let by_reference = equal
                .map(|i| (i, format!("its image is the repository of {}", world.images[i].path)));
            let configured = self.slot(candidate).and_then(|slot| slot.image);
            let chosen = match configured {
                Some(index) => Some((index, None)),
                None => by_reference
                    .or_else(|| choose(candidate, &named, by(candidate, one_repository)))
                    .map(|(index, because)| (index, Some(because))),
            };
            let Some((index, because)) = chosen else { continue };
            bound.insert(index);
            let program = programs.get(&index).copied();
            let Some(slot) = self.slot(candidate) else { continue };
            slot.image = Some(index);
            slot.because.extend(because);
            let Some(program) = program else { continue };
            let given = slot.binary.replace(program).filter(|given| *given != program);
            if let Some(given) = given.filter(|given| world.binaries[*given].in_image.is_none()) {
                self.image_runs.entry(given).or_insert(program);
            }
        }
        self.find_in_images(world);
        self.bind_others(world, &mut bound);
        if candidates.is_empty() {
            return;
        }
        let unbound = images.iter().enumerate().filter(|(i, _)| !bound.contains(i));
        let ambiguities: Vec<_> = unbound
            .map(|(_, unit)| ambiguity(&unit.subject, &unit.title, &unit.origin, candidates))
            .collect();
        self.ambiguities.extend(ambiguities);
    }

    /// Containers beside the pod's own, such as an init container that migrates a database, run what was
    /// given only where they name the very image: one of its references, or that of a container which it was
    /// found for. Names alone say nothing of them.
    fn bind_others(&mut self, world: &World, bound: &mut BTreeSet<usize>) {
        let parse = |text: &str| ImageRef::parse(text).ok();
        let mut references: BTreeMap<ImageRef, Option<usize>> = BTreeMap::new();
        let mut add = |reference: ImageRef, index: usize| {
            let only = references.entry(reference).or_insert(Some(index));
            *only = only.filter(|known| *known == index);
        };
        for (index, image) in world.images.iter().enumerate() {
            image.names.iter().filter_map(|name| parse(name)).for_each(|name| add(name, index));
        }
        let containers = |id: ObjectId| {
            let object = world.objects.get(id).filter(|object| !object.is_helm_hook());
            let workload = object.and_then(|object| object.workload());
            workload.map_or(&[][..], |workload| &workload.pod.containers)
        };
        let image_of = |container: &Container| parse(&container.image.as_ref()?.value);
        for (id, bindings) in self.by_workload.iter().enumerate() {
            for (container, binding) in containers(id).iter().zip(bindings) {
                if let Some((index, reference)) = binding.image.zip(image_of(container)) {
                    add(reference, index);
                }
            }
        }
        if references.is_empty() {
            return;
        }
        for (id, bindings) in self.by_workload.iter_mut().enumerate() {
            for (container, binding) in containers(id).iter().zip(bindings) {
                let other = matches!(container.role, ContainerRole::Init | ContainerRole::Sidecar);
                if !other || binding.image.is_some() {
                    continue;
                }
                let same = image_of(container).and_then(|reference| *references.get(&reference)?);
                if let Some(index) = same {
                    binding.image = Some(index);
                    binding.because.push(format!("its image is {}", world.images[index].path));
                    bound.insert(index);
                }
            }
        }
    }

    /// A binary that no container got because the image has the same program is the one that its image
    /// runs: names alone cannot tell the two apart.
    fn find_in_images(&mut self, world: &World) {
        let run: BTreeSet<usize> =
            self.by_workload.iter().flatten().filter_map(|b| b.binary).collect();
        let inside: Vec<usize> =
            run.iter().copied().filter(|b| world.binaries[*b].in_image.is_some()).collect();
        let mut by_program: BTreeMap<&str, usize> = BTreeMap::new();
        for binary in inside {
            by_program.entry(program_name(&world.binaries[binary])).or_insert(binary);
        }
        for (b, binary) in world.binaries.iter().enumerate() {
            if binary.in_image.is_none()
                && !run.contains(&b)
                && let Some(same) = by_program.get(program_name(binary))
            {
                self.image_runs.entry(b).or_insert(*same);
            }
        }
    }
}
