//! A secret value never leaves the loader: no report holds it.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use support::{Dir, tool};

const CANARY: &str = "kanarie-7Qx9vW2m";
/// The same in the three alignments of base64, without what depends on its neighbours.
const ENCODED: [&str; 3] =
    ["a2FuYXJpZS03UXg5dlcyb", "thbmFyaWUtN1F4OXZXMm", "rYW5hcmllLTdReDl2VzJt"];
const BASE64: &str = "a2FuYXJpZS03UXg5dlcybQ==";

/// What the runs write beside the input.
const WRITTEN: [&str; 2] = ["report.json", "baseline.json"];

/// Runs every format and how much it shows, and looks for the canary in all that is printed.
#[track_caller]
fn silent(dir: &Dir, quoted: &[&str]) {
    silent_of(dir, &["."], &[], quoted);
}

/// The same for other inputs than the folder, with tools to read them.
#[track_caller]
fn silent_of(dir: &Dir, inputs: &[&str], tools: &[&str], quoted: &[&str]) {
    let bin = Dir::new();
    for name in tools {
        std::os::unix::fs::symlink(tool(name), bin.path().join(name.trim_end_matches('4')))
            .unwrap();
    }
    let path = bin.path().to_str().unwrap();
    let mut shown = String::new();
    let hows: [&[&str]; 13] = [
        &["--verbose"],
        &["--quiet"],
        &["--color", "always", "--verbose"],
        &["--format", "json"],
        &["--format", "sarif"],
        &["--format", "github"],
        &["--format", "gitlab"],
        &["--format", "junit"],
        &["--format", "markdown"],
        &["--format", "html"],
        &["--write-baseline", "baseline.json"],
        &["--baseline", "baseline.json", "--format", "json"],
        &["--format", "json=report.json"],
    ];
    for how in hows {
        let args = ["check", "--date", "2026-11-24", "--profile", "house"];
        let run = dir.provost_with_env(&[&args[..], inputs, how].concat(), &[("PATH", path)]);
        assert!(run.code < 3, "{run}");
        shown += &run.to_string();
    }
    shown += &dir.read("report.json");
    shown += &dir.read("baseline.json");
    let files = support::files_below(dir.path());
    let given: String = files
        .iter()
        .filter(|file| !WRITTEN.contains(&file.as_str()))
        .map(|f| dir.read(f))
        .collect();
    let secrets = [&[CANARY, BASE64][..], &ENCODED].concat();
    assert!(secrets.iter().any(|secret| given.contains(secret)), "no canary in the input");
    for secret in secrets {
        let line = shown.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is shown");
    }
    for text in quoted {
        assert!(shown.contains(text), "{text:?} is not shown, so this test sees nothing:\n{shown}");
    }
}

#[test]
fn the_canary_is_what_it_says() {
    // Of "", "k" and "ka" in front, as base64 has it.
    assert!(BASE64.starts_with(ENCODED[0]));
    assert!("eGthbmFyaWUtN1F4OXZXMm0=".contains(ENCODED[1]));
    assert!("eHhrYW5hcmllLTdReDl2VzJt".contains(ENCODED[2]));
}

#[test]
fn secrets_stay_out_of_reports() {
    let dir = Dir::new()
        .file(
            "secret.yaml",
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\n# {CANARY}\ndata: {{password: {BASE64}, GOMEMLIMIT: {BASE64}}}\nstringData:\n  \
                 token: {CANARY}\n  GOGC: {CANARY}\n  block: |\n    {CANARY}\n    two {CANARY}\n"
            ),
        )
        .file(
            "pod.yaml",
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: shop}}\nspec:\n  containers:\n    - name: shop\n      image: shop:1\n      \
                 envFrom: [{{secretRef: {{name: db}}}}]\n      \
                 env: [{{name: DB_PASSWORD, value: {CANARY}}}, {{name: GOMEMLIMIT, value: 2GiB}}, {{name: GOMAXPROCS, value: '99'}}]\n      \
                 resources: {{limits: {{memory: 512Mi, cpu: 1}}}}\n"
            ),
        );
    // The line of the password is quoted for its neighbour's sake.
    silent(&dir, &["error[gomemlimit-above-memory-limit]", "GOMEMLIMIT, value: 2GiB"]);
}

