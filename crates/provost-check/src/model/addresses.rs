//! Addresses of others that a program is given: `redis://cache:6379`, `postgres://db.shop.svc:5432/orders`.

/// Schemes of what a program connects to, and never serves itself by that name. Addresses of `http` may as well be those
/// by which others know it.
const CLIENTS: &[&str] = &[
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongodb",
    "redis",
    "rediss",
    "valkey",
    "valkeys",
    "amqp",
    "amqps",
    "memcached",
    "cassandra",
    "clickhouse",
];

/// Addresses of one value that are looked at.
const MOST: usize = 16;

/// Bytes of the longest name of a host.
const LONGEST: usize = 253;

/// Last parts of names that are no namespaces: those of public domains that services are found under.
const PUBLIC: &[&str] = &["com", "net", "org", "io", "dev", "app", "cloud", "eu", "de", "uk"];

/// A host and a TCP port of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// In lower case.
    pub host: String,
    /// As it is written.
    pub port: u16,
}

/// Where a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A Service's name.
    Service {
        /// Its name.
        name: &'a str,
        /// Its namespace.
        namespace: &'a str,
    },
    /// Outside of the cluster.
    Outside,
    /// Not known.
    Unknown,
}

impl Address {
    /// Where a pod of that namespace finds the host: by the search list of its `resolv.conf`, names of one part are
    /// Services of its namespace, and those of two of another one.
    pub fn place<'a>(&'a self, own: &'a str) -> Place<'a> {
        let parts: Vec<&str> = self.host.trim_end_matches('.').split('.').take(6).collect();
        match parts.as_slice() {
            [name] => Place::Service { name, namespace: own },
            [name, namespace] | [name, namespace, "svc"] | [name, namespace, "svc", ..] => {
                Place::Service { name, namespace }
            }
            [.., last] if PUBLIC.contains(last) => Place::Outside,
            _ => Place::Unknown,
        }
    }
}

/// The addresses in the value of a variable, with the port written out. Hosts that are numbers are left out: what is
/// behind them is not known.
pub fn addresses(name: &str, value: &str) -> Vec<Address> {
    let Some((scheme, rest)) = value.trim().split_once("://") else { return Vec::new() };
    // Where telemetry is sent to, by the name of the variable.
    let exporter = name.starts_with("OTEL_EXPORTER_OTLP") && matches!(scheme, "http" | "https");
    if !exporter && !CLIENTS.contains(&scheme.to_ascii_lowercase().as_str()) {
        return Vec::new();
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    hosts.split(',').take(MOST).filter_map(address).collect()
}

fn address(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let named = host.bytes().any(|b| b.is_ascii_alphabetic());
    let fits = named && host.len() <= LONGEST && host.bytes().all(plain);
    let port = port.parse().ok().filter(|port| *port > 0)?;
    fits.then(|| Address { host: host.to_ascii_lowercase(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &str) -> Vec<String> {
        let all = addresses(name, value);
        all.iter().map(|address| format!("{}:{}", address.host, address.port)).collect()
    }

    #[test]
    fn hosts_and_ports_of_clients() {
        assert_eq!(of("CACHE", "redis://Cache:6379/0"), ["cache:6379"]);
        assert_eq!(of("DB", "postgres://app:x@db.shop.svc:5432/o?sslmode=a"), ["db.shop.svc:5432"]);
        assert_eq!(of("DB", "mongodb://a:27017,b:27018/x"), ["a:27017", "b:27018"]);
        assert_eq!(of("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4317"), ["otel:4317"]);
        for (name, value) in [
            ("BASE_URL", "https://shop.example.com:8443"),
            ("DB", "postgres://db/orders"),
            ("DB", "postgres://10.0.0.7:5432/orders"),
            ("DB", "postgres://[::1]:5432/orders"),
            ("DB", "postgres://$(HOST):5432/orders"),
            ("DB", "***"),
            ("DB", "redis://cache:99999"),
            ("LISTEN", "tcp://0.0.0.0:8080"),
        ] {
            assert!(of(name, value).is_empty(), "{value}");
        }
    }

    #[test]
    fn where_a_host_is() {
        let place = |host: &str| {
            let address = Address { host: host.to_owned(), port: 1 };
            match address.place("shop") {
                Place::Service { name, namespace } => format!("{namespace}/{name}"),
                Place::Outside => "outside".to_owned(),
                Place::Unknown => "unknown".to_owned(),
            }
        };
        assert_eq!(place("db"), "shop/db");
        assert_eq!(place("db.data"), "data/db");
        assert_eq!(place("db.data.svc.cluster.local"), "data/db");
        assert_eq!(place("orders.abc.eu-west-1.rds.amazonaws.com"), "outside");
        assert_eq!(place("db-0.db.data"), "unknown", "a pod of a headless Service");
        assert_eq!(place("db-0.db.data.svc.cluster.local"), "unknown");
    }
}
