//! Commands of `go` that stop the build: sanitizers without cgo, modules that are not there yet.

use super::super::ineffective_build_flag::words_of;
use super::flags::is_fatal;
use super::{NO_CGO, NO_MODULE, RULE};
use crate::facts::build::{Build, CopyStep, GoBuild, RunStep, may_be_given};
use crate::facts::build_steps::RunCommand;
use crate::facts::{Fact, Origin};
use crate::findings::{Finding, Fix, Level};
use crate::model::names::base_name;
use crate::model::shell::Joined;
use crate::rules::rule::Findings;

/// Commands of one Dockerfile that are looked at.
const MOST: usize = 256;

/// Flags that link a runtime of C (`instrumentInit` in cmd/go/internal/work/init.go, Go 1.27).
const SANITIZERS: &[&str] = &["-race", "-msan", "-asan"];

/// What brings a compiler of C, as packages and commands name it.
const COMPILERS: &[&str] =
    &["gcc", "build-base", "alpine-sdk", "clang", "zig", "musl-dev", "g++", "llvm", "tcc"];

pub(super) fn check(build: &Build, reached: &[bool], out: &mut Findings) {
    let targeted = build.final_stage + 1 < build.stages.len();
    let is_reached = |stage: usize| reached.get(stage).copied().unwrap_or(true);
    for go in build.go_builds.iter().take(MOST) {
        if is_reached(go.stage) || !targeted {
            sanitizer(build, go, is_reached(go.stage), out);
        }
    }
    for run in build.runs.iter().take(MOST).filter(|run| is_reached(run.stage) || !targeted) {
        download(build, run, is_reached(run.stage), out);
    }
}

fn sanitizer(build: &Build, go: &GoBuild, reached: bool, out: &mut Findings) {
    let flag = go.flags.iter().find(|flag| {
        flag.is_written() && SANITIZERS.contains(&flag.value.trim_end_matches("=true"))
    });
    let Some(flag) = flag else { return };
    let name = flag.value.trim_end_matches("=true");
    let system = go.variable("GOOS").map(|system| system.value.as_str());
    // On macOS the race detector needs no cgo since Go 1.20.
    if matches!(system, Some("darwin" | "ios")) {
        return;
    }
    let setting = go.setting("CGO_ENABLED");
    let given = setting.is_some_and(|(_, value)| may_be_given(value));
    let (message, also, fix) = match setting.map(|(_, value)| value.value.as_str()) {
        Some("0") => (
            format!("{name} needs cgo, and CGO_ENABLED is 0: `go: {name} requires cgo`"),
            setting.map(|(key, _)| (&key.origin, "no cgo")),
            format!("remove {name}, which is for tests, or write CGO_ENABLED=1"),
        ),
        None | Some("1") if lacks_compiler(build, go) => {
            let base = build.stages.get(go.stage).map(|stage| (&stage.base.origin, "has no gcc"));
            (
                format!("{name} needs cgo, and this stage has no compiler of C: the build stops"),
                base,
                format!("remove {name}, which is for tests, or install gcc and musl-dev"),
            )
        }
        _ => return,
    };
    let run = run_of(build, go);
    let words = words_of(build, go);
    let at = |fact: &Fact<String>| fact.origin.span().map(|span| span.start);
    let place = words.iter().find(|word| at(word) == at(flag)).map_or(&flag.origin, |w| &w.origin);
    let mut finding = Finding::new(&RULE, message, place, "needs cgo").variant(&NO_CGO);
    if let Some((origin, label)) = also {
        finding = finding.also(origin, label);
    }
    if given {
        finding = finding.note("another value may be given to the build");
    }
    if given || !reached || !run.is_some_and(|run| is_fatal(run, go)) {
        finding = finding.level(Level::Warn);
    }
    out.push(finding.fix(Fix::suggest(fix)));
}

fn run_of<'b>(build: &'b Build, go: &GoBuild) -> Option<&'b RunStep> {
    build.runs.iter().find(|run| {
        run.stage == go.stage
            && run.origin.span().zip(go.origin.span()).is_some_and(|(a, b)| a.contains(b))
    })
}

/// `golang:...-alpine` has none, and nothing that is done before brings one.
fn lacks_compiler(build: &Build, go: &GoBuild) -> bool {
    let Some(stage) = build.stages.get(go.stage) else { return false };
    let known = stage.base_image.is_some_and(|base| base.name == "golang (alpine)");
    let chain = build.chain_of(go.stage);
    // What is copied from another image may be a compiler.
    let copied = build.copies.iter().any(|copy| chain.contains(&copy.stage) && copy.from.is_some());
    let own = build.runs.iter().filter(|run| chain.contains(&run.stage));
    let understood = own.clone().all(|run| run.understood);
    // Packages that an argument, a file or another command names.
    let unknown =
        ["$", "xargs"].iter().any(|word| own.clone().any(|run| run.says("apk") && run.says(word)));
    known && !copied && understood && !unknown && !build.runs_say(go.stage, COMPILERS)
}

