//! Builds made to be examined, not to serve.

use crate::case::ProgramCase;
use crate::case::env::Lookup;
use crate::facts::symbols;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const COVERAGE: Variant =
    Variant::new("coverage-build", Level::Warn, "built with -cover").strict(Level::Deny);
const TEST: Variant = Variant::new("test-binary", Level::Deny, "the output of go test -c");
const UNOPTIMISED: Variant =
    Variant::new("unoptimised-build", Level::Warn, "built without optimisation or inlining");

/// The race detector multiplies memory and time.
pub static RULE: Rule = Rule {
    id: "instrumented-build",
    group: Group::Binary,
    level: Level::Deny,
    title: "the program was built with the race detector",
    page: include_str!("instrumented-build.md"),
    needs: &[Need::Binary],
    variants: &[COVERAGE, TEST, UNOPTIMISED],
    check: Check::Program(check),
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let program = case.program()?;
    let on = |key: &str| program.setting(key).filter(|fact| fact.value == "true");
    let whole = case.binary.origin();
    let race = on("-race").map(|fact| &fact.origin);
    if let Some(origin) = race.or_else(|| program.links_package("runtime/race").then_some(&whole)) {
        out.push(
            Finding::new(
                &RULE,
                "built with -race: the race detector takes 5 to 10 times the memory and 2 to 20 \
                 times the CPU, and counts neither towards GOMEMLIMIT",
                origin,
                "-race",
            )
            .fix(Fix::suggest("build without -race; run the tests with it")),
        );
    }
    if let Some(cover) = on("-cover") {
        let directory =
            case.cases().find_map(|case| match case.environment().lookup("GOCOVERDIR") {
                Lookup::Set(variable) => Some(variable.entry.clone()),
                _ => None,
            });
        let mut finding = Finding::new(
            &RULE,
            "built with -cover: every statement counts itself, and without GOCOVERDIR the program \
             prints `warning: GOCOVERDIR not set, no coverage data emitted` when it ends",
            &cover.origin,
            "-cover",
        )
        .variant(&COVERAGE)
        .fix(Fix::suggest("build what serves without -cover"));
        if let Some(origin) = directory {
            finding.message = "built with -cover and told where to put the data: right for \
                               integration tests only"
                .to_owned();
            finding = finding.level(Level::Note).also(&origin, "where the data goes");
        }
        out.push(finding);
    }
    let package = program.main_package.as_ref().filter(|p| p.value.ends_with(".test"));
    // Programs that merely import testing have it linked too, under a path of their own.
    if let (Some(package), Ok(Some(main))) = (package, program.links(symbols::TESTING_MAIN)) {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "{} is a test binary: it runs the tests of its package and ends",
                    package.value
                ),
                &package.origin,
                "made by go test -c",
            )
            .variant(&TEST)
            .also(main, "runs tests")
            .fix(Fix::suggest("build the main package with go build")),
        );
    }
    if let Some(flags) = program.setting("-gcflags") {
        let words = flags.value.split([' ', '=', '\'', '"']);
        let found: Vec<&str> = words.filter(|word| matches!(*word, "-N" | "-l")).collect();
        if !found.is_empty() {
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "built with -gcflags {}: {}",
                        flags.value,
                        if found.contains(&"-N") {
                            "without optimisation the same work takes several times the CPU"
                        } else {
                            "nothing is inlined, and small functions cost a call each"
                        }
                    ),
                    &flags.origin,
                    "for a debugger",
                )
                .variant(&UNOPTIMISED)
                .fix(Fix::suggest("leave these flags to a build for the debugger")),
            );
        }
    }
    Ok(())
}
