//! An object held against the schema of its kind.

use crate::facts::document::{Node, ScalarKind, ScalarStyle};
use crate::facts::placeholders::may_be_in;
use crate::model::base64::is_base64;
use crate::model::quantity::Quantity;
use crate::model::schema::{Field, Form, Leaf, Pattern, Size, Structure, original};
use crate::model::secret::MASK;

/// Something that does not fit.
#[derive(Debug)]
pub struct Deviation<'d> {
    /// The key.
    pub key: Node<'d>,
    /// What stands under it.
    pub value: Node<'d>,
    /// The mapping it stands in.
    pub mapping: Node<'d>,
    /// What that mapping is.
    pub parent: &'static Structure,
    /// The mappings around that, the object first.
    pub above: Vec<&'static Structure>,
    /// What is wrong.
    pub what: What,
}

/// What does not fit.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// No release has the field.
    Unknown,
    /// The CRD repeats a structure of Kubernetes, and has not the field that Kubernetes has.
    NotYet {
        /// `PodSpec`
        original: &'static str,
    },
    /// None of the texts that the field takes.
    OneOf(&'static [&'static str]),
    /// A text that does not match what the field takes.
    Mismatch(&'static Pattern),
    /// A number below or above those that the field takes.
    OutOf(i64, i64),
    /// None of the numbers that the field takes.
    Among(&'static [i64]),
    /// Shorter or longer than what the field takes.
    Size(Length),
    /// A text that is no quantity.
    NoQuantity,
    /// The field is there, in some releases.
    Field(&'static Field),
    /// The value is of another type: what is wanted, and what is there.
    Type {
        /// `an integer`
        wanted: &'static str,
        /// `a string`
        found: &'static str,
    },
}

/// A value that is too short or too long.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// What was counted.
    pub of: Counted,
    /// From how many to how many it may be.
    pub wanted: Size,
    /// How many it is.
    pub is: usize,
}

/// What is counted of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// The characters of a text, as Go counts runes.
    Characters,
    /// The entries of a list.
    Entries,
    /// The keys of a mapping. Of a patch they are not all there.
    Keys,
}

/// Every key and value of the object at `root` that does not fit. Fields that not all releases keep
/// are told too, so that the caller can compare them with the cluster's.
///
/// Left out are keys that steer the patches of kubectl and kustomize (`$patch`), merges, and the
/// `status`, which the API server writes itself.
pub fn deviations<'d>(root: Node<'d>, structure: &'static Structure) -> Vec<Deviation<'d>> {
    let mut walk = Walk { found: Vec::new(), above: Vec::new(), floor: 0, original: None };
    walk.mapping(root, structure);
    walk.found
}

/// Deviations of one object that are told; a file of garbage has as many as lines.
const MOST: usize = 200;

/// A key and the mapping it stands in.
#[derive(Clone, Copy)]
struct Place<'d> {
    key: Node<'d>,
    mapping: Node<'d>,
    structure: &'static Structure,
}

struct Walk<'d> {
    found: Vec<Deviation<'d>>,
    above: Vec<&'static Structure>,
    /// The first minor that keeps the field we are inside of: what came with it needs no word of its
    /// own.
    floor: u8,
    /// Kubernetes' own structure that the one we are inside of was copied from by a CRD.
    original: Option<&'static Structure>,
}

impl<'d> Walk<'d> {
    // The loader bounds how deep values are nested and what aliases expand to.
    fn mapping(&mut self, node: Node<'d>, structure: &'static Structure) {
        for (key, value) in node.entries() {
            let Some(name) = key.as_str() else { continue };
            let steers = name == "<<" || name.starts_with('$');
            let status = name == "status" && self.above.is_empty();
            if steers || status || self.found.len() >= MOST {
                continue;
            }
            let place = Place { key, mapping: node, structure };
            let Some(field) = structure.field(name) else {
                let original = self.original.filter(|original| original.field(name).is_some());
                match original {
                    _ if structure.open => {}
                    Some(original) => {
                        self.push(place, value, What::NotYet { original: original.name });
                    }
                    None => self.push(place, value, What::Unknown),
                }
                continue;
            };
            let floor = self.floor;
            self.floor = floor.max(field.since).max(field.on);
            if self.floor > floor || field.until > 0 {
                self.push(place, value, What::Field(field));
            }
            // Null is the same as nothing, whatever is wanted.
            if !value.is_null() {
                self.field(place, value, field);
            }
            self.floor = floor;
        }
    }

