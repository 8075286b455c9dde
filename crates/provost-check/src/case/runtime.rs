//! Variables that the Go runtime reads, as the container sets them.

use goformats::godebug::{self, Godebug, Release};

use super::Case;
use super::env::{EnvSource, Variable};
use super::limits::linked;
use crate::facts::binary::GoProgram;
use crate::facts::symbols;
use crate::facts::{Fact, Origin};
use crate::findings::{Abstain, Finding, Fix, Reason};
use crate::model::gogc::{self, Gogc};
use crate::model::memlimit::{self, Linked};
use crate::model::text::shown;

/// A variable with a known value.
#[derive(Clone, Debug)]
pub struct RuntimeVariable {
    /// `GOMEMLIMIT`
    pub name: &'static str,
    /// The value the process sees.
    pub value: String,
    /// Who sets it and where.
    pub variable: Variable,
}

impl RuntimeVariable {
    /// The value with its place.
    pub fn fact(&self) -> Fact<String> {
        Fact::written(self.value.clone(), self.variable.origin.clone())
    }

    /// Where the value stands.
    pub fn origin(&self) -> &Origin {
        &self.variable.origin
    }

    /// Whether the kubelet computes it: `resourceFieldRef`.
    pub fn is_computed(&self) -> bool {
        self.variable.resource.is_some()
    }

    /// `GOMEMLIMIT "512Mi"`; values that are unreadable in a sentence are shortened.
    pub fn shown(&self) -> String {
        format!("{} {}", self.name, quoted(&self.value))
    }
}

/// A value as a message shows it: quoted, escaped, cut after 60 characters.
pub fn quoted(value: &str) -> String {
    let mut cut = shown(value);
    if cut.len() < value.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

impl Case<'_> {
    /// A runtime variable as the process sees it: `None` when it certainly is not set. Not known
    /// when it comes from a Secret, from an object that is not in the input, or when a template
    /// that nobody rendered stands in its place.
    pub fn runtime_variable(&self, name: &'static str) -> Result<Option<RuntimeVariable>, Abstain> {
        if !self.may_set(name) {
            return Ok(None);
        }
        let env = self.environment();
        let Some(variable) = env.get(name)? else { return Ok(None) };
        let value = variable.value.clone()?;
        // `{{ .Values.x }}` of a chart and `${X}` of Flux, envsubst and their like.
        if value.contains("{{") || value.contains("${") {
            return Err(Abstain::unknown(Reason::Templated, format!("env {name}")));
        }
        Ok(Some(RuntimeVariable { name, value, variable: variable.clone() }))
    }

    /// Whether any source of the environment could set the name. Most containers set no runtime
    /// variable, and a dozen rules ask for each: this keeps them from composing the environment.
    fn may_set(&self, name: &str) -> bool {
        let container = self.container;
        let in_image = || {
            self.image().is_ok_and(|image| image.config().env.iter().any(|(n, _)| n.value == name))
        };
        !container.env_from.is_empty()
            || container.env.iter().any(|entry| entry.name.value == name)
            || in_image()
    }

    /// Adds to a finding about `variable` how its value comes into the container, when it stands
    /// somewhere else: in a ConfigMap, an annotation, the image.
    #[must_use]
    pub fn show_entry(&self, variable: &RuntimeVariable, finding: Finding) -> Finding {
        let Variable { origin, entry, source, .. } = &variable.variable;
        if *source == EnvSource::Image {
            let label = format!("sets no {} of its own: the image's is in force", variable.name);
            return finding.also(self.container_origin(), label);
        }
        let inside = origin.source() == entry.source()
            && match (entry.span(), origin.span()) {
                (Some(entry), Some(origin)) => entry.contains(origin),
                _ => false,
            };
        if inside {
            finding
        } else {
            finding.also(entry, format!("{} comes into the container here", variable.name))
        }
    }

    /// The edit that gives `variable` another value; none where the kubelet computes it.
    pub fn rewrite(&self, fix: Fix, variable: &RuntimeVariable, new: &str) -> Fix {
        if variable.is_computed() {
            return fix;
        }
        self.world().rewrite(fix, variable.origin(), &variable.value, new)
    }

    /// The edit that removes `variable` from the container's `env`; none where it stands elsewhere.
    pub fn unset(&self, fix: Fix, variable: &RuntimeVariable) -> Fix {
        let own = self.container.env.iter().any(|e| e.origin == variable.variable.entry);
        if own { self.world().remove_entry(fix, &variable.variable.entry) } else { fix }
    }

    /// GODEBUG when it is set and not empty. `NotApplicable` when it certainly is not.
    pub fn godebug(&self) -> Result<GodebugVariable<'_>, Abstain> {
        let variable = self.runtime_variable("GODEBUG")?.filter(|v| !v.value.is_empty());
        let variable = variable.ok_or(Abstain::NotApplicable)?;
        let program = self.program();
        Ok(GodebugVariable { variable, program })
    }
}

