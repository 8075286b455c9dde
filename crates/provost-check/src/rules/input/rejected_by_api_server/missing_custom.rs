//! Fields that the CRD of a custom resource requires and that are not there; values that contradict
//! each other (`values.rs`); rules of Gateway API's CRDs (`gateway.rs`).
//!
//! The API server asks for every one of them, but a file may be a patch, and hold a few fields only.
//! An entry of a list is whole even there, since patches of custom resources replace lists; any
//! other mapping counts when it has some of the fields that it requires.

mod gateway;
mod values;

use super::{RULE, first_of_whole, is_alone};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::findings::{Abstain, Finding, Reason};
use crate::model::schema::{self, Custom, Known, Structure};
use crate::rules::rule::Findings;

/// Findings of one object; a file of garbage has as many as lines.
const MOST: usize = 50;

/// Whether the object is a custom resource whose CRDs are known.
pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> bool {
    let object = case.object;
    let meta = &object.meta;
    let Known::Custom(custom) = schema::find(&meta.api_version.value, &meta.kind.value) else {
        return false;
    };
    let mut walk = Walk { found: Vec::new(), custom };
    walk.mapping(object.node(), custom.structure, None);
    let mut rules = Findings::default();
    gateway::check(case, &mut rules);
    if is_alone(case) {
        out.found.append(&mut walk.found);
        out.found.append(&mut rules.found);
    } else if !(walk.found.is_empty() && rules.found.is_empty()) {
        out.abstain(completed(case));
    }
    // What is written is refused whoever applies it, or is patched (`as_applied`).
    values::check(case, out);
    true
}

/// Where kustomize has a hand in it, another file may bring the rest.
fn completed(case: &ObjectCase<'_>) -> Abstain {
    let what = format!("what {} lacks, which a kustomization may bring", case.object.subject());
    Abstain::unknown(Reason::Patched, what)
}

struct Walk {
    found: Vec<Finding>,
    custom: &'static Custom,
}

impl Walk {
    // The loader bounds how deep values are nested and what aliases expand to.
    // `in_list` is where a value stands that is part of an entry of a list: its key, or the entry.
    fn mapping(
        &mut self,
        node: Node<'_>,
        structure: &'static Structure,
        in_list: Option<Node<'_>>,
    ) {
        if self.found.len() >= MOST {
            return;
        }
        self.own(node, structure, in_list);
        for (key, value) in node.entries() {
            let name = key.as_str().unwrap_or_default();
            // The metadata is no part of the CRD.
            let field = structure.field(name);
            let Some(inner) = field.and_then(|field| field.structure()).filter(|i| i.custom) else {
                continue;
            };
            if value.is_mapping() {
                match field.map(|field| field.form) {
                    Some(schema::Form::Map | schema::Form::MapOfLists) => {
                        for (key, value) in value.entries().filter(|(_, value)| value.is_mapping())
                        {
                            self.mapping(value, inner, in_list.map(|_| key));
                        }
                    }
                    _ => self.mapping(value, inner, in_list.map(|_| key)),
                }
            }
            for item in value.items().filter(|item| item.is_mapping()) {
                self.mapping(item, inner, Some(item));
            }
        }
    }

    fn own(&mut self, node: Node<'_>, structure: &'static Structure, in_list: Option<Node<'_>>) {
        // An empty one has no key to point at.
        let empty = || in_list.filter(|_| node.entries().next().is_none());
        let Some(first) = first_of_whole(node).or_else(empty) else { return };
        // A key without a value is what a tool is still to fill in, as often as not.
        let required = || structure.fields.iter().filter(|field| field.required);
        if in_list.is_none() && !required().any(|field| node.has_key(field.name)) {
            return;
        }
        for field in required().filter(|field| !node.has_key(field.name)) {
            self.found.push(Finding::new(
                &RULE,
                format!(
                    "`{}` of `{}` is required by the CRDs of {}",
                    field.name,
                    structure.name,
                    self.custom.releases()
                ),
                &first.origin(),
                format!("no {}", field.name),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Joined;

    #[test]
    fn a_kustomization_that_only_lists_a_file_leaves_its_values_judged() {
        let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n\
                    spec:\n  hosts: [a]\n  http:\n  - match: [{uri: {regex: \"^(?!a)\"}}]\n    \
                    timeout: \"5\"\n    route: [{destination: {host: a}}]\n---\n\
                    apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: b}\n\
                    spec: {hosts: [b], gateways: [mesh]}\n---\n\
                    apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c}\n\
                    spec: {secretName: c, duration: 90d, issuerRef: {name: c}}\n";
        let mut world = crate::case::sample::world(text.to_owned());
        for (kustomizations, told, open) in
            [(vec![], [2, 1, 1], [0, 0, 0]), (vec![0], [2, 0, 1], [0, 1, 0])]
        {
            let source = world.objects[0].document.source;
            world.sources.get_mut(source).kustomized.by = kustomizations;
            let joined = Joined::new(&world);
            for (id, object) in world.objects.iter().enumerate() {
                let mut out = Findings::default();
                check(&ObjectCase::new(&joined, id, object), &mut out);
                let is = (out.found.len(), out.abstained.len());
                assert_eq!(is, (told[id], open[id]), "{}", object.subject());
            }
        }
    }
}
