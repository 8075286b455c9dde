//! A liveness probe that fails because another service is down.

use crate::case::outages::{Told, last_of};
use crate::case::process::{ProcessCase, duration, tally};
use crate::facts::proof::{PhaseName, ProbeKind, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Every replica is restarted at once, which mends nothing.
pub static RULE: Rule = Rule {
    id: "liveness-follows-dependency",
    group: Group::Serving,
    level: Level::Deny,
    title: "a liveness probe that fails when a dependency does",
    page: include_str!("liveness-follows-dependency.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Outage],
    check: Check::Process(check),
    ..Rule::BASE
};

/// One alone may have come at a bad moment.
const ENOUGH: usize = 2;

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let Some(probe) = case.terms().probe(ProbeKind::Liveness) else {
        return Err(Abstain::NotApplicable);
    };
    let mut told = Told::of(case);
    let mut judged = false;
    let (outages, unknown) = case.outages()?;
    for outage in outages {
        if told.is_known(&outage) {
            continue;
        }
        let before = outage.before(Purpose::Liveness);
        if last_of(&before, |request| request.outcome.passes()).is_empty() {
            // It fails without an outage, which is another rule's. What failed and passed again, as it does on a busy
            // machine, passed when the outage began.
            continue;
        }
        judged = true;
        let asked = outage.during(Purpose::Liveness);
        let failed = last_of(&asked, |request| !request.outcome.passes());
        let back = outage.after(Purpose::Liveness).iter().any(|it| it.outcome.passes());
        // What does not come back is stuck, and a restart is what it needs.
        let Some(first) = failed.first().filter(|_| failed.len() >= ENOUGH && back) else {
            continue;
        };
        told.add(&outage);
        let names = &outage.names;
        let mut finding = Finding::new(
            &RULE,
            format!("the liveness probe of {} fails while {names} {}", probe.path, outage.words()),
            &case.moment(outage.phase, first.at_us),
            format!(
                "{}, {} after the outage began",
                first.outcome.words(),
                duration(first.end_us.saturating_sub(outage.from_us))
            ),
        )
        .also(&case.moment(outage.phase, outage.from_us), "the outage");
        finding = case.show_probe(ProbeKind::Liveness, finding);
        out.push(
            finding
                .note(format!("from then on: {}; it passed before, and when the outage was over", tally(failed.iter().copied())))
                .note("the kubelet restarts every replica, and the new ones fail, too, as long as the outage lasts")
                .note(case.repeat(outage.phase))
                .fix(Fix::suggest(
                    "have liveness say that this process is not stuck, and nothing of others; readiness may say that",
                )),
        );
    }
    if judged || !unknown.is_empty() {
        unknown.into_iter().for_each(|why| out.abstain(why));
        return Ok(());
    }
    Err(Abstain::NotApplicable)
}
