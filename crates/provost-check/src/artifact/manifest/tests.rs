mod kinds;
mod secrets;

use proptest::prelude::*;

use super::*;
use crate::artifact::source::Sources;
use crate::artifact::{ProblemKind, yaml};
use crate::facts::SourceId;
use crate::facts::objects::{Ingress, PortRef};
use crate::facts::workload::{
    Action, Container, ContainerRole, EnvValue, IntOrPercent, VolumeItem, VolumeKind, Workload,
    WorkloadKind,
};
use crate::model::quantity::Bytes;

fn load(text: &str) -> (Sources, Loaded) {
    let mut sources = Sources::default();
    let file = ManifestFile::text("a.yaml", text);
    let loaded = load_manifests(&[file], &mut sources, &Options::default());
    (sources, loaded)
}

fn objects(text: &str) -> (Sources, Vec<Object>) {
    let (sources, loaded) = load(text);
    assert_eq!(loaded.problems, []);
    (sources, loaded.objects)
}

/// Text at the place of a fact.
fn at(sources: &Sources, origin: &crate::facts::Origin) -> String {
    let text = sources.get(origin.source()).shown().unwrap();
    text[origin.span().unwrap().range()].to_owned()
}

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop, tier: "web"}}
    spec:
      containers:
      - name: app
        image: shop:1
        env:
        - name: GOMEMLIMIT
          value: "2GiB"
        - {name: KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}
        ports: [{containerPort: 8080, name: http}]
        resources:
          limits: {cpu: 1, memory: 512Mi}
        livenessProbe:
          httpGet: {port: http}
          periodSeconds: 0
"#;

#[test]
fn a_deployment_has_what_is_written_and_what_kubernetes_adds() {
    let (sources, objects) = objects(DEPLOYMENT);
    let object = &objects[0];
    assert_eq!(object.subject(), "default/Deployment/shop");
    let workload = object.workload().unwrap();
    assert_eq!(workload.kind, WorkloadKind::Deployment);
    let replicas = workload.replicas.as_ref().unwrap();
    assert_eq!((replicas.value, replicas.is_written()), (1, false));
    assert_eq!(at(&sources, &replicas.origin), "spec");
    let strategy = workload.strategy.as_ref().unwrap();
    assert_eq!(strategy.max_surge.value, IntOrPercent::Percent(25));
    assert_eq!(workload.pod.grace_period.value, 30);
    assert_eq!(workload.pod.labels.get("tier").unwrap().value, "web");
    let container = &workload.pod.containers[0];
    assert_eq!(at(&sources, &container.origin), "app");
    assert_eq!(container.pull_policy.value, "IfNotPresent");
    let EnvValue::Literal(limit) = &container.env[0].value else { panic!() };
    assert_eq!(at(&sources, &limit.origin), "\"2GiB\"");
    assert_eq!(
        at(&sources, &container.env[1].origin),
        "{name: KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}"
    );
    let limits = &container.resources.limits;
    assert_eq!(limits.memory.as_ref().unwrap().amount, Some(Bytes::mib(512)));
    assert_eq!(limits.cpu.as_ref().unwrap().amount.unwrap().0, 1000);
    let probe = container.liveness.as_ref().unwrap();
    // A written 0 is the default, at the place where it is written.
    assert_eq!((probe.period.value, at(&sources, &probe.period.origin).as_str()), (10, "0"));
    assert_eq!(at(&sources, &probe.timeout.origin), "livenessProbe");
    let Action::HttpGet { path, port, .. } = &probe.handler.action else { panic!() };
    assert_eq!((path.value.as_str(), path.is_written()), ("/", false));
    assert_eq!(port.as_ref().unwrap().value, PortRef::Name("http".to_owned()));
}

fn workload_of(text: &str) -> Workload {
    objects(text).1[0].workload().unwrap_or_else(|| panic!("{text}")).clone()
}

