//! `helm template`

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use provost_check::artifact::discover::{self, near};
use provost_check::artifact::mmap;
use provost_check::artifact::render::{Hidden, Renderer, Rendering, refers_elsewhere, secrets_of};
use provost_check::report::plain::clean;

use super::set::{self, Pair};
use super::{Failure, Rendered, as_argument, output};
use crate::args::CheckArgs;
use crate::process::{Tool, offline};

/// Files and folders of a chart that are looked at before Helm does.
const MOST_FILES: usize = 100_000;

/// Renders a chart, or says why not.
pub(super) fn render(
    args: &CheckArgs,
    root: &str,
    oldest: u16,
    interrupted: &AtomicBool,
) -> Result<Result<Rendered, String>> {
    let what = format!("chart {}", clean(root));
    let asked = match Asked::of(args, root) {
        Ok(asked) => asked,
        Err(why) => return Ok(Err(format!("{what}: {why}"))),
    };
    let named = |hidden: &mut Hidden| {
        for pair in &asked.set {
            pair.values.iter().for_each(|value| hidden.named(&pair.name(), value));
        }
    };
    let known = || {
        let mut known = secrets_of(root, &args.values);
        named(&mut known);
        known
    };
    let run = |schemas| -> Result<_> {
        let Some(mut tool) = offline("helm")? else {
            let why = format!("{what}: not judged, because helm is not on PATH");
            return Ok(Err(Failure { why, unknown_flag: false }));
        };
        let said = arguments(&mut tool, args, root, oldest, &asked, schemas);
        Ok(output(tool, &what, &known, interrupted)?.map(|text| (text, said)))
    };
    // Whether values are valid is not what is asked, and schemas must not be fetched for it.
    let mut done = run(Schemas::LeftOut)?;
    if done.as_ref().is_err_and(|failure| failure.unknown_flag) {
        if refers_elsewhere(root) {
            return Ok(Err(format!(
                "{what}: not judged, because it may have a schema that refers to another, and this \
                 helm would fetch that; helm 3.16 and later can leave schemas out"
            )));
        }
        done = run(Schemas::Read)?;
    }
    let (text, said) = match done {
        Ok(done) => done,
        Err(failure) => return Ok(Err(with_help(failure.why, root))),
    };
    let mut hidden = Hidden::default();
    named(&mut hidden);
    let rendering = Rendering {
        root: root.to_owned(),
        by: Renderer::Helm,
        text,
        values: args.values.clone(),
        set: asked.set.into_iter().map(|pair| pair.key).collect(),
        hidden,
    };
    Ok(Ok(Rendered { rendering, said }))
}

/// What Helm is asked for, when it may be.
struct Asked {
    release: String,
    set: Vec<Pair>,
}

impl Asked {
    fn of(args: &CheckArgs, root: &str) -> Result<Self, String> {
        let Some(name) = name(root) else { return Err(no_chart(root)) };
        let release = args.release.clone().unwrap_or(name);
        if release_name(&release) != release {
            return Err(format!("--release: {} is no name of a release", clean(&release)));
        }
        for path in &args.values {
            may_be_values(path).map_err(|why| format!("--values: {} {why}", clean(path)))?;
        }
        let mut set = Vec::new();
        for (number, given) in args.set.iter().enumerate() {
            let pairs = set::pairs(given);
            // It is not shown: what has no name may be a secret.
            set.extend(pairs.ok_or_else(|| {
                format!("--set: what is given {} has no KEY=VALUE", nth(number + 1))
            })?);
        }
        stays(root, MOST_FILES).map_err(|why| {
            format!(
                "not judged, because {}, or pack the chart yourself: helm package {}",
                clean(&why),
                clean(root)
            )
        })?;
        Ok(Self { release, set })
    }
}

/// What becomes of the schemas of a chart's values.
#[derive(Clone, Copy)]
enum Schemas {
    /// They are not looked at. Helm knows the flag since 3.16.
    LeftOut,
    Read,
}

fn nth(number: usize) -> String {
    match number {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        number => format!("as number {number}"),
    }
}

