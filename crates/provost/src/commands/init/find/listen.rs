//! Where a program listens: addresses that it is told or that are written in it.

use std::collections::BTreeSet;

use provost_check::model::listeners::{self, words};

use super::file::{Call, Field, GoFile, Value};
use super::tls::{Secure, Started};
use super::{Names, Setting, View, routes, tls};

/// How a variable names the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Form {
    /// `8080`
    Port,
    /// `:8080`
    Address,
}

/// A port that is listened on.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Listener {
    pub(in super::super) port: u16,
    /// The variable that decides it.
    pub(in super::super) variable: Option<(String, Form)>,
    /// Whether nothing in the program says the number.
    pub(in super::super) assumed: bool,
    /// Whether only the pod itself can reach it.
    pub(in super::super) loopback: bool,
    /// Whether it speaks TLS.
    pub(in super::super) secure: Secure,
    /// Whether the number is one of ours: a variable may set it to another.
    guessed: bool,
}

impl Listener {
    /// What the variable is to be set to.
    pub(in super::super) fn setting(&self) -> Option<(String, String)> {
        let (name, form) = self.variable.as_ref()?;
        let value = match form {
            Form::Port => self.port.to_string(),
            Form::Address => format!(":{}", self.port),
        };
        Some((name.clone(), value))
    }
}

/// Listeners for operators that only the pod itself can reach: somebody decided so, and it stays.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Private {
    pub(in super::super) listeners: Vec<Listener>,
    /// Whether one is for metrics.
    pub(in super::super) metrics: bool,
}

/// The ports of a program, by what is spoken on them.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Ports {
    pub(in super::super) http: Option<Listener>,
    pub(in super::super) grpc: Option<Listener>,
    pub(in super::super) metrics: Option<Listener>,
    /// For operators: health, pprof, administration.
    pub(in super::super) admin: Option<Listener>,
    /// For operators, on the loopback address.
    pub(in super::super) private: Private,
    /// Literal addresses of HTTP beyond the first.
    pub(in super::super) others: Vec<u16>,
    /// Whether it listens although none of these says where.
    pub(in super::super) unknown: bool,
}