#[test]
fn secrets_of_broken_manifests_stay_out_of_reports() {
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n";
    let dir = Dir::new()
        .file("quote.yaml", format!("{head}stringData:\n  password: \"{CANARY}\n"))
        .file("open.yaml", format!("{head}data: {{password: {BASE64}, [\n"))
        .file("indent.yaml", format!("{head}stringData:\n  password: {CANARY}\n token: {CANARY}\n"))
        .file("base64.yaml", format!("{head}data: {{password: '{CANARY}!!'}}\n"))
        .file("twice.yaml", format!("{head}data:\n  a: {BASE64}\n  a: {BASE64}\n"))
        .file("type.yaml", format!("{head}data: [{BASE64}]\nstringData: {CANARY}\n"))
        .file("late.yaml", format!("data: {{password: {BASE64}}}\nkind: Secret\n]\n"))
        .file("json.yaml", format!("{{\"kind\": \"Secret\", \"data\": {{\"p\": \"{BASE64}\"}}\n"))
        .file(
            "env.yaml",
            format!("kind: Pod\nspec: {{containers: [{{env: [{{name: TOKEN, value: {CANARY}}}\n"),
        );
    silent(&dir, &["unparsable-input", "quote.yaml"]);
}

/// The line that is quoted for the lost `kind` is the line of the data.
#[test]
fn secrets_without_their_kind_stay_out_of_reports() {
    let json = |kind: &str| {
        let data =
            format!("\"data\": {{\"p\": \"{BASE64}\"}}, \"stringData\": {{\"q\": \"{CANARY}\"}}");
        format!("{{\"apiVersion\": \"v1\", {kind}\"metadata\": {{\"name\": \"db\"}}, {data}}}\n")
    };
    let dir = Dir::new()
        .file("capital.json", json("\"Kind\": \"Secret\", "))
        .file("lost.json", json(""))
        .file(
            "broken.yaml",
            format!("apiVersion: v1\nSecret\nmetadata: {{name: db}}\ndata: {{p: {BASE64}}}\n"),
        );
    silent(&dir, &["object-without-kind", "capital.json", "lost.json"]);
}

#[test]
fn secrets_beside_suppressions_stay_out_of_reports() {
    let secret = format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: checkout}}
data:
  password: {BASE64} # provost: ignore[no-such-rule]
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
    silent(&dir, &["gomemlimit-above-memory-limit", "bad-suppression"]);
}

#[test]
fn secrets_in_lists_and_annotations_stay_out_of_reports() {
    let secret = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {{\"name\": \"db\"}}, \"data\": {{\"p\": \"{BASE64}\"}}}}"
    );
    let dir = Dir::new()
        .file(
            "list.json",
            format!("{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{secret}]}}\n"),
        )
        .file(
            "applied.yaml",
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{secret}'\n"
            ),
        )
        .file("alias.yaml", format!("x: &x {CANARY}\nkind: Secret\nstringData: {{p: *x}}\n"));
    silent(&dir, &["list.json"]);
}

