//! Which of several programs a container runs that all go by one name.
//!
//! What the artifacts say of each other decides: a tag that is the revision or the version a program was built from,
//! the toolchain that the Dockerfile builds with, at last the name of the file itself. What that leaves open is said,
//! with the programs that it may be.

use super::{Ambiguity, Bindings, By, Candidate, Unbound, Unit, Units, World, by};
use crate::case::provenance::difference;
use crate::case::units::is_run_by;
use crate::facts::binary::Binary;
use crate::model::names::{ImageRef, base_name};

/// Hexadecimal digits from which on a tag is taken for a revision: git abbreviates to seven.
const REVISION: usize = 7;

/// Programs that one sentence names.
const NAMED: usize = 4;

impl Bindings {
    /// Of several programs that are named like what one Dockerfile builds, the one that it can have built; none
    /// where that does not tell them apart.
    pub(super) fn settle(&mut self, world: &World, binaries: &[Unit]) {
        for d in 0..world.builds.len() {
            let build = &world.builds[d];
            let claim = |b: &usize| {
                self.build_of_binary.get(b) == Some(&d) && is_given(&world.binaries[*b])
            };
            let mut given: Vec<usize> = (0..binaries.len()).filter(claim).collect();
            if given.iter().any(|b| is_run_by(build, &binaries[*b])) {
                given.retain(|b| is_run_by(build, &binaries[*b]));
            }
            if given.len() < 2 {
                continue;
            }
            let built = |b: usize| difference(build, &world.binaries[b]).is_none();
            let word = build.program_word().map(|word| base_name(&word.value).to_owned());
            let named = |b: usize| word.as_deref() == Some(base_name(&world.binaries[b].path));
            let chosen = only(&given, built).or_else(|| only(&given, named));
            for b in given.iter().filter(|b| Some(**b) != chosen) {
                self.build_of_binary.remove(b);
            }
            match chosen {
                Some(b) => {
                    self.binary_of_build.insert(d, b);
                    let others = given.iter().filter(|other| **other != b);
                    let differs = others.filter_map(|other| {
                        let differs = difference(build, &world.binaries[*other])?;
                        let path = &world.binaries[*other].path;
                        Some(format!(
                            "{path} is not what it builds: built with {}, the Dockerfile builds with {}",
                            differs.found, differs.wanted
                        ))
                    });
                    self.not_built.insert(d, differs.take(NAMED).collect());
                }
                None => {
                    self.binary_of_build.remove(&d);
                    self.several_of_build.insert(d, given);
                }
            }
        }
    }

    /// Binds what only the tag of the image tells apart.
    pub(super) fn bind_by_tag(&mut self, world: &World, of: &[Candidate<'_>], units: &Units<'_>) {
        for candidate in of {
            let Some((_, several)) = several(candidate, units, world) else { continue };
            let Some(tag) = candidate.image.as_ref().and_then(|image| image.tag.as_deref()) else {
                continue;
            };
            let Some(b) = only(&several, |b| is_of_tag(&world.binaries[b], tag)) else { continue };
            let Some(slot) = self.slot(candidate).filter(|slot| slot.binary.is_none()) else {
                continue;
            };
            slot.binary = Some(b);
            slot.because.push(format!(
                "{} was built from what its image's tag names",
                world.binaries[b].path
            ));
        }
    }

    /// Binds by the names of files what nothing else tells apart, and says where these are the same.
    pub(super) fn bind_by_file(&mut self, world: &World, of: &[Candidate<'_>], units: &Units<'_>) {
        for candidate in of {
            let Some(slot) = self.slot(candidate) else { continue };
            if slot.binary.is_some() || slot.image.is_some() {
                continue;
            }
            let of_build = slot.build.and_then(|d| self.several_of_build.get(&d)).cloned();
            // One image may hold several programs, and the command names another one.
            let of_build = of_build.filter(|several| {
                candidate.command.is_none_or(|command| {
                    several.iter().any(|b| units.all[*b].names.contains(command))
                })
            });
            let by_name = || several(candidate, units, world);
            let Some((name, several)) = of_build
                .map(|it| (None, it))
                .or_else(|| by_name().map(|(name, several)| (Some(name), several)))
            else {
                continue;
            };
            let file =
                |b: usize| name.is_some_and(|name| base_name(&world.binaries[b].path) == name);
            let chosen = only(&several, file);
            let Some(slot) = self.slot(candidate) else { continue };
            if let (Some(b), Some(name)) = (chosen, name) {
                slot.binary = Some(b);
                slot.because
                    .push(format!("the file {} is named like it ({name})", world.binaries[b].path));
                continue;
            }
            slot.several.clone_from(&several);
            self.ambiguities.push(undecided(candidate, &several, world));
        }
    }
}

/// The programs that go by the first of a container's names that any goes by, where they are several. What an image
/// holds and what `--build` made is told apart elsewhere.
fn several<'c>(
    candidate: &'c Candidate<'_>,
    units: &Units<'_>,
    world: &World,
) -> Option<(&'c str, Vec<usize>)> {
    let image = candidate.image.as_ref().map(ImageRef::base_name);
    let of_image = [candidate.command, image];
    let of_names = [Some(candidate.container.name()), Some(candidate.workload_name)];
    let all = match by(candidate, false) {
        By::Image => [of_image, [None, None]].concat(),
        By::All { .. } => [of_image, of_names].concat(),
    };
    let named = all.into_iter().flatten().map(|name| (name, units.named(name)));
    let (name, several) = named.into_iter().find(|(_, units)| !units.is_empty())?;
    let given = several.iter().all(|b| is_given(&world.binaries[*b]));
    (several.len() > 1 && given).then(|| (name, several.to_vec()))
}

/// Whether somebody built it elsewhere and gave it as a file.
fn is_given(binary: &Binary) -> bool {
    binary.in_image.is_none() && binary.built_from.is_none() && !binary.built_here
}

fn only(of: &[usize], fits: impl Fn(usize) -> bool) -> Option<usize> {
    let mut fitting = of.iter().copied().filter(|b| fits(*b));
    fitting.next().filter(|_| fitting.next().is_none())
}

/// Whether the tag of an image is the revision or the version that a program was built from.
fn is_of_tag(binary: &Binary, tag: &str) -> bool {
    let Some(go) = &binary.go else { return false };
    let hex = tag.len() >= REVISION && tag.bytes().all(|b| b.is_ascii_hexdigit());
    let revision = go.setting("vcs.revision").map(|fact| fact.value.as_str());
    let version = go.main_module.as_ref().map(|module| module.value.version.as_str());
    let plain = |version: &str| version.trim_start_matches('v').to_owned();
    (hex && revision.is_some_and(|revision| revision.starts_with(tag)))
        || version.is_some_and(|version| version.starts_with('v') && plain(version) == plain(tag))
}

fn undecided(candidate: &Candidate<'_>, several: &[usize], world: &World) -> Ambiguity {
    let title = |b: &usize| {
        let binary = &world.binaries[*b];
        match &binary.go {
            Some(go) => format!("{} ({})", binary.path, go.version.value),
            None => binary.path.clone(),
        }
    };
    let named: Vec<String> = several.iter().take(NAMED).map(title).collect();
    let more = several.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ambiguity {
        subject: candidate.subject.clone(),
        origin: candidate.container.origin.clone(),
        message: format!(
            "{} may run any of several programs: {}{more}",
            candidate.subject,
            named.join(", ")
        ),
        candidates: several.iter().take(NAMED).map(|b| world.binaries[*b].origin()).collect(),
        what: Unbound::Container,
    }
}
