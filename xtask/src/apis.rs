//! `cargo xtask apis`: the API versions that Kubernetes no longer serves, from its own sources.
//!
//! Each type says in `zz_generated.prerelease-lifecycle.go` which release took it away, and the API
//! server acts on just that (`removeDeletedKinds` of k8s.io/apiserver). What is declared for a
//! release to come is left out. A type that was deleted since is read from an older module.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{paths, tools};

const TABLE: &str = "crates/provost-check/src/model/removed_apis/table.rs";

/// The newest release read.
const NEWEST: u16 = 37;

/// Modules, their version and the folder with the groups; newest first.
const MODULES: &[(&str, &str, &str)] = &[
    ("k8s.io/api", "v0.37.2", ""),
    ("k8s.io/apiextensions-apiserver", "v0.37.2", "pkg/apis"),
    ("k8s.io/kube-aggregator", "v0.37.2", "pkg/apis"),
    // The last one with PodSecurityPolicy.
    ("k8s.io/api", "v0.24.17", ""),
];

#[derive(clap::Args, Default)]
pub struct Args {
    /// Write nothing; compare the table with the sources
    #[arg(long)]
    pub check: bool,
}

/// Group, version, kind.
type Type = (String, String, String);

#[derive(Debug, Default, Clone)]
struct Life {
    removed: Option<u16>,
    replacement: Option<Type>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut types: BTreeMap<Type, Life> = BTreeMap::new();
    for (module, version, folder) in MODULES {
        let root = tools::module(module, version)?.join(folder);
        for (name, life) in read(&root)? {
            types.entry(name).or_insert(life);
        }
    }
    let text = render(&types)?;
    let path = paths::root().join(TABLE);
    if !args.check {
        return paths::write(&path, text.as_bytes());
    }
    if fs::read_to_string(&path)? != text {
        bail!("{TABLE} is not what Kubernetes' sources say: run `cargo xtask apis`");
    }
    eprintln!("apis: the table agrees with the sources of Kubernetes 1.{NEWEST}");
    Ok(())
}

/// Every type below `<root>/<group>/<version>`.
fn read(root: &Path) -> Result<BTreeMap<Type, Life>> {
    let mut types = BTreeMap::new();
    for group in folders(root)? {
        for version in folders(&group)? {
            let Ok(text) = fs::read_to_string(version.join("zz_generated.prerelease-lifecycle.go"))
            else {
                continue;
            };
            let register = fs::read_to_string(version.join("register.go"))?;
            let group = between(&register, "GroupName = \"", "\"")
                .with_context(|| format!("{} names no group", version.display()))?;
            let version = version.file_name().and_then(|n| n.to_str()).context("a version")?;
            for (kind, life) in lives(&text) {
                types.insert((group.to_owned(), version.to_owned(), kind), life);
            }
        }
    }
    ensure!(!types.is_empty(), "{} has no types", root.display());
    Ok(types)
}

fn folders(root: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    Ok(folders)
}

