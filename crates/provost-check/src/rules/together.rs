//! One cause, one finding: what the manifest and a measured process both tell of one container.

use std::collections::BTreeSet;

use super::engine::{Selection, judge};
use super::pages::{load, sections};
use crate::case::Joined;

/// What is found by those rules, where they are asked together, of files as pages have them.
fn found(rules: &[&str], files: &str) -> BTreeSet<String> {
    let sections = sections(files);
    let loaded = load(&sections.first().unwrap().files);
    let rules: Vec<_> = rules.iter().map(|id| super::find(id).unwrap()).collect();
    let verdicts = judge(&Joined::new(&loaded.world), &rules, &Selection::default());
    verdicts.findings.iter().map(|finding| finding.id()).collect()
}

fn manifest(grace: u32, more: &str) -> String {
    format!(
        "```yaml deploy.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: checkout}}\nspec:\n  selector: {{matchLabels: {{app: checkout}}}}\n  template:\n    metadata: {{labels: {{app: checkout}}}}\n    spec:\n      terminationGracePeriodSeconds: {grace}\n      containers:\n        - name: checkout\n          image: ghcr.io/acme/checkout:1.4.2\n          {more}\n```\n"
    )
}

fn proof(terms: &str, phases: &str) -> String {
    format!(
        "```json proof.json\n{{\"version\": 1, \"program\": {{\"path\": \"bin/checkout\", \"sha256\": \"9f86d081884c7d65\"}}, \"container\": \"default/Deployment/checkout/checkout\", \"terms\": {{{terms}}}, \"phases\": [{phases}]}}\n```\n"
    )
}

fn phase(name: &str, end: u64, more: &str) -> String {
    format!(
        "{{\"name\": \"{name}\", \"ready_us\": 40000, \"signals\": [{{\"at_us\": 1000000, \"signal\": \"TERM\"}}], \"requests\": [{{\"purpose\": \"endless\", \"path\": \"/\", \"at_us\": 700000, \"end_us\": {end}, \"outcome\": {{\"is\": \"reset\"}}}}], \"exit\": {{\"at_us\": {end}, {more}}}}}"
    )
}

#[test]
fn a_drain_that_is_too_long_is_told_once_of_manifest_and_process() {
    let rules = ["drain-exceeds-grace-period", "drain-longer-than-grace", "hangs-on-long-request"];
    let ended = "\"code\": 0";
    let killed = "\"signal\": 9, \"killed\": true";
    for (name, end, how, expected) in [
        ("drain", 12_000_000, ended, "drain-longer-than-grace"),
        ("drain", 6_000_000, killed, "drain-longer-than-grace"),
        ("stuck", 12_000_000, ended, "drain-exceeds-grace-period"),
        ("stuck", 6_000_000, killed, "hangs-on-long-request"),
    ] {
        let files = manifest(5, "") + &proof("\"port\": 8080", &phase(name, end, how));
        assert_eq!(found(&rules, &files), BTreeSet::from([expected.to_owned()]), "{name} {how}");
        // Whoever asks for one alone is told by that one.
        let alone = found(&rules[..1], &files);
        assert_eq!(alone, BTreeSet::from([rules[0].to_owned()]), "{name} {how}");
    }
}

#[test]
fn a_start_that_is_too_slow_is_told_once_of_manifest_and_process() {
    let rules = ["startup-exceeds-probe-budget", "slow-start"];
    let terms = "\"port\": 8080, \"start_ms\": 31000, \"probes\": [{\"kind\": \"liveness\", \"path\": \"/livez\", \"port\": 8080, \"timeout_ms\": 1000}]";
    let of = |live: u64, probe: &str| {
        let phase = format!(
            "{{\"name\": \"start\", \"ready_us\": {live}, \"live_us\": {live}, \"signals\": [{{\"at_us\": 40000000, \"signal\": \"TERM\"}}]}}"
        );
        found(&rules, &(manifest(30, probe) + &proof(terms, &phase)))
    };
    let probe = "livenessProbe: {httpGet: {path: /livez, port: 8080}}";
    assert_eq!(of(25_000_000, probe), BTreeSet::from(["startup-exceeds-probe-budget".to_owned()]));
    // Within the budget, and more than half of it: another thing.
    assert_eq!(of(18_000_000, probe), BTreeSet::from(["slow-start".to_owned()]));
    // What else is said of the probe hides nothing.
    let late = "livenessProbe: {httpGet: {path: /livez, port: 8080}, initialDelaySeconds: 40}";
    let both = ["startup-exceeds-probe-budget/missing-startup-probe", "slow-start"];
    assert_eq!(of(18_000_000, late), BTreeSet::from(both.map(str::to_owned)));
}

#[test]
fn memory_that_the_collector_does_not_know_is_told_once() {
    let rules = ["gomemlimit-unset", "ignores-cgroup-limits"];
    let limits = "resources: {limits: {memory: 256Mi}}";
    let program = "```toml binary.toml\ngo = \"go1.27.3\"\npath = \"bin/checkout\"\n```\n";
    let files = manifest(30, limits) + program;
    assert_eq!(found(&rules, &files), BTreeSet::from(["gomemlimit-unset".to_owned()]));
    let phase = "{\"name\": \"limits\", \"ready_us\": 40000, \"collector\": {\"percent\": 100}}";
    let measured = files + &proof("\"port\": 8080, \"memory_limit\": 268435456", phase);
    let expected = "ignores-cgroup-limits/memory".to_owned();
    assert_eq!(found(&rules, &measured), BTreeSet::from([expected]));
}
