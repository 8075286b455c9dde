//! A Dockerfile as facts: its stages, what the final stage runs, and how its Go binary is built.

use std::collections::{BTreeMap, BTreeSet};

use goformats::version::GoVersion;

use super::build_checks::{BuilderWarning, CheckOptions};
use super::build_context::BuildContext;
use super::build_steps::{AlmostJson, RunShell, SameLine, ShellText, UndefinedRead, Written};
use super::origin::{Fact, Origin, SourceId};
use crate::model::names::{base_name, is_generic};

/// A command in exec or shell form.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandForm {
    /// JSON form: an argument vector, run without a shell.
    Exec(Vec<Fact<String>>),
    /// Shell form: text for the stage's SHELL.
    Shell(Fact<String>),
}

/// A command and the instruction that set it.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction<T> {
    /// The whole instruction.
    pub origin: Origin,
    /// What it says.
    pub value: T,
    /// True when it comes from the base image's configuration rather than from this file; the
    /// origin is then the FROM that brings it.
    pub inherited: bool,
}

/// The C library of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// No C library and no dynamic loader.
    None,
    /// GNU libc, with its minor version (`36` for 2.36) where the tag tells.
    Glibc(Option<u16>),
    /// musl.
    Musl,
}

/// Shells that answer to `/bin/sh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShellKind {
    /// Debian's and Ubuntu's `/bin/sh`.
    Dash,
    /// Alpine's and busybox's.
    BusyboxAsh,
    /// Red Hat's.
    Bash,
}

/// What a known base image contains. From the table in `artifact/dockerfile/base_images.rs`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaseImage {
    /// Name for messages: `distroless/static`, `alpine`.
    pub name: &'static str,
    /// C library.
    pub libc: Libc,
    /// Shell at `/bin/sh`.
    pub shell: Option<ShellKind>,
    /// Whether the file system holds nothing but what COPY and ADD bring and the table's files:
    /// true for scratch and distroless, so that a missing path is certain.
    pub minimal: bool,
    /// CA bundle, where it is known.
    pub ca_bundle: Option<bool>,
    /// `/usr/share/zoneinfo`, where it is known.
    pub zoneinfo: Option<bool>,
    /// `USER` of its configuration, as written there (`65532`, `nonroot`).
    pub user: Option<&'static str>,
    /// Names in its `/etc/passwd` with their uids.
    pub users: &'static [(&'static str, u32)],
    /// Executables by name that are certainly there (busybox applets, `curl` ...). Empty for
    /// images that have none.
    pub tools: &'static [&'static str],
    /// Whether `tools` is all there is: true for scratch, distroless, busybox, alpine.
    pub tools_complete: bool,
    /// Contains the Go toolchain.
    pub go_toolchain: bool,
    /// `Env` of its configuration.
    pub env: &'static [(&'static str, &'static str)],
    /// `WorkingDir` of its configuration, when it is not `/`.
    pub workdir: Option<&'static str>,
    /// `Entrypoint` of its configuration.
    pub entrypoint: &'static [&'static str],
    /// `Cmd` of its configuration.
    pub cmd: &'static [&'static str],
    /// Directories that hold files the table does not list; outside of them an image of the table
    /// is empty. Each ends with `/`.
    pub system_dirs: &'static [&'static str],
}

/// One build stage.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The FROM instruction.
    pub origin: Origin,
    /// `AS name`.
    pub name: Option<Fact<String>>,
    /// The image or stage after FROM, variables expanded.
    pub base: Fact<String>,
    /// Index of the stage that `base` names.
    pub parent: Option<usize>,
    /// `--platform`.
    pub platform: Option<Fact<String>>,
    /// What the root image of this chain of stages contains, when it is in the table.
    pub base_image: Option<&'static BaseImage>,
    /// The Go version that the tag of the chain's root image names: 1.22 for
    /// `golang:1.22-alpine`.
    pub go_tag: Option<Fact<GoVersion>>,
    /// What this stage and its parents set.
    pub config: StageConfig,
}

/// The image configuration a stage ends with.
#[derive(Clone, Debug, Default)]
pub struct StageConfig {
    /// USER.
    pub user: Option<Instruction<Fact<String>>>,
    /// ENV, in order; variables expanded.
    pub env: Vec<(Fact<String>, Fact<String>)>,
    /// ENTRYPOINT.
    pub entrypoint: Option<Instruction<CommandForm>>,
    /// CMD.
    pub cmd: Option<Instruction<CommandForm>>,
    /// WORKDIR, resolved to an absolute path (`/` when never set).
    pub workdir: Option<Fact<String>>,
    /// EXPOSE: port and protocol.
    pub exposed: Vec<Fact<(u16, String)>>,
    /// HEALTHCHECK; `None` inside means `HEALTHCHECK NONE`.
    pub healthcheck: Option<Instruction<Option<CommandForm>>>,
    /// STOPSIGNAL.
    pub stop_signal: Option<Fact<String>>,
    /// SHELL; Docker's default is `/bin/sh -c`.
    pub shell: Option<Vec<Fact<String>>>,
    /// Flags of the HEALTHCHECK in force: `--interval=5s`.
    pub healthcheck_flags: Vec<Fact<String>>,
}

