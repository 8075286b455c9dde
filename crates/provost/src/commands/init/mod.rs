//! `provost init`: writes what a Go service needs to be deployed well, so that the gate has nothing
//! to object to.
//!
//! `find` reads the module's source and decides nothing; `write` puts what was found into the
//! templates. What cannot be found is written as a default that works, with a comment that says how
//! to decide, and what the program itself lacks is said at the end.

mod find;
mod say;
mod write;

use std::path::Path;

use anyhow::Result;
use provost_check::facts::{SourceId, Span};
use provost_check::findings::Edit;
use provost_check::report::plain::clean;

use crate::args::{Ci, Cli, InitArgs};
use crate::commands::fix::diff;
use crate::config;
use crate::exit::{Exit, Mistake};
use crate::output;
use find::Found;
use write::{NewFile, Options, Place};

pub(crate) fn run(cli: &Cli, args: &InitArgs) -> Result<Exit> {
    if args.ci.len() > 1 && args.ci.contains(&Ci::None) {
        let mistake = Mistake::new("--ci: none goes with no other");
        return Err(mistake
            .help("--ci none writes no pipelines; leave it out for the others")
            .into());
    }
    let found = find::read(Path::new(&args.path), &args.package, config::today())?;
    let options = Options { helm: args.helm, image: args.image.clone(), ci: ci(args, &found) };
    let golden = write::golden(&found, &options)?;
    let places: Vec<Place> = golden.files.iter().map(NewFile::place).collect();
    if args.dry_run {
        output::print(&diff_of(&golden.files, &places, args)?)?;
        if !cli.quiet {
            output::complain(&say::said(&found, &golden, &places, args, &options));
        }
        return Ok(Exit::Clean);
    }
    refuse(&golden.files, &places, args)?;
    let new: Vec<&NewFile> = golden
        .files
        .iter()
        .zip(&places)
        .filter(|(_, place)| match place {
            Place::Same => false,
            Place::Other(_) => !args.keep,
            Place::Free | Place::Blocked(_) => true,
        })
        .map(|(file, _)| file)
        .collect();
    write::write(&new, args.force)?;
    if !cli.quiet {
        output::print(&say::said(&found, &golden, &places, args, &options))?;
    }
    Ok(Exit::Clean)
}

/// The pipelines to write: those that were named, else what the remote has, else both.
fn ci(args: &InitArgs, found: &Found) -> Vec<Ci> {
    if !args.ci.is_empty() {
        let mut named = args.ci.clone();
        named.retain(|ci| *ci != Ci::None);
        named.sort_unstable_by_key(|ci| *ci as u8);
        named.dedup();
        return named;
    }
    let repository = found.repository.as_ref();
    let host = repository.and_then(|r| r.origin.as_ref()).map_or("", |(host, _)| host.as_str());
    let has = |path| repository.is_some_and(|r| r.has(path));
    match (host.contains("github"), host.contains("gitlab")) {
        (true, _) => vec![Ci::Github],
        (_, true) => vec![Ci::Gitlab],
        _ => match (has(".github"), has(".gitlab-ci.yml") || has(".gitlab")) {
            (true, false) => vec![Ci::Github],
            (false, true) => vec![Ci::Gitlab],
            _ => vec![Ci::Github, Ci::Gitlab],
        },
    }
}

