//! What can be typed.

mod dependency;
mod diagnose;
mod prove;
mod rules;

use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use provost_check::artifact::config::values;
use provost_check::artifact::image::Form;
use provost_check::findings::Level;
use provost_check::model::names::ImageRef;
use provost_check::pipeline::ImageInput;
use provost_check::rules::engine;

pub(crate) use diagnose::{About, DiagnoseArgs, Oom, Shown, Tracing};
pub(crate) use prove::{ProveArgs, READY_WITHIN};
pub(crate) use rules::RuleArgs;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("PROVOST_BUILD"), ")");

const EXIT_CODES: &str = "\
Exit codes:
  0  nothing at or above --fail-on
  1  findings at or above --fail-on, or evidence that --require names is missing
  2  wrong usage or configuration, or a named path that cannot be judged
  3  a bug in provost";

const MEASURING_EXIT_CODES: &str = "\
Exit codes:
  0  nothing at or above --fail-on
  1  findings at or above --fail-on
  2  wrong usage or configuration, or something named that cannot be read or run
  3  a bug in provost";

const INIT_EXIT_CODES: &str = "\
Exit codes:
  0  the files are written, or were there already
  2  wrong usage, no Go program, or files in the way: then nothing is written";

/// Judges Go services on Kubernetes: binary, Dockerfile and manifests together
#[derive(Debug, Parser)]
#[command(name = "provost", version = VERSION, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Colours: on a terminal, always or never (NO_COLOR is respected)
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    #[arg(
        help_heading = "Output",
        hide_default_value = true,
        long_help = "Colours: auto, always or never. `auto` follows the terminal and NO_COLOR"
    )]
    pub(crate) color: Color,
    /// Findings and the summary only; no progress
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Every finding, every join, everything that was not judged
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Judge manifests, Dockerfiles and Go binaries before they are deployed
    #[command(after_help = EXIT_CODES)]
    Check(Box<CheckArgs>),
    /// Start the real service, ask it, load it, end it, and show what it does
    #[command(after_help = MEASURING_EXIT_CODES)]
    Prove(Box<ProveArgs>),
    /// Read what a Go runtime wrote of itself, and say what is wrong
    #[command(after_help = MEASURING_EXIT_CODES)]
    Diagnose(Box<DiagnoseArgs>),
    /// Print the page of a rule, or the list of rules
    Explain(ExplainArgs),
    /// Write Dockerfile, manifests or chart, configuration and CI for the Go module here
    #[command(after_help = INIT_EXIT_CODES)]
    Init(InitArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder, which has to be there
        folder: std::path::PathBuf,
    },
}

impl CheckArgs {
    /// Whoever names something means that, and whoever names nothing the working directory, which is
    /// also where `--build` finds the module.
    pub(crate) fn settle(&mut self) {
        let named = [&self.binary, &self.dockerfile, &self.chart, &self.kustomize, &self.proof];
        let named = !self.image.is_empty() || named.iter().any(|list| !list.is_empty());
        if self.paths.is_empty() && (self.build || !named) {
            self.paths.push(".".to_owned());
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Directories, manifests, Dockerfiles, Go binaries and images; `-` reads YAML from standard input
    #[arg(value_name = "PATH")]
    #[arg(
        long_help = "Directories, manifests, Dockerfiles, Go binaries and image archives, told apart by their content; `-` reads YAML from standard input. Without one, what --image, --binary, --dockerfile, --chart, --kustomize or --proof name, and nothing else; without those either, the working directory. What .gitignore names is left out of directories"
    )]
    pub(crate) paths: Vec<String>,

