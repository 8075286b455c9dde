mod printed;

use super::*;
use crate::artifact::source::SourceKind;

/// A chart by its files, and what Helm printed.
struct Case<'c> {
    files: Vec<(&'c str, String)>,
    text: String,
    set: Vec<String>,
    values: Vec<String>,
}

fn case<'c>(template: &str, values: &str, text: &str) -> Case<'c> {
    Case {
        files: vec![
            ("Chart.yaml", "name: c\n".to_owned()),
            ("templates/a.yaml", template.to_owned()),
            ("values.yaml", values.to_owned()),
        ],
        text: format!("---\n# Source: c/templates/a.yaml\n{text}"),
        set: Vec::new(),
        values: Vec::new(),
    }
}

impl<'c> Case<'c> {
    fn file(mut self, path: &'c str, text: &str) -> Self {
        self.files.retain(|(known, _)| *known != path);
        self.files.push((path, text.to_owned()));
        self
    }

    fn set(mut self, key: &str) -> Self {
        self.set.push(key.to_owned());
        self
    }

    fn load(&self, sources: &mut Sources) -> Loaded {
        self.load_within(sources, &mut budget::Budget::default())
    }

    fn load_within(&self, sources: &mut Sources, budget: &mut budget::Budget) -> Loaded {
        let files =
            self.files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        let chart = files::Chart::of("c", Some(files.collect())).with_packed();
        let rendering = Rendering {
            root: "c".to_owned(),
            by: Renderer::Helm,
            text: self.text.clone().into_bytes(),
            values: self.values.clone(),
            set: self.set.clone(),
            hidden: Hidden::default(),
        };
        let options = manifest::Options::default();
        chart::load_from(&chart, &rendering, sources, &options, budget)
    }

    /// `rendered line <- file:line name`, with a mark at what may be changed there.
    fn told(&self) -> Vec<String> {
        let mut sources = Sources::default();
        self.load(&mut sources);
        told(&sources)
    }
}

fn told(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    for (_, source) in sources.iter() {
        let Some(trace) = &source.rendered else { continue };
        for (number, written) in trace.lines.iter().enumerate() {
            let line = u32::try_from(number + 1).unwrap();
            let range = source.line(line).unwrap_or_default();
            let text = source.shown().unwrap()[range].trim();
            for value in &written.values {
                let file = sources.get(value.origin.source());
                let line = value.origin.span().map_or(0, |span| file.position(span.start).line);
                let path = file.path.trim_start_matches("c:");
                let edit = if value.whole.is_some() { " *" } else { "" };
                found.push(format!("{text} <- {path}:{line} {}{edit}", value.name));
            }
        }
    }
    found
}

/// Any value may be any.
fn unknown_values() -> values::Values {
    values::Values::new(Vec::new(), Vec::new(), Vec::new(), true)
}

#[test]
fn a_value_that_stands_alone_may_be_changed() {
    let found = case("kind: A\nm: {{ .Values.m }}\n", "# x\nm: 512Mi\n", "kind: A\nm: 512Mi\n");
    assert_eq!(found.told(), ["m: 512Mi <- values.yaml:2 m *"]);
}

#[test]
fn of_two_values_on_a_line_neither_is_changed() {
    let values = "a: 512Mi\nb: 512Mi\nc: 1Gi\n";
    let told =
        |hole: &str| case(&format!("kind: A\nm: {hole}\n"), values, "kind: A\nm: 512Mi\n").told();
    assert_eq!(
        told("{{ .Values.a | default .Values.b }}"),
        ["m: 512Mi <- values.yaml:1 a", "m: 512Mi <- values.yaml:2 b"]
    );
    assert_eq!(told("{{ .Values.a | default .Values.c }}"), ["m: 512Mi <- values.yaml:1 a"]);
    assert_eq!(told("{{ .Values.a | trim }}"), ["m: 512Mi <- values.yaml:1 a"]);
}

