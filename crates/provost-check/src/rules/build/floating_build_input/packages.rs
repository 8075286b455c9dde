//! Packages of the system and of languages: lists that are older than the build, versions of the day.

use super::{LISTS, PACKAGE, RULE};
use crate::facts::build::Build;
use crate::facts::build_steps::{RunCommand, Unread};
use crate::facts::{Basis, Fact, Origin};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::Findings;

/// Lists of packages in a layer.
#[derive(Clone)]
struct Fetched {
    at: Origin,
    /// The RUN fetches them and installs nothing.
    alone: bool,
}

/// Lists that one RUN fetched and another one uses: the first is taken from the build cache for as
/// long as its text is the same, and the packages it lists are gone from the servers by then.
pub(super) fn lists(
    build: &Build,
    commands: &[Result<Vec<RunCommand>, Unread>],
    out: &mut Findings,
) {
    // yum, dnf and zypper fetch theirs anew when they are old.
    let managers = [
        ("apt-get", "/var/lib/apt"),
        ("apk", "/var/cache/apk"),
        ("pacman", "/var/lib/pacman/sync"),
    ];
    for (manager, folder) in managers {
        // Where each stage has its lists from, its own or those of the stage it is built on.
        let mut of_stage: Vec<Option<Fetched>> = Vec::with_capacity(build.stages.len());
        let mut runs = build.runs.iter().zip(commands).peekable();
        for (index, stage) in build.stages.iter().enumerate() {
            let mut fetched = stage.parent.and_then(|parent| of_stage.get(parent).cloned()?);
            while let Some((run, commands)) = runs.next_if(|(run, _)| run.stage <= index) {
                let Ok(commands) = commands else {
                    // What cannot be read may fetch them, too.
                    fetched = None;
                    continue;
                };
                if run.caches(folder) || run.caches("/etc/apk/cache") {
                    continue;
                }
                let updates = commands.iter().find_map(|command| update(command, manager));
                if let Some(at) = updates {
                    let alone = !commands.iter().any(|command| install(command, manager).is_some());
                    fetched = Some(Fetched { at: at.origin.clone(), alone });
                    continue;
                }
                let installs = commands.iter().find_map(|command| install(command, manager));
                if let (Some(at), Some(from)) = (installs, &fetched) {
                    out.push(stale(manager, at, from));
                }
            }
            of_stage.push(fetched);
        }
    }
}

fn stale(manager: &str, at: &Fact<String>, from: &Fetched) -> Finding {
    let verb = at.value.as_str();
    let both = match manager {
        "pacman" => "pacman -Syu ...".to_owned(),
        _ => format!("{manager} update && {manager} {verb} ..."),
    };
    let finding = Finding::new(
        &RULE,
        format!(
            "{manager} {verb} goes by lists that another RUN fetched, which the build cache keeps: \
             the servers no longer have all that they list"
        ),
        &at.origin,
        "by lists of another day",
    )
    .variant(&LISTS)
    .also(&from.at, "fetched once, and cached")
    .fix(Fix::suggest(format!("fetch and install in one RUN: {both}")));
    // With packages beside them the lists are fetched anew whenever those change.
    if from.alone { finding } else { finding.level(Level::Note) }
}

/// The arguments when a command is that package manager; `apt` is `apt-get` for people.
fn arguments<'c>(command: &'c RunCommand, manager: &str) -> Option<&'c [Fact<String>]> {
    let (program, arguments) = command.program()?;
    let is_it = program == manager || (program == "apt" && manager == "apt-get");
    is_it.then_some(arguments)
}

fn update<'c>(command: &'c RunCommand, manager: &str) -> Option<&'c Fact<String>> {
    let arguments = arguments(command, manager)?;
    match manager {
        "pacman" => arguments.iter().find(|word| syncs(&word.value) == Some(true)),
        _ => arguments.iter().find(|word| word.value == "update"),
    }
}

/// Whether an option of pacman's is for packages of the servers (`-S`), and fetches their lists (`-Sy`).
fn syncs(word: &str) -> Option<bool> {
    let letters = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'))?;
    letters.contains('S').then(|| letters.contains('y'))
}

/// An install that goes by the lists: not one of files, nor one that fetches them itself.
fn install<'c>(command: &'c RunCommand, manager: &str) -> Option<&'c Fact<String>> {
    let arguments = arguments(command, manager)?;
    let at = arguments.iter().position(|w| match manager {
        // `-Sc` cleans, `-Ss` and `-Si` look.
        "pacman" => {
            syncs(&w.value).is_some_and(|fetches| !fetches) && !w.value.contains(['c', 's', 'i'])
        }
        _ => matches!(w.value.as_str(), "install" | "add"),
    })?;
    let itself = ["--no-cache", "-U", "--update-cache", "--update"];
    let by_lists = |word: &Fact<String>| !word.value.starts_with(['-', '.', '/']);
    let fetches = arguments.iter().any(|word| itself.contains(&word.value.as_str()));
    let (verb, packages) = arguments.get(at..)?.split_first()?;
    (!fetches && packages.iter().any(by_lists)).then_some(verb)
}

/// How a package manager writes a version behind a name.
struct Installs {
    program: &'static str,
    verbs: &'static [&'static str],
    /// What stands in front of a version.
    marks: &'static [&'static str],
    /// Flags whose value is the next word.
    with_value: &'static [&'static str],
}

