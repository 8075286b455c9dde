//! A probe of a path that the program does not know.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::facts::Fact;
use crate::facts::program_text::TextPresence;
use crate::facts::symbols;
use crate::facts::workload::{Action, VolumeKind};
use crate::findings::{Abstain, Finding, Fix, Level, Reason};
use crate::model::names;
use crate::rules::rule::{Check, Findings, Group, Judged, Need, Rule};

/// The kubelet sees 404, and the pod never gets ready or is restarted for ever.
pub static RULE: Rule = Rule {
    id: "probe-path-not-served",
    group: Group::Health,
    level: Level::Warn,
    title: "a probe of a path that does not occur in the program",
    page: include_str!("probe-path-not-served.md"),
    needs: &[Need::Manifest, Need::Binary],
    check: Check::Container(check),
    ..Rule::BASE
};

/// Paths shown as those the program knows.
const SHOWN: usize = 5;

fn check(case: &Case<'_>, out: &mut Findings) -> Judged {
    case.main_only()?;
    let mut by_path: BTreeMap<&str, Vec<(&'static str, &Fact<String>)>> = BTreeMap::new();
    for (field, probe) in case.container.probes() {
        let Action::HttpGet { path, port, .. } = &probe.handler.action else { continue };
        let asked = path.value.split(['?', '#']).next().unwrap_or_default();
        let sidecar = port.as_ref().is_some_and(|port| super::is_mesh_port(&port.value));
        if asked.trim_matches('/').is_empty() || sidecar {
            continue;
        }
        by_path.entry(asked).or_default().push((field, path));
    }
    if by_path.is_empty() {
        return Err(Abstain::NotApplicable);
    }
    let binary = case.binary()?;
    let program = case.program()?;
    case.may_be_searched()?;
    for (path, probes) in by_path {
        match program.text.find_path(path) {
            TextPresence::Present(_) => continue,
            TextPresence::Unknown(why) => {
                let what = format!("whether the program knows {path}: {why}");
                out.abstain(Abstain::unknown(Reason::StringsUnreadable, what));
                continue;
            }
            TextPresence::Absent => {}
        }
        let elsewhere = match configured(case, path) {
            Ok(true) => continue,
            Ok(false) => served_from_elsewhere(case),
            Err(abstain) => Err(abstain),
        };
        if let Err(abstain) = elsewhere {
            out.abstain(abstain);
            continue;
        }
        let (field, origin) = probes[0];
        let known: Vec<String> = program.text.paths();
        let mut finding = Finding::new(
            &RULE,
            format!(
                "{path} does not occur in the program: the kubelet will see 404, and {}",
                then(field)
            ),
            &origin.origin,
            format!("asked by the {field}"),
        );
        for (field, origin) in &probes[1..] {
            finding = finding.also(&origin.origin, format!("and by the {field}"));
        }
        let shown: Vec<&str> = known.iter().take(SHOWN).map(String::as_str).collect();
        let label = if shown.is_empty() {
            "no such text in its strings and comparisons".to_owned()
        } else {
            let more = if known.len() > SHOWN { " ..." } else { "" };
            format!("paths seen: {}{more}", shown.join(", "))
        };
        finding = finding.also(&binary.origin(), label);
        if let Some(longer) = known.iter().find(|known| known.starts_with(path)) {
            finding =
                finding.note(format!("{longer} begins like it, and serves only what it says"));
        }
        if let Some(near) = names::nearest(path, known.iter().map(String::as_str), 4) {
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

/// Whether configuration of the container holds the path, or its last part, which code may join to
/// a prefix.
fn configured(case: &Case<'_>, path: &str) -> Result<bool, Abstain> {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    let words = case.container.command.iter().chain(&case.container.args).flatten();
    let mut texts: Vec<&str> = words.map(|word| word.value.as_str()).collect();
    let env = case.environment();
    for (_, variable) in env.iter() {
        if let Ok(value) = &variable.value {
            texts.push(value);
        }
    }
    let image = case.image().ok().map(|image| image.config());
    let command = image.iter().flat_map(|config| [&config.entrypoint, &config.cmd]).flatten();
    for form in command {
        match &form.value {
            crate::facts::build::CommandForm::Exec(words) => {
                texts.extend(words.iter().map(|word| word.value.as_str()));
            }
            crate::facts::build::CommandForm::Shell(text) => texts.push(&text.value),
        }
    }
    let mut missing = env.open().cloned();
    for mount in &case.container.mounts {
        let volume = case.pod().volume(&mount.name.value);
        let Some(VolumeKind::ConfigMap { name, .. }) = volume.map(|v| &v.kind) else { continue };
        match case.config_map(&name.value) {
            Some(map) => texts.extend(map.data.iter().map(|(_, value)| value)),
            _ => {
                let what = format!("ConfigMap {}", name.value);
                missing = missing.or(Some(Abstain::unknown(Reason::ObjectNotInInput, what)));
            }
        }
    }
    if texts.iter().any(|text| text.contains(last)) {
        return Ok(true);
    }
    // A value that cannot be read may be a path where its name says so.
    let unread = env.iter().filter(|(name, _)| may_name_a_path(name));
    let unread = unread.filter_map(|(_, variable)| variable.value.as_ref().err()).next();
    match missing.as_ref().or(unread) {
        Some(abstain) => Err(abstain.clone()),
        None => Ok(false),
    }
}

/// Words at the beginning of a part of a name (`BASEURL`), at its end (`CONTEXTPATH`), or either.
const BEGIN: &[&str] = &["HEALTH", "READ", "LIVE", "PROBE", "BASE"];
const EITHER: &[&str] = &["PATH", "PREFIX", "ROUTE", "ENDPOINT"];

/// Whether the name of a variable says that it may hold a path that is served: word by word, since
/// `DATABASE_URL` holds `BASE`, and `DELIVERY` holds `LIVE`.
fn may_name_a_path(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    // Where telemetry is sent to.
    if upper.starts_with("OTEL_") {
        return false;
    }
    upper.split(['_', '-', '.']).any(|part| {
        let part = part.strip_suffix('S').unwrap_or(part);
        BEGIN.iter().chain(EITHER).any(|word| part.starts_with(word))
            || EITHER.iter().any(|word| part.ends_with(word))
    })
}

/// Programs that answer paths they do not name: proxies, embedded files, routers by pattern.
fn served_from_elsewhere(case: &Case<'_>) -> Judged {
    let program = case.program()?;
    let unknown = |how: &str| {
        Abstain::unknown(Reason::MeasuredFactMissing, format!("served paths: the program {how}"))
    };
    if program.links_any(&[symbols::EMBED_OPEN, symbols::EMBED_READ_FILE])?.is_some() {
        return Err(unknown("serves embedded files"));
    }
    if program.links_package("net/http/httputil") {
        return Err(unknown("may be a reverse proxy"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::may_name_a_path;

    #[test]
    fn a_database_is_no_path() {
        for name in ["DATABASE_URL", "DELIVERY_KEY", "OTEL_EXPORTER_OTLP_ENDPOINT", "API_TOKEN", ""]
        {
            assert!(!may_name_a_path(name), "{name}");
        }
        for name in [
            "BASE_PATH",
            "HEALTHZ_PATH",
            "CONTEXTPATH",
            "URL_PREFIXES",
            "READY",
            "BASEURL",
            "routes",
        ] {
            assert!(may_name_a_path(name), "{name}");
        }
    }
}
