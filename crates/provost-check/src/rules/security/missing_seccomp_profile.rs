//! Containers that may make every system call.

use crate::case::{Case, WorkloadCase};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::sysctls;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const PROC: Variant =
    Variant::new("unmasked-proc-mount", Level::Deny, "/proc shows what is masked by default");
const SYSCTL: Variant =
    Variant::new("unsafe-sysctl", Level::Warn, "a sysctl that nodes refuse by default");

/// Without a profile the whole system call interface of the kernel is in reach.
pub static RULE: Rule = Rule {
    id: "missing-seccomp-profile",
    group: Group::Security,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "no seccomp profile",
    page: include_str!("missing-seccomp-profile.md"),
    needs: &[Need::Manifest],
    variants: &[PROC, SYSCTL],
    after: &["privileged-container"],
    judges_hooks: true,
    lacks: &["containers/securityContext", "securityContext"],
    check: Check::Container(container),
    also: &[Check::Workload(pod)],
    ..Rule::BASE
};

fn container(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.confinable()?;
    // In a user namespace root is nobody to the files of /proc that are the node's.
    if let Some(mount) = case.container.security.proc_mount.as_ref()
        && mount.value == "Unmasked"
        && case.pod().host_users.value
    {
        out.push(
            Finding::new(
                &RULE,
                "procMount Unmasked without `hostUsers: false`: the API server refuses it since \
                 Kubernetes 1.33; where it is taken, the container may read /proc/kcore and write \
                 /proc/sys and /proc/sysrq-trigger of the node's kernel",
                &mount.origin,
                "nothing is masked",
            )
            .variant(&PROC)
            .fix(
                Fix::suggest("leave it out, or give the pod users of its own: `hostUsers: false`")
                    .replace(&mount.origin, "Default"),
            ),
        );
    }
    if case.is_privileged() {
        return Err(Abstain::NotApplicable);
    }
    let security = case.security();
    let fix = Fix::suggest("set securityContext.seccompProfile: {type: RuntimeDefault}");
    match &security.seccomp {
        Some(profile) if profile.value == "Unconfined" => out.push(
            Finding::new(
                &RULE,
                "seccomp is switched off: every system call of the node's kernel is in reach",
                &profile.origin,
                "no filter",
            )
            .level(Level::Warn)
            .fix(fix.replace(&profile.origin, "RuntimeDefault")),
        ),
        Some(_) => {}
        None => out.push(
            Finding::new(
                &RULE,
                "no seccomp profile: unless the kubelet is started with --seccomp-default, every \
                 system call of the node's kernel is in reach",
                &case.container.origin,
                "runs unconfined by default",
            )
            .fix(fix),
        ),
    }
    Ok(())
}

fn pod(case: &WorkloadCase<'_>, out: &mut Findings) -> Judged {
    let (oldest, _) = case.world().settings.kubernetes();
    for sysctl in &case.pod().security.sysctls {
        let name = sysctl.value.replace('/', ".");
        let message = match sysctls::safe_since(&name) {
            Some(since) if since <= oldest => continue,
            Some(since) => format!(
                "sysctl {name} is among the safe ones since Kubernetes 1.{since} only: an older kubelet \
                 without --allowed-unsafe-sysctls refuses the pod (`SysctlForbidden`)"
            ),
            None => format!(
                "sysctl {name} is not among the safe ones: a kubelet without \
                 --allowed-unsafe-sysctls refuses the pod (`SysctlForbidden`)"
            ),
        };
        out.push(
            Finding::new(&RULE, message, &sysctl.origin, "refused by default")
                .variant(&SYSCTL)
                .fix(Fix::suggest("take it out, or set it on the node")),
        );
    }
    Ok(())
}