const INSTALLS: &[Installs] = &[
    Installs {
        program: "apt-get",
        verbs: &["install"],
        marks: &["="],
        with_value: &["-t", "--target-release", "-o", "-c"],
    },
    Installs {
        program: "apt",
        verbs: &["install"],
        marks: &["="],
        with_value: &["-t", "--target-release", "-o", "-c"],
    },
    Installs {
        program: "apk",
        verbs: &["add"],
        marks: &["=", "<", ">", "~"],
        with_value: &["-t", "--virtual", "-X", "--repository", "-p", "--root", "--keys-dir"],
    },
    Installs { program: "yum", verbs: &["install"], marks: RPM, with_value: &["-c"] },
    Installs { program: "dnf", verbs: &["install"], marks: RPM, with_value: &["-c"] },
    Installs { program: "microdnf", verbs: &["install"], marks: RPM, with_value: &["-c"] },
    Installs { program: "tdnf", verbs: &["install"], marks: RPM, with_value: &["-c"] },
    Installs {
        program: "zypper",
        verbs: &["install", "in"],
        marks: &["=", "<", ">"],
        with_value: &["-r", "--repo", "-t", "--type"],
    },
    Installs { program: "pip", verbs: &["install"], marks: VERSIONS, with_value: PIP },
    Installs { program: "pip2", verbs: &["install"], marks: VERSIONS, with_value: PIP },
    Installs { program: "pip3", verbs: &["install"], marks: VERSIONS, with_value: PIP },
    Installs {
        program: "npm",
        verbs: &["install", "i", "add"],
        marks: &["@"],
        with_value: &["--prefix", "--registry", "--cache", "--loglevel", "--userconfig", "--tag"],
    },
    Installs {
        program: "gem",
        verbs: &["install", "i"],
        marks: &[":"],
        with_value: &["-v", "--version", "-i", "--source", "-s", "-n", "--bindir"],
    },
];

/// A version, or the stream of a module (`nodejs:20`).
const RPM: &[&str] = &["-", ":"];
/// PEP 440.
const VERSIONS: &[&str] = &["==", "<", ">", "~=", "@"];

const PIP: &[&str] = &[
    "-r",
    "--requirement",
    "-c",
    "--constraint",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-t",
    "--target",
    "-f",
    "--find-links",
    "--trusted-host",
    "--prefix",
    "--root",
    "--build",
    "--src",
];

/// Packages in whatever version the servers have on the day.
pub(super) fn unpinned(commands: &[RunCommand], out: &mut Findings) {
    for command in commands {
        let Some((program, arguments)) = command.package_manager() else { continue };
        let Some(known) = INSTALLS.iter().find(|known| known.program == program) else { continue };
        let Some(verb) = RunCommand::verb(arguments, known.verbs, &["module"]) else { continue };
        // What follows `--` is for the build of an extension in C.
        let own = |word: &&Fact<String>| program != "gem" || word.value != "--";
        let mut words = arguments.iter().skip(verb + 1).take_while(own);
        // What a file of requirements or a version for all says.
        let said = ["-r", "--requirement", "-v", "--version", "-c", "--constraint"];
        let said_by = |word: &Fact<String>| {
            said.contains(&word.value.as_str())
                || ["--requirement=", "--version=", "--constraint="]
                    .iter()
                    .any(|flag| word.value.starts_with(flag))
        };
        if matches!(program, "pip" | "pip2" | "pip3" | "gem") && arguments.iter().any(said_by) {
            continue;
        }
        let mut first: Option<&Fact<String>> = None;
        let mut more = 0usize;
        while let Some(word) = words.next() {
            let text = word.value.as_str();
            if known.with_value.contains(&text) {
                words.next();
                continue;
            }
            let scoped =
                program == "npm" && text.starts_with('@') && text.matches('/').count() == 1;
            if is_git_branch(program, text) {
                first.get_or_insert(word);
                continue;
            }
            let is_name = !text.starts_with(['-', '>', '<', '.', '/', '&', '~'])
                && (scoped || !text.contains(['/', '*']))
                && !text.contains("://")
                && !has_extension(text)
                && word.basis != Basis::Derived;
            if !is_name || is_pinned(text, known.marks) {
                continue;
            }
            match first {
                None => first = Some(word),
                Some(_) => more += 1,
            }
        }
        let Some(word) = first else { continue };
        let others = match more {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let finding = Finding::new(
            &RULE,
            format!(
                "{program} installs {}{others} in whatever version the servers have on the day",
                word.value
            ),
            &word.origin,
            "no version",
        )
        .variant(&PACKAGE);
        out.push(finding.fix(Fix::suggest(
            "name the version, and have Renovate or the like keep it fresh; distributions drop old \
             versions, so that a build may then stop instead",
        )));
    }
}

/// A repository without a commit or tag: `git+https://host/x.git`; for pip `@` names it, for npm `#`.
fn is_git_branch(program: &str, text: &str) -> bool {
    let git = text.starts_with("git+") || text.starts_with("git://");
    let (path, fragment) = text.split_once('#').unwrap_or((text, ""));
    git && match program {
        "npm" => fragment.is_empty(),
        "pip" | "pip2" | "pip3" => !path.rsplit('/').next().unwrap_or_default().contains('@'),
        _ => false,
    }
}

fn has_extension(text: &str) -> bool {
    [".deb", ".rpm", ".apk", ".whl", ".tgz", ".tar", ".tar.gz", ".zip", ".gem"]
        .iter()
        .any(|end| text.ends_with(end))
}

/// Whether a word says a version. For RPM that is a `-` with a digit behind it.
fn is_pinned(text: &str, marks: &[&str]) -> bool {
    marks.iter().any(|mark| match *mark {
        "-" => text
            .split('-')
            .skip(1)
            .any(|part| part.bytes().next().is_some_and(|b| b.is_ascii_digit())),
        // A scope is in front: `@acme/shop@1.4`.
        "@" => text.get(1..).is_some_and(|rest| rest.contains('@')),
        mark => text.contains(mark),
    })
}
