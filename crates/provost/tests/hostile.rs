//! Bad input: a message with file and position, the rest still judged, no panic, no hang, and
//! nothing in the output that a terminal would obey.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use support::{Dir, Run, go_env, repository, succeed};

/// Has one finding, so that it shows that the rest is judged.
const GOOD: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout}
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers:
        - name: checkout
          image: ghcr.io/acme/checkout:1.4.2
          env: [{name: GOMEMLIMIT, value: 2GiB}]
          resources: {limits: {memory: 512Mi}}
";
const JUDGED: &str = "error[gomemlimit-above-memory-limit]";

fn good() -> Dir {
    Dir::new().file("good.yaml", GOOD)
}

/// Judges a folder with one bad file, or names that file, and checks what holds for every run.
#[track_caller]
fn check(dir: &Dir, args: &[&str]) -> Run {
    let mut text = None;
    for how in [&["--format", "json"][..], &["--verbose"], &[]] {
        let run = dir.provost(&[&["check", "--date", "2026-11-24"], how, args].concat());
        assert!(run.code == 1 || run.code == 2, "{run}");
        assert!(!run.err.contains("panicked"), "{run}");
        for stream in [&run.out, &run.err] {
            let obeyed = stream
                .chars()
                .find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
            assert_eq!(obeyed, None, "{how:?}: {run}");
            assert!(stream.len() < 100_000, "{how:?}: {} bytes", stream.len());
        }
        text = Some(run);
    }
    text.unwrap()
}

/// A bad file among others is reported at its place, and the others are judged.
#[track_caller]
fn reported(file: &str, bytes: impl AsRef<[u8]>, place: &str, message: &str) {
    reported_by("unparsable-input", file, bytes, place, message);
}

#[track_caller]
fn reported_by(rule: &str, file: &str, bytes: impl AsRef<[u8]>, place: &str, message: &str) {
    let dir = good().file(file, bytes);
    let run = check(&dir, &["."]);
    assert_eq!(run.code, 1, "{run}");
    for part in [format!("error[{rule}]").as_str(), place, message, JUDGED] {
        assert!(run.out.contains(part), "{part:?} is missing:\n{run}");
    }
}

