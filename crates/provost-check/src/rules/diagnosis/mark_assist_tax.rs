//! Goroutines that allocate are made to mark.

use crate::case::log::{LogCase, longest_run, millis, nothing_in, percent, spanning};
use crate::facts::runtime_log::Window;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::goals::MadeBy;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Milliseconds of which a share is told.
const SPAN_MS: u64 = 1000;
/// Of what the program has of the CPU.
const SHARE: f64 = 0.1;

/// Requests that allocate wait for the collector.
pub static RULE: Rule = Rule {
    id: "mark-assist-tax",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "more than a tenth of the program's CPU time spent on mark assists",
    page: include_str!("mark-assist-tax.md"),
    needs: &[Need::Log],
    after: &["memory-limit-death-spiral"],
    check: Check::Log(check),
    ..Rule::BASE
};

/// The part of the CPU time that the collector's own workers leave to the program which assists take of it.
fn share(window: &Window) -> Option<f64> {
    let workers = window.share_of(window.cpu_ns.saturating_sub(window.assist_ns))?;
    let left = 1.0 - workers;
    (left > 0.0).then(|| (window.share_of(window.assist_ns).unwrap_or_default() / left).min(1.0))
}

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let collections = case.collections()?;
    let whole = collections.whole().map_or(0, |whole| whole.wall_ms());
    if whole < SPAN_MS {
        return Err(Abstain::unknown(Reason::LogTooShort, format!("{SPAN_MS} ms of collections")));
    }
    let windows = spanning(&collections.windows, SPAN_MS);
    let taxed = |window: &Window| share(window).is_some_and(|share| share > SHARE);
    let run = longest_run(&windows, taxed);
    let known = run.and_then(|run| Some((run, share(&run)?, run.allocation_rate()?)));
    let Some((run, part, rate)) = known else { return nothing_in(&windows) };
    let room = match collections.goals.told().made_by() {
        MadeBy::Gogc => "a higher GOGC",
        MadeBy::Limit => {
            "a higher GOMEMLIMIT, which made the goals, as far as the container has room for it"
        }
        MadeBy::Either => "a higher GOGC or GOMEMLIMIT, whichever made the goals",
    };
    out.push(
        Finding::new(
            &RULE,
            format!(
                "for {} goroutines that allocate spent {} of the program's CPU time marking: allocation outruns the collector",
                millis(run.wall_ms()),
                percent(part),
            ),
            &case.at(run.from),
            "from here",
        )
        .also(&case.at(run.to), format!("{} collections later", run.cycles - 1))
        .note(format!("{rate:.0} MB were allocated each second"))
        .fix(Fix::suggest(format!(
            "allocate less on the way of requests (go tool pprof -sample_index=alloc_space), or leave the heap more room: {room}"
        ))),
    );
    Ok(())
}
