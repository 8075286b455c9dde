//! Whether what is there for debugging is served to whoever can send requests.

use super::listen::{address, serves_default_router};
use super::{Names, Ports, View, routes};

/// Packages that register handlers with http.DefaultServeMux when they are imported: at
/// `/debug/pprof/` (net/http/pprof/pprof.go, init) and `/debug/vars` (expvar/expvar.go, init).
const REGISTERED: &[(&str, &str)] =
    &[("net/http/pprof", "/debug/pprof/"), ("expvar", "/debug/vars")];

/// Paths for debugging on the port for requests, in order.
pub(super) fn public(view: &View<'_>, ports: &Ports) -> Vec<&'static str> {
    let is_reached = ports.http.as_ref().is_some_and(|port| !port.loopback);
    let imported: Vec<&'static str> =
        REGISTERED.iter().filter(|(path, _)| view.imports(path)).map(|(_, path)| *path).collect();
    if !is_reached || imported.is_empty() {
        return Vec::new();
    }
    if serves_default(view, ports) {
        return imported;
    }
    // Registered by hand, with the only router there is.
    let public = |path: &&str| {
        let path = path.trim_end_matches('/');
        let below = |(found, inner): &(String, bool)| !inner && found.starts_with(path);
        is_alone(ports) && routes::all(view, Some(ports)).iter().any(below)
    };
    imported.into_iter().filter(public).collect()
}

/// Whether no listener is for operators.
fn is_alone(ports: &Ports) -> bool {
    ports.admin.is_none() && ports.metrics.is_none() && ports.private.listeners.is_empty()
}

/// Whether the default router answers on the port for requests.
fn serves_default(view: &View<'_>, ports: &Ports) -> bool {
    let inner = [&ports.admin, &ports.metrics].into_iter().flatten();
    let inner: Vec<u16> = inner.chain(&ports.private.listeners).map(|port| port.port).collect();
    view.packages.iter().any(|files| {
        let names = Names::of(files);
        files.iter().any(|file| {
            let http = file.imports.get("net/http");
            let mut calls = file
                .calls
                .iter()
                .filter(|call| http == Some(&call.receiver) && serves_default_router(call));
            let by_call = calls.any(|call| {
                match names.text(call.arguments.first()).and_then(address) {
                    Some((port, loopback)) => !loopback && !inner.contains(&port),
                    // Which of several listeners it is cannot be told.
                    None => is_alone(ports),
                }
            });
            let set_later =
                file.mentions.iter().any(|m| m.ends_with(".Handler") && m != "http.Handler");
            by_call || (file.bare_server && !set_later && is_alone(ports))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::{file, listen, settings};
    use super::*;

    #[test]
    fn the_default_router_in_public_is_told_from_one_of_the_programs_own() {
        let both: &[&str] = &["/debug/pprof/", "/debug/vars"];
        for (body, expected) in [
            ("http.ListenAndServe(\":8080\", nil)", both),
            ("http.ListenAndServe(addr, nil)", both),
            ("s := &http.Server{Addr: \":8080\"}; s.ListenAndServe()", both),
            ("s := &http.Server{Addr: \":8080\"}; s.Handler = mux; s.ListenAndServe()", &[]),
            ("s := &http.Server{Addr: \":8080\", Handler: routes()}; s.ListenAndServe()", &[]),
            ("http.ListenAndServe(\":8080\", mux)", &[]),
            (
                "go http.ListenAndServe(\"localhost:6060\", nil); http.ListenAndServe(\":8080\", mux)",
                &[],
            ),
            ("go http.ListenAndServe(\":6060\", nil); http.ListenAndServe(\":8080\", mux)", &[]),
            (
                "go http.ListenAndServe(env(\"DEBUG_ADDR\", \"127.0.0.1:6060\"), nil); http.ListenAndServe(\":8080\", mux)",
                &[],
            ),
            (
                "mux.HandleFunc(\"/debug/pprof/\", pprof.Index); http.ListenAndServe(\":8080\", mux)",
                &["/debug/pprof/"],
            ),
            (
                "debugMux.HandleFunc(\"/debug/pprof/\", pprof.Index); http.ListenAndServe(\":8080\", mux)",
                &[],
            ),
        ] {
            let source = format!(
                "package main\nimport (\n_ \"expvar\"\n\"net/http\"\n\"net/http/pprof\"\n)\nfunc main() {{ {body} }}"
            );
            let file = file::read(&source);
            let view = View { packages: vec![vec![&file]] };
            let ports = listen::ports(&view, &settings::read(&view), "a");
            assert_eq!(public(&view, &ports), expected, "{body}");
        }
    }
}
