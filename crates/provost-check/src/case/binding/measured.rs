//! Which container a process that was measured stands for. A proof names the container of the manifests that
//! it was measured with; those that it is held against may call it otherwise, in another stage or after a move
//! to a Rollout.

use super::{Ambiguity, Bindings, Candidate, Unbound, ambiguity, candidates, names_container};
use crate::case::{ObjectId, World};
use crate::facts::Origin;
use crate::facts::proof::Measured;

/// A container: its workload, and its index in the pod.
type Place = (ObjectId, usize);

impl Bindings {
    /// The container that a process stands for, by its index in [`World::proofs`].
    pub fn of_proof(&self, proof: usize) -> Option<(ObjectId, usize)> {
        *self.by_proof.get(proof)?
    }

    /// Finds the container of each proof, and says where it is another one than it names, or none.
    pub(super) fn bind_proofs(&mut self, world: &World) {
        if world.proofs.is_empty() {
            return;
        }
        let exact = |measured: &Measured| named(world, measured.proof.container.as_deref()?);
        self.by_proof = world.proofs.iter().map(exact).collect();
        let all = candidates(world);
        // What another proof names is that one's.
        let taken = self.by_proof.clone();
        let free: Vec<&Candidate<'_>> =
            all.iter().filter(|it| !taken.contains(&Some((it.workload, it.index)))).collect();
        for (index, measured) in world.proofs.iter().enumerate() {
            if all.is_empty() || taken.get(index).is_some_and(Option::is_some) {
                continue;
            }
            let name = measured.proof.container.as_deref();
            let chosen = self.stands_for(world, &free, measured);
            if let (Some((candidate, _)), Some(place)) = (&chosen, self.by_proof.get_mut(index)) {
                *place = Some((candidate.workload, candidate.index));
            }
            let subject = world.sources.get(measured.source).path.clone();
            let origin = Origin::whole(measured.source);
            let of = name.map_or(String::new(), |name| format!(", which was measured as {name}"));
            self.ambiguities.extend(match chosen {
                Some((_, None)) => None,
                Some((candidate, Some(because))) => Some(Ambiguity {
                    message: format!(
                        "what was measured of {} is held against {}, {because}",
                        name.unwrap_or(&measured.proof.program.path),
                        candidate.subject
                    ),
                    subject,
                    origin,
                    candidates: vec![candidate.container.origin.clone()],
                    what: Unbound::Guessed,
                }),
                None => {
                    let program = &measured.proof.program.path;
                    let title = format!("the process {program} of this proof{of}");
                    let what = Unbound::Proof;
                    Some(Ambiguity { what, ..ambiguity(&subject, &title, &origin, &all) })
                }
            });
        }
    }

    /// The one container that a process may stand for, and why, where that is worth a word.
    fn stands_for<'a, 'w>(
        &self,
        world: &World,
        free: &[&'a Candidate<'w>],
        measured: &Measured,
    ) -> Option<(&'a Candidate<'w>, Option<String>)> {
        let proof = &measured.proof;
        let bound = |it: &Candidate<'_>| {
            let slot = self.by_workload.get(it.workload)?.get(it.index)?;
            world.binaries.get(slot.binary?)
        };
        let digest = |it: &Candidate<'_>| bound(it)?.sha256.as_deref();
        let fits = |it: &&&Candidate<'_>| digest(it).is_none_or(|it| it == proof.program.sha256);
        let free: Vec<&Candidate<'_>> = free.iter().filter(fits).copied().collect();
        let only = |which: &dyn Fn(&Candidate<'_>) -> bool| {
            let mut found = free.iter().copied().filter(|it| which(it));
            found.next().map(|first| (first, found.next().is_none()))
        };
        let because = |text: &str| Some(text.to_owned());
        if let Some(wanted) = &world.settings.container {
            let (first, alone) = only(&|it| names_container(wanted, &it.subject))?;
            return alone.then_some((first, None));
        }
        let name = proof.container.as_deref();
        // A proof without a name is of a program alone: it goes where that goes.
        if name.is_none() && free.iter().any(|it| bound(it).is_some()) {
            let (first, alone) = only(&|it| bound(it).is_some())?;
            return alone.then_some((first, None));
        }
        let several = match only(&|it| digest(it).is_some()) {
            Some((first, true)) => {
                return Some((first, because("the only one that runs the same program")));
            }
            found => found.is_some(),
        };
        let same = |it: &Candidate<'_>| !several || digest(it).is_some();
        if let Some((namespace, _, workload, container)) = name.and_then(parts) {
            let as_named = |it: &Candidate<'_>| {
                same(it) && it.workload_name == workload && it.container.name() == container
            };
            let here = |it: &Candidate<'_>| {
                as_named(it) && it.subject.split('/').next() == Some(namespace)
            };
            let kind = "the only one of that name there, of another kind";
            let elsewhere = "the only one of that name, in another namespace";
            let renamed = "the only container of a workload of that name";
            let workload = |it: &Candidate<'_>| same(it) && it.workload_name == workload;
            // The first of these that any container is decides, also where several are.
            let found = only(&here).map(|found| (found, kind));
            let found = found.or_else(|| Some((only(&as_named)?, elsewhere)));
            let found = found.or_else(|| Some((only(&workload)?, renamed)));
            if let Some(((first, alone), text)) = found {
                return alone.then(|| (first, because(text)));
            }
        }
        // Of several processes only their names tell which of them it is.
        let one = world.proofs.iter().all(|other| {
            (&other.proof.container, &other.proof.program.sha256)
                == (&proof.container, &proof.program.sha256)
        });
        let own = |it: &Candidate<'_>| it.publisher.is_none();
        let (first, alone) = only(&own).filter(|_| one)?;
        alone.then(|| (first, because("the only one that may run it")))
    }
}

/// Namespace, kind, name and container.
fn parts(name: &str) -> Option<(&str, &str, &str, &str)> {
    let mut parts = name.splitn(4, '/');
    Some((parts.next()?, parts.next()?, parts.next()?, parts.next()?))
}

/// The container of that name, of whatever role.
fn named(world: &World, name: &str) -> Option<Place> {
    let (_, _, workload, container) = parts(name)?;
    let mut found = world.objects.iter().enumerate().filter_map(|(id, object)| {
        if object.meta.name() != workload {
            return None;
        }
        let containers = &object.workload()?.pod.containers;
        let index = containers.iter().position(|it| it.name() == container)?;
        (format!("{}/{container}", object.subject()) == name).then_some((id, index))
    });
    found.next()
}