#[test]
fn a_list_that_is_longer_than_was_looked_at_has_no_only_element() {
    let template = "kind: A\nenv:\n{{- range .Values.env }}\n- v: {{ .v }}\n{{- end }}\n";
    let values = |last: &str| {
        let list: String = (0..300).map(|n| format!("- v: x{n}y\n")).collect();
        format!("env:\n{list}- v: {last}\n")
    };
    let found = case(template, &values("2GiB"), "kind: A\nenv:\n- v: 2GiB\n");
    assert_eq!(found.told(), [""; 0]);
    // The second of two that say the same lies behind the limit.
    let found = case(template, &values("x7y"), "kind: A\nenv:\n- v: x7y\n");
    assert_eq!(found.told(), [""; 0]);
    let few = case(template, "env:\n- v: 1GiB\n- v: 2GiB\n", "kind: A\nenv:\n- v: 2GiB\n");
    assert_eq!(few.told(), ["- v: 2GiB <- values.yaml:3 env[1].v *"]);
}

#[test]
fn what_two_lists_say_alike_is_of_neither() {
    let template = "\
kind: A
env:
{{- range .Values.env }}
- v: {{ .v }}
{{- end }}
{{- range .Values.more }}
- v: {{ .v }}
{{- end }}
";
    let text = "kind: A\nenv:\n- v: 2GiB\n";
    let told = |values: &str| case(template, values, text).told();
    assert_eq!(told("env:\n- v: 2GiB\nmore: []\n"), ["- v: 2GiB <- values.yaml:2 env[0].v *"]);
    assert_eq!(told("env:\n- v: 2GiB\nmore:\n- v: 2GiB\n"), [""; 0]);
}

#[test]
fn a_value_that_another_line_prints_alike_is_not_changed() {
    let template = "\
kind: A
{{- if .Values.on }}
a:
  memory: {{ .Values.a.memory }}
{{- end }}
b:
  memory: {{ .Values.b.memory }}
";
    let text = "kind: A\nb:\n  memory: 512Mi\n";
    let told = |values: &str| case(template, values, text).told();
    assert_eq!(
        told("a: {memory: 1Gi}\nb: {memory: 512Mi}\n"),
        ["memory: 512Mi <- values.yaml:2 b.memory *"]
    );
    assert_eq!(
        told("a: {memory: 512Mi}\nb: {memory: 512Mi}\n"),
        ["memory: 512Mi <- values.yaml:2 b.memory"]
    );
    // The same for what a block prints.
    let template = "\
kind: A
a:
  {{- toYaml .Values.a | nindent 2 }}
b:
  {{- toYaml .Values.b | nindent 2 }}
";
    let text = "kind: A\na:\n  memory: 1Gi\nb:\n  memory: 512Mi\n";
    let told = |values: &str| case(template, values, text).told();
    let last = |values: &str| told(values).pop().unwrap();
    assert_eq!(
        last("a: {memory: 1Gi}\nb: {memory: 512Mi}\n"),
        "memory: 512Mi <- values.yaml:2 b.memory *"
    );
    assert_eq!(
        last("a: {memory: 1Gi, x: {memory: 512Mi}}\nb: {memory: 512Mi}\n"),
        "memory: 512Mi <- values.yaml:2 b.memory"
    );
}

#[test]
fn what_a_template_changes_is_not_what_the_file_says() {
    let template = "\
{{- $_ := set .Values.a \"memory\" \"512Mi\" }}
kind: A
memory: {{ .Values.a.memory }}
other: {{ .Values.b }}
";
    let text = "kind: A\nmemory: 512Mi\nother: 2\n";
    assert_eq!(
        case(template, "a: {memory: 512Mi}\nb: 2\n", text).told(),
        ["memory: 512Mi <- values.yaml:1 a.memory", "other: 2 <- values.yaml:2 b *"]
    );
}

#[test]
fn a_chart_that_changes_very_many_values_may_change_any() {
    let told = |count: usize| {
        let sets: String =
            (0..count).map(|n| format!("{{{{- $_ := set .Values.s{n} \"k\" 1 }}}}\n")).collect();
        case(&format!("{sets}kind: A\nm: {{{{ .Values.m }}}}\n"), "m: 7\n", "kind: A\nm: 7\n")
            .told()
    };
    assert_eq!(told(10), ["m: 7 <- values.yaml:1 m *"]);
    assert_eq!(told(300), ["m: 7 <- values.yaml:1 m"]);
}

