//! Executables and the Dockerfiles that build them, what is linked, and who runs them.

use super::{Case, Joined, World};
use crate::facts::Origin;
use crate::facts::binary::{Binary, GoProgram};
use crate::facts::build::Build;
use crate::facts::symbols::Symbol;
use crate::findings::{Abstain, Reason};

/// The Go side of an executable, or why there is none.
pub fn go_program(binary: &Binary) -> Result<&GoProgram, Abstain> {
    use crate::facts::binary::BinaryFormat;
    match (&binary.go, &binary.format) {
        (Some(program), _) => Ok(program),
        (None, BinaryFormat::Packed(by)) => {
            Err(Abstain::unknown(Reason::Packed, format!("{} is packed by {by}", binary.path)))
        }
        (None, _) if binary.obfuscated => {
            Err(Abstain::unknown(Reason::Obfuscated, format!("{} is obfuscated", binary.path)))
        }
        (None, _) => Err(Abstain::unknown(
            Reason::NotAGoBinary,
            format!("{} holds no Go build information", binary.path),
        )),
    }
}

impl GoProgram {
    /// Whether a function is linked: its place, `None` when proved absent, or why that is unknown.
    pub fn links(&self, symbol: Symbol) -> Result<Option<&Origin>, Abstain> {
        match self.functions.found.get(&symbol) {
            Some(origin) => Ok(Some(origin)),
            None if self.obfuscated => {
                Err(Abstain::unknown(Reason::Obfuscated, format!("function {}", symbol.0)))
            }
            None if !self.functions.complete => {
                Err(Abstain::unknown(Reason::StringsUnreadable, format!("function {}", symbol.0)))
            }
            None => Ok(None),
        }
    }

    /// The first of several functions that is linked; absent only when all are proved absent.
    pub fn links_any(&self, symbols: &[Symbol]) -> Result<Option<&Origin>, Abstain> {
        let mut unknown = None;
        for symbol in symbols {
            match self.links(*symbol) {
                Ok(Some(origin)) => return Ok(Some(origin)),
                Ok(None) => {}
                Err(abstain) => unknown = Some(abstain),
            }
        }
        unknown.map_or(Ok(None), Err)
    }
}

/// One Dockerfile.
#[derive(Clone, Copy, Debug)]
pub struct BuildCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// Its index in [`World::builds`].
    pub index: usize,
    /// The Dockerfile.
    pub build: &'w Build,
}

impl<'w> BuildCase<'w> {
    /// All facts.
    pub fn world(&self) -> &'w World {
        self.joined.world
    }

    /// Containers that run an image of this Dockerfile.
    pub fn cases(&self) -> impl Iterator<Item = Case<'w>> {
        let index = self.index;
        self.joined.cases().filter(move |case| case.binding.is_some_and(|b| b.build == Some(index)))
    }

    /// The executable that this Dockerfile's image runs, when one is bound.
    pub fn binary(&self) -> Option<&'w Binary> {
        let index = self.joined.bindings.binary_of_build(self.index)?;
        self.world().binaries.get(index)
    }
}

/// One executable.
#[derive(Clone, Copy, Debug)]
pub struct ProgramCase<'w> {
    /// Everything.
    pub joined: &'w Joined<'w>,
    /// Its index in [`World::binaries`].
    pub index: usize,
    /// The executable.
    pub binary: &'w Binary,
}

impl<'w> ProgramCase<'w> {
    /// All facts.
    pub fn world(&self) -> &'w World {
        self.joined.world
    }

    /// The Go side.
    pub fn program(&self) -> Result<&'w GoProgram, Abstain> {
        go_program(self.binary)
    }

    /// Containers that run it.
    pub fn cases(&self) -> impl Iterator<Item = Case<'w>> {
        let index = self.index;
        self.joined
            .cases()
            .filter(move |case| case.binding.is_some_and(|b| b.binary == Some(index)))
    }

    /// The Dockerfile whose image runs it, when one is bound.
    pub fn build(&self) -> Option<&'w Build> {
        let joined = self.joined;
        let index = joined.bindings.build_of_binary(self.index)?;
        self.world().builds.get(index)
    }
}
