//! Package managers that ask, where nobody answers: a build has no terminal and no input, so that
//! they take the end of the input for a no and stop.

use std::collections::BTreeSet;

use super::{QUESTION, RULE};
use crate::facts::build::{Build, CopyStep};
use crate::facts::build_steps::RunCommand;
use crate::facts::{Basis, Fact, Origin};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::Findings;

/// A program, what it asks before, and what answers beforehand.
struct Asks {
    program: &'static str,
    before: &'static [&'static str],
    /// Long flags.
    flags: &'static [&'static str],
    /// The letter among short flags.
    letter: char,
    /// Whether it asks only when more is changed than was named.
    sometimes: bool,
}

const APT: &[&str] = &[
    "install",
    "reinstall",
    "upgrade",
    "dist-upgrade",
    "full-upgrade",
    "build-dep",
    "remove",
    "purge",
    "autoremove",
];
const DNF: &[&str] = &[
    "install",
    "in",
    "reinstall",
    "localinstall",
    "groupinstall",
    "update",
    "upgrade",
    "distro-sync",
    "remove",
    "erase",
    "autoremove",
];
const ZYPPER: &[&str] =
    &["install", "in", "update", "up", "dist-upgrade", "dup", "patch", "remove", "rm"];

const fn dnf(program: &'static str) -> Asks {
    Asks {
        program,
        before: DNF,
        flags: &["--assumeyes", "--assumeno"],
        letter: 'y',
        sometimes: false,
    }
}

const fn apt(program: &'static str) -> Asks {
    let flags = &[
        "--yes",
        "--assume-yes",
        "--force-yes",
        "--assume-no",
        "--trivial-only",
        "--simulate",
        "--just-print",
        "--dry-run",
        "--recon",
        "--no-act",
        "--print-uris",
    ];
    Asks { program, before: APT, flags, letter: 'y', sometimes: true }
}

/// apt-get(8), yum(8), dnf(8), tdnf(8), zypper(8). microdnf never asks.
const ASKS: &[Asks] = &[
    apt("apt-get"),
    apt("apt"),
    dnf("yum"),
    dnf("dnf"),
    dnf("tdnf"),
    Asks {
        program: "zypper",
        before: ZYPPER,
        flags: &["--non-interactive", "--no-confirm", "--dry-run"],
        letter: 'y',
        sometimes: false,
    },
];

/// What the programs read their settings from.
const FILES: &[&str] = &[
    "/etc/apt/apt.conf",
    "/etc/apt/apt.conf.d",
    "/etc/dnf/dnf.conf",
    "/etc/dnf/libdnf5.conf.d",
    "/etc/tdnf/tdnf.conf",
    "/etc/yum.conf",
    "/etc/yum/yum.conf",
    "/etc/zypp/zypper.conf",
    "/root/.zypper.conf",
];

/// Whether a COPY may bring such a file. What is in it, and in the folders that are copied, is not
/// looked into.
fn brings_settings(copy: &CopyStep) -> bool {
    let to = copy.destination.value.trim_end_matches('/');
    let is_below = |path: &str, folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    to.contains('$') || FILES.iter().any(|file| is_below(file, to) || is_below(to, file))
}

/// Settings that answer for all, wherever the file writes them.
const SETTINGS: &[&str] = &["assume-yes", "assumeyes"];

pub(super) fn check(build: &Build, reached: &[bool], out: &mut Findings) -> Result<(), ()> {
    let mut unread = false;
    // Without --target every stage may be one that somebody builds.
    let targeted = build.final_stage + 1 < build.stages.len();
    let settings: Vec<&CopyStep> = build.copies.iter().filter(|c| brings_settings(c)).collect();
    let start = |origin: &Origin| origin.span().map(|span| span.start);
    // Stages from whose packages something was taken away, so that others are no longer needed.
    let mut unneeded = BTreeSet::new();
    for run in &build.runs {
        if settings.iter().any(|copy| start(&copy.origin) < start(&run.origin)) {
            return Ok(());
        }
        // `<<< y`, `< answers` and here-documents answer, whichever command reads them.
        if run.text.as_ref().is_some_and(|text| text.as_str().contains('<')) {
            continue;
        }
        let answered = run.text.as_ref().map_or("", |text| text.as_str()).to_ascii_lowercase();
        if SETTINGS.iter().any(|setting| answered.contains(setting))
            && !answered.contains("--assume")
        {
            // What follows may be answered by what this RUN writes.
            return Ok(());
        }
        let is_reached = reached.get(run.stage).copied().unwrap_or(true);
        if !is_reached && targeted {
            continue;
        }
        let Ok(lists) = run.lists() else {
            unread = true;
            continue;
        };
        for list in &lists {
            let mut fed = false;
            for command in &list.commands {
                if takes_away(command) {
                    unneeded.insert(run.stage);
                }
                let asked = unneeded.contains(&run.stage) || !only_cleans(command);
                if !fed
                    && asked
                    && let Some(finding) = asks(command)
                {
                    out.push(if is_reached { finding } else { finding.level(Level::Note) });
                }
                fed = command.piped;
            }
        }
    }
    if unread { Err(()) } else { Ok(()) }
}

