//! What is secret in a manifest, and where it does not get to.

use super::*;

/// Marks every place where a secret may stand.
const CANARY: &str = "canary7secret";

#[test]
fn no_secret_value_leaves_the_loader() {
    let plain = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    let texts = [
        format!(
            "{plain}data: {{k: {CANARY}}}\nstringData: {{\"l\": \"{CANARY}\", m: '{CANARY}'}}\n"
        ),
        format!(
            "{plain}stringData:\n  k: |\n    first {CANARY}\n    {CANARY}\n  l: >-\n    {CANARY}\n"
        ),
        format!(
            "{plain}stringData:\n  k: two\n    {CANARY}\n  l: !{CANARY} x\n  m: &{CANARY} y\n  n: *{CANARY}\n"
        ),
        format!("{plain}stringData: {{k: x}} # {CANARY}\n"),
        format!("{plain}data:\n  # was {CANARY}\n  k: x #{CANARY}\n"),
        format!("{plain}data: {CANARY}\n"),
        format!("{plain}data: [{CANARY}, {{a: {CANARY}}}]\n"),
        format!("x: &a {{k: {CANARY}}}\n{plain}data: *a\n"),
        format!("x: &a {{k: {CANARY}}}\n{plain}data: {{<<: *a}}\n"),
        format!("x: &a {{kind: Secret, stringData: {{k: {CANARY}}}}}\n<<: *a\napiVersion: v1\n"),
        format!("{plain}kind: ConfigMap\ndata: {{k: {CANARY}}}\n"),
        format!("{plain}data: {{k: {CANARY}}}\ndata: {{l: m}}\n"),
        format!("kind: Secret\nstringData: {{k: {CANARY}}}\n"),
        format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"data\": {{\"k\": \"{CANARY}\"}}}}\n"
        ),
        format!(
            "apiVersion: v1\nkind: List\nitems: [{{apiVersion: v1, kind: Secret, data: {{k: {CANARY}}}}}]\n"
        ),
        format!(
            "apiVersion: template.openshift.io/v1\nkind: Template\nobjects: [{{kind: Secret, data: {{k: {CANARY}}}}}]\n"
        ),
        format!("apiVersion: v1\nkind: Config\nusers: [{{name: n, user: {{token: {CANARY}}}}}]\n"),
        format!("{plain}data:\n  k: {CANARY}\n bad\n"),
        format!("{plain}data: {{k: \"{CANARY}\n"),
        format!("{plain}stringData:\n  k: @{CANARY}\n"),
        format!("{{\"kind\": \"Secret\", \"data\": {{\"k\": \"{CANARY}\", \"l\": }}}}\n"),
        format!("{plain}data: {{k: {CANARY}}}\nx: \"\\q\"\n"),
        format!("{plain}data: {{k: {CANARY}}}\nx: \0\n"),
        format!("{plain}data: {{\"k\": é{CANARY}é}}\n"),
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {{\"data\":{{\"k\":\"{CANARY}\"}}}}\n"
        ),
    ];
    for text in &texts {
        let (sources, loaded) = load(text);
        let shown = format!("{:?}\n{:?}\n{:?}", loaded.objects, loaded.problems, sources);
        assert!(!shown.contains(CANARY), "{text}\n{shown}");
        let source = sources.iter().next().unwrap().1.shown().unwrap();
        assert_eq!(source.len(), text.len(), "positions stay");
        assert_eq!(source.matches('\n').count(), text.matches('\n').count());
    }
}

#[test]
fn names_of_secret_keys_and_words_to_provost_stay() {
    let (sources, all) = objects(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  # provost: ignore[x] why\n  user: YQ==\nstringData: {pass: \"x\"}\n",
    );
    let Body::Secret(secret) = &all[0].body else { panic!() };
    assert_eq!(secret.keys.iter().map(|k| k.value.as_str()).collect::<Vec<_>>(), ["user", "pass"]);
    let text = sources.iter().next().unwrap().1.shown().unwrap();
    assert!(text.contains("# provost: ignore[x] why\n  user: ****\n"), "{text}");
    assert!(text.contains("pass: ***"), "{text}");
}

#[test]
fn a_broken_document_shows_nothing_behind_the_name_of_a_secret() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n";
    for rest in [
        format!("    env:\n    - name: DB_PASSWORD\n      value: {CANARY}: x\n"),
        format!("    env:\n    - {{name: DB_PASSWORD, value: {CANARY}\n"),
        format!("    args: [--db-password={CANARY}, \"\n"),
        format!("    dbPassword: {CANARY}: x\n"),
    ] {
        let (sources, loaded) = load(&format!("{pod}{rest}"));
        assert_eq!(loaded.objects.len(), 0, "{rest}");
        let shown = format!("{:?}\n{:?}", loaded.problems, sources);
        assert!(!shown.contains(CANARY), "{shown}");
        assert!(shown.contains("name: p"), "{shown}");
    }
}

#[test]
fn a_command_line_shows_no_secret() {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    command: [/app, \"--db-password={CANARY}\", --port=8080]\n    args:\n    - --api-token\n    - {CANARY}\n    - --pin\n    env:\n    - {{name: DB_PASSWORD, value: \"20191231\"}}\n"
    );
    let (sources, _) = objects(&text);
    let shown = sources.iter().next().unwrap().1.shown().unwrap();
    assert!(!shown.contains(CANARY) && !shown.contains("20191231"), "{shown}");
    for stays in ["/app", "--port=8080", "--api-token", "--pin"] {
        assert!(shown.contains(stays), "{shown}");
    }
}

#[test]
fn literal_secrets_are_facts_that_no_report_shows() {
    let token = format!("ghp_{}", "a1B2".repeat(9));
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    args: [\"{token}\"]\n    env:\n    - {{name: DB_PASSWORD, value: hunter2x}}\n    - {{name: PLAIN, value: visible}}\n    - {{name: DB_PASSWORD_FILE, value: /run/x}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{api_token: hunter3x, mode: visible}}\n"
    );
    let (sources, all) = objects(&text);
    let shown = sources.iter().next().unwrap().1.shown().unwrap();
    assert!(!shown.contains("hunter") && !shown.contains("ghp_"), "{shown}");
    assert!(shown.contains("value: visible") && shown.contains("mode: visible"));
    assert!(shown.contains("/run/x"));
    let env = &all[0].workload().unwrap().pod.containers[0].env[0];
    assert!(matches!(&env.value, EnvValue::Literal(v) if v.value == "hunter2x"));
}