#[test]
fn plain_text_secrets_are_named_and_not_shown() {
    let dir = Dir::new()
        .file(
            "config.yaml",
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: app}}\ndata:\n  DB_PASSWORD: {CANARY}\n  api-token: {CANARY}\n  \
                 GOMEMLIMIT: 512Mi\n"
            ),
        )
        .file(
            "deploy.yaml",
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: shop}}\nspec:\n  selector: {{matchLabels: {{app: shop}}}}\n  \
                 template:\n    metadata: {{labels: {{app: shop}}}}\n    spec:\n      containers:\n        - name: shop\n          image: shop:1\n          \
                 envFrom: [{{configMapRef: {{name: app}}}}]\n          env:\n            - name: AWS_SECRET_ACCESS_KEY\n              value: {CANARY}\n            \
                 - {{name: DB_PASSWORD, value: \"{CANARY}\"}}\n            - {{name: DB_PASSWORD, value: \"{CANARY}\"}}\n            \
                 - {{name: DATABASE_URL, value: \"postgres://shop:{CANARY}@db:5432/shop\"}}\n"
            ),
        );
    silent(&dir, &["secret-in-plain-env", "secret-in-config-map"]);
}

/// Each went into reports as it was written: names and shapes that the vocabulary did not know.
#[test]
fn secrets_of_every_name_and_shape_stay_out_of_reports() {
    let env = [
        format!("PGPASSWORD, value: {CANARY}"),
        format!("STORE, value: \"user:{CANARY}@tcp(db:3306)/x\""),
        format!("SQL, value: \"Server=h;User Id=x;Password={CANARY};\""),
        format!("POSTGRES, value: \"host=db user=x password={CANARY} sslmode=disable\""),
        format!("ENCRYPTION_KEY, value: {CANARY}"),
        format!("JWT_SIGNING_KEY, value: {CANARY}"),
        format!("BASIC_AUTH, value: \"me:{CANARY}\""),
        format!("SLACK, value: \"https://hooks.slack.com/services/T01/B01/{CANARY}\""),
        format!(
            "TEAMS, value: \"https://acme.webhook.office.com/webhookb2/1/IncomingWebhook/{CANARY}/2\""
        ),
        format!("DISCORD, value: \"https://discord.com/api/webhooks/1234/{CANARY}\""),
        format!("UPSTREAM, value: \"Bearer {CANARY}\""),
        format!("OTEL_EXPORTER_OTLP_HEADERS, value: \"api-key={CANARY}\""),
    ];
    let names = env.each_ref().map(|e| e.split(',').next().unwrap().to_owned());
    let env: String = env.iter().map(|env| format!("        - {{name: {env}}}\n")).collect();
    let probe = format!(
        "{{httpGet: {{path: \"/livez?token={CANARY}\", port: 8081, httpHeaders: [{{name: Authorization, value: \"Bearer {CANARY}\"}}, \
         {{name: X-Api-Key, value: {CANARY}}}, {{name: Cookie, value: \"a={CANARY}\"}}]}}}}"
    );
    let commands = [
        format!("[curl, -H, \"X-Api-Key: {CANARY}\", localhost]"),
        format!("[/probe, -H, \"X-Api-Key: {CANARY}\"]"),
        format!("[/pay, --password, {CANARY}]"),
        format!("[/pay, --token={CANARY}]"),
        format!("[/pay, \"--header=Authorization: Bearer {CANARY}\"]"),
        format!("[mysqladmin, ping, -p{CANARY}]"),
        format!("[redis-cli, -a, {CANARY}, ping]"),
        format!("[sh, -c, \"curl -u me:{CANARY} localhost\"]"),
        format!("[sh, -c, \"PGPASSWORD={CANARY} psql -c 'select 1'\"]"),
        format!("[sh, -c, \"redis-cli -a {CANARY} ping && mysql -u root -p{CANARY}\"]"),
    ];
    let container = |n: usize, command: &String| {
        // A misspelt field beside each, so that its lines are quoted.
        format!(
            "    - name: c{n}\n      image: shop:1\n      command: {command}\n      argss: [a]\n      args: {command}\n      \
             livenessProbe: {{exec: {{command: {command}}}, periodSecond: 1}}\n      lifecycle: {{preStop: {{exec: {{command: {command}, commands: [a]}}}}}}\n"
        )
    };
    let containers: String = commands.iter().enumerate().map(|(n, c)| container(n, c)).collect();
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: shop}}\nspec:\n  containers:\n    - name: shop\n      image: shop:1\n      \
         env:\n{env}      readinessProbe: {probe}\n      livenessProbe: {probe}\n{containers}"
    );
    let dir = Dir::new().file("pod.yaml", pod);
    let told = names.map(|name| format!("{name} holds a secret in plain text"));
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    silent(&dir, &[&["argss", "periodSecond", "***"], &told[..]].concat());
}

