//! What is live after each collection grows, and goes on growing.

use goformats::counters::Counter;

use crate::case::counters::{CountersCase, mib};
use crate::case::growth::{LEAST_CYCLES, LEAST_GROWTH, LEAST_PART, Of, grows};
use crate::case::log::{LogCase, millis, too_few};
use crate::facts::runtime_log::Mark;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::goals::MadeBy;
use crate::model::trend::Trend;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Snapshots that a growth is told of, half of which have to show it as well.
const LEAST_SNAPSHOTS: usize = 10;
/// What both say.
const REACHED: &str =
    "what is live is what can still be reached: no GOGC and no GOMEMLIMIT makes it less";
const COMPARE: &str = "compare two heap profiles some minutes apart: go tool pprof -diff_base first.pb.gz second.pb.gz";

/// The end is an out-of-memory kill.
pub static RULE: Rule = Rule {
    id: "heap-grows-without-bound",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "a live heap that grows with every collection",
    page: include_str!("heap-grows-without-bound.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    also: &[Check::Counters(counted)],
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let collections = case.collections()?;
    let Some(whole) = collections.whole().filter(|whole| whole.cycles >= LEAST_CYCLES) else {
        let has = collections.whole().map_or(0, |whole| whole.cycles);
        return Err(too_few("collections", has, LEAST_CYCLES));
    };
    let Some(since) = grows(collections) else { return Ok(()) };
    let rate = since.slope * 60.0;
    let (least, most) = (since.between.0 * 60.0, since.between.1 * 60.0);
    let between = match since.of {
        Of::Confidence => format!("95 %: {least:.1} to {most:.1}"),
        Of::Parts => format!("{least:.1} to {most:.1} in parts of the second half"),
    };
    let newest = collections.windows.iter().rev().take(LEAST_CYCLES as usize);
    let (tight, cycles) = newest.fold((0, 0), |sum, w| (sum.0 + w.tight, sum.1 + w.cycles));
    let filled = match collections.goals.told().tightened_by() {
        _ if tight * 2 <= cycles => None,
        MadeBy::Limit => Some(": it has filled what GOMEMLIMIT leaves it, and passes that"),
        MadeBy::Either => Some(": GOMEMLIMIT, or a GOGC below 10, leaves it no room any more"),
        MadeBy::Gogc => None,
    };
    let has_filled = filled.is_some();
    // What the collector does then has this for its cause, and comes behind it.
    let (there, then) = if has_filled { (whole.from, whole.to) } else { (whole.to, whole.from) };
    let live = |at: Mark| match at == whole.from {
        true => format!("{} MB live", whole.live.first),
        false => format!("{} MB live", whole.live.last),
    };
    let finding = Finding::new(
        &RULE,
        format!(
            "the live heap grew from {} to {} MB in {}, by {rate:.1} MB a minute ({between}), and it grows still{}",
            whole.live.first,
            whole.live.last,
            millis(whole.wall_ms()),
            filled.unwrap_or_default(),
        ),
        &case.at(there),
        live(there),
    )
    .also(&case.at(then), live(then))
    .note(REACHED)
    .fix(Fix::suggest(COMPARE));
    out.push(if has_filled { finding.level(Level::Deny) } else { finding });
    Ok(())
}

/// The same by snapshots of what the runtime counted. A goal is in proportion to what is live.
fn counted(case: &CountersCase<'_>, out: &mut Findings) -> Judged {
    let counter = |counter| {
        let has =
            |counted: &&crate::facts::counters::Counted| counted.snapshot.get(counter).is_some();
        case.counted.iter().all(has)
    };
    let (of, what) = match (counter(Counter::Live), counter(Counter::Goal)) {
        (true, _) => (Counter::Live, "live heap"),
        (false, true) => (Counter::Goal, "heap goal"),
        (false, false) => return Err(Abstain::NotApplicable),
    };
    let mut points: Vec<(f64, f64)> = case
        .counted
        .iter()
        .filter_map(|counted| Some((counted.snapshot.seconds()?, counted.snapshot.get(of)?)))
        .collect();
    // Two of one collection say the same.
    points.dedup_by(|a, b| a.0 == b.0);
    let cycles = case.grown(Counter::Cycles).unwrap_or_default();
    if points.len() < LEAST_SNAPSHOTS || cycles < LEAST_CYCLES as f64 {
        // One is what most have, and says nothing of growth.
        return match case.counted.len() {
            1 => Err(case.unknown_others().unwrap_or(Abstain::NotApplicable)),
            _ => Err(too_few(
                "snapshots, each behind another collection",
                points.len() as u64,
                LEAST_SNAPSHOTS as u64,
            )),
        };
    }
    let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else {
        return Ok(());
    };
    let (Some(oldest), Some(newest)) = (case.first(), case.last()) else { return Ok(()) };
    let half = points.get(points.len() / 2..).unwrap_or_default();
    let rises = |points: &[(f64, f64)]| Trend::of(points).filter(Trend::rises);
    let (Some(all), Some(since)) = (rises(&points), rises(half)) else { return Ok(()) };
    let took = last.0 - first.0;
    let mean = points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64;
    let grown = all.slope * took;
    if grown < LEAST_GROWTH * 1_048_576.0 || grown < mean * LEAST_PART || last.1 <= first.1 {
        return Ok(());
    }
    let minute = |slope: f64| slope * 60.0 / 1_048_576.0;
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the {what} grew from {} to {} in {}, by {:.1} MiB a minute (95 %: {:.1} to {:.1}), and it grows still",
                mib(first.1),
                mib(last.1),
                millis((took * 1000.0) as u64),
                minute(since.slope),
                minute(since.slope - since.margin),
                minute(since.slope + since.margin),
            ),
            &case.at(newest),
            format!("a {what} of {}", mib(last.1)),
        )
        .also(&case.at(oldest), format!("a {what} of {}", mib(first.1)))
        .note(REACHED)
        .fix(Fix::suggest(COMPARE)),
    );
    Ok(())
}
