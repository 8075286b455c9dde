//! What BuildKit refuses, and what it takes otherwise than it was meant.

mod base;
mod flags;
mod go_steps;
mod packages;
mod questions;
mod shell;
mod warnings;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::case::{BuildCase, Joined};
use crate::facts::build::{Build, CopyStep};
use crate::facts::build_steps::PLATFORM_ARGS;
use crate::facts::problem::ProblemKind;
use crate::facts::{Basis, Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::names::{distance, nearest};
use crate::model::published;
use crate::model::shell::variables;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

use super::{is_no_name, lone_variable, without};

const SAME_LINE: Variant = Variant::new(
    "self-referencing-env",
    Level::Warn,
    "an ENV value that reads what its own line sets",
);
const PLATFORM: Variant = Variant::new(
    "fixed-platform",
    Level::Note,
    "the final image is built for one platform, whatever is asked for",
);
const QUESTION: Variant = Variant::new(
    "unanswered-question",
    Level::Warn,
    "a package manager that asks before it goes on",
);
const NO_SHELL: Variant = Variant::new(
    "run-without-shell",
    Level::Deny,
    "a RUN in a stage whose image has nothing to run it",
);
const UNKNOWN_FLAG: Variant =
    Variant::new("unknown-build-flag", Level::Deny, "a flag that go build does not have");
const NO_PACKAGE: Variant = Variant::new(
    "missing-package",
    Level::Warn,
    "go build of a package that the build context does not have",
);

const NO_CGO: Variant = Variant::new(
    "sanitizer-without-cgo",
    Level::Deny,
    "go build -race, which needs cgo, where there is none",
);
const WARNING: Variant = Variant::new(
    "builder-warning",
    Level::Note,
    "what BuildKit's own checks warn of, and what it builds all the same",
);
const NO_MODULE: Variant =
    Variant::new("download-without-module", Level::Deny, "go mod download before go.mod is there");

/// The build stops, or makes something else than is written.
pub static RULE: Rule = Rule {
    id: "rejected-by-builder",
    group: Group::Build,
    level: Level::Deny,
    title: "a Dockerfile that BuildKit refuses or takes otherwise than it says",
    page: include_str!("rejected-by-builder.md"),
    needs: &[Need::Dockerfile],
    variants: &[
        SAME_LINE,
        PLATFORM,
        QUESTION,
        NO_SHELL,
        UNKNOWN_FLAG,
        NO_PACKAGE,
        NO_CGO,
        NO_MODULE,
        WARNING,
    ],
    check: Check::Build(check),
    also: &[Check::Run(refused)],
    ..Rule::BASE
};

/// What the loader met; files without a single stage are no Dockerfiles (`unparsable-input`).
fn refused(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    let world = joined.world;
    let builds: FxHashSet<_> = world.builds.iter().map(|build| build.source).collect();
    if builds.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    for problem in world.problems.iter().filter(|p| builds.contains(&p.origin.source())) {
        let (level, label) = match problem.kind {
            ProblemKind::Refused => (Level::Deny, "BuildKit stops here"),
            ProblemKind::Doubtful => (Level::Warn, "BuildKit goes on"),
            _ => continue,
        };
        let mut finding = Finding::new(&RULE, problem.message.clone(), &problem.origin, label);
        if level != RULE.level {
            finding = finding.level(level);
        }
        if let Some(help) = &problem.help {
            finding = finding.fix(Fix::suggest(help.clone()));
        }
        finding.subject.clone_from(&world.sources.get(problem.origin.source()).path);
        out.push(finding);
    }
    Ok(())
}

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    stage_names(build, out);
    let reached = build.reached();
    // Images that COPY lines and mounts name are counted behind the stages.
    let by_name = build.copies.iter().filter(|copy| {
        copy.from_stage.is_none()
            && copy.from.as_ref().is_some_and(|from| from.parse::<usize>().is_err())
    });
    let mounts = build.runs.iter().filter(|run| !run.flags.is_empty());
    let images = by_name.count() + mounts.map(|run| run.mounts().count()).sum::<usize>();
    for copy in &build.copies {
        copied_stage(build, copy, &reached, images, out);
        several_sources(copy, out);
    }
    undeclared(build, out);
    base::check(build, &reached, out);
    warnings::check(build, out);
    for written in build.instructions.iter().filter(|written| written.name == "MAINTAINER") {
        out.push(
            Finding::new(
                &RULE,
                "MAINTAINER is deprecated; a label says the same",
                &written.keyword,
                "deprecated since 2017",
            )
            .level(Level::Note)
            .fix(Fix::suggest("write LABEL org.opencontainers.image.authors=\"...\"")),
        );
    }
    for line in &build.same_line {
        out.push(
            Finding::new(
                &RULE,
                match line.before {
                    false => format!(
                        "this reads ${} of before the line, which is not set: the value stays empty",
                        line.name
                    ),
                    true => format!(
                        "this reads ${} of before the line, not what the line sets",
                        line.name
                    ),
                },
                &line.reads,
                "expanded before the line takes effect",
            )
            .variant(&SAME_LINE)
            .also(&line.sets, "set by the same line")
            .fix(Fix::suggest(format!("set {} in an ENV line of its own, above", line.name))),
        );
    }
    fixed_platform(build, out);
    shell::check(build, &reached, out);
    flags::check(build, &reached, out);
    go_steps::check(build, &reached, out);
    packages::check(case, out);
    questions::check(build, &reached, out).map_err(|()| super::unread())
}

