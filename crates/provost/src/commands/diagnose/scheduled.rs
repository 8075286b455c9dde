//! What a log says of the scheduler beside the numbers of the report.

use provost_check::facts::runtime_log::Life;
use provost_check::model::secret::masked;
use provost_check::report::plain::clean;

/// Reasons to wait that are told.
const TOLD: usize = 5;
/// What `scheddetail` costs (Go 1.26, two Ps): a sleep of a millisecond took 6 ms with 100 goroutines, 127 ms with
/// 10,000 and 971 ms with 100,000.
const COST: &str = "scheddetail holds the lock of the scheduler while it prints a line for each goroutine: everything stands for milliseconds with hundreds of them, and for a tenth of a second with 10,000; leave it out of what serves users (schedtrace alone costs next to nothing)";

/// Uneven queues, threads that look for work, reasons to wait.
pub(super) fn lines(life: &Life) -> String {
    let Some((of, whole)) = life.scheduler.as_ref().and_then(|of| Some((of, of.whole()?))) else {
        return String::new();
    };
    let mut seen = Vec::new();
    if whole.uneven > 0 {
        seen.push(format!(
            "{} with more than eight goroutines in the queue of one P and none in another's",
            whole.uneven
        ));
    }
    if whole.idle_with_work > 0 {
        seen.push(format!("{} with work beside idle Ps", whole.idle_with_work));
    }
    if whole.spinning.sum > 0 {
        let mean = whole.spinning.sum as f64 / whole.count.max(1) as f64;
        seen.push(format!("{mean:.1} threads looking for work on average"));
    }
    let mut text = String::new();
    if !seen.is_empty() {
        text.push_str(&format!(
            "  of {} samples of the scheduler {}\n",
            whole.count,
            seen.join(", ")
        ));
    }
    if of.details > 0 {
        let mut reasons: Vec<_> = of.waiting.iter().collect();
        reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), *reason));
        let reasons: Vec<String> = reasons
            .iter()
            .take(TOLD)
            .map(|(reason, count)| format!("{count} {}", clean(&masked(reason))))
            .collect();
        text.push_str(&format!(
            "  {} goroutines in the last sample with details, by what they last waited for: {}\n  {COST}\n",
            of.goroutines,
            reasons.join(", ")
        ));
    }
    text
}
