//! A liveness probe that kills at the first pause.

use crate::case::Case;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A restart under load moves the load to the others, which are then restarted too.
pub static RULE: Rule = Rule {
    id: "aggressive-liveness",
    group: Group::Health,
    level: Level::Warn,
    title: "a liveness probe that restarts after seconds",
    page: include_str!("aggressive-liveness.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Seconds that a busy node, a full GC or a slow disk may well take.
const PATIENCE: u64 = 10;

/// Millicores below which one second of answer may need several periods of CPU quota.
const LITTLE_CPU: u64 = 250;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let probe = case.container.liveness.as_ref().ok_or(Abstain::NotApplicable)?;
    let timing = probe.timing();
    let kill = timing.withdrawal();
    let arithmetic = format!(
        "{} failures x {} s + {} s timeout = {kill} s",
        timing.failure,
        timing.slow_period(),
        timing.timeout
    );
    if timing.failure == 1 {
        out.push(
            Finding::new(
                &RULE,
                format!("one failed liveness check restarts the container, {kill} s after it hangs at the latest"),
                &probe.failure_threshold.origin,
                "one failure is enough",
            )
            .note(arithmetic)
            .fix(Fix::suggest("set failureThreshold to 3 or more")),
        );
        return Ok(());
    }
    if kill < PATIENCE {
        out.push(
            Finding::new(
                &RULE,
                format!("a pause of {kill} s restarts the container: {arithmetic}"),
                &probe.period.origin,
                format!("every {} s", timing.period),
            )
            .also(&probe.failure_threshold.origin, format!("{} failures", timing.failure))
            .fix(Fix::suggest("set periodSeconds: 10 and failureThreshold: 3, which take 31 s")),
        );
        return Ok(());
    }
    let limit = case.cpu_limit()?;
    if timing.timeout == 1 && limit.value.0 < LITTLE_CPU {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "a liveness check has to be answered in 1 s with {} of CPU: throttling alone can \
                     restart the container",
                    limit.value
                ),
                &probe.timeout.origin,
                if probe.timeout.is_written() { "1 s" } else { "timeoutSeconds 1, the default" },
            )
            .also(&limit.origin, "the container is stopped for the rest of each 100 ms")
            .note(arithmetic)
            .fix(Fix::suggest("set timeoutSeconds to 5, or raise the CPU limit")),
        );
    }
    Ok(())
}
