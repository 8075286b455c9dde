use super::*;
use crate::artifact::render::line::Operand;

fn lines(text: &str) -> Vec<Line> {
    read(text).lines
}

fn paths(text: &str) -> Vec<String> {
    let all = lines(text);
    let shown = |path: &Path| {
        let parts = path.iter().map(|part| part.as_deref().unwrap_or("*"));
        parts.collect::<Vec<_>>().join(".")
    };
    let paths: Vec<String> = all.iter().flat_map(Line::values).map(shown).collect();
    paths.iter().map(|path| path.replace("Values.", "")).collect()
}

#[test]
fn values_are_followed_through_blocks_and_variables() {
    assert_eq!(paths("a: {{ .Values.a.b | quote }}"), ["a.b"]);
    assert_eq!(paths("{{- with .Values.r }}\n{{- toYaml . | nindent 2 }}\n{{- end }}"), ["r"]);
    assert_eq!(paths("{{ with .Values.r }}{{ .x }}{{ else }}{{ .x }}{{ end }}"), ["r.x", "x"]);
    assert_eq!(paths("{{ range .Values.l }}- {{ .name }}{{ end }}"), ["l.*.name"]);
    assert_eq!(paths("{{ range $k, $v := .Values.m }}{{ $k }}: {{ $v.x }}{{ end }}"), ["m.*.x"]);
    assert_eq!(paths("{{ $p := .Values.port }}x: {{ $p }}"), ["port"]);
    assert_eq!(paths("{{ with .Values.a }}{{ $.Values.b }}{{ end }}"), ["b"]);
    assert_eq!(paths("{{ index .Values \"a-b\" \"c\" }}"), ["a-b.c"]);
    assert_eq!(paths("{{/* {{ .Values.no }} */}}{{ \"}}\" }}{{ .Values.yes }}"), ["yes"]);
    assert_eq!(paths("{{ if .Values.on }}x{{ end }}{{ .Values.a }}"), ["a"]);
    assert_eq!(paths("{{ ((.Values.a).b).c }}"), ["a.b.c"]);
    assert_eq!(paths("{{ (index .Values.a \"b\").c }}"), ["a.b.c"]);
}

#[test]
fn what_fails_prints_nothing() {
    let holes = |text: &str| lines(text).iter().map(|line| line.pieces.len()).sum::<usize>();
    assert_eq!(holes("{{- fail (printf \"%s\" .Values.a) -}}"), 0);
    assert_eq!(holes("{{ printf \"%s\" .Values.a | fail }}"), 0);
    assert_eq!(holes("{{ .Values.fail }}"), 1);
}

#[test]
fn lines_know_the_loop_they_are_in() {
    let text = "a\n{{ range .x }}\n{{ range .y }}\nb\n{{ end }}\n{{ end }}\nc\n{{ range .z }}d{{ end }}\ne";
    let loops: Vec<_> = lines(text).iter().map(|line| line.looped).collect();
    let first = Some(1);
    assert_eq!(loops, [None, first, first, first, first, first, None, Some(7), None]);
}

#[test]
fn what_depends_on_something_is_not_taken_for_a_value() {
    // A key that is no text, and an index of an index.
    assert_eq!(paths("{{ index .Values.a $key \"x\" }}"), [""; 0]);
    assert_eq!(paths("{{ index (index .Values.a \"x\") \"y\" }}"), [""; 0]);
    assert_eq!(paths("{{ (get .Values.a \"k\").x }}"), [""; 0]);
    // An element of either.
    assert_eq!(paths("{{ range concat .Values.a .Values.b }}{{ .x }}{{ end }}"), [""; 0]);
    // Whoever ran before.
    assert_eq!(
        paths("{{ $x := .Values.a }}{{ if .Values.on }}{{ $x = .Values.b }}{{ end }}{{ $x }}"),
        [""; 0]
    );
    assert_eq!(
        paths("{{ $v := .Values.a }}{{ range $v := .Values.l }}{{ $v }}{{ end }}{{ $v }}"),
        ["l.*", "a"]
    );
    assert_eq!(
        paths("{{ with .Values.a }}{{ .x }}{{ else with .Values.b }}{{ .y }}{{ end }}"),
        ["a.x", "b.y"]
    );
    assert_eq!(paths("{{ block \"x\" .Values.a }}{{ .b }}{{ end }}"), [""; 0]);
}

#[test]
fn a_definition_has_variables_and_an_argument_of_its_own() {
    let text = "{{ $x := .Values.a }}\n{{ define \"d\" }}\n{{ $x }}{{ .b }}{{ $.c }}\n{{ end }}\n{{ $x }}\n";
    assert_eq!(paths(text), ["b", "c", "a"]);
    let all = lines(text);
    assert_eq!(
        all.iter().map(|line| line.defined).collect::<Vec<_>>(),
        [false, true, true, true, false, false]
    );
}

