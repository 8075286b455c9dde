//! Feature gates: which guards a field, and from which release on it is on by default.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::Schema;

/// Gates whose field does not name them in `types.go`: `dropDisabledFields` of
/// `pkg/api/pod/util.go` (v1.37.2) is where the API server looks.
const UNMARKED: &[(&str, &str, &str)] = &[
    ("io.k8s.api.core.v1.Lifecycle", "stopSignal", "ContainerStopSignals"),
    ("io.k8s.api.core.v1.LifecycleHandler", "sleep", "PodLifecycleSleepAction"),
    ("io.k8s.api.core.v1.Volume", "image", "ImageVolume"),
];

/// Never on by default in a release that was read.
pub const NEVER: u8 = u8::MAX;

/// Fills [`super::Field::on`]. `features` are the files of all releases, newest first.
pub fn apply(schema: &mut Schema, api: &Path, features: &[String]) -> Result<()> {
    let mut on: BTreeMap<String, u8> = BTreeMap::new();
    for file in features {
        for (gate, minor) in defaults(file) {
            on.entry(gate).or_insert(minor);
        }
    }
    ensure!(on.len() > 100, "only {} feature gates", on.len());
    let mut guarded = 0;
    for file in type_files(api)? {
        let text = fs::read_to_string(&file)?;
        let folder = file.parent().and_then(|folder| folder.strip_prefix(api).ok());
        let package = folder.context("a types.go lies in a package")?.to_string_lossy();
        let package = format!("io.k8s.api.{}", package.replace('/', "."));
        for (structure, field, gates) in markers(&text) {
            // A gate that no release knows any more guards nothing.
            let Some(minor) = gates.iter().filter_map(|gate| on.get(*gate)).max() else { continue };
            let types = schema.types.get_mut(&format!("{package}.{structure}"));
            if let Some(field) = types.and_then(|fields| fields.get_mut(field)) {
                field.on = *minor;
                guarded += 1;
            }
        }
    }
    ensure!(guarded > 50, "only {guarded} fields have a gate");
    for (name, key, gate) in UNMARKED {
        let field = schema.types.get_mut(*name).and_then(|fields| fields.get_mut(*key));
        let field = field.with_context(|| format!("{name} has no {key}"))?;
        field.on = *on.get(*gate).with_context(|| format!("no gate {gate}"))?;
    }
    Ok(())
}

fn type_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for group in fs::read_dir(root)? {
        let group = group?.path();
        for version in fs::read_dir(&group).into_iter().flatten() {
            let file = version?.path().join("types.go");
            if file.is_file() {
                files.push(file);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The first release from which a gate stays on by default, by gate; [`NEVER`] when there is none.
///
/// Source: the map `defaultVersionedKubernetesFeatureGates`.
fn defaults(text: &str) -> BTreeMap<String, u8> {
    let mut gates = BTreeMap::new();
    let mut current: Option<&str> = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix(": {") {
            current = Some(name.rsplit('.').next().unwrap_or(name));
        } else if line == "}," {
            current = None;
        } else if let Some(gate) = current
            && let Some(minor) = between(line, "MustParse(\"1.", "\")")
            && let Ok(minor) = minor.parse::<u8>()
        {
            let on = gates.entry(gate.to_owned()).or_insert(NEVER);
            *on = match line.contains("Default: true") {
                true => (*on).min(minor),
                false => NEVER,
            };
        }
    }
    gates
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// Struct, JSON name and gates of every field with a `+featureGate` marker.
fn markers(text: &str) -> Vec<(&str, &str, Vec<&str>)> {
    let mut found = Vec::new();
    let mut structure = "";
    let mut gates: Vec<&str> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(rest) = line.strip_prefix("type ") {
            structure = rest.split(' ').next().unwrap_or_default();
            gates.clear();
        } else if let Some(comment) = trimmed.strip_prefix("//") {
            if let Some(names) = comment.trim().strip_prefix("+featureGate=") {
                gates.extend(names.split(',').map(str::trim));
            }
        } else {
            let name = between(trimmed, "json:\"", "\"").and_then(|name| name.split(',').next());
            if let Some(name) = name
                && !gates.is_empty()
            {
                found.push((structure, name, std::mem::take(&mut gates)));
            }
            gates.clear();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_on_from_the_release_that_keeps_it_on() {
        let text = "\
            \tSlow: {\n\
            \t\t{Version: version.MustParse(\"1.30\"), Default: false, PreRelease: featuregate.Alpha},\n\
            \t\t{Version: version.MustParse(\"1.32\"), Default: true, PreRelease: featuregate.Beta},\n\
            \t\t{Version: version.MustParse(\"1.34\"), Default: true, PreRelease: featuregate.GA},\n\
            \t},\n\
            \tgenericfeatures.Undone: {\n\
            \t\t{Version: version.MustParse(\"1.30\"), Default: true, PreRelease: featuregate.Beta},\n\
            \t\t{Version: version.MustParse(\"1.31\"), Default: false, PreRelease: featuregate.Beta},\n\
            \t},\n";
        let gates = defaults(text);
        assert_eq!(gates["Slow"], 32);
        assert_eq!(gates["Undone"], NEVER);
    }

    #[test]
    fn a_marker_belongs_to_the_field_below_it() {
        let text = "type Pod struct {\n\t// Text.\n\t// +featureGate=A,B\n\t// +optional\n\
            \tNew *string `json:\"new,omitempty\" protobuf:\"x\"`\n\tOld string `json:\"old\"`\n}\n\
            // +featureGate=C\ntype Other struct {\n\tX int `json:\"x\"`\n}\n";
        assert_eq!(markers(text), [("Pod", "new", vec!["A", "B"])]);
    }
}
