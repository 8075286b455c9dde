//! Two settings of one program that name one port.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::case::listen::{Told, reads};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::listeners::Listener;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// A port is bound once: the second listener ends with "address already in use".
pub static RULE: Rule = Rule {
    id: "conflicting-listeners",
    group: Group::Network,
    level: Level::Warn,
    title: "two listeners of one program are told to use one port",
    page: include_str!("conflicting-listeners.md"),
    needs: &[Need::Manifest],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Settings of one container that are compared.
const SETTINGS: usize = 256;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let told: Vec<Told> = case.told().into_iter().take(SETTINGS).collect();
    let mut by_port: BTreeMap<u16, Vec<&Told>> = BTreeMap::new();
    for one in &told {
        by_port.entry(one.setting.port).or_default().push(one);
    }
    by_port.retain(|_, same| same.iter().any(|told| told.listener != same[0].listener));
    if told.len() < 2 {
        return Err(Abstain::NotApplicable);
    }
    let program = if case.is_target() { case.known_program() } else { None };
    for (port, same) in by_port {
        let mut kept: Vec<&Told> = Vec::new();
        for one in same {
            let read = match program {
                Some(program) if !one.is_flag() => reads(program, &one.setting.name),
                _ => Ok(true),
            };
            match read {
                // Two settings of one listener are two ways to say the same.
                Ok(true) if kept.iter().all(|other| other.listener != one.listener) => {
                    kept.push(one);
                }
                Ok(_) => {}
                Err(abstain) => out.abstain(abstain),
            }
        }
        // The service first, then the others.
        kept.sort_by_key(|told| told.listener);
        let [first, second, rest @ ..] = kept.as_slice() else { continue };
        // What is written for metrics and health may be served beside the service, and often is.
        let apart = |told: &Told| matches!(told.listener, Listener::Debug | Listener::Tls);
        let certain = program.is_some() && (apart(first) || apart(second));
        let mut finding = Finding::new(
            &RULE,
            format!(
                "{} and {} both name port {port}: the listener that comes second ends with \
                 \"address already in use\"{}",
                first.setting.name,
                second.setting.name,
                if certain { "" } else { ", unless the program serves both on one" }
            ),
            &second.setting.origin,
            format!("the listener for {}", second.listener.name()),
        )
        .also(&first.setting.origin, format!("the listener for {}", first.listener.name()));
        for other in rest {
            let label = format!("the listener for {}", other.listener.name());
            finding = finding.also(&other.setting.origin, label);
        }
        if certain {
            finding = finding.level(Level::Deny);
        }
        out.push(finding.fix(Fix::suggest("give each listener a port of its own")));
    }
    Ok(())
}
