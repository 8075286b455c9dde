//! Where a program listens: addresses that it is told or that are written in it.

use std::collections::BTreeSet;

use super::file::{Call, GoFile, Value};
use super::tls::{Secure, Started};
use super::{Names, Setting, View, tls};

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

/// The ports of a program, by what is spoken on them.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Ports {
    pub(in super::super) http: Option<Listener>,
    pub(in super::super) grpc: Option<Listener>,
    pub(in super::super) metrics: Option<Listener>,
    /// For operators: health, pprof, administration.
    pub(in super::super) admin: Option<Listener>,
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

    pub(super) fn is_set_by(&self, variable: &str) -> bool {
        self.all().any(|(_, port)| port.variable.as_ref().is_some_and(|(name, _)| name == variable))
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
}

const METRICS: &[&str] = &["METRICS", "METRIC", "PROMETHEUS", "PROM", "PROMHTTP"];
const ADMIN: &[&str] = &[
    "ADMIN",
    "DEBUG",
    "PPROF",
    "HEALTH",
    "HEALTHZ",
    "PROBE",
    "PROBES",
    "MANAGEMENT",
    "INTERNAL",
    "OPS",
];

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
const STARTS: &[&str] = &[
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
    let told = told(settings, program);
    let written = written(view, http && grpc);
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
    // Beside gRPC the HTTP server may be the one of the metrics.
    if http && ports.http.is_none() && !(grpc && only_inner) {
        ports.http = Some(assumed(8080, Role::Http));
    }
    give_free_numbers(&mut ports);
    let extra = written.iter().filter(|c| c.role == Role::Http).filter_map(|c| c.port);
    let taken: BTreeSet<u16> = ports.all().map(|(_, port)| port.port).collect();
    if ports.http.as_ref().is_some_and(|port| port.variable.is_none()) {
        ports.others = extra.filter(|port| !taken.contains(port)).collect();
        ports.others.dedup();
    }
    without_doubles(ports)
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
            let default = setting.default.as_deref();
            let (port, form) = match default {
                Some(text) => match (text.parse::<u16>(), address(text)) {
                    (Ok(port), _) => (Some(port), Form::Port),
                    (_, Some((port, _))) => (Some(port), Form::Address),
                    // It says something else than where to listen.
                    _ if !text.is_empty() => return None,
                    _ => (None, by_name),
                },
                None => (None, by_name),
            };
            let variable = Some((setting.name.clone(), form));
            let port = port.filter(|p| *p > 0);
            Some(Candidate { role, port, variable, loopback: false, secure: None })
        })
        .collect()
}

/// What a variable of this name listens for; `None` where it may be about somebody else's address.
fn variable(name: &str, program: &str) -> Option<(Role, Form)> {
    let mut words: Vec<&str> = name.split('_').collect();
    let form = match words.pop()? {
        "PORT" => Form::Port,
        "ADDR" | "ADDRESS" | "LISTEN" | "BIND" => Form::Address,
        _ => return None,
    };
    let own = program.to_ascii_uppercase();
    let own: Vec<&str> = own.split('-').collect();
    let plain = [
        "HTTP",
        "HTTPS",
        "SERVER",
        "SERVICE",
        "APP",
        "API",
        "WEB",
        "LISTEN",
        "LISTENER",
        "BIND",
        "PUBLIC",
        "MAIN",
        "CONTAINER",
        "SERVE",
        "GRPC",
        "RPC",
    ];
    let role = role(name).unwrap_or(Role::Http);
    let known = |word: &&str| {
        plain.contains(word) || METRICS.contains(word) || ADMIN.contains(word) || own.contains(word)
    };
    words.iter().all(known).then_some((role, form))
}