/// The types of one file; lists are no manifests.
fn lives(text: &str) -> BTreeMap<String, Life> {
    let mut lives: BTreeMap<String, Life> = BTreeMap::new();
    for function in text.split("\nfunc (in *").skip(1) {
        let Some((kind, rest)) = function.split_once(") APILifecycle") else { continue };
        if kind.ends_with("List") {
            continue;
        }
        let life = lives.entry(kind.to_owned()).or_default();
        if rest.starts_with("Removed()") {
            life.removed = between(rest, "return 1, ", "\n").and_then(|n| n.trim().parse().ok());
        } else if rest.starts_with("Replacement()") {
            let part = |key: &str| between(rest, &format!("{key}: \""), "\"").map(str::to_owned);
            life.replacement = part("Group")
                .zip(part("Version"))
                .zip(part("Kind"))
                .map(|((group, version), kind)| (group, version, kind));
        }
    }
    lives
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// What to write instead: the replacement that is still served, else the same kind in `v1`.
fn instead(name: &Type, types: &BTreeMap<Type, Life>) -> Option<String> {
    let served =
        |name: &Type| types.get(name).is_some_and(|life| life.removed.is_none_or(|at| at > NEWEST));
    let mut at = name.clone();
    for _ in 0..4 {
        let Some((group, version, _)) = types.get(&at).and_then(|life| life.replacement.clone())
        else {
            break;
        };
        // The kind is that of the list in one place; no replacement of a manifest changes it.
        at = (group, version, name.2.clone());
        if served(&at) {
            return Some(api_version(&at));
        }
    }
    let stable = (name.0.clone(), "v1".to_owned(), name.2.clone());
    served(&stable).then(|| api_version(&stable))
}

fn api_version((group, version, _): &Type) -> String {
    format!("{group}/{version}")
}

const HEAD: &str = "\
//! API versions that Kubernetes took away. Generated by `cargo xtask apis`; do not edit.
//!
//! Read from `zz_generated.prerelease-lifecycle.go` of
";

fn render(types: &BTreeMap<Type, Life>) -> Result<String> {
    let mut text = HEAD.to_owned();
    let modules = MODULES.iter().map(|(module, version, _)| format!("{module} {version}"));
    writeln!(text, "//! {}.\n", modules.collect::<Vec<_>>().join(",\n//! "))?;
    text += "use super::Row;\n\n/// Version, kind, the first minor that does not serve it, what replaces it.\n";
    text += "#[rustfmt::skip]\npub(super) static TABLE: &[Row] = &[\n";
    let mut rows = 0;
    for (name, life) in types {
        let Some(removed) = life.removed.filter(|removed| *removed <= NEWEST) else { continue };
        let instead = instead(name, types).unwrap_or_default();
        writeln!(text, "    ({:?}, {:?}, {removed}, {instead:?}),", api_version(name), name.2)?;
        rows += 1;
    }
    ensure!(rows > 50, "only {rows} types were removed");
    Ok(text + "];\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "package v1beta1\n\n\
        // APILifecycleRemoved is\nfunc (in *Old) APILifecycleRemoved() (major, minor int) {\n\treturn 1, 25\n}\n\
        func (in *Old) APILifecycleReplacement() schema.GroupVersionKind {\n\treturn \
        schema.GroupVersionKind{Group: \"g\", Version: \"v1beta2\", Kind: \"Old\"}\n}\n\
        func (in *OldList) APILifecycleRemoved() (major, minor int) {\n\treturn 1, 25\n}\n\
        func (in *Young) APILifecycleIntroduced() (major, minor int) {\n\treturn 1, 30\n}\n";

    fn name(version: &str, kind: &str) -> Type {
        ("g".to_owned(), version.to_owned(), kind.to_owned())
    }

    #[test]
    fn the_end_of_a_type_is_read() {
        let lives = lives(SOURCE);
        assert_eq!(lives.keys().collect::<Vec<_>>(), ["Old", "Young"]);
        assert_eq!(lives["Old"].removed, Some(25));
        assert_eq!(lives["Old"].replacement, Some(name("v1beta2", "Old")));
        assert_eq!(lives["Young"].removed, None);
    }

    #[test]
    fn a_replacement_that_is_gone_itself_is_followed() {
        let life = |removed, replacement| Life { removed, replacement };
        let mut types = BTreeMap::from([
            (name("v1beta1", "Old"), life(Some(25), Some(name("v1beta2", "Old")))),
            (name("v1beta2", "Old"), life(Some(29), Some(name("v1", "Old")))),
        ]);
        assert_eq!(instead(&name("v1beta1", "Old"), &types), None);
        types.insert(name("v1", "Old"), life(None, None));
        assert_eq!(instead(&name("v1beta1", "Old"), &types).as_deref(), Some("g/v1"));
    }
}