#[test]
fn an_anchor_is_changed_for_all_that_use_it() {
    let template = "kind: A\nm: {{ .Values.m }}\n";
    let found = case(template, "x: &m 512Mi\nm: *m\n", "kind: A\nm: 512Mi\n");
    assert_eq!(found.told(), ["m: 512Mi <- values.yaml:1 m"]);
}

#[test]
fn a_helper_reads_what_it_is_given() {
    let helper = "\
{{- define \"c.web\" -}}
kind: A
memory: {{ .Values.memory }}
{{- end }}
";
    let values = "memory: 512Mi\nweb:\n  memory: 512Mi\n";
    let text = "kind: A\nmemory: 512Mi\n";
    let told = |argument: &str| {
        let template = format!("{{{{- include \"c.web\" {argument} }}}}\n");
        case(&template, values, text).file("templates/_h.tpl", helper).told()
    };
    assert_eq!(told("."), ["memory: 512Mi <- values.yaml:1 memory *"]);
    assert_eq!(told("$"), ["memory: 512Mi <- values.yaml:1 memory *"]);
    assert_eq!(
        told("(dict \"Values\" .Values.web)"),
        ["memory: 512Mi <- values.yaml:3 web.memory *"]
    );
    assert_eq!(told("(dict \"Values\" $x)"), [""; 0]);
    assert_eq!(told("(merge (dict) .)"), [""; 0]);
    assert_eq!(told("(f .)"), [""; 0]);
}

