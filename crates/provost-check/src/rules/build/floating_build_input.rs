//! What a build fetches by a name that means something else tomorrow.

mod packages;

use crate::case::BuildCase;
use crate::facts::Fact;
use crate::facts::build::{Build, CopyStep};
use crate::facts::build_steps::{PLATFORM_ARGS, RunCommand};
use crate::findings::{Finding, Fix, Level};
use crate::model::names::ImageRef;
use crate::model::shell::variables;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

use super::{is_no_name, lone_variable, without};

const UNPINNED: Variant =
    Variant::new("unpinned-base-image", Level::Note, "a base image by its tag, without a digest")
        .off()
        .strict(Level::Note)
        .house(Level::Warn);
const GO: Variant = Variant::new(
    "unpinned-go-install",
    Level::Note,
    "a Go program installed in whatever version is the newest",
)
.strict(Level::Warn);
const ADD: Variant = Variant::new(
    "remote-add",
    Level::Warn,
    "ADD of an address without a checksum, or of what COPY copies",
);
const LISTS: Variant = Variant::new(
    "cached-package-lists",
    Level::Warn,
    "packages installed by lists that another layer keeps",
);
const PACKAGE: Variant = Variant::new(
    "unpinned-package",
    Level::Note,
    "a package in whatever version the servers have on the day",
)
.off()
.house(Level::Note);

/// The same Dockerfile makes another image.
pub static RULE: Rule = Rule {
    id: "floating-build-input",
    group: Group::Build,
    level: Level::Warn,
    title: "a build that depends on the day it is run",
    page: include_str!("floating-build-input.md"),
    needs: &[Need::Dockerfile],
    variants: &[UNPINNED, GO, ADD, LISTS, PACKAGE],
    check: Check::Build(check),
    ..Rule::BASE
};

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    let reached = build.reached();
    // Without --target every stage that nothing is built on may be one.
    let targeted = build.final_stage + 1 < build.stages.len();
    for (index, stage) in build.stages.iter().enumerate() {
        let reached = reached.get(index).copied().unwrap_or(false);
        if stage.parent.is_none() && (reached || !targeted) {
            let from = out.found.len();
            base_image(build, &stage.base, out);
            // What the final image is not made of matters less.
            for finding in out.found.get_mut(from..).into_iter().flatten().filter(|_| !reached) {
                finding.level = Level::Note;
                finding.level_by_case = true;
            }
        }
    }
    for copy in build.copies.iter().filter(|copy| copy.add) {
        added(copy, out);
    }
    let commands: Vec<_> = build.runs.iter().map(|run| run.commands()).collect();
    packages::lists(build, &commands, out);
    let contexts = first_contexts(build);
    let mut unread = false;
    for (run, commands) in build.runs.iter().zip(&commands) {
        match commands {
            Ok(commands) => {
                let at = run.origin.span().map_or(0, |span| span.start);
                let first = contexts.get(run.stage).copied().flatten();
                let module = first.is_some_and(|first| first < at);
                commands.iter().for_each(|command| go_install(command, module, out));
                packages::unpinned(commands, out);
            }
            Err(_) => unread = true,
        }
    }
    if unread { Err(super::unread()) } else { Ok(()) }
}

fn base_image(build: &Build, base: &Fact<String>, out: &mut Findings) {
    let text = base.value.as_str();
    if text == "scratch" {
        return;
    }
    if let Some(name) = lone_variable(text) {
        let argument = build.args.iter().find(|(arg, _)| arg.value == name);
        // What the builder sets, or what nothing declares (`rejected-by-builder`), is no choice.
        if let Some((arg, None)) = argument
            && !is_builders(name)
        {
            out.push(
                Finding::new(
                    &RULE,
                    format!("what this image is built on is said by --build-arg {name} alone"),
                    &base.origin,
                    "nothing without the argument",
                )
                .level(Level::Note)
                .also(&arg.origin, "has no default")
                .fix(Fix::suggest(format!("give {name} a default, with tag and digest"))),
            );
        }
        return;
    }
    if text.contains('$') {
        without_arguments(build, base, out);
        return;
    }
    let Ok(image) = ImageRef::parse(text) else { return };
    if image.digest.is_some() {
        return;
    }
    let what = match image.tag.as_deref() {
        None => "has no tag: it is latest",
        Some("latest") => "is whatever is the newest",
        Some(_) => {
            out.push(
                Finding::new(
                    &RULE,
                    format!("{text} is a tag, which can be pushed again"),
                    &base.origin,
                    "no digest",
                )
                .variant(&UNPINNED)
                .fix(Fix::suggest(
                    "add the digest: docker buildx imagetools inspect prints it, and Renovate or \
                     Dependabot keep it fresh",
                )),
            );
            return;
        }
    };
    out.push(
        Finding::new(&RULE, format!("the base image {text} {what}"), &base.origin, "floats")
            .fix(Fix::suggest("name a version, and a digest to be certain")),
    );
}

/// A name that is none, or that of the newest image, without a `--build-arg`. A part of a tag that only
/// the build knows is somebody's choice.
fn without_arguments(build: &Build, base: &Fact<String>, out: &mut Findings) {
    let text = base.value.as_str();
    let reads = variables::reads(text, '\\', false);
    let bare = |name: &str| {
        let argument = build.args.iter().find(|(arg, _)| arg.value == name);
        argument.filter(|(_, default)| default.is_none() && !is_builders(name)).map(|(arg, _)| arg)
    };
    let first = reads.iter().filter(|read| !read.guarded).find_map(|read| bare(read.name));
    let Some(argument) = first else { return };
    let guarded = |name: &str| reads.iter().any(|read| read.name == name && read.guarded);
    let left = without(text, |name| (guarded(name) || bare(name).is_none()).then_some("x"));
    let name = &argument.value;
    let message = if is_no_name(&left) {
        format!("what this image is built on is said by --build-arg {name} alone")
    } else if ImageRef::parse(&left)
        .is_ok_and(|image| image.tag.is_none() && image.digest.is_none())
    {
        format!("without --build-arg {name} this image is built on whatever is the newest")
    } else {
        return;
    };
    out.push(
        Finding::new(&RULE, message, &base.origin, "not this without the argument")
            .level(Level::Note)
            .also(&argument.origin, "has no default")
            .fix(Fix::suggest(format!("give {name} a default"))),
    );
}

