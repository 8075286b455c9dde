//! The triggers of KEDA and the keys of their metadata, by its sources.
//!
//! `pkg/scaling/scalers_builder.go` says which function makes the scaler of a type. Since v2.17 the
//! fields of what it is told carry tags (`keda:"name=topic,order=triggerMetadata;resolvedEnv"`) in the
//! file of that function; older releases look keys up by their texts. The releases are united: a type
//! has the keys of the newest, and what any release reads for any type is no slip for sure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{paths, tools};

const TABLE: &str = "crates/provost-check/src/model/keda.txt";

const MODULE: &str = "github.com/kedacore/keda/v2";

/// Oldest first.
const RELEASES: &[&str] = &["v2.10.0", "v2.15.1", "v2.21.0"];

/// Writes the table, or compares it.
pub fn run(check: bool) -> Result<()> {
    let (mut types, mut all) = (BTreeMap::new(), BTreeSet::new());
    for version in RELEASES {
        let root = tools::module(MODULE, version)?;
        read(&root, &mut types, &mut all).with_context(|| format!("KEDA {version}"))?;
    }
    let mut text = format!(
        "# The triggers of KEDA {}: type and keys of its metadata, and every key of any release.\n\
         # Written by `cargo xtask schema`.\n",
        RELEASES.join(", ")
    );
    for (name, keys) in &types {
        line(&mut text, name, keys);
    }
    line(&mut text, "*", &all);
    let path = paths::root().join(TABLE);
    if !check {
        return paths::write(&path, text.as_bytes());
    }
    if fs::read_to_string(&path).unwrap_or_default() != text {
        bail!("{TABLE} is not what KEDA's sources say: run `cargo xtask schema`");
    }
    Ok(())
}

fn line(text: &mut String, name: &str, keys: &BTreeSet<String>) {
    let _ = write!(text, "{name}");
    for key in keys {
        let _ = write!(text, " {key}");
    }
    text.push('\n');
}

fn read(
    root: &Path,
    types: &mut BTreeMap<String, BTreeSet<String>>,
    all: &mut BTreeSet<String>,
) -> Result<()> {
    let mut files = Vec::new();
    for path in sources(&root.join("pkg/scalers"))? {
        let text = fs::read_to_string(&path)?;
        all.extend(keys(&text));
        files.push(text);
    }
    let builder = fs::read_to_string(root.join("pkg/scaling/scalers_builder.go"))?;
    let (_, triggers) = builder.split_once("TRIGGERS-START").context("a list of triggers")?;
    let (triggers, _) = triggers.split_once("TRIGGERS-END").context("its end")?;
    let mut names: Vec<&str> = Vec::new();
    let mut found = 0;
    for line in triggers.lines() {
        if let Some(case) = line.trim().strip_prefix("case ") {
            names = case.split('"').skip(1).step_by(2).collect();
        }
        let Some((_, call)) = line.split_once("scalers.New") else { continue };
        let function = call.split('(').next().unwrap_or_default();
        let definition = format!("func New{function}(");
        let file = files.iter().find(|text| text.contains(&definition));
        let file = file.with_context(|| format!("no file defines {definition}"))?;
        for name in &names {
            // What a newer release no longer reads is in the list of all keys.
            types.insert((*name).to_owned(), keys(file).collect());
            found += 1;
        }
    }
    ensure!(found > 50, "{found} triggers");
    Ok(())
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(".go") && !name.ends_with("_test.go") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Keys of a trigger's metadata that a file reads.
fn keys(text: &str) -> impl Iterator<Item = String> + use<> {
    let mut found = BTreeSet::new();
    for (_, tag) in text.match_indices("keda:\"").map(|(at, tag)| text.split_at(at + tag.len())) {
        let tag = tag.split('"').next().unwrap_or_default();
        let part = |key: &str| tag.split(',').find_map(|part| part.trim().strip_prefix(key));
        let (Some(names), Some(order)) = (part("name="), part("order=")) else { continue };
        if order.contains("triggerMetadata") {
            found.extend(names.trim().split(';').map(str::to_owned));
        }
    }
    let looked_up = "TriggerMetadata[\"";
    for (at, _) in text.match_indices(looked_up) {
        let key = text[at + looked_up.len()..].split('"').next().unwrap_or_default();
        found.insert(key.to_owned());
    }
    found.into_iter()
}
