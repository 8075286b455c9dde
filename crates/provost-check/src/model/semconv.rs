//! What OpenTelemetry's conventions call the attributes of spans of HTTP.
//!
//! Source: docs/http/http-spans.md and docs/non-normative/http-migration.md of semantic-conventions v1.37; the names were
//! changed between v1.20 and v1.23, which declared them stable.

/// One thing that a span says, the name that is stable, and those that were given up for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The stable name.
    pub name: &'static str,
    /// Names of before.
    pub before: &'static [&'static str],
    /// A server's span of an answered request has to have it.
    pub required: bool,
}

const fn of(name: &'static str, before: &'static [&'static str], required: bool) -> Attribute {
    Attribute { name, before, required }
}

/// The attributes of a server's span.
pub const SERVER: &[Attribute] = &[
    of("http.request.method", &["http.method"], true),
    of("http.response.status_code", &["http.status_code"], true),
    // Of old ones the whole address holds both.
    of("url.path", &["http.target", "http.url"], true),
    of("url.scheme", &["http.scheme", "http.url"], true),
    of("client.address", &["http.client_ip"], false),
    of("server.address", &["net.host.name", "http.host", "http.server_name"], false),
    of("server.port", &["net.host.port"], false),
    of("network.peer.address", &["net.sock.peer.addr", "net.peer.ip"], false),
    of("network.peer.port", &["net.sock.peer.port", "net.peer.port"], false),
    of("network.protocol.version", &["http.flavor", "net.protocol.version"], false),
    of("user_agent.original", &["http.user_agent"], false),
    of("http.request.body.size", &["http.request_content_length"], false),
    of("http.response.body.size", &["http.response_content_length"], false),
];

/// What begins the names of attributes that say of which kind a span is.
pub const NAMESPACES: &[&str] = &[
    "http.",
    "url.",
    "client.",
    "server.",
    "network.",
    "net.",
    "user_agent.",
    "rpc.",
    "messaging.",
    "graphql.",
    "faas.",
];

/// Whether a span has what is said by an attribute, under any of its names.
fn says(attribute: &Attribute, names: &[String]) -> bool {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    has(attribute.name) || attribute.before.iter().any(|before| has(before))
}

/// Stable names of what the span of a server that answered a request by HTTP has to say and does not.
pub fn lacking(names: &[String]) -> Vec<&'static str> {
    let required = SERVER.iter().filter(|attribute| attribute.required);
    required.filter(|attribute| !says(attribute, names)).map(|attribute| attribute.name).collect()
}

/// Names that were given up and stand there without those that took their places: the old one and the new one.
pub fn given_up(names: &[String]) -> Vec<(&'static str, &'static str)> {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let alone = SERVER.iter().filter(|attribute| !has(attribute.name));
    let old = alone.filter_map(|attribute| {
        let before = attribute.before.iter().find(|before| has(before))?;
        Some((*before, attribute.name))
    });
    old.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_said_by_any_name_is_said() {
        let stable = "http.request.method http.response.status_code url.path url.scheme http.route";
        assert_eq!((lacking(&names(stable)), given_up(&names(stable))), (vec![], vec![]));
        let old = "http.method http.status_code http.url net.host.name";
        assert_eq!(lacking(&names(old)), Vec::<&str>::new());
        assert_eq!(given_up(&names(old))[0], ("http.method", "http.request.method"));
        // While it is moved both are sent.
        let both = format!("{stable} http.method http.status_code http.target http.scheme");
        assert_eq!(given_up(&names(&both)), vec![]);
        assert_eq!(
            lacking(&names("http.route")),
            ["http.request.method", "http.response.status_code", "url.path", "url.scheme"]
        );
    }

    #[test]
    fn every_name_begins_with_one_that_is_kept() {
        for attribute in SERVER {
            for name in attribute.before.iter().chain([&attribute.name]) {
                assert!(NAMESPACES.iter().any(|start| name.starts_with(start)), "{name}");
            }
        }
    }
}