/// GODEBUG of a container and the program that reads it, where that is known.
#[derive(Debug)]
pub struct GodebugVariable<'w> {
    /// The variable.
    pub variable: RuntimeVariable,
    /// The program, or why it is not known.
    pub program: Result<&'w GoProgram, Abstain>,
}

impl GodebugVariable<'_> {
    /// Releases to judge for: the program's, else all that the table was read from.
    pub fn releases(&self) -> Vec<Release> {
        match &self.program {
            Ok(program) => vec![Release::from(&program.version.value)],
            Err(_) => godebug::releases().collect(),
        }
    }

    /// The value as each of [`Self::releases`] reads it; never empty.
    pub fn readings(&self) -> Vec<Godebug<'_>> {
        let value = &self.variable.value;
        self.releases().into_iter().map(|release| godebug::parse(value, release)).collect()
    }
}

impl Case<'_> {
    /// The memory limit the runtime works with, from GOMEMLIMIT or automemlimit. Needs the program
    /// unless GOMEMLIMIT is set, which keeps automemlimit from doing anything.
    pub fn effective_memory_limit(&self) -> Result<memlimit::Effective, Abstain> {
        let variable = self.runtime_variable("GOMEMLIMIT")?;
        let text = variable.as_ref().map(|variable| variable.value.as_str());
        let limit = match self.memory_limit() {
            Ok(limit) => Some(limit.value),
            Err(Abstain::NotApplicable) => None,
            Err(unknown) => return Err(unknown),
        };
        let program = self.program();
        let (go, automemlimit) = match (&program, text) {
            (Ok(program), _) => (Some(&program.version.value), automemlimit(program)?),
            (Err(_), Some(_)) => (None, Linked::Absent),
            (Err(unknown), None) => return Err(unknown.clone()),
        };
        let env = self.runtime_variable("AUTOMEMLIMIT")?;
        Ok(memlimit::effective(&memlimit::Inputs {
            go,
            gomemlimit: text,
            automemlimit,
            automemlimit_env: env.as_ref().map(|variable| variable.value.as_str()),
            limit,
        }))
    }

    /// Whether the program may set a memory limit by itself. A plain function that only programs
    /// have which name it.
    pub fn may_set_memory_limit(&self) -> Result<bool, Abstain> {
        let setters = [symbols::SET_MEMORY_LIMIT, symbols::SET_MEMORY_LIMIT_INNER];
        let program = self.program()?;
        Ok(automemlimit(program)? == Linked::Absent && program.links_any(&setters)?.is_some())
    }

    /// GOGC as the runtime reads it: 100 when it is not set or not readable.
    pub fn gogc(&self) -> Result<(Option<RuntimeVariable>, Gogc), Abstain> {
        let Some(variable) = self.runtime_variable("GOGC")? else {
            return Ok((None, Gogc::Percent(gogc::DEFAULT)));
        };
        let version = self.known_program().map(|program| &program.version.value);
        let read = gogc::parse(&variable.value, version).unwrap_or(Gogc::Percent(gogc::DEFAULT));
        Ok((Some(variable), read))
    }
}

/// How automemlimit is linked.
pub fn automemlimit(program: &GoProgram) -> Result<Linked, Abstain> {
    let set = [symbols::AUTOMEMLIMIT_SET, symbols::AUTOMEMLIMIT_SET_RATIO];
    linked(program, symbols::AUTOMEMLIMIT_INIT, &set)
}
