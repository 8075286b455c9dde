//! Tools that only make sense for a root that the container should not have.

use crate::case::BuildCase;
use crate::findings::{Finding, Fix, Level};
use crate::model::names::base_name;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A password, a way to become root, or a way in.
pub static RULE: Rule = Rule {
    id: "root-tool-in-build",
    group: Group::Build,
    level: Level::Note,
    title: "sudo, passwords or sshd in the image that runs",
    page: include_str!("root-tool-in-build.md"),
    needs: &[Need::Dockerfile],
    check: Check::Build(check),
    ..Rule::BASE
};

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    let of_image = build.in_image();
    let mut unread = false;
    for run in build.runs.iter().filter(|run| of_image.get(run.stage) == Some(&true)) {
        let Ok(commands) = run.commands() else {
            unread = true;
            continue;
        };
        let named = |name: &str| {
            let first =
                |command: &&_| first_word(command).is_some_and(|word| base_name(word) == name);
            commands.iter().find(first)
        };
        if let Some(word) = named("sudo").and_then(|command| command.words.first()) {
            out.push(
                Finding::new(
                    &RULE,
                    "sudo in RUN: it runs as root anyway, and whoever gets into the container may \
                     use it",
                    &word.origin,
                    "a way to become root",
                )
                .fix(Fix::suggest(
                    "leave sudo out; switch by USER where a step needs another user",
                )),
            );
        }
        if let Some(word) = named("chpasswd").and_then(|command| command.words.first()) {
            out.push(
                Finding::new(
                    &RULE,
                    "chpasswd gives a user of the image a password, which stays in the image",
                    &word.origin,
                    "nobody logs in to a container",
                )
                .fix(Fix::suggest("leave the user without a password: useradd makes none")),
            );
        }
    }
    let exposed = &build.config().exposed;
    if let Some(port) = exposed.iter().find(|port| port.value.0 == 22 && port.value.1 == "tcp") {
        out.push(
            Finding::new(
                &RULE,
                "EXPOSE 22: a container is entered by kubectl exec, and needs no sshd",
                &port.origin,
                "the port of ssh",
            )
            .fix(Fix::suggest("remove it, and sshd with it")),
        );
    }
    if unread { Err(super::unread()) } else { Ok(()) }
}

fn first_word(command: &crate::facts::build_steps::RunCommand) -> Option<&str> {
    command.words.first().map(|word| word.value.as_str())
}
