//! A variable that nothing reads.

use crate::case::Case;
use crate::facts::binary::GoProgram;
use crate::facts::program_text::TextPresence;
use crate::facts::symbols;
use crate::facts::workload::{Action, EnvValue};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names::nearest;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A setting that was renamed in the program, or was never there.
pub static RULE: Rule = Rule {
    id: "env-not-read",
    group: Group::Config,
    level: Level::Note,
    title: "an environment variable whose name is nowhere in the program",
    page: include_str!("env-not-read.md"),
    needs: &[Need::Manifest, Need::Binary],
    after: &["misspelt-runtime-variable"],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Packages that compose names at run time, or hand the whole environment on.
const READERS: &[&str] = &[
    "github.com/spf13/viper",
    "github.com/kelseyhightower/envconfig",
    "github.com/caarlos0/env",
    "github.com/sethvargo/go-envconfig",
    "github.com/ilyakaznacheev/cleanenv",
    "github.com/knadh/koanf",
    "github.com/alecthomas/kong",
    "github.com/alecthomas/kingpin",
    "github.com/urfave/cli",
    "github.com/peterbourgon/ff",
    "github.com/jessevdk/go-flags",
    "github.com/joho/godotenv",
    "github.com/codingconcepts/env",
    "github.com/vrischmann/envconfig",
    "github.com/namsral/flag",
];

/// Beginnings of names that clients and tools beside the program read.
const OTHERS: &[&str] = &[
    "OTEL_",
    "AWS_",
    "GOOGLE_",
    "AZURE_",
    "KUBERNETES_",
    "POD_",
    "NODE_",
    "DD_",
    "JAEGER_",
    "SENTRY_",
    "LC_",
    "GO",
    "SSL_CERT_",
];

/// The same, whole.
const OTHER_NAMES: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "ALL_PROXY",
    "LANG",
    "LANGUAGE",
    "HOME",
    "PATH",
    "TZ",
    "TMPDIR",
    "HOSTNAME",
    "TERM",
    "USER",
    "SHELL",
    "NAMESPACE",
    "ZONEINFO",
];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let entries = case.container.env.iter().filter(|entry| {
        let name = entry.name.value.as_str();
        matches!(entry.value, EnvValue::Literal(_))
            && !OTHERS.iter().any(|start| name.starts_with(start))
            && !OTHER_NAMES.contains(&name)
            && !name.is_empty()
    });
    let entries: Vec<_> = entries.collect();
    if entries.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let program = case.program()?;
    reads_by_name(program)?;
    for entry in entries {
        let name = entry.name.value.as_str();
        if is_mentioned(case, name) {
            continue;
        }
        match program.text.find(name) {
            TextPresence::Present(_) => {}
            TextPresence::Unknown(why) => {
                let what = format!("whether the program knows {name}: {why}");
                out.abstain(Abstain::unknown(Reason::StringsUnreadable, what));
            }
            TextPresence::Absent => {
                let mut finding = Finding::new(
                    &RULE,
                    format!("nothing reads {name}: the program does not hold the name"),
                    &entry.name.origin,
                    "has no effect",
                )
                .also(&program.version.origin, "does not hold it");
                let known = program.text.strings().unwrap_or_default();
                let known = known
                    .iter()
                    .filter(|s| s.kind == crate::facts::program_text::TextKind::EnvName)
                    .map(|s| s.text.as_str());
                finding = finding.fix(match nearest(name, known, 3) {
                    Some(near) => Fix::suggest(format!("did you mean {near}?"))
                        .replace(&entry.name.origin, near),
                    None => Fix::suggest("remove it"),
                });
                out.push(finding);
            }
        }
    }
    Ok(())
}

/// Unknown when the program may look for names that are not written down in it.
fn reads_by_name(program: &GoProgram) -> Result<(), Abstain> {
    let unknown = |what: &str| {
        Err(Abstain::unknown(Reason::StringsUnreadable, format!("the names that {what} reads")))
    };
    if let Some(reader) = READERS.iter().find(|package| program.links_package(package)) {
        return unknown(reader);
    }
    if program.links(symbols::OS_ENVIRON)?.is_some() {
        return unknown("os.Environ");
    }
    if program.links(symbols::CGO)?.is_some() {
        return unknown("C code");
    }
    Ok(())
}

/// Whether the container hands the variable on: in a command, a hook, a probe, another variable.
fn is_mentioned(case: &Case<'_>, name: &str) -> bool {
    let container = case.container;
    let in_text = |text: &str| text.contains(name);
    let words = container.command.iter().chain(&container.args).flatten();
    let handlers = container.handlers().map(|(_, handler)| handler);
    let hooks = handlers.chain(container.probes().map(|(_, probe)| &probe.handler));
    words.map(|word| word.value.as_str()).any(in_text)
        || hooks.into_iter().any(|handler| match &handler.action {
            Action::Exec(words) => words.iter().any(|word| in_text(&word.value)),
            _ => false,
        })
        || container.env.iter().any(|entry| match &entry.value {
            EnvValue::Literal(text) => entry.name.value != name && in_text(&text.value),
            _ => false,
        })
        // A script may read it.
        || case.command_line().is_ok_and(|line| line.shell_form || line.argv.iter().any(|word| in_text(&word.value)))
}