impl Ports {
    pub(in super::super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// All, with the names that manifests give them; the most important first.
    pub(in super::super) fn all(&self) -> impl Iterator<Item = (&'static str, &Listener)> {
        let named = [
            ("http", &self.http),
            ("grpc", &self.grpc),
            ("metrics", &self.metrics),
            ("admin", &self.admin),
        ];
        named.into_iter().filter_map(|(name, port)| port.as_ref().map(|port| (name, port)))
    }

    /// Whether a variable says where the program listens.
    pub(super) fn is_told_by(&self, variable: &str) -> bool {
        let all = self.all().map(|(_, port)| port).chain(&self.private.listeners);
        all.filter_map(|port| port.variable.as_ref()).any(|(name, _)| name == variable)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Http,
    Grpc,
    Metrics,
    Admin,
}

/// A listener as it was come upon.
#[derive(Clone, Debug)]
struct Candidate {
    role: Role,
    port: Option<u16>,
    variable: Option<(String, Form)>,
    loopback: bool,
    /// Whether the call that has the address speaks TLS; none where it is no call that listens.
    secure: Option<bool>,
    /// Whether it serves http.DefaultServeMux.
    default_router: bool,
}

/// Frameworks whose servers are started by a method of their own.
pub(super) const FRAMEWORKS: &[&str] = &[
    "github.com/gin-gonic/gin",
    "github.com/labstack/echo",
    "github.com/gofiber/fiber",
    "github.com/valyala/fasthttp",
    "github.com/kataras/iris",
    "github.com/beego/beego",
];

/// Methods that start the servers of [`FRAMEWORKS`].
pub(super) const STARTS: &[&str] = &[
    "Run",
    "RunTLS",
    "RunListener",
    "Start",
    "StartTLS",
    "StartAutoTLS",
    "StartServer",
    "Listen",
    "ListenTLS",
    "ListenMutualTLS",
    "Listener",
];

/// Libraries that listen for the program, on ports that it tells them in ways of their own.
const LISTENERS: &[&str] = &[
    "sigs.k8s.io/controller-runtime",
    "github.com/go-kratos/kratos",
    "github.com/zeromicro/go-zero",
    "github.com/cloudwego/hertz",
    "github.com/cloudwego/kitex",
    "github.com/quic-go/quic-go",
    "github.com/prometheus/exporter-toolkit",
    "go-micro.dev",
];

/// Whether a program without servers of HTTP and gRPC that are known listens all the same.
fn listens(view: &View<'_>) -> bool {
    let sockets =
        ["Listen", "ListenTCP", "ListenUDP", "ListenPacket", "ListenMulticastUDP", "ListenConfig"];
    view.uses("net", &sockets)
        || view.uses("crypto/tls", &["Listen", "NewListener"])
        || view.uses("net/http", &["Server"])
        || LISTENERS.iter().any(|path| view.imports(path))
}

/// The ports of a program.
pub(super) fn ports(view: &View<'_>, settings: &[Setting], program: &str) -> Ports {
    let started = || STARTS.iter().any(|name| view.calls(name));
    let http = view.calls("ListenAndServe")
        || view.calls("ListenAndServeTLS")
        || view.uses("net/http", &["Serve", "ServeTLS"])
        || (view.uses("net/http", &["Server"]) && (view.calls("Serve") || view.calls("ServeTLS")))
        || (FRAMEWORKS.iter().any(|path| view.imports(path)) && started());
    let grpc = view.uses("google.golang.org/grpc", &["NewServer"]);
    if !http && !grpc {
        return Ports { unknown: listens(view), ..Ports::default() };
    }
    let servers = Started::of(view, http && grpc);
    let mut told = told(settings, program);
    let mut written = written(view, http && grpc);
    let private = private(view, &mut told, &mut written, &servers);
    let pick = |role: Role, default: u16| -> Option<Listener> {
        let variable = told.iter().find(|candidate| candidate.role == role);
        let literal = written.iter().find(|candidate| candidate.role == role);
        let first = variable.or(literal)?;
        let known = first.port.or_else(|| literal.and_then(|l| l.port));
        // Ports below 1024 belong to root, and a variable can say another one.
        let taken = known.filter(|port| *port >= 1024 || first.variable.is_none());
        Some(Listener {
            port: taken.unwrap_or(default),
            variable: first.variable.clone(),
            assumed: known.is_none() && first.variable.is_none(),
            loopback: first.loopback && first.variable.is_none(),
            secure: servers.secure(role, first.secure),
            guessed: taken.is_none(),
        })
    };
    let assumed = |port, role| Listener {
        port,
        variable: None,
        assumed: true,
        loopback: false,
        secure: servers.secure(role, None),
        guessed: true,
    };
    let mut ports = Ports {
        http: pick(Role::Http, if http { 8080 } else { 50051 }),
        grpc: pick(Role::Grpc, 50051),
        metrics: pick(Role::Metrics, 9090),
        admin: pick(Role::Admin, 8081),
        private,
        others: Vec::new(),
        unknown: false,
    };
    if !http {
        // What has no other name is gRPC's.
        ports.grpc = ports.grpc.or(ports.http.take());
        (ports.metrics, ports.admin) = (None, None);
    }
    if grpc {
        ports.grpc = ports.grpc.or_else(|| Some(assumed(50051, Role::Grpc)));
    } else {
        ports.grpc = None;
    }
    let only_inner = ports.metrics.is_some() || ports.admin.is_some();
    let only_private = is_all(view, &ports.private.listeners);
    // Beside gRPC the HTTP server may be the one of the metrics, and in a worker that of pprof.
    if http && ports.http.is_none() && !(grpc && only_inner) && !only_private {
        ports.http = Some(assumed(8080, Role::Http));
    }
    give_free_numbers(&mut ports);
    let extra = written.iter().filter(|c| c.role == Role::Http).filter_map(|c| c.port);
    let taken: BTreeSet<u16> = ports.all().map(|(_, port)| port.port).collect();
    if ports.http.as_ref().is_some_and(|port| port.variable.is_none()) {
        ports.others = extra.filter(|port| !taken.contains(port)).collect();
        ports.others.dedup();
    }
    for_operators(view, &mut ports);
    without_doubles(ports)
}

/// A worker may have a server for its metrics, with its probes, and none for requests. One that has probes alone may
/// be a service whose paths are made up as it runs.
fn for_operators(view: &View<'_>, ports: &mut Ports) {
    let alone = ports.grpc.is_none() && ports.metrics.is_none() && ports.admin.is_none();
    let measures = || routes::all(view, None).iter().any(|(path, _)| path == "/metrics");
    if alone && ports.others.is_empty() && measures() && routes::are_for_operators(view) {
        ports.metrics = ports.http.take();
    }
}

/// Takes out the listeners on the loopback address that are for operators. One that is the only
/// one to send requests to is not: as it is nobody can.
fn private(
    view: &View<'_>,
    told: &mut Vec<Candidate>,
    written: &mut Vec<Candidate>,
    servers: &Started,
) -> Private {
    let debugs = view.imports("net/http/pprof") || view.imports("expvar");
    let own_router = |c: &Candidate| c.role == Role::Http && !c.default_router;
    // Beside a router of the program's own the default one has what these packages put into it.
    if debugs && told.iter().chain(&*written).any(own_router) {
        let inner = written.iter_mut().filter(|c| c.role == Role::Http && c.default_router);
        inner.for_each(|c| c.role = Role::Admin);
    }
    let is_public = |c: &Candidate| c.role == Role::Http && !c.loopback;
    let has_public = told.iter().chain(&*written).any(is_public);
    let is_private = |c: &Candidate| {
        let inner = matches!(c.role, Role::Metrics | Role::Admin);
        let besides = c.role == Role::Http && (has_public || (debugs && c.variable.is_none()));
        c.loopback && c.port.is_some() && (inner || besides)
    };
    let found: Vec<Candidate> =
        told.iter().chain(&*written).filter(|c| is_private(c)).cloned().collect();
    told.retain(|c| !is_private(c));
    written.retain(|c| !is_private(c));
    let metrics = found.iter().any(|c| c.role == Role::Metrics);
    let mut listeners: Vec<Listener> = Vec::new();
    for candidate in found {
        // A default may be found at its variable and as a literal.
        if let Some(port) = candidate.port
            && listeners.iter().all(|known| known.port != port)
        {
            listeners.push(Listener {
                port,
                variable: candidate.variable,
                assumed: false,
                loopback: true,
                secure: servers.secure(candidate.role, candidate.secure),
                guessed: false,
            });
        }
    }
    Private { listeners, metrics }
}

/// Whether these are all that a program of HTTP listens on: it starts no other server, and answers
/// no path of its own.
fn is_all(view: &View<'_>, private: &[Listener]) -> bool {
    let starts = ["ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS"];
    let calls = view.files().flat_map(|file| &file.calls);
    let started = calls.filter(|call| starts.contains(&call.name.as_str())).count();
    let own = |(path, _): &(String, bool)| !path.starts_with("/debug/");
    !private.is_empty() && started <= private.len() && !routes::all(view, None).iter().any(own)
}

/// A number that is only a guess is none that another listener has.
fn give_free_numbers(ports: &mut Ports) {
    let mut all = [&mut ports.http, &mut ports.grpc, &mut ports.metrics, &mut ports.admin];
    let said = all.iter().filter_map(|port| port.as_ref()).filter(|port| !port.guessed);
    let mut taken: BTreeSet<u16> = said.map(|port| port.port).collect();
    for port in all.iter_mut().filter_map(|port| port.as_mut()).filter(|port| port.guessed) {
        while taken.contains(&port.port) {
            port.port += 1;
        }
        taken.insert(port.port);
    }
}

/// Two names for one number are one port.
fn without_doubles(mut ports: Ports) -> Ports {
    let main: Vec<u16> = [&ports.http, &ports.grpc].into_iter().flatten().map(|p| p.port).collect();
    if let (Some(http), Some(grpc)) = (&ports.http, &ports.grpc)
        && http.port == grpc.port
    {
        // One listener for both, by cmux or by the content type.
        ports.http = None;
    }
    for port in [&mut ports.metrics, &mut ports.admin] {
        if port.as_ref().is_some_and(|p| main.contains(&p.port)) {
            *port = None;
        }
    }
    if let (Some(metrics), Some(admin)) = (&ports.metrics, &ports.admin)
        && metrics.port == admin.port
    {
        ports.admin = None;
    }
    ports
}

/// Listeners that variables decide.
fn told(settings: &[Setting], program: &str) -> Vec<Candidate> {
    settings
        .iter()
        .filter_map(|setting| {
            let (role, by_name) = variable(&setting.name, program)?;
            let default = setting.default.as_deref().filter(|text| !text.is_empty());
            let (port, form, loopback) = match default {
                Some(text) => match (text.parse::<u16>(), address(text)) {
                    (Ok(port), _) => (Some(port), Form::Port, false),
                    (_, Some((port, loopback))) => (Some(port), Form::Address, loopback),
                    // It says something else than where to listen.
                    _ => return None,
                },
                // Without a default it is off until somebody sets it. It reads memory and stops the world: nothing
                // is to switch it on.
                None if is_for_faults(&setting.name) => return None,
                None => (None, by_name, false),
            };
            let variable = Some((setting.name.clone(), form));
            let port = port.filter(|p| *p > 0);
            let secure = None;
            Some(Candidate { role, port, variable, loopback, secure, default_router: false })
        })
        .collect()
}

/// What a variable of this name listens for; `None` where it may be about somebody else's address.
fn variable(name: &str, program: &str) -> Option<(Role, Form)> {
    let form = match words(name).last()?.as_str() {
        "PORT" => Form::Port,
        "ADDR" | "ADDRESS" | "LISTEN" | "BIND" => Form::Address,
        _ => return None,
    };
    match listeners::of_setting(name, &[words(program)])? {
        // Who listens for neighbours and for what is not known is nobody that manifests could name.
        listeners::Listener::Other => None,
        // Two words may speak of two.
        _ => Some((role(name).unwrap_or(Role::Http), form)),
    }
}

/// Whether a name is of what people look for faults with.
fn is_for_faults(name: &str) -> bool {
    listeners::spoken_of(name).contains(&listeners::Listener::Debug)
}

/// What a name says a port is for.
fn role(name: &str) -> Option<Role> {
    use listeners::Listener as Of;
    let roles = listeners::spoken_of(name).into_iter().filter_map(|listener| match listener {
        Of::Grpc => Some(Role::Grpc),
        Of::Metrics => Some(Role::Metrics),
        Of::Health | Of::Debug | Of::Admin | Of::Internal => Some(Role::Admin),
        Of::Service | Of::Tls | Of::Webhook | Of::Other => None,
    });
    roles.min()
}

/// Whether a name is that of something for operators: `adminMux`, `metricsServer`.
pub(super) fn is_for_operators(name: &str) -> bool {
    matches!(role(name), Some(Role::Metrics | Role::Admin))
}

/// Listeners whose addresses are literals.
fn written(view: &View<'_>, both: bool) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for files in &view.packages {
        let names = Names::of(files);
        for file in files {
            for call in &file.calls {
                found.extend(of_call(call, file, &names, both).or_else(|| of_flag(call, &names)));
            }
            for Field { key, value, of, .. } in &file.fields {
                let lower = key.to_ascii_lowercase();
                let names_address =
                    ["addr", "listen", "bind"].iter().any(|part| lower.contains(part));
                if names_address
                    && let Value::Text(text) = names.resolve(value)
                    && let Some((port, loopback)) = address(text)
                    // Those of clients say localhost, too.
                    && (!loopback || of == "Server")
                {
                    let named = match value {
                        Value::Name(name) => role(name),
                        _ => None,
                    };
                    let role = role(key).or(named).unwrap_or(Role::Http);
                    found.push(Candidate {
                        role,
                        port: Some(port),
                        variable: None,
                        loopback,
                        secure: None,
                        default_router: false,
                    });
                }
            }
        }
    }
    found
}

/// `flag.Int("port", 8080, "...")`, `flags.IntVarP(&port, "grpc-port", "p", 9000, "...")`
fn of_flag(call: &Call, names: &Names<'_>) -> Option<Candidate> {
    let is_number = call.name.starts_with("Int") || call.name.starts_with("Uint");
    if !is_number || call.arguments.len() < 3 {
        return None;
    }
    let at = usize::from(call.name.contains("Var"));
    let name = names.text(call.arguments.get(at))?.to_ascii_uppercase().replace(['-', '.'], "_");
    let (role, _) = variable(&name, "").filter(|(_, form)| *form == Form::Port)?;
    // Behind the short name, where it has one.
    let default = at + if call.name.ends_with('P') { 2 } else { 1 };
    let Value::Number(number) = names.resolve(call.arguments.get(default)?) else { return None };
    let port = u16::try_from(*number).ok().filter(|port| *port > 0);
    port.map(|port| Candidate {
        role,
        port: Some(port),
        variable: None,
        loopback: false,
        secure: None,
        default_router: false,
    })
}

fn of_call(call: &Call, file: &GoFile, names: &Names<'_>, both: bool) -> Option<Candidate> {
    let name = call.name.as_str();
    let serves = matches!(name, "ListenAndServe" | "ListenAndServeTLS") || STARTS.contains(&name);
    let is_flag = call.name.starts_with("String") && call.arguments.len() >= 3;
    if !serves && !is_flag {
        return None;
    }
    // A client's `Start("localhost:6379")` is not told from a server's; most dial.
    let texts = call.arguments.iter().take(4).filter_map(|value| names.text(Some(value)));
    let (port, loopback) = texts.clone().find_map(address)?;
    let said = is_flag.then(|| texts.clone().find_map(role)).flatten();
    let named = role_named(call).or(said);
    let is_operators = matches!(named, Some(Role::Metrics | Role::Admin));
    if loopback && !call.name.starts_with("Listen") && !(is_flag && is_operators) {
        return None;
    }
    let role = named.unwrap_or(role_unnamed(call, both));
    let secure = if is_flag { None } else { tls::of_call(call, file) };
    let default_router = serves_default_router(call);
    Some(Candidate { role, port: Some(port), variable: None, loopback, secure, default_router })
}

/// `http.ListenAndServe(address, nil)` and its like.
pub(super) fn serves_default_router(call: &Call) -> bool {
    matches!(call.name.as_str(), "ListenAndServe" | "ListenAndServeTLS" | "Serve" | "ServeTLS")
        && call.arguments.len() > 1
        && call.arguments.last().is_some_and(|value| *value == Value::Name("nil".to_owned()))
}

/// What the names in a call say its port is for.
pub(super) fn role_named(call: &Call) -> Option<Role> {
    let names = call.arguments.iter().filter_map(|value| match value {
        Value::Name(name) => Some(name.as_str()),
        _ => None,
    });
    std::iter::once(call.receiver.as_str()).chain(names).find_map(role)
}

/// What a port is for when no name says it.
pub(super) fn role_unnamed(call: &Call, both: bool) -> Role {
    // Servers of gRPC take a listener, those of HTTP mostly an address.
    if both && call.name == "Listen" { Role::Grpc } else { Role::Http }
}

/// The port of an address to listen on, and whether only this machine can reach it.
pub(super) fn address(text: &str) -> Option<(u16, bool)> {
    let (host, port) = text.rsplit_once(':')?;
    let loopback = match host {
        "" | "0.0.0.0" | "[::]" => false,
        "localhost" | "127.0.0.1" | "[::1]" => true,
        _ => return None,
    };
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port: u16 = digits.then(|| port.parse().ok())??;
    (port > 0).then_some((port, loopback))
}

#[cfg(test)]
mod tests;
