//! What `--container` and `provost.toml` bind.

use std::collections::BTreeSet;

use super::{Ambiguity, Bindings, Candidate, Unbound, Unit, World, ambiguity};
use crate::facts::Fact;
use crate::facts::settings::Service;
use crate::model::names::ImageRef;

/// Entries of `[[service]]` that are compared with each container.
const MOST_SERVICES: usize = 1024;

impl Bindings {
    /// Binds what is named, before anything is chosen by names.
    pub(super) fn bind_configured(
        &mut self,
        world: &World,
        candidates: &[Candidate<'_>],
        binaries: &[Unit],
        builds: &[Unit],
    ) {
        let settings = &world.settings;
        if let Some(wanted) = &settings.container {
            let images_fit = lone_image(world, candidates);
            for candidate in candidates.iter().filter(|c| names_container(wanted, &c.subject)) {
                let Some(slot) = self.slot(candidate) else { continue };
                // The program of the image is found with the image.
                let mut given =
                    (0..binaries.len()).filter(|b| world.binaries[*b].in_image.is_none());
                slot.binary = given.next().filter(|_| given.next().is_none());
                slot.build = (builds.len() == 1).then_some(0);
                slot.image = images_fit(candidate).then_some(0);
                slot.because.push(format!("--container names {wanted}"));
            }
        }
        let beyond = settings.services.get(MOST_SERVICES);
        let name = |service: &Service| {
            service.name.as_ref().or(service.container.as_ref()).or(service.image.as_ref()).cloned()
        };
        if let Some(name) = beyond.and_then(name) {
            self.ambiguities.push(Ambiguity {
                subject: format!("service {}", name.value),
                origin: name.origin,
                message: format!(
                    "from here on nothing is bound: there are more than {MOST_SERVICES} [[service]]"
                ),
                candidates: Vec::new(),
                what: Unbound::Artifact,
            });
        }
        for (index, service) in settings.services.iter().take(MOST_SERVICES).enumerate() {
            let by_path = |units: &[Unit], path: Option<&Fact<String>>| {
                let path = path?;
                units.iter().position(|unit| is_at(unit, path, world))
            };
            let binary = by_path(binaries, service.binary.as_ref());
            let build = by_path(builds, service.dockerfile.as_ref());
            let runs = fitting(service, settings.services.len() == 1);
            let mut fits = false;
            for candidate in candidates {
                if !runs(candidate) {
                    continue;
                }
                let Some(slot) = self.slot(candidate) else { continue };
                fits = true;
                slot.service = Some(index);
                if slot.binary.is_none() {
                    slot.binary = binary;
                }
                if slot.build.is_none() {
                    slot.build = build;
                }
                let because = "provost.toml binds them in [[service]]";
                // However many entries fit.
                if (binary.is_some() || build.is_some())
                    && slot.because.iter().all(|known| known != because)
                {
                    slot.because.push(because.to_owned());
                }
            }
            let named = service.container.as_ref().or(service.image.as_ref());
            if let Some(named) = named.or(service.name.as_ref()).filter(|_| !fits)
                && !candidates.is_empty()
            {
                self.ambiguities.push(ambiguity(
                    &format!("service {}", named.value),
                    &format!("the [[service]] {}", named.value),
                    &named.origin,
                    candidates,
                ));
            }
        }
    }
}

/// Marks the binaries that entries name whose containers are all elsewhere: they are nobody's only candidate here.
pub(super) fn mark_those_of_others(
    world: &World,
    candidates: &[Candidate<'_>],
    binaries: &mut [Unit],
) {
    let services = &world.settings.services;
    let only = services.len() == 1;
    for unit in binaries {
        let naming = services
            .iter()
            .take(MOST_SERVICES)
            .filter(|service| service.binary.as_ref().is_some_and(|path| is_at(unit, path, world)));
        let (mut named, mut here) = (false, false);
        for service in naming {
            named = true;
            here |= candidates.iter().any(fitting(service, only));
        }
        unit.of_another = named && !here && !candidates.is_empty();
    }
}

/// Whether a unit is the file that an entry names.
fn is_at(unit: &Unit, path: &Fact<String>, world: &World) -> bool {
    let config = &world.sources.get(path.origin.source()).path;
    let folder = config.rsplit_once('/').map_or("", |(folder, _)| folder);
    same_path(&unit.subject, folder, &path.value)
}

/// Whether an entry is about a container.
fn fitting(service: &Service, only: bool) -> impl Fn(&Candidate<'_>) -> bool {
    let wanted_image = service.image.as_ref().map(|f| ImageRef::parse(&f.value));
    let only_service =
        only && service.container.is_none() && service.image.is_none() && service.name.is_none();
    move |candidate| {
        let by_container = service
            .container
            .as_ref()
            .is_some_and(|c| names_container(&c.value, &candidate.subject));
        let by_image = match (&wanted_image, &candidate.image) {
            (Some(Ok(wanted)), Some(image)) => wanted.repository() == image.repository(),
            _ => false,
        };
        let by_name = service.container.is_none()
            && service.image.is_none()
            && service.name.as_ref().is_some_and(|name| {
                candidate.workload_name == name.value
                    || candidate.container.name() == name.value
                    || candidate.image.as_ref().is_some_and(|i| i.base_name() == name.value)
            });
        by_container || by_image || by_name || only_service
    }
}

/// Whether the one image that is given is the one of a container: by its own names it is no other's.
fn lone_image(world: &World, candidates: &[Candidate<'_>]) -> impl Fn(&Candidate<'_>) -> bool {
    let names = match world.images.as_slice() {
        [only] => only.names.as_slice(),
        _ => &[],
    };
    let names: Vec<ImageRef> = names.iter().filter_map(|n| ImageRef::parse(n).ok()).collect();
    let repositories: BTreeSet<String> =
        names.iter().map(|name| name.repository().to_owned()).collect();
    let bases: BTreeSet<String> = names.iter().map(|name| name.base_name().to_owned()).collect();
    let fits = move |candidate: &Candidate<'_>| {
        candidate.image.as_ref().is_some_and(|image| {
            repositories.contains(image.repository()) || bases.contains(image.base_name())
        })
    };
    let lone = world.images.len() == 1;
    let of_none = !candidates.iter().any(&fits);
    move |candidate| lone && (of_none || fits(candidate))
}

/// Whether `wanted` (`NS/KIND/NAME/C`, or its last parts) names the container.
pub(super) fn names_container(wanted: &str, subject: &str) -> bool {
    subject == wanted || subject.strip_suffix(wanted).is_some_and(|rest| rest.ends_with('/'))
}

/// Whether the path of an input is the one that the configuration in `folder` writes. When one of
/// the two was given absolutely and the other was not, the shorter one decides.
fn same_path(input: &str, folder: &str, configured: &str) -> bool {
    let clean = |path: &str| path.trim_start_matches("./").replace("/./", "/");
    let (input, configured) = (clean(input), clean(configured));
    let joined = if folder.is_empty() || configured.starts_with('/') {
        configured
    } else {
        format!("{}/{configured}", clean(folder).trim_end_matches('/'))
    };
    let ends_with =
        |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('/'));
    input == joined
        || (input.starts_with('/') && !joined.starts_with('/') && ends_with(&input, &joined))
        || (joined.starts_with('/') && !input.starts_with('/') && ends_with(&joined, &input))
}

#[cfg(test)]
mod tests {
    use super::same_path;

    #[test]
    fn configured_paths_are_those_of_the_configuration_s_folder() {
        assert!(same_path("shop/Dockerfile", "shop", "Dockerfile"));
        assert!(same_path("./shop/Dockerfile", "shop", "./Dockerfile"));
        assert!(same_path("/src/shop/Dockerfile", "", "Dockerfile"));
        assert!(same_path("Dockerfile", "/src/shop", "Dockerfile"));
        assert!(same_path("/opt/bin/shop", "shop", "/opt/bin/shop"));
        assert!(!same_path("other/Dockerfile", "shop", "Dockerfile"));
        assert!(!same_path("shop/Dockerfile", "", "Dockerfile"));
        assert!(!same_path("/src/shop/OtherDockerfile", "", "Dockerfile"));
    }
}
