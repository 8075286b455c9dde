//! More Ps than the CPU quota lets run, and a quota that was used up.

use crate::case::log::{LogCase, nanos, percent};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::Millicores;
use crate::model::gomaxprocs::{Fit, PERIOD_MS, automaxprocs, container_aware, fit, throttle};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Samples that show whether a process was ever busy.
const LEAST_SAMPLES: u64 = 8;

/// All of them stand until the next period begins.
pub static RULE: Rule = Rule {
    id: "gomaxprocs-above-quota-seen",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "more Ps than the CPU quota lets run, and a quota that was used up",
    page: include_str!("gomaxprocs-above-quota-seen.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let of_collections = case.life.collections.as_ref().and_then(|it| it.procs.last());
    let of_scheduler = case.life.scheduler.as_ref().and_then(|it| it.procs.last());
    // Samples come more often.
    let Some(procs) = of_scheduler.or(of_collections) else { return Err(Abstain::NotApplicable) };
    let Some(quota) = case.quota()? else { return Ok(()) };
    let threads = u32::try_from(procs.to).unwrap_or(u32::MAX);
    let limit = quota.limit;
    if !matches!(fit(threads, limit), Fit::Above | Fit::FarAbove) {
        return Ok(());
    }
    let throttled = quota.throttled()?;
    if !quota.holds_back() {
        return Ok(());
    }
    if quota.is_presumed() && is_never_above(case, limit) {
        let needs = "whose quota was used up: no name says that the cgroup is that of the log, whose samples never had more busy Ps than the quota is for; the pod as kubectl has it, or the files of its other containers, tell";
        return Err(Abstain::unknown(Reason::NoMemoryFiles, needs));
    }
    let share = throttled.throttled as f64 / throttled.periods.max(1) as f64;
    let finding = Finding::new(
        &RULE,
        format!(
            "GOMAXPROCS was {threads} under a CPU quota of {limit}, which was used up in {} of the periods in which it ran",
            percent(share)
        ),
        &case.at(procs.mark),
        format!("{threads} Ps"),
    );
    let mut finding = quota.shown(finding);
    let stood = nanos(throttled.us.saturating_mul(1000));
    finding = finding.note(format!("CPUs had to leave it alone for {stood}, all of them together"));
    let period = quota.level.cpu.period_us.map_or(PERIOD_MS, |us| us as f64 / 1000.0);
    if period == PERIOD_MS
        && let Some(one) = throttle(limit, threads)
    {
        finding = finding.note(format!(
            "{threads} busy threads use up the quota of a period of {PERIOD_MS} ms in {:.0} ms, and then all of them stand for {:.0} ms",
            one.run_ms, one.stall_ms
        ));
    }
    out.push(finding.fix(Fix::suggest(mend(limit))));
    Ok(())
}

/// Who rounds the quota how: the runtime up, to two at least, and automaxprocs down, to one at least.
fn mend(limit: Millicores) -> String {
    let (own, other) = (container_aware(limit), automaxprocs(limit));
    let before = match own == other {
        true => format!("GOMAXPROCS={own} or go.uber.org/automaxprocs does"),
        false => format!(
            "GOMAXPROCS={own} does (go.uber.org/automaxprocs rounds down, and runs {other})"
        ),
    };
    format!(
        "run {own} Ps: from Go 1.25 on the runtime does so by itself (the quota rounded up, at least 2) where neither GOMAXPROCS nor go.mod of before 1.25 keeps it from that, and before that {before}"
    )
}

/// Whether no sample had more busy Ps than the quota is for, and there are enough of them to tell: what uses a quota up
/// in one of twenty periods is seen in some of them.
fn is_never_above(case: &LogCase<'_>, limit: Millicores) -> bool {
    let samples = case.life.scheduler.as_ref().and_then(|of| of.whole());
    samples.is_some_and(|of| {
        let busy = of.procs.most.saturating_sub(of.idle.least);
        of.count >= LEAST_SAMPLES && busy.saturating_mul(1000) <= limit.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_told_where_they_round_apart() {
        for (limit, own, other) in [(500, 2, 1), (1000, 2, 1), (1500, 2, 1), (2500, 3, 2)] {
            let text = mend(Millicores(limit));
            assert!(text.starts_with(&format!("run {own} Ps")), "{text}");
            assert!(text.contains(&format!("GOMAXPROCS={own} does (")), "{text}");
            assert!(text.contains(&format!("rounds down, and runs {other})")), "{text}");
        }
        let text = mend(Millicores(4000));
        assert!(text.ends_with("GOMAXPROCS=4 or go.uber.org/automaxprocs does"), "{text}");
    }
}
