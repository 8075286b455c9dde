//! What the process depends on: which variables tell it of that, and what a stub could not do for it.

use provost_check::facts::proof::{Dependency, PhaseName, Proof, Terms};

use super::environment::Given;
use super::settings::names_port;
use crate::args::ProveArgs;
use crate::exit::Mistake;

/// The dependencies that were named, with the variables that name them.
pub(super) fn of(
    args: &ProveArgs,
    terms: &Terms,
    given: &Given,
) -> Result<Vec<Dependency>, Mistake> {
    let about = [PhaseName::WithoutDependency, PhaseName::Outage];
    if let Some(phase) = args.phase.iter().find(|it| about.contains(it))
        && args.dependency.is_empty()
    {
        let what = format!("--phase {}: no dependency is named", phase.name());
        return Err(Mistake::new(what).help("name one with --dependency tcp:PORT"));
    }
    let mut found: Vec<Dependency> = Vec::new();
    for dependency in &args.dependency {
        let port = dependency.port;
        if found.iter().any(|it| it.port == port) {
            return Err(Mistake::new(format!("--dependency: port {port} is named twice")));
        }
        let own = terms.port.into_iter().chain(terms.probes.iter().map(|probe| probe.port));
        if own.into_iter().any(|own| own == port) {
            let what = format!("--dependency: port {port} is one that the process itself opens");
            return Err(Mistake::new(what));
        }
        let is_named = |value: &String| {
            let name = dependency.name.as_ref();
            names_port(value, port) || name.is_some_and(|name| value.contains(name))
        };
        let named = given.variables.iter().filter(|(_, value)| is_named(value));
        let variables = named.map(|(name, _)| name.clone()).collect();
        found.push(Dependency { variables, ..dependency.clone() });
    }
    Ok(found)
}

/// As it is typed.
pub(super) fn typed(dependency: &Dependency) -> String {
    let mut text = format!("tcp:{}", dependency.port);
    dependency.name.iter().for_each(|name| text.push_str(&format!("={name}")));
    dependency.target.iter().for_each(|target| text.push_str(&format!("={target}")));
    text
}

/// What was sent to dependencies that could not answer, and what would.
pub(super) fn unheard(proof: &Proof) -> Vec<String> {
    let Some(start) = proof.phases.iter().find(|phase| phase.name == PhaseName::Start) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for seen in &start.dependencies {
        let asked = proof.terms.dependencies.iter().find(|it| it.port == seen.port);
        let Some(asked) = asked else { continue };
        let what = asked.shown();
        let spoken = seen.links.iter().filter(|link| link.sent > 0).count();
        let answered = seen.links.iter().any(|link| link.got > 0);
        match &asked.target {
            None if spoken > 0 => lines.push(format!(
                "{what} was spoken to on {spoken} connections and answered nothing, as a stub does; a real one on loopback answers: --dependency tcp:{}=127.0.0.1:{}",
                seen.port, seen.port
            )),
            Some(target) if !seen.links.is_empty() && !answered => {
                lines.push(format!("{what} was not answered by {target}: is it running?"));
            }
            _ if seen.links.is_empty() => {
                lines.push(format!("{what} was not connected to in the phase start"));
            }
            _ => {}
        }
    }
    lines
}
