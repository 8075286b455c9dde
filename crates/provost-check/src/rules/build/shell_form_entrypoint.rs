//! A shell between the container runtime and the program.

use crate::case::image::{ImageCase, ImageView};
use crate::case::{BuildCase, Case, tools};
use crate::facts::binary::Binary;
use crate::facts::build::{CommandForm, Instruction};
use crate::facts::{Fact, symbols};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::shell::{First, Script};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const MISSING: Variant = Variant::new(
    "missing-shell",
    Level::Deny,
    "a command in shell form in an image without a shell",
);

const SHELL_FORM: Variant = Variant::new(
    "shell-form",
    Level::Note,
    "a command in shell form whose shell gives way to the program, or may",
)
.off()
.strict(Level::Note);

/// SIGTERM reaches the shell, which does not pass it on.
pub static RULE: Rule = Rule {
    id: "shell-form-entrypoint",
    group: Group::Build,
    level: Level::Warn,
    title: "a shell stays process 1 and keeps SIGTERM from the program",
    page: include_str!("shell-form-entrypoint.md"),
    needs: &[Need::Dockerfile],
    variants: &[MISSING, SHELL_FORM],
    check: Check::Build(check),
    also: &[Check::Image(image)],
    ..Rule::BASE
};

fn check(case: &BuildCase<'_>, out: &mut Findings) -> Judged {
    judge(case.image(), &case.cases().collect::<Vec<_>>(), case.binary(), out)
}

/// What the built image is configured to do, unless the Dockerfile of its containers tells the same.
fn image(case: &ImageCase<'_>, out: &mut Findings) -> Judged {
    let cases: Vec<Case<'_>> = case.cases().collect();
    let builds = cases.iter().filter_map(|case| case.build().ok());
    let told = builds.filter_map(|build| ImageView::new(None, Some(build))).any(|view| {
        let mut said = Findings::default();
        judge(view, &[], None, &mut said).is_ok() && said.abstained.is_empty()
    });
    if told {
        return Err(Abstain::NotApplicable);
    }
    judge(case.view(), &cases, case.binary(), out)
}

