//! How much is looked for in one program.
//!
//! A look for a text reads the whole program. The texts come from manifests: names of variables and
//! of flags, and paths of probes, of each container that runs it.

use std::borrow::Cow;

use rustc_hash::{FxHashMap, FxHashSet};

use super::binding::Bindings;
use super::{Case, ObjectId, World};
use crate::facts::Body;
use crate::facts::objects::ConfigMap;
use crate::facts::workload::Action;
use crate::findings::{Abstain, Reason};
use crate::model::env::forms_of_prefix;
use crate::model::names;

/// Different texts that are looked for in one program.
const MOST_TEXTS: usize = 4096;

/// Prefixes of one container's `envFrom` that are looked for.
pub const MOST_PREFIXES: usize = 16;

/// Whether a prefix of `envFrom` is looked for: shorter ones are in every program, and no name is as long as longer ones.
pub fn is_looked_for(prefix: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    prefix.trim_end_matches('_').len() > 2 && prefix.len() < 256 && prefix.bytes().all(plain)
}

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
        let mut texts: FxHashMap<usize, FxHashSet<Cow<'_, str>>> = FxHashMap::default();
        let mut seen = FxHashSet::default();
        let mut maps: Option<FxHashMap<&str, Vec<&ConfigMap>>> = None;
        for (id, object) in world.objects.iter().enumerate() {
            let Some(workload) = object.workload() else { continue };
            let bound = bindings.of(id).unwrap_or_default();
            for (index, (container, binding)) in
                workload.pod.containers.iter().zip(bound).enumerate()
            {
                let Some(binary) = binding.binary else { continue };
                let texts = texts.entry(binary).or_default();
                let paths =
                    container.probes().filter_map(|(_, probe)| match &probe.handler.action {
                        Action::HttpGet { path, .. } => Some(path.value.as_str()),
                        _ => None,
                    });
                let variables = container.env.iter().map(|entry| entry.name.value.as_str());
                let words = [&container.command, &container.args].into_iter().flatten().flatten();
                let flags = words.filter_map(|word| names::flag(&word.value));
                texts.extend(
                    variables.chain(paths).chain(flags).take(MOST_TEXTS + 1).map(Cow::Borrowed),
                );
                let prefixes = container.env_from.iter().take(MOST_PREFIXES);
                let prefixes = prefixes.filter(|from| is_looked_for(&from.prefix));
                let forms = prefixes.flat_map(|from| forms_of_prefix(&from.prefix));
                texts.extend(forms.map(Cow::Owned));
                let scraped = workload.pod.annotations.get("prometheus.io/path");
                texts.extend(scraped.map(|path| Cow::Borrowed(path.value.as_str())));
                for from in container.env_from.iter().filter(|from| !from.secret) {
                    // Thousands of containers may name one ConfigMap.
                    let (prefix, name) = (from.prefix.as_str(), from.name.value.as_str());
                    if texts.len() > MOST_TEXTS || !seen.insert((binary, prefix, name)) {
                        continue;
                    }
                    let maps = maps.get_or_insert_with(|| config_maps(world));
                    let maps = maps.get(name).into_iter().flatten();
                    let keys = maps.flat_map(|map| map.data.iter().map(|(key, _)| key));
                    texts.extend(keys.take(MOST_TEXTS + 1).map(|key| match prefix {
                        "" => Cow::Borrowed(key),
                        prefix => Cow::Owned(format!("{prefix}{key}")),
                    }));
                }
                if texts.len() > MOST_TEXTS {
                    searches.beyond.insert((id, index));
                }
            }
        }
        searches
    }
}

/// ConfigMaps by name, in whatever namespace.
fn config_maps(world: &World) -> FxHashMap<&str, Vec<&ConfigMap>> {
    let mut all: FxHashMap<&str, Vec<&ConfigMap>> = FxHashMap::default();
    for object in &world.objects {
        if let Body::ConfigMap(map) = &object.body {
            all.entry(object.meta.name()).or_default().push(map);
        }
    }
    all
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
