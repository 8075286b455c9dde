//! `examples/textbook` is refused with every fault of its `expected.toml`, `examples/checkout` has
//! none, and the tools that a team would use today are content with both.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use support::{Dir, Run, go_env, repository, succeed, tool};

const DATE: [&str; 2] = ["--date", "2026-11-24"];

/// Rules that are on by default; a gate that lost some would find `checkout` clean, too.
const LEAST_RULES: usize = 30;

struct Fault {
    rule: String,
    subject: String,
    /// File, and a text in it.
    places: Vec<(String, Option<String>)>,
}

fn expected() -> Vec<Fault> {
    let text = fs::read_to_string(repository().join("examples/textbook/expected.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let string = |value: &toml::Value| value.as_str().unwrap().to_owned();
    let faults: Vec<Fault> = table["fault"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| Fault {
            rule: string(&fault["rule"]),
            subject: string(&fault["subject"]),
            places: fault["places"]
                .as_array()
                .unwrap()
                .iter()
                .map(|place| (string(&place["file"]), place.get("text").map(string)))
                .collect(),
        })
        .collect();
    assert!(faults.len() >= 20, "{} faults", faults.len());
    faults
}

/// The number of the one line of an example's file that contains a text.
fn line_of(file: &str, text: &str) -> u64 {
    let content = fs::read_to_string(repository().join("examples/textbook").join(file)).unwrap();
    let lines: Vec<u64> =
        (1..).zip(content.lines()).filter(|(_, l)| l.contains(text)).map(|(n, _)| n).collect();
    let [line] = lines[..] else { panic!("{file}: {text:?} is on the lines {lines:?}") };
    line
}

fn id(finding: &Value) -> String {
    let rule = finding["rule"].as_str().unwrap();
    match finding["variant"].as_str() {
        Some(variant) => format!("{rule}/{variant}"),
        None => rule.to_owned(),
    }
}

/// Whether a finding has evidence on that line; without a line, whether it has any in that file.
fn shows(finding: &Value, path: &str, line: Option<u64>) -> bool {
    finding["evidence"].as_array().unwrap().iter().any(|evidence| {
        let lines = (evidence["start"]["line"].as_u64(), evidence["end"]["line"].as_u64());
        evidence["path"] == path
            && line.is_none_or(|line| {
                lines.0.is_some_and(|start| (start..=lines.1.unwrap_or(start)).contains(&line))
            })
    })
}

fn report(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}\n{run}"))
}

/// A copy outside the repository, so that no commit is stamped into the programs.
fn check_textbook(format: &str) -> Run {
    Dir::new().copy_of("examples", |_| ()).provost_with_env(
        &["check", "--build", "--format", format, DATE[0], DATE[1], "textbook"],
        &go_env(),
    )
}

#[test]
fn the_textbook_example_is_refused_with_every_fault_at_its_places() {
    let run = check_textbook("json");
    assert_eq!(run.code, 1, "{run}");
    let report = report(&run);
    let findings = report["findings"].as_array().unwrap();
    let mut missing = Vec::new();
    for fault in expected() {
        let in_folder = |path: &str| format!("textbook/{path}");
        let found = findings.iter().any(|finding| {
            let subject = finding["subject"].as_str().unwrap();
            id(finding) == fault.rule
                && (subject == fault.subject || subject == in_folder(&fault.subject))
                && fault.places.iter().all(|(file, text)| {
                    let line = text.as_deref().map(|text| line_of(file, text));
                    shows(finding, &in_folder(file), line)
                })
        });
        if !found {
            missing.push(format!("{} of {} at {:?}", fault.rule, fault.subject, fault.places));
        }
    }
    assert!(missing.is_empty(), "not found:\n{}\nfound:\n{findings:#?}", missing.join("\n"));
    for evidence in ["objects", "dockerfiles", "binaries"] {
        assert!(report["summary"][evidence].as_u64().unwrap() >= 2, "{evidence}");
    }
}

/// The table of `examples/README.md` names the lines that `expected.toml` names by their text.
#[test]
fn the_table_of_the_examples_is_the_list_of_the_tests() {
    let readme = fs::read_to_string(repository().join("examples/README.md")).unwrap();
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| fault "))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let expected = expected();
    assert_eq!(rows.len(), expected.len());
    for (row, fault) in rows.iter().zip(&expected) {
        let [_, _, places, rule] = row[..] else { panic!("{row:?}") };
        let named = rule.replace(" [", "/").replace(']', "");
        assert_eq!(named, fault.rule, "{row:?}");
        for (file, text) in &fault.places {
            let place = match text {
                Some(text) => format!("{file}:{}", line_of(file, text)),
                None => file.clone(),
            };
            assert!(places.split(", ").any(|shown| shown == place), "{place} in {row:?}");
        }
    }
}

#[test]
fn the_checkout_example_is_clean() {
    let dir = Dir::new().copy_of("examples/checkout", |_| ());
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=Example", "-c", "user.email=example@example.com"]);
        // Neither hooks nor signing of the developer's.
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        succeed(git.args(args).current_dir(dir.path()))
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "The service"]);
    let mut env = go_env();
    env.push(("GOFLAGS".to_owned(), "-buildvcs=true".to_owned()));
    let args = ["check", "--build", "--format", "json", DATE[0], DATE[1]];
    // What --build makes and what go notes in a home folder would make the tree dirty.
    let home = Dir::new();
    env.push(("HOME".to_owned(), home.path().to_str().unwrap().to_owned()));
    let run = dir.provost_with_env(&args, &env);
    assert_eq!(run.code, 0, "{run}");
    let report = report(&run);
    assert_eq!(report["findings"], serde_json::json!([]), "{run}");
    assert_eq!(report["suppressed"], serde_json::json!([]), "{run}");
    // Nothing was left out that could have been judged.
    for evidence in ["objects", "dockerfiles", "binaries"] {
        assert!(report["summary"][evidence].as_u64().unwrap() >= 1, "{run}");
    }
    let listed = dir.provost(&["explain"]).out;
    let rules = listed
        .lines()
        .filter(|line| {
            let mut words = line.split_whitespace();
            let level = words.next().unwrap_or_default();
            line.starts_with("  ")
                && ["deny", "warn", "note"].contains(&level)
                && words.next().is_some_and(|id| !id.starts_with('/'))
        })
        .count();
    let not_judged = report["summary"]["rules_not_judged"].as_u64().unwrap() as usize;
    assert!(rules >= LEAST_RULES + not_judged, "{rules} rules, {not_judged} not judged");
    // The build is the one that go.mod asks for, and says its commit.
    let built = report["built"].to_string();
    let toolchain = fs::read_to_string(dir.path().join("go.mod")).unwrap();
    let toolchain = toolchain.lines().find_map(|l| l.strip_prefix("toolchain ")).unwrap();
    assert!(built.contains(&format!("GOTOOLCHAIN={toolchain}")), "{built}");
    let cache = home.path().join(".cache/provost");
    let binary = support::files_below(&cache);
    let [binary] = &binary[..] else { panic!("{binary:?}") };
    let binary = cache.join(binary);
    let version = succeed(Command::new("go").args(["version", "-m"]).arg(binary));
    assert!(version.contains(&format!(": {toolchain}\n")), "{version}");
    assert!(version.contains("vcs.modified=false"), "{version}");
}

