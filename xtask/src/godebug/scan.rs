//! Reading GODEBUG keys off one GOROOT.
//!
//! Three places name them: `dbgvars` of the runtime, the tables `All` and `Removed` of
//! internal/godebugs (since Go 1.21), and the calls of `godebug.New` and `godebug.Get`, where a
//! leading `#` marks a setting that is not documented. The sources are gofmt-ed, so one entry is
//! one line and a line-wise reading is enough; [`goroot`] refuses when a place yields nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::paths;
use crate::toolchain::Version;

/// What one release says of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    pub package: String,
    /// Named in `dbgvars`.
    pub runtime: bool,
    /// Named in internal/godebugs.
    pub listed: bool,
    pub immutable: bool,
    /// Minor that changed the default, and the value that brings the old one back.
    pub changed: Option<(u32, String)>,
    /// Minor that removed it, and the values that are refused now.
    pub removed: Option<(u32, Vec<String>)>,
    /// Some code of this release reads it. False for what is only in the table `Removed`.
    pub in_force: bool,
}

/// What no pattern finds, in every release read: `memprofilerate` is compared by name in
/// `parsedebugvars`; `http2debug` is searched for in the whole variable by net/http.
const BY_HAND: &[(&str, &str, bool)] =
    &[("http2debug", "net/http", false), ("memprofilerate", "runtime", true)];

/// All keys of a release by name.
pub fn goroot(goroot: &Path, version: Version) -> Result<BTreeMap<String, Found>> {
    let src = goroot.join("src");
    let mut keys = BTreeMap::new();
    for (name, package, runtime) in BY_HAND {
        let found = entry(&mut keys, name, package);
        found.runtime = *runtime;
    }
    calls_below(&src, &mut keys)?;

    let runtime = src.join("runtime/runtime1.go");
    let text = fs::read_to_string(&runtime).with_context(|| format!("in {}", runtime.display()))?;
    let vars = dbgvars(&text);
    ensure!(vars.len() > 10, "{}: no dbgvars", runtime.display());
    for name in vars {
        let found = entry(&mut keys, &name, "runtime");
        found.runtime = true;
        found.package = "runtime".to_owned();
    }

    if version.minor >= 21 {
        let path = src.join("internal/godebugs/table.go");
        let text = fs::read_to_string(&path).with_context(|| format!("in {}", path.display()))?;
        let (all, removed) = listed(&text);
        ensure!(all.len() > 10, "{}: no table All", path.display());
        for info in all {
            let runtime = keys.get(&info.name).is_some_and(|key| key.runtime);
            keys.insert(info.name.clone(), Found { runtime, ..info });
        }
        for (name, minor, old) in removed {
            let key = keys.entry(name.clone()).or_default();
            key.name = name;
            key.removed = Some((minor, old));
        }
    }
    Ok(keys)
}

fn entry<'a>(keys: &'a mut BTreeMap<String, Found>, name: &str, package: &str) -> &'a mut Found {
    let key = keys.entry(name.to_owned()).or_insert_with(|| Found {
        name: name.to_owned(),
        package: package.to_owned(),
        ..Found::default()
    });
    key.in_force = true;
    key
}

/// Calls in all of the standard library and the go command.
fn calls_below(src: &Path, keys: &mut BTreeMap<String, Found>) -> Result<()> {
    for file in paths::files_below(src)? {
        let name = file.to_string_lossy();
        // internal/godebug itself speaks of keys in its documentation only.
        let other = name.starts_with("internal/godebug/")
            || name.starts_with("cmd/vendor/")
            || name.contains("testdata/");
        if other || !name.ends_with(".go") || name.ends_with("_test.go") {
            continue;
        }
        let text = fs::read(src.join(&file))?;
        let text = String::from_utf8_lossy(&text);
        for key in calls(&text) {
            entry(keys, key, &package_of(&name));
        }
    }
    Ok(())
}

/// The import path of a file, as internal/godebugs would name it: the go command is one package.
fn package_of(file: &str) -> String {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    if folder.starts_with("cmd/go/") { "cmd/go".to_owned() } else { folder.to_owned() }
}

/// The names in `godebug.New("name")` and `godebug.Get("#name")`.
fn calls(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| ["godebug.New(\"", "godebug.Get(\""].map(|call| (line, call)))
        .flat_map(|(line, call)| line.split(call).skip(1))
        .filter_map(|rest| rest.split_once('"'))
        .map(|(name, _)| name.trim_start_matches('#'))
}

