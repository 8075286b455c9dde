//! Limits of the container that its runtime does not work with: more threads than run, more memory than
//! there is.

use crate::case::process::ProcessCase;
use crate::facts::proof::{Collector, OWN_GROUPS, Phase, PhaseName};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::gomaxprocs::{Fit, container_aware, fit, throttle};
use crate::model::quantity::{Bytes, Millicores};
use crate::model::{gogc, memlimit};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// They use up the quota of a period in its first part, and then all stand still.
pub static RULE: Rule = Rule {
    id: "ignores-cgroup-limits",
    group: Group::Start,
    level: Level::Warn,
    title: "a process that works with other limits than those of its container",
    page: include_str!("ignores-cgroup-limits.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Limits],
    variants: &[Variant::new(
        "memory",
        Level::Warn,
        "a process whose collector does not know its memory limit",
    )],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let terms = case.terms();
    if terms.cpu_limit_m.is_none() && terms.memory_limit.is_none() {
        return Err(Abstain::NotApplicable);
    }
    let phase = case.phase(PhaseName::Limits)?;
    if case.proof().stage.lacks(OWN_GROUPS) {
        return unknown(
            "a process that can read its limits: the files of its control group are not its own",
        );
    }
    if let Some(limit) = terms.cpu_limit_m.map(Millicores)
        && let Err(abstain) = threads(case, phase, limit, out)
    {
        out.abstain(abstain);
    }
    if let Some(limit) = terms.memory_limit.map(Bytes)
        && let Err(abstain) = memory(case, phase, limit, out)
    {
        out.abstain(abstain);
    }
    Ok(())
}

fn unknown(what: impl Into<String>) -> Judged {
    Err(Abstain::unknown(Reason::NotMeasured, what.into()))
}

fn threads(case: &ProcessCase<'_>, phase: &Phase, limit: Millicores, out: &mut Findings) -> Judged {
    if phase.used.as_ref().and_then(|used| used.cpu_limit_m) != Some(limit.0) {
        return unknown("a process under its CPU limit");
    }
    let Some(scheduler) = phase.scheduler else {
        return unknown("GOMAXPROCS: the runtime did not print its scheduler's trace".to_owned());
    };
    let (threads, cpus) = (scheduler.gomaxprocs, scheduler.cpus);
    if !matches!(fit(threads, limit), Fit::Above | Fit::FarAbove) {
        let own = container_aware(limit);
        // Who follows the machine and who follows the limit come to the same number here.
        return match threads >= cpus && cpus <= own {
            true => unknown(format!(
                "whether it follows its CPU limit: this machine has {cpus} CPUs, and a runtime that follows {limit} would run {own} threads on more"
            )),
            false => Ok(()),
        };
    }
    let mut finding = Finding::new(
        &RULE,
        format!(
            "GOMAXPROCS of the running process is {threads} under a CPU limit of {limit}, where Go by itself would have {}",
            container_aware(limit)
        ),
        &case.run(phase),
        "as the runtime's scheduler printed it",
    );
    let written = case.container().and_then(|case| case.cpu_limit().ok());
    if let Some(written) = written.filter(|written| written.value == limit) {
        finding = finding.also(&written.origin, "the limit that it ran under");
    }
    if let Some(throttle) = throttle(limit, threads.min(cpus.max(1))) {
        finding = finding.note(format!(
            "here, on {cpus} CPUs, its threads use the quota up in {:.1} ms of each 100 ms when all are busy, and stand still for the other {:.1} ms",
            throttle.run_ms, throttle.stall_ms
        ));
    }
    let how = match threads == cpus {
        true => "it is the number of CPUs of this machine: on a larger node it is larger",
        false => {
            "it is neither the number of CPUs of this machine nor what the runtime would choose: a variable, or the program itself, sets it"
        }
    };
    out.push(finding.note(how).note(case.repeat(phase)).fix(Fix::suggest(
        "build with Go 1.25 or later and `go 1.25` in go.mod, or set GOMAXPROCS from resourceFieldRef {resource: limits.cpu}; take fixed calls of runtime.GOMAXPROCS out",
    )));
    Ok(())
}

/// That the kernel kills at a limit the collector learns from GOMEMLIMIT alone, or from the program.
fn memory(case: &ProcessCase<'_>, phase: &Phase, limit: Bytes, out: &mut Findings) -> Judged {
    let Some(Collector { percent, memory_limit }) = phase.collector else {
        return unknown(
            "GOMEMLIMIT: it is read from the memory of a Go program (1.19 to 1.27) with a table of symbols at a fixed address",
        );
    };
    let works = "the collector of the running process works with";
    let message = match memory_limit.map(Bytes) {
        Some(own) if own > limit => {
            format!("{works} a memory limit of {own}, above the container's {limit}")
        }
        Some(_) => return Ok(()),
        None if limit < memlimit::SMALL || percent.is_some_and(|it| it < gogc::EAGER) => {
            return Ok(());
        }
        None => format!("{works} no memory limit, under the container's {limit}"),
    };
    let mut finding = Finding::new(&RULE, message, &case.run(phase), "as it stood in its memory")
        .variant(&RULE.variants[0]);
    let written = case.container().and_then(|case| case.memory_limit().ok());
    if let Some(written) = written.filter(|written| written.value == limit) {
        finding = finding.also(&written.origin, "where the kernel kills");
    }
    let gogc = match percent {
        Some(percent) => format!("GOGC is {percent}"),
        None => "GOGC is off: nothing else has it collect".to_owned(),
    };
    let fix = match memlimit::recommended(limit) {
        Some(better) => format!("set GOMEMLIMIT to {better}, or have the program read its limit"),
        None => "set GOMEMLIMIT below the limit, or have the program read it".to_owned(),
    };
    out.push(finding.note(gogc).note(case.repeat(phase)).fix(Fix::suggest(fix)));
    Ok(())
}
