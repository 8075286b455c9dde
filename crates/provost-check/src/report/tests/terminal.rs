//! What a person reads.

use super::*;

#[test]
fn one_message_shows_the_places_of_all_artifacts() {
    let mut world = World::new();
    let finding = world.joint_finding();
    let report = world.report(vec![finding]);
    insta::assert_snapshot!(text::render(&report, Options::default()), @r#"
    error[gomemlimit-above-memory-limit]: GOMEMLIMIT (2 GiB) is above the
      container's memory limit (512 MiB)
      --> deploy/deployment.yaml:10:38
       |
    10 |         - {name: GOMEMLIMIT, value: "2GiB"}
       |                                      ^^^^ the runtime starts to collect
       |                                           harder at 2147483648 bytes
    ...
    13 |         resources: {limits: {memory: 512Mi}}
       |                                      ----- the kernel kills at 536870912
       |                                            bytes
       |
      ::: Dockerfile:2:5
       |
     2 | ENV GOGC=off
       |     -------- nothing else starts a collection
      ::: bin/checkout (.go.buildinfo at 0x4a2000): go1.27.3, automemlimit not
            linked
       = note: the kernel kills the process before the runtime has a reason to
               collect
       = fix: set GOMEMLIMIT to 460MiB (90 % of the limit)
       = help: provost explain gomemlimit-above-memory-limit

    1 error in 4 objects
    "#);
}

/// Everything printed stays within the width, whatever the inputs.
fn assert_fits(shown: &str, width: usize) {
    for line in shown.lines() {
        assert!(super::plain::text_width(line) <= width, "{width}: {line}\n{shown}");
    }
}

#[test]
fn long_lines_are_cut_around_what_is_marked() {
    let mut world = World::new();
    let line = format!(
        "- {{a: \"{}\", name: GOMEMLIMIT, value: \"2GiB\", b: \"{}\", limit: 512Mi}}\n",
        "x".repeat(3000),
        "y".repeat(3000)
    );
    let id = world.manifest("deploy.yaml", &line);
    let finding = Finding::new(&RULE, "too much", &world.at(id, "2GiB"), "here it is")
        .also(&world.at(id, "512Mi"), "and the limit is there");
    let report = world.report(vec![finding]);
    let shown = text::render(&report, Options::default());
    assert_fits(&shown, 80);
    insta::assert_snapshot!(shown, @r#"
    error[gomemlimit-above-memory-limit]: too much
     --> deploy.yaml:1:3037
      |
    1 | ... name: GOMEMLIMIT, value: "2GiB", b: "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy...
      |                               ^^^^ here it is
      |
     ::: deploy.yaml:1:6058
      |
    1 | ...yyyyyyyyyyy", limit: 512Mi}
      |                         ----- and the limit is there
      |
      = help: provost explain gomemlimit-above-memory-limit

    1 error in 4 objects
    "#);
}

#[test]
fn a_place_over_many_lines_is_marked_on_its_first() {
    let mut world = World::new();
    let id = world.manifest("deploy.yaml", DEPLOYMENT);
    let finding = Finding::new(&RULE, "no limit", &world.at(id, &DEPLOYMENT[30..]), "");
    let report = world.report(vec![finding]);
    insta::assert_snapshot!(text::render(&report, Options::default()), @r#"
    error[gomemlimit-above-memory-limit]: no limit
     --> deploy.yaml:2:11
      |
    2 | kind: Deployment
      |           ^^^^^^
      |
      = help: provost explain gomemlimit-above-memory-limit

    1 error in 4 objects
    "#);
}

#[test]
fn artifacts_cannot_control_the_terminal() {
    let mut world = World::new();
    let id = world.manifest("a\u{1b}[2J.yaml", "name: \u{1b}[31mred\u{9b}0m\r\nvalue: \u{202e}x\n");
    let finding =
        Finding::new(&RULE, "name \u{1b}]0;title\u{7} is odd", &world.at(id, "red"), "\u{1b}[0m")
            .also(&world.at(id, "x"), "second")
            .note("see \u{1b}[1m");
    let report = world.report(vec![finding]);
    let shown = text::render(&report, Options::default());
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{9b}') && !shown.contains('\r'));
    insta::assert_snapshot!(shown, @r#"
    error[gomemlimit-above-memory-limit]: name ␛]0;title␇ is odd
     --> a␛[2J.yaml:1:12
      |
    1 | name: ␛[31mred�0m
      |            ^^^ ␛[0m
    2 | value: �x
      |         - second
      |
      = note: see ␛[1m
      = help: provost explain gomemlimit-above-memory-limit

    1 error in 4 objects
    "#);
    let json = json::render(&view::View::new(&report));
    assert!(json.chars().all(|c| c == '\n' || super::plain::replacement(c).is_none()));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["findings"][0]["message"], "name \u{1b}]0;title\u{7} is odd");
}

#[test]
fn the_same_finding_over_many_objects_is_shown_once() {
    let mut world = World::new();
    let findings: Vec<_> = (1..=30)
        .map(|n| {
            let id = world.manifest(&format!("deploy/s{n:02}.yaml"), DEPLOYMENT);
            let message = format!("GOMEMLIMIT ({n} GiB) of `service-{n}` is above the limit");
            let mut finding = Finding::new(&RULE, message, &world.at(id, "2GiB"), "set here");
            finding.subject = format!("default/Deployment/service-{n}/app");
            finding
        })
        .collect();
    let report = world.report(findings);
    insta::assert_snapshot!(text::render(&report, Options::default()), @r#"
    error[gomemlimit-above-memory-limit]: GOMEMLIMIT (1 GiB) of `service-1` is above
      the limit
      --> deploy/s01.yaml:10:38
       |
    10 |         - {name: GOMEMLIMIT, value: "2GiB"}
       |                                      ^^^^ set here
       |
       = note: and 29 more: deploy/s02.yaml:10, deploy/s03.yaml:10,
               deploy/s04.yaml:10, ...
       = help: provost explain gomemlimit-above-memory-limit

    30 errors in 4 objects
    "#);
    let value: serde_json::Value =
        serde_json::from_str(&json::render(&view::View::new(&report))).unwrap();
    assert_eq!(value["findings"].as_array().unwrap().len(), 30);
    let all = text::render(&report, Options { verbose: true, ..Options::default() });
    assert_eq!(all.matches("error[").count(), 30);
}

#[test]
fn the_report_ends_with_what_was_joined_and_what_was_not_judged() {
    let mut world = World::new();
    let finding = world.joint_finding();
    world.file("go.mod", SourceKind::GoMod, "module x\n");
    let mut report = world.report(vec![finding.clone().variant(&RULE.variants[0])]);
    report.subjects = vec![
        SubjectView {
            name: "default/Deployment/checkout/app".to_owned(),
            binary: None,
            dockerfile: Some("Dockerfile".to_owned()),
            image: None,
            because: vec![
                "the image `checkout` is the only candidate".to_owned(),
                "provost.toml says so in the entry of the service that is named checkout"
                    .to_owned(),
            ],
        },
        SubjectView { name: "default/Deployment/other/app".to_owned(), ..Default::default() },
    ];
    for (rule, reason) in [
        ("probe-path-not-served", Reason::NoBinary),
        ("unknown-godebug-key", Reason::NoBinary),
        ("cpu-limit-above-node", Reason::NodeUnknown),
    ] {
        let subject = "default/Deployment/checkout/app".into();
        report.not_judged.push(NotJudged { rule, subject, reason, needs: "the program".into() });
    }
    report.suppressed = vec![Suppressed {
        until: None,
        origin: finding.primary().clone(),
        finding,
        reason: "measured".to_owned(),
    }];
    let shown = text::render(&report, Options::default());
    assert_fits(&shown, 80);
    insta::assert_snapshot!(shown, @r#"
    warning[gomemlimit-above-memory-limit/headroom]: GOMEMLIMIT (2 GiB) is above the
      container's memory limit (512 MiB)
      --> deploy/deployment.yaml:10:38
       |
    10 |         - {name: GOMEMLIMIT, value: "2GiB"}
       |                                      ^^^^ the runtime starts to collect
       |                                           harder at 2147483648 bytes
    ...
    13 |         resources: {limits: {memory: 512Mi}}
       |                                      ----- the kernel kills at 536870912
       |                                            bytes
       |
      ::: Dockerfile:2:5
       |
     2 | ENV GOGC=off
       |     -------- nothing else starts a collection
      ::: bin/checkout (.go.buildinfo at 0x4a2000): go1.27.3, automemlimit not
            linked
       = note: the kernel kills the process before the runtime has a reason to
               collect
       = fix: set GOMEMLIMIT to 460MiB (90 % of the limit)
       = help: provost explain gomemlimit-above-memory-limit/headroom

    judged together:
      container                        binary  Dockerfile
      default/Deployment/checkout/app  -       Dockerfile
        because the image `checkout` is the only candidate; provost.toml says so in
          the entry of the service that is named checkout
      1 container by the manifests alone

    not judged:
      no-binary: 2 rules; give the program with --binary PATH or build it with
        --build
      node-unknown: 1 rule; set [cluster] node_cpus or node_arch in provost.toml

    1 finding suppressed (--verbose lists them)

    1 warning in 4 objects; 3 rules not judged
    help: no Go binary was given; --build builds the module of go.mod and judges the
      result
    "#);
    let all = text::render(&report, Options { verbose: true, ..Options::default() });
    insta::assert_snapshot!(all[all.find("judged together").unwrap()..], @r#"
    judged together:
      container                        binary  Dockerfile
      default/Deployment/checkout/app  -       Dockerfile
        because the image `checkout` is the only candidate; provost.toml says so in
          the entry of the service that is named checkout
      default/Deployment/other/app     -       -

    not judged:
      no-binary: 2 rules; give the program with --binary PATH or build it with
        --build
        probe-path-not-served: default/Deployment/checkout/app (the program)
        unknown-godebug-key: default/Deployment/checkout/app (the program)
      node-unknown: 1 rule; set [cluster] node_cpus or node_arch in provost.toml
        cpu-limit-above-node: default/Deployment/checkout/app (the program)

    suppressed:
      gomemlimit-above-memory-limit at deploy/deployment.yaml:10: measured

    1 warning in 4 objects; 3 rules not judged
    help: no Go binary was given; --build builds the module of go.mod and judges the
      result
    "#);
    let quiet = text::render(&report, Options { quiet: true, ..Options::default() });
    assert!(quiet.ends_with("\n\n1 warning in 4 objects; 3 rules not judged\n"), "{quiet}");
    assert!(!quiet.contains("judged together") && !quiet.contains("suppressed"), "{quiet}");
}

#[test]
fn nothing_judged_is_never_no_findings() {
    let mut world = World::new();
    let mut report = world.report(Vec::new());
    report.judged = Judged::default();
    insta::assert_snapshot!(text::render(&report, Options::default()), @r#"
    nothing was judged: no Kubernetes manifest, Dockerfile or Go binary was found;
      name the directory that holds them
    "#);
    world.file("svc/go.mod", SourceKind::GoMod, "module x\n");
    let mut report = world.report(Vec::new());
    report.judged = Judged::default();
    insta::assert_snapshot!(text::render(&report, Options::default()), @r#"
    nothing was judged: svc/go.mod is a Go module, but no manifest, Dockerfile or
      binary was found beside it; --build judges the program it builds
    "#);
}

#[test]
fn colours_change_no_text() {
    let mut world = World::new();
    let finding = world.joint_finding();
    let report = world.report(vec![finding]);
    let plain = text::render(&report, Options::default());
    let colored = text::render(&report, Options { color: true, ..Options::default() });
    assert!(colored.contains("\u{1b}["));
    let mut stripped = String::new();
    let mut rest = colored.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        stripped.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find('m').unwrap() + 1..];
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
}

#[test]
fn every_width_is_kept() {
    let mut world = World::new();
    let finding = world.joint_finding();
    let report = world.report(vec![finding]);
    for width in 40..120 {
        assert_fits(&text::render(&report, Options { width, ..Options::default() }), width);
    }
}

/// Six slips in one object are six things to mend; one missing limit in six objects is one.
#[test]
fn what_is_folded_says_the_same_words() {
    let mut world = World::new();
    let id = world.manifest("deploy.yaml", DEPLOYMENT);
    let slip = |name: &str| {
        let message = format!("a Container has no field `{name}`: it has no effect");
        Finding::new(&RULE, message, &Origin::whole(id), "no such field")
    };
    let slips = ["lables", "httpget", "securitycontext"].map(slip);
    let shown = text::render(&world.report(slips.to_vec()), Options::default());
    assert_eq!(shown.matches("no such field").count(), 3, "{shown}");
    let same = ["shop-a:1", "shop-b:2", "shop-c:3"].map(|image| {
        let message = format!("the image `{image}` has a tag that moves, under policy `Always`");
        Finding::new(&RULE, message, &Origin::whole(id), "moves")
    });
    let shown = text::render(&world.report(same.to_vec()), Options::default());
    assert!(shown.contains("and 2 more: deploy.yaml"), "{shown}");
}

#[test]
fn kinds_that_are_not_known_are_named_in_one_line() {
    let world = World::new();
    let mut report = world.report(Vec::new());
    let kind = |kind: &str, objects| UnknownKind {
        kind: kind.to_owned(),
        version: "acme.io/v1".to_owned(),
        objects,
    };
    report.unknown_kinds = vec![kind("Widget", 3), kind("Gadget", 1)];
    let line = "4 objects of kinds that provost does not know: 3 Widget (acme.io/v1), Gadget \
                (acme.io/v1)";
    let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = flat(text::render(&report, Options::default()));
    assert!(shown.contains(&format!("not judged: {line}")), "{shown}");
    for shown in formats(&report) {
        assert!(shown.contains("3 Widget"), "{shown}");
    }
    report.unknown_kinds = (0..9).map(|n| kind(&format!("Kind{n}"), 1)).collect();
    let shown = flat(text::render(&report, Options::default()));
    assert!(shown.contains("Kind3 (acme.io/v1), 5 more kinds"), "{shown}");
    assert!(!shown.contains("Kind4"), "{shown}");
}

/// The report in every format but text.
fn formats(report: &Report<'_>) -> [String; 7] {
    let view = crate::report::view::View::new(report);
    [
        github::render(&view),
        gitlab::render(&view),
        html::render(&view),
        json::render(&view),
        junit::render(&view),
        markdown::render(&view),
        sarif::render(&view),
    ]
}

#[test]
fn a_release_older_than_the_tables_is_told_in_every_format() {
    let world = World::new();
    let mut report = world.report(Vec::new());
    report.older_kubernetes = Some(20);
    let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = flat(text::render(&report, Options::default()));
    assert!(shown.contains("not judged: where Kubernetes 1.20 differs from 1.30"), "{shown}");
    for shown in formats(&report) {
        assert!(shown.contains("where Kubernetes 1.20 differs from 1.30"), "{shown}");
    }
}

/// To ask for what was given and could not be read would send its reader in circles.
#[test]
fn what_was_given_in_vain_is_not_asked_for_again() {
    let mut world = World::new();
    let mut source = Source::opaque("bin/broken", SourceKind::Binary);
    source.named = true;
    world.sources.add(source);
    let mut report = world.report(Vec::new());
    report.not_judged = vec![crate::findings::NotJudged {
        rule: "gomemlimit-unset",
        subject: "default/Deployment/checkout/app".into(),
        reason: crate::findings::Reason::NoBinary,
        needs: "".into(),
    }];
    let shown = text::render(&report, Options::default());
    assert!(shown.contains("no-binary: 1 rule; bin/broken could not be read"), "{shown}");
    assert!(!shown.contains("--binary"), "{shown}");
}
