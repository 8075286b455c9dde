//! One walk over an object of Kubernetes for the checks that look at one mapping at a time.

use super::{enums, missing, pairs};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::findings::Finding;
use crate::model::schema::{self, Known, Structure};
use crate::rules::rule::Findings;

/// Fields that are missing, words that no field takes, and fields that go ill together.
pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) {
    let meta = &case.object.meta;
    let Known::Kind(kind) = schema::find(&meta.api_version.value, &meta.kind.value) else { return };
    let Some(structure) = kind.structure() else { return };
    let mut walk = Walk {
        missing: missing::Missing::new(case),
        words: Vec::new(),
        pairs: pairs::Pairs::new(case),
    };
    walk.mapping("", case.object.node(), structure, false);
    walk.missing.finish(out);
    out.found.append(&mut walk.words);
    out.found.append(&mut walk.pairs.out.found);
}

struct Walk<'c, 'w> {
    missing: missing::Missing<'c, 'w>,
    words: Vec<Finding>,
    pairs: pairs::Pairs,
}

impl Walk<'_, '_> {
    // The loader bounds how deep values are nested and what aliases expand to.
    fn mapping(&mut self, key: &str, node: Node<'_>, structure: &'static Structure, in_pod: bool) {
        let in_pod = in_pod || structure.name == "PodSpec";
        self.missing.mapping(node, structure, in_pod);
        enums::mapping(node, structure, &mut self.words);
        self.pairs.mapping(key, node, structure);
        for (key, value) in node.entries() {
            // Most values are scalars, of which nothing is asked here.
            if !value.is_mapping() && !value.is_sequence() {
                continue;
            }
            let name = key.as_str().unwrap_or_default();
            let Some(inner) = structure.field(name).and_then(|field| field.structure()) else {
                continue;
            };
            if name == "status" && structure.field("metadata").is_some() {
                continue;
            }
            if value.is_mapping() {
                self.mapping(name, value, inner, in_pod);
            }
            for item in value.items().filter(|item| item.is_mapping()) {
                self.mapping(name, item, inner, in_pod);
            }
        }
    }
}
