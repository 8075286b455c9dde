use std::sync::Arc;

use super::*;
use crate::artifact::manifest::{ManifestFile, Options, load_manifests};
use crate::artifact::{Source, SourceKind};
use crate::facts::origin::Span;
use crate::findings::Level;
use crate::rules::rule::{Group, Rule, Variant};

static RULE: Rule = Rule {
    id: "gomemlimit-above-memory-limit",
    group: Group::Runtime,
    level: Level::Deny,
    variants: &[Variant::new("headroom", Level::Warn, "little headroom")],
    ..Rule::BASE
};

struct Run {
    text: String,
    sources: Sources,
    objects: Vec<crate::facts::Object>,
    finding: Finding,
    not_judged: Vec<NotJudged>,
    selection: Selection,
}

impl Run {
    /// A file in which one finding is at the word BAD.
    fn new(kind: SourceKind, text: &str) -> Self {
        let mut sources = Sources::default();
        let mut objects = Vec::new();
        if kind == SourceKind::Manifest {
            let files = [ManifestFile::text("deploy/a.yaml", text)];
            objects = load_manifests(&files, &mut sources, &Options::default()).objects;
        } else {
            sources.add(Source::text("Dockerfile", kind, Arc::from(text)));
        }
        let id = sources.iter().next().unwrap().0;
        let at = text.find("BAD").unwrap();
        let origin = Origin::text(id, Span::new(at, at + 3));
        let mut finding = Finding::new(&RULE, "too much", &origin, "here");
        finding.subject = "default/Deployment/checkout/app".to_owned();
        Self {
            text: text.to_owned(),
            sources,
            objects,
            finding,
            not_judged: Vec::new(),
            selection: Selection::default(),
        }
    }

    fn with(self, suppressions: &[Suppression]) -> String {
        let context = Context {
            sources: &self.sources,
            selection: &self.selection,
            not_judged: &self.not_judged,
            date: jiff::civil::date(2026, 11, 23),
        };
        let applied = apply(vec![self.finding], suppressions, &context);
        let mut lines: Vec<String> = applied
            .suppressed
            .iter()
            .map(|s| format!("suppressed: {} ({})", s.finding.id(), s.reason))
            .collect();
        lines.extend(applied.findings.iter().map(|f| {
            let range = f.primary().span().unwrap().range();
            format!("{} at `{}`: {}", f.id(), &self.text[range], f.message)
        }));
        lines.join("\n")
    }

    fn inline(self) -> String {
        let all = collect(&self.sources, &self.objects);
        self.with(&all)
    }
}

fn yaml(text: &str) -> String {
    Run::new(SourceKind::Manifest, text).inline()
}

const ID: &str = "gomemlimit-above-memory-limit";
const HEAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n";

#[test]
fn on_the_line_or_in_the_comment_above() {
    let expected = format!("suppressed: {ID} (measured in May)");
    assert_eq!(
        yaml(&format!("{HEAD}  a: BAD # provost: ignore[{ID}] measured in May\n")),
        expected
    );
    assert_eq!(
        yaml(&format!(
            "{HEAD}  # provost: ignore[{ID}] measured in May\n  # see the wiki\n  a: BAD\n"
        )),
        expected
    );
    assert_eq!(
        yaml(&format!(
            "{HEAD}  a: BAD # provost: ignore[{ID}] measured in May, until=2026-11-23\n"
        )),
        expected
    );
    let dockerfile =
        format!("FROM scratch\n# provost: ignore[{ID}] measured in May\r\nENV A=BAD\r\n");
    assert_eq!(Run::new(SourceKind::Dockerfile, &dockerfile).inline(), expected);
}

#[test]
fn several_in_one_block_or_on_one_line() {
    let both = |first: &str, second: &str| {
        // A reason runs to the end of the line.
        let expected = format!("suppressed: {ID} (measured in May");
        for text in [
            format!("{HEAD}  # {first}\n  # see the wiki\n  # {second}\n  a: BAD\n"),
            format!("{HEAD}  a: BAD # {first} # {second}\n"),
        ] {
            assert!(yaml(&text).contains(&expected), "{text}{}", yaml(&text));
        }
    };
    let good = format!("provost: ignore[{ID}] measured in May");
    both(&good, "provost: ignore[single-replica] one is enough");
    both("provost: ignore[single-replica], until=2026-11-23", &good);
}

