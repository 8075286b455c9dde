//! runAsNonRoot over an image whose user the kubelet cannot verify.

use crate::case::Case;
use crate::facts::workload::ContainerRole;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::ports::{ImageUser, Refusal, run_as_non_root};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The kubelet refuses to start the container.
pub static RULE: Rule = Rule {
    id: "run-as-non-root-will-fail",
    group: Group::Security,
    level: Level::Deny,
    title: "runAsNonRoot over an image whose user is a name or root",
    page: include_str!("run-as-non-root-will-fail.md"),
    needs: &[Need::Manifest, Need::Dockerfile],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    if case.container.role == ContainerRole::Ephemeral {
        return Err(Abstain::NotApplicable);
    }
    let security = case.security();
    let non_root = security.run_as_non_root.as_ref().filter(|fact| fact.value);
    let non_root = non_root.ok_or(Abstain::NotApplicable)?;
    let run_as_user = security.run_as_user.as_ref();
    if let Some(user) = run_as_user {
        if user.value == 0 {
            out.push(
                Finding::new(
                    &RULE,
                    "runAsUser is 0 under runAsNonRoot: the kubelet refuses to start the container \
                     (`container's runAsUser breaks non-root policy`)",
                    &user.origin,
                    "root",
                )
                .also(&non_root.origin, "forbids root")
                .fix(Fix::suggest("set runAsUser to a uid other than 0")),
            );
        }
        return Ok(());
    }
    let image = case.image()?;
    let user = image.config().user.as_ref();
    let whole = image.origin();
    let (text, origin) = match user {
        Some(user) if user.value.value.contains('$') => {
            return Err(Abstain::unknown(Reason::Templated, format!("USER {}", user.value.value)));
        }
        Some(user) => (user.value.value.as_str(), &user.value.origin),
        // No USER line, and the base is one whose configuration has none: root.
        None if image.image().is_some() || image.base().is_some() => ("", &whole),
        None => {
            return Err(Abstain::unknown(
                Reason::BaseImageUnknown,
                format!("the user of {}", image.name()),
            ));
        }
    };
    let parsed = ImageUser::parse(text);
    let Ok(Some(refusal)) = run_as_non_root(None, Some(&parsed)) else { return Ok(()) };
    let (message, label) = match &refusal {
        Refusal::ImageName(name) => (
            format!(
                "USER {name} is a name: `container has runAsNonRoot and image has non-numeric user \
                 ({name}), cannot verify user is non-root`"
            ),
            "the kubelet does not read the image's passwd file",
        ),
        Refusal::ImageRoot | Refusal::RunAsRoot => (
            "the image's user is root: `container has runAsNonRoot and image will run as root`"
                .to_owned(),
            if user.is_none_or(|user| user.inherited) {
                "sets no USER, so it is root"
            } else {
                "root"
            },
        ),
    };
    let mut finding =
        Finding::new(&RULE, message, &non_root.origin, "refuses to start the container")
            .also(origin, label);
    let uid = match &refusal {
        Refusal::ImageName(name) => image.uid_of(name).filter(|uid| *uid != 0),
        _ => None,
    };
    finding = finding.fix(match (uid, user) {
        (Some(uid), Some(user)) if !user.inherited && image.image().is_none() => {
            let group = parsed.group.as_deref().map_or(String::new(), |group| {
                let gid = group.parse::<u32>().map_or_else(|_| uid.to_string(), |g| g.to_string());
                format!(":{gid}")
            });
            Fix::safe(format!("write the number: USER {uid}{group}, or runAsUser: {uid}"))
                .replace(origin, format!("{uid}{group}"))
        }
        (Some(uid), _) => Fix::suggest(format!("set runAsUser: {uid}")),
        (None, _) => {
            Fix::suggest("set runAsUser to the uid, or write USER as a number other than 0")
        }
    });
    out.push(finding);
    Ok(())
}
