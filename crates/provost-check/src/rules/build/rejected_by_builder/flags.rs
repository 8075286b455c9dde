//! Flags that `go build` does not have: `-ldflags=-s -w` without quotes is a `-w` of its own.

use super::super::ineffective_build_flag::words_of;
use super::{RULE, UNKNOWN_FLAG};
use crate::facts::build::{Build, CommandForm, GoBuild, RunStep};
use crate::facts::{Basis, Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::shell::{Joined, Script};
use crate::rules::rule::Findings;

/// Flags of `go build` and `go install` in any of Go 1.18 to 1.27: `AddBuildFlags` and `init` in
/// cmd/go/internal/work/build.go, `AddBuildFlagsNX`, `AddModFlag`, `AddModCommonFlags` and `AddChdirFlag`
/// in cmd/go/internal/base, `AddCoverFlags`; `i` went with 1.20. Sorted.
const KNOWN: &[&str] = &[
    "C",
    "a",
    "asan",
    "asmflags",
    "buildmode",
    "buildvcs",
    "compiler",
    "cover",
    "covermode",
    "coverpkg",
    "coverprofile",
    "debug-actiongraph",
    "debug-runtime-trace",
    "debug-trace",
    "gccgoflags",
    "gcflags",
    "h",
    "help",
    "i",
    "installsuffix",
    "json",
    "ldflags",
    "linkshared",
    "mod",
    "modcacherw",
    "modfile",
    "msan",
    "n",
    "o",
    "overlay",
    "p",
    "pgo",
    "pkgdir",
    "race",
    "tags",
    "toolexec",
    "trimpath",
    "v",
    "work",
    "x",
];

/// Flags of the linker that builds set, and whether the next word is theirs (cmd/link/internal/ld/main.go,
/// Go 1.27).
const OF_LINKER: &[(&str, bool)] = &[
    ("-X", true),
    ("-buildid", false),
    ("-extldflags", true),
    ("-linkmode", true),
    ("-s", false),
    ("-w", false),
];

/// Each build is looked for among the commands of its RUN.
const MOST: usize = 256;

pub(super) fn check(build: &Build, reached: &[bool], out: &mut Findings) {
    let targeted = build.final_stage + 1 < build.stages.len();
    if build.go_builds.len() > MOST {
        let what = format!("flags of more than {MOST} commands of go");
        out.abstain(Abstain::unknown(Reason::LimitReached, what));
    }
    for go in build.go_builds.iter().take(MOST) {
        let is_reached = reached.get(go.stage).copied().unwrap_or(true);
        if !is_reached && targeted {
            continue;
        }
        // What is expanded may be a flag's value or bring one, so that nothing behind it is certain.
        let written = go.flags.iter().take_while(|flag| flag.basis != Basis::Derived);
        let unknown = written.enumerate().find(|(_, flag)| !is_known(&flag.value));
        let Some((at, flag)) = unknown else { continue };
        let words = words_of(build, go);
        let start = |fact: &Fact<String>| fact.origin.span().map(|span| span.start);
        // A flag that an ARG brings is not written here.
        let Some(index) = words.iter().position(|word| start(word) == start(flag)) else {
            continue;
        };
        if words[index].value.trim_start_matches('-') != flag.value.trim_start_matches('-') {
            continue;
        }
        let run = build.runs.iter().find(|run| {
            run.stage == go.stage
                && run.origin.span().zip(go.origin.span()).is_some_and(|(a, b)| a.contains(b))
        });
        let ldflags = at.checked_sub(1).and_then(|before| go.flags.get(before));
        let ldflags = ldflags.filter(|flag| flag.value.starts_with("-ldflags="));
        let name = flag.value.split('=').next().unwrap_or_default();
        let of_linker = OF_LINKER.iter().any(|(known, _)| *known == name);
        let message = match ldflags.filter(|_| of_linker) {
            Some(_) => format!(
                "go {} has no flag {name}: without quotes it does not belong to -ldflags, and the \
                 build stops",
                go.verb
            ),
            None => format!("go {} has no flag {name}: the build stops", go.verb),
        };
        let mut finding =
            Finding::new(&RULE, message, &words[index].origin, "flag provided but not defined")
                .variant(&UNKNOWN_FLAG);
        if !is_reached || !run.is_some_and(|run| is_fatal(run, go)) {
            finding = finding.level(Level::Warn);
        }
        out.push(match ldflags.filter(|_| of_linker) {
            Some(ldflags) => {
                let finding = finding.also(&ldflags.origin, "ends at the blank");
                let shell = run.is_some_and(|run| matches!(run.command, CommandForm::Shell(_)));
                finding.fix(quoted(ldflags, &words, index, shell))
            }
            None if of_linker => {
                finding.fix(Fix::suggest(format!("it is the linker's: write -ldflags=\"{name}\"")))
            }
            None => finding.fix(Fix::suggest("take it out, or see go help build")),
        });
    }
}

fn is_known(flag: &str) -> bool {
    let name = flag.trim_start_matches('-').split('=').next().unwrap_or_default();
    // What is expanded is a name of its own.
    name.contains(['$', '`']) || KNOWN.binary_search(&name).is_ok()
}

/// Whether the RUN fails with the command: all of it is joined by `&&`, or the shell ends by itself.
pub(super) fn is_fatal(run: &RunStep, go: &GoBuild) -> bool {
    let Some(text) = &run.text else { return matches!(run.command, CommandForm::Exec(_)) };
    let script = Script::parse(text.as_str());
    let (Ok(commands), false) = (run.commands(), script.unread || script.compound) else {
        return false;
    };
    let inside = |origin: Origin| {
        origin.span().zip(go.origin.span()).is_some_and(|(a, b)| a.contains(b) || b.contains(a))
    };
    let Some(at) = commands.iter().position(|it| it.origin().is_some_and(inside)) else {
        return false;
    };
    let behind = commands.get(at + 1..).unwrap_or_default();
    // Programs that run it may hide how it ended.
    let itself = commands[at].words.first().is_some_and(|word| word.value == "go");
    itself
        && !commands[at].piped
        && !commands.iter().any(|it| it.joined == Joined::Or)
        && (run.errexit || behind.iter().all(|it| it.joined == Joined::And))
}

/// All flags of the linker in one pair of quotes.
fn quoted(ldflags: &Fact<String>, words: &[Fact<String>], index: usize, shell: bool) -> Fix {
    let start = ldflags.origin.span().map(|span| span.start);
    let first = words.iter().position(|word| word.origin.span().map(|s| s.start) == start);
    let mut last = index;
    let mut at = index;
    while let Some((_, takes)) = words.get(at).and_then(|word| {
        OF_LINKER.iter().find(|(name, _)| word.value.split('=').next() == Some(*name))
    }) {
        let inline = words[at].value.contains('=');
        last = if *takes && !inline { at + 1 } else { at };
        at = last + 1;
    }
    let value = ldflags.value.strip_prefix("-ldflags=").unwrap_or_default();
    let rest = words.get(index..=last).unwrap_or_default();
    let all: Vec<&str> =
        std::iter::once(value).chain(rest.iter().map(|word| word.value.as_str())).collect();
    let text = format!("-ldflags=\"{}\"", all.join(" "));
    let fix = Fix::suggest(format!("write {text}"));
    // Words with quotes of their own are better joined by hand.
    let plain = |word: &Fact<String>| {
        word.origin.span().is_some_and(|span| span.range().len() == word.value.len())
            && !word.value.contains(['"', '\'', '\\', '`'])
    };
    let (Some(first), true) = (first, shell) else { return fix };
    let span = words.get(first..=last).filter(|all| all.iter().all(plain)).and_then(|all| {
        let (from, to) = (all.first()?.origin.span()?, all.last()?.origin.span()?);
        Some(from.to(to))
    });
    match span {
        Some(span) => fix.replace(&Origin::text(ldflags.origin.source(), span), text),
        None => fix,
    }
}

#[cfg(test)]
mod tests {
    use super::KNOWN;

    #[test]
    fn flags_are_in_the_order_that_they_are_looked_for_in() {
        assert!(KNOWN.is_sorted());
    }
}