#[test]
fn every_kind_with_a_pod_is_a_workload() {
    use WorkloadKind::*;
    let template = "{metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}";
    let plain = format!("spec: {{template: {template}}}");
    let cron = format!("spec: {{jobTemplate: {{spec: {{template: {template}}}}}}}");
    let pod = "metadata: {labels: {a: b}}\nspec: {containers: [{name: c, image: i}]}".to_owned();
    let scaled = format!("spec: {{jobTargetRef: {{template: {template}}}}}");
    for (version, kind, spec, expected) in [
        ("v1", "Pod", &pod, Pod),
        ("apps/v1", "Deployment", &plain, Deployment),
        ("extensions/v1beta1", "Deployment", &plain, Deployment),
        ("apps/v1", "StatefulSet", &plain, StatefulSet),
        ("apps/v1", "DaemonSet", &plain, DaemonSet),
        ("apps/v1", "ReplicaSet", &plain, ReplicaSet),
        ("v1", "ReplicationController", &plain, ReplicationController),
        ("batch/v1", "Job", &plain, Job),
        ("batch/v1beta1", "CronJob", &cron, CronJob),
        ("argoproj.io/v1alpha1", "Rollout", &plain, Rollout),
        ("serving.knative.dev/v1", "Service", &plain, Other),
        ("keda.sh/v1alpha1", "ScaledJob", &scaled, Other),
        ("example.com/v1", "Deployment", &plain, Other),
    ] {
        let workload = workload_of(&format!("apiVersion: {version}\nkind: {kind}\n{spec}\n"));
        assert_eq!(workload.kind, expected, "{version} {kind}");
        assert_eq!(workload.pod.containers[0].name(), "c");
        assert_eq!(workload.pod.labels.get("a").unwrap().value, "b", "{version} {kind}");
    }
}

#[test]
fn strategies_have_the_defaults_of_their_kind() {
    use IntOrPercent::{Int, Malformed, Percent};
    let strategy = |version: &str, kind: &str, spec: &str| {
        let workload = workload_of(&format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: nn}}\nspec: {{{spec} template: {{spec: {{containers: []}}}}}}\n"
        ));
        let s = workload.strategy.unwrap();
        (s.strategy_type.value, s.max_surge.value, s.max_unavailable.value)
    };
    let own = |t: &str, s, u| (t.to_owned(), s, u);
    let quarter = Percent(25);
    assert_eq!(
        strategy("apps/v1", "Deployment", ""),
        own("RollingUpdate", quarter.clone(), quarter.clone())
    );
    assert_eq!(
        strategy(
            "apps/v1",
            "Deployment",
            "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 10%}},"
        ),
        own("RollingUpdate", Int(0), Percent(10))
    );
    assert_eq!(
        strategy(
            "apps/v1",
            "Deployment",
            "strategy: {rollingUpdate: {maxSurge: '1', maxUnavailable: -5%}},"
        ),
        own("RollingUpdate", Malformed("1".to_owned()), Malformed("-5%".to_owned()))
    );
    assert_eq!(strategy("apps/v1", "DaemonSet", ""), own("RollingUpdate", Int(0), Int(1)));
    assert_eq!(
        strategy("apps/v1", "StatefulSet", "updateStrategy: {type: OnDelete},"),
        own("OnDelete", Int(0), Int(1))
    );
    let rollout = "argoproj.io/v1alpha1";
    assert_eq!(
        strategy(rollout, "Rollout", "strategy: {canary: {maxSurge: 2}},"),
        own("Canary", Int(2), quarter.clone())
    );
    assert_eq!(
        strategy(rollout, "Rollout", "strategy: {blueGreen: {activeService: s}},"),
        own("BlueGreen", quarter.clone(), quarter)
    );
}

#[test]
fn a_rollout_may_refer_to_a_deployment() {
    let rollout = workload_of(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: r}\nspec:\n  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: d}\n",
    );
    let target = rollout.workload_ref.unwrap();
    assert_eq!((target.kind.value.as_str(), target.name.value.as_str()), ("Deployment", "d"));
    assert!(rollout.pod.containers.is_empty());
}