/// `text` is on one line, whatever the width of the report.
fn unwrapped(run: &Run) -> String {
    run.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn broken_yaml_is_reported_at_its_place() {
    reported("bad.yaml", &GOOD[..GOOD.len() - 3], "--> bad.yaml:13:", "unclosed bracket");
    reported(
        "bad.yaml",
        format!("{GOOD}---\napiVersion: v1\nkind: \"Pod\n"),
        "--> bad.yaml:16:7",
        "unclosed quote",
    );
    let bytes = b"apiVersion: v1\nkind: Pod\nmetadata: {name: \xff\xfe}\n";
    reported("bad.yaml", bytes, "--> bad.yaml:3:18", "neither UTF-8 text");
    let bytes = b"apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\x00b\"}\n";
    reported("bad.yaml", bytes, "--> bad.yaml:3:20", "neither UTF-8 text");
}

#[test]
fn a_broken_document_hides_no_other_in_its_file() {
    let text = format!("apiVersion: v1\nkind: [Pod\n---\n{GOOD}");
    let run = check(&Dir::new().file("all.yaml", text), &["."]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("error[unparsable-input]"), "{run}");
    assert!(run.out.contains(JUDGED), "{run}");
}

#[test]
fn yaml_bombs_stay_small() {
    let mut bomb =
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (last, name) in ('a'..='y').zip('b'..='z') {
        let aliases = vec![format!("*{last}"); 9].join(",");
        writeln!(bomb, "  {name}: &{name} [{aliases}]").unwrap();
    }
    reported("bomb.yaml", bomb, "--> bomb.yaml:", "aliases");
    let open = format!("apiVersion: v1\nkind: ConfigMap\ndata: {}\n", "[".repeat(100_000));
    reported("deep.yaml", open, "--> deep.yaml:3:", "recursion limit");
    let (open, close) = ("{\"a\":".repeat(100_000), "}".repeat(100_000));
    let object = format!("{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"x\": {open}1{close}}}");
    reported("deep.json", object, "--> deep.json:1:", "recursion limit");
    let block: String = (0..3000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let text = format!("apiVersion: v1\nkind: Pod\n{block}");
    reported("steps.yaml", text, "--> steps.yaml:", "recursion limit");
}

#[test]
fn lines_of_50_megabytes_are_cut() {
    let long = "x".repeat(50 << 20);
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:";
    let dir = good()
        .file("open.yaml", format!("{head} {{a: \"{long}\n"))
        .file("whole.yaml", format!("{head} {{a: \"{long}\"}}\n"))
        .file("Dockerfile", format!("FROM scratch\nENV A={long}\n"));
    drop(long);
    let run = dir.provost(&["check", "--date", "2026-11-24"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.len() < 20_000);
    for part in ["--> open.yaml:4:", "--> whole.yaml:4:", "--> Dockerfile", JUDGED] {
        assert!(run.out.contains(part), "{part}: {run}");
    }
}

#[test]
fn broken_dockerfiles_are_reported_at_their_place() {
    reported("Dockerfile", "", "--> Dockerfile", "empty");
    // One instruction that BuildKit refuses leaves the others to be judged.
    let refused = |bytes: &[u8], place: &str, message: &str| {
        reported_by("rejected-by-builder", "Dockerfile", bytes, place, message);
    };
    refused(b"FROM scratch\nENTRYPONT [\"/x\"]\n", "--> Dockerfile:2:1", "ENTRYPOINT");
    // Positions are those of the file, not of a text with longer replacements.
    let bytes = b"FROM scratch\nLABEL a=\xff\xff\xff\xff\nENTRYPONT [\"/x\"]\n";
    refused(bytes, "--> Dockerfile:3:1", "ENTRYPOINT");
    reported("Dockerfile", bytes, "--> Dockerfile:2:9", "not valid UTF-8");
    reported("Dockerfile", b"FROM scratch\n\x00\x01\x02", "--> Dockerfile:2:1", "NUL");
    let text = "FROM scratch\nENV A=\u{1b}[2J\n\u{1b}]0;title\u{7} x\n";
    refused(text.as_bytes(), "--> Dockerfile:3:1", "unknown instruction");
    let deep = format!("FROM scratch\nENV A={}\n", "${A:-".repeat(12_000));
    refused(deep.as_bytes(), "--> Dockerfile:2:", "");
}

#[test]
fn names_with_terminal_escapes_are_shown_harmless() {
    let name = "check\\e[31mout\\r\\u202e\\u009b\\x07";
    let text = GOOD.replace("{name: checkout}", &format!("{{name: \"{name}\"}}"));
    let text = text.replace("- name: checkout", &format!("- name: \"{name}\""));
    assert!(text.matches("\\e[31m").count() == 2);
    let dir = Dir::new()
        .file("a\u{1b}[2J\u{202e}.yaml", &text)
        .file("Dockerfile", "FROM \u{1b}[31mx\nENTRYPOINT [\"/\u{9b}x\"]\n")
        .file("provost.toml", "");
    let run = check(&dir, &["."]);
    assert!(run.out.contains(JUDGED), "{run}");
    // Mistakes in the configuration and on the command line, too.
    let dir = dir.file("provost.toml", "\"\\u001b[31m\" = 1 # \u{9b}\n");
    let run = check(&dir, &["."]);
    assert!(run.code == 2 && run.err.contains("provost.toml"), "{run}");
    check(&good(), &["no\u{1b}[31m\u{202e}.yaml", "good.yaml"]);
    check(&good(), &["--only", "no\u{1b}[31m"]);
}

#[test]
fn odd_things_in_a_folder_are_passed_by() {
    let dir = good().file("folder.yaml/Dockerfile/x", "");
    for name in ["pipe.yaml", "sub.yaml"] {
        succeed(Command::new("mkfifo").arg(dir.path().join(name)));
    }
    let at = |name: &str| dir.path().join(name);
    symlink(".", at("loop")).unwrap();
    symlink("../folder.yaml", at("folder.yaml/up")).unwrap();
    symlink("one", at("two")).unwrap();
    symlink("two", at("one")).unwrap();
    symlink("nowhere", at("gone.yaml")).unwrap();
    symlink("/dev/zero", at("zero.yaml")).unwrap();
    let run = check(&dir, &["."]);
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(run.out.matches(JUDGED).count(), 1, "nothing is judged twice: {run}");
}

#[test]
fn what_is_named_and_cannot_be_judged_is_said_and_ends_with_2() {
    let dir = good().file("folder/x", "").file("empty.yaml", "").file("noise", [7, 0, 255, 1]);
    succeed(Command::new("mkfifo").arg(dir.path().join("pipe")));
    let cases: [(&[&str], &str); 8] = [
        (&["--binary", "folder"], "is a directory"),
        (&["--binary", "pipe"], "is no regular file"),
        (&["--binary", "empty.yaml"], "is no executable"),
        (&["--binary", "noise"], "is no executable"),
        (&["--dockerfile", "folder"], "is a directory"),
        (&["--dockerfile", "pipe"], "is no regular file"),
        (&["pipe"], "is no regular file"),
        (&["empty.yaml"], "is empty"),
    ];
    for (args, message) in cases {
        let run = check(&dir, &[args, &["good.yaml"]].concat());
        assert_eq!(run.code, 2, "{args:?}: {run}");
        assert!(run.out.contains(message), "{args:?}: {run}");
        let file = args.last().unwrap();
        assert!(run.out.contains(&format!("--> {file}: cannot be read")), "{args:?}: {run}");
        assert!(run.out.contains(JUDGED), "{args:?}: {run}");
    }
}

#[test]
fn a_named_path_that_does_not_exist_is_an_error_of_its_own() {
    let dir = good();
    symlink("nowhere", dir.path().join("gone.yaml")).unwrap();
    let cases: [(&[&str], &str); 6] = [
        (&["nope.yaml"], "nope.yaml does not exist"),
        (&["./a/nope"], "a/nope does not exist"),
        (&["gone.yaml"], "gone.yaml is a link to nothing"),
        (&["--binary", "nope"], "nope does not exist"),
        (&["--dockerfile", "nope"], "nope does not exist"),
        (&["--image", "oci:nope"], "nope does not exist"),
    ];
    for (args, message) in cases {
        let run = check(&dir, &[args, &["good.yaml"]].concat());
        assert_eq!(run.code, 2, "{args:?}: {run}");
        assert!(run.out.contains(&format!("\nerror: {message}\n")), "{args:?}: {run}");
        assert!(!run.out.contains("unparsable-input"), "{args:?}: {run}");
        assert!(run.out.contains(JUDGED), "the rest is judged: {run}");
        // Whatever the rules are, and however little is shown.
        let quiet = ["check", "--quiet", "--only", "missing-readiness-probe", "--fail-on", "never"];
        let run = dir.provost(&[&quiet, args, &["good.yaml"]].concat());
        assert!(run.code == 2 && run.out.contains(message), "{args:?}: {run}");
    }
    let run = dir.provost(&["check", "nope.yaml"]);
    assert_eq!(run.code, 2, "{run}");
    assert_eq!(run.out, "error: nope.yaml does not exist\n\nnothing was judged\n", "{run}");
}

#[test]
fn executables_that_lie_are_reported() {
    let dir = good();
    let path = dir.path().join("svc");
    let mut go = Command::new("go");
    // As its Dockerfile builds it, so that the standard library is compiled only once.
    go.args(["build", "-ldflags=-s -w", "-o"]).arg(&path).arg("./cmd/svc");
    go.env("CGO_ENABLED", "0").env("GOOS", "linux").env("GOARCH", "amd64");
    go.env("GOFLAGS", "-buildvcs=false").envs(go_env());
    succeed(go.current_dir(repository().join("examples/textbook")));
    let whole = fs::read(&path).unwrap();
    let number = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap()) as usize;
    // The ELF header of 64 bit: e_phoff, e_shoff; then how many.
    let (programs, sections) = (number(32), number(40));
    let count = |at: usize| usize::from(u16::from_le_bytes(whole[at..at + 2].try_into().unwrap()));
    let (program_count, section_count) = (count(56), count(60));
    let info = whole.windows(14).position(|w| w == b"\xff Go buildinf:").unwrap();
    let patched = |places: &[(usize, &[u8])]| {
        let mut bytes = whole.clone();
        for (at, patch) in places {
            bytes[*at..*at + patch.len()].copy_from_slice(patch);
        }
        bytes
    };
    let far = (1_u64 << 62).to_le_bytes();
    let all = |start: usize, count: usize, size: usize, field: usize| -> Vec<usize> {
        (0..count).map(|n| start + n * size + field).collect()
    };
    let set = |at: Vec<usize>, value: &[u8]| {
        patched(&at.into_iter().map(|at| (at, value)).collect::<Vec<_>>())
    };
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("header only", whole[..64].to_vec(), "headers are not readable"),
        ("half a header", whole[..20].to_vec(), "file header is not readable"),
        ("half a file", whole[..whole.len() / 2].to_vec(), "(at byte "),
        ("sections far away", set(vec![40], &far), "section headers are not readable"),
        ("section contents far away", set(all(sections, section_count, 64, 24), &far), "outside"),
        ("empty sections", set(all(sections, section_count, 64, 32), &[0; 8]), "not readable"),
        ("segments far away", set(all(programs, program_count, 56, 8), &far), "outside"),
        ("a long version", set(vec![info + 32], b"\xff\xff\xff\xff\x0f"), "is broken"),
        ("pointers", patched(&[(info + 14, &[8, 0]), (info + 16, &[0xff; 16])]), "is broken"),
    ];
    // As it is, there is nothing to say against the file.
    let run = check(&dir, &["--binary", "svc", "good.yaml"]);
    assert!(!run.out.contains("unparsable-input"), "{run}");
    for (name, bytes, message) in cases {
        fs::write(&path, bytes).unwrap();
        let run = check(&dir, &["--binary", "svc", "good.yaml"]);
        let text = unwrapped(&run);
        for part in ["error[unparsable-input]", message, "--> svc: cannot be read", JUDGED] {
            assert!(text.contains(part), "{name}: {part:?} is missing:\n{run}");
        }
    }
}
