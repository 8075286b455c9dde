//! GOMEMLIMIT above the memory limit.

use crate::case::Case;
use crate::facts::symbols;
use crate::findings::{Finding, Fix, Level};
use crate::model::memlimit::{self, Band, MemLimit};
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The collector is told to work harder only at a size the kernel never lets the process reach.
pub static RULE: Rule = Rule {
    id: "gomemlimit-above-memory-limit",
    group: Group::Runtime,
    level: Level::Deny,
    title: "GOMEMLIMIT above the container's memory limit",
    page: include_str!("gomemlimit-above-memory-limit.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let limit = case.memory_limit()?;
    let (variable, value) = case.gomemlimit()?;
    let MemLimit::Set(value) = value else { return Ok(()) };
    if memlimit::band(value, Some(limit.value)) != Band::AboveLimit {
        return Ok(());
    }
    let mut finding = Finding::new(
        &RULE,
        format!("GOMEMLIMIT ({value}) is above the container's memory limit ({})", limit.value),
        variable.origin(),
        format!("the runtime starts to collect harder at {}", counted(value.0, "byte")),
    )
    .also(&limit.origin, format!("the kernel kills at {}", counted(limit.value.0, "byte")));
    finding = case.show_entry(&variable, finding);
    if let Some(program) = case.known_program() {
        let automemlimit = match program.links(symbols::AUTOMEMLIMIT_INIT) {
            Ok(Some(_)) => ", automemlimit leaves a GOMEMLIMIT that is set alone",
            Ok(None) => ", automemlimit not linked",
            Err(_) => "",
        };
        let label = format!("{}{automemlimit}", program.version);
        finding = finding.also(&program.version.origin, label);
    }
    if let Some(better) = memlimit::recommended(limit.value) {
        let fix = Fix::safe(format!("set GOMEMLIMIT to {better} (90 % of the limit)"));
        finding = finding.fix(case.rewrite(fix, &variable, &better));
    }
    out.push(finding);
    Ok(())
}
