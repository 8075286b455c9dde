//! ConfigMaps and Secrets that are there, or that an object of the input makes.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{ObjectId, World};
use crate::facts::document::Node;
use crate::facts::objects::Object;

/// What a pod can take values from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// `v1/ConfigMap`
    ConfigMap,
    /// `v1/Secret`
    Secret,
}

impl SourceKind {
    /// The kind as manifests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// Names by namespace and kind.
#[derive(Debug, Default)]
pub struct Provided {
    /// Objects of the input.
    objects: FxHashMap<(String, SourceKind), Vec<ObjectId>>,
    /// Names that a controller or generator will make.
    made: FxHashSet<(String, SourceKind, String)>,
    /// Names that kustomize replaces in manifests that it has not rendered yet.
    variables: FxHashSet<String>,
    /// Objects of other people's kinds, which may make Secrets named after them.
    custom: FxHashSet<(String, String)>,
}

impl Provided {
    /// Goes through the objects once.
    pub fn new(world: &World) -> Self {
        let mut provided = Self::default();
        for (id, object) in world.objects.iter().enumerate() {
            let namespace = &object.meta.namespace.value;
            match object.meta.kind.value.as_str() {
                "ConfigMap" => provided.add(namespace, SourceKind::ConfigMap, id),
                "Secret" => provided.add(namespace, SourceKind::Secret, id),
                kind => provided.make(object, kind),
            }
        }
        provided
    }

    fn add(&mut self, namespace: &str, kind: SourceKind, id: ObjectId) {
        self.objects.entry((namespace.to_owned(), kind)).or_default().push(id);
    }

    fn make(&mut self, object: &Object, kind: &str) {
        let namespace = &object.meta.namespace.value;
        let spec = |path: &[&str]| object.node().at(path).and_then(Node::as_str);
        let own = object.meta.name();
        let made_names = &mut self.made;
        let mut made = |kind: SourceKind, name: &str| {
            made_names.insert((namespace.clone(), kind, name.to_owned()));
        };
        match kind {
            "SealedSecret" => {
                let name = spec(&["spec", "template", "metadata", "name"]).unwrap_or(own);
                made(SourceKind::Secret, name);
            }
            "ExternalSecret" => {
                let name = spec(&["spec", "target", "name"]).unwrap_or(own);
                made(SourceKind::Secret, name);
            }
            "Certificate" => {
                spec(&["spec", "secretName"]).into_iter().for_each(|n| made(SourceKind::Secret, n));
            }
            "VaultStaticSecret" | "VaultDynamicSecret" | "VaultPKISecret" => {
                let name = spec(&["spec", "destination", "name"]);
                name.into_iter().for_each(|n| made(SourceKind::Secret, n));
            }
            "SecretProviderClass" => {
                let listed = object.node().at(&["spec", "secretObjects"]);
                for name in
                    listed.iter().flat_map(|l| l.items()).filter_map(|i| i.get("secretName"))
                {
                    name.as_str().into_iter().for_each(|n| made(SourceKind::Secret, n));
                }
            }
            "Kustomization" => {
                let variables = object.node().get("vars");
                for name in variables.iter().flat_map(|l| l.items()).filter_map(|i| i.get("name")) {
                    self.variables.extend(name.as_str().map(str::to_owned));
                }
                // Flux fills `${NAME}` in after kustomize; what objects hold its names cannot be known.
                let flux = object.node().at(&["spec", "postBuild"]);
                let substitute = flux.and_then(|f| f.get("substitute"));
                for (name, _) in substitute.iter().flat_map(|s| s.entries()) {
                    self.variables.extend(name.as_str().map(str::to_owned));
                }
                if flux.is_some_and(|f| f.get("substituteFrom").is_some()) {
                    self.variables.insert("*".to_owned());
                }
                let generators = [
                    ("configMapGenerator", SourceKind::ConfigMap),
                    ("secretGenerator", SourceKind::Secret),
                ];
                for (key, kind) in generators {
                    let listed = object.node().get(key);
                    for name in listed.iter().flat_map(|l| l.items()).filter_map(|i| i.get("name"))
                    {
                        name.as_str().into_iter().for_each(|n| made(kind, n));
                    }
                }
            }
            _ => {}
        }
        let group = object.meta.group();
        if group.contains('.') && !group.ends_with(".k8s.io") {
            self.custom.insert((namespace.clone(), own.to_owned()));
        }
    }

    /// Whether a kustomization may replace `${NAME}` or `$(NAME)` in manifests.
    pub fn may_be_substituted(&self, name: &str) -> bool {
        self.variables.contains(name) || self.variables.contains("*")
    }

    /// The objects of that kind in a namespace, in input order.
    pub fn objects(&self, namespace: &str, kind: SourceKind) -> &[ObjectId] {
        self.objects.get(&(namespace.to_owned(), kind)).map_or(&[], Vec::as_slice)
    }

    /// Whether an object of the input makes it, or every namespace has it.
    pub fn is_made(&self, namespace: &str, kind: SourceKind, name: &str) -> bool {
        (kind == SourceKind::ConfigMap && name == "kube-root-ca.crt")
            || self.made.contains(&(namespace.to_owned(), kind, name.to_owned()))
    }

    /// Whether `$(NAME)` is a variable of a kustomization in the input.
    pub fn is_kustomize_variable(&self, name: &str) -> bool {
        self.variables.contains(name)
    }

    /// Whether a controller may make it: it is called after an object of a kind that is not
    /// Kubernetes' own (`orders-app` of a database `orders`).
    pub fn may_be_made(&self, namespace: &str, name: &str) -> bool {
        let has = |prefix: &str| self.custom.contains(&(namespace.to_owned(), prefix.to_owned()));
        // No name is longer.
        name.len() <= 253
            && (has(name) || name.match_indices(['-', '.']).any(|(at, _)| has(&name[..at])))
    }
}
