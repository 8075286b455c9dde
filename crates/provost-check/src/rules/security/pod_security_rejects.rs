//! Pods that their namespace's Pod Security level does not admit.

mod controls;

use crate::case::WorkloadCase;
use crate::facts::Origin;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};
use controls::{CHANGES, Policy, Violation, violations};

const BELOW: Variant = Variant::new(
    "below-baseline",
    Level::Warn,
    "confinement that baseline asks for is lifted, and no level is enforced",
);

/// The Deployment is accepted, its pods are not.
pub static RULE: Rule = Rule {
    id: "pod-security-rejects",
    group: Group::Security,
    level: Level::Deny,
    title: "the namespace's Pod Security level refuses the pods",
    page: include_str!("pod-security-rejects.md"),
    needs: &[Need::Manifest],
    variants: &[BELOW],
    judges_hooks: true,
    check: Check::Workload(check),
    ..Rule::BASE
};

fn check(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let Some(enforced) = enforced(case)? else { return below(*case, out) };
    // A Rollout that borrows its pods has none of its own.
    case.pod().containers.first().ok_or(Abstain::NotApplicable)?;
    let (oldest, newest) = case.world().settings.kubernetes();
    let judged = minors(oldest, newest).map(|minor| {
        // A cluster knows no policy newer than itself.
        let minor = enforced.version.map_or(minor, |pinned| pinned.min(minor));
        (minor, violations(*case, Policy { restricted: enforced.restricted, minor }))
    });
    let judged: Vec<(u16, Vec<Violation>)> = judged.collect();
    let refusing = judged.iter().filter(|(_, violated)| !violated.is_empty());
    let refusing: Vec<&(u16, Vec<Violation>)> = refusing.collect();
    // The newest that refuses says what has to be changed in the end.
    let Some((_, violated)) = refusing.last() else { return Ok(()) };
    let Some((first, others)) = violated.split_first() else { return Ok(()) };
    let everywhere = refusing.len() == judged.len();
    let versions = match refusing.first() {
        _ if everywhere => String::new(),
        Some((minor, _)) if *minor > oldest => format!(" since Kubernetes 1.{minor}"),
        _ => {
            let passes = judged.iter().find(|(_, violated)| violated.is_empty());
            passes.map(|(minor, _)| format!(" before Kubernetes 1.{minor}")).unwrap_or_default()
        }
    };
    let mut reasons: Vec<&str> = Vec::new();
    for violation in violated {
        if !reasons.contains(&violation.reason) {
            reasons.push(violation.reason);
        }
    }
    let mut finding = Finding::new(
        &RULE,
        format!(
            "Pod Security level {} refuses these pods{versions} for {}: the {} is accepted and no \
             pod of it is made",
            enforced.name,
            reasons.join("; "),
            case.object.meta.kind.value
        ),
        &first.place,
        first.what.clone(),
    )
    .also(&enforced.place, format!("enforces {}", enforced.name));
    for violation in others.iter().filter(|other| other.place != first.place).take(4) {
        finding = finding.also(&violation.place, violation.what.clone());
    }
    if !everywhere {
        finding = finding.level(Level::Warn);
    }
    out.push(finding.fix(Fix::suggest(
        "give the template what the level asks for, or run it in another namespace",
    )));
    Ok(())
}

/// Reasons of the admission that no rule of their own tells, and what they open.
const OPENS: &[(&str, &str)] = &[
    (
        "forbidden AppArmor profile",
        "AppArmor, which keeps a container from the node's files and devices, is off",
    ),
    ("seLinuxOptions", "SELinux no longer takes the program for that of a container"),
    ("hostProcess", "the container runs as a process of the node, with its files and accounts"),
];

/// Where nothing is enforced, what takes away the confinement that every container has.
fn below(case: WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let (_, newest) = case.world().settings.kubernetes();
    let found = violations(case, Policy { restricted: false, minor: newest });
    for violation in found {
        let opens = OPENS.iter().find(|(reason, _)| *reason == violation.reason);
        let Some((reason, opens)) = opens else { continue };
        out.push(
            Finding::new(
                &RULE,
                format!("{opens}: Pod Security level baseline refuses such a pod for {reason}"),
                &violation.place,
                violation.what,
            )
            .variant(&BELOW)
            .fix(Fix::suggest("leave it out")),
        );
    }
    Ok(())
}

/// The minors of the range whose policies differ, oldest first.
fn minors(oldest: u16, newest: u16) -> impl Iterator<Item = u16> {
    let changes = CHANGES.iter().copied().filter(move |at| (oldest + 1..=newest).contains(at));
    std::iter::once(oldest).chain(changes)
}

/// What a namespace enforces.
struct Enforced {
    name: String,
    restricted: bool,
    /// The minor of `enforce-version: v1.NN`; none for `latest`.
    version: Option<u16>,
    place: Origin,
}

/// `PolicyToEvaluate`; a label that does not parse is refused with its Namespace.
fn enforced(case: &WorkloadCase<'_>) -> Result<Option<Enforced>, Abstain> {
    let namespace = &case.object.meta.namespace.value;
    let object = case.joined.named(case.object, "", "Namespace", namespace)?;
    let labels = object.map(|object| &object.meta.labels);
    let label = labels.and_then(|labels| labels.get("pod-security.kubernetes.io/enforce"));
    let Some(fact) = label.or(case.world().settings.cluster.pod_security.as_ref()) else {
        return Ok(None);
    };
    let restricted = match fact.value.as_str() {
        "restricted" => true,
        "baseline" => false,
        _ => return Ok(None),
    };
    let pinned = labels.and_then(|l| l.get("pod-security.kubernetes.io/enforce-version"));
    let version = pinned.and_then(|version| version.value.strip_prefix("v1.")?.parse().ok());
    let name = match version {
        Some(version) => format!("{}:v1.{version}", fact.value),
        None => fact.value.clone(),
    };
    Ok(Some(Enforced { name, restricted, version, place: fact.origin.clone() }))
}
