//! Where a `Location` leads from the address that answered with it, as Go's client reads it (`URL.Parse` in net/url
//! and `Client.do` in net/http of Go 1.27): a probe fails on what that client cannot read or cannot ask.

/// Where a probe goes, and after a redirect where it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) tls: bool,
    /// HTTP/2 where there is no TLS.
    pub(super) h2c: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query.
    pub(super) path: String,
}

/// What becomes of whoever follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// It is asked there; whether what was said has a scheme (`URL.IsAbs`).
    To(Place, bool),
    /// To another host, where a kubelet does not go.
    Elsewhere,
    /// It is no address, or none that can be asked.
    Nowhere,
}

impl Place {
    /// Reads it, and resolves it against where it was said (RFC 3986, section 5.2).
    pub(super) fn sent_to(&self, location: &str) -> Leads {
        match Reference::read(location) {
            Some(reference) => self.resolved(&reference),
            None => Leads::Nowhere,
        }
    }

    fn resolved(&self, reference: &Reference<'_>) -> Leads {
        let absolute = reference.scheme.is_some();
        let Some((host, port)) = &reference.authority else {
            // `mailto:a@b` and `http:/x` name no host, which is another one.
            if absolute {
                return Leads::Elsewhere;
            }
            let path = self.path_to(reference.path, reference.query);
            return Leads::To(Self { path, ..self.clone() }, false);
        };
        if **host != self.host {
            return Leads::Elsewhere;
        }
        let tls = match reference.scheme.map(str::to_ascii_lowercase).as_deref() {
            None => self.tls,
            Some("http") => false,
            Some("https") => true,
            // `unsupported protocol scheme`, which the client finds when it asks.
            Some(_) => return Leads::Nowhere,
        };
        let default = if tls { 443 } else { 80 };
        let port = if port.is_empty() { Ok(default) } else { port.parse() };
        // Of digits only, but more of them than there are ports.
        let Ok(port) = port else { return Leads::Nowhere };
        let path = if reference.path.is_empty() { "/" } else { reference.path };
        let query = reference.query.map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{path}{query}");
        Leads::To(Self { tls, path, port, ..self.clone() }, absolute)
    }

    fn path_to(&self, path: &str, query: Option<&str>) -> String {
        let own = self.path.split(['?', '#']).next().unwrap_or_default();
        let whole = match path {
            "" => own.to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("{}{path}", own.get(..=own.rfind('/').unwrap_or(0)).unwrap_or("/")),
        };
        let mut parts: Vec<&str> = Vec::new();
        let mut last = "";
        for part in whole.split('/').skip(1) {
            last = part;
            match part {
                ".." => {
                    parts.pop();
                }
                "." => {}
                part => parts.push(part),
            }
        }
        if matches!(last, "." | "..") {
            parts.push("");
        }
        let path = format!("/{}", parts.join("/"));
        query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
    }
}

/// The parts of an address.
struct Reference<'l> {
    scheme: Option<&'l str>,
    /// Host, without brackets, and port.
    authority: Option<(&'l str, &'l str)>,
    path: &'l str,
    query: Option<&'l str>,
}

impl<'l> Reference<'l> {
    /// Nothing where Go's parser finds fault with it.
    fn read(location: &'l str) -> Option<Self> {
        if location.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return None;
        }
        let (location, fragment) = location.split_once('#').unwrap_or((location, ""));
        let (scheme, rest) = split_scheme(location)?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let first = rest.split('/').next().unwrap_or_default();
        if scheme.is_some() && !rest.starts_with('/') {
            let none = Self { scheme, authority: None, path: "", query: None };
            return are_escapes(fragment).then_some(none);
        }
        // It looks like a scheme that is none.
        if scheme.is_none() && first.contains(':') {
            return None;
        }
        let named =
            rest.strip_prefix("//").filter(|_| scheme.is_some() || !rest.starts_with("///"));
        let (authority, path) = match named {
            None => (None, rest),
            Some(named) => {
                let (authority, path) = named.split_at(named.find('/').unwrap_or(named.len()));
                (Some(host_and_port(authority)?), path)
            }
        };
        let fine = are_escapes(path) && are_escapes(fragment);
        fine.then_some(Self { scheme, authority, path, query })
    }
}

/// A scheme and what is behind it (`getScheme`); nothing where there is none before the colon.
fn split_scheme(location: &str) -> Option<(Option<&str>, &str)> {
    for (at, byte) in location.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return Some((location.get(..at), location.get(at + 1..)?)),
            _ => break,
        }
    }
    Some((None, location))
}