#[test]
fn a_definition_in_the_template_itself_is_given_something_as_well() {
    let template = "\
{{- define \"c.web\" -}}
kind: A
memory: {{ .Values.memory }}
{{- end }}
{{ include \"c.web\" (dict \"Values\" .Values.web) }}
";
    let values = "memory: 512Mi\nweb:\n  memory: 512Mi\n";
    let found = case(template, values, "kind: A\nmemory: 512Mi\n");
    assert_eq!(found.told(), ["memory: 512Mi <- values.yaml:3 web.memory *"]);
}

/// A chart with one inside that is called `edge`.
fn nested(values: &str, inner: &str) -> Case<'static> {
    let template = "kind: A\nm: {{ .Values.m }}\ng: {{ .Values.global.g }}\n";
    let mut case = case("", values, "")
        .file("Chart.yaml", "name: c\ndependencies:\n- {name: proxy, alias: edge}\n")
        .file("charts/proxy/Chart.yaml", "name: proxy\n")
        .file("charts/proxy/templates/a.yaml", template)
        .file("charts/proxy/values.yaml", inner);
    case.text =
        "---\n# Source: c/charts/edge/templates/a.yaml\nkind: A\nm: 1Gi\ng: 2Gi\n".to_owned();
    case
}

#[test]
fn a_chart_around_wins_over_the_one_inside() {
    let inner = "m: 1Gi\nglobal:\n  g: 2Gi\n";
    assert_eq!(
        nested("a: b\n", inner).told(),
        [
            "m: 1Gi <- charts/proxy/values.yaml:1 m *",
            "g: 2Gi <- charts/proxy/values.yaml:3 global.g *"
        ]
    );
    assert_eq!(
        nested("edge: {m: 1Gi}\nglobal: {g: 2Gi}\n", inner).told(),
        ["m: 1Gi <- values.yaml:1 edge.m *", "g: 2Gi <- values.yaml:2 global.g *"]
    );
    // What is global wins over what is global for one chart.
    assert_eq!(
        nested("edge: {global: {g: 2Gi}}\nglobal: {g: 2Gi}\n", inner).told()[1],
        "g: 2Gi <- values.yaml:2 global.g *"
    );
    assert_eq!(
        nested("edge: {global: {g: 2Gi}}\nglobal: {h: 2Gi}\n", inner).told()[1],
        "g: 2Gi <- values.yaml:1 edge.global.g *"
    );
    // The name of the folder is nobody's.
    assert_eq!(
        nested("proxy: {m: 1Gi}\n", inner).told()[0],
        "m: 1Gi <- charts/proxy/values.yaml:1 m *"
    );
}

#[test]
fn what_the_command_line_sets_is_in_no_file() {
    let inner = "m: 1Gi\nglobal:\n  g: 2Gi\n";
    let told = |key: &str| nested("a: b\n", inner).set(key).told();
    let m = "m: 1Gi <- charts/proxy/values.yaml:1 m *";
    let g = "g: 2Gi <- charts/proxy/values.yaml:3 global.g *";
    assert_eq!(told("edge.m"), ["m: 1Gi <- --set edge.m:0 edge.m", g]);
    assert_eq!(told("global.g"), [m, "g: 2Gi <- --set global.g:0 global.g"]);
    assert_eq!(told("edge.global"), [m, "g: 2Gi <- --set edge.global:0 edge.global"]);
    assert_eq!(told("edge"), ["m: 1Gi <- --set edge:0 edge", "g: 2Gi <- --set edge:0 edge"]);
    // Others begin alike.
    assert_eq!(told("edgem").len(), 2);
    assert_eq!(told("edgex.m").len(), 2);
    assert_eq!(told(r"edge\.m").len(), 2);
}

#[test]
fn a_file_of_values_is_one_input_and_wins_as_helm_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.yaml");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    let mut chart = case(
        "kind: A\nm: {{ .Values.m }}\n{{- toYaml .Values.r | nindent 0 }}\n",
        "m: 1Gi\nr: {cpu: 1, memory: 2Gi}\n",
        "kind: A\nm: 1Gi\ncpu: 1\nmemory: 2Gi\n",
    );
    chart.values.push(path.to_str().unwrap().to_owned());
    // Nothing takes away what is there, and a list wins as a whole.
    write("m: 1Gi\nr: {cpu: null}\n");
    let found = chart.told();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].ends_with("mine.yaml:1 m *"), "{found:#?}");
    assert_eq!(found[1], "memory: 2Gi <- values.yaml:2 r.memory *");
    write("r: 2\n");
    assert_eq!(chart.told(), ["m: 1Gi <- values.yaml:1 m *"]);
    // Two charts are given one file.
    write("m: 1Gi\n");
    let mut sources = Sources::default();
    chart.load(&mut sources);
    chart.load(&mut sources);
    let inputs = sources.iter().filter(|(_, source)| source.path.ends_with("mine.yaml"));
    assert_eq!(inputs.count(), 1);
    assert_eq!(sources.iter().filter(|(_, source)| source.path == "c:values.yaml").count(), 1);
}

#[test]
fn documents_of_one_template_are_told_line_by_line() {
    let template = "kind: A\nm: {{ .Values.m }}\n---\nkind: B\n\nm: {{ .Values.n }}\n---\nkind: C\nm: {{ .Values.o }}\n";
    let mut found = case(template, "m: 1\nn: 2\no: 3\n", "kind: A\nm: 1\n");
    for (kind, n) in [("B", "\nm: 2"), ("C", "m: 3")] {
        found.text += &format!("---\n# Source: c/templates/a.yaml\nkind: {kind}\n{n}\n");
    }
    assert_eq!(
        found.told(),
        ["m: 1 <- values.yaml:1 m *", "m: 2 <- values.yaml:2 n *", "m: 3 <- values.yaml:3 o *"]
    );
}

