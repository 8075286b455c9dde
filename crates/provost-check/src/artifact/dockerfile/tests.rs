//! What BuildKit makes of a Dockerfile, feature by feature.

use std::fmt::Write as _;

use super::{Limits, load};
use crate::artifact::Problem;
use crate::facts::build::{Build, CommandForm, Instruction};
use crate::facts::{Fact, SourceId, Span};

mod commands;
mod hostile;
mod language;
mod steps;
mod trace;
mod warnings;

/// A Dockerfile that has no problem.
fn build(text: &str) -> Build {
    let (build, problems) = load(SourceId(0), text, None, &Limits::DEFAULT);
    assert!(problems.is_empty(), "{problems:#?}");
    build.unwrap()
}

/// What is wrong with a Dockerfile: line, the bytes pointed at, message, help.
fn problems(text: &str) -> String {
    let (_, problems) = load(SourceId(0), text, None, &Limits::DEFAULT);
    shown(text, &problems)
}

fn shown(text: &str, problems: &[Problem]) -> String {
    let mut out = String::new();
    for problem in problems {
        match problem.origin.span() {
            Some(span) => write!(out, "{}: `{}`: ", line_of(text, span), at(text, span)),
            None => write!(out, "file: "),
        }
        .unwrap();
        out.push_str(&problem.message);
        if let Some(help) = &problem.help {
            write!(out, " ({help})").unwrap();
        }
        out.push('\n');
    }
    out
}

fn line_of(text: &str, span: Span) -> usize {
    text[..span.start as usize].matches('\n').count() + 1
}

fn at(text: &str, span: Span) -> &str {
    &text[span.range()]
}

/// The bytes a fact stands at.
fn place<'t, T>(text: &'t str, fact: &Fact<T>) -> &'t str {
    at(text, fact.origin.span().unwrap())
}

fn form(form: &CommandForm) -> String {
    match form {
        CommandForm::Exec(words) => {
            format!("exec {:?}", words.iter().map(|w| &w.value).collect::<Vec<_>>())
        }
        CommandForm::Shell(text) => format!("shell {:?}", text.value),
    }
}

fn command(instruction: &Option<Instruction<CommandForm>>) -> String {
    match instruction {
        None => "none".to_owned(),
        Some(i) => format!("{}{}", form(&i.value), if i.inherited { " (inherited)" } else { "" }),
    }
}

/// What the final image is configured to do.
fn config(text: &str) -> String {
    let build = build(text);
    let config = build.config();
    let mut out = String::new();
    let mut line = |name: &str, value: String| writeln!(out, "{name}: {value}").unwrap();
    line("entrypoint", command(&config.entrypoint));
    line("cmd", command(&config.cmd));
    if let Some(user) = &config.user {
        line("user", user.value.value.clone());
    }
    if let Some(dir) = &config.workdir {
        line("workdir", dir.value.clone());
    }
    for (name, value) in config.env.iter().filter(|(name, _)| name.is_written()) {
        line("env", format!("{}={}", name.value, value.value));
    }
    for port in &config.exposed {
        line("expose", format!("{}/{}", port.value.0, port.value.1));
    }
    if let Some(check) = &config.healthcheck {
        line("healthcheck", check.value.as_ref().map_or("NONE".to_owned(), form));
    }
    if let Some(signal) = &config.stop_signal {
        line("stopsignal", signal.value.clone());
    }
    if let Some(shell) = &config.shell {
        line("shell", format!("{:?}", shell.iter().map(|w| &w.value).collect::<Vec<_>>()));
    }
    out
}

/// The Go builds, as they would be typed.
fn go_builds(text: &str) -> String {
    let build = build(text);
    let mut out = String::new();
    for go in &build.go_builds {
        let env: Vec<String> = go
            .env
            .iter()
            .filter(|(name, _)| name.is_written())
            .map(|(n, v)| format!("{}={}", n.value, v.value))
            .collect();
        let words = |facts: &[Fact<String>]| {
            facts.iter().map(|f| f.value.clone()).collect::<Vec<_>>().join(" | ")
        };
        writeln!(
            out,
            "stage {} go {} [{}] flags [{}] packages [{}] -> {}",
            go.stage,
            go.verb,
            env.join(" "),
            words(&go.flags),
            words(&go.packages),
            match (&go.output, &go.output_dir) {
                (Some(file), _) => file.value.clone(),
                (None, Some(dir)) => format!("{}?", dir.value),
                (None, None) => "?".to_owned(),
            }
        )
        .unwrap();
    }
    out
}
