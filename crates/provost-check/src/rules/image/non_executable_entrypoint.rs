//! A program that its user may not execute.

use crate::case::image::ImageCase;
use crate::case::image_user::{RunAs, may_search};
use crate::case::start::Start;
use crate::case::{BuildCase, Case};
use crate::facts::Fact;
use crate::facts::build::RunStep;
use crate::facts::build_files::behind_wrapper;
use crate::facts::image::Image;
use crate::facts::image_files::{FileEntry, FileKind};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The kernel refuses: permission denied.
pub static RULE: Rule = Rule {
    id: "non-executable-entrypoint",
    group: Group::Image,
    level: Level::Deny,
    title: "a program that the container's user may not execute",
    page: include_str!("non-executable-entrypoint.md"),
    needs: &[Need::Image],
    after: &["missing-entrypoint-file"],
    check: Check::Container(check),
    also: &[Check::Image(image), Check::Container(by_dockerfile), Check::Build(build)],
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    started(&case.start()?, case.layers()?, out)
}

/// An image that no container of the input runs: by the user of its own.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    started(&case.start()?, case.image, out)
}

fn started(start: &Start<'_>, image: &Image, out: &mut Findings) -> Judged {
    let command = start.command_line()?;
    let run_as = start.run_as(image)?;
    for program in std::iter::once(command.program()).chain(behind_wrapper(&command.argv)) {
        judge(start, image, &run_as, program, out).unwrap_or_else(|why| out.abstain(why));
    }
    Ok(())
}

fn judge(
    start: &Start<'_>,
    image: &Image,
    run_as: &RunAs,
    program: &Fact<String>,
    out: &mut Findings,
) -> Judged {
    let paths = image.config.resolve(program);
    for path in &paths {
        start.not_mounted_over(&path.value)?;
    }
    // Of several on PATH the first that may be executed is taken.
    let mut refused: Option<(String, &FileEntry)> = None;
    for path in &paths {
        let Some((at, file)) = image.files.lookup(&path.value) else { continue };
        if file.kind != FileKind::File {
            continue;
        }
        let by = [path.value.as_str(), at.as_str()];
        let closed = by.iter().find_map(|path| closed_dir(image, run_as, path));
        match closed {
            None if run_as.may_execute(file) => return Ok(()),
            None => {
                refused.get_or_insert((at, file));
            }
            Some((dir, entry)) => {
                refused.get_or_insert((dir, entry));
            }
        }
    }
    // That there is none at all is told by `missing-entrypoint-file`.
    let Some((path, entry)) = refused else { return Err(Abstain::NotApplicable) };
    let is_dir = entry.kind == FileKind::Dir;
    let mode = format!("mode {:04o}, owner {}:{}", entry.mode, entry.uid, entry.gid);
    let what = if is_dir { "the folder" } else { "the program" };
    let verb = if is_dir { "enter" } else { "execute" };
    let fix = if is_dir {
        format!("give the folder its x bit for everybody: chmod 0755 {path}")
    } else {
        "COPY --chmod=0755, or chmod it in the builder".to_owned()
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{what} {path} has {mode}: uid {} may not {verb} it, and the container cannot start \
             (`permission denied`)",
            run_as.uid
        ),
        &image.file(&path),
        mode.clone(),
    )
    .also(&program.origin, "starts it");
    if let Some(origin) = &run_as.origin {
        finding = finding.also(origin, format!("runs as uid {}", run_as.uid));
    }
    out.push(start.also_container(finding, "runs the image").fix(Fix::suggest(fix)));
    Ok(())
}

/// A mode of `COPY --chmod` without any x bit, which not even root may execute. Octal modes only: the
/// words of others (`a-x`) change what the file had.
fn by_dockerfile(case: &Case<'_>, out: &mut Findings) -> Judged {
    copied(&case.start()?, out)
}

/// A Dockerfile of which no container of the input runs the image.
fn build(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    copied(&case.start()?, out)
}

fn copied(start: &Start<'_>, out: &mut Findings) -> Judged {
    let image = start.image;
    let build = image.build().filter(|_| image.image().is_none()).ok_or(Abstain::NotApplicable)?;
    let command = start.command_line()?;
    for program in std::iter::once(command.program()).chain(behind_wrapper(&command.argv)) {
        let paths = image.resolve(program);
        // Of several on PATH another one may be taken.
        let [path] = paths.as_slice() else { continue };
        let Some(copy) = build.last_copy_to(&path.value) else { continue };
        let chmod = copy.flags.iter().rev().find_map(|flag| {
            let mode = flag.value.strip_prefix("--chmod=")?;
            let bits = u32::from_str_radix(mode, 8).ok().filter(|_| !mode.starts_with('+'))?;
            Some((flag, mode, bits))
        });
        let Some((flag, mode, _)) = chmod.filter(|(_, _, bits)| bits & 0o111 == 0) else {
            continue;
        };
        start.not_mounted_over(&path.value)?;
        let after = copy.origin.span().map(|span| span.end);
        let chain = build.final_chain();
        let later = |run: &&RunStep| {
            chain.contains(&run.stage) && run.origin.span().map(|span| span.start) > after
        };
        // A later RUN may chmod it, or write it anew.
        if build.runs.iter().any(|run| later(&run)) {
            let what = format!("the mode of {} behind a RUN", path.value);
            return Err(Abstain::unknown(Reason::NoImage, what));
        }
        let finding = Finding::new(
            &RULE,
            format!(
                "the program {} is copied with mode {mode}, which nobody may execute: the \
                     container cannot start (`permission denied`)",
                path.value
            ),
            &flag.origin,
            "without an x bit",
        )
        .also(&program.origin, "starts it");
        let fix = Fix::suggest("write --chmod=0755");
        let fix = start.world().rewrite(fix, &flag.origin, &flag.value, "--chmod=0755");
        out.push(start.also_container(finding, "runs the image").fix(fix));
    }
    Ok(())
}

/// The first directory above a file that the user may not pass.
fn closed_dir<'i>(image: &'i Image, run_as: &RunAs, path: &str) -> Option<(String, &'i FileEntry)> {
    path.match_indices('/').skip(1).find_map(|(end, _)| {
        let (at, dir) = image.files.lookup(&path[..end])?;
        (dir.kind == FileKind::Dir && !may_search(run_as, dir)).then_some((at, dir))
    })
}
