//! A dynamic executable in an image without its loader.

use crate::case::provenance::difference;
use crate::case::{BuildCase, ProgramCase};
use crate::facts::build::{Build, GoBuild, Libc};
use crate::facts::build_files::Presence;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// The kernel starts the loader that the executable names; without it exec fails.
pub static RULE: Rule = Rule {
    id: "unresolvable-interpreter",
    group: Group::Binary,
    level: Level::Deny,
    title: "a dynamic executable in an image without its loader",
    page: include_str!("unresolvable-interpreter.md"),
    needs: &[Need::Binary, Need::Dockerfile],
    variants: &[
        Variant::new("musl-glibc-mix", Level::Deny, "built for musl, run on glibc, or the reverse"),
        Variant::new(
            "cgo-build-for-static-base",
            Level::Warn,
            "a build with cgo for an image without a C library",
        ),
    ],
    check: Check::Program(check),
    also: &[Check::Build(cgo_build)],
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let interp = case.binary.interp.as_ref().ok_or(Abstain::NotApplicable)?;
    let program = case.program().ok();
    let image = case
        .image()
        .ok_or_else(|| Abstain::unknown(Reason::NoDockerfile, "the image the program runs in"))?;
    if image.presence(&interp.value) == Presence::Certainly {
        return Ok(());
    }
    let libc = image.libc()?;
    let musl_program = interp.value.contains("ld-musl");
    // By the table of bases; where the layers are known, the loader is not among them.
    let has_loader = image.image().is_none()
        && match libc {
            Libc::None => false,
            Libc::Glibc(_) => !musl_program,
            Libc::Musl => musl_program,
        };
    if has_loader {
        return Ok(());
    }
    if !image.is_certain() && image.build().is_some_and(may_bring_libc) {
        return Err(Abstain::unknown(Reason::NoImage, "what RUN installs in the final image"));
    }
    let foreign = if musl_program { matches!(libc, Libc::Glibc(_)) } else { libc == Libc::Musl };
    let mixed = foreign;
    let message = if mixed {
        format!(
            "the program was linked for {}, and the final image is {}: exec fails with \
             `no such file or directory`",
            if musl_program { "musl (Alpine)" } else { "glibc" },
            if musl_program { "a glibc one" } else { "a musl one (Alpine)" },
        )
    } else {
        format!(
            "the program needs {}, which is not in the final image: exec fails with \
             `no such file or directory`",
            interp.value
        )
    };
    let mut finding = Finding::new(&RULE, message, &image.origin(), has(libc))
        .also(&interp.origin, format!("asks the kernel for {}", interp.value));
    if mixed {
        finding = finding.variant(&RULE.variants[0]);
    }
    if let Some(entrypoint) = &image.config().entrypoint {
        finding = finding.also(&entrypoint.origin, "starts it");
    }
    let cgo = program.and_then(|p| p.setting("CGO_ENABLED"));
    let pie = case.binary.pie;
    if let Some(cgo) = cgo {
        finding = finding.also(&cgo.origin, format!("built with CGO_ENABLED={}", cgo.value));
    }
    // Advice for the Dockerfile would be wrong: it does what it should.
    // A binary that was read from the image is the one that runs.
    if let Some(build) = image.build().filter(|_| image.image().is_none())
        && let Some(differs) = difference(build, case.binary)
    {
        out.push(
            finding
                .also(&differs.origin, format!("builds with {}", differs.wanted))
                .note(format!(
                    "the binary was built with {}: it may not be what this Dockerfile builds",
                    differs.found
                ))
                .fix(Fix::suggest(
                    "judge the binary that this Dockerfile builds: --build makes it, --binary names it",
                )),
        );
        return Ok(());
    }
    let no_cgo = cgo.is_some_and(|cgo| cgo.value == "0");
    if pie && no_cgo {
        finding = finding
            .note("position-independent executables get an interpreter even without cgo")
            .fix(Fix::suggest("build without -buildmode=pie, or use a base with that C library"));
    } else {
        finding = finding.fix(Fix::suggest(
            "build with CGO_ENABLED=0, or use a base with that C library (distroless/base)",
        ));
    }
    out.push(finding);
    Ok(())
}

fn has(libc: Libc) -> &'static str {
    match libc {
        Libc::None => "has no C library and no loader",
        Libc::Glibc(_) => "has glibc's loader only",
        Libc::Musl => "has musl's loader only",
    }
}

/// Packages that bring the other C library's loader.
fn may_bring_libc(build: &Build) -> bool {
    use crate::facts::build::CommandForm;
    let chain = build.final_chain();
    build.runs.iter().filter(|run| chain.contains(&run.stage)).any(|run| {
        let text = match &run.command {
            CommandForm::Shell(text) => text.value.clone(),
            CommandForm::Exec(words) => {
                words.iter().map(|w| w.value.as_str()).collect::<Vec<_>>().join(" ")
            }
        };
        ["libc6-compat", "gcompat", "glibc", "musl"].iter().any(|package| text.contains(package))
    })
}

/// Without the binary: a build with cgo whose result goes into an image without a C library.
fn cgo_build(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    // A binary that this Dockerfile may have built answers for itself. One without cgo says nothing
    // of a build with it.
    let given = match case.binary() {
        None => None,
        Some(binary) => {
            let setting = binary.go.as_ref().and_then(|go| go.setting("CGO_ENABLED"));
            let other = setting.filter(|cgo| {
                cgo.value == "0" && binary.interp.is_none() && binary.built_from.is_none()
            });
            Some(other.ok_or(Abstain::NotApplicable)?)
        }
    };
    let go = build
        .entrypoint_build()
        .ok_or_else(|| Abstain::unknown(Reason::NoBinary, "how the image's program was linked"))?;
    let base = build.base_image().ok_or_else(|| {
        Abstain::unknown(
            Reason::BaseImageUnknown,
            format!("what {} holds", build.last().base.value),
        )
    })?;
    if base.libc != Libc::None {
        return Ok(());
    }
    let Some((origin, why)) = uses_cgo(build, go) else { return Ok(()) };
    let mut finding = Finding::new(
        &RULE,
        format!("the program may be linked dynamically ({why}), and the final image has no loader"),
        &origin,
        why,
    )
    .variant(&RULE.variants[1])
    .also(&build.last().base.origin, "has no C library and no loader");
    finding = match given {
        Some(cgo) => finding
            .also(&cgo.origin, "built with CGO_ENABLED=0, and not by this Dockerfile")
            .note("the binary that was given is another one than the image will have"),
        None => finding.note("give the binary with --binary or --build for certainty"),
    };
    out.push(finding.fix(Fix::suggest("build with CGO_ENABLED=0")));
    Ok(())
}

/// Whether cgo is on: said so, or by default in a Debian image of Go, which has gcc.
fn uses_cgo(build: &Build, go: &GoBuild) -> Option<(crate::facts::Origin, &'static str)> {
    match go.variable("CGO_ENABLED") {
        Some(value) if value.value == "0" => None,
        Some(value) if value.value == "1" => Some((value.origin.clone(), "CGO_ENABLED=1")),
        Some(_) => None,
        None => {
            // Cross compiling turns cgo off.
            let arch = go.variable("GOARCH");
            let crosses = arch.is_some_and(|arch| !matches!(arch.value.as_str(), "" | "amd64"));
            let stage = build.stages.get(go.stage)?;
            let base = stage.base_image?;
            let has_gcc = base.go_toolchain && matches!(base.libc, Libc::Glibc(_));
            (has_gcc && !crosses).then(|| (go.origin.clone(), "cgo is on by default here"))
        }
    }
}
