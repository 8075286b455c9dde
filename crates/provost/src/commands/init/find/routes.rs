//! Which paths a program answers on that say how it is.

use super::file::{Call, Value};
use super::routers::Routers;
use super::{Names, Ports, View};

/// Paths for probes, and the port they are served on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Health {
    pub(in super::super) liveness: Option<String>,
    pub(in super::super) readiness: Option<String>,
    /// Served for either; none of the above names is.
    pub(in super::super) general: Option<String>,
    /// Whether a router for operators serves them.
    pub(in super::super) inner: bool,
    /// Whether that router listens where only the pod itself can ask.
    pub(in super::super) private: bool,
}

const LIVENESS: &[&str] = &[
    "/livez",
    "/healthz/live",
    "/health/live",
    "/health/liveness",
    "/live",
    "/liveness",
    "/alive",
    "/-/healthy",
];
const READINESS: &[&str] = &[
    "/readyz",
    "/healthz/ready",
    "/health/ready",
    "/health/readiness",
    "/ready",
    "/readiness",
    "/-/ready",
];
const GENERAL: &[&str] =
    &["/healthz", "/health", "/healthcheck", "/health-check", "/ping", "/status", "/up"];

/// Functions and methods that register a handler for a path.
const REGISTER: &[&str] = &[
    "Handle",
    "HandleFunc",
    "HandlerFunc",
    "Handler",
    "GET",
    "Get",
    "HEAD",
    "Head",
    "Any",
    "All",
    "Path",
    "Add",
];

/// The paths for probes.
pub(super) fn health(view: &View<'_>, ports: &Ports) -> Health {
    let routes = all(view, Some(ports));
    let find = |wanted: &[&str]| {
        wanted.iter().find_map(|end| {
            // A prefix of routers is part of the path: `/api/v1/healthz`. `/orders/status` is not.
            let named = |(path, _): &&(String, bool)| path == end;
            let below = |(path, _): &&(String, bool)| says_health(end) && path.ends_with(end);
            routes.iter().find(named).or_else(|| routes.iter().find(below))
        })
    };
    let (liveness, readiness, general) = (find(LIVENESS), find(READINESS), find(GENERAL));
    let inner = [liveness, readiness, general].into_iter().flatten().next();
    let has_inner_port = ports.admin.is_some() || ports.metrics.is_some();
    let path = |found: Option<&(String, bool)>| found.map(|(path, _)| path.clone());
    let is_inner = inner.is_some_and(|(_, inner)| *inner);
    Health {
        private: is_inner && !has_inner_port && !ports.private.listeners.is_empty(),
        liveness: path(liveness),
        readiness: path(readiness),
        general: path(general),
        inner: has_inner_port && (ports.http.is_none() || is_inner),
    }
}

/// Whether a path of this end is about health wherever it lies.
fn says_health(end: &str) -> bool {
    ["/livez", "/readyz", "/health", "/-/"].iter().any(|start| end.starts_with(start))
}

/// The path that Prometheus' handler is registered for, and whether its router is one for
/// operators.
pub(super) fn metrics(view: &View<'_>, ports: &Ports) -> Option<(String, bool)> {
    let exports = view.imports("github.com/prometheus/client_golang/prometheus/promhttp")
        || view.imports("github.com/VictoriaMetrics/metrics");
    let served = all(view, Some(ports)).into_iter().find(|(path, _)| path.ends_with("/metrics"));
    served.filter(|_| exports)
}

