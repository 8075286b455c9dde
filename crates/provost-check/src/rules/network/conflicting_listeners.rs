//! Two settings of one program that name one port.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::case::listen::{Told, reads};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::listeners::{self, Listener};
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
    let mut told: Vec<Told> = case.told().into_iter().take(SETTINGS).collect();
    if told.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let program = if case.is_target() { case.known_program() } else { None };
    // What nothing sets listens at its default.
    told.extend(program.into_iter().flat_map(|program| case.default_listeners(program)));
    let mut by_port: BTreeMap<u16, Vec<&Told>> = BTreeMap::new();
    // UDP has ports of its own.
    for one in told.iter().filter(|told| !listeners::is_datagram(&told.setting.name)) {
        by_port.entry(one.setting.port).or_default().push(one);
    }
    by_port.retain(|_, same| !conflicts(same).is_empty());
    if told.len() < 2 {
        return Err(Abstain::NotApplicable);
    }
    if !by_port.is_empty() {
        case.of.pod_unpatched(&[
            "containers/env",
            "containers/envFrom",
            "containers/command",
            "containers/args",
        ])?;
    }
    for (port, same) in by_port {
        let mut kept: Vec<&Told> = Vec::new();
        for one in same {
            let read = match program {
                Some(program) if !one.is_flag() && !one.is_default => {
                    reads(program, &one.setting.name)
                }
                _ => Ok(true),
            };
            match read {
                Ok(true) => kept.push(one),
                Ok(false) => {}
                Err(abstain) => out.abstain(abstain),
            }
        }
        // The service first, then the others.
        kept.sort_by_key(|told| told.listener);
        let mut kept = conflicts(&kept);
        // Two defaults are the program's own affair; what is set is shown first.
        if kept.iter().all(|told| told.is_default) {
            continue;
        }
        if let [first, second, ..] = kept.as_mut_slice()
            && second.is_default
        {
            std::mem::swap(first, second);
        }
        let [first, second, rest @ ..] = kept.as_slice() else { continue };
        let certain = program.is_some() && is_certain(first, second);
        let mut finding = Finding::new(
            &RULE,
            format!(
                "{} and {} both name port {port}{}: the listener that comes second ends with \
                 \"address already in use\"{}",
                first.setting.name,
                second.setting.name,
                if first.is_default { format!(" ({})", first.sentence()) } else { String::new() },
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

/// The first setting that another of one port keeps from its address, and those that it does: one for each
/// listener, since two settings of one are two ways to say the same.
fn conflicts<'t>(same: &[&'t Told]) -> Vec<&'t Told> {
    for (index, first) in same.iter().enumerate() {
        let mut all = vec![*first];
        for other in &same[index + 1..] {
            if all.iter().all(|told| told.listener != other.listener) && conflict(first, other) {
                all.push(other);
            }
        }
        if all.len() > 1 {
            return all;
        }
    }
    Vec::new()
}

fn conflict(one: &Told, other: &Told) -> bool {
    // The port of a Service in front of a program that speaks TLS.
    let advertised = |one: &Told, other: &Told| {
        other.listener == Listener::Tls && listeners::may_be_advertised(&one.setting.name)
    };
    one.setting.overlaps(&other.setting) && !advertised(one, other) && !advertised(other, one)
}

/// Whether no program serves the two on one listener: what is written for health, metrics and
/// administration may be, and often is.
fn is_certain(one: &Told, other: &Told) -> bool {
    let both = [one, other];
    let apart = |told: &&Told| matches!(told.listener, Listener::Debug | Listener::Tls);
    let plain = |told: &&Told| matches!(told.listener, Listener::Service | Listener::Grpc);
    both.iter().any(apart)
        && both.iter().all(|told| apart(told) || plain(told))
        && !both.iter().any(|told| listeners::may_be_advertised(&told.setting.name))
}
