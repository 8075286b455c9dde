//! Images whose tag moves.

use crate::case::Case;
use crate::facts::workload::ContainerRole;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::ImageRef;
use crate::rules::input::malformed_image_reference;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const UNPINNED: Variant =
    Variant::new("unpinned-image", Level::Note, "an image by tag, without its digest")
        .off()
        .strict(Level::Note);
const NOT_PULLED: Variant = Variant::new(
    "mutable-tag-not-pulled",
    Level::Note,
    "a floating tag that nodes do not pull again",
);

/// The same manifest runs something else tomorrow, or on another node.
pub static RULE: Rule = Rule {
    id: "floating-image-tag",
    group: Group::Security,
    level: Level::Warn,
    title: "an image without a tag, or with one that moves",
    page: include_str!("floating-image-tag.md"),
    needs: &[Need::Manifest],
    variants: &[UNPINNED, NOT_PULLED],
    judges_hooks: true,
    check: Check::Container(check),
    ..Rule::BASE
};

/// Names of branches and channels rather than of releases.
const MOVING: &[&str] = &[
    "latest",
    "main",
    "master",
    "dev",
    "develop",
    "development",
    "edge",
    "nightly",
    "stable",
    "canary",
    "head",
    "trunk",
    "staging",
    "snapshot",
    "unstable",
    "testing",
];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let image = case.container.image.as_ref().ok_or(Abstain::NotApplicable)?;
    // Istio's injector fills this one in.
    if case.container.role == ContainerRole::Ephemeral || image.value == "auto" {
        return Err(Abstain::NotApplicable);
    }
    let unknown = |_| {
        let templated = malformed_image_reference::is_open(&image.value);
        let reason = if templated { Reason::Templated } else { Reason::Malformed };
        Abstain::unknown(reason, format!("image {}", image.value))
    };
    let reference = ImageRef::parse(&image.value).map_err(unknown)?;
    if reference.digest.is_some() {
        return Ok(());
    }
    let tag = reference.tag.as_deref();
    if tag.is_some_and(|tag| !MOVING.contains(&tag.to_ascii_lowercase().as_str())) {
        out.push(
            Finding::new(
                &RULE,
                "the image is named by tag alone: its registry may serve another one under it",
                &image.origin,
                "no digest",
            )
            .variant(&UNPINNED)
            .fix(Fix::suggest("write tag and digest: name:tag@sha256:...")),
        );
        return Ok(());
    }
    case.image_unpatched()?;
    let what = tag.map_or("no tag, which means latest".to_owned(), |tag| format!("the tag {tag}"));
    out.push(
        Finding::new(
            &RULE,
            format!("the image has {what}: what runs depends on when a node pulled it, and a rollback brings nothing back"),
            &image.origin,
            "moves",
        )
        .fix(Fix::suggest("write the tag of a release, or a digest")),
    );
    let policy = &case.container.pull_policy;
    if policy.value != "Always" {
        let mut finding = Finding::new(
            &RULE,
            format!(
                "pull policy {} keeps what a node has under this tag: nodes run different images",
                policy.value
            ),
            &image.origin,
            "moves",
        )
        .variant(&NOT_PULLED)
        .fix(Fix::suggest("write the tag of a release"));
        if policy.is_written() {
            finding = finding.also(&policy.origin, "does not ask the registry again");
        }
        out.push(finding);
    }
    Ok(())
}