/// Whether the only server of a program answers paths for operators and no others: metrics and probes. So it
/// is where one router of `net/http` has all paths, the server has it as it is, and nobody else is given it who may put
/// more into it.
pub(super) fn are_for_operators(view: &View<'_>) -> bool {
    let serving = ["ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS"];
    let calls = || view.files().flat_map(|file| &file.calls);
    let mut started = calls().filter(|call| serving.contains(&call.name.as_str()));
    let (Some(start), None) = (started.next(), started.next()) else { return false };
    let fields = view.files().flat_map(|file| &file.fields);
    let mut handlers = fields.filter(|field| field.of == "Server" && field.key == "Handler");
    let router = match (handlers.next(), handlers.next(), start.arguments.as_slice()) {
        (Some(field), None, _) => &field.value,
        (None, None, [_, .., handler]) if start.receiver == "http" => handler,
        _ => return false,
    };
    let Value::Name(router) = router else { return false };
    let is_default = router == "nil";
    // These put themselves into the default router.
    if is_default && (view.imports("net/http/pprof") || view.imports("expvar")) {
        return false;
    }
    let is_handed_on = |call: &Call| {
        let has = call.arguments.iter().any(|it| matches!(it, Value::Name(name) if name == router));
        has && !serving.contains(&call.name.as_str())
    };
    if !is_default && calls().any(is_handed_on) {
        return false;
    }
    let mut any = false;
    for files in &view.packages {
        let names = Names::of(files);
        for call in files.iter().flat_map(|file| &file.calls) {
            let registers = matches!(call.name.as_str(), "Handle" | "HandleFunc");
            let on_router = call.receiver == *router || (is_default && call.receiver == "http");
            if !registers && (is_default || !on_router) {
                continue;
            }
            // Of another router, or a path that is made up as the program runs.
            let known = || path(call, &names).filter(|path| is_for_operators(path));
            if !on_router || !registers || known().is_none() {
                return false;
            }
            any = true;
        }
    }
    any
}

fn is_for_operators(path: &str) -> bool {
    let probes = [LIVENESS, READINESS, GENERAL];
    path == "/metrics" || probes.iter().any(|paths| paths.contains(&path))
}

