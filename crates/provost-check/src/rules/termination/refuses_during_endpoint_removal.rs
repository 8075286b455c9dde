//! New connections that arrive while the pod is taken out of the endpoints.

use crate::case::process::{ProcessCase, duration, tally};
use crate::case::removal::Removal;
use crate::facts::proof::PhaseName;
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// What the harness may have added; beyond it a few lost connections may be its own.
const LATE: u64 = 50_000;

/// Each rollout loses them.
pub static RULE: Rule = Rule {
    id: "refuses-during-endpoint-removal",
    group: Group::Termination,
    level: Level::Deny,
    title: "new connections are lost while endpoints are removed",
    page: include_str!("refuses-during-endpoint-removal.md"),
    needs: &[Need::Process],
    phases: &[PhaseName::Drain],
    after: &["no-termination-handler-seen"],
    check: Check::Process(check),
    ..Rule::BASE
};

fn check(case: &ProcessCase<'_>, out: &mut Findings) -> Judged {
    let terms = case.terms();
    let Removal { phase, told, window, arrived, lost, not_ready, .. } = case.removal()?;
    let Some(first) = lost.first() else {
        case.answered_before(phase, "new connections after SIGTERM")?;
        if let Some(request) = not_ready {
            let what = format!(
                "whether requests are served after SIGTERM: {} is a probe's path, and says that it is not ready; --path names what the process is there for",
                request.path
            );
            return Err(Abstain::unknown(Reason::NotMeasured, what));
        }
        if window <= terms.window_ms() * 1000 {
            return Ok(());
        }
        let what = format!("new connections {} after SIGTERM", duration(window));
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    };
    case.is_sent_connections(phase, "new connections after SIGTERM")?;
    // Of half of the window, or of a few of them, it is not known whether they were late.
    let is_late = phase.lateness_us > LATE && lost.len() * 2 < arrived.len();
    if is_late || phase.lateness_us > window / 2 {
        let what =
            "new connections after SIGTERM: the machine was too busy to tell when they arrived";
        return Err(Abstain::unknown(Reason::NotMeasured, what));
    }
    let mut finding = Finding::new(
        &RULE,
        format!(
            "{} of {} new connections were lost in the {} after SIGTERM in which they still arrive",
            lost.len(),
            arrived.len(),
            duration(window)
        ),
        &case.moment(phase, first.at_us),
        format!("the first, {} after SIGTERM", duration(first.at_us - told)),
    )
    .also(&case.moment(phase, told), "SIGTERM");
    if let Some(case) = case.container() {
        finding = match case.pre_stop_origin() {
            Some(origin) => finding.also(origin, "holds SIGTERM back, not long enough"),
            None => {
                finding.also(&case.container.origin, "has no preStop hook that holds SIGTERM back")
            }
        };
    }
    let held =
        case.container().map_or(terms.pre_stop_ms / 1000, |case| case.termination().prestop.into());
    let propagation = held * 1_000_000 + window;
    let missing = propagation.div_ceil(1_000_000);
    let end = if phase.is_grpc() { "GracefulStop" } else { "Server.Shutdown" };
    finding = case.show_spoken(phase, finding.note(tally(lost)));
    out.push(
        finding
            .note(format!(
                "endpoints are taken to be gone everywhere {} after the pod began to end (cluster.endpoint_propagation)",
                duration(propagation)
            ))
            .note(case.repeat(phase))
            .fix(Fix::suggest(format!(
                "hold SIGTERM back: preStop: {{sleep: {{seconds: {missing}}}}}, or go on accepting that long before {end}"
            ))),
    );
    Ok(())
}
