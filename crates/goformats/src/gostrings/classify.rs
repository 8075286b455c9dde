//! What a whole text is.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an IP address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// `0.0.0.0`, `::`: every interface.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10/8`, `172.16/12`, `192.168/16`, `fc00::/7`.
    Private,
    /// `100.64.0.0/10`, between a carrier and its customers.
    Shared,
    /// `169.254/16`, `fe80::/10`; `169.254.169.254` is the metadata service of clouds.
    LinkLocal,
    /// `224/4`, `ff00::/8`.
    Multicast,
    /// `192.0.2/24`, `198.51.100/24`, `203.0.113/24`, `2001:db8::/32`: in documentation only.
    Documentation,
    /// A public name server that everybody knows: 8.8.8.8, 1.1.1.1, 9.9.9.9 and their siblings.
    Resolver,
    /// Broadcast, benchmarking and reserved ranges.
    Reserved,
    /// Routed in the internet.
    Public,
}

/// What a text is, by its whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'t> {
    /// An IP address, with a prefix length perhaps (`10.0.0.0/8`).
    Ip(IpAddr, AddressClass),
    /// `host:port`; the host is empty in `:8080`.
    HostPort {
        /// Host name or address, without brackets.
        host: &'t str,
        /// Port, in decimal.
        port: u16,
        /// Where the host is an address.
        class: Option<AddressClass>,
    },
    /// `scheme://rest`.
    Url {
        /// `https`, `postgres`.
        scheme: &'t str,
        /// Host and port, without user information.
        authority: &'t str,
    },
    /// A name inside a cluster: `db.prod.svc`, `db.prod.svc.cluster.local`.
    ClusterHost,
    /// An absolute path of a file system or a URL.
    Path,
    /// A method and a path, as `http.ServeMux` takes since Go 1.22: `GET /readyz`.
    Pattern {
        /// `GET`.
        method: &'t str,
        /// From the host or the first slash on.
        path: &'t str,
    },
    /// A name of the IANA time zone database: `Europe/Rome`.
    Zone,
    /// An environment variable's name: upper case with an underscore.
    EnvName,
    /// PEM: `-----BEGIN …`.
    Pem,
    /// Anything else.
    Other,
}

/// Says what a text is. Parts of it never count: an object identifier is no address, because no address has five parts.
pub fn classify(text: &str) -> Kind<'_> {
    if text.len() > 4096 && !text.starts_with("-----BEGIN ") {
        return Kind::Other;
    }
    if text.starts_with("-----BEGIN ") {
        return Kind::Pem;
    }
    if let Some(ip) = ip_or_prefix(text) {
        return Kind::Ip(ip, class_of(ip));
    }
    if let Some((host, port)) = host_port(text) {
        let class = host.parse().ok().map(class_of);
        return Kind::HostPort { host, port, class };
    }
    if let Some((scheme, authority)) = url(text) {
        return Kind::Url { scheme, authority };
    }
    if is_cluster_host(text) {
        return Kind::ClusterHost;
    }
    if is_path(text) {
        return Kind::Path;
    }
    if let Some((method, path)) = pattern(text) {
        return Kind::Pattern { method, path };
    }
    if is_zone(text) {
        return Kind::Zone;
    }
    if is_env_name(text) {
        return Kind::EnvName;
    }
    Kind::Other
}

fn ip_or_prefix(text: &str) -> Option<IpAddr> {
    // Rust takes the forms that Go's netip takes, without zones. A bare `::` in text is more often an operator.
    if text.len() < 3 && text != "::" {
        return None;
    }
    let address = match text.split_once('/') {
        Some((address, bits)) => {
            let bits: u8 = bits.parse().ok()?;
            let ip: IpAddr = address.parse().ok()?;
            return (bits <= if ip.is_ipv4() { 32 } else { 128 }).then_some(ip);
        }
        None => text,
    };
    let ip: IpAddr = address.parse().ok()?;
    // `1.0.0.0` and `5.4.3.2` are versions and the like as often as addresses, but only the text can tell: it cannot.
    (text != "::").then_some(ip)
}

