//! Containers that can change their own files.

use crate::case::Case;
use crate::case::image::unread;
use crate::case::image_user::RunAs;
use crate::facts::image::Image;
use crate::facts::image_files::{FileEntry, FileKind};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const ENTRYPOINT: Variant = Variant::new(
    "entrypoint-writable-by-process",
    Level::Note,
    "the process may overwrite, or replace, the program that it runs",
)
.strict(Level::Warn);

/// What gets in can stay, and writes fill the node's disk.
pub static RULE: Rule = Rule {
    id: "writable-root-filesystem",
    group: Group::Security,
    level: Level::Note,
    strict: Some(Level::Warn),
    title: "readOnlyRootFilesystem is not true",
    page: include_str!("writable-root-filesystem.md"),
    needs: &[Need::Manifest],
    variants: &[ENTRYPOINT],
    judges_hooks: true,
    lacks: &["containers/securityContext"],
    check: Check::Container(check),
    also: &[Check::Container(entrypoint)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.confinable()?;
    let read_only = case.container.security.read_only_root.as_ref();
    if read_only.is_some_and(|fact| fact.value) {
        return Ok(());
    }
    let place = read_only.map_or(&case.container.origin, |fact| &fact.origin);
    let fix = Fix::suggest(
        "set securityContext.readOnlyRootFilesystem: true, with an emptyDir where the program writes",
    );
    out.push(
        Finding::new(
            &RULE,
            "the root file system is writable: a file that an attacker writes can be run, and \
             what the program writes there counts as ephemeral storage",
            place,
            "can be written",
        )
        .fix(match read_only {
            Some(fact) => fix.replace(&fact.origin, "true"),
            None => fix,
        }),
    );
    Ok(())
}

/// A container that is started anew has the file of the image again; what a hook, a probe or `exec`
/// starts in the running one is what was written there.
fn entrypoint(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.confinable()?;
    let read_only = case.container.security.read_only_root.as_ref();
    if read_only.is_some_and(|fact| fact.value) {
        return Ok(());
    }
    let image = match case.layers() {
        Ok(image) => image,
        // It is about images that are given.
        Err(Abstain::Unknown { reason: Reason::NoImage, .. }) => {
            return Err(Abstain::NotApplicable);
        }
        Err(why) => return Err(why),
    };
    if !image.complete {
        return Err(Abstain::unknown(unread(image), "the files of the image"));
    }
    let run_as = case.run_as(image)?;
    // Root may write everything, which `root-user` says.
    if run_as.uid == 0 {
        return Err(Abstain::NotApplicable);
    }
    let command = case.command_line()?;
    let program = command.program();
    let paths = image.config.resolve(program);
    for path in &paths {
        case.not_mounted_over(&path.value)?;
    }
    // Of several on PATH the first that may be executed is taken.
    let found = paths.iter().find_map(|path| {
        let (at, file) = image.files.lookup(&path.value)?;
        (file.kind == FileKind::File && run_as.may_execute(file)).then_some((at, file))
    });
    let Some((path, file)) = found else { return Err(Abstain::NotApplicable) };
    let Some((at, entry)) = writable(image, &run_as, &path, file) else { return Ok(()) };
    let mode = format!("mode {:04o}, owner {}:{}", entry.mode & 0o7777, entry.uid, entry.gid);
    let how = if at == path {
        format!("may overwrite its own program {path} ({mode})")
    } else {
        format!("may put another program in the place of {path}: it may write {at} ({mode})")
    };
    let mut finding = Finding::new(
        &RULE,
        format!("uid {} {how}, and what is started from there next is what it wrote", run_as.uid),
        &image.file(&at),
        mode.clone(),
    )
    .variant(&RULE.variants[0])
    .also(&program.origin, "starts it")
    .also(
        read_only.map_or(&case.container.origin, |fact| &fact.origin),
        "readOnlyRootFilesystem is not true",
    );
    if let Some(origin) = &run_as.origin {
        finding = finding.also(origin, format!("runs as uid {}", run_as.uid));
    }
    out.push(finding.fix(Fix::suggest(
        "let root own the program: COPY without --chown, and --chmod=0755; or set \
         readOnlyRootFilesystem: true",
    )));
    Ok(())
}

/// What lets a process write a file: the file, or one of the directories above it, in which it may put
/// another in the place of what leads there.
fn writable<'i>(
    image: &'i Image,
    run_as: &RunAs,
    path: &str,
    file: &'i FileEntry,
) -> Option<(String, &'i FileEntry)> {
    if file.writable_by(run_as.uid, &run_as.gids) {
        return Some((path.to_owned(), file));
    }
    let mut below = file;
    for (end, _) in path.rmatch_indices('/').filter(|(end, _)| *end > 0) {
        // Archives need not list the directories of their files; root makes those, with mode 0755.
        let Some(dir) = image.files.get(&path[..end]) else { continue };
        if dir.lets_replace(below, run_as.uid, &run_as.gids) {
            return Some((path[..end].to_owned(), dir));
        }
        below = dir;
    }
    None
}
