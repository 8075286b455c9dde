//! Flags of `go build` that change nothing.

use crate::case::BuildCase;
use crate::facts::build::{Build, GoBuild};
use crate::facts::build_steps::RunCommand;
use crate::facts::{Fact, Origin, Span};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Copied from build to build since Go 1.4.
pub static RULE: Rule = Rule {
    id: "ineffective-build-flag",
    group: Group::Build,
    level: Level::Note,
    title: "a flag of go build that changes nothing",
    page: include_str!("ineffective-build-flag.md"),
    needs: &[Need::Dockerfile],
    check: Check::Build(check),
    ..Rule::BASE
};

/// Each build is looked for among the commands of its RUN.
const MOST: usize = 256;

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    for (index, go) in build.go_builds.iter().enumerate().take(MOST) {
        let words = words_of(build, go);
        let cgo_off = go.variable("CGO_ENABLED").is_some_and(|value| value.value == "0");
        static_linking(go, &words, cgo_off, out);
        if let Some(flag) = go.flags.iter().find(|flag| flag.value == "-a")
            && is_clean(build, index)
        {
            out.push(
                finding(
                    "-a builds everything anew, and nothing is built yet in a clean stage",
                    flag,
                )
                .fix(removal("-a", flag, None, &words)),
            );
        }
        let suffix = go.flags.iter().find(|flag| flag.value.starts_with("-installsuffix"));
        if let Some(flag) = suffix {
            out.push(
                finding(
                    "-installsuffix names the folder of installed packages, which Go has not used \
                     since 1.10",
                    flag,
                )
                .fix(removal(
                    "-installsuffix",
                    flag,
                    flag.value.split_once('='),
                    &words,
                )),
            );
        }
        twice(go, out);
    }
    Ok(())
}

fn finding(message: &str, flag: &Fact<String>) -> Finding {
    Finding::new(&RULE, message, &flag.origin, "changes nothing")
}

/// Nothing was built before in the stage, and no cache is mounted.
fn is_clean(build: &Build, index: usize) -> bool {
    let Some(go) = build.go_builds.get(index) else { return false };
    let chain = build.chain_of(go.stage);
    let earlier = build.go_builds.iter().take(index).any(|other| chain.contains(&other.stage));
    let at = |origin: &Origin| origin.span().unwrap_or_default();
    let cached = build
        .runs
        .iter()
        .filter(|run| run.stage == go.stage && at(&run.origin).contains(at(&go.origin)))
        .any(|run| run.mounts().any(|mount| mount.contains(&("type", "cache"))));
    !earlier && !cached
}

/// The words of the command, as they stand in the file.
pub(super) fn words_of(build: &Build, go: &GoBuild) -> Vec<Fact<String>> {
    let Some(span) = go.origin.span() else { return Vec::new() };
    let inside = |origin: &Origin| origin.span().is_some_and(|other| span.contains(other));
    let around = |run: &&crate::facts::build::RunStep| {
        run.stage == go.stage && run.origin.span().is_some_and(|run| run.contains(span))
    };
    let run = build.runs.iter().find(around);
    let is_it = |command: &RunCommand| {
        command.program().is_some_and(|(name, _)| matches!(name, "go" | "xx-go"))
            && command.argv().first().is_some_and(|word| inside(&word.origin))
    };
    run.and_then(|run| run.commands().ok())
        .and_then(|commands| commands.into_iter().find(is_it))
        .map(|command| command.words)
        .unwrap_or_default()
}

/// `-extldflags -static` where the external linker is not run.
fn static_linking(go: &GoBuild, words: &[Fact<String>], cgo_off: bool, out: &mut Findings) {
    let external = |flag: &Fact<String>| {
        flag.value.contains("-linkmode=external")
            || flag.value.contains("-linkmode external")
            || (flag.value.starts_with("-buildmode=") && flag.value != "-buildmode=exe")
            || flag.value == "-race"
            || flag.value == "-msan"
            || flag.value == "-asan"
    };
    if !cgo_off || go.flags.iter().any(external) {
        return;
    }
    let Some(flag) = go.flags.iter().rev().find(|flag| flag.value.starts_with("-ldflags=")) else {
        return;
    };
    let Some(inner) = extldflags(&flag.value) else { return };
    let mut fix = Fix::safe("remove -extldflags from -ldflags");
    match inside(&flag.value, &inner, words) {
        Some(origin) => fix = fix.replace(&origin, ""),
        None => fix = Fix::suggest("remove -extldflags from -ldflags"),
    }
    out.push(
        finding(
            "-extldflags \"-static\" is for an external linker, and with CGO_ENABLED=0 none is run: \
             the program is static anyway",
            flag,
        )
        .also(
            go.setting("CGO_ENABLED").map_or(&go.origin, |(key, _)| &key.origin),
            "no C, no external linker",
        )
        .fix(fix),
    );
}

