//! CPU limits, for houses that have decided about them.

use crate::case::Case;
use crate::case::resources::Supplied;
use crate::facts::workload::ContainerRole;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Contested, and so off in every profile: each house switches on the variant it wants.
pub static RULE: Rule = Rule {
    id: "cpu-limit-policy",
    group: Group::Resources,
    level: Level::Warn,
    off: true,
    title: "CPU limits against the policy of the house",
    page: include_str!("cpu-limit-policy.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    variants: &[
        Variant::new("missing-cpu-limit", Level::Warn, "no CPU limit where all should have one")
            .off(),
        Variant::new("cpu-limit-set", Level::Warn, "a CPU limit where none should have one").off(),
    ],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    if !matches!(case.container.role, ContainerRole::Main | ContainerRole::Sidecar) {
        return Err(Abstain::NotApplicable);
    }
    match case.cpu_limit() {
        Ok(limit) => out.push(
            Finding::new(
                &RULE,
                format!(
                    "a CPU limit of {}: the container is stopped for the rest of each 100 ms in \
                     which it used that, idle as the node may be",
                    limit.value
                ),
                &limit.origin,
                "throttled beyond this",
            )
            .variant(&RULE.variants[1])
            .fix(Fix::suggest("remove the limit and keep the request")),
        ),
        Err(Abstain::NotApplicable) if !case.of.is_supplied(Supplied::Limit, "cpu") => {
            out.push(
                Finding::new(
                    &RULE,
                    "no CPU limit: what it gets depends on its neighbours, and GOMAXPROCS is the \
                     node's",
                    &case.container.resources.origin,
                    "may use every CPU of the node",
                )
                .variant(&RULE.variants[0])
                .fix(Fix::suggest("set resources.limits.cpu")),
            );
        }
        Err(Abstain::NotApplicable) => {}
        Err(unknown) => return Err(unknown),
    }
    Ok(())
}