/// The names in `var dbgvars = ...{ {"name", ...} or {name: "name", ...} }`.
fn dbgvars(text: &str) -> Vec<String> {
    let body = block(text, "var dbgvars = ");
    body.filter(|line| line.starts_with('{')).filter_map(|line| quoted(line, "")).collect()
}

type Removed = (String, u32, Vec<String>);

/// The tables `All` and `Removed` of internal/godebugs.
fn listed(text: &str) -> (Vec<Found>, Vec<Removed>) {
    let all = block(text, "var All = ").filter(|line| line.starts_with('{')).filter_map(|line| {
        let changed = number(line, "Changed: ").zip(quoted(line, "Old: "));
        Some(Found {
            name: quoted(line, "Name: ")?,
            package: quoted(line, "Package: ")?,
            listed: true,
            immutable: line.contains("Immutable: true"),
            changed,
            in_force: true,
            ..Found::default()
        })
    });
    let removed = block(text, "var Removed = ").filter(|line| line.starts_with('{'));
    let removed = removed.filter_map(|line| {
        let old = line.split_once("Old: ")?.1.split("//").next()?;
        let old = match old {
            _ if old.starts_with("one}") => vec!["1".to_owned()],
            _ if old.starts_with("zero}") => vec!["0".to_owned()],
            // func(s string) bool { return s == "1" || s == "2" }
            _ => old.split('"').skip(1).step_by(2).map(str::to_owned).collect(),
        };
        Some((quoted(line, "Name: ")?, number(line, "Removed: ")?, old))
    });
    (all.collect(), removed.collect())
}

/// The trimmed lines between the line that starts with `head` and the `}` that ends it.
fn block<'a>(text: &'a str, head: &'a str) -> impl Iterator<Item = &'a str> {
    let body = text.lines().skip_while(move |line| !line.starts_with(head)).skip(1);
    body.take_while(|line| *line != "}").map(str::trim)
}

fn quoted(line: &str, after: &str) -> Option<String> {
    let rest = line.split_once(after)?.1;
    // `Old: zero` is no quoted value; the quote must follow the label at once.
    if !after.is_empty() && !rest.starts_with('"') {
        return None;
    }
    rest.split('"').nth(1).map(str::to_owned)
}

fn number(line: &str, after: &str) -> Option<u32> {
    let rest = line.split_once(after)?.1;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dbgvars_are_read_in_both_notations() {
        let old = "var dbgvars = []dbgVar{\n\t{\"gctrace\", &debug.gctrace},\n}\n\t{\"no\", 1},\n";
        assert_eq!(dbgvars(old), ["gctrace"]);
        let new = "var dbgvars = []*dbgVar{\n\t{name: \"panicnil\", atomic: &debug.panicnil},\n}\n";
        assert_eq!(dbgvars(new), ["panicnil"]);
    }

    #[test]
    fn calls_are_read_without_comments_and_marks() {
        let text = "var a = godebug.New(\"#execwait\") // doc: godebug.New(\"no\")\n\
                    if godebug.Get(\"http2client\") == \"0\" {\n\tgodebug.New(name)\n";
        assert_eq!(calls(text).collect::<Vec<_>>(), ["execwait", "http2client"]);
    }

    #[test]
    fn the_tables_of_internal_godebugs_are_read() {
        let text = "var All = []Info{\n\
             \t{Name: \"fips140\", Package: \"crypto/fips140\", Opaque: true, Immutable: true},\n\
             \t//{Name: \"multipartfiles\", Package: \"mime/multipart\"},\n\
             \t{Name: \"panicnil\", Package: \"runtime\", Changed: 21, Old: \"1\"},\n\
             }\n\n\
             var Removed = []RemovedInfo{\n\
             \t{Name: \"tlskyber\", Removed: 24, Old: zero},  // Old: \"0\"\n\
             \t{Name: \"asynctimerchan\", Removed: 27, Old: func(s string) bool { return s == \"1\" || s == \"2\" }},\n\
             }\n";
        let (all, removed) = listed(text);
        assert_eq!(all.len(), 2);
        assert!(all[0].immutable && all[0].changed.is_none());
        assert_eq!(all[1].changed, Some((21, "1".to_owned())));
        assert_eq!(
            removed,
            [
                ("tlskyber".to_owned(), 24, vec!["0".to_owned()]),
                ("asynctimerchan".to_owned(), 27, vec!["1".to_owned(), "2".to_owned()]),
            ]
        );
    }

    #[test]
    fn the_go_command_is_one_package() {
        assert_eq!(package_of("cmd/go/internal/fsys/fsys.go"), "cmd/go");
        assert_eq!(package_of("net/http/fs.go"), "net/http");
    }
}
