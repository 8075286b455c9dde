//! A COPY whose source is not where it copies from.

use crate::case::BuildCase;
use crate::facts::build::{Build, CopyStep, GoBuild, RunStep};
use crate::facts::build_context::{InContext, key};
use crate::facts::build_files::Presence;
use crate::facts::{Fact, Origin, Span};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::{base_name, nearest};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const ABSENT: Variant = Variant::new(
    "absent-from-context",
    Level::Warn,
    "a COPY of something that the build context does not have",
);
const IGNORED: Variant = Variant::new(
    "excluded-by-dockerignore",
    Level::Deny,
    "a COPY of something that .dockerignore leaves out",
);

/// BuildKit: failed to compute cache key: "/out/checkout": not found.
pub static RULE: Rule = Rule {
    id: "missing-copy-source",
    group: Group::Build,
    level: Level::Deny,
    title: "a COPY whose source is not there",
    page: include_str!("missing-copy-source.md"),
    needs: &[Need::Dockerfile],
    variants: &[ABSENT, IGNORED],
    check: Check::Build(check),
    ..Rule::BASE
};

/// Each source is held against the steps of a stage.
const MOST_STEPS: usize = 20_000;
/// Sources that are judged.
const MOST_SOURCES: usize = 1000;

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    let steps = build.copies.len() + build.runs.len() + build.go_builds.len();
    let sources: usize = build.copies.iter().map(|copy| copy.sources.len()).sum();
    if steps > MOST_STEPS || sources > MOST_SOURCES {
        return Err(Abstain::unknown(Reason::LimitReached, "thousands of COPY lines"));
    }
    let reached = build.reached();
    // A stage that the image does not need is not built.
    let is_built = |stage: usize| reached.get(stage) == Some(&true);
    for copy in build.copies.iter().filter(|copy| is_built(copy.stage)) {
        for source in &copy.sources {
            match (copy.from_stage, &copy.from) {
                (Some(from), _) if from < copy.stage => of_stage(case, copy, from, source, out),
                (None, None) => of_context(case, copy, source, &reached, out),
                _ => {}
            }
        }
    }
    for run in build.runs.iter().filter(|run| is_built(run.stage)) {
        of_mount(case, run, out);
    }
    Ok(())
}

fn keyword(copy: &CopyStep) -> &'static str {
    if copy.add { "ADD" } else { "COPY" }
}

/// A path whose every part is known.
fn is_plain(source: &str) -> bool {
    !source.contains(['$', '*', '?', '[', '\\']) && !source.contains("://")
}

/// Registries whose `golang` is the one that everybody knows.
const PUBLIC: &[&str] = &[
    "cgr.dev",
    "docker.io",
    "gcr.io",
    "index.docker.io",
    "mcr.microsoft.com",
    "mirror.gcr.io",
    "public.ecr.aws",
    "quay.io",
    "registry.access.redhat.com",
    "registry.redhat.io",
];

/// Whether nothing from outside of the file can bring something into a stage: no other image in its
/// place or that of its base, no other path in a variable.
fn is_closed(case: &BuildCase<'_>, stage: usize, source: &Fact<String>) -> bool {
    let build = case.build;
    let Some(root) = build.root_of(stage) else { return false };
    let text = case.world().sources.get(root.base.origin.source()).shown();
    let written = root.base.origin.span().and_then(|span| text?.get(span.range()));
    // `golang:$GO_VERSION` is golang, `$BASE` may be anything.
    let named = written.is_some_and(|image| {
        let tag = image.rfind('/').map_or(0, |slash| slash + 1);
        let colon = image.get(tag..).and_then(|name| name.find(':')).map(|colon| tag + colon);
        !image.get(..colon.unwrap_or(image.len())).unwrap_or(image).contains('$')
    });
    let host = root.base.value.split_once('/').map(|(first, _)| first);
    let public = host.is_none_or(|host| !host.contains(['.', ':']) || PUBLIC.contains(&host));
    let by_argument = |default: &Fact<String>| default.starts_with('/');
    let paths = build.args.iter().any(|(_, default)| default.as_ref().is_some_and(by_argument));
    named && public && !paths && source.is_written() && !build.named_contexts
}

