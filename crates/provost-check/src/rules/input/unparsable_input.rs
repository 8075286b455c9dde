//! Inputs that could not be read, and binaries whose program cannot be seen.

use rustc_hash::FxHashSet;

use super::rejected_by_api_server::types;
use crate::case::{Joined, World};
use crate::facts::Origin;
use crate::facts::binary::{Binary, BinaryFormat};
use crate::facts::problem::ProblemKind;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Rule, Variant};

/// What cannot be read cannot be judged, and a gate that lets it pass judges nothing.
pub static RULE: Rule = Rule {
    id: "unparsable-input",
    group: Group::Input,
    level: Level::Deny,
    title: "an input that cannot be read",
    page: include_str!("unparsable-input.md"),
    variants: &[
        WITHOUT_KIND,
        Variant::new("packed-binary", Level::Warn, "a binary that unpacks itself at start"),
        Variant::new("obfuscated-binary", Level::Note, "a binary whose names are hashed"),
    ],
    judges_hooks: true,
    check: Check::Run(check),
    ..Rule::BASE
};

const WITHOUT_KIND: Variant = Variant::new(
    "object-without-kind",
    Level::Deny,
    "an object that does not say of which kind it is",
);

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    let world = joined.world;
    let builds: FxHashSet<_> = world.builds.iter().map(|build| build.source).collect();
    let told = told_by_type(world);
    for problem in &world.problems {
        match problem.kind {
            // rejected-by-builder
            ProblemKind::Refused | ProblemKind::Doubtful
                if builds.contains(&problem.origin.source()) =>
            {
                continue;
            }
            ProblemKind::DuplicateKey => continue, // unknown-field/duplicate-yaml-key
            ProblemKind::Missing => continue,      // no input; the report has a notice
            // rejected-by-api-server says it in the words of the API server, and mends it.
            ProblemKind::Malformed if told.contains(&problem.origin) => continue,
            _ => {}
        }
        let label = match problem.kind {
            // What is left out differs: a document, a line, the rest. The message or the help says it.
            ProblemKind::Limit => "a limit is reached here",
            ProblemKind::NoKind(Some(_)) => "is another key",
            ProblemKind::NoKind(None) | ProblemKind::Doubtful => "says not what it is",
            _ => "cannot be read",
        };
        let source = world.sources.get(problem.origin.source());
        // As every tool says it: `nope.yaml: No such file or directory`.
        let message = match problem.kind {
            ProblemKind::Unreadable => format!("{}: {}", source.path, problem.message),
            _ => problem.message.clone(),
        };
        let mut finding = Finding::new(&RULE, message, &problem.origin, label);
        if let Some(help) = &problem.help {
            finding = finding.fix(Fix::suggest(help.clone()));
        }
        match problem.kind {
            ProblemKind::NoKind(meant) => {
                finding = finding.variant(&WITHOUT_KIND);
                if let Some(meant) = meant {
                    finding = finding.fix(rename(world, &problem.origin, meant));
                }
            }
            ProblemKind::Doubtful => finding = finding.variant(&WITHOUT_KIND).level(Level::Warn),
            _ => {}
        }
        finding.subject.clone_from(&source.path);
        out.push(finding);
    }
    for binary in &world.binaries {
        out.found.extend(unseen(binary));
    }
    Ok(())
}

/// A key that differs by its case alone can mean nothing else.
fn rename(world: &World, key: &Origin, meant: &str) -> Fix {
    let title = format!("did you mean `{meant}`?");
    let text = world.sources.get(key.source()).shown();
    let written = text.zip(key.span()).and_then(|(text, span)| text.get(span.range()));
    match written {
        Some(written) if written.eq_ignore_ascii_case(meant) => {
            Fix::safe(title).replace(key, meant)
        }
        Some(written) if !written.contains(['"', '\'']) => Fix::suggest(title).replace(key, meant),
        _ => Fix::suggest(title),
    }
}

/// Places of values that are of the wrong type by the schema of their kind: who reads typed facts
/// has stumbled over the same.
fn told_by_type(world: &World) -> FxHashSet<Origin> {
    let malformed = world.problems.iter().filter(|p| p.kind == ProblemKind::Malformed);
    let sources: FxHashSet<_> = malformed.map(|problem| problem.origin.source()).collect();
    let mut told = FxHashSet::default();
    if sources.is_empty() {
        return told;
    }
    for object in world.objects.iter().filter(|o| sources.contains(&o.document.source)) {
        for place in types::wrong(object) {
            told.insert(place);
        }
    }
    told
}

fn unseen(binary: &Binary) -> Option<Finding> {
    let mut finding = match (&binary.format, binary.obfuscated) {
        (BinaryFormat::Packed(packer), _) => Finding::new(
            &RULE,
            format!("{} is packed by {packer}: nothing in it can be judged", binary.path),
            &binary.origin(),
            format!("unpacks itself into memory of its own ({packer})"),
        )
        .variant(&RULE.variants[1])
        .note("its pages are not shared between pods of one node, and each start unpacks it anew")
        .fix(Fix::suggest("ship the binary unpacked; image layers are compressed anyway")),
        (_, true) => Finding::new(
            &RULE,
            format!("{} is obfuscated: what it links cannot be judged", binary.path),
            &binary.origin(),
            "package and function names are hashed",
        )
        .variant(&RULE.variants[2])
        .fix(Fix::suggest("give the same program built without obfuscation")),
        (_, false) => return None,
    };
    finding.subject.clone_from(&binary.path);
    Some(finding)
}
