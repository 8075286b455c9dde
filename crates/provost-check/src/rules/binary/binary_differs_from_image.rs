//! A binary that is not the one in the image.

use crate::case::ProgramCase;
use crate::case::binding::program_name;
use crate::facts::binary::Binary;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const BUILDER: Variant = Variant::new(
    "builder-version-mismatch",
    Level::Warn,
    "built by another Go than that of the Dockerfile's builder",
);

/// What was judged is not what will run.
pub static RULE: Rule = Rule {
    id: "binary-differs-from-image",
    group: Group::Binary,
    level: Level::Deny,
    title: "the binary that was given is not the one in the image",
    page: include_str!("binary-differs-from-image.md"),
    needs: &[Need::Image],
    variants: &[BUILDER],
    check: Check::Program(check),
    also: &[Check::Program(builder)],
    ..Rule::BASE
};

fn check(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let given = case.binary;
    let world = case.world();
    // What walking found may be left over from yesterday; nobody said that it is this one.
    let named = world.sources.get(given.source).named;
    if given.in_image.is_some() || given.built_here || !named {
        return Err(Abstain::NotApplicable);
    }
    if world.images.is_empty() {
        return Err(Abstain::unknown(Reason::NoImage, "the program in the image"));
    }
    // What the image of its container runs is compared with it whatever it is.
    let run = case.joined.bindings.run_instead(case.index).and_then(|run| world.binaries.get(run));
    let in_images = world.binaries.iter().filter(|b| b.in_image.is_some());
    let mut same: Vec<&Binary> = in_images.filter(|b| is_same_program(given, b)).collect();
    let other = same.is_empty() && run.is_some();
    same.extend(run.filter(|_| other));
    let Some(inside) = same.first() else {
        return Err(Abstain::unknown(
            Reason::NoImage,
            format!("the image that runs {}", given.path),
        ));
    };
    // Several images of one program, for several platforms: any of them may be meant.
    if same.iter().any(|b| b.sha256 == given.sha256) {
        return Ok(());
    }
    let (Some(ours), Some(theirs)) = (&given.sha256, &inside.sha256) else {
        return Err(Abstain::unknown(Reason::LimitReached, "the digests of both programs"));
    };
    let same_build = given.build_id.is_some() && given.build_id == inside.build_id;
    let name = |binary: &Binary| program_name(binary).to_owned();
    let message = if other {
        format!(
            "the image that the container runs starts {}, and the binary that was given is {}: what \
             is judged of it does not run",
            name(inside),
            name(given)
        )
    } else if same_build {
        "the binary that was given and the one in the image come from one build, and one of them \
         was changed after it (strip, objcopy, upx)"
            .to_owned()
    } else {
        let differ = |what: &str, a: Option<String>, b: Option<String>| match (a, b) {
            (Some(a), Some(b)) if a != b => Some(format!("{what}{a} and {b}")),
            _ => None,
        };
        let how = [
            differ("", go(given), go(inside)),
            differ("revision ", revision(given), revision(inside)),
        ];
        let how: Vec<String> = how.into_iter().flatten().collect();
        let how = if how.is_empty() { String::new() } else { format!(" ({})", how.join(", ")) };
        format!(
            "the binary that was given is not the one in the image{how}: what is judged of it does \
             not run"
        )
    };
    let mut finding = Finding::new(&RULE, message, &given.origin(), format!("is sha256:{ours}"))
        .also(&inside.origin(), format!("is sha256:{theirs}"))
        .fix(Fix::suggest(
            "leave --binary out: the program in the image is judged; or build the image again",
        ));
    if same_build && !other {
        finding = finding.level(Level::Warn);
    }
    out.push(finding);
    Ok(())
}

/// What the Dockerfile makes is by another Go, or it is not what the Dockerfile made.
fn builder(case: &ProgramCase<'_>, out: &mut Findings) -> Judged {
    let Some(other) = case.other_builder()? else { return Ok(()) };
    let program = case.program()?;
    let (built, tag) = (&program.version.value, &other.tag.value);
    let builds = format!("Go 1.{}", tag.minor);
    let (message, fix) = match other.fetched {
        Some(line) => (
            format!(
                "the program was built by {built}, and the Dockerfile's builder is {builds}: \
                 {} asks for it, and each build fetches it",
                line.value
            ),
            format!("build with golang:1.{}", built.minor),
        ),
        None => (
            format!(
                "the program was built by {built}, and the Dockerfile builds with {builds}: it is \
                 not what this Dockerfile makes"
            ),
            "give the program of the image (--image), or the Dockerfile that built this one"
                .to_owned(),
        ),
    };
    let mut finding =
        Finding::new(&RULE, message, &other.tag.origin, format!("builds with {builds}"))
            .variant(&RULE.variants[0])
            .also(&program.version.origin, format!("built by {built}"))
            .also(&other.go.origin, "the build");
    if let Some(line) = other.fetched {
        finding = finding.level(Level::Note).also(&line.origin, "asks for another Go");
    }
    out.push(finding.fix(Fix::suggest(fix)));
    Ok(())
}

/// The same main package, or the same file name where one of them does not tell.
fn is_same_program(a: &Binary, b: &Binary) -> bool {
    let package = |binary: &Binary| binary.go.as_ref().is_some_and(|go| go.main_package.is_some());
    let file =
        |binary: &Binary| binary.path.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    if package(a) && package(b) { program_name(a) == program_name(b) } else { file(a) == file(b) }
}

fn go(binary: &Binary) -> Option<String> {
    binary.go.as_ref().map(|go| go.version.value.to_string())
}

fn revision(binary: &Binary) -> Option<String> {
    let revision = &binary.go.as_ref()?.setting("vcs.revision")?.value;
    Some(revision.get(..12).unwrap_or(revision).to_owned())
}
