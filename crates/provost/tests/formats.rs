//! Every format names every finding, is what its reader expects, and lets no input format it.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use support::{Dir, tool};

/// A workload whose names and values try to break out of every format.
const HOSTILE: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: "shop"}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: shop
          image: shop:1
          env:
            - name: GOMEMLIMIT
              value: "2GiB<script>alert(1)</script>![x](http://evil)@someone `|` ]]> \u001b[31m\n::error::forged"
            - name: GODEBUG
              value: "nosuchkey=1,%0A::warning::forged"
          envFrom:
            - configMapRef: {name: "shop\u001b[31m\n::error::forged\n<script>![x](http://evil)@someone"}
          resources: {limits: {memory: 512Mi}}
"#;

const FORMATS: [&str; 8] =
    ["text", "json", "sarif", "github", "gitlab", "junit", "markdown", "html"];

fn textbook() -> Dir {
    Dir::new().copy_of("examples/textbook", |_| {})
}

fn report(dir: &Dir, format: &str, more: &[&str]) -> String {
    let args = ["check", "--date", "2026-11-24", "--format", format, "."];
    let run = dir.provost(&[&args[..], more].concat());
    assert!(run.code < 2, "{run}");
    run.out
}

fn json(dir: &Dir, more: &[&str]) -> Value {
    serde_json::from_str(&report(dir, "json", more)).unwrap()
}

/// `rule` or `rule/variant` of each finding, with how often.
fn named(json: &Value) -> BTreeMap<String, usize> {
    let mut named = BTreeMap::new();
    for finding in json["findings"].as_array().unwrap() {
        let rule = finding["rule"].as_str().unwrap();
        let id = match finding["variant"].as_str() {
            Some(variant) => format!("{rule}/{variant}"),
            None => rule.to_owned(),
        };
        *named.entry(id).or_default() += 1;
    }
    assert!(!named.is_empty());
    named
}

#[test]
fn every_format_names_every_finding_of_the_textbook() {
    let dir = textbook();
    let json = json(&dir, &[]);
    let named = named(&json);
    let total: usize = named.values().sum();
    assert!(total > 20, "{named:?}");

    let sarif: Value = serde_json::from_str(&report(&dir, "sarif", &[])).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let gitlab: Value = serde_json::from_str(&report(&dir, "gitlab", &[])).unwrap();
    let issues = gitlab.as_array().unwrap();
    let github = report(&dir, "github", &[]);
    let markdown = report(&dir, "markdown", &[]);
    let html = report(&dir, "html", &[]);
    let junit = report(&dir, "junit", &[]);
    for (id, n) in &named {
        let count = |text: &str, needle: String| text.matches(&needle).count();
        assert_eq!(results.iter().filter(|r| r["ruleId"] == **id).count(), *n, "{id} in SARIF");
        assert_eq!(issues.iter().filter(|i| i["check_name"] == **id).count(), *n, "{id}: GitLab");
        assert_eq!(count(&github, format!("title={id}::")), *n, "{id} in\n{github}");
        assert_eq!(count(&markdown, format!("** `{id}`: ")), *n, "{id} in\n{markdown}");
        assert_eq!(
            count(&html, format!("data-rule=\"{}\"", id.replace('/', "&#x2f;"))),
            *n,
            "{id}"
        );
        assert!(count(&junit, format!("<testcase name=\"{id}\"")) > 0, "{id} in\n{junit}");
    }
    assert_eq!((results.len(), issues.len()), (total, total));
    assert_eq!(github.lines().filter(|line| line.starts_with("::")).count(), total);
}