/// The same in what an image is built by.
#[test]
fn secrets_of_every_name_and_shape_in_dockerfiles_stay_out_of_reports() {
    let words = format!(
        "curl -H \"X-Api-Key: {CANARY}\" -u me:{CANARY} http://x/?token={CANARY} && mysql -p{CANARY} && redis-cli -a {CANARY} ping \
         && PGPASSWORD={CANARY} psql \"host=h password={CANARY}\" && /pay --password {CANARY}"
    );
    let list = format!(
        "[\"/pay\", \"--header=Authorization: Bearer {CANARY}\", \"--password\", \"{CANARY}\", \"-H\", \"X-Api-Key: {CANARY}\"]"
    );
    let dir = Dir::new().file(
        "Dockerfile",
        format!(
            "FROM golang:latest AS build\nARG PGPASSWORD={CANARY}\nARG SIGNING_KEY={CANARY}\nENV STORE=user:{CANARY}@tcp(db:3306)/x ENCRYPTION_KEY={CANARY}\n\
             ENV SQL=\"Server=h;Password={CANARY};\" UPSTREAM=\"Bearer {CANARY}\" BASIC_AUTH=me:{CANARY}\nENV SLACK=https://hooks.slack.com/services/T01/B01/{CANARY}\n\
             ENV OTEL_EXPORTER_OTLP_HEADERS=api-key={CANARY} SLACK=https://discord.com/api/webhooks/1234/{CANARY}\nRUN {words}\nRUN sh -c '{}'\n\
             FROM alpine:latest\nENV PGPASSWORD {CANARY}\nENV STORE=user:{CANARY}@tcp(db:3306)/x\nHEALTHCHECK CMD {words}\nHEALTHCHECK CMD {list}\nENTRYPOINT {list}\nCMD {list}\nCMD {words}\n\
             ENVV STORE=user:{CANARY}@tcp(db:3306)/x\nRUNN {words}\n",
            words.replace('\'', "")
        ),
    );
    silent(&dir, &["ENVV STORE=***", "ENV PGPASSWORD puts a secret"]);
}

#[test]
fn secrets_of_dockerfiles_stay_out_of_reports() {
    let dir = Dir::new().file(
        "Dockerfile",
        format!(
            "FROM golang:1.26 AS build\nARG GITHUB_TOKEN={CANARY}\nENV NPM_TOKEN={CANARY} GOFLAGS=-mod=mod\n\
             RUN go build -o /shop ./cmd/shop\nFROM gcr.io/distroless/static\nENV DB_PASSWORD {CANARY}\n\
             LABEL api-key={CANARY}\nCOPY --from=build /shop /shop\nHEALTHCHECK CMD wget localhost\nENTRYPOINT [\"/shop\"]\n\
             ENVV DB_PASSWORD={CANARY}\nENV DB_PASSWORD=\"{CANARY}\nENV A=1 DB_PASSWORD={CANARY} B=${{BAR\n"
        ),
    );
    silent(&dir, &["ENVV DB_PASSWORD=*"]);
}