#[test]
fn a_value_is_printed_as_it_is_or_made_into_something() {
    let as_is = |text: &str| lines(text)[0].only_value().is_some();
    for text in [
        "{{ .Values.a }}",
        "{{ .Values.a | quote }}",
        "{{ .Values.a | default \"512Mi\" }}",
        "{{ required \"say it\" .Values.a }}",
        "{{- toYaml .Values.a | nindent 4 }}",
    ] {
        assert!(as_is(text), "{text}");
    }
    for text in [
        "{{ .Values.a | upper }}",
        "{{ .Values.a | default .Values.b }}",
        "{{ .Values.a | default $x }}",
        "{{ ternary .Values.a \"1\" .Values.b }}",
        "{{ mul .Values.a 1 }}",
        "{{ .Values.a }}{{ .Values.b }}",
        "{{ .Values.a }}{{ \"\" }}",
        "{{ include \"x\" .Values.a }}",
        "{{ printf \"%s\" .Values.a }}",
    ] {
        assert!(!as_is(text), "{text}");
    }
}

#[test]
fn helpers_are_given_values_and_mappings() {
    let include = |text: &str| lines(text)[0].include.clone();
    let path =
        |keys: &[&str]| Operand::Path(keys.iter().map(|key| Some((*key).to_owned())).collect());
    assert_eq!(include("{{ include \"x\" . }}"), Some(("x".to_owned(), path(&[]))));
    assert_eq!(
        include("{{- include \"x\" .Values.web | nindent 4 }}"),
        Some(("x".to_owned(), path(&["Values", "web"])))
    );
    let dict = Operand::Dict(vec![
        ("Values".to_owned(), path(&["Values", "web"])),
        ("context".to_owned(), path(&[])),
        ("other".to_owned(), Operand::Unknown),
    ]);
    let text = "{{ include \"x\" (dict \"Values\" .Values.web \"context\" $ \"other\" (f .a)) }}";
    assert_eq!(include(text), Some(("x".to_owned(), dict)));
    assert_eq!(
        include("{{ include \"x\" (merge .a .b) }}"),
        Some(("x".to_owned(), Operand::Unknown))
    );
    // Of two, nobody knows which one printed it.
    assert_eq!(include("{{ include \"x\" . }}{{ include \"y\" . }}"), None);
}

#[test]
fn reading_takes_no_more_than_there_is_room_for() {
    let long = format!("{{{{ $x := .{} }}}}", "a.".repeat(30));
    let many = long + &"{{$x}}".repeat(10_000);
    assert!(read_within(&many, &mut 1000).is_none());
    let mut room = ROOM;
    assert!(read_within(&many, &mut room).is_some());
    // Each stands for thirty keys.
    assert!(ROOM - room > 300_000);
    assert!(read_within(&"\n".repeat(1000), &mut 100).is_none());
    assert!(verbatim(&"\n".repeat(1000), &mut 100).is_none());
}

#[test]
fn lines_print_what_they_hold() {
    let prints = |template: &str, rendered: &str| {
        let all = lines(template);
        assert_eq!(all.len(), 1, "{template}");
        all[0].prints(template, rendered)
    };
    assert!(prints("image: \"{{ .a }}:{{ .b }}\"", "image: \"nginx:1.2\""));
    assert!(!prints("image: \"{{ .a }}:{{ .b }}\"", "image: nginx"));
    assert!(prints("  replicas: {{ .Values.n }}", "replicas: 3"));
    assert!(prints("a: {{ .x }}", "a:"));
    assert!(prints("  kind: Service", "kind: Service"));
    assert!(!prints("kind: Service", "kind: ServiceAccount"));
    assert!(!prints("{{- if .x }}", "a: b"));
    assert!(prints("{{ .x }}", "a: b"));
}

#[test]
fn an_action_over_several_lines_leaves_the_numbers_as_they_are() {
    let text = "a: {{ .x\n  | quote }}\nb: 1\n";
    let all = lines(text);
    assert_eq!(all.len(), 4);
    assert_eq!(&text[all[2].content.clone()], "b: 1");
    assert!(all[2].prints(text, "b: 1"));
}

#[test]
fn half_of_an_action_is_no_panic() {
    for text in ["{{", "{{-", "{{ \"", "{{ `x", "{{/*", "{{ $ }}", "{{ . }", "}}", "{{ end }}"] {
        lines(text);
    }
    let deep = "{{ if x }}".repeat(5000) + &"{{ end }}".repeat(6000);
    assert_eq!(lines(&deep).len(), 1);
}
