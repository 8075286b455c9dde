//! No delay between the removal of the endpoint and the end of listening.

use crate::case::Case;
use crate::facts::objects::{PortRef, ServicePort};
use crate::facts::symbols;
use crate::facts::workload::{Action, WorkloadKind};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// Endpoint removal and SIGTERM run at the same time; until every node has heard of the first, new
/// connections still arrive.
pub static RULE: Rule = Rule {
    id: "missing-prestop-delay",
    group: Group::Lifecycle,
    level: Level::Warn,
    title: "no delay before SIGTERM while traffic still arrives",
    page: include_str!("missing-prestop-delay.md"),
    needs: &[Need::Manifest],
    after: &["no-termination-handler"],
    lacks: &["containers/lifecycle", "terminationGracePeriodSeconds"],
    check: Check::Container(check),
    ..Rule::BASE
};

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    case.not_batch()?;
    let (service, spec) = case.of.first_service().ok_or(Abstain::NotApplicable)?;
    // A pod's other containers are not what the Service sends to.
    if case.pod().declares_ports() && !spec.sends_to(case.container) {
        return Err(Abstain::NotApplicable);
    }
    // A pod has no endpoint for a port by a name that it does not declare (`FindPort` of pkg/api/v1/pod/util.go).
    let by_name = |port: &ServicePort| {
        port.target_port.as_ref().is_some_and(|target| matches!(target.value, PortRef::Name(_)))
    };
    if !case.pod().declares_ports() && !spec.ports.is_empty() && spec.ports.iter().all(by_name) {
        return Err(Abstain::NotApplicable);
    }
    // Without another pod beside it nobody answers anyway once it stops, sooner or later.
    if case.of.workload.kind == WorkloadKind::StatefulSet
        && case.of.replica_counts().last().is_none_or(|most| *most <= 1)
    {
        return Err(Abstain::NotApplicable);
    }
    let lame_duck = case
        .service_settings()
        .and_then(|service| service.lame_duck.as_ref())
        .map_or(0.0, |f| f.value);
    let window = case.settings().endpoint_propagation();
    // A sleep of no seconds is none.
    let sleepless = case.container.pre_stop.as_ref().and_then(|hook| match &hook.action {
        Action::Sleep(seconds) if seconds.value == 0 => Some(seconds),
        _ => None,
    });
    if (case.container.pre_stop.is_some() && sleepless.is_none()) || lame_duck >= window {
        return Ok(());
    }
    if let Ok(program) = case.program()
        && program.links(symbols::SIGNAL_NOTIFY)?.is_none()
    {
        // It ends at SIGTERM whatever is sent to it: no-termination-handler.
        return Err(Abstain::NotApplicable);
    }
    // What was measured outweighs what is not written.
    if case.answers_during_removal() {
        return Ok(());
    }
    let grace = &case.pod().grace_period;
    let delay = window.ceil().max(1.0) as i64;
    let termination = case.termination();
    let fits = i64::from(termination.need) + delay + 2 <= grace.value;
    let (place, label) = match sleepless {
        Some(seconds) => (&seconds.origin, "sleeps 0 s"),
        None => (
            case.container_origin(),
            "stops listening at SIGTERM, unless the program waits by itself",
        ),
    };
    let mut finding = Finding::new(
        &RULE,
        format!(
            "no preStop delay: SIGTERM comes while nodes still send new connections, \
             which are refused for up to {window} s"
        ),
        place,
        label,
    )
    .also(&service.origin(), "sends to it until every node has removed the endpoint");
    let verb = if sleepless.is_some() { "set" } else { "add" };
    let sleep = format!("{verb} lifecycle.preStop.sleep.seconds: {delay}");
    finding = finding.fix(if case.settings().kubernetes().0 < 30 {
        Fix::suggest(format!(
            "{sleep} (Kubernetes 1.30 and up), or an exec sleep where the image has one"
        ))
    } else if fits {
        Fix::suggest(format!(
            "{sleep}, or set lame_duck in provost.toml when the program waits by itself"
        ))
    } else {
        let better = 5 * (i64::from(termination.need) + delay + 2 + 4).div_euclid(5);
        let values = case.world().computed_from(&grace.origin);
        Fix::suggest(match values.is_empty() {
            true => format!("{sleep} and raise terminationGracePeriodSeconds to {better}"),
            false => format!(
                "{sleep} and raise {}, of which terminationGracePeriodSeconds is computed, until it is \
                 {better}",
                values.join(" or ")
            ),
        })
    });
    out.push(finding);
    Ok(())
}
