//! Fields that the CRD of a custom resource requires and that are not there; values that contradict
//! each other (`values.rs`); rules of Gateway API's CRDs (`gateway.rs`).
//!
//! The API server asks for every one of them, but a file may be a patch, and hold a few fields only.
//! An entry of a list is whole even there, since patches of custom resources replace lists; any
//! other mapping counts when it has some of the fields that it requires.

mod gateway;
mod values;

use super::{RULE, first_of_whole};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::findings::Finding;
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
    // Where kustomize has a hand in it, another file may bring the rest.
    let source = case.world().sources.get(object.document.source);
    if source.kustomizations.is_empty() {
        let mut walk = Walk { found: Vec::new(), custom };
        walk.mapping(object.node(), custom.structure, None);
        out.found.append(&mut walk.found);
        values::check(case, out);
        gateway::check(case, out);
    }
    true
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
        let written = |name: &str| node.entries().any(|(key, _)| key.as_str() == Some(name));
        let required = || structure.fields.iter().filter(|field| field.required);
        if in_list.is_none() && !required().any(|field| written(field.name)) {
            return;
        }
        for field in required().filter(|field| !written(field.name)) {
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