/// What the builder sets.
fn is_builders(name: &str) -> bool {
    PLATFORM_ARGS.contains(&name)
}

fn added(copy: &CopyStep, out: &mut Findings) {
    let has = |flag: &str| copy.flags.iter().any(|f| f.value.starts_with(flag));
    for source in copy.sources.iter().take(1000) {
        let text = source.value.as_str();
        let remote = text.starts_with("http://") || text.starts_with("https://");
        if is_git(text) {
            continue;
        }
        if remote && !has("--checksum") {
            out.push(
                Finding::new(
                    &RULE,
                    "ADD of an address without --checksum: the build takes what the server gives \
                     that day",
                    &source.origin,
                    "not verified",
                )
                .variant(&ADD)
                .fix(Fix::suggest("write ADD --checksum=sha256:... with the digest of the file")),
            );
        }
    }
    let plain = |source: &Fact<String>| {
        let text = source.value.as_str();
        // What a variable at the start of the name stands for may be an archive, or an address.
        let name = text.rsplit('/').next().unwrap_or_default();
        let open = text.starts_with('$') || name.starts_with('$');
        !text.contains("://") && !is_git(text) && !open && !is_archive(text)
    };
    let only_plain = !copy.sources.is_empty() && copy.sources.iter().all(plain);
    if only_plain && copy.inline.is_empty() && !has("--unpack") && !has("--keep-git-dir") {
        out.push(
            Finding::new(
                &RULE,
                "ADD of files of the context: COPY does that, and nothing else",
                &copy.keyword,
                "also unpacks archives and fetches addresses",
            )
            .variant(&ADD)
            .level(Level::Note)
            .fix(
                Fix::suggest("write COPY, unless a source is an archive")
                    .replace(&copy.keyword, "COPY"),
            ),
        );
    }
}

/// `git@host:path`, `https://host/x.git#tag`.
fn is_git(source: &str) -> bool {
    let path = source.split(['#', '?']).next().unwrap_or_default();
    source.starts_with("git@")
        || source.starts_with("git://")
        || source.starts_with("ssh://")
        || (source.starts_with("http") && path.ends_with(".git"))
}

/// What ADD unpacks, by its name.
fn is_archive(source: &str) -> bool {
    const ENDS: &[&str] = &[
        ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".tbz", ".xz", ".txz", ".lzma", ".tlz", ".zst",
        ".tzst", ".Z", ".tb2", ".tz", ".tpz",
    ];
    let name = source.rsplit('/').next().unwrap_or_default().trim_matches('"');
    ENDS.iter().any(|end| name.ends_with(end)) || name.contains(".tar")
}

/// Where in each stage the first files of the context are copied: from there on versions are those of
/// its go.mod, where it has one. 0 when a stage below has them already.
fn first_contexts(build: &Build) -> Vec<Option<u32>> {
    let mut first: Vec<Option<u32>> = vec![None; build.stages.len()];
    for copy in build.copies.iter().filter(|copy| copy.from.is_none()) {
        if let Some(first) = first.get_mut(copy.stage)
            && first.is_none()
        {
            *first = copy.origin.span().map(|span| span.start);
        }
    }
    for (index, stage) in build.stages.iter().enumerate() {
        let below = stage.parent.filter(|parent| *parent < index);
        if below.and_then(|parent| first.get(parent).copied().flatten()).is_some()
            && let Some(first) = first.get_mut(index)
        {
            *first = Some(0);
        }
    }
    first
}

fn go_install(command: &RunCommand, module: bool, out: &mut Findings) {
    let Some(("go", arguments)) = command.program() else { return };
    let Some((verb, arguments)) = arguments.split_first() else { return };
    if !matches!(verb.value.as_str(), "install" | "get" | "run") {
        return;
    }
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let text = word.value.as_str();
        if text.starts_with('-') {
            if matches!(text, "-ldflags" | "-tags" | "-gcflags" | "-mod" | "-modfile" | "-C" | "-o")
            {
                words.next();
            }
            continue;
        }
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        // A domain comes first in the path of every module that is fetched.
        let host = path.split('/').next().unwrap_or_default();
        let remote = host.contains('.') && path.contains('/') && !host.starts_with('.');
        let floats = match version {
            Some("latest" | "upgrade" | "patch" | "main" | "master" | "HEAD") => true,
            Some(_) => false,
            // Without a version go.mod decides, where there is one.
            None => verb.value == "get" || (verb.value == "install" && !module),
        };
        if remote && floats {
            let what = match version {
                Some(version) => format!("{path} in the version that is {version} on the day"),
                None => format!("{path} without a version"),
            };
            out.push(
                Finding::new(
                    &RULE,
                    format!("go {} fetches {what}", verb.value),
                    &word.origin,
                    "floats",
                )
                .variant(&GO)
                .fix(Fix::suggest(format!(
                    "write go install {path}@vX.Y.Z, or a tool line in go.mod"
                ))),
            );
        }
        // `go run` has one package, then arguments of the program.
        if verb.value == "run" {
            return;
        }
    }
}