#[test]
fn lines_are_put_in_order_once_for_all_documents() {
    let text = "kind: A\nmetadata: {name: x}\n".to_owned();
    let mut sources = Sources::default();
    let files = HashMap::from([
        ("templates/_h.tpl".to_owned(), b"{{ define \"x\" }}\nkind: A\n{{ end }}\n".to_vec()),
        (
            "templates/a.yaml".to_owned(),
            b"{{ include \"x\" . }}\nmetadata: {name: {{ .n }}}\n".to_vec(),
        ),
    ]);
    let chart = files::Chart::of("c", Some(files));
    let mut templates = helpers::Templates::of(&chart);
    let located = chart.locate("templates/a.yaml").unwrap();
    let template = templates.get(&chart, &located).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut budget = budget::Budget::default();
    let values = unknown_values();
    for _ in 0..1000 {
        let placed = templates.place(template, &text, &lines, &values, &mut budget);
        assert!(placed.places.iter().all(Option::is_some));
        templates.sources_of(&chart, &placed, &mut sources);
    }
    assert_eq!(templates.indexed, 2);
    assert_eq!(sources.len(), 2);
}

#[test]
fn a_document_that_stands_there_word_for_word_is_found_by_its_text() {
    let crd = |n: usize| format!("apiVersion: v1\nkind: K{n}\na:\n  b: {n}\n");
    let all: String = (0..500).map(|n| format!("---\n{}", crd(n))).collect();
    let template = format!("{{{{- if .Values.on }}}}\n{all}{{{{- end }}}}\n");
    let files = HashMap::from([("templates/a.yaml".to_owned(), template.clone().into_bytes())]);
    let chart = files::Chart::of("c", Some(files));
    let mut templates = helpers::Templates::of(&chart);
    let located = chart.locate("templates/a.yaml").unwrap();
    let file = templates.get(&chart, &located).unwrap();
    // Nothing is compared, so that no budget is needed.
    let mut none = budget::Budget::of(0);
    for n in [0, 499, 7] {
        let document = crd(n);
        let lines: Vec<&str> = document.lines().collect();
        let placed = templates.place(file, &document, &lines, &unknown_values(), &mut none);
        assert!(placed.is_copy);
        let (scope, line) = placed.at(placed.places[1].unwrap()).unwrap();
        assert_eq!(&scope.text()[line.content.clone()], format!("kind: K{n}"));
    }
    let other = "kind: K7\n";
    assert!(!templates.place(file, other, &[other], &unknown_values(), &mut none).is_copy);
}

#[test]
fn a_value_of_a_packed_chart_is_told_where_it_is_said() {
    let template = "kind: A\nm: {{ .Values.m }}\nn: {{ .Values.n }}\n";
    let inner = files::packed(&[
        ("Chart.yaml", b"name: db\n"),
        ("values.yaml", b"m: 1\nn: 2\n"),
        ("templates/a.yaml", template.as_bytes()),
    ]);
    let files = [
        ("Chart.yaml", b"name: c\n".to_vec()),
        ("values.yaml", b"x: 1\ndb:\n  m: 3\n".to_vec()),
        ("charts/db-1.tgz", inner),
    ];
    let rendering = Rendering {
        root: "c".to_owned(),
        by: Renderer::Helm,
        text: b"---\n# Source: c/charts/db/templates/a.yaml\nkind: A\nm: 3\nn: 2\n".to_vec(),
        values: Vec::new(),
        set: Vec::new(),
        hidden: Hidden::default(),
    };
    let files = files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
    let mut sources = Sources::default();
    load_chart(files, &rendering, &mut sources, &manifest::Options::default());
    let told = told(&sources);
    assert_eq!(told[0], "m: 3 <- values.yaml:3 db.m *");
    // What the archive says is told with the archive.
    assert!(told[1].starts_with("n: 2 <- charts/db-1.tgz:values.yaml:2 n"), "{told:?}");
    assert_eq!(told.len(), 2);
    let path = "c:charts/db-1.tgz:templates/a.yaml";
    let found = |kind| sources.iter().any(|(_, source)| source.path == path && source.kind == kind);
    assert!(found(SourceKind::Template));
}