#[test]
fn containers_keep_their_order_and_role() {
    let workload = workload_of(
        "apiVersion: v1
kind: Pod
spec:
  containers: [{name: main, image: 'r:5000/i'}]
  initContainers: [{name: init, image: i@sha256:00}, {name: proxy, image: 'i:latest', restartPolicy: Always}]
  ephemeralContainers: [{name: debug, image: i:1}]
",
    );
    let seen: Vec<_> = workload.pod.containers.iter().map(|c| (c.name(), c.role)).collect();
    use ContainerRole::*;
    assert_eq!(seen, [("init", Init), ("proxy", Sidecar), ("main", Main), ("debug", Ephemeral)]);
}

#[test]
fn pull_policies_follow_the_tag() {
    let policy = |image: &str| {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nspec: {{containers: [{{name: c, image: '{image}'}}]}}\n"
        );
        workload_of(&pod).pod.containers[0].pull_policy.value.clone()
    };
    let digest = "a".repeat(64);
    assert_eq!(policy("app"), "Always");
    assert_eq!(policy("app:latest"), "Always");
    assert_eq!(policy("localhost:5000/app"), "Always");
    assert_eq!(policy("app:1"), "IfNotPresent");
    assert_eq!(policy(&format!("app@sha256:{digest}")), "IfNotPresent");
    assert_eq!(policy(&format!("app:latest@sha256:{digest}")), "Always");
}

#[test]
fn handlers_are_read_and_more_than_one_is_none() {
    let action = |text: &str| {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nspec: {{containers: [{{name: c, lifecycle: {{preStop: {text}}}}}]}}\n"
        );
        workload_of(&pod).pod.containers[0].pre_stop.clone().unwrap().action
    };
    let Action::Exec(command) = action("{exec: {command: [sleep, '5']}}") else { panic!() };
    assert_eq!(command.iter().map(|f| f.value.as_str()).collect::<Vec<_>>(), ["sleep", "5"]);
    assert!(matches!(action("{sleep: {seconds: 5}}"), Action::Sleep(s) if s.value == 5));
    let Action::TcpSocket { port, .. } = action("{tcpSocket: {port: 1}}") else { panic!() };
    assert_eq!(port.unwrap().value, PortRef::Number(1));
    assert!(matches!(
        action("{grpc: {port: 1}}"),
        Action::Grpc { port: Some(_), service: None, mode: None }
    ));
    assert_eq!(action("{httpGet: {port: 1}, exec: {command: [a]}}"), Action::Invalid);
    assert_eq!(action("{}"), Action::Invalid);
}

#[test]
fn environment_values_name_their_source() {
    let workload = workload_of(
        "apiVersion: v1
kind: Pod
spec:
  containers:
  - name: c
    env:
    - {name: A, value: x}
    - {name: B}
    - {name: C, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: D, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: E, valueFrom: {configMapKeyRef: {name: m, key: k, optional: true}}}
    - {name: F, valueFrom: {fileKeyRef: {path: p}}}
    envFrom: [{prefix: P_, configMapRef: {name: m}}, {secretRef: {name: s, optional: yes}}]
",
    );
    let container = &workload.pod.containers[0];
    let shown: Vec<_> = container
        .env
        .iter()
        .map(|env| match &env.value {
            EnvValue::Literal(v) => format!("{}={}", env.name, v.value),
            EnvValue::Field(v) => format!("{} field {v}", env.name),
            EnvValue::Resource { resource, divisor, .. } => {
                format!("{} resource {resource} {}", env.name, divisor.as_ref().unwrap())
            }
            EnvValue::ConfigMapKey(k) => {
                format!("{} map {} {} {}", env.name, k.name, k.key, k.optional)
            }
            EnvValue::SecretKey(_) => "secret".to_owned(),
            EnvValue::Other(v) => format!("{} other {v}", env.name),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "A=x",
            "B=",
            "C field status.podIP",
            "D resource limits.memory 1Mi",
            "E map m k true",
            "F other fileKeyRef"
        ]
    );
    let from: Vec<_> = container
        .env_from
        .iter()
        .map(|f| (f.prefix.as_str(), f.name.value.as_str(), f.secret, f.optional))
        .collect();
    assert_eq!(from, [("P_", "m", false, false), ("", "s", true, true)]);
}

