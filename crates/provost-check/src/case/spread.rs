//! Where the scheduler may put the pods of a workload: anti-affinity and topology spread.

use super::WorkloadCase;
use crate::facts::document::Node;
use crate::facts::objects::{Selector, SelectorExpression, StringMap};
use crate::facts::{Fact, Origin};

/// Label of a node's own name.
pub const HOSTNAME: &str = "kubernetes.io/hostname";

/// What kind of rule a [`SpreadRule`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpreadKind {
    /// `podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution`
    RequiredAntiAffinity,
    /// `podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution`
    PreferredAntiAffinity,
    /// `topologySpreadConstraints` with `DoNotSchedule`, the default.
    HardSpread,
    /// `topologySpreadConstraints` with `ScheduleAnyway`
    SoftSpread,
}

/// One rule that keeps pods apart.
#[derive(Debug)]
pub struct SpreadRule {
    /// What it is.
    pub kind: SpreadKind,
    /// The place of the selector, else of the rule.
    pub origin: Origin,
    /// `topologyKey`
    pub topology_key: Fact<String>,
    /// `labelSelector`; a missing one matches nothing.
    pub selector: Option<Selector>,
    /// `minDomains`
    pub min_domains: Option<Fact<i64>>,
    /// It looks into other namespaces.
    pub elsewhere: bool,
}

impl WorkloadCase<'_> {
    /// Every rule of the pod template that keeps pods apart.
    pub fn spread_rules(&self) -> Vec<SpreadRule> {
        let template = self.template();
        let spec = template.object.document.node(template.pod().spec);
        let mut rules = Vec::new();
        if let Some(anti) = spec.at(&["affinity", "podAntiAffinity"]) {
            let terms = |field| anti.get(field).into_iter().flat_map(Node::items);
            for term in terms("requiredDuringSchedulingIgnoredDuringExecution") {
                rules.extend(rule(term, SpreadKind::RequiredAntiAffinity));
            }
            for weighted in terms("preferredDuringSchedulingIgnoredDuringExecution") {
                let term = weighted.get("podAffinityTerm");
                rules.extend(term.and_then(|term| rule(term, SpreadKind::PreferredAntiAffinity)));
            }
        }
        for constraint in spec.get("topologySpreadConstraints").into_iter().flat_map(Node::items) {
            let soft = constraint.get("whenUnsatisfiable").and_then(Node::as_str);
            let kind = if soft == Some("ScheduleAnyway") {
                SpreadKind::SoftSpread
            } else {
                SpreadKind::HardSpread
            };
            rules.extend(rule(constraint, kind));
        }
        rules
    }
}

fn rule(node: Node<'_>, kind: SpreadKind) -> Option<SpreadRule> {
    let topology_key = node.text_fact("topologyKey")?;
    let selector = node.get_entry("labelSelector");
    Some(SpreadRule {
        kind,
        origin: selector.map_or_else(|| topology_key.origin.clone(), |(key, _)| key.origin()),
        topology_key,
        selector: selector.map(|(_, node)| read_selector(node)),
        min_domains: node
            .get("minDomains")
            .and_then(|n| Some(Fact::written(n.as_i64()?, n.origin()))),
        elsewhere: node.get("namespaces").is_some() || node.get("namespaceSelector").is_some(),
    })
}

fn read_selector(node: Node<'_>) -> Selector {
    let fact = |node: Node<'_>| Some(Fact::written(node.as_str()?.to_owned(), node.origin()));
    let labels = node.get("matchLabels").into_iter().flat_map(Node::entries);
    let expressions = node.get("matchExpressions").into_iter().flat_map(Node::items);
    let text = |node: Node<'_>, key| node.get(key).and_then(Node::as_str).unwrap_or("").to_owned();
    Selector {
        origin: node.origin(),
        labels: StringMap::new(labels.filter_map(|(k, v)| Some((fact(k)?, fact(v)?))).collect()),
        expressions: expressions
            .map(|e| SelectorExpression {
                key: text(e, "key"),
                operator: text(e, "operator"),
                values: e
                    .get("values")
                    .into_iter()
                    .flat_map(Node::items)
                    .filter_map(|v| v.as_str().map(str::to_owned))
                    .collect(),
            })
            .collect(),
    }
}
