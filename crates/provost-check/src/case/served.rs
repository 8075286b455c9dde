//! Whether a program answers a path: one that it does not hold, nothing gives it and nothing else can bring is answered
//! with 404.

use super::Case;
use crate::facts::build::CommandForm;
use crate::facts::program_text::TextPresence;
use crate::facts::symbols;
use crate::facts::workload::VolumeKind;
use crate::findings::{Abstain, Reason};
use crate::model::names;

impl Case<'_> {
    /// Whether the container's program may serve a path, without query: `false` is proved. Unknown where the path can
    /// come from elsewhere.
    pub fn serves_path(&self, path: &str) -> Result<bool, Abstain> {
        let program = self.program()?;
        self.may_be_searched()?;
        match program.text.find_path(path) {
            TextPresence::Present(_) => return Ok(true),
            TextPresence::Unknown(why) => {
                let what = format!("whether the program knows {path}: {why}");
                if program.text.strings().is_err() {
                    return Err(Abstain::unknown(Reason::StringsUnreadable, what));
                }
                let known = program.text.paths();
                let near = names::nearest(path, known.iter().map(String::as_str), 2);
                let near = near.filter(|near| *near != path);
                let what = near.map_or(what.clone(), |near| format!("{what}; it knows {near}"));
                return Err(Abstain::unknown(Reason::CodeUnclear, what));
            }
            TextPresence::Absent => {}
        }
        if configured(self, path)? {
            return Ok(true);
        }
        served_from_elsewhere(self)?;
        Ok(false)
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
            CommandForm::Exec(words) => {
                texts.extend(words.iter().map(|word| word.value.as_str()));
            }
            CommandForm::Shell(text) => texts.push(&text.value),
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
fn served_from_elsewhere(case: &Case<'_>) -> Result<(), Abstain> {
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