#[test]
fn items_of_lists_are_objects_of_their_own() {
    let (sources, all) = objects(
        "apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a}}
- apiVersion: v1
  kind: ConfigMapList
  items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}, {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}]
- {apiVersion: v1, kind: ServiceAccount, metadata: {generateName: d-}, automountServiceAccountToken: no}
",
    );
    let names: Vec<_> = all.iter().map(|o| (o.meta.kind.value.as_str(), o.meta.name())).collect();
    assert_eq!(
        names,
        [("Namespace", "a"), ("ConfigMap", "b"), ("ConfigMap", "c"), ("ServiceAccount", "d-*")]
    );
    assert_eq!(at(&sources, &all[1].origin()), "b");
    assert!(
        matches!(&all[3].body, Body::ServiceAccount(a) if !a.automount.as_ref().unwrap().value)
    );
}

#[test]
fn keys_and_numbers_are_as_json_has_them() {
    let (_, all) = objects(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {1: a, on: b, 0x1F: c, 2.0: d}\nimmutable: yes\n",
    );
    let Body::ConfigMap(map) = &all[0].body else { panic!() };
    assert_eq!(
        map.data.iter().collect::<Vec<_>>(),
        [("1", "a"), ("true", "b"), ("31", "c"), ("2", "d")]
    );
    assert!(map.immutable);
    let table = include_str!("../yaml/testdata/scalar.tsv");
    let mut rows = 0;
    for line in table.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let word: String = serde_json::from_str(columns[0]).unwrap();
        let Ok(serde_json::Value::Object(theirs)) = serde_json::from_str(columns[2]) else {
            continue;
        };
        let text = format!("{word}: x\n");
        let parsed = yaml::parse(SourceId(0), &text, &[], &yaml::Limits::default());
        let Some(document) = parsed.documents.first() else { continue };
        let Some((key, _)) = document.root().entries().next() else { continue };
        // Go writes large and small floats in its own way; nobody has such a key.
        if matches!(key.scalar_kind(), Some(ScalarKind::Float(f)) if f.fract() != 0.0 || f.abs() >= 1e6 || f == 0.0)
        {
            continue;
        }
        rows += 1;
        let ours = read::key_text(key).map(|f| f.value);
        assert_eq!(ours.as_ref(), theirs.keys().next(), "{word}");
    }
    assert!(rows > 100, "{rows}");
}

/// Messages with what they point at.
fn problems(text: &str) -> Vec<String> {
    let (sources, loaded) = load(text);
    let shown = |p: &Problem| match p.origin.span() {
        Some(_) => format!("<{}> {}", at(&sources, &p.origin), p.message),
        None => p.message.clone(),
    };
    loaded.problems.iter().map(shown).collect()
}

#[test]
fn what_the_api_server_refuses_for_its_type_is_told() {
    let pod = |fields: &str| {
        problems(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    {fields}\n"
        ))
    };
    let none: [&str; 0] = [];
    assert_eq!(
        pod("env: [{name: A, value: 8080}]"),
        ["<8080> `value` must be text, this is a number"]
    );
    assert_eq!(
        pod("env: [{name: A, value: yes}]"),
        ["<yes> `value` must be text, this is a boolean"]
    );
    assert_eq!(
        pod("ports: [{containerPort: \"80\"}]"),
        ["<\"80\"> `containerPort` must be a number, this is text"]
    );
    assert_eq!(
        pod("ports: {containerPort: 80}"),
        ["<containerPort> `ports` must be a list, this is a mapping"]
    );
    assert_eq!(pod("env: {A: b}"), ["<A> `env` must be a list, this is a mapping"]);
    assert_eq!(pod("command: sleep"), ["<sleep> `command` must be a list, this is text"]);
    assert_eq!(pod("args: [1]"), ["<1> `args[]` must be text, this is a number"]);
    assert_eq!(
        pod("resources: {limits: [cpu]}"),
        ["<cpu> `limits` must be a mapping, this is a list"]
    );
    // Numbers are quantities, and a whole float is an integer once it is JSON.
    assert_eq!(pod("resources: {limits: {cpu: 1, memory: 1e9}}"), none);
    assert_eq!(pod("ports: [{containerPort: 80.0}]"), none);
    // Left to the rule about templates.
    assert_eq!(pod("ports: [{containerPort: \"${PORT}\"}]"), none);
    // Null is absent.
    assert_eq!(pod("env:\n    ports:\n    command: null"), none);
}

