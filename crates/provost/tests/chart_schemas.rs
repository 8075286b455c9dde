//! Rendering a chart fetches no schema of its values, however the chart brings it, whether or not
//! helm can be told to leave schemas out.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use support::{Dir, Run, tool};
use tar::EntryType;

const CHART: &str = "apiVersion: v2\nname: a\nversion: 0.1.0\n";
const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: a, image: b}]}\n";

fn with_helm(dir: Dir, name: &str) -> Dir {
    let bin = dir.path().join(".bin");
    fs::create_dir_all(&bin).unwrap();
    if name != "old" {
        symlink(tool(name), bin.join("helm")).unwrap();
        return dir;
    }
    // One of before 3.16, which does not know the flag.
    let dir = dir.file(
        ".bin/helm",
        format!(
            "#!/bin/sh\ncase \"$*\" in *--skip-schema-validation*)\n\
             echo 'WARNING: Kubernetes configuration file is group-readable.' >&2\n\
             echo 'Error: unknown flag: --skip-schema-validation' >&2; exit 1;;\nesac\n\
             exec '{}' \"$@\"\n",
            tool("helm").display()
        ),
    );
    fs::set_permissions(bin.join("helm"), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn check(dir: &Dir, chart: &str) -> Run {
    let bin = dir.path().join(".bin");
    let args = ["check", "--date", "2026-11-24", "--format", "json", "--chart", chart];
    dir.provost_with_env(&args, &[("PATH", bin.to_str().unwrap())])
}

fn chart(dir: Dir, folder: &str) -> Dir {
    dir.file(&format!("{folder}/Chart.yaml"), CHART)
        .file(&format!("{folder}/templates/pod.yaml"), POD)
}

/// A packed chart: `files` in one member of gzip each, behind those of the chart.
fn packed(dir: Dir, files: &[(&str, EntryType, &str)]) -> Dir {
    let archive = |files: &[(&str, EntryType, &str)], is_last: bool| {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, kind, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        let mut bytes = archive.into_inner().unwrap();
        if !is_last {
            // Without the mark of the end.
            bytes.truncate(bytes.len() - 1024);
        }
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&bytes).unwrap();
        packer.finish().unwrap()
    };
    let own = [
        ("a/Chart.yaml", EntryType::Regular, CHART),
        ("a/templates/pod.yaml", EntryType::Regular, POD),
    ];
    let mut bytes = archive(&own, false);
    bytes.extend(archive(files, true));
    dir.file("a-0.1.0.tgz", bytes)
}

/// Charts with a schema that refers to an address of this machine: what makes them, and their path.
type Case = (fn(&str) -> Dir, &'static str);

fn schema(url: &str) -> String {
    format!("{{\"allOf\": [{{\"$ref\": \"{url}/a.json\"}}]}}")
}

const CASES: [Case; 7] = [
    (|url| chart(Dir::new(), "a").file("a/values.schema.json", schema(url)), "a"),
    (
        |url| {
            let dialect = format!("{{\"$schema\": \"{url}/x//json-schema.org/y\"}}");
            chart(Dir::new(), "a").file("a/values.schema.json", dialect)
        },
        "a",
    ),
    (
        |url| {
            let dir = chart(Dir::new(), "a").file("a/s.txt", schema(url));
            symlink("s.txt", dir.path().join("a/values.schema.json")).unwrap();
            dir
        },
        "a",
    ),
    (
        |url| {
            let mut folder = "a".to_owned();
            let mut dir = chart(Dir::new(), &folder);
            for _ in 0..9 {
                folder.push_str("/charts/a");
                dir = chart(dir, &folder);
            }
            dir.file(&format!("{folder}/values.schema.json"), schema(url))
        },
        "a",
    ),
    (
        |url| packed(Dir::new(), &[("a\\values.schema.json", EntryType::Regular, &schema(url))]),
        "a-0.1.0.tgz",
    ),
    (
        |url| packed(Dir::new(), &[("a/values.schema.json", EntryType::Regular, &schema(url))]),
        "a-0.1.0.tgz",
    ),
    (
        |url| packed(Dir::new(), &[("a/values.schema.json", EntryType::Continuous, &schema(url))]),
        "a-0.1.0.tgz",
    ),
];

/// The first bytes that somebody sends to a server that answers nothing.
fn first_word(listener: TcpListener) -> std::thread::JoinHandle<[u8; 3]> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 3];
        stream.read_exact(&mut head).unwrap();
        head
    })
}

#[test]
fn helm_itself_would_ask() {
    for (number, (make, path)) in CASES.iter().enumerate() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let dir = make(&format!("http://{address}"));
        let asked = first_word(listener);
        let mut helm = Command::new(tool("helm"));
        let output = helm.args(["template", "a", path]).current_dir(dir.path()).output().unwrap();
        // When helm has not.
        if let Ok(mut stream) = TcpStream::connect(address) {
            let _ = stream.write_all(b"---");
        }
        assert_eq!(&asked.join().unwrap(), b"GET", "{number}: {output:?}");
    }
}

#[test]
fn schemas_are_never_fetched() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    for helm in ["helm", "helm4", "old"] {
        for (number, (make, path)) in CASES.iter().enumerate() {
            let run = check(&with_helm(make(&url), helm), path);
            let asked = server.accept().map(|_| "somebody asked").map_err(|error| error.kind());
            assert_eq!(asked, Err(ErrorKind::WouldBlock), "{helm} {number}: {run}");
            if helm == "old" {
                assert_eq!(run.code, 2, "{number}: {run}");
                assert!(run.out.contains("it may have a schema that refers to another"), "{run}");
            } else {
                assert!(run.out.contains("Pod/x"), "{helm} {number}: {run}");
            }
        }
    }
}

#[test]
fn a_helm_that_reads_schemas_is_given_charts_whose_schemas_stand_alone() {
    let schema = r##"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}"##;
    let dir = with_helm(chart(Dir::new(), "a"), "old").file("a/values.schema.json", schema);
    let run = check(&dir, "a");
    assert!(run.out.contains("Pod/x"), "{run}");
    assert!(!run.out.contains("--skip-schema-validation"), "{run}");
    // What a chart says is no word of helm's.
    let fail = "{{ fail \"\\nError: unknown flag: --skip-schema-validation\" }}";
    let dir = with_helm(chart(Dir::new(), "a"), "helm").file("a/templates/b.yaml", fail);
    let run = check(&dir, "a");
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("execution error"), "{run}");
}
