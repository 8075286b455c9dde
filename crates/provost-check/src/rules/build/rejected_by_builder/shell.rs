//! A RUN in a stage whose image is known to have nothing that could run it.

use super::{NO_SHELL, RULE};
use crate::facts::build::{Build, CommandForm, RunStep};
use crate::facts::build_files::Presence;
use crate::facts::{Basis, Fact};
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::Findings;

/// Images without a shell in every tag; those of other languages have one in some.
const BARE: &[&str] = &[
    "scratch",
    "distroless/static",
    "distroless/base-nossl",
    "distroless/base",
    "distroless/cc",
    "chainguard/static",
];

/// Where the shell may be: `/bin` is a link to `/usr/bin` in newer Debian.
const SHELL: &[&str] = &["/bin/sh", "/usr/bin/sh"];

/// RUNs of one file that are looked at; each is compared with every COPY.
const MOST: usize = 256;

pub(super) fn check(build: &Build, reached: &[bool], out: &mut Findings) {
    // Another image may stand in for a stage.
    if build.named_contexts {
        return;
    }
    let targeted = build.final_stage + 1 < build.stages.len();
    // The build stops at the first one, and what comes behind it is nothing's business.
    let mut stopped = vec![false; build.stages.len()];
    for run in build.runs.iter().take(MOST) {
        let is_reached = reached.get(run.stage).copied().unwrap_or(true);
        let chain = build.chain_of(run.stage);
        let before = chain.iter().any(|stage| stopped.get(*stage).copied().unwrap_or(true));
        if before || (!is_reached && targeted) {
            continue;
        }
        let Some((finding, is_fixed)) = judge(build, run, &chain) else { continue };
        if let Some(stopped) = stopped.get_mut(run.stage) {
            *stopped = true;
        }
        // A stage that the image does not need is not built, and an ARG may name another base.
        let certain = is_reached && is_fixed;
        out.push(if certain { finding } else { finding.level(Level::Warn) });
    }
}

/// What is wrong, and whether the base is fixed.
fn judge(build: &Build, run: &RunStep, chain: &[usize]) -> Option<(Finding, bool)> {
    let stage = build.stages.get(run.stage)?;
    let base = stage.base_image.filter(|base| base.shell.is_none() && BARE.contains(&base.name))?;
    let root = build.root_of(run.stage)?;
    let of_chain = |at: &Option<usize>| at.is_some_and(|stage| chain.contains(&stage));
    let other_shell = build.instructions.iter().any(|it| it.name == "SHELL" && of_chain(&it.stage));
    // What an exec form ran before may have written anything.
    let start = |run: &RunStep| run.origin.span().map(|span| span.start);
    let ran_before = build.runs.iter().any(|other| {
        chain.contains(&other.stage)
            && start(other) < start(run)
            && matches!(other.command, CommandForm::Exec(_))
    });
    // A mount may bring the program along.
    let mounts = run.mounts().any(|mount| {
        !mount.iter().any(|(key, value)| {
            *key == "type" && matches!(*value, "cache" | "secret" | "ssh" | "tmpfs")
        })
    });
    if ran_before || mounts {
        return None;
    }
    let word: Fact<String>;
    let (program, candidates): (&Fact<String>, Vec<String>) = match &run.command {
        CommandForm::Shell(text) => {
            // The first line of a here-document may name another program.
            if other_shell || (run.heredoc && text.value.trim_start().starts_with("#!")) {
                return None;
            }
            word = Fact { value: "/bin/sh".to_owned(), ..text.clone() };
            (&word, SHELL.iter().map(|path| (*path).to_owned()).collect())
        }
        CommandForm::Exec(words) => {
            let program = words.first()?;
            if program.basis == Basis::Derived || program.value.is_empty() {
                return None;
            }
            // Where a relative one is depends on the WORKDIR by then, a bare one on PATH.
            let bare = !program.value.contains('/');
            let named = program.value.starts_with('/') || bare;
            if !named || (bare && base.tools.contains(&program.value.as_str())) {
                return None;
            }
            let mut paths: Vec<String> =
                stage.config.resolve(program).into_iter().map(|path| path.value).collect();
            if let Some(name) = program.value.strip_prefix("/bin/") {
                paths.push(format!("/usr/bin/{name}"));
            }
            (program, paths)
        }
    };
    let held = |path: &String| build.held_before_run(run.stage, path) != Presence::Impossible;
    if candidates.is_empty() || candidates.iter().any(held) {
        return None;
    }
    let is_shell = matches!(program.value.as_str(), "/bin/sh" | "sh");
    let what = match is_shell {
        true => format!("RUN needs /bin/sh, which {} has not", base.name),
        false => format!("{} has no {}", base.name, program.value),
    };
    let finding = Finding::new(
        &RULE,
        format!("{what}: the build stops (`no such file or directory`)"),
        &program.origin,
        if is_shell { "nothing there to run it" } else { "no such program" },
    )
    .variant(&NO_SHELL)
    .also(&root.base.origin, if is_shell { "has no shell" } else { "holds what COPY brings" })
    .fix(Fix::suggest("run it in an earlier stage, and copy what it makes"));
    Some((finding, root.base.basis != Basis::Derived))
}
