//! Custom resources: the tables that `cargo xtask schema` writes from CRDs.
//!
//! A table is text, one structure after another, each after those it holds; a line with a blank in
//! front is a field, with `!` when it is required and `<n` when the release of that place lacks it,
//! and then what it holds: `*` a list of, `%` a mapping of, a letter for a scalar, `#n` the
//! structure of that place, `=a|b` one of these, `~n` a text that matches the pattern of that place
//! and `x~n` the same or a whole number, `[0,9` a whole number from this to that, `n[0,9` any number,
//! `{1|2` one of these. `(1,9)` in front of any of it is how long it may be. Lines that begin with
//! `~` are the patterns. Most runs meet no custom resource, so that a table is read when a kind of its
//! project turns up, and then kept for the life of the process.

use std::sync::OnceLock;

use super::{Field, Form, Known, Leaf, Pattern, Size, Sizes, Structure, find as find_any};

/// A custom resource.
#[derive(Debug)]
pub struct Custom {
    /// `argoproj.io/v1alpha1`
    pub version: &'static str,
    /// `Rollout`
    pub kind: &'static str,
    /// Its fields.
    pub structure: &'static Structure,
    /// `Argo Rollouts`
    pub project: &'static str,
    /// The releases whose CRDs were read, oldest first.
    pub releases: &'static [&'static str],
}

impl Custom {
    /// `Argo Rollouts v1.4.1 to v1.10.1`
    pub fn releases(&self) -> String {
        match self.releases {
            [first, .., last] => format!("{} {first} to {last}", self.project),
            _ => self.project.to_owned(),
        }
    }
}

struct Project {
    name: &'static str,
    /// Its API groups. Some belong to several projects, with kinds of their own.
    groups: &'static [&'static str],
    text: &'static str,
    kinds: OnceLock<Vec<Custom>>,
}

const fn project(
    name: &'static str,
    groups: &'static [&'static str],
    text: &'static str,
) -> Project {
    Project { name, groups, text, kinds: OnceLock::new() }
}

static PROJECTS: [Project; 8] = [
    project("Argo Rollouts", &["argoproj.io"], include_str!("crds/argo-rollouts.txt")),
    project(
        "cert-manager",
        &["acme.cert-manager.io", "cert-manager.io"],
        include_str!("crds/cert-manager.txt"),
    ),
    project("Flagger", &["flagger.app"], include_str!("crds/flagger.txt")),
    project(
        "Gateway API",
        &["gateway.networking.k8s.io", "gateway.networking.x-k8s.io"],
        include_str!("crds/gateway-api.txt"),
    ),
    project(
        "Istio",
        &["extensions.istio.io", "networking.istio.io", "security.istio.io", "telemetry.istio.io"],
        include_str!("crds/istio.txt"),
    ),
    project("KEDA", &["eventing.keda.sh", "keda.sh"], include_str!("crds/keda.txt")),
    project(
        "Knative Serving",
        &["autoscaling.internal.knative.dev", "serving.knative.dev"],
        include_str!("crds/knative-serving.txt"),
    ),
    project(
        "the Prometheus operator",
        &["monitoring.coreos.com"],
        include_str!("crds/prometheus-operator.txt"),
    ),
];

/// Looks a custom resource up; a version that no release read serves is none.
pub(super) fn find(version: &str, kind: &str) -> Option<&'static Custom> {
    let (group, _) = version.split_once('/')?;
    let project = PROJECTS.iter().find(|project| project.groups.contains(&group))?;
    let kinds = project.kinds.get_or_init(|| decode(project.name, project.text));
    kinds.iter().find(|custom| custom.version == version && custom.kind == kind)
}

/// Groups that a project had and gave up, and what has their kinds since. None of the releases that are read
/// has them (certmanager.k8s.io ended with cert-manager 0.11, keda.k8s.io with KEDA 2.0, those of Istio with
/// 1.6).
const GONE: &[(&str, &str, &str)] = &[
    (
        "authentication.istio.io",
        "Istio",
        "PeerAuthentication and RequestAuthentication of security.istio.io/v1",
    ),
    ("certmanager.k8s.io", "cert-manager", "cert-manager.io/v1"),
    ("keda.k8s.io", "KEDA", "keda.sh/v1alpha1"),
    ("rbac.istio.io", "Istio", "AuthorizationPolicy of security.istio.io/v1"),
];

