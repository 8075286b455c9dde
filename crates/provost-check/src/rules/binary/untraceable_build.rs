//! Programs that do not say what they were built from.

use crate::case::ProgramCase;
use crate::facts::Fact;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const DIRTY: Variant =
    Variant::new("dirty-worktree-build", Level::Warn, "built from files that no commit has");
const LOCAL: Variant =
    Variant::new("local-replace", Level::Note, "a dependency was replaced by a folder")
        .strict(Level::Warn);

const LABEL: Variant = Variant::new(
    "revision-label-mismatch",
    Level::Warn,
    "the image's label names another commit than the program",
);

/// Labels of an image that name a commit, the newer one first.
const REVISION_LABELS: [&str; 2] =
    ["org.opencontainers.image.revision", "org.label-schema.vcs-ref"];

/// Nobody can tell which source runs.
pub static RULE: Rule = Rule {
    id: "untraceable-build",
    group: Group::Binary,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "the program does not say which commit it was built from",
    page: include_str!("untraceable-build.md"),
    needs: &[Need::Binary],
    variants: &[DIRTY, LOCAL, LABEL],
    check: Check::Program(check),
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    // Built for this check, from the working tree as it is.
    if case.binary.built_here {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    let revision = program.setting("vcs.revision");
    let module = program.main_module.as_ref();
    let versioned =
        module.is_some_and(|m| !m.value.version.is_empty() && m.value.version != "(devel)");
    let image = case.image().and_then(|view| view.image());
    let label = image.and_then(|image| {
        let label = REVISION_LABELS.iter().find_map(|name| image.labels.get(*name))?;
        (!label.value.trim().is_empty()).then_some(label)
    });
    if let (Some(revision), Some(label)) = (revision, label) {
        compare(case, revision, label, out);
    }
    if revision.is_none() && !versioned && label.is_none() {
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

/// Both are commits of one repository, as far as can be told: other labels are no commits.
fn compare(
    case: &ProgramCase<'_>,
    revision: &Fact<String>,
    label: &Fact<String>,
    out: &mut Findings,
) {
    let hex = |text: &str| text.len() >= 7 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let (own, told) =
        (revision.value.to_ascii_lowercase(), label.value.trim().to_ascii_lowercase());
    if !hex(&own) || !hex(&told) || own.starts_with(&told) || told.starts_with(&own) {
        return;
    }
    let short = |text: &str| text.get(..12).unwrap_or(text).to_owned();
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the image's label names commit {}, and the program in it was built from {}",
            short(&told),
            short(&own)
        ),
        &label.origin,
        "names another commit",
    )
    .variant(&RULE.variants[2])
    .also(&revision.origin, "vcs.revision of the program");
    finding.subject.clone_from(&case.binary.path);
    out.push(finding.fix(Fix::suggest(
        "set the label from the commit that is built, in the build that builds it",
    )));
}
