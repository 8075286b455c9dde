//! Variables of the runtime that it reads, does not understand, and says nothing about.

use crate::case::Case;
use crate::case::runtime::RuntimeVariable;
use crate::facts::symbols;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::gogc::{self, Gogc};
use crate::model::gomaxprocs;
use crate::model::memlimit::Effective;
use crate::model::quantity::Quantity;
use crate::model::quantity::counted;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// Only GOMEMLIMIT complains about a value it cannot read; the others fall back in silence.
pub static RULE: Rule = Rule {
    id: "ignored-runtime-variable",
    group: Group::Runtime,
    level: Level::Warn,
    title: "GOGC, GOMEMLIMIT or GOMAXPROCS with a value that does nothing",
    page: include_str!("ignored-runtime-variable.md"),
    needs: &[Need::Manifest],
    variants: &[GOGC, GOMEMLIMIT, EXTREME, GOMAXPROCS],
    check: Check::Container(check),
    ..Rule::BASE
};

const GOGC: Variant =
    Variant::new("malformed-gogc", Level::Warn, "GOGC that is no integer and not off: 100 is used");
const GOMEMLIMIT: Variant =
    Variant::new("ignored-gomemlimit", Level::Warn, "GOMEMLIMIT for a program older than Go 1.19");
const EXTREME: Variant =
    Variant::new("extreme-gogc", Level::Note, "GOGC far from what helps a service");
const GOMAXPROCS: Variant = Variant::new(
    "malformed-gomaxprocs",
    Level::Warn,
    "GOMAXPROCS that is no positive integer: it is ignored",
);

/// Where a collection for every few allocations begins.
const EAGER: u32 = 20;
/// Where the peak is five times what is live.
const LAZY: u32 = 400;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    // One variable that is not known keeps no other from being judged.
    let mut judged = false;
    for part in [gogc_part, gomemlimit_part, gomaxprocs_part] {
        match part(case, out) {
            Ok(()) => judged = true,
            Err(abstain) => out.abstain(abstain),
        }
    }
    if judged { Ok(()) } else { Err(Abstain::NotApplicable) }
}

fn gogc_part(case: &Case<'_>, out: &mut Findings) -> Judged {
    let variable = set(case, "GOGC")?;
    let version = case.known_program().map(|program| &program.version.value);
    match gogc::parse(&variable.value, version) {
        None => {
            let message = format!("{} is no integer: GOGC is 100, silently", variable.shown());
            let finding =
                Finding::new(&RULE, message, variable.origin(), "not read").variant(&GOGC);
            let digits: String = variable.value.chars().filter(char::is_ascii_digit).collect();
            let percent = variable.value.strip_suffix('%').filter(|text| *text == digits);
            let fix = match percent {
                Some(percent) => {
                    let title = format!("write {percent}: GOGC is a percentage without the sign");
                    case.rewrite(Fix::safe(title), &variable, percent)
                }
                None => Fix::suggest("write a whole number, or remove GOGC: 100 is the default"),
            };
            out.push(with_program(case, case.show_entry(&variable, finding)).fix(fix));
        }
        Some(Gogc::Percent(n)) if n <= EAGER => {
            let message = match n {
                0 => "GOGC=0 collects without pause".to_owned(),
                n => format!(
                    "GOGC={n} starts a collection each time the heap has grown by {n} %, from {} on",
                    gogc::heap_minimum(n)
                ),
            };
            let finding = Finding::new(&RULE, message, variable.origin(), "CPU time for memory")
                .variant(&EXTREME)
                .fix(Fix::suggest("set GOMEMLIMIT and leave GOGC at 100"));
            out.push(with_program(case, case.show_entry(&variable, finding)));
        }
        Some(Gogc::Percent(n)) if n > LAZY => {
            if let Effective::Off(_) | Effective::IgnoredByRelease =
                case.effective_memory_limit()?
            {
                let message = format!(
                    "GOGC={n} without GOMEMLIMIT: the heap peaks at {:.1} times what is live",
                    1.0 + f64::from(n) / 100.0
                );
                let mut finding =
                    Finding::new(&RULE, message, variable.origin(), "memory for CPU time")
                        .variant(&EXTREME)
                        .fix(Fix::suggest("set GOMEMLIMIT beside it"));
                if let Ok(limit) = case.memory_limit() {
                    let label = format!("the kernel kills at {}", counted(limit.value.0, "byte"));
                    finding = finding.also(&limit.origin, label);
                }
                out.push(with_program(case, case.show_entry(&variable, finding)));
            }
        }
        Some(_) => {}
    }
    Ok(())
}

fn gomemlimit_part(case: &Case<'_>, out: &mut Findings) -> Judged {
    let variable = set(case, "GOMEMLIMIT")?;
    let program = case.program()?;
    if program.version.has_features_of(19) {
        return Ok(());
    }
    let message =
        format!("{} does nothing: {} does not know GOMEMLIMIT", variable.shown(), program.version);
    let finding = Finding::new(&RULE, message, variable.origin(), "read since Go 1.19")
        .variant(&GOMEMLIMIT)
        .fix(Fix::suggest("build with a supported Go"));
    out.push(with_program(case, case.show_entry(&variable, finding)));
    Ok(())
}

fn gomaxprocs_part(case: &Case<'_>, out: &mut Findings) -> Judged {
    let variable = set(case, "GOMAXPROCS")?;
    let program = case.known_program();
    let version = program.map(|program| &program.version.value);
    if gomaxprocs::parse_env(&variable.value, version).is_some() {
        return Ok(());
    }
    let automaxprocs = program.and_then(|p| p.links(symbols::AUTOMAXPROCS_INIT).ok().flatten());
    let consequence = match (automaxprocs, program.map(|_| case.gomaxprocs())) {
        (Some(_), _) => "it is ignored, and automaxprocs does nothing when it exists".to_owned(),
        (None, Some(Ok(effective))) => {
            format!("it is ignored and GOMAXPROCS is {}", effective.procs)
        }
        _ => "it is ignored, silently".to_owned(),
    };
    let message = format!("{} is no positive integer: {consequence}", variable.shown());
    let mut finding =
        Finding::new(&RULE, message, variable.origin(), "not read").variant(&GOMAXPROCS);
    finding = case.show_entry(&variable, finding);
    if let Ok(limit) = case.cpu_limit() {
        finding = finding.also(&limit.origin, format!("the CPU limit is {}", limit.value));
    }
    finding = match automaxprocs {
        Some(origin) => finding.also(origin, "automaxprocs looks only whether it exists"),
        None => with_program(case, finding),
    };
    let meant = Quantity::parse(variable.value.trim()).ok().map(|q| q.millicores().ceil_cpus());
    let fix = match meant.filter(|n| *n > 0) {
        Some(n) => {
            let title = format!("write {n}: GOMAXPROCS is a whole number of threads");
            case.rewrite(Fix::suggest(title), &variable, &n.to_string())
        }
        None => case.unset(Fix::suggest("remove GOMAXPROCS"), &variable),
    };
    out.push(finding.fix(fix));
    Ok(())
}

/// The variable when it is set and not empty; empty means not set to all three.
fn set(case: &Case<'_>, name: &'static str) -> Result<RuntimeVariable, Abstain> {
    let variable = case.runtime_variable(name)?.filter(|variable| !variable.value.is_empty());
    variable.ok_or(Abstain::NotApplicable)
}

fn with_program(case: &Case<'_>, finding: Finding) -> Finding {
    match case.known_program() {
        Some(program) => {
            let label = format!("built by {}", program.version);
            finding.also(&program.version.origin, label)
        }
        None => finding,
    }
}