/// What a name says a port is for.
fn role(name: &str) -> Option<Role> {
    let words = words(name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    if has(&["GRPC", "RPC"]) {
        Some(Role::Grpc)
    } else if has(METRICS) {
        Some(Role::Metrics)
    } else if has(ADMIN) {
        Some(Role::Admin)
    } else {
        None
    }
}

/// Whether a name is that of something for operators: `adminMux`, `metricsServer`.
pub(super) fn is_for_operators(name: &str) -> bool {
    matches!(role(name), Some(Role::Metrics | Role::Admin))
}

/// The words of `GRPC_ADDR`, `grpcAddr`, `GRPCAddr` and `grpc-addr`, in capitals.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().take(128).collect();
    let mut words = vec![String::new()];
    for (at, c) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let after = letters.get(at + 1);
        // A capital begins a word, unless it is one of several: of `GRPCAddr` the A does.
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                !before.is_ascii_uppercase() || after.is_some_and(char::is_ascii_lowercase)
            });
        if begins || !c.is_ascii_alphanumeric() {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_uppercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Listeners whose addresses are literals.
fn written(view: &View<'_>, both: bool) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for files in &view.packages {
        let names = Names::of(files);
        for file in files {
            for call in &file.calls {
                found.extend(of_call(call, file, &names, both));
            }
            for (key, value) in &file.fields {
                let lower = key.to_ascii_lowercase();
                let names_address =
                    ["addr", "listen", "bind"].iter().any(|part| lower.contains(part));
                if names_address
                    && let Value::Text(text) = names.resolve(value)
                    && let Some((port, false)) = address(text)
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
                        loopback: false,
                        secure: None,
                    });
                }
            }
        }
    }
    found
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
    if loopback && !(call.name.starts_with("Listen")) {
        return None;
    }
    let said = is_flag.then(|| texts.clone().find_map(role)).flatten();
    let role = role_named(call).or(said).unwrap_or(role_unnamed(call, both));
    let secure = if is_flag { None } else { tls::of_call(call, file) };
    Some(Candidate { role, port: Some(port), variable: None, loopback, secure })
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
fn address(text: &str) -> Option<(u16, bool)> {
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
mod tests {
    use super::super::{file, settings};
    use super::*;

    fn shown(source: &str) -> String {
        let file = file::read(&format!("package main\n{source}"));
        let view = View { packages: vec![vec![&file]] };
        let settings = settings::read(&view);
        let ports = ports(&view, &settings, "price-list");
        let mut lines: Vec<String> = ports
            .all()
            .map(|(name, port)| {
                let variable = port.setting().map(|(k, v)| format!(" {k}={v}")).unwrap_or_default();
                let assumed = if port.assumed { " assumed" } else { "" };
                let loopback = if port.loopback { " loopback" } else { "" };
                let secure = match port.secure {
                    Secure::Plain => "",
                    Secure::Tls => " TLS",
                    Secure::Unknown => " TLS?",
                };
                format!("{name} {}{variable}{assumed}{loopback}{secure}", port.port)
            })
            .collect();
        lines.extend(ports.others.iter().map(|port| format!("other {port}")));
        lines.extend(ports.unknown.then(|| "unknown".to_owned()));
        lines.join(", ")
    }

    #[test]
    fn ports_are_found_where_services_name_them() {
        let http = "import \"net/http\"\n";
        for (source, expected) in [
            ("func main() { http.ListenAndServe(\":8081\", nil) }", "http 8081"),
            ("func main() { http.ListenAndServe(addr, nil) }", "http 8080 assumed"),
            (
                "func main() { http.ListenAndServe(\":\"+os.Getenv(\"PORT\"), nil) }",
                "http 8080 PORT=8080",
            ),
            (
                "func main() { s := &http.Server{Addr: env(\"LISTEN_ADDR\", \":9000\")}; s.ListenAndServe() }",
                "http 9000 LISTEN_ADDR=:9000",
            ),
            (
                "func main() { addr := \":7000\"; if p := os.Getenv(\"PORT\"); p != \"\" { addr = \":\" + p }; http.ListenAndServe(addr, nil) }",
                "http 7000 PORT=7000",
            ),
            (
                "func main() { addr := flag.String(\"addr\", \":8443\", \"where\"); http.ListenAndServe(*addr, nil) }",
                "http 8443",
            ),
            ("func main() { http.ListenAndServe(\"localhost:8080\", nil) }", "http 8080 loopback"),
            (
                "func main() { http.ListenAndServe(os.Getenv(\"PRICE_LIST_PORT\"), r(\"REDIS_ADDR\")); os.Getenv(\"REDIS_PORT\") }",
                "http 8080 PRICE_LIST_PORT=8080",
            ),
            (
                "func main() { go http.ListenAndServe(\":9100\", promhttp); http.ListenAndServe(\":80\", nil) }",
                "http 80, metrics 9100",
            ),
            (
                "func main() { go http.ListenAndServe(\":8081\", f()); http.ListenAndServe(\":8080\", nil) }",
                "http 8081, other 8080",
            ),
            (
                "func main() { env(\"PORT\", \"80\"); http.ListenAndServe(p, nil) }",
                "http 8080 PORT=8080",
            ),
            (
                "func main() { http.ListenAndServe(os.Getenv(\"HTTP_ADDR\"), a); http.ListenAndServe(os.Getenv(\"METRICS_ADDR\"), b) }",
                "http 8080 HTTP_ADDR=:8080, metrics 9090 METRICS_ADDR=:9090",
            ),
            ("func main() { c := redis.Options{Addr: \"localhost:6379\"}; http.Get(c) }", ""),
        ] {
            assert_eq!(shown(&format!("{http}{source}")), expected, "{source}");
        }
    }

    #[test]
    fn a_guess_is_no_number_that_another_listener_has() {
        let http = "import \"net/http\"\n";
        for (source, expected) in [
            (
                "func main() { f(os.Getenv(\"PORT\")); env(\"ADMIN_ADDR\", \":8080\"); http.ListenAndServe(a, b) }",
                "http 8081 PORT=8081, admin 8080 ADMIN_ADDR=:8080",
            ),
            (
                "func main() { env(\"PORT\", \"8081\"); os.Getenv(\"HEALTH_PORT\"); http.ListenAndServe(a, b) }",
                "http 8081 PORT=8081, admin 8082 HEALTH_PORT=8082",
            ),
            // Both say it: it is one.
            (
                "func main() { env(\"PORT\", \"8081\"); env(\"HEALTH_PORT\", \"8081\"); http.ListenAndServe(a, b) }",
                "http 8081 PORT=8081",
            ),
        ] {
            assert_eq!(shown(&format!("{http}{source}")), expected, "{source}");
        }
    }

    #[test]
    fn a_program_that_listens_somewhere_is_no_program_without_callers() {
        for (source, expected) in [
            ("import \"net\"\nfunc main() { net.Listen(\"tcp\", addr) }", "unknown"),
            ("import \"net\"\nfunc main() { net.ListenPacket(\"udp\", \":53\") }", "unknown"),
            ("import \"crypto/tls\"\nfunc main() { tls.Listen(\"tcp\", a, c) }", "unknown"),
            (
                "import ctrl \"sigs.k8s.io/controller-runtime\"\nfunc main() { ctrl.NewManager(a) }",
                "unknown",
            ),
            ("import \"net/http\"\nfunc main() { lib.Go(&http.Server{Handler: h}) }", "unknown"),
            ("import \"net\"\nfunc main() { net.Dial(\"tcp\", \"a:1\") }", ""),
            (
                "import \"net/http\"\nfunc main() { s := &http.Server{Addr: \":8443\"}; s.ServeTLS(l, c, k) }",
                "http 8443 TLS",
            ),
            (
                "import \"github.com/labstack/echo/v4\"\nfunc main() { e := echo.New(); e.StartAutoTLS(\":8443\") }",
                "http 8443 TLS",
            ),
            (
                "import \"github.com/gin-gonic/gin\"\nfunc main() { gin.New().RunTLS(\":8443\", c, k) }",
                "http 8443 TLS",
            ),
        ] {
            assert_eq!(shown(source), expected, "{source}");
        }
    }

    #[test]
    fn names_are_taken_apart_at_their_words() {
        for (name, expected) in [
            ("GRPC_ADDR", Some(Role::Grpc)),
            ("GRPCAddr", Some(Role::Grpc)),
            ("metricsServer", Some(Role::Metrics)),
            ("health-probe-bind-address", Some(Role::Admin)),
            ("shopsAddr", None),
            ("promptListener", None),
            ("", None),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
    }

    #[test]
    fn grpc_has_a_port_of_its_own() {
        let grpc = "import (\n\"net/http\"\n\"google.golang.org/grpc\"\n)\n";
        for (source, expected) in [
            (
                "func main() { l, _ := net.Listen(\"tcp\", \":9000\"); s := grpc.NewServer(); s.Serve(l) }",
                "grpc 9000",
            ),
            (
                "func main() { l, _ := net.Listen(\"tcp\", os.Getenv(\"LISTEN_ADDR\")); grpc.NewServer().Serve(l) }",
                "grpc 50051 LISTEN_ADDR=:50051",
            ),
            (
                "func main() { net.Listen(\"tcp\", \":9000\"); grpc.NewServer(); http.ListenAndServe(\":8080\", nil) }",
                "http 8080, grpc 9000",
            ),
            (
                "func main() { net.Listen(\"tcp\", \":9000\"); grpc.NewServer(); http.ListenAndServe(env(\"METRICS_ADDR\", \":9102\"), nil) }",
                "grpc 9000, metrics 9102 METRICS_ADDR=:9102",
            ),
        ] {
            assert_eq!(shown(&format!("{grpc}{source}")), expected, "{source}");
        }
    }
}
