//! Whose a string is: the package of the functions that use it.

use std::num::NonZeroU64;

use rustc_hash::FxHashMap;

use super::Reference;
use super::image::{Header, Pointer};
use crate::buildinfo::BuildInfo;
use crate::pclntab::{FunctionTable, package_of};
use crate::radix;

/// Whose a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// The instruction; none is at address 0.
    pub(super) at: Option<NonZeroU64>,
}

/// Every use of an address, by code directly or through headers in data that code refers to, sorted by target.
pub(super) fn uses(
    functions: &FunctionTable<'_>,
    references: Vec<Reference>,
    headers: &[Header],
    pointers: &[Pointer],
    owners: &Owners,
) -> Vec<Use> {
    let mut uses = by_code(functions, references, owners);
    let variables = Variables::new(&uses, pointers);
    uses.reserve_exact(headers.len());
    uses.extend(headers.iter().map(|header| {
        let (owner, at) = variables.owner(header.at);
        Use { target: header.target, owner, at }
    }));
    radix::sort(&mut uses, |u| u.target);
    uses
}

/// Uses by code, one of each owner, sorted by target.
fn by_code(
    functions: &FunctionTable<'_>,
    mut references: Vec<Reference>,
    owners: &Owners,
) -> Vec<Use> {
    references.sort_unstable_by_key(|r| r.at);
    let mut packages: FxHashMap<&str, Owner> = FxHashMap::default();
    let mut functions = functions.functions();
    let mut function = functions.next();
    let mut owner = None;
    // A large program has a million of them: the uses take the room of the references, being no larger.
    let mut uses: Vec<Use> = references
        .into_iter()
        .filter_map(|reference| {
            while function
                .as_ref()
                .is_some_and(|f| f.address.saturating_add(f.size) <= reference.at)
            {
                function = functions.next();
                owner = None;
            }
            let function = function.as_ref().filter(|f| f.address <= reference.at)?;
            let owner = *owner.get_or_insert_with(|| match package_of(function.name) {
                Some(package) => {
                    *packages.entry(package).or_insert_with(|| owners.of_package(package))
                }
                None => Owner::Unknown,
            });
            Some(Use { target: reference.target, owner, at: NonZeroU64::new(reference.at) })
        })
        .collect();
    // One instruction of each owner tells as much as all of them.
    radix::sort(&mut uses, |u| u.target);
    // They come in the order of the code, where functions of an owner mostly stand together.
    uses.dedup_by_key(|u| (u.target, u.owner));
    for same in uses.chunk_by_mut(|a, b| a.target == b.target) {
        same.sort_unstable_by_key(|u| (u.owner, u.at));
    }
    uses.dedup_by_key(|u| (u.target, u.owner));
    uses.shrink_to_fit();
    uses
}

/// The variables of a program, told apart by what refers to them: dead ones were not linked, so every variable is
/// referred to by code or by a pointer in another one, nearly always at its start.
pub(super) struct Variables {
    /// Sorted by start, each once.
    all: Vec<Use>,
    /// How many start before each part of the addresses from the first on, of which there are about as many as
    /// variables: a million of them is looked up in places far from each other.
    before: Vec<u32>,
    /// Bits of an address within its part.
    part_bits: u32,
}

/// How many pointers may stand between code and a variable: a slice's header, its array, a pointer in it, and so on.
const DEPTH: usize = 6;

impl Variables {
    /// Those of a program.
    pub(super) fn of(
        functions: &FunctionTable<'_>,
        references: Vec<Reference>,
        pointers: &[Pointer],
        owners: &Owners,
    ) -> Self {
        Self::new(&by_code(functions, references, owners), pointers)
    }

