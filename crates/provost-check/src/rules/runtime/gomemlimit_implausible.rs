//! A GOMEMLIMIT that no Go program can live in.

use crate::case::Case;
use crate::findings::{Finding, Fix, Level};
use crate::model::memlimit::{self, Band, MemLimit};
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A number that was meant in another unit makes the collector run all the time.
pub static RULE: Rule = Rule {
    id: "gomemlimit-implausible",
    group: Group::Runtime,
    level: Level::Deny,
    title: "GOMEMLIMIT far too small",
    page: include_str!("gomemlimit-implausible.md"),
    needs: &[Need::Manifest],
    after: &["malformed-gomemlimit"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let (variable, value) = case.gomemlimit()?;
    let MemLimit::Set(value) = value else { return Ok(()) };
    let limit = case.memory_limit().ok();
    let band = memlimit::band(value, limit.as_ref().map(|limit| limit.value));
    let level = match band {
        Band::Implausible => Level::Deny,
        Band::Low => Level::Warn,
        _ => return Ok(()),
    };
    let message = match (&limit, level) {
        (Some(limit), Level::Warn) => format!(
            "GOMEMLIMIT ({value}) is less than a quarter of the memory limit ({}): the collector \
             works hard long before memory is short",
            limit.value
        ),
        _ => format!(
            "GOMEMLIMIT is {}, less than the runtime itself takes: the collector runs all \
             the time",
            counted(value.0, "byte")
        ),
    };
    let label = if variable.is_computed() {
        format!("the kubelet sets {}, read as bytes", variable.value)
    } else {
        format!("read as {}", counted(value.0, "byte"))
    };
    let mut finding = Finding::new(&RULE, message, variable.origin(), label).level(level);
    if let Some(limit) = &limit {
        finding =
            finding.also(&limit.origin, format!("the limit is {}", counted(limit.value.0, "byte")));
    }
    finding = case.show_entry(&variable, finding);
    let better = limit.as_ref().and_then(|limit| memlimit::recommended(limit.value));
    let fix = match &variable.variable.resource {
        Some((resource, _)) if !resource.value.ends_with(".memory") => {
            let title = format!("take limits.memory instead of {}", resource.value);
            case.world().rewrite(
                Fix::suggest(title),
                &resource.origin,
                &resource.value,
                "limits.memory",
            )
        }
        Some((_, Some(divisor))) => {
            finding = finding.also(&divisor.origin, "the bytes are divided by this");
            let title = "use divisor 1: GOMEMLIMIT takes bytes";
            case.world().rewrite(Fix::safe(title), &divisor.origin, &divisor.value, "1")
        }
        _ => match better {
            Some(better) => {
                let title = format!("set GOMEMLIMIT to {better} (90 % of the limit)");
                case.rewrite(Fix::suggest(title), &variable, &better)
            }
            None => Fix::suggest("write the unit: 512MiB"),
        },
    };
    out.push(finding.fix(fix));
    Ok(())
}