/// Verbs that take away the packages they name.
const REMOVES: &[&str] = &["remove", "purge", "erase", "build-dep", "auto", "rm"];

/// Whether packages are taken away by name, or marked as nobody's wish: what only they needed may go
/// then.
fn takes_away(command: &RunCommand) -> bool {
    let Some((program, arguments)) = command.program() else { return false };
    let mut words =
        arguments.iter().map(|word| word.value.as_str()).filter(|w| !w.starts_with('-'));
    let manages = program == "apt-mark" || ASKS.iter().any(|asks| asks.program == program);
    manages && words.next().is_some_and(|verb| REMOVES.contains(&verb)) && words.next().is_some()
}

/// Whether only what nobody needs any more would be removed, of which a base image has nothing:
/// `autoremove`, `purge --auto-remove`.
fn only_cleans(command: &RunCommand) -> bool {
    let Some((_, arguments)) = command.program() else { return false };
    let mut words =
        arguments.iter().map(|word| word.value.as_str()).filter(|w| !w.starts_with('-'));
    let verb = words.next();
    let automatic =
        |word: &Fact<String>| matches!(word.value.as_str(), "--auto-remove" | "--autoremove");
    (verb == Some("autoremove")
        || arguments.iter().any(automatic) && verb.is_some_and(|v| REMOVES.contains(&v)))
        && words.next().is_none()
}

fn asks(command: &RunCommand) -> Option<Finding> {
    let (program, arguments) = command.program()?;
    let asks = ASKS.iter().find(|asks| asks.program == program)?;
    // Flags in a variable may hold the answer, and so may what is read instead of the terminal.
    let unclear = |word: &Fact<String>| {
        word.basis == Basis::Derived && word.value.starts_with(['$', '"', '`'])
            || word.value.starts_with('<')
    };
    if arguments.iter().any(unclear) {
        return None;
    }
    let verb = RunCommand::verb(arguments, asks.before, &["group", "groups", "module"])?;
    let verb = arguments.get(verb)?;
    let answers = |word: &&Fact<String>| {
        let text = word.value.as_str();
        let long = text.split('=').next().unwrap_or_default();
        let short = text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        asks.flags.contains(&long)
            || long == "--help"
            || short.is_some_and(|letters| {
                letters.contains(asks.letter)
                    || (program == "zypper" && letters.contains('n'))
                    || (asks.sometimes && (letters.contains("qq") || letters == "q=2"))
                    || (asks.sometimes && letters.contains('s'))
            })
    };
    // Quiet twice is quiet about questions, too.
    let quiet = |word: &&Fact<String>| matches!(word.value.as_str(), "-q" | "--quiet");
    let is_quiet = asks.sometimes && arguments.iter().filter(quiet).count() > 1;
    if is_quiet || arguments.iter().any(|word| answers(&word)) {
        return None;
    }
    let when = if asks.sometimes {
        ", as soon as it would install or remove more than was named"
    } else {
        ""
    };
    let flag = if program == "zypper" { "--non-interactive in front of it" } else { "-y" };
    Some(
        Finding::new(
            &RULE,
            format!(
                "{program} {} asks whether to go on{when}: a build has nobody to answer, and it stops",
                verb.value
            ),
            &verb.origin,
            "waits for a yes",
        )
        .variant(&QUESTION)
        .fix(Fix::suggest(format!("write {flag}"))),
    )
}
