//! What the name of a setting says: where a program listens, and for whom, or where another program does.
//!
//! `PORT`, `HTTP_ADDR`, `--web.listen-address` and `CHECKOUT_PORT` of a container `checkout` are addresses of the program
//! itself; `DB_PORT` and `REDIS_ADDR` are those of others. A name whose words are not all known is taken for one of the
//! latter, unless it says that it is listened on.

/// Whom a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listener {
    /// The service itself.
    Service,
    /// gRPC.
    Grpc,
    /// Whoever scrapes metrics.
    Metrics,
    /// The kubelet.
    Health,
    /// Whoever looks for faults: profiles.
    Debug,
    /// Operators; often the one listener beside the service, for metrics and health too.
    Admin,
    /// The service, by TLS.
    Tls,
    /// The API server, or another that calls back; by TLS, or beside the service.
    Webhook,
    /// Whoever is inside: operators, neighbours.
    Internal,
    /// Somebody else.
    Other,
}

impl Listener {
    /// In a message: `the listener for NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "the service",
            Self::Grpc => "gRPC",
            Self::Metrics => "metrics",
            Self::Health => "health",
            Self::Debug => "debugging",
            Self::Admin => "administration",
            Self::Tls => "TLS",
            Self::Webhook => "webhooks",
            Self::Internal => "internal use",
            Self::Other => "others",
        }
    }
}

/// Words that make a name one of an address.
const NOUNS: &[&str] = &["PORT", "ADDR", "ADDRESS"];

/// Words that make it one that is listened on.
const LISTENS: &[&str] = &["LISTEN", "LISTENER", "LISTENING", "BIND"];

/// Words that say nothing of whose address it is.
const PLAIN: &[&str] = &[
    "HTTP",
    "SERVER",
    "SERVE",
    "SERVICE",
    "SVC",
    "APP",
    "APPLICATION",
    "WEB",
    "API",
    "REST",
    "MAIN",
    "CONTAINER",
    "TCP",
    "ON",
    "PUBLIC",
    "HTTPSERVER",
];

/// Words of listeners beside the service's.
const SIDES: &[(&[&str], Listener)] = &[
    (&["GRPC", "RPC"], Listener::Grpc),
    (
        &[
            "METRICS",
            "METRIC",
            "PROM",
            "PROMHTTP",
            "PROMETHEUS",
            "STATS",
            "TELEMETRY",
            "MONITORING",
        ],
        Listener::Metrics,
    ),
    (
        &[
            "HEALTH",
            "HEALTHZ",
            "HEALTHCHECK",
            "PROBE",
            "PROBES",
            "READINESS",
            "LIVENESS",
            "READY",
            "LIVE",
        ],
        Listener::Health,
    ),
    (&["DEBUG", "PPROF", "EXPVAR", "PROFILE", "PROFILER", "PROFILING"], Listener::Debug),
    (&["ADMIN", "MANAGEMENT", "MGMT"], Listener::Admin),
    (&["TLS", "HTTPS", "SSL", "SECURE", "MTLS"], Listener::Tls),
    (&["WEBHOOK"], Listener::Webhook),
    (&["INTERNAL", "PRIVATE", "OPS"], Listener::Internal),
    (&["PEER", "GOSSIP", "CLUSTER", "RAFT", "STATUS"], Listener::Other),
];

/// Those of [`SIDES`] that mean something else in a name that is of no address: `profileHandler` serves the profiles of
/// users, `readyOrders` are orders.
const ONLY_OF_ADDRESSES: &[&str] = &[
    "STATS",
    "TELEMETRY",
    "MONITORING",
    "READY",
    "LIVE",
    "PROFILE",
    "CLUSTER",
    "STATUS",
    "PRIVATE",
    "WEBHOOK",
    "SECURE",
];

