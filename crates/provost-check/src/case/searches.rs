//! How much is looked for in one program.
//!
//! A look for a text reads the whole program. The texts come from manifests: names of variables
//! and paths of probes, of each container that runs it.

use rustc_hash::{FxHashMap, FxHashSet};

use super::binding::Bindings;
use super::{Case, ObjectId, World};
use crate::facts::workload::{Action, EnvValue};
use crate::findings::{Abstain, Reason};

/// Different texts that are looked for in one program.
const MOST_TEXTS: usize = 4096;

/// Which containers are beyond what is looked for.
#[derive(Debug, Default)]
pub(super) struct Searches {
    beyond: FxHashSet<(ObjectId, usize)>,
}

impl Searches {
    /// Counts the texts of all containers, in input order, so that the answer does not depend on
    /// which rule asks first.
    pub(super) fn new(world: &World, bindings: &Bindings) -> Self {
        let mut searches = Self::default();
        if world.binaries.is_empty() {
            return searches;
        }
        let mut texts: FxHashMap<usize, FxHashSet<&str>> = FxHashMap::default();
        for (id, object) in world.objects.iter().enumerate() {
            let Some(workload) = object.workload() else { continue };
            let bound = bindings.of(id).unwrap_or_default();
            for (index, (container, binding)) in
                workload.pod.containers.iter().zip(bound).enumerate()
            {
                let Some(binary) = binding.binary else { continue };
                let texts = texts.entry(binary).or_default();
                let literal = container
                    .env
                    .iter()
                    .filter(|entry| matches!(entry.value, EnvValue::Literal(_)));
                let paths =
                    container.probes().filter_map(|(_, probe)| match &probe.handler.action {
                        Action::HttpGet { path, .. } => Some(path.value.as_str()),
                        _ => None,
                    });
                let names = literal.map(|entry| entry.name.value.as_str());
                texts.extend(names.chain(paths).take(MOST_TEXTS + 1));
                if texts.len() > MOST_TEXTS {
                    searches.beyond.insert((id, index));
                }
            }
        }
        searches
    }
}

impl Case<'_> {
    /// Unknown when too many texts would be looked for in the program that the container runs.
    pub fn may_be_searched(&self) -> Result<(), Abstain> {
        if self.of.joined.searches.beyond.contains(&(self.of.id, self.index)) {
            let what = format!(
                "whether the program holds the container's names and paths: more than {MOST_TEXTS} \
                 are looked for"
            );
            return Err(Abstain::unknown(Reason::LimitReached, what));
        }
        Ok(())
    }
}
