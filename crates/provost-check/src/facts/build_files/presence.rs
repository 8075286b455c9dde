//! Whether a path is in the final image, as far as COPY, ADD, RUN and the base image tell.

use super::paths::{below, in_dirs, normal, same_path};
use super::{Presence, SOURCES};
use crate::facts::build::{Build, CopyStep, Created, GoBuild};
use crate::facts::origin::Fact;
use crate::model::names::base_name;

impl Build {
    /// Whether an absolute path exists in the final image.
    pub fn presence(&self, path: &str) -> Presence {
        let best = self.brings(path);
        let path = normal("/", path);
        match self.base_image() {
            Some(base) if !in_dirs(base.system_dirs, &path) => best,
            _ => best.max(Presence::Possibly),
        }
    }

    /// Whether a step of the final image brings an absolute path, whatever its base has.
    pub fn brings(&self, path: &str) -> Presence {
        let path = normal("/", path);
        let mut best = Presence::Impossible;
        for stage in self.final_chain() {
            for copy in self.copies.iter().filter(|c| c.stage == stage) {
                best = best.max(self.copied(copy, &path));
            }
            let by_run = self.runs.iter().filter(|r| r.stage == stage).any(|run| {
                run.created.as_ref().is_none_or(|all| all.iter().any(|c| creates(c, &path)))
            });
            let by_build = self.go_builds.iter().filter(|b| b.stage == stage).any(|build| {
                match build.output.as_ref().or(build.output_dir.as_ref()) {
                    Some(at) => {
                        at.contains('$') || same_path(at, &path) || below(at, &path).is_some()
                    }
                    None => true,
                }
            });
            if by_run || by_build {
                best = best.max(Presence::Possibly);
            }
        }
        best
    }

    /// Whether an absolute path, of a file or a directory, exists at the end of a stage.
    pub fn stage_has(&self, stage: usize, path: &str) -> Presence {
        let path = normal("/", path);
        if path == "/" {
            return Presence::Certainly;
        }
        let base = self.stages.get(stage).and_then(|stage| stage.base_image);
        let in_base = base.is_none_or(|base| {
            in_dirs(base.system_dirs, &path)
                // `/usr` where the table speaks of `/usr/lib/`.
                || base.system_dirs.iter().any(|dir| below(&path, dir).is_some())
        });
        let mut best = if in_base { Presence::Possibly } else { Presence::Impossible };
        for stage in self.chain_of(stage) {
            best = best.max(self.step_brings(stage, &path));
            if best == Presence::Certainly {
                break;
            }
        }
        best
    }

    /// Whether a step of a stage brings a file or directory.
    fn step_brings(&self, stage: usize, path: &str) -> Presence {
        let mut best = Presence::Impossible;
        for copy in self.copies.iter().filter(|c| c.stage == stage) {
            let destination = copy.destination.value.as_str();
            if same_path(destination, path) || below(path, destination).is_some() {
                return Presence::Certainly;
            }
            best = best.max(self.copied(copy, path));
        }
        for build in self.go_builds.iter().filter(|b| b.stage == stage) {
            let Some(at) = build.output.as_ref().or(build.output_dir.as_ref()) else {
                best = best.max(Presence::Possibly);
                continue;
            };
            // `-o` may name a directory, and a failed build may go on.
            let touches = same_path(at, path)
                || below(path, at).is_some()
                || below(at, path).is_some()
                || at.contains('$');
            if touches {
                best = best.max(Presence::Possibly);
            }
        }
        if self.run_may_make(stage, path) { best.max(Presence::Possibly) } else { best }
    }

    /// Whether anything but a COPY or ADD of the context may make a directory in a stage: a RUN, a
    /// WORKDIR, an earlier stage, or an image that it is built on.
    pub fn may_make(&self, stage: usize, path: &str) -> bool {
        let path = normal("/", path);
        let root = self.root_of(stage).and_then(|root| root.base_image);
        root.is_none_or(|base| in_dirs(base.system_dirs, &path))
            || self.chain_of(stage).into_iter().any(|stage| {
                let elsewhere = |copy: &&CopyStep| copy.from.is_some() || copy.from_stage.is_some();
                let mut others = self.copies.iter().filter(|c| c.stage == stage).filter(elsewhere);
                self.run_may_make(stage, &path)
                    || others.any(|copy| self.copied(copy, &path) != Presence::Impossible)
            })
    }

