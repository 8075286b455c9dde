//! A builder image older than the `go` line of the module that it builds.

use crate::case::BuildCase;
use crate::case::builder::{NewerModule, Outcome};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const TRIED: Variant = Variant::new(
    "newer-language-version",
    Level::Note,
    "a module written for a newer Go than the builder's, which tries all the same",
);

/// `go build` refuses the module, and the image is never built.
pub static RULE: Rule = Rule {
    id: "builder-older-than-go-mod",
    group: Group::Build,
    level: Level::Deny,
    title: "a builder image older than the go line of go.mod",
    page: include_str!("builder-older-than-go-mod.md"),
    needs: &[Need::Dockerfile],
    variants: &[TRIED],
    check: Check::Build(check),
    ..Rule::BASE
};

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    // Several builds of one stage and module fail at the first.
    let mut said = Vec::new();
    for newer in case.newer_modules() {
        let newer = match newer {
            Ok(newer) => newer,
            Err(why) => {
                out.abstain(why);
                continue;
            }
        };
        let key = (newer.go.stage, newer.module.path.as_str());
        if !said.contains(&key) {
            said.push(key);
            out.push(finding(&newer));
        }
    }
    Ok(())
}

fn finding(newer: &NewerModule<'_>) -> Finding {
    let NewerModule { go, module, tag, .. } = *newer;
    let (builder, wanted) = (tag.value.to_string(), &module.go.value);
    let builder = builder.trim_start_matches("go");
    let message = match newer.outcome {
        Outcome::Refused(_) => format!(
            "the builder is Go {builder} and may fetch no other, and {} asks for {wanted}: go {} fails",
            module.path, go.verb
        ),
        Outcome::NotRead(line) => format!(
            "the builder is Go {builder}, which cannot read `{}` in {}: go {} fails",
            line.value, module.path, go.verb
        ),
        Outcome::Tried => format!(
            "the builder is Go {builder}, and {} is written for {wanted}: what is newer does not compile",
            module.path
        ),
    };
    let place = match newer.outcome {
        Outcome::NotRead(line) => &line.origin,
        _ => &module.go.origin,
    };
    let mut finding = Finding::new(&RULE, message, &tag.origin, "the Go that builds")
        .also(place, "the Go that the module is for")
        .also(&go.origin, "the build");
    match newer.outcome {
        Outcome::Refused(setting) => {
            let value = setting.map_or("local", |setting| setting.value.as_str());
            if let Some(setting) = setting.filter(|setting| setting.origin != tag.origin) {
                finding = finding.also(&setting.origin, "no other Go is fetched");
            }
            finding = finding.note(format!(
                "go: go.mod requires go >= {wanted} (running go {builder}; GOTOOLCHAIN={value})"
            ));
        }
        Outcome::NotRead(_) => {
            finding = finding
                .note("`toolchain` lines and versions of three parts are read since Go 1.21");
        }
        Outcome::Tried => finding = finding.variant(&TRIED),
    }
    if newer.outcome.fails() && !newer.tag_is_written {
        finding = finding
            .level(Level::Warn)
            .note("the version is a build argument's: another may be given to the build");
    }
    finding.fix(Fix::suggest(match newer.outcome {
        Outcome::Refused(_) => format!(
            "build with golang:{wanted} or newer, or let it be fetched: ENV GOTOOLCHAIN=auto in that stage"
        ),
        _ => format!("build with golang:{wanted} or newer"),
    }))
}