fn judge(
    view: ImageView<'_>,
    cases: &[Case<'_>],
    binary: Option<&Binary>,
    out: &mut Findings,
) -> Judged {
    let config = view.config();
    let command =
        config.entrypoint.as_ref().or(config.cmd.as_ref()).ok_or(Abstain::NotApplicable)?;
    // What the base image brings is not this file's.
    if command.inherited {
        return Err(Abstain::NotApplicable);
    }
    let Some((text, implicit)) = shell_text(command) else { return Ok(()) };
    // `['/app']` was meant as a list: `malformed-exec-form` says so.
    let almost = view.build().map_or(&[][..], |build| &build.almost_json);
    if almost.iter().any(|almost| almost.text.origin == text.origin) {
        return Err(Abstain::NotApplicable);
    }
    let base = view.origin();
    // Another SHELL runs it; what it does is not known.
    if implicit
        && config.shell.as_ref().is_some_and(|s| s.first().is_none_or(|s| s.value != "/bin/sh"))
    {
        return Err(Abstain::NotApplicable);
    }
    let script = Script::parse(&text.value);
    // Where a manifest sets `command` this one is never run.
    let replaced = |c: &&Case<'_>| c.container.command.as_ref().is_some_and(|c| !c.is_empty());
    let run_by = cases.iter().find(|c| !replaced(c));
    if let Some(name) = without_shell(view)? {
        let mut finding = Finding::new(
            &RULE,
            format!(
                "the command needs /bin/sh, which {name} does not have: the container cannot start"
            ),
            &command.origin,
            if implicit { "shell form" } else { "runs a shell" },
        )
        .variant(&MISSING)
        .also(&base, "has no shell");
        if let Some(container) = run_by {
            finding = finding.also(container.container_origin(), "runs the image's command");
        }
        out.push(finding.fix(exec_form(&script, text, implicit)));
        return Ok(());
    }
    let kind = tools::shell_kind(view);
    match script.first_process(kind) {
        First::Replaced(_) => {
            if implicit {
                let what =
                    "the command is in shell form: a shell starts it, and gives way to it here";
                out.push(shell_form(what, command, exec_form(&script, text, implicit)));
            }
            Ok(())
        }
        First::Unknown => {
            if implicit {
                let what =
                    "the command is in shell form: whether the shell gives way to it is not known";
                out.push(shell_form(what, command, exec_form(&script, text, implicit)));
            }
            let what = "whether the shell gives way to the program";
            Err(Abstain::unknown(Reason::BaseImageUnknown, what))
        }
        First::ShellStays => {
            let handles = binary
                .and_then(|b| b.go.as_ref())
                .and_then(|go| go.links(symbols::SIGNAL_NOTIFY).ok().flatten());
            let grace = run_by.map(|c| &c.pod().grace_period);
            let seconds = grace.map_or("10 s (Docker) or 30 s (Kubernetes)".to_owned(), |g| {
                format!("{} s", g.value)
            });
            let mut finding = Finding::new(
                &RULE,
                format!(
                    "process 1 is the shell: SIGTERM does not reach the program, which is killed \
                     after {seconds}"
                ),
                &command.origin,
                if implicit { "shell form" } else { "runs a shell" },
            )
            .also(&base, "its /bin/sh stays");
            if let (Some(handler), Some(grace)) = (handles, grace) {
                finding = finding
                    .level(Level::Deny)
                    .also(handler, "its handler never runs")
                    .also(&grace.origin, "until SIGKILL");
            }
            out.push(finding.fix(exec_form(&script, text, implicit)));
            Ok(())
        }
    }
}

fn shell_form(what: &str, command: &Instruction<CommandForm>, fix: Fix) -> Finding {
    Finding::new(&RULE, what, &command.origin, "shell form").variant(&SHELL_FORM).fix(fix)
}

/// The name of an image that certainly has no `/bin/sh`.
fn without_shell(view: ImageView<'_>) -> Result<Option<String>, Abstain> {
    if let Some(image) = view.image() {
        return match (image.files.exists("/bin/sh"), image.complete) {
            (true, _) => Ok(None),
            (false, true) => Ok(Some(format!("the image {}", view.name()))),
            (false, false) => Err(view.unknown("/bin/sh of the image")),
        };
    }
    let Some(build) = view.build() else { return Ok(None) };
    let Some(base) = build.base_image().filter(|base| base.shell.is_none()) else {
        return Ok(None);
    };
    let brought = build.copies.iter().any(|copy| {
        build.final_chain().contains(&copy.stage)
            && (copy.destination.value.starts_with("/bin")
                || copy.destination.value == "/"
                || copy.destination.value.starts_with("/usr/bin"))
    });
    // A tree copied over the root may bring a shell along.
    if !base.minimal || brought {
        return Err(Abstain::unknown(Reason::BaseImageUnknown, "/bin/sh of the image"));
    }
    Ok(Some(base.name.to_owned()))
}

/// The text a shell runs: shell form, or `["/bin/sh", "-c", TEXT]`.
fn shell_text(command: &Instruction<CommandForm>) -> Option<(&Fact<String>, bool)> {
    match &command.value {
        CommandForm::Shell(text) => Some((text, true)),
        CommandForm::Exec(words) => match words.as_slice() {
            [shell, flag, text, ..]
                if matches!(shell.value.as_str(), "sh" | "/bin/sh") && flag.value == "-c" =>
            {
                Some((text, false))
            }
            _ => None,
        },
    }
}

/// One plain command can be written as the list it is; for the rest `exec` is the way.
fn exec_form(script: &Script, text: &Fact<String>, implicit: bool) -> Fix {
    let plain = match script.commands.as_slice() {
        [only] if !script.compound && !script.unread => {
            let words = only.argv();
            let simple =
                only.redirections == 0 && !only.piped && !only.background && only.depth == 0;
            let literal = words.len() == only.words.len()
                && words
                    .iter()
                    .all(|w| w.literal && !w.text.contains(['*', '?', '[', '~', '"', '\\']));
            (simple && literal && !words.is_empty()).then_some(words)
        }
        _ => None,
    };
    match plain {
        Some(words) => {
            let list: Vec<String> = words.iter().map(|w| format!("\"{}\"", w.text)).collect();
            let list = format!("[{}]", list.join(", "));
            let title = format!("write it as a list: {list}");
            match implicit {
                true => Fix::safe(title).replace(&text.origin, list),
                false => Fix::suggest(title),
            }
        }
        None => Fix::suggest("write exec before the last command, or a list without a shell"),
    }
}