#[test]
fn without_a_budget_objects_are_judged_and_lines_are_not_told() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n";
    let template = format!("{service}spec:\n  x: {{{{ .Values.x }}}}\n");
    let text = format!("{service}spec:\n  x: 7\n");
    let found = case(&template, "x: 7\n", &text);
    let mut sources = Sources::default();
    let loaded = found.load_within(&mut sources, &mut budget::Budget::of(10));
    assert_eq!(loaded.objects.len(), 1);
    assert_eq!(told(&sources), [""; 0]);
    assert_eq!(found.told(), ["x: 7 <- values.yaml:1 x *"]);
}

#[test]
fn a_template_that_prints_no_object_is_a_problem_and_the_others_are_judged() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n";
    let mut found = case(service, "", service).file("templates/b.yaml", "a: b\n");
    found.text += "---\n# Source: c/templates/b.yaml\na: b\n";
    let mut sources = Sources::default();
    let loaded = found.load(&mut sources);
    assert_eq!(loaded.objects.len(), 1);
    assert_eq!(loaded.problems.len(), 1);
    assert!(loaded.unusable.is_empty());
}

/// `rendered line <- file:line` of each line that is placed.
fn placed(case: &Case<'_>) -> Vec<String> {
    let mut sources = Sources::default();
    case.load(&mut sources);
    let mut found = Vec::new();
    for (_, source) in sources.iter() {
        let Some(trace) = &source.rendered else { continue };
        for (text, written) in source.shown().unwrap().lines().zip(&trace.lines) {
            let Some(at) = &written.at else { continue };
            let file = sources.get(at.source());
            let line = at.span().map_or(0, |span| file.position(span.start).line);
            found.push(format!("{} <- {}:{line}", text.trim(), file.path.trim_start_matches("c:")));
        }
    }
    found
}

/// What `helm create` writes.
const HELPERS: &str = "\
{{- define \"c.fullname\" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix \"-\" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix \"-\" }}
{{- else }}
{{- printf \"%s-%s\" .Release.Name $name | trunc 63 | trimSuffix \"-\" }}
{{- end }}
{{- end }}
{{- end }}
{{- define \"c.image\" -}}
{{- if .Values.image.digest }}
{{- .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}
{{- .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}
";

#[test]
fn a_branch_that_is_not_taken_is_not_pointed_at() {
    let template = "\
kind: A
name: {{ include \"c.fullname\" . }}
image: \"{{ include \"c.image\" . }}\"
{{- if .Values.debug }}
level: {{ .Values.level }}
{{- else }}
level: {{ .Values.quiet }}
{{- end }}
";
    let values = |name: &str| {
        format!(
            "fullnameOverride: \"{name}\"\nimage: {{repository: r/x, tag: \"\"}}\ndebug: false\nlevel: 3\nquiet: 3\n"
        )
    };
    let text = "kind: A\nname: a-b\nimage: \"r/x:1\"\nlevel: 3\n";
    let case = |name: &str| case(template, &values(name), text).file("templates/_h.tpl", HELPERS);
    // Which of the other two it was nobody can tell here.
    assert_eq!(
        placed(&case("")),
        [
            "kind: A <- templates/a.yaml:1",
            "name: a-b <- templates/a.yaml:2",
            "image: \"r/x:1\" <- templates/_h.tpl:17",
            "level: 3 <- templates/a.yaml:7"
        ]
    );
    assert_eq!(placed(&case("a-b"))[1], "name: a-b <- templates/_h.tpl:3");
    // What the command line sets may be anything.
    let set = case("a-b").set("fullnameOverride");
    assert_eq!(placed(&set)[1], "name: a-b <- templates/a.yaml:2");
}

#[test]
fn a_tag_is_told_where_it_is_set_or_left_empty() {
    let template = "kind: A\nimage: {{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}\n";
    let values = "image:\n  repository: r/x\n  tag: \"\"\n";
    let case = || case(template, values, "kind: A\nimage: r/x:latest\n");
    let repository = "image: r/x:latest <- values.yaml:2 image.repository";
    let empty = "image: r/x:latest <- values.yaml:3 image.tag";
    assert_eq!(case().told(), [repository, empty]);
    assert_eq!(
        case().set("image.tag").told(),
        [repository, "image: r/x:latest <- --set image.tag:0 image.tag"]
    );
}
