//! What each format says of a run, and what no input can make it say.

use super::*;

/// The run in every format that is made of the view, by name.
fn all_formats(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let view = view::View::new(report);
    vec![
        ("text", text::render(report, Options { width: 200, ..Options::default() })),
        ("json", json::render(&view)),
        ("sarif", sarif::render(&view)),
        ("github", github::render(&view)),
        ("gitlab", gitlab::render(&view)),
        ("junit", junit::render(&view)),
        ("markdown", markdown::render(&view)),
        ("html", html::render(&view)),
    ]
}

#[test]
fn no_format_passes_off_nothing_judged_as_no_findings() {
    let world = World::new();
    let mut report = world.report(Vec::new());
    report.judged = Judged::default();
    for (format, out) in all_formats(&report) {
        assert!(out.contains("nothing was judged"), "{format}: {out}");
        assert!(!out.to_lowercase().contains("no findings"), "{format}: {out}");
    }
    let view = view::View::new(&report);
    let junit = quick_junit::Report::deserialize_from_str(&junit::render(&view)).unwrap();
    assert_eq!((junit.tests, junit.errors), (1, 1));
    let sarif: serde_json::Value = serde_json::from_str(&sarif::render(&view)).unwrap();
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
    assert!(github::render(&view).starts_with("::error title=nothing-judged::nothing was"));
    // Something that was judged without a finding is no error.
    let view = world.report(Vec::new());
    let view = view::View::new(&view);
    let junit = quick_junit::Report::deserialize_from_str(&junit::render(&view)).unwrap();
    assert_eq!((junit.tests, junit.errors), (1, 0));
    assert_eq!(view.counted(), "no findings");
}

#[test]
fn every_format_counts_what_has_not_changed() {
    let world = World::new();
    let mut report = world.report(Vec::new());
    report.unchanged = 7;
    for (format, out) in all_formats(&report) {
        let told = ["7 findings in files that did not change", "7 in unchanged files"];
        assert!(told.iter().any(|words| out.contains(words)), "{format}: {out}");
    }
    let view = view::View::new(&report);
    let junit = quick_junit::Report::deserialize_from_str(&junit::render(&view)).unwrap();
    assert_eq!((junit.tests, junit.errors, junit.skipped), (1, 0, 1));
    assert_eq!(json_of(&report)["summary"]["unchanged"], 7);
}

