use std::sync::Arc;

use super::*;
use crate::artifact::{Source, SourceKind, Sources};
use crate::report::text::{self, Options};

const DATE: Date = jiff::civil::date(2026, 11, 23);

fn read(text: &str) -> Loaded {
    load(SourceId(0), text, DATE)
}

/// Problems as the user sees them.
fn problems(text: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add(Source::text(NAME, SourceKind::Config, Arc::from(text)));
    let show = |problem: &Problem| {
        let place = text::evidence(problem.origin.clone(), "");
        let help = problem.help.as_deref();
        text::render_message(&problem.message, &place, help, &sources, Options::default())
    };
    load(id, text, DATE).problems.iter().map(show).collect()
}

#[test]
fn every_key_arrives_with_its_place() {
    let text = r#"
render = true

[[service]]
name = "checkout"
binary = "bin/checkout"
dockerfile = "Dockerfile"
image = "ghcr.io/acme/checkout"
container = "shop/Deployment/checkout/app"
drain = "1m30s"
flush = 2
lame_duck = "250ms"
start_time = 1.5
non_heap_memory = "64MiB"

[cluster]
kubernetes = "1.35..1.37"
node_arch = ["amd64", "arm64"]
node_cpus = 16
goamd64 = "v3"
cpu_manager = "static"
cfs_quota = false
pod_security = "restricted"
mesh = "native-sidecar"
unprivileged_ports = true
endpoint_propagation = "10s"
nodes = 3
exists = ["Gateway infra/shared", "ClusterIssuer letsencrypt"]

[health]
endpoint_timeout = "500ms"

[budget]
binary_size = "15MiB"
image_size = "60Mi"

[target]
go = "1.27"

[rules]
"unparsable-input" = "warn"
"unparsable-input/packed-binary" = { level = "off" }

[[ignore]]
rule = "unparsable-input"
path = "deploy/**"
reason = "generated"
until = 2027-01-31
"#;
    let loaded = read(text);
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    insta::assert_snapshot!(format!("{:#?}", loaded.settings.services), @r#"
    [
        Service {
            name: Some(
                "checkout" (Written),
            ),
            binary: Some(
                "bin/checkout" (Written),
            ),
            dockerfile: Some(
                "Dockerfile" (Written),
            ),
            image: Some(
                "ghcr.io/acme/checkout" (Written),
            ),
            container: Some(
                "shop/Deployment/checkout/app" (Written),
            ),
            drain: Some(
                90.0 (Written),
            ),
            flush: Some(
                2.0 (Written),
            ),
            lame_duck: Some(
                0.25 (Written),
            ),
            start_time: Some(
                1.5 (Written),
            ),
            non_heap_memory: Some(
                67108864 (Written),
            ),
        },
    ]
    "#);
    insta::assert_snapshot!(format!("{:?}", loaded.settings.cluster), @r#"Cluster { kubernetes: Some((35, 37) (Written)), node_arch: ["amd64" (Written), "arm64" (Written)], node_cpus: Some(16 (Written)), goamd64: Some(3 (Written)), static_cpu_manager: true, cfs_quota: Some(false (Written)), pod_security: Some("restricted" (Written)), mesh: Some("native-sidecar" (Written)), unprivileged_ports: Some(true (Written)), endpoint_propagation: Some(10.0 (Written)), nodes: Some(3 (Written)), exists: [Existing { kind: "Gateway", namespace: Some("infra"), name: "shared" } (Written), Existing { kind: "ClusterIssuer", namespace: None, name: "letsencrypt" } (Written)] }"#);
    let settings = &loaded.settings;
    assert_eq!(settings.endpoint_timeout.as_ref().unwrap().value, 0.5);
    assert_eq!(settings.binary_size_budget.as_ref().unwrap().value, 15 << 20);
    assert_eq!(settings.image_size_budget.as_ref().unwrap().value, 60 << 20);
    assert_eq!(settings.target_go.as_ref().unwrap().value, 27);
    assert!(settings.render);
    let drain = &settings.services[0].drain.as_ref().unwrap().origin;
    assert_eq!(&text[drain.span().unwrap().range()], "\"1m30s\"");
    assert_eq!(loaded.levels["unparsable-input"], Some(Level::Warn));
    assert_eq!(loaded.levels["unparsable-input/packed-binary"], None);
    assert_eq!(loaded.ignores[0].until, Until::Day(jiff::civil::date(2027, 1, 31)));
    assert_eq!(loaded.ignores[0].reason.as_deref(), Some("generated"));
}

/// What an editor checks a file by agrees with what reads it.
#[test]
fn the_schema_agrees_with_the_reader() {
    let schema = include_str!("../../../../../docs/provost.toml.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let valid = |text: &str| validator.is_valid(&toml::from_str(text).unwrap());
    for text in [
        include_str!("../../../../../examples/checkout/provost.toml"),
        include_str!("../../../../../examples/textbook/provost.toml"),
        "render = true",
        "[cluster]\nnode_arch = \"arm64\"\ngoamd64 = 3\nendpoint_propagation = 2.5",
        "[cluster]\nexists = []",
        "[cluster]\nexists = [\"Secret */db-*\", \"Gateway infra/shared\"]",
        "[health]\nendpoint_timeout = \"1m0.5s\"",
        "[budget]\nbinary_size = \"15MB\"\nimage_size = 100",
        "[rules]\nunparsable-input = {level = \"warn\"}",
        "[[ignore]]\nrule = \"unparsable-input\"\nuntil = \"2027-01-31\"",
        "[[ignore]]\nrules = [\"unparsable-input\", \"missing-pdb\"]\nnamespace = \"kube-*\"",
        "[[ignore]]\nrule = \"*\"\nobject = \"vendor/*/*\"",
    ] {
        assert!(read(text).problems.is_empty(), "{text}");
        assert!(valid(text), "{text}");
    }
    for text in [
        "clusters = 1",
        "[cluster]\nmesh = \"istio\"",
        "[cluster]\nnodes = 0",
        "[cluster]\nexists = \"Gateway infra/shared\"",
        "[cluster]\nexists = [\"Gateway\"]",
        "[cluster]\nexists = [\"infra/shared\"]",
        "[cluster]\nexists = [\"gateway infra/shared\"]",
        "[cluster]\nexists = [\"Gateway infra/shared/x\"]",
        "[cluster]\nexists = [\"Gateway infra/\"]",
        "[cluster]\nexists = [1]",
        "[cluster]\nkubernetes = 1.36",
        "[health]\nendpoint_timeout = \"30\"",
        "[health]\nendpoint_timeout = \"30 s\"",
        "[budget]\nbinary_size = \"15 MiB\"",
        "[budget]\nbinary_size = \"MiB\"",
        "[[service]]\ncontainer = \"checkout\"",
        "[[service]]\ndrian = 1",
        "[rules]\nunparsable-input = \"error\"",
        "[[ignore]]\nreason = \"r\"",
        "[[ignore]]\nrules = []\npath = \"a\"",
        "[[ignore]]\nrules = \"unparsable-input\"",
        "[[ignore]]\nrule = \"unparsable-input\"\nrules = [\"unparsable-input\"]",
        "service = \"x\"",
    ] {
        assert!(!read(text).problems.is_empty(), "{text}");
        assert!(!valid(text), "{text}");
    }
    // Every key that is read is in the schema, and the other way round.
    let keys = |path: &str| {
        let object = schema.pointer(path).unwrap().as_object().unwrap();
        object.keys().cloned().collect::<std::collections::BTreeSet<_>>()
    };
    let known = |keys: &[&str]| keys.iter().map(|k| (*k).to_owned()).collect();
    assert_eq!(keys("/properties/service/items/properties"), known(SERVICE));
    assert_eq!(keys("/properties/cluster/properties"), known(CLUSTER));
    assert_eq!(keys("/properties/ignore/items/properties"), known(IGNORE));
}

/// Somebody else's objects needed an entry for every rule that has something to say of them.
#[test]
fn one_entry_names_several_rules_or_all() {
    let loaded = read(
        "[[ignore]]\nrules = [\"unparsable-input\", \"missing-pdb\"]\nnamespace = \"kube-*\"\nreason = \"theirs\"\n\
         [[ignore]]\nrule = \"*\"\npath = \"vendor/**\"\nreason = \"theirs\"\n",
    );
    assert!(loaded.problems.is_empty());
    let rules: Vec<&str> = loaded.ignores.iter().map(|s| &*s.rule).collect();
    assert_eq!(rules, ["unparsable-input", "missing-pdb", "*"]);
    let everywhere = "[[ignore]]\nrule = \"*\"\nreason = \"r\"\n";
    let among = "[[ignore]]\nrules = [\"*\"]\npath = \"a\"\nreason = \"r\"\n";
    let unknown = "[[ignore]]\nrules = [\"missing-pdb\", \"missing-pbd\"]\nreason = \"r\"\n";
    for (text, said) in [
        (everywhere, "`*` would hide every finding of the run"),
        (among, "`*` stands alone"),
        (unknown, "no rule is named `missing-pbd`"),
    ] {
        let loaded = read(text);
        assert_eq!(loaded.problems.len(), 1, "{text}");
        assert!(loaded.problems[0].message.contains(said), "{}", loaded.problems[0].message);
        assert!(loaded.ignores.is_empty(), "{text}");
    }
}

#[test]
fn unknown_names_are_never_ignored() {
    insta::assert_snapshot!(problems(r#"
[[service]]
drian = "30s"

[clusters]
nodes = 3

[cluster]
mesh = "side-car"

[rules]
gomemlimit-above-memory-limits = "deny"
unparsable-input = "error"
packed-binary = "deny"
"unparsable-input/packed" = "off"

[[ignore]]
rule = "unparseable-input"
reason = "x"
"#), @r#"
    error: [[service]] has no key `drian`
     --> provost.toml:3:1
      |
    3 | drian = "30s"
      | ^^^^^
      |
      = help: did you mean `drain`?
    error: provost.toml has no key `clusters`
     --> provost.toml:5:2
      |
    5 | [clusters]
      |  ^^^^^^^^
      |
      = help: did you mean `cluster`?
    error: expected one of "sidecar", "native-sidecar", "ambient", "none"
     --> provost.toml:9:8
      |
    9 | mesh = "side-car"
      |        ^^^^^^^^^^
      |
      = help: did you mean "sidecar"?
    error: no rule is named `gomemlimit-above-memory-limits`
      --> provost.toml:12:1
       |
    12 | gomemlimit-above-memory-limits = "deny"
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: did you mean `gomemlimit-above-memory-limit`?
    error: expected one of off, note, warn, deny; `error` is `deny` here
      --> provost.toml:13:20
       |
    13 | unparsable-input = "error"
       |                    ^^^^^^^
    error: no rule is named `packed-binary`
      --> provost.toml:14:1
       |
    14 | packed-binary = "deny"
       | ^^^^^^^^^^^^^
       |
       = help: did you mean `unparsable-input/packed-binary`?
    error: rule `unparsable-input` has no variant `packed`
      --> provost.toml:15:1
       |
    15 | "unparsable-input/packed" = "off"
       | ^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: `provost explain unparsable-input` names its variants
    error: no rule is named `unparseable-input`
      --> provost.toml:18:8
       |
    18 | rule = "unparseable-input"
       |        ^^^^^^^^^^^^^^^^^^^
       |
       = help: did you mean `unparsable-input`?
    "#);
}

#[test]
fn values_of_the_wrong_kind_say_what_is_expected() {
    insta::assert_snapshot!(problems(r#"
service = "checkout"
[cluster]
kubernetes = 1.36
node_cpus = 0
goamd64 = "x3"
nodes = -1
cfs_quota = "no"
[health]
endpoint_timeout = "30"
[budget]
binary_size = "15 MiB"
[target]
go = "27"
[[ignore]]
reason = "no rule"
"#), @r#"
    error: [[service]] is a list of tables, not a text
     --> provost.toml:2:11
      |
    2 | service = "checkout"
      |           ^^^^^^^^^^
    error: expected a minor version or a range: "1.36", "1.35..1.37"
     --> provost.toml:4:14
      |
    4 | kubernetes = 1.36
      |              ^^^^
    error: expected a whole number from 1, found 0
     --> provost.toml:5:13
      |
    5 | node_cpus = 0
      |             ^
    error: expected "v1", "v2", "v3" or "v4"
     --> provost.toml:6:11
      |
    6 | goamd64 = "x3"
      |           ^^^^
    error: expected a whole number from 1, found -1
     --> provost.toml:7:9
      |
    7 | nodes = -1
      |         ^^
    error: expected true or false, found a text
     --> provost.toml:8:13
      |
    8 | cfs_quota = "no"
      |             ^^^^
    error: expected a duration: "30s", "1m30s" or a number of seconds
      --> provost.toml:10:20
       |
    10 | endpoint_timeout = "30"
       |                    ^^^^
    error: expected a size: "15MiB" or a number of bytes
      --> provost.toml:12:15
       |
    12 | binary_size = "15 MiB"
       |               ^^^^^^^^
    error: expected a version of Go in quotes: "1.27"
      --> provost.toml:14:6
       |
    14 | go = "27"
       |      ^^^^
    error: [[ignore]] names no rule
      --> provost.toml:15:1
       |
    15 | [[ignore]]
       | ^^^^^^^^^^
       |
       = help: write rule = "id", rules = ["id", "id/variant"], or rule = "*" with
               an object, a namespace or a path
    "#);
}

#[test]
fn a_syntax_error_points_at_its_line() {
    insta::assert_snapshot!(problems("[cluster]\nnodes = = 3\n"), @r#"
    error: extra `=`, expected nothing
     --> provost.toml:2:9
      |
    2 | nodes = = 3
      |         ^
    error: unexpected key or value, expected newline, `#`
     --> provost.toml:2:11
      |
    2 | nodes = = 3
      |           ^
    "#);
}

#[test]
fn ways_to_write_a_duration() {
    let of = |text: &str| {
        let loaded = read(&format!("[health]\nendpoint_timeout = {text}"));
        loaded.settings.endpoint_timeout.map(|fact| fact.value)
    };
    for (text, seconds) in [
        ("\"30s\"", 30.0),
        ("\"1m30s\"", 90.0),
        ("\"1h\"", 3600.0),
        ("\"1.5s\"", 1.5),
        ("\"0\"", 0.0),
        ("\"250ms\"", 0.25),
        ("5", 5.0),
        ("0.5", 0.5),
    ] {
        assert_eq!(of(text), Some(seconds), "{text}");
    }
    for text in
        ["\"\"", "\"30\"", "\"s\"", "\"30 s\"", "\"-1s\"", "-1", "nan", "inf", "true", "\"1d\""]
    {
        assert_eq!(of(text), None, "{text}");
    }
}

#[test]
fn hostile_files_are_refused_without_harm() {
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        "a.".repeat(100_000),
        "\u{0}\u{1}".to_owned(),
    ] {
        assert!(!read(&text).problems.is_empty());
    }
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs_and_what_it_says() {
    let told = |text: &str| {
        let problems = read(text).problems;
        let help = |p: &Problem| format!("{}: {}", p.message, p.help.clone().unwrap_or_default());
        problems.iter().map(help).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        told("mesh = \"istio\""),
        "provost.toml has no key `mesh`: `mesh` belongs in [cluster], and is one of \"sidecar\", \
         \"native-sidecar\", \"ambient\", \"none\""
    );
    assert_eq!(
        told("[cluster]\ndrain = 1"),
        "[cluster] has no key `drain`: `drain` belongs in [[service]]"
    );
    assert_eq!(
        told("[cluster]\nrender = true"),
        "[cluster] has no key `render`: `render` stands above all tables"
    );
    assert_eq!(
        told("[cluster]\nhealth = 1"),
        "[cluster] has no key `health`: it is a table of its own: [health]"
    );
}

#[test]
fn words_that_are_few_are_all_told() {
    let told = |text: &str| {
        let problems = read(text).problems;
        assert_eq!(problems.len(), 1, "{text}");
        let help = problems[0].help.clone().unwrap_or_default();
        format!("{}: {help}", problems[0].message)
    };
    assert_eq!(
        told("[cluster]\nmesh = \"istio\""),
        "expected one of \"sidecar\", \"native-sidecar\", \"ambient\", \"none\": Istio is \"sidecar\" \
         or \"native-sidecar\" where each pod has a proxy, \"ambient\" where the node has it"
    );
    assert!(told("[cluster]\nnode_arch = \"x86_64\"").ends_with("`x86_64` is `amd64` here"));
    assert!(told("[cluster]\npod_security = \"Restricted\"").ends_with("\"restricted\"?"));
    for (key, word) in
        [("cpu_manager", "\"static\""), ("goamd64", "\"v4\""), ("node_arch", "\"386\"")]
    {
        let problem = told(&format!("[cluster]\n{key} = \"zzz\""));
        assert!(problem.contains(word), "{problem}");
    }
    for (word, ours) in [("error", "deny"), ("warning", "warn"), ("info", "note"), ("Deny", "deny")]
    {
        let problem = told(&format!("[rules]\nsingle-replica = \"{word}\""));
        assert!(
            problem.contains(&format!("off, note, warn, deny; `{word}` is `{ours}` here")),
            "{problem}"
        );
    }
}

#[test]
fn a_rule_by_another_linters_name_is_told_by_its_own() {
    let told = |rule: &str| {
        let text = format!("[[ignore]]\nrule = \"{rule}\"\nreason = \"r\"\n");
        read(&text).problems[0].help.clone().unwrap_or_default()
    };
    assert_eq!(told("DL3007"), "hadolint's DL3007 is `floating-build-input` here");
    assert_eq!(
        told("container-image-tag"),
        "kube-score's container-image-tag is `floating-image-tag` here"
    );
    assert_eq!(
        told("DL3001"),
        "hadolint's DL3001 has no rule here: `provost explain DL3001` says why"
    );
    assert_eq!(told("singel-replica"), "did you mean `single-replica`?");
}