/// What other programs are called: `REDIS_PORT` of a container `redis-exporter` is that of redis.
const OTHERS: &[&str] = &[
    "DB",
    "DATABASE",
    "SQL",
    "POSTGRES",
    "POSTGRESQL",
    "PG",
    "MYSQL",
    "MARIADB",
    "MONGO",
    "MONGODB",
    "REDIS",
    "MEMCACHED",
    "CACHE",
    "KAFKA",
    "NATS",
    "AMQP",
    "RABBITMQ",
    "ETCD",
    "VAULT",
    "CONSUL",
    "ELASTICSEARCH",
    "SMTP",
    "MAIL",
    "LDAP",
    "PROXY",
    "UPSTREAM",
    "REMOTE",
    "TARGET",
    "CLIENT",
];

/// The words of a name, in upper case: `http-listenAddr` has three, `GRPCAddr` has two.
pub fn words(name: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    let mut letters = name.chars().peekable();
    while let Some(c) = letters.next() {
        // A capital begins a word, unless it is one of several: of `GRPCAddr` the A does.
        let starts = c.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || (before.is_ascii_alphanumeric()
                    && letters.peek().is_some_and(char::is_ascii_lowercase)));
        if (starts || !c.is_ascii_alphanumeric()) && !word.is_empty() {
            all.push(std::mem::take(&mut word));
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_uppercase());
        }
        before = c;
    }
    if !word.is_empty() {
        all.push(word);
    }
    all.into_iter().flat_map(parts).collect()
}

/// `HTTPPORT` is two words, `SUPPORT` is one.
fn parts(word: String) -> Vec<String> {
    for noun in NOUNS.iter().chain(LISTENS) {
        if let Some(rest) = word.strip_suffix(noun)
            && !rest.is_empty()
            && (PLAIN.contains(&rest) || LISTENS.contains(&rest) || side(rest).is_some())
        {
            return vec![rest.to_owned(), (*noun).to_owned()];
        }
    }
    vec![word]
}

fn side(word: &str) -> Option<Listener> {
    SIDES.iter().find(|(words, _)| words.contains(&word)).map(|(_, listener)| *listener)
}

/// Whether a name says that its address is listened on.
pub fn says_listen(name: &str) -> bool {
    words(name).iter().any(|word| LISTENS.contains(&word.as_str()))
}

/// Whether a name is one of UDP, which has ports of its own.
pub fn is_datagram(name: &str) -> bool {
    let udp = ["UDP", "QUIC", "H3", "HTTP3", "DTLS"];
    words(name).iter().any(|word| udp.contains(&word.as_str()))
}

/// Whether a name is as well one of what others are told: the port of a Service or a load balancer.
pub fn may_be_advertised(name: &str) -> bool {
    let told = ["PUBLIC", "SERVICE", "SVC", "CONTAINER"];
    !says_listen(name) && words(name).iter().any(|word| told.contains(&word.as_str()))
}

/// Whose listener a setting of that name tells the address of; `None` when it is none's, or cannot be told. `own` are
/// the names that the program goes by, in [`words`].
pub fn of_setting(name: &str, own: &[Vec<String>]) -> Option<Listener> {
    let words = words(name);
    let is = |list: &[&str], word: &String| list.contains(&word.as_str());
    let listens = words.iter().any(|word| is(LISTENS, word));
    if !listens && !words.iter().any(|word| is(NOUNS, word)) {
        return None;
    }
    // The program's own name in front says nothing.
    let own_prefix = own
        .iter()
        .filter_map(|own| {
            let same = own.iter().zip(&words).take_while(|(a, b)| a == b).count();
            let known = same == own.len() || !words.iter().take(same).any(|word| is(OTHERS, word));
            known.then_some(same)
        })
        .max()
        .unwrap_or(0);
    let mut found = None;
    let mut unknown = false;
    for word in words.iter().skip(own_prefix.min(words.len())) {
        if is(NOUNS, word) || is(LISTENS, word) || is(PLAIN, word) || word.parse::<u8>().is_ok() {
            continue;
        }
        match side(word) {
            Some(listener) => found = found.or(Some(listener)),
            None => unknown = true,
        }
    }
    match (found, unknown) {
        (found, false) => Some(found.unwrap_or(Listener::Service)),
        (found, true) if listens && !words.iter().any(|word| is(OTHERS, word)) => {
            Some(found.unwrap_or(Listener::Other))
        }
        _ => None,
    }
}