fn manifests() -> Vec<PathBuf> {
    let folder = repository().join("examples/textbook/deploy");
    let files = support::files_below(&folder);
    assert!(files.len() >= 5, "{files:?}");
    files.iter().map(|file| folder.join(file)).collect()
}

#[test]
fn kube_score_finds_nothing_critical_in_the_textbook() {
    let checks = support::kube_score(&manifests());
    for (object, check) in &checks {
        // 1 is critical, 5 a warning, 10 fine.
        assert!(check["grade"].as_i64().unwrap() >= 5, "{object}\n{check:#}");
    }
    assert!(checks.len() >= 50, "kube-score made {} checks", checks.len());
}

#[test]
fn kubeconform_accepts_the_textbook_strictly() {
    let valid = support::kubeconform(&manifests());
    assert!(valid >= 15, "{valid}");
}

#[test]
fn hadolint_has_style_and_notes_at_most_for_the_textbook() {
    let folder = repository().join("examples/textbook");
    let out = succeed(
        Command::new(tool("hadolint"))
            .args(["--no-fail", "--format", "json", "Dockerfile", "Dockerfile.receipts"])
            .current_dir(&folder),
    );
    let problems: Vec<Value> = serde_json::from_str(&out).unwrap();
    for problem in &problems {
        assert!(["info", "style"].contains(&problem["level"].as_str().unwrap()), "{problem}");
    }
    // It has an opinion about a Dockerfile that is worse.
    let worse = Dir::new().file("Dockerfile", "FROM golang\nRUN cd /tmp && sudo ls\n");
    let out = succeed(
        Command::new(tool("hadolint"))
            .args(["--no-fail", "--format", "json", "Dockerfile"])
            .current_dir(worse.path()),
    );
    assert!(out.contains("\"error\"") || out.contains("\"warning\""), "{out}");
}
