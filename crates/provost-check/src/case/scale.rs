//! How many pods a workload has, and who decides that.

use super::{ObjectCase, WorkloadCase};
use crate::facts::Origin;
use crate::facts::objects::{Object, Pdb};
use crate::facts::workload::WorkloadKind;
use crate::findings::{Abstain, Reason};
use crate::model::pdb::{Budget, Replicas};
use crate::model::rolling::{self, Rolling};

impl Pdb {
    /// What the budget says. With both fields, which the API server refuses, the controller would
    /// take maxUnavailable (pkg/controller/disruption/disruption.go, getExpectedPodCount).
    pub fn budget(&self) -> Result<Budget, Abstain> {
        let known = |field: &crate::facts::Fact<crate::facts::workload::IntOrPercent>| {
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
        let shown = |fact: &crate::facts::Fact<crate::facts::workload::IntOrPercent>, name| {
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
        self.scaler_is_known()?;
        Ok(match self.hpa() {
            Some((_, hpa)) => Replicas::Scaled {
                min: clamp(hpa.min.value),
                max: hpa.max.as_ref().map_or(u32::MAX, |max| clamp(max.value)),
                written: written.is_written().then(|| clamp(written.value)),
            },
            None => Replicas::Fixed(clamp(written.value)),
        })
    }

    /// The place that decides the smallest number of pods, and what to say of it.
    pub fn scale_evidence(&self) -> Option<(Origin, String)> {
        let written = self.workload.replicas.as_ref()?;
        let basis = |fact: &crate::facts::Fact<i64>| {
            if fact.is_written() { "" } else { ", the default" }
        };
        Some(match self.hpa() {
            Some((_, hpa)) => (
                hpa.min.origin.clone(),
                format!("minReplicas {}{}", hpa.min.value, basis(&hpa.min)),
            ),
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
        let share = |fact: &crate::facts::Fact<crate::facts::workload::IntOrPercent>| {
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
            case.unpatched(&["spec/replicas", "spec/template/metadata/labels"])?;
            if let Some((hpa, _)) = case.hpa() {
                self.joined.unpatched(hpa, &["spec/minReplicas", "spec/maxReplicas"])?;
            }
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
            let closed = self.world().settings.closed_world;
            return Err(if closed {
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