/// The class of an address.
pub(super) fn class_of(ip: IpAddr) -> AddressClass {
    match ip {
        IpAddr::V4(v4) => class_of_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => class_of_v4(v4),
            None => class_of_v6(v6),
        },
    }
}

fn class_of_v4(ip: Ipv4Addr) -> AddressClass {
    let octets = ip.octets();
    match octets {
        [0, 0, 0, 0] => AddressClass::Unspecified,
        [127, ..] => AddressClass::Loopback,
        [8, 8, 8, 8] | [8, 8, 4, 4] | [1, 1, 1, 1] | [1, 0, 0, 1] => AddressClass::Resolver,
        [9, 9, 9, 9] | [149, 112, 112, 112] | [208, 67, 222, 222] | [208, 67, 220, 220] => {
            AddressClass::Resolver
        }
        [100, 64..=127, ..] => AddressClass::Shared,
        [198, 18 | 19, ..] | [0, ..] | [240..=255, ..] => AddressClass::Reserved,
        _ if ip.is_private() => AddressClass::Private,
        _ if ip.is_link_local() => AddressClass::LinkLocal,
        _ if ip.is_multicast() => AddressClass::Multicast,
        _ if ip.is_documentation() => AddressClass::Documentation,
        _ => AddressClass::Public,
    }
}

fn class_of_v6(ip: Ipv6Addr) -> AddressClass {
    let segments = ip.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        [0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888 | 0x8844] => AddressClass::Resolver,
        [0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111 | 0x1001] => AddressClass::Resolver,
        [0x2620, 0xfe, 0, 0, 0, 0, 0, 9 | 0xfe] => AddressClass::Resolver,
        [0x2001, 0xdb8, ..] => AddressClass::Documentation,
        [0xfc00..=0xfdff, ..] => AddressClass::Private,
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        [0x2000..=0x3fff, ..] => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

fn host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    if port.is_empty() || port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let port: u16 = port.parse().ok()?;
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        return inner.parse::<Ipv6Addr>().is_ok().then_some((inner, port));
    }
    let sound = host.is_empty() || host.parse::<Ipv4Addr>().is_ok() || is_host_name(host);
    // `:0` and `localhost:0` ask for any port.
    sound.then_some((host, port))
}

/// Labels of letters, digits and hyphens; the last one not a number.
fn is_host_name(host: &str) -> bool {
    host.len() <= 253
        && host.split('.').all(is_label)
        && host.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| !b.is_ascii_digit()))
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn url(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let first = scheme.bytes().next()?;
    if !first.is_ascii_alphabetic() || !scheme.bytes().all(good) || scheme.len() > 32 {
        return None;
    }
    if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some((scheme, authority))
}

fn is_cluster_host(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let name = name.strip_suffix(".cluster.local").unwrap_or(name);
    let Some(rest) = name.strip_suffix(".svc") else { return false };
    // At least the service and its namespace.
    rest.contains('.') && rest.split('.').all(is_label)
}

fn is_path(text: &str) -> bool {
    text.len() > 1
        && text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains(|c: char| {
            c.is_whitespace() || c.is_control() || c == '%' && text.contains("%s")
        })
        && text.as_bytes().get(1).copied().is_some_and(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'{' | b':' | b'~' | b'-')
        })
}

fn pattern(text: &str) -> Option<(&str, &str)> {
    let (method, rest) = text.split_once([' ', '\t'])?;
    let rest = rest.trim_start_matches([' ', '\t']);
    let known = matches!(
        method,
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE"
    );
    let path = rest.get(rest.find('/')?..)?;
    let host = rest.strip_suffix(path)?;
    let sound =
        known && (host.is_empty() || is_host_name(host)) && !path.contains(char::is_whitespace);
    sound.then_some((method, rest))
}

