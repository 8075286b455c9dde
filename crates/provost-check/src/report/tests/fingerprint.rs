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
    assert_ne!(here, of("deploy/b.yaml", DEPLOYMENT, "2GiB", "m"));
    // Written down, so that an accidental change of what is hashed is seen: baselines hold it.
    insta::assert_snapshot!(here, @"3b42af6c47b545dfd7921bc57da7027d");
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