/// A `go build` or `go install` read off a RUN line.
#[derive(Clone, Debug)]
pub struct GoBuild {
    /// The words of the command in the file.
    pub origin: Origin,
    /// Stage it runs in.
    pub stage: usize,
    /// `build` or `install`.
    pub verb: String,
    /// Environment in force: ENV and ARG of the stage, then assignments on the line.
    pub env: Vec<(Fact<String>, Fact<String>)>,
    /// Flags with their values, as `-flag` or `-flag=value`, in order.
    pub flags: Vec<Fact<String>>,
    /// Packages named.
    pub packages: Vec<Fact<String>>,
    /// Absolute path of the binary in the stage, from `-o` or from the package's name, when it can
    /// be told.
    pub output: Option<Fact<String>>,
    /// The directory the binary lands in, when its name depends on the module's path.
    pub output_dir: Option<Fact<String>>,
    /// The directory the command runs in, when it can be told.
    pub dir: Option<String>,
}

impl GoBuild {
    /// The value of a variable in force: the last one that sets it.
    pub fn variable(&self, name: &str) -> Option<&Fact<String>> {
        self.setting(name).map(|(_, value)| value)
    }

    /// The same with the name where it is written.
    pub fn setting(&self, name: &str) -> Option<&(Fact<String>, Fact<String>)> {
        self.env.iter().rev().find(|(key, _)| key.value == name)
    }
}

/// Whether an argument of the build may bring another value than the one that is known: what is expanded is
/// not as long as its words.
pub fn may_be_given(value: &Fact<String>) -> bool {
    !value.is_written()
        || value.origin.span().is_none_or(|span| span.range().len() != value.value.len())
}

/// A file that a RUN line copies or moves: `cp`, `mv`, `install`, `ln`.
#[derive(Clone, Debug)]
pub struct FileMove {
    /// The words of the command in the file.
    pub origin: Origin,
    /// Stage it runs in.
    pub stage: usize,
    /// Absolute path of the source.
    pub from: String,
    /// Absolute path of the target, or of its directory when it ends with `/`.
    pub to: String,
}

/// A COPY or ADD.
#[derive(Clone, Debug)]
pub struct CopyStep {
    /// The instruction.
    pub origin: Origin,
    /// Stage it runs in.
    pub stage: usize,
    /// ADD rather than COPY.
    pub add: bool,
    /// `--from` as written.
    pub from: Option<Fact<String>>,
    /// Index of the stage `--from` names. May be this or a later stage, which BuildKit refuses;
    /// only an earlier one can be followed.
    pub from_stage: Option<usize>,
    /// Sources, as written, variables expanded.
    pub sources: Vec<Fact<String>>,
    /// Destination, resolved against WORKDIR.
    pub destination: Fact<String>,
    /// The flags: `--chmod=0755`.
    pub flags: Vec<Fact<String>>,
    /// Names of here-documents among the sources: `COPY <<app.conf /etc/app/`.
    pub inline: Vec<Fact<String>>,
    /// `COPY` or `ADD` as written.
    pub keyword: Origin,
    /// The destination is written without a leading `/` or variable.
    pub relative: bool,
    /// A WORKDIR of this file is in force.
    pub workdir_set: bool,
}

/// A RUN.
#[derive(Clone, Debug)]
pub struct RunStep {
    /// The instruction.
    pub origin: Origin,
    /// Stage it runs in.
    pub stage: usize,
    /// What it runs; heredoc bodies are shell text.
    pub command: CommandForm,
    /// Flags: `--mount=type=cache,...`.
    pub flags: Vec<Fact<String>>,
    /// Every command it runs is one that brings no program of this project into the image: package
    /// managers, users, modes, directories, builds that [`Build::go_builds`] lists.
    pub understood: bool,
    /// Files it may create beside those builds; `None` when it cannot be told, and it may create
    /// any.
    pub created: Option<Vec<Created>>,
    /// What a shell runs of it, in shell form or as `["sh", "-c", TEXT]`.
    pub text: Option<ShellText>,
    /// The shell.
    pub shell: RunShell,
    /// The text is that of a here-document.
    pub heredoc: bool,
    /// The shell is started with `-e`, by SHELL, by the first line of the text or as the list says.
    pub errexit: bool,
}

/// A file or directory that a RUN may create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Absolute path.
    pub path: String,
    /// And all below it.
    pub tree: bool,
    /// Directories, and no file.
    pub directory: bool,
}