/// Nothing is written while something is in the way.
fn refuse(files: &[NewFile], places: &[Place], args: &InitArgs) -> Result<(), Mistake> {
    let mut lines = Vec::new();
    let (mut blocked, mut pipeline) = (false, false);
    for (file, place) in files.iter().zip(places) {
        match place {
            Place::Other(_) if !args.force && !args.keep => {
                pipeline |= file.is_pipeline();
                lines.push(shown(file));
            }
            Place::Blocked(what) => {
                blocked = true;
                lines.push(format!("{} ({what} is no plain folder)", shown(file)));
            }
            _ => {}
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let count = match lines.len() {
        1 => "a file is".to_owned(),
        n => format!("{n} files are"),
    };
    let mistake = Mistake::new(format!(
        "{count} in the way, so nothing is written:\n  {}",
        lines.join("\n  ")
    ));
    Err(match blocked {
        true => mistake.help("a link or a file stands where a folder is needed"),
        false => {
            let it = if lines.len() == 1 { "it" } else { "them" };
            let differs = if lines.len() == 1 { "it differs" } else { "they differ" };
            let pipelines = if pipeline { "; --ci none leaves out pipelines" } else { "" };
            mistake.help(format!(
                "--keep leaves {it} alone and writes the others; --dry-run shows how {differs}; --force \
                 replaces {it}{pipelines}"
            ))
        }
    })
}

/// A file's path from the working directory.
fn shown(file: &NewFile) -> String {
    from_here(&file.path())
}

/// A path from the working directory where it lies below or above, else the whole path.
fn from_here(path: &Path) -> String {
    let Ok(here) = std::env::current_dir().and_then(|here| here.canonicalize()) else {
        return path.to_string_lossy().into_owned();
    };
    if let Ok(below) = path.strip_prefix(&here) {
        let below = below.to_string_lossy().into_owned();
        return if below.is_empty() { ".".to_owned() } else { below };
    }
    // From a package of the module to its top.
    let above = here.ancestors().skip(1).take(8).enumerate();
    let near = above.filter(|(_, folder)| folder.parent().is_some()).find_map(|(at, folder)| {
        let rest = path.strip_prefix(folder).ok()?;
        Some(Path::new(&"../".repeat(at + 1)).join(rest))
    });
    let near = near.unwrap_or_else(|| path.to_owned());
    near.to_string_lossy().trim_end_matches('/').to_owned()
}

/// A word of a command that somebody copies into a shell.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_+=:@%,".contains(&byte);
    match text.bytes().all(plain) && !text.is_empty() {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// What would change, as `git apply` takes it.
fn diff_of(files: &[NewFile], places: &[Place], args: &InitArgs) -> Result<String> {
    let mut out = String::new();
    for (file, place) in files.iter().zip(places) {
        match place {
            Place::Same | Place::Blocked(_) => {}
            Place::Other(_) if args.keep => {}
            Place::Free => {
                let lines: Vec<&str> = file.text.lines().collect();
                out += &format!(
                    "--- /dev/null\n+++ b/{}\n@@ -0,0 +1,{} @@\n",
                    clean(&shown(file)),
                    lines.len()
                );
                out.extend(lines.iter().map(|line| format!("+{line}\n")));
            }
            Place::Other(Some(before)) => {
                let edit = edit(before, &file.text);
                out += &diff::unified(&shown(file), before, &[edit]);
            }
            Place::Other(None) => {
                let what = if args.force { "would be replaced" } else { "is in the way" };
                output::complain(&format!("{}: {what}, and is no text\n", clean(&shown(file))));
            }
        }
    }
    Ok(out)
}

/// The one change that makes a text into another: what is between their common lines.
fn edit(before: &str, after: &str) -> Edit {
    let common = |a: &str, b: &str| -> usize {
        let same = a.split_inclusive('\n').zip(b.split_inclusive('\n')).take_while(|(a, b)| a == b);
        same.map(|(line, _)| line.len()).sum()
    };
    let start = common(before, after);
    let (old, new) = (&before[start..], &after[start..]);
    // From the end, line by line.
    let lines = |text: &str| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
    let (old_lines, new_lines) = (lines(old), lines(new));
    let tail: usize = old_lines
        .iter()
        .rev()
        .zip(new_lines.iter().rev())
        .take_while(|(a, b)| a == b)
        .map(|(line, _)| line.len())
        .sum();
    Edit {
        source: SourceId(0),
        span: Span::new(start, before.len() - tail),
        replacement: new[..new.len() - tail].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_makes_a_text_into_another() {
        for (before, after) in [
            ("a\nb\nc\n", "a\nx\ny\nc\n"),
            ("", "a\n"),
            ("a\n", ""),
            ("a\na\n", "a\n"),
            ("a\n", "a\na\n"),
            ("a", "b\n"),
        ] {
            let edit = edit(before, after);
            let made = provost_check::findings::fix::apply(before, std::slice::from_ref(&edit));
            assert_eq!(made.as_deref(), Some(after), "{before:?} {edit:?}");
        }
    }
}
