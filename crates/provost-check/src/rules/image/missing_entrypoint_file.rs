//! A command that is no file of the image.

mod hidden;
mod shell_alone;

use shell_alone::brings_nothing;

use crate::case::command::{CommandLine, CommandSource};
use crate::case::image::{ImageCase, ImageView};
use crate::case::start::Start;
use crate::case::{BuildCase, Case};
use crate::facts::Fact;
use crate::facts::build::{CommandForm, Instruction};
use crate::facts::build_files::{Presence, behind_wrapper};
use crate::facts::workload::ContainerRole;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::nearest;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const HIDDEN: Variant =
    Variant::new("hidden-by-volume", Level::Deny, "a program that a volume is mounted over");

/// The container runtime finds nothing to start.
pub static RULE: Rule = Rule {
    id: "missing-entrypoint-file",
    group: Group::Image,
    level: Level::Deny,
    title: "a command that is no file of the image",
    page: include_str!("missing-entrypoint-file.md"),
    needs: &[Need::Dockerfile],
    variants: &[
        Variant::new(
            "entrypoint-relative-to-workdir",
            Level::Note,
            "a program found only from its working directory",
        ),
        Variant::new("no-command", Level::Deny, "neither image nor manifest says what to run"),
        Variant::new(
            "shell-alone",
            Level::Deny,
            "a shell that has nothing to run and ends at once",
        ),
        HIDDEN,
    ],
    check: Check::Container(check),
    also: &[Check::Image(image), Check::Build(build)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let image = case.image()?;
    if let Some(nothing) = nothing_to_run(case, image) {
        unpatched(case, &["command", "args", "image"])?;
        out.push(nothing);
        return Ok(());
    }
    let command = case.command_line()?;
    let program = command.program();
    if let Some(alone) = shell_alone::judge(case, image) {
        unpatched(case, &["command", "args", "image", "stdin", "tty"])?;
        out.push(alone);
        return Ok(());
    }
    if let Some(moved) = relative(case, program) {
        match unpatched(case, &["command", "args", "workingDir"]) {
            Ok(()) => out.push(moved),
            Err(why) => out.abstain(why),
        }
    }
    programs(&case.start()?, &command, out);
    Ok(())
}

/// An image that no container of the input runs. What nobody said how to start is there to build on.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let start = case.start()?;
    programs(&start, &start.command_line()?, out);
    Ok(())
}

/// A Dockerfile of which no container of the input runs the image.
fn build(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let start = case.start()?;
    // With nothing of the project in it, it is a place for what is mounted, as those of development
    // containers are.
    if brings_nothing(case.build) {
        return Err(Abstain::NotApplicable);
    }
    programs(&start, &start.command_line()?, out);
    Ok(())
}

fn programs(start: &Start<'_>, command: &CommandLine, out: &mut Findings) {
    if runs_shell(start.image, command) {
        return;
    }
    // A reaper that is there starts a program that is not: `tini -- /app`.
    for program in std::iter::once(command.program()).chain(behind_wrapper(&command.argv)) {
        judge(start, command, program, out).unwrap_or_else(|why| out.abstain(why));
    }
}

