//! One workload: what selects it, what scales it, and its containers.

use super::{Case, Joined, ObjectId, World};
use crate::facts::Body;
use crate::facts::objects::{Hpa, NetworkPolicy, Object, Pdb, Service};
use crate::facts::workload::{PodTemplate, Workload};
use crate::findings::{Abstain, Reason};

/// One workload.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// Its index.
    pub id: ObjectId,
    /// The object.
    pub object: &'w Object,
    /// Its typed side.
    pub workload: &'w Workload,
}

impl<'w> WorkloadCase<'w> {
    /// All facts.
    pub fn world(&self) -> &'w World {
        self.joined.world
    }

    /// The pods.
    pub fn pod(&self) -> &'w PodTemplate {
        &self.workload.pod
    }

    /// Services that select the pods, with their objects.
    pub fn services(&self) -> impl Iterator<Item = (&'w Object, &'w Service)> {
        // They come first.
        self.selecting().map_while(|object| match &object.body {
            Body::Service(service) => Some((object, &**service)),
            _ => None,
        })
    }

    /// PodDisruptionBudgets that select the pods.
    pub fn pdbs(&self) -> impl Iterator<Item = (&'w Object, &'w Pdb)> {
        self.selecting().filter_map(|object| match &object.body {
            Body::Pdb(pdb) => Some((object, &**pdb)),
            _ => None,
        })
    }

    /// NetworkPolicies that select the pods.
    pub fn network_policies(&self) -> impl Iterator<Item = (&'w Object, &'w NetworkPolicy)> {
        self.selecting().filter_map(|object| match &object.body {
            Body::NetworkPolicy(policy) => Some((object, &**policy)),
            _ => None,
        })
    }

    fn selecting(&self) -> impl Iterator<Item = &'w Object> {
        let world = self.joined.world;
        self.joined.joins.selecting(self.id).iter().filter_map(|id| world.objects.get(*id))
    }

    /// The autoscaler that targets it.
    pub fn hpa(&self) -> Option<(&'w Object, &'w Hpa)> {
        self.joined.joins.scalers(self.id).iter().find_map(|id| {
            let object = self.joined.world.objects.get(*id)?;
            match &object.body {
                Body::Hpa(hpa) => Some((object, &**hpa)),
                _ => None,
            }
        })
    }

    /// The first Service that sends it traffic, if any: "behind a Service".
    pub fn first_service(&self) -> Option<(&'w Object, &'w Service)> {
        self.services().next()
    }

    /// Replicas to judge at: with an autoscaler its minimum and the steady state, else `replicas`.
    /// Empty for kinds without replicas. See `model::pdb`.
    pub fn replica_counts(&self) -> Vec<u32> {
        self.scale().map(|scale| scale.judged()).unwrap_or_default()
    }

    /// Unknown when a kustomization of the input patches the workload, whatever it changes.
    pub fn as_applied(&self) -> Result<(), Abstain> {
        self.unpatched(&[""])
    }

    /// Unknown when one patches one of these fields of it; see [`Joined::unpatched`].
    pub fn unpatched(&self, fields: &[&str]) -> Result<(), Abstain> {
        self.joined.unpatched(self.object, fields)
    }

    /// The same of fields of the pods (`containers/env`), which each kind has elsewhere.
    pub fn pod_unpatched(&self, fields: &[&str]) -> Result<(), Abstain> {
        use crate::facts::workload::WorkloadKind;
        let pods = match self.workload.kind {
            WorkloadKind::Pod => "spec",
            WorkloadKind::CronJob => "spec/jobTemplate/spec/template/spec",
            _ => "spec/template/spec",
        };
        let fields: Vec<String> = fields.iter().map(|field| format!("{pods}/{field}")).collect();
        self.unpatched(&fields.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Unknown when it cannot be told which autoscaler is in force, or whether one is.
    pub(super) fn scaler_is_known(&self) -> Result<(), Abstain> {
        let joined = self.joined;
        let scalers = joined.joins.scalers(self.id);
        let source = |id: &ObjectId| joined.world.objects.get(*id).map(|o| o.document.source);
        if let [first, others @ ..] = scalers {
            if others.iter().any(|other| source(other) != source(first)) {
                let what = format!("the autoscaler of {}", self.object.subject());
                return Err(Abstain::unknown(Reason::Alternatives, what));
            }
            return Ok(());
        }
        let scaled = self.scaled_objects();
        if let Some((first, others)) = scaled.split_first() {
            let source = |object: &Object| object.document.source;
            let together = joined.together(self.object, first);
            if !together || others.iter().any(|other| source(other) != source(first)) {
                let what = format!("the autoscaler of {}", self.object.subject());
                return Err(Abstain::unknown(Reason::Alternatives, what));
            }
            return Ok(());
        }
        joined.nothing_passed_over(self.id, |object| matches!(object.body, Body::Hpa(_)))
    }

    /// Its containers as cases.
    pub fn into_containers(self) -> impl Iterator<Item = Case<'w>> {
        let binding = self.joined.bindings.of(self.id);
        self.workload.pod.containers.iter().enumerate().map(move |(index, container)| Case {
            of: self,
            container,
            index,
            binding: binding.and_then(|b| b.get(index)),
        })
    }

    /// The container that runs the Go program, where one was bound.
    pub fn target(self) -> Option<Case<'w>> {
        self.into_containers().find(|case| case.is_target())
    }
}