#[test]
fn every_format_names_a_path_that_does_not_exist() {
    let world = World::new();
    let mut report = world.report(Vec::new());
    report.missing = vec!["\u{1b}[2Jgone.yaml\n::error::forged does not exist".to_owned()];
    for (format, out) in all_formats(&report) {
        assert!(out.contains("gone.yaml"), "{format}: {out}");
        assert!(!out.contains('\u{1b}') && !out.contains("\n::error::forged"), "{format}: {out}");
    }
    assert_eq!(json_of(&report)["notices"][0]["kind"], "missing-path");
    insta::assert_snapshot!(text::render(&report, Options::default()), @r#"
    error: ␛[2Jgone.yaml ::error::forged does not exist

    no findings in 4 objects
    "#);
    // Alone it is the reason why nothing was judged.
    report.missing = vec!["gone.yaml does not exist".to_owned()];
    report.judged = Judged::default();
    insta::assert_snapshot!(text::render(&report, Options::default()), @r#"
    error: gone.yaml does not exist

    nothing was judged
    "#);
}

fn json_of(report: &Report<'_>) -> serde_json::Value {
    serde_json::from_str(&json::render(&view::View::new(report))).unwrap()
}

#[test]
fn images_are_counted_and_stand_in_every_table_of_what_was_joined() {
    let world = World::new();
    let mut report = world.report(Vec::new());
    report.judged.images = 3;
    report.subjects = vec![SubjectView {
        name: "default/Deployment/checkout/app".to_owned(),
        image: Some("images/checkout.tar".to_owned()),
        ..Default::default()
    }];
    assert_eq!(json_of(&report)["summary"]["images"], 3);
    for (format, out) in all_formats(&report) {
        // The others tell of findings only.
        if ["text", "json", "markdown", "html"].contains(&format) {
            assert!(out.replace("&#x2f;", "/").contains("images/checkout.tar"), "{format}: {out}");
        }
    }
    let html = html::render(&view::View::new(&report));
    assert!(html.contains("<b>3</b> images"), "{html}");
    insta::assert_snapshot!(text::render(&report, Options::default()), @r#"
    judged together:
      container                        binary  Dockerfile  image
      default/Deployment/checkout/app  -       -           images/checkout.tar

    no findings in 4 objects and 3 images
    "#);
    // Names too long for a table.
    report.subjects[0].image = Some(format!("images/{}", "x".repeat(50)));
    insta::assert_snapshot!(text::render(&report, Options::default()), @r#"
    judged together:
      default/Deployment/checkout/app
        binary -
        Dockerfile -
        image images/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx

    no findings in 4 objects and 3 images
    "#);
}

#[test]
fn html_shows_the_place_in_a_long_line() {
    let mut world = World::new();
    let fill = "\u{fc}x, ".repeat(40_000);
    let line = format!("{fill}NEEDLE,{fill}");
    let id = world.manifest("long.yaml", &format!("head: 1\nlist: [{line}]\r\ntail: 1\n"));
    let finding = Finding::new(&RULE, "m", &world.at(id, "NEEDLE"), "");
    let report = world.report(vec![finding.clone()]);
    let view = view::View::new(&report);
    let excerpt = view.findings[0].primary().excerpt(1).unwrap();
    let [head, line, tail] = &excerpt.lines[..] else { panic!("{excerpt:?}") };
    assert_eq!((head.text, tail.text), ("head: 1", "tail: 1"));
    assert_eq!(line.text[line.marked.clone()], *"NEEDLE");
    assert!(line.text.len() <= 160 && line.cut_before && line.cut_after, "{line:?}");
    assert!(line.marked.start <= 50, "without scrolling: {line:?}");
    assert!(html::render(&view).contains("<mark>NEEDLE</mark>"));
    // At the end of a line, too.
    let id = world.manifest("end.yaml", &format!("list: [{fill}LAST]\n"));
    let report = world.report(vec![Finding::new(&RULE, "m", &world.at(id, "LAST"), "")]);
    let view = view::View::new(&report);
    let excerpt = view.findings[0].primary().excerpt(1).unwrap();
    let line = &excerpt.lines[0];
    assert_eq!(&line.text[line.marked.start..], "LAST]");
    assert!(line.marked.start <= 50 && line.cut_before && !line.cut_after, "{line:?}");
    let id = world.manifest("whole.yaml", &format!("head: 1\nlist: [{fill}]\n"));
    // A place before or behind a long line shows the head of that, and nothing of it is marked.
    let head = world.at(id, "head");
    let report = world.report(vec![Finding::new(&RULE, "m", &head, "")]);
    let view = view::View::new(&report);
    let excerpt = view.findings[0].primary().excerpt(1).unwrap();
    assert!(excerpt.lines[1].text.starts_with("list: ["), "{excerpt:?}");
    assert!(excerpt.lines[1].marked.is_empty() && !excerpt.lines[1].cut_before);
    // A place over the whole line is cut with it.
    let report = world.report(vec![Finding::new(&RULE, "m", &world.at(id, &fill), "")]);
    let view = view::View::new(&report);
    let excerpt = view.findings[0].primary().excerpt(0).unwrap();
    assert_eq!(excerpt.lines[0].marked, 7..excerpt.lines[0].text.len());
}

#[test]
fn html_says_what_its_tables_leave_out() {
    let mut world = World::new();
    let id = world.manifest("a.yaml", DEPLOYMENT);
    let mut finding = Finding::new(&RULE, "m", &world.at(id, "2GiB"), "");
    for _ in 0..2_004 {
        finding = finding.also(&world.at(id, "512Mi"), "");
    }
    let mut report = world.report(vec![finding]);
    let subject = |n| SubjectView { name: format!("ns/Pod/p{n}/c"), ..Default::default() };
    report.subjects = (0..2_017).map(subject).collect();
    let html = html::render(&view::View::new(&report));
    assert_eq!(html.matches("<tr><td>").count(), 2_000);
    assert!(html.contains("and 17 more rows"), "the page does not say so");
    assert!(html.contains("Judged together <b>2017</b>"), "the count is not that of all");
    assert!(html.contains("and 5 more places"), "nor for places");
    report.subjects.truncate(2_000);
    assert!(!html::render(&view::View::new(&report)).contains("more rows"));
}

/// Elements are closed in the order they were opened, attributes are quoted, and nothing but the
/// page's own is script: what a browser shows is what the template means.
#[test]
fn html_is_well_formed_whatever_an_input_says() {
    let mut world = World::new();
    let hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;</pre>{{ x }}";
    let path = format!("{hostile}.yaml");
    let id = world.manifest(&path, &format!("a: {hostile}\nb: {hostile}\n"));
    let mut finding = Finding::new(&RULE, hostile, &world.at(id, hostile), hostile)
        .note(hostile)
        .fix(Fix::suggest(hostile));
    finding.subject = hostile.to_owned();
    let mut report = world.report(vec![finding.clone()]);
    report.missing = vec![hostile.to_owned()];
    report.built = vec![hostile.to_owned()];
    report.suppressed = vec![Suppressed {
        origin: finding.primary().clone(),
        finding,
        reason: hostile.to_owned(),
        until: None,
    }];
    report.subjects = vec![SubjectView {
        name: hostile.to_owned(),
        image: Some(hostile.to_owned()),
        because: vec![hostile.to_owned()],
        ..Default::default()
    }];
    let page = html::render(&view::View::new(&report));
    let names = elements(&page);
    let count = |name: &str| names.iter().filter(|n| *n == name).count();
    assert_eq!((count("script"), count("style"), count("img")), (1, 1, 0));
    assert_eq!((count("article"), count("mark"), count("h1"), count("main")), (1, 1, 1, 1));
}

/// Names of the elements of a page; fails where one is not closed or an attribute is not quoted.
fn elements(page: &str) -> Vec<String> {
    const VOID: [&str; 2] = ["meta", "input"];
    let mut names = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").unwrap();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(closing) = rest.strip_prefix('/') {
            let (name, after) = closing.split_once('>').unwrap();
            assert_eq!(open.pop(), Some(name), "before {:.80}", after);
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
        let name = &rest[..end];
        assert!(!name.is_empty(), "a bare `<` before {rest:.80}");
        rest = &rest[end..];
        // Attributes: `name` or `name="value"`.
        while !rest.starts_with('>') {
            let attribute = rest.trim_start();
            assert!(attribute.len() < rest.len(), "attributes of {name}: {rest:.80}");
            let end = attribute.find(|c: char| !c.is_ascii_alphabetic() && c != '-').unwrap();
            assert!(end > 0 && !attribute.starts_with("on"), "of {name}: {attribute:.80}");
            rest = &attribute[end..];
            if let Some(value) = rest.strip_prefix("=\"") {
                rest = &value[value.find('"').unwrap() + 1..];
            }
        }
        rest = &rest[1..];
        names.push(name.to_owned());
        if name == "script" || name == "style" {
            rest = rest.split_once(&format!("</{name}>")).unwrap().1;
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    names
}

#[test]
fn markdown_cuts_what_an_input_makes_long() {
    let mut world = World::new();
    let long = "a:b | `c` ".repeat(100_000);
    let id = world.manifest(&format!("{}.yaml", "p".repeat(5_000)), DEPLOYMENT);
    let mut finding = Finding::new(&RULE, &*long, &world.at(id, "2GiB"), &*long)
        .note(&*long)
        .fix(Fix::suggest(&*long));
    for _ in 0..100 {
        finding = finding.also(&world.at(id, "512Mi"), "x");
    }
    let mut report = world.report(vec![finding; 40]);
    let name = "n".repeat(5_000);
    let subject = |_| SubjectView {
        name: name.clone(),
        binary: Some(name.clone()),
        dockerfile: Some(name.clone()),
        image: Some(name.clone()),
        because: Vec::new(),
    };
    report.subjects = (0..100).map(subject).collect();
    report.skipped =
        (0..100).map(|_| Skipped { path: name.clone(), why: long.clone(), render: None }).collect();
    let out = markdown::render(&view::View::new(&report));
    assert!(out.len() < 65_536, "{} bytes are more than GitHub takes", out.len());
    assert!(out.contains("**error** `gomemlimit"), "a long finding is shown, cut");
    assert!(out.contains("and 81 more places"), "{out:.2000}");
    assert!(out.contains("that did not fit"));
    assert!(out.contains("| container | binary | Dockerfile | image |"));
    assert!(out.lines().all(|line| line.len() < 4_000), "a line is not cut");
}

#[test]
fn markdown_makes_no_links_of_an_inputs() {
    let mut world = World::new();
    let id = world.manifest("a.yaml", DEPLOYMENT);
    let message =
        "www.evil.example WwW.evil.example http://evil.example a@evil.example #12 [x](y) a: b";
    let finding = Finding::new(&RULE, message, &world.at(id, "2GiB"), message);
    let report = world.report(vec![finding]);
    let out = markdown::render(&view::View::new(&report));
    for link in ["www.", "WwW.", "://", "@e", "#1", " [x]"] {
        assert!(!out.contains(link), "{link} in {out}");
    }
    assert_eq!(out.matches("a: b").count(), 2, "a colon alone is left: {out}");
}

#[test]
fn sarif_links_only_to_places_of_ours() {
    let mut world = World::new();
    let forged = "see [this](https://evil.example)\nfix: forged \\[x](1)";
    let path = "a[b](1).yaml";
    let id = world.manifest(path, DEPLOYMENT);
    let finding = Finding::new(&RULE, forged, &world.at(id, "2GiB"), forged)
        .also(&world.at(id, "512Mi"), forged)
        .note(forged)
        .fix(Fix::safe(forged).replace(&world.at(id, "2GiB"), "x"));
    let mut report = world.report(vec![finding]);
    report.missing = vec![forged.to_owned()];
    report.skipped = vec![Skipped { path: path.to_owned(), why: forged.to_owned(), render: None }];
    report.not_judged.push(NotJudged {
        rule: "cpu-limit-above-node",
        subject: "s".into(),
        reason: Reason::NodeUnknown,
        needs: "the node".into(),
    });
    let sarif: serde_json::Value =
        serde_json::from_str(&sarif::render(&view::View::new(&report))).unwrap();
    let mut messages = Vec::new();
    texts(&sarif["runs"][0]["results"], &mut messages);
    texts(&sarif["runs"][0]["invocations"], &mut messages);
    assert_eq!(messages.len(), 7, "{messages:#?}");
    for message in &messages {
        let links: Vec<&str> = unescaped_brackets(message);
        let ours = message.starts_with("see") && message.contains("\nfix: ");
        assert_eq!(links.len(), if ours { 1 } else { 0 }, "{message}");
        assert!(!message.contains("\nfix: forged"), "{message}");
    }
}

/// Every `text` of a message below.
fn texts(value: &serde_json::Value, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    // The replacement of a fix is no message.
                    Some(text) if key == "text" && text != "x" => out.push(text.to_owned()),
                    _ => texts(value, out),
                }
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| texts(value, out)),
        _ => {}
    }
}

/// What follows each bracket that opens and that no backslash precedes.
fn unescaped_brackets(message: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut escaped = false;
    for (at, c) in message.char_indices() {
        if c == '[' && !escaped {
            found.push(&message[at..]);
        }
        escaped = c == '\\' && !escaped;
    }
    found
}

#[test]
fn json_holds_every_place() {
    let mut world = World::new();
    let finding = world.joint_finding();
    let mut report = world.report(vec![finding]);
    report.not_judged.push(NotJudged {
        rule: "probe-path-not-served",
        subject: "default/Deployment/checkout/app".into(),
        reason: Reason::NoBinary,
        needs: "the program".into(),
    });
    insta::assert_snapshot!(json::render(&view::View::new(&report)), @r#"
    {
      "version": 1,
      "tool": {
        "name": "provost",
        "version": "0.1.0"
      },
      "inputs": [
        {
          "path": "deploy/deployment.yaml",
          "kind": "manifest",
          "named": false
        },
        {
          "path": "Dockerfile",
          "kind": "dockerfile",
          "named": false
        },
        {
          "path": "bin/checkout",
          "kind": "binary",
          "named": false
        }
      ],
      "subjects": [],
      "findings": [
        {
          "rule": "gomemlimit-above-memory-limit",
          "level": "error",
          "group": "runtime",
          "message": "GOMEMLIMIT (2 GiB) is above the container's memory limit (512 MiB)",
          "subject": "default/Deployment/checkout/app",
          "evidence": [
            {
              "origin": "text",
              "path": "deploy/deployment.yaml",
              "start": {
                "line": 10,
                "column": 38,
                "offset": 178
              },
              "end": {
                "line": 10,
                "column": 42,
                "offset": 182
              },
              "role": "primary",
              "note": "the runtime starts to collect harder at 2147483648 bytes"
            },
            {
              "origin": "text",
              "path": "deploy/deployment.yaml",
              "start": {
                "line": 13,
                "column": 38,
                "offset": 264
              },
              "end": {
                "line": 13,
                "column": 43,
                "offset": 269
              },
              "role": "related",
              "note": "the kernel kills at 536870912 bytes"
            },
            {
              "origin": "text",
              "path": "Dockerfile",
              "start": {
                "line": 2,
                "column": 5,
                "offset": 17
              },
              "end": {
                "line": 2,
                "column": 13,
                "offset": 25
              },
              "role": "related",
              "note": "nothing else starts a collection"
            },
            {
              "origin": "binary",
              "path": "bin/checkout",
              "address": "0x4a2000",
              "section": ".go.buildinfo",
              "role": "related",
              "note": "go1.27.3, automemlimit not linked"
            }
          ],
          "notes": [
            "the kernel kills the process before the runtime has a reason to collect"
          ],
          "fix": {
            "title": "set GOMEMLIMIT to 460MiB (90 % of the limit)",
            "applicability": "suggest"
          },
          "help_uri": "docs/rules/gomemlimit-above-memory-limit.md",
          "fingerprint": "c584abadd55efdd23f4101a9631a8d5a"
        }
      ],
      "not_judged": [
        {
          "rule": "probe-path-not-served",
          "subject": "default/Deployment/checkout/app",
          "reason": "no-binary",
          "needs": "the program"
        }
      ],
      "skipped": [],
      "built": [],
      "suppressed": [],
      "summary": {
        "errors": 1,
        "warnings": 0,
        "notes": 0,
        "objects": 4,
        "dockerfiles": 0,
        "binaries": 0,
        "images": 0,
        "rules_not_judged": 1,
        "suppressed": 0
      }
    }
    "#);
}

#[test]
fn annotations_end_where_nobody_reads_them() {
    let mut world = World::new();
    let finding = world.joint_finding();
    let report = world.report(vec![finding; 103]);
    let out = github::render(&view::View::new(&report));
    assert_eq!(out.lines().filter(|line| line.starts_with("::error ")).count(), 100);
    assert!(out.ends_with("and 3 errors that are not annotated\nprovost: 103 errors\n"), "{out}");
}

#[test]
fn paths_for_hosts_begin_at_the_root_of_the_repository() {
    let mut world = World::new();
    world.manifest("a.yaml", "a: b\n");
    let mut report = world.report(Vec::new());
    for (folder, path, from_root) in [
        ("", "./a/b.yaml", "a/b.yaml"),
        ("svc/api", "./a/b.yaml", "svc/api/a/b.yaml"),
        ("svc/api", "../../deploy//a.yaml", "deploy/a.yaml"),
        ("svc/api", "../..", "."),
        // Outside of the repository, and what is no file of it.
        ("svc", "../../a.yaml", "../../a.yaml"),
        ("svc", "/etc/a.yaml", "/etc/a.yaml"),
        ("svc", "-", "-"),
        ("svc", "registry:r.example/a:1", "registry:r.example/a:1"),
    ] {
        report.folder = folder.to_owned();
        assert_eq!(view::View::new(&report).from_root(path), from_root, "{folder} {path}");
    }
}
