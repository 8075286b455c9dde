//! How many pods a workload has, and who decides that.

use super::{ObjectCase, WorkloadCase};
use crate::facts::document::Node;
use crate::facts::objects::{Object, Pdb};
use crate::facts::workload::WorkloadKind;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Reason};
use crate::model::pdb::{Budget, Replicas};
use crate::model::rolling::{self, Rolling};

impl Pdb {
    /// What the budget says. With both fields, which the API server refuses, the controller would
    /// take maxUnavailable (pkg/controller/disruption/disruption.go, getExpectedPodCount).
    pub fn budget(&self) -> Result<Budget, Abstain> {
        let known = |field: &Fact<crate::facts::workload::IntOrPercent>| {
            let unreadable = || Abstain::unknown(Reason::Templated, "the budget's number");
            field.value.known().ok_or_else(unreadable)
        };
        match (&self.max_unavailable, &self.min_available) {
            (Some(max), _) => Ok(Budget::MaxUnavailable(known(max)?)),
            (None, Some(min)) => Ok(Budget::MinAvailable(known(min)?)),
            (None, None) => Ok(Budget::Neither),
        }
    }

    /// The place that decides, the field's name and its text: the number, else the object's name.
    pub fn field(&self, object: &Object) -> (Origin, &'static str, String) {
        let shown = |fact: &Fact<crate::facts::workload::IntOrPercent>, name| {
            (fact.origin.clone(), name, fact.value.to_string())
        };
        match (&self.max_unavailable, &self.min_available) {
            (Some(max), _) => shown(max, "maxUnavailable"),
            (None, Some(min)) => shown(min, "minAvailable"),
            (None, None) => {
                let place = object.node().get_entry("spec").map(|(key, _)| key.origin());
                (place.unwrap_or_else(|| object.origin()), "neither field", String::new())
            }
        }
    }
}

impl<'w> WorkloadCase<'w> {
    /// Who decides the number of pods; `NotApplicable` for kinds without replicas.
    pub fn scale(&self) -> Result<Replicas, Abstain> {
        let clamp = |n: i64| u32::try_from(n.max(0)).unwrap_or(u32::MAX);
        let written = self.workload.replicas.as_ref().ok_or(Abstain::NotApplicable)?;
        let known = self.unpatched(&["spec/replicas"]);
        Ok(match self.scaler()? {
            Some(scaler) => Replicas::Scaled {
                min: clamp(scaler.min.value),
                max: scaler.max.as_ref().map_or(u32::MAX, |max| clamp(max.value)),
                // A patch takes the field away as a rule, to leave the number to the autoscaler.
                written: (known.is_ok() && written.is_written()).then(|| clamp(written.value)),
            },
            None => known.map(|()| Replicas::Fixed(clamp(written.value)))?,
        })
    }

