//! A container that starts a shell and gives it nothing to run.

use super::RULE;
use crate::case::Case;
use crate::case::command::CommandSource;
use crate::case::image::ImageView;
use crate::facts::Fact;
use crate::facts::build::Build;
use crate::facts::workload::ContainerRole;
use crate::findings::{Finding, Fix, Level};

/// A stage that only builds, because the one behind it was forgotten, runs what its base is
/// configured to run. Without `stdin` every read gives the end of the file (`Container.Stdin` in
/// k8s.io/api core/v1 types.go), at which a shell ends with 0; with `tty` it reads a terminal that
/// nobody closes.
pub(super) fn judge(case: &Case<'_>, image: ImageView<'_>) -> Option<Finding> {
    // An init container may end at once, and whoever adds an ephemeral one sits before it.
    if !matches!(case.container.role, ContainerRole::Main | ContainerRole::Sidecar) {
        return None;
    }
    let node = case.of.object.document.node(case.container.node);
    let held = |field: &str| node.get(field).is_some_and(|value| value.as_bool() != Some(false));
    if held("stdin") || held("tty") {
        return None;
    }
    // With nothing of the project in it, it is rather somebody's tools than this container's image.
    if image.build().is_some_and(brings_nothing) {
        return None;
    }
    let command = case.command_line().ok().filter(|command| !command.shell_form)?;
    let (shell, end) = alone(&command.argv)?;
    let restarts = case.not_batch().is_ok() && case.pod().restart_policy.value == "Always";
    let then = match restarts {
        true => "and again after each restart",
        false => "having done nothing",
    };
    let inherited = {
        let config = image.config();
        let own = config.entrypoint.as_ref().or(config.cmd.as_ref());
        command.source == CommandSource::Image && own.is_some_and(|it| it.inherited)
    };
    let label = match inherited {
        true => format!("starts {shell} unless ENTRYPOINT or CMD say otherwise"),
        false => "is all that runs".to_owned(),
    };
    let message = format!("the container starts {shell} alone, {end} at once, {then}");
    let mut finding =
        Finding::new(&RULE, message, &command.origin, label).variant(&RULE.variants[2]);
    if !restarts {
        finding = finding.level(Level::Warn);
    }
    if command.source == CommandSource::Image {
        finding = finding.also(case.container_origin(), "names no command, and has no stdin");
    }
    let build = image.build().filter(|_| command.source == CommandSource::Image);
    let output = build.and_then(|build| {
        let last = build.go_builds.iter().rfind(|it| it.stage == build.final_stage)?;
        last.output.as_ref()
    });
    if let Some(output) = output {
        finding = finding.also(&output.origin, format!("builds {}", output.value));
    }
    let builder = build.and_then(|build| build.base_image()).is_some_and(|base| base.go_toolchain);
    Some(finding.fix(Fix::suggest(match output {
        Some(output) if builder => format!(
            "end with a stage of its own: FROM gcr.io/distroless/static-debian13:nonroot, COPY --from \
             {0}, ENTRYPOINT",
            output.value
        ),
        Some(output) => format!("write ENTRYPOINT [\"{}\"]", output.value),
        None if builder => "end with a stage of its own: FROM gcr.io/distroless/static-debian13:nonroot, \
                            COPY --from the program, ENTRYPOINT"
            .to_owned(),
        None => "name the program: ENTRYPOINT in the Dockerfile, or command in the container".to_owned(),
    })))
}

/// Whether nothing is copied into the final image, and nothing built in it.
pub(super) fn brings_nothing(build: &Build) -> bool {
    let chain = build.final_chain();
    !build.copies.iter().any(|copy| chain.contains(&copy.stage))
        && !build.go_builds.iter().any(|go| chain.contains(&go.stage))
}

/// What is started with nothing to do, and what it then does.
fn alone(argv: &[Fact<String>]) -> Option<(&str, &'static str)> {
    let (program, arguments) = argv.split_first()?;
    let name = program.value.rsplit('/').next()?;
    let only = |flags: &[&str]| arguments.iter().all(|word| flags.contains(&word.value.as_str()));
    let shell = matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh")
        && only(&["-l", "-i", "-li", "-il", "--login", "--norc", "--noprofile"]);
    let interpreter =
        (name == "node" || name == "python" || is_python(name)) && arguments.is_empty();
    if shell || interpreter {
        return Some((name, "which reads the end of its input and ends"));
    }
    let helps = name == "go" && only(&["help"]);
    helps.then_some((name, "which prints its help and ends"))
}

/// `python3.11`
fn is_python(name: &str) -> bool {
    let version = name.strip_prefix("python3");
    version.is_some_and(|rest| rest.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit()))
}