#[test]
fn what_is_no_manifest_is_a_problem_only_when_it_was_named() {
    assert_eq!(
        problems("services: {web: {image: x}}\n"),
        ["is no Kubernetes manifest: no document has `apiVersion` and `kind`"]
    );
    assert_eq!(problems(""), ["is empty"]);
    assert_eq!(
        problems("apiVersion: v1\nkind: List\nitems: []\n"),
        ["is a List without items: nothing is applied"]
    );
    let walk = |text: &str| {
        let mut sources = Sources::default();
        let file = ManifestFile { named: false, ..ManifestFile::text("a.yaml", text) };
        let loaded = load_manifests(&[file], &mut sources, &Options::default());
        (loaded.objects.len(), loaded.problems.len(), loaded.skipped.len(), sources.iter().count())
    };
    assert_eq!(walk("services: {web: {image: x}}\n"), (0, 0, 0, 0));
    assert_eq!(walk("on: [push\n"), (0, 0, 0, 0));
    assert_eq!(walk("apiVersion: v1\nkind: [Pod\n"), (0, 1, 0, 1));
    assert_eq!(walk("apiVersion: v1\nkind: Pod\n{{- if .Values.x }}\n"), (0, 0, 1, 0));
    let braces = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, env: [{name: a, value: {{ .V }}}]}]}\n";
    assert_eq!(walk(braces), (0, 0, 1, 0));
    assert_eq!(
        problems(braces),
        ["<{{ .V }}> `{{` outside of quotes is a mapping in a mapping for YAML"]
    );
    assert_eq!(walk("apiVersion: v1\nkind: Namespace\nmetadata: {name: nn}\n"), (1, 0, 0, 1));
}

#[test]
fn a_kind_without_version_is_judged_all_the_same() {
    let (_, loaded) = load("kind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {}}}\n");
    // Beside being told.
    assert_eq!(loaded.problems.len(), 1);
    let all = loaded.objects;
    assert_eq!(all[0].meta.api_version.value, "");
    assert!(all[0].workload().is_some());
}

#[test]
fn a_slot_in_braces_is_no_mapping() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  clusterIP: ";
    let (_, loaded) = load(&format!("{service}{{SERVICE_IP}}\n"));
    assert_eq!(loaded.problems, []);
    let (_, loaded) = load(&format!("{service}{{a: b}}\n"));
    assert_eq!(loaded.problems.len(), 1);
}

#[test]
fn namespaces_are_written_given_or_default() {
    let namespace = |options: &Options, text: &str| {
        let mut sources = Sources::default();
        let loaded = load_manifests(&[ManifestFile::text("a", text)], &mut sources, options);
        let fact = loaded.objects[0].meta.namespace.clone();
        (fact.value.clone(), fact.is_written())
    };
    let given = Options { namespace: Some("ns".to_owned()), ..Options::default() };
    let bare = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n";
    assert_eq!(namespace(&Options::default(), bare), ("default".to_owned(), false));
    assert_eq!(namespace(&given, bare), ("ns".to_owned(), false));
    let own = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: o}\n";
    assert_eq!(namespace(&given, own), ("o".to_owned(), true));
}

