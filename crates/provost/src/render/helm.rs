//! `helm template`

use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use provost_check::artifact::mmap;
use provost_check::artifact::render::{Hidden, Renderer, Rendering, refers_elsewhere, secrets_of};
use provost_check::report::plain::clean;

use super::set::{self, Pair};
use super::{Rendered, as_argument, output};
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
    let Some(mut tool) = offline("helm")? else {
        return Ok(Err(format!("{what}: not judged, because helm is not on PATH")));
    };
    let said = arguments(&mut tool, args, root, oldest, &asked);
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
    let text = match output(tool, &what, &known, interrupted)? {
        Ok(text) => text,
        Err(why) => return Ok(Err(with_help(why, root))),
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
        let Some(name) = name(root) else {
            let why = "neither a folder with a Chart.yaml nor a packed chart (charts of a \
                       repository or registry are pulled first: helm pull)";
            return Err(why.to_owned());
        };
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
        if let Some(link) = leaves(root) {
            return Err(format!(
                "not judged, because {} links to what is outside of the chart and helm would read \
                 it; copy it into the chart, or pack the chart yourself: helm package {}",
                clean(&link),
                clean(root)
            ));
        }
        Ok(Self { release, set })
    }
}

fn nth(number: usize) -> String {
    match number {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        number => format!("as number {number}"),
    }
}

/// Whether a path is that of a file, for Helm too: it reads standard input for `-`, and fetches what
/// has a scheme (helm v3.22 pkg/cli/values/options.go, readFile).
fn may_be_values(path: &str) -> Result<(), &'static str> {
    if path.contains("://") {
        return Err("is an address, and nothing is fetched; fetch it first");
    }
    if path.chars().any(char::is_control) {
        return Err("has control characters in its name");
    }
    match Path::new(path).is_file() {
        true => Ok(()),
        false => Err("is no file"),
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
fn arguments(tool: &mut Tool, args: &CheckArgs, root: &str, oldest: u16, asked: &Asked) -> String {
    let release = &asked.release;
    tool.command.args(["template", release]).arg(as_argument(root)).arg("--include-crds");
    let mut said = format!("rendered by helm template {release} {} --include-crds", clean(root));
    // Whether values are valid is not what is asked, and a schema must not be fetched for it. Helm
    // knows the flag since 3.16.
    if refers_elsewhere(root) {
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

/// The first link of a chart's folder that leads out of it. Helm reads what links lead to (helm
/// v3.22 internal/sympath/walk.go), whatever that is; those of a packed chart are files without
/// content to it (pkg/chart/loader/archive.go).
fn leaves(root: &str) -> Option<String> {
    let real = Path::new(root).canonicalize().ok().filter(|path| path.is_dir())?;
    let mut open = vec![real.clone()];
    let mut left = MOST_FILES;
    while let Some(folder) = open.pop() {
        let mut entries: Vec<_> =
            std::fs::read_dir(&folder).into_iter().flatten().flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            left = left.checked_sub(1)?;
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_symlink() {
                // One that leads nowhere makes Helm fail, which says so.
                let out = path.canonicalize().is_ok_and(|target| !target.starts_with(&real));
                if out {
                    return Some(path.strip_prefix(&real).unwrap_or(&path).display().to_string());
                }
            }
        }
    }
    None
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
    fn a_path_with_commas_is_one() {
        assert_eq!(one_of_a_list("./a.yaml"), "./a.yaml");
        assert_eq!(one_of_a_list("./a,b\"c.yaml"), "\"./a,b\"\"c.yaml\"");
        assert!(may_be_values("https://example.com/values.yaml").is_err());
        assert!(may_be_values("a\nb").is_err());
    }
}