    /// The autoscaler that decides how many pods there are; unknown when one may, and its numbers
    /// are not known.
    pub fn scaler(&self) -> Result<Option<Scaler<'w>>, Abstain> {
        self.scaler_is_known()?;
        if let Some((object, hpa)) = self.hpa() {
            self.joined.unpatched(object, &["spec/minReplicas", "spec/maxReplicas"])?;
            let (min, max) = (hpa.min.clone(), hpa.max.clone());
            return Ok(Some(Scaler { object, min, max, fields: ("minReplicas", "maxReplicas") }));
        }
        match self.scaled_objects().first() {
            Some(object) => Scaler::keda(self, object).map(Some),
            None => Ok(None),
        }
    }

    /// ScaledObjects of KEDA's that scale it and may be applied with it, in input order.
    pub(super) fn scaled_objects(&self) -> Vec<&'w Object> {
        let (joined, meta) = (self.joined, &self.object.meta);
        let kind = meta.kind.value.as_str();
        let ids = joined.made.scaled_objects(&meta.namespace.value, kind, meta.name());
        let objects = ids.iter().filter_map(|id| joined.world.objects.get(*id));
        objects.filter(|object| joined.may_be_together(self.object, object)).collect()
    }

    /// The place that decides the smallest number of pods, and what to say of it.
    pub fn scale_evidence(&self) -> Option<(Origin, String)> {
        let written = self.workload.replicas.as_ref()?;
        let basis = |fact: &Fact<i64>| {
            if fact.is_written() { "" } else { ", the default" }
        };
        Some(match self.scaler().ok()? {
            Some(Scaler { min, fields: (field, _), .. }) => {
                (min.origin.clone(), format!("{field} {}{}", min.value, basis(&min)))
            }
            None => (
                written.origin.clone(),
                format!("{}{}", pods(u64::try_from(written.value).unwrap_or(0)), basis(written)),
            ),
        })
    }

    /// The Rollout whose `workloadRef` takes the pod template from this Deployment; the
    /// Deployment's own replicas and strategy then count for nothing.
    pub fn rollout(&self) -> Option<WorkloadCase<'w>> {
        self.joined.workload(self.joined.joins.rollout_of(self.id)?)
    }

    /// The workload that holds the pod template: another one for a Rollout with a `workloadRef`.
    pub fn template(&self) -> WorkloadCase<'w> {
        let other = self.joined.joins.template_of(self.id);
        other.and_then(|id| self.joined.workload(id)).unwrap_or(*self)
    }

    /// The rolling update in numbers at `n` pods. `NotApplicable` for kinds and types that do not
    /// roll by surge and unavailability.
    pub fn rolling(&self, n: u32) -> Result<Rolling, Abstain> {
        let strategy = self.workload.strategy.as_ref().ok_or(Abstain::NotApplicable)?;
        let share = |fact: &Fact<crate::facts::workload::IntOrPercent>| {
            let unreadable = || Abstain::unknown(Reason::Templated, "the update strategy's number");
            fact.value.known().ok_or_else(unreadable)
        };
        let model = match (self.workload.kind, strategy.strategy_type.value.as_str()) {
            (WorkloadKind::Deployment, "RollingUpdate") | (WorkloadKind::Rollout, "Canary") => {
                rolling::Strategy::Rolling {
                    surge: share(&strategy.max_surge)?,
                    unavailable: share(&strategy.max_unavailable)?,
                }
            }
            (WorkloadKind::Deployment, "Recreate") => rolling::Strategy::Recreate,
            (WorkloadKind::StatefulSet, "RollingUpdate") => {
                rolling::Strategy::Ordered { unavailable: share(&strategy.max_unavailable)? }
            }
            _ => return Err(Abstain::NotApplicable),
        };
        Ok(rolling::roll(model, n))
    }
}

/// What decides the number of a workload's pods by load.
#[derive(Clone, Debug)]
pub struct Scaler<'w> {
    /// The HorizontalPodAutoscaler or ScaledObject.
    pub object: &'w Object,
    /// The fewest pods there are.
    pub min: Fact<i64>,
    /// The most.
    pub max: Option<Fact<i64>>,
    /// The fields that say so.
    pub fields: (&'static str, &'static str),
}

/// Annotations by which KEDA keeps the number that there is, or sets one, until they are taken away
/// (keda v2.21, apis/keda/v1alpha1/scaledobject_types.go).
const PAUSED: &[&str] = &[
    "autoscaling.keda.sh/paused",
    "autoscaling.keda.sh/paused-replicas",
    "autoscaling.keda.sh/paused-scale-in",
    "autoscaling.keda.sh/paused-scale-out",
    "autoscaling.keda.sh/force-activation",
];

/// `maxReplicaCount` that is not written (`defaultHPAMaxReplicas` in the same file). Without
/// `minReplicaCount` it is 0.
const KEDA_MOST: i64 = 100;