    fn field(&mut self, at: Place<'d>, value: Node<'d>, field: &Field) {
        match field.form {
            Form::One => self.leaf(at, value, field),
            Form::List => self.list(at, value, field),
            Form::Map | Form::MapOfLists if !value.is_mapping() => {
                self.wrong(at, value, "a mapping");
            }
            Form::Map | Form::MapOfLists => {
                self.keys(at, value, field.sizes.map(|sizes| sizes.entries));
                for (key, value) in value.entries().filter(|(_, value)| !value.is_null()) {
                    // What a merge brings is looked at where it is written.
                    if key.as_str() == Some("<<") {
                        continue;
                    }
                    let at = Place { key, ..at };
                    match field.form {
                        Form::MapOfLists => self.list(at, value, field),
                        _ => self.leaf(at, value, field),
                    }
                }
            }
        }
    }

    fn list(&mut self, at: Place<'d>, value: Node<'d>, field: &Field) {
        if !value.is_sequence() {
            return self.wrong(at, value, "a list");
        }
        let size = field.sizes.filter(|_| field.form == Form::List).map(|sizes| sizes.entries);
        if let Some(wanted) = size {
            // What is still to be filled in may be any number of entries.
            let open = |item: Node<'_>| {
                let patch =
                    |(key, _): (Node<'_>, _)| key.as_str().is_some_and(|k| k.starts_with('$'));
                item.as_str().is_some_and(may_be_in) || item.entries().any(patch)
            };
            let is = value.items().count();
            if !wanted.has(is) && !value.items().any(open) {
                self.push(at, value, What::Size(Length { of: Counted::Entries, wanted, is }));
            }
        }
        for item in value.items().filter(|item| !item.is_null()) {
            self.leaf(at, item, field);
        }
    }

    fn leaf(&mut self, at: Place<'d>, value: Node<'d>, field: &Field) {
        if let Some(structure) = field.structure() {
            if !value.is_mapping() {
                return self.wrong(at, value, "a mapping");
            }
            self.keys(at, value, field.sizes.map(|sizes| sizes.each));
            let outer = self.original;
            let inside = outer.and_then(|outer| outer.field(field.name)?.structure());
            self.original = inside.or_else(|| original(structure));
            self.above.push(at.structure);
            self.mapping(value, structure);
            self.above.pop();
            self.original = outer;
            return;
        }
        if let Leaf::OneOf(all) = field.leaf
            && value.scalar_kind() == Some(ScalarKind::Str)
        {
            if value.as_str().is_some_and(|text| !all.contains(&text)) {
                self.push(at, value, What::OneOf(all));
            }
            return;
        }
        let text = value.as_str().filter(|_| value.scalar_kind() == Some(ScalarKind::Str));
        // What is secret is hidden before anything looks at it.
        let text = text.filter(|text| !text.as_bytes().contains(&b'*') || !text.contains(MASK));
        let leaf = match field.leaf {
            Leaf::Matching(pattern) | Leaf::IntOrMatching(pattern) => {
                if text.is_some_and(|text| pattern.matches(text) == Some(false)) {
                    return self.push(at, value, What::Mismatch(pattern));
                }
                match field.leaf {
                    Leaf::Matching(_) => Leaf::String,
                    _ => Leaf::IntOrString,
                }
            }
            Leaf::Within(least, most) => {
                // Bounds are small, and 2^53 whole numbers are the same as floats.
                #[expect(clippy::cast_precision_loss, reason = "bounds of CRDs are small")]
                let out = match value.scalar_kind() {
                    Some(ScalarKind::Int(n)) => n < least || n > most,
                    Some(ScalarKind::Float(n)) => n < least as f64 || n > most as f64,
                    _ => false,
                };
                if out {
                    return self.push(at, value, What::OutOf(least, most));
                }
                Leaf::Number
            }
            Leaf::Between(least, most) => {
                if value.as_i64().is_some_and(|n| n < least || n > most) {
                    return self.push(at, value, What::OutOf(least, most));
                }
                Leaf::Int64
            }
            Leaf::Among(all) => {
                if value.as_i64().is_some_and(|n| !all.contains(&n)) {
                    return self.push(at, value, What::Among(all));
                }
                Leaf::Int64
            }
            leaf => leaf,
        };
        let fits = match value.scalar_kind() {
            Some(kind) => fits(leaf, kind, value),
            None => leaf == Leaf::Any,
        };
        if !fits {
            return self.wrong(at, value, wanted(leaf));
        }
        if leaf == Leaf::Quantity && text.is_some_and(|text| Quantity::parse(text.trim()).is_err())
        {
            return self.push(at, value, What::NoQuantity);
        }
        let wanted = field.sizes.map(|sizes| sizes.each);
        if let (Some(text), Some(wanted)) = (text, wanted) {
            let is = text.chars().count();
            if leaf == Leaf::String && !wanted.has(is) {
                self.push(at, value, What::Size(Length { of: Counted::Characters, wanted, is }));
            }
        }
    }