fn stage_names(build: &Build, out: &mut Findings) {
    let mut seen: FxHashMap<String, &Origin> = FxHashMap::default();
    for name in build.stages.iter().filter_map(|stage| stage.name.as_ref()) {
        let lower = name.to_ascii_lowercase();
        if matches!(lower.as_str(), "scratch" | "context") {
            let means = match lower.as_str() {
                "scratch" => "FROM scratch means this stage from here on",
                _ => "the build context goes by this name",
            };
            out.push(
                Finding::new(
                    &RULE,
                    format!("a stage named {lower}: {means}"),
                    &name.origin,
                    "a name with a meaning of its own",
                )
                .level(Level::Warn)
                .fix(Fix::suggest("give the stage another name")),
            );
        }
        match seen.get(&lower) {
            Some(first) => out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "two stages are named {lower}: wherever the name stands, the last is meant"
                    ),
                    &name.origin,
                    "the second of that name",
                )
                .level(Level::Warn)
                .also(first, "the first")
                .fix(Fix::suggest("give one of them another name")),
            ),
            None => {
                seen.insert(lower, &name.origin);
            }
        }
    }
}

fn copied_stage(
    build: &Build,
    copy: &CopyStep,
    reached: &[bool],
    images: usize,
    out: &mut Findings,
) {
    let Some(from) = copy.from.as_ref().filter(|from| !from.contains('$')) else { return };
    let of_stage = |index: usize| {
        build.stages.get(index).map(|stage| match &stage.name {
            Some(name) => &name.origin,
            None => &stage.origin,
        })
    };
    match copy.from_stage {
        Some(index) if index == copy.stage => {
            let finding = Finding::new(
                &RULE,
                format!("--from={} names the stage it stands in", from.value),
                &from.origin,
                "circular",
            );
            let finding = match of_stage(index) {
                Some(origin) => finding.also(origin, "the same stage"),
                None => finding,
            };
            out.push(finding.fix(Fix::suggest("name an earlier stage")));
        }
        Some(index) if index > copy.stage => {
            let mut finding = Finding::new(
                &RULE,
                format!("--from={} names a stage that comes later", from.value),
                &from.origin,
                "not built yet",
            );
            // A stage that the image does not need is not built at all.
            if !reached.get(copy.stage).copied().unwrap_or(true) {
                finding = finding.level(Level::Warn);
            }
            if let Some(origin) = of_stage(index) {
                finding = finding.also(origin, "the later stage");
            }
            out.push(finding.fix(Fix::suggest("move the stage above this one")));
        }
        Some(_) => {}
        None if from.parse::<usize>().is_ok() => {
            let count = build.stages.len();
            if from.parse::<usize>().is_ok_and(|index| index >= count + images) {
                out.push(Finding::new(
                    &RULE,
                    format!("--from={}: there are {count} stages, counted from 0", from.value),
                    &from.origin,
                    "no such stage",
                ));
            }
        }
        None => no_such_stage(build, from, out),
    }
}

/// A name that is no stage's is an image's. Without a registry, path or tag it rarely is.
fn no_such_stage(build: &Build, from: &Fact<String>, out: &mut Findings) {
    let name = from.value.as_str();
    let known = matches!(name, "scratch" | "context") || published::is_official(name);
    if name.contains(['/', ':', '@', '.']) || known {
        return;
    }
    let near = build.stages.iter().take(64).filter_map(|stage| stage.name.as_ref()).find(|stage| {
        distance(&stage.to_ascii_lowercase(), &name.to_ascii_lowercase(), 2).is_some()
    });
    let finding = Finding::new(
        &RULE,
        format!("no stage is named {name}: the builder pulls an image of that name"),
        &from.origin,
        "no stage of this file",
    )
    .level(Level::Warn);
    out.push(match near {
        Some(stage) => finding.also(&stage.origin, "a stage of nearly that name").fix(
            Fix::suggest(format!("did you mean {}?", stage.value))
                .replace(&from.origin, stage.value.as_str()),
        ),
        None => finding.fix(Fix::suggest(
            "name a stage, or the image in full; a context of --build-context goes by a name, too",
        )),
    });
}