fn of_stage(
    case: &BuildCase<'_>,
    copy: &CopyStep,
    from: usize,
    source: &Fact<String>,
    out: &mut Findings,
) {
    let build = case.build;
    let parents = copy.flags.iter().any(|flag| flag.value.starts_with("--parents"));
    if parents || !is_plain(source) || build.stage_has(from, source) != Presence::Impossible {
        return;
    }
    let Some(stage) = build.stages.get(from) else { return };
    let name = stage.name.as_ref().map_or_else(|| from.to_string(), |name| name.value.clone());
    let path = format!("/{}", key(source).unwrap_or_default());
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} takes {path} from stage {name}, where nothing makes it: the build stops",
            keyword(copy)
        ),
        &source.origin,
        "not found",
    );
    if !is_closed(case, from, source) {
        finding = finding.level(Level::Warn);
    }
    let chain = build.chain_of(from);
    let built: Vec<&GoBuild> =
        build.go_builds.iter().filter(|go| chain.contains(&go.stage)).take(64).collect();
    let outputs: Vec<&Fact<String>> = built.iter().filter_map(|go| go.output.as_ref()).collect();
    for output in outputs.iter().take(3) {
        finding = finding.also(&output.origin, format!("builds {}", output.value));
    }
    if outputs.is_empty() {
        finding = finding.also(&stage.origin, "the stage");
    }
    let all = || outputs.iter().map(|output| output.value.as_str());
    let same_name = || all().find(|output| base_name(output) == base_name(&path));
    let near = nearest(&path, all(), 4).or_else(same_name).or(match outputs.as_slice() {
        [only] => Some(only.value.as_str()),
        _ => None,
    });
    if !source.value.starts_with('/') {
        finding = finding.note("paths behind --from start at / of the stage, not at its WORKDIR");
    }
    out.push(match near {
        Some(near) => {
            finding.fix(Fix::suggest(format!("did you mean {near}?")).replace(&source.origin, near))
        }
        None => finding.fix(Fix::suggest("copy what the stage makes")),
    });
}

fn of_context(
    case: &BuildCase<'_>,
    copy: &CopyStep,
    source: &Fact<String>,
    reached: &[bool],
    out: &mut Findings,
) {
    let build = case.build;
    let answer = build.context.as_ref().and_then(|context| context.has(source));
    if let Some(InContext::There) = answer {
        return;
    }
    if let Some(finding) = without_from(build, copy, source, reached, answer.is_some()) {
        out.push(finding);
        return;
    }
    if let Some(answer) = answer {
        let takes = format!("{} takes", keyword(copy));
        out.found.extend(not_sent(case, &takes, source, answer, source.is_written()));
    }
}

/// Something that an earlier stage builds, copied as if it came from the context.
fn without_from(
    build: &Build,
    copy: &CopyStep,
    source: &Fact<String>,
    reached: &[bool],
    looked_for: bool,
) -> Option<Finding> {
    if copy.add || !is_plain(source) {
        return None;
    }
    let path = format!("/{}", key(source)?);
    let go = build.go_builds.iter().find(|go| {
        go.stage < copy.stage && go.output.as_ref().is_some_and(|output| output.value == path)
    })?;
    let chain = build.chain_of(copy.stage);
    // `make` may build the same on the outside; then nobody would build it in a stage that is used.
    let unused = reached.get(go.stage) == Some(&false);
    if chain.contains(&go.stage) || !(unused || source.value.starts_with('/')) {
        return None;
    }
    let output = go.output.as_ref()?;
    let stage = build.stages.get(go.stage)?;
    let name = stage.name.as_ref().map_or_else(|| go.stage.to_string(), |name| name.value.clone());
    let end = copy.keyword.span()?.end;
    let behind = Origin::text(copy.keyword.source(), Span { start: end, end });
    let finding = Finding::new(
        &RULE,
        format!(
            "COPY takes {} from the build context, and stage {name} makes it: the build stops",
            source.value
        ),
        &source.origin,
        "no --from",
    )
    .also(&output.origin, format!("built in stage {name}"))
    .fix(
        Fix::suggest(format!("write COPY --from={name}"))
            .replace(&behind, format!(" --from={name}")),
    );
    // Something else than the stage may make it: then it is one of the context after all.
    let context = build.context.as_ref();
    let another = context.is_none_or(|context| context.another)
        || !matches!(
            context.and_then(|c| c.has(source)),
            Some(InContext::Absent { sure: true, .. })
        );
    let closed = source.value.starts_with('/') && !another;
    Some(if looked_for && closed { finding } else { finding.level(Level::Warn) })
}

