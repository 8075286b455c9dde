//! A liveness probe that asks what the readiness probe asks.

use crate::case::Case;
use crate::facts::Fact;
use crate::facts::workload::Action;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// When a dependency fails, every pod is restarted, which helps nobody.
pub static RULE: Rule = Rule {
    id: "readiness-endpoint-as-liveness",
    group: Group::Health,
    level: Level::Warn,
    title: "a liveness probe of the readiness endpoint",
    page: include_str!("readiness-endpoint-as-liveness.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

/// How many times longer the restart has to wait than the withdrawal, to be another decision.
const CLEARLY: u64 = 3;

/// Words of a path that say it asks for more than the process.
const READY: &[&str] = &["ready", "readyz", "readiness", "dependencies", "deps"];

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    let liveness = case.container.liveness.as_ref().ok_or(Abstain::NotApplicable)?;
    let same = case
        .container
        .readiness
        .as_ref()
        .filter(|readiness| same_endpoint(&readiness.handler.action, &liveness.handler.action));
    let place = match &liveness.handler.action {
        Action::HttpGet { path, .. } => &path.origin,
        _ => &liveness.handler.origin,
    };
    if let Some(readiness) = same {
        let (kill, away) = (liveness.timing().withdrawal(), readiness.timing().withdrawal());
        let clearly = kill > CLEARLY * away;
        let message = if clearly {
            format!(
                "liveness asks the readiness endpoint, and restarts {} s after readiness withdrew \
                 the pod",
                kill - away
            )
        } else {
            "liveness asks the readiness endpoint: when a dependency fails, every pod is restarted"
                .to_owned()
        };
        let other = match &readiness.handler.action {
            Action::HttpGet { path, .. } => &path.origin,
            _ => &readiness.handler.origin,
        };
        let mut finding = Finding::new(&RULE, message, place, format!("restarts after {kill} s"))
            .also(other, format!("withdraws after {away} s"));
        if clearly {
            finding = finding.level(Level::Note);
        }
        out.push(finding.fix(Fix::suggest(
            "give liveness an endpoint of its own that asks nothing but the process",
        )));
        return Ok(());
    }
    let Action::HttpGet { path, .. } = &liveness.handler.action else { return Ok(()) };
    let asks_ready = path
        .value
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| READY.contains(&word.to_ascii_lowercase().as_str()));
    if asks_ready {
        out.push(
            Finding::new(
                &RULE,
                format!(
                    "liveness asks {}, which by its name answers for dependencies too: when one \
                     fails, every pod is restarted",
                    path.value
                ),
                &path.origin,
                "decides about restarts",
            )
            .fix(Fix::suggest(
                "give liveness an endpoint of its own that asks nothing but the process",
            )),
        );
    }
    Ok(())
}

/// Whether both ask the same thing. A TCP connection asks for nothing that could depend on others.
fn same_endpoint(a: &Action, b: &Action) -> bool {
    match (a, b) {
        (
            Action::HttpGet { path: p, port: q, scheme: s, host: h, headers: n, protocol: v },
            Action::HttpGet { path: p2, port: q2, scheme: s2, host: h2, headers: n2, protocol: v2 },
        ) => {
            let value = |port: &Option<Fact<crate::facts::objects::PortRef>>| {
                port.as_ref().map(|port| port.value.clone())
            };
            // By its headers a server may tell one from the other.
            let values = |all: &[(Fact<String>, Fact<String>)]| {
                let all = all.iter();
                all.map(|(name, value)| (name.value.to_ascii_lowercase(), value.value.clone()))
                    .collect::<Vec<_>>()
            };
            p.value == p2.value
                && values(n) == values(n2)
                && value(q) == value(q2)
                && s.value == s2.value
                && h.as_deref() == h2.as_deref()
                && v.as_deref() == v2.as_deref()
        }
        (
            Action::Grpc { port: p, service: s, mode: m },
            Action::Grpc { port: p2, service: s2, mode: m2 },
        ) => {
            p.as_deref() == p2.as_deref()
                && s.as_deref() == s2.as_deref()
                && m.as_deref() == m2.as_deref()
        }
        (Action::Exec(a), Action::Exec(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.value == b.value)
        }
        _ => false,
    }
}
