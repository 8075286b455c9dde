//! Containers that run as root.

use crate::case::Case;
use crate::facts::Origin;
use crate::facts::document::Node;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::ports::{ImageUser, Uid, effective_uid};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const NOT_ENFORCED: Variant =
    Variant::new("missing-run-as-non-root", Level::Note, "nothing keeps root from running it")
        .strict(Level::Warn);
const LOW: Variant = Variant::new("low-uid", Level::Note, "a uid that a user of the node may have")
    .off()
    .house(Level::Note);
const GROUP: Variant =
    Variant::new("root-group", Level::Note, "not root, but of root's group").strict(Level::Warn);

/// Root in the container is root for the kernel.
pub static RULE: Rule = Rule {
    id: "root-user",
    group: Group::Security,
    level: Level::Warn,
    strict: Some(Level::Deny),
    title: "the container runs as root",
    page: include_str!("root-user.md"),
    needs: &[Need::Manifest],
    variants: &[NOT_ENFORCED, LOW, GROUP],
    after: &["privileged-container", "run-as-non-root-will-fail"],
    lacks: &["containers/securityContext", "securityContext"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.confinable()?;
    // With a user namespace root is somebody without rights on the node.
    if !case.pod().host_users.value {
        return Err(Abstain::NotApplicable);
    }
    let security = case.security();
    let enforced = security.run_as_non_root.as_ref().is_some_and(|fact| fact.value);
    let user = user(case);
    // Of root it is said that it is root.
    if !matches!(user, Ok((0, _))) {
        root_group(case, out);
    }
    let (uid, origin) = match user {
        Ok(known) => known,
        Err(unknown) => {
            // Whatever the image says, nothing holds it to it.
            if !enforced && security.run_as_user.is_none() {
                out.push(
                    Finding::new(
                        &RULE,
                        "the image alone says who the program runs as, and nothing refuses one \
                         whose user is root",
                        &case.container.origin,
                        "has no runAsNonRoot",
                    )
                    .variant(&NOT_ENFORCED)
                    .fix(Fix::suggest("set runAsNonRoot: true")),
                );
            }
            return Err(unknown);
        }
    };
    if uid == 0 {
        // Refused by the kubelet: run-as-non-root-will-fail.
        if enforced {
            return Ok(());
        }
        let written = security.run_as_user.as_ref();
        let mut finding = Finding::new(
            &RULE,
            "runs as root: a hole in the program or the runtime is one with root's rights, and \
             what it writes to volumes belongs to root",
            written.map_or(&case.container.origin, |user| &user.origin),
            if written.is_some() { "root" } else { "names no user" },
        );
        if written.is_none() {
            finding = finding.also(&origin, "the image's user is root");
        }
        out.push(finding.fix(Fix::suggest(
            "set runAsUser to a uid other than 0 with runAsNonRoot: true, or write USER in the Dockerfile",
        )));
        return Ok(());
    }
    if !enforced {
        out.push(
            Finding::new(
                &RULE,
                format!("runs as uid {uid}, and nothing refuses the next image whose user is root"),
                &case.container.origin,
                "has no runAsNonRoot",
            )
            .variant(&NOT_ENFORCED)
            .also(&origin, format!("uid {uid}"))
            .fix(Fix::suggest("set runAsNonRoot: true")),
        );
    }
    if uid < 10_000 {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "uid {uid} may be that of a user of the node: what gets out has its rights"
                ),
                &origin,
                "below 10000",
            )
            .variant(&LOW)
            .fix(Fix::suggest("use a uid of 10000 and up")),
        );
    }
    Ok(())
}

/// Group 0 as the program's own, or beside it: the kubelet adds `fsGroup` to the others
/// (pkg/kubelet/kuberuntime/security_context.go of Kubernetes v1.37.2).
fn root_group(case: &Case<'_>, out: &mut Findings) {
    let pod = case.of.object.document.node(case.pod().spec).get("securityContext");
    let of_pod = |key: &str| pod.and_then(|context| context.get(key));
    let is_root = |node: &Node<'_>| node.as_i64() == Some(0);
    let own = case.security().run_as_group.filter(|group| group.value == 0);
    let own = own.map(|group| ("runAsGroup", group.origin));
    let of_files = of_pod("fsGroup").filter(is_root).map(|node| ("fsGroup", node.origin()));
    let more = of_pod("supplementalGroups").into_iter().flat_map(Node::items).find(is_root);
    let more = more.map(|node| ("supplementalGroups", node.origin()));
    let Some((field, origin)) = own.or(of_files).or(more) else { return };
    let what = match field {
        "supplementalGroups" => "supplementalGroups has 0".to_owned(),
        field => format!("{field} is 0"),
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{what}: the program may write what root's group may write, which in many images is \
                 the programs and their configuration"
            ),
            &origin,
            "root's group",
        )
        .variant(&GROUP)
        .fix(Fix::suggest("use another group, unless the image is made for group 0")),
    );
}

/// The uid the program runs as, and what decides it.
pub(super) fn user(case: &Case<'_>) -> Result<(u32, Origin), Abstain> {
    let security = case.security();
    if let Some(user) = &security.run_as_user {
        let uid = u32::try_from(user.value).map_err(|_| Abstain::NotApplicable)?;
        return Ok((uid, user.origin.clone()));
    }
    let image = case.image()?;
    let unknown = |what: &str| Abstain::unknown(Reason::BaseImageUnknown, what.to_owned());
    let (text, origin) = match &image.config().user {
        Some(user) if user.value.value.contains('$') => {
            let needs = format!("USER {}", user.value.value);
            return Err(Abstain::unknown(Reason::Templated, needs));
        }
        Some(user) => (user.value.value.as_str(), user.value.origin.clone()),
        None if image.image().is_some() || image.base().is_some() => ("", image.origin()),
        None => return Err(unknown("the image's user")),
    };
    let passwd = |name: &str| image.uid_of(name).or((name == "root").then_some(0));
    match effective_uid(None, Some(&ImageUser::parse(text)), passwd) {
        Uid::Known(uid) => Ok((uid, origin)),
        // A user that the Dockerfile adds; hardly ever root.
        Uid::Name(name) => Err(unknown(&format!("the uid of {name}"))),
        Uid::Unknown => Err(unknown("the image's user")),
    }
}
