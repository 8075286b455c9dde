//! A secret stays out of reports wherever its name stands, beside a fault: the lines around a place
//! are shown, and those of a fault are where no loader looks for a secret.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod support;

use support::Dir;

/// In every canary; the rest of it says which one.
const CANARY: &str = "kanarie";

/// Names of secrets, as people write them.
const NAMES: [&str; 8] = [
    "DB_PASSWORD",
    "apiKey",
    "auth-token",
    "clientSecret",
    "PASSPHRASE",
    "API_TOKEN2",
    "pgpassword",
    "private_key",
];

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: NUMBER}\nspec:\n  containers:\n    - name: app\n      image: a/b:1\n";

/// What follows the head of a pod's container: `NAME` is a secret's name, `CANARY` its value, and
/// `nosuch` a field that no API has.
const CONTAINERS: [&str; 22] = [
    "      NAME: CANARY\n",
    "      environment: {NAME: CANARY}\n",
    "      environment: {NAME: CANARY, nosuch: 1}\n",
    "      environment:\n        NAME: CANARY\n",
    "      environment:\n        NAME:\n          - CANARY\n          - 'CANARY'\n",
    "      environment:\n        NAME: |\n          CANARY\n          two CANARY\n",
    "      envs: [{name: NAME, value: CANARY}]\n",
    "      env:\n        - NAME: CANARY\n",
    "      env:\n        - {nmae: NAME, value: CANARY}\n",
    "      env:\n        - {name: [NAME], value: CANARY}\n",
    "      env:\n        - {name: NAME, value: [CANARY]}\n",
    "      env:\n        - {name: NAME, value: [CANARY, 'CANARY']}\n",
    "      env:\n        - {name: NAME, value: {x: CANARY}}\n",
    "      env:\n        - {name: NAME, default: CANARY}\n",
    "      env:\n        - {key: NAME, value: CANARY}\n",
    "      env:\n        - name: NAME\n          Value: CANARY\n",
    "      args: {NAME: CANARY}\n",
    "      nosuch: 1 # NAME: CANARY\n",
    "      # NAME: CANARY\n      nosuch: 1\n",
    "      # - name: NAME\n      #   value: CANARY\n      nosuch: 1\n",
    "      nosuch: 1 # NAME=CANARY\n",
    "      nosuch: {NAME: \"CANARY\", \"NAME\":\"CANARY\"}\n",
];

/// Objects of every other kind.
const OBJECTS: [&str; 12] = [
    "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: NUMBER}\nspec:\n  selector: {}\n  endpoints:\n    - port: http\n      basicAuth: {NAME: CANARY}\n",
    "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: NUMBER}\nspec: {selector: {}, endpoints: [{port: http, nosuch: 1, authorization: {type: Bearer, credentials: CANARY}}]}\n",
    "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: NUMBER}\nspec: {acme: {nosuch: 1, solvers: [{dns01: {cloudflare: {NAME: CANARY}}}]}}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NUMBER}\ndata:\n  NAME: [CANARY]\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NUMBER}\ndata:\n  NAME: {a: CANARY}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NUMBER}\nbinaryData: {NAME: CANARY}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NUMBER}\ndta: {NAME: CANARY}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NUMBER, nosuch: 1, annotations: {deploy/NAME: CANARY, NAME: CANARY}}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NUMBER, labels: {\"bad label!\": x, NAME: CANARY}}\n",
    "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: NUMBER}\nsecrets: [{name: 5, NAME: CANARY}]\n",
    "apiVersion: v1\nkind: Service\nmetadata: {name: NUMBER}\nspec: {ports: [{port: 80}], nosuch: 1} # NAME: CANARY\n---\nNAME: CANARY\n",
    "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"NUMBER\"},\n\"nosuch\": {\n\"NAME\": [\n\"CANARY\"\n],\n\"NAME\" : \"CANARY\"}}\n",
];

