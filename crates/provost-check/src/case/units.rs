//! What can be bound to a container, and the names it goes by.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::facts::Origin;
use crate::facts::binary::Binary;
use crate::facts::build::{Build, CommandForm, GoBuild};
use crate::facts::image::Image;
use crate::model::names::{ImageRef, base_name, is_generic};

/// One thing that can be bound, and the names it goes by.
pub(super) struct Unit {
    pub(super) names: BTreeSet<String>,
    /// For messages: `binary bin/checkout`.
    pub(super) title: String,
    pub(super) subject: String,
    pub(super) origin: Origin,
    /// An entry of provost.toml says that it is for a container which is not in the input.
    pub(super) of_another: bool,
}

/// Units by the names they go by, so that containers are looked up and not compared with each.
pub(super) struct Units<'u> {
    pub(super) all: &'u [Unit],
    by_name: BTreeMap<&'u str, Vec<usize>>,
}

impl<'u> Units<'u> {
    pub(super) fn new(all: &'u [Unit]) -> Self {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, unit) in all.iter().enumerate() {
            for name in &unit.names {
                by_name.entry(name).or_default().push(index);
            }
        }
        Self { all, by_name }
    }

    /// All units that go by a name.
    pub(super) fn named(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The only unit that goes by one of the names.
    pub(super) fn only<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<usize> {
        let lists = names.into_iter().filter_map(|name| self.by_name.get(name));
        let mut fitting = lists.flatten().copied();
        let first = fitting.next()?;
        fitting.all(|other| other == first).then_some(first)
    }
}

/// Whether the image of a Dockerfile starts this program.
pub(super) fn is_run_by(build: &Build, binary: &Unit) -> bool {
    build.program_word().is_some_and(|word| binary.names.contains(base_name(&word.value)))
}

/// The image of each repository; none where several have a name of it.
pub(super) fn repositories(images: &[Image]) -> BTreeMap<String, Option<usize>> {
    let mut found = BTreeMap::new();
    for (index, image) in images.iter().enumerate() {
        for name in image.names.iter().filter_map(|name| ImageRef::parse(name).ok()) {
            let only = found.entry(name.repository().to_owned()).or_insert(Some(index));
            if *only != Some(index) {
                *only = None;
            }
        }
    }
    found
}

pub(super) fn binary_unit(binary: &Binary, build: Option<&Build>) -> Unit {
    let mut names = BTreeSet::from([base_name(&binary.path).to_owned()]);
    // What `--build` made goes by the name that its Dockerfile gives it, too.
    if let Some(build) = build
        && let Some(main) = binary.go.as_ref().and_then(|go| go.main_package.as_ref())
    {
        let name = package_name(&main.value);
        let makes = |go: &&GoBuild| match go.packages.as_slice() {
            [package] => package_name(package.value.trim_end_matches('/')) == name,
            _ => false,
        };
        let mut made: Vec<&GoBuild> = build.go_builds.iter().filter(makes).collect();
        if let ([], [only]) = (made.as_slice(), build.go_builds.as_slice()) {
            made.push(only);
        }
        names.extend(
            made.iter().filter_map(|go| Some(base_name(&go.output.as_ref()?.value).to_owned())),
        );
    }
    if let Some(package) = binary.go.as_ref().and_then(|go| go.main_package.as_ref()) {
        names.insert(package_name(&package.value).to_owned());
    }
    Unit {
        names,
        title: format!("binary {}", binary.path),
        subject: binary.path.clone(),
        origin: binary.origin(),
        of_another: false,
    }
}

pub(super) fn image_unit(image: &Image) -> Unit {
    let words = [&image.config.entrypoint, &image.config.cmd].into_iter().flatten();
    let mut names: BTreeSet<String> = words
        .filter_map(|command| match &command.value {
            CommandForm::Exec(words) => words.first().map(|w| base_name(&w.value).to_owned()),
            CommandForm::Shell(_) => None,
        })
        .collect();
    let references = image.names.iter().filter_map(|name| ImageRef::parse(name).ok());
    names.extend(references.map(|r| r.base_name().to_owned()));
    for generic in ["", "main", "cmd", "sh", "app"] {
        names.remove(generic);
    }
    Unit {
        names,
        title: format!("image {}", image.path),
        subject: image.path.clone(),
        origin: image.origin.clone(),
        of_another: false,
    }
}

/// Folders that say that a Dockerfile lies in them, and not of what.
const FOLDERS: &[&str] = &[
    "ci",
    "container",
    "containers",
    "dev",
    "dockerfiles",
    "hack",
    "image",
    "images",
    "package",
    "packaging",
    "scripts",
    "test",
    "tests",
];

/// A Dockerfile; `of_stage` when it is there for another image that the file builds, too.
pub(super) fn build_unit(world: &World, build: &Build, of_stage: bool) -> Unit {
    let path = &world.sources.get(build.source).path;
    let subject = path.clone();
    let origin = Origin::whole(build.source);
    if of_stage {
        let stage = build.last().name.as_ref();
        let stage = stage.map_or(build.final_stage.to_string(), |name| name.value.clone());
        let title = format!("stage {stage} of {path}");
        let names = build.target_names();
        return Unit { names, title, subject, origin, of_another: false };
    }
    let mut names = BTreeSet::new();
    let config = build.config();
    // What a base image starts, `bash`, is nobody's name.
    let own = [&config.entrypoint, &config.cmd].into_iter().flatten().filter(|it| !it.inherited);
    for command in own {
        if let CommandForm::Exec(words) = &command.value {
            names.extend(words.first().map(|w| base_name(&w.value).to_owned()));
        }
    }
    for go in &build.go_builds {
        names.extend(go.output.as_ref().map(|o| base_name(&o.value).to_owned()));
        names.extend(go.packages.iter().map(|p| package_name(&p.value).to_owned()));
    }
    let file = base_name(path);
    let lower = file.to_ascii_lowercase();
    if let Some(suffix) = lower.strip_prefix("dockerfile.") {
        names.insert(suffix.to_owned());
    } else if let Some(prefix) = lower.strip_suffix(".dockerfile") {
        names.insert(prefix.to_owned());
    }
    if let Some(folder) = path.rsplit('/').nth(1).filter(|name| !FOLDERS.contains(name)) {
        names.insert(folder.to_owned());
    }
    names.retain(|name| !is_generic(name));
    Unit {
        names,
        title: if file == "Dockerfile" { path.clone() } else { format!("Dockerfile {path}") },
        subject,
        origin,
        of_another: false,
    }
}

/// Last element of a package path, a major version suffix left out: `example.com/shop/v2` is
/// `shop`.
fn package_name(path: &str) -> &str {
    let mut parts = path.rsplit('/');
    let last = parts.next().unwrap_or(path);
    let is_major =
        last.len() > 1 && last.starts_with('v') && last[1..].bytes().all(|b| b.is_ascii_digit());
    if is_major { parts.next().unwrap_or(last) } else { last }
}
