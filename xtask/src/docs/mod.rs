//! `cargo xtask docs`: the parts of `docs/` that are written by the program itself. The pages of
//! the rules come from the list of rules, `cli.md` from what `--help` says.

mod cli;
mod rules;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::paths;

#[derive(clap::Args, Default)]
pub struct Args {
    /// Write nothing; fail when a file is not what would be written
    #[arg(long)]
    pub check: bool,
}

/// Files by their path under `docs/`.
type Files = BTreeMap<PathBuf, String>;

pub fn run(args: &Args) -> Result<()> {
    let mut files = Files::new();
    rules::render(&mut files);
    files.insert("cli.md".into(), cli::render()?);
    let docs = paths::root().join("docs");
    let stale = stale(&files)?;
    if !args.check {
        for (path, text) in &files {
            paths::write(&docs.join(path), text.as_bytes())?;
        }
        for path in &stale {
            fs::remove_file(docs.join(path))?;
        }
        return Ok(());
    }
    let differs = |(path, text): &(&PathBuf, &String)| {
        fs::read_to_string(docs.join(path)).map_or(true, |old| old != **text)
    };
    let wrong: Vec<String> = files
        .iter()
        .filter(differs)
        .map(|(path, _)| path)
        .chain(&stale)
        .map(|path| format!("docs/{}", path.display()))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("not what `cargo xtask docs` writes: {}", wrong.join(", "));
}

/// Pages of rules that are no more.
fn stale(files: &Files) -> Result<Vec<PathBuf>> {
    let folder = paths::root().join("docs/rules");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let found = paths::files_below(&folder)?.into_iter();
    Ok(found
        .map(|file| PathBuf::from("rules").join(file))
        .filter(|f| !files.contains_key(f))
        .collect())
}
