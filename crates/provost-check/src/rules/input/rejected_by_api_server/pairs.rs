//! Fields of one mapping that ask for each other, or exclude each other, wherever the mapping stands.

use super::{is_alone, is_placeholder, is_whole, refuse, text};
use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::model::schema::Structure;
use crate::rules::rule::Findings;

/// Findings of one object; a file of garbage has as many as lines.
const MOST: usize = 50;

/// Pairs of fields of one object.
///
/// `ValidateNodeSelectorRequirement`, `ValidateNodeFieldSelectorRequirement`,
/// `validateSeccompProfileField` and `ValidateAppArmorProfileField` of
/// pkg/apis/core/validation/validation.go, v1.37.2, and `ValidateLabelSelectorRequirement` of
/// k8s.io/apimachinery v0.37.2.
pub(super) struct Pairs {
    /// What was found.
    pub(super) out: Findings,
    /// Nothing brings what is missing.
    alone: bool,
}

impl Pairs {
    pub(super) fn new(case: &ObjectCase<'_>) -> Self {
        Self { out: Findings::default(), alone: is_alone(case) }
    }

    /// Looks at one mapping, which stands under that key.
    pub(super) fn mapping(&mut self, key: &str, node: Node<'_>, structure: &'static Structure) {
        if self.out.found.len() >= MOST {
            return;
        }
        match structure.name {
            "NodeSelectorRequirement" => self.requirement(node, key == "matchFields", true),
            "LabelSelectorRequirement" => self.requirement(node, false, false),
            "SeccompProfile" => self.profile(node, "seccomp"),
            "AppArmorProfile" => self.profile(node, "AppArmor"),
            _ => {}
        }
    }

    fn tell(&mut self, node: Node<'_>, message: String) {
        refuse(&mut self.out, &node.origin(), message);
    }

    fn requirement(&mut self, node: Node<'_>, of_fields: bool, of_nodes: bool) {
        let Some((operator, at)) = text(node, "operator").filter(|_| is_whole(node)) else {
            return;
        };
        let written = node.get_entry("values");
        let place = written.map_or(at, |(key, _)| key);
        let (mut count, mut open) = (0usize, false);
        if let Some((_, list)) = written {
            // What is no list is of the wrong type.
            open = !list.is_sequence();
            for item in list.items() {
                count += 1;
                open |= item.as_str().is_none_or(is_placeholder);
            }
        }
        if open || (count == 0 && !self.alone) {
            return;
        }
        let wrong = match operator {
            "In" | "NotIn" if of_fields && count != 1 => {
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            }
            "In" | "NotIn" if count == 0 => "must be specified when `operator` is 'In' or 'NotIn'",
            "Exists" | "DoesNotExist" if count > 0 => {
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            }
            "Gt" | "Lt" if of_nodes && count != 1 => {
                "must be specified single value when `operator` is 'Lt' or 'Gt'"
            }
            _ => return,
        };
        self.tell(place, format!("values {wrong}"));
    }

    fn profile(&mut self, node: Node<'_>, what: &str) {
        let Some((kind, at)) = text(node, "type").filter(|_| is_whole(node)) else { return };
        match (kind, node.get_entry("localhostProfile")) {
            ("Localhost", None) if self.alone => {
                let message = format!("localhostProfile must be set when {what} type is Localhost");
                self.tell(at, message);
            }
            ("Localhost", Some((_, value))) => {
                let Some(path) = value.as_str().filter(|path| !is_placeholder(path)) else {
                    return;
                };
                let wrong = match what {
                    "seccomp" if path.starts_with('/') => "must be a relative path",
                    "seccomp" if path.split('/').any(|part| part == "..") => {
                        "must not contain '..'"
                    }
                    "AppArmor" if path.trim().is_empty() => "must be set when type is Localhost",
                    "AppArmor" if path.trim() != path => "must not be padded with whitespace",
                    _ => return,
                };
                self.tell(value, format!("localhostProfile `{path}` {wrong}"));
            }
            ("RuntimeDefault" | "Unconfined", Some((key, _))) => {
                let message =
                    format!("localhostProfile can only be set when {what} type is Localhost");
                self.tell(key, message);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    /// A structure or field that is renamed would fall silent.
    #[test]
    fn the_schema_has_them() {
        let seen = super::super::structures_of(&[("apps/v1", "Deployment")]);
        for (name, fields) in [
            ("AppArmorProfile", ["localhostProfile", "type"]),
            ("LabelSelectorRequirement", ["operator", "values"]),
            ("NodeSelectorRequirement", ["operator", "values"]),
            ("SeccompProfile", ["localhostProfile", "type"]),
        ] {
            let has =
                |field: &&str| seen.iter().any(|s| s.name == name && s.field(field).is_some());
            assert!(fields.iter().all(has), "{name}");
        }
    }
}