#[test]
fn sarif_matches_the_official_schema() {
    let schema: Value = serde_json::from_slice(&fs::read(tool("sarif-schema")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let suppressed = HOSTILE.replace(
        "              value: \"nosuchkey",
        "              # provost: ignore[unknown-godebug-key] kept for the old build\n              value: \"nosuchkey",
    );
    let dir = textbook().file("a b/100%/d\u{e9}p:l#1?.yaml", suppressed);
    dir.provost(&["check", "--date", "2026-11-24", "--write-baseline", "known.json", "."]);
    for more in [&[][..], &["--baseline", "known.json"], &["--verbose", "--profile", "house"]] {
        let sarif: Value = serde_json::from_str(&report(&dir, "sarif", more)).unwrap();
        let errors: Vec<String> = validator.iter_errors(&sarif).map(|e| e.to_string()).collect();
        assert_eq!(errors, [] as [String; 0]);
        let run = &sarif["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let results = run["results"].as_array().unwrap();
        assert!(!results.is_empty());
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            let id = result["ruleId"].as_str().unwrap();
            assert_eq!(rules[index]["id"], id.split('/').next().unwrap());
        }
        let states: Vec<&Value> = results.iter().map(|r| &r["baselineState"]).collect();
        if more.contains(&"--baseline") {
            let shown = results.iter().zip(&states).filter(|(r, _)| r["suppressions"].is_null());
            assert!(shown.clone().count() > 0 && shown.clone().all(|(_, s)| *s == "unchanged"));
        } else {
            assert!(states.iter().all(|state| state.is_null()));
        }
        let text = sarif.to_string();
        assert!(text.contains("a%20b/100%25/d%C3%A9p%3Al%231%3F.yaml"), "{text}");
        assert!(
            results
                .iter()
                .any(|r| r["suppressions"][0]["justification"] == "kept for the old build")
        );
        assert!(run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().len() > 3);
    }
    // The schema refuses what is no SARIF.
    assert!(!validator.is_valid(&serde_json::json!({"version": "2.1.0", "runs": [{}]})));
}

#[test]
fn sarif_places_are_those_of_the_json_report() {
    let dir = textbook();
    let json = json(&dir, &[]);
    let sarif: Value = serde_json::from_str(&report(&dir, "sarif", &[])).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    for (finding, result) in findings.iter().zip(results) {
        assert_eq!(result["partialFingerprints"]["provost/v2"], finding["fingerprint"]);
        let places = result["locations"].as_array().unwrap().iter();
        let none = Vec::new();
        let related = result["relatedLocations"].as_array().unwrap_or(&none);
        let evidence = finding["evidence"].as_array().unwrap();
        assert_eq!(1 + related.len(), evidence.len());
        for (place, evidence) in places.chain(related).zip(evidence) {
            let physical = &place["physicalLocation"];
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert_eq!(evidence["path"].as_str().unwrap().trim_start_matches("./"), uri);
            assert_eq!(physical["region"]["startLine"], evidence["start"]["line"]);
            assert_eq!(physical["region"]["endColumn"], evidence["end"]["column"]);
        }
    }
}

#[test]
fn no_input_formats_a_report() {
    let dir = Dir::new().file("shop.yaml", HOSTILE);
    // Messages hold what the formats must not obey.
    let json = json(&dir, &["--closed-world"]);
    let messages = json["findings"].as_array().unwrap().iter().map(|f| f["message"].as_str());
    let raw = messages.flatten().find(|m| m.contains("\u{1b}[31m\n::error::forged\n<script>![x]("));
    assert!(raw.is_some(), "{json:#}");
    let github = report(&dir, "github", &["--closed-world"]);
    for line in github.lines() {
        let ours = line.starts_with("::error file=shop.yaml,")
            || line.starts_with("::warning file=shop.yaml,")
            || line.starts_with("::notice file=shop.yaml,")
            || line.starts_with("provost: ");
        assert!(ours, "a line of the input's: {line:?}\n{github}");
    }
    assert!(github.contains("%250A::warning::forged"), "a percent sign is not escaped:\n{github}");
    let html = report(&dir, "html", &["--closed-world"]);
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    assert_eq!(html.matches("<script>").count(), 1, "only the page's own");
    let markdown = report(&dir, "markdown", &["--closed-world"]);
    let text: String = outside_code(&markdown);
    for forged in ["<script", "![x]", "@someone", "http://evil"] {
        assert!(!text.contains(forged), "{forged} in\n{markdown}");
    }
    let junit = report(&dir, "junit", &["--closed-world"]);
    let parsed = quick_junit::Report::deserialize_from_str(&junit).unwrap();
    assert!(parsed.tests > 0);
    for format in FORMATS {
        let out = report(&dir, format, &["--closed-world"]);
        assert!(!out.contains('\u{1b}'), "an escape in {format}");
        assert!(!out.contains("\n::error::forged"), "a line of the input's in {format}");
        assert!(out.contains("forged"), "{format} is not asked");
    }
}

#[test]
fn no_format_is_green_where_nothing_was_judged() {
    let dir = Dir::new().file("notes.txt", "");
    for format in FORMATS {
        let run = dir.provost(&["check", "--format", format, "."]);
        assert_eq!(run.code, 2, "{format}: {run}");
        assert!(run.out.contains("nothing was judged"), "{format}: {run}");
    }
}

/// What of a Markdown text does not stand in code spans.
fn outside_code(markdown: &str) -> String {
    let mut text = String::new();
    for line in markdown.lines() {
        let mut rest = line;
        while let Some(open) = rest.find('`') {
            // An escaped backtick opens nothing.
            if rest[..open].ends_with('\\') {
                text.push_str(&rest[..=open]);
                rest = &rest[open + 1..];
                continue;
            }
            text.push_str(&rest[..open]);
            let fence = rest[open..].chars().take_while(|c| *c == '`').count();
            let body = &rest[open + fence..];
            let close = body.find(&"`".repeat(fence)).expect("a fence is closed on its line");
            rest = &body[close + fence..];
        }
        text.push_str(rest);
        text.push('\n');
    }
    text
}

#[test]
fn junit_fails_what_fails_the_run() {
    let dir = textbook();
    let parsed = |more: &[&str]| {
        quick_junit::Report::deserialize_from_str(&report(&dir, "junit", more)).unwrap()
    };
    let deny = parsed(&[]);
    assert!(deny.failures > 0 && deny.failures < deny.tests);
    assert_eq!(parsed(&["--fail-on", "never"]).failures, 0);
    assert!(parsed(&["--fail-on", "note"]).failures > deny.failures);
    let empty = Dir::new().file(
        "map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {a: b}\n",
    );
    let out = report(&empty, "junit", &[]);
    assert!(out.contains("no findings"), "{out}");
}

const MANIFEST: &str = "apiVersion: v1
kind: Pod
metadata: {name: shop, namespace: shop}
spec:
  containers:
    - name: shop
      image: registry.example/shop:1.2.3
      env: [{name: GOMEMLIMIT, value: 2GiB}]
      resources: {limits: {memory: 512Mi}}
";
const RULE: [&str; 4] =
    ["--only", "gomemlimit-above-memory-limit,malformed-gomemlimit", "--date", "2026-11-24"];

fn check(dir: &Dir, more: &[&str]) -> support::Run {
    dir.provost(&[&["check"], &RULE[..], more, &["pod.yaml"]].concat())
}

#[test]
fn a_baseline_fails_on_new_findings_only() {
    let dir = Dir::new().file("pod.yaml", MANIFEST);
    assert_eq!(check(&dir, &[]).code, 1);
    let wrote = check(&dir, &["--write-baseline", "known.json"]);
    assert_eq!(wrote.code, 0, "{wrote}");
    let known = check(&dir, &["--baseline", "known.json"]);
    assert_eq!(known.code, 0, "{known}");
    assert!(known.out.contains("1 known finding of known.json not shown"), "{known}");
    assert!(!known.out.contains("error["), "{known}");

    // Lines may move, and the file with them.
    let moved = format!("# moved\n\n{MANIFEST}");
    let dir = dir.file("pod.yaml", moved);
    assert_eq!(check(&dir, &["--baseline", "known.json"]).code, 0);

    // The same rule on another container is new.
    let more = MANIFEST.replace(
        "  containers:\n",
        "  containers:\n    - name: second\n      image: registry.example/b:1\n      env: [{name: GOMEMLIMIT, value: 3GiB}]\n      resources: {limits: {memory: 1Gi}}\n",
    );
    let dir = dir.file("pod.yaml", more);
    let run = check(&dir, &["--baseline", "known.json"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("3 GiB") && !run.out.contains("(2 GiB)"), "{run}");

    // What is mended is said, so that the file shrinks; what no rule looked at is not.
    let dir = dir.file("pod.yaml", MANIFEST.replace("2GiB", "400MiB"));
    let run = check(&dir, &["--baseline", "known.json"]);
    assert!(run.out.contains("1 entry of known.json met no finding"), "{run}");
    // Its object is told by name, wherever it lies; another's file was not judged.
    let elsewhere =
        dir.read("known.json").replace("pod.yaml", "bin/shop").replace("/shop/", "/cart/");
    let dir = dir.file("elsewhere.json", elsewhere);
    let run = check(&dir, &["--baseline", "elsewhere.json"]);
    assert!(!run.out.contains("met no finding"), "a file that was not judged: {run}");
    let other = ["check", "--only", "missing-readiness-probe", "--baseline", "known.json", "."];
    let other = dir.provost(&other);
    assert!(other.code < 2 && !other.out.contains("met no finding"), "{other}");
}

/// Each file that was moved made all its findings new.
#[test]
fn a_baseline_knows_the_objects_of_a_file_that_was_moved() {
    let dir = Dir::new().file("pod.yaml", MANIFEST);
    check(&dir, &["--write-baseline", "known.json"]);
    std::fs::remove_file(dir.path().join("pod.yaml")).unwrap();
    let dir = dir.file("deploy/shop.yaml", MANIFEST);
    let all = [&["check"], &RULE[..], &["--baseline", "known.json", "deploy"]].concat();
    let run = dir.provost(&all);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("1 known finding of known.json not shown"), "{run}");
    // Mended there, it is resolved.
    let dir = dir.file("deploy/shop.yaml", MANIFEST.replace("2GiB", "400MiB"));
    assert!(dir.provost(&all).out.contains("1 entry of known.json met no finding"));
}

/// Of two that declare one port the second was told, and by its name: in another order it was new.
#[test]
fn a_baseline_knows_what_two_containers_have_in_common_in_any_order() {
    let container = |name: &str, env: &str| {
        format!(
            "    - name: {name}\n      image: registry.example/{name}:1\n      ports: [{{name: {name}, containerPort: \
             8080}}]\n      env: [{{name: GOMEMLIMIT, value: {env}}}]\n      resources: {{limits: {{memory: 1Gi}}}}\n"
        )
    };
    let (web, api) = (container("web", "2GiB"), container("api", "3GiB"));
    let pod = |containers: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n{containers}"
        )
    };
    let dir = Dir::new().file("pod.yaml", pod(&format!("{web}{api}")));
    let run = |dir: &Dir, how: &str| {
        let only = "unresolved-target-port,gomemlimit-above-memory-limit";
        dir.provost(&["check", "--only", only, how, "known.json", "pod.yaml"])
    };
    run(&dir, "--write-baseline");
    let dir = dir.file("pod.yaml", pod(&format!("{api}{web}")));
    let same = run(&dir, "--baseline");
    assert_eq!(same.code, 0, "{same}");
    assert!(same.out.contains("3 known findings of known.json not shown"), "{same}");
    assert!(!same.out.contains("met no finding"), "{same}");
    // A third one is new.
    let other = container("old", "100MiB");
    let dir = dir.file("pod.yaml", pod(&format!("{other}{api}{web}")));
    let more = run(&dir, "--baseline");
    assert!(more.out.contains("duplicate-container-port]"), "{more}");
}