/// `Area/Place` with an area of the IANA database; the bare `UTC` and `Local` are no places.
fn is_zone(text: &str) -> bool {
    const AREAS: [&str; 11] = [
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
        "Etc",
    ];
    let Some((area, place)) = text.split_once('/') else { return false };
    AREAS.contains(&area)
        && place.split('/').count() <= 2
        && place.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_uppercase())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
        })
}

fn is_env_name(text: &str) -> bool {
    text.len() >= 3
        && text.len() <= 80
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && !text.ends_with('_')
        && text.contains('_')
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<AddressClass> {
        match classify(text) {
            Kind::Ip(_, class) => Some(class),
            Kind::HostPort { class, .. } => class,
            _ => None,
        }
    }

    #[test]
    fn addresses() {
        use AddressClass::*;
        for (text, expected) in [
            ("10.1.2.3", Private),
            ("10.1.2.3:8080", Private),
            ("172.16.0.1", Private),
            ("172.32.0.1", Public),
            ("192.168.1.0/24", Private),
            ("127.0.0.1:9090", Loopback),
            ("0.0.0.0", Unspecified),
            ("[::]:80", Unspecified),
            ("8.8.8.8:53", Resolver),
            ("169.254.169.254", LinkLocal),
            ("192.0.2.17", Documentation),
            ("2001:db8::1", Documentation),
            ("224.0.0.251", Multicast),
            ("100.64.0.1", Shared),
            ("fe80::1", LinkLocal),
            ("::1", Loopback),
            ("fd00::1", Private),
            ("2606:4700:4700::1111", Resolver),
            ("93.184.216.34", Public),
            ("::ffff:10.0.0.1", Private),
        ] {
            assert_eq!(class(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn identifiers_and_versions_are_no_addresses() {
        for text in [
            "1.3.6.1.4.1.311",
            "2.5.4.3",
            "1.2.3",
            "1.2.840.113549",
            "10.1.2.3 ",
            "256.1.1.1",
            "::",
        ] {
            let kind = classify(text);
            // A text of four small numbers is an address, whatever it was meant for.
            let expected = text == "2.5.4.3";
            assert_eq!(matches!(kind, Kind::Ip(..)), expected, "{text}: {kind:?}");
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(classify(":8080"), Kind::HostPort { host: "", port: 8080, class: None });
        assert_eq!(
            classify("ledger.payments.svc.cluster.local:7443"),
            Kind::HostPort { host: "ledger.payments.svc.cluster.local", port: 7443, class: None }
        );
        assert_eq!(classify("peer-a.mesh.svc"), Kind::ClusterHost);
        assert_eq!(classify("db.prod.svc.cluster.local"), Kind::ClusterHost);
        for text in [".svc", "a.svc", "x:99999", "a b:80", "12:30", "::80:", "http:80:"] {
            assert_eq!(classify(text), Kind::Other, "{text}");
        }
    }

    #[test]
    fn others() {
        assert_eq!(
            classify("postgres://user:pw@db.example.com:5432/x"),
            Kind::Url { scheme: "postgres", authority: "db.example.com:5432" }
        );
        assert_eq!(classify("/etc/strings/config.yaml"), Kind::Path);
        assert_eq!(classify("/pattern/{id}"), Kind::Path);
        assert_eq!(classify("GET /readyz"), Kind::Pattern { method: "GET", path: "/readyz" });
        assert_eq!(
            classify("POST example.com/x"),
            Kind::Pattern { method: "POST", path: "example.com/x" }
        );
        assert_eq!(classify("Europe/Rome"), Kind::Zone);
        assert_eq!(classify("America/Argentina/Buenos_Aires"), Kind::Zone);
        assert_eq!(classify("STRINGS_LISTEN_ADDR"), Kind::EnvName);
        assert_eq!(classify("-----BEGIN CERTIFICATE-----\nx"), Kind::Pem);
        for text in [
            "",
            "/",
            "//x",
            "/ x",
            "Europe",
            "Europe/rome",
            "GETTING /x",
            "GET x",
            "A_",
            "HELLO",
            "a_B",
        ] {
            assert_eq!(classify(text), Kind::Other, "{text}");
        }
    }
}
