//! Whose a string is: the package of the functions that use it.

use rustc_hash::FxHashMap;

use super::Reference;
use super::image::{Header, Image};
use crate::buildinfo::BuildInfo;
use crate::pclntab::{FunctionTable, package_of};

/// Whose a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Used by the main module.
    Main,
    /// Used by a package of a dependency, and by none of the main module; its index in [`Owners`].
    Dependency(u32),
    /// Used by the standard library only.
    Std,
    /// Not known: nothing that was understood refers to it.
    Unknown,
}

/// The module paths behind [`Owner::Dependency`].
#[derive(Clone, Debug, Default)]
pub struct Owners {
    main: Option<String>,
    /// Sorted.
    dependencies: Vec<String>,
}

impl Owners {
    pub(super) fn new(build: Option<&BuildInfo<'_>>) -> Self {
        let main = build.and_then(|b| b.main_module.as_ref()).map(|m| m.path.clone().into_owned());
        let mut dependencies: Vec<String> = build
            .map(|b| b.deps.iter().map(|d| d.path.clone().into_owned()).collect())
            .unwrap_or_default();
        dependencies.sort_unstable();
        dependencies.dedup();
        Self { main, dependencies }
    }

    /// The module path of a dependency; `None` for other owners.
    pub fn module(&self, owner: Owner) -> Option<&str> {
        match owner {
            Owner::Dependency(index) => {
                self.dependencies.get(usize::try_from(index).ok()?).map(String::as_str)
            }
            _ => None,
        }
    }

    /// The owner of an import path as function names spell it (dots of the last element escaped).
    pub fn of_package(&self, package: &str) -> Owner {
        let package = &*unescape(package);
        if package == "main" || self.main.as_deref().is_some_and(|main| is_in(package, main)) {
            return Owner::Main;
        }
        // The longest module path that holds the package; modules nest.
        let mut prefix = package;
        loop {
            if let Ok(index) = self.dependencies.binary_search_by(|d| d.as_str().cmp(prefix)) {
                return Owner::Dependency(index as u32);
            }
            match prefix.rfind('/') {
                Some(slash) => prefix = prefix.get(..slash).unwrap_or_default(),
                None => break,
            }
        }
        // Import paths outside of the standard library start with a host name (cmd/go/internal/search,
        // IsStandardImportPath).
        let first = package.split('/').next().unwrap_or_default();
        if first.contains('.') { Owner::Unknown } else { Owner::Std }
    }
}

fn is_in(package: &str, module: &str) -> bool {
    package.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn unescape(package: &str) -> std::borrow::Cow<'_, str> {
    if package.contains("%2e") { package.replace("%2e", ".").into() } else { package.into() }
}

/// Whether `new` says more than `old` about whose a string is.
pub(super) fn outranks(new: Owner, old: Owner) -> bool {
    let rank = |owner| match owner {
        Owner::Main => 3,
        Owner::Dependency(_) => 2,
        Owner::Std => 1,
        Owner::Unknown => 0,
    };
    rank(new) > rank(old)
}

/// A use of an address by an owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub(super) target: u64,
    pub(super) owner: Owner,
    /// The instruction.
    pub(super) at: Option<u64>,
}

/// Every use of an address, by code directly or through headers that code refers to, sorted by target.
pub(super) fn uses(
    functions: &FunctionTable<'_>,
    mut references: Vec<Reference>,
    headers: &[Header],
    _image: &Image<'_>,
    owners: &mut Owners,
) -> Vec<Use> {
    references.sort_unstable_by_key(|r| r.at);
    let mut packages: FxHashMap<&str, Owner> = FxHashMap::default();
    let mut uses = Vec::with_capacity(references.len() + headers.len());
    let mut next = references.iter().peekable();
    for function in functions.functions() {
        let end = function.address.saturating_add(function.size);
        let mut owner = None;
        while let Some(reference) = next.peek().filter(|r| r.at < end) {
            if reference.at >= function.address {
                let owner = *owner.get_or_insert_with(|| match package_of(function.name) {
                    Some(package) => {
                        *packages.entry(package).or_insert_with(|| owners.of_package(package))
                    }
                    None => Owner::Unknown,
                });
                uses.push(Use { target: reference.target, owner, at: Some(reference.at) });
            }
            next.next();
        }
    }
    uses.sort_unstable_by_key(|u| u.target);
    let direct = uses.len();
    for header in headers {
        let first = uses.get(..direct).map_or(0, |u| u.partition_point(|u| u.target < header.at));
        let users = uses.get(first..direct).unwrap_or_default();
        let through: Vec<Use> = users
            .iter()
            .take_while(|u| u.target == header.at)
            .map(|u| Use { target: header.target, ..*u })
            .collect();
        uses.extend(through);
    }
    uses.sort_unstable_by_key(|u| u.target);
    uses
}
