//! Processes that may get more rights than their parent.

use crate::case::Case;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Without no_new_privs a set-uid file makes its user root.
pub static RULE: Rule = Rule {
    id: "privilege-escalation-allowed",
    group: Group::Security,
    level: Level::Warn,
    title: "allowPrivilegeEscalation is not false",
    page: include_str!("privilege-escalation-allowed.md"),
    needs: &[Need::Manifest],
    after: &["privileged-container"],
    judges_hooks: true,
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.confinable()?;
    let security = case.security();
    // Both force it to true.
    if case.is_privileged() || case.adds_capability("SYS_ADMIN") {
        return Err(Abstain::NotApplicable);
    }
    let escalation = security.allow_privilege_escalation.as_ref();
    if escalation.is_some_and(|fact| !fact.value) {
        return Ok(());
    }
    let message = "allowPrivilegeEscalation is not false: a set-uid file, or one with \
                   capabilities, gives a process more rights than the program has";
    let place = escalation.map_or(&case.container.origin, |fact| &fact.origin);
    let label = if escalation.is_some() { "allows it" } else { "leaves it at the default, true" };
    let finding = Finding::new(&RULE, message, place, label);
    let title = "set securityContext.allowPrivilegeEscalation: false";
    let not_root = security.run_as_user.as_ref().is_some_and(|user| user.value > 0);
    let fix = if not_root { Fix::safe(title) } else { Fix::suggest(title) };
    out.push(finding.fix(match escalation {
        Some(fact) => fix.replace(&fact.origin, "false"),
        None => fix,
    }));
    Ok(())
}
