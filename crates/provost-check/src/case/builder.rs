//! The Go of a builder image against the `go` line of the module that it builds.
//!
//! Sources: those of `model/toolchain.rs`; `ENV GOTOOLCHAIN=local` in the templates of docker-library/golang,
//! for 1.21 and newer; `GoVersionRE` and `add` in golang.org/x/mod/modfile/rule.go as of Go 1.20.

use goformats::version::GoVersion;

use super::{BuildCase, ProgramCase};
use crate::facts::Fact;
use crate::facts::build::{BaseImage, GoBuild, Stage};
use crate::facts::build_context::GoModule;
use crate::facts::build_files::EntrypointSource;
use crate::findings::{Abstain, Reason};
use crate::model::toolchain::{SELECTS, is_older};

/// A build whose module is of a newer Go than its builder.
#[derive(Clone, Copy, Debug)]
pub struct NewerModule<'w> {
    /// The build.
    pub go: &'w GoBuild,
    /// Its module.
    pub module: &'w GoModule,
    /// The builder's version, at its FROM.
    pub tag: &'w Fact<GoVersion>,
    /// Whether the FROM names it, rather than a build argument that another may be given for.
    pub tag_is_written: bool,
    /// What comes of it.
    pub outcome: Outcome<'w>,
}

/// What a builder does with a module of a newer Go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome<'w> {
    /// It may fetch no other; with what says so, where the Dockerfile does.
    Refused(Option<&'w Fact<String>>),
    /// It cannot read the file: that line is of a form it does not know.
    NotRead(&'w Fact<String>),
    /// It builds; only when that fails it says that the module is of a newer Go.
    Tried,
}

impl Outcome<'_> {
    /// Whether the build fails for certain.
    pub fn fails(self) -> bool {
        self != Self::Tried
    }
}

impl<'w> BuildCase<'w> {
    /// Builds of modules that are of a newer Go than their builder, and are not built by one that is
    /// fetched.
    ///
    /// # Errors
    /// What `GOTOOLCHAIN` is in the builder is not known.
    pub fn newer_modules(&self) -> impl Iterator<Item = Result<NewerModule<'w>, Abstain>> {
        let build = self.build;
        let context = build.context.as_ref();
        let unsure = context.into_iter().flat_map(|context| &context.unsure_modules);
        let unsure = unsure.filter_map(|(index, refused, taken)| {
            let go = build.go_builds.get(*index)?;
            let what = format!("which of {refused} and {taken} is built");
            (!leaves_module(go)).then(|| Err(Abstain::unknown(Reason::Alternatives, what)))
        });
        let modules = build.context.iter().flat_map(|context| &context.modules);
        let known = modules.filter_map(|(index, module)| {
            let go = build.go_builds.get(*index)?;
            let stage = build.stages.get(go.stage)?;
            let root = build.root_of(go.stage)?;
            let tag = stage.go_tag.as_ref()?;
            let required = GoVersion::parse(&module.go.value)?;
            let unread = tag.value.minor < SELECTS && unread(module).is_some();
            if !(unread || is_older(&tag.value, &required)) || leaves_module(go) {
                return None;
            }
            let is_golang = |base: &BaseImage| base.go_toolchain && base.name.starts_with("golang");
            let is_said = tag.value.minor < SELECTS || written(go, "GOTOOLCHAIN", root);
            if !is_said && !stage.base_image.is_some_and(is_golang) {
                let what = format!("GOTOOLCHAIN in {}", root.base.value);
                return Some(Err(Abstain::unknown(Reason::BaseImageUnknown, what)));
            }
            let outcome = outcome(go, module, &tag.value, &required)?;
            let tag_is_written = root.base.is_written();
            Some(Ok(NewerModule { go, module, tag, tag_is_written, outcome }))
        });
        known.chain(unsure)
    }
}

/// A program by another Go than that of the image which builds it.
#[derive(Clone, Copy, Debug)]
pub struct OtherBuilder<'w> {
    /// The builder's version, at its FROM.
    pub tag: &'w Fact<GoVersion>,
    /// What asks for the program's Go: the `go` or `toolchain` line, and the builder may fetch it.
    pub fetched: Option<&'w Fact<String>>,
    /// The build.
    pub go: &'w GoBuild,
}

