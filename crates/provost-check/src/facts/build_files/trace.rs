//! Where the file that the image runs comes from: its COPY chain, back to a `go build`.

use super::paths::{below, glob, in_dirs, normal, parent, same_path};
use super::{EntrypointSource, SOURCES};
use crate::facts::build::{Build, CopyStep, FileMove, GoBuild};
use crate::facts::origin::{Fact, Origin};
use crate::model::names::base_name;

/// Steps looked at before a trace gives up: far above real files, and a bound for hostile ones.
const STEPS: usize = 1_000_000;

/// What a trace found, by how sure it is.
#[derive(Clone, Debug)]
enum Found {
    Built(usize),
    Context(Fact<String>),
    Image,
    Unknown,
}

/// One thing that a stage does to its file system.
enum Step<'a> {
    Build(usize, &'a GoBuild),
    Copy(&'a CopyStep),
    Move(&'a FileMove),
    Run(bool),
}

impl Build {
    /// Where the file that the image runs comes from.
    pub fn entrypoint_source(&self) -> EntrypointSource {
        let mut weakest = EntrypointSource::Unknown;
        for path in self.program_paths() {
            let mut budget = STEPS;
            match self.trace(self.final_stage, &path, &mut budget, None) {
                Found::Built(index) => return EntrypointSource::Built(index),
                Found::Context(path) => return EntrypointSource::Context(path),
                Found::Image => weakest = EntrypointSource::Base,
                Found::Unknown => {}
            }
        }
        weakest
    }

    /// What a stage does, last first, with what its Dockerfile place says about the order.
    fn steps(&self, stage: usize) -> Vec<Step<'_>> {
        let start = |origin: &Origin| origin.span().map_or(0, |s| s.start);
        let mut steps: Vec<(u32, u8, Step<'_>)> = Vec::new();
        for (i, build) in self.go_builds.iter().enumerate().filter(|(_, b)| b.stage == stage) {
            steps.push((start(&build.origin), 1, Step::Build(i, build)));
        }
        for copy in self.copies.iter().filter(|c| c.stage == stage) {
            steps.push((start(&copy.origin), 0, Step::Copy(copy)));
        }
        for moved in self.moves.iter().filter(|m| m.stage == stage) {
            steps.push((start(&moved.origin), 1, Step::Move(moved)));
        }
        for run in self.runs.iter().filter(|r| r.stage == stage) {
            steps.push((start(&run.origin), 0, Step::Run(run.understood)));
        }
        steps.sort_by_key(|(at, order, _)| std::cmp::Reverse((*at, *order)));
        steps.into_iter().map(|(_, _, step)| step).collect()
    }

    fn trace(
        &self,
        stage: usize,
        path: &Fact<String>,
        budget: &mut usize,
        // Steps before this many of the stage (from its end) are skipped.
        skip: Option<usize>,
    ) -> Found {
        let mut path = path.clone();
        let mut opaque = false;
        let mut plausible = None;
        let mut directory_of_context = None;
        let steps = self.steps(stage);
        let all = self.go_builds.len() + self.copies.len() + self.moves.len() + self.runs.len();
        *budget = budget.saturating_sub(all + 1);
        for step in steps.iter().skip(skip.unwrap_or(0)) {
            if *budget == 0 {
                return Found::Unknown;
            }
            *budget -= 1;
            match step {
                Step::Build(index, build) => {
                    if build.output.as_ref().is_some_and(|o| same_path(o, &path)) {
                        return Found::Built(*index);
                    }
                    // `-o` may name a directory, and `.` is called as the module is.
                    let dir = build.output_dir.as_ref().or(build.output.as_ref());
                    if dir.is_some_and(|d| same_path(d, parent(&path)))
                        && (build.output_dir.is_some() || names_package(build, base_name(&path)))
                    {
                        plausible.get_or_insert(*index);
                    }
                }
                Step::Move(moved) => {
                    let itself = same_path(&moved.to, &path);
                    let into_directory = same_path(parent(&path), &moved.to)
                        && base_name(&moved.from) == base_name(&path);
                    if itself || into_directory {
                        path.value.clone_from(&moved.from);
                    }
                }
                Step::Copy(copy) => {
                    *budget = budget.saturating_sub(copy.sources.len());
                    for (source, exact) in candidates(copy, &path.value) {
                        if *budget == 0 {
                            return Found::Unknown;
                        }
                        *budget -= 1;
                        let source = Fact { value: source, ..path.clone() };
                        match (copy.from_stage, &copy.from) {
                            (Some(from), _) if from < stage => {
                                let absolute = source.map(|p| normal("/", p));
                                match self.trace(from, &absolute, budget, None) {
                                    // A directory may lack the file: look on.
                                    Found::Unknown => {}
                                    // Nothing in that stage made it: only an exact path is sure.
                                    Found::Image if !exact => {}
                                    found => return found,
                                }
                            }
                            (_, Some(_)) if exact => return Found::Image,
                            (_, Some(_)) => opaque = true,
                            (_, None) if exact => {
                                let origin = copy.origin.clone();
                                return Found::Context(Fact::derived(source.value, origin));
                            }
                            (_, None) => {
                                directory_of_context.get_or_insert_with(|| {
                                    Fact::derived(source.value, copy.origin.clone())
                                });
                            }
                        }
                    }
                }
                Step::Run(understood) => opaque |= !understood,
            }
        }
        if let Some(index) = plausible {
            return Found::Built(index);
        }
        if let Some(context) = directory_of_context {
            return if opaque { Found::Unknown } else { Found::Context(context) };
        }
        if opaque {
            return Found::Unknown;
        }
        let Some(this) = self.stages.get(stage) else { return Found::Unknown };
        match this.parent {
            Some(earlier) if earlier < stage => self.trace(earlier, &path, budget, None),
            _ if this
                .base_image
                .is_some_and(|base| base.minimal && !in_dirs(base.system_dirs, &path)) =>
            {
                Found::Unknown
            }
            _ => Found::Image,
        }
    }
}

/// What a COPY may have read to create a path; `true` when the path is what it names, `false` when
/// it would come with a directory.
fn candidates(copy: &CopyStep, path: &str) -> Vec<(String, bool)> {
    let destination = copy.destination.value.as_str();
    let mut found = Vec::new();
    for source in copy.sources.iter().take(SOURCES) {
        let source = source.value.as_str();
        if same_path(destination, path) && !destination.ends_with('/') {
            found.push((source.to_owned(), true));
            continue;
        }
        let Some(rest) = below(destination, path) else { continue };
        let trimmed = source.trim_end_matches('/');
        let name = base_name(trimmed);
        if name.contains(['*', '?', '[']) {
            if !rest.contains('/') && glob(name, rest) {
                found.push((format!("{}{rest}", &trimmed[..trimmed.len() - name.len()]), true));
            }
        } else {
            if rest == name && !source.ends_with('/') {
                found.push((source.to_owned(), true));
            }
            let directory = if trimmed.is_empty() { "" } else { trimmed };
            found.push((format!("{directory}/{rest}"), false));
        }
    }
    found
}

/// Whether the package a command builds has this name.
fn names_package(build: &GoBuild, name: &str) -> bool {
    build.packages.iter().any(|p| {
        let package = base_name(p.value.trim_end_matches('/'));
        package == name || package.contains("...") || package == "."
    })
}
