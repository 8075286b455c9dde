//! A start that takes as long as the probes allow, or longer.

use crate::case::process::{ProcessCase, duration, tally};
use crate::facts::proof::{PhaseName, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

/// On a slower machine, or with less processor time, it is started again and again.
pub static RULE: Rule = Rule {
    id: "slow-start",
    group: Group::Start,
    level: Level::Warn,
    title: "a start that takes as long as the probes allow, or longer",
    page: include_str!("slow-start.md"),
    needs: &[Need::Process],
    variants: &[Variant::new(
        "never-ready",
        Level::Deny,
        "a process that is not ready when its time to start is over",
    )],
    after: &["never-listens", "listens-on-loopback-only", "probe-endpoint-missing"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let phase = case.phase(PhaseName::Start)?;
    let budget = case.terms().start_ms * 1000;
    let Some(ready) = phase.ready_us else {
        let asked: Vec<_> = phase.of(Purpose::Readiness).collect();
        if asked.is_empty() {
            // Nothing listened, which another rule says.
            return Err(Abstain::NotApplicable);
        }
        out.push(
            Finding::new(
                &RULE,
                format!("the process was not ready within {}", duration(budget)),
                &case.moment(phase, budget),
                "the time to start is over",
            )
            .variant(&RULE.variants[0])
            .note(format!("whether it is ready was asked and {}", tally(asked)))
            .note(case.repeat(phase)),
        );
        return Ok(());
    };
    if ready * 2 <= budget {
        return Ok(());
    }
    out.push(
        Finding::new(
            &RULE,
            format!("the process took {} to be ready, of {}", duration(ready), duration(budget)),
            &case.moment(phase, ready),
            "ready",
        )
        .note("a node that is busy, or a limit of processor time, makes it slower")
        .note(case.repeat(phase))
        .fix(Fix::suggest(
            "give it a startupProbe with a failureThreshold that allows twice the time",
        )),
    );
    Ok(())
}