#[test]
fn secrets_inside_texts_stay_out_of_reports() {
    // Joined here, so that no scanner takes this file for a leak; the canary is its tail.
    let token = format!("{}{}{}", "ghp_", "a1B2".repeat(9), CANARY);
    let dir = Dir::new()
        .file(
            "config.yaml",
            format!(
                "# {token}\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: app}}\ndata:\n  .env: |\n    LOG=info\n    DB_PASSWORD={CANARY}\n    \
                 URL=postgres://shop:{CANARY}@db/x\n  app.json: |\n    {{\"db\": {{\"password\": \"{CANARY}\"}}}}\n  app.yaml: |\n    auth:\n      \
                 client-secret: {CANARY}\n      other: x {token} y\n  key: |\n    -----BEGIN EC PRIVATE {}-----\n    {CANARY}\n    -----END EC\n  GOGC: 'off'\n",
                "KEY"
            ),
        )
        .file(
            "deploy.yaml",
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: shop, annotations: {{note: \"x {token} y\"}}}}\nspec:\n  containers:\n    \
                 - name: shop\n      image: shop:1\n      envFrom: [{{configMapRef: {{name: app}}}}]\n      command: [/bin/sh, -c, \"export DB_PASSWORD={CANARY} && /shop\"]\n      \
                 env: [{{name: GOMEMLIMIT, value: \"{token}\"}}, {{name: GODEBUG, value: \"{token}=1\"}}]\n      \
                 resources: {{limits: {{memory: 512Mi}}}}\n"
            ),
        );
    silent(&dir, &["malformed-gomemlimit", "***"]);
}

/// A chart that fills its secrets in wherever a secret can stand, and a program that is refused
/// beside each of them, so that their lines are quoted.
fn chart(dir: Dir) -> Dir {
    let env = "            - {name: GOMEMLIMIT, value: 2GiB}\n";
    dir.file("shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n")
        .file(
            "shop/values.yaml",
            format!(
                "auth:\n  password: {CANARY}\n  token: \"kanarie-\\x37Qx9vW2m\"\n  secretText: >-\n    one {CANARY}\n    two\nmemory: 512Mi\n"
            ),
        )
        .file(
            "shop/templates/secret.yaml",
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: shop}}\nstringData:\n  password: {{{{ .Values.auth.password | quote }}}}\n  \
                 given: {{{{ .Values.apiToken | quote }}}}\n  fixed: {CANARY}\n  GOMEMLIMIT: {CANARY}\n  folded: >-\n    one {CANARY}\n    two\n\
                 data:\n  token: {{{{ .Values.auth.token | b64enc }}}}\n  fixed2: {BASE64}\n"
            ),
        )
        .file(
            "shop/templates/deployment.yaml",
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: shop}}\nspec:\n  selector: {{matchLabels: {{app: shop}}}}\n  \
                 template:\n    metadata: {{labels: {{app: shop}}, annotations: {{x: {{{{ .Values.auth.token | b64enc }}}}}}}}\n    spec:\n      \
                 containers:\n        - name: shop\n          image: shop:1\n          command: [/shop, --dsn, \"x {{{{ .Values.apiToken }}}}\"]\n          \
                 envFrom: [{{secretRef: {{name: shop}}}}]\n          env:\n            - {{name: DB_PASSWORD, value: {{{{ .Values.auth.password }}}}}} # {CANARY}\n{env}            \
                 - {{name: CONN, value: \"x{{{{ .Values.apiToken }}}}y\"}}\n          resources: {{limits: {{memory: {{{{ .Values.memory }}}}}}}}\n"
            ),
        )
        .file("more.yaml", format!("other:\n  clientSecret: '{CANARY}'\nmemory: 512Mi\n"))
}

#[test]
fn secrets_of_charts_stay_out_of_reports() {
    let set = format!("apiToken={CANARY},password={CANARY}");
    let inputs = ["--chart", "shop", "--values", "more.yaml", "--set", &set];
    for helm in ["helm", "helm4"] {
        let dir = chart(Dir::new());
        let quoted = ["gomemlimit-above-memory-limit", "GOMEMLIMIT, value: 2GiB", "memory: 512Mi"];
        silent_of(&dir, &inputs, &[helm], &quoted);
    }
}

