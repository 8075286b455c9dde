//! Service account tokens against the programs that would use them.

use crate::case::Case;
use crate::facts::program_text::TextPresence;
use crate::facts::workload::{ContainerRole, VolumeKind};
use crate::facts::{Body, Origin, symbols};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const AUTOMOUNTED: Variant = Variant::new(
    "automounted-token",
    Level::Note,
    "a token is mounted, and whether the program needs it is not known",
)
.strict(Level::Warn);
const DISABLED: Variant = Variant::new(
    "token-needed-but-disabled",
    Level::Warn,
    "the program can ask for the token, and none is mounted",
);

/// A token that only an attacker uses.
pub static RULE: Rule = Rule {
    id: "unneeded-service-account-token",
    group: Group::Security,
    level: Level::Warn,
    title: "a service account token is mounted for a program that never reads it",
    page: include_str!("unneeded-service-account-token.md"),
    needs: &[Need::Manifest],
    variants: &[AUTOMOUNTED, DISABLED],
    lacks: &["automountServiceAccountToken", "serviceAccountName"],
    check: Check::Container(check),
    ..Rule::BASE
};

const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    if !case.is_target() {
        return Err(Abstain::NotApplicable);
    }
    let (mounted, place) = automount(case)?;
    let program = match case.program() {
        Ok(program) => program,
        Err(Abstain::Unknown { reason: Reason::NoBinary | Reason::SeveralBinaries, .. }) => {
            if mounted {
                out.push(
                    Finding::new(
                        &RULE,
                        "a token for the Kubernetes API is mounted: whoever reads files of this \
                         container is its service account",
                        &place,
                        "leaves the token mounted",
                    )
                    .variant(&AUTOMOUNTED)
                    .fix(Fix::suggest(
                        "set automountServiceAccountToken: false unless the program asks the API; --binary tells",
                    )),
                );
            }
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    let linked = program.links(symbols::IN_CLUSTER_CONFIG)?;
    match (mounted, linked) {
        (true, None) => {
            // Another container of the pod may be the one that needs it.
            if case
                .pod()
                .containers
                .iter()
                .any(|c| c.role != ContainerRole::Ephemeral && c.name() != case.container.name())
            {
                return Err(Abstain::NotApplicable);
            }
            match program.text.find(PATH) {
                TextPresence::Present(_) => Ok(()),
                TextPresence::Unknown(why) => Err(Abstain::unknown(Reason::StringsUnreadable, why)),
                TextPresence::Absent => {
                    out.push(
                        Finding::new(
                            &RULE,
                            "a token for the Kubernetes API is mounted and the program has no \
                             code that reads it: it only helps who breaks in",
                            &place,
                            "leaves the token mounted",
                        )
                        .also(
                            &case.binary()?.origin(),
                            "links no InClusterConfig, and has not the token's path",
                        )
                        .fix(without_token(case)),
                    );
                    Ok(())
                }
            }
        }
        (false, Some(function)) => {
            let pod = case.pod();
            let projected = pod.volumes.iter().any(|v| {
                matches!(v.kind, VolumeKind::Projected { service_account_token: true, .. })
            });
            let mounted_by_hand =
                case.container.mounts.iter().any(|m| m.path.value.starts_with(PATH));
            if !projected && !mounted_by_hand {
                out.push(
                    Finding::new(
                        &RULE,
                        "the program can ask for the pod's token, and none is mounted: \
                         InClusterConfig then fails with `open /var/run/secrets/kubernetes.io/\
                         serviceaccount/token: no such file or directory`",
                        &place,
                        "mounts no token",
                    )
                    .variant(&DISABLED)
                    .also(function, "rest.InClusterConfig")
                    .fix(Fix::suggest("mount the token where the program uses the API")),
                );
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Switching it off in the pod, which outranks the account.
fn without_token(case: &Case<'_>) -> Fix {
    const KEY: &str = "automountServiceAccountToken";
    let fix = Fix::safe(format!("set {KEY}: false in the pod"));
    let pod = case.pod();
    match &pod.automount {
        Some(fact) => fix.replace(&fact.origin, "false"),
        None => {
            let spec = case.of.object.document.node(pod.spec).origin();
            case.world().add_key(fix, &spec, KEY, "false")
        }
    }
}

/// Whether the token is mounted, and what decides it: the pod, else the service account, else the
/// default, true. An account that is not in the input may switch it off.
fn automount(case: &Case<'_>) -> Result<(bool, Origin), Abstain> {
    let pod = case.pod();
    if let Some(fact) = &pod.automount {
        return Ok((fact.value, fact.origin.clone()));
    }
    let namespace = &case.of.object.meta.namespace.value;
    let name = &pod.service_account;
    let found = case.of.joined.named(case.of.object, namespace, "ServiceAccount", &name.value)?;
    let account = found.and_then(|object| match &object.body {
        Body::ServiceAccount(account) => Some(account),
        _ => None,
    });
    match account {
        Some(account) => Ok(match &account.automount {
            Some(fact) => (fact.value, fact.origin.clone()),
            None => (true, case.container.origin.clone()),
        }),
        None if name.value == "default"
            || (!case.of.joined.is_declared("ServiceAccount", namespace, &name.value)
                && case.settings().closed_world) =>
        {
            Ok((true, case.container.origin.clone()))
        }
        None => Err(Abstain::unknown(
            Reason::ObjectNotInInput,
            format!("ServiceAccount {namespace}/{}", name.value),
        )),
    }
}
