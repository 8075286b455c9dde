//! Lines of the runtime's that others wrote into.

use crate::case::log::LogCase;
use crate::findings::{Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What was put together is as good as what was whole; what is missing is not.
pub static RULE: Rule = Rule {
    id: "torn-runtime-log",
    group: Group::Diagnosis,
    level: Level::Note,
    title: "lines of the runtime's tracing that were torn",
    page: include_str!("torn-runtime-log.md"),
    needs: &[Need::Log],
    check: Check::Log(check),
    ..Rule::BASE
};

fn check(case: &LogCase<'_>, out: &mut Findings) -> Judged {
    let counts = &case.log.counts;
    let torn = counts.joined + counts.doubtful + counts.lost;
    if case.index > 0 || torn == 0 {
        return Ok(());
    }
    let collections = case.log.lives.iter().filter_map(|life| life.collections.as_ref());
    let missing = collections.map(|of| of.missing).fold(0, u64::saturating_add);
    let mut message = format!(
        "{torn} of {} lines of the runtime's were torn by other writers: {} were put together",
        counts.whole + torn,
        counts.joined
    );
    if counts.doubtful > 0 {
        message
            .push_str(&format!(", {} could have been several and were left out", counts.doubtful));
    }
    if counts.lost > 0 {
        message.push_str(&format!(", of {} a part is missing", counts.lost));
    }
    let mut finding =
        Finding::new(&RULE, message, &crate::facts::Origin::whole(case.log.source), "");
    if missing > 0 {
        finding = finding.note(format!("{missing} numbers of collections are missing"));
    }
    out.push(
        finding
            .note("the runtime writes a line word by word, and whatever else goes to stderr lands in between")
            .fix(Fix::suggest("log to stdout, and leave stderr to the runtime")),
    );
    Ok(())
}