/// What has a kind of a version that a project gave up, and a custom resource of that project: of a group that
/// is gone, or where all versions that its releases serve come after it.
pub(super) fn given_up(version: &str, kind: &str) -> Option<(&'static str, &'static Custom)> {
    let (group, of_group) = version.split_once('/')?;
    let kinds_of = |project: &'static Project| {
        project.kinds.get_or_init(|| decode(project.name, project.text)).as_slice()
    };
    if let Some((_, name, instead)) = GONE.iter().find(|(gone, ..)| *gone == group) {
        let project = PROJECTS.iter().find(|project| project.name == *name)?;
        return Some((instead, kinds_of(project).first()?));
    }
    let project = PROJECTS.iter().find(|project| project.groups.contains(&group))?;
    let asked = rank(of_group)?;
    let mut newest: Option<((u8, u32, u32), &'static Custom)> = None;
    let same = |custom: &&Custom| custom.kind == kind && super::group_of(custom.version) == group;
    for custom in kinds_of(project).iter().filter(same) {
        let served = rank(custom.version.rsplit('/').next()?)?;
        if served <= asked {
            return None;
        }
        if newest.is_none_or(|(known, _)| known < served) {
            newest = Some((served, custom));
        }
    }
    newest.map(|(_, custom)| (custom.version, custom))
}

/// Alpha before beta before the rest, then by number: `CompareKubeAwareVersionStrings` of
/// k8s.io/apimachinery v0.37.2. `None` for what is no version.
fn rank(version: &str) -> Option<(u8, u32, u32)> {
    let rest = version.strip_prefix('v')?;
    let (major, stage, minor) = match (rest.split_once("alpha"), rest.split_once("beta")) {
        (Some((major, minor)), _) => (major, 0, minor),
        (_, Some((major, minor))) => (major, 1, minor),
        _ => (rest, 2, "0"),
    };
    Some((stage, major.parse().ok()?, minor.parse().ok()?))
}

/// Versions with a kind of that name, one of each group: one that is neither alpha nor beta where there
/// is any, and of those the last that the tables have.
pub(super) fn versions_of(kind: &str) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    let early = |version: &str| version.contains("alpha") || version.contains("beta");
    for project in &PROJECTS {
        let kinds = project.kinds.get_or_init(|| decode(project.name, project.text));
        for custom in kinds.iter().filter(|custom| custom.kind == kind) {
            let group = super::group_of(custom.version);
            match found.iter_mut().find(|version| super::group_of(version) == group) {
                Some(version) if early(version) || !early(custom.version) => {
                    *version = custom.version;
                }
                Some(_) => {}
                None => found.push(custom.version),
            }
        }
    }
    found
}

/// A structure that is being read.
struct Open {
    name: &'static str,
    open: bool,
    fields: Vec<Field>,
}

/// Reads a table. What is no line of one is skipped; that none is, a test proves.
fn decode(project: &'static str, text: &'static str) -> Vec<Custom> {
    let mut releases: &'static [&'static str] = &[];
    let mut structures: Vec<&'static Structure> = Vec::new();
    let mut patterns: Vec<&'static Pattern> = Vec::new();
    let mut current: Option<Open> = None;
    let mut kinds = Vec::new();
    for line in text.lines() {
        if let Some(field) = line.strip_prefix(' ') {
            let field = field_of(field, &structures, &patterns);
            if let (Some(current), Some(field)) = (&mut current, field) {
                current.fields.push(field);
            }
            continue;
        }
        if let Some(pattern) = line.strip_prefix("~ ") {
            patterns.push(Box::leak(Box::new(Pattern::new(pattern))));
            continue;
        }
        structures.extend(current.take().map(Open::close));
        if let Some(list) = line.strip_prefix("= ") {
            releases = list.split(' ').collect::<Vec<_>>().leak();
        } else if let Some(kind) = line.strip_prefix('@') {
            let mut parts = kind.split(' ');
            if let (Some(version), Some(kind), Some(number)) =
                (parts.next(), parts.next(), parts.next())
                && let Some(structure) = number.parse().ok().and_then(|n: usize| structures.get(n))
            {
                let structure = root(structure);
                kinds.push(Custom { version, kind, structure, project, releases });
            }
        } else if !line.starts_with('#') {
            let (name, open) = line.strip_suffix(" +").map_or((line, false), |name| (name, true));
            current = Some(Open { name, open, fields: Vec::new() });
        }
    }
    kinds
}

impl Open {
    fn close(self) -> &'static Structure {
        let fields = self.fields.leak();
        Box::leak(Box::new(Structure { name: self.name, fields, custom: true, open: self.open }))
    }
}

