//! Programs built by a Go that gets no more fixes.

use goformats::version::GoVersion;

use crate::case::{BuildCase, ProgramCase};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::support::{self, Support};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const PATCH: Variant =
    Variant::new("outdated-go-patch", Level::Note, "a newer patch release of the same Go exists")
        .strict(Level::Warn);
const BUILDER: Variant =
    Variant::new("end-of-life-builder", Level::Warn, "the builder image's Go is out of support");

/// Its standard library is part of the program.
pub static RULE: Rule = Rule {
    id: "end-of-life-toolchain",
    group: Group::Binary,
    level: Level::Warn,
    strict: Some(Level::Deny),
    title: "built by a Go release that is out of support",
    page: include_str!("end-of-life-toolchain.md"),
    needs: &[Need::Binary],
    variants: &[PATCH, BUILDER],
    check: Check::Program(program),
    also: &[Check::Build(build)],
    ..Rule::BASE
};

fn program(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let date = case.world().settings.date;
    let version = &case.program()?.version;
    let (place, label) = if case.binary.built_here {
        // By the Go at hand, which need not be the one that builds what is deployed, unless go.mod
        // chose it.
        let line = case.binary.toolchain_line.as_ref().filter(|line| line.value == version.value);
        (&line.ok_or(Abstain::NotApplicable)?.origin, "the toolchain that it is built with")
    } else {
        (&version.origin, "the toolchain that built it")
    };
    let go = &version.value;
    match support::go_support(go.minor, date) {
        Support::Ended { since, .. } => {
            let mut finding = Finding::new(
                &RULE,
                format!(
                    "built by {go}, which gets no fixes since {since}; its standard library is \
                     part of the program"
                ),
                place,
                label,
            );
            // A vendor may go on with fixes of its own.
            if !go.suffix.is_empty() {
                finding = finding.level(Level::Note).note(format!(
                    "`{}` is not a release of the Go project: ask who made it",
                    go.suffix
                ));
            }
            out.push(finding.note(supported(date)).fix(newest(date)));
        }
        Support::Supported { .. } if go.suffix.is_empty() => {
            if let Some(newer) = support::newer_patch(go) {
                out.push(
                    Finding::new(&RULE, format!("built by {go}; {newer} is out"), place, label)
                        .variant(&PATCH)
                        .fix(Fix::suggest(format!("build with {newer}"))),
                );
            }
        }
        Support::Unknown => {
            return Err(Abstain::unknown(Reason::VersionUnknown, format!("support of {go}")));
        }
        Support::Supported { .. } | Support::NotReleased => {}
    }
    Ok(())
}

fn build(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let date = case.world().settings.date;
    let built = case.binary().and_then(|b| b.go.as_ref()).map(|go| go.version.value.minor);
    let mut applies = false;
    let refusing: Vec<_> =
        case.newer_modules().flatten().filter(|it| it.outcome.fails()).map(|it| it.tag).collect();
    for stage in &case.build.stages {
        // A stage on top of another has its parent's tag.
        let Some(tag) = stage.go_tag.as_ref().filter(|_| stage.parent.is_none()) else { continue };
        applies = true;
        // The program itself says it already; what cannot build at all has to be replaced anyway.
        if built == Some(tag.value.minor) || refusing.iter().any(|it| it.origin == tag.origin) {
            continue;
        }
        if let Support::Ended { since, .. } = support::go_support(tag.value.minor, date) {
            out.push(
                Finding::new(
                    &RULE,
                    format!("the builder's {} gets no fixes since {since}", GoText(&tag.value)),
                    &tag.origin,
                    "the toolchain that builds",
                )
                .variant(&BUILDER)
                .note(supported(date))
                .fix(newest(date)),
            );
        }
    }
    if applies { Ok(()) } else { Err(Abstain::NotApplicable) }
}

/// `Go 1.22`, without the patch that a tag mostly leaves out.
struct GoText<'v>(&'v GoVersion);

impl std::fmt::Display for GoText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Go 1.{}", self.0.minor)
    }
}

fn supported(date: jiff::civil::Date) -> String {
    let minors: Vec<String> =
        support::supported_go(date).iter().map(|minor| format!("1.{minor}")).collect();
    format!("supported on {date}: Go {}", minors.join(" and "))
}

fn newest(date: jiff::civil::Date) -> Fix {
    let newest = support::supported_go(date).last().copied();
    let newest =
        newest.and_then(|minor| Some(GoVersion::release(minor, support::newest_patch(minor)?)));
    Fix::suggest(match newest {
        Some(newest) => format!("build with {newest}"),
        None => "build with a supported release".to_owned(),
    })
}
