//! The world stood for more than ten milliseconds.

use crate::case::counters::CountersCase;
use crate::case::log::{LogCase, nanos};
use crate::facts::runtime_log::{Pause, Stop};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Nanoseconds; a pause of Go's collector takes some tens of microseconds.
const LONG: u64 = 10_000_000;

/// No request is answered meanwhile.
pub static RULE: Rule = Rule {
    id: "long-pause",
    group: Group::Diagnosis,
    level: Level::Warn,
    title: "a stop of the world that took more than 10 ms",
    page: include_str!("long-pause.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    also: &[Check::Counters(counted)],
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let collections = case.collections()?;
    let Some(worst) = collections.longest.first().filter(|pause| pause.nanos >= LONG) else {
        return Ok(());
    };
    let long = |stop: Stop| -> u64 {
        let of = collections.pauses.iter().filter(|((of, nanos), _)| *of == stop && *nanos >= LONG);
        of.map(|(_, count)| count).sum()
    };
    let (sweep, mark) = (long(Stop::SweepTermination), long(Stop::MarkTermination));
    let cycles = collections.whole().map_or(0, |whole| whole.cycles);
    let usual = |stop| collections.quantile(stop, 0.5).map_or(String::new(), nanos);
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the world stood for {} in a {}; of {cycles} collections {} had a pause above {}",
            nanos(worst.nanos),
            worst.stop.name(),
            sweep + mark,
            nanos(LONG),
        ),
        &case.at(worst.mark),
        label(worst),
    );
    for pause in collections.longest.iter().skip(1).filter(|pause| pause.nanos >= LONG) {
        finding = finding.also(&case.at(pause.mark), label(pause));
    }
    let forced = collections.forced.contains(&worst.mark);
    finding = finding.note(format!(
        "half of the sweep terminations took up to {}, half of the mark terminations up to {}",
        usual(Stop::SweepTermination),
        usual(Stop::MarkTermination),
    ));
    if forced {
        finding = finding.note("the program itself asked for that collection");
    }
    if let Ok(Some(quota)) = case.quota()
        && quota.holds_back()
    {
        finding = quota.shown(finding).note(
            "threads that are held back for a CPU quota cannot stop: the whole world waits for the next period",
        );
    }
    out.push(finding.fix(Fix::suggest(
        "look for what keeps threads from running at that time: more Ps than the CPU quota allows (nr_throttled in cpu.stat), asyncpreemptoff=1 with loops that call nothing, a node without free CPUs",
    )));
    Ok(())
}

fn label(pause: &Pause) -> String {
    format!("cycle {}: {} {}", pause.cycle, pause.stop.name(), nanos(pause.nanos))
}

/// The same by the last 256 pauses of `MemStats`, each of both phases together.
fn counted(case: &CountersCase<'_>, out: &mut Findings) -> Judged {
    let Some(last) = case.last().filter(|last| !last.snapshot.pauses.is_empty()) else {
        return Err(Abstain::NotApplicable);
    };
    let pauses = &last.snapshot.pauses;
    let long = pauses.iter().filter(|pause| pause.nanos >= LONG).count();
    let Some(worst) = pauses.iter().max_by_key(|pause| pause.nanos).filter(|_| long > 0) else {
        return Ok(());
    };
    let mut sorted: Vec<u64> = pauses.iter().map(|pause| pause.nanos).collect();
    sorted.sort_unstable();
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    out.push(
        Finding::new(
            &RULE,
            format!(
                "the world stood for {} in a collection; of the last {} {long} had pauses above {}",
                nanos(worst.nanos),
                pauses.len(),
                nanos(LONG),
            ),
            &case.at(last),
            format!("collection {}", worst.cycle),
        )
        .note(format!(
            "half of them took up to {}; both stops of a collection are counted together",
            nanos(usual)
        ))
        .fix(Fix::suggest(
            "look for what keeps threads from running at that time: more Ps than the CPU quota allows (nr_throttled in cpu.stat), a node without free CPUs; a log with GODEBUG=gctrace=1 tells the two stops apart",
        )),
    );
    Ok(())
}
