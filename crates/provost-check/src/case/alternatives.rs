//! Whether two objects that contradict each other are applied to one cluster.
//!
//! What is applied together is certain (`case/scope.rs`). What is in folders beside each other is
//! anything: parts of one application (`k8s/cart`, `k8s/checkout`), or variants of one, of which each
//! cluster gets one (`overlays/prod`, `overlays/staging`). A match across folders is believed while nothing
//! else fits; a contradiction across folders is not, because variants contradict each other by nature.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Joined;
use super::scope::Distance;
use crate::facts::Object;
use crate::findings::{Abstain, Reason};

/// How two objects that contradict each other come to one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Applied {
    /// Together.
    Together,
    /// Nothing says so, and nothing speaks against it.
    Perhaps,
    /// One of them instead of the other, as far as can be told.
    Apart,
}

/// Words for what a deployment is for, of which a cluster has one.
const STAGES: &[&str] = &[
    "acc",
    "acceptance",
    "canary",
    "demo",
    "dev",
    "develop",
    "development",
    "int",
    "integration",
    "live",
    "local",
    "nonprod",
    "pre",
    "pre-prod",
    "preprod",
    "preview",
    "prod",
    "production",
    "qa",
    "sandbox",
    "stable",
    "stage",
    "staging",
    "test",
    "testing",
    "uat",
];

/// Pairs of folders that are compared.
const MOST: usize = 64;

/// What was found out about pairs of folders.
#[derive(Debug, Default)]
pub struct Alternatives(FxHashMap<(String, String), Option<bool>>);

impl Alternatives {
    /// How the two come to one cluster; where the input is all that the cluster has, what is no
    /// variant of the other is there with it.
    fn applied(&mut self, joined: &Joined<'_>, a: &Object, b: &Object) -> Applied {
        if joined.together(a, b) {
            return Applied::Together;
        }
        let closed = joined.world.settings.closed_world;
        let distance = joined.scope.distance(a.document.source, b.document.source);
        if distance == Distance::Apart && !closed {
            return Applied::Apart;
        }
        match self.are_variants(joined, a, b) {
            Some(true) => Applied::Apart,
            Some(false) if closed => Applied::Together,
            _ => Applied::Perhaps,
        }
    }

    /// What belongs to the first of the others that comes to one cluster with the object and is not the same
    /// one by its name; unknown where one may, and none surely does.
    pub fn beside<'o, T>(
        &mut self,
        joined: &Joined<'_>,
        object: &Object,
        others: impl Iterator<Item = (&'o Object, T)>,
    ) -> Result<Option<T>, Abstain> {
        let own = (&object.meta.namespace.value, object.meta.name());
        let is_own = |other: &Object| (&other.meta.namespace.value, other.meta.name()) == own;
        let mut perhaps = None;
        for (other, of) in others.filter(|(other, _)| !is_own(other)) {
            match self.applied(joined, other, object) {
                Applied::Together => return Ok(Some(of)),
                Applied::Perhaps => perhaps = perhaps.or(Some(other)),
                Applied::Apart => {}
            }
        }
        let Some(other) = perhaps else { return Ok(None) };
        let (kind, other) = (&object.meta.kind.value, other.meta.name());
        let what = format!("whether {kind} {other} and {} are applied together", own.1);
        Err(Abstain::unknown(Reason::Alternatives, what))
    }

    /// Whether the folders of two objects hold variants of one thing; `None` where too many folders
    /// would have to be compared.
    fn are_variants(&mut self, joined: &Joined<'_>, a: &Object, b: &Object) -> Option<bool> {
        let path = |object: &Object| {
            let path = &joined.world.sources.get(object.document.source).path;
            path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()
        };
        let (mut left, mut right) = parted(&path(a), &path(b));
        if left > right {
            (left, right) = (right, left);
        }
        if self.0.len() >= MOST && !self.0.contains_key(&(left.clone(), right.clone())) {
            return None;
        }
        let found = || Some(hold_variants(joined, &left, &right));
        *self.0.entry((left.clone(), right.clone())).or_insert_with(found)
    }
}

