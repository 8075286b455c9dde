//! A probe of a path that the program does not know.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::Case;
use crate::facts::Fact;
use crate::facts::workload::Action;
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The kubelet sees 404, and the pod never gets ready or is restarted for ever.
pub static RULE: Rule = Rule {
    id: "probe-path-not-served",
    group: Group::Health,
    level: Level::Warn,
    title: "a probe of a path that no route of the program serves",
    page: include_str!("probe-path-not-served.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Routes shown as those of the program.
const SHOWN: usize = 5;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    type Asked<'a> = BTreeMap<(&'a str, Option<u16>), Vec<(&'static str, &'a Fact<String>)>>;
    let mut by_path: Asked<'_> = BTreeMap::new();
    for (field, probe) in case.container.probes() {
        let Action::HttpGet { path, port, .. } = &probe.handler.action else { continue };
        let asked = path.value.split(['?', '#']).next().unwrap_or_default();
        let sidecar = port.as_ref().is_some_and(|port| super::is_mesh_port(&port.value));
        if asked.trim_matches('/').is_empty() || sidecar {
            continue;
        }
        let port = case.asked_port(&probe.handler.action);
        by_path.entry((asked, port)).or_default().push((field, path));
    }
    if by_path.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let binary = case.binary()?;
    case.may_be_searched()?;
    let mut unknown_paths = BTreeSet::new();
    for ((path, port), probes) in by_path {
        match case.serves_path(path, port) {
            Ok(true) => continue,
            Ok(false) => {}
            Err(unknown) => {
                if unknown_paths.insert(path) {
                    out.abstain(unknown);
                }
                continue;
            }
        }
        let (field, origin) = probes[0];
        let known = case.route_paths(port);
        let another = port.and_then(|port| Some((port, case.served_by_another(path, port)?)));
        let what = match another {
            Some((port, other)) => {
                format!("the server on port {port} has no route {path}, which is that of {other}")
            }
            None => format!("no route of the program serves {path}"),
        };
        let mut finding = Finding::new(
            &RULE,
            format!("{what}: the kubelet will see 404, and {}", then(field)),
            &origin.origin,
            format!("asked by the {field}"),
        );
        for (field, origin) in &probes[1..] {
            finding = finding.also(&origin.origin, format!("and by the {field}"));
        }
        let label = case.routes_shown(port, SHOWN);
        finding = finding.also(&binary.origin(), label);
        if let Some(longer) = known.iter().find(|known| known.starts_with(path)) {
            finding =
                finding.note(format!("{longer} begins like it, and serves only what it says"));
        }
        if let Some((_, other)) = another {
            finding = finding.fix(Fix::suggest(format!("ask port {other}")));
        } else if let Some(near) = names::nearest(path, known.iter().map(String::as_str), 4) {
            let mut fix = Fix::suggest(format!("probe {near}"));
            for (_, origin) in &probes {
                let value = origin.value.replacen(path, near, 1);
                fix = case.world().rewrite(fix, &origin.origin, &origin.value, &value);
            }
            finding = finding.fix(fix);
        } else {
            finding = finding.fix(Fix::suggest("probe a path that the program serves"));
        }
        out.push(finding);
    }
    Ok(())
}

fn then(field: &str) -> &'static str {
    match field {
        "readinessProbe" => "the pod never becomes ready",
        _ => "the container is restarted again and again",
    }
}