    fn keys(&mut self, at: Place<'d>, value: Node<'d>, wanted: Option<Size>) {
        let Some(wanted) = wanted else { return };
        let merged = |key: &str| key == "<<" || key.starts_with('$') || may_be_in(key);
        let key = |(key, _): (Node<'d>, _)| key.as_str();
        // Null is the same as nothing.
        let is = value.entries().filter(|(_, value)| !value.is_null()).count();
        if !wanted.has(is) && !value.entries().any(|it| key(it).is_none_or(merged)) {
            self.push(at, value, What::Size(Length { of: Counted::Keys, wanted, is }));
        }
    }

    fn wrong(&mut self, at: Place<'d>, value: Node<'d>, wanted: &'static str) {
        // `{{ .Values.port }}` is YAML, a mapping with a mapping for its only key, and in
        // `[fe80::, fe81::]` some readers see keys where go-yaml sees text.
        let mut entries = value.entries();
        let only = entries.next().filter(|_| entries.next().is_none());
        if only.is_some_and(|(_, value)| value.is_null()) {
            return;
        }
        self.push(at, value, What::Type { wanted, found: kind_of(value) });
    }

    fn push(&mut self, at: Place<'d>, value: Node<'d>, what: What) {
        if self.found.len() < MOST {
            let Place { key, mapping, structure } = at;
            let above = self.above.clone();
            self.found.push(Deviation { key, value, mapping, parent: structure, above, what });
        }
    }
}

/// Whether Go's JSON decoder takes the scalar for that type, after sigs.k8s.io/yaml has made JSON
/// of the YAML: a whole float becomes an integer on the way.
fn fits(leaf: Leaf, kind: ScalarKind, value: Node<'_>) -> bool {
    let whole = |n: f64| n.fract() == 0.0 && n.abs() < 9.0e15;
    match (leaf, kind) {
        (Leaf::Any, _)
        | (Leaf::String | Leaf::Time | Leaf::IntOrString | Leaf::Quantity, ScalarKind::Str)
        | (Leaf::Bool, ScalarKind::Bool(_))
        | (Leaf::Int64 | Leaf::Number | Leaf::IntOrString, ScalarKind::Int(_))
        | (Leaf::Quantity, ScalarKind::Int(_) | ScalarKind::Float(_))
        | (Leaf::Number, ScalarKind::Float(_)) => true,
        (Leaf::Int32, ScalarKind::Int(n)) => i32::try_from(n).is_ok(),
        (Leaf::Int32, ScalarKind::Float(n)) => whole(n) && n.abs() <= f64::from(i32::MAX),
        (Leaf::Int64 | Leaf::IntOrString, ScalarKind::Float(n)) => whole(n),
        // The values of Secrets are hidden before anything looks at them; of one that is none the
        // loader makes a mask that is none, either.
        (Leaf::Base64, ScalarKind::Str) => {
            value.as_str().is_some_and(|text| text == MASK || is_base64(text))
        }
        // YAML 1.1 has dates of its own; the decoder makes text of them.
        _ => false,
    }
}

fn wanted(leaf: Leaf) -> &'static str {
    match leaf {
        Leaf::String | Leaf::Time | Leaf::OneOf(_) | Leaf::Matching(_) => "a string",
        Leaf::Base64 => "base64",
        Leaf::Bool => "a boolean",
        Leaf::Int32 => "an integer of 32 bits",
        Leaf::Int64 | Leaf::Between(..) | Leaf::Among(_) => "an integer",
        Leaf::Number | Leaf::Within(..) => "a number",
        Leaf::IntOrString | Leaf::IntOrMatching(_) => "an integer or a string",
        Leaf::Quantity => "a quantity",
        Leaf::Any => "anything",
        Leaf::Type(_) | Leaf::Mapping(_) => "a mapping",
    }
}

