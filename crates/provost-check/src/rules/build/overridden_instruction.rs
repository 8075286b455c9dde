//! Instructions that a later one of the same stage makes void.

use rustc_hash::FxHashMap;

use crate::case::BuildCase;
use crate::facts::Origin;
use crate::facts::build::CommandForm;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const RELATIVE: Variant = Variant::new(
    "relative-workdir",
    Level::Note,
    "a path that depends on the WORKDIR of the base image",
);

const MOUNTED: Variant = Variant::new(
    "mounted-over-workdir",
    Level::Warn,
    "a working directory in a file system that the runtime mounts over the image",
);

/// Mounted into every container (`defaultFilesystems` of runc's specification, the defaults of
/// containerd and CRI-O), and into every RUN.
const MOUNTED_OVER: &[&str] = &["/dev", "/proc", "/sys"];

/// What is written has no effect.
pub static RULE: Rule = Rule {
    id: "overridden-instruction",
    group: Group::Build,
    level: Level::Note,
    title: "an instruction that another one makes void",
    page: include_str!("overridden-instruction.md"),
    needs: &[Need::Dockerfile],
    variants: &[RELATIVE, MOUNTED],
    check: Check::Build(check),
    ..Rule::BASE
};

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    let mut last: FxHashMap<(&str, usize), &Origin> = FxHashMap::default();
    for written in build.instructions.iter().rev() {
        let Some(stage) = written.stage else { continue };
        if !matches!(written.name, "CMD" | "ENTRYPOINT" | "HEALTHCHECK") {
            continue;
        }
        match last.get(&(written.name, stage)) {
            Some(last) => out.push(
                Finding::new(
                    &RULE,
                    format!("only the last {} of a stage counts, and this is not it", written.name),
                    &written.origin,
                    "has no effect",
                )
                .also(last, "the one in force")
                .fix(Fix::suggest("remove it")),
            ),
            None => {
                last.insert((written.name, stage), &written.origin);
            }
        }
    }
    ignored_arguments(case, out);
    for (path, _) in &build.relative_workdirs {
        out.push(
            Finding::new(
                &RULE,
                format!("WORKDIR {} is seen from the directory of the base image", path.value),
                &path.origin,
                "relative, with no WORKDIR before it",
            )
            .variant(&RELATIVE)
            .fix(Fix::suggest("write the whole path")),
        );
    }
    for (path, _) in &build.workdirs {
        let dir = path.value.trim_end_matches('/');
        let within = |over: &&&str| {
            dir.strip_prefix(**over).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let Some(over) = MOUNTED_OVER.iter().find(within) else { continue };
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "WORKDIR {} is below {over}, which is the kernel's in every container: nothing of \
                     the image is there",
                    path.value
                ),
                &path.origin,
                "mounted over",
            )
            .variant(&MOUNTED)
            .fix(Fix::suggest("use a directory of the image")),
        );
    }
    for copy in build.copies.iter().filter(|copy| copy.relative && !copy.workdir_set) {
        let name = if copy.add { "ADD" } else { "COPY" };
        out.push(
            Finding::new(
                &RULE,
                format!("{name} goes to the directory of the base image: no WORKDIR is set"),
                &copy.destination.origin,
                "relative",
            )
            .variant(&RELATIVE)
            .fix(Fix::suggest("write the whole path, or a WORKDIR above")),
        );
    }
    Ok(())
}

/// A CMD next to an ENTRYPOINT in shell form: `/bin/sh -c TEXT` drops its further arguments.
fn ignored_arguments(case: &BuildCase<'_>, out: &mut Findings) {
    let config = case.build.config();
    let (Some(entrypoint), Some(cmd)) = (&config.entrypoint, &config.cmd) else { return };
    let shell_form = matches!(entrypoint.value, CommandForm::Shell(_));
    if !shell_form || entrypoint.inherited || cmd.inherited {
        return;
    }
    let mut finding = Finding::new(
        &RULE,
        "an ENTRYPOINT in shell form takes no arguments: CMD is ignored",
        &cmd.origin,
        "has no effect",
    )
    .also(&entrypoint.origin, "shell form");
    let with_args = case.cases().find_map(|cased| {
        let args = cased.container.args.as_ref().filter(|args| !args.is_empty())?;
        args.first().map(|first| first.origin.clone())
    });
    if let Some(args) = with_args {
        finding = finding.also(&args, "ignored as well");
    }
    out.push(finding.fix(Fix::suggest("write the ENTRYPOINT as a list")));
}