fn several_sources(copy: &CopyStep, out: &mut Findings) {
    let count = copy.sources.len() + copy.inline.len();
    let destination = copy.destination.value.as_str();
    // A path of Windows is one, too.
    let directory = destination.ends_with(['/', '\\']) || destination.ends_with("..");
    // A variable at the end may end with a slash, unless it is one of the builder's.
    let last = destination.rsplit('/').next().unwrap_or_default();
    let builders = lone_variable(last).is_some_and(|name| name.starts_with("TARGET"));
    if count < 2 || directory || (last.contains('$') && !builders) {
        return;
    }
    let Some(span) = copy.destination.origin.span() else { return };
    let end = Origin::text(
        copy.destination.origin.source(),
        crate::facts::Span { start: span.end, end: span.end },
    );
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{count} sources and a destination without / at its end: unless {destination} is a \
                 directory by then, each replaces the one before"
            ),
            &copy.destination.origin,
            "not written as a directory",
        )
        .level(Level::Warn)
        .note("the builder before BuildKit refuses it")
        .fix(Fix::safe("write / at the end").replace(&end, "/")),
    );
}

/// Variables of a FROM line that no ARG before the first FROM declares: they are empty, whatever
/// `--build-arg` says.
fn undeclared(build: &Build, out: &mut Findings) {
    let first = build.stages.first().and_then(|stage| stage.origin.span()).map(|span| span.start);
    let mut declared: Vec<&str> = build
        .args
        .iter()
        .filter(|(name, _)| name.origin.span().map(|span| span.start) < first)
        .map(|(name, _)| name.value.as_str())
        .chain(PLATFORM_ARGS.iter().copied())
        .collect();
    declared.sort_unstable();
    let is_declared = |name: &str| declared.binary_search(&name).is_ok();
    for stage in &build.stages {
        let of_base = std::iter::once((&stage.base, false));
        for (value, platform) in of_base.chain(stage.platform.iter().map(|value| (value, true))) {
            let reads = variables::reads(&value.value, '\\', false);
            let missing = reads.iter().find(|read| !read.guarded && !is_declared(read.name));
            let Some(name) = missing.map(|read| read.name) else { continue };
            // What stands in for another one is not followed.
            let guarded = reads.iter().any(|read| read.guarded);
            let (what, fails) = match platform {
                true => ("the platform", lone_variable(&value.value).is_some()),
                false => (
                    "the base image's name",
                    !guarded
                        && is_no_name(&without(&value.value, |name| {
                            is_declared(name).then_some("x")
                        })),
                ),
            };
            let lone = lone_variable(&value.value).is_some();
            let end = match lone {
                true => format!("{what} is empty"),
                false => format!("it is empty in {what}"),
            };
            let mut finding = Finding::new(
                &RULE,
                format!("no ARG before the first FROM declares {name}: {end}"),
                &value.origin,
                "expands to nothing",
            );
            if !fails {
                finding = finding.level(Level::Warn);
            }
            if let Some((arg, _)) = build.args.iter().find(|(arg, _)| arg.value == name) {
                finding = finding.also(&arg.origin, "belongs to a stage, and FROM does not see it");
            }
            let near = nearest(name, declared.iter().copied(), 2);
            out.push(finding.fix(Fix::suggest(match near {
                Some(near) => format!("did you mean ${near}?"),
                None => format!("write ARG {name} above the first FROM"),
            })));
        }
    }
}

fn fixed_platform(build: &Build, out: &mut Findings) {
    let Some(root) = build.root_of(build.final_stage) else { return };
    let Some(platform) = root.platform.as_ref() else { return };
    // An ARG may say another one.
    if platform.basis == Basis::Derived || platform.contains('$') {
        return;
    }
    // BuildKit's own rule (FromPlatformFlagConstDisallowed) lets a stage be that says so by its name.
    let named = build.final_chain().into_iter().any(|index| {
        build.stages.get(index).and_then(|stage| stage.name.as_ref()).is_some_and(|name| {
            platform.split('/').any(|part| !part.is_empty() && name.contains(part))
        })
    });
    if named {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the final image is always {}, also where the build is asked for another platform",
                platform.value
            ),
            &platform.origin,
            "a constant",
        )
        .variant(&PLATFORM)
        .fix(Fix::suggest(
            "leave it out, and build with docker build --platform; a builder stage that \
             cross-compiles takes --platform=$BUILDPLATFORM",
        )),
    );
}
