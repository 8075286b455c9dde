//! What kustomizations of the input change: there the text is not what is applied.

use rustc_hash::FxHashMap;

use super::{Joined, ObjectId};
use crate::facts::objects::Object;
use crate::facts::{Origin, SourceId};
use crate::findings::{Abstain, Reason};

impl Joined<'_> {
    /// Unknown when a kustomization of the input patches one of the fields (`spec/replicas`, without
    /// positions in lists, and empty for any) of the object: what is written is not what is applied.
    pub fn unpatched(&self, object: &Object, fields: &[&str]) -> Result<(), Abstain> {
        self.unchanged(object, fields, |_| true)
    }

    /// The same, going by those changes that count.
    fn unchanged(
        &self,
        object: &Object,
        fields: &[&str],
        counts: impl Fn(&str) -> bool,
    ) -> Result<(), Abstain> {
        let patched = &self.world.sources.get(object.document.source).patched;
        if patched.is_empty() {
            return Ok(());
        }
        let (kind, name) = (&object.meta.kind.value, object.meta.name());
        let targets =
            [format!("{kind}/{name}"), format!("{kind}/*"), format!("*/{name}"), "*/*".to_owned()];
        let below = |field: &str, other: &str| {
            other.is_empty()
                || field
                    .strip_prefix(other)
                    .is_some_and(|rest| matches!(rest.bytes().next(), None | Some(b'/')))
        };
        for patches in patched {
            for changed in targets.iter().filter_map(|target| patches.get(target)) {
                let is_changed = |field: &&&str| {
                    let mut others = changed.iter().filter(|other| counts(other));
                    others.any(|other| below(field, other) || below(other, field))
                };
                if let Some(field) = fields.iter().find(is_changed) {
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
    /// at is another value there, or none (`replicas: null`, `op: remove`). One that may change
    /// anything says nothing of a place.
    pub fn unpatched_at(&self, origin: &Origin) -> Result<(), Abstain> {
        let Some(span) = origin.span() else { return Ok(()) };
        if self.world.sources.get(origin.source).patched.is_empty() {
            return Ok(());
        }
        let by_source = self.patched.get_or_init(|| {
            let mut found: FxHashMap<SourceId, Vec<ObjectId>> = FxHashMap::default();
            for (id, object) in self.world.objects.iter().enumerate() {
                let source = object.document.source;
                if !self.world.sources.get(source).patched.is_empty() {
                    found.entry(source).or_default().push(id);
                }
            }
            found
        });
        // Objects of one file come in the order of its text.
        let ids = by_source.get(&origin.source).map_or(&[][..], Vec::as_slice);
        let start = |id: &ObjectId| self.world.objects.get(*id).map(|o| o.node().span().start);
        let after = ids.partition_point(|id| start(id) <= Some(span.start));
        let object = after.checked_sub(1).and_then(|at| self.world.objects.get(*ids.get(at)?));
        let object = object.filter(|object| object.node().span().contains(span));
        let Some(object) = object else { return Ok(()) };
        let field = object.node().keys_to(span.range().start).join("/");
        match field.is_empty() {
            true => Ok(()),
            false => self.unchanged(object, &[field.as_str()], |changed| !changed.is_empty()),
        }
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