/// Every path that is registered for GET, and whether its router is one for operators. `ports` are those of
/// the program, once they are known.
pub(super) fn all(view: &View<'_>, ports: Option<&Ports>) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for files in &view.packages {
        let names = Names::of(files);
        let routers = Routers::of(files, &names, ports);
        let calls = files.iter().flat_map(|file| &file.calls);
        for call in calls.filter(|call| REGISTER.contains(&call.name.as_str())) {
            if let Some(path) = path(call, &names) {
                found.push((path, routers.is_for_operators(&call.receiver)));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn path(call: &Call, names: &Names<'_>) -> Option<String> {
    // Behind another call nobody knows what is before the path.
    if call.receiver == ")" {
        return None;
    }
    let text = |at: usize| names.text(call.arguments.get(at));
    let first = text(0)?;
    let is_get = |method: &str| matches!(method, "GET" | "HEAD");
    let written = match first.split_once(' ') {
        // `GET /livez`
        Some((method, path)) => is_get(method).then_some(path.trim_start())?,
        // `Handle("GET", "/livez", ...)`
        None if is_get(first) => text(1)?,
        None => first,
    };
    let whole = format!("{}{written}", call.prefix);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~');
    let simple =
        whole.len() > 1 && whole.len() <= 100 && whole.starts_with('/') && whole.bytes().all(plain);
    let has_dots = whole.contains("..") || whole.contains("//");
    // `http.Get("/x")` has no handler.
    let handler = call.arguments.len() > 1 || call.name == "Path";
    let handler =
        handler && !matches!(call.arguments.last(), Some(Value::Text(_))) || call.name == "Path";
    (simple && !has_dots && handler).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn of(source: &str) -> Health {
        let file = file::read(&format!("package main\nfunc main() {{\n{source}\n}}\n"));
        health(&View { packages: vec![vec![&file]] }, &Ports::default())
    }

    fn shown(source: &str) -> String {
        let health = of(source);
        let path = |path: Option<String>| path.unwrap_or_else(|| "-".to_owned());
        format!("{} {} {}", path(health.liveness), path(health.readiness), path(health.general))
    }

    #[test]
    fn paths_are_those_that_are_registered() {
        for (source, expected) in [
            ("mux.HandleFunc(\"GET /livez\", f); mux.Handle(\"/readyz\", g)", "/livez /readyz -"),
            ("r.GET(\"/healthz\", f); r.POST(\"/readyz\", f)", "- - /healthz"),
            ("api := r.Group(\"/api\"); api.GET(\"/health\", f)", "- - /api/health"),
            ("app.Handle(\"GET\", \"/health/live\", f)", "/health/live - -"),
            ("http.Get(\"/healthz\"); x.Group(\"/a\").GET(\"/healthz\", f)", "- - -"),
            (
                "mux.HandleFunc(\"/live {{ .Evil }}\", f); mux.HandleFunc(\"/a/../livez\", f)",
                "- - -",
            ),
            ("mux.HandleFunc(\"/orders/{id}\", f)", "- - -"),
            (
                "m.Handle(\"/ping\", f); m.Handle(\"/live\", f); m.Handle(\"/ready\", f)",
                "/live /ready /ping",
            ),
            // What a business has in its paths is no health.
            (
                "m.Handle(\"/orders/status\", f); m.Handle(\"/stream/live\", f); m.Handle(\"/payments/ready\", f); \
                 m.Handle(\"/scale/up\", f); m.Handle(\"/users/alive\", f); m.Handle(\"/net/ping\", f)",
                "- - -",
            ),
            (
                "m.Handle(\"/api/v1/readyz\", f); m.Handle(\"/x/-/healthy\", f)",
                "/x/-/healthy /api/v1/readyz -",
            ),
        ] {
            assert_eq!(shown(source), expected, "{source}");
        }
    }

    /// Whether the router of `/ready` is for operators, in a program with both ports.
    fn is_inner(source: &str) -> bool {
        let source = format!(
            "package main\nimport \"net/http\"\nfunc main() {{\naddr := flag.String(\"addr\", \":8443\", \"where\")\n\
             admin := flag.String(\"admin\", \":9102\", \"where\")\n{source}\n}}\n"
        );
        let file = file::read(&source);
        let view = View { packages: vec![vec![&file]] };
        let ports = super::super::listen::ports(&view, &[], "gate");
        let admin = ports.admin.as_ref().map(|port| port.port);
        assert_eq!(admin, Some(9102), "{source}");
        health(&view, &ports).inner
    }

    #[test]
    fn a_router_is_for_operators_by_where_it_is_served() {
        let ready = "m := http.NewServeMux(); m.HandleFunc(\"/ready\", ok)";
        for (source, expected) in [
            ("http.ListenAndServe(*addr, api()); go http.ListenAndServe(*admin, m)", true),
            ("http.ListenAndServe(*addr, m); go http.ListenAndServe(*admin, ops())", false),
            (
                "a := http.Server{Addr: *addr, Handler: api}; b := &http.Server{Handler: m, Addr: *admin}; a.ListenAndServe(); b.ListenAndServe()",
                true,
            ),
            // One literal's address is not the other's.
            (
                "a := http.Server{Addr: where(), Handler: m}; b := &http.Server{Addr: *admin, Handler: ops}; a.ListenAndServe(); b.ListenAndServe()",
                false,
            ),
            // On both, whoever asks gets an answer on the port for requests.
            ("http.ListenAndServe(*addr, m); go http.ListenAndServe(*admin, m)", false),
            // Nobody knows which one is served.
            ("go http.ListenAndServe(*admin, m); m := http.NewServeMux()", false),
        ] {
            assert_eq!(is_inner(&format!("{ready}; {source}")), expected, "{source}");
        }
        // By its name where nothing else is known, and not where it is.
        let named = "adminMux := http.NewServeMux(); adminMux.HandleFunc(\"/ready\", ok)";
        let wrapped =
            "go http.ListenAndServe(*admin, log(adminMux)); http.ListenAndServe(*addr, api)";
        assert!(is_inner(&format!("{named}; {wrapped}")));
        let public = "http.ListenAndServe(*addr, adminMux); go http.ListenAndServe(*admin, ops)";
        assert!(!is_inner(&format!("{named}; {public}")));
    }
}
