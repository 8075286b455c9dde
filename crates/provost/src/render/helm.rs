//! `helm template`

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use provost_check::artifact::render::{Renderer, Rendering};

use super::{Rendered, as_argument, output};
use crate::args::CheckArgs;

/// Renders a chart, or says why not.
pub(super) fn render(
    args: &CheckArgs,
    root: &str,
    oldest: u16,
    interrupted: &AtomicBool,
) -> Result<Result<Rendered, String>> {
    let what = format!("chart {root}");
    let Some(name) = name(root) else {
        return Ok(Err(format!(
            "{what}: neither a folder with a Chart.yaml nor a packed chart (charts of a repository \
             or registry are pulled first: helm pull)"
        )));
    };
    // Helm would fetch a values file from an address.
    if let Some(values) = args.values.iter().find(|path| !Path::new(path).is_file()) {
        return Ok(Err(format!("{what}: --values: {values} is no file")));
    }
    let release = args.release.clone().unwrap_or(name);
    let mut command = Command::new("helm");
    command.args(["template", &release]).arg(as_argument(root)).arg("--include-crds");
    let mut said = format!("rendered by helm template {release} {root} --include-crds");
    let mut flag = |flag: &str, value: &str| {
        command.arg(format!("{flag}={value}"));
        said.push_str(&format!(" {flag} {value}"));
    };
    if let Some(namespace) = &args.namespace {
        flag("--namespace", namespace);
    }
    // Helm's own idea of a cluster depends on how it was built.
    flag("--kube-version", &format!("1.{oldest}.0"));
    for values in &args.values {
        flag("--values", &as_argument(values));
    }
    for set in &args.set {
        // What is set may be a secret.
        let key = set.split('=').next().unwrap_or_default();
        command.arg(format!("--set={set}"));
        said.push_str(&format!(" --set {key}=..."));
    }
    // Plugins are programs; none is needed to render.
    command.env("HELM_NO_PLUGINS", "1");
    let text = match output(command, &what, interrupted)? {
        Ok(text) => text,
        Err(why) => return Ok(Err(with_help(why, root))),
    };
    let set = args.set.iter().flat_map(|set| keys(set)).collect();
    let rendering = Rendering {
        root: root.to_owned(),
        by: Renderer::Helm,
        text,
        values: args.values.clone(),
        set,
    };
    Ok(Ok(Rendered { rendering, said }))
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
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).ok()?;
    if !path.is_file() || head != [0x1F, 0x8B] {
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

/// The keys of `--set a.b=1,c[0]=2`.
fn keys(set: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    let mut depth = 0_u32;
    for (at, c) in set.char_indices().chain([(set.len(), ',')]) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 || at == set.len() => {
                keys.extend(set[start..at].split_once('=').map(|(key, _)| key.trim().to_owned()));
                start = at + 1;
            }
            _ => {}
        }
    }
    keys
}

fn with_help(why: String, root: &str) -> String {
    match why.contains("missing in charts/") {
        true => format!("{why}; fetch them first: helm dependency build {root}"),
        false => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_set_are_told_from_their_values() {
        assert_eq!(keys("a.b=1,c[0].d=x"), ["a.b", "c[0].d"]);
        assert_eq!(keys(r"a=1\,b=2"), ["a"]);
        assert_eq!(keys("a={b=1,c=2},d=3"), ["a", "d"]);
        assert_eq!(keys("a"), [""; 0]);
    }

    #[test]
    fn releases_have_names_that_helm_takes() {
        assert_eq!(release_name("My_Chart"), "my-chart");
        assert_eq!(release_name("..."), "release-name");
    }
}
