//! Commands that may fail without anybody hearing of it: in front of a pipe, or of another command.

use crate::case::BuildCase;
use crate::facts::build::RunStep;
use crate::facts::build_steps::{CommandList, RunCommand, RunShell, ShellText, Within};
use crate::facts::{Origin, Span};
use crate::findings::{Finding, Fix, Level};
use crate::model::names::base_name;
use crate::model::shell::{Command, Joined, Script};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const STATUS: Variant = Variant::new(
    "unheard-status",
    Level::Note,
    "a command in RUN whose failure the next one hides",
)
.strict(Level::Warn);

/// The image is built, and is not what it should be.
pub static RULE: Rule = Rule {
    id: "hidden-build-failure",
    group: Group::Build,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "a pipe in RUN whose first part may fail unheard",
    page: include_str!("hidden-build-failure.md"),
    needs: &[Need::Dockerfile],
    variants: &[STATUS],
    check: Check::Build(check),
    ..Rule::BASE
};

/// Programs that do not fail.
const SURE: &[&str] = &["echo", "printf", "yes", "true", ":"];

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let mut unread = false;
    for run in &case.build.runs {
        out.found.extend(unheard(run));
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
    if builds_go(pipe.first) {
        finding = finding.level(Level::Warn);
    }
    finding.fix(Fix::suggest(
        "write SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"] above (/bin/ash on Alpine), or use a \
         file in between",
    ))
}

/// `go build | tee build.log`: the image has no program, or the one of before.
fn builds_go(command: &RunCommand) -> bool {
    command.program().is_some_and(|(name, arguments)| {
        matches!(name, "go" | "xx-go")
            && arguments.first().is_some_and(|verb| is_go_verb(&verb.value))
    })
}

fn is_go_verb(verb: &str) -> bool {
    matches!(verb, "build" | "install" | "test" | "generate" | "vet")
}

/// Builtins whose failure is none of the build's.
const HARMLESS: &[&str] =
    &["export", "set", "unset", "umask", "alias", "shift", "trap", "wait", "echo", "printf"];

/// A command that may fail, in front of others that run in any case: in a here-document, or a build
/// of Go in front of `;`. BuildKit gives both to `/bin/sh -c`, without `-e`.
fn unheard(run: &RunStep) -> Option<Finding> {
    let text: &ShellText = run.text.as_ref()?;
    if run.errexit || run.shell == RunShell::Other {
        return None;
    }
    let script = Script::parse(text.as_str());
    // What a loop or a condition makes of a status is its own affair.
    if script.unread || script.compound {
        return None;
    }
    let starts = script.commands.iter().enumerate().filter(|(_, c)| c.joined == Joined::Sequence);
    let starts: Vec<usize> = starts.map(|(index, _)| index).collect();
    for (list, next) in starts.iter().zip(starts.iter().skip(1)) {
        let list = script.commands.get(*list..*next)?;
        if list.iter().any(sets_errexit) {
            return None;
        }
        // `|| exit 1`, `|| true`: somebody thought of it.
        let handled = list.iter().any(|c| c.joined == Joined::Or || c.background || c.negated);
        let fails = |command: &&Command| {
            let Some(program) = command.program() else { return false };
            let name = base_name(&program.text);
            let verb = command.argv().get(1).is_some_and(|verb| is_go_verb(&verb.text));
            let go = matches!(name, "go" | "xx-go") && verb;
            go || (run.heredoc
                && !command.piped
                && !SURE.contains(&name)
                && !HARMLESS.contains(&name)
                && !name.contains('$'))
        };
        // `exit $?` passes it on.
        let passed_on = script.commands.get(*next).and_then(Command::program);
        if passed_on.is_some_and(|word| word.text == "exit") {
            continue;
        }
        if list.iter().any(|c| c.program().is_some_and(|w| w.text == "exit")) {
            return None;
        }
        let Some(command) = list.iter().find(fails).filter(|_| !handled) else { continue };
        let program = command.program()?;
        let at = text.origin(&program.span);
        let last = script.commands.last().and_then(Command::program)?;
        let name: String = program.text.chars().take(40).collect();
        let (message, label) = match run.heredoc {
            true => (
                format!(
                    "{name} may fail, and the build goes on: of a here-document only the last command's status counts"
                ),
                "without set -e",
            ),
            false => (
                format!(
                    "{name} may fail, and the build goes on: behind ; only the last status counts"
                ),
                "its failure is not heard",
            ),
        };
        let finding = Finding::new(&RULE, message, &at, label)
            .variant(&STATUS)
            .also(&text.origin(&last.span), "this one's status counts");
        let go = matches!(base_name(&program.text), "go" | "xx-go");
        let finding = if go { finding.level(Level::Warn) } else { finding };
        let start = text.origin(&(0..0)).span()?;
        let start = Origin::text(at.source(), Span { start: start.start, end: start.start });
        return Some(finding.fix(match run.heredoc {
            true => Fix::suggest("write set -e as its first line").replace(&start, "set -e\n"),
            false => Fix::suggest("write && for ;"),
        }));
    }
    None
}

/// `set -e`, `set -eux`, `set -o errexit`
fn sets_errexit(command: &Command) -> bool {
    let words = command.argv();
    let is_set = words.first().is_some_and(|word| word.text == "set");
    is_set
        && words.iter().skip(1).any(|word| {
            word.text == "errexit" || (word.text.starts_with('-') && word.text.contains('e'))
        })
}
