//! What tells findings apart over time.

use super::*;
use crate::findings::fingerprint::assign;

fn of(path: &str, text: &str, needle: &str, message: &str) -> String {
    let mut world = World::new();
    let id = world.manifest(path, text);
    let mut finding = Finding::new(&RULE, message, &world.at(id, needle), "");
    finding.subject = "default/Deployment/checkout/app".to_owned();
    let mut findings = [finding];
    assign(&mut findings, &world.sources);
    let [finding] = findings;
    finding.fingerprint
}

#[test]
fn moves_with_its_text_and_changes_with_its_value() {
    let here = of("deploy/a.yaml", DEPLOYMENT, "2GiB", "m");
    let moved = format!("# a comment\n\n{DEPLOYMENT}");
    assert_eq!(here, of("deploy/a.yaml", &moved, "2GiB", "m"));
    assert_eq!(here, of("/ci/checkout/deploy/a.yaml", DEPLOYMENT, "2GiB", "better words"));
    let other = DEPLOYMENT.replace("2GiB", "3GiB");
    assert_ne!(here, of("deploy/a.yaml", &other, "3GiB", "m"));
    // Written down, so that an accidental change of what is hashed is seen: baselines hold it.
    insta::assert_snapshot!(here, @"d1bb7eefefee3ff5d62443211385f291");
}

/// What a baseline holds of findings on objects, and what of those of other things.
#[test]
fn an_object_is_known_by_its_name_and_another_file_by_its_own() {
    use crate::artifact::manifest::{ManifestFile, Options, load_manifests};
    use crate::findings::fingerprint::identify;
    let names = |path: &str, text: &str, subject: &str| {
        let mut sources = Sources::default();
        let files = [ManifestFile::text(path, text)];
        let objects = load_manifests(&files, &mut sources, &Options::default()).objects;
        let id = sources.iter().next().unwrap().0;
        let places = text.match_indices("hunter2x1").map(|(at, _)| Span::new(at, at + 9));
        let mut findings: Vec<Finding> = places
            .map(|span| {
                let mut finding = Finding::new(&RULE, "m", &Origin::text(id, span), "");
                finding.subject = subject.to_owned();
                finding
            })
            .collect();
        identify(&mut findings, &objects, &sources);
        assign(&mut findings, &sources);
        findings.into_iter().map(|f| (f.fingerprint, f.former)).collect::<Vec<_>>()
    };
    let pod = |env: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n    - name: web\n      env:\n{env}"
        )
    };
    let one = "        - {name: A, value: hunter2x1}\n";
    let two = "        - name: B\n          value: hunter2x1\n";
    let subject = "default/Pod/a/web";
    let both = names("a.yaml", &pod(&format!("{one}{two}")), subject);
    assert_ne!(both[0].0, both[1].0);
    // In another order, in another file, alone.
    let turned = names("x/b.yaml", &pod(&format!("{two}{one}")), subject);
    assert_eq!((&both[0].0, &both[1].0), (&turned[1].0, &turned[0].0));
    assert_eq!(names("a.yaml", &pod(two), subject)[0].0, both[1].0);
    // The recipe before counted, and went by the file.
    assert_eq!(both[0].1, names("y/a.yaml", &pod(two), subject)[0].1);
    assert_ne!(both[0].1, turned[0].1);
    // What is no object is known by its file, wherever that lies.
    let file = |path: &str| names(path, &pod(one), path)[0].0.clone();
    assert_eq!(file("a/x.yaml"), file("b/x.yaml"));
    assert_ne!(file("x.yaml"), file("y.yaml"));
}

#[test]
fn equal_findings_are_told_apart() {
    let mut world = World::new();
    let id = world.manifest("a.yaml", DEPLOYMENT);
    let finding = Finding::new(&RULE, "m", &world.at(id, "2GiB"), "");
    let mut findings = [finding.clone(), finding];
    assign(&mut findings, &world.sources);
    assert_ne!(findings[0].fingerprint, findings[1].fingerprint);
}