fn kind_of(value: Node<'_>) -> &'static str {
    if value.is_mapping() {
        return "a mapping";
    }
    if value.is_sequence() {
        return "a list";
    }
    match value.scalar_kind() {
        Some(ScalarKind::Bool(_)) => "a boolean",
        Some(ScalarKind::Int(_)) => "an integer",
        Some(ScalarKind::Float(_)) => "a number with a fraction",
        Some(ScalarKind::Str) if value.scalar_style() != Some(ScalarStyle::Plain) => {
            "a quoted string"
        }
        _ => "a string",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{What, deviations};
    use crate::artifact::yaml::{Limits, parse};
    use crate::facts::origin::SourceId;
    use crate::model::schema::{Known, find};

    fn told(text: &str) -> Vec<String> {
        let parsed = parse(SourceId(0), text, &[], &Limits::default());
        let document = Arc::new(parsed.documents.into_iter().next().expect("a document"));
        let root = document.root();
        let text = |key| root.get(key).and_then(|node| node.as_str()).expect("a text");
        let structure = match find(text("apiVersion"), text("kind")) {
            Known::Kind(kind) => kind.structure().expect("a structure"),
            Known::Custom(custom) => custom.structure,
            _ => panic!("no kind"),
        };
        deviations(root, structure)
            .iter()
            .map(|deviation| {
                let key = deviation.key.as_str().unwrap_or_default();
                match deviation.what {
                    What::Unknown => format!("{key} of {}", deviation.parent.name),
                    What::NotYet { original } => format!("{key} of Kubernetes' {original}"),
                    What::OneOf(all) => format!("{key}: one of {}", all.join(" ")),
                    What::Mismatch(pattern) => format!("{key}: no match of {}", pattern.text),
                    What::OutOf(least, most) => format!("{key}: not in {least} to {most}"),
                    What::Among(all) => format!("{key}: one of {all:?}"),
                    What::Size(it) => format!(
                        "{key}: {} {:?}, not {} to {}",
                        it.is, it.of, it.wanted.least, it.wanted.most
                    ),
                    What::Field(field) => format!("{key} since {} on {}", field.since, field.on),
                    What::Type { wanted, found } => format!("{key}: {wanted}, not {found}"),
                    What::NoQuantity => format!("{key}: no quantity"),
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
    fn a_template_is_no_mapping() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: {name: {{ .Name }}}\n\
            spec:\n  type: {{ .Type | default \"ClusterIP\" }}\n  clusterIPs: [fe80::, 1.2.3.4]\n  \
            ports: [{port: {a: b}}]\n";
        assert_eq!(told(text), ["port: an integer of 32 bits, not a mapping"]);
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

    #[test]
    fn a_custom_resource_is_held_against_its_crd() {
        let text = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\n\
            metadata: {name: a, lables: {a: b}}\n\
            spec:\n  replicas: \"3\"\n  strategy: {canary: {maxSurge: 10%, setps: []}}\n  template:\n    \
            spec: {containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Gi}}, pots: []}]}\n\
            status: {anything: goes}\n";
        assert_eq!(
            told(text),
            [
                "lables of ObjectMeta",
                "replicas: an integer, not a quoted string",
                "setps of canary",
                "pots of containers",
            ]
        );
        let text = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: a}\n\
            spec: {selector: {}, endpoints: [{scheme: htps, port: web}, {scheme: 1}]}\n";
        let told = told(text);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("scheme: one of ") && told[0].contains("https"), "{told:?}");
        assert_eq!(told[1], "scheme: a string, not an integer");
    }

    #[test]
    fn values_are_held_against_patterns_and_bounds() {
        let text = "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: a}\n\
            spec: {selector: {}, podMetricsEndpoints: [{port: web, interval: 30}, {port: web, interval: 30sec},\
            {port: web, interval: 1m30s}]}\n";
        let told_of = told(text);
        assert_eq!(told_of.len(), 2, "{told_of:?}");
        assert_eq!(told_of[0], "interval: a string, not an integer");
        assert!(told_of[1].starts_with("interval: no match of ^"), "{told_of:?}");
        let text = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n\
            spec: {rules: [{backendRefs: [{name: a, port: 80}, {name: a, port: 70000}]}]}\n";
        assert_eq!(told(text), ["port: not in 1 to 65535"]);
    }

    #[test]
    fn values_are_held_against_how_long_they_may_be() {
        let route = |spec: &str| {
            told(&format!(
                "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: a}}\nspec: {spec}\n"
            ))
        };
        let hosts = |count: usize| format!("{{hostnames: [{}]}}", vec!["a.b"; count].join(", "));
        assert_eq!(route(&hosts(16)), [""; 0]);
        assert_eq!(route(&hosts(17)), ["hostnames: 17 Entries, not 0 to 16"]);
        assert_eq!(
            route("{rules: [{backendRefs: [{name: \"\", port: 80}]}]}"),
            ["name: 0 Characters, not 1 to 253"]
        );
        assert_eq!(route("{parentRefs: [{name: null}]}"), [""; 0]);
        // Characters, and not bytes.
        let header = |value: &str| {
            let header = format!("{{name: x, value: {value}}}");
            route(&format!("{{rules: [{{matches: [{{headers: [{header}]}}]}}]}}"))
        };
        assert_eq!(header(&"ä".repeat(4096)), [""; 0]);
        assert_eq!(header(&"ä".repeat(4097)), ["value: 4097 Characters, not 1 to 4096"]);
        let gateway = |count: usize| {
            let options: Vec<String> = (0..count).map(|n| format!("a.b/c{n}: d")).collect();
            let tls =
                format!("{{certificateRefs: [{{name: a}}], options: {{{}}}}}", options.join(", "));
            told(&format!(
                "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: a}}\n\
                 spec: {{gatewayClassName: a, listeners: [{{name: a, port: 1, protocol: HTTPS, tls: {tls}}}]}}\n"
            ))
        };
        assert_eq!(gateway(16), [""; 0]);
        assert_eq!(gateway(17), ["options: 17 Keys, not 0 to 16"]);
    }

    /// An older copy of a pod has not all that pods have by now.
    #[test]
    fn what_kubernetes_has_and_a_crd_has_not_is_told_apart() {
        let text = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\n\
            spec: {template: {spec: {schedulingGroup: {podGroupName: a}, containers: []}}}\n";
        assert_eq!(told(text), ["schedulingGroup of Kubernetes' PodSpec"]);
    }
}
