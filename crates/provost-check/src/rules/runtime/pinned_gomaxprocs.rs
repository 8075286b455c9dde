//! GOMAXPROCS fixed where the runtime would choose well.

use crate::case::Case;
use crate::facts::binary::GoProgram;
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::gomaxprocs::{self, Fit};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// A pinned number does not follow the limit.
pub static RULE: Rule = Rule {
    id: "pinned-gomaxprocs",
    group: Group::Runtime,
    level: Level::Note,
    title: "GOMAXPROCS fixed where the runtime would choose well",
    page: include_str!("pinned-gomaxprocs.md"),
    needs: &[Need::Manifest],
    variants: &[BELOW, PINNED, REDUNDANT],
    check: Check::Container(check),
    ..Rule::BASE
};

const BELOW: Variant =
    Variant::new("gomaxprocs-below-cpu-limit", Level::Note, "GOMAXPROCS below the CPU limit");
const PINNED: Variant = Variant::new(
    "gomaxprocs-pinned",
    Level::Note,
    "GOMAXPROCS set to what the runtime would choose: it no longer follows the limit",
);
const REDUNDANT: Variant = Variant::new(
    "redundant-automaxprocs",
    Level::Note,
    "automaxprocs in a program whose runtime reads the CPU limit itself",
);

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let aware = |program: &GoProgram| -> Result<bool, Abstain> {
        Ok(program.version.has_features_of(25)
            && case.godebug_integer("containermaxprocs")?.unwrap_or(1) > 0)
    };
    let variable = case.runtime_variable("GOMAXPROCS")?;
    let Some(variable) = variable else {
        let program = case.program()?;
        if aware(program)?
            && let Some(place) = program.links(symbols::AUTOMAXPROCS_INIT)?
        {
            out.push(redundant(case, program, place));
        }
        return Ok(());
    };
    let limit = case.cpu_quota()?;
    let program = case.known_program();
    let version = program.map(|program| &program.version.value);
    let Some(n) = gomaxprocs::parse_env(&variable.value, version) else {
        return Err(Abstain::NotApplicable);
    };
    if gomaxprocs::fit(n, limit.value) == Fit::Below {
        let message = format!(
            "GOMAXPROCS is {n} under a CPU limit of {}: {n} threads cannot use what is paid for",
            limit.value
        );
        let label = format!("at most {n} CPUs are used");
        let mut finding = Finding::new(&RULE, message, variable.origin(), label).variant(&BELOW);
        finding = finding.also(&limit.origin, format!("the limit is {}", limit.value));
        finding = case.show_entry(&variable, finding);
        if let Some(program) = program {
            finding = finding.also(&program.version.origin, format!("{}", program.version));
        }
        let title = format!("set GOMAXPROCS to {} or lower the limit", limit.value.ceil_cpus());
        out.push(finding.fix(Fix::suggest(title)));
        return Ok(());
    }
    let program = case.program()?;
    if aware(program)? && n == gomaxprocs::container_aware(limit.value) {
        let message = format!(
            "GOMAXPROCS is pinned to {n}, which {} would choose and then keep in step with the \
             limit",
            program.version
        );
        let mut finding =
            Finding::new(&RULE, message, variable.origin(), "fixed at start").variant(&PINNED);
        let label = format!("{} now; a resize in place is not followed", limit.value);
        finding = finding.also(&limit.origin, label);
        finding = case.show_entry(&variable, finding);
        finding = finding.also(&program.version.origin, "reads the CPU limit itself");
        out.push(finding.fix(case.unset(Fix::suggest("remove GOMAXPROCS"), &variable)));
    }
    Ok(())
}

fn redundant(case: &Case<'_>, program: &GoProgram, place: &crate::facts::Origin) -> Finding {
    let limit = case.cpu_quota().ok();
    let difference = limit.as_ref().and_then(|limit| {
        let (floor, own) =
            (limit.value.floor_cpus().max(1), gomaxprocs::container_aware(limit.value));
        (floor != u64::from(own)).then(|| {
            format!("; under {} it sets {floor} where the runtime uses {own}", limit.value)
        })
    });
    let mut finding = Finding::new(
        &RULE,
        format!(
            "automaxprocs is linked although {} reads the CPU limit itself{}",
            program.version,
            difference.unwrap_or_default()
        ),
        place,
        "rounds down, and pins",
    )
    .variant(&REDUNDANT);
    if let Some(limit) = &limit {
        finding = finding.also(&limit.origin, format!("the CPU limit is {}", limit.value));
    }
    finding.fix(Fix::suggest("remove the import of go.uber.org/automaxprocs"))
}
