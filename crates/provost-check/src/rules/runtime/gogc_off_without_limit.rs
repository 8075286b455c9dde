//! No collection by growth, and no limit that would start one.

use crate::case::Case;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::gogc::Gogc;
use crate::model::memlimit::{self, Effective};
use crate::model::quantity::Bytes;
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// GOGC=off is right only with a memory limit.
pub static RULE: Rule = Rule {
    id: "gogc-off-without-limit",
    group: Group::Runtime,
    level: Level::Deny,
    title: "GOGC=off without a memory limit for Go: the heap only grows",
    page: include_str!("gogc-off-without-limit.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[WITH_LIMIT],
    after: &["malformed-gomemlimit"],
    check: Check::Container(check),
    ..Rule::BASE
};

const WITH_LIMIT: Variant = Variant::new(
    "gogc-off-with-limit",
    Level::Note,
    "GOGC=off with a memory limit: collections only at the limit",
);

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let (Some(gogc), Gogc::Off) = case.gogc()? else { return Ok(()) };
    let limit = case.memory_limit().ok();
    match case.effective_memory_limit()? {
        // `malformed-gomemlimit`; or there may be a limit that cannot be seen.
        Effective::Malformed(_) => return Err(Abstain::NotApplicable),
        Effective::Unknown => return Ok(()),
        Effective::Env(value) | Effective::Automemlimit { limit: value, .. } => {
            out.push(with_limit(case, &gogc, value));
            return Ok(());
        }
        Effective::Off(_) | Effective::IgnoredByRelease => {}
    }
    // GOMEMLIMIT=off leaves the program's own call; without the program that is not known.
    if case.may_set_memory_limit()? {
        return Ok(());
    }
    let until = match &limit {
        Some(limit) => format!("until the kernel kills at {}", limit.value),
        None => "until the node has no memory left".to_owned(),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} without GOMEMLIMIT: nothing is collected, the heap grows {until}",
            gogc.shown()
        ),
        gogc.origin(),
        "switches collection by growth off",
    );
    finding = case.show_entry(&gogc, finding);
    if let Some(limit) = &limit {
        let label = format!("the kernel kills at {}", counted(limit.value.0, "byte"));
        finding = finding.also(&limit.origin, label);
    }
    if let Some(variable) = case.runtime_variable("GOMEMLIMIT")? {
        finding = finding.also(variable.origin(), "sets no limit");
    }
    let program = case.program()?;
    let label = format!("{}, no limit is set in code", program.version);
    finding = finding.also(&program.version.origin, label);
    let better = limit.and_then(|limit| memlimit::recommended(limit.value));
    let title = match better {
        Some(better) => format!("remove GOGC, or set GOMEMLIMIT to {better} beside it"),
        None => "remove GOGC, or set GOMEMLIMIT beside it".to_owned(),
    };
    out.push(finding.fix(case.unset(Fix::suggest(title), &gogc)));
    Ok(())
}

fn with_limit(
    case: &Case<'_>,
    gogc: &crate::case::runtime::RuntimeVariable,
    value: Bytes,
) -> Finding {
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{}: collections start only at the limit ({value}), and a live heap near it costs up \
             to half of the CPU time",
            gogc.shown()
        ),
        gogc.origin(),
        "switches collection by growth off",
    )
    .variant(&WITH_LIMIT);
    finding = case.show_entry(gogc, finding);
    if let Ok(Some(variable)) = case.runtime_variable("GOMEMLIMIT") {
        finding = finding.also(variable.origin(), "the only thing that starts a collection");
    }
    finding
}