/// Why a path is not that of a chart.
fn no_chart(root: &str) -> String {
    const PULL: &str = "charts of a repository or registry are pulled first: helm pull";
    let path = Path::new(root);
    if path.symlink_metadata().is_ok() {
        return format!("neither a folder with a Chart.yaml nor a packed chart ({PULL})");
    }
    if root.contains("://") {
        return format!("is an address, and nothing is fetched; {PULL}");
    }
    let is_chart = |path: &Path| {
        path.join("Chart.yaml").is_file() || path.extension().is_some_and(|e| e == "tgz")
    };
    match near(path, is_chart) {
        Some(near) => {
            let near = discover::shown(&near);
            format!("does not exist; did you mean {}?", clean(&near))
        }
        None => format!("does not exist ({PULL})"),
    }
}

/// Whether a path is that of a file, for Helm too: it reads standard input for `-`, and fetches what
/// has a scheme (helm v3.22 pkg/cli/values/options.go, readFile).
fn may_be_values(path: &str) -> Result<(), String> {
    if path.contains("://") {
        return Err("is an address, and nothing is fetched; fetch it first".to_owned());
    }
    if path.chars().any(char::is_control) {
        return Err("has control characters in its name".to_owned());
    }
    let path = Path::new(path);
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err("is no file".to_owned()),
        Err(_) => Err(clean(&discover::absent(path, Path::is_file)).into_owned()),
    }
}

/// One path for a flag that takes several, as CSV (pflag string_slice.go, readAsCSV).
fn one_of_a_list(path: &str) -> String {
    match path.contains([',', '"']) {
        true => format!("\"{}\"", path.replace('"', "\"\"")),
        false => path.to_owned(),
    }
}

/// Gives the tool its arguments, and tells them as a person would type them.
fn arguments(
    tool: &mut Tool,
    args: &CheckArgs,
    root: &str,
    oldest: u16,
    asked: &Asked,
    schemas: Schemas,
) -> String {
    let release = &asked.release;
    tool.command.args(["template", release]).arg(as_argument(root)).arg("--include-crds");
    let mut said = format!("rendered by helm template {release} {} --include-crds", clean(root));
    if matches!(schemas, Schemas::LeftOut) {
        tool.command.arg("--skip-schema-validation");
        said.push_str(" --skip-schema-validation");
    }
    let mut flag = |flag: &str, value: &str, shown: &str| {
        tool.command.arg(format!("{flag}={value}"));
        said.push_str(&format!(" {flag} {}", clean(shown)));
    };
    if let Some(namespace) = &args.namespace {
        flag("--namespace", namespace, namespace);
    }
    // Helm's own idea of a cluster depends on how it was built.
    let version = format!("1.{oldest}.0");
    flag("--kube-version", &version, &version);
    for values in &args.values {
        flag("--values", &one_of_a_list(&as_argument(values)), values);
    }
    for set in &args.set {
        // What is set may be a secret.
        let pairs = set::pairs(set).unwrap_or_default();
        let shown: Vec<String> = pairs.iter().map(|pair| format!("{}=...", pair.key)).collect();
        flag("--set", set, &shown.join(","));
    }
    said
}

