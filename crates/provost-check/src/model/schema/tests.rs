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
    assert!(matches!(find("argoproj.io/v1alpha1", "Rollout"), Known::Custom(_)));
    assert!(matches!(find("argoproj.io/v1alpha1", "Application"), Known::Elsewhere));
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

#[test]
fn resources_are_named_after_their_kinds() {
    assert_eq!(groups_of("deployments"), ["apps"]);
    assert_eq!(groups_of("endpoints"), [""]);
    assert_eq!(groups_of("ingresses"), ["networking.k8s.io"]);
    assert_eq!(groups_of("networkpolicies"), ["networking.k8s.io"]);
    assert_eq!(groups_of("events"), ["", "events.k8s.io"]);
    assert_eq!(groups_of("Deployments"), [""; 0]);
    assert_eq!(groups_of("deployment"), [""; 0]);
    assert_eq!(groups_of("s"), [""; 0]);
    for (text, meant) in [
        ("Pod", "pods"),
        ("pod", "pods"),
        ("Pods", "pods"),
        ("NetworkPolicy", "networkpolicies"),
        ("ingress", "ingresses"),
        ("endpoints", "endpoints"),
    ] {
        assert_eq!(resource_meant(text).as_deref(), Some(meant), "{text}");
    }
    assert_eq!(resource_meant("widgets"), None);
    assert!(has_group("") && has_group("apps") && !has_group("core") && !has_group("apps/v1"));
}

#[test]
fn kinds_are_found_in_other_groups_and_by_another_case() {
    assert_eq!(custom_versions_of("HTTPRoute"), ["gateway.networking.k8s.io/v1"]);
    let gateways = custom_versions_of("Gateway");
    assert!(gateways.contains(&"gateway.networking.k8s.io/v1"), "{gateways:?}");
    assert!(gateways.contains(&"networking.istio.io/v1"), "{gateways:?}");
    assert_eq!(custom_versions_of("Nothing"), [""; 0]);
    let first = |kind| kinds_like(kind).first().map(|row| (row.version, row.kind));
    assert_eq!(first("deployment"), Some(("apps/v1", "Deployment")));
    assert_eq!(first("cronjob"), Some(("batch/v1", "CronJob")));
    assert_eq!(first("nothing"), None);
}
