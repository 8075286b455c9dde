//! GOMEMLIMIT above the memory limit.

use crate::case::Case;
use crate::facts::symbols;
use crate::findings::{Finding, Fix};
use crate::model::memlimit::{self, Band, MemLimit};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The collector is told to work harder only at a size the kernel never lets the process reach.
pub static RULE: Rule = Rule {
    id: "gomemlimit-above-memory-limit",
    group: Group::Runtime,
    level: crate::findings::Level::Deny,
    title: "GOMEMLIMIT above the container's memory limit",
    page: include_str!("gomemlimit-above-memory-limit.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let limit = case.memory_limit()?;
    let (written, value) = case.gomemlimit()?;
    let MemLimit::Set(value) = value else { return Ok(()) };
    if memlimit::band(value, Some(limit.value)) != Band::AboveLimit {
        return Ok(());
    }
    let mut finding = Finding::new(
        &RULE,
        format!("GOMEMLIMIT ({value}) is above the container's memory limit ({})", limit.value),
        &written.origin,
        format!("the runtime starts to collect harder at {} bytes", value.0),
    )
    .also(&limit.origin, format!("the kernel kills at {} bytes", limit.value.0));
    if let Ok(program) = case.program() {
        let automemlimit = match program.links(symbols::AUTOMEMLIMIT_INIT)? {
            Some(_) => "automemlimit is linked but leaves a GOMEMLIMIT that is set alone",
            None => "automemlimit not linked",
        };
        finding =
            finding.also(&program.version.origin, format!("{}, {automemlimit}", program.version));
    }
    if let Some(better) = memlimit::recommended(limit.value) {
        let title = format!("set GOMEMLIMIT to {better} (90 % of the limit)");
        finding = finding.fix(Fix::safe(title).replace(&written.origin, better));
    }
    out.push(finding);
    Ok(())
}
