//! A setting of GODEBUG that ended the process before main.

use crate::case::crash::{DumpCase, Fatal};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// From Go 1.27 on.
pub static RULE: Rule = Rule {
    id: "removed-godebug-at-start",
    group: Group::Diagnosis,
    level: Level::Deny,
    title: "a GODEBUG setting of the past that Go refuses to start with",
    page: include_str!("removed-godebug-at-start.md"),
    needs: &[Need::Log],
    check: Check::Dump(check),
    ..Rule::BASE
};

fn check(case: &DumpCase<'_>, out: &mut Findings) -> Judged {
    let Some((cause, text)) = case.fatal(Fatal::RemovedGodebug) else { return Ok(()) };
    // removed GODEBUG "tlsrsakex" set to old value "1" in environment (https://go.dev/doc/godebug#go-127)
    let mut quoted = text.split('"').skip(1).step_by(2);
    let (key, value) = (quoted.next().unwrap_or_default(), quoted.next().unwrap_or_default());
    let since = text.rsplit_once("#go-1").and_then(|(_, minor)| minor.strip_suffix(')'));
    let since = since.map_or(String::new(), |minor| format!(" since Go 1.{minor}"));
    out.push(
        Finding::new(
            &RULE,
            format!("the process did not start: GODEBUG has {key}={value}, and there is no such setting any more{since}"),
            &case.at(cause.line),
            "before main",
        )
        .note("from Go 1.27 on a removed setting with its old value ends the process at its start; with the value that is now the only one it is ignored")
        .fix(Fix::suggest(format!(
            "take {key}={value} out of GODEBUG, and see that the program does without; an older Go is the only way to keep it"
        ))),
    );
    Ok(())
}