/// As results, code scanning of GitHub opened what was mended again.
#[test]
fn sarif_has_what_a_baseline_knows_and_is_gone_beside_the_results() {
    let dir = Dir::new().file("pod.yaml", MANIFEST);
    check(&dir, &["--write-baseline", "known.json"]);
    let dir = dir.file("pod.yaml", MANIFEST.replace("2GiB", "400MiB"));
    let sarif: Value =
        serde_json::from_str(&check(&dir, &["--baseline", "known.json", "--format", "sarif"]).out)
            .unwrap();
    assert_eq!(sarif["runs"][0]["results"], Value::Array(Vec::new()), "{sarif}");
    let absent = sarif["runs"][0]["properties"]["absent"].as_array().unwrap();
    assert_eq!(absent.len(), 1, "{sarif}");
    let gone = &absent[0];
    assert_eq!(gone["ruleId"], "gomemlimit-above-memory-limit");
    let known: Value = serde_json::from_str(&dir.read("known.json")).unwrap();
    assert_eq!(gone["partialFingerprints"]["provost/v2"], known["findings"][0]["fingerprint"]);
    let schema: Value = serde_json::from_slice(&fs::read(tool("sarif-schema")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&sarif).map(|e| e.to_string()).collect();
    assert_eq!(errors, [] as [String; 0]);
}

/// Equal findings were counted: the one that was put before them took the name of the first.
#[test]
fn a_new_finding_before_equal_ones_is_the_new_one() {
    let pod = |tokens: &[&str]| {
        let env: Vec<String> =
            tokens.iter().map(|name| format!("{{name: {name}, value: abcdefgh1234}}")).collect();
        MANIFEST.replace("{name: GOMEMLIMIT, value: 2GiB}", &env.join(", "))
    };
    let dir = Dir::new().file("pod.yaml", pod(&["A_TOKEN", "B_TOKEN"]));
    let run = |dir: &Dir, how: &str| {
        dir.provost(&["check", "--only", "secret-in-plain-env", how, "known.json", "pod.yaml"])
    };
    run(&dir, "--write-baseline");
    let dir = dir.file("pod.yaml", pod(&["C_TOKEN", "B_TOKEN", "A_TOKEN"]));
    let found = run(&dir, "--baseline");
    assert!(found.out.contains("C_TOKEN holds a secret"), "{found}");
    assert!(
        !found.out.contains("A_TOKEN holds") && !found.out.contains("B_TOKEN holds"),
        "{found}"
    );
}

/// As 0.1 of the file wrote it: names of the recipe before.
#[test]
fn a_baseline_of_the_version_before_is_still_known() {
    let dir = Dir::new().file("pod.yaml", MANIFEST).file(
        "known.json",
        "{\n  \"version\": 1,\n  \"findings\": [\n    {\"rule\":\"gomemlimit-above-memory-limit\",\"subject\":\"shop/Pod/shop/shop\",\
         \"path\":\"pod.yaml\",\"fingerprint\":\"2f1ea933370501473d1363d11d8ce275\"}\n  ]\n}\n",
    );
    let run = check(&dir, &["--baseline", "known.json"]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.out.contains("1 known finding of known.json not shown"), "{run}");
    check(&dir, &["--write-baseline", "known.json"]);
    assert!(dir.read("known.json").contains("\"version\": 2"));
}

/// Reason and last day stand in every format that has a place for them.
#[test]
fn what_is_suppressed_is_listed_with_reason_and_end() {
    let config = "[[ignore]]\nrule = \"*\"\nnamespace = \"sh*p\"\nreason = \"of the vendor\"\nuntil = 2027-03-31\n";
    let dir = Dir::new().file("pod.yaml", MANIFEST).file("provost.toml", config);
    let words = |format: &str| {
        let run = check(&dir, &["--format", format, "--verbose"]);
        assert_eq!(run.code, 0, "{format}: {run}");
        run.out
    };
    for (format, expected) in [
        ("text", "of the vendor (until 2027-03-31)"),
        (
            "markdown",
            "`gomemlimit-above-memory-limit` `shop/Pod/shop/shop`: of the vendor (until 2027-03-31)",
        ),
        (
            "github",
            "::group::1 finding suppressed\n- gomemlimit-above-memory-limit of shop/Pod/shop/shop: of the vendor (until 2027-03-31)\n::endgroup::",
        ),
        ("junit", "<skipped message=\"suppressed: of the vendor (until 2027-03-31)\"/>"),
        ("json", "\"until\": \"2027-03-31\""),
        ("sarif", "\"until\": \"2027-03-31\""),
        ("html", "2027-03-31"),
    ] {
        let shown = words(format);
        assert!(shown.contains(expected), "{format}: {shown}");
    }
    assert!(!words("gitlab").contains("vendor"));
    // Another namespace.
    let dir = Dir::new()
        .file("pod.yaml", MANIFEST)
        .file("provost.toml", config.replace("sh*p", "kube-*"));
    let run = check(&dir, &["--only", "gomemlimit-above-memory-limit,bad-suppression"]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.out.contains("warning[bad-suppression/unused]"), "{run}");
}

#[test]
fn a_baseline_that_is_none_is_refused_before_anything_is_judged() {
    let dir = Dir::new()
        .file("pod.yaml", MANIFEST)
        .file("list.json", "[]")
        .file("later.json", "{\"version\": 3, \"findings\": []}");
    for (file, words) in [
        ("nope.json", "--write-baseline nope.json"),
        ("list.json", "is no baseline"),
        ("later.json", "a baseline of version 3"),
    ] {
        let run = check(&dir, &["--baseline", file]);
        assert_eq!(run.code, 2, "{run}");
        assert!(run.err.contains(words) && run.out.is_empty(), "{run}");
    }
}

#[test]
fn a_baseline_above_64_mib_is_not_read() {
    let dir = Dir::new().file("pod.yaml", MANIFEST).file("known.json", "");
    let known = std::fs::File::options().write(true).open(dir.path().join("known.json")).unwrap();
    // At the limit it is read, and is none.
    known.set_len(64 << 20).unwrap();
    let run = check(&dir, &["--baseline", "known.json"]);
    assert!(run.err.contains("known.json is no baseline"), "{run}");
    known.set_len((64 << 20) + 1).unwrap();
    let run = check(&dir, &["--baseline", "known.json"]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.err.contains("known.json: is larger than 67108864 bytes"), "{run}");
    assert!(!run.err.contains("write it first") && run.out.is_empty(), "{run}");
}