#[test]
fn secrets_in_what_helm_says_stay_out_of_reports() {
    let fails = [
        "{{ fail (printf \"bad: %s\" .Values.auth.password) }}\n",
        "{{ fail (printf \"bad: %s\" (b64enc .Values.auth.password)) }}\n",
        "{{ fail (printf \"bad: %s\" (.Values.apiToken | default \"\" | b64enc)) }}\n",
        "a: {{ .Values.auth.password | quote }}\n {{ .Values.auth.password }}: [\n",
        "{{ template \"no such\" .Values.auth.password.x }}\n",
    ];
    let set = format!("apiToken={CANARY}");
    for fail in fails {
        let dir = chart(Dir::new()).file("shop/templates/fail.yaml", fail);
        let inputs = ["--chart", "shop", "--set", &set];
        silent_of(&dir, &inputs, &["helm"], &["chart shop: not judged", "helm failed"]);
    }
    // What is given without a value, and what helm cannot take.
    for (set, said) in [("password:", "has no KEY=VALUE"), ("auth.password[x]=", "helm failed")] {
        let dir = chart(Dir::new());
        let set = format!("{set}{CANARY}");
        silent_of(&dir, &["--chart", "shop", "--set", &set], &["helm"], &[said]);
    }
}

#[test]
fn secrets_of_kustomizations_stay_out_of_reports() {
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData:\n  password: {value}\n  GOMEMLIMIT: {value}\n"
        )
    };
    let dir = Dir::new()
        .file("base/secret.yaml", secret(CANARY))
        .file(
            "base/deployment.yaml",
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: shop}}\nspec:\n  selector: {{matchLabels: {{app: shop}}}}\n  \
                 template:\n    metadata: {{labels: {{app: shop}}}}\n    spec:\n      containers:\n        - name: shop\n          image: shop:1\n          \
                 envFrom: [{{secretRef: {{name: db}}}}, {{secretRef: {{name: more}}}}]\n          env:\n            - {{name: DB_PASSWORD, value: {CANARY}}}\n            \
                 - {{name: GOMEMLIMIT, value: 2GiB}}\n          resources: {{limits: {{memory: 512Mi}}}}\n"
            ),
        )
        .file("base/kustomization.yaml", "resources: [secret.yaml, deployment.yaml]\n")
        .file("over/patch.yaml", secret("another-value"))
        .file("over/secret.env", format!("TOKEN={CANARY}\n"))
        .file(
            "over/kustomization.yaml",
            format!(
                "resources: [../base]\npatches: [{{path: patch.yaml}}]\nsecretGenerator:\n  - name: more\n    literals: [password={CANARY}, \"GOGC={CANARY}\"]\n  \
                 - {{name: most, envs: [secret.env]}}\nimages: [{{name: shop, newTag: '2'}}]\n"
            ),
        );
    silent_of(&dir, &["--kustomize", "over"], &["kustomize"], &["GOMEMLIMIT, value: 2GiB"]);
}

/// What is said on stderr before the report was not masked.
#[test]
fn secrets_in_what_a_process_says_at_its_end_stay_out_of_what_is_said() {
    // Joined here, so that no scanner takes this file for a leak; the canary is its tail.
    let token = format!("{}{}{}", "ghp_", "a1B2".repeat(9), CANARY);
    let stack = "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:3 +0x1\n";
    let url = format!("postgres://shop:{CANARY}@db:5432/shop");
    let served = "net/http.(*conn).serve.func1()\n\t/usr/local/go/src/net/http/server.go:1947 +0xbe\npanic({0x1, 0x2})\n\t/usr/local/go/src/runtime/panic.go:785 +0x132\nmain.get()\n\t/src/main.go:9 +0x1\n";
    for text in [
        format!("panic: cannot reach {url}: i/o timeout\n\n{stack}"),
        // Cut at what is shown of a value, a token has its shape no longer.
        format!("panic: {} {token}\n\n{stack}", "x".repeat(170)),
        format!("panic: boom\n{{\"level\":\"info\",\"session\":\"{CANARY}\"}}\n\n{stack}"),
        format!("fatal error: {url}\n\n{stack}"),
        format!(
            "1.2.3.4 http: panic serving 127.0.0.1:34264: {url}\ngoroutine 7 [running]:\n{served}\n"
        ),
    ] {
        let dir = Dir::new().file("app.log", &text);
        for format in ["text", "json", "html"] {
            let run = dir.provost(&["diagnose", "app.log", "--format", format]);
            assert!(run.code < 3, "{run}");
            assert!(
                run.to_string().contains("panic") || run.to_string().contains("fatal"),
                "{run}"
            );
            assert!(
                !run.to_string().contains(CANARY) && !run.to_string().contains("a1B2"),
                "{run}"
            );
        }
    }
}

