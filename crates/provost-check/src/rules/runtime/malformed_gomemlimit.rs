//! A GOMEMLIMIT that the runtime refuses to start with.

use crate::case::Case;
use crate::case::runtime::quoted;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::memlimit;
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The runtime ends before `main` when it cannot read GOMEMLIMIT.
pub static RULE: Rule = Rule {
    id: "malformed-gomemlimit",
    group: Group::Runtime,
    level: Level::Deny,
    title: "GOMEMLIMIT that the runtime cannot read: the process ends at start",
    page: include_str!("malformed-gomemlimit.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let variable = case.runtime_variable("GOMEMLIMIT")?.ok_or(Abstain::NotApplicable)?;
    let program = case.known_program();
    let version = program.map(|program| &program.version.value);
    // Go 1.18 and older do not know the variable: `ignored-runtime-variable`.
    if version.is_some_and(|version| !version.has_features_of(19)) {
        return Err(Abstain::NotApplicable);
    }
    let Err(malformed) = memlimit::parse(&variable.value, version) else { return Ok(()) };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} stops the runtime at start: `fatal error: malformed GOMEMLIMIT`",
            variable.shown()
        ),
        variable.origin(),
        malformed.reason.to_string(),
    );
    finding = case.show_entry(&variable, finding);
    if let Ok(limit) = case.memory_limit() {
        let label = format!("the container's limit: {}", counted(limit.value.0, "byte"));
        finding = finding.also(&limit.origin, label);
    }
    if let Some(program) = program {
        let label = format!("{} ends before main over it", program.version);
        finding = finding.also(&program.version.origin, label);
    }
    let fix = match &malformed.meant {
        Some(meant) => {
            let title = format!("write {meant} for {}", quoted(&variable.value));
            let fix = if malformed.certain { Fix::safe(title) } else { Fix::suggest(title) };
            case.rewrite(fix, &variable, meant)
        }
        None => {
            let limit = case.memory_limit().ok();
            let better = limit.and_then(|limit| memlimit::recommended(limit.value));
            match better {
                Some(better) => {
                    let title = format!("set GOMEMLIMIT to {better} (90 % of the limit)");
                    case.rewrite(Fix::suggest(title), &variable, &better)
                }
                None => Fix::suggest("write bytes, or a number with KiB, MiB, GiB or TiB"),
            }
        }
    };
    out.push(finding.fix(fix));
    Ok(())
}
