//! A secret value never leaves the loader: one canary goes through every report.

mod support;

use support::Dir;

const CANARY: &str = "hunter2-c4n4ry";
/// The canary in base64, as `data` of a Secret holds it.
const ENCODED: &str = "aHVudGVyMi1jNG40cnk=";

#[test]
fn no_report_shows_a_secret() {
    let secret = format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: checkout}}
data:
  password: {ENCODED} # provost: ignore[no-such-rule]
stringData:
  GOMEMLIMIT: {CANARY} # provost: ignore[no-such-rule] x
  token: |
    {CANARY}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: checkout}}
spec:
  selector: {{matchLabels: {{app: checkout}}}}
  template:
    metadata: {{labels: {{app: checkout}}}}
    spec:
      containers:
        - name: checkout
          image: ghcr.io/acme/checkout:1.4.2
          envFrom: [{{secretRef: {{name: checkout}}}}]
          env:
            - {{name: DB_PASSWORD, value: {CANARY}}} # provost: ignore[no-such-rule] x
            - {{name: GOMEMLIMIT, value: 2GiB}}
          resources: {{limits: {{memory: 512Mi}}}}
"
    );
    let dir = Dir::new().file("all.yaml", &secret);
    for format in ["text", "json"] {
        for amount in ["--verbose", "--quiet"] {
            let args = ["check", "--date", "2026-11-23", "--profile", "house", amount];
            let run = dir.provost(&[&args[..], &["--format", format]].concat());
            assert!(run.out.contains("gomemlimit-above-memory-limit"), "{run}");
            assert!(run.out.contains("bad-suppression"), "{run}");
            for shown in [&run.out, &run.err] {
                assert!(!shown.contains(CANARY) && !shown.contains(ENCODED), "{format}: {run}");
            }
        }
    }
}
