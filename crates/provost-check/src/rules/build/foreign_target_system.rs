//! A program for another system than that of its image.

use crate::case::BuildCase;
use crate::facts::Fact;
use crate::facts::build::{Build, GoBuild, may_be_given};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The kernel reads ELF and no Mach-O or PE: `exec format error`.
pub static RULE: Rule = Rule {
    id: "foreign-target-system",
    group: Group::Build,
    level: Level::Deny,
    title: "the program of a Linux image is built for another system",
    page: include_str!("foreign-target-system.md"),
    needs: &[Need::Dockerfile],
    check: Check::Build(check),
    ..Rule::BASE
};

/// Systems that Go builds for and Linux runs nothing of (`go tool dist list` of Go 1.27). Android's programs
/// are ELF, and some runtimes of containers take WebAssembly.
const FOREIGN: &[&str] = &[
    "aix",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
];

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    let Some(go) = build.entrypoint_build() else { return Ok(()) };
    let Some((name, system)) = target(go) else { return Ok(()) };
    if is_of(build, &system.value) {
        return Ok(());
    }
    let command = build.config().entrypoint.as_ref().map(|entrypoint| &entrypoint.origin);
    let command = command.or(build.config().cmd.as_ref().map(|cmd| &cmd.origin));
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the program that the image starts is built for {}, and the image is one of Linux: \
             `exec format error`, it never starts",
            system.value
        ),
        &system.origin,
        "another system",
    )
    .also(&go.origin, "makes the program");
    if let Some(command) = command {
        finding = finding.also(command, "starts it");
    }
    if may_be_given(system) {
        finding = finding.level(Level::Warn).note("another value may be given to the build");
        out.push(finding.fix(Fix::suggest("give the build linux, or make that the default")));
        return Ok(());
    }
    out.push(finding.fix(Fix::suggest(format!("remove {}, or write GOOS=linux", name.value))));
    Ok(())
}

/// The system that is written, where it is none of Linux.
fn target(go: &GoBuild) -> Option<&(Fact<String>, Fact<String>)> {
    let setting = go.setting("GOOS")?;
    FOREIGN.contains(&setting.1.value.as_str()).then_some(setting)
}

/// Whether the image may be one of that system: its base or its platform says so, or may. Of the systems
/// other than Linux Windows has images, and FreeBSD those of its name.
fn is_of(build: &Build, system: &str) -> bool {
    let stages = || build.final_chain().into_iter().filter_map(|index| build.stages.get(index));
    if system != "windows" {
        return stages().any(|stage| stage.base.value.contains(system));
    }
    build.base_image().is_none()
        || stages().any(|stage| {
            let platform = stage.platform.as_ref().map(|platform| platform.value.as_str());
            let base = stage.base.value.as_str();
            platform.is_some_and(|it| it.contains('$') || !it.starts_with("linux"))
                || ["$", "windows", "nanoserver", "servercore"].iter().any(|it| base.contains(it))
        })
}
