//! Containers that can change their own files.

use crate::case::Case;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What gets in can stay, and writes fill the node's disk.
pub static RULE: Rule = Rule {
    id: "writable-root-filesystem",
    group: Group::Security,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "readOnlyRootFilesystem is not true",
    page: include_str!("writable-root-filesystem.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    lacks: &["containers/securityContext"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.confinable()?;
    let read_only = case.container.security.read_only_root.as_ref();
    if read_only.is_some_and(|fact| fact.value) {
        return Ok(());
    }
    let place = read_only.map_or(&case.container.origin, |fact| &fact.origin);
    let fix = Fix::suggest(
        "set securityContext.readOnlyRootFilesystem: true, with an emptyDir where the program writes",
    );
    out.push(
        Finding::new(
            &RULE,
            "the root file system is writable: a file that an attacker writes can be run, and \
             what the program writes there counts as ephemeral storage",
            place,
            "can be written",
        )
        .fix(match read_only {
            Some(fact) => fix.replace(&fact.origin, "true"),
            None => fix,
        }),
    );
    Ok(())
}