/// A Dockerfile that parsed.
#[derive(Clone, Debug)]
pub struct Build {
    /// The file.
    pub source: SourceId,
    /// Stages in order; at least one.
    pub stages: Vec<Stage>,
    /// Index of the final stage: the one `--target` names, else the last.
    pub final_stage: usize,
    /// Go builds in order.
    pub go_builds: Vec<GoBuild>,
    /// COPY and ADD in order.
    pub copies: Vec<CopyStep>,
    /// RUN in order.
    pub runs: Vec<RunStep>,
    /// ARG: name, default.
    pub args: Vec<(Fact<String>, Option<Fact<String>>)>,
    /// ENV lines of every stage: name, value, stage.
    pub envs: Vec<(Fact<String>, Fact<String>, usize)>,
    /// Copies and moves that RUN lines make, in order.
    pub moves: Vec<FileMove>,
    /// Every instruction, in order.
    pub instructions: Vec<Written>,
    /// ENV values that read what their own line sets.
    pub same_line: Vec<SameLine>,
    /// WORKDIR with a path that is relative although no WORKDIR of the file came before, as written,
    /// with its stage.
    pub relative_workdirs: Vec<(Fact<String>, usize)>,
    /// Directories that WORKDIR makes, with their stages.
    pub workdirs: Vec<(Fact<String>, usize)>,
    /// Variables that are read and that nothing has set.
    pub undefined: Vec<UndefinedRead>,
    /// What looks like a JSON array and is none.
    pub almost_json: Vec<AlmostJson>,
    /// What BuildKit warns of and builds all the same, in the order it was met.
    pub warnings: Vec<BuilderWarning>,
    /// What `# check=` says of that.
    pub checks: CheckOptions,
    /// The directory it is built in, where that can be told.
    pub context: Option<BuildContext>,
    /// What builds it may put other images or directories in the place of its stages
    /// (`--build-context NAME=...`).
    pub named_contexts: bool,
}

impl Build {
    /// The stage that becomes the image.
    pub fn last(&self) -> &Stage {
        // A `Build` is only made from at least one stage, and `final_stage` is checked then.
        &self.stages[self.final_stage.min(self.stages.len() - 1)]
    }

    /// What the final image is configured to do.
    pub fn config(&self) -> &StageConfig {
        &self.last().config
    }

    /// What the final image's root base contains, when known.
    pub fn base_image(&self) -> Option<&'static BaseImage> {
        self.last().base_image
    }

    /// Other stages that are images of their own, which `--target` builds: no stage needs them, and they say
    /// themselves what they start.
    pub fn other_targets(&self) -> impl Iterator<Item = usize> {
        let of_name = |stage: &Stage| stage.name.as_ref().map(|n| n.value.to_ascii_lowercase());
        let names: BTreeMap<String, usize> =
            self.stages.iter().enumerate().filter_map(|(at, s)| Some((of_name(s)?, at))).collect();
        let mounted = self.runs.iter().flat_map(|run| &run.flags).flat_map(|flag| {
            let mounts = flag.value.strip_prefix("--mount=").unwrap_or_default();
            mounts.split(',').filter_map(|part| part.strip_prefix("from="))
        });
        let mounted = mounted.filter_map(|from| {
            from.parse().ok().or_else(|| names.get(&from.to_ascii_lowercase()).copied())
        });
        let parents = self.stages.iter().filter_map(|stage| stage.parent);
        let copied = self.copies.iter().filter_map(|copy| copy.from_stage);
        let needed: BTreeSet<usize> = parents.chain(copied).chain(mounted).collect();
        (0..self.stages.len()).filter(move |at| {
            let config = &self.stages[*at].config;
            let mut commands = [&config.entrypoint, &config.cmd].into_iter().flatten();
            *at != self.final_stage && !needed.contains(at) && commands.any(|it| !it.inherited)
        })
    }

    /// What the image goes by: its stage, and what it starts.
    pub fn target_names(&self) -> BTreeSet<String> {
        self.names_of_target(self.final_stage)
    }

    /// The same of the image that another stage is.
    pub fn names_of_target(&self, stage: usize) -> BTreeSet<String> {
        let Some(stage) = self.stages.get(stage) else { return BTreeSet::new() };
        let commands = [&stage.config.entrypoint, &stage.config.cmd];
        let own = commands.into_iter().flatten().filter(|it| !it.inherited);
        let programs = own.filter_map(|command| match &command.value {
            CommandForm::Exec(words) => words.first().map(|word| base_name(&word.value).to_owned()),
            CommandForm::Shell(_) => None,
        });
        let name = stage.name.as_ref().map(|name| name.value.clone());
        programs.chain(name).filter(|name| !is_generic(name)).collect()
    }

    /// The final stage and its ancestors.
    pub fn final_chain(&self) -> Vec<usize> {
        self.chain_of(self.final_stage)
    }
}