/// A bind mount of a RUN takes its source from the context too.
fn of_mount(case: &BuildCase<'_>, run: &RunStep, out: &mut Findings) {
    let Some(context) = case.build.context.as_ref() else { return };
    for (flag, source) in run.bound() {
        if let Some(answer) = context.has(source) {
            let source = flag.map(|_| source.to_owned());
            out.found.extend(not_sent(case, "the mount takes", &source, answer, false));
        }
    }
}

/// A source that the builder does not get. `alone`: its place is that of the path and nothing else.
fn not_sent(
    case: &BuildCase<'_>,
    takes: &str,
    source: &Fact<String>,
    answer: &InContext,
    alone: bool,
) -> Option<Finding> {
    let at = &source.origin;
    let dir = case.build.context.as_ref().map_or(".", |context| context.dir.as_str());
    let another = case.build.context.as_ref().is_none_or(|context| context.another);
    match answer {
        InContext::There => None,
        InContext::Excluded(pattern) => {
            let all = key(source).is_some_and(|key| key.is_empty());
            let message = match all {
                true => {
                    format!("{takes} the whole context, and .dockerignore leaves all of it out")
                }
                false => {
                    format!(
                        "{takes} {}, which .dockerignore leaves out: the build stops",
                        source.value
                    )
                }
            };
            let finding = Finding::new(&RULE, message, at, "not sent to the builder")
                .variant(&IGNORED)
                .also(&pattern.origin, "leaves it out")
                .fix(Fix::suggest(match all {
                    true => "let in what the build needs: !go.mod, !cmd".to_owned(),
                    false => format!(
                        "write !{} below the pattern, or leave the pattern out",
                        key(source).unwrap_or_default()
                    ),
                }));
            Some(if another { finding.level(Level::Warn) } else { finding })
        }
        InContext::Absent { near, made, sure: unexplained } => {
            let key = key(source)?;
            let name = base_name(&key);
            // Nobody makes these in a pipeline. Those of a nested module may come with it.
            let sure = matches!(key.as_str(), "go.mod" | "go.sum" | "go.work" | "go.work.sum");
            let written = sure
                || matches!(name, "go.mod" | "go.sum")
                || name.ends_with(".go")
                || matches!(
                    key.split('/').next(),
                    Some("api" | "apis" | "cmd" | "controllers" | "internal" | "pkg" | "vendor")
                );
            if *made || !(written || near.is_some()) {
                return None;
            }
            let finding = Finding::new(
                &RULE,
                format!(
                    "{takes} {}, which the build context does not have: the build stops",
                    source.value
                ),
                at,
                match dir {
                    "." => "not found".to_owned(),
                    dir => format!("not found in {dir}"),
                },
            )
            .variant(&ABSENT);
            let certain = sure && *unexplained && source.is_written();
            let finding = if certain { finding.level(Level::Deny) } else { finding };
            Some(match near {
                Some(near) => {
                    let fix = Fix::suggest(format!("did you mean {near}?"));
                    finding.fix(match alone {
                        true => fix.replace(at, near.as_str()),
                        false => fix,
                    })
                }
                None if name == "go.sum" => finding
                    .note("a module without dependencies has no go.sum")
                    .fix(Fix::suggest("write go.sum* (a pattern may match nothing), or leave it out")),
                None => finding.fix(Fix::suggest(
                    "name what is there; what a pipeline makes before the build belongs in .gitignore",
                )),
            })
        }
    }
}
