//! Values that are printed as something else than a scalar on a line of its own.

use super::*;

#[test]
fn of_values_of_a_range_the_one_that_is_all_of_a_scalar_is_meant() {
    let template = "kind: A\nenv:\n{{- range $k, $v := .Values.env }}\n- {name: {{ $k }}, value: {{ $v | quote }}}\n{{- end }}\n";
    let text = "kind: A\nenv:\n- {name: GODEBUG, value: \"x509sha1=1\"}\n- {name: GOMAXPROCS, value: \"0\"}\n";
    let found = case(template, "env: {}\n", text);
    let file = std::env::temp_dir().join(format!("provost-values-{}.yaml", std::process::id()));
    std::fs::write(&file, "env: {GODEBUG: \"x509sha1=1\", GOMAXPROCS: \"0\"}\n").unwrap();
    let path = file.to_string_lossy().into_owned();
    let told = Case { values: vec![path.clone()], ..found }.told();
    std::fs::remove_file(&file).unwrap();
    let expected = [
        format!("- {{name: GODEBUG, value: \"x509sha1=1\"}} <- {path}:1 env.GODEBUG"),
        format!("- {{name: GOMAXPROCS, value: \"0\"}} <- {path}:1 env.GOMAXPROCS"),
    ];
    let told: Vec<&str> = told.iter().map(|line| line.trim_end_matches(" *")).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_block_behind_its_key_is_traced_key_by_key() {
    let template = "\
kind: A
spec:
  resources: {{- toYaml .Values.resources | nindent 4 }}
  other: {{- toYaml .Values.other | nindent 4 }}
  last: 4
";
    let values = "resources:\n  limits:\n    memory: 4\n  requests: {cpu: 250m, memory: 8}\nother:\n  other:\n    cpu: 250m\n";
    let text = "\
kind: A
spec:
  resources:
    limits:
      memory: 4
    requests:
      cpu: 250m
      memory: 8
  other:
    other:
      cpu: 250m
  last: 4
";
    assert_eq!(
        case(template, values, text).told(),
        [
            "memory: 4 <- values.yaml:3 resources.limits.memory *",
            "cpu: 250m <- values.yaml:4 resources.requests.cpu",
            "memory: 8 <- values.yaml:4 resources.requests.memory *",
            "cpu: 250m <- values.yaml:7 other.other.cpu",
        ]
    );
}

#[test]
fn a_value_that_is_a_template_is_where_its_text_comes_from() {
    let template = "\
kind: A
name: {{ tpl .Values.name . }}
env: {{- tpl (toYaml .Values.env) . | nindent 2 }}
";
    let values = "name: \"{{ .Release.Name }}-api\"\nenv:\n- name: A\n  value: \"{{ .Release.Name }}.{{ .Release.Namespace }}.svc\"\n- name: B\n  value: \"{{ .Chart.Name }}\"\n";
    let text = "kind: A\nname: shop-api\nenv:\n  - name: A\n    value: shop.prod.svc\n  - name: B\n    value: c\n";
    assert_eq!(
        case(template, values, text).told(),
        [
            "name: shop-api <- values.yaml:1 name",
            "- name: A <- values.yaml:3 env[0].name",
            "value: shop.prod.svc <- values.yaml:4 env[0].value",
            "- name: B <- values.yaml:5 env[1].name",
            "value: c <- values.yaml:6 env[1].value",
        ]
    );
    // A value that cannot have printed it is none.
    let other = values.replace("-api", "-web");
    assert!(!case(template, &other, text).told().join("\n").contains("shop-api"));
}