    /// The Go binary that the manifests deploy
    #[arg(long, value_name = "PATH", help_heading = "Evidence")]
    pub(crate) binary: Vec<String>,
    /// The Dockerfile of its image
    #[arg(long, value_name = "PATH", help_heading = "Evidence")]
    pub(crate) dockerfile: Vec<String>,
    /// The image it runs in: oci:DIR, oci:TAR, docker-archive:TAR or registry:REF
    #[arg(long, value_name = "FORM:PATH", value_parser = image, help_heading = "Evidence")]
    #[arg(
        long_help = "The image it runs in: oci:DIR or oci:TAR (an OCI image layout), docker-archive:TAR (what docker save writes), or registry:[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST] (fetched while it is read, with the logins that docker has; nothing is kept). The program at its entrypoint is the binary that is judged"
    )]
    pub(crate) image: Vec<ImageArg>,
    /// A registry (HOST or HOST:PORT) to speak plain HTTP with
    #[arg(long, value_name = "HOST", value_parser = host, requires = "image")]
    #[arg(help_heading = "Evidence")]
    pub(crate) insecure_registry: Vec<String>,
    /// Its platform, when it has several (default: each of them)
    #[arg(long, value_name = "OS/ARCH", value_parser = platform, help_heading = "Evidence")]
    pub(crate) platform: Option<String>,
    /// The stage that is built, when it is not the last
    #[arg(long, value_name = "STAGE", help_heading = "Evidence")]
    pub(crate) target: Option<String>,
    /// Run `go build` as the Dockerfile does, and judge the result
    #[arg(long, help_heading = "Evidence")]
    #[arg(
        long_help = "Run `go build` for the module found, with the flags and the toolchain of its Dockerfile, and judge the result. Flags that could run other programs are left out, and the report says so"
    )]
    pub(crate) build: bool,
    /// Have helm render a chart (a folder or .tgz), and judge the result
    #[arg(long, value_name = "DIR|TGZ", help_heading = "Evidence")]
    pub(crate) chart: Vec<String>,
    /// Values of the charts; the last one wins
    #[arg(long, value_name = "FILE", requires = "chart", help_heading = "Evidence")]
    pub(crate) values: Vec<String>,
    /// A value of the charts
    #[arg(long, value_name = "KEY=VALUE", requires = "chart", help_heading = "Evidence")]
    pub(crate) set: Vec<String>,
    /// The release that charts are rendered for (default: the chart's name)
    #[arg(long, value_name = "NAME", requires = "chart", help_heading = "Evidence")]
    pub(crate) release: Option<String>,
    /// Have kustomize (or kubectl) build a kustomization, and judge the result
    #[arg(long, value_name = "DIR", help_heading = "Evidence")]
    pub(crate) kustomize: Vec<String>,
    /// The container that runs the binary, when several could
    #[arg(long, value_name = "NS/KIND/NAME/C", value_parser = container, help_heading = "Evidence")]
    pub(crate) container: Option<String>,
    /// What `provost prove` measured of the binary
    #[arg(long, value_name = "FILE", help_heading = "Evidence")]
    pub(crate) proof: Vec<String>,
    /// Namespace of objects that name none
    #[arg(long, value_name = "NS", value_parser = namespace, help_heading = "Evidence")]
    pub(crate) namespace: Option<String>,
    /// Objects that are not in the input do not exist
    #[arg(long, help_heading = "Evidence")]
    pub(crate) closed_world: bool,
    /// Fail when this evidence is missing: binary, image, dockerfile, manifest
    #[arg(
        long,
        value_name = "KIND,...",
        value_delimiter = ',',
        hide_possible_values = true,
        help_heading = "Evidence"
    )]
    pub(crate) require: Vec<Kind>,

    /// Which rules are on, and how hard: recommended, strict, house
    #[arg(
        long,
        value_name = "NAME",
        default_value = "recommended",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Rules"
    )]
    pub(crate) profile: Profile,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,

    /// Fail on findings that are not in this file only
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    pub(crate) baseline: Option<String>,
    /// Write the findings of this run into FILE, and succeed
    #[arg(long, value_name = "FILE", conflicts_with = "baseline", help_heading = "Rules")]
    pub(crate) write_baseline: Option<String>,

    /// Only findings with a place in a file that changed since REV
    #[arg(
        long,
        value_name = "REV",
        conflicts_with_all = ["baseline", "write_baseline"],
        help_heading = "Rules"
    )]
    #[arg(
        long_help = "Only findings with a place in a file that git says has changed since REV (since the two parted), or that git does not track yet. Everything is read all the same, so that a change is judged with what it joins to. A program of a Go module in the repository, and its image, are as they were while no file changed that they are made of; other programs, images and standard input count as changed"
    )]
    pub(crate) diff_base: Option<String>,

    /// Write the fixes that mean what the author meant into the files
    #[arg(long, conflicts_with = "write_baseline", help_heading = "Fixes")]
    pub(crate) fix: bool,
    /// With --fix: also those that a person should look at
    #[arg(long, requires = "fix", help_heading = "Fixes")]
    pub(crate) unsafe_fixes: bool,
    /// With --fix: print them as a diff and write nothing
    #[arg(long, requires = "fix", help_heading = "Fixes")]
    pub(crate) diff: bool,

    /// Judge for these versions of Kubernetes: 1.36 or 1.35..1.37
    #[arg(long, value_name = "1.NN", value_parser = values::kubernetes, help_heading = "Target")]
    #[arg(
        long_help = "Judge for these versions of Kubernetes: 1.36 or 1.35..1.37. Those older than the releases that provost knows are judged like the oldest of them, and the report says so; newer ones are refused"
    )]
    pub(crate) kubernetes: Option<(u16, u16)>,
    /// Judge an upgrade to this version of Go
    #[arg(long, value_name = "1.NN", value_parser = values::go, help_heading = "Target")]
    pub(crate) go: Option<u16>,
    /// Judge as of this day (default: today)
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, help_heading = "Target")]
    pub(crate) date: Option<Date>,

    /// text (default), json, sarif, github, gitlab, junit, markdown, html; repeatable
    #[arg(long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    #[arg(
        long_help = "How to write the report, and into which file: text (default), json, sarif, github (annotations), gitlab (code quality), junit, markdown (a comment or a step's summary), html (one page). Repeatable; one of them can go to standard output"
    )]
    pub(crate) format: Vec<Output>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A rule, rule/variant, or another linter's name for it; without one, the list
    #[arg(value_name = "RULE[/VARIANT]")]
    pub(crate) rule: Option<String>,
    /// Print the settings in force here and where each comes from
    #[arg(long, conflicts_with = "rule")]
    pub(crate) config: bool,
    /// With --config: as `check --profile` would judge
    #[arg(long, value_name = "NAME", requires = "config", hide_possible_values = true)]
    pub(crate) profile: Option<Profile>,
    /// With --config: as `check --level` would judge
    #[arg(long, value_name = "RULE=LEVEL", value_delimiter = ',', requires = "config")]
    pub(crate) level: Vec<LevelOf>,
    /// With --config: as `check --kubernetes` would judge
    #[arg(long, value_name = "1.NN", value_parser = values::kubernetes, requires = "config")]
    pub(crate) kubernetes: Option<(u16, u16)>,
    /// With --config: as `check --go` would judge
    #[arg(long, value_name = "1.NN", value_parser = values::go, requires = "config")]
    pub(crate) go: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder of the Go module, or one in it
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    #[arg(
        long_help = "The folder of the Go module, or one in it; without one, the working directory. Ports, probe paths, environment variables and whether C is linked are read from the source; nothing is run and nothing is asked"
    )]
    pub(crate) path: String,
    /// The programs to write files for (default: those that look like services)
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    pub(crate) package: Vec<String>,
    /// Write a Helm chart instead of manifests
    #[arg(long)]
    pub(crate) helm: bool,
    /// The image's name, without a tag (default: from the remote or the module's path)
    #[arg(long, value_name = "NAME", value_parser = repository)]
    pub(crate) image: Option<String>,
    /// For which CI: github, gitlab, or none by itself (default: the remote's, or both)
    #[arg(long, value_name = "CI,...", value_delimiter = ',', hide_possible_values = true)]
    pub(crate) ci: Vec<Ci>,
    /// Replace files that are there
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave files that are there as they are, and write the others
    #[arg(long, conflicts_with = "force")]
    pub(crate) keep: bool,
    /// Print what would be written as a diff, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ci {
    Github,
    Gitlab,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Recommended,
    Strict,
    House,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Deny,
    Warn,
    Note,
    Never,
}

