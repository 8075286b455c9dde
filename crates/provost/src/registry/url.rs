//! Addresses, as far as registries redirect.

use std::fmt;

/// An address of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) secure: bool,
    /// With a port, where one is written; in small letters.
    pub(super) host: String,
    /// Path and query.
    path: String,
}

impl Url {
    pub(super) fn new(secure: bool, host: &str, path: String) -> Self {
        Self { secure, host: host.to_ascii_lowercase(), path }
    }

    /// Reads an absolute address. One with a login in it is none: it would be sent somewhere.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
        let graphic = text.len() <= MOST_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
        if host.is_empty() || !host.bytes().all(plain) || !graphic {
            return None;
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self::new(secure, host, path))
    }

    /// Where `Location` leads from here.
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        let absolute = location.find("://").is_some_and(|at| {
            location[..at].bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        });
        if absolute {
            return Self::parse(location);
        }
        let scheme = if self.secure { "https" } else { "http" };
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}"));
        }
        if location.starts_with('/') {
            return Self::parse(&format!("{scheme}://{}{location}", self.host));
        }
        // A registry has no reason to name a neighbour of the blob.
        None
    }

    /// Whether a login for one may be sent to the other.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.authority() == other.authority()
    }

    fn authority(&self) -> &str {
        let port = if self.secure { ":443" } else { ":80" };
        self.host.strip_suffix(port).unwrap_or(&self.host)
    }

    /// With one more parameter.
    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(key);
        self.path.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    self.path.push(char::from(byte));
                }
                _ => self.path.push_str(&format!("%{byte:02X}")),
            }
        }
        self
    }
}

/// Signed addresses of object stores have one or two kilobytes.
const MOST_BYTES: usize = 16 << 10;

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "they are tests")]

    use super::*;

    #[test]
    fn redirects_lead_where_they_say() {
        let from = Url::parse("https://Registry.example/v2/a/blobs/b").unwrap();
        let to = |location: &str| from.join(location).map(|url| url.to_string());
        assert_eq!(to("/x?y=1#z").as_deref(), Some("https://registry.example/x?y=1"));
        assert_eq!(to("//cdn.example/x").as_deref(), Some("https://cdn.example/x"));
        assert_eq!(to("HTTP://cdn.example:80?a").as_deref(), Some("http://cdn.example:80/?a"));
        for none in ["x", "", "file:///etc/passwd", "ftp://a/b", "https://", "https://u:p@a/b"] {
            assert_eq!(to(none), None, "{none}");
        }
        assert_eq!(to("https://a/\r\nX: y"), None);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(url("https://a/x").same_origin(&url("https://a:443/y")));
        for other in ["http://a/x", "https://a:8443/x", "https://b/x", "https://a.b/x"] {
            assert!(!url("https://a/x").same_origin(&url(other)), "{other}");
        }
    }

    #[test]
    fn parameters_are_encoded() {
        let url = Url::parse("https://a/token?x=1").unwrap().with("scope", "repository:a/b:pull");
        assert_eq!(url.to_string(), "https://a/token?x=1&scope=repository%3Aa%2Fb%3Apull");
    }
}
