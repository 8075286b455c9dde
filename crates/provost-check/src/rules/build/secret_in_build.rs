//! Secrets in the instructions of a build.

use rustc_hash::FxHashSet;

use crate::case::BuildCase;
use crate::case::image::ImageCase;
use crate::facts::build::{Build, RunStep};
use crate::facts::image::SecretVariable;
use crate::facts::{Fact, Origin};
use crate::findings::{Finding, Fix, Level};
use crate::model::secret::{
    given, looks_secret, may_be_secret, secret_word, shaped, written_logins,
};
use crate::model::text;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Whoever pulls the image, or reads the repository, has it.
pub static RULE: Rule = Rule {
    id: "secret-in-build",
    group: Group::Build,
    level: Level::Deny,
    title: "a secret that stays in the image or its history",
    page: include_str!("secret-in-build.md"),
    needs: &[Need::Dockerfile],
    check: Check::Build(check),
    also: &[Check::Image(image)],
    ..Rule::BASE
};

const WAY_OUT: &str = "give it by RUN --mount=type=secret,id=..., which leaves nothing behind";

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    arguments(build, out);
    for (name, value, _) in build.envs.iter().filter(|(_, value, _)| is_literal(value)) {
        if let Some(what) = looks_secret(&name.value, &value.value) {
            out.push(
                Finding::new(
                    &RULE,
                    format!("ENV {} puts {} into the image", shown(name), described(what)),
                    &name.origin,
                    "in the configuration of the image, for everybody who pulls it",
                )
                .fix(Fix::suggest(format!(
                    "let the container get it where it runs; for the build, {WAY_OUT}"
                ))),
            );
        }
    }
    for (name, value, _) in build.envs.iter().filter(|(_, value, _)| is_literal(value)) {
        let told = looks_secret(&name.value, &value.value).is_some();
        if is_key_id(&name.value) && may_be_secret(&value.value) && !told {
            out.push(
                Finding::new(
                    &RULE,
                    format!("ENV {} names an access key in the image", shown(name)),
                    &name.origin,
                    "half of a pair",
                )
                .level(Level::Warn)
                .fix(Fix::suggest("let the container get its credentials where it runs")),
            );
        }
    }
    for stage in &build.stages {
        let base = &stage.base;
        if base.is_written() && !written_logins(&base.value).is_empty() {
            out.push(
                Finding::new(
                    &RULE,
                    "FROM holds a login of a registry, which no name of an image has",
                    &base.origin,
                    "in the file, for everybody who reads it",
                )
                .fix(Fix::suggest("log in where the image is built: docker login")),
            );
        }
    }
    for run in &build.runs {
        let first = run.text.as_ref().and_then(|text| {
            let first = shaped(text.as_str()).into_iter().next();
            let first = first.map(|secret| match secret.what {
                "a URL with a password" => ("a password in an address", secret.span),
                what => (what, secret.span),
            });
            let first = first.or_else(|| written_logins(text.as_str()).into_iter().next());
            first.map(|(what, span)| (what, text.origin(&span)))
        });
        let Some((what, place)) = first.or_else(|| given_in(run)) else { continue };
        let keyword = Origin::text(
            run.origin.source(),
            run.origin.span().map_or_else(Default::default, |whole| crate::facts::Span {
                start: whole.start,
                end: (whole.start + 3).min(whole.end),
            }),
        );
        out.push(
            Finding::new(
                &RULE,
                format!("RUN holds {what}"),
                &keyword,
                "kept in the image's history as it is written",
            )
            .also(&place, "here")
            .fix(Fix::suggest(WAY_OUT)),
        );
    }
    Ok(())
}

/// A password that a command of the RUN is given as a word.
fn given_in(run: &RunStep) -> Option<(&'static str, Origin)> {
    let commands = run.commands().ok()?;
    commands.iter().find_map(|command| {
        let (program, arguments) = command.program()?;
        let words: Vec<&str> = arguments.iter().map(|word| word.value.as_str()).collect();
        let given = given(program, &words)?;
        let word = arguments.get(given.word).filter(|word| word.is_written())?;
        Some((given.what, word.origin.clone()))
    })
}

fn arguments(build: &Build, out: &mut Findings) {
    let first = build.stages.first().and_then(|stage| stage.origin.span()).map(|span| span.start);
    let is_global = |name: &Fact<String>| name.origin.span().map(|span| span.start) < first;
    let in_stages: FxHashSet<&str> = build
        .args
        .iter()
        .filter(|(name, _)| !is_global(name))
        .map(|(name, _)| name.value.as_str())
        .collect();
    for (name, value) in &build.args {
        match value {
            Some(value) if !value.value.is_empty() => {
                if let Some(what) = looks_secret(&name.value, &value.value)
                    && is_literal(value)
                {
                    out.push(
                        Finding::new(
                            &RULE,
                            format!("ARG {} has {} for a default", shown(name), described(what)),
                            &name.origin,
                            "in the file, and in the history of the stage",
                        )
                        .fix(Fix::suggest(WAY_OUT)),
                    );
                }
            }
            _ => {
                let global = is_global(name);
                // Told where a stage takes it.
                if !(global && in_stages.contains(name.value.as_str())) {
                    out.found.extend(without_default(name, global));
                }
            }
        }
    }
}

