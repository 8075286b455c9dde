//! A readiness probe that passes while no request is served.

use crate::case::outages::{Told, failed, last_of};
use crate::case::process::{ProcessCase, duration, tally};
use crate::facts::proof::{PhaseName, ProbeKind, Purpose};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Requests go on being sent to a pod that cannot serve them.
pub static RULE: Rule = Rule {
    id: "readiness-ignores-dependency",
    group: Group::Serving,
    level: Level::Warn,
    title: "a readiness probe that passes while requests fail for want of a dependency",
    page: include_str!("readiness-ignores-dependency.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Outage],
    check: Check::Process(check),
    ..Rule::BASE
};

/// Requests in a row that failed.
const ENOUGH: usize = 3;

/// Less time is not enough for a check in the background.
const LONG_US: u64 = 12_000_000;

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let terms = case.terms();
    let Some(probe) = terms.probe(ProbeKind::Readiness) else {
        return Err(Abstain::NotApplicable);
    };
    let (outages, unknown) = case.outages()?;
    if outages.iter().any(|outage| terms.is_probed(outage.phase, &terms.path)) {
        let what = "what the process is there for; --path names it";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let mut told = Told::of(case);
    let mut judged = false;
    for outage in outages {
        if told.is_known(&outage) {
            continue;
        }
        let before = outage.before(Purpose::Plain);
        let readiness = outage.before(Purpose::Readiness);
        if before.is_empty()
            || before.iter().any(|request| failed(request))
            || readiness.iter().any(|request| !request.outcome.passes())
        {
            continue;
        }
        judged = true;
        let asked = outage.during(Purpose::Plain);
        let lost = last_of(&asked, failed);
        let ready = outage.during(Purpose::Readiness);
        let passed = ready.iter().all(|request| request.outcome.passes());
        let back = outage.after(Purpose::Plain).iter().any(|request| !failed(request));
        let long = outage.to_us.saturating_sub(outage.from_us) >= LONG_US;
        let Some(first) = lost
            .first()
            .filter(|_| lost.len() >= ENOUGH && !ready.is_empty() && passed && back && long)
        else {
            continue;
        };
        told.add(&outage);
        let names = &outage.names;
        let mut finding = Finding::new(
            &RULE,
            format!(
                "readiness goes on being answered well while {names} {} and requests of {} fail",
                outage.words(),
                terms.path
            ),
            &case.moment(outage.phase, first.at_us),
            first.outcome.words(),
        )
        .also(&case.moment(outage.phase, outage.from_us), "the outage");
        finding = case.show_probe(ProbeKind::Readiness, finding);
        out.push(
            finding
                .note(format!(
                    "requests: {}; readiness of {}: {}, for {}",
                    tally(lost.iter().copied()),
                    probe.path,
                    tally(ready.iter().copied()),
                    duration(outage.to_us - outage.from_us)
                ))
                .note(case.repeat(outage.phase))
                .fix(Fix::suggest(
                    "have readiness fail when requests would, unless all replicas share the dependency and an error is better than no endpoint",
                )),
        );
    }
    if judged || !unknown.is_empty() {
        unknown.into_iter().for_each(|why| out.abstain(why));
        return Ok(());
    }
    Err(Abstain::NotApplicable)
}
