//! One service: what was found out about it, and the numbers that have to add up.

use provost_check::model::memlimit;
use provost_check::model::quantity::Bytes;

use super::super::find::{
    Arguments, Health, Listener, Ports, Program, ReadPath, Secure, Setting, Time, Times,
};
use super::template::Words;
use super::{TAG, pins};

/// Mebibytes of memory to begin with.
const MEMORY: u64 = 512;

/// CPUs to begin with.
const CPU_LIMIT: u32 = 2;

/// Percent of the memory limit that Go may use when C has its own heap beside Go's.
const SHARE_WITH_C: u64 = 75;

/// What a probe does.
#[derive(Clone, Debug, PartialEq)]
enum Ask {
    /// Path and name of the port.
    Http(String, &'static str),
    /// Number of the port.
    Grpc(u16),
    /// Name of the port.
    Tcp(&'static str),
}

/// A service as it will be deployed.
pub(in super::super) struct Service {
    pub(in super::super) name: String,
    /// Of the program, below the module's folder.
    pub(in super::super) folder: String,
    /// The image's name, without a tag.
    pub(in super::super) repository: String,
    pub(in super::super) ports: Ports,
    pub(in super::super) health: Health,
    /// Whether the kubelet can ask the gRPC health service.
    pub(in super::super) grpc_health: bool,
    /// Whether that service is behind TLS, where the kubelet cannot.
    hidden_grpc_health: bool,
    pub(in super::super) handles_signals: bool,
    /// How the program is told to serve.
    pub(in super::super) arguments: Arguments,
    /// What it reads that is not in the image.
    pub(in super::super) reads: Vec<ReadPath>,
    pub(in super::super) times: Times,
    pub(in super::super) settings: Vec<Setting>,
    /// Why C is linked.
    pub(in super::super) cgo: Option<String>,
    pub(in super::super) libraries: Vec<String>,
    pub(in super::super) kubernetes_client: bool,
    /// Paths for debugging on the port for requests.
    pub(in super::super) debug_in_public: Vec<&'static str>,
    cpp: bool,
    open_telemetry: bool,
    needs_gomaxprocs: bool,
    metrics: Option<(String, bool)>,
}

impl Service {
    /// `language` is the minor release that `go.mod` names.
    pub(super) fn new(program: &Program, language: u16, repository: String) -> Self {
        let grpc_health = program.grpc_health && program.ports.grpc.is_some();
        Self {
            name: program.name.clone(),
            folder: program.folder.clone(),
            repository,
            ports: program.ports.clone(),
            health: program.health.clone(),
            grpc_health: grpc_health && !program.grpc_tls,
            hidden_grpc_health: grpc_health && program.grpc_tls,
            handles_signals: program.handles_signals,
            arguments: program.arguments.clone(),
            reads: program.reads.clone(),
            times: program.times.clone(),
            settings: program.settings.clone(),
            cgo: program.cgo.as_ref().map(|cgo| cgo.because.clone()),
            libraries: program.cgo.as_ref().map(|cgo| cgo.libraries.clone()).unwrap_or_default(),
            kubernetes_client: program.kubernetes_client,
            debug_in_public: program.debug_in_public.clone(),
            cpp: program.cgo.as_ref().is_some_and(|cgo| cgo.cpp),
            open_telemetry: program.open_telemetry,
            // Since Go 1.25 the runtime follows the limit, when go.mod's go line is as new
            // (runtime/proc.go and internal/godebugs/table.go, containermaxprocs).
            needs_gomaxprocs: language < 25 && !program.automaxprocs,
            metrics: program.metrics.clone(),
        }
    }

    /// Whether a Service sends it requests. What operators alone ask needs none.
    pub(in super::super) fn is_served(&self) -> bool {
        self.ports.http.is_some() || self.ports.grpc.is_some()
    }

    /// Whether it has a port that others can reach.
    pub(in super::super) fn listens(&self) -> bool {
        !self.ports.is_empty()
    }

    /// Whether a path or a health service answers probes.
    pub(in super::super) fn answers_probes(&self) -> bool {
        self.health_path().is_some() || self.grpc_health
    }

    /// Whether liveness and readiness have paths of their own.
    pub(in super::super) fn tells_apart(&self) -> bool {
        let health = &self.health;
        health.readiness.is_some() && (health.liveness.is_some() || health.general.is_some())
    }

    fn health_path(&self) -> Option<&String> {
        let health = &self.health;
        let path =
            health.readiness.as_ref().or(health.general.as_ref()).or(health.liveness.as_ref());
        path.filter(|_| !health.private)
            .filter(|_| self.http_listener().is_some_and(|port| port.secure != Secure::Unknown))
    }

    /// The listener that HTTP probes go to.
    fn http_listener(&self) -> Option<&Listener> {
        let wanted = self.http_port()?;
        self.ports.all().find(|(name, _)| *name == wanted).map(|(_, port)| port)
    }

    /// Why probes cannot ask although the program would answer, and what would change it.
    pub(in super::super) fn unasked(&self) -> Option<(String, &'static str)> {
        if self.answers_probes() {
            return None;
        }
        let health = &self.health;
        let has_path =
            health.readiness.is_some() || health.general.is_some() || health.liveness.is_some();
        match self.http_listener() {
            _ if has_path && health.private => Some((
                "The program answers its paths for probes on the loopback address alone, and the \
                 kubelet asks the pod's"
                    .to_owned(),
                "Serve them on a port of their own, without pprof beside them, and write httpGet.",
            )),
            Some(port) if has_path => Some((
                format!(
                    "The program serves with TLS and without, and which of them port {} is cannot be told",
                    port.port
                ),
                "Write httpGet with the scheme of that port.",
            )),
            _ if self.hidden_grpc_health => Some((
                "The program uses credentials of gRPC, and the kubelet's gRPC probe speaks no TLS (a feature of 1.37 that is off by default aside)"
                    .to_owned(),
                "If the server has no TLS, write grpc probes; if it has, serve health on a port of its own without.",
            )),
            _ => None,
        }
    }

    /// The name of the port that HTTP probes go to.
    fn http_port(&self) -> Option<&'static str> {
        let ports = &self.ports;
        let (http, admin, metrics) =
            (ports.http.is_some(), ports.admin.is_some(), ports.metrics.is_some());
        match (self.health.inner, http) {
            (true, _) | (false, false) if admin => Some("admin"),
            (true, _) | (false, false) if metrics => Some("metrics"),
            (_, true) => Some("http"),
            _ => None,
        }
    }

    /// Startup, liveness, readiness.
    fn probes(&self) -> [Ask; 3] {
        let first = self.ports.all().next().map_or("http", |(name, _)| name);
        let tcp = Ask::Tcp(first);
        let http = |path: &String| Ask::Http(path.clone(), self.http_port().unwrap_or("http"));
        if let Some(path) = self.health_path() {
            let readiness = http(path);
            let other = self.health.liveness.as_ref().or(self.health.general.as_ref());
            // One path for both would restart every pod when a dependency fails.
            return match other.filter(|other| *other != path) {
                Some(own) => [http(own), http(own), readiness],
                None => [readiness.clone(), tcp, readiness],
            };
        }
        if let (true, Some(grpc)) = (self.grpc_health, &self.ports.grpc) {
            return [Ask::Grpc(grpc.port), Ask::Tcp("grpc"), Ask::Grpc(grpc.port)];
        }
        [tcp.clone(), tcp.clone(), tcp]
    }

    fn memory_share(&self) -> u64 {
        if self.cgo.is_some() { SHARE_WITH_C } else { 90 }
    }

    fn gomemlimit(&self) -> String {
        let limit = Bytes::mib(MEMORY);
        let value = match self.cgo {
            Some(_) => memlimit::literal(limit.percent(SHARE_WITH_C)),
            None => memlimit::recommended(limit),
        };
        value.unwrap_or_default()
    }

    /// What the templates of a service use.
    pub(super) fn words(&self, helm: bool, namespace: &str) -> Words {
        let mut words = Words::default();
        let name = self.name.as_str();
        words.flag("helm", helm);
        words.flag("served", self.is_served());
        words.flag("listens", self.listens());
        words.flag("unknown", self.ports.unknown);
        words.flag("api", self.kubernetes_client);
        words.word("name", name);
        words.word("tag", TAG);
        words.word("repository", self.repository.as_str());
        words.word("namespace", namespace);
        self.names(&mut words, helm, namespace);
        self.image(&mut words);
        self.resources(&mut words, helm);
        self.termination(&mut words, helm);
        self.network(&mut words);
        self.health(&mut words);
        words.block("env", self.env(helm));
        words.word("own_variables", self.own_variables());
        let others = self.settings.iter().filter(|s| !s.secret).map(|s| s.name.as_str());
        let others: Vec<&str> = others.take(20).collect();
        let note = match others.is_empty() {
            true => String::new(),
            false => format!(" The program also reads {}.", others.join(", ")),
        };
        words.word("settings_note", note);
        words
    }

    fn names(&self, words: &mut Words, helm: bool, namespace: &str) {
        let name = &self.name;
        let mut selector = vec![format!("app.kubernetes.io/name: {name}")];
        let mut labels = selector.clone();
        if helm {
            selector.push("app.kubernetes.io/instance: {{ .Release.Name }}".to_owned());
            labels.clone_from(&selector);
            labels.extend([
                "app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}".to_owned(),
                "app.kubernetes.io/managed-by: {{ .Release.Service }}".to_owned(),
                "helm.sh/chart: {{ printf \"%s-%s\" .Chart.Name .Chart.Version | replace \"+\" \"_\" }}".to_owned(),
            ]);
            words.word("object", format!("{{{{ include \"{name}.fullname\" . }}}}"));
            words.word("in_namespace", "{{ .Release.Namespace }}");
            words.word(
                "image",
                "\"{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}\"",
            );
            words.word("godebug", "{{ .Values.godebug | quote }}");
            words.word("replicas", "{{ .Values.replicas }}");
        } else {
            words.word("object", name.as_str());
            words.word("in_namespace", namespace);
            words.word("image", format!("{}:{TAG}", self.repository));
            words.word("godebug", "\"\"");
            words.word("replicas", "1");
        }
        words.word("object_text", name.as_str());
        words.block("selector", selector);
        words.block("labels", labels);
        for (word, value, path) in [
            ("min_replicas", "2", "minReplicas"),
            ("max_replicas", "10", "maxReplicas"),
            ("utilization", "70", "cpuUtilization"),
        ] {
            let text = if helm {
                format!("{{{{ .Values.autoscaling.{path} }}}}")
            } else {
                value.to_owned()
            };
            words.word(word, text);
        }
    }

    fn image(&self, words: &mut Words) {
        let (base, holds) = match (&self.cgo, self.cpp) {
            (None, _) => ("base_static", ""),
            (Some(_), false) => ("base_c", "glibc"),
            (Some(_), true) => ("base_cpp", "glibc, libstdc++"),
        };
        words.word("base", pins::version(base));
        words.word("base_holds", holds);
        words.flag("cgo", self.cgo.is_some());
        words.word("cgo_because", self.cgo.clone().unwrap_or_default());
        words.flag("libraries", !self.libraries.is_empty());
        words.word("libraries", self.libraries.join(" "));
        let exposed: Vec<String> =
            self.ports.all().map(|(_, port)| port.port.to_string()).collect();
        let told = match &self.arguments {
            Arguments::Words(told) => told.iter().map(|word| format!("\"{word}\"")).collect(),
            Arguments::None | Arguments::Unknown => Vec::new(),
        };
        words.flag("told", !told.is_empty());
        words.word("told", told.join(", "));
        words.flag("exposed", !exposed.is_empty());
        words.word("exposed", exposed.join(" "));
    }

    fn resources(&self, words: &mut Words, helm: bool) {
        let (memory, request) = (format!("{MEMORY}Mi"), "500m");
        words.word("memory", memory.as_str());
        words.word("cpu_request", request);
        words.word("cpu_limit", format!("\"{CPU_LIMIT}\""));
        words.word("memory_share", self.memory_share().to_string());
        words.word("memory_rest", if self.cgo.is_some() { ", such as the heap of C" } else { "" });
        words.flag("gomaxprocs", self.needs_gomaxprocs);
        // `adjustCgroupGOMAXPROCS` in runtime/cgroup_linux.go (Go 1.25): at least two.
        let cpus = match self.needs_gomaxprocs {
            true => {
                "# The CPU limit: whole CPUs, because GOMAXPROCS is the limit rounded up and what is above it stands still."
            }
            false => {
                "# The CPU limit: whole CPUs from 2 on. The runtime runs two threads or more; below that both at once stand still."
            }
        };
        words.block("cpu_note", vec![cpus.to_owned()]);
        let value = |path: &str, plain: String| match helm {
            true => format!("{{{{ .Values.resources.{path} | quote }}}}"),
            false => plain,
        };
        let memory = value("memory", memory);
        let gomemlimit = match helm {
            true => format!("{{{{ include \"{}.gomemlimit\" . }}}}", self.name),
            false => self.gomemlimit(),
        };
        words.word("gomemlimit", gomemlimit);
        words.block(
            "resources",
            vec![
                "requests:".to_owned(),
                format!("  cpu: {}", value("cpuRequest", request.to_owned())),
                format!("  memory: {memory}"),
                "  ephemeral-storage: 64Mi".to_owned(),
                "limits:".to_owned(),
                format!("  cpu: {}", value("cpuLimit", format!("\"{CPU_LIMIT}\""))),
                format!("  memory: {memory}"),
                "  ephemeral-storage: 64Mi".to_owned(),
            ],
        );
    }

    fn network(&self, words: &mut Words) {
        // A headless Service translates no ports.
        let headless = self.ports.grpc.is_some();
        words.flag("headless", headless);
        let grpc = self.ports.grpc.as_ref().map_or(0, |port| port.port);
        words.word("grpc_port", grpc.to_string());
        let scraped = self.scraped();
        words.flag("scrape", scraped.is_some());
        words.flag("scrape_tls", scraped.is_some_and(|(_, port)| port.secure == Secure::Tls));
        let (path, scraped) = (scraped.map(|(path, _)| path), scraped.map(|(_, port)| port.port));
        let port = scraped.unwrap_or_default();
        words.word("metrics_path", path.unwrap_or_default());
        words.word("metrics_port", port.to_string());
        let (mut ports, mut service, mut policy) = (Vec::new(), Vec::new(), Vec::new());
        for (name, Listener { port, assumed, variable, secure, .. }) in self.ports.all() {
            if *assumed {
                ports.push("# Assumed: nothing in the program says the number.".to_owned());
            } else if let Some((variable, _)) = variable {
                ports.push(format!("# What {variable} below says."));
            }
            ports.push(format!("- name: {name}"));
            ports.push(format!("  containerPort: {port}"));
            ports.push("  protocol: TCP".to_owned());
            let serves = matches!(name, "http" | "grpc");
            // Where only operators' ports are, they are what the Service is for.
            let serves = serves || (self.ports.http.is_none() && self.ports.grpc.is_none());
            if serves {
                let own = match (headless, name, secure) {
                    (false, "http", Secure::Tls) => 443,
                    (false, "http", Secure::Plain) => 80,
                    _ => *port,
                };
                let protocol = match (name, secure) {
                    ("grpc", _) => Some("grpc"),
                    (_, Secure::Tls) => Some("https"),
                    (_, Secure::Plain) => Some("http"),
                    (_, Secure::Unknown) => None,
                };
                service.push(format!("- name: {name}"));
                service.push(format!("  port: {own}"));
                service.push(format!("  targetPort: {name}"));
                service.push("  protocol: TCP".to_owned());
                service.extend(protocol.map(|protocol| format!("  appProtocol: {protocol}")));
            }
            if serves || scraped == Some(*port) {
                policy.push("- protocol: TCP".to_owned());
                policy.push(format!("  port: {port}"));
            }
        }
        words.block("ports", ports);
        words.block("service_ports", service);
        words.block("policy_ports", policy);
    }

    /// Where Prometheus finds the metrics, if it does.
    fn scraped(&self) -> Option<(&str, &Listener)> {
        let (path, inner) = self.metrics.as_ref()?;
        let ports = &self.ports;
        let (http, admin) = (ports.http.as_ref(), ports.admin.as_ref());
        let router = if *inner { admin.or(http) } else { http.or(admin) };
        Some((path, ports.metrics.as_ref().or(router)?))
    }

    fn health(&self, words: &mut Words) {
        let [startup, liveness, readiness] = self.probes();
        let lines = |ask: &Ask| match ask {
            Ask::Http(path, port) => {
                let mut lines = vec![
                    "httpGet:".to_owned(),
                    format!("  path: {path}"),
                    format!("  port: {port}"),
                ];
                if self.http_listener().is_some_and(|port| port.secure == Secure::Tls) {
                    lines.push("  scheme: HTTPS".to_owned());
                }
                lines
            }
            Ask::Grpc(port) => vec!["grpc:".to_owned(), format!("  port: {port}")],
            Ask::Tcp(port) => vec!["tcpSocket:".to_owned(), format!("  port: {port}")],
        };
        let unasked = self
            .unasked()
            .map(|(because, _)| format!("{because}, so these ask only whether it listens."));
        let note = match (self.answers_probes(), &readiness) {
            (false, _) if unasked.is_some() => unasked.as_deref().unwrap_or_default(),
            (false, _) => {
                "The program serves no path that says how it is, so these ask only whether it listens. \
                 With /livez and /readyz they can ask it."
            }
            (true, Ask::Http(..)) if !self.tells_apart() => {
                "One path cannot say both that it is alive and that it is ready, so liveness asks only \
                 whether it listens."
            }
            _ => "",
        };
        words.flag("startup_note", !note.is_empty());
        words.word("startup_note", note);
        words.word("startup_budget", "30");
        words.block("startup", lines(&startup));
        words.block("liveness", lines(&liveness));
        words.block("readiness", lines(&readiness));
    }

    /// Variables that the templates set, in order, as the elements of a list in JSON.
    fn own_variables(&self) -> String {
        let ports = self.ports.all().filter_map(|(_, port)| port.setting()).map(|(name, _)| name);
        let times = self.times.set.iter().map(|(name, _)| name.clone());
        let secrets = self.settings.iter().filter(|setting| setting.secret);
        let mut names: Vec<String> =
            ports.chain(times).chain(secrets.map(|setting| setting.name.clone())).collect();
        names.extend(self.open_telemetry.then(|| "OTEL_SERVICE_NAME".to_owned()));
        names.extend(self.needs_gomaxprocs.then(|| "GOMAXPROCS".to_owned()));
        names.extend(["GODEBUG".to_owned(), "GOMEMLIMIT".to_owned()]);
        names.sort();
        names.dedup();
        names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    }

    fn env(&self, helm: bool) -> Vec<String> {
        let mut lines = Vec::new();
        let mut set = |name: &str, value: &str| {
            lines.push(format!("- name: {name}"));
            lines.push(format!("  value: \"{value}\""));
        };
        for (name, value) in self.ports.all().filter_map(|(_, port)| port.setting()) {
            set(&name, &value);
        }
        for (name, time) in &self.times.set {
            let (key, seconds) = match time {
                Time::Drain => ("drain", self.times.drain),
                Time::LameDuck => ("lameDuck", self.times.lame_duck.seconds()),
            };
            match helm {
                true => set(name, &format!("{{{{ .Values.termination.{key} }}}}s")),
                false => set(name, &format!("{seconds}s")),
            }
        }
        if self.open_telemetry {
            set("OTEL_SERVICE_NAME", &self.name);
        }
        for listener in &self.ports.private.listeners {
            if let Some((variable, _)) = &listener.variable {
                lines.push(format!(
                    "# {variable} stays at the program's default: only the pod itself reaches port {}, and whoever may",
                    listener.port
                ));
                lines.push("# `kubectl port-forward` to it.".to_owned());
            }
        }
        let secret = match helm {
            true => format!("{{{{ include \"{}.fullname\" . }}}}", self.name),
            false => self.name.clone(),
        };
        let mut secrets = self.settings.iter().filter(|setting| setting.secret).peekable();
        if secrets.peek().is_some() {
            lines.push("# From a Secret that is not written here. `optional` lets the program start without it and say what it".to_owned());
            lines.push("# misses; take it out once the Secret is there. A file is safer than a variable, where the program can read one.".to_owned());
        }
        for setting in secrets {
            lines.push(format!("- name: {}", setting.name));
            lines.push("  valueFrom:".to_owned());
            lines.push("    secretKeyRef:".to_owned());
            lines.push(format!("      name: {secret}"));
            lines.push(format!("      key: {}", setting.name));
            lines.push("      optional: true".to_owned());
        }
        let mut others = self.settings.iter().filter(|setting| !setting.secret).peekable();
        if !helm && others.peek().is_some() {
            lines.push("# The program also reads these. What they are to be is not known here; defaults are the program's.".to_owned());
            for setting in others {
                lines.push(format!("# - name: {}", setting.name));
                let default = setting.default.as_deref().unwrap_or_default();
                lines.push(format!(
                    "#   value: \"{}\"",
                    default.replace('\\', "\\\\").replace('"', "\\\"")
                ));
            }
        }
        lines
    }
}