/// `parseAuthority` and `parseHost`.
fn host_and_port(authority: &str) -> Option<(&str, &str)> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !user.bytes().all(known) || !are_escapes(user) {
        return None;
    }
    let (host, port) = match host.strip_prefix('[') {
        Some(inside) => {
            let (address, behind) = inside.rsplit_once(']')?;
            let (number, zone) = address.split_once("%25").unwrap_or((address, ""));
            number.parse::<std::net::Ipv6Addr>().ok()?;
            // A zone is no part of a pod's address, so that it is only to be text.
            if !are_escapes(zone) {
                return None;
            }
            (address, behind)
        }
        None => {
            let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
            let known = |byte: u8| {
                byte >= 0x80
                    || byte.is_ascii_alphanumeric()
                    || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&byte)
            };
            // Of what is escaped only bytes beyond ASCII.
            let plain = |pair: &str| !pair.starts_with(|it: char| ('0'..='7').contains(&it));
            let escapes = name.split('%').skip(1).all(|it| plain(it) || it.starts_with("25"));
            if name.contains('[') || !name.bytes().all(known) || !are_escapes(name) || !escapes {
                return None;
            }
            (name, port)
        }
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_port = port.is_empty() || port.starts_with(':');
    (is_port && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some((host, digits))
}

/// Whether each `%` has two hexadecimal digits behind it (`unescape`).
fn are_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|behind| {
        let mut digits = behind.bytes().take(2);
        let mut is_digit = || digits.next().is_some_and(|digit| digit.is_ascii_hexdigit());
        is_digit() && is_digit()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(host: &str) -> Place {
        Place {
            tls: false,
            h2c: false,
            host: host.to_owned(),
            port: 8080,
            path: "/a/b?x=1".to_owned(),
        }
    }

    #[test]
    fn a_location_leads_from_where_it_was_said() {
        for (location, leads) in [
            ("/ready", "http 8080 /ready"),
            ("ready", "http 8080 /a/ready"),
            ("../ready/.", "http 8080 /ready/"),
            ("../../../ready", "http 8080 /ready"),
            ("?y=2", "http 8080 /a/b?y=2"),
            ("//10.0.0.1/ready", "http 80 /ready"),
            ("https://10.0.0.1:8443/ready#top", "https 8443 /ready"),
            ("HTTPS://10.0.0.1", "https 443 /"),
            ("http://10.0.0.1:/a", "http 80 /a"),
            ("http://u:p@10.0.0.1/login?next=/a", "http 80 /login?next=/a"),
            ("/login?next=https://shop.example/", "http 8080 /login?next=https://shop.example/"),
        ] {
            let Leads::To(place, absolute) = from("10.0.0.1").sent_to(location) else {
                panic!("{location}")
            };
            let scheme = if place.tls { "https" } else { "http" };
            assert_eq!(format!("{scheme} {} {}", place.port, place.path), leads, "{location}");
            // What else there is a colon in is no scheme.
            assert_eq!(absolute, location.to_ascii_lowercase().starts_with("http"), "{location}");
        }
        for location in ["http://[::1]:9000/", "http://[::1]/"] {
            assert!(matches!(from("::1").sent_to(location), Leads::To(..)), "{location}");
        }
    }

    #[test]
    fn what_go_cannot_read_or_ask_leads_nowhere_and_is_not_elsewhere() {
        let of = |location: &str| from("10.0.0.1").sent_to(location);
        for location in [
            "http://10.0.0.1:port/login",
            "http://10.0.0.1:8080:80/",
            "http://10.0.0.1:99999/",
            ":8080/ready",
            "10.0.0.1:8080/ready",
            "/ready%zz",
            "/ready#%",
            "http://[10.0.0.1]/",
            "http://[::1/",
            "http://a b/",
            "http://a%20b/",
            "http://us er@10.0.0.1/",
            // It is the same host, and nobody speaks that with it.
            "ftp://10.0.0.1/",
            "/a\tb",
        ] {
            assert_eq!(of(location), Leads::Nowhere, "{location}");
        }
        for location in [
            "http://sso.example.com/login",
            "https://sso.example.com:99999/",
            "//sso.example.com/",
            "ftp://sso.example.com/",
            "mailto:a@b",
            "http:ready",
            "http:/ready",
            "http:///ready",
            "http://b%C3%A4r/",
        ] {
            assert_eq!(of(location), Leads::Elsewhere, "{location}");
        }
    }
}
