//! `docs/cli.md`: what `provost --help` and the help of each verb say.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{cmd, paths};

pub(super) fn render() -> Result<String> {
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--package", "provost"]).current_dir(paths::root());
    cmd::output(&mut build)?;

    let top = help(&[])?;
    let verbs = verbs(&top);
    ensure!(!verbs.is_empty(), "`provost --help` names no verb");
    let mut text = String::from(
        "# Command line\n\n<!-- Written by `cargo xtask docs` from `provost --help`. -->\n",
    );
    text += &block("provost", &top);
    for verb in verbs {
        text += &block(&format!("provost {verb}"), &help(&[verb])?);
    }
    Ok(text)
}

fn help(verb: &[&str]) -> Result<String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(paths::target, Into::into);
    let mut provost = Command::new(target.join("debug/provost"));
    // The width of a page, whatever the terminal's.
    provost.args(verb).arg("--help").env("COLUMNS", "100").env("NO_COLOR", "1");
    cmd::output(&mut provost).context("provost has no help")
}

fn block(title: &str, help: &str) -> String {
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    format!("\n## {title}\n\n```text\n{}\n```\n", lines.join("\n").trim())
}

/// The words of the list under `Commands:`, without `help`.
fn verbs(help: &str) -> Vec<&str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_off_the_help() {
        let help = "Usage: provost <COMMAND>\n\nCommands:\n  check    The gate\n           and more\n  \
                    explain  One page\n  help     Print this\n\nOptions:\n  -h, --help\n";
        assert_eq!(verbs(help), ["check", "explain"]);
    }
}
