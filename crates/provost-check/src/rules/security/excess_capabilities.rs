//! Linux capabilities that a container keeps or gets.

use crate::case::{Case, confine};
use crate::facts::placeholders::is_placeholder;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NOT_DROPPED: Variant = Variant::new(
    "capabilities-not-dropped",
    Level::Note,
    "the runtime's default capabilities are kept",
)
.strict(Level::Warn);
const DANGEROUS: Variant = Variant::new(
    "dangerous-capability",
    Level::Deny,
    "a capability that is as good as root on the node",
);

/// What is said by its two variants.
pub static RULE: Rule = Rule {
    id: "excess-capabilities",
    group: Group::Security,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "a container has capabilities that it hardly needs",
    page: include_str!("excess-capabilities.md"),
    needs: &[Need::Manifest],
    variants: &[NOT_DROPPED, DANGEROUS],
    after: &["privileged-container"],
    judges_hooks: true,
    lacks: &["containers/securityContext"],
    check: Check::Container(check),
    ..Rule::BASE
};

/// What each of them opens.
const OPENS: &[(&str, &str)] = &[
    ("ALL", "everything root may do"),
    ("SYS_ADMIN", "mounts, namespaces and most of what root may do"),
    ("NET_ADMIN", "addresses, routes and packet filters"),
    ("SYS_PTRACE", "memory and registers of other processes"),
    ("SYS_MODULE", "code in the kernel"),
    ("DAC_READ_SEARCH", "every file, and by handle those outside of the container"),
    ("BPF", "programs in the kernel"),
    ("SYS_RAWIO", "the memory and the ports of the machine"),
    ("SYS_BOOT", "a restart of the node, and another kernel"),
];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.confinable()?;
    let security = &case.container.security;
    if case.is_privileged() {
        return Err(Abstain::NotApplicable);
    }
    for added in &security.add_capabilities {
        let name = confine::capability(&added.value);
        let finding = |opens: &str| {
            Finding::new(
                &RULE,
                format!("capability {name} is added: {opens}"),
                &added.origin,
                "added",
            )
            .variant(&DANGEROUS)
            .fix(Fix::suggest("take it out, or leave it to a node agent with a reason"))
        };
        if let Some((_, opens)) = OPENS.iter().find(|(known, _)| *known == name) {
            out.push(finding(opens));
        } else if name == "NET_RAW" {
            let opens = "packets with forged addresses, ARP and DNS answers for its neighbours";
            out.push(finding(opens).level(Level::Warn));
        } else if !confine::BASELINE.contains(&name.as_str()) && !is_placeholder(&added.value) {
            let opens = "Pod Security level baseline refuses a pod that asks for it";
            out.push(finding(opens).level(Level::Note));
        }
    }
    if !case.drops_all_capabilities() {
        let dropped = security.drop_capabilities.first();
        let prefixed = security
            .drop_capabilities
            .iter()
            .find(|dropped| confine::capability(&dropped.value) == "CAP_ALL");
        if let Some(prefixed) = prefixed {
            let message = "no capability is called CAP_ALL, and dropping it drops none: the word that \
                           runtimes know is ALL";
            let fix = Fix::suggest("write ALL");
            out.push(
                Finding::new(&RULE, message, &prefixed.origin, "drops nothing")
                    .variant(&NOT_DROPPED)
                    .fix(case.world().rewrite(fix, &prefixed.origin, &prefixed.value, "ALL")),
            );
            return Ok(());
        }
        let place = dropped.map_or(&case.container.origin, |fact| &fact.origin);
        out.push(
            Finding::new(
                &RULE,
                "the runtime's default capabilities are kept, among them NET_RAW, SETUID and \
                 DAC_OVERRIDE; a Go server needs none of them",
                place,
                if dropped.is_some() { "does not drop ALL" } else { "drops none" },
            )
            .variant(&NOT_DROPPED)
            .fix(Fix::suggest(
                "set capabilities.drop: [ALL]; add NET_BIND_SERVICE only for a port below 1024",
            )),
        );
    }
    Ok(())
}
