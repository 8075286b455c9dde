//! What people and tools see, over findings made by hand.

use std::sync::Arc;

use super::text::{self, Options};
use super::*;
use crate::artifact::Source;
use crate::facts::origin::{SourceId, Span};
use crate::findings::{Fix, Reason};
use crate::rules::rule::{Group, Rule, Variant};

static RULE: Rule = Rule {
    id: "gomemlimit-above-memory-limit",
    group: Group::Runtime,
    level: Level::Deny,
    variants: &[Variant::new("headroom", Level::Warn, "little headroom")],
    ..Rule::BASE
};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout}
spec:
  template:
    spec:
      containers:
      - name: app
        env:
        - {name: GOMEMLIMIT, value: \"2GiB\"}
        image: checkout
        ports: []
        resources: {limits: {memory: 512Mi}}
";

struct World {
    sources: Sources,
}

impl World {
    fn new() -> Self {
        Self { sources: Sources::default() }
    }

    fn file(&mut self, path: &str, kind: SourceKind, text: &str) -> SourceId {
        self.sources.add(Source::text(path, kind, Arc::from(text)))
    }

    fn manifest(&mut self, path: &str, text: &str) -> SourceId {
        self.file(path, SourceKind::Manifest, text)
    }

    /// The first place of `needle`.
    fn at(&self, id: SourceId, needle: &str) -> Origin {
        let text = self.sources.get(id).shown().unwrap();
        let start = text.find(needle).unwrap();
        Origin::text(id, Span::new(start, start + needle.len()))
    }

    fn report(&self, mut findings: Vec<Finding>) -> Report<'_> {
        sort_findings(&mut findings, &self.sources);
        crate::findings::fingerprint::assign(&mut findings, &self.sources);
        let inputs = self
            .sources
            .iter()
            .map(|(_, s)| Input { path: s.path.clone(), kind: s.kind, named: s.named })
            .collect();
        let judged = Judged { objects: 4, ..Judged::default() };
        Report {
            version: "0.1.0",
            inputs,
            subjects: Vec::new(),
            judged,
            findings,
            not_judged: Vec::new(),
            suppressed: Vec::new(),
            skipped: Vec::new(),
            built: Vec::new(),
            baseline: None,
            unchanged: 0,
            missing: Vec::new(),
            failed_builds: Vec::new(),
            unknown_kinds: Vec::new(),
            older_kubernetes: None,
            failed_renders: Vec::new(),
            folder: String::new(),
            fail_on: Some(Level::Deny),
            proofs: &[],
            traced: Vec::new(),
            logs: &[],
            said: String::new(),
            sources: &self.sources,
        }
    }

    fn joint_finding(&mut self) -> Finding {
        let deployment = self.manifest("deploy/deployment.yaml", DEPLOYMENT);
        let dockerfile =
            self.file("Dockerfile", SourceKind::Dockerfile, "FROM scratch\nENV GOGC=off\n");
        let binary = self.sources.add(Source::opaque("bin/checkout", SourceKind::Binary));
        let mut finding = Finding::new(
            &RULE,
            "GOMEMLIMIT (2 GiB) is above the container's memory limit (512 MiB)",
            &self.at(deployment, "2GiB"),
            "the runtime starts to collect harder at 2147483648 bytes",
        )
        .also(&self.at(deployment, "512Mi"), "the kernel kills at 536870912 bytes")
        .also(&self.at(dockerfile, "GOGC=off"), "nothing else starts a collection")
        .also(
            &Origin::binary(binary, ".go.buildinfo", Some(0x4a_2000)),
            "go1.27.3, automemlimit not linked",
        )
        .note("the kernel kills the process before the runtime has a reason to collect")
        .fix(Fix::suggest("set GOMEMLIMIT to 460MiB (90 % of the limit)"));
        finding.subject = "default/Deployment/checkout/app".to_owned();
        finding
    }
}

mod fingerprint;
mod formats;
mod terminal;
