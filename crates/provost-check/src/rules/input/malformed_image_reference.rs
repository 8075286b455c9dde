//! Images whose name is none.

use crate::case::Case;
use crate::facts::Fact;
use crate::facts::placeholders::is_placeholder;
use crate::facts::workload::{ContainerRole, WorkloadKind};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::names::ImageRef;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The API server takes any text for an image, unless a pod's begins or ends with space
/// (`validateContainerOnlyForPod` of pkg/apis/core/validation/validation.go, Kubernetes v1.37.2); the
/// kubelet parses it (`applyDefaultImageTag` of pkg/kubelet/images/image_manager.go), and pulls nothing
/// when it cannot.
pub static RULE: Rule = Rule {
    id: "malformed-image-reference",
    group: Group::Input,
    level: Level::Deny,
    title: "an image whose name no kubelet can parse",
    page: include_str!("malformed-image-reference.md"),
    needs: &[Need::Manifest],
    judges_hooks: true,
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let image = case.container.image.as_ref().ok_or(Abstain::NotApplicable)?;
    let text = image.value.as_str();
    // Other kinds than Kubernetes' own may mean something else by the word.
    if case.container.role == ContainerRole::Ephemeral
        || case.of.workload.kind == WorkloadKind::Other
        || is_open(text)
    {
        return Err(Abstain::NotApplicable);
    }
    if ImageRef::parse(text).is_err()
        && let Some((why, meant)) = wrong(text)
    {
        // A kustomization replaces images by their names, whatever these are.
        case.image_unpatched()?;
        let finding = finding(case, image, why, meant);
        let source = case.world().sources.get(case.of.object.document.source);
        out.push(match source.kustomized.by.is_empty() {
            true => finding,
            // What builds upon it need not be in the input.
            false => finding.level(Level::Warn),
        });
    }
    Ok(())
}

fn finding(
    case: &Case<'_>,
    image: &Fact<String>,
    why: &'static str,
    meant: Option<Fix>,
) -> Finding {
    let finding = Finding::new(
        &RULE,
        format!(
            "`{image}` is no reference to an image: the pod is made, and stays InvalidImageName"
        ),
        &image.origin,
        why,
    );
    let Some(fix) = meant else { return finding };
    let fixed = corrected(&image.value);
    finding.fix(match fixed {
        Some(fixed) => case.world().rewrite(fix, &image.origin, &image.value, &fixed),
        None => fix,
    })
}

