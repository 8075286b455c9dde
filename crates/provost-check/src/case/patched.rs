//! What kustomizations of the input change: there the text is not what is applied.

use rustc_hash::FxHashMap;

use super::{Case, Joined, ObjectId};
use crate::facts::document::Node;
use crate::facts::objects::Object;
use crate::facts::origin::Span;
use crate::facts::{Origin, SourceId};
use crate::findings::{Abstain, Reason};

/// Mappings and lists inside each other that are gone into.
const DEPTH: usize = 128;

impl Joined<'_> {
    /// Unknown when a kustomization of the input patches one of the fields (`spec/replicas`, without
    /// positions in lists, and empty for any) of the object: what is written is not what is applied.
    pub fn unpatched(&self, object: &Object, fields: &[&str]) -> Result<(), Abstain> {
        self.unchanged(object, fields, |field, changed| {
            is_below(field, changed) || is_below(changed, field)
        })
    }

    /// Unknown when a field `is_changed` by one that some patch of the object changes.
    fn unchanged(
        &self,
        object: &Object,
        fields: &[&str],
        is_changed: impl Fn(&str, &str) -> bool,
    ) -> Result<(), Abstain> {
        let patched = &self.world.sources.get(object.document.source).kustomized.patched;
        if patched.is_empty() {
            return Ok(());
        }
        let (kind, name) = (&object.meta.kind.value, object.meta.name());
        let targets =
            [format!("{kind}/{name}"), format!("{kind}/*"), format!("*/{name}"), "*/*".to_owned()];
        for patches in patched {
            for changed in targets.iter().filter_map(|target| patches.get(target)) {
                let is_one = |field: &&&str| changed.iter().any(|other| is_changed(field, other));
                if let Some(field) = fields.iter().find(is_one) {
                    let of = if field.is_empty() { "" } else { " of " };
                    let field = field.replace('/', ".");
                    let subject = object.subject();
                    let what = format!("{field}{of}{subject}, which kustomize patches");
                    return Err(Abstain::unknown(Reason::Patched, what));
                }
            }
        }
        Ok(())
    }

    /// Unknown when a kustomization of the input patches what stands at a place: what a finding points
    /// at is another value there, or none (`replicas: null`, `op: remove`). What is changed below it
    /// leaves it where it is, and a patch that may change anything says nothing of a place.
    pub fn unpatched_at(&self, origin: &Origin) -> Result<(), Abstain> {
        let Some(span) = origin.span() else { return Ok(()) };
        if self.world.sources.get(origin.source()).kustomized.patched.is_empty() {
            return Ok(());
        }
        let by_source = self.patched.get_or_init(|| {
            let mut found: FxHashMap<SourceId, Vec<ObjectId>> = FxHashMap::default();
            for (id, object) in self.world.objects.iter().enumerate() {
                let source = object.document.source;
                if !self.world.sources.get(source).kustomized.patched.is_empty() {
                    found.entry(source).or_default().push(id);
                }
            }
            found
        });
        // Objects of one file come in the order of its text.
        let ids = by_source.get(&origin.source()).map_or(&[][..], Vec::as_slice);
        let start = |id: &ObjectId| self.world.objects.get(*id).map(|o| o.node().span().start);
        let after = ids.partition_point(|id| start(id) <= Some(span.start));
        let object = after.checked_sub(1).and_then(|at| self.world.objects.get(*ids.get(at)?));
        let object = object.filter(|object| object.node().span().contains(span));
        let Some(object) = object else { return Ok(()) };
        let field = keys_around(object.node(), span).join("/");
        self.unchanged(object, &[field.as_str()], |field, changed| {
            !changed.is_empty() && is_below(field, changed)
        })
    }

    /// Unknown when a ConfigMap or Secret may hold more or other keys than are known: a kustomization
    /// of the input changes it, or a file of its generator cannot be read.
    pub fn keys_are_known(&self, object: &Object) -> Result<(), Abstain> {
        if object.generated.is_some_and(|generated| !generated.complete) {
            let what = format!("a file of the generator of {}", object.subject());
            return Err(Abstain::unknown(Reason::ObjectNotInInput, what));
        }
        self.unpatched(object, &["data", "stringData", "binaryData"])
    }
}

impl Case<'_> {
    /// Unknown when a kustomization of the input may put another image, or another tag of it, in the place of the
    /// container's.
    pub fn image_unpatched(&self) -> Result<(), Abstain> {
        self.of.pod_unpatched(&["containers/image", "initContainers/image"])?;
        let source = self.world().sources.get(self.of.object.document.source);
        match &self.container.image {
            Some(image) if source.kustomized.sets_image(&image.value) => {
                let what = format!("image {image}, which kustomize sets");
                Err(Abstain::unknown(Reason::Patched, what))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a field is another one, or stands below it.
fn is_below(field: &str, other: &str) -> bool {
    let rest = || field.strip_prefix(other);
    other.is_empty() || rest().is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The keys on the way to the smallest part that holds all of the span.
fn keys_around(root: Node<'_>, span: Span) -> Vec<&str> {
    let mut keys = Vec::new();
    let mut node = root;
    for _ in 0..DEPTH {
        let entry = node
            .entries()
            .find(|(key, value)| key.span().contains(span) || value.span().contains(span));
        keys.extend(entry.and_then(|(key, _)| key.as_str()));
        let inner = match entry {
            Some((key, value)) => Some(value).filter(|_| !key.span().contains(span)),
            None => node.items().find(|item| item.span().contains(span)),
        };
        match inner {
            Some(next) => node = next,
            None => break,
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::case::sample;

    #[test]
    fn a_place_is_patched_where_it_or_what_holds_it_is() {
        let text = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: web
        image: a
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
";
        let mut world = sample::world(text.to_owned());
        let source = world.objects[0].document.source;
        let patch = |fields: &[&str]| {
            let fields = fields.iter().map(|field| (*field).to_owned()).collect();
            Arc::new([("Deployment/web".to_owned(), fields)].into())
        };
        let judged = |world: &crate::case::World, part: &str| {
            let start = text.find(part).unwrap();
            let origin = Origin::text(source, Span::new(start, start + part.len()));
            Joined::new(world).unpatched_at(&origin).is_ok()
        };
        world.sources.get_mut(source).kustomized.patched = vec![patch(&["spec/replicas"])];
        assert!(!judged(&world, "replicas"));
        assert!(judged(&world, "spec"));
        assert!(judged(&world, "image"));
        assert!(judged(&world, "ports"));
        world.sources.get_mut(source).kustomized.patched =
            vec![patch(&["spec/template/spec/containers"])];
        assert!(!judged(&world, "image: a"));
        assert!(!judged(&world, "image"));
        assert!(judged(&world, "replicas"));
        // What may change anything says nothing of a place.
        world.sources.get_mut(source).kustomized.patched = vec![patch(&[""])];
        assert!(judged(&world, "replicas"));
        assert!(Joined::new(&world).unpatched(&world.objects[0], &["spec"]).is_err());
    }
}