/// Unknown when a kustomization changes what the container runs.
fn unpatched(case: &Case<'_>, fields: &[&str]) -> Judged {
    let list = match case.container.role {
        ContainerRole::Main => "containers",
        ContainerRole::Init | ContainerRole::Sidecar => "initContainers",
        ContainerRole::Ephemeral => "ephemeralContainers",
    };
    let fields: Vec<String> = fields.iter().map(|field| format!("{list}/{field}")).collect();
    case.of.pod_unpatched(&fields.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An image without ENTRYPOINT and CMD, and a container that names no command either. What a base image
/// that is not known is configured to run cannot be told.
fn nothing_to_run(case: &Case<'_>, image: ImageView<'_>) -> Option<Finding> {
    let config = image.config();
    let says = |words: &Option<Vec<Fact<String>>>| words.as_ref().is_some_and(|w| !w.is_empty());
    let runs = |instruction: &Option<Instruction<CommandForm>>| {
        instruction.as_ref().is_some_and(|instruction| match &instruction.value {
            CommandForm::Exec(words) => !words.is_empty(),
            CommandForm::Shell(_) => true,
        })
    };
    if says(&case.container.command)
        || says(&case.container.args)
        || runs(&config.entrypoint)
        || runs(&config.cmd)
        || (image.image().is_none() && image.base().is_none())
    {
        return None;
    }
    let finding = Finding::new(
        &RULE,
        "neither the image nor the container says what to run: the container cannot start (\"no \
         command specified\")",
        case.container_origin(),
        "has no command",
    )
    .variant(&RULE.variants[1])
    .also(&image.origin(), "has neither Entrypoint nor Cmd");
    let programs = image.likely_programs();
    let only = if let [only] = programs.as_slice() { Some(only) } else { None };
    Some(finding.fix(Fix::suggest(match only {
        Some(only) => format!("write ENTRYPOINT [\"{}\"] in the Dockerfile", only.value),
        None => "write ENTRYPOINT in the Dockerfile, or command in the container".to_owned(),
    })))
}

/// An image's command that is text for its shell: `shell-form-entrypoint` says when there is none.
fn runs_shell(image: ImageView<'_>, command: &CommandLine) -> bool {
    let config = image.config();
    let instruction = config.entrypoint.as_ref().or(config.cmd.as_ref());
    let own = instruction.is_some_and(|instruction| !instruction.inherited);
    let shell = matches!(command.program().value.as_str(), "/bin/sh" | "sh");
    let text = command.argv.get(1).is_some_and(|flag| flag.value == "-c");
    command.source == CommandSource::Image && own && shell && text
}

fn judge(
    start: &Start<'_>,
    command: &CommandLine,
    program: &Fact<String>,
    out: &mut Findings,
) -> Judged {
    if program.value.contains("$(") {
        return Err(Abstain::unknown(Reason::Templated, format!("command {}", program.value)));
    }
    let image = start.image;
    let paths = image.resolve(program);
    if let Some(hidden) = hidden::judge(start, program, &paths)? {
        out.push(hidden);
        return Ok(());
    }
    for path in &paths {
        start.not_mounted_over(&path.value)?;
    }
    let presence = paths.iter().map(|path| image.presence(&path.value)).max();
    match presence {
        Some(Presence::Certainly) => return Ok(()),
        Some(Presence::Impossible) => {}
        Some(Presence::Possibly) | None => {
            if image.image().is_some() {
                return Err(image.unknown(format!("the file {}", program.value)));
            }
            // What a RUN makes or a whole copied folder holds cannot be seen in the Dockerfile.
            return Err(Abstain::unknown(Reason::NoImage, format!("the file {}", program.value)));
        }
    }
    if let Some(case) = &start.by {
        unpatched(case, &["command", "args", "volumeMounts"])?;
    }
    let files = image.likely_programs();
    let names: Vec<&str> = files.iter().map(|file| file.value.as_str()).collect();
    let wrapped = program != command.program();
    let what = if wrapped { "program" } else { "command" };
    let end = match (&start.by, wrapped) {
        (Some(_), true) => "the container ends at once",
        (Some(_), false) => "the container cannot start",
        (None, true) => "a container of it ends at once",
        (None, false) => "a container of it cannot start",
    };
    let minimal = image.base().is_some_and(|base| base.minimal);
    let mut finding = Finding::new(
        &RULE,
        format!("the {what} {} is no file of the image: {end}", program.value),
        &program.origin,
        "no such file or directory",
    )
    .also(
        &image.origin(),
        if minimal { "holds nothing but what COPY brings" } else { "has no such file" },
    );
    if command.source == CommandSource::Image {
        finding = start.also_container(finding, "runs the image's command");
    }
    let near = nearest(&program.value, names.iter().copied(), 4);
    for file in files.iter().take(3) {
        finding = finding.also(&file.origin, format!("brings {}", file.value));
    }
    let only = if let [only] = names.as_slice() { Some(*only) } else { None };
    if let Some(title) = misunderstood(&program.value) {
        finding = finding.fix(Fix::suggest(title));
    } else if let Some(better) = near.or(only) {
        finding = finding
            .fix(Fix::suggest(format!("did you mean {better}?")).replace(&program.origin, better));
    }
    out.push(finding);
    Ok(())
}

/// What to do about a command that no file's name is meant by: a shell that is not there, or a line for one.
fn misunderstood(program: &str) -> Option<String> {
    let name = program.rsplit('/').next().unwrap_or_default();
    if matches!(name, "sh" | "ash" | "bash" | "dash") {
        return Some(
            "let command name the program itself and args its words, or take an image that has a shell"
                .to_owned(),
        );
    }
    let words: Vec<&str> = program.split_whitespace().collect();
    (words.len() > 1).then(|| {
        format!(
            "a command is a list of words, and no shell takes this one apart: [{}]",
            words.join(", ")
        )
    })
}

/// A path such as `bin/app` is looked for from the working directory, which the manifest can move.
fn relative(case: &Case<'_>, program: &Fact<String>) -> Option<Finding> {
    let path = &program.value;
    if path.starts_with('/') || !path.contains('/') {
        return None;
    }
    let build = case.image().ok()?;
    let image_dir = build.config().workdir.as_ref().map_or("/", |dir| dir.value.as_str());
    let finding = |message: String, label: &str| {
        Finding::new(&RULE, message, &program.origin, label)
            .variant(&RULE.variants[0])
            .fix(Fix::suggest("write the absolute path"))
    };
    Some(match &case.container.working_dir {
        Some(dir) if dir.value.trim_end_matches('/') != image_dir.trim_end_matches('/') => finding(
            format!(
                "{path} is looked for in {}, and the image has it under {image_dir}",
                dir.value
            ),
            "relative to the working directory",
        )
        .level(Level::Deny)
        .also(&dir.origin, format!("instead of {image_dir}")),
        _ => finding(
            format!("{path} is found only while the working directory is {image_dir}"),
            "relative to the working directory",
        ),
    })
}