/// Text that something fills in or exchanges before it gets to a cluster.
pub(in crate::rules) fn is_open(text: &str) -> bool {
    // ko and other builders put the name of what they have built in the place of theirs.
    let built = text.contains("://") && !text.starts_with("http") && !text.starts_with("docker:");
    // IMAGE, YOUR_REGISTRY/app:TAG, docker.io/YOUR ID/app
    let capitals = text.split('/').any(|part| {
        let name = part.split([':', '@']).next().unwrap_or_default();
        !name.bytes().any(|b| b.is_ascii_lowercase())
            && name.bytes().any(|b| b.is_ascii_uppercase())
    });
    // OpenShift knows a single space, where it fills in the image of a stream.
    let (head, digest) = text.split_once('@').map_or((text, None), |(h, d)| (h, Some(d)));
    if let Some((account, _)) = login(text) {
        return is_placeholder(&account.replace('@', ""));
    }
    // app@sha256:DIGEST, app@$DIGEST: only one that somebody has cut or mistyped is one.
    let is_meant = |digest: &str| {
        let hex = digest.split_once(':').map_or("", |(_, hex)| hex);
        !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let filled_in = is_placeholder(head)
        || digest.is_some_and(|digest| !is_meant(digest))
        || text.contains(['{', '}', '[', '#', '|', '*'])
        || text.contains("..");
    built || capitals || filled_in || text.trim().is_empty()
}

/// `user:password` in front of the registry's host, and what follows.
fn login(text: &str) -> Option<(&str, &str)> {
    // A password may have more of them, and a digest follows one.
    const MOST_SIGNS: usize = 8;
    let text = text.trim();
    text.match_indices('@').take(MOST_SIGNS).find_map(|(at, _)| {
        let (account, rest) = (&text[..at], &text[at + 1..]);
        let host = rest.split_once('/')?.0;
        let is_host = host.contains(['.', ':']) || host == "localhost";
        let is_login = !account.is_empty() && !account.contains('/') && is_host;
        (is_login && ImageRef::parse(rest).is_ok()).then_some((account, rest))
    })
}

/// What is wrong with it, and what can be done.
pub(in crate::rules) fn wrong(text: &str) -> Option<(&'static str, Option<Fix>)> {
    let trimmed = text.trim();
    if trimmed != text && ImageRef::parse(trimmed).is_ok() {
        return Some(("begins or ends with space", Some(Fix::safe("take the space away"))));
    }
    if trimmed.contains(char::is_whitespace) {
        return Some(("space inside", None));
    }
    if text.starts_with("http") || text.starts_with("docker:") {
        return Some(("has a scheme", Some(Fix::suggest("leave the scheme out: the name alone"))));
    }
    if login(trimmed).is_some() {
        let fix = "leave the login out: imagePullSecrets names the Secret that has it";
        return Some(("a login in front of the host", Some(Fix::suggest(fix))));
    }
    let (name, digest) = trimmed.split_once('@').map_or((trimmed, None), |(n, d)| (n, Some(d)));
    let from = name.rfind('/').map_or(0, |slash| slash + 1);
    let tag = name[from..].split_once(':').map(|(_, tag)| tag);
    let path = tag.map_or(name, |tag| &name[..name.len() - tag.len() - 1]);
    if tag == Some("") {
        return Some(("an empty tag", Some(Fix::suggest("write a tag, or leave the colon out"))));
    }
    if tag.is_some_and(|tag| tag.contains(':')) {
        return Some(("two tags", Some(Fix::suggest("write one tag"))));
    }
    let lower = format!("{}{}", path.to_ascii_lowercase(), &trimmed[path.len()..]);
    if lower != trimmed && ImageRef::parse(&lower).is_ok() {
        return Some((
            "capitals in the repository",
            Some(Fix::suggest("write it in lower case, as every registry keeps it")),
        ));
    }
    if digest.is_some() && ImageRef::parse(name).is_ok() {
        return Some(("is no digest: sha256: and 64 hexadecimal digits", None));
    }
    if tag.is_some() && ImageRef::parse(path).is_ok() {
        return Some(("is no tag: at most 128 letters, digits, `_`, `.` and `-`", None));
    }
    Some(("does not fit the grammar of references", None))
}

/// The reference that was meant, where one fix of [`wrong`] makes it.
fn corrected(text: &str) -> Option<String> {
    let trimmed = text.trim();
    let trimmed = ["https://", "http://", "docker://"]
        .iter()
        .find_map(|scheme| trimmed.strip_prefix(scheme))
        .unwrap_or(trimmed);
    if ImageRef::parse(trimmed).is_ok() {
        return Some(trimmed.to_owned());
    }
    let from = trimmed.rfind('/').map_or(0, |slash| slash + 1);
    let end = trimmed[from..].find([':', '@']).map_or(trimmed.len(), |at| from + at);
    let (path, rest) = trimmed.split_at_checked(end)?;
    let lower = format!("{}{rest}", path.to_ascii_lowercase());
    (lower != trimmed && ImageRef::parse(&lower).is_ok()).then_some(lower)
}

#[cfg(test)]
mod tests {
    use super::{corrected, is_open, wrong};

    #[test]
    fn what_is_wrong_is_told_by_its_name() {
        for (text, why, meant) in [
            ("ghcr.io/acme/shop:1 ", "begins or ends with space", Some("ghcr.io/acme/shop:1")),
            ("ghcr.io/acme/my shop:1", "space inside", None),
            ("ghcr.io/Acme/Shop:1", "capitals in the repository", Some("ghcr.io/acme/shop:1")),
            ("ghcr.io/acme/shop:", "an empty tag", None),
            ("me:abc@ghcr.io/acme/shop:1", "a login in front of the host", None),
            ("me@registry:5000/acme/shop", "a login in front of the host", None),
            ("ghcr.io/acme/shop:1:2", "two tags", None),
            ("https://ghcr.io/acme/shop:1", "has a scheme", Some("ghcr.io/acme/shop:1")),
            ("ghcr.io/acme/shop:1/2", "does not fit the grammar of references", None),
            (
                "ghcr.io/acme/shop:-1",
                "is no tag: at most 128 letters, digits, `_`, `.` and `-`",
                None,
            ),
            ("acme/shop@sha256:1", "is no digest: sha256: and 64 hexadecimal digits", None),
        ] {
            let found = wrong(text).map(|(why, _)| why);
            assert_eq!((found, corrected(text).as_deref()), (Some(why), meant), "{text}");
            assert!(!is_open(text), "{text}");
        }
    }

    #[test]
    fn what_is_filled_in_is_left_alone() {
        for text in [
            "IMAGE",
            "docker.io/YOUR ID/app:dev",
            "docker.io/[your alias]/app:dev",
            "YOUR_REGISTRY/e2e-binding_input:dev",
            "REGISTRY/NAME:TAG",
            "ko://example.com/cmd/app",
            "${IMAGE}",
            "<image>",
            " ",
            "{IMG}",
            "ghcr.io/acme/app@sha256:$DIGEST",
            "ghcr.io/acme/app@sha256:DIGEST",
            "ghcr.io/acme/app@sha256:__DIGEST__",
            "ghcr.io/acme/app@REPLACE_ME",
            "me:$PASSWORD@ghcr.io/acme/app:1",
        ] {
            assert!(is_open(text), "{text}");
        }
    }
}
