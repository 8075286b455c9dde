//! Inputs that could not be read, and binaries whose program cannot be seen.

use rustc_hash::FxHashSet;

use crate::case::Joined;
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
        Variant::new("packed-binary", Level::Warn, "a binary that unpacks itself at start"),
        Variant::new("obfuscated-binary", Level::Note, "a binary whose names are hashed"),
    ],
    judges_hooks: true,
    check: Check::Run(check),
    ..Rule::BASE
};

fn check(joined: &Joined<'_>, out: &mut Findings) -> Judged {
    let world = joined.world;
    let builds: FxHashSet<_> = world.builds.iter().map(|build| build.source).collect();
    for problem in &world.problems {
        match problem.kind {
            // rejected-by-builder
            ProblemKind::Refused | ProblemKind::Doubtful
                if builds.contains(&problem.origin.source) =>
            {
                continue;
            }
            ProblemKind::DuplicateKey => continue, // unknown-field/duplicate-yaml-key
            ProblemKind::Missing => continue,      // no input; the report has a notice
            _ => {}
        }
        let label = match problem.kind {
            ProblemKind::Limit => "nothing behind this was read",
            _ => "cannot be read",
        };
        let source = world.sources.get(problem.origin.source);
        // As every tool says it: `nope.yaml: No such file or directory`.
        let message = match problem.kind {
            ProblemKind::Unreadable => format!("{}: {}", source.path, problem.message),
            _ => problem.message.clone(),
        };
        let mut finding = Finding::new(&RULE, message, &problem.origin, label);
        if let Some(help) = &problem.help {
            finding = finding.fix(Fix::suggest(help.clone()));
        }
        finding.subject.clone_from(&source.path);
        out.push(finding);
    }
    for binary in &world.binaries {
        out.found.extend(unseen(binary));
    }
    Ok(())
}

fn unseen(binary: &Binary) -> Option<Finding> {
    let mut finding = match (&binary.format, binary.obfuscated) {
        (BinaryFormat::Packed(packer), _) => Finding::new(
            &RULE,
            format!("{} is packed by {packer}: nothing in it can be judged", binary.path),
            &binary.origin(),
            format!("unpacks itself into memory of its own ({packer})"),
        )
        .variant(&RULE.variants[0])
        .note("its pages are not shared between pods of one node, and each start unpacks it anew")
        .fix(Fix::suggest("ship the binary unpacked; image layers are compressed anyway")),
        (_, true) => Finding::new(
            &RULE,
            format!("{} is obfuscated: what it links cannot be judged", binary.path),
            &binary.origin(),
            "package and function names are hashed",
        )
        .variant(&RULE.variants[1])
        .fix(Fix::suggest("give the same program built without obfuscation")),
        (_, false) => return None,
    };
    finding.subject.clone_from(&binary.path);
    Some(finding)
}