impl<'w> ProgramCase<'w> {
    /// The builder of the program's Dockerfile, where its Go is another than the one that built it.
    ///
    /// # Errors
    /// `NotApplicable` for programs that `--build` made, without a Dockerfile, and where that does
    /// not say which Go it builds with. Unknown where another Go may have been fetched or brought.
    pub fn other_builder(&self) -> Result<Option<OtherBuilder<'w>>, Abstain> {
        if self.binary.built_here || self.binary.built_from.is_some() {
            return Err(Abstain::NotApplicable);
        }
        let build = self.build().ok_or(Abstain::NotApplicable)?;
        let built = &self.binary.go.as_ref().ok_or(Abstain::NotApplicable)?.version.value;
        let unknown = |what: String| Err(Abstain::unknown(Reason::BaseImageUnknown, what));
        let go = match build.entrypoint_source() {
            EntrypointSource::Built(index) => build.go_builds.get(index),
            EntrypointSource::Unknown if !build.go_builds.is_empty() => {
                return unknown("the command that builds the program".to_owned());
            }
            _ => None,
        };
        let go = go.ok_or(Abstain::NotApplicable)?;
        let (tag, root) = build
            .go_tag(go)
            .zip(build.root_of(go.stage))
            .filter(|_| built.pre.is_none())
            .ok_or(Abstain::NotApplicable)?;
        if tag.value.minor == built.minor {
            return Ok(None);
        }
        if !root.base.is_written() {
            return unknown(format!("the build argument in {}", root.base.value));
        }
        if build.brings_go(go.stage) {
            return unknown(format!("the Go that a step brings into {}", root.base.value));
        }
        let found = |fetched| Ok(Some(OtherBuilder { tag, fetched, go }));
        // What is older than the builder is never fetched, unless it is named; before 1.21 nothing is.
        let setting = go.variable("GOTOOLCHAIN").map(|setting| setting.value.as_str());
        match setting.filter(|_| tag.value.minor >= SELECTS) {
            Some(name) if GoVersion::parse(name).is_some_and(|it| it.minor == built.minor) => {
                return Ok(None);
            }
            Some(name) if name.contains('$') => {
                return unknown("GOTOOLCHAIN of the builder".to_owned());
            }
            Some("local") => return found(None),
            Some(name) if name.starts_with("go") && !name.contains('+') => return found(None),
            _ if tag.value.minor < SELECTS || built.minor < tag.value.minor => return found(None),
            _ => {}
        }
        let modules = build.context.iter().flat_map(|context| &context.modules);
        let module = modules
            .filter(|(index, _)| build.go_builds.get(*index).is_some_and(|it| std::ptr::eq(it, go)))
            .map(|(_, module)| module)
            .next();
        let Some(module) = module else {
            return unknown("the Go that go.mod asks for".to_owned());
        };
        let lines = module.toolchain.iter().chain([&module.go]);
        let asks = |line: &&Fact<String>| {
            GoVersion::parse(&line.value).is_some_and(|asked| asked.minor == built.minor)
        };
        found(lines.into_iter().find(asks))
    }
}

/// Whether the Dockerfile sets a variable, rather than the base of its stage.
fn written(go: &GoBuild, name: &str, root: &Stage) -> bool {
    go.variable(name).is_some_and(|value| value.origin != root.base.origin)
}

/// Whether a build reads another module or none: `go install PACKAGE@VERSION`, `-modfile`, GOPATH.
fn leaves_module(go: &GoBuild) -> bool {
    go.packages.iter().any(|package| package.value.contains('@'))
        || go.flags.iter().any(|flag| flag.value.trim_start_matches('-').starts_with("modfile"))
        || go.variable("GO111MODULE").is_some_and(|value| value.value == "off")
}

fn outcome<'w>(
    go: &'w GoBuild,
    module: &'w GoModule,
    tag: &GoVersion,
    required: &GoVersion,
) -> Option<Outcome<'w>> {
    if tag.minor < SELECTS {
        return Some(unread(module).map_or(Outcome::Tried, Outcome::NotRead));
    }
    let setting = go.variable("GOTOOLCHAIN");
    let Some(value) = setting.map(|setting| setting.value.as_str()) else {
        return Some(Outcome::Refused(None));
    };
    match value {
        "local" => Some(Outcome::Refused(setting)),
        // Fetched, or taken from PATH.
        "" | "auto" | "path" => None,
        _ if value.contains('$') || value.contains('+') => None,
        // That one and no other.
        name => GoVersion::parse(name)
            .filter(|named| name.starts_with("go") && is_older(named, required))
            .map(|_| Outcome::Refused(setting)),
    }
}

/// What a Go before 1.21 cannot read.
fn unread(module: &GoModule) -> Option<&Fact<String>> {
    let plain = module.go.value.split('.').count() == 2;
    module.toolchain.as_ref().or((!plain).then_some(&module.go))
}
