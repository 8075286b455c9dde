//! Pipes whose first part may fail without anybody hearing of it.

use crate::case::BuildCase;
use crate::facts::build::RunStep;
use crate::facts::build_steps::{CommandList, RunCommand, RunShell, Within};
use crate::findings::{Finding, Fix, Level};
use crate::model::shell::Joined;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The image is built, and is not what it should be.
pub static RULE: Rule = Rule {
    id: "hidden-build-failure",
    group: Group::Build,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "a pipe in RUN whose first part may fail unheard",
    page: include_str!("hidden-build-failure.md"),
    needs: &[Need::Dockerfile],
    check: Check::Build(check),
    ..Rule::BASE
};

/// Programs that do not fail.
const SURE: &[&str] = &["echo", "printf", "yes", "true", ":"];

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let mut unread = false;
    for run in &case.build.runs {
        if run.shell == (RunShell::Posix { pipefail: false }) {
            match run.lists() {
                Ok(lists) => {
                    if let Some(pipe) = lists.iter().find_map(|list| pipe(list, &lists)) {
                        out.push(finding(run, pipe));
                    }
                }
                Err(_) => unread = true,
            }
        }
    }
    if unread { Err(super::unread()) } else { Ok(()) }
}

/// The first command of a pipe that may fail, and the one whose status counts.
struct Pipe<'c> {
    first: &'c RunCommand,
    last: &'c RunCommand,
}

fn pipe<'c>(list: &'c CommandList, all: &[CommandList]) -> Option<Pipe<'c>> {
    // What is a part of another command's words has no status that the shell looks at.
    if list.within == Within::Argument {
        return None;
    }
    let outer = all.first().filter(|outer| outer.within == Within::Text)?;
    // A substitution runs in a shell that has the options of the one around it.
    let set_around = list.within != Within::Text && outer.commands.iter().any(sets_pipefail);
    if set_around {
        return None;
    }
    let commands = &list.commands;
    let mut at = 0;
    while let Some(command) = commands.get(at) {
        if sets_pipefail(command) {
            return None;
        }
        if !command.piped {
            at += 1;
            continue;
        }
        let parts = commands.get(at..)?;
        let piped = parts.iter().take_while(|part| part.piped).count();
        let last = parts.get(piped)?;
        let behind = parts.get(piped + 1);
        let first = parts.get(..piped)?.iter().find(|part| may_fail(part));
        if let Some(first) = first.filter(|_| !behind.is_some_and(is_forgiving)) {
            return Some(Pipe { first, last });
        }
        at += piped + 1;
    }
    None
}

/// `set -o pipefail`, `set -euo pipefail`
fn sets_pipefail(command: &RunCommand) -> bool {
    command.program().is_some_and(|(name, arguments)| {
        name == "set" && arguments.iter().any(|word| word.value == "pipefail")
    })
}

fn may_fail(command: &RunCommand) -> bool {
    match command.program() {
        Some((name, _)) => !SURE.contains(&name),
        // A variable, or `( ... )` and the like: not known to be sure.
        None => !command.words.is_empty(),
    }
}

/// `|| true`: a failure is expected.
fn is_forgiving(command: &RunCommand) -> bool {
    command.joined == Joined::Or
        && command.program().is_some_and(|(name, arguments)| {
            SURE.contains(&name)
                || (name == "exit" && arguments.first().is_some_and(|code| code.value == "0"))
        })
}

fn finding(run: &RunStep, pipe: Pipe<'_>) -> Finding {
    let name = |command: &RunCommand| -> String {
        command
            .words
            .first()
            .map_or("a command", |word| word.value.as_str())
            .chars()
            .take(40)
            .collect()
    };
    let (first, last) = (name(pipe.first), name(pipe.last));
    let word = |command: &RunCommand| command.words.first().map(|word| word.origin.clone());
    let at = word(pipe.first).unwrap_or_else(|| run.origin.clone());
    let mut finding = Finding::new(
        &RULE,
        format!("{first} may fail, and the build goes on: of a pipe only the last status counts"),
        &at,
        "its failure is not heard",
    );
    if let Some(last_at) = word(pipe.last) {
        finding = finding.also(&last_at, format!("the status is that of {last}"));
    }
    finding.fix(Fix::suggest(
        "write SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"] above (/bin/ash on Alpine), or use a \
         file in between",
    ))
}
