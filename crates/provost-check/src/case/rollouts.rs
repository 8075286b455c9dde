//! Which Rollout uses which analysis, and what its arguments come to.

use std::collections::HashSet;

use rustc_hash::FxHashMap;

use super::joins::Joins;
use super::scope::Scope;
use super::{Case, Joined, ObjectCase, ObjectId, WorkloadCase, World};
use crate::facts::rollout::{
    Analysis, AnalysisUse, ArgValue, Metric, Rollout, TemplateRef, UseKind,
};
use crate::facts::{Body, Object};
use crate::model::promql::Query;

/// A place where a template is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedAt {
    /// The Rollout.
    pub rollout: ObjectId,
    /// Its place in [`Rollout::uses`].
    pub index: usize,
}

/// More uses of one template are not looked at: what is wrong with it is told by a few.
pub const MOST_USES: usize = 32;

/// More templates of one use are not looked at.
const MOST_COMBINED: usize = 64;

/// The joins between Rollouts and analyses.
#[derive(Debug, Default)]
pub struct Rollouts {
    uses: FxHashMap<ObjectId, Vec<UsedAt>>,
}

impl Rollouts {
    /// Computes them.
    pub fn new(world: &World, joins: &Joins<'_>, scope: &Scope) -> Self {
        let mut rollouts = Self::default();
        for (id, object) in world.objects.iter().enumerate() {
            let Some(rollout) = rollout_of(object) else { continue };
            for (index, (used, _)) in rollout.uses().iter().enumerate() {
                let used_at = UsedAt { rollout: id, index };
                let mut seen = HashSet::new();
                let mut open: Vec<ObjectId> = Vec::new();
                for reference in &used.templates {
                    open.extend(template(world, joins, scope, object, reference));
                }
                // Templates may name templates, and each other.
                while let Some(found) = open.pop() {
                    if seen.len() >= MOST_COMBINED || !seen.insert(found) {
                        continue;
                    }
                    let uses = rollouts.uses.entry(found).or_default();
                    if uses.len() < MOST_USES {
                        uses.push(used_at);
                    }
                    let object = &world.objects[found];
                    if let Body::Analysis(analysis) = &object.body {
                        for reference in &analysis.templates {
                            open.extend(template(world, joins, scope, object, reference));
                        }
                    }
                }
            }
        }
        rollouts
    }

    /// Where a template is used; at most [`MOST_USES`].
    pub fn of(&self, template: ObjectId) -> &[UsedAt] {
        self.uses.get(&template).map_or(&[], Vec::as_slice)
    }
}

fn rollout_of(object: &Object) -> Option<&Rollout> {
    object.workload()?.rollout.as_deref()
}

/// The template that a reference of `from` names, where there is just one.
fn template(
    world: &World,
    joins: &Joins<'_>,
    scope: &Scope,
    from: &Object,
    reference: &TemplateRef,
) -> Option<ObjectId> {
    let namespace = if reference.cluster { "" } else { from.meta.namespace.value.as_str() };
    let found =
        joins.named_from(world, scope, from, namespace, reference.kind(), &reference.name.value);
    match *found {
        [only] => Some(only),
        _ => None,
    }
}

/// One use of a template, seen from the template.
#[derive(Clone, Copy, Debug)]
pub struct Use<'w> {
    /// The Rollout.
    pub rollout: WorkloadCase<'w>,
    /// Its strategy.
    pub strategy: &'w Rollout,
    /// Where in it.
    pub used: &'w AnalysisUse,
    /// When it runs.
    pub kind: UseKind,
}

/// What an argument of a query comes to, as far as the use tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved<'w> {
    /// This text.
    Text(&'w str),
    /// The hash of the new version's pods.
    LatestHash,
    /// The hash of the stable version's pods.
    StableHash,
    /// Known when it runs.
    Unknown,
}

impl<'w> Use<'w> {
    /// The argument of a template by name: what the use hands over, else what the template says.
    pub fn arg(&self, analysis: &'w Analysis, name: &str) -> Resolved<'w> {
        let handed = self.used.args.iter().find(|arg| arg.name.value == name);
        let value = handed.or_else(|| analysis.arg(name)).map(|arg| &arg.value);
        match value {
            Some(ArgValue::Text(text)) => Resolved::Text(&text.value),
            Some(ArgValue::LatestHash) => Resolved::LatestHash,
            Some(ArgValue::StableHash) => Resolved::StableHash,
            Some(ArgValue::Elsewhere | ArgValue::Missing) | None => Resolved::Unknown,
        }
    }

    /// The container whose program the rollout is about.
    pub fn target(&self) -> Option<Case<'w>> {
        self.rollout.template().target()
    }
}

/// Names of the arguments that a text takes: `a` and `b` of `{{args.a}}-{{ args.b }}`.
pub fn args_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| {
        let (inner, _) = rest.split_once("}}")?;
        inner.trim().strip_prefix("args.")
    })
}

impl<'w> ObjectCase<'w> {
    /// The analysis, if the object is one and has a name: a part of one in a manual has none.
    pub fn analysis(&self) -> Option<&'w Analysis> {
        match &self.object.body {
            Body::Analysis(analysis) if self.object.meta.name.is_some() => Some(analysis),
            _ => None,
        }
    }

    /// Rollouts that use the template, at most [`MOST_USES`].
    pub fn uses(&self) -> impl Iterator<Item = Use<'w>> {
        let joined = self.joined;
        joined.rollouts.of(self.id).iter().filter_map(move |used| joined.used(*used))
    }

    /// The queries to Prometheus of the analysis, each read.
    pub fn queries(&self) -> Vec<Measured<'w>> {
        let metrics = self.analysis().map_or(&[][..], |analysis| &analysis.metrics);
        let read = |metric: &'w Metric| {
            let text = metric.query.as_ref()?;
            Some(Measured { metric, text, query: Query::read(&text.value) })
        };
        metrics.iter().filter_map(read).collect()
    }
}

/// A metric with its query.
#[derive(Debug)]
pub struct Measured<'w> {
    /// The metric.
    pub metric: &'w Metric,
    /// The query as written.
    pub text: &'w crate::facts::Fact<String>,
    /// What was read of it.
    pub query: Query,
}

impl<'w> Joined<'w> {
    fn used(&'w self, at: UsedAt) -> Option<Use<'w>> {
        let rollout = self.workload(at.rollout)?;
        let strategy = rollout.workload.rollout.as_deref()?;
        let (used, kind) = strategy.uses().get(at.index).copied()?;
        Some(Use { rollout, strategy, used, kind })
    }

    /// The template that a reference of `from` names, where there is just one.
    pub fn analysis_template(
        &'w self,
        from: &Object,
        reference: &TemplateRef,
    ) -> Option<ObjectCase<'w>> {
        let id = template(self.world, &self.joins, &self.scope, from, reference)?;
        Some(ObjectCase::new(self, id, self.world.objects.get(id)?))
    }
}

impl<'w> WorkloadCase<'w> {
    /// The strategy, if it is a Rollout of Argo's.
    pub fn strategy(&self) -> Option<&'w Rollout> {
        self.workload.rollout.as_deref()
    }

    /// Whether a Rollout has a name and pods, or names who has them: a patch, or the part of one in
    /// a manual, has neither.
    pub fn is_whole_rollout(&self) -> bool {
        let pods = !self.workload.pod.containers.is_empty() || self.workload.workload_ref.is_some();
        self.object.meta.name.is_some() && pods
    }
}
