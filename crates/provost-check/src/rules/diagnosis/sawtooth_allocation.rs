//! A steady heap through which much is allocated.

use crate::case::log::{LogCase, nothing_in, percent, too_few};
use crate::facts::runtime_log::Window;
use crate::findings::{Finding, Fix, Level};
use crate::model::goals::MadeBy;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Cycles.
const LEAST_CYCLES: u64 = 20;
/// Of the CPU: what takes less is not worth a word.
const SHARE: f64 = 0.05;

/// More room costs memory and saves CPU time.
pub static RULE: Rule = Rule {
    id: "sawtooth-allocation",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "a steady live heap, and much CPU time for what dies young",
    page: include_str!("sawtooth-allocation.md"),
    needs: &[Need::Log],
    after: &["memory-limit-death-spiral", "frequent-gc", "heap-grows-without-bound"],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let collections = case.collections()?;
    // What a process does while it comes up is not what it does.
    let settled = collections.windows.get(collections.windows.len() / 4..).unwrap_or_default();
    let Some(run) = settled.iter().copied().reduce(Window::then) else { return Ok(()) };
    if run.cycles < LEAST_CYCLES {
        return Err(too_few("collections of a process that has come up", run.cycles, LEAST_CYCLES));
    }
    nothing_in(&[run])?;
    let steady =
        run.live.most.saturating_sub(run.live.least) as f64 <= run.mean_live().max(4.0) * 0.5;
    let share = run.cpu_share().filter(|share| *share >= SHARE && steady);
    let (Some(share), Some(rate), Some(allocated)) = (share, run.rate(), run.allocation_rate())
    else {
        return Ok(());
    };
    let is_tight = run.tight * 2 > run.cycles;
    let room = run.goal.sum.saturating_sub(run.live.sum) as f64 / run.cycles as f64;
    let (gives, fix) = match collections.goals.told().made_by() {
        MadeBy::Gogc => (
            "as GOGC twice as high gives, ",
            "raise GOGC as far as GOMEMLIMIT and the container's limit leave room, or allocate less",
        ),
        MadeBy::Limit => (
            "as a GOMEMLIMIT higher by that much gives, ",
            "raise GOMEMLIMIT, which made the goals, as far as the container's limit leaves room, or allocate less",
        ),
        MadeBy::Either => (
            "",
            "raise what made the goals, GOGC or GOMEMLIMIT, as far as the container's limit leaves room, or allocate less",
        ),
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "{rate:.1} collections a second take {} of the CPU for {allocated:.0} MB that are allocated each second, while {:.0} MB stay alive",
                percent(share),
                run.mean_live(),
            ),
            &case.at(run.from),
            format!("{} MB live, a goal of {} MB", run.live.first, run.goal.first),
        )
        .also(&case.at(run.to), format!("{} MB live, a goal of {} MB", run.live.last, run.goal.last))
        .note(match is_tight {
            // What there was to grow into is not between the goal and what was live.
            true => format!(
                "no goal left room above what was live, and {:.1} MB were allocated from one collection to the next: with goals {:.0} MB above it they come half as often and take about {}",
                run.allocated as f64 / run.cycles as f64,
                (2.0 * run.allocated as f64 / run.cycles as f64).max(1.0),
                percent(share / 2.0)
            ),
            false => format!(
                "with {room:.0} MB more room, {gives}collections come half as often and take about {}",
                percent(share / 2.0)
            ),
        })
        .fix(Fix::suggest(fix)),
    );
    Ok(())
}