/// Whom the words of a name in a program speak of, in their order: a listener, a router, a function. `adminMux` and
/// `metrics_addr` speak of somebody, `profileHandler` does not.
pub fn spoken_of(name: &str) -> Vec<Listener> {
    let words = words(name);
    let is = |list: &[&str], word: &String| list.contains(&word.as_str());
    let of_address = words.iter().any(|word| is(NOUNS, word) || is(LISTENS, word));
    let told = words.iter().filter(|word| of_address || !is(ONLY_OF_ADDRESSES, word));
    told.filter_map(|word| side(word)).collect()
}

/// Whose listener a port of that name is: `metrics`, `grpc`, `http`. `None` when the name says nothing that is known.
pub fn of_port(name: &str) -> Option<Listener> {
    let words = words(name);
    words.iter().find_map(|word| side(word)).or_else(|| {
        words
            .iter()
            .all(|word| PLAIN.contains(&word.as_str()) || word == "PORT")
            .then_some(Listener::Service)
    })
}

/// The answer of [`refused_address`] to a number that no port has.
pub const INVALID_PORT: &str = "invalid port";

/// Why Go's net package cannot listen on an address: `SplitHostPort` in net/ipsock.go and `parsePort` in net/port.go
/// (1.27). `None` for one that it can, as far as that needs no look-up of a host or service.
pub fn refused_address(text: &str) -> Option<&'static str> {
    const MISSING: &str = "missing port in address";
    const TOO_MANY: &str = "too many colons in address";
    let Some(last) = text.rfind(':') else { return Some(MISSING) };
    let (host, port) = (text.get(..last)?, text.get(last + 1..)?);
    if let Some(inside) = text.strip_prefix('[') {
        let Some(end) = inside.find(']') else { return Some("missing ']' in address") };
        match inside.get(end + 1..)? {
            "" => return Some(MISSING),
            rest if rest.len() == text.len() - last => {}
            rest if rest.starts_with(':') => return Some(TOO_MANY),
            _ => return Some(MISSING),
        }
    } else if host.contains(':') {
        return Some(TOO_MANY);
    }
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    if digits && !port.is_empty() && port.parse::<u16>().is_err() {
        return Some(INVALID_PORT);
    }
    // The name of a service begins with a letter, as a rule, and is looked up.
    (port.starts_with(|c: char| c.is_ascii_digit()) && !digits).then_some("unknown port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, listener: Option<Listener>) {
        let own = ["parcels", "parcels-api", "redis-exporter"].map(words);
        assert_eq!(of_setting(name, &own), listener, "{name}");
    }

    #[test]
    fn settings_of_the_service() {
        for name in [
            "PORT",
            "HTTP_PORT",
            "LISTEN_ADDR",
            "SERVER_ADDRESS",
            "--port",
            "--addr",
            "httpPort",
            "--web.listen-address",
            "BIND",
            "APP_PORT",
            "HTTPPORT",
            "PARCELS_PORT",
            "ListenAddr",
            "PARCELS_API_HTTP_ADDR",
            "HTTPAddr",
            "HTTPListenPort",
        ] {
            check(name, Some(Listener::Service));
        }
    }

    #[test]
    fn settings_of_other_listeners() {
        check("GRPC_PORT", Some(Listener::Grpc));
        check("METRICS_ADDR", Some(Listener::Metrics));
        check("--metrics-bind-address", Some(Listener::Metrics));
        check("--health-probe-bind-address", Some(Listener::Health));
        check("PARCELS_DEBUG_ADDR", Some(Listener::Debug));
        check("HTTPS_PORT", Some(Listener::Tls));
        check("ADMIN_PORT", Some(Listener::Admin));
        check("WEBHOOK_PORT", Some(Listener::Webhook));
        check("GRPCAddr", Some(Listener::Grpc));
        check("EXPVAR_PORT", Some(Listener::Debug));
        check("INTERNAL_PORT", Some(Listener::Internal));
        check("OPS_ADDR", Some(Listener::Internal));
        check("JAEGER_LISTEN_PORT", Some(Listener::Other));
    }

    #[test]
    fn a_capital_begins_a_word_unless_it_is_one_of_several() {
        for (name, expected) in [
            ("http-listenAddr", "HTTP LISTEN ADDR"),
            ("GRPCAddr", "GRPC ADDR"),
            ("HTTPSPort", "HTTPS PORT"),
            ("k8sPort", "K8S PORT"),
            ("K8S_PORT", "K8S PORT"),
            ("H2CAddr", "H2C ADDR"),
            ("H2C_PORT", "H2C PORT"),
            ("http2Port", "HTTP2 PORT"),
            ("HTTPPORT", "HTTP PORT"),
            ("transport", "TRANSPORT"),
            ("", ""),
        ] {
            assert_eq!(words(name).join(" "), expected, "{name}");
        }
    }

    #[test]
    fn names_in_a_program() {
        let all = |name| spoken_of(name);
        assert_eq!(all("adminMux"), [Listener::Admin]);
        assert_eq!(all("grpcMetricsServer"), [Listener::Grpc, Listener::Metrics]);
        assert_eq!(all("internalServer"), [Listener::Internal]);
        assert_eq!(all("profileAddr"), [Listener::Debug]);
        for name in ["profileHandler", "readyOrders", "liveScores", "statsHandler", "orders"] {
            assert_eq!(all(name), [], "{name}");
        }
    }

    #[test]
    fn settings_of_other_programs() {
        for name in [
            "DB_PORT",
            "REDIS_ADDR",
            "REDIS_PORT",
            "SMTP_PORT",
            "KUBERNETES_SERVICE_PORT",
            "SUPPORT",
            "CHECKOUT_SERVICE_PORT",
            "TRANSPORT",
            "HOST",
            "REPORT_INTERVAL",
            "REMOTE_LISTEN_PORT",
            "OTEL_EXPORTER_PROMETHEUS_PORT",
        ] {
            check(name, None);
        }
        // Redis itself.
        assert_eq!(of_setting("REDIS_PORT", &[words("redis")]), Some(Listener::Service));
    }

    #[test]
    fn names_that_say_more() {
        assert!(is_datagram("--quic-listen-addr") && is_datagram("HTTP3_PORT"));
        assert!(!is_datagram("HTTP_PORT"));
        assert!(may_be_advertised("SERVICE_PORT") && may_be_advertised("--public-port"));
        assert!(!may_be_advertised("SERVICE_LISTEN_PORT") && !may_be_advertised("HTTP_PORT"));
    }

    #[test]
    fn names_of_ports() {
        assert_eq!(of_port("http"), Some(Listener::Service));
        assert_eq!(of_port("http-metrics"), Some(Listener::Metrics));
        assert_eq!(of_port("grpc"), Some(Listener::Grpc));
        assert_eq!(of_port("https"), Some(Listener::Tls));
        assert_eq!(of_port("raft-stuff"), Some(Listener::Other));
        assert_eq!(of_port("amqp"), None);
    }

    #[test]
    fn addresses_that_go_refuses() {
        for (text, why) in [
            ("8080", "missing port in address"),
            ("0.0.0.0", "missing port in address"),
            ("[::1]", "missing port in address"),
            ("[::1]8080", "missing port in address"),
            ("[::1", "missing ']' in address"),
            ("::1:80", "too many colons in address"),
            ("[::1]:80:90", "too many colons in address"),
            (":70000", "invalid port"),
            (":80a", "unknown port"),
        ] {
            assert_eq!(refused_address(text), Some(why), "{text}");
        }
        for text in [":8080", "localhost:0", "[::]:80", ":http", ":", "unix:/run/a.sock", "h:8080"]
        {
            assert_eq!(refused_address(text), None, "{text}");
        }
    }
}
