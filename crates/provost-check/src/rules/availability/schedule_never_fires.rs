//! CronJobs whose time never comes.

use crate::case::ObjectCase;
use crate::facts::document::Node;
use crate::facts::placeholders::is_placeholder;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::cron;
use crate::model::text::shown;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule, Variant};

const DEADLINE: Variant = Variant::new(
    "short-starting-deadline",
    Level::Note,
    "a start that is late by seconds is left out",
);

/// The API server takes a schedule for its form; whether its moment is in the calendar nobody asks.
pub static RULE: Rule = Rule {
    id: "schedule-never-fires",
    group: Group::Availability,
    level: Level::Deny,
    title: "a CronJob whose time never comes",
    page: include_str!("schedule-never-fires.md"),
    needs: &[Need::Manifest],
    variants: &[DEADLINE],
    check: Check::Object(check),
    ..Rule::BASE
};

/// Seconds that Kubernetes' documentation of `startingDeadlineSeconds` advises at least.
const ADVISED: i64 = 10;

fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let meta = &case.object.meta;
    if meta.group() != "batch" || meta.kind.value != "CronJob" {
        return Err(Abstain::NotApplicable);
    }
    let spec = case.object.node().get("spec").ok_or(Abstain::NotApplicable)?;
    let fields = ["spec/schedule", "spec/startingDeadlineSeconds", "spec/suspend"];
    case.joined.unpatched(case.object, &fields)?;
    // Whoever holds it back knows that it does not run.
    if spec.get("suspend").and_then(Node::as_bool) == Some(true) {
        return Ok(());
    }
    schedule(spec, out);
    deadline(spec, out);
    Ok(())
}

fn schedule(spec: Node<'_>, out: &mut Findings) {
    let Some(node) = spec.get("schedule") else { return };
    let Some(text) = node.as_str().filter(|text| !is_placeholder(text)) else { return };
    let Some(why) = cron::never(text) else { return };
    let message = format!(
        "the schedule `{}` never comes, {why}: the API server takes it, and the CronJob starts no Job",
        shown(text)
    );
    let fix = Fix::suggest(
        "name a day that there is; for the last of a month run daily and let the program see",
    );
    out.push(Finding::new(&RULE, message, &node.origin(), "no such moment").fix(fix));
}

/// `mostRecentScheduleTime` in pkg/controller/cronjob/utils.go of Kubernetes v1.37.2 looks for starts that are
/// due from `now - startingDeadlineSeconds` on.
fn deadline(spec: Node<'_>, out: &mut Findings) {
    let Some(node) = spec.get("startingDeadlineSeconds") else { return };
    let fix = Fix::suggest("leave it out, or give a start as long as it may be late");
    match node.as_i64() {
        Some(0) => {
            let message = "startingDeadlineSeconds is 0: each start is late when it is looked at, and the \
                           CronJob starts no Job";
            out.push(Finding::new(&RULE, message, &node.origin(), "too late at once").fix(fix));
        }
        Some(seconds) if (1..ADVISED).contains(&seconds) => {
            let message = format!(
                "a start that is more than {seconds} s late is left out: a controller that is busy, or that \
                 another one takes over from, is enough"
            );
            let finding = Finding::new(&RULE, message, &node.origin(), "below 10 s");
            out.push(finding.variant(&DEADLINE).fix(fix));
        }
        _ => {}
    }
}
