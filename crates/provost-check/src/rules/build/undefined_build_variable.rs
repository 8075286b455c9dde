//! A variable that nothing sets.

use rustc_hash::FxHashMap;

use crate::case::BuildCase;
use crate::facts::build::{Build, GoBuild};
use crate::facts::build_steps::{PLATFORM_ARGS, UndefinedRead};
use crate::facts::{Fact, Origin, Span};
use crate::findings::{Finding, Fix, Level};
use crate::model::names::nearest;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// It expands to nothing, and the build goes on.
pub static RULE: Rule = Rule {
    id: "undefined-build-variable",
    group: Group::Build,
    level: Level::Warn,
    title: "a variable of a Dockerfile that nothing sets",
    page: include_str!("undefined-build-variable.md"),
    needs: &[Need::Dockerfile],
    check: Check::Build(check),
    ..Rule::BASE
};

/// Images of the table whose environment is known to the last variable.
const KNOWN_ENVIRONMENTS: &[&str] = &[
    "alpine",
    "busybox",
    "debian",
    "distroless/base",
    "distroless/static",
    "golang",
    "golang (alpine)",
    "scratch",
    "ubuntu",
];

/// Why a variable is certain to be empty.
enum Why<'b> {
    /// ARG before the first FROM, and none in the stage.
    BeforeFrom(&'b Fact<String>),
    /// Set by the builder for those who ask by ARG.
    Builders,
    /// ARG or ENV stands below.
    Below(&'b Fact<String>),
    /// Nearly the name of one that is set.
    Misspelt(&'b Fact<String>),
    /// The builder's own, misspelt.
    MisspeltBuilders(&'static str),
    /// Neither the file nor the base image sets it.
    Unset,
}

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    let build = case.build;
    if build.undefined.is_empty() {
        return Ok(());
    }
    let names = Names::of(build);
    let reached = build.reached();
    let mut by_name: FxHashMap<(&str, usize), usize> = FxHashMap::default();
    for read in build.undefined.iter().filter(|read| reached.get(read.stage) == Some(&true)) {
        // Once for each name and stage, with the next places it is read at.
        if let Some(index) = by_name.get(&(read.name.value.as_str(), read.stage)) {
            if let Some(first) = out.found.get_mut(*index)
                && first.evidence.len() < 4
            {
                *first = first.clone().also(&read.name.origin, "and here");
            }
            continue;
        }
        if let Some(why) = names.why(build, read) {
            by_name.insert((read.name.value.as_str(), read.stage), out.found.len());
            out.push(finding(build, read, &why));
        }
    }
    Ok(())
}

/// What a file declares.
struct Names<'b> {
    /// ARG before the first FROM.
    global: FxHashMap<&'b str, &'b Fact<String>>,
    /// By stage: ARG and ENV.
    of_stage: FxHashMap<(usize, &'b str), &'b Fact<String>>,
    /// The same, in order.
    listed: Vec<(usize, &'b Fact<String>)>,
}

impl<'b> Names<'b> {
    fn of(build: &'b Build) -> Self {
        let start = |origin: &Origin| origin.span().map_or(0, |span| span.start);
        let froms: Vec<u32> = build.stages.iter().map(|stage| start(&stage.origin)).collect();
        let mut names = Self {
            global: FxHashMap::default(),
            of_stage: FxHashMap::default(),
            listed: Vec::new(),
        };
        for (name, _) in &build.args {
            match froms.partition_point(|from| *from <= start(&name.origin)).checked_sub(1) {
                Some(stage) => names.listed.push((stage, name)),
                None => {
                    names.global.insert(name.value.as_str(), name);
                }
            }
        }
        names.listed.extend(build.envs.iter().map(|(name, _, stage)| (*stage, name)));
        for (stage, name) in &names.listed {
            names.of_stage.insert((*stage, name.value.as_str()), name);
        }
        names
    }

    fn why(&self, build: &Build, read: &UndefinedRead) -> Option<Why<'b>> {
        let name = read.name.value.as_str();
        if let Some(arg) = self.global.get(name).copied() {
            return Some(Why::BeforeFrom(arg));
        }
        if PLATFORM_ARGS.contains(&name) {
            return Some(Why::Builders);
        }
        if let Some(below) = self.of_stage.get(&(read.stage, name)).copied() {
            return Some(Why::Below(below));
        }
        // Names of two or three letters are all near each other.
        if name.len() >= 4 {
            let chain = build.chain_of(read.stage);
            let here = self.listed.iter().filter(|(stage, _)| chain.contains(stage));
            let mut declared: Vec<&'b Fact<String>> =
                here.map(|(_, name)| *name).take(256).collect();
            declared.sort_by(|a, b| a.value.cmp(&b.value));
            let near = nearest(name, declared.iter().map(|fact| fact.value.as_str()), 2);
            let near =
                near.and_then(|near| declared.iter().copied().find(|fact| fact.value == near));
            // `APP_GID` is no slip of `APP_UID`: what the base sets has a name of its own.
            if let Some(near) = near.filter(|near| is_slip(name, near)) {
                return Some(Why::Misspelt(near));
            }
            let builders = nearest(name, PLATFORM_ARGS.iter().copied(), 2);
            let builders =
                builders.and_then(|near| PLATFORM_ARGS.iter().copied().find(|arg| *arg == near));
            if let Some(arg) = builders.filter(|_| name.len() >= 8) {
                return Some(Why::MisspeltBuilders(arg));
            }
        }
        let base = build.stages.get(read.stage)?.base_image?;
        let known = KNOWN_ENVIRONMENTS.contains(&base.name)
            // The versions of Go and of what brings it.
            && !(base.go_toolchain && name.starts_with("GO"));
        // A lower-case name is one of a shell's own variables more often than not.
        let environment = !name.bytes().any(|b| b.is_ascii_lowercase());
        (known && (environment || !read.by_shell)).then_some(Why::Unset)
    }
}

/// One letter too many or too few, two letters in the wrong order, or two letters of a long word.
fn is_slip(name: &str, other: &str) -> bool {
    let (a, b): (Vec<u8>, Vec<u8>) = (name.bytes().collect(), other.bytes().collect());
    let mut sorted = (a.clone(), b.clone());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).collect::<Vec<_>>();
    // `KEY1` and `KEY2` are two things.
    if digits(name) != digits(other) {
        return false;
    }
    let plural = name.trim_end_matches('S') == other.trim_end_matches('S');
    !plural && (sorted.0 == sorted.1 || a.len() != b.len() || a.len() >= 10)
}

fn finding(build: &Build, read: &UndefinedRead, why: &Why<'_>) -> Finding {
    let name = &read.name.value;
    let message = match why {
        Why::BeforeFrom(_) => {
            format!("${name} is empty here: an ARG before the first FROM is not seen by a stage")
        }
        Why::Builders => {
            format!("${name} is empty here: the builder sets it where an ARG asks for it")
        }
        Why::Below(_) => format!("${name} is empty here: it is set further down"),
        Why::Misspelt(_) | Why::MisspeltBuilders(_) | Why::Unset => {
            format!("nothing sets ${name}: it is empty")
        }
    };
    let effect = effect(build, read);
    let label = effect.unwrap_or("expands to nothing");
    let mut finding = Finding::new(&RULE, message, &read.name.origin, label);
    match why {
        Why::BeforeFrom(arg) => finding = finding.also(&arg.origin, "for FROM lines only"),
        Why::Below(below) => finding = finding.also(&below.origin, "set only here"),
        Why::Misspelt(near) => finding = finding.also(&near.origin, "nearly the same name"),
        Why::Builders | Why::MisspeltBuilders(_) | Why::Unset => {}
    }
    let above = read.instruction.span().map(|span| {
        Origin::text(read.instruction.source(), Span { start: span.start, end: span.start })
    });
    let declare = |arg: &str| {
        let fix = Fix::suggest(format!("write ARG {arg} above, in the same stage"));
        match &above {
            Some(above) => fix.replace(above, format!("ARG {arg}\n")),
            None => fix,
        }
    };
    let rename = |near: &str| {
        Fix::suggest(format!("did you mean ${near}?")).replace(&read.name.origin, near)
    };
    finding.fix(match why {
        Why::BeforeFrom(_) | Why::Builders => declare(name),
        Why::Below(_) => Fix::suggest("move the line that sets it above this one"),
        Why::Misspelt(near) => rename(near),
        Why::MisspeltBuilders(near) => rename(near),
        Why::Unset => Fix::suggest(format!("write ARG {name} or ENV {name}=... above")),
    })
}

/// What comes of it, where a build of Go reads it.
fn effect(build: &Build, read: &UndefinedRead) -> Option<&'static str> {
    let at = read.name.origin.span()?;
    let inside = |origin: &Origin| origin.span().is_some_and(|span| span.contains(at));
    let go: &GoBuild = build.go_builds.iter().take(256).find(|go| {
        go.stage == read.stage
            && (inside(&go.origin) || go.env.iter().any(|(_, value)| inside(&value.origin)))
    })?;
    let by_env = go.env.iter().find(|(_, value)| inside(&value.origin));
    if let Some((name, _)) = by_env {
        return match name.value.as_str() {
            "GOARCH" => Some("builds for the builder's own architecture"),
            "GOOS" => Some("builds for the builder's own system"),
            _ => None,
        };
    }
    let flag = go.flags.iter().find(|flag| inside(&flag.origin))?;
    (flag.value.starts_with("-ldflags") && flag.value.contains("-X"))
        .then_some("the program is built without it")
}
