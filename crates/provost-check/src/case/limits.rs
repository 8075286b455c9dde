//! What bounds a container, and what its Go runtime is told about it.

use goformats::godebug;

use super::Case;
use super::resources::Supplied;
use super::runtime::RuntimeVariable;
use crate::facts::binary::GoProgram;
use crate::facts::placeholders::is_placeholder;
use crate::facts::symbols::{self, Symbol};
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Reason};
use crate::model::gomaxprocs;
use crate::model::memlimit::{self, Linked, MemLimit};
use crate::model::qos::Class;
use crate::model::quantity::{Bytes, Millicores};

impl Case<'_> {
    /// The memory limit of the container, else of the pod, else the one that a LimitRange supplies.
    /// `NotApplicable` when there is none; a limit of 0 is none.
    pub fn memory_limit(&self) -> Result<Fact<Bytes>, Abstain> {
        let own = self.container.resources.limits.memory.as_ref();
        let pod = || self.pod().resources.as_ref()?.limits.memory.as_ref();
        let limit = match own.or_else(pod) {
            Some(written) => {
                let amount = written.amount.ok_or_else(|| malformed(&written.text))?;
                Fact::written(amount, written.text.origin.clone())
            }
            None => {
                let supplied = self.of.supplied(Supplied::Limit, "memory")?;
                supplied.ok_or(Abstain::NotApplicable)?.map(|amount| amount.bytes())
            }
        };
        if limit.value.0 == 0 {
            return Err(Abstain::NotApplicable);
        }
        Ok(limit)
    }

    /// The CPU limit of the container, else of the pod, else the one that a LimitRange supplies.
    /// `NotApplicable` when there is none; a limit of 0 is none.
    pub fn cpu_limit(&self) -> Result<Fact<Millicores>, Abstain> {
        let own = self.container.resources.limits.cpu.as_ref();
        let pod = || self.pod().resources.as_ref()?.limits.cpu.as_ref();
        let limit = match own.or_else(pod) {
            Some(written) => {
                let amount = written.amount.ok_or_else(|| malformed(&written.text))?;
                Fact::written(amount, written.text.origin.clone())
            }
            None => {
                let supplied = self.of.supplied(Supplied::Limit, "cpu")?;
                supplied.ok_or(Abstain::NotApplicable)?.map(|amount| amount.millicores())
            }
        };
        if limit.value.0 == 0 {
            return Err(Abstain::NotApplicable);
        }
        Ok(limit)
    }

    /// The CPU limit where the kernel enforces it: not when `[cluster] cfs_quota` is false.
    pub fn cpu_quota(&self) -> Result<Fact<Millicores>, Abstain> {
        match &self.settings().cluster.cfs_quota {
            Some(enforced) if !enforced.value => Err(Abstain::NotApplicable),
            _ => self.cpu_limit(),
        }
    }

    /// Whether the container owns whole CPUs, so that no quota throttles it: static CPU manager,
    /// class Guaranteed, whole number of CPUs.
    pub fn has_exclusive_cpus(&self) -> bool {
        self.settings().cluster.static_cpu_manager
            && self.cpu_limit().is_ok_and(|limit| limit.value.is_whole())
            && self.of.qos() == Class::Guaranteed
    }

    /// GOMEMLIMIT as set and as the runtime reads it. `NotApplicable` when it is certainly not set,
    /// when the program is too old to read it, or when the runtime ends over it (that is
    /// `malformed-gomemlimit`).
    pub fn gomemlimit(&self) -> Result<(RuntimeVariable, MemLimit), Abstain> {
        let variable = self.runtime_variable("GOMEMLIMIT")?.ok_or(Abstain::NotApplicable)?;
        let version = self.known_program().map(|program| &program.version.value);
        if version.is_some_and(|version| !version.has_features_of(19)) {
            return Err(Abstain::NotApplicable);
        }
        match memlimit::parse(&variable.value, version) {
            Ok(value) => Ok((variable, value)),
            Err(_) => Err(Abstain::NotApplicable),
        }
    }

    /// The number of threads that run Go code at once, and who decides it. Needs the binary.
    pub fn gomaxprocs(&self) -> Result<gomaxprocs::Effective, Abstain> {
        let program = self.program()?;
        let text = self.runtime_variable("GOMAXPROCS")?;
        let limit = match self.cpu_quota() {
            Ok(limit) => Some(limit.value),
            Err(Abstain::NotApplicable) => None,
            Err(unknown) => return Err(unknown),
        };
        let cluster = &self.settings().cluster;
        Ok(gomaxprocs::effective(&gomaxprocs::Inputs {
            go: &program.version.value,
            env: text.as_ref().map(|variable| variable.value.as_str()),
            automaxprocs: linked(
                program,
                symbols::AUTOMAXPROCS_INIT,
                &[symbols::AUTOMAXPROCS_SET],
            )?,
            containermaxprocs: self.godebug_integer("containermaxprocs")?.unwrap_or(1) > 0,
            updatemaxprocs: self.godebug_integer("updatemaxprocs")?.unwrap_or(1) > 0,
            limit,
            node_cpus: cluster.node_cpus.as_ref().map(|fact| fact.value),
            exclusive_cpus: self.has_exclusive_cpus(),
        }))
    }

    /// The value of a GODEBUG key that is an integer: from the environment, else from the
    /// binary's DefaultGODEBUG; `None` when neither sets it.
    pub fn godebug_integer(&self, key: &str) -> Result<Option<i64>, Abstain> {
        let program = self.program()?;
        if let Some(text) = self.runtime_variable("GODEBUG")? {
            let parsed = godebug::parse(&text.value, &program.version.value);
            if let Some(value) = parsed.integer(key) {
                return Ok(Some(value));
            }
        }
        Ok(program.default_godebug(key).and_then(|value| value.value.parse().ok()))
    }

    /// Where to point when something is missing from the container's `env`: its name.
    pub fn container_origin(&self) -> &Origin {
        &self.container.origin
    }
}

/// A quantity that does not parse: the amount is not known. One that is no template's is told by
/// `rejected-by-api-server`; a limit that is meant to be there is not the same as none.
fn malformed(text: &Fact<String>) -> Abstain {
    let reason = if is_placeholder(&text.value) { Reason::Templated } else { Reason::Malformed };
    Abstain::unknown(reason, format!("quantity {}", text.value))
}

/// How a library that sets a limit by itself is linked.
pub fn linked(program: &GoProgram, init: Symbol, set: &[Symbol]) -> Result<Linked, Abstain> {
    if program.links(init)?.is_some() {
        return Ok(Linked::Init);
    }
    Ok(if program.links_any(set)?.is_some() { Linked::SetOnly } else { Linked::Absent })
}
