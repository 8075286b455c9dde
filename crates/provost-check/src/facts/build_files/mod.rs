//! Which files a Dockerfile puts into the final image, and where the program it runs comes from.
//!
//! Answers come from COPY, ADD, the copies RUN lines make, and the outputs of `go build`; what a
//! RUN line does beyond that is unknown, and said to be. `trace.rs` follows the program to the
//! command that builds it, `presence.rs` says whether a path is there.

mod paths;
mod presence;
mod trace;

use super::build::{Build, CommandForm, CopyStep, GoBuild, StageConfig};
use super::origin::{Fact, Origin, Span};
use crate::model::names::base_name;
use crate::model::shell::{Kind, Script};
use goformats::version::GoVersion;
use paths::{below, normal, same_path};

/// Whether an absolute path exists in the final image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// Nothing in the file can create it, and the base image is known to lack it.
    Impossible,
    /// It may.
    Possibly,
    /// A COPY or ADD creates it.
    Certainly,
}

/// Where the file that the image runs comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum EntrypointSource {
    /// Index in [`Build::go_builds`] of the command that builds it.
    Built(usize),
    /// Copied ready-made from the build context: this path of it.
    Context(Fact<String>),
    /// Comes with an image: the base, or the one that `COPY --from` names.
    Base,
    /// Cannot be told.
    Unknown,
}

/// Search path of a process whose image sets none (containerd and BuildKit agree on it).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Programs that run another one as their child or in their place.
const WRAPPERS: &[&str] =
    &["tini", "dumb-init", "catatonit", "su-exec", "gosu", "setpriv", "nice", "env"];

/// What a RUN says that brings another Go than the base's, or lets it fetch one.
const OTHER_GO: &[&str] =
    &["toolchain@", "export GOTOOLCHAIN", "GOROOT", "/usr/local/go", "go.dev/dl", "golang.org/dl"];

/// Sources of one COPY that are looked at one by one.
const SOURCES: usize = 1000;

impl StageConfig {
    /// Absolute paths for a command's first word under this configuration.
    pub fn resolve(&self, word: &Fact<String>) -> Vec<Fact<String>> {
        let text = word.value.as_str();
        if text.is_empty() {
            return Vec::new();
        }
        if text.starts_with('/') {
            return vec![word.map(|t| normal("/", t))];
        }
        if text.contains('/') {
            let dir = self.workdir.as_ref().map_or("/", |d| d.value.as_str());
            return vec![word.map(|t| normal(dir, t))];
        }
        let path = self.env.iter().rev().find(|(name, _)| name.value == "PATH");
        path.map_or(DEFAULT_PATH, |(_, value)| value.value.as_str())
            .split(':')
            .filter(|dir| dir.starts_with('/'))
            .take(64)
            .map(|dir| word.map(|t| normal(dir, t)))
            .collect()
    }
}

impl Build {
    /// The words the image starts with: ENTRYPOINT, then CMD; nothing is expanded. In shell form
    /// the words of the first simple command, without a leading `exec`.
    pub fn command_words(&self) -> Vec<Fact<String>> {
        let config = self.config();
        let words = |form: &CommandForm| match form {
            CommandForm::Exec(words) => words.clone(),
            CommandForm::Shell(text) => shell_words(text),
        };
        match (&config.entrypoint, &config.cmd) {
            (Some(entrypoint), cmd) => {
                let mut all = words(&entrypoint.value);
                // A shell-form ENTRYPOINT takes no CMD; a shell-form CMD would be `/bin/sh -c`.
                if let (CommandForm::Exec(_), Some(cmd)) = (&entrypoint.value, cmd)
                    && let CommandForm::Exec(more) = &cmd.value
                {
                    all.extend(more.iter().cloned());
                }
                all
            }
            (None, Some(cmd)) => words(&cmd.value),
            (None, None) => Vec::new(),
        }
    }

    /// The word of the command that names the program: the first, or behind `tini --` and its like.
    pub fn program_word(&self) -> Option<Fact<String>> {
        let words = self.command_words();
        let wrapped = behind_wrapper(&words);
        wrapped.or_else(|| words.first().filter(|first| !is_wrapper(first))).cloned()
    }

    /// Absolute paths at which the program may lie: itself, or one for each directory of PATH.
    pub fn program_paths(&self) -> Vec<Fact<String>> {
        let Some(word) = self.program_word() else { return Vec::new() };
        self.resolve(&word)
    }

    /// Absolute paths for a command's first word in the final image.
    pub fn resolve(&self, word: &Fact<String>) -> Vec<Fact<String>> {
        self.config().resolve(word)
    }

