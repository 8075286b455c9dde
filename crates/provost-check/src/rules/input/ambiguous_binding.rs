//! A binary, Dockerfile or measured process that could belong to several containers, or to none.

use crate::case::Joined;
use crate::case::binding::{Ambiguity, Unbound};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule};

/// Says what was not joined, so that a quiet report is not taken for a clean one.
pub static RULE: Rule = Rule {
    id: "ambiguous-binding",
    group: Group::Input,
    level: Level::Note,
    title: "a binary, Dockerfile, proof or [[service]] that no container could be found for",
    page: include_str!("ambiguous-binding.md"),
    check: Check::Run(check),
    ..Rule::BASE
};

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    for ambiguity in &joined.bindings.ambiguities {
        // An entry of provost.toml has a place in its file; binaries and Dockerfiles are meant whole.
        let is_entry = ambiguity.origin.span().is_some();
        let (label, fix, level) = match ambiguity.what {
            Unbound::Container => {
                out.push(several(ambiguity, joined));
                continue;
            }
            Unbound::Artifact if is_entry => (
                "nothing that the entry says is used",
                "write the name of a workload or container, or give the manifests that run it",
                RULE.level,
            ),
            Unbound::Artifact => (
                "rules that need it were not judged",
                "name the container with --container NS/KIND/NAME/CONTAINER, or bind it in a [[service]] entry of provost.toml",
                RULE.level,
            ),
            // Somebody gave it so that it counts.
            Unbound::Proof => (
                "none of these manifests is held against what it did",
                "name the container with --container NS/KIND/NAME/CONTAINER, or measure with these manifests: provost prove --manifest PATH",
                Level::Warn,
            ),
            Unbound::Guessed => (
                "measured as another one",
                "name the container with --container NS/KIND/NAME/CONTAINER, or measure with these manifests: provost prove --manifest PATH",
                RULE.level,
            ),
        };
        let mut finding = Finding::new(&RULE, ambiguity.message.clone(), &ambiguity.origin, label)
            .fix(Fix::suggest(fix));
        if level != RULE.level {
            finding = finding.level(level);
        }
        let may = match ambiguity.what {
            Unbound::Guessed => "is taken for it",
            _ => "may run it",
        };
        for candidate in &ambiguity.candidates {
            finding = finding.also(candidate, may);
        }
        finding.subject.clone_from(&ambiguity.subject);
        out.push(finding);
    }
    Ok(())
}

/// A container that may run any of several programs, and how to say which.
fn several(ambiguity: &Ambiguity, joined: &Joined<'_>) -> Finding {
    let (subject, sources) = (&ambiguity.subject, &joined.world.sources);
    let first = ambiguity.candidates.first().map_or("", |it| &sources.get(it.source()).path);
    let fix = format!(
        "write which it is into provost.toml: [[service]] with container = \"{subject}\" and \
         binary = \"{first}\", relative to that file"
    );
    let label = "rules that need its program were not judged";
    let mut finding = Finding::new(&RULE, ambiguity.message.clone(), &ambiguity.origin, label);
    for candidate in &ambiguity.candidates {
        finding = finding.also(candidate, "may be what it runs");
    }
    finding.subject.clone_from(subject);
    finding.fix(Fix::suggest(fix))
}
