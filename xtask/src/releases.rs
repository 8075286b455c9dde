//! `cargo xtask releases`: the newest patch of each Go minor, from the versions of the module
//! `golang.org/toolchain`. Days of release are not in there; a new minor is added by hand.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::toolchain::{Version, published};
use crate::{cmd, paths};

const FILE: &str = "crates/provost-check/data/go-releases.toml";

pub fn run() -> Result<()> {
    let path = paths::root().join(FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
    let today = cmd::output(std::process::Command::new("date").args(["--utc", "+%F"]))?;
    let (text, missing) = refreshed(&text, &published()?, today.trim());
    paths::write(&path, text.as_bytes())?;
    if !missing.is_empty() {
        bail!("{FILE} lacks Go 1.{missing:?}: add each with the day of its release");
    }
    Ok(())
}

/// The text with the newest patches and the day of reading put in, and the minors it lacks.
fn refreshed(text: &str, published: &[Version], today: &str) -> (String, Vec<u32>) {
    let newest = |minor: u32| {
        let of_minor = published.iter().filter(|version| version.minor == minor);
        of_minor.map(|version| version.patch).max()
    };
    let mut seen = Vec::new();
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with("read = ") {
            out += &format!("read = {today}\n");
            continue;
        }
        let patched = patch_of(line).and_then(|(minor, head, old)| {
            seen.push(minor);
            // A list that lost an old release must not take it from the table.
            let patch = newest(minor)?.max(old);
            Some(format!("{head}patch = {patch} }},"))
        });
        out += patched.as_deref().unwrap_or(line);
        out.push('\n');
    }
    let newest_seen = seen.iter().max().copied().unwrap_or_default();
    let mut missing: Vec<u32> = published.iter().map(|version| version.minor).collect();
    missing.retain(|minor| *minor > newest_seen);
    missing.dedup();
    (out, missing)
}

/// Of `  { minor = 27, released = 2026-08-19, patch = 4 },`: the minor, all before `patch`, the patch.
fn patch_of(line: &str) -> Option<(u32, &str, u32)> {
    let minor = line.trim_start().strip_prefix("{ minor = ")?.split_once(',')?.0.parse().ok()?;
    let at = line.find("patch = ")?;
    let (head, tail) = line.split_at(at);
    let patch = tail.strip_prefix("patch = ")?.split_once(' ')?.0.parse().ok()?;
    Some((minor, head, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "read = 2026-11-23\n\ngo = [\n  { minor = 26, released = 2026-02-10, patch = 11 },\n  \
         { minor = 27, released = 2026-08-19, patch = 4 },\n]\nkubernetes = [\n  { minor = 37, released = 2026-08-26 },\n]\n";

    #[test]
    fn patches_move_forward_only() {
        let published = [Version::new(26, 9), Version::new(27, 4), Version::new(27, 5)];
        let (text, missing) = refreshed(TABLE, &published, "2026-12-01");
        assert!(text.contains("read = 2026-12-01\n"), "{text}");
        assert!(text.contains("minor = 26, released = 2026-02-10, patch = 11 },"), "{text}");
        assert!(text.contains("minor = 27, released = 2026-08-19, patch = 5 },"), "{text}");
        assert!(text.contains("{ minor = 37, released = 2026-08-26 },"), "{text}");
        assert!(missing.is_empty());
    }

    #[test]
    fn a_minor_without_a_day_is_named() {
        let published = [Version::new(27, 4), Version::new(28, 0), Version::new(28, 1)];
        assert_eq!(refreshed(TABLE, &published, "2027-02-10").1, [28]);
    }
}
