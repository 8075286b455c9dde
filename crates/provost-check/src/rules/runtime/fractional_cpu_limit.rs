//! CPU limits that are no whole number of the threads the runtime starts.

use crate::case::Case;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::gomaxprocs::{self, Source};
use crate::model::quantity::Millicores;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// The runtime rounds up, the kernel does not.
pub static RULE: Rule = Rule {
    id: "fractional-cpu-limit",
    group: Group::Runtime,
    level: Level::Note,
    title: "CPU limit below the number of threads the runtime chooses from it",
    page: include_str!("fractional-cpu-limit.md"),
    needs: &[Need::Manifest, Need::Binary],
    variants: &[TINY],
    check: Check::Container(check),
    ..Rule::BASE
};

const TINY: Variant = Variant::new(
    "tiny-cpu-limit",
    Level::Warn,
    "CPU limit so small that a collection does not fit a period",
);

/// Less than 10 ms of CPU time in each period of 100 ms.
const SMALLEST: Millicores = Millicores(100);

/// Below one CPU even a program that does one thing at a time is stopped in each period.
const ONE: Millicores = Millicores(1000);

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let limit = case.cpu_quota()?;
    let program = case.program()?;
    if limit.value < SMALLEST {
        let quota = gomaxprocs::quota(Some(limit.value)).unwrap_or_default().0 as f64 / 10.0;
        let message = format!(
            "a CPU limit of {} is {quota} ms of CPU time in each 100 ms: a garbage collection takes \
             several periods, and requests stand still in between",
            limit.value
        );
        let label = format!("{quota} ms, then the rest of the period nothing");
        let finding = Finding::new(&RULE, message, &limit.origin, label)
            .variant(&TINY)
            .also(&program.version.origin, format!("a Go program, {}", program.version))
            .fix(Fix::suggest("raise the limit to 500m or more, or keep only the request"));
        out.push(finding);
        return Ok(());
    }
    let effective = case.gomaxprocs()?;
    if effective.source != Source::Runtime {
        // Pinned, or the node's: `gomaxprocs-above-cpu-limit`, `gomaxprocs-ignores-cpu-limit`.
        return Err(Abstain::NotApplicable);
    }
    let Some(threads) = effective.procs.on_a_large_node() else { return Ok(()) };
    let Some(throttle) = gomaxprocs::throttle(limit.value, threads) else { return Ok(()) };
    let message = format!(
        "{} rounds a CPU limit of {} up to {threads} threads: when all are busy they run {:.0} ms \
         and stand still {:.0} ms of each 100 ms",
        program.version, limit.value, throttle.run_ms, throttle.stall_ms
    );
    let whole = limit.value.ceil_cpus().max(2);
    let finding = Finding::new(&RULE, message, &limit.origin, "the kernel does not round")
        .also(&program.version.origin, format!("GOMAXPROCS is {threads}"))
        .fix(Fix::suggest(format!("set the CPU limit to {whole}, or set only a request")));
    out.push(if limit.value < ONE { finding.strict(Level::Warn) } else { finding });
    Ok(())
}
