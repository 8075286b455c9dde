//! Containers with every right of the node.

use crate::case::Case;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Root in it is root on the node.
pub static RULE: Rule = Rule {
    id: "privileged-container",
    group: Group::Security,
    level: Level::Deny,
    title: "a privileged container",
    page: include_str!("privileged-container.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.confinable()?;
    if let Some(privileged) = case.container.security.privileged.as_ref().filter(|p| p.value) {
        out.push(
            Finding::new(
                &RULE,
                "privileged: all capabilities, every device of the node, no seccomp and no \
                 AppArmor: whoever takes over the program has the node",
                &privileged.origin,
                "everything is allowed",
            )
            .fix(
                Fix::suggest("take it out and add the one capability or device that is needed")
                    .replace(&privileged.origin, "false"),
            ),
        );
    }
    Ok(())
}