/// Paths of system calls went out as they are, before a report that masks them.
#[test]
fn secrets_in_paths_of_system_calls_stay_out_of_what_is_said() {
    // Joined here, so that no scanner takes this file for a leak; the canary is its tail.
    let token = format!("{}{}{}", "ghp_", "a1B2".repeat(9), CANARY);
    let mut text = String::new();
    for second in 0..40 {
        text.push_str(&format!(
            "7 17000000{second:02}.000000 fsync(3</data/{token}>) = 0 <0.500000>\n8 17000000{second:02}.600000 futex(0x1, FUTEX_WAIT_PRIVATE, 0, NULL) = 0 <0.100000>\n"
        ));
    }
    let dir = Dir::new().file("calls.log", &text);
    for format in ["text", "json", "html"] {
        let run = dir.provost(&["diagnose", "calls.log", "--format", format]);
        assert!(run.code < 3 && run.to_string().contains("/data/"), "{run}");
        assert!(!run.to_string().contains(CANARY) && !run.to_string().contains("a1B2"), "{run}");
    }
}

/// Each was quoted by a report of a text that has something else wrong beside it.
#[test]
fn secrets_beside_mistakes_stay_out_of_reports() {
    let dir = Dir::new()
        .file(
            "pod.yaml",
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: shop}}\nspec:\n  containers:\n    - name: shop\n      \
                 image: robot:{CANARY}@ghcr.io/acme/shop:1.4.2\n      env:\n        \
                 - {{name: API_TOKEN, value: \"$(NO_SUCH){CANARY}\", vlaue: {CANARY}}}\n        \
                 - {{name: DB_PASSWORD, vlaue: {CANARY}}}\n        \
                 - {{name: OTHER_TOKEN, value: $(NO_SUCH_EITHER)}}\n"
            ),
        )
        .file(
            "keda.yaml",
            format!(
                "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: shop}}\nspec:\n  scaleTargetRef: {{name: shop}}\n  triggers:\n    \
                 - {{type: postgresqll, metadata: {{password: {CANARY}, passwordFromEnv: PG_VARIABLE}}}}\n"
            ),
        )
        .file(
            "route.yaml",
            format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: shop}}\nspec:\n  hosts: [shop.example.com]\n  http:\n    \
                 - match: [{{headers: {{x-api-key: {{exat: {CANARY}}}}}}}]\n      route: [{{destination: {{host: shopp}}}}]\n      \
                 headers: {{request: {{sett: {{x-api-key: {CANARY}}}, set: {{x-route: plain-route}}}}}}\n"
            ),
        )
        .file(
            "Dockerfile",
            format!(
                "FROM robot:{CANARY}@ghcr.io/acme/base:1\nENV API_TOKEN=${{PREFIX}}{CANARY}\n\
                 RUN echo \"machine github.com login x password {CANARY}\" > ~/.netrc\nENVV A=1\n"
            ),
        );
    let told = [
        "malformed-image-reference",
        "robot:***@ghcr.io/acme/shop:1.4.2",
        "vlaue",
        "$(NO_SUCH_EITHER)",
        "postgresqll",
        "passwordFromEnv: PG_VARIABLE",
        "x-route: plain-route",
        "exat",
    ];
    silent(&dir, &told);
}