fn field_of(
    line: &'static str,
    structures: &[&'static Structure],
    patterns: &[&'static Pattern],
) -> Option<Field> {
    let (name, rest) = line.split_once(' ')?;
    let (rest, required) = rest.strip_prefix('!').map_or((rest, false), |rest| (rest, true));
    let mut until = 0;
    let mut rest = rest;
    if let Some(gone) = rest.strip_prefix('<') {
        until = gone.get(..1)?.parse().ok()?;
        rest = gone.get(1..)?;
    }
    let (outer, rest) = size_of(rest)?;
    let (form, rest) = if let Some(rest) = rest.strip_prefix("%*") {
        (Form::MapOfLists, rest)
    } else if let Some(rest) = rest.strip_prefix('%') {
        (Form::Map, rest)
    } else if let Some(rest) = rest.strip_prefix('*') {
        (Form::List, rest)
    } else {
        (Form::One, rest)
    };
    let (inner, rest) = match form {
        Form::One => (outer, rest),
        _ => size_of(rest)?,
    };
    let entries = if form == Form::One { None } else { outer };
    let sizes = entries.or(inner).map(|_| {
        let sizes = Sizes { entries: entries.unwrap_or_default(), each: inner.unwrap_or_default() };
        &*Box::leak(Box::new(sizes))
    });
    let pattern = |number: &str| patterns.get(number.parse::<usize>().ok()?).copied();
    let leaf = if let Some(number) = rest.strip_prefix('#') {
        Leaf::Mapping(structures.get(number.parse::<usize>().ok()?).copied()?)
    } else if let Some(all) = rest.strip_prefix('=') {
        Leaf::OneOf(all.split('|').collect::<Vec<_>>().leak())
    } else if let Some(number) = rest.strip_prefix('~') {
        Leaf::Matching(pattern(number)?)
    } else if let Some(number) = rest.strip_prefix("x~") {
        Leaf::IntOrMatching(pattern(number)?)
    } else if let Some(bounds) = rest.strip_prefix('[') {
        let (least, most) = bounds_of(bounds, i64::MIN, i64::MAX)?;
        Leaf::Between(least, most)
    } else if let Some(bounds) = rest.strip_prefix("n[") {
        let (least, most) = bounds_of(bounds, i64::MIN, i64::MAX)?;
        Leaf::Within(least, most)
    } else if let Some(all) = rest.strip_prefix('{') {
        let all: Option<Vec<i64>> = all.split('|').map(|one| one.parse().ok()).collect();
        Leaf::Among(all?.leak())
    } else {
        match rest {
            "a" => Leaf::Any,
            "b" => Leaf::Bool,
            "i" => Leaf::Int64,
            "n" => Leaf::Number,
            "s" => Leaf::String,
            "x" => Leaf::IntOrString,
            _ => return None,
        }
    };
    Some(Field { name, form, leaf, since: 0, until, on: 0, required, sizes })
}

/// `1,9`, where nothing is no bound.
fn bounds_of<N: std::str::FromStr>(text: &str, least: N, most: N) -> Option<(N, N)> {
    let bound = |text: &str, none: N| match text {
        "" => Some(none),
        text => text.parse().ok(),
    };
    let (from, to) = text.split_once(',')?;
    Some((bound(from, least)?, bound(to, most)?))
}

/// Takes a size off the front, where there is one; `None` for one that is not closed.
fn size_of(text: &'static str) -> Option<(Option<Size>, &'static str)> {
    let Some(rest) = text.strip_prefix('(') else { return Some((None, text)) };
    let (size, rest) = rest.split_once(')')?;
    let none = Size::default();
    let (least, most) = bounds_of(size, none.least, none.most)?;
    Some((Some(Size { least, most }), rest))
}

/// The object: its own fields, and those of every object, whose metadata the API server reads by
/// its own type.
fn root(structure: &'static Structure) -> &'static Structure {
    let mut fields = structure.fields.to_vec();
    if let Known::Kind(any) = find_any("v1", "ConfigMap")
        && let Some(any) = any.structure()
    {
        let own = ["apiVersion", "kind", "metadata"];
        fields.extend(own.iter().filter_map(|name| any.field(name)));
    }
    let status = Field {
        name: "status",
        form: Form::One,
        leaf: Leaf::Any,
        since: 0,
        until: 0,
        on: 0,
        required: false,
        sizes: None,
    };
    fields.push(status);
    fields.sort_by_key(|field| field.name);
    Box::leak(Box::new(Structure { fields: fields.leak(), ..*structure }))
}

/// What Kubernetes calls a structure that a CRD repeats from it: the spec or the metadata of a pod,
/// or a container.
pub fn original(structure: &Structure) -> Option<&'static Structure> {
    let has = |name| structure.field(name).is_some();
    let pod = |name| match find_any("v1", "Pod") {
        Known::Kind(pod) => pod.structure()?.field(name)?.structure(),
        _ => None,
    };
    if !structure.custom {
        None
    } else if has("containers") && has("restartPolicy") && has("dnsPolicy") {
        pod("spec")
    } else if has("image") && has("livenessProbe") && has("volumeMounts") {
        pod("spec")?.field("containers")?.structure()
    } else if has("labels") && has("annotations") {
        pod("metadata")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn versions_that_a_project_gave_up_come_before_all_that_it_serves() {
        for (_, project, _) in GONE {
            assert!(PROJECTS.iter().any(|it| it.name == *project), "{project}");
        }
        let instead = |version, kind| given_up(version, kind).map(|(instead, _)| instead);
        for version in ["cert-manager.io/v1alpha2", "cert-manager.io/v1beta1"] {
            assert_eq!(instead(version, "Issuer"), Some("cert-manager.io/v1"), "{version}");
        }
        assert_eq!(instead("keda.k8s.io/v1alpha1", "ScaledObject"), Some("keda.sh/v1alpha1"));
        for (version, kind) in [
            ("cert-manager.io/v1", "Issuer"),
            ("cert-manager.io/v2alpha1", "Shop"),
            ("cert-manager.io/v2", "Issuer"),
            ("networking.istio.io/v1alpha3", "Gateway"),
            ("monitoring.coreos.com/v1alpha1", "AlertmanagerConfig"),
            ("example.com/v1alpha1", "Issuer"),
            ("cert-manager.io/next", "Issuer"),
        ] {
            assert_eq!(instead(version, kind), None, "{version} {kind}");
        }
        assert!(rank("v1alpha2") < rank("v1beta1") && rank("v2beta1") < rank("v1"));
        assert_eq!(rank("v1alpha"), None);
    }

    fn custom(version: &str, kind: &str) -> &'static Custom {
        find(version, kind).unwrap_or_else(|| panic!("no {kind} of {version}"))
    }

    fn field(version: &str, kind: &str, path: &[&str]) -> Field {
        let (last, path) = path.split_last().expect("a path");
        let mut structure = custom(version, kind).structure;
        for name in path {
            structure = structure.field(name).and_then(|f| f.structure()).expect("a mapping");
        }
        *structure.field(last).unwrap_or_else(|| panic!("no {last}"))
    }

    #[test]
    fn every_line_is_read_and_every_group_is_listed() {
        for project in &PROJECTS {
            let kinds = decode(project.name, project.text);
            let count = |is: fn(&str) -> bool| project.text.lines().filter(|l| is(l)).count();
            assert_eq!(kinds.len(), count(|line| line.starts_with('@')), "{}", project.name);
            let groups: BTreeSet<&str> =
                kinds.iter().filter_map(|kind| Some(kind.version.split_once('/')?.0)).collect();
            assert_eq!(groups.into_iter().collect::<Vec<_>>(), project.groups, "{}", project.name);
            assert!(kinds.iter().all(|kind| kind.releases.len() > 1 && kind.releases.len() < 10));
            // Structures are read in order, each with all of its fields.
            let mut structures: Vec<&'static Structure> = Vec::new();
            let mut patterns: Vec<&'static Pattern> = Vec::new();
            let mut current: Option<Open> = None;
            for line in project.text.lines() {
                if let Some(line) = line.strip_prefix(' ') {
                    let field = field_of(line, &structures, &patterns);
                    let field = field.unwrap_or_else(|| panic!("{line}"));
                    current.as_mut().expect("a structure").fields.push(field);
                } else if let Some(pattern) = line.strip_prefix("~ ") {
                    let pattern: &'static Pattern = Box::leak(Box::new(Pattern::new(pattern)));
                    assert!(pattern.can_be_read(), "{}", pattern.text);
                    patterns.push(pattern);
                } else if !line.starts_with(['@', '#', '=']) {
                    structures.extend(current.take().map(Open::close));
                    current = Some(Open { name: line, open: false, fields: Vec::new() });
                }
            }
            structures.extend(current.map(Open::close));
            for structure in structures {
                assert!(!structure.fields.is_empty(), "{}", structure.name);
                assert!(structure.fields.is_sorted_by_key(|field| field.name));
            }
        }
    }

    /// Against the CRDs themselves, read by hand.
    #[test]
    fn fields_are_those_of_the_crds() {
        let rollout = |path: &[&str]| field("argoproj.io/v1alpha1", "Rollout", path);
        assert_eq!(rollout(&["spec", "replicas"]).leaf, Leaf::Int64);
        assert_eq!(rollout(&["spec", "strategy", "canary", "maxSurge"]).leaf, Leaf::IntOrString);
        assert_eq!(rollout(&["spec", "template", "spec", "containers"]).form, Form::List);
        assert!(rollout(&["spec", "template", "spec", "containers", "name"]).required);
        let metadata = rollout(&["metadata"]).structure().expect("metadata");
        assert_eq!((metadata.name, metadata.custom), ("ObjectMeta", false));
        let path = ["spec", "rules", "backendRefs", "port"];
        let port = field("gateway.networking.k8s.io/v1", "HTTPRoute", &path).leaf;
        assert_eq!(port, Leaf::Between(1, 65535));
        let path = ["spec", "rules", "timeouts", "request"];
        let Leaf::Matching(pattern) =
            field("gateway.networking.k8s.io/v1", "HTTPRoute", &path).leaf
        else {
            panic!("a duration")
        };
        assert_eq!(pattern.text, "^([0-9]{1,5}(h|m|s|ms)){1,4}$");
        assert_eq!(pattern.matches("1m30s"), Some(true));
        assert_eq!(pattern.matches("1.5s"), Some(false));
        let path = ["spec", "rules", "filters", "requestRedirect", "statusCode"];
        let status = field("gateway.networking.k8s.io/v1", "HTTPRoute", &path).leaf;
        assert_eq!(status, Leaf::Among(&[301, 302, 303, 307, 308]));
        let name = field("gateway.networking.k8s.io/v1", "HTTPRoute", &["spec", "hostnames"]);
        let sizes = name.sizes.expect("sizes");
        assert_eq!(
            (sizes.entries, sizes.each),
            (Size { least: 0, most: 16 }, Size { least: 1, most: 253 })
        );
        let path = ["spec", "portLevelMtls"];
        let ports = field("security.istio.io/v1", "PeerAuthentication", &path);
        assert_eq!(ports.form, Form::Map);
        let path = ["spec", "metrics", "provider", "job", "spec", "template", "spec", "containers"];
        let containers = field("argoproj.io/v1alpha1", "AnalysisTemplate", &path);
        assert_eq!(containers.sizes, None);
        let canary = field("flagger.app/v1beta1", "Canary", &["spec", "targetRef", "kind"]);
        assert!(
            matches!(canary.leaf, Leaf::OneOf(all) if all.contains(&"DaemonSet")),
            "{canary:?}"
        );
        let path = ["spec", "http", "route", "weight"];
        assert_eq!(field("networking.istio.io/v1", "VirtualService", &path).leaf, Leaf::Int64);
        let path = ["spec", "endpoints", "scheme"];
        let scheme = field("monitoring.coreos.com/v1", "ServiceMonitor", &path);
        assert!(matches!(scheme.leaf, Leaf::OneOf(all) if all.contains(&"https")), "{scheme:?}");
        assert!(
            custom("cert-manager.io/v1", "Certificate").releases().starts_with("cert-manager v1")
        );
    }

    #[test]
    fn what_no_crd_serves_is_not_known() {
        assert!(find("argoproj.io/v1alpha1", "Application").is_none());
        assert!(find("argoproj.io/v1alpha9", "Rollout").is_none());
        assert!(find("example.com/v1", "Rollout").is_none());
        assert!(find("Rollout", "Rollout").is_none());
    }

    #[test]
    fn pods_and_containers_are_known_for_what_they_are() {
        let spec = field("argoproj.io/v1alpha1", "Rollout", &["spec", "template", "spec"]);
        let spec = spec.structure().expect("a mapping");
        assert_eq!(original(spec).map(|found| found.name), Some("PodSpec"));
        let metadata = field("argoproj.io/v1alpha1", "Rollout", &["spec", "template", "metadata"]);
        let metadata = metadata.structure().expect("a mapping");
        assert_eq!(original(metadata).map(|found| found.name), Some("ObjectMeta"));
        let prometheus = field("monitoring.coreos.com/v1", "Prometheus", &["spec"]);
        let prometheus = prometheus.structure().expect("a mapping");
        assert_eq!(original(prometheus), None);
        let container = prometheus.field("containers").and_then(|field| field.structure());
        assert_eq!(original(container.expect("a mapping")).map(|f| f.name), Some("Container"));
        assert_eq!(original(custom("argoproj.io/v1alpha1", "Rollout").structure), None);
    }
}