/// Where two folders part: each with its first part of its own.
fn parted(a: &str, b: &str) -> (String, String) {
    let same = a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).count();
    let side = |path: &str| path.split('/').take(same + 1).collect::<Vec<_>>().join("/");
    (side(a), side(b))
}

fn hold_variants(joined: &Joined<'_>, left: &str, right: &str) -> bool {
    let last = |path: &'_ str| path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let is_stage = |path| STAGES.contains(&last(path).as_str());
    if is_stage(left) && is_stage(right) {
        return true;
    }
    let world = joined.world;
    let below =
        |path: &str, side: &str| path.strip_prefix(side).is_some_and(|rest| rest.starts_with('/'));
    // One object, once in each.
    let mut names: [FxHashSet<(&str, &str, &str)>; 2] = Default::default();
    for object in &world.objects {
        let path = &world.sources.get(object.document.source).path;
        let meta = &object.meta;
        let key = (meta.kind.value.as_str(), meta.namespace.value.as_str(), meta.name());
        let side = [left, right].iter().position(|side| below(path, side));
        if let Some(names) = side.and_then(|side| names.get_mut(side)) {
            names.insert(key);
        }
    }
    let [of_left, of_right] = &names;
    if of_left.iter().any(|key| of_right.contains(key)) {
        return true;
    }
    // Two kustomizations that are built upon one base.
    let mut builds: [FxHashSet<u32>; 2] = Default::default();
    for (_, source) in world.sources.iter() {
        let side = [left, right].iter().position(|side| below(&source.path, side));
        if let Some(builds) = side.and_then(|side| builds.get_mut(side)) {
            builds.extend(&source.kustomized.by);
        }
    }
    let [of_left, of_right] = &builds;
    world.sources.iter().any(|(_, source)| {
        let reached = |builds: &FxHashSet<u32>| {
            source.kustomized.by.iter().any(|build| builds.contains(build))
        };
        reached(of_left) && reached(of_right)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::artifact::{Source, SourceKind, Sources};
    use crate::case::World;
    use crate::facts::settings::Settings;

    fn variants(files: &[(&str, &[u32])], left: &str, right: &str) -> bool {
        let mut sources = Sources::default();
        for (path, kustomizations) in files {
            let mut source = Source::text(*path, SourceKind::Manifest, Arc::from(""));
            source.kustomized.by = kustomizations.to_vec();
            sources.add(source);
        }
        let world = World::new(sources, Settings::at(jiff::civil::date(2026, 11, 26)));
        hold_variants(&Joined::new(&world), left, right)
    }

    #[test]
    fn kustomizations_upon_one_base_are_variants() {
        let base = ("stock/base/service.yaml", &[0, 1, 2][..]);
        let (one, two) = (("stock/one/route.yaml", &[1][..]), ("stock/two/route.yaml", &[2][..]));
        assert!(variants(&[base, one, two], "stock/one", "stock/two"));
        // Two kustomizations that have nothing in common.
        assert!(!variants(&[one, two], "stock/one", "stock/two"));
        // And folders that begin alike.
        assert!(!variants(&[base, ("stock/ones/route.yaml", &[1]), two], "stock/one", "stock/two"));
    }

    #[test]
    fn folders_of_stages_are_variants() {
        assert!(variants(&[], "deploy/prod", "deploy/staging"));
        assert!(!variants(&[], "deploy/prod", "deploy/cart"));
    }

    #[test]
    fn folders_part_at_the_first_part_that_differs() {
        let sides = |a, b| parted(a, b);
        assert_eq!(sides("k8s/prod", "k8s/dev"), ("k8s/prod".to_owned(), "k8s/dev".to_owned()));
        assert_eq!(
            sides("k8s/prod/shop", "k8s/dev/shop"),
            ("k8s/prod".to_owned(), "k8s/dev".to_owned())
        );
        assert_eq!(sides("a", "b"), ("a".to_owned(), "b".to_owned()));
    }
}
