//! `pod-security-rejects` against the fixtures of the admission itself: pods that each version of
//! each level must refuse for one control, and pods that it must let pass.
//!
//! They are the `test/testdata/<level>/<version>/<pass|fail>/<control><n>.yaml` of the module
//! `k8s.io/pod-security-admission`; `cargo xtask tools` says where it lies.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use support::{Dir, files_below, tool};

/// What the admission calls a control, and what it prints as its reason.
const REASONS: &[(&str, &str)] = &[
    ("allowprivilegeescalation", "allowPrivilegeEscalation != false"),
    ("apparmorprofile", "forbidden AppArmor profile"),
    ("capabilities_baseline", "non-default capabilities"),
    ("capabilities_restricted", "unrestricted capabilities"),
    ("hostnamespaces", "host namespaces"),
    ("hostpathvolumes", "hostPath volumes"),
    ("hostports", "hostPort"),
    ("hostprobesandhostlifecycle", "probe or lifecycle host"),
    ("privileged", "privileged"),
    ("procmount", "procMount"),
    ("procmount_restricted", "procMount"),
    ("restrictedvolumes", "restricted volume types"),
    ("runasnonroot", "runAsNonRoot != true"),
    ("runasuser", "runAsUser=0"),
    ("seccompprofile_baseline", "seccompProfile"),
    ("seccompprofile_restricted", "seccompProfile"),
    ("selinuxoptions", "seLinuxOptions"),
    ("sysctls", "forbidden sysctls"),
    ("windowshostprocess", "hostProcess"),
];

/// Every pod of a level in a file of its own, in a namespace by the version that enforces it.
fn findings(level: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let folder = tool("pod-security-fixtures").join(level);
    let files = files_below(&folder);
    let mut namespaces = String::new();
    let mut dir = Dir::new().file("provost.toml", "[cluster]\nkubernetes = \"1.37\"\n");
    for entry in fs::read_dir(&folder).unwrap() {
        let version = entry.unwrap().file_name().into_string().unwrap();
        let name = version.replace('.', "-");
        let labels = format!(
            "pod-security.kubernetes.io/enforce: {level}, \
             pod-security.kubernetes.io/enforce-version: {version}"
        );
        let _ = writeln!(
            namespaces,
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}"
        );
    }
    dir = dir.file("namespaces.yaml", namespaces);
    for file in &files {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let namespace = file.split('/').next().unwrap().replace('.', "-");
        let placed =
            text.replacen("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"), 1);
        assert_ne!(text, placed, "{file}");
        dir = dir.file(&format!("pods/{file}"), placed);
    }
    let run = dir.provost(&["check", "--only", "pod-security-rejects", "--format", "json"]);
    assert_eq!(run.code, 1, "{run}");
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let mut found = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let path = finding["evidence"][0]["path"].as_str().unwrap();
        let message = finding["message"].as_str().unwrap().to_owned();
        assert_eq!(finding["level"], "error", "{path}: {message}");
        found.insert(path.trim_start_matches("pods/").to_owned(), message);
    }
    (files, found)
}

/// What the rule says differently from the admission, one line for each pod.
fn differences(level: &str) -> Vec<String> {
    let (files, found) = findings(level);
    let (mut differences, mut failing) = (Vec::new(), 0);
    for file in &files {
        let [_, expected, name] = file.split('/').collect::<Vec<_>>()[..] else {
            panic!("{file}: not <version>/<pass|fail>/<name>");
        };
        let control = name.trim_end_matches(".yaml").trim_end_matches(|c: char| c.is_ascii_digit());
        match (expected, found.get(file)) {
            ("pass", None) => {}
            ("pass", Some(message)) => differences.push(format!("{file} passes there: {message}")),
            ("fail", None) => differences.push(format!("{file} is refused there")),
            ("fail", Some(message)) => {
                failing += 1;
                // The controls of restricted replace those (`OverrideCheckIDs`).
                let minor = file.split_once('/').and_then(|(v, _)| v.strip_prefix("v1."));
                let minor: u16 = minor.unwrap().parse().unwrap();
                let control = match control {
                    "hostpathvolumes" if level == "restricted" => "restrictedvolumes",
                    "capabilities_baseline" if level == "restricted" && minor >= 22 => {
                        "capabilities_restricted"
                    }
                    other => other,
                };
                let reason = REASONS.iter().find(|(name, _)| *name == control);
                let (_, reason) = reason.unwrap_or_else(|| panic!("{file}: an unknown control"));
                if !reasons(message).contains(reason) {
                    differences.push(format!("{file} is refused there for {control}: {message}"));
                }
            }
            _ => panic!("{file}: neither pass nor fail"),
        }
    }
    assert!(failing > 500, "{level}: only {failing} of {} pods were refused", files.len());
    differences
}

/// `A; B` of "... refuses these pods for A; B: the Deployment is accepted ...".
fn reasons(message: &str) -> Vec<&str> {
    let (_, rest) = message.split_once(" for ").unwrap_or_default();
    let (reasons, _) = rest.split_once(": the ").unwrap_or_default();
    reasons.split("; ").collect()
}

const NONE: [String; 0] = [];

#[test]
fn baseline_is_judged_as_the_admission_does() {
    assert_eq!(differences("baseline"), NONE);
}

#[test]
fn restricted_is_judged_as_the_admission_does() {
    assert_eq!(differences("restricted"), NONE);
}