/// Whether all links of a chart's folder stay in it, or why that cannot be said, for a sentence that
/// goes on with "or". Helm reads what links lead to (helm v3.22 internal/sympath/walk.go), whatever
/// that is; those of a packed chart are files without content to it (pkg/chart/loader/archive.go).
fn stays(root: &str, most: usize) -> Result<(), String> {
    let path = Path::new(root);
    if path.is_file() {
        return Ok(());
    }
    let unread =
        |what: &Path, error| format!("{} cannot be read: {error}; mend that", what.display());
    let real = path.canonicalize().map_err(|error| unread(path, error))?;
    let inside = |path: &Path| path.strip_prefix(&real).unwrap_or(path).to_owned();
    let mut open = vec![real.clone()];
    let mut left = most;
    while let Some(folder) = open.pop() {
        let unread = |error| unread(&folder, error);
        let entries = std::fs::read_dir(&folder).map_err(unread)?;
        // One more than are looked at: a folder of millions is not read to its end.
        let entries: std::io::Result<Vec<_>> = entries.take(left + 1).collect();
        let mut entries = entries.map_err(unread)?;
        let Some(fewer) = left.checked_sub(entries.len()) else {
            return Err(format!(
                "it has more than {most} files and folders, too many to look for links out of it; \
                 take some away"
            ));
        };
        left = fewer;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(unread)?;
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_symlink() {
                match path.canonicalize() {
                    Ok(target) if target.starts_with(&real) => {}
                    Ok(_) => {
                        return Err(format!(
                            "{} links to what is outside of the chart and helm would read it; copy \
                             it into the chart",
                            inside(&path).display()
                        ));
                    }
                    // One that leads nowhere makes Helm fail, which says so.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(unread(error)),
                }
            }
        }
    }
    Ok(())
}

/// The name a release of the chart gets: that of the chart's folder, or of the archive without its
/// version.
fn name(root: &str) -> Option<String> {
    let path = Path::new(root);
    if path.is_dir() {
        if !path.join("Chart.yaml").is_file() {
            return None;
        }
        let real = path.canonicalize().ok()?;
        return Some(release_name(&real.file_name()?.to_string_lossy()));
    }
    let mut head = [0; 2];
    mmap::open_regular(path).and_then(|mut file| file.read_exact(&mut head)).ok()?;
    if head != [0x1F, 0x8B] {
        return None;
    }
    let stem = path.file_name()?.to_string_lossy().into_owned();
    let stem = stem.strip_suffix(".tgz").or(stem.strip_suffix(".tar.gz")).unwrap_or(&stem);
    let digit = |(at, _): &(usize, &str)| stem[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    let end = stem.match_indices('-').find(digit).map_or(stem.len(), |(at, _)| at);
    Some(release_name(&stem[..end]))
}

/// A name as Helm takes it: at most 53 of lower case letters, digits and hyphens (helm v3.22
/// pkg/chartutil/validate_name.go).
fn release_name(text: &str) -> String {
    let allowed = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    let name: String = text.chars().map(allowed).take(53).collect();
    match name.trim_matches('-') {
        "" => "release-name".to_owned(),
        name => name.to_owned(),
    }
}

fn with_help(why: String, root: &str) -> String {
    match why.contains("missing in charts/") {
        true => format!("{why}; fetch them first: helm dependency build {}", clean(root)),
        false => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_names_that_helm_takes() {
        assert_eq!(release_name("My_Chart"), "my-chart");
        assert_eq!(release_name("..."), "release-name");
    }

    #[test]
    fn a_chart_of_more_files_than_are_looked_at_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_str().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        for name in ["a/b", "a/c"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(stays(root, 3), Ok(()));
        let why = stays(root, 2).unwrap_err();
        assert!(why.contains("it has more than 2 files and folders"), "{why}");
        // A link out of it is not hidden behind them.
        std::os::unix::fs::symlink("/etc", dir.path().join("a/z")).unwrap();
        assert!(stays(root, 3).unwrap_err().contains("more than 3"));
        assert!(stays(root, 4).unwrap_err().starts_with("a/z links to what is outside"));
        // Neither is one that cannot be followed.
        std::fs::remove_file(dir.path().join("a/z")).unwrap();
        std::os::unix::fs::symlink("z", dir.path().join("a/z")).unwrap();
        assert!(stays(root, 4).unwrap_err().contains("a cannot be read"));
        assert!(stays("/nowhere", 4).unwrap_err().starts_with("/nowhere cannot be read"));
    }

    #[test]
    fn a_path_with_commas_is_one() {
        assert_eq!(one_of_a_list("./a.yaml"), "./a.yaml");
        assert_eq!(one_of_a_list("./a,b\"c.yaml"), "\"./a,b\"\"c.yaml\"");
        assert!(may_be_values("https://example.com/values.yaml").is_err());
        assert!(may_be_values("a\nb").is_err());
    }
}