    /// `uses` are sorted by target.
    fn new(uses: &[Use], pointers: &[Pointer]) -> Self {
        // A large program has millions of pointers to far fewer variables, so the targets are told apart while they are
        // small, and the list is made as large as it will be.
        let mut targets: Vec<u64> = pointers.iter().map(|p| p.target).collect();
        radix::sort(&mut targets, |target| *target);
        targets.dedup();
        let used = || uses.chunk_by(|a, b| a.target == b.target);
        let mut all = Vec::with_capacity(used().count() + targets.len());
        // The standard library imports no dependency, and a dependency not the main module. So of all who use a variable
        // the one deepest in that order defined it.
        let depth = |owner| match owner {
            Owner::Std => 0,
            Owner::Dependency(_) => 1,
            Owner::Main => 2,
            Owner::Unknown => 3,
        };
        let unused = |target| Use { target, owner: Owner::Unknown, at: None };
        let mut targets = targets.into_iter().peekable();
        for same in used() {
            let Some(first) = same.iter().min_by_key(|u| (depth(u.owner), u.at)) else { continue };
            while let Some(target) = targets.next_if(|target| *target < first.target) {
                all.push(unused(target));
            }
            targets.next_if_eq(&first.target);
            all.push(*first);
        }
        all.extend(targets.map(unused));
        let mut variables = Self::sorted(all);
        // Which variable points at which: looked up once, for the pointers that can tell something.
        let mut edges: Vec<(u32, u32)> = Vec::new();
        for pointer in pointers {
            let unknown =
                |i: &usize| variables.all.get(*i).is_some_and(|v| v.owner == Owner::Unknown);
            if let Some(to) = variables.index(pointer.target).filter(unknown)
                && let Some(from) = variables.index(pointer.at)
                && let (Ok(from), Ok(to)) = (u32::try_from(from), u32::try_from(to))
                && from != to
            {
                edges.push((from, to));
            }
        }
        for _ in 0..DEPTH {
            let before = edges.len();
            edges.retain(|&(from, to)| {
                let known = variables.all.get(from as usize).copied();
                let Some(known) = known.filter(|v| v.owner != Owner::Unknown) else {
                    return true;
                };
                if let Some(variable) = variables.all.get_mut(to as usize)
                    && variable.owner == Owner::Unknown
                {
                    (variable.owner, variable.at) = (known.owner, known.at);
                }
                false
            });
            if edges.len() == before {
                break;
            }
        }
        variables
    }

    /// Of variables that are sorted by start.
    fn sorted(all: Vec<Use>) -> Self {
        let first = all.first().map_or(0, |v| v.target);
        let span = all.last().map_or(0, |v| v.target - first);
        let part_bits = u64::BITS - (span / all.len().max(1) as u64).leading_zeros();
        let part = |v: &Use| ((v.target - first) >> part_bits) as usize;
        let mut before = vec![0; all.last().map_or(0, part) + 2];
        for (number, variable) in (1..).zip(&all) {
            // The last of a part is the number of those before the next.
            before[part(variable) + 1] = number;
        }
        let mut most = 0;
        for number in &mut before {
            most = most.max(*number);
            *number = most;
        }
        Self { all, before, part_bits }
    }

    /// The variable that holds an address.
    fn index(&self, address: u64) -> Option<usize> {
        let first = self.all.first()?.target;
        let part = usize::try_from(address.checked_sub(first)? >> self.part_bits).ok()?;
        let part = part.min(self.before.len() - 2);
        let (start, end) = (self.before[part] as usize, self.before[part + 1] as usize);
        let within = self.all.get(start..end)?.partition_point(|v| v.target <= address);
        (start + within).checked_sub(1)
    }

    /// Whose the variable at an address is, and an instruction that refers to it.
    pub(super) fn owner(&self, address: u64) -> (Owner, Option<NonZeroU64>) {
        self.index(address)
            .and_then(|index| self.all.get(index))
            .map_or((Owner::Unknown, None), |variable| (variable.owner, variable.at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_variable_that_holds_an_address_is_the_last_before_it(
            starts in prop_oneof![
                prop::collection::btree_set(any::<u64>(), 0..40),
                prop::collection::btree_set(0x40_0000u64..0x40_0400, 0..400),
            ],
            addresses in prop::collection::vec(prop_oneof![any::<u64>(), 0x3f_fff0u64..0x40_0410], 40),
        ) {
            let unknown = |&target| Use { target, owner: Owner::Unknown, at: None };
            let variables = Variables::sorted(starts.iter().map(unknown).collect());
            for address in addresses.iter().chain(&starts) {
                let expected = starts.range(..=address).count().checked_sub(1);
                prop_assert_eq!(variables.index(*address), expected, "{:#x}", address);
            }
        }
    }
}