#[test]
fn what_does_not_hold_is_said() {
    insta::assert_snapshot!(yaml(&format!("{HEAD}  a: BAD # provost: ignore[{ID}]\n")), @r#"
    gomemlimit-above-memory-limit at `BAD`: too much
    bad-suppression/without-reason at `gomemlimit-above-memory-limit`: the suppression of gomemlimit-above-memory-limit gives no reason, so it does not hold
    "#);
    insta::assert_snapshot!(yaml(&format!("{HEAD}  a: BAD # provost: ignore[{ID}] r, until=2026-11-22\n")), @r#"
    gomemlimit-above-memory-limit at `BAD`: too much
    bad-suppression/expired at `gomemlimit-above-memory-limit`: the suppression of gomemlimit-above-memory-limit ended on 2026-11-22
    "#);
    insta::assert_snapshot!(yaml(&format!("{HEAD}  a: BAD # provost: ignore[{ID}] r, until=soon\n")), @r#"
    gomemlimit-above-memory-limit at `BAD`: too much
    bad-suppression/expired at `gomemlimit-above-memory-limit`: the suppression of gomemlimit-above-memory-limit ends on `soon`, which is no day
    "#);
    insta::assert_snapshot!(yaml(&format!("{HEAD}  a: BAD\n  b: x # provost: ignore[{ID}] r\n")), @r#"
    gomemlimit-above-memory-limit at `BAD`: too much
    bad-suppression/unused at `gomemlimit-above-memory-limit`: the suppression of gomemlimit-above-memory-limit suppresses nothing
    "#);
    // A blank line parts the comment from what follows.
    insta::assert_snapshot!(yaml(&format!("{HEAD}  # provost: ignore[{ID}] r\n\n  a: BAD\n")), @r#"
    gomemlimit-above-memory-limit at `BAD`: too much
    bad-suppression/unused at `gomemlimit-above-memory-limit`: the suppression of gomemlimit-above-memory-limit suppresses nothing
    "#);
    insta::assert_snapshot!(yaml(&format!("{HEAD}  a: BAD # provost: ignore[gomemlimit-above-memory-limt] r\n")), @r#"
    gomemlimit-above-memory-limit at `BAD`: too much
    bad-suppression/unused at `gomemlimit-above-memory-limt`: no rule is named `gomemlimit-above-memory-limt`, so nothing is suppressed
    "#);
    insta::assert_snapshot!(yaml(&format!("{HEAD}  a: BAD # provost: ignore everything\n")), @r#"
    gomemlimit-above-memory-limit at `BAD`: too much
    bad-suppression/unused at `# provost: ignore everything`: the suppression names no rule, so nothing is suppressed
    "#);
}

#[test]
fn text_inside_a_value_is_no_comment() {
    let script = format!("{HEAD}  a: |\n    run # provost: ignore[{ID}] r\n  b: BAD\n");
    assert_eq!(yaml(&script), format!("{ID} at `BAD`: too much"));
    let quoted = format!("{HEAD}  a: \"BAD # provost: ignore[{ID}] r\"\n");
    assert_eq!(yaml(&quoted), format!("{ID} at `BAD`: too much"));
}

#[test]
fn a_variant_is_named_alone_or_with_its_rule() {
    let run = |id: &str| {
        let text = format!("{HEAD}  a: BAD # provost: ignore[{id}] r\n");
        let mut run = Run::new(SourceKind::Manifest, &text);
        run.finding = run.finding.variant(&RULE.variants[0]);
        run.inline()
    };
    assert_eq!(run(ID), format!("suppressed: {ID}/headroom (r)"));
    assert_eq!(run(&format!("{ID}/headroom")), format!("suppressed: {ID}/headroom (r)"));
    assert!(run(&format!("{ID}/other")).contains("has no variant `other`"));
}

#[test]
fn unused_only_where_the_rule_was_judged() {
    let text = format!("{HEAD}  a: BAD\n  b: x # provost: ignore[{ID}] r\n");
    let mut run = Run::new(SourceKind::Manifest, &text);
    run.not_judged.push(NotJudged {
        rule: ID,
        subject: "default/Deployment/other/app".into(),
        reason: crate::findings::Reason::NoBinary,
        needs: "the program".into(),
    });
    assert_eq!(run.inline(), format!("{ID} at `BAD`: too much"));
    let mut run = Run::new(SourceKind::Manifest, &text);
    run.selection.skip = vec![ID.to_owned()];
    assert_eq!(run.inline(), format!("{ID} at `BAD`: too much"));
}

#[test]
fn by_path_or_object() {
    let run = |path: Option<&str>, object: Option<&str>| {
        let run = Run::new(SourceKind::Manifest, &format!("{HEAD}  a: BAD\n"));
        let scope = Scope::Where {
            path: path.map(str::to_owned),
            object: object.map(str::to_owned),
            namespace: None,
        };
        let suppression = Suppression {
            rule: ID.to_owned(),
            reason: Some("r".to_owned()),
            until: Until::Always,
            scope,
            origin: run.finding.primary().clone(),
        };
        run.with(&[suppression]).starts_with("suppressed")
    };
    assert!(run(None, None));
    assert!(run(Some("deploy/**"), None));
    assert!(run(Some("*.yaml"), Some("default/Deployment/checkout")));
    assert!(run(None, Some("*/Deployment/check*/app")));
    assert!(!run(Some("charts/**"), None));
    assert!(!run(Some("deploy/**"), Some("default/Deployment/cart")));
    assert!(!run(None, Some("default")));
}

#[test]
fn every_rule_of_a_namespace() {
    let run = |namespace: &str, subject: &str, not_judged: &[NotJudged]| {
        let mut run = Run::new(SourceKind::Manifest, &format!("{HEAD}  a: BAD\n"));
        run.finding.subject = subject.to_owned();
        run.not_judged = not_judged.to_vec();
        let suppression = Suppression {
            rule: EVERY_RULE.to_owned(),
            reason: Some("r".to_owned()),
            until: Until::Always,
            scope: Scope::Where { path: None, object: None, namespace: Some(namespace.to_owned()) },
            origin: run.finding.primary().clone(),
        };
        run.with(&[suppression])
    };
    let subject = "kube-system/Deployment/checkout/app";
    assert!(run("kube-*", subject, &[]).starts_with("suppressed"));
    let other = run("shop", subject, &[]);
    assert!(other.contains("the suppression of every rule suppresses nothing"), "{other}");
    // A path is in no namespace, whatever its folder is called.
    let path = run("deploy", "deploy/a.yaml", &[]);
    assert!(!path.starts_with("suppressed"), "{path}");
    // In a comment it would hide what nobody has seen yet.
    let inline = yaml(&format!("{HEAD}  a: BAD # provost: ignore[*] r\n"));
    assert!(inline.contains("no rule is named `*`"), "{inline}");
}

#[test]
fn a_rule_that_does_not_exist_is_told_by_its_own_name() {
    let fix = |rule: &str| {
        let text = format!("{HEAD}  a: BAD # provost: ignore[{rule}] r\n");
        let run = Run::new(SourceKind::Manifest, &text);
        let context = Context {
            sources: &run.sources,
            selection: &run.selection,
            not_judged: &[],
            date: jiff::civil::date(2026, 11, 23),
        };
        let all = collect(&run.sources, &run.objects);
        let applied = apply(Vec::new(), &all, &context);
        applied.findings[0].fix.as_ref().unwrap().title.clone()
    };
    assert_eq!(fix("singel-replica"), "did you mean `single-replica`?");
    assert_eq!(fix("DL3007"), "hadolint's DL3007 is `floating-build-input` here");
    assert_eq!(
        fix("pod-probes-identical"),
        "kube-score's pod-probes-identical is `readiness-endpoint-as-liveness` here"
    );
    assert_eq!(fix("packed-binary"), "did you mean `unparsable-input/packed-binary`?");
    assert_eq!(
        fix("unparsable-input/packed"),
        "`provost explain unparsable-input` names its variants"
    );
    // One that is there and finds nothing.
    assert_eq!(fix("single-replica"), "remove it");
}
