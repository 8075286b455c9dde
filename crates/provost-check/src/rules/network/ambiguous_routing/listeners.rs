//! Listeners of the Gateway API on one port.
//!
//! Source: "Distinct Listeners" in apis/v1/gateway_types.go and listenerset_types.go of
//! sigs.k8s.io/gateway-api v1.6.3. A connection is told apart by what it says first: the name of the
//! server in TLS, the host of a request in HTTP. TCP says nothing, so that it shares no port with any of
//! them; which of plain HTTP and TLS it is some implementations can tell, and most do not try
//! (`ProtocolConflict`). UDP has ports of its own. Two of one protocol and host within one object the
//! CRD refuses.

use super::{LISTENERS, RULE};
use crate::case::ObjectCase;
use crate::case::references::Wanted;
use crate::case::routes::Said;
use crate::facts::document::Node;
use crate::facts::placeholders::is_placeholder;
use crate::facts::{Object, Origin};
use crate::findings::{Abstain, Finding, Fix, Level};
use crate::rules::rule::{Findings, Judged};

/// Listeners of one object: the CRDs take no more.
const MOST: usize = 64;

/// A listener that is all written out.
struct Entry<'w> {
    port: i64,
    at: Origin,
    protocol: Said<'w>,
    host: &'w str,
}

fn entries(object: &Object) -> Vec<Entry<'_>> {
    fn entry(node: Node<'_>) -> Option<Entry<'_>> {
        let port = node.get("port")?;
        let protocol = Said::at(node, "protocol").filter(|said| !is_placeholder(said.text))?;
        let host = match node.get("hostname") {
            Some(host) => host.as_str().filter(|host| !is_placeholder(host))?,
            None => "",
        };
        Some(Entry { port: port.as_i64()?, at: port.origin(), protocol, host })
    }
    let listeners = object.node().at(&["spec", "listeners"]);
    listeners.into_iter().flat_map(Node::items).take(MOST).filter_map(entry).collect()
}

pub(super) fn check(case: &ObjectCase<'_>, out: &mut Findings) -> Judged {
    let parent = case.parent_of_listeners();
    if parent.is_none() && !case.is_gateway() {
        return Err(Abstain::NotApplicable);
    }
    case.joined.unpatched(case.object, &["spec/listeners", "spec/parentRef"])?;
    let own = entries(case.object);
    for (at, entry) in own.iter().enumerate() {
        if let Some((other, clash)) = own[..at].iter().find_map(|it| Some((it, clash(it, entry)?)))
        {
            out.push(told(entry, other, clash, "of one object"));
        }
    }
    let Some(parent) = parent else { return Ok(()) };
    let Some((group, kind)) = parent.kind else { return Ok(()) };
    let wanted = Wanted { group, kind, namespace: parent.namespace, name: parent.name.text };
    let gateway = match case.joined.referenced_one(case.object, wanted) {
        Ok(Ok(gateway)) => gateway,
        Ok(Err(_)) => return Ok(()),
        Err(unknown) => return Err(unknown),
    };
    case.joined.unpatched(gateway, &["spec/listeners"])?;
    let first = entries(gateway);
    let what = format!("of this object and its Gateway {}", gateway.meta.name());
    for entry in &own {
        let same = |it: &&Entry<'_>| {
            it.port == entry.port
                && it.protocol.text == entry.protocol.text
                && it.host.eq_ignore_ascii_case(entry.host)
        };
        if let Some(other) = first.iter().find(same) {
            let host = match entry.host {
                "" => String::new(),
                host => format!(" and host {host}"),
            };
            out.push(
                Finding::new(
                    &RULE,
                    format!(
                        "port {}{host} for {} is the Gateway's own: its listener comes first, and \
                         this one is Conflicted and serves nothing",
                        entry.port, entry.protocol.text
                    ),
                    &entry.at,
                    "taken",
                )
                .variant(&LISTENERS)
                .also(&other.at, "by the Gateway")
                .fix(Fix::suggest("give it another hostname or port")),
            );
        } else if let Some((other, clash)) =
            first.iter().find_map(|it| Some((it, clash(it, entry)?)))
        {
            out.push(told(entry, other, clash, &what));
        }
    }
    Ok(())
}

/// Why two listeners cannot share a port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clash {
    /// One of them takes all connections.
    Tcp,
    /// Plain text and TLS.
    PlainAndTls,
}

fn clash(one: &Entry<'_>, other: &Entry<'_>) -> Option<Clash> {
    if one.port != other.port {
        return None;
    }
    let both = [one.protocol.text, other.protocol.text];
    let has = |protocol: &str| both.contains(&protocol);
    let tls = has("HTTPS") || has("TLS");
    match (has("TCP"), has("HTTP")) {
        (true, http) if http || tls => Some(Clash::Tcp),
        (false, true) if tls => Some(Clash::PlainAndTls),
        _ => None,
    }
}

fn told(entry: &Entry<'_>, other: &Entry<'_>, clash: Clash, whose: &str) -> Finding {
    let (one, two) = (other.protocol.text, entry.protocol.text);
    let why = match clash {
        Clash::Tcp => "TCP takes every connection, so that both are Conflicted and neither serves",
        Clash::PlainAndTls => {
            "most implementations tell no plain text from TLS, and take both for Conflicted"
        }
    };
    let message =
        format!("listeners {whose} are for {one} and {two} on port {}: {why}", entry.port);
    let finding = Finding::new(&RULE, message, &entry.protocol.at, "on the same port")
        .variant(&LISTENERS)
        .also(&other.protocol.at, "the other")
        .fix(Fix::suggest("give one of them another port"));
    match clash {
        Clash::Tcp => finding,
        Clash::PlainAndTls => finding.level(Level::Warn),
    }
}
