//! A list of words that is no JSON array.

use crate::case::BuildCase;
use crate::facts::build::{CommandForm, Instruction};
use crate::facts::build_steps::{AlmostJson, JsonFault};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// BuildKit takes the text as it stands, without a word.
pub static RULE: Rule = Rule {
    id: "malformed-exec-form",
    group: Group::Build,
    level: Level::Deny,
    title: "a list of words that is no JSON array",
    page: include_str!("malformed-exec-form.md"),
    needs: &[Need::Dockerfile],
    check: Check::Build(check),
    ..Rule::BASE
};

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    let config = build.config();
    let reached = build.reached();
    for almost in &build.almost_json {
        // What is in force has its text from here.
        let is = |form: &CommandForm| matches!(form, CommandForm::Shell(text) if text.origin == almost.text.origin);
        let in_force = |command: &Option<Instruction<CommandForm>>| {
            command.as_ref().is_some_and(|command| is(&command.value))
        };
        let (level, effect, label) = match almost.name {
            "CMD" | "ENTRYPOINT" => {
                let runs = in_force(&config.entrypoint) || in_force(&config.cmd);
                let level = if runs { Level::Deny } else { Level::Warn };
                (level, "/bin/sh looks for a command of that text", "given to /bin/sh -c as it is")
            }
            "RUN" => (Level::Deny, "the build stops", "given to /bin/sh -c as it is"),
            "COPY" | "ADD" => (Level::Deny, "the build stops", "taken for the names of files"),
            "HEALTHCHECK" => (Level::Warn, "it never succeeds", "given to /bin/sh -c as it is"),
            "VOLUME" => {
                (Level::Warn, "the directories are called so", "taken for the names of directories")
            }
            // Refused, and told by `rejected-by-builder`.
            _ => continue,
        };
        // A stage that the image does not need is not built.
        let level = match reached.get(almost.stage) {
            Some(true) => level,
            _ => level.min(Level::Warn),
        };
        let mut finding = Finding::new(
            &RULE,
            format!("{} is no JSON array ({}): {effect}", almost.name, fault(almost.fault)),
            &almost.text.origin,
            label,
        );
        if level != RULE.level {
            finding = finding.level(level);
        }
        if matches!(almost.name, "CMD" | "ENTRYPOINT")
            && let Some(container) = case.cases().find(|case| case.container.command.is_none())
        {
            finding = finding.also(container.container_origin(), "runs the image's command");
        }
        out.push(finding.fix(fix(almost)));
    }
    Ok(())
}

fn fault(fault: JsonFault) -> &'static str {
    match fault {
        JsonFault::SingleQuotes => "JSON has double quotes only",
        JsonFault::CurlyQuotes => "these quotes are not those of JSON",
        JsonFault::NoQuotes => "its words have no quotes",
        JsonFault::MissingComma => "a comma is missing",
        JsonFault::TrailingComma => "a comma stands before the bracket",
        JsonFault::TextBehind => "a comment stands behind it",
        JsonFault::Escape => "a backslash is written \\\\",
    }
}

fn fix(almost: &AlmostJson) -> Fix {
    let title = format!("write {}", almost.meant);
    // A list has no shell that would expand it, and a comment would be lost.
    let same =
        !almost.meant.contains(['$', '`', '*', '~']) && almost.fault != JsonFault::TextBehind;
    let fix = if same { Fix::safe(title) } else { Fix::suggest(title) };
    fix.replace(&almost.text.origin, almost.meant.as_str())
}
