//! A container that may take the memory of the whole node.

use crate::case::Case;
use crate::case::resources::Supplied;
use crate::facts::workload::ContainerRole;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Without a limit the kernel picks a victim on the node, and it may be somebody else.
pub static RULE: Rule = Rule {
    id: "missing-memory-limit",
    group: Group::Resources,
    level: Level::Warn,
    strict: Some(Level::Deny),
    title: "a container without a memory limit",
    page: include_str!("missing-memory-limit.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    variants: &[Variant::new(
        "missing-ephemeral-storage-limit",
        Level::Warn,
        "a container that may fill the node's disk",
    )
    .off()
    .house(Level::Note)],
    lacks: &["containers/resources", "resources"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    if !matches!(case.container.role, ContainerRole::Main | ContainerRole::Sidecar) {
        return Err(Abstain::NotApplicable);
    }
    let own = &case.container.resources;
    let pod = case.pod().resources.as_ref();
    if own.limits.ephemeral_storage.is_none()
        && pod.is_none_or(|pod| pod.limits.ephemeral_storage.is_none())
        && !case.of.is_supplied(Supplied::Limit, "ephemeral-storage")
    {
        out.push(
            Finding::new(
                &RULE,
                "no ephemeral-storage limit: its files and logs may fill the disk of the node",
                &own.origin,
                "may fill the node's disk",
            )
            .variant(&RULE.variants[0])
            .fix(Fix::suggest("set resources.limits.ephemeral-storage")),
        );
    }
    match case.memory_limit() {
        Ok(_) => return Ok(()),
        Err(Abstain::NotApplicable) => {}
        Err(unknown) => return Err(unknown),
    }
    let mut finding = Finding::new(
        &RULE,
        "no memory limit: a leak takes the memory of the node, and the kernel may kill another pod \
         for it",
        &own.origin,
        "may use all memory of the node",
    );
    if let Ok(Some(gomemlimit)) = case.runtime_variable("GOMEMLIMIT") {
        finding = finding.also(gomemlimit.origin(), "the runtime alone keeps to this, if it can");
    } else if let Ok(program) = case.program() {
        finding = finding.also(
            &program.version.origin,
            format!("{}: GOMEMLIMIT has nothing to relate to", program.version),
        );
    }
    if let Some(request) = own.requests.memory.as_ref() {
        finding = finding.also(&request.text.origin, "only what the scheduler counts with");
    }
    out.push(finding.fix(Fix::suggest(
        "set resources.limits.memory to what it uses at its peak and a quarter more",
    )));
    Ok(())
}