/// Where `-extldflags "-static"` stands in a flag's text, one blank beside it included.
fn extldflags(flag: &str) -> Option<std::ops::Range<usize>> {
    let start = flag.find("-extldflags")?;
    let behind = start + "-extldflags".len();
    let rest = flag.get(behind..)?;
    let value = rest.strip_prefix(['=', ' '])?;
    let value_at = behind + 1;
    let end = match value.chars().next()? {
        quote @ ('"' | '\'') => value_at + 1 + value.get(1..)?.find(quote)? + 1,
        _ => value_at + value.find(' ').unwrap_or(value.len()),
    };
    if !flag.get(value_at..end)?.contains("-static") {
        return None;
    }
    if flag.get(..start)?.ends_with(' ') {
        return Some(start - 1..end);
    }
    Some(start..if flag.get(end..)?.starts_with(' ') { end + 1 } else { end })
}

/// The place in the file of a part of a flag's value, when the value stands there as it is.
fn inside(flag: &str, part: &std::ops::Range<usize>, words: &[Fact<String>]) -> Option<Origin> {
    let value = flag.strip_prefix("-ldflags=")?;
    let skipped = flag.len() - value.len();
    // What is left must be something: an empty flag is better taken out by hand.
    if value.trim().len() <= part.len() + 1 {
        return None;
    }
    // `-ldflags '...'` or `-ldflags='...'`.
    let word = words.iter().find(|word| word.value == value || word.value == flag)?;
    let span = word.origin.span()?;
    let length = span.range().len();
    let shift = if word.value == value { skipped } else { 0 };
    let (start, end) = (part.start.checked_sub(shift)?, part.end.checked_sub(shift)?);
    let at = if length == word.value.len() {
        span.start as usize
    } else if length == word.value.len() + 2 {
        // One pair of quotes: around the word, or behind the equals sign.
        span.start as usize + 1
    } else {
        return None;
    };
    Some(Origin::text(word.origin.source(), Span::new(at + start, at + end)))
}

/// Takes a flag out, with the blank before it where there is just one.
fn removal(
    name: &str,
    flag: &Fact<String>,
    value: Option<(&str, &str)>,
    words: &[Fact<String>],
) -> Fix {
    let fix = Fix::safe(format!("remove {name}"));
    let Some(span) = flag.origin.span() else { return fix };
    let start_of = |word: &Fact<String>| word.origin.span().map(|span| span.start);
    let Some(at) = words.iter().position(|word| start_of(word) == Some(span.start)) else {
        return Fix::suggest(format!("remove {name}"));
    };
    // The value may be a word of its own.
    let mut last = at;
    if let (Some((_, value)), Some(next)) = (value, words.get(at + 1))
        && !words[at].value.contains('=')
        && next.value == value
    {
        last = at + 1;
    }
    let (Some(from), Some(to)) = (words[at].origin.span(), words[last].origin.span()) else {
        return fix;
    };
    let before = at.checked_sub(1).and_then(|i| words.get(i)).and_then(|word| word.origin.span());
    let blank = before.is_some_and(|before| before.end + 1 == from.start);
    let start = if blank { from.start - 1 } else { from.start };
    let origin = Origin::text(flag.origin.source(), Span { start, end: to.end });
    fix.replace(&origin, "")
}

/// The last of several counts, unless they are for other packages.
fn twice(go: &GoBuild, out: &mut Findings) {
    let plain = |flag: &&Fact<String>| {
        flag.value.strip_prefix("-ldflags=").is_some_and(|value| {
            // `pattern=flags` is for the packages of the pattern.
            value.trim().is_empty() || value.trim().starts_with(['-', '$'])
        })
    };
    let all: Vec<&Fact<String>> = go.flags.iter().filter(plain).collect();
    if let [first, .., last] = all.as_slice() {
        out.push(
            finding(
                "-ldflags is given twice: go build takes the last, and this one is lost",
                first,
            )
            .also(&last.origin, "the one in force")
            .fix(Fix::suggest("write both into one -ldflags")),
        );
    }
}
