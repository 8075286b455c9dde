use super::*;

fn field(version: &str, kind: &str, path: &[&str]) -> &'static Field {
    let Known::Kind(kind) = find(version, kind) else { panic!("no {kind} of {version}") };
    let mut structure = kind.structure().expect("a structure");
    let (last, path) = path.split_last().expect("a path");
    for name in path {
        structure = structure.field(name).and_then(Field::structure).expect("a mapping");
    }
    structure.field(last).expect("a field")
}

/// Against the release notes and `kube_features.go` of Kubernetes 1.30 to 1.37.
#[test]
fn fields_come_with_their_release_and_stay_dropped_until_their_gate_is_on() {
    let container = ["spec", "template", "spec", "containers"];
    let of = |last: &'static str| {
        let path: Vec<&str> = container.iter().copied().chain([last]).collect();
        *field("apps/v1", "Deployment", &path)
    };
    assert_eq!((of("image").since, of("image").on), (0, 0));
    assert_eq!(of("livenessProbe").form, Form::One);
    // KEP-1287: in place resizing is beta, and on, in 1.33.
    assert_eq!((of("resizePolicy").since, of("resizePolicy").on), (0, 33));
    let pod = |last| field("v1", "Pod", &["spec", last]);
    // KEP-2837: alpha in 1.32, beta in 1.34.
    assert_eq!((pod("resources").since, pod("resources").on), (32, 34));
    let stop = field("v1", "Pod", &["spec", "containers", "lifecycle", "stopSignal"]);
    assert_eq!((stop.since, stop.on), (33, 255));
    let sleep = field("v1", "Pod", &["spec", "containers", "lifecycle", "preStop", "sleep"]);
    assert_eq!((sleep.since, sleep.on), (0, 0));
    assert_eq!(field("v1", "ConfigMap", &["data"]).form, Form::Map);
    assert_eq!(field("v1", "Secret", &["data"]).leaf, Leaf::Base64);
    assert_eq!(field("v1", "Service", &["spec", "ports", "targetPort"]).leaf, Leaf::IntOrString);
}

#[test]
fn kinds_are_of_a_version_of_nobody_or_of_somebody_else() {
    assert!(matches!(find("apps/v1", "Deployment"), Known::Kind(_)));
    assert!(matches!(find("v1", "Deployment"), Known::NoSuchKind));
    assert!(matches!(find("apps/v1", "Deploymnt"), Known::NoSuchKind));
    assert!(matches!(find("argoproj.io/v1alpha1", "Rollout"), Known::Elsewhere));
    assert!(matches!(find("apps/v1beta1", "Deployment"), Known::Elsewhere));
    assert_eq!(versions_of("Deployment").map(|kind| kind.version).collect::<Vec<_>>(), ["apps/v1"]);
}

/// What is looked up by halving has to be in order.
#[test]
fn the_table_is_sorted() {
    assert!(table::KINDS.is_sorted_by_key(|kind| (kind.version, kind.kind)));
    for structure in table::TYPES {
        assert!(structure.fields.is_sorted_by_key(|field| field.name), "{}", structure.name);
        for field in structure.fields {
            assert!(!matches!(field.leaf, Leaf::Type(_)) || field.structure().is_some());
        }
    }
}

mod objects {
    use std::sync::Arc;

    use super::super::{Known, What, deviations, find};
    use crate::artifact::yaml::{Limits, parse};
    use crate::facts::origin::SourceId;

    fn told(text: &str) -> Vec<String> {
        let parsed = parse(SourceId(0), text, &[], &Limits::default());
        let document = Arc::new(parsed.documents.into_iter().next().expect("a document"));
        let root = document.root();
        let text = |key| root.get(key).and_then(|node| node.as_str()).expect("a text");
        let Known::Kind(kind) = find(text("apiVersion"), text("kind")) else { panic!("no kind") };
        deviations(root, kind.structure().expect("a structure"))
            .iter()
            .map(|deviation| {
                let key = deviation.key.as_str().unwrap_or_default();
                match deviation.what {
                    What::Unknown => format!("{key} of {}", deviation.parent.name),
                    What::Field(field) => format!("{key} since {} on {}", field.since, field.on),
                    What::Type { wanted, found } => format!("{key}: {wanted}, not {found}"),
                }
            })
            .collect()
    }

    #[test]
    fn what_the_decoder_takes_is_no_deviation() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: null, creationTimestamp: null}\n\
            spec:\n  ports: [{port: 80, targetPort: http, nodePort: 3.0e+04}]\n  selector: {on: \"yes\"}\n\
            status: {anything: goes}\n$patch: replace\n";
        assert_eq!(told(text), [""; 0]);
        let text =
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbinaryData: {a: \"AAA=\"}\n";
        assert_eq!(told(text), [""; 0]);
    }

    #[test]
    fn other_types_are_told_with_what_is_wanted() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: {name: 1.5, labels: [a]}\n\
            spec: {ports: {port: 80}, selector: {app: no}, clusterIPs: [1], type: {a: b}}\n";
        assert_eq!(
            told(text),
            [
                "name: a string, not a number with a fraction",
                "labels: a mapping, not a list",
                "ports: a list, not a mapping",
                "app: a string, not a boolean",
                "clusterIPs: a string, not an integer",
                "type: a string, not a mapping",
            ]
        );
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbinaryData: {a: AAA, b: 5000000000}\n";
        assert_eq!(told(text), ["a: base64, not a string", "b: base64, not an integer"]);
        let text = "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 5000000000}\n";
        assert_eq!(told(text), ["replicas: an integer of 32 bits, not an integer"]);
    }

    #[test]
    fn what_came_with_a_field_is_told_with_it() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n\
            spec: {schedulingGroup: {podGroupName: a, nme: b}}\n";
        let told = told(text);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("schedulingGroup since"), "{told:?}");
        assert_eq!(told[1], "nme of PodSchedulingGroup");
    }
}
