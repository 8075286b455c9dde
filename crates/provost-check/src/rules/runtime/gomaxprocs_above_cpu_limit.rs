//! More threads than the CPU quota can feed.

use crate::case::Case;
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::gomaxprocs::{self, PERIOD_MS};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// GOMAXPROCS is pinned to more threads than the CPU limit has CPUs.
pub static RULE: Rule = Rule {
    id: "gomaxprocs-above-cpu-limit",
    group: Group::Runtime,
    level: Level::Deny,
    title: "GOMAXPROCS pinned above the container's CPU limit",
    page: include_str!("gomaxprocs-above-cpu-limit.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let limit = case.cpu_quota()?;
    if case.has_exclusive_cpus() {
        return Err(Abstain::NotApplicable);
    }
    let variable = case.runtime_variable("GOMAXPROCS")?.ok_or(Abstain::NotApplicable)?;
    let program = case.known_program();
    let version = program.map(|program| &program.version.value);
    let Some(n) = gomaxprocs::parse_env(&variable.value, version) else {
        // Not a number the runtime reads: `ignored-runtime-variable/malformed-gomaxprocs`.
        return Err(Abstain::NotApplicable);
    };
    let wanted = limit.value.ceil_cpus();
    // Two threads on one CPU or less is what the runtime itself chooses since Go 1.25.
    if u64::from(n) <= wanted.max(2) {
        return Ok(());
    }
    let Some(throttle) = gomaxprocs::throttle(limit.value, n) else { return Ok(()) };
    let level = if u64::from(n) >= 2 * wanted { Level::Deny } else { Level::Warn };
    let quota = PERIOD_MS * gomaxprocs::quota(Some(limit.value)).unwrap_or_default().0 as f64 / 1e3;
    let mut finding = Finding::new(
        &RULE,
        format!(
            "GOMAXPROCS is {n} under a CPU limit of {}: when {n} threads are busy the quota is \
             used up in {} ms, then all stop for {} ms",
            limit.value,
            short(throttle.run_ms),
            short(throttle.stall_ms),
        ),
        variable.origin(),
        format!("{n} threads run Go code at once"),
    )
    .level(level)
    .also(&limit.origin, format!("{} ms of CPU time in each 100 ms", short(quota)));
    finding = case.show_entry(&variable, finding);
    let aware = program.is_some_and(|program| program.version.has_features_of(25))
        && case.godebug_integer("containermaxprocs").is_ok_and(|value| value.unwrap_or(1) > 0);
    let automaxprocs =
        program.is_some_and(|p| matches!(p.links(symbols::AUTOMAXPROCS_INIT), Ok(Some(_))));
    let own = gomaxprocs::container_aware(limit.value);
    if let Some(program) = program {
        let label = if automaxprocs {
            format!("{}; automaxprocs leaves a GOMAXPROCS that is set alone", program.version)
        } else if aware {
            format!("{}: without the variable it would choose {own}", program.version)
        } else {
            format!("built by {}", program.version)
        };
        finding = finding.also(&program.version.origin, label);
    }
    let divisor = variable.variable.resource.as_ref().and_then(|(_, divisor)| divisor.as_ref());
    let fix = if let Some(divisor) = divisor {
        let title = format!("use divisor 1, which gives {wanted}");
        case.world().rewrite(Fix::safe(title), &divisor.origin, &divisor.value, "1")
    } else if automaxprocs {
        let own = limit.value.floor_cpus().max(1);
        let title = format!("remove GOMAXPROCS: automaxprocs then sets {own}");
        case.unset(Fix::suggest(title), &variable)
    } else if aware {
        let title = format!("remove GOMAXPROCS: the runtime reads the CPU limit and uses {own}");
        case.unset(Fix::safe(title), &variable)
    } else {
        let title = format!("set GOMAXPROCS to {wanted} (the CPU limit, rounded up)");
        case.rewrite(Fix::suggest(title), &variable, &wanted.to_string())
    };
    out.push(finding.fix(fix));
    Ok(())
}

/// Milliseconds without needless digits: `6.25`, `100`.
fn short(ms: f64) -> String {
    let text = format!("{ms:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