/// `go mod download` where no `go.mod` can be: `no modules specified (see 'go help mod download')`.
fn download(build: &Build, run: &RunStep, reached: bool, out: &mut Findings) {
    let Ok(commands) = run.commands() else { return };
    let Some((at, command)) = commands.iter().enumerate().find(|(_, it)| is_download(it)) else {
        return;
    };
    // What stands in front of it may bring anything.
    let harmless = |command: &RunCommand| {
        let word = command.program().map(|(name, arguments)| {
            let verb = arguments.first().map_or("", |word| word.value.as_str());
            matches!(name, "set" | "echo" | "true")
                || (name == "go" && matches!(verb, "env" | "version"))
        });
        command.words.is_empty() || word == Some(true)
    };
    if !commands.iter().take(at).all(harmless) || run.bound().next().is_some() {
        return;
    }
    let bound = run.mounts().any(|mount| {
        mount.iter().any(|(key, value)| *key == "type" && *value == "bind")
            || !mount.iter().any(|(key, _)| *key == "type")
    });
    let Some(stage) = build.stages.get(run.stage).filter(|_| !bound) else { return };
    // An image that is not known may have a module.
    let Some(root) = build.root_of(run.stage) else { return };
    if !stage.base_image.is_some_and(|base| base.go_toolchain) || root.base.value.contains('$') {
        return;
    }
    let Some(dir) = directory(build, run) else { return };
    let chain = build.chain_of(run.stage);
    let start = |origin: &Origin| origin.span().map(|span| span.start);
    let before = |stage: usize, origin: &Origin| {
        chain.contains(&stage) && (stage != run.stage || start(origin) < start(&run.origin))
    };
    let brings = |copy: &CopyStep| before(copy.stage, &copy.origin) && may_bring(copy, &dir);
    let makes = |other: &RunStep| {
        before(other.stage, &other.origin)
            && (!other.understood || other.created.is_none() || says_module(other))
    };
    if build.copies.iter().any(brings) || build.runs.iter().any(makes) {
        return;
    }
    let later = build.copies.iter().find(|copy| {
        copy.stage == run.stage && start(&copy.origin) > start(&run.origin) && may_bring(copy, &dir)
    });
    let place = command.words.first().map_or(&run.origin, |word| &word.origin);
    let mut finding = Finding::new(
        &RULE,
        format!("nothing brings a go.mod to {dir} before go mod download: it stops, `go: no modules specified`"),
        place,
        "without a module",
    )
    .variant(&NO_MODULE);
    if let Some(copy) = later {
        finding = finding.also(&copy.origin, "brings it later");
    }
    let alone = at + 1 == commands.len()
        || run.errexit
        || commands.iter().skip(at + 1).all(|next| next.joined == Joined::And);
    if !reached || !alone || command.piped || run.text.is_none() {
        finding = finding.level(Level::Warn);
    }
    out.push(finding.fix(Fix::suggest("write COPY go.mod go.sum ./ above it")));
}

fn is_download(command: &RunCommand) -> bool {
    let Some(("go", arguments)) = command.program() else { return false };
    let words: Vec<&str> = arguments.iter().map(|word| word.value.as_str()).collect();
    let moved =
        command.env.iter().any(|(name, _)| matches!(name.value.as_str(), "GOFLAGS" | "GOWORK"));
    matches!(words.as_slice(), ["mod", "download", flags @ ..]
        if flags.iter().all(|flag| matches!(*flag, "-x" | "-json" | "-v")))
        && !moved
}

/// The WORKDIR in force.
fn directory(build: &Build, run: &RunStep) -> Option<String> {
    let start = |origin: &Origin| origin.span().map(|span| span.start);
    let chain = build.chain_of(run.stage);
    let mut dirs = build.workdirs.iter().filter(|(dir, stage)| {
        chain.contains(stage) && (*stage != run.stage || start(&dir.origin) < start(&run.origin))
    });
    let dir = dirs.next_back().map(|(dir, _)| dir.value.clone());
    let base = || {
        let base = build.stages.get(run.stage)?.base_image?;
        Some(base.workdir.unwrap_or("/").to_owned())
    };
    let dir = dir.or_else(base)?;
    (dir.starts_with('/') && !dir.contains('$')).then(|| {
        let trimmed = dir.trim_end_matches('/');
        if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
    })
}

/// Whether a COPY may bring a `go.mod` to the directory, or to one above it. What goes below it brings
/// none, and neither does a file of another name.
fn may_bring(copy: &CopyStep, dir: &str) -> bool {
    let to = copy.destination.value.as_str();
    let below = to.strip_prefix(dir).is_some_and(|rest| {
        let rest = if dir == "/" { to } else { rest };
        rest.starts_with('/') && !rest.trim_matches('/').is_empty() && !rest.ends_with("/.")
    });
    if below && !to.contains('$') && !to.ends_with("/go.mod") {
        return false;
    }
    let other = |source: &Fact<String>| matches!(base_name(&source.value), "go.sum" | "Makefile");
    copy.sources.is_empty() || !copy.sources.iter().all(other) || to.ends_with("go.mod")
}

fn says_module(run: &RunStep) -> bool {
    run.text.as_ref().is_none_or(|text| {
        ["go.mod", "mod init", "git ", "curl", "wget", "tar ", "cp ", "mv "]
            .iter()
            .any(|word| text.as_str().contains(word))
    })
}
