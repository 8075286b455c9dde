//! A memory limit the collector does not know of.

use crate::case::Case;
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::gogc::{self, Gogc};
use crate::model::memlimit::{self, Effective, OffBecause};
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Without GOMEMLIMIT the heap doubles between two collections, whatever the container allows.
pub static RULE: Rule = Rule {
    id: "gomemlimit-unset",
    group: Group::Runtime,
    level: Level::Warn,
    title: "memory limit without GOMEMLIMIT",
    page: include_str!("gomemlimit-unset.md"),
    needs: &[Need::Manifest, Need::Binary],
    // What its collector works with was measured of the process itself.
    after: &["gogc-off-without-limit", "ignores-cgroup-limits/memory"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let limit = case.memory_limit()?;
    let program = case.program()?;
    if !program.version.has_features_of(19) {
        return Err(Abstain::NotApplicable);
    }
    let Effective::Off(because) = case.effective_memory_limit()? else { return Ok(()) };
    if case.may_set_memory_limit()? {
        return Ok(());
    }
    let (gogc, read) = case.gogc()?;
    let Gogc::Percent(percent) = read else {
        // `gogc-off-without-limit` says more.
        return Ok(());
    };
    if percent < gogc::EAGER {
        return Ok(());
    }
    let live = gogc::largest_live(limit.value, percent);
    let why = match because {
        OffBecause::Unset | OffBecause::NoContainerLimit => "GOMEMLIMIT is not set",
        OffBecause::Written => "GOMEMLIMIT sets no limit",
        OffBecause::WrittenOverAutomemlimit => {
            "GOMEMLIMIT sets no limit and keeps automemlimit from setting one"
        }
        OffBecause::AutomemlimitOff => "AUTOMEMLIMIT=off keeps automemlimit from setting one",
        OffBecause::AutomemlimitInvalid => "AUTOMEMLIMIT is no share between 0 and 1",
    };
    let variable = match because {
        OffBecause::AutomemlimitOff | OffBecause::AutomemlimitInvalid => {
            case.runtime_variable("AUTOMEMLIMIT")?
        }
        _ => case.runtime_variable("GOMEMLIMIT")?,
    };
    let message = format!(
        "{why} under a memory limit of {}: at GOGC={percent} a live heap above {live} grows into \
         the limit before it is collected",
        limit.value
    );
    let mut finding = match &variable {
        Some(variable) => {
            let finding = Finding::new(&RULE, message, variable.origin(), "no limit for Go");
            let label = format!("the kernel kills at {}", counted(limit.value.0, "byte"));
            case.show_entry(variable, finding.also(&limit.origin, label))
        }
        None => {
            let label = format!("the kernel kills at {}", counted(limit.value.0, "byte"));
            Finding::new(&RULE, message, &limit.origin, label)
        }
    };
    let linked = program.links(symbols::AUTOMEMLIMIT_INIT)?;
    let label = match linked {
        Some(_) => format!("{}, automemlimit is linked and does nothing", program.version),
        None => format!("{}, automemlimit not linked", program.version),
    };
    finding = finding.also(linked.unwrap_or(&program.version.origin), label);
    if let Some(gogc) = gogc.filter(|variable| !variable.value.is_empty()) {
        finding = finding.also(gogc.origin(), format!("GOGC is {percent}"));
    }
    if limit.value < memlimit::SMALL || case.workload().kind.is_batch() {
        finding = finding.level(Level::Note);
    }
    if let Some(better) = memlimit::recommended(limit.value) {
        let title = format!("set GOMEMLIMIT to {better} (90 % of the limit), or link automemlimit");
        let fix = match variable.filter(|variable| variable.name == "GOMEMLIMIT") {
            Some(variable) => case.rewrite(Fix::suggest(title), &variable, &better),
            None => Fix::suggest(title),
        };
        finding = finding.fix(fix);
    }
    out.push(finding);
    Ok(())
}