/// Instructions that a builder refuses or takes for something else, and what stands beside one.
const INSTRUCTIONS: [&str; 12] = [
    "ENV NAME = CANARY\n",
    "ENV A=b NAME CANARY\n",
    "ENV A=b NAME=CANARY CANARY\n",
    "ENV NAME: CANARY\n",
    "ARG NAME CANARY\n",
    "ARG NAME = CANARY\n",
    "ENVV NAME=CANARY\n",
    "LABEL NAME CANARY\nENVV x\n",
    "ENV \\\n  A=b \\\n  NAME \\\n  CANARY\n",
    "# NAME: CANARY\nENVV x\n",
    "RUN NAME = CANARY && sudo x\nENVV x\n",
    "ENV NAME \"CANARY\nENVV x\n",
];

/// A file with each place under each name, and canaries that were counted.
fn files() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut canaries = 0;
    let mut add = |name: &str, template: &str, ends: &str| {
        let number = all.len();
        let mut text = template.replace("NUMBER", &format!("x{number}")).replace("NAME", name);
        while text.contains("CANARY") {
            // Words, and what a machine makes.
            let canary = match canaries % 2 {
                0 => format!("{CANARY}-{canaries}"),
                _ => format!("{CANARY}{canaries}Qx"),
            };
            text = text.replacen("CANARY", &canary, 1);
            canaries += 1;
        }
        all.push((format!("d{number}/{ends}"), text));
    };
    for name in NAMES {
        for container in CONTAINERS {
            add(name, &format!("{POD}{container}"), "a.yaml");
        }
        for object in OBJECTS {
            add(name, object, "a.yaml");
        }
        for instruction in INSTRUCTIONS {
            add(name, &format!("FROM alpine:3.20\n{instruction}CMD [\"/x\"]\n"), "Dockerfile");
        }
    }
    all
}

#[test]
fn no_format_shows_a_secret_beside_a_fault() {
    let files = files();
    let dir = files.iter().fold(Dir::new(), |dir, (path, text)| dir.file(path, text));
    let hows: [&[&str]; 10] = [
        &["--verbose"],
        &["--color", "always", "--verbose"],
        &["--format", "json"],
        &["--format", "sarif"],
        &["--format", "github"],
        &["--format", "gitlab"],
        &["--format", "junit"],
        &["--format", "markdown"],
        &["--format", "html"],
        &["--fix", "--unsafe-fixes", "--diff"],
    ];
    for how in hows {
        let run = dir.provost(&[&["check", "--date", "2026-11-24", "."][..], how].concat());
        assert!(run.code < 3, "{run}");
        let shown = run.to_string();
        let leaks: Vec<&str> = shown.lines().filter(|line| line.contains(CANARY)).collect();
        assert!(leaks.is_empty(), "{how:?} shows {}:\n{}", leaks.len(), leaks.join("\n"));
        // Otherwise nothing of the places was shown, and this test sees nothing.
        if how.contains(&"json") {
            for (path, _) in files.iter().filter(|(path, _)| path.ends_with("yaml")) {
                assert!(shown.contains(path.as_str()), "{path} has no finding");
            }
        }
        if how.contains(&"html") || how.contains(&"--verbose") {
            for name in NAMES {
                assert!(shown.contains(name), "{how:?}: {name} is not shown");
            }
        }
    }
}

/// What only looks like it is shown as it is.
#[test]
fn what_is_no_secret_is_shown() {
    let lines = [
        "passwordSecretRef: {name: shown-a}",
        "secretName: shown-b",
        "tokenReview: shown-c",
        "password: \"\" # shown-d",
        "password: $(SHOWN_E)",
        "token: false # shown-f",
        "token: 123 # shown-g",
        "serviceAccountToken: {path: shown-h}",
        "password: {valueFrom: {secretKeyRef: {name: shown-i, key: shown-j}}}",
    ];
    let mut dir = Dir::new();
    for (at, line) in lines.iter().enumerate() {
        let text = POD.replace("NUMBER", &format!("x{at}"));
        dir = dir.file(&format!("d{at}/a.yaml"), format!("{text}      nosuch: 1\n      {line}\n"));
    }
    let run = dir.provost(&["check", "--date", "2026-11-24", ".", "--format", "html"]);
    assert!(run.code < 3, "{run}");
    for line in lines {
        for word in line.split(|c: char| !(c.is_alphanumeric() || "-_".contains(c))) {
            if word.to_lowercase().contains("shown") || word == "123" {
                assert!(run.out.contains(word), "{line}: {word} is not shown");
            }
        }
    }
}
