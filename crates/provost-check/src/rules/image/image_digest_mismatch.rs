//! A blob of an image that is not what its digest or its descriptor says.

use crate::case::Joined;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// Runtimes refuse to unpack it.
pub static RULE: Rule = Rule {
    id: "image-digest-mismatch",
    group: Group::Image,
    level: Level::Deny,
    title: "a layer or document of the image is not what its digest says",
    page: include_str!("image-digest-mismatch.md"),
    check: Check::Run(check),
    ..Rule::BASE
};

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    for image in &joined.world.images {
        for mismatch in &image.mismatches {
            let (what, is) = match mismatch.by_size {
                true => ("has another size than its descriptor says", "it has"),
                false => ("is not what its digest says", "its bytes are"),
            };
            let mut finding = Finding::new(
                &RULE,
                format!("{} {what}: runtimes refuse the image when they pull it", mismatch.what),
                &mismatch.origin,
                format!("{is} {}", mismatch.found),
            )
            .also(&image.origin, format!("says {}", mismatch.expected))
            .fix(Fix::suggest("build or copy the image again; never edit a layer in place"));
            finding.subject.clone_from(&image.path);
            out.push(finding);
        }
    }
    Ok(())
}
