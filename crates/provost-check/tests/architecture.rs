//! What ARCHITECTURE.md says that no folder does, read from the sources.

#![allow(missing_docs, clippy::unwrap_used, reason = "it is a test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Sources below a folder of the workspace, without tests and comments.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut open, mut files) = (vec![root.join(folder)], Vec::new());
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !["tests", "testdata", "pages"].contains(&name) {
                    open.push(path);
                }
            } else if name.ends_with(".rs") && !["tests.rs", "pages.rs"].contains(&name) {
                let code = code(&fs::read_to_string(&path).unwrap());
                files.push((path, code));
            }
        }
    }
    assert!(files.len() >= 5, "{folder} has {} sources", files.len());
    files
}

/// What is compiled into the product: no comments, and nothing behind the module of tests.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    // Up to a module that is in a file of its own, the rest of the file counts as well.
    let product = if product.len() < text.len()
        && text[product.len()..].lines().nth(1).is_some_and(|line| line.ends_with(';'))
    {
        text
    } else {
        product
    };
    let lines = product.lines().map(|line| {
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") { "" } else { line }
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// Where a word stands in the sources of a folder.
fn naming(folder: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, code) in sources(folder) {
        for (number, line) in (1..).zip(code.lines()) {
            for word in words.iter().filter(|word| names(line, word)) {
                found.push(format!("{}:{number}: {word}", path.display()));
            }
        }
    }
    found.sort();
    found
}

/// Whether the word is there, and not as a part of a longer name.
fn names(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(joins) && !line[at + word.len()..].starts_with(joins))
}

const NONE: [String; 0] = [];

/// Files, processes, sockets, the environment and the clock.
const OUTSIDE: [&str; 14] = [
    "std::fs",
    "fs::read",
    "std::env",
    "env::var",
    "std::process",
    "std::thread",
    "std::time",
    "File::open",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "process::Command",
    "Zoned::now",
];

#[test]
fn rules_read_facts_and_nothing_else() {
    let rules = "provost-check/src/rules";
    assert_eq!(naming(rules, &["artifact::", "crate::artifact", "super::artifact"]), NONE);
    assert_eq!(naming(rules, &["std::net"]), NONE);
    assert_eq!(naming(rules, &OUTSIDE), NONE);
}

#[test]
fn facts_models_joins_and_findings_are_pure() {
    for folder in ["facts", "model", "case", "findings", "report"] {
        let folder = format!("provost-check/src/{folder}");
        assert_eq!(naming(&folder, &OUTSIDE), NONE);
    }
    // Formulas know no types of the product.
    let product = ["crate::facts", "crate::case", "crate::rules", "crate::artifact"];
    assert_eq!(naming("provost-check/src/model", &product), NONE);
    // The data goes one way.
    let later = ["crate::rules", "crate::report", "crate::case"];
    assert_eq!(naming("provost-check/src/facts", &later), NONE);
    let decide = ["crate::report", "crate::findings::Finding", "Judged"];
    assert_eq!(naming("provost-check/src/artifact", &decide), NONE);
}

#[test]
fn one_folder_speaks_with_the_network() {
    let speak = ["std::net", "TcpStream", "TcpListener", "UdpSocket", "ureq"];
    for folder in ["goformats/src", "provost-check/src"] {
        assert_eq!(naming(folder, &speak), NONE);
    }
    let named = naming("provost/src", &speak);
    assert!(!named.is_empty());
    let elsewhere = named.iter().find(|place| !place.contains("/provost/src/registry/"));
    assert_eq!(elsewhere, None);
}

#[test]
fn what_measures_does_not_judge() {
    let judges = ["findings", "rules", "report", "case", "pipeline"]
        .map(|module| format!("provost_check::{module}"));
    let judges: Vec<&str> = judges.iter().map(String::as_str).collect();
    assert_eq!(naming("provost-live/src", &judges), NONE);
    // An image is read by one reader, whoever unpacks it, and the program that runs is mapped as any.
    let readers = ["provost_check::artifact::image", "provost_check::artifact::mmap"];
    let reads = naming("provost-live/src", &["provost_check::artifact"]);
    assert_eq!(reads.len(), naming("provost-live/src", &readers).len(), "{reads:?}");
    assert!(!naming("provost-live/src", &["provost_check::facts"]).is_empty());
    // Only the loopback address, and what the process itself is bound to.
    let names = ["ToSocketAddrs", "lookup_host"];
    assert_eq!(naming("provost-live/src", &names), NONE);
}

#[test]
fn goformats_opens_nothing_and_knows_nothing_of_kubernetes() {
    assert_eq!(naming("goformats/src", &OUTSIDE), NONE);
    assert_eq!(naming("goformats/src", &["Deployment", "Dockerfile", "kubelet", "Pod"]), NONE);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../goformats");
    let library = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    assert!(library.contains("#![forbid(unsafe_code)]"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("provost"), "{manifest}");
}

#[test]
fn only_the_command_prints_and_only_main_ends_it() {
    let prints = ["println!", "eprintln!", "print!", "eprint!", "io::stdout", "io::stderr"];
    for folder in ["goformats/src", "provost-check/src"] {
        assert_eq!(naming(folder, &prints), NONE);
        assert_eq!(naming(folder, &["process::exit"]), NONE);
    }
}

#[test]
fn this_test_sees_what_is_there() {
    assert!(!naming("provost-check/src/artifact", &["File::open", "std::fs"]).is_empty());
    assert!(!naming("provost-check/src/rules", &["crate::facts"]).is_empty());
    assert!(names("use std::fs;", "std::fs") && !names("std::fsync", "std::fs"));
    assert_eq!(code("a\n// b\n#[cfg(test)]\nmod tests {\n c }\n"), "a\n\n");
    assert_eq!(code("a\n#[cfg(test)]\nmod tests;\nb\n"), "a\n#[cfg(test)]\nmod tests;\nb\n");
}