impl<'w> Scaler<'w> {
    /// What a ScaledObject says: no fewer than `idleReplicaCount` while nothing triggers, else than
    /// `minReplicaCount`. Where nothing runs while nothing triggers, what counts is the least that does.
    fn keda(case: &WorkloadCase<'w>, object: &'w Object) -> Result<Self, Abstain> {
        let fields = ["minReplicaCount", "maxReplicaCount", "idleReplicaCount"];
        let paths = fields.map(|field| format!("spec/{field}"));
        let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        paths.push("spec/scaleTargetRef");
        case.joined.unpatched(object, &paths)?;
        let by = || {
            let (subject, by) = (case.object.subject(), object.subject());
            format!("the number of pods of {subject}, which {by} decides")
        };
        if PAUSED.iter().any(|key| object.meta.annotations.get(key).is_some()) {
            return Err(Abstain::unknown(Reason::ExternalController, by()));
        }
        let spec = object.node().get("spec");
        let number = |field: &str| match spec.and_then(|spec| spec.get(field)) {
            None => Ok(None),
            Some(node) if node.is_null() => Ok(None),
            Some(node) => match node.as_i64() {
                Some(n) => Ok(Some(Fact::written(n, node.origin()))),
                None => Err(Abstain::unknown(Reason::Templated, by())),
            },
        };
        let [min, max, idle] = fields.map(number);
        let (min, max, idle) = (min?, max?, idle?);
        let place = spec.map_or_else(|| object.origin(), Node::start);
        let (field, min) = match (idle.filter(|idle| idle.value > 0), min) {
            (Some(idle), _) => ("idleReplicaCount", idle),
            (None, Some(min)) => ("minReplicaCount", min),
            (None, None) => ("minReplicaCount", Fact::defaulted(0, place.clone())),
        };
        let max = max.unwrap_or_else(|| Fact::defaulted(KEDA_MOST, place));
        Ok(Self { object, min, max: Some(max), fields: (field, "maxReplicaCount") })
    }
}

/// The pods that a disruption budget covers, over all workloads it selects.
#[derive(Debug)]
pub struct CoveredPods<'w> {
    /// The workloads that count: those with replicas, or bare pods.
    pub workloads: Vec<WorkloadCase<'w>>,
    /// The sum, at the smallest and at the steady size.
    pub replicas: Replicas,
    /// Only bare pods: nothing that has a scale.
    pub bare: bool,
}

impl<'w> ObjectCase<'w> {
    /// The pods a budget covers. Unknown where a controller's number of pods is; pods of Jobs come
    /// and go and are left out.
    pub fn covered_pods(&self) -> Result<CoveredPods<'w>, Abstain> {
        let mut covered =
            CoveredPods { workloads: Vec::new(), replicas: Replicas::Fixed(0), bare: true };
        self.joined.selection_is_known(self.id)?;
        self.joined.unpatched(
            self.object,
            &["spec/minAvailable", "spec/maxUnavailable", "spec/selector"],
        )?;
        let (mut fewest, mut steady) = (0_u32, 0_u32);
        for case in self.selected() {
            if case.workload.kind.is_batch() || case.rollout().is_some() {
                continue;
            }
            case.unpatched(&["spec/template/metadata/labels"])?;
            let counts = match (case.workload.kind, case.scale()) {
                (_, Ok(replicas)) => {
                    covered.bare = false;
                    replicas.judged()
                }
                (_, Err(unknown @ Abstain::Unknown { .. })) => return Err(unknown),
                (WorkloadKind::Pod, Err(_)) => vec![1],
                _ => {
                    let what = format!("the number of pods of {}", case.object.subject());
                    return Err(Abstain::unknown(Reason::ExternalController, what));
                }
            };
            fewest = fewest.saturating_add(counts.first().copied().unwrap_or(0));
            steady = steady.saturating_add(counts.last().copied().unwrap_or(0));
            covered.workloads.push(case);
        }
        if covered.workloads.is_empty() {
            let namespace = &self.object.meta.namespace.value;
            return Err(if self.joined.pods_are_known(namespace) {
                Abstain::NotApplicable
            } else {
                let what = format!("the pods that {} selects", self.object.subject());
                Abstain::unknown(Reason::ObjectNotInInput, what)
            });
        }
        covered.replicas = if fewest == steady {
            Replicas::Fixed(fewest)
        } else {
            Replicas::Scaled { min: fewest, max: u32::MAX, written: Some(steady) }
        };
        Ok(covered)
    }
}

/// `1 replica`, `2 replicas`
pub fn pods(n: u64) -> String {
    crate::model::quantity::counted(n, "replica")
}