impl Profile {
    /// The profile as the engine knows it.
    pub(crate) fn of_the_engine(self) -> engine::Profile {
        match self {
            Self::Recommended => engine::Profile::Recommended,
            Self::Strict => engine::Profile::Strict,
            Self::House => engine::Profile::House,
        }
    }

    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Recommended => "recommended",
            Self::Strict => "strict",
            Self::House => "house",
        }
    }
}

impl FailOn {
    /// The lowest level that fails a run; `None` when none does.
    pub(crate) fn level(self) -> Option<Level> {
        match self {
            Self::Deny => Some(Level::Deny),
            Self::Warn => Some(Level::Warn),
            Self::Note => Some(Level::Note),
            Self::Never => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    Binary,
    Image,
    Dockerfile,
    Manifest,
}

/// `RULE=LEVEL`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LevelOf {
    pub(crate) id: String,
    pub(crate) level: Option<Level>,
}

impl FromStr for LevelOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, level) =
            text.split_once('=').ok_or_else(|| "expected RULE=off|note|warn|deny".to_owned())?;
        Ok(Self { id: id.to_owned(), level: values::level(level)? })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Sarif,
    Github,
    Gitlab,
    Junit,
    Markdown,
    Html,
}

impl Format {
    const ALL: [(&str, Self); 8] = [
        ("text", Self::Text),
        ("json", Self::Json),
        ("sarif", Self::Sarif),
        ("github", Self::Github),
        ("gitlab", Self::Gitlab),
        ("junit", Self::Junit),
        ("markdown", Self::Markdown),
        ("html", Self::Html),
    ];
}

