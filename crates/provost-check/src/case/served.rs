//! Whether a program answers a path. What its handlers do with one is known where they are multiplexers of `net/http`
//! and nothing else: a function, a type of its own or another library's router answers what it likes.

use super::Case;
use super::servers::Serves;
use crate::facts::build::CommandForm;
use crate::facts::program_text::{Route, TextPresence};
use crate::facts::workload::VolumeKind;
use crate::findings::{Abstain, Reason};
use crate::model::names;
use crate::model::serve_mux::{Taken, taken};

/// The first minor version of Go whose `http.ServeMux` has methods and wildcards.
pub(super) const WILDCARDS: u16 = 22;

impl Case<'_> {
    /// Whether the container's program serves a path, without query: `false` is proved. Unknown where the routes of the
    /// program are not known. Where it is known which server listens on the port that is asked, those of that server
    /// count.
    pub fn serves_path(&self, path: &str, port: Option<u16>) -> Result<bool, Abstain> {
        let program = self.program()?;
        self.may_be_searched()?;
        let found = program.text.find_path(path);
        if let (TextPresence::Unknown(why), true) = (&found, program.text.strings().is_err()) {
            let what = format!("whether the program knows {path}: {why}");
            return Err(Abstain::unknown(Reason::StringsUnreadable, what));
        }
        let wildcards = program.version.value.minor >= WILDCARDS;
        let of_port = port.and_then(|port| self.routes_at(port));
        // It holds the text for another of its servers.
        let is_other = of_port.as_ref().is_some_and(|(_, others)| {
            let mut taken_by = others.iter().map(|route| taken(&route.pattern, path, wildcards));
            taken_by.any(|taken| taken == Taken::Exact)
        });
        let held = matches!(found, TextPresence::Present(_)) && !is_other;
        let routes = match of_port {
            Some((own, _)) => Ok(own),
            None => program.text.routes().map(|routes| routes.iter().collect()),
        };
        match routes {
            Ok(routes) => {
                // Its escapes are taken off before a route is looked for.
                if path.contains('%') {
                    let what = format!("which route {path} is for, whose escapes are not read");
                    return Err(Abstain::unknown(Reason::CodeUnclear, what));
                }
                let best = routes.iter().map(|r| (taken(&r.pattern, path, wildcards), r));
                match best.max_by_key(|(taken, _)| *taken) {
                    Some((Taken::Exact, _)) => Ok(true),
                    // Its handler names the path.
                    Some((Taken::Below, _)) if held => Ok(true),
                    Some((Taken::Below, route)) => {
                        let (pattern, function) = (&route.pattern, &route.function);
                        let what = format!(
                            "whether the program serves {path}: the handler of {pattern}, which {function} \
                             registers, answers what is below it as it likes"
                        );
                        Err(Abstain::unknown(Reason::CodeUnclear, what))
                    }
                    _ if held => {
                        let what = format!(
                            "whether the program serves {path}: it holds the text, and no route of it is that path"
                        );
                        Err(Abstain::unknown(Reason::CodeUnclear, what))
                    }
                    // Code that nobody follows may take the path from there, and answer it before the routes do.
                    _ if configured(self, path)? => {
                        let what = format!(
                            "whether the program serves {path}: what it is configured with holds the text, and no \
                             route of it is that path"
                        );
                        Err(Abstain::unknown(Reason::CodeUnclear, what))
                    }
                    _ => Ok(false),
                }
            }
            Err(_) if held || configured(self, path)? => Ok(true),
            Err(why) => {
                let known = program.text.paths();
                let near = names::nearest(path, known.iter().map(String::as_str), 2);
                let near = near.filter(|near| *near != path);
                let near = near.map_or(String::new(), |near| format!("; it knows {near}"));
                let what = format!("whether the program serves {path}: {why}{near}");
                Err(Abstain::unknown(Reason::CodeUnclear, what))
            }
        }
    }
}

impl<'w> Case<'w> {
    /// The routes of the server that listens on a port, and those of the others, where all of that is known. One whose
    /// multiplexer is not known may be anybody's.
    fn routes_at(&self, port: u16) -> Option<(Vec<&'w Route>, Vec<&'w Route>)> {
        let Serves::Http(server) = self.server_at(port)? else { return None };
        let mux = server.handler.is_ok().then_some(server.mux).flatten()?;
        let endpoints = self.known_program()?.text.endpoints().ok()?;
        Some(endpoints.routes.iter().partition(|route| route.mux.is_none_or(|own| own == mux)))
    }

    /// The paths that the routes of the container's program are for, sorted; none where they are not known. With a port
    /// those of the server that listens there.
    pub fn route_paths(&self, port: Option<u16>) -> Vec<String> {
        let Ok(program) = self.program() else { return Vec::new() };
        let of_port = port.and_then(|port| self.routes_at(port));
        let all = || program.text.routes().unwrap_or_default().iter().collect();
        let routes = of_port.map_or_else(all, |(own, _)| own).into_iter();
        let paths = routes
            .filter_map(|route| route.pattern.find('/').and_then(|at| route.pattern.get(at..)));
        let mut paths: Vec<String> = paths.map(str::to_owned).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Its first routes, for people.
    pub fn routes_shown(&self, port: Option<u16>, most: usize) -> String {
        let known = self.route_paths(port);
        if known.is_empty() {
            return "it registers no route".to_owned();
        }
        let shown: Vec<&str> = known.iter().take(most).map(String::as_str).collect();
        format!("its routes: {}{}", shown.join(", "), if known.len() > most { " ..." } else { "" })
    }
}

impl Case<'_> {
    /// Whether configuration of the container holds a text, or its last part behind a slash.
    pub fn is_configured(&self, text: &str) -> Result<bool, Abstain> {
        configured(self, text)
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
