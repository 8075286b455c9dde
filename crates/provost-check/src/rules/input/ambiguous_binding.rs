//! A binary or Dockerfile that could belong to several containers, or to none.

use crate::case::Joined;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// Says what was not joined, so that a quiet report is not taken for a clean one.
pub static RULE: Rule = Rule {
    id: "ambiguous-binding",
    group: Group::Input,
    level: Level::Note,
    title: "a binary, Dockerfile or [[service]] that no container could be found for",
    page: include_str!("ambiguous-binding.md"),
    check: Check::Run(check),
    ..Rule::BASE
};

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    for ambiguity in &joined.bindings.ambiguities {
        // An entry of provost.toml has a place in its file; binaries and Dockerfiles are meant whole.
        let (label, fix) = if ambiguity.origin.span().is_some() {
            (
                "nothing that the entry says is used",
                "write the name of a workload or container, or give the manifests that run it",
            )
        } else {
            (
                "rules that need it were not judged",
                "name the container with --container NS/KIND/NAME/CONTAINER, or bind it in a [[service]] entry of provost.toml",
            )
        };
        let mut finding = Finding::new(&RULE, ambiguity.message.clone(), &ambiguity.origin, label)
            .fix(Fix::suggest(fix));
        for candidate in &ambiguity.candidates {
            finding = finding.also(candidate, "may run it");
        }
        finding.subject.clone_from(&ambiguity.subject);
        out.push(finding);
    }
    Ok(())
}