/// `FORMAT[=FILE]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) format: Format,
    /// Standard output without one.
    pub(crate) file: Option<String>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err("expected a file after `=`".to_owned()),
            Some((format, file)) => (format, Some(file.to_owned())),
            None => (text, None),
        };
        let known = Format::ALL.iter().find(|(name, _)| *name == format);
        let Some((_, format)) = known.copied() else {
            let names = Format::ALL.map(|(name, _)| name).join(", ");
            return Err(format!("expected one of {names}, with =FILE for a file"));
        };
        // `-` is standard output everywhere else.
        Ok(Self { format, file: file.filter(|file| file != "-") })
    }
}

fn container(text: &str) -> Result<String, String> {
    if values::is_container(text) {
        Ok(text.to_owned())
    } else {
        Err("expected NAMESPACE/KIND/NAME/CONTAINER".to_owned())
    }
}

/// What `--image` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ImageArg {
    /// A directory or an archive.
    File(ImageInput),
    /// A reference. It is read later: clap would repeat one that has a password in it.
    Registry(String),
}

/// A name as the API server takes it for a namespace: RFC 1123's labels.
fn namespace(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = (1..=63).contains(&text.len()) && text.bytes().all(plain);
    match fits && !text.starts_with('-') && !text.ends_with('-') {
        true => Ok(text.to_owned()),
        false => {
            Err("expected the name of a namespace: lower-case letters, digits and -".to_owned())
        }
    }
}

/// A host as references name it.
fn host(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    match !text.is_empty() && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("expected HOST or HOST:PORT, as references name it".to_owned()),
    }
}

/// `os/arch[/variant]`, as indexes of images have it.
fn platform(text: &str) -> Result<String, String> {
    let parts = text.split('/').count();
    match (2..=3).contains(&parts) && text.split('/').all(|part| !part.is_empty()) {
        true => Ok(text.to_owned()),
        false => Err("expected OS/ARCH or OS/ARCH/VARIANT: linux/amd64, linux/arm/v7".to_owned()),
    }
}

fn image(text: &str) -> Result<ImageArg, String> {
    let (form, path) = match text.split_once(':') {
        Some(("oci", path)) => (Form::Oci, path),
        Some(("docker-archive", path)) => (Form::Docker, path),
        Some(("registry", reference)) => return Ok(ImageArg::Registry(reference.to_owned())),
        // Other tools' names for the same two.
        Some(("oci-archive" | "oci-dir" | "ocidir", path)) => {
            return Err(format!("did you mean oci:{path}? An archive and a directory go by it"));
        }
        Some(("docker" | "docker-tar" | "tar" | "tarball", path)) if path.ends_with(".tar") => {
            return Err(format!("did you mean docker-archive:{path}?"));
        }
        Some(("docker" | "docker-daemon" | "docker-image", name)) => {
            return Err(format!(
                "images of a running Docker are not read; docker save -o image.tar {name}, then \
                 --image docker-archive:image.tar"
            ));
        }
        _ => {
            return Err(
                "expected oci:DIR, oci:TAR, docker-archive:TAR (what docker save writes) or \
                 registry:REFERENCE"
                    .to_owned(),
            );
        }
    };
    if path.is_empty() {
        return Err("expected a path after the colon".to_owned());
    }
    Ok(ImageArg::File(ImageInput { path: path.to_owned(), form: Some(form) }))
}

fn date(text: &str) -> Result<Date, String> {
    values::date(text).ok_or_else(|| "expected a day: 2027-01-31".to_owned())
}

/// An image's name without tag and digest, in letters that need no quotes anywhere.
fn repository(text: &str) -> Result<String, String> {
    let plain = |b: u8| {
        b.is_ascii_lowercase()
            || b.is_ascii_digit()
            || matches!(b, b'.' | b'-' | b'_' | b'/' | b':')
    };
    let last = text.rsplit('/').next().unwrap_or_default();
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let named = ImageRef::parse(text).is_ok() && text.bytes().all(plain) && starts;
    match named && !last.contains(':') && text.len() <= 200 {
        true => Ok(text.to_owned()),
        false => {
            Err("expected a name without a tag: registry.example.com/shop/checkout".to_owned())
        }
    }
}
