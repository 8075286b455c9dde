//! Programs that do not say what they were built from.

use crate::case::ProgramCase;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const DIRTY: Variant =
    Variant::new("dirty-worktree-build", Level::Warn, "built from files that no commit has");
const LOCAL: Variant =
    Variant::new("local-replace", Level::Note, "a dependency was replaced by a folder")
        .strict(Level::Warn);

/// Nobody can tell which source runs.
pub static RULE: Rule = Rule {
    id: "untraceable-build",
    group: Group::Binary,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "the program does not say which commit it was built from",
    page: include_str!("untraceable-build.md"),
    needs: &[Need::Binary],
    variants: &[DIRTY, LOCAL],
    check: Check::Program(check),
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    // Built for this check, from the working tree as it is.
    if case.binary.built_from.is_some() {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    let revision = program.setting("vcs.revision");
    let module = program.main_module.as_ref();
    let versioned =
        module.is_some_and(|m| !m.value.version.is_empty() && m.value.version != "(devel)");
    if revision.is_none() && !versioned {
        out.push(
            Finding::new(
                &RULE,
                "the program does not say which commit it was built from",
                module.map_or(&case.binary.origin(), |m| &m.origin),
                "no vcs.revision and no version",
            )
            .fix(Fix::suggest(
                "build where .git is (not in .dockerignore), without -buildvcs=false",
            )),
        );
    }
    if let Some(modified) = program.setting("vcs.modified").filter(|m| m.value == "true") {
        let commit = revision.map_or("its commit", |r| r.value.get(..12).unwrap_or(&r.value));
        out.push(
            Finding::new(
                &RULE,
                format!("the working tree was changed after {commit}: no commit holds this source"),
                &modified.origin,
                "vcs.modified=true",
            )
            .variant(&DIRTY)
            .fix(Fix::suggest("build from a clean checkout; generated files belong in .gitignore")),
        );
    }
    for dep in &program.deps {
        let Some(path) = dep.value.replace.as_deref() else { continue };
        if path.starts_with(['.', '/']) {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "{} was taken from the folder {path}: its version says nothing",
                        dep.value.path
                    ),
                    &dep.origin,
                    "replaced by a folder",
                )
                .variant(&LOCAL)
                .fix(Fix::suggest("require a version, and keep replaced folders to go.work")),
            );
        }
    }
    Ok(())
}
