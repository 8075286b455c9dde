//! Autoscalers and disruption budgets.

use super::read::{Parent, Reader};
use crate::facts::document::Node;
use crate::facts::objects::{Hpa, HpaMetric, Pdb};
use crate::facts::origin::Fact;

/// Fields of a metric source by the metric's type (autoscaling/v2 MetricSpec).
const METRIC_FIELDS: &[(&str, &str)] = &[
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
    ("Pods", "pods"),
    ("Object", "object"),
    ("External", "external"),
];

impl Reader<'_> {
    /// Defaults: pkg/apis/autoscaling/v2/defaults.go and v1/defaults.go: one replica at least, and
    /// 80 % CPU where no metric is named.
    pub(super) fn hpa(&mut self, object: Parent<'_>) -> Hpa {
        let spec = self.parent(object, "spec");
        let mut metrics: Vec<HpaMetric> = {
            let items = self.mappings(spec, "metrics");
            items.into_iter().map(|node| self.metric(node)).collect()
        };
        let old = self.int(spec.node, "targetCPUUtilizationPercentage");
        if metrics.is_empty() {
            let cpu =
                |basis: fn(String, _) -> Fact<String>, origin: &crate::facts::Origin| HpaMetric {
                    origin: origin.clone(),
                    metric_type: basis("Resource".to_owned(), origin.clone()),
                    resource: Some(basis("cpu".to_owned(), origin.clone())),
                    container: None,
                    target_type: Some(basis("Utilization".to_owned(), origin.clone())),
                };
            metrics.push(match &old {
                Some(old) => cpu(Fact::written, &old.origin),
                None => cpu(Fact::defaulted, &spec.origin()),
            });
        }
        Hpa {
            target: self.target_ref(spec, "scaleTargetRef"),
            min: self.int_or(spec, "minReplicas", 1),
            max: self.int(spec.node, "maxReplicas"),
            metrics,
        }
    }

    fn metric(&mut self, node: Node<'_>) -> HpaMetric {
        let here = Parent { node: Some(node), name: node };
        let written = METRIC_FIELDS.iter().find(|(_, field)| node.get(field).is_some());
        let metric_type = self.nonempty(here.node, "type").unwrap_or_else(|| {
            let name = written.map_or("", |(name, _)| *name);
            Fact::defaulted(name.to_owned(), node.start())
        });
        let field = METRIC_FIELDS.iter().find(|(name, _)| *name == metric_type.value);
        let source = match field {
            Some((_, field)) => self.parent(here, field),
            None => Parent { node: None, name: node },
        };
        let is_resource = matches!(metric_type.value.as_str(), "Resource" | "ContainerResource");
        let target = self.parent(source, "target");
        let mut target_type = self.nonempty(target.node, "type");
        // v2beta1 has no target mapping: the field's own name is the type.
        for (key, name) in [
            ("targetAverageUtilization", "Utilization"),
            ("targetAverageValue", "AverageValue"),
            ("targetValue", "Value"),
        ] {
            if let Some((key, _)) = source.node.and_then(|n| n.get_entry(key))
                && target_type.is_none()
            {
                target_type = Some(Fact::derived(name.to_owned(), key.origin()));
            }
        }
        HpaMetric {
            origin: metric_type.origin.clone(),
            resource: self.nonempty(source.node, "name").filter(|_| is_resource),
            container: self
                .nonempty(source.node, "container")
                .filter(|_| metric_type.value == "ContainerResource"),
            target_type,
            metric_type,
        }
    }

    pub(super) fn pdb(&mut self, object: Parent<'_>) -> Pdb {
        let spec = self.parent(object, "spec");
        Pdb {
            selector: self.selector(spec.node, "selector"),
            min_available: self.share(spec.node, "minAvailable"),
            max_unavailable: self.share(spec.node, "maxUnavailable"),
            unhealthy_policy: self.nonempty(spec.node, "unhealthyPodEvictionPolicy"),
        }
    }
}