    /// Whether a RUN, its mounts or a WORKDIR of a stage may make a directory.
    fn run_may_make(&self, stage: usize, path: &str) -> bool {
        let by_run = self.runs.iter().filter(|run| run.stage == stage).any(|run| {
            let created = run.created.as_ref();
            let mounted = |target: &str| {
                let target = normal("/", target);
                target == path || below(&target, path).is_some() || below(path, &target).is_some()
            };
            created.is_none_or(|all| all.iter().any(|c| creates_directory(c, path)))
                || run.mounts().any(|mount| {
                    mount.iter().any(|(key, value)| {
                        // A relative one is seen from a working directory.
                        matches!(*key, "target" | "dst" | "destination")
                            && (value.contains('$') || !value.starts_with('/') || mounted(value))
                    })
                })
        });
        let by_workdir = self.workdirs.iter().any(|(dir, of)| {
            *of == stage
                && (dir.contains('$') || same_path(dir, path) || below(path, dir).is_some())
        });
        by_run || by_workdir
    }

    /// Whether a COPY or ADD of the final image brings an absolute path.
    pub fn copies_to(&self, path: &str) -> Presence {
        let path = normal("/", path);
        let chain = self.final_chain();
        let own = self.copies.iter().filter(|copy| chain.contains(&copy.stage));
        own.map(|copy| self.copied(copy, &path)).max().unwrap_or(Presence::Impossible)
    }

    /// Whether a COPY or ADD of a stage or of those it is built on brings an absolute path, or the
    /// base may have it. What RUN makes is left out.
    pub fn held_before_run(&self, stage: usize, path: &str) -> Presence {
        let path = normal("/", path);
        let base = self.stages.get(stage).and_then(|stage| stage.base_image);
        let in_base = base.is_none_or(|base| in_dirs(base.system_dirs, &path));
        let least = if in_base { Presence::Possibly } else { Presence::Impossible };
        let chain = self.chain_of(stage);
        let own = self.copies.iter().filter(|copy| chain.contains(&copy.stage));
        own.map(|copy| self.copied(copy, &path)).fold(least, Presence::max)
    }

    /// The last COPY or ADD that may put something at an absolute path of the final image, where it
    /// certainly does.
    pub fn last_copy_to(&self, path: &str) -> Option<&CopyStep> {
        let path = normal("/", path);
        let chain = self.final_chain();
        let own = self.copies.iter().filter(|copy| chain.contains(&copy.stage));
        let all = own.map(|copy| (copy, self.copied(copy, &path)));
        let last = all.rev().find(|(_, presence)| *presence != Presence::Impossible);
        last.filter(|(_, presence)| *presence == Presence::Certainly).map(|(copy, _)| copy)
    }

    fn copied(&self, copy: &CopyStep, path: &str) -> Presence {
        let destination = copy.destination.value.as_str();
        if destination.contains('$') {
            return Presence::Possibly;
        }
        let mut best = Presence::Impossible;
        // `--parents` keeps the sources' directories, an archive holds anything.
        let loose = copy.flags.iter().any(|f| f.value.starts_with("--parents"))
            || (copy.add && copy.sources.iter().any(|s| is_archive(s)));
        if loose && below(destination, path).is_some() {
            return Presence::Possibly;
        }
        for name in &copy.inline {
            let target = if destination.ends_with('/') || copy.inline.len() > 1 {
                normal(destination, name)
            } else {
                normal("/", destination)
            };
            if target == path {
                return Presence::Certainly;
            }
        }
        if copy.sources.len() > SOURCES {
            best = Presence::Possibly;
        }
        for source in copy.sources.iter().take(SOURCES) {
            if source.contains('$') || source.contains(['*', '?', '[']) {
                if below(destination, path).is_some() || same_path(destination, path) {
                    best = best.max(Presence::Possibly);
                }
                continue;
            }
            if same_path(destination, path) && !destination.ends_with('/') {
                // A file or a directory: either way the path is there.
                best = best.max(Presence::Certainly);
            } else if let Some(rest) = below(destination, path) {
                let named = rest == base_name(source.trim_end_matches('/'));
                best = best.max(match self.is_file(copy, source) {
                    Some(true) if named && destination.ends_with('/') => Presence::Certainly,
                    // Into a directory of that name, should there be one.
                    Some(true) if named => Presence::Possibly,
                    Some(true) => Presence::Impossible,
                    _ => Presence::Possibly,
                });
            }
        }
        best
    }