#[test]
fn the_same_files_give_the_same_result_on_any_number_of_threads() {
    let files: Vec<_> = (0..200)
        .map(|i| {
            let text = match i % 3 {
                0 => DEPLOYMENT.replace("shop", &format!("shop{i}")),
                1 => "apiVersion: v1\nkind: [\n---\nkind: Secret\ndata: {a: b}\n".to_owned(),
                _ => "a: b\n".to_owned(),
            };
            ManifestFile { named: i % 2 == 0, ..ManifestFile::text(format!("{i}.yaml"), text) }
        })
        .collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut sources = Sources::default();
        let loaded = pool.install(|| load_manifests(&files, &mut sources, &Options::default()));
        let names: Vec<_> = loaded.objects.iter().map(Object::subject).collect();
        let paths: Vec<_> = sources.iter().map(|(_, s)| s.path.clone()).collect();
        (names, format!("{:?}", loaded.problems), paths, loaded.unusable)
    };
    assert_eq!(run(1), run(7));
}

#[test]
fn one_bad_file_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.yaml");
    std::fs::write(&good, DEPLOYMENT).unwrap();
    let huge = dir.path().join("huge.yaml");
    std::fs::write(&huge, vec![b'a'; 2000]).unwrap();
    let files = [dir.path().to_owned(), dir.path().join("none.yaml"), huge, good]
        .map(|path| ManifestFile::at(path, true));
    let mut sources = Sources::default();
    let limits = yaml::Limits { file_bytes: 1000, ..yaml::Limits::default() };
    let options = Options { limits, ..Options::default() };
    let loaded = load_manifests(&files, &mut sources, &options);
    let kinds: Vec<_> = loaded.problems.iter().map(|p| p.kind).collect();
    use ProblemKind::*;
    assert_eq!(kinds, [Unreadable, Unreadable, Limit]);
    assert_eq!(loaded.unusable.len(), 3);
    assert_eq!(loaded.objects.len(), 1);
}

#[test]
fn a_template_that_many_objects_share_stays_bounded() {
    let containers: String = (0..2000).map(|i| format!("{{name: c{i}}}, ")).collect();
    let items: String =
        (0..2000).map(|i| format!("- {{<<: *p, metadata: {{name: n{i}}}}}\n")).collect();
    let text = format!(
        "apiVersion: v1\nkind: List\nx: &p {{apiVersion: v1, kind: Pod, spec: {{containers: [{containers}]}}}}\nitems:\n{items}"
    );
    let (_, loaded) = load(&text);
    assert_eq!(loaded.objects.len(), 0);
    assert_eq!(loaded.problems[0].kind, ProblemKind::Limit);
}

fn field() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "spec",
        "template",
        "containers",
        "env",
        "value",
        "valueFrom",
        "ports",
        "containerPort",
        "livenessProbe",
        "httpGet",
        "port",
        "resources",
        "limits",
        "cpu",
        "selector",
        "matchLabels",
        "items",
        "volumes",
        "emptyDir",
        "strategy",
        "data",
        "v1",
        "apps/v1",
        "Deployment",
        "Pod",
        "List",
        "Service",
        "Secret",
        "rules",
        "<<",
        "1",
        "-1",
        "25%",
        "1.5",
        "true",
        "null",
        "''",
        "\"x\"",
        "metrics",
        "policy/v1",
        "PodDisruptionBudget",
        "lifecycle",
    ]);
    words.prop_map(str::to_owned).prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec((inner.clone(), inner.clone()), 0..6).prop_map(|pairs| {
                let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}: {v}")).collect();
                format!("{{{}}}", pairs.join(", "))
            }),
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
}

proptest! {
    #[test]
    fn any_shape_of_object_is_read_without_panic(spec in field(), more in field(), kind in 0usize..8) {
        let (version, kind) = [
            ("v1", "Pod"), ("apps/v1", "Deployment"), ("v1", "Service"), ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("policy/v1", "PodDisruptionBudget"), ("networking.k8s.io/v1", "Ingress"), ("v1", "Secret"), ("x/v1", "Y"),
        ][kind];
        let text = format!("apiVersion: {version}\nkind: {kind}\nspec: {spec}\ndata: {more}\nmetadata: {more}\n");
        let (sources, loaded) = load(&text);
        let shown = sources.iter().next().unwrap().1.shown().unwrap();
        for problem in &loaded.problems {
            let span = problem.origin.span().unwrap_or_default();
            prop_assert!(shown.get(span.range()).is_some());
        }
    }
}