/// An ARG that a secret is meant to come by.
fn without_default(name: &Fact<String>, global: bool) -> Option<Finding> {
    // Half of a pair of which the other half is secret.
    if secret_word(&name.value).is_none() && !is_key_id(&name.value) {
        return None;
    }
    // Before the first FROM it belongs to no stage, and to no history.
    let finding = if global {
        Finding::new(
            &RULE,
            format!(
                "ARG {}: the provenance of the build tells what --build-arg gives",
                shown(name)
            ),
            &name.origin,
            "no secret, once it is given",
        )
        .level(Level::Note)
    } else {
        Finding::new(
            &RULE,
            format!("ARG {}: what --build-arg gives stays in the history", shown(name)),
            &name.origin,
            "shown by docker history, and by the provenance of the build",
        )
        .level(Level::Warn)
    };
    Some(finding.fix(Fix::suggest(WAY_OUT)))
}

fn is_key_id(name: &str) -> bool {
    name.to_ascii_uppercase().ends_with("AWS_ACCESS_KEY_ID")
}

/// What the built image tells, where no Dockerfile of the input says so already.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let image = case.image;
    let written = |name: &str| {
        let mut builds = case.world().builds.iter().take(1000);
        builds.any(|build| build.envs.iter().any(|(env, ..)| env.value == name))
    };
    for SecretVariable { name, what } in &image.secret_env {
        if written(&name.value) {
            continue;
        }
        out.push(
            Finding::new(
                &RULE,
                format!("the image has {} in {}", described(what), shown(name)),
                &name.origin,
                "in its configuration, for everybody who pulls it",
            )
            .fix(Fix::suggest(format!(
                "let the container get it where it runs; for the build, {WAY_OUT}"
            ))),
        );
    }
    for (name, value) in &image.labels {
        let first = shaped(&value.value).into_iter().next().map(|secret| secret.what);
        let login = || written_logins(&value.value).into_iter().next().map(|(what, _)| what);
        let Some(what) = first.or_else(login) else { continue };
        let name = text::shown(name);
        out.push(
            Finding::new(
                &RULE,
                format!("the label {name} of the image holds {what}"),
                &value.origin,
                "in its configuration, for everybody who pulls it",
            )
            .fix(Fix::suggest(format!("leave the label out; for the build, {WAY_OUT}"))),
        );
    }
    for (index, layer) in image.layers.iter().enumerate() {
        let text = layer.created_by.as_deref().unwrap_or_default();
        if let Some((name, what)) = secret_argument(text) {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "the history of the image has {} in the build argument {}",
                        described(what),
                        text::shown(name)
                    ),
                    &Origin::image(image.source, Some(&layer.digest), "history"),
                    format!("what made layer {}", index + 1),
                )
                .fix(Fix::suggest(WAY_OUT)),
            );
            continue;
        }
        let holds = |text: &String| !shaped(text).is_empty() || !written_logins(text).is_empty();
        if layer.created_by.as_ref().is_some_and(holds) && case.world().builds.is_empty() {
            out.push(
                Finding::new(
                    &RULE,
                    "the history of the image holds a password or token",
                    &Origin::image(image.source, Some(&layer.digest), "history"),
                    format!("what made layer {}", index + 1),
                )
                .fix(Fix::suggest(WAY_OUT)),
            );
        }
    }
    Ok(())
}

/// The first secret among the arguments of a build that made a layer, by its name and what is secret of
/// it: `RUN |2 MODE=fast DB_PASSWORD=... /bin/sh -c make # buildkit`.
fn secret_argument(made_by: &str) -> Option<(&str, &'static str)> {
    let rest = made_by.strip_prefix("RUN ").unwrap_or(made_by).strip_prefix('|')?;
    let (count, rest) = rest.split_once(' ')?;
    let words = rest.split(' ').take_while(|word| !word.starts_with('/'));
    let arguments = words.filter_map(|word| word.split_once('='));
    arguments
        .take(count.parse().ok()?)
        .find_map(|(name, value)| Some((name, looks_secret(name, value)?)))
}

/// A value that the file itself gives, rather than one that comes from elsewhere.
fn is_literal(value: &Fact<String>) -> bool {
    value.is_written() && !value.value.contains('$')
}

/// The word in a name, or what the value is by its shape.
fn described(what: &str) -> String {
    match what.strip_prefix("a ").or_else(|| what.strip_prefix("an ")) {
        Some(_) => what.to_owned(),
        None => format!("a secret ({what})"),
    }
}

fn shown(name: &Fact<String>) -> String {
    text::shown(&name.value)
}