    /// Whether a source is known to be a file (`Some(true)`), a directory, or neither.
    fn is_file(&self, copy: &CopyStep, source: &str) -> Option<bool> {
        if source.ends_with('/') || source == "." {
            return Some(false);
        }
        let from = copy.from_stage.filter(|from| *from < copy.stage)?;
        let absolute = normal("/", source);
        // Several programs, or a directory of that name: then `-o` means the directory.
        let several = |build: &GoBuild| {
            build.packages.len() > 1 || build.packages.iter().any(|p| p.contains("..."))
        };
        let mut built = self.go_builds.iter().filter(|b| {
            b.stage == from && b.output.as_ref().is_some_and(|o| same_path(o, &absolute))
        });
        built.next().filter(|build| !several(build))?;
        let directory = built.next().is_some()
            || self.workdirs.iter().any(|(dir, of)| *of == from && same_path(dir, &absolute))
            || self.runs.iter().filter(|run| run.stage == from).any(|run| {
                let made = run.created.iter().flatten();
                let mut made = made.filter(|made| made.directory);
                made.any(|made| same_path(&made.path, &absolute))
            });
        (!directory).then_some(true)
    }

    /// Files that COPY and ADD certainly put into the final image, in order, for "did you mean".
    pub fn certain_files(&self) -> Vec<Fact<String>> {
        let chain = self.final_chain();
        let mut files = Vec::new();
        for copy in self.copies.iter().filter(|c| chain.contains(&c.stage)) {
            let destination = copy.destination.value.as_str();
            let into = |name: &str| match destination.ends_with('/') {
                true => normal(destination, name),
                false => normal("/", destination),
            };
            for source in copy.sources.iter().take(SOURCES) {
                if files.len() >= SOURCES {
                    return files;
                }
                let sure = match self.is_file(copy, source) {
                    Some(file) => file,
                    // A single source without a slash behind it takes the destination's name,
                    // as the file or directory that it is.
                    None => !destination.ends_with('/') && copy.sources.len() == 1,
                };
                let plain = !source.contains(['$', '*', '?', '[']) && !destination.contains('$');
                let archive = copy.add && is_archive(source) && !source.contains("://");
                if sure && plain && !archive {
                    let target = into(base_name(source.trim_end_matches('/')));
                    files.push(Fact::derived(target, copy.destination.origin.clone()));
                }
            }
            for name in copy.inline.iter().take(SOURCES) {
                files.push(Fact::derived(into(name), copy.destination.origin.clone()));
            }
        }
        files
    }
}

/// Whether a step that creates that may create a file at `path`.
fn creates(created: &Created, path: &str) -> bool {
    !created.directory
        && (created.path == path
            || created.path.contains('$')
            || (created.tree && below(&created.path, path).is_some()))
}

/// The same of a directory: those above what is created are there too.
fn creates_directory(created: &Created, path: &str) -> bool {
    created.path == path
        || created.path.contains('$')
        || below(path, &created.path).is_some()
        || (created.tree && below(&created.path, path).is_some())
}

fn is_archive(source: &str) -> bool {
    source.contains("://")
        || [".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.zst", ".git"]
            .iter()
            .any(|end| source.ends_with(end))
}