    /// The `go build` that makes the program the image runs.
    pub fn entrypoint_build(&self) -> Option<&GoBuild> {
        match self.entrypoint_source() {
            EntrypointSource::Built(index) => self.go_builds.get(index),
            EntrypointSource::Context(_) | EntrypointSource::Base | EntrypointSource::Unknown => {
                None
            }
        }
    }

    /// The `go build` commands whose programs lie in the final image under a path that a COPY
    /// names, or that the image's own stage builds; those of its command first.
    pub fn image_builds(&self) -> Vec<&GoBuild> {
        let chain = self.final_chain();
        let copied = |build: &GoBuild| {
            let Some(output) = &build.output else { return false };
            self.copies
                .iter()
                .filter(|c| c.from_stage == Some(build.stage) && chain.contains(&c.stage))
                .flat_map(|c| c.sources.iter().take(SOURCES))
                .any(|source| {
                    let source = normal("/", source);
                    same_path(&source, output) || below(&source, output).is_some()
                })
        };
        let entry = self.entrypoint_build();
        let is_entry = |build: &GoBuild| entry.is_some_and(|entry| std::ptr::eq(entry, build));
        // Each is compared with every copy.
        let others =
            self.go_builds.iter().take(256).filter(|build| {
                !is_entry(build) && (chain.contains(&build.stage) || copied(build))
            });
        entry.into_iter().chain(others).collect()
    }

    /// The architecture that a `go build` is told to build for, whatever machine it runs on: GOARCH,
    /// or the platform of its stage.
    pub fn pinned_arch(&self, build: &GoBuild) -> Option<Fact<String>> {
        let literal = |arch: &&str| !arch.is_empty() && !arch.contains('$');
        match build.variable("GOARCH") {
            Some(arch) => literal(&arch.value.as_str()).then(|| arch.clone()),
            None => {
                let platform = self.stages.get(build.stage)?.platform.as_ref()?;
                let arch = platform.value.split('/').nth(1).filter(literal)?;
                Some(platform.map(|_| arch.to_owned()))
            }
        }
    }

    /// Whether a stage may have another Go than that of its base: a COPY or a command brings one, or
    /// lets it fetch one.
    pub fn brings_go(&self, stage: usize) -> bool {
        let chain = self.chain_of(stage);
        let copied = |copy: &CopyStep| {
            chain.contains(&copy.stage) && copy.destination.value.starts_with("/usr/local/go")
        };
        self.copies.iter().any(copied) || self.runs_say(stage, OTHER_GO)
    }

    /// Whether commands of a stage, or of those it is built on, hold one of these words.
    pub fn runs_say(&self, stage: usize, words: &[&str]) -> bool {
        let chain = self.chain_of(stage);
        let mut runs = self.runs.iter().filter(|run| chain.contains(&run.stage));
        runs.any(|run| words.iter().any(|word| run.says(word)))
    }

    /// The Go version that the builder's tag names.
    pub fn go_tag(&self, build: &GoBuild) -> Option<&Fact<GoVersion>> {
        self.stages.get(build.stage)?.go_tag.as_ref()
    }
}

/// Whether a command runs the program that its arguments name.
fn is_wrapper(word: &Fact<String>) -> bool {
    WRAPPERS.contains(&base_name(word))
}

/// The program that a command such as `tini -- /app` runs in its own place or as its child.
pub fn behind_wrapper(words: &[Fact<String>]) -> Option<&Fact<String>> {
    let (first, rest) = words.split_first().filter(|(first, _)| is_wrapper(first))?;
    if let Some(end) = rest.iter().position(|w| w.value == "--") {
        return rest.get(end + 1);
    }
    let user_first = matches!(base_name(first), "su-exec" | "gosu");
    rest.iter()
        .filter(|w| !w.value.starts_with('-') && !w.value.contains('='))
        .nth(usize::from(user_first))
}

/// The program a shell text runs with its arguments: the first simple command that is no builtin
/// such as `cd` or `export`, quotes removed.
fn shell_words(text: &Fact<String>) -> Vec<Fact<String>> {
    let script = Script::parse(&text.value);
    let command = script.commands.iter().find(|c| c.needs_program(Kind::Unknown));
    let Some(command) = command else { return Vec::new() };
    // The text stands in the file in one piece unless a continuation cuts it.
    let start = text.origin.span().filter(|span| span.range().len() == text.value.len());
    command
        .argv()
        .iter()
        .map(|word| {
            let origin = match start {
                Some(span) => {
                    let at = span.start as usize;
                    Origin::text(
                        text.origin.source(),
                        Span::new(at + word.span.start, at + word.span.end),
                    )
                }
                None => text.origin.clone(),
            };
            Fact { value: word.text.clone(), origin, basis: text.basis }
        })
        .collect()
}
