//! What the user of the command line sees: text, exit codes, files.

#[path = "cli/config.rs"]
mod config;
#[path = "support/prove.rs"]
mod proving;
mod support;
#[path = "cli/targets.rs"]
mod targets;

use std::fs;

use support::{Dir, Run};

const DEPLOYMENT: &str = "\
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
          env:
            - {name: GOMEMLIMIT, value: 2GiB}
          resources:
            limits: {memory: 512Mi}
";

/// One rule, so that a new rule changes none of these tests.
const ONE: [&str; 2] = ["--only", "gomemlimit-above-memory-limit"];

fn deployment() -> Dir {
    Dir::new().file("deploy/checkout.yaml", DEPLOYMENT)
}

fn check(dir: &Dir, args: &[&str]) -> Run {
    dir.provost(&[&["check", "--date", "2026-11-23"], args].concat())
}

#[test]
fn a_refusal_shows_every_place_and_ends_with_1() {
    let dir = deployment();
    let run = check(&dir, &ONE);
    assert_eq!(run.code, 1, "{run}");
    insta::assert_snapshot!(run.out, @r#"
    error[gomemlimit-above-memory-limit]: GOMEMLIMIT (2 GiB) is above the
      container's memory limit (512 MiB)
      --> deploy/checkout.yaml:13:41
       |
    13 |             - {name: GOMEMLIMIT, value: 2GiB}
       |                                         ^^^^ the runtime starts to collect
       |                                              harder at 2147483648 bytes
    14 |           resources:
    15 |             limits: {memory: 512Mi}
       |                              ----- the kernel kills at 536870912 bytes
       |
       = fix (safe): set GOMEMLIMIT to 460MiB (90 % of the limit)
       = help: provost explain gomemlimit-above-memory-limit

    1 error in 1 object
    "#);
    assert_eq!(run.err, "");
}

#[test]
fn a_pass_says_what_was_judged() {
    let dir = Dir::new().file("deploy/checkout.yaml", DEPLOYMENT.replace("2GiB", "460MiB"));
    let run = check(&dir, &[&ONE[..], &["deploy"]].concat());
    assert_eq!(run.code, 0, "{run}");
    insta::assert_snapshot!(run.out, @"no findings in 1 object");
}

#[test]
fn nothing_to_judge_is_no_pass() {
    let dir = Dir::new().file("notes.txt", "hello\n");
    let run = check(&dir, &[]);
    assert_eq!(run.code, 2, "{run}");
    insta::assert_snapshot!(run.out, @r#"
    nothing was judged: no Kubernetes manifest, Dockerfile or Go binary was found;
      name the directory that holds them
    "#);
    let run = check(&dir.file("go.mod", "module example.com/x\n\ngo 1.27\n"), &[]);
    assert_eq!(run.code, 2, "{run}");
    insta::assert_snapshot!(run.out, @r#"
    nothing was judged: go.mod is a Go module, but no manifest, Dockerfile or binary
      was found beside it; --build judges the program it builds
    "#);
}

#[test]
fn fail_on_decides_what_fails() {
    let dir = deployment();
    let code = |args: &[&str]| check(&dir, &[&ONE[..], args].concat()).code;
    let warn = "gomemlimit-above-memory-limit=warn";
    assert_eq!(code(&["--fail-on", "never"]), 0);
    assert_eq!(code(&["--level", warn]), 0);
    assert_eq!(code(&["--level", warn, "--fail-on", "warn"]), 1);
    assert_eq!(code(&["--level", "gomemlimit-above-memory-limit=note", "--fail-on", "warn"]), 0);
    assert_eq!(code(&["--level", "gomemlimit-above-memory-limit=note", "--fail-on", "note"]), 1);
    let off = ["--only", "naked-pod", "--level", "gomemlimit-above-memory-limit=off"];
    assert_eq!(code(&off), 0);
}

#[test]
fn a_named_path_that_cannot_be_judged_is_2_and_the_rest_is_reported() {
    let dir = deployment().file("notes.txt", "hello\n");
    let run = check(&dir, &[&ONE[..], &["deploy", "missing.yaml"]].concat());
    assert_eq!(run.code, 2, "{run}");
    assert!(run.out.contains("GOMEMLIMIT (2 GiB) is above"), "{run}");
    let all = check(&dir, &["deploy", "missing.yaml"]);
    assert!(all.out.contains("missing.yaml"), "{all}");
    let run = check(&dir, &[&ONE[..], &["deploy", "notes.txt"]].concat());
    assert_eq!(run.code, 2, "{run}");
}

#[test]
fn a_broken_file_found_by_walking_is_a_finding() {
    let dir = deployment()
        .file("deploy/broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: [a}\n");
    let run = check(&dir, &["--only", "unparsable-input,gomemlimit-above-memory-limit"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("error[unparsable-input]"), "{run}");
    assert!(run.out.contains("error[gomemlimit-above-memory-limit]"), "{run}");
}

#[test]
fn standard_input_is_a_manifest() {
    let dir = Dir::new();
    let run =
        dir.provost_with_stdin(&["check", "--date", "2026-11-23", ONE[0], ONE[1], "-"], DEPLOYMENT);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("--> -:13:41"), "{run}");
}

#[test]
fn required_evidence_fails_when_it_is_missing() {
    let dir = deployment();
    let run = check(&dir, &[&ONE[..], &["--fail-on", "never", "--require", "manifest"]].concat());
    assert_eq!(run.code, 0, "{run}");
    let run = check(
        &dir,
        &[&ONE[..], &["--fail-on", "never", "--require", "binary,dockerfile"]].concat(),
    );
    assert_eq!(run.code, 1, "{run}");
    insta::assert_snapshot!(run.err, @r#"
    error: no binary was judged, and --require names it
    error: no Dockerfile was judged, and --require names it
    "#);
}

#[test]
fn a_suppression_with_a_reason_passes_and_is_counted() {
    let text = DEPLOYMENT.replace(
        "2GiB}",
        "2GiB} # provost: ignore[gomemlimit-above-memory-limit] soak test, until=2027-01-31",
    );
    let dir = Dir::new().file("a.yaml", &text);
    let run = check(&dir, &ONE);
    assert_eq!(run.code, 0, "{run}");
    insta::assert_snapshot!(run.out, @r#"
    1 finding suppressed (--verbose lists them)

    no findings in 1 object
    "#);
    let late = ["--only", "gomemlimit-above-memory-limit,bad-suppression"];
    let run = dir.provost(&[&["check", "--date", "2027-02-01"], &late[..]].concat());
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("warning[bad-suppression/expired]"), "{run}");
}

#[test]
fn mistakes_on_the_command_line_get_help() {
    let dir = deployment();
    let err = |args: &[&str]| {
        let run = dir.provost(args);
        assert_eq!(run.code, 2, "{run}");
        assert_eq!(run.out, "");
        run.err
    };
    insta::assert_snapshot!(err(&["check", "--only", "gomemlimit-above-memory-limt"]), @r#"
    error: no rule is named `gomemlimit-above-memory-limt`
    help: did you mean `gomemlimit-above-memory-limit`?
    "#);
    insta::assert_snapshot!(err(&["check", "--level", "unparsable-input=error"]), @r#"
    error: invalid value 'unparsable-input=error' for '--level <RULE=LEVEL>': expected one of off, note, warn, deny; `error` is `deny` here

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(err(&["check", "--format", "text", "--format", "json"]), @r#"
    error: only one format can go to standard output
    help: write the other to a file: --format json=report.json
    "#);
    insta::assert_snapshot!(err(&["check", "--fix", "--diff", "--format", "json"]), @r#"
    error: --diff writes to standard output, and --format to the same place
    help: write the report to a file: --diff --format json=report.json
    "#);
    insta::assert_snapshot!(err(&["check", "--format", "yaml"]), @r#"
    error: invalid value 'yaml' for '--format <FORMAT[=FILE]>': expected one of text, json, sarif, github, gitlab, junit, markdown, html, with =FILE for a file

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(err(&["check", "--date", "tomorrow"]), @r#"
    error: invalid value 'tomorrow' for '--date <YYYY-MM-DD>': expected a day: 2027-01-31

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(err(&["check", "--kubernetes", "36"]), @r#"
    error: invalid value '36' for '--kubernetes <1.NN>': expected a minor version or a range: "1.36", "1.35..1.37"

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(err(&["check", "--container", "checkout"]), @r#"
    error: invalid value 'checkout' for '--container <NS/KIND/NAME/C>': expected NAMESPACE/KIND/NAME/CONTAINER

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(err(&["chek"]), @r#"
    error: unrecognized subcommand 'chek'

      tip: a similar subcommand exists: 'check'

    Usage: provost [OPTIONS] <COMMAND>

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(err(&["explain", "unparsable-input/packed"]), @r#"
    error: rule `unparsable-input` has no variant `packed`
    help: `provost explain unparsable-input` names its variants
    "#);
    // Words that are few are all told.
    for (args, words) in [
        (["--profile", "strickt"], "[possible values: recommended, strict, house]"),
        (["--fail-on", "error"], "[possible values: deny, warn, note, never]"),
        (["--require", "docker"], "[possible values: binary, image, dockerfile, manifest]"),
        (["--color", "yes"], "[possible values: auto, always, never]"),
        (["--platform", "amd64"], "expected OS/ARCH or OS/ARCH/VARIANT: linux/amd64"),
        (["--skip", "DL3007"], "hadolint's DL3007 is `floating-build-input` here"),
        (["--only", "singel-replica"], "did you mean `single-replica`?"),
    ] {
        let told = err(&["check", args[0], args[1]]);
        assert!(told.contains(words), "{args:?}: {told}");
    }
    let told = err(&["init", "--ci", "jenkins"]);
    assert!(told.contains("[possible values: github, gitlab, none]"), "{told}");
    for (flag, value, part) in [
        ("--path", "healthz", "expected a path that begins with /"),
        ("--metrics-path", "/a b", "without blanks"),
        ("--port", "0", "0 is not in 1..=65535"),
    ] {
        let told = err(&["prove", "--binary", "x", flag, value]);
        assert!(told.contains(part), "{told}");
    }
    // Nothing is promised that is not there.
    for flag in ["--cluster", "--registry"] {
        assert!(err(&["check", flag, "x"]).contains("unexpected argument"), "{flag}");
    }
}

/// A Service that is none for a capital was passed over; what is not for Kubernetes still is.
#[test]
fn an_object_without_its_kind_is_told_and_other_yaml_is_not() {
    let service =
        "apiVersion: v1\nKind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";
    let others = [
        ("values.yaml", "image: {tag: a}\nservice: {port: 80}\n"),
        ("docker-compose.yml", "services: {web: {image: a, metadata: {name: b}}}\n"),
        (".golangci.yml", "version: \"2\"\nlinters: {enable: [a]}\n"),
        ("openapi.yaml", "openapi: 3.0.0\ninfo: {title: a}\npaths: {}\n"),
        (
            "prometheus.yml",
            "global: {}\nscrape_configs: [{job_name: a, metadata: {name: b}, kind: c}]\n",
        ),
        ("index.yaml", "apiVersion: v1\nentries: {a: [{apiVersion: v2, kind: x}]}\n"),
        ("skaffold.yaml", "apiVersion: skaffold/v4beta11\nkind: Config\nmetadata: {name: a}\n"),
        (
            "pipeline.yaml",
            "kind: pipeline\nname: a\nmetadata: {name: b}\nsteps: [{apiVersion: v1}]\n",
        ),
    ];
    let dir = others.iter().fold(deployment(), |dir, (name, text)| dir.file(name, text));
    let quiet = check(&dir, &["--only", "unparsable-input", "."]);
    assert_eq!(quiet.code, 0, "{quiet}");
    assert!(quiet.out.starts_with("no findings") || quiet.out.contains("\nno findings"), "{quiet}");
    let dir = dir.file("deploy/service.yaml", service);
    let told = check(&dir, &["--only", "unparsable-input", "."]);
    assert_eq!(told.code, 1, "{told}");
    assert!(told.out.contains("Object 'Kind' is missing"), "{told}");
    assert!(told.out.contains("fix (safe): did you mean `kind`?"), "{told}");
    let fixed = check(&dir, &["--only", "unparsable-input", "--fix", "."]);
    assert_eq!(fixed.code, 0, "{fixed}");
    assert_eq!(dir.read("deploy/service.yaml"), service.replace("Kind", "kind"));
    // Whatever a named file looks like.
    let dir = dir.file("notes.yaml", "a: [1\n");
    let named = check(&dir, &["notes.yaml"]);
    // Nothing was judged.
    assert_eq!(named.code, 2, "{named}");
    assert!(named.out.starts_with("error[unparsable-input]"), "{named}");
    let walked = check(&dir, &["--only", "unparsable-input", "."]);
    assert_eq!(walked.code, 0, "{walked}");
}

#[test]
fn json_goes_to_a_file_whole_or_not_at_all() {
    let dir = deployment();
    let run = check(&dir, &[&ONE[..], &["--format", "json=out/report.json"]].concat());
    assert_eq!(run.code, 2, "{run}");
    insta::assert_snapshot!(run.err, @"error: cannot write out/report.json: No such file or directory (os error 2)");
    let dir = dir.file("report.json", "old");
    let run =
        check(&dir, &[&ONE[..], &["--format", "json=report.json", "--format", "text"]].concat());
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.starts_with("error[gomemlimit-above-memory-limit]"), "{run}");
    let report: serde_json::Value = serde_json::from_str(&dir.read("report.json")).unwrap();
    assert_eq!(report["summary"]["errors"], 1);
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "no temporary file stays: {left:?}");
    // With a file only, standard output stays empty.
    let run = check(&dir, &[&ONE[..], &["--format", "json=report.json"]].concat());
    assert_eq!((run.code, run.out.as_str()), (1, ""), "{run}");
}

#[test]
fn a_file_that_cannot_be_replaced_keeps_its_content() {
    let dir = deployment().file("reports/report.json/keep", "x");
    let run = check(&dir, &[&ONE[..], &["--format", "json=reports/report.json"]].concat());
    assert_eq!(run.code, 2, "{run}");
    assert_eq!(dir.read("reports/report.json/keep"), "x");
    let left = fs::read_dir(dir.path().join("reports")).unwrap().count();
    assert_eq!(left, 1);
}

#[test]
fn json_matches_its_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../docs/report-v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = DEPLOYMENT.replace(
        "limits: {memory: 512Mi}",
        "limits: {memory: 512Mi} # provost: ignore[missing-memory-limit] x",
    );
    let hidden = DEPLOYMENT
        .replace("name: checkout}", "name: hidden}")
        .replace("2GiB}", "2GiB} # provost: ignore[gomemlimit-above-memory-limit] soak test");
    let dir = deployment()
        .file("b.yaml", &text)
        .file("hidden.yaml", &hidden)
        .file("broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: [a}\n")
        .file("Dockerfile", "FROM scratch\nCOPY checkout /checkout\nENTRYPOINT [\"/checkout\"]\n");
    let run = check(&dir, &["--format", "json", "--profile", "house"]);
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let problems: Vec<String> =
        validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    // The schema refuses what is not a report.
    assert!(!validator.is_valid(&serde_json::json!({"version": 1})));
    let mut wrong = report.clone();
    wrong["findings"][0]["level"] = "fatal".into();
    assert!(!validator.is_valid(&wrong));
    for part in ["inputs", "findings", "not_judged", "suppressed"] {
        assert!(!report[part].as_array().unwrap().is_empty(), "{part} is empty");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = deployment();
    let run = dir.provost_into_closed_pipe(&["check", "--date", "2026-11-23"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run}");
    let run = dir.provost_into_closed_pipe(&["explain"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run}");
}

#[test]
fn colour_follows_the_flag_and_the_terminal() {
    let dir = deployment();
    let plain = check(&dir, &ONE).out;
    assert!(!plain.contains('\u{1b}'));
    let colored = check(&dir, &[&ONE[..], &["--color", "always"]].concat()).out;
    assert!(colored.contains("\u{1b}["));
}

#[test]
fn explain_prints_pages_and_lists() {
    let dir = Dir::new();
    let page = dir.provost(&["explain", "bad-suppression/expired"]);
    assert_eq!(page.code, 0, "{page}");
    assert!(page.out.starts_with(
        "bad-suppression/expired (warn): a suppression past its day\n\n# bad-suppression\n"
    ));
    assert!(page.out.lines().filter(|l| !l.starts_with("     ")).all(|l| l.chars().count() <= 80));
    let list = dir.provost(&["explain"]);
    assert!(list.out.contains("  deny  gomemlimit-above-memory-limit\n"), "{list}");
}

/// `explain` said deny of a rule of which runs told a warning.
#[test]
fn explain_says_where_the_level_is_another_one() {
    let run = Dir::new().provost(&["explain", "no-termination-handler"]);
    let (_, facts) = run.out.split_once("\nLevel: deny\n").expect("its level");
    let own = facts.split("/server-without-shutdown").next().unwrap_or_default();
    assert!(own.contains("warn, in the cases:"), "{run}");
    assert!(own.contains("Nobody sends it requests"), "{run}");
}

#[test]
fn completions_are_written_for_every_shell() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = dir.provost(&["completions", shell]);
        assert_eq!(run.code, 0, "{run}");
        assert!(run.out.contains("explain") && run.out.contains("fail-on"), "{shell}");
    }
}

#[test]
fn the_version_tells_how_it_was_built() {
    let run = Dir::new().provost(&["--version"]);
    assert_eq!(run.code, 0);
    let prefix = concat!("provost ", env!("CARGO_PKG_VERSION"), " (");
    assert!(run.out.starts_with(prefix) && run.out.contains("rustc 1."), "{run}");
}

#[test]
fn help_fits_a_terminal_and_tells_the_exit_codes() {
    let run = Dir::new().provost(&["check", "--help"]);
    assert_eq!(run.code, 0);
    assert!(run.out.contains("Exit codes:"), "{run}");
    insta::assert_snapshot!(Dir::new().provost(&["check", "-h"]).out, @r#"
    Judge manifests, Dockerfiles and Go binaries before they are deployed

    Usage: provost check [OPTIONS] [PATH]...

    Arguments:
      [PATH]...  Directories, manifests, Dockerfiles, Go binaries and images; `-` reads YAML from
                 standard input

    Options:
      -h, --help  Print help (see more with '--help')

    Evidence:
          --binary <PATH>               The Go binary that the manifests deploy
          --dockerfile <PATH>           The Dockerfile of its image
          --image <FORM:PATH>           The image it runs in: oci:DIR, oci:TAR, docker-archive:TAR or
                                        registry:REF
          --insecure-registry <HOST>    A registry (HOST or HOST:PORT) to speak plain HTTP with
          --platform <OS/ARCH>          Its platform, when it has several (default: each of them)
          --target <STAGE>              The stage that is built, when it is not the last
          --build                       Run `go build` as the Dockerfile does, and judge the result
          --chart <DIR|TGZ>             Have helm render a chart (a folder or .tgz), and judge the
                                        result
          --values <FILE>               Values of the charts; the last one wins
          --set <KEY=VALUE>             A value of the charts
          --release <NAME>              The release that charts are rendered for (default: the chart's
                                        name)
          --kustomize <DIR>             Have kustomize (or kubectl) build a kustomization, and judge the
                                        result
          --container <NS/KIND/NAME/C>  The container that runs the binary, when several could
          --proof <FILE>                What `provost prove` measured of the binary
          --namespace <NS>              Namespace of objects that name none
          --closed-world                Objects that are not in the input do not exist
          --require <KIND,...>          Fail when this evidence is missing: binary, image, dockerfile,
                                        manifest

    Rules:
          --profile <NAME>         Which rules are on, and how hard: recommended, strict, house
          --only <RULE,...>        Only these rules (or rule/variant)
          --skip <RULE,...>        Not these rules (or rule/variant)
          --level <RULE=LEVEL>     Set the level of a rule: off, note, warn, deny
          --fail-on <LEVEL>        Exit with 1 from this level on: deny (default), warn, note, never
          --baseline <FILE>        Fail on findings that are not in this file only
          --write-baseline <FILE>  Write the findings of this run into FILE, and succeed
          --diff-base <REV>        Only findings with a place in a file that changed since REV

    Fixes:
          --fix           Write the fixes that mean what the author meant into the files
          --unsafe-fixes  With --fix: also those that a person should look at
          --diff          With --fix: print them as a diff and write nothing

    Target:
          --kubernetes <1.NN>  Judge for these versions of Kubernetes: 1.36 or 1.35..1.37
          --go <1.NN>          Judge an upgrade to this version of Go
          --date <YYYY-MM-DD>  Judge as of this day (default: today)

    Output:
          --color <WHEN>            Colours: on a terminal, always or never (NO_COLOR is respected)
      -q, --quiet                   Findings and the summary only; no progress
      -v, --verbose                 Every finding, every join, everything that was not judged
          --format <FORMAT[=FILE]>  text (default), json, sarif, github, gitlab, junit, markdown, html;
                                    repeatable

    Exit codes:
      0  nothing at or above --fail-on
      1  findings at or above --fail-on, or evidence that --require names is missing
      2  wrong usage or configuration, or a named path that cannot be judged
      3  a bug in provost
    "#);
}

#[test]
fn a_change_is_judged_with_what_it_joins_to() {
    let pod = |name: &str, limit: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  containers:\n    - name: {name}\n      image: registry.example/{name}:1.2.3\n      envFrom: [{{configMapRef: {{name: limits}}}}]\n      resources: {{limits: {{memory: {limit}}}}}\n"
        )
    };
    let map = |limit: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: limits, namespace: shop}}\ndata: {{GOMEMLIMIT: {limit}}}\n"
        )
    };
    let dir = Dir::new()
        .file("a.yaml", pod("a", "1Gi"))
        .file("sub/b.yaml", pod("b", "512Mi"))
        .file("limits.yaml", map("2GiB"));
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(args);
        support::succeed(command.current_dir(dir.path()).env("GIT_CONFIG_GLOBAL", "/dev/null"));
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "first"]);
    let args = ["check", "--only", "gomemlimit-above-memory-limit", "--diff-base", "HEAD", "."];
    let run = dir.provost(&args);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("2 findings in files that did not change not shown"), "{run}");
    // Neither a folder's own view of a diff nor a filter of the configuration decides.
    git(&["config", "diff.relative", "true"]);
    git(&["config", "filter.evil.clean", "touch ran; cat"]);
    git(&["config", "filter.evil.required", "true"]);
    std::fs::write(dir.path().join(".git/info/attributes"), "*.yaml filter=evil\n").unwrap();
    // One workload changes: its finding, not the other's.
    std::fs::write(dir.path().join("sub/b.yaml"), pod("b", "256Mi")).unwrap();
    let run = dir.provost(&args);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("256 MiB") && run.out.contains("1 finding in files"), "{run}");
    // The map changes: both workloads that read it.
    std::fs::write(dir.path().join("limits.yaml"), map("3GiB")).unwrap();
    let run = dir.provost_in("sub", &[&args[..5], &[".."]].concat());
    assert!(run.out.contains("256 MiB") && run.out.contains("1 GiB"), "{run}");
    assert!(!dir.path().join("ran").exists(), "git ran a filter of the repository's");

    // What looks like an option is a revision to git all the same.
    let wrong = dir.provost(&["check", "--diff-base=--output=x", "."]);
    assert_eq!(wrong.code, 2, "{wrong}");
    assert!(wrong.err.contains("git knows no commit --output=x"), "{wrong}");
    assert!(!dir.path().join("x").exists(), "git wrote a file");
    let wrong = dir.provost(&["check", "--diff-base", "nosuch", "."]);
    assert_eq!(wrong.code, 2, "{wrong}");
    assert!(wrong.err.contains("git knows no commit nosuch"), "{wrong}");
}

#[test]
fn explain_knows_the_names_of_other_linters() {
    let run = Dir::new().provost(&["explain", "DL3025"]);
    assert_eq!(run.out, "hadolint DL3025: malformed-exec-form, shell-form-entrypoint\n", "{run}");
    let run = Dir::new().provost(&["explain", "DL3007"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.starts_with("hadolint DL3007: floating-build-input\n\n"), "{run}");
    assert!(run.out.contains("Group: build"), "{run}");
    let run = Dir::new().provost(&["explain", "kube-score:pod-probes"]);
    let expect = "kube-score pod-probes: missing-readiness-probe, missing-liveness-probe\n";
    assert_eq!(run.out, expect, "{run}");
    let run = Dir::new().provost(&["explain", "hadolint:pod-probes"]);
    assert_eq!(run.code, 2, "{run}");
    // What no rule answers to is answered with the reason.
    let run = Dir::new().provost(&["explain", "use-namespace"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.starts_with("kube-linter use-namespace: no rule\n\nMost manifests"), "{run}");
    let run = Dir::new().provost(&["explain", "shellcheck:sc2086"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(
        run.out.starts_with("hadolint SC1000 to SC3999: no rule\n\nIt is ShellCheck's"),
        "{run}"
    );
    // A check of shell code that has a rule is answered by that.
    let run = Dir::new().provost(&["explain", "SC2154"]);
    assert!(run.out.starts_with("hadolint SC2154: undefined-build-variable\n"), "{run}");
    let run = Dir::new().provost(&["explain", "fromascasing"]);
    assert!(
        run.out.starts_with("buildkit FromAsCasing: rejected-by-builder/builder-warning\n"),
        "{run}"
    );
    let run = Dir::new().provost(&["check", "--skip", "ckv_k8s_68", "."]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("`provost explain CKV_K8S_68` says why"), "{run}");
}
